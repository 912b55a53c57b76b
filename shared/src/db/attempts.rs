//! Attempts to sign in, counted so that guessing is slow and that nobody can lock an owner out.
//!
//! An attempt is counted by the name that was typed, whoever it belongs to, so that no throttle tells which email belongs
//! to which username, nor whether a name is anybody's. There are three counters, and which of them an attempt meets is
//! what keeps an attacker's attempts apart from the owner's:
//!
//! * *here*: the name, from one address. Nine are free, then each has to wait, twice as long as the one before and 15
//!   minutes at most.
//! * *everywhere*: the name, from all addresses, 50 in a window of 15 minutes. Attempts from an address where the account
//!   has signed in within 30 days are not counted there.
//! * *in a session*: the name, with a refresh token of the account's, in place of the two others. All tokens of a session
//!   share a counter, and whoever has none can't reach it.
//!
//! Neither names nor addresses are stored: their hashes are.

use aws_sdk_dynamodb::types::ReturnValue;
use serde::Deserialize;

use crate::{
    clock::{Instant, SKEW_MS},
    db::{
        Key, keys,
        store::{Expression, Store, from_item, number},
        user::LoginItem,
    },
    digest::sha256_hex,
    domain::UserId,
    error::{Error, Result},
    telemetry,
};

/// Attempts that cost no wait.
const FREE_ATTEMPTS: u32 = 9;
/// The longest wait, in seconds.
const LONGEST_WAIT: i64 = 900;
/// After how many seconds without an attempt they are forgotten.
const FORGOTTEN_AFTER: i64 = 24 * 60 * 60;
/// For how many seconds an address is known after its user has signed in there.
const KNOWN_FOR: i64 = 30 * 24 * 60 * 60;
/// The window in which attempts from all addresses are counted, in seconds. No hour meets more than five.
const WINDOW: i64 = 15 * 60;
/// How many of them a window takes. No hour meets more than five windows, and an account has two names: so nobody tries
/// more than 500 passwords of one account in an hour.
const WINDOW_LIMIT: u32 = 50;
/// The window in which attempts from one address are counted, whatever the name, in seconds.
const ADDRESS_WINDOW: i64 = 60;
/// How often an attempt is counted again that met another one.
const COUNT_TRIES: u32 = 3;

/// What is attempted, as it is counted.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The SHA-256 of the name that was typed, folded.
    name: String,
    /// Where it comes from: an address, or the network that one client has.
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

    fn here(&self) -> Key {
        self.here_under(&self.name)
    }

    /// From the same place, under another name.
    fn here_under(&self, name: &str) -> Key {
        let subject = format!("{name} from {}", self.from);
        keys::attempts(&sha256_hex(subject.as_bytes()), "HERE")
    }

    fn everywhere(&self, window: i64) -> Key {
        keys::attempts(&self.name, &format!("WINDOW#{window}"))
    }

    fn in_session(&self, session: &str) -> Key {
        let subject = format!("{} in {session}", self.name);
        keys::attempts(&sha256_hex(subject.as_bytes()), "SESSION")
    }

    /// The hash of the account's other name. For a name that is nobody's, or has no other, it is one that nobody has, so
    /// that as much is read.
    fn other_name(&self, login: Option<&LoginItem>) -> String {
        login
            .iter()
            .flat_map(|login| [&login.account, &login.email])
            .map(|name| sha256_hex(name.as_bytes()))
            .find(|name| *name != self.name)
            .unwrap_or_else(|| sha256_hex(self.name.as_bytes()))
    }
}

/// Attempts of one kind, as stored under `ATTEMPTS#<hash>`. Times are in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct AttemptsItem {
    /// How many since the last success.
    #[serde(default)]
    n: u32,
    /// When the last one was, if any was since the last success.
    last: Option<i64>,
    /// When this name last signed in from here.
    known: Option<i64>,
    /// Whose it was then.
    user: Option<UserId>,
}

/// What an attempt that comes after these has to do.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// It is free, and adds to the count.
    Free,
    /// It is taken, as this many since the last success.
    Next(u32),
    /// It has to wait until then.
    Wait(Instant),
}

impl AttemptsItem {
    fn turn(&self, now: Instant) -> Turn {
        let Some(last) = self.last.map(Instant) else {
            return Turn::Free;
        };
        if last.0 > now.0.saturating_add(SKEW_MS) {
            // The clock was set back. How long ago the last one was can't be known, so it is waited for by none.
            return Turn::Next(self.n.saturating_add(1));
        }
        if now >= last.plus_seconds(FORGOTTEN_AFTER) {
            return Turn::Next(1);
        }
        let Some(over) = self.n.checked_sub(FREE_ATTEMPTS) else {
            return Turn::Free;
        };
        // 2¹⁰ is past the longest wait already.
        let open = last.plus_seconds((1 << over.min(10)).min(LONGEST_WAIT));
        if open > now {
            Turn::Wait(open)
        } else {
            Turn::Next(self.n.saturating_add(1))
        }
    }

    /// Whether this user has signed in from here within [`KNOWN_FOR`]. Whose name it was is compared, since a name may
    /// become another's. A time ahead of a clock that was set back is as good as one behind it.
    fn is_known(&self, user: UserId, now: Instant) -> bool {
        self.user == Some(user)
            && self
                .known
                .is_some_and(|known| now.0.abs_diff(known) <= KNOWN_FOR.unsigned_abs() * 1000)
    }

    /// When nothing in the item counts any more, in seconds.
    fn ttl(&self, now: Instant) -> i64 {
        let forgotten = now.plus_seconds(FORGOTTEN_AFTER);
        let unknown = self.known.map(|known| Instant(known).plus_seconds(KNOWN_FOR));
        unknown
            .map_or(forgotten, |unknown| unknown.max(forgotten))
            .seconds()
    }
}

/// What was counted before an attempt, as it was read beside the account. It may lag: it chooses the way, and the
/// conditions of the writes decide.
#[derive(Debug)]
pub struct Standing {
    now: Instant,
    here: Option<AttemptsItem>,
    everywhere: u32,
}

/// What an attempt turns out to be of, once the account has been read.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Whose name it is, if anybody's.
    pub login: Option<&'a LoginItem>,
    /// The session of the account's that its refresh token is of, if it carries one.
    pub session: Option<&'a str>,
}

/// Attempts at a name from all addresses, in one window.
#[derive(Deserialize)]
struct WindowItem {
    n: u32,
}

impl Store {
    /// AP-19: what is counted of the attempts before this one. 2 calls side by side, eventually consistent: 1 unit.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn read_attempts(&self, attempt: &Attempt) -> Result<Standing> {
        let now = self.clock.now();
        let (here, window) = (attempt.here(), attempt.everywhere(window(now)));
        let (here, window) = tokio::try_join!(self.peek(&here), self.peek(&window))?;
        let window: Option<WindowItem> = window.map(from_item).transpose()?;
        Ok(Standing {
            now,
            here: here.map(from_item).transpose()?,
            everywhere: window.map_or(0, |window| window.n),
        })
    }

    /// AP-19: counts an attempt before its password is looked at, so that a thousand at once can't all be taken. A
    /// success takes it back with [`Store::welcome`]. As long as the free attempts last, 1 unit in 1 call, or in an address
    /// where the account hasn't signed in, 2 in 2 calls side by side.
    ///
    /// Whether the name is anybody's changes nothing about the calls, but for an address that the account is known at and
    /// a token of its own.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] while it has to wait; [`Error::Unavailable`] when the table doesn't serve.
    pub async fn count_attempt(&self, attempt: &Attempt, standing: Standing, claim: Claim<'_>) -> Result<()> {
        let Standing {
            now,
            here,
            everywhere,
        } = standing;
        if let Some(session) = claim.session {
            return self.count_at(&attempt.in_session(session), None, now).await;
        }
        let user = claim.login.map(|login| login.user);
        let is_known = |item: &AttemptsItem| user.is_some_and(|user| item.is_known(user, now));
        if here.as_ref().is_some_and(is_known) {
            return self.count_at(&attempt.here(), here, now).await;
        }
        // A name over the limit is counted nowhere, so that no address adds an item for it.
        if everywhere < WINDOW_LIMIT && self.count_in_both(attempt, here, now).await? {
            return Ok(());
        }
        // Everybody else is refused now. What was read of this address may be older than its sign-in, and the account may
        // have signed in by its other name.
        let (typed, other) = (
            attempt.here(),
            attempt.here_under(&attempt.other_name(claim.login)),
        );
        let mut items = self.batch_get(vec![typed.clone(), other.clone()]).await?;
        let mut item = |key| items.remove(key).map(from_item::<AttemptsItem>).transpose();
        let (here, other) = (item(&typed)?, item(&other)?);
        if here.as_ref().is_some_and(is_known) || other.as_ref().is_some_and(is_known) {
            return self.count_at(&typed, here, now).await;
        }
        refuse_until(Instant(0).plus_seconds((window(now) + 1) * WINDOW), now)
    }

    /// Counts an attempt here and everywhere. `false` says that everywhere is full, and then it is counted nowhere.
    async fn count_in_both(
        &self,
        attempt: &Attempt,
        found: Option<AttemptsItem>,
        now: Instant,
    ) -> Result<bool> {
        let (here, window) = (attempt.here(), attempt.everywhere(window(now)));
        let last = found.as_ref().and_then(|found| found.last);
        let is_free = found.as_ref().is_none_or(|found| found.turn(now) == Turn::Free);
        let (counted, has_room) = if is_free {
            let (counted, has_room) = tokio::join!(
                self.count_at(&here, found, now),
                self.count_everywhere(&window, now)
            );
            (counted, has_room?)
        } else {
            // Most who come here have to wait, and whoever does must not use up the attempts of all.
            self.count_at(&here, found, now).await?;
            (Ok(()), self.count_everywhere(&window, now).await?)
        };
        match (counted, has_room) {
            (counted, true) => {
                // Of many at once all may look free, and be counted everywhere before they are told to wait.
                if counted.is_err() {
                    let one_less = Expression::update("ADD #n :minus")
                        .when("#n > :zero")
                        .value(":minus", number(-1))
                        .value(":zero", number(0));
                    self.take_back(&window, &one_less).await;
                }
                counted.map(|()| true)
            }
            (Ok(()), false) => {
                // Only if no other attempt has come since: that one counted on this one.
                let as_before = match last {
                    Some(last) => Expression::update("SET #last = :last ADD #n :minus")
                        .when("#last = :now")
                        .value(":last", number(last))
                        .value(":minus", number(-1)),
                    None => Expression::update("REMOVE #n, #last")
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

    /// Counts an attempt in the window of all addresses. `false` says that it is full.
    async fn count_everywhere(&self, key: &Key, now: Instant) -> Result<bool> {
        let end = Instant(0).plus_seconds((window(now) + 1) * WINDOW);
        let count = Expression::update("SET #ttl = :ttl ADD #n :one")
            .when("(attribute_not_exists(#n) OR #n < :limit)")
            .value(":one", number(1))
            .value(":limit", number(WINDOW_LIMIT))
            .value(":ttl", number(end.seconds()));
        Ok(self.update(key, &count, ReturnValue::None).await?.is_ok())
    }

    /// Undoes the count of an attempt, where that is known to be done at most once. Otherwise it stays counted: one too many
    /// is on the safe side.
    async fn take_back(&self, key: &Key, undo: &Expression) {
        if let Err(error) = self.update_once(key, undo).await {
            telemetry::warn(&error, "an attempt stays counted");
        }
    }

    /// Counts an attempt under one key, of which `found` was read and may be old by now.
    async fn count_at(&self, key: &Key, mut found: Option<AttemptsItem>, now: Instant) -> Result<()> {
        let mut is_certain = false;
        for _ in 0..COUNT_TRIES {
            let before = found.unwrap_or_default();
            let count = match before.turn(now) {
                Turn::Wait(open) if is_certain => return refuse_until(open, now),
                // A condition that fails gives what is there now.
                Turn::Free | Turn::Wait(_) => Expression::update("SET #last = :now, #ttl = :ttl ADD #n :one")
                    .when("(attribute_not_exists(#n) OR (#n < :free AND #last BETWEEN :oldest AND :newest))")
                    .value(":one", number(1))
                    .value(":free", number(FREE_ATTEMPTS))
                    .value(":oldest", number(now.plus_seconds(-FORGOTTEN_AFTER).0 + 1))
                    .value(":newest", number(now.0.saturating_add(SKEW_MS)))
                    .leaves("last", number(now.0)),
                Turn::Next(n) => Expression::update("SET #n = :n, #last = :now, #ttl = :ttl")
                    .when("#n = :found AND #last = :last")
                    .value(":n", number(n))
                    .value(":found", number(before.n))
                    .value(":last", number(before.last.unwrap_or_default()))
                    .leaves("n", number(n))
                    .leaves("last", number(now.0)),
            };
            // The item lives for as long as the address is known.
            let count = match before.known {
                None => count.when("attribute_not_exists(#known)"),
                Some(known) => count.when("#known = :known").value(":known", number(known)),
            };
            let count = count
                .value(":now", number(now.0))
                .value(":ttl", number(before.ttl(now)));
            match self.update(key, &count, ReturnValue::None).await? {
                Ok(_) => return Ok(()),
                Err(item) => found = item.map(from_item).transpose()?,
            }
            is_certain = true;
        }
        // Others came first every time.
        refuse_until(now.plus_seconds(1), now)
    }

    /// AP-19: after the right password, forgets the attempts from here, or those of the session, and notes that the
    /// account is known here. 1 unit; with a session 2, in 2 calls side by side.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn welcome(&self, attempt: &Attempt, user: UserId, session: Option<&str>) -> Result<()> {
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
            .map_err(|_| Error::Internal("an update without a condition was refused".into()))
    }

    /// AP-19: notes that a user who is registered at this moment is known here. 1 call, 1 unit.
    ///
    /// It may go beside the registration: when that fails, nobody has the user's id, and what an owner of the name has
    /// noted here stays.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn welcome_new(&self, attempt: &Attempt, user: UserId) -> Result<()> {
        let now = self.clock.now();
        let known = self
            .known(user, "SET #known = :now, #user = :user, #ttl = :ttl")
            .when("(attribute_not_exists(#known) OR #known < :over)")
            .value(":over", number(now.plus_seconds(-KNOWN_FOR).0));
        let _ = self.update(&attempt.here(), &known, ReturnValue::None).await?;
        Ok(())
    }

    fn known(&self, user: UserId, update: &str) -> Expression {
        let now = self.clock.now();
        Expression::update(update)
            .value(":now", number(now.0))
            .value(":user", number(user))
            .value(":ttl", number(now.plus_seconds(KNOWN_FOR).seconds()))
    }

    /// AP-19: counts an attempt from an address, of which `limit` a minute are taken. 1 call, 1 unit.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] until the minute is over; [`Error::Unavailable`] when the table doesn't serve.
    pub async fn count_address(&self, network: &str, limit: u32) -> Result<()> {
        let now = self.clock.now();
        let window = now.seconds().div_euclid(ADDRESS_WINDOW);
        let key = keys::attempts(&sha256_hex(network.as_bytes()), &format!("MINUTE#{window}"));
        let end = Instant(0).plus_seconds((window + 1) * ADDRESS_WINDOW);
        let count = Expression::update("SET #ttl = :ttl ADD #n :one")
            .when("(attribute_not_exists(#n) OR #n < :limit)")
            .value(":one", number(1))
            .value(":limit", number(limit))
            .value(":ttl", number(end.seconds()));
        match self.update(&key, &count, ReturnValue::None).await? {
            Ok(_) => Ok(()),
            Err(_) => refuse_until(end, now),
        }
    }
}

/// The window of all addresses that `now` is in.
fn window(now: Instant) -> i64 {
    now.seconds().div_euclid(WINDOW)
}

/// Refuses until then, for [`LONGEST_WAIT`] at most.
fn refuse_until(open: Instant, now: Instant) -> Result<()> {
    let left = open.0.saturating_sub(now.0).min(LONGEST_WAIT * 1000);
    if left <= 0 {
        return Ok(());
    }
    let retry_after = u64::try_from(left).unwrap_or_default().div_ceil(1000);
    Err(Error::TooManyRequests { retry_after })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A day and more into time, so that nothing here is before it.
    const LAST: i64 = 1_800_000_000_000;
    const DAY_MS: i64 = FORGOTTEN_AFTER * 1000;

    /// What an attempt has to do `ms` after the last of `n`.
    fn turn(n: u32, ms: i64) -> Turn {
        let attempts = AttemptsItem {
            n,
            last: Some(LAST),
            ..AttemptsItem::default()
        };
        attempts.turn(Instant(LAST + ms))
    }

    fn wait(n: u32) -> i64 {
        match turn(n, 0) {
            Turn::Wait(open) => (open.0 - LAST) / 1000,
            _ => 0,
        }
    }

    /// Guarantee 20: waits begin before the tenth attempt, grow, and end at 15 minutes.
    #[test]
    fn waits_begin_after_nine_free_attempts_and_double_to_15_minutes() {
        assert_eq!(AttemptsItem::default().turn(Instant(LAST)), Turn::Free);
        assert_eq!((turn(0, 0), turn(8, 0)), (Turn::Free, Turn::Free));
        assert_eq!([9, 10, 11, 18, 19, 20].map(wait), [1, 2, 4, 512, 900, 900]);
        assert_eq!([72, 73, 74, u32::MAX].map(wait), [900; 4]);
        assert_eq!(turn(9, 999), Turn::Wait(Instant(LAST + 1000)));
        assert_eq!(turn(9, 1000), Turn::Next(10));
        assert_eq!(turn(u32::MAX, 900_000), Turn::Next(u32::MAX));
    }

    #[test]
    fn attempts_are_forgotten_a_day_after_the_last() {
        assert_eq!(turn(20, DAY_MS - 1), Turn::Next(21));
        assert_eq!(turn(20, DAY_MS), Turn::Next(1));
        assert_eq!(turn(3, DAY_MS), Turn::Next(1));
    }

    /// Guarantee 22: clocks of two processes may differ by some seconds; one that was set back makes nobody wait.
    #[test]
    fn an_attempt_ahead_of_the_clock_is_waited_for_by_none() {
        assert_eq!(turn(20, -SKEW_MS), Turn::Wait(Instant(LAST + 900_000)));
        assert_eq!(turn(20, -SKEW_MS - 1), Turn::Next(21));
        assert_eq!(turn(20, -365 * DAY_MS), Turn::Next(21));
    }

    /// Guarantee 22: whose name it was counts as well, and for how long.
    #[test]
    fn an_address_is_known_to_its_user_for_30_days() {
        let [one, other] = [7, 8].map(|id| UserId::try_from(id).unwrap());
        let known = AttemptsItem {
            known: Some(LAST),
            user: Some(one),
            ..AttemptsItem::default()
        };
        let after = |days| Instant(LAST + days * DAY_MS);
        assert!(known.is_known(one, after(0)) && known.is_known(one, after(30)));
        assert!(known.is_known(one, after(-1)), "the clock was set back");
        assert!(!known.is_known(one, Instant(after(30).0 + 1)));
        assert!(!known.is_known(other, after(0)));
        assert!(!AttemptsItem::default().is_known(one, after(0)));
    }

    #[test]
    fn an_item_lives_until_it_says_nothing_more() {
        let mut item = AttemptsItem::default();
        let now = Instant(LAST);
        assert_eq!(item.ttl(now), now.plus_seconds(FORGOTTEN_AFTER).seconds());
        item.known = Some(LAST);
        assert_eq!(item.ttl(now), now.plus_seconds(KNOWN_FOR).seconds());
        item.known = Some(now.plus_seconds(-KNOWN_FOR).0);
        assert_eq!(item.ttl(now), now.plus_seconds(FORGOTTEN_AFTER).seconds());
    }

    #[test]
    fn what_is_left_of_a_wait_is_rounded_up_to_whole_seconds_and_15_minutes_at_most() {
        let left = |open, now| match refuse_until(Instant(open), Instant(now)) {
            Err(Error::TooManyRequests { retry_after }) => Some(retry_after),
            _ => None,
        };
        assert_eq!(left(1000, 0), Some(1));
        assert_eq!(left(1000, 999), Some(1));
        assert_eq!(left(1001, 0), Some(2));
        assert_eq!(left(1000, 1000), None);
        assert_eq!(left(905_000, 0), Some(900));
        assert_eq!(left(i64::MAX, i64::MIN), Some(900));
    }

    #[test]
    fn no_two_counters_have_one_key() {
        let attempt = Attempt::new("ripley", "192.0.2.7");
        let all = [
            attempt.here(),
            attempt.everywhere(0),
            attempt.in_session("192.0.2.7"),
            Attempt::new("ripley", "192.0.2.8").here(),
            Attempt::new("ripley", "").here(),
            Attempt::new("ellen@example.com", "192.0.2.7").here(),
            Attempt::new("ellen@example.com", "192.0.2.7").everywhere(0),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        for key in &all {
            assert!(!key.pk.contains("ripley") && !key.pk.contains("192"), "{key:?}");
        }
    }
}
