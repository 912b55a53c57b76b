//! What a request did, for its line in the log: the operation, who sent it, the calls to the table and their units.
//!
//! The line has the target [`TARGET`]. For a function with a metrics namespace it is also the request's metrics
//! ([`metrics`](crate::telemetry::metrics)).

use std::{
    cell::Cell,
    future::Future,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use crate::domain::UserId;

/// The target of the line of a request.
pub const TARGET: &str = module_path!();

/// The operation in the line of a request that is none of the API's.
const NO_OPERATION: &str = "none";

tokio::task_local! {
    /// What the request of this task has done so far.
    static DONE: Done;
}

/// What a request has done so far. The calls of tasks that it spawns aren't counted.
#[derive(Debug, Default)]
pub(crate) struct Done {
    route: Cell<Option<&'static str>>,
    operation: Cell<Option<&'static str>>,
    user: Cell<Option<UserId>>,
    user_exists: Cell<bool>,
    calls: Cell<u64>,
    read_units: Cell<f64>,
    write_units: Cell<f64>,
    conflicts: Cell<u64>,
    throttles: Cell<u64>,
}

/// Something that a request does with the table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    /// A call was sent.
    Call,
    /// A read consumed these units.
    Read(f64),
    /// A write consumed these units.
    Write(f64),
    /// A call failed because a transaction was changing the same item.
    Conflict,
    /// A call failed because the table was throttled.
    Throttle,
}

/// Adds a deed to those of the current request. Outside of a request it does nothing.
pub(crate) fn add(deed: Deed) {
    let one_more = |count: &Cell<u64>| count.set(count.get() + 1);
    let more = |units: &Cell<f64>, consumed| units.set(units.get() + consumed);
    with(|done| match deed {
        Deed::Call => one_more(&done.calls),
        Deed::Read(units) => more(&done.read_units, units),
        Deed::Write(units) => more(&done.write_units, units),
        Deed::Conflict => one_more(&done.conflicts),
        Deed::Throttle => one_more(&done.throttles),
    });
}

/// Notes the user who sent the current request.
pub(crate) fn note_user(user: UserId) {
    with(|done| done.user.set(Some(user)));
}

/// Notes that the user who sent the current request was read, and exists.
pub(crate) fn note_user_exists() {
    with(|done| done.user_exists.set(true));
}

/// The user who sent the current request, unless it is known that they exist.
pub(crate) fn unchecked_user() -> Option<UserId> {
    let unchecked = |done: &Done| done.user.get().filter(|_| !done.user_exists.get());
    DONE.try_with(unchecked).ok().flatten()
}

/// Notes the route and the operation of the current request.
pub(crate) fn note_operation(route: &'static str, operation: &'static str) {
    with(|done| {
        done.route.set(Some(route));
        done.operation.set(Some(operation));
    });
}

fn with(note: impl FnOnce(&Done)) {
    // An error means that there is no request.
    let _ = DONE.try_with(note);
}

/// A request that has been answered.
#[derive(Debug)]
pub(crate) struct Answered {
    done: Done,
    duration_ms: f64,
}

/// Runs the work of a request, and returns what it did beside its output.
pub(crate) async fn observed<F: Future>(work: F) -> (F::Output, Answered) {
    let begin = Instant::now();
    let mut work = pin!(DONE.scope(Done::default(), work));
    let output = work.as_mut().await;
    let answered = Answered {
        done: work.take_value().unwrap_or_default(),
        // In thousandths, so that the line has no digits that mean nothing.
        duration_ms: (begin.elapsed().as_secs_f64() * 1e6).round() / 1e3,
    };
    (output, answered)
}

impl Answered {
    /// Logs the line of the request. Whatever a client wrote must not be in it.
    pub(crate) fn log(
        &self,
        request_id: &str,
        method: &'static str,
        status: u16,
        code: Option<&'static str>,
    ) {
        let done = &self.done;
        tracing::info!(
            request_id,
            method,
            route = done.route.get(),
            operation = done.operation.get().unwrap_or(NO_OPERATION),
            status,
            code,
            user = done.user.get().map(UserId::get),
            duration_ms = self.duration_ms,
            calls = done.calls.get(),
            read_units = done.read_units.get(),
            write_units = done.write_units.get(),
            conflicts = done.conflicts.get(),
            throttles = done.throttles.get(),
            failures = u64::from(status >= 500),
            cold_starts = u64::from(is_first()),
            "answered"
        );
    }
}

/// Whether this is the first call of this function in the process: the request that waited for the start of a function.
fn is_first() -> bool {
    static FIRST: AtomicBool = AtomicBool::new(true);
    // A load first, because a swap takes the cache line from other cores each time.
    FIRST.load(Ordering::Relaxed) && FIRST.swap(false, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn deeds_are_counted_for_their_own_request_only() {
        add(Deed::Call);
        let one = observed(async {
            for deed in [
                Deed::Call,
                Deed::Read(0.5),
                Deed::Call,
                Deed::Read(1.0),
                Deed::Write(6.0),
            ] {
                add(deed);
                tokio::task::yield_now().await;
            }
            note_operation("/api/movies/", "list_movies");
        });
        let other = observed(async {
            for deed in [Deed::Call, Deed::Conflict, Deed::Throttle, Deed::Throttle] {
                add(deed);
                tokio::task::yield_now().await;
            }
        });
        let (((), one), ((), other)) = tokio::join!(one, other);
        let counts = |answered: &Answered| {
            let done = &answered.done;
            (done.calls.get(), done.conflicts.get(), done.throttles.get())
        };
        assert_eq!((counts(&one), counts(&other)), ((2, 0, 0), (1, 1, 2)));
        let units = |answered: &Answered| (answered.done.read_units.get(), answered.done.write_units.get());
        assert_eq!((units(&one), units(&other)), ((1.5, 6.0), (0.0, 0.0)));
        assert_eq!(one.done.operation.get(), Some("list_movies"));
        assert_eq!(other.done.operation.get(), None);
    }
}
