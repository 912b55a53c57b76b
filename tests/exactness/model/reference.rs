//! The reference: movies and users in memory, and which movies a search finds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::vocabulary::*;
use crate::support::{
    Caller,
    typing::{errors_allowed, errors_between},
};

/// A movie of the reference.
#[derive(Clone, Debug)]
pub(super) struct Movie {
    pub(super) text: MovieText,
    /// `None` if the owner's account was deleted.
    pub(super) owner: Option<u64>,
    /// The ids of the users who have it as a favorite.
    pub(super) favorites: BTreeSet<u64>,
    pub(super) version: u64,
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
            "cover_thumbnail": null,
            "favorite": self.favorites.contains(&caller),
            "favorite_count": self.favorites.len(),
            "user": self.owner,
            "version": self.version,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        })
    }

    pub(super) fn identities(&self) -> BTreeSet<&'static str> {
        self.text.genres.iter().map(|genre| genre.1).collect()
    }

    /// The words of the title and of the director, written apart and closed up, and the words of the genres.
    pub(super) fn all_words(&self) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for compound in self
            .text
            .title
            .compounds
            .iter()
            .chain(&self.text.director.compounds)
        {
            words.extend(compound.iter().cloned());
            words.insert(compound.concat());
        }
        words.extend(self.genre_words());
        words
    }

    fn genre_words(&self) -> impl Iterator<Item = String> {
        let words = self.text.genres.iter().flat_map(|genre| genre.1.split(' '));
        words.map(str::to_owned)
    }

    /// Whether this movie has a word of a query. `other_words` is whether the query has others: then a year may be that of
    /// the release.
    pub(super) fn has(&self, term: &str, other_words: bool) -> bool {
        has(&self.text.title, term)
            || has(&self.text.director, term)
            || self.genre_words().any(|word| satisfies(&word, term))
            || (other_words && is_year(term) && self.text.date.starts_with(term))
    }

    /// Whether this movie has a word that begins with an unfinished one.
    pub(super) fn has_beginning(&self, start: &str) -> bool {
        let begins = |word: String| word.starts_with(start) || canonical(&word).starts_with(start);
        self.all_words().into_iter().any(begins) || self.text.date.starts_with(start)
    }

    /// Returns the rank of this movie in the results of a search, or `None` if the search does not find it. Lower ranks
    /// come first. Where two ranks are right, returns both: a title may be written in several ways at once.
    pub(super) fn rank(&self, q: &[String]) -> Option<(u32, u32)> {
        if q.is_empty() || !q.iter().all(|term| self.has(term, q.len() > 1)) {
            return None;
        }
        let apart = self.text.title.words.clone();
        let closed: Vec<String> = self.text.title.compounds.iter().map(|c| c.concat()).collect();
        let mut ranks = [apart, closed]
            .into_iter()
            .filter_map(|title| title_rank(&title, q));
        if let Some(first) = ranks.next() {
            let rank = ranks.next().map_or(first, |second| first.min(second));
            return Some((rank, rank));
        }
        let other = match q {
            [q] if has(&self.text.title, q) => 2,
            [q] if has(&self.text.director, q) => 3,
            // For several words, no order beyond this is documented.
            _ => 4,
        };
        let mixed = mixed_titles(&self.text.title.compounds);
        let least = mixed.iter().filter_map(|title| title_rank(title, q)).min();
        Some((least.unwrap_or(other), other))
    }
}

/// Returns the title with each of its compounds written apart or closed up.
fn mixed_titles(compounds: &[Vec<String>]) -> Vec<Vec<String>> {
    let mut titles = vec![Vec::new()];
    for compound in compounds {
        let closed: Vec<Vec<String>> = titles
            .iter()
            .map(|title| [&title[..], &[compound.concat()]].concat())
            .collect();
        let apart = titles.iter().map(|title| [&title[..], compound].concat());
        titles = apart.chain(closed).collect();
    }
    titles
}

/// 0 for the exact title, 1 for a title that begins with these words.
fn title_rank(title: &[String], q: &[String]) -> Option<u32> {
    if title.len() == q.len() && title.iter().zip(q).all(|(own, term)| is_same(own, term)) {
        Some(0)
    } else {
        title_begins_with(title, q).then_some(1)
    }
}

/// Whether a text has a word of a query, with its signs as spaces or closed up.
fn has(text: &Text, term: &str) -> bool {
    text.compounds.iter().any(|parts| {
        parts.iter().any(|word| matches(word, term)) || (parts.len() > 1 && satisfies(&parts.concat(), term))
    })
}

/// A word of a query matches a word of a title or name: as its beginning, as the same number, or, in a script without spaces,
/// as any part of it.
fn matches(word: &str, term: &str) -> bool {
    if canonical(term) != term {
        return is_same(word, term);
    }
    is_same(word, term) || satisfies(word, term)
}

/// Whether two words are the same, a Roman numeral being its number.
fn is_same(word: &str, other: &str) -> bool {
    canonical(word) == canonical(other)
}

/// Returns the digits of a Roman numeral from 2 to 20, and other words as they are.
pub(super) fn canonical(word: &str) -> &str {
    const NUMERALS: [(&str, &str); 19] = [
        ("ii", "2"),
        ("iii", "3"),
        ("iv", "4"),
        ("v", "5"),
        ("vi", "6"),
        ("vii", "7"),
        ("viii", "8"),
        ("ix", "9"),
        ("x", "10"),
        ("xi", "11"),
        ("xii", "12"),
        ("xiii", "13"),
        ("xiv", "14"),
        ("xv", "15"),
        ("xvi", "16"),
        ("xvii", "17"),
        ("xviii", "18"),
        ("xix", "19"),
        ("xx", "20"),
    ];
    let found = NUMERALS.iter().find(|(numeral, _)| *numeral == word);
    found.map_or(word, |(_, digits)| digits)
}

fn is_year(term: &str) -> bool {
    term.len() == 4 && term.bytes().all(|c| c.is_ascii_digit())
}

/// Whether two neighboring characters of this kind are found wherever they are: Han, kana, Hangul, Thai, Lao, Khmer, Burmese.
fn is_of_script_without_spaces(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}')
}

fn is_run(term: &str) -> bool {
    let mut letters = term.chars();
    let first = [letters.next(), letters.next()];
    first
        .into_iter()
        .all(|c| c.is_some_and(is_of_script_without_spaces))
}

/// Returns whether a word matches a word of a query: as a prefix, anywhere in a script without spaces, or exactly if the
/// query's word has one or two characters.
pub(super) fn satisfies(word: &str, term: &str) -> bool {
    if is_run(term) {
        word.contains(term)
    } else if term.chars().count() <= 2 {
        word == term
    } else {
        word.starts_with(term)
    }
}

/// Returns whether the title begins with these words. The last one may be a prefix, as in [`satisfies`].
fn title_begins_with(title: &[String], q: &[String]) -> bool {
    let Some((last, whole)) = q.split_last() else {
        return false;
    };
    let begins = |own: &String| is_same(own, last) || (matches(own, last) && own.starts_with(last.as_str()));
    title.len() > whole.len()
        && title.iter().zip(whole).all(|(own, term)| is_same(own, term))
        && begins(&title[whole.len()])
}

/// Whether what is typed can be a word of the catalog with typing errors.
pub(super) fn is_near(typed: &str, word: &str) -> bool {
    typed.chars().count() > 2 && errors_between(typed, word) <= errors_allowed(word)
}

/// Whether a word can be found with typing errors: it has four letters or more, not only digits, all of them Latin or none.
pub(super) fn is_correctable(word: &str) -> bool {
    (4..=24).contains(&word.chars().count())
        && word.chars().any(|c| !c.is_ascii_digit())
        && (word.is_ascii() || word.chars().all(|c| !c.is_ascii()))
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
    pub(super) password: &'static str,
    /// How often the user sent a wrong password.
    pub(super) wrong: usize,
    /// The user's sessions, the latest last.
    pub(super) sessions: Vec<Session>,
    /// The last refresh tokens of the sessions that have ended.
    pub(super) ended: Vec<String>,
}

/// A session that has not ended.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) id: String,
    /// Its newest refresh token.
    pub(super) refresh: String,
}

impl User {
    /// Ends all sessions but that of the access token, which may have ended before.
    pub(super) fn end_all_but_current(&mut self) {
        let current = self.caller.session();
        let (kept, ended) = std::mem::take(&mut self.sessions)
            .into_iter()
            .partition(|session| Some(&session.id) == current.as_ref());
        self.sessions = kept;
        let ended: Vec<Session> = ended;
        self.ended
            .extend(ended.into_iter().map(|session| session.refresh));
    }
}
