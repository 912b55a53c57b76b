//! The sweep function: removes favorites of deleted movies that the deletions left behind, and refills the lists of newest
//! movies of genres that ran out. It runs on a schedule and serves no requests.

use std::time::{Duration, SystemTime};

use lambda_runtime::{Diagnostic, LambdaEvent};
use marquee_shared::{Error, db::Store};
use serde_json::Value;

/// How long before its deadline an invocation stops, so that it can log how far it got.
const IN_TIME: Duration = Duration::from_secs(1);

/// The result of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// How many movies were examined. A movie with very many favorites is examined, and counted, several times.
    pub movies: usize,
    /// How many genres got a new list of their newest movies.
    pub genres: usize,
    /// Whether nothing is left to remove. If not, the time was up, and the next sweep continues.
    pub is_done: bool,
}

/// AP-16, AP-38: removes the favorites of deleted movies, and refills genres, for at most `time`. It may be interrupted at any
/// point: a movie's `SWEEP` item is removed last, and so is the mark of a genre that is being refilled.
///
/// # Errors
/// [`Error::Unavailable`] if the table does not answer in time.
pub async fn sweep(store: &Store, time: Duration) -> Result<Swept, Error> {
    if time.is_zero() {
        // A timeout lets calls be made that are answered without waiting, as those of the embedded engine are.
        return Ok(Swept {
            movies: 0,
            genres: 0,
            is_done: false,
        });
    }
    let (mut movies, mut genres) = (0, 0);
    // Boxed, because the compiler gives up on the layout of futures that are nested this deep.
    let sweeping = Box::pin(async {
        loop {
            match store.sweep_favorites().await? {
                0 => return Ok(()),
                looked_at => movies += looked_at,
            }
        }
    });
    let refilling = Box::pin(async {
        genres = store.refill_genres().await?;
        Ok(())
    });
    // At the same time, so that neither waits for the other until the time is up.
    let both = async { tokio::try_join!(sweeping, refilling) };
    let is_done = match tokio::time::timeout(time, both).await {
        Ok(result) => result.map(|((), ())| true)?,
        Err(_) => false,
    };
    Ok(Swept {
        movies,
        genres,
        is_done,
    })
}

/// Handles one invocation. It uses only the deadline of the event.
///
/// # Errors
/// The error of the sweep, so that the invocation fails: Lambda then tries again and counts an error.
pub async fn handle(store: &Store, event: LambdaEvent<Value>) -> Result<(), Diagnostic> {
    let left = event.context.deadline().duration_since(SystemTime::now());
    let time = left.unwrap_or_default().saturating_sub(IN_TIME);
    let Swept {
        movies,
        genres,
        is_done,
    } = sweep(store, time).await.map_err(|error| Diagnostic {
        error_type: "SweepFailed".into(),
        error_message: error.log_message(),
    })?;
    tracing::info!(movies, genres, is_done, "swept");
    Ok(())
}
