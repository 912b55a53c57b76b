//! The layout of a table: the form of its items, as a version.
//!
//! A table records its version in the item `META`, `LAYOUT`. The local server and the operator's commands compare it with
//! [`LAYOUT`] before they use the table. The functions don't: they are deployed with their table.
//!
//! To change the layout, add a [`Step`] at the end of [`STEPS`]. [`LAYOUT`] then grows by one, and [`Store::upgrade_layout`]
//! makes the step in every table of an earlier version.

use crate::{
    db::{
        counter::Counter,
        expression::Condition,
        item::{Attributes as _, Item, StoredItem, corrupt, number},
        keys,
        likes::{LIKES_SHARDS, MAX_LIKES_SHARDS},
        rewrite::Progress,
        store::Store,
    },
    error::Result,
};

/// A step from one version of the layout to the next. It is idempotent, so that one that was interrupted can be made again,
/// and requests can be served meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Moves the movies of shards of the likes index that are no longer read into those that are.
    GatherLikes,
    /// Compares the postings of every movie with those that it has now, and rewrites those that differ. Adds the words to the
    /// vocabulary.
    RewritePostings,
    /// Puts the item by which a movie is found among those of its owner.
    OwnMovies,
}

/// The steps, from version 1 on.
pub const STEPS: [Step; 4] = [
    // The first version, which didn't record itself, had eight shards.
    Step::GatherLikes,
    // The second version had no vocabulary, no filters by year and director, and no closed-up forms. `&` was no word.
    Step::RewritePostings,
    // The third version had no list of a user's movies.
    Step::OwnMovies,
    // The fourth version had no closed-up forms of numbers such as `20,000`, and read `8½` as 81 and 2.
    Step::RewritePostings,
];

/// The version of the layout that this program reads and writes.
pub const LAYOUT: u64 = 1 + STEPS.len() as u64;

/// The attribute that has the version.
const VERSION: &str = "version";

/// What a table records about its layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Nothing, and it has never had a movie.
    New,
    /// Its version. A table that records nothing has the version 1.
    Version(u64),
}

/// What the steps of an upgrade have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// How many movies were moved to another shard of the likes index.
    pub moved: u64,
    /// How many movies got new postings.
    pub rewritten: u64,
    /// How many movies with an owner got an item by which they are listed.
    pub owned: u64,
}

impl Store {
    /// AP-35: the layout of the table. One call, 3 units.
    pub async fn layout(&self) -> Result<Layout> {
        let counters = [Counter::Movies.key(), Counter::MovieIds.key()];
        let wanted = [keys::layout()].into_iter().chain(counters.clone());
        let found = self.batch_get(wanted.collect()).await?;
        match found.get(&keys::layout()) {
            Some(item) => version(item).map(Layout::Version),
            None if counters.iter().any(|key| found.contains_key(key)) => Ok(Layout::Version(1)),
            None => Ok(Layout::New),
        }
    }

    /// Whether a table of this version has anything that the steps from there on change.
    pub async fn needs_upgrade(&self, version: u64) -> Result<bool> {
        for step in steps_from(version) {
            let needs_it = match step {
                Step::GatherLikes => self.has_likes_in(LIKES_SHARDS..MAX_LIKES_SHARDS).await?,
                Step::RewritePostings | Step::OwnMovies => {
                    self.read_counters([Counter::Movies]).await? != [0]
                }
            };
            if needs_it {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// AP-35: makes a table of this version one of the version [`LAYOUT`], and records it.
    pub async fn upgrade_layout(&self, version: u64, progress: Progress<'_>) -> Result<Changed> {
        let mut changed = Changed::default();
        for step in steps_from(version) {
            match step {
                Step::GatherLikes => changed.moved += self.gather_likes().await?,
                Step::RewritePostings => {
                    changed.rewritten += self.rewrite_postings(progress).await?;
                }
                Step::OwnMovies => changed.owned += self.own_movies(progress).await?,
            }
        }
        self.record_layout().await?;
        Ok(changed)
    }

    /// AP-35: records that the table has the version [`LAYOUT`], unless it has that one or a later one.
    pub async fn record_layout(&self) -> Result<()> {
        let mut item: Item = keys::layout().attributes();
        item.insert(VERSION.to_owned(), number(LAYOUT));
        let condition = Condition::new("attribute_not_exists(#pk) OR #version < :version");
        // If the condition fails, this or another process has recorded it.
        let _recorded = self
            .put(item, condition.value(":version", number(LAYOUT)))
            .await?;
        Ok(())
    }
}

fn version(item: &StoredItem) -> Result<u64> {
    item.number(VERSION)
        .filter(|version| *version > 0)
        .ok_or_else(|| corrupt("a layout without a version"))
}

/// The steps that a table of this version lacks, each once: what is made later is made as of now.
fn steps_from(version: u64) -> impl Iterator<Item = Step> {
    let done = usize::try_from(version.saturating_sub(1)).unwrap_or(usize::MAX);
    let lacking = STEPS.get(done..).unwrap_or_default();
    let is_last = |at: usize| !lacking[at + 1..].contains(&lacking[at]);
    let last = lacking.iter().enumerate().filter(move |(at, _)| is_last(*at));
    last.map(|(_, step)| *step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lacks_the_steps_after_its_version_each_once() {
        let from = |version| steps_from(version).collect::<Vec<_>>();
        let all = [Step::GatherLikes, Step::OwnMovies, Step::RewritePostings];
        assert_eq!(
            (from(1), from(2), from(3)),
            (all.to_vec(), all[1..].to_vec(), all[1..].to_vec())
        );
        assert_eq!(from(4), [Step::RewritePostings]);
        assert_eq!(steps_from(LAYOUT).count(), 0);
        assert_eq!(steps_from(u64::MAX).count(), 0);
    }
}
