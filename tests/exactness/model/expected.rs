//! The lists of the reference, as a caller sees them.

use serde_json::{Value, json};

use super::{comparison::Comparison, reference::*, requests::*, vocabulary::*};
use crate::support::{Caller, encode};

/// What a collection says about how many results it has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    Exact(usize),
    ExactOrUnknown(usize),
    Unknown,
}

impl Count {
    pub(super) fn check(self, count: &Value, path: &str) {
        match self {
            Self::Exact(n) => assert_eq!(*count, n, "{path}"),
            Self::ExactOrUnknown(n) => assert!(count.is_null() || *count == n, "{path}: {count} for {n}"),
            Self::Unknown => assert_eq!(*count, Value::Null, "{path}"),
        }
    }
}

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

    /// The movies that pass these filters, in order.
    fn filtered(&self, genres: &[GenreName], director: Option<&Text>, dates: Dates, order: &str) -> Vec<u64> {
        let name = director.map(|director| director.names().into_iter().next().unwrap_or_default());
        self.ordered(order, |movie| {
            let date = movie.text.date;
            let is_in_time = match dates {
                Dates::All => true,
                Dates::Year(year) => date.starts_with(year),
                Dates::From(from) => date >= from,
                Dates::To(to) => date <= to,
                Dates::Between(from, to) => (from..=to).contains(&date),
            };
            let canonical = |name: &Vec<String>| {
                name.iter()
                    .map(|word| canonical(word).to_owned())
                    .collect::<Vec<_>>()
            };
            let names = || {
                movie
                    .text
                    .director
                    .names()
                    .iter()
                    .map(canonical)
                    .collect::<Vec<_>>()
            };
            is_in_time
                && genres.iter().all(|genre| movie.identities().contains(genre.1))
                && name
                    .as_ref()
                    .is_none_or(|name| names().contains(&canonical(name)))
        })
    }

    /// Returns the path of a list, its count and its results as `caller` sees them. Where filters are combined, the count is
    /// exact or unknown.
    pub(super) fn list(&self, list: &List, caller: &Caller) -> (String, Count, Vec<Value>) {
        match list {
            List::All(order) => {
                let movies = self.ordered(order, |_| true);
                let path = format!("/api/movies/?ordering={order}");
                (path, Count::Exact(movies.len()), self.bodies(&movies, caller.id))
            }
            List::Genre((name, identity), order) => {
                let movies = self.ordered(order, |movie| movie.identities().contains(identity));
                let path = format!("/api/movies/?genre={}&ordering={order}", encode(name));
                (path, Count::Exact(movies.len()), self.bodies(&movies, caller.id))
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
                (path, Count::Exact(movies.len()), self.bodies(&movies, caller.id))
            }
            List::Filtered(genres, director, dates, order) => {
                let movies = self.filtered(genres, director.as_ref(), *dates, order);
                let mut path = format!("/api/movies/?ordering={order}");
                for (name, _) in genres {
                    path += &format!("&genre={}", encode(name));
                }
                if let Some(director) = director {
                    // One name of the text, as it is written.
                    let mut names = director.written.split(',');
                    let name = names.find(|name| !name.trim().is_empty()).unwrap_or("?");
                    path += &format!("&director={}", encode(name));
                }
                path += &match dates {
                    Dates::All => String::new(),
                    Dates::Year(year) => format!("&year={year}"),
                    Dates::From(from) => format!("&released_from={from}"),
                    Dates::To(to) => format!("&released_to={to}"),
                    Dates::Between(from, to) => format!("&released_from={from}&released_to={to}"),
                };
                (
                    path,
                    Count::ExactOrUnknown(movies.len()),
                    self.bodies(&movies, caller.id),
                )
            }
            List::Categories => {
                let categories = self.categories(caller.id);
                (
                    "/api/movies/categories/?".into(),
                    Count::Exact(categories.len()),
                    categories,
                )
            }
            List::Favorites => {
                let user = self.users.iter().find(|user| user.caller.id == caller.id);
                let favorites: Vec<u64> = user
                    .map(|user| user.favorites.iter().rev().copied().collect())
                    .unwrap_or_default();
                (
                    "/api/users/me/favorites/?".into(),
                    Count::Unknown,
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
                (
                    "/api/users/?".into(),
                    Count::Exact(self.users.len()),
                    users.collect(),
                )
            }
        }
    }
}
