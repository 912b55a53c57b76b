//! Tests at an endpoint that the environment names: each table is deleted with its test, and the fault proxy signs calls for the
//! endpoint.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::Client;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use marquee::engine::{Engine, Storage};
use ring::{digest, hmac};
use tokio::net::TcpListener;

use crate::support::{
    TestApp,
    proxy::FaultProxy,
    table::{PREFIX, RemoteTable, TestTable, connect},
};

async fn tables(client: &Client) -> Vec<String> {
    client
        .list_tables()
        .send()
        .await
        .unwrap()
        .table_names
        .unwrap_or_default()
}

#[tokio::test]
async fn each_test_has_a_table_of_its_own_there_which_is_gone_with_it_even_if_it_panics() {
    let engine = Engine::start(&Storage::Memory).unwrap();
    let (url, client) = (engine.endpoint().unwrap(), engine.client());
    let new = async || TestApp::at(Some(url.clone()), |_| {}).await;
    let (one, other) = (new().await, new().await);
    let (ripley, dallas) = (one.register("ripley").await, other.register("dallas").await);
    assert_eq!((ripley.id, dallas.id), (1, 1));
    let mut names = [&one, &other].map(|app| app.running.state.store.table.to_string());
    names.sort();
    assert_eq!(tables(&client).await, names);
    assert!(names.iter().all(|name| name.starts_with(PREFIX)), "{names:?}");

    drop(one);
    let left = other.running.state.store.table.to_string();
    assert_eq!(tables(&client).await, [left]);
    let panicking = tokio::spawn(async move {
        other.register("lambert").await;
        panic!("this panic is part of the test");
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(tables(&client).await, [""; 0]);
}

/// An endpoint with empty answers. It records the operation of each call, and whether the call was signed.
struct SignatureChecker {
    url: String,
    seen: Arc<Mutex<Vec<(String, bool)>>>,
}

impl SignatureChecker {
    async fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let calls = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let calls = Arc::clone(&calls);
                let service = service_fn(move |request: Request<Incoming>| {
                    let calls = Arc::clone(&calls);
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        let target = parts.headers["x-amz-target"].to_str().unwrap();
                        let operation = target.rsplit('.').next().unwrap().to_owned();
                        calls.lock().unwrap().push((operation, is_signed(&parts, &body)));
                        Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(b"{}"))))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, seen }
    }

    /// The calls since the last time this was called.
    fn seen(&self) -> Vec<(String, bool)> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(text: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, text))
}

fn keyed(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// Whether a request is signed with the credentials for loopback (AWS: "AWS Signature Version 4 for API requests").
fn is_signed(parts: &http::request::Parts, body: &[u8]) -> bool {
    let header = |name: &str| parts.headers[name].to_str().unwrap().trim();
    let authorization = header("authorization").strip_prefix("AWS4-HMAC-SHA256 ").unwrap();
    let [credential, names, signature] = ["Credential=", "SignedHeaders=", "Signature="].map(|name| {
        let mut fields = authorization.split(", ");
        fields.find_map(|field| field.strip_prefix(name)).unwrap()
    });
    let scope = credential.strip_prefix("local/").unwrap();
    let mut key = b"AWS4local".to_vec();
    for part in scope.split('/') {
        key = keyed(&key, part).as_ref().to_vec();
    }
    let headers: String = names
        .split(';')
        .map(|name| format!("{name}:{}\n", header(name)))
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{}",
        parts.method,
        parts.uri.path(),
        parts.uri.query().unwrap_or_default(),
        sha256(body)
    );
    let text = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        header("x-amz-date"),
        sha256(canonical.as_bytes())
    );
    scope.ends_with("/us-east-1/dynamodb/aws4_request")
        && ["host", "x-amz-date", "x-amz-target"]
            .iter()
            .all(|needed| names.split(';').any(|name| name == *needed))
        && signature == hex(keyed(&key, &text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_a_fault_proxy_is_signed_for_its_far_end() {
    let checker = SignatureChecker::new().await;
    let name = || ("ListTables".to_owned(), true);
    // The SDK signs correctly, which verifies the check itself.
    tables(&connect(&checker.url).await).await;
    assert_eq!(checker.seen(), [name()]);

    let proxy = FaultProxy::to(TestTable::Remote(RemoteTable::at(checker.url.clone()))).await;
    tables(&connect(&proxy.url).await).await;
    assert_eq!(checker.seen(), [name()]);
}
