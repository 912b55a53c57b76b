//! Black-box tests: a server and a table of its own for each, over HTTP. The table is in an embedded engine, or at the
//! DynamoDB endpoint that `MARQUEE_TEST_DYNAMODB` names (CONTRIBUTING.md, "Against another DynamoDB").
#![allow(
    clippy::expect_used,
    clippy::missing_docs_in_private_items,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub
)]

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
mod support;
