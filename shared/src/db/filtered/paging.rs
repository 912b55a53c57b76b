//! A page of a list with filters while it is read: the leads, reading them, and the page made of their hits.

use std::ops::RangeInclusive;

use futures_util::future::{join_all, try_join_all};

use crate::{
    db::{
        filtered::{
            filters::Filters,
            lead::{Found, Lead},
            lists::{By, Entry, List, Read},
            plan::{self, Budget},
        },
        movie::MovieView,
        page::{Counted, PageLimit, Position, Reading, Slice, Window},
        range::Direction,
        store::{Consistency, Store},
    },
    domain::{MovieId, ReleaseDate, UserId},
    error::Result,
};

/// The most years whose memberships are read in the second round.
const LOCATED_YEARS: usize = 80;
/// The most of them that are read strongly consistent. More would leave too few units for movies.
const STRONG_YEARS: usize = 20;
/// The `driver` of a position in a collection that is too long to be counted.
pub(super) const UNCOUNTED: u8 = 1;

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

/// A page that is being read.
pub(super) struct Paging<'a> {
    pub(super) store: &'a Store,
    pub(super) filters: &'a Filters,
    pub(super) by: By,
    pub(super) order: Direction,
    pub(super) direction: Direction,
    pub(super) window: &'a Window,
    pub(super) from: Option<&'a str>,
    pub(super) limit: PageLimit,
    pub(super) caller: Option<UserId>,
    pub(super) budget: Budget,
}

/// What the index by date says about a range of dates.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    /// The years of the range. Where it has no end, the index says which the last year is.
    pub(super) years: RangeInclusive<u16>,
    /// The id of the first movie of the range by date, or of the last in descending order. Where ids follow dates, the movies
    /// of the range begin there.
    pub(super) first: Option<u64>,
}

/// Whether the memberships of these years are read strongly consistent in the second round.
fn is_strong(years: &RangeInclusive<u16>) -> bool {
    years.len() <= STRONG_YEARS
}

/// What reading the memberships of these years costs at least, in half units.
fn located_half_units(years: &RangeInclusive<u16>) -> usize {
    years.len() * if is_strong(years) { 2 } else { 1 }
}

/// Whether the memberships of these years are merged in the first round.
fn is_merged(filters: &Filters, years: &RangeInclusive<u16>) -> bool {
    years.len() <= plan::merged_years(filters.genres().len())
}

/// The leads by id. None for a range of more years than are merged, without a genre or a director.
pub(super) fn leads_by_id(filters: &Filters) -> Vec<Vec<List>> {
    if let Some(director) = filters.directors().first() {
        return vec![vec![List::of_director(director)]];
    }
    let years = filters.years().filter(|years| is_merged(filters, years));
    let years = years.map(|years| years.map(List::of_year).collect());
    let genres = filters.genres().iter().map(|genre| vec![List::of_genre(genre)]);
    years.into_iter().chain(genres).collect()
}

/// The leads by date.
pub(super) fn leads_by_date(filters: &Filters) -> Vec<Vec<List>> {
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
    /// Reads so many entries of each list of these leads, in parallel.
    pub(super) async fn read_leads(
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
        join_all(leads.into_iter().zip(sizes).map(read))
            .await
            .into_iter()
            .collect()
    }

    /// Reads each list of a lead on, so many entries.
    pub(super) async fn extend(
        &mut self,
        lead: &mut Lead,
        sizes: &[usize],
        by: By,
        direction: Direction,
    ) -> Result<()> {
        let parts = lead.lists.iter().zip(&lead.reads).zip(sizes);
        let reads = parts.map(async |((list, read), size)| {
            let last = read.entries.last().filter(|_| read.more && *size > 0);
            match last.and_then(|last| last.place(by)) {
                None => Ok(None),
                Some(last) => {
                    let consistency = Consistency::Strong;
                    let rest =
                        self.store
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

    /// What the index by date says about the range of dates, if the memberships of its years may be read in the second round
    /// of this page.
    pub(super) async fn look_ahead(&self, may_locate: bool) -> Result<Option<Ahead>> {
        let (from, to) = self.filters.dates();
        let years = self.filters.years();
        let is_merged = years.is_some_and(|years| is_merged(self.filters, &years));
        let has_range = from.is_some() || to.is_some();
        let is_by_director = !self.filters.directors().is_empty();
        if !may_locate || self.by == By::Date || !has_range || is_merged || is_by_director {
            return Ok(None);
        }
        let end = async |date: Option<ReleaseDate>, direction| match date {
            Some(date) => Ok(Some(date.year())),
            None => self.store.last_year(direction).await,
        };
        let dated = leads_by_date(self.filters);
        let first = async {
            match dated.first().and_then(|lead| lead.first()) {
                None => Ok(Read::default()),
                Some(list) => {
                    self.store
                        .read_list(list, None, self.direction, 1, self.filters, Consistency::Strong)
                        .await
                }
            }
        };
        let (first_year, last_year, first) = tokio::try_join!(
            end(from, Direction::Descending),
            end(to, Direction::Ascending),
            first
        )?;
        let years = first_year.zip(last_year).map(|(first, last)| first..=last);
        Ok(years.map(|years| Ahead {
            years,
            first: first.entries.first().map(|entry| entry.id.get()),
        }))
    }

    /// Spends the units of [`Self::look_ahead`].
    pub(super) fn spend_ahead(&mut self, ahead: Option<&Ahead>) {
        if ahead.is_some() {
            self.budget.spend(3);
        }
    }

    /// The years to read in the second round, if so many hits are expected without it: if they don't fill the page, and if the
    /// budget and the connections suffice.
    pub(super) fn locatable(&self, ahead: Option<Ahead>, expected: usize) -> Option<RangeInclusive<u16>> {
        let years = ahead?.years;
        let is_possible = (1..=LOCATED_YEARS).contains(&years.len())
            && located_half_units(&years) / 2 + plan::MOVIE_UNITS < self.budget.units_left();
        (is_possible && expected < self.limit.get()).then_some(years)
    }

    /// Reads the memberships of these years after the place that was reached. Of a year that is in the range in part, it reads
    /// as many as the units allow: its other movies may come first.
    pub(super) async fn locate(&mut self, found: &mut Found, years: RangeInclusive<u16>) -> Result<()> {
        let consistency = if is_strong(&years) {
            Consistency::Strong
        } else {
            Consistency::Eventual
        };
        let (from, to) = self.filters.dates();
        let is_partial = |year: u16| {
            let begins_later =
                from.is_some_and(|from| from.year() == year && !from.to_string().ends_with("-01-01"));
            let ends_earlier = to.is_some_and(|to| to.year() == year && !to.to_string().ends_with("-12-31"));
            begins_later || ends_earlier
        };
        let partial = years.clone().filter(|year| is_partial(*year)).count();
        let units = self
            .budget
            .units_left()
            .saturating_sub(located_half_units(&years).div_ceil(2));
        let spare = plan::partial_entries(units, self.limit, is_strong(&years)) / partial.max(1);
        let sizes = years.clone().map(|year| {
            let spare = if is_partial(year) { spare } else { 0 };
            plan::LOCATED_ENTRIES + spare
        });
        let sizes: Vec<usize> = sizes.collect();
        let lists: Vec<List> = years.map(List::of_year).collect();
        let from = found.end.take();
        let reads = lists.iter().zip(&sizes).map(|(list, size)| {
            self.store.read_list(
                list,
                from.as_deref(),
                self.direction,
                *size,
                self.filters,
                consistency,
            )
        });
        let reads = try_join_all(reads).await?;
        let lead = Lead { lists, reads };
        self.budget.spend_lead(&lead);
        let further = lead.found(By::Id, self.direction);
        found.hits.extend(further.hits);
        found.end = further.end;
        Ok(())
    }

    /// The page of these hits, which are in the direction of reading, and are all up to `end`.
    pub(super) async fn page(
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
    pub(super) fn slice<T>(
        &self,
        mut hits: Vec<(String, T)>,
        end: Option<String>,
        room: usize,
        driver: u8,
    ) -> Slice<T> {
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
            last: end
                .as_ref()
                .or_else(|| hits.last().map(|(place, _)| place))
                .map(at),
            items: hits.into_iter().map(|(_, hit)| hit).collect(),
            more,
        };
        reading.into_slice(&self.placed(driver), self.order)
    }

    /// The window of this page, with this `driver`.
    pub(super) fn placed(&self, driver: u8) -> Window {
        let placed = |from: &Position| Position {
            driver,
            ..from.clone()
        };
        match self.window {
            Window::First => Window::First,
            Window::After(from) => Window::After(placed(from)),
            Window::Before(from) => Window::Before(placed(from)),
        }
    }

    /// A page without movies from which the walk continues where it was, uncounted.
    pub(super) fn empty_page(&self) -> Listed {
        let from = self.window.position().cloned();
        let from = from.unwrap_or_else(|| Position::at(self.by.start(self.direction)));
        let reading = Reading {
            items: Vec::new(),
            first: None,
            last: Some(Position {
                driver: UNCOUNTED,
                ..from
            }),
            more: true,
        };
        Listed {
            count: None,
            slice: reading.into_slice(&self.placed(UNCOUNTED), self.order),
        }
    }
}
