//! The postings of a movie: the items by which search and genre lists find it.
//!
//! A movie has these postings. Their order is that of a search's results:
//!
//! | kind | one for |
//! |---|---|
//! | title | the title, which is also the posting of its first word |
//! | title word | each other word of the title |
//! | director word | each word of the director that isn't in the title |
//! | genre | each genre: the membership, which is also the posting of its first word |
//! | genre | each other word of a genre, unless the word is in the title or the director or begins a genre |
//!
//! A posting is stored under the first three characters of its word ([`posting_keys`] has the
//! keys). So one Query per kind finds every movie that has a word with a given prefix. For example, *Blade Runner* by
//! Ridley Scott, of the genres Sci-Fi and Film Noir, with id 1:
//!
//! ```text
//! WORD#bla   0#blade-runner#0000000000000001
//! WORD#run   1#runner#0000000000000001
//! WORD#rid   2#ridley#0000000000000001
//! WORD#sco   2#scott#0000000000000001
//! GENRE#sci  sci-fi#0000000000000001
//! GENRE#fi   fi+#0000000000000001
//! GENRE#fil  film-noir#0000000000000001
//! GENRE#noi  noir+#0000000000000001
//! ```
//!
//! Each posting carries the movie's words, as far as they [fit](crate::db::carried). So a search can check its other words,
//! and whether an earlier posting of the movie is in its walk, without reading the movie.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    db::{
        carried::Encoder,
        item::{Item, text},
        keys::{self, Key},
        posting_keys::{self, PostingKind},
        range::KeyRange,
        words::Words,
    },
    domain::{MovieFields, MovieId, genre::is_signs},
};

/// The largest size of a new posting of each [kind](PostingKind), in bytes: attribute names, keys and texts, as DynamoDB
/// counts them. The rest, without the names and the keys, is the room for the movie's words. A search relies on this size
/// to stay within its budget of read units ([`crate::db::search`]). Below 1 KB a posting costs one write unit.
pub const POSTING_BYTES: [usize; PostingKind::ALL.len()] = [292, 204, 204, 341];

/// A posting as stored, without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostingItem {
    /// The movie's words, as far as they [fit](crate::db::carried).
    pub text: String,
    /// The genre's partition in the index by date. Only genre memberships have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dated: Option<String>,
    /// The movie's sort key in that index. Only genre memberships have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

impl PostingItem {
    /// Whether lists read the posting: they have memberships in the order of a date.
    #[must_use]
    pub fn is_membership(&self) -> bool {
        self.date.is_some()
    }

    /// The item with this key. It is what [`to_item`](crate::db::item::to_item) makes, without its intermediate forms: an import
    /// makes ten of them for each movie.
    #[must_use]
    pub fn into_item(self, key: Key) -> Item {
        let mut item = Item::with_capacity(5);
        item.insert(keys::PK.into(), text(key.pk));
        item.insert(keys::SK.into(), text(key.sk));
        item.insert("text".into(), text(self.text));
        for (name, value) in [(keys::BY_DATE.pk, self.dated), (keys::BY_DATE.sk, self.date)] {
            if let Some(value) = value {
                item.insert(name.into(), text(value));
            }
        }
        item
    }

    /// The size of the item with this key, in bytes: names and values (AWS: DynamoDB item sizes).
    #[must_use]
    pub fn size(&self, key: &Key) -> usize {
        let optional = |name: &str, text: &Option<String>| text.as_ref().map_or(0, |t| name.len() + t.len());
        let keys = keys::PK.len() + key.pk.len() + keys::SK.len() + key.sk.len();
        let text = "text".len() + self.text.len();
        keys + text + optional(keys::BY_DATE.pk, &self.dated) + optional(keys::BY_DATE.sk, &self.date)
    }
}

/// The keys of all postings of the movie with these words, each with the word that the posting is for.
#[must_use]
pub fn keys_with_words(words: &Words, id: MovieId) -> BTreeMap<Key, &str> {
    let mut postings = BTreeMap::new();
    if let Some((first, title)) = words
        .title
        .first()
        .zip(posting_keys::title_posting(&words.title, id))
    {
        postings.insert(title, first.as_str());
        for word in words.title.iter().filter(|word| *word != first) {
            postings.insert(posting_keys::title_word_posting(word, id), word);
        }
    }
    for word in words.director.iter().filter(|word| !words.title.contains(word)) {
        postings.insert(posting_keys::director_word_posting(word, id), word);
    }
    let begins_a_genre = |word| words.genres.iter().any(|genre| genre.first() == Some(word));
    for genre in &words.genres {
        let Some((first, further)) = genre.split_first() else {
            continue;
        };
        let identity = posting_keys::joined(genre);
        postings.insert(posting_keys::genre_membership(&identity, id), first);
        for word in further.iter().filter(|part| !is_signs(part)) {
            if !words.title.contains(word) && !words.director.contains(word) && !begins_a_genre(word) {
                postings.insert(posting_keys::genre_word_posting(word, id), word);
            }
        }
    }
    postings
}

/// A movie's postings, by key.
#[must_use]
pub fn postings(fields: &MovieFields, id: MovieId) -> BTreeMap<Key, PostingItem> {
    let words = Words::of(fields);
    let date = keys::dated(&fields.release_date.to_string(), id);
    let mut dated: HashMap<Key, String> = words
        .genres
        .iter()
        .map(|genre| {
            let identity = posting_keys::joined(genre);
            let key = posting_keys::genre_membership(&identity, id);
            (key, keys::genre_dated(&identity))
        })
        .collect();
    let encoder = Encoder::new(&words);
    let all = keys_with_words(&words, id);
    let posting = |(key, word): (&Key, &&str)| {
        let dated = dated.remove(key);
        let mut posting = PostingItem {
            text: String::new(),
            date: dated.is_some().then(|| date.clone()),
            dated,
        };
        let largest = POSTING_BYTES[PostingKind::of(key).index()];
        let room = largest.saturating_sub(posting.size(key));
        posting.text = encoder.encode(room, || shared_with_earlier(&all, key, word));
        (key.clone(), posting)
    };
    all.iter().map(posting).collect()
}

/// Returns how many first characters `word` has in common with the word of a posting before `key`, among `all` postings of
/// a movie: with the word with which it has the most in common. Zero for the first posting.
fn shared_with_earlier(all: &BTreeMap<Key, &str>, key: &Key, word: &str) -> usize {
    // The order of a walk along a word: by kind, then by sort key.
    let place = |key: &Key| (PostingKind::of(key).index(), key.sk.clone());
    let shared = |other: &str| {
        word.chars()
            .zip(other.chars())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let earlier = all.iter().filter(|(other, _)| place(other) < place(key));
    earlier.map(|(_, other)| shared(other)).max().unwrap_or(0)
}

/// A genre's memberships, by the ids of their movies.
#[must_use]
pub fn members(identity: &str) -> KeyRange {
    let (low, high) = posting_keys::genre_membership_bounds(identity);
    KeyRange::between(posting_keys::genre_memberships(identity), low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{db::item::to_item, domain::Genres};

    fn fields(title: &str, director: &str, genre: &str) -> MovieFields {
        MovieFields::of_words(title, director, genre)
    }

    fn id() -> MovieId {
        MovieId::try_from(7).unwrap()
    }

    /// The keys of a movie's postings, each as its partition key and its sort key without the movie's id.
    fn short_keys(fields: &MovieFields) -> Vec<String> {
        postings(fields, id())
            .into_keys()
            .map(|k| format!("{} {}", k.pk, k.sk.replace("#0000000000000007", "")))
            .collect()
    }

    #[test]
    fn a_movie_has_one_posting_for_each_word_and_genre() {
        let fields = fields("The Sci of the Kid", "Kid Ory", "Sci-Fi, Drama");
        assert_eq!(
            short_keys(&fields),
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
    fn an_item_is_what_its_serialization_is() {
        for (key, posting) in postings(&fields("The Sci of the Kid", "Kid Ory", "Sci-Fi, Drama"), id()) {
            let mut item = to_item(&posting).unwrap();
            item.extend(key.attributes());
            assert_eq!(posting.into_item(key), item);
        }
    }

    #[test]
    fn the_signs_of_a_genre_have_no_posting_of_their_own() {
        let fields = fields("…", "?", "C, C++, F# Code+");
        assert_eq!(
            short_keys(&fields),
            [
                "GENRE#c c",
                "GENRE#c c-^^",
                "GENRE#cod code+",
                "GENRE#f f-_-code-^"
            ]
        );
    }

    /// Movies of the largest texts: one long word, or many words, of characters of one byte to four, and of characters that
    /// are normalized to several.
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
            "a++ ",
            // One character that is normalized to two of three bytes.
            "क़",
            // Each of the marks is normalized to three of three bytes.
            "ཀ\u{f77}\u{f77}\u{f77}",
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
        // Titles of as many bytes as a key holds, and of one or two more or fewer.
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
                    posting.size(&key) <= POSTING_BYTES[PostingKind::of(&key).index()],
                    "{key:?} {posting:?}"
                );
                assert!(key.sk.len() <= 1024 && key.pk.len() <= 2048, "{key:?}");
                assert!(posting.size(&key) < 1024, "{key:?} costs a second write unit");
            }
        }
    }

    #[test]
    fn a_posting_is_of_the_kind_that_its_key_says() {
        let fields = fields("0 1 2", "3", "Sci-Fi, 1 x");
        let kinds = postings(&fields, id());
        let kinds: Vec<usize> = kinds.keys().map(|key| PostingKind::of(key).index()).collect();
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
