//! Lists: orders, filters, counts, pages in both directions, categories, most liked and newest.

mod changes;
mod cursors;
mod filter_combinations;
mod filters;
mod first_lists;
mod large;
mod pages;

use serde_json::Value;

use crate::support::{Caller, TestApp, movie};

/// Returns movie number `n`. The numbers determine the date and the genre, by which lists are ordered and filtered.
pub(super) fn numbered_movie(n: u64) -> Value {
    // Dates descend while ids ascend. Three movies share each date.
    let date = format!("{}-05-05", 2000 - n / 3);
    let genre = ["Drama", "Sci-Fi, drama", "Comedy"][usize::try_from(n % 3).unwrap()];
    movie(&format!("Movie {n}"), "Somebody", genre, &date)
}

/// Returns a member who has added the movies number 1 to `count`. Their ids equal their numbers.
pub(super) async fn member_with(app: &TestApp, count: u64) -> Caller {
    let member = app.member().await;
    for n in 1..=count {
        assert_eq!(member.add(&numbered_movie(n)).await["id"], n);
    }
    member
}

pub(super) fn reversed(mut ids: Vec<u64>) -> Vec<u64> {
    ids.reverse();
    ids
}

pub(super) fn chunks(ids: &[u64], size: usize) -> Vec<Vec<u64>> {
    ids.chunks(size).map(<[u64]>::to_vec).collect()
}

/// Returns the cursor in `next` of the first page.
pub(super) async fn cursor(caller: &Caller, path: &str) -> String {
    let body = caller.get(&format!("{path}limit=1")).send().await.is(200).body;
    body["next"]
        .as_str()
        .unwrap()
        .split_once("cursor=")
        .unwrap()
        .1
        .to_owned()
}
