//! A call of the engine from the head of its request to its answer, for the endpoint and for calls within the process.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{
    answer::{Failure, answer},
    fault::{Fault, FaultLog},
    handles::Handles,
    operations,
};

/// The largest body in bytes that DynamoDB accepts, which is that of a batch of writes (AWS: "BatchWriteItem").
pub(super) const MAX_BODY: usize = 16 * 1024 * 1024;

/// Answers the calls of one table.
pub(super) struct Calls {
    pub(super) handles: Handles,
    faults: FaultLog,
}

impl Calls {
    pub(super) fn new(handles: Handles, faults: FaultLog) -> Self {
        Self { handles, faults }
    }

    /// The fault of the storage that a call has met last.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.faults.last()
    }

    /// Runs an operation with the body of its request.
    pub(super) async fn run(&self, operation: &'static str, body: &[u8]) -> Result<Response<Bytes>, Failure> {
        let body = std::str::from_utf8(body)
            .map_err(|_| Failure::unreadable(StatusCode::BAD_REQUEST, "The body isn't UTF-8."))?;
        let result = match self.handles.open() {
            Ok(handles) => operations::run(&handles, operation, body).await,
            Err(error) => Err(error),
        };
        Ok(match result {
            Ok(json) => answer(StatusCode::OK, json),
            Err(error) => {
                let status =
                    StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                if status.is_server_error() {
                    self.faults.log(operation, &error.to_string());
                }
                answer(status, error.to_json())
            }
        })
    }
}

/// Returns the operation that the header `X-Amz-Target` names.
pub(super) fn operation_of(target: Option<&str>) -> Result<&'static str, Failure> {
    let operation = target.and_then(operations::named);
    operation.ok_or_else(|| Failure::unknown(StatusCode::BAD_REQUEST, "X-Amz-Target names no operation."))
}

/// The failure of a call whose body is larger than [`MAX_BODY`].
pub(super) fn too_large() -> Failure {
    Failure::unreadable(StatusCode::PAYLOAD_TOO_LARGE, "The body must be at most 16 MiB.")
}
