//! The library behind every Marquee function.
//!
//! * [`domain`]: what a movie, a user, a genre *is*. Text from outside becomes one of these types at the edge, or a
//!   problem document; past the edge every value is valid by construction.
//! * [`db`]: the single-table design. One file per entity: its keys, its item, and one function per access pattern.
//! * [`auth`]: access and refresh tokens, password hashing, and the [`auth::Caller`] extractor.
//! * [`http`]: what every endpoint shares: bodies, collections, cursors, and the layers around a router.
//! * [`aws`], [`config`], [`state`], [`telemetry`], [`clock`], [`error`]: the process around them.

pub mod auth;
pub mod aws;
pub mod clock;
pub mod config;
pub mod db;
pub mod domain;
pub mod error;
pub mod http;
pub mod state;
pub mod telemetry;

pub use error::{Error, Result};
pub use state::AppState;
