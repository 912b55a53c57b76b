//! Lists of movies with filters: AP-43. A page takes at most three trips, and 25 read units besides one for each movie, however
//! large the catalog is.
//!
//! # How a page is found
//!
//! A *lead* is a list that has every movie that passes, in the collection's order: the memberships of a genre, a director or a
//! year by id, or the entries of a genre or of all movies by date. Several lists of years are merged. The entries of a lead
//! carry enough to check the other filters (`filters.rs`), so movies are read only to be shown.
//!
//! | filters | leads by id | leads by date |
//! |---|---|---|
//! | a director, and any others | the director's memberships | `by-date` at each genre, or at `MOVIES`; each movie's membership of the director is looked up |
//! | dates of at most 16 years (11 beside five genres or more) | the years' memberships, merged | `by-date` at `MOVIES`, within the dates |
//! | genres | each genre's memberships | `by-date` at each genre, within the dates |
//! | other dates alone | the movies (`scan.rs`) | `by-date` at `MOVIES`, within the dates |
//!
//! **Counting.** The first page tries to read a whole list: that of a director, of a year, or of one of several genres. If one
//! ends within what the plan (`plan.rs`) allows, or in a second read of the one that probably ends first, everything is known: the
//! count is exact, and the page is sorted in memory. Otherwise the count is null, and the cursors of the page say so, so that no
//! other page tries it again.
//!
//! **First round.** The first entries of every lead are read in parallel. Each decides the results up to the last place that
//! was read. The one that got furthest leads. So there are no estimates, and the order can't depend on the choice.
//!
//! **Second round.** If the page isn't full, the lead is read on. Where few movies are expected there, and the range of dates has
//! at most 80 years, the memberships of all its years are read instead: they skip the ids before the range.
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
mod paging;
mod plan;
mod scan;

pub use filters::Filters;
pub use paging::Listed;

use crate::{
    db::{
        counter::Counter,
        filtered::{
            lead::{Found, Lead, furthest, is_before, sort},
            lists::{By, Entry, List},
            paging::{Ahead, Paging, UNCOUNTED, leads_by_date, leads_by_id},
            plan::Budget,
        },
        keys::{BUCKET, id_text},
        movie::MovieItem,
        movie_lists::MovieOrder,
        page::{PageLimit, Slice, Window},
        range::Direction,
        store::{Consistency, Store},
        verdict::Verdict,
    },
    domain::UserId,
    error::Result,
};

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
            let listed = self
                .list_movies_of_genre(genre, order, window, limit, caller)
                .await?;
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

impl Paging<'_> {
    async fn read(self) -> Result<Listed> {
        let is_uncounted = self
            .window
            .position()
            .is_some_and(|from| from.driver == UNCOUNTED);
        let leads = leads_by_id(self.filters);
        if !is_uncounted && !leads.is_empty() {
            return self.count(leads).await;
        }
        match self.by {
            By::Id if leads.is_empty() => self.scan(!is_uncounted).await,
            By::Date if !is_uncounted => self.count_few().await,
            By::Id => self.lead(leads).await,
            By::Date if self.filters.directors().is_empty() => {
                let leads = leads_by_date(self.filters);
                self.lead(leads).await
            }
            By::Date => self.look_up().await,
        }
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
        let (mut leads, dated, ahead) = tokio::try_join!(
            self.read_leads(lists, &sizes, None, direction, Consistency::Strong),
            self.read_leads(dated, &dated_sizes, None, self.direction, Consistency::Strong),
            self.look_ahead(is_first)
        )?;
        self.spend_ahead(ahead.as_ref());
        for lead in leads.iter().chain(&dated) {
            self.budget.spend_lead(lead);
        }
        if let Some(found) = leads.iter().find_map(|lead| self.whole(lead)) {
            return self.page_of_whole(found).await;
        }
        let extended = self.to_extend(&leads, direction);
        if let Some(lead) = extended.and_then(|number| leads.get_mut(number)) {
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
        self.page_of_leads(leads, extended.is_none(), ahead).await
    }

    /// The number of the lead that is worth a second read to count it: the one that probably ends first, if it ends within what
    /// can be read, and otherwise that of a year or a director.
    fn to_extend(&self, leads: &[Lead], direction: Direction) -> Option<usize> {
        let last_id = self.store.last_movie.get().unwrap_or_default();
        let single = leads.iter().enumerate().filter(|(_, lead)| lead.lists.len() == 1);
        let rests = single
            .clone()
            .map(|(number, lead)| (plan::expected_rest(lead, direction, last_id), number));
        let soonest = rests.min();
        let fitting = soonest.filter(|(rest, number)| {
            let lead = leads.get(*number);
            lead.is_some_and(|lead| *rest <= plan::rest_to_count(&self.budget, lead, self.limit))
        });
        let other = || {
            let mut others = single.clone();
            let other = others.find(|(_, lead)| lead.lists.iter().all(|list| !list.is_of_genre()));
            other.map(|(number, _)| number)
        };
        // The page before this one has counted.
        let counted = || soonest.filter(|_| self.from.is_some()).map(|(_, number)| number);
        fitting.map(|(_, number)| number).or_else(other).or_else(counted)
    }

    /// All results, if this lead was read to its end and has their places.
    fn whole(&self, lead: &Lead) -> Option<Vec<(String, Entry)>> {
        let hits = lead
            .is_whole()
            .then(|| lead.found(By::Id, Direction::Ascending).hits)?;
        let placed = hits
            .into_iter()
            .map(|(_, entry)| Some((entry.place(self.by)?, entry)));
        placed.collect()
    }

    async fn page_of_whole(self, mut hits: Vec<(String, Entry)>) -> Result<Listed> {
        let is_sure = hits.iter().all(|(_, entry)| entry.verdict == Verdict::Yes);
        let count = is_sure.then_some(hits.len() as u64);
        sort(&mut hits, self.direction);
        if let Some(from) = self.from {
            hits.retain(|(place, _)| is_before(from, place, self.direction));
        }
        let is_first = self.from.is_none();
        let mut page = self.page(hits, None, count, 0).await?;
        if is_first && page.slice.next.is_none() {
            // The movies have decided about every entry.
            page.count = Some(page.slice.items.len() as u64);
        }
        Ok(page)
    }

    /// A page of these leads, without a count.
    async fn lead(mut self, lists: Vec<Vec<List>>) -> Result<Listed> {
        let sizes = plan::page_sizes(&lists, self.limit);
        let (leads, ahead) = tokio::try_join!(
            self.read_leads(lists, &sizes, self.from, self.direction, Consistency::Strong),
            self.look_ahead(true)
        )?;
        self.spend_ahead(ahead.as_ref());
        for lead in &leads {
            self.budget.spend_lead(lead);
        }
        self.page_of_leads(leads, true, ahead).await
    }

    async fn page_of_leads(
        mut self,
        mut leads: Vec<Lead>,
        may_read_on: bool,
        ahead: Option<Ahead>,
    ) -> Result<Listed> {
        let Some(best) = furthest(&leads, self.by, self.direction) else {
            return Ok(self.empty_page());
        };
        let mut lead = leads.swap_remove(best);
        let mut found = lead.found(self.by, self.direction);
        if may_read_on && found.end.is_some() && found.hits.len() < self.limit.get() {
            let sizes = plan::further(&self.budget, &found, &lead, self.limit, self.direction);
            let expected = sizes.iter().sum::<usize>() * found.hits.len() / found.checked.max(1);
            // Reading on is enough if it reaches the first movies of the range.
            let reach = plan::reach(&lead, &sizes, self.direction);
            let is_beyond = |first: u64| is_beyond(first, reach, self.direction);
            let ahead = ahead.filter(|ahead| ahead.first.is_none_or(is_beyond));
            match self.locatable(ahead, found.hits.len() + expected) {
                Some(years) => self.locate(&mut found, years).await?,
                None => {
                    self.extend(&mut lead, &sizes, self.by, self.direction).await?;
                    found = lead.found(self.by, self.direction);
                }
            }
        }
        self.page(found.hits, found.end, None, UNCOUNTED).await
    }

    /// A page by date of a range of many years. In a small catalog it is counted.
    async fn count_few(mut self) -> Result<Listed> {
        let lists = leads_by_date(self.filters);
        let sizes = plan::page_sizes(&lists, self.limit);
        let (leads, [movies]) = tokio::try_join!(
            self.read_leads(lists, &sizes, self.from, self.direction, Consistency::Strong),
            self.store.read_counters([Counter::Movies])
        )?;
        self.budget.spend(2);
        for lead in &leads {
            self.budget.spend_lead(lead);
        }
        if movies <= scan::SMALL {
            let mut budget = self.budget;
            let whole = self.store.scan_whole(self.filters, &mut budget).await?;
            self.budget = budget;
            if let Some(movies) = whole {
                return self.page_of_movies(movies).await;
            }
        }
        self.page_of_leads(leads, false, None).await
    }

    /// A page of these movies, which are all that pass.
    async fn page_of_movies(self, movies: Vec<MovieItem>) -> Result<Listed> {
        let count = movies.len() as u64;
        let placed = movies.into_iter().map(|movie| {
            let place = match self.by {
                By::Id => id_text(movie.id.get()),
                By::Date => movie.date.clone(),
            };
            (place, movie)
        });
        let mut placed: Vec<(String, MovieItem)> = placed.collect();
        sort(&mut placed, self.direction);
        if let Some(from) = self.from {
            placed.retain(|(place, _)| is_before(from, place, self.direction));
        }
        let (movies, place) = self.slice(placed, None, self.limit.get(), 0).split();
        let views = self.store.with_favorites(movies, self.caller).await?;
        Ok(Listed {
            count: Some(count),
            slice: place.with_items(views),
        })
    }

    /// A page of the movies themselves. In a small catalog they are counted.
    async fn scan(mut self, may_count: bool) -> Result<Listed> {
        let seen = self.store.last_movie.get();
        let mut budget = self.budget;
        let (mut scan, ahead) = tokio::try_join!(
            self.store
                .scan_movies(self.filters, self.from, self.direction, self.limit, &mut budget),
            self.look_ahead(true)
        )?;
        self.budget = budget;
        self.spend_ahead(ahead.as_ref());
        let bucket = |id: Option<u64>| id.map(|id| id / BUCKET);
        // A first page by `-id` takes two trips if this process hasn't seen the last bucket.
        let is_slow = self.from.is_none()
            && self.direction == Direction::Descending
            && bucket(seen) != bucket(self.store.last_movie.get());
        if may_count && scan.is_of_small_catalog() && !(is_slow && self.caller.is_some()) {
            let mut budget = self.budget;
            let whole = self.store.scan_whole(self.filters, &mut budget).await?;
            self.budget = budget;
            if let Some(movies) = whole {
                return self.page_of_movies(movies).await;
            }
        } else if scan.end.is_some() && scan.hits.len() < self.limit.get() && !is_slow {
            let expected = scan.hits.len() + scan.expected(&self.budget, self.limit);
            if let Some(years) = self.locatable(ahead, expected) {
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
        let Found {
            mut hits, mut end, ..
        } = leads[best].found(self.by, self.direction);
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
}

/// Whether an id comes after another in `direction`.
fn is_beyond(id: u64, other: u64, direction: Direction) -> bool {
    match direction {
        Direction::Ascending => id > other,
        Direction::Descending => id < other,
    }
}
