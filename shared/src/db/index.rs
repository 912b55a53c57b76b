//! The postings by which a movie is found: what it is searchable by, and its genres.
//!
//! A movie has, under the first three characters of the word in question,
//!
//! | kind | partition | sort key | one for |
//! |---|---|---|---|
//! | 0 | `WORD#<title's first word>` | `0#<whole title>#<id>` | the title, and its first word |
//! | 1 | `WORD#<word>` | `1#<word>#<id>` | each other word of the title |
//! | 2 | `WORD#<word>` | `2#<word>#<id>` | each word of the director that the title hasn't |
//! | 3 | `GENRE#<genre>` | `<genre>#<id>` | each genre: the membership, and its first word |
//! | 3 | `GENRE#<word>` | `<word>+#<id>` | each further word of a genre that nothing above has |
//!
//! so one Query finds all movies with a word that begins in a given way, title matches before director matches before
//! genre matches, exact titles first. Each posting carries the movie's normalized words, as far as they
//! [fit](crate::db::carried), so that further words of a search are checked without another read, and the one posting that
//! stands for the movie in a search is known without another read too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    db::{
        carried::Encoder,
        keys::{self, END, Key, WORD_SEPARATOR, id_text},
        range::{AFTER_ALL, KeyRange},
    },
    domain::{Genre, MovieFields, MovieId, text},
};

/// A word stands in a key by its first characters, and as many bytes: a posting has a [largest size](POSTING_BYTES).
const MAX_WORD_CHARS: usize = 64;
const MAX_WORD_BYTES: usize = 128;
/// Likewise a title, which holds no more characters than bytes.
const MAX_TITLE_BYTES: usize = 240;
/// Marks the posting of a genre's further word; sorts between [`END`] and [`WORD_SEPARATOR`], so that one range holds all
/// postings of a whole word, and none of a genre's own postings.
const FURTHER: char = '+';
/// After every key that continues a word, before every key that continues it with a letter: [`WORD_SEPARATOR`] + 1.
const AFTER_WORD: char = '.';

/// How many kinds of postings there are.
pub const KINDS: usize = 4;

/// The largest size of a new posting of each kind, in bytes: names, keys and texts, as DynamoDB counts them. What a posting carries
/// of the movie's words is what its keys leave. The ceiling of a search is counted out by it ([`crate::db::search`]), and
/// below 1 KB a posting costs one write unit.
pub const POSTING_BYTES: [usize; KINDS] = [292, 204, 204, 341];

/// A movie's normalized words, by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The title's words, in order.
    pub title: Vec<String>,
    /// The director's.
    pub director: Vec<String>,
    /// Each genre's.
    pub genres: Vec<Vec<String>>,
}

/// A posting by which a movie is found, without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostingItem {
    /// The movie's words, as far as they [fit](crate::db::carried).
    pub text: String,
    /// On a genre membership: the genre's partition of the index by date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dated: Option<String>,
    /// On a genre membership: the movie's place in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

impl PostingItem {
    /// What the posting weighs at this key, in bytes: names and texts (AWS: DynamoDB item sizes).
    #[must_use]
    pub fn size(&self, key: &Key) -> usize {
        let optional = |name: &str, text: &Option<String>| text.as_ref().map_or(0, |t| name.len() + t.len());
        let keys = keys::PK.len() + key.pk.len() + keys::SK.len() + key.sk.len();
        let text = "text".len() + self.text.len();
        keys + text + optional(keys::BY_DATE.pk, &self.dated) + optional(keys::BY_DATE.sk, &self.date)
    }
}

impl Words {
    /// The words of `movie`.
    #[must_use]
    pub fn of(fields: &MovieFields) -> Self {
        Self {
            title: text::words(fields.title.as_str()),
            director: text::words(fields.director.as_str()),
            genres: fields.genres.iter().map(|g| g.words().to_vec()).collect(),
        }
    }

    /// The words as a posting carries them.
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

    /// The words a posting carries.
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

    /// Whether some word of the movie satisfies `word` of a search.
    #[must_use]
    pub fn contain(&self, word: &str) -> bool {
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

    /// The keys of all postings of movie `id`.
    #[must_use]
    pub fn keys(&self, id: MovieId) -> BTreeSet<Key> {
        self.keys_with_words(id).into_keys().collect()
    }

    /// The keys of all postings of movie `id`, each with the word that it stands for.
    fn keys_with_words(&self, id: MovieId) -> BTreeMap<Key, &str> {
        let mut postings = BTreeMap::new();
        let tail = format!("{END}{}", id_text(id.get()));
        let has_title = |word: &String| self.title.contains(word);
        if let Some(first) = self.title.first() {
            let title = joined(&self.title);
            let sk = format!("0{END}{}{tail}", title_start(&title));
            postings.insert(Key::new(keys::word_partition(first), sk), first.as_str());
            for word in self.title.iter().filter(|w| *w != first) {
                postings.insert(word_key(1, word, &tail), word);
            }
        }
        for word in self.director.iter().filter(|w| !has_title(w)) {
            postings.insert(word_key(2, word, &tail), word);
        }
        for genre in &self.genres {
            let Some((first, further)) = genre.split_first() else {
                continue;
            };
            let identity = joined(genre);
            let sk = format!("{identity}{tail}");
            postings.insert(Key::new(keys::genre_partition(first), sk), first);
            for word in further {
                let begins_another = self.genres.iter().any(|g| g.first() == Some(word));
                if !has_title(word) && !self.director.contains(word) && !begins_another {
                    let sk = format!("{}{FURTHER}{tail}", word_start(word));
                    postings.insert(Key::new(keys::genre_partition(word), sk), word);
                }
            }
        }
        postings
    }
}

fn word_key(kind: u8, word: &str, tail: &str) -> Key {
    let word = word_start(word);
    Key::new(keys::word_partition(word), format!("{kind}{END}{word}{tail}"))
}

/// Whether a movie's word satisfies a word of a search: it begins with it; one of one or two characters it must equal.
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

fn joined(words: &[String]) -> String {
    words.join(&WORD_SEPARATOR.to_string())
}

/// A word as it stands in a key.
fn word_start(word: &str) -> &str {
    let chars = word.char_indices().nth(MAX_WORD_CHARS);
    let end = chars.map_or(word.len(), |(end, _)| end).min(MAX_WORD_BYTES);
    &word[..word.floor_char_boundary(end)]
}

/// A title's joined words as they stand in a key.
fn title_start(title: &str) -> &str {
    &title[..title.floor_char_boundary(MAX_TITLE_BYTES)]
}

/// How many characters two words share from the first on.
fn shared(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
}

/// Which kind of posting has this key.
fn kind(key: &Key) -> usize {
    match key.sk.as_bytes() {
        _ if key.pk.starts_with("GENRE") => 3,
        [kind @ b'0'..=b'2', ..] => usize::from(kind - b'0'),
        _ => 3,
    }
}

/// A movie's postings, each with its key.
#[must_use]
pub fn postings(fields: &MovieFields, id: MovieId) -> BTreeMap<Key, PostingItem> {
    let words = Words::of(fields);
    let date = keys::dated(&fields.release_date.to_string(), id);
    let identities = fields.genres.iter().map(Genre::identity);
    let mut dated: HashMap<Key, String> = identities
        .map(|identity| (membership(&identity, id), keys::genre_dated(&identity)))
        .collect();
    let encoder = Encoder::new(&words);
    let all = words.keys_with_words(id);
    // The walk along a word goes by kind, and then by sort key.
    let place = |key: &Key| (kind(key), key.sk.clone());
    let shared_with_earlier = |key: &Key, word: &str| {
        let before = all.iter().filter(|(other, _)| place(other) < place(key));
        before
            .map(|(_, other)| shared(word, other))
            .max()
            .unwrap_or_default()
    };
    let posting = |(key, word): (&Key, &&str)| {
        let key = key.clone();
        let dated = dated.remove(&key);
        let mut posting = PostingItem {
            text: String::new(),
            date: dated.is_some().then(|| date.clone()),
            dated,
        };
        let most = POSTING_BYTES.get(kind(&key)).copied().unwrap_or_default();
        let room = most.saturating_sub(posting.size(&key));
        posting.text = encoder.encode(room, || shared_with_earlier(&key, word));
        (key, posting)
    };
    all.iter().map(posting).collect()
}

/// The key of a movie's membership in a genre.
#[must_use]
pub fn membership(identity: &str, id: MovieId) -> Key {
    let sk = format!("{identity}{END}{}", id_text(id.get()));
    Key::new(genre_members(identity), sk)
}

/// The partition in which a genre's members are.
fn genre_members(identity: &str) -> String {
    let first = identity.split(WORD_SEPARATOR).next().unwrap_or_default();
    keys::genre_partition(first)
}

/// A genre's memberships, by the ids of its movies.
#[must_use]
pub fn members(identity: &str) -> KeyRange {
    let low = format!("{identity}{END}");
    let high = format!("{low}{AFTER_ALL}");
    KeyRange::between(genre_members(identity), low, high)
}

/// The title postings of titles that begin with these words, the last of which may be unfinished.
#[must_use]
pub fn title_range(words: &[String]) -> KeyRange {
    let first = words.first().map(String::as_str).unwrap_or_default();
    let last = words.last().map(String::as_str).unwrap_or_default();
    let title = joined(words);
    let title = title_start(&title);
    range(keys::word_partition(first), &format!("0{END}{title}"), last)
}

/// The title postings of all movies whose normalized title is that of `fields`. `None` if the title has no words, and
/// therefore no title posting.
#[must_use]
pub fn title_postings(fields: &MovieFields) -> Option<KeyRange> {
    let words = text::words(fields.title.as_str());
    let title = joined(&words);
    let low = format!("0{END}{}{END}", title_start(&title));
    let high = format!("{low}{AFTER_ALL}");
    Some(KeyRange::between(keys::word_partition(words.first()?), low, high))
}

/// Whether the titles in the range of these words all begin with them: words that don't fit into a key, other titles
/// may share as far as the key goes. A short last word must be a whole word, so the key must have room for the
/// character after it.
#[must_use]
pub fn title_is_decided_by_key(words: &[String]) -> bool {
    let room = if words.last().is_some_and(|word| is_short(word)) {
        char::MAX.len_utf8()
    } else {
        0
    };
    joined(words).len() + room <= MAX_TITLE_BYTES
}

/// Whether every posting in the ranges of this word has a word that satisfies it: one that doesn't fit into a key, others
/// may share as far as the key goes.
#[must_use]
pub fn word_is_decided_by_key(word: &str) -> bool {
    word_start(word) == word
}

/// The postings of each kind with a word that satisfies `word`.
#[must_use]
pub fn word_ranges(word: &str) -> [KeyRange; KINDS] {
    let key = word_start(word);
    let words = keys::word_partition(word);
    [
        range(words.clone(), &format!("0{END}{key}"), word),
        range(words.clone(), &format!("1{END}{key}"), word),
        range(words, &format!("2{END}{key}"), word),
        range(keys::genre_partition(word), key, word),
    ]
}

fn range(pk: String, prefix: &str, last: &str) -> KeyRange {
    if is_short(last) {
        KeyRange::between(pk, format!("{prefix}{END}"), format!("{prefix}{AFTER_WORD}"))
    } else {
        KeyRange::between(pk, prefix, format!("{prefix}{AFTER_ALL}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::{Description, Director, Genres, ReleaseDate, Title};

    fn fields(title: &str, director: &str, genre: &str) -> MovieFields {
        MovieFields {
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
    fn a_movie_has_one_posting_for_each_word_and_genre() {
        let fields = fields("The Sci of the Kid", "Kid Ory", "Sci-Fi, Drama");
        let keys: Vec<String> = postings(&fields, id())
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
            let words = Words::of(&fields(title, director, genre));
            assert_eq!(Words::decode(&words.encode()).unwrap(), words);
        }
    }

    #[test]
    fn a_words_ranges_hold_its_postings_and_no_others() {
        let words = Words::of(&fields("Fi Fiddler", "Fiona", "Sci-Fi, Fi, Film Noir"));
        let found = |word: &str| -> Vec<String> {
            let ranges = word_ranges(word);
            let keys = words.keys(id());
            keys.into_iter()
                .filter(|key| ranges.iter().any(|range| range.contains(key)))
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

    /// Guarantee 42.
    #[test]
    fn the_worst_edit_fits_one_transaction() {
        // Thirty words, the nine genres among them, all changed by the edit.
        let words = |tag: &str| (0..30).map(|n| format!("{tag}{n}")).collect::<Vec<_>>();
        let posting_count = |tag: &str| {
            let all = words(tag);
            let fields = fields(&all[..20].join(" "), &all[20..].join(" "), &all[11..20].join(","));
            postings(&fields.check().unwrap(), id()).len()
        };
        let genre_postings = 9;
        // The movie, the caller's favorite, and the count of genres.
        let others = 3;
        let actions = posting_count("a") + posting_count("b") + 2 * genre_postings + others;
        assert!(actions <= crate::db::store::TRANSACTION, "{actions}");
    }

    /// Movies whose texts weigh most: one long word, many words, in one byte to four, and characters that spell out.
    fn heavy() -> Vec<MovieFields> {
        let letters = [
            "x",
            "Ж",
            "ก",
            "한",
            "\u{10400}",
            "\u{fdfa}",
            "ﬃ",
            "㌖",
            "ß",
            "😀a",
        ];
        let mut movies = Vec::new();
        for letter in letters {
            let repeated = |chars: usize| letter.chars().cycle().take(chars).collect::<String>();
            let genre = repeated(40);
            let genre = Genres::parse(&genre).map_or("x".repeat(40), |_| genre);
            movies.push(fields(&repeated(200), &repeated(200), &genre));
            let words = |count: usize, chars: usize, tag: &str| {
                let words = (0..count).map(|n| format!("{tag}{n}{}", repeated(chars)));
                words.collect::<Vec<_>>().join(" ")
            };
            let genres = words(4, 10, "g").replace(' ', ",");
            let genres = Genres::parse(&genres).map_or("x".repeat(40), |_| genres);
            movies.push(fields(&words(7, 20, "t"), &words(7, 20, "d"), &genres));
        }
        // Titles of as many bytes as a key holds, and one more or less.
        movies.extend([239, 240, 241, 242].map(|bytes| {
            fields(
                &format!("{}{}", "x".repeat(bytes % 4), "\u{10400}".repeat(bytes / 4)),
                "a",
                "b",
            )
        }));
        movies.into_iter().map(|fields| fields.check().unwrap()).collect()
    }

    #[test]
    fn no_posting_of_any_text_is_larger_than_its_kind_may_be() {
        for fields in heavy() {
            for (key, posting) in postings(&fields, id()) {
                assert!(
                    posting.size(&key) <= POSTING_BYTES[kind(&key)],
                    "{key:?} {posting:?}"
                );
                assert!(key.sk.len() <= 1024 && key.pk.len() <= 2048, "{key:?}");
                assert!(posting.size(&key) < 1024);
            }
        }
    }

    #[test]
    fn a_posting_is_of_the_kind_that_its_key_says() {
        let fields = fields("0 1 2", "3", "Sci-Fi, 1 x");
        let kinds: Vec<usize> = postings(&fields, id()).keys().map(kind).collect();
        assert_eq!(kinds, [3, 3, 3, 3, 0, 1, 1, 2]);
    }

    #[test]
    fn nearly_every_posting_of_ordinary_texts_carries_all_of_them() {
        let fields = fields(
            "Birdman or (The Unexpected Virtue of Ignorance)",
            "Alejandro González Iñárritu",
            "Comedy, Drama, International Movies",
        );
        for posting in postings(&fields, id()).values() {
            assert_eq!(posting.text, Words::of(&fields).encode());
        }
    }
}
