//! The data directories of the servers. Each program fills its own, by its own import and its own API, because two builds may
//! store movies differently. A directory is kept from one run to the next.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::BufWriter,
    path::{Path, PathBuf},
    time::Instant,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rand_distr::{Distribution as _, Zipf};
use tempfile::TempDir;

use super::{
    connection::Connection,
    requests,
    server::{Kind, Program},
    users,
};
use crate::{catalog::Generator, prepared, runtime::Failure};

/// How many favorites a catalog has. Their movies follow Zipf's law, and their users are drawn evenly.
const FAVORITES: usize = 10_000;

/// How many connections add the favorites.
const CONNECTIONS: usize = 16;

/// The seed of the favorites.
const SEED: u64 = 6;

/// The movies of a catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Movies {
    /// The demonstration catalog.
    Demonstration,
    /// A generated catalog of this size.
    Generated(u64),
}

/// A catalog that a program has stored.
pub(crate) struct Stored {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The access token of each user.
    pub(crate) tokens: Vec<String>,
}

impl Movies {
    /// Returns the number of movies.
    ///
    /// # Errors
    /// Returns an error if the demonstration catalog can't be read.
    pub(crate) fn count(self) -> Result<u64, Failure> {
        match self {
            Self::Demonstration => Ok(requests::demonstration()?.len().try_into()?),
            Self::Generated(movies) => Ok(movies),
        }
    }

    /// Writes the catalog as CSV.
    fn write(self, file: &Path) -> Result<(), Failure> {
        match self {
            Self::Demonstration => fs::write(file, requests::DEMONSTRATION)?,
            Self::Generated(movies) => {
                let generator = Generator::new().map_err(|e| e.to_string())?;
                generator.write(movies, BufWriter::new(File::create(file)?))?;
            }
        }
        Ok(())
    }
}

/// Returns the catalog as this program stores it, with users and favorites if `liked` is set. Fills a directory if no earlier
/// run has filled it with the same program.
///
/// # Errors
/// Returns an error if the program fails or refuses a request.
pub(crate) async fn stored(program: &Program, movies: Movies, liked: bool) -> Result<Stored, Failure> {
    let data = prepared::data().map_err(|e| e.to_string())?;
    let name = program.name.replace(' ', "-");
    let directory = data.join(format!("local-{name}-{}", movies.count()?));
    let key_file = directory.join("key");
    let key = key(program, movies, liked)?;
    if fs::read_to_string(&key_file).is_ok_and(|text| text == key) {
        return Ok(Stored {
            data: directory.join("data"),
            tokens: users::read(&directory)?,
        });
    }
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir(&directory)?;
    let stored = fill(program, movies, liked, &directory).await?;
    users::write(&directory, &stored.tokens)?;
    // This is the last step, so an interrupted run leaves no directory that looks complete.
    fs::write(key_file, key)?;
    Ok(stored)
}

/// Returns a text that differs for another program or another content.
fn key(program: &Program, movies: Movies, liked: bool) -> Result<String, Failure> {
    let mut hasher = DefaultHasher::new();
    fs::read(&program.path)
        .map_err(|e| format!("{}: {e}", program.path.display()))?
        .hash(&mut hasher);
    for source in [
        include_str!("catalogs.rs"),
        include_str!("users.rs"),
        include_str!("../catalog.rs"),
    ] {
        source.hash(&mut hasher);
    }
    requests::DEMONSTRATION.hash(&mut hasher);
    (movies.count()?, liked).hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}

async fn fill(program: &Program, movies: Movies, liked: bool, directory: &Path) -> Result<Stored, Failure> {
    let begun = Instant::now();
    let csv = directory.join("movies.csv");
    movies.write(&csv)?;
    let data = directory.join("data");
    let server = program
        .start(&data, Some(&csv), &directory.join("log"), &[])
        .await?;
    let mut tokens = Vec::new();
    if liked {
        tokens = match program.kind {
            Kind::Peer => users::signed()?,
            Kind::Marquee => users::register(&server).await?,
        };
        let pairs = favorites(movies.count()?)?;
        let parts = pairs.chunks(pairs.len().div_ceil(CONNECTIONS)).map(async |part| {
            let mut connection = Connection::open(server.address).await?;
            for (movie, user) in part {
                connection.ask(&requests::toggle(*movie, &tokens[*user])).await?;
            }
            Ok::<_, Failure>(())
        });
        futures_util::future::try_join_all(parts).await?;
    }
    server.stop().await?;
    fs::remove_file(csv)?;
    eprintln!(
        "{}: {} movies stored in {:.0} s",
        program.name,
        movies.count()?,
        begun.elapsed().as_secs_f64()
    );
    Ok(Stored { data, tokens })
}

/// Returns the movie and the index of the user of each favorite, in random order.
fn favorites(movies: u64) -> Result<Vec<(u64, usize)>, Failure> {
    let mut random = StdRng::seed_from_u64(SEED);
    let by_rank = Zipf::new(movies as f64, 1.0)?;
    let users = usize::try_from(users::USERS)?;
    let (mut seen, mut pairs) = (BTreeSet::new(), Vec::new());
    // A small catalog has fewer movies and users than favorites.
    while pairs.len() < FAVORITES.min(usize::try_from(movies)?) {
        let rank = by_rank.sample(&mut random) as u64;
        let pair = (
            1 + rank * requests::STRIDE % movies,
            random.random_range(0..users),
        );
        if seen.insert(pair) {
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

impl Stored {
    /// Copies the data directory, so that the copy may be changed.
    ///
    /// # Errors
    /// Returns an error if it can't be copied.
    pub(crate) fn copy(&self) -> Result<TempDir, Failure> {
        let copy = tempfile::tempdir_in(prepared::data().map_err(|e| e.to_string())?)?;
        for entry in fs::read_dir(&self.data)? {
            let entry = entry?;
            fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
        }
        Ok(copy)
    }
}
