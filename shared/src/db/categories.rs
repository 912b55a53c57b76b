//! Categories: genres, each with its newest movies.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::{
    db::{
        genre::{GenreItem, genre_by_date},
        keys,
        movie::{MovieView, movie_ids, newest_first},
        page::{Counted, PageLimit, Position, Window},
        range::{Direction, KeyRange},
        store::Store,
    },
    domain::{MovieId, UserId},
    error::Result,
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
    /// AP-05, AP-06: a page of genres in alphabetical order, each with its newest movies, and the number of genres. Three
    /// rounds: the genres, one Query for each of them in parallel, and their movies in parallel batches.
    pub async fn list_categories(
        &self,
        window: &Window,
        limit: PageLimit,
        movies: PageLimit,
        caller: Option<UserId>,
    ) -> Result<Counted<Category>> {
        let Counted { count, slice } = self.list_genres(window, limit).await?;
        let (genres, place) = slice.split();
        let ranges: Vec<KeyRange> = genres
            .iter()
            .map(|genre| genre_by_date(&genre.identity))
            .collect();
        let members = ranges.into_iter().map(|range| async move {
            let newest = self
                .walk(range, Direction::Descending, &Window::First, movies)
                .await?;
            movie_ids(&newest.items)
        });
        // A page of 21 genres takes one round. A page of 100 takes several, so that it doesn't open 100 connections.
        let members: Vec<Vec<MovieId>> = futures_util::stream::iter(members)
            .buffered(MAX_PARALLEL_QUERIES)
            .try_collect()
            .await?;
        let views = self.get_movies(&members.concat(), caller).await?;
        let views: HashMap<MovieId, MovieView> = views.into_iter().map(|v| (v.movie.id, v)).collect();
        let categories = genres.into_iter().zip(members).map(|(genre, ids)| {
            let mut movies: Vec<MovieView> = ids.iter().filter_map(|id| views.get(id).cloned()).collect();
            newest_first(&mut movies);
            Category { genre, movies }
        });
        Ok(Counted {
            count,
            slice: place.with_items(categories.collect()),
        })
    }
}
