//! How many connections a server holds at once, and which one goes when there is no room.
//!
//! Whoever connects takes a file descriptor of this process and keeps it for as long as they like. So each listener has
//! a fixed number of places. When all are taken, the connection that has waited longest for its client is closed: first
//! among those without a request under way (idle ones, and those with a part of a request's head), then among those
//! whose client has been sending its body, or reading its answer, for a second or more. That its client moves now and
//! then makes no difference, or a byte a second would be enough to keep a place. A connection whose request is being
//! worked on is never closed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long a client may take for its part of a request before its connection may be closed for another's.
const CLIENTS_TURN: Duration = Duration::from_secs(1);

/// How long a newcomer waits for the place of a connection that is being closed.
const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// What this process can hold at once, by the number of file descriptors it may have.
///
/// The listeners' connections are not all that takes descriptors: each function's call to an endpoint over TCP takes
/// one, the embedded engine's side of it another, and its files some more. So half of them stay free for those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// Connections to the API.
    pub api: usize,
    /// Connections to the embedded engine's endpoint, the functions' own among them.
    pub engine: usize,
    /// Requests that functions work on at the same time; more wait.
    pub invocations: usize,
}

impl Ceilings {
    /// The ceilings under this process's limit on descriptors, once the soft limit is raised to the hard one.
    #[must_use]
    pub fn of_process() -> Self {
        Self::under(raise_descriptor_limit())
    }

    /// The ceilings under a limit of so many descriptors.
    #[must_use]
    pub fn under(descriptors: u64) -> Self {
        let share = |part: u64, least: usize, most: usize| {
            usize::try_from(descriptors / part)
                .unwrap_or(usize::MAX)
                .clamp(least, most)
        };
        Self {
            // Some 60 KB each at the worst.
            api: share(4, 16, 512),
            engine: share(8, 16, 4096),
            invocations: share(16, 8, 256),
        }
    }
}

/// Raises the soft limit on this process's file descriptors to the hard one, and returns the limit that holds then.
#[cfg(unix)]
pub fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// The most that macOS takes, whatever its hard limit says (`OPEN_MAX`).
    const EVERYWHERE: u64 = 10_240;

    let hard = getrlimit(Resource::Nofile).maximum;
    // No limit is `None`. A system that has none as its hard limit may still refuse it as the soft one.
    for current in [hard, Some(EVERYWHERE)] {
        let now = getrlimit(Resource::Nofile).current;
        if now.is_none() || current.is_some_and(|current| now >= Some(current)) {
            break;
        }
        let raised = Rlimit {
            current,
            maximum: hard,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            break;
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The number of sockets a process may have where the system sets no limit of its own.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() -> u64 {
    8192
}

/// The places of one listener.
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
    /// Those without a request under way, longest first.
    idle: BTreeSet<(Instant, u64)>,
    /// Those that wait for their client in the middle of a request, longest first.
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

/// Whether there is a connection to close for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// One is being closed.
    Closing,
    /// From then on there will be one, unless it gets on with its request.
    At(Instant),
    /// All are being worked on.
    None,
}

/// A connection's place. Dropping it makes room.
#[derive(Debug)]
pub struct Place {
    of: Arc<Connections>,
    id: u64,
    close: Arc<Notify>,
}

impl Connections {
    /// Places for `limit` connections.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            registry: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A place for one more connection, which is idle at first. When all are taken, closes the one that has waited
    /// longest for its client. When there is none such, since all are being worked on, waits for `patience`; `None`
    /// when nothing has changed by then.
    pub async fn admit(self: &Arc<Self>, patience: Duration) -> Option<Place> {
        let begun = Instant::now();
        let mut closed_by = None;
        loop {
            if let Some(place) = self.take() {
                return Some(place);
            }
            let look_again = match self.make_room() {
                Room::Closing => *closed_by.get_or_insert_with(|| Instant::now() + ROOM_WITHIN),
                Room::At(instant) if instant <= begun + CLIENTS_TURN.max(patience) => instant,
                Room::At(_) | Room::None if begun.elapsed() >= patience => return None,
                Room::At(_) | Room::None => begun + patience,
            };
            // A place that is freed before this waits leaves its notice behind.
            let freed = timeout_at(look_again, self.freed.notified()).await;
            if freed.is_err() && closed_by.is_some_and(|by| by <= Instant::now()) {
                return self.take();
            }
        }
    }

    /// The number of connections that have a place.
    #[must_use]
    pub fn open(&self) -> usize {
        self.registry().open.len()
    }

    /// Has the connection closed that has waited longest for its client, unless one is being closed already.
    pub fn make_room(&self) -> Room {
        let mut registry = self.registry();
        if registry.closing > 0 {
            return Room::Closing;
        }
        let id = match (registry.idle.first(), registry.waiting.first()) {
            // Whoever has had its turn goes before a newcomer whose request is about to come.
            (Some((idle, _)), Some((since, id)))
                if since < idle && *since + CLIENTS_TURN <= Instant::now() =>
            {
                *id
            }
            (Some((_, id)), _) => *id,
            (None, Some((since, id))) => {
                let until = *since + CLIENTS_TURN;
                if until > Instant::now() {
                    return Room::At(until);
                }
                *id
            }
            (None, None) => return Room::None,
        };
        registry.set(id, State::Closing);
        Room::Closing
    }

    fn take(self: &Arc<Self>) -> Option<Place> {
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
        Some(Place {
            of: Arc::clone(self),
            id,
            close,
        })
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // Nothing that holds the lock panics half-way.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Moves a connection to another state, unless it is being closed. Returns whether it isn't.
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

impl Place {
    /// A request is being worked on: the connection isn't closed for another. Returns `false` when it is being closed
    /// already; nothing more should be begun then.
    #[must_use]
    pub fn working(&self) -> bool {
        let mut registry = self.of.registry();
        match registry.open.get(&self.id).map(|entry| entry.state) {
            Some(State::Working) => true,
            _ => registry.set(self.id, State::Working),
        }
    }

    /// A request is under way, and its client must send or read before it can go on. The first time counts, until it
    /// is worked on or done.
    pub fn waiting(&self) {
        let mut registry = self.of.registry();
        if let Some(State::Working | State::Idle(_)) = registry.open.get(&self.id).map(|entry| entry.state) {
            registry.set(self.id, State::Waiting(Instant::now()));
        }
    }

    /// No request is under way.
    pub fn idle(&self) {
        self.of.registry().set(self.id, State::Idle(Instant::now()));
    }

    /// Resolves when the connection is to be closed to make room for another.
    pub async fn closed(&self) {
        self.close.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.registry().remove(self.id);
        self.of.freed.notify_one();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    /// Whether the place is to be closed.
    async fn is_closed(place: &Place) -> bool {
        timeout(Duration::ZERO, place.closed()).await.is_ok()
    }

    /// Admits one more while whoever is told to go goes; returns its place and the index of who went.
    async fn admit(connections: &Arc<Connections>, places: &mut Vec<Option<Place>>) -> Option<usize> {
        let goes = async {
            let closed = places.iter().enumerate().filter_map(|(index, place)| {
                let place = place.as_ref()?;
                Some(Box::pin(async move {
                    place.closed().await;
                    index
                }))
            });
            futures_util::future::select_all(closed).await.0
        };
        let gone = tokio::select! {
            biased;
            gone = goes => gone,
            place = connections.admit(Duration::ZERO) => {
                assert!(place.is_none(), "there was room");
                return None;
            }
        };
        places[gone] = None;
        places.push(connections.admit(Duration::ZERO).await);
        assert!(places.last().unwrap().is_some());
        Some(gone)
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_goes_first_then_the_longest_waiting_and_the_working_never() {
        let connections = Connections::new(4);
        let mut places = Vec::new();
        for _ in 0..4 {
            places.push(Some(connections.admit(Duration::ZERO).await.unwrap()));
            advance(Duration::from_millis(10)).await;
        }
        let place = |places: &Vec<Option<Place>>, index: usize, action: &dyn Fn(&Place)| {
            action(places[index].as_ref().unwrap());
        };
        // 0 works and is idle again, so it is younger than the others; 1 and 2 have requests under way.
        place(&places, 0, &|place| assert!(place.working()));
        place(&places, 1, &|place| assert!(place.working()));
        place(&places, 2, &Place::waiting);
        let begun = Instant::now();
        advance(Duration::from_millis(10)).await;
        place(&places, 0, &Place::idle);
        assert_eq!(admit(&connections, &mut places).await, Some(3));
        assert_eq!(admit(&connections, &mut places).await, Some(0));
        // The two newcomers work; the waiting one has its time, and that it moved makes no difference.
        place(&places, 4, &|place| assert!(place.working()));
        place(&places, 5, &|place| assert!(place.working()));
        advance(Duration::from_millis(500)).await;
        place(&places, 2, &Place::waiting);
        assert_eq!(admit(&connections, &mut places).await, Some(2));
        assert_eq!(begun.elapsed(), CLIENTS_TURN);
        // All four work, and whoever comes is told so at once.
        place(&places, 6, &|place| assert!(place.working()));
        assert_eq!(admit(&connections, &mut places).await, None);
        assert_eq!(begun.elapsed(), CLIENTS_TURN);
        assert_eq!(connections.open(), 4);
        drop(places);
        assert_eq!(connections.open(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_had_its_turn_goes_before_a_newcomer() {
        let connections = Connections::new(2);
        let slow = connections.admit(Duration::ZERO).await.unwrap();
        slow.waiting();
        advance(CLIENTS_TURN).await;
        let new = connections.admit(Duration::ZERO).await.unwrap();
        assert_eq!(connections.make_room(), Room::Closing);
        assert!(is_closed(&slow).await && !is_closed(&new).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_client_is_done_in_time_is_spared() {
        let connections = Connections::new(1);
        let place = connections.admit(Duration::ZERO).await.unwrap();
        place.waiting();
        let done_soon = async {
            tokio::time::sleep(CLIENTS_TURN / 2).await;
            assert!(place.working());
        };
        let (admitted, ()) = tokio::join!(connections.admit(Duration::ZERO), done_soon);
        assert!(admitted.is_none() && !is_closed(&place).await);
        // Its client's next part has its own time.
        place.waiting();
        assert!(matches!(connections.make_room(), Room::At(until) if until == Instant::now() + CLIENTS_TURN));
    }

    #[tokio::test(start_paused = true)]
    async fn one_goes_for_each_newcomer_and_begins_nothing_more() {
        let connections = Connections::new(2);
        let old = connections.admit(Duration::ZERO).await.unwrap();
        let other = connections.admit(Duration::ZERO).await.unwrap();
        // Twice asked for room before it has gone.
        assert_eq!(
            [connections.make_room(), connections.make_room()],
            [Room::Closing; 2]
        );
        assert!(is_closed(&old).await && !is_closed(&other).await);
        assert!(!old.working() && other.working());
        old.idle();
        old.waiting();
        let (admitted, ()) = tokio::join!(connections.admit(Duration::ZERO), async { drop(old) });
        assert!(admitted.is_some() && !is_closed(&other).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_go_keeps_nobody_waiting_for_ever() {
        let connections = Connections::new(1);
        let _stays = connections.admit(Duration::ZERO).await.unwrap();
        let begun = Instant::now();
        assert!(connections.admit(Duration::ZERO).await.is_none());
        assert_eq!(begun.elapsed(), ROOM_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_patient_gets_the_place_of_a_request_that_ends() {
        let connections = Connections::new(1);
        let place = connections.admit(Duration::ZERO).await.unwrap();
        assert!(place.working());
        let begun = Instant::now();
        assert!(connections.admit(Duration::from_secs(9)).await.is_none());
        assert_eq!(begun.elapsed().as_secs(), 9);
        let ends_soon = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop(place);
        };
        let (admitted, ()) = tokio::join!(connections.admit(Duration::from_secs(9)), ends_soon);
        assert!(admitted.is_some());
        assert_eq!(begun.elapsed().as_secs(), 14);
    }

    #[test]
    fn the_shares_leave_half_of_the_descriptors_for_all_else() {
        for descriptors in [256, 1024, 4096, 20_000, 1 << 20, u64::MAX] {
            let ceilings = Ceilings::under(descriptors);
            assert!(
                (ceilings.api + ceilings.engine) as u64 <= descriptors / 2,
                "{descriptors}: {ceilings:?}"
            );
            assert!(ceilings.api >= 16 && ceilings.invocations >= 8);
        }
        assert_eq!(
            Ceilings::under(1024),
            Ceilings {
                api: 256,
                engine: 128,
                invocations: 64
            }
        );
        assert!(Ceilings::under(u64::MAX).api <= 512);
    }

    #[cfg(unix)]
    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        use rustix::process::{Resource, getrlimit};

        let limit = raise_descriptor_limit();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current.unwrap_or(u64::MAX), limit);
        assert!(now.current == now.maximum || limit >= 10_240, "{now:?}");
    }
}
