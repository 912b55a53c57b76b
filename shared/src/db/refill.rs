//! Refilling the lists of newest movies that ran out, after many of the listed movies were deleted, or in a table of an
//! earlier version.
//!
//! A refill has three steps, each of which may be the last one of an interrupted refill:
//!
//! 1. It lowers the floor, and marks the genre as being refilled. From then on every write of a movie at the new floor or
//!    above it maintains the movie's entry, and readers don't rely on the list.
//! 2. It reads all memberships of the genre, strongly consistent.
//! 3. It adds the entries that are missing and removes the mark. The transaction checks that each of these memberships is
//!    still the one that was read.
//!
//! Then the list has every movie at the floor or above it. If the last change of a movie was committed before step 1, step 2
//! reads its membership. If it was committed after step 1, its own transaction wrote the entry. The mark is a random number.
//! So step 3 fails if another refill has begun, even if the genre was deleted and added again before that.

use std::{collections::BTreeMap, ops::Range};

use aws_sdk_dynamodb::types::ReturnValue;
use rand::RngExt as _;

use crate::{
    db::{
        expression::{Condition, Update},
        genre::{GenreItem, genre_by_date},
        index,
        item::{Attributes as _, StoredItem, corrupt, from_item, number, text, to_attribute},
        keys::{self, BY_DATE, TABLE},
        movie::movie_id,
        newest::{Entries, Entry, Floor, KEPT, SHOWN},
        newest_change::{Known, NewestChange},
        page::{PageLimit, Window},
        posting_keys,
        range::{Direction, KeyRange},
        store::Store,
        transaction::{Outcome, Transaction},
    },
    error::Result,
};

/// How many memberships one Query of step 2 reads: at most 86 units.
const PASS: usize = 1_000;
/// The most attempts at step 3. The next sweep begins again.
const ATTEMPTS: usize = 10;
/// Half of a mark, which is odd and has 16 digits.
const HALVES: Range<u64> = 500_000_000_000_000..4_999_999_999_999_999;

impl Store {
    /// AP-38: refills the list of every genre that ran out. Returns how many it refilled.
    ///
    /// The number of calls grows with the number of genres, and with the movies of those that ran out. So only the sweep calls
    /// this, never a request.
    pub async fn refill_genres(&self) -> Result<usize> {
        let mut refilled = 0;
        let mut window = Window::First;
        loop {
            let range = KeyRange::partition(TABLE, keys::GENRES);
            let slice = self
                .walk(range, Direction::Ascending, &window, PageLimit::MAX)
                .await?;
            let mut empty = Vec::new();
            for item in slice.items {
                let genre: GenreItem = from_item(item)?;
                if genre.newest.latest(SHOWN.get(), genre.n)?.is_none() {
                    empty.push(genre);
                }
            }
            // A large genre takes long, so it comes last.
            empty.sort_by_key(|genre| genre.n);
            for genre in &empty {
                refilled += usize::from(self.refill(genre).await?);
            }
            match slice.next {
                Some(next) => window = next,
                None => return Ok(refilled),
            }
        }
    }

    /// AP-36: removes the lists of all genres, for an operator. A list is wrong if an earlier version, which doesn't maintain
    /// lists, has written the table since. Readers use the index until the genres are refilled.
    ///
    /// The number of calls grows with the number of genres, so no request calls this.
    pub async fn forget_newest(&self) -> Result<()> {
        let forget =
            Update::new("REMOVE #newest, #floor").only_if(Condition::new("attribute_exists(#newest)"));
        for genre in self.all_genres().await? {
            let key = keys::genre(&genre.identity);
            // The condition fails if the genre has no list, or was deleted meanwhile.
            let _forgotten = self.update(&key, &forget, ReturnValue::None).await?;
        }
        Ok(())
    }

    /// Refills the list of one genre, as it was read. Returns `false` if the genre was deleted, another refill of it
    /// began, or others changed it too often meanwhile.
    pub async fn refill(&self, genre: &GenreItem) -> Result<bool> {
        let Some(begun) = self.begin_refill(genre).await? else {
            return Ok(false);
        };
        let Some((_, floor)) = &begun.newest.listed else {
            return Err(corrupt("a refill without a floor"));
        };
        let members = self.members_above(&begun.identity, floor).await?;
        self.end_refill(begun, members).await
    }

    /// Step 1. The floor is only an estimate, so it is read from the index, which may be behind. Returns the genre as it is
    /// then.
    async fn begin_refill(&self, genre: &GenreItem) -> Result<Option<GenreItem>> {
        let by_date = genre_by_date(&genre.identity);
        let latest = self.query(&by_date, Direction::Descending, KEPT).await?.items;
        let floor = match latest.get(KEPT - 1) {
            Some(item) => Floor::at(&entry(item)?),
            None => Floor::lowest(),
        };
        let fill = genre.newest.fill;
        let began = rand::rng().random_range(HALVES) * 2 + 1;
        let mut begin =
            Update::new("SET #floor = :floor, #fill = :began, #newest = if_not_exists(#newest, :none)")
                .value(":floor", to_attribute(&floor)?)
                .value(":began", number(began))
                .value(":none", to_attribute(&Entries::default())?)
                .identified_by("fill", number(began))
                .only_if(Condition::exists());
        begin = if fill == 0 {
            begin.when("attribute_not_exists(#fill)")
        } else {
            begin.when("#fill = :fill").value(":fill", number(fill))
        };
        let begun = self
            .update(&keys::genre(&genre.identity), &begin, ReturnValue::AllNew)
            .await?;
        begun.ok().map(from_item).transpose()
    }

    /// Step 2: the newest memberships of the genre at this floor or above it, as many as a list keeps.
    async fn members_above(&self, identity: &str, floor: &Floor) -> Result<Members> {
        let mut members = Members::default();
        let mut range = index::members(identity);
        loop {
            let read = self.query(&range, Direction::Ascending, PASS).await?;
            for item in &read.items {
                let entry = entry(item)?;
                if floor.covers(&entry) {
                    members.dates.insert(entry, date(item)?);
                }
                while members.dates.len() > KEPT {
                    members.dates.pop_first();
                    members.floor = members.dates.keys().next().map(Floor::at);
                }
            }
            match read.rest_of(range, Direction::Ascending) {
                Some(rest) => range = rest,
                None => return Ok(members),
            }
        }
    }

    /// Step 3. After a failed condition the change is planned again: without each membership that has changed since, because
    /// the write that changed it also maintains its entry, and with the genre's item as it is then.
    async fn end_refill(&self, mut genre: GenreItem, mut members: Members) -> Result<bool> {
        let began = genre.newest.fill;
        for _ in 0..ATTEMPTS {
            let added: Vec<Entry> = members.dates.keys().cloned().collect();
            let known = Known::Newest(&genre.newest);
            let change = NewestChange::plan(known, &added, &[], members.floor.as_ref()).ending(began);
            let mut transaction = Transaction::default();
            let on = self.on(keys::genre(&genre.identity));
            let genre_action = transaction.add(on.update(change.update(0))?);
            let mut checks = Vec::new();
            for entry in change.entering() {
                let key = posting_keys::genre_membership(&genre.identity, entry.movie()?);
                let date = members.dates.get(entry).cloned().unwrap_or_default();
                // What follows the id are the movie's other genres, which don't matter here.
                let unchanged = Condition::new("begins_with(#date, :date)").value(":date", text(date));
                checks.push((entry.clone(), transaction.add(self.on(key).check(unchanged)?)));
            }
            let outcome = self.transact(&transaction).await?;
            if let Outcome::Committed = outcome {
                return Ok(true);
            }
            for (entry, _) in checks.iter().filter(|(_, action)| outcome.failed(*action)) {
                members.dates.remove(entry);
            }
            if outcome.failed(genre_action) {
                let Some(item) = outcome.item(genre_action).cloned() else {
                    return Ok(false);
                };
                genre = from_item(item)?;
                if genre.newest.fill != began {
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }
}

/// The newest memberships of a genre.
#[derive(Default)]
struct Members {
    /// Their release dates with the movies' ids, as stored, by entry.
    dates: BTreeMap<Entry, String>,
    /// The lowest of these entries, if the genre has more at the floor of the refill or above it.
    floor: Option<Floor>,
}

/// The entry of the movie that an item with a `date` is about.
fn entry(item: &StoredItem) -> Result<Entry> {
    let date = date(item)?;
    let (day, _) = date
        .split_once(keys::END)
        .ok_or_else(|| corrupt("a membership without a release date"))?;
    Ok(Entry::of_date(day, movie_id(item)?))
}

/// The `date` of an item, to the end of the movie's id.
fn date(item: &StoredItem) -> Result<String> {
    item.text(BY_DATE.sk)
        .map(|date| keys::date_position(date).to_owned())
        .ok_or_else(|| corrupt("a membership without a date"))
}
