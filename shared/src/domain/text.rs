//! The one place where text is normalised. Three forms, each for its own question:
//!
//! * [`words`]: do two texts say the same words? Without case, accents or punctuation: search, and the identity of a
//!   genre.
//! * [`fold`]: are two names the same, whatever their case? Accents count: usernames and emails.
//! * [`trimmed`]: what is kept and shown: white space off both ends, control characters refused.

use caseless::Caseless as _;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// The words of `text`, without case or accents, in order. A word is a run of letters and digits.
///
/// Compatibility decomposition (NFKD, UAX #15), combining marks off, full case folding (Unicode §3.13), the Latin
/// letters that Unicode doesn't decompose spelled out, and composed again, so that a Hangul syllable is one character.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let plain: String = text
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .default_case_fold()
        .flat_map(spell_out)
        // Folding may bring marks back (İ) and compatibility forms with them.
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .nfc()
        .collect();
    plain
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Latin letters with a stroke, and ligatures: Unicode gives them no decomposition, readers do.
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

/// The form in which two names are the same: composed (NFC), with full case folding. Accents count.
#[must_use]
pub fn fold(text: &str) -> String {
    text.nfc().default_case_fold().nfc().collect()
}

/// `text` without white space at its ends, when it has 1 to `max` characters and no control character but those in
/// `allowed`.
///
/// # Errors
/// The message for the field.
pub fn trimmed(text: &str, max: usize, allowed: &[char]) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("This field may not be blank.".into());
    }
    if text.chars().count() > max {
        return Err(format!("May hold {max} characters."));
    }
    if text.chars().any(|c| c.is_control() && !allowed.contains(&c)) {
        return Err("May not hold control characters.".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_case_accents_and_punctuation() {
        assert_eq!(words("Amélie"), ["amelie"]);
        assert_eq!(words("Krzysztof Kieślowski"), ["krzysztof", "kieslowski"]);
        assert_eq!(
            words("Łódź – Straße, Smørrebrød & Æon"),
            ["lodz", "strasse", "smorrebrod", "aeon"]
        );
        assert_eq!(words("İstanbul IĞDIR ığdır"), ["istanbul", "igdir", "igdir"]);
        assert_eq!(words("ΟΔΥΣΣΕΥΣ Οδυσσεύς"), ["οδυσσευσ", "οδυσσευσ"]);
        assert_eq!(words("ﬁlm № ４２"), ["film", "no", "42"]);
        assert_eq!(words("기생충"), ["기생충"]);
        assert_eq!(words("…?!"), Vec::<String>::new());
    }

    #[test]
    fn normalising_twice_changes_nothing() {
        for text in ["Amélie", "İ", "ẞ", "ǽ", "ΐ", "ﷺ", "か\u{3099}", "Ǆ", "ſ", "ƛ"] {
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
        assert!(trimmed("a\0b", 9, &[]).is_err());
        assert!(trimmed("a\nb", 9, &[]).is_err());
        assert_eq!(trimmed("a\nb", 9, &['\n']), Ok("a\nb".into()));
    }
}
