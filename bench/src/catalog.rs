//! Generated catalogs of any size. A catalog of one size always has the same bytes. Title words and directors are drawn
//! from the demonstration catalog by Zipf's law. Genres, dates and descriptions are drawn from it evenly. Likes follow
//! Zipf's law.
//!
//! A catalog begins with the movies of every smaller one, so a request about the first movies is the same at all sizes.
//! Six movies are added on purpose: three have a rare word in their titles, one has a unique title of common words, one has
//! rare words with a sign, a numeral and a year of its own, and one has a title in a script without spaces.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    error::Error,
    hash::{DefaultHasher, Hash, Hasher as _},
    io::{self, Write},
};

use marquee_shared::domain::{movie::MAX_WORDS, text};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rand_distr::{Distribution as _, Zipf, ZipfError};

/// The demonstration catalog.
const REAL: &[u8] = include_bytes!("../../data/movies.csv");

/// A word that is in no title of the demonstration catalog.
pub(crate) const RARE_WORD: &str = "Quillfeather";
/// The ids of the movies that have this word in their titles.
pub(crate) const RARE_MOVIES: [u64; 3] = [8, 41, 74];
/// A title that consists of very common words.
pub(crate) const EXACT_TITLE: &str = "The Man of the Night and the Love of My Life";
/// The id of the movie with this title. Neither this movie nor those with the rare word have likes.
pub(crate) const EXACT_MOVIE: u64 = 14;
/// The id, title, director and release date of the movie whose title has a sign inside a word, and a Roman numeral.
const SIGN_MOVIE: u64 = 27;
const SIGN_FIELDS: [&str; 3] = ["Fernhollow Ember-Quarry II", "Ottoline Vanterpool", "1987-06-05"];
/// The id, title, director and release date of the movie in a script without spaces.
const SCRIPT_MOVIE: u64 = 28;
const SCRIPT_FIELDS: [&str; 3] = ["遠い山の向こうの湖", "葉山 透", "1987-06-06"];
/// The size of the smallest catalog. A smaller one would lack some of the added movies.
pub(crate) const SMALLEST: u64 = 100;

/// The exponent of Zipf's law for words. In the demonstration catalog the frequency of a word is about proportional to one
/// over its rank: 4,896 movies have `the`, 1,650 have `of`, 618 have the fourth word, and 209 the eighth.
const WORDS_EXPONENT: f64 = 1.0;
/// The exponent for directors, whose frequency decreases more slowly: in the demonstration catalog the first has 42 movies,
/// the 16th has 23, and the 256th has 9.
const DIRECTORS_EXPONENT: f64 = 0.4;
/// The exponent for likes, by the rank of the movie.
const LIKES_EXPONENT: f64 = 1.0;
/// The most words that a title has.
const TITLE_WORDS: usize = 10;
/// The average number of likes of a movie.
const LIKES_PER_MOVIE: u64 = 5;
/// The most likes of a catalog: as many as can be written in seconds.
const MOST_LIKES: u64 = 300_000;
/// Scatters the ranks of liked movies over the ids. It is prime and larger than any catalog.
const STRIDE: u64 = 1_000_003;
/// The seeds of movies and likes.
const SEEDS: [u64; 2] = [4, 5];

/// The fields of a movie of the demonstration catalog that are used.
struct Real {
    title_words: usize,
    description: String,
    release_date: String,
    genre: String,
}

/// Generates catalogs from the demonstration catalog.
pub(crate) struct Generator {
    movies: Vec<Real>,
    /// The words of titles, most frequent first.
    words: Vec<String>,
    by_word: Zipf<f64>,
    /// The directors, those with most movies first.
    directors: Vec<String>,
    by_director: Zipf<f64>,
}

impl Generator {
    /// Reads the demonstration catalog.
    ///
    /// # Errors
    /// Returns an error if it lacks a column or isn't CSV.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let mut reader = csv::Reader::from_reader(REAL);
        let headers = reader.headers()?.clone();
        let column = |name: &str| {
            let at = headers.iter().position(|header| header == name);
            at.ok_or_else(|| format!("the demonstration catalog has no column {name}"))
        };
        let [title, description, release_date, director, genre] = [
            column("title")?,
            column("description")?,
            column("release_date")?,
            column("director")?,
            column("genre")?,
        ];
        let (mut movies, mut words, mut directors) = (Vec::new(), Vec::new(), Vec::new());
        for row in reader.records() {
            let row = row?;
            let in_title: Vec<String> = row[title].split_whitespace().map(str::to_owned).collect();
            movies.push(Real {
                title_words: in_title.len().clamp(1, TITLE_WORDS),
                description: row[description].to_owned(),
                release_date: row[release_date].to_owned(),
                genre: row[genre].to_owned(),
            });
            words.extend(in_title);
            directors.push(row[director].to_owned());
        }
        let (words, directors) = (most_frequent_first(words), most_frequent_first(directors));
        Ok(Self {
            movies,
            by_word: zipf(words.len(), WORDS_EXPONENT)?,
            words,
            by_director: zipf(directors.len(), DIRECTORS_EXPONENT)?,
            directors,
        })
    }

    /// Writes a catalog as CSV.
    ///
    /// # Errors
    /// Returns an error if `to` can't be written.
    pub(crate) fn write(&self, movies: u64, to: impl Write) -> io::Result<()> {
        let mut random = StdRng::seed_from_u64(SEEDS[0]);
        let mut writer = csv::Writer::from_writer(to);
        writer.write_record(["title", "description", "release_date", "director", "genre"])?;
        let mut seen = HashSet::new();
        for id in 1..=movies {
            let mut drawn = std::iter::repeat_with(|| self.movie(id, &mut random));
            let movie = drawn.find(|movie| fits(movie) && seen.insert(identity(movie)));
            writer.write_record(movie.unwrap_or_default())?;
        }
        writer.flush()
    }

    /// Returns the fields of a movie.
    fn movie(&self, id: u64, random: &mut StdRng) -> [String; 5] {
        let drawn = self.title(random);
        let title = match id {
            EXACT_MOVIE => EXACT_TITLE.to_owned(),
            id if RARE_MOVIES.contains(&id) => format!("{RARE_WORD} {drawn}"),
            _ => drawn,
        };
        let mut movie = [
            title,
            self.any(random).description.clone(),
            self.any(random).release_date.clone(),
            pick(&self.directors, self.by_director, random).to_owned(),
            self.any(random).genre.clone(),
        ];
        let own = match id {
            SIGN_MOVIE => Some(SIGN_FIELDS),
            SCRIPT_MOVIE => Some(SCRIPT_FIELDS),
            _ => None,
        };
        if let Some([title, director, release_date]) = own.map(|own| own.map(str::to_owned)) {
            [movie[0], movie[3], movie[2]] = [title, director, release_date];
        }
        movie
    }

    fn any(&self, random: &mut StdRng) -> &Real {
        &self.movies[random.random_range(0..self.movies.len())]
    }

    /// Returns a title of different words, as many as a title of the demonstration catalog has.
    fn title(&self, random: &mut StdRng) -> String {
        let length = self.any(random).title_words;
        let mut words: Vec<&str> = Vec::with_capacity(length);
        while words.len() < length {
            let word = pick(&self.words, self.by_word, random);
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.join(" ")
    }
}

/// Whether a movie has at most as many different words as a movie may have.
pub(crate) fn fits([title, _, _, director, genre]: &[String; 5]) -> bool {
    let words = text::words(&format!("{title} {director} {genre}"));
    words.into_iter().collect::<BTreeSet<_>>().len() <= MAX_WORDS
}

/// Returns a number that two movies share if their titles, release dates and directors are the same. The import takes such
/// movies for one.
pub(crate) fn identity([title, _, release_date, director, _]: &[String; 5]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (text::words(title), release_date, text::words(director)).hash(&mut hasher);
    hasher.finish()
}

/// Returns the likes of a catalog: the users who like each movie that has likes. A few movies have most of the likes.
///
/// # Errors
/// Returns an error if `movies` is 0.
pub(crate) fn likes(movies: u64, users: u64) -> Result<BTreeMap<u64, BTreeSet<u64>>, ZipfError> {
    let mut random = StdRng::seed_from_u64(SEEDS[1]);
    let by_rank = Zipf::new(movies as f64, LIKES_EXPONENT)?;
    let mut likes: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for _ in 0..(movies * LIKES_PER_MOVIE).min(MOST_LIKES) {
        let movie = 1 + rank(by_rank, &mut random) * STRIDE % movies;
        let user = random.random_range(1..=users);
        if movie != EXACT_MOVIE && !RARE_MOVIES.contains(&movie) {
            likes.entry(movie).or_default().insert(user);
        }
    }
    Ok(likes)
}

/// Returns the most liked of these movies, and the number of users who like it.
#[must_use]
pub(crate) fn most_liked(likes: &BTreeMap<u64, BTreeSet<u64>>) -> Option<(u64, u64)> {
    let counts = likes.iter().map(|(movie, users)| (users.len() as u64, *movie));
    counts.max().map(|(count, movie)| (movie, count))
}

fn zipf(ranks: usize, exponent: f64) -> Result<Zipf<f64>, ZipfError> {
    Zipf::new(ranks as f64, exponent)
}

/// Returns a random rank, counted from 0.
fn rank(by_rank: Zipf<f64>, random: &mut StdRng) -> u64 {
    by_rank.sample(random) as u64 - 1
}

fn pick<'a>(from: &'a [String], by_rank: Zipf<f64>, random: &mut StdRng) -> &'a str {
    let at = usize::try_from(rank(by_rank, random)).unwrap_or_default();
    &from[at.min(from.len() - 1)]
}

/// Returns each of these once, the most frequent first. Values of the same frequency are in their own order.
fn most_frequent_first<T: Clone + Eq + Hash + Ord>(all: Vec<T>) -> Vec<T> {
    let mut counts: HashMap<T, usize> = HashMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    let mut counted: Vec<(T, usize)> = counts.into_iter().collect();
    counted.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    counted.into_iter().map(|(one, _)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(movies: u64) -> String {
        let mut csv = Vec::new();
        Generator::new().unwrap().write(movies, &mut csv).unwrap();
        String::from_utf8(csv).unwrap()
    }

    #[test]
    fn a_size_has_the_same_bytes_every_time_and_begins_with_every_smaller_one() {
        let csv = catalog(1_000);
        let mut hash = DefaultHasher::new();
        hash.write(csv.as_bytes());
        assert_eq!(hash.finish(), 611_687_623_660_222_738);
        assert!(csv.starts_with(&catalog(100)));
    }

    /// The import would skip the second of two movies that are alike, so the catalog would be smaller than its name says.
    #[test]
    fn no_two_movies_are_alike() {
        let csv = catalog(60_000);
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let mut seen = BTreeSet::new();
        for row in reader.records() {
            let row = row.unwrap();
            assert!(
                seen.insert([row[0].to_lowercase(), row[2].to_owned(), row[3].to_lowercase()]),
                "{row:?}"
            );
        }
        assert_eq!(seen.len(), 60_000);
    }

    #[test]
    fn words_directors_and_genres_are_as_common_as_the_real_ones() {
        let csv = catalog(20_000);
        let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(csv.as_bytes())
            .into_records()
            .map(Result::unwrap)
            .collect();
        let share = |has: &dyn Fn(&csv::StringRecord) -> bool| {
            rows.iter().filter(|row| has(row)).count() as f64 / rows.len() as f64
        };
        let the = share(&|row| row[0].to_lowercase().split(' ').any(|word| word == "the"));
        assert!((0.2..0.45).contains(&the), "{the}");
        let drama = share(&|row| row[4].split(", ").any(|genre| genre == "Drama"));
        assert!((0.51..0.54).contains(&drama), "{drama}");
        let first = share(&|row| &row[3] == "Woody Allen");
        assert!((0.001..0.01).contains(&first), "{first}");
    }

    #[test]
    fn the_planted_movies_are_the_only_ones_of_their_kind() {
        let csv = catalog(20_000);
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let (mut rare, mut exact) = (Vec::new(), Vec::new());
        for (id, row) in (1..).zip(reader.records()) {
            let row = row.unwrap();
            if row
                .iter()
                .any(|field| field.to_lowercase().contains(&RARE_WORD.to_lowercase()))
            {
                rare.push(id);
            }
            if row[0].eq_ignore_ascii_case(EXACT_TITLE) {
                exact.push(id);
            }
        }
        assert_eq!((rare, exact), (RARE_MOVIES.to_vec(), vec![EXACT_MOVIE]));
    }

    #[test]
    fn a_few_movies_have_most_of_the_likes() {
        let likes = likes(10_000, 1_000).unwrap();
        let all: usize = likes.values().map(BTreeSet::len).sum();
        let mut counts: Vec<usize> = likes.values().map(BTreeSet::len).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let of_a_hundred: usize = counts.iter().take(100).sum();
        assert!(
            likes.len() > 1_000 && of_a_hundred * 10 > all * 3,
            "{of_a_hundred} of {all}"
        );
        assert!(!likes.contains_key(&EXACT_MOVIE));
    }
}
