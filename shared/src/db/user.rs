//! Users: one item each, and one item for each name they sign in with.
//!
//! Usernames and emails share one namespace, `LOGIN#<folded>`: each is unique, and no username is another user's email.
//! Both items hold the password's hash, so that signing in is one read whichever name is typed; the user's own item holds
//! none, and only the auth function reads the others.

use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem};
use serde::{Deserialize, Serialize};

use crate::{
    auth::password::PasswordHash,
    db::{
        counter::Counter,
        keys,
        page::{Counted, PageLimit, Window},
        range::Direction,
        store::{Expression, Item, Outcome, Proof, Store, Transaction, corrupt, from_item, number, text},
    },
    domain::{Email, Role, UserId, Username, username::fold_name},
    error::{Error, FieldErrors, Result},
};

/// A user, as stored under `USERS#⌊id/256⌋`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserItem {
    /// The user's id.
    pub id: UserId,
    /// The username as it is shown.
    pub username: String,
    /// The email as it was typed.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// When they registered, RFC 3339.
    pub joined: String,
}

/// A name to sign in with, as stored under `LOGIN#<folded>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginItem {
    /// What the name is.
    pub kind: LoginKind,
    /// Whose it is.
    pub user: UserId,
    /// The user's folded username.
    pub account: String,
    /// The user's folded email; with `account` it finds both of their items.
    pub email: String,
    /// The hash of their password.
    pub password_hash: PasswordHash,
}

/// What a name to sign in with is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginKind {
    /// The username, which may be the email as well.
    Username,
    /// The email.
    Email,
}

impl Store {
    /// AP-24: a page of all users by id, and how many there are.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn list_users(&self, window: &Window, limit: PageLimit) -> Result<Counted<UserItem>> {
        let counters = [Counter::Users, Counter::UserIds];
        self.walk_buckets(keys::user_bucket, counters, Direction::Ascending, window, limit)
            .await?
            .try_map(from_item)
    }

    /// AP-17: which of two names are taken. 1 call, 2 units.
    ///
    /// # Errors
    /// [`Error::Conflict`] with every name that is taken; [`Error::Unavailable`] when the table doesn't serve.
    pub async fn check_names_free(&self, username: &Username, email: &Email) -> Result<()> {
        let username = keys::login(&username.folded());
        let email = keys::login(&email.folded());
        let items = self.batch_get(vec![username.clone(), email.clone()]).await?;
        taken(items.contains_key(&username), items.contains_key(&email))
    }

    /// AP-17: adds a user with both their names and their first session, in one transaction. 5 actions, 10 units.
    ///
    /// # Errors
    /// [`Error::Conflict`] with every name that somebody else has taken meanwhile; [`Error::Unavailable`] when the table
    /// doesn't serve.
    pub async fn create_user(
        &self,
        user: &UserItem,
        password_hash: PasswordHash,
        session: TransactWriteItem,
    ) -> Result<()> {
        let absent = || Expression::none().when("attribute_not_exists(#pk)");
        let mut login = LoginItem {
            kind: LoginKind::Username,
            user: user.id,
            account: fold_name(&user.username),
            email: fold_name(&user.email),
            password_hash,
        };
        let mut transaction = Transaction::default();
        transaction.add(self.on(keys::user(user.id)).put(user, absent())?);
        transaction.add(self.count(Counter::Users, 1)?);
        transaction.add(session);
        let username = transaction.add(self.on(keys::login(&login.account)).put(&login, absent())?);
        let mut email = username;
        if login.email != login.account {
            login.kind = LoginKind::Email;
            email = transaction.add(self.on(keys::login(&login.email)).put(&login, absent())?);
        }
        // The id is this request's own.
        let own = Item::from([("user".to_owned(), number(user.id))]);
        transaction.prove_by(Proof::Has(keys::login(&login.account), own));
        match self.transact(&transaction).await? {
            Outcome::Committed => Ok(()),
            refused => {
                taken(refused.failed(username), refused.failed(email))?;
                Err(corrupt("a user whose id was just given out"))
            }
        }
    }

    /// AP-18: whose name this is. 1 call, 1 unit.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn find_login(&self, folded: &str) -> Result<Option<LoginItem>> {
        let item = self.get(&keys::login(folded)).await?;
        item.map(from_item).transpose()
    }

    /// AP-18: replaces the hash of a user's password under both their names, if it is still the one that was read.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn upgrade_hash(&self, login: &LoginItem, hash: &PasswordHash) -> Result<()> {
        let upgrade = |name: &str| {
            let set = Expression::update("SET #password_hash = :new")
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
        // Refused when somebody else was quicker, which is as good.
        self.transact(&transaction).await?;
        Ok(())
    }

    /// AP-23: a user. 1 call, 1 unit.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn get_user(&self, id: UserId) -> Result<Option<UserItem>> {
        let item = self.get(&keys::user(id)).await?;
        item.map(from_item).transpose()
    }

    /// AP-26: gives the user of this username, or email, a role. `None` when there is no such user.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn promote(&self, username: &str, role: Role) -> Result<Option<UserItem>> {
        let Some(login) = self.find_login(&fold_name(username.trim())).await? else {
            return Ok(None);
        };
        let role =
            serde_dynamo::to_attribute_value(role).map_err(|e| Error::internal(format!("encode: {e}")))?;
        let set = Expression::update("SET #role = :role")
            .when("attribute_exists(#pk)")
            .value(":role", role);
        let user = self
            .update(&keys::user(login.user), &set, ReturnValue::AllNew)
            .await?
            .map_err(|_| corrupt("a name of no user"))?;
        from_item(user).map(Some)
    }
}

fn taken(username: bool, email: bool) -> Result<()> {
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
