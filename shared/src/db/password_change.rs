//! Interim: a password change without its sessions.
use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::{
    auth::password::PasswordHash,
    db::{
        expression::Update,
        item::text,
        keys,
        store::Store,
        transaction::{Outcome, Transaction},
    },
    domain::{UserId, username::fold_name},
    error::Result,
};

/// A new password.
#[derive(Clone, Debug)]
pub struct NewPassword<'a> {
    /// Its hash.
    pub hash: &'a PasswordHash,
    /// Unused.
    pub known: Option<()>,
    /// Unused.
    pub keep: Option<()>,
    /// Further actions.
    pub also: Vec<TransactWriteItem>,
}

/// What became of a change of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordChange {
    /// Made.
    Made,
    /// No user.
    NoUser,
    /// Outdated.
    Outdated,
    /// Refused.
    Refused,
}

impl Store {
    /// Interim.
    pub async fn set_password(&self, user: UserId, new: &NewPassword<'_>) -> Result<PasswordChange> {
        let Some(owner) = self.get_user(user).await? else {
            return Ok(PasswordChange::NoUser);
        };
        let mut transaction = Transaction::default();
        for action in &new.also {
            transaction.add(action.clone());
        }
        for name in [fold_name(&owner.username), fold_name(&owner.email)] {
            let update = Update::new("SET #password_hash = :hash").value(":hash", text(new.hash.as_str()));
            transaction.add(self.on(keys::login(&name)).update(update)?);
        }
        match self.transact(&transaction).await? {
            Outcome::Committed => Ok(PasswordChange::Made),
            _ => Ok(PasswordChange::Refused),
        }
    }
}
