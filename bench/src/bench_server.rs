//! A server in this process, behind a fault proxy to a table in memory, and its users.

use std::{error::Error, ops::Deref};

use marquee_shared::domain::UserId;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use test_kit::{
    TestApp,
    proxy::{FaultProxy, ProxiedApp},
    table::TestTable,
};

pub(crate) use test_kit::PASSWORD;

/// The server.
pub(crate) struct BenchServer {
    /// The URL on which it listens.
    pub(crate) base: String,
    /// A client of the server.
    pub(crate) http: Client,
    proxied: ProxiedApp,
}

/// A registered user.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Deref for BenchServer {
    type Target = FaultProxy;

    fn deref(&self) -> &FaultProxy {
        &self.proxied.proxy
    }
}

impl BenchServer {
    /// Starts a server with an empty table.
    ///
    /// # Errors
    /// Returns an error if there is no HTTP client.
    pub(crate) async fn open() -> Result<Self, Box<dyn Error>> {
        let builder = TestApp::builder().table(TestTable::in_memory());
        let proxied = builder.start_behind_proxy().await;
        Ok(Self {
            base: proxied.app.base.clone(),
            http: Client::builder().no_proxy().build()?,
            proxied,
        })
    }

    /// Stops the server, then the engine.
    pub(crate) async fn close(self) {
        self.proxied.close().await;
    }

    /// Returns a request by this user, or by an anonymous caller for `None`.
    pub(crate) fn request(&self, method: Method, path: &str, user: Option<&User>) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match user {
            Some(user) => request.bearer_auth(&user.access),
            None => request,
        }
    }

    /// Registers a user.
    ///
    /// # Errors
    /// Returns an error if the registration is refused.
    pub(crate) async fn register(&self, name: &str) -> Result<User, Box<dyn Error>> {
        let email = format!("{name}@example.com");
        let body = json!({"username": name, "email": email, "password": PASSWORD});
        let request = self.request(Method::POST, "/api/auth/register/", None);
        let answer = json_of(request.json(&body)).await?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        Ok(User {
            id: serde_json::from_value(answer["user"]["id"].clone())?,
            access: text("access").ok_or("no access token")?,
            refresh: text("refresh").ok_or("no refresh token")?,
        })
    }
}

/// Sends a request and returns the JSON of the response, `null` for an empty body.
///
/// # Errors
/// Returns an error with the text of the response if it isn't a success.
pub(crate) async fn json_of(request: RequestBuilder) -> Result<Value, Box<dyn Error>> {
    let response = request.send().await?;
    let (status, url) = (response.status(), response.url().clone());
    let text = response.text().await?;
    if !status.is_success() {
        return Err(format!("{url}: {status}: {text}").into());
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_str(&text)?)
}
