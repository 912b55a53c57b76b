//! Response bodies that more than one function sends.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    db::{movie::MovieView, page::Slice, user::UserItem},
    domain::{MovieId, Role, UserId},
};

/// A user.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserBody {
    /// Who it is, for good.
    pub id: UserId,
    /// The name they chose.
    #[schema(min_length = 3, max_length = 150, example = "ripley")]
    pub username: String,
    /// Only in the user's own record, or when an admin asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 254, example = "ripley@example.com")]
    pub email: Option<String>,
    /// When they registered.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub date_joined: String,
    /// What they may do.
    pub role: Role,
}

impl UserBody {
    /// What the user themself and admins see.
    #[must_use]
    pub fn own(user: &UserItem) -> Self {
        Self {
            email: Some(user.email.clone()),
            ..Self::public(user)
        }
    }

    /// What everybody who is signed in sees.
    #[must_use]
    pub fn public(user: &UserItem) -> Self {
        Self {
            id: user.id,
            username: user.username.clone(),
            email: None,
            date_joined: user.joined.clone(),
            role: user.role,
        }
    }
}

/// A movie.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Movie)]
pub struct MovieBody {
    /// Its id.
    pub id: MovieId,
    /// Its title.
    #[schema(min_length = 1, max_length = 200, example = "The Godfather")]
    pub title: String,
    /// Its description.
    #[schema(
        min_length = 1,
        max_length = 5000,
        example = "A family, and the price of its business."
    )]
    pub description: String,
    /// The day it was released.
    #[schema(format = Date, example = "1972-03-24")]
    pub release_date: String,
    /// Its director.
    #[schema(min_length = 1, max_length = 200, example = "Francis Ford Coppola")]
    pub director: String,
    /// Its genres, separated by a comma and a space.
    #[schema(min_length = 1, max_length = 208, example = "Crime, Drama")]
    pub genre: String,
    /// Its cover image.
    #[schema(format = "uri", example = "https://example.org/covers/the-godfather.jpg")]
    pub cover_image: Option<String>,
    /// Whether the caller holds it as a favorite; false when nobody is signed in.
    pub favorite: bool,
    /// How many users hold it as a favorite, exact.
    #[schema(minimum = 0, example = 1)]
    pub favorite_count: u64,
    /// The user who added it.
    #[schema(value_type = Option<u64>, minimum = 1, example = 1)]
    pub user: Option<UserId>,
    /// When it was added.
    #[schema(format = DateTime, example = "2026-11-22T21:34:01.250Z")]
    pub created_at: String,
    /// When it was last edited.
    #[schema(format = DateTime, example = "2026-11-22T21:34:01.250Z")]
    pub updated_at: String,
}

impl From<MovieView> for MovieBody {
    fn from(view: MovieView) -> Self {
        let favorite_count = view.movie.favorite_count();
        let movie = view.movie;
        Self {
            id: movie.id,
            title: movie.title,
            description: movie.description,
            release_date: movie.release_date,
            director: movie.director,
            genre: movie.genre,
            cover_image: movie.cover_image,
            favorite: view.favorite,
            favorite_count,
            user: movie.user,
            created_at: movie.created_at,
            updated_at: movie.updated_at,
        }
    }
}

impl MovieBody {
    /// A page of movies as bodies.
    #[must_use]
    pub fn slice(slice: Slice<MovieView>) -> Slice<Self> {
        slice.map(Self::from)
    }
}
