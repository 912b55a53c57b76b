//! The API against a model. Several users send random sequences of requests. Each answer, and after each step every
//! list, is compared with a simple reference in memory.
//!
//! The reference is written from the documented rules of the API. It has no keys and no items. It does not normalize text
//! either: the vocabulary contains the normalized form of each word and letter.

mod accounts;
mod checks;
mod comparison;
mod expected;
mod reference;
mod requests;
mod searches;
mod vocabulary;

use self::{
    comparison::Comparison,
    requests::*,
    vocabulary::{MovieText, Text},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

/// Runs sequences against the API and the reference. On failure, prints the shortest failing sequence that was found.
fn compare(cases: u32, focus: Focus, sequences: impl Strategy<Value = (Vec<Op>, Vec<Op>)>) {
    // The variable with which proptest configures the number of cases.
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
            let mut comparison = Comparison::new(focus).await;
            for op in begin.iter().chain(&then) {
                comparison.run(op).await;
            }
            comparison.check_final_state().await;
        });
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// Guarantees 29, 32 and 41.
#[test]
fn every_answer_and_every_list_matches_the_reference_after_every_step() {
    compare(
        8,
        Focus::Lists,
        (initial_movies(1..4), vec(any_request(), 30..38)),
    );
}

/// Guarantees 12, 29, 75 and 76. Sessions, passwords and names change, and accounts are deleted, among changes of the movies.
#[test]
fn accounts_match_the_reference_after_every_step() {
    let steps = vec(
        prop_oneof![
            3 => account_change(),
            1 => (0_usize..1000).prop_map(Op::Register),
            4 => any_request(),
        ],
        30..38,
    );
    compare(8, Focus::Lists, (initial_movies(2..4), steps));
}

/// Words typed wrong, run together, split, unfinished, and words that no movie has, among changes of the movies.
#[test]
fn searches_are_corrected_only_if_nothing_matches_and_to_words_that_the_catalog_has() {
    let steps = vec(
        prop_oneof![2 => movie_change(), 5 => typed(), 1 => search()],
        20..30,
    );
    compare(8, Focus::Typing, (initial_movies(6..12), steps));
}

/// Guarantees 32 and 41.
#[test]
fn search_finds_what_the_reference_finds_after_every_change() {
    let steps = vec(prop_oneof![3 => movie_change(), 2 => search()], 20..30);
    compare(8, Focus::Searches, (initial_movies(6..12), steps));
}

/// A sequence that one of the tests above once found: the reference did not explain the right answer.
#[test]
fn words_that_signs_join_may_be_corrected_together() {
    let text = |text: &str, plain: &str| Text::of(&[(text.to_owned(), plain.to_owned())]);
    let movie = MovieText {
        title: text("spiderman", "spiderman"),
        director: text("The", "the"),
        genres: vec![("Drama", "drama")],
        date: "1999-12-31",
        description: "Short.".to_owned(),
        imdb_id: None,
    };
    let begin = vec![Op::Create(Some(0), movie, None, None)];
    let then = ["Kidnapped spider-m", "spider-mna", "spider-man"]
        .map(|query| Op::Search(text(query, &query.to_lowercase()), 3))
        .to_vec();
    compare(1, Focus::Searches, (Just(begin), Just(then)));
}
