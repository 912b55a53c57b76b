//! The keys of postings: how the words of a title, a director and a genre are written in a sort key.
//!
//! | posting | key function | partition key | sort key |
//! |---|---|---|---|
//! | title | [`title_posting`] | `WORD#<title's first word>` | `0#<whole title>#<id>` |
//! | title word | [`title_word_posting`] | `WORD#<word>` | `1#<word>#<id>` |
//! | director word | [`director_word_posting`] | `WORD#<word>` | `2#<word>#<id>` |
//! | genre membership | [`genre_membership`] | `GENRE#<genre's first word>` | `<genre>#<id>` |
//! | genre word | [`genre_word_posting`] | `GENRE#<word>` | `<word>+#<id>` |
//!
//! A partition key holds the first three characters of its word. All words are normalized.

use crate::{
    db::{
        keys::{self, END, Key, WORD_SEPARATOR, id_text},
        range::AFTER_ALL,
    },
    domain::MovieId,
};

/// A sort key holds at most this many characters of a word, and at most [`MAX_WORD_BYTES`] bytes, so that a posting has a
/// largest size.
const MAX_WORD_CHARS: usize = 64;
/// A sort key holds at most this many bytes of a word.
const MAX_WORD_BYTES: usize = 128;
/// A sort key holds at most this many bytes of a title.
pub const MAX_TITLE_BYTES: usize = 240;

/// Marks the posting of a genre's second or later word. It sorts between [`END`] and [`WORD_SEPARATOR`], so one range holds
/// every posting of a whole word, and none of these postings is taken for a membership in the genre of that name.
const GENRE_WORD: char = '+';
/// Sorts after every character that can follow a whole word ([`END`], [`GENRE_WORD`] and [`WORD_SEPARATOR`]), and before
/// every letter and digit.
const AFTER_WORD: char = '.';

/// What a posting makes findable. The order is that of a search's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostingKind {
    /// A whole title, and its first word.
    Title,
    /// Another word of a title.
    TitleWord,
    /// A word of a director.
    DirectorWord,
    /// A genre, or a word of it.
    Genre,
}

impl PostingKind {
    /// Every kind, in order.
    pub const ALL: [Self; 4] = [Self::Title, Self::TitleWord, Self::DirectorWord, Self::Genre];

    /// The kind of the posting with this key.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        match key.sk.as_bytes() {
            _ if key.pk.starts_with("GENRE") => Self::Genre,
            [b'0', ..] => Self::Title,
            [b'1', ..] => Self::TitleWord,
            [b'2', ..] => Self::DirectorWord,
            _ => Self::Genre,
        }
    }

    /// The place of this kind in [`PostingKind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The partition key of this kind's postings of `word`.
    #[must_use]
    pub fn partition(self, word: &str) -> String {
        match self {
            Self::Title | Self::TitleWord | Self::DirectorWord => keys::word_partition(word),
            Self::Genre => keys::genre_partition(word),
        }
    }

    /// The start of the sort keys of this kind's postings, to the end of `text`, which must fit.
    fn prefix(self, text: &str) -> String {
        match self {
            Self::Title => format!("0{END}{text}"),
            Self::TitleWord => format!("1{END}{text}"),
            Self::DirectorWord => format!("2{END}{text}"),
            Self::Genre => text.to_owned(),
        }
    }

    fn posting(self, word: &str, id: MovieId) -> Key {
        Key::new(self.partition(word), with_id(&word_prefix(self, word), id))
    }
}

/// The key of a movie's title posting. `None` for a title without words.
#[must_use]
pub fn title_posting(title: &[String], id: MovieId) -> Option<Key> {
    let first = title.first()?;
    Some(Key::new(
        PostingKind::Title.partition(first),
        with_id(&title_prefix(title), id),
    ))
}

/// The key of a movie's posting for a word of its title.
#[must_use]
pub fn title_word_posting(word: &str, id: MovieId) -> Key {
    PostingKind::TitleWord.posting(word, id)
}

/// The key of a movie's posting for a word of its director.
#[must_use]
pub fn director_word_posting(word: &str, id: MovieId) -> Key {
    PostingKind::DirectorWord.posting(word, id)
}

/// The key of a movie's membership in a genre.
#[must_use]
pub fn genre_membership(identity: &str, id: MovieId) -> Key {
    Key::new(genre_memberships(identity), with_id(identity, id))
}

/// The key of a movie's posting for the second or a later word of one of its genres.
#[must_use]
pub fn genre_word_posting(word: &str, id: MovieId) -> Key {
    let prefix = format!("{}{GENRE_WORD}", word_prefix(PostingKind::Genre, word));
    Key::new(PostingKind::Genre.partition(word), with_id(&prefix, id))
}

/// The partition of a genre's memberships.
#[must_use]
pub fn genre_memberships(identity: &str) -> String {
    let first = identity.split_once(WORD_SEPARATOR);
    PostingKind::Genre.partition(first.map_or(identity, |(first, _)| first))
}

/// The first and the last possible sort key of a genre's memberships, both inclusive.
#[must_use]
pub fn genre_membership_bounds(identity: &str) -> (String, String) {
    prefix_bounds(&format!("{identity}{END}"))
}

/// The start of the sort key of a title posting, to the end of `title` or of the part of it that fits. The keys of all
/// titles that begin with these words have this prefix. If the title is cut, the keys of other titles may have it too.
#[must_use]
pub fn title_prefix(title: &[String]) -> String {
    let title = joined(title);
    PostingKind::Title.prefix(&title[..title.floor_char_boundary(MAX_TITLE_BYTES)])
}

/// The start of the sort keys of this kind's postings, to the end of `word` or of the part of it that fits. The keys of all
/// words that begin with `word` have this prefix. If the word is cut, the keys of other words may have it too.
#[must_use]
pub fn word_prefix(kind: PostingKind, word: &str) -> String {
    kind.prefix(word_in_key(word))
}

/// The first and the last possible sort key, both inclusive, of postings whose word is all of `prefix`.
#[must_use]
pub fn whole_word_bounds(prefix: &str) -> (String, String) {
    (format!("{prefix}{END}"), format!("{prefix}{AFTER_WORD}"))
}

/// The first and the last possible sort key, both inclusive, of postings that begin with `prefix`.
#[must_use]
pub fn prefix_bounds(prefix: &str) -> (String, String) {
    (prefix.to_owned(), format!("{prefix}{AFTER_ALL}"))
}

/// Whether a sort key holds all of `word`.
#[must_use]
pub fn word_fits(word: &str) -> bool {
    word_in_key(word) == word
}

/// Returns the words joined as in a key.
#[must_use]
pub fn joined(words: &[String]) -> String {
    words.join(&WORD_SEPARATOR.to_string())
}

/// Returns the part of a word that fits in a sort key.
fn word_in_key(word: &str) -> &str {
    let chars = word.char_indices().nth(MAX_WORD_CHARS);
    let end = chars.map_or(word.len(), |(end, _)| end).min(MAX_WORD_BYTES);
    &word[..word.floor_char_boundary(end)]
}

fn with_id(prefix: &str, id: MovieId) -> String {
    format!("{prefix}{END}{}", id_text(id.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> MovieId {
        MovieId::try_from(7).unwrap()
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn each_posting_has_the_key_that_the_head_of_this_file_says() {
        let end = "#0000000000000007";
        let keys = [
            (
                title_posting(&words("the kid"), id()).unwrap(),
                "WORD#the",
                "0#the-kid",
            ),
            (title_word_posting("runner", id()), "WORD#run", "1#runner"),
            (director_word_posting("ridley", id()), "WORD#rid", "2#ridley"),
            (genre_membership("sci-fi", id()), "GENRE#sci", "sci-fi"),
            (genre_word_posting("fi", id()), "GENRE#fi", "fi+"),
        ];
        for (key, pk, sk) in keys {
            assert_eq!(key, Key::new(pk, format!("{sk}{end}")));
        }
        assert_eq!(title_posting(&[], id()), None);
    }

    #[test]
    fn the_bounds_of_a_whole_word_hold_all_that_may_follow_it_and_no_longer_word() {
        let (low, high) = whole_word_bounds("fi");
        let holds = |key: &str| low.as_str() <= key && key <= high.as_str();
        for key in ["fi#7", "fi+#7", "fi-fo#7"] {
            assert!(holds(key), "{key}");
        }
        for key in ["fi", "fid#7", "fi0#7", "fh#7"] {
            assert!(!holds(key), "{key}");
        }
    }

    #[test]
    fn a_long_word_is_cut_at_a_character() {
        assert!(word_fits(&"x".repeat(64)) && !word_fits(&"x".repeat(65)));
        assert_eq!(word_in_key(&"映".repeat(50)), "映".repeat(42));
        assert_eq!(title_prefix(&["映".repeat(90)]), format!("0#{}", "映".repeat(80)));
    }
}
