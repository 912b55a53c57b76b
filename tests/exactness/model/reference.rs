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
        let number = |words: &[String]| words.iter().map(|word| number(word)).collect::<Vec<_>>();
        let (title, director) = (
            &number(&self.text.title.words),
            &number(&self.text.director.words),
        );
        let written = q;
        let q = &number(q)[..];
        let genres = self.text.genres.iter().flat_map(|genre| genre.1.split(' '));
        let genres: Vec<String> = genres.map(str::to_owned).collect();
        if q.is_empty()
            || !q
                .iter()
                .zip(written)
                .all(|(q, written)| has(title, q) || has(director, q) || has(&genres, written))
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

/// Returns the digits of a numeral, and any other word as it is. The letters of the vocabulary make no numerals but these.
fn number(word: &str) -> String {
    match word {
        "ii" => "2",
        "iii" => "3",
        "x" => "10",
        "ix" => "9",
        "xi" => "11",
        "xii" => "12",
        "xiii" => "13",
        "xix" => "19",
        "xx" => "20",
        word => word,
    }
    .to_owned()
}

/// Whether a character is of a script without spaces, among those of the vocabulary.
fn has_no_spaces(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{e7f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// Returns whether a word matches a word of a query: as a prefix, or exactly if the query's word has one or two
/// characters; anywhere, if the query's word begins with two characters of scripts without spaces.
pub(super) fn satisfies(word: &str, q: &str) -> bool {
    let begins_with_run = q.chars().take(2).filter(|c| has_no_spaces(*c)).count() == 2;
    if begins_with_run {
        word.contains(q)
    } else if q.chars().count() <= 2 {
        word == q
    } else {
        word.starts_with(q)
    }
}

/// Returns whether the title begins with these words. The last one may be a prefix, as in [`satisfies`].
pub(super) fn title_begins_with(title: &[String], q: &[String]) -> bool {
    let last = q.len() - 1;
    let is_begun = |word: &str, q: &str| word.starts_with(q) && satisfies(word, q);
    title.len() > last && title[..last] == q[..last] && is_begun(&title[last], &q[last])
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
