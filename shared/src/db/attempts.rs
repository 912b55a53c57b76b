//! Attempts to sign in, counted by account and by address. Neither is stored: their hashes are.

use aws_sdk_dynamodb::types::ReturnValue;
use serde::Deserialize;

use crate::{
    auth::sha256_hex,
    clock::Instant,
    db::{
        Key, keys,
        store::{Expression, Store, corrupt, from_item, number},
    },
    error::{Error, Result},
};

/// Wrong passwords that cost no wait.
const FREE_ATTEMPTS: u32 = 15;
/// The longest wait, in seconds.
const LONGEST_WAIT: i64 = 900;
/// After how many seconds without an attempt an account's are forgotten.
const FORGOTTEN_AFTER: i64 = 24 * 60 * 60;
/// The window in which attempts from one address are counted, in seconds.
const ADDRESS_WINDOW: i64 = 60;

/// The sort key of an account's attempts.
const ACCOUNT: &str = "ACCOUNT";

/// Attempts at one account, as stored under `ATTEMPTS#<hash>`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct AttemptsItem {
    /// How many since the last success.
    n: u32,
    /// When the last one was, in milliseconds since 1970.
    last: i64,
}

impl AttemptsItem {
    /// From when on another attempt is taken.
    fn open_from(&self) -> Instant {
        let wait = match self.n.checked_sub(FREE_ATTEMPTS) {
            None => 0,
            // 2¹⁰ is past the longest wait already.
            Some(over) => (1 << over.min(10)).min(LONGEST_WAIT),
        };
        Instant(self.last).plus_seconds(wait)
    }

    /// How many this attempt is the next after.
    fn remembered(&self, now: Instant) -> u32 {
        if now >= Instant(self.last).plus_seconds(FORGOTTEN_AFTER) {
            0
        } else {
            self.n
        }
    }
}

impl Store {
    /// AP-19: counts an attempt at an account before its password is looked at, so that a thousand at once can't all be
    /// taken. A success takes the count back with [`Store::forget_attempts`]. 1 call, 1 unit; once the free attempts are
    /// used up, or yesterday's are to be forgotten, 2 of each.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] while the account has to wait, and then nothing is counted;
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn count_attempt(&self, account: &str) -> Result<()> {
        let key = account_key(account);
        let now = self.clock.now();
        let free = Expression::update("SET #last = :now, #ttl = :ttl ADD #n :one")
            .when("(attribute_not_exists(#n) OR (#n < :free AND #last > :forgotten))")
            .value(":one", number(1))
            .value(":free", number(FREE_ATTEMPTS))
            .value(":forgotten", number(now.plus_seconds(-FORGOTTEN_AFTER).0));
        let Err(found) = self.stamp(&key, free, now).await? else {
            return Ok(());
        };
        let found = found.ok_or_else(|| corrupt("attempts that come and go"))?;
        refuse_until(found.open_from(), now)?;

        let next = Expression::update("SET #n = :n, #last = :now, #ttl = :ttl")
            .when("#n = :found AND #last = :last")
            .value(":n", number(found.remembered(now) + 1))
            .value(":found", number(found.n))
            .value(":last", number(found.last));
        match self.stamp(&key, next, now).await? {
            Ok(()) => Ok(()),
            // Another attempt came first, or a success took the count back; either way it is worth one more try later.
            Err(other) => {
                let open = other.map_or(now, |other| other.open_from());
                refuse_until(open.max(now.plus_seconds(1)), now)
            }
        }
    }

    /// Runs one of the updates above, with the time; on a failed condition, gives the attempts that failed it.
    async fn stamp(
        &self,
        key: &Key,
        update: Expression,
        now: Instant,
    ) -> Result<Result<(), Option<AttemptsItem>>> {
        let ttl = now.plus_seconds(FORGOTTEN_AFTER).seconds();
        let update = update.value(":now", number(now.0)).value(":ttl", number(ttl));
        match self.update(key, &update, ReturnValue::None).await? {
            Ok(_) => Ok(Ok(())),
            Err(item) => Ok(Err(item.map(from_item).transpose()?)),
        }
    }

    /// AP-19: forgets an account's attempts, after the right password. 1 call, 1 unit.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn forget_attempts(&self, account: &str) -> Result<()> {
        self.delete(&account_key(account)).await
    }

    /// AP-19: counts an attempt from an address, of which `limit` a minute are taken. 1 call, 1 unit.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] until the minute is over; [`Error::Unavailable`] when the table doesn't serve.
    pub async fn count_address(&self, address: &str, limit: u32) -> Result<()> {
        let now = self.clock.now();
        let window = now.seconds().div_euclid(ADDRESS_WINDOW);
        let key = keys::attempts(&sha256_hex(address.as_bytes()), &format!("MINUTE#{window}"));
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

fn account_key(account: &str) -> Key {
    keys::attempts(&sha256_hex(account.as_bytes()), ACCOUNT)
}

fn refuse_until(open: Instant, now: Instant) -> Result<()> {
    let left = open.0.saturating_sub(now.0);
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

    fn wait(n: u32) -> i64 {
        AttemptsItem { n, last: 0 }.open_from().seconds()
    }

    /// Guarantee 20: waits begin before the twentieth attempt, grow, and end at 15 minutes.
    #[test]
    fn waits_begin_after_the_free_attempts_and_double_to_15_minutes() {
        assert_eq!(wait(14), 0);
        assert_eq!([15, 16, 17, 24, 25, 26].map(wait), [1, 2, 4, 512, 900, 900]);
        assert_eq!([78, 79, 80, u32::MAX].map(wait), [900; 4]);
    }

    #[test]
    fn attempts_are_forgotten_a_day_after_the_last() {
        let attempts = AttemptsItem { n: 20, last: 0 };
        let day = Instant(0).plus_seconds(FORGOTTEN_AFTER);
        assert_eq!(attempts.remembered(Instant(day.0 - 1)), 20);
        assert_eq!(attempts.remembered(day), 0);
    }

    #[test]
    fn what_is_left_of_a_wait_is_rounded_up_to_whole_seconds() {
        let left = |open, now| match refuse_until(Instant(open), Instant(now)) {
            Err(Error::TooManyRequests { retry_after }) => Some(retry_after),
            _ => None,
        };
        assert_eq!(left(1000, 0), Some(1));
        assert_eq!(left(1000, 999), Some(1));
        assert_eq!(left(1001, 0), Some(2));
        assert_eq!(left(1000, 1000), None);
    }
}
