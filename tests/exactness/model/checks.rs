//! Checks of the server's lists and searches against the reference.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{requests::*, vocabulary::*, world::World};
use crate::support::{Caller, audit::audit, encode};

impl World {
    /// Walks a list page by page, forwards and back.
    pub(super) async fn walk(&self, who: Who, list: &List, limit: usize) {
        let caller = self.caller(who);
        let (path, count, expected) = self.list(list, &caller);
        let path = format!("{path}&limit={limit}");
        if caller.id == 0 && matches!(list, List::Favorites | List::Users) {
            caller.get(&path).send().await.is(401);
            return;
        }
        let (forwards, back) = self.both_ways(&caller, &path, count, limit).await;
        assert_eq!(forwards, expected, "{path}");
        assert_eq!(back, expected, "{path}, backwards");
    }

    /// Everything in a collection, first by `next`, then from the last page back by `previous`.
    pub(super) async fn both_ways(
        &self,
        caller: &Caller,
        path: &str,
        count: Option<usize>,
        limit: usize,
    ) -> (Vec<Value>, Vec<Value>) {
        let mut page = caller.get(path).send().await.is(200);
        assert_eq!(page.body["previous"], Value::Null, "{path}");
        let mut forwards = Vec::new();
        loop {
            let results = page.body["results"].as_array().unwrap();
            assert!(results.len() <= limit);
            assert_eq!(page.body["count"], json!(count), "{path}");
            forwards.extend(results.iter().cloned());
            assert!(forwards.len() <= 1000, "{path} doesn't end");
            match page.body["next"].as_str() {
                Some(next) => page = caller.get(next).send().await.is(200),
                None => break,
            }
        }
        let mut pages = vec![page.body["results"].as_array().unwrap().clone()];
        while let Some(previous) = page.body["previous"].as_str() {
            page = caller.get(previous).send().await.is(200);
            pages.push(page.body["results"].as_array().unwrap().clone());
            assert!(pages.len() <= 1000, "{path} doesn't begin");
        }
        pages.reverse();
        (forwards, pages.concat())
    }

    /// What was there throughout is met exactly once.
    pub(super) async fn walk_amid_changes(&mut self, list: &List, limit: usize, movies: &[usize]) {
        let admin = self.caller(Some(0));
        let (path, _, _) = self.list(list, &admin);
        let mut throughout: BTreeSet<u64> = self.movies.keys().copied().collect();
        let (mut met, mut movies) = (Vec::new(), movies.iter());
        let mut next = Some(format!("{path}&limit={limit}"));
        while let Some(path) = next {
            let page = admin.get(&path).send().await.is(200);
            let ids = page.ids();
            met.extend(ids.iter().copied());
            next = page.body["next"].as_str().map(str::to_owned);
            if let Some(n) = movies.next() {
                // The movie at which the page ended, or any.
                let gone = ids
                    .last()
                    .copied()
                    .filter(|_| n % 2 == 0)
                    .unwrap_or_else(|| self.pick(*n));
                self.app.clock.advance(1);
                if self.movies.contains_key(&gone) {
                    admin.delete(&format!("/api/movies/{gone}/")).send().await.is(204);
                    self.forget(gone);
                    throughout.remove(&gone);
                }
                let new = MovieText {
                    title: Text::of(&[("Newcomer".into(), "newcomer".into())]),
                    director: Text::of(&[("Kid".into(), "kid".into())]),
                    genres: vec![GENRES[n % GENRES.len()]],
                    date: DATES[n % DATES.len()],
                    description: "New.".into(),
                    imdb_id: None,
                };
                self.create(Some(0), &new, None, None).await;
            }
        }
        let distinct: BTreeSet<u64> = met.iter().copied().collect();
        assert_eq!(distinct.len(), met.len(), "met twice: {met:?}");
        assert!(
            distinct.is_superset(&throughout),
            "{met:?} without some of {throughout:?}"
        );
    }

    /// Searches with everything on one page.
    pub(super) async fn search_once(&self, words: &[String]) {
        let path = format!("/api/movies/search/?q={}&limit=100", encode(&words.join(" ")));
        let answer = self.app.anonymous().get(&path).send().await.is(200);
        assert_eq!(
            (&answer.body["count"], &answer.body["next"]),
            (&Value::Null, &Value::Null)
        );
        self.check_found(words, answer.body["results"].as_array().unwrap());
    }

    /// Searches page by page, forwards and back, and with everything on one page: always in the same order.
    pub(super) async fn search(&self, q: &Text, limit: usize) {
        let path = format!("/api/movies/search/?q={}", encode(&q.written));
        let nobody = self.app.anonymous();
        let (forwards, back) = self
            .both_ways(&nobody, &format!("{path}&limit={limit}"), None, limit)
            .await;
        assert_eq!(forwards, back, "{q:?}, backwards");
        self.check_found(&q.words, &forwards);
        let whole = nobody.get(&format!("{path}&limit=100")).send().await.is(200);
        assert_eq!(whole.body["results"], json!(forwards), "{q:?}");
    }

    /// Whether a search of these words found what it should, class by class.
    pub(super) fn check_found(&self, words: &[String], movies: &[Value]) {
        let found: Vec<u64> = movies.iter().map(|movie| movie["id"].as_u64().unwrap()).collect();
        assert_eq!(movies, self.bodies(&found, 0), "{words:?}");
        let mut expected: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
        for (id, movie) in &self.movies {
            if let Some(rank) = movie.rank(words) {
                expected.entry(rank).or_default().insert(*id);
            }
        }
        let mut rest = found.as_slice();
        for (rank, class) in &expected {
            let (these, others) = rest.split_at(class.len().min(rest.len()));
            let these: BTreeSet<u64> = these.iter().copied().collect();
            assert_eq!(these, *class, "{words:?}: class {rank} of {found:?}");
            rest = others;
        }
        assert!(
            rest.is_empty(),
            "{words:?} finds {found:?}, and not only {expected:?}"
        );
    }

    /// After every step: the lists that show everything at once, as different users see them.
    pub(super) async fn look_around(&self) {
        let turn = self.movies.len() + self.users.len();
        let caller = self.caller(Some(turn));
        let order = ORDERS[turn % ORDERS.len()];
        let imdb_id = IMDB_IDS[turn % IMDB_IDS.len()];
        for list in [
            List::All(order),
            List::ImdbId(imdb_id, None),
            List::Categories,
            List::Favorites,
            List::Users,
        ] {
            let (path, count, expected) = self.list(&list, &caller);
            let page = caller.get(&format!("{path}&limit=100")).send().await.is(200);
            let expected = json!({"count": count, "next": null, "previous": null, "results": expected});
            assert_eq!(page.body, expected, "{path}");
        }
        let mut newest = self.ordered("-release_date", |_| true);
        newest.truncate(5);
        let nobody = self.app.anonymous();
        for (path, movies) in [
            ("/api/movies/newest/", newest),
            ("/api/movies/most-liked/", self.most_liked(10)),
            ("/api/movies/most-liked/?limit=2", self.most_liked(2)),
        ] {
            let answer = nobody.get(path).send().await.is(200);
            assert_eq!(answer.body, json!({"results": self.bodies(&movies, 0)}), "{path}");
        }
    }

    /// At the end: every list page by page, every movie by its own title, and the audit.
    pub(super) async fn conclude(&self) {
        let orders = if self.look == Look::Lists { ORDERS } else { &[] };
        for (n, order) in orders.iter().enumerate() {
            self.walk(Some(n), &List::All(order), 3).await;
            self.walk(Some(n), &List::Genre(GENRES[n], order), 2).await;
        }
        for n in 0..self.users.len() {
            self.walk(Some(n), &List::Favorites, 2).await;
        }
        self.walk(None, &List::Categories, 2).await;
        self.walk(Some(1), &List::Users, 2).await;
        for (id, movie) in &self.movies {
            let answer = self
                .caller(Some(1))
                .get(&format!("/api/movies/{id}/"))
                .send()
                .await
                .is(200);
            assert_eq!(answer.body, movie.body(*id, self.users[1].caller.id));
            if id % 4 == 0 {
                self.search(&movie.text.title, 3).await;
            }
        }
        audit(&self.app.running.state.store).await;
    }
}
