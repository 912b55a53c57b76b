//! The [product's audit](marquee::audit), as tests use it.

use std::{collections::BTreeSet, time::Duration};

use marquee::audit::{Finding, Options, Report, run};
use marquee_covers::Objects;
use marquee_shared::db::{
    Key, Store,
    item::{Item, from_item},
    movie::MovieItem,
    vocabulary::{entries, rests_of, room, vocabulary_words},
};

use crate::TestApp;

/// Asserts that no item of the table disagrees with another.
pub async fn audit(store: &Store) {
    let found = discrepancies(store).await;
    assert!(
        found.is_empty(),
        "the table disagrees with itself:\n{}",
        found.join("\n")
    );
}

/// Asserts that no item of the table disagrees with another, and that each uploaded cover is stored. An image that no movie has is
/// reported only if it was stored ten minutes ago.
pub async fn audit_with_covers(app: &TestApp) {
    let running = &app.running;
    let (report, found) = findings_with_covers(&running.state.store, &running.functions.objects, false).await;
    assert_eq!(found, []);
    assert!(report.objects.is_some());
}

/// The disagreements between the items of the table, a sentence each.
pub async fn discrepancies(store: &Store) -> Vec<String> {
    let (_, findings) = findings(store, false).await;
    findings.into_iter().map(|finding| finding.text).collect()
}

/// Audits the table, and mends it if `repair` is set.
pub async fn findings(store: &Store, repair: bool) -> (Report, Vec<Finding>) {
    found_by(store, repair, None).await
}

/// The same, and compares the uploaded covers with those of this store.
pub async fn findings_with_covers(store: &Store, covers: &Objects, repair: bool) -> (Report, Vec<Finding>) {
    found_by(store, repair, Some(covers.clone())).await
}

async fn found_by(store: &Store, repair: bool, covers: Option<Objects>) -> (Report, Vec<Finding>) {
    let options = Options {
        end_imports: false,
        repair,
        units_per_second: None,
        // A test audits when nothing is under way.
        pause: Duration::ZERO,
        covers,
    };
    let mut findings = Vec::new();
    let mut found = |finding| {
        findings.push(finding);
        Ok(())
    };
    let report = run(store, options, &|_| {}, &mut found).await.unwrap();
    (report, findings)
}

/// Every item of the table.
pub async fn scan(store: &Store) -> Vec<Item> {
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let page = store.scan_page(after.as_ref(), usize::MAX).await.unwrap();
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            return items;
        }
    }
}

/// The entries of words of movies that the vocabulary lacks, a sentence for each. Nothing else is checked, so an import may be
/// unfinished.
pub async fn missing_words(store: &Store) -> Vec<String> {
    let mut items = std::collections::BTreeMap::new();
    let mut words = BTreeSet::new();
    for item in scan(store).await {
        let key = Key::of(&item).unwrap();
        match key.pk.split('#').next() {
            Some("NEAR") => {
                items.insert(key, item);
            }
            Some("MOVIES") => {
                let movie: MovieItem = from_item(item).unwrap();
                words.extend(vocabulary_words(&movie.fields));
            }
            _ => {}
        }
    }
    let lacks = |word: &String| {
        let missing = entries(word).into_iter().filter(|entry| {
            let rests = items.get(&entry.key).map_or(&[][..], |item| rests_of(item));
            rests.len() < room(&entry.key) && !rests.contains(&entry.rest)
        });
        let sentences = missing.map(|entry| format!("the word {word} isn't in {:?}", entry.key));
        sentences.collect::<Vec<_>>()
    };
    words.iter().flat_map(lacks).collect()
}
