//! Every movie, for an export.

use crate::{
    db::{
        counter::Counter,
        item::StoredItem,
        keys::{self, BUCKET},
        range::{Direction, KeyRange},
        store::Store,
    },
    error::Result,
};

impl Store {
    /// AP-60: how many buckets of movies there are: every movie whose addition has been answered is in one of them.
    pub async fn movie_buckets(&self) -> Result<u64> {
        let [last] = self.read_counters([Counter::MovieIds]).await?;
        Ok(last / BUCKET + 1)
    }

    /// AP-60: the items of the movies in a bucket, by id. They are not decoded, so that one which can't be loses no other.
    pub async fn movie_items(&self, bucket: u64) -> Result<Vec<StoredItem>> {
        let limit = usize::try_from(BUCKET).unwrap_or(usize::MAX);
        let mut items = Vec::new();
        let mut rest = Some(KeyRange::ids(keys::movie_bucket(bucket)));
        while let Some(range) = rest {
            // DynamoDB stops at 1 MB, which is about 50 of the longest movies.
            let read = self.query(&range, Direction::Ascending, limit).await?;
            rest = read.rest_of(range, Direction::Ascending);
            items.extend(read.items);
        }
        Ok(items)
    }
}
