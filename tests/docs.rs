//! The documents say what the code does: every access pattern, every key, every link.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const DATA_MODEL: &str = "docs/data-model.md";

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files with this ending in these directories and all below them.
pub fn files(directories: &[&str], ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = directories.iter().map(|d| root().join(d)).collect();
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Every `AP-…` of a text.
fn patterns(text: &str) -> BTreeSet<String> {
    text.match_indices("AP-")
        .map(|(at, _)| {
            let digits = text[at + 3..].chars().take_while(char::is_ascii_digit);
            format!("AP-{}", digits.collect::<String>())
        })
        .filter(|id| id.len() > 3)
        .collect()
}

#[test]
fn every_access_pattern_of_the_code_is_in_the_data_model_and_the_other_way_round() {
    let cited: BTreeSet<String> = files(&["shared/src", "functions", "local/src"], "rs")
        .into_iter()
        .flat_map(|file| patterns(&read(file)))
        .collect();
    let model = read(DATA_MODEL);
    let defined: BTreeSet<String> = model
        .lines()
        .filter(|line| line.starts_with("| AP-"))
        .flat_map(|line| patterns(line.split('|').nth(1).unwrap_or_default()))
        .collect();
    assert!(!cited.is_empty());
    assert_eq!(
        cited, defined,
        "cited by the code, against the table of access patterns"
    );
    assert_eq!(
        patterns(&model),
        defined,
        "mentioned by the data model, against its own table"
    );
}

/// What `keys.rs` and `posting_keys.rs` in `shared/src/db` make keys with: their public functions and constants, and the texts
/// keys begin with.
fn key_makers() -> (Vec<String>, BTreeSet<String>) {
    // These are about keys of any kind.
    const GENERAL: [&str; 10] = [
        "class_of",
        "id_text",
        "id_at_end",
        "movie_of",
        "after",
        "before",
        "ID_DIGITS",
        "END",
        "WORD_SEPARATOR",
        "BUCKET",
    ];
    // These are about parts and ranges of postings' keys.
    const PARTS: [&str; 7] = [
        "MAX_TITLE_BYTES",
        "joined",
        "word_fits",
        "title_prefix",
        "word_prefix",
        "whole_word_bounds",
        "prefix_bounds",
    ];
    // The attributes and indexes, which the model names by their values.
    const NAMES: [&str; 7] = ["PK", "SK", "BY_DATE", "TABLE", "BY_LIKES", "LIKED", "LIKES"];
    let source = ["keys", "posting_keys"].map(|file| {
        let source = read(format!("shared/src/db/{file}.rs"));
        source.split("#[cfg(test)]").next().unwrap().to_owned()
    });
    let source = source.concat();
    let names = source
        .lines()
        .filter_map(|line| {
            line.strip_prefix("pub fn ")
                .or_else(|| line.strip_prefix("pub const "))
        })
        .map(|rest| rest.split(['(', ':']).next().unwrap().to_owned())
        .filter(|name| ![&GENERAL[..], &PARTS, &NAMES].concat().contains(&name.as_str()))
        .collect();
    let prefixes = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .map(|text| text.split('{').next().unwrap().to_owned())
        .filter(|text| {
            text.len() > 2
                && text
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || matches!(c, '#' | '_'))
        })
        .collect();
    (names, prefixes)
}

#[test]
fn every_key_is_in_the_data_model() {
    let model = read(DATA_MODEL);
    let (names, prefixes) = key_makers();
    assert!(names.len() > 15 && prefixes.len() > 12, "{names:?} {prefixes:?}");
    for name in names {
        assert!(
            model.contains(&format!("`{name}`")),
            "keys::{name} isn't in {DATA_MODEL}"
        );
    }
    for prefix in prefixes {
        assert!(
            model.contains(&format!("`{prefix}")),
            "keys that begin with {prefix} aren't in {DATA_MODEL}"
        );
    }
}

#[test]
fn every_attribute_of_keys_and_indexes_is_in_the_data_model() {
    use marquee_shared::db::keys::{BY_DATE, BY_LIKES, LIKED, LIKES, LIKES_SHARDS, PK, SK};
    let model = read(DATA_MODEL);
    for name in [
        PK,
        SK,
        BY_DATE.name.unwrap(),
        BY_DATE.pk,
        BY_DATE.sk,
        BY_LIKES,
        LIKED,
        LIKES,
    ] {
        assert!(model.contains(&format!("`{name}`")), "{name}");
    }
    assert!(model.contains(&format!("LIKES#<id mod {LIKES_SHARDS}>")));
}

/// A heading as the fragment of a link.
fn fragment(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut documents: Vec<PathBuf> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    documents.extend(files(&["docs", "data", "events"], "md"));
    let mut links = 0;
    for document in documents {
        let text = read(&document);
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            if target.starts_with("https://") {
                continue;
            }
            links += 1;
            let (file, part) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(file)
            };
            let shown = document.display();
            assert!(path.exists(), "{shown} links to {target}, which isn't there");
            let found = part.is_empty()
                || read(&path)
                    .lines()
                    .any(|line| line.starts_with('#') && fragment(line.trim_start_matches('#')) == part);
            assert!(found, "{shown} links to {target}, which has no such heading");
        }
    }
    assert!(links > 10, "{links}");
}

/// Every `name` that is a test in the code: in backticks, all lower case, with two underscores or more.
#[test]
fn every_test_that_the_documents_name_exists() {
    let sources: String = files(&["shared/src", "functions", "local/src", "tests"], "rs")
        .into_iter()
        .map(read)
        .collect();
    let mut named = 0;
    for document in [
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        DATA_MODEL,
        "docs/adr/0001-index-rows-hold-keys.md",
        "docs/guarantees.md",
        "SECURITY.md",
    ] {
        let text = read(document);
        for name in text.split('`').skip(1).step_by(2) {
            let is_test = name.matches('_').count() >= 3
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if is_test {
                named += 1;
                assert!(
                    sources.contains(&format!("fn {name}(")),
                    "{document} names {name}"
                );
            }
        }
    }
    assert!(named > 10, "{named}");
}

const DEPLOY: &str = "docs/deploy.md";

/// The rows of the first table below a heading, each cell trimmed; without the table's head.
fn table<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let below = text
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"))
        .1;
    let lines = below.lines().skip_while(|line| !line.starts_with('|'));
    lines
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split(" |").map(str::trim).collect())
        .collect()
}

/// The texts in backticks.
pub fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What a deployer chooses, gets and is told is what the template has.
#[test]
fn the_page_on_deploying_names_every_parameter_output_and_alarm_and_no_other() {
    let template =
        marquee::template::resolve(marquee::server::TEMPLATE, &[("DomainName", "a.example")]).unwrap();
    let template = serde_json::to_value(template).unwrap();
    let keys = |section: &str| -> BTreeSet<&str> {
        let entries = template[section].as_object().unwrap();
        entries.keys().map(String::as_str).collect()
    };
    let page = read(DEPLOY);
    let mut parameters = BTreeSet::new();
    for row in table(&page, "## Parameters") {
        let mut defaults = row[1].split(',').map(|text| text.trim().trim_matches('`'));
        for name in quoted(row[0]) {
            let default = match &template["Parameters"][name]["Default"] {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(
                defaults.next().unwrap_or_default(),
                default,
                "the default of {name}"
            );
            parameters.insert(name);
        }
    }
    assert_eq!(parameters, keys("Parameters"));
    let named = |heading| -> BTreeSet<&str> {
        let rows = table(&page, heading).into_iter();
        rows.flat_map(|row| quoted(row[0]).collect::<Vec<_>>()).collect()
    };
    assert_eq!(named("## Outputs"), keys("Outputs"));
    let alarms = keys("Resources").into_iter();
    assert_eq!(
        named("## Alarms"),
        alarms.filter(|name| name.ends_with("Alarm")).collect()
    );
}

/// Each request of the data model's table of costs: trips, read units and write units, by the name of the request. A row
/// of two requests, `a · b`, has a value for each; `signed in` is the first of them by somebody who is.
fn measured() -> std::collections::BTreeMap<String, [f64; 3]> {
    let mut costs = std::collections::BTreeMap::new();
    let model = read(DATA_MODEL);
    for row in table(&model, "## Costs") {
        let names: Vec<&str> = row[0].split(" · ").collect();
        for (at, name) in names.iter().enumerate() {
            let name = match *name {
                "signed in" => format!("{}, signed in", names[0]),
                name => name.to_owned(),
            };
            let cost = [2, 3, 4].map(|column| {
                let values: Vec<&str> = row[column].split(" · ").collect();
                let value = values.get(at).or(values.first()).unwrap();
                value.split(' ').next().unwrap().parse().unwrap_or(0.0)
            });
            costs.insert(name, cost);
        }
    }
    costs
}

/// The sums of `docs/deploy.md` follow from the units that were measured, the prices it states and the durations that it
/// assumes.
#[test]
fn the_costs_on_the_page_on_deploying_are_right() {
    let page = read(DEPLOY);
    let measured = measured();
    let number = |cell: &str| {
        if cell.is_empty() {
            0.0
        } else {
            cell.parse::<f64>().unwrap()
        }
    };
    let rows = table(&page, "## What it costs");
    assert!(rows.len() > 10);
    for row in rows {
        let (name, [ms, read_units, write_units, dollars]) =
            (row[0], [1, 2, 3, 4].map(|column| number(row[column])));
        let [trips, reads, writes] = measured[name];
        assert_eq!([read_units, write_units], [reads, writes], "{name}");
        let hash = if ["register", "login"].contains(&name) {
            50.0
        } else {
            0.0
        };
        assert_eq!(ms, 4.0 + 6.0 * trips + hash, "{name}");
        let auth = ["register", "login", "refresh"].contains(&name);
        let memory = if auth { 1769.0 } else { 512.0 };
        let sum =
            1.0 + 0.2 + ms * memory / 1024.0 * 0.013_333_4 + 0.125 * read_units + 0.625 * write_units + 0.75;
        assert!((sum - dollars).abs() < 0.006, "{name}: {sum}");
    }
}
