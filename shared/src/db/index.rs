//! The postings of a movie as items, by which search and lists find it. [`posting_list`](crate::db::posting_list) has which
//! postings a movie has.
//!
//! Each posting carries the movie's words, as far as they [fit](crate::db::carried). So a search can check its other words,
//! and whether an earlier posting of the movie is in its walk, without reading the movie.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    db::{
        carried::Encoder,
        item::{Item, text},
        keys::{self, Key},
        posting_keys::{self, PostingKind},
        posting_list::{MadePosting, Membership, keys_with_words},
        range::KeyRange,
        words::Words,
    },
    domain::{MovieFields, MovieId, ReleaseDate},
};

/// The largest size of a new posting of each [kind](PostingKind), in bytes: attribute names, keys and texts, as DynamoDB
/// counts them. The rest, without the names and the keys, is the room for the movie's words. A search relies on this size
/// to stay within its budget of read units ([`crate::db::search`]). Below 1 KB a posting costs one write unit.
pub const POSTING_BYTES: [usize; PostingKind::ALL.len()] = [296, 204, 204, 407, 204];

/// A posting as stored, without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostingItem {
    /// The movie's words, as far as they [fit](crate::db::carried).
    pub text: String,
    /// The genre's partition in the index by date. Only genre memberships have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dated: Option<String>,
    /// For a genre membership, the movie's sort key in that index. For a membership of a director or a year, the release date.
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

/// A movie's postings, by key.
#[must_use]
pub fn postings(fields: &MovieFields, id: MovieId) -> BTreeMap<Key, PostingItem> {
    postings_with_words(&Words::of(fields), fields.release_date, id)
}

/// The postings, by key, of the movie with these words, which was released on this date.
#[must_use]
pub fn postings_with_words(
    words: &Words,
    release_date: ReleaseDate,
    id: MovieId,
) -> BTreeMap<Key, PostingItem> {
    let release_date = release_date.to_string();
    let genres: Vec<String> = words
        .genres
        .iter()
        .map(|genre| posting_keys::joined(genre))
        .collect();
    let encoder = Encoder::new(words);
    let all = keys_with_words(words, id);
    let posting = |(key, made): (&Key, &MadePosting)| {
        let (dated, date) = match &made.membership {
            None => (None, None),
            Some(Membership::ByDate) => (None, Some(release_date.clone())),
            Some(Membership::Genre(identity)) => {
                let others = genres.iter().filter(|other| *other != identity);
                let others: Vec<&str> = others.map(String::as_str).collect();
                (
                    Some(keys::genre_dated(identity)),
                    Some(posting_keys::genre_membership_date(&release_date, id, &others)),
                )
            }
        };
        let mut posting = PostingItem {
            text: String::new(),
            dated,
            date,
        };
        let largest = POSTING_BYTES[PostingKind::of(key).index()];
        let room = largest.saturating_sub(posting.size(key));
        posting.text = encoder.encode(room, || shared_with_earlier(&all, key, &made.word));
        (key.clone(), posting)
    };
    all.iter().map(posting).collect()
}

/// Returns how many first characters `word` has in common with the word of a posting before `key`, among `all` postings of
/// a movie: with the word with which it has the most in common. Zero for the first posting.
fn shared_with_earlier(all: &BTreeMap<Key, MadePosting>, key: &Key, word: &str) -> usize {
    // The order of a walk along a word: by kind, then by sort key.
    let place = |key: &Key| (PostingKind::of(key).index(), key.sk.clone());
    let shared = |other: &str| {
        word.chars()
            .zip(other.chars())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let earlier = all.iter().filter(|(other, _)| place(other) < place(key));
    earlier.map(|(_, other)| shared(&other.word)).max().unwrap_or(0)
}

/// A genre's memberships, by the ids of their movies.
#[must_use]
pub fn members(identity: &str) -> KeyRange {
    let (low, high) = posting_keys::genre_membership_bounds(identity);
    KeyRange::between(posting_keys::genre_memberships(identity), low, high)
}

/// A director's memberships, by the ids of their movies. `name` is the director's
/// [name](crate::db::words::director_name) as keys contain it. If it doesn't fit in a key, the range also has directors whose
/// names begin alike, and the postings' words decide.
#[must_use]
pub fn directed_by(name: &str) -> KeyRange {
    let (low, high) = posting_keys::director_membership_bounds(name);
    KeyRange::between(posting_keys::director_memberships(name), low, high)
}

/// The memberships of a year, by the ids of their movies.
#[must_use]
pub fn released_in(year: u16) -> KeyRange {
    posting_keys::year_memberships(year)
}

/// The postings to put and (`None`) to delete, to get from the old ones to the new ones.
pub(crate) fn changed_postings(
    mut old: BTreeMap<Key, PostingItem>,
    new: BTreeMap<Key, PostingItem>,
) -> BTreeMap<Key, Option<PostingItem>> {
    let mut changes = BTreeMap::new();
    for (key, posting) in new {
        if old.remove(&key).as_ref() != Some(&posting) {
            changes.insert(key, Some(posting));
        }
    }
    changes.extend(old.into_keys().map(|key| (key, None)));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::{encoded_words::EncodedWords, item::to_item},
        domain::Genres,
    };

    fn fields(title: &str, director: &str, genre: &str) -> MovieFields {
        MovieFields::of_words(title, director, genre)
    }

    fn id() -> MovieId {
        MovieId::try_from(7).unwrap()
    }

    #[test]
    fn an_item_is_what_its_serialization_is() {
        for (key, posting) in postings(&fields("The Sci of the Kid", "Kid Ory", "Sci-Fi, Drama"), id()) {
            let mut item = to_item(&posting).unwrap();
            item.extend(key.attributes());
            assert_eq!(posting.into_item(key), item);
        }
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
    fn nearly_every_posting_of_ordinary_texts_carries_all_of_them() {
        let fields = fields(
            "Birdman or (The Unexpected Virtue of Ignorance)",
            "Alejandro González Iñárritu",
            "Comedy, Drama, International Movies",
        );
        for posting in postings(&fields, id()).values() {
            assert_eq!(posting.text, EncodedWords::of(&Words::of(&fields)).as_str());
        }
    }
}
