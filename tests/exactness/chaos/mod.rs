//! Chaos: many users send random requests while calls to the table fail at random. Afterward an order of the requests must
//! explain what the clients saw of each movie, each idempotency key and each session, and the table must agree with itself.
//!
//! `MARQUEE_CHAOS_REQUESTS` is the number of requests, 600 by default. `MARQUEE_CHAOS_SEED` is the seed, which is printed.
//!
//! | module | what it holds |
//! |---|---|
//! | [`clients`] | the clients and their requests |
//! | [`world`] | what all clients share: the objects with their histories |
//! | [`objects`] | the specification of each kind of object |
//! | [`errors`] | errors of the product that the checks must find |
//! | [`history`] | finds an order of the requests that explains a history |

mod clients;
mod errors;
mod history;
mod objects;
mod world;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use marquee_shared::domain::Role;
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use self::{
    clients::{Client, HOT},
    world::World,
};
use super::{outages::sweep_all, races::run_all};
use crate::support::{
    audit::audit,
    proxy::{Fault, ProxiedApp},
};

/// Everything that can happen to a call.
const FAULTS: [Fault; 16] = [
    Fault::Delayed(Duration::from_millis(60)),
    Fault::CallLost,
    Fault::AnswerLost,
    Fault::AnswerCut,
    Fault::NoAnswer,
    Fault::HalfDone,
    Fault::NothingDone,
    Fault::Canceled("TransactionConflict"),
    Fault::Canceled("ThrottlingError"),
    Fault::Canceled("ProvisionedThroughputExceeded"),
    Fault::Refused(400, "TransactionInProgressException"),
    Fault::Refused(400, "TransactionConflictException"),
    Fault::Refused(400, "ProvisionedThroughputExceededException"),
    Fault::Refused(400, "ThrottlingException"),
    Fault::Refused(500, "InternalServerError"),
    Fault::Refused(503, "ServiceUnavailable"),
];

/// The number of users of the largest run, and of the others. A third of them are admins. Each has [`CLIENTS`].
const USERS: usize = 12;
const FEW_USERS: usize = 5;

/// The number of clients of each user.
const CLIENTS: u64 = 4;

/// How long a transaction is in progress, during which others conflict with it.
const WINDOW: Duration = Duration::from_millis(2);

/// A deadline for requests that are expected to reach it. The users register within it, in several runs at once.
const REACHED: Duration = Duration::from_secs(5);

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().expect(variable))
}

fn requests() -> usize {
    usize::try_from(number_of("MARQUEE_CHAOS_REQUESTS").unwrap_or(600)).unwrap()
}

/// A run: users send requests while faults happen.
struct Run {
    seed: u64,
    users: usize,
    requests: usize,
    share: f64,
    faults: Vec<Fault>,
    window: Option<Duration>,
    deadline: Duration,
    /// Changes the calls, as a product with an error would send them.
    rewriting: Option<fn(&str, &mut Value)>,
}

/// What a run showed.
struct Outcome {
    findings: Vec<String>,
    statuses: BTreeMap<u16, usize>,
    happened: BTreeMap<String, usize>,
    /// How many requests were sent while faults happened.
    sent: usize,
    proxied: ProxiedApp,
}

impl Run {
    fn new(requests: usize, share: f64, faults: &[Fault]) -> Self {
        Self {
            seed: number_of("MARQUEE_CHAOS_SEED").unwrap_or_else(rand::random),
            users: FEW_USERS,
            requests,
            share,
            faults: faults.to_vec(),
            window: None,
            deadline: Duration::from_secs(10),
            rewriting: None,
        }
    }

    async fn start(self) -> Outcome {
        let Self { seed, requests, .. } = self;
        eprintln!(
            "chaos: {requests} requests, {} of the calls with one of {:?}, MARQUEE_CHAOS_SEED={seed}",
            self.share, self.faults
        );
        let proxied = ProxiedApp::with(|options| {
            options.config.http.deadline = self.deadline;
            options.config.tokens.grace_seconds = 60;
        })
        .await;
        let store = proxied.proxy.store().await;
        let world = Arc::new(World::new(requests));
        let mut users = Vec::new();
        let mut clients = Vec::new();
        for user in 0..self.users {
            let caller = proxied.app.register(&format!("user{user}")).await;
            let is_admin = user % 3 == 0;
            if is_admin {
                store.promote(&caller.username, Role::Admin).await.unwrap();
            }
            users.push(caller.clone());
            let session = Arc::new(Mutex::new(None));
            for client in 0..CLIENTS {
                let number = CLIENTS * u64::try_from(user).unwrap() + client;
                clients.push(Client {
                    world: Arc::clone(&world),
                    caller: caller.clone(),
                    user: u32::try_from(user).unwrap(),
                    is_admin,
                    session: Arc::clone(&session),
                    dice: StdRng::seed_from_u64(seed ^ (number << 32)),
                    name: format!("{}-{client}", caller.username),
                    sent: 0,
                });
            }
        }
        for n in 0..self.users.min(HOT) {
            let text = format!("the first {n}");
            let mut wanted = crate::support::movie("Alien Comet", "A. Writer", "Drama", "1979-05-25");
            wanted["description"] = json!(text);
            let added = users[0].add(&wanted).await;
            world.begin_movie(added["id"].as_u64().unwrap(), &text);
        }
        proxied.proxy.conflict(self.window);
        proxied.proxy.rewrite_calls(self.rewriting);
        proxied.proxy.inject_at_random(seed, self.share, &self.faults);
        let begun = Instant::now();
        let tasks: Vec<_> = clients
            .into_iter()
            .map(|client| tokio::spawn(client.run()))
            .collect();
        for task in tasks {
            if let Err(error) = task.await {
                world.finds(format!("a client was answered what no client may be: {error:?}"));
            }
        }
        let sent_in = begun.elapsed();
        let happened = proxied.proxy.happened();
        proxied.proxy.clear_faults();
        proxied.proxy.conflict(None);
        proxied.proxy.rewrite_calls(None);
        let sent = world.statuses().values().sum();
        world.look_at_everything(&users).await;
        let begun = Instant::now();
        let (findings, statuses) = (world.findings(), world.statuses());
        eprintln!(
            "chaos: {:?}: sent in {sent_in:?}, checked in {:?}: {}; statuses {statuses:?}; faults {happened:?}",
            self.faults,
            begun.elapsed(),
            world.size()
        );
        Outcome {
            findings,
            statuses,
            happened,
            sent,
            proxied,
        }
    }
}

impl Outcome {
    /// Asserts that everything is explained and that the table agrees with itself.
    async fn is_explained(&self) {
        assert!(
            self.findings.is_empty(),
            "{} calls failed: {:?}\n{}",
            self.happened.values().sum::<usize>(),
            self.happened,
            self.findings.join("\n")
        );
        let store = self.proxied.proxy.store().await;
        sweep_all(&store).await;
        audit(&store).await;
    }

    fn count(&self, status: u16) -> usize {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    fn all(&self) -> usize {
        self.statuses.values().sum()
    }
}

/// Guarantee 81.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_see_under_all_faults_at_once_has_an_order_that_explains_it() {
    let run = Run {
        users: USERS,
        window: Some(WINDOW),
        ..Run::new(requests(), 0.1, &FAULTS)
    };
    let outcome = run.start().await;
    outcome.is_explained().await;
    // Retries answer nearly all.
    assert!(outcome.count(503) * 20 <= outcome.all(), "{:?}", outcome.statuses);
    if outcome.all() >= 5_000 {
        assert_eq!(outcome.happened.len(), FAULTS.len(), "{:?}", outcome.happened);
    }
}

/// Guarantee 81. Each fault alone, at a fifth of the calls that can have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_see_under_each_fault_at_a_fifth_of_the_calls_is_explained() {
    let requests = (requests() / 50).max(48);
    for faults in FAULTS.chunks(4) {
        let runs = faults.iter().map(|fault| {
            let fault = *fault;
            async move {
                let outcome = Run::new(requests, 0.2, &[fault]).start().await;
                outcome.is_explained().await;
                (fault, outcome)
            }
        });
        for (fault, outcome) in run_all(runs).await {
            // A silent call takes 3 of the 10 seconds of a request. Every other fault leaves time for retries, unless the machine
            // is busy.
            let is_silent = matches!(fault, Fault::NoAnswer);
            let most = if is_silent {
                outcome.all() / 5
            } else {
                outcome.all() / 10
            };
            assert!(outcome.count(503) <= most, "{fault:?}: {:?}", outcome.statuses);
        }
    }
}

/// Whether everything is answered although every call has this fault.
fn only_takes_time(fault: Fault) -> bool {
    matches!(fault, Fault::Delayed(_) | Fault::HalfDone)
}

/// Guarantee 81. Each fault alone, at all calls that can have it: what can't be done without the table is `503`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_a_table_that_always_fails_is_503_and_what_was_answered_is_explained() {
    for faults in FAULTS.chunks(6) {
        let runs = faults.iter().map(|fault| {
            let fault = *fault;
            async move {
                let mut run = Run::new(24, 1.0, &[fault]);
                if !only_takes_time(fault) {
                    run.deadline = REACHED;
                }
                let begun = Instant::now();
                let outcome = run.start().await;
                outcome.is_explained().await;
                (fault, outcome, begun.elapsed())
            }
        });
        for (fault, outcome, took) in run_all(runs).await {
            let context = format!("{fault:?} in {took:?}: {:?}", outcome.statuses);
            match fault {
                _ if only_takes_time(fault) => assert_eq!(outcome.count(503), 0, "{context}"),
                _ if fault.applies_to("GetItem") => {
                    // Nothing else is answered while the fault lasts, except what needs no table: a token that isn't sent.
                    assert_eq!(outcome.count(503), outcome.sent, "{context}");
                }
                // Transactions, single writes or batches are refused, and the rest is answered.
                _ => assert!(outcome.count(503) > 0, "{context}"),
            }
        }
    }
}
