//! Response bodies of more than one function.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    db::{movie::MovieView, page::Slice, user::UserItem},
    domain::{MovieFields, MovieId, Role, UserId},
    http::origin::Origin,
};

/// A user.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserBody {
    /// The id. It never changes.
    pub id: UserId,
    /// The username.
    #[schema(min_length = 3, max_length = 150, example = "ripley")]
    pub username: String,
    /// The email address. Only the user and admins get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 254, example = "ripley@example.com")]
    pub email: Option<String>,
    /// When the user registered.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub date_joined: String,
    /// What the user may do.
    pub role: Role,
}

impl UserBody {
    /// Returns the user as the user and admins see it.
    #[must_use]
    pub fn own(user: &UserItem) -> Self {
        Self {
            email: Some(user.email.clone()),
            ..Self::public(user)
        }
    }

    /// Returns the user as every signed-in user sees it.
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
    /// The id.
    pub id: MovieId,
    /// The fields that a client sets.
    #[serde(flatten)]
    pub fields: MovieFields,
    /// The URL of a small JPEG of an uploaded cover, which fits within 342 by 513 pixels; for an AVIF, the cover itself. Null if
    /// the cover is a URL elsewhere, or if there is none.
    #[schema(required, format = "uri", example = json!(null))]
    pub cover_thumbnail: Option<String>,
    /// Whether the movie is among the caller's favorites. False for an anonymous caller.
    pub favorite: bool,
    /// The exact number of users who have the movie among their favorites.
    #[schema(minimum = 0, example = 1)]
    pub favorite_count: u64,
    /// The id of the user to whom the movie belongs, or null if it was imported or the account was deleted.
    #[schema(required)]
    pub user: Option<UserId>,
    /// The version. It grows with every edit of the movie, and not with favorites.
    #[schema(minimum = 1, example = 1)]
    pub version: u64,
    /// When the movie was added.
    #[schema(format = DateTime, example = "2026-11-22T21:34:01.250Z")]
    pub created_at: String,
    /// When the movie was last edited.
    #[schema(format = DateTime, example = "2026-11-22T21:34:01.250Z")]
    pub updated_at: String,
}

impl MovieBody {
    /// Returns a movie as its caller sees it. The URLs of an uploaded cover begin with `origin`.
    #[must_use]
    pub fn new(view: MovieView, Origin(origin): &Origin) -> Self {
        let favorite_count = view.movie.favorite_count();
        let movie = view.movie;
        let mut fields = movie.fields;
        let cover_thumbnail = fields
            .cover_image
            .as_ref()
            .and_then(|cover| cover.thumbnail_url(origin));
        fields.cover_image = fields.cover_image.map(|cover| cover.shown(origin));
        Self {
            id: movie.id,
            fields,
            cover_thumbnail,
            favorite: view.favorite,
            favorite_count,
            user: movie.user,
            version: movie.version,
            created_at: movie.created_at,
            updated_at: movie.updated_at,
        }
    }

    /// Returns a page of movies as bodies.
    #[must_use]
    pub fn slice(slice: Slice<MovieView>, origin: &Origin) -> Slice<Self> {
        slice.map(|view| Self::new(view, origin))
    }
}
