//! The clients: users who send random requests, several at a time for each user, and record what they see.

use std::sync::{Arc, Mutex, atomic::Ordering};

use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use reqwest::Method;
use serde_json::json;

use super::{
    objects::{Change, MovieEvent, Sent, SessionEvent, User},
    world::{MovieRecord, Reply, SessionRecord, World, shown_to},
};
use crate::support::{Caller, movie};

/// The words of the titles. There are few, so that movies share postings.
const WORDS: [&str; 12] = [
    "Alien", "Comet", "Dune", "Escape", "Frozen", "Galaxy", "Harbor", "Island", "Jungle", "Kingdom",
    "Lantern", "Mirror",
];

/// The genres. There are few, so that movies share lists.
const GENRES: [&str; 4] = ["Drama", "Horror", "Drama, Sci-Fi", "Sci-Fi, Horror"];

/// The number of the last movies, which most requests are about.
pub(super) const HOT: usize = 12;

/// How often a client sends a request with a key again, if it isn't answered.
const MOST_TRIES: usize = 2;

/// A client of a user.
pub(super) struct Client {
    pub(super) world: Arc<World>,
    pub(super) caller: Caller,
    pub(super) user: User,
    /// Whether it may edit every movie.
    pub(super) is_admin: bool,
    /// The session that the user's clients refresh. Their requests carry the access token of another one, which stays.
    pub(super) session: Arc<Mutex<Option<Arc<SessionRecord>>>>,
    pub(super) dice: StdRng,
    /// The name of the client, which its keys and texts begin with.
    pub(super) name: String,
    pub(super) sent: usize,
}

impl Client {
    /// Sends requests until enough were sent by all.
    pub(super) async fn run(mut self) {
        while self.world.left.load(Ordering::Relaxed) > 0 {
            self.sent += 1;
            let movie = self.any_movie();
            match (self.dice.random_range(0..100), movie) {
                (0..5, _) | (_, None) => self.add().await,
                (5..20, _) => self.refresh().await,
                (20..24, _) => self.list().await,
                (24..44, Some(movie)) => self.show(&movie).await,
                (44..58, Some(movie)) => self.change(&movie, Method::POST, Change::Toggle).await,
                (58..68, Some(movie)) => self.change(&movie, Method::PUT, Change::Add).await,
                (68..76, Some(movie)) => self.change(&movie, Method::DELETE, Change::Remove).await,
                (76..85, Some(movie)) => self.toggle_with_key(&movie).await,
                (85..98, Some(movie)) => self.edit(&movie).await,
                (_, Some(movie)) => self.delete(&movie).await,
            }
        }
    }

    /// A movie that others use too: mostly one of the last.
    fn any_movie(&mut self) -> Option<Arc<MovieRecord>> {
        let movies = self.world.movies.lock().unwrap();
        let last = movies.len().saturating_sub(HOT);
        let choice = if self.dice.random_bool(0.6) {
            &movies[last..]
        } else {
            &movies
        };
        choice.choose(&mut self.dice).map(Arc::clone)
    }

    fn title(&mut self) -> String {
        let mut word = || *WORDS.choose(&mut self.dice).unwrap();
        format!("{} {}", word(), word())
    }

    /// Sends a request with a key: once or twice at the same time, and again until it is answered.
    async fn send_with_key(
        &mut self,
        key: &str,
        call: impl Fn(&Caller) -> crate::support::Call,
    ) -> Vec<Reply> {
        let send = || self.world.send(call(&self.caller).header("idempotency-key", key));
        let mut replies = Vec::new();
        if self.dice.random_bool(0.4) {
            let (first, second) = tokio::join!(send(), send());
            replies.extend([first, second]);
        } else {
            replies.push(send().await);
        }
        while replies.iter().all(|reply| matches!(reply.status(), 409 | 503)) && replies.len() < MOST_TRIES {
            replies.push(send().await);
        }
        if self.dice.random_bool(0.3) {
            replies.push(send().await);
        }
        let entries = replies.iter().filter_map(|reply| match reply.status() {
            200 | 201 => {
                let is_replayed = reply.answer.header("idempotency-replayed") == "true";
                Some(reply.saw(Sent(Some((reply.answer.text.clone(), is_replayed)))))
            }
            503 => Some(reply.perhaps(Sent(None))),
            _ => None,
        });
        self.world.add_key(key, entries.collect());
        replies
    }

    async fn add(&mut self) {
        let text = format!("{} adds {}", self.name, self.sent);
        let genre = GENRES.choose(&mut self.dice).unwrap();
        let date = format!("{}-06-01", self.dice.random_range(1950..2020));
        let mut wanted = movie(&self.title(), "A. Writer", genre, &date);
        wanted["description"] = json!(text);
        let key = text.replace(' ', "-");
        let replies = self
            .send_with_key(&key, |caller| caller.post("/api/movies/").json(&wanted))
            .await;
        match replies.iter().find(|reply| reply.status() == 201) {
            Some(added) => {
                let id = added.answer.body["id"].as_u64().unwrap();
                self.world.begin_movie(id, &text);
            }
            None => self.world.begin_perhaps(&text),
        }
        for reply in replies
            .iter()
            .filter(|reply| !matches!(reply.status(), 201 | 409 | 503))
        {
            self.world.finds_answer("an addition", reply);
        }
    }

    async fn toggle_with_key(&mut self, movie: &MovieRecord) {
        let key = format!("{}-{}", self.name, self.sent);
        let path = format!("/api/movies/{}/favorite/", movie.id);
        let replies = self.send_with_key(&key, |caller| caller.post(&path)).await;
        // All are one toggle.
        let start = replies.iter().map(|reply| reply.start).min().unwrap();
        let event = |seen| MovieEvent::Favorite(self.user, Change::Toggle, seen);
        let answered = replies.iter().filter(|reply| reply.status() == 200);
        let mut entries = Vec::new();
        if let Some(first) = answered.min_by_key(|reply| reply.end) {
            let seen = first.answer.body["favorite"].as_bool();
            entries = World::change(first, event(seen), true);
        } else if let Some(last) = replies.iter().rfind(|reply| matches!(reply.status(), 404 | 503)) {
            entries.push(last.perhaps(event(None)));
        }
        for entry in &mut entries {
            entry.start = start;
        }
        for reply in &replies {
            match reply.status() {
                200 | 409 | 503 => {}
                404 => entries.push(reply.saw(MovieEvent::Missing)),
                _ => self.world.finds_answer("a toggle with a key", reply),
            }
        }
        movie.add(entries);
    }

    async fn show(&mut self, movie: &MovieRecord) {
        let reply = self
            .world
            .send(self.caller.get(&format!("/api/movies/{}/", movie.id)))
            .await;
        match reply.status() {
            200 => {
                let version = reply.answer.body["version"].as_u64().unwrap();
                *movie.seen.lock().unwrap() = Some((version, reply.answer.header("etag").to_owned()));
                movie.add(shown_to(&reply, self.user, &reply.answer.body));
            }
            404 => movie.add([reply.saw(MovieEvent::Missing)]),
            503 => {}
            _ => self.world.finds_answer("a movie", &reply),
        }
    }

    async fn change(&mut self, movie: &MovieRecord, method: Method, change: Change) {
        let path = format!("/api/movies/{}/favorite/", movie.id);
        let reply = self.world.send(self.caller.call(method, &path)).await;
        let event = |seen| MovieEvent::Favorite(self.user, change, seen);
        match reply.status() {
            200 => {
                let seen = reply.answer.body["favorite"].as_bool();
                movie.add(World::change(&reply, event(seen), true));
            }
            404 => movie.add(World::change_of_none(&reply, event(None))),
            503 => movie.add([reply.perhaps(event(None))]),
            _ => self.world.finds_answer("a favorite", &reply),
        }
    }

    async fn edit(&mut self, movie: &MovieRecord) {
        if !self.is_admin {
            return self.show(movie).await;
        }
        let text = format!("{} edits {}", self.name, self.sent);
        let mut body = json!({"description": text});
        if self.dice.random_bool(0.5) {
            body["title"] = json!(self.title());
        }
        let mut call = self
            .caller
            .patch(&format!("/api/movies/{}/", movie.id))
            .json(&body);
        let seen = movie.seen.lock().unwrap().clone();
        let seen = seen.filter(|_| self.dice.random_bool(0.6));
        if let Some((_, tag)) = &seen {
            call = call.header("if-match", tag);
        }
        let condition = seen.map(|(version, _)| version);
        let reply = self.world.send(call).await;
        match (reply.status(), condition) {
            (200, _) => {
                let body = &reply.answer.body;
                let version = body["version"].as_u64();
                *movie.seen.lock().unwrap() =
                    version.map(|version| (version, reply.answer.header("etag").to_owned()));
                let event = MovieEvent::Edit(condition, text, version);
                movie.add(World::change(&reply, event, false));
            }
            (404, _) => {
                let event = MovieEvent::Edit(condition, text, None);
                movie.add(World::change_of_none(&reply, event));
            }
            (412, Some(version)) => movie.add([reply.saw(MovieEvent::Outdated(version))]),
            (503, _) => movie.add([reply.perhaps(MovieEvent::Edit(condition, text, None))]),
            _ => self.world.finds_answer("an edit", &reply),
        }
    }

    async fn delete(&mut self, movie: &MovieRecord) {
        if !self.is_admin {
            return self.show(movie).await;
        }
        let reply = self
            .world
            .send(self.caller.delete(&format!("/api/movies/{}/", movie.id)))
            .await;
        match reply.status() {
            204 => movie.add([reply.saw(MovieEvent::Delete)]),
            404 => movie.add([reply.saw(MovieEvent::Missing)]),
            503 => movie.add([reply.perhaps(MovieEvent::Delete)]),
            _ => self.world.finds_answer("a deletion", &reply),
        }
        if matches!(reply.status(), 204 | 404) {
            self.world.retire(movie.id);
        }
    }

    async fn list(&mut self) {
        let word = WORDS.choose(&mut self.dice).unwrap();
        let path = match self.dice.random_range(0..4) {
            0 => format!("/api/movies/search/?q={word}"),
            1 => "/api/movies/most-liked/".to_owned(),
            2 => "/api/movies/categories/".to_owned(),
            _ => "/api/users/me/favorites/".to_owned(),
        };
        let reply = self.world.send(self.caller.get(&path)).await;
        if !matches!(reply.status(), 200 | 503) {
            self.world.finds_answer(&path, &reply);
        }
    }

    /// Uses a refresh token of the session, mostly the last one, or ends the session. Signs in again after its end.
    async fn refresh(&mut self) {
        let session = self.session.lock().unwrap().clone();
        let Some(session) = session else {
            let reply = self.world.send(self.caller.login_call()).await;
            match reply.status() {
                200 => {
                    let token = reply.answer.body["refresh"].as_str().unwrap().to_owned();
                    let begun = self.world.begin_session(token);
                    self.session.lock().unwrap().get_or_insert(begun);
                }
                503 => {}
                _ => self.world.finds_answer("a login", &reply),
            }
            return;
        };
        let token = {
            let tokens = session.tokens.lock().unwrap();
            let back = match self.dice.random_range(0..100) {
                0..76 => 0,
                76..90 => 1,
                _ => 2,
            };
            tokens[tokens.len().saturating_sub(back + 1)].clone()
        };
        if self.dice.random_bool(0.03) {
            return self.log_out(&session, &token).await;
        }
        let send = || self.world.send(self.caller.with_token("refresh", &token));
        let replies = if self.dice.random_bool(0.3) {
            let (first, second) = tokio::join!(send(), send());
            vec![first, second]
        } else {
            vec![send().await]
        };
        for reply in replies {
            let token = token.clone();
            match reply.status() {
                200 => {
                    let next = reply.answer.body["refresh"].as_str().unwrap().to_owned();
                    let mut tokens = session.tokens.lock().unwrap();
                    if !tokens.contains(&next) {
                        tokens.push(next.clone());
                    }
                    session.add([reply.saw(SessionEvent::Refreshed(token, next))]);
                }
                401 => {
                    session.add(World::refused_refresh(&reply, &token));
                    self.end(&session);
                }
                503 => session.add([reply.perhaps(SessionEvent::Unknown(token))]),
                _ => self.world.finds_answer("a refresh", &reply),
            }
        }
    }

    async fn log_out(&mut self, session: &Arc<SessionRecord>, token: &str) {
        let reply = self.world.send(self.caller.with_token("logout", token)).await;
        match reply.status() {
            204 => {
                session.add([reply.saw(SessionEvent::End)]);
                self.end(session);
            }
            503 => session.add([reply.perhaps(SessionEvent::End)]),
            _ => self.world.finds_answer("a logout", &reply),
        }
    }

    /// Lets the next refresh begin another session. It uses the ended one sometimes, which must stay ended.
    fn end(&mut self, session: &Arc<SessionRecord>) {
        if self.dice.random_bool(0.5) {
            let mut current = self.session.lock().unwrap();
            if current
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(current, session))
            {
                *current = None;
            }
        }
    }
}
