//! Search: AP-09. At most three rounds of Queries and one BatchGetItem, and a fixed ceiling of read units, whatever the
//! catalog's size.
//!
//! The answer is a walk along a few ranges of postings, in this order: titles that begin with the whole of `q` (exact ones
//! first, by the order of their keys), then one word's postings: title, director, genre. That word leads; the others are
//! checked against the text each posting carries. A movie has several postings and is answered under the first of them alone,
//! which is known from the posting's own text; so a page needs no memory of the pages before it.
//!
//! Where every word is common, most postings of the driver lack the others. The walk then reads on, as far as the units go
//! that the movies found so far and those still expected leave; and a page may come out short.
//!
//! The ceiling holds for whatever texts the movies have. A posting has a largest size ([`POSTING_BYTES`]), and postings are counted
//! out by it, whatever those before weighed. A posting that [doesn't carry](crate::db::carried) all of its movie's words, and
//! can't rule the movie out, is decided by the movie; each of these has the units of the largest movie set aside for it.

use std::collections::{HashMap, HashSet};

use futures_util::future::try_join_all;

use crate::{
    db::{
        carried::Carried,
        index::{self, KINDS, POSTING_BYTES, Words, is_short, satisfies},
        keys::Key,
        movie::MovieView,
        page::{PageLimit, Position, Slice, Window},
        posting::{Posting, RangeRead, UNIT},
        range::{Direction, KeyRange},
        store::Store,
        walk::neighbors,
    },
    domain::{MovieId, UserId, movie::MAX_WORDS, text},
    error::Result,
};

/// How many words may be tried as the leading one.
const CANDIDATES: usize = 3;
/// How many postings of each kind the first round reads of a range: what one unit reads of ordinary ones, and two of the
/// largest. Which word leads is decided by as many, whatever the page's size, so that the order doesn't depend on it.
const FIRST_POSTINGS: [usize; KINDS] = [28, 40, 40, 24];
/// How many rounds may read on.
const FURTHER_ROUNDS: usize = 2;
/// The least that reading postings may cost, in units; on a larger page, as much as its movies.
const POSTING_UNITS: usize = 20;
/// Left of each unit when postings are counted out by their mean size, since the next ones may be larger.
const MARGIN: usize = 128;
/// What reading the largest movie costs, in units. Texts at their limits, in characters of four bytes, and a cover of 2,048
/// bytes are 25 KB.
pub const MOVIE_UNITS: usize = 7;

/// A parsed `q`.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    /// The words, in order.
    words: Vec<String>,
    /// The words that say something: not those that a longer one implies. Rarest first, by guess.
    terms: Vec<String>,
}

impl SearchQuery {
    /// The words of `q`, or `None` when no movie can have them: it has no letter or digit, or more words than a movie.
    #[must_use]
    pub fn parse(q: &str) -> Option<Self> {
        let words = text::words(q);
        let mut terms: Vec<String> = Vec::new();
        for word in &words {
            let implied = |other: &String| other != word && !is_short(word) && satisfies(other, word);
            if !words.iter().any(implied) && !terms.contains(word) {
                terms.push(word.clone());
            }
        }
        // Each of these needs a word of its own in the movie.
        if terms.is_empty() || terms.len() > MAX_WORDS {
            return None;
        }
        // Longer words are rarer; a stable sort, so that every page has the same driver.
        terms.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
        Some(Self { words, terms })
    }

    /// The ranges that are walked when `driver` leads, in the answer's order.
    fn ranges(&self, driver: usize) -> Vec<KeyRange> {
        let mut ranges = vec![index::title_range(&self.words)];
        if let Some(word) = self.terms.get(driver) {
            // Of a single word, the titles that begin with it have been walked already.
            let skip = usize::from(self.words.len() == 1);
            ranges.extend(index::word_ranges(word).into_iter().skip(skip));
        }
        ranges
    }

    /// How many postings the first round reads of range `at` of `ranges`.
    fn first_postings(&self, ranges: &[KeyRange], at: usize, limit: usize) -> usize {
        let postings = FIRST_POSTINGS.get(kind(ranges, at)).copied().unwrap_or_default();
        // Nearly every posting of a single word is an answer.
        if self.terms.len() == 1 {
            postings.max(limit + 1)
        } else {
            postings
        }
    }

    /// Whether the movie of this posting is answered here, in range `at` of `ranges`, as far as the posting tells; `None` where the
    /// movie itself must be asked.
    fn judges(&self, driver: usize, ranges: &[KeyRange], at: usize, posting: &Posting) -> Option<bool> {
        let part = match &posting.words {
            Carried::All(words) => return Some(self.answers(ranges, at, &posting.key, posting.id, words)),
            Carried::Part(part) => part,
        };
        // Titles that begin with `q` are in the first range, and are answered there.
        if index::title_is_decided_by_key(&self.words) {
            if at == 0 {
                return Some(true);
            }
            if ranges.first().is_some_and(|titles| titles.contains(&posting.key)) {
                return Some(false);
            }
        }
        let mut is_sure = true;
        for (n, word) in self.terms.iter().enumerate() {
            let by_key = n == driver && at > 0 && index::word_is_decided_by_key(word);
            if by_key && part.shared >= word.chars().count() {
                // An earlier posting of the movie has a word that begins with this one.
                if !is_short(word) {
                    return Some(false);
                }
                is_sure = false;
            }
            match part.has(word) {
                _ if by_key => {}
                Some(true) if n != driver => {}
                Some(false) => return Some(false),
                // Of the driver, its place among the movie's postings isn't known either.
                _ => is_sure = false,
            }
        }
        // Of a single word, a title that begins with it has an earlier posting.
        let first = self.words.first().filter(|_| self.words.len() > 1);
        let title_may_begin = at == 0 || first.is_some_and(|first| part.title_may_begin_with(first));
        (is_sure && !title_may_begin).then_some(true)
    }

    /// Whether a movie with these words is answered at this key, in range `at` of `ranges`: it has all words, and this is
    /// its first posting of the walk.
    fn answers(&self, ranges: &[KeyRange], at: usize, key: &Key, id: MovieId, words: &Words) -> bool {
        if !self.terms.iter().all(|word| words.contain(word)) {
            return false;
        }
        // Keys are cut where texts are very long, so that a range may hold a title that doesn't begin with `q`.
        let title_begins = words.title_begins(&self.words);
        if at == 0 || title_begins {
            return at == 0 && title_begins;
        }
        // Titles that begin with `q` are out of the question by now, and with them the first range.
        let of_word = ranges.get(1..).unwrap_or_default();
        words
            .keys(id)
            .into_iter()
            .filter_map(|key| Some((of_word.iter().position(|range| range.contains(&key))?, key)))
            .min()
            .is_some_and(|(_, first)| first == *key)
    }
}

/// Which kind of postings range `at` of `ranges` has. The first has titles; of a single word they aren't walked again.
fn kind(ranges: &[KeyRange], at: usize) -> usize {
    match at {
        0 => 0,
        _ => (at + KINDS).saturating_sub(ranges.len()),
    }
}

/// A movie that a posting of the walk answers, or may.
struct Answer {
    position: Position,
    key: Key,
    id: MovieId,
    /// Whether the posting alone tells that it does.
    is_sure: bool,
}

impl Answer {
    /// What may be spent on its movie beside what is shown of it, in units.
    fn cost(&self) -> usize {
        if self.is_sure { 1 } else { MOVIE_UNITS }
    }
}

/// What these movies cost, each once.
fn cost(answers: &[Answer]) -> usize {
    let mut seen = HashSet::new();
    let first = answers.iter().filter(|answer| seen.insert(answer.id));
    first.map(Answer::cost).sum()
}

/// How many of these answers `units` pay for.
fn affordable(answers: &[Answer], units: usize) -> usize {
    let mut seen = HashSet::new();
    let mut spent = 0;
    let paid = answers.iter().take_while(|answer| {
        if seen.insert(answer.id) {
            spent += answer.cost();
        }
        spent <= units
    });
    paid.count()
}

/// How many postings like these a unit reads.
fn per_unit(reads: &[RangeRead]) -> usize {
    let postings: usize = reads.iter().map(|read| read.postings.len()).sum();
    let bytes: usize = reads.iter().map(RangeRead::bytes).sum();
    (UNIT - MARGIN) * postings / bytes.max(1)
}

/// A walk under way: the driver, its ranges from the page's start on in the direction of reading, what was read.
struct Walk {
    driver: usize,
    /// All of the driver's ranges, in the answer's order.
    ranges: Vec<KeyRange>,
    reads: Vec<RangeRead>,
    /// What all reading has cost, in units.
    units: usize,
}

impl Walk {
    /// The answers in what was read, up to the first range that goes on; and where that was.
    fn answers(&self, query: &SearchQuery, enough: usize) -> (Vec<Answer>, Option<Position>) {
        let mut answers: Vec<Answer> = Vec::new();
        for read in &self.reads {
            let position = |posting: &Posting| Position {
                // There are at most three drivers and five ranges.
                driver: u8::try_from(self.driver).unwrap_or_default(),
                range: u8::try_from(read.range).unwrap_or_default(),
                key: posting.key.sk.clone(),
            };
            for posting in &read.postings {
                let judgment = query.judges(self.driver, &self.ranges, read.range, posting);
                let is_sure = match judgment {
                    Some(false) => continue,
                    Some(true) => true,
                    None => false,
                };
                // Once a posting is sure to answer a movie, no other does.
                let mut others = answers.iter().filter(|other| other.id == posting.id);
                if is_sure {
                    answers.retain(|other| other.id != posting.id);
                } else if others.any(|other| other.is_sure) {
                    continue;
                }
                answers.push(Answer {
                    position: position(posting),
                    key: posting.key.clone(),
                    id: posting.id,
                    is_sure,
                });
                if answers.len() == enough {
                    return (answers, None);
                }
            }
            if read.more {
                return (answers, read.postings.last().map(position));
            }
        }
        (answers, None)
    }

    /// How many postings to read on where the walk stopped, at these movies of `limit`, when all may cost `ceiling` units.
    fn further_postings(
        &self,
        from: &Position,
        answers: &[Answer],
        limit: usize,
        ceiling: usize,
        last: bool,
    ) -> usize {
        let at = usize::from(from.range);
        let found = answers.len();
        let Some(stopped) = self.reads.iter().position(|read| read.range == at) else {
            return 0;
        };
        let until = self.reads.get(..=stopped).unwrap_or_default();
        let walked: usize = until.iter().map(|read| read.postings.len()).sum();
        let per_unit = per_unit(until.get(stopped..).unwrap_or_default()).min(per_unit(&self.reads));
        // Along a range of titles postings get longer, since the exact titles come first.
        let of_titles = at + KINDS <= self.ranges.len();
        let per_unit = if of_titles { per_unit * 4 / 5 } else { per_unit }.max(1);
        let missing = limit.saturating_sub(found);
        let left = ceiling.saturating_sub(self.units + cost(answers));
        // A unit of postings is expected to find as many movies as those before did, and each costs a unit itself.
        let density = found.max(1);
        let affordable = left * walked / (walked + per_unit * density);
        let wanted = (missing + 1) * walked / density;
        // The last round may spend all; the one before it what a full page leaves, or half.
        let (affordable, wanted) = if last {
            (affordable, 2 * wanted)
        } else {
            (affordable / 2, wanted + wanted / 3)
        };
        let planned = (affordable.max(left.saturating_sub(missing)) * per_unit).min(wanted);
        // Were all of them as large as can be, the movies would have to make room for them, but for one.
        let one = answers.first().map_or(MOVIE_UNITS, Answer::cost);
        let most = ceiling.saturating_sub(self.units + one) * UNIT;
        let largest = POSTING_BYTES.get(kind(&self.ranges, at)).copied().unwrap_or(UNIT);
        planned.min(most / largest)
    }
}

impl Store {
    /// AP-09: a page of the movies that `query` finds.
    ///
    /// A page may come out short, with `next`, when every word is common and few movies have them all, or where many texts are
    /// very long. Beside the caller's favorites, a page of up to 20 movies costs 40 read units at most, a larger one two for each
    /// movie, and one for each further 4 KB of the movies shown.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn search_movies(
        &self,
        query: &SearchQuery,
        window: &Window,
        limit: PageLimit,
        caller: Option<UserId>,
    ) -> Result<Slice<MovieView>> {
        let limit = limit.get();
        let direction = window.reading(Direction::Ascending);
        let enough = limit + 1;
        let ceiling = limit + limit.max(POSTING_UNITS);
        let mut walk = match window.position() {
            Some(from) => {
                self.resume(query, window, usize::from(from.driver), limit)
                    .await?
            }
            None => self.begin(query, limit).await?,
        };
        let (mut answers, mut stopped) = walk.answers(query, enough);
        for round in 1..=FURTHER_ROUNDS {
            let Some(from) = &stopped else { break };
            let last = round == FURTHER_ROUNDS;
            let postings = walk.further_postings(from, &answers, limit, ceiling, last);
            if postings == 0 {
                break;
            }
            self.read_on(&mut walk, from, postings, direction).await?;
            (answers, stopped) = walk.answers(query, enough);
        }
        // The page has as many as may still be fetched; one, so that every page gets on.
        let room = affordable(&answers, ceiling.saturating_sub(walk.units)).clamp(1, limit);
        let cut = answers.len() > room;
        let more = cut || stopped.is_some();
        answers.truncate(room);
        // A page that was cut ends at its last movie, any other where the reading stopped.
        let reached = stopped.filter(|_| !cut);
        let reached = reached.or_else(|| answers.last().map(|answer| answer.position.clone()));
        let begun = answers.first().map(|answer| answer.position.clone());
        let (first, last) = if window.is_backward() {
            answers.reverse();
            (reached, begun)
        } else {
            (begun, reached)
        };
        let (previous, next) = neighbors(window, Direction::Ascending, first, last, more);
        Ok(Slice {
            items: self.answered(query, &walk, &answers, caller).await?,
            previous,
            next,
        })
    }

    /// The movies of these answers, without those that aren't answered where a posting left it open.
    async fn answered(
        &self,
        query: &SearchQuery,
        walk: &Walk,
        answers: &[Answer],
        caller: Option<UserId>,
    ) -> Result<Vec<MovieView>> {
        let mut seen = HashSet::new();
        let ids = answers.iter().map(|answer| answer.id);
        let ids: Vec<MovieId> = ids.filter(|id| seen.insert(*id)).collect();
        let views = self.get_movies(&ids, caller).await?;
        let mut views: HashMap<MovieId, MovieView> = views.into_iter().map(|v| (v.movie.id, v)).collect();
        let mut answered = Vec::new();
        for answer in answers {
            let Some(view) = views.get(&answer.id) else {
                continue;
            };
            let is_answer = answer.is_sure || {
                let words = Words::of(&view.movie.fields()?);
                let at = usize::from(answer.position.range);
                query.answers(&walk.ranges, at, &answer.key, answer.id, &words)
            };
            answered.extend(is_answer.then(|| views.remove(&answer.id)).flatten());
        }
        Ok(answered)
    }

    /// The first round of a first page: the titles and every candidate's ranges side by side. The word that has least to
    /// read leads, by guess.
    async fn begin(&self, query: &SearchQuery, limit: usize) -> Result<Walk> {
        let candidates = query.terms.len().min(CANDIDATES);
        let ranges: Vec<Vec<KeyRange>> = (0..candidates).map(|driver| query.ranges(driver)).collect();
        let titles = index::title_range(&query.words);
        let titles = self.read_postings(
            0,
            &titles,
            Direction::Ascending,
            query.first_postings(&[], 0, limit),
        );
        let candidates =
            ranges.iter().map(|ranges| {
                // The titles are the same, whoever leads.
                let of_word = ranges.iter().enumerate().skip(1);
                let postings = |at| query.first_postings(ranges, at, limit);
                try_join_all(of_word.map(move |(at, range)| {
                    self.read_postings(at, range, Direction::Ascending, postings(at))
                }))
            });
        let (titles, candidates) = tokio::try_join!(titles, try_join_all(candidates))?;
        let read = || candidates.iter().flatten().chain([&titles]);
        let units = read().map(RangeRead::units).sum();
        let ids = read().map(RangeRead::last_id).max().unwrap_or_default();
        let led = candidates
            .into_iter()
            .enumerate()
            .min_by_key(|(_, reads)| reads.iter().map(|read| read.weight(ids)).sum::<u64>());
        let (driver, words) = led.unwrap_or_default();
        let mut reads = vec![titles];
        reads.extend(words);
        let ranges = ranges.into_iter().nth(driver).unwrap_or_default();
        Ok(Walk {
            driver,
            ranges,
            reads,
            units,
        })
    }

    /// Reads the ranges of `driver`, from the window's position on, side by side.
    async fn resume(
        &self,
        query: &SearchQuery,
        window: &Window,
        driver: usize,
        limit: usize,
    ) -> Result<Walk> {
        let direction = window.reading(Direction::Ascending);
        let from = window.position();
        let ranges = query.ranges(driver);
        let mut left: Vec<(usize, KeyRange)> = ranges.iter().cloned().enumerate().collect();
        if let Some(from) = from {
            let at = usize::from(from.range);
            left.retain(|(range, _)| match direction {
                Direction::Ascending => *range >= at,
                Direction::Descending => *range <= at,
            });
        }
        if direction == Direction::Descending {
            left.reverse();
        }
        for (at, range) in &mut left {
            if let Some(from) = from.filter(|from| usize::from(from.range) == *at) {
                *range = range.clone().beyond(&from.key, direction);
            }
        }
        let reads = left.iter().map(|(at, range)| {
            self.read_postings(*at, range, direction, query.first_postings(&ranges, *at, limit))
        });
        let reads = try_join_all(reads).await?;
        let units = reads.iter().map(RangeRead::units).sum();
        Ok(Walk {
            driver,
            ranges,
            reads,
            units,
        })
    }

    /// A further round: reads on in the range where the last one stopped.
    async fn read_on(
        &self,
        walk: &mut Walk,
        from: &Position,
        postings: usize,
        direction: Direction,
    ) -> Result<()> {
        let at = usize::from(from.range);
        let range = walk.ranges.get(at);
        let read = walk.reads.iter_mut().find(|read| read.range == at);
        if let (Some(range), Some(read)) = (range, read) {
            let rest = range.clone().beyond(&from.key, direction);
            let next = self.read_postings(at, &rest, direction, postings).await?;
            walk.units += next.units();
            read.postings.extend(next.postings);
            read.more = next.more;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::{
        db::{item::to_item, keys, movie::MovieItem},
        domain::{self, CoverImage, Description, Director, Genres, ImdbId, MovieFields, ReleaseDate, Title},
    };

    #[test]
    fn words_that_a_longer_one_implies_are_not_looked_for() {
        let terms = |q: &str| SearchQuery::parse(q).unwrap().terms;
        assert_eq!(terms("the godfather"), ["godfather", "the"]);
        assert_eq!(terms("god godfather god"), ["godfather"]);
        // A short word must be a whole word, which a longer one doesn't imply.
        assert_eq!(terms("go godfather"), ["godfather", "go"]);
    }

    #[test]
    fn what_no_movie_can_have_finds_nothing() {
        assert!(SearchQuery::parse("…?!").is_none());
        let many: Vec<String> = (10..41).map(|n| format!("w{n}")).collect();
        assert!(SearchQuery::parse(&many.join(" ")).is_none());
        assert!(SearchQuery::parse(&many[1..].join(" ")).is_some());
    }

    #[test]
    fn each_range_has_its_kind_of_postings() {
        for (q, kinds) in [("the", &[0, 1, 2, 3][..]), ("the kid", &[0, 0, 1, 2, 3])] {
            let ranges = SearchQuery::parse(q).unwrap().ranges(0);
            let found: Vec<usize> = (0..ranges.len()).map(|at| kind(&ranges, at)).collect();
            assert_eq!(found, kinds, "{q}");
        }
    }

    #[test]
    fn the_first_round_reads_two_units_of_the_largest_postings() {
        for (postings, bytes) in FIRST_POSTINGS.into_iter().zip(POSTING_BYTES) {
            assert!(
                postings * bytes <= 2 * UNIT,
                "{postings} postings of {bytes} bytes"
            );
        }
        // The titles, and the kinds of each word that may driver; and a movie that no posting tells all of.
        const { assert!(2 * (1 + CANDIDATES * KINDS) + MOVIE_UNITS <= 2 * POSTING_UNITS) };
    }

    #[test]
    fn no_movie_costs_more_than_is_set_aside_for_one() {
        let wide = |chars: usize| "😀".repeat(chars);
        let genres = (0..5).map(|n| format!("{n}{}", wide(38))).collect::<Vec<_>>();
        let fields = MovieFields {
            title: Title::parse(&wide(200)).unwrap(),
            description: Description::parse(&wide(5000)).unwrap(),
            release_date: ReleaseDate::parse("9999-12-31").unwrap(),
            director: Director::parse(&wide(200)).unwrap(),
            genres: Genres::parse(&genres.join(",")).unwrap(),
            imdb_id: Some(ImdbId::parse("tt1234567890").unwrap()),
            cover_image: Some(CoverImage::parse(&format!("https://a/{}", "b".repeat(2038))).unwrap()),
        };
        let id = MovieId::try_from(domain::id::MAX_ID).unwrap();
        let owner = UserId::try_from(domain::id::MAX_ID).unwrap();
        let mut item = MovieItem::new(id, &fields, Some(owner), "2026-11-22T21:34:01.250000000Z");
        (item.version, item.likes, item.liked) = (u64::MAX, u64::MAX, Some("LIKES#7".to_owned()));
        let key = keys::movie(id);
        let mut attributes = to_item(&item).unwrap();
        attributes.extend(key.attributes());
        // A number takes a byte for every two digits, and one more (AWS: DynamoDB item sizes): less than its digits.
        let size = |value: &AttributeValue| value.as_s().or_else(|_| value.as_n()).map_or(1, String::len);
        let bytes: usize = attributes
            .iter()
            .map(|(name, value)| name.len() + size(value))
            .sum();
        assert!(bytes.div_ceil(UNIT) == MOVIE_UNITS, "{bytes}");
    }

    #[test]
    fn a_single_words_titles_are_walked_once() {
        assert_eq!(SearchQuery::parse("the").unwrap().ranges(0).len(), KINDS);
        assert_eq!(SearchQuery::parse("the kid").unwrap().ranges(0).len(), 1 + KINDS);
    }
}
