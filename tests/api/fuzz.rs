//! Fuzzing: requests and files that are changed at random from right ones. Nothing is `5xx`, every refusal is a complete
//! problem document, and nothing that is changed in a token or a cursor passes.
//!
//! `MARQUEE_FUZZ_CASES` is the number of cases of each test, 300 by default. What failed once is tried first, from
//! `fuzz.regressions` beside this file.

use marquee::import::{Importer, Source};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{Caller, TestApp, audit::audit, encode, movie};

const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/api/fuzz.regressions");

/// Texts that a parser could mistake for something else.
const PIECES: [&[u8]; 20] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[[[[[[[[",
    b":",
    b",",
    b"\r\n",
    b"\0",
    b"%",
    b"%00",
    b"&",
    b"=",
    b"--",
    b"1e999",
    b"null",
    b"\\ud800",
    b"\xff",
    b"\xf0\x9f\x98\x80",
    b"*",
];

/// A change of a text, at a place of it.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(u16, u8),
    Cut(u16),
    Remove(u16),
    Insert(u16, usize),
    Double(u16),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let mutation = prop_oneof![
        (any::<u16>(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        any::<u16>().prop_map(Mutation::Cut),
        any::<u16>().prop_map(Mutation::Remove),
        (any::<u16>(), 0..PIECES.len()).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        any::<u16>().prop_map(Mutation::Double),
    ];
    prop::collection::vec(mutation, 0..4)
}

fn changed(text: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let mut text = text.to_vec();
    for mutation in mutations {
        let place = |at: u16| usize::from(at) % text.len().max(1);
        match *mutation {
            _ if text.is_empty() => {}
            Mutation::Flip(at, bit) => {
                let at = place(at);
                text[at] ^= 1 << bit;
            }
            Mutation::Cut(at) => text.truncate(place(at)),
            Mutation::Remove(at) => {
                text.remove(place(at));
            }
            Mutation::Insert(at, piece) => {
                let at = place(at);
                text.splice(at..at, PIECES[piece].iter().copied());
            }
            Mutation::Double(at) => {
                let rest = text[place(at)..].to_vec();
                text.extend(rest);
            }
        }
    }
    text
}

fn runner() -> TestRunner {
    let cases = std::env::var("MARQUEE_FUZZ_CASES").ok();
    TestRunner::new(Config {
        cases: cases.map_or(300, |text| text.parse().expect("MARQUEE_FUZZ_CASES")),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        max_shrink_iters: 200,
        ..Config::default()
    })
}

/// What the tests change.
struct Right {
    app: TestApp,
    user: Caller,
    /// A movie of the user.
    movie: u64,
    cursor: String,
    tag: String,
}

impl Right {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let user = app.member().await;
        for title in ["Alien", "Aliens", "Dune"] {
            user.add(&movie(title, "Ridley Scott", "Sci-Fi", "1979-05-25"))
                .await;
        }
        let page = user.get("/api/movies/?limit=1").send().await.is(200);
        let id = page.ids()[0];
        let next = page.body["next"].as_str().unwrap();
        let cursor = next
            .split("cursor=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .to_owned();
        let shown = user.get(&format!("/api/movies/{id}/")).send().await.is(200);
        Self {
            tag: shown.header("etag").to_owned(),
            movie: id,
            cursor,
            user,
            app,
        }
    }
}

/// The requests with bodies: method, path, and a right body as JSON.
fn with_bodies(right: &Right) -> Vec<(Method, String, Value)> {
    let id = right.movie;
    let password = crate::support::PASSWORD;
    vec![
        (
            Method::POST,
            "/api/movies/".to_owned(),
            movie("Alien 3", "David Fincher", "Horror", "1992-05-22"),
        ),
        (
            Method::PATCH,
            format!("/api/movies/{id}/"),
            json!({"title": "Alien", "favorite": true}),
        ),
        (
            Method::POST,
            "/api/auth/register/".to_owned(),
            json!({"username": "ripley", "email": "ripley@example.com", "password": password}),
        ),
        (
            Method::POST,
            "/api/auth/refresh/".to_owned(),
            json!({"refresh": right.user.refresh}),
        ),
        (
            Method::PATCH,
            "/api/users/me/".to_owned(),
            json!({"username": "dallas", "current_password": "wrong"}),
        ),
        (
            Method::POST,
            "/api/auth/password-reset/".to_owned(),
            json!({"email": "ripley@example.com"}),
        ),
    ]
}

const MEDIA: [&str; 6] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-8",
    "multipart/form-data",
    "text/plain",
];

/// A body of this media type with these fields.
fn body(media: &str, fields: &Value) -> Vec<u8> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields_of = fields.as_object().unwrap().iter();
    if media.starts_with("application/x-www") {
        let pairs: Vec<String> = fields_of
            .map(|(name, value)| format!("{name}={}", encode(&text(value))))
            .collect();
        return pairs.join("&").into_bytes();
    }
    if media.starts_with("multipart") {
        let parts = fields_of.map(|(name, value)| {
            format!(
                "--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{}\r\n",
                text(value)
            )
        });
        return (parts.collect::<String>() + "--x--\r\n").into_bytes();
    }
    fields.to_string().into_bytes()
}

/// Guarantees 27 and 81: bodies of every media type, and media types.
#[test]
fn no_changed_body_and_no_changed_media_type_is_a_server_error() {
    let runtime = Runtime::new().unwrap();
    let right = runtime.block_on(Right::new());
    let requests = with_bodies(&right);
    let cases = (0..requests.len(), 0..MEDIA.len(), mutations(), mutations());
    let send = |(request, media, of_body, of_media): (usize, usize, Vec<Mutation>, Vec<Mutation>)| {
        let (method, path, fields) = &requests[request];
        let body = changed(&body(MEDIA[media], fields), &of_body);
        // Most media types stay as they are, so that bodies are read.
        let of_media = if of_media.len() == 3 { of_media } else { Vec::new() };
        let media = changed(MEDIA[media].as_bytes(), &of_media);
        let Ok(media) = reqwest::header::HeaderValue::from_bytes(&media) else {
            return Ok(());
        };
        let mut call = right.user.call(method.clone(), path);
        call.0 = call.0.header("content-type", media).body(body);
        let answer = runtime.block_on(call.send());
        prop_assert!(answer.status.as_u16() < 500, "{}", answer.text);
        Ok(())
    };
    runner().run(&cases, send).unwrap();
    runtime.block_on(audit(&right.app.running.state.store));
}

/// Guarantees 1, 26 and 81: tokens, cursors, limits and entity tags.
#[test]
fn no_changed_token_or_cursor_passes_and_no_changed_header_or_parameter_is_a_server_error() {
    let runtime = Runtime::new().unwrap();
    let right = runtime.block_on(Right::new());
    let access = right.user.access.clone().unwrap();
    let movie = format!("/api/movies/{}/", right.movie);
    let header = |text: &[u8]| reqwest::header::HeaderValue::from_bytes(text).ok();
    let send = |(kind, mutations): (usize, Vec<Mutation>)| {
        let (user, base) = (
            &right.user,
            [&access, &right.cursor, "20", &right.tag, &right.tag, "key-1"][kind],
        );
        let text = changed(base.as_bytes(), &mutations);
        let is_same = text.trim_ascii() == base.as_bytes();
        let query = |name: &str| {
            let value: String = text.iter().map(|byte| format!("%{byte:02X}")).collect();
            user.get(&format!("/api/movies/?{name}={value}"))
        };
        let name = [
            "authorization",
            "",
            "",
            "if-match",
            "if-none-match",
            "idempotency-key",
        ][kind];
        let value = if kind == 0 {
            header(&[b"Bearer ", &text[..]].concat())
        } else {
            header(&text)
        };
        let mut call = match (kind, value) {
            (1, _) => query("cursor"),
            (2, _) => query("limit"),
            (_, None) => return Ok(()),
            (0, Some(value)) => {
                let mut call = user.signed_out().get(&movie);
                call.0 = call.0.header(name, value);
                call
            }
            (3, Some(value)) => {
                let mut call = user.patch(&movie).json(&json!({"favorite": true}));
                call.0 = call.0.header(name, value);
                call
            }
            (4, Some(value)) => {
                let mut call = user.get(&movie);
                call.0 = call.0.header(name, value);
                call
            }
            (_, Some(value)) => {
                let mut call = user.post(&format!("{movie}favorite/"));
                call.0 = call.0.header(name, value);
                call
            }
        };
        call.0 = call.0.timeout(std::time::Duration::from_secs(30));
        let answer = runtime.block_on(call.send());
        let status = answer.status.as_u16();
        let allowed: &[u16] = match kind {
            0 | 1 if is_same => &[200],
            0 => &[401],
            1 => &[400],
            2 => &[200, 400],
            3 => &[200, 400, 412],
            4 => &[200, 304, 400],
            _ => &[200, 400, 422],
        };
        if !allowed.contains(&status) {
            let text = String::from_utf8_lossy(&text);
            return Err(TestCaseError::fail(format!(
                "{kind} {text:?}: {status} {}",
                answer.text
            )));
        }
        Ok(())
    };
    runner().run(&(0..6usize, mutations()), send).unwrap();
    runtime.block_on(audit(&right.app.running.state.store));
}

/// Guarantee 81: import files.
#[test]
fn no_changed_import_file_is_more_than_refused() {
    let runtime = Runtime::new().unwrap();
    let app = runtime.block_on(TestApp::new());
    let files = tempfile::tempdir().unwrap();
    let csv = "title,description,release_date,director,genre,imdb_id,cover_image\r\n\
        Alien,\"In space, no one\",1979-05-25,Ridley Scott,\"Horror, Sci-Fi\",tt0078748,https://example.com/a.jpg\r\n\
        \"Dune \"\"1\"\"\",Sand,3 December 2021,Denis Villeneuve,['Drama'],,\r\n";
    let jsonl = "{\"title\":\"Heat\",\"description\":\"d\",\"release_date\":\"1995-12-15\",\"director\":\"M\",\"genre\":\"Crime\"}\n";
    let store = &app.running.state.store;
    let import = |(is_csv, mutations): (bool, Vec<Mutation>)| {
        let (name, text) = if is_csv {
            ("a.csv", csv)
        } else {
            ("a.jsonl", jsonl)
        };
        let file = files.path().join(name);
        std::fs::write(&file, changed(text.as_bytes(), &mutations)).unwrap();
        let importer = Importer::new(store.clone(), None);
        // A file that can't be read is refused with a message. A panic fails the test.
        if let Err(error) = runtime.block_on(importer.run(&Source::File(file))) {
            prop_assert!(!error.to_string().is_empty());
        }
        Ok(())
    };
    runner().run(&(any::<bool>(), mutations()), import).unwrap();
    runtime.block_on(audit(store));
}
