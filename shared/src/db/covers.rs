//! Uploaded covers that movies may not have: AP-55, AP-56, AP-57.
//!
//! The images are in a store of their own, which takes part in no transaction. So before an image is stored, and before a movie
//! loses one, an item says that the image is *doubtful*. A sweep looks at doubtful images once no request can be changing their
//! movie any more, and deletes those that the movie doesn't have. So whatever is interrupted in between, no image is left behind,
//! and no image of a movie is deleted.
//!
//! An image that no movie has never gets one again: a movie keeps its own image or gets one that was just uploaded.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use crate::{
    db::{
        expression::Condition,
        item::{from_item, number},
        keys,
        movie::MovieItem,
        range::{Direction, KeyRange},
        store::Store,
        transaction::{Outcome, Transaction},
    },
    domain::{CoverKey, MovieFields, MovieId},
    error::{Error, Result},
};

/// For how many seconds an image is doubtful before the sweep looks at it. No request takes as long, and no clock of a function is
/// as far from another.
pub const DOUBTFUL_SECONDS: i64 = 600;

/// The most items that the sweep reads at once.
const PAGE: usize = 100;

/// A doubtful image, as stored at `COVERS`, digits of its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubtfulCover {
    /// The key of the image.
    pub cover: CoverKey,
    /// The movie that may have it. `None` for the image of a movie that is being added: the transaction that adds the movie deletes
    /// this item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub movie: Option<MovieId>,
    /// Since when it is doubtful, in milliseconds since 1970.
    pub since: i64,
}

/// Returns the key of a movie's uploaded cover.
pub(crate) fn uploaded(fields: &MovieFields) -> Option<CoverKey> {
    fields.cover_image.as_ref()?.key()
}

impl Store {
    /// AP-55: makes an image doubtful that is about to be stored. `movie` is the movie that may get it, or `None` for a new one.
    pub async fn doubt_cover(&self, cover: &CoverKey, movie: Option<MovieId>) -> Result<()> {
        let item = DoubtfulCover {
            cover: *cover,
            movie,
            since: self.clock.now().0,
        };
        self.write(&keys::doubtful_cover(cover), &item).await
    }

    /// AP-56: makes the uploaded cover of a movie doubtful, if the movie is about to lose it. No call if it isn't.
    pub(crate) async fn doubt_cover_of(&self, movie: &MovieItem, new: Option<&MovieFields>) -> Result<()> {
        match uploaded(&movie.fields) {
            Some(old) if new.and_then(uploaded) != Some(old) => self.doubt_cover(&old, Some(movie.id)).await,
            _ => Ok(()),
        }
    }

    /// The action that gives an image to a movie that is added. Its condition fails if the sweep has deleted the image.
    ///
    /// # Errors
    /// [`Error::Internal`] if the action cannot be built.
    pub fn adopt_cover(&self, cover: &CoverKey) -> Result<TransactWriteItem> {
        self.on(keys::doubtful_cover(cover)).delete(Condition::exists())
    }

    /// AP-57: deletes with `delete` the doubtful images that no movie has, and forgets the others. Returns how many images it
    /// looked at. It may be interrupted at any point: the item of an image is deleted last.
    ///
    /// # Errors
    /// The first error, after it has looked at the other images, so that none keeps them from their sweep. If the table or the store
    /// of images doesn't answer in time, the sweep ends at once.
    pub async fn sweep_covers<D: Future<Output = Result<()>>>(
        &self,
        delete: impl Fn(CoverKey) -> D,
    ) -> Result<usize> {
        let before = self.clock.now().plus_seconds(-DOUBTFUL_SECONDS).0;
        let mut range = KeyRange::partition(keys::TABLE, keys::COVERS);
        let (mut looked_at, mut first_error) = (0, None);
        loop {
            let items = self.query(&range, Direction::Ascending, PAGE).await?.items;
            let count = items.len();
            for item in items {
                let Some(key) = keys::Key::of(&item) else { continue };
                range = range.beyond(&key.sk, Direction::Ascending);
                let doubtful = match from_item::<DoubtfulCover>(item) {
                    Ok(doubtful) => doubtful,
                    Err(error) => {
                        first_error = first_error.or(Some(error));
                        continue;
                    }
                };
                if doubtful.since > before {
                    continue;
                }
                looked_at += 1;
                match self.settle_cover(&doubtful, &delete).await {
                    Ok(()) => {}
                    Err(error @ Error::Unavailable(_)) => return Err(error),
                    Err(error) => first_error = first_error.or(Some(error)),
                }
            }
            if count < PAGE {
                return first_error.map_or(Ok(looked_at), Err);
            }
        }
    }

    /// Deletes a doubtful image unless its movie has it, and then its item.
    async fn settle_cover<D: Future<Output = Result<()>>>(
        &self,
        doubtful: &DoubtfulCover,
        delete: &impl Fn(CoverKey) -> D,
    ) -> Result<()> {
        let has_movie = match doubtful.movie {
            None => false,
            Some(movie) => {
                let item = self.get(&keys::movie(movie)).await?;
                let movie = item.map(from_item::<MovieItem>).transpose()?;
                movie.is_some_and(|movie| uploaded(&movie.fields) == Some(doubtful.cover))
            }
        };
        if !has_movie {
            delete(doubtful.cover).await?;
        }
        // If the image became doubtful again since the item was read, the movie is about to lose it, and the item stays.
        let unchanged = Condition::new("#since = :since").value(":since", number(doubtful.since));
        let mut transaction = Transaction::default();
        transaction.add(self.on(keys::doubtful_cover(&doubtful.cover)).delete(unchanged)?);
        self.transact(&transaction).await.map(drop)
    }
}

/// Checks that a transaction was not rejected because the sweep has deleted the image of the movie that it adds.
///
/// # Errors
/// [`Error::Unavailable`] if it was: the client can upload the image again.
pub(crate) fn check_adopted(action: Option<usize>, outcome: &Outcome) -> Result<()> {
    match action {
        Some(action) if outcome.failed(action) => Err(Error::unavailable("an uploaded cover was swept")),
        _ => Ok(()),
    }
}
