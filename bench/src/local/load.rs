//! Load on one server: the requests a second and the processor time of a request, over a bounded time.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{runtime, task::JoinSet, time::sleep_until};

use super::{
    connection::Connection,
    requests::Requests,
    server::{Server, processor_seconds},
};
use crate::runtime::Failure;

/// The share of the measured time for which the requests are sent before.
const WARM_UP: f64 = 0.2;

/// What was measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// The answered requests.
    pub(crate) answered: f64,
    /// The time, in seconds.
    pub(crate) seconds: f64,
    /// The processor time of the server, in seconds.
    pub(crate) processor: f64,
    /// The processor time of this process, in seconds.
    pub(crate) driver: f64,
}

/// Sends requests for this long, each connection one after another, beginning with the `done`th of each.
///
/// # Errors
/// Returns an error if a response isn't the expected one.
pub(crate) async fn load(
    server: &Server,
    requests: Arc<Vec<Requests>>,
    done: usize,
    time: Duration,
) -> Result<(Load, usize), Failure> {
    let (address, pid) = (server.address, server.pid()?);
    // One thread sends all requests, so that none is handed from one thread to another.
    let driven = tokio::task::spawn_blocking(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(drive(address, pid, &requests, done, time))
    });
    driven.await?
}

async fn drive(
    address: SocketAddr,
    pid: u32,
    requests: &[Requests],
    done: usize,
    time: Duration,
) -> Result<(Load, usize), Failure> {
    let begun = Instant::now();
    let warm = begun + time.mul_f64(WARM_UP);
    let end = warm + time;
    let counts: Arc<Vec<AtomicU64>> = Arc::new(requests.iter().map(|_| AtomicU64::new(0)).collect());
    let total = || {
        counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum::<u64>()
    };
    let mut connections = JoinSet::new();
    for (at, requests) in requests.iter().enumerate() {
        let (requests, counts) = (requests.clone(), counts.clone());
        connections.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for request in requests.iter().cycle().skip(done) {
                connection.ask(request).await?;
                counts[at].fetch_add(1, Ordering::Relaxed);
                if Instant::now() >= end {
                    break;
                }
            }
            Ok::<_, Failure>(())
        });
    }
    let own = std::process::id();
    let read = || {
        Ok::<_, Failure>((
            Instant::now(),
            total(),
            processor_seconds(pid)?,
            processor_seconds(own)?,
        ))
    };
    sleep_until(warm.into()).await;
    let first = read()?;
    sleep_until(end.into()).await;
    let last = read()?;
    while let Some(connection) = connections.join_next().await {
        connection??;
    }
    let load = Load {
        answered: (last.1 - first.1) as f64,
        seconds: (last.0 - first.0).as_secs_f64(),
        processor: last.2 - first.2,
        driver: last.3 - first.3,
    };
    let most = counts.iter().map(|count| count.load(Ordering::Relaxed)).max();
    Ok((load, done + usize::try_from(most.unwrap_or_default())?))
}
