//! Black-box tests: a server of its own for each, over HTTP, on the embedded engine.
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
mod exactness;
mod openapi;
mod support;
