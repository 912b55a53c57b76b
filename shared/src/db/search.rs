//! Search: AP-09. At most two rounds of Queries and one BatchGetItem, whatever the catalogue's size.
//!
//! The answer is a walk along a few ranges of rows, in this order: titles that begin with the whole of `q` (exact ones
//! first, by the order of their keys), then one word's rows: title, director, genre. That word leads; the others are
//! checked against the text each row carries. A film has several rows and is answered under the first of them alone,
//! which is known from the row's own text; so a page needs no memory of the pages before it.

use futures_util::future::try_join_all;

use crate::{
    db::{
        index::{WordRange, Words, is_short, satisfies},
        keys::{self, Key, TABLE},
        movie::MovieView,
        page::{Position, Slice, Window},
        store::{Item, RangeQuery, Store, corrupt},
        walk::{Order, narrowed, neighbours},
    },
    domain::{MovieId, UserId, movie::MAX_WORDS, text},
    error::Result,
};

/// How many words may be tried as the leading one.
const CANDIDATES: usize = 3;
/// A range with more rows than this is long. Which word leads is decided by this many rows, whatever the page's size,
/// so that the order doesn't depend on it.
const LONG: usize = 24;
/// How many rows the second round reads, when the first found too little.
const MORE_ROWS: usize = 150;

/// How many rows the first round reads of each range.
fn first_rows(limit: usize) -> usize {
    (LONG + 1).max(limit + 1)
}

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

/// A row that was read.
struct Row {
    key: Key,
    id: MovieId,
    words: Words,
}

impl Row {
    fn read(item: &Item) -> Result<Self> {
        let key = Key::of(item).ok_or_else(|| corrupt("a posting without keys"))?;
        let id = keys::id_at_end(&key.sk).and_then(|id| MovieId::try_from(id).ok());
        let words = item
            .get("text")
            .and_then(|t| t.as_s().ok())
            .and_then(|t| Words::decode(t));
        match (id, words) {
            (Some(id), Some(words)) => Ok(Self { key, id, words }),
            _ => Err(corrupt("a posting that isn't one")),
        }
    }
}

/// What was read of one range, in the direction of reading.
struct Read {
    /// Its place among the walk's ranges.
    at: usize,
    rows: Vec<Row>,
    /// Whether it goes on.
    more: bool,
}

/// A walk under way: the leader, its ranges from the page's start on in the direction of reading, what was read.
struct Walk {
    lead: usize,
    /// All of the leader's ranges, in the answer's order.
    ranges: Vec<WordRange>,
    reads: Vec<Read>,
}

impl Walk {
    /// The answers in what was read, up to the first range that goes on; and where that was.
    fn answers(&self, query: &SearchQuery, enough: usize) -> (Vec<(Position, MovieId)>, Option<Position>) {
        let mut answers = Vec::new();
        for read in &self.reads {
            let position = |row: &Row| Position {
                // There are at most two leaders and five ranges.
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
}

impl Store {
    /// AP-09: a page of the films that `query` finds.
    ///
    /// A page may come out short, with `next`, when every word is common and few films have them all.
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
        let mut walk = match window.position() {
            Some(from) => self.resume(query, window, usize::from(from.lead), limit).await?,
            None => self.begin(query, limit).await?,
        };
        let (mut answers, mut stopped) = walk.answers(query, enough);
        if let Some(from) = &stopped {
            self.read_on(&mut walk, from, window.is_backward()).await?;
            (answers, stopped) = walk.answers(query, enough);
        }
        let more = answers.len() > limit || stopped.is_some();
        answers.truncate(limit);
        // A page that is full ends at its last film; one that came out short, where the reading stopped.
        let reached = stopped.filter(|_| answers.len() < limit);
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

    /// The first round of a first page: the titles and every candidate's ranges side by side. The word with the fewest
    /// long ranges leads, for it has the fewest rows to walk; one with a long genre last, for genres are the longest.
    async fn begin(&self, query: &SearchQuery, limit: usize) -> Result<Walk> {
        let candidates = query.telling.len().min(CANDIDATES);
        let rows = first_rows(limit);
        let ranges: Vec<Vec<WordRange>> = (0..candidates).map(|lead| query.ranges(lead)).collect();
        let titles = WordRange::titles(&query.words);
        let titles = self.read_range(0, &titles, None, false, rows);
        let candidates = ranges.iter().map(|ranges| {
            // The titles are the same, whoever leads.
            let of_word = ranges.iter().enumerate().skip(1);
            try_join_all(of_word.map(|(at, range)| self.read_range(at, range, None, false, rows)))
        });
        let (titles, candidates) = tokio::try_join!(titles, try_join_all(candidates))?;
        let led = candidates.into_iter().enumerate().min_by_key(|(_, reads)| {
            let long = |read: &Read| read.rows.len() > LONG;
            (
                reads.last().is_some_and(long),
                reads.iter().filter(|read| long(read)).count(),
            )
        });
        let (lead, words) = led.unwrap_or_default();
        let mut reads = vec![titles];
        reads.extend(words);
        let ranges = ranges.into_iter().nth(lead).unwrap_or_default();
        Ok(Walk { lead, ranges, reads })
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
        let rows = first_rows(limit);
        let reads = left.into_iter().map(|(at, range)| {
            let from = from.filter(|from| usize::from(from.span) == at);
            self.read_range(at, range, from, down, rows)
        });
        let reads = try_join_all(reads).await?;
        Ok(Walk { lead, ranges, reads })
    }

    /// The second round: reads on in the range where the first stopped.
    async fn read_on(&self, walk: &mut Walk, from: &Position, down: bool) -> Result<()> {
        let at = usize::from(from.span);
        let range = walk.ranges.get(at);
        let read = walk.reads.iter_mut().find(|read| read.at == at);
        if let (Some(range), Some(read)) = (range, read) {
            let next = self.read_range(at, range, Some(from), down, MORE_ROWS).await?;
            read.rows.extend(next.rows);
            read.more = next.more;
        }
        Ok(())
    }

    async fn read_range(
        &self,
        at: usize,
        range: &WordRange,
        from: Option<&Position>,
        down: bool,
        limit: usize,
    ) -> Result<Read> {
        let (low, high) = narrowed(&range.low, &range.high, from, down);
        let (items, more) = self
            .query(&RangeQuery {
                index: TABLE,
                pk: &range.pk,
                low: &low,
                high: &high,
                backward: down,
                limit,
            })
            .await?;
        Ok(Read {
            at,
            rows: items.iter().map(Row::read).collect::<Result<_>>()?,
            more,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::db::index::KINDS;

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
