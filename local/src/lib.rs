//! Marquee on one machine: the functions that run on AWS, a local gateway in place of API Gateway, and an embedded
//! DynamoDB-compatible engine. `template.yaml` declares the routes, the roles and the table.

#![warn(
    clippy::print_stderr,
    reason = "it panics if standard error is closed; see `stderr`"
)]

pub mod audit;
pub mod backup;
pub mod bodies;
pub mod bulk;
pub mod ceilings;
pub mod cli;
pub mod connections;
pub mod create_table;
pub mod data;
pub mod engine;
pub mod export;
pub mod functions;
pub mod gateway;
pub mod guard;
pub mod http1;
pub mod import;
pub mod mail;
pub mod notices;
pub mod openapi;
mod origin;
pub mod private;
mod progress;
pub mod server;
pub mod start_error;
pub mod stderr;
pub mod template;
pub mod upgrade;
