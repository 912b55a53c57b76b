//! The first pages of searches for common words: how many of them are full, and what they cost.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt::Write as _,
    fs::File,
    path::PathBuf,
};

use fault_proxy::{Cost, FaultProxy};
use marquee_shared::{
    aws::client,
    clock::Clock,
    config::Config,
    db::{
        Store,
        movie::MovieView,
        page::{PageLimit, Slice, Window},
        search::SearchQuery,
        words::matches,
    },
    domain::text,
};
use test_kit::{TestApp, measure::HOLD, table::TestTable};

/// The number of movies on a full page.
const PAGE: PageLimit = PageLimit::of::<20>();
/// The budget of a search by an anonymous caller: round trips and read units.
const TRIPS: usize = 4;
const UNITS: f64 = 40.0;
/// The most measurements of a search that seems to take too many round trips.
const RUNS: usize = 4;

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The CSV file with the movies. The default is the demonstration catalog.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/movies.csv"))]
    catalog: PathBuf,
    /// The most searches of each kind.
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u16).range(1..))]
    queries: u16,
}

/// Searches for pairs and triples of the catalog's most common words.
///
/// # Errors
/// Returns an error if a search is over its budget or misses movies, or if the catalog can't be read.
pub async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let movies = Movies::read(&options.catalog)?;
    let builder = TestApp::builder().table(TestTable::in_memory());
    let proxied = builder.start_behind_proxy().await;
    let proxy = &proxied.proxy;
    proxy.import(options.catalog.clone()).await;
    let table = Config::default().table;
    let store = Store::new(client::local(&proxy.url), table, Clock::default());
    proxy.gather_calls(HOLD);
    let mut text = format!(
        "The first page, of {} movies, of searches whose words are all common, among {} movies: how full it is, and what it costs.\n\
        *Movies shown* is the share of the movies that the pages could show. The benchmark fails if a page takes more than {TRIPS} round\n\
        trips or {UNITS} read units, or has no next page although more movies match.\n\n\
        | words | searches | 20 or more match | full pages | empty pages | movies shown | read units, mean | read units, most | \
        round trips, most |\n|---|---|---|---|---|---|---|---|---|\n",
        PAGE.get(),
        movies.count
    );
    for (kind, queries) in movies.queries() {
        let mut pages = Pages::default();
        for words in evenly(&queries, options.queries.into()) {
            pages.search(&movies, &store, proxy, words).await?;
        }
        writeln!(text, "| {kind} {}", pages.row())?;
    }
    proxied.close().await;
    Ok(text)
}

/// Returns `count` of these at even distances, or all of them if there are fewer.
fn evenly<T>(all: &[T], count: usize) -> impl Iterator<Item = &T> {
    all.iter().step_by(all.len().div_ceil(count).max(1))
}

/// The words of the movies.
struct Movies {
    count: usize,
    /// The movies that have each word, for each field: title, director, genre.
    fields: [BTreeMap<String, BTreeSet<usize>>; 3],
}

impl Movies {
    fn read(file: &PathBuf) -> Result<Self, Box<dyn Error>> {
        let mut movies = Self {
            count: 0,
            fields: Default::default(),
        };
        let mut rows = csv::Reader::from_reader(File::open(file)?);
        for row in rows.deserialize::<BTreeMap<String, String>>() {
            let row = row?;
            for (words, field) in movies.fields.iter_mut().zip(["title", "director", "genre"]) {
                for word in text::words(row.get(field).ok_or("a movie lacks a field")?) {
                    words.entry(word).or_default().insert(movies.count);
                }
            }
            movies.count += 1;
        }
        Ok(movies)
    }

    /// Returns the movies that match a word of a search.
    fn with(&self, word: &str) -> BTreeSet<usize> {
        let words = self.fields.iter().flatten();
        let found = words.filter(|(own, _)| matches(own, word));
        found.flat_map(|(_, movies)| movies).copied().collect()
    }

    /// Returns the number of movies that match all of these words.
    fn matching(&self, words: &[String]) -> usize {
        let all = words.iter().map(|word| self.with(word));
        all.reduce(|one, other| &one & &other)
            .map_or(0, |movies| movies.len())
    }

    /// Returns the most common words in these fields, by the number of movies.
    fn common(&self, fields: std::ops::Range<usize>, count: usize) -> Vec<String> {
        let mut words: BTreeMap<&String, usize> = BTreeMap::new();
        for (word, movies) in self.fields.get(fields).unwrap_or_default().iter().flatten() {
            *words.entry(word).or_default() += movies.len();
        }
        let mut words: Vec<(&String, usize)> = words.into_iter().collect();
        words.sort_by_key(|(word, movies)| (std::cmp::Reverse(*movies), *word));
        words.truncate(count);
        words.into_iter().map(|(word, _)| word.clone()).collect()
    }

    /// Returns the searches of each kind.
    fn queries(&self) -> [(&'static str, Vec<Vec<String>>); 4] {
        let [any, title, director] = [0..3, 0..1, 1..2].map(|fields| self.common(fields, 60));
        let mut pairs = Vec::new();
        let mut triples = Vec::new();
        for (at, one) in any.iter().enumerate() {
            for (next, other) in any.iter().enumerate().skip(at + 1) {
                pairs.push(vec![one.clone(), other.clone()]);
                for third in any.iter().skip(next + 1) {
                    triples.push(vec![one.clone(), other.clone(), third.clone()]);
                }
            }
        }
        let mixed = |ones: &[String], others: &[String]| {
            let pairs = ones
                .iter()
                .flat_map(|one| others.iter().map(move |other| (one, other)));
            let different = pairs.filter(|(one, other)| one != other);
            different
                .map(|(one, other)| vec![one.clone(), other.clone()])
                .collect()
        };
        [
            ("two of the 60 most common words", pairs),
            ("two of the 60 of titles", mixed(&title, &title)),
            (
                "one of the 60 of directors, one of titles",
                mixed(&director, &title),
            ),
            ("three of the 60 most common words", triples),
        ]
    }
}

/// Returns the first page of a search, and its cost. On a busy machine, calls that were sent in parallel may not overlap
/// and then count as several round trips. So a search that seems to take too many is repeated.
async fn first_page(
    store: &Store,
    proxy: &FaultProxy,
    query: &SearchQuery,
) -> Result<(Slice<MovieView>, Cost), Box<dyn Error>> {
    let mut runs = 0;
    loop {
        proxy.take();
        let page = store.search_movies(query, &Window::First, PAGE, None).await;
        let page = page.map_err(|error| format!("a search failed: {error:?}"))?;
        let cost = Cost::of(proxy.take());
        runs += 1;
        if cost.trips <= TRIPS || runs == RUNS {
            return Ok((page.slice, cost));
        }
    }
}

/// The totals of some first pages.
#[derive(Default)]
struct Pages {
    searches: u32,
    can_be_full: usize,
    full: usize,
    empty: usize,
    possible: usize,
    movies: usize,
    units: f64,
    most_units: f64,
    trips: usize,
}

impl Pages {
    /// Searches for words, if a movie has all of them.
    async fn search(
        &mut self,
        movies: &Movies,
        store: &Store,
        proxy: &FaultProxy,
        words: &[String],
    ) -> Result<(), Box<dyn Error>> {
        let possible = movies.matching(words).min(PAGE.get());
        let Some(query) = SearchQuery::parse(&words.join(" ")).filter(|_| possible > 0) else {
            return Ok(());
        };
        let (page, cost) = first_page(store, proxy, &query).await?;
        let found = page.items.len();
        if found > possible || (found < possible && page.next.is_none()) {
            return Err(format!("{words:?} finds {found} of {possible} movies and has no next page").into());
        }
        if cost.trips > TRIPS || cost.reads > UNITS {
            return Err(format!("{words:?} costs more than it may: {cost:?}").into());
        }
        self.searches += 1;
        self.can_be_full += usize::from(possible == PAGE.get());
        self.full += usize::from(found == PAGE.get());
        self.empty += usize::from(found == 0);
        self.possible += possible;
        self.movies += found;
        self.units += cost.reads;
        self.most_units = self.most_units.max(cost.reads);
        self.trips = self.trips.max(cost.trips);
        Ok(())
    }

    fn row(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} % | {:.1} | {} | {} |",
            self.searches,
            self.can_be_full,
            self.full,
            self.empty,
            100 * self.movies / self.possible.max(1),
            self.units / f64::from(self.searches.max(1)),
            self.most_units,
            self.trips
        )
    }
}
