//! The checks of the newest movies that each genre's item lists.

use std::collections::{BTreeMap, BTreeSet};

use marquee_shared::db::{
    genre::GenreItem,
    item::to_item,
    keys,
    movie::MovieItem,
    newest::{Entries, Entry, MOST},
};

/// The largest item that costs one write unit (AWS: "DynamoDB provisioned capacity mode").
const UNIT: usize = 1024;

/// What is wrong with the lists of these genres, a sentence each.
pub(super) fn discrepancies<'a>(
    genres: &BTreeMap<String, GenreItem>,
    movies: impl Iterator<Item = &'a MovieItem>,
) -> Vec<String> {
    let mut by_genre: BTreeMap<String, BTreeSet<Entry>> = BTreeMap::new();
    for movie in movies {
        for genre in movie.fields.genres.iter() {
            let entry = Entry::of(movie.fields.release_date, movie.id);
            by_genre.entry(genre.identity()).or_default().insert(entry);
        }
    }
    let mut found = Vec::new();
    for (identity, genre) in genres {
        let all = by_genre.remove(identity).unwrap_or_default();
        let Some((Entries(entries), floor)) = &genre.newest.listed else {
            found.push(format!("genre {identity} lists no newest movies"));
            continue;
        };
        for entry in entries.difference(&all) {
            found.push(format!(
                "genre {identity} lists {entry}, which is the entry of none of its movies"
            ));
        }
        let is_complete = genre.newest.fill.is_multiple_of(2);
        for entry in all.difference(entries).filter(|e| is_complete && floor.covers(e)) {
            found.push(format!(
                "genre {identity} doesn't list {entry}, which is above its floor"
            ));
        }
        if entries.len() > MOST {
            found.push(format!("genre {identity} lists {} movies", entries.len()));
        }
        let bytes = size(genre);
        if bytes > UNIT {
            found.push(format!("the item of genre {identity} has {bytes} bytes"));
        }
    }
    found
}

/// The size of a genre's item by AWS's rules ("DynamoDB item sizes and formats"), rounded up: an entry's name and value with a
/// byte for each element, three bytes for the map, and as many bytes for a number as it has digits.
fn size(genre: &GenreItem) -> usize {
    let key = keys::genre(&genre.identity);
    let mut bytes = keys::PK.len() + key.pk.len() + keys::SK.len() + key.sk.len();
    for (name, value) in to_item(genre).unwrap() {
        bytes += name.len();
        bytes += match (value.as_s(), value.as_n(), value.as_m()) {
            (Ok(text), ..) | (_, Ok(text), _) => text.len(),
            (.., Ok(map)) => 3 + map.keys().map(|name| name.len() + 2).sum::<usize>(),
            _ => panic!("{name} of a genre has an unexpected type"),
        };
    }
    bytes
}
