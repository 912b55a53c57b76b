//! Users: one item for each user, and one for each name they sign in with.
//!
//! Usernames and emails share the keys `LOGIN#<folded>`: each is unique, and no username is another user's email. Both of a
//! user's login items hold the hash of the password, so that signing in is one read whichever name is typed. The user's own
//! item holds no hash, and only the auth function may read login items.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, TransactWriteItem};
use serde::{Deserialize, Serialize};

use crate::{
    auth::password::PasswordHash,
    db::{
        counter::Counter,
        expression::{Condition, Update},
        item::{Item, corrupt, from_item, number, text, to_attribute},
        keys,
        page::{Counted, PageLimit, Window},
        range::Direction,
        store::Store,
        transaction::{CommitCheck, Outcome, Transaction},
    },
    domain::{Email, Role, UserId, Username, username::fold_name},
    error::{Error, FieldErrors, Result},
    telemetry::request::note_user_exists,
};

/// A user, as stored under `USERS#⌊id/256⌋`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserItem {
    /// The user's id.
    pub id: UserId,
    /// The username as it was typed.
    pub username: String,
    /// The email as it was typed.
    pub email: String,
    /// What the user may do.
    pub role: Role,
    /// When the user registered (RFC 3339).
    pub joined: String,
    /// The version of the password.
    #[serde(default, skip_serializing_if = "PasswordVersion::is_first")]
    pub password_version: PasswordVersion,
    /// Whether the list of sessions has every session of the user. The list lacks sessions of an earlier version that were not
    /// refreshed since. A user who has registered with this version has none of them, and one who has ended all other sessions
    /// has none any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lists_all_sessions: bool,
}

impl UserItem {
    /// Makes the list of sessions complete: sessions of an earlier version have ended.
    pub(crate) fn list_all_sessions() -> Update {
        Update::new("SET #lists_all_sessions = :true")
            .only_if(Condition::exists())
            .value(":true", AttributeValue::Bool(true))
    }

    /// The condition that there may be sessions of an earlier version.
    pub(crate) fn may_have_earlier_sessions() -> Condition {
        Condition::new("attribute_exists(#pk) AND attribute_not_exists(#lists_all_sessions)")
    }
}

/// How often a user's password was changed. A [session](crate::db::session) ends when its user's version is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordVersion(u64);

impl PasswordVersion {
    /// Whether the password was never changed. Then no item has the attribute.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.0 == 0
    }

    /// The version after another change.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The value of the attribute `password_version`.
    pub(crate) fn attribute(self) -> AttributeValue {
        number(self.0)
    }

    /// The condition that an item has this version.
    pub(crate) fn condition(self) -> Condition {
        if self.is_first() {
            return Condition::new("attribute_not_exists(#password_version)");
        }
        Condition::new("#password_version = :password_version").value(":password_version", self.attribute())
    }
}

/// A name to sign in with, as stored under `LOGIN#<folded>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginItem {
    /// Which of the user's names it is.
    pub kind: LoginKind,
    /// The user.
    pub user: UserId,
    /// The user's folded username.
    pub account: String,
    /// The user's folded email. `account` and `email` are the keys of both login items.
    pub email: String,
    /// The hash of the user's password.
    pub password_hash: PasswordHash,
    /// The version of the password.
    #[serde(default, skip_serializing_if = "PasswordVersion::is_first")]
    pub password_version: PasswordVersion,
}

/// Which of a user's names a login item is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginKind {
    /// The username. It may be equal to the email; then it is the only login item.
    Username,
    /// The email.
    Email,
}

impl Store {
    /// AP-24: a page of all users by id, and the number of users.
    pub async fn list_users(&self, window: &Window, limit: PageLimit) -> Result<Counted<UserItem>> {
        let counters = [Counter::Users, Counter::UserIds];
        self.walk_buckets(keys::user_bucket, counters, Direction::Ascending, window, limit)
            .await?
            .try_map(from_item)
    }

    /// AP-17: checks that nobody has these names. 1 call, 2 units.
    ///
    /// # Errors
    /// [`Error::Conflict`] with every name that is taken.
    pub async fn check_names_free(&self, username: &Username, email: &Email) -> Result<()> {
        let username = keys::login(&username.folded());
        let email = keys::login(&email.folded());
        let items = self.batch_get(vec![username.clone(), email.clone()]).await?;
        taken(items.contains_key(&username), items.contains_key(&email))
    }

    /// AP-17: adds a user with both names and a first session, in one transaction. 5 actions, 10 units.
    ///
    /// # Errors
    /// [`Error::Conflict`] with every name that has been taken meanwhile.
    pub async fn create_user(
        &self,
        user: &UserItem,
        password_hash: PasswordHash,
        session: TransactWriteItem,
    ) -> Result<()> {
        let mut login = LoginItem {
            kind: LoginKind::Username,
            user: user.id,
            account: fold_name(&user.username),
            email: fold_name(&user.email),
            password_hash,
            password_version: user.password_version,
        };
        let mut transaction = Transaction::default();
        transaction.add(self.on(keys::user(user.id)).put(user, Condition::not_exists())?);
        transaction.add(self.count(Counter::Users, 1)?);
        transaction.add(session);
        let put =
            |login: &LoginItem, name: &str| self.on(keys::login(name)).put(login, Condition::not_exists());
        let username = transaction.add(put(&login, &login.account)?);
        let mut email = username;
        if login.email != login.account {
            login.kind = LoginKind::Email;
            email = transaction.add(put(&login, &login.email)?);
        }
        // No other request has this id.
        let own_id = Item::from([("user".to_owned(), number(user.id))]);
        transaction.check_commit(CommitCheck::Has(keys::login(&login.account), own_id));
        match self.transact(&transaction).await? {
            Outcome::Committed => Ok(()),
            outcome => {
                taken(outcome.failed(username), outcome.failed(email))?;
                Err(corrupt("a user whose id was just given out"))
            }
        }
    }

    /// AP-18: the login item of a folded username or email. 1 call, 1 unit.
    pub async fn find_login(&self, folded: &str) -> Result<Option<LoginItem>> {
        let item = self.get(&keys::login(folded)).await?;
        item.map(from_item).transpose()
    }

    /// AP-18: replaces the hash of a user's password in both login items, if it is still the one that was read.
    pub async fn upgrade_hash(&self, login: &LoginItem, hash: &PasswordHash) -> Result<()> {
        let upgrade = |name: &str| {
            let set = Update::new("SET #password_hash = :new")
                .when("#password_hash = :old")
                .value(":new", text(hash.as_str()))
                .value(":old", text(login.password_hash.as_str()));
            self.on(keys::login(name)).update(set)
        };
        let mut transaction = Transaction::default();
        transaction.add(upgrade(&login.account)?);
        if login.email != login.account {
            transaction.add(upgrade(&login.email)?);
        }
        // The condition fails if another request has replaced the hash. That hash is as strong.
        self.transact(&transaction).await?;
        Ok(())
    }

    /// AP-23: a user by id. 1 call, 1 unit.
    pub async fn get_user(&self, id: UserId) -> Result<Option<UserItem>> {
        let item = self.get(&keys::user(id)).await?;
        item.map(from_item).transpose()
    }

    /// AP-23: does `work` for a caller, and checks at the same time that the caller's account exists. 1 call, 1 unit more; no
    /// trip more, and nothing for nobody.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] if the account was deleted, whatever became of `work`; any error of `work`.
    pub async fn for_caller<T>(
        &self,
        caller: Option<UserId>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Some(caller) = caller else {
            return work.await;
        };
        let (exists, done) = tokio::join!(self.check_user(caller), work);
        exists?;
        done
    }

    /// AP-23: checks that a caller's account exists. 1 call, 1 unit.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] if it was deleted.
    pub(crate) async fn check_user(&self, caller: UserId) -> Result<()> {
        let found = self.get(&keys::user(caller)).await?;
        existing(found).map(drop)
    }

    /// AP-18: the user whom an operator names by username or email. `None` if there is no such user.
    pub(crate) async fn user_named(&self, name: &str) -> Result<Option<UserId>> {
        let login = self.find_login(&fold_name(name.trim())).await?;
        Ok(login.map(|login| login.user))
    }

    /// AP-26: gives a role to the user with this username or email. `None` if there is no such user.
    pub async fn promote(&self, username: &str, role: Role) -> Result<Option<UserItem>> {
        let Some(id) = self.user_named(username).await? else {
            return Ok(None);
        };
        let set = Update::new("SET #role = :role")
            .only_if(Condition::exists())
            .value(":role", to_attribute(&role)?);
        let user = self
            .update(&keys::user(id), &set, ReturnValue::AllNew)
            .await?
            .map_err(|_| corrupt("a name of no user"))?;
        from_item(user).map(Some)
    }
}

/// Returns what was read of the caller's user.
///
/// # Errors
/// [`Error::InvalidToken`] if there is no such user: the account was deleted.
pub fn existing<T>(found: Option<T>) -> Result<T> {
    let found = found.ok_or(Error::UNKNOWN_USER)?;
    note_user_exists();
    Ok(found)
}

/// The folded names of a user's logins. One that is both is a username.
pub(crate) fn logins(user: &UserItem) -> BTreeMap<String, LoginKind> {
    let mut logins = BTreeMap::from([(fold_name(&user.email), LoginKind::Email)]);
    logins.insert(fold_name(&user.username), LoginKind::Username);
    logins
}

/// An error with every name that is taken, or `Ok` if neither is.
pub(crate) fn taken(username: bool, email: bool) -> Result<()> {
    let mut errors = FieldErrors::default();
    if username {
        errors.add("username", "A user with that username already exists.");
    }
    if email {
        errors.add("email", "A user with that email already exists.");
    }
    if errors.0.is_empty() {
        Ok(())
    } else {
        Err(Error::Conflict(errors))
    }
}
