//! Where a test's table is: in an engine of the test's own, in memory, or at the DynamoDB endpoint that the environment
//! names, under a name of its own.

use std::{
    thread,
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::{Client, error::DisplayErrorContext, operation::delete_table::DeleteTableError};
use dynoxide::Database;
use marquee::engine::{Engine, Storage};
use marquee_shared::{aws, aws::client, clock::Clock, config::Config, db::Store};
use uuid::Uuid;

/// The variable that names an endpoint for all tests: its URL, or `aws` for that of the environment's own region.
const VARIABLE: &str = "MARQUEE_TEST_DYNAMODB";

/// What the name of every table at an endpoint begins with.
pub const PREFIX: &str = "marquee-test-";

/// How long a table may be in the making, or others in the way, before its deletion is given up.
const DELETED_WITHIN: Duration = Duration::from_secs(120);

/// The pause between two attempts to delete a table.
const PAUSE: Duration = Duration::from_secs(1);

/// A client of an endpoint. Its calls belong to no store, so the SDK repeats them.
pub async fn connect(url: &str) -> Client {
    client::retrying(&client::of_operator(Some(url)).await.unwrap())
}

/// The endpoint's URL, if the environment names one.
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

/// A table of one test's own. It is gone with the test, whether that passes or panics.
pub enum TestTable {
    /// The one table of an engine in memory.
    Engine(Engine),
    /// One of many at an endpoint. It exists as soon as a server has started on it.
    Remote(RemoteTable),
}

impl TestTable {
    /// A table where the environment says.
    pub async fn new() -> Self {
        match endpoint().await {
            Some(url) => Self::Remote(RemoteTable::at(url)),
            None => Self::Engine(Engine::start(Storage::Memory).unwrap()),
        }
    }

    /// The URL of the endpoint.
    pub fn url(&self) -> String {
        match self {
            Self::Engine(engine) => engine.endpoint(),
            Self::Remote(guest) => guest.url.clone(),
        }
    }

    /// The table's name.
    pub fn name(&self) -> String {
        match self {
            Self::Engine(_) => Config::default().table,
            Self::Remote(guest) => guest.name.clone(),
        }
    }

    /// The engine's database, for bulk loading.
    pub fn database(&self) -> Option<Database> {
        match self {
            Self::Engine(engine) => Some(engine.database().clone()),
            Self::Remote(_) => None,
        }
    }

    /// The table itself, with nothing in between.
    pub async fn store(&self) -> Store {
        let client = connect(&self.url()).await;
        Store::new(client, self.name(), Clock::default())
    }
}

/// A table at an endpoint, which is deleted when this is dropped.
pub struct RemoteTable {
    pub url: String,
    pub name: String,
}

impl RemoteTable {
    /// A name that no other table at this endpoint has.
    pub fn at(url: String) -> Self {
        let name = format!("{PREFIX}{}", Uuid::new_v4());
        Self { url, name }
    }
}

impl Drop for RemoteTable {
    fn drop(&mut self) {
        let (url, name) = (self.url.clone(), self.name.clone());
        // The test's own runtime can't be blocked on from within it, and may be on its way down.
        let deleted = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(delete(&url, &name))
        });
        let deleted = deleted
            .join()
            .unwrap_or_else(|_| Err("its thread panicked".into()));
        if let Err(reason) = deleted {
            let text = format!("the table {} at {} is still there: {reason}", self.name, self.url);
            // A second panic would end the process, and with it the other tests before their tables are deleted.
            if thread::panicking() {
                eprintln!("{text}");
            } else {
                panic!("{text}");
            }
        }
    }
}

/// Deletes a table, which may not have been made, or be in the making still.
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
