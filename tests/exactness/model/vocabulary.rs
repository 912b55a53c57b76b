//! The vocabulary of the random requests: words and genres in their written and normalized forms, and dates.

use std::{collections::BTreeSet, fmt};

/// Words, each with its normalized form. In that form `-` is any sign that joins two words, and `.` one that joins two
/// letters.
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
    ("Kid,", "kid,"),
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
    ("Spider-Man", "spider-man"),
    ("Spider‐Man", "spider-man"),
    ("spiderman", "spiderman"),
    ("Spider", "spider"),
    ("Man", "man"),
    ("X-Men", "x-men"),
    ("xmen", "xmen"),
    ("Kid's", "kid-s"),
    ("O’Kid", "o-kid"),
    ("Kid-Drama", "kid-drama"),
    ("M*A*S*H", "m-a-s-h"),
    ("mash", "mash"),
    ("Face/Off", "face-off"),
    ("Wall·E", "wall-e"),
    ("'Noir'", "noir"),
    ("L.A", "l.a"),
    ("kid.Noir", "kid.noir"),
    ("la", "la"),
    ("&", "and"),
    ("＆", "and"),
    ("and", "and"),
    ("R&B", "r and b"),
    ("II", "ii"),
    ("III", "iii"),
    ("3", "3"),
    ("x", "x"),
    ("10", "10"),
    ("XX", "xx"),
    ("20", "20"),
    ("XXI", "xxi"),
    ("I", "i"),
    ("1", "1"),
    ("1999", "1999"),
    ("2000", "2000"),
    ("1972", "1972"),
    ("Star", "star"),
    ("Wars", "wars"),
    ("starwars", "starwars"),
    ("God", "god"),
    ("Father", "father"),
    ("Godfather", "godfather"),
    ("Matrix", "matrix"),
    ("Martix", "martix"),
    ("神隠し", "神隠し"),
    ("千と千尋の神隠し", "千と千尋の神隠し"),
    ("神", "神"),
    ("カメラ", "カメラ"),
    ("カメラ・パパ", "カメラ-パパ"),
    ("생충기", "생충기"),
    ("충", "충"),
    ("살인의추억", "살인의추억"),
    ("ไม่มี", "ไม่มี"),
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
    ("'", "-"),
    ("-", "-"),
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
    ("Rock & Roll", "rock and roll"),
    ("rock and roll", "rock and roll"),
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
    /// The text in the form in which [`WORDS`] and [`LETTERS`] have it.
    pub(super) plain: String,
    pub(super) words: Vec<String>,
    /// The same words: those that signs join are together.
    pub(super) compounds: Vec<Vec<String>>,
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
        let plain = join(|p| &p.1).trim().to_owned();
        let compounds = compounds(&plain);
        Self {
            written: join(|p| &p.0).trim().to_owned(),
            words: compounds.concat(),
            compounds,
            plain,
        }
    }

    /// The names in this text, which have commas between them: the words of each.
    pub(super) fn names(&self) -> BTreeSet<Vec<String>> {
        let names = self.plain.split(',').map(|name| compounds(name).concat());
        names.filter(|name| !name.is_empty()).collect()
    }
}

/// Returns the words of a plain text. Those that only signs separate are together; dots join letters, not words.
fn compounds(plain: &str) -> Vec<Vec<String>> {
    let is_letter = |word: &str| word.chars().count() == 1;
    let mut compounds: Vec<Vec<String>> = Vec::new();
    for chunk in plain.split([' ', ',']) {
        // The signs since the last word of the chunk; `None` before the first.
        let mut signs: Option<String> = None;
        for piece in chunk.split_inclusive(['-', '.']) {
            let word = piece.trim_end_matches(['-', '.']);
            if !word.is_empty() {
                let last = compounds.last_mut().filter(|last| {
                    let letters = is_letter(word) && last.last().is_some_and(|last| is_letter(last));
                    signs
                        .as_ref()
                        .is_some_and(|signs| letters || !signs.contains('.'))
                });
                match last {
                    Some(last) => last.push(word.to_owned()),
                    None => compounds.push(vec![word.to_owned()]),
                }
                signs = Some(String::new());
            }
            if let Some(signs) = &mut signs {
                signs.push_str(&piece[word.len()..]);
            }
        }
    }
    compounds
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
