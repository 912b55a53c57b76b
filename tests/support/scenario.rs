//! The scenario: all events of `events/` in the order in which they are sent, beginning with an empty table.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::Url;

use super::{
    Answer,
    event::{self, ACCESS_TOKEN, CURSOR, Event, REFRESH_TOKEN, SESSION_ID},
};

/// Every event, once, and the status of its answer. The caller is the user who signed in last.
#[rustfmt::skip]
pub const SCENARIO: &[(&str, u16)] = &[
    // The table is empty.
    ("movies/list_movies",                  200),
    ("docs/get_openapi",                    200),
    ("docs/get_openapi_slash",              200),
    ("docs/head_openapi",                   200),
    ("docs/unknown_path",                   404),
    ("docs/unknown_path_no_slash",          404),
    ("docs/root",                           200),
    ("docs/get_health",                     200),
    ("docs/get_health_no_slash",            200),
    ("auth/get_jwks",                       200),
    ("auth/get_jwks_slash",                 200),
    // Dallas registers, then Ripley.
    ("auth/register_user_no_slash",         201),
    ("auth/register_user",                  201),
    ("auth/register_user_taken",            409),
    ("auth/log_in_wrong_password",          401),
    ("auth/log_in",                         200),
    ("auth/refresh_session",                200),
    ("auth/refresh_session_no_slash",       200),
    ("auth/refresh_session_form",           200),
    ("users/get_me",                        200),
    ("users/get_me_no_slash",               200),
    ("users/get_me_cookies",                401),
    ("users/list_users",                    200),
    ("users/list_users_no_slash",           200),
    ("users/list_sessions",                 200),
    ("users/list_sessions_no_slash",        200),
    ("users/end_other_sessions",            204),
    ("users/end_other_sessions_no_slash",   204),
    ("users/end_session_unknown",           404),
    // The same names and the same password: later events sign in with them.
    ("users/update_me",                     200),
    ("users/update_me_no_slash",            200),
    ("users/update_me_wrong_password",      400),
    ("users/change_password",               204),
    ("users/change_password_no_slash",      204),
    // Movies 1 to 5, with a body in every form.
    ("movies/create_movie_anonymous",       401),
    ("movies/create_movie",                 201),
    ("movies/create_movie_no_slash",        201),
    ("movies/create_movie_form",            201),
    ("movies/create_movie_multipart",       201),
    ("movies/create_movie_base64",          201),
    ("movies/create_movie_cover_file",      400),
    ("movies/create_movie_invalid",         400),
    ("movies/create_movie_text",            415),
    // Movie 6, with a key.
    ("movies/create_movie_with_key",        201),
    ("movies/create_movie_again_with_its_key", 201),
    ("movies/create_movie_with_used_key",   422),
    ("movies/create_movie_with_malformed_key", 400),
    // No movie 99, and movie 4 has no cover. What uploads an image needs the covers function and its bucket.
    ("movies/set_cover",                    404),
    ("movies/set_cover_no_slash",           404),
    ("movies/delete_cover",                 204),
    ("movies/delete_cover_no_slash",        204),
    ("covers/get_cover",                    404),
    ("covers/get_cover_no_slash",           404),
    ("movies/get_movie",                    200),
    ("movies/get_movie_no_slash",           200),
    ("movies/head_movie",                   200),
    ("movies/replace_movie",                200),
    ("movies/replace_movie_no_slash",       200),
    ("movies/update_movie",                 200),
    ("movies/update_movie_no_slash",        200),
    ("movies/update_movie_stale",           412),
    // Toggled twice; added twice; removed twice.
    ("movies/preflight",                    200),
    ("movies/toggle_favorite",              200),
    ("movies/toggle_favorite_no_slash",     200),
    ("movies/toggle_favorite_with_key",     200),
    ("movies/toggle_favorite_again_with_its_key", 200),
    ("movies/add_favorite",                 200),
    ("movies/add_favorite_no_slash",        200),
    ("movies/remove_favorite",              200),
    ("movies/remove_favorite_no_slash",     200),
    // Lists and searches.
    ("movies/list_movies_no_slash",         200),
    ("movies/list_movies_page",             200),
    ("movies/list_movies_next_page",        200),
    ("movies/list_movies_filtered",         200),
    ("movies/search_movies",                200),
    ("movies/search_movies_no_slash",       200),
    ("movies/list_categories",              200),
    ("movies/list_categories_no_slash",     200),
    ("movies/list_most_liked_movies",       200),
    ("movies/list_most_liked_movies_no_slash", 200),
    ("movies/list_newest_movies",           200),
    ("movies/list_newest_movies_no_slash",  200),
    ("users/list_my_movies",                200),
    ("users/list_my_movies_no_slash",       200),
    ("users/list_my_favorites",             200),
    ("users/list_my_favorites_no_slash",    200),
    // Dallas may not edit Ripley's movie.
    ("auth/log_out",                        204),
    ("auth/log_in_no_slash",                200),
    ("movies/update_movie_not_owner",       403),
    ("users/end_session_no_slash",          204),
    ("auth/log_in_base64",                  200),
    ("movies/method_not_allowed",           405),
    ("movies/delete_movie",                 204),
    ("movies/delete_movie_no_slash",        204),
    ("movies/get_movie_gone",               404),
    ("users/end_session",                   204),
    ("auth/log_out_no_slash",               204),
    ("auth/refresh_session_ended",          401),
    // A token of no mail.
    ("auth/request_password_reset",         202),
    ("auth/request_password_reset_no_slash", 202),
    ("auth/confirm_password_reset",         400),
    ("auth/confirm_password_reset_no_slash", 400),
    // Two users delete their accounts.
    ("users/delete_me_wrong_password",      400),
    ("users/delete_me",                     204),
    ("users/get_me_deleted",                401),
    ("auth/register_user_next",             201),
    ("users/delete_me_no_slash",            204),
];

/// The tokens, the session and the cursor of earlier answers, which later events need.
#[derive(Default)]
pub struct Kept {
    access: Option<String>,
    refresh: Option<String>,
    cursor: Option<String>,
    session: Option<String>,
}

impl Kept {
    /// The event with these values instead of its placeholders.
    pub fn fill(&self, mut event: Event) -> Event {
        for (placeholder, value) in [
            (ACCESS_TOKEN, &self.access),
            (REFRESH_TOKEN, &self.refresh),
            (CURSOR, &self.cursor),
            (SESSION_ID, &self.session),
        ] {
            if let Some(value) = value {
                event = event.with(placeholder, value);
            }
        }
        event
    }

    /// Keeps the tokens, their session and the cursor of an answer.
    pub fn keep(&mut self, answer: &Answer) {
        let text = |name: &str| answer.body[name].as_str().map(str::to_owned);
        let next = text("next").and_then(|next| Url::parse(&next).ok());
        let cursor = next.as_ref().and_then(cursor_of);
        let session = text("access").and_then(|access| session_of(&access));
        for (kept, new) in [
            (&mut self.access, text("access")),
            (&mut self.refresh, text("refresh")),
            (&mut self.cursor, cursor),
            (&mut self.session, session),
        ] {
            *kept = new.or(kept.take());
        }
    }
}

/// The `cursor` parameter of a URL.
pub fn cursor_of(url: &Url) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(name, _)| name == "cursor")
        .map(|(_, cursor)| cursor.into_owned())
}

/// The events of the scenario with their names and statuses.
pub fn events() -> impl Iterator<Item = (&'static str, u16, Event)> {
    SCENARIO
        .iter()
        .map(|(name, status)| (*name, *status, event::read(name)))
}

/// The session of an access token.
fn session_of(access: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(access.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    claims["sid"].as_str().map(str::to_owned)
}
