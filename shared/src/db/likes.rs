//! The `likes` attribute, which encodes a movie's favorite count.
//!
//! `likes` is the movie's favorite count × 10¹⁰ + its id. So one number orders movies by their counts, and movies with the
//! same count by id. 64 bits hold it for ten billion movies with up to 1.8 billion favorites each.

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

/// Returns the favorite count in `likes`.
#[must_use]
pub fn favorite_count(likes: u64) -> u64 {
    likes / ONE_FAVORITE
}

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
    pub(crate) fn update(self, id: MovieId) -> Update {
        let update = match self {
            Self::Add => {
                Update::new("SET #liked = :shard ADD #likes :step").value(":shard", text(keys::liked(id)))
            }
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
    fn a_favorite_that_is_as_it_should_be_changes_nothing() {
        assert_eq!(CountChange::between(true, true), None);
        assert_eq!(CountChange::between(false, false), None);
        assert_eq!(CountChange::between(false, true), Some(CountChange::Add));
        assert_eq!(CountChange::between(true, false), Some(CountChange::Remove));
    }
}
