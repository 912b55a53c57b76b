//! Sends each request to the server, applies it to the reference, and compares the answers.

use std::collections::{BTreeMap, BTreeSet};

use marquee_shared::domain::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::{reference::*, requests::*, vocabulary::*};
use crate::support::{Answer, Call, Caller, TestApp};

/// The server and the reference.
pub(super) struct Comparison {
    pub(super) app: TestApp,
    pub(super) focus: Focus,
    pub(super) steps: usize,
    pub(super) users: Vec<User>,
    /// The highest id that a user was given.
    pub(super) last_user: u64,
    pub(super) movies: BTreeMap<u64, Movie>,
    /// The genres that have movies: the identity and the name as it was first written.
    pub(super) genres: BTreeMap<&'static str, &'static str>,
    /// The additions and toggles that were made.
    pub(super) made: Vec<Made>,
}

/// A request with an idempotency key, and its answer.
pub(super) struct Made {
    caller: Caller,
    path: String,
    body: Option<Value>,
    key: String,
    text: String,
}

impl Made {
    /// The request, with its key.
    fn call(&self) -> Call {
        let call = self.caller.post(&self.path).header("idempotency-key", &self.key);
        match &self.body {
            Some(body) => call.json(body),
            None => call,
        }
    }
}

impl Comparison {
    pub(super) async fn new(focus: Focus) -> Self {
        let mut comparison = Self {
            app: TestApp::new().await,
            focus,
            steps: 0,
            users: Vec::new(),
            last_user: 0,
            movies: BTreeMap::new(),
            genres: BTreeMap::new(),
            made: Vec::new(),
        };
        for n in 0..3 {
            comparison.register(n).await;
        }
        let store = &comparison.app.running.state.store;
        assert!(
            store
                .promote(&comparison.users[0].caller.username, Role::Admin)
                .await
                .unwrap()
                .is_some()
        );
        comparison.users[0].body["role"] = json!("admin");
        comparison
    }

    pub(super) fn caller(&self, who: Who) -> Caller {
        who.map_or(self.app.anonymous(), |n| {
            self.users[n % self.users.len()].caller.clone()
        })
    }

    pub(super) fn user(&mut self, id: u64) -> &mut User {
        self.users.iter_mut().find(|user| user.caller.id == id).unwrap()
    }

    pub(super) fn is_admin(&self, caller: &Caller) -> bool {
        caller.id == self.users[0].caller.id
    }

    /// Returns the id of the movie to which a random number maps. Every twentieth number maps to a movie that does not
    /// exist.
    pub(super) fn movie_id(&self, n: usize) -> u64 {
        let ids: Vec<u64> = self.movies.keys().copied().collect();
        match n % 20 {
            0 => ids.last().unwrap_or(&0) + 1,
            _ if ids.is_empty() => 1,
            _ => ids[n % ids.len()],
        }
    }

    pub(super) async fn run(&mut self, op: &Op) {
        // Every step gets a different time. A sequence is short enough that no access token expires.
        self.app.clock.advance(1);
        match op {
            Op::Register(n) => self.register(*n).await,
            Op::Account(n, change) => self.account(*n, change).await,
            Op::Create(who, movie, favorite, user) => self.create(*who, movie, *favorite, *user).await,
            Op::Put(who, n, movie, favorite) => {
                let body = movie_body(movie);
                self.edit(Method::PUT, *who, *n, body, *favorite, |text| {
                    // An optional field that is left out stays as it is.
                    let imdb_id = movie.imdb_id.or(text.imdb_id);
                    *text = MovieText {
                        imdb_id,
                        ..movie.clone()
                    };
                })
                .await;
            }
            Op::Patch(who, n, change, favorite) => {
                let body = match change {
                    Change::Title(title) => json!({"title": title.written}),
                    Change::Director(director) => json!({"director": director.written}),
                    Change::Genres(genres) => json!({"genre": written(genres)}),
                    Change::Date(date) => json!({"release_date": date}),
                    Change::Description(text) => json!({"description": text}),
                    Change::ImdbId(imdb_id) => json!({"imdb_id": imdb_id}),
                    Change::Nothing => json!({}),
                    Change::Invalid => json!({"title": " ", "release_date": "2001-02-29"}),
                };
                self.edit(Method::PATCH, *who, *n, body, *favorite, |text| {
                    match change.clone() {
                        Change::Title(title) => text.title = title,
                        Change::Director(director) => text.director = director,
                        Change::Genres(genres) => text.genres = genres,
                        Change::Date(date) => text.date = date,
                        Change::Description(description) => text.description = description,
                        Change::ImdbId(imdb_id) => text.imdb_id = imdb_id,
                        Change::Nothing | Change::Invalid => {}
                    }
                })
                .await;
            }
            Op::Delete(who, n) => self.delete(*who, *n).await,
            Op::Favorite(who, n, change) => self.favorite(*who, *n, *change).await,
            Op::Again(n) => self.send_again(*n).await,
            Op::Search(q, limit) => {
                self.search(q, *limit).await;
            }
            Op::SearchFor(n, typed, limit) => self.search_for(*n, typed, *limit).await,
            Op::Walk(who, list, limit) => self.walk(*who, list, *limit).await,
            Op::WalkAmidChanges(list, limit, movies) => self.walk_amid_changes(list, *limit, movies).await,
        }
        self.steps += 1;
        match self.focus {
            Focus::Lists => self.check_all_lists().await,
            Focus::Typing => {}
            Focus::Searches => {
                for n in 0..3 {
                    let words = QUERIES[(3 * self.steps + n) % QUERIES.len()];
                    self.search_once(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
                        .await;
                }
            }
        }
    }

    pub(super) async fn create(
        &mut self,
        who: Who,
        text: &MovieText,
        favorite: Option<bool>,
        user: Option<usize>,
    ) {
        let caller = self.caller(who);
        let mut body = movie_body(text);
        if let Some(favorite) = favorite {
            body["favorite"] = json!(favorite);
        }
        let named = user.map(|n| self.users.get(n).map_or(4711, |user| user.caller.id));
        if let Some(named) = named {
            body["user"] = json!(named);
        }
        let mut made = self.keyed(&caller, "/api/movies/".to_owned(), Some(body));
        let answer = made.call().send().await;
        if caller.id == 0 {
            answer.is(401);
            return;
        }
        let owner = named.unwrap_or(caller.id);
        if owner != caller.id && !self.is_admin(&caller) {
            answer.is(403);
            return;
        }
        if owner == 4711 {
            answer.is_problem(400, "invalid_input").names(&["user"]);
            return;
        }
        if self.holder_of(text.imdb_id).is_some() {
            answer.is_problem(409, "conflict").names(&["imdb_id"]);
            return;
        }
        let answer = answer.is(201);
        assert!(!answer.headers.contains_key("idempotency-replayed"));
        answer.text.clone_into(&mut made.text);
        self.made.push(made);
        let id = answer.body["id"].as_u64().unwrap();
        assert_eq!(answer.header("location"), format!("/api/movies/{id}/"));
        assert!(
            self.movies.keys().all(|other| *other < id),
            "a new id must be greater than all others"
        );
        let movie = Movie {
            text: text.clone(),
            owner: Some(owner),
            favorites: BTreeSet::new(),
            version: 1,
            created_at: answer.body["created_at"].as_str().unwrap().to_owned(),
            updated_at: answer.body["updated_at"].as_str().unwrap().to_owned(),
        };
        self.movies.insert(id, movie);
        self.record_favorite(id, caller.id, favorite == Some(true));
        self.update_genres(&text.genres);
        assert_eq!(answer.body, self.movies[&id].body(id, caller.id));
    }

    pub(super) async fn edit(
        &mut self,
        method: Method,
        who: Who,
        n: usize,
        mut body: Value,
        favorite: Option<bool>,
        change: impl Fn(&mut MovieText),
    ) {
        let (caller, id) = (self.caller(who), self.movie_id(n));
        let wrong = body["title"] == json!(" ");
        if let Some(favorite) = favorite {
            body["favorite"] = json!(favorite);
        }
        let answer = caller
            .call(method, &format!("/api/movies/{id}/"))
            .json(&body)
            .send()
            .await;
        if !self.allowed(&caller, id, &answer, wrong) {
            return;
        }
        let mut changed = self.movies[&id].text.clone();
        change(&mut changed);
        if self.holder_of(changed.imdb_id).is_some_and(|holder| holder != id) {
            answer.is_problem(409, "conflict").names(&["imdb_id"]);
            return;
        }
        let answer = answer.is(200);
        let movie = self.movies.get_mut(&id).unwrap();
        let before = movie.body(id, 0);
        change(&mut movie.text);
        // A change of nothing but a favorite is no edit. Nor is one to another spelling of the same genre, or it is one.
        let version = answer.body["version"].as_u64().unwrap();
        let is_unedited = favorite.is_some() && before == movie.body(id, 0) && version == movie.version;
        assert!(is_unedited || version == movie.version + 1, "{}", answer.text);
        movie.version = version;
        answer.body["updated_at"]
            .as_str()
            .unwrap()
            .clone_into(&mut movie.updated_at);
        let genres = movie.text.genres.clone();
        if let Some(favorite) = favorite {
            self.record_favorite(id, caller.id, favorite);
        }
        self.update_genres(&genres);
        assert_eq!(answer.body, self.movies[&id].body(id, caller.id));
    }

    /// Returns the movie that has this IMDb id.
    fn holder_of(&self, imdb_id: Option<&str>) -> Option<u64> {
        let imdb_id = imdb_id?;
        let mut movies = self.movies.iter();
        let holder = movies.find(|(_, movie)| movie.text.imdb_id == Some(imdb_id));
        holder.map(|(id, _)| *id)
    }

    pub(super) async fn delete(&mut self, who: Who, n: usize) {
        let (caller, id) = (self.caller(who), self.movie_id(n));
        let answer = caller.delete(&format!("/api/movies/{id}/")).send().await;
        if !self.allowed(&caller, id, &answer, false) {
            return;
        }
        let answer = answer.is(204);
        assert_eq!(answer.text, "");
        self.remove_movie(id);
    }

    pub(super) fn remove_movie(&mut self, id: u64) {
        self.movies.remove(&id);
        for user in &mut self.users {
            user.favorites.retain(|movie| *movie != id);
        }
        self.update_genres(&[]);
    }

    /// Returns whether this caller may make this change of this movie. Otherwise asserts that the answer is the right
    /// error.
    pub(super) fn allowed(&self, caller: &Caller, id: u64, answer: &Answer, wrong: bool) -> bool {
        let expected = match self.movies.get(&id) {
            _ if caller.id == 0 => 401,
            // Invalid values may be refused before the movie is read.
            _ if wrong && answer.status == 400 => 400,
            None => 404,
            Some(movie) if movie.owner != Some(caller.id) && !self.is_admin(caller) => 403,
            Some(_) if wrong => 400,
            Some(_) => return true,
        };
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text);
        false
    }

    pub(super) async fn favorite(&mut self, who: Who, n: usize, change: FavoriteChange) {
        let (caller, id) = (self.caller(who), self.movie_id(n));
        let method = match change {
            FavoriteChange::Toggle => Method::POST,
            FavoriteChange::Add => Method::PUT,
            FavoriteChange::Remove => Method::DELETE,
        };
        let path = format!("/api/movies/{id}/favorite/");
        let mut made = None;
        let call = match change {
            FavoriteChange::Toggle => made.insert(self.keyed(&caller, path, None)).call(),
            FavoriteChange::Add | FavoriteChange::Remove => caller.call(method, &path),
        };
        let answer = call.send().await;
        if caller.id == 0 {
            answer.is(401);
            return;
        }
        let Some(movie) = self.movies.get(&id) else {
            answer.is(404);
            return;
        };
        let on = match change {
            FavoriteChange::Toggle => !movie.favorites.contains(&caller.id),
            FavoriteChange::Add => true,
            FavoriteChange::Remove => false,
        };
        self.record_favorite(id, caller.id, on);
        let answer = answer.is(200);
        let count = self.movies[&id].favorites.len();
        let expected =
            json!({"id": id, "favorite": on, "favorite_count": count, "message": answer.body["message"]});
        assert_eq!(answer.body, expected);
        assert!(answer.body["message"].is_string());
        if let Some(mut made) = made {
            made.text = answer.text;
            self.made.push(made);
        }
    }

    /// A request with a key that no request that was made has. A refused one may have had it, and one of another user.
    fn keyed(&self, caller: &Caller, path: String, body: Option<Value>) -> Made {
        Made {
            caller: caller.clone(),
            path,
            body,
            key: self.made.len().to_string(),
            text: String::new(),
        }
    }

    /// Sends a request again. The answer is the one that it had, and nothing changes.
    async fn send_again(&self, n: usize) {
        if self.made.is_empty() {
            return;
        }
        let made = &self.made[n % self.made.len()];
        let answer = made.call().send().await;
        if !self.ids_of_users().contains(&made.caller.id) {
            answer.is(401);
            return;
        }
        assert_eq!(answer.header("idempotency-replayed"), "true", "{}", answer.text);
        assert_eq!(answer.text, made.text);
        // The key of another request.
        let other = &self.made[n / 7 % self.made.len()];
        if other.caller.id == made.caller.id && other.key != made.key {
            let call = Made {
                caller: made.caller.clone(),
                path: made.path.clone(),
                body: made.body.clone(),
                key: other.key.clone(),
                text: String::new(),
            };
            let answer = call.call().send().await;
            // Two bodies may mean the same.
            if answer.status == 422 {
                answer.is_problem(422, "idempotency_key_reused");
                assert!(made.path != other.path || made.body != other.body);
            } else {
                assert_eq!(answer.text, other.text);
            }
        }
    }

    pub(super) fn record_favorite(&mut self, id: u64, user: u64, on: bool) {
        let movie = self.movies.get_mut(&id).unwrap();
        if on && movie.favorites.insert(user) {
            self.user(user).favorites.push(id);
        } else if !on && movie.favorites.remove(&user) {
            self.user(user).favorites.retain(|movie| *movie != id);
        }
    }

    /// Removes genres without movies, and adds new genres as they were written.
    pub(super) fn update_genres(&mut self, written: &[GenreName]) {
        let movies = &self.movies;
        self.genres
            .retain(|identity, _| movies.values().any(|movie| movie.identities().contains(identity)));
        for (name, identity) in written {
            self.genres.entry(identity).or_insert(name);
        }
    }
}

pub(super) fn written(genres: &[GenreName]) -> String {
    genres.iter().map(|genre| genre.0).collect::<Vec<_>>().join(",")
}

pub(super) fn movie_body(movie: &MovieText) -> Value {
    let mut body = json!({
        "title": movie.title.written,
        "description": movie.description,
        "release_date": movie.date,
        "director": movie.director.written,
        "genre": written(&movie.genres),
    });
    if let Some(imdb_id) = movie.imdb_id {
        body["imdb_id"] = json!(imdb_id);
    }
    body
}
