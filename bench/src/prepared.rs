//! Prepared catalogs: files that the import has written, kept from one run to the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::BufWriter,
    path::{Path, PathBuf},
    time::Instant,
};

use marquee::{
    bulk::Bulk,
    data::Data,
    engine::{Engine, Storage},
    import::{Importer, Report, Source},
    private,
    server::{TEMPLATE, table_file},
    template::Template,
};
use marquee_shared::{
    auth::{password, refresh::RefreshToken},
    clock::Clock,
    config::Config,
    db::{
        Key, Store,
        counter::Counter,
        favorite::FavoriteItem,
        item::{self, Item, from_item, to_item},
        keys,
        likes::ONE_FAVORITE,
        movie::MovieItem,
        session::SessionItem,
        user::{PasswordVersion, UserItem},
    },
    domain::{MovieId, Password, Role, UserId},
};

use crate::{
    catalog::{self, Generator},
    crowd::{self, Place},
};

/// The directory of the benchmarks' data.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench");

/// The sources that decide the content of a prepared file. If one of them changes, the file is written again.
const SOURCES: [&str; 34] = [
    include_str!("catalog.rs"),
    include_str!("crowd.rs"),
    include_str!("prepared.rs"),
    include_str!("../../data/movies.csv"),
    include_str!("../../local/src/bulk.rs"),
    include_str!("../../local/src/import.rs"),
    include_str!("../../local/src/import/chunk.rs"),
    include_str!("../../local/src/import/columns.rs"),
    include_str!("../../local/src/import/commit.rs"),
    include_str!("../../local/src/import/ids.rs"),
    include_str!("../../local/src/import/movie.rs"),
    include_str!("../../local/src/import/read.rs"),
    include_str!("../../local/src/import/words.rs"),
    include_str!("../../local/src/import/write.rs"),
    include_str!("../../shared/src/db/carried.rs"),
    include_str!("../../shared/src/db/favorite.rs"),
    include_str!("../../shared/src/db/genre.rs"),
    include_str!("../../shared/src/db/import.rs"),
    include_str!("../../shared/src/db/index.rs"),
    include_str!("../../shared/src/db/keys.rs"),
    include_str!("../../shared/src/db/likes.rs"),
    include_str!("../../shared/src/db/movie.rs"),
    include_str!("../../shared/src/db/newest.rs"),
    include_str!("../../shared/src/db/newest_change.rs"),
    include_str!("../../shared/src/db/posting_keys.rs"),
    include_str!("../../shared/src/db/posting_list.rs"),
    include_str!("../../shared/src/db/vocabulary.rs"),
    include_str!("../../shared/src/db/words.rs"),
    include_str!("../../shared/src/domain/genre.rs"),
    include_str!("../../shared/src/domain/marks.rs"),
    include_str!("../../shared/src/domain/text.rs"),
    include_str!("../../shared/src/domain/text/compounds.rs"),
    include_str!("../../shared/src/domain/text/scripts.rs"),
    include_str!("../../template.yaml"),
];

/// The password of every user of a prepared catalog.
pub(crate) const PASSWORD: &str = "a long enough passphrase";

/// The number of movies whose likes are written in one step.
const LIKES_AT_ONCE: usize = 500;

/// Returns an error of the store with its text for the log.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes it by value")]
pub(crate) fn boxed(error: marquee_shared::Error) -> Box<dyn Error> {
    error.log_message().into()
}

/// A catalog in a file of the embedded engine.
pub(crate) struct Prepared {
    /// The engine's file.
    pub(crate) file: PathBuf,
    /// The number of movies.
    pub(crate) movies: u64,
    /// The number of users.
    pub(crate) users: u64,
    /// The id of the most liked movie.
    pub(crate) most_liked: u64,
    /// The likes of that movie.
    pub(crate) most_likes: u64,
    /// The likes of all movies.
    pub(crate) likes: u64,
}

/// Returns the directory of the benchmarks' data, and creates it if it is missing.
///
/// # Errors
/// Returns an error if it can't be created.
pub(crate) fn data() -> Result<PathBuf, Box<dyn Error>> {
    let path = PathBuf::from(DATA);
    fs::create_dir_all(&path)?;
    Ok(path)
}

/// Returns how many users a catalog of this many movies has: more for more movies, up to a number that takes seconds to
/// add.
#[must_use]
pub(crate) fn users_of(movies: u64) -> u64 {
    (10 * movies.isqrt()).clamp(100, 2_000)
}

/// Returns the name of a user.
#[must_use]
pub(crate) fn username(n: u64) -> String {
    format!("fan{n:05}")
}

impl Prepared {
    /// Returns the catalog of this many movies. Writes it if no earlier run has written it.
    ///
    /// # Errors
    /// Returns an error if there are too few movies, or if the catalog can't be written.
    pub(crate) async fn new(movies: u64) -> Result<Self, Box<dyn Error>> {
        if movies < catalog::SMALLEST {
            return Err(format!("a catalog must have at least {} movies", catalog::SMALLEST).into());
        }
        let directory = data()?.join(format!("catalog-{movies}"));
        let key_file = directory.join("key");
        let users = users_of(movies);
        let likes = catalog::likes(movies, users)?;
        let (most_liked, most_likes) = catalog::most_liked(&likes).ok_or("no movie is liked")?;
        let prepared = Self {
            file: table_file(&directory),
            movies,
            users,
            most_liked,
            most_likes,
            likes: likes.values().map(|users| users.len() as u64).sum(),
        };
        if fs::read_to_string(&key_file).is_ok_and(|text| text == key()) {
            return Ok(prepared);
        }
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        private::directory(&directory)?;
        prepared.make(&directory, &likes).await?;
        // This is the last step, so an interrupted run leaves no file that looks complete.
        fs::write(key_file, key())?;
        Ok(prepared)
    }

    async fn make(
        &self,
        directory: &Path,
        likes: &BTreeMap<u64, BTreeSet<u64>>,
    ) -> Result<(), Box<dyn Error>> {
        let csv = directory.join("movies.csv");
        Generator::new()?.write(self.movies, BufWriter::new(fs::File::create(&csv)?))?;
        let (engine, store) = open(&Storage::File(self.file.clone())).await?;
        import(&engine, &store, csv, self.movies).await?;
        add_users(&store, self.users).await.map_err(boxed)?;
        let bulk = Bulk::new(engine.database().clone(), store.table.clone());
        add_likes(&store, &bulk, likes).await.map_err(boxed)?;
        eprintln!("{} users like them {} times", self.users, self.likes);
        engine.shutdown().await?;
        Ok(())
    }

    /// Copies the catalog to `directory`, with the secrets that a server expects beside its table. The copy may be changed.
    ///
    /// # Errors
    /// Returns an error if it can't be copied.
    pub(crate) fn copy_to(&self, directory: &Path) -> Result<PathBuf, Box<dyn Error>> {
        // The secrets are written first, because the secrets of a table that already exists count as lost.
        Data::secrets_only(directory)?.secrets()?;
        let copy = table_file(directory);
        fs::copy(&self.file, &copy)?;
        Ok(copy)
    }
}

/// Starts an engine, and returns it with a store of its table. Creates the table if it is missing.
///
/// # Errors
/// Returns an error if the storage can't be opened or the table can't be created.
pub(crate) async fn open(storage: &Storage) -> Result<(Engine, Store), Box<dyn Error>> {
    let engine = Engine::start(storage)?;
    let client = engine.client();
    let table = Config::default().table;
    Template::parse(TEMPLATE)?
        .table
        .create_in(&engine, &table)
        .await?;
    Ok((engine, Store::new(client, table, Clock::default())))
}

/// Returns the file of the movies of a real catalog among generated ones ([`crowd`](mod@crowd)), without users. Writes it if no earlier
/// run has written it.
///
/// # Errors
/// Returns an error if the catalog can't be written.
pub(crate) async fn crowd(
    real: &[[&str; 5]],
    places: &[Place],
    movies: u64,
) -> Result<PathBuf, Box<dyn Error>> {
    let directory = data()?.join(format!("crowd-{movies}"));
    let (file, key_file) = (table_file(&directory), directory.join("key"));
    let mut hasher = DefaultHasher::new();
    (key(), real).hash(&mut hasher);
    let key = format!("{:016x}", hasher.finish());
    if fs::read_to_string(&key_file).is_ok_and(|text| text == key) {
        return Ok(file);
    }
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    private::directory(&directory)?;
    let csv = directory.join("movies.csv");
    crowd::write(real, places, movies, BufWriter::new(fs::File::create(&csv)?))?;
    let (engine, store) = open(&Storage::File(file.clone())).await?;
    import(&engine, &store, csv, movies).await?;
    engine.shutdown().await?;
    fs::write(key_file, key)?;
    Ok(file)
}

/// Imports a file of this many movies and deletes it.
async fn import(engine: &Engine, store: &Store, csv: PathBuf, movies: u64) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let importer = Importer::new(store.clone(), Some(engine.database().clone()));
    let report = importer.run(&Source::File(csv.clone())).await?;
    if report != Report::of_all(movies) {
        return Err(format!("{movies} movies: {report}").into());
    }
    eprintln!("{report} in {:.1} s", begun.elapsed().as_secs_f64());
    fs::remove_file(csv)?;
    Ok(())
}

fn key() -> String {
    let mut hasher = DefaultHasher::new();
    SOURCES.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Adds users as the auth function does, except that the password is hashed once for all of them.
async fn add_users(store: &Store, count: u64) -> marquee_shared::Result<()> {
    let password = Password::parse(PASSWORD.into()).map_err(marquee_shared::Error::internal)?;
    let hash = password::hash(password).await?;
    let first = store.take_ids(Counter::UserIds, count).await?;
    for n in 0..count {
        let id = UserId::try_from(first + n).map_err(|e| marquee_shared::Error::internal(e.to_string()))?;
        let now = store.clock.now();
        let user = UserItem {
            lists_all_sessions: true,
            id,
            username: username(n),
            email: format!("{}@example.com", username(n)),
            role: Role::Member,
            joined: now.to_string(),
            password_version: PasswordVersion::default(),
        };
        let token = RefreshToken::first(id)?;
        let seconds = Config::default().tokens.session_seconds;
        let session = store.begin_session(&token, &SessionItem::new(&user, &token, now, seconds))?;
        store.create_user(&user, hash.clone(), session).await?;
    }
    Ok(())
}

/// Adds likes without the API: the favorites, and the movies with their counts, as [`Store::set_favorite`] writes them.
/// Nothing else writes to the table, so a whole movie can be read and written back.
async fn add_likes(
    store: &Store,
    bulk: &Bulk,
    likes: &BTreeMap<u64, BTreeSet<u64>>,
) -> marquee_shared::Result<()> {
    let wrong = |e: marquee_shared::domain::id::NotAnId| marquee_shared::Error::internal(e.to_string());
    let likes: Vec<(&u64, &BTreeSet<u64>)> = likes.iter().collect();
    let now = store.clock.now();
    for some in likes.chunks(LIKES_AT_ONCE) {
        let ids = some.iter().map(|(id, _)| MovieId::try_from(**id));
        let ids: Vec<MovieId> = ids.collect::<Result<_, _>>().map_err(wrong)?;
        let mut found = store
            .batch_get(ids.iter().map(|id| keys::movie(*id)).collect())
            .await?;
        let mut items = Vec::new();
        let mut add = |key: Key, mut item: Item| {
            item.extend(key.attributes());
            items.push(item);
        };
        for (id, (_, users)) in ids.into_iter().zip(some) {
            let key = keys::movie(id);
            let item = found
                .remove(&key)
                .ok_or_else(|| item::corrupt("too few movies"))?;
            let mut movie: MovieItem = from_item(item)?;
            movie.likes += ONE_FAVORITE * users.len() as u64;
            movie.liked = Some(store.likes_shards.of(id));
            add(key, to_item(&movie)?);
            for user in *users {
                let user = UserId::try_from(*user).map_err(wrong)?;
                add(
                    keys::favorite(id, user),
                    to_item(&FavoriteItem::new(id, user, now))?,
                );
            }
        }
        bulk.put(items).await?;
    }
    Ok(())
}
