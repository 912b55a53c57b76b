//! Writes many items through direct calls of the embedded engine: the same items and the same transactions as over HTTP,
//! without the cost of signing, sending and parsing requests.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use dynoxide::{
    Database, DynoxideError, ImportOptions,
    actions::{
        import_items,
        transact_write_items::{self as engine, TransactWriteItemsRequest},
    },
};
use marquee_shared::{
    Error, Result,
    db::{
        expression::ConditionFailed,
        item::Item,
        transaction::{Outcome, Transaction},
    },
};

use crate::engine::Unsynced;

/// A table of the embedded engine.
#[derive(Clone)]
pub struct Bulk {
    database: Database,
    table: Arc<str>,
    /// The handle for commits that wait for the disk only in [`Bulk::sync`]. `None` if each commit waits for the disk, or if the
    /// table is in memory.
    unsynced: Option<Arc<Unsynced>>,
}

impl Bulk {
    /// The table `table` of `database`. Each commit waits for the disk, if the table is in a file.
    #[must_use]
    pub fn new(database: Database, table: Arc<str>) -> Self {
        Self {
            database,
            table,
            unsynced: None,
        }
    }

    /// The same table through a handle of its own, whose commits wait for the disk only in [`Bulk::sync`]. If the machine fails
    /// before, the last commits are lost, but none without all that followed it.
    ///
    /// # Errors
    /// Returns an error if the table's file can't be opened.
    pub async fn without_waiting(&self) -> Result<Self> {
        let this = self.clone();
        blocking(move || {
            let Some(path) = this.database.db_path().map_err(failure)? else {
                return Ok(this);
            };
            let unsynced = Unsynced::open(&path).map_err(failure)?;
            Ok(Self {
                unsynced: Some(Arc::new(unsynced)),
                ..this
            })
        })
        .await
    }

    /// Waits until the disk has every commit.
    ///
    /// # Errors
    /// Returns an error if the file system fails. What the disk has is then unknown.
    pub async fn sync(&self) -> Result<()> {
        let Some(unsynced) = self.unsynced.clone() else {
            return Ok(());
        };
        blocking(move || {
            unsynced
                .sync()
                .map_err(|error| Error::unavailable(format!("the disk: {error}")))
        })
        .await
    }

    /// Puts all items or none. Each replaces the item with the same key.
    ///
    /// # Errors
    /// Returns an error if the engine refuses the items.
    pub async fn put(&self, items: Vec<Item>) -> Result<()> {
        let this = self.clone();
        blocking(move || {
            let items = items.into_iter().map(engine_item).collect::<Result<_>>()?;
            let options = ImportOptions::default();
            let imported = match &this.unsynced {
                Some(unsynced) => unsynced
                    .run(async |storage| import_items::execute(storage, &this.table, items, &options).await),
                None => this.database.import_items(&this.table, items, options),
            };
            imported.map(|_| ()).map_err(failure)
        })
        .await
    }

    /// Runs a transaction of puts, updates and deletes.
    ///
    /// # Errors
    /// Returns an error if the engine fails, or if the transaction has other actions.
    pub async fn transact(&self, transaction: Transaction) -> Result<Outcome> {
        let this = self.clone();
        let actions = transaction.into_actions();
        blocking(move || {
            let actions = actions.into_iter().map(engine_action).collect::<Result<_>>()?;
            // Without a ClientRequestToken: a direct call can't lose its answer.
            let request = TransactWriteItemsRequest {
                transact_items: actions,
                ..TransactWriteItemsRequest::default()
            };
            let outcome = match &this.unsynced {
                Some(unsynced) => unsynced.run(async |storage| engine::execute(storage, request).await),
                None => this.database.transact_write_items(request),
            };
            match outcome {
                Ok(_) => Ok(Outcome::Committed),
                Err(DynoxideError::TransactionCanceledException(text, reasons)) => {
                    let failed: HashMap<usize, ConditionFailed> = (0..)
                        .zip(reasons)
                        .filter(|(_, reason)| reason.code == "ConditionalCheckFailed")
                        .map(|(action, _)| (action, ConditionFailed::default()))
                        .collect();
                    if failed.is_empty() {
                        return Err(Error::internal(text));
                    }
                    Ok(Outcome::ConditionFailed(failed))
                }
                Err(error) => Err(failure(error)),
            }
        })
        .await
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(Error::internal(format!("the engine: {e}"))))
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes it by value")]
fn failure(error: DynoxideError) -> Error {
    Error::unavailable(format!("the engine: {error}"))
}

fn engine_action(action: TransactWriteItem) -> Result<engine::TransactWriteItem> {
    match action {
        TransactWriteItem {
            put: Some(put),
            update: None,
            delete: None,
            condition_check: None,
            ..
        } => Ok(engine::TransactWriteItem {
            put: Some(engine_put(put)?),
            ..engine::TransactWriteItem::default()
        }),
        TransactWriteItem {
            put: None,
            update: Some(update),
            delete: None,
            condition_check: None,
            ..
        } => Ok(engine::TransactWriteItem {
            update: Some(engine_update(update)?),
            ..engine::TransactWriteItem::default()
        }),
        TransactWriteItem {
            put: None,
            update: None,
            delete: Some(delete),
            condition_check: None,
            ..
        } => Ok(engine::TransactWriteItem {
            delete: Some(engine_delete(delete)?),
            ..engine::TransactWriteItem::default()
        }),
        _ => Err(Error::internal(
            "the engine: neither a put, an update nor a delete",
        )),
    }
}

fn engine_put(put: Put) -> Result<engine::TransactPut> {
    Ok(engine::TransactPut {
        table_name: put.table_name,
        item: engine_item(put.item)?,
        condition_expression: put.condition_expression,
        expression_attribute_names: put.expression_attribute_names,
        expression_attribute_values: put.expression_attribute_values.map(engine_item).transpose()?,
        ..engine::TransactPut::default()
    })
}

fn engine_update(update: Update) -> Result<engine::TransactUpdate> {
    Ok(engine::TransactUpdate {
        table_name: update.table_name,
        key: engine_item(update.key)?,
        update_expression: update.update_expression,
        condition_expression: update.condition_expression,
        expression_attribute_names: update.expression_attribute_names,
        expression_attribute_values: update.expression_attribute_values.map(engine_item).transpose()?,
        ..engine::TransactUpdate::default()
    })
}

fn engine_delete(delete: Delete) -> Result<engine::TransactDelete> {
    Ok(engine::TransactDelete {
        table_name: delete.table_name,
        key: engine_item(delete.key)?,
        condition_expression: delete.condition_expression,
        expression_attribute_names: delete.expression_attribute_names,
        expression_attribute_values: delete.expression_attribute_values.map(engine_item).transpose()?,
        ..engine::TransactDelete::default()
    })
}

/// Converts attributes to the engine's types. A bulk write has strings, numbers, Boolean values, sets of strings, and maps of
/// these only.
fn engine_item(item: Item) -> Result<dynoxide::Item> {
    item.into_iter()
        .map(|(name, value)| {
            let value = match value {
                AttributeValue::S(text) => dynoxide::AttributeValue::S(text),
                AttributeValue::N(number) => dynoxide::AttributeValue::N(number),
                AttributeValue::Bool(is_true) => dynoxide::AttributeValue::BOOL(is_true),
                AttributeValue::Ss(texts) => dynoxide::AttributeValue::SS(texts),
                AttributeValue::M(map) => dynoxide::AttributeValue::M(engine_item(map)?),
                _ => {
                    return Err(Error::internal(format!(
                        "the engine: {name} is of an unexpected type"
                    )));
                }
            };
            Ok((name, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
    };

    use marquee_shared::{
        clock::Clock,
        db::{
            Key, Store,
            counter::Counter,
            expression::Condition,
            item::{number, text},
            keys,
        },
        domain::UserId,
    };

    use super::*;
    use crate::{
        engine::{Engine, Storage},
        server::TEMPLATE,
        template::Template,
    };

    async fn table() -> (Engine, Store, Bulk) {
        table_in(&Storage::Memory).await
    }

    async fn table_in(storage: &Storage) -> (Engine, Store, Bulk) {
        let engine = Engine::start(storage).unwrap();
        let client = engine.client();
        let template = Template::parse(TEMPLATE).unwrap();
        template.table.create(&client, "movies").await.unwrap();
        let store = Store::new(client, "movies", Clock::default());
        let bulk = Bulk::new(engine.database().clone(), store.table.clone());
        (engine, store, bulk)
    }

    #[tokio::test]
    async fn a_transaction_is_committed_as_over_http_and_one_whose_condition_failed_not_at_all() {
        let (_engine, store, bulk) = table().await;
        let genre = || store.on(keys::genre("drama"));
        let put = genre().put(&HashMap::from([("name", "Drama")]), Condition::not_exists());
        let mut transaction = Transaction::default();
        transaction.add(store.count(Counter::Movies, 3).unwrap());
        let genre = transaction.add(put.unwrap());
        assert!(matches!(
            bulk.transact(transaction.clone()).await.unwrap(),
            Outcome::Committed
        ));
        let refused = bulk.transact(transaction).await.unwrap();
        assert!(refused.failed(genre) && !refused.failed(0), "{refused:?}");
        assert_eq!(store.read_counters([Counter::Movies]).await.unwrap(), [3]);
        let item = store.get(&keys::genre("drama")).await.unwrap().unwrap();
        assert_eq!(item["name"], text("Drama"));
    }

    /// Guarantee 43. What a power failure can leave of commits that don't wait for the disk: the start of the log.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_commits_that_do_not_wait_for_the_disk_the_first_ones_are_left() {
        const COMMITS: u64 = 12;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("table");
        let log = |file: &Path| PathBuf::from(format!("{}-wal", file.display()));
        let (_engine, store, bulk) = table_in(&Storage::File(file.clone())).await;
        let bulk = bulk.without_waiting().await.unwrap();
        let before = fs::metadata(log(&file)).unwrap().len();
        for n in 0..COMMITS {
            if n % 2 == 0 {
                let mut item = keys::user(UserId::try_from(n + 1).unwrap()).attributes();
                item.insert("n".into(), number(n));
                bulk.put(vec![item]).await.unwrap();
            } else {
                let mut transaction = Transaction::default();
                let put = store.on(keys::user(UserId::try_from(n + 1).unwrap()));
                transaction.add(
                    put.put(&HashMap::from([("n", n)]), Condition::not_exists())
                        .unwrap(),
                );
                let outcome = bulk.transact(transaction).await.unwrap();
                assert!(matches!(outcome, Outcome::Committed));
            }
        }
        bulk.sync().await.unwrap();
        let whole = fs::read(log(&file)).unwrap();
        let mut counts = BTreeSet::new();
        for part in 0..=40 {
            let directory = tempfile::tempdir().unwrap();
            let copy = directory.path().join("table");
            fs::copy(&file, &copy).unwrap();
            let from = usize::try_from(before).unwrap();
            let end = from + (whole.len() - from) * part / 40;
            fs::write(log(&copy), &whole[..end]).unwrap();
            let engine = Engine::start(&Storage::File(copy)).unwrap();
            let store = Store::new(engine.client(), "movies", Clock::default());
            let mut there = Vec::new();
            for n in 0..COMMITS {
                let item = store.get(&keys::user(UserId::try_from(n + 1).unwrap())).await;
                there.extend(item.unwrap().map(|_| n));
            }
            assert!(there.iter().copied().eq(0..there.len() as u64), "{there:?}");
            counts.insert(there.len());
            engine.shutdown().await.unwrap();
        }
        assert!(
            counts.len() > 3 && counts.contains(&0) && counts.contains(&12),
            "{counts:?}"
        );
    }

    #[tokio::test]
    async fn items_are_all_put_or_none() {
        let (_engine, store, bulk) = table().await;
        let item = |key: Key, n: u32| {
            let mut item = key.attributes();
            item.insert("n".into(), number(n));
            item
        };
        bulk.put(vec![item(keys::cursor_key(), 1), item(keys::cursor_key(), 2)])
            .await
            .unwrap();
        let mut without_key = item(keys::cursor_key(), 3);
        without_key.remove(keys::SK);
        let some = vec![item(keys::cursor_key(), 4), without_key];
        assert!(bulk.put(some).await.is_err());
        let item = store.get(&keys::cursor_key()).await.unwrap().unwrap();
        assert_eq!(item["n"], number(2));
    }
}
