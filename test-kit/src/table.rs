//! Where a test's table is: in an embedded engine of its own, or at the DynamoDB endpoint that the environment names,
//! under a name of its own.

use std::{
    thread,
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::{Client, error::DisplayErrorContext, operation::delete_table::DeleteTableError};
use dynoxide::Database;
use marquee::engine::{Engine, Storage};
use marquee_shared::{aws, aws::client, clock::Clock, config::Config, db::Store};
use uuid::Uuid;

/// The variable that names an endpoint for all tests: a URL, or `aws` for the endpoint of the environment's region.
const VARIABLE: &str = "MARQUEE_TEST_DYNAMODB";

/// The beginning of the name of every table at an endpoint.
pub const PREFIX: &str = "marquee-test-";

/// How long the deletion of a table is tried while the table is being created or too many others are being changed.
const DELETED_WITHIN: Duration = Duration::from_secs(120);

/// The wait between two attempts to delete a table.
const PAUSE: Duration = Duration::from_secs(1);

/// A client of an endpoint. The SDK retries its calls, which a store would do itself.
pub async fn connect(url: &str) -> Client {
    client::retrying(&client::of_operator(Some(url)).await.unwrap())
}

/// The URL of the endpoint that the environment names, if it names one.
///
/// # Panics
/// Panics if the variable is neither a URL nor `aws`.
pub async fn endpoint() -> Option<String> {
    let named = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty())?;
    if named != "aws" {
        assert!(
            named.starts_with("http://") || named.starts_with("https://"),
            "{VARIABLE} must be a URL or `aws`, and is {named:?}"
        );
        return Some(named);
    }
    let settings = aws::operator_config().await.unwrap();
    let region = settings.region().expect("the environment names no region");
    Some(format!("https://dynamodb.{region}.amazonaws.com"))
}

/// A table of one test's own. It is deleted when the test ends, whether the test passes or panics.
pub enum TestTable {
    /// The only table of an embedded engine.
    Engine(Engine),
    /// One of many at an endpoint. It exists once a server has started on it.
    Remote(RemoteTable),
}

impl TestTable {
    /// A table where the environment says.
    pub async fn new() -> Self {
        Self::at(endpoint().await)
    }

    /// A table at this endpoint, or in memory for `None`.
    #[must_use]
    pub fn at(endpoint: Option<String>) -> Self {
        endpoint.map_or_else(Self::in_memory, |url| Self::Remote(RemoteTable::at(url)))
    }

    /// A table in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::Engine(Engine::start(&Storage::Memory).unwrap())
    }

    /// The URL of the endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Engine(engine) => engine.endpoint().unwrap(),
            Self::Remote(table) => table.url.clone(),
        }
    }

    /// The table's name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Engine(_) => Config::default().table,
            Self::Remote(table) => table.name.clone(),
        }
    }

    /// The engine's database, for bulk loading. `None` at an endpoint.
    #[must_use]
    pub fn database(&self) -> Option<Database> {
        match self {
            Self::Engine(engine) => Some(engine.database().clone()),
            Self::Remote(_) => None,
        }
    }

    /// A store of the table.
    pub async fn store(&self) -> Store {
        let client = connect(&self.url()).await;
        Store::new(client, self.name(), Clock::default())
    }

    /// Ends the engine and waits until it has ended. A table at an endpoint is deleted.
    pub async fn close(self) {
        if let Self::Engine(engine) = self {
            engine.shutdown().await.unwrap();
        }
    }
}

/// A table at an endpoint, which is deleted when this is dropped.
pub struct RemoteTable {
    /// The URL of the endpoint.
    pub url: String,
    /// The table's name.
    pub name: String,
}

impl RemoteTable {
    /// A table with a new name at this endpoint. It isn't created here.
    #[must_use]
    pub fn at(url: String) -> Self {
        let name = format!("{PREFIX}{}", Uuid::new_v4());
        Self { url, name }
    }
}

impl Drop for RemoteTable {
    fn drop(&mut self) {
        let (url, name) = (self.url.clone(), self.name.clone());
        // A runtime can't be blocked on from within itself, and the test's runtime may be shutting down.
        let deleted = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(delete(&url, &name))
        });
        let deleted = deleted
            .join()
            .unwrap_or_else(|_| Err("its thread panicked".into()));
        if let Err(reason) = deleted {
            let text = format!(
                "the table {} at {} was not deleted: {reason}",
                self.name, self.url
            );
            // A second panic would end the process, and the other tests would not delete their tables.
            if thread::panicking() {
                eprintln!("{text}");
            } else {
                panic!("{text}");
            }
        }
    }
}

/// Deletes a table, which may not exist or may still be being created.
async fn delete(url: &str, name: &str) -> Result<(), String> {
    let client = connect(url).await;
    let until = Instant::now() + DELETED_WITHIN;
    loop {
        let Err(error) = client.delete_table().table_name(name).send().await else {
            return Ok(());
        };
        match error.as_service_error() {
            Some(DeleteTableError::ResourceNotFoundException(_)) => return Ok(()),
            Some(
                DeleteTableError::ResourceInUseException(_) | DeleteTableError::LimitExceededException(_),
            ) if Instant::now() < until => {
                tokio::time::sleep(PAUSE).await;
            }
            _ => return Err(DisplayErrorContext(error).to_string()),
        }
    }
}
