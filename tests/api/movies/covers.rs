//! Guarantee 78: uploaded covers: setting, deleting and serving them, and files in forms.

use std::time::Duration;

use image::{DynamicImage, ImageFormat, RgbImage};
use marquee_shared::db::covers::DOUBTFUL_SECONDS;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{COVER, create, path, solaris};
use crate::support::{Answer, Call, Caller, PASSWORD, TestApp, audit::audit, operations::IMAGE};

/// An image of one color in this format.
fn image(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let image = DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, image::Rgb([200, 30, 60])));
    let mut file = std::io::Cursor::new(Vec::new());
    match format {
        // The encoder of GIF takes no other.
        ImageFormat::Gif => DynamicImage::ImageRgba8(image.to_rgba8()).write_to(&mut file, format),
        _ => image.write_to(&mut file, format),
    }
    .unwrap();
    file.into_inner()
}

fn cover_path(movie: &Value) -> String {
    format!("{}cover/", path(movie))
}

async fn upload(caller: &Caller, movie: &Value, image: impl Into<reqwest::Body>) -> Answer {
    let call = caller.put(&cover_path(movie));
    call.body("application/octet-stream", image).send().await
}

fn url(movie: &Value, field: &str) -> String {
    movie[field].as_str().unwrap().to_owned()
}

/// A form with these fields and a file for the cover.
fn form(fields: &Value, file: impl Into<Vec<u8>>) -> Form {
    let fields = fields.as_object().unwrap().clone().into_iter();
    let form = fields.fold(Form::new(), |form, (name, value)| {
        form.text(name, value.as_str().unwrap().to_owned())
    });
    form.part("cover_image", Part::bytes(file.into()).file_name("a.txt"))
}

async fn send(call: Call, form: Form) -> Answer {
    Call(call.0.multipart(form)).send().await
}

/// Deletes what no movie has any more, as the server does in time. Returns the names of the stored images.
async fn swept(app: &TestApp) -> Vec<String> {
    app.clock.advance(DOUBTFUL_SECONDS + 1);
    app.running.functions.images.sweep().await.unwrap();
    app.images().await
}

#[tokio::test]
async fn an_uploaded_cover_is_served_with_the_type_of_its_content() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let made = create(&member, json!({})).await.is(201).body;
    assert_eq!(made["cover_thumbnail"], Value::Null);
    for (format, media_type) in [
        (ImageFormat::Jpeg, "image/jpeg"),
        (ImageFormat::Png, "image/png"),
        (ImageFormat::WebP, "image/webp"),
        (ImageFormat::Gif, "image/gif"),
    ] {
        let file = image(format, 684, 500);
        let movie = upload(&member, &made, file).await.is(200).body;
        let (cover, thumbnail) = (url(&movie, "cover_image"), url(&movie, "cover_thumbnail"));
        assert!(
            cover.starts_with(&format!("{}/api/covers/", member.base)),
            "{cover}"
        );
        let anonymous = app.anonymous();
        for (address, media_type, size) in [
            (&cover, media_type, (684, 500)),
            (&thumbnail, "image/jpeg", (342, 250)),
        ] {
            let response = reqwest::get(address).await.unwrap();
            assert_eq!(response.status(), 200);
            let headers = response.headers().clone();
            for (name, value) in [
                ("content-type", media_type),
                ("cache-control", "public, max-age=31536000, immutable"),
                ("x-content-type-options", "nosniff"),
                ("content-security-policy", "default-src 'none'; sandbox"),
                ("access-control-allow-origin", "*"),
            ] {
                let shown = if name == "access-control-allow-origin" {
                    "*"
                } else {
                    headers[name].to_str().unwrap()
                };
                assert_eq!(shown, value, "{name}");
            }
            assert!(!headers.contains_key("content-encoding"));
            let bytes = response.bytes().await.unwrap();
            let shown = image::load_from_memory(&bytes).unwrap();
            assert_eq!((shown.width(), shown.height()), size, "{format:?}");
            let tag = headers["etag"].to_str().unwrap();
            let again = anonymous
                .get(address)
                .header("if-none-match", tag)
                .send()
                .await
                .is(304);
            assert_eq!(again.header("etag"), tag);
        }
        // The movie shows the same everywhere.
        let listed = member.get("/api/movies/").send().await.is(200).body;
        assert_eq!(listed["results"][0], movie);
        let mine = member.get("/api/users/me/movies/").send().await.is(200).body;
        assert_eq!(mine["results"][0], movie);
    }
    for name in [
        "nothing",
        "0f3b6c1d9e8a47525d1c0b9a8f7e6d5c.jpg",
        "..%2ftable.sqlite",
        "%2e%2e",
    ] {
        let call = app.anonymous().get(&format!("/api/covers/{name}"));
        call.send().await.is_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_file_that_is_no_acceptable_image_changes_nothing() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let made = create(&member, json!({"cover_image": COVER})).await.is(201).body;
    let jpeg = image(ImageFormat::Jpeg, 40, 60);
    let with = |more: &[u8]| [&jpeg[..], more].concat();
    let too_many_pixels = {
        let mut png = image(ImageFormat::Png, 8, 8);
        png.splice(16..24, [0, 0, 0x20, 0, 0, 0, 0x20, 0]);
        png
    };
    for (file, status, code) in [
        (Vec::new(), 400, "invalid_input"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            415,
            "unsupported_image",
        ),
        (b"MZ".to_vec(), 415, "unsupported_image"),
        (jpeg[..jpeg.len() - 20].to_vec(), 400, "invalid_input"),
        (with(b"PK\x03\x04"), 400, "invalid_input"),
        (with(&jpeg), 400, "invalid_input"),
        (too_many_pixels, 400, "invalid_input"),
        (with(&vec![0; 4_000_001 - jpeg.len()]), 413, "image_too_large"),
        (with(&vec![0; 4_000_000 - jpeg.len()]), 400, "invalid_input"),
    ] {
        let size = file.len();
        let answer = upload(&member, &made, file.clone()).await;
        let answer = answer.is_problem(status, code).names(&["cover_image"]);
        assert!(
            status != 413 || answer.text.contains("4 MB"),
            "{size} bytes: {}",
            answer.text
        );
        for call in [
            member.post("/api/movies/"),
            member.put(&path(&made)),
            member.patch(&path(&made)),
        ] {
            let answer = send(call, form(&solaris(), file.clone())).await;
            answer.is_problem(status, code).names(&["cover_image"]);
        }
    }
    // What the local gateway and API Gateway don't pass on.
    let answer = upload(&member, &made, vec![0xff; 5_000_000]).await;
    assert!(answer.is_problem(413, "body_too_large").text.contains("4 MB"));
    let encoded = member.put(&cover_path(&made)).header("content-encoding", "gzip");
    encoded.body("image/png", IMAGE).send().await.is(415);
    assert_eq!(member.get(&path(&made)).send().await.body, made);
    assert_eq!(member.count("/api/movies/").await, 1);
    assert_eq!(app.images().await, [""; 0]);
}

#[tokio::test]
async fn an_image_that_is_refused_is_named_beside_every_other_invalid_field() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let made = create(&member, json!({})).await.is(201).body;
    let mut broken = IMAGE.to_vec();
    broken.truncate(IMAGE.len() / 2);
    let mut invalid = solaris();
    invalid["title"] = json!(" ");
    invalid["release_date"] = json!("never");
    for (file, message) in [
        (broken, "incomplete"),
        (b"a text".to_vec(), "JPEG, PNG, WebP, GIF or AVIF"),
        (Vec::from(IMAGE), ""),
    ] {
        for call in [
            member.post("/api/movies/"),
            member.put(&path(&made)),
            member.patch(&path(&made)),
        ] {
            let answer = send(call, form(&invalid, file.clone())).await;
            let answer = answer.is_problem(400, "invalid_input");
            let about_image = answer.body["errors"]["cover_image"][0].as_str();
            assert!(
                about_image.unwrap_or_default().contains(message),
                "{}",
                answer.text
            );
            match message {
                "" => answer.names(&["release_date", "title"]),
                _ => answer.names(&["cover_image", "release_date", "title"]),
            };
        }
    }
    // A field that is missing or there twice counts too.
    let twice = form(&json!({"title": "Stalker"}), "a text").text("title", "Solaris");
    send(member.post("/api/movies/"), twice)
        .await
        .is_problem(400, "invalid_input")
        .names(&[
            "cover_image",
            "description",
            "director",
            "genre",
            "release_date",
            "title",
        ]);
    // An image that was only checked isn't stored.
    assert_eq!(app.images().await, [""; 0]);
    assert_eq!(member.count("/api/movies/").await, 1);
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_form_has_a_cover_as_a_file_or_as_text_but_once() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let made = send(member.post("/api/movies/"), form(&solaris(), IMAGE))
        .await
        .is(201)
        .body;
    let first = url(&made, "cover_image");
    assert!(first.ends_with(".png"));
    let text = |caller: &Caller| caller.patch(&path(&made));
    let changed = send(text(&member), form(&json!({"title": "Stalker"}), IMAGE))
        .await
        .is(200)
        .body;
    assert_eq!(
        (&changed["title"], &changed["version"]),
        (&json!("Stalker"), &json!(2))
    );
    assert_ne!(url(&changed, "cover_image"), first);
    let replaced = send(member.put(&path(&made)), form(&solaris(), IMAGE))
        .await
        .is(200)
        .body;
    assert_ne!(url(&replaced, "cover_image"), url(&changed, "cover_image"));
    // Without a file the cover stays, and with an unnamed empty one too.
    let kept = member
        .put(&path(&made))
        .json(&solaris())
        .send()
        .await
        .is(200)
        .body;
    assert_eq!(kept["cover_image"], replaced["cover_image"]);
    let nothing = Form::new().part("cover_image", Part::bytes(&[][..]).file_name(""));
    let kept = send(text(&member), nothing).await.is(200).body;
    assert_eq!(kept["cover_image"], replaced["cover_image"]);
    // A file without a name is known by its type. Any other part is a text.
    let part = |kind: &str| {
        let part = Part::bytes(IMAGE).mime_str(kind).unwrap();
        Form::new().part("cover_image", part)
    };
    let unnamed = send(text(&member), part("image/x-of-any-kind"))
        .await
        .is(200)
        .body;
    assert_ne!(unnamed["cover_image"], replaced["cover_image"]);
    send(text(&member), part("text/plain"))
        .await
        .is_problem(400, "malformed_request");

    for twice in [
        form(&json!({}), IMAGE).part("cover_image", Part::bytes(IMAGE).file_name("b")),
        form(&json!({"cover_image": COVER}), IMAGE),
        form(&json!({"cover_image": ""}), IMAGE),
    ] {
        let answer = send(text(&member), twice).await;
        answer.is_problem(400, "invalid_input").names(&["cover_image"]);
    }
    let other = Form::new().part("title", Part::bytes(IMAGE).file_name("b"));
    send(text(&member), other)
        .await
        .is_problem(400, "invalid_input")
        .names(&["title"]);
    // The other fields share the limit of every body.
    let long = form(&json!({"description": "x".repeat(262_144)}), IMAGE);
    send(text(&member), long).await.is_problem(413, "body_too_large");
    // All fields are reported at once, and nothing is uploaded.
    let invalid = form(&json!({"release_date": "never"}), IMAGE);
    send(text(&member), invalid)
        .await
        .names(&["release_date"])
        .is(400);
    assert_eq!(swept(&app).await.len(), 2);
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn the_url_of_an_uploaded_cover_keeps_it_and_is_no_other_movies() {
    let app = TestApp::with(|options| {
        options.config.http.public_url = Some("https://movies.example".into());
    })
    .await;
    let member = app.member().await;
    let (one, two) = (
        create(&member, json!({})).await.body,
        create(&member, json!({})).await.body,
    );
    let one = upload(&member, &one, IMAGE).await.is(200).body;
    let two = upload(&member, &two, IMAGE).await.is(200).body;
    let own = url(&one, "cover_image");
    assert!(own.starts_with("https://movies.example/api/covers/"), "{own}");
    let elsewhere = own.replace("https://movies.example", &member.base);
    for same in [own.clone(), elsewhere.clone(), format!("{own}/")] {
        let kept = member
            .patch(&path(&one))
            .json(&json!({"cover_image": same}))
            .send()
            .await
            .is(200)
            .body;
        assert_eq!(kept["cover_image"], own);
        assert_eq!(kept["cover_thumbnail"], one["cover_thumbnail"]);
    }
    // Of another movie, of none, of a thumbnail; and http is no URL of a cover elsewhere.
    let none = "https://movies.example/api/covers/0f3b6c1d9e8a47525d1c0b9a8f7e6d5c.jpg";
    for foreign in [&own, none, &elsewhere] {
        let call = member.patch(&path(&two)).json(&json!({"cover_image": foreign}));
        call.send()
            .await
            .is_problem(400, "invalid_input")
            .names(&["cover_image"]);
        let mut new = solaris();
        new["cover_image"] = json!(foreign);
        member
            .post("/api/movies/")
            .json(&new)
            .send()
            .await
            .is(400)
            .names(&["cover_image"]);
    }
    let external = "https://other.example/api/covers/0f3b6c1d9e8a47525d1c0b9a8f7e6d5c.jpg";
    let call = member.patch(&path(&two)).json(&json!({"cover_image": external}));
    let changed = call.send().await.is(200).body;
    assert_eq!(
        (&changed["cover_image"], &changed["cover_thumbnail"]),
        (&json!(external), &Value::Null)
    );
    let names = swept(&app).await;
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(own.ends_with(&names[1]), "{names:?}");
}

#[tokio::test]
async fn setting_and_deleting_a_cover_are_edits_with_a_precondition() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let made = create(&member, json!({})).await.is(201);
    let stale = made.header("etag").to_owned();
    let set = |tag: &str| {
        let call = member.put(&cover_path(&made.body)).header("if-match", tag);
        call.body("image/png", IMAGE)
    };
    let first = set(&stale).send().await.is(200);
    assert_eq!(first.body["version"], 2);
    set(&stale).send().await.is_problem(412, "stale_precondition");
    let delete = || member.delete(&cover_path(&made.body));
    delete().header("if-match", &stale).send().await.is(412);
    assert_eq!(member.get(&path(&made.body)).send().await.body, first.body);
    delete()
        .header("if-match", first.header("etag"))
        .send()
        .await
        .is(204);
    // What is gone is no edit.
    delete().send().await.is(204);
    let bare = member.get(&path(&made.body)).send().await.body;
    assert_eq!(
        (&bare["version"], &bare["cover_image"]),
        (&json!(3), &Value::Null)
    );
    assert_eq!(swept(&app).await, [""; 0]);
    // A URL is deleted likewise.
    let call = member
        .patch(&path(&made.body))
        .json(&json!({"cover_image": COVER}));
    call.send().await.is(200);
    delete().send().await.is(204);
    assert_eq!(
        member.get(&path(&made.body)).send().await.body["cover_image"],
        Value::Null
    );
    member.delete("/api/movies/999/cover/").send().await.is(404);
    upload(&member, &json!({"id": 999}), IMAGE)
        .await
        .is_problem(404, "not_found");
}

#[tokio::test]
async fn an_addition_with_a_file_and_a_key_is_made_once() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let add = async |file: Vec<u8>| {
        let call = member.post("/api/movies/").header("idempotency-key", "cover");
        send(call, form(&solaris(), file)).await
    };
    let first = add(IMAGE.to_vec()).await.is(201);
    for _ in 0..2 {
        let again = add(IMAGE.to_vec()).await.is(201);
        assert_eq!(
            (again.header("idempotency-replayed"), &again.text),
            ("true", &first.text)
        );
    }
    add(image(ImageFormat::Png, 5, 5))
        .await
        .is_problem(422, "idempotency_key_reused");
    let without = member
        .post("/api/movies/")
        .header("idempotency-key", "cover")
        .json(&solaris());
    without.send().await.is(422);
    assert_eq!(member.count("/api/movies/").await, 1);
    // No replay has uploaded anything.
    assert_eq!(app.images().await.len(), 2);
    assert_eq!(swept(&app).await.len(), 2);
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_replaced_or_deleted_cover_is_gone_in_time_and_nothing_is_left_behind() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let made = create(&member, json!({})).await.is(201).body;
    let first = upload(&member, &made, IMAGE).await.is(200).body;
    let second = upload(&member, &made, IMAGE).await.is(200).body;
    let status = async |movie: &Value, field| reqwest::get(url(movie, field)).await.unwrap().status();
    assert_eq!(swept(&app).await.len(), 2);
    for field in ["cover_image", "cover_thumbnail"] {
        assert_eq!(status(&first, field).await, 404);
        assert_eq!(status(&second, field).await, 200);
    }
    // The movie of a deleted account keeps its cover.
    let body = json!({"current_password": PASSWORD});
    member.delete("/api/users/me/").json(&body).send().await.is(204);
    assert_eq!(swept(&app).await.len(), 2);
    let admin = app.admin().await;
    admin.delete(&path(&made)).send().await.is(204);
    assert_eq!(swept(&app).await, [""; 0]);
    assert_eq!(status(&second, "cover_image").await, 404);
    tokio::time::timeout(Duration::from_secs(60), audit(&app.running.state.store))
        .await
        .unwrap();
}
