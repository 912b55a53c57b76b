//! Failures of a call to DynamoDB: which are temporary, and after which the call may have succeeded.

use aws_smithy_runtime_api::client::result::DispatchFailure;

use crate::error::LogText;

/// The text for the log that replaces the error code, if AWS responded without one.
pub(crate) const NO_CODE: &str = "none";

/// A failure that may be temporary.
pub(crate) struct Failure {
    /// What failed, for the log.
    pub(crate) reason: LogText,
    /// Whether the call may have succeeded nevertheless.
    pub(crate) may_have_succeeded: bool,
}

impl Failure {
    /// A failure that says nothing about whether the call succeeded.
    pub(crate) fn unknown(reason: impl Into<LogText>) -> Self {
        Self {
            reason: reason.into(),
            may_have_succeeded: true,
        }
    }

    /// The failure of a response with this error code and status. `None` if a retry doesn't help.
    pub(crate) fn from_code(code: Option<&str>, status: u16) -> Option<Self> {
        let code = code.unwrap_or(NO_CODE);
        let reason = LogText::aws_error(code);
        if is_throttle(code) {
            return Some(Self {
                reason,
                may_have_succeeded: false,
            });
        }
        // After an internal error the write may or may not have succeeded (AWS: "Error handling with DynamoDB").
        let is_unknown = status >= 500
            || status == 408
            || matches!(
                code,
                "TransactionInProgressException"
                    | "InternalServerError"
                    | "InternalServerErrorException"
                    | "ServiceUnavailable"
                    | "ServiceUnavailableException"
                    | "RequestTimeout"
                    | "RequestTimeoutException"
            );
        is_unknown.then(|| Self::unknown(reason))
    }
}

/// Whether this error code, or cancellation reason of a transaction, means that nothing was written and that a retry may
/// succeed.
pub(crate) fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "ThrottlingError"
            | "ThrottlingException"
            | "ProvisionedThroughputExceeded"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ReplicatedWriteConflictException"
    )
}

/// Whether a connection may succeed on another attempt. Without credentials it can't.
pub(crate) fn is_temporary(failure: &DispatchFailure) -> bool {
    failure.is_io() || failure.is_timeout() || failure.as_other().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttles_and_internal_errors_are_retried_and_rejections_are_not() {
        let may_have_succeeded =
            |code, status| Failure::from_code(Some(code), status).map(|f| f.may_have_succeeded);
        assert_eq!(may_have_succeeded("ThrottlingException", 400), Some(false));
        assert_eq!(
            may_have_succeeded("ProvisionedThroughputExceededException", 400),
            Some(false)
        );
        assert_eq!(may_have_succeeded("InternalServerError", 500), Some(true));
        assert_eq!(may_have_succeeded("SomethingNew", 502), Some(true));
        assert_eq!(
            may_have_succeeded("TransactionInProgressException", 400),
            Some(true)
        );
        for rejection in [
            "ValidationException",
            "ConditionalCheckFailedException",
            "TransactionCanceledException",
            "TransactionConflictException",
            "AccessDeniedException",
        ] {
            assert_eq!(may_have_succeeded(rejection, 400), None, "{rejection}");
        }
    }
}
