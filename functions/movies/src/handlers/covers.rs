//! The operations on a movie's cover, and what a request makes of it.

use std::collections::BTreeSet;

use axum::{extract::State, http::StatusCode, response::Response};
use bytes::Bytes;
use marquee_shared::{
    AppState, Error, Result,
    auth::Caller,
    covers::NewCover,
    db::edit_movie::{Edit, EditView},
    domain::{CoverImage, MovieId},
    http::{
        CheckedQuery, Origin,
        body::{FormWithFile, ImageBody},
        openapi::*,
        validators::Preconditions,
        wire::MovieBody,
    },
};

use utoipa::ToSchema;

use crate::{
    handlers::{
        PathId,
        movies::{Edited, change, may_change, movie_response},
    },
    wire::{COVER, CoverChange, IfMatchParam, MovieIdParam},
};

/// An image.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only described; ImageBody reads the body")]
pub(crate) struct ImageFile(String);

/// Set a movie's cover
///
/// The body is the image: a JPEG, PNG, WebP, GIF or AVIF of at most 4 MB (4,000,000 bytes) and 50 megapixels. Its type is recognized
/// by its content. Metadata, such as the place where a photo was taken, is removed, and an image that is stored rotated is turned
/// upright; if it then has more than 4.5 MB, it is made smaller. The image that the movie had stops being served within an hour. Only the owner of the movie and admins may do this.
#[utoipa::path(
    put,
    path = "/api/movies/{id}/cover/",
    tag = "movies",
    params(MovieIdParam, IfMatchParam),
    request_body(content = ImageFile, content_type = "application/octet-stream", description = "The image."),
    responses(
        (status = 200, description = "The movie after the change.", body = MovieBody),
        BadRequest, Unauthenticated, Forbidden, NotFound, Stale, ImageTooLarge, UnsupportedImage, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn set_cover(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
    origin: Origin,
    preconditions: Preconditions,
    ImageBody(image): ImageBody,
) -> Result<Response> {
    let decide = |seen: &EditView, uploaded: Option<&CoverImage>| {
        preconditions.check(&seen.view)?;
        Ok(with_cover(seen, uploaded.cloned()))
    };
    let edited = Edited {
        id,
        named: None,
        seen: None,
    };
    let view = change(&state, &caller, edited, &BTreeSet::new(), Some(&image), decide).await?;
    movie_response(view, &origin)
}

/// Delete a movie's cover
///
/// The movie then has no cover, whether it had an uploaded image or a URL. An uploaded image stops being served within an hour. Only
/// the owner of the movie and admins may do this.
#[utoipa::path(
    delete,
    path = "/api/movies/{id}/cover/",
    tag = "movies",
    params(MovieIdParam, IfMatchParam),
    responses(
        (status = 204, description = "The movie has no cover."),
        Unauthenticated, Forbidden, NotFound, Stale, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn delete_cover(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
    preconditions: Preconditions,
    _: CheckedQuery,
) -> Result<StatusCode> {
    let seen = state.store.read_for_edit(id, caller.id, None).await?;
    may_change(&seen)?;
    preconditions.check(&seen.view)?;
    // What is gone already needs no edit, and the version stays.
    if seen.view.movie.fields.cover_image.is_some() {
        let decide = |seen: &EditView, _: Option<&CoverImage>| {
            preconditions.check(&seen.view)?;
            Ok(with_cover(seen, None))
        };
        let edited = Edited {
            id,
            named: None,
            seen: Some(seen),
        };
        change(&state, &caller, edited, &BTreeSet::new(), None, decide).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the edit that changes nothing but the cover.
fn with_cover(seen: &EditView, cover: Option<CoverImage>) -> Edit {
    let movie = &seen.view.movie;
    let mut fields = movie.fields.clone();
    fields.cover_image = cover;
    Edit {
        fields,
        user: movie.user,
        favorite: None,
    }
}

/// Checks an image and stores it for a movie, or for one that is about to be added.
pub(crate) async fn upload(state: &AppState, image: &Bytes, movie: Option<MovieId>) -> Result<CoverImage> {
    let image = image.clone();
    let key = state.covers.receive(NewCover { image, movie }).await?;
    Ok(CoverImage::uploaded(&key))
}

/// Returns what a form says. If its fields are invalid and it has an image, the image is checked too, so that the answer names
/// every invalid field.
pub(crate) async fn read<T>(state: &AppState, form: FormWithFile<T>) -> Result<T> {
    let (mut errors, image) = match (form.value, form.file) {
        (Err(Error::Invalid(errors)), Some(file)) if file.field == COVER => (errors, file.content),
        (value, _) => return value,
    };
    match state.covers.check(image).await {
        Err(Error::Invalid(about_image)) => errors.merge(about_image),
        Err(error @ (Error::ImageTooLarge | Error::UnsupportedImage)) => {
            errors.add(COVER, error.problem().detail);
        }
        // If the image can't be checked now, the answer has what is known.
        Ok(()) | Err(_) => {}
    }
    Err(Error::Invalid(errors))
}

impl CoverChange {
    /// Returns the image that is to be uploaded, if the change has one.
    pub(crate) fn image(change: Option<&Self>) -> Option<&Bytes> {
        match change {
            Some(Self::Image(image)) => Some(image),
            _ => None,
        }
    }

    /// Returns the cover of a movie after a change, or without a change its old one. `uploaded` is the cover with the image of the
    /// request. Before it is uploaded, the old cover takes its place.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the change names a cover that the movie can't have.
    pub(crate) fn apply(
        change: Option<&Self>,
        old: Option<&CoverImage>,
        uploaded: Option<&CoverImage>,
        Origin(origin): &Origin,
    ) -> Result<Option<CoverImage>> {
        match change {
            None => Ok(old.cloned()),
            Some(Self::Remove) => Ok(None),
            Some(Self::Image(_)) => Ok(uploaded.or(old).cloned()),
            Some(Self::Named(named)) => {
                let cover = named.of_movie(old, origin);
                cover.map(Some).map_err(|message| Error::invalid(COVER, message))
            }
        }
    }
}
