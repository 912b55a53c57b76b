//! Search: which movies a query finds, in which order, and when it is corrected. The examples are made from the rules of
//! the API, not from the code.
//!
//! | module | what of search it tests |
//! |---|---|
//! | [`matching`] | words, prefixes, fields, orders and pages |
//! | [`signs`] | apostrophes, hyphens, dots of initials and other signs inside a word |
//! | [`equal_words`] | `&` and `and`, Roman numerals and digits |
//! | [`years`] | a year of release in a query |
//! | [`runs`] | scripts without spaces, and Hangul |
//! | [`unfinished`] | queries that match are never corrected, nor are those that are still typed |
//! | [`strange`] | texts and queries of every strange kind |

mod equal_words;
mod matching;
mod runs;
mod signs;
mod strange;
mod unfinished;
mod years;

use std::collections::BTreeSet;

use serde_json::Value;

use super::texts;
use crate::support::{Caller, TestApp, encode, movie};

/// The path of a search whose pages are as long as a page may be.
fn path(q: &str) -> String {
    format!("/api/movies/search/?limit=100&q={}", encode(q))
}

/// What a search found, over all pages.
#[derive(Debug)]
struct Found {
    titles: Vec<String>,
    ids: Vec<u64>,
    /// The query that was answered, if it isn't the one that was asked.
    corrected: Option<String>,
}

/// Searches, and asserts what holds for every search: each page repeats the corrected query, no movie is found twice, and a
/// corrected query, when it is asked itself, finds the same movies and isn't corrected again.
async fn search(caller: &Caller, q: &str) -> Found {
    let found = all_pages(caller, q).await;
    if let Some(corrected) = &found.corrected {
        assert!(
            !found.ids.is_empty(),
            "{q} is corrected to {corrected}, which finds nothing"
        );
        let asked = all_pages(caller, corrected).await;
        assert_eq!(asked.corrected, None, "{q} is corrected to {corrected}");
        let set = |found: &Found| found.ids.iter().copied().collect::<BTreeSet<u64>>();
        assert_eq!(set(&asked), set(&found), "{q} is corrected to {corrected}");
    }
    found
}

async fn all_pages(caller: &Caller, q: &str) -> Found {
    let mut found = Found {
        titles: Vec::new(),
        ids: Vec::new(),
        corrected: None,
    };
    let mut next = Some(path(q));
    let mut first = true;
    while let Some(path) = next {
        let answer = caller.get(&path).send().await.is(200);
        let corrected = match &answer.body["corrected_query"] {
            Value::String(corrected) => Some(corrected.clone()),
            Value::Null if answer.body.get("corrected_query").is_some() => None,
            _ => panic!("{q}: {}", answer.text),
        };
        assert_eq!(answer.body["count"], Value::Null, "{q}");
        if first {
            assert_eq!(answer.body["previous"], Value::Null, "{q}");
            found.corrected = corrected;
            first = false;
        } else {
            assert_eq!(corrected, found.corrected, "{q}");
        }
        found
            .titles
            .extend(texts(&answer, "title").into_iter().map(str::to_owned));
        found.ids.extend(answer.ids());
        next = answer.body["next"].as_str().map(str::to_owned);
        assert!(found.ids.len() < 1_000, "{q} does not end");
    }
    let distinct: BTreeSet<u64> = found.ids.iter().copied().collect();
    assert_eq!(distinct.len(), found.ids.len(), "{q} finds a movie twice");
    found
}

/// A server with some movies. Their ids are 1, 2 and so on.
struct Movies {
    app: TestApp,
    member: Caller,
}

impl Movies {
    /// Movies with these titles, directors, genres and dates.
    async fn of(movies: &[(&str, &str, &str, &str)]) -> Self {
        let app = TestApp::new().await;
        let member = app.member().await;
        for (title, director, genre, date) in movies {
            member.add(&movie(title, director, genre, date)).await;
        }
        Self { app, member }
    }

    /// Movies with these titles. Nothing else about them is like a word of the tests.
    async fn titled(titles: &[&str]) -> Self {
        let movies: Vec<_> = titles
            .iter()
            .map(|title| (*title, "Quux Zyzzyva", "Wuxuj", "1913-01-01"))
            .collect();
        Self::of(&movies).await
    }

    /// Movies by these directors, whose titles are One, Two and so on.
    async fn directed(directors: &[&str]) -> Self {
        let numbers = [
            "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten",
        ];
        let movies: Vec<_> = numbers
            .iter()
            .zip(directors)
            .map(|(title, director)| (*title, *director, "Wuxuj", "1913-01-01"))
            .collect();
        assert_eq!(movies.len(), directors.len());
        Self::of(&movies).await
    }

    /// What a search finds.
    async fn search(&self, q: &str) -> Found {
        search(&self.app.anonymous(), q).await
    }

    /// Asserts that a query finds these titles, in any order, as it stands.
    async fn finds(&self, q: &str, titles: &[&str]) {
        let found = self.search(q).await;
        assert_eq!(found.corrected, None, "{q} finds {found:?}, expected {titles:?}");
        let mut found = found.titles;
        let mut expected: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{q}");
    }

    /// Asserts that a query finds these titles in this order, as it stands.
    async fn finds_in_order(&self, q: &str, titles: &[&str]) {
        let found = self.search(q).await;
        assert_eq!(found.corrected, None, "{q} finds {found:?}, expected {titles:?}");
        assert_eq!(found.titles, titles, "{q}");
    }

    /// Asserts that the first of what a query finds as it stands has this title.
    async fn finds_first(&self, q: &str, title: &str) {
        let found = self.search(q).await;
        assert_eq!(found.corrected, None, "{q} finds {found:?}, expected {title}");
        assert_eq!(
            found.titles.first().map(String::as_str),
            Some(title),
            "{q} finds {found:?}"
        );
    }

    /// Asserts that a query finds nothing, corrected or not.
    async fn finds_nothing(&self, q: &str) {
        let found = self.search(q).await;
        assert_eq!(
            (found.titles.len(), &found.corrected),
            (0, &None),
            "{q} finds {found:?}"
        );
    }
}
