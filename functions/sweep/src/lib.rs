//! The sweep: removes the favorites that the deletions of movies left behind. It runs on a schedule and answers
//! nobody.

use std::time::{Duration, SystemTime};

use lambda_runtime::{Diagnostic, LambdaEvent};
use marquee_shared::{Error, db::Store};
use serde_json::Value;

/// How long before its deadline an invocation stops, so that it ends by itself and says how far it came.
const IN_TIME: Duration = Duration::from_secs(1);

/// What a sweep came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// How many movies it looked at. One with very many favorites counts each time it is looked at.
    pub movies: usize,
    /// Whether nothing is left. Otherwise the time was up, and the next sweep goes on.
    pub is_done: bool,
}

/// AP-16: removes what favorites of deleted movies there are, for no longer than `time`. It may be cut off anywhere: a movie's
/// `SWEEP` item goes last.
///
/// # Errors
/// [`Error::Unavailable`] when the table doesn't serve.
pub async fn sweep(store: &Store, time: Duration) -> Result<Swept, Error> {
    let mut movies = 0;
    // Boxed, since the compiler computes no layout of so many nested futures.
    let sweeping = Box::pin(async {
        loop {
            match store.sweep_favorites().await? {
                0 => return Ok(()),
                looked_at => movies += looked_at,
            }
        }
    });
    let is_done = match tokio::time::timeout(time, sweeping).await {
        Ok(result) => result.map(|()| true)?,
        Err(_) => false,
    };
    Ok(Swept { movies, is_done })
}

/// One invocation. Nothing in the event matters but its deadline.
///
/// # Errors
/// Whatever the sweep fails with, so that the invocation fails: Lambda then tries again, and its count of errors shows it.
pub async fn handle(store: &Store, event: LambdaEvent<Value>) -> Result<(), Diagnostic> {
    let left = event.context.deadline().duration_since(SystemTime::now());
    let time = left.unwrap_or_default().saturating_sub(IN_TIME);
    let Swept { movies, is_done } = sweep(store, time).await.map_err(|error| Diagnostic {
        error_type: "SweepFailed".into(),
        error_message: error.log_message(),
    })?;
    tracing::info!(movies, is_done, "swept");
    Ok(())
}
