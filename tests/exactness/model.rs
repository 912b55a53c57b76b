//! The API against a model: random sequences of requests by several users, each answer and then every list compared
//! with a plain reference in memory. The reference is written from the contract's words. It knows no keys and no items,
//! and how text compares is said by the vocabulary itself, letter by letter.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use marquee_shared::domain::Role;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, PASSWORD, TestApp, audit::audit, encode};

/// Whole words, each as it is written and as it is compared.
const WORDS: &[(&str, &str)] = &[
    ("The", "the"),
    ("the", "the"),
    ("THE", "the"),
    ("Kid", "kid"),
    ("kid", "kid"),
    ("Kids", "kids"),
    ("Kidnapped", "kidnapped"),
    ("of", "of"),
    ("Of", "of"),
    ("A", "a"),
    ("2", "2"),
    ("Kid", "kid"),
    ("drama", "drama"),
    ("Noir", "noir"),
    ("Fi", "fi"),
    ("2001", "2001"),
    ("Drama", "drama"),
    ("Amélie", "amelie"),
    ("AMÉLIE", "amelie"),
    ("Ame\u{301}lie", "amelie"),
    ("Łódź", "lodz"),
    ("Lodz", "lodz"),
    ("Straße", "strasse"),
    ("STRASSE", "strasse"),
    ("Smørrebrød", "smorrebrod"),
    ("Æon", "aeon"),
    ("aeons", "aeons"),
    ("Kieślowski", "kieslowski"),
    ("Οδύσσεια", "οδυσσεια"),
    ("Москва", "москва"),
    ("МОСКВА", "москва"),
    ("기생충", "기생충"),
    ("千と", "千と"),
];

/// Single letters, likewise, to make any words of. An empty one is none: it parts words.
const LETTERS: &[(&str, &str)] = &[
    ("k", "k"),
    ("K", "k"),
    ("í", "i"),
    ("I", "i"),
    ("d", "d"),
    ("Ď", "d"),
    ("s\u{30c}", "s"),
    ("ß", "ss"),
    ("ł", "l"),
    ("Ø", "o"),
    ("æ", "ae"),
    ("Ж", "ж"),
    ("Ñ", "n"),
    ("７", "7"),
    ("٣", "٣"),
    ("字", "字"),
    ("ひ", "ひ"),
    ("ก", "ก"),
    ("𝔛", "x"),
    ("🦀", ""),
    ("—", ""),
    ("'", ""),
    ("|", ""),
    ("#", ""),
];

/// Genres as they may be written, and what tells one from another. Those that differ in case alone are the same.
const GENRES: &[(&str, &str)] = &[
    ("Drama", "drama"),
    ("DRAMA", "drama"),
    ("drama", "drama"),
    ("Sci-Fi", "sci fi"),
    ("SCI-FI", "sci fi"),
    ("Film Noir", "film noir"),
    ("film noir", "film noir"),
    ("Kid", "kid"),
    ("Comédie", "comedie"),
    ("COMÉDIE", "comedie"),
    ("Боевик", "боевик"),
    ("2", "2"),
];

/// Few, so that movies share them.
const DATES: &[&str] = &[
    "1870-01-01",
    "1972-03-24",
    "1999-12-31",
    "2000-02-29",
    "2000-03-01",
    "9999-12-31",
];

/// Text as it is written, and its words as they are compared.
#[derive(Clone)]
struct Text {
    written: String,
    words: Vec<String>,
}

impl Text {
    fn of(parts: &[(String, String)]) -> Self {
        let join = |part: fn(&(String, String)) -> &String| {
            parts
                .iter()
                .map(|p| part(p).as_str())
                .collect::<Vec<_>>()
                .join(" ")
        };
        Self {
            written: join(|p| &p.0).trim().to_owned(),
            words: join(|p| &p.1).split_whitespace().map(str::to_owned).collect(),
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.written)
    }
}

/// A genre's name and identity.
type GenreName = (&'static str, &'static str);

#[derive(Clone, Debug)]
struct MovieText {
    title: Text,
    director: Text,
    genres: Vec<GenreName>,
    date: &'static str,
    description: String,
}

/// Who acts: nobody for `None`, otherwise the number of a user; 0 is the admin.
type Who = Option<usize>;

#[derive(Clone, Debug)]
enum Op {
    Register(usize),
    Create(Who, MovieText, Option<bool>, Option<usize>),
    Put(Who, usize, MovieText, Option<bool>),
    Patch(Who, usize, Change, Option<bool>),
    Delete(Who, usize),
    Favorite(Who, usize, FavoriteChange),
    Search(Text, usize),
    Walk(Who, List, usize),
    /// Walks a list of all movies, and between its pages movies come and go.
    WalkAmidChanges(List, usize, Vec<usize>),
}

/// What is compared after every step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Look {
    Lists,
    Searches,
}

/// What is searched for after every step: words that titles, directors and genres share.
const QUERIES: &[&[&str]] = &[
    &["kid"],
    &["drama"],
    &["2"],
    &["the"],
    &["noir"],
    &["fi"],
    &["ame"],
    &["kid", "drama"],
    &["the", "kid"],
    &["movie"],
];

#[derive(Clone, Debug)]
enum Change {
    Title(Text),
    Director(Text),
    Genres(Vec<GenreName>),
    Date(&'static str),
    Description(String),
    Nothing,
    /// Not valid: nothing may change.
    Wrong,
}

#[derive(Clone, Copy, Debug)]
enum FavoriteChange {
    Toggle,
    Add,
    Remove,
}

#[derive(Clone, Debug)]
enum List {
    All(&'static str),
    Genre(GenreName, &'static str),
    Categories,
    Favorites,
    Users,
}

const ORDERS: &[&str] = &["id", "-id", "release_date", "-release_date"];

fn part() -> impl Strategy<Value = (String, String)> {
    let letters = vec(select(LETTERS), 1..7).prop_map(|letters| {
        let spelled = |letter: &str| {
            if letter.is_empty() {
                " ".to_owned()
            } else {
                letter.to_owned()
            }
        };
        (
            letters.iter().map(|l| l.0).collect::<String>(),
            letters.iter().map(|l| spelled(l.1)).collect::<String>(),
        )
    });
    prop_oneof![
        8 => select(WORDS).prop_map(|(written, plain)| (written.to_owned(), plain.to_owned())),
        2 => letters,
    ]
}

fn text(words: std::ops::Range<usize>) -> impl Strategy<Value = Text> {
    vec(part(), words).prop_map(|parts| Text::of(&parts))
}

/// What is searched for: words of the vocabulary, the last perhaps cut short.
fn query() -> impl Strategy<Value = Text> {
    let cut = select(WORDS).prop_flat_map(|(_, plain)| {
        let chars = plain.chars().count();
        (1..=chars).prop_map(move |n| {
            let start: String = plain.chars().take(n).collect();
            (start.clone(), start)
        })
    });
    (vec(part(), 0..3), prop_oneof![cut, part()]).prop_map(|(mut parts, last)| {
        parts.push(last);
        Text::of(&parts)
    })
}

fn genres() -> impl Strategy<Value = Vec<GenreName>> {
    vec(select(GENRES), 1..4)
}

fn description() -> impl Strategy<Value = String> {
    select(&["Short.", "Two\nlines.", "Ünïcode ✓", "\ttabs"][..]).prop_map(str::to_owned)
}

fn movie_text() -> impl Strategy<Value = MovieText> {
    (text(1..5), text(1..3), genres(), select(DATES), description()).prop_map(
        |(title, director, genres, date, description)| MovieText {
            title,
            director,
            genres,
            date,
            description,
        },
    )
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![1 => Just(None), 12 => (0_usize..4).prop_map(Some)]
}

fn list() -> impl Strategy<Value = List> {
    prop_oneof![
        4 => select(ORDERS).prop_map(List::All),
        3 => (select(GENRES), select(ORDERS)).prop_map(|(genre, order)| List::Genre(genre, order)),
        2 => Just(List::Categories),
        3 => Just(List::Favorites),
        1 => Just(List::Users),
    ]
}

/// Whatever changes a movie.
fn change_of_a_movie() -> impl Strategy<Value = Op> {
    let favorite = || option::weighted(0.3, any::<bool>());
    let movie = || 0_usize..1000;
    let change = prop_oneof![
        3 => text(1..5).prop_map(Change::Title),
        2 => text(1..3).prop_map(Change::Director),
        3 => genres().prop_map(Change::Genres),
        2 => select(DATES).prop_map(Change::Date),
        1 => description().prop_map(Change::Description),
        1 => Just(Change::Nothing),
        1 => Just(Change::Wrong),
    ];
    prop_oneof![
        10 => (who(), movie_text(), favorite(), option::weighted(0.1, 0_usize..6))
            .prop_map(|(who, movie, favorite, user)| Op::Create(who, movie, favorite, user)),
        4 => (who(), movie(), movie_text(), favorite()).prop_map(|(w, n, movie, f)| Op::Put(w, n, movie, f)),
        5 => (who(), movie(), change, favorite()).prop_map(|(w, n, change, f)| Op::Patch(w, n, change, f)),
        2 => (who(), movie()).prop_map(|(who, movie)| Op::Delete(who, movie)),
    ]
}

fn search() -> impl Strategy<Value = Op> {
    (query(), 1_usize..5).prop_map(|(q, limit)| Op::Search(q, limit))
}

/// Anything that the API does.
fn anything() -> impl Strategy<Value = Op> {
    let movie = || 0_usize..1000;
    let change = select(
        &[
            FavoriteChange::Toggle,
            FavoriteChange::Toggle,
            FavoriteChange::Add,
            FavoriteChange::Remove,
        ][..],
    );
    prop_oneof![
        21 => change_of_a_movie(),
        2 => (0_usize..1000).prop_map(Op::Register),
        8 => (who(), movie(), change).prop_map(|(who, movie, change)| Op::Favorite(who, movie, change)),
        4 => search(),
        4 => (who(), list(), 1_usize..6).prop_map(|(who, list, limit)| Op::Walk(who, list, limit)),
        1 => (select(ORDERS).prop_map(List::All), 1_usize..4, vec(movie(), 1..4))
            .prop_map(|(list, limit, movies)| Op::WalkAmidChanges(list, limit, movies)),
    ]
}

/// Some movies to begin with, all of them added by one who may.
fn movies_to_begin_with(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Op>> {
    vec(
        (0_usize..3, movie_text()).prop_map(|(who, movie)| Op::Create(Some(who), movie, None, None)),
        count,
    )
}

/// A movie of the reference.
#[derive(Clone, Debug)]
struct Movie {
    text: MovieText,
    owner: u64,
    /// Who holds it as a favorite.
    favorites: BTreeSet<u64>,
    created_at: String,
    updated_at: String,
}

impl Movie {
    /// What the API shows to `caller`, 0 being nobody.
    fn body(&self, id: u64, caller: u64) -> Value {
        json!({
            "id": id,
            "title": self.text.title.written,
            "description": self.text.description.trim(),
            "release_date": self.text.date,
            "director": self.text.director.written,
            "genre": shown(&self.text.genres),
            "cover_image": null,
            "favorite": self.favorites.contains(&caller),
            "favorite_count": self.favorites.len(),
            "user": self.owner,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        })
    }

    fn identities(&self) -> BTreeSet<&'static str> {
        self.text.genres.iter().map(|genre| genre.1).collect()
    }

    /// The class in which a search answers this movie, in order; `None` when it doesn't.
    fn rank(&self, q: &[String]) -> Option<u32> {
        let has = |words: &[String], q: &String| words.iter().any(|word| satisfies(word, q));
        let (title, director) = (&self.text.title.words, &self.text.director.words);
        let genres = self.text.genres.iter().flat_map(|genre| genre.1.split(' '));
        let genres: Vec<String> = genres.map(str::to_owned).collect();
        if q.is_empty()
            || !q
                .iter()
                .all(|q| has(title, q) || has(director, q) || has(&genres, q))
        {
            return None;
        }
        if title == q {
            return Some(0);
        }
        if begins(title, q) {
            return Some(1);
        }
        match q {
            [q] if has(title, q) => Some(2),
            [q] if has(director, q) => Some(3),
            // Of several words, the contract fixes no order beyond this.
            _ => Some(4),
        }
    }
}

/// Whether a word begins with a word of a search; one of one or two characters it must be.
fn satisfies(word: &str, q: &str) -> bool {
    if q.chars().count() <= 2 {
        word == q
    } else {
        word.starts_with(q)
    }
}

/// Whether the title has these words first, the last of which may go on unless it is short.
fn begins(title: &[String], q: &[String]) -> bool {
    let last = q.len() - 1;
    title.len() > last && title[..last] == q[..last] && satisfies(&title[last], &q[last])
}

/// Genres as a movie shows them: as they were written, each once.
fn shown(genres: &[GenreName]) -> String {
    let mut seen = BTreeSet::new();
    let once: Vec<_> = genres
        .iter()
        .filter(|genre| seen.insert(genre.1))
        .map(|genre| genre.0)
        .collect();
    once.join(", ")
}

/// A user of the reference.
struct User {
    caller: Caller,
    body: Value,
    /// Favorites, the latest last.
    favorites: Vec<u64>,
}

/// The server and the reference.
struct World {
    app: TestApp,
    look: Look,
    steps: usize,
    users: Vec<User>,
    movies: BTreeMap<u64, Movie>,
    /// Genres that have movies: the name as it was first written.
    genres: BTreeMap<&'static str, &'static str>,
}

impl World {
    async fn new(look: Look) -> Self {
        let mut world = Self {
            app: TestApp::new().await,
            look,
            steps: 0,
            users: Vec::new(),
            movies: BTreeMap::new(),
            genres: BTreeMap::new(),
        };
        for n in 0..3 {
            world.register(n).await;
        }
        let store = &world.app.running.state.store;
        assert!(
            store
                .promote(&world.users[0].caller.username, Role::Admin)
                .await
                .unwrap()
                .is_some()
        );
        world.users[0].body["role"] = json!("admin");
        world
    }

    fn caller(&self, who: Who) -> Caller {
        who.map_or(self.app.anonymous(), |n| {
            self.users[n % self.users.len()].caller.clone()
        })
    }

    fn user(&mut self, id: u64) -> &mut User {
        self.users.iter_mut().find(|user| user.caller.id == id).unwrap()
    }

    fn is_admin(&self, caller: &Caller) -> bool {
        caller.id == self.users[0].caller.id
    }

    /// The movie that a number stands for; at times one that isn't there.
    fn pick(&self, n: usize) -> u64 {
        let ids: Vec<u64> = self.movies.keys().copied().collect();
        match n % 20 {
            0 => ids.last().unwrap_or(&0) + 1,
            _ if ids.is_empty() => 1,
            _ => ids[n % ids.len()],
        }
    }

    async fn run(&mut self, op: &Op) {
        // Every moment is another, and no token outlives its quarter of an hour.
        self.app.clock.advance(1);
        match op {
            Op::Register(n) => self.register(*n).await,
            Op::Create(who, movie, favorite, user) => self.create(*who, movie, *favorite, *user).await,
            Op::Put(who, n, movie, favorite) => {
                let body = movie_body(movie);
                self.edit(Method::PUT, *who, *n, body, *favorite, |text| {
                    *text = movie.clone();
                })
                .await;
            }
            Op::Patch(who, n, change, favorite) => {
                let body = match change {
                    Change::Title(title) => json!({"title": title.written}),
                    Change::Director(director) => json!({"director": director.written}),
                    Change::Genres(genres) => json!({"genre": written(genres)}),
                    Change::Date(date) => json!({"release_date": date}),
                    Change::Description(text) => json!({"description": text}),
                    Change::Nothing => json!({}),
                    Change::Wrong => json!({"title": " ", "release_date": "2001-02-29"}),
                };
                self.edit(Method::PATCH, *who, *n, body, *favorite, |text| {
                    match change.clone() {
                        Change::Title(title) => text.title = title,
                        Change::Director(director) => text.director = director,
                        Change::Genres(genres) => text.genres = genres,
                        Change::Date(date) => text.date = date,
                        Change::Description(description) => text.description = description,
                        Change::Nothing | Change::Wrong => {}
                    }
                })
                .await;
            }
            Op::Delete(who, n) => self.delete(*who, *n).await,
            Op::Favorite(who, n, change) => self.favorite(*who, *n, *change).await,
            Op::Search(q, limit) => self.search(q, *limit).await,
            Op::Walk(who, list, limit) => self.walk(*who, list, *limit).await,
            Op::WalkAmidChanges(list, limit, movies) => self.walk_amid_changes(list, *limit, movies).await,
        }
        self.steps += 1;
        match self.look {
            Look::Lists => self.look_around().await,
            Look::Searches => {
                for n in 0..3 {
                    let words = QUERIES[(3 * self.steps + n) % QUERIES.len()];
                    self.search_once(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
                        .await;
                }
            }
        }
    }

    /// Registers a user whose name may be taken, perhaps in other letters.
    async fn register(&mut self, n: usize) {
        let taken = self.users.len();
        let (name, mail) = (n % (taken + 2), n / 3 % (taken + 2));
        let cased = |text: String| if n % 2 == 1 { text.to_uppercase() } else { text };
        let (name, mail) = if taken < 3 { (n, n) } else { (name, mail) };
        let username = cased(format!("zoë{name}"));
        let email = cased(format!("zoe{mail}@example.com"));
        let body = json!({"username": username, "email": email, "password": PASSWORD});
        let answer = self
            .app
            .anonymous()
            .post("/api/auth/register/")
            .json(&body)
            .send()
            .await;
        let same = |user: &User, field: &str, text: &str| {
            user.body[field].as_str().unwrap().to_lowercase() == text.to_lowercase()
        };
        let mut wrong = Vec::new();
        for (field, text) in [("email", &email), ("username", &username)] {
            if self.users.iter().any(|user| same(user, field, text)) {
                wrong.push(field);
            }
        }
        if !wrong.is_empty() {
            answer.is_problem(409, "conflict").names(&wrong);
            return;
        }
        let answer = answer.is(201);
        let user = &answer.body["user"];
        let last = self.users.last().map_or(0, |user| user.caller.id);
        let id = user["id"].as_u64().unwrap();
        assert!(id > last);
        let expected = json!({
            "id": id,
            "username": username,
            "email": email,
            "role": "member",
            "date_joined": user["date_joined"],
        });
        assert_eq!(*user, expected);
        self.users.push(User {
            caller: Caller {
                id,
                username,
                access: Some(answer.body["access"].as_str().unwrap().to_owned()),
                ..self.app.anonymous()
            },
            body: expected,
            favorites: Vec::new(),
        });
    }

    async fn create(&mut self, who: Who, text: &MovieText, favorite: Option<bool>, user: Option<usize>) {
        let caller = self.caller(who);
        let mut body = movie_body(text);
        if let Some(favorite) = favorite {
            body["favorite"] = json!(favorite);
        }
        let named = user.map(|n| self.users.get(n).map_or(4711, |user| user.caller.id));
        if let Some(named) = named {
            body["user"] = json!(named);
        }
        let answer = caller.post("/api/movies/").json(&body).send().await;
        if caller.id == 0 {
            answer.is(401);
            return;
        }
        let owner = named.unwrap_or(caller.id);
        if owner != caller.id && !self.is_admin(&caller) {
            answer.is(403);
            return;
        }
        if owner == 4711 {
            answer.is_problem(400, "invalid_input").names(&["user"]);
            return;
        }
        let answer = answer.is(201);
        let id = answer.body["id"].as_u64().unwrap();
        assert_eq!(answer.header("location"), format!("/api/movies/{id}/"));
        assert!(
            self.movies.keys().all(|other| *other < id),
            "an id that isn't the latest"
        );
        let movie = Movie {
            text: text.clone(),
            owner,
            favorites: BTreeSet::new(),
            created_at: answer.body["created_at"].as_str().unwrap().to_owned(),
            updated_at: answer.body["updated_at"].as_str().unwrap().to_owned(),
        };
        self.movies.insert(id, movie);
        self.record_favorite(id, caller.id, favorite == Some(true));
        self.genres_change(&text.genres);
        assert_eq!(answer.body, self.movies[&id].body(id, caller.id));
    }

    async fn edit(
        &mut self,
        method: Method,
        who: Who,
        n: usize,
        mut body: Value,
        favorite: Option<bool>,
        change: impl Fn(&mut MovieText),
    ) {
        let (caller, id) = (self.caller(who), self.pick(n));
        let wrong = body["title"] == json!(" ");
        if let Some(favorite) = favorite {
            body["favorite"] = json!(favorite);
        }
        let answer = caller
            .call(method, &format!("/api/movies/{id}/"))
            .json(&body)
            .send()
            .await;
        if !self.allowed(&caller, id, &answer, wrong) {
            return;
        }
        let answer = answer.is(200);
        let movie = self.movies.get_mut(&id).unwrap();
        change(&mut movie.text);
        answer.body["updated_at"]
            .as_str()
            .unwrap()
            .clone_into(&mut movie.updated_at);
        let genres = movie.text.genres.clone();
        if let Some(favorite) = favorite {
            self.record_favorite(id, caller.id, favorite);
        }
        self.genres_change(&genres);
        assert_eq!(answer.body, self.movies[&id].body(id, caller.id));
    }

    async fn delete(&mut self, who: Who, n: usize) {
        let (caller, id) = (self.caller(who), self.pick(n));
        let answer = caller.delete(&format!("/api/movies/{id}/")).send().await;
        if !self.allowed(&caller, id, &answer, false) {
            return;
        }
        let answer = answer.is(204);
        assert_eq!(answer.text, "");
        self.forget(id);
    }

    fn forget(&mut self, id: u64) {
        self.movies.remove(&id);
        for user in &mut self.users {
            user.favorites.retain(|movie| *movie != id);
        }
        self.genres_change(&[]);
    }

    /// Whether this change of this movie was to be done; otherwise the answer says why not.
    fn allowed(&self, caller: &Caller, id: u64, answer: &Answer, wrong: bool) -> bool {
        let expected = match self.movies.get(&id) {
            _ if caller.id == 0 => 401,
            // What is wrong with the values may be said before anything is looked up.
            _ if wrong && answer.status == 400 => 400,
            None => 404,
            Some(movie) if movie.owner != caller.id && !self.is_admin(caller) => 403,
            Some(_) if wrong => 400,
            Some(_) => return true,
        };
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text);
        false
    }

    async fn favorite(&mut self, who: Who, n: usize, change: FavoriteChange) {
        let (caller, id) = (self.caller(who), self.pick(n));
        let method = match change {
            FavoriteChange::Toggle => Method::POST,
            FavoriteChange::Add => Method::PUT,
            FavoriteChange::Remove => Method::DELETE,
        };
        let answer = caller
            .call(method, &format!("/api/movies/{id}/favorite/"))
            .send()
            .await;
        if caller.id == 0 {
            answer.is(401);
            return;
        }
        let Some(movie) = self.movies.get(&id) else {
            answer.is(404);
            return;
        };
        let on = match change {
            FavoriteChange::Toggle => !movie.favorites.contains(&caller.id),
            FavoriteChange::Add => true,
            FavoriteChange::Remove => false,
        };
        self.record_favorite(id, caller.id, on);
        let answer = answer.is(200);
        let count = self.movies[&id].favorites.len();
        let expected =
            json!({"id": id, "favorite": on, "favorite_count": count, "message": answer.body["message"]});
        assert_eq!(answer.body, expected);
        assert!(answer.body["message"].is_string());
    }

    fn record_favorite(&mut self, id: u64, user: u64, on: bool) {
        let movie = self.movies.get_mut(&id).unwrap();
        if on && movie.favorites.insert(user) {
            self.user(user).favorites.push(id);
        } else if !on && movie.favorites.remove(&user) {
            self.user(user).favorites.retain(|movie| *movie != id);
        }
    }

    /// Genres without movies go; those that are new are called as they were just written.
    fn genres_change(&mut self, written: &[GenreName]) {
        let movies = &self.movies;
        self.genres
            .retain(|identity, _| movies.values().any(|movie| movie.identities().contains(identity)));
        for (name, identity) in written {
            self.genres.entry(identity).or_insert(name);
        }
    }

    /// The movies of a list, in its order.
    fn ordered(&self, order: &str, keep: impl Fn(&Movie) -> bool) -> Vec<u64> {
        let mut movies: Vec<(&str, u64)> = self
            .movies
            .iter()
            .filter(|(_, movie)| keep(movie))
            .map(|(id, movie)| {
                (
                    if order.ends_with("date") {
                        movie.text.date
                    } else {
                        ""
                    },
                    *id,
                )
            })
            .collect();
        movies.sort_unstable();
        if order.starts_with('-') {
            movies.reverse();
        }
        movies.into_iter().map(|(_, id)| id).collect()
    }

    fn bodies(&self, ids: &[u64], caller: u64) -> Vec<Value> {
        ids.iter().map(|id| self.movies[id].body(*id, caller)).collect()
    }

    fn categories(&self, caller: u64) -> Vec<Value> {
        let category = |(identity, name): (&&str, &&str)| {
            let mut movies = self.ordered("-release_date", |movie| movie.identities().contains(identity));
            let count = movies.len();
            movies.truncate(5);
            json!({"genre": name, "count": count, "movies": self.bodies(&movies, caller)})
        };
        self.genres.iter().map(category).collect()
    }

    fn most_liked(&self, limit: usize) -> Vec<u64> {
        let liked = self.movies.iter().map(|(id, movie)| (movie.favorites.len(), *id));
        let mut liked: Vec<(usize, u64)> = liked.filter(|(favorites, _)| *favorites > 0).collect();
        liked.sort_unstable_by(|a, b| b.cmp(a));
        liked.into_iter().take(limit).map(|(_, id)| id).collect()
    }

    /// A list's path, its count and its items as `caller` sees them.
    fn list(&self, list: &List, caller: &Caller) -> (String, Option<usize>, Vec<Value>) {
        match list {
            List::All(order) => {
                let movies = self.ordered(order, |_| true);
                let path = format!("/api/movies/?ordering={order}");
                (path, Some(movies.len()), self.bodies(&movies, caller.id))
            }
            List::Genre((name, identity), order) => {
                let movies = self.ordered(order, |movie| movie.identities().contains(identity));
                let path = format!("/api/movies/?genre={}&ordering={order}", encode(name));
                (path, Some(movies.len()), self.bodies(&movies, caller.id))
            }
            List::Categories => {
                let categories = self.categories(caller.id);
                (
                    "/api/movies/categories/?x=y".into(),
                    Some(categories.len()),
                    categories,
                )
            }
            List::Favorites => {
                let user = self.users.iter().find(|user| user.caller.id == caller.id);
                let favorites: Vec<u64> = user
                    .map(|user| user.favorites.iter().rev().copied().collect())
                    .unwrap_or_default();
                (
                    "/api/users/me/favorites/?x=y".into(),
                    None,
                    self.bodies(&favorites, caller.id),
                )
            }
            List::Users => {
                let is_admin = self.is_admin(caller);
                let users = self.users.iter().map(|user| {
                    let mut body = user.body.clone();
                    if !is_admin {
                        body.as_object_mut().unwrap().remove("email");
                    }
                    body
                });
                ("/api/users/?x=y".into(), Some(self.users.len()), users.collect())
            }
        }
    }

    /// Walks a list page by page, forwards and back.
    async fn walk(&self, who: Who, list: &List, limit: usize) {
        let caller = self.caller(who);
        let (path, count, expected) = self.list(list, &caller);
        let path = format!("{path}&limit={limit}");
        if caller.id == 0 && matches!(list, List::Favorites | List::Users) {
            caller.get(&path).send().await.is(401);
            return;
        }
        let (forwards, back) = self.both_ways(&caller, &path, count, limit).await;
        assert_eq!(forwards, expected, "{path}");
        assert_eq!(back, expected, "{path}, backwards");
    }

    /// Everything in a collection, first by `next`, then from the last page back by `previous`.
    async fn both_ways(
        &self,
        caller: &Caller,
        path: &str,
        count: Option<usize>,
        limit: usize,
    ) -> (Vec<Value>, Vec<Value>) {
        let mut page = caller.get(path).send().await.is(200);
        assert_eq!(page.body["previous"], Value::Null, "{path}");
        let mut forwards = Vec::new();
        loop {
            let results = page.body["results"].as_array().unwrap();
            assert!(results.len() <= limit);
            assert_eq!(page.body["count"], json!(count), "{path}");
            forwards.extend(results.iter().cloned());
            assert!(forwards.len() <= 1000, "{path} doesn't end");
            match page.body["next"].as_str() {
                Some(next) => page = caller.get(next).send().await.is(200),
                None => break,
            }
        }
        let mut pages = vec![page.body["results"].as_array().unwrap().clone()];
        while let Some(previous) = page.body["previous"].as_str() {
            page = caller.get(previous).send().await.is(200);
            pages.push(page.body["results"].as_array().unwrap().clone());
            assert!(pages.len() <= 1000, "{path} doesn't begin");
        }
        pages.reverse();
        (forwards, pages.concat())
    }

    /// What was there throughout is met exactly once.
    async fn walk_amid_changes(&mut self, list: &List, limit: usize, movies: &[usize]) {
        let admin = self.caller(Some(0));
        let (path, _, _) = self.list(list, &admin);
        let mut throughout: BTreeSet<u64> = self.movies.keys().copied().collect();
        let (mut met, mut movies) = (Vec::new(), movies.iter());
        let mut next = Some(format!("{path}&limit={limit}"));
        while let Some(path) = next {
            let page = admin.get(&path).send().await.is(200);
            let ids = page.ids();
            met.extend(ids.iter().copied());
            next = page.body["next"].as_str().map(str::to_owned);
            if let Some(n) = movies.next() {
                // The movie at which the page ended, or any.
                let gone = ids
                    .last()
                    .copied()
                    .filter(|_| n % 2 == 0)
                    .unwrap_or_else(|| self.pick(*n));
                self.app.clock.advance(1);
                if self.movies.contains_key(&gone) {
                    admin.delete(&format!("/api/movies/{gone}/")).send().await.is(204);
                    self.forget(gone);
                    throughout.remove(&gone);
                }
                let new = MovieText {
                    title: Text::of(&[("Newcomer".into(), "newcomer".into())]),
                    director: Text::of(&[("Kid".into(), "kid".into())]),
                    genres: vec![GENRES[n % GENRES.len()]],
                    date: DATES[n % DATES.len()],
                    description: "New.".into(),
                };
                self.create(Some(0), &new, None, None).await;
            }
        }
        let distinct: BTreeSet<u64> = met.iter().copied().collect();
        assert_eq!(distinct.len(), met.len(), "met twice: {met:?}");
        assert!(
            distinct.is_superset(&throughout),
            "{met:?} without some of {throughout:?}"
        );
    }

    /// Searches with everything on one page.
    async fn search_once(&self, words: &[String]) {
        let path = format!("/api/movies/search/?q={}&limit=100", encode(&words.join(" ")));
        let answer = self.app.anonymous().get(&path).send().await.is(200);
        assert_eq!(
            (&answer.body["count"], &answer.body["next"]),
            (&Value::Null, &Value::Null)
        );
        self.check_found(words, answer.body["results"].as_array().unwrap());
    }

    /// Searches page by page, forwards and back, and with everything on one page: always in the same order.
    async fn search(&self, q: &Text, limit: usize) {
        let path = format!("/api/movies/search/?q={}", encode(&q.written));
        let nobody = self.app.anonymous();
        let (forwards, back) = self
            .both_ways(&nobody, &format!("{path}&limit={limit}"), None, limit)
            .await;
        assert_eq!(forwards, back, "{q:?}, backwards");
        self.check_found(&q.words, &forwards);
        let whole = nobody.get(&format!("{path}&limit=100")).send().await.is(200);
        assert_eq!(whole.body["results"], json!(forwards), "{q:?}");
    }

    /// Whether a search of these words found what it should, class by class.
    fn check_found(&self, words: &[String], movies: &[Value]) {
        let found: Vec<u64> = movies.iter().map(|movie| movie["id"].as_u64().unwrap()).collect();
        assert_eq!(movies, self.bodies(&found, 0), "{words:?}");
        let mut expected: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
        for (id, movie) in &self.movies {
            if let Some(rank) = movie.rank(words) {
                expected.entry(rank).or_default().insert(*id);
            }
        }
        let mut rest = found.as_slice();
        for (rank, class) in &expected {
            let (these, others) = rest.split_at(class.len().min(rest.len()));
            let these: BTreeSet<u64> = these.iter().copied().collect();
            assert_eq!(these, *class, "{words:?}: class {rank} of {found:?}");
            rest = others;
        }
        assert!(
            rest.is_empty(),
            "{words:?} finds {found:?}, and not only {expected:?}"
        );
    }

    /// After every step: the lists that show everything at once, as different users see them.
    async fn look_around(&self) {
        let turn = self.movies.len() + self.users.len();
        let caller = self.caller(Some(turn));
        let order = ORDERS[turn % ORDERS.len()];
        for list in [List::All(order), List::Categories, List::Favorites, List::Users] {
            let (path, count, expected) = self.list(&list, &caller);
            let page = caller.get(&format!("{path}&limit=100")).send().await.is(200);
            let expected = json!({"count": count, "next": null, "previous": null, "results": expected});
            assert_eq!(page.body, expected, "{path}");
        }
        let mut newest = self.ordered("-release_date", |_| true);
        newest.truncate(5);
        let nobody = self.app.anonymous();
        for (path, movies) in [
            ("/api/movies/newest/", newest),
            ("/api/movies/most-liked/", self.most_liked(10)),
            ("/api/movies/most-liked/?limit=2", self.most_liked(2)),
        ] {
            let answer = nobody.get(path).send().await.is(200);
            assert_eq!(answer.body, json!({"results": self.bodies(&movies, 0)}), "{path}");
        }
    }

    /// At the end: every list page by page, every movie by its own title, and the audit.
    async fn conclude(&self) {
        let orders = if self.look == Look::Lists { ORDERS } else { &[] };
        for (n, order) in orders.iter().enumerate() {
            self.walk(Some(n), &List::All(order), 3).await;
            self.walk(Some(n), &List::Genre(GENRES[n], order), 2).await;
        }
        for n in 0..self.users.len() {
            self.walk(Some(n), &List::Favorites, 2).await;
        }
        self.walk(None, &List::Categories, 2).await;
        self.walk(Some(1), &List::Users, 2).await;
        for (id, movie) in &self.movies {
            let answer = self
                .caller(Some(1))
                .get(&format!("/api/movies/{id}/"))
                .send()
                .await
                .is(200);
            assert_eq!(answer.body, movie.body(*id, self.users[1].caller.id));
            if id % 4 == 0 {
                self.search(&movie.text.title, 3).await;
            }
        }
        audit(&self.app.running.state.store).await;
    }
}

fn written(genres: &[GenreName]) -> String {
    genres.iter().map(|genre| genre.0).collect::<Vec<_>>().join(",")
}

fn movie_body(movie: &MovieText) -> Value {
    json!({
        "title": movie.title.written,
        "description": movie.description,
        "release_date": movie.date,
        "director": movie.director.written,
        "genre": written(&movie.genres),
    })
}

/// Runs sequences against the API and the reference. A failure prints the shortest that was found to fail.
fn compare(cases: u32, look: Look, sequences: impl Strategy<Value = (Vec<Op>, Vec<Op>)>) {
    // The variable that proptest has for it.
    let named = std::env::var("PROPTEST_CASES").ok();
    let config = Config {
        cases: named.map_or(cases, |n| n.parse().unwrap()),
        failure_persistence: None,
        max_shrink_iters: 200,
        max_shrink_time: 120_000,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let result = TestRunner::new(config).run(&sequences, |(begin, then)| {
        runtime.block_on(async {
            let mut world = World::new(look).await;
            for op in begin.iter().chain(&then) {
                world.run(op).await;
            }
            world.conclude().await;
        });
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// Guarantees 29 and 32.
#[test]
fn every_request_and_every_list_is_as_the_reference_says_after_every_step() {
    compare(
        8,
        Look::Lists,
        (movies_to_begin_with(1..4), vec(anything(), 30..38)),
    );
}

/// Guarantee 32.
#[test]
fn search_finds_what_the_reference_finds_after_every_change() {
    let steps = vec(prop_oneof![3 => change_of_a_movie(), 2 => search()], 20..30);
    compare(8, Look::Searches, (movies_to_begin_with(6..12), steps));
}
