//! What roles allow beside calls to the table: reading its stream, sending mails, and writing traces.

use std::collections::BTreeMap;

use serde_norway::Value;

/// The actions on the table's stream.
pub(super) const STREAM_ACTIONS: [&str; 4] = [
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
];

/// The actions that write traces, and the resource that they are allowed for. They have no other (AWS: Actions, resources, and
/// condition keys for AWS X-Ray).
const TRACE_ACTIONS: [&str; 2] = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"];
pub(super) const EVERYWHERE: &str = "*";

/// Whether a statement allows to write traces and nothing else.
pub(super) fn are_traces(actions: &[&str], resource: Option<&str>) -> bool {
    let all = || actions.iter().all(|action| TRACE_ACTIONS.contains(action));
    resource == Some(EVERYWHERE) && !actions.is_empty() && all()
}

/// The beginning of the ARN of an identity that mails are sent from, as `!Sub` expresses it.
const IDENTITY_ARN: &str = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:";

/// The service that sends mails, and the condition that its actions must have: an operator and a key, with one sender.
const SES: &str = "ses";
const EQUALS: &str = "StringEquals";
const SENDER: &str = "ses:FromAddress";

/// Returns the identity of the mail service that an ARN names by one parameter, as `identity/${MailFrom}`.
pub(super) fn identity(arn: &str) -> Option<&str> {
    let identity = arn.strip_prefix(IDENTITY_ARN)?;
    let parameter = identity.strip_prefix("identity/${")?.strip_suffix('}')?;
    let is_name = !parameter.is_empty() && parameter.bytes().all(|b| b.is_ascii_alphanumeric());
    is_name.then_some(identity)
}

/// Returns the only sender that a condition allows. Actions of the mail service must have this condition, and others none.
pub(super) fn sender<'a>(
    actions: &[&str],
    condition: Option<&'a BTreeMap<String, BTreeMap<String, Value>>>,
) -> Result<Option<&'a str>, String> {
    let named = actions.join(", ");
    let of_mail = actions
        .iter()
        .filter(|action| action.split(':').next() == Some(SES))
        .count();
    match (of_mail, condition) {
        (0, None) => Ok(None),
        (0, Some(_)) => Err(format!("the condition on {named} isn't supported")),
        (of_mail, Some(condition)) if of_mail == actions.len() && condition.len() == 1 => {
            let tests = condition.get(EQUALS).filter(|tests| tests.len() == 1);
            let sender = tests.and_then(|tests| tests.get(SENDER)?.as_str());
            let sender = sender.filter(|sender| sender.contains('@'));
            sender
                .map(Some)
                .ok_or_else(|| format!("{named} needs one {SENDER} by {EQUALS}"))
        }
        _ => Err(format!(
            "{named} needs one {SENDER} by {EQUALS}, and no other action"
        )),
    }
}
