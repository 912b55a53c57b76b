//! The API against a model: random sequences of requests by several users, each answer and then every list compared
//! with a plain reference in memory. The reference is written from the API's documented rules. It knows no keys and no items,
//! and how text compares is said by the vocabulary itself, letter by letter.

mod checks;
mod expected;
mod reference;
mod requests;
mod vocabulary;
mod world;

use self::{requests::*, world::World};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

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

/// Guarantees 29, 32 and 41.
#[test]
fn every_answer_and_every_list_matches_the_reference_after_every_step() {
    compare(
        8,
        Look::Lists,
        (movies_to_begin_with(1..4), vec(anything(), 30..38)),
    );
}

/// Guarantees 32 and 41.
#[test]
fn search_finds_what_the_reference_finds_after_every_change() {
    let steps = vec(prop_oneof![3 => change_of_a_movie(), 2 => search()], 20..30);
    compare(8, Look::Searches, (movies_to_begin_with(6..12), steps));
}
