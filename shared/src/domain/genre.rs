//! Genres.
//!
//! A genre has a name, which is how it was written, and an identity, which is what two genres are compared by: its words, and
//! the signs `+` and `#` at the end of a word. `sci-fi`, `Sci-Fi` and `SCI FI` are one genre; `C`, `C++` and `C#` are three.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;

use crate::domain::text;

/// The most genres of one movie.
pub const MAX_GENRES: usize = 9;
/// The most characters of one genre.
pub const MAX_GENRE_CHARS: usize = 40;
/// The most characters of a movie's genres together.
pub const MAX_GENRES_CHARS: usize = 200;
/// The most bytes of a new genre's identity, which is part of keys: 40 letters of three bytes, as in Thai and Hangul. Some
/// characters decompose into more bytes.
pub const MAX_IDENTITY_BYTES: usize = 120;
/// The most characters of any stored identity. An earlier version limited characters, not bytes.
const MAX_IDENTITY_CHARS: usize = 80;

/// Replaces `+` in an identity. Keys give `+` another meaning, and no normalized text contains this character.
const PLUS: char = '^';
/// Replaces `#` in an identity. Keys give `#` another meaning, and no normalized text contains this character.
const SHARP: char = '_';

/// What a genre must not hold: the signs of a list in another notation, such as JSON's.
const BRACKETS: [char; 8] = ['[', ']', '{', '}', '［', '］', '｛', '｝'];

/// One genre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genre {
    name: String,
    parts: Vec<String>,
}

/// Returns the parts of an identity: the words of `name`, in order, each followed by its signs, if it has any, as a part of
/// their own. `C++ Builder` has the parts `c`, `^^` and `builder`. The signs of a word are the `+` and `#` directly after it,
/// where no letter or digit follows: `Rock+Roll` has the parts `rock` and `roll`.
fn parts_of(name: &str) -> Vec<String> {
    // Most names are ASCII without signs.
    if name.bytes().all(|b| b.is_ascii() && b != b'+' && b != b'#') {
        return text::words(name);
    }
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some((before, signs, after)) = split_at_signs(rest) {
        parts.extend(text::words(before));
        if !parts.is_empty() {
            parts.push(signs);
        }
        rest = after;
    }
    parts.extend(text::words(rest));
    parts
}

/// Returns the text before the first signs of a word, the signs, and the text after them. `None` when no word has signs.
fn split_at_signs(text: &str) -> Option<(&str, String, &str)> {
    let mut signs = String::new();
    let mut start = 0;
    let mut is_after_word = false;
    for (at, c) in text
        .char_indices()
        .filter(|(_, c)| c.is_ascii() || !text::is_ignorable(*c))
    {
        let is_in_word = text::is_in_word(c);
        match sign(c) {
            Some(sign) if is_after_word => {
                if signs.is_empty() {
                    start = at;
                }
                signs.push(sign);
                continue;
            }
            _ if signs.is_empty() => {}
            // The signs join two words.
            _ if is_in_word => signs.clear(),
            _ => return Some((&text[..start], signs, &text[at..])),
        }
        is_after_word = is_in_word;
    }
    (!signs.is_empty()).then(|| (&text[..start], signs, ""))
}

/// Returns what an identity has for the sign `c`, or `None` when `c` is another character. Compatibility forms, such as the
/// full-width ones, are the same sign (NFKD, UAX #15), and so is the sharp of music.
fn sign(c: char) -> Option<char> {
    if c.is_ascii_alphanumeric() {
        return None;
    }
    let mut decomposed = std::iter::once(c).nfkd();
    match (decomposed.next()?, decomposed.next()) {
        ('+', None) => Some(PLUS),
        ('#' | '\u{266f}', None) => Some(SHARP),
        _ => None,
    }
}

/// Whether a part of an identity is the signs of the word before it. Nothing searches for signs.
#[must_use]
pub fn is_signs(part: &str) -> bool {
    part.starts_with([PLUS, SHARP])
}

/// Returns the message for one of several genres, made from the message for a line of text.
fn of_each(message: &str) -> String {
    match message.strip_prefix("Must ") {
        Some(rest) => format!("Each genre must {rest}"),
        None => format!("Each genre: {message}"),
    }
}

impl Genre {
    /// Parses one genre.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text::line(text, MAX_GENRE_CHARS).map_err(|message| of_each(&message))?;
        // An apostrophe inside a genre is fine.
        let is_quoted = name.starts_with(text::is_quotation_mark) || name.ends_with(text::is_quotation_mark);
        if name.contains(BRACKETS) || is_quoted {
            return Err(
                "Must be genres separated by commas. A genre must not hold brackets or braces, or begin or end with a \
                 quotation mark."
                    .into(),
            );
        }
        let genre = Self::from_stored(&name);
        if genre.parts.is_empty() {
            return Err("Each genre must have a letter or a digit.".into());
        }
        if genre.identity().len() > MAX_IDENTITY_BYTES {
            return Err(format!(
                "Each genre must be at most {MAX_IDENTITY_BYTES} bytes in normalized form (lower case, ligatures spelled out)."
            ));
        }
        Ok(genre)
    }

    /// Returns a stored genre without checking it: an earlier version may have accepted what [`Genre::parse`] refuses.
    fn from_stored(text: &str) -> Self {
        let name = text.trim().to_owned();
        let parts = parts_of(&name);
        Self { name, parts }
    }

    /// Returns the genre as it was written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the parts of its identity: its words, each followed by its [signs](is_signs).
    #[must_use]
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// Returns its words, as [`text::words`] does.
    pub fn words(&self) -> impl Iterator<Item = &String> {
        self.parts.iter().filter(|part| !is_signs(part))
    }

    /// Returns its identity: two genres are the same when their identities are equal.
    #[must_use]
    pub fn identity(&self) -> String {
        self.parts.join("-")
    }
}

/// Returns the identity of a genre of this name, or `None` when no genre can have this name.
#[must_use]
pub fn identity(name: &str) -> Option<String> {
    let identity = parts_of(name).join("-");
    (1..=MAX_IDENTITY_CHARS)
        .contains(&identity.chars().count())
        .then_some(identity)
}

/// A movie's genres, separated by a comma and a space.
// The schema allows 8 characters more than a request may have: the spaces after the commas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 208, example = "Crime, Drama")]
pub struct Genres(String);

impl Genres {
    /// Parses genres separated by commas. A genre that is repeated is kept once.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text::trimmed(text, MAX_GENRES_CHARS, &[])?;
        let mut genres: Vec<Genre> = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let genre = Genre::parse(part)?;
            if genres.iter().all(|g| g.parts != genre.parts) {
                genres.push(genre);
            }
        }
        match genres.len() {
            0 => Err("This field may not be blank.".into()),
            1..=MAX_GENRES => {
                let names: Vec<&str> = genres.iter().map(Genre::name).collect();
                Ok(Self(names.join(", ")))
            }
            _ => Err(format!("Must be at most {MAX_GENRES} genres.")),
        }
    }

    /// Returns stored genres without checking them: an earlier version may have accepted what [`Genres::parse`] refuses.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the genres in the order in which they were written. A stored genre without a word has no identity and is left
    /// out. So is one with the identity of another, which an earlier version may have told apart.
    pub fn iter(&self) -> impl Iterator<Item = Genre> {
        let mut genres: Vec<Genre> = Vec::new();
        for genre in self.0.split(',').map(Genre::from_stored) {
            if !genre.parts.is_empty() && genres.iter().all(|g| g.parts != genre.parts) {
                genres.push(genre);
            }
        }
        genres.into_iter()
    }
}

impl std::fmt::Display for Genres {
    /// Writes the genres as they were written, separated by a comma and a space.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genres_are_split_by_commas_and_counted_once() {
        let genres = Genres::parse(" Sci-Fi,Drama , drama,, SCI FI").unwrap();
        assert_eq!(genres.to_string(), "Sci-Fi, Drama");
        let identities: Vec<_> = genres.iter().map(|genre| genre.identity()).collect();
        assert_eq!(identities, ["sci-fi", "drama"]);
    }

    #[test]
    fn stored_genres_that_are_one_by_now_are_one() {
        let stored = "Action & Adventure, Drama, Action and Adventure";
        let genres = Genres::from_stored(stored);
        assert_eq!(genres.to_string(), stored);
        let names: Vec<_> = genres.iter().map(|genre| genre.name().to_owned()).collect();
        assert_eq!(names, ["Action & Adventure", "Drama"]);
    }

    #[test]
    fn signs_at_the_end_of_a_word_are_part_of_the_identity() {
        let identity = |name: &str| Genre::parse(name).unwrap().identity();
        for (name, expected) in [
            ("C", "c"),
            ("C++", "c-^^"),
            ("c＋＋", "c-^^"),
            ("C \u{200b}++", "c"),
            ("C\u{200b}+\u{200b}+", "c-^^"),
            ("C#", "c-_"),
            ("C＃", "c-_"),
            ("C♯", "c-_"),
            ("C#++ Builder 18+", "c-_^^-builder-18-^"),
            ("(C++)", "c-^^"),
            ("LGBTQ+", "lgbtq-^"),
            ("é+", "e-^"),
            ("कि#", "कि-_"),
            ("#1 Hit", "1-hit"),
            ("+ Drama", "drama"),
            ("Drama +", "drama"),
            ("Rock+Roll", "rock-roll"),
            ("Rock'n'Roll", "rock-n-roll"),
            ("a+b+", "a-b-^"),
            ("a+ b", "a-^-b"),
            ("😀+ x", "x"),
            ("🅰+ x", "x"),
            ("x ^^ _", "x"),
            ("c_^", "c"),
        ] {
            assert_eq!(identity(name), expected, "{name}");
            assert_eq!(super::identity(name).as_deref(), Some(expected), "{name}");
        }
        let genres = Genres::parse("C, C++, c#, C#, c＋＋, C Plus Plus").unwrap();
        assert_eq!(genres.to_string(), "C, C++, c#, C Plus Plus");
        for none in ["+", "#", "C++".replace('C', "\u{301}").as_str()] {
            assert!(Genre::parse(none).is_err(), "{none}");
        }
    }

    #[test]
    fn signs_are_no_words() {
        let genre = Genre::parse("C++ Builder#").unwrap();
        assert_eq!(genre.words().collect::<Vec<_>>(), ["c", "builder"]);
        assert_eq!(genre.parts(), ["c", "^^", "builder", "_"]);
    }

    #[test]
    fn letters_with_different_marks_are_different_genres() {
        let genres = Genres::parse("बाल, बिल, パパ, ハハ, ﾊﾟﾊﾟ, Comédie, comedie").unwrap();
        assert_eq!(genres.to_string(), "बाल, बिल, パパ, ハハ, Comédie");
    }

    #[test]
    fn genres_are_read_back_from_what_is_stored() {
        // Within the limit as sent, over it as shown.
        let given: Vec<String> = (1..=9).map(|n| format!("{n}{}", "x".repeat(20))).collect();
        let genres = Genres::parse(&given.join(",")).unwrap();
        let stored = genres.to_string();
        assert!(stored.chars().count() > MAX_GENRES_CHARS);
        assert_eq!(Genres::from_stored(&stored), genres);
    }

    #[test]
    fn limits_hold() {
        assert!(Genres::parse("a,b,c,d,e,f,g,h,i").is_ok());
        assert!(Genres::parse("a,b,c,d,e,f,g,h,i,j").is_err());
        assert!(Genres::parse(&"x".repeat(40)).is_ok());
        assert!(Genres::parse(&"x".repeat(41)).is_err());
        for bad in [
            "",
            " , ,",
            "???",
            "Drama, !!!",
            "Drama, \u{200b}",
            "Drama, a\u{202e}b",
            "a\u{7}b",
            &"\u{fdfa}".repeat(40),
            &"\u{10400}".repeat(40),
        ] {
            assert!(Genres::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn forty_letters_of_every_living_script_are_a_genre() {
        for letters in [
            "x",
            "ß",
            "Ж",
            "ע",
            "ق",
            "أ",
            "กี่",
            "कि",
            "கொ",
            "パ",
            "映",
            "한",
            "ខ្",
            "ﬁ",
            "x+",
        ] {
            let genre: String = letters.chars().cycle().take(MAX_GENRE_CHARS).collect();
            assert!(Genres::parse(&genre).is_ok(), "{letters}");
        }
    }

    #[test]
    fn a_genre_that_is_no_longer_taken_is_still_read() {
        for old in ["\u{10400}".repeat(40), "a\u{202e}b".to_owned()] {
            assert!(Genres::parse(&old).is_err());
            assert_eq!(Genres::from_stored(&old).to_string(), old);
            assert_eq!(Genres::from_stored(&old).iter().count(), 1);
        }
    }

    #[test]
    fn a_list_in_another_notation_is_no_genre() {
        for bad in [
            "[Drama]",
            "Drama, [Comedy",
            "Comedy]",
            "{Drama}",
            "Sci{Fi",
            "\"Drama\"",
            "\"Drama",
            "Drama\"",
            "Comedy, 'Drama'",
            "“Drama”",
            "«Drama»",
            "‘Drama’",
            "‹Drama›",
            "「ドラマ」",
            "＂Drama＂",
            "❝Drama❞",
            "［Drama］",
            " 'Drama ",
        ] {
            let message = Genres::parse(bad).unwrap_err();
            assert!(message.contains("brackets"), "{bad}: {message}");
        }
        for good in [
            "Children's",
            "Rock 'n' Roll",
            "Children’s",
            "D\"A",
            "Sci-Fi (old)",
            "<Drama>",
        ] {
            assert_eq!(Genres::parse(good).unwrap().to_string(), good);
        }
        // An earlier version accepted them.
        assert_eq!(Genres::from_stored("[Drama]").iter().count(), 1);
    }
}
