//! Where covers are stored: in a bucket on AWS, in a directory or in memory on one machine.

use std::{fmt, fs::File, path::PathBuf, sync::Arc, time::Duration};

#[cfg(feature = "s3")]
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use marquee_shared::{Error, Result, domain::CoverKey};
#[cfg(feature = "s3")]
use object_store::{BackoffConfig, RetryConfig, aws::AmazonS3Builder};
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt as _, local::LocalFileSystem, memory::InMemory, path::Path,
};

#[cfg(feature = "s3")]
use crate::s3::Connector;

/// How long a failed call is repeated, within the deadline of a request.
#[cfg(feature = "s3")]
const RETRY_WITHIN: Duration = Duration::from_secs(8);

/// Longer than a file is being written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(600);

/// The covers that are stored, each with its thumbnail. Clones share them.
#[derive(Clone, Debug)]
pub struct Objects(Place);

#[derive(Clone)]
enum Place {
    Store(Arc<dyn ObjectStore>),
    /// Files of this directory, which the first cover creates.
    Directory(PathBuf),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(store) => write!(f, "{store}"),
            Self::Directory(directory) => write!(f, "{}", directory.display()),
        }
    }
}

/// An object of the store: an image of a cover or its thumbnail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// When it was stored, in milliseconds since 1970, by the store's clock.
    pub stored: i64,
}

impl From<ObjectMeta> for Object {
    fn from(meta: ObjectMeta) -> Self {
        Self {
            name: meta.location.to_string(),
            stored: meta.last_modified.timestamp_millis(),
        }
    }
}

impl Objects {
    /// No covers, in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self(Place::Store(Arc::new(InMemory::new())))
    }

    /// The covers of a directory, which the first one creates. Only the owner of the process can read it and its files.
    #[must_use]
    pub fn directory(directory: PathBuf) -> Self {
        Self(Place::Directory(directory))
    }

    /// The covers of a bucket, with the region and the credentials of the environment. `endpoint` replaces that of the region.
    ///
    /// # Errors
    /// If the environment has no valid settings.
    #[cfg(feature = "s3")]
    pub fn bucket(name: &str, endpoint: Option<&str>, connector: SharedHttpConnector) -> Result<Self> {
        let retries = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: 3,
            retry_timeout: RETRY_WITHIN,
        };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(name)
            .with_http_connector(Connector(connector))
            .with_retry(retries);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(true);
        }
        let store = builder.build().map_err(|error| failed("configure", &error))?;
        Ok(Self(Place::Store(Arc::new(store))))
    }

    /// Returns the store. `None` if it is a directory that doesn't exist, so that nothing is in it.
    fn store(&self) -> Result<Option<Arc<dyn ObjectStore>>> {
        match &self.0 {
            Place::Store(store) => Ok(Some(Arc::clone(store))),
            Place::Directory(directory) => match LocalFileSystem::new_with_prefix(directory) {
                Ok(files) => Ok(Some(Arc::new(files))),
                Err(_) if !directory.exists() => Ok(None),
                Err(error) => Err(failed("open", &error)),
            },
        }
    }

    /// Stores an object.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it wasn't stored, or if that is unknown.
    pub async fn put(&self, name: &str, object: Bytes) -> Result<()> {
        let kept = |error: std::io::Error| {
            Error::unavailable(format!("a cover's file can't be kept: {}", error.kind()))
        };
        if let Place::Directory(directory) = &self.0 {
            create(directory).map_err(kept)?;
        }
        let store = self
            .store()?
            .ok_or_else(|| Error::unavailable("the directory of covers is gone"))?;
        let stored = store.put(&Path::from(name), object.into()).await;
        stored.map_err(|error| failed("put", &error))?;
        match &self.0 {
            Place::Store(_) => Ok(()),
            Place::Directory(directory) => {
                let (file, directory) = (directory.join(name), directory.clone());
                let keeping = tokio::task::spawn_blocking(move || keep(&file, &directory)).await;
                let keeping = keeping.map_err(|_| Error::internal("storing a cover caused a panic"))?;
                keeping.map_err(kept)
            }
        }
    }

    /// Returns an object. `None` if there is none of this name.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store doesn't answer.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let Some(store) = self.store()? else {
            return Ok(None);
        };
        let found = match store.get(&Path::from(name)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed("get", &error)),
        };
        let bytes = found.bytes().await.map_err(|error| failed("get", &error))?;
        Ok(Some(bytes))
    }

    /// Deletes a cover and its thumbnail. Succeeds if they are gone already.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if one of them wasn't deleted, or if that is unknown.
    pub async fn delete(&self, cover: &CoverKey) -> Result<()> {
        let Some(store) = self.store()? else {
            return Ok(());
        };
        for name in [cover.to_string(), cover.thumbnail()] {
            match store.delete(&Path::from(name)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed("delete", &error)),
            }
        }
        Ok(())
    }

    /// Deletes the files that a process which was killed has left half written: `object_store` writes `NAME#1`, and then renames it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the directory can't be read.
    pub async fn delete_leftovers(&self) -> Result<()> {
        let Place::Directory(directory) = self.0.clone() else {
            return Ok(());
        };
        let deleting = tokio::task::spawn_blocking(move || leftovers(&directory)).await;
        let deleting = deleting.map_err(|_| Error::internal("deleting leftovers caused a panic"))?;
        deleting.map_err(|error| {
            Error::unavailable(format!("the directory of covers can't be read: {}", error.kind()))
        })
    }

    /// Returns every object, for an audit. They are read page by page, in no order.
    ///
    /// # Errors
    /// [`Error::Unavailable`], at any place of the stream too, if the store doesn't answer.
    pub fn list(&self) -> Result<BoxStream<'static, Result<Object>>> {
        let Some(store) = self.store()? else {
            return Ok(stream::empty().boxed());
        };
        let listed = store.list(None).map_ok(Object::from);
        Ok(listed.map_err(|error| failed("list", &error)).boxed())
    }

    /// Returns the object of this name without its content. `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store doesn't answer.
    pub async fn find(&self, name: &str) -> Result<Option<Object>> {
        let Some(store) = self.store()? else {
            return Ok(None);
        };
        match store.head(&Path::from(name)).await {
            Ok(meta) => Ok(Some(meta.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("find", &error)),
        }
    }
}

/// Deletes the half written files of a directory that nobody can be writing any more.
fn leftovers(directory: &std::path::Path) -> std::io::Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
        if entry.file_name().to_string_lossy().contains('#') && age > WRITTEN_WITHIN {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Creates a directory that only the owner of the process can read.
fn create(directory: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Returns the error for a call that failed. The error's text isn't used: it has the names of covers, which are as secret as
/// their addresses.
fn failed(call: &'static str, error: &object_store::Error) -> Error {
    use object_store::Error as Kind;
    let cause = match error {
        Kind::NotFound { .. } => "nothing is there",
        Kind::PermissionDenied { .. } | Kind::Unauthenticated { .. } => "not allowed",
        Kind::NotSupported { .. } | Kind::NotImplemented { .. } => "not supported",
        _ => "no success in time",
    };
    Error::unavailable(format!("the store of covers failed to {call}: {cause}"))
}

/// Lets only the owner read a file, and returns once it and its name are on the disk.
fn keep(file: &std::path::Path, directory: &std::path::Path) -> std::io::Result<()> {
    let file = File::open(file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        File::open(directory)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = directory;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use marquee_shared::domain::ImageFormat;

    use super::*;

    async fn names(objects: &Objects) -> Vec<String> {
        let listed: Vec<Object> = objects.list().unwrap().try_collect().await.unwrap();
        let mut names = Vec::new();
        for object in listed {
            assert_eq!(objects.find(&object.name).await.unwrap().as_ref(), Some(&object));
            names.push(object.name);
        }
        names.sort_unstable();
        names
    }

    /// Stores, reads and deletes covers, whatever the store is.
    async fn keeps_covers(objects: Objects) {
        let (one, other) = (
            CoverKey::random(ImageFormat::Png).unwrap(),
            CoverKey::random(ImageFormat::Avif).unwrap(),
        );
        let before = names(&objects).await;
        for name in [one.to_string(), one.thumbnail(), other.to_string()] {
            assert_eq!(objects.get(&name).await.unwrap(), None, "{name}");
            objects.put(&name, Bytes::from(name.clone())).await.unwrap();
            assert_eq!(objects.get(&name).await.unwrap().unwrap(), name);
        }
        assert_eq!(names(&objects).await.len(), before.len() + 3);
        objects.delete(&one).await.unwrap();
        objects.delete(&one).await.unwrap();
        assert_eq!(objects.get(&one.thumbnail()).await.unwrap(), None);
        assert_eq!(objects.find(&one.thumbnail()).await.unwrap(), None);
        assert_eq!(
            objects.get(&other.to_string()).await.unwrap().unwrap(),
            other.to_string()
        );
        objects.delete(&other).await.unwrap();
        assert_eq!(names(&objects).await, before);
    }

    #[tokio::test]
    async fn covers_are_kept_in_memory_and_in_files_that_only_their_owner_reads() {
        keeps_covers(Objects::memory()).await;
        let directory = tempfile::tempdir().unwrap();
        let objects = Objects::directory(directory.path().join("covers"));
        assert_eq!(names(&objects).await, [""; 0]);
        keeps_covers(objects.clone()).await;
        objects.put("a.png", Bytes::from_static(b"a")).await.unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let file = std::fs::metadata(directory.path().join("covers/a.png")).unwrap();
            assert_eq!(file.permissions().mode() & 0o777, 0o600);
        }
    }

    /// `.ci/s3` runs this against moto's S3.
    #[cfg(feature = "s3")]
    #[tokio::test]
    #[ignore = "needs an S3 endpoint: .ci/s3"]
    async fn covers_are_kept_in_a_bucket() {
        let endpoint = std::env::var("MARQUEE_S3").unwrap();
        let connector = || aws_smithy_http_client::Connector::builder().build_http();
        let bucket = |name: &str| {
            Objects::bucket(name, Some(&endpoint), SharedHttpConnector::new(connector())).unwrap()
        };
        keeps_covers(bucket("covers")).await;
        // A bucket that isn't there is an outage, not a cover that isn't there.
        let none = bucket("no-bucket");
        assert!(matches!(
            none.put("a.png", Bytes::new()).await,
            Err(Error::Unavailable(_))
        ));
    }
}
