//! Lists of movies with filters: AP-43. A page takes at most three trips, and 25 read units besides one for each movie, however
//! large the catalog is.
//!
//! # How a page is found
//!
//! A *lead* is a list that has every movie that passes, in the collection's order: the memberships of a genre, a director or a
//! year by id, or the entries of a genre or of all movies by date. Several lists of years are merged. The entries of a lead
//! carry enough to [check the other filters](filters), so movies are read only to be shown.
//!
//! | filters | leads by id | leads by date |
//! |---|---|---|
//! | a director, and any others | the director's memberships | `by-date` at each genre, or at `MOVIES`; each movie's membership of the director is looked up |
//! | dates of at most 16 years | the years' memberships, merged | `by-date` at `MOVIES`, within the dates |
//! | genres | each genre's memberships | `by-date` at each genre, within the dates |
//! | other dates alone | [the movies](scan) | `by-date` at `MOVIES`, within the dates |
//!
//! **Counting.** The first page tries to read a whole list: that of a director, of a year, or of one of several genres. If the
//! list ends within what [the plan](plan) allows, everything is known: the count is exact, and the page is sorted in memory.
//! Otherwise the count is null, and the cursors of the page say so, so that no other page tries it again.
//!
//! **First round.** The first entries of every lead are read in parallel. Each decides the results up to the last place that
//! was read. The one that got furthest leads. So there are no estimates, and the order can't depend on the choice.
//!
//! **Second round.** If the page isn't full, the lead is read on. Where few movies of the first round passed and the range of
//! dates has at most 80 years, the memberships of all its years are read instead: they skip the ids between.
//!
//! **Movies.** One BatchGetItem. A movie that doesn't pass any more is left out.
//!
//! For example, `genre=Drama,War&ordering=-release_date` reads the latest entries of both genres:
//!
//! ```text
//! GENRE#drama  2014-12-25#…16970#biography   no: it lacks `war`
//! GENRE#drama  2014-11-28#…16801#history,war a hit
//! GENRE#war    2014-12-01#…16805#action      no: it lacks `drama`
//! GENRE#war    2014-11-28#…16801#drama       the same hit
//! GENRE#war    2013-06-02#…15944#drama       a hit
//! ```
//!
//! War movies are rarer, so its 40 entries reach further back: war leads.
//!
//! # Cursors
//!
//! A position is an id, or a date and an id. So it means the same whichever lead led to it, and each page may choose again.

mod filters;
mod lead;
mod lists;
mod plan;
mod scan;

use std::ops::RangeInclusive;

use futures_util::future::{join_all, try_join_all};

pub use filters::Filters;

use crate::{
    db::{
        carried::Verdict,
        filtered::{
            lead::{Found, Lead, furthest, is_before, sort},
            lists::{By, Entry, List},
            plan::Budget,
        },
        keys::BUCKET,
        movie::MovieView,
        movie_lists::MovieOrder,
        page::{Counted, PageLimit, Position, Reading, Slice, Window},
        range::Direction,
        store::{Consistency, Store},
    },
    domain::{MovieId, ReleaseDate, UserId},
    error::Result,
};

/// The most years that are merged in the first round.
const MERGED_YEARS: usize = 16;
/// The most years whose memberships are read in the second round.
const LOCATED_YEARS: usize = 80;
/// The most of them that are read strongly consistent. More would leave too few units for movies.
const STRONG_YEARS: usize = 20;
/// The `driver` of a position in a collection that is too long to be counted.
const UNCOUNTED: u8 = 1;

/// A page of a list of movies.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// The exact number of movies in the list. `None` if they are not counted.
    pub count: Option<u64>,
    /// The page.
    pub slice: Slice<MovieView>,
}

impl From<Counted<MovieView>> for Listed {
    fn from(counted: Counted<MovieView>) -> Self {
        Self {
            count: Some(counted.count),
            slice: counted.slice,
        }
    }
}

impl Store {
    /// AP-43, and without filters or with one genre alone AP-02 to AP-05: a page of the movies that pass the filters.
    ///
    /// The page can have fewer movies than `limit`, or none, and still have a `next`. Without the caller's favorites it costs
    /// at most 25 units and one for each movie. Each further 4 KB of a movie that is read costs one more.
    pub async fn list_filtered(
        &self,
        filters: &Filters,
        order: MovieOrder,
        window: &Window,
        limit: PageLimit,
        caller: Option<UserId>,
    ) -> Result<Listed> {
        if filters.find_nothing() {
            return Ok(Listed {
                count: Some(0),
                ..Listed::default()
            });
        }
        if filters.is_none() {
            return Ok(self.list_movies(order, window, limit, caller).await?.into());
        }
        if let Some(genre) = filters.only_genre() {
            let listed = self.list_movies_of_genre(genre, order, window, limit, caller).await?;
            return Ok(listed.into());
        }
        if let Some(id) = filters.imdb_id() {
            let view = self.get_movie_by_imdb_id(id, caller).await?;
            let items = Vec::from_iter(view.filter(|view| filters.accept(&view.movie.fields)));
            return Ok(Listed {
                count: Some(items.len() as u64),
                slice: Slice::default().with_items(items),
            });
        }
        let page = Paging {
            store: self,
            filters,
            by: if order.is_by_id() { By::Id } else { By::Date },
            order: order.direction(),
            direction: window.reading(order.direction()),
            window,
            from: window.position().map(|position| position.key.as_str()),
            limit,
            caller,
            budget: Budget::of_page(limit),
        };
        page.read().await
    }
}

/// A page that is being read.
struct Paging<'a> {
    store: &'a Store,
    filters: &'a Filters,
    by: By,
    order: Direction,
    direction: Direction,
    window: &'a Window,
    from: Option<&'a str>,
    limit: PageLimit,
    caller: Option<UserId>,
    budget: Budget,
}

/// The leads by id. None for a range of more years than are merged, without a genre or a director.
fn leads_by_id(filters: &Filters) -> Vec<Vec<List>> {
    if let Some(director) = filters.directors().first() {
        return vec![vec![List::of_director(director)]];
    }
    let years = filters.years().filter(|years| years.len() <= MERGED_YEARS);
    let years = years.map(|years| years.map(List::of_year).collect());
    let genres = filters.genres().iter().map(|genre| vec![List::of_genre(genre)]);
    years.into_iter().chain(genres).collect()
}

/// The leads by date.
fn leads_by_date(filters: &Filters) -> Vec<Vec<List>> {
    let genres = filters.genres().iter();
    let genres: Vec<Vec<List>> = genres
        .map(|genre| vec![List::of_genre_by_date(genre, filters)])
        .collect();
    if genres.is_empty() {
        vec![vec![List::by_date(filters)]]
    } else {
        genres
    }
}

impl Paging<'_> {
    async fn read(self) -> Result<Listed> {
        let is_uncounted = self.window.position().is_some_and(|from| from.driver == UNCOUNTED);
        let leads = leads_by_id(self.filters);
        if !is_uncounted && !leads.is_empty() {
            return self.count(leads).await;
        }
        match self.by {
            By::Id if leads.is_empty() => self.scan().await,
            By::Id => self.lead(leads).await,
            By::Date if self.filters.directors().is_empty() => {
                let leads = leads_by_date(self.filters);
                self.lead(leads).await
            }
            By::Date => self.look_up().await,
        }
    }

    /// Reads so many entries of each list of these leads, in parallel.
    async fn read_leads(
        &self,
        leads: Vec<Vec<List>>,
        sizes: &[usize],
        from: Option<&str>,
        direction: Direction,
        consistency: Consistency,
    ) -> Result<Vec<Lead>> {
        let read = async |(lists, size): (Vec<List>, &usize)| {
            let reads = lists.iter().map(|list| {
                self.store
                    .read_list(list, from, direction, *size, self.filters, consistency)
            });
            let reads = try_join_all(reads).await?;
            Ok::<_, crate::Error>(Lead { lists, reads })
        };
        join_all(leads.into_iter().zip(sizes).map(read)).await.into_iter().collect()
    }

    /// A page that tries to read a whole list.
    async fn count(mut self, lists: Vec<Vec<List>>) -> Result<Listed> {
        let is_first = self.from.is_none();
        // The first page by id begins where the whole list does.
        let direction = match self.by {
            By::Id if is_first => self.direction,
            _ => Direction::Ascending,
        };
        let is_by_director = !self.filters.directors().is_empty();
        let sizes = plan::count_sizes(&lists);
        let dated = if is_first && self.by == By::Date && !is_by_director {
            leads_by_date(self.filters)
        } else {
            Vec::new()
        };
        let dated_sizes = plan::page_sizes(&dated, self.limit);
        let (mut leads, dated, years) = tokio::try_join!(
            self.read_leads(lists, &sizes, None, direction, Consistency::Strong),
            self.read_leads(dated, &dated_sizes, None, self.direction, Consistency::Strong),
            self.years_to_locate(is_first)
        )?;
        self.spend_ends(years.as_ref());
        for lead in leads.iter().chain(&dated) {
            self.budget.spend_lead(lead);
        }
        if let Some(found) = leads.iter().find_map(|lead| self.whole(lead)) {
            return self.page_of_whole(found).await;
        }
        // A list of a year or of a director is worth a second read.
        let may_extend = leads.first().is_some_and(|lead| {
            lead.lists.len() == 1 && lead.lists.first().is_some_and(|list| !list.is_of_genre())
        });
        if may_extend && let Some(lead) = leads.first_mut() {
            let more = plan::rest_to_count(&self.budget, lead, self.limit);
            self.extend(lead, &[more], By::Id, direction).await?;
            if let Some(found) = self.whole(lead) {
                return self.page_of_whole(found).await;
            }
        }
        if !is_first || (is_by_director && self.by == By::Date) {
            // Its neighbors don't count.
            return Ok(self.empty_page());
        }
        let leads = if self.by == By::Id { leads } else { dated };
        self.page_of_leads(leads, !may_extend, years).await
    }

    /// All results, if this lead was read to its end and has their places.
    fn whole(&self, lead: &Lead) -> Option<Vec<(String, Entry)>> {
        let hits = lead.is_whole().then(|| lead.found(By::Id, Direction::Ascending).hits)?;
        let placed = hits.into_iter().map(|(_, entry)| Some((entry.place(self.by)?, entry)));
        placed.collect()
    }

    async fn page_of_whole(self, mut hits: Vec<(String, Entry)>) -> Result<Listed> {
        let is_sure = hits.iter().all(|(_, entry)| entry.verdict == Verdict::Yes);
        let count = is_sure.then_some(hits.len() as u64);
        sort(&mut hits, self.direction);
        if let Some(from) = self.from {
            hits.retain(|(place, _)| is_before(from, place, self.direction));
        }
        self.page(hits, None, count, 0).await
    }

    /// A page of these leads, without a count.
    async fn lead(mut self, lists: Vec<Vec<List>>) -> Result<Listed> {
        let sizes = plan::page_sizes(&lists, self.limit);
        let (leads, years) = tokio::try_join!(
            self.read_leads(lists, &sizes, self.from, self.direction, Consistency::Strong),
            self.years_to_locate(true)
        )?;
        self.spend_ends(years.as_ref());
        for lead in &leads {
            self.budget.spend_lead(lead);
        }
        self.page_of_leads(leads, true, years).await
    }

    async fn page_of_leads(
        mut self,
        mut leads: Vec<Lead>,
        may_read_on: bool,
        years: Option<RangeInclusive<u16>>,
    ) -> Result<Listed> {
        let Some(best) = furthest(&leads, self.by, self.direction) else {
            return Ok(self.empty_page());
        };
        let mut lead = leads.swap_remove(best);
        let mut found = lead.found(self.by, self.direction);
        if may_read_on && found.end.is_some() && found.hits.len() < self.limit.get() {
            let sizes = plan::further(&self.budget, &found, &lead, self.limit, self.direction);
            let expected = sizes.iter().sum::<usize>() * found.hits.len() / found.checked.max(1);
            match self.locatable(years, found.hits.len() + expected) {
                Some(years) => self.locate(&mut found, years).await?,
                None => {
                    self.extend(&mut lead, &sizes, self.by, self.direction).await?;
                    found = lead.found(self.by, self.direction);
                }
            }
        }
        self.page(found.hits, found.end, None, UNCOUNTED).await
    }

    /// Reads each list of a lead on, so many entries.
    async fn extend(&mut self, lead: &mut Lead, sizes: &[usize], by: By, direction: Direction) -> Result<()> {
        let parts = lead.lists.iter().zip(&lead.reads).zip(sizes);
        let reads = parts.map(async |((list, read), size)| {
            let last = read.entries.last().filter(|_| read.more && *size > 0);
            match last.and_then(|last| last.place(by)) {
                None => Ok(None),
                Some(last) => {
                    let consistency = Consistency::Strong;
                    let rest = self
                        .store
                        .read_list(list, Some(&last), direction, *size, self.filters, consistency);
                    rest.await.map(Some)
                }
            }
        });
        let rests: Vec<_> = join_all(reads).await.into_iter().collect::<Result<_>>()?;
        for (read, rest) in lead.reads.iter_mut().zip(rests) {
            if let Some(rest) = rest {
                self.budget.spend(rest.half_units);
                read.entries.extend(rest.entries);
                read.more = rest.more;
                read.bytes += rest.bytes;
            }
        }
        Ok(())
    }

    /// Spends the units of the two reads of [`Self::years_to_locate`], if it made them.
    fn spend_ends(&mut self, years: Option<&RangeInclusive<u16>>) {
        if years.is_some() {
            self.budget.spend(2);
        }
    }

    /// The years of the range of dates, if their memberships may be read in the second round of this page. The index by date
    /// says where a range without an end ends.
    async fn years_to_locate(&self, may_locate: bool) -> Result<Option<RangeInclusive<u16>>> {
        let (from, to) = self.filters.dates();
        let is_merged = self.filters.years().is_some_and(|years| years.len() <= MERGED_YEARS);
        let has_range = from.is_some() || to.is_some();
        let is_by_director = !self.filters.directors().is_empty();
        if !may_locate || self.by == By::Date || !has_range || is_merged || is_by_director {
            return Ok(None);
        }
        let end = async |date: Option<ReleaseDate>, direction| match date {
            Some(date) => Ok(Some(date.year())),
            None => self.store.last_year(direction).await,
        };
        let (first, last) =
            tokio::try_join!(end(from, Direction::Descending), end(to, Direction::Ascending))?;
        Ok(first.zip(last).map(|(first, last)| first..=last))
    }

    /// The years to read in the second round, if it is worth while: if reading on is expected to find too few movies.
    fn locatable(&self, years: Option<RangeInclusive<u16>>, expected: usize) -> Option<RangeInclusive<u16>> {
        let years = years.filter(|years| (1..=LOCATED_YEARS).contains(&years.len()))?;
        let units = if years.len() <= STRONG_YEARS {
            years.len()
        } else {
            years.len().div_ceil(2)
        };
        let is_affordable = units + plan::MOVIE_UNITS <= self.budget.units_left();
        (is_affordable && expected < self.limit.get()).then_some(years)
    }

    /// Reads the memberships of these years after the place that was reached.
    async fn locate(&mut self, found: &mut Found, years: RangeInclusive<u16>) -> Result<()> {
        let consistency = if years.len() <= STRONG_YEARS {
            Consistency::Strong
        } else {
            Consistency::Eventual
        };
        let lists = vec![years.map(List::of_year).collect()];
        let from = found.end.take();
        let leads = self
            .read_leads(lists, &[plan::located_entries()], from.as_deref(), self.direction, consistency)
            .await?;
        for lead in leads {
            self.budget.spend_lead(&lead);
            let further = lead.found(By::Id, self.direction);
            found.hits.extend(further.hits);
            found.end = further.end;
        }
        Ok(())
    }

    /// A page of the movies themselves.
    async fn scan(mut self) -> Result<Listed> {
        let seen = self.store.last_movie.get();
        let mut budget = self.budget;
        let (mut scan, years) = tokio::try_join!(
            self.store
                .scan_movies(self.filters, self.from, self.direction, self.limit, &mut budget),
            self.years_to_locate(true)
        )?;
        self.budget = budget;
        self.spend_ends(years.as_ref());
        let bucket = |id: Option<u64>| id.map(|id| id / BUCKET);
        // A first page by `-id` takes two trips if this process hasn't seen the last bucket.
        let is_slow = self.from.is_none()
            && self.direction == Direction::Descending
            && bucket(seen) != bucket(self.store.last_movie.get());
        if scan.end.is_some() && scan.hits.len() < self.limit.get() && !is_slow {
            let expected = scan.hits.len() + scan.expected(&self.budget, self.limit);
            if let Some(years) = self.locatable(years, expected) {
                let mut found = scan.found();
                self.locate(&mut found, years).await?;
                return self.page(found.hits, found.end, None, UNCOUNTED).await;
            }
            let mut budget = self.budget;
            self.store
                .scan_on(&mut scan, self.filters, self.direction, self.limit, &mut budget)
                .await?;
        }
        let (hits, end) = (scan.hits, scan.end);
        let slice = self.slice(hits, end, self.limit.get(), UNCOUNTED);
        let (movies, place) = slice.split();
        let views = self.store.with_favorites(movies, self.caller).await?;
        Ok(Listed {
            count: None,
            slice: place.with_items(views),
        })
    }

    /// A page by date of a director with very many movies: the entries by date say nothing about directors, so the director's
    /// memberships of their movies are looked up.
    async fn look_up(mut self) -> Result<Listed> {
        let lists = leads_by_date(self.filters);
        let sizes = plan::page_sizes(&lists, self.limit);
        let leads = self
            .read_leads(lists, &sizes, self.from, self.direction, Consistency::Strong)
            .await?;
        for lead in &leads {
            self.budget.spend_lead(lead);
        }
        let Some(best) = furthest(&leads, self.by, self.direction) else {
            return Ok(self.empty_page());
        };
        let Found { mut hits, mut end, .. } = leads[best].found(self.by, self.direction);
        let units = self.budget.units_left();
        let most = units.saturating_sub(self.limit.get()).max(units / 2).max(1);
        if hits.len() > most {
            hits.truncate(most);
            end = hits.last().map(|(place, _)| place.clone());
        }
        self.budget.spend(2 * hits.len());
        if let Some(director) = self.filters.directors().first() {
            let list = List::of_director(director);
            let keys = hits.iter().map(|(_, entry)| list.key(entry.id)).collect();
            let memberships = self.store.batch_get(keys).await?;
            let mut decided = Vec::with_capacity(hits.len());
            for (place, entry) in hits {
                if let Some(item) = memberships.get(&list.key(entry.id)) {
                    let entry = list.entry(item, self.filters)?;
                    decided.extend((entry.verdict != Verdict::No).then_some((place, entry)));
                }
            }
            hits = decided;
        }
        self.page(hits, end, None, UNCOUNTED).await
    }

    /// The page of these hits, which are in the direction of reading, and are all up to `end`.
    async fn page(
        self,
        hits: Vec<(String, Entry)>,
        end: Option<String>,
        count: Option<u64>,
        driver: u8,
    ) -> Result<Listed> {
        let room = plan::affordable(&hits, self.limit, self.budget.units_left());
        let (entries, place) = self.slice(hits, end, room, driver).split();
        let ids: Vec<MovieId> = entries.iter().map(|entry| entry.id).collect();
        let mut views = self.store.get_movies(&ids, self.caller).await?;
        // A movie may have been edited since its entry was written or read.
        views.retain(|view| self.filters.accept(&view.movie.fields));
        Ok(Listed {
            count,
            slice: place.with_items(views),
        })
    }

    /// The first `room` of these hits, and the windows of the neighbors.
    fn slice<T>(&self, mut hits: Vec<(String, T)>, end: Option<String>, room: usize, driver: u8) -> Slice<T> {
        let at = |key: &String| Position {
            driver,
            ..Position::at(key.as_str())
        };
        let is_cut = hits.len() > room;
        hits.truncate(room);
        let more = is_cut || end.is_some();
        let end = end.filter(|_| !is_cut);
        let reading = Reading {
            first: hits.first().map(|(place, _)| at(place)),
            last: end.as_ref().or_else(|| hits.last().map(|(place, _)| place)).map(at),
            items: hits.into_iter().map(|(_, hit)| hit).collect(),
            more,
        };
        reading.into_slice(&self.placed(driver), self.order)
    }

    /// The window of this page, with this `driver`.
    fn placed(&self, driver: u8) -> Window {
        let placed = |from: &Position| Position { driver, ..from.clone() };
        match self.window {
            Window::First => Window::First,
            Window::After(from) => Window::After(placed(from)),
            Window::Before(from) => Window::Before(placed(from)),
        }
    }

    /// A page without movies from which the walk continues where it was, uncounted.
    fn empty_page(&self) -> Listed {
        let from = self.window.position().cloned();
        let from = from.unwrap_or_else(|| Position::at(self.by.start(self.direction)));
        let reading = Reading {
            items: Vec::new(),
            first: None,
            last: Some(Position { driver: UNCOUNTED, ..from }),
            more: true,
        };
        Listed {
            count: None,
            slice: reading.into_slice(&self.placed(UNCOUNTED), self.order),
        }
    }
}
