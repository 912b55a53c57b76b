//! A [wire](wire) to a test's own table, and a server behind it.

use std::ops::Deref;

use marquee::server::{Options, Place};
use shared::db::Store;
use tempfile::TempDir;
pub use wire::{Cost, Fault};

use super::{TestApp, table::TestTable};

/// The calls that a server makes to its table, without those of the import and the sweep.
pub const TABLE_CALLS: [&str; 7] = [
    "GetItem",
    "BatchGetItem",
    "Query",
    "UpdateItem",
    "PutItem",
    "TransactWriteItems",
    "DeleteItem",
];

/// A wire, and the table at its other end.
pub struct Wire {
    wire: wire::Wire,
    pub table: TestTable,
}

impl Wire {
    /// A wire to a table of its own.
    pub async fn new() -> Self {
        Self::to(TestTable::new().await).await
    }

    /// A wire to this table.
    pub async fn to(table: TestTable) -> Self {
        let wire = wire::Wire::to(&table.url()).await;
        Self { wire, table }
    }

    /// The table, past the wire.
    pub async fn store(&self) -> Store {
        self.table.store().await
    }
}

impl Deref for Wire {
    type Target = wire::Wire;

    fn deref(&self) -> &wire::Wire {
        &self.wire
    }
}

/// A server whose table is at the other end of a wire.
pub struct WiredApp {
    pub app: TestApp,
    pub wire: Wire,
    _data: TempDir,
}

impl WiredApp {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let wire = Wire::new().await;
        let data = tempfile::tempdir().unwrap();
        let place = Place::Endpoint {
            url: wire.url.clone(),
            data: data.path().to_owned(),
        };
        let app = TestApp::with(|options| {
            options.place = place;
            options.config.table = wire.table.name();
            change(options);
        })
        .await;
        Self {
            app,
            wire,
            _data: data,
        }
    }
}
