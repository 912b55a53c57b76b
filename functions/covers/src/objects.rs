//! Where covers are stored: in a bucket on AWS, in a directory or in memory on one machine.

#[cfg(feature = "directory")]
use std::path::PathBuf;
#[cfg(feature = "s3")]
use std::time::Duration;
use std::{fmt, sync::Arc};

#[cfg(feature = "s3")]
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use marquee_shared::{Error, Result, domain::CoverKey};
#[cfg(feature = "s3")]
use object_store::{BackoffConfig, RetryConfig, aws::AmazonS3Builder};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};

#[cfg(feature = "directory")]
use crate::directory::Directory;
#[cfg(feature = "s3")]
use crate::s3::Connector;

/// How long a failed call is repeated, within the deadline of a request.
#[cfg(feature = "s3")]
const RETRY_WITHIN: Duration = Duration::from_secs(8);

/// The covers that are stored, each with its thumbnail. Clones share them.
#[derive(Clone, Debug)]
pub struct Objects(Place);

#[derive(Clone)]
enum Place {
    Store(Arc<dyn ObjectStore>),
    #[cfg(feature = "directory")]
    Directory(Directory),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(store) => write!(f, "{store}"),
            #[cfg(feature = "directory")]
            Self::Directory(directory) => write!(f, "{directory}"),
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
    #[cfg(feature = "directory")]
    #[must_use]
    pub fn directory(directory: PathBuf) -> Self {
        Self(Place::Directory(Directory(directory)))
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
            #[cfg(feature = "directory")]
            Place::Directory(directory) => directory.store(),
        }
    }

    /// Stores an object.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it wasn't stored, or if that is unknown.
    pub async fn put(&self, name: &str, object: Bytes) -> Result<()> {
        match &self.0 {
            Place::Store(store) => put(store.as_ref(), name, object).await,
            #[cfg(feature = "directory")]
            Place::Directory(directory) => directory.put(name, object).await,
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
        match &self.0 {
            Place::Store(_) => Ok(()),
            #[cfg(feature = "directory")]
            Place::Directory(directory) => directory.delete_leftovers().await,
        }
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

/// Stores an object in this store.
pub(crate) async fn put(store: &dyn ObjectStore, name: &str, object: Bytes) -> Result<()> {
    let stored = store.put(&Path::from(name), object.into()).await;
    stored.map(drop).map_err(|error| failed("put", &error))
}

/// Returns the error for a call that failed. The error's text isn't used: it has the names of covers, which are as secret as
/// their addresses.
pub(crate) fn failed(call: &'static str, error: &object_store::Error) -> Error {
    use object_store::Error as Kind;
    let cause = match error {
        Kind::NotFound { .. } => "nothing is there",
        Kind::PermissionDenied { .. } | Kind::Unauthenticated { .. } => "not allowed",
        Kind::NotSupported { .. } | Kind::NotImplemented { .. } => "not supported",
        _ => "no success in time",
    };
    Error::unavailable(format!("the store of covers failed to {call}: {cause}"))
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
    async fn covers_are_kept_in_memory() {
        keeps_covers(Objects::memory()).await;
    }

    #[cfg(feature = "directory")]
    #[tokio::test]
    async fn covers_are_kept_in_files_that_only_their_owner_reads() {
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
