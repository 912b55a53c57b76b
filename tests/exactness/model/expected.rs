//! The lists of the reference, as a caller sees them.

use serde_json::{Value, json};

use super::{comparison::Comparison, reference::*, requests::*, vocabulary::*};
use crate::support::{Caller, encode};

impl Comparison {
    /// Returns the movies for which `keep` is true, in this order.
    pub(super) fn ordered(&self, order: &str, keep: impl Fn(&Movie) -> bool) -> Vec<u64> {
        let mut movies: Vec<(&str, u64)> = self
            .movies
            .iter()
            .filter(|(_, movie)| keep(movie))
            .map(|(id, movie)| {
                (
                    if order.ends_with("date") {
                        movie.text.date
                    } else {
                        ""
                    },
                    *id,
                )
            })
            .collect();
        movies.sort_unstable();
        if order.starts_with('-') {
            movies.reverse();
        }
        movies.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn bodies(&self, ids: &[u64], caller: u64) -> Vec<Value> {
        ids.iter().map(|id| self.movies[id].body(*id, caller)).collect()
    }

    pub(super) fn categories(&self, caller: u64) -> Vec<Value> {
        let category = |(identity, name): (&&str, &&str)| {
            let mut movies = self.ordered("-release_date", |movie| movie.identities().contains(identity));
            let count = movies.len();
            movies.truncate(5);
            json!({"genre": name, "count": count, "movies": self.bodies(&movies, caller)})
        };
        self.genres.iter().map(category).collect()
    }

    pub(super) fn most_liked(&self, limit: usize) -> Vec<u64> {
        let liked = self.movies.iter().map(|(id, movie)| (movie.favorites.len(), *id));
        let mut liked: Vec<(usize, u64)> = liked.filter(|(favorites, _)| *favorites > 0).collect();
        liked.sort_unstable_by(|a, b| b.cmp(a));
        liked.into_iter().take(limit).map(|(_, id)| id).collect()
    }

    /// Returns the path of a list, its count and its results as `caller` sees them.
    pub(super) fn list(&self, list: &List, caller: &Caller) -> (String, Option<usize>, Vec<Value>) {
        match list {
            List::All(order) => {
                let movies = self.ordered(order, |_| true);
                let path = format!("/api/movies/?ordering={order}");
                (path, Some(movies.len()), self.bodies(&movies, caller.id))
            }
            List::Genre((name, identity), order) => {
                let movies = self.ordered(order, |movie| movie.identities().contains(identity));
                let path = format!("/api/movies/?genre={}&ordering={order}", encode(name));
                (path, Some(movies.len()), self.bodies(&movies, caller.id))
            }
            List::ImdbId(imdb_id, genre) => {
                let movies = self.ordered("id", |movie| {
                    let is_of_genre = |(_, identity): &GenreName| movie.identities().contains(identity);
                    movie.text.imdb_id == Some(*imdb_id) && genre.as_ref().is_none_or(is_of_genre)
                });
                let mut path = format!("/api/movies/?imdb_id={imdb_id}");
                if let Some((name, _)) = genre {
                    path += &format!("&genre={}", encode(name));
                }
                (path, Some(movies.len()), self.bodies(&movies, caller.id))
            }
            List::Categories => {
                let categories = self.categories(caller.id);
                (
                    "/api/movies/categories/?x=y".into(),
                    Some(categories.len()),
                    categories,
                )
            }
            List::Favorites => {
                let user = self.users.iter().find(|user| user.caller.id == caller.id);
                let favorites: Vec<u64> = user
                    .map(|user| user.favorites.iter().rev().copied().collect())
                    .unwrap_or_default();
                (
                    "/api/users/me/favorites/?x=y".into(),
                    None,
                    self.bodies(&favorites, caller.id),
                )
            }
            List::Users => {
                let is_admin = self.is_admin(caller);
                let users = self.users.iter().map(|user| {
                    let mut body = user.body.clone();
                    if !is_admin {
                        body.as_object_mut().unwrap().remove("email");
                    }
                    body
                });
                ("/api/users/?x=y".into(), Some(self.users.len()), users.collect())
            }
        }
    }
}
