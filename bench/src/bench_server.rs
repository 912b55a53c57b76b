//! A whole server in this process, whose table is an engine in memory at the other end of a fault proxy.

use std::{error::Error, path::PathBuf};

use fault_proxy::FaultProxy;
use marquee::{
    engine::{Engine, Storage},
    import::{Importer, Source},
    server::{self, Catalog, Place, Running},
};
use marquee_shared::{aws::client, clock::Clock, config::Config, db::Store, domain::UserId};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Every user's password.
pub(crate) const PASSWORD: &str = "a long enough passphrase";

/// The server.
pub(crate) struct BenchServer {
    /// Where it listens.
    pub(crate) base: String,
    /// A client of it.
    pub(crate) http: Client,
    /// The table, past the proxy.
    pub(crate) store: Store,
    /// What stands between the server and the table.
    pub(crate) proxy: FaultProxy,
    running: Running,
    engine: Engine,
    _data: TempDir,
}

/// A registered user.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl BenchServer {
    /// Starts a server with an empty table.
    pub(crate) async fn open() -> Result<Self, Box<dyn Error>> {
        let engine = Engine::start(Storage::Memory)?;
        let proxy = FaultProxy::to(&engine.endpoint()).await;
        let data = tempfile::tempdir()?;
        let config = Config::default();
        let local = client::local(&engine.endpoint());
        let store = Store::new(local, config.table.clone(), Clock::default());
        let running = server::start(server::Options {
            port: 0,
            place: Place::Endpoint {
                url: proxy.url.clone(),
                data: data.path().to_owned(),
            },
            catalog: Catalog::None,
            config,
            clock: Clock::default(),
        })
        .await?;
        Ok(Self {
            base: format!("http://{}", running.address),
            http: Client::builder().no_proxy().build()?,
            store,
            proxy,
            running,
            engine,
            _data: data,
        })
    }

    /// Adds the movies of a file, past the proxy.
    pub(crate) async fn import(&self, file: PathBuf) -> Result<(), Box<dyn Error>> {
        let importer = Importer::new(self.store.clone(), Some(self.engine.database().clone()));
        importer.run(&Source::File(file)).await?;
        Ok(())
    }

    /// Ends the server, then the engine.
    pub(crate) async fn close(self) -> Result<(), Box<dyn Error>> {
        self.running.stop().await?;
        self.engine.shutdown().await?;
        Ok(())
    }

    /// A request, by this user or by nobody.
    pub(crate) fn request(&self, method: Method, path: &str, user: Option<&User>) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match user {
            Some(user) => request.bearer_auth(&user.access),
            None => request,
        }
    }

    /// Registers a user.
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

/// Sends a request and reads the answer to it, which may be empty.
///
/// # Errors
/// When it isn't a success, with what it says.
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
