//! Search: AP-09. At most three rounds of Queries and one BatchGetItem, and a fixed ceiling of read units, whatever the
//! catalogue's size.
//!
//! The answer is a walk along a few ranges of rows, in this order: titles that begin with the whole of `q` (exact ones
//! first, by the order of their keys), then one word's rows: title, director, genre. That word leads; the others are
//! checked against the text each row carries. A film has several rows and is answered under the first of them alone,
//! which is known from the row's own text; so a page needs no memory of the pages before it.
//!
//! Where every word is common, most rows of the leader lack the others. The walk then reads on, as far as the units go
//! that the films found so far and those still expected leave; and a page may come out short.

use futures_util::future::try_join_all;

use crate::{
    db::{
        index::{KINDS, WordRange, is_short, satisfies},
        movie::MovieView,
        page::{Position, Slice, Window},
        posting::{Read, Row, UNIT},
        store::Store,
        walk::{Order, neighbours},
    },
    domain::{MovieId, UserId, movie::MAX_WORDS, text},
    error::Result,
};

/// How many words may be tried as the leading one.
const CANDIDATES: usize = 3;
/// How many rows the first round reads of a word's range, and of a genre's, whose rows are longer: what one unit reads.
/// Which word leads is decided by as many, whatever the page's size, so that the order doesn't depend on it.
const FIRST_ROWS: usize = 40;
const FIRST_GENRE_ROWS: usize = 28;
/// How many rounds may read on.
const FURTHER_ROUNDS: usize = 2;
/// The least that reading rows may cost, in units; on a larger page, as much as its films.
const ROW_UNITS: usize = 20;
/// Left of each unit when rows are counted out by their mean size, since the next ones may be larger.
const MARGIN: usize = 128;

/// A parsed `q`.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    /// The words, in order.
    words: Vec<String>,
    /// The words that say something: not those that a longer one implies. Rarest first, by guess.
    telling: Vec<String>,
}

impl SearchQuery {
    /// The words of `q`, or `None` when no film can have them: it has no letter or digit, or more words than a film.
    #[must_use]
    pub fn parse(q: &str) -> Option<Self> {
        let words = text::words(q);
        let mut telling: Vec<String> = Vec::new();
        for word in &words {
            let implied = |other: &String| other != word && !is_short(word) && satisfies(other, word);
            if !words.iter().any(implied) && !telling.contains(word) {
                telling.push(word.clone());
            }
        }
        // Each of these needs a word of its own in the film.
        if telling.is_empty() || telling.len() > MAX_WORDS {
            return None;
        }
        // Longer words are rarer; a stable sort, so that every page has the same leader.
        telling.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
        Some(Self { words, telling })
    }

    /// The ranges that are walked when `lead` leads, in the answer's order.
    fn ranges(&self, lead: usize) -> Vec<WordRange> {
        let mut ranges = vec![WordRange::titles(&self.words)];
        if let Some(word) = self.telling.get(lead) {
            // Of a single word, the titles that begin with it have been walked already.
            let skip = usize::from(self.words.len() == 1);
            ranges.extend(WordRange::of_word(word).into_iter().skip(skip));
        }
        ranges
    }

    /// How many rows the first round reads of range `at` of `ranges`.
    fn first_rows(&self, ranges: &[WordRange], at: usize, limit: usize) -> usize {
        let rows = if at + 1 == ranges.len() {
            FIRST_GENRE_ROWS
        } else {
            FIRST_ROWS
        };
        // Nearly every row of a single word is an answer.
        if self.telling.len() == 1 {
            rows.max(limit + 1)
        } else {
            rows
        }
    }

    /// Whether the film of this row is answered here, in range `at` of `ranges`: it has all words, and this is its first
    /// row of the walk.
    fn answers(&self, ranges: &[WordRange], at: usize, row: &Row) -> bool {
        if !self.telling.iter().all(|word| row.words.have(word)) {
            return false;
        }
        // Keys are cut where texts are very long, so that a range may hold a title that doesn't begin with `q`.
        let title_begins = row.words.title_begins(&self.words);
        if at == 0 || title_begins {
            return at == 0 && title_begins;
        }
        // Titles that begin with `q` are out of the question by now, and with them the first range.
        let of_word = ranges.get(1..).unwrap_or_default();
        row.words
            .keys(row.id)
            .into_iter()
            .filter_map(|key| Some((of_word.iter().position(|range| range.holds(&key))?, key)))
            .min()
            .is_some_and(|(_, first)| first == row.key)
    }
}

/// How many rows like these a unit reads.
fn per_unit(reads: &[Read]) -> usize {
    let rows: usize = reads.iter().map(|read| read.rows.len()).sum();
    let bytes: usize = reads.iter().map(Read::bytes).sum();
    (UNIT - MARGIN) * rows / bytes.max(1)
}

/// A walk under way: the leader, its ranges from the page's start on in the direction of reading, what was read.
struct Walk {
    lead: usize,
    /// All of the leader's ranges, in the answer's order.
    ranges: Vec<WordRange>,
    reads: Vec<Read>,
    /// What all reading has cost, in units.
    units: usize,
}

impl Walk {
    /// The answers in what was read, up to the first range that goes on; and where that was.
    fn answers(&self, query: &SearchQuery, enough: usize) -> (Vec<(Position, MovieId)>, Option<Position>) {
        let mut answers = Vec::new();
        for read in &self.reads {
            let position = |row: &Row| Position {
                // There are at most three leaders and five ranges.
                lead: u8::try_from(self.lead).unwrap_or_default(),
                span: u8::try_from(read.at).unwrap_or_default(),
                key: row.key.sk.clone(),
            };
            for row in &read.rows {
                if query.answers(&self.ranges, read.at, row) {
                    answers.push((position(row), row.id));
                }
                if answers.len() == enough {
                    return (answers, None);
                }
            }
            if read.more {
                return (answers, read.rows.last().map(position));
            }
        }
        (answers, None)
    }

    /// How many rows to read on where the walk stopped, at `found` films of `limit`, when all may cost `ceiling` units.
    fn rows_further(&self, from: &Position, found: usize, limit: usize, ceiling: usize, last: bool) -> usize {
        let at = usize::from(from.span);
        let Some(stopped) = self.reads.iter().position(|read| read.at == at) else {
            return 0;
        };
        let until = self.reads.get(..=stopped).unwrap_or_default();
        let walked: usize = until.iter().map(|read| read.rows.len()).sum();
        let per_unit = per_unit(until.get(stopped..).unwrap_or_default()).min(per_unit(&self.reads));
        // Along a range of titles rows get longer, since the exact titles come first.
        let of_titles = at + KINDS <= self.ranges.len();
        let per_unit = if of_titles { per_unit * 4 / 5 } else { per_unit }.max(1);
        let missing = limit.saturating_sub(found);
        let left = ceiling.saturating_sub(self.units + found);
        // A unit of rows is expected to find as many films as those before did, and each costs a unit itself.
        let density = found.max(1);
        let affordable = left * walked / (walked + per_unit * density);
        let wanted = (missing + 1) * walked / density;
        // The last round may spend all; the one before it what a full page leaves, or half.
        let (affordable, wanted) = if last {
            (affordable, 2 * wanted)
        } else {
            (affordable / 2, wanted + wanted / 3)
        };
        (affordable.max(left.saturating_sub(missing)) * per_unit).min(wanted)
    }
}

impl Store {
    /// AP-09: a page of the films that `query` finds.
    ///
    /// A page may come out short, with `next`, when every word is common and few films have them all. Beside the caller's
    /// marks it costs `ROW_UNITS` read units and one for each film of a full page (of up to 4 KB).
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn search_movies(
        &self,
        query: &SearchQuery,
        window: &Window,
        limit: usize,
        caller: Option<UserId>,
    ) -> Result<Slice<MovieView>> {
        let enough = limit + 1;
        let ceiling = limit + limit.max(ROW_UNITS);
        let mut walk = match window.position() {
            Some(from) => self.resume(query, window, usize::from(from.lead), limit).await?,
            None => self.begin(query, limit).await?,
        };
        let (mut answers, mut stopped) = walk.answers(query, enough);
        let at_once = answers.len();
        for round in 1..=FURTHER_ROUNDS {
            let Some(from) = &stopped else { break };
            let last = round == FURTHER_ROUNDS;
            let rows = walk.rows_further(from, answers.len(), limit, ceiling, last);
            if rows == 0 {
                break;
            }
            self.read_on(&mut walk, from, rows, window.is_backward()).await?;
            (answers, stopped) = walk.answers(query, enough);
        }
        // Of those found by reading on, the page has as many as may still be fetched; one, so that every page gets on.
        let room = ceiling.saturating_sub(walk.units).max(at_once).clamp(1, limit);
        let cut = answers.len() > room;
        let more = cut || stopped.is_some();
        answers.truncate(room);
        // A page that was cut ends at its last film, any other where the reading stopped.
        let reached = stopped.filter(|_| !cut);
        let reached = reached.or_else(|| answers.last().map(|(position, _)| position.clone()));
        let begun = answers.first().map(|(position, _)| position.clone());
        let (first, last) = if window.is_backward() {
            answers.reverse();
            (reached, begun)
        } else {
            (begun, reached)
        };
        let (previous, next) = neighbours(window, Order::Ascending, first, last, more);
        let ids: Vec<MovieId> = answers.into_iter().map(|(_, id)| id).collect();
        Ok(Slice {
            items: self.hydrate(&ids, caller).await?,
            previous,
            next,
        })
    }

    /// The first round of a first page: the titles and every candidate's ranges side by side. The word that has least to
    /// read leads, by guess.
    async fn begin(&self, query: &SearchQuery, limit: usize) -> Result<Walk> {
        let candidates = query.telling.len().min(CANDIDATES);
        let ranges: Vec<Vec<WordRange>> = (0..candidates).map(|lead| query.ranges(lead)).collect();
        let titles = WordRange::titles(&query.words);
        let titles = self.read_postings(0, &titles, None, false, query.first_rows(&[], 0, limit));
        let candidates = ranges.iter().map(|ranges| {
            // The titles are the same, whoever leads.
            let of_word = ranges.iter().enumerate().skip(1);
            let rows = |at| query.first_rows(ranges, at, limit);
            try_join_all(of_word.map(move |(at, range)| self.read_postings(at, range, None, false, rows(at))))
        });
        let (titles, candidates) = tokio::try_join!(titles, try_join_all(candidates))?;
        let read = || candidates.iter().flatten().chain([&titles]);
        let units = read().map(Read::units).sum();
        let ids = read().map(Read::last_id).max().unwrap_or_default();
        let led = candidates
            .into_iter()
            .enumerate()
            .min_by_key(|(_, reads)| reads.iter().map(|read| read.weight(ids)).sum::<u64>());
        let (lead, words) = led.unwrap_or_default();
        let mut reads = vec![titles];
        reads.extend(words);
        let ranges = ranges.into_iter().nth(lead).unwrap_or_default();
        Ok(Walk {
            lead,
            ranges,
            reads,
            units,
        })
    }

    /// Reads the ranges of `lead`, from the window's position on, side by side.
    async fn resume(&self, query: &SearchQuery, window: &Window, lead: usize, limit: usize) -> Result<Walk> {
        let down = window.is_backward();
        let from = window.position();
        let ranges = query.ranges(lead);
        let mut left: Vec<(usize, &WordRange)> = ranges.iter().enumerate().collect();
        if let Some(from) = from {
            let at = usize::from(from.span);
            left.retain(|(range, _)| if down { *range <= at } else { *range >= at });
        }
        if down {
            left.reverse();
        }
        let reads = left.into_iter().map(|(at, range)| {
            let from = from.filter(|from| usize::from(from.span) == at);
            self.read_postings(at, range, from, down, query.first_rows(&ranges, at, limit))
        });
        let reads = try_join_all(reads).await?;
        let units = reads.iter().map(Read::units).sum();
        Ok(Walk {
            lead,
            ranges,
            reads,
            units,
        })
    }

    /// A further round: reads on in the range where the last one stopped.
    async fn read_on(&self, walk: &mut Walk, from: &Position, rows: usize, down: bool) -> Result<()> {
        let at = usize::from(from.span);
        let range = walk.ranges.get(at);
        let read = walk.reads.iter_mut().find(|read| read.at == at);
        if let (Some(range), Some(read)) = (range, read) {
            let next = self.read_postings(at, range, Some(from), down, rows).await?;
            walk.units += next.units();
            read.rows.extend(next.rows);
            read.more = next.more;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_longer_one_implies_are_not_looked_for() {
        let telling = |q: &str| SearchQuery::parse(q).unwrap().telling;
        assert_eq!(telling("the godfather"), ["godfather", "the"]);
        assert_eq!(telling("god godfather god"), ["godfather"]);
        // A short word must be a whole word, which a longer one doesn't imply.
        assert_eq!(telling("go godfather"), ["godfather", "go"]);
    }

    #[test]
    fn what_no_film_can_have_finds_nothing() {
        assert!(SearchQuery::parse("…?!").is_none());
        let many: Vec<String> = (10..41).map(|n| format!("w{n}")).collect();
        assert!(SearchQuery::parse(&many.join(" ")).is_none());
        assert!(SearchQuery::parse(&many[1..].join(" ")).is_some());
    }

    #[test]
    fn a_single_words_titles_are_walked_once() {
        assert_eq!(SearchQuery::parse("the").unwrap().ranges(0).len(), KINDS);
        assert_eq!(SearchQuery::parse("the kid").unwrap().ranges(0).len(), 1 + KINDS);
    }
}
