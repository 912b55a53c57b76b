//! The writer of a file: a thread that runs the writes one after another, in the order in which they arrived, and brings
//! several of them to the disk at once.
//!
//! SQLite's setting `synchronous=FULL` waits for the disk after each commit. Here SQLite only writes each commit to its log,
//! the writer then waits for the disk once for all commits since the last time, and only then answers them. Nothing that a
//! client has seen is lost in a power failure: the log is read from its start up to the first incomplete commit, and no
//! answer is given, not even to a read, that depends on a commit beyond what the disk has.

use std::{
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use dynoxide::{Database, DynoxideError};
use tokio::sync::{oneshot, watch};

use super::handles::{closed, log_of, panicked};

/// How long writes are collected at most before the disk is waited for, if more of them keep arriving.
const COLLECT_FOR: Duration = Duration::from_millis(5);

/// How long they are collected if the disk is fast, as a multiple of the last wait for it. So a fifth of the time at most is
/// spent on waiting, while the callers of the first writes, and the reads that may have seen them, are answered soon.
const WAITS: u32 = 4;

/// A write to be run. Returns what answers it once it is on the disk.
type Job = Box<dyn FnOnce(&mut Writing) -> Answering + Send>;

/// Answers a write. The error is that of the disk.
type Answering = Box<dyn FnOnce(Result<(), DynoxideError>) + Send>;

/// The handle that writes.
pub(super) struct Writing {
    path: String,
    /// `None` after a panic, until the next write.
    open: Option<(Database, File)>,
}

impl Writing {
    pub(super) fn open(path: &str) -> Result<Self, DynoxideError> {
        Ok(Self {
            path: path.to_owned(),
            open: Some(open(path)?),
        })
    }

    /// The handle, which is opened again if a panic has left it unusable.
    pub(super) fn database(&mut self) -> Result<&Database, DynoxideError> {
        let opened = match self.open.take() {
            Some(opened) => opened,
            None => open(&self.path)?,
        };
        Ok(&self.open.insert(opened).0)
    }

    /// Waits until the disk has everything that was written.
    fn sync(&self) -> io::Result<()> {
        match &self.open {
            Some((_, log)) => log.sync_data(),
            None => Ok(()),
        }
    }

    /// Runs a job. If it panics, the handle is closed, which takes back what the job hasn't committed.
    fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, DynoxideError>,
    ) -> Result<T, DynoxideError> {
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| {
            // What was committed before is on the disk first.
            let synced = self.sync();
            self.open = None;
            synced.map_err(of_disk).and(Err(panicked()))
        })
    }
}

/// Opens a handle and the log of its commits.
fn open(path: &str) -> Result<(Database, File), DynoxideError> {
    let database = Database::new(path)?;
    // Sets `synchronous=NORMAL`, and other settings to their defaults. The engine has no other way to set it.
    database.disable_bulk_loading()?;
    // The log exists as long as the file is open.
    let log = File::options().read(true).write(true).open(log_of(path));
    Ok((database, log.map_err(of_disk)?))
}

/// The error of the file system, in SQLite's words.
#[expect(clippy::needless_pass_by_value, reason = "map_err passes it by value")]
pub(super) fn of_disk(error: io::Error) -> DynoxideError {
    DynoxideError::InternalServerError(format!("disk I/O error: {error}"))
}

/// How many writes there were, to know whether a read may have seen one that isn't on the disk yet.
struct Progress {
    /// How many have begun.
    begun: AtomicU64,
    /// How many of these are on the disk or have failed.
    durable: watch::Sender<u64>,
}

/// Sends writes to the writer's thread. Dropping it waits until all of them have ended.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(writing: Writing) -> Result<Self, DynoxideError> {
        let (jobs, arriving) = mpsc::channel();
        let progress = Arc::new(Progress {
            begun: AtomicU64::new(0),
            durable: watch::Sender::new(0),
        });
        let reported = Arc::clone(&progress);
        let thread = std::thread::Builder::new()
            .name("dynamodb-writer".to_owned())
            .spawn(move || write_all(writing, &arriving, &reported))
            .map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
        Ok(Self {
            jobs: Some(jobs),
            progress,
            thread: Some(thread),
        })
    }

    /// Runs a write after all that were sent before, and returns its result when it is on the disk. It is run even if the
    /// caller stops waiting.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writing) -> Result<T, DynoxideError> + Send + 'static,
    ) -> Result<T, DynoxideError> {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |writing| {
            let result = writing.run(work);
            Box::new(move |synced| {
                // Fails when the caller has stopped waiting.
                let _ = sender.send(synced.and(result));
            })
        });
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if !sent {
            return Err(closed());
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Waits until each write that a read may have seen by now is on the disk.
    pub(super) async fn until_what_is_visible_is_durable(&self) {
        let begun = self.progress.begun.load(Ordering::Acquire);
        if *self.progress.durable.borrow() >= begun {
            return;
        }
        let mut durable = self.progress.durable.subscribe();
        // The sender is in `self`.
        let _ = durable.wait_for(|durable| *durable >= begun).await;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It has answered each panic of a job, and can't panic itself.
            let _ = thread.join();
        }
    }
}

/// Runs writes until no more can arrive. This is what the writer's thread runs.
fn write_all(mut writing: Writing, arriving: &mpsc::Receiver<Job>, progress: &Progress) {
    let mut answering = Vec::new();
    // What a disk has lost after an error is unknown (fsync(2)), so after one no further write is confirmed.
    let mut failed: Option<String> = None;
    let mut collect_for = COLLECT_FOR;
    while let Ok(first) = arriving.recv() {
        let collecting = Instant::now();
        let mut next = Some(first);
        while let Some(job) = next {
            progress.begun.fetch_add(1, Ordering::AcqRel);
            answering.push(job(&mut writing));
            let more = collecting.elapsed() < collect_for;
            next = more.then(|| arriving.try_recv().ok()).flatten();
        }
        if failed.is_none() {
            let waiting = Instant::now();
            failed = writing.sync().err().map(|error| error.to_string());
            collect_for = COLLECT_FOR.min(WAITS * waiting.elapsed());
        }
        let begun = progress.begun.load(Ordering::Acquire);
        progress.durable.send_replace(begun);
        for answer in answering.drain(..) {
            answer(match &failed {
                None => Ok(()),
                Some(error) => Err(of_disk(io::Error::other(error.clone()))),
            });
        }
    }
}
