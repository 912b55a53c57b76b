//! DynamoDB's operations by name. The engine defines the JSON of their requests and responses.

use std::{future::Future, sync::Arc};

use dynoxide::{Database, DynoxideError, actions};
use futures_util::FutureExt as _;
use serde::{Serialize, de::DeserializeOwned};

use super::{handles::Open, plain, tokens::Token};

/// The operation that has a token (`tokens`).
const TRANSACTION: &str = "TransactWriteItems";

/// Maps the name of each other operation to a method of the database, and reads and writes the method's JSON.
macro_rules! operations {
    ($(
        $kind:ident { $($name:literal => $method:ident,)* }
    )*) => {
        /// Every operation of the engine.
        const KNOWN: &[&str] = &[TRANSACTION, $($($name),*),*];

        async fn dispatch(handles: &Open, operation: &str, body: &str) -> Result<String, DynoxideError> {
            if let Some(read) = plain::named(operation)
                && let Some(answer) = handles.read_plainly(read, body).await?
            {
                return Ok(answer);
            }
            match operation {
                TRANSACTION => transact(handles, body).await,
                $($($name => {
                    let request = read(body)?;
                    write(&operations!($kind, handles, request, $method)?)
                })*)*
                _ => Err(DynoxideError::SerializationException(String::new())),
            }
        }
    };
    (read, $handles:ident, $request:ident, $method:ident) => {
        $handles.read($request, |storage, request| done(actions::$method::execute(storage, request)), Database::$method).await
    };
    ($kind:ident, $handles:ident, $request:ident, $method:ident) => {
        $handles.$kind(move |database| database.$method($request)).await
    };
}

operations! {
    // Those of the functions' requests, and only those that are short.
    read {
        "BatchGetItem" => batch_get_item,
        "GetItem" => get_item,
        "Query" => query,
    }
    write {
        "BatchWriteItem" => batch_write_item,
        "DeleteItem" => delete_item,
        "PutItem" => put_item,
        "UpdateItem" => update_item,
    }
    define {
        "CreateTable" => create_table,
        "DeleteTable" => delete_table,
        "TagResource" => tag_resource,
        "UntagResource" => untag_resource,
        "UpdateTable" => update_table,
        "UpdateTimeToLive" => update_time_to_live,
    }
    general {
        "BatchExecuteStatement" => batch_execute_statement,
        "DescribeStream" => describe_stream,
        "DescribeTable" => describe_table,
        "DescribeTimeToLive" => describe_time_to_live,
        "ExecuteStatement" => execute_statement,
        "ExecuteTransaction" => execute_transaction,
        "GetRecords" => get_records,
        "GetShardIterator" => get_shard_iterator,
        "ListStreams" => list_streams,
        "ListTables" => list_tables,
        "ListTagsOfResource" => list_tags_of_resource,
        "Scan" => scan,
        "SearchVectors" => search_vectors,
        "TransactGetItems" => transact_get_items,
    }
}

/// Runs a transaction, unless it has a token that an earlier one had.
async fn transact(handles: &Open, body: &str) -> Result<String, DynoxideError> {
    let mut request: actions::transact_write_items::TransactWriteItemsRequest = read(body)?;
    let token = Token::of(body);
    if token.is_some() {
        request.client_request_token = None;
    }
    let answers = Arc::clone(&handles.answers);
    handles
        .write(move |database| {
            let run = || write(&database.transact_write_items(request)?);
            match token {
                Some(token) => answers.once(&token, run),
                None => run(),
            }
        })
        .await
}

/// The result of a future of the engine, which never waits: SQLite's calls block.
pub(super) fn done<T>(future: impl Future<Output = Result<T, DynoxideError>>) -> Result<T, DynoxideError> {
    future
        .now_or_never()
        .unwrap_or_else(|| Err(DynoxideError::InternalServerError("the engine waits".to_owned())))
}

/// Returns the operation that the header `X-Amz-Target` names, if the engine has it.
pub(super) fn named(target: &str) -> Option<&'static str> {
    let name = target
        .strip_prefix("DynamoDB_20120810.")
        .or_else(|| target.strip_prefix("DynamoDBStreams_20120810."))?;
    KNOWN.iter().find(|known| **known == name).copied()
}

/// Runs an operation with the body of a request and returns the body of the response.
///
/// # Errors
/// DynamoDB's error, also for a body that isn't valid for the operation.
pub(super) async fn run(handles: &Open, operation: &str, body: &str) -> Result<String, DynoxideError> {
    dispatch(handles, operation, body)
        .await
        .map_err(|error| match error {
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
