//! A CSV row becomes a movie, or the list of what is wrong with it.

use std::fmt;

use marquee_shared::domain::{
    CoverImage, Description, Director, Genres, ImdbId, MovieFields, ReleaseDate, Title,
};

use super::error::ImportError;

/// The index of each column of a file.
pub(super) struct Columns {
    title: usize,
    description: usize,
    release_date: usize,
    director: usize,
    genre: usize,
    imdb_id: Option<usize>,
    cover_image: Option<usize>,
    /// How many columns the file has, known or not.
    count: usize,
}

impl Columns {
    /// Finds the columns by the header's names. Fails when one other than `imdb_id` and `cover_image` is missing.
    pub(super) fn of(headers: &csv::StringRecord) -> Result<Self, ImportError> {
        let find = |name: &str| headers.iter().position(|header| header.trim() == name);
        let need = |name: &str| {
            find(name).ok_or_else(|| ImportError::File(format!("the file has no column {name}")))
        };
        Ok(Self {
            title: need("title")?,
            description: need("description")?,
            release_date: need("release_date")?,
            director: need("director")?,
            genre: need("genre")?,
            imdb_id: find("imdb_id"),
            cover_image: find("cover_image"),
            count: headers.len(),
        })
    }

    /// Returns the movie of a row, or everything that is wrong with the row.
    pub(super) fn fields(&self, row: &csv::StringRecord) -> Result<MovieFields, String> {
        if row.len() != self.count {
            return Err(format!("{} fields instead of {}", row.len(), self.count));
        }
        let mut wrong = Vec::new();
        let title = field(row, self.title, "title", Title::parse, &mut wrong);
        let description = field(
            row,
            self.description,
            "description",
            Description::parse,
            &mut wrong,
        );
        let release_date = field(
            row,
            self.release_date,
            "release_date",
            ReleaseDate::parse,
            &mut wrong,
        );
        let director = field(row, self.director, "director", Director::parse, &mut wrong);
        let genres = field(row, self.genre, "genre", Genres::parse, &mut wrong);
        let is_filled = |index: &usize| row.get(*index).is_some_and(|text| !text.trim().is_empty());
        let imdb_id = self
            .imdb_id
            .filter(is_filled)
            .and_then(|index| field(row, index, "imdb_id", ImdbId::parse, &mut wrong));
        let cover_image = self
            .cover_image
            .filter(is_filled)
            .and_then(|index| field(row, index, "cover_image", CoverImage::parse, &mut wrong));
        let (Some(title), Some(description), Some(release_date), Some(director), Some(genres)) =
            (title, description, release_date, director, genres)
        else {
            return Err(wrong.join("; "));
        };
        if !wrong.is_empty() {
            return Err(wrong.join("; "));
        }
        let fields = MovieFields {
            title,
            description,
            release_date,
            director,
            genres,
            imdb_id,
            cover_image,
        };
        fields.check().map_err(|e| e.to_string())
    }
}

/// Parses one field of a row. An error is added to `wrong` with the column's name.
fn field<T, E: fmt::Display>(
    row: &csv::StringRecord,
    index: usize,
    name: &str,
    parse: impl Fn(&str) -> Result<T, E>,
    wrong: &mut Vec<String>,
) -> Option<T> {
    parse(row.get(index).unwrap_or_default())
        .map_err(|e| wrong.push(format!("{name}: {e}")))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::source::{DEMONSTRATION, csv_reader};

    #[test]
    fn everything_wrong_with_a_row_is_said_at_once() {
        let headers = ["title", "description", "release_date", "director", "genre"];
        let columns = Columns::of(&csv::StringRecord::from(headers.to_vec())).unwrap();
        let row = csv::StringRecord::from(vec!["", "x", "1869-01-01", "y", "z"]);
        let text = columns.fields(&row).unwrap_err();
        assert!(
            text.contains("title: ") && text.contains("release_date: "),
            "{text}"
        );
    }

    #[test]
    fn every_movie_of_the_demonstration_catalog_is_a_movie() {
        let mut reader = csv_reader(DEMONSTRATION);
        let columns = Columns::of(reader.headers().unwrap()).unwrap();
        let movies: Vec<MovieFields> = reader
            .records()
            .map(|row| columns.fields(&row.unwrap()).unwrap())
            .collect();
        assert_eq!(movies.len(), 16_975);
        let dramas = movies
            .iter()
            .filter(|f| f.genres.iter().any(|g| g.identity() == "drama"));
        assert_eq!(dramas.count(), 8_917);
    }
}
