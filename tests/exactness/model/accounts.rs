//! The requests by which users change their accounts: registration, sign-ins and sessions, passwords, names, deletion.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{comparison::Comparison, reference::*, requests::*};
use crate::support::{Answer, Caller, PASSWORD};

const ME: &str = "/api/users/me/";
const SESSIONS: &str = "/api/users/me/sessions/";

/// The passwords that users have.
const PASSWORDS: [&str; 3] = [PASSWORD, "you are my lucky star", "get away from her"];

/// A wrong password. Each user sends it fewer times than an attempt has to wait after.
const WRONG: &str = "another passphrase";
const MOST_WRONG: usize = 7;

impl Comparison {
    /// Registers a user whose names may be taken, possibly in different case.
    pub(super) async fn register(&mut self, n: usize) {
        let taken = self.users.len();
        let (name, mail) = (n % (taken + 2), n / 3 % (taken + 2));
        let (name, mail) = if taken < 3 { (n, n) } else { (name, mail) };
        let (username, email) = (username(name, n), email(mail, n));
        let body = json!({"username": username, "email": email, "password": PASSWORD});
        let call = self.app.anonymous().post("/api/auth/register/").json(&body);
        let answer = call.send().await;
        let wrong = self.taken(None, Some(&username), Some(&email));
        if !wrong.is_empty() {
            answer.is_problem(409, "conflict").names(&wrong);
            return;
        }
        let answer = answer.is(201);
        let user = &answer.body["user"];
        let id = user["id"].as_u64().unwrap();
        assert!(id > self.last_user);
        self.last_user = id;
        let expected = json!({
            "id": id,
            "username": username,
            "email": email,
            "role": "member",
            "date_joined": user["date_joined"],
        });
        assert_eq!(*user, expected);
        let caller = Caller {
            id,
            username,
            ..with_tokens(&self.app.anonymous(), &answer)
        };
        self.users.push(User {
            sessions: vec![session_of(&caller)],
            caller,
            body: expected,
            favorites: Vec::new(),
            password: PASSWORD,
            wrong: 0,
            ended: Vec::new(),
        });
    }

    /// The fields whose names another user than `own` has.
    fn taken(&self, own: Option<u64>, username: Option<&str>, email: Option<&str>) -> Vec<&'static str> {
        let same = |user: &User, field: &str, text: &str| {
            user.body[field].as_str().unwrap().to_lowercase() == text.to_lowercase()
        };
        let named = [("email", email), ("username", username)];
        let taken = named.into_iter().filter(|(field, text)| {
            let mut others = self.users.iter().filter(|user| Some(user.caller.id) != own);
            text.is_some_and(|text| others.any(|user| same(user, field, text)))
        });
        taken.map(|(field, _)| field).collect()
    }

    /// Sends a request about a user's account, applies it to the reference, and compares.
    pub(super) async fn account(&mut self, n: usize, change: &AccountChange) {
        let at = n % self.users.len();
        match *change {
            AccountChange::SignIn { by_email, right } => self.sign_in(at, by_email, right).await,
            AccountChange::Refresh(n) => self.refresh(at, n).await,
            AccountChange::EndSession(n) => self.end_session(at, n).await,
            AccountChange::EndOthers => {
                self.caller(Some(at)).delete(SESSIONS).send().await.is(204);
                self.users[at].end_all_but_current();
            }
            AccountChange::Password { to, right } => self.change_password(at, to, right).await,
            AccountChange::Reset(to) => self.reset_password(at, to).await,
            AccountChange::Names {
                username,
                email,
                right,
            } => self.change_names(at, username, email, right).await,
            AccountChange::Delete { right } => self.delete_account(at, right).await,
        }
    }

    /// The password to send: the user's own, or a wrong one as long as no attempt has to wait.
    fn typed(&mut self, at: usize, right: bool) -> (&'static str, bool) {
        let user = &mut self.users[at];
        if right || user.wrong >= MOST_WRONG {
            return (user.password, true);
        }
        user.wrong += 1;
        (WRONG, false)
    }

    async fn sign_in(&mut self, at: usize, by_email: bool, right: bool) {
        let (password, right) = self.typed(at, right);
        let user = &self.users[at];
        let name = &user.body[if by_email { "email" } else { "username" }];
        let body = json!({"username": name, "password": password});
        let call = self.app.anonymous().post("/api/auth/login/").json(&body);
        let answer = call.send().await;
        if !right {
            answer.is_problem(401, "unauthenticated");
            return;
        }
        let answer = answer.is(200);
        assert_eq!(answer.body["user"], user.body);
        // The user goes on in the new session.
        let user = &mut self.users[at];
        user.caller = with_tokens(&user.caller, &answer);
        user.sessions.push(session_of(&user.caller));
    }

    /// Refreshes a session that is there, or one that has ended.
    async fn refresh(&mut self, at: usize, n: usize) {
        let nobody = self.app.anonymous();
        let user = &mut self.users[at];
        if n.is_multiple_of(3)
            && let Some(ended) = user.ended.last()
        {
            let call = nobody.with_token("refresh", ended);
            call.send().await.is_problem(401, "unauthenticated");
            return;
        }
        if user.sessions.is_empty() {
            return;
        }
        let place = n % user.sessions.len();
        let session = &mut user.sessions[place];
        let answer = nobody
            .with_token("refresh", &session.refresh)
            .send()
            .await
            .is(200);
        session.refresh = answer.body["refresh"].as_str().unwrap().to_owned();
    }

    async fn end_session(&mut self, at: usize, n: usize) {
        let user = &mut self.users[at];
        let path = |id: &str| format!("{SESSIONS}{id}/");
        if user.sessions.is_empty() || n.is_multiple_of(5) {
            let other = self.users[(at + 1) % self.users.len()].sessions.first().cloned();
            if let Some(other) = other.filter(|_| self.users.len() > 1) {
                self.users[at]
                    .caller
                    .delete(&path(&other.id))
                    .send()
                    .await
                    .is(404);
            }
            return;
        }
        let session = user.sessions.remove(n % user.sessions.len());
        user.caller.delete(&path(&session.id)).send().await.is(204);
        user.caller.delete(&path(&session.id)).send().await.is(404);
        user.ended.push(session.refresh);
    }

    async fn change_password(&mut self, at: usize, to: usize, right: bool) {
        let (typed, right) = self.typed(at, right);
        let new = PASSWORDS[to % PASSWORDS.len()];
        let body = json!({"current_password": typed, "new_password": new});
        let user = &mut self.users[at];
        let call = user.caller.put(&format!("{ME}password/")).json(&body);
        let answer = call.send().await;
        if !right {
            answer
                .is_problem(400, "invalid_input")
                .names(&["current_password"]);
            return;
        }
        answer.is(204);
        user.password = new;
        user.end_all_but_current();
    }

    /// Resets a password by a token of the operator's.
    async fn reset_password(&mut self, at: usize, to: usize) {
        let new = PASSWORDS[to % PASSWORDS.len()];
        let with_token = self.app.with_reset_token(self.caller(Some(at))).await;
        let body = json!({"token": with_token.reset, "password": new});
        let confirm = || {
            let nobody = self.app.anonymous();
            nobody.post("/api/auth/password-reset/confirm/").json(&body)
        };
        confirm().send().await.is(204);
        confirm()
            .send()
            .await
            .is_problem(400, "invalid_input")
            .names(&["token"]);
        let user = &mut self.users[at];
        user.password = new;
        let ended = user.sessions.drain(..).map(|session| session.refresh);
        user.ended.extend(ended);
    }

    async fn change_names(&mut self, at: usize, name: Option<usize>, mail: Option<usize>, right: bool) {
        let (typed, right) = self.typed(at, right);
        let most = self.users.len() + 2;
        let name = name.map(|n| username(n % most, n));
        let mail = mail.map(|n| email(n % most, n));
        let mut body = json!({"current_password": typed});
        for (field, text) in [("username", &name), ("email", &mail)] {
            if let Some(text) = text {
                body[field] = json!(text);
            }
        }
        let user = &self.users[at];
        let answer = user.caller.patch(ME).json(&body).send().await;
        if !right {
            answer
                .is_problem(400, "invalid_input")
                .names(&["current_password"]);
            return;
        }
        let wrong = self.taken(Some(user.caller.id), name.as_deref(), mail.as_deref());
        if !wrong.is_empty() {
            answer.is_problem(409, "conflict").names(&wrong);
            return;
        }
        let answer = answer.is(200);
        let user = &mut self.users[at];
        if let Some(name) = name {
            user.body["username"] = json!(name);
            user.caller.username = name;
        }
        if let Some(mail) = mail {
            user.body["email"] = json!(mail);
        }
        assert_eq!(answer.body, user.body);
    }

    /// Deletes the account of a user who isn't the admin, while there are two others.
    async fn delete_account(&mut self, at: usize, right: bool) {
        if at == 0 || self.users.len() < 3 {
            return;
        }
        let (typed, right) = self.typed(at, right);
        let caller = self.caller(Some(at));
        let call = caller.delete(ME).json(&json!({"current_password": typed}));
        let answer = call.send().await;
        if !right {
            answer
                .is_problem(400, "invalid_input")
                .names(&["current_password"]);
            return;
        }
        answer.is(204);
        let gone = self.users.remove(at);
        caller.get(ME).send().await.is(401);
        caller.get("/api/movies/").send().await.is(401);
        let nobody = self.app.anonymous();
        for token in gone
            .sessions
            .iter()
            .map(|session| &session.refresh)
            .chain(&gone.ended)
        {
            nobody.with_token("refresh", token).send().await.is(401);
        }
        for movie in self.movies.values_mut() {
            movie.owner = movie.owner.filter(|owner| *owner != caller.id);
            movie.favorites.remove(&caller.id);
        }
    }

    /// Compares the sessions of a user with the list of them.
    pub(super) async fn check_sessions(&self, user: &User) {
        let list = user.caller.get(SESSIONS).send().await.is(200).body;
        let current = user.caller.session().unwrap();
        let shown: Vec<(&str, bool)> = list["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|session| (session["id"].as_str().unwrap(), session["current"] == true))
            .collect();
        let ids = user.sessions.iter().rev().map(|session| &*session.id);
        let expected: Vec<(&str, bool)> = ids.map(|id| (id, id == current)).collect();
        assert_eq!(shown, expected);
        assert_eq!(list["count"], expected.len());
    }

    /// The users whose accounts the server has. Those that were deleted can't sign in any more.
    pub(super) fn ids_of_users(&self) -> BTreeSet<u64> {
        self.users.iter().map(|user| user.caller.id).collect()
    }
}

fn username(name: usize, n: usize) -> String {
    cased(format!("zoë{name}"), n)
}

fn email(mail: usize, n: usize) -> String {
    cased(format!("zoe{mail}@example.com"), n)
}

fn cased(text: String, n: usize) -> String {
    if n % 2 == 1 { text.to_uppercase() } else { text }
}

/// This caller with the tokens of an answer.
fn with_tokens(caller: &Caller, answer: &Answer) -> Caller {
    let token = |name: &str| match &answer.body[name] {
        Value::String(token) => token.clone(),
        other => panic!("{name} is {other}"),
    };
    Caller {
        access: Some(token("access")),
        refresh: token("refresh"),
        ..caller.clone()
    }
}

fn session_of(caller: &Caller) -> Session {
    Session {
        id: caller.session().unwrap(),
        refresh: caller.refresh.clone(),
    }
}
