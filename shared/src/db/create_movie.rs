//! Adding a movie: AP-10.

use std::collections::BTreeMap;

use crate::{
    clock::Instant,
    db::{
        counter::Counter,
        expression::Condition,
        favorite::FavoriteItem,
        genre::GenreChanges,
        imdb_id::ImdbIdChange,
        index::{self, PostingItem},
        item::{Item, corrupt},
        keys::{self, Key},
        likes::{CountChange, ONE_FAVORITE},
        movie::{MovieItem, MovieView},
        new_words::READ_FOR_NEW,
        optimistic::{Plan, Revision},
        store::Store,
        transaction::{CommitCheck, Outcome, Transaction},
        vocabulary::vocabulary_words,
    },
    domain::{MovieFields, MovieId, UserId},
    error::Result,
};

impl Store {
    /// AP-10: adds a movie with its postings and counts, and with the favorite of `favorite_of`, in one transaction. Words that
    /// are new are added to the vocabulary before.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) if another movie has its IMDb id.
    pub async fn create_movie(
        &self,
        fields: &MovieFields,
        user: UserId,
        favorite_of: Option<UserId>,
    ) -> Result<MovieView> {
        let words = vocabulary_words(fields);
        let read = READ_FOR_NEW.saturating_sub(fields.genres.iter().count());
        let (id, genres, new_words) = tokio::try_join!(
            self.take_ids(Counter::MovieIds, 1),
            self.genres_of_new(fields),
            self.new_words(&words, read)
        )?;
        self.add_words(&new_words).await?;
        let id = Some(id)
            .filter(|id| *id < ONE_FAVORITE)
            .and_then(|id| MovieId::try_from(id).ok());
        let id = id.ok_or_else(|| corrupt("more movies than ids"))?;
        let now = self.clock.now();
        let mut movie = MovieItem::new(id, fields, Some(user), &now.to_string());
        if favorite_of.is_some() {
            movie.count_favorite(CountChange::Add, self.likes_shards);
        }
        let mut plan = CreatePlan {
            movie,
            now,
            favorite_of,
            postings: index::postings(fields, id),
            genres: GenreChanges::of_new(fields, id, genres),
            imdb_id: ImdbIdChange::between(id, None, fields.imdb_id.as_ref()),
        };
        self.commit_without_read("create_movie", &mut plan).await?;
        Ok(MovieView {
            movie: plan.movie,
            favorite: favorite_of.is_some(),
        })
    }
}

/// A new movie with all its items.
struct CreatePlan {
    movie: MovieItem,
    now: Instant,
    favorite_of: Option<UserId>,
    postings: BTreeMap<Key, PostingItem>,
    genres: GenreChanges,
    imdb_id: ImdbIdChange,
}

impl Plan for CreatePlan {
    fn transaction(&mut self, store: &Store) -> Result<Transaction> {
        let mut transaction = Transaction::default();
        // No other request has this id.
        transaction.check_commit(CommitCheck::Has(self.movie.key(), Item::new()));
        let movie = store.on(self.movie.key());
        transaction.add(movie.put(&self.movie, Condition::not_exists())?);
        transaction.add(store.count(Counter::Movies, 1)?);
        for (key, posting) in &self.postings {
            transaction.add(store.on(key.clone()).put(posting, Condition::none())?);
        }
        if let Some(user) = self.favorite_of {
            let favorite = FavoriteItem::new(self.movie.id, user, self.now);
            let key = keys::favorite(self.movie.id, user);
            transaction.add(store.on(key).put(&favorite, Condition::not_exists())?);
        }
        self.genres.add_to(store, &mut transaction)?;
        self.imdb_id.add_to(store, &mut transaction)?;
        Ok(transaction)
    }

    fn revise(&mut self, outcome: &Outcome) -> Result<Revision> {
        self.imdb_id.check(outcome)?;
        if self.genres.revise(outcome)? {
            Ok(Revision::Retry)
        } else {
            Err(corrupt("a movie under an unused id"))
        }
    }
}
