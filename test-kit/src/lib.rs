//! The test kit: what Marquee's tests and benchmarks share.
//!
//! A test starts the whole server in its own process with a table of its own, and talks to it over HTTP as a client does.
//! [`TestApp`] is such a server and [`Caller`] a client of it. The table is in the memory of an embedded engine, or at the
//! DynamoDB endpoint that `MARQUEE_TEST_DYNAMODB` names. [`proxy::ProxiedApp`] puts a [fault proxy](fault_proxy) between
//! the server and its table, which counts the calls to the table and can make them fail. After its writes a test runs the
//! [auditor](audit), which reads the whole table and reports every item that disagrees with another.
//!
//! | module | what it holds |
//! |---|---|
//! | [`app`] | [`TestApp`], a server with a table of its own, and [`app::Builder`], the one way to start one |
//! | [`caller`] | [`Caller`], [`Call`] and [`Answer`]: a client, its request, and the answer with the checks of every answer |
//! | [`mail`] | the mails that a server has sent |
//! | [`table`] | where a test's table is: in memory, in a file, or at an endpoint |
//! | [`proxy`] | a server with a fault proxy between it and its table |
//! | [`operations`] | the list of operations: a sample request of each, and the statuses that each kind of caller gets |
//! | [`budgets`] | what requests may cost: one list, for the tests and for the benchmarks |
//! | [`measure`] | measures the requests of that list against a catalog |
//! | [`audit`] | the product's audit, as tests use it |
//!
//! The kit is test equipment. It panics where a test would fail. Nothing that is deployed depends on it: it depends on
//! `marquee`, whose integration tests depend on it in turn.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test equipment: a panic is a failed test"
)]

pub mod app;
pub mod audit;
pub mod budgets;
pub mod caller;
pub mod mail;
pub mod measure;
pub mod operations;
pub mod proxy;
pub mod table;

pub use app::{NothingRefused, TestApp};
pub use caller::{Answer, Call, Caller};
pub use fault_proxy;

use std::fmt::Write as _;

use serde_json::{Value, json};

/// The password of every test user.
pub const PASSWORD: &str = "a long enough passphrase";

/// A movie's required fields, with a description made from the title.
#[must_use]
pub fn movie(title: &str, director: &str, genre: &str, release_date: &str) -> Value {
    json!({
        "title": title,
        "description": format!("A movie called {title}."),
        "release_date": release_date,
        "director": director,
        "genre": genre,
    })
}

/// Returns every byte of `text` percent-encoded, for a query.
#[must_use]
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}
