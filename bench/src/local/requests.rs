//! The requests of each operation.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    connection::{Connection, Request},
    server::Server,
};
use crate::runtime::Failure;

/// The demonstration catalog.
pub(crate) const DEMONSTRATION: &str = include_str!("../../../data/movies.csv");

/// Scatters ranks over ids. It is prime and larger than any catalog.
pub(crate) const STRIDE: u64 = 1_000_003;

/// How many different requests a connection has. It repeats them.
const DIFFERENT: u64 = 1_000;

/// How many pages of the list there are.
const PAGES: usize = 50;

/// What people search for: titles, names and genres, common words and rare ones, whole words and beginnings of words.
pub(crate) const SEARCHES: [&str; 20] = [
    "godfather",
    "star wars",
    "the man",
    "love",
    "hitchcock",
    "john ford western",
    "the good the bad and the ugly",
    "dark knight",
    "drama",
    "casablanca",
    "night of the living dead",
    "spielberg",
    "romance comedy paris",
    "psych",
    "kurosawa",
    "lord of the rings",
    "war and peace",
    "alien",
    "new york",
    "bergman",
];

/// A measured operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    List,
    Search,
    Categories,
    Newest,
    MostLiked,
    Toggle,
    Create,
}

/// The requests of one connection.
pub(crate) type Requests = Vec<Request>;

/// A movie of the demonstration catalog, as the body of a request that adds it. Ids at IMDb are left out, because they are
/// unique.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Movie {
    title: String,
    description: String,
    release_date: String,
    director: String,
    genre: String,
}

/// Returns the movies of the demonstration catalog.
///
/// # Errors
/// Returns an error if it can't be read.
pub(crate) fn demonstration() -> Result<Vec<Movie>, Failure> {
    let mut reader = csv::Reader::from_reader(DEMONSTRATION.as_bytes());
    Ok(reader.deserialize().collect::<Result<_, _>>()?)
}

/// Returns a request for a movie.
pub(crate) fn get(movie: u64) -> Request {
    Request::get(&format!("/api/movies/{movie}/"))
}

/// Returns a request that toggles a favorite.
pub(crate) fn toggle(movie: u64, token: &str) -> Request {
    let path = format!("/api/movies/{movie}/favorite/");
    Request::post(&path, Some(token), None, 200)
}

/// Returns a request that searches.
pub(crate) fn search(q: &str) -> Request {
    Request::get(&format!("/api/movies/search/?q={}", q.replace(' ', "+")))
}

impl Operation {
    /// Every operation. Those that write are the last, so that each server answers the others from the same catalog.
    pub(crate) const ALL: [Self; 8] = [
        Self::Get,
        Self::List,
        Self::Search,
        Self::Categories,
        Self::Newest,
        Self::MostLiked,
        Self::Toggle,
        Self::Create,
    ];

    /// Returns what the tables call the operation.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list of 20",
            Self::Search => "search",
            Self::Categories => "categories",
            Self::Newest => "newest",
            Self::MostLiked => "most liked",
            Self::Toggle => "toggle",
            Self::Create => "create",
        }
    }

    /// Returns the requests of each of these connections. A toggle of a connection is by a user of its own.
    ///
    /// # Errors
    /// Returns an error if the server refuses a request for the links of its pages.
    pub(crate) async fn requests(
        self,
        server: &Server,
        movies: u64,
        tokens: &[String],
        connections: usize,
    ) -> Result<Vec<Requests>, Failure> {
        let pages = match self {
            Self::List => pages(server).await?,
            _ => Vec::new(),
        };
        let bodies = match self {
            Self::Create => demonstration()?,
            _ => Vec::new(),
        };
        let token = |connection: usize| {
            let token = tokens.get(connection);
            token.ok_or("there are fewer users than connections")
        };
        let mut all = Vec::new();
        for connection in 0..connections {
            let mut random = StdRng::seed_from_u64(connection.try_into()?);
            let mut ids = std::iter::repeat_with(|| random.random_range(1..=movies));
            let shifted = |mut requests: Requests| {
                let start = connection % requests.len().max(1);
                requests.rotate_left(start);
                requests
            };
            let different = usize::try_from(DIFFERENT)?;
            all.push(match self {
                Self::Get => ids.by_ref().take(different).map(get).collect(),
                Self::List => shifted(pages.clone()),
                Self::Search => shifted(SEARCHES.map(search).into()),
                Self::Categories => vec![Request::get("/api/movies/categories/")],
                Self::Newest => vec![Request::get("/api/movies/newest/")],
                Self::MostLiked => vec![Request::get("/api/movies/most-liked/")],
                Self::Toggle => {
                    let token = token(connection)?;
                    ids.by_ref()
                        .take(different)
                        .map(|movie| toggle(movie, token))
                        .collect()
                }
                Self::Create => {
                    let token = token(connection)?;
                    let mut requests = Vec::new();
                    for movie in bodies
                        .iter()
                        .skip(connection)
                        .step_by(connections)
                        .take(different)
                    {
                        let body = serde_json::to_value(movie)?;
                        requests.push(Request::post("/api/movies/", Some(token), Some(&body), 201));
                    }
                    requests
                }
            });
        }
        Ok(all)
    }
}

/// Returns the requests for the first pages of the list, by the links of the server.
async fn pages(server: &Server) -> Result<Requests, Failure> {
    let mut connection = Connection::open(server.address).await?;
    let mut pages = vec![Request::get("/api/movies/")];
    while let Some(last) = pages.last()
        && pages.len() < PAGES
    {
        let page: Value = connection.json(last).await?;
        let Some(next) = next(&page)? else {
            break;
        };
        pages.push(next);
    }
    Ok(pages)
}

/// Returns the request for the page after this one, or `None` if this is the last.
///
/// # Errors
/// Returns an error if the link isn't one of the API.
pub(crate) fn next(page: &Value) -> Result<Option<Request>, Failure> {
    let Some(url) = page["next"].as_str() else {
        return Ok(None);
    };
    let path = url.find("/api/").and_then(|at| url.get(at..));
    Ok(Some(Request::get(path.ok_or("a link without a path")?)))
}
