//! Growth: the cost of every request in the list of budgets, from a hundred movies to a million, and of searches among hostile
//! texts.

mod hostile;

use std::{error::Error, fmt::Write as _};

use marquee::engine::Storage;
use test_kit::{
    TestApp,
    budgets::{Budget, FILTERED},
    measure::{Catalog, Measured, measure},
    proxy::Cost,
    table::TestTable,
};

use crate::{
    catalog::{EXACT_MOVIE, EXACT_TITLE, RARE_WORD},
    prepared::{self, Prepared},
};

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The numbers of movies of the catalogs, the smallest first. Each catalog is imported once and kept in target/bench. A
    /// million movies take 4 GB there, and as much again while they are measured.
    #[arg(
        long,
        value_name = "MOVIES,…",
        value_delimiter = ',',
        default_values_t = [100, 1_000, 10_000, 100_000, 1_000_000]
    )]
    sizes: Vec<u64>,
}

/// The number of times that each request is measured.
const RUNS: usize = 2;

/// The prefix of the name of a search. A search reads as much as there is, up to its budget. So its cost at the largest
/// size must be the cost at the second largest size, or one unit more, because words are longer.
const READS_ON: &str = "search, ";

/// Searches that few movies match although very many movies have some of the words. They read up to their budget if there
/// is enough to read, so their costs are compared only with the budget.
const UP_TO_THE_BUDGET: [&str; 2] = [
    "search, an exact title",
    "search, three genres that few movies combine",
];

/// The prefix of the names of searches that find something in a second try only. What they read depends on the words that a
/// catalog has, so their costs are compared only with the budget.
const SECOND_TRY: &str = "search, second try: ";

/// The number of movies from which on some lists with filters have a second page.
const MANY: u64 = 10_000;

/// The share by which two costs that count as equal may differ.
const TOLERANCE: f64 = 0.1;

/// The text above the tables.
const HEADING: &str = "\
Each size has a catalog of its own, and each catalog begins with the next smaller one. Words of titles and names of
directors are drawn by Zipf's law from those of the demonstration catalog; genres, dates and descriptions are drawn from
it. The product's bulk import loads the catalog into a file of the embedded engine. Users and favorites, by Zipf's law over
the movies, are added by the store's own functions, favorites in bulk. The server runs on a copy of the file, and a proxy
between the server and the engine counts the calls.

A cell is: round trips · calls · read units · write units, and in parentheses the number of different movies or users in the
answer. Calls that are sent together are one round trip. The engine counts units by DynamoDB's rules. Each operation is
measured twice, and the higher cost is shown.

A budget is: round trips · read units · write units. It is for an anonymous request unless the name says *signed in*; a
signed-in request costs one more read unit for each movie shown. Every cell is compared with the budget,
which is that of `test-kit/src/budgets.rs`.

The cost at the largest size is compared with the cost at the smallest size whose answer is as full, because 100 movies
don't fill every page. The benchmark fails if it is more by more than a tenth. A search reads on while there is more to
read, so it is compared with the size before the largest, and may cost one unit more, because words are longer in a larger
catalog. Searches that few movies match read up to their budget wherever there is enough to read, what a second try reads
depends on the words that a catalog has, and what a list with filters reads on how much there is to read; these are compared
with the budget only.";

/// A request at every size, or at every size from one on.
struct Row {
    name: &'static str,
    budget: Budget,
    /// The index of the first size that has what the request asks for.
    first: usize,
    sizes: Vec<(Cost, Option<usize>)>,
}

/// Measures every request at every size.
///
/// # Errors
/// Returns an error if a catalog can't be made, if a request costs more at the largest size, or if one is over its budget.
pub(crate) async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    if !options.sizes.is_sorted() || options.sizes.is_empty() {
        return Err("the sizes must be in ascending order".into());
    }
    let mut rows: Vec<Row> = Vec::new();
    let mut text = format!(
        "{HEADING}\n\n| movies | users | favorites | favorites of the top movie |\n|---|---|---|---|\n"
    );
    let mut among_hostile_texts = Vec::new();
    for (size, movies) in options.sizes.iter().enumerate() {
        let prepared = Prepared::new(*movies).await?;
        let (measured, hostile) = measured(&prepared, Some(movies) == options.sizes.last()).await?;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            grouped(*movies),
            grouped(prepared.users),
            grouped(prepared.likes),
            grouped(prepared.most_likes)
        );
        eprintln!("{} movies measured", grouped(*movies));
        add(&mut rows, size, measured);
        among_hostile_texts.extend(hostile);
    }
    let mut wrong = report(&options.sizes, &rows, &mut text);
    wrong.extend(hostile::report(&rows, &among_hostile_texts, &mut text));
    if wrong.is_empty() {
        Ok(text)
    } else {
        Err(format!("{text}\n{}", wrong.join("\n")).into())
    }
}

/// Measures every request against a copy of this catalog, and then searches among hostile texts.
async fn measured(
    prepared: &Prepared,
    with_hostile_texts: bool,
) -> Result<(Vec<Measured>, Vec<Measured>), Box<dyn Error>> {
    let directory = tempfile::tempdir_in(prepared::data()?)?;
    let (engine, _) = prepared::open(&Storage::File(prepared.copy_to(directory.path())?)).await?;
    let builder = TestApp::builder().table(TestTable::Engine(engine));
    let proxied = builder.start_behind_proxy().await;
    let catalog = catalog(prepared);
    let measured = measure(&proxied, &catalog, RUNS).await;
    let mut hostile = Vec::new();
    if with_hostile_texts {
        hostile = hostile::measured(&proxied, &catalog, RUNS).await?;
    }
    proxied.close().await;
    Ok((measured, hostile))
}

/// The ids and names that the requests to a prepared catalog need.
fn catalog(prepared: &Prepared) -> Catalog {
    let mut names = vec![
        ("movie", "9".to_owned()),
        ("unliked", EXACT_MOVIE.to_string()),
        ("most_liked", prepared.most_liked.to_string()),
        ("genre", "drama".to_owned()),
        ("small_genre", "drama".to_owned()),
        ("rare", RARE_WORD.to_lowercase()),
        ("title", EXACT_TITLE.to_lowercase().replace(' ', "+")),
        ("everywhere", "the".to_owned()),
        ("common", "the".to_owned()),
        ("common_genre", "drama".to_owned()),
        ("unfinished", "lov".to_owned()),
        ("letter", "a".to_owned()),
        ("other_letter", "i".to_owned()),
        ("two", "the+of".to_owned()),
        ("two_genres", "drama+comedy".to_owned()),
        ("three", "the+drama+romance".to_owned()),
        ("three_genres", "western+musical+horror".to_owned()),
        ("director", "clint+eastwood".to_owned()),
        ("year", "1995".to_owned()),
        (
            "ten_years",
            "released_from=1991-07-01&released_to=2000-06-30".to_owned(),
        ),
        ("date", "1985-01-01".to_owned()),
        ("one_genre", "musical".to_owned()),
        ("both_genres", "drama,war".to_owned()),
        ("closed_up", "emberquarry".to_owned()),
        ("numeral", "fernhollow+2".to_owned()),
        ("rare_and_year", "fernhollow+1987".to_owned()),
        ("run", "向こう".to_owned()),
        ("typo", "quilfeather".to_owned()),
        ("common_typo", "nihgt".to_owned()),
        ("two_typos", "qulilfeahter".to_owned()),
        ("typo_each", "fernholow+ottolien".to_owned()),
        ("joined", "fernhollowember".to_owned()),
        ("split", "quill+feather".to_owned()),
        (
            "absent",
            "abcdefgh+ijklmnop+qrstuvwx+yzabcdef+ghijklmn+opqrstuv+wxyzabcd+efghijkl".to_owned(),
        ),
        ("corrected", "quilfeather".to_owned()),
    ];
    if prepared.movies >= MANY {
        let of_many = [
            ("director_of_many", "woody+allen"),
            ("year_of_many", "1999"),
            ("both_genres_of_many", "drama,romance"),
        ];
        names.extend(of_many.map(|(name, value)| (name, value.to_owned())));
    }
    Catalog {
        movies: prepared.movies,
        names,
        // A page of favorites. Every catalog has these movies.
        favorites: 76..=96,
        added: [
            "The Long Measured Goodbye",
            "Ada Counter",
            "Drama, Comedy",
            "2001-02-03",
        ],
        retitled: "The Long Measured Hello",
        changed: ["A Short Weighed Hello", "Bea Teller", "Horror, War", "2004-05-06"],
    }
}

fn add(rows: &mut Vec<Row>, first: usize, measured: Vec<Measured>) {
    for one in measured {
        let size = (one.cost, one.found);
        match rows.iter_mut().find(|row| row.name == one.name) {
            Some(row) => row.sizes.push(size),
            None => rows.push(Row {
                name: one.name,
                budget: one.budget,
                first,
                sizes: vec![size],
            }),
        }
    }
}

impl Row {
    /// Returns the index of the size with which the largest size is compared, if there is one: the first size whose
    /// response is as full. For a search it is the second largest size.
    fn base(&self) -> Option<usize> {
        let last = self.sizes.len().checked_sub(1)?;
        let full = self.sizes[last].1.unwrap_or_default();
        let is_full = |at: &usize| self.sizes[*at].1.unwrap_or_default() * 20 >= full * 19;
        if self.reads_up_to_the_budget() {
            return None;
        }
        if self.name.starts_with(READS_ON) {
            // The smallest catalog may have less to read than a search would read.
            return last.checked_sub(1).filter(|at| *at > 0 && is_full(at));
        }
        (0..last).find(is_full)
    }

    /// Whether the cost is compared only with the budget.
    fn reads_up_to_the_budget(&self) -> bool {
        UP_TO_THE_BUDGET.contains(&self.name)
            || self.name.starts_with(SECOND_TRY)
            || self.name.starts_with(FILTERED)
    }

    /// Returns the text for the table. An error is a failure.
    fn verdict(&self, sizes: &[u64]) -> Result<String, String> {
        let sizes = sizes.get(self.first..).unwrap_or_default();
        let mut costs = self.sizes.iter().map(|(cost, _)| cost);
        if costs.any(|cost| self.budget.is_exceeded_by(cost)) {
            return Err("over its budget".into());
        }
        match self.base() {
            None if self.reads_up_to_the_budget() => Ok("reads up to its budget".to_owned()),
            None => Ok("no fuller answer to compare with".to_owned()),
            Some(base) => {
                let (Some((one, _)), Some((last, _))) = (self.sizes.get(base), self.sizes.last()) else {
                    return Err("not measured".into());
                };
                let slack = f64::from(u8::from(self.name.starts_with(READS_ON)));
                let at = grouped(sizes[base]);
                match () {
                    () if is_more(last, one, slack) => Err(format!("more than at {at}")),
                    () if is_more(one, last, slack) => Ok(format!("less than at {at}")),
                    () => Ok(format!("same as at {at}")),
                }
            }
        }
    }
}

/// Writes the table, and returns the failures.
fn report(sizes: &[u64], rows: &[Row], text: &mut String) -> Vec<String> {
    let mut wrong = Vec::new();
    let _ = write!(text, "\n| operation | budget |");
    for size in sizes {
        let _ = write!(text, " {} |", grouped(*size));
    }
    let _ = writeln!(text, " verdict |\n|---|---|{}---|", "---|".repeat(sizes.len()));
    for row in rows {
        let Budget {
            trips, reads, writes, ..
        } = row.budget;
        let _ = write!(
            text,
            "| {} | {trips} · {reads} · {writes} |{}",
            row.name,
            " |".repeat(row.first)
        );
        for (cost, found) in &row.sizes {
            let calls = cost.calls.len();
            let _ = write!(
                text,
                " {} · {calls} · {} · {}",
                cost.trips, cost.reads, cost.writes
            );
            let found = found.map_or(String::new(), |found| format!(" ({found})"));
            let _ = write!(text, "{found} |");
        }
        let verdict = row.verdict(sizes).unwrap_or_else(|what| {
            wrong.push(format!("{}: {what}", row.name));
            format!("**{what}**")
        });
        let _ = writeln!(text, " {verdict} |");
    }
    for name in UP_TO_THE_BUDGET {
        if !rows.iter().any(|row| row.name == name) {
            wrong.push(format!("{name}: not measured"));
        }
    }
    wrong
}

/// Whether a cost has more trips than another, or units that are more by more than the tolerance and by more than `slack`.
fn is_more(cost: &Cost, than: &Cost, slack: f64) -> bool {
    let units = |units: f64, than: f64| units > (1.0 + TOLERANCE) * than && units > than + slack;
    cost.trips > than.trips || units(cost.reads, than.reads) || units(cost.writes, than.writes)
}

/// Returns a number with separators between its thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A budget above every cost in these tests.
    const AMPLE: Budget = Budget {
        trips: 99,
        reads: 999.0,
        writes: 999.0,
        writes_per_posting: 0.0,
    };

    fn row(name: &'static str, budget: Budget, sizes: &[(usize, f64, f64, usize)]) -> Row {
        let sizes = sizes.iter().map(|(trips, reads, writes, found)| {
            let cost = Cost {
                trips: *trips,
                reads: *reads,
                writes: *writes,
                calls: Vec::new(),
            };
            (cost, Some(*found))
        });
        Row {
            name,
            budget,
            first: 0,
            sizes: sizes.collect(),
        }
    }

    const SIZES: [u64; 3] = [100, 1_000, 1_000_000];

    #[test]
    fn a_cost_that_grows_is_a_failure() {
        for last in [(2, 11.1, 7.0), (3, 10.0, 7.0), (2, 10.0, 7.8)] {
            let grows = row(
                "x",
                AMPLE,
                &[
                    (2, 10.0, 7.0, 20),
                    (2, 10.0, 7.0, 20),
                    (last.0, last.1, last.2, 20),
                ],
            );
            assert_eq!(grows.verdict(&SIZES).unwrap_err(), "more than at 100");
        }
        for last in [(1, 10.0, 7.0), (2, 8.0, 7.0), (2, 10.0, 6.0)] {
            let last = (last.0, last.1, last.2, 20);
            let shrinks = row("x", AMPLE, &[(2, 10.0, 7.0, 20), (9, 99.0, 99.0, 20), last]);
            assert_eq!(shrinks.verdict(&SIZES).unwrap(), "less than at 100");
        }
        // Fewer units don't make up for another trip.
        let slower = row(
            "x",
            AMPLE,
            &[(2, 10.0, 7.0, 20), (2, 10.0, 7.0, 20), (3, 5.0, 7.0, 20)],
        );
        assert!(slower.verdict(&SIZES).is_err());
        let same = row(
            "x",
            AMPLE,
            &[(2, 10.0, 7.0, 20), (9, 99.0, 99.0, 20), (2, 10.9, 7.0, 20)],
        );
        assert_eq!(same.verdict(&SIZES).unwrap(), "same as at 100");
    }

    #[test]
    fn an_answer_is_compared_with_the_first_that_is_as_full() {
        let fuller = row(
            "x",
            AMPLE,
            &[(2, 5.0, 0.0, 9), (2, 10.0, 0.0, 20), (2, 10.0, 0.0, 20)],
        );
        assert_eq!(fuller.verdict(&SIZES).unwrap(), "same as at 1,000");
    }

    #[test]
    fn a_cost_over_its_budget_at_any_size_is_a_failure() {
        let budget = Budget {
            trips: 2,
            reads: 9.0,
            writes: 0.0,
            writes_per_posting: 0.0,
        };
        for over in [(3, 9.0, 0.0), (2, 9.5, 0.0), (2, 9.0, 1.0)] {
            let costs = [(2, 9.0, 0.0, 20), (over.0, over.1, over.2, 20), (2, 9.0, 0.0, 20)];
            assert_eq!(
                row("x", budget, &costs).verdict(&SIZES).unwrap_err(),
                "over its budget"
            );
        }
        let costs = [(2, 9.0, 0.0, 20); 3];
        assert_eq!(
            row("x", budget, &costs).verdict(&SIZES).unwrap(),
            "same as at 100"
        );
    }

    #[test]
    fn a_search_is_compared_with_the_size_before_the_last() {
        let costs = [(2, 5.0, 0.0, 1), (3, 30.0, 0.0, 1), (3, 31.0, 0.0, 1)];
        assert_eq!(
            row("search, x", AMPLE, &costs).verdict(&SIZES).unwrap(),
            "same as at 1,000"
        );
        let costs = [(3, 31.0, 0.0, 1), (2, 5.0, 0.0, 1), (3, 31.0, 0.0, 1)];
        assert!(row("search, x", AMPLE, &costs).verdict(&SIZES).is_err());
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(
            [7, 100, 1_000, 1_234_567].map(grouped),
            ["7", "100", "1,000", "1,234,567"]
        );
    }
}
