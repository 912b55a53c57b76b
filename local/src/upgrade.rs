//! Checks the layout of a table before it is used, and upgrades a table that an earlier version of this program made.
//!
//! A command that is killed during an upgrade leaves a table that the next one upgrades: every step can be repeated, and the
//! version is recorded last.

use std::fmt;

use indicatif::ProgressBar;
use marquee_shared::{
    Error,
    db::{
        Store,
        counter::Counter,
        layout::{Changed, LAYOUT, Layout},
        likes::{LIKES_SHARDS, LikesShards},
    },
};

use crate::progress::bar;

/// Why a table can't be used as it is. [`start_error`](crate::start_error) has its text.
#[derive(Debug)]
pub enum LayoutError {
    /// A later version of this program made the table.
    Newer {
        /// The version of the table's layout.
        version: u64,
    },
    /// An earlier version made the table, and its functions may still use it.
    Older,
    /// The table can't be read or written.
    Use(Error),
}

impl From<Error> for LayoutError {
    fn from(error: Error) -> Self {
        Self::Use(error)
    }
}

/// What to do with a table of an earlier version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    /// Upgrade it.
    Upgrade,
    /// Refuse it if it needs any change, because functions of the earlier version may be using it.
    Refuse,
}

/// Makes a table usable by a command. A table that records no version, and needs no change, gets the current one. A table
/// that needs changes gets them, with a progress bar on standard error if that is a terminal.
///
/// # Errors
/// [`LayoutError`].
pub async fn check(store: &Store, older: Older) -> Result<Changed, LayoutError> {
    let mut changed = Changed::default();
    // Reads the version again after it was recorded, because another process may have recorded another one.
    loop {
        match store.layout().await? {
            Layout::Version(LAYOUT) => return Ok(changed),
            Layout::Version(version) if version > LAYOUT => return Err(LayoutError::Newer { version }),
            Layout::Version(version) => {
                if older == Older::Refuse && store.needs_upgrade(version).await? {
                    return Err(LayoutError::Older);
                }
                tracing::info!(from = version, to = LAYOUT, "upgrading the table");
                let bar = progress_bar(store).await?;
                let made = store
                    .upgrade_layout(version, &|movies| bar.set_position(movies))
                    .await;
                bar.finish_and_clear();
                let made = made?;
                changed.moved += made.moved;
                changed.rewritten += made.rewritten;
                changed.owned += made.owned;
            }
            Layout::New => store.record_layout().await?,
        }
    }
}

/// A progress bar up to the number of movies.
async fn progress_bar(store: &Store) -> marquee_shared::Result<ProgressBar> {
    let [movies] = store.read_counters([Counter::Movies]).await?;
    Ok(bar("upgrading", movies, "movies"))
}

/// Makes a table usable by the server: upgrades it, and moves the movies of the shards that this server doesn't read.
///
/// # Errors
/// [`LayoutError`].
pub async fn prepare(store: &Store) -> Result<Changed, LayoutError> {
    let mut changed = check(store, Older::Upgrade).await?;
    changed.moved += store.gather_likes().await?;
    Ok(changed)
}

/// What `marquee upgrade` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report(pub Changed);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Changed {
            moved,
            rewritten,
            owned,
        } = self.0;
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        write!(
            f,
            "the table has layout {LAYOUT}; moved {moved} movie{} to another shard",
            plural(moved)
        )?;
        if rewritten > 0 {
            write!(
                f,
                "; rewrote the postings of {rewritten} movie{}",
                plural(rewritten)
            )?;
        }
        if owned > 0 {
            write!(f, "; listed {owned} movie{} of their owners", plural(owned))?;
        }
        Ok(())
    }
}

/// Upgrades a table, and spreads the movies that have had favorites over `likes_shards` shards, if that is given, or over
/// [`LIKES_SHARDS`] if the table is of an earlier version. Lists the newest movies of each genre anew. If the table has the
/// present layout and `likes_shards` isn't given, compares every posting with its movie.
///
/// # Errors
/// [`LayoutError`].
pub async fn run(store: &Store, likes_shards: Option<u64>) -> Result<Report, LayoutError> {
    let found = store.layout().await?;
    let shards = match found {
        Layout::Version(version) if version > LAYOUT => return Err(LayoutError::Newer { version }),
        Layout::Version(LAYOUT) | Layout::New => likes_shards,
        Layout::Version(_) => Some(likes_shards.unwrap_or(LIKES_SHARDS)),
    };
    let mut store = store.clone();
    let mut changed = Changed::default();
    if let Some(shards) = shards {
        // Otherwise the steps of the upgrade would gather the movies into fewer shards again.
        if let Some(shards) = LikesShards::new(shards, shards) {
            store = store.with_likes_shards(shards);
        }
        changed.moved += store.spread_likes(shards).await?;
    }
    let made = check(&store, Older::Upgrade).await?;
    changed.moved += made.moved;
    changed.rewritten += made.rewritten;
    changed.owned += made.owned;
    // The layout doesn't tell whether an earlier version has written the table since it was recorded.
    if found == Layout::Version(LAYOUT) && likes_shards.is_none() {
        let bar = progress_bar(&store).await?;
        let progress = |movies| bar.set_position(movies);
        let rewritten = store.rewrite_postings(&progress).await;
        bar.finish_and_clear();
        changed.rewritten += rewritten?;
    }
    store.forget_newest().await?;
    store.refill_genres().await?;
    Ok(Report(changed))
}
