//! Password reset tokens: one item for each user who has one, with the hash of the token.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use crate::{
    auth::reset::ResetToken,
    clock::Instant,
    db::{
        attempt_limits::WINDOW,
        expression::{Condition, ConditionFailed},
        item::{from_item, number, text},
        keys,
        store::Store,
        user::{PasswordVersion, UserItem},
    },
    domain::UserId,
    error::Result,
};

/// How many mails with a token a user gets in a row, however soon each follows the one before. A row ends when no mail was sent
/// for 15 minutes, the window in which requests for one are counted.
pub const MAILS_IN_A_ROW: u32 = 10;

/// How long the token of a mail stays good at least after that many mails, in seconds. Whoever asks without pause for the mails
/// of somebody else would otherwise end each token before its owner has read it.
pub const SPACE_SECONDS: i64 = 5 * 60;

/// A password reset token, as stored under `RESET#<user>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetItem {
    /// The hash of the token.
    pub hash: String,
    /// The email that the user had when the token was made. With another one, the token no longer works: whoever reads the old
    /// mailbox must not get the account.
    pub email: String,
    /// The version of the password when the token was made. With another one, the token no longer works.
    #[serde(default, skip_serializing_if = "PasswordVersion::is_first")]
    pub password_version: PasswordVersion,
    /// When the token stops working, in milliseconds since 1970.
    pub expires: i64,
    /// When DynamoDB may delete the item, in seconds since 1970. Only for cleanup: `expires` decides.
    pub ttl: i64,
    /// How many mails were sent in a row, up to that with this token.
    #[serde(default, skip_serializing_if = "is_none_sent")]
    pub mails: u32,
    /// When the token was mailed, in milliseconds since 1970. `None` before that, and for an operator's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailed: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none_sent(mails: &u32) -> bool {
    *mails == 0
}

impl ResetItem {
    /// The item of a new token of a user, good for `seconds` from `now`.
    fn new(token: &ResetToken, user: &UserItem, now: Instant, seconds: i64) -> Self {
        let end = now.plus_seconds(seconds);
        Self {
            hash: token.hash(),
            email: user.email.clone(),
            password_version: user.password_version,
            expires: end.0,
            ttl: end.seconds().saturating_add(1),
            mails: 0,
            mailed: None,
        }
    }

    /// Whether its token, if it is the right one, resets the password of this user.
    fn is_good(&self, user: &UserItem, now: Instant) -> bool {
        now.0 < self.expires && self.email == user.email && self.password_version == user.password_version
    }

    /// Whether its mail was sent less than `seconds` ago. A time ahead of the clock, which was set back, is no such time.
    fn is_mailed_within(&self, seconds: i64, now: Instant) -> bool {
        self.mailed
            .is_some_and(|mailed| mailed <= now.0 && now < Instant(mailed).plus_seconds(seconds))
    }
}

impl Store {
    /// AP-53: makes a password reset token for a user, good for `seconds`. It ends the user's earlier one. 1 call, 1 unit.
    pub async fn make_reset_token(&self, user: &UserItem, seconds: i64) -> Result<ResetToken> {
        let token = ResetToken::new(user.id)?;
        let reset = ResetItem::new(&token, user, self.clock.now(), seconds);
        self.write(&keys::reset(user.id), &reset).await?;
        Ok(token)
    }

    /// AP-53: makes a password reset token to be mailed, good for `seconds`, and returns it with its item. It ends the user's
    /// earlier one. `None` if that one stays: after [`MAILS_IN_A_ROW`], the token of the last mail is good for
    /// [`SPACE_SECONDS`] at least. 2 calls, 1 read unit, 1 write unit.
    pub async fn make_token_to_mail(
        &self,
        user: &UserItem,
        seconds: i64,
    ) -> Result<Option<(ResetToken, ResetItem)>> {
        let last: Option<ResetItem> = self
            .get(&keys::reset(user.id))
            .await?
            .map(from_item)
            .transpose()?;
        let now = self.clock.now();
        let stays = |last: &ResetItem| {
            last.mails >= MAILS_IN_A_ROW
                && last.is_good(user, now)
                && last.is_mailed_within(SPACE_SECONDS, now)
        };
        if last.as_ref().is_some_and(stays) {
            return Ok(None);
        }
        let token = ResetToken::new(user.id)?;
        // A token whose mail failed is replaced by the next one, and ends no row.
        let in_row = last.filter(|last| last.mailed.is_none() || last.is_mailed_within(WINDOW, now));
        let reset = ResetItem {
            mails: in_row.map_or(0, |last| last.mails),
            ..ResetItem::new(&token, user, now, seconds)
        };
        self.write(&keys::reset(user.id), &reset).await?;
        Ok(Some((token, reset)))
    }

    /// AP-53: notes that a token of a user was mailed, unless it was replaced or used. 1 call, 1 unit.
    pub async fn note_mailed_token(&self, user: UserId, reset: ResetItem) -> Result<()> {
        let is_the_same = Condition::new("#hash = :hash").value(":hash", text(reset.hash.clone()));
        let mailed = ResetItem {
            mails: reset.mails.saturating_add(1),
            mailed: Some(self.clock.now().0),
            ..reset
        };
        let noted = self.write_if(&keys::reset(user), &mailed, is_the_same).await?;
        let (Ok(()) | Err(ConditionFailed { .. })) = noted;
        Ok(())
    }

    /// AP-53: makes a password reset token for the user with this username or email, for an operator. `None` if there is no such
    /// user. 3 calls.
    pub async fn make_reset_token_of(&self, username: &str, seconds: i64) -> Result<Option<ResetToken>> {
        let Some(id) = self.user_named(username).await? else {
            return Ok(None);
        };
        match self.get_user(id).await? {
            Some(user) => self.make_reset_token(&user, seconds).await.map(Some),
            None => Ok(None),
        }
    }

    /// AP-54: the user whose password a token resets. `None` if the token isn't the user's newest one, is too old, or was used, or
    /// if the user has another email or password since it was made. 2 calls in parallel, 2 units. The transaction that sets the
    /// new password must check all of this again: [`Store::use_reset_token`], and the email and the version of this user.
    pub async fn reset_by(&self, token: &ResetToken) -> Result<Option<UserItem>> {
        let (reset, user) = tokio::try_join!(
            async { self.get(&keys::reset(token.user())).await },
            self.get_user(token.user()),
        )?;
        let reset: Option<ResetItem> = reset.map(from_item).transpose()?;
        let now = self.clock.now();
        // The secret has 192 random bits and its hash is compared, so the time that this takes says nothing of it.
        let is_good = |user: &UserItem| {
            reset
                .as_ref()
                .is_some_and(|reset| reset.hash == token.hash() && reset.is_good(user, now))
        };
        Ok(user.filter(is_good))
    }

    /// AP-54: the action that uses a token up, for the transaction that sets the new password. Its condition fails if the token is
    /// no longer good.
    pub fn use_reset_token(&self, token: &ResetToken) -> Result<TransactWriteItem> {
        let is_good = Condition::new("#hash = :hash AND #expires > :now")
            .value(":hash", text(token.hash()))
            .value(":now", number(self.clock.now().0));
        self.on(keys::reset(token.user())).delete(is_good)
    }
}
