//! Random requests: the steps of a sequence, and the strategies that generate them.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::vocabulary::*;

/// The caller of a request: the index of a user, of whom 0 is the admin, or `None` for an anonymous caller.
pub(super) type Who = Option<usize>;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Register(usize),
    Create(Who, MovieText, Option<bool>, Option<usize>),
    Put(Who, usize, MovieText, Option<bool>),
    Patch(Who, usize, Change, Option<bool>),
    Delete(Who, usize),
    Favorite(Who, usize, FavoriteChange),
    Search(Text, usize),
    Walk(Who, List, usize),
    /// Walks a list of movies while movies are deleted and added between its pages.
    WalkAmidChanges(List, usize, Vec<usize>),
}

/// What is compared after every step: all lists, or the searches in [`QUERIES`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Focus {
    Lists,
    Searches,
}

/// Queries after every step. Titles, directors and genres share these words.
pub(super) const QUERIES: &[&[&str]] = &[
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
pub(super) enum Change {
    Title(Text),
    Director(Text),
    Genres(Vec<GenreName>),
    Date(&'static str),
    Description(String),
    ImdbId(Option<&'static str>),
    Nothing,
    /// Invalid values, which must change nothing.
    Invalid,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum FavoriteChange {
    Toggle,
    Add,
    Remove,
}

#[derive(Clone, Debug)]
pub(super) enum List {
    All(&'static str),
    Genre(GenreName, &'static str),
    /// The movie with an IMDb id, perhaps of a genre.
    ImdbId(&'static str, Option<GenreName>),
    Categories,
    Favorites,
    Users,
}

pub(super) const ORDERS: &[&str] = &["id", "-id", "release_date", "-release_date"];

pub(super) fn part() -> impl Strategy<Value = (String, String)> {
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

pub(super) fn text(words: std::ops::Range<usize>) -> impl Strategy<Value = Text> {
    vec(part(), words).prop_map(|parts| Text::of(&parts))
}

/// Generates queries: words of the vocabulary, the last of which may be cut short.
pub(super) fn query() -> impl Strategy<Value = Text> {
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

pub(super) fn genres() -> impl Strategy<Value = Vec<GenreName>> {
    vec(select(GENRES), 1..4)
}

pub(super) fn description() -> impl Strategy<Value = String> {
    select(&["Short.", "Two\nlines.", "Ünïcode ✓", "\ttabs"][..]).prop_map(str::to_owned)
}

pub(super) fn movie_text() -> impl Strategy<Value = MovieText> {
    let imdb_id = option::weighted(0.3, select(IMDB_IDS));
    (
        text(1..5),
        text(1..3),
        genres(),
        select(DATES),
        description(),
        imdb_id,
    )
        .prop_map(
            |(title, director, genres, date, description, imdb_id)| MovieText {
                title,
                director,
                genres,
                date,
                description,
                imdb_id,
            },
        )
}

pub(super) fn who() -> impl Strategy<Value = Who> {
    prop_oneof![1 => Just(None), 12 => (0_usize..4).prop_map(Some)]
}

pub(super) fn list() -> impl Strategy<Value = List> {
    prop_oneof![
        4 => select(ORDERS).prop_map(List::All),
        3 => (select(GENRES), select(ORDERS)).prop_map(|(genre, order)| List::Genre(genre, order)),
        2 => (select(IMDB_IDS), option::of(select(GENRES))).prop_map(|(id, genre)| List::ImdbId(id, genre)),
        2 => Just(List::Categories),
        3 => Just(List::Favorites),
        1 => Just(List::Users),
    ]
}

/// Generates requests that change movies.
pub(super) fn movie_change() -> impl Strategy<Value = Op> {
    let favorite = || option::weighted(0.3, any::<bool>());
    let movie = || 0_usize..1000;
    let change = prop_oneof![
        3 => text(1..5).prop_map(Change::Title),
        2 => text(1..3).prop_map(Change::Director),
        3 => genres().prop_map(Change::Genres),
        2 => select(DATES).prop_map(Change::Date),
        1 => description().prop_map(Change::Description),
        2 => option::weighted(0.7, select(IMDB_IDS)).prop_map(Change::ImdbId),
        1 => Just(Change::Nothing),
        1 => Just(Change::Invalid),
    ];
    prop_oneof![
        10 => (who(), movie_text(), favorite(), option::weighted(0.1, 0_usize..6))
            .prop_map(|(who, movie, favorite, user)| Op::Create(who, movie, favorite, user)),
        4 => (who(), movie(), movie_text(), favorite()).prop_map(|(w, n, movie, f)| Op::Put(w, n, movie, f)),
        5 => (who(), movie(), change, favorite()).prop_map(|(w, n, change, f)| Op::Patch(w, n, change, f)),
        2 => (who(), movie()).prop_map(|(who, movie)| Op::Delete(who, movie)),
    ]
}

pub(super) fn search() -> impl Strategy<Value = Op> {
    (query(), 1_usize..5).prop_map(|(q, limit)| Op::Search(q, limit))
}

/// Generates all kinds of requests.
pub(super) fn any_request() -> impl Strategy<Value = Op> {
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
        21 => movie_change(),
        2 => (0_usize..1000).prop_map(Op::Register),
        8 => (who(), movie(), change).prop_map(|(who, movie, change)| Op::Favorite(who, movie, change)),
        4 => search(),
        4 => (who(), list(), 1_usize..6).prop_map(|(who, list, limit)| Op::Walk(who, list, limit)),
        1 => (select(ORDERS).prop_map(List::All), 1_usize..4, vec(movie(), 1..4))
            .prop_map(|(list, limit, movies)| Op::WalkAmidChanges(list, limit, movies)),
    ]
}

/// Generates the movies that exist at the beginning of a sequence.
pub(super) fn initial_movies(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Op>> {
    vec(
        (0_usize..3, movie_text()).prop_map(|(who, movie)| Op::Create(Some(who), movie, None, None)),
        count,
    )
}
