//! The fields of a movie: which values each accepts, and the errors for the others.

use serde_json::{Value, json};

use super::{COVER, create, path, solaris};
use crate::api::with_changes;
use crate::support::TestApp;

const FIELDS: [&str; 15] = [
    "cover_image",
    "cover_thumbnail",
    "created_at",
    "description",
    "director",
    "favorite",
    "favorite_count",
    "genre",
    "id",
    "imdb_id",
    "release_date",
    "title",
    "updated_at",
    "user",
    "version",
];

fn is_instant(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    text.len() == 24 && text.ends_with('Z') && &text[10..11] == "T"
}

#[tokio::test]
async fn a_new_movie_has_exactly_the_documented_fields() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let answer = create(&member, json!({})).await.is(201);
    let movie = &answer.body;
    assert_eq!(movie.as_object().unwrap().keys().collect::<Vec<_>>(), FIELDS);
    for (name, value) in solaris().as_object().unwrap() {
        assert_eq!(&movie[name], value);
    }
    assert_eq!(movie["imdb_id"], Value::Null);
    assert_eq!(movie["cover_image"], Value::Null);
    assert_eq!(movie["favorite"], false);
    assert_eq!(movie["favorite_count"], 0);
    assert_eq!(movie["user"], member.id);
    assert!(is_instant(&movie["created_at"]));
    assert_eq!(movie["created_at"], movie["updated_at"]);
    let id = movie["id"].as_u64().unwrap();
    assert!((1..1 << 53).contains(&id));
    assert_eq!(answer.header("location"), format!("/api/movies/{id}/"));
    assert_eq!(movie["version"], 1);

    for caller in [&member, &app.anonymous()] {
        let read = caller.get(answer.header("location")).send().await.is(200);
        assert_eq!(&read.body, movie);
        let listed = caller.get("/api/movies/").send().await.is(200);
        assert_eq!(&listed.body["results"][0], movie);
    }
}

/// Guarantee 25.
#[tokio::test]
async fn server_owned_fields_of_a_movie_cannot_be_set() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let forged = json!({
        "id": 77, "favorite_count": 9, "created_at": "2000-01-01T00:00:00.000Z",
        "updated_at": "2000-01-01T00:00:00.000Z", "role": "admin", "version": 9, "likes": 90_000_000_000_u64,
        "liked": "LIKES#0", "dated": "x", "date": "x", "pk": "x", "sk": "x",
    });
    let whole = with_changes(&solaris(), &forged);
    let made = member.post("/api/movies/").json(&whole).send().await.is(201).body;
    let path = path(&made);
    let put = member.put(&path).json(&whole).send().await.is(200).body;
    let patched = member.patch(&path).json(&forged).send().await.is(200).body;
    for body in [&made, &put, &patched] {
        assert_eq!(body["id"], 1);
        assert_eq!(body["favorite_count"], 0);
        assert_eq!(body["created_at"], made["created_at"]);
        assert!(body["updated_at"].as_str() > Some("2001"));
        assert_eq!(body.as_object().unwrap().len(), FIELDS.len());
    }
    assert_eq!(member.get("/api/users/me/").send().await.body["role"], "member");
    assert!(
        member
            .get("/api/movies/most-liked/")
            .send()
            .await
            .ids()
            .is_empty()
    );
}

#[tokio::test]
async fn a_text_may_be_as_long_as_its_limit_and_no_longer() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let path = path(&create(&member, json!({})).await.is(201).body);
    let genres = |count: usize| (0..count).map(|n| format!("g{n}")).collect::<Vec<_>>().join(", ");
    // Four genres of 40 characters and one more, with commas and spaces.
    let long = |last: usize| ["a", "b", "c", "d"].map(|g| g.repeat(40)).join(", ") + ", " + &"e".repeat(last);
    assert_eq!(long(32).chars().count(), 200);
    for (field, fits, too_long) in [
        ("title", "é".repeat(200), "é".repeat(201)),
        ("title", "🎬".to_owned(), String::new()),
        ("director", "é".repeat(200), "é".repeat(201)),
        ("director", "x".to_owned(), String::new()),
        ("description", "🎬".repeat(5000), "🎬".repeat(5001)),
        ("description", "x".to_owned(), String::new()),
        ("genre", genres(9), genres(10)),
        ("genre", "é".repeat(40), "é".repeat(41)),
        (
            "genre",
            format!("Drama, {}", "x".repeat(40)),
            format!("Drama, {}", "x".repeat(41)),
        ),
        ("genre", long(32), long(33)),
        ("genre", "x".to_owned(), String::new()),
    ] {
        let answer = create(&member, json!({field: fits})).await.is(201);
        assert_eq!(answer.body[field], fits);
        create(&member, json!({field: too_long}))
            .await
            .is_problem(400, "invalid_input")
            .names(&[field]);
        let put = with_changes(&solaris(), &json!({field: fits}));
        assert_eq!(
            member.put(&path).json(&put).send().await.is(200).body[field],
            fits
        );
        let put = with_changes(&solaris(), &json!({field: too_long}));
        member
            .put(&path)
            .json(&put)
            .send()
            .await
            .is_problem(400, "invalid_input")
            .names(&[field]);
        assert_eq!(
            member
                .patch(&path)
                .json(&json!({field: fits}))
                .send()
                .await
                .is(200)
                .body[field],
            fits
        );
        let answer = member.patch(&path).json(&json!({field: too_long})).send().await;
        answer.is_problem(400, "invalid_input").names(&[field]);
    }
}

#[tokio::test]
async fn text_is_trimmed_and_never_blank() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let padded = json!({
        "title": " \u{a0}Solaris ", "description": "\n\tTwo  spaces.\r\n", "director": "\tAndrei  Tarkovsky ",
        "genre": "  Sci-Fi ,Drama,  ", "cover_image": format!(" {COVER} "), "release_date": " 1972-03-20 ",
    });
    let body = create(&member, padded).await.is(201).body;
    assert_eq!(body["title"], "Solaris");
    assert_eq!(body["description"], "Two  spaces.");
    assert_eq!(body["director"], "Andrei  Tarkovsky");
    assert_eq!(body["genre"], "Sci-Fi, Drama");
    assert_eq!(body["cover_image"], COVER);
    assert_eq!(body["release_date"], "1972-03-20");
    for field in ["title", "description", "director", "genre", "release_date"] {
        for blank in ["", " ", "\u{2003}\t\n"] {
            let answer = create(&member, json!({field: blank})).await;
            answer.is_problem(400, "invalid_input").names(&[field]);
        }
    }
    // Over the limit only before it is trimmed.
    let wide = format!("{}{}", " ".repeat(300), "x".repeat(200));
    create(&member, json!({"title": wide})).await.is(201);
}

#[tokio::test]
async fn control_characters_are_refused_except_line_breaks_and_tabs_in_a_description() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for control in ["\0", "\u{7}", "\u{1b}", "\u{7f}", "\u{85}", "\n", "\t", "\r"] {
        for field in ["title", "director", "genre", "description"] {
            let answer = create(&member, json!({field: format!("a{control}b")})).await;
            if field == "description" && ["\n", "\t", "\r"].contains(&control) {
                assert_eq!(answer.is(201).body[field], format!("a{control}b"));
            } else {
                answer.is_problem(400, "invalid_input").names(&[field]);
            }
        }
    }
}

#[tokio::test]
async fn a_release_date_is_a_real_day_from_1870_on() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for date in ["1870-01-01", "2000-02-29", "2024-02-29", "9999-12-31"] {
        let answer = create(&member, json!({"release_date": date})).await.is(201);
        assert_eq!(answer.body["release_date"], date);
    }
    for date in [
        "1869-12-31",
        "1900-02-29",
        "2023-02-29",
        "2000-00-01",
        "2000-13-01",
        "2000-04-31",
        "2000-1-1",
        "20000101",
        "01-01-2000",
        "2000/01/01",
        "2000-01-01T00:00:00Z",
        "10000-01-01",
        "+2000-01-01",
        "-2000-01-01",
        "2000-01-0１",
        "today",
    ] {
        let answer = create(&member, json!({"release_date": date})).await;
        answer.is_problem(400, "invalid_input").names(&["release_date"]);
    }
}

#[tokio::test]
async fn a_genre_named_twice_is_stored_once() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let body = create(&member, json!({"genre": "Drama,, sci-fi , DRAMA,drama"}))
        .await
        .is(201)
        .body;
    assert_eq!(body["genre"], "Drama, sci-fi");
    let categories = app
        .anonymous()
        .get("/api/movies/categories/")
        .send()
        .await
        .is(200);
    assert_eq!(categories.body["count"], 2);
    assert_eq!(categories.body["results"][0]["count"], 1);
    for genre in [",", " , ,", "Drama, ???"] {
        create(&member, json!({"genre": genre}))
            .await
            .is_problem(400, "invalid_input")
            .names(&["genre"]);
    }
}

#[tokio::test]
async fn a_movie_with_more_than_30_different_words_is_400_with_the_reason() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let words = |count: usize| (0..count).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
    // The director has two more words and the genres three (sci, fi, drama).
    let fits = json!({"title": words(25)});
    let path = path(&create(&member, fits.clone()).await.is(201).body);
    create(
        &member,
        json!({"title": words(30), "director": "W1 w2", "genre": "w3"}),
    )
    .await
    .is(201);
    let too_many = json!({"title": words(26)});
    let answers = [
        create(&member, too_many.clone()).await,
        member
            .put(&path)
            .json(&with_changes(&solaris(), &too_many))
            .send()
            .await,
        member.patch(&path).json(&too_many).send().await,
        member
            .patch(&path)
            .json(&json!({"director": "Somebody Else Altogether"}))
            .send()
            .await,
    ];
    for answer in answers {
        let answer = answer.is_problem(400, "invalid_input");
        let message = answer.body["errors"].to_string();
        assert!(message.contains("30 different words"), "{message}");
    }
    // The largest edit: every word, genre and the date change.
    let whole = json!({
        "title": words(20).replace('w', "v"), "director": "a b c d e f g h i j", "genre": "a,b,c,d,e,f,g,h,i",
        "release_date": "1999-09-09", "favorite": true,
    });
    member.patch(&path).json(&whole).send().await.is(200);
    member.delete(&path).send().await.is(204);
}

#[tokio::test]
async fn every_invalid_field_is_named_in_one_answer() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let path = path(&create(&member, json!({})).await.is(201).body);
    let required = ["description", "director", "genre", "release_date", "title"];
    for call in [member.post("/api/movies/"), member.put(&path)] {
        let answer = call
            .json(&json!({}))
            .send()
            .await
            .is_problem(400, "invalid_input")
            .names(&required);
        for name in required {
            assert!(answer.body["errors"][name][0].is_string());
        }
    }
    let wrong = json!({
        "title": "", "description": "x".repeat(5001), "release_date": "soon", "director": null, "genre": "\u{7}",
        "cover_image": "ftp://x", "favorite": "perhaps", "user": -1,
    });
    let all = [
        "cover_image",
        "description",
        "director",
        "favorite",
        "genre",
        "release_date",
        "title",
        "user",
    ];
    for call in [
        member.post("/api/movies/"),
        member.put(&path),
        member.patch(&path),
    ] {
        call.json(&wrong)
            .send()
            .await
            .is_problem(400, "invalid_input")
            .names(&all);
    }
    assert_eq!(member.get("/api/movies/").send().await.body["count"], 1);
}

#[tokio::test]
async fn a_cover_image_is_an_https_url_or_null() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let made = create(&member, json!({"cover_image": COVER})).await.is(201).body;
    assert_eq!(made["cover_image"], COVER);
    let path = path(&made);
    for cover in [
        "",
        "http://example.org/a.jpg",
        "javascript:alert(1)",
        "https://",
        "/a.jpg",
        "https://a/\u{0}",
    ] {
        let change = json!({"cover_image": cover});
        create(&member, change.clone())
            .await
            .is_problem(400, "invalid_input")
            .names(&["cover_image"]);
        member
            .patch(&path)
            .json(&change)
            .send()
            .await
            .is_problem(400, "invalid_input")
            .names(&["cover_image"]);
    }
    assert_eq!(
        member.patch(&path).json(&json!({})).send().await.is(200).body["cover_image"],
        COVER
    );
    assert_eq!(
        member.put(&path).json(&solaris()).send().await.is(200).body["cover_image"],
        COVER
    );
    let mut bare = solaris();
    bare["cover_image"] = Value::Null;
    assert_eq!(
        member.put(&path).json(&bare).send().await.is(200).body["cover_image"],
        Value::Null
    );
    let dressed = member
        .patch(&path)
        .json(&json!({"cover_image": COVER}))
        .send()
        .await
        .is(200);
    assert_eq!(dressed.body["cover_image"], COVER);
    let none = member
        .patch(&path)
        .json(&json!({"cover_image": null}))
        .send()
        .await
        .is(200);
    assert_eq!(none.body["cover_image"], Value::Null);
    assert_eq!(member.get(&path).send().await.body["cover_image"], Value::Null);
}

#[tokio::test]
async fn the_field_favorite_adds_to_or_removes_from_the_callers_favorites() {
    let app = TestApp::new().await;
    let (owner, admin) = (app.member().await, app.admin().await);
    let made = create(&owner, json!({"favorite": true})).await.is(201).body;
    assert_eq!(
        (&made["favorite"], &made["favorite_count"]),
        (&json!(true), &json!(1))
    );
    let path = path(&made);
    let other = create(&owner, json!({"favorite": false})).await.is(201).body;
    assert_eq!(
        (&other["favorite"], &other["favorite_count"]),
        (&json!(false), &json!(0))
    );

    let put = |favorite: bool| with_changes(&solaris(), &json!({"favorite": favorite}));
    for (caller, body, favorite, count) in [
        (&owner, solaris(), true, 1),
        (&admin, solaris(), false, 1),
        (&admin, put(true), true, 2),
        (&admin, put(true), true, 2),
        (&owner, put(false), false, 1),
        (&owner, put(false), false, 1),
        (&owner, put(true), true, 2),
    ] {
        let answer = caller.put(&path).json(&body).send().await.is(200).body;
        assert_eq!(
            (&answer["favorite"], &answer["favorite_count"]),
            (&json!(favorite), &json!(count)),
            "{body}"
        );
        assert_eq!(caller.get(&path).send().await.body, answer);
    }
    for (body, favorite, count) in [
        (json!({"favorite": false}), false, 1),
        (json!({"favorite": null}), false, 1),
        (json!({}), false, 1),
        (json!({"favorite": true, "title": "Солярис"}), true, 2),
        (json!({"title": "Solaris"}), true, 2),
    ] {
        let answer = owner.patch(&path).json(&body).send().await.is(200).body;
        assert_eq!(
            (&answer["favorite"], &answer["favorite_count"]),
            (&json!(favorite), &json!(count)),
            "{body}"
        );
    }
    assert_eq!(app.anonymous().get(&path).send().await.body["favorite"], false);
    assert_eq!(owner.get("/api/users/me/favorites/").send().await.ids(), [1]);
}
