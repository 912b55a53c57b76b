//! The words that imports add to the vocabulary.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use aws_sdk_dynamodb::types::AttributeValue;
use marquee::import::{Importer, Report, Source};
use marquee_shared::db::{
    Key, Store,
    item::Item,
    vocabulary::{entries, rests_of, room},
};

use crate::support::{audit::audit, audit::scan, table::TestTable};

const HEADER: &str = "title,description,release_date,director,genre\n";

/// A table, and an importer into it: by calls of the engine, or by DynamoDB's API.
async fn table(is_bulk: bool) -> (TestTable, Store, Importer) {
    let table = TestTable::in_memory();
    let store = table.store().await;
    let database = table.database().filter(|_| is_bulk);
    let template = marquee::template::Template::parse(marquee::server::TEMPLATE).unwrap();
    template.table.create(&store.client, &table.name()).await.unwrap();
    let importer = Importer::new(store.clone(), database);
    (table, store, importer)
}

/// The items of a table, without the jobs of imports and the times of movies, and with sets in order.
async fn items(store: &Store) -> BTreeMap<Key, Item> {
    let items = scan(store).await.into_iter().map(|mut item| {
        for value in item.values_mut() {
            if let AttributeValue::Ss(texts) = value {
                texts.sort_unstable();
            }
        }
        item.retain(|name, _| name != "created_at" && name != "updated_at");
        (Key::of(&item).unwrap(), item)
    });
    items.filter(|(key, _)| !key.pk.starts_with("IMPORT#")).collect()
}

fn csv(directory: &Path, rows: &str) -> Source {
    let path = directory.join("movies.csv");
    fs::write(&path, format!("{HEADER}{rows}")).unwrap();
    Source::File(path)
}

/// A word for each number, whose pieces are those of few others: of which words a full item has depends on their order.
fn word(n: u32) -> String {
    let letter = |n: u32| char::from_u32('a' as u32 + n % 26).unwrap();
    let letters = [letter(n), letter(n / 26), letter(n / 676)];
    letters.iter().chain(letters.iter().rev()).collect()
}

/// Guarantee 72. More rows than a batch has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_by_calls_of_the_engine_writes_what_one_by_dynamodbs_api_writes() {
    let directory = tempfile::tempdir().unwrap();
    let mut rows = String::new();
    for n in 0..4_000 {
        let (month, day) = (n / 28 % 12 + 1, n % 28 + 1);
        let year = 1950 + n % 70;
        writeln!(
            rows,
            "Spider-Man & {} the {}th of Zürich,x,{year}-{month:02}-{day:02},\"Jo-Ann Doe{}, 王家衛\",\"Action & Adventure, G{}\"",
            word(n),
            n % 97,
            n % 31,
            n % 7
        )
        .unwrap();
    }
    let source = csv(directory.path(), &rows);
    let mut written = Vec::new();
    for is_bulk in [true, false] {
        let (table, store, importer) = table(is_bulk).await;
        assert_eq!(importer.run(&source).await.unwrap(), Report::of_all(4_000));
        audit(&store).await;
        written.push(items(&store).await);
        table.close().await;
    }
    let words = written[0]
        .keys()
        .filter(|key| key.pk.starts_with("NEAR#"))
        .count();
    assert!(words > 4_000, "{words}");
    let [one, other] = written.try_into().unwrap();
    let keys = one.keys().chain(other.keys());
    let differ: Vec<&Key> = keys.filter(|key| one.get(*key) != other.get(*key)).collect();
    let examples = differ.iter().take(3).map(|key| (one.get(*key), other.get(*key)));
    assert!(
        differ.is_empty(),
        "{}: {:?}",
        differ.len(),
        examples.collect::<Vec<_>>()
    );
}

/// Guarantee 72. A full item takes no more words, by either way, and the movies are imported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_of_the_vocabulary_is_never_larger_than_it_may_be() {
    let directory = tempfile::tempdir().unwrap();
    let key = &entries("aaxyz")[0].key;
    let letters = "bcdefghijklm".chars();
    let endings = letters.clone().flat_map(|a| {
        let letters = letters.clone();
        letters
            .clone()
            .flat_map(move |b| letters.clone().map(move |c| [a, b, c].iter().collect::<String>()))
    });
    let mut rows = String::new();
    for ending in endings {
        writeln!(rows, "aa{ending},x,2001-01-01,Somebody,Drama").unwrap();
    }
    let movies = rows.lines().count();
    assert!(movies > room(key) + 100, "{movies}");
    let source = csv(directory.path(), &rows);
    for is_bulk in [true, false] {
        let (table, store, importer) = table(is_bulk).await;
        assert_eq!(
            importer.run(&source).await.unwrap(),
            Report::of_all(movies as u64)
        );
        let item = store.get(key).await.unwrap().unwrap();
        assert_eq!(rests_of(&item).len(), room(key));
        audit(&store).await;
        table.close().await;
    }
}
