//! Checks the layout of a table before it is used, and upgrades a table that an earlier version of this program made.
//!
//! A command that is killed during an upgrade leaves a table that the next one upgrades: every step can be repeated, and the
//! version is recorded last.

use std::fmt;

use marquee_shared::{
    Error,
    db::{
        Store,
        layout::{LAYOUT, Layout},
        likes::{LIKES_SHARDS, LikesShards},
    },
};

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

/// Makes a table usable by a command. A table that records no version, and needs no change, gets the current one. Returns
/// how many movies were changed.
///
/// # Errors
/// [`LayoutError`].
pub async fn check(store: &Store, older: Older) -> Result<u64, LayoutError> {
    let mut changed = 0;
    // Reads the version again after it was recorded, because another process may have recorded another one.
    loop {
        match store.layout().await? {
            Layout::Version(LAYOUT) => return Ok(changed),
            Layout::Version(version) if version > LAYOUT => return Err(LayoutError::Newer { version }),
            Layout::Version(version) => {
                if older == Older::Refuse && store.needs_upgrade(version).await? {
                    return Err(LayoutError::Older);
                }
                changed += store.upgrade_layout(version).await?;
            }
            Layout::New => store.record_layout().await?,
        }
    }
}

/// Makes a table usable by the server: upgrades it, and moves the movies of the shards that this server doesn't read.
/// Returns how many movies were changed.
///
/// # Errors
/// [`LayoutError`].
pub async fn prepare(store: &Store) -> Result<u64, LayoutError> {
    let upgraded = check(store, Older::Upgrade).await?;
    Ok(upgraded + store.gather_likes().await?)
}

/// What `marquee upgrade` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many movies were moved to another shard.
    pub moved: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (moved, plural) = (self.moved, if self.moved == 1 { "" } else { "s" });
        write!(
            f,
            "the table has layout {LAYOUT}; moved {moved} movie{plural} to another shard"
        )
    }
}

/// Upgrades a table, and spreads the movies that have had favorites over `likes_shards` shards, if that is given, or over
/// [`LIKES_SHARDS`] if the table is of an earlier version. Lists the newest movies of each genre anew.
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
    let mut moved = 0;
    if let Some(shards) = shards {
        // Otherwise the steps of the upgrade would gather the movies into fewer shards again.
        if let Some(shards) = LikesShards::new(shards, shards) {
            store = store.with_likes_shards(shards);
        }
        moved += store.spread_likes(shards).await?;
    }
    moved += check(&store, Older::Upgrade).await?;
    // The layout doesn't tell whether an earlier version has written the table since it was recorded.
    store.forget_newest().await?;
    store.refill_genres().await?;
    Ok(Report { moved })
}
