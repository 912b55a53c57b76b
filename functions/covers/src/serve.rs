//! Serves covers.

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use marquee_shared::{
    Error, Result,
    domain::CoverKey,
    http::{CheckedQuery, caching::ForEveryone, openapi::*},
};
use utoipa::IntoParams;

use crate::CoversState;

/// The error for a cover that isn't there.
const NO_COVER: Error = Error::not_found("There is no cover at this address.");

/// The headers of every cover. Its address never shows another image, so caches keep it. A browser doesn't guess another type,
/// and runs nothing of it.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    ),
];

/// The parameter of a cover's path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described; the handler reads the path")]
pub(crate) struct CoverParam {
    /// The name of the cover, from the `cover_image` or the `cover_thumbnail` of a movie.
    #[param(example = "0f3b6c1d9e8a47525d1c0b9a8f7e6d5c.jpg")]
    name: String,
}

/// Get a cover
///
/// Returns an uploaded cover or its thumbnail. Use the URLs in the movie's `cover_image` and `cover_thumbnail`.
#[utoipa::path(
    get,
    path = "/api/covers/{name}/",
    tag = "movies",
    params(CoverParam),
    responses(
        (status = 200, description = "The image, with its media type: `image/jpeg`, `image/png`, `image/webp`, `image/gif` or `image/avif`."),
        NotFound, Unavailable
    )
)]
pub(crate) async fn get_cover(
    State(state): State<CoversState>,
    path: Option<Path<String>>,
    _: CheckedQuery,
) -> Result<Response> {
    let (Some(objects), Some(Path(name))) = (state.objects, path) else {
        return Err(NO_COVER);
    };
    // Any other name isn't looked for.
    let media_type = CoverKey::media_type_of(&name).ok_or(NO_COVER)?;
    let image = objects.get(&name).await?.ok_or(NO_COVER)?;
    // The name is the tag: nothing else is ever served under it.
    let tag = HeaderValue::try_from(format!("\"{name}\"")).map_err(|_| NO_COVER)?;
    let kind = HeaderValue::from_static(media_type);
    let own = [(header::CONTENT_TYPE, kind), (header::ETAG, tag)];
    Ok((Extension(ForEveryone), HEADERS, own, Body::from(image)).into_response())
}
