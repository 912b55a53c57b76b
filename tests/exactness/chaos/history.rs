//! Checks what clients saw of one object against its specification: whether there is an order of all requests that explains
//! every answer, in which each request takes effect at one moment between its beginning and its end (Herlihy and Wing,
//! "Linearizability", 1990).
//!
//! The search is that of Wing and Gong, with Lowe's memory of the states that were reached ("Testing for linearizability",
//! 2017): a set of requests that took effect, with the state after them, is examined once.

use std::{collections::HashSet, fmt::Debug, hash::Hash, time::Instant};

/// The most states that a search examines. One that finds no order until then has failed.
const MOST_STATES: usize = 1_000_000;

/// The specification of an object.
pub(super) trait Object: Clone + Eq + Hash + Debug {
    /// A request with what its client saw.
    type Event: Debug;

    /// The object after the event. `None` if the client would have seen something else.
    fn after(&self, event: &Self::Event) -> Option<Self>;

    /// Whether the event changes nothing, at whatever moment it takes effect.
    fn is_read(event: &Self::Event) -> bool;
}

/// An event, and when it may have taken effect.
#[derive(Debug)]
pub(super) struct Entry<E> {
    pub(super) start: Instant,
    pub(super) end: Instant,
    pub(super) event: E,
    /// Whether it took effect. If not, it may have taken effect or not.
    pub(super) is_certain: bool,
    /// Whether it took effect after the entry before it in the history.
    pub(super) follows: bool,
}

/// The events of one object, in any order.
#[derive(Debug)]
pub(super) struct History<E>(Vec<Entry<E>>);

impl<E> Default for History<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E> History<E> {
    /// Adds an entry. One that [follows](Entry::follows) another is added right after it, with the same start.
    pub(super) fn add(&mut self, entry: Entry<E>) {
        if entry.follows {
            assert_eq!(self.0.last().map(|last| last.start), Some(entry.start));
        }
        self.0.push(entry);
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<E> Extend<Entry<E>> for History<E> {
    fn extend<I: IntoIterator<Item = Entry<E>>>(&mut self, entries: I) {
        for entry in entries {
            self.add(entry);
        }
    }
}

/// A point of the search.
struct Point<O> {
    object: O,
    /// Which entries have taken effect or were left out, a bit each.
    done: Vec<u64>,
    /// The first entry that isn't done.
    first: usize,
    /// How many entries are done.
    count: usize,
    /// What remains to be tried here, the next one last. `true` is an entry that takes effect, `false` one that is left out.
    choices: Vec<(usize, bool)>,
}

impl<O: Object> Point<O> {
    fn new(object: O, entries: &[Entry<O::Event>], done: Vec<u64>, first: usize, count: usize) -> Self {
        let mut point = Self {
            object,
            done,
            first,
            count,
            choices: Vec::new(),
        };
        while point.is_done(point.first) {
            point.first += 1;
        }
        point.choices = point.choices(entries);
        point
    }

    fn is_done(&self, at: usize) -> bool {
        self.done
            .get(at / 64)
            .is_some_and(|bits| bits >> (at % 64) & 1 == 1)
    }

    /// The entries that can be next: those that began before the first end of all that aren't done.
    fn choices(&self, entries: &[Entry<O::Event>]) -> Vec<(usize, bool)> {
        let mut open = Vec::new();
        let mut earliest: Option<usize> = None;
        for (at, entry) in entries.iter().enumerate().skip(self.first) {
            if earliest.is_some_and(|earliest| entries[earliest].end < entry.start) {
                break;
            }
            if self.is_done(at) {
                continue;
            }
            open.push(at);
            if earliest.is_none_or(|earliest| entry.end < entries[earliest].end) {
                earliest = Some(at);
            }
        }
        let Some(earliest) = earliest else {
            return Vec::new();
        };
        open.retain(|&at| {
            entries[at].start <= entries[earliest].end && (!entries[at].follows || self.is_done(at - 1))
        });
        // The last one is tried first: certain entries before others, and among them the one that ended first.
        open.sort_by_key(|&at| (entries[at].is_certain, std::cmp::Reverse(entries[at].end)));
        // A read that is right now needs no other moment.
        let is_right = |at: &&usize| {
            let event = &entries[**at].event;
            O::is_read(event) && self.object.after(event).is_some()
        };
        if let Some(&at) = open.iter().find(is_right) {
            return vec![(at, true)];
        }
        let mut choices = Vec::new();
        // Leaving an entry out is a matter of the moment when it prevents others, and not of an earlier one.
        if !entries[earliest].is_certain {
            choices.push((earliest, false));
        }
        choices.extend(open.into_iter().map(|at| (at, true)));
        choices
    }

    /// Where the search is: the object, and the entries that could be next.
    fn describe(&self, entries: &[Entry<O::Event>]) -> String {
        let mut text = format!(
            "{} of {} events lead to {:?}; then one of:",
            self.count,
            entries.len(),
            self.object
        );
        for (at, _) in self.choices.iter().filter(|(_, takes_effect)| *takes_effect) {
            text.push_str(&describe(entries, &entries[*at]));
        }
        text
    }

    /// The point after a choice. `None` if the object contradicts it.
    fn after(&self, entries: &[Entry<O::Event>], (at, takes_effect): (usize, bool)) -> Option<Self> {
        let object = if takes_effect {
            self.object.after(&entries[at].event)?
        } else {
            self.object.clone()
        };
        let mut done = self.done.clone();
        done[at / 64] |= 1 << (at % 64);
        Some(Self::new(object, entries, done, self.first, self.count + 1))
    }
}

/// A line with an entry and its times since the first one began.
fn describe<E: Debug>(entries: &[Entry<E>], entry: &Entry<E>) -> String {
    let begin = entries[0].start;
    let [start, end] = [entry.start, entry.end].map(|time| (time - begin).as_secs_f64());
    let certain = if entry.is_certain { "" } else { " perhaps" };
    let follows = if entry.follows { " then" } else { "" };
    format!(
        "\n    {start:.4} s to {end:.4} s{certain}{follows} {:?}",
        entry.event
    )
}

/// Looks for an order of the history that explains it, for an object that begins like this.
///
/// # Errors
/// Returns a description of where the longest attempt ended, if no order that explains the history was found.
pub(super) fn explain<O: Object>(history: &mut History<O::Event>, begin: O) -> Result<(), String> {
    let entries = &mut history.0;
    // Stable, so that an entry stays behind the one that it follows.
    entries.sort_by_key(|entry| entry.start);
    let entries = &*entries;
    let done = vec![0; entries.len().div_ceil(64)];
    let mut seen = HashSet::new();
    let mut longest: Option<(usize, String)> = None;
    let mut points = vec![Point::new(begin, entries, done, 0, 0)];
    while let Some(point) = points.last_mut() {
        if point.count == entries.len() {
            return Ok(());
        }
        if longest.as_ref().is_none_or(|(count, _)| *count < point.count) {
            longest = Some((point.count, point.describe(entries)));
        }
        let Some(choice) = point.choices.pop() else {
            points.pop();
            continue;
        };
        let Some(next) = point.after(entries, choice) else {
            continue;
        };
        if seen.insert((next.done.clone(), next.object.clone())) {
            if seen.len() > MOST_STATES {
                break;
            }
            points.push(next);
        }
    }
    let all: String = entries.iter().map(|entry| describe(entries, entry)).collect();
    Err(format!(
        "{} states were tried; {}\n  all events:{all}",
        seen.len(),
        longest.map(|(_, text)| text).unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A register with a number.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Register(u32);

    #[derive(Clone, Copy, Debug)]
    enum Access {
        Write(u32),
        Read(u32),
        /// Adds 1, and returns the number before.
        Next(u32),
        /// Writes 0 if the register has this number, and nothing otherwise.
        Clear(u32),
    }

    use Access::{Clear, Next, Read, Write};

    impl Object for Register {
        type Event = Access;

        fn after(&self, event: &Access) -> Option<Self> {
            match *event {
                Write(number) => Some(Self(number)),
                Read(number) => (number == self.0).then(|| self.clone()),
                Next(number) => (number == self.0).then_some(Self(number + 1)),
                Clear(number) if number == self.0 => Some(Self(0)),
                Clear(_) => Some(self.clone()),
            }
        }

        fn is_read(event: &Access) -> bool {
            matches!(event, Read(_))
        }
    }

    /// Whether these events, each with its start and its end, can be explained. An event whose end is negative may not have
    /// taken effect.
    fn is_explained(events: &[(i64, i64, Access)]) -> bool {
        let begin = Instant::now();
        let at = |time: i64| begin + Duration::from_secs(time.unsigned_abs());
        let mut history = History::default();
        for &(start, end, event) in events {
            history.add(Entry {
                start: at(start),
                end: at(end),
                event,
                is_certain: end >= 0,
                follows: false,
            });
        }
        explain(&mut history, Register(0)).is_ok()
    }

    #[test]
    fn what_one_client_saw_is_explained_by_the_order_of_its_requests_alone() {
        assert!(is_explained(&[]));
        assert!(is_explained(&[
            (0, 1, Write(1)),
            (2, 3, Read(1)),
            (4, 5, Next(1)),
            (6, 7, Read(2))
        ]));
        assert!(!is_explained(&[(0, 1, Write(1)), (2, 3, Read(0))]));
        assert!(!is_explained(&[(0, 1, Read(1)), (2, 3, Write(1))]));
        // The order of the list doesn't count.
        assert!(is_explained(&[(2, 3, Read(1)), (0, 1, Write(1))]));
    }

    #[test]
    fn requests_at_the_same_time_take_effect_in_any_order() {
        assert!(is_explained(&[
            (0, 9, Write(1)),
            (0, 9, Write(2)),
            (0, 9, Read(0))
        ]));
        assert!(is_explained(&[
            (0, 9, Write(1)),
            (1, 2, Read(0)),
            (3, 4, Read(1))
        ]));
        // Once it was seen, it stays.
        assert!(!is_explained(&[
            (0, 9, Write(1)),
            (1, 2, Read(1)),
            (3, 4, Read(0))
        ]));
        // Both wrote, so the reader of 1 came between them.
        assert!(is_explained(&[
            (0, 9, Write(1)),
            (0, 9, Write(2)),
            (1, 2, Read(1)),
            (3, 4, Read(2))
        ]));
        assert!(!is_explained(&[
            (0, 9, Write(1)),
            (0, 9, Write(2)),
            (1, 2, Read(1)),
            (3, 4, Read(2)),
            (5, 6, Read(1))
        ]));
    }

    #[test]
    fn a_lost_and_a_doubled_change_are_not_explained() {
        assert!(is_explained(&[
            (0, 9, Next(0)),
            (0, 9, Next(1)),
            (10, 11, Read(2))
        ]));
        // Two that saw the same number: one of them is lost.
        assert!(!is_explained(&[
            (0, 9, Next(0)),
            (0, 9, Next(0)),
            (10, 11, Read(1))
        ]));
        // One that was made twice.
        assert!(!is_explained(&[(0, 9, Next(0)), (10, 11, Read(2))]));
    }

    #[test]
    fn a_change_that_would_change_nothing_now_may_take_effect_later() {
        assert!(is_explained(&[
            (0, 9, Clear(1)),
            (1, 2, Write(1)),
            (10, 11, Read(0))
        ]));
        assert!(is_explained(&[
            (0, 9, Clear(1)),
            (1, 2, Write(1)),
            (10, 11, Read(1))
        ]));
    }

    #[test]
    fn an_event_without_an_answer_took_effect_before_its_end_or_never() {
        for seen in [0, 1] {
            assert!(is_explained(&[
                (0, -9, Write(1)),
                (2, 3, Read(seen)),
                (10, 11, Read(seen))
            ]));
        }
        assert!(is_explained(&[
            (0, -9, Write(1)),
            (2, 3, Read(0)),
            (8, 12, Read(1))
        ]));
        assert!(!is_explained(&[
            (0, -9, Write(1)),
            (2, 3, Read(1)),
            (10, 11, Read(0))
        ]));
        assert!(!is_explained(&[
            (0, -9, Write(1)),
            (10, 11, Read(0)),
            (12, 13, Read(1))
        ]));
    }

    #[test]
    fn an_entry_that_follows_another_takes_effect_after_it() {
        let begin = Instant::now();
        for (first, second, is_right) in [(Next(0), Read(1), true), (Next(0), Read(0), false)] {
            let mut history = History::default();
            for (event, follows) in [(first, false), (second, true)] {
                history.add(Entry {
                    start: begin,
                    end: begin + Duration::from_secs(1),
                    event,
                    is_certain: true,
                    follows,
                });
            }
            assert_eq!(explain(&mut history, Register(0)).is_ok(), is_right);
        }
    }

    #[test]
    fn hundreds_of_events_of_which_many_overlap_are_decided() {
        let mut events: Vec<_> = (0..600)
            .map(|n| (i64::from(n), i64::from(n) + 8, Next(n)))
            .collect();
        assert!(is_explained(&events));
        events.push((700, 701, Read(601)));
        assert!(!is_explained(&events));
    }
}
