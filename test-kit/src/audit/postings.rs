//! The checks of postings and memberships, and of the genres' counts.

use std::collections::{BTreeMap, BTreeSet};

use marquee_shared::db::{
    Key, index,
    item::{Attributes as _, Item, to_item},
    keys,
    posting_keys::PostingKind,
    unfinished::left_postings,
};

use super::{Items, newest, text};

impl Items {
    /// Reports keys that DynamoDB would refuse, and postings that are larger than a search reckons with. The embedded engine
    /// accepts both.
    pub(super) fn sizes(&mut self, key: &Key, item: &Item) {
        // AWS: "Constraints in Amazon DynamoDB", for the keys of the table and of its indexes.
        for (name, most) in [
            (keys::PK, 2048),
            (keys::SK, 1024),
            (keys::BY_DATE.pk, 2048),
            (keys::BY_DATE.sk, 1024),
            (keys::LIKED, 2048),
        ] {
            let bytes = item.text(name).map_or(0, str::len);
            if bytes > most || (item.contains_key(name) && bytes == 0) {
                self.report(format!("a key of {bytes} bytes: {name} of {key:?}"));
            }
        }
        if !matches!(key.pk.split('#').next(), Some("WORD" | "GENRE" | "YEAR")) {
            return;
        }
        let most = index::POSTING_BYTES[PostingKind::of(key).index()];
        let bytes: usize = item
            .keys()
            .map(|name| name.len() + item.text(name).map_or(0, str::len))
            .sum();
        if bytes > most {
            self.report(format!("a posting of {bytes} bytes, more than {most}: {key:?}"));
        }
    }

    /// Checks that the postings and memberships are those of the movies, and no others but those that an unfinished edit has
    /// left.
    pub(super) fn postings(&mut self) {
        let mut found = Vec::new();
        let mut expected = BTreeMap::new();
        let mut left = BTreeSet::new();
        for movie in self.movies.values() {
            left.extend(left_postings(movie));
            for (key, item) in index::postings(&movie.fields, movie.id) {
                expected.insert(key, to_item(&item).unwrap());
            }
        }
        for (key, item) in &expected {
            match self.index.get(key) {
                None => found.push(format!("missing: {key:?}")),
                Some(there) if there != item => {
                    found.push(format!("{key:?} is {there:?} instead of {item:?}"));
                }
                Some(_) => {}
            }
        }
        let is_known = |key: &Key| expected.contains_key(key) || left.contains(key);
        for key in self.index.keys().filter(|key| !is_known(key)) {
            found.push(format!("orphan: {key:?}"));
        }
        self.found.extend(found);
    }

    /// Checks that the count of each genre is the number of its movies and of its memberships, and that its list has the
    /// newest of them.
    pub(super) fn genres(&mut self) {
        let mut by_movies: BTreeMap<String, u64> = BTreeMap::new();
        for movie in self.movies.values() {
            for genre in movie.fields.genres.iter() {
                *by_movies.entry(genre.identity()).or_default() += 1;
            }
        }
        let mut by_members: BTreeMap<String, u64> = BTreeMap::new();
        for item in self.index.values().filter(|item| item.contains_key("dated")) {
            let dated = text(item, "dated");
            let identity = dated.trim_start_matches("GENRE#").to_owned();
            *by_members.entry(identity).or_default() += 1;
        }
        let counted: BTreeMap<String, u64> = self
            .genres
            .iter()
            .map(|(identity, genre)| (identity.clone(), genre.n))
            .collect();
        if counted != by_movies {
            self.report(format!(
                "the genres count {counted:?}, the movies have {by_movies:?}"
            ));
        }
        if counted != by_members {
            self.report(format!(
                "the genres count {counted:?}, the memberships are {by_members:?}"
            ));
        }
        let found = newest::discrepancies(&self.genres, self.movies.values());
        self.found.extend(found);
    }
}
