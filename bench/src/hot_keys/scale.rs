//! Scales the units of recorded requests in a small catalog to a rate in a large one.

use std::collections::BTreeMap;

use marquee_shared::db::{
    keys::{BUCKET, id_at_end, id_text, likes_shard},
    likes::LIKES_SHARDS,
};

use super::{
    access::{Access, Space},
    mix::Asked,
};

/// The number of most popular movies and users whose load is computed one by one.
const LOOKED_AT: u64 = 64;

/// Scatters ranks over ids. It is odd and has no divisor in common with the usual sizes.
const SCATTER: u64 = 7_368_787;

/// The sizes of the large catalog and of the recorded one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) movies: u64,
    pub(crate) recorded_movies: u64,
    /// Whether the movies in lists have the latest ids, as they do if movies are added when they are released. Otherwise
    /// their ids are spread over all ids.
    pub(crate) is_in_order: bool,
}

/// Units per second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) reads: f64,
    pub(crate) writes: f64,
}

impl Load {
    fn add(&mut self, other: Self, times: f64) {
        self.reads += other.reads * times;
        self.writes += other.writes * times;
    }

    /// Returns the share of a partition's rate: that of reads or that of writes, whichever is larger.
    pub(crate) fn share(self) -> f64 {
        (self.reads / READS).max(self.writes / WRITES)
    }
}

/// The read units that a partition serves per second.
pub(crate) const READS: f64 = 3_000.0;
/// The write units that a partition serves per second.
pub(crate) const WRITES: f64 = 1_000.0;

/// Returns a number below `size`: a different one for each id, in no particular order.
fn scattered(id: u64, size: u64) -> u64 {
    (u128::from(id) * u128::from(SCATTER) % u128::from(size)) as u64
}

/// Popularity by Zipf's law. The ranks are scattered over the ids.
pub(crate) struct Zipf {
    /// The share of the requests for each id, from id 1 on.
    shares: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(size: u64, exponent: f64) -> Self {
        let weights = (1..=size).map(|id| ((scattered(id, size) + 1) as f64).powf(-exponent));
        let mut shares: Vec<f64> = weights.collect();
        let sum: f64 = shares.iter().sum();
        for share in &mut shares {
            *share /= sum;
        }
        Self { shares }
    }

    /// Returns the share of an id. 0 for a movie that was added later.
    fn of_id(&self, id: u64) -> f64 {
        let at = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        at.and_then(|at| self.shares.get(at)).copied().unwrap_or_default()
    }

    /// Returns every id and its share.
    fn ids(&self) -> impl Iterator<Item = (u64, f64)> {
        (1..).zip(self.shares.iter().copied())
    }

    /// Returns the most popular ids.
    fn popular(&self) -> Vec<u64> {
        let size = self.shares.len() as u64;
        let popular = (1..=size).filter(|id| scattered(*id, size) < LOOKED_AT);
        popular.collect()
    }

    /// Returns the sum of the shares of the ids in each group. `group` maps an id to a small number.
    fn of_groups(&self, group: impl Fn(u64) -> u64) -> Vec<f64> {
        let mut groups = Vec::new();
        for (id, share) in self.ids() {
            let at = group(id) as usize;
            if groups.len() <= at {
                groups.resize(at + 1, 0.0);
            }
            groups[at] += share;
        }
        groups
    }
}

/// A kind of key of which each movie or each user has one. The load is divided among them by their popularity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    /// The item of the movie in the path.
    Movie,
    /// The favorites of that movie.
    Favorites,
    /// The entry of that movie in the index by likes.
    Likes,
    /// The item of the user who sends the request.
    User,
    /// Another key of that user.
    Own(Space, OwnKind),
}

/// Other kinds of key of which each user has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum OwnKind {
    Login,
    Session,
    Attempts,
    Favorites,
}

impl OwnKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Login => "LOGIN",
            Self::Session => "SESSIONS",
            Self::Attempts => "ATTEMPTS",
            Self::Favorites => "USER_FAVORITES",
        }
    }
}

/// The load of every key that was recorded.
pub(crate) struct Scale<'a> {
    size: Size,
    movies: &'a Zipf,
    users: &'a Zipf,
    families: BTreeMap<Family, Load>,
    keys: BTreeMap<(Space, String), Load>,
    /// The load of items that are read or written one by one.
    items: BTreeMap<(String, String), Load>,
}

/// A partition key, its load, and the load of its hottest item.
pub(crate) struct HotKey {
    pub(crate) space: Space,
    pub(crate) pk: String,
    pub(crate) load: Load,
    pub(crate) item: Load,
}

impl<'a> Scale<'a> {
    pub(crate) fn new(size: Size, movies: &'a Zipf, users: &'a Zipf) -> Self {
        Self {
            size,
            movies,
            users,
            families: BTreeMap::new(),
            keys: BTreeMap::new(),
            items: BTreeMap::new(),
        }
    }

    /// Adds an access that is made this often per second.
    pub(crate) fn take(&mut self, access: &Access, asked: Asked, rate: f64) {
        let load = Load {
            reads: access.reads,
            writes: access.writes,
        };
        if let Some(family) = family(access, asked) {
            self.families.entry(family).or_default().add(load, rate);
            return;
        }
        let (pk, sk) = self.placed(access, asked);
        if let Some(sk) = sk {
            let item = self.items.entry((pk.clone(), sk)).or_default();
            item.add(load, rate);
        }
        let key = self.keys.entry((access.space, pk)).or_default();
        key.add(load, rate);
    }

    /// Returns the key in the large catalog for a recorded key that belongs neither to the movie in the path nor to the
    /// user.
    fn placed(&self, access: &Access, asked: Asked) -> (String, Option<String>) {
        let (kind, rest) = access.pk.split_once('#').unwrap_or((&access.pk, ""));
        if kind != "MOVIES" || access.space != Space::Table {
            return (access.pk.clone(), access.sk.clone());
        }
        let of_movie = |id: u64| (format!("MOVIES#{}", id / BUCKET), Some(id_text(id)));
        match (access.sk.as_deref().and_then(id_at_end), rest.parse::<u64>()) {
            (Some(_), _) if asked.is_new => of_movie(self.size.movies + 1),
            (Some(id), _) => of_movie(self.movie(id)),
            // A page of all movies is the first or the last page.
            (None, Ok(bucket)) if bucket > 0 => (format!("MOVIES#{}", self.size.movies / BUCKET), None),
            _ => (access.pk.clone(), None),
        }
    }

    /// Returns the id in the large catalog for a movie in a recorded list.
    fn movie(&self, id: u64) -> u64 {
        if self.size.is_in_order {
            id + self.size.movies.saturating_sub(self.size.recorded_movies)
        } else {
            1 + scattered(id * SCATTER, self.size.movies)
        }
    }

    /// Returns the hottest partition key of each kind, the hottest first.
    pub(crate) fn hottest(&self) -> Vec<HotKey> {
        let mut keys = self.keys.clone();
        let mut items = self.items.clone();
        self.spread_movies(&mut keys, &mut items);
        self.spread_users(&mut keys, &mut items);

        let mut hottest: BTreeMap<(Space, String), HotKey> = BTreeMap::new();
        for ((space, pk), load) in keys {
            let kind = pk.split('#').next().unwrap_or_default().to_owned();
            let share = load.share();
            let hot = HotKey {
                space,
                pk,
                load,
                item: Load::default(),
            };
            match hottest.get(&(space, kind.clone())) {
                Some(other) if other.load.share() >= share => {}
                _ => {
                    hottest.insert((space, kind), hot);
                }
            }
        }
        let mut hottest: Vec<HotKey> = hottest.into_values().collect();
        for hot in hottest.iter_mut().filter(|hot| hot.space == Space::Table) {
            let own = items
                .iter()
                .filter(|((pk, _), _)| *pk == hot.pk)
                .map(|(_, load)| *load);
            if let Some(item) = own.max_by(|a, b| a.share().total_cmp(&b.share())) {
                hot.item = item;
            }
        }
        hottest.sort_by(|a, b| b.load.share().total_cmp(&a.load.share()));
        hottest
    }

    /// Adds the load of the movies in paths, by their popularity.
    fn spread_movies(
        &self,
        keys: &mut BTreeMap<(Space, String), Load>,
        items: &mut BTreeMap<(String, String), Load>,
    ) {
        let of = |family| self.families.get(&family).copied().unwrap_or_default();
        let (movies, favorites, likes) = (of(Family::Movie), of(Family::Favorites), of(Family::Likes));
        for (bucket, share) in self.movies.of_groups(|id| id / BUCKET).into_iter().enumerate() {
            let key = (Space::Table, format!("MOVIES#{bucket}"));
            keys.entry(key).or_default().add(movies, share);
        }
        for (shard, share) in self
            .movies
            .of_groups(|id| id % LIKES_SHARDS)
            .into_iter()
            .enumerate()
        {
            let key = (Space::ByLikes, likes_shard(shard as u64));
            keys.entry(key).or_default().add(likes, share);
        }
        let shown = self.items.keys().filter(|(pk, _)| pk.starts_with("MOVIES#"));
        let shown = shown.filter_map(|(_, sk)| id_at_end(sk));
        let mut looked_at = self.movies.popular();
        looked_at.extend(shown);
        looked_at.sort_unstable();
        looked_at.dedup();
        for id in looked_at {
            let share = self.movies.of_id(id);
            let item = (format!("MOVIES#{}", id / BUCKET), id_text(id));
            items.entry(item).or_default().add(movies, share);
            let own = (Space::Table, format!("FAVORITES#{id}"));
            keys.entry(own).or_default().add(favorites, share);
        }
    }

    /// Adds the load of the keys of users, by their popularity.
    fn spread_users(
        &self,
        keys: &mut BTreeMap<(Space, String), Load>,
        items: &mut BTreeMap<(String, String), Load>,
    ) {
        let users = self.families.get(&Family::User).copied().unwrap_or_default();
        for (bucket, share) in self.users.of_groups(|id| id / BUCKET).into_iter().enumerate() {
            let key = (Space::Table, format!("USERS#{bucket}"));
            keys.entry(key).or_default().add(users, share);
        }
        for id in self.users.popular() {
            let share = self.users.of_id(id);
            let item = (format!("USERS#{}", id / BUCKET), id_text(id));
            items.entry(item).or_default().add(users, share);
            for (family, load) in &self.families {
                if let Family::Own(space, kind) = family {
                    let pk = format!("{}#{id}", kind.name());
                    keys.entry((*space, pk)).or_default().add(*load, share);
                }
            }
        }
    }
}

/// Returns the family of a key of the movie in the path or of the user who sent the request.
fn family(access: &Access, asked: Asked) -> Option<Family> {
    let (kind, rest) = access.pk.split_once('#')?;
    let id = access.sk.as_deref().and_then(id_at_end);
    let is_movie = |id: Option<u64>| id.is_some() && id == asked.movie;
    match kind {
        "MOVIES" if is_movie(id) => Some(Family::Movie),
        "FAVORITES" if is_movie(rest.parse().ok()) => Some(Family::Favorites),
        "LIKES" if asked.movie.is_some() && access.writes > 0.0 => Some(Family::Likes),
        "USERS" if id == Some(asked.user) => Some(Family::User),
        "LOGIN" => Some(Family::Own(access.space, OwnKind::Login)),
        "SESSIONS" => Some(Family::Own(access.space, OwnKind::Session)),
        "ATTEMPTS" => Some(Family::Own(access.space, OwnKind::Attempts)),
        "USER_FAVORITES" => Some(Family::Own(access.space, OwnKind::Favorites)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use marquee_shared::{
        db::keys,
        domain::{MovieId, SessionId, UserId},
    };

    use super::*;

    /// A key without a family isn't scaled, so its load would not be that of a large catalog.
    #[test]
    fn a_key_of_the_asked_movie_or_the_asking_user_has_its_family() {
        let (movie, user) = (MovieId::try_from(7).unwrap(), UserId::try_from(9).unwrap());
        let asked = Asked {
            movie: Some(7),
            user: 9,
            is_new: false,
        };
        let family_of = |space, pk: String, sk: Option<String>| {
            let access = Access {
                space,
                pk,
                sk,
                reads: 1.0,
                writes: 1.0,
            };
            family(&access, asked)
        };
        for (key, expected) in [
            (keys::movie(movie), Family::Movie),
            (keys::favorite(movie, user), Family::Favorites),
            (keys::user(user), Family::User),
            (keys::login("ripley"), Family::Own(Space::Table, OwnKind::Login)),
            (
                keys::session(user, SessionId::new([9; 16])),
                Family::Own(Space::Table, OwnKind::Session),
            ),
        ] {
            let pk = key.pk.clone();
            assert_eq!(
                family_of(Space::Table, key.pk, Some(key.sk)),
                Some(expected),
                "{pk}"
            );
        }
        let own = Family::Own(Space::ByDate, OwnKind::Favorites);
        assert_eq!(
            family_of(Space::ByDate, keys::user_favorites(user), None),
            Some(own)
        );
        let likes = keys::liked(movie, LIKES_SHARDS);
        assert_eq!(family_of(Space::ByLikes, likes, None), Some(Family::Likes));
    }
}
