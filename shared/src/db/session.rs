//! Sessions: one item each, with the hashes of the session's current refresh token and of the previous one.
//!
//! A session belongs to a version of its user's password. When the password is changed, the user gets another version, and
//! every session of an older one has ended, whether its item was deleted or not. So has every session of a user who doesn't
//! exist any more.
//!
//! An earlier version stored a session under its id alone. Its first refresh moves it here.

use std::time::Duration;

use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem};
use serde::{Deserialize, Serialize};

use crate::{
    auth::refresh::RefreshToken,
    clock::{Instant, SKEW_MS},
    config::TokenConfig,
    db::{
        expression::{Condition, Update},
        item::{Attributes as _, from_item, number, text},
        keys::{self, Key},
        retry::within,
        store::Store,
        transaction::{Outcome, Transaction},
        user::{PasswordVersion, UserItem},
    },
    domain::{SessionId, UserId},
    error::Result,
};

/// The least time for which a rotation is retried, in milliseconds.
const LEAST_ROTATION_MS: u64 = 2_000;

/// How long a rotation is retried: 80 % of the grace period. A client whose response was lost can then send the same token
/// again before the grace period is over.
fn rotation_time(grace_seconds: i64) -> Duration {
    debug_assert!(
        grace_seconds >= 0,
        "the configuration accepts no negative grace period"
    );
    let grace = grace_seconds.max(0).unsigned_abs();
    Duration::from_millis((grace * 800).max(LEAST_ROTATION_MS))
}

/// How often moving a session of an earlier version is tried, each time after a function of that version has changed it.
const MOVE_TRIES: u32 = 3;

/// The attribute of a session of an earlier version that was moved.
const MOVED: &str = "moved";

/// A session, as stored under `SESSIONS#<user>`, id. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionItem {
    /// The user who signed in.
    pub user: UserId,
    /// The hash of the current refresh token.
    pub current: String,
    /// The hash of the previous refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// When the current token replaced the previous one, which is when the session was last used. In a new session, when the
    /// session began.
    pub rotated: i64,
    /// The session's absolute end. It is never moved to a later time.
    pub expires: i64,
    /// When the session began.
    pub created: i64,
    /// What the client that signed in calls itself. `None` if it didn't say, or for a session of an earlier version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The version of the user's password with which the session began.
    #[serde(default, skip_serializing_if = "PasswordVersion::is_first")]
    pub password_version: PasswordVersion,
    /// When DynamoDB may delete the item, in seconds since 1970. Only for cleanup: `expires` decides whether the session
    /// has ended.
    pub ttl: i64,
}

/// The result of using a refresh token.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The token was the current one, or a retry within the grace period. Its successor is now the session's token.
    Rotated(UserId),
    /// The session no longer exists, or has expired, or its user has changed the password or doesn't exist any more.
    Gone,
    /// It is an older token of an existing session, so somebody has a copy of it. The session must be ended.
    Replayed(UserId),
}

/// The result of one conditional write of a rotation.
enum Tried {
    /// It was written. This is the session after it.
    Written(SessionItem),
    /// The condition failed on this session.
    Found(SessionItem),
    /// There is no such session.
    Missing,
}

impl SessionItem {
    /// A session of this user that begins now.
    #[must_use]
    pub fn new(user: &UserItem, token: &RefreshToken, now: Instant, seconds: i64) -> Self {
        Self::of_password(user.id, user.password_version, token, now, seconds)
    }

    /// A session of this user, with this version of the password, that begins now.
    #[must_use]
    pub fn of_password(
        user: UserId,
        password_version: PasswordVersion,
        token: &RefreshToken,
        now: Instant,
        seconds: i64,
    ) -> Self {
        let end = now.plus_seconds(seconds);
        Self {
            user,
            current: token.hash(),
            previous: None,
            rotated: now.0,
            expires: end.0,
            created: now.0,
            user_agent: None,
            password_version,
            ttl: end.seconds().saturating_add(1),
        }
    }

    /// The same session, begun by a client that calls itself this.
    #[must_use]
    pub fn from_client(self, user_agent: Option<String>) -> Self {
        Self { user_agent, ..self }
    }

    /// Whether the session goes on: it hasn't expired, and the user's password is still the one with which it began.
    #[must_use]
    pub fn is_living(&self, user: &UserItem, now: Instant) -> bool {
        self.expires > now.0 && self.password_version == user.password_version
    }

    /// The result for a token that isn't the current one, by its hash.
    fn judge(&self, hash: &str, now: Instant, grace_seconds: i64) -> Rotation {
        // If the clock was set back, `rotated` lies in the future and doesn't say how long ago the rotation was.
        let age = now.0.saturating_sub(self.rotated);
        let in_grace = (-SKEW_MS..=grace_seconds.saturating_mul(1000)).contains(&age);
        if self.expires <= now.0 {
            Rotation::Gone
        } else if self.previous.as_deref() == Some(hash) && in_grace {
            Rotation::Rotated(self.user)
        } else {
            Rotation::Replayed(self.user)
        }
    }
}

impl Store {
    /// AP-17: the action that begins a session, for a transaction.
    pub fn begin_session(&self, token: &RefreshToken, session: &SessionItem) -> Result<TransactWriteItem> {
        self.on(keys::session(session.user, token.session()))
            .put(session, Condition::none())
    }

    /// AP-20: begins a session. 1 call, 1 unit.
    pub async fn put_session(&self, token: &RefreshToken, session: &SessionItem) -> Result<()> {
        self.write(&keys::session(session.user, token.session()), session)
            .await
    }

    /// AP-21: replaces a session's refresh token with its successor. It is one conditional write: if a token is used
    /// several times at once, one write succeeds. The results of the others depend on the item that failed their condition.
    /// The user is read at the same time. 1 unit and 1 read unit.
    ///
    /// If the session would end later than a new one, a second call shortens it. This happens if the clock has been set back
    /// since the session began, or if the configured lifetime was longer then.
    pub async fn rotate_session(
        &self,
        token: &RefreshToken,
        next: &RefreshToken,
        config: &TokenConfig,
    ) -> Result<Rotation> {
        let now = self.clock.now();
        // Boxed, because the future holds those of several calls.
        let rotating = Box::pin(async {
            let Some(user) = self.user_of_token(token).await? else {
                return Ok(Rotation::Gone);
            };
            let (tried, owner) =
                tokio::try_join!(self.rotate(user, token, next, config, now), self.get_user(user))?;
            let session = match &tried {
                Tried::Written(session) | Tried::Found(session) => session,
                Tried::Missing => return Ok(Rotation::Gone),
            };
            if owner.is_none_or(|owner| owner.password_version != session.password_version) {
                self.delete(&keys::session(user, token.session())).await?;
                return Ok(Rotation::Gone);
            }
            Ok(match &tried {
                Tried::Written(session) => Rotation::Rotated(session.user),
                _ => session.judge(&token.hash(), now, config.grace_seconds),
            })
        });
        within(rotation_time(config.grace_seconds), rotating).await
    }

    async fn rotate(
        &self,
        user: UserId,
        token: &RefreshToken,
        next: &RefreshToken,
        config: &TokenConfig,
        now: Instant,
    ) -> Result<Tried> {
        let key = keys::session(user, token.session());
        let hash = token.hash();
        let end = now.plus_seconds(config.session_seconds);
        let rotate = |update: &str| {
            Update::new(format!(
                "SET #previous = #current, #current = :next, #rotated = :now{update}"
            ))
            .when("#current = :hash AND #expires > :now")
            .value(":next", text(next.hash()))
            .identified_by("current", text(next.hash()))
            .value(":hash", text(&hash))
            .value(":now", number(now.0))
            .value(":latest", number(end.0.saturating_add(SKEW_MS)))
        };
        let keep_end = rotate("").when("#expires <= :latest");
        let mut tried = self.try_rotation(&key, &keep_end).await?;
        if matches!(tried, Tried::Missing) && self.move_earlier_session(user, token.session()).await? {
            tried = self.try_rotation(&key, &keep_end).await?;
        }
        match tried {
            Tried::Found(found) if found.current == hash && found.expires > now.0 => {
                let shorten = rotate(", #expires = :end, #ttl = :ttl")
                    .when("#expires > :latest")
                    .value(":end", number(end.0))
                    .value(":ttl", number(end.seconds().saturating_add(1)));
                self.try_rotation(&key, &shorten).await
            }
            tried => Ok(tried),
        }
    }

    async fn try_rotation(&self, key: &Key, rotation: &Update) -> Result<Tried> {
        let updated = self.update(key, rotation, ReturnValue::AllNew).await?;
        Ok(match updated.map_err(|failed| failed.item) {
            Ok(item) => Tried::Written(from_item(item)?),
            Err(None) => Tried::Missing,
            Err(Some(item)) => Tried::Found(from_item(item)?),
        })
    }

    /// Moves a session of an earlier version to its user's sessions. Its old item stays, because a token of that version doesn't
    /// name its user, but it is never moved again. Returns whether there may be a session to find now.
    async fn move_earlier_session(&self, user: UserId, id: SessionId) -> Result<bool> {
        let key = keys::earlier_session(id);
        for _ in 0..MOVE_TRIES {
            let Some(item) = self.get(&key).await? else {
                return Ok(false);
            };
            if item.attribute(MOVED).is_some() {
                return Ok(true);
            }
            let session: SessionItem = from_item(item)?;
            let mut transaction = Transaction::default();
            let put = self.on(keys::session(user, id));
            transaction.add(put.put(&session, Condition::not_exists())?);
            let moved = Update::new("SET #moved = :moved")
                .when("attribute_not_exists(#moved) AND #current = :current")
                .value(":moved", number(self.clock.now().0))
                .value(":current", text(&session.current));
            transaction.add(self.on(key.clone()).update(moved)?);
            // It has ended if the user has ended all other sessions.
            let owner = self.on(keys::user(user));
            let owner = transaction.add(owner.check(UserItem::may_have_earlier_sessions())?);
            let outcome = self.transact(&transaction).await?;
            if let Outcome::Committed = outcome {
                return Ok(true);
            }
            if outcome.failed(owner) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The user of a refresh token. `None` if the token doesn't say, and its session no longer exists.
    async fn user_of_token(&self, token: &RefreshToken) -> Result<Option<UserId>> {
        match token.user() {
            Some(user) => Ok(Some(user)),
            None => self.session_user(token).await,
        }
    }

    /// AP-19: the user of a token's session, for a token that doesn't contain its user. `None` if the session no longer
    /// exists. 1 call, 1 unit.
    pub async fn session_user(&self, token: &RefreshToken) -> Result<Option<UserId>> {
        let item = self.get(&keys::earlier_session(token.session())).await?;
        Ok(item
            .map(from_item::<SessionItem>)
            .transpose()?
            .map(|session| session.user))
    }

    /// AP-22: ends a session, if it still exists. 1 call, 1 unit; 2 calls, one after the other, if it doesn't.
    pub async fn end_session(&self, token: &RefreshToken) -> Result<()> {
        let id = token.session();
        if let Some(user) = self.user_of_token(token).await?
            && self.delete_existing(&keys::session(user, id)).await?
            && token.user().is_some()
        {
            return Ok(());
        }
        // It may be one of an earlier version that hasn't been moved, or whose old item names the user of this token.
        self.delete(&keys::earlier_session(id)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROTATED: i64 = 1_800_000_000_000;

    /// The result for a token, `ms` after a rotation, in a session of an hour.
    fn judge(hash: &str, ms: i64, grace_seconds: i64) -> Rotation {
        let user = UserId::try_from(7).unwrap();
        let token = RefreshToken::first(user).unwrap();
        let version = PasswordVersion::default();
        let session = SessionItem {
            previous: Some("before".into()),
            ..SessionItem::of_password(user, version, &token, Instant(ROTATED), 3600)
        };
        session.judge(hash, Instant(ROTATED + ms), grace_seconds)
    }

    /// Guarantees 8 and 10.
    #[test]
    fn the_token_before_the_current_one_is_a_retry_for_10_seconds_and_a_replay_from_then_on() {
        let user = UserId::try_from(7).unwrap();
        let judge = |hash, ms| judge(hash, ms, 10);
        assert_eq!(judge("before", 0), Rotation::Rotated(user));
        assert_eq!(judge("before", 10_000), Rotation::Rotated(user));
        assert_eq!(judge("before", 10_001), Rotation::Replayed(user));
        assert_eq!(judge("older", 0), Rotation::Replayed(user));
        assert_eq!(judge("before", 3_599_999), Rotation::Replayed(user));
        assert_eq!(judge("before", 3_600_000), Rotation::Gone);
    }

    /// Guarantee 8: a clock that was set back makes no old token an honest retry.
    #[test]
    fn a_rotation_ahead_of_the_clock_grants_no_grace() {
        let user = UserId::try_from(7).unwrap();
        for grace in [10, 60] {
            assert_eq!(judge("before", -SKEW_MS, grace), Rotation::Rotated(user));
            assert_eq!(judge("before", -SKEW_MS - 1, grace), Rotation::Replayed(user));
            assert_eq!(judge("before", -86_400_000, grace), Rotation::Replayed(user));
        }
        assert_eq!(judge("before", 60_000, 60), Rotation::Rotated(user));
        assert_eq!(judge("before", 60_001, 60), Rotation::Replayed(user));
    }
}
