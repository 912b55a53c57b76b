//! The library behind every Marquee function.
//!
//! * [`domain`]: what a movie, a user and a genre are. Text from outside is parsed into one of these types or answered
//!   with a problem document; after that, every value is valid by construction.
//! * [`db`]: the table. Each entity has a file with its item and one function per access pattern.
//! * [`auth`]: access and refresh tokens, password hashing, and the [`auth::Caller`] extractor.
//! * [`http`]: what every endpoint shares: bodies, collections, problem documents, and the layers around a router.
//! * [`covers`]: where uploaded images are sent.
//! * [`error`]: every way a request can fail.
//! * [`aws`], [`config`], [`state`], [`telemetry`], [`clock`]: the setup of a process.
//! * [`digest`] and `random`: helpers of the modules above.
//!
//! No file uses one that uses it, directly or through others.

pub mod auth;
pub mod aws;
pub mod clock;
pub mod config;
pub mod covers;
pub mod db;
pub mod digest;
pub mod domain;
pub mod error;
pub mod http;
pub(crate) mod random;
pub mod state;
pub mod telemetry;

pub use error::{Error, Result};
pub use state::AppState;
