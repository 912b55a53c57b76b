//! The operations on movies: list, add, get, replace, update and delete.

use std::collections::BTreeSet;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use marquee_shared::{
    AppState, Error, Result,
    auth::{Caller, MaybeCaller},
    db::{
        edit_movie::{Edit, EditView},
        filtered::Listed,
        idempotency::{Answered, KeyedRequest},
        movie::{MovieView, NO_MOVIE},
        movie_lists::MovieOrder,
        user::existing,
        vocabulary::vocabulary_words,
    },
    domain::{CoverImage, IdempotencyKey, MovieFields, MovieId, Role, UserId},
    http::{
        Collection, Origin, PageQuery,
        body::FormWithFile,
        collection::{DEFAULT_LIMIT, PageParams},
        idempotency::{IdempotencyKeyParam, MaybeKey, mark_replayed},
        openapi::*,
        query::{CheckedQuery, Params},
        validators::{Preconditions, movie_tag},
        wire::MovieBody,
    },
};

use crate::{
    filters,
    handlers::{
        PathId,
        covers::{read, upload},
    },
    wire::{CoverChange, IfMatchParam, MovieIdParam, MovieListParams, MoviePatch, NewMovie},
};

/// The error for a caller who is neither the owner of the movie nor an admin.
const NOT_YOURS: Error = Error::forbidden("Only the owner of this movie and admins can change or delete it.");

/// List movies
///
/// Returns all movies, or those that pass every filter. The movies are current. On AWS the order by release date comes from an
/// index and can be a moment behind.
///
/// The count is exact: of all movies, of one genre, of a director and of a year with up to several hundred movies, and of any
/// filters that find few. It is null where counting would have to read more.
///
/// A page can have fewer results than `limit`, or none, and still have `next`. This happens when filters are combined that few
/// movies pass together, and for ranges of many years by `id`.
#[utoipa::path(
    get,
    path = "/api/movies/",
    tag = "movies",
    params(MovieListParams, PageParams),
    responses(
        (status = 200, description = "A page of movies.", body = Collection<MovieBody>),
        BadRequest, Unauthenticated, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub(crate) async fn list_movies(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    origin: Origin,
    params: Params,
) -> Result<Collection<MovieBody>> {
    let (params, mut errors) = params.open();
    let ordering = params.get("ordering").unwrap_or("id");
    let order = errors.take("ordering", parse_order(ordering)).unwrap_or_default();
    let filters = filters::read(&params, &mut errors);
    let scope = format!("movies ordering={ordering}{}", filters.scope());
    let page = PageQuery::read_with(&state, params, DEFAULT_LIMIT, scope, errors).await?;
    let caller = caller.map(|caller| caller.id);
    let store = &state.store;
    let list = store.list_filtered(&filters, order, &page.window, page.limit, caller);
    let Listed { count, slice } = store.for_caller(caller, Box::pin(list)).await?;
    let slice = MovieBody::slice(slice, &origin);
    page.collection(&state, count, slice).await
}

/// Add a movie
///
/// The movie belongs to the caller, or to the user whom an admin names. With `favorite: true` it is also added to the
/// caller's favorites. It is listed, counted and searchable as soon as this request is answered.
///
/// A request that is sent twice adds two movies, unless it has an `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/api/movies/",
    tag = "movies",
    params(IdempotencyKeyParam),
    request_body = NewMovie,
    responses(
        (status = 201, description = "The new movie.", body = MovieBody, headers(
            ("location" = String, description = "The path of the movie."),
            ("idempotency-replayed" = bool, description = "True if an earlier request with the key added the movie.")
        )),
        BadRequest, Unauthenticated, Forbidden, Conflict, TooLarge, UnsupportedMediaType, KeyReused, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn create_movie(
    State(state): State<AppState>,
    caller: Caller,
    origin: Origin,
    MaybeKey(key): MaybeKey,
    form: FormWithFile<NewMovie>,
) -> Result<Response> {
    let mut new = read(&state, form).await?;
    let favorite = new.favorite.unwrap_or(false).then_some(caller.id);
    new.fields.cover_image = CoverChange::apply(new.cover.as_ref(), None, None, &origin)?;
    let added = match key {
        Some(key) => add_once(&state, &caller, &key, new, favorite).await?,
        None => {
            let owner = owner_of_new(&state, &caller, new.user).await?;
            upload_for_new(&state, &mut new).await?;
            Answered::first(state.store.create_movie(&new.fields, owner, favorite).await?)
        }
    };
    let location = format!("/api/movies/{}/", added.answer.movie.id);
    let location = [(header::LOCATION, location)];
    let movie = movie_response(added.answer, &origin)?;
    let response = (StatusCode::CREATED, location, movie).into_response();
    Ok(mark_replayed(response, added.is_replayed))
}

/// Get a movie
///
/// Returns one movie by its id.
#[utoipa::path(
    get,
    path = "/api/movies/{id}/",
    tag = "movies",
    params(MovieIdParam),
    responses(
        (status = 200, description = "The movie.", body = MovieBody),
        Unauthenticated, NotFound, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub(crate) async fn get_movie(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    PathId(id): PathId,
    origin: Origin,
    _: CheckedQuery,
) -> Result<Response> {
    let view = state.store.get_movie(id, caller.map(|c| c.id)).await?;
    movie_response(view.ok_or(NO_MOVIE)?, &origin)
}

/// Replace a movie
///
/// Every required field must be sent. An optional field that is left out keeps its value. Only the owner of the movie and
/// admins may do this.
#[utoipa::path(
    put,
    path = "/api/movies/{id}/",
    tag = "movies",
    params(MovieIdParam, IfMatchParam),
    request_body = NewMovie,
    responses(
        (status = 200, description = "The movie after the change.", body = MovieBody),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Stale, TooLarge, UnsupportedMediaType, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn replace_movie(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
    origin: Origin,
    preconditions: Preconditions,
    form: FormWithFile<NewMovie>,
) -> Result<Response> {
    let new = read(&state, form).await?;
    let decide = |seen: &EditView, uploaded: Option<&CoverImage>| {
        preconditions.check(&seen.view)?;
        let mut fields = new.fields.clone();
        if !new.has_imdb_id_field {
            fields.imdb_id.clone_from(&seen.view.movie.fields.imdb_id);
        }
        let old = seen.view.movie.fields.cover_image.as_ref();
        fields.cover_image = CoverChange::apply(new.cover.as_ref(), old, uploaded, &origin)?;
        edit(seen, fields, new.user, new.favorite)
    };
    let words = vocabulary_words(&new.fields);
    let image = CoverChange::image(new.cover.as_ref());
    let view = change(&state, &caller, edited(id, new.user), &words, image, decide).await?;
    movie_response(view, &origin)
}

/// Update a movie
///
/// Changes the fields that are sent. Only the owner of the movie and admins may do this.
#[utoipa::path(
    patch,
    path = "/api/movies/{id}/",
    tag = "movies",
    params(MovieIdParam, IfMatchParam),
    request_body = MoviePatch,
    responses(
        (status = 200, description = "The movie after the change.", body = MovieBody),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Stale, TooLarge, UnsupportedMediaType, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn update_movie(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
    origin: Origin,
    preconditions: Preconditions,
    form: FormWithFile<MoviePatch>,
) -> Result<Response> {
    let patch = read(&state, form).await?;
    let decide = |seen: &EditView, uploaded: Option<&CoverImage>| {
        preconditions.check(&seen.view)?;
        let mut fields = patch.apply(&seen.view.movie.fields)?;
        let old = seen.view.movie.fields.cover_image.as_ref();
        fields.cover_image = CoverChange::apply(patch.cover(), old, uploaded, &origin)?;
        edit(seen, fields, patch.user, patch.favorite)
    };
    let words = patch.vocabulary_words();
    let image = CoverChange::image(patch.cover());
    let view = change(&state, &caller, edited(id, patch.user), &words, image, decide).await?;
    movie_response(view, &origin)
}

/// Delete a movie
///
/// The movie also disappears from search, categories, favorites and counts. Only the owner of the movie and admins may do
/// this.
#[utoipa::path(
    delete,
    path = "/api/movies/{id}/",
    tag = "movies",
    params(MovieIdParam, IfMatchParam),
    responses(
        (status = 204, description = "The movie has been deleted."),
        Unauthenticated, Forbidden, NotFound, Stale, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn delete_movie(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
    preconditions: Preconditions,
    _: CheckedQuery,
) -> Result<StatusCode> {
    let decide = |seen: &EditView| {
        may_change(seen)?;
        preconditions.check(&seen.view)
    };
    state.store.delete_movie(id, caller.id, decide).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The movie that an edit is about.
pub(crate) struct Edited {
    pub(crate) id: MovieId,
    /// The user who is named as the owner.
    pub(crate) named: Option<UserId>,
    /// What was read already.
    pub(crate) seen: Option<EditView>,
}

/// Edits a movie. An image of the request is uploaded before, if the edit is allowed.
pub(crate) async fn change(
    state: &AppState,
    caller: &Caller,
    Edited { id, named, mut seen }: Edited,
    words: &BTreeSet<String>,
    image: Option<&Bytes>,
    decide: impl Fn(&EditView, Option<&CoverImage>) -> Result<Edit>,
) -> Result<MovieView> {
    let store = &state.store;
    let mut uploaded = None;
    if let Some(image) = image {
        let read = store.read_for_edit(id, caller.id, named).await?;
        may_change(&read)?;
        decide(&read, None)?;
        seen = Some(read);
        uploaded = Some(upload(state, image, Some(id)).await?);
    }
    let decide = |seen: &EditView| {
        may_change(seen)?;
        decide(seen, uploaded.as_ref())
    };
    store
        .edit_seen_movie(id, caller.id, named, words, seen, decide)
        .await
}

fn edited(id: MovieId, named: Option<UserId>) -> Edited {
    Edited {
        id,
        named,
        seen: None,
    }
}

/// Uploads the image of a movie that is about to be added, if the request has one.
async fn upload_for_new(state: &AppState, new: &mut NewMovie) -> Result<()> {
    if let Some(image) = CoverChange::image(new.cover.as_ref()) {
        new.fields.cover_image = Some(upload(state, image, None).await?);
    }
    Ok(())
}

/// Checks that the caller is the owner of the movie or an admin.
pub(crate) fn may_change(seen: &EditView) -> Result<()> {
    if seen.view.movie.user == Some(seen.caller.id) || seen.caller.role == Role::Admin {
        Ok(())
    } else {
        Err(NOT_YOURS)
    }
}

/// Returns the edit with these fields. Fails if `user` names another owner and the caller isn't an admin.
fn edit(seen: &EditView, fields: MovieFields, user: Option<UserId>, favorite: Option<bool>) -> Result<Edit> {
    let owner = seen.view.movie.user;
    let user = match user {
        None => owner,
        // Naming the current owner changes nothing and needs no permission.
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

/// Adds a movie, or returns the one that an earlier request with the same key added.
async fn add_once(
    state: &AppState,
    caller: &Caller,
    key: &IdempotencyKey,
    mut new: NewMovie,
    favorite: Option<UserId>,
) -> Result<Answered<MovieView>> {
    let store = &state.store;
    let owner = new.user.unwrap_or(caller.id);
    let image = CoverChange::image(new.cover.as_ref()).map(|image| &**image);
    let mut request =
        KeyedRequest::of_addition(caller.id, key, &new.fields, owner, favorite.is_some(), image)?;
    if owner != caller.id || image.is_some() {
        // A replay is answered even if the caller may no longer name this owner, and it uploads nothing.
        let before = store.movie_added_before(&new.fields, owner, favorite, &request);
        let (before, allowed) = tokio::join!(before, owner_of_new(state, caller, new.user));
        if let Some(view) = before? {
            return Ok(Answered::replayed(view));
        }
        allowed?;
        request = request.looked_up();
    }
    upload_for_new(state, &mut new).await?;
    store
        .create_movie_once(&new.fields, owner, favorite, &request)
        .await
}

/// Returns the owner of a new movie: the caller, or the user whom an admin names.
async fn owner_of_new(state: &AppState, caller: &Caller, named: Option<UserId>) -> Result<UserId> {
    let Some(named) = named.filter(|named| *named != caller.id) else {
        return Ok(caller.id);
    };
    let (caller_item, named_item) =
        tokio::try_join!(state.store.get_user(caller.id), state.store.get_user(named))?;
    let caller_item = existing(caller_item)?;
    may_name(caller_item.role, named, caller.id)?;
    named_item.map(|user| user.id).ok_or_else(no_user)
}

fn may_name(role: Role, named: UserId, caller: UserId) -> Result<()> {
    if named == caller || role == Role::Admin {
        Ok(())
    } else {
        Err(Error::forbidden("Only an admin may name another user."))
    }
}

fn no_user() -> Error {
    Error::invalid("user", "There is no user with this id.")
}

/// Returns the movie as the caller sees it, with its tag.
pub(crate) fn movie_response(view: MovieView, origin: &Origin) -> Result<Response> {
    let (id, version) = (view.movie.id, view.movie.version);
    let body = serde_json::to_vec(&MovieBody::new(view, origin))
        .map_err(|e| Error::internal(format!("a movie can't be serialized: {e}")))?;
    let tag = movie_tag(id, version, &body);
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let mut response = (json, body).into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

fn parse_order(text: &str) -> Result<MovieOrder, &'static str> {
    match text {
        "id" => Ok(MovieOrder::Id),
        "-id" => Ok(MovieOrder::IdDescending),
        "release_date" => Ok(MovieOrder::ReleaseDate),
        "-release_date" => Ok(MovieOrder::ReleaseDateDescending),
        _ => Err("Must be one of id, -id, release_date, -release_date."),
    }
}
