//! The filters of a list of movies, and what decides whether a movie passes them: the movie, or an entry of a list.

use std::{collections::BTreeSet, fmt::Write as _, ops::RangeInclusive};

use crate::{
    db::{
        encoded_words::EncodedWords,
        keys::WORD_SEPARATOR,
        verdict::Verdict,
        words::{self, Words, director_name},
    },
    domain::{
        ImdbId, MovieFields, ReleaseDate,
        genre::{self, MAX_GENRES},
    },
};

/// Which movies a list has: those that pass every filter. The default has none, so the list has every movie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// The identities of genres, all of which the movie has.
    genres: BTreeSet<String>,
    /// The [names](director_name) of directors, all of whom the movie has.
    directors: BTreeSet<String>,
    /// The first release date.
    from: Option<ReleaseDate>,
    /// The last release date.
    to: Option<ReleaseDate>,
    /// The movie's IMDb id.
    imdb_id: Option<ImdbId>,
    /// Whether a filter has a value that no movie can have.
    is_impossible: bool,
}

impl Filters {
    /// Adds genres, separated by commas: the movie must have all of them.
    pub fn add_genres(&mut self, names: &str) {
        for name in names.split(',').filter(|name| !name.trim().is_empty()) {
            match genre::identity(name) {
                Some(identity) => _ = self.genres.insert(identity),
                // Nothing but signs, or more than a genre may have.
                None => self.is_impossible = true,
            }
        }
    }

    /// Adds a director, or several separated by commas: the movie must have all of them.
    pub fn add_directors(&mut self, names: &str) {
        let before = self.directors.len();
        let names = words::directors(names);
        self.directors
            .extend(names.iter().filter_map(|name| director_name(name)));
        self.is_impossible |= self.directors.len() == before;
    }

    /// Adds a first release date.
    pub fn add_from(&mut self, date: ReleaseDate) {
        self.from = self.from.max(Some(date));
    }

    /// Adds a last release date.
    pub fn add_to(&mut self, date: ReleaseDate) {
        self.to = Some(self.to.map_or(date, |to| to.min(date)));
    }

    /// Adds an IMDb id.
    pub fn add_imdb_id(&mut self, id: ImdbId) {
        self.imdb_id = Some(id);
    }

    /// The genres.
    pub(super) fn genres(&self) -> &BTreeSet<String> {
        &self.genres
    }

    /// The directors.
    pub(super) fn directors(&self) -> &BTreeSet<String> {
        &self.directors
    }

    /// The IMDb id.
    pub(super) fn imdb_id(&self) -> Option<&ImdbId> {
        self.imdb_id.as_ref()
    }

    /// The first and the last release date.
    pub(super) fn dates(&self) -> (Option<ReleaseDate>, Option<ReleaseDate>) {
        (self.from, self.to)
    }

    /// The years of release. `None` if the range has no first or no last date.
    pub(super) fn years(&self) -> Option<RangeInclusive<u16>> {
        Some(self.from?.year()..=self.to?.year())
    }

    /// Whether there is no filter.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The genre, if there is no filter but one genre.
    #[must_use]
    pub fn only_genre(&self) -> Option<&str> {
        let genre = self.genres.first().filter(|_| self.genres.len() == 1)?;
        let alone = Self {
            genres: self.genres.clone(),
            ..Self::default()
        };
        (*self == alone).then_some(genre.as_str())
    }

    /// Whether no movie can pass: a genre or a director without a word, more genres than a movie can have, or an empty range
    /// of dates.
    #[must_use]
    pub fn find_nothing(&self) -> bool {
        let is_empty_range = self.from.zip(self.to).is_some_and(|(from, to)| from > to);
        self.is_impossible || is_empty_range || self.genres.len() > MAX_GENRES
    }

    /// The filters as a part of a cursor's scope: equal filters have equal scopes, and others don't.
    #[must_use]
    pub fn scope(&self) -> String {
        let mut scope = String::new();
        if self.is_impossible {
            scope += " nothing";
        }
        // No normalized text has a comma, a space or an equals sign. Writing to a string can't fail.
        for (name, values) in [("genre", &self.genres), ("director", &self.directors)] {
            if !values.is_empty() {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                _ = write!(scope, " {name}={}", values.join(","));
            }
        }
        for (name, date) in [("from", self.from), ("to", self.to)] {
            if let Some(date) = date {
                _ = write!(scope, " {name}={date}");
            }
        }
        if let Some(id) = &self.imdb_id {
            _ = write!(scope, " imdb_id={id}");
        }
        scope
    }

    /// Whether a movie passes every filter.
    #[must_use]
    pub fn accept(&self, movie: &MovieFields) -> bool {
        let words = EncodedWords::of(&Words::of(movie));
        self.accept_date(&movie.release_date.to_string())
            && self.genres.iter().all(|genre| has_genre(&words, genre))
            && self.directors.iter().all(|name| has_director(&words, name))
            && self
                .imdb_id
                .as_ref()
                .is_none_or(|id| movie.imdb_id.as_ref() == Some(id))
    }

    /// Whether a release date is in the range. Years have four digits, so the order of texts is the order of dates.
    pub(super) fn accept_date(&self, date: &str) -> bool {
        self.from.is_none_or(|from| from.to_string().as_str() <= date)
            && self.to.is_none_or(|to| date <= to.to_string().as_str())
    }

    /// Whether the movie of an entry passes, as far as the entry decides it. An entry is never about an IMDb id.
    pub(super) fn decide(&self, said: &Said<'_>) -> Verdict {
        let mut verdict = Verdict::Yes;
        if self.from.is_some() || self.to.is_some() {
            verdict = verdict.and(
                said.date
                    .map_or(Verdict::Unknown, |date| self.accept_date(date).into()),
            );
        }
        for genre in &self.genres {
            verdict = verdict.and(match (said, &said.genres) {
                (Said { genre: Some(own), .. }, _) if own == genre => Verdict::Yes,
                (
                    Said {
                        words: Some(words), ..
                    },
                    _,
                ) => has_genre(words, genre).into(),
                (_, Some(others)) => others.contains(&genre.as_str()).into(),
                _ => Verdict::Unknown,
            });
        }
        for name in &self.directors {
            verdict = verdict.and(match said {
                Said {
                    director: Some(own), ..
                } if own == name => Verdict::Yes,
                Said {
                    words: Some(words), ..
                } => has_director(words, name).into(),
                _ => Verdict::Unknown,
            });
        }
        verdict
    }
}

/// What an entry of a list says about its movie.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    /// The release date.
    pub(super) date: Option<&'a str>,
    /// All its words.
    pub(super) words: Option<EncodedWords>,
    /// A genre that it has.
    pub(super) genre: Option<&'a str>,
    /// All its other genres.
    pub(super) genres: Option<Vec<&'a str>>,
    /// A director that it has.
    pub(super) director: Option<&'a str>,
}

/// Whether one of the genres has this identity.
fn has_genre(words: &EncodedWords, identity: &str) -> bool {
    words
        .genres()
        .any(|genre| genre.eq(identity.split(WORD_SEPARATOR)))
}

/// Whether one of the directors has this [name](director_name).
fn has_director(words: &EncodedWords, name: &str) -> bool {
    words
        .director_names()
        .any(|own| own.eq(name.split(WORD_SEPARATOR)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> ReleaseDate {
        ReleaseDate::parse(text).unwrap()
    }

    fn filters(set: impl FnOnce(&mut Filters)) -> Filters {
        let mut filters = Filters::default();
        set(&mut filters);
        filters
    }

    #[test]
    fn equal_filters_have_equal_scopes_however_they_are_written() {
        let one = filters(|f| {
            f.add_genres("Sci-Fi, drama");
            f.add_directors("Jean-Pierre Jeunet");
            f.add_from(date("1999-01-01"));
            f.add_from(date("1990-01-01"));
            f.add_to(date("1999-12-31"));
        });
        let other = filters(|f| {
            f.add_to(date("1999-12-31"));
            f.add_to(date("2001-12-31"));
            f.add_from(date("1999-01-01"));
            f.add_directors(" JEAN pierre jeunet ");
            f.add_genres("DRAMA");
            f.add_genres("sci fi,,drama");
        });
        assert_eq!(one, other);
        assert_eq!(
            one.scope(),
            " genre=drama,sci-fi director=jean-pierre-jeunet from=1999-01-01 to=1999-12-31"
        );
        assert_eq!(one.years(), Some(1999..=1999));
        assert_eq!(Filters::default().scope(), "");
    }

    #[test]
    fn a_value_that_no_movie_can_have_finds_nothing() {
        assert!(!filters(|f| f.add_genres("a,b,c,d,e,f,g,h,i")).find_nothing());
        for nothing in [
            filters(|f| f.add_genres("Drama, ?")),
            filters(|f| f.add_genres("a,b,c,d,e,f,g,h,i,j")),
            filters(|f| f.add_directors("…")),
            filters(|f| {
                f.add_from(date("2000-01-02"));
                f.add_to(date("2000-01-01"));
            }),
        ] {
            assert!(nothing.find_nothing(), "{nothing:?}");
        }
    }

    #[test]
    fn only_one_genre_alone_is_only_a_genre() {
        assert_eq!(
            filters(|f| f.add_genres("Film Noir")).only_genre(),
            Some("film-noir")
        );
        for others in [
            Filters::default(),
            filters(|f| f.add_genres("a,b")),
            filters(|f| {
                f.add_genres("a");
                f.add_to(date("2000-01-01"));
            }),
        ] {
            assert_eq!(others.only_genre(), None, "{others:?}");
        }
    }
}
