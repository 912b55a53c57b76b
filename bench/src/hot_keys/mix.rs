//! The mix: which operations are requested, how often, and with which parameters.

use std::error::Error;

use rand::{RngExt as _, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bench_server::{BenchServer, PASSWORD, User, json_of};

/// One kind of request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// The number of requests of this kind in a thousand.
    pub(crate) share: u32,
    /// The number of recordings. More than one if the units depend on the request.
    pub(crate) samples: usize,
    ask: Ask,
}

#[derive(Clone, Copy, Debug)]
enum Ask {
    /// A path, by an anonymous caller or by a user.
    Get(&'static str, bool),
    /// The page after the first one of a path.
    Next(&'static str),
    Movie(bool),
    Search(bool),
    Favorite,
    Create,
    Describe,
    Retitle,
    Delete,
    Register,
    Login,
    Refresh,
    Logout,
}

const fn get(name: &'static str, share: u32, path: &'static str, signed_in: bool) -> Operation {
    one(name, share, Ask::Get(path, signed_in))
}

const fn one(name: &'static str, share: u32, ask: Ask) -> Operation {
    Operation {
        name,
        share,
        samples: 1,
        ask,
    }
}

const fn some(name: &'static str, share: u32, samples: usize, ask: Ask) -> Operation {
    Operation {
        name,
        share,
        samples,
        ask,
    }
}

/// The mix, in thousandths. It assumes that a catalog is mostly read, and that anonymous callers send two of three
/// requests.
pub(crate) const MIX: [Operation; 31] = [
    one("get a movie", 280, Ask::Movie(false)),
    one("get a movie, signed in", 120, Ask::Movie(true)),
    get("movies by id", 30, "/api/movies/", false),
    get("movies by id, signed in", 15, "/api/movies/", true),
    one("movies by id, second page", 15, Ask::Next("/api/movies/")),
    get("movies by -id", 10, "/api/movies/?ordering=-id", false),
    get("movies by date", 20, "/api/movies/?ordering=-release_date", false),
    get(
        "movies by date, signed in",
        10,
        "/api/movies/?ordering=-release_date",
        true,
    ),
    one(
        "movies by date, second page",
        10,
        Ask::Next("/api/movies/?ordering=-release_date"),
    ),
    get(
        "a genre's movies by date",
        30,
        "/api/movies/?genre=drama&ordering=-release_date",
        false,
    ),
    get(
        "a genre's movies by id, signed in",
        10,
        "/api/movies/?genre=drama",
        true,
    ),
    some("search", 70, 80, Ask::Search(false)),
    some("search, signed in", 30, 40, Ask::Search(true)),
    get("newest", 55, "/api/movies/newest/", false),
    get("newest, signed in", 25, "/api/movies/newest/", true),
    get("most liked", 55, "/api/movies/most-liked/", false),
    get("most liked, signed in", 25, "/api/movies/most-liked/", true),
    get("categories", 35, "/api/movies/categories/", false),
    get("categories, signed in", 15, "/api/movies/categories/", true),
    some("add and remove a favorite in turn", 60, 2, Ask::Favorite),
    get("my favorites", 30, "/api/users/me/favorites/", true),
    get("me", 10, "/api/users/me/", true),
    get("users", 2, "/api/users/", true),
    one("refresh", 16, Ask::Refresh),
    one("login", 8, Ask::Login),
    one("logout", 2, Ask::Logout),
    some("register", 3, 2, Ask::Register),
    some("create", 5, 8, Ask::Create),
    some("update a description", 2, 2, Ask::Describe),
    some("update a title", 1, 8, Ask::Retitle),
    some("delete", 1, 8, Ask::Delete),
];

/// The movie and the user of a request. Their keys are scaled differently from other keys.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// The movie in the path. `None` for a list.
    pub(crate) movie: Option<u64>,
    /// The user who sent it.
    pub(crate) user: u64,
    /// Whether the request adds a movie.
    pub(crate) is_new: bool,
}

/// A movie of the small catalog.
pub(crate) struct Movie {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) director: String,
    pub(crate) genre: String,
}

/// The data of which requests are made.
pub(crate) struct Workload<'a> {
    pub(crate) server: &'a BenchServer,
    /// The movies of the small catalog, which no request changes.
    pub(crate) movies: Vec<Movie>,
    /// Movies that the user owns. Requests edit and delete them.
    pub(crate) own: Vec<Movie>,
    pub(crate) user: User,
    pub(crate) random: StdRng,
}

impl Workload<'_> {
    /// Sends the requests that `operation` needs first, and returns the request itself without sending it.
    ///
    /// # Errors
    /// Returns an error if one of them fails.
    pub(crate) async fn prepare(
        &mut self,
        operation: &Operation,
    ) -> Result<(reqwest::RequestBuilder, Asked), Box<dyn Error>> {
        let user = self.user.id.get();
        let of = |movie: Option<u64>| Asked {
            movie,
            user,
            is_new: false,
        };
        let viewer = self.user.clone();
        let signed_in = |yes: bool| yes.then_some(&viewer);
        let path = |id: u64| format!("/api/movies/{id}/");
        let server = self.server;
        let get = |path: &str, by| server.request(Method::GET, path, by);
        Ok(match operation.ask {
            Ask::Get(path, by) => (get(path, signed_in(by)), of(None)),
            Ask::Next(path) => {
                let first = json_of(get(path, None)).await?;
                let next = first["next"].as_str().ok_or("there is only one page")?;
                (self.server.http.get(next), of(None))
            }
            Ask::Movie(by) => {
                let movie = self.movies.first().ok_or("no movies")?.id;
                (get(&path(movie), signed_in(by)), of(Some(movie)))
            }
            Ask::Search(by) => {
                let q = self.words();
                let request = get("/api/movies/search/", signed_in(by)).query(&[("q", q)]);
                (request, of(None))
            }
            Ask::Favorite => {
                let movie = self.movies.first().ok_or("no movies")?.id;
                let path = format!("/api/movies/{movie}/favorite/");
                (
                    self.server.request(Method::POST, &path, Some(&self.user)),
                    of(Some(movie)),
                )
            }
            Ask::Create => {
                let body = self.like_another();
                let request = self
                    .server
                    .request(Method::POST, "/api/movies/", Some(&self.user));
                let asked = Asked {
                    is_new: true,
                    ..of(None)
                };
                (request.json(&body), asked)
            }
            Ask::Describe => {
                let id = self.own.first().ok_or("the user has no movie")?.id;
                let body =
                    json!({"description": format!("Described anew, {}.", self.random.random::<u32>())});
                (self.change(Method::PATCH, id).json(&body), of(Some(id)))
            }
            Ask::Retitle => {
                let id = self.own.first().ok_or("the user has no movie")?.id;
                let body = json!({"title": self.like_another()["title"]});
                (self.change(Method::PATCH, id).json(&body), of(Some(id)))
            }
            Ask::Delete => {
                let id = self.own.pop().ok_or("the user has no movie")?.id;
                (self.change(Method::DELETE, id), of(Some(id)))
            }
            Ask::Register => {
                let name = format!("new{}", self.random.random::<u32>());
                let email = format!("{name}@example.com");
                let body = json!({"username": name, "email": email, "password": PASSWORD});
                (self.post("/api/auth/register/").json(&body), of(None))
            }
            Ask::Login => {
                let body = json!({"username": "viewer", "password": PASSWORD});
                (self.post("/api/auth/login/").json(&body), of(None))
            }
            Ask::Refresh => {
                let body = json!({"refresh": self.user.refresh});
                (self.post("/api/auth/refresh/").json(&body), of(None))
            }
            Ask::Logout => {
                let body = json!({"username": "viewer", "password": PASSWORD});
                let session = json_of(self.post("/api/auth/login/").json(&body)).await?;
                let body = json!({"refresh": session["refresh"]});
                (self.post("/api/auth/logout/").json(&body), of(None))
            }
        })
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.server.request(Method::POST, path, None)
    }

    fn change(&self, method: Method, id: u64) -> reqwest::RequestBuilder {
        self.server
            .request(method, &format!("/api/movies/{id}/"), Some(&self.user))
    }

    /// Returns a search that a user may send. Eight of ten are for the first words of a title, so that common words are
    /// also common in searches. One is for a director and one for a genre.
    fn words(&mut self) -> String {
        let at = self.random.random_range(0..self.movies.len());
        let movie = &self.movies[at];
        let words = match self.random.random_range(0..10) {
            0 => 1,
            1 => return movie.director.clone(),
            2 => return movie.genre.split(',').next().unwrap_or_default().to_owned(),
            3..6 => 2,
            _ => 9,
        };
        let words: Vec<&str> = movie.title.split_whitespace().take(words).collect();
        words.join(" ")
    }

    /// Returns a new movie with the words and genres of a movie of the catalog.
    fn like_another(&mut self) -> Value {
        let at = self.random.random_range(0..self.movies.len());
        let movie = &self.movies[at];
        json!({
            "title": movie.title,
            "description": "A movie of the mix.",
            "release_date": "2026-01-01",
            "director": movie.director,
            "genre": movie.genre,
        })
    }

    /// Adds a movie that the user owns.
    ///
    /// # Errors
    /// Returns an error if the movie is refused.
    pub(crate) async fn add_own(&mut self) -> Result<(), Box<dyn Error>> {
        let body = self.like_another();
        let request = self
            .server
            .request(Method::POST, "/api/movies/", Some(&self.user));
        let movie = json_of(request.json(&body)).await?;
        let text = |name: &str| movie[name].as_str().unwrap_or_default().to_owned();
        self.own.push(Movie {
            id: movie["id"].as_u64().ok_or("the movie has no id")?,
            title: text("title"),
            director: text("director"),
            genre: text("genre"),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_thousandths() {
        assert_eq!(MIX.iter().map(|operation| operation.share).sum::<u32>(), 1000);
    }
}
