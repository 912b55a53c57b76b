//! Categories: genres, each with its newest movies.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::{
    db::{
        genre::{GenreItem, genre_by_date},
        keys,
        movie::{MovieView, movie_ids, newest_first},
        page::{Counted, PageLimit, Position, Window},
        range::Direction,
        store::Store,
    },
    domain::{MovieId, UserId},
    error::{Error, Result},
};

/// How many Queries a request runs in parallel.
const MAX_PARALLEL_QUERIES: usize = 32;

/// A genre with its newest movies.
#[derive(Clone, Debug)]
pub struct Category {
    /// The genre.
    pub genre: GenreItem,
    /// Its newest movies, newest first.
    pub movies: Vec<MovieView>,
}

impl Category {
    /// The position of the genre among all genres.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::at(keys::genre(&self.genre.identity).sk)
    }
}

impl Store {
    /// AP-06: a page of genres in alphabetical order, each with its newest movies, and the number of genres. Two round trips:
    /// the genres, which list their newest movies, and these movies in parallel batches. If a genre's list has run out, its
    /// movies are read from the index by date in between (AP-05).
    pub async fn list_categories(
        &self,
        window: &Window,
        limit: PageLimit,
        movies: PageLimit,
        caller: Option<UserId>,
    ) -> Result<Counted<Category>> {
        let Counted { count, slice } = self.list_genres(window, limit).await?;
        let (genres, place) = slice.split();
        let latest = self.latest_of(&genres, movies).await?;
        let views = self.get_movies(&latest.concat(), caller).await?;
        let views: HashMap<MovieId, MovieView> = views.into_iter().map(|v| (v.movie.id, v)).collect();
        let categories = genres.into_iter().zip(latest).map(|(genre, ids)| {
            let mut movies: Vec<MovieView> = ids.iter().filter_map(|id| views.get(id).cloned()).collect();
            newest_first(&mut movies);
            Category { genre, movies }
        });
        Ok(Counted {
            count,
            slice: place.with_items(categories.collect()),
        })
    }

    /// The newest movies of each of these genres.
    async fn latest_of(&self, genres: &[GenreItem], movies: PageLimit) -> Result<Vec<Vec<MovieId>>> {
        let mut latest = Vec::with_capacity(genres.len());
        let mut missing = Vec::new();
        for genre in genres {
            let listed = genre.newest.latest(movies.get(), genre.n)?;
            if listed.is_none() {
                missing.push((latest.len(), genre_by_date(&genre.identity)));
            }
            latest.push(listed.unwrap_or_default());
        }
        let reads = missing.into_iter().map(|(place, range)| async move {
            let newest = self
                .walk(range, Direction::Descending, &Window::First, movies)
                .await?;
            Ok::<_, Error>((place, movie_ids(&newest.items)?))
        });
        // A page of 100 genres takes several rounds, so that it doesn't open 100 connections.
        let mut reads = futures_util::stream::iter(reads).buffer_unordered(MAX_PARALLEL_QUERIES);
        while let Some((place, ids)) = reads.try_next().await? {
            if let Some(slot) = latest.get_mut(place) {
                *slot = ids;
            }
        }
        Ok(latest)
    }
}
