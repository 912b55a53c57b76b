//! The reference: movies and users in memory, and which movies a search finds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::vocabulary::*;
use crate::support::Caller;

/// A movie of the reference.
#[derive(Clone, Debug)]
pub(super) struct Movie {
    pub(super) text: MovieText,
    pub(super) owner: u64,
    /// The ids of the users who have it as a favorite.
    pub(super) favorites: BTreeSet<u64>,
    pub(super) created_at: String,
    pub(super) updated_at: String,
}

impl Movie {
    /// Returns the movie as the API shows it to `caller`. 0 is an anonymous caller.
    pub(super) fn body(&self, id: u64, caller: u64) -> Value {
        json!({
            "id": id,
            "title": self.text.title.written,
            "description": self.text.description.trim(),
            "release_date": self.text.date,
            "director": self.text.director.written,
            "genre": shown_genres(&self.text.genres),
            "imdb_id": self.text.imdb_id,
            "cover_image": null,
            "favorite": self.favorites.contains(&caller),
            "favorite_count": self.favorites.len(),
            "user": self.owner,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        })
    }

    pub(super) fn identities(&self) -> BTreeSet<&'static str> {
        self.text.genres.iter().map(|genre| genre.1).collect()
    }

    /// Returns the rank of this movie in the results of a search, or `None` if the search does not find it. Lower ranks
    /// come first.
    pub(super) fn rank(&self, q: &[String]) -> Option<u32> {
        let has = |words: &[String], q: &String| words.iter().any(|word| satisfies(word, q));
        let (title, director) = (&self.text.title.words, &self.text.director.words);
        let genres = self.text.genres.iter().flat_map(|genre| genre.1.split(' '));
        let genres: Vec<String> = genres.map(str::to_owned).collect();
        if q.is_empty()
            || !q
                .iter()
                .all(|q| has(title, q) || has(director, q) || has(&genres, q))
        {
            return None;
        }
        if title == q {
            return Some(0);
        }
        if title_begins_with(title, q) {
            return Some(1);
        }
        match q {
            [q] if has(title, q) => Some(2),
            [q] if has(director, q) => Some(3),
            // For several words, no order beyond this is documented.
            _ => Some(4),
        }
    }
}

/// Returns whether a word matches a word of a query: as a prefix, or exactly if the query's word has one or two
/// characters.
pub(super) fn satisfies(word: &str, q: &str) -> bool {
    if q.chars().count() <= 2 {
        word == q
    } else {
        word.starts_with(q)
    }
}

/// Returns whether the title begins with these words. The last one may be a prefix, as in [`satisfies`].
pub(super) fn title_begins_with(title: &[String], q: &[String]) -> bool {
    let last = q.len() - 1;
    title.len() > last && title[..last] == q[..last] && satisfies(&title[last], &q[last])
}

/// Returns genres as a movie shows them: as they were written, without duplicates.
pub(super) fn shown_genres(genres: &[GenreName]) -> String {
    let mut seen = BTreeSet::new();
    let once: Vec<_> = genres
        .iter()
        .filter(|genre| seen.insert(genre.1))
        .map(|genre| genre.0)
        .collect();
    once.join(", ")
}

/// A user of the reference.
pub(super) struct User {
    pub(super) caller: Caller,
    pub(super) body: Value,
    /// The user's favorites. The latest is last.
    pub(super) favorites: Vec<u64>,
}
