//! The keys of the postings that an earlier layout of the table had. Searches tolerate such postings until the table is
//! upgraded, and the upgrade deletes those that the present layout doesn't have.
//!
//! That layout had a posting for each word of the title and of the director, not canonical, and no closed-up forms, runs, and
//! memberships of directors and years. Every partition key held the first three characters of its word.

use std::collections::BTreeMap;

use crate::{
    db::{
        keys::{END, Key, WORD_SEPARATOR, id_text},
        posting_list::MadePosting,
        words::Words,
    },
    domain::{MovieId, genre::is_signs},
};

/// What a sort key held at most of a title and of a word.
const MAX_TITLE_BYTES: usize = 240;
const MAX_WORD_BYTES: usize = 128;
const MAX_WORD_CHARS: usize = 64;

/// The keys that the movie with these words had, each with its word.
#[must_use]
pub fn keys(words: &Words, id: MovieId) -> BTreeMap<Key, MadePosting> {
    let mut made = BTreeMap::new();
    let mut add = |class: &str, word: &str, sk: &str| {
        let end = word.char_indices().nth(3).map_or(word.len(), |(end, _)| end);
        let pk = format!("{class}{END}{}", &word[..end]);
        let key = Key::new(pk, format!("{sk}{END}{}", id_text(id.get())));
        made.insert(key, MadePosting::of_word(word));
    };
    let title: Vec<&str> = words.title_words().collect();
    if let Some(first) = title.first() {
        let joined = title.join(&WORD_SEPARATOR.to_string());
        let joined = &joined[..joined.floor_char_boundary(MAX_TITLE_BYTES)];
        add("WORD", first, &format!("0{END}{joined}"));
        for word in title.iter().filter(|word| *word != first) {
            add("WORD", word, &format!("1{END}{}", cut(word)));
        }
    }
    let director: Vec<&str> = words.director_words().collect();
    for word in director.iter().filter(|word| !title.contains(word)) {
        add("WORD", word, &format!("2{END}{}", cut(word)));
    }
    let begins_a_genre = |word: &String| words.genres.iter().any(|genre| genre.first() == Some(word));
    for genre in &words.genres {
        let Some((first, further)) = genre.split_first() else {
            continue;
        };
        add("GENRE", first, &genre.join(&WORD_SEPARATOR.to_string()));
        for word in further.iter().filter(|part| !is_signs(part)) {
            let is_elsewhere = title.contains(&word.as_str()) || director.contains(&word.as_str());
            if !is_elsewhere && !begins_a_genre(word) {
                add("GENRE", word, &format!("{}+", cut(word)));
            }
        }
    }
    made
}

/// The part of a word that a sort key held.
fn cut(word: &str) -> &str {
    let chars = word.char_indices().nth(MAX_WORD_CHARS);
    let end = chars.map_or(word.len(), |(end, _)| end).min(MAX_WORD_BYTES);
    &word[..word.floor_char_boundary(end)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MovieFields;

    #[test]
    fn the_keys_are_those_of_the_earlier_layout() {
        let fields = MovieFields::of_words("Rocky II: 기생충-X", "Kid Ory", "Sci-Fi, Drama");
        let made = keys(&Words::of(&fields), MovieId::try_from(7).unwrap());
        let keys: Vec<String> = made
            .into_keys()
            .map(|key| format!("{} {}", key.pk, key.sk.replace("#0000000000000007", "")))
            .collect();
        assert_eq!(
            keys,
            [
                "GENRE#dra drama",
                "GENRE#fi fi+",
                "GENRE#sci sci-fi",
                "WORD#ii 1#ii",
                "WORD#kid 2#kid",
                "WORD#ory 2#ory",
                "WORD#roc 0#rocky-ii-기생충-x",
                "WORD#x 1#x",
                "WORD#기생충 1#기생충",
            ]
        );
    }
}
