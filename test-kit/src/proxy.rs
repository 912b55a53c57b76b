//! A fault proxy to a table of a test's own, and a server behind it.

use std::{ops::Deref, path::PathBuf};

pub use fault_proxy::{Cost, Exchange, Fault, Record};
use marquee::{
    import::{Importer, Report, Source},
    server::Options,
};
use marquee_shared::{aws::client, clock::Clock, db::Store};

use crate::{app::TestApp, table::TestTable};

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

/// A fault proxy and the table behind it.
pub struct FaultProxy {
    proxy: fault_proxy::FaultProxy,
    /// The table.
    pub table: TestTable,
}

impl FaultProxy {
    /// A fault proxy to a new table, where the environment says.
    pub async fn new() -> Self {
        Self::to(TestTable::new().await).await
    }

    /// A fault proxy to this table.
    pub async fn to(table: TestTable) -> Self {
        let proxy = fault_proxy::FaultProxy::to(&table.url()).await;
        Self { proxy, table }
    }

    /// The table, without the proxy in between.
    pub async fn store(&self) -> Store {
        self.table.store().await
    }

    /// The table as the server sees it: every call passes the proxy.
    #[must_use]
    pub fn proxied_store(&self) -> Store {
        Store::new(client::local(&self.url), self.table.name(), Clock::default())
    }

    /// Imports the movies of a CSV file, without the proxy in between.
    ///
    /// # Panics
    /// Panics if a row isn't a movie.
    pub async fn import(&self, file: PathBuf) -> u64 {
        let importer = Importer::new(self.store().await, self.table.database());
        match importer.run(&Source::File(file)).await.unwrap() {
            Report::Imported { movies, bad: 0 } => movies,
            report => panic!("{report}"),
        }
    }
}

impl Deref for FaultProxy {
    type Target = fault_proxy::FaultProxy;

    fn deref(&self) -> &fault_proxy::FaultProxy {
        &self.proxy
    }
}

/// A server with a fault proxy between it and its table.
pub struct ProxiedApp {
    /// The server.
    pub app: TestApp,
    /// The proxy and the table.
    pub proxy: FaultProxy,
}

impl ProxiedApp {
    /// A server with an empty table and the default configuration.
    pub async fn new() -> Self {
        TestApp::builder().start_behind_proxy().await
    }

    /// A server whose options a test changes.
    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        TestApp::builder().configure(change).start_behind_proxy().await
    }

    /// Stops the server and waits until it has ended, then ends its table.
    pub async fn close(self) {
        self.app.close().await;
        self.proxy.table.close().await;
    }
}
