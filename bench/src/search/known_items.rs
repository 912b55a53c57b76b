//! Known items: queries by which people look for a movie that they have in mind.

use std::{error::Error, fmt::Write as _};

use super::{
    kinds::{DECIDING, KINDS, Kind},
    meter::{Page, Service},
    movies::Movie,
};
use crate::growth::grouped;

/// A movie is found if it is among this many at the top.
const AMONG: usize = 5;
/// The mean of the deciding kinds must be at least this, unless generated movies are among those of the catalog.
const LEAST_MEAN: f64 = 0.97;
/// The most round trips and read units of a search without a second try, and of one with a second try.
pub(super) const FIRST: Ceiling = Ceiling {
    trips: 4,
    units: 40.0,
};
pub(super) const BOTH: Ceiling = Ceiling {
    trips: 7,
    units: 80.0,
};
/// What a second try may add.
pub(super) const SECOND: Ceiling = Ceiling {
    trips: 3,
    units: 40.0,
};
/// The number of queries of each kind, and the seed, for which [`Kind::before`] was measured.
pub(super) const QUERIES: u16 = 150;
pub(super) const SEED: u64 = 14;
/// A kind in which fewer movies than this were found before didn't work.
const WORKED: f64 = 0.5;
/// How many units the mean of such a kind may be above that of before.
const MORE_UNITS: f64 = 1.0;

/// What a search may cost.
#[derive(Clone, Copy)]
pub(super) struct Ceiling {
    pub(super) trips: usize,
    pub(super) units: f64,
}

/// What is measured.
pub(super) struct Queries<'a> {
    /// The movies that are looked for.
    pub(super) movies: &'a [Movie],
    /// The number of all movies in the table.
    pub(super) among: u64,
    pub(super) seed: u64,
    pub(super) count: u16,
    /// How many failures of each kind to print.
    pub(super) failures: usize,
}

/// The totals of a kind.
#[derive(Default)]
struct Totals {
    queries: u32,
    found: u32,
    corrected: u32,
    trips: usize,
    most_trips: usize,
    units: f64,
    most_units: f64,
    most_second_units: f64,
}

impl Totals {
    fn add(&mut self, page: &Page, is_found: bool) {
        self.queries += 1;
        self.found += u32::from(is_found);
        self.corrected += u32::from(page.corrected().is_some());
        self.trips += page.trips();
        self.most_trips = self.most_trips.max(page.trips());
        self.units += page.units();
        self.most_units = self.most_units.max(page.units());
        let second = page.second.as_ref().map_or(0.0, |second| second.reads);
        self.most_second_units = self.most_second_units.max(second);
    }

    fn mean(&self, total: f64) -> f64 {
        total / f64::from(self.queries.max(1))
    }

    fn rate(&self) -> f64 {
        self.mean(self.found.into())
    }

    fn row(&self, kind: &Kind) -> String {
        let before = kind.before.units;
        let units_before = if before.is_finite() {
            format!("{before:.1}")
        } else {
            "–".to_owned()
        };
        format!(
            "| {} | {} | {:.2} | {:.3} | {:.2} | {:.2} · {} | {} | {:.1} · {} | {} |",
            kind.name,
            self.queries,
            kind.before.found,
            self.rate(),
            self.mean(self.corrected.into()),
            self.mean(self.trips as f64),
            self.most_trips,
            units_before,
            self.mean(self.units),
            self.most_units,
            self.most_second_units,
        )
    }
}

impl Queries<'_> {
    /// Whether the results can be compared with those of [`Kind::before`].
    fn are_those_of_before(&self) -> bool {
        self.movies.len() as u64 == self.among && self.seed == SEED && self.count == QUERIES
    }

    /// Searches for known items of every kind, and writes a table. Returns what is wrong.
    ///
    /// # Errors
    /// Returns an error if a search fails.
    pub(super) async fn measure(
        &self,
        service: &Service,
        text: &mut String,
    ) -> Result<Vec<String>, Box<dyn Error>> {
        let mut wrong = Vec::new();
        let _ = writeln!(
            text,
            "### {} movies\n\n| how it is typed | queries | before | found | corrected | round trips, mean · most | read units \
             before | read units, mean · most | of the second try, most |\n|---|---|---|---|---|---|---|---|---|",
            grouped(self.among)
        );
        let mut rates = Vec::new();
        for kind in KINDS {
            let totals = self.measure_kind(kind, service, &mut wrong).await?;
            let _ = writeln!(text, "{}", totals.row(kind));
            eprintln!("{}", totals.row(kind));
            if totals.queries > 0 {
                rates.push(totals.rate());
            }
            if self.are_those_of_before() {
                wrong.extend(worse(kind, &totals));
            }
            if rates.len() == DECIDING {
                let mean = mean(&rates);
                let before = mean_before(DECIDING);
                let _ = writeln!(
                    text,
                    "| **mean of these {DECIDING}** | | **{before:.2}** | **{mean:.3}** | | | | | |"
                );
                if self.movies.len() as u64 == self.among && mean < LEAST_MEAN {
                    wrong.push(format!(
                        "the mean of the first {DECIDING} kinds is {mean:.3}, below {LEAST_MEAN}"
                    ));
                }
            }
        }
        let before = mean_before(KINDS.len());
        let _ = writeln!(
            text,
            "| **mean of all {}** | | **{before:.2}** | **{:.3}** | | | | | |\n",
            KINDS.len(),
            mean(&rates)
        );
        Ok(wrong)
    }

    async fn measure_kind(
        &self,
        kind: &Kind,
        service: &Service,
        wrong: &mut Vec<String>,
    ) -> Result<Totals, Box<dyn Error>> {
        let mut totals = Totals::default();
        let mut failures = 0;
        for (query, movie) in kind.queries(self.movies, self.seed, self.count.into()) {
            let page = service.search(&query).await?;
            let is_found = page.results().iter().take(AMONG).any(|result| movie.is(result));
            totals.add(&page, is_found);
            wrong.extend(too_dear(&query, &page));
            if !is_found && failures < self.failures {
                failures += 1;
                eprintln!("  {query:?} doesn't find {}: {}", describe(movie), answer(&page));
            }
        }
        Ok(totals)
    }
}

/// Returns what is wrong with the cost of a page.
pub(super) fn too_dear(query: &str, page: &Page) -> Option<String> {
    let ceiling = if page.second.is_some() { BOTH } else { FIRST };
    let none = page.second.as_ref();
    let is_second_too_dear =
        none.is_some_and(|second| second.trips > SECOND.trips || second.reads > SECOND.units);
    let is_too_dear = page.trips() > ceiling.trips || page.units() > ceiling.units;
    (is_too_dear || is_second_too_dear).then(|| {
        format!(
            "{query:?} costs too much: {:?}, then {:?}",
            page.first, page.second
        )
    })
}

/// Returns what is wrong with a kind that worked before.
fn worse(kind: &Kind, totals: &Totals) -> Vec<String> {
    let mut wrong = Vec::new();
    if kind.before.found < WORKED {
        return wrong;
    }
    // The rates of before are rounded to three digits.
    if totals.rate() < kind.before.found - 0.001 {
        wrong.push(format!(
            "{}: {:.3} found, and {:.3} before",
            kind.name,
            totals.rate(),
            kind.before.found
        ));
    }
    let units = totals.mean(totals.units);
    if units > kind.before.units + MORE_UNITS {
        wrong.push(format!(
            "{}: {units:.1} read units, and {:.1} before",
            kind.name, kind.before.units
        ));
    }
    wrong
}

fn mean(rates: &[f64]) -> f64 {
    rates.iter().sum::<f64>() / rates.len().max(1) as f64
}

fn mean_before(kinds: usize) -> f64 {
    let rates: Vec<f64> = KINDS.iter().take(kinds).map(|kind| kind.before.found).collect();
    mean(&rates)
}

fn describe(movie: &Movie) -> String {
    format!("{} ({}, {})", movie.row.title, movie.row.director, movie.year())
}

/// Returns what a page shows at the top.
pub(super) fn answer(page: &Page) -> String {
    let titles = page
        .results()
        .iter()
        .take(AMONG)
        .map(|movie| movie["title"].as_str().unwrap_or_default().to_owned());
    let titles = titles.collect::<Vec<_>>().join(", ");
    let corrected = page
        .corrected()
        .map_or(String::new(), |corrected| format!(" as {corrected:?}"));
    let next = if page.next().is_some() { ", and more" } else { "" };
    format!(
        "[{titles}{next}]{corrected}, {} trips, {} units",
        page.trips(),
        page.units()
    )
}
