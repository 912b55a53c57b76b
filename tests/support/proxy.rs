//! A [proxy](proxy) to a test's own table, and a server behind it.

use std::ops::Deref;

pub use fault_proxy::{Cost, Fault};
use marquee::server::{Options, Place};
use marquee_shared::db::Store;
use tempfile::TempDir;

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

/// A fault proxy, and the table at its other end.
pub struct FaultProxy {
    proxy: fault_proxy::FaultProxy,
    pub table: TestTable,
}

impl FaultProxy {
    /// A fault proxy to a table of its own.
    pub async fn new() -> Self {
        Self::to(TestTable::new().await).await
    }

    /// A fault proxy to this table.
    pub async fn to(table: TestTable) -> Self {
        let proxy = fault_proxy::FaultProxy::to(&table.url()).await;
        Self { proxy, table }
    }

    /// The table, past the proxy.
    pub async fn store(&self) -> Store {
        self.table.store().await
    }
}

impl Deref for FaultProxy {
    type Target = fault_proxy::FaultProxy;

    fn deref(&self) -> &fault_proxy::FaultProxy {
        &self.proxy
    }
}

/// A server whose table is at the other end of a fault proxy.
pub struct ProxiedApp {
    pub app: TestApp,
    pub proxy: FaultProxy,
    _data: TempDir,
}

impl ProxiedApp {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let proxy = FaultProxy::new().await;
        let data = tempfile::tempdir().unwrap();
        let place = Place::Endpoint {
            url: proxy.url.clone(),
            data: data.path().to_owned(),
        };
        let app = TestApp::with(|options| {
            options.place = place;
            options.config.table = proxy.table.name();
            change(options);
        })
        .await;
        Self {
            app,
            proxy,
            _data: data,
        }
    }
}
