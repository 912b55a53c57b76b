//! The table as the template declares it, and its creation on any DynamoDB endpoint.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::Config;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{BuildError, DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification,
    TimeToLiveStatus,
};
use marquee_shared::db::client::retrying;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::TemplateError;

/// How long a new table may take to become active. On AWS it takes some ten seconds, elsewhere none.
const ACTIVE_WITHIN: Duration = Duration::from_secs(120);

/// The first and the longest pause between two looks at a table that isn't active yet.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// A table as the template declares it: everything `CreateTable` needs, and its time-to-live attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// The declared name; where it is a parameter, the parameter's default.
    pub name: String,
    /// The attributes that are keys somewhere, with their types.
    pub attributes: Vec<(String, ScalarAttributeType)>,
    /// The table's primary key.
    pub key: KeySpec,
    /// The global secondary indexes.
    pub indexes: Vec<IndexSpec>,
    /// The attribute that holds an item's expiry, if items expire.
    pub ttl_attribute: Option<String>,
}

/// The key of a table or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// The partition key's attribute.
    pub partition: String,
    /// The sort key's attribute.
    pub sort: Option<String>,
}

/// A global secondary index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexSpec {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: KeySpec,
    /// What it copies from the table.
    pub projection: ProjectionType,
    /// The attributes it copies besides keys; empty unless the projection is `INCLUDE`.
    pub projected: Vec<String>,
}

/// Why the table couldn't be made ready.
#[derive(Debug)]
pub enum TableError {
    /// A request to DynamoDB failed.
    Request {
        /// The operation.
        operation: &'static str,
        /// What the SDK reported.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A table of that name is there, but with other keys, indexes or time to live than declared.
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
                write!(f, "{operation} failed: {}", DisplayErrorContext(&**source))
            }
            Self::Different { table, reason } => write!(f, "the table {table} exists, but {reason}"),
            Self::NotActive { table } => {
                write!(
                    f,
                    "the table {table} didn't become active within {} seconds",
                    ACTIVE_WITHIN.as_secs()
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
    /// The error of a failed operation.
    fn request(operation: &'static str) -> impl FnOnce(Box<dyn Error + Send + Sync>) -> Self {
        move |source| Self::Request { operation, source }
    }
}

/// The declaration, as CloudFormation spells it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TableProperties {
    table_name: String,
    billing_mode: Option<String>,
    attribute_definitions: Vec<AttributeProperties>,
    key_schema: Vec<KeyProperties>,
    #[serde(default)]
    global_secondary_indexes: Vec<IndexProperties>,
    local_secondary_indexes: Option<serde::de::IgnoredAny>,
    time_to_live_specification: Option<TtlProperties>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeProperties {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyProperties {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexProperties {
    index_name: String,
    key_schema: Vec<KeyProperties>,
    projection: ProjectionProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProjectionProperties {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TtlProperties {
    attribute_name: Option<String>,
    enabled: bool,
}

impl TableSpec {
    /// Checks a declaration as far as the local server depends on it.
    pub(super) fn from_properties(
        resource: &str,
        properties: TableProperties,
    ) -> Result<Self, TemplateError> {
        let refuse = |reason: String| TemplateError::in_resource(resource, reason);
        let name = properties.table_name;
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        {
            return Err(refuse(format!(
                "its TableName {name:?} must be a plain name, or a parameter with a default"
            )));
        }
        if properties.billing_mode.as_deref() != Some(BillingMode::PayPerRequest.as_str()) {
            return Err(refuse("its BillingMode must be PAY_PER_REQUEST".to_owned()));
        }
        if properties.local_secondary_indexes.is_some() {
            return Err(refuse("local secondary indexes aren't supported".to_owned()));
        }
        let attributes = properties
            .attribute_definitions
            .into_iter()
            .map(|attribute| {
                let kind = ScalarAttributeType::try_parse(&attribute.attribute_type).map_err(|_| {
                    refuse(format!(
                        "{} isn't a type of key attributes",
                        attribute.attribute_type
                    ))
                })?;
                Ok((attribute.attribute_name, kind))
            })
            .collect::<Result<Vec<_>, TemplateError>>()?;
        let indexes = properties
            .global_secondary_indexes
            .into_iter()
            .map(|index| {
                let kind = index.projection.projection_type;
                Ok(IndexSpec {
                    key: KeySpec::from_properties(index.key_schema).map_err(refuse)?,
                    projection: ProjectionType::try_parse(&kind)
                        .map_err(|_| refuse(format!("{kind} isn't a projection type")))?,
                    projected: index.projection.non_key_attributes,
                    name: index.index_name,
                })
            })
            .collect::<Result<Vec<_>, TemplateError>>()?;
        let key = KeySpec::from_properties(properties.key_schema).map_err(refuse)?;
        let keys = || {
            std::iter::once(&key)
                .chain(indexes.iter().map(|index| &index.key))
                .flat_map(KeySpec::attributes)
        };
        if let Some(undefined) = keys().find(|name| !attributes.iter().any(|(defined, _)| defined == *name)) {
            return Err(refuse(format!("the key attribute {undefined} has no definition")));
        }
        let ttl_attribute = match properties.time_to_live_specification {
            Some(TtlProperties {
                enabled: true,
                attribute_name,
            }) => {
                Some(attribute_name.ok_or_else(|| refuse("its time to live names no attribute".to_owned()))?)
            }
            _ => None,
        };
        Ok(Self {
            name,
            attributes,
            key,
            indexes,
            ttl_attribute,
        })
    }

    /// Makes the table ready under a name: creates it unless it exists, waits (two minutes at most) until it and its
    /// indexes are active, and turns its time to live on. Returns whether it created the table.
    ///
    /// Safe to call at every start, and from two processes at once.
    ///
    /// # Errors
    ///
    /// [`TableError`] when DynamoDB refuses or doesn't answer, when a table of that name has another shape, or when it
    /// doesn't become active in time.
    pub async fn create(&self, client: &Client, table_name: &str) -> Result<bool, TableError> {
        let client = &retrying(client);
        let created = match describe(client, table_name).await? {
            Some(table) => {
                self.compare(&table, table_name)?;
                false
            }
            None => self.request_creation(client, table_name).await?,
        };
        wait_until_active(client, table_name).await?;
        self.enable_ttl(client, table_name).await?;
        Ok(created)
    }

    /// Sends `CreateTable`. False when somebody else was quicker.
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

    /// An error unless an existing table has the declared keys and every declared index. It may have more indexes.
    fn compare(&self, table: &TableDescription, table_name: &str) -> Result<(), TableError> {
        let different = |reason: String| {
            Err(TableError::Different {
                table: table_name.to_owned(),
                reason,
            })
        };
        if KeySpec::from_schema(table.key_schema()) != Some(self.key.clone()) {
            return different("its key isn't the declared one".to_owned());
        }
        for declared in &self.indexes {
            let actual = table
                .global_secondary_indexes()
                .iter()
                .find(|index| index.index_name() == Some(declared.name.as_str()));
            match actual.map(|index| KeySpec::from_schema(index.key_schema())) {
                None => return different(format!("its index {} is missing", declared.name)),
                Some(key) if key != Some(declared.key.clone()) => {
                    return different(format!("its index {} has another key", declared.name));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Turns time to live on, unless it is on: DynamoDB refuses to do it twice.
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
        let on = |status: &TimeToLiveStatus| {
            matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
        };
        if let Some(current) = current.filter(|current| current.time_to_live_status().is_some_and(on)) {
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
            // Another process turned it on since we looked.
            Err(error) if is_already_enabled(&error) => Ok(()),
            Err(error) => Err(TableError::request("UpdateTimeToLive")(error.into())),
        }
    }
}

impl KeySpec {
    fn from_properties(elements: Vec<KeyProperties>) -> Result<Self, String> {
        let (mut partition, mut sort) = (None, None);
        for element in elements {
            let place = match element.key_type.as_str() {
                "HASH" => &mut partition,
                "RANGE" => &mut sort,
                other => return Err(format!("{other} isn't a key type")),
            };
            if place.replace(element.attribute_name).is_some() {
                return Err(format!("a key has two attributes of type {}", element.key_type));
            }
        }
        Ok(Self {
            partition: partition.ok_or("a key needs an attribute of type HASH")?,
            sort,
        })
    }

    /// The key of an existing table or index; `None` if it has no partition key.
    fn from_schema(elements: &[KeySchemaElement]) -> Option<Self> {
        let find = |kind: &KeyType| {
            let element = elements.iter().find(|element| element.key_type() == kind)?;
            Some(element.attribute_name().to_owned())
        };
        Some(Self {
            partition: find(&KeyType::Hash)?,
            sort: find(&KeyType::Range),
        })
    }

    fn attributes(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.partition).chain(&self.sort)
    }

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

/// The table's description, or `None` when there is no such table.
async fn describe(client: &Client, table_name: &str) -> Result<Option<TableDescription>, TableError> {
    let patient = TimeoutConfig::builder()
        .operation_attempt_timeout(ACTIVE_WITHIN)
        .operation_timeout(ACTIVE_WITHIN)
        .build();
    let request = client.describe_table().table_name(table_name).customize();
    // The embedded engine counts every item for its answer: some ten seconds for a million movies.
    let request = request.config_override(Config::builder().timeout_config(patient));
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
        // A table that was created a moment ago may not be seen yet.
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

/// Whether a table serves reads and writes, and so do its indexes; a table that is being updated does.
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

/// Whether the update was refused since time to live is on already.
fn is_already_enabled<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ValidationException")
        && error
            .message()
            .is_some_and(|text| text.contains("already enabled"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use fault_proxy::FaultProxy;
    use marquee_shared::db::client::local;

    use super::*;
    use crate::engine::{Engine, Storage};
    use crate::template::Template;

    fn ours() -> TableSpec {
        Template::parse(include_str!("../../../template.yaml"))
            .unwrap()
            .table
    }

    #[tokio::test]
    async fn a_table_may_take_longer_to_describe_than_a_request_may() {
        let engine = Engine::start(Storage::Memory).unwrap();
        ours().create(&local(&engine.endpoint()), "movies").await.unwrap();
        let proxy = FaultProxy::to(&engine.endpoint()).await;
        proxy.gather_calls(Duration::from_millis(300));
        let hasty = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_millis(50))
            .operation_timeout(Duration::from_millis(200))
            .build();
        let client = local(&proxy.url)
            .config()
            .to_builder()
            .timeout_config(hasty)
            .build();
        let client = Client::from_conf(client);
        assert!(client.describe_table().table_name("movies").send().await.is_err());
        let table = describe(&client, "movies").await.unwrap().unwrap();
        ours().compare(&table, "movies").unwrap();
    }

    #[tokio::test]
    async fn the_table_is_made_once_with_everything_declared() {
        let engine = Engine::start(Storage::Memory).unwrap();
        let client = local(&engine.endpoint());
        assert!(ours().create(&client, "movies").await.unwrap());
        assert!(!ours().create(&client, "movies").await.unwrap());

        let table = describe(&client, "movies").await.unwrap().unwrap();
        ours().compare(&table, "movies").unwrap();
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
    async fn many_at_once_make_one_table() {
        let engine = Engine::start(Storage::Memory).unwrap();
        let client = local(&engine.endpoint());
        let spec = ours();
        let made = futures_util::future::join_all((0..8).map(|_| spec.create(&client, "movies"))).await;
        assert_eq!(made.into_iter().filter(|made| *made.as_ref().unwrap()).count(), 1);
    }

    #[tokio::test]
    async fn a_table_of_another_shape_is_refused() {
        let engine = Engine::start(Storage::Memory).unwrap();
        let client = local(&engine.endpoint());
        let mut older = ours();
        older.indexes.retain(|index| index.name != "by-likes");
        older
            .attributes
            .retain(|(name, _)| name != "liked" && name != "likes");
        older.create(&client, "older").await.unwrap();
        let error = ours().create(&client, "older").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the table older exists, but its index by-likes is missing"
        );

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
        let engine = Engine::start(Storage::Memory).unwrap();
        let client = local(&engine.endpoint());
        let error = ours().create(&client, "a").await.unwrap_err();
        assert!(error.to_string().starts_with("DescribeTable failed: "), "{error}");
    }

    #[test]
    fn a_declaration_that_cannot_be_created_here_is_refused() {
        let whole = "{ TableName: movies, BillingMode: PAY_PER_REQUEST,
            AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }],
            KeySchema: [{ AttributeName: pk, KeyType: HASH }] }";
        let refusal = |from: &str, to: &str| {
            assert!(whole.contains(from));
            let properties = serde_norway::from_str(&whole.replace(from, to)).unwrap();
            TableSpec::from_properties("Movies", properties)
                .unwrap_err()
                .to_string()
        };
        assert!(TableSpec::from_properties("Movies", serde_norway::from_str(whole).unwrap()).is_ok());
        for (from, to, reason) in [
            ("movies", "\"${Stage}-movies\"", "TableName"),
            ("PAY_PER_REQUEST", "PROVISIONED", "BillingMode"),
            ("AttributeType: S", "AttributeType: BOOL", "BOOL isn't a type"),
            ("KeyType: HASH", "KeyType: HUSH", "HUSH isn't a key type"),
            (
                "KeyType: HASH",
                "KeyType: RANGE",
                "needs an attribute of type HASH",
            ),
            (
                "AttributeName: pk, AttributeType",
                "AttributeName: id, AttributeType",
                "pk has no definition",
            ),
            (
                "TableName: movies",
                "TableName: movies, LocalSecondaryIndexes: []",
                "local secondary indexes",
            ),
            (
                "TableName: movies",
                "TableName: movies, TimeToLiveSpecification: { Enabled: true }",
                "names no attribute",
            ),
        ] {
            let refusal = refusal(from, to);
            assert!(
                refusal.starts_with("the template's resource Movies: ") && refusal.contains(reason),
                "{refusal}"
            );
        }
    }
}
