//! Typing errors by their definition: what an error does to a word, how many there are between two words, and how many a
//! word may have.

/// What an error does to a word at one place.
#[derive(Clone, Copy, Debug)]
pub enum TypingError {
    /// Another letter is put in front of this place.
    Insertion(char),
    /// The letter is missing.
    Deletion,
    /// Another letter takes the place of this one.
    Substitution(char),
    /// The letter and the next one are swapped.
    Swap,
}

impl TypingError {
    /// Returns the word with this error at a place, or `None` if there is no such place or the word stays the same.
    #[must_use]
    pub fn at(self, word: &str, place: usize) -> Option<String> {
        let mut letters: Vec<char> = word.chars().collect();
        match self {
            Self::Insertion(letter) if place <= letters.len() => letters.insert(place, letter),
            Self::Deletion if place < letters.len() => {
                letters.remove(place);
            }
            Self::Substitution(letter) if place < letters.len() => letters[place] = letter,
            Self::Swap if place + 1 < letters.len() => letters.swap(place, place + 1),
            _ => return None,
        }
        let typed: String = letters.into_iter().collect();
        (typed != word).then_some(typed)
    }
}

/// Returns the number of errors between two words: the fewest insertions, deletions, substitutions and swaps of neighbors,
/// where nothing else changes what is swapped (optimal string alignment).
#[must_use]
pub fn errors_between(a: &str, b: &str) -> usize {
    let [a, b] = [a, b].map(|word| word.chars().collect::<Vec<char>>());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let mut least = if i == 0 && j == 0 { 0 } else { usize::MAX };
            if i > 0 {
                least = least.min(table[i - 1][j] + 1);
            }
            if j > 0 {
                least = least.min(table[i][j - 1] + 1);
            }
            if i > 0 && j > 0 {
                least = least.min(table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
            }
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(table[i - 2][j - 2] + 1);
            }
            table[i][j] = least;
        }
    }
    table[a.len()][b.len()]
}

/// Returns how many errors may be in what is typed for this word: none below four letters, one below eight, else two.
#[must_use]
pub fn errors_allowed(word: &str) -> usize {
    match word.chars().count() {
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    }
}
