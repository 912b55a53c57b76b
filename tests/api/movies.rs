//! Movies: adding, reading, replacing, updating, deleting.

use serde_json::{Value, json};

use super::{but, settled};
use crate::support::{Answer, Caller, TestApp, movie};

const FIELDS: [&str; 12] = [
    "cover_image",
    "created_at",
    "description",
    "director",
    "favorite",
    "favorite_count",
    "genre",
    "id",
    "release_date",
    "title",
    "updated_at",
    "user",
];

const COVER: &str = "https://example.org/covers/solaris.jpg?size=2";

fn solaris() -> Value {
    movie("Solaris", "Andrei Tarkovsky", "Sci-Fi, Drama", "1972-03-20")
}

fn path(movie: &Value) -> String {
    format!("/api/movies/{}/", movie["id"])
}

async fn create(caller: &Caller, changes: Value) -> Answer {
    caller
        .post("/api/movies/")
        .json(&but(&solaris(), &changes))
        .send()
        .await
}

fn is_instant(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    text.len() == 24 && text.ends_with('Z') && &text[10..11] == "T"
}

#[tokio::test]
async fn a_new_movie_has_every_field_of_the_contract_and_no_other() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let answer = create(&member, json!({})).await.is(201);
    let movie = &answer.body;
    assert_eq!(movie.as_object().unwrap().keys().collect::<Vec<_>>(), FIELDS);
    for (name, value) in solaris().as_object().unwrap() {
        assert_eq!(&movie[name], value);
    }
    assert_eq!(movie["cover_image"], Value::Null);
    assert_eq!(movie["favorite"], false);
    assert_eq!(movie["favorite_count"], 0);
    assert_eq!(movie["user"], member.id);
    assert!(is_instant(&movie["created_at"]));
    assert_eq!(movie["created_at"], movie["updated_at"]);
    let id = movie["id"].as_u64().unwrap();
    assert!((1..1 << 53).contains(&id));
    assert_eq!(answer.header("location"), format!("/api/movies/{id}/"));
    assert!(answer.header("etag").starts_with('"'));

    for caller in [&member, &app.anonymous()] {
        let read = caller.get(answer.header("location")).send().await.is(200);
        assert_eq!(&read.body, movie);
        assert_eq!(read.header("etag"), answer.header("etag"));
        let listed = caller.get("/api/movies/").send().await.is(200);
        assert_eq!(&listed.body["results"][0], movie);
    }
}

/// Guarantee 25.
#[tokio::test]
async fn what_the_server_owns_cannot_be_set() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let forged = json!({
        "id": 77, "favorite_count": 9, "created_at": "2000-01-01T00:00:00.000Z",
        "updated_at": "2000-01-01T00:00:00.000Z", "role": "admin", "version": 9, "likes": 90_000_000_000_u64,
        "liked": "LIKES#0", "dated": "x", "date": "x", "pk": "x", "sk": "x",
    });
    let whole = but(&solaris(), &forged);
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
async fn text_may_be_as_long_as_its_limit_and_no_longer() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let path = path(&create(&member, json!({})).await.is(201).body);
    let genres = |count: usize| (0..count).map(|n| format!("g{n}")).collect::<Vec<_>>().join(", ");
    // Four of 40 and one more, with commas and spaces.
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
        let put = but(&solaris(), &json!({field: fits}));
        assert_eq!(
            member.put(&path).json(&put).send().await.is(200).body[field],
            fits
        );
        let put = but(&solaris(), &json!({field: too_long}));
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
    // Past its limit only by what is taken off.
    let wide = format!("{}{}", " ".repeat(300), "x".repeat(200));
    create(&member, json!({"title": wide})).await.is(201);
}

#[tokio::test]
async fn control_characters_are_refused_but_for_a_descriptions_line_breaks_and_tabs() {
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
async fn a_genre_that_is_named_twice_counts_once() {
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
async fn a_movie_of_more_than_30_different_words_is_refused_and_told_why() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let words = |count: usize| (0..count).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
    // With the director's two and the genres' three (sci, fi, drama), and every word again in the director.
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
        member.put(&path).json(&but(&solaris(), &too_many)).send().await,
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
    // The widest edit: every word, genre and date changed.
    let whole = json!({
        "title": words(20).replace('w', "v"), "director": "a b c d e f g h i j", "genre": "a,b,c,d,e,f,g,h,i",
        "release_date": "1999-09-09", "favorite": true,
    });
    member.patch(&path).json(&whole).send().await.is(200);
    member.delete(&path).send().await.is(204);
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_at_once() {
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
async fn favorite_adds_the_movie_to_the_callers_favorites_or_removes_it() {
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

    let put = |favorite: bool| but(&solaris(), &json!({"favorite": favorite}));
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

#[tokio::test]
async fn only_an_admin_may_name_another_user() {
    let app = TestApp::new().await;
    let (member, other, admin) = (app.member().await, app.member().await, app.admin().await);
    let naming = |user: u64| json!({"user": user});
    assert_eq!(
        create(&member, naming(member.id)).await.is(201).body["user"],
        member.id
    );
    create(&member, naming(other.id))
        .await
        .is_problem(403, "forbidden");
    // A member isn't told which users there are either.
    create(&member, naming(999)).await.is_problem(403, "forbidden");
    assert_eq!(create(&admin, json!({})).await.is(201).body["user"], admin.id);
    let given = create(&admin, naming(other.id)).await.is(201).body;
    assert_eq!(given["user"], other.id);
    create(&admin, naming(999))
        .await
        .is_problem(400, "invalid_input")
        .names(&["user"]);

    let path = path(&given);
    let put = |user: u64| but(&solaris(), &naming(user));
    assert_eq!(
        other.put(&path).json(&put(other.id)).send().await.is(200).body["user"],
        other.id
    );
    assert_eq!(
        other.put(&path).json(&solaris()).send().await.is(200).body["user"],
        other.id
    );
    other
        .put(&path)
        .json(&put(member.id))
        .send()
        .await
        .is_problem(403, "forbidden");
    other
        .patch(&path)
        .json(&naming(member.id))
        .send()
        .await
        .is_problem(403, "forbidden");
    // An edit by an admin doesn't take the movie over.
    assert_eq!(
        admin.put(&path).json(&solaris()).send().await.is(200).body["user"],
        other.id
    );
    for call in [
        admin.put(&path).json(&put(999)),
        admin.patch(&path).json(&naming(999)),
    ] {
        call.send()
            .await
            .is_problem(400, "invalid_input")
            .names(&["user"]);
    }
    assert_eq!(
        admin
            .patch(&path)
            .json(&naming(member.id))
            .send()
            .await
            .is(200)
            .body["user"],
        member.id
    );
    // It is the member's from now on.
    other
        .patch(&path)
        .json(&json!({"title": "Mine"}))
        .send()
        .await
        .is_problem(403, "forbidden");
    member
        .patch(&path)
        .json(&json!({"title": "Mine"}))
        .send()
        .await
        .is(200);
    let null = member
        .patch(&path)
        .json(&json!({"user": null}))
        .send()
        .await
        .is(200);
    assert_eq!(null.body["user"], member.id);
}

#[tokio::test]
async fn only_the_owner_and_admins_may_change_a_movie() {
    let app = TestApp::new().await;
    let (owner, other, admin) = (app.member().await, app.member().await, app.admin().await);
    let nobody = app.anonymous();
    nobody
        .post("/api/movies/")
        .json(&solaris())
        .send()
        .await
        .is_problem(401, "unauthenticated");
    let made = create(&owner, json!({})).await.is(201).body;
    let path = path(&made);
    for (caller, status, code) in [(&nobody, 401, "unauthenticated"), (&other, 403, "forbidden")] {
        caller
            .put(&path)
            .json(&solaris())
            .send()
            .await
            .is_problem(status, code);
        caller
            .patch(&path)
            .json(&json!({"title": "x"}))
            .send()
            .await
            .is_problem(status, code);
        caller
            .patch(&path)
            .json(&json!({"favorite": true}))
            .send()
            .await
            .is_problem(status, code);
        caller.delete(&path).send().await.is_problem(status, code);
    }
    assert_eq!(owner.get(&path).send().await.body, made, "nothing has changed");
    for caller in [&owner, &admin] {
        caller.put(&path).json(&solaris()).send().await.is(200);
        let answer = caller
            .patch(&path)
            .json(&json!({"title": caller.username}))
            .send()
            .await
            .is(200);
        assert_eq!(answer.body["title"], caller.username);
    }
    admin.delete(&path).send().await.is(204);
    let again = create(&owner, json!({})).await.is(201).body;
    let gone = owner
        .delete(&format!("/api/movies/{}/", again["id"]))
        .send()
        .await
        .is(204);
    assert_eq!((gone.text.as_str(), gone.header("content-type")), ("", ""));
}

#[tokio::test]
async fn replacing_needs_every_required_field_and_keeps_the_others() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let made = create(&member, json!({"cover_image": COVER, "favorite": true}))
        .await
        .is(201)
        .body;
    let path = path(&made);
    for name in ["title", "description", "release_date", "director", "genre"] {
        let answer = member
            .put(&path)
            .json(&but(&solaris(), &json!({name: null})))
            .send()
            .await;
        answer.is_problem(400, "invalid_input").names(&[name]);
    }
    app.clock.advance(60);
    let mirror = movie("The Mirror", "Tarkovsky", "Biography", "1975-03-07");
    let put = member.put(&path).json(&mirror).send().await.is(200).body;
    for (name, value) in mirror.as_object().unwrap() {
        assert_eq!(&put[name], value);
    }
    for name in [
        "id",
        "cover_image",
        "favorite",
        "favorite_count",
        "user",
        "created_at",
    ] {
        assert_eq!(put[name], made[name], "{name}");
    }
    assert!(put["updated_at"].as_str() > made["updated_at"].as_str());
    assert_eq!(member.get(&path).send().await.body, put);
}

#[tokio::test]
async fn updating_changes_what_is_given_and_nothing_else() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let mut expected = create(&member, json!({"cover_image": COVER, "favorite": true}))
        .await
        .is(201)
        .body;
    let path = path(&expected);
    for (field, value) in [
        ("title", json!("The Mirror")),
        ("description", json!("Memories.")),
        ("director", json!("Tarkovsky")),
        ("genre", json!("Biography, drama")),
        ("release_date", json!("1975-03-07")),
        ("cover_image", json!(null)),
        ("favorite", json!(false)),
    ] {
        app.clock.advance(60);
        let answer = member
            .patch(&path)
            .json(&json!({field: value}))
            .send()
            .await
            .is(200)
            .body;
        expected[field] = value;
        if field == "favorite" {
            expected["favorite_count"] = json!(0);
        }
        assert!(answer["updated_at"].as_str() >= expected["updated_at"].as_str());
        expected["updated_at"] = answer["updated_at"].clone();
        assert_eq!(answer, expected);
        assert_eq!(member.get(&path).send().await.body, expected);
    }
    for field in ["title", "description", "director", "genre", "release_date"] {
        let answer = member
            .patch(&path)
            .body("application/json", format!("{{\"{field}\": null}}"))
            .send()
            .await;
        answer.is_problem(400, "invalid_input").names(&[field]);
    }
}

#[tokio::test]
async fn an_edit_of_a_version_that_is_gone_is_412() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    let made = create(&member, json!({})).await.is(201);
    let (path, first) = (path(&made.body), made.header("etag").to_owned());
    let change = json!({"title": "Solaris 2"});
    let changed = member
        .patch(&path)
        .header("if-match", &first)
        .json(&change)
        .send()
        .await
        .is(200);
    let second = changed.header("etag").to_owned();
    assert_ne!(first, second);
    for tag in [first.as_str(), "\"x\"", "W/\"2\"", "2", ""] {
        let call = member.put(&path).header("if-match", tag).json(&solaris());
        call.send().await.is_problem(412, "stale_precondition");
        let call = member.patch(&path).header("if-match", tag).json(&change);
        call.send().await.is_problem(412, "stale_precondition");
        member
            .delete(&path)
            .header("if-match", tag)
            .send()
            .await
            .is_problem(412, "stale_precondition");
    }
    // A favorite is no edit.
    other.put(&format!("{path}favorite/")).send().await.is(200);
    assert_eq!(member.get(&path).send().await.header("etag"), second);
    let edit = async |tag: &str| {
        let call = member.patch(&path).header("if-match", tag).json(&change);
        call.send().await.is(200).header("etag").to_owned()
    };
    let third = edit(&second).await;
    let fourth = edit(&format!("{first}, {third}")).await;
    edit("*").await;
    member
        .delete(&path)
        .header("if-match", &fourth)
        .send()
        .await
        .is_problem(412, "stale_precondition");
    // Whoever may not change the movie isn't told about its version.
    other
        .delete(&path)
        .header("if-match", &first)
        .send()
        .await
        .is_problem(403, "forbidden");
    member
        .delete("/api/movies/99/")
        .header("if-match", "*")
        .send()
        .await
        .is_problem(404, "not_found");
    member.delete(&path).header("if-match", "*").send().await.is(204);
}

#[tokio::test]
async fn an_id_that_is_none_is_404() {
    let app = TestApp::new().await;
    let member = app.member().await;
    create(&member, json!({})).await.is(201);
    for id in [
        "0",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e0",
        "abc",
        "2",
        "9007199254740991",
        "9007199254740992",
        "18446744073709551616",
        "123456789012345678901234567890",
        "%31%20",
        "%00",
        "1%00",
        "%FF",
        "\u{661}",
        "null",
    ] {
        let path = format!("/api/movies/{id}/");
        let favorite = format!("{path}favorite/");
        for call in [
            member.get(&path),
            member.put(&path).json(&solaris()),
            member.patch(&path).json(&json!({})),
            member.delete(&path),
            member.post(&favorite),
            member.put(&favorite),
            member.delete(&favorite),
            app.anonymous().get(&path),
        ] {
            call.send().await.is_problem(404, "not_found");
        }
    }
    // What isn't an id names nothing, whatever is sent to it.
    for id in ["0", "abc", "%FF"] {
        let call = member.put(&format!("/api/movies/{id}/")).json(&json!({}));
        call.send().await.is_problem(404, "not_found");
    }
    // However it is spelled, it is 1.
    app.anonymous().get("/api/movies/%31/").send().await.is(200);
}

/// Everything that anyone can see of the catalog.
async fn everything(callers: &[&Caller]) -> Vec<(u16, Value)> {
    let mut seen = Vec::new();
    for caller in callers {
        for path in [
            "/api/movies/",
            "/api/movies/?ordering=-id",
            "/api/movies/?ordering=release_date",
            "/api/movies/?ordering=-release_date",
            "/api/movies/?genre=drama",
            "/api/movies/?genre=sci-fi&ordering=release_date",
            "/api/movies/search/?q=solaris",
            "/api/movies/search/?q=tarkovsky",
            "/api/movies/search/?q=sci",
            "/api/movies/search/?q=fi",
            "/api/movies/categories/",
            "/api/movies/most-liked/",
            "/api/movies/newest/",
            "/api/users/me/favorites/",
        ] {
            seen.push(settled(caller.get(path).send().await));
        }
    }
    seen
}

#[tokio::test]
async fn a_deleted_movie_leaves_no_trace() {
    let app = TestApp::new().await;
    let (owner, fan) = (app.member().await, app.member().await);
    let other = create(
        &owner,
        json!({"title": "Nostalghia", "genre": "drama", "favorite": true}),
    )
    .await
    .is(201);
    let callers = [&owner, &fan, &app.anonymous()];
    let before = everything(&callers).await;
    for _ in 0..2 {
        let path = path(&create(&owner, json!({"favorite": true})).await.is(201).body);
        fan.post(&format!("{path}favorite/")).send().await.is(200);
        assert_ne!(everything(&callers).await, before);
        owner.delete(&path).send().await.is(204);
        assert_eq!(everything(&callers).await, before);
        for caller in callers {
            caller.get(&path).send().await.is(404);
        }
        owner.delete(&path).send().await.is(404);
        owner
            .patch(&path)
            .json(&json!({"title": "back"}))
            .send()
            .await
            .is(404);
        fan.post(&format!("{path}favorite/")).send().await.is(404);
        assert_eq!(everything(&callers).await, before);
    }
    owner.delete(&path(&other.body)).send().await.is(204);
    for (_, body) in everything(&callers).await {
        assert_ne!(body["count"], 1, "{body}");
        assert!(body["results"].as_array().is_none_or(Vec::is_empty), "{body}");
    }
}

/// An id isn't given out twice: what someone bookmarked never becomes another movie.
#[tokio::test]
async fn a_deleted_movies_id_is_not_given_to_another() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let one = create(&member, json!({})).await.is(201).body;
    member.delete(&path(&one)).send().await.is(204);
    let two = create(&member, json!({})).await.is(201).body;
    assert!(two["id"].as_u64() > one["id"].as_u64());
}
