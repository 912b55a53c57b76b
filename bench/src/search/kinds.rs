//! The ways in which people type a movie that they look for.

use rand::{
    RngExt as _, SeedableRng as _,
    rngs::StdRng,
    seq::{IndexedRandom as _, SliceRandom as _},
};

use super::{
    movies::{Movie, signs, without_signs, words},
    slips,
};

/// How a query is made of a movie. `None` if the movie has no such query.
type Make = fn(&mut StdRng, &Movie) -> Option<String>;

/// A way to type a movie.
pub(super) struct Kind {
    pub(super) name: &'static str,
    make: Make,
    /// What the search did before it corrected anything, for 150 movies of the demonstration catalog: in how many queries of a
    /// hundred the movie was among the first five, and the mean of the read units.
    pub(super) before: Before,
}

/// See [`Kind::before`].
#[derive(Clone, Copy)]
pub(super) struct Before {
    pub(super) found: f64,
    pub(super) units: f64,
}

/// How many of the [`KINDS`] decide about the mean: those by which searches were compared first.
pub(super) const DECIDING: usize = 14;

/// The units of a query that was another one before, because `&` was no word, or of a kind that wasn't measured before.
const ANOTHER: f64 = f64::INFINITY;

const fn kind(name: &'static str, make: Make, found: f64, units: f64) -> Kind {
    Kind {
        name,
        make,
        before: Before { found, units },
    }
}

/// Every kind. A new kind is added at the end, because its number is a part of the seed.
#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    kind("the title",                                           title,                1.000, 12.8),
    kind("without case, accents and punctuation",               plain,                1.000, 12.0),
    kind("unfinished last word",                                unfinished,           1.000, 13.3),
    kind("director and a word",                                 director_and_word,    1.000, 10.1),
    kind("without the small words",                             without_small_words,  1.000, 12.3),
    kind("article at the end",                                  article_at_the_end,   0.933, 14.1),
    kind("one typing error",                                    one_error,            0.000, 10.0),
    kind("director mistyped, and a word",                       wrong_director,       0.000, 9.0),
    kind("closed up (spiderman)",                               closed_up,            0.000, 11.1),
    kind("two words run together (starwars)",                   run_together,         0.000, 8.5),
    kind("one word split (god father)",                         split,                0.000, 12.5),
    kind("title and year",                                      and_year,             0.000, 12.4),
    kind("digits for a Roman numeral",                          digits_for_numeral,   0.000, 12.0),
    kind("`and` for `&`",                                       word_for_ampersand,   0.027, 13.2),

    kind("two typing errors in a word of 8 letters or more",    two_errors,           0.000, 9.7),
    kind("a typing error in each of two words",                 error_in_two_words,   0.000, 12.1),
    kind("a typing error in the first two letters",             early_error,          0.000, 10.1),
    kind("a missing word",                                      missing_word,         0.947, 14.1),
    kind("another order of the words",                          shuffled,             1.000, 14.1),
    kind("director and year",                                   director_and_year,    0.000, 9.0),
    kind("a letter doubled, or a double letter single",         doubled,              0.013, 9.7),
    kind("a word spelled as it sounds",                         misheard,             0.000, 10.2),
    kind("a word, and the director spelled as it sounds",       misheard_director,    0.000, 9.0),
    kind("the plural for the singular",                         plural,               0.000, 10.2),
    kind("one typing error, and the year",                      error_and_year,       0.000, 12.4),
    kind("one typing error, and the director",                  error_and_director,   0.000, 12.2),
    kind("a space for a sign (spider man)",                     spaced,               1.000, 13.9),
    kind("the closed-up word and the next one",                 closed_up_alone,      0.000, 7.9),
    kind("a title of two words run together",                   all_run_together,     0.000, 4.0),
    kind("the title and a word that no movie has",              with_noise,           0.000, 12.5),
    kind("a Roman numeral for digits",                          numeral_for_digits,   0.000, 11.7),
    kind("`&` for `and`",                                       ampersand_for_word,   1.000, ANOTHER),
    kind("the year and the title",                              year_first,           0.000, 12.2),
    kind("the title and a genre",                               and_genre,            1.000, 13.6),
    kind("the part before the colon",                           before_colon,         0.993, 12.7),
    kind("the part after the colon",                            after_colon,          0.960, 13.9),
    kind("initials of the director closed up, and a word",      initials,             0.000, 13.0),
    kind("one typing error in the closed-up word",              error_in_closed_up,   0.000, 10.9),
    kind("one typing error, without the small words",           error_without_small,  0.000, 10.8),
    kind("one typing error, and two words run together",        error_run_together,   0.000, 10.3),
    kind("one word split, and a typing error (god fathr)",      error_in_split,       0.000, ANOTHER),
    kind("a title of three words or more run together",         long_run_together,    0.000, ANOTHER),
    kind("two words run together, and the year",                run_together_and_year, 0.000, ANOTHER),
    kind("the director's names run together",                   director_run_together, 0.000, ANOTHER),
    kind("a number without the signs in it (20000 leagues)",    number_without_signs, 0.000, ANOTHER),
];

impl Kind {
    /// Returns up to `count` queries of this kind, each with the movie that it looks for. The same seed makes the same ones.
    pub(super) fn queries<'a>(
        &self,
        movies: &'a [Movie],
        seed: u64,
        count: usize,
    ) -> Vec<(String, &'a Movie)> {
        let number = KINDS
            .iter()
            .position(|kind| kind.name == self.name)
            .unwrap_or_default();
        let mut random = StdRng::seed_from_u64(1_000 * seed + number as u64);
        let mut order: Vec<&Movie> = movies.iter().collect();
        order.shuffle(&mut random);
        let made = order.into_iter().filter_map(|movie| {
            let query = (self.make)(&mut random, movie)?;
            (!query.trim().is_empty()).then_some((query, movie))
        });
        made.take(count).collect()
    }
}

/// Words that people leave out.
const SMALL_WORDS: [&str; 29] = [
    "a", "an", "the", "of", "and", "in", "on", "at", "to", "for", "with", "from", "by", "or", "la", "le",
    "les", "de", "des", "du", "el", "los", "las", "der", "die", "das", "il", "un", "une",
];

/// The Roman numerals from II on.
const NUMERALS: [&str; 12] = [
    "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII",
];

/// Words that no movie has.
const NOISE: [&str; 8] = [
    "fullmovie",
    "1080p",
    "bluray",
    "streaming2",
    "youtube",
    "imdb",
    "dvdrip",
    "hdtv",
];

fn is_small(word: &str) -> bool {
    SMALL_WORDS.contains(&word)
}

/// Returns the index of any word with at least this many characters, all letters.
fn any_word(random: &mut StdRng, words: &[String], least: usize) -> Option<usize> {
    let is_long = |word: &String| word.chars().count() >= least && word.chars().all(char::is_alphabetic);
    let long = (0..words.len()).filter(|at| is_long(&words[*at]));
    long.collect::<Vec<_>>().choose(random).copied()
}

/// Returns the title with one word changed, which has at least this many letters.
fn changed(
    random: &mut StdRng,
    movie: &Movie,
    least: usize,
    change: impl Fn(&mut StdRng, &str) -> Option<String>,
) -> Option<String> {
    let at = any_word(random, &movie.words, least)?;
    let new = change(random, &movie.words[at])?;
    Some(movie.with(at, &[&new]))
}

fn title(_: &mut StdRng, movie: &Movie) -> Option<String> {
    Some(movie.row.title.clone())
}

fn plain(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let bare = movie.bare();
    (bare != movie.row.title).then_some(bare)
}

fn unfinished(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let at = movie.words.len().checked_sub(1).filter(|last| *last > 0)?;
    let letters: Vec<char> = movie.words[at].chars().collect();
    if letters.len() < 5 {
        return None;
    }
    let typed: String = letters[..random.random_range(3..letters.len())].iter().collect();
    Some(movie.with(at, &[&typed]))
}

fn director_and_word(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let at = any_word(random, &movie.words, 4)?;
    (movie.surname.chars().count() >= 3).then(|| format!("{} {}", movie.surname, movie.words[at]))
}

fn without_small_words(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let rest: Vec<&str> = movie
        .words
        .iter()
        .filter(|word| !is_small(word))
        .map(String::as_str)
        .collect();
    (rest.len() > 1 && rest.len() < movie.words.len()).then(|| rest.join(" "))
}

fn article_at_the_end(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let (article, rest) = movie.row.title.split_once(' ')?;
    ["The", "A", "An"]
        .contains(&article)
        .then(|| format!("{rest}, {article}"))
}

fn one_error(random: &mut StdRng, movie: &Movie) -> Option<String> {
    changed(random, movie, 4, |random, word| Some(slips::error(random, word)))
}

fn wrong_director(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let at = any_word(random, &movie.words, 4)?;
    let director = std::slice::from_ref(&movie.surname);
    any_word(random, director, 5)
        .map(|_| format!("{} {}", slips::error(random, &movie.surname), movie.words[at]))
}

fn closed_up(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let closed = without_signs(&movie.row.title, "");
    (closed != movie.row.title).then(|| words(&closed).join(" "))
}

fn run_together(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let pairs: Vec<usize> = (1..movie.words.len())
        .filter(|at| {
            let pair = &movie.words[at - 1..=*at];
            let has_digits = pair.iter().flat_map(|word| word.chars()).any(char::is_numeric);
            !has_digits && pair.iter().map(|word| word.chars().count()).sum::<usize>() >= 5
        })
        .collect();
    let at = *pairs.choose(random)?;
    let mut words = movie.words.clone();
    let second = words.remove(at);
    words[at - 1].push_str(&second);
    Some(words.join(" "))
}

fn run_together_and_year(random: &mut StdRng, movie: &Movie) -> Option<String> {
    Some(format!("{} {}", run_together(random, movie)?, movie.year()))
}

fn director_run_together(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let name = words(movie.row.director.split(',').next()?);
    let letters: usize = name.iter().map(|word| word.chars().count()).sum();
    (name.len() == 2 && letters >= 5).then(|| name.concat())
}

/// Returns the title with a number as people type it who leave out the comma, the dot, the colon or the slash in it.
fn number_without_signs(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let chars: Vec<char> = movie.row.title.chars().collect();
    let is_digit = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(char::is_ascii_digit);
    let is_sign = |at: usize| {
        matches!(chars[at], ',' | '.' | ':' | '/') && is_digit(at.checked_sub(1)) && is_digit(Some(at + 1))
    };
    let kept = (0..chars.len()).filter(|at| !is_sign(*at));
    let typed: String = kept.map(|at| chars[at]).collect();
    (typed != movie.row.title).then(|| typed.to_lowercase())
}

fn split(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let at = any_word(random, &movie.words, 6)?;
    let letters: Vec<char> = movie.words[at].chars().collect();
    let (one, other) = letters.split_at(random.random_range(2..letters.len() - 1));
    let [one, other] = [one, other].map(|part| part.iter().collect::<String>());
    Some(movie.with(at, &[&one, &other]))
}

fn error_in_split(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let at = any_word(random, &movie.words, 8)?;
    let letters: Vec<char> = movie.words[at].chars().collect();
    let (one, other) = letters.split_at(random.random_range(2..letters.len() - 1));
    let [mut one, mut other] = [one, other].map(|part| part.iter().collect::<String>());
    let longer = if one.len() > other.len() {
        &mut one
    } else {
        &mut other
    };
    *longer = slips::error(random, longer);
    Some(movie.with(at, &[&one, &other]))
}

fn and_year(_: &mut StdRng, movie: &Movie) -> Option<String> {
    (!movie.words.is_empty()).then(|| format!("{} {}", movie.bare(), movie.year()))
}

fn year_first(_: &mut StdRng, movie: &Movie) -> Option<String> {
    (!movie.words.is_empty()).then(|| format!("{} {}", movie.year(), movie.bare()))
}

/// Returns the title with one of its words after the first replaced, if `new` knows another for one of them.
fn word_for_word(movie: &Movie, new: impl Fn(&str, bool) -> Option<String>) -> Option<String> {
    let spaced = movie.row.title.replace(':', " : ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (at, new) = (1..words.len()).find_map(|at| Some((at, new(words[at], at + 1 == words.len())?)))?;
    let typed: Vec<&str> = (0..words.len())
        .map(|other| if other == at { &new } else { words[other] })
        .collect();
    Some(self::words(&typed.join(" ")).join(" "))
}

fn digits_for_numeral(_: &mut StdRng, movie: &Movie) -> Option<String> {
    word_for_word(movie, |word, is_last| {
        let at = NUMERALS.iter().position(|numeral| *numeral == word)?;
        // A letter in the middle may be no numeral: Malcolm X.
        (is_last || word.len() > 1).then(|| (at + 2).to_string())
    })
}

fn numeral_for_digits(_: &mut StdRng, movie: &Movie) -> Option<String> {
    word_for_word(movie, |word, is_last| {
        let number: usize = word.parse().ok()?;
        let numeral = NUMERALS.get(number.checked_sub(2)?)?;
        is_last.then(|| numeral.to_lowercase())
    })
}

fn word_for_ampersand(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let title = &movie.row.title;
    title
        .contains('&')
        .then(|| words(&title.replace('&', " and ")).join(" "))
}

fn ampersand_for_word(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let title = &movie.row.title;
    title
        .contains(" and ")
        .then(|| title.replacen(" and ", " & ", 1).to_lowercase())
}

fn two_errors(random: &mut StdRng, movie: &Movie) -> Option<String> {
    changed(random, movie, 8, |random, word| {
        let one = slips::error(random, word);
        let two = slips::error(random, &one);
        (!word.starts_with(&two)).then_some(two)
    })
}

fn error_in_two_words(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let is_long = |word: &String| word.chars().count() >= 5 && word.chars().all(char::is_alphabetic);
    let mut long: Vec<usize> = (0..movie.words.len())
        .filter(|at| is_long(&movie.words[*at]))
        .collect();
    long.shuffle(random);
    let two = long.get(..2)?;
    let mut words = movie.words.clone();
    for at in two {
        words[*at] = slips::error(random, &words[*at]);
    }
    Some(words.join(" "))
}

fn early_error(random: &mut StdRng, movie: &Movie) -> Option<String> {
    changed(random, movie, 5, |random, word| {
        Some(slips::early_error(random, word))
    })
}

fn missing_word(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let at = (movie.words.len() > 2).then(|| random.random_range(0..movie.words.len()))?;
    Some(movie.with(at, &[]))
}

fn shuffled(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let mut words = movie.words.clone();
    words.shuffle(random);
    (words.len() > 2 && words != movie.words).then(|| words.join(" "))
}

fn director_and_year(_: &mut StdRng, movie: &Movie) -> Option<String> {
    (movie.surname.chars().count() >= 4).then(|| format!("{} {}", movie.surname, movie.year()))
}

fn doubled(random: &mut StdRng, movie: &Movie) -> Option<String> {
    changed(random, movie, 5, slips::doubled)
}

fn misheard(random: &mut StdRng, movie: &Movie) -> Option<String> {
    changed(random, movie, 5, slips::misheard)
}

fn misheard_director(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let at = any_word(random, &movie.words, 4)?;
    any_word(random, std::slice::from_ref(&movie.surname), 5)?;
    Some(format!(
        "{} {}",
        movie.words[at],
        slips::misheard(random, &movie.surname)?
    ))
}

fn plural(random: &mut StdRng, movie: &Movie) -> Option<String> {
    changed(random, movie, 4, |_, word| {
        (!word.ends_with('s')).then(|| format!("{word}s"))
    })
}

fn error_and_year(random: &mut StdRng, movie: &Movie) -> Option<String> {
    Some(format!("{} {}", one_error(random, movie)?, movie.year()))
}

fn error_and_director(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let typed = one_error(random, movie)?;
    (movie.surname.chars().count() >= 3).then(|| format!("{typed} {}", movie.surname))
}

fn spaced(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let spaced = without_signs(&movie.row.title, " ");
    (spaced != movie.row.title).then(|| spaced.to_lowercase())
}

/// Returns the words of the closed-up title, and the index of the first that had a sign inside.
fn closed_up_words(movie: &Movie) -> Option<(Vec<String>, usize)> {
    let title = &movie.row.title;
    let first = *signs(title).first()?;
    let before: String = title.chars().take(first).collect();
    let at = words(&without_signs(&before, "")).len().checked_sub(1)?;
    let words = words(&without_signs(title, ""));
    (at < words.len()).then_some((words, at))
}

fn closed_up_alone(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let (words, at) = closed_up_words(movie)?;
    Some(words[at..words.len().min(at + 2)].join(" "))
}

fn error_in_closed_up(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let (mut words, at) = closed_up_words(movie)?;
    any_word(random, std::slice::from_ref(&words[at]), 5)?;
    words[at] = slips::error(random, &words[at]);
    Some(words.join(" "))
}

fn all_run_together(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let is_word = |word: &String| word.chars().count() >= 2 && word.chars().all(char::is_alphabetic);
    let typed = movie.words.concat();
    (movie.words.len() == 2 && movie.words.iter().all(is_word) && typed.chars().count() >= 6).then_some(typed)
}

/// As in an address or a hashtag: `backtothefuture`.
fn long_run_together(_: &mut StdRng, movie: &Movie) -> Option<String> {
    let is_word = |word: &String| word.chars().all(char::is_alphanumeric);
    (movie.words.len() >= 3 && movie.words.iter().all(is_word)).then(|| movie.words.concat())
}

fn with_noise(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let noise = NOISE.choose(random)?;
    (!movie.words.is_empty()).then(|| format!("{} {noise}", movie.bare()))
}

fn and_genre(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let genres: Vec<&str> = movie.row.genre.split(", ").collect();
    let genre = words(genres.choose(random)?).join(" ");
    (!movie.words.is_empty()).then(|| format!("{} {genre}", movie.bare()))
}

/// Returns the part of a title before or after its colon, if it has two words or more.
fn part(movie: &Movie, is_after: bool) -> Option<String> {
    let (before, after) = movie.row.title.split_once(": ")?;
    let part = words(if is_after { after } else { before });
    (part.len() > 1).then(|| part.join(" "))
}

fn before_colon(_: &mut StdRng, movie: &Movie) -> Option<String> {
    part(movie, false)
}

fn after_colon(_: &mut StdRng, movie: &Movie) -> Option<String> {
    part(movie, true)
}

fn initials(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let mut name = movie
        .row
        .director
        .split(',')
        .next()?
        .split_whitespace()
        .peekable();
    let mut initials = String::new();
    // `J.J.` and `J. J.`
    while let Some(part) =
        name.next_if(|part| part.ends_with('.') && words(part).iter().all(|word| word.len() == 1))
    {
        initials.push_str(&words(part).concat());
    }
    let at = any_word(random, &movie.words, 4)?;
    let rest = words(&name.collect::<Vec<_>>().join(" ")).join(" ");
    (initials.len() > 1).then(|| format!("{initials} {rest} {}", movie.words[at]))
}

fn error_without_small(random: &mut StdRng, movie: &Movie) -> Option<String> {
    without_small_words(random, movie)?;
    let at = any_word(random, &movie.words, 4).filter(|at| !is_small(&movie.words[*at]))?;
    let mut words = movie.words.clone();
    words[at] = slips::error(random, &words[at]);
    words.retain(|word| !is_small(word));
    Some(words.join(" "))
}

fn error_run_together(random: &mut StdRng, movie: &Movie) -> Option<String> {
    let three = movie.words.get(..3)?;
    let at = any_word(random, &three[2..], 5).map(|_| 2)?;
    let is_word = |word: &String| word.chars().all(char::is_alphabetic);
    if !three.iter().all(is_word) || three[0].len() + three[1].len() < 5 {
        return None;
    }
    let mut words = movie.words.clone();
    words[at] = slips::error(random, &words[at]);
    let second = words.remove(1);
    words[0].push_str(&second);
    Some(words.join(" "))
}
