//! How fast an audit reads.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Spreads reads over time, so that they leave a table on AWS the capacity that requests need.
#[derive(Debug, Default)]
pub(super) struct Pace {
    units_per_second: Option<f64>,
    /// When the units that were spent are paid for.
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(units_per_second: Option<u32>) -> Self {
        Self {
            units_per_second: units_per_second.map(f64::from),
            free_at: Mutex::default(),
        }
    }

    /// How many items one page of a scan reads at most.
    pub(super) fn page(&self) -> usize {
        const MOST: u32 = 1_000;
        let most = f64::from(MOST);
        // Most items take less than a unit.
        let wanted = self.units_per_second.map_or(most, |units| units.clamp(1.0, most));
        // In the range of the type by its bounds.
        (1..=MOST).rev().find(|n| f64::from(*n) <= wanted).unwrap_or(1) as usize
    }

    /// Waits until these units, which were read or are about to be, are within the pace.
    pub(super) async fn spend(&self, units: f64) {
        let Some(per_second) = self.units_per_second else {
            return;
        };
        let until = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let begin = free_at.map_or(now, |at| at.max(now));
            let until = begin + Duration::from_secs_f64(units / per_second);
            *free_at = Some(until);
            until
        };
        sleep_until(until).await;
    }
}
