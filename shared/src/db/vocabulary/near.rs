//! The words near a typed word: the keys of the vocabulary under which they are, and how far they are from it.

use std::collections::BTreeSet;

use crate::db::{
    keys::{self, Key},
    vocabulary::pieces::{LONGEST, SHORTEST, is_number, is_uniform, pieces, text},
};

/// The fewest letters of a word in which an error is allowed.
const SHORTEST_NEAR: usize = 4;
/// The most errors that are allowed in any word.
const MOST_ERRORS: usize = 2;

/// Returns how many errors are allowed in a word of the catalog: 1 if it has 4 to 7 letters, and 2 if it has more.
#[must_use]
pub fn allowed_distance(word: &str) -> usize {
    allowed(word.chars().count())
}

/// Returns the keys of all items that can have a word within its [allowed distance](allowed_distance) of `typed`, each once.
/// The likeliest are first: those of words that are at most one letter longer or shorter, whose piece has not moved. Empty if
/// `typed` has fewer than three letters or is only digits: it isn't corrected.
#[must_use]
pub fn near_keys(typed: &str) -> Vec<Key> {
    ranked_near_keys(typed).into_iter().map(|(_, key)| key).collect()
}

/// Returns the [`near_keys`], each with how likely it is that it is needed.
#[must_use]
pub fn ranked_near_keys(typed: &str) -> Vec<(NearRank, Key)> {
    let typed_letters: Vec<char> = typed.chars().collect();
    let count = typed_letters.len();
    if count < SHORTEST || is_number(typed) {
        return Vec::new();
    }
    let lengths = SHORTEST_NEAR.max(count - MOST_ERRORS)..=LONGEST.min(count + MOST_ERRORS);
    let mut found: Vec<NearPiece> = lengths
        .flat_map(|letters| near_pieces(&typed_letters, letters))
        .collect();
    found.sort_by_key(|piece| (piece.rank, piece.change.unsigned_abs()));
    let mut seen = BTreeSet::new();
    let keys = found
        .into_iter()
        .filter(|piece| is_uniform(&piece.text))
        .map(|piece| (piece.rank, keys::near(piece.letters, piece.place, &piece.text)));
    keys.filter(|(_, key)| seen.insert(key.clone())).collect()
}

/// A piece that a word near a typed word can have.
struct NearPiece {
    /// The number of letters of the word.
    letters: usize,
    place: usize,
    text: String,
    /// How many letters the typed word has more than the word.
    change: isize,
    rank: NearRank,
}

/// How likely it is that a piece is needed, the likeliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NearRank {
    /// One error can leave only this piece as it was typed.
    Usual,
    /// It is needed if the piece has moved within a word of the same length, or after a swap across a border.
    Moved,
    /// The word has two letters more or less.
    OtherLength,
}

/// Returns the pieces as they can be in words of this many letters near a typed word.
fn near_pieces(typed: &[char], letters: usize) -> Vec<NearPiece> {
    let errors = allowed(letters);
    let change = typed.len() as isize - letters as isize;
    if change.unsigned_abs() > errors {
        return Vec::new();
    }
    let is_close = change.unsigned_abs() <= 1;
    let usual = if is_close {
        NearRank::Usual
    } else {
        NearRank::OtherLength
    };
    let pieces = pieces(letters);
    let last = pieces.len() - 1;
    let mut found = Vec::new();
    // A piece of the word where it is in `typed`, if the letters before it have made it move by `shift`.
    let mut add = |rank: NearRank, place: usize, typed: &[char], shift: isize| {
        let start = pieces[place].start.checked_add_signed(shift);
        let end = pieces[place].end.checked_add_signed(shift);
        if let Some(piece) = start.zip(end).and_then(|(start, end)| typed.get(start..end)) {
            found.push(NearPiece {
                letters,
                place,
                text: text(piece),
                change,
                rank,
            });
        }
    };
    // The letters before the first piece, and those behind the last one, are none.
    add(usual, 0, typed, 0);
    add(usual, last, typed, change);
    if errors == 2 {
        // The middle piece is needed if there is one error before it and one behind it.
        for shift in (-1..=1_isize).filter(|shift| (change - shift).abs() <= 1) {
            let is_moved = change == 0 && shift != 0;
            add(if is_moved { NearRank::Moved } else { usual }, 1, typed, shift);
        }
    }
    // A swap of neighbors across a border changes two pieces. If it is the only error, or the other one is in the third
    // piece, undoing it restores one of the two. A swap leaves no room for two more letters or fewer.
    let first_border = pieces[0].end;
    if change == 0 || (errors == 2 && is_close) {
        add(NearRank::Moved, 0, &swapped(typed, first_border), 0);
    }
    if errors == 2 && is_close {
        let last_border = pieces[last].start.saturating_add_signed(change);
        add(NearRank::Moved, last, &swapped(typed, last_border), change);
    }
    found
}

/// Returns the distance of two words, if it is at most `most`: the number of errors that make one of them the other. An error
/// is an insertion, deletion or substitution of a letter or a swap of two neighbors, and no letter is part of two errors
/// (optimal string alignment).
#[must_use]
pub fn distance(one: &str, other: &str, most: usize) -> Option<usize> {
    // Most pairs of words end here.
    if one.chars().count().abs_diff(other.chars().count()) > most {
        return None;
    }
    Some(strsim::osa_distance(one, other)).filter(|distance| *distance <= most)
}

/// How many errors are allowed in a word of this many letters.
fn allowed(letters: usize) -> usize {
    match letters {
        0..SHORTEST_NEAR => 0,
        SHORTEST_NEAR..8 => 1,
        _ => MOST_ERRORS,
    }
}

/// Returns the letters with the two at this border swapped. If the border has a letter on one side only, nothing is swapped.
fn swapped(letters: &[char], border: usize) -> Vec<char> {
    let mut letters = letters.to_vec();
    if (1..letters.len()).contains(&border) {
        letters.swap(border - 1, border);
    }
    letters
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    use super::*;
    use crate::db::vocabulary::pieces::entries;

    /// All words that one error makes of `word`. An error that needs a letter takes one of `letters`.
    fn with_one_error(word: &[char], letters: &[char]) -> BTreeSet<Vec<char>> {
        let mut found = BTreeSet::new();
        for at in 0..=word.len() {
            let (before, after) = word.split_at(at);
            for letter in letters {
                found.insert([before, &[*letter], after].concat());
            }
            if let [first, rest @ ..] = after {
                found.insert([before, rest].concat());
                for letter in letters {
                    found.insert([before, &[*letter], rest].concat());
                }
                if let [second, rest @ ..] = rest {
                    found.insert([before, &[*second, *first], rest].concat());
                }
            }
        }
        found
    }

    fn is_under(near: &[Key], word: &str) -> bool {
        entries(word).iter().any(|entry| near.contains(&entry.key))
    }

    /// Guarantee 68. A proof: keys depend only on the places of letters. So if every placing of the errors in a word of different letters
    /// leaves a common key, whatever letters are typed wrong, then it does so in every word of this length.
    #[test]
    fn every_word_within_its_allowed_distance_has_an_entry_under_a_key_near_what_was_typed() {
        let letter = |n: usize| char::from_u32(0xac00 + n as u32).unwrap();
        let (mut texts, mut most) = (0, 0);
        for count in SHORTEST_NEAR..=LONGEST {
            let word: Vec<char> = (0..count).map(letter).collect();
            let allowed = allowed(count);
            let mut typed = BTreeSet::from([word.clone()]);
            for error in 0..allowed {
                let with_more = typed
                    .iter()
                    .flat_map(|typed| with_one_error(typed, &[letter(100 + error)]));
                typed = with_more.chain([word.clone()]).collect();
            }
            let word = text(&word);
            for typed in typed.into_iter().map(|typed| text(&typed)) {
                if typed == word || distance(&typed, &word, allowed).is_none() {
                    continue;
                }
                let near = near_keys(&typed);
                assert!(is_under(&near, &word), "{count} letters, typed as {typed}");
                most = most.max(near.len());
                texts += 1;
            }
        }
        assert!(texts > 60_000, "{texts}");
        assert_eq!(most, 25);
    }

    #[test]
    fn random_words_with_errors_are_found_in_any_script() {
        let mut rng = StdRng::seed_from_u64(14);
        for alphabet in [
            ('a', 'e'),
            ('a', 'z'),
            ('а', 'я'),
            ('가', '힣'),
            ('\u{4e00}', '\u{4e40}'),
        ] {
            for _ in 0..2_000 {
                let count = rng.random_range(SHORTEST_NEAR..=14);
                let word: Vec<char> = (0..count)
                    .map(|_| rng.random_range(alphabet.0..=alphabet.1))
                    .collect();
                let mut typed = word.clone();
                for _ in 0..allowed(count) {
                    let letter = rng.random_range(alphabet.0..=alphabet.1);
                    let ways = with_one_error(&typed, &[letter]);
                    let way = rng.random_range(0..ways.len());
                    typed = ways.into_iter().nth(way).unwrap();
                }
                let (typed, word) = (text(&typed), text(&word));
                // Two errors can be three by the definition of the distance.
                if distance(&typed, &word, allowed(count)).is_some() {
                    assert!(is_under(&near_keys(&typed), &word), "{word} typed as {typed}");
                }
            }
        }
    }

    #[test]
    fn few_keys_are_near_a_word_and_the_likeliest_are_first() {
        for (typed, keys) in [
            ("godf", 5),
            ("godfa", 7),
            ("godfat", 10),
            ("godfath", 14),
            ("godfathe", 18),
        ] {
            assert_eq!(near_keys(typed).len(), keys, "{typed}");
        }
        let keys: Vec<String> = near_keys("godfahter").into_iter().map(|key| key.pk).collect();
        let first = ["NEAR#9#0#god", "NEAR#9#2#ter", "NEAR#9#1#fah", "NEAR#8#0#god"];
        assert_eq!(keys[..4], first);
        for nothing in ["", "ab", "1984", "٣٤٥٦", &"x".repeat(LONGEST + MOST_ERRORS + 1)] {
            assert!(near_keys(nothing).is_empty(), "{nothing}");
        }
        // No word is partly ASCII.
        assert!(near_keys("годf").iter().all(|key| !key.pk.contains('f')));
    }

    #[test]
    fn the_distance_counts_a_swap_of_neighbors_once() {
        for (one, other, errors) in [
            ("godfather", "godfahter", 1),
            ("godfather", "gdofahter", 2),
            ("kurosawa", "kurosowa", 1),
            ("rock", "rck", 1),
            ("기생충", "기셍충", 1),
            ("ca", "abc", 3),
        ] {
            assert_eq!(distance(one, other, 3), Some(errors), "{one} {other}");
            assert_eq!(distance(other, one, errors - 1), None, "{one} {other}");
        }
        assert_eq!(
            [3, 4, 7, 8].map(|n| allowed_distance(&"x".repeat(n))),
            [0, 1, 1, 2]
        );
    }
}
