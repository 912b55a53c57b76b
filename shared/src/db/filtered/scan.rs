//! Movies by id, each checked: for a range of too many years to merge, without a genre or a director.
//!
//! The first round reads a few movies. If few of them pass, as where the catalog's ids follow its dates, the memberships of
//! all years of the range say where the next ones are. Otherwise the second round reads on.

use crate::{
    db::{
        counter::Counter,
        filtered::{filters::Filters, lead::Found, lists::Entry, plan::Budget},
        item::{StoredItem, from_item},
        keys::{self, id_text},
        movie::MovieItem,
        page::{PageLimit, Position, Slice, Window},
        posting::{self, BYTES_PER_UNIT},
        range::Direction,
        store::Store,
    },
    error::Result,
};

/// The fewest movies that the first round reads.
const LEAST: usize = 20;
/// The most movies of a catalog that is read whole, so that every count is exact.
pub(super) const SMALL: u64 = 60;
/// The most movies that the second round reads.
const MOST: usize = 150;

/// The most bytes of a movie's three numbers, which aren't counted with its texts: one for every two digits, and one more (AWS:
/// DynamoDB item sizes).
const NUMBER_BYTES: usize = 32;

/// The movies that were read, in the direction of reading.
#[derive(Debug)]
pub(super) struct Scan {
    /// Those that pass, each with its place.
    pub(super) hits: Vec<(String, MovieItem)>,
    /// How many were read.
    pub(super) checked: usize,
    /// The place up to which all were read. `None` at the end of the movies.
    pub(super) end: Option<String>,
    /// How many movies there are.
    movies: u64,
    bytes: usize,
}

impl Scan {
    fn add(&mut self, slice: Slice<StoredItem>, filters: &Filters, budget: &mut Budget) -> Result<()> {
        let end = slice.next.as_ref().and_then(Window::position);
        self.end = end.map(|position| position.key.clone());
        let bytes: usize = slice
            .items
            .iter()
            .map(|item| posting::bytes(item) + NUMBER_BYTES)
            .sum();
        // Two counters, and movies, perhaps of two buckets.
        budget.spend(2 * (2 + bytes.div_ceil(BYTES_PER_UNIT).max(1)));
        self.bytes += bytes;
        self.checked += slice.items.len();
        for item in slice.items {
            let movie: MovieItem = from_item(item)?;
            if filters.accept(&movie.fields) {
                self.hits.push((id_text(movie.id.get()), movie));
            }
        }
        Ok(())
    }

    /// How many movies the second round reads: enough to fill the page at the rate so far, and no more than the units allow.
    /// A page that begins near the end of a bucket reads up to twice as many.
    fn planned(&self, budget: &Budget, limit: PageLimit) -> usize {
        let mean = self.bytes / self.checked.max(1) + 1;
        let affordable = budget.units_left().saturating_sub(2) * BYTES_PER_UNIT / mean / 2;
        let missing = (limit.get() + 1).saturating_sub(self.hits.len());
        let enough = 2 * missing * self.checked / self.hits.len().max(1) + LEAST;
        affordable.min(enough).min(MOST)
    }

    /// The hits as entries, whose movies are read again.
    pub(super) fn found(self) -> Found {
        let entry = |(place, movie): (String, MovieItem)| (place, Entry::of(&movie));
        Found {
            hits: self.hits.into_iter().map(entry).collect(),
            checked: self.checked,
            end: self.end,
        }
    }

    /// Whether the catalog is small enough to be read whole.
    pub(super) fn is_of_small_catalog(&self) -> bool {
        self.movies <= SMALL
    }

    /// How many hits the second round is expected to add.
    pub(super) fn expected(&self, budget: &Budget, limit: PageLimit) -> usize {
        self.planned(budget, limit) * self.hits.len() / self.checked.max(1)
    }
}

impl Store {
    /// The first round: the movies after a place, or from the beginning on.
    pub(super) async fn scan_movies(
        &self,
        filters: &Filters,
        from: Option<&str>,
        direction: Direction,
        limit: PageLimit,
        budget: &mut Budget,
    ) -> Result<Scan> {
        let mut scan = Scan {
            hits: Vec::new(),
            checked: 0,
            end: from.map(str::to_owned),
            movies: 0,
            bytes: 0,
        };
        self.scan_some(&mut scan, filters, direction, limit.get().max(LEAST), budget)
            .await?;
        Ok(scan)
    }

    /// All movies that pass, of a small catalog. `None` if its ids are too far apart for one round.
    pub(super) async fn scan_whole(
        &self,
        filters: &Filters,
        budget: &mut Budget,
    ) -> Result<Option<Vec<MovieItem>>> {
        let limit = PageLimit::of::<{ SMALL as u8 }>();
        let scan = self
            .scan_movies(filters, None, Direction::Ascending, limit, budget)
            .await?;
        let movies = scan.hits.into_iter().map(|(_, movie)| movie);
        Ok(scan.end.is_none().then(|| movies.collect()))
    }

    /// The second round: reads on for as many units as are left.
    pub(super) async fn scan_on(
        &self,
        scan: &mut Scan,
        filters: &Filters,
        direction: Direction,
        limit: PageLimit,
        budget: &mut Budget,
    ) -> Result<()> {
        let movies = scan.planned(budget, limit);
        if movies > 0 && scan.end.is_some() {
            self.scan_some(scan, filters, direction, movies, budget).await?;
        }
        Ok(())
    }

    async fn scan_some(
        &self,
        scan: &mut Scan,
        filters: &Filters,
        direction: Direction,
        movies: usize,
        budget: &mut Budget,
    ) -> Result<()> {
        let counters = [Counter::Movies, Counter::MovieIds];
        let end = scan.end.take().map(Position::at);
        let window = end.map_or(Window::First, Window::After);
        let read = self
            .walk_buckets_by(keys::movie_bucket, counters, direction, &window, movies, false)
            .await?;
        scan.movies = read.count;
        scan.add(read.slice, filters, budget)
    }
}
