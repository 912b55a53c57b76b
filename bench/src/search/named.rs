//! Queries whose answer is known, and everything that is typed on the way to a query.

use std::{error::Error, fmt::Write as _};

use super::{
    kinds::KINDS,
    known_items::{answer, too_dear},
    meter::Service,
    movies::Movie,
};

/// Queries with the title of the movie that must be first.
const NAMED: [[&str; 2]; 11] = [
    ["spiderman", "Spider-Man"],
    ["schindlers list", "Schindler's List"],
    ["la confidential", "L.A. Confidential"],
    ["mash", "MASH"],
    ["rocky 2", "Rocky II"],
    ["thelma and louise", "Thelma & Louise"],
    ["matrix 1999", "The Matrix"],
    ["godfahter", "The Godfather"],
    ["starwars", "Star Wars"],
    ["god father", "The Godfather"],
    ["kurosowa seven", "Seven Samurai"],
];

/// The fewest characters of a prefix.
const SHORTEST_PREFIX: usize = 3;

/// Searches for movies by these queries, where the catalog has them, and writes a table. Returns what is wrong.
///
/// # Errors
/// Returns an error if a search fails.
pub(super) async fn measure(
    service: &Service,
    movies: &[Movie],
    text: &mut String,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut wrong = Vec::new();
    let _ = writeln!(
        text,
        "## Queries with a known answer\n\nThe benchmark fails if another movie is first.\n\n\
         | `q` | `corrected_query` | first | round trips | read units |\n|---|---|---|---|---|"
    );
    for [q, expected] in NAMED {
        // The title, or one that begins with it. The year of a query is that of the title itself.
        let has_year = q
            .split(' ')
            .any(|word| word.len() == 4 && word.parse::<u16>().is_ok());
        let is_it = |title: &str| title == expected || (!has_year && title.starts_with(expected));
        let has_it = movies.iter().any(|movie| is_it(&movie.row.title));
        if !has_it {
            continue;
        }
        let page = service.search(q).await?;
        let corrected = page
            .corrected()
            .map_or("none".to_owned(), |corrected| format!("`{corrected}`"));
        let _ = writeln!(
            text,
            "| `{q}` | {corrected} | {} | {} | {} |",
            page.top(),
            page.trips(),
            page.units()
        );
        if !page.top().starts_with(expected) {
            wrong.push(format!(
                "{q:?} doesn't find {expected:?} first: {}",
                answer(&page)
            ));
        }
        wrong.extend(too_dear(q, &page));
    }
    let _ = writeln!(text);
    Ok(wrong)
}

/// What people type to the end. All of these match as they are.
const TYPED: [&str; 6] = [
    "the title",
    "director and a word",
    "closed up (spiderman)",
    "title and year",
    "digits for a Roman numeral",
    "`and` for `&`",
];

/// Searches for every beginning of some queries, as people type them, and writes how many are corrected. Returns what is
/// wrong.
///
/// # Errors
/// Returns an error if a search fails.
pub(super) async fn prefixes(
    service: &Service,
    movies: &[Movie],
    seed: u64,
    count: u16,
    text: &mut String,
) -> Result<Vec<String>, Box<dyn Error>> {
    let mut wrong = Vec::new();
    let _ = writeln!(
        text,
        "## While a query is typed\n\nQueries are typed letter by letter, from the third one on. Some beginnings find nothing, because \
         a last word of one or two\nletters must be a whole word. The benchmark fails if a beginning is corrected.\n\n\
         | what is typed | queries | beginnings | find nothing | corrected |\n|---|---|---|---|---|"
    );
    for kind in KINDS.iter().filter(|kind| TYPED.contains(&kind.name)) {
        let queries = kind.queries(movies, seed, usize::from(count).div_ceil(TYPED.len()));
        let (mut all, mut empty, mut corrected) = (0_u32, 0_u32, 0_u32);
        for (query, _) in &queries {
            let ends = query.char_indices().map(|(at, c)| at + c.len_utf8());
            for end in ends.skip(SHORTEST_PREFIX - 1) {
                let prefix = &query[..end];
                let page = service.search(prefix).await?;
                all += 1;
                empty += u32::from(page.results().is_empty());
                if page.corrected().is_some() {
                    corrected += 1;
                    wrong.push(format!(
                        "{prefix:?} begins {query:?} and is corrected: {}",
                        answer(&page)
                    ));
                }
                wrong.extend(too_dear(prefix, &page));
            }
        }
        let _ = writeln!(
            text,
            "| {} | {} | {all} | {empty} | {corrected} |",
            kind.name,
            queries.len()
        );
    }
    let _ = writeln!(text);
    Ok(wrong)
}
