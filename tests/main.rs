//! The integration tests: black-box tests of the whole server over HTTP, each with a server and a table of its own.
//!
//! The table is in an embedded engine, or at the DynamoDB endpoint that `MARQUEE_TEST_DYNAMODB` names (CONTRIBUTING.md,
//! "Against another DynamoDB"). [`support`] is the harness.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests: a panic is a failure, and nothing is visible outside of the program"
)]

use mimalloc::MiMalloc;

/// The server's allocator: most of a test's time is the server's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

mod api;
mod cargo_lambda;
mod deploy;
mod docs;
mod endpoint;
mod exactness;
mod golden;
mod guarantees;
mod import;
mod machine;
mod openapi;
mod rooms;
mod support;
