//! The clock, which a test can move and stop.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicI64, Ordering},
};

use time::{OffsetDateTime, UtcDateTime};

/// How far apart the clocks of two processes may be, in milliseconds. A timestamp further ahead was written by a clock that
/// has been set back since.
pub const SKEW_MS: i64 = 5_000;

/// The system's clock, which a test can move forward and back, and stop.
///
/// Expiry, throttling waits and the refresh grace all use this clock, so a test can check both sides of a limit without
/// waiting. All clones of a clock are one clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Adjustment>);

/// How a clock differs from the system's, in milliseconds.
#[derive(Debug, Default)]
struct Adjustment {
    /// What is added to the time.
    offset_ms: AtomicI64,
    /// The system's time at which the clock was stopped.
    stopped_ms: OnceLock<i64>,
}

impl Clock {
    /// Returns the current instant in UTC, in milliseconds, as the API shows it.
    #[must_use]
    pub fn now(&self) -> Instant {
        let time = self.0.stopped_ms.get().copied().unwrap_or_else(system_ms);
        Instant(time.saturating_add(self.0.offset_ms.load(Ordering::Relaxed)))
    }

    /// Moves the clock forward by `seconds`, or back if `seconds` is negative.
    pub fn advance(&self, seconds: i64) {
        let offset = &self.0.offset_ms;
        offset.fetch_add(seconds.saturating_mul(1000), Ordering::Relaxed);
    }

    /// Stops the clock. From now on only [`Clock::advance`] moves it, so a test that is slow reaches no limit by itself.
    pub fn stop(&self) {
        self.0.stopped_ms.get_or_init(system_ms);
    }
}

/// Returns the system's time in milliseconds since 1970.
fn system_ms() -> i64 {
    let system = UtcDateTime::now().unix_timestamp_nanos() / 1_000_000;
    // Milliseconds since 1970 stay far below 2^63 for the next 292 million years.
    i64::try_from(system).unwrap_or(i64::MAX)
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

    #[test]
    fn a_stopped_clock_is_only_moved_by_hand() {
        let clock = Clock::default();
        clock.clone().stop();
        let before = clock.now();
        while system_ms() <= before.0 {
            std::hint::spin_loop();
        }
        clock.stop();
        assert_eq!(clock.now(), before);
        clock.advance(2);
        assert_eq!(clock.now(), before.plus_seconds(2));
    }
}
