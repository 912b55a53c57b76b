//! The auditor: reads the whole table and says where its items don't agree with each other.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use marquee_shared::{
    db::{
        Key, Store,
        imdb_id::ImdbIdItem,
        index,
        item::{Item, from_item, to_item},
        keys,
        likes::ONE_LIKE,
        movie::MovieItem,
        user::{LoginItem, LoginKind, UserItem},
    },
    domain::{Genre, ImdbId, MovieId, UserId, username::fold_name},
};

/// Asserts that every item of the table agrees with every other.
pub async fn audit(store: &Store) {
    let found = discrepancies(store).await;
    assert!(
        found.is_empty(),
        "the table disagrees with itself:\n{}",
        found.join("\n")
    );
}

/// Where the items of the table don't agree with each other.
pub async fn discrepancies(store: &Store) -> Vec<String> {
    let mut items = Items::default();
    for item in scan(store).await {
        items.take(item);
    }
    items.movies();
    items.postings();
    items.genres();
    items.imdb_ids();
    items.favorites();
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

/// The table, sorted by what its items are.
#[derive(Default)]
struct Items {
    movies: BTreeMap<MovieId, MovieItem>,
    users: BTreeMap<UserId, UserItem>,
    logins: BTreeMap<String, LoginItem>,
    /// Postings and genre memberships.
    index: BTreeMap<Key, Item>,
    /// By identity: the name and the count.
    genres: BTreeMap<String, (String, u64)>,
    imdb_ids: BTreeMap<Key, MovieId>,
    favorites: BTreeMap<(MovieId, UserId), Item>,
    sweeps: BTreeSet<MovieId>,
    counters: BTreeMap<String, u64>,
    sessions: Vec<(Key, Item)>,
    found: Vec<String>,
}

impl Items {
    fn say(&mut self, text: impl Into<String>) {
        self.found.push(text.into());
    }

    /// Says which keys of an item DynamoDB wouldn't take, and which postings are larger than a search counts on. The
    /// embedded engine takes any.
    fn sizes(&mut self, key: &Key, item: &Item) {
        // AWS: Constraints, of the table's keys and the indexes'.
        for (name, most) in [
            (keys::PK, 2048),
            (keys::SK, 1024),
            (keys::BY_DATE.pk, 2048),
            (keys::BY_DATE.sk, 1024),
            (keys::LIKED, 2048),
        ] {
            let bytes = text_or_none(item, name).map_or(0, str::len);
            if bytes > most || (item.contains_key(name) && bytes == 0) {
                self.say(format!("a key of {bytes} bytes: {name} of {key:?}"));
            }
        }
        let most = match (key.pk.split('#').next(), key.sk.chars().next()) {
            (Some("WORD"), Some('0')) => index::POSTING_BYTES[0],
            (Some("WORD"), _) => index::POSTING_BYTES[1],
            (Some("GENRE"), _) => index::POSTING_BYTES[3],
            _ => return,
        };
        let bytes: usize = item
            .keys()
            .map(|name| name.len() + text_or_none(item, name).map_or(0, str::len))
            .sum();
        if bytes > most {
            self.say(format!("a posting of {bytes} bytes, more than {most}: {key:?}"));
        }
    }

    /// Files an item. Its keys are taken off it.
    fn take(&mut self, mut item: Item) {
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
                        self.say(format!("movie {} is at {key:?}", movie.id));
                    }
                    self.movies.insert(movie.id, movie);
                }
                Err(e) => self.say(format!("no movie: {key:?}: {e:?}")),
            },
            "USERS" => {
                if item.contains_key("password_hash") {
                    self.say(format!("{key:?} holds a password's hash"));
                }
                match from_item::<UserItem>(item) {
                    Ok(user) => {
                        if keys::user(user.id) != key {
                            self.say(format!("user {} is at {key:?}", user.id));
                        }
                        self.users.insert(user.id, user);
                    }
                    Err(e) => self.say(format!("no user: {key:?}: {e:?}")),
                }
            }
            "LOGIN" => match from_item::<LoginItem>(item) {
                Ok(login) => {
                    let name = key.pk.split_once('#').unwrap().1;
                    self.logins.insert(name.to_owned(), login);
                }
                Err(e) => self.say(format!("no login: {key:?}: {e:?}")),
            },
            "WORD" | "GENRE" => {
                self.index.insert(key, item);
            }
            "GENRES" => {
                let identity = key.sk.trim_end_matches(keys::END).to_owned();
                if text(&item, "identity") != identity {
                    self.say(format!("genre {identity} says it is {}", text(&item, "identity")));
                }
                let name = text(&item, "name");
                if Genre::parse(&name).map(|g| g.identity()) != Ok(identity.clone()) {
                    self.say(format!("genre {identity} is shown as {name}"));
                }
                self.genres.insert(identity, (name, number(&item, "n")));
            }
            "IMDB" => match from_item::<ImdbIdItem>(item) {
                Ok(item) => {
                    self.imdb_ids.insert(key, item.movie);
                }
                Err(e) => self.say(format!("no IMDb id: {key:?}: {e:?}")),
            },
            "FAVORITES" => {
                let movie = key.pk.split_once('#').and_then(|(_, id)| id.parse().ok());
                let user = id().and_then(|id| UserId::try_from(id).ok());
                match (movie_id(movie), user) {
                    (Some(movie), Some(user)) => {
                        self.favorites.insert((movie, user), item);
                    }
                    _ => self.say(format!("no favorite: {key:?}")),
                }
            }
            "SWEEP" => match movie_id(id()) {
                Some(id) => {
                    self.sweeps.insert(id);
                }
                None => self.say(format!("no sweep: {key:?}")),
            },
            "META" => {
                self.counters.insert(key.sk, number(&item, "n"));
            }
            "SESSION" => self.sessions.push((key, item)),
            "ATTEMPTS" | "CURSOR" | "KEYS" | "IMPORT" => {}
            _ => self.say(format!("what is {key:?}?")),
        }
    }

    /// Every movie is one, its count is that of its favorites, and its index keys are its own.
    fn movies(&mut self) {
        let mut found = Vec::new();
        for movie in self.movies.values() {
            let id = movie.id;
            let favorites = self.favorites.keys().filter(|(of, _)| *of == id).count() as u64;
            if movie.likes != favorites * ONE_LIKE + id.get() {
                found.push(format!(
                    "movie {id} has {favorites} favorites and likes {}",
                    movie.likes
                ));
            }
            let shard = keys::likes_shard(id.get() % keys::LIKES_SHARDS);
            if movie.liked.as_ref().is_some_and(|liked| *liked != shard)
                || (favorites > 0 && movie.liked.is_none())
            {
                found.push(format!(
                    "movie {id} with {favorites} favorites is liked {:?}",
                    movie.liked
                ));
            }
            if movie.dated != keys::MOVIES_DATED || movie.date != keys::dated(&movie.release_date, id) {
                found.push(format!(
                    "movie {id} of {} is dated {} {}",
                    movie.release_date, movie.dated, movie.date
                ));
            }
            if movie.version == 0 {
                found.push(format!("movie {id} has version 0"));
            }
            if movie.user.is_some_and(|user| !self.users.contains_key(&user)) {
                found.push(format!("movie {id} is nobody's: {:?}", movie.user));
            }
        }
        self.found.extend(found);
    }

    /// The items by which movies are found are those of the movies there are, and no others.
    fn postings(&mut self) {
        let mut found = Vec::new();
        let mut expected = BTreeMap::new();
        for movie in self.movies.values() {
            match movie.fields() {
                Ok(words) => {
                    for (key, item) in index::postings(&words, movie.id) {
                        expected.insert(key, to_item(&item).unwrap());
                    }
                }
                Err(e) => found.push(format!("movie {} isn't valid: {e:?}", movie.id)),
            }
        }
        for (key, item) in &expected {
            match self.index.get(key) {
                None => found.push(format!("missing: {key:?}")),
                Some(there) if there != item => {
                    found.push(format!("{key:?} holds {there:?} instead of {item:?}"));
                }
                Some(_) => {}
            }
        }
        for key in self.index.keys().filter(|key| !expected.contains_key(*key)) {
            found.push(format!("orphan: {key:?}"));
        }
        self.found.extend(found);
    }

    /// Every genre has as many movies as it says, by the movies and by its memberships.
    fn genres(&mut self) {
        let mut by_movies: BTreeMap<String, u64> = BTreeMap::new();
        for movie in self.movies.values().filter_map(|movie| movie.fields().ok()) {
            for genre in movie.genres.iter() {
                *by_movies.entry(genre.identity()).or_default() += 1;
            }
        }
        let mut by_members: BTreeMap<String, u64> = BTreeMap::new();
        for item in self.index.values().filter(|item| item.contains_key("dated")) {
            let dated = text(item, "dated");
            let identity = dated.trim_start_matches("GENRE#").to_owned();
            *by_members.entry(identity).or_default() += 1;
        }
        let counted: BTreeMap<String, u64> = self
            .genres
            .iter()
            .map(|(identity, (_, n))| (identity.clone(), *n))
            .collect();
        if counted != by_movies {
            self.say(format!("genres count {counted:?}, movies have {by_movies:?}"));
        }
        if counted != by_members {
            self.say(format!(
                "genres count {counted:?}, their memberships are {by_members:?}"
            ));
        }
    }

    /// Every movie with an IMDb id has the item of that id, and no other movie has it.
    fn imdb_ids(&mut self) {
        let mut items = self.imdb_ids.clone();
        let mut found = Vec::new();
        for movie in self.movies.values() {
            let Some(imdb_id) = movie.imdb_id.as_deref() else {
                continue;
            };
            if ImdbId::parse(imdb_id).is_err() {
                found.push(format!("movie {} has the IMDb id {imdb_id}", movie.id));
            }
            let key = keys::imdb_id(&ImdbId::from_stored(imdb_id));
            let holder = items.remove(&key);
            if holder != Some(movie.id) {
                found.push(format!(
                    "movie {} has {imdb_id}, which is of movie {holder:?}",
                    movie.id
                ));
            }
        }
        for (key, movie) in items {
            found.push(format!("orphan: {key:?} of movie {movie}"));
        }
        self.found.extend(found);
    }

    /// Every favorite is a living user's on a living movie, or on one whose favorites are still to be swept.
    fn favorites(&mut self) {
        let mut found = Vec::new();
        for ((movie, user), favorite) in &self.favorites {
            if !self.movies.contains_key(movie) && !self.sweeps.contains(movie) {
                found.push(format!("orphan: user {user}'s favorite on movie {movie}"));
            }
            if !self.users.contains_key(user) {
                found.push(format!("movie {movie} has a favorite of nobody, {user}"));
            }
            let date = text(favorite, "date");
            let at_its_place = text(favorite, "dated") == keys::user_favorites(*user)
                && date.ends_with(&format!("Z#{}", keys::id_text(movie.get())))
                && number(favorite, "movie") == movie.get()
                && number(favorite, "user") == user.get();
            if !at_its_place {
                found.push(format!("user {user}'s favorite on movie {movie} is {favorite:?}"));
            }
        }
        for movie in self.sweeps.iter().filter(|movie| self.movies.contains_key(movie)) {
            found.push(format!("movie {movie} lives, and its favorites are to be swept"));
        }
        self.found.extend(found);
    }

    /// Users and the names they sign in with belong to each other, one to one.
    fn users(&mut self) {
        let mut found = Vec::new();
        let mut names = BTreeMap::new();
        for user in self.users.values() {
            let (username, email) = (fold_name(&user.username), fold_name(&user.email));
            let mut own = BTreeMap::from([(email.clone(), LoginKind::Email)]);
            own.insert(username.clone(), LoginKind::Username);
            for (name, kind) in own {
                if let Some(other) = names.insert(name.clone(), user.id) {
                    found.push(format!("users {other} and {} are both {name}", user.id));
                }
                let right = self.logins.get(&name).is_some_and(|login| {
                    login.user == user.id
                        && login.kind == kind
                        && login.account == username
                        && login.email == email
                });
                if !right {
                    found.push(format!("user {} can't sign in as {name}", user.id));
                }
            }
            let hash = |name| self.logins.get(name).map(|login| login.password_hash.as_str());
            if hash(&username) != hash(&email) {
                found.push(format!("user {} has two passwords", user.id));
            }
        }
        for (name, login) in self.logins.iter().filter(|(name, _)| !names.contains_key(*name)) {
            found.push(format!("{name} signs in nobody, {}", login.user));
        }
        for (key, session) in &self.sessions {
            let user = UserId::try_from(number(session, "user")).ok();
            if !user.is_some_and(|user| self.users.contains_key(&user)) {
                found.push(format!("{key:?} is nobody's session"));
            }
        }
        self.found.extend(found);
    }

    /// The counters count what is there, and no id is above the last one given out.
    fn counters(&mut self) {
        let counter = |name: &str| self.counters.get(name).copied().unwrap_or_default();
        let mut found = Vec::new();
        for (name, there) in [
            ("MOVIES", self.movies.len()),
            ("USERS", self.users.len()),
            ("GENRES", self.genres.len()),
        ] {
            if counter(name) != there as u64 {
                found.push(format!("META {name} says {}, there are {there}", counter(name)));
            }
        }
        let last_movie = self.movies.keys().last().map_or(0, |id| id.get());
        let last_user = self.users.keys().last().map_or(0, |id| id.get());
        for (name, last) in [("MOVIE_IDS", last_movie), ("USER_IDS", last_user)] {
            if counter(name) < last {
                found.push(format!("META {name} says {}, there is {last}", counter(name)));
            }
        }
        self.found.extend(found);
    }
}

fn text(item: &Item, name: &str) -> String {
    let text = item.get(name).and_then(|value| value.as_s().ok());
    text.cloned().unwrap_or_default()
}

fn number(item: &Item, name: &str) -> u64 {
    let number = item
        .get(name)
        .and_then(|value: &AttributeValue| value.as_n().ok());
    number.and_then(|n| n.parse().ok()).unwrap_or(u64::MAX)
}

fn text_or_none<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}
