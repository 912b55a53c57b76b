//! Every item of the table, for an audit.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;

use crate::{
    db::{item::Item, keys::Key, retry::Retry, store::Store},
    error::Result,
};

/// What one Scan of an audit read.
#[derive(Clone, Debug, Default)]
pub struct ScannedPage {
    /// The items, in DynamoDB's order.
    pub items: Vec<Item>,
    /// The key behind which the next page begins. `None` after the last page.
    pub next: Option<Key>,
    /// The read units that the page cost. 0 if the endpoint doesn't say.
    pub units: f64,
}

impl Store {
    /// AP-61: reads at most `limit` items behind the one with the key `after`, strongly consistent. 1 call. No request scans.
    pub async fn scan_page(&self, after: Option<&Key>, limit: usize) -> Result<ScannedPage> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let mut retry = Retry::of_read("Scan");
        let scan = || {
            let scan = self.client.scan().table_name(&*self.table).limit(limit);
            scan.set_exclusive_start_key(after.map(Key::attributes))
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
        };
        let page = retry.call(scan).await?.map_err(|e| retry.rejected(&e))?;
        let units = page.consumed_capacity.and_then(|used| used.capacity_units);
        Ok(ScannedPage {
            next: page.last_evaluated_key.as_ref().and_then(Key::of),
            items: page.items.unwrap_or_default(),
            units: units.unwrap_or_default(),
        })
    }
}
