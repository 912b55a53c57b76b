//! What an item says about its subject, and what is wrong with an item on its own.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use marquee_shared::{
    db::{
        Key,
        covers::DoubtfulCover,
        genre::GenreItem,
        idempotency::KeptAnswer,
        imdb_id::ImdbIdItem,
        import::ImportJob,
        index,
        item::{Attributes as _, Item, from_item},
        keys,
        layout::LAYOUT,
        movie::MovieItem,
        newest::Entry,
        outbox::MailItem,
        password_reset::ResetItem,
        posting_keys::PostingKind,
        session::SessionItem,
        user::{LoginItem, UserItem},
        vocabulary::{Entry as WordEntry, entries, first_entry, rests_of, room, vocabulary_words, word_of},
    },
    domain::{CoverImage, Description, Genre, ImdbId, MovieId, SessionId, UserId},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    facts::{Class, Fact, Login, Placed},
    kind::Kind,
};

/// The most bytes of an item that half a read unit reads (AWS: DynamoDB read consistency).
const MOST_BYTES: usize = 4096;

/// The most words that are remembered as seen. A catalog of a million movies has 216,470.
const MOST_WORDS: usize = 1 << 18;

/// What an item says.
#[derive(Default)]
pub(super) struct Classified {
    pub(super) facts: Vec<Placed>,
    /// What is wrong with the item on its own.
    pub(super) wrong: Vec<(Kind, String)>,
    /// A counter's name and value.
    pub(super) counter: Option<(String, u64)>,
    /// Whether it is an import that isn't done.
    pub(super) is_unfinished_import: bool,
}

/// Classifies items.
#[derive(Default)]
pub(super) struct Classifier {
    /// The words whose entries were already written. Only a cache.
    seen: HashSet<String>,
}

/// A digest of an item's attributes without its keys.
pub(super) fn digest(item: &Item) -> u64 {
    let sorted: BTreeMap<_, _> = item
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), keys::PK | keys::SK))
        .collect();
    let mut hasher = DefaultHasher::new();
    format!("{sorted:?}").hash(&mut hasher);
    hasher.finish()
}

/// The words of an item that are known or must be, with their entries.
pub(super) fn word_facts(word: &str) -> impl Iterator<Item = Placed> {
    let word = word.to_owned();
    entries(&word).into_iter().map(move |entry| Placed {
        class: Class::Word,
        group: entry.key.pk.clone(),
        key: entry.key,
        fact: Fact::Word(entry.rest, word.clone()),
    })
}

impl Classifier {
    /// What this item says, with its keys.
    pub(super) fn classify(&mut self, key: &Key, item: &Item) -> Classified {
        let mut all = Classified::default();
        sizes(key, item, &mut all);
        let movie_id = |id: Option<u64>| id.and_then(|id| MovieId::try_from(id).ok());
        let user_id = |id: Option<u64>| id.and_then(|id| UserId::try_from(id).ok());
        let in_pk = || key.pk.split('#').nth(1).and_then(|id| id.parse::<u64>().ok());
        let id = keys::id_at_end(&key.sk);
        match key.pk.split('#').next().unwrap_or_default() {
            "MOVIES" => {
                // Also of a movie that can't be read: its image is not one that no movie has.
                if let Some(cover) = item.text("cover_image").and_then(CoverImage::key_of) {
                    all.place(Class::Cover, cover.digits(), key, Fact::Shown(cover));
                }
                match from_item::<MovieItem>(item.clone()) {
                    Ok(movie) => self.movie(key, movie, &mut all),
                    Err(_) => {
                        all.invalid(format!("{key} is not a valid movie"));
                        all.unreadable(Class::Movie, key, id);
                    }
                }
            }
            "USERS" => {
                if item.contains_key("password_hash") {
                    all.wrong(Kind::PasswordHashMisplaced, format!("{key} has a password hash"));
                }
                match from_item::<UserItem>(item.clone()) {
                    Ok(user) => {
                        if keys::user(user.id) != *key {
                            all.invalid(format!("user {} is stored as {key}", user.id));
                        }
                        if !is_instant(&user.joined) {
                            all.invalid(format!("user {} has joined at {}", user.id, user.joined));
                        }
                        all.user(user.id, key, Fact::User(Box::new(user)));
                    }
                    Err(_) => {
                        all.invalid(format!("{key} is not a valid user"));
                        all.unreadable(Class::User, key, id);
                    }
                }
            }
            "LOGIN" => match from_item::<LoginItem>(item.clone()) {
                Ok(login) => {
                    let mut hasher = DefaultHasher::new();
                    login.password_hash.as_str().hash(&mut hasher);
                    let fact = Login {
                        name: key
                            .pk
                            .split_once('#')
                            .map(|(_, name)| name.to_owned())
                            .unwrap_or_default(),
                        kind: login.kind,
                        account: login.account,
                        email: login.email,
                        password: hasher.finish(),
                        version: login.password_version,
                    };
                    all.user(login.user, key, Fact::Login(fact));
                }
                Err(_) => all.invalid(format!("{key} is not a valid login")),
            },
            "WORD" | "GENRE" | "YEAR" => match movie_id(id) {
                Some(id) => all.movie(id, key, Fact::Posting(digest(item))),
                None => all.invalid(format!("{key} is not a posting's key")),
            },
            "GENRES" => genre(key, item, &mut all),
            "IMDB" => match (from_item::<ImdbIdItem>(item.clone()), key.pk.split_once('#')) {
                (Ok(own), Some((_, imdb_id))) => all.movie(own.movie, key, Fact::Imdb(imdb_id.to_owned())),
                _ => all.invalid(format!("{key} is not a valid imdb_id")),
            },
            "FAVORITES" => match (movie_id(in_pk()), user_id(id)) {
                (Some(movie), Some(user)) => favorite(key, item, movie, user, &mut all),
                _ => all.invalid(format!("{key} is not a favorite's key")),
            },
            "OWNED" => match (movie_id(id), user_id(in_pk())) {
                (Some(movie), Some(user)) => all.movie(movie, key, Fact::Owned(user)),
                _ => all.invalid(format!("{key} is not the key of a user's movie")),
            },
            "LEAVING" => match user_id(id) {
                Some(user) => all.user(user, key, Fact::Leaving),
                None => all.invalid(format!("{key} is not a deleted account's key")),
            },
            "SWEEP" => match movie_id(id) {
                Some(movie) => all.movie(movie, key, Fact::Sweep),
                None => all.invalid(format!("{key} is not a sweep's key")),
            },
            "META" if *key == keys::layout() => {
                let version = number(item, "version");
                if version != LAYOUT {
                    let text = format!("the table's layout is {version} instead of {LAYOUT}");
                    all.wrong(Kind::LayoutWrong, text);
                }
            }
            "META" => {
                // A broken number is no count, and is below every id.
                let broken = if key.sk.ends_with("_IDS") { 0 } else { u64::MAX };
                all.counter = Some((key.sk.clone(), item.number("n").unwrap_or(broken)));
            }
            "NEAR" => self.vocabulary(key, item, &mut all),
            "IDEMPOTENCY" => kept_answer(key, item, &mut all),
            "SESSIONS" => {
                if from_item::<SessionItem>(item.clone()).is_err() {
                    all.invalid(format!("{key} is not a valid session"));
                }
                let user = user_id(Some(number(item, "user")));
                let session = SessionId::parse(&key.sk);
                if user
                    .zip(session)
                    .is_none_or(|(user, id)| keys::session(user, id) != *key)
                {
                    all.invalid(format!("the session stored as {key} is under another user's key"));
                }
                if let Some(user) = user {
                    let text = format!("the user of the session stored as {key} does not exist");
                    all.user(user, key, Fact::Claim(text));
                }
            }
            "RESET" => match (from_item::<ResetItem>(item.clone()), user_id(in_pk())) {
                (Ok(_), Some(user)) if key.sk == "RESET" => {
                    let text = format!("the user {user} of a reset token does not exist");
                    all.user(user, key, Fact::Claim(text));
                }
                (Ok(_), _) => all.invalid(format!("{key} is not a reset token's key")),
                (Err(_), _) => all.invalid(format!("{key} is not a valid reset token")),
            },
            "OUTBOX" => {
                if from_item::<MailItem>(item.clone()).is_err() {
                    all.invalid(format!("{key} is not a valid mail"));
                }
            }
            "COVERS" => {
                match from_item::<DoubtfulCover>(item.clone()) {
                    Ok(doubtful) if keys::doubtful_cover(&doubtful.cover) == *key => {}
                    _ => all.invalid(format!("{key} is not a valid doubtful cover")),
                }
                all.place(Class::Cover, key.sk.clone(), key, Fact::Doubtful);
            }
            "IMPORT" => {
                let job = from_item::<ImportJob>(item.clone());
                all.is_unfinished_import = job.is_ok_and(|job| !job.is_done());
            }
            // The user of a `SESSION` may not exist any more: nothing finds it by its user. It ends by its time to live.
            "SESSION" | "ATTEMPTS" | "CURSOR" | "KEYS" => {}
            _ => all.wrong(Kind::UnknownItem, format!("{key} is of no known class")),
        }
        all
    }

    fn movie(&mut self, key: &Key, mut movie: MovieItem, all: &mut Classified) {
        let id = movie.id;
        if keys::movie(id) != *key {
            all.invalid(format!("movie {id} is stored as {key}"));
        }
        if movie.version == 0 {
            all.invalid(format!("movie {id} has version 0"));
        }
        for (name, time) in [
            ("created_at", &movie.created_at),
            ("updated_at", &movie.updated_at),
        ] {
            if !is_instant(time) {
                all.invalid(format!("movie {id} has the {name} {time}"));
            }
        }
        if let Some(imdb_id) = &movie.fields.imdb_id
            && ImdbId::parse(imdb_id.as_str()).is_err()
        {
            all.invalid(format!("movie {id} has the imdb_id {imdb_id}"));
        }
        if let Some(user) = movie.user {
            let text = format!("the owner of movie {id} does not exist: {user}");
            all.user(user, key, Fact::Claim(text));
        }
        for genre in movie.fields.genres.iter() {
            all.facts.push(Placed {
                class: Class::Genre,
                group: genre.identity(),
                key: key.clone(),
                fact: Fact::Member(Entry::of(movie.fields.release_date, id)),
            });
        }
        for word in vocabulary_words(&movie.fields) {
            self.word(word, all);
        }
        if let Ok(none) = Description::parse("-") {
            movie.fields.description = none;
        }
        movie.fields.cover_image = None;
        all.movie(id, key, Fact::Movie(Box::new(movie)));
    }

    fn word(&mut self, word: String, all: &mut Classified) {
        if self.seen.contains(&word) {
            return;
        }
        all.facts.extend(word_facts(&word));
        if self.seen.len() >= MOST_WORDS {
            self.seen.clear();
        }
        self.seen.insert(word);
    }

    fn vocabulary(&mut self, key: &Key, item: &Item, all: &mut Classified) {
        for text in wrong_words(key, item) {
            all.wrong(Kind::WordWrong, text);
        }
        // A word whose first entry is there counts as known, so it must have the others.
        for rest in rests_of(item) {
            if let Some(word) = word_of(key, rest)
                && first_entry(&word).is_some_and(|first| first.key == *key)
            {
                self.word(word, all);
            }
        }
        all.facts.push(Placed {
            class: Class::Word,
            group: key.pk.clone(),
            key: key.clone(),
            fact: Fact::Rests(rests_of(item).iter().cloned().collect()),
        });
    }
}

impl Classified {
    fn wrong(&mut self, kind: Kind, text: String) {
        self.wrong.push((kind, text));
    }

    fn invalid(&mut self, text: String) {
        self.wrong(Kind::InvalidItem, text);
    }

    fn movie(&mut self, id: MovieId, key: &Key, fact: Fact) {
        self.place(Class::Movie, keys::id_text(id.get()), key, fact);
    }

    fn user(&mut self, id: UserId, key: &Key, fact: Fact) {
        self.place(Class::User, keys::id_text(id.get()), key, fact);
    }

    fn unreadable(&mut self, class: Class, key: &Key, id: Option<u64>) {
        if let Some(id) = id {
            self.place(class, keys::id_text(id), key, Fact::Unreadable);
        }
    }

    fn place(&mut self, class: Class, group: String, key: &Key, fact: Fact) {
        let key = key.clone();
        self.facts.push(Placed {
            class,
            group,
            key,
            fact,
        });
    }
}

fn favorite(key: &Key, item: &Item, movie: MovieId, user: UserId, all: &mut Classified) {
    let date = item.text("date").unwrap_or_default();
    let is_right = item.text("dated") == Some(&keys::user_favorites(user))
        && date.ends_with(&format!("Z#{}", keys::id_text(movie.get())))
        && number(item, "movie") == movie.get()
        && number(item, "user") == user.get();
    if !is_right {
        let text = format!("the attributes of user {user}'s favorite on movie {movie} disagree with its key");
        all.wrong(Kind::FavoriteWrong, text);
    }
    all.movie(movie, key, Fact::Favorites(1));
    let text = format!("movie {movie} has a favorite of user {user}, who does not exist");
    all.user(user, key, Fact::Claim(text));
}

fn genre(key: &Key, item: &Item, all: &mut Classified) {
    let identity = key.sk.trim_end_matches(keys::END).to_owned();
    let Ok(genre) = from_item::<GenreItem>(item.clone()) else {
        all.invalid(format!("{key} is not a valid genre"));
        return all.place(Class::Genre, identity, key, Fact::Unreadable);
    };
    if genre.identity != identity {
        let text = format!("genre {identity} has the identity {}", genre.identity);
        all.wrong(Kind::GenreNameWrong, text);
    }
    if Genre::parse(&genre.name).map(|g| g.identity()) != Ok(identity.clone()) {
        let text = format!("genre {identity} has the name {}", genre.name);
        all.wrong(Kind::GenreNameWrong, text);
    }
    all.place(Class::Genre, identity, key, Fact::Genre(Box::new(genre)));
}

/// Reports keys that DynamoDB would refuse, and postings that are larger than a search reckons with. The embedded engine
/// accepts both.
fn sizes(key: &Key, item: &Item, all: &mut Classified) {
    // AWS: "Constraints in Amazon DynamoDB", for the keys of the table and of its indexes.
    for (name, most) in [
        (keys::PK, 2048),
        (keys::SK, 1024),
        (keys::BY_DATE.pk, 2048),
        (keys::BY_DATE.sk, 1024),
        (keys::LIKED, 2048),
    ] {
        let bytes = item.text(name).map_or(0, str::len);
        if bytes > most || (item.contains_key(name) && bytes == 0) {
            let text = format!("a key of {bytes} bytes: {name} of {key}");
            all.wrong(Kind::KeyTooLong, text);
        }
    }
    if !matches!(key.pk.split('#').next(), Some("WORD" | "GENRE" | "YEAR")) {
        return;
    }
    let most = index::POSTING_BYTES
        .get(PostingKind::of(key).index())
        .copied()
        .unwrap_or_default();
    let bytes: usize = item
        .keys()
        .map(|name| name.len() + item.text(name).map_or(0, str::len))
        .sum();
    if bytes > most {
        let text = format!("a posting of {bytes} bytes, more than {most}: {key}");
        all.wrong(Kind::PostingTooLarge, text);
    }
}

/// What is wrong with an item of the vocabulary.
fn wrong_words(key: &Key, item: &Item) -> Vec<String> {
    let mut found = Vec::new();
    let rests = rests_of(item);
    let attributes = item.len().saturating_sub(2);
    if rests.is_empty() || rests.len() > room(key) || attributes != 1 {
        found.push(format!(
            "{key} has {} words and {attributes} attributes",
            rests.len()
        ));
    }
    let names = [keys::PK, keys::SK, marquee_shared::db::vocabulary::RESTS].map(str::len);
    let texts = rests.iter().map(|rest| rest.len() + 1);
    let bytes = names.iter().sum::<usize>() + key.pk.len() + key.sk.len() + texts.sum::<usize>();
    if bytes > MOST_BYTES {
        found.push(format!("{key} has {bytes} bytes"));
    }
    for rest in rests {
        let word = word_of(key, rest).unwrap_or_default();
        let is_entry = |entry: &WordEntry| entry.key == *key && entry.rest == *rest;
        if !entries(&word).iter().any(is_entry) {
            found.push(format!("{key} has {rest}, which is no entry of a word"));
        }
    }
    found
}

/// Checks that a kept answer can be answered again. The movie and the user may have been deleted since.
fn kept_answer(key: &Key, item: &Item, all: &mut Classified) {
    let parts: Vec<&str> = key.pk.split('#').collect();
    let is_key = match parts[..] {
        [_, user, digest] => {
            let user = user.parse().ok().and_then(|id: u64| UserId::try_from(id).ok());
            user.is_some() && is_digest(digest) && key.sk == "IDEMPOTENCY"
        }
        _ => false,
    };
    if !is_key {
        all.wrong(Kind::KeptAnswerWrong, format!("{key} is not a kept answer's key"));
    }
    let Ok(answer) = from_item::<KeptAnswer>(item.clone()) else {
        return all.wrong(Kind::KeptAnswerWrong, format!("{key} is not a valid kept answer"));
    };
    // An added movie has a time and no count, and a toggle may have a count.
    if answer.created_at.is_some() && answer.count.is_some() {
        let text = format!("the answer kept as {key} is of two operations");
        all.wrong(Kind::KeptAnswerWrong, text);
    }
    if !is_digest(&answer.request) {
        let text = format!("the answer kept as {key} is to the request {}", answer.request);
        all.wrong(Kind::KeptAnswerWrong, text);
    }
    if answer.ttl != answer.expires.div_euclid(1000) + 1 {
        let text = format!("the answer kept as {key} is deleted too soon or too late");
        all.wrong(Kind::KeptAnswerWrong, text);
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a text is an instant as the API shows it (RFC 3339).
fn is_instant(text: &str) -> bool {
    OffsetDateTime::parse(text, &Rfc3339).is_ok()
}

fn number(item: &Item, name: &str) -> u64 {
    item.number(name).unwrap_or(u64::MAX)
}
