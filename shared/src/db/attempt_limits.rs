//! The limits on attempts to sign in: how many are free, and how long the next one must wait.
//!
//! Everything here is arithmetic on counters and times; [`attempts`](crate::db::attempts) reads and writes the counters.

use serde::Deserialize;

use crate::{
    clock::{Instant, SKEW_MS},
    domain::UserId,
    error::{Error, Result},
};

/// The number of attempts at a name from one address without a wait.
pub(crate) const FREE_ATTEMPTS: u32 = 9;
/// The longest wait, in seconds.
const LONGEST_WAIT: i64 = 900;
/// The seconds after which attempts are forgotten if no other attempt follows.
pub(crate) const FORGOTTEN_AFTER: i64 = 24 * 60 * 60;
/// The seconds after a sign-in from an address in which the account is known at that address.
pub(crate) const KNOWN_FOR: i64 = 30 * 24 * 60 * 60;
/// The length of the windows in which attempts from all addresses are counted, in seconds. An hour overlaps at most five.
pub(crate) const WINDOW: i64 = 15 * 60;
/// How many attempts a window accepts. An hour overlaps at most five windows, and an account has two names. So at most 500
/// passwords of one account are tried in an hour.
pub(crate) const WINDOW_LIMIT: u32 = 50;
/// The length of the windows in which attempts from one address at any name are counted, in seconds.
const MINUTE: i64 = 60;

/// A counter of attempts at one name, from one address or with one session, as stored under `ATTEMPTS#<hash>`. Times are in
/// milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct AttemptsItem {
    /// The number of attempts since the last success.
    #[serde(default)]
    pub(crate) n: u32,
    /// When the last of them was made. `None` if there was none since the last success.
    pub(crate) last: Option<i64>,
    /// When a user last signed in with this name from this address.
    pub(crate) known: Option<i64>,
    /// That user.
    user: Option<UserId>,
}

/// The decision about an attempt after those that were counted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is free, and adds 1 to the count.
    Free,
    /// It is accepted.
    Next {
        /// When the last attempt was made, in milliseconds since 1970.
        last: i64,
        /// The number of attempts with this one.
        count: u32,
    },
    /// It must wait until then.
    Wait(Instant),
}

impl AttemptsItem {
    /// Returns the decision about an attempt at `now`.
    pub(crate) fn turn(&self, now: Instant) -> Turn {
        let Some(last) = self.last.map(Instant) else {
            return Turn::Free;
        };
        let next = |count| Turn::Next { last: last.0, count };
        if last.0 > now.0.saturating_add(SKEW_MS) {
            // The clock was set back. How long ago the last attempt was is unknown, so this one doesn't wait.
            return next(self.n.saturating_add(1));
        }
        if now >= last.plus_seconds(FORGOTTEN_AFTER) {
            return next(1);
        }
        let Some(over) = self.n.checked_sub(FREE_ATTEMPTS) else {
            return Turn::Free;
        };
        // 2¹⁰ seconds are longer than the longest wait.
        let open = last.plus_seconds((1 << over.min(10)).min(LONGEST_WAIT));
        if open > now {
            Turn::Wait(open)
        } else {
            next(self.n.saturating_add(1))
        }
    }

    /// Whether this user has signed in from here within [`KNOWN_FOR`]. The user is compared, because a name may pass to
    /// another user. If the clock was set back, a time in the future counts as one in the past.
    pub(crate) fn is_known(&self, user: UserId, now: Instant) -> bool {
        self.user == Some(user)
            && self
                .known
                .is_some_and(|known| now.0.abs_diff(known) <= KNOWN_FOR.unsigned_abs() * 1000)
    }

    /// The time from which the item no longer matters, in seconds since 1970.
    pub(crate) fn ttl(&self, now: Instant) -> i64 {
        let forgotten = now.plus_seconds(FORGOTTEN_AFTER);
        let unknown = self.known.map(|known| Instant(known).plus_seconds(KNOWN_FOR));
        unknown
            .map_or(forgotten, |unknown| unknown.max(forgotten))
            .seconds()
    }
}

/// A window of time in which attempts are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The number of windows since 1970 before this one.
    pub(crate) number: i64,
    /// The end of the window.
    pub(crate) end: Instant,
}

impl Window {
    /// The window of 15 minutes that `now` is in, for attempts from all addresses.
    pub(crate) fn of_all(now: Instant) -> Self {
        Self::at(now, WINDOW)
    }

    /// The minute that `now` is in, for attempts from one address.
    pub(crate) fn of_address(now: Instant) -> Self {
        Self::at(now, MINUTE)
    }

    fn at(now: Instant, seconds: i64) -> Self {
        let number = now.seconds().div_euclid(seconds);
        Self {
            number,
            end: Instant(0).plus_seconds((number + 1) * seconds),
        }
    }
}

/// Refuses an attempt that must wait until `open`. The response names at most [`LONGEST_WAIT`], even if the clock was set
/// back.
///
/// # Errors
/// [`Error::TooManyRequests`], unless `open` has been reached.
pub(crate) fn refuse_until(open: Instant, now: Instant) -> Result<()> {
    let left = open.0.saturating_sub(now.0).min(LONGEST_WAIT * 1000);
    if left <= 0 {
        return Ok(());
    }
    let retry_after = left.unsigned_abs().div_ceil(1000);
    Err(Error::TooManyRequests { retry_after })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than a day after 1970, so that no time here is before it.
    const LAST: i64 = 1_800_000_000_000;
    const DAY_MS: i64 = FORGOTTEN_AFTER * 1000;

    /// What applies to an attempt `ms` after the last of `n`.
    fn turn(n: u32, ms: i64) -> Turn {
        let attempts = AttemptsItem {
            n,
            last: Some(LAST),
            ..AttemptsItem::default()
        };
        attempts.turn(Instant(LAST + ms))
    }

    /// The attempt is accepted as number `count`.
    fn next(count: u32) -> Turn {
        Turn::Next { last: LAST, count }
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
        assert_eq!(turn(9, 1000), next(10));
        assert_eq!(turn(u32::MAX, 900_000), next(u32::MAX));
    }

    #[test]
    fn attempts_are_forgotten_a_day_after_the_last() {
        assert_eq!(turn(20, DAY_MS - 1), next(21));
        assert_eq!(turn(20, DAY_MS), next(1));
        assert_eq!(turn(3, DAY_MS), next(1));
    }

    /// Guarantee 22: clocks of two processes may differ by some seconds; one that was set back makes nobody wait.
    #[test]
    fn an_attempt_ahead_of_the_clock_is_waited_for_by_none() {
        assert_eq!(turn(20, -SKEW_MS), Turn::Wait(Instant(LAST + 900_000)));
        assert_eq!(turn(20, -SKEW_MS - 1), next(21));
        assert_eq!(turn(20, -365 * DAY_MS), next(21));
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
}
