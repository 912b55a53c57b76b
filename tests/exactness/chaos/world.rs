//! What all clients of a run share: the movies, keys and sessions, each with the history of what clients saw of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    history::{Entry, History, explain},
    objects::{Kept, Movie, MovieEvent, Sent, Session, SessionEvent, User},
};
use crate::support::{Answer, Call, Caller};

/// How long after a `503` its request may still take effect: a call to the table that is under way then.
const SETTLES: Duration = Duration::from_secs(1);

/// The history of a movie.
pub(super) struct MovieRecord {
    pub(super) id: u64,
    text: String,
    events: Mutex<History<MovieEvent>>,
    /// A version that a client has seen, with its tag.
    pub(super) seen: Mutex<Option<(u64, String)>>,
}

/// The history of a session.
pub(super) struct SessionRecord {
    /// The refresh tokens that clients have seen, in the order in which they saw them.
    pub(super) tokens: Mutex<Vec<String>>,
    begun: String,
    events: Mutex<History<SessionEvent>>,
}

impl SessionRecord {
    pub(super) fn new(token: String) -> Self {
        Self {
            tokens: Mutex::new(vec![token.clone()]),
            begun: token,
            events: Mutex::default(),
        }
    }
}

/// What all clients share.
#[derive(Default)]
pub(super) struct World {
    /// The movies that clients use.
    pub(super) movies: Mutex<Vec<Arc<MovieRecord>>>,
    all_movies: Mutex<Vec<Arc<MovieRecord>>>,
    /// The texts of the movies of which no client knows whether they were added.
    perhaps: Mutex<BTreeSet<String>>,
    keys: Mutex<Vec<(String, History<Sent>)>>,
    sessions: Mutex<Vec<Arc<SessionRecord>>>,
    /// How many requests are still to be sent.
    pub(super) left: AtomicUsize,
    statuses: Mutex<BTreeMap<u16, usize>>,
    findings: Mutex<Vec<String>>,
}

/// An answer, and when its request was sent and answered.
pub(super) struct Reply {
    pub(super) start: Instant,
    pub(super) end: Instant,
    pub(super) answer: Answer,
}

impl Reply {
    pub(super) fn status(&self) -> u16 {
        self.answer.status.as_u16()
    }

    /// An entry that took effect.
    pub(super) fn saw<E>(&self, event: E) -> Entry<E> {
        Entry {
            start: self.start,
            end: self.end,
            event,
            is_certain: true,
            follows: false,
        }
    }

    /// An entry that took effect after the one before it.
    pub(super) fn then_saw<E>(&self, event: E) -> Entry<E> {
        Entry {
            follows: true,
            ..self.saw(event)
        }
    }

    /// An entry that may have taken effect before the request was answered.
    pub(super) fn perhaps_saw<E>(&self, event: E) -> Entry<E> {
        Entry {
            is_certain: false,
            ..self.saw(event)
        }
    }

    /// An entry that may have taken effect, even after the request was answered.
    pub(super) fn perhaps<E>(&self, event: E) -> Entry<E> {
        Entry {
            end: self.end + SETTLES,
            is_certain: false,
            ..self.saw(event)
        }
    }
}

impl MovieRecord {
    pub(super) fn add(&self, entries: impl IntoIterator<Item = Entry<MovieEvent>>) {
        self.events.lock().unwrap().extend(entries);
    }
}

impl SessionRecord {
    pub(super) fn add(&self, entries: impl IntoIterator<Item = Entry<SessionEvent>>) {
        self.events.lock().unwrap().extend(entries);
    }
}

impl World {
    pub(super) fn new(requests: usize) -> Self {
        Self {
            left: AtomicUsize::new(requests),
            ..Self::default()
        }
    }

    /// Sends a request, which counts as one of those that are to be sent.
    pub(super) async fn send(&self, call: Call) -> Reply {
        let _ = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let start = Instant::now();
        let answer = call.send().await;
        let end = Instant::now();
        *self
            .statuses
            .lock()
            .unwrap()
            .entry(answer.status.as_u16())
            .or_default() += 1;
        Reply { start, end, answer }
    }

    /// What was seen of a change of a movie that was answered with this event, and of the count beside it.
    pub(super) fn change(reply: &Reply, event: MovieEvent, is_after: bool) -> Vec<Entry<MovieEvent>> {
        let count = MovieEvent::Count(reply.answer.body["favorite_count"].as_u64().unwrap());
        let count = if is_after {
            reply.then_saw(count)
        } else {
            reply.saw(count)
        };
        vec![reply.saw(event), count]
    }

    /// What was seen of a change of a favorite that was answered `404`. The movie may have been deleted after the change, before
    /// the count was read.
    pub(super) fn change_of_none(reply: &Reply, event: MovieEvent) -> Vec<Entry<MovieEvent>> {
        vec![reply.perhaps_saw(event), reply.then_saw(MovieEvent::Missing)]
    }

    /// What was seen of a refresh that was answered `401`. It may have replaced the token before: the table's answer was lost, an
    /// older token then ended the session, and the second try found no session.
    pub(super) fn refused_refresh(reply: &Reply, token: &str) -> [Entry<SessionEvent>; 2] {
        [
            reply.perhaps_saw(SessionEvent::Unknown(token.to_owned())),
            reply.then_saw(SessionEvent::Refused(token.to_owned())),
        ]
    }

    /// Reports something that no client should see.
    pub(super) fn finds(&self, finding: String) {
        self.findings.lock().unwrap().push(finding);
    }

    /// Reports an answer that no client should get.
    pub(super) fn finds_answer(&self, what: &str, reply: &Reply) {
        self.finds(format!("{what}: {} {}", reply.answer.status, reply.answer.text));
    }

    /// Begins the history of a movie that was added.
    pub(super) fn begin_movie(&self, id: u64, text: &str) {
        let record = Arc::new(MovieRecord {
            id,
            text: text.to_owned(),
            events: Mutex::default(),
            seen: Mutex::default(),
        });
        self.movies.lock().unwrap().push(Arc::clone(&record));
        self.all_movies.lock().unwrap().push(record);
    }

    /// Notes that a movie with this text was perhaps added.
    pub(super) fn begin_perhaps(&self, text: &str) {
        self.perhaps.lock().unwrap().insert(text.to_owned());
    }

    /// Removes a movie from those that clients use.
    pub(super) fn retire(&self, id: u64) {
        self.movies.lock().unwrap().retain(|movie| movie.id != id);
    }

    /// Begins the history of a session.
    pub(super) fn begin_session(&self, token: String) -> Arc<SessionRecord> {
        let record = Arc::new(SessionRecord::new(token));
        self.sessions.lock().unwrap().push(Arc::clone(&record));
        record
    }

    /// Adds what clients saw of a key.
    pub(super) fn add_key(&self, key: &str, entries: Vec<Entry<Sent>>) {
        let mut history = History::default();
        history.extend(entries);
        self.keys.lock().unwrap().push((key.to_owned(), history));
    }

    /// The number of answers of each status.
    pub(super) fn statuses(&self) -> BTreeMap<u16, usize> {
        self.statuses.lock().unwrap().clone()
    }

    /// Reads every movie as each user sees it, at the end. What they see belongs to the histories.
    pub(super) async fn look_at_everything(&self, users: &[Caller]) {
        let movies = self.all_movies.lock().unwrap().clone();
        let perhaps = self.perhaps.lock().unwrap().clone();
        for (user, caller) in (0..).zip(users) {
            let mut unseen: HashMap<u64, Arc<MovieRecord>> =
                movies.iter().map(|movie| (movie.id, Arc::clone(movie))).collect();
            let mut unknown = BTreeSet::new();
            let mut next = Some("/api/movies/?limit=100".to_owned());
            while let Some(path) = next {
                let page = self.send(caller.get(&path)).await;
                if page.status() != 200 {
                    return self.finds_answer("a list at the end", &page);
                }
                for shown in page.answer.body["results"].as_array().unwrap() {
                    match unseen.remove(&shown["id"].as_u64().unwrap()) {
                        Some(movie) => movie.add(shown_to(&page, user, shown)),
                        None => {
                            let text = shown["description"].as_str().unwrap();
                            if !perhaps.contains(text) || !unknown.insert(text.to_owned()) {
                                self.finds(format!("a movie that nobody added: {shown}"));
                            }
                        }
                    }
                }
                next = page.answer.body["next"].as_str().map(str::to_owned);
                if next.is_none() {
                    for movie in unseen.values() {
                        movie.add([page.saw(MovieEvent::Missing)]);
                    }
                }
            }
        }
    }

    /// Everything that no client should see, among it every history that no order of the requests explains.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut findings = std::mem::take(&mut *self.findings.lock().unwrap());
        let mut check = |name: String, result: Result<(), String>| {
            if let Err(text) = result {
                findings.push(format!("{name} is not explained: {text}"));
            }
        };
        for movie in self.all_movies.lock().unwrap().iter() {
            let mut events = movie.events.lock().unwrap();
            check(
                format!("the history of movie {}", movie.id),
                explain(&mut events, Movie::added(&movie.text)),
            );
        }
        for (key, events) in self.keys.lock().unwrap().iter_mut() {
            check(
                format!("the history of key {key}"),
                explain(events, Kept::Nothing),
            );
        }
        for session in self.sessions.lock().unwrap().iter() {
            let mut events = session.events.lock().unwrap();
            check(
                "the history of a session".to_owned(),
                explain(&mut events, Session::begun(&session.begun)),
            );
        }
        findings
    }

    /// How many histories there are, and of how many events.
    pub(super) fn size(&self) -> String {
        let mut text = String::new();
        let movies = self.all_movies.lock().unwrap();
        let lengths: Vec<usize> = movies
            .iter()
            .map(|movie| movie.events.lock().unwrap().len())
            .collect();
        let _ = write!(
            text,
            "{} movies with {} events, the longest {}; {} keys; {} sessions",
            movies.len(),
            lengths.iter().sum::<usize>(),
            lengths.iter().max().unwrap_or(&0),
            self.keys.lock().unwrap().len(),
            self.sessions.lock().unwrap().len()
        );
        text
    }
}

/// The events of a movie as it was shown to a user. The movie and the favorite are two items, which are read one after the
/// other.
pub(super) fn shown_to(reply: &Reply, user: User, shown: &serde_json::Value) -> [Entry<MovieEvent>; 2] {
    let version = shown["version"].as_u64().unwrap();
    let text = shown["description"].as_str().unwrap().to_owned();
    let count = shown["favorite_count"].as_u64().unwrap();
    [
        reply.saw(MovieEvent::Shown(version, text, count)),
        reply.saw(MovieEvent::ShownTo(user, shown["favorite"].as_bool().unwrap())),
    ]
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::Value;

    use super::*;

    /// An answer to a request, from and to these seconds.
    fn reply(from: u64, to: u64) -> Reply {
        let begin = Instant::now();
        Reply {
            start: begin + Duration::from_secs(from),
            end: begin + Duration::from_secs(to),
            answer: Answer {
                status: StatusCode::UNAUTHORIZED,
                headers: HeaderMap::new(),
                text: String::new(),
                body: Value::Null,
            },
        }
    }

    /// Whether a session that begins with `a`, which `b` replaces, explains these entries from second 2 on.
    fn is_explained(entries: impl IntoIterator<Item = Entry<SessionEvent>>) -> bool {
        let mut history = History::default();
        history.add(reply(0, 1).saw(SessionEvent::Refreshed("a".to_owned(), "b".to_owned())));
        history.extend(entries);
        explain(&mut history, Session::begun("a")).is_ok()
    }

    #[test]
    fn a_refused_refresh_may_have_replaced_its_token_before_an_older_one_ended_the_session() {
        let refused = |token, from, to| World::refused_refresh(&reply(from, to), token);
        assert!(is_explained(
            refused("b", 2, 5).into_iter().chain(refused("a", 2, 4))
        ));
        // Nothing has ended the session.
        assert!(!is_explained(refused("b", 2, 5)));
        assert!(!is_explained(refused("a", 2, 5)));
        // The older token was refused before the other one was sent.
        assert!(!is_explained(
            refused("b", 5, 6).into_iter().chain(refused("a", 2, 4))
        ));
        // The session goes on.
        let refreshed = reply(6, 7).saw(SessionEvent::Refreshed("b".to_owned(), "c".to_owned()));
        assert!(!is_explained(refused("b", 2, 5).into_iter().chain([refreshed])));
    }
}
