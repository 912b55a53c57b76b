//! What things are: one parsing type per file. Each is made from outside text by a constructor that says what is
//! wrong, in words for the client, and is valid from then on.

pub mod cover;
pub mod email;
pub mod genre;
pub mod id;
pub mod movie;
pub mod password;
pub mod release_date;
pub mod role;
pub mod text;
pub mod username;

pub use cover::CoverImage;
pub use email::Email;
pub use genre::{Genre, Genres};
pub use id::{MovieId, UserId};
pub use movie::{Description, Director, MovieFields, Title};
pub use password::Password;
pub use release_date::ReleaseDate;
pub use role::Role;
pub use username::Username;
