//! A server with a table of its own.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures_util::TryStreamExt as _;
use marquee::{
    functions::Functions,
    mail::Mails,
    server::{self, Catalog, Options, Place, Running},
};
use marquee_covers::Object;
use marquee_shared::{clock::Clock, config::Config, domain::Role};
use reqwest::StatusCode;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    PASSWORD,
    caller::Caller,
    proxy::{FaultProxy, ProxiedApp},
    table::{self, RemoteTable, TestTable},
};

/// A running server with a table of its own.
pub struct TestApp {
    /// The server's URL, `http://127.0.0.1:<port>`.
    pub base: String,
    /// The server: its state, its gateway, its table's endpoint.
    pub running: Running,
    /// The server's clock, which a test can move.
    pub clock: Clock,
    http: reqwest::Client,
    // Dropped in this order: the check first, and the table last.
    _refusals: NothingRefused,
    table: Option<TestTable>,
    _secrets: Option<TempDir>,
}

/// Checks, when it is dropped, that no function has made a call that its role doesn't allow, whatever became of the call.
pub struct NothingRefused(pub Functions);

impl Drop for NothingRefused {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for (name, function) in self.0.by_name() {
            assert!(
                function.guard.seen().refusals.is_empty(),
                "the role of {name} refused calls: {:?}",
                function.guard.seen().refusals
            );
        }
    }
}

/// How long a function may go on after the deadline of its request.
const AFTER_DEADLINE: Duration = Duration::from_secs(5);

/// How to start a server: the options of the server, and where its table is.
///
/// Every server of the tests and benchmarks starts here, with a fault proxy between it and its table or without one.
#[must_use]
pub struct Builder {
    options: Options,
    table: Option<TestTable>,
    endpoint: Option<String>,
    asks_environment: bool,
    sends_mails: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            options: Options {
                host: Ipv4Addr::LOCALHOST.into(),
                port: 0,
                place: Place::Memory,
                dynamodb_endpoint: true,
                catalog: Catalog::None,
                mails: Mails::Sent,
                config: Config::default(),
                clock: Clock::default(),
                function_timeout: None,
            },
            table: None,
            endpoint: None,
            asks_environment: true,
            sends_mails: false,
        }
    }
}

impl Builder {
    /// Changes the options of the server: its configuration, its catalog, its clock. A `Place::Data` is the directory of
    /// the secrets; the table is there too unless another place is chosen or the environment names an endpoint. Where
    /// requests have a longer deadline, functions have a longer timeout.
    pub fn configure(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        let deadline = self.options.config.http.deadline;
        if deadline > Config::default().http.deadline {
            self.options.function_timeout = Some(deadline + AFTER_DEADLINE);
        }
        self
    }

    /// Uses this table, whatever the environment says.
    pub fn table(mut self, table: TestTable) -> Self {
        self.table = Some(table);
        self
    }

    /// Uses a new table at this endpoint, or one in memory for `None`, whatever the environment says.
    pub fn endpoint(mut self, url: Option<String>) -> Self {
        self.endpoint = url;
        self.asks_environment = false;
        self
    }

    /// Sends mails although there is a fault proxy. Without this, mails stay in the outbox there, so that the calls of the mail
    /// function aren't among those that are counted.
    pub fn sending_mails(mut self) -> Self {
        self.sends_mails = true;
        self
    }

    /// Starts the server.
    pub async fn start(mut self) -> TestApp {
        let is_elsewhere = matches!(self.options.place, Place::Endpoint { .. });
        if self.table.is_none() && !is_elsewhere {
            let url = self.named_endpoint().await;
            self.table = url.map(|url| TestTable::Remote(RemoteTable::at(url)));
        }
        let at = self.table.as_ref().map(|table| (table.url(), table.name()));
        self.run(at).await
    }

    /// Starts the server with a fault proxy between it and its table.
    pub async fn start_behind_proxy(mut self) -> ProxiedApp {
        let table = match self.table.take() {
            Some(table) => table,
            None => TestTable::at(self.named_endpoint().await),
        };
        if !self.sends_mails {
            self.options.mails = Mails::LeftInOutbox;
        }
        let proxy = FaultProxy::to(table).await;
        let at = (proxy.url.clone(), proxy.table.name());
        ProxiedApp {
            app: self.run(Some(at)).await,
            proxy,
        }
    }

    async fn named_endpoint(&mut self) -> Option<String> {
        match self.endpoint.take() {
            None if self.asks_environment => table::endpoint().await,
            endpoint => endpoint,
        }
    }

    /// Runs the server over the table of this URL and name, or where the options say.
    async fn run(self, at: Option<(String, String)>) -> TestApp {
        let Self {
            mut options, table, ..
        } = self;
        let mut secrets = None;
        if let Some((url, name)) = at {
            let data = match options.place {
                Place::Data(data) => data,
                _ => secrets.insert(tempfile::tempdir().unwrap()).path().to_owned(),
            };
            options.place = Place::Endpoint { url, data };
            options.config.table = name;
        }
        let clock = options.clock.clone();
        let running = server::start(options).await.unwrap();
        TestApp {
            base: format!("http://{}", running.address),
            _refusals: NothingRefused(running.functions.clone()),
            running,
            clock,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            table,
            _secrets: secrets,
        }
    }
}

impl TestApp {
    /// How to start a server that isn't one of the usual ones.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A server with an empty table and the default configuration.
    pub async fn new() -> Self {
        Self::builder().start().await
    }

    /// The names of the stored images of covers and of their thumbnails, in order.
    pub async fn images(&self) -> Vec<String> {
        let listed = self.running.functions.objects.list().unwrap();
        let objects: Vec<Object> = listed.try_collect().await.unwrap();
        let mut names: Vec<String> = objects.into_iter().map(|object| object.name).collect();
        names.sort_unstable();
        names
    }

    /// A server whose options a test changes.
    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::builder().configure(change).start().await
    }

    /// The same with its table at this endpoint, or in memory for `None`.
    pub async fn at(endpoint: Option<String>, change: impl FnOnce(&mut Options)) -> Self {
        Self::builder().endpoint(endpoint).configure(change).start().await
    }

    /// A caller without credentials.
    #[must_use]
    pub fn anonymous(&self) -> Caller {
        Caller {
            base: self.base.clone(),
            http: self.http.clone(),
            id: 0,
            username: String::new(),
            access: None,
            refresh: String::new(),
            reset: String::new(),
        }
    }

    /// Registers a member with a new name.
    pub async fn member(&self) -> Caller {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("member{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.register(&name).await
    }

    /// Registers a member with this name.
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

    /// This caller with a password reset token, as `marquee reset-password` makes it.
    pub async fn with_reset_token(&self, caller: Caller) -> Caller {
        let store = &self.running.state.store;
        let seconds = self.running.state.config.tokens.reset_seconds;
        let token = store.make_reset_token_of(&caller.username, seconds).await;
        Caller {
            reset: token.unwrap().unwrap().to_text().expose().to_owned(),
            ..caller
        }
    }

    /// This caller with a password reset token of a new member, so that its use changes nothing of the caller's own.
    pub async fn with_reset_token_of_another(&self, caller: Caller) -> Caller {
        let another = self.with_reset_token(self.member().await).await;
        Caller {
            reset: another.reset,
            ..caller
        }
    }

    /// Stops the server and waits until it has ended, then ends its table.
    pub async fn close(self) {
        self.running.stop().await.unwrap();
        if let Some(table) = self.table {
            table.close().await;
        }
    }
}
