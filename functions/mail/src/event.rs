//! The event that the table's stream sends, and the answer to it, as far as they are used (AWS: "Using AWS Lambda with Amazon
//! DynamoDB").
//!
//! The crate `aws_lambda_events` has all of the event, and needs another library for its times, which aren't read here.

use marquee_shared::db::Key;
use serde::{Deserialize, Serialize};

/// The records of an invocation, in the order of the stream.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamEvent {
    /// The records. The event source mapping selects those of new items of the outbox.
    pub records: Vec<Record>,
}

/// A new item.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Record {
    dynamodb: Change,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    keys: Keys,
    sequence_number: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Keys {
    pk: Text,
    sk: Text,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

impl StreamEvent {
    /// Returns the event that the stream would send for these new items.
    pub fn of(keys: impl IntoIterator<Item = Key>) -> Self {
        let records = keys.into_iter().enumerate().map(|(n, Key { pk, sk })| Record {
            dynamodb: Change {
                keys: Keys {
                    pk: Text { text: pk },
                    sk: Text { text: sk },
                },
                sequence_number: (n + 1).to_string(),
            },
        });
        Self {
            records: records.collect(),
        }
    }
}

impl Record {
    /// Returns the key of the item.
    pub(crate) fn key(&self) -> Key {
        let Keys { pk, sk } = &self.dynamodb.keys;
        Key::new(&*pk.text, &*sk.text)
    }
}

/// The answer to an event: the record from which on the stream must repeat its records, if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    batch_item_failures: Vec<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Failures {
    /// Whether every record was handled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch_item_failures.is_empty()
    }
}

impl From<&Record> for Failures {
    fn from(record: &Record) -> Self {
        Self {
            batch_item_failures: vec![Failure {
                item_identifier: record.dynamodb.sequence_number.clone(),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An event as in AWS's documentation, with the other members that it has.
    #[test]
    fn an_event_of_the_stream_is_read_and_a_failure_names_its_record() {
        let event: StreamEvent = serde_json::from_value(json!({"Records": [{
            "eventID": "1", "eventVersion": "1.1", "eventName": "INSERT", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_383_241.0,
                "Keys": {"pk": {"S": "OUTBOX#2"}, "sk": {"S": "0001795383241250#00ff"}},
                "SequenceNumber": "4421584500000000017450439091",
                "SizeBytes": 26,
                "StreamViewType": "KEYS_ONLY"
            },
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/marquee/stream/2026-11-27T00:00:00.000",
        }]}))
        .unwrap();
        assert_eq!(
            event.records[0].key(),
            Key::new("OUTBOX#2", "0001795383241250#00ff")
        );
        assert_eq!(
            serde_json::to_value(Failures::from(&event.records[0])).unwrap(),
            json!({"batchItemFailures": [{"itemIdentifier": "4421584500000000017450439091"}]})
        );
        assert_eq!(
            serde_json::to_value(Failures::default()).unwrap(),
            json!({"batchItemFailures": []})
        );
    }

    #[test]
    fn an_event_made_here_is_read_as_one_of_the_stream() {
        let keys = [
            Key::new("OUTBOX#0", "0000000000000001#a"),
            Key::new("OUTBOX#0", "0000000000000002#b"),
        ];
        let made = serde_json::to_value(StreamEvent::of(keys.clone())).unwrap();
        let read: StreamEvent = serde_json::from_value(made).unwrap();
        assert_eq!(read.records.iter().map(Record::key).collect::<Vec<_>>(), keys);
        assert_ne!(Failures::from(&read.records[0]), Failures::from(&read.records[1]));
    }
}
