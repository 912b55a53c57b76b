//! The first pages of searches for common words: how many of them are full, and what they cost.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt::Write as _,
};

use marquee_shared::{db::words::matches, domain::text};

use super::{
    known_items::FIRST,
    meter::{Page, Service},
    movies::Movie,
};

/// The number of movies on a full page.
const PAGE: usize = 20;

/// Searches for pairs and triples of the catalog's most common words, and writes a table.
///
/// # Errors
/// Returns an error if a search is over its budget, misses movies, or fails.
pub(super) async fn measure(
    service: &Service,
    movies: &[Movie],
    count: u16,
    text: &mut String,
) -> Result<(), Box<dyn Error>> {
    let words = Words::of(movies);
    let _ = writeln!(
        text,
        "## Common words\n\n\
        The first page, of {PAGE} movies, of searches whose words are all common, among {} movies: how full it is, and what it costs.\n\
        *Movies shown* is the share of the movies that the pages could show. The benchmark fails if a page takes more than {} round\n\
        trips or {} read units, or has no next page although more movies match.\n\n\
        | words | searches | 20 or more match | full pages | empty pages | movies shown | read units, mean | read units, most | \
        round trips, most |\n|---|---|---|---|---|---|---|---|---|",
        movies.len(),
        FIRST.trips,
        FIRST.units,
    );
    for (kind, queries) in words.queries() {
        let mut pages = Pages::default();
        for words_of_query in evenly(&queries, count.into()) {
            pages.search(&words, service, words_of_query).await?;
        }
        let _ = writeln!(text, "| {kind} {}", pages.row());
    }
    let _ = writeln!(text);
    Ok(())
}

/// Returns `count` of these at even distances, or all of them if there are fewer.
fn evenly<T>(all: &[T], count: usize) -> impl Iterator<Item = &T> {
    all.iter().step_by(all.len().div_ceil(count).max(1))
}

/// The number of the genre among the fields of [`Words`].
const GENRE: usize = 2;

/// The words of the movies.
struct Words {
    /// The movies that have each word, for each field: title, director, genre. A word of a title or a director is canonical, and
    /// a word with signs inside is there closed up too.
    fields: [BTreeMap<String, BTreeSet<u64>>; 3],
    /// The movies that have each word as it is written, for each field. The searches are made of these words, so they are the
    /// same whatever the search compares.
    written: [BTreeMap<String, BTreeSet<u64>>; 3],
}

impl Words {
    fn of(movies: &[Movie]) -> Self {
        let mut fields: [BTreeMap<String, BTreeSet<u64>>; 3] = Default::default();
        let mut written: [BTreeMap<String, BTreeSet<u64>>; 3] = Default::default();
        for movie in movies {
            let texts = [&movie.row.title, &movie.row.director, &movie.row.genre];
            for (words, field) in written.iter_mut().zip(texts) {
                for word in text::words(field) {
                    words.entry(word).or_default().insert(movie.number);
                }
            }
            for (number, (words, field)) in fields.iter_mut().zip(texts).enumerate() {
                for compound in text::compounds(field) {
                    let closed = compound.closed_up();
                    let parts = compound.parts.into_iter().map(|part| match number {
                        GENRE => part,
                        _ => text::canonical(&part).to_owned(),
                    });
                    for word in parts.chain(closed.filter(|_| number != GENRE)) {
                        words.entry(word).or_default().insert(movie.number);
                    }
                }
            }
        }
        Self { fields, written }
    }

    /// Returns the movies that match a word of a search.
    fn with(&self, word: &str) -> BTreeSet<u64> {
        let fields = self.fields.iter().enumerate();
        let found = fields.flat_map(|(number, words)| {
            let word = if number == GENRE {
                word
            } else {
                text::canonical(word)
            };
            words.iter().filter(move |(own, _)| matches(own, word))
        });
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
        for (word, movies) in self.written.get(fields).unwrap_or_default().iter().flatten() {
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
        all: &Words,
        service: &Service,
        words: &[String],
    ) -> Result<(), Box<dyn Error>> {
        let possible = all.matching(words).min(PAGE);
        if possible == 0 {
            return Ok(());
        }
        let page: Page = service.search(&words.join(" ")).await?;
        let found = page.results().len();
        if found > possible || (found < possible && page.next().is_none()) {
            return Err(format!("{words:?} finds {found} of {possible} movies and has no next page").into());
        }
        if page.trips() > FIRST.trips || page.units() > FIRST.units {
            return Err(format!("{words:?} costs more than it may: {:?}", page.first).into());
        }
        self.searches += 1;
        self.can_be_full += usize::from(possible == PAGE);
        self.full += usize::from(found == PAGE);
        self.empty += usize::from(found == 0);
        self.possible += possible;
        self.movies += found;
        self.units += page.units();
        self.most_units = self.most_units.max(page.units());
        self.trips = self.trips.max(page.trips());
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
