//! Receives images from the movies function, and deletes those that no movie has.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use marquee_shared::{
    Error, Result,
    covers::{Checked, NewCover, Receipt, ReceiveCover, Received, SentCover},
    db::Store,
    domain::CoverKey,
};
use tokio::sync::Semaphore;

use crate::{
    Objects,
    image::{Cover, Refused, process},
};

/// How many images are decoded at the same time. Each may take several hundred megabytes for a moment. A deployed function
/// processes one at a time anyway.
const AT_ONCE: usize = 1;

/// The function: the table, and where covers are stored. Clones share both.
#[derive(Clone, Debug)]
pub struct CoversFunction {
    store: Store,
    objects: Option<Objects>,
    turns: Arc<Semaphore>,
}

impl CoversFunction {
    /// Returns the function for this table and this store of covers.
    #[must_use]
    pub fn new(store: Store, objects: Option<Objects>) -> Self {
        Self {
            store,
            objects,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// AP-55: checks an image and stores it with its thumbnail. It is doubtful until a movie has it: the table says so before the
    /// image is stored, so that the sweep deletes it if no movie ever has it.
    async fn store(&self, cover: NewCover) -> Result<CoverKey> {
        let objects = self.objects.as_ref().ok_or_else(no_store)?;
        let NewCover { image, movie } = cover;
        let Cover {
            format,
            image,
            thumbnail,
        } = self.processed(image).await?;
        let key = CoverKey::random(format)?;
        self.store.doubt_cover(&key, movie).await?;
        let name = key.to_string();
        let whole = objects.put(&name, image.into());
        match thumbnail {
            None => whole.await?,
            Some(thumbnail) => {
                let (name, thumbnail) = (key.thumbnail(), Bytes::from(thumbnail));
                tokio::try_join!(whole, objects.put(&name, thumbnail))?;
            }
        }
        Ok(key)
    }

    /// Returns what would be stored of an image.
    async fn processed(&self, image: Bytes) -> Result<Cover> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| Error::internal("no turns"))?;
        let processed = tokio::task::spawn_blocking(move || {
            // Kept until the image is processed, even if nobody waits for that any more.
            let _turn = turn;
            process(&image)
        });
        let processed = processed.await;
        processed
            .map_err(|_| Error::internal("an image caused a panic"))?
            .map_err(refused)
    }

    /// Answers an invocation by the movies function.
    ///
    /// # Errors
    /// An error that isn't about the image, so that the invocation fails.
    pub async fn answer(&self, sent: SentCover) -> Result<Receipt> {
        let image = STANDARD.decode(&sent.image);
        let image = Bytes::from(image.map_err(|_| Error::internal("an image that isn't base64"))?);
        if sent.is_only_checked {
            return Receipt::of(self.processed(image).await.map(|_| None));
        }
        let movie = sent.movie;
        Receipt::of(self.store(NewCover { image, movie }).await.map(Some))
    }

    /// AP-57: deletes the images that no movie has any more or ever had. Returns how many images it looked at.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the table or the store of images doesn't answer in time.
    pub async fn sweep(&self) -> Result<usize> {
        let objects = self.objects.as_ref().ok_or_else(no_store)?;
        objects.delete_leftovers().await?;
        let delete = |cover: CoverKey| async move { objects.delete(&cover).await };
        self.store.sweep_covers(delete).await
    }
}

impl ReceiveCover for CoversFunction {
    fn receive(&self, cover: NewCover) -> Received<'_> {
        Box::pin(self.store(cover))
    }

    fn check(&self, image: Bytes) -> Checked<'_> {
        Box::pin(async { self.processed(image).await.map(drop) })
    }
}

fn no_store() -> Error {
    Error::internal("COVERS_BUCKET is not set")
}

fn refused(refused: Refused) -> Error {
    match refused {
        Refused::TooLarge => Error::ImageTooLarge,
        Refused::Unsupported => Error::UnsupportedImage,
        Refused::Invalid(message) => Error::invalid("cover_image", message),
    }
}
