//! Who is calling: access, refresh and reset tokens, the keys behind them, password hashing, and the [`Caller`] extractor.

pub mod caller;
pub mod crypto;
pub mod keys;
pub mod password;
pub mod refresh;
pub mod reset;
pub mod secrets;
pub mod token;
pub mod verified;

pub use caller::{Caller, MaybeCaller, RejectInvalidToken};
pub use secrets::{AuthSecrets, PublicKey, SecretTexts};
