//! Which combining marks are part of a letter, and which are accents.
//!
//! An accent is a mark that writers of the script leave out: an accent of Latin, Greek and Cyrillic, a vowel sign of Arabic
//! (harakat, shadda, tanwin, and the signs of the Quran), a point of Hebrew. Every other mark is part of the letter: a sound
//! mark of kana, a hamza, a nukta, a vowel sign or tone mark of Indic scripts, Thai, Lao, Khmer, Burmese and all others.

use icu_properties::{
    CodePointMapData, CodePointMapDataBorrowed, CodePointSetData, CodePointSetDataBorrowed,
    props::{DefaultIgnorableCodePoint, GeneralCategory, JoiningType, Script},
};
use unicode_normalization::char::is_combining_mark;

const SCRIPT: CodePointMapDataBorrowed<'static, Script> = CodePointMapData::<Script>::new();
const CATEGORY: CodePointMapDataBorrowed<'static, GeneralCategory> =
    CodePointMapData::<GeneralCategory>::new();
const JOINING: CodePointMapDataBorrowed<'static, JoiningType> = CodePointMapData::<JoiningType>::new();
const IGNORABLE: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<DefaultIgnorableCodePoint>();

/// Replaces a sign that joins the words beside it, such as a hyphen. It and the next three are control characters, which no
/// decomposition or folding produces.
pub(super) const SIGN: char = '\u{1}';
/// Replaces a dot, which joins initials and digits.
pub(super) const DOT: char = '\u{2}';
/// Replaces a comma or a colon, which joins digits.
pub(super) const POINT: char = '\u{4}';
/// Replaces any other character between words that is not a space.
pub(super) const BREAK: char = '\u{3}';

/// Returns the letters and digits of decomposed text, each followed by the marks that are part of it. Every other character
/// becomes a space or a [`BREAK`], except for [`SIGN`], [`DOT`], [`POINT`], and those that say nothing about the letters around
/// them, which are left out: accents, marks without a letter, invisible characters (joiners, direction marks, variation
/// selectors) and the strokes that only stretch a word (tatweel).
pub(super) fn letters(decomposed: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    let mut base = None;
    let separator = |c: char| match c {
        SIGN | DOT | POINT => c,
        c if c.is_whitespace() => ' ',
        _ => BREAK,
    };
    decomposed.filter_map(move |c| {
        // Most text is ASCII, which needs no table.
        if c.is_ascii() {
            base = c.is_ascii_alphanumeric().then_some(c);
            return Some(base.unwrap_or_else(|| separator(c)));
        }
        if IGNORABLE.contains(c) || JOINING.get(c) == JoiningType::JoinCausing {
            return None;
        }
        if is_combining_mark(c) {
            return base.filter(|base| !is_accent(c, *base)).map(|_| c);
        }
        base = c.is_alphanumeric().then_some(c);
        Some(base.unwrap_or_else(|| separator(c)))
    })
}

/// Whether `mark` on the letter or digit `base` is an accent.
fn is_accent(mark: char, base: char) -> bool {
    // Unicode gives these marks no script of their own, because other scripts borrow some of them.
    match mark {
        // Madda, hamza above, hamza below, wavy hamza below; the sound marks of kana.
        '\u{653}'..='\u{655}' | '\u{65f}' | '\u{3099}' | '\u{309a}' => return false,
        // Tanwin, harakat, shadda, sukun, further vowel signs, dagger alif.
        '\u{64b}'..='\u{652}' | '\u{656}'..='\u{65e}' | '\u{670}' => return true,
        _ => {}
    }
    // Circles and squares around a character are pictures, not letters.
    if CATEGORY.get(mark) == GeneralCategory::EnclosingMark {
        return true;
    }
    match SCRIPT.get(mark) {
        Script::Inherited | Script::Common => matches!(
            SCRIPT.get(base),
            Script::Latin | Script::Greek | Script::Cyrillic | Script::Common
        ),
        script => matches!(
            script,
            Script::Latin | Script::Greek | Script::Cyrillic | Script::Arabic | Script::Hebrew
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::words;

    /// Texts that normalize to the same words, by script.
    const SAME: &[(&str, &[&str])] = &[
        (
            "Latin",
            &["Amélie", "AME\u{301}LIE", "amelie", "Ａｍｅ\u{301}lie"],
        ),
        (
            "Vietnamese",
            &["Đường về", "đ\u{1b0}\u{1a1}\u{300}ng ve", "duong ve"],
        ),
        ("Turkish", &["İstanbul", "istanbul", "ıstanbul"]),
        (
            "letters of Latin",
            &["Łódź Smørrebrød Straße Æon", "lodz smorrebrod strasse aeon"],
        ),
        ("Greek", &["Οδύσσεια", "οδυσσεια", "ὈΔΎΣΣΕΙΑ"]),
        ("Greek with iota", &["ᾳ", "α"]),
        ("Cyrillic", &["Ёлки Мой", "елки мои", "Е\u{308}лки Мои\u{306}"]),
        ("Cyrillic titlo", &["г\u{483}ль", "гль"]),
        ("Ukrainian", &["Їжак", "іжак"]),
        ("Arabic harakat", &["كِتَاب", "كتاب", "كُتّاب"]),
        ("Arabic tanwin", &["شكرًا", "شكرا"]),
        ("Arabic tatweel", &["كـــتـاب", "كتاب"]),
        ("Arabic dagger alif", &["رحمٰن", "رحمن"]),
        ("Arabic signs of the Quran", &["قل\u{6d6}", "قل", "قل\u{8f0}"]),
        ("Arabic presentation forms", &["ﻛﺘﺎﺏ", "كتاب"]),
        ("Arabic hamza", &["أحمد", "ا\u{654}حمد", "أَحْمَد"]),
        ("Arabic madda", &["آدم", "ا\u{653}دم"]),
        ("Persian", &["می\u{200c}خواهم", "میخواهم"]),
        ("Hebrew", &["שָׁלוֹם", "שלום", "ש\u{5c1}לו\u{fb1e}ם"]),
        ("Hebrew presentation forms", &["\u{fb2a}לום", "שלום"]),
        ("Japanese", &["ガラス", "カ\u{3099}ラス", "ｶﾞﾗｽ", "カ゛ラス"]),
        (
            "Japanese half sound mark",
            &["パパ", "ハ\u{309a}ハ\u{309a}", "ﾊﾟﾊﾟ"],
        ),
        ("Han with variation selector", &["葛\u{e0100}", "葛"]),
        ("Hangul", &["기생충", "\u{1100}\u{1175}생충", "기새\u{11bc}충"]),
        ("Hangul with filler", &["\u{3131}", "\u{1100}\u{1160}"]),
        ("Devanagari nukta", &["\u{958}िला", "क\u{93c}िला"]),
        ("Devanagari with joiner", &["क्\u{200d}ष", "क्ष"]),
        ("Bengali", &["ক\u{9cb}", "ক\u{9c7}\u{9be}"]),
        ("Tamil", &["க\u{bca}", "க\u{bc6}\u{bbe}"]),
        ("Sinhala with joiner", &["ශ්\u{200d}රී", "ශ්රී"]),
        ("Thai", &["กำ", "ก\u{e4d}า"]),
        ("Khmer with zero width space", &["ខ្មែរ\u{200b}យើង", "ខ្មែរយើង"]),
        ("Mongolian", &["ᠮᠣᠩ\u{180b}ᠭᠣᠯ", "ᠮᠣᠩᠭᠣᠯ", "ᠮᠣᠩ\u{180a}ᠭᠣᠯ"]),
        ("N'Ko with stretch", &["ߒߺߞߏ", "ߒߞߏ"]),
        (
            "digits",
            &["1\u{20e3}", "1\u{fe0f}\u{20e3}", "1", "１", "1\u{301}"],
        ),
        ("soft hyphen", &["Spider\u{ad}man", "Spiderman"]),
        ("a circle around a letter", &["ハ\u{20dd}", "ハ"]),
    ];

    /// Texts that differ only in their marks and are different words, by script.
    const DIFFERENT: &[(&str, &[&str])] = &[
        ("Arabic", &["أ", "ا", "إ", "آ", "ٱ"]),
        ("Arabic letters with hamza", &["ؤ", "و", "ئ", "ي", "ى"]),
        ("Urdu", &["ۂ", "ہ", "ۓ", "ے"]),
        ("Kashmiri", &["ا\u{65f}", "ا"]),
        ("Katakana", &["パパ", "ババ", "ハハ"]),
        ("Hiragana", &["か", "が", "か\u{309a}"]),
        ("prolonged sound with sound mark", &["カー", "カー\u{3099}"]),
        ("Devanagari", &["बिल", "बाल", "बल", "बल्", "बंल", "बँल", "बलः"]),
        ("Devanagari nukta", &["क़", "क", "ड़", "ड"]),
        ("Bengali", &["কি", "কী", "ক", "ক্", "কো", "ড", "ড়"]),
        ("Gurmukhi", &["ਕਿ", "ਕੀ", "ਕ", "ਕੱ", "ਸ਼", "ਸ"]),
        ("Gujarati", &["કિ", "કી", "ક", "કં"]),
        ("Odia", &["କି", "କୀ", "କ", "ଡ଼", "ଡ"]),
        ("Tamil", &["கி", "கீ", "க", "க்", "கொ"]),
        ("Telugu", &["కి", "కీ", "క", "క్"]),
        ("Kannada", &["ಕಿ", "ಕೀ", "ಕ", "ಕ್", "ಕೋ"]),
        ("Malayalam", &["കി", "കീ", "ക", "ക്", "കൊ"]),
        ("Sinhala", &["කි", "කී", "ක", "ක්", "කෝ"]),
        ("Thai", &["ไม", "ไม่", "ไม้", "ไม๊", "ไม๋", "ไม็"]),
        ("Lao", &["ກາ", "ກ່າ", "ກ້າ", "ກິ", "ກີ"]),
        ("Khmer", &["កា", "កិ", "កី", "ក", "ក្ក", "កក", "កំ"]),
        ("Burmese", &["ကာ", "ကိ", "ကီ", "က", "က်", "က့", "ကး"]),
        ("Shan", &["ၵႃ", "ၵိ", "ၵ", "ၵႇ"]),
        ("Tibetan", &["ཀི", "ཀུ", "ཀ", "ཀྱ", "ཀྲ"]),
        ("Syriac", &["ܐ", "ܐܰ", "ܐܶ", "ܐ\u{308}"]),
        ("Thaana", &["ހަ", "ހާ", "ހި", "ހ", "ހް"]),
        ("N'Ko", &["ߊ", "ߊ߫", "ߊ߬", "ߊ߲"]),
        ("Ethiopic", &["ከ", "ኩ", "ከ\u{135f}"]),
        ("Javanese", &["ꦏ", "ꦏꦶ", "ꦏꦸ", "ꦏ꧀"]),
        ("Balinese", &["ᬓ", "ᬓᬶ", "ᬓᬸ", "ᬓ᭄"]),
        ("Cham", &["ꨆ", "ꨆꨪ", "ꨆꨭ"]),
        ("Tai Tham", &["ᨠ", "ᨠᩥ", "ᨠᩩ", "ᨠ᩵"]),
        ("Meetei Mayek", &["ꯀ", "ꯀꯤ", "ꯀꯨ", "ꯀ꯭"]),
        ("Lepcha", &["ᰀ", "ᰀᰦ", "ᰀᰧ"]),
        ("Tagalog", &["ᜃ", "ᜃᜒ", "ᜃᜓ"]),
        ("Chakma", &["𑄇", "𑄇𑄨", "𑄇𑄪"]),
        ("Adlam", &["𞤀", "𞤀\u{1e944}", "𞤀\u{1e945}"]),
        ("Hangul jamo", &["가", "각", "까", "고", "\u{1100}"]),
        ("Hangul tones", &["가", "가\u{302e}", "가\u{302f}"]),
        ("Bopomofo", &["ㄅ", "ㄆ"]),
        ("Armenian", &["ե", "է", "և"]),
        ("Georgian", &["ვ", "ჳ"]),
        ("Coptic", &["ⲁ", "ⲁ\u{305}"]),
        ("Cherokee", &["Ꭰ", "Ꭱ"]),
    ];

    #[test]
    fn marks_that_writers_leave_out_are_dropped() {
        for (script, texts) in SAME {
            let first = words(texts.first().copied().unwrap_or_default());
            assert!(!first.is_empty(), "{script}");
            for text in *texts {
                assert_eq!(words(text), first, "{script}: {text}");
            }
        }
    }

    #[test]
    fn marks_that_are_part_of_a_letter_stay() {
        for (script, texts) in DIFFERENT {
            for (n, text) in texts.iter().enumerate() {
                assert_eq!(words(text).len(), 1, "{script}: {text}");
                for other in &texts[..n] {
                    assert_ne!(words(text), words(other), "{script}: {text} and {other}");
                }
            }
        }
    }

    #[test]
    fn a_text_of_these_scripts_is_normalized_once() {
        for (script, texts) in SAME.iter().chain(DIFFERENT) {
            for text in *texts {
                let once = words(text).join(" ");
                assert_eq!(words(&once).join(" "), once, "{script}: {text}");
            }
        }
    }

    #[test]
    fn words_of_these_scripts_are_not_split() {
        for text in ["कृष्ण", "สวัสดี", "ខ្មែរ", "မြန်မာ", "ශ්‍රී", "শ্রী", "ජෝර්ජ්"]
        {
            assert_eq!(words(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn marks_without_a_letter_are_no_word() {
        for text in [
            "\u{93e}",
            "\u{301}",
            "\u{3099}",
            "゛",
            "\u{64b}",
            "… \u{94d}",
            "😀\u{93e}",
        ] {
            assert_eq!(words(text), Vec::<String>::new(), "{text:?}");
        }
    }

    /// Every mark of Unicode, on a letter of every script of the tables: a word is never split and never lost.
    #[test]
    fn every_mark_leaves_one_word() {
        let bases: Vec<char> = SAME
            .iter()
            .chain(DIFFERENT)
            .filter_map(|(_, texts)| texts.first()?.chars().next())
            .collect();
        for mark in (0..=0x0010_ffff)
            .filter_map(char::from_u32)
            .filter(|c| is_combining_mark(*c))
        {
            for base in &bases {
                let text = format!("{base}{mark}");
                let once = words(&text);
                assert_eq!(once.len(), 1, "{text:?}");
                assert_eq!(words(&once.join(" ")), once, "{text:?}");
            }
        }
    }
}
