//! The movies that are searched for, and the forms of their texts that people type.

use std::{error::Error, fs::File, path::Path};

use serde::Deserialize;
use serde_json::Value;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// The signs that people leave out when they close up a word. A dot is one of them between two initials only.
const SIGNS: [char; 6] = ['\'', '\u{2019}', '\u{b7}', '*', '/', '-'];

/// A row of the catalog.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    pub(super) title: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) release_date: String,
    pub(super) director: String,
    pub(super) genre: String,
}

impl Row {
    /// Returns the fields in the order of a [generated catalog](crate::crowd).
    pub(super) fn fields(&self) -> [&str; 5] {
        [
            &self.title,
            &self.description,
            &self.release_date,
            &self.director,
            &self.genre,
        ]
    }
}

/// A movie that a query looks for.
#[derive(Debug)]
pub(super) struct Movie {
    /// Its number in the catalog.
    pub(super) number: u64,
    pub(super) row: Row,
    /// The words of the title, without case and accents.
    pub(super) words: Vec<String>,
    /// The last word of the first director, or an empty text.
    pub(super) surname: String,
}

/// Reads the rows of a catalog.
///
/// # Errors
/// Returns an error if the file can't be read or a row lacks a field.
pub(super) fn read(file: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let opened = File::open(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut rows = csv::Reader::from_reader(opened);
    Ok(rows.deserialize().collect::<Result<_, _>>()?)
}

impl Movie {
    /// Returns the movie that the import makes of a row.
    pub(super) fn new(number: u64, row: Row) -> Self {
        let words = words(&row.title);
        let first = row
            .director
            .split(',')
            .map(self::words)
            .find(|name| !name.is_empty());
        let surname = first.and_then(|mut name| name.pop()).unwrap_or_default();
        Self {
            number,
            row,
            words,
            surname,
        }
    }

    /// Whether a result of a search is this movie. An import can skip ids.
    pub(super) fn is(&self, result: &Value) -> bool {
        let Row {
            title,
            release_date,
            director,
            ..
        } = &self.row;
        result["title"] == **title
            && result["release_date"] == **release_date
            && result["director"] == **director
    }

    /// Returns the words of the title, separated by spaces.
    pub(super) fn bare(&self) -> String {
        self.words.join(" ")
    }

    /// Returns the year of release.
    pub(super) fn year(&self) -> &str {
        self.row.release_date.split('-').next().unwrap_or_default()
    }

    /// Returns the title with other words in the place of one.
    pub(super) fn with(&self, at: usize, new: &[&str]) -> String {
        let own = self.words.iter().map(String::as_str);
        let before = own.clone().take(at);
        before
            .chain(new.iter().copied())
            .chain(own.skip(at + 1))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Returns the words of a text as people type them without case, accents and punctuation. A sign inside a word separates.
///
/// These are rules of their own, not those of the search: the benchmark shows where the two differ.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut plain = String::new();
    for c in text.to_lowercase().nfkd().filter(|c| !is_combining_mark(*c)) {
        match c {
            'ø' => plain.push('o'),
            'ł' => plain.push('l'),
            'đ' => plain.push('d'),
            'ı' => plain.push('i'),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'ß' => plain.push_str("ss"),
            c if c.is_alphanumeric() => plain.push(c),
            _ => plain.push(' '),
        }
    }
    plain.split_whitespace().map(str::to_owned).collect()
}

/// Returns the indexes of the characters of a text that are signs inside a word.
pub(super) fn signs(text: &str) -> Vec<usize> {
    let letters: Vec<char> = text.chars().collect();
    let is_letter = |at: Option<usize>| {
        at.and_then(|at| letters.get(at))
            .is_some_and(|c| c.is_alphanumeric())
    };
    let is_sign = |at: &usize| {
        let (before, after) = (at.checked_sub(1), Some(at + 1));
        let is_inside = is_letter(before) && is_letter(after);
        let is_between_initials = || !is_letter(at.checked_sub(2)) && !is_letter(Some(at + 2));
        match letters[*at] {
            '.' => is_inside && is_between_initials(),
            c => is_inside && SIGNS.contains(&c),
        }
    };
    (0..letters.len()).filter(is_sign).collect()
}

/// Returns a text with other characters in the place of the signs inside its words.
pub(super) fn without_signs(text: &str, instead: &str) -> String {
    let signs = signs(text);
    let mut new = String::new();
    for (at, c) in text.chars().enumerate() {
        if signs.contains(&at) {
            new.push_str(instead);
        } else {
            new.push(c);
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_no_case_accents_or_punctuation() {
        assert_eq!(
            words("Æon Flux: Amélie's Łódź (2)"),
            ["aeon", "flux", "amelie", "s", "lodz", "2"]
        );
    }

    #[test]
    fn signs_stand_inside_words() {
        for (text, closed_up) in [
            ("Spider-Man", "SpiderMan"),
            ("Schindler's List", "Schindlers List"),
            ("L.A. Confidential", "LA. Confidential"),
            ("E.T.", "ET."),
            ("M*A*S*H", "MASH"),
            ("WALL·E", "WALLE"),
            ("Face/Off", "FaceOff"),
            ("Dr.Who - Vol.2", "Dr.Who - Vol.2"),
            ("'Twas", "'Twas"),
        ] {
            assert_eq!(without_signs(text, ""), closed_up);
        }
        assert_eq!(without_signs("Spider-Man", " "), "Spider Man");
    }
}
