//! What the proxy saw of calls.

use std::time::Instant;

use serde_json::Value;

/// A call to the table.
#[derive(Clone, Debug)]
pub struct Record {
    /// The DynamoDB operation, such as `GetItem`.
    pub operation: String,
    /// When the proxy had received the call.
    pub start: Instant,
    /// When the proxy sent the answer.
    pub end: Instant,
    /// The read units that the table reported. 0 for a call that it refused or didn't receive.
    pub reads: f64,
    /// The write units, likewise.
    pub writes: f64,
    /// The bodies, where the proxy [records](crate::FaultProxy::record_bodies) them and the call was forwarded.
    pub exchange: Option<Exchange>,
}

/// The bodies of a call and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The body of the call.
    pub call: Value,
    /// The body of the answer.
    pub answer: Value,
}

/// The cost of a series of calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The calls in the longest chain in which each began after the one before it had ended.
    pub trips: usize,
    /// Read units.
    pub reads: f64,
    /// Write units.
    pub writes: f64,
    /// The operations of the calls, in the order in which they began.
    pub calls: Vec<String>,
}

impl Cost {
    /// The cost of these calls.
    #[must_use]
    pub fn of(mut records: Vec<Record>) -> Self {
        records.sort_by_key(|record| record.start);
        let mut chains: Vec<usize> = Vec::with_capacity(records.len());
        for (at, record) in records.iter().enumerate() {
            let before = records[..at].iter().zip(&chains);
            let ended = before.filter(|(earlier, _)| earlier.end <= record.start);
            chains.push(1 + ended.map(|(_, chain)| *chain).max().unwrap_or_default());
        }
        Self {
            trips: chains.into_iter().max().unwrap_or_default(),
            // The sum of nothing would be -0.
            reads: records.iter().fold(0.0, |sum, record| sum + record.reads),
            writes: records.iter().fold(0.0, |sum, record| sum + record.writes),
            calls: records.into_iter().map(|record| record.operation).collect(),
        }
    }
}
