//! The index of movies by likes: reading its shards, and moving movies between them.
//!
//! Only the operator moves movies ([`Store::spread_likes`]), or the local server at its start ([`Store::gather_likes`]). A
//! list that is read during a move shows each movie once, with the movie's own count. At the moment of its own move a movie may
//! be missing from the list, as it may whenever the index is behind.

use std::{collections::HashSet, ops::Range};

use aws_sdk_dynamodb::types::ReturnValue;
use futures_util::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};

use crate::{
    db::{
        expression::Update,
        item::{Attributes as _, StoredItem, corrupt, text},
        keys::{self, LIKES, LIKES_INDEX},
        likes::{MAX_LIKES_SHARDS, ONE_FAVORITE},
        movie::movie_id,
        retry::jittered,
        store::Store,
    },
    domain::MovieId,
    error::{Error, Result},
};

/// The number of movies that are read at once from a shard to be moved. An entry of the index has less than 200 bytes, so a
/// page costs at most 25 units.
const PAGE: usize = 1000;

/// The number of movies of a shard that are moved at the same time.
const AT_ONCE: usize = 16;

/// The longest pause, in milliseconds, after a pass that has moved none of the movies that it found. On AWS the index shows a
/// movie in its old shard for a moment.
const PAUSE_MS: u64 = 500;

/// The number of such passes, one after another, after which a move fails.
const IDLE_PASSES: u32 = 40;

/// A movie in the index.
struct Entry {
    likes: u64,
    id: MovieId,
}

impl Entry {
    fn of(item: &StoredItem) -> Result<Self> {
        let likes = item
            .number(LIKES)
            .ok_or_else(|| corrupt("a movie in the likes index without likes"))?;
        Ok(Self {
            likes,
            id: movie_id(item)?,
        })
    }
}

/// What one pass over the shards did.
#[derive(Default)]
struct Pass {
    /// How many movies were in a wrong shard.
    found: u64,
    /// How many of them this pass has moved. The others were moved or deleted by others, or the index was behind.
    moved: u64,
}

impl Store {
    /// AP-07: the ids of the movies with the most favorites, then by id; only movies with favorites. Reads the first movies
    /// of every shard in parallel, and merges them.
    ///
    /// The index may show a movie in two shards for a moment after it was moved. It counts once, with its larger likes.
    pub(crate) async fn most_liked_ids(&self, limit: usize) -> Result<Vec<MovieId>> {
        let shards = (0..self.likes_shards.read()).map(async |shard| {
            let shard = keys::likes_shard(shard);
            let read = self
                .query_largest(LIKES_INDEX, &shard, ONE_FAVORITE.., limit)
                .await?;
            read.items.iter().map(Entry::of).collect::<Result<Vec<Entry>>>()
        });
        let mut entries: Vec<Entry> = try_join_all(shards).await?.into_iter().flatten().collect();
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.likes));
        let mut seen = HashSet::new();
        let ids = entries.into_iter().map(|entry| entry.id);
        Ok(ids.filter(|id| seen.insert(*id)).take(limit).collect())
    }

    /// AP-34: moves the movies of all shards beyond those that are read into the shards that are written. Returns how many
    /// were moved. No process may write the former any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] also if the index still shows movies there after some time.
    pub async fn gather_likes(&self) -> Result<u64> {
        let shards = self.likes_shards;
        self.move_likes(shards.read()..MAX_LIKES_SHARDS, shards.written())
            .await
    }

    /// AP-34: spreads all movies that have had favorites over this many shards. Returns how many were moved.
    ///
    /// # Errors
    /// As [`gather_likes`](Self::gather_likes).
    pub async fn spread_likes(&self, shards: u64) -> Result<u64> {
        self.move_likes(0..MAX_LIKES_SHARDS, shards).await
    }

    /// Moves each movie of the shards `from` to its shard of `to` shards, and returns how many were moved. Repeats until no
    /// movie of these shards is in a wrong one.
    ///
    /// Each move is one update of the movie under the condition that the movie is where the index showed it. It changes
    /// nothing that a favorite or an edit changes. So it can be interrupted at any point and done again.
    async fn move_likes(&self, from: Range<u64>, to: u64) -> Result<u64> {
        let mut moved = 0;
        let mut idle = 0;
        while idle < IDLE_PASSES {
            let passes = from.clone().map(|shard| self.move_likes_of(shard, to));
            let mut pass = Pass::default();
            for of_shard in try_join_all(passes).await? {
                pass.found += of_shard.found;
                pass.moved += of_shard.moved;
            }
            moved += pass.moved;
            if pass.found == 0 {
                return Ok(moved);
            }
            if pass.moved > 0 {
                idle = 0;
            } else {
                idle += 1;
                tokio::time::sleep(jittered(PAUSE_MS)).await;
            }
        }
        Err(Error::unavailable("the likes index is behind"))
    }

    /// Moves the movies of one shard, page by page, those with the most favorites first.
    async fn move_likes_of(&self, shard: u64, to: u64) -> Result<Pass> {
        let from = keys::likes_shard(shard);
        let mut pass = Pass::default();
        let mut below = None;
        loop {
            let read = match below {
                Some(below) => self.query_largest(LIKES_INDEX, &from, ..below, PAGE).await?,
                None => self.query_largest(LIKES_INDEX, &from, .., PAGE).await?,
            };
            let entries = read.items.iter().map(Entry::of);
            let entries = entries.collect::<Result<Vec<Entry>>>()?;
            let ids = entries.iter().map(|entry| entry.id);
            let misplaced: Vec<MovieId> = ids.filter(|id| keys::liked(*id, to) != from).collect();
            pass.found += misplaced.len() as u64;
            let moves = misplaced.into_iter().map(|id| self.move_liked(id, &from, to));
            let moved: Vec<bool> = stream::iter(moves)
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
            pass.moved += moved.into_iter().filter(|is_moved| *is_moved).count() as u64;
            match entries.last().filter(|_| read.more) {
                // No two movies have the same likes.
                Some(last) => below = Some(last.likes),
                None => return Ok(pass),
            }
        }
    }

    /// Moves a movie out of the shard `from`. Returns whether it was there.
    async fn move_liked(&self, id: MovieId, from: &str, to: u64) -> Result<bool> {
        let update = Update::new("SET #liked = :to")
            .when("#liked = :from")
            .value(":to", text(keys::liked(id, to)))
            .value(":from", text(from));
        let moved = self.update(&keys::movie(id), &update, ReturnValue::None).await?;
        Ok(moved.is_ok())
    }

    /// AP-34: whether a movie is in one of these shards.
    pub(crate) async fn has_likes_in(&self, shards: Range<u64>) -> Result<bool> {
        let reads = shards.map(async |shard| {
            let shard = keys::likes_shard(shard);
            self.query_largest(LIKES_INDEX, &shard, .., 1).await
        });
        let read = try_join_all(reads).await?;
        Ok(read.iter().any(|output| !output.items.is_empty()))
    }
}
