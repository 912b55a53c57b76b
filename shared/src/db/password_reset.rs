//! Password reset tokens: one item for each user who has one, with the hash of the token.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use crate::{
    auth::reset::ResetToken,
    db::{
        expression::Condition,
        item::{from_item, number, text},
        keys,
        store::Store,
        user::{PasswordVersion, UserItem},
    },
    error::Result,
};

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
}

impl Store {
    /// AP-53: makes a password reset token for a user, good for `seconds`. It ends the user's earlier one. 1 call, 1 unit.
    pub async fn make_reset_token(&self, user: &UserItem, seconds: i64) -> Result<ResetToken> {
        let token = ResetToken::new(user.id)?;
        let end = self.clock.now().plus_seconds(seconds);
        let reset = ResetItem {
            hash: token.hash(),
            email: user.email.clone(),
            password_version: user.password_version,
            expires: end.0,
            ttl: end.seconds().saturating_add(1),
        };
        self.write(&keys::reset(user.id), &reset).await?;
        Ok(token)
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
            reset.as_ref().is_some_and(|reset| {
                reset.hash == token.hash()
                    && now.0 < reset.expires
                    && reset.email == user.email
                    && reset.password_version == user.password_version
            })
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
