//! The words of a query that no movie matches, and what is known of each.

use crate::{
    db::{
        search::query::SearchQuery,
        vocabulary::{SHORTEST, has_entries},
        words::{Term, is_short},
    },
    domain::text,
};

/// The fewest letters of a word that can be two words run together.
const SHORTEST_SPLIT: usize = 5;
/// The same for a word of a script without spaces.
const SHORTEST_SPLIT_OF_RUN: usize = 4;
/// The fewest letters of a word that is corrected although a movie has it.
const SHORTEST_DOUBTFUL: usize = 4;

/// What is known of a word of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A movie has it.
    Present,
    /// No movie has it.
    Absent,
    /// Its postings weren't read.
    Unread,
}

/// A word of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedWord {
    /// The word.
    pub term: Term,
    /// What is known of it.
    pub known: Known,
    /// How many postings of it were read. A commoner word has more. `None` if it wasn't a candidate for the driver, or is a
    /// year.
    pub postings: Option<usize>,
}

impl TypedWord {
    fn letters(&self) -> usize {
        self.text().chars().count()
    }

    /// The word as it is normalized.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.term.raw
    }

    /// Whether the word may be a mistyped one: it has three letters or more, and is not only digits.
    #[must_use]
    pub fn is_correctable(&self) -> bool {
        is_correctable(self.text())
    }

    /// The ways to split the word in two, if it is long enough. In scripts without spaces words have fewer letters, and one of two
    /// letters has no item in the vocabulary: two such words are tried as they are.
    pub fn splits(&self) -> impl Iterator<Item = Split> {
        let is_run = text::begins_with_run(self.text());
        let shortest = if is_run {
            SHORTEST_SPLIT_OF_RUN
        } else {
            SHORTEST_SPLIT
        };
        let can_be_split = self.is_correctable() && self.letters() >= shortest;
        let ends = self.text().char_indices().map(|(end, _)| end).skip(1);
        let splits = ends.filter(move |_| can_be_split).map(|end| {
            let (left, right) = self.text().split_at(end);
            Split {
                left: left.to_owned(),
                right: right.to_owned(),
            }
        });
        splits.filter(move |split| has_entries(split.longer()) || (is_run && split.lengths() == (2, 0)))
    }
}

fn is_correctable(word: &str) -> bool {
    word.chars().count() >= SHORTEST && !word.chars().all(|c| c.is_ascii_digit())
}

/// A word split in two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The first word.
    pub left: String,
    /// The second word.
    pub right: String,
}

impl Split {
    /// The split of one of these words into these two, in either order.
    pub fn of<'a>(one: &str, other: &str, mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        words.find_map(|word| {
            let of = |left: &str, right: &str| {
                let is_word = word.strip_prefix(left) == Some(right);
                is_word.then(|| Self {
                    left: left.to_owned(),
                    right: right.to_owned(),
                })
            };
            of(one, other).or_else(|| of(other, one))
        })
    }

    /// The part that isn't the [longer](Self::longer) one. It isn't looked up.
    #[must_use]
    pub fn shorter(&self) -> &str {
        if self.is_second_longer() {
            &self.left
        } else {
            &self.right
        }
    }

    /// The longer one of the two. Of two with the same length, the first, unless the vocabulary has no such words, as it has no
    /// numbers. Only this one is looked up. The search itself checks the other.
    #[must_use]
    pub fn longer(&self) -> &str {
        if self.is_second_longer() {
            &self.right
        } else {
            &self.left
        }
    }

    fn is_second_longer(&self) -> bool {
        let [left, right] = [&self.left, &self.right].map(|word| word.chars().count());
        right > left || (right == left && !has_entries(&self.left))
    }

    /// The word that is looked up: the longer one as the vocabulary has it, where a numeral is its digits. `None` if the
    /// vocabulary has no such words.
    #[must_use]
    pub fn looked_up(&self) -> Option<&str> {
        Some(text::canonical(self.longer())).filter(|word| has_entries(word))
    }

    /// How many letters the shorter one has, and how many more the longer one has.
    #[must_use]
    pub fn lengths(&self) -> (usize, usize) {
        let [left, right] = [&self.left, &self.right].map(|word| word.chars().count());
        (left.min(right), left.abs_diff(right))
    }
}

/// Consecutive words of the query that may be one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The number of the first of them.
    pub at: usize,
    /// How many there are.
    pub count: usize,
    /// The one word.
    pub word: String,
    /// Whether signs join them as they were typed, without spaces: `spider-man`.
    pub is_by_signs: bool,
}

/// The words of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// The words, in order.
    pub words: Vec<TypedWord>,
    /// The words that may be one word.
    pub joins: Vec<Join>,
}

impl Typed {
    /// The words of `query`. `known` says what is known of a word, and how many postings of it were read.
    #[must_use]
    pub fn new(query: &SearchQuery, known: impl Fn(&Term) -> (Known, Option<usize>)) -> Self {
        let words = query.words().iter().map(|term| {
            let (known, postings) = known(term);
            TypedWord {
                term: term.clone(),
                known,
                postings,
            }
        });
        Self {
            words: words.collect(),
            joins: joins(query),
        }
    }

    /// Sets what was learned about words that weren't read: whether any movie has each of these terms.
    pub fn set_known(&mut self, terms: &[Term], found: &[bool]) {
        for (term, found) in terms.iter().zip(found) {
            for word in self.words.iter_mut().filter(|word| word.term == *term) {
                word.known = if *found { Known::Present } else { Known::Absent };
            }
        }
    }

    /// Whether this is the number of the last word, and the word is short. Such a word may be unfinished, so it is neither
    /// corrected nor left out.
    #[must_use]
    pub fn is_short_last(&self, number: usize) -> bool {
        let is_last = number + 1 == self.words.len();
        is_last
            && self
                .words
                .last()
                .is_some_and(|last| is_short(&last.term.canonical))
    }

    /// The numbers of the words of which this is known.
    pub fn numbers(&self, known: Known) -> impl Iterator<Item = usize> {
        let words = self.words.iter().enumerate();
        words.filter_map(move |(number, word)| (word.known == known).then_some(number))
    }

    /// Whether no movie has some word.
    #[must_use]
    pub fn has_absent(&self) -> bool {
        self.numbers(Known::Absent).next().is_some()
    }

    /// The joins that may explain why nothing matches. If a movie has every word, that is any of them. Otherwise it is those with
    /// a word that no movie is known to have.
    pub fn useful_joins(&self) -> impl Iterator<Item = &Join> {
        let is_any = !self.has_absent();
        let is_known = |word: &TypedWord| word.known == Known::Present;
        self.joins.iter().filter(move |join| {
            let words = &self.words[join.at..join.at + join.count];
            has_entries(&join.word) && (is_any || !words.iter().all(is_known))
        })
    }

    /// The joins whose word may be a mistyped one, because no movie has one of its parts: `spider-mna`, `god fathr`. An error in a
    /// part of two or three letters is one in the whole. A last part that may be unfinished is joined by signs only.
    pub fn mistyped_joins(&self) -> impl Iterator<Item = &Join> {
        self.useful_joins().filter(|join| {
            let mut numbers = join.at..join.at + join.count;
            let is_finished = join.is_by_signs || !numbers.clone().any(|number| self.is_short_last(number));
            let is_absent = |number: usize| self.words[number].known == Known::Absent;
            is_finished && is_correctable(&join.word) && numbers.any(is_absent)
        })
    }

    /// The numbers of the words that can be mistyped ones although a movie has them. Those with the fewest postings are first. A
    /// word that is in the query twice is taken once.
    #[must_use]
    pub fn doubtful(&self) -> Vec<usize> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for number in self.numbers(Known::Present) {
            let word = &self.words[number];
            let is_first = self.words[..number].iter().all(|other| other.term != word.term);
            let can_be_another = word.is_correctable() && word.letters() >= SHORTEST_DOUBTFUL;
            if let Some(postings) = word.postings.filter(|_| is_first && can_be_another) {
                found.push((postings, number));
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, number)| number).collect()
    }
}

/// The words that may be one word: those that signs join as they were typed, runs of single letters, and neighbors.
fn joins(query: &SearchQuery) -> Vec<Join> {
    let words: Vec<&str> = query.words().iter().map(|term| term.raw.as_str()).collect();
    let letters = words.chunk_by(|one, other| is_letter(one) && is_letter(other));
    let by_signs = places(query.compounds().iter().copied()).map(|place| (place, true));
    let neighbors = (1..words.len()).map(|second| (second - 1, 2));
    let others = places(letters.map(<[_]>::len)).chain(neighbors);
    let mut joins: Vec<Join> = Vec::new();
    for ((at, count), is_by_signs) in by_signs.chain(others.map(|place| (place, false))) {
        let is_new = !joins.iter().any(|join| (join.at, join.count) == (at, count));
        if count > 1 && is_new {
            joins.push(Join {
                at,
                count,
                word: words[at..at + count].concat(),
                is_by_signs,
            });
        }
    }
    joins
}

/// The place of each group, and how many words it has, if one group follows the other.
fn places(counts: impl Iterator<Item = usize>) -> impl Iterator<Item = (usize, usize)> {
    counts.scan(0, |at, count| {
        *at += count;
        Some((*at - count, count))
    })
}

fn is_letter(word: &str) -> bool {
    word.chars().nth(1).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(q: &str) -> Typed {
        let query = SearchQuery::parse(q).unwrap();
        Typed::new(&query, |term| (Known::Present, Some(term.raw.len())))
    }

    #[test]
    fn words_are_joined_by_signs_as_runs_of_letters_and_as_neighbors() {
        for (q, joined) in [
            ("god father", &["godfather"][..]),
            ("m*a*s*h", &["mash", "ma", "as", "sh"]),
            ("e t the", &["et", "tthe"]),
            ("j.j. abrams", &["jj", "jabrams"]),
            ("alien", &[]),
        ] {
            let joins = typed(q).joins;
            let words: Vec<&str> = joins.iter().map(|join| join.word.as_str()).collect();
            assert_eq!(words, joined, "{q}");
        }
        let join = &typed("the m a s h").joins[0];
        assert_eq!((join.at, join.count, join.word.as_str()), (1, 4, "mash"));
    }

    #[test]
    fn a_join_may_be_mistyped_if_no_movie_has_a_part_of_it() {
        let mistyped = |q: &str, absent: &[&str]| {
            let query = SearchQuery::parse(q).unwrap();
            let typed = Typed::new(&query, |term| match absent.contains(&term.raw.as_str()) {
                true => (Known::Absent, Some(0)),
                false => (Known::Present, Some(1)),
            });
            let joins = typed.mistyped_joins().map(|join| join.word.clone());
            joins.collect::<Vec<_>>()
        };
        assert_eq!(mistyped("the spider-mna", &["mna"]), ["spidermna"]);
        assert_eq!(mistyped("m-a-s-j", &["j"]), ["masj"]);
        assert_eq!(mistyped("the god fathr", &["fathr"]), ["godfathr"]);
        assert_eq!(mistyped("the-spider mna", &["mna"]), ["spidermna"]);
        assert_eq!(mistyped("j matrix", &["j"]), ["jmatrix"]);
        for (q, absent) in [
            ("spider-mna", "the"),
            ("god fathr", "the"),
            ("matrix j", "j"),
            ("19-99", "99"),
            ("x-y", "y"),
        ] {
            assert!(mistyped(q, &[absent]).is_empty(), "{q}");
        }
    }

    #[test]
    fn a_word_is_split_where_the_longer_part_can_be_a_word() {
        let splits = |word: &str| {
            let splits = typed(word).words[0].splits().collect::<Vec<_>>();
            splits
                .iter()
                .map(|split| format!("{} {}", split.left, split.right))
                .collect::<Vec<_>>()
        };
        assert_eq!(splits("ateam"), ["a team", "at eam", "ate am", "atea m"]);
        assert_eq!(splits("왕의남자"), ["왕 의남자", "왕의 남자", "왕의남 자"]);
        assert_eq!(
            splits("살인의추억"),
            ["살 인의추억", "살인 의추억", "살인의 추억", "살인의추 억"]
        );
        for word in ["team", "12345", "神隠し"] {
            assert!(splits(word).is_empty(), "{word}");
        }
        let split = |left: &str, right: &str| Split {
            left: left.to_owned(),
            right: right.to_owned(),
        };
        assert_eq!(split("star", "wars").longer(), "star");
        assert_eq!(split("2001", "noir").longer(), "noir");
        assert_eq!(split("noir", "2001").longer(), "noir");
        assert_eq!(split("god", "father").longer(), "father");
        assert_eq!(split("god", "father").looked_up(), Some("father"));
        assert_eq!(split("iii", "the").looked_up(), None);
    }

    #[test]
    fn long_words_that_movies_have_are_doubted_the_rarest_first() {
        let mut typed = typed("stairs the 1999 wars wars");
        assert_eq!(typed.doubtful(), [3, 0]);
        typed.words[3].known = Known::Absent;
        assert_eq!(typed.doubtful(), [0]);
    }

    #[test]
    fn a_short_last_word_may_be_unfinished() {
        let of = |q: &str| typed(q).is_short_last(1);
        assert!(of("matrix r") && of("rocky vii") && !of("r matrix") && !of("matrix rel"));
        assert!(!typed("r matrix").is_short_last(0));
    }
}
