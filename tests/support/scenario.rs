//! The story that the events of `events/` tell, in order, from an empty table on.

use url::Url;

use super::{
    Answer,
    event::{self, ACCESS_TOKEN, CURSOR, Event, REFRESH_TOKEN},
};

/// Every event, once, and the status of its answer. Whoever signed in last is who calls.
#[rustfmt::skip]
pub const STORY: &[(&str, u16)] = &[
    // Nothing is there yet, and everything is described.
    ("movies/list_movies",                  200),
    ("docs/get_openapi",                    200),
    ("docs/get_openapi_slash",              200),
    ("docs/head_openapi",                   200),
    ("docs/unknown_path",                   404),
    ("docs/unknown_path_no_slash",          404),
    ("docs/root",                           404),
    ("auth/get_jwks",                       200),
    ("auth/get_jwks_slash",                 200),
    // Dallas, then Ripley.
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
    // Movies 1 to 5, in every way to send one.
    ("movies/create_movie_anonymous",       401),
    ("movies/create_movie",                 201),
    ("movies/create_movie_no_slash",        201),
    ("movies/create_movie_form",            201),
    ("movies/create_movie_multipart",       201),
    ("movies/create_movie_base64",          201),
    ("movies/create_movie_cover_file",      400),
    ("movies/create_movie_invalid",         400),
    ("movies/create_movie_text",            415),
    ("movies/get_movie",                    200),
    ("movies/get_movie_no_slash",           200),
    ("movies/head_movie",                   200),
    ("movies/replace_movie",                200),
    ("movies/replace_movie_no_slash",       200),
    ("movies/update_movie",                 200),
    ("movies/update_movie_no_slash",        200),
    ("movies/update_movie_stale",           412),
    // On, off; on and still on; off; on.
    ("movies/preflight",                    200),
    ("movies/toggle_favorite",              200),
    ("movies/toggle_favorite_no_slash",     200),
    ("movies/add_favorite",                 200),
    ("movies/add_favorite_no_slash",        200),
    ("movies/remove_favorite",              200),
    ("movies/remove_favorite_no_slash",     200),
    // What people open.
    ("movies/list_movies_no_slash",         200),
    ("movies/list_movies_page",             200),
    ("movies/list_movies_next_page",        200),
    ("movies/search_movies",                200),
    ("movies/search_movies_no_slash",       200),
    ("movies/list_categories",              200),
    ("movies/list_categories_no_slash",     200),
    ("movies/list_most_liked_movies",       200),
    ("movies/list_most_liked_movies_no_slash", 200),
    ("movies/list_newest_movies",           200),
    ("movies/list_newest_movies_no_slash",  200),
    ("users/list_my_favorites",             200),
    ("users/list_my_favorites_no_slash",    200),
    // Dallas may not change what is Ripley's.
    ("auth/log_out",                        204),
    ("auth/log_in_no_slash",                200),
    ("movies/update_movie_not_owner",       403),
    ("auth/log_in_base64",                  200),
    ("movies/method_not_allowed",           405),
    ("movies/delete_movie",                 204),
    ("movies/delete_movie_no_slash",        204),
    ("movies/get_movie_gone",               404),
    ("auth/log_out_no_slash",               204),
    ("auth/refresh_session_ended",          401),
];

/// What answers gave, and later events need.
#[derive(Default)]
pub struct Kept {
    access: Option<String>,
    refresh: Option<String>,
    cursor: Option<String>,
}

impl Kept {
    /// The event with what it stands for in place of its placeholders.
    pub fn fill(&self, mut event: Event) -> Event {
        for (placeholder, value) in [
            (ACCESS_TOKEN, &self.access),
            (REFRESH_TOKEN, &self.refresh),
            (CURSOR, &self.cursor),
        ] {
            if let Some(value) = value {
                event = event.with(placeholder, value);
            }
        }
        event
    }

    /// Keeps an answer's tokens and cursor.
    pub fn keep(&mut self, answer: &Answer) {
        let text = |name: &str| answer.body[name].as_str().map(str::to_owned);
        let next = text("next").and_then(|next| Url::parse(&next).ok());
        let cursor = next.as_ref().and_then(cursor_of);
        for (kept, given) in [
            (&mut self.access, text("access")),
            (&mut self.refresh, text("refresh")),
            (&mut self.cursor, cursor),
        ] {
            *kept = given.or(kept.take());
        }
    }
}

/// The `cursor` in a URL's query.
pub fn cursor_of(url: &Url) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(name, _)| name == "cursor")
        .map(|(_, cursor)| cursor.into_owned())
}

/// The story's events as they are sent.
pub fn events() -> impl Iterator<Item = (&'static str, u16, Event)> {
    STORY
        .iter()
        .map(|(name, status)| (*name, *status, event::read(name)))
}
