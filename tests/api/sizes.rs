//! The largest possible answers: each is within Lambda's limit.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use marquee::import::{Importer, Report, Source};
use marquee_shared::http::size::MAX_ANSWER_BYTES;
use serde_json::{Value, json};
use url::Url;

use crate::support::{Caller, TestApp, event::Request, proxy::ProxiedApp};

/// Returns the size of a function's whole answer to this request, in bytes, and its body. Asserts that the compressed answer has the
/// same body and is within the limit too.
async fn answer(app: &TestApp, caller: &Caller, target: &str) -> (usize, Value) {
    let url = Url::parse("https://x").unwrap().join(target).unwrap();
    let mut request = Request::new("GET", url.path());
    request.query = url.query().unwrap_or_default().to_owned();
    if let Some(access) = &caller.access {
        request = request.header("authorization", &format!("Bearer {access}"));
    }
    let event = request.clone().event("large").to_value();
    let answer = app.running.gateway.invoke(&event).await.unwrap();
    assert_eq!(answer["statusCode"], 200, "{target}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let compressed = request
        .header("accept-encoding", "gzip")
        .event("large")
        .to_value();
    let compressed = app.running.gateway.invoke(&compressed).await.unwrap();
    let bytes = serde_json::to_vec(&compressed).unwrap().len();
    assert!(bytes <= MAX_ANSWER_BYTES, "{target}, compressed: {bytes}");
    // A short answer isn't compressed.
    if answer["body"].as_str().unwrap().len() >= 1024 {
        assert_eq!(decompressed(&compressed), body, "{target}");
    }
    (serde_json::to_vec(&answer).unwrap().len(), body)
}

/// The body of a function's compressed answer, which Lambda needs in base64.
fn decompressed(answer: &Value) -> Value {
    assert_eq!(
        (&answer["isBase64Encoded"], &answer["headers"]["content-encoding"]),
        (&json!(true), &json!("gzip"))
    );
    let bytes = STANDARD.decode(answer["body"].as_str().unwrap()).unwrap();
    serde_json::from_reader(GzDecoder::new(&*bytes)).unwrap()
}

/// Returns a server with a hundred genres of five movies each. Their texts are as long as allowed and repeat `text`,
/// such as a `"`, which takes four bytes in an answer.
async fn server(text: &str) -> ProxiedApp {
    let proxied = ProxiedApp::new().await;
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut csv = String::from("title,description,director,release_date,genre,cover_image\n");
    for n in 0..500 {
        let tail = |chars: usize| text.repeat(chars);
        let fields = [
            format!("amber{n:03}{}", tail(192)),
            // The `x` keeps line breaks at the end from being trimmed.
            format!("{}x", tail(4_999)),
            format!("d{}", tail(199)),
            "2000-01-01".to_owned(),
            format!("g{:02}{}x", n / 5, tail(36)),
            format!("https://example.org/{}", "x".repeat(2_028)),
        ];
        csv += &(fields.map(|field| quoted(&field)).join(",") + "\n");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("movies.csv");
    std::fs::write(&file, csv).unwrap();
    let importer = Importer::new(proxied.proxy.store().await, proxied.proxy.table.database());
    let report = importer.run(&Source::File(file)).await.unwrap();
    assert_eq!(report, Report::of_all(500));
    proxied
}

/// Guarantee 46.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_larger_than_lambda_allows() {
    for text in ["\"", "😀"] {
        let proxied = server(text).await;
        let app = &proxied.app;
        let user = app.member().await;
        for id in 1..=100 {
            user.put(&format!("/api/movies/{id}/favorite/"))
                .send()
                .await
                .is(200);
        }
        for target in [
            "/api/movies/?limit=100",
            "/api/movies/?limit=100&ordering=-release_date",
            "/api/movies/newest/?limit=100",
            "/api/movies/most-liked/?limit=100",
            "/api/movies/search/?limit=100&q=amb",
            "/api/users/me/favorites/?limit=100",
        ] {
            let (bytes, body) = answer(app, &user, target).await;
            println!("{text} {target}: {bytes} bytes");
            assert!(bytes <= MAX_ANSWER_BYTES, "{text} {target}: {bytes}");
            // A Query reads at most 1 MB. A page that ends there has a `next`.
            let is_full = body["results"].as_array().unwrap().len() == 100;
            assert!(is_full || body["next"].is_string(), "{target}");
            assert!(
                bytes > 1_000_000,
                "{target}: {bytes} bytes are not the worst case"
            );
        }
        // A hundred genres with five of the longest movies each are too many. So a page is short, and the rest follows.
        let mut genres: [Vec<String>; 2] = Default::default();
        let mut target = "/api/movies/categories/".to_owned();
        for (found, link) in genres.iter_mut().zip(["next", "previous"]) {
            loop {
                let (bytes, body) = answer(app, &user, &target).await;
                assert!(bytes <= MAX_ANSWER_BYTES, "{text} {target}: {bytes}");
                let page = body["results"].as_array().unwrap();
                assert!(
                    !page.is_empty()
                        && page
                            .iter()
                            .all(|genre| genre["movies"].as_array().unwrap().len() == 5)
                );
                println!("{text} categories: {} genres, {bytes} bytes", page.len());
                // Every page but the last one is as full as possible.
                let is_last = body[link].is_null();
                assert!(
                    is_last || link == "previous" || bytes > MAX_ANSWER_BYTES - 200_000,
                    "{bytes}"
                );
                let mut names: Vec<String> = page
                    .iter()
                    .map(|genre| genre["genre"].as_str().unwrap().to_owned())
                    .collect();
                if link == "previous" {
                    names.reverse();
                }
                found.extend(names);
                if is_last {
                    break;
                }
                target = body[link].as_str().unwrap().to_owned();
            }
        }
        let [forward, mut backward] = genres;
        assert_eq!(forward.iter().collect::<BTreeSet<_>>().len(), 100);
        assert!(forward.is_sorted() && forward.len() == 100);
        backward.reverse();
        // The way back begins with the last page itself.
        assert_eq!(backward.len(), backward.iter().collect::<BTreeSet<_>>().len());
        assert!(
            forward.ends_with(&backward),
            "{} of {}",
            backward.len(),
            forward.len()
        );
        assert_eq!(backward, forward);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_100_of_the_longest_users_is_within_lambdas_limit() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let letter = "\u{10400}";
    for name in ["a", "b"] {
        let email = format!("{}{name}@{}.co", letter.repeat(15), letter.repeat(13));
        let body = json!({
            "username": format!("{name}{}", letter.repeat(149)), "email": email, "password": crate::support::PASSWORD
        });
        app.anonymous()
            .post("/api/auth/register/")
            .json(&body)
            .send()
            .await
            .is(201);
    }
    let (all, body) = answer(&app, &admin, "/api/users/?limit=100").await;
    assert_eq!(body["results"].as_array().unwrap().len(), 3);
    let (one, _) = answer(&app, &admin, "/api/users/?limit=1").await;
    // The difference is at least the size of one of the longest users; 2,000 bytes allow for its links.
    let largest = all.saturating_sub(one) + 2_000;
    assert!(largest * 100 <= MAX_ANSWER_BYTES, "{all} {one}");
}
