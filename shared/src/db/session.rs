//! Sessions: one row each, with the hashes of its current refresh token and of the one before.

use std::time::Duration;

use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem};
use serde::{Deserialize, Serialize};

use crate::{
    auth::refresh::RefreshToken,
    clock::Instant,
    db::{
        keys,
        retry::within,
        store::{Expression, Item, Store, from_item, number, text, to_item},
    },
    domain::UserId,
    error::Result,
};

/// For how long the token before the current one is taken for an honest retry, in milliseconds.
pub const GRACE_MS: i64 = 10_000;

/// How long a rotation is tried. What was done by then and not answered can be sent again before the grace is over.
const ROTATION: Duration = Duration::from_millis(GRACE_MS.unsigned_abs() * 4 / 5);

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
    /// The session's absolute end. It never moves.
    pub expires: i64,
    /// When it began.
    pub created: i64,
    /// When DynamoDB may remove the row, in seconds. It only cleans up.
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
    fn judge(&self, hash: &str, now: Instant) -> Rotation {
        let in_grace = now.0.saturating_sub(self.rotated) <= GRACE_MS;
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
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn rotate_session(&self, token: &RefreshToken, next: &RefreshToken) -> Result<Rotation> {
        let now = self.clock.now();
        let hash = token.hash();
        let rotate = Expression::update("SET #previous = #current, #current = :next, #rotated = :now")
            .when("#current = :hash AND #expires > :now")
            .value(":next", text(next.hash()))
            .leaves("current", text(next.hash()))
            .value(":hash", text(&hash))
            .value(":now", number(now.0));
        let key = keys::session(&token.session());
        let update = self.update(&key, &rotate, ReturnValue::AllNew);
        match within(ROTATION, update).await? {
            Ok(item) => Ok(Rotation::Rotated(from_item::<SessionItem>(item)?.user)),
            Err(None) => Ok(Rotation::Gone),
            Err(Some(item)) => Ok(from_item::<SessionItem>(item)?.judge(&hash, now)),
        }
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

    #[test]
    fn the_token_before_the_current_one_is_a_retry_for_10_seconds_and_a_replay_from_then_on() {
        let user = UserId::try_from(7).unwrap();
        let token = RefreshToken::first().unwrap();
        let rotated = Instant(1_800_000_000_000);
        let session = SessionItem {
            previous: Some("before".into()),
            ..SessionItem::new(user, &token, rotated, 3600)
        };
        let judge = |hash, ms| session.judge(hash, Instant(rotated.0 + ms));
        assert_eq!(judge("before", 0), Rotation::Rotated(user));
        assert_eq!(judge("before", 10_000), Rotation::Rotated(user));
        assert_eq!(judge("before", 10_001), Rotation::Replayed(user));
        assert_eq!(judge("older", 0), Rotation::Replayed(user));
        assert_eq!(judge("before", 3_599_999), Rotation::Replayed(user));
        assert_eq!(judge("before", 3_600_000), Rotation::Gone);
    }
}
