//! The list of a user's sessions, and ending sessions from it.
//!
//! A user's sessions are in one partition. It holds few: a user has at most [`MAX_SESSIONS`], because a sign-in beyond that
//! ends the sessions that were not used for longest.

use aws_sdk_dynamodb::types::ReturnValue;
use futures_util::future::try_join_all;

use crate::{
    clock::Instant,
    db::{
        expression::Condition,
        item::{StoredItem, corrupt, from_item},
        keys::{self, Key, TABLE, id_text},
        page::{Counted, PageLimit, Position, Reading, Window},
        range::{Direction, KeyRange},
        session::SessionItem,
        store::{Consistency, Store},
        transaction::{MAX_ACTIONS, Transaction},
        user::{UserItem, existing},
    },
    domain::{SessionId, UserId},
    error::{Error, Result},
};

/// The most living sessions of a user. Fewer than a transaction has actions, so that one transaction can end them all.
pub const MAX_SESSIONS: usize = 80;

/// The most sessions that are read. There are more than [`MAX_SESSIONS`] only for a moment, after many sign-ins at once.
const MOST_READ: usize = 400;

/// The most sessions that one sign-in ends.
const MOST_ENDED: usize = 20;

/// A session with its id.
#[derive(Clone, Debug)]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// The session.
    pub item: SessionItem,
}

impl Session {
    fn of(item: StoredItem) -> Result<Self> {
        let id = Key::of(&item).and_then(|key| SessionId::parse(&key.sk));
        Ok(Self {
            id: id.ok_or_else(|| corrupt("a session without an id"))?,
            item: from_item(item)?,
        })
    }

    /// Its position in the list: when it began, then its id.
    fn position(&self) -> String {
        let created = u64::try_from(self.item.created).unwrap_or_default();
        format!("{}{}{}", id_text(created), keys::END, self.id)
    }
}

impl Store {
    /// AP-47: every session of a user, living or not, by id. 1 call; 1 unit for ten sessions.
    pub(crate) async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        self.sessions_with(user, Consistency::Strong).await
    }

    async fn sessions_with(&self, user: UserId, consistency: Consistency) -> Result<Vec<Session>> {
        let range = KeyRange::partition(TABLE, keys::sessions(user));
        let read = self.query_with(&range, Direction::Ascending, MOST_READ, consistency);
        read.await?.items.into_iter().map(Session::of).collect()
    }

    /// AP-47: a page of a user's living sessions, the one that began last first, and their number.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] if there is no such user.
    pub async fn list_sessions(
        &self,
        user: UserId,
        window: &Window,
        limit: PageLimit,
    ) -> Result<Counted<Session>> {
        let (owner, mut sessions) = tokio::try_join!(self.get_user(user), self.sessions(user))?;
        let owner = existing(owner)?;
        let now = self.clock.now();
        sessions.retain(|session| session.item.is_living(&owner, now));
        let count = sessions.len() as u64;
        Ok(Counted {
            count,
            slice: page(sessions, limit.get(), window).into_slice(window, Direction::Descending),
        })
    }

    /// AP-22: ends a living session of a user. Returns `false` if there is none with this id. 2 trips.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] if there is no such user.
    pub async fn end_session_of(&self, user: UserId, id: SessionId) -> Result<bool> {
        let key = keys::session(user, id);
        let (owner, item) = tokio::try_join!(self.get_user(user), self.get(&key))?;
        let owner = existing(owner)?;
        let session: Option<SessionItem> = item.map(from_item).transpose()?;
        let now = self.clock.now();
        if !session.is_some_and(|session| session.is_living(&owner, now)) {
            return Ok(false);
        }
        self.delete(&key).await?;
        Ok(true)
    }

    /// AP-22: ends every session of a user but this one. 2 trips; a transaction for each hundred sessions. For a user who may have
    /// sessions of an earlier version 4 trips, once.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] if there is no such user.
    pub async fn end_other_sessions(&self, user: UserId, keep: SessionId) -> Result<()> {
        let (owner, mut sessions) = tokio::try_join!(self.get_user(user), self.sessions(user))?;
        let owner = existing(owner)?;
        if !owner.lists_all_sessions {
            let update = UserItem::list_all_sessions();
            let updated = self.update(&keys::user(user), &update, ReturnValue::None).await?;
            updated.map_err(|_| Error::UNKNOWN_USER)?;
            // None is moved here from now on, and one that was moved before is among these.
            sessions = self.sessions(user).await?;
        }
        let others = sessions.iter().map(|session| session.id);
        self.delete_sessions(user, others.filter(|id| *id != keep)).await
    }

    /// Deletes sessions, a hundred in one transaction.
    pub(crate) async fn delete_sessions(
        &self,
        user: UserId,
        ids: impl Iterator<Item = SessionId>,
    ) -> Result<()> {
        let ids: Vec<SessionId> = ids.collect();
        for some in ids.chunks(MAX_ACTIONS) {
            let mut transaction = Transaction::default();
            for id in some {
                transaction.add(self.on(keys::session(user, *id)).delete(Condition::none())?);
            }
            self.transact(&transaction).await?;
        }
        Ok(())
    }

    /// AP-20: ends sessions of a user who has more than [`MAX_SESSIONS`]: those that have expired, then those that were not used
    /// for longest, but never `new`. 1 call, eventually consistent: half a unit for ten sessions; and, if there are too many, a
    /// call of 1 unit for each that ends.
    pub async fn end_surplus_sessions(&self, user: UserId, new: SessionId) -> Result<()> {
        let sessions = self.sessions_with(user, Consistency::Eventual).await?;
        let surplus = surplus(sessions, new, self.clock.now());
        let deletes = surplus.into_iter().map(async |id| {
            let key = keys::session(user, id);
            self.delete(&key).await
        });
        try_join_all(deletes).await.map(drop)
    }
}

/// The sessions to end, so that [`MAX_SESSIONS`] are left with `new`.
fn surplus(mut sessions: Vec<Session>, new: SessionId, now: Instant) -> Vec<SessionId> {
    sessions.retain(|session| session.id != new);
    let surplus = (sessions.len() + 1).saturating_sub(MAX_SESSIONS);
    sessions.sort_by_key(|session| (session.item.expires > now.0, session.item.rotated, session.id));
    let ids = sessions.into_iter().map(|session| session.id);
    ids.take(surplus.min(MOST_ENDED)).collect()
}

/// The page of `window` among sessions, the one that began last first.
fn page(mut sessions: Vec<Session>, limit: usize, window: &Window) -> Reading<Session> {
    let backward = window.is_backward();
    sessions.sort_by_cached_key(Session::position);
    if !backward {
        sessions.reverse();
    }
    if let Some(from) = window.position() {
        sessions.retain(|session| match backward {
            true => session.position() > from.key,
            false => session.position() < from.key,
        });
    }
    let more = sessions.len() > limit;
    sessions.truncate(limit);
    let at = |session: &Session| Position::at(session.position());
    Reading {
        first: sessions.first().map(at),
        last: sessions.last().map(at),
        items: sessions,
        more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::refresh::RefreshToken, db::user::PasswordVersion};

    const NOW: Instant = Instant(1_800_000_000_000);

    /// Sessions that began this many seconds before now, each with its number as its id.
    fn sessions(begun: &[i64]) -> Vec<Session> {
        let user = UserId::try_from(7).unwrap();
        let token = RefreshToken::first(user).unwrap();
        let version = PasswordVersion::default();
        let sessions = begun.iter().enumerate().map(|(n, ago)| {
            let began = NOW.plus_seconds(-ago);
            Session {
                id: id(n),
                item: SessionItem::of_password(user, version, &token, began, 3600),
            }
        });
        sessions.collect()
    }

    fn id(n: usize) -> SessionId {
        SessionId::new([u8::try_from(n).unwrap(); 16])
    }

    fn ids(sessions: &[Session]) -> Vec<SessionId> {
        sessions.iter().map(|session| session.id).collect()
    }

    #[test]
    fn expired_sessions_end_before_the_one_that_was_not_used_for_longest() {
        let mut begun = vec![10; MAX_SESSIONS - 2];
        begun.push(7200);
        let new = id(200);
        assert!(surplus(sessions(&begun), new, NOW).is_empty());
        begun.push(3000);
        assert_eq!(surplus(sessions(&begun), new, NOW), [id(MAX_SESSIONS - 2)]);
        begun.push(3001);
        let expected = [MAX_SESSIONS - 2, MAX_SESSIONS].map(id);
        assert_eq!(surplus(sessions(&begun), new, NOW), expected);
        // The new one is never among them, and one sign-in ends no more than so many.
        let all = sessions(&[3000; 200]);
        let ended = surplus(all, id(0), NOW);
        assert_eq!((ended.len(), ended.contains(&id(0))), (MOST_ENDED, false));
    }

    #[test]
    fn pages_of_sessions_go_from_the_latest_to_the_first_and_back() {
        let all = sessions(&[50, 10, 30, 10, 40]);
        let expected = [3, 1, 2, 4, 0].map(id);
        let mut window = Window::First;
        let mut seen = Vec::new();
        let mut starts = Vec::new();
        loop {
            let slice = page(all.clone(), 2, &window).into_slice(&window, Direction::Descending);
            seen.extend(ids(&slice.items));
            starts.push(slice.previous);
            match slice.next {
                Some(next) => window = next,
                None => break,
            }
        }
        assert_eq!((seen.as_slice(), starts.len()), (&expected[..], 3));
        let before = starts.pop().flatten().unwrap();
        let slice = page(all.clone(), 2, &before).into_slice(&before, Direction::Descending);
        assert_eq!(ids(&slice.items), expected[2..4]);
        // A session that ended since leaves its place empty.
        let rest: Vec<Session> = all.into_iter().filter(|session| session.id == id(0)).collect();
        let slice = page(rest, 2, &before).into_slice(&before, Direction::Descending);
        assert!(slice.items.is_empty() && slice.next.is_some() && slice.previous.is_none());
    }
}
