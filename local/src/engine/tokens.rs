//! Transactions that a client sends again because it got no answer. They have the same `ClientRequestToken`, so the second one
//! changes nothing and gets the answer of the first (AWS: TransactWriteItems, "Idempotency").
//!
//! The engine can do this too. But it looks at each token of the last ten minutes at every transaction, so a transaction would
//! take longer the more of them there were before.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use dynoxide::DynoxideError;
use serde::Deserialize;
use serde_json::value::RawValue;

/// How long a token is remembered (AWS: TransactWriteItems, `ClientRequestToken`).
const REMEMBERED: Duration = Duration::from_secs(600);

/// The length in characters of the longest token (AWS: TransactWriteItems, `ClientRequestToken`).
const MAX_TOKEN: usize = 36;

/// The token of a transaction, and what it stands for.
pub(super) struct Token {
    text: Arc<str>,
    /// A hash of the actions as they were sent.
    actions: u64,
}

impl Token {
    /// Returns the token in the body of a request. `None` if there is none, or none that DynamoDB accepts.
    pub(super) fn of(body: &str) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Sent<'a> {
            client_request_token: Option<String>,
            #[serde(borrow)]
            transact_items: Option<&'a RawValue>,
        }
        let sent: Sent<'_> = serde_json::from_str(body).ok()?;
        let text = sent.client_request_token.filter(|text| text.len() <= MAX_TOKEN)?;
        let mut actions = DefaultHasher::new();
        sent.transact_items.map(RawValue::get).hash(&mut actions);
        Some(Self {
            text: text.into(),
            actions: actions.finish(),
        })
    }
}

/// The answers of the transactions of the last ten minutes.
#[derive(Default)]
pub(super) struct Answers(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    answers: HashMap<Arc<str>, Answer>,
    /// The tokens, the oldest first.
    by_age: VecDeque<(Instant, Arc<str>)>,
}

struct Answer {
    actions: u64,
    /// The body of the answer.
    body: String,
}

impl Answers {
    /// Returns the answer to the transaction with this token, if there is one, and otherwise runs it. A transaction that fails
    /// isn't remembered.
    ///
    /// Others wait until the transaction has run, so that two with the same token aren't run at once.
    ///
    /// # Errors
    /// That of the transaction; `IdempotentParameterMismatchException` if another one had the token.
    pub(super) fn once(
        &self,
        token: &Token,
        run: impl FnOnce() -> Result<String, DynoxideError>,
    ) -> Result<String, DynoxideError> {
        // A panic of the engine leaves what is remembered as it was.
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.forget_until(Instant::now().checked_sub(REMEMBERED));
        if let Some(answer) = remembered.answers.get(&token.text) {
            return match answer.actions == token.actions {
                true => Ok(answer.body.clone()),
                false => Err(DynoxideError::IdempotentParameterMismatchException(
                    "Another transaction has this ClientRequestToken.".to_owned(),
                )),
            };
        }
        let body = run()?;
        remembered.add(token, body.clone(), Instant::now());
        Ok(body)
    }
}

impl Remembered {
    fn add(&mut self, token: &Token, body: String, now: Instant) {
        let actions = token.actions;
        self.answers
            .insert(Arc::clone(&token.text), Answer { actions, body });
        self.by_age.push_back((now, Arc::clone(&token.text)));
    }

    /// Forgets what was added until then.
    fn forget_until(&mut self, end: Option<Instant>) {
        while let Some((_, token)) = self.by_age.pop_front_if(|(added, _)| Some(*added) <= end) {
            self.answers.remove(&token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, items: &str) -> Token {
        let body = format!(
            r#"{{"TransactItems":{items},"ReturnConsumedCapacity":"TOTAL","ClientRequestToken":"{text}"}}"#
        );
        Token::of(&body).unwrap()
    }

    #[test]
    fn a_transaction_is_run_once_and_one_that_failed_again() {
        let answers = Answers::default();
        let unavailable = || Err(DynoxideError::InternalServerError("disk".to_owned()));
        assert!(answers.once(&token("a", "[1]"), unavailable).is_err());
        let first = answers.once(&token("a", "[1]"), || Ok("first".to_owned()));
        assert_eq!(first.unwrap(), "first");
        let again = answers.once(&token("a", "[1]"), || Ok("again".to_owned()));
        assert_eq!(again.unwrap(), "first");
        let other = answers.once(&token("a", "[2]"), || Ok("other".to_owned()));
        assert!(matches!(
            other,
            Err(DynoxideError::IdempotentParameterMismatchException(_))
        ));
        let second = answers.once(&token("b", "[2]"), || Ok("second".to_owned()));
        assert_eq!(second.unwrap(), "second");
    }

    #[test]
    fn a_token_is_forgotten_when_it_is_old_and_not_before() {
        let mut remembered = Remembered::default();
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        for (seconds, text) in [(0, "a"), (1, "b"), (2, "c")] {
            remembered.add(&token(text, "[]"), String::new(), at(seconds));
        }
        remembered.forget_until(None);
        assert_eq!(remembered.answers.len(), 3);
        remembered.forget_until(Some(at(1)));
        assert_eq!(
            remembered
                .answers
                .keys()
                .map(AsRef::as_ref)
                .collect::<Vec<&str>>(),
            ["c"]
        );
        assert_eq!(remembered.by_age.len(), 1);
    }

    #[test]
    fn a_token_that_dynamodb_does_not_accept_is_left_to_the_engine() {
        let body = |token: &str| format!(r#"{{"ClientRequestToken":{token},"TransactItems":[]}}"#);
        assert!(Token::of(&body("null")).is_none());
        assert!(Token::of(&body("7")).is_none());
        assert!(Token::of(&body(&format!("\"{}\"", "x".repeat(37)))).is_none());
        assert!(Token::of(&body(&format!("\"{}\"", "x".repeat(36)))).is_some());
        assert!(Token::of("[").is_none());
    }
}
