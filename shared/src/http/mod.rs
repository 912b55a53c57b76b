//! What every endpoint shares: request bodies, collections and their cursors, and the layers around a router.

pub mod app;
pub mod body;
pub mod collection;
pub mod cursor;
pub mod extract;
pub mod openapi;
pub mod operations;
pub mod problem;
pub mod size;
pub mod wire;

pub use app::serve;
pub use body::Form;
pub use collection::{Collection, PageQuery};
