//! Sessions: one item each, with the hashes of its current refresh token and of the one before.

use std::time::Duration;

use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem};
use serde::{Deserialize, Serialize};

use crate::{
    auth::refresh::RefreshToken,
    clock::{Instant, SKEW_MS},
    config::TokenConfig,
    db::{
        keys,
        retry::within,
        store::{Expression, Item, Store, from_item, number, text, to_item},
    },
    domain::UserId,
    error::Result,
};

/// The least time that a rotation is tried for, in milliseconds.
const LEAST_ROTATION_MS: u64 = 2_000;

/// How long a rotation is tried. What was done by then and not answered can be sent again before the grace is over.
fn rotation(grace_seconds: i64) -> Duration {
    let grace = u64::try_from(grace_seconds).unwrap_or_default();
    Duration::from_millis((grace * 800).max(LEAST_ROTATION_MS))
}

/// A session, as stored under `SESSION#<id>`. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionItem {
    /// Whose it is.
    pub user: UserId,
    /// The hash of the refresh token that works now.
    pub current: String,
    /// The hash of the one before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// When the current token replaced the previous one, or began the session.
    pub rotated: i64,
    /// The session's absolute end. It never moves further away.
    pub expires: i64,
    /// When it began.
    pub created: i64,
    /// When DynamoDB may remove the item, in seconds. It only cleans up.
    pub ttl: i64,
}

/// What using a refresh token comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It worked, or it is an honest retry: its successor is the session's token now.
    Rotated(UserId),
    /// There is no such session any more, or it has expired.
    Gone,
    /// It is an older token of a living session: somebody has a copy. The session is to be ended.
    Replayed(UserId),
}

impl SessionItem {
    /// A session that begins now.
    #[must_use]
    pub fn new(user: UserId, token: &RefreshToken, now: Instant, seconds: i64) -> Self {
        let end = now.plus_seconds(seconds);
        Self {
            user,
            current: token.hash(),
            previous: None,
            rotated: now.0,
            expires: end.0,
            created: now.0,
            ttl: end.seconds().saturating_add(1),
        }
    }

    /// What becomes of the token of this hash, which isn't the current one.
    fn judge(&self, hash: &str, now: Instant, grace_seconds: i64) -> Rotation {
        // A stamp ahead of a clock that was set back says nothing about how long ago it was.
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
    /// AP-17: the action that begins a session within a transaction.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when it can't be built.
    pub fn begin_session(&self, token: &RefreshToken, session: &SessionItem) -> Result<TransactWriteItem> {
        self.on(keys::session(&token.session()))
            .put(session, Expression::none())
    }

    /// AP-20: begins a session. 1 call, 1 unit.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn put_session(&self, token: &RefreshToken, session: &SessionItem) -> Result<()> {
        let mut item: Item = to_item(session)?;
        item.extend(keys::session(&token.session()).attributes());
        self.put(item, None).await?;
        Ok(())
    }

    /// AP-21: replaces a session's refresh token with its successor: one conditional write, so that of all who use the
    /// token at once one does, and the others are told apart by what they find. 1 call, 1 unit.
    ///
    /// A session that would live longer from now than a new one is cut to that, in a second call: its end was set by a
    /// clock that was set back since, or when sessions lived longer.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn rotate_session(
        &self,
        token: &RefreshToken,
        next: &RefreshToken,
        config: &TokenConfig,
    ) -> Result<Rotation> {
        let now = self.clock.now();
        let key = keys::session(&token.session());
        let hash = token.hash();
        let end = now.plus_seconds(config.session_seconds);
        let rotate = |update: &str| {
            Expression::update(format!(
                "SET #previous = #current, #current = :next, #rotated = :now{update}"
            ))
            .when("#current = :hash AND #expires > :now")
            .value(":next", text(next.hash()))
            .leaves("current", text(next.hash()))
            .value(":hash", text(&hash))
            .value(":now", number(now.0))
            .value(":latest", number(end.0.saturating_add(SKEW_MS)))
        };
        let short = rotate("").when("#expires <= :latest");
        let time = rotation(config.grace_seconds);
        let update = self.update(&key, &short, ReturnValue::AllNew);
        let mut found = match within(time, update).await? {
            Ok(item) => return Ok(Rotation::Rotated(from_item::<SessionItem>(item)?.user)),
            Err(None) => return Ok(Rotation::Gone),
            Err(Some(item)) => from_item::<SessionItem>(item)?,
        };
        if found.current == hash && found.expires > now.0 {
            let cut = rotate(", #expires = :end, #ttl = :ttl")
                .when("#expires > :latest")
                .value(":end", number(end.0))
                .value(":ttl", number(end.seconds().saturating_add(1)));
            let update = self.update(&key, &cut, ReturnValue::AllNew);
            found = match within(time, update).await? {
                Ok(item) => return Ok(Rotation::Rotated(from_item::<SessionItem>(item)?.user)),
                Err(None) => return Ok(Rotation::Gone),
                Err(Some(item)) => from_item(item)?,
            };
        }
        Ok(found.judge(&hash, now, config.grace_seconds))
    }

    /// AP-19: whose session this token is of, for one that doesn't say itself. `None` when it has gone. 1 call, 1 unit.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn session_user(&self, token: &RefreshToken) -> Result<Option<UserId>> {
        let item = self.get(&keys::session(&token.session())).await?;
        Ok(item
            .map(from_item::<SessionItem>)
            .transpose()?
            .map(|session| session.user))
    }

    /// AP-22: ends a session, if it is still there. 1 call, 1 unit.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn end_session(&self, token: &RefreshToken) -> Result<()> {
        self.delete(&keys::session(&token.session())).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ROTATED: i64 = 1_800_000_000_000;

    /// What becomes of a token, `ms` after a rotation, in a session of an hour.
    fn judge(hash: &str, ms: i64, grace_seconds: i64) -> Rotation {
        let user = UserId::try_from(7).unwrap();
        let token = RefreshToken::first(user).unwrap();
        let session = SessionItem {
            previous: Some("before".into()),
            ..SessionItem::new(user, &token, Instant(ROTATED), 3600)
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
