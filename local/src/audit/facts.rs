//! What an audit keeps of each item, sorted on disk.
//!
//! An item says something about a movie, a user, a genre or a part of the vocabulary: its *facts*. The facts of one subject are a
//! *group*. They are written to a private SQLite file in the order of the scan, and read back group by group: SQLite sorts them
//! outside of memory. So the memory of an audit doesn't depend on the size of the table.

use std::{
    collections::BTreeSet,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use marquee_shared::{
    db::{
        Key,
        genre::GenreItem,
        movie::MovieItem,
        newest::Entry,
        user::{LoginKind, PasswordVersion, UserItem},
    },
    domain::{CoverKey, UserId},
};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::{AuditError, Candidate, kind::Kind};

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Movie,
    User,
    Word,
    /// An item on its own.
    Item,
    Genre,
    Counter,
    /// The image of an uploaded cover.
    Cover,
}

impl Class {
    /// The classes in the order in which they are mended: a genre's count depends on memberships, and a counter on genres.
    pub(super) const ALL: [Self; 7] = [
        Self::Movie,
        Self::User,
        Self::Word,
        Self::Item,
        Self::Genre,
        Self::Counter,
        Self::Cover,
    ];
    /// Those that have groups of facts.
    pub(super) const GROUPED: [Self; 5] = [Self::Movie, Self::User, Self::Word, Self::Genre, Self::Cover];

    fn index(self) -> u8 {
        self as u8
    }

    fn table(self) -> &'static str {
        match self {
            Self::Movie => "movies",
            Self::User => "users",
            Self::Word => "words",
            Self::Item => "items",
            Self::Genre => "genres",
            Self::Counter => "counters",
            Self::Cover => "covers",
        }
    }
}

/// Something that an item says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Fact {
    /// There is an item of the subject, and it can't be decoded. Nothing else is known of it.
    Unreadable,
    /// The movie, without its description.
    Movie(Box<MovieItem>),
    /// The movie is deleted, and its favorites are looked after.
    Sweep,
    /// A posting with this [digest](super::classify::digest).
    Posting(u64),
    /// The movie is listed among those of this user.
    Owned(UserId),
    /// The movie has this IMDb id.
    Imdb(String),
    /// So many users have the movie among their favorites.
    Favorites(u64),
    User(Box<UserItem>),
    /// The deleted account is looked after.
    Leaving,
    Login(Login),
    /// Something that only a user can have, as a sentence for the case that there is none.
    Claim(String),
    Genre(Box<GenreItem>),
    /// A movie of the genre.
    Member(Entry),
    /// The rests of an item of the vocabulary.
    Rests(BTreeSet<String>),
    /// The rest that the item must have, and the word.
    Word(String, String),
    /// The movie has this uploaded cover.
    Shown(CoverKey),
    /// The image is doubtful.
    Doubtful,
    /// The store of covers has an object of this name.
    Stored {
        name: String,
        /// Whether no request can be about to give it to a movie.
        is_old: bool,
    },
}

/// A login without its password hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) kind: LoginKind,
    pub(super) account: String,
    pub(super) email: String,
    /// A digest of the password hash.
    pub(super) password: u64,
    pub(super) version: PasswordVersion,
}

impl Fact {
    /// The place in the group: what the others are compared with comes first.
    pub(super) fn place(&self) -> u8 {
        match self {
            Self::Unreadable
            | Self::Movie(_)
            | Self::User(_)
            | Self::Genre(_)
            | Self::Rests(_)
            | Self::Shown(_) => 0,
            Self::Sweep | Self::Leaving | Self::Doubtful => 1,
            Self::Posting(_) | Self::Login(_) | Self::Member(_) | Self::Word(..) | Self::Stored { .. } => 2,
            Self::Owned(_) | Self::Claim(_) => 3,
            Self::Imdb(_) => 4,
            Self::Favorites(_) => 5,
        }
    }
}

/// A fact, with the subject and the item's key.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) class: Class,
    pub(super) group: String,
    pub(super) key: Key,
    pub(super) fact: Fact,
}

/// The facts of an audit, and what may be wrong, in a private file that is removed at the end.
pub(super) struct Facts {
    connection: Mutex<Connection>,
    /// Removed, with the file in it, when this is dropped. Its mode is 0700.
    _directory: tempfile::TempDir,
}

impl Facts {
    pub(super) fn new() -> Result<Self, AuditError> {
        let directory = tempfile::Builder::new().prefix("marquee-audit-").tempdir()?;
        let file = directory.path().join("facts.sqlite");
        crate::private::file(&file).map_err(|error| io::Error::other(error.to_string()))?;
        let connection = Connection::open(&file)?;
        // Nobody reads the file after a crash. The cache has 8 MB. Sorting uses files too, which have no name and so are private.
        connection.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192; PRAGMA temp_store = FILE;
             CREATE TABLE candidates (id INTEGER PRIMARY KEY, class, grp, kind, pk, sk, subject, seen DEFAULT 0);",
        )?;
        for class in Class::GROUPED {
            let table = class.table();
            connection.execute_batch(&format!("CREATE TABLE {table} (grp, place, pk, sk, fact);"))?;
        }
        Ok(Self {
            connection: Mutex::new(connection),
            _directory: directory,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the facts of a page of items.
    pub(super) fn add(&self, facts: &[Placed]) -> Result<(), AuditError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        for Placed {
            class,
            group,
            key,
            fact,
        } in facts
        {
            let insert = format!("INSERT INTO {} VALUES (?, ?, ?, ?, ?)", class.table());
            let json = serde_json::to_string(fact)?;
            let mut insert = transaction.prepare_cached(&insert)?;
            insert.execute(params![group, fact.place(), key.pk, key.sk, json])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Adds what may be wrong.
    pub(super) fn suspect(&self, candidates: &[Candidate]) -> Result<(), AuditError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        for candidate in candidates {
            insert(&transaction, candidate)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Calls `check` with each fact of a class, group after group.
    pub(super) fn for_each(
        &self,
        class: Class,
        mut check: impl FnMut(&str, Key, Fact) -> Result<Vec<Candidate>, AuditError>,
    ) -> Result<(), AuditError> {
        let connection = self.lock();
        let select = format!(
            "SELECT grp, pk, sk, fact FROM {} ORDER BY grp, place, pk, sk",
            class.table()
        );
        let mut select = connection.prepare(&select)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (group, json): (String, String) = (row.get(0)?, row.get(3)?);
            let key = Key::new(row.get::<_, String>(1)?, row.get::<_, String>(2)?);
            for candidate in check(&group, key, serde_json::from_str(&json)?)? {
                insert(&connection, &candidate)?;
            }
        }
        Ok(())
    }

    /// The candidates of the first group behind this one, at most `most`, that were seen in `round` rounds, with the id of the
    /// last one.
    pub(super) fn candidates(
        &self,
        class: Class,
        after: i64,
        round: u32,
        most: usize,
    ) -> Result<Vec<(i64, Candidate)>, AuditError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(
            "SELECT id, grp, kind, pk, sk, subject FROM candidates WHERE class = ? AND id > ? AND seen = ? ORDER BY id LIMIT ?",
        )?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut rows = select.query(params![class.index(), after, round, most])?;
        let mut found: Vec<(i64, Candidate)> = Vec::new();
        while let Some(row) = rows.next()? {
            let kind: String = row.get(2)?;
            let candidate = Candidate {
                kind: kind.parse().unwrap_or(Kind::UnknownItem),
                class,
                group: row.get(1)?,
                key: Key::new(row.get::<_, String>(3)?, row.get::<_, String>(4)?),
                subject: row.get(5)?,
                text: String::new(),
                mend: None,
            };
            if found
                .first()
                .is_some_and(|(_, first)| first.group != candidate.group)
            {
                break;
            }
            found.push((row.get(0)?, candidate));
        }
        Ok(found)
    }

    /// Records that a candidate was seen in one round more.
    pub(super) fn seen(&self, id: i64) -> Result<(), AuditError> {
        let connection = self.lock();
        connection.execute("UPDATE candidates SET seen = seen + 1 WHERE id = ?", [id])?;
        Ok(())
    }

    /// How many images that no movie has were seen in this many rounds. They can be dropped by [`acquit_cover`](Self::acquit_cover).
    pub(super) fn count_orphaned_covers(&self, rounds: u32) -> Result<u64, AuditError> {
        let connection = self.lock();
        connection.execute_batch("CREATE INDEX IF NOT EXISTS groups ON candidates (grp)")?;
        let count = connection.query_row(
            "SELECT count(*) FROM candidates WHERE seen = ? AND kind = ?",
            params![rounds, Kind::CoverOrphan.name()],
            |row| row.get::<_, i64>(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// Drops the image with these digits from the candidates: a movie has it.
    pub(super) fn acquit_cover(&self, digits: &str) -> Result<(), AuditError> {
        let connection = self.lock();
        let mut delete = connection.prepare_cached("DELETE FROM candidates WHERE grp = ? AND kind = ?")?;
        delete.execute(params![digits, Kind::CoverOrphan.name()])?;
        Ok(())
    }

    /// How many candidates were seen in this many rounds.
    pub(super) fn count_seen(&self, rounds: u32) -> Result<u64, AuditError> {
        let connection = self.lock();
        let count = connection.query_row(
            "SELECT count(*) FROM candidates WHERE seen = ?",
            [rounds],
            |row| row.get::<_, i64>(0),
        )?;
        Ok(count.unsigned_abs())
    }
}

fn insert(connection: &Connection, candidate: &Candidate) -> Result<(), AuditError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO candidates (class, grp, kind, pk, sk, subject) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    let Candidate {
        kind,
        class,
        group,
        key,
        subject,
        ..
    } = candidate;
    insert.execute(params![
        class.index(),
        group,
        kind.name(),
        key.pk,
        key.sk,
        subject
    ])?;
    Ok(())
}
