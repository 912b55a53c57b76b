//! The rows by which a film is found: what it is searchable by, and its genres.
//!
//! A film has, under the first three characters of the word in question,
//!
//! | kind | partition | sort key | one for |
//! |---|---|---|---|
//! | 0 | `WORD#<title's first word>` | `0#<whole title>#<id>` | the title, and its first word |
//! | 1 | `WORD#<word>` | `1#<word>#<id>` | each other word of the title |
//! | 2 | `WORD#<word>` | `2#<word>#<id>` | each word of the director that the title hasn't |
//! | 3 | `GENRE#<genre>` | `<genre>#<id>` | each genre: the membership, and its first word |
//! | 3 | `GENRE#<word>` | `<word>+#<id>` | each further word of a genre that nothing above has |
//!
//! so one Query finds all films with a word that begins in a given way, title matches before director matches before
//! genre matches, exact titles first. Each row carries the film's normalised words, so that further words of a search
//! are checked without another read, and the one row that stands for the film in a search is known without another
//! read too.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    db::keys::{self, END, Key, WORD_SEPARATOR, id_text},
    domain::{Film, MovieId, text},
};

/// A word stands in a key by its first characters: a sort key holds 1,024 bytes (AWS: DynamoDB quotas).
const MAX_WORD_CHARS: usize = 64;
/// Likewise a title.
const MAX_TITLE_CHARS: usize = 240;
/// Marks the row of a genre's further word; sorts between [`END`] and [`WORD_SEPARATOR`], so that one range holds all
/// rows of a whole word, and none of a genre's own rows.
const FURTHER: char = '+';
/// After every key that continues a word, before every key that continues it with a letter: [`WORD_SEPARATOR`] + 1.
const AFTER_WORD: char = '.';
/// After every text: the last code point.
const AFTER_ALL: char = '\u{10FFFF}';

/// How many kinds of rows there are.
pub const KINDS: usize = 4;

/// A film's normalised words, by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The title's words, in order.
    pub title: Vec<String>,
    /// The director's.
    pub director: Vec<String>,
    /// Each genre's.
    pub genres: Vec<Vec<String>>,
}

/// A row by which a film is found, without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexItem {
    /// The film's words: `title|director|genre,genre`.
    pub text: String,
    /// On a genre membership: the genre's partition of the index by date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dated: Option<String>,
    /// On a genre membership: the film's place in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

impl Words {
    /// The words of `film`.
    #[must_use]
    pub fn of(film: &Film) -> Self {
        Self {
            title: text::words(film.title.as_str()),
            director: text::words(film.director.as_str()),
            genres: film.genres.iter().map(|g| g.words().to_vec()).collect(),
        }
    }

    /// The words as a row carries them.
    #[must_use]
    pub fn encode(&self) -> String {
        let genres: Vec<String> = self.genres.iter().map(|g| g.join(" ")).collect();
        format!(
            "{}|{}|{}",
            self.title.join(" "),
            self.director.join(" "),
            genres.join(",")
        )
    }

    /// The words a row carries.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let split = |words: &str| {
            words
                .split(' ')
                .filter(|w| !w.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let mut fields = text.splitn(3, '|');
        Some(Self {
            title: split(fields.next()?),
            director: split(fields.next()?),
            genres: fields.next()?.split(',').map(split).collect(),
        })
    }

    /// Whether some word of the film satisfies `word` of a search.
    #[must_use]
    pub fn have(&self, word: &str) -> bool {
        let genres = self.genres.iter().flatten();
        self.title
            .iter()
            .chain(&self.director)
            .chain(genres)
            .any(|own| satisfies(own, word))
    }

    /// Whether the title begins with these words of a search, the last of which may be unfinished.
    #[must_use]
    pub fn title_begins(&self, words: &[String]) -> bool {
        let Some((last, whole)) = words.split_last() else {
            return false;
        };
        self.title.starts_with(whole)
            && self
                .title
                .get(whole.len())
                .is_some_and(|own| satisfies(own, last))
    }

    /// The keys of all rows of film `id`.
    #[must_use]
    pub fn keys(&self, id: MovieId) -> BTreeSet<Key> {
        let mut rows = BTreeSet::new();
        let tail = format!("{END}{}", id_text(id.get()));
        let has_title = |word: &String| self.title.contains(word);
        if let Some(first) = self.title.first() {
            let title = start(&self.title.join(&WORD_SEPARATOR.to_string()), MAX_TITLE_CHARS).to_owned();
            rows.insert(Key::new(
                keys::word_partition(first),
                format!("0{END}{title}{tail}"),
            ));
            for word in self.title.iter().filter(|w| *w != first) {
                rows.insert(word_key(1, word, &tail));
            }
        }
        for word in self.director.iter().filter(|w| !has_title(w)) {
            rows.insert(word_key(2, word, &tail));
        }
        for genre in &self.genres {
            let Some((first, further)) = genre.split_first() else {
                continue;
            };
            let identity = genre.join(&WORD_SEPARATOR.to_string());
            rows.insert(Key::new(
                keys::genre_partition(first),
                format!("{identity}{tail}"),
            ));
            for word in further {
                let begins_another = self.genres.iter().any(|g| g.first() == Some(word));
                if !has_title(word) && !self.director.contains(word) && !begins_another {
                    let word = start(word, MAX_WORD_CHARS);
                    let sk = format!("{word}{FURTHER}{tail}");
                    rows.insert(Key::new(keys::genre_partition(word), sk));
                }
            }
        }
        rows
    }
}

fn word_key(kind: u8, word: &str, tail: &str) -> Key {
    let word = start(word, MAX_WORD_CHARS);
    Key::new(keys::word_partition(word), format!("{kind}{END}{word}{tail}"))
}

/// Whether a film's word satisfies a word of a search: it begins with it; one of one or two characters it must equal.
#[must_use]
pub fn satisfies(own: &str, word: &str) -> bool {
    if is_short(word) {
        own == word
    } else {
        own.starts_with(word)
    }
}

/// Whether a word of a search must be a whole word.
#[must_use]
pub fn is_short(word: &str) -> bool {
    word.chars().nth(2).is_none()
}

fn start(text: &str, chars: usize) -> &str {
    text.char_indices()
        .nth(chars)
        .map_or(text, |(end, _)| &text[..end])
}

/// A film's rows, each with its key.
#[must_use]
pub fn rows(film: &Film, id: MovieId) -> BTreeMap<Key, IndexItem> {
    let words = Words::of(film);
    let text = words.encode();
    let date = keys::dated(&film.release_date.to_string(), id);
    let mut rows: BTreeMap<Key, IndexItem> = words
        .keys(id)
        .into_iter()
        .map(|key| {
            let text = text.clone();
            (
                key,
                IndexItem {
                    text,
                    dated: None,
                    date: None,
                },
            )
        })
        .collect();
    for genre in film.genres.iter() {
        let key = membership(&genre.identity(), id);
        if let Some(row) = rows.get_mut(&key) {
            row.dated = Some(keys::genre_dated(&genre.identity()));
            row.date = Some(date.clone());
        }
    }
    rows
}

/// The key of a film's membership in a genre.
#[must_use]
pub fn membership(identity: &str, id: MovieId) -> Key {
    let (low, _) = members(identity);
    Key::new(genre_members(identity), format!("{low}{}", id_text(id.get())))
}

/// The partition in which a genre's members are.
#[must_use]
pub fn genre_members(identity: &str) -> String {
    let first = identity.split(WORD_SEPARATOR).next().unwrap_or_default();
    keys::genre_partition(first)
}

/// The first and the last possible sort key of a genre's members.
#[must_use]
pub fn members(identity: &str) -> (String, String) {
    (format!("{identity}{END}"), format!("{identity}{END}{AFTER_ALL}"))
}

/// A range of rows of one kind, in which the films that satisfy a word, or whose title begins with several, stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordRange {
    /// The partition.
    pub pk: String,
    /// The first sort key, inclusive.
    pub low: String,
    /// The last sort key, inclusive.
    pub high: String,
}

impl WordRange {
    /// Titles that begin with these words, the last of which may be unfinished.
    #[must_use]
    pub fn titles(words: &[String]) -> Self {
        let first = words.first().map(String::as_str).unwrap_or_default();
        let last = words.last().map(String::as_str).unwrap_or_default();
        let title = words.join(&WORD_SEPARATOR.to_string());
        let title = start(&title, MAX_TITLE_CHARS);
        Self::new(keys::word_partition(first), &format!("0{END}{title}"), last)
    }

    /// The rows of each kind with a word that satisfies `word`.
    #[must_use]
    pub fn of_word(word: &str) -> [Self; KINDS] {
        let key = start(word, MAX_WORD_CHARS);
        let words = keys::word_partition(word);
        [
            Self::new(words.clone(), &format!("0{END}{key}"), word),
            Self::new(words.clone(), &format!("1{END}{key}"), word),
            Self::new(words, &format!("2{END}{key}"), word),
            Self::new(keys::genre_partition(word), key, word),
        ]
    }

    fn new(pk: String, prefix: &str, last: &str) -> Self {
        let (low, high) = if is_short(last) {
            (format!("{prefix}{END}"), format!("{prefix}{AFTER_WORD}"))
        } else {
            (prefix.to_owned(), format!("{prefix}{AFTER_ALL}"))
        };
        Self { pk, low, high }
    }

    /// Whether the range holds this key.
    #[must_use]
    pub fn holds(&self, key: &Key) -> bool {
        self.pk == key.pk && self.low <= key.sk && key.sk <= self.high
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::{Description, Director, Genres, ReleaseDate, Title};

    fn film(title: &str, director: &str, genre: &str) -> Film {
        Film {
            title: Title::parse(title).unwrap(),
            description: Description::parse("x").unwrap(),
            release_date: ReleaseDate::parse("1972-03-24").unwrap(),
            director: Director::parse(director).unwrap(),
            genres: Genres::parse(genre).unwrap(),
            cover_image: None,
        }
    }

    fn id() -> MovieId {
        MovieId::try_from(7).unwrap()
    }

    #[test]
    fn a_film_has_one_row_for_each_word_and_genre() {
        let film = film("The Sci of the Kid", "Kid Ory", "Sci-Fi, Drama");
        let keys: Vec<String> = rows(&film, id())
            .into_keys()
            .map(|k| format!("{} {}", k.pk, k.sk.replace("#0000000000000007", "")))
            .collect();
        assert_eq!(
            keys,
            [
                "GENRE#dra drama",
                "GENRE#fi fi+",
                "GENRE#sci sci-fi",
                "WORD#kid 1#kid",
                "WORD#of 1#of",
                "WORD#ory 2#ory",
                "WORD#sci 1#sci",
                "WORD#the 0#the-sci-of-the-kid",
            ]
        );
    }

    #[test]
    fn words_survive_their_encoding() {
        for (title, director, genre) in [("The Kid", "A B", "Sci-Fi, Drama"), ("…", "?", "x")] {
            let words = Words::of(&film(title, director, genre));
            assert_eq!(Words::decode(&words.encode()).unwrap(), words);
        }
    }

    #[test]
    fn a_words_ranges_hold_its_rows_and_no_others() {
        let words = Words::of(&film("Fi Fiddler", "Fiona", "Sci-Fi, Fi, Film Noir"));
        let found = |word: &str| -> Vec<String> {
            let ranges = WordRange::of_word(word);
            let keys = words.keys(id());
            keys.into_iter()
                .filter(|key| ranges.iter().any(|range| range.holds(key)))
                .map(|key| key.sk.replace("#0000000000000007", ""))
                .collect()
        };
        assert_eq!(found("fi"), ["fi", "0#fi-fiddler"]);
        assert_eq!(found("fid"), ["1#fiddler"]);
        assert_eq!(found("fil"), ["film-noir"]);
        assert_eq!(found("noi"), ["noir+"]);
        assert_eq!(found("fio"), ["2#fiona"]);
        assert_eq!(found("f"), Vec::<String>::new());
    }

    #[test]
    fn the_worst_edit_fits_one_transaction() {
        // Thirty words, the nine genres among them, all changed by the edit.
        let words = |tag: &str| (0..30).map(|n| format!("{tag}{n}")).collect::<Vec<_>>();
        let row_count = |tag: &str| {
            let all = words(tag);
            let film = film(&all[..20].join(" "), &all[20..].join(" "), &all[11..20].join(","));
            rows(&film.check().unwrap(), id()).len()
        };
        let genre_rows = 9;
        // The film, the caller's mark, and the count of genres.
        let others = 3;
        let actions = row_count("a") + row_count("b") + 2 * genre_rows + others;
        assert!(actions <= crate::db::store::TRANSACTION, "{actions}");
    }

    #[test]
    fn a_key_of_the_longest_text_fits() {
        // An Arabic ligature that spells out into eighteen characters of two bytes.
        let film = film(&"\u{fdfa}".repeat(40), &"𝔛".repeat(200), "x");
        for key in rows(&film, id()).into_keys() {
            assert!(key.sk.len() <= 1024 && key.pk.len() <= 2048, "{}", key.sk.len());
        }
    }
}
