//! Random requests: the steps of a sequence, and the strategies that generate them.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{reference::canonical, vocabulary::*};
use crate::support::typing::TypingError;

/// The caller of a request: the index of a user, of whom 0 is the admin, or `None` for an anonymous caller.
pub(super) type Who = Option<usize>;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Register(usize),
    /// A change of the account of this user.
    Account(usize, AccountChange),
    Create(Who, MovieText, Option<bool>, Option<usize>),
    Put(Who, usize, MovieText, Option<bool>),
    Patch(Who, usize, Change, Option<bool>),
    Delete(Who, usize),
    Favorite(Who, usize, FavoriteChange),
    /// Sends an earlier addition or toggle again, with its idempotency key.
    Again(usize),
    Search(Text, usize),
    /// Searches for words of a movie that exists, typed wrong or not completely.
    SearchFor(usize, Typed, usize),
    Walk(Who, List, usize),
    /// Walks a list of movies while movies are deleted and added between its pages.
    WalkAmidChanges(List, usize, Vec<usize>),
}

/// What is compared after every step: all lists, the searches in [`QUERIES`], or nothing but the step itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Focus {
    Lists,
    Searches,
    Typing,
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
    &["kid", "1999"],
    &["2000", "the"],
    &["spiderman"],
    &["spider", "man"],
    &["and"],
    &["神隠"],
    &["생충"],
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

/// How the words of a movie are typed.
#[derive(Clone, Debug)]
pub(super) enum Typed {
    /// One of its words with errors, each at a place. An error that puts a letter in takes it from the word itself.
    WithErrors(usize, Vec<(TypingError, usize)>),
    /// Two neighboring words of the title, without the space.
    RunTogether(usize),
    /// One of its words with a space in it.
    Split(usize, usize),
    /// The title with a word that no movie has at this place.
    WithAbsent(usize),
    /// The title, letter by letter.
    Unfinished,
}

/// What a user does with their account. `right` is whether the password that is sent again is the user's.
#[derive(Clone, Copy, Debug)]
pub(super) enum AccountChange {
    SignIn {
        by_email: bool,
        right: bool,
    },
    Refresh(usize),
    EndSession(usize),
    EndOthers,
    Password {
        to: usize,
        right: bool,
    },
    /// A reset of the password by a token.
    Reset(usize),
    Names {
        username: Option<usize>,
        email: Option<usize>,
        right: bool,
    },
    Delete {
        right: bool,
    },
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
    /// The movies of all these genres, with one name of this director text, released in this range.
    Filtered(Vec<GenreName>, Option<Text>, Dates, &'static str),
    Categories,
    Favorites,
    Users,
}

/// A filter by date.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dates {
    All,
    Year(&'static str),
    From(&'static str),
    To(&'static str),
    Between(&'static str, &'static str),
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
        // Letters that signs join to a numeral: whether that is a number is not documented.
        2 => letters.prop_map(|letters| {
            let text = Text::of(std::slice::from_ref(&letters));
            let is_numeral = |parts: &Vec<String>| parts.len() > 1 && canonical(&parts.concat()) != parts.concat();
            if text.compounds.iter().any(is_numeral) {
                ("k".to_owned(), "k".to_owned())
            } else {
                letters
            }
        }),
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

pub(super) fn dates() -> impl Strategy<Value = Dates> {
    prop_oneof![
        3 => Just(Dates::All),
        2 => select(&["1870", "1972", "1999", "2000", "2001", "9999"][..]).prop_map(Dates::Year),
        1 => select(DATES).prop_map(Dates::From),
        1 => select(DATES).prop_map(Dates::To),
        1 => (select(DATES), select(DATES)).prop_map(|(from, to)| Dates::Between(from, to)),
    ]
}

fn filtered() -> impl Strategy<Value = List> {
    let genres = vec(select(GENRES), 0..3);
    let director = option::of(text(1..3));
    (genres, director, dates(), select(ORDERS))
        .prop_map(|(genres, director, dates, order)| List::Filtered(genres, director, dates, order))
}

pub(super) fn list() -> impl Strategy<Value = List> {
    prop_oneof![
        4 => select(ORDERS).prop_map(List::All),
        3 => (select(GENRES), select(ORDERS)).prop_map(|(genre, order)| List::Genre(genre, order)),
        2 => (select(IMDB_IDS), option::of(select(GENRES))).prop_map(|(id, genre)| List::ImdbId(id, genre)),
        4 => filtered(),
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

/// Generates searches for movies that exist, typed wrong or not completely.
pub(super) fn typed() -> impl Strategy<Value = Op> {
    let n = || 0_usize..1000;
    let error = n().prop_map(|n| match n % 4 {
        0 => TypingError::Deletion,
        1 => TypingError::Swap,
        // The letter is chosen when the word is known.
        2 => TypingError::Insertion(char::from(b'a' + u8::try_from(n % 26).unwrap_or(0))),
        _ => TypingError::Substitution(char::from(b'a' + u8::try_from(n % 26).unwrap_or(0))),
    });
    let typed = prop_oneof![
        5 => (n(), vec((error, n()), 1..3)).prop_map(|(word, errors)| Typed::WithErrors(word, errors)),
        2 => n().prop_map(Typed::RunTogether),
        2 => (n(), n()).prop_map(|(word, place)| Typed::Split(word, place)),
        2 => n().prop_map(Typed::WithAbsent),
        1 => Just(Typed::Unfinished),
    ];
    (n(), typed, 1_usize..5).prop_map(|(movie, typed, limit)| Op::SearchFor(movie, typed, limit))
}

/// Generates requests that change accounts.
pub(super) fn account_change() -> impl Strategy<Value = Op> {
    let n = || 0_usize..1000;
    let right = || prop::bool::weighted(0.8);
    let change = prop_oneof![
        4 => (any::<bool>(), right()).prop_map(|(by_email, right)| AccountChange::SignIn { by_email, right }),
        3 => n().prop_map(AccountChange::Refresh),
        2 => n().prop_map(AccountChange::EndSession),
        1 => Just(AccountChange::EndOthers),
        2 => (n(), right()).prop_map(|(to, right)| AccountChange::Password { to, right }),
        1 => n().prop_map(AccountChange::Reset),
        3 => (option::of(n()), option::of(n()), right())
            .prop_map(|(username, email, right)| AccountChange::Names { username, email, right }),
        2 => right().prop_map(|right| AccountChange::Delete { right }),
    ];
    (n(), change).prop_map(|(n, change)| Op::Account(n, change))
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
        3 => movie().prop_map(Op::Again),
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
