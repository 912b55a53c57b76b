//! Changing a user's username and email: AP-49.
//!
//! One transaction changes the user and both logins, so a name is always either the old owner's or free, and both names change
//! or neither. The new logins get the hash of the old ones.

use std::collections::BTreeMap;

use crate::{
    auth::password::PasswordHash,
    db::{
        expression::{Condition, Update},
        item::{Item, from_item, number, text, to_attribute},
        keys,
        optimistic::WriteAttempts,
        store::Store,
        transaction::{CommitCheck, Outcome, Transaction},
        user::{LoginItem, LoginKind, UserItem, logins, taken},
    },
    domain::{Email, Username, username::fold_name},
    error::Result,
};

/// The names to change.
#[derive(Clone, Debug, Default)]
pub struct NewNames {
    /// The new username, if it changes.
    pub username: Option<Username>,
    /// The new email, if it changes.
    pub email: Option<Email>,
}

/// What became of a change of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamesChange {
    /// The user as they are now.
    Made(UserItem),
    /// There is no such user.
    NoUser,
    /// The user has another password than the one that the caller has shown to know.
    Outdated,
}

impl NewNames {
    /// The user with these names.
    fn of(&self, user: &UserItem) -> UserItem {
        let (username, email) = (self.username.as_ref(), self.email.as_ref());
        UserItem {
            username: username.map_or_else(|| user.username.clone(), |name| name.as_str().to_owned()),
            email: email.map_or_else(|| user.email.clone(), |email| email.as_str().to_owned()),
            ..user.clone()
        }
    }
}

impl Store {
    /// AP-49: changes the names of a user who was read as `user`. One BatchGetItem, then one transaction of 2 units for the user and
    /// for each login that there was or is; again if the user changes meanwhile, or if another request takes one of the names.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) with every name that another user has.
    pub async fn set_names(&self, user: UserItem, names: &NewNames) -> Result<NamesChange> {
        let mut attempts = WriteAttempts::of("set_names");
        let (id, known) = (user.id, user.password_version);
        let mut read = Some(user);
        loop {
            attempts.next().await?;
            let found = match read.take() {
                Some(user) => Some(user),
                None => self.get_user(id).await?,
            };
            let Some(old) = found else {
                return Ok(NamesChange::NoUser);
            };
            if old.password_version != known {
                return Ok(NamesChange::Outdated);
            }
            let new = names.of(&old);
            if new == old {
                return Ok(NamesChange::Made(old));
            }
            let Some(plan) = self.plan_names(&old, &new).await? else {
                continue;
            };
            let transaction = self.names_transaction(&old, &new, &plan)?;
            // If a name was taken meanwhile, the next read shows whether by this user, who may send a request twice.
            if let Outcome::Committed = self.transact(&transaction).await? {
                return Ok(NamesChange::Made(new));
            }
        }
    }

    /// The hash of the logins, and which logins there will be. `None` if the names of the user have changed since they were read.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) with every name that another user has.
    async fn plan_names(&self, old: &UserItem, new: &UserItem) -> Result<Option<LoginsPlan>> {
        let (before, after) = (logins(old), logins(new));
        let wanted = before.keys().chain(after.keys());
        let found = self
            .batch_get(wanted.map(|name| keys::login(name)).collect())
            .await?;
        let is_others = |name: &str| -> Result<bool> {
            let login = found.get(&keys::login(name)).cloned();
            let login: Option<LoginItem> = login.map(from_item).transpose()?;
            Ok(login.is_some_and(|login| login.user != old.id))
        };
        let (account, email) = (fold_name(&new.username), fold_name(&new.email));
        let email_taken = email != account && is_others(&email)?;
        taken(is_others(&account)?, email_taken)?;
        let login = found.get(&keys::login(&fold_name(&old.username))).cloned();
        let login: Option<LoginItem> = login.map(from_item).transpose()?;
        Ok(login
            .filter(|login| login.user == old.id)
            .map(|login| LoginsPlan {
                hash: login.password_hash,
                before,
                after,
            }))
    }

    fn names_transaction(&self, old: &UserItem, new: &UserItem, plan: &LoginsPlan) -> Result<Transaction> {
        let mut transaction = Transaction::default();
        let user = Update::new("SET #username = :username, #email = :email")
            .only_if(old.password_version.condition())
            .when("#username = :old_username AND #email = :old_email")
            .value(":username", text(&new.username))
            .value(":email", text(&new.email))
            .value(":old_username", text(&old.username))
            .value(":old_email", text(&old.email));
        transaction.add(self.on(keys::user(old.id)).update(user)?);
        let (account, email) = (fold_name(&new.username), fold_name(&new.email));
        // A sign-in may replace a weak hash meanwhile.
        let unchanged = Condition::new("#user = :user AND #password_hash = :hash")
            .value(":user", number(old.id))
            .value(":hash", text(plan.hash.as_str()));
        for (name, kind) in &plan.after {
            let on = self.on(keys::login(name));
            if plan.before.contains_key(name) {
                let update = Update::new("SET #kind = :kind, #account = :account, #email = :email")
                    .value(":kind", to_attribute(kind)?)
                    .value(":account", text(&account))
                    .value(":email", text(&email));
                transaction.add(on.update(update.only_if(unchanged.clone()))?);
                continue;
            }
            let login = LoginItem {
                kind: *kind,
                user: old.id,
                account: account.clone(),
                email: email.clone(),
                password_hash: plan.hash.clone(),
                password_version: old.password_version,
            };
            transaction.add(on.put(&login, Condition::not_exists())?);
        }
        for name in plan.before.keys().filter(|name| !plan.after.contains_key(*name)) {
            transaction.add(self.on(keys::login(name)).delete(unchanged.clone())?);
        }
        // Another request that leaves the user with these names has the same result.
        let own = Item::from([
            ("user".to_owned(), number(old.id)),
            ("account".to_owned(), text(&account)),
            ("email".to_owned(), text(&email)),
        ]);
        transaction.check_commit(CommitCheck::Has(keys::login(&account), own));
        Ok(transaction)
    }
}

/// The logins before and after a change of names.
struct LoginsPlan {
    hash: PasswordHash,
    before: BTreeMap<String, LoginKind>,
    after: BTreeMap<String, LoginKind>,
}
