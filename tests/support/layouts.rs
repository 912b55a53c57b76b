//! Tables as earlier versions wrote them.

use marquee_shared::db::{Key, Store, expression::Condition, item::text, keys, layout::Layout};

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
