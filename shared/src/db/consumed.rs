//! The units that an answer says its call consumed. DynamoDB says it only if it is asked
//! ([`Store::that_asks_for_units`](crate::db::Store::that_asks_for_units)), and not for a call that failed.

use std::fmt;

use aws_sdk_dynamodb::{
    operation::{
        batch_write_item::BatchWriteItemOutput, delete_item::DeleteItemOutput, put_item::PutItemOutput,
        scan::ScanOutput, transact_write_items::TransactWriteItemsOutput, update_item::UpdateItemOutput,
    },
    types::ConsumedCapacity,
};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

/// What a call returned.
pub(crate) trait Consumed {
    /// The units that the call consumed, of its table and the indexes together. 0 if the answer doesn't say.
    fn units(&self) -> f64;
}

/// The units of several tables.
pub(super) fn of_tables<'a>(tables: impl IntoIterator<Item = &'a ConsumedCapacity>) -> f64 {
    let units = tables.into_iter().filter_map(ConsumedCapacity::capacity_units);
    units.sum()
}

macro_rules! consumed {
    ($($output:ty),+) => {
        $(impl Consumed for $output {
            fn units(&self) -> f64 {
                of_tables(&self.consumed_capacity)
            }
        })+
    };
}

consumed!(PutItemOutput, UpdateItemOutput, DeleteItemOutput, ScanOutput);

impl Consumed for TransactWriteItemsOutput {
    fn units(&self) -> f64 {
        of_tables(self.consumed_capacity())
    }
}

impl Consumed for BatchWriteItemOutput {
    fn units(&self) -> f64 {
        of_tables(self.consumed_capacity())
    }
}

/// The units in `ConsumedCapacity`, which is an object, or for a batch a list with one for each table.
#[derive(Debug, Default)]
pub(super) struct Units(pub(super) f64);

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Capacity)
    }
}

struct Capacity;

impl<'de> Visitor<'de> for Capacity {
    type Value = Units;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the consumed capacity of one table or of several")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Units, A::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Table {
            capacity_units: f64,
        }
        let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Units(table.capacity_units))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Units, A::Error> {
        let mut all = Units::default();
        while let Some(Units(units)) = list.next_element()? {
            all.0 += units;
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_of_all_tables_are_added() {
        let units = |json: &str| serde_json::from_str::<Units>(json).map(|units| units.0).ok();
        let one = r#"{"TableName": "t", "CapacityUnits": 2.5, "Table": {"CapacityUnits": 1}}"#;
        assert_eq!(units(one), Some(2.5));
        assert_eq!(units(&format!("[{one}, {one}]")), Some(5.0));
        assert_eq!((units("[]"), units("{}"), units("7")), (Some(0.0), None, None));
        let put = |units| ConsumedCapacity::builder().set_capacity_units(units).build();
        let output = |units| PutItemOutput::builder().set_consumed_capacity(units).build();
        assert_eq!(output(None).units(), 0.0);
        assert_eq!(output(Some(put(Some(3.0)))).units(), 3.0);
        let written = TransactWriteItemsOutput::builder()
            .consumed_capacity(put(Some(4.0)))
            .consumed_capacity(put(None))
            .build();
        assert_eq!(written.units(), 4.0);
    }
}
