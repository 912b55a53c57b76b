//! Errors that people make when they type a word.

use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// The rows of the keyboard. Each is shifted by half a key to the right of the one above it.
const KEYBOARD: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// The share of wrong letters that are next to the right letter on the keyboard.
const NEXT_KEY: f64 = 0.7;

/// Spellings that people confuse because they sound alike.
const SOUNDS: [[&str; 2]; 27] = [
    ["ph", "f"],
    ["ck", "k"],
    ["gh", "g"],
    ["th", "t"],
    ["kn", "n"],
    ["wr", "r"],
    ["c", "k"],
    ["k", "c"],
    ["y", "i"],
    ["ie", "ei"],
    ["ei", "ie"],
    ["ou", "u"],
    ["oo", "u"],
    ["z", "s"],
    ["s", "z"],
    ["ea", "ee"],
    ["ai", "ay"],
    ["a", "e"],
    ["e", "a"],
    ["o", "a"],
    ["v", "w"],
    ["ll", "l"],
    ["tt", "t"],
    ["ss", "s"],
    ["nn", "n"],
    ["x", "ks"],
    ["qu", "kw"],
];

/// Returns a word with one typing error at any place: a letter inserted, deleted or replaced, or two neighbors swapped. The
/// result doesn't begin the word, which would be an unfinished word. The word must have two letters or more.
pub(super) fn error(random: &mut StdRng, word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    loop {
        let at = random.random_range(0..letters.len());
        let wrong = wrong_letter(random, letters[at]);
        let mut new = letters.clone();
        match random.random_range(0..4) {
            0 => new.insert(at, wrong),
            1 => {
                new.remove(at);
            }
            2 => new[at] = wrong,
            _ if at + 1 < new.len() => new.swap(at, at + 1),
            _ => {}
        }
        if !letters.starts_with(&new) {
            return new.into_iter().collect();
        }
    }
}

/// Returns a word with an error in its first two letters. The word must have three letters or more.
pub(super) fn early_error(random: &mut StdRng, word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    loop {
        let mut new = letters.clone();
        match random.random_range(0..3) {
            0 => new[0] = wrong_letter(random, letters[0]),
            1 => {
                new.remove(0);
            }
            _ => new.swap(0, 1),
        }
        if new != letters {
            return new.into_iter().collect();
        }
    }
}

/// Returns a word in which a single letter is doubled, or a doubled letter is single if it has one.
pub(super) fn doubled(random: &mut StdRng, word: &str) -> Option<String> {
    let mut letters: Vec<char> = word.chars().collect();
    let pairs: Vec<usize> = (1..letters.len())
        .filter(|at| letters[*at] == letters[at - 1])
        .collect();
    if let Some(at) = pairs.choose(random) {
        letters.remove(*at);
    } else {
        // The last letter doubled is a word that begins with this one, which is another kind of error.
        let at = random.random_range(1..letters.len().checked_sub(1).filter(|last| *last > 1)?);
        letters.insert(at, letters[at]);
    }
    Some(letters.into_iter().collect())
}

/// Returns a word with another spelling of one of its sounds. `None` if it has no such sound.
pub(super) fn misheard(random: &mut StdRng, word: &str) -> Option<String> {
    let places = SOUNDS.iter().flat_map(|[right, wrong]| {
        let found = word.match_indices(right);
        found.map(move |(at, _)| (at, *right, *wrong))
    });
    let (at, right, wrong) = *places.collect::<Vec<_>>().choose(random)?;
    let mut new = word.to_owned();
    new.replace_range(at..at + right.len(), wrong);
    (new != word && !word.starts_with(&new)).then_some(new)
}

/// Returns a letter that is typed instead of this one, usually that of a key beside it.
fn wrong_letter(random: &mut StdRng, right: char) -> char {
    let near = near_keys(right);
    match near.choose(random) {
        Some(near) if random.random_bool(NEXT_KEY) => *near,
        _ => char::from(LETTERS.choose(random).copied().unwrap_or(b'a')),
    }
}

/// Returns the letters of the keys beside that of a letter.
fn near_keys(letter: char) -> Vec<char> {
    let place = |of: char| {
        let rows = (0_i32..).zip(KEYBOARD);
        let mut found = rows.filter_map(|(row, keys)| {
            let column = i32::try_from(keys.find(of)?).ok()?;
            // In half keys.
            Some((2 * column + row, row))
        });
        found.next()
    };
    let Some((column, row)) = place(letter) else {
        return Vec::new();
    };
    let is_near = |other: &char| {
        place(*other).is_some_and(|(its_column, its_row)| {
            let distance = (column - its_column).abs();
            match (row - its_row).abs() {
                0 => distance == 2,
                1 => distance == 1,
                _ => false,
            }
        })
    };
    LETTERS.iter().copied().map(char::from).filter(is_near).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn keys_beside_a_key() {
        assert_eq!(near_keys('g'), ['b', 'f', 'h', 't', 'v', 'y']);
        assert_eq!(near_keys('q'), ['a', 'w']);
        assert!(near_keys('é').is_empty());
    }

    #[test]
    fn an_error_is_never_the_word_nor_its_beginning() {
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..2_000 {
            for word in ["godfather", "seven", "aa", "ab"] {
                let new = error(&mut random, word);
                assert!(!word.starts_with(&new), "{word} {new}");
                assert!(new.chars().count().abs_diff(word.chars().count()) <= 1);
            }
            assert_ne!(early_error(&mut random, "llama"), "llama");
        }
        assert_eq!(doubled(&mut random, "godfella"), Some("godfela".to_owned()));
        assert_eq!(misheard(&mut random, "bbb"), None);
    }
}
