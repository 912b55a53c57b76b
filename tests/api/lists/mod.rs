//! Collections: orders, filters, counts, pages in both directions; categories, most liked, newest.

mod changes;
mod cursors;
mod first_lists;
mod large;
mod pages;

use serde_json::Value;

use crate::support::{Caller, TestApp, movie};

/// A movie that differs from others in what lists are ordered by.
pub(super) fn numbered(n: u64) -> Value {
    // Dates fall while ids rise, and three movies share each.
    let date = format!("{}-05-05", 2000 - n / 3);
    let genre = ["Drama", "Sci-Fi, drama", "Comedy"][usize::try_from(n % 3).unwrap()];
    movie(&format!("Movie {n}"), "Somebody", genre, &date)
}

/// A member who has added movies of the numbers 1 to `count`, which are their ids too.
pub(super) async fn member_with(app: &TestApp, count: u64) -> Caller {
    let member = app.member().await;
    for n in 1..=count {
        assert_eq!(member.add(&numbered(n)).await["id"], n);
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

/// The cursor of a first page.
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
