//! Roles.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a user may do. A `member` may add movies and change their own. An `admin` may also change every movie, assign a
/// movie to another user and see every email.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May add movies and change their own.
    #[default]
    Member,
    /// May also change every movie, assign a movie to another user and see every email.
    Admin,
}
