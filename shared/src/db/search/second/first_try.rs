//! What the first try of a search shows about the words of its query.

use crate::db::{
    search::{
        query::SearchQuery,
        reads::Reads,
        second::typed::{Known, Typed, TypedWord},
    },
    verdict::Verdict,
    words::{Term, is_short},
};

/// The most digits of a year that isn't complete.
const MAX_DIGITS_OF_UNFINISHED_YEAR: usize = 3;

/// The words of the query, with what the first try shows about them. It has read the ranges of the candidates for the driver,
/// at least their first postings.
#[must_use]
pub fn typed(query: &SearchQuery, reads: &Reads) -> Typed {
    let candidates = query.candidates();
    Typed::new(query, |term| {
        // A word that isn't a term is implied by a longer one, which decides about both.
        let Some(number) = query.terms().iter().position(|own| own == term) else {
            return (Known::Present, None);
        };
        let Some(driver) = candidates.get(number) else {
            // Movies that were read for the other words may have it.
            return match may_have(reads, term) {
                Verdict::Yes => (Known::Present, None),
                _ => (Known::Unread, None),
            };
        };
        let ranges = driver.ranges_with_term().filter_map(|range| reads.of(range));
        let postings: usize = ranges.map(|read| read.postings.len()).sum();
        if postings == 0 {
            (Known::Absent, Some(0))
        } else {
            (Known::Present, Some(postings).filter(|_| term.year.is_none()))
        }
    })
}

/// Whether some movie that was read has a term, as far as the postings tell.
#[must_use]
pub fn may_have(reads: &Reads, term: &Term) -> Verdict {
    let mut seen = Verdict::No;
    for posting in reads.postings() {
        match posting.words.contains(term) {
            Verdict::Yes => return Verdict::Yes,
            Verdict::Unknown => seen = Verdict::Unknown,
            Verdict::No => {}
        }
    }
    seen
}

/// Whether the last word may be the beginning of one that matches, so that nothing should be corrected yet.
///
/// Most words match before they are finished. But a word of one or two characters must match a whole word, a numeral a whole
/// number, and a year has four digits. If a movie that was read has all other words, and a word or a year that begins with the
/// last one, then the query is on its way to that movie. If too little was read to find such a movie, there may be one.
#[must_use]
pub fn may_be_unfinished(typed: &Typed, query: &SearchQuery, reads: &Reads) -> bool {
    let Some((last, others)) = typed.words.split_last() else {
        return false;
    };
    if others.is_empty() || !can_be_unfinished(&last.term) {
        return false;
    }
    let is_on_its_way = reads.postings().any(|posting| {
        let mut has_others = others.iter().map(|word| posting.words.contains(&word.term));
        has_others.all(|has| has != Verdict::No) && posting.words.may_begin_a_word(&last.term.raw)
    });
    let is_decided = |word: &TypedWord| {
        let mut drivers = query.drivers();
        let driver = drivers.find(|driver| query.term(driver) == Some(&word.term));
        word.known == Known::Absent || driver.is_some_and(|driver| reads.has_all_of(&driver))
    };
    is_on_its_way || !others.iter().any(is_decided)
}

/// Whether a word can match when it is finished although its beginning doesn't.
fn can_be_unfinished(term: &Term) -> bool {
    let is_start_of_year =
        term.raw.len() <= MAX_DIGITS_OF_UNFINISHED_YEAR && term.raw.bytes().all(|byte| byte.is_ascii_digit());
    is_short(&term.canonical) || is_start_of_year
}
