//! Creates the table that the template declares, on any DynamoDB endpoint.

mod existing;

use std::{error::Error, fmt, time::Duration};

use aws_sdk_dynamodb::{
    Client, Config,
    config::timeout::TimeoutConfig,
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::{create_table::CreateTableError, describe_table::DescribeTableError},
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement, KeyType,
        Projection, TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
    },
};
use marquee_shared::aws::client::retrying;
use tokio::time::{Instant, sleep};

use self::existing::Existing;
use crate::{
    engine::Engine,
    start_error,
    template::{KeySpec, TableSpec},
};

/// How long a new table may take to become active. It takes about ten seconds on AWS and no time elsewhere.
const ACTIVE_WITHIN: Duration = Duration::from_secs(120);

/// The first and the longest pause between two checks of a table that isn't active yet.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Why the table couldn't be created.
#[derive(Debug)]
pub enum TableError {
    /// A request to DynamoDB failed.
    Request {
        /// The operation's name.
        operation: &'static str,
        /// The SDK's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The table exists with other keys, indexes or time to live than declared.
    Different {
        /// The table's name.
        table: String,
        /// What differs.
        reason: String,
    },
    /// The table didn't become active in time.
    NotActive {
        /// The table's name.
        table: String,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { operation, source } => {
                write!(f, "{operation} failed: {}", start_error::cause(&**source))
            }
            Self::Different { table, reason } => write!(f, "the table {table} exists, but {reason}"),
            Self::NotActive { table } => {
                let seconds = ACTIVE_WITHIN.as_secs();
                write!(
                    f,
                    "the table {table} didn't become active within {seconds} seconds"
                )
            }
        }
    }
}

impl Error for TableError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Request { source, .. } => Some(&**source),
            Self::Different { .. } | Self::NotActive { .. } => None,
        }
    }
}

impl TableError {
    /// Wraps the error of an operation.
    fn request(operation: &'static str) -> impl FnOnce(Box<dyn Error + Send + Sync>) -> Self {
        move |source| Self::Request { operation, source }
    }
}

impl TableSpec {
    /// Creates the table under this name unless it exists, waits at most two minutes until the table and its indexes are
    /// active, and enables its time to live. Returns whether it created the table.
    ///
    /// Safe to call at every start, and from two processes at once.
    ///
    /// # Errors
    /// [`TableError`] if DynamoDB refuses or doesn't answer, when a table of that name has other keys, indexes or time to
    /// live, or when it doesn't become active in time.
    pub async fn create(&self, client: &Client, table_name: &str) -> Result<bool, TableError> {
        let client = &retrying(client);
        let (created, active) = match describe(client, table_name).await? {
            Some(table) => {
                self.compare(&Existing::described(&table), table_name)?;
                (false, is_active(&table))
            }
            None => (self.request_creation(client, table_name).await?, false),
        };
        if !active {
            wait_until_active(client, table_name).await?;
        }
        self.enable_ttl(client, table_name).await?;
        Ok(created)
    }

    /// As [`create`](Self::create), in the embedded engine. The time that this takes doesn't depend on how many items the
    /// table has, because the engine's `DescribeTable`, which counts them, isn't called.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_in(&self, engine: &Engine, table_name: &str) -> Result<bool, TableError> {
        let client = &retrying(&engine.client());
        let definition = engine.definition(table_name).await;
        let definition = definition.map_err(|error| TableError::request("DescribeTable")(error.into()))?;
        let created = match definition {
            Some(table) => {
                self.compare(&Existing::defined(&table), table_name)?;
                false
            }
            None => self.request_creation(client, table_name).await?,
        };
        self.enable_ttl(client, table_name).await?;
        Ok(created)
    }

    /// Sends `CreateTable`. Returns `false` when the table exists meanwhile.
    async fn request_creation(&self, client: &Client, table_name: &str) -> Result<bool, TableError> {
        let failed = |error: BuildError| TableError::request("CreateTable")(error.into());
        let mut request = client
            .create_table()
            .table_name(table_name)
            .billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in &self.attributes {
            let definition = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(kind.clone());
            request = request.attribute_definitions(definition.build().map_err(failed)?);
        }
        for index in &self.indexes {
            let projection = Projection::builder()
                .projection_type(index.projection.clone())
                .set_non_key_attributes((!index.projected.is_empty()).then(|| index.projected.clone()))
                .build();
            let index = GlobalSecondaryIndex::builder()
                .index_name(&index.name)
                .set_key_schema(Some(index.key.schema().map_err(failed)?))
                .projection(projection)
                .build();
            request = request.global_secondary_indexes(index.map_err(failed)?);
        }
        match request
            .set_key_schema(Some(self.key.schema().map_err(failed)?))
            .send()
            .await
        {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(CreateTableError::is_resource_in_use_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(TableError::request("CreateTable")(error.into())),
        }
    }

    /// Checks that an existing table has the declared keys and every declared index. It may have more indexes.
    fn compare(&self, table: &Existing, table_name: &str) -> Result<(), TableError> {
        let different = |reason: String| {
            Err(TableError::Different {
                table: table_name.to_owned(),
                reason,
            })
        };
        if table.key.as_ref() != Some(&self.key) {
            return different("its key isn't the declared one".to_owned());
        }
        for declared in &self.indexes {
            match table.indexes.get(&declared.name) {
                None => return different(format!("its index {} is missing", declared.name)),
                Some(key) if key.as_ref() != Some(&declared.key) => {
                    return different(format!("its index {} has another key", declared.name));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Enables time to live unless it is enabled. DynamoDB refuses to enable it twice.
    async fn enable_ttl(&self, client: &Client, table_name: &str) -> Result<(), TableError> {
        let Some(attribute) = &self.ttl_attribute else {
            return Ok(());
        };
        let current = client
            .describe_time_to_live()
            .table_name(table_name)
            .send()
            .await
            .map_err(|error| TableError::request("DescribeTimeToLive")(error.into()))?
            .time_to_live_description;
        let is_enabled = |status: &TimeToLiveStatus| {
            matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
        };
        if let Some(current) = current.filter(|current| current.time_to_live_status().is_some_and(is_enabled))
        {
            return match current.attribute_name() {
                Some(name) if name == attribute => Ok(()),
                other => Err(TableError::Different {
                    table: table_name.to_owned(),
                    reason: format!(
                        "its items expire by {} instead of {attribute}",
                        other.unwrap_or("no attribute")
                    ),
                }),
            };
        }
        let specification = TimeToLiveSpecification::builder()
            .attribute_name(attribute)
            .enabled(true)
            .build()
            .map_err(|error| TableError::request("UpdateTimeToLive")(error.into()))?;
        match client
            .update_time_to_live()
            .table_name(table_name)
            .time_to_live_specification(specification)
            .send()
            .await
        {
            Ok(_) => Ok(()),
            // Another process enabled it after the check.
            Err(error) if is_already_enabled(&error) => Ok(()),
            Err(error) => Err(TableError::request("UpdateTimeToLive")(error.into())),
        }
    }
}

impl KeySpec {
    /// The key with these attributes. Returns `None` if it has no partition key.
    pub(crate) fn from_schema<'a>(parts: impl Iterator<Item = (&'a KeyType, &'a str)>) -> Option<Self> {
        let parts: Vec<_> = parts.collect();
        let find = |kind: &KeyType| {
            let (_, name) = parts.iter().find(|(part, _)| *part == kind)?;
            Some((*name).to_owned())
        };
        Some(Self {
            partition: find(&KeyType::Hash)?,
            sort: find(&KeyType::Range),
        })
    }

    /// The key as DynamoDB's API expresses it.
    fn schema(&self) -> Result<Vec<KeySchemaElement>, BuildError> {
        let kinds = [KeyType::Hash, KeyType::Range];
        self.attributes()
            .zip(kinds)
            .map(|(name, kind)| {
                KeySchemaElement::builder()
                    .attribute_name(name)
                    .key_type(kind)
                    .build()
            })
            .collect()
    }
}

/// Returns the table's description, or `None` when there is no such table.
async fn describe(client: &Client, table_name: &str) -> Result<Option<TableDescription>, TableError> {
    let long_timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ACTIVE_WITHIN)
        .operation_timeout(ACTIVE_WITHIN)
        .build();
    let request = client.describe_table().table_name(table_name).customize();
    // Another DynamoDB-compatible program may count every item for its answer.
    let request = request.config_override(Config::builder().timeout_config(long_timeouts));
    match request.send().await {
        Ok(output) => Ok(output.table),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(DescribeTableError::is_resource_not_found_exception) =>
        {
            Ok(None)
        }
        Err(error) => Err(TableError::request("DescribeTable")(error.into())),
    }
}

/// Waits until the table and all its indexes can be used.
async fn wait_until_active(client: &Client, table_name: &str) -> Result<(), TableError> {
    let deadline = Instant::now() + ACTIVE_WITHIN;
    let (mut pause, longest) = PAUSES;
    loop {
        // DynamoDB may not know a table yet that was created a moment ago.
        if describe(client, table_name)
            .await?
            .is_some_and(|table| is_active(&table))
        {
            return Ok(());
        }
        if Instant::now() + pause > deadline {
            return Err(TableError::NotActive {
                table: table_name.to_owned(),
            });
        }
        sleep(pause).await;
        pause = longest.min(pause * 2);
    }
}

/// Whether a table and all its indexes serve reads and writes, which they also do while they are updated.
fn is_active(table: &TableDescription) -> bool {
    matches!(
        table.table_status(),
        Some(TableStatus::Active | TableStatus::Updating)
    ) && table.global_secondary_indexes().iter().all(|index| {
        matches!(
            index.index_status(),
            Some(IndexStatus::Active | IndexStatus::Updating)
        )
    })
}

/// Whether the update was refused because time to live is enabled already.
fn is_already_enabled<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ValidationException")
        && error
            .message()
            .is_some_and(|text| text.contains("already enabled"))
}

#[cfg(test)]
mod tests {
    use fault_proxy::FaultProxy;
    use marquee_shared::aws::client::local;

    use super::*;
    use crate::{engine::Storage, template::Template};

    fn ours() -> TableSpec {
        Template::parse(include_str!("../../template.yaml"))
            .unwrap()
            .table
    }

    #[tokio::test]
    async fn a_table_may_take_longer_to_describe_than_a_request_may() {
        let engine = Engine::start(&Storage::Memory).unwrap();
        ours().create_in(&engine, "movies").await.unwrap();
        let proxy = FaultProxy::to(&engine.endpoint().unwrap()).await;
        proxy.gather_calls(Duration::from_millis(300));
        let short_timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_millis(50))
            .operation_timeout(Duration::from_millis(200))
            .build();
        let client = local(&proxy.url)
            .config()
            .to_builder()
            .timeout_config(short_timeouts)
            .build();
        let client = Client::from_conf(client);
        assert!(client.describe_table().table_name("movies").send().await.is_err());
        let table = describe(&client, "movies").await.unwrap().unwrap();
        ours().compare(&Existing::described(&table), "movies").unwrap();
    }

    #[tokio::test]
    async fn the_table_is_created_once_with_everything_declared() {
        let engine = Engine::start(&Storage::Memory).unwrap();
        let client = engine.client();
        assert!(ours().create(&client, "movies").await.unwrap());
        assert!(!ours().create(&client, "movies").await.unwrap());

        let table = describe(&client, "movies").await.unwrap().unwrap();
        ours().compare(&Existing::described(&table), "movies").unwrap();
        assert_eq!(table.attribute_definitions().len(), ours().attributes.len());
        let ttl = client
            .describe_time_to_live()
            .table_name("movies")
            .send()
            .await
            .unwrap();
        assert_eq!(
            ttl.time_to_live_description().unwrap().attribute_name(),
            Some("ttl")
        );
        engine.shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn the_embedded_engine_has_the_table_that_describe_table_describes() {
        let engine = Engine::start(&Storage::Memory).unwrap();
        assert!(ours().create_in(&engine, "movies").await.unwrap());
        assert!(!ours().create_in(&engine, "movies").await.unwrap());
        let described = describe(&engine.client(), "movies").await.unwrap().unwrap();
        let defined = engine.definition("movies").await.unwrap().unwrap();
        assert_eq!(Existing::defined(&defined), Existing::described(&described));
        ours().compare(&Existing::defined(&defined), "movies").unwrap();
    }

    #[tokio::test]
    async fn many_at_once_create_one_table() {
        let engine = Engine::start(&Storage::Memory).unwrap();
        let client = engine.client();
        let spec = ours();
        let made = futures_util::future::join_all((0..8).map(|_| spec.create(&client, "movies"))).await;
        assert_eq!(made.into_iter().filter(|made| *made.as_ref().unwrap()).count(), 1);
    }

    #[tokio::test]
    async fn a_table_of_another_shape_is_refused() {
        let engine = Engine::start(&Storage::Memory).unwrap();
        let client = engine.client();
        let mut older = ours();
        older.indexes.retain(|index| index.name != "by-likes");
        older
            .attributes
            .retain(|(name, _)| name != "liked" && name != "likes");
        older.create(&client, "older").await.unwrap();
        for refused in [
            ours().create(&client, "older").await,
            ours().create_in(&engine, "older").await,
        ] {
            assert_eq!(
                refused.unwrap_err().to_string(),
                "the table older exists, but its index by-likes is missing"
            );
        }

        let mut expiring = ours();
        expiring.ttl_attribute = Some("expires".to_owned());
        expiring.create(&client, "expiring").await.unwrap();
        let error = ours().create(&client, "expiring").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the table expiring exists, but its items expire by expires instead of ttl"
        );
    }

    #[tokio::test]
    async fn a_failed_request_names_its_operation() {
        let engine = Engine::start(&Storage::Memory).unwrap();
        let client = engine.client();
        let error = ours().create(&client, "a").await.unwrap_err();
        assert!(error.to_string().starts_with("DescribeTable failed: "), "{error}");
    }
}
