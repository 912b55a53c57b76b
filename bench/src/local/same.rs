//! Whether two servers answer the same: otherwise the comparison of their speed would say nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    connection::{Connection, Request},
    requests::{self, SEARCHES},
    server::Server,
};
use crate::runtime::Failure;

/// How many movies, and how many pages of the list, are compared.
const COMPARED: u64 = 20;

/// The lists that are compared whole.
const LISTS: [&str; 3] = [
    "/api/movies/newest/",
    "/api/movies/most-liked/",
    "/api/movies/categories/",
];

/// The times of a movie, which no two servers have in common.
const TIMES: [&str; 2] = ["created_at", "updated_at"];

/// Checks that a server answers as the reference does: movies, pages of the list, the newest, the most liked and the
/// categories with equal texts and in equal order, and searches with the same movies, if they fit on one page and aren't
/// corrected. The order of the results of a search and the fields that only one of them has are not compared.
///
/// # Errors
/// Returns an error with the first difference.
pub(crate) async fn check(reference: &Server, other: &Server, movies: u64) -> Result<(), Failure> {
    let mut both = Both {
        reference: Connection::open(reference.address).await?,
        other: Connection::open(other.address).await?,
    };
    for part in 0..COMPARED {
        let request = requests::get(1 + part * (movies - 1) / COMPARED);
        let (one, two) = both.ask(&request, &request).await?;
        same(&request, &one, &two)?;
    }
    let mut pages = [Request::get("/api/movies/"), Request::get("/api/movies/")];
    for _ in 0..COMPARED {
        let (one, two) = both.ask(&pages[0], &pages[1]).await?;
        same(&pages[0], &one["results"], &two["results"])?;
        same(&pages[0], &one["count"], &two["count"])?;
        pages = [next(&one)?, next(&two)?];
    }
    for path in LISTS {
        let request = Request::get(path);
        let (one, two) = both.ask(&request, &request).await?;
        same(&request, &one["results"], &two["results"])?;
    }
    for q in SEARCHES {
        let request = requests::search(q);
        let (one, two) = both.ask(&request, &request).await?;
        let is_whole = one["next"].is_null() && two["next"].is_null();
        // The peer corrects nothing.
        let is_corrected = [&one, &two]
            .iter()
            .any(|page| page["corrected_query"].is_string());
        if is_whole && !is_corrected && ids(&one)? != ids(&two)? {
            return Err(differ(&request, &one, &two));
        }
    }
    Ok(())
}

struct Both {
    reference: Connection,
    other: Connection,
}

impl Both {
    async fn ask(&mut self, one: &Request, two: &Request) -> Result<(Value, Value), Failure> {
        Ok((self.reference.json(one).await?, self.other.json(two).await?))
    }
}

fn next(page: &Value) -> Result<Request, Failure> {
    requests::next(page)?.ok_or_else(|| "the list ended too early".into())
}

/// Returns the ids of a page of movies.
fn ids(page: &Value) -> Result<BTreeSet<u64>, Failure> {
    let results = page["results"].as_array().ok_or("an answer without results")?;
    let ids = results.iter().map(|movie| movie["id"].as_u64());
    ids.collect::<Option<_>>()
        .ok_or_else(|| "a movie without an id".into())
}

fn same(request: &Request, one: &Value, two: &Value) -> Result<(), Failure> {
    if agree(one, two) {
        return Ok(());
    }
    Err(differ(request, one, two))
}

/// Whether two values agree: objects in the fields that both have, apart from the times.
fn agree(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Object(one), Value::Object(two)) => one.iter().all(|(name, value)| {
            TIMES.contains(&name.as_str()) || two.get(name).is_none_or(|other| agree(value, other))
        }),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| agree(one, two))
        }
        _ => one == two,
    }
}

fn differ(request: &Request, one: &Value, two: &Value) -> Failure {
    format!("the servers answer differently: {request:?}\n{one}\n{two}").into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_agree_in_every_field_that_both_have_but_the_times() {
        let one = json!({"results": [{"id": 1, "title": "a", "created_at": "x", "user": null}], "count": 1});
        let same = json!({"results": [{"id": 1, "title": "a", "created_at": "y", "version": 1}], "count": 1});
        assert!(agree(&one, &same));
        for other in [
            json!({"results": [{"id": 2, "title": "a"}], "count": 1}),
            json!({"results": [{"id": 1, "title": "b"}], "count": 1}),
            json!({"results": [], "count": 1}),
            json!({"results": [{"id": 1, "title": "a"}], "count": null}),
        ] {
            assert!(!agree(&one, &other), "{other}");
        }
    }

    #[test]
    fn the_order_of_ids_does_not_matter_but_each_must_be_there() {
        let page =
            |ids: &[u64]| json!({"results": ids.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()});
        assert_eq!(ids(&page(&[3, 1])).unwrap(), ids(&page(&[1, 3])).unwrap());
        assert_ne!(ids(&page(&[3])).unwrap(), ids(&page(&[1, 3])).unwrap());
        assert!(ids(&json!({"results": [{}]})).is_err());
        assert!(ids(&json!({})).is_err());
    }
}
