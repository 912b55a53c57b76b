//! Walking ordered collections a page at a time, in both directions, at a fixed ceiling of calls and units.

use crate::{
    db::{
        counter::Counter,
        item::{Item, corrupt},
        keys::{self, BUCKET, id_text},
        page::{Counted, PageLimit, Position, Slice, Window},
        range::{Direction, KeyRange},
        store::{QueryOutput, Store},
    },
    error::Result,
};

/// How many further buckets one request may look into when those it began with hold too few items. Longer gaps, of
/// more than 2,000 ids deleted in a row, take another page.
const FURTHER_BUCKETS: u64 = 8;

impl Window {
    /// The direction in which a page of this window is read, in a collection of this order.
    #[must_use]
    pub fn reading(&self, order: Direction) -> Direction {
        if self.is_backward() {
            order.reversed()
        } else {
            order
        }
    }
}

/// Where a page goes on: `first` and `last` are the positions of what was examined in the collection's order, and
/// `more` says whether the reading stopped before its end.
#[must_use]
pub fn neighbors(
    window: &Window,
    order: Direction,
    first: Option<Position>,
    last: Option<Position>,
    more: bool,
) -> (Option<Window>, Option<Window>) {
    // A cursor's own position stays reachable even when everything beyond it has gone since.
    let beside = |position: &Position, direction: Direction| Position {
        key: direction.next_key(&position.key),
        ..position.clone()
    };
    match window {
        Window::First => (None, last.filter(|_| more).map(Window::After)),
        Window::After(from) => (
            Some(Window::Before(first.unwrap_or_else(|| beside(from, order)))),
            last.filter(|_| more).map(Window::After),
        ),
        Window::Before(from) => (
            first.filter(|_| more).map(Window::Before),
            Some(Window::After(
                last.unwrap_or_else(|| beside(from, order.reversed())),
            )),
        ),
    }
}

/// Cuts what was read to a page, puts it in the collection's order, and says where it goes on.
fn page(
    mut read: Vec<(String, Item)>,
    mut more: bool,
    limit: usize,
    window: &Window,
    order: Direction,
    stopped_at: Option<String>,
) -> Slice<Item> {
    let mut stopped_at = stopped_at;
    if read.len() > limit {
        read.truncate(limit);
        more = true;
        stopped_at = None;
    }
    let reached = stopped_at.or_else(|| read.last().map(|(key, _)| key.clone()));
    let begun = read.first().map(|(key, _)| key.clone());
    let (first, last) = if window.is_backward() {
        read.reverse();
        (reached, begun)
    } else {
        (begun, reached)
    };
    let (previous, next) = neighbors(
        window,
        order,
        first.map(Position::at),
        last.map(Position::at),
        more,
    );
    Slice {
        items: read.into_iter().map(|(_, item)| item).collect(),
        previous,
        next,
    }
}

impl Store {
    /// Reads a page of one range: one Query.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn walk(
        &self,
        range: KeyRange,
        order: Direction,
        window: &Window,
        limit: PageLimit,
    ) -> Result<Slice<Item>> {
        let direction = window.reading(order);
        let range = match window.position() {
            Some(from) => range.beyond(&from.key, direction),
            None => range,
        };
        let limit = limit.get();
        let QueryOutput { items, more } = self.query(&range, direction, limit + 1).await?;
        let read = with_keys(items, range.index.sk)?;
        // Asked for one more than a page, DynamoDB may still stop earlier, at 1 MB (AWS: Query).
        let cut = more && read.len() <= limit;
        Ok(page(read, cut, limit, window, order, None))
    }

    /// Reads a page of what stands in buckets by id, and how many there are in all: the counters and one or two
    /// buckets side by side; further buckets, side by side too, only where ids have been deleted.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn walk_buckets(
        &self,
        bucket: fn(u64) -> String,
        [count, ids]: [Counter; 2],
        order: Direction,
        window: &Window,
        limit: PageLimit,
    ) -> Result<Counted<Item>> {
        let limit = limit.get();
        let direction = window.reading(order);
        let down = direction == Direction::Descending;
        let from = window.position().map(|p| p.key.parse::<u64>());
        let from = from
            .transpose()
            .map_err(|_| corrupt("a cursor of another walk"))?;
        let begin = match from {
            Some(id) if down => Some(id.saturating_sub(1)),
            Some(id) => Some(id.saturating_add(1)),
            None if down => None,
            None => Some(1),
        };
        let (begin, [count, last], (mut read, mut cut)) = if let Some(begin) = begin {
            let first = first_buckets(begin, direction, limit);
            let (counters, read) = tokio::try_join!(
                self.read_counters([count, ids]),
                self.read_buckets(bucket, &first, begin, direction, limit)
            )?;
            (begin, counters, read)
        } else {
            // Down from the end: only the counter knows where that is.
            let counters = self.read_counters([count, ids]).await?;
            let first = first_buckets(counters[1], direction, limit);
            let read = self
                .read_buckets(bucket, &first, counters[1], direction, limit)
                .await?;
            (counters[1], counters, read)
        };
        let ends_at = if down { 0 } else { last / BUCKET };
        let mut reached = first_buckets(begin, direction, limit)
            .last()
            .copied()
            .unwrap_or_default();
        if read.len() <= limit && !cut && before_end(reached, ends_at, direction) {
            let further: Vec<u64> = if down {
                (reached.saturating_sub(FURTHER_BUCKETS)..reached).rev().collect()
            } else {
                (reached + 1..=ends_at.min(reached + FURTHER_BUCKETS)).collect()
            };
            let wanted = limit - read.len();
            let (rest, rest_cut) = self
                .read_buckets(bucket, &further, begin, direction, wanted)
                .await?;
            read.extend(rest);
            cut = rest_cut;
            reached = further.last().copied().unwrap_or(reached);
        }
        let unread = before_end(reached, ends_at, direction);
        let boundary = if down {
            reached * BUCKET
        } else {
            reached * BUCKET + BUCKET - 1
        };
        // A reading that was cut goes on at its last item, a complete one at the end of its last bucket.
        let stopped_at = (unread && !cut).then(|| id_text(boundary));
        Ok(Counted {
            count,
            slice: page(read, unread || cut, limit, window, order, stopped_at),
        })
    }

    /// Reads buckets side by side, up to where a page is full or DynamoDB stopped at 1 MB; says whether it did.
    async fn read_buckets(
        &self,
        bucket: fn(u64) -> String,
        buckets: &[u64],
        begin: u64,
        direction: Direction,
        limit: usize,
    ) -> Result<(Vec<(String, Item)>, bool)> {
        let ranges: Vec<KeyRange> = buckets
            .iter()
            .map(|number| KeyRange::ids(bucket(*number)).starting_at_id(begin, direction))
            .collect();
        let mut read = Vec::new();
        for QueryOutput { items, more } in self.query_all(&ranges, direction, limit + 1).await? {
            read.extend(with_keys(items, keys::SK)?);
            if more {
                // Either way what comes after isn't next: this bucket goes on.
                let cut = read.len() <= limit;
                return Ok((read, cut));
            }
        }
        Ok((read, false))
    }
}

/// Whether buckets are left to read between `reached` and the end.
fn before_end(reached: u64, end: u64, direction: Direction) -> bool {
    match direction {
        Direction::Ascending => reached < end,
        Direction::Descending => reached > end,
    }
}

/// The bucket that holds `begin`, and its neighbor when a page may run into it.
fn first_buckets(begin: u64, direction: Direction, limit: usize) -> Vec<u64> {
    let bucket = begin / BUCKET;
    let within = begin % BUCKET;
    let (left, neighbor) = match direction {
        Direction::Ascending => (BUCKET - within, Some(bucket + 1)),
        Direction::Descending => (within + 1, bucket.checked_sub(1)),
    };
    let neighbor = neighbor.filter(|_| left <= limit as u64);
    [bucket].into_iter().chain(neighbor).collect()
}

/// Items with the sort key they were found by.
fn with_keys(items: Vec<Item>, attribute: &str) -> Result<Vec<(String, Item)>> {
    items
        .into_iter()
        .map(|item| {
            let key = item
                .get(attribute)
                .and_then(|value| value.as_s().ok())
                .cloned()
                .ok_or_else(|| corrupt("an item without a sort key"))?;
            Ok((key, item))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_the_next_bucket_only_when_it_may_run_into_it() {
        assert_eq!(first_buckets(1, Direction::Ascending, 20), [0]);
        assert_eq!(first_buckets(236, Direction::Ascending, 20), [0, 1]);
        assert_eq!(first_buckets(235, Direction::Ascending, 20), [0]);
        assert_eq!(first_buckets(256, Direction::Descending, 20), [1, 0]);
        assert_eq!(first_buckets(5, Direction::Descending, 20), [0]);
        assert_eq!(first_buckets(300, Direction::Descending, 20), [1]);
    }
}
