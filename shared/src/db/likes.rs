//! The `likes` attribute, which encodes a movie's favorite count.
//!
//! `likes` is the movie's favorite count × 10¹⁰ + its id. So one number orders movies by their counts, and movies with the
//! same count by id. 64 bits hold it for ten billion movies with up to 1.8 billion favorites each.
//!
//! The index of movies by likes has several partitions, the shards ([`LikesShards`]). A movie gets its shard with its first
//! favorite, and no later favorite changes it. So functions that write different numbers of shards never move a movie back
//! and forth, and a list that reads all shards contains each movie exactly once. Only
//! `Store::move_likes` moves movies.

use std::ops::RangeInclusive;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    db::{
        expression::{Condition, Update},
        item::{number, text},
        keys,
    },
    domain::MovieId,
};

/// The amount that one favorite adds to `likes`. Every movie's id is smaller.
pub const ONE_FAVORITE: u64 = 10_000_000_000;

/// The default number of shards of the likes index. Each takes 500 favorites per second.
pub const LIKES_SHARDS: u64 = 2;

/// The largest number of shards. The list of the most liked movies makes one Query for each.
pub const MAX_LIKES_SHARDS: u64 = 16;

/// How many shards of the likes index a process uses.
///
/// The two numbers differ only while the number of a running deployment is changed. Every process must read all shards
/// that any process has written, so a larger number is first read everywhere and then written (docs/deploy.md, "More shards
/// for favorites").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LikesShards {
    written: u64,
    read: u64,
}

impl LikesShards {
    /// Returns these numbers if both are in [`allowed`](Self::allowed) and `read` is at least `written`.
    #[must_use]
    pub fn new(written: u64, read: u64) -> Option<Self> {
        let is_valid = Self::allowed().contains(&written) && (written..=MAX_LIKES_SHARDS).contains(&read);
        is_valid.then_some(Self { written, read })
    }

    /// The numbers of shards that a process may use: 1 to [`MAX_LIKES_SHARDS`].
    #[must_use]
    pub fn allowed() -> RangeInclusive<u64> {
        1..=MAX_LIKES_SHARDS
    }

    /// The number of shards over which movies with a first favorite are spread.
    #[must_use]
    pub fn written(self) -> u64 {
        self.written
    }

    /// The number of shards that the list of the most liked movies reads.
    #[must_use]
    pub fn read(self) -> u64 {
        self.read
    }

    /// The shard of a movie that gets its first favorite.
    #[must_use]
    pub fn of(self, id: MovieId) -> String {
        keys::liked(id, self.written)
    }

    /// Whether `liked` is one of the shards that are read.
    #[must_use]
    pub fn reads(self, liked: &str) -> bool {
        (0..self.read).any(|shard| liked == keys::likes_shard(shard))
    }
}

impl Default for LikesShards {
    fn default() -> Self {
        Self {
            written: LIKES_SHARDS,
            read: LIKES_SHARDS,
        }
    }
}

/// Returns the favorite count in `likes`.
#[must_use]
pub fn favorite_count(likes: u64) -> u64 {
    likes / ONE_FAVORITE
}

/// The assignment, in an update, that puts a movie into the shard [`LIKED_VALUE`] unless it is in one.
pub(crate) const LIKED_ONCE: &str = "#liked = if_not_exists(#liked, :liked)";

/// The name of the shard's value in [`LIKED_ONCE`].
pub(crate) const LIKED_VALUE: &str = ":liked";

/// The change of `likes` by one favorite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CountChange {
    /// A favorite is added.
    Add,
    /// A favorite is removed.
    Remove,
}

impl CountChange {
    /// Returns the change between these two states of a favorite: whether it exists before and after. `None` if they are
    /// the same.
    pub(crate) fn between(before: bool, after: bool) -> Option<Self> {
        match (before, after) {
            (false, true) => Some(Self::Add),
            (true, false) => Some(Self::Remove),
            _ => None,
        }
    }

    /// Whether the favorite exists after the change.
    pub(crate) fn is_favorite(self) -> bool {
        self == Self::Add
    }

    /// Returns `likes` after the change. Saturates at 0: a batch doesn't read its items at the same moment, so it may
    /// return a new favorite with `likes` that don't count it yet.
    pub(crate) fn apply(self, likes: u64) -> u64 {
        match self {
            Self::Add => likes + ONE_FAVORITE,
            Self::Remove => likes.saturating_sub(ONE_FAVORITE),
        }
    }

    /// The amount that an update adds to `likes`, as a number attribute.
    pub(crate) fn step(self) -> AttributeValue {
        match self {
            Self::Add => number(ONE_FAVORITE),
            Self::Remove => number(format_args!("-{ONE_FAVORITE}")),
        }
    }

    /// Returns the update of movie `id` that makes the change. The first favorite also puts the movie into the likes index.
    pub(crate) fn update(self, id: MovieId, shards: LikesShards) -> Update {
        let update = match self {
            Self::Add => Update::new(format!("SET {LIKED_ONCE} ADD #likes :step"))
                .value(LIKED_VALUE, text(shards.of(id))),
            Self::Remove => Update::new("ADD #likes :step"),
        };
        update.value(":step", self.step())
    }
}

/// Whether a write that changes a movie's `likes` requires that they are those that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LikesCondition {
    /// The write fails if `likes` have changed. The count after the write is then known without another read.
    Unchanged,
    /// `likes` may have changed. Then other users' favorites can only delay the write, but the count must be read after it.
    Any,
}

impl LikesCondition {
    /// Returns the condition on a movie that was read with these `likes`.
    pub(crate) fn condition(self, likes: u64) -> Condition {
        match self {
            Self::Unchanged => Condition::new("#likes = :seen").value(":seen", number(likes)),
            Self::Any => Condition::exists(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_like_more_and_a_like_less_leave_the_id() {
        let none = 7;
        let one = CountChange::Add.apply(none);
        assert_eq!((favorite_count(none), favorite_count(one)), (0, 1));
        assert_eq!(CountChange::Remove.apply(one), none);
    }

    #[test]
    fn the_numbers_of_shards_are_from_1_to_16_and_none_is_written_that_is_not_read() {
        let valid = |written, read| LikesShards::new(written, read).is_some();
        assert!(valid(1, 1) && valid(2, 4) && valid(16, 16));
        assert!(!valid(0, 2) && !valid(4, 2) && !valid(2, 17) && !valid(17, 17));
        assert_eq!(
            LikesShards::new(LIKES_SHARDS, LIKES_SHARDS),
            Some(LikesShards::default())
        );
    }

    #[test]
    fn a_shard_is_read_when_its_number_is_below_that_of_the_readers() {
        let shards = LikesShards::new(2, 4).unwrap();
        assert_eq!(shards.of(MovieId::try_from(7).unwrap()), "LIKES#1");
        for (liked, is_read) in [
            ("LIKES#0", true),
            ("LIKES#3", true),
            ("LIKES#4", false),
            ("LIKES#03", false),
            ("", false),
        ] {
            assert_eq!(shards.reads(liked), is_read, "{liked}");
        }
    }

    #[test]
    fn a_favorite_that_is_as_it_should_be_changes_nothing() {
        assert_eq!(CountChange::between(true, true), None);
        assert_eq!(CountChange::between(false, false), None);
        assert_eq!(CountChange::between(false, true), Some(CountChange::Add));
        assert_eq!(CountChange::between(true, false), Some(CountChange::Remove));
    }
}
