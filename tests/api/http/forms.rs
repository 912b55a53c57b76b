//! Form bodies: URL-encoded and multipart.

use reqwest::multipart;
use serde_json::{Value, json};

use super::{accepted_bodies, stalker};
use crate::api::{MEDIA_TYPES, body_of, with_changes};
use crate::support::{Call, TestApp};

/// Returns the content type and the body of a form with these fields and then these pairs.
fn body_of_pairs(media: &str, fields: &Value, pairs: &[(&str, &Value)]) -> (String, String) {
    let (kind, mut body) = body_of(media, fields);
    for (name, value) in pairs {
        let (_, one) = body_of(media, &json!({*name: value}));
        body = match body.strip_suffix("--edge--\r\n") {
            Some(parts) => format!("{parts}{one}"),
            None => format!("{body}&{one}"),
        };
    }
    (kind, body)
}

/// Guarantee 27.
#[tokio::test]
async fn a_form_with_more_than_100_fields_is_400_in_each_media_type() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let movies = "/api/movies/";
    // As many pairs as fit into a body, with and without names.
    for pairs in ["&a".repeat(131_000), "a=1&".repeat(60_000), "a&".repeat(101)] {
        let call = member
            .post(movies)
            .body("application/x-www-form-urlencoded", pairs);
        let answer = call.send().await.is_problem(400, "malformed_request");
        assert!(answer.text.contains("at most 100 fields"), "{}", answer.text);
    }
    for media in MEDIA_TYPES {
        for (others, status) in [(95, 201), (96, 400), (2_000, 400)] {
            let mut fields = stalker();
            for n in 0..others {
                fields[format!("other{n}")] = json!("x");
            }
            let (kind, body) = body_of(media, &fields);
            member.post(movies).body(&kind, body).send().await.is(status);
        }
    }
}

#[tokio::test]
async fn an_unreadable_form_is_400() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let form = "application/x-www-form-urlencoded";
    let multi = "multipart/form-data; boundary=edge";
    let part = "--edge\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n";
    let bodies: [(&str, Vec<u8>); 9] = [
        (form, b"title=%FF".to_vec()),
        (form, b"title=\xff".to_vec()),
        (form, b"%C3=title".to_vec()),
        ("multipart/form-data", b"--edge--\r\n".to_vec()),
        (multi, b"nothing of the kind".to_vec()),
        (multi, part.as_bytes().to_vec()),
        (multi, format!("{part}x\r\n--edg").into_bytes()),
        (multi, [part.as_bytes(), b"\xff\r\n--edge--\r\n"].concat()),
        (
            multi,
            b"--edge\r\nContent-Disposition: form-data; name=\"title\"\xff\r\n".to_vec(),
        ),
    ];
    for (kind, body) in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        for path in ["/api/movies/", "/api/auth/register/"] {
            let answer = member.post(path).body(kind, body.clone()).send().await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["code"]),
                (400, &json!("malformed_request")),
                "{shown}"
            );
        }
    }
    let empty = member.post("/api/movies/").body(multi, "").send().await;
    let empty = empty.is_problem(400, "malformed_request");
    assert_eq!(empty.body["detail"], "The body is empty.");
    // An empty form is a form without fields.
    let required = ["description", "director", "genre", "release_date", "title"];
    for (kind, body) in [(form, ""), (multi, "--edge--\r\n")] {
        let answer = member.post("/api/movies/").body(kind, body).send().await;
        answer.is_problem(400, "invalid_input").names(&required);
    }
    let answer = member.post("/api/movies/").send().await;
    answer.is_problem(400, "invalid_input").names(&required);
}

#[tokio::test]
async fn an_uploaded_file_is_400_and_names_its_field() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let path = format!("/api/movies/{}/", member.add(&stalker()).await["id"]);
    let file = || {
        multipart::Part::bytes(&[0xff, 0xd8, 0xff][..])
            .file_name("cover.jpg")
            .mime_str("image/jpeg")
            .unwrap()
    };
    let form = || {
        let text = stalker();
        let fields = text.as_object().unwrap().clone();
        fields
            .into_iter()
            .fold(multipart::Form::new(), |form, (name, value)| {
                form.text(name, value.as_str().unwrap().to_owned())
            })
    };
    for call in [
        member.post("/api/movies/"),
        member.put(&path),
        member.patch(&path),
    ] {
        let answer = Call(call.0.multipart(form().part("cover_image", file())))
            .send()
            .await;
        answer.is_problem(400, "invalid_input").names(&["cover_image"]);
    }
    // A field that must be text is not also said to be missing.
    let call = member.post("/api/movies/");
    let answer = Call(call.0.multipart(multipart::Form::new().part("title", file())))
        .send()
        .await;
    let answer = answer.is_problem(400, "invalid_input");
    assert_eq!(
        answer.body["errors"]["title"],
        json!(["Must be text, not a file."])
    );
    // For a file input without a chosen file, a browser sends an empty file without a name.
    let call = member.post("/api/movies/");
    let nothing = multipart::Part::bytes(&[][..]).file_name("");
    let answer = Call(call.0.multipart(form().part("cover_image", nothing)))
        .send()
        .await;
    assert_eq!(answer.is(201).body["cover_image"], Value::Null);
    // Unknown fields are ignored, even if they are files.
    let call = member.post("/api/movies/");
    Call(call.0.multipart(form().part("attachment", file())))
        .send()
        .await
        .is(201);
    let call = member.post("/api/movies/");
    Call(call.0.multipart(form())).send().await.is(201);
}

#[tokio::test]
async fn a_field_that_is_there_twice_is_400_and_named() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for media in &MEDIA_TYPES[1..] {
        for (method, path, fields, _) in accepted_bodies(&app, &member).await {
            for (name, value) in fields.as_object().unwrap() {
                if name == "genre" {
                    continue;
                }
                for second in [value, &json!("")] {
                    let (kind, body) = body_of_pairs(media, &fields, &[(name, second)]);
                    let answer = member.call(method.clone(), &path).body(&kind, body).send().await;
                    let answer = answer.is_problem(400, "invalid_input").names(&[name]);
                    let message = json!(["This field may be given only once."]);
                    assert_eq!(answer.body["errors"][name], message, "{media} {method} {path}");
                }
            }
        }
        // It is reported together with other errors, and its own value is checked as well.
        let fields = with_changes(&stalker(), &json!({"title": " ", "director": null}));
        let twice = [("title", &json!("x")), ("description", &json!("x"))];
        let (kind, body) = body_of_pairs(media, &fields, &twice);
        let answer = member.post("/api/movies/").body(&kind, body).send().await;
        let answer = answer.is_problem(400, "invalid_input");
        let answer = answer.names(&["description", "director", "title"]);
        assert_eq!(answer.body["errors"]["title"].as_array().unwrap().len(), 2);
        // Unknown fields are ignored.
        let twice = [("other", &json!("x")), ("other", &json!("x"))];
        let (kind, body) = body_of_pairs(media, &stalker(), &twice);
        member.post("/api/movies/").body(&kind, body).send().await.is(201);
    }
}

#[tokio::test]
async fn a_genre_may_be_repeated_or_a_list() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for (genres, expected) in [
        (vec!["Drama", "Comedy"], "Drama, Comedy"),
        (vec!["Drama"], "Drama"),
        (vec!["Drama, Crime", "Comedy", "drama"], "Drama, Crime, Comedy"),
        (vec!["", " Drama ", ""], "Drama"),
        (vec!["Children's", "Rock 'n' Roll"], "Children's, Rock 'n' Roll"),
    ] {
        let movie = with_changes(&stalker(), &json!({"genre": null}));
        let texts: Vec<Value> = genres.iter().map(|genre| json!(genre)).collect();
        let pairs: Vec<(&str, &Value)> = texts.iter().map(|genre| ("genre", genre)).collect();
        let list = with_changes(&movie, &json!({"genre": genres}));
        let mut bodies = vec![("application/json".to_owned(), list.to_string())];
        bodies.extend(
            MEDIA_TYPES[1..]
                .iter()
                .map(|media| body_of_pairs(media, &movie, &pairs)),
        );
        for (kind, body) in bodies {
            let answer = member.post("/api/movies/").body(&kind, body.clone()).send().await;
            let added = answer.is(201).body;
            assert_eq!(added["genre"], expected, "{kind} {genres:?}");
            let path = format!("/api/movies/{}/", added["id"]);
            for call in [member.put(&path), member.patch(&path)] {
                let answer = call.body(&kind, body.clone()).send().await.is(200);
                assert_eq!(answer.body["genre"], expected, "{kind} {genres:?}");
            }
        }
    }
    // The limits are those of the text.
    let many: Vec<String> = (0..10).map(|n| format!("Genre {n}")).collect();
    for genres in [
        json!([]),
        json!([""]),
        json!([" ", ","]),
        json!(many),
        json!(["x".repeat(41)]),
    ] {
        let movie = with_changes(&stalker(), &json!({"genre": genres}));
        let answer = member.post("/api/movies/").json(&movie).send().await;
        answer.is_problem(400, "invalid_input").names(&["genre"]);
    }
}

#[tokio::test]
async fn a_genre_in_the_notation_of_another_list_is_400() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for genre in [
        r#"["Drama", "Comedy"]"#,
        "['Drama', 'Comedy']",
        r#"[{"id": 18, "name": "Drama"}]"#,
        "{Drama,Comedy}",
        "Drama]",
        "\"Drama\"",
        "'Drama', 'Comedy'",
        "Comedy, “Drama”",
    ] {
        for value in [json!(genre), json!([genre])] {
            let movie = with_changes(&stalker(), &json!({"genre": value}));
            let answer = member.post("/api/movies/").json(&movie).send().await;
            answer.is_problem(400, "invalid_input").names(&["genre"]);
        }
    }
}
