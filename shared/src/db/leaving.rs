//! Deleting a user's account: AP-50.
//!
//! One transaction deletes the user, the logins and the sessions, counts one user less, and puts a `LEAVING` item. From then
//! on the user's tokens are refused and the names are free. What else there is of the user is removed afterwards, in *passes*:
//! favorites, each together with the count of its movie; the ownership of movies, which stay; sessions that began meanwhile; a
//! password reset token. A pass can be interrupted anywhere, and another one continues.
//!
//! A request of the user that was accepted before the deletion may still write after it. So the `LEAVING` item stays for
//! [`LEAVING_FOR`], which is longer than any request, and is deleted after a pass that began later than that. An id is never given
//! to another user, so nobody inherits anything.

use std::time::Duration;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Instant,
    db::{
        counter::Counter,
        expression::Condition,
        item::{StoredItem, corrupt, from_item, number, text},
        keys::{self, BY_DATE, Key},
        likes::CountChange,
        movie::movie_id,
        optimistic::WriteAttempts,
        owned::disown,
        range::{Direction, KeyRange},
        retry::within,
        session_list::Session,
        store::Store,
        transaction::{CommitCheck, MAX_ACTIONS, OnConflict, Outcome, Transaction},
        user::{PasswordVersion, UserItem, logins},
    },
    domain::{MovieId, UserId, username::fold_name},
    error::{Error, Result},
    telemetry,
};

/// How long a deleted account is looked after, in seconds. Longer than any request runs, and than the clocks of two processes
/// differ.
pub const LEAVING_FOR: i64 = 60;

/// The most favorites, movies or deleted accounts that one Query reads.
const PASS: usize = 100;
/// How many favorites, or movies, one transaction removes. Each takes two actions.
const TOGETHER: usize = 25;
/// The time limit of the passes that the deletion itself makes.
const TIME_OF_DELETION: Duration = Duration::from_secs(2);

/// A deleted account, as stored under `LEAVING`, id.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct LeavingItem {
    /// When it was deleted, in milliseconds since 1970.
    left: i64,
}

/// What became of the deletion of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountDeletion {
    /// The account is deleted.
    Made,
    /// There is no such user.
    NoUser,
    /// The user has another password than the one that the caller has shown to know.
    Outdated,
}

impl Store {
    /// AP-50: deletes the account of a user, and what else there is of the user as far as the time allows. `known` is the version
    /// of the password that the caller has shown to know; `None` if something else permits the deletion.
    pub async fn delete_user(&self, user: UserId, known: Option<PasswordVersion>) -> Result<AccountDeletion> {
        let mut attempts = WriteAttempts::of("delete_user");
        loop {
            attempts.next().await?;
            let (owner, sessions) = tokio::try_join!(self.get_user(user), self.sessions(user))?;
            let Some(owner) = owner else {
                return Ok(AccountDeletion::NoUser);
            };
            if known.is_some_and(|known| known != owner.password_version) {
                return Ok(AccountDeletion::Outdated);
            }
            let transaction = self.deletion_transaction(&owner, &sessions)?;
            if let Outcome::Committed = self.transact(&transaction).await? {
                break;
            }
            // The names or the password have changed.
        }
        // The account is deleted, even if this fails. Boxed, because the future is large.
        let removing = Box::pin(self.remove_all_of(user));
        let removed = tokio::time::timeout(TIME_OF_DELETION, within(TIME_OF_DELETION, removing));
        if let Ok(Err(error)) = removed.await {
            telemetry::warn(&error, "favorites of a deleted user are left to the sweep");
        }
        Ok(AccountDeletion::Made)
    }

    /// AP-50: deletes the account of the user with this username or email, and everything that is left of it, for an operator.
    /// Returns `false` if there is no such user.
    pub async fn delete_user_named(&self, username: &str) -> Result<bool> {
        let Some(user) = self.user_named(username).await? else {
            return Ok(false);
        };
        let deleted = self.delete_user(user, None).await?;
        self.remove_all_of(user).await?;
        Ok(deleted == AccountDeletion::Made)
    }

    fn deletion_transaction(&self, owner: &UserItem, sessions: &[Session]) -> Result<Transaction> {
        let mut transaction = Transaction::default();
        let unchanged = Condition::new("#username = :username AND #email = :email")
            .value(":username", text(&owner.username))
            .value(":email", text(&owner.email))
            .and(owner.password_version.condition());
        transaction.add(self.on(keys::user(owner.id)).delete(unchanged)?);
        // If somebody has taken the name since, the result stays unknown.
        transaction.check_commit(CommitCheck::Gone(keys::login(&fold_name(&owner.username))));
        for name in logins(owner).keys() {
            let own = Condition::new("#user = :user").value(":user", number(owner.id));
            transaction.add(self.on(keys::login(name)).delete(own)?);
        }
        transaction.add(self.count(Counter::Users, -1)?);
        let leaving = LeavingItem {
            left: self.clock.now().0,
        };
        transaction.add(
            self.on(keys::leaving(owner.id))
                .put(&leaving, Condition::none())?,
        );
        // Those for which there is no room have ended with the user. A pass removes them.
        let room = MAX_ACTIONS - transaction.len();
        for session in sessions.iter().take(room) {
            let session = self.on(keys::session(owner.id, session.id));
            transaction.add(session.delete(Condition::none())?);
        }
        Ok(transaction)
    }

    /// AP-50: makes a pass for each deleted account, and forgets those that were deleted long enough before. Returns how many are left to
    /// look after.
    ///
    /// # Errors
    /// The first error, after the passes of all accounts, so that no account keeps the others from theirs. If the table doesn't
    /// answer in time, the passes end at once.
    pub async fn sweep_deleted_users(&self) -> Result<usize> {
        let mut left = 0;
        let mut first_error = None;
        let mut rest = Some(KeyRange::ids(keys::LEAVING));
        while let Some(range) = rest {
            let read = self.query(&range, Direction::Ascending, PASS).await?;
            rest = read.rest_of(range, Direction::Ascending);
            for item in read.items {
                // Boxed, because the future is large.
                match Box::pin(self.look_after(item)).await {
                    Ok(true) => left += 1,
                    Ok(false) => {}
                    Err(error @ Error::Unavailable(_)) => return Err(error),
                    Err(error) => first_error = first_error.or(Some(error)),
                }
            }
        }
        first_error.map_or(Ok(left), Err)
    }

    /// Makes a pass for the deleted account of this item. Returns whether it is left to look after.
    async fn look_after(&self, item: StoredItem) -> Result<bool> {
        let user = Key::of(&item).and_then(|key| keys::id_at_end(&key.sk));
        let user = user.and_then(|id| UserId::try_from(id).ok());
        let user = user.ok_or_else(|| corrupt("a deleted account without an id"))?;
        let began = self.clock.now();
        self.remove_all_of(user).await?;
        let leaving: LeavingItem = from_item(item)?;
        let is_over = began >= Instant(leaving.left).plus_seconds(LEAVING_FOR);
        if is_over {
            self.delete(&keys::leaving(user)).await?;
        }
        Ok(!is_over)
    }

    /// Removes the reset token, sessions, favorites and ownership of a deleted user, until there are none.
    async fn remove_all_of(&self, user: UserId) -> Result<()> {
        let token = keys::reset(user);
        let ((), sessions) = tokio::try_join!(self.delete(&token), self.sessions(user))?;
        let sessions = sessions.into_iter().map(|session| session.id);
        self.delete_sessions(user, sessions).await?;
        let favorites = KeyRange::partition(BY_DATE, keys::user_favorites(user));
        self.remove_each(user, favorites, Relation::Favorite).await?;
        let owned = KeyRange::ids(keys::owned_movies(user));
        self.remove_each(user, owned, Relation::Owner).await
    }

    /// Removes what the items of a range stand for, page after page.
    async fn remove_each(&self, user: UserId, range: KeyRange, relation: Relation) -> Result<()> {
        let mut rest = Some(range);
        while let Some(range) = rest {
            let read = self.query(&range, Direction::Ascending, PASS).await?;
            let movies: Vec<MovieId> = read.items.iter().map(movie_id).collect::<Result<_>>()?;
            // The index may still have what was removed, so the walk goes on behind it.
            rest = read.rest_of(range, Direction::Ascending);
            let some = movies.chunks(TOGETHER);
            try_join_all(some.map(|some| self.remove_together(user, some, relation))).await?;
        }
        Ok(())
    }

    /// Makes these removals in one transaction, or, if that fails, one after another.
    async fn remove_together(&self, user: UserId, movies: &[MovieId], relation: Relation) -> Result<()> {
        let mut transaction = Transaction::default();
        // One movie that many users favorite at the moment must not keep the others.
        transaction.on_conflict(OnConflict::Return);
        for movie in movies {
            for action in self.removal(user, *movie, relation)?.both {
                transaction.add(action);
            }
        }
        if let Outcome::Committed = self.transact(&transaction).await? {
            return Ok(());
        }
        for movie in movies {
            let Removal { both, marker } = self.removal(user, *movie, relation)?;
            let mut transaction = Transaction::with_priority();
            for action in both {
                transaction.add(action);
            }
            let outcome = self.transact(&transaction).await?;
            // The movie is gone, or not the user's. If there is nothing to remove, this removes nothing.
            if matches!(outcome, Outcome::ConditionFailed(_)) && outcome.failed(Removal::MOVIE) {
                self.delete(&marker).await?;
            }
        }
        Ok(())
    }

    fn removal(&self, user: UserId, movie: MovieId, relation: Relation) -> Result<Removal> {
        match relation {
            Relation::Favorite => self.favorite_removal(user, movie),
            Relation::Owner => self.ownership_removal(user, movie),
        }
    }

    /// The removal of a user's favorite.
    fn favorite_removal(&self, user: UserId, movie: MovieId) -> Result<Removal> {
        let marker = keys::favorite(movie, user);
        let count = CountChange::Remove.update(movie, self.likes_shards);
        Ok(Removal {
            both: [
                self.on(keys::movie(movie))
                    .update(count.only_if(Condition::exists()))?,
                self.on(marker.clone()).delete(Condition::exists())?,
            ],
            marker,
        })
    }

    /// The removal of a movie's owner. The movie stays.
    fn ownership_removal(&self, user: UserId, movie: MovieId) -> Result<Removal> {
        let marker = keys::owned_movie(user, movie);
        Ok(Removal {
            both: [
                self.on(keys::movie(movie)).update(disown(user))?,
                self.on(marker.clone()).delete(Condition::none())?,
            ],
            marker,
        })
    }
}

/// What a user is to a movie.
#[derive(Clone, Copy)]
enum Relation {
    /// The movie is a favorite of the user.
    Favorite,
    /// The movie belongs to the user.
    Owner,
}

/// The removal of one favorite, or of one movie's owner.
struct Removal {
    /// The actions: on the movie, and on the item that was found.
    both: [aws_sdk_dynamodb::types::TransactWriteItem; 2],
    /// The key of the item that was found.
    marker: Key,
}

impl Removal {
    /// The index of the action on the movie.
    const MOVIE: usize = 0;
}
