//! The measured operations, and the server and the catalog from which their events are made.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};
use marquee::{
    gateway::{Arrival, Host, event_for, raw_path},
    server::{Catalog, Place, TEMPLATE},
    template::Template,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_kit::{PASSWORD, TestApp};
use time::OffsetDateTime;

use super::table::Recording;
use crate::{
    programs::CALLS,
    runtime::{Failure, event_of},
};

/// The number of movies: enough to fill every list and for common words to be common.
const MOVIES: usize = 2_000;

/// The number of users: more than fit on a page.
const USERS: usize = 21;

/// The number of the caller's favorites: more than fit on a page.
const FAVORITES: usize = 21;

/// The lifetime of an access token: longer than a run of the benchmark.
const ACCESS_SECONDS: i64 = 24 * 60 * 60;

/// One measured operation.
pub struct Operation {
    /// The name in the tables.
    pub name: &'static str,
    /// The function that answers it.
    pub function: &'static str,
    /// The event that API Gateway sends for it.
    pub event: Value,
    /// The expected status of the response.
    pub status: u16,
    /// Whether it hashes a password. Hashing is slow on purpose, and takes far longer than everything else.
    pub hashes: bool,
    /// The number of parallel calls to the table in each of its rounds.
    pub calls: &'static [usize],
}

impl Operation {
    /// Returns the request with which a bare function makes the recorded calls in the same rounds.
    #[must_use]
    pub fn bare(&self, recording: &Recording) -> Self {
        let mut made = recording.operations();
        let mut rounds = Vec::with_capacity(self.calls.len());
        for calls in self.calls {
            rounds.push(made.by_ref().take(*calls).collect::<Vec<_>>().join(","));
        }
        Self {
            name: "a bare function with the same calls",
            function: CALLS,
            event: event_of("GET", &format!("/?calls={}", rounds.join("-")), &[]),
            status: 200,
            hashes: false,
            calls: self.calls,
        }
    }
}

/// A server with movies and users.
pub struct Fixture {
    app: TestApp,
    directory: TempDir,
}

/// A signed-in user.
struct User {
    access: String,
    refresh: String,
}

impl Fixture {
    /// Starts the server, adds the movies and the users, and returns the operations as the first user sends them.
    ///
    /// # Errors
    /// Returns an error if the server can't be started, or a request fails.
    pub async fn start() -> Result<(Self, Vec<Operation>), Failure> {
        let directory = tempfile::tempdir()?;
        let movie = directory.path().join("movies.csv");
        write_movies(&movie)?;
        let data = directory.path().to_owned();
        let builder = TestApp::builder().endpoint(None).configure(|options| {
            options.place = Place::Data(data);
            options.catalog = Catalog::File(movie);
            options.config.tokens.access_seconds = ACCESS_SECONDS;
        });
        let app = builder.start().await;
        let fixture = Self { app, directory };
        let operations = fixture.fill().await?;
        Ok((fixture, operations))
    }

    /// Returns the URL of the engine.
    ///
    /// # Errors
    /// Returns an error if the engine has no endpoint.
    pub fn engine(&self) -> Result<&str, Failure> {
        let endpoint = self.app.running.dynamodb.as_deref();
        Ok(endpoint.ok_or("the engine has no endpoint")?)
    }

    /// Returns the path of the file with the secrets of the auth function.
    pub fn secrets(&self) -> PathBuf {
        self.directory.path().join("secrets.json")
    }

    /// Stops the server and its engine.
    pub async fn stop(self) {
        self.app.close().await;
    }

    /// Registers the users, adds favorites and a movie of the first user, and returns the operations as that user sends them.
    async fn fill(&self) -> Result<Vec<Operation>, Failure> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = |path: &str| format!("{}{path}", self.app.base);
        let mut users = Vec::with_capacity(USERS);
        for n in 0..USERS {
            let name = format!("measured{n:02}");
            let user = json!({
                "username": name, "email": format!("{name}@example.com"), "password": PASSWORD,
            });
            let answer = client.post(url("/api/auth/register/")).json(&user).send().await?;
            let answer: Value = answer.error_for_status()?.json().await?;
            let token = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
            users.push(User {
                access: token("access"),
                refresh: token("refresh"),
            });
        }
        let user = users.into_iter().next().ok_or("no user")?;
        for id in 1..=FAVORITES {
            let favorite = client.put(url(&format!("/api/movies/{id}/favorite/")));
            favorite
                .bearer_auth(&user.access)
                .send()
                .await?
                .error_for_status()?;
        }
        let add = client.post(url("/api/movies/")).json(&movie());
        let answer = add.bearer_auth(&user.access).send().await?.error_for_status()?;
        let own: Value = answer.json().await?;
        operations(&user, &own["id"])
    }
}

/// Writes the first movies of the demonstration catalog to a file.
fn write_movies(file: &std::path::Path) -> Result<(), Failure> {
    let all = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/movies.csv");
    let mut reader = csv::Reader::from_path(all)?;
    let mut writer = csv::Writer::from_path(file)?;
    writer.write_byte_record(reader.byte_headers()?)?;
    for row in reader.byte_records().take(MOVIES) {
        writer.write_byte_record(&row?)?;
    }
    writer.flush()?;
    Ok(())
}

/// A movie of ten postings and two genres.
fn movie() -> Value {
    json!({
        "title": "The Long Measured Goodbye",
        "description": "A movie about a movie that is added over and over again, until somebody stops counting.",
        "release_date": "2001-02-03",
        "director": "Ada Counter",
        "genre": "Drama, Sci-Fi",
    })
}

/// Returns every measured operation. `own` is the id of a movie that the user owns.
fn operations(user: &User, own: &Value) -> Result<Vec<Operation>, Failure> {
    let events = Events {
        template: Template::parse(TEMPLATE)?,
        user,
    };
    let own = format!("/api/movies/{own}/");
    let title = json!({"title": "The Short Measured Hello"});
    let refresh = json!({"refresh": user.refresh});
    let login = json!({"username": "measured00", "password": PASSWORD});
    let (get, post) = (Method::GET, Method::POST);
    let anonymous = |name, path, calls| events.operation(name, &get, path, calls, false, None);
    let signed_in = |name, path, calls| events.operation(name, &get, path, calls, true, None);
    let bare = |name, function, calls| {
        Ok::<_, Failure>(Operation {
            name,
            function,
            ..anonymous("", "/", calls)?
        })
    };
    Ok(vec![
        bare("a bare function", "hello", &[])?,
        bare("a bare function, GetItem", "hello-table", &[1])?,
        anonymous("get a movie", "/api/movies/1000/", &[1])?,
        signed_in("get a movie, signed in", "/api/movies/1000/", &[1])?,
        anonymous("20 movies by id", "/api/movies/?limit=20", &[2])?,
        signed_in("20 movies by id, signed in", "/api/movies/?limit=20", &[3, 1])?,
        anonymous("newest 5", "/api/movies/newest/", &[1, 1])?,
        anonymous("most liked 10", "/api/movies/most-liked/", &[2, 1])?,
        anonymous("categories", "/api/movies/categories/", &[2, 1])?,
        anonymous("search, a rare word", "/api/movies/search/?q=contraband", &[4, 1])?,
        anonymous("search, a common word", "/api/movies/search/?q=the", &[4, 1])?,
        events.operation(
            "add a favorite",
            &post,
            "/api/movies/1500/favorite/",
            &[1, 1],
            true,
            None,
        )?,
        events.operation("create", &post, "/api/movies/", &[3, 1], true, Some(&movie()))?,
        events.operation(
            "update the title",
            &Method::PATCH,
            &own,
            &[1, 1],
            true,
            Some(&title),
        )?,
        signed_in("me", "/api/users/me/", &[1])?,
        signed_in("20 users", "/api/users/?limit=20", &[3])?,
        signed_in("20 of my favorites", "/api/users/me/favorites/?limit=20", &[2, 1])?,
        events.operation(
            "refresh",
            &post,
            "/api/auth/refresh/",
            &[2],
            false,
            Some(&refresh),
        )?,
        Operation {
            hashes: true,
            ..events.operation(
                "login",
                &post,
                "/api/auth/login/",
                &[3, 2, 4],
                false,
                Some(&login),
            )?
        },
    ])
}

/// Makes the events that API Gateway sends, from the template's routes.
struct Events<'a> {
    template: Template,
    user: &'a User,
}

impl Events<'_> {
    fn operation(
        &self,
        name: &'static str,
        method: &Method,
        target: &str,
        calls: &'static [usize],
        signed_in: bool,
        body: Option<&Value>,
    ) -> Result<Operation, Failure> {
        let uri: Uri = target.parse()?;
        let found = self.template.routes.resolve(method, &raw_path(&uri));
        let found = found.ok_or_else(|| format!("the template has no route to {target}"))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("curl/8.14.1"));
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if signed_in {
            let bearer = format!("Bearer {}", self.user.access);
            headers.insert(header::AUTHORIZATION, bearer.parse()?);
        }
        let arrival = Arrival {
            method,
            uri: &uri,
            version: Version::HTTP_11,
            headers: &headers,
            body: body.as_bytes(),
            host: &Host::parse("a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com")
                .map_err(|e| e.to_string())?,
            source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            request_id: "7qKp3TZMh4gnwNk=",
            time: OffsetDateTime::UNIX_EPOCH,
        };
        let created = *method == Method::POST && target == "/api/movies/";
        Ok(Operation {
            name,
            function: function_named(&found.route.function),
            event: event_for(&arrival, &found),
            status: if created { 201 } else { 200 },
            hashes: false,
            calls,
        })
    }
}

/// The measured functions.
pub const FUNCTIONS: [&str; 3] = ["auth", "movies", "users"];

/// Returns the name of the function of a route. The bare functions get the event of `/`, which is a route of `docs`.
fn function_named(name: &str) -> &'static str {
    let found = FUNCTIONS.into_iter().find(|function| *function == name);
    found.unwrap_or("docs")
}
