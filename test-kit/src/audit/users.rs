//! The checks of users, their logins and their sessions.

use std::collections::BTreeMap;

use marquee_shared::{
    db::{keys, user::LoginKind},
    domain::{SessionId, UserId, username::fold_name},
};

use super::{Items, number};

impl Items {
    /// Checks that each user has the logins of their username and their email, and that each login, session and reset
    /// token has a user.
    pub(super) fn users(&mut self) {
        let mut found = Vec::new();
        let mut names = BTreeMap::new();
        for user in self.users.values() {
            let (username, email) = (fold_name(&user.username), fold_name(&user.email));
            let mut own = BTreeMap::from([(email.clone(), LoginKind::Email)]);
            own.insert(username.clone(), LoginKind::Username);
            for (name, kind) in own {
                if let Some(other) = names.insert(name.clone(), user.id) {
                    found.push(format!("users {other} and {} both have the name {name}", user.id));
                }
                let right = self.logins.get(&name).is_some_and(|login| {
                    login.user == user.id
                        && login.kind == kind
                        && login.account == username
                        && login.email == email
                });
                if !right {
                    found.push(format!("user {} has no right login {name}", user.id));
                }
            }
            let hash = |name| self.logins.get(name).map(|login| login.password_hash.as_str());
            if hash(&username) != hash(&email) {
                found.push(format!("user {} has two passwords", user.id));
            }
            let is_other = |name| {
                let login = self.logins.get(name);
                login.is_some_and(|login| login.password_version != user.password_version)
            };
            if is_other(&username) || is_other(&email) {
                found.push(format!(
                    "user {} has a login of another password version",
                    user.id
                ));
            }
        }
        for (name, login) in self.logins.iter().filter(|(name, _)| !names.contains_key(*name)) {
            found.push(format!(
                "the login {name} is of user {}, who does not exist",
                login.user
            ));
        }
        for (key, session) in &self.sessions {
            let user = UserId::try_from(number(session, "user")).ok();
            if !user.is_some_and(|user| self.may_have(user)) {
                found.push(format!("the user of the session {key:?} does not exist"));
            }
            let id = SessionId::parse(&key.sk);
            if user
                .zip(id)
                .is_none_or(|(user, id)| keys::session(user, id) != *key)
            {
                found.push(format!("the session {key:?} is under another user's key"));
            }
        }
        for user in self.reset_tokens.iter().filter(|user| !self.may_have(**user)) {
            found.push(format!("the user {user} of a reset token does not exist"));
        }
        self.found.extend(found);
    }
}
