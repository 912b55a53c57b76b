//! Marquee on one machine: the same functions as on AWS, behind a local gateway that reads its routes and its table
//! from `template.yaml`, over an embedded DynamoDB-compatible engine.

pub mod bodies;
pub mod bulk;
pub mod cli;
pub mod connections;
pub mod data;
pub mod engine;
pub mod gateway;
pub mod guard;
pub mod http1;
pub mod import;
pub mod openapi;
pub mod private;
pub mod server;
pub mod template;
