//! How many connections a server holds at the same time, and which one is closed when there is no slot for a new one.
//!
//! Each client that connects takes a file descriptor of this process for as long as it likes. So each listener has a fixed
//! number of slots. When all slots are taken, the connection that has waited longest for its client is closed. Connections
//! without a complete request head are closed first: idle ones, and those that have received part of a head. Next are
//! connections whose client has been sending a body or reading a response for a second or more. It makes no difference
//! whether the client has sent or read something in that second; otherwise one byte per second would keep a slot. A
//! connection whose request is being processed is never closed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// How long a client may send a body or read a response before its connection may be closed for a new one.
const CLIENT_WITHIN: Duration = Duration::from_secs(1);

/// How long a new connection waits for the slot of a connection that is being closed.
const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// The slots of one listener.
#[derive(Debug)]
pub struct Connections {
    limit: usize,
    registry: Mutex<Registry>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Registry {
    next: u64,
    open: HashMap<u64, Entry>,
    /// Connections without a request, longest idle first.
    idle: BTreeSet<(Instant, u64)>,
    /// Connections that wait for their client in the middle of a request, longest waiting first.
    waiting: BTreeSet<(Instant, u64)>,
    closing: usize,
}

#[derive(Debug)]
struct Entry {
    state: State,
    close: Arc<Notify>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle(Instant),
    Waiting(Instant),
    Working,
    Closing,
}

/// Whether a connection can be closed to free its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// A connection is being closed.
    UnderWay,
    /// From this instant on a connection can be closed, unless its request is processed before.
    At(Instant),
    /// Every connection's request is being processed.
    Impossible,
}

/// A connection's slot. Dropping it frees the slot.
#[derive(Debug)]
pub struct Slot {
    of: Arc<Connections>,
    id: u64,
    close: Arc<Notify>,
}

impl Connections {
    /// Slots for `limit` connections.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            registry: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Returns a slot for a new connection, which is idle at first. When all slots are taken, closes the connection that
    /// has waited longest for its client. When every connection's request is being processed, waits for at most `wait`.
    /// Returns `None` when there is no slot then.
    pub async fn admit(self: &Arc<Self>, wait: Duration) -> Option<Slot> {
        let begun = Instant::now();
        let mut closed_by = None;
        loop {
            if let Some(slot) = self.take() {
                return Some(slot);
            }
            let look_again = match self.evict() {
                Eviction::UnderWay => *closed_by.get_or_insert_with(|| Instant::now() + ROOM_WITHIN),
                Eviction::At(instant) if instant <= begun + CLIENT_WITHIN.max(wait) => instant,
                Eviction::At(_) | Eviction::Impossible if begun.elapsed() >= wait => return None,
                Eviction::At(_) | Eviction::Impossible => begun + wait,
            };
            // `Notify` keeps the notice of a slot that is freed before this waits.
            let freed = timeout_at(look_again, self.freed.notified()).await;
            if freed.is_err() && closed_by.is_some_and(|by| by <= Instant::now()) {
                return self.take();
            }
        }
    }

    /// The number of connections that have a slot.
    #[must_use]
    pub fn open(&self) -> usize {
        self.registry().open.len()
    }

    /// Closes the connection that has waited longest for its client, unless one is being closed already.
    pub fn evict(&self) -> Eviction {
        let mut registry = self.registry();
        if registry.closing > 0 {
            return Eviction::UnderWay;
        }
        let id = match (registry.idle.first(), registry.waiting.first()) {
            // A client that has used up its time is closed before a new connection whose request is about to arrive.
            (Some((idle, _)), Some((since, id)))
                if since < idle && *since + CLIENT_WITHIN <= Instant::now() =>
            {
                *id
            }
            (Some((_, id)), _) => *id,
            (None, Some((since, id))) => {
                let until = *since + CLIENT_WITHIN;
                if until > Instant::now() {
                    return Eviction::At(until);
                }
                *id
            }
            (None, None) => return Eviction::Impossible,
        };
        registry.set(id, State::Closing);
        Eviction::UnderWay
    }

    fn take(self: &Arc<Self>) -> Option<Slot> {
        let mut registry = self.registry();
        if registry.open.len() >= self.limit {
            return None;
        }
        let id = registry.next;
        registry.next += 1;
        let close = Arc::new(Notify::new());
        let since = Instant::now();
        registry.idle.insert((since, id));
        let entry = Entry {
            state: State::Idle(since),
            close: Arc::clone(&close),
        };
        registry.open.insert(id, entry);
        Some(Slot {
            of: Arc::clone(self),
            id,
            close,
        })
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // No code panics while it holds the lock and has changed half of the registry.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Changes a connection's state, unless the connection is being closed. Returns whether the state was changed.
    fn set(&mut self, id: u64, state: State) -> bool {
        let Some(entry) = self.open.get_mut(&id) else {
            return false;
        };
        match entry.state {
            State::Closing => return false,
            State::Idle(since) => self.idle.remove(&(since, id)),
            State::Waiting(since) => self.waiting.remove(&(since, id)),
            State::Working => true,
        };
        entry.state = state;
        match state {
            State::Idle(since) => {
                self.idle.insert((since, id));
            }
            State::Waiting(since) => {
                self.waiting.insert((since, id));
            }
            State::Working => {}
            State::Closing => {
                self.closing += 1;
                entry.close.notify_one();
            }
        }
        true
    }

    fn remove(&mut self, id: u64) {
        match self.open.remove(&id).map(|entry| entry.state) {
            Some(State::Idle(since)) => {
                self.idle.remove(&(since, id));
            }
            Some(State::Waiting(since)) => {
                self.waiting.remove(&(since, id));
            }
            Some(State::Closing) => self.closing -= 1,
            Some(State::Working) | None => {}
        }
    }
}

impl Slot {
    /// Marks the connection's request as being processed, so that the connection isn't closed for another. Returns `false`
    /// when it is being closed already; the request must not be processed then.
    #[must_use]
    pub fn working(&self) -> bool {
        let mut registry = self.of.registry();
        match registry.open.get(&self.id).map(|entry| entry.state) {
            Some(State::Working) => true,
            _ => registry.set(self.id, State::Working),
        }
    }

    /// Marks the connection as waiting for its client to send a body or read a response. Repeated calls don't restart the
    /// time; it starts anew once the request has been processed or is done.
    pub fn waiting(&self) {
        let mut registry = self.of.registry();
        if let Some(State::Working | State::Idle(_)) = registry.open.get(&self.id).map(|entry| entry.state) {
            registry.set(self.id, State::Waiting(Instant::now()));
        }
    }

    /// Marks the connection as having no request.
    pub fn idle(&self) {
        self.of.registry().set(self.id, State::Idle(Instant::now()));
    }

    /// Resolves when the connection must be closed to free its slot.
    pub async fn closed(&self) {
        self.close.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.of.registry().remove(self.id);
        self.of.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    /// Whether the connection of this slot must be closed.
    async fn is_closed(slot: &Slot) -> bool {
        timeout(Duration::ZERO, slot.closed()).await.is_ok()
    }

    /// Admits a connection while the one that must be closed is closed. Returns the index of the closed one.
    async fn admit(connections: &Arc<Connections>, slots: &mut Vec<Option<Slot>>) -> Option<usize> {
        let goes = async {
            let closed = slots.iter().enumerate().filter_map(|(index, slot)| {
                let slot = slot.as_ref()?;
                Some(Box::pin(async move {
                    slot.closed().await;
                    index
                }))
            });
            futures_util::future::select_all(closed).await.0
        };
        let gone = tokio::select! {
            biased;
            gone = goes => gone,
            slot = connections.admit(Duration::ZERO) => {
                assert!(slot.is_none(), "a slot was free");
                return None;
            }
        };
        slots[gone] = None;
        slots.push(connections.admit(Duration::ZERO).await);
        assert!(slots.last().unwrap().is_some());
        Some(gone)
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_is_closed_first_then_the_longest_waiting_and_the_working_never() {
        let connections = Connections::new(4);
        let mut slots = Vec::new();
        for _ in 0..4 {
            slots.push(Some(connections.admit(Duration::ZERO).await.unwrap()));
            advance(Duration::from_millis(10)).await;
        }
        let slot = |slots: &Vec<Option<Slot>>, index: usize, action: &dyn Fn(&Slot)| {
            action(slots[index].as_ref().unwrap());
        };
        // Connection 0 has been processed and is idle again, later than the others; 1 and 2 have requests.
        slot(&slots, 0, &|slot| assert!(slot.working()));
        slot(&slots, 1, &|slot| assert!(slot.working()));
        slot(&slots, 2, &Slot::waiting);
        let begun = Instant::now();
        advance(Duration::from_millis(10)).await;
        slot(&slots, 0, &Slot::idle);
        assert_eq!(admit(&connections, &mut slots).await, Some(3));
        assert_eq!(admit(&connections, &mut slots).await, Some(0));
        // The two new connections are being processed. Calling `waiting` again doesn't prolong the time of 2.
        slot(&slots, 4, &|slot| assert!(slot.working()));
        slot(&slots, 5, &|slot| assert!(slot.working()));
        advance(Duration::from_millis(500)).await;
        slot(&slots, 2, &Slot::waiting);
        assert_eq!(admit(&connections, &mut slots).await, Some(2));
        assert_eq!(begun.elapsed(), CLIENT_WITHIN);
        // All four are being processed, so the next one is refused at once.
        slot(&slots, 6, &|slot| assert!(slot.working()));
        assert_eq!(admit(&connections, &mut slots).await, None);
        assert_eq!(begun.elapsed(), CLIENT_WITHIN);
        assert_eq!(connections.open(), 4);
        drop(slots);
        assert_eq!(connections.open(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_used_up_its_time_is_closed_before_a_new_one() {
        let connections = Connections::new(2);
        let slow = connections.admit(Duration::ZERO).await.unwrap();
        slow.waiting();
        advance(CLIENT_WITHIN).await;
        let new = connections.admit(Duration::ZERO).await.unwrap();
        assert_eq!(connections.evict(), Eviction::UnderWay);
        assert!(is_closed(&slow).await && !is_closed(&new).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_client_is_done_in_time_is_kept() {
        let connections = Connections::new(1);
        let slot = connections.admit(Duration::ZERO).await.unwrap();
        slot.waiting();
        let done_soon = async {
            tokio::time::sleep(CLIENT_WITHIN / 2).await;
            assert!(slot.working());
        };
        let (admitted, ()) = tokio::join!(connections.admit(Duration::ZERO), done_soon);
        assert!(admitted.is_none() && !is_closed(&slot).await);
        // Waiting after processing has a time of its own.
        slot.waiting();
        assert!(
            matches!(connections.evict(), Eviction::At(until) if until == Instant::now() + CLIENT_WITHIN)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_is_closed_for_each_new_connection_and_begins_nothing_more() {
        let connections = Connections::new(2);
        let old = connections.admit(Duration::ZERO).await.unwrap();
        let other = connections.admit(Duration::ZERO).await.unwrap();
        // A second call before the connection is closed.
        assert_eq!(
            [connections.evict(), connections.evict()],
            [Eviction::UnderWay; 2]
        );
        assert!(is_closed(&old).await && !is_closed(&other).await);
        assert!(!old.working() && other.working());
        old.idle();
        old.waiting();
        let (admitted, ()) = tokio::join!(connections.admit(Duration::ZERO), async { drop(old) });
        assert!(admitted.is_some() && !is_closed(&other).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_close_keeps_no_other_waiting_forever() {
        let connections = Connections::new(1);
        let _stays = connections.admit(Duration::ZERO).await.unwrap();
        let begun = Instant::now();
        assert!(connections.admit(Duration::ZERO).await.is_none());
        assert_eq!(begun.elapsed(), ROOM_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_waits_gets_the_slot_of_a_request_that_ends() {
        let connections = Connections::new(1);
        let slot = connections.admit(Duration::ZERO).await.unwrap();
        assert!(slot.working());
        let begun = Instant::now();
        assert!(connections.admit(Duration::from_secs(9)).await.is_none());
        assert_eq!(begun.elapsed().as_secs(), 9);
        let ends_soon = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop(slot);
        };
        let (admitted, ()) = tokio::join!(connections.admit(Duration::from_secs(9)), ends_soon);
        assert!(admitted.is_some());
        assert_eq!(begun.elapsed().as_secs(), 14);
    }
}
