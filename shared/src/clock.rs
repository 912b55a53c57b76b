//! The time, as one value that a test can set.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use time::{OffsetDateTime, UtcDateTime};

/// How far apart the clocks of two processes may be, in milliseconds. A stamp further ahead than this is of a clock that
/// was set back since.
pub const SKEW_MS: i64 = 5_000;

/// Where the service reads the time: the system's clock, or one that a test moves by hand.
///
/// Expiry, throttling waits and the refresh grace all read this clock, so a test can stand on either side of a
/// boundary without waiting for it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Milliseconds added to the system's time; shared by every clone.
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The current instant in UTC, with the precision the API shows: milliseconds.
    #[must_use]
    pub fn now(&self) -> Instant {
        let system = UtcDateTime::now().unix_timestamp_nanos() / 1_000_000;
        // Milliseconds since 1970 stay far below 2^63 for the next 292 million years.
        let system = i64::try_from(system).unwrap_or(i64::MAX);
        Instant(system.saturating_add(self.offset_ms.load(Ordering::Relaxed)))
    }

    /// Moves this clock, and every clone of it, forward by `seconds`; back, when they are negative.
    pub fn advance(&self, seconds: i64) {
        self.offset_ms
            .fetch_add(seconds.saturating_mul(1000), Ordering::Relaxed);
    }
}

/// An instant in UTC, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub i64);

impl Instant {
    /// Whole seconds since 1970, as JWT's `NumericDate` and DynamoDB's time to live count them.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The instant `seconds` later (earlier, when negative).
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }
}

impl std::fmt::Display for Instant {
    /// RFC 3339 in UTC with milliseconds: `2026-11-22T21:34:01.250Z`. Fixed width, so text order is time order.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let t = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            t.millisecond()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_shown_as_rfc_3339_with_milliseconds() {
        assert_eq!(Instant(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Instant(1_795_383_241_250).to_string(), "2026-11-22T21:34:01.250Z");
    }

    #[test]
    fn advancing_one_clone_moves_them_all() {
        let clock = Clock::default();
        let twin = clock.clone();
        let before = clock.now();
        twin.advance(3600);
        assert!(clock.now() >= before.plus_seconds(3600));
    }
}
