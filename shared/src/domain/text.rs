//! Text normalization. Every normalized form is made here:
//!
//! * [`words`] ignores case, accents and punctuation. Search and the identity of a genre use it. [`compounds`] are the same
//!   words, with what signs such as a hyphen join.
//! * [`fold`] ignores case but not accents. Usernames and emails are compared by it.
//! * [`trimmed`] is the form that is stored and shown: without white space at its ends or control characters. [`line()`] adds
//!   rules for names, such as titles, which are shown within other text.

use std::iter;

use caseless::Caseless as _;
use icu_properties::{
    CodePointSetData, CodePointSetDataBorrowed,
    props::{DefaultIgnorableCodePoint, QuotationMark},
};
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

mod compounds;
mod scripts;

pub use compounds::{Compound, canonical, closed_up, compounds};
pub use scripts::{MAX_RUN_CHARS, begins_with_run, is_run, runs};

use crate::domain::marks::{BREAK, DOT, POINT, SIGN, letters};

/// Returns the words of `text` in order, without case and accents. A word is a sequence of letters and digits, each with the
/// marks that are part of it in its script. Marks that writers of the script leave out are accents: `é` is `e`, but `ガ` is not
/// `カ` and `बि` is not `बा`. The sign `&` is the word `and`.
///
/// The steps are compatibility decomposition (NFKD, UAX #15), removal of accents and invisible characters, full case folding
/// (Unicode §3.13), spelling out the Latin letters that Unicode does not decompose, and composition (NFC), which makes a
/// Hangul syllable one character again.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    // Most text is ASCII without `&`, of which all these steps leave the letters and digits, in lower case.
    if text.is_ascii() && !text.contains('&') {
        return text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
    }
    separated(text)
        .split(is_separator)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns a number that is at least that of the [`words`] of `text`, without normalizing it. `None` if the text isn't ASCII.
#[must_use]
pub fn most_words(text: &str) -> Option<usize> {
    if !text.is_ascii() {
        return None;
    }
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    Some(words.count() + text.matches('&').count())
}

/// Returns the [`words`] of any text, and between them what separates them: spaces, and for other characters a [`SIGN`], a
/// [`DOT`], a [`POINT`] or a [`BREAK`].
fn separated(text: &str) -> String {
    let typed = spell_numbers(text.chars().filter(|c| !is_enclosed(*c)));
    let folded = letters(typed.map(prepared).nfkd().flat_map(spell_ampersand))
        .default_case_fold()
        .flat_map(spell_out);
    // Folding can produce accents (from İ) and compatibility forms.
    letters(folded.nfkd()).nfc().collect()
}

/// Whether `c` of a separated text is not part of a word. All of these sort before every letter and digit.
fn is_separator(c: char) -> bool {
    c <= ' '
}

/// Returns a fraction as a word of its own (`8½` is `8 1/2`), small raised digits as a number that a hyphen joins (`Apollo¹³` is
/// `Apollo-13`), a number in a circle likewise, and any other character as it is. Unicode's decomposition would join all of these
/// to what is before them.
fn spell_numbers(text: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    let mut is_behind_raised = false;
    text.flat_map(move |c| {
        let is_raised = matches!(
            c,
            '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{2070}' | '\u{2074}'..='\u{2079}'
        );
        let (before, after) = match c {
            '\u{bc}'..='\u{be}' | '\u{2150}'..='\u{215f}' | '\u{2189}' => (Some(' '), Some(' ')),
            '\u{2460}'..='\u{2473}' | '\u{24ea}' => (Some('-'), None),
            _ if is_raised && !is_behind_raised => (Some('-'), None),
            _ => (None, None),
        };
        is_behind_raised = is_raised;
        let itself = iter::once(c).filter(move |_| before.is_none());
        let spelled = iter::once(c).filter(move |_| before.is_some()).nfkd();
        before.into_iter().chain(itself).chain(spelled).chain(after)
    })
}

/// Returns what `c` is before it is decomposed: a sound mark of kana as its combining form, and a sign inside a word as a
/// [`SIGN`], a [`DOT`] or a [`POINT`]. Unicode decomposes some of these into a space and a mark, and calls others letters.
fn prepared(c: char) -> char {
    match c {
        '\u{309b}' => '\u{3099}',
        '\u{309c}' => '\u{309a}',
        SIGN | DOT | POINT => BREAK,
        '.' | '\u{ff0e}' | '\u{fe52}' => DOT,
        c if is_point(c) => POINT,
        c if is_sign(c) => SIGN,
        c => c,
    }
}

/// Whether `c` is a sign that writers put between digits, other than a dot: a comma or a colon.
fn is_point(c: char) -> bool {
    matches!(
        c,
        ',' | ':'
            | '\u{66b}'
            | '\u{66c}'
            | '\u{2236}'
            | '\u{a789}'
            | '\u{fe50}'
            | '\u{fe55}'
            | '\u{ff0c}'
            | '\u{ff1a}'
    )
}

/// Whether `c` is a sign that writers put inside a word, other than the dot of initials.
fn is_sign(c: char) -> bool {
    /// Apostrophes, and what is typed in their place: accents without a letter, primes, half rings, geresh.
    const APOSTROPHES: &[char] = &[
        '\'', '`', '\u{b4}', '\u{2b9}', '\u{2bb}', '\u{2bc}', '\u{2bd}', '\u{2be}', '\u{2bf}', '\u{374}',
        '\u{5f3}', '\u{1fef}', '\u{1ffd}', '\u{2018}', '\u{2019}', '\u{201b}', '\u{2032}', '\u{ff07}',
        '\u{ff40}',
    ];
    /// Hyphens, the en dash and the minus sign; those of Armenian and Hebrew.
    const HYPHENS: &[char] = &[
        '-', '\u{58a}', '\u{5be}', '\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2212}', '\u{fe63}',
        '\u{ff0d}',
    ];
    /// Asterisks and slashes, and those of fractions.
    const STARS: &[char] = &[
        '*', '/', '\u{2044}', '\u{2215}', '\u{fe61}', '\u{ff0a}', '\u{ff0f}',
    ];
    const MIDDLE_DOTS: &[char] = &[
        '\u{b7}', '\u{387}', '\u{2022}', '\u{2027}', '\u{2219}', '\u{22c5}', '\u{30fb}', '\u{ff65}',
    ];
    [APOSTROPHES, HYPHENS, STARS, MIDDLE_DOTS]
        .iter()
        .any(|signs| signs.contains(&c))
}

/// Returns the word `and` for `&`, and any other character as it is.
fn spell_ampersand(c: char) -> impl Iterator<Item = char> {
    let is_ampersand = c == '&';
    let spelled = if is_ampersand { " and " } else { "" };
    spelled.chars().chain((!is_ampersand).then_some(c))
}

/// Whether `c` is in the blocks Enclosed Alphanumeric Supplement or Enclosed Ideographic Supplement. These letters in circles
/// and squares are emoji: like other emoji they are pictures, and search ignores them.
fn is_enclosed(c: char) -> bool {
    matches!(c, '\u{1f100}'..='\u{1f2ff}')
}

/// Whether `c` can be part of a word: it is a letter, a digit or a mark.
pub(super) fn is_in_word(c: char) -> bool {
    (c.is_alphanumeric() && !is_enclosed(c)) || is_combining_mark(c)
}

/// Returns the letters that replace `c`, when `c` is a Latin ligature or a Latin letter with a stroke: Unicode does not
/// decompose these. Returns other characters as they are.
fn spell_out(c: char) -> impl Iterator<Item = char> {
    let spelled: &'static str = match c {
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' | 'ƚ' => "l",
        'đ' | 'ð' | 'ɖ' => "d",
        'þ' => "th",
        'ħ' => "h",
        'ı' | 'ɨ' => "i",
        'ĸ' => "k",
        'ŋ' => "n",
        'ŧ' => "t",
        'ƀ' => "b",
        'ǥ' => "g",
        'ɉ' => "j",
        'ɍ' => "r",
        'ʉ' => "u",
        'ɏ' => "y",
        'ƶ' => "z",
        'ə' => "e",
        _ => "",
    };
    let itself = spelled.is_empty().then_some(c);
    spelled.chars().chain(itself)
}

/// Returns the form by which two names are compared: composed (NFC), with full case folding. Accents are kept.
#[must_use]
pub fn fold(text: &str) -> String {
    text.nfc().default_case_fold().nfc().collect()
}

/// Returns `text` without white space at its ends. It must have 1 to `max` characters, and no control characters except those
/// in `allowed`.
///
/// # Errors
/// The message for the field.
pub fn trimmed(text: &str, max: usize, allowed: &[char]) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("This field may not be blank.".into());
    }
    // No text has more characters than bytes.
    if text.len() > max && text.chars().count() > max {
        return Err(format!("Must be at most {max} characters."));
    }
    // The first byte of every control character (C0, DEL, C1) is one of these; most text has none.
    let may_be_control = |b: u8| b < b' ' || b == 0x7f || b == 0xc2;
    if text.bytes().any(may_be_control) && text.chars().any(|c| c.is_control() && !allowed.contains(&c)) {
        return Err("Must not contain control characters.".into());
    }
    Ok(text.to_owned())
}

/// Returns [`trimmed`] text of one line that can be a name: it must have a visible character, and must not change the
/// direction of the text around it.
///
/// # Errors
/// The message for the field.
pub fn line(text: &str, max: usize) -> Result<String, String> {
    let text = trimmed(text, max, &[])?;
    check_direction(&text)?;
    if !text.chars().any(is_visible) {
        return Err(INVISIBLE.into());
    }
    Ok(text)
}

/// The message for a name without a visible character.
pub const INVISIBLE: &str = "Must have a visible character.";

/// Refuses characters that override, embed or isolate a direction (UAX #9 §2): with them a name could reorder the text that
/// follows it. The marks LRM, RLM and ALM are allowed: they act only as an invisible letter.
///
/// # Errors
/// The message for the field.
pub fn check_direction(text: &str) -> Result<(), &'static str> {
    let reorders = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match text.contains(reorders) {
        true => Err(
            "Must not contain characters that change the direction of text (U+202A to U+202E, U+2066 to U+2069).",
        ),
        false => Ok(()),
    }
}

/// Characters that are invisible although no Unicode property says so: the blank braille pattern, the musical null notehead,
/// and the three characters that delimit an annotation.
const BLANK: [char; 5] = ['\u{2800}', '\u{1d159}', '\u{fff9}', '\u{fffa}', '\u{fffb}'];

const QUOTATION_MARK: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<QuotationMark>();

/// Whether `c` is a quotation mark: it has Unicode's property `Quotation_Mark` (UAX #44), or it is a backtick or an ornament that
/// looks like a quotation mark.
pub(crate) fn is_quotation_mark(c: char) -> bool {
    QUOTATION_MARK.contains(c) || matches!(c, '`' | '\u{275b}'..='\u{275e}')
}

const IGNORABLE: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<DefaultIgnorableCodePoint>();

/// Whether `c` is invisible: it has Unicode's property `Default_Ignorable_Code_Point` (UAX #44), as joiners, variation
/// selectors, tags and the Hangul fillers do, or it is in a short list of others.
#[must_use]
pub fn is_ignorable(c: char) -> bool {
    IGNORABLE.contains(c) || BLANK.contains(&c)
}

/// Whether `c` is visible by itself: it is not white space, ignorable, a combining mark, a control character or a noncharacter.
/// A code point that Unicode has not assigned yet counts as visible.
#[must_use]
pub fn is_visible(c: char) -> bool {
    let is_noncharacter = matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    !(c.is_whitespace() || c.is_control() || is_ignorable(c) || is_combining_mark(c) || is_noncharacter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_at_most_the_words_that_are_counted_without_normalizing_it() {
        for c in (0..=127).map(char::from) {
            let text = format!("{c}A{c}b{c}{c}C 1{c}d");
            assert!(most_words(&text).unwrap() >= words(&text).len(), "{text:?}");
        }
        assert_eq!(most_words("Face/Off: it's 2 & 3"), Some(7));
        assert_eq!(most_words("ﷺ"), None);
    }

    #[test]
    fn words_lose_case_accents_and_punctuation() {
        assert_eq!(words("Amélie"), ["amelie"]);
        assert_eq!(words("Krzysztof Kieślowski"), ["krzysztof", "kieslowski"]);
        assert_eq!(
            words("Łódź – Straße, Smørrebrød & Æon"),
            ["lodz", "strasse", "smorrebrod", "and", "aeon"]
        );
        assert_eq!(words("İstanbul IĞDIR ığdır"), ["istanbul", "igdir", "igdir"]);
        assert_eq!(words("ΟΔΥΣΣΕΥΣ Οδυσσεύς"), ["οδυσσευσ", "οδυσσευσ"]);
        assert_eq!(words("ﬁlm № ４２"), ["film", "no", "42"]);
        assert_eq!(words("기생충"), ["기생충"]);
        assert_eq!(words("…?!"), Vec::<String>::new());
        // Emoji are not letters, including those made of letters.
        assert_eq!(words("Tom 😀 🅰🅱🆎 🈁🈷 + Jerry"), ["tom", "jerry"]);
    }

    #[test]
    fn the_tables_find_the_same_words_in_ascii() {
        for c in (0..=127).map(char::from) {
            for text in [format!("{c}"), format!("A{c}b"), format!("{c}{c} {c}7{c}Z")] {
                let separated = separated(&text);
                let by_tables = separated.split(is_separator).filter(|word| !word.is_empty());
                assert_eq!(words(&text), by_tables.collect::<Vec<_>>(), "{text:?}");
            }
        }
    }

    #[test]
    fn an_ampersand_is_the_word_and() {
        for text in [
            "Fire & Ice",
            "Fire and Ice",
            "fire&ice",
            "Fire＆Ice",
            "Fire ﹠ Ice",
            "Fire &\u{301} Ice",
        ] {
            assert_eq!(words(text), ["fire", "and", "ice"], "{text}");
        }
        assert_eq!(words("&&"), ["and", "and"]);
    }

    #[test]
    fn normalizing_twice_changes_nothing() {
        for text in [
            "Amélie",
            "İ",
            "ẞ",
            "ǽ",
            "ΐ",
            "ﷺ",
            "か\u{3099}",
            "Ǆ",
            "ſ",
            "ƛ",
            "가\u{345}",
        ] {
            let once = words(text).join(" ");
            assert_eq!(words(&once).join(" "), once, "{text}");
        }
    }

    #[test]
    fn folding_keeps_accents() {
        assert_eq!(fold("JOSÉ"), fold("jose\u{301}"));
        assert_ne!(fold("José"), fold("Jose"));
        assert_eq!(fold("STRASSE"), fold("straße"));
    }

    #[test]
    fn trimming_says_what_is_wrong() {
        assert_eq!(trimmed("  a b ", 3, &[]), Ok("a b".into()));
        assert!(trimmed(" \t\n", 3, &[]).is_err());
        assert!(trimmed("abcd", 3, &[]).is_err());
        for control in ('\0'..='\u{ff}').filter(|c| c.is_control()) {
            assert!(trimmed(&format!("a{control}b"), 9, &[]).is_err(), "{control:?}");
        }
        assert_eq!(trimmed("éééé", 4, &[]), Ok("éééé".into()));
        assert!(trimmed("ééééé", 4, &[]).is_err());
        assert!(trimmed("a\nb", 9, &[]).is_err());
        assert_eq!(trimmed("a\nb", 9, &['\n']), Ok("a\nb".into()));
    }

    #[test]
    fn a_name_of_nothing_visible_is_refused() {
        for bad in [
            "\u{200b}",
            "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{115f}\u{1160}",
            "\u{2800}",
            "\u{ad}",
            "\u{34f}",
            "\u{180e}",
            "\u{2061}\u{2064}",
            "\u{fe0f}\u{e0100}",
            "\u{e0041}\u{e007f}",
            "\u{301}",
            "\u{93e}",
            "\u{20dd}",
            "\u{1d159}",
            "\u{200e}\u{200f}\u{61c}",
            "\u{fff9}\u{fffb}",
            "\u{ffff}\u{fdd0}\u{10fffe}",
            "\u{3164} \u{2800}\u{a0}\u{200b}",
        ] {
            assert_eq!(line(bad, 99), Err(INVISIBLE.to_owned()), "{bad:?}");
        }
        // Emoji, Persian and Hebrew use joiners, direction marks and selectors.
        for good in [
            "👩\u{200d}🚀",
            "❤\u{fe0f}",
            "می\u{200c}خواهم",
            "\u{200f}(שלום)",
            "e\u{301}",
            "का",
            "…",
            "?",
            "\u{e000}",
            "🏴\u{e0067}\u{e0062}\u{e007f}",
        ] {
            assert_eq!(line(good, 99), Ok(good.to_owned()));
        }
    }

    #[test]
    fn a_name_that_turns_the_text_around_it_is_refused() {
        for turning in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            let error = line(&format!("a{turning}b"), 9).unwrap_err();
            assert!(error.contains("direction"), "{error}");
        }
    }
}
