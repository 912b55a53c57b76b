//! Crashes amid changes of accounts: the real program is killed while accounts are changed or deleted, and started again.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use marquee_shared::{db::keys, domain::UserId};
use rand::RngExt as _;
use reqwest::Method;
use serde_json::json;

use super::crash::{RunningServer, send};
use crate::support::{Caller, PASSWORD, accounts::all_gone, audit::audit, movie};

const ME: &str = "/api/users/me/";

/// With what a user signs in.
#[derive(Clone, Debug, PartialEq)]
struct Credentials {
    username: String,
    email: String,
    password: String,
}

impl Credentials {
    /// The status of a sign-in, the same by both names.
    async fn status(&self, anyone: &Caller) -> u16 {
        let mut statuses = BTreeSet::new();
        for name in [&self.username, &self.email] {
            let body = json!({"username": name, "password": self.password});
            let answer = anyone.post("/api/auth/login/").json(&body).send().await;
            statuses.insert(answer.status.as_u16());
        }
        assert_eq!(statuses.len(), 1, "{self:?}: {statuses:?}");
        statuses.pop_first().unwrap()
    }
}

/// A user who changes the password and the names, one after the other, and records what was acknowledged.
struct Account {
    user: Caller,
    known: Credentials,
    /// What the request that was not answered makes of it.
    unacknowledged: Option<Credentials>,
    changes: usize,
}

impl Account {
    async fn new(server: &RunningServer, name: &str) -> Self {
        let user = server.register(name).await;
        let known = Credentials {
            username: name.to_owned(),
            email: format!("{name}@example.com"),
            password: PASSWORD.to_owned(),
        };
        Self {
            user,
            known,
            unacknowledged: None,
            changes: 0,
        }
    }

    /// Sends changes until one is not answered.
    async fn change(mut self, acknowledged: Arc<AtomicUsize>) -> Self {
        loop {
            self.changes += 1;
            let (known, n) = (&self.known, self.changes);
            let mut next = known.clone();
            let (method, path, body) = if n.is_multiple_of(2) {
                next.password = format!("passphrase number {n}");
                let body = json!({"current_password": known.password, "new_password": next.password});
                (Method::PUT, format!("{ME}password/"), body)
            } else {
                next.username = format!("{}-{n}", self.user.username);
                next.email = format!("{}@example.org", next.username);
                let body = json!({
                    "current_password": known.password, "username": next.username, "email": next.email,
                });
                (Method::PATCH, ME.to_owned(), body)
            };
            self.unacknowledged = Some(next.clone());
            if send(&self.user, method, &path, Some(body)).await.is_none() {
                return self;
            }
            self.unacknowledged = None;
            self.known = next;
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Asserts that the user signs in with what was acknowledged, or else with all of what was not, and never with both.
    async fn check(&mut self, server: &RunningServer) {
        self.user.base.clone_from(&server.base);
        let mut right = Vec::new();
        for credentials in [Some(self.known.clone()), self.unacknowledged.take()]
            .into_iter()
            .flatten()
        {
            match credentials.status(&self.user.signed_out()).await {
                200 => right.push(credentials),
                status => assert_eq!(status, 401),
            }
        }
        assert_eq!(right.len(), 1, "{:?} signs in with {right:?}", self.known);
        self.known = right.remove(0);
        // The session that made the changes stays.
        let me = self.user.get(ME).send().await.is(200).body;
        assert_eq!(
            (&me["username"], &me["email"]),
            (&json!(self.known.username), &json!(self.known.email))
        );
    }
}

async fn kill(mut server: RunningServer) {
    server.child.start_kill().unwrap();
    let (status, _) = server.wait_for_exit().await;
    assert!(!status.success());
}

/// Guarantees 43 and 75. The process is killed three times while four users change their passwords and names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_and_names_are_changed_completely_or_not_at_all_when_the_process_is_killed() {
    let data = tempfile::tempdir().unwrap();
    let mut server = RunningServer::start(data.path()).await;
    let mut accounts = Vec::new();
    for name in ["ripley", "dallas", "lambert", "parker"] {
        accounts.push(Account::new(&server, name).await);
    }
    for _ in 0..3 {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = accounts
            .into_iter()
            .map(|account| tokio::spawn(account.change(Arc::clone(&acknowledged))))
            .collect();
        let enough = rand::rng().random_range(6..20);
        while acknowledged.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        kill(server).await;
        accounts = Vec::new();
        for task in tasks {
            accounts.push(task.await.unwrap());
        }
        server = RunningServer::start(data.path()).await;
        audit(&server.table).await;
        for account in &mut accounts {
            account.check(&server).await;
        }
        audit(&server.table).await;
    }
}

/// When the process is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kill {
    /// Some moment after the request.
    Sometime,
    /// As soon as the account is deleted, while its favorites are there.
    Deleted,
    /// As soon as the deletion is answered.
    Answered,
}

/// Guarantees 43 and 76.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deletion_of_an_account_is_complete_after_the_process_was_killed_and_started_again() {
    const MOVIES: u64 = 150;
    let data = tempfile::tempdir().unwrap();
    let mut server = RunningServer::start(data.path()).await;
    let other = server.register("dallas").await;
    for n in 1..=MOVIES {
        other
            .add(&movie(&format!("Movie {n}"), "Somebody", "Drama", "2000-01-01"))
            .await;
    }
    for (round, when) in [Kill::Deleted, Kill::Sometime, Kill::Answered, Kill::Deleted]
        .into_iter()
        .enumerate()
    {
        let name = format!("ripley{round}");
        let member = server.register(&name).await;
        let favorites = (1..=MOVIES).map(|n| {
            let call = member.put(&format!("/api/movies/{n}/favorite/"));
            async { call.send().await.is(200) }
        });
        join_all(favorites).await;
        let own = member.add(&movie("Own", "Somebody", "Drama", "2000-01-01")).await;
        let user = UserId::try_from(member.id).unwrap();
        let body = json!({"current_password": PASSWORD});
        let call = member.delete(ME).json(&body);
        let deleting = tokio::spawn(async move { call.0.send().await.ok() });
        match when {
            Kill::Sometime => {
                let after = rand::rng().random_range(0..150);
                tokio::time::sleep(Duration::from_millis(after)).await;
            }
            Kill::Deleted => {
                while server.table.get(&keys::leaving(user)).await.unwrap().is_none() {
                    tokio::task::yield_now().await;
                }
            }
            Kill::Answered => {
                while !deleting.is_finished() {
                    tokio::task::yield_now().await;
                }
            }
        }
        kill(server).await;
        let answered = deleting.await.unwrap().map(|answer| answer.status().as_u16());
        assert!(answered.is_none_or(|status| status == 204), "{answered:?}");
        server = RunningServer::start(data.path()).await;
        audit(&server.table).await;
        let member = Caller {
            base: server.base.clone(),
            ..member
        };
        let is_deleted = match member.get(ME).send().await.status.as_u16() {
            401 => true,
            status => {
                assert_eq!(status, 200);
                false
            }
        };
        assert!(is_deleted || (when == Kill::Sometime && answered.is_none()));
        let path = format!("/api/movies/{}/", own["id"]);
        let anyone = member.signed_out();
        let last = anyone.get(&format!("/api/movies/{MOVIES}/")).send().await.body;
        if !is_deleted {
            assert_eq!(last["favorite_count"], 1);
            assert_eq!(anyone.get(&path).send().await.body["user"], member.id);
            member.delete(ME).json(&body).send().await.is(204);
        }
        all_gone(&server.table, member.id).await;
        for path in [&*path, "/api/movies/1/", &format!("/api/movies/{MOVIES}/")] {
            assert_eq!(anyone.get(path).send().await.body["favorite_count"], 0, "{path}");
        }
        assert!(anyone.get(&path).send().await.body["user"].is_null());
        // Both names are free.
        server.register(&name).await;
        audit(&server.table).await;
    }
}
