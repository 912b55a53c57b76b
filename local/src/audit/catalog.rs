//! The checks of a genre and of an item of the vocabulary.

use std::collections::BTreeSet;

use marquee_shared::db::{
    Key,
    counter::Counter,
    genre::GenreItem,
    item::{number, to_item},
    keys,
    newest::{Entries, Entry, MOST},
    vocabulary::room,
};

use super::{
    AuditError, Candidate,
    facts::{Class, Fact},
    kind::Kind,
    mend::Mend,
};

/// The largest item that costs one write unit (AWS: "DynamoDB provisioned capacity mode").
const UNIT: usize = 1024;

/// The check of a genre's count and of its list of newest movies.
pub(super) struct GenreCheck {
    identity: String,
    genre: Option<GenreItem>,
    is_unreadable: bool,
    movies: u64,
    /// The entries of the list that no movie had yet.
    unseen: BTreeSet<Entry>,
}

impl GenreCheck {
    pub(super) fn of(identity: String) -> Self {
        Self {
            identity,
            genre: None,
            is_unreadable: false,
            movies: 0,
            unseen: BTreeSet::new(),
        }
    }

    fn candidate(&self, kind: Kind, text: String, mend: Option<Mend>) -> Candidate {
        Candidate {
            kind,
            class: Class::Genre,
            group: self.identity.clone(),
            key: keys::genre(&self.identity),
            subject: String::new(),
            text,
            mend,
        }
    }

    pub(super) fn add(&mut self, fact: Fact) -> Vec<Candidate> {
        let mut found = Vec::new();
        match fact {
            Fact::Unreadable => self.is_unreadable = true,
            Fact::Genre(genre) => {
                if let Some((Entries(entries), _)) = &genre.newest.listed {
                    self.unseen.clone_from(entries);
                }
                self.genre = Some(*genre);
            }
            Fact::Member(entry) => {
                self.movies += 1;
                let Some(genre) = &self.genre else {
                    return found;
                };
                let Some((Entries(entries), floor)) = &genre.newest.listed else {
                    return found;
                };
                self.unseen.remove(&entry);
                let is_complete = genre.newest.fill.is_multiple_of(2);
                if is_complete && floor.covers(&entry) && !entries.contains(&entry) {
                    let text = format!(
                        "genre {} doesn't list {entry}, which is above its floor",
                        self.identity
                    );
                    found.push(self.candidate(Kind::GenreListWrong, text, Some(self.refill())));
                }
            }
            _ => {}
        }
        found
    }

    fn refill(&self) -> Mend {
        Mend::refill(keys::genre(&self.identity))
    }

    pub(super) fn finish(&self) -> Result<Vec<Candidate>, AuditError> {
        let mut found = Vec::new();
        if self.is_unreadable {
            return Ok(found);
        }
        let (identity, movies) = (&self.identity, self.movies);
        let key = keys::genre(identity);
        let Some(genre) = &self.genre else {
            let text = format!("genre {identity} has {movies} movies and no item");
            found.push(self.candidate(Kind::GenreMissing, text, None));
            return Ok(found);
        };
        if movies == 0 {
            let text = format!("genre {identity} counts {} movies and has none", genre.n);
            let mend = Mend::delete(key).and_count(Counter::Genres, -1);
            found.push(self.candidate(Kind::GenreOrphan, text, Some(mend)));
            return Ok(found);
        }
        if genre.n != movies {
            let text = format!("genre {identity} counts {} movies and has {movies}", genre.n);
            let mend = Mend::set(key, "n", number(movies));
            found.push(self.candidate(Kind::GenreCountWrong, text, Some(mend)));
        }
        if let Some((Entries(entries), _)) = &genre.newest.listed {
            for entry in &self.unseen {
                let text =
                    format!("genre {identity} lists {entry}, which is the entry of none of its movies");
                found.push(self.candidate(Kind::GenreListWrong, text, Some(self.refill())));
            }
            if entries.len() > MOST {
                let text = format!("genre {identity} lists {} movies", entries.len());
                found.push(self.candidate(Kind::GenreListWrong, text, Some(self.refill())));
            }
        } else {
            let text = format!("genre {identity} lists no newest movies");
            found.push(self.candidate(Kind::GenreListMissing, text, Some(self.refill())));
        }
        let bytes = size(genre)?;
        if bytes > UNIT {
            let text = format!("the item of genre {identity} has {bytes} bytes");
            found.push(self.candidate(Kind::GenreTooLarge, text, Some(self.refill())));
        }
        Ok(found)
    }
}

/// The size of a genre's item by AWS's rules ("DynamoDB item sizes and formats"), rounded up: an entry's name and value with a
/// byte for each element, three bytes for the map, and as many bytes for a number as it has digits.
fn size(genre: &GenreItem) -> Result<usize, AuditError> {
    let key = keys::genre(&genre.identity);
    let mut bytes = keys::PK.len() + key.pk.len() + keys::SK.len() + key.sk.len();
    for (name, value) in to_item(genre)? {
        bytes += name.len();
        bytes += match (value.as_s(), value.as_n(), value.as_m()) {
            (Ok(text), ..) | (_, Ok(text), _) => text.len(),
            (.., Ok(map)) => 3 + map.keys().map(|name| name.len() + 2).sum::<usize>(),
            _ => 0,
        };
    }
    Ok(bytes)
}

/// The check of an item of the vocabulary: it has the rests of all words that belong there, unless it is full.
pub(super) struct WordCheck {
    group: String,
    rests: BTreeSet<String>,
}

impl WordCheck {
    pub(super) fn of(group: String) -> Self {
        Self {
            group,
            rests: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, key: &Key, fact: Fact) -> Vec<Candidate> {
        match fact {
            Fact::Rests(rests) => self.rests = rests,
            Fact::Word(rest, word) => {
                let is_full = self.rests.len() >= room(key);
                if !is_full && !self.rests.contains(&rest) {
                    return vec![Candidate {
                        kind: Kind::WordMissing,
                        class: Class::Word,
                        group: self.group.clone(),
                        key: key.clone(),
                        text: format!("the word {word} isn't in {key}"),
                        subject: word,
                        mend: Some(Mend::add_rest(key.clone(), rest)),
                    }];
                }
            }
            _ => {}
        }
        Vec::new()
    }
}
