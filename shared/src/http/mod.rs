//! What every endpoint shares: request bodies, collections, validators, compression, problem documents, and the layers around a router.

pub mod body;
pub mod caching;
pub mod collection;
mod compression;
pub mod extract;
pub mod idempotency;
pub mod layers;
pub mod openapi;
pub mod operations;
pub mod origin;
pub mod problem;
pub mod query;
pub mod size;
pub mod validators;
pub mod weight;
pub mod wire;

pub use body::Form;
pub use collection::{Collection, PageQuery};
pub use layers::with_layers;
pub use origin::Origin;
pub use query::{CheckedQuery, Params};
