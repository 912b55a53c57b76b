//! `docs/guarantees.md` and the tests name each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::docs::{files, quoted, read, root};

const PAGE: &str = "docs/guarantees.md";

/// How many guarantees there are. A new one gets the next number.
const COUNT: u32 = 40;

/// The numbers that a comment names: `Guarantee 7`, `Guarantees 1, 2 and 3`.
fn numbers(line: &str) -> Vec<u32> {
    let Some((_, rest)) = line.split_once("Guarantee") else {
        return Vec::new();
    };
    let rest = rest.strip_prefix('s').unwrap_or(rest);
    let words = rest
        .split([' ', ','])
        .filter(|word| !word.is_empty() && *word != "and");
    words
        .map(|word| word.trim_end_matches([':', '.']).parse())
        .take_while(Result::is_ok)
        .flatten()
        .collect()
}

/// Each test, or each file of tests, with the guarantees that its comment names.
fn cited() -> BTreeMap<String, BTreeSet<u32>> {
    let mut cited: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for path in files(&["shared/src", "functions", "local/src", "tests"], "rs") {
        if path.ends_with("tests/guarantees.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut waiting = Vec::new();
        for line in text.lines().map(str::trim_start) {
            if line.starts_with("//! ") {
                let root = root().canonicalize().unwrap();
                let path = path.canonicalize().unwrap();
                let file = path.strip_prefix(root).unwrap().display().to_string();
                let numbers = numbers(line);
                if !numbers.is_empty() {
                    cited.entry(file).or_default().extend(numbers);
                }
            } else if line.starts_with("//") {
                waiting.extend(numbers(line));
            } else if let Some(rest) = line.split("fn ").nth(1).filter(|_| !waiting.is_empty()) {
                let name = rest.split('(').next().unwrap().to_owned();
                cited.entry(name).or_default().extend(waiting.drain(..));
            }
        }
        assert!(waiting.is_empty(), "{}: {waiting:?} of no test", path.display());
    }
    cited
}

/// Each test, or each file of tests, with the guarantees whose row on the page names it.
fn listed() -> BTreeMap<String, BTreeSet<u32>> {
    let mut listed: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    let mut next = 1;
    for line in read(PAGE).lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, guarantee, tests] = cells[..] else {
            continue;
        };
        let Ok(number) = number.parse::<u32>() else {
            continue;
        };
        assert_eq!(number, next, "the numbers have a gap or stand twice");
        next += 1;
        assert!(guarantee.ends_with('.') && quoted(tests).count() > 0, "{line}");
        for name in quoted(tests) {
            listed.entry(name.to_owned()).or_default().insert(number);
        }
    }
    assert_eq!(next - 1, COUNT);
    listed
}

#[test]
fn every_guarantee_names_its_tests_and_every_test_its_guarantees() {
    let mut listed = listed();
    // Two are held by a leg of `.ci/run`.
    listed.retain(|name, _| !name.starts_with(".ci/") && !["schemathesis", "deny"].contains(&name.as_str()));
    assert_eq!(cited(), listed, "by the comments of the tests, and by {PAGE}");
    let run = read(".ci/run");
    for leg in ["leg_schemathesis", "leg_deny"] {
        assert!(run.contains(leg), "{leg}");
    }
}

#[test]
fn numbers_are_read_out_of_a_comment() {
    assert_eq!(numbers("/// Guarantee 7."), [7]);
    assert_eq!(numbers("/// Guarantees 1, 2 and 3: all of them."), [1, 2, 3]);
    assert_eq!(numbers("/// Guarantee 18: equal time in 2 of 3."), [18]);
    assert_eq!(numbers("/// No number."), [0; 0]);
}
