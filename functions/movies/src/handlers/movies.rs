//! Movies: list, get, add, replace, update, delete.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use marquee_shared::{
    AppState, Error, Result,
    auth::{Caller, MaybeCaller},
    db::{
        edit_movie::{Edit, EditView},
        movie::{MovieView, NO_MOVIE},
        movie_lists::MovieOrder,
        page::Counted,
    },
    domain::{MovieFields, MovieId, Role, UserId, genre},
    error::FieldErrors,
    http::{
        Collection, Form, PageQuery,
        collection::{DEFAULT_LIMIT, PageParams},
        extract::Params,
        openapi::*,
        wire::MovieBody,
    },
};

use crate::{
    handlers::PathId,
    wire::{
        IfMatch, IfMatchParam, MovieIdParam, MovieListParams, MoviePatch, MoviePatchBody, NewMovie,
        NewMovieBody,
    },
};

/// The error for a caller who neither owns the movie nor is an admin.
const NOT_YOURS: Error = Error::Forbidden("Only the user who added this movie, or an admin, may change it.");

/// List movies.
///
/// All movies, or those of a genre. Numbers and texts are exact; the order by date may lag by a moment on AWS, where
/// it comes from an index.
#[utoipa::path(
    get,
    path = "/api/movies/",
    operation_id = "list_movies",
    tag = "movies",
    params(MovieListParams, PageParams),
    responses(
        (status = 200, description = "A page of movies.", body = Collection<MovieBody>),
        BadRequest, Unauthenticated, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub async fn list_movies(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    params: Params,
) -> Result<Json<Collection<MovieBody>>> {
    let mut errors = FieldErrors::default();
    let order = errors.take("ordering", parse_order(params.get("ordering")));
    let order = order.unwrap_or_default();
    if params.get("genre").is_some_and(|genre| genre.trim().is_empty()) {
        errors.add("genre", "This field may not be blank.");
    }
    let genre = params.get("genre").map(genre::identity);
    let scope = format!("movies {order:?} {genre:?}");
    let page = PageQuery::read_with(&state, params, DEFAULT_LIMIT, scope, errors).await?;
    let (store, caller) = (&state.store, caller.map(|c| c.id));
    let (window, limit) = (&page.window, page.limit);
    let Counted { count, slice } = match genre {
        None => store.list_movies(order, window, limit, caller).await?,
        Some(None) => Counted::default(),
        Some(Some(genre)) => {
            store
                .list_movies_of_genre(&genre, order, window, limit, caller)
                .await?
        }
    };
    let slice = MovieBody::slice(slice);
    Ok(Json(page.collection(&state, Some(count), slice).await?))
}

/// Add a movie.
///
/// The movie is the caller's, unless an admin names another user. `favorite: true` also favorites it for the
/// caller. It is listed, counted and searchable when the answer arrives.
#[utoipa::path(
    post,
    path = "/api/movies/",
    operation_id = "create_movie",
    tag = "movies",
    request_body(content(
        (NewMovieBody = "application/json"),
        (NewMovieBody = "application/x-www-form-urlencoded"),
        (NewMovieBody = "multipart/form-data")
    )),
    responses(
        (status = 201, description = "The movie.", body = MovieBody, headers(
            ("location" = String, description = "The movie's path."),
            ("etag" = String, description = "The movie's version, for `If-Match`.")
        )),
        BadRequest, Unauthenticated, Forbidden, TooLarge, UnsupportedMediaType, Unavailable
    ),
    security(("bearer" = []))
)]
pub async fn create_movie(
    State(state): State<AppState>,
    caller: Caller,
    Form(new): Form<NewMovie>,
) -> Result<Response> {
    let owner = owner_of_new(&state, &caller, new.user).await?;
    let favorite = new.favorite.unwrap_or(false).then_some(caller.id);
    let view = state.store.create_movie(&new.fields, owner, favorite).await?;
    let location = format!("/api/movies/{}/", view.movie.id);
    let location = [(header::LOCATION, location)];
    Ok((StatusCode::CREATED, location, movie_response(view)).into_response())
}

/// Get a movie.
#[utoipa::path(
    get,
    path = "/api/movies/{id}/",
    operation_id = "get_movie",
    tag = "movies",
    params(MovieIdParam),
    responses(
        (status = 200, description = "The movie.", body = MovieBody, headers(
            ("etag" = String, description = "The movie's version, for `If-Match`.")
        )),
        Unauthenticated, NotFound, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub async fn get_movie(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    PathId(id): PathId,
) -> Result<Response> {
    let view = state.store.get_movie(id, caller.map(|c| c.id)).await?;
    Ok(movie_response(view.ok_or(NO_MOVIE)?))
}

/// Replace a movie.
///
/// Takes every required field; the optional ones that are left out stay as they are. For its owner, or an admin.
#[utoipa::path(
    put,
    path = "/api/movies/{id}/",
    operation_id = "replace_movie",
    tag = "movies",
    params(MovieIdParam, IfMatchParam),
    request_body(content(
        (NewMovieBody = "application/json"),
        (NewMovieBody = "application/x-www-form-urlencoded"),
        (NewMovieBody = "multipart/form-data")
    )),
    responses(
        (status = 200, description = "The movie as it is now.", body = MovieBody, headers(
            ("etag" = String, description = "The movie's version, for `If-Match`.")
        )),
        BadRequest, Unauthenticated, Forbidden, NotFound, Stale, TooLarge, UnsupportedMediaType, Unavailable
    ),
    security(("bearer" = []))
)]
pub async fn replace_movie(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
    headers: HeaderMap,
    Form(new): Form<NewMovie>,
) -> Result<Response> {
    let if_match = IfMatch::read(&headers);
    let decide = |seen: &EditView| {
        if_match.check(&seen.view.movie)?;
        let mut fields = new.fields.clone();
        if !new.names_cover {
            fields.cover_image = seen.view.movie.fields()?.cover_image;
        }
        edit(seen, fields, new.user, new.favorite)
    };
    change(&state, &caller, id, new.user, decide).await
}

/// Update a movie.
///
/// Changes the fields that are given. For its owner, or an admin.
#[utoipa::path(
    patch,
    path = "/api/movies/{id}/",
    operation_id = "update_movie",
    tag = "movies",
    params(MovieIdParam, IfMatchParam),
    request_body(content(
        (MoviePatchBody = "application/json"),
        (MoviePatchBody = "application/x-www-form-urlencoded"),
        (MoviePatchBody = "multipart/form-data")
    )),
    responses(
        (status = 200, description = "The movie as it is now.", body = MovieBody, headers(
            ("etag" = String, description = "The movie's version, for `If-Match`.")
        )),
        BadRequest, Unauthenticated, Forbidden, NotFound, Stale, TooLarge, UnsupportedMediaType, Unavailable
    ),
    security(("bearer" = []))
)]
pub async fn update_movie(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
    headers: HeaderMap,
    Form(patch): Form<MoviePatch>,
) -> Result<Response> {
    let if_match = IfMatch::read(&headers);
    let decide = |seen: &EditView| {
        if_match.check(&seen.view.movie)?;
        let fields = patch.apply(seen.view.movie.fields()?)?;
        edit(seen, fields, patch.user, patch.favorite)
    };
    change(&state, &caller, id, patch.user, decide).await
}

/// Delete a movie.
///
/// Every trace of it goes: search, categories, favorites, counts. For its owner, or an admin.
#[utoipa::path(
    delete,
    path = "/api/movies/{id}/",
    operation_id = "delete_movie",
    tag = "movies",
    params(MovieIdParam, IfMatchParam),
    responses(
        (status = 204, description = "It is gone."),
        Unauthenticated, Forbidden, NotFound, Stale, Unavailable
    ),
    security(("bearer" = []))
)]
pub async fn delete_movie(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<StatusCode> {
    let if_match = IfMatch::read(&headers);
    let decide = |seen: &EditView| {
        may_change(seen)?;
        if_match.check(&seen.view.movie)
    };
    state.store.delete_movie(id, caller.id, decide).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change(
    state: &AppState,
    caller: &Caller,
    id: MovieId,
    named: Option<UserId>,
    decide: impl Fn(&EditView) -> Result<Edit>,
) -> Result<Response> {
    let decide = |seen: &EditView| {
        may_change(seen)?;
        decide(seen)
    };
    let view = state.store.edit_movie(id, caller.id, named, decide).await?;
    Ok(movie_response(view))
}

/// Whether the caller may change the movie: its owner, or an admin.
fn may_change(seen: &EditView) -> Result<()> {
    if seen.view.movie.user == Some(seen.caller.id) || seen.caller.role == Role::Admin {
        Ok(())
    } else {
        Err(NOT_YOURS)
    }
}

/// The edit that these fields ask for, if the caller may name that user.
fn edit(seen: &EditView, fields: MovieFields, user: Option<UserId>, favorite: Option<bool>) -> Result<Edit> {
    let owner = seen.view.movie.user;
    let user = match user {
        None => owner,
        // Naming who it already is, is no change.
        Some(user) if Some(user) == owner => owner,
        Some(user) => {
            may_name(seen.caller.role, user, seen.caller.id)?;
            Some(seen.named.as_ref().ok_or_else(no_user)?.id)
        }
    };
    Ok(Edit {
        fields,
        user,
        favorite,
    })
}

/// Whose a new movie is: the caller's, or the user's whom an admin names.
async fn owner_of_new(state: &AppState, caller: &Caller, named: Option<UserId>) -> Result<UserId> {
    let Some(named) = named.filter(|named| *named != caller.id) else {
        return Ok(caller.id);
    };
    let (caller_item, named_item) =
        tokio::try_join!(state.store.get_user(caller.id), state.store.get_user(named))?;
    let role = caller_item.map(|user| user.role).unwrap_or_default();
    may_name(role, named, caller.id)?;
    named_item.map(|user| user.id).ok_or_else(no_user)
}

fn may_name(role: Role, named: UserId, caller: UserId) -> Result<()> {
    if named == caller || role == Role::Admin {
        Ok(())
    } else {
        Err(Error::Forbidden("Only an admin may name another user."))
    }
}

fn no_user() -> Error {
    Error::invalid("user", "There is no user with this id.")
}

fn movie_response(view: MovieView) -> Response {
    // A version is digits, so this is always a header value.
    let etag = HeaderValue::from_str(&format!("\"{}\"", view.movie.version));
    let mut response = Json(MovieBody::from(view)).into_response();
    if let Ok(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn parse_order(text: Option<&str>) -> Result<MovieOrder, &'static str> {
    match text {
        None | Some("id") => Ok(MovieOrder::Id),
        Some("-id") => Ok(MovieOrder::IdDescending),
        Some("release_date") => Ok(MovieOrder::ReleaseDate),
        Some("-release_date") => Ok(MovieOrder::ReleaseDateDescending),
        Some(_) => Err("Must be one of id, -id, release_date, -release_date."),
    }
}
