//! The vocabulary of the random requests: words and genres in their written and normalized forms, and dates.

use std::fmt;

/// Words, each with its normalized form.
pub(super) const WORDS: &[(&str, &str)] = &[
    ("The", "the"),
    ("the", "the"),
    ("THE", "the"),
    ("Kid", "kid"),
    ("kid", "kid"),
    ("Kids", "kids"),
    ("Kidnapped", "kidnapped"),
    ("of", "of"),
    ("Of", "of"),
    ("A", "a"),
    ("2", "2"),
    ("Kid", "kid"),
    ("drama", "drama"),
    ("Noir", "noir"),
    ("Fi", "fi"),
    ("2001", "2001"),
    ("Drama", "drama"),
    ("Amélie", "amelie"),
    ("AMÉLIE", "amelie"),
    ("Ame\u{301}lie", "amelie"),
    ("Łódź", "lodz"),
    ("Lodz", "lodz"),
    ("Straße", "strasse"),
    ("STRASSE", "strasse"),
    ("Smørrebrød", "smorrebrod"),
    ("Æon", "aeon"),
    ("aeons", "aeons"),
    ("Kieślowski", "kieslowski"),
    ("Οδύσσεια", "οδυσσεια"),
    ("Москва", "москва"),
    ("МОСКВА", "москва"),
    ("기생충", "기생충"),
    ("千と", "千と"),
    ("パパ", "パパ"),
    ("ﾊﾟﾊﾟ", "パパ"),
    ("ババ", "ババ"),
    ("ハハ", "ハハ"),
    ("बिल", "बिल"),
    ("बाल", "बाल"),
    ("कृष्ण", "कृष्ण"),
    ("ไม่", "ไม่"),
    ("ไม้", "ไม้"),
    ("ខ្មែរ", "ខ្មែរ"),
    ("أَحْمَد", "أحمد"),
    ("أحمد", "أحمد"),
    ("احمد", "احمد"),
    ("כָּל", "כל"),
    ("כל", "כל"),
    ("Мой", "мои"),
    ("Ёлки", "елки"),
];

/// Single letters with their normalized forms, from which other words are made. An empty form separates words.
pub(super) const LETTERS: &[(&str, &str)] = &[
    ("k", "k"),
    ("K", "k"),
    ("í", "i"),
    ("I", "i"),
    ("d", "d"),
    ("Ď", "d"),
    ("s\u{30c}", "s"),
    ("ß", "ss"),
    ("ł", "l"),
    ("Ø", "o"),
    ("æ", "ae"),
    ("Ж", "ж"),
    ("Ñ", "n"),
    ("７", "7"),
    ("٣", "٣"),
    ("字", "字"),
    ("ひ", "ひ"),
    ("ก", "ก"),
    ("กี่", "กี่"),
    ("ｶﾞ", "ガ"),
    ("カ", "カ"),
    ("बि", "बि"),
    ("बा", "बा"),
    ("क्", "क्"),
    ("أ", "أ"),
    ("بَ", "ب"),
    ("שָ", "ש"),
    ("Й", "и"),
    ("𝔛", "x"),
    ("🦀", ""),
    ("—", ""),
    ("!", ""),
    ("|", ""),
    ("#", ""),
];

/// Genres, each with its identity. Genres that differ only in case or accents are the same genre. `^` replaces `+` in an
/// identity, and `_` replaces `#`: no query has these words.
pub(super) const GENRES: &[(&str, &str)] = &[
    ("Drama", "drama"),
    ("DRAMA", "drama"),
    ("drama", "drama"),
    ("Sci-Fi", "sci fi"),
    ("SCI-FI", "sci fi"),
    ("Film Noir", "film noir"),
    ("film noir", "film noir"),
    ("Kid", "kid"),
    ("Comédie", "comedie"),
    ("COMÉDIE", "comedie"),
    ("Боевик", "боевик"),
    ("2", "2"),
    ("C", "c"),
    ("C++", "c ^^"),
    ("c＋＋", "c ^^"),
    ("C#", "c _"),
    ("बिल", "बिल"),
    ("बाल", "बाल"),
    ("パパ", "パパ"),
    ("ハハ", "ハハ"),
];

/// Release dates. There are few, so that movies share them.
pub(super) const DATES: &[&str] = &[
    "1870-01-01",
    "1972-03-24",
    "1999-12-31",
    "2000-02-29",
    "2000-03-01",
    "9999-12-31",
];

/// Few IMDb ids, so that movies compete for them.
pub(super) const IMDB_IDS: &[&str] = &["tt0068646", "tt12345678", "tt1234567890"];

/// A text as it is written, and its normalized words.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) written: String,
    pub(super) words: Vec<String>,
}

impl Text {
    pub(super) fn of(parts: &[(String, String)]) -> Self {
        let join = |part: fn(&(String, String)) -> &String| {
            parts
                .iter()
                .map(|p| part(p).as_str())
                .collect::<Vec<_>>()
                .join(" ")
        };
        Self {
            written: join(|p| &p.0).trim().to_owned(),
            words: join(|p| &p.1).split_whitespace().map(str::to_owned).collect(),
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.written)
    }
}

/// The written name of a genre and its identity.
pub(super) type GenreName = (&'static str, &'static str);

#[derive(Clone, Debug)]
pub(super) struct MovieText {
    pub(super) title: Text,
    pub(super) director: Text,
    pub(super) genres: Vec<GenreName>,
    pub(super) date: &'static str,
    pub(super) description: String,
    pub(super) imdb_id: Option<&'static str>,
}
