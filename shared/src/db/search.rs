//! Search: AP-09. A page takes at most three rounds of Queries and one BatchGetItem, and costs at most a fixed number of
//! read units, however large the catalog is and however long its texts are.
//!
//! # How a page of results is found
//!
//! A movie has a *posting* for each of its words, stored by word ([`crate::db::index`]). The words of `q` that a movie must
//! have are the *terms*. One term *drives* the search: its postings are read, and each carries its movie's other words, so
//! the other terms are checked without reading the movie. The results are in the order of these ranges of postings:
//!
//! 1. titles that begin with all of `q`, exact titles first;
//! 2. postings of the driver: first words of titles, other words of titles, words of directors, words of genres; if the driver
//!    is a year, the movies of that year.
//!
//! Within a range they are in the order of the keys. This sequence of ranges is the *walk*. A posting is a *hit* if it is
//! the first posting of a matching movie in the walk. The posting's own text decides whether it is the first, so no page
//! needs to know which movies were on the pages before it.
//!
//! For example, `q=Love Story` has the terms `story` and `love`, the longest first.
//!
//! **First round.** The range of titles, and the four or five ranges of each term (of up to three terms), are read in parallel:
//!
//! ```text
//! titles  WORD#lov  0#love-story…
//! story   WORD#sto  0#story…  1#story…  2#story…   GENRE#sto  story…
//! love    WORD#lov  0#love…   1#love…   2#love…    GENRE#lov  love…
//! ```
//!
//! These are nine Queries of 20 to 36 postings each. From the ids that they reached, the size of all ranges of each term is
//! estimated. The term with the smallest ranges drives; say that it is `story`. The walk is then:
//!
//! ```text
//! range 0  0#love-story#…12    love story|arthur hiller|drama|1970  a hit
//! range 1  0#story-of-love#…7  story of love|jon doe|drama|1999     a hit: it has both terms
//! range 1  0#story-of-us#…31   story of us|rob reiner|drama|1999    no hit: it lacks `love`
//! range 2  1#story#…12         love story|arthur hiller|drama|1970  no hit: its title is in range 0
//! range 2  1#story#…77         a love story|roy andersson|drama|1970  a hit
//! ```
//!
//! **Further rounds.** The walk stops in the first range that wasn't read to its end. If the page isn't full, up to two
//! more rounds continue there, with one Query each. [`plan`] decides how many postings they read.
//!
//! **Movies.** One BatchGetItem reads the movies of the hits: 12, 7 and 77 here. If the walk stopped early or found more hits
//! than fit, the page has a `next`: a cursor with the driver, the number of the range, and the sort key that the walk reached.
//! The next page reads the driver's ranges from there on.
//!
//! # The ceiling
//!
//! A page has a [`Budget`] of read units for postings and movies. Postings have a [largest
//! size](crate::db::index::POSTING_BYTES), and rounds count them by it. If a movie's words don't fit in a posting, the
//! posting may not [decide](crate::db::carried) whether it is a hit. Then the movie decides, and the budget reserves the
//! units of the largest movie for it. If every term is common and few movies have them all, or if texts are very long, the
//! budget can be spent before the page is full. Then the page is short or empty, and has a `next`.
//!
//! # The second try
//!
//! If no movie matches, [`second`] corrects the query and returns a walk of the corrected one along what it has read. Its page is
//! made as any other. The cursors of its neighbors contain the corrected query.
//!
//! # Files
//!
//! - [`query`]: the terms, the drivers, and whether a posting is a hit;
//! - [`ranges`]: the ranges of a word and of a title;
//! - [`plan`]: the budget and the size of each round;
//! - [`walk`]: the hits among what was read, and the page;
//! - [`reads`]: what was read, by range;
//! - [`second`]: the second try.

use std::collections::{HashMap, HashSet};

use futures_util::future::try_join_all;

pub mod plan;
pub mod query;
pub mod ranges;
pub mod reads;
pub mod second;
pub mod walk;

pub use query::SearchQuery;

use crate::{
    db::{
        encoded_words::EncodedWords,
        item::corrupt,
        movie::MovieView,
        page::{PageLimit, Position, Slice, Window},
        posting::RangeRead,
        posting_list::keys_with_words,
        range::Direction,
        search::{
            plan::{Budget, FURTHER_ROUNDS, further_postings},
            query::{Driver, TITLE_RANGE},
            ranges::PostingRange,
            reads::{Reads, Unfinished},
            second::Correction,
            walk::{Found, PossibleHit, Walk},
        },
        store::Store,
        unfinished,
        words::Words,
    },
    domain::{MovieId, UserId},
    error::{Error, Result},
};

/// A page of the movies that a search found.
#[derive(Debug, Default)]
pub struct SearchPage {
    /// The movies.
    pub slice: Slice<MovieView>,
    /// The query that the movies match, if it isn't the one that was asked.
    pub corrected_query: Option<String>,
}

impl SearchPage {
    /// A page of the walk of a query, `corrected` if that isn't the one that was asked. Its neighbors are pages of that walk.
    fn new(slice: Slice<MovieView>, corrected: Option<&SearchQuery>) -> Self {
        let Some(query) = corrected else {
            return Self {
                slice,
                corrected_query: None,
            };
        };
        let text = query.text();
        let neighbor = |window: Option<Window>| window.map(|window| window.of_corrected_query(&text));
        let slice = Slice {
            items: slice.items,
            previous: neighbor(slice.previous),
            next: neighbor(slice.next),
        };
        Self {
            slice,
            corrected_query: Some(text),
        }
    }
}

impl Store {
    /// AP-09: a page of the movies that match `query`, or, if none does, a corrected query (AP-42).
    ///
    /// The page can have fewer movies than `limit`, or none, and still have a `next`, if every term is common and few
    /// movies have them all, or if texts are very long. Without the caller's favorites, a page of up to 20 movies costs at
    /// most 40 read units, and a larger page two units for each movie. Each further 4 KB of a movie on the page costs one
    /// more unit. A first page that had to be corrected costs as much again.
    pub async fn search_movies(
        &self,
        query: &SearchQuery,
        window: &Window,
        limit: PageLimit,
        caller: Option<UserId>,
    ) -> Result<SearchPage> {
        let Some(from) = window.position() else {
            return self.first_page(query, limit, caller).await;
        };
        let corrected = from.corrected_query.as_deref();
        let corrected = corrected.map(|text| {
            SearchQuery::parse(text).ok_or_else(|| corrupt("a cursor with a query that isn't one"))
        });
        let corrected = corrected.transpose()?;
        let walked = corrected.as_ref().unwrap_or(query);
        let direction = window.reading(Direction::Ascending);
        let mut walk = self.resume_walk(walked, from, direction, limit).await?;
        let found = self.walk_on(&mut walk, walked, direction, limit).await?;
        let (slice, _) = self.page_of(walked, &walk, found, window, limit, caller).await?;
        Ok(SearchPage::new(slice, corrected.as_ref()))
    }

    async fn first_page(
        &self,
        query: &SearchQuery,
        limit: PageLimit,
        caller: Option<UserId>,
    ) -> Result<SearchPage> {
        let (mut walk, mut reads) = self.start_walk(query, limit).await?;
        let found = self
            .walk_on(&mut walk, query, Direction::Ascending, limit)
            .await?;
        let (slice, unfinished) = self
            .page_of(query, &walk, found, &Window::First, limit, caller)
            .await?;
        // An empty page that has a next one doesn't say that nothing matches.
        if !slice.items.is_empty() || slice.next.is_some() {
            return Ok(SearchPage::new(slice, None));
        }
        reads.add_walk(walk);
        reads.remove_left(&unfinished);
        let Some(Correction { query, walk }) = self.second_try(query, reads, limit).await? else {
            return Ok(SearchPage::default());
        };
        let found = walk.find(&query, limit);
        let (slice, _) = self
            .page_of(&query, &walk, found, &Window::First, limit, caller)
            .await?;
        if slice.items.is_empty() && slice.next.is_none() {
            return Ok(SearchPage::default());
        }
        Ok(SearchPage::new(slice, Some(&query)))
    }

    /// The further rounds: continues the walk until the page is full, every range was read to its end, or the budget is spent.
    async fn walk_on(
        &self,
        walk: &mut Walk,
        query: &SearchQuery,
        direction: Direction,
        limit: PageLimit,
    ) -> Result<Found> {
        let mut found = walk.find(query, limit);
        for round in FURTHER_ROUNDS {
            let Some(stop) = &found.stop else { break };
            let number = stop.position.range;
            let range = walk.driver.range(number);
            let range = range.ok_or_else(|| broken("the walk stopped in a range that it doesn't have"))?;
            let progress = walk.progress(&found.hits, stop, range);
            let postings = further_postings(limit, &walk.budget, &progress, round);
            if postings == 0 {
                break;
            }
            let rest = range.keys.clone().beyond(&stop.position.key, direction);
            let further = self.read_postings(number, &rest, direction, postings).await?;
            walk.extend(stop, further);
            found = walk.find(query, limit);
        }
        Ok(found)
    }

    /// The page of what the walk has found, with its movies; and those movies of hits that may have postings which are left.
    async fn page_of(
        &self,
        query: &SearchQuery,
        walk: &Walk,
        found: Found,
        window: &Window,
        limit: PageLimit,
        caller: Option<UserId>,
    ) -> Result<(Slice<MovieView>, Unfinished)> {
        let (hits, place) = walk.page(found, window, limit).split();
        let (movies, unfinished) = self.movies_of(query, &walk.driver, &hits, caller).await?;
        Ok((place.with_items(movies), unfinished))
    }

    /// The first round of a first page: reads the titles and the ranges of each candidate in parallel, and picks the
    /// driver. Returns the walk, and what was read of the ranges of the other candidates.
    async fn start_walk(&self, query: &SearchQuery, limit: PageLimit) -> Result<(Walk, Reads)> {
        let candidates = query.candidates();
        let of_candidates = candidates.iter().map(|driver| {
            let ranges = driver.ranges_of_term();
            try_join_all(ranges.map(|(number, range)| self.read_first(query, number, range, limit)))
        });
        let (titles, of_candidates) = tokio::try_join!(
            self.read_first(query, TITLE_RANGE, query.titles(), limit),
            try_join_all(of_candidates)
        )?;
        let mut budget = Budget::of_page(limit);
        budget.spend(of_candidates.iter().flatten().chain([&titles]));
        let reads = of_candidates.iter().flatten().chain([&titles]);
        let largest_id = reads.map(RangeRead::largest_id).fold(0, u64::max);
        let weight = |reads: &[RangeRead]| -> u64 { reads.iter().map(|read| read.weight(largest_id)).sum() };
        let mut read: Vec<(Driver, Vec<RangeRead>)> = candidates.into_iter().zip(of_candidates).collect();
        let lightest = (0..read.len()).min_by_key(|number| weight(&read[*number].1));
        let (driver, of_driver) = read.remove(lightest.ok_or_else(|| broken("a query has no term"))?);
        let mut others = Reads::default();
        for (driver, reads) in read {
            let ranges = driver.ranges_of_term().map(|(_, range)| range.clone());
            ranges
                .zip(reads)
                .for_each(|(range, read)| others.add(range, read));
        }
        let mut reads = vec![titles];
        reads.extend(of_driver);
        let walk = Walk {
            driver,
            reads,
            budget,
        };
        Ok((walk, others))
    }

    async fn read_first(
        &self,
        query: &SearchQuery,
        number: u8,
        range: &PostingRange,
        limit: PageLimit,
    ) -> Result<RangeRead> {
        let postings = query.first_postings(range.kind, limit);
        self.read_postings(number, &range.keys, Direction::Ascending, postings)
            .await
    }

    /// The first round of any other page: reads the driver's ranges in `direction` from a position on, in parallel.
    async fn resume_walk(
        &self,
        query: &SearchQuery,
        from: &Position,
        direction: Direction,
        limit: PageLimit,
    ) -> Result<Walk> {
        let driver = query.driver(from.driver);
        let driver = driver.ok_or_else(|| corrupt("a cursor of another search"))?;
        let mut ranges: Vec<(u8, PostingRange)> = driver
            .ranges()
            .filter(|(number, _)| match direction {
                Direction::Ascending => *number >= from.range,
                Direction::Descending => *number <= from.range,
            })
            .map(|(number, range)| (number, range.clone()))
            .collect();
        if direction == Direction::Descending {
            ranges.reverse();
        }
        for (_, range) in ranges.iter_mut().filter(|(number, _)| *number == from.range) {
            range.keys = range.keys.clone().beyond(&from.key, direction);
        }
        let reads = ranges.iter().map(|(number, range)| {
            let postings = query.first_postings(range.kind, limit);
            self.read_postings(*number, &range.keys, direction, postings)
        });
        let reads = try_join_all(reads).await?;
        let mut budget = Budget::of_page(limit);
        budget.spend(&reads);
        Ok(Walk {
            driver,
            reads,
            budget,
        })
    }

    /// Reads the movies of these hits. The movie decides if a posting didn't decide whether it is a hit, or if it may be one that
    /// an [unfinished](crate::db::unfinished) edit left. Returns also which movies may have such postings.
    async fn movies_of(
        &self,
        query: &SearchQuery,
        driver: &Driver,
        hits: &[PossibleHit],
        caller: Option<UserId>,
    ) -> Result<(Vec<MovieView>, Unfinished)> {
        let mut seen = HashSet::new();
        let ids = hits.iter().map(|hit| hit.id);
        let ids: Vec<MovieId> = ids.filter(|id| seen.insert(*id)).collect();
        let views = self.get_movies(&ids, caller).await?;
        let mut views: HashMap<MovieId, MovieView> = views.into_iter().map(|v| (v.movie.id, v)).collect();
        let mut movies = Vec::new();
        let mut unfinished = Unfinished::new();
        for hit in hits {
            let Some(view) = views.get(&hit.id) else {
                if movies.iter().all(|shown: &MovieView| shown.movie.id != hit.id) {
                    unfinished.entry(hit.id).or_default();
                }
                continue;
            };
            let movie = &view.movie;
            if movie.unfinished.is_some() {
                let keys = || keys_with_words(&Words::of(&movie.fields), movie.id).into_keys();
                unfinished.entry(hit.id).or_insert_with(|| keys().collect());
            }
            let is_hit = (hit.is_sure && movie.unfinished.is_none()) || {
                let words = Words::of(&movie.fields);
                !unfinished::is_left(movie, &words, &hit.key)
                    && query.is_hit(
                        driver,
                        hit.position.range,
                        &hit.key,
                        hit.id,
                        &EncodedWords::of(&words),
                    )
            };
            if is_hit {
                movies.extend(views.remove(&hit.id));
            }
        }
        Ok((movies, unfinished))
    }
}

/// Returns the error for a state that a search can't reach. A debug build panics instead.
fn broken(what: &str) -> Error {
    debug_assert!(false, "{what}");
    Error::internal(format!("search: {what}"))
}
