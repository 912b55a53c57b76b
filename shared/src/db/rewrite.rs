//! Rewriting the postings of a table that an earlier version made: AP-45.
//!
//! A posting of the first two layouts has a `text` without the year. One of the next two has words that are now others, if its
//! movie has a number with a sign inside. Some have keys that no movie has any more. The whole table is scanned, page after page.
//! The words of each movie are added to the vocabulary. Wherever a page has a posting that its movie has no more, or has with
//! another `text`, the postings of the movie are written anew:
//!
//! 1. One transaction puts all postings that the movie has now, under the condition that the movie was not edited. A genre
//!    whose identity has changed, such as *Action & Adventure*, gets the movie in the same transaction.
//! 2. If the movie doesn't have the old posting any more, it is deleted. If that is a membership, the movie leaves the genre
//!    in the same transaction.
//!
//! So each movie is found throughout, except by numbers that are other words now, and each genre counts its memberships. At the end the genres get right names, and their
//! memberships are counted once more. All that is left to do can be seen in the table: the scan is begun anew after an
//! interruption, and changes only what hasn't been rewritten yet. Requests can be served meanwhile, by functions that write the
//! present form. No request scans.

mod genres;
mod plan;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    db::{
        batch::BATCH_GET,
        index,
        item::{Attributes as _, StoredItem, from_item},
        keys::{self, Key},
        movie::MovieItem,
        optimistic::{PlanOutcome, WriteAttempts},
        rewrite::{
            plan::{Leaving, Rewrite},
            stored::StoredPosting,
        },
        store::Store,
        transaction::{MAX_ACTIONS, Outcome, Transaction},
        vocabulary::vocabulary_words,
    },
    domain::MovieId,
    error::Result,
};

/// How many items one Scan reads: at most 250 KB of postings, 6 MB of movies, of which one call returns 1 MB.
const PAGE: usize = 1_000;

/// How many transactions are sent at the same time.
const AT_ONCE: usize = 8;

/// The class of the keys of movies.
const MOVIES: &str = "MOVIES";

/// Is told, now and then, how many movies were rewritten so far.
pub type Progress<'a> = &'a (dyn Fn(u64) + Send + Sync);

impl Store {
    /// AP-45: compares stored postings with their movies, and rewrites the postings of each movie whose postings differ. Returns
    /// how many movies that were.
    ///
    /// The number of calls grows with the table, so only an operator's command and the start of the local server call this.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) also if a movie or a genre is changed too often meanwhile.
    pub async fn rewrite_postings(&self, progress: Progress<'_>) -> Result<u64> {
        let mut rewritten = 0;
        let mut genres = BTreeSet::new();
        let of_genre = keys::genre_dated("");
        let mut start = None;
        loop {
            let page = self.scan(start.as_ref(), PAGE).await?;
            self.add_words_of(&page.items).await?;
            let mut by_movie: BTreeMap<MovieId, Vec<StoredPosting>> = BTreeMap::new();
            let postings = page.items.iter();
            for posting in postings.filter_map(StoredPosting::of) {
                by_movie.entry(posting.movie).or_default().push(posting);
            }
            let dated = page.items.iter().filter_map(|item| item.text(keys::BY_DATE.pk));
            genres.extend(
                dated
                    .filter_map(|dated| dated.strip_prefix(&of_genre))
                    .map(str::to_owned),
            );
            let mut by_movie = by_movie.into_iter().peekable();
            while by_movie.peek().is_some() {
                rewritten += self
                    .rewrite_some(by_movie.by_ref().take(BATCH_GET).collect())
                    .await?;
                progress(rewritten);
            }
            start = page.items.last().filter(|_| page.more).and_then(Key::of);
            if start.is_none() {
                break;
            }
        }
        self.mend_genres(genres).await?;
        Ok(rewritten)
    }

    /// Rewrites those of these movies with which these stored postings don't agree, and deletes the postings that they don't
    /// have. Returns how many movies were rewritten.
    async fn rewrite_some(&self, some: Vec<(MovieId, Vec<StoredPosting>)>) -> Result<u64> {
        let found = self
            .batch_get(some.iter().map(|(id, _)| keys::movie(*id)).collect())
            .await?;
        let movies = found.into_values().map(|item| {
            let movie: MovieItem = from_item(item)?;
            let postings = index::postings(&movie.fields, movie.id);
            Ok((movie.id, Rewrite::new(movie, postings)))
        });
        let mut movies: BTreeMap<MovieId, Rewrite> = movies.collect::<Result<_>>()?;
        // Each movie has this membership since the third layout.
        let years = movies.values().filter_map(Rewrite::year).cloned();
        let years = self.batch_get(years.collect()).await?;
        let mut old_memberships = Vec::new();
        let mut others = Vec::new();
        for (id, stored) in some {
            let Some(movie) = movies.get(&id) else {
                // An import that was interrupted wrote them. If it continues, it writes them again. Those without a year are
                // certainly not of an import that is running now. Of later layouts nothing shows that.
                others.extend(stored.into_iter().filter(|posting| posting.is_old));
                continue;
            };
            let is_rewritten = movie.year().is_some_and(|year| years.contains_key(year))
                && !stored.iter().any(|posting| movie.replaces(posting));
            for posting in stored.into_iter().filter(|posting| !movie.has(posting)) {
                match posting.date {
                    Some(_) => old_memberships.push(posting),
                    None => others.push(posting),
                }
            }
            if is_rewritten {
                movies.remove(&id);
            }
        }
        let to_rewrite: Vec<Rewrite> = movies.into_values().collect();
        let count = to_rewrite.len() as u64;
        let groups = groups(to_rewrite).into_iter();
        at_once(groups.map(|group| self.rewrite_group(group))).await?;
        let mut groups = Vec::new();
        while !others.is_empty() {
            groups.push(others.split_off(others.len().saturating_sub(MAX_ACTIONS)));
        }
        at_once(groups.into_iter().map(|group| self.delete_group(group))).await?;
        let memberships = old_memberships.into_iter();
        at_once(memberships.map(|posting| self.leave_genre(posting))).await?;
        Ok(count)
    }

    /// Adds the words of the movies among these items to the vocabulary.
    async fn add_words_of(&self, items: &[StoredItem]) -> Result<()> {
        let mut words = BTreeSet::new();
        for item in items.iter().filter(|item| keys::class_of(*item) == MOVIES) {
            let movie: MovieItem = from_item(item.clone())?;
            words.extend(vocabulary_words(&movie.fields));
        }
        let new = self.new_words(&words, usize::MAX).await?;
        self.add_words(&new).await
    }

    /// Rewrites movies in one transaction, or, if that fails, one after another.
    async fn rewrite_group(&self, group: Vec<Rewrite>) -> Result<()> {
        let mut transaction = Transaction::default();
        for rewrite in &group {
            rewrite.add_to(self, &mut transaction)?;
        }
        if let Outcome::Committed = self.transact(&transaction).await? {
            return Ok(());
        }
        for rewrite in group {
            self.rewrite_one(rewrite).await?;
        }
        Ok(())
    }

    /// Rewrites a movie, unless it was deleted meanwhile.
    async fn rewrite_one(&self, mut rewrite: Rewrite) -> Result<()> {
        let mut attempts = WriteAttempts::of("rewrite_postings");
        while self.commit(&mut rewrite).await? == PlanOutcome::Outdated {
            attempts.next().await?;
            let Some(item) = self.get(&keys::movie(rewrite.movie.id)).await? else {
                return Ok(());
            };
            let movie: MovieItem = from_item(item)?;
            let postings = index::postings(&movie.fields, movie.id);
            rewrite = Rewrite::new(movie, postings);
        }
        Ok(())
    }

    /// Deletes postings that are still as they were read, and of which no genre counts any.
    async fn delete_group(&self, mut group: Vec<StoredPosting>) -> Result<()> {
        while !group.is_empty() {
            let mut transaction = Transaction::default();
            for posting in &group {
                transaction.add(self.on(posting.key.clone()).delete(posting.unchanged())?);
            }
            let outcome = self.transact(&transaction).await?;
            if let Outcome::Committed = outcome {
                break;
            }
            // Another process has written or deleted those that have changed.
            let mut action = 0..;
            group.retain(|_| action.next().is_some_and(|action| !outcome.failed(action)));
        }
        Ok(())
    }

    /// Deletes an old membership, and takes its movie out of the genre.
    async fn leave_genre(&self, posting: StoredPosting) -> Result<()> {
        let mut attempts = WriteAttempts::of("rewrite_postings");
        let mut plan = Leaving::new(&posting);
        while self.commit(&mut plan).await? == PlanOutcome::Outdated && !plan.is_changed {
            attempts.next().await?;
        }
        Ok(())
    }
}

/// Runs these, some at the same time.
async fn at_once(writes: impl Iterator<Item = impl Future<Output = Result<()>>>) -> Result<()> {
    stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
}

/// The movies in groups that fit a transaction each.
fn groups(movies: Vec<Rewrite>) -> Vec<Vec<Rewrite>> {
    let mut groups: Vec<Vec<Rewrite>> = Vec::new();
    let mut actions = MAX_ACTIONS;
    for movie in movies {
        actions += movie.actions();
        match groups.last_mut() {
            Some(group) if actions <= MAX_ACTIONS => group.push(movie),
            _ => {
                actions = movie.actions();
                groups.push(vec![movie]);
            }
        }
    }
    groups
}
