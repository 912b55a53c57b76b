//! The checks of a group of facts: what the items of one subject must agree on.

use std::collections::{BTreeMap, BTreeSet};

use marquee_shared::{
    db::{
        Key, index,
        item::{Item, number, text, to_item},
        keys,
        likes::{LikesShards, ONE_FAVORITE},
        movie::MovieItem,
        unfinished::left_postings,
    },
    domain::MovieId,
};

use super::{
    AuditError, Candidate,
    catalog::{GenreCheck, WordCheck},
    classify::digest,
    covers::CoverCheck,
    facts::{Class, Fact},
    kind::Kind,
    mend::Mend,
    users::UserCheck,
};

/// The check of one group, which gets its facts in their order.
pub(super) enum Check {
    Movie(Box<MovieCheck>),
    User(Box<UserCheck>),
    Word(Box<WordCheck>),
    Genre(Box<GenreCheck>),
    Cover(Box<CoverCheck>),
}

impl Check {
    /// Begins the check of a group.
    pub(super) fn of(class: Class, group: &str, shards: LikesShards) -> Self {
        let group = group.to_owned();
        match class {
            Class::User => Self::User(Box::new(UserCheck::of(group))),
            Class::Word => Self::Word(Box::new(WordCheck::of(group))),
            Class::Genre => Self::Genre(Box::new(GenreCheck::of(group))),
            Class::Cover => Self::Cover(Box::new(CoverCheck::of(group))),
            Class::Movie | Class::Item | Class::Counter => {
                Self::Movie(Box::new(MovieCheck::of(group, shards)))
            }
        }
    }

    /// Adds a fact. Returns what it shows to be wrong.
    pub(super) fn add(&mut self, key: Key, fact: Fact) -> Result<Vec<Candidate>, AuditError> {
        match self {
            Self::Movie(check) => check.add(key, fact),
            Self::User(check) => Ok(check.add(key, fact)),
            Self::Word(check) => Ok(check.add(&key, fact)),
            Self::Genre(check) => Ok(check.add(fact)),
            Self::Cover(check) => Ok(check.add(key, fact)),
        }
    }

    /// Ends the group. Returns what the whole of it shows to be wrong.
    pub(super) fn finish(self) -> Result<Vec<Candidate>, AuditError> {
        match self {
            Self::Movie(check) => check.finish(),
            Self::User(check) => Ok(check.finish()),
            Self::Word(_) => Ok(Vec::new()),
            Self::Genre(check) => check.finish(),
            Self::Cover(check) => Ok(check.finish()),
        }
    }
}

/// The check of a movie, its postings, its favorites, and what else names it.
pub(super) struct MovieCheck {
    group: String,
    id: Option<MovieId>,
    shards: LikesShards,
    movie: Option<MovieItem>,
    is_unreadable: bool,
    is_swept: bool,
    /// The postings that weren't there yet, with what each must have.
    expected: BTreeMap<Key, Item>,
    /// Postings that an unfinished edit may have left.
    left: BTreeSet<Key>,
    is_owned: bool,
    has_imdb_item: bool,
    favorites: u64,
}

impl MovieCheck {
    fn of(group: String, shards: LikesShards) -> Self {
        Self {
            id: group
                .parse::<u64>()
                .ok()
                .and_then(|id| MovieId::try_from(id).ok()),
            group,
            shards,
            movie: None,
            is_unreadable: false,
            is_swept: false,
            expected: BTreeMap::new(),
            left: BTreeSet::new(),
            is_owned: false,
            has_imdb_item: false,
            favorites: 0,
        }
    }

    fn candidate(&self, kind: Kind, key: Key, text: String, mend: Option<Mend>) -> Candidate {
        // What is done depends on the movie as it was read.
        let mend = self
            .id
            .and_then(|id| mend.map(|mend| mend.guarded(keys::movie(id))));
        Candidate {
            kind,
            class: Class::Movie,
            group: self.group.clone(),
            key,
            subject: String::new(),
            text,
            mend,
        }
    }

    fn add(&mut self, key: Key, fact: Fact) -> Result<Vec<Candidate>, AuditError> {
        let mut found = Vec::new();
        match fact {
            Fact::Unreadable => self.is_unreadable = true,
            Fact::Movie(movie) => {
                self.left = left_postings(&movie).into_iter().collect();
                for (key, posting) in index::postings(&movie.fields, movie.id) {
                    self.expected.insert(key, to_item(&posting)?);
                }
                self.movie = Some(*movie);
            }
            // Nothing can be said of what belongs to a movie that can't be read.
            _ if self.is_unreadable => {}
            Fact::Sweep => {
                self.is_swept = true;
                if self.movie.is_some() {
                    let said = format!(
                        "movie {} exists, and its favorites are to be deleted by the sweep",
                        self.number()
                    );
                    found.push(self.candidate(Kind::SweepWrong, key.clone(), said, Some(Mend::delete(key))));
                }
            }
            Fact::Posting(there) => match self.expected.remove(&key) {
                Some(expected) if digest(&expected) != there => {
                    let said = format!("{key} has other attributes instead of those that its movie says");
                    let mend = Mend::put(key.clone(), expected);
                    found.push(self.candidate(Kind::PostingWrong, key, said, Some(mend)));
                }
                Some(_) => {}
                None if self.left.contains(&key) => {}
                None => {
                    let said = format!("orphan: {key}");
                    found.push(self.candidate(
                        Kind::PostingOrphan,
                        key.clone(),
                        said,
                        Some(Mend::delete(key)),
                    ));
                }
            },
            Fact::Owned(user) => {
                let owner = self.movie.as_ref().and_then(|movie| movie.user);
                if owner == Some(user) {
                    self.is_owned = true;
                } else {
                    let owner = owner.map_or_else(|| "nobody".to_owned(), |owner| format!("user {owner}"));
                    let said = format!("movie {} of {owner} is among those of user {user}", self.number());
                    found.push(self.candidate(Kind::OwnedOrphan, key.clone(), said, Some(Mend::delete(key))));
                }
            }
            Fact::Imdb(imdb_id) => {
                let own = self
                    .movie
                    .as_ref()
                    .and_then(|movie| movie.fields.imdb_id.as_ref());
                if own.is_some_and(|own| keys::imdb_id(own) == key) {
                    self.has_imdb_item = true;
                } else {
                    let said = format!("orphan: the item of {imdb_id} names movie {}", self.number());
                    found.push(self.candidate(
                        Kind::ImdbIdOrphan,
                        key.clone(),
                        said,
                        Some(Mend::delete(key)),
                    ));
                }
            }
            Fact::Favorites(count) => {
                self.favorites += count;
                if self.movie.is_none() && !self.is_swept {
                    let said = format!("orphan: {key} is a favorite on a movie that does not exist");
                    found.push(self.candidate(
                        Kind::FavoriteOrphan,
                        key.clone(),
                        said,
                        Some(Mend::delete(key)),
                    ));
                }
            }
            _ => {}
        }
        Ok(found)
    }

    fn number(&self) -> u64 {
        self.id.map_or(0, MovieId::get)
    }

    fn finish(mut self) -> Result<Vec<Candidate>, AuditError> {
        let Some(movie) = self.movie.take() else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for (key, expected) in std::mem::take(&mut self.expected) {
            let said = format!("missing: {key}");
            let mend = Mend::put(key.clone(), expected);
            found.push(self.candidate(Kind::PostingMissing, key, said, Some(mend)));
        }
        let (id, key) = (movie.id, keys::movie(movie.id));
        let favorites = self.favorites;
        let likes = favorites * ONE_FAVORITE + id.get();
        let mut on_movie = |kind, text, mend: Option<Mend>| {
            found.push(self.candidate(kind, key.clone(), text, mend));
        };
        if movie.likes != likes {
            let said = format!("movie {id} has {favorites} favorites and likes {}", movie.likes);
            let mend = Mend::set(key.clone(), keys::LIKES, number(likes));
            on_movie(Kind::FavoriteCountWrong, said, Some(mend));
        }
        let is_read = |liked: &String| self.shards.reads(liked);
        if !movie.liked.as_ref().map_or(favorites == 0, is_read) {
            let shard = movie
                .liked
                .as_deref()
                .map_or_else(|| "no shard".to_owned(), |liked| format!("the shard {liked}"));
            let said = format!("movie {id} with {favorites} favorites is in {shard}");
            let mend = Mend::set(key.clone(), keys::LIKED, text(self.shards.of(id)));
            on_movie(Kind::LikesShardWrong, said, Some(mend));
        }
        let date = keys::dated(&movie.fields.release_date.to_string(), id);
        if movie.dated != keys::MOVIES_DATED || movie.date != date {
            let said = format!(
                "movie {id} of {} has the date keys {} and {}",
                movie.fields.release_date, movie.dated, movie.date
            );
            let mend = Mend::set(key.clone(), keys::BY_DATE.pk, text(keys::MOVIES_DATED))
                .and_set(keys::BY_DATE.sk, text(date));
            on_movie(Kind::DateKeysWrong, said, Some(mend));
        }
        if movie.unfinished.is_some() {
            let said = format!("the last edit of movie {id} is not finished");
            on_movie(Kind::EditUnfinished, said, Some(Mend::finish_edit(id)));
        }
        if let Some(user) = movie.user.filter(|_| !self.is_owned) {
            let said = format!("movie {id} is not among those of its owner {user}");
            let owned = keys::owned_movie(user, id);
            let mend = Mend::put(owned.clone(), Item::new());
            found.push(self.candidate(Kind::OwnedMissing, owned, said, Some(mend)));
        }
        if let Some(imdb_id) = movie.fields.imdb_id.as_ref().filter(|_| !self.has_imdb_item) {
            let said = format!("movie {id} has {imdb_id}, whose item is missing or names another movie");
            let key = keys::imdb_id(imdb_id);
            // Only if the item is missing: otherwise two movies claim the id.
            let mend =
                Mend::put(key.clone(), Item::from([("movie".to_owned(), number(id))])).only_if_absent();
            found.push(self.candidate(Kind::ImdbIdMissing, key, said, Some(mend)));
        }
        Ok(found)
    }
}
