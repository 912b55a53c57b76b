//! Tables as earlier versions wrote them.

use aws_sdk_dynamodb::types::ReturnValue;
use marquee_shared::db::{
    Key, Store,
    expression::{Condition, Update},
    item::text,
    keys,
    layout::Layout,
};

use super::audit::scan;

/// Rewrites a table as the first version wrote it: without `LAYOUT`, and with eight shards.
pub async fn make_first_version(store: &Store) {
    for mut item in scan(store).await {
        if item.contains_key("liked") {
            let key = Key::of(&item).unwrap();
            let id = keys::id_at_end(&key.sk).unwrap();
            item.insert("liked".into(), text(format!("LIKES#{}", id % 8)));
            assert!(store.put(item, Condition::exists()).await.unwrap().is_ok());
        }
    }
    store.delete(&keys::layout()).await.unwrap();
    assert_eq!(store.layout().await.unwrap(), Layout::Version(1));
}

/// Makes the genres those of an earlier version, which list no newest movies.
pub async fn unlist_newest(store: &Store) {
    for genre in store.all_genres().await.unwrap() {
        let key = keys::genre(&genre.identity);
        let update = Update::new("REMOVE #newest, #floor");
        let updated = store.update(&key, &update, ReturnValue::None).await.unwrap();
        updated.unwrap();
    }
}
