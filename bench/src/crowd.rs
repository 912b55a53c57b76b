//! The movies of a real catalog among generated ones, in a catalog of any size. A catalog of one size always has the same
//! bytes.
//!
//! Words of titles and names of directors follow the laws of the real catalog. A word is usually one that was drawn before,
//! each as likely as it is frequent (Simon's model, which leads to Zipf's law). Otherwise it is new, and as a catalog grows,
//! new words become rarer by Heaps' law: *n* words have about *n* to the power of [`HEAPS`] different ones. A new word is a
//! chain of letters as they follow one another in the real words.

use std::{
    collections::{BTreeMap, HashSet},
    error::Error,
    io::Write,
};

use rand::{
    RngExt as _, SeedableRng as _,
    rngs::StdRng,
    seq::{IndexedRandom as _, SliceRandom as _},
};

use crate::catalog::{fits, identity};

/// The exponent of Heaps' law for the words of titles: that of the demonstration catalog.
const HEAPS: f64 = 0.605;
/// The share of generated movies whose director has made an earlier one, and of new directors whose surname is another's. In
/// the demonstration catalog, 8,418 names have 18,423 movies.
const EARLIER_DIRECTOR: f64 = 0.6;
const EARLIER_SURNAME: f64 = 0.6;
/// The most words of a generated title.
const TITLE_WORDS: usize = 10;
/// The most letters of a generated word.
const LETTERS: usize = 14;
/// The seeds of the real movies' places and of the generated movies.
const SEEDS: [u64; 2] = [14, 15];

/// Where a real movie is in a catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its row in the real catalog, from 0.
    pub(crate) row: usize,
    /// Its number in the generated catalog, from 1.
    pub(crate) number: u64,
}

/// Returns the real movies of a catalog of `movies` movies, by their numbers: all `real` ones in their order, some of them in their order
/// if there are fewer, or all of them in any order and at even distances if there are more.
pub(crate) fn places(real: usize, movies: u64) -> Vec<Place> {
    let mut rows: Vec<usize> = (0..real).collect();
    let real = real as u64;
    if movies != real {
        rows.shuffle(&mut StdRng::seed_from_u64(SEEDS[0]));
    }
    if movies < real {
        rows.truncate(usize::try_from(movies).unwrap_or(usize::MAX));
        rows.sort_unstable();
    }
    let distance = |n: u64| if movies > real { n * movies / real } else { n };
    (0..)
        .zip(rows)
        .map(|(n, row)| Place {
            row,
            number: 1 + distance(n),
        })
        .collect()
}

/// Writes a catalog as CSV. A row has title, description, release date, director and genre.
///
/// # Errors
/// Returns an error if `to` can't be written.
pub(crate) fn write(
    real: &[[&str; 5]],
    places: &[Place],
    movies: u64,
    to: impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(["title", "description", "release_date", "director", "genre"])?;
    let mut seen: HashSet<u64> = real.iter().map(|row| identity(&row.map(str::to_owned))).collect();
    let mut generator = Generator::new(real)?;
    let mut places = places.iter().peekable();
    for number in 1..=movies {
        if let Some(place) = places.next_if(|place| place.number == number) {
            writer.write_record(real.get(place.row).ok_or("there is no such row")?)?;
            continue;
        }
        loop {
            let movie = generator.movie();
            if fits(&movie) && seen.insert(identity(&movie)) {
                writer.write_record(movie)?;
                break;
            }
        }
    }
    writer.flush()?;
    Ok(())
}

/// Draws movies.
struct Generator<'a> {
    real: &'a [[&'a str; 5]],
    /// Every word of the titles up to now. A word is as often in it as it was drawn.
    words: Vec<String>,
    /// The number of words of the real titles, and of different ones.
    real_words: [f64; 2],
    directors: Vec<String>,
    /// Which letter follows two others in a word, or ends it: `None`.
    chain: BTreeMap<[Option<char>; 2], Vec<Option<char>>>,
    random: StdRng,
}

impl<'a> Generator<'a> {
    fn new(real: &'a [[&'a str; 5]]) -> Result<Self, Box<dyn Error>> {
        let words: Vec<String> = real
            .iter()
            .flat_map(|row| row[0].split_whitespace())
            .map(str::to_owned)
            .collect();
        let different: HashSet<String> = words.iter().map(|word| word.to_lowercase()).collect();
        if different.is_empty() {
            return Err("the catalog has no words".into());
        }
        let mut chain: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut sorted: Vec<&String> = different.iter().collect();
        sorted.sort_unstable();
        for word in sorted
            .into_iter()
            .filter(|word| word.chars().all(char::is_alphabetic))
        {
            let mut last = [None; 2];
            for letter in word.chars().map(Some).chain([None]) {
                chain.entry(last).or_default().push(letter);
                last = [last[1], letter];
            }
        }
        let directors = real.iter().flat_map(|row| row[3].split(", ")).map(str::to_owned);
        Ok(Self {
            real,
            real_words: [words.len() as f64, different.len() as f64],
            words,
            directors: directors.collect(),
            chain,
            random: StdRng::seed_from_u64(SEEDS[1]),
        })
    }

    fn movie(&mut self) -> [String; 5] {
        let title = self.title();
        let director = self.director();
        let mut any = |field: usize| {
            let row = self.real.choose(&mut self.random);
            row.map_or(String::new(), |row| row[field].to_owned())
        };
        [title, any(1), any(2), director, any(4)]
    }

    /// Returns a title of different words, as many as a real title has.
    fn title(&mut self) -> String {
        let real = self.real.choose(&mut self.random);
        let length = real.map_or(1, |row| row[0].split_whitespace().count().clamp(1, TITLE_WORDS));
        let mut title: Vec<String> = Vec::with_capacity(length);
        while title.len() < length {
            let word = self.word();
            if !title.contains(&word) {
                title.push(word);
            }
        }
        self.words.extend(title.iter().cloned());
        title.join(" ")
    }

    fn word(&mut self) -> String {
        let [real, different] = self.real_words;
        // The derivative of Heaps' law.
        let new = HEAPS * different / real * (self.words.len() as f64 / real).powf(HEAPS - 1.0);
        match self.words.choose(&mut self.random) {
            Some(word) if !self.random.random_bool(new.min(1.0)) => word.clone(),
            _ => self.new_word(),
        }
    }

    fn director(&mut self) -> String {
        let earlier = self
            .directors
            .choose(&mut self.random)
            .cloned()
            .unwrap_or_default();
        if self.random.random_bool(EARLIER_DIRECTOR) {
            self.directors.push(earlier.clone());
            return earlier;
        }
        let first = earlier.split(' ').next().unwrap_or_default();
        let other = self
            .directors
            .choose(&mut self.random)
            .cloned()
            .unwrap_or_default();
        let surname = match other.rsplit(' ').next() {
            Some(surname) if self.random.random_bool(EARLIER_SURNAME) => surname.to_owned(),
            _ => self.new_word(),
        };
        let name = format!("{first} {surname}");
        self.directors.push(name.clone());
        name
    }

    /// Returns a chain of letters that is three letters long or longer, and begins with a capital.
    fn new_word(&mut self) -> String {
        loop {
            let mut word = String::new();
            let mut last = [None; 2];
            while word.chars().count() < LETTERS {
                let followers = self.chain.get(&last).map_or(&[] as &[_], Vec::as_slice);
                let Some(Some(letter)) = followers.choose(&mut self.random) else {
                    break;
                };
                if word.is_empty() {
                    word.extend(letter.to_uppercase());
                } else {
                    word.push(*letter);
                }
                last = [last[1], Some(*letter)];
            }
            if word.chars().count() >= 3 {
                return word;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const REAL: [[&str; 5]; 4] = [
        ["The Long Goodbye", "A", "1973-03-07", "Robert Altman", "Crime"],
        ["The Big Sleep", "B", "1946-08-31", "Howard Hawks", "Crime"],
        ["Nashville", "C", "1975-06-11", "Robert Altman", "Drama"],
        ["Laura", "D", "1944-10-11", "Otto Preminger", "Drama"],
    ];

    fn catalog(movies: u64) -> Vec<csv::StringRecord> {
        let mut csv = Vec::new();
        write(&REAL, &places(REAL.len(), movies), movies, &mut csv).unwrap();
        let mut reader = csv::Reader::from_reader(csv.as_slice());
        reader.records().map(Result::unwrap).collect()
    }

    #[test]
    fn real_movies_are_where_the_places_say() {
        for movies in [2, 4, 40, 401] {
            let rows = catalog(movies);
            assert_eq!(rows.len() as u64, movies);
            let places = places(REAL.len(), movies);
            assert_eq!(places.len(), REAL.len().min(rows.len()));
            for place in places {
                let row = &rows[usize::try_from(place.number - 1).unwrap()];
                assert_eq!(row, REAL[place.row].as_slice());
            }
        }
        assert_eq!(catalog(4), REAL.map(|row| csv::StringRecord::from(row.to_vec())));
    }

    #[test]
    fn a_size_has_the_same_movies_every_time_and_no_two_are_alike() {
        let rows = catalog(2_000);
        assert_eq!(rows, catalog(2_000));
        let different: BTreeSet<_> = rows
            .iter()
            .map(|row| [row[0].to_lowercase(), row[2].into(), row[3].into()])
            .collect();
        assert_eq!(different.len(), rows.len());
    }

    #[test]
    fn new_words_become_rarer() {
        let rows = csv::Reader::from_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/movies.csv"));
        let rows: Vec<csv::StringRecord> = rows.unwrap().records().map(Result::unwrap).collect();
        // The first column is the IMDb id.
        let real: Vec<[&str; 5]> = rows
            .iter()
            .map(|row| [1, 2, 3, 4, 5].map(|column| &row[column]))
            .collect();
        let mut generator = Generator::new(&real).unwrap();
        let mut seen: BTreeSet<String> = generator.words.iter().cloned().collect();
        let mut new_words = || {
            let titles: Vec<String> = (0..10_000).map(|_| generator.title()).collect();
            let words = titles.iter().flat_map(|title| title.split(' '));
            words.filter(|word| seen.insert((*word).to_owned())).count()
        };
        let (first, second, third) = (new_words(), new_words(), new_words());
        assert!(
            first > second && second > third && third > 1_000,
            "{first} {second} {third}"
        );
    }
}
