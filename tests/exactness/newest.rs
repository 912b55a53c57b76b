//! The newest movies that each genre's item lists: the categories are equal to a model's after every change, in races, after
//! interrupted refills, and in tables of earlier versions.

mod refills;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::future::join_all;
use marquee::{
    import::{Importer, Source},
    upgrade,
};
use marquee_shared::{
    Error,
    db::{
        Store,
        edit_movie::Edit,
        expression::Condition,
        genre::GenreItem,
        item::{Item, from_item},
        keys,
        movie::MovieItem,
        newest::{MOST, TRIM_ABOVE},
        page::{PageLimit, Window},
        vocabulary::vocabulary_words,
    },
    domain::{Genre, MovieFields, MovieId, ReleaseDate, UserId},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::races::{app_with_long_deadline, run_all};
use crate::support::{
    TestApp,
    audit::{audit, discrepancies, scan},
    measure::HOLD,
    movie,
    proxy::{Cost, Fault, ProxiedApp},
};

const GENRES: [&str; 5] = ["Drama", "Drama, Crime", "Crime", "Drama, Crime, War", "War"];

fn fields(genres: &str, date: &str) -> MovieFields {
    serde_json::from_value(movie("Untitled", "A. Smithee", genres, date)).unwrap()
}

/// The categories as they should be: of each genre its count and the ids of its newest movies.
type Categories = Vec<(String, u64, Vec<u64>)>;

/// A table, and the movies that it should have.
struct Table {
    store: Store,
    user: UserId,
    movies: BTreeMap<MovieId, MovieFields>,
}

impl Table {
    async fn of(app: &TestApp) -> Self {
        Self {
            store: app.running.state.store.clone(),
            user: UserId::try_from(app.member().await.id).unwrap(),
            movies: BTreeMap::new(),
        }
    }

    async fn add(&mut self, genres: &str, date: &str) -> MovieId {
        let fields = fields(genres, date);
        let added = self.store.create_movie(&fields, self.user, None).await.unwrap();
        self.movies.insert(added.movie.id, fields);
        added.movie.id
    }

    async fn edit(&mut self, id: MovieId, genres: &str, date: &str) {
        let fields = fields(genres, date);
        edit(&self.store, self.user, id, &fields).await.unwrap();
        self.movies.insert(id, fields);
    }

    async fn delete(&mut self, id: MovieId) {
        self.store.delete_movie(id, self.user, |_| Ok(())).await.unwrap();
        self.movies.remove(&id);
    }

    fn expected(&self) -> Categories {
        let mut genres: BTreeMap<String, Vec<(ReleaseDate, MovieId)>> = BTreeMap::new();
        for (id, fields) in &self.movies {
            for genre in fields.genres.iter() {
                let movies = genres.entry(genre.identity()).or_default();
                movies.push((fields.release_date, *id));
            }
        }
        let newest = |mut movies: Vec<(ReleaseDate, MovieId)>| {
            movies.sort_unstable_by(|a, b| b.cmp(a));
            movies.into_iter().take(5).map(|(_, id)| id.get()).collect()
        };
        genres
            .into_iter()
            .map(|(genre, movies)| (genre, movies.len() as u64, newest(movies)))
            .collect()
    }

    async fn check(&self, what: &str) {
        assert_eq!(categories(&self.store).await, self.expected(), "{what}");
    }

    /// Deletes the newest movies of the first genre until its list runs out.
    async fn run_out(&mut self) {
        while self.empty_lists().await == 0 {
            let newest = self.expected()[0].2[0];
            self.delete(MovieId::try_from(newest).unwrap()).await;
        }
    }

    /// The number of genres whose lists have run out.
    async fn empty_lists(&self) -> usize {
        let genres = self.store.all_genres().await.unwrap();
        let has_run_out = |genre: &&GenreItem| genre.newest.latest(5, genre.n).unwrap().is_none();
        genres.iter().filter(has_run_out).count()
    }
}

async fn edit(store: &Store, user: UserId, id: MovieId, fields: &MovieFields) -> Result<(), Error> {
    let decide = |_: &_| {
        Ok(Edit {
            fields: fields.clone(),
            user: Some(user),
            favorite: None,
        })
    };
    let words = vocabulary_words(fields);
    store.edit_movie(id, user, None, &words, decide).await.map(drop)
}

async fn categories(store: &Store) -> Categories {
    let five = PageLimit::of::<5>();
    let page = store.list_categories(&Window::First, PageLimit::MAX, five, None);
    let categories = page.await.unwrap().slice.items.into_iter();
    categories
        .map(|category| {
            let movies = category.movies.iter().map(|view| view.movie.id.get());
            (category.genre.identity, category.genre.n, movies.collect())
        })
        .collect()
}

/// Guarantee 61. The movies are few enough that lists run out, and many enough that they are trimmed.
#[tokio::test]
async fn the_categories_equal_a_models_after_every_change() {
    for seed in 0..4 {
        let app = TestApp::new().await;
        let mut table = Table::of(&app).await;
        let mut random = StdRng::seed_from_u64(seed);
        let (mut refilled, mut empty) = (0, 0);
        for step in 0..320 {
            let date = format!(
                "{}-01-0{}",
                1990 + random.random_range(0..8),
                random.random_range(1..4)
            );
            let genres = *GENRES.choose(&mut random).unwrap();
            let mut by_date: Vec<MovieId> = table.movies.keys().copied().collect();
            by_date.sort_unstable_by_key(|id| (table.movies[id].release_date, *id));
            // Phases in which movies are added, and phases in which the newest are deleted.
            let grows = step % 160 < 90;
            match (random.random_range(0..10), by_date.last()) {
                (0, _) => refilled += table.store.refill_genres().await.unwrap(),
                (1 | 2, Some(_)) => {
                    let id = *by_date.choose(&mut random).unwrap();
                    let genres = if random.random_bool(0.5) {
                        table.movies[&id].genres.to_string()
                    } else {
                        genres.to_owned()
                    };
                    table.edit(id, &genres, &date).await;
                }
                (3, Some(newest)) if grows => table.delete(*newest).await,
                (3..9, Some(newest)) if !grows => table.delete(*newest).await,
                _ => drop(table.add(genres, &date).await),
            }
            table.check(&format!("seed {seed}, step {step}")).await;
            empty += table.empty_lists().await;
            if step % 40 == 39 {
                audit(&table.store).await;
            }
        }
        assert!(refilled > 0 && empty > 0, "seed {seed}: {refilled}, {empty}");
    }
}

/// Guarantee 61.
#[tokio::test]
async fn forty_movies_of_2999_that_are_added_to_nine_genres_and_deleted_hide_no_movie() {
    let genres = "a, b, c, d, e, f, g, h, i";
    let app = TestApp::new().await;
    let mut table = Table::of(&app).await;
    for n in 0..MOST {
        table.add(genres, &format!("{}-01-01", 1870 + n)).await;
    }
    let mut hostile = Vec::new();
    for _ in 0..40 {
        hostile.push(table.add(genres, "2999-12-31").await);
        table.check("an addition").await;
    }
    let mut ran_out = 0;
    for id in hostile {
        table.delete(id).await;
        table.check("a deletion").await;
        ran_out = ran_out.max(table.empty_lists().await);
    }
    assert_eq!(ran_out, 9, "the lists of all genres ran out");
    audit(&table.store).await;
    assert_eq!(table.store.refill_genres().await.unwrap(), 9);
    assert_eq!(table.empty_lists().await, 0);
    assert_eq!(table.store.refill_genres().await.unwrap(), 0);
    table.check("after the refill").await;
    audit(&table.store).await;
}

/// Guarantee 61. All in one genre, and half of them of one date.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_clients_that_add_move_and_delete_in_one_genre_leave_its_list_exact() {
    let app = app_with_long_deadline().await;
    let table = Table::of(&app).await;
    let (store, user) = (table.store.clone(), table.user);
    run_all((0..40_u64).map(|n| {
        let store = store.clone();
        async move {
            let mut random = StdRng::seed_from_u64(n);
            for _ in 0..4 {
                let mut date = || match random.random_range(0..2) {
                    0 => "2001-01-01".to_owned(),
                    _ => format!("{}-06-01", random.random_range(1870..2100)),
                };
                let fields = [(); 3].map(|()| fields("Drama", &date()));
                let added = store.create_movie(&fields[0], user, None).await.unwrap();
                let id = added.movie.id;
                edit(&store, user, id, &fields[1]).await.unwrap();
                match n % 3 {
                    0 => store.delete_movie(id, user, |_| Ok(())).await.unwrap(),
                    1 => edit(&store, user, id, &fields[2]).await.unwrap(),
                    _ => {}
                }
            }
        }
    }))
    .await;
    audit(&store).await;
    store.refill_genres().await.unwrap();
    audit(&store).await;
    let genre = store.genre("drama").await.unwrap().unwrap();
    assert!(genre.newest.latest(5, genre.n).unwrap().is_some());
}

/// Guarantee 62. Refills run all the time, several at once, while the movies that they list are added, moved and deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refills_amid_additions_edits_and_deletions_list_every_movie() {
    for seed in 0..3 {
        let app = app_with_long_deadline().await;
        let mut table = Table::of(&app).await;
        for n in 0..MOST {
            table.add("Drama", &format!("{}-01-01", 1900 + n)).await;
        }
        let (store, user) = (table.store.clone(), table.user);
        let is_over = AtomicBool::new(false);
        let refills = (0..3).map(|_| async {
            while !is_over.load(Ordering::SeqCst) {
                let genre = store.genre("drama").await.unwrap().unwrap();
                store.refill(&genre).await.unwrap();
            }
        });
        let writes = join_all((0..6_u64).map(|n| {
            let store = &store;
            async move {
                let mut random = StdRng::seed_from_u64(seed * 100 + n);
                for _ in 0..25 {
                    let mut date = || format!("{}-06-01", 1900 + random.random_range(0..40));
                    let [one, other] = [(); 2].map(|()| fields("Drama", &date()));
                    let added = store.create_movie(&one, user, None).await.unwrap();
                    edit(store, user, added.movie.id, &other).await.unwrap();
                    if random.random_bool(0.7) {
                        let id = added.movie.id;
                        store.delete_movie(id, user, |_| Ok(())).await.unwrap();
                    }
                }
            }
        }));
        let writes = async {
            writes.await;
            is_over.store(true, Ordering::SeqCst);
        };
        tokio::join!(join_all(refills), writes);
        audit(&store).await;
        let genre = store.genre("drama").await.unwrap().unwrap();
        store.refill(&genre).await.unwrap();
        let genre = store.genre("drama").await.unwrap().unwrap();
        assert!(genre.newest.latest(5, genre.n).unwrap().is_some(), "{genre:?}");
        audit(&store).await;
    }
}

/// Guarantee 62. Every call of a refill is refused once, and the answer of every call is lost once.
#[tokio::test]
async fn an_interrupted_refill_lists_nothing_wrong_and_the_next_one_completes_it() {
    // A refill reads the genres, the index and the memberships.
    for (operation, calls) in [("Query", 3), ("UpdateItem", 1), ("TransactWriteItems", 1)] {
        for fault in [Fault::Refused(400, "AccessDeniedException"), Fault::AnswerLost] {
            let proxied = ProxiedApp::new().await;
            let mut table = Table::of(&proxied.app).await;
            for n in 0..40 {
                table.add("Drama", &format!("{}-01-01", 1900 + n)).await;
            }
            for call in 0..calls {
                let what = format!("{operation} {call} {fault:?}");
                table.run_out().await;
                proxied.proxy.inject(operation, call..call + 1, fault);
                let refilled = table.store.refill_genres().await;
                proxied.proxy.clear_faults();
                assert_eq!(refilled.is_err(), matches!(fault, Fault::Refused(..)), "{what}");
                table.check(&what).await;
                audit(&table.store).await;
                // A movie that is added meanwhile isn't lost, and none is shown in place of a newer one.
                let last_shown = MovieId::try_from(table.expected()[0].2[4]).unwrap();
                let year: u16 = table.movies[&last_shown].release_date.to_string()[..4]
                    .parse()
                    .unwrap();
                for date in [format!("{}-06-01", year - 3), "2001-01-01".to_owned()] {
                    table.add("Drama", &date).await;
                    table.check(&format!("{what}, {date}")).await;
                }
            }
            table.store.refill_genres().await.unwrap();
            table.store.refill_genres().await.unwrap();
            assert_eq!(table.empty_lists().await, 0, "{operation} {fault:?}");
            table.check(operation).await;
            audit(&table.store).await;
        }
    }
}

/// Guarantee 63.
#[tokio::test]
async fn genres_of_an_earlier_version_are_shown_changed_and_refilled() {
    let app = TestApp::new().await;
    let mut table = Table::of(&app).await;
    let mut movies = Vec::new();
    for n in 0..TRIM_ABOVE + 10 {
        movies.push(table.add("Drama, Crime", &format!("{}-01-01", 1900 + n)).await);
    }
    let few = table.add("War", "2001-01-01").await;
    table.store.forget_newest().await.unwrap();
    assert_eq!(table.empty_lists().await, 3);
    table.check("before any change").await;
    table.add("Drama, War", "2002-01-01").await;
    table.check("an addition").await;
    table.edit(movies[0], "Drama, Crime", "2003-01-01").await;
    table.check("another date").await;
    table.edit(movies[1], "Crime, War", "1903-01-01").await;
    table.check("other genres").await;
    table.delete(movies[2]).await;
    table.delete(few).await;
    table.check("deletions").await;
    assert_eq!(table.empty_lists().await, 3);
    assert_eq!(table.store.refill_genres().await.unwrap(), 3);
    assert_eq!(table.empty_lists().await, 0);
    table.check("after the refill").await;
    audit(&table.store).await;
}

/// Guarantee 63. An earlier version moves the newest movie to another date, and counts movies without listing them.
#[tokio::test]
async fn an_upgrade_makes_lists_that_an_earlier_version_left_wrong_right() {
    let app = TestApp::new().await;
    let mut table = Table::of(&app).await;
    for n in 0..TRIM_ABOVE {
        table.add("Drama", &format!("{}-01-01", 1900 + n)).await;
    }
    let genre = keys::genre("drama");
    let right = table.store.get(&genre).await.unwrap().unwrap();
    table.delete(MovieId::try_from(TRIM_ABOVE as u64).unwrap()).await;
    table.add("Drama", "1999-01-01").await;
    // What the earlier version would have left: the changed count, and the list as it was.
    let now = Item::from(table.store.get(&genre).await.unwrap().unwrap());
    let mut left = Item::from(right);
    left.insert("n".into(), now["n"].clone());
    assert!(table.store.put(left, Condition::none()).await.unwrap().is_ok());
    assert!(!discrepancies(&table.store).await.is_empty());

    upgrade::run(&table.store, None).await.unwrap();
    table.check("after the upgrade").await;
    assert_eq!(table.empty_lists().await, 0);
    audit(&table.store).await;
}

/// Guarantee 61. The name has four bytes for each character, and the identity three. The list is as long as it may be, and was
/// refilled.
#[tokio::test]
async fn the_item_of_the_longest_genre_with_the_longest_list_costs_one_unit() {
    let app = TestApp::new().await;
    let mut table = Table::of(&app).await;
    let long = "\u{2f800}".repeat(40);
    let mut movies = Vec::new();
    for n in 0..MOST {
        movies.push(table.add(&long, &format!("{}-01-01", 1900 + n)).await);
    }
    table.run_out().await;
    assert_eq!(table.store.refill_genres().await.unwrap(), 1);
    let (store, user) = (&table.store, table.user);
    let identity = Genre::parse(&long).unwrap().identity();
    let genre = async || store.genre(&identity).await.unwrap().unwrap();
    assert_eq!((identity.len(), genre().await.name.len()), (120, 160));
    let length = async || genre().await.newest.listed.unwrap().0.0.len();
    for n in 0..MOST {
        let other = fields("War", &format!("{}-06-01", 2000 + n));
        let added = store.create_movie(&other, user, None).await.unwrap();
        if length().await < MOST {
            let moved = fields(&long, &format!("{}-06-01", 2000 + n));
            edit(store, user, added.movie.id, &moved).await.unwrap();
        }
    }
    assert_eq!(length().await, MOST);
    audit(store).await;
}

/// Guarantee 61. Nothing runs out in the demonstration catalog, so its categories take two round trips.
#[tokio::test]
async fn the_demonstrations_categories_cost_at_most_5_calls_2_trips_and_100_units() {
    let proxied = ProxiedApp::new().await;
    let importer = Importer::new(proxied.proxy.store().await, proxied.proxy.table.database());
    importer.run(&Source::Demonstration).await.unwrap();
    let user = proxied.app.member().await;
    let strangers = proxied.app.anonymous();
    proxied.proxy.gather_calls(HOLD);
    for (caller, most) in [(&strangers, 100.0), (&user, 200.0)] {
        caller.get("/api/movies/").send().await.is(200);
        proxied.proxy.take();
        let answer = caller.get("/api/movies/categories/").send().await.is(200);
        let cost = Cost::of(proxied.proxy.take());
        assert_eq!(answer.body["results"].as_array().unwrap().len(), 21);
        println!("{cost:?}");
        assert!(
            cost.calls.len() <= 5 && cost.trips == 2 && cost.reads <= most,
            "{cost:?}"
        );
    }
}

/// Guarantee 61. Both paths of an import, over HTTP and by direct calls of the engine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_beside_other_writers_lists_the_newest_movies_of_each_genre() {
    for is_direct in [false, true] {
        let proxied = ProxiedApp::new().await;
        let mut table = Table::of(&proxied.app).await;
        table.store = proxied.proxy.store().await;
        let mut csv = "title,description,release_date,director,genre\n".to_owned();
        for n in 0..400 {
            let date = format!("{}-01-01", 1900 + n * 37 % 97);
            writeln!(csv, "M{n},A movie.,{date},A. Smithee,\"{}\"", GENRES[n % 5]).unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("movies.csv");
        std::fs::write(&file, csv).unwrap();
        let database = proxied.proxy.table.database().filter(|_| is_direct);
        let import = Importer::new(table.store.clone(), database);
        let import = tokio::spawn(async move { import.run(&Source::File(file)).await });
        let mut n = 0;
        while !import.is_finished() || n < 12 {
            let id = table
                .add(GENRES[n % 5], &format!("{}-06-01", 1900 + n * 13 % 99))
                .await;
            if n % 3 == 0 {
                table.delete(id).await;
            }
            n += 1;
        }
        assert_eq!(import.await.unwrap().unwrap().movies, 400);
        for movie in scan(&table.store).await {
            if movie["pk"].as_s().unwrap().starts_with("MOVIES#") {
                let movie: MovieItem = from_item(movie).unwrap();
                table.movies.insert(movie.id, movie.fields);
            }
        }
        assert_eq!(table.empty_lists().await, 0);
        table.check("after the import").await;
        audit(&table.store).await;
    }
}
