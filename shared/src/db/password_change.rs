//! Changing a user's password: AP-48.
//!
//! One transaction replaces the hash of both logins and gives the user another version of the password, so every session of
//! the version before has ended at the same moment. The transaction also deletes these sessions. A session that begins
//! meanwhile with the old password is of the old version too.

use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::{
    auth::password::PasswordHash,
    db::{
        expression::{Condition, Update},
        item::{Item, number, text},
        keys,
        optimistic::WriteAttempts,
        session_list::Session,
        store::Store,
        transaction::{CommitCheck, MAX_ACTIONS, Outcome, Transaction},
        user::{LoginItem, PasswordVersion, UserItem, logins},
    },
    domain::{SessionId, UserId, username::fold_name},
    error::Result,
    telemetry,
};

/// A new password, and what else depends on it.
#[derive(Clone, Debug)]
pub struct NewPassword<'a> {
    /// Its hash.
    pub hash: &'a PasswordHash,
    /// The version of the password that the caller has shown to know. `None` if something else permits the change.
    pub known: Option<PasswordVersion>,
    /// The email that the user must still have. `None` if any will do.
    pub email: Option<&'a str>,
    /// The session that goes on. `None` ends all.
    pub keep: Option<SessionId>,
    /// Further actions of the same transaction, such as the use of a token. If a condition of one of them fails, nothing is
    /// changed. At most ten, and none of them on the user, the user's logins or the user's sessions.
    pub also: Vec<TransactWriteItem>,
}

/// What became of a change of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordChange {
    /// The user has the new password.
    Made,
    /// There is no such user.
    NoUser,
    /// Another request has changed the password since the caller has shown to know it, or the email.
    Outdated,
    /// A condition of the further actions failed.
    Refused,
}

impl Store {
    /// AP-18: returns a user who was read as `user`, and a login with the hash of the password. `None` if there is no such user any
    /// more. 1 call, 1 unit; again with the user if another request changes the names or the password between the two reads.
    pub async fn login_of(&self, mut user: UserItem) -> Result<Option<(UserItem, LoginItem)>> {
        let mut attempts = WriteAttempts::of("login_of");
        loop {
            attempts.next().await?;
            let login = self.find_login(&fold_name(&user.username)).await?;
            let is_of_user =
                |login: &LoginItem| login.user == user.id && login.password_version == user.password_version;
            if let Some(login) = login.filter(is_of_user) {
                return Ok(Some((user, login)));
            }
            let Some(changed) = self.get_user(user.id).await? else {
                return Ok(None);
            };
            user = changed;
        }
    }

    /// AP-48: gives a user a new password, and ends every session but `keep`. A read, and one transaction of 2 units for the user,
    /// for each login and for each session; again if the user's names or sessions change meanwhile.
    pub async fn set_password(&self, user: UserId, new: &NewPassword<'_>) -> Result<PasswordChange> {
        let mut attempts = WriteAttempts::of("set_password");
        loop {
            attempts.next().await?;
            let (owner, sessions) = tokio::try_join!(self.get_user(user), self.sessions(user))?;
            let Some(owner) = owner else {
                return Ok(PasswordChange::NoUser);
            };
            let is_other_password = new.known.is_some_and(|known| known != owner.password_version);
            let is_other_email = new.email.is_some_and(|email| email != owner.email);
            if is_other_password || is_other_email {
                return Ok(PasswordChange::Outdated);
            }
            let (transaction, left) = self.password_transaction(&owner, &sessions, new)?;
            match self.transact(&transaction).await? {
                Outcome::Committed => {
                    // They have ended with the password. Only their items are left.
                    if let Err(error) = self.delete_sessions(user, left.into_iter()).await {
                        telemetry::warn(
                            &error,
                            "sessions of an old password are left to their time to live",
                        );
                    }
                    return Ok(PasswordChange::Made);
                }
                outcome if (0..new.also.len()).any(|action| outcome.failed(action)) => {
                    return Ok(PasswordChange::Refused);
                }
                // The names, the password or the kept session have changed.
                _ => {}
            }
        }
    }

    /// The transaction, which begins with the further actions, and the sessions for whose deletion it has no room.
    fn password_transaction(
        &self,
        owner: &UserItem,
        sessions: &[Session],
        new: &NewPassword<'_>,
    ) -> Result<(Transaction, Vec<SessionId>)> {
        let mut transaction = Transaction::default();
        for action in &new.also {
            transaction.add(action.clone());
        }
        let version = owner.password_version.next();
        // The names decide which logins are changed.
        let user = Update::new("SET #password_version = :next")
            .only_if(owner.password_version.condition())
            .when("#username = :username AND #email = :email")
            .value(":next", version.attribute())
            .value(":username", text(&owner.username))
            .value(":email", text(&owner.email));
        transaction.add(self.on(keys::user(owner.id)).update(user)?);
        for name in logins(owner).keys() {
            let login = Update::new("SET #password_hash = :hash, #password_version = :next")
                .when("#user = :user")
                .value(":hash", text(new.hash.as_str()))
                .value(":next", version.attribute())
                .value(":user", number(owner.id));
            transaction.add(self.on(keys::login(name)).update(login)?);
        }
        // No two hashes are equal: each has a salt of its own.
        let own_hash = Item::from([("password_hash".to_owned(), text(new.hash.as_str()))]);
        transaction.check_commit(CommitCheck::Has(
            keys::login(&fold_name(&owner.username)),
            own_hash,
        ));
        let now = self.clock.now();
        let mut ended = Vec::new();
        for session in sessions {
            if Some(session.id) != new.keep {
                ended.push(session.id);
            } else if session.item.is_living(owner, now) {
                let kept = Update::new("SET #password_version = :next")
                    .only_if(Condition::exists())
                    .value(":next", version.attribute());
                transaction.add(self.on(keys::session(owner.id, session.id)).update(kept)?);
            }
        }
        let left = ended.split_off(ended.len().min(MAX_ACTIONS - transaction.len()));
        for id in ended {
            transaction.add(self.on(keys::session(owner.id, id)).delete(Condition::none())?);
        }
        Ok((transaction, left))
    }
}
