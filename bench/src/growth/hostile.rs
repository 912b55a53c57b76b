//! Texts that one user writes to make the searches of others expensive, and searches among them.

use std::{collections::BTreeSet, error::Error, fmt::Write as _, fs::File, io, time::Duration};

use marquee_shared::db::{
    keys::{self, TABLE},
    range::{Direction, KeyRange},
};
use rand::{
    RngExt as _, SeedableRng as _,
    rngs::StdRng,
    seq::{IndexedRandom as _, SliceRandom as _},
};
use test_kit::{
    budgets::{Ask, Budget, CASES, Case},
    measure::{Catalog, Measured, measure_cases},
    proxy::ProxiedApp,
};

use super::{READS_ON, Row, grouped};

/// Words that others misspell.
const WORDS: [&str; 6] = [
    "quillfeather",
    "fernhollow",
    "godfather",
    "matrix",
    "kurosawa",
    "schindler",
];
/// How many words with one wrong letter are made of each.
const NEAR_WORDS: usize = 1_500;
/// How many of them are in one title.
const WORDS_OF_TITLE: usize = 14;
/// How many titles of each other kind there are.
const TITLES: usize = 400;

/// How long the server may look for leftovers of deleted accounts.
const LOOKED_AFTER_WITHIN: Duration = Duration::from_secs(180);

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
/// Characters of a script without spaces.
const HAN: [char; 6] = ['山', '川', '田', '中', '大', '小'];

/// The budget of a search, with a second try.
const BUDGET: Budget = Budget {
    trips: 7,
    reads: 80.0,
    writes: 0.0,
    writes_per_posting: 0.0,
};

/// The budget of a search for common words.
const COMMON: Budget = Budget {
    trips: 4,
    reads: 40.0,
    ..BUDGET
};

const fn hostile(name: &'static str, query: &'static str) -> Case {
    Case {
        name,
        operation: "search_movies",
        signed_in: false,
        ask: Ask::First(query),
        budget: BUDGET,
    }
}

/// Searches that the texts aim at, and hostile searches.
#[rustfmt::skip]
const HOSTILE: [Case; 16] = [
    hostile("a typing error near a thousand words",          "?q=quilfeahter"),
    hostile("twelve words near a thousand words",            "?q=qillfeather+quilfeather+quillfather+quillfeathr+fernholow+fenhollow+godfahter+matirx+kurosowa+schidnler+mtarix+korusawa"),
    hostile("a typing error in a word of a full item",       "?q=godfahter"),
    hostile("one word split, near full items",               "?q=god+father"),
    hostile("common words that no movie has together",       "?q=star+wars+quillfeathers+fernhollow"),
    hostile("common words and a typing error",               "?q=star+wras+quillfeathers+copola"),
    hostile("common words and an absent word",               "?q=star+wars+xylographically"),
    hostile("common words and a year",                       "?q=star+wars+1999"),
    hostile("a common run of a script without spaces",       "?q=山川"),
    hostile("a long run that no movie has",                  "?q=山山山山山山山山川田中大小山川田"),
    hostile("a word of 200 letters",                         "?q=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    hostile("thirty words",                                  "?q=abcdefg0+abcdefg1+abcdefg2+abcdefg3+abcdefg4+abcdefg5+abcdefg6+abcdefg7+abcdefg8+abcdefg9+bcdefgh0+bcdefgh1+bcdefgh2+bcdefgh3+bcdefgh4+bcdefgh5+bcdefgh6+bcdefgh7+bcdefgh8+bcdefgh9+cdefghi0+cdefghi1+cdefghi2+cdefghi3+cdefghi4+cdefghi5+cdefghi6+cdefghi7+cdefghi8+cdefghi9"),
    hostile("every letter as a word",                        "?q=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q+r+s+t+u+v+w+x+y+z"),
    hostile("only small words",                              "?q=the+of+a+in"),
    hostile("three years",                                   "?q=star+1999+2000+2001"),
    hostile("signs between letters",                         "?q=m*a*s*h*e*d-o'u't"),
];

/// Adds hostile texts and measures every search of the list of budgets, and these searches.
///
/// # Errors
/// Returns an error if the texts can't be written to a file.
pub(super) async fn measured(
    proxied: &ProxiedApp,
    catalog: &Catalog,
    runs: usize,
) -> Result<Vec<Measured>, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("movies.csv");
    write(File::create(&file)?)?;
    let added = proxied.proxy.import(file).await;
    eprintln!("{} movies with hostile texts added", grouped(added));
    no_account_leaves(proxied).await?;
    let searches = CASES.iter().filter(|case| case.name.starts_with(READS_ON));
    Ok(measure_cases(proxied, catalog, searches.chain(&HOSTILE), runs).await)
}

/// Waits until the server has looked a last time for leftovers of the accounts that were deleted before, which is a minute after
/// each deletion. Its calls would be counted with those of a search.
async fn no_account_leaves(proxied: &ProxiedApp) -> Result<(), Box<dyn Error>> {
    let store = &proxied.app.running.state.store;
    let leaving = KeyRange::partition(TABLE, keys::LEAVING);
    let looked = async {
        while !store
            .query(&leaving, Direction::Ascending, 1)
            .await?
            .items
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok::<_, marquee_shared::Error>(())
    };
    tokio::time::timeout(LOOKED_AFTER_WITHIN, looked)
        .await?
        .map_err(|error| error.log_message().into())
}

/// Returns the budget of a search among hostile texts, which can make any word common. A search is then still within the
/// budget of searches for common words.
fn budget(measured: &Measured) -> Budget {
    let favorites = if measured.name.ends_with("signed in") {
        20.0
    } else {
        0.0
    };
    Budget {
        trips: measured.budget.trips.max(COMMON.trips),
        reads: measured.budget.reads.max(COMMON.reads + favorites),
        ..measured.budget
    }
}

/// Writes the table, and returns the failures.
pub(super) fn report(rows: &[Row], measured: &[Measured], text: &mut String) -> Vec<String> {
    let mut wrong = Vec::new();
    let _ = writeln!(
        text,
        "\n## Hostile texts\n\nThe same searches, and others, after one user has added {} movies to the largest catalog: thousands \
         of words that\ndiffer by a letter, long words with the same beginning, many titles with the same words, titles without \
         spaces that have the\nsame characters, and titles that fill an item of the vocabulary. The benchmark fails if a search is over \
         its budget.\n\n| search | budget | without these texts | with them |\n|---|---|---|---|",
        grouped(rows_of_csv().len() as u64)
    );
    for one in measured {
        let row = rows.iter().find(|row| row.name == one.name);
        let budget = budget(one);
        let before = row.and_then(|row| row.sizes.last());
        let before = before.map_or(String::new(), |(cost, _)| {
            format!("{} · {}", cost.trips, cost.reads)
        });
        let _ = writeln!(
            text,
            "| {} | {} · {} | {before} | {} · {} |",
            one.name.strip_prefix(READS_ON).unwrap_or(one.name),
            budget.trips,
            budget.reads,
            one.cost.trips,
            one.cost.reads
        );
        if budget.is_exceeded_by(&one.cost) {
            wrong.push(format!("{}: over its budget among hostile texts", one.name));
        }
    }
    wrong
}

fn write(to: impl io::Write) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(["title", "description", "release_date", "director", "genre"])?;
    for [title, director, year] in rows_of_csv() {
        writer.write_record([&title, "Hostile.", &format!("{year}-01-01"), &director, "Drama"])?;
    }
    Ok(writer.flush()?)
}

/// Returns the titles, directors and years of the movies. They are the same every time.
fn rows_of_csv() -> Vec<[String; 3]> {
    let mut random = StdRng::seed_from_u64(9);
    let evil = || "Evil Person".to_owned();
    let mut rows = Vec::new();
    // The vocabulary near the words that others search for.
    let mut near = BTreeSet::new();
    for word in WORDS {
        for _ in 0..NEAR_WORDS {
            near.insert(with_a_wrong_letter(&mut random, word));
        }
    }
    let mut near: Vec<String> = near.into_iter().collect();
    near.shuffle(&mut random);
    rows.extend(
        near.chunks(WORDS_OF_TITLE)
            .map(|words| [words.join(" "), evil(), "2001".to_owned()]),
    );
    for n in 0..TITLES {
        // Long words, which make postings large.
        let long: Vec<String> = (0..5).map(|_| letters(&mut random, 38)).collect();
        rows.push([long.join(" "), evil(), "2001".to_owned()]);
        // Words of one length with one beginning, which are in one item of the vocabulary.
        let same: Vec<String> = (0..20)
            .map(|_| format!("god{}", letters(&mut random, 6)))
            .collect();
        rows.push([same.join(" "), evil(), "2001".to_owned()]);
        // The same words in many movies.
        let title = format!("Quillfeathers Star Wars {}", letters(&mut random, 7));
        rows.push([title, "Francis Ford Copola".to_owned(), "1999".to_owned()]);
        // The same runs in many titles.
        let run: String = (0..40).filter_map(|_| HAN.choose(&mut random)).collect();
        rows.push([run, evil(), "2001".to_owned()]);
        // Closed-up words: as many signs as fit.
        let signs: Vec<String> = (0..12).map(|_| letters(&mut random, 2)).collect();
        rows.push([
            signs.join("-"),
            format!("O'{} {n}", letters(&mut random, 5)),
            "1999".to_owned(),
        ]);
    }
    rows
}

fn with_a_wrong_letter(random: &mut StdRng, word: &str) -> String {
    let wrong = random.random_range(0..word.len());
    let mut letters = word.as_bytes().to_vec();
    letters[wrong] = LETTERS.choose(random).copied().unwrap_or(b'a');
    String::from_utf8(letters).unwrap_or_default()
}

fn letters(random: &mut StdRng, count: usize) -> String {
    let drawn = (0..count).filter_map(|_| LETTERS.choose(random));
    drawn.copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_movies_and_no_two_are_alike() {
        let rows = rows_of_csv();
        let different: BTreeSet<_> = rows.iter().collect();
        assert_eq!(different.len(), rows.len());
        for [title, director, _] in &rows {
            assert!(title.chars().count() <= 200 && !director.is_empty(), "{title}");
        }
    }
}
