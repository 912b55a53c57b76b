//! Movies: creation, reading, PUT, PATCH and deletion.

mod covers;
mod deletion;
mod edits;
mod fields;
mod imdb_ids;

use serde_json::Value;

use crate::api::with_changes;
use crate::support::{Answer, Caller, movie};

pub(super) const COVER: &str = "https://example.org/covers/solaris.jpg?size=2";

pub(super) fn solaris() -> Value {
    movie("Solaris", "Andrei Tarkovsky", "Sci-Fi, Drama", "1972-03-20")
}

pub(super) fn path(movie: &Value) -> String {
    format!("/api/movies/{}/", movie["id"])
}

pub(super) async fn create(caller: &Caller, changes: Value) -> Answer {
    caller
        .post("/api/movies/")
        .json(&with_changes(&solaris(), &changes))
        .send()
        .await
}
