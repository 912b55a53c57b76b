//! Uploaded covers: a row that names one which is at hand gives its movie a copy of the image.
//!
//! An image belongs to one movie, which deletes it. So the movie gets an image of its own, which is checked and stored as an uploaded
//! one is. It is stored just before its chunk is committed, and doubtful until then: the transaction that adds the movie deletes the
//! item that says so. If the import is interrupted in between, the sweep deletes the image, and the next run copies it again.

use std::path::{Path, PathBuf};

use marquee_shared::{
    Error,
    covers::{Covers, NewCover},
    db::{Store, expression::Condition, keys, movie::MovieItem},
    domain::{CoverImage, CoverKey, MovieFields, NamedCover},
};

use super::{
    chunk::{Chunk, NewMovie},
    error::ImportError,
};

/// Parses a cover. The URL of an uploaded cover whose image is in this directory becomes that image. Its origin may be another one:
/// nobody guesses its name.
pub(super) fn parse(text: &str, images: Option<&Path>) -> Result<CoverImage, &'static str> {
    let key = NamedCover::parse(text).ok().and_then(|named| named.key());
    match (key, images) {
        (Some(key), Some(images)) if images.join(key.to_string()).is_file() => Ok(CoverImage::uploaded(&key)),
        _ => CoverImage::parse(text),
    }
}

/// The image of which a movie is to have a copy.
pub(super) fn image_of(fields: &MovieFields) -> Option<CoverKey> {
    fields.cover_image.as_ref().and_then(CoverImage::key)
}

/// Copies images.
pub(super) struct Copies {
    /// The directory of the images.
    pub(super) from: Option<PathBuf>,
    /// What checks and stores the copies.
    pub(super) to: Covers,
}

impl Copies {
    /// Stores a copy of each image that movies of a chunk name, and gives it to the movie. Returns a warning for each image that
    /// can't be used; its movie is added without it.
    ///
    /// # Errors
    /// Returns an error if an image can't be stored.
    pub(super) async fn make(
        &self,
        store: &Store,
        began: &str,
        chunk: &mut Chunk,
    ) -> Result<Vec<String>, ImportError> {
        let mut warnings = Vec::new();
        for movie in &mut chunk.movies {
            let (Some(image), Some(from)) = (image_of(&movie.fields), &self.from) else {
                continue;
            };
            match self.copy(&image, from).await? {
                Ok(copy) => movie.set_cover(store, began, &copy)?,
                Err(message) => {
                    let title = movie.fields.title.as_str();
                    warnings.push(format!("warning: left out the cover of {title:?}: {message}"));
                }
            }
        }
        Ok(warnings)
    }

    /// Stores a copy of an image. Returns the message for one that can't be used.
    async fn copy(&self, image: &CoverKey, from: &Path) -> Result<Result<CoverKey, String>, ImportError> {
        let file = from.join(image.to_string());
        let read = tokio::task::spawn_blocking(move || std::fs::read(file)).await;
        let read = read.map_err(|_| Error::internal("reading an image caused a panic"))?;
        let Ok(bytes) = read else {
            return Ok(Err("the image can't be read".to_owned()));
        };
        let cover = NewCover {
            image: bytes.into(),
            movie: None,
        };
        match self.to.receive(cover).await {
            Ok(copy) => Ok(Ok(copy)),
            Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => Err(error.into()),
            Err(_) => Ok(Err("the image isn't one that can be uploaded".to_owned())),
        }
    }
}

impl NewMovie {
    /// Gives the movie an image that was just stored.
    fn set_cover(&mut self, store: &Store, began: &str, copy: &CoverKey) -> Result<(), ImportError> {
        let fields = MovieFields {
            cover_image: Some(CoverImage::uploaded(copy)),
            ..self.fields.clone()
        };
        let movie = MovieItem::new(self.id, &fields, None, began);
        self.put = store
            .on(keys::movie(self.id))
            .put(&movie, Condition::not_exists())?;
        self.adopt = Some(store.adopt_cover(copy)?);
        Ok(())
    }
}
