//! `docs/guarantees.md` and the tests name each other, and other documents cite guarantees that exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::docs::{files, fragment, quoted, read, root, table};

const PAGE: &str = "docs/guarantees.md";

/// The number of guarantees. A new guarantee gets the next number.
const COUNT: u32 = 85;

/// The numbers in a comment: `Guarantee 7`, `Guarantees 1, 2 and 3`.
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

/// The guarantees that each test, or each file of tests, names in its comment.
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
        assert!(
            waiting.is_empty(),
            "{}: no test follows the comment that names {waiting:?}",
            path.display()
        );
    }
    cited
}

/// A guarantee as the page lists it.
struct Guarantee {
    number: u32,
    /// The heading of its section.
    section: String,
    tests: BTreeSet<String>,
}

/// Every guarantee of the page, in order.
fn listed() -> Vec<Guarantee> {
    let mut listed = Vec::new();
    let mut section = String::new();
    for line in read(PAGE).lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut section);
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, guarantee, tests] = cells[..] else {
            continue;
        };
        let Ok(number) = number.parse::<u32>() else {
            continue;
        };
        let tests: BTreeSet<String> = quoted(tests).map(str::to_owned).collect();
        assert!(guarantee.ends_with('.') && !tests.is_empty(), "{line}");
        listed.push(Guarantee {
            number,
            section: section.clone(),
            tests,
        });
    }
    let numbers = listed.iter().map(|guarantee| guarantee.number);
    assert!(
        numbers.eq(1..=COUNT),
        "the numbers on {PAGE} are not 1 to {COUNT} in order"
    );
    listed
}

#[test]
fn every_guarantee_names_its_tests_and_every_test_its_guarantees() {
    let mut by_test: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for guarantee in listed() {
        for test in guarantee.tests {
            by_test.entry(test).or_default().insert(guarantee.number);
        }
    }
    // Scripts and legs of `.ci/run` are not tests with comments.
    by_test.retain(|name, _| !name.starts_with(".ci/") && !["schemathesis", "deny"].contains(&name.as_str()));
    assert_eq!(
        cited(),
        by_test,
        "left: named by the comments of the tests; right: listed on {PAGE}"
    );
    let run = read(".ci/run");
    for leg in ["leg_schemathesis", "leg_deny"] {
        assert!(run.contains(leg), "{leg}");
    }
}

/// The numbers in the cell of a table: `29`, `30, 33`, `7 to 10`.
fn numbers_of_cell(text: &str) -> BTreeSet<u32> {
    let parts = text.split(", ").map(|part| match part.split_once(" to ") {
        Some((first, last)) => first.parse().unwrap()..=last.parse().unwrap(),
        None => part.parse().unwrap()..=part.parse().unwrap(),
    });
    parts.flatten().collect()
}

/// Each line of the list in `ARCHITECTURE.md` links to the section of each guarantee that it cites, and shows a test of
/// one of them.
#[test]
fn the_list_of_what_always_holds_cites_guarantees_and_their_tests() {
    let listed = listed();
    let page = read("ARCHITECTURE.md");
    let rows = table(&page, "## What always holds");
    assert!(rows.len() > 15);
    for row in rows {
        let [invariant, guarantees, test] = row[..] else {
            panic!("{row:?}");
        };
        assert!(invariant.ends_with('.'), "{invariant}");
        let mut tests = BTreeSet::new();
        for link in guarantees.split("), ") {
            let (text, target) = link.trim_start_matches('[').split_once("](").unwrap();
            let (file, section) = target.trim_end_matches(')').split_once('#').unwrap();
            assert_eq!(file, PAGE, "{invariant}");
            for number in numbers_of_cell(text) {
                let guarantee = listed.iter().find(|guarantee| guarantee.number == number);
                let guarantee =
                    guarantee.unwrap_or_else(|| panic!("{invariant} cites {number}, which does not exist"));
                assert_eq!(
                    fragment(&guarantee.section),
                    section,
                    "{invariant}: the link of guarantee {number}"
                );
                tests.extend(&guarantee.tests);
            }
        }
        let shown: Vec<&str> = quoted(test).collect();
        assert_eq!(shown.len(), 1, "{invariant}");
        let declaration = format!("fn {}(", shown[0]);
        let is_listed =
            |test: &&String| *test == shown[0] || test.ends_with(".rs") && read(test).contains(&declaration);
        assert!(
            tests.iter().any(is_listed),
            "{invariant}: none of its guarantees lists the test {}",
            shown[0]
        );
    }
}

/// `SECURITY.md` cites the guarantees behind each of its promises: `(51)`, `(20 to 22)`, `(46, 50)`.
#[test]
fn every_security_promise_cites_guarantees() {
    let page = read("SECURITY.md");
    let promises = page.split_once("\n## What is promised\n").unwrap().1;
    let promises = promises.split("\n## ").next().unwrap();
    let mut count = 0;
    for promise in promises.split("\n- **").skip(1) {
        count += 1;
        let cited: BTreeSet<u32> = promise
            .split('(')
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))
            .flat_map(numbers_of_cell)
            .collect();
        assert!(!cited.is_empty(), "no guarantee: {promise}");
        assert!(
            cited.iter().all(|number| (1..=COUNT).contains(number)),
            "{promise}"
        );
    }
    assert!(count >= 8, "{count}");
}

#[test]
fn numbers_are_read_out_of_a_comment() {
    assert_eq!(numbers("/// Guarantee 7."), [7]);
    assert_eq!(numbers("/// Guarantees 1, 2 and 3: all of them."), [1, 2, 3]);
    assert_eq!(numbers("/// Guarantee 18: equal time in 2 of 3."), [18]);
    assert_eq!(numbers("/// No number."), [0; 0]);
}

#[test]
fn numbers_are_read_out_of_a_cell() {
    assert_eq!(numbers_of_cell("29"), [29].into());
    assert_eq!(numbers_of_cell("30, 33"), [30, 33].into());
    assert_eq!(numbers_of_cell("7 to 10"), [7, 8, 9, 10].into());
}
