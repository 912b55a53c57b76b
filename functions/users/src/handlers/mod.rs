//! The handlers. Each parses its request, calls the store, and responds.
//!
//! * [`lists`]: all users, the current user, the current user's favorites.
//! * [`account`]: the current user's password.
//! * [`sessions`]: the current user's sessions.

pub(crate) mod account;
pub(crate) mod lists;
pub(crate) mod sessions;
