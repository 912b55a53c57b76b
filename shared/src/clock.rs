//! The clock, which a test can move.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use time::{OffsetDateTime, UtcDateTime};

/// How far apart the clocks of two processes may be, in milliseconds. A timestamp further ahead was written by a clock that
/// has been set back since.
pub const SKEW_MS: i64 = 5_000;

/// The system's clock, which a test can move forward and back.
///
/// Expiry, throttling waits and the refresh grace all use this clock, so a test can check both sides of a limit without
/// waiting.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Milliseconds added to the system's time. All clones share it.
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// Returns the current instant in UTC, in milliseconds, as the API shows it.
    #[must_use]
    pub fn now(&self) -> Instant {
        let system = UtcDateTime::now().unix_timestamp_nanos() / 1_000_000;
        // Milliseconds since 1970 stay far below 2^63 for the next 292 million years.
        let system = i64::try_from(system).unwrap_or(i64::MAX);
        Instant(system.saturating_add(self.offset_ms.load(Ordering::Relaxed)))
    }

    /// Moves this clock and all its clones forward by `seconds`, or back if `seconds` is negative.
    pub fn advance(&self, seconds: i64) {
        self.offset_ms
            .fetch_add(seconds.saturating_mul(1000), Ordering::Relaxed);
    }
}

/// An instant in UTC, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub i64);

impl Instant {
    /// Returns the whole seconds since 1970, as in a JWT's `NumericDate` and DynamoDB's time to live.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the instant `seconds` later, or earlier if `seconds` is negative.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }
}

impl std::fmt::Display for Instant {
    /// Writes RFC 3339 in UTC with milliseconds: `2026-11-22T21:34:01.250Z`. The width is fixed, so text order is time order.
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
