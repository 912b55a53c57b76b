//! The types of the domain, one per file. Each has a constructor that parses outside text and returns a message for the
//! client if the text is not valid. A value of the type is valid by construction. Each type that a body carries has the
//! schema by which the OpenAPI document describes it.

pub mod cover;
pub mod cover_key;
pub mod email;
pub mod genre;
pub mod id;
pub mod idempotency_key;
pub mod imdb_id;
mod marks;
pub mod movie;
pub mod password;
pub mod release_date;
pub mod role;
pub mod session_id;
pub mod text;
pub mod username;

pub use cover::{CoverImage, NamedCover};
pub use cover_key::{CoverKey, ImageFormat};
pub use email::Email;
pub use genre::{Genre, Genres};
pub use id::{MovieId, UserId};
pub use idempotency_key::IdempotencyKey;
pub use imdb_id::ImdbId;
pub use movie::{Description, Director, MovieFields, Title};
pub use password::Password;
pub use release_date::ReleaseDate;
pub use role::Role;
pub use session_id::SessionId;
pub use username::Username;
