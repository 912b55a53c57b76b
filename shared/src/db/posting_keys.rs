//! The keys of postings: how the words of a title, a director and a genre are written in a sort key.
//!
//! | posting | key function | partition key | sort key |
//! |---|---|---|---|
//! | title | [`title_posting`] | `WORD#<title's first word>` | `0#<whole title>#<id>` |
//! | title word | [`title_word_posting`] | `WORD#<word>` | `1#<word>#<id>` |
//! | director membership | [`director_membership`] | `WORD#<name's first word>` | `2#<name>#<id>` |
//! | director word | [`director_word_posting`] | `WORD#<word>` | `2#<word>+#<id>` |
//! | genre membership | [`genre_membership`] | `GENRE#<genre's first word>` | `<genre>#<id>` |
//! | genre word | [`genre_word_posting`] | `GENRE#<word>` | `<word>+#<id>` |
//! | year membership | [`year_membership`] | `YEAR#<year>` | `<id>` |
//!
//! A partition key holds the first three characters of its word, or two of a script without spaces. All words are normalized,
//! and those of titles and directors canonical.

use crate::{
    db::{
        keys::{self, END, Key, WORD_SEPARATOR, id_text},
        range::{AFTER_ALL, KeyRange},
    },
    domain::{
        MovieId,
        text::{MAX_RUN_CHARS, begins_with_run},
    },
};

/// A sort key holds at most this many characters of a word or a director's name, and at most [`MAX_WORD_BYTES`] bytes, so that
/// a posting has a largest size. Of a word of a script without spaces it holds [`MAX_RUN_CHARS`].
const MAX_WORD_CHARS: usize = 64;
/// A sort key holds at most this many bytes of a word.
const MAX_WORD_BYTES: usize = 128;
/// A sort key holds at most this many bytes of a title.
pub const MAX_TITLE_BYTES: usize = 240;

/// Marks the posting of a word of a director or a genre. It sorts between [`END`] and [`WORD_SEPARATOR`], so one range holds
/// every posting of a whole word, and none of these postings is taken for a membership: for one of the genre or the director
/// of that name.
const ONLY_WORD: char = '+';
/// Sorts after every character that can follow a whole word ([`END`], [`ONLY_WORD`] and [`WORD_SEPARATOR`]), and before
/// every letter and digit.
const AFTER_WORD: char = '.';
/// Separates the genres in the `date` of a membership.
const BETWEEN_GENRES: &str = ",";
/// Replaces the other genres in the `date` of a membership, if they have more than `MAX_OTHER_GENRES_BYTES` bytes.
pub const MANY_GENRES: &str = "~";
/// The most bytes of other genres in the `date` of a membership.
const MAX_OTHER_GENRES_BYTES: usize = 64;

/// What a posting makes findable. The order is that of a search's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostingKind {
    /// A whole title, and its first word.
    Title,
    /// Another word of a title.
    TitleWord,
    /// A director, or a word of one.
    Director,
    /// A genre, or a word of it.
    Genre,
    /// The year of the release.
    Year,
}

impl PostingKind {
    /// Every kind, in order.
    pub const ALL: [Self; 5] = [
        Self::Title,
        Self::TitleWord,
        Self::Director,
        Self::Genre,
        Self::Year,
    ];
    /// The kinds of postings of words, in order.
    pub const OF_WORDS: [Self; 4] = [Self::Title, Self::TitleWord, Self::Director, Self::Genre];

    /// The kind of the posting with this key.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        match (key.pk.as_bytes(), key.sk.as_bytes()) {
            ([b'Y', ..], _) => Self::Year,
            ([b'W', ..], [b'0', ..]) => Self::Title,
            ([b'W', ..], [b'1', ..]) => Self::TitleWord,
            ([b'W', ..], _) => Self::Director,
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
            Self::Title | Self::TitleWord | Self::Director => keys::word_partition(word),
            Self::Genre => keys::genre_partition(word),
            Self::Year => format!("YEAR#{word}"),
        }
    }

    /// The start of the sort keys of this kind's postings, to the end of `text`, which must fit.
    fn prefix(self, text: &str) -> String {
        match self {
            Self::Title => format!("0{END}{text}"),
            Self::TitleWord => format!("1{END}{text}"),
            Self::Director => format!("2{END}{text}"),
            Self::Genre => text.to_owned(),
            Self::Year => String::new(),
        }
    }
}

/// The key of a title posting: of the title's words, as written or closed up. `None` without words.
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
    let kind = PostingKind::TitleWord;
    Key::new(kind.partition(word), with_id(&word_prefix(kind, word), id))
}

/// The key of a movie's membership in the movies of a director. `name` is its words, joined by `-`.
#[must_use]
pub fn director_membership(name: &str, id: MovieId) -> Key {
    Key::new(director_memberships(name), with_id(&director_prefix(name), id))
}

/// The partition of a director's memberships.
#[must_use]
pub fn director_memberships(name: &str) -> String {
    PostingKind::Director.partition(first_word(name))
}

/// The first and the last possible sort key of a director's memberships, both inclusive. If the name is cut, these are also
/// those of other names that begin alike.
#[must_use]
pub fn director_membership_bounds(name: &str) -> (String, String) {
    prefix_bounds(&format!("{}{END}", director_prefix(name)))
}

fn director_prefix(name: &str) -> String {
    PostingKind::Director.prefix(cut(name, MAX_WORD_CHARS))
}

/// The key of a movie's posting for a word of its director that isn't the first one of a name.
#[must_use]
pub fn director_word_posting(word: &str, id: MovieId) -> Key {
    only_word(PostingKind::Director, word, id)
}

/// The key of a movie's membership in a genre.
#[must_use]
pub fn genre_membership(identity: &str, id: MovieId) -> Key {
    Key::new(genre_memberships(identity), with_id(identity, id))
}

/// The key of a movie's posting for the second or a later word of one of its genres.
#[must_use]
pub fn genre_word_posting(word: &str, id: MovieId) -> Key {
    only_word(PostingKind::Genre, word, id)
}

fn only_word(kind: PostingKind, word: &str, id: MovieId) -> Key {
    let prefix = format!("{}{ONLY_WORD}", word_prefix(kind, word));
    Key::new(kind.partition(word), with_id(&prefix, id))
}

/// The partition of a genre's memberships.
#[must_use]
pub fn genre_memberships(identity: &str) -> String {
    PostingKind::Genre.partition(first_word(identity))
}

/// The first and the last possible sort key of a genre's memberships, both inclusive.
#[must_use]
pub fn genre_membership_bounds(identity: &str) -> (String, String) {
    prefix_bounds(&format!("{identity}{END}"))
}

/// The `date` of a genre membership: `<release date>#<id>#<other genres>`. The movie's other genres are sorted and separated by
/// commas, or replaced by [`MANY_GENRES`] if they don't fit.
#[must_use]
pub fn genre_membership_date(release_date: &str, id: MovieId, others: &[&str]) -> String {
    let mut others = others.to_vec();
    others.sort_unstable();
    let others = others.join(BETWEEN_GENRES);
    let others = Some(others.as_str()).filter(|others| others.len() <= MAX_OTHER_GENRES_BYTES);
    let dated = keys::dated(release_date, id);
    format!("{dated}{END}{}", others.unwrap_or(MANY_GENRES))
}

/// The key of a movie's membership in the movies of a year.
#[must_use]
pub fn year_membership(year: u16, id: MovieId) -> Key {
    Key::new(keys::year_partition(year), id_text(id.get()))
}

/// The memberships of a year, by the ids of their movies.
#[must_use]
pub fn year_memberships(year: u16) -> KeyRange {
    KeyRange::ids(keys::year_partition(year))
}

fn first_word(joined: &str) -> &str {
    joined
        .split_once(WORD_SEPARATOR)
        .map_or(joined, |(first, _)| first)
}

/// The start of the sort key of a title posting, to the end of `title` or of the part of it that fits. The keys of all
/// titles that begin with these words have this prefix. If the title is cut, the keys of other titles may have it too.
#[must_use]
pub fn title_prefix(title: &[String]) -> String {
    let title = joined(title);
    PostingKind::Title.prefix(&title[..title.floor_char_boundary(MAX_TITLE_BYTES)])
}

/// The first and the last possible sort key, both inclusive, of title postings whose title is all of these words, or of the
/// part of them that fits.
#[must_use]
pub fn whole_title_bounds(title: &[String]) -> (String, String) {
    prefix_bounds(&format!("{}{END}", title_prefix(title)))
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
    let chars = if begins_with_run(word) {
        MAX_RUN_CHARS
    } else {
        MAX_WORD_CHARS
    };
    cut(word, chars)
}

/// Returns the first characters of a text, up to this number and to [`MAX_WORD_BYTES`].
fn cut(text: &str, max_chars: usize) -> &str {
    let chars = text.char_indices().nth(max_chars);
    let end = chars.map_or(text.len(), |(end, _)| end).min(MAX_WORD_BYTES);
    &text[..text.floor_char_boundary(end)]
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
            (
                director_membership("ridley-scott", id()),
                "WORD#rid",
                "2#ridley-scott",
            ),
            (director_word_posting("scott", id()), "WORD#sco", "2#scott+"),
            (genre_membership("sci-fi", id()), "GENRE#sci", "sci-fi"),
            (genre_word_posting("fi", id()), "GENRE#fi", "fi+"),
        ];
        for (key, pk, sk) in keys {
            assert_eq!(key, Key::new(pk, format!("{sk}{end}")));
        }
        assert_eq!(title_posting(&[], id()), None);
        assert_eq!(
            year_membership(1982, id()),
            Key::new("YEAR#1982", "0000000000000007")
        );
    }

    #[test]
    fn a_key_is_of_the_kind_of_its_function() {
        let kinds = [
            title_posting(&words("2 1"), id()).unwrap(),
            title_word_posting("0", id()),
            director_word_posting("1", id()),
            genre_membership("2", id()),
            year_membership(1982, id()),
        ];
        assert_eq!(kinds.map(|key| PostingKind::of(&key)), PostingKind::ALL);
    }

    #[test]
    fn the_range_of_a_directors_memberships_holds_no_other_name() {
        let (low, high) = director_membership_bounds("john-ford");
        let holds = |key: &Key| low <= key.sk && key.sk <= high;
        assert!(holds(&director_membership("john-ford", id())));
        for other in ["john", "john-ford-coppola", "john-fordham"] {
            assert!(!holds(&director_membership(other, id())), "{other}");
        }
        assert!(!holds(&director_word_posting("john", id())));
        // A long name is cut.
        let long = format!("x-{}", "y".repeat(90));
        assert_eq!(director_membership(&long, id()).sk.len(), 2 + MAX_WORD_CHARS + 17);
    }

    #[test]
    fn a_membership_names_the_other_genres_if_they_fit() {
        let date = |others: &[&str]| genre_membership_date("1999-03-31", id(), others);
        assert_eq!(date(&[]), "1999-03-31#0000000000000007#");
        assert_eq!(
            date(&["sci-fi", "action"]),
            "1999-03-31#0000000000000007#action,sci-fi"
        );
        let long = "x".repeat(60);
        assert!(date(&[&long, "abc"]).ends_with(&format!("#abc,{long}")));
        assert_eq!(date(&[&long, "abcd"]), "1999-03-31#0000000000000007#~");
        assert_eq!(
            keys::date_position(&date(&["a-b"])),
            "1999-03-31#0000000000000007"
        );
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
        assert_eq!(word_in_key(&"ж".repeat(65)), "ж".repeat(64));
        assert_eq!(word_in_key(&"\u{10428}".repeat(50)), "\u{10428}".repeat(32));
        assert_eq!(word_in_key(&"映".repeat(50)), "映".repeat(16));
        assert_eq!(title_prefix(&["映".repeat(90)]), format!("0#{}", "映".repeat(80)));
    }
}
