//! Words that signs join, and words that are numerals.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::domain::{
    marks::{BREAK, DOT, POINT, SIGN},
    text::{is_separator, separated},
};

/// Words that signs join: `Spider-Man` is one compound of two parts. A word without such signs is a compound of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compound {
    /// The words, in order: `spider`, `man`.
    pub parts: Vec<String>,
}

impl Compound {
    /// The parts without the signs between them: `spiderman`. `None` for a single part.
    #[must_use]
    pub fn closed_up(&self) -> Option<String> {
        match self.parts.as_slice() {
            [] | [_] => None,
            parts => Some(closed_up(parts.concat())),
        }
    }

    /// The word that the whole compound is compared by: its closed-up form or its only part, and for a numeral the digits.
    #[must_use]
    pub fn whole(&self) -> String {
        let closed = self.closed_up();
        let word = closed
            .as_deref()
            .or(self.parts.first().map(String::as_str))
            .unwrap_or_default();
        canonical(word).to_owned()
    }
}

/// Returns the closed-up form of a compound from its parts, which must follow one another without signs.
#[must_use]
pub fn closed_up(parts: String) -> String {
    // The end of one part and the start of the next may compose, as letters of Hangul do.
    if parts.is_ascii() {
        parts
    } else {
        parts.nfc().collect()
    }
}

/// Returns the [`words`](crate::domain::text::words) of `text` in order, as compounds. Two words are parts of one compound if
/// only signs stand between them: apostrophes, hyphens, asterisks, slashes, middle dots, in any of their widths and forms; and
/// dots if each of the two words is one letter (`J.J.`). Spaces may follow the dot of an initial, if the next word is an initial
/// with a dot too: those of `J. J. Abrams` are one compound, but the `I` of `P.S. I Love You` isn't part of one. A comma, a dot or
/// a colon between two digits joins them too: `20,000`, `3:10`.
#[must_use]
pub fn compounds(text: &str) -> Vec<Compound> {
    let separated = separated_fast(text);
    let mut compounds: Vec<Compound> = Vec::new();
    let mut rest = separated.as_str();
    while let Some(start) = rest.find(|c| !is_separator(c)) {
        let (between, words) = rest.split_at(start);
        let (word, after) = words.split_at(words.find(is_separator).unwrap_or(words.len()));
        rest = after;
        match compounds.last_mut() {
            Some(Compound { parts })
                if parts
                    .last()
                    .is_some_and(|last| are_joined(last, between, word, after)) =>
            {
                parts.push(word.to_owned());
            }
            _ => compounds.push(Compound {
                parts: vec![word.to_owned()],
            }),
        }
    }
    compounds
}

/// Returns [`separated`] text. Most text is ASCII, which needs no tables.
fn separated_fast(text: &str) -> String {
    if !text.is_ascii() || text.contains('&') {
        return separated(text);
    }
    let separator = |c: char| match c {
        '\'' | '`' | '-' | '*' | '/' => SIGN,
        '.' => DOT,
        ',' | ':' => POINT,
        c if c.is_whitespace() => ' ',
        _ => BREAK,
    };
    let chars = text.chars();
    chars
        .map(|c| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_lowercase(),
            false => separator(c),
        })
        .collect()
}

/// Whether what stands between two words, and what follows them, joins them.
fn are_joined(one: &str, between: &str, other: &str, after: &str) -> bool {
    let are_digits = one.ends_with(char::is_numeric) && other.starts_with(char::is_numeric);
    let mut signs = between.chars();
    if are_digits && matches!((signs.next(), signs.next()), (Some(DOT | POINT), None)) {
        return true;
    }
    let are_initials = is_letter(one) && is_letter(other);
    match between.trim_start_matches([SIGN, DOT]) {
        "" => are_initials || !between.contains(DOT),
        // Only the dot itself may stand before the spaces.
        spaces => {
            let is_dot_and_spaces =
                between.strip_prefix(DOT) == Some(spaces) && spaces.chars().all(|c| c == ' ');
            are_initials && is_dot_and_spaces && after.starts_with(DOT)
        }
    }
}

/// Whether a word is one letter, with any marks.
fn is_letter(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.all(is_combining_mark)
}

/// Returns the word that a word of a title, of a director or of a query is compared by: for a Roman numeral from II to XX its
/// digits, and for any other word itself.
#[must_use]
pub fn canonical(word: &str) -> &str {
    match word {
        "ii" => "2",
        "iii" => "3",
        "iv" => "4",
        "v" => "5",
        "vi" => "6",
        "vii" => "7",
        "viii" => "8",
        "ix" => "9",
        "x" => "10",
        "xi" => "11",
        "xii" => "12",
        "xiii" => "13",
        "xiv" => "14",
        "xv" => "15",
        "xvi" => "16",
        "xvii" => "17",
        "xviii" => "18",
        "xix" => "19",
        "xx" => "20",
        word => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::words;

    /// The compounds of a text, their parts joined by `-`.
    fn joined(text: &str) -> String {
        let all: Vec<String> = compounds(text).iter().map(|c| c.parts.join("-")).collect();
        all.join(" ")
    }

    /// Every sign that joins, in every form and width.
    const SIGNS: &str = "'\u{2019}\u{2018}\u{201b}\u{2bc}\u{2bb}\u{2b9}\u{2be}\u{2bf}\u{374}\u{2032}\u{ff07}`\u{b4}\u{1fef}\u{1ffd}\u{ff40}\u{5f3}\
        -\u{2010}\u{2011}\u{2012}\u{2013}\u{2212}\u{ff0d}\u{fe63}\u{58a}\u{5be}*\u{ff0a}\u{fe61}/\u{ff0f}\u{2044}\u{2215}\
        \u{b7}\u{387}\u{2022}\u{2027}\u{2219}\u{22c5}\u{30fb}\u{ff65}";

    #[test]
    fn every_sign_joins_in_every_width() {
        for sign in SIGNS.chars() {
            for (one, other) in [("Spider", "Man"), ("ガン", "ダム"), ("Élan", "Ōno")] {
                let [a, b] = [one, other].map(|word| words(word).concat());
                assert_eq!(
                    joined(&format!("{one}{sign}{other}")),
                    format!("{a}-{b}"),
                    "{sign}"
                );
                assert_eq!(
                    joined(&format!("{one}{sign}{sign}{other}")),
                    format!("{a}-{b}"),
                    "{sign}"
                );
                for apart in [" {}", "{} ", " {} ", "{}, ", "{},"] {
                    let between = apart.replace("{}", &sign.to_string());
                    assert_eq!(
                        joined(&format!("{one}{between}{other}")),
                        format!("{a} {b}"),
                        "{between:?}"
                    );
                }
            }
            assert_eq!(joined(&format!("{sign}a{sign}")), "a");
        }
    }

    #[test]
    fn no_other_character_joins() {
        for sign in
            "\"“”„«»,;:!?()[]{}<>|\\_+=~#@^%$…—―。、！？：；「」\u{1}\u{2}\u{3}\u{4}\u{7}\u{2033}".chars()
        {
            assert_eq!(joined(&format!("Spider{sign}Man")), "spider man", "{sign:?}");
            assert_eq!(joined(&format!("a{sign}b")), "a b", "{sign:?}");
        }
    }

    #[test]
    fn titles_are_compounds() {
        for (text, expected) in [
            ("Spider-Man II & I", "spider-man ii and i"),
            ("Schindler's List", "schindler-s list"),
            ("Rock-'n'-Roll High School", "rock-n-roll high school"),
            ("M*A*S*H", "m-a-s-h"),
            ("WALL·E", "wall-e"),
            ("E.T. the Extra-Terrestrial", "e-t the extra-terrestrial"),
            ("L.A. Confidential", "l-a confidential"),
            ("L. A. Confidential", "l-a confidential"),
            ("Ｌ．Ａ．　Confidential", "l-a confidential"),
            ("Face/Off", "face-off"),
            ("Mr. & Mrs. Smith", "mr and mrs smith"),
            ("Vol. 2", "vol 2"),
            ("20,000 Leagues", "20-000 leagues"),
            ("20.000 Meilen", "20-000 meilen"),
            ("1,234,567", "1-234-567"),
            ("3:10 to Yuma", "3-10 to yuma"),
            ("３：１０", "3-10"),
            ("4.3.2.1", "4-3-2-1"),
            ("3,2,1... Go", "3-2-1 go"),
            ("٢٠٬٠٠٠", "٢٠-٠٠٠"),
            ("2.0", "2-0"),
            ("2. 0", "2 0"),
            ("2, 0", "2 0"),
            ("2 :0", "2 0"),
            ("2.,0", "2 0"),
            ("Alien: 3", "alien 3"),
            ("1:a, b:2", "1 a b 2"),
            ("a1.2b", "a1-2b"),
            ("P.S. I Love You", "p-s i love you"),
            ("P. S. I. Love", "p-s-i love"),
            ("The V.I.P.s", "the v-i-p-s"),
            ("A. B", "a b"),
            ("Dr. No", "dr no"),
            ("8½", "8 1-2"),
            ("8 1/2", "8 1-2"),
            ("8 1\u{2044}2", "8 1-2"),
            ("33⅓: The Final Insult", "33 1-3 the final insult"),
            ("½ Women", "1-2 women"),
            ("5⅒", "5 1-10"),
            ("⅟8", "1 8"),
            ("Cube²", "cube-2"),
            ("[REC]³", "rec 3"),
            ("Alien³!", "alien-3"),
            ("Apollo¹³", "apollo-13"),
            ("x²y²⁰", "x-2y-20"),
            ("Qwert①", "qwert-1"),
            ("⑫Ⓐ", "12a"),
            ("S.W.A.T.", "s-w-a-t"),
            ("A... B", "a b"),
            ("A...B", "a-b"),
            ("A…B", "a b"),
            ("A-.B", "a-b"),
            ("A.- B", "a b"),
            ("A.,B", "a b"),
            ("R.&B.", "r and b"),
            ("О.К.", "о-к"),
            ("É.T.", "e-t"),
            ("स्टार-वॉर्स", "स्टार-वॉर्स"),
            ("スター・ウォーズ", "スター-ウォーズ"),
            ("בן־גוריון", "בן-גוריון"),
            ("Qurʾān", "qur-an"),
            ("Ka\u{2bb}u", "ka-u"),
            ("…", ""),
            ("", ""),
            ("-", ""),
        ] {
            assert_eq!(joined(text), expected, "{text}");
        }
    }

    #[test]
    fn directors_are_compounds() {
        for (text, expected) in [
            ("J.J. Abrams", "j-j abrams"),
            ("J. J. Abrams", "j-j abrams"),
            ("J.  J. Abrams", "j-j abrams"),
            ("F. Gary Gray", "f gary gray"),
            ("Pat O'Connor", "pat o-connor"),
            ("Jean-Pierre Jeunet", "jean-pierre jeunet"),
            ("Jean - Pierre", "jean pierre"),
            ("M. Night Shyamalan", "m night shyamalan"),
        ] {
            assert_eq!(joined(text), expected, "{text}");
        }
    }

    #[test]
    fn the_parts_are_the_words_in_order() {
        let texts = [
            "Rock-'n'-Roll & I.I.",
            "L.A. Confidential",
            "ガン・ダム´s",
            "a.b-c d",
            "ÀÉ-İß ﬁ/ﷺ",
        ];
        for text in texts
            .iter()
            .map(|t| (*t).to_owned())
            .chain((0..=127).map(|c: u8| {
                let c = char::from(c);
                format!("A{c}b{c}{c}C {c} d")
            }))
        {
            let parts = compounds(&text).into_iter().flat_map(|compound| compound.parts);
            assert_eq!(parts.collect::<Vec<_>>(), words(&text), "{text:?}");
        }
        // The short way for ASCII is that of the tables.
        for c in (0..=127).map(char::from) {
            let text = format!("A{c}b{c}{c}C {c}d");
            assert_eq!(separated_fast(&text), separated(&text), "{text:?}");
        }
    }

    #[test]
    fn a_compound_is_closed_up_without_its_signs() {
        for (text, closed) in [
            ("Schindler's", Some("schindlers")),
            ("M*A*S*H", Some("mash")),
            ("E.T.", Some("et")),
            ("X-Men", Some("xmen")),
            ("plain", None),
            ("\u{1100}-\u{1161}", Some("가")),
        ] {
            let all = compounds(text);
            assert_eq!(all[0].closed_up().as_deref(), closed, "{text}");
        }
        let whole = |text| compounds(text)[0].whole();
        assert_eq!(
            (whole("X-Men"), whole("X"), whole("V.I.")),
            ("xmen".into(), "10".into(), "6".into())
        );
    }

    #[test]
    fn numerals_from_2_to_20_are_their_digits() {
        let numerals = "ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx";
        for (number, numeral) in (2..=20).zip(numerals.split(' ')) {
            assert_eq!(canonical(numeral), number.to_string());
        }
        for word in ["i", "xxi", "iiii", "vx", "2", "mix", "l", "c", "d", "m", ""] {
            assert_eq!(canonical(word), word);
        }
        // The characters that are numerals, as words.
        assert_eq!(canonical(&words("Ⅷ").concat()), "8");
    }
}
