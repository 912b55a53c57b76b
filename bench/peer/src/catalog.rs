//! The catalog of a new database.

use std::path::Path;

use rusqlite::Transaction;

use crate::{
    database::Error,
    movies::{self, NewMovie},
};

/// Adds the movies of a CSV file.
///
/// # Errors
/// Returns an error if the file can't be read or a movie can't be added.
pub fn load(transaction: &Transaction<'_>, file: &Path) -> Result<(), Error> {
    for movie in csv::Reader::from_path(file)?.deserialize::<NewMovie>() {
        movies::add(transaction, &movie?, None)?;
    }
    Ok(())
}
