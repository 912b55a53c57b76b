//! What a user may do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a user may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May add movies, and change their own.
    #[default]
    Member,
    /// May change every movie, and see every email.
    Admin,
}
