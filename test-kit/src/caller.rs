//! A client of the API, its requests, and the answers with the checks that every answer must pass.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use crate::PASSWORD;

/// A client, anonymous or signed in.
#[derive(Clone)]
pub struct Caller {
    /// The server's URL, `http://127.0.0.1:<port>`.
    pub base: String,
    /// The HTTP client.
    pub http: reqwest::Client,
    /// The user's id; 0 for an anonymous caller.
    pub id: u64,
    /// The username; empty for an anonymous caller.
    pub username: String,
    /// The access token that every request carries.
    pub access: Option<String>,
    /// The refresh token of the session; empty for an anonymous caller.
    pub refresh: String,
    /// A password reset token; empty without one.
    pub reset: String,
}

impl Caller {
    /// The same caller at another address of the loopback network.
    #[must_use]
    pub fn at(&self, address: [u8; 4]) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .local_address(IpAddr::from(address));
        Self {
            http: http.build().unwrap(),
            ..self.clone()
        }
    }

    /// The id of the session of the access token. `None` for a caller without a token of ours.
    #[must_use]
    pub fn session(&self) -> Option<String> {
        let claims = self.access.as_ref()?.split('.').nth(1)?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        claims["sid"].as_str().map(str::to_owned)
    }

    /// The same client without credentials.
    #[must_use]
    pub fn signed_out(&self) -> Self {
        Self {
            access: None,
            ..self.clone()
        }
    }

    /// A GET request.
    #[must_use]
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// A POST request.
    #[must_use]
    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// A PUT request.
    #[must_use]
    pub fn put(&self, path: &str) -> Call {
        self.call(Method::PUT, path)
    }

    /// A PATCH request.
    #[must_use]
    pub fn patch(&self, path: &str) -> Call {
        self.call(Method::PATCH, path)
    }

    /// A DELETE request.
    #[must_use]
    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// A request to a path, or to a whole URL such as a `next`.
    #[must_use]
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

    /// Adds a movie and returns its body.
    pub async fn add(&self, movie: &Value) -> Value {
        let answer = self.post("/api/movies/").json(movie).send().await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.body
    }

    /// The exact count of a collection.
    pub async fn count(&self, path: &str) -> u64 {
        let answer = self.get(&format!("{path}?limit=1")).send().await.is(200);
        answer.body["count"].as_u64().unwrap()
    }

    /// A login with this caller's username.
    #[must_use]
    pub fn login_call(&self) -> Call {
        let body = json!({"username": self.username, "password": PASSWORD});
        self.post("/api/auth/login/").json(&body)
    }

    /// Signs in with this caller's username, which opens another session.
    pub async fn login(&self) -> Answer {
        self.login_call().send().await
    }

    /// The same user in another session.
    pub async fn in_new_session(&self) -> Self {
        let answer = self.login().await.is(200);
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        Self {
            access: Some(text("access")),
            refresh: text("refresh"),
            ..self.clone()
        }
    }

    /// A request to `/api/auth/<endpoint>/`, `refresh` or `logout`, with this refresh token.
    #[must_use]
    pub fn with_token(&self, endpoint: &str, token: &str) -> Call {
        let body = json!({"refresh": token});
        self.post(&format!("/api/auth/{endpoint}/")).json(&body)
    }
}

/// A request that hasn't been sent.
pub struct Call(pub reqwest::RequestBuilder);

impl Call {
    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    /// With one more header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// With a body of any media type.
    #[must_use]
    pub fn body(self, media: &str, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.header("content-type", media).body(body))
    }

    /// Sends the request and [checks](Answer::check) the answer.
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
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
    /// The body as JSON; `null` where it isn't JSON.
    pub body: Value,
}

impl Answer {
    /// The text of a header; empty without it.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts the status. The message shows the body.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// Asserts a problem of this status and code.
    #[track_caller]
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

    /// The `id` of each result of a collection.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.body["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|movie| movie["id"].as_u64().unwrap())
            .collect()
    }

    /// Asserts what holds for every answer: a request id, a `Cache-Control`, no cookie, no body of a `304`, and for a failure a
    /// complete problem document with the headers of its status. A `500` is a failed test, since every one is a bug.
    pub fn check(&self, head: bool) {
        assert!(!self.header("x-request-id").is_empty(), "no request id: {self:?}");
        // A browser sends cookies by itself, for any page. So no permission may depend on one.
        assert!(!self.headers.contains_key("set-cookie"), "{self:?}");
        if self.headers.get_all("vary").iter().count() > 1 {
            // `lambda_http` would send only the first.
            panic!("several Vary headers: {self:?}");
        }
        if self.status.is_success() || head {
            return;
        }
        if self.status == StatusCode::NOT_MODIFIED {
            assert_eq!(self.text, "");
            assert!(!self.headers.contains_key("content-type"), "{self:?}");
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
