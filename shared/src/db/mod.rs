//! The single-table design: one file per entity, with its keys, its item, and one function per access pattern. The
//! ids `AP-…` are those of `docs/data-model.md`.

pub mod attempts;
pub mod carried;
pub mod client;
pub mod counter;
pub mod cursor;
mod cursor_key;
pub mod favorite;
pub mod genre;
pub mod import;
pub mod index;
pub mod keys;
pub mod movie;
pub mod page;
pub mod posting;
pub mod public_key;
pub mod range;
pub mod retry;
pub mod search;
pub mod session;
pub mod store;
pub mod transaction;
pub mod user;
pub mod walk;

pub use keys::Key;
pub use store::Store;
