//! Extractors for the caller: who is signed in.

use axum::{
    extract::{FromRef, FromRequestParts},
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header, request::Parts};

use crate::{
    auth::token,
    db::Store,
    domain::{SessionId, UserId},
    error::{Error, Result},
    state::AppState,
    telemetry::request::{note_user, unchecked_user},
};

/// A signed-in user. Rejects with `401` if nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's id.
    pub id: UserId,
    /// The session in which the access token was issued. `None` for a token of an earlier version.
    session: Option<SessionId>,
}

impl Caller {
    /// The session in which the access token was issued. It may have ended since.
    ///
    /// # Errors
    /// [`Error::TokenExpired`] for a token of an earlier version, which names none. The client then refreshes it, and the new
    /// one names its session.
    pub fn session(&self) -> Result<SessionId> {
        self.session.ok_or(Error::TokenExpired)
    }
}

/// A signed-in user, or nobody. Rejects with `401` for invalid credentials, on a public route too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaybeCaller(pub Option<Caller>);

/// No credentials, or an access token of ours that has expired, or one that is valid and of a user who exists. The auth endpoints
/// require this: a client may attach the expired access token to the call that refreshes it.
#[derive(Clone, Copy, Debug)]
pub struct RejectInvalidToken;

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let MaybeCaller(caller) = MaybeCaller::from_request_parts(parts, state).await?;
        caller.ok_or(Error::unauthenticated(
            "Sign in: send an access token as `Authorization: Bearer …`.",
        ))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MaybeCaller
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Some(token) = bearer_token(parts)? else {
            return Ok(Self(None));
        };
        let verified = token::verify(&AppState::from_ref(state), token).await?;
        note_user(verified.user);
        Ok(Self(Some(Caller {
            id: verified.user,
            session: verified.session,
        })))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RejectInvalidToken
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match MaybeCaller::from_request_parts(parts, state).await {
            Ok(MaybeCaller(Some(caller))) => {
                AppState::from_ref(state).store.check_user(caller.id).await?;
                Ok(Self)
            }
            Ok(MaybeCaller(None)) | Err(Error::TokenExpired) => Ok(Self),
            Err(error) => Err(error),
        }
    }
}

/// Returns the response to the current request, or `401` if it was refused for another reason and its user doesn't exist any more.
/// A request that is carried out reads the user in any case. One that is refused may not have: then this costs a call and a unit.
pub async fn of_existing_user(store: &Store, response: Response) -> Response {
    let is_refused = response.status().is_client_error() && response.status() != StatusCode::UNAUTHORIZED;
    let Some(user) = unchecked_user().filter(|_| is_refused) else {
        return response;
    };
    match store.check_user(user).await {
        Err(error @ Error::InvalidToken(_)) => error.into_response(),
        // The refusal is right whether the user exists or not.
        Ok(()) | Err(_) => response,
    }
}

/// Returns the token of `Authorization: Bearer <token>` (RFC 6750 §2.1), or `None` without that header. The scheme is
/// case-insensitive (RFC 9110 §11.1).
fn bearer_token(parts: &Parts) -> Result<Option<&str>> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Some(token.trim_start_matches(' ')))
        .ok_or(Error::unauthenticated(
            "Credentials must be sent as `Authorization: Bearer …`.",
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(authorization: Option<&str>) -> Parts {
        let mut request = http::Request::builder();
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        assert_eq!(bearer_token(&parts(None)).unwrap(), None);
        for header in ["Bearer abc", "bearer abc", "BEARER   abc"] {
            assert_eq!(
                bearer_token(&parts(Some(header))).unwrap(),
                Some("abc"),
                "{header}"
            );
        }
        for header in ["", "Bearer", "Basic abc", "abc", "Token abc"] {
            assert!(bearer_token(&parts(Some(header))).is_err(), "{header}");
        }
    }
}
