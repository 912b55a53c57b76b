//! The statements: how movies and favorites are read and written.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use crate::database::Error;

/// The columns of a movie, and whether it is among the favorites of the user `?1`.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT m.id, m.title, m.description, m.release_date, m.director, m.genre, m.imdb_id, m.cover_image, ",
            "EXISTS (SELECT 1 FROM favorites f WHERE f.user_id = ?1 AND f.movie_id = m.id), ",
            "m.favorite_count, m.user_id, m.created_at, m.updated_at ",
            $rest
        )
    };
}

/// The number of columns of [`select!`].
const COLUMNS: usize = 13;

/// How many movies of a genre the categories show.
const PER_CATEGORY: i64 = 5;

/// A movie, as the API shows it.
#[derive(Serialize)]
pub struct Movie {
    pub id: i64,
    title: String,
    description: String,
    release_date: String,
    director: String,
    genre: String,
    imdb_id: Option<String>,
    cover_image: Option<String>,
    favorite: bool,
    favorite_count: i64,
    user: Option<i64>,
    created_at: String,
    updated_at: String,
}

/// A movie to add.
#[derive(Deserialize)]
pub struct NewMovie {
    title: String,
    description: String,
    release_date: String,
    director: String,
    genre: String,
    imdb_id: Option<String>,
    #[serde(default)]
    cover_image: Option<String>,
}

/// A genre with its newest movies.
#[derive(Serialize)]
pub struct Category {
    genre: String,
    count: i64,
    movies: Vec<Movie>,
}

/// Where a page begins.
#[derive(Clone, Copy)]
pub enum Start {
    After(i64),
    Before(i64),
}

/// The state of a favorite, as the API shows it.
#[derive(Serialize)]
pub struct Favorite {
    id: i64,
    favorite: bool,
    favorite_count: i64,
    message: &'static str,
}

impl Movie {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            title: row.get(1)?,
            description: row.get(2)?,
            release_date: row.get(3)?,
            director: row.get(4)?,
            genre: row.get(5)?,
            imdb_id: row.get(6)?,
            cover_image: row.get(7)?,
            favorite: row.get(8)?,
            favorite_count: row.get(9)?,
            user: row.get(10)?,
            created_at: row.get(11)?,
            updated_at: row.get(12)?,
        })
    }
}

impl NewMovie {
    /// Returns this movie without white space around its texts, or what is wrong with each field.
    pub fn checked(self) -> Result<Self, BTreeMap<&'static str, String>> {
        let trimmed = |text: String| text.trim().to_owned();
        let movie = Self {
            title: trimmed(self.title),
            description: trimmed(self.description),
            release_date: trimmed(self.release_date),
            director: trimmed(self.director),
            genre: trimmed(self.genre),
            ..self
        };
        let mut errors = BTreeMap::new();
        for (name, text, most) in [
            ("title", &movie.title, 200),
            ("description", &movie.description, 5_000),
            ("director", &movie.director, 200),
            ("genre", &movie.genre, 200),
        ] {
            if !(1..=most).contains(&text.chars().count()) {
                errors.insert(name, format!("Must be 1 to {most} characters."));
            }
        }
        if Date::parse(&movie.release_date, format_description!("[year]-[month]-[day]")).is_err() {
            errors.insert("release_date", "Must be a date, such as 1999-12-31.".to_owned());
        }
        if errors.is_empty() { Ok(movie) } else { Err(errors) }
    }
}

/// Returns a movie, if there is one with this id.
pub fn get(connection: &Connection, user: i64, id: i64) -> Result<Option<Movie>, Error> {
    let mut statement = connection.prepare_cached(select!("FROM movies m WHERE m.id = ?2"))?;
    Ok(statement.query_row(params![user, id], Movie::read).optional()?)
}

/// Returns at most `limit` movies in the order of their ids, and one more if there are more in the direction of the page.
pub fn list(connection: &Connection, user: i64, start: Start, limit: i64) -> Result<Vec<Movie>, Error> {
    match start {
        Start::After(id) => {
            let after = select!("FROM movies m WHERE m.id > ?2 ORDER BY m.id LIMIT ?3");
            all(connection, after, params![user, id, limit + 1])
        }
        Start::Before(id) => {
            let before = select!("FROM movies m WHERE m.id < ?2 ORDER BY m.id DESC LIMIT ?3");
            all(connection, before, params![user, id, limit + 1])
        }
    }
}

/// Returns the number of movies.
pub fn count(connection: &Connection) -> Result<i64, Error> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM movies")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Returns the movies with the latest release dates.
pub fn newest(connection: &Connection, user: i64, limit: i64) -> Result<Vec<Movie>, Error> {
    let newest = select!("FROM movies m ORDER BY m.release_date DESC, m.id DESC LIMIT ?2");
    all(connection, newest, params![user, limit])
}

/// Returns the movies that most users have among their favorites.
pub fn most_liked(connection: &Connection, user: i64, limit: i64) -> Result<Vec<Movie>, Error> {
    let most = select!(
        "FROM movies m WHERE m.favorite_count > 0 ORDER BY m.favorite_count DESC, m.id DESC LIMIT ?2"
    );
    all(connection, most, params![user, limit])
}

/// Returns the movies that have all words of `q`, exact titles first, then titles that begin with `q`, then those whose
/// title, director and genre match best. A word of one or two characters must be a whole word; a longer one may be the
/// beginning of a word. Returns one movie more than `limit` if there are more.
pub fn search(
    connection: &Connection,
    user: i64,
    q: &str,
    skip: i64,
    limit: i64,
) -> Result<Vec<Movie>, Error> {
    let words: Vec<String> = q
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| {
            let prefix = if word.chars().nth(2).is_some() { "*" } else { "" };
            format!("\"{word}\"{prefix}")
        })
        .collect();
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let found = select!(
        "FROM movies_by_word w JOIN movies m ON m.id = w.rowid WHERE movies_by_word MATCH ?2
         ORDER BY m.title = ?3 COLLATE NOCASE DESC, substr(m.title, 1, length(?3)) = ?3 COLLATE NOCASE DESC,
             bm25(movies_by_word, 10, 3, 1), m.id
         LIMIT ?4 OFFSET ?5"
    );
    all(
        connection,
        found,
        params![user, words.join(" "), q.trim(), limit + 1, skip],
    )
}

/// Returns every genre with the number of its movies and the newest of them.
pub fn categories(connection: &Connection, user: i64) -> Result<Vec<Category>, Error> {
    let mut statement = connection.prepare_cached(select!(
        ", g.name, r.total FROM (
             SELECT genre_id, movie_id,
                 count(*) OVER (PARTITION BY genre_id) AS total,
                 row_number() OVER (PARTITION BY genre_id ORDER BY release_date DESC, movie_id DESC) AS place
             FROM movie_genres
         ) r JOIN genres g ON g.id = r.genre_id JOIN movies m ON m.id = r.movie_id
         WHERE r.place <= ?2 ORDER BY g.name COLLATE NOCASE, r.place"
    ))?;
    let mut rows = statement.query(params![user, PER_CATEGORY])?;
    let mut categories: Vec<Category> = Vec::new();
    while let Some(row) = rows.next()? {
        let (genre, movie): (String, _) = (row.get(COLUMNS)?, Movie::read(row)?);
        match categories.last_mut().filter(|last| last.genre == genre) {
            Some(last) => last.movies.push(movie),
            None => categories.push(Category {
                genre,
                count: row.get(COLUMNS + 1)?,
                movies: vec![movie],
            }),
        }
    }
    Ok(categories)
}

/// Adds a movie, and returns its id.
pub fn add(transaction: &Transaction<'_>, movie: &NewMovie, user: Option<i64>) -> Result<i64, Error> {
    let now = now()?;
    transaction
        .prepare_cached(
            "INSERT INTO movies (title, description, release_date, director, genre, imdb_id, cover_image, user_id,
                 created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
        )?
        .execute(params![
            movie.title,
            movie.description,
            movie.release_date,
            movie.director,
            movie.genre,
            movie.imdb_id,
            movie.cover_image,
            user,
            now,
        ])?;
    let id = transaction.last_insert_rowid();
    transaction
        .prepare_cached("INSERT INTO movies_by_word (rowid, title, director, genre) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, movie.title, movie.director, movie.genre])?;
    for genre in movie
        .genre
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        transaction
            .prepare_cached("INSERT INTO genres (name) VALUES (?1) ON CONFLICT DO NOTHING")?
            .execute([genre])?;
        transaction
            .prepare_cached(
                "INSERT INTO movie_genres (genre_id, release_date, movie_id)
                 SELECT id, ?2, ?3 FROM genres WHERE name = ?1 ON CONFLICT DO NOTHING",
            )?
            .execute(params![genre, movie.release_date, id])?;
    }
    Ok(id)
}

/// Adds a movie to a user's favorites, or removes it. Returns `None` if there is no such movie.
pub fn toggle(transaction: &Transaction<'_>, user: i64, id: i64) -> Result<Option<Favorite>, Error> {
    let removed = transaction
        .prepare_cached("DELETE FROM favorites WHERE user_id = ?1 AND movie_id = ?2")?
        .execute([user, id])?;
    let favorite = removed == 0;
    let count = transaction
        .prepare_cached(
            "UPDATE movies SET favorite_count = favorite_count + ?2 WHERE id = ?1 RETURNING favorite_count",
        )?
        .query_row(params![id, if favorite { 1 } else { -1 }], |row| row.get(0))
        .optional()?;
    let Some(favorite_count) = count else {
        return Ok(None);
    };
    if favorite {
        transaction
            .prepare_cached("INSERT INTO favorites (user_id, movie_id, created_at) VALUES (?1, ?2, ?3)")?
            .execute(params![user, id, now()?])?;
    }
    Ok(Some(Favorite {
        id,
        favorite,
        favorite_count,
        message: if favorite {
            "The movie is among your favorites."
        } else {
            "The movie is not among your favorites."
        },
    }))
}

fn all(connection: &Connection, statement: &str, params: impl rusqlite::Params) -> Result<Vec<Movie>, Error> {
    let mut statement = connection.prepare_cached(statement)?;
    let movies = statement.query_map(params, Movie::read)?;
    Ok(movies.collect::<Result<_, _>>()?)
}

/// Returns the time, in RFC 3339 with milliseconds.
fn now() -> Result<String, Error> {
    let now = OffsetDateTime::now_utc();
    let milliseconds = now.replace_nanosecond(u32::from(now.millisecond()) * 1_000_000)?;
    Ok(milliseconds.format(&Rfc3339)?)
}
