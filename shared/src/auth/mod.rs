//! Who is calling: access and refresh tokens, the keys behind them, password hashing, and the [`Caller`] extractor.

pub mod caller;
pub mod crypto;
pub mod keys;
pub mod password;
pub mod refresh;
pub mod secrets;
pub mod token;
pub mod verified;

pub use caller::{Caller, MaybeCaller, RejectInvalidToken};
pub use secrets::{AuthSecrets, PublicKey, SecretTexts};
