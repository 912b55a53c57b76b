//! Attempts to sign in, counted so that guessing is slow and that nobody can lock an owner out.
//!
//! An attempt is counted by the name that was typed, whether or not a user has it. So a throttle doesn't show which email
//! belongs to which username, or whether anybody has a name. Three counters count an attacker's attempts
//! separately from the owner's:
//!
//! * *here*: the name, from one address. Nine attempts are free. Then each must wait, twice as long as the one before, at
//!   most 15 minutes.
//! * *everywhere*: the name, from all addresses, 50 in a window of 15 minutes. It doesn't count attempts from an address
//!   where the account has signed in within 30 days.
//! * *in a session*: the name, with a refresh token of the account, instead of the two others. All tokens of a session share
//!   one counter, which nobody can change without a token.
//!
//! A user who is signed in sends their password again to change it. Wrong ones are counted for this user alone, by a fourth
//! counter, *own*, which has the limits of *here*.
//!
//! Names and addresses are stored only as hashes. The limits are in [`attempt_limits`](crate::db::attempt_limits).

use aws_sdk_dynamodb::types::ReturnValue;
use serde::Deserialize;

use crate::{
    clock::{Instant, SKEW_MS},
    db::{
        attempt_limits::{
            AttemptsItem, FORGOTTEN_AFTER, FREE_ATTEMPTS, KNOWN_FOR, Turn, WINDOW_LIMIT, Window, refuse_until,
        },
        expression::{Conditional, Update},
        item::{Item, from_item, number},
        keys::{self, AttemptCounter, Key},
        store::Store,
        user::LoginItem,
    },
    digest::sha256_hex,
    domain::{SessionId, UserId},
    error::{Error, Result},
    telemetry,
};

/// How often counting an attempt is retried after another attempt changed the counter.
const COUNT_TRIES: u32 = 3;

/// An attempt to sign in, by what it is counted by.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The SHA-256 of the folded name that was typed.
    name: String,
    /// The address that it comes from, or the network if one client has a whole network.
    from: String,
}

impl Attempt {
    /// An attempt at a folded name, from a [network](crate::http::extract::SourceAddress::network).
    #[must_use]
    pub fn new(folded: &str, network: &str) -> Self {
        Self {
            name: sha256_hex(folded.as_bytes()),
            from: network.to_owned(),
        }
    }

    /// A request for a password reset of the account with a folded email, from a
    /// [network](crate::http::extract::SourceAddress::network). It is counted apart from attempts to sign in, so that neither
    /// slows the other.
    #[must_use]
    pub fn to_reset(folded: &str, network: &str) -> Self {
        // No name contains a line break.
        Self::new(&format!("reset\n{folded}"), network)
    }

    /// The key of the counter *here*.
    fn here(&self) -> Key {
        self.here_as(&self.name)
    }

    /// The key of the counter *here* of another name, given by its hash.
    fn here_as(&self, name: &str) -> Key {
        let subject = format!("{name} from {}", self.from);
        keys::attempts(&sha256_hex(subject.as_bytes()), AttemptCounter::Here)
    }

    /// The key of the counter *everywhere*.
    fn everywhere(&self, window: Window) -> Key {
        keys::attempts(&self.name, AttemptCounter::Window(window.number))
    }

    /// The key of the counter *in a session*.
    fn in_session(&self, session: SessionId) -> Key {
        let subject = format!("{} in {session}", self.name);
        keys::attempts(&sha256_hex(subject.as_bytes()), AttemptCounter::Session)
    }

    /// The hash of the account's other name. If nobody has the name, or the account has no other one, it is a hash that
    /// belongs to no name, so that the same number of items is read.
    fn other_name(&self, login: Option<&LoginItem>) -> String {
        login
            .iter()
            .flat_map(|login| [&login.account, &login.email])
            .map(|name| sha256_hex(name.as_bytes()))
            .find(|name| *name != self.name)
            .unwrap_or_else(|| sha256_hex(self.name.as_bytes()))
    }
}

/// The counters before an attempt, read in parallel with the account. They may lag: they select which writes are made, and
/// the conditions of those writes decide.
#[derive(Debug)]
pub struct AttemptCounts {
    now: Instant,
    here: Option<AttemptsItem>,
    everywhere: u32,
}

/// What is known about an attempt once the account has been read.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The login item of the name. `None` if nobody has the name.
    pub login: Option<&'a LoginItem>,
    /// The session of the refresh token that the attempt carries. `None` if it carries no token of the account.
    pub session: Option<SessionId>,
}

/// The key of the counter of a signed-in user's attempts at their own password.
fn own(user: UserId) -> Key {
    let subject = format!("user {user}");
    keys::attempts(&sha256_hex(subject.as_bytes()), AttemptCounter::Own)
}

/// The counter *everywhere* of one window.
#[derive(Deserialize)]
struct WindowItem {
    n: u32,
}

impl Store {
    /// AP-19: the counters before this attempt. 2 calls in parallel, eventually consistent: 1 unit.
    pub async fn read_attempts(&self, attempt: &Attempt) -> Result<AttemptCounts> {
        let now = self.clock.now();
        let (here, window) = (attempt.here(), attempt.everywhere(Window::of_all(now)));
        let (here, window) = tokio::try_join!(self.get_eventually(&here), self.get_eventually(&window))?;
        let window: Option<WindowItem> = window.map(from_item).transpose()?;
        Ok(AttemptCounts {
            now,
            here: here.map(from_item).transpose()?,
            everywhere: window.map_or(0, |window| window.n),
        })
    }

    /// AP-19: counts an attempt before its password is checked, so that of a thousand attempts at once only the allowed ones
    /// are accepted. After a success [`Store::record_sign_in`] resets the count. For a free attempt 1 unit in 1 call; from an
    /// address where the account hasn't signed in, 2 units in 2 parallel calls.
    ///
    /// The calls are the same whether or not somebody has the name. They differ only at an address where the account is
    /// known, and with a token of the account.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] if the attempt must wait.
    pub async fn count_attempt(
        &self,
        attempt: &Attempt,
        counts: AttemptCounts,
        claim: Claim<'_>,
    ) -> Result<()> {
        let AttemptCounts {
            now,
            here,
            everywhere,
        } = counts;
        if let Some(session) = claim.session {
            return self.count_at(&attempt.in_session(session), None, now).await;
        }
        let user = claim.login.map(|login| login.user);
        let is_known = |item: &AttemptsItem| user.is_some_and(|user| item.is_known(user, now));
        if here.as_ref().is_some_and(is_known) {
            return self.count_at(&attempt.here(), here, now).await;
        }
        // Over the limit of all addresses an attempt isn't counted here either, so that no address adds an item for it.
        if everywhere < WINDOW_LIMIT && self.count_in_both(attempt, here, now).await? {
            return Ok(());
        }
        // The attempt is refused, unless the account is known at this address after all: the counter may have been read
        // before the account signed in here, or the account may have signed in with its other name.
        let (typed, other) = (attempt.here(), attempt.here_as(&attempt.other_name(claim.login)));
        let mut items = self.batch_get(vec![typed.clone(), other.clone()]).await?;
        let mut item = |key| items.remove(key).map(from_item::<AttemptsItem>).transpose();
        let (here, other) = (item(&typed)?, item(&other)?);
        if here.as_ref().is_some_and(is_known) || other.as_ref().is_some_and(is_known) {
            return self.count_at(&typed, here, now).await;
        }
        refuse_until(Window::of_all(now).end, now)
    }

    /// Counts an attempt *here* and *everywhere*. Returns `false` if the window is full; then neither counts it.
    async fn count_in_both(
        &self,
        attempt: &Attempt,
        found: Option<AttemptsItem>,
        now: Instant,
    ) -> Result<bool> {
        let (here, window) = (attempt.here(), attempt.everywhere(Window::of_all(now)));
        let last = found.as_ref().and_then(|found| found.last);
        let is_free = found.as_ref().is_none_or(|found| found.turn(now) == Turn::Free);
        let (counted, has_room) = if is_free {
            let (counted, has_room) = tokio::join!(
                self.count_at(&here, found, now),
                self.count_everywhere(&window, now)
            );
            (counted, has_room?)
        } else {
            // Such an attempt must usually wait, and an attempt that must wait must not fill the window.
            self.count_at(&here, found, now).await?;
            (Ok(()), self.count_everywhere(&window, now).await?)
        };
        match (counted, has_room) {
            (counted, true) => {
                // Of many attempts at once each may look free, and be counted everywhere before it is refused here.
                if counted.is_err() {
                    let one_less = Update::new("ADD #n :minus")
                        .when("#n > :zero")
                        .value(":minus", number(-1))
                        .value(":zero", number(0));
                    self.take_back(&window, &one_less).await;
                }
                counted.map(|()| true)
            }
            (Ok(()), false) => {
                // Only if no other attempt was counted since, because that one was counted on top of this one.
                let as_before = match last {
                    Some(last) => Update::new("SET #last = :last ADD #n :minus")
                        .when("#last = :now")
                        .value(":last", number(last))
                        .value(":minus", number(-1)),
                    None => Update::new("REMOVE #n, #last")
                        .when("#last = :now AND #n = :one")
                        .value(":one", number(1)),
                };
                self.take_back(&here, &as_before.value(":now", number(now.0)))
                    .await;
                Ok(false)
            }
            (Err(error), false) => Err(error),
        }
    }

    /// Counts an attempt in the window of all addresses. Returns `false` if the window is full.
    async fn count_everywhere(&self, key: &Key, now: Instant) -> Result<bool> {
        let counted = self.count_in(key, Window::of_all(now), WINDOW_LIMIT).await?;
        Ok(counted.is_ok())
    }

    /// Counts an attempt under the key of a window. The condition fails if the window has `limit` attempts.
    async fn count_in(&self, key: &Key, window: Window, limit: u32) -> Result<Conditional<Item>> {
        let count = Update::new("SET #ttl = :ttl ADD #n :one")
            .when("(attribute_not_exists(#n) OR #n < :limit)")
            .value(":one", number(1))
            .value(":limit", number(limit))
            .value(":ttl", number(window.end.seconds()));
        self.update(key, &count, ReturnValue::None).await
    }

    /// Undoes the count of an attempt, at most once. If that fails the attempt stays counted: too high a count is the safe
    /// side.
    async fn take_back(&self, key: &Key, undo: &Update) {
        if let Err(error) = self.update_at_most_once(key, undo).await {
            telemetry::warn(&error, "an attempt stays counted");
        }
    }

    /// Counts an attempt at the counter of one key. `found` was read before and may be outdated.
    async fn count_at(&self, key: &Key, mut found: Option<AttemptsItem>, now: Instant) -> Result<()> {
        let mut is_certain = false;
        for _ in 0..COUNT_TRIES {
            let before = found.unwrap_or_default();
            let count = match before.turn(now) {
                Turn::Wait(open) if is_certain => return refuse_until(open, now),
                // If the counter that was read is outdated, the condition fails and returns the current one.
                Turn::Free | Turn::Wait(_) => Update::new("SET #last = :now, #ttl = :ttl ADD #n :one")
                    .when("(attribute_not_exists(#n) OR (#n < :free AND #last BETWEEN :oldest AND :newest))")
                    .value(":one", number(1))
                    .value(":free", number(FREE_ATTEMPTS))
                    .value(":oldest", number(now.plus_seconds(-FORGOTTEN_AFTER).0 + 1))
                    .value(":newest", number(now.0.saturating_add(SKEW_MS)))
                    .identified_by("last", number(now.0)),
                Turn::Next { last, count } => Update::new("SET #n = :n, #last = :now, #ttl = :ttl")
                    .when("#n = :found AND #last = :last")
                    .value(":n", number(count))
                    .value(":found", number(before.n))
                    .value(":last", number(last))
                    .identified_by("n", number(count))
                    .identified_by("last", number(now.0)),
            };
            // The time to live must cover the time for which the address is known.
            let count = match before.known {
                None => count.when("attribute_not_exists(#known)"),
                Some(known) => count.when("#known = :known").value(":known", number(known)),
            };
            let count = count
                .value(":now", number(now.0))
                .value(":ttl", number(before.ttl(now)));
            match self.update(key, &count, ReturnValue::None).await? {
                Ok(_) => return Ok(()),
                Err(failed) => found = failed.item.map(from_item).transpose()?,
            }
            is_certain = true;
        }
        // Each time, another attempt had changed the counter.
        refuse_until(now.plus_seconds(1), now)
    }

    /// AP-19: after the right password, resets the counter *here*, or the one *in a session*, and stores that the account is
    /// known at this address. 1 unit; with a session 2, in 2 parallel calls.
    pub async fn record_sign_in(
        &self,
        attempt: &Attempt,
        user: UserId,
        session: Option<SessionId>,
    ) -> Result<()> {
        let here = attempt.here();
        let known = self.known(
            user,
            "SET #known = :now, #user = :user, #ttl = :ttl REMOVE #n, #last",
        );
        let forgotten = async {
            match session {
                Some(session) => self.delete(&attempt.in_session(session)).await,
                None => Ok(()),
            }
        };
        let (noted, ()) = tokio::try_join!(self.update(&here, &known, ReturnValue::None), forgotten)?;
        noted
            .map(drop)
            .map_err(|_| Error::internal("an update without a condition was refused"))
    }

    /// AP-19: stores that a user who is just registering is known at this address. 1 call, 1 unit.
    ///
    /// It may run in parallel with the registration. If the registration fails, nobody has the user's id, so nobody is known
    /// by it; and an existing owner of the name stays known.
    pub async fn record_registration(&self, attempt: &Attempt, user: UserId) -> Result<()> {
        let now = self.clock.now();
        let known = self
            .known(user, "SET #known = :now, #user = :user, #ttl = :ttl")
            .when("(attribute_not_exists(#known) OR #known < :over)")
            .value(":over", number(now.plus_seconds(-KNOWN_FOR).0));
        let _ = self.update(&attempt.here(), &known, ReturnValue::None).await?;
        Ok(())
    }

    /// The update that stores that `user` is known, with these clauses.
    fn known(&self, user: UserId, update: &str) -> Update {
        let now = self.clock.now();
        Update::new(update)
            .value(":now", number(now.0))
            .value(":user", number(user))
            .value(":ttl", number(now.plus_seconds(KNOWN_FOR).seconds()))
    }

    /// AP-48: counts an attempt of a signed-in user at their own password, before it is checked. Nobody else's attempts count.
    /// For a free attempt 1 call, 1 unit. After a success [`Store::forget_own_attempts`] resets the count.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] if the attempt must wait.
    pub async fn count_own_attempt(&self, user: UserId) -> Result<()> {
        self.count_at(&own(user), None, self.clock.now()).await
    }

    /// AP-48: resets the count of a user's attempts at their own password. 1 call, 1 unit.
    pub async fn forget_own_attempts(&self, user: UserId) -> Result<()> {
        self.delete(&own(user)).await
    }

    /// AP-19: counts an attempt from an address at any name. `limit` attempts a minute are accepted. 1 call, 1 unit.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] until the minute is over.
    pub async fn count_address(&self, network: &str, limit: u32) -> Result<()> {
        let now = self.clock.now();
        let minute = Window::of_address(now);
        let subject = sha256_hex(network.as_bytes());
        let key = keys::attempts(&subject, AttemptCounter::Minute(minute.number));
        match self.count_in(&key, minute, limit).await? {
            Ok(_) => Ok(()),
            Err(_) => refuse_until(minute.end, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_counters_have_one_key() {
        let attempt = Attempt::new("ripley", "192.0.2.7");
        let window = Window::of_all(Instant(0));
        let all = [
            attempt.here(),
            attempt.everywhere(window),
            attempt.in_session(SessionId::new([7; 16])),
            own(UserId::try_from(7).unwrap()),
            Attempt::new("ripley", "192.0.2.8").here(),
            Attempt::new("ripley", "").here(),
            Attempt::new("ellen@example.com", "192.0.2.7").here(),
            Attempt::new("ellen@example.com", "192.0.2.7").everywhere(window),
            Attempt::to_reset("ellen@example.com", "192.0.2.7").here(),
            Attempt::to_reset("ellen@example.com", "192.0.2.7").everywhere(window),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        for key in &all {
            assert!(!key.pk.contains("ripley") && !key.pk.contains("192"), "{key:?}");
        }
    }
}
