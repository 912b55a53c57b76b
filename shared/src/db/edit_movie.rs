//! Editing a movie: AP-11.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::{
    clock::Instant,
    db::{
        expression::{Condition, Update},
        favorite::FavoriteItem,
        genre::GenreChanges,
        imdb_id::ImdbIdChange,
        index::{self, PostingItem},
        item::{Item, from_item, number, text, to_attribute, to_item},
        keys::{self, Key},
        likes::{CountChange, LIKED_ONCE, LIKED_VALUE, LikesCondition, LikesShards},
        movie::{MovieItem, MovieView, NO_MOVIE, TextsBefore, is_version},
        new_words::READ_FOR_EDIT,
        optimistic::{Plan, PlanOutcome, Revision, WriteAttempts},
        owned::OwnerChange,
        store::Store,
        transaction::{CommitCheck, MAX_ACTIONS, OnConflict, Outcome, Transaction},
        unfinished,
        user::{UserItem, existing},
        vocabulary::vocabulary_words,
    },
    domain::{MovieFields, MovieId, UserId},
    error::Result,
};

/// The result of an edit.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The movie's fields after the edit.
    pub fields: MovieFields,
    /// The movie's owner after the edit.
    pub user: Option<UserId>,
    /// Whether the movie is a favorite of the caller after the edit. `None` leaves that as it is.
    pub favorite: Option<bool>,
}

/// What `decide` sees: the movie and the users involved.
#[derive(Clone, Debug)]
pub struct EditView {
    /// The movie as the caller sees it.
    pub view: MovieView,
    /// The caller.
    pub caller: UserItem,
    /// The user whom the request names as the owner, if it names one who exists.
    pub named: Option<UserItem>,
}

impl Store {
    /// AP-11: edits a movie. `decide` returns the edit for the movie as it is. If the movie is edited meanwhile, `decide` is
    /// called again. Only postings whose key or text changes are written. An edit that doesn't fit one transaction is
    /// [finished](crate::db::unfinished) in a second one.
    ///
    /// `words` are the words of the request's texts, as far as they [belong in the vocabulary](crate::db::vocabulary::text_words). Which of them are
    /// new is read together with the movie. The new ones that the edited movie has are added to the vocabulary before the
    /// edit. Those of a long text are added at once. An edit that changes at most the caller's favorite leaves the version as
    /// it is.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such movie, before `decide` is called; any error of
    /// `decide`; [`Error::Conflict`](crate::Error::Conflict) if another movie has the IMDb id.
    pub async fn edit_movie(
        &self,
        id: MovieId,
        caller: UserId,
        named: Option<UserId>,
        words: &BTreeSet<String>,
        decide: impl Fn(&EditView) -> Result<Edit>,
    ) -> Result<MovieView> {
        self.edit_seen_movie(id, caller, named, words, None, decide).await
    }

    /// AP-11: [edits](Self::edit_movie) a movie, of which [`read_for_edit`](Self::read_for_edit) has returned `seen` a moment ago.
    pub async fn edit_seen_movie(
        &self,
        id: MovieId,
        caller: UserId,
        named: Option<UserId>,
        words: &BTreeSet<String>,
        mut seen: Option<EditView>,
        decide: impl Fn(&EditView) -> Result<Edit>,
    ) -> Result<MovieView> {
        let mut attempts = WriteAttempts::of("edit_movie");
        loop {
            attempts.next().await?;
            // A strongly consistent read of the named user costs as much as two of words.
            let most = READ_FOR_EDIT - 2 * usize::from(named.is_some());
            let read = async {
                match seen.take() {
                    Some(seen) => Ok(seen),
                    None => self.read_for_edit(id, caller, named).await,
                }
            };
            let (seen, ()) = tokio::try_join!(read, self.prepare_words(words, most))?;
            let edit = decide(&seen)?;
            // The vocabulary has the words of the movie as it is.
            let words = &vocabulary_words(&edit.fields) - &vocabulary_words(&seen.view.movie.fields);
            self.add_words(&words).await?;
            let Some(movie) = self.finish_edit_of(seen.view.movie).await? else {
                continue;
            };
            let view = MovieView { movie, ..seen.view };
            if let Some(favorite) = edit.favorite
                && (&edit.fields, edit.user) == (&view.movie.fields, view.movie.user)
            {
                // A favorite is no edit of the movie.
                match self.set_favorite_of(view, caller, favorite).await? {
                    Some(view) => return Ok(view),
                    None => continue,
                }
            }
            self.doubt_cover_of(&view.movie, Some(&edit.fields)).await?;
            let mut plan = EditPlan::new(&view, &edit, caller, self.clock.now(), self.likes_shards);
            if self.commit(&mut plan).await? == PlanOutcome::Outdated {
                continue;
            }
            let EditPlan {
                mut new,
                count_change,
                likes,
                favorite,
                left,
                ..
            } = plan;
            if !left.is_empty() {
                self.finish_own_edit(&new, &left).await?;
            }
            if count_change.is_some() && likes == LikesCondition::Any {
                new = self.with_current_likes(new).await?;
            }
            return Ok(MovieView { movie: new, favorite });
        }
    }

    /// Reads what `decide` sees, in one batch.
    pub async fn read_for_edit(
        &self,
        id: MovieId,
        caller: UserId,
        named: Option<UserId>,
    ) -> Result<EditView> {
        let mut wanted = vec![keys::movie(id), keys::favorite(id, caller), keys::user(caller)];
        wanted.extend(named.map(keys::user));
        let mut found = self.batch_get(wanted).await?;
        let named = named
            .and_then(|user| found.get(&keys::user(user)).cloned())
            .map(from_item)
            .transpose()?;
        let caller_item = existing(found.remove(&keys::user(caller)))?;
        let movie = found.remove(&keys::movie(id)).ok_or(NO_MOVIE)?;
        Ok(EditView {
            view: MovieView {
                movie: from_item(movie)?,
                favorite: found.contains_key(&keys::favorite(id, caller)),
            },
            caller: from_item(caller_item)?,
            named,
        })
    }
}

/// An edit of a movie, of its postings and genres, and of the caller's favorite.
///
/// An edit can't fail because of other users' favorites: it leaves `likes` alone or adds to it, and never overwrites it. An
/// edit that changes the caller's favorite is first sent under the condition that the likes are those that were read, so
/// that the count in the response is the one at that moment. Without that condition the count is read after the edit.
struct EditPlan<'a> {
    old: &'a MovieItem,
    new: MovieItem,
    now: Instant,
    caller: UserId,
    /// Whether the movie is a favorite of the caller after the edit.
    favorite: bool,
    /// The change to the caller's favorite, or `None`.
    count_change: Option<CountChange>,
    likes: LikesCondition,
    on_conflict: OnConflict,
    /// The postings to put and (`None`) to delete.
    postings: BTreeMap<Key, Option<PostingItem>>,
    /// Those of them that the transaction leaves, because it has no room for them.
    left: Vec<Key>,
    genres: GenreChanges,
    imdb_id: ImdbIdChange,
    owner: OwnerChange,
    /// The index of the action on the movie.
    movie_action: usize,
    /// The index of the action on the caller's favorite.
    favorite_action: Option<usize>,
}

impl<'a> EditPlan<'a> {
    fn new(seen: &'a MovieView, edit: &Edit, caller: UserId, now: Instant, shards: LikesShards) -> Self {
        let old = &seen.movie;
        let mut new = old.edited(&edit.fields, edit.user, &now.to_string());
        let favorite = edit.favorite.unwrap_or(seen.favorite);
        let count_change = CountChange::between(seen.favorite, favorite);
        if let Some(count_change) = count_change {
            new.count_favorite(count_change, shards);
        }
        let (likes, on_conflict) = match count_change {
            Some(_) => (LikesCondition::Unchanged, OnConflict::Return),
            None => (LikesCondition::Any, OnConflict::Retry),
        };
        Self {
            old,
            new,
            now,
            caller,
            favorite,
            count_change,
            likes,
            on_conflict,
            postings: index::changed_postings(
                index::postings(&old.fields, old.id),
                index::postings(&edit.fields, old.id),
            ),
            left: Vec::new(),
            genres: GenreChanges::of_edited(&old.fields, &edit.fields, old.id),
            imdb_id: ImdbIdChange::between(old.id, old.fields.imdb_id.as_ref(), edit.fields.imdb_id.as_ref()),
            owner: OwnerChange::between(old.id, old.user, edit.user),
            movie_action: 0,
            favorite_action: None,
        }
    }

    /// The postings of old words for which a transaction has no room. Everything else always fits: no movie may have more
    /// postings, memberships and genres than that.
    fn without_room(&self) -> Vec<Key> {
        let movie = 1;
        let favorite = usize::from(self.count_change.is_some());
        let others =
            movie + favorite + self.genres.most_actions() + self.imdb_id.actions() + self.owner.actions();
        let excess = (others + self.postings.len()).saturating_sub(MAX_ACTIONS);
        if excess == 0 {
            return Vec::new();
        }
        let mut keys = unfinished::deferrable(&self.old.fields, &self.new.fields, self.old.id);
        keys.split_off(keys.len().saturating_sub(excess))
    }

    /// The update that makes the old movie into the new one, and the attributes that it leaves on the item. The likes are only
    /// added to, because other users' favorites may change them meanwhile.
    fn update(&self) -> Result<(Update, Item)> {
        // Every attribute that an edit can change.
        const EDITED: [&str; 11] = [
            "title",
            "description",
            "release_date",
            "director",
            "genre",
            "imdb_id",
            "cover_image",
            "user",
            "updated_at",
            "version",
            "date",
        ];
        let (before, mut after) = (to_item(self.old)?, to_item(&self.new)?);
        let (mut set, mut remove, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut written = Item::new();
        for name in EDITED {
            let value = after.remove(name);
            written.extend(value.clone().map(|value| (name.to_owned(), value)));
            match value {
                Some(value) if before.get(name) != Some(&value) => {
                    set.push(format!("#{name} = :{name}"));
                    values.push((format!(":{name}"), value));
                }
                None if before.contains_key(name) => remove.push(format!("#{name}")),
                _ => {}
            }
        }
        if !self.left.is_empty() {
            set.push("#unfinished = :unfinished".into());
            let before = to_attribute(&TextsBefore::of(&self.old.fields))?;
            values.push((":unfinished".to_owned(), before));
        }
        let mut add = "";
        if let Some(count_change) = self.count_change {
            add = " ADD #likes :step";
            values.push((":step".to_owned(), count_change.step()));
            if let Some(shard) = self.new.liked.as_ref().filter(|_| count_change.is_favorite()) {
                set.push(LIKED_ONCE.into());
                values.push((LIKED_VALUE.to_owned(), text(shard)));
            }
        }
        let mut update = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            update.push_str(&format!(" REMOVE {}", remove.join(", ")));
        }
        update.push_str(add);
        let mut update = Update::new(update)
            .when("#version = :seen_version")
            .value(":seen_version", number(self.old.version));
        if self.likes == LikesCondition::Unchanged {
            update = update
                .when("#likes = :seen_likes")
                .value(":seen_likes", number(self.old.likes));
        }
        let update = values
            .into_iter()
            .fold(update, |update, (name, value)| update.value(&name, value));
        Ok((update, written))
    }
}

impl Plan for EditPlan<'_> {
    fn transaction(&mut self, store: &Store) -> Result<Transaction> {
        let mut transaction = Transaction::with_priority();
        // Only the first attempt after a conflict pauses before it is sent.
        transaction.on_conflict(self.on_conflict);
        if self.on_conflict == OnConflict::PauseThenRetry {
            self.on_conflict = OnConflict::Retry;
        }
        self.left = self.without_room();
        let (update, written) = self.update()?;
        transaction.check_commit(CommitCheck::Has(self.old.key(), written));
        self.movie_action = transaction.add(store.on(self.old.key()).update(update)?);
        let left: HashSet<&Key> = self.left.iter().collect();
        for (key, posting) in self.postings.iter().filter(|(key, _)| !left.contains(key)) {
            let on = store.on(key.clone());
            transaction.add(match posting {
                Some(posting) => on.put(posting, Condition::none())?,
                None => on.delete(Condition::none())?,
            });
        }
        if let Some(count_change) = self.count_change {
            let on = store.on(keys::favorite(self.old.id, self.caller));
            self.favorite_action = Some(transaction.add(match count_change {
                CountChange::Add => {
                    let favorite = FavoriteItem::new(self.old.id, self.caller, self.now);
                    on.put(&favorite, Condition::not_exists())?
                }
                CountChange::Remove => on.delete(Condition::exists())?,
            }));
        }
        self.genres.add_to(store, &mut transaction)?;
        self.imdb_id.add_to(store, &mut transaction)?;
        self.owner.add_to(store, &mut transaction)?;
        Ok(transaction)
    }

    fn revise(&mut self, outcome: &Outcome) -> Result<Revision> {
        if let Outcome::Conflict = outcome {
            self.likes = LikesCondition::Any;
            self.on_conflict = OnConflict::PauseThenRetry;
            return Ok(Revision::Retry);
        }
        let is_revised = self.genres.revise(outcome)?;
        let only_likes_changed = self.likes == LikesCondition::Unchanged
            && is_version(outcome.item(self.movie_action), self.old.version);
        if only_likes_changed {
            self.likes = LikesCondition::Any;
            self.on_conflict = OnConflict::Retry;
        }
        let is_edited = outcome.failed(self.movie_action) && !only_likes_changed;
        let favorite_failed = self.favorite_action.is_some_and(|action| outcome.failed(action));
        if is_edited || favorite_failed {
            return Ok(Revision::Reread);
        }
        // The movie is the one that was read, so the id is not its own.
        self.imdb_id.check(outcome)?;
        if !(is_revised || only_likes_changed) {
            return Ok(Revision::Reread);
        }
        Ok(Revision::Retry)
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

    use super::*;
    use crate::{
        aws::client,
        clock::Clock,
        db::posting_list::MAX_POSTINGS,
        domain::{Genres, ImdbId, ReleaseDate},
    };

    /// A movie of at most 30 words, with much of what has a posting: words that signs join, words of a script without spaces,
    /// names, genres. All of its words begin with `tag`.
    fn movie(dice: &mut StdRng, tag: &str) -> MovieFields {
        loop {
            let word = |dice: &mut StdRng| format!("{tag}{}", dice.random_range(0..40));
            let text = |most: usize, between: &[&str], dice: &mut StdRng| {
                let mut text = word(dice);
                for _ in 1..dice.random_range(1..=most) {
                    text += between.choose(dice).unwrap();
                    text += &word(dice);
                }
                text
            };
            let mut title = text(20, &[" ", "-", "'", " & "], dice);
            if dice.random_bool(0.5) {
                let runs = dice.random_range(2..40);
                title.push(' ');
                title.extend((0..runs).map(|_| char::from_u32(0x4E00 + dice.random_range(0..900)).unwrap()));
            }
            let director = text(12, &[", ", ", ", " "], dice);
            let genre = if dice.random_bool(0.5) {
                // Words of the title, so that there is room for others.
                let words: Vec<&str> = title
                    .split([' ', '-', '\'', '&'])
                    .filter(|w| !w.is_empty())
                    .collect();
                words.sample(dice, 9).copied().collect::<Vec<_>>().join(",")
            } else {
                text(9, &[",", ",", " "], dice)
            };
            if title.chars().count() > 200 || Genres::parse(&genre).is_err() {
                continue;
            }
            let mut fields = MovieFields::of_words(&title, &director, &genre);
            fields.release_date =
                ReleaseDate::parse(&format!("{}-01-01", dice.random_range(1900..2000))).unwrap();
            fields.imdb_id = ImdbId::parse(&format!("tt{:07}", dice.random_range(0..1000))).ok();
            if let Ok(fields) = fields.check() {
                return fields;
            }
        }
    }

    /// The keys that a transaction puts or deletes, besides the movie's own.
    fn keys_of(transaction: Transaction) -> HashSet<Key> {
        let actions = transaction.into_actions().into_iter();
        let keys = actions.filter_map(|action| match (action.put, action.delete, action.update) {
            (Some(put), ..) => Key::of(&put.item),
            (_, Some(delete), _) => Key::of(&delete.key),
            (.., update) => Key::of(&update?.key),
        });
        keys.collect()
    }

    /// Guarantee 42.
    #[test]
    fn no_edit_has_more_than_100_actions_in_its_first_transaction_and_it_leaves_only_old_words() {
        let store = Store::new(client::local("http://127.0.0.1:1"), "t", Clock::default());
        let id = MovieId::try_from(7).unwrap();
        let caller = UserId::try_from(1).unwrap();
        let dice = &mut StdRng::seed_from_u64(14);
        let (mut most_postings, mut most_left, mut split) = (0, 0, 0);
        for _ in 0..500 {
            let old = movie(dice, "a");
            let tag = *["a", "b", "b"].choose(dice).unwrap();
            let new = movie(dice, tag);
            let seen = MovieView {
                movie: MovieItem::new(id, &old, None, "2026-11-22T21:34:01.250Z"),
                favorite: false,
            };
            let edit = Edit {
                fields: new.clone(),
                user: None,
                favorite: Some(true),
            };
            let mut plan = EditPlan::new(&seen, &edit, caller, store.clock.now(), store.likes_shards);
            let first = plan.transaction(&store).unwrap();
            let (old, new) = (index::postings(&old, id), index::postings(&new, id));
            most_postings = most_postings.max(old.len()).max(new.len());
            most_left = most_left.max(plan.left.len());
            split += usize::from(!plan.left.is_empty());
            assert!(
                first.len() <= MAX_ACTIONS,
                "{}: {seen:?} to {edit:?}",
                first.len()
            );
            // Counting allows for one action more than there may be.
            assert!(plan.left.is_empty() || first.len() >= MAX_ACTIONS - 1);
            let written = keys_of(first);
            for (key, posting) in &new {
                assert!(
                    written.contains(key) != (old.get(key) == Some(posting)),
                    "{key:?}"
                );
            }
            for (key, posting) in old.iter().filter(|(key, _)| !new.contains_key(key)) {
                let is_left = plan.left.contains(key);
                assert!(written.contains(key) != is_left, "{key:?}");
                assert!(!(is_left && posting.is_membership()), "{key:?}");
            }
            assert!(
                plan.left
                    .iter()
                    .all(|key| old.contains_key(key) && !new.contains_key(key))
            );
        }
        assert_eq!(most_postings, MAX_POSTINGS);
        assert!(
            split > 30 && most_left > 20,
            "{split} edits split, with at most {most_left} left"
        );
    }
}
