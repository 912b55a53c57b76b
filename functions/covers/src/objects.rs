//! Where covers are stored: in a bucket on AWS, in a directory or in memory on one machine.

#[cfg(feature = "s3")]
use std::time::Duration;
use std::{fmt, fs::File, path::PathBuf, sync::Arc};

use bytes::Bytes;
use marquee_shared::{Error, Result, domain::CoverKey};
use object_store::{ObjectStore, ObjectStoreExt as _, local::LocalFileSystem, memory::InMemory, path::Path};

/// The time limits of a call to S3, within the deadline of a request.
#[cfg(feature = "s3")]
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
#[cfg(feature = "s3")]
const CALL_WITHIN: Duration = Duration::from_secs(5);
#[cfg(feature = "s3")]
const RETRY_WITHIN: Duration = Duration::from_secs(8);

/// The covers that are stored, each with its thumbnail. Clones share them.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Where the files are, if they are files.
    directory: Option<PathBuf>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objects({})", self.store)
    }
}

impl Objects {
    /// No covers, in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            store: Arc::new(InMemory::new()),
            directory: None,
        }
    }

    /// The covers of a directory, which must exist. Only the owner of the process can read a file that is written there.
    ///
    /// # Errors
    /// If the directory can't be read.
    pub fn directory(directory: PathBuf) -> std::io::Result<Self> {
        let store = LocalFileSystem::new_with_prefix(&directory).map_err(std::io::Error::other)?;
        Ok(Self {
            store: Arc::new(store),
            directory: Some(directory),
        })
    }

    /// The covers of a bucket, with the region and the credentials of the environment.
    ///
    /// # Errors
    /// If the environment has no valid settings.
    #[cfg(feature = "s3")]
    pub fn bucket(name: &str) -> Result<Self> {
        use object_store::{BackoffConfig, ClientOptions, RetryConfig, aws::AmazonS3Builder};

        // Fails if another part of the process has installed one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = ClientOptions::new()
            .with_connect_timeout(CONNECT_WITHIN)
            .with_timeout(CALL_WITHIN);
        let retries = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: 3,
            retry_timeout: RETRY_WITHIN,
        };
        let builder = AmazonS3Builder::from_env()
            .with_bucket_name(name)
            .with_client_options(options)
            .with_retry(retries);
        let store = builder.build().map_err(|error| failed("configure", &error))?;
        Ok(Self {
            store: Arc::new(store),
            directory: None,
        })
    }

    /// Stores an object.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it wasn't stored, or if that is unknown.
    pub async fn put(&self, name: &str, object: Bytes) -> Result<()> {
        let stored = self.store.put(&Path::from(name), object.into()).await;
        stored.map_err(|error| failed("put", &error))?;
        match self.directory.clone() {
            None => Ok(()),
            Some(directory) => {
                let file = directory.join(name);
                let kept = tokio::task::spawn_blocking(move || keep(&file, &directory)).await;
                let kept = kept.map_err(|_| Error::internal("storing a cover caused a panic"))?;
                kept.map_err(|error| {
                    Error::unavailable(format!("a cover's file can't be kept: {}", error.kind()))
                })
            }
        }
    }

    /// Returns an object. `None` if there is none of this name.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store doesn't answer.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let found = match self.store.get(&Path::from(name)).await {
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
        for name in [cover.to_string(), cover.thumbnail()] {
            match self.store.delete(&Path::from(name)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed("delete", &error)),
            }
        }
        Ok(())
    }

    /// Returns the names of all objects, in order, for an audit.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store doesn't answer.
    pub async fn names(&self) -> Result<Vec<String>> {
        use futures_util::TryStreamExt as _;
        let listed = self.store.list(None).map_ok(|object| object.location.to_string());
        let mut names: Vec<String> = listed
            .try_collect()
            .await
            .map_err(|error| failed("list", &error))?;
        names.sort_unstable();
        Ok(names)
    }
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
