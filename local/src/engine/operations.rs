//! DynamoDB's operations by name. The engine defines the JSON of their requests and responses.

use dynoxide::{Database, DynoxideError};
use serde::{Serialize, de::DeserializeOwned};

/// Maps the name of each operation to a method of the database, and reads and writes the method's JSON.
macro_rules! operations {
    ($($name:literal => $method:ident,)*) => {
        /// Every operation of the engine.
        const KNOWN: &[&str] = &[$($name),*];

        fn dispatch(database: &Database, operation: &str, body: &str) -> Result<String, DynoxideError> {
            match operation {
                $($name => write(&database.$method(read(body)?)?),)*
                _ => Err(DynoxideError::SerializationException(String::new())),
            }
        }
    };
}

operations! {
    "BatchExecuteStatement" => batch_execute_statement,
    "BatchGetItem" => batch_get_item,
    "BatchWriteItem" => batch_write_item,
    "CreateTable" => create_table,
    "DeleteItem" => delete_item,
    "DeleteTable" => delete_table,
    "DescribeStream" => describe_stream,
    "DescribeTable" => describe_table,
    "DescribeTimeToLive" => describe_time_to_live,
    "ExecuteStatement" => execute_statement,
    "ExecuteTransaction" => execute_transaction,
    "GetItem" => get_item,
    "GetRecords" => get_records,
    "GetShardIterator" => get_shard_iterator,
    "ListStreams" => list_streams,
    "ListTables" => list_tables,
    "ListTagsOfResource" => list_tags_of_resource,
    "PutItem" => put_item,
    "Query" => query,
    "Scan" => scan,
    "SearchVectors" => search_vectors,
    "TagResource" => tag_resource,
    "TransactGetItems" => transact_get_items,
    "TransactWriteItems" => transact_write_items,
    "UntagResource" => untag_resource,
    "UpdateItem" => update_item,
    "UpdateTable" => update_table,
    "UpdateTimeToLive" => update_time_to_live,
}

/// Returns the operation that the header `X-Amz-Target` names, if the engine has it.
pub(super) fn named(target: &str) -> Option<&'static str> {
    let name = target
        .strip_prefix("DynamoDB_20120810.")
        .or_else(|| target.strip_prefix("DynamoDBStreams_20120810."))?;
    KNOWN.iter().find(|known| **known == name).copied()
}

/// Runs an operation with the body of a request and returns the body of the response. Blocks; the engine runs one operation
/// at a time.
///
/// # Errors
/// DynamoDB's error, also for a body that isn't valid for the operation.
pub(super) fn run(database: &Database, operation: &str, body: &str) -> Result<String, DynoxideError> {
    dispatch(database, operation, body).map_err(|error| match error {
        // PartiQL returns the item of a failed condition in another form.
        DynoxideError::ConditionalCheckFailedException(message, Some(item))
            if operation == "ExecuteStatement" =>
        {
            DynoxideError::StatementConditionalCheckFailed(message, item)
        }
        DynoxideError::EnvelopedValidation(message)
            if ["DeleteItem", "PutItem", "UpdateItem"].contains(&operation) =>
        {
            DynoxideError::ValidationException(format!("1 validation error detected: {message}"))
        }
        error => error,
    })
}

/// Prefixes that the engine's deserializers put before a reason to say which of DynamoDB's errors it is.
const REQUEST_VALIDATION: [&str; 1] = ["VALIDATION_REQUEST:"];
const VALIDATION: [&str; 2] = ["VALIDATION_AS_READ:", "VALIDATION:"];
const SERIALIZATION: [&str; 2] = ["SERIALIZATION_AS_READ:", "SERIALIZATION:"];

/// Parts of serde's reasons that are validation errors in DynamoDB: a value is missing, null or not among the allowed ones.
const MISSING: [&str; 4] = [
    "missing field",
    "unknown variant",
    "invalid type: null",
    "Supplied AttributeValue",
];

fn read<T: DeserializeOwned>(body: &str) -> Result<T, DynoxideError> {
    // serde would also accept a list in place of an object.
    if !body.trim_start().starts_with('{') {
        return Err(DynoxideError::SerializationException(String::new()));
    }
    serde_json::from_str(body).map_err(|error| refusal(&error.to_string()))
}

/// Returns DynamoDB's error for a body that can't be read for this reason. The type of the error is DynamoDB's, and its
/// message is the engine's.
fn refusal(reason: &str) -> DynoxideError {
    // Without the position in the body, which DynamoDB doesn't return.
    let reason = reason
        .rsplit_once(" at line ")
        .map_or(reason, |(before, _)| before);
    let after = |marks: &[&str]| marks.iter().find_map(|mark| reason.strip_prefix(mark));
    if let Some(reason) = after(&REQUEST_VALIDATION) {
        DynoxideError::EnvelopedValidation(reason.to_owned())
    } else if let Some(reason) = after(&VALIDATION) {
        DynoxideError::ValidationException(reason.to_owned())
    } else if let Some(reason) = after(&SERIALIZATION) {
        DynoxideError::SerializationException(reason.to_owned())
    } else if reason.contains("empty AttributeValue") {
        DynoxideError::ValidationException(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
                .to_owned(),
        )
    } else if MISSING.iter().any(|text| reason.contains(text)) {
        DynoxideError::ValidationException(reason.to_owned())
    } else {
        DynoxideError::SerializationException(reason.to_owned())
    }
}

fn write(answer: &impl Serialize) -> Result<String, DynoxideError> {
    serde_json::to_string(answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
