//! Password reset tokens: one item for each user who has one, with the hash of the token.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use crate::{
    auth::reset::ResetToken,
    db::{
        expression::Condition,
        item::{from_item, number, text, to_item},
        keys,
        store::Store,
        user::UserItem,
    },
    domain::{UserId, username::fold_name},
    error::Result,
};

/// A password reset token, as stored under `RESET#<user>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetItem {
    /// The hash of the token.
    pub hash: String,
    /// When the token stops working, in milliseconds since 1970.
    pub expires: i64,
    /// When DynamoDB may delete the item, in seconds since 1970. Only for cleanup: `expires` decides.
    pub ttl: i64,
}

impl Store {
    /// AP-53: makes a password reset token for a user, good for `seconds`. It ends the user's earlier one. 1 call, 1 unit.
    pub async fn make_reset_token(&self, user: UserId, seconds: i64) -> Result<ResetToken> {
        let token = ResetToken::new(user)?;
        let end = self.clock.now().plus_seconds(seconds);
        let reset = ResetItem {
            hash: token.hash(),
            expires: end.0,
            ttl: end.seconds().saturating_add(1),
        };
        let mut item = to_item(&reset)?;
        item.extend(keys::reset(user).attributes());
        let put = self.put(item, Condition::none()).await?;
        debug_assert!(put.is_ok(), "no condition was sent");
        Ok(token)
    }

    /// AP-53: makes a password reset token for the user with this username or email, for an operator. `None` if there is no such
    /// user. 2 calls.
    pub async fn make_reset_token_of(&self, username: &str, seconds: i64) -> Result<Option<ResetToken>> {
        match self.find_login(&fold_name(username.trim())).await? {
            Some(login) => self.make_reset_token(login.user, seconds).await.map(Some),
            None => Ok(None),
        }
    }

    /// AP-54: the user whose password a token resets. `None` if the token isn't the user's newest one, is too old, or was used.
    /// 2 calls in parallel, 2 units. [`Store::use_reset_token`] checks the token again.
    pub async fn reset_by(&self, token: &ResetToken) -> Result<Option<UserItem>> {
        let (reset, user) = tokio::try_join!(
            async { self.get(&keys::reset(token.user())).await },
            self.get_user(token.user()),
        )?;
        let reset: Option<ResetItem> = reset.map(from_item).transpose()?;
        let now = self.clock.now();
        // The secret has 192 random bits and its hash is compared, so the time that this takes says nothing of it.
        let is_good = reset.is_some_and(|reset| reset.hash == token.hash() && now.0 < reset.expires);
        Ok(user.filter(|_| is_good))
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
