//! The harness of the tests.
//!
//! Most of it is the crate `test-kit`, which the benchmarks use too: a server with a table of its own, callers, the fault
//! proxy, the list of operations, the auditor. It is re-exported here, so that a test imports everything from
//! `crate::support`. The modules below are what only the tests need.
//!
//! | module | what it holds |
//! |---|---|
//! | [`accounts`] | what slow requests write after an account was deleted |
//! | [`event`] | the events of `events/`, which API Gateway sends to the functions |
//! | [`layouts`] | tables as earlier versions wrote them |
//! | [`scenario`] | the order in which the events are sent, and the status of each answer |
//! | [`replay`] | sends the events to a server, a function or an endpoint, and compares the answers |
//! | [`emulator`] | Amazon's Lambda Runtime Interface Emulator with a release binary |
//! | [`ses`] | a stand-in for Amazon SES |
//! | [`secrets`] | looks for secrets in a text |
//! | [`secrets_manager`] | a stand-in for AWS Secrets Manager |
//! | [`typing`] | typing errors by their definition |
//! | [`tokens`] | refresh tokens in the format that older versions made |

pub mod accounts;
pub mod emulator;
pub mod event;
pub mod layouts;
pub mod replay;
pub mod scenario;
pub mod secrets;
pub mod secrets_manager;
pub mod ses;
mod stub;
pub mod tokens;
pub mod typing;

pub use test_kit::{
    Answer, Call, Caller, NothingRefused, PASSWORD, TestApp, audit, budgets, encode, mail, measure, movie,
    operations, proxy, table,
};
