//! A fault proxy: an HTTP proxy between the server and its table. It counts every call, and makes the calls fail that a
//! test names. It signs each call again for the endpoint behind it, because the server signed a request to the proxy.
//!
//! | module | what it holds |
//! |---|---|
//! | `lib.rs` | [`FaultProxy`]: what a test tells the proxy |
//! | [`record`] | what the proxy saw: [`Record`], [`Exchange`], and the [`Cost`] of a series of calls |
//! | [`fault`] | [`Fault`], and which calls it happens to |
//! | `listen` | the listening socket, the connections, and the bodies that are cut off |
//! | `endpoint` | the endpoint behind the proxy: signing and forwarding, with the fault applied |
//! | `conflict` | transactions in progress, which cancel others as DynamoDB does |
//! | `answers` | the answers that the proxy makes itself, and the divided batches |
//!
//! It is test equipment. It panics at a call that the server never makes, and at an answer that an endpoint must not give.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test equipment: a panic is a failed test"
)]

mod answers;
mod conflict;
mod endpoint;
pub mod fault;
mod listen;
pub mod record;

use std::{
    collections::{BTreeMap, HashSet},
    net::Ipv4Addr,
    ops::Range,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::watch;

pub use fault::Fault;
pub use record::{Cost, Exchange, Record};

use self::{
    endpoint::Endpoint,
    fault::{Random, Rule},
    listen::{bind, listen},
};

/// Changes the body of a call of this operation before it is forwarded.
pub type Rewriting = fn(&str, &mut Value);

/// What the proxy was told, and what it saw.
#[derive(Default)]
struct State {
    records: Vec<Record>,
    rules: Vec<Rule>,
    /// The faults that happen at random to the calls that no rule is for.
    random: Option<Random>,
    /// Changes calls before they are forwarded.
    rewriting: Option<Rewriting>,
    /// How long no call may have arrived before an answer is sent.
    quiet: Duration,
    /// When the last call arrived.
    latest: Option<Instant>,
    records_bodies: bool,
    /// How long a transaction is in progress, where transactions conflict.
    window: Option<Duration>,
    /// The items of the transactions in progress.
    touched: HashSet<String>,
}

/// A fault proxy. It runs as long as the runtime that it was made on.
pub struct FaultProxy {
    /// The URL that the server uses as its table's endpoint.
    pub url: String,
    state: Arc<Mutex<State>>,
    is_down: Arc<watch::Sender<bool>>,
}

impl FaultProxy {
    /// A fault proxy to this endpoint.
    pub async fn to(endpoint: &str) -> Self {
        let first = bind((Ipv4Addr::LOCALHOST, 0).into());
        let address = first.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let endpoint = Endpoint::new(endpoint.to_owned(), Arc::clone(&state)).await;
        let is_down = Arc::new(watch::Sender::new(false));
        tokio::spawn(listen(first, address, endpoint, Arc::clone(&is_down)));
        Self {
            url: format!("http://{address}"),
            state,
            is_down,
        }
    }

    /// Takes the proxy down, or up again. While it is down, connections are closed and new ones refused.
    pub fn take_down(&self, is_down: bool) {
        self.is_down.send_replace(is_down);
    }

    /// Makes `fault` happen to some of the calls of `operation`, or of any operation for `*`. `which` counts these calls from
    /// now on, from 0.
    pub fn inject(&self, operation: &'static str, which: Range<usize>, fault: Fault) {
        self.add(Rule::new(operation, which, None, fault));
    }

    /// Makes `fault` happen to every call of `operation`, or of any operation for `*`, for this long from now on.
    pub fn inject_for(&self, time: Duration, operation: &'static str, fault: Fault) {
        let until = Instant::now() + time;
        self.add(Rule::new(operation, 0..usize::MAX, Some(until), fault));
    }

    fn add(&self, rule: Rule) {
        self.state.lock().unwrap().rules.push(rule);
    }

    /// Makes one of these faults happen to this share of all calls, from 0 to 1. A call gets only a fault that its operation
    /// [can have](Fault::applies_to). The seed and the order of the calls decide which call gets which fault.
    pub fn inject_at_random(&self, seed: u64, share: f64, faults: &[Fault]) {
        self.state.lock().unwrap().random = Some(Random::new(seed, share, faults));
    }

    /// How often each of the faults that happen at random has happened since they began, by its name.
    #[must_use]
    pub fn happened(&self) -> BTreeMap<String, usize> {
        let state = self.state.lock().unwrap();
        state
            .random
            .as_ref()
            .map(|random| random.happened.clone())
            .unwrap_or_default()
    }

    /// Changes every call before it is forwarded, as a product with an error would send it. `None` ends it.
    pub fn rewrite_calls(&self, rewriting: Option<Rewriting>) {
        self.state.lock().unwrap().rewriting = rewriting;
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        let mut state = self.state.lock().unwrap();
        state.rules.clear();
        state.random = None;
    }

    /// Holds every answer until no call has arrived for this long. Calls that the server sends together then overlap in the
    /// records, however fast the engine is.
    pub fn gather_calls(&self, time: Duration) {
        self.state.lock().unwrap().quiet = time;
    }

    /// Records the bodies of calls and answers, with the units of each index.
    pub fn record_bodies(&self) {
        self.state.lock().unwrap().records_bodies = true;
    }

    /// Makes transactions conflict as they do in DynamoDB, where the embedded engine would run them one after another.
    /// `None` ends it.
    ///
    /// A transaction is in progress for `window`. After half of it the conditions are checked and the writes take effect; if a
    /// condition fails, the transaction ends then. Meanwhile another transaction that touches one of its items is canceled, with
    /// `TransactionConflict` as the reason of the actions on these items, and a PutItem, UpdateItem or DeleteItem of one of
    /// them is refused with `TransactionConflictException` (AWS: "Transaction conflict handling"). Reads and batches don't
    /// conflict.
    pub fn conflict(&self, window: Option<Duration>) {
        self.state.lock().unwrap().window = window;
    }

    /// How many items the transactions in progress touch, where transactions [conflict](Self::conflict).
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.state.lock().unwrap().touched.len()
    }

    /// The calls since the last time this was called.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.state.lock().unwrap().records)
    }

    /// The operations of these calls, in alphabetical order: calls of one round trip arrive in any order.
    pub fn take_operations(&self) -> Vec<String> {
        let mut operations: Vec<String> = self.take().into_iter().map(|call| call.operation).collect();
        operations.sort_unstable();
        operations
    }
}
