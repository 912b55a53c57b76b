//! Adding a movie: AP-10.

use std::collections::BTreeMap;

use crate::{
    clock::Instant,
    db::{
        counter::Counter,
        covers,
        expression::Condition,
        favorite::FavoriteItem,
        genre::GenreChanges,
        idempotency::{Answered, Keeping, KeptAnswer, KeyedRequest, NewAnswer},
        imdb_id::ImdbIdChange,
        index::{self, PostingItem},
        item::{Item, corrupt},
        keys::{self, Key},
        likes::{CountChange, ONE_FAVORITE},
        movie::{MovieItem, MovieView},
        new_words::READ_FOR_NEW,
        optimistic::{Plan, PlanOutcome, Revision},
        owned::OwnerChange,
        store::Store,
        transaction::{CommitCheck, Outcome, Transaction},
        vocabulary::vocabulary_words,
    },
    domain::{CoverImage, MovieFields, MovieId, UserId},
    error::Result,
};

impl Store {
    /// AP-10: adds a movie with its postings and counts, and with the favorite of `favorite_of`, in one transaction. Words that
    /// are new are added to the vocabulary before.
    ///
    /// # Errors
    /// [`Error::InvalidToken`](crate::Error::InvalidToken) if the owner doesn't exist;
    /// [`Error::Conflict`](crate::Error::Conflict) if another movie has its IMDb id.
    pub async fn create_movie(
        &self,
        fields: &MovieFields,
        user: UserId,
        favorite_of: Option<UserId>,
    ) -> Result<MovieView> {
        Ok(self.add_movie(fields, user, favorite_of, None).await?.answer)
    }

    /// AP-10, AP-46: adds a movie in the same way, unless an earlier request with the same key has. Returns the movie as it was
    /// added then, whatever has become of it. It takes no trip more.
    ///
    /// # Errors
    /// [`Error::KeyReused`](crate::Error::KeyReused) if the key was used for another request;
    /// [`Error::Conflict`](crate::Error::Conflict) if another movie has its IMDb id.
    pub async fn create_movie_once(
        &self,
        fields: &MovieFields,
        user: UserId,
        favorite_of: Option<UserId>,
        request: &KeyedRequest,
    ) -> Result<Answered<MovieView>> {
        self.add_movie(fields, user, favorite_of, Some(request)).await
    }

    /// AP-46: the movie that an earlier request with the same key added, as it was then. One call, 1 unit.
    ///
    /// # Errors
    /// [`Error::KeyReused`](crate::Error::KeyReused) if the key was used for another request.
    pub async fn movie_added_before(
        &self,
        fields: &MovieFields,
        user: UserId,
        favorite_of: Option<UserId>,
        request: &KeyedRequest,
    ) -> Result<Option<MovieView>> {
        let kept = self.kept_answer(Some(request)).await?;
        kept.map(|kept| self.kept_movie(&kept, fields, user, favorite_of))
            .transpose()
    }

    async fn add_movie(
        &self,
        fields: &MovieFields,
        user: UserId,
        favorite_of: Option<UserId>,
        request: Option<&KeyedRequest>,
    ) -> Result<Answered<MovieView>> {
        let words = vocabulary_words(fields);
        let read = READ_FOR_NEW.saturating_sub(fields.genres.iter().count());
        // The id that a replay takes leaves a gap. To wait for the kept answer would be a trip more for every other request.
        let (kept, (), id, genres, new_words) = tokio::try_join!(
            self.kept_answer(request),
            self.check_user(user),
            self.take_ids(Counter::MovieIds, 1),
            self.genres_of_new(fields),
            self.new_words(&words, read)
        )?;
        if let Some(kept) = kept {
            let view = self.kept_movie(&kept, fields, user, favorite_of)?;
            return Ok(Answered::replayed(view));
        }
        self.add_words(&new_words).await?;
        let id = Some(id)
            .filter(|id| *id < ONE_FAVORITE)
            .and_then(|id| MovieId::try_from(id).ok());
        let id = id.ok_or_else(|| corrupt("more movies than ids"))?;
        let now = self.clock.now();
        let mut plan = CreatePlan {
            movie: self.new_movie(id, fields, user, favorite_of, &now.to_string()),
            now,
            favorite_of,
            postings: index::postings(fields, id),
            genres: GenreChanges::of_new(fields, id, genres),
            imdb_id: ImdbIdChange::between(id, None, fields.imdb_id.as_ref()),
            owner: OwnerChange::between(id, None, Some(user)),
            cover_action: None,
            keeping: Keeping::new(request, now),
        };
        let outcome = self.commit_without_read("create_movie", &mut plan).await?;
        if outcome == PlanOutcome::Replayed {
            let kept = plan.keeping.into_kept()?;
            let view = self.kept_movie(&kept, fields, user, favorite_of)?;
            return Ok(Answered::replayed(view));
        }
        Ok(Answered::first(MovieView {
            movie: plan.movie,
            favorite: favorite_of.is_some(),
        }))
    }

    /// A movie as it is when it is added at `created_at`.
    fn new_movie(
        &self,
        id: MovieId,
        fields: &MovieFields,
        user: UserId,
        favorite_of: Option<UserId>,
        created_at: &str,
    ) -> MovieItem {
        let mut movie = MovieItem::new(id, fields, Some(user), created_at);
        if favorite_of.is_some() {
            movie.count_favorite(CountChange::Add, self.likes_shards);
        }
        movie
    }

    /// The movie of a kept answer, which is the answer to the same request.
    fn kept_movie(
        &self,
        kept: &KeptAnswer,
        fields: &MovieFields,
        user: UserId,
        favorite_of: Option<UserId>,
    ) -> Result<MovieView> {
        let created_at = kept.created_at.as_deref();
        let created_at = created_at.ok_or_else(|| corrupt("no time of a movie that was added"))?;
        let mut fields = fields.clone();
        if let Some(cover) = &kept.cover {
            // The image that the first request has uploaded.
            fields.cover_image = Some(CoverImage::uploaded(cover));
        }
        Ok(MovieView {
            movie: self.new_movie(kept.movie, &fields, user, favorite_of, created_at),
            favorite: favorite_of.is_some(),
        })
    }
}

/// A new movie with all its items.
struct CreatePlan<'a> {
    movie: MovieItem,
    now: Instant,
    favorite_of: Option<UserId>,
    postings: BTreeMap<Key, PostingItem>,
    genres: GenreChanges,
    imdb_id: ImdbIdChange,
    owner: OwnerChange,
    /// The index of the action on the uploaded cover.
    cover_action: Option<usize>,
    keeping: Keeping<'a>,
}

impl Plan for CreatePlan<'_> {
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
        self.owner.add_to(store, &mut transaction)?;
        let cover = covers::uploaded(&self.movie.fields);
        if let Some(cover) = &cover {
            self.cover_action = Some(transaction.add(store.adopt_cover(cover)?));
        }
        let answer = NewAnswer {
            movie: self.movie.id,
            favorite: self.favorite_of.is_some(),
            created_at: Some(self.movie.created_at.clone()),
            count: None,
            cover,
        };
        self.keeping.add_to(store, &mut transaction, &answer)?;
        Ok(transaction)
    }

    fn revise(&mut self, outcome: &Outcome) -> Result<Revision> {
        // Before the IMDb id, which the movie of the earlier request has.
        if self.keeping.is_made(outcome)? {
            return Ok(Revision::Replay);
        }
        self.imdb_id.check(outcome)?;
        covers::check_adopted(self.cover_action, outcome)?;
        if self.genres.revise(outcome)? {
            Ok(Revision::Retry)
        } else {
            Err(corrupt("a movie under an unused id"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::client,
        clock::Clock,
        db::{idempotency::KEPT_SECONDS, posting_list::MAX_POSTINGS, transaction::MAX_ACTIONS},
        domain::{CoverKey, IdempotencyKey, ImageFormat, ImdbId},
    };

    /// A movie with as many postings as a movie can have, in nine new genres, with an IMDb id, a favorite and a key.
    #[test]
    fn the_largest_addition_fits_one_transaction() {
        let store = Store::new(client::local("http://127.0.0.1:1"), "t", Clock::default());
        let (id, user) = (MovieId::try_from(7).unwrap(), UserId::try_from(1).unwrap());
        let runs: String = (0..40).filter_map(|n| char::from_u32(0x4E00 + 7 * n)).collect();
        let genres: Vec<String> = (1..=9).map(|n| format!("g{n}")).collect();
        let title = (1..=13)
            .map(|n| format!("w{n}-x{n}"))
            .collect::<Vec<_>>()
            .join(" ");
        let mut fields = MovieFields::of_words(&format!("{title} {runs}"), "A, B, C", &genres.join(","));
        fields.imdb_id = ImdbId::parse("tt0078748").ok();
        let cover = CoverKey::random(ImageFormat::Jpeg).unwrap();
        fields.cover_image = Some(CoverImage::uploaded(&cover));
        let key = IdempotencyKey::parse(&[b'k'; 255]).unwrap();
        let request = KeyedRequest::of_addition(user, &key, &fields, user, true, None).unwrap();
        let now = store.clock.now();
        let mut plan = CreatePlan {
            movie: store.new_movie(id, &fields, user, Some(user), &now.to_string()),
            now,
            favorite_of: Some(user),
            postings: index::postings(&fields, id),
            genres: GenreChanges::of_new(&fields, id, std::collections::HashMap::new()),
            imdb_id: ImdbIdChange::between(id, None, fields.imdb_id.as_ref()),
            owner: OwnerChange::between(id, None, Some(user)),
            cover_action: None,
            keeping: Keeping::new(Some(&request), now),
        };
        assert_eq!(plan.postings.len(), MAX_POSTINGS);
        let actions = plan.transaction(&store).unwrap().into_actions();
        // The movie, the number of movies, the favorite, the genres and their number, the IMDb id, the owner's item, the cover's
        // item, the kept answer.
        assert_eq!(actions.len(), MAX_POSTINGS + 3 + 10 + 1 + 1 + 1 + 1);
        assert!(actions.len() <= MAX_ACTIONS);
        let kept = actions.last().unwrap().put().unwrap().item();
        let text = |name: &str| kept[name].as_s().map_or(20, String::len);
        let bytes: usize = kept.keys().map(|name| name.len() + text(name)).sum();
        assert!(bytes < 1024, "{bytes} bytes, so more than 2 write units");
        let kept: KeptAnswer = crate::db::item::from_item(kept.clone()).unwrap();
        assert_eq!(kept.expires, now.0 + KEPT_SECONDS * 1000);
        assert_eq!(kept.movie, id);
    }
}
