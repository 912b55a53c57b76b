//! The values of a row become a movie, or the list of what is wrong with them.

use marquee_shared::domain::{Description, Director, Genres, ImdbId, MovieFields, Title};

use super::{
    columns::{FIELDS, Field},
    complaints::Complaint,
    covers, dates, genres, lists,
    options::Options,
    rows::Values,
    written,
};

/// Texts that stand for no value in the data of IMDb, OMDb and MovieLens.
pub(super) const NO_VALUE: [&str; 3] = [r"\N", "N/A", "(no genres listed)"];

/// What a row was read as.
pub(super) struct Parsed {
    /// The movie. `None` if something is wrong with a field that a movie must have.
    pub(super) fields: Option<MovieFields>,
    /// Everything that is wrong. If there is a movie, these are optional values that were left out.
    pub(super) complaints: Vec<Complaint>,
}

/// Parses the values of a row. With `imdb_id_is_id`, an IMDb id that isn't one is an id of another kind, and ignored.
pub(super) fn parse(values: &Values, imdb_id_is_id: bool, options: &Options) -> Parsed {
    let mut reading = Reading {
        values,
        complaints: Vec::new(),
    };
    let title = reading.field(Field::Title, Title::parse);
    let description = reading.field(Field::Description, Description::parse);
    let release_date = reading.field(Field::ReleaseDate, |text| {
        dates::parse(text, options.dates).map_err(str::to_owned)
    });
    let director = reading.field(Field::Director, |text| Director::parse(&joined(text)));
    let genres: Option<Genres> = reading.field(Field::Genre, genres::parse);
    let cover_image = reading.optional(Field::CoverImage, |text| {
        covers::parse(text, options.images.as_deref()).map_err(str::to_owned)
    });
    let is_other_id = imdb_id_is_id && ImdbId::parse(reading.value(Field::ImdbId)).is_err();
    let imdb_id = match is_other_id {
        true => None,
        false => reading.optional(Field::ImdbId, |text| ImdbId::parse(text).map_err(str::to_owned)),
    };
    let fields = (|| {
        Some(MovieFields {
            title: title?,
            description: description?,
            release_date: release_date?,
            director: director?,
            genres: genres?,
            imdb_id,
            cover_image,
        })
    })();
    let mut complaints = reading.complaints;
    let fields = match fields.map(MovieFields::check) {
        Some(Ok(fields)) => Some(fields),
        Some(Err(error)) => {
            let message = "Title, director and genre together must have at most 30 different words.";
            complaints.push(Complaint::of_row(message, Some(format!("{} words", error.words))));
            None
        }
        None => None,
    };
    if fields.is_none() {
        // An optional value is only left out if its movie is not.
        complaints.retain(Complaint::loses_row);
    }
    Parsed { fields, complaints }
}

/// The names in a list as JSON or Python write it, separated by commas. Other text as it is.
pub(super) fn joined(text: &str) -> String {
    let names = lists::is_list(text).then(|| lists::names(text)).flatten();
    names.map_or_else(|| text.to_owned(), |names| names.join(", "))
}

/// The values of a row, and what is wrong with those that were read.
struct Reading<'a> {
    values: &'a [Option<String>; FIELDS],
    complaints: Vec<Complaint>,
}

impl Reading<'_> {
    /// A field's value. Empty if the row has none.
    fn value(&self, field: Field) -> &str {
        let values = self.values.iter().zip(Field::ALL);
        let value = values
            .filter(|(_, own)| *own == field)
            .find_map(|(value, _)| value.as_deref());
        value.unwrap_or_default().trim()
    }

    /// A field that a movie must have. A title can be any text, so only `\N` stands for no title.
    fn field<T>(&mut self, field: Field, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let value = self.value(field);
        let stands_for_none = match field {
            Field::Title => value == r"\N",
            _ => NO_VALUE.contains(&value),
        };
        let literal = match field {
            Field::Title | Field::Description => written::literal(value),
            _ => None,
        };
        let parsed = match literal {
            _ if value.is_empty() || stands_for_none => Err("This field may not be blank.".to_owned()),
            Some(literal) => parse(&literal),
            None => parse(value),
        };
        let complaint = parsed.map_err(|message| Complaint::of_field(field, message, value));
        complaint
            .map_err(|complaint| self.complaints.push(complaint))
            .ok()
    }

    /// A field that a movie can be without.
    fn optional<T>(&mut self, field: Field, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let value = self.value(field);
        if value.is_empty() || NO_VALUE.contains(&value) {
            return None;
        }
        let complaint = parse(value).map_err(|message| Complaint::of_field(field, message, value));
        complaint
            .map_err(|complaint| self.complaints.push(complaint.left_out()))
            .ok()
    }
}
