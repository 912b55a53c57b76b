//! Which column of a file holds which field of a movie.

use std::{fmt, str::FromStr};

use super::error::ImportError;

/// A field of a movie that a file can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The title.
    Title,
    /// The description.
    Description,
    /// The release date.
    ReleaseDate,
    /// The director or directors.
    Director,
    /// The genre or genres.
    Genre,
    /// The id at IMDb.
    ImdbId,
    /// The URL of the cover.
    CoverImage,
}

/// How many fields there are.
pub(super) const FIELDS: usize = 7;

impl Field {
    /// All fields, in the order in which complaints name them.
    pub(crate) const ALL: [Self; FIELDS] = [
        Self::Title,
        Self::Description,
        Self::ReleaseDate,
        Self::Director,
        Self::Genre,
        Self::ImdbId,
        Self::CoverImage,
    ];

    /// The field's name in the API.
    pub(crate) fn name(self) -> &'static str {
        // No field is without names.
        self.names().first().copied().unwrap_or_default()
    }

    /// The names of a column that holds the field, the best first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Title => &["title", "primarytitle", "name"],
            Self::Description => &["description", "overview", "plot"],
            Self::ReleaseDate => &["release_date", "released"],
            Self::Director => &["director", "directors"],
            Self::Genre => &["genre", "genres", "listed_in"],
            Self::ImdbId => &["imdb_id", "const", "tconst", "imdb_title_id", "id"],
            Self::CoverImage => &["cover_image", "poster", "poster_url", "cover"],
        }
    }

    /// Whether a movie can be without it.
    pub(super) fn is_optional(self) -> bool {
        matches!(self, Self::ImdbId | Self::CoverImage)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Field {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|field| field.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("\"{name}\" is not a field of a movie; the fields are {names}")
        })
    }
}

/// A column's name as it is compared: without case, with one underscore for white space.
pub(super) fn normalized(name: &str) -> String {
    let lower = name.to_lowercase();
    lower.split_whitespace().collect::<Vec<_>>().join("_")
}

/// The column of each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// The column of each field of [`Field::ALL`].
    at: [Option<usize>; FIELDS],
    /// Whether the column of the IMDb id is called `id`. Then it may hold ids of another kind.
    pub(super) imdb_id_is_id: bool,
}

impl Columns {
    /// Finds the columns by the names in a file's header. `named` are the columns that the operator has named.
    ///
    /// # Errors
    /// The columns that the operator named and the file lacks; otherwise all fields for which the file has no column.
    /// Either with all columns that the file has.
    pub(super) fn of<S: AsRef<str>>(header: &[S], named: &[(Field, String)]) -> Result<Self, ImportError> {
        let names: Vec<String> = header.iter().map(|name| normalized(name.as_ref())).collect();
        let find = |name: &str| names.iter().position(|own| own == name);
        let mut columns = Self {
            at: [None; FIELDS],
            imdb_id_is_id: false,
        };
        let mut lacking = Vec::new();
        for (at, field) in columns.at.iter_mut().zip(Field::ALL) {
            if let Some((_, name)) = named.iter().rev().find(|(own, _)| *own == field) {
                *at = find(&normalized(name));
                if at.is_none() {
                    lacking.push(format!("\"{name}\""));
                }
                continue;
            }
            let found = field.names().iter().find_map(|name| Some((find(name)?, *name)));
            *at = found.map(|(index, _)| index);
            columns.imdb_id_is_id |= found.is_some_and(|(_, name)| name == "id");
        }
        let found: Vec<&str> = header.iter().map(|name| name.as_ref().trim()).collect();
        // A name must not be able to write on the terminal.
        let found = found.join(", ").replace(char::is_control, "\u{fffd}");
        if !lacking.is_empty() {
            let lacking = lacking.join(", ");
            return Err(ImportError::File(format!(
                "the file has no column {lacking}; its columns are {found}"
            )));
        }
        let required = Field::ALL.into_iter().filter(|field| !field.is_optional());
        let missing: Vec<Field> = required.filter(|field| columns.index(*field).is_none()).collect();
        if let Some(first) = missing.first() {
            let names = missing.iter().map(|field| field.name()).collect::<Vec<_>>();
            return Err(ImportError::File(format!(
                "the file has no column for {}; its columns are {found}. If a column has another name, say \
                 --column {first}=NAME",
                names.join(", ")
            )));
        }
        Ok(columns)
    }

    /// How many fields a header with these names has a column for.
    pub(super) fn recognized<S: AsRef<str>>(header: &[S], named: &[(Field, String)]) -> usize {
        let known = |name: &S| {
            let name = normalized(name.as_ref());
            let is_known = Field::ALL
                .iter()
                .any(|field| field.names().contains(&name.as_str()));
            is_known || named.iter().any(|(_, own)| normalized(own) == name)
        };
        header.iter().filter(|name| known(name)).count()
    }

    /// The index of a field's column.
    pub(super) fn index(&self, field: Field) -> Option<usize> {
        let fields = Field::ALL.into_iter().zip(self.at);
        fields.filter(|(own, _)| *own == field).find_map(|(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(header: &str, field: Field) -> Option<usize> {
        let header: Vec<&str> = header.split(',').collect();
        Columns::of(&header, &[]).unwrap().index(field)
    }

    #[test]
    fn columns_are_found_by_their_names_without_case_and_by_other_names() {
        let header = " Title ,Description,Release Date,DIRECTOR,Genre,IMDB ID,Cover\u{a0}Image";
        for (at, field) in Field::ALL.into_iter().enumerate() {
            let at = [0, 1, 2, 3, 4, 5, 6][at];
            assert_eq!(index(header, field), Some(at), "{field}");
        }
        for (others, field) in [
            ("primaryTitle,name", Field::Title),
            ("overview,plot", Field::Description),
            ("Released", Field::ReleaseDate),
            ("Directors", Field::Director),
            ("genres,listed_in", Field::Genre),
            ("const,tconst,imdb_title_id,id", Field::ImdbId),
            ("poster,Poster URL,cover", Field::CoverImage),
        ] {
            for other in others.split(',') {
                let header = Field::ALL.map(|own| if own == field { other } else { own.name() });
                let header = header.join(",");
                let at = Field::ALL.iter().position(|own| *own == field);
                assert_eq!(index(&header, field), at, "{header}");
            }
        }
    }

    #[test]
    fn the_best_name_wins_and_a_named_column_over_it() {
        let header = "name,title,description,release_date,date_added,director,genre,id";
        assert_eq!(index(header, Field::Title), Some(1));
        let header: Vec<&str> = header.split(',').collect();
        let named = [
            (Field::Title, "Name".to_owned()),
            (Field::ReleaseDate, "Date Added".to_owned()),
        ];
        let columns = Columns::of(&header, &named).unwrap();
        assert_eq!(columns.index(Field::Title), Some(0));
        assert_eq!(columns.index(Field::ReleaseDate), Some(4));
        assert!(columns.imdb_id_is_id);
    }

    #[test]
    fn all_that_is_missing_and_all_that_was_found_is_said_at_once() {
        let error = Columns::of(&["Title", "date_added", "Genres "], &[])
            .unwrap_err()
            .to_string();
        for part in [
            "no column for description, release_date, director;",
            "Title, date_added, Genres",
            "--column description=NAME",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let named = [(Field::Title, "Nom".to_owned()), (Field::Genre, "x".to_owned())];
        let error = Columns::of(&["title"], &named).unwrap_err().to_string();
        assert!(
            error.contains("no column \"Nom\", \"x\"; its columns are title"),
            "{error}"
        );
    }
}
