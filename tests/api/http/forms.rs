//! Form bodies: URL-encoded and multipart.

use reqwest::multipart;
use serde_json::{Value, json};

use super::stalker;
use crate::api::{MEDIA_TYPES, body_of};
use crate::support::{Call, TestApp};

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
