//! The auditor: reads the whole table and reports every item that disagrees with another.
//!
//! It scans, which no request does. Where DynamoDB has limits that the embedded engine lacks, it checks them too.

mod idempotency;
mod newest;
mod postings;
mod users;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};

pub use self::vocabulary::missing_words;
use marquee_shared::{
    db::{
        Key, Store,
        genre::GenreItem,
        imdb_id::ImdbIdItem,
        item::{Attributes as _, Item, from_item},
        keys,
        layout::LAYOUT,
        likes::{LikesShards, ONE_FAVORITE},
        movie::MovieItem,
        outbox::MailItem,
        password_reset::ResetItem,
        user::{LoginItem, UserItem},
    },
    domain::{Genre, ImdbId, MovieId, UserId},
};

/// Asserts that no item of the table disagrees with another.
pub async fn audit(store: &Store) {
    let found = discrepancies(store).await;
    assert!(
        found.is_empty(),
        "the table disagrees with itself:\n{}",
        found.join("\n")
    );
}

/// The disagreements between the items of the table, a sentence each.
pub async fn discrepancies(store: &Store) -> Vec<String> {
    let mut items = Items {
        likes_shards: store.likes_shards,
        ..Items::default()
    };
    for item in scan(store).await {
        items.add(item);
    }
    items.movies();
    items.postings();
    items.genres();
    items.words();
    items.imdb_ids();
    items.favorites();
    items.owners();
    items.users();
    items.counters();
    items.found
}

/// Every item of the table.
pub async fn scan(store: &Store) -> Vec<Item> {
    let mut items = Vec::new();
    let mut start = None;
    loop {
        let page = store
            .client
            .scan()
            .table_name(&*store.table)
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .send()
            .await
            .unwrap();
        items.extend(page.items.unwrap_or_default());
        start = page.last_evaluated_key;
        if start.is_none() {
            return items;
        }
    }
}

/// The items of the table, by their class.
#[derive(Default)]
struct Items {
    likes_shards: LikesShards,
    movies: BTreeMap<MovieId, MovieItem>,
    users: BTreeMap<UserId, UserItem>,
    logins: BTreeMap<String, LoginItem>,
    /// Postings and memberships.
    index: BTreeMap<Key, Item>,
    /// The genres, by the identity in the key.
    genres: BTreeMap<String, GenreItem>,
    imdb_ids: BTreeMap<Key, MovieId>,
    favorites: BTreeMap<(MovieId, UserId), Item>,
    sweeps: BTreeSet<MovieId>,
    /// The movies of each user, by their items.
    owned: BTreeSet<(MovieId, UserId)>,
    /// The deleted accounts that are still looked after.
    leaving: BTreeSet<UserId>,
    counters: BTreeMap<String, u64>,
    sessions: Vec<(Key, Item)>,
    /// The users who have a password reset token.
    reset_tokens: BTreeSet<UserId>,
    /// The vocabulary.
    vocabulary: BTreeMap<Key, Item>,
    found: Vec<String>,
}

impl Items {
    /// Reports a disagreement.
    fn report(&mut self, text: impl Into<String>) {
        self.found.push(text.into());
    }

    /// Adds an item to its class, without its keys.
    fn add(&mut self, mut item: Item) {
        let key = Key::of(&item).unwrap();
        self.sizes(&key, &item);
        item.remove(keys::PK);
        item.remove(keys::SK);
        let id = || keys::id_at_end(&key.sk);
        let movie_id = |id: Option<u64>| id.and_then(|id| MovieId::try_from(id).ok());
        match key.pk.split('#').next().unwrap() {
            "MOVIES" => match from_item::<MovieItem>(item) {
                Ok(movie) => {
                    if keys::movie(movie.id) != key {
                        self.report(format!("movie {} has the key {key:?}", movie.id));
                    }
                    self.movies.insert(movie.id, movie);
                }
                Err(e) => self.report(format!("{key:?} is not a valid movie: {e:?}")),
            },
            "USERS" => {
                if item.contains_key("password_hash") {
                    self.report(format!("{key:?} has a password hash"));
                }
                match from_item::<UserItem>(item) {
                    Ok(user) => {
                        if keys::user(user.id) != key {
                            self.report(format!("user {} has the key {key:?}", user.id));
                        }
                        self.users.insert(user.id, user);
                    }
                    Err(e) => self.report(format!("{key:?} is not a valid user: {e:?}")),
                }
            }
            "LOGIN" => match from_item::<LoginItem>(item) {
                Ok(login) => {
                    let name = key.pk.split_once('#').unwrap().1;
                    self.logins.insert(name.to_owned(), login);
                }
                Err(e) => self.report(format!("{key:?} is not a valid login: {e:?}")),
            },
            "WORD" | "GENRE" | "YEAR" => {
                self.index.insert(key, item);
            }
            "GENRES" => {
                let identity = key.sk.trim_end_matches(keys::END).to_owned();
                match from_item::<GenreItem>(item) {
                    Ok(genre) => {
                        if genre.identity != identity {
                            self.report(format!("genre {identity} has the identity {}", genre.identity));
                        }
                        if Genre::parse(&genre.name).map(|g| g.identity()) != Ok(identity.clone()) {
                            self.report(format!("genre {identity} has the name {}", genre.name));
                        }
                        self.genres.insert(identity, genre);
                    }
                    Err(e) => self.report(format!("{key:?} is not a valid genre: {e:?}")),
                }
            }
            "IMDB" => match from_item::<ImdbIdItem>(item) {
                Ok(item) => {
                    self.imdb_ids.insert(key, item.movie);
                }
                Err(e) => self.report(format!("{key:?} is not a valid imdb_id: {e:?}")),
            },
            "FAVORITES" => {
                let movie = key.pk.split_once('#').and_then(|(_, id)| id.parse().ok());
                let user = id().and_then(|id| UserId::try_from(id).ok());
                match (movie_id(movie), user) {
                    (Some(movie), Some(user)) => {
                        self.favorites.insert((movie, user), item);
                    }
                    _ => self.report(format!("{key:?} is not a favorite's key")),
                }
            }
            "OWNED" => {
                let user: Option<u64> = key.pk.split_once('#').and_then(|(_, id)| id.parse().ok());
                let user = user.and_then(|id| UserId::try_from(id).ok());
                match (movie_id(id()), user) {
                    (Some(movie), Some(user)) => {
                        self.owned.insert((movie, user));
                    }
                    _ => self.report(format!("{key:?} is not the key of a user's movie")),
                }
            }
            "LEAVING" => match id().and_then(|id| UserId::try_from(id).ok()) {
                Some(user) => {
                    self.leaving.insert(user);
                }
                None => self.report(format!("{key:?} is not a deleted account's key")),
            },
            "SWEEP" => match movie_id(id()) {
                Some(id) => {
                    self.sweeps.insert(id);
                }
                None => self.report(format!("{key:?} is not a sweep's key")),
            },
            "META" if key == keys::layout() => {
                let version = number(&item, "version");
                if version != LAYOUT {
                    self.report(format!("the table's layout is {version} instead of {LAYOUT}"));
                }
            }
            "META" => {
                self.counters.insert(key.sk, number(&item, "n"));
            }
            "NEAR" => {
                self.vocabulary.insert(key, item);
            }
            "IDEMPOTENCY" => self.kept_answer(&key, item),
            "SESSIONS" => self.sessions.push((key, item)),
            "RESET" => {
                let user = key.pk.split_once('#').and_then(|(_, id)| id.parse::<u64>().ok());
                let user = user.and_then(|id| UserId::try_from(id).ok());
                let user = user.filter(|_| key.sk == "RESET");
                match (from_item::<ResetItem>(item), user) {
                    (Ok(_), Some(user)) => {
                        self.reset_tokens.insert(user);
                    }
                    (Ok(_), None) => self.report(format!("{key:?} is not a reset token's key")),
                    (Err(e), _) => self.report(format!("{key:?} is not a valid reset token: {e:?}")),
                }
            }
            "OUTBOX" => {
                if let Err(e) = from_item::<MailItem>(item) {
                    self.report(format!("{key:?} is not a valid mail: {e:?}"));
                }
            }
            // The user of a `SESSION` may not exist any more: nothing finds it by its user. It ends by its time to live.
            "SESSION" | "ATTEMPTS" | "CURSOR" | "KEYS" | "IMPORT" => {}
            _ => self.report(format!("{key:?} is of no known class")),
        }
    }

    /// Checks that the count of each movie is the number of its favorites, and that its index keys are right.
    fn movies(&mut self) {
        let mut found = Vec::new();
        for movie in self.movies.values() {
            let id = movie.id;
            let favorites = self.favorites.keys().filter(|(of, _)| *of == id).count() as u64;
            if movie.likes != favorites * ONE_FAVORITE + id.get() {
                found.push(format!(
                    "movie {id} has {favorites} favorites and likes {}",
                    movie.likes
                ));
            }
            let is_read = |liked: &String| self.likes_shards.reads(liked);
            if !movie.liked.as_ref().map_or(favorites == 0, is_read) {
                found.push(format!(
                    "movie {id} with {favorites} favorites is in the shard {:?}",
                    movie.liked
                ));
            }
            if movie.dated != keys::MOVIES_DATED
                || movie.date != keys::dated(&movie.fields.release_date.to_string(), id)
            {
                found.push(format!(
                    "movie {id} of {} has the date keys {} and {}",
                    movie.fields.release_date, movie.dated, movie.date
                ));
            }
            if movie.unfinished.is_some() {
                found.push(format!("the last edit of movie {id} is not finished"));
            }
            if movie.version == 0 {
                found.push(format!("movie {id} has version 0"));
            }
            if movie.user.is_some_and(|user| !self.may_have(user)) {
                found.push(format!(
                    "the owner of movie {id} does not exist: {:?}",
                    movie.user
                ));
            }
        }
        self.found.extend(found);
    }

    /// Whether movies, favorites and sessions of this user may be there: the user exists, or is looked after.
    fn may_have(&self, user: UserId) -> bool {
        self.users.contains_key(&user) || self.leaving.contains(&user)
    }

    /// Checks that each movie with an owner has the item by which it is listed, and that there is no other such item.
    fn owners(&mut self) {
        let mut found = Vec::new();
        for movie in self.movies.values() {
            if let Some(user) = movie.user.filter(|user| !self.owned.contains(&(movie.id, *user))) {
                found.push(format!(
                    "movie {} is not among those of its owner {user}",
                    movie.id
                ));
            }
        }
        for (id, user) in &self.owned {
            let owner = self.movies.get(id).and_then(|movie| movie.user);
            if owner != Some(*user) {
                found.push(format!("movie {id} of {owner:?} is among those of user {user}"));
            }
        }
        for user in self.leaving.iter().filter(|user| self.users.contains_key(user)) {
            found.push(format!("user {user} exists, and is looked after as deleted"));
        }
        self.found.extend(found);
    }

    /// Checks that each movie with an IMDb id has the item of that id, and that no other movie has one.
    fn imdb_ids(&mut self) {
        let mut items = self.imdb_ids.clone();
        let mut found = Vec::new();
        for movie in self.movies.values() {
            let Some(imdb_id) = &movie.fields.imdb_id else {
                continue;
            };
            if ImdbId::parse(imdb_id.as_str()).is_err() {
                found.push(format!("movie {} has the imdb_id {imdb_id}", movie.id));
            }
            let holder = items.remove(&keys::imdb_id(imdb_id));
            if holder != Some(movie.id) {
                found.push(format!(
                    "movie {} has {imdb_id}, whose item names {holder:?}",
                    movie.id
                ));
            }
        }
        for (key, movie) in items {
            found.push(format!("orphan: {key:?} names movie {movie}"));
        }
        self.found.extend(found);
    }

    /// Checks that each favorite is an existing user's, on an existing movie or on a deleted one that the sweep has yet to
    /// finish.
    fn favorites(&mut self) {
        let mut found = Vec::new();
        for ((movie, user), favorite) in &self.favorites {
            if !self.movies.contains_key(movie) && !self.sweeps.contains(movie) {
                found.push(format!("orphan: user {user}'s favorite on movie {movie}"));
            }
            if !self.may_have(*user) {
                found.push(format!(
                    "movie {movie} has a favorite of user {user}, who does not exist"
                ));
            }
            let date = text(favorite, "date");
            let is_right = text(favorite, "dated") == keys::user_favorites(*user)
                && date.ends_with(&format!("Z#{}", keys::id_text(movie.get())))
                && number(favorite, "movie") == movie.get()
                && number(favorite, "user") == user.get();
            if !is_right {
                found.push(format!("user {user}'s favorite on movie {movie} is {favorite:?}"));
            }
        }
        for movie in self.sweeps.iter().filter(|movie| self.movies.contains_key(movie)) {
            found.push(format!(
                "movie {movie} exists, and its favorites are to be deleted by the sweep"
            ));
        }
        self.found.extend(found);
    }

    /// Checks that the counters are right, and that no id is above the last one that was given out.
    fn counters(&mut self) {
        let counter = |name: &str| self.counters.get(name).copied().unwrap_or_default();
        let mut found = Vec::new();
        for (name, there) in [
            ("MOVIES", self.movies.len()),
            ("USERS", self.users.len()),
            ("GENRES", self.genres.len()),
        ] {
            if counter(name) != there as u64 {
                found.push(format!("META {name} is {}, there are {there}", counter(name)));
            }
        }
        let last_movie = self.movies.keys().last().map_or(0, |id| id.get());
        let last_user = self.users.keys().last().map_or(0, |id| id.get());
        for (name, last) in [("MOVIE_IDS", last_movie), ("USER_IDS", last_user)] {
            if counter(name) < last {
                found.push(format!("META {name} is {}, the last id is {last}", counter(name)));
            }
        }
        self.found.extend(found);
    }
}

fn text(item: &Item, name: &str) -> String {
    item.text(name).unwrap_or_default().to_owned()
}

fn number(item: &Item, name: &str) -> u64 {
    item.number(name).unwrap_or(u64::MAX)
}
