//! The budget of each request: what it may cost. The tests and the benchmarks use the same list.
//!
//! A budget is the highest cost that was measured over catalogs of 100 to 1,000,000 movies. `exactness::budgets` checks
//! every request of the list against its budget with 100 and 10,020 movies, and `cargo measure growth` with up to a
//! million.

use fault_proxy::Cost;

/// What a request may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Calls to the table one after another.
    pub trips: usize,
    /// Read units.
    pub reads: f64,
    /// Write units.
    pub writes: f64,
    /// Write units for each posting of the movie that is added, changed or deleted.
    pub writes_per_posting: f64,
}

impl Budget {
    /// The budget of a request about a movie with this many postings.
    #[must_use]
    pub fn for_postings(self, postings: u32) -> Self {
        Self {
            writes: self.writes + self.writes_per_posting * f64::from(postings),
            writes_per_posting: 0.0,
            ..self
        }
    }

    /// Whether a cost is over this budget in any of the three.
    #[must_use]
    pub fn is_exceeded_by(self, cost: &Cost) -> bool {
        cost.trips > self.trips || cost.reads > self.reads || cost.writes > self.writes
    }
}

/// What a measured request asks for.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// The first page of this query. A word in braces is the catalog's own.
    First(&'static str),
    /// The page after the first one of this query.
    Second(&'static str),
    /// A page of this query from the middle of the movies by id.
    MiddleById(&'static str),
    /// A page of this query from the middle of the movies by date, latest first.
    MiddleByDate(&'static str),
    /// This movie, by the catalog's own name for it.
    Movie(&'static str),
    /// The favorite on this movie, after this other operation has undone it.
    Favorite(&'static str, Option<&'static str>),
    /// The addition of the catalog's measured movie.
    Addition,
    /// The same, with an `imdb_id`.
    AdditionWithImdbId,
    /// The addition of the catalog's measured movie with another last word of its title. No movie has this word.
    AdditionWithNewWord,
    /// The addition of the catalog's measured movie, with an idempotency key.
    AdditionWithKey,
    /// The same addition, which has just been made, with its key.
    AdditionReplayed,
    /// The toggle of the favorite on this movie, with an idempotency key.
    ToggleWithKey(&'static str),
    /// The same toggle, which has just been made, with its key.
    ToggleReplayed(&'static str),
    /// Another `imdb_id` of a movie that was just added with one.
    ImdbId,
    /// A new description of a movie that was just added.
    Description,
    /// A title with another word of a movie that was just added.
    Title,
    /// The title of a movie that was just added with another last word. No movie has this word.
    NewWord,
    /// Another title, director and genres of a movie that was just added. No word stays.
    Everything,
    /// The image of a movie that was just added.
    Cover,
    /// Another image of a movie that was just added with one.
    AnotherCover,
    /// The deletion of the image of a movie that was just added with one.
    CoverDeletion,
    /// The deletion of a movie that was just added.
    Deletion,
    /// The deletion of a movie that was just added with an `imdb_id`.
    DeletionWithImdbId,
    /// The sample request, with a session that was just opened.
    Sample,
    /// The sample request in a session that was just opened, while there is only one other.
    OneOtherSession,
    /// The sample request, with a password reset token that was just made, of a user with two sessions.
    ResetToken,
    /// The sample request of a user who has just registered.
    NewUser,
}

/// A request that is measured.
#[derive(Debug)]
pub struct Case {
    /// What the tables call it.
    pub name: &'static str,
    /// The operation's id.
    pub operation: &'static str,
    /// Whether the caller is signed in.
    pub signed_in: bool,
    /// What it asks for.
    pub ask: Ask,
    /// What it may cost.
    pub budget: Budget,
}

/// A request that only reads, by an anonymous caller.
const fn read(name: &'static str, operation: &'static str, ask: Ask, trips: usize, reads: f64) -> Case {
    let budget = Budget {
        trips,
        reads,
        writes: 0.0,
        writes_per_posting: 0.0,
    };
    Case {
        name,
        operation,
        signed_in: false,
        ask,
        budget,
    }
}

/// A request that only reads, by a user.
const fn own(name: &'static str, operation: &'static str, ask: Ask, trips: usize, reads: f64) -> Case {
    Case {
        signed_in: true,
        ..read(name, operation, ask, trips, reads)
    }
}

/// A request that writes, by a user.
const fn write(
    name: &'static str,
    operation: &'static str,
    ask: Ask,
    [trips, reads]: [usize; 2],
    [writes, writes_per_posting]: [f64; 2],
) -> Case {
    let case = own(name, operation, ask, trips, reads as f64);
    Case {
        budget: Budget {
            writes,
            writes_per_posting,
            ..case.budget
        },
        ..case
    }
}

/// A request about a session, by an anonymous caller.
const fn session(name: &'static str, operation: &'static str, calls: [usize; 2], writes: f64) -> Case {
    Case {
        signed_in: false,
        ..write(name, operation, Sample, calls, [writes, 0.0])
    }
}

/// A password reset, by an anonymous caller.
const fn reset(name: &'static str, operation: &'static str, calls: [usize; 2], writes: f64) -> Case {
    Case {
        ask: Ask::ResetToken,
        ..session(name, operation, calls, writes)
    }
}

use Ask::{
    Addition, AdditionReplayed, AdditionWithImdbId, AdditionWithKey, AdditionWithNewWord, AnotherCover,
    Cover, CoverDeletion, Deletion, DeletionWithImdbId, Description, Everything, Favorite, First, ImdbId,
    MiddleByDate, MiddleById, Movie, NewUser, NewWord, OneOtherSession, Sample, Second, Title,
    ToggleReplayed, ToggleWithKey,
};

/// What the names of lists with filters begin with. What they read depends on how much there is to read.
pub const FILTERED: &str = "filters: ";

const BY_ID: &str = "";
const BY_DATE: &str = "?ordering=-release_date";
const GENRE: &str = "?genre={genre}";
const GENRE_BY_DATE: &str = "?genre={genre}&ordering=-release_date";

/// Every request that is measured, in the order in which it is.
///
/// - A page by id reads one bucket of 256 movies, or two when it begins in one and ends in another.
/// - An order from an index of keys costs a unit for each movie, and one more for each when the caller is signed in.
/// - A page by `-id` begins where the process has last seen the end of the list. In a new process it takes one trip more.
/// - A list with filters reads up to 45 units, and one unit more for each movie when the caller is signed in.
/// - A search reads up to 40 units, one unit more for each movie when the caller is signed in. It takes two trips unless every
///   word is common; then the walk may continue for two more. If nothing matches, the second try takes up to three trips and 40
///   units more.
/// - A write of a movie costs two units for each posting (docs/data-model.md, "Costs"). The process knows the words of the
///   measured movies, but for a new word. It has eight letters, the fewest with three pieces: it costs six units.
#[rustfmt::skip]
pub const CASES: &[Case] = &[
    read("get a movie",                                       "get_movie",   Movie("movie"), 1, 1.0),
    own( "get a movie, signed in",                            "get_movie",   Movie("movie"), 1, 3.0),
    read("20 movies by id",                                   "list_movies", First(BY_ID), 1, 5.0),
    own( "20 movies by id, signed in",                        "list_movies", First(BY_ID), 2, 26.0),
    read("by id, page 2",                                     "list_movies", Second(BY_ID), 1, 5.0),
    own( "by id, page 2, signed in",                          "list_movies", Second(BY_ID), 2, 26.0),
    read("by id, a page in the middle",                       "list_movies", MiddleById(BY_ID), 1, 7.0),
    own( "by id, a page in the middle, signed in",            "list_movies", MiddleById(BY_ID), 2, 28.0),
    read("20 movies by -id",                                  "list_movies", First("?ordering=-id"), 1, 7.0),
    own( "20 movies by -id, signed in",                       "list_movies", First("?ordering=-id"), 2, 28.0),
    read("20 movies by release_date",                         "list_movies", First("?ordering=release_date"), 2, 21.5),
    own( "20 movies by release_date, signed in",              "list_movies", First("?ordering=release_date"), 2, 42.5),
    read("20 movies by -release_date",                        "list_movies", First(BY_DATE), 2, 21.5),
    own( "20 movies by -release_date, signed in",             "list_movies", First(BY_DATE), 2, 42.5),
    read("by -release_date, page 2",                          "list_movies", Second(BY_DATE), 2, 21.5),
    own( "by -release_date, page 2, signed in",               "list_movies", Second(BY_DATE), 2, 42.5),
    read("by -release_date, a page in the middle",            "list_movies", MiddleByDate(BY_DATE), 2, 21.5),
    own( "by -release_date, a page in the middle, signed in", "list_movies", MiddleByDate(BY_DATE), 2, 42.5),
    read("a genre's movies by id",                            "list_movies", First(GENRE), 2, 22.0),
    own( "a genre's movies by id, signed in",                 "list_movies", First(GENRE), 2, 43.0),
    read("a genre's movies by -release_date",                 "list_movies", First(GENRE_BY_DATE), 2, 21.5),
    own( "a genre's movies by -release_date, signed in",      "list_movies", First(GENRE_BY_DATE), 2, 42.5),
    read("5 movies of a genre by id",                         "list_movies", First("?genre={small_genre}&limit=5"), 2, 7.0),
    own( "5 movies of a genre by date, signed in",            "list_movies", First("?genre={small_genre}&ordering=release_date&limit=5"), 2, 12.5),
    read("the movie with an imdb_id",                         "list_movies", First("?imdb_id={imdb_id}"), 2, 2.0),
    own( "the movie with an imdb_id, signed in",              "list_movies", First("?imdb_id={imdb_id}"), 2, 4.0),
    read("filters: a director, by id",                             "list_movies", First("?director={director}"), 3, 45.0),
    own( "filters: a director, by id, signed in",                  "list_movies", First("?director={director}"), 3, 66.0),
    read("filters: a director, by date",                           "list_movies", First("?director={director}&ordering=-release_date"), 3, 45.0),
    read("filters: a director of very many, by id",                "list_movies", First("?director={director_of_many}"), 3, 45.0),
    read("filters: a director of very many, by date",              "list_movies", First("?director={director_of_many}&ordering=-release_date"), 3, 45.0),
    read("filters: a year, by id",                                 "list_movies", First("?year={year}"), 3, 45.0),
    own( "filters: a year, by id, signed in",                      "list_movies", First("?year={year}"), 3, 66.0),
    read("filters: a year, by date",                               "list_movies", First("?year={year}&ordering=-release_date"), 3, 45.0),
    read("filters: ten years, by id",                              "list_movies", First("?{ten_years}"), 3, 45.0),
    read("filters: ten years, by date",                            "list_movies", First("?{ten_years}&ordering=release_date"), 3, 45.0),
    read("filters: from a date on, by id",                         "list_movies", First("?released_from={date}"), 3, 45.0),
    read("filters: from a date on, by -id",                        "list_movies", First("?released_from={date}&ordering=-id"), 3, 45.0),
    read("filters: from a date on, by date",                       "list_movies", First("?released_from={date}&ordering=release_date"), 3, 45.0),
    read("filters: up to a date, by -id",                          "list_movies", First("?released_to={date}&ordering=-id"), 3, 45.0),
    read("filters: two genres, by id",                             "list_movies", First("?genre={both_genres}"), 3, 45.0),
    own( "filters: two genres, by id, signed in",                  "list_movies", First("?genre={both_genres}"), 3, 66.0),
    read("filters: two genres, by date",                           "list_movies", First("?genre={both_genres}&ordering=-release_date"), 3, 45.0),
    read("filters: a genre from a date on, by id",                 "list_movies", First("?genre={one_genre}&released_from={date}"), 3, 45.0),
    read("filters: a genre from a date on, by date",               "list_movies", First("?genre={one_genre}&released_from={date}&ordering=release_date"), 3, 45.0),
    read("filters: a genre and a year, by id",                     "list_movies", First("?genre={one_genre}&year={year}"), 3, 45.0),
    read("filters: a genre and a director, by date",               "list_movies", First("?genre={one_genre}&director={director}&ordering=release_date"), 3, 45.0),
    read("newest",                                            "list_newest_movies", First(""), 2, 5.5),
    own( "newest, signed in",                                 "list_newest_movies", First(""), 2, 11.5),
    read("most liked",                                        "list_most_liked_movies", First(""), 2, 11.0),
    own( "most liked, signed in",                             "list_most_liked_movies", First(""), 2, 22.0),
    read("categories",                                        "list_categories", First(""), 2, 105.0),
    own( "categories, signed in",                             "list_categories", First(""), 2, 206.0),
    own( "my favorites",                                      "list_my_favorites", First(""), 2, 41.5),
    own( "me",                                                "get_me", First(""), 1, 1.0),
    own( "20 users",                                          "list_users", First(""), 1, 4.0),

    read("search, a rare word",                               "search_movies", First("?q={rare}"), 2, 7.0),
    read("search, a rare word and a common one",              "search_movies", First("?q={rare}+{everywhere}"), 2, 12.0),
    // Each of its words is common, so it reads on where there is enough to read.
    read("search, an exact title",                            "search_movies", First("?q={title}"), 4, 40.0),
    read("search, an absent word",                            "search_movies", First("?q=xylographically"), 2, 28.0),
    read("search, an absent word and a common one",           "search_movies", First("?q={everywhere}+xylographically"), 4, 60.0),
    read("search, a common word",                             "search_movies", First("?q={common}"), 2, 25.0),
    own( "search, a common word, signed in",                  "search_movies", First("?q={common}"), 2, 46.0),
    read("search, a common word, page 2",                     "search_movies", Second("?q={common}"), 2, 25.0),
    read("search, the commonest genre",                       "search_movies", First("?q={common_genre}"), 2, 25.0),
    read("search, an unfinished word",                        "search_movies", First("?q={unfinished}"), 2, 25.0),
    read("search, one letter",                                "search_movies", First("?q={letter}"), 2, 25.0),
    read("search, another letter",                            "search_movies", First("?q={other_letter}"), 2, 25.0),
    read("search, a letter that no movie has",                "search_movies", First("?q=ж"), 1, 4.0),
    read("search, two common words",                          "search_movies", First("?q={two}"), 4, 40.0),
    own( "search, two common words, signed in",               "search_movies", First("?q={two}"), 4, 61.0),
    read("search, two common words that no movie has together", "search_movies", First("?q={apart}"), 7, 80.0),
    read("search, a common word and a common genre",          "search_movies", First("?q={common}+{common_genre}"), 4, 40.0),
    read("search, two common genres",                         "search_movies", First("?q={two_genres}"), 4, 40.0),
    read("search, three common words",                        "search_movies", First("?q={three}"), 4, 40.0),
    read("search, a letter and a genre",                      "search_movies", First("?q={letter}+{common_genre}"), 7, 80.0),
    read("search, three genres that few movies combine", "search_movies", First("?q={three_genres}"), 7, 80.0),

    read("search, a closed-up word",                          "search_movies", First("?q={closed_up}"), 2, 7.0),
    read("search, digits for a Roman numeral",                "search_movies", First("?q={numeral}"), 2, 12.0),
    read("search, a rare word and a year",                    "search_movies", First("?q={rare_and_year}"), 2, 13.0),
    read("search, a common word and a year",                  "search_movies", First("?q={common}+1999"), 4, 40.0),
    read("search, a run of a script without spaces",          "search_movies", First("?q={run}"), 2, 7.0),
    // What a search does when nothing matches. The first try is part of the cost.
    read("search, second try: a typing error in a rare word", "search_movies", First("?q={typo}"), 7, 80.0),
    own( "search, second try: a typing error in a rare word, signed in", "search_movies", First("?q={typo}"), 7, 81.0),
    read("search, second try: page 2 of a corrected search",  "search_movies", Second("?q={corrected}&limit=2"), 2, 10.0),
    read("search, second try: a typing error in a common word", "search_movies", First("?q={common_typo}"), 7, 80.0),
    read("search, second try: two typing errors in a word",   "search_movies", First("?q={two_typos}"), 7, 80.0),
    read("search, second try: typing errors in two words",    "search_movies", First("?q={typo_each}"), 7, 80.0),
    read("search, second try: two words run together",        "search_movies", First("?q={joined}"), 7, 80.0),
    read("search, second try: one word split",                "search_movies", First("?q={split}"), 7, 80.0),
    read("search, second try: a word that no movie has",      "search_movies", First("?q={rare}+xylographically"), 7, 80.0),
    read("search, second try: eight words that no movie has", "search_movies", First("?q={absent}"), 7, 80.0),

    write("add a movie's first favorite",                 "add_favorite",    Favorite("unliked", Some("remove_favorite")), [2, 3], [7.0, 0.0]),
    write("remove a movie's only favorite",              "remove_favorite", Favorite("unliked", Some("add_favorite")), [2, 3], [7.0, 0.0]),
    write("add a favorite, the most liked movie",             "add_favorite",    Favorite("most_liked", Some("remove_favorite")), [2, 3], [7.0, 0.0]),
    write("remove a favorite, the most liked movie",          "remove_favorite", Favorite("most_liked", Some("add_favorite")), [2, 3], [7.0, 0.0]),
    write("toggle a favorite",                                "toggle_favorite", Favorite("most_liked", None), [2, 3], [7.0, 0.0]),
    write("toggle a favorite, with a key",                    "toggle_favorite", ToggleWithKey("most_liked"), [2, 4], [9.0, 0.0]),
    write("toggle a favorite again, with the key of the first time", "toggle_favorite", ToggleReplayed("most_liked"), [1, 4], [0.0, 0.0]),
    write("create",                                           "create_movie",  Addition, [2, 2], [14.0, 2.0]),
    write("create, with a key",                               "create_movie",  AdditionWithKey, [2, 3], [16.0, 2.0]),
    // It takes an id, which is a unit.
    write("create again, with the key of the first time",     "create_movie",  AdditionReplayed, [1, 3], [1.0, 0.0]),
    write("create, with an imdb_id",                          "create_movie",  AdditionWithImdbId, [2, 2], [16.0, 2.0]),
    write("create, with a new word",                          "create_movie",  AdditionWithNewWord, [3, 3], [20.0, 2.0]),
    write("set the cover",                                    "set_cover",     Cover, [3, 3], [3.0, 0.0]),
    write("replace the cover",                                "set_cover",     AnotherCover, [4, 3], [4.0, 0.0]),
    write("delete the cover",                                 "delete_cover",  CoverDeletion, [3, 3], [3.0, 0.0]),
    write("update the imdb_id",                               "update_movie",  ImdbId, [2, 3], [6.0, 0.0]),
    write("update the description",                           "update_movie",  Description, [2, 3], [2.0, 0.0]),
    write("update the title",                                 "update_movie",  Title, [2, 3], [6.0, 2.0]),
    write("update the title, with a new word",                "update_movie",  NewWord, [3, 4], [12.0, 2.0]),
    // The items of one movie are deleted and those of another are added.
    write("update every word and genre",                      "replace_movie", Everything, [2, 3], [16.0, 4.0]),
    write("delete",                                           "delete_movie",  Deletion, [2, 3], [13.0, 2.0]),
    write("delete, with an imdb_id",                          "delete_movie",  DeletionWithImdbId, [2, 3], [15.0, 2.0]),
    // Those that were just added.
    own( "my movies",                                         "list_my_movies", First(""), 2, 42.0),
    session("register",                                       "register_user",   [3, 2], 12.0),
    session("login",                                          "log_in",          [3, 5], 3.0),
    session("refresh",                                        "refresh_session", [1, 1], 1.0),
    session("logout",                                         "log_out",         [1, 0], 1.0),
    own( "my sessions",                                       "list_sessions",      First(""), 1, 4.0),
    write("end a session",                                    "end_session",        Sample, [2, 2], [1.0, 0.0]),
    write("end the other sessions, one",                      "end_other_sessions", OneOtherSession, [2, 3], [2.0, 0.0]),
    write("change the password, with one other session",      "change_password",    OneOtherSession, [4, 7], [12.0, 0.0]),
    write("change the email",                                 "update_me",          Sample, [4, 6], [10.0, 0.0]),
    session("ask for a password reset",                       "request_password_reset", [3, 1], 3.0),
    reset(  "reset a password, of two sessions",              "confirm_password_reset", [4, 4], 14.0),
    read("public keys",                                       "get_jwks",    First(""), 1, 1.0),
    read("health",                                            "get_health",  First(""), 1, 0.5),
    // It is part of the program.
    read("a cover that is not there",                          "get_cover",   First(""), 0, 0.0),
    read("the OpenAPI document",                              "get_openapi", First(""), 0, 0.0),
    // The last one, because the server looks after deleted accounts: a pass may add 4 read units.
    write("delete the account, without favorites",            "delete_me",   NewUser, [8, 14], [19.0, 0.0]),
];
