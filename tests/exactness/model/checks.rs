//! Comparisons of the server's lists and searches with the reference.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{comparison::Comparison, expected::Count, requests::*, vocabulary::*};
use crate::support::{Caller, audit::audit};

impl Comparison {
    /// Compares a list with the reference page by page, forward and backward.
    pub(super) async fn walk(&self, who: Who, list: &List, limit: usize) {
        let caller = self.caller(who);
        let (path, count, expected) = self.list(list, &caller);
        let path = format!("{path}&limit={limit}");
        if caller.id == 0 && matches!(list, List::Favorites | List::Users) {
            caller.get(&path).send().await.is(401);
            return;
        }
        let (forward, back) = self.both_ways(&caller, &path, count, limit).await;
        assert_eq!(forward, expected, "{path}");
        assert_eq!(back, expected, "{path}, backward");
    }

    /// Returns all results of a collection twice: by following `next`, and from the last page by following `previous`.
    pub(super) async fn both_ways(
        &self,
        caller: &Caller,
        path: &str,
        count: Count,
        limit: usize,
    ) -> (Vec<Value>, Vec<Value>) {
        let mut page = caller.get(path).send().await.is(200);
        assert_eq!(page.body["previous"], Value::Null, "{path}");
        let mut forward = Vec::new();
        loop {
            let results = page.body["results"].as_array().unwrap();
            assert!(results.len() <= limit);
            count.check(&page.body["count"], path);
            forward.extend(results.iter().cloned());
            assert!(forward.len() <= 1000, "{path} does not end");
            match page.body["next"].as_str() {
                Some(next) => page = caller.get(next).send().await.is(200),
                None => break,
            }
        }
        let mut pages = vec![page.body["results"].as_array().unwrap().clone()];
        while let Some(previous) = page.body["previous"].as_str() {
            page = caller.get(previous).send().await.is(200);
            pages.push(page.body["results"].as_array().unwrap().clone());
            assert!(pages.len() <= 1000, "{path} does not begin");
        }
        pages.reverse();
        (forward, pages.concat())
    }

    /// Walks a list while movies are deleted and added. Asserts that every movie that existed throughout is seen
    /// exactly once.
    pub(super) async fn walk_amid_changes(&mut self, list: &List, limit: usize, movies: &[usize]) {
        let admin = self.caller(Some(0));
        let (path, _, _) = self.list(list, &admin);
        let mut throughout: BTreeSet<u64> = self.movies.keys().copied().collect();
        let (mut listed, mut movies) = (Vec::new(), movies.iter());
        let mut next = Some(format!("{path}&limit={limit}"));
        while let Some(path) = next {
            let page = admin.get(&path).send().await.is(200);
            let ids = page.ids();
            listed.extend(ids.iter().copied());
            next = page.body["next"].as_str().map(str::to_owned);
            if let Some(n) = movies.next() {
                // Deletes the movie at the end of the page, or another one.
                let gone = ids
                    .last()
                    .copied()
                    .filter(|_| n % 2 == 0)
                    .unwrap_or_else(|| self.movie_id(*n));
                self.app.clock.advance(1);
                if self.movies.contains_key(&gone) {
                    admin.delete(&format!("/api/movies/{gone}/")).send().await.is(204);
                    self.remove_movie(gone);
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
        let distinct: BTreeSet<u64> = listed.iter().copied().collect();
        assert_eq!(
            distinct.len(),
            listed.len(),
            "a movie is listed twice: {listed:?}"
        );
        assert!(
            distinct.is_superset(&throughout),
            "{listed:?} lacks some of {throughout:?}"
        );
    }

    /// Compares every list after a step. The caller and the order vary from step to step.
    pub(super) async fn check_all_lists(&self) {
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
            count.check(&page.body["count"], &path);
            let expected = json!({
                "count": page.body["count"],
                "next": null,
                "previous": null,
                "results": expected
            });
            assert_eq!(page.body, expected, "{path}");
        }
        self.check_sessions(&self.users[turn % self.users.len()]).await;
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

    /// At the end of a sequence: compares every list page by page, every movie, and searches for some of their titles.
    /// Then audits the table.
    pub(super) async fn check_final_state(&self) {
        let orders = if self.focus == Focus::Lists { ORDERS } else { &[] };
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
