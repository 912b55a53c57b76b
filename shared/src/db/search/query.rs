//! A parsed search: its words, the ranges that it walks, and which postings in them are hits.

use crate::{
    db::{
        carried::{Carried, Part},
        earlier_postings,
        encoded_words::EncodedWords,
        keys::Key,
        page::PageLimit,
        posting::Posting,
        posting_keys::{self, PostingKind},
        posting_list::keys_with_words,
        search::{
            plan::{DRIVER_CANDIDATES, FIRST_POSTINGS},
            ranges::{PostingRange, term_is_decided_by_key, title_is_decided_by_key},
        },
        verdict::Verdict,
        words::{Term, is_short},
    },
    domain::{
        MovieId,
        movie::MAX_WORDS,
        text::{self, begins_with_run},
    },
};

/// The number of the range of titles among a walk's ranges.
pub const TITLE_RANGE: u8 = 0;

/// A parsed `q`.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    /// The words, in order: `the`, `god`, `godfather` of *The god: Godfather*.
    words: Vec<Term>,
    /// How many of the words are parts of each compound, in order.
    compounds: Vec<usize>,
    /// The words that a movie must have, each once, the longest first: `godfather`, `the`. `god` isn't one of them, because
    /// every movie that has `godfather` also matches `god`.
    terms: Vec<Term>,
    /// Whether every title in the range of titles begins with all of the words.
    title_is_decided_by_key: bool,
    /// The range of titles that begin with all of the words.
    titles: PostingRange,
}

/// A term that drives a walk: the walk reads the postings of this term and checks them for the others.
#[derive(Clone, Debug)]
pub struct Driver {
    /// The term's number among the terms.
    pub term: u8,
    /// The range of titles that begin with all of the query's words: range [`TITLE_RANGE`] of the walk.
    titles: PostingRange,
    /// The ranges of the term, by kind: range 1 of the walk and on.
    of_term: Vec<PostingRange>,
}

impl Driver {
    /// The walk's ranges, in the order of the results, each with its number.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = (u8, &PostingRange)> {
        let titles = std::iter::once((TITLE_RANGE, &self.titles));
        titles.chain(self.ranges_of_term())
    }

    /// The walk's ranges except the first one, which all drivers share.
    pub fn ranges_of_term(&self) -> impl DoubleEndedIterator<Item = (u8, &PostingRange)> {
        // At most five, one of each kind.
        (1..=PostingKind::ALL.len() as u8).zip(&self.of_term)
    }

    /// The ranges that hold every posting of the term. In a search for a single word, one of them is the range of titles.
    pub fn ranges_with_term(&self) -> impl Iterator<Item = &PostingRange> {
        let has_titles = self
            .of_term
            .first()
            .is_some_and(|range| range.kind == PostingKind::Title);
        let titles = (!has_titles).then_some(&self.titles);
        titles.into_iter().chain(&self.of_term)
    }

    /// The walk's range with this number.
    #[must_use]
    pub fn range(&self, number: u8) -> Option<&PostingRange> {
        let mut ranges = self.ranges();
        ranges.find_map(|(other, range)| (other == number).then_some(range))
    }
}

impl SearchQuery {
    /// Parses the words of `q`. `None` if no movie can match: `q` has no letter or digit, or more words than a movie.
    #[must_use]
    pub fn parse(q: &str) -> Option<Self> {
        let compounds = text::compounds(q);
        let words = compounds
            .iter()
            .flat_map(|compound| compound.parts.iter().cloned());
        let query = Self::of_words(&words.collect::<Vec<_>>())?;
        Some(Self {
            compounds: compounds.iter().map(|compound| compound.parts.len()).collect(),
            ..query
        })
    }

    /// The search for these normalized words. `None` if no movie can match.
    #[must_use]
    pub fn of_words(words: &[String]) -> Option<Self> {
        let words: Vec<Term> = words
            .iter()
            .map(|word| Term::new(word, words.len() == 1))
            .collect();
        let title: Vec<String> = words.iter().map(|word| word.canonical.clone()).collect();
        let titles = PostingRange::of_title(&title)?;
        let mut terms: Vec<Term> = Vec::new();
        for word in &words {
            if !words.iter().any(|other| word.is_implied_by(other)) && !terms.contains(word) {
                terms.push(word.clone());
            }
        }
        // Each term matches a word of its own in the movie, or its year.
        if terms.len() > MAX_WORDS + 1 {
            return None;
        }
        // Longer words are rarer. The sort is stable, so every page has the same terms in the same order.
        terms.sort_by_key(|term| std::cmp::Reverse(term.canonical.chars().count()));
        Some(Self {
            title_is_decided_by_key: title_is_decided_by_key(&title),
            compounds: vec![1; words.len()],
            words,
            terms,
            titles,
        })
    }

    /// The words, in order.
    #[must_use]
    pub fn words(&self) -> &[Term] {
        &self.words
    }

    /// How many of the words are parts of each compound, in order: 2 and 1 for `spider-man two`.
    #[must_use]
    pub fn compounds(&self) -> &[usize] {
        &self.compounds
    }

    /// The words as one text, which parses to the same query.
    #[must_use]
    pub fn text(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|term| term.raw.as_str()).collect();
        words.join(" ")
    }

    /// The words that a movie must have, each once, in the order of their numbers.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Whether a movie with these words matches.
    #[must_use]
    pub fn matches(&self, words: &EncodedWords) -> bool {
        self.terms.iter().all(|term| words.contains(term))
    }

    /// The range of titles that begin with all of the words.
    #[must_use]
    pub fn titles(&self) -> &PostingRange {
        &self.titles
    }

    /// The walk that the term with this number drives. `None` if there is no such term.
    #[must_use]
    pub fn driver(&self, term: u8) -> Option<Driver> {
        let ranges = PostingRange::of_term(self.terms.get(usize::from(term))?);
        // The titles that begin with a single word are those of the first range.
        let skip = usize::from(self.words.len() == 1);
        Some(Driver {
            term,
            titles: self.titles.clone(),
            of_term: ranges.into_iter().skip(skip).collect(),
        })
    }

    /// The walks of all terms, in the order of their numbers.
    pub fn drivers(&self) -> impl Iterator<Item = Driver> {
        (0..=u8::MAX).map_while(|term| self.driver(term))
    }

    /// The term that drives this walk.
    #[must_use]
    pub fn term(&self, driver: &Driver) -> Option<&Term> {
        self.terms.get(usize::from(driver.term))
    }

    /// The terms that the first round tries as drivers.
    #[must_use]
    pub fn candidates(&self) -> Vec<Driver> {
        (0..DRIVER_CANDIDATES)
            .map_while(|term| self.driver(term))
            .collect()
    }

    /// How many postings the first round reads of a range, for a page of `limit` movies.
    #[must_use]
    pub fn first_postings(&self, kind: PostingKind, limit: PageLimit) -> usize {
        let postings = FIRST_POSTINGS[kind.index()];
        // Nearly every posting of a single term is a hit.
        if self.terms.len() == 1 {
            postings.max(limit.get() + 1)
        } else {
            postings
        }
    }

    /// Whether the movie of a posting has all terms, as far as the posting carries its words.
    #[must_use]
    pub fn has_terms(&self, carried: &Carried) -> Verdict {
        let terms = self.terms.iter().map(|term| carried.contains(term));
        terms.fold(Verdict::Yes, Verdict::and)
    }

    /// Whether this is the key of a title posting whose title is all of the words, as far as the key has it.
    #[must_use]
    pub fn is_whole_title(&self, key: &Key) -> bool {
        let words: Vec<String> = self.words.iter().map(|term| term.canonical.clone()).collect();
        let (low, high) = posting_keys::whole_title_bounds(&words);
        self.titles.keys.contains(key) && (low..=high).contains(&key.sk)
    }

    /// Whether a posting, found in the range with this number, is a hit: whether its movie has all terms, and no earlier
    /// posting of the movie is in the walk. Decides from what the posting carries.
    #[must_use]
    pub fn decide(&self, driver: &Driver, range: u8, posting: &Posting) -> Verdict {
        let part = match &posting.words {
            // The text of an earlier layout doesn't have the year.
            Carried::All(words) if words.year.is_none() && self.has_year() => {
                let mut others = self.terms.iter().filter(|term| term.year.is_none());
                return Verdict::from(others.all(|term| words.contains(term))).and(Verdict::Unknown);
            }
            Carried::All(words) => {
                return self.is_hit_of_own_words(driver, range, posting, words).into();
            }
            Carried::Part(part) => part,
        };
        if self.title_is_decided_by_key {
            if range == TITLE_RANGE {
                return self.is_first_title(part);
            }
            // This posting is also in the range of titles, and was a hit there.
            if self.titles.keys.contains(&posting.key) {
                return Verdict::No;
            }
        }
        let kind = PostingKind::of(&posting.key);
        let has_terms = (0_u8..).zip(&self.terms).map(|(number, term)| {
            if number == driver.term && range != TITLE_RANGE {
                is_first_posting(kind, term, part)
            } else {
                part.contains(term)
            }
        });
        let verdict = has_terms.fold(Verdict::Yes, Verdict::and);
        // A title that begins with the whole of `q` makes the movie a hit in the range of titles and in no other. Where `q` is a
        // single word, the posting of such a title is one of the driver's, and `shared` counts it.
        let title_may_begin_with_q = match self.words.as_slice() {
            _ if range == TITLE_RANGE => true,
            [first, _, ..] => part.title_may_begin_with(&first.canonical),
            _ => false,
        };
        if title_may_begin_with_q {
            verdict.and(Verdict::Unknown)
        } else {
            verdict
        }
    }

    /// Whether a term matches a year.
    fn has_year(&self) -> bool {
        self.terms.iter().any(|term| term.year.is_some())
    }

    /// Whether a posting in the range of titles, which its key decides, is the movie's first there: a movie may have two title
    /// postings.
    fn is_first_title(&self, part: &Part) -> Verdict {
        let chars = |term: &Term| term.canonical.chars().count();
        match self.words.as_slice() {
            // The movie's other title begins with another word, or comes later.
            [first, ..] if part.shared < chars(first) => Verdict::Yes,
            [only] if !is_short(&only.canonical) => Verdict::No,
            _ => Verdict::Unknown,
        }
    }

    /// Whether a posting, found in the range with this number, is a hit, decided from the words that it carries, which are all of
    /// its movie.
    fn is_hit_of_own_words(
        &self,
        driver: &Driver,
        range: u8,
        posting: &Posting,
        words: &EncodedWords,
    ) -> bool {
        if range == TITLE_RANGE && !words.has_signs_in_title() {
            // The movie has one title posting, which is this one.
            return self.matches(words) && words.title_begins_with(&self.words);
        }
        self.is_hit(driver, range, &posting.key, posting.id, words)
    }

    /// Whether the posting with this key, found in the range with this number, is a hit, decided from all words of its movie.
    #[must_use]
    pub fn is_hit(&self, driver: &Driver, range: u8, key: &Key, id: MovieId, words: &EncodedWords) -> bool {
        if !self.matches(words) {
            return false;
        }
        // Keys hold only the beginning of a very long title, so the range of titles can hold one that doesn't begin with `q`.
        let title_begins_with_q = words.title_begins_with(&self.words);
        if (range == TITLE_RANGE) != title_begins_with_q {
            return false;
        }
        // Most movies have the driver's word once, and one posting of it. A title with signs may have two.
        let term = self.terms.get(usize::from(driver.term));
        let is_only_posting =
            |term: &Term| term.year.is_none() && !begins_with_run(&term.canonical) && words.has_once(term);
        if !title_begins_with_q && !words.has_signs_in_title() && term.is_some_and(is_only_posting) {
            return true;
        }
        let place = |key: &Key| {
            if title_begins_with_q {
                return self.titles.keys.contains(key).then_some(TITLE_RANGE);
            }
            let mut ranges = driver.ranges_of_term();
            ranges.find_map(|(number, range)| range.keys.contains(key).then_some(number))
        };
        let words = words.decode();
        let mut postings = keys_with_words(&words, id);
        if !postings.contains_key(key) {
            postings = earlier_postings::keys(&words, id);
        }
        let in_walk = postings.keys().filter_map(|key| Some((place(key)?, key)));
        in_walk.min().is_some_and(|(_, first)| first == key)
    }
}

/// Whether a posting of this kind has the driver's term and is the movie's first that has it, as far as its key and `part`
/// decide.
fn is_first_posting(kind: PostingKind, term: &Term, part: &Part) -> Verdict {
    if !term_is_decided_by_key(term) {
        return part.contains(term).and(Verdict::Unknown);
    }
    // In the words of other kinds the numeral has another form.
    if kind == PostingKind::Genre && term.is_numeral() {
        return Verdict::Unknown;
    }
    // The key decides that the posting has the term. `shared` decides whether an earlier posting has a word that begins
    // with the term.
    if part.shared < term.canonical.chars().count() {
        Verdict::Yes
    } else if is_short(&term.canonical) {
        // That word may be longer than the term, which must match whole.
        Verdict::Unknown
    } else {
        Verdict::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_longer_one_implies_are_not_looked_for() {
        let terms = |q: &str| -> Vec<String> {
            let query = SearchQuery::parse(q).unwrap();
            query.terms.into_iter().map(|term| term.raw).collect()
        };
        assert_eq!(terms("the godfather"), ["godfather", "the"]);
        assert_eq!(terms("god godfather god"), ["godfather"]);
        // A short word must match whole, which a longer one doesn't imply.
        assert_eq!(terms("go godfather"), ["godfather", "go"]);
        assert_eq!(terms("千尋 千と千尋の神隠し"), ["千と千尋の神隠し"]);
        assert_eq!(terms("II 2 2"), ["ii", "2"]);
    }

    #[test]
    fn what_no_movie_can_have_finds_nothing() {
        assert!(SearchQuery::parse("…?!").is_none());
        let many: Vec<String> = (10..42).map(|n| format!("w{n}")).collect();
        assert!(SearchQuery::parse(&many.join(" ")).is_none());
        assert!(SearchQuery::parse(&many[1..].join(" ")).is_some());
    }

    #[test]
    fn each_range_has_its_kind_of_postings() {
        for (q, kinds) in [
            ("the", &[0, 1, 2, 3][..]),
            ("the kid", &[0, 0, 1, 2, 3]),
            ("1999", &[0, 1, 2, 3]),
            ("1999 no", &[0, 0, 1, 2, 3, 4]),
            ("19999 no", &[0, 0, 1, 2, 3]),
        ] {
            let driver = SearchQuery::parse(q).unwrap().driver(0).unwrap();
            let found: Vec<usize> = driver.ranges().map(|(_, range)| range.kind.index()).collect();
            assert_eq!(found, kinds, "{q}");
        }
    }

    #[test]
    fn a_single_words_titles_are_walked_once() {
        let ranges = |q: &str| SearchQuery::parse(q).unwrap().driver(0).unwrap().ranges().count();
        assert_eq!(ranges("the"), PostingKind::OF_WORDS.len());
        assert_eq!(ranges("the kid"), 1 + PostingKind::OF_WORDS.len());
    }

    #[test]
    fn the_first_round_of_the_example_in_the_head_of_the_module_reads_these_ranges() {
        let query = SearchQuery::parse("Love Story").unwrap();
        assert!(query.terms.iter().map(|term| &term.raw).eq(["story", "love"]));
        let show = |range: &PostingRange| format!("{} {}", range.keys.pk, range.keys.low);
        assert_eq!(show(query.titles()), "WORD#lov 0#love-story");
        let of_terms = query.candidates().into_iter().map(|driver| {
            let ranges = driver.ranges_of_term().map(|(_, range)| show(range));
            ranges.collect::<Vec<_>>().join(", ")
        });
        let of_terms: Vec<String> = of_terms.collect();
        assert_eq!(
            of_terms,
            [
                "WORD#sto 0#story, WORD#sto 1#story, WORD#sto 2#story, GENRE#sto story",
                "WORD#lov 0#love, WORD#lov 1#love, WORD#lov 2#love, GENRE#lov love",
            ]
        );
    }
}
