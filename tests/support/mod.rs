//! What every test stands on: a server with an empty table of its own, a clock it can move, and typed callers.

pub mod audit;
pub mod emulator;
pub mod event;
pub mod operations;
pub mod proxy;
pub mod replay;
pub mod scenario;
pub mod secrets_manager;
pub mod table;
pub mod tokens;

use std::{
    fmt::Write as _,
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use marquee::server::{self, Catalog, Functions, Options, Place, Running};
use marquee_shared::{clock::Clock, config::Config, domain::Role};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;

use table::RemoteTable;

/// Every test user's password.
pub const PASSWORD: &str = "a long enough passphrase";

/// A running server with a table of its own.
pub struct TestApp {
    /// `http://127.0.0.1:<port>`.
    pub base: String,
    /// The server: its state, its gateway, its table's endpoint.
    pub running: Running,
    /// The server's clock.
    pub clock: Clock,
    http: reqwest::Client,
    _allowed: NothingRefused,
    _guest: Option<(RemoteTable, TempDir)>,
}

/// Holds every test to the roles: when it ends, no function may have made a call that its role doesn't allow, whatever
/// became of the call.
pub struct NothingRefused(pub Functions);

impl Drop for NothingRefused {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for (name, function) in self.0.by_name() {
            assert!(
                function.guard.seen().refusals.is_empty(),
                "{name}: {:?}",
                function.guard.seen().refusals
            );
        }
    }
}

impl TestApp {
    /// A server with an empty table and the default configuration.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A server whose options a test changes: its place, catalog or configuration.
    ///
    /// Its table is in memory, or at the endpoint that the environment names; a `Place::Data` then keeps the secrets alone.
    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::at(table::endpoint().await, change).await
    }

    /// The same at this endpoint, or in memory without one.
    pub async fn at(endpoint: Option<String>, change: impl FnOnce(&mut Options)) -> Self {
        let clock = Clock::default();
        let mut options = Options {
            port: 0,
            place: Place::Memory,
            catalog: Catalog::None,
            config: Config::default(),
            clock: clock.clone(),
        };
        change(&mut options);
        let guest = endpoint
            .filter(|_| !matches!(options.place, Place::Endpoint { .. }))
            .map(|url| (RemoteTable::at(url), tempfile::tempdir().unwrap()));
        if let Some((guest, directory)) = &guest {
            let data = match options.place {
                Place::Data(data) => data,
                _ => directory.path().to_owned(),
            };
            options.place = Place::Endpoint {
                url: guest.url.clone(),
                data,
            };
            options.config.table.clone_from(&guest.name);
        }
        let running = server::start(options).await.unwrap();
        Self {
            base: format!("http://{}", running.address),
            _allowed: NothingRefused(running.functions.clone()),
            running,
            clock,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _guest: guest,
        }
    }

    /// A caller without credentials.
    pub fn anonymous(&self) -> Caller {
        Caller {
            base: self.base.clone(),
            http: self.http.clone(),
            id: 0,
            username: String::new(),
            access: None,
            refresh: String::new(),
        }
    }

    /// Registers a member with a name of their own.
    pub async fn member(&self) -> Caller {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("member{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.register(&name).await
    }

    /// Registers a member.
    pub async fn register(&self, username: &str) -> Caller {
        let body =
            json!({"username": username, "email": format!("{username}@example.com"), "password": PASSWORD});
        let answer = self
            .anonymous()
            .post("/api/auth/register/")
            .json(&body)
            .send()
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        Caller {
            id: answer.body["user"]["id"].as_u64().unwrap(),
            username: username.to_owned(),
            access: Some(answer.body["access"].as_str().unwrap().to_owned()),
            refresh: answer.body["refresh"].as_str().unwrap().to_owned(),
            ..self.anonymous()
        }
    }

    /// Registers a user and makes them an admin, as `marquee promote` does.
    pub async fn admin(&self) -> Caller {
        let caller = self.member().await;
        let promoted = self
            .running
            .state
            .store
            .promote(&caller.username, Role::Admin)
            .await;
        assert!(promoted.unwrap().is_some());
        caller
    }
}

/// Somebody who calls the API.
#[derive(Clone)]
pub struct Caller {
    pub base: String,
    pub http: reqwest::Client,
    /// The user's id; 0 for nobody.
    pub id: u64,
    pub username: String,
    pub access: Option<String>,
    pub refresh: String,
}

impl Caller {
    /// The same caller at another address of the loopback network.
    pub fn at(&self, address: [u8; 4]) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .local_address(IpAddr::from(address));
        Self {
            http: http.build().unwrap(),
            ..self.clone()
        }
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    pub fn put(&self, path: &str) -> Call {
        self.call(Method::PUT, path)
    }

    pub fn patch(&self, path: &str) -> Call {
        self.call(Method::PATCH, path)
    }

    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// A request to a path, or to a whole URL such as a `next`.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        };
        let mut request = self.http.request(method, url);
        if let Some(access) = &self.access {
            request = request.bearer_auth(access);
        }
        Call(request)
    }

    /// Adds a movie and gives its body.
    pub async fn add(&self, movie: &Value) -> Value {
        let answer = self.post("/api/movies/").json(movie).send().await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.body
    }
}

/// A request in the making.
pub struct Call(pub reqwest::RequestBuilder);

impl Call {
    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// A body of any kind.
    pub fn body(self, media: &str, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.header("content-type", media).body(body))
    }

    /// Sends it, and holds the answer to what every answer must keep: a request id, JSON, and for a failure a whole
    /// problem document.
    pub async fn send(self) -> Answer {
        let (client, request) = self.0.build_split();
        let request = request.unwrap();
        let head = request.method() == Method::HEAD;
        let response = client.execute(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer {
            status,
            headers,
            text,
            body,
        };
        answer.check(head);
        answer
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Answer {
    /// A header's text; empty without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts the status, showing the body when it is another.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// Asserts a problem of this status and code.
    #[track_caller]
    #[allow(clippy::wrong_self_convention)]
    pub fn is_problem(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.body["code"], code, "{}", answer.text);
        answer
    }

    /// Asserts which fields the problem names, in alphabetical order.
    #[track_caller]
    pub fn names(self, fields: &[&str]) -> Self {
        let named: Vec<&str> = self.body["errors"]
            .as_object()
            .map(|e| e.keys().map(String::as_str).collect())
            .unwrap_or_default();
        assert_eq!(named, fields, "{}", self.text);
        self
    }

    /// The `id` of each of a collection's results.
    pub fn ids(&self) -> Vec<u64> {
        self.body["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|movie| movie["id"].as_u64().unwrap())
            .collect()
    }

    /// Asserts what every answer must keep.
    pub fn check(&self, head: bool) {
        assert!(!self.header("x-request-id").is_empty(), "no request id: {self:?}");
        // A browser sends cookies by itself, for any page: so what a caller may do never hangs on one.
        assert!(!self.headers.contains_key("set-cookie"), "{self:?}");
        if self.status.is_success() || head {
            return;
        }
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.body["status"], self.status.as_u16());
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
        for name in ["type", "title", "detail", "code"] {
            assert!(
                self.body[name].as_str().is_some_and(|text| !text.is_empty()),
                "{name}: {}",
                self.text
            );
        }
        match self.status.as_u16() {
            401 => assert!(self.header("www-authenticate").starts_with("Bearer"), "{self:?}"),
            405 => assert!(!self.header("allow").is_empty(), "{self:?}"),
            429 | 503 => assert!(self.header("retry-after").parse::<u32>().is_ok(), "{self:?}"),
            _ => assert_ne!(self.status.as_u16(), 500, "{}", self.text),
        }
    }
}

/// A movie's required fields.
pub fn movie(title: &str, director: &str, genre: &str, release_date: &str) -> Value {
    json!({
        "title": title,
        "description": format!("A movie called {title}."),
        "release_date": release_date,
        "director": director,
        "genre": genre,
    })
}

/// Text, percent-encoded for a query.
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}
