//! From what requests took in a small catalog to what ten thousand a second take in a large one.

use std::collections::BTreeMap;

use marquee_shared::db::keys::{BUCKET, LIKES_SHARDS, id_at_end, id_text};

use super::{
    access::{Access, Space},
    mix::Asked,
};

/// How many of the most popular movies and users are looked at one by one.
const LOOKED_AT: u64 = 64;

/// An odd number that no popular size has a divisor in common with: it scatters ranks over ids.
const SCATTER: u64 = 7_368_787;

/// How large the catalog is taken to be, and how large the one that was recorded is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) movies: u64,
    pub(crate) recorded_movies: u64,
    /// Whether the movies that lists show are the latest ids together, as where movies are added when they come out, or
    /// anywhere.
    pub(crate) is_in_order: bool,
}

/// Units a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heat {
    pub(crate) reads: f64,
    pub(crate) writes: f64,
}

impl Heat {
    fn add(&mut self, other: Self, times: f64) {
        self.reads += other.reads * times;
        self.writes += other.writes * times;
    }

    /// How near this is to what a partition gives, by whichever is nearer.
    pub(crate) fn share(self) -> f64 {
        (self.reads / READS).max(self.writes / WRITES)
    }
}

/// Read units a second of one partition.
pub(crate) const READS: f64 = 3_000.0;
/// Write units a second of one partition.
pub(crate) const WRITES: f64 = 1_000.0;

/// A number below `size` that says nothing of the id, and is another for each.
fn scattered(id: u64, size: u64) -> u64 {
    (u128::from(id) * u128::from(SCATTER) % u128::from(size)) as u64
}

/// Popularity by rank: Zipf's law. Ranks are scattered over the ids.
pub(crate) struct Zipf {
    /// The share of requests that are for each id, from 1 on.
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

    /// The share of an id, which may be of a movie that was added since.
    fn of_id(&self, id: u64) -> f64 {
        let at = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        at.and_then(|at| self.shares.get(at)).copied().unwrap_or_default()
    }

    /// Every id with its share.
    fn ids(&self) -> impl Iterator<Item = (u64, f64)> {
        (1..).zip(self.shares.iter().copied())
    }

    /// The ids of the most popular.
    fn popular(&self) -> Vec<u64> {
        let size = self.shares.len() as u64;
        let popular = (1..=size).filter(|id| scattered(*id, size) < LOOKED_AT);
        popular.collect()
    }

    /// What all ids have together that `group` says the same of, a small number.
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

/// Keys whose heat follows that of movies or of users: what all of them take together, for one kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    /// The movie that a request asks for: its item.
    Movie,
    /// Its favorites.
    Favorites,
    /// Its entry in the index by likes.
    Likes,
    /// The item of the user who asks.
    User,
    /// Another key of the user's own, of this kind.
    Own(Space, OwnKind),
}

/// Keys of which each user has one of their own.
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
            Self::Session => "SESSION",
            Self::Attempts => "ATTEMPTS",
            Self::Favorites => "USER_FAVORITES",
        }
    }
}

/// The heat of every key.
pub(crate) struct Scale<'a> {
    size: Size,
    movies: &'a Zipf,
    users: &'a Zipf,
    families: BTreeMap<Family, Heat>,
    keys: BTreeMap<(Space, String), Heat>,
    /// Those of the keys' items that are read or written one by one.
    items: BTreeMap<(String, String), Heat>,
}

/// A partition key, its heat, and its hottest item's.
pub(crate) struct Hot {
    pub(crate) space: Space,
    pub(crate) pk: String,
    pub(crate) heat: Heat,
    pub(crate) item: Heat,
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

    /// An access that is made this often in a second.
    pub(crate) fn take(&mut self, access: &Access, asked: Asked, rate: f64) {
        let heat = Heat {
            reads: access.reads,
            writes: access.writes,
        };
        if let Some(family) = family(access, asked) {
            self.families.entry(family).or_default().add(heat, rate);
            return;
        }
        let (pk, sk) = self.placed(access, asked);
        if let Some(sk) = sk {
            let item = self.items.entry((pk.clone(), sk)).or_default();
            item.add(heat, rate);
        }
        let key = self.keys.entry((access.space, pk)).or_default();
        key.add(heat, rate);
    }

    /// Where a key that isn't the asker's own stands in the large catalog.
    fn placed(&self, access: &Access, asked: Asked) -> (String, Option<String>) {
        let (kind, rest) = access.pk.split_once('#').unwrap_or((&access.pk, ""));
        if kind != "MOVIES" || access.space != Space::Table {
            return (access.pk.clone(), access.sk.clone());
        }
        let of_movie = |id: u64| (format!("MOVIES#{}", id / BUCKET), Some(id_text(id)));
        match (access.sk.as_deref().and_then(id_at_end), rest.parse::<u64>()) {
            (Some(_), _) if asked.is_new => of_movie(self.size.movies + 1),
            (Some(id), _) => of_movie(self.movie(id)),
            // A page of all movies is of the first or of the last.
            (None, Ok(bucket)) if bucket > 0 => (format!("MOVIES#{}", self.size.movies / BUCKET), None),
            _ => (access.pk.clone(), None),
        }
    }

    /// The id in the large catalog of a movie that a list of the recorded one showed.
    fn movie(&self, id: u64) -> u64 {
        if self.size.is_in_order {
            id + self.size.movies.saturating_sub(self.size.recorded_movies)
        } else {
            1 + scattered(id * SCATTER, self.size.movies)
        }
    }

    /// The hottest partition key of every kind of key, hottest first.
    pub(crate) fn hottest(&self) -> Vec<Hot> {
        let mut keys = self.keys.clone();
        let mut items = self.items.clone();
        self.spread_movies(&mut keys, &mut items);
        self.spread_users(&mut keys, &mut items);

        let mut hottest: BTreeMap<(Space, String), Hot> = BTreeMap::new();
        for ((space, pk), heat) in keys {
            let kind = pk.split('#').next().unwrap_or_default().to_owned();
            let share = heat.share();
            let hot = Hot {
                space,
                pk,
                heat,
                item: Heat::default(),
            };
            match hottest.get(&(space, kind.clone())) {
                Some(other) if other.heat.share() >= share => {}
                _ => {
                    hottest.insert((space, kind), hot);
                }
            }
        }
        let mut hottest: Vec<Hot> = hottest.into_values().collect();
        for hot in hottest.iter_mut().filter(|hot| hot.space == Space::Table) {
            let own = items
                .iter()
                .filter(|((pk, _), _)| *pk == hot.pk)
                .map(|(_, heat)| *heat);
            if let Some(item) = own.max_by(|a, b| a.share().total_cmp(&b.share())) {
                hot.item = item;
            }
        }
        hottest.sort_by(|a, b| b.heat.share().total_cmp(&a.heat.share()));
        hottest
    }

    /// Adds what is taken from the movies that are asked for, each as popular as it is.
    fn spread_movies(
        &self,
        keys: &mut BTreeMap<(Space, String), Heat>,
        items: &mut BTreeMap<(String, String), Heat>,
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
            let key = (Space::ByLikes, format!("LIKES#{shard}"));
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

    /// Adds what is taken from the keys of the users who ask, each as often as they do.
    fn spread_users(
        &self,
        keys: &mut BTreeMap<(Space, String), Heat>,
        items: &mut BTreeMap<(String, String), Heat>,
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
            for (family, heat) in &self.families {
                if let Family::Own(space, kind) = family {
                    let pk = format!("{}#{id}", kind.name());
                    keys.entry((*space, pk)).or_default().add(*heat, share);
                }
            }
        }
    }
}

/// The family of a key that is the asked movie's or the asking user's own.
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
        "SESSION" => Some(Family::Own(access.space, OwnKind::Session)),
        "ATTEMPTS" => Some(Family::Own(access.space, OwnKind::Attempts)),
        "USER_FAVORITES" => Some(Family::Own(access.space, OwnKind::Favorites)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use marquee_shared::{
        db::keys,
        domain::{MovieId, UserId},
    };

    use super::*;

    /// The names of families follow the keys: a key of no family is not scaled, and its heat is not that of a large catalog.
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
            (keys::session("9"), Family::Own(Space::Table, OwnKind::Session)),
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
        let likes = keys::likes_shard(7 % LIKES_SHARDS);
        assert_eq!(family_of(Space::ByLikes, likes, None), Some(Family::Likes));
    }
}
