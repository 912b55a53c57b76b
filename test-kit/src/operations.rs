//! The list of operations: every operation of the OpenAPI document, with a sample request and the status that each kind of
//! caller gets.
//!
//! The document says what an operation's method, path and statuses are. [`SAMPLES`] says the rest. The authorization tests,
//! the fault tests, the log tests and `.ci/smoke` iterate over [`operations`], so a new operation needs one entry here. What
//! an operation may cost is in [`budgets`](crate::budgets).

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU32, Ordering},
};

use marquee_shared::domain::{CoverKey, SessionId};
use serde_json::{Value, json};

use crate::{
    PASSWORD,
    caller::{Call, Caller},
    movie,
};

/// The kinds of caller, in the order of [`Sample::expected`].
pub const CALLERS: [&str; 4] = ["anonymous", "member", "owner", "admin"];

/// What the OpenAPI document doesn't say about an operation.
#[derive(Debug)]
pub struct Sample {
    /// The operation's id.
    pub id: &'static str,
    /// The queries of the sample requests, each with its `?` or empty. One for each way in which the operation reads the
    /// table.
    pub queries: &'static [&'static str],
    /// What the sample requests have as their body.
    pub body: Body,
    /// The status that each of [`CALLERS`] gets. The owner is the movie's.
    pub expected: [u16; 4],
    /// Whether the operation reads the caller's access token.
    pub reads_token: bool,
}

/// The body of a sample request.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// No body.
    None,
    /// A new user.
    NewUser,
    /// A username and its password.
    Login,
    /// A refresh token.
    RefreshToken,
    /// An email.
    Email,
    /// A password reset token and a new password, which is the same as before.
    ResetToken,
    /// A whole movie.
    Movie,
    /// A movie's new title, without a favorite.
    Title,
    /// The caller's password, as the current and as the new one.
    NewPassword,
    /// An image.
    Image,
    /// Another email of the caller.
    NewEmail,
    /// The caller's password.
    CurrentPassword,
}

/// A sample whose only request has this body and no query.
const fn sample(id: &'static str, body: Body, expected: [u16; 4]) -> Sample {
    Sample {
        id,
        queries: &[""],
        body,
        expected,
        reads_token: true,
    }
}

/// A sample without a body whose requests have these queries.
const fn read(id: &'static str, queries: &'static [&'static str], expected: [u16; 4]) -> Sample {
    Sample {
        queries,
        ..sample(id, Body::None, expected)
    }
}

/// A sample of an operation that doesn't read the caller's access token.
const fn blind(id: &'static str) -> Sample {
    Sample {
        reads_token: false,
        ..sample(id, Body::None, [200; 4])
    }
}

/// The queries of `list_movies`, one for each access pattern and order.
const LISTS: &[&str] = &[
    "",
    "?ordering=-id",
    "?ordering=release_date",
    "?genre=horror",
    "?genre=horror&ordering=-release_date",
    "?imdb_id=tt0078748",
    "?genre=horror&genre=sci-fi&ordering=-release_date",
    "?director=ridley+scott",
    "?year=1979",
    "?released_from=1900-01-01",
    "?genre=horror&released_to=1999-12-31",
];

/// Every operation, in an order in which each request finds what the ones before it made: the user, the session, the movie.
#[rustfmt::skip]
pub const SAMPLES: [Sample; 35] = [
    sample("register_user",          Body::NewUser,      [201, 201, 201, 201]),
    sample("log_in",                 Body::Login,        [200, 200, 200, 200]),
    sample("refresh_session",        Body::RefreshToken, [200, 200, 200, 200]),
    sample("create_movie",           Body::Movie,        [401, 201, 201, 201]),
    sample("get_movie",              Body::None,         [200, 200, 200, 200]),
    read(  "list_movies",            LISTS,              [200, 200, 200, 200]),
    read(  "search_movies",          &["?q=alien"],      [200, 200, 200, 200]),
    sample("list_categories",        Body::None,         [200, 200, 200, 200]),
    sample("list_most_liked_movies", Body::None,         [200, 200, 200, 200]),
    sample("list_newest_movies",     Body::None,         [200, 200, 200, 200]),
    sample("list_my_favorites",      Body::None,         [401, 200, 200, 200]),
    sample("list_my_movies",         Body::None,         [401, 200, 200, 200]),
    sample("get_me",                 Body::None,         [401, 200, 200, 200]),
    sample("list_users",             Body::None,         [401, 200, 200, 200]),
    sample("update_me",              Body::NewEmail,     [401, 200, 200, 200]),
    sample("change_password",        Body::NewPassword,  [401, 204, 204, 204]),
    sample("list_sessions",          Body::None,         [401, 200, 200, 200]),
    sample("end_other_sessions",     Body::None,         [401, 204, 204, 204]),
    sample("toggle_favorite",        Body::None,         [401, 200, 200, 200]),
    sample("remove_favorite",        Body::None,         [401, 200, 200, 200]),
    sample("add_favorite",           Body::None,         [401, 200, 200, 200]),
    sample("update_movie",           Body::Title,        [401, 403, 200, 200]),
    sample("replace_movie",          Body::Movie,        [401, 403, 200, 200]),
    sample("set_cover",              Body::Image,        [401, 403, 200, 200]),
    sample("delete_cover",           Body::None,         [401, 403, 204, 204]),
    sample("delete_movie",           Body::None,         [401, 403, 204, 204]),
    sample("end_session",            Body::None,         [401, 204, 204, 204]),
    sample("log_out",                Body::RefreshToken, [204, 204, 204, 204]),
    sample("request_password_reset", Body::Email,        [202, 202, 202, 202]),
    sample("confirm_password_reset", Body::ResetToken,   [204, 204, 204, 204]),
    // The last one: the caller is gone.
    sample("delete_me",              Body::CurrentPassword, [401, 204, 204, 204]),
    // No cover has this name.
    Sample { expected: [404; 4], ..blind("get_cover") },
    blind( "get_jwks"),
    blind( "get_openapi"),
    blind( "get_health"),
];

/// A session's id that no session has.
pub const NO_SESSION: &str = "00000000000000000000000000000000";

/// A cover's name that no cover has.
pub const NO_COVER: &str = "00000000000000000000000000000000.png";

/// A PNG of 2 by 3 pixels.
pub const IMAGE: &[u8] = include_bytes!("image.png");

/// A documented path with these ids.
#[must_use]
pub fn with_ids(path: &str, movie: &str, session: &str) -> String {
    path.replace("{id}", movie)
        .replace("{session}", session)
        .replace("{name}", NO_COVER)
}

/// What sample requests are about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The id of the movie.
    pub movie: String,
    /// The username that signs in.
    pub username: String,
    /// The username that is registered.
    pub new_username: String,
    /// The refresh token of the session that is refreshed or ended.
    pub refresh: String,
    /// The token by which a password is reset.
    pub reset: String,
}

impl Subject {
    /// This movie, and this user's name and session. The username that is registered is a new one each time.
    #[must_use]
    pub fn of(movie: &Value, user: &Caller) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            movie: movie.to_string(),
            username: user.username.clone(),
            new_username: format!("new-{}-{n}", user.username),
            refresh: user.refresh.clone(),
            reset: user.reset.clone(),
        }
    }
}

impl Sample {
    /// The body of a sample request about this subject.
    #[must_use]
    pub fn body(&self, subject: &Subject) -> Option<Value> {
        match self.body {
            Body::None | Body::Image => None,
            Body::NewUser => Some(json!({
                "username": subject.new_username,
                "email": format!("{}@example.com", subject.new_username),
                "password": PASSWORD,
            })),
            Body::Login => Some(json!({"username": subject.username, "password": PASSWORD})),
            Body::RefreshToken => Some(json!({"refresh": subject.refresh})),
            Body::Email => Some(json!({"email": format!("{}@example.com", subject.username)})),
            Body::ResetToken => Some(json!({"token": subject.reset, "password": PASSWORD})),
            Body::Movie => Some(sample_movie()),
            Body::Title => Some(json!({"title": "Aliens", "favorite": false})),
            Body::NewPassword => Some(json!({"current_password": PASSWORD, "new_password": PASSWORD})),
            Body::CurrentPassword => Some(json!({"current_password": PASSWORD})),
            Body::NewEmail => Some(json!({
                "email": format!("{}@example.org", subject.new_username),
                "current_password": PASSWORD,
            })),
        }
    }
}

/// The movie of the sample requests.
#[must_use]
pub fn sample_movie() -> Value {
    movie("Alien", "Ridley Scott", "Horror, Sci-Fi", "1979-05-25")
}

/// A documented operation.
#[derive(Debug)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// Its method, in upper case.
    pub method: String,
    /// Its path, with `{id}` for a movie's id, `{session}` for a session's and `{name}` for a cover's name.
    pub path: String,
    /// The statuses that the document names.
    pub statuses: BTreeSet<u16>,
    /// Whether it needs no token.
    pub is_public: bool,
    /// What the document doesn't say.
    pub sample: &'static Sample,
}

impl Operation {
    /// Whether a request with this method and path reaches this operation, with the trailing slash or without it.
    #[must_use]
    pub fn takes(&self, method: &str, path: &str) -> bool {
        let segments = |path: &str| -> Vec<String> {
            let path = path.strip_suffix('/').unwrap_or(path);
            path.split('/').map(str::to_owned).collect()
        };
        let (own, asked) = (segments(&self.path), segments(path));
        let alike = |own: &str, asked: &str| match own {
            "{id}" => asked.parse::<u64>().is_ok(),
            "{name}" => CoverKey::parse(asked).is_some(),
            "{session}" => SessionId::parse(asked).is_some() || asked == "SESSION_ID",
            _ => own == asked,
        };
        self.method == method
            && own.len() == asked.len()
            && own.iter().zip(&asked).all(|(own, asked)| alike(own, asked))
    }

    /// Its path with these ids.
    #[must_use]
    pub fn path_of(&self, movie: &str, session: &str) -> String {
        with_ids(&self.path, movie, session)
    }

    /// Its path as documented, and the other spelling.
    #[must_use]
    pub fn spellings(&self) -> [String; 2] {
        match self.path.strip_suffix('/') {
            Some(plain) => [self.path.clone(), plain.to_owned()],
            None => [self.path.clone(), format!("{}/", self.path)],
        }
    }

    /// The first sample request, which the operation accepts from whoever may make it.
    ///
    /// `caller` makes it, and it is about `movie_id` and about the name and session of `user`.
    #[must_use]
    pub fn request(&self, caller: &Caller, movie_id: &Value, user: &Caller) -> Call {
        let subject = Subject::of(movie_id, user);
        self.call(
            caller,
            &subject,
            self.sample.queries[0],
            self.sample.body(&subject),
        )
    }

    /// Every sample request, each with its query, likewise.
    #[must_use]
    pub fn requests(&self, caller: &Caller, movie_id: &Value, user: &Caller) -> Vec<(&'static str, Call)> {
        let requests = self.sample.queries.iter().map(|query| {
            let subject = Subject::of(movie_id, user);
            let body = self.sample.body(&subject);
            (*query, self.call(caller, &subject, query, body))
        });
        requests.collect()
    }

    /// A request of this operation with this query and body.
    #[must_use]
    pub fn call(&self, caller: &Caller, subject: &Subject, query: &str, body: Option<Value>) -> Call {
        let session = caller.session().unwrap_or_else(|| NO_SESSION.to_owned());
        let path = self.path_of(&subject.movie, &session);
        let call = caller.call(self.method.parse().unwrap(), &format!("{path}{query}"));
        match (body, self.sample.body) {
            (Some(body), _) => call.json(&body),
            (None, Body::Image) => call.body("image/png", IMAGE),
            (None, _) => call,
        }
    }
}

/// Every operation of the OpenAPI document, in the order of [`SAMPLES`].
///
/// # Panics
/// Panics if a documented operation has no sample.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(marquee::openapi::document().unwrap()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else {
                continue;
            };
            let place = SAMPLES.iter().position(|sample| sample.id == id);
            let place =
                place.unwrap_or_else(|| panic!("{id} has no sample request in test-kit/src/operations.rs"));
            let statuses = operation["responses"].as_object().unwrap().keys();
            let security = operation["security"].as_array();
            let operation = Operation {
                id: id.to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                statuses: statuses.map(|status| status.parse().unwrap()).collect(),
                is_public: security.is_none_or(|schemes| schemes.is_empty() || schemes.contains(&json!({}))),
                sample: &SAMPLES[place],
            };
            operations.push((place, operation));
        }
    }
    operations.sort_by_key(|(place, _)| *place);
    operations.into_iter().map(|(_, operation)| operation).collect()
}

/// The operation with this id.
///
/// # Panics
/// Panics if the document has none.
#[must_use]
pub fn operation(id: &str) -> Operation {
    let found = operations().into_iter().find(|operation| operation.id == id);
    found.unwrap_or_else(|| panic!("the OpenAPI document has no operation {id}"))
}
