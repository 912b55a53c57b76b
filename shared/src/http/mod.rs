//! What every endpoint shares: request bodies, collections, problem documents, and the layers around a router.

pub mod body;
pub mod collection;
pub mod extract;
pub mod idempotency;
pub mod layers;
pub mod openapi;
pub mod operations;
pub mod problem;
pub mod query;
pub mod size;
pub mod wire;

pub use body::Form;
pub use collection::{Collection, PageQuery};
pub use layers::with_layers;
pub use query::{CheckedQuery, Params};
