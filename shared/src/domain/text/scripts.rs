//! Scripts that are written without spaces between words: Han, kana, Thai, Lao, Khmer and Burmese. Hangul is one of them here,
//! because its words take endings and are joined to others.
//!
//! People look for a part of such a text. So a *run*, two characters or more of these scripts inside a word, is found like the
//! start of a word. For example, `千と千尋の神隠し` has the runs `と千尋の神隠し`, `千尋の神隠し` and so on, up to `隠し`.

use icu_properties::{CodePointMapData, CodePointMapDataBorrowed, props::Script};
use unicode_normalization::char::is_combining_mark;

const SCRIPT: CodePointMapDataBorrowed<'static, Script> = CodePointMapData::<Script>::new();

/// The most characters of a run.
pub const MAX_RUN_CHARS: usize = 16;

/// Whether `c` is of a script without spaces: a letter or a mark of it.
#[must_use]
pub fn is_run(c: char) -> bool {
    // The first of these scripts is Hangul, whose letters begin at U+1100, except for Thai, Lao and Burmese. Most text is
    // below all of them and needs no table.
    if c < '\u{e00}' {
        return false;
    }
    match c {
        // Sound marks, the mark of a prolonged sound, and marks of repetition, which Unicode counts to no script.
        '\u{3099}' | '\u{309a}' | '\u{30fc}' | '\u{3006}' | '\u{303c}' | '\u{3031}'..='\u{3035}' => true,
        c => matches!(
            SCRIPT.get(c),
            Script::Han
                | Script::Hiragana
                | Script::Katakana
                | Script::Hangul
                | Script::Thai
                | Script::Lao
                | Script::Khmer
                | Script::Myanmar
        ),
    }
}

/// Whether the first two characters of a word are of a script without spaces.
#[must_use]
pub fn begins_with_run(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(is_run) && chars.next().is_some_and(is_run)
}

/// Returns the longest run from each place inside a word on, up to [`MAX_RUN_CHARS`] characters. Any run inside the word is the
/// start of one of them, or is longer. None begins with a mark, because no word does.
pub fn runs(word: &str) -> impl Iterator<Item = &str> {
    let inside = word
        .char_indices()
        .skip(1)
        .filter(|(_, c)| !is_combining_mark(*c));
    inside
        .map(|(at, _)| &word[at..])
        .filter(|run| begins_with_run(run))
        .map(|run| {
            let end = run.char_indices().nth(MAX_RUN_CHARS);
            &run[..end.map_or(run.len(), |(end, _)| end)]
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::words;

    #[test]
    fn every_script_without_spaces_has_runs_and_no_other_has() {
        for text in [
            "漢字",
            "ひらがな",
            "カタカナ",
            "한글",
            "ไทย",
            "ລາວ",
            "ខ្មែរ",
            "မြန်မာ",
            "ラー",
            "々々",
            "〆切",
        ] {
            let word = words(text).concat();
            assert!(word.chars().all(is_run), "{text}");
            assert!(begins_with_run(&word), "{text}");
        }
        for text in ["abc", "Ж", "ა", "बिल", "שלום", "كتاب", "千a", "a千尋", "千", ""] {
            assert!(!begins_with_run(&words(text).concat()), "{text}");
        }
    }

    #[test]
    fn runs_begin_at_each_character_but_the_first_and_last() {
        let all = |word| runs(word).collect::<Vec<_>>();
        assert_eq!(
            all("千と千尋の神隠し"),
            [
                "と千尋の神隠し",
                "千尋の神隠し",
                "尋の神隠し",
                "の神隠し",
                "神隠し",
                "隠し"
            ]
        );
        assert_eq!(all("기생충"), ["생충"]);
        assert_eq!(all("君の"), Vec::<&str>::new());
        assert_eq!(all("spiderman"), Vec::<&str>::new());
        // Digits and letters of other scripts are no part of a run's first two characters, but may follow.
        assert_eq!(all("a千尋x"), ["千尋x"]);
        assert_eq!(all("千a尋b隠c"), Vec::<&str>::new());
        // ไม้ม ก: no run begins with a tone mark.
        assert_eq!(all("ไม้มก"), ["ม้มก", "มก"]);
        let long = "映".repeat(30);
        let runs: Vec<&str> = runs(&long).collect();
        assert_eq!((runs[0], runs.len()), (&*"映".repeat(MAX_RUN_CHARS), 28));
    }
}
