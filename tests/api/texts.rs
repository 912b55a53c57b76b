//! Texts: invisible and direction-changing characters are refused, and every script is accepted up to the length limits.

use aws_sdk_dynamodb::types::AttributeValue;
use marquee_shared::{
    db::{expression::Condition, item::Item, keys},
    domain::MovieId,
};
use serde_json::{Value, json};

use super::with_changes;
use crate::support::{Answer, Caller, PASSWORD, TestApp, audit::audit, encode, movie};

fn heat() -> Value {
    movie("Heat", "Michael Mann", "Crime", "1995-12-15")
}

/// Returns the first error message for a field.
fn message(answer: &Answer, field: &str) -> String {
    let message = &answer.body["errors"][field][0];
    message
        .as_str()
        .unwrap_or_else(|| panic!("{}", answer.text))
        .to_owned()
}

/// Sends this change in a POST, a PUT and a PATCH, and returns the error messages for the field.
async fn error_messages(member: &Caller, path: &str, field: &str, text: &str) -> Vec<String> {
    let change = json!({ field: text });
    let whole = with_changes(&heat(), &change);
    let calls = [
        member.post("/api/movies/").json(&whole),
        member.put(path).json(&whole),
        member.patch(path).json(&change),
    ];
    let mut messages = Vec::new();
    for call in calls {
        let answer = call.send().await.is_problem(400, "invalid_input").names(&[field]);
        messages.push(message(&answer, field));
    }
    messages
}

/// Guarantee 50.
#[tokio::test]
async fn an_invisible_or_direction_changing_name_is_refused_and_the_message_says_which() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let path = format!("/api/movies/{}/", member.add(&heat()).await["id"]);
    for field in ["title", "director", "genre"] {
        for text in [
            "\u{200b}",
            "\u{3164}",
            "\u{2800}",
            "\u{301}\u{fe0f}",
            "\u{e0020}",
            " \u{ad} ",
        ] {
            for message in error_messages(&member, &path, field, text).await {
                assert!(
                    message.contains("visible character"),
                    "{field} {text:?}: {message}"
                );
            }
        }
        for text in [
            "He\u{202e}at",
            "\u{2066}Heat\u{2069}",
            "Heat\u{202c}",
            "\u{202a}Heat",
        ] {
            for message in error_messages(&member, &path, field, text).await {
                assert!(
                    message.contains("direction of text"),
                    "{field} {text:?}: {message}"
                );
            }
        }
    }
    for (name, why) in [
        ("\u{3164}\u{3164}\u{3164}", "letters, digits"),
        ("bob\u{115f}", "letters, digits"),
        ("\u{200b}bob", "letters, digits"),
        ("bob\u{202e}", "direction of text"),
        ("\u{93e}\u{93e}\u{93e}", "visible character"),
    ] {
        let body = json!({"username": name, "email": "bob@example.com", "password": PASSWORD});
        let answer = app
            .anonymous()
            .post("/api/auth/register/")
            .json(&body)
            .send()
            .await;
        let message = message(
            &answer.is_problem(400, "invalid_input").names(&["username"]),
            "username",
        );
        assert!(message.contains(why), "{name:?}: {message}");
    }
    assert_eq!(member.get("/api/movies/").send().await.body["count"], 1);
}

/// Guarantee 50.
#[tokio::test]
async fn a_cover_with_credentials_quotes_spaces_or_control_characters_is_refused() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let path = format!("/api/movies/{}/", member.add(&heat()).await["id"]);
    for (cover, why) in [
        ("https://user:pw@example.org/a.jpg", "username or password"),
        ("https://user@example.org/a.jpg", "username or password"),
        ("https://@example.org/a.jpg", "username or password"),
        ("https://example.org/\"onload=x", "quotes"),
        ("https://example.org/it's", "quotes"),
        ("https://example.org/a b.jpg", "spaces"),
        ("https://example.org/a\tb.jpg", "control"),
        ("https://example.org/a\u{7f}b.jpg", "control"),
        ("https:\\\\example.org\\a.jpg", "https"),
        ("https://example.org/<b>", "angle brackets"),
        ("ftp://example.org/a.jpg", "https"),
    ] {
        for message in error_messages(&member, &path, "cover_image", cover).await {
            assert!(message.contains(why), "{cover}: {message}");
        }
    }
    let cover = "https://example.org/it%27s%20%22%40.jpg?a=b@c#d";
    let changed = member
        .patch(&path)
        .json(&json!({"cover_image": cover}))
        .send()
        .await
        .is(200);
    assert_eq!(changed.body["cover_image"], cover);
}

#[tokio::test]
async fn texts_in_every_script_are_accepted_up_to_their_limits_and_found() {
    let app = TestApp::new().await;
    let member = app.member().await;
    // Words of ten characters, as many as the limit allows.
    let of = |word: &str, most: usize| {
        let word: String = word.chars().cycle().take(9).collect();
        let words = (0..9).map(|n| format!("{word}{n}")).collect::<Vec<_>>().join(" ");
        words
            .chars()
            .cycle()
            .take(most)
            .collect::<String>()
            .trim()
            .to_owned()
    };
    for (n, word) in [
        "기생충영화",
        "千と千尋の神隠し",
        "สวัสดีชาวโลก",
        "قصةحبطويلة",
        "Ξενοδοχείο",
        "Аленький",
        "עולםחדש",
        "कहानीपुरानी",
        "straßeﬃ",
        "\u{10400}\u{10401}",
    ]
    .into_iter()
    .enumerate()
    {
        let mut movie = movie(&of(word, 200), &of(word, 200), &of(word, 40), "2000-01-01");
        movie["description"] = json!(word.chars().cycle().take(5_000).collect::<String>());
        if word.starts_with('\u{10400}') {
            // Genres also have a limit in bytes, which 40 letters of four bytes exceed.
            movie["genre"] = json!(of(word, 30));
        }
        let id = member.add(&movie).await["id"].clone();
        for field in ["title", "director", "genre"] {
            let last = movie[field].as_str().unwrap().split(' ').next_back().unwrap();
            let found = member
                .get(&format!("/api/movies/search/?q={}", encode(last)))
                .send()
                .await;
            assert!(
                found.is(200).ids().contains(&id.as_u64().unwrap()),
                "{n}: {field} {last}"
            );
        }
        let genre = movie["genre"].as_str().unwrap();
        let listed = member
            .get(&format!("/api/movies/?genre={}", encode(genre)))
            .send()
            .await;
        assert_eq!(listed.is(200).ids(), [id.as_u64().unwrap()], "{genre}");
    }
    // Punctuation and symbols up to the limit in characters are accepted.
    for sign in ["\"", "\\", "🎬", "'", "…"] {
        let text = |chars: usize| sign.repeat(chars);
        let movie = movie(
            &text(200),
            &text(200),
            // A genre must not begin or end with a quotation mark.
            &format!("x{}{n}", text(35), n = sign.len()),
            "2000-01-01",
        );
        let movie = with_changes(&movie, &json!({"description": text(5_000)}));
        let id = member.add(&movie).await["id"].clone();
        let shown = member
            .get(&format!("/api/movies/{id}/"))
            .send()
            .await
            .is(200)
            .body;
        for field in ["title", "director", "description", "genre"] {
            assert_eq!(shown[field], movie[field], "{field}");
        }
    }
    let long = json!({"genre": "\u{10400}".repeat(40)});
    let answer = member
        .post("/api/movies/")
        .json(&with_changes(&heat(), &long))
        .send()
        .await;
    let message = message(
        &answer.is_problem(400, "invalid_input").names(&["genre"]),
        "genre",
    );
    assert!(message.contains("at most 120 bytes"), "{message}");
    audit(&app.running.state.store).await;
}

/// A movie that an earlier version accepted can still be read, edited and deleted.
#[tokio::test]
async fn a_stored_movie_that_would_be_refused_today_can_be_read_edited_and_deleted() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let id = member.add(&heat()).await["id"].as_u64().unwrap();
    let path = format!("/api/movies/{id}/");
    let store = &app.running.state.store;
    // The words stay the same, so that the postings still match.
    for (name, old) in [
        ("title", "\u{202e}Heat\u{3164}".to_owned()),
        ("director", "Michael\u{2066} Mann".to_owned()),
        ("description", "\u{200b}".to_owned()),
        ("genre", "Crime\u{202c}".to_owned()),
        ("cover_image", "https://user:pw@example.org/\"".to_owned()),
    ] {
        let item = store.get(&keys::movie(MovieId::try_from(id).unwrap())).await;
        let mut item = Item::from(item.unwrap().unwrap());
        item.insert(
            name.to_owned(),
            AttributeValue::S(old.replace('\u{3164}', "\u{200b}")),
        );
        assert!(store.put(item, Condition::none()).await.unwrap().is_ok());
    }
    let shown = member.get(&path).send().await.is(200).body;
    assert_eq!(shown["cover_image"], "https://user:pw@example.org/\"");
    for list in [
        "/api/movies/",
        "/api/movies/categories/",
        "/api/movies/search/?q=heat",
    ] {
        member.get(list).send().await.is(200);
    }
    let change = json!({"release_date": "1995-12-16"});
    let edited = member.patch(&path).json(&change).send().await.is(200).body;
    assert_eq!(edited["title"], shown["title"]);
    assert_eq!(edited["cover_image"], shown["cover_image"]);
    audit(store).await;
    member.delete(&path).send().await.is(204);
    audit(store).await;
}
