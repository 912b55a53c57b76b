//! The sweep function: removes favorites of deleted movies and what is left of deleted accounts, and refills the lists of newest
//! movies of genres that ran out. It runs on schedules and serves no requests.

use std::time::{Duration, SystemTime};

use lambda_runtime::{Diagnostic, LambdaEvent};
use marquee_shared::{Error, db::Store};
use serde_json::Value;

/// How long before its deadline an invocation stops, so that it can log how far it got.
const IN_TIME: Duration = Duration::from_secs(1);

/// The result of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many movies were examined. A movie with very many favorites is examined, and counted, several times.
    pub movies: usize,
    /// How many genres got a new list of their newest movies.
    pub genres: usize,
    /// How many deleted accounts are still looked after.
    pub accounts: usize,
    /// Whether nothing is left to remove. If not, the time was up, and the next sweep continues.
    pub is_done: bool,
}

/// The input of a schedule that only looks after deleted accounts: `{"only": "deleted accounts"}`.
const ONLY_ACCOUNTS: &str = "deleted accounts";

/// AP-16, AP-38, AP-50: removes the favorites of deleted movies and what is left of deleted accounts, and refills genres, for at
/// most `time`. It may be interrupted at any point: a movie's `SWEEP` item is removed last, and so are an account's `LEAVING` item
/// and the mark of a genre that is being refilled.
///
/// # Errors
/// [`Error::Unavailable`] if the table does not answer in time.
pub async fn sweep(store: &Store, time: Duration) -> Result<Swept, Error> {
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
    // At the same time, so that none keeps the others from their work, whether it takes long or fails.
    let (swept, refilled, looked_after) = tokio::join!(
        is_done_in(time, sweeping),
        is_done_in(time, refilling),
        sweep_accounts(store, time)
    );
    let (swept, refilled, looked_after) = (swept?, refilled?, looked_after?);
    Ok(Swept {
        movies,
        genres,
        accounts: looked_after.accounts,
        is_done: swept && refilled && looked_after.is_done,
    })
}

/// AP-50: removes what is left of deleted accounts, for at most `time`.
///
/// # Errors
/// [`Error::Unavailable`] if the table does not answer in time.
pub async fn sweep_accounts(store: &Store, time: Duration) -> Result<Swept, Error> {
    let mut accounts = 0;
    let looking_after = Box::pin(async {
        accounts = store.sweep_deleted_users().await?;
        Ok(())
    });
    let is_done = is_done_in(time, looking_after).await?;
    Ok(Swept {
        accounts,
        is_done,
        ..Swept::default()
    })
}

/// Runs `work` for at most `time`, and returns whether it is done. Without time it isn't begun.
async fn is_done_in(time: Duration, work: impl Future<Output = Result<(), Error>>) -> Result<bool, Error> {
    // A timeout of zero would let calls be made that are answered without waiting, as those of the embedded engine are.
    if time.is_zero() {
        return Ok(false);
    }
    match tokio::time::timeout(time, work).await {
        Ok(result) => result.map(|()| true),
        Err(_) => Ok(false),
    }
}

/// Handles one invocation. It uses only the deadline of the event.
///
/// # Errors
/// The error of the sweep, so that the invocation fails: Lambda then tries again and counts an error.
pub async fn handle(store: &Store, event: LambdaEvent<Value>) -> Result<(), Diagnostic> {
    let left = event.context.deadline().duration_since(SystemTime::now());
    let time = left.unwrap_or_default().saturating_sub(IN_TIME);
    let swept = if event.payload["only"] == ONLY_ACCOUNTS {
        sweep_accounts(store, time).await
    } else {
        sweep(store, time).await
    };
    let swept = swept.map_err(|error| Diagnostic {
        error_type: "SweepFailed".into(),
        error_message: error.log_message(),
    })?;
    let Swept {
        movies,
        genres,
        accounts,
        is_done,
    } = swept;
    tracing::info!(movies, genres, accounts, is_done, "swept");
    Ok(())
}
