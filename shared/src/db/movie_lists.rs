//! The lists of movies: all of them, a genre's, the newest and the most liked.

use crate::{
    db::{
        counter::Counter,
        genre::genre_by_date,
        index,
        item::from_item,
        keys::{self, BY_DATE},
        movie::{MovieView, newest_first},
        page::{Counted, PageLimit, Window},
        range::{Direction, KeyRange},
        store::Store,
    },
    domain::UserId,
    error::Result,
};

/// The order of a list of movies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MovieOrder {
    /// `id`.
    #[default]
    Id,
    /// `-id`.
    IdDescending,
    /// `release_date`.
    ReleaseDate,
    /// `-release_date`.
    ReleaseDateDescending,
}

impl MovieOrder {
    pub(crate) fn direction(self) -> Direction {
        match self {
            Self::Id | Self::ReleaseDate => Direction::Ascending,
            Self::IdDescending | Self::ReleaseDateDescending => Direction::Descending,
        }
    }

    pub(crate) fn is_by_id(self) -> bool {
        matches!(self, Self::Id | Self::IdDescending)
    }
}

impl Store {
    /// AP-02, AP-03: a page of all movies, and the number of movies.
    pub async fn list_movies(
        &self,
        order: MovieOrder,
        window: &Window,
        limit: PageLimit,
        caller: Option<UserId>,
    ) -> Result<Counted<MovieView>> {
        if order.is_by_id() {
            let counters = [Counter::Movies, Counter::MovieIds];
            let Counted { count, slice } = self
                .walk_buckets(keys::movie_bucket, counters, order.direction(), window, limit)
                .await?;
            let (movies, place) = slice.try_map(from_item)?.split();
            let views = self.with_favorites(movies, caller).await?;
            return Ok(Counted {
                count,
                slice: place.with_items(views),
            });
        }
        let range = KeyRange::partition(BY_DATE, keys::MOVIES_DATED);
        let ([count], slice) = tokio::try_join!(
            self.read_counters([Counter::Movies]),
            self.walk(range, order.direction(), window, limit)
        )?;
        let slice = self.get_movies_of_page(slice, caller).await?;
        Ok(Counted { count, slice })
    }

    /// AP-04, AP-05: a page of a genre's movies, and the number of its movies.
    pub async fn list_movies_of_genre(
        &self,
        identity: &str,
        order: MovieOrder,
        window: &Window,
        limit: PageLimit,
        caller: Option<UserId>,
    ) -> Result<Counted<MovieView>> {
        let range = if order.is_by_id() {
            index::members(identity)
        } else {
            genre_by_date(identity)
        };
        let (count, slice) = tokio::try_join!(
            self.count_genre(identity),
            self.walk(range, order.direction(), window, limit)
        )?;
        let slice = self.get_movies_of_page(slice, caller).await?;
        Ok(Counted { count, slice })
    }

    /// AP-08: the newest movies by release date, then by id.
    pub async fn newest_movies(&self, limit: PageLimit, caller: Option<UserId>) -> Result<Vec<MovieView>> {
        let range = KeyRange::partition(BY_DATE, keys::MOVIES_DATED);
        let slice = self
            .walk(range, Direction::Descending, &Window::First, limit)
            .await?;
        let mut views = self.get_movies_of_page(slice, caller).await?.items;
        newest_first(&mut views);
        Ok(views)
    }

    /// AP-07: the movies with the most favorites, then by id; only movies with favorites.
    pub async fn most_liked_movies(
        &self,
        limit: PageLimit,
        caller: Option<UserId>,
    ) -> Result<Vec<MovieView>> {
        let ids = self.most_liked_ids(limit.get()).await?;
        let mut views = self.get_movies(&ids, caller).await?;
        // The index may lag behind the movies, whose counts are shown. So the movies decide.
        views.retain(|view| view.movie.favorite_count() > 0);
        views.sort_by_key(|view| std::cmp::Reverse(view.movie.likes));
        Ok(views)
    }
}
