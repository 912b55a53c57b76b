//! Where the movies function sends the images that it receives: to the covers function, which alone has decoders of images and may
//! write to their store.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::{
    domain::{CoverKey, MovieId},
    error::{Error, Result},
};

/// An image for a movie.
#[derive(Clone, Debug)]
pub struct NewCover {
    /// The file as the client sent it.
    pub image: Bytes,
    /// The movie that is to have it. `None` for a movie that is about to be added.
    pub movie: Option<MovieId>,
}

/// The key of a stored image, or why it wasn't stored.
pub type Received<'a> = Pin<Box<dyn Future<Output = Result<CoverKey>> + Send + 'a>>;

/// Nothing, or why an image wouldn't be stored.
pub type Checked<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// How long an answer waits for the check of an image that isn't to be stored. Images are decoded one after another, and a client
/// whose request is refused anyway must not wait for those of all others.
pub const CHECKED_WITHIN: Duration = Duration::from_secs(5);

/// What checks and stores images.
pub trait ReceiveCover: fmt::Debug + Send + Sync {
    /// Checks an image and stores it. The image is [doubtful](crate::db::covers) until a movie has it.
    ///
    /// # Errors
    /// [`Error::ImageTooLarge`], [`Error::UnsupportedImage`], or [`Error::Invalid`] for an image that isn't accepted;
    /// [`Error::Unavailable`] if it couldn't be stored in time.
    fn receive(&self, cover: NewCover) -> Received<'_>;

    /// Checks an image as [`receive`](Self::receive) does, and stores nothing.
    ///
    /// # Errors
    /// The same.
    fn check(&self, image: Bytes) -> Checked<'_>;
}

/// What checks and stores images, if anything does. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Covers(Option<Arc<dyn ReceiveCover>>);

impl Covers {
    /// Returns a receiver of images.
    pub fn new(receiver: impl ReceiveCover + 'static) -> Self {
        Self(Some(Arc::new(receiver)))
    }

    /// Checks an image and stores it, as [`ReceiveCover::receive`] does.
    ///
    /// # Errors
    /// Those of [`ReceiveCover::receive`], and [`Error::Invalid`] if no images are stored here.
    pub async fn receive(&self, cover: NewCover) -> Result<CoverKey> {
        let Some(receiver) = &self.0 else {
            let message = "No images are stored here. Send an https URL.";
            return Err(Error::invalid("cover_image", message));
        };
        receiver.receive(cover).await
    }

    /// Checks an image, as [`ReceiveCover::check`] does. Where no images are stored, nothing is known of it.
    ///
    /// # Errors
    /// Those of [`ReceiveCover::check`], and [`Error::Unavailable`] after [`CHECKED_WITHIN`].
    pub async fn check(&self, image: Bytes) -> Result<()> {
        let Some(receiver) = &self.0 else {
            return Ok(());
        };
        let checked = timeout(CHECKED_WITHIN, receiver.check(image)).await;
        checked.unwrap_or_else(|_| Err(Error::unavailable("an image wasn't checked in time")))
    }
}

/// The input of an invocation of the covers function by the movies function.
#[derive(Serialize, Deserialize)]
pub struct SentCover {
    /// The file in base64.
    pub image: String,
    /// The movie that is to have it.
    pub movie: Option<MovieId>,
    /// Whether the image is checked and not stored.
    #[serde(default)]
    pub is_only_checked: bool,
}

/// The output of such an invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipt {
    /// The image is stored.
    Stored(CoverKey),
    /// The image could be stored, and was only to be checked.
    Accepted,
    /// The image has too many bytes.
    TooLarge,
    /// The file isn't an image of a supported type.
    Unsupported,
    /// The image has this fault.
    Invalid(String),
}

impl Receipt {
    /// Returns the receipt for a result, which has the key of an image that was stored, or the error if it isn't about the image.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub fn of(received: Result<Option<CoverKey>>) -> Result<Self> {
        match received {
            Ok(Some(key)) => Ok(Self::Stored(key)),
            Ok(None) => Ok(Self::Accepted),
            Err(Error::ImageTooLarge) => Ok(Self::TooLarge),
            Err(Error::UnsupportedImage) => Ok(Self::Unsupported),
            Err(Error::Invalid(errors)) => {
                let message = errors.0.values().flatten().next().map(ToString::to_string);
                Ok(Self::Invalid(message.unwrap_or_default()))
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the result that this receipt is for.
    ///
    /// # Errors
    /// The errors about the image.
    pub fn into_result(self) -> Result<Option<CoverKey>> {
        match self {
            Self::Stored(key) => Ok(Some(key)),
            Self::Accepted => Ok(None),
            Self::TooLarge => Err(Error::ImageTooLarge),
            Self::Unsupported => Err(Error::UnsupportedImage),
            Self::Invalid(message) => Err(Error::invalid("cover_image", message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ImageFormat;

    #[test]
    fn a_receipt_is_the_result_it_was_made_of() {
        let key = CoverKey::random(ImageFormat::Webp).unwrap();
        for result in [
            Ok(Some(key)),
            Ok(None),
            Err(Error::ImageTooLarge),
            Err(Error::UnsupportedImage),
            Err(Error::invalid("cover_image", "The image is broken.")),
        ] {
            let before = format!("{result:?}");
            let json = serde_json::to_string(&Receipt::of(result).unwrap()).unwrap();
            let receipt: Receipt = serde_json::from_str(&json).unwrap();
            assert_eq!(format!("{:?}", receipt.into_result()), before);
        }
        for error in [Error::unavailable("x"), Error::internal("x")] {
            assert!(Receipt::of(Err(error)).is_err());
        }
    }
}
