//! The check of a user, the logins, and what only an existing user can have.

use std::collections::BTreeMap;

use marquee_shared::{
    db::{
        Key, keys,
        user::{LoginKind, UserItem},
    },
    domain::{UserId, username::fold_name},
};

use super::{
    Candidate,
    facts::{Class, Fact, Login},
    kind::Kind,
    mend::Mend,
};

pub(super) struct UserCheck {
    group: String,
    id: Option<UserId>,
    user: Option<UserItem>,
    is_leaving: bool,
    is_unreadable: bool,
    logins: BTreeMap<String, Login>,
}

impl UserCheck {
    pub(super) fn of(group: String) -> Self {
        Self {
            id: group.parse::<u64>().ok().and_then(|id| UserId::try_from(id).ok()),
            group,
            user: None,
            is_leaving: false,
            is_unreadable: false,
            logins: BTreeMap::new(),
        }
    }

    fn candidate(&self, kind: Kind, key: Key, text: String, mend: Option<Mend>) -> Candidate {
        Candidate {
            kind,
            class: Class::User,
            group: self.group.clone(),
            key,
            subject: String::new(),
            text,
            mend,
        }
    }

    /// The names of the user, and which kind each is.
    fn names(&self) -> BTreeMap<String, LoginKind> {
        let mut names = BTreeMap::new();
        if let Some(user) = &self.user {
            names.insert(fold_name(&user.email), LoginKind::Email);
            names.insert(fold_name(&user.username), LoginKind::Username);
        }
        names
    }

    pub(super) fn add(&mut self, key: Key, fact: Fact) -> Vec<Candidate> {
        let mut found = Vec::new();
        match fact {
            Fact::Unreadable => self.is_unreadable = true,
            Fact::User(user) => self.user = Some(*user),
            _ if self.is_unreadable => {}
            Fact::Leaving => {
                self.is_leaving = true;
                if self.user.is_some() {
                    let text = format!("user {} exists, and is looked after as deleted", self.number());
                    found.push(self.candidate(Kind::LeavingWrong, key, text, None));
                }
            }
            Fact::Login(login) => {
                if self.names().contains_key(&login.name) {
                    self.logins.insert(login.name.clone(), login);
                } else {
                    let text = format!(
                        "the login {} is of user {}, who does not exist or has other names",
                        login.name,
                        self.number()
                    );
                    found.push(self.candidate(Kind::LoginWrong, key, text, None));
                }
            }
            Fact::Claim(text) if self.user.is_none() && !self.is_leaving => {
                // What is left of a deleted user is removed by the passes that look after deleted accounts.
                let mend = self.id.map(Mend::look_after);
                found.push(self.candidate(Kind::UserGone, key, text, mend));
            }
            _ => {}
        }
        found
    }

    fn number(&self) -> u64 {
        self.id.map_or(0, UserId::get)
    }

    pub(super) fn finish(&self) -> Vec<Candidate> {
        let Some(user) = &self.user else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let id = user.id;
        let (username, email) = (fold_name(&user.username), fold_name(&user.email));
        for (name, kind) in self.names() {
            let is_right = self
                .logins
                .get(&name)
                .is_some_and(|login| login.kind == kind && login.account == username && login.email == email);
            if !is_right {
                let text = format!("user {id} has no right login {name}");
                found.push(self.candidate(Kind::LoginWrong, keys::login(&name), text, None));
            }
        }
        let passwords: Vec<u64> = self.logins.values().map(|login| login.password).collect();
        if passwords.windows(2).any(|two| two.first() != two.last()) {
            let text = format!("user {id} has two passwords");
            found.push(self.candidate(Kind::PasswordDiffers, keys::user(id), text, None));
        }
        if self
            .logins
            .values()
            .any(|login| login.version != user.password_version)
        {
            let text = format!("user {id} has a login of another password version");
            found.push(self.candidate(Kind::PasswordDiffers, keys::user(id), text, None));
        }
        found
    }
}
