//! Reads ordered collections page by page, in both directions. No page makes more than a fixed number of calls or costs
//! more than a fixed number of units.
//!
//! A collection is a [range of keys](KeyRange), or consecutive buckets by id. A page of 20 movies by date, for example, is
//! one Query of 21 items of the partition `MOVIES` of the index by date. The 21st item isn't returned. It shows that there
//! is a next page, which begins after the 20th.

use crate::{
    db::{
        counter::Counter,
        item::{Attributes as _, StoredItem, corrupt},
        keys::{self, BUCKET, BY_DATE, Index, id_text},
        page::{Counted, PageLimit, Position, Reading, Slice, Window},
        range::{Direction, KeyRange},
        store::{QueryOutput, Store},
    },
    error::Result,
};

/// The most buckets that one request reads in its second round, if the first one found too few items. A gap of more than
/// 2,000 consecutive deleted ids takes another page.
const FURTHER_BUCKETS: u64 = 8;

impl Store {
    /// Reads a page of one range: one Query.
    pub async fn walk(
        &self,
        range: KeyRange,
        order: Direction,
        window: &Window,
        limit: PageLimit,
    ) -> Result<Slice<StoredItem>> {
        let direction = window.reading(order);
        let range = match window.position() {
            Some(from) => range.beyond(&from.key, direction),
            None => range,
        };
        let limit = limit.get();
        let QueryOutput { items, more } = self.query(&range, direction, limit + 1).await?;
        let mut read = with_keys(items, range.index)?;
        // A Query of one item more than a page can still stop within the page, at 1 MB (AWS: Query).
        let is_cut = more || read.len() > limit;
        read.truncate(limit);
        Ok(reading(read, None, is_cut).into_slice(window, order))
    }

    /// Reads a page of items that are stored in buckets by id, and the number of all such items.
    ///
    /// The first round reads the counters and the one or two buckets in which the page begins, in parallel. If ids were
    /// deleted, a second round reads up to `FURTHER_BUCKETS` more buckets in parallel. For example, a page of 20 from id 250
    /// reads `MOVIES#0` from 250 to its end, 255, and `MOVIES#1` from 256.
    ///
    /// A descending first page begins at the last id, which only the counter has. If this process has seen a last id, the
    /// first round reads the bucket of that one, to its end. The counter, which is read at the same time, decides whether
    /// that is the last bucket. If it isn't, or the process has seen no id, another round reads the last bucket.
    pub async fn walk_buckets(
        &self,
        bucket: fn(u64) -> String,
        counters: [Counter; 2],
        order: Direction,
        window: &Window,
        limit: PageLimit,
    ) -> Result<Counted<StoredItem>> {
        self.walk_buckets_by(bucket, counters, order, window, limit.get(), true)
            .await
    }

    /// The same with any limit. Without `may_read_on` there is no second round, so the page may be short and have a next one.
    pub(crate) async fn walk_buckets_by(
        &self,
        bucket: fn(u64) -> String,
        [count, ids]: [Counter; 2],
        order: Direction,
        window: &Window,
        limit: usize,
        may_read_on: bool,
    ) -> Result<Counted<StoredItem>> {
        let direction = window.reading(order);
        let from = window.position().map(|position| position.key.parse::<u64>());
        let from = from
            .transpose()
            .map_err(|_| corrupt("a cursor of another walk"))?;
        let begin = match (from, direction) {
            (Some(id), Direction::Ascending) => Some(id.saturating_add(1)),
            (Some(id), Direction::Descending) => Some(id.saturating_sub(1)),
            (None, Direction::Ascending) => Some(1),
            (None, Direction::Descending) => None,
        };
        let seen = (ids == Counter::MovieIds).then_some(&self.last_movie);
        let guess = begin.or_else(|| seen?.get());
        let read_first = async |id: u64| {
            let buckets = first_buckets(id, direction, limit);
            let from = begin.unwrap_or(end_of_bucket(id));
            self.read_buckets(bucket, buckets, from, direction, limit).await
        };
        let counters = self.read_counters([count, ids]);
        let ([count, last_id], guessed) = match guess {
            Some(id) => {
                let (counters, first) = tokio::try_join!(counters, read_first(id))?;
                (
                    counters,
                    Some(first).filter(|_| begin.is_some() || id / BUCKET == counters[1] / BUCKET),
                )
            }
            None => (counters.await?, None),
        };
        if let Some(seen) = seen {
            seen.set(last_id);
        }
        let first = match guessed {
            Some(first) => first,
            None => read_first(last_id).await?,
        };
        let begin = begin.unwrap_or(end_of_bucket(last_id));
        let BucketRead {
            items: mut read,
            mut is_cut,
            mut reached,
        } = first;
        let last_bucket = last_id / BUCKET;
        if read.len() <= limit
            && !is_cut
            && may_read_on
            && let Some(further) = further_buckets(reached, last_bucket, direction)
        {
            let wanted = limit - read.len();
            let rest = self
                .read_buckets(bucket, further, begin, direction, wanted)
                .await?;
            read.extend(rest.items);
            is_cut = rest.is_cut;
            reached = rest.reached;
        }
        let is_unread = further_buckets(reached, last_bucket, direction).is_some();
        let slice = if read.len() > limit {
            read.truncate(limit);
            reading(read, None, true)
        } else {
            // The next page begins after the last item if a bucket was cut, and otherwise after the last bucket.
            let end = match direction {
                Direction::Ascending => reached * BUCKET + BUCKET - 1,
                Direction::Descending => reached * BUCKET,
            };
            let end = (is_unread && !is_cut).then(|| Position::at(id_text(end)));
            reading(read, end, is_unread || is_cut)
        };
        Ok(Counted {
            count,
            slice: slice.into_slice(window, order),
        })
    }

    /// Reads buckets in parallel, and returns their items up to the bucket in which more than `limit` items were read or
    /// DynamoDB stopped at 1 MB.
    async fn read_buckets(
        &self,
        bucket: fn(u64) -> String,
        buckets: Buckets,
        begin: u64,
        direction: Direction,
        limit: usize,
    ) -> Result<BucketRead> {
        let ranges: Vec<KeyRange> = buckets
            .numbers(direction)
            .map(|number| KeyRange::ids(bucket(number)).starting_at_id(begin, direction))
            .collect();
        let mut items = Vec::new();
        let mut is_cut = false;
        for output in self.query_all(&ranges, direction, limit + 1).await? {
            items.extend(with_keys(output.items, keys::TABLE)?);
            if output.more {
                // This bucket has more items, and they come before those of the next buckets.
                is_cut = items.len() <= limit;
                break;
            }
        }
        Ok(BucketRead {
            items,
            is_cut,
            reached: buckets.last(direction),
        })
    }
}

impl QueryOutput {
    /// The rest of the range of which this was read, in `direction`. `None` if it was read to its end.
    pub(crate) fn rest_of(&self, range: KeyRange, direction: Direction) -> Option<KeyRange> {
        let last = self.items.last().filter(|_| self.more)?;
        let last = position_key(last.text(range.index.sk)?, range.index);
        Some(range.beyond(last, direction))
    }
}

/// What was read of some buckets, in the direction of reading.
struct BucketRead {
    /// The items, each with its sort key.
    items: Vec<(String, StoredItem)>,
    /// Whether DynamoDB stopped within a bucket before a page was full.
    is_cut: bool,
    /// The number of the last bucket that was read.
    reached: u64,
}

/// Consecutive buckets, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Buckets {
    low: u64,
    high: u64,
}

impl Buckets {
    /// The numbers, in the direction of reading.
    fn numbers(self, direction: Direction) -> impl Iterator<Item = u64> {
        (self.low..=self.high).map(move |number| match direction {
            Direction::Ascending => number,
            Direction::Descending => self.high - (number - self.low),
        })
    }

    /// The number that is read last.
    fn last(self, direction: Direction) -> u64 {
        match direction {
            Direction::Ascending => self.high,
            Direction::Descending => self.low,
        }
    }
}

/// The bucket that holds `begin`, and the next one if a page may reach into it.
fn first_buckets(begin: u64, direction: Direction, limit: usize) -> Buckets {
    let bucket = begin / BUCKET;
    let within = begin % BUCKET;
    let left = match direction {
        Direction::Ascending => BUCKET - within,
        Direction::Descending => within + 1,
    };
    let next = u64::from(left <= limit as u64);
    match direction {
        Direction::Ascending => Buckets {
            low: bucket,
            high: bucket + next,
        },
        Direction::Descending => Buckets {
            low: bucket.saturating_sub(next),
            high: bucket,
        },
    }
}

/// The largest id of the bucket that holds `id`.
fn end_of_bucket(id: u64) -> u64 {
    id / BUCKET * BUCKET + (BUCKET - 1)
}

/// The buckets that may be read in one more round, beyond the one `reached`. `None` if there are none: descending, below
/// bucket 0; ascending, above `last`.
fn further_buckets(reached: u64, last: u64, direction: Direction) -> Option<Buckets> {
    match direction {
        Direction::Ascending => (reached < last).then(|| Buckets {
            low: reached + 1,
            high: last.min(reached + FURTHER_BUCKETS),
        }),
        Direction::Descending => reached.checked_sub(1).map(|high| Buckets {
            low: reached.saturating_sub(FURTHER_BUCKETS),
            high,
        }),
    }
}

/// What was read for a page: these items, up to `end` if it is given, otherwise up to the last of them.
fn reading(read: Vec<(String, StoredItem)>, end: Option<Position>, more: bool) -> Reading<StoredItem> {
    let at = |(key, _): &(String, StoredItem)| Position::at(key.as_str());
    Reading {
        first: read.first().map(at),
        last: end.or_else(|| read.last().map(at)),
        items: read.into_iter().map(|(_, item)| item).collect(),
        more,
    }
}

/// The sort key of an index as a position has it.
fn position_key(key: &str, index: Index) -> &str {
    if index == BY_DATE {
        keys::date_position(key)
    } else {
        key
    }
}

/// The items, each with its position's key: the sort key by which the Query found it.
fn with_keys(items: Vec<StoredItem>, index: Index) -> Result<Vec<(String, StoredItem)>> {
    items
        .into_iter()
        .map(|item| {
            let key = item
                .text(index.sk)
                .map(|key| position_key(key, index).to_owned())
                .ok_or_else(|| corrupt("an item without a sort key"))?;
            Ok((key, item))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(buckets: Buckets, direction: Direction) -> Vec<u64> {
        buckets.numbers(direction).collect()
    }

    #[test]
    fn a_page_reads_the_next_bucket_only_when_it_may_run_into_it() {
        for (begin, direction, buckets) in [
            (1, Direction::Ascending, &[0][..]),
            (236, Direction::Ascending, &[0, 1]),
            (235, Direction::Ascending, &[0]),
            (256, Direction::Descending, &[1, 0]),
            (5, Direction::Descending, &[0]),
            (300, Direction::Descending, &[1]),
        ] {
            let first = first_buckets(begin, direction, 20);
            assert_eq!(numbers(first, direction), buckets, "{begin} {direction:?}");
        }
    }

    #[test]
    fn a_further_round_reads_eight_buckets_at_most_and_none_beyond_the_end() {
        for (reached, last, direction, buckets) in [
            (0, 0, Direction::Ascending, &[][..]),
            (0, 2, Direction::Ascending, &[1, 2]),
            (1, 99, Direction::Ascending, &[2, 3, 4, 5, 6, 7, 8, 9]),
            (0, 99, Direction::Descending, &[]),
            (2, 99, Direction::Descending, &[1, 0]),
            (9, 99, Direction::Descending, &[8, 7, 6, 5, 4, 3, 2, 1]),
        ] {
            let further = further_buckets(reached, last, direction);
            let further = further.map_or_else(Vec::new, |further| numbers(further, direction));
            assert_eq!(further, buckets, "{reached} {direction:?}");
        }
    }
}
