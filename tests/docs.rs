//! The documents say what the code does: every access pattern, every key, every link.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const DATA_MODEL: &str = "docs/data-model.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files with this ending in these directories and all below them.
fn files(directories: &[&str], ending: &str) -> Vec<PathBuf> {
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

/// What `shared/src/db/keys.rs` makes keys with: its public functions and constants, and the texts keys begin with.
fn key_makers() -> (Vec<String>, BTreeSet<String>) {
    // These are about keys of any kind.
    const GENERAL: [&str; 8] = [
        "id_text",
        "id_at_end",
        "after",
        "before",
        "ID_DIGITS",
        "END",
        "WORD_SEPARATOR",
        "BUCKET",
    ];
    // The attributes and indexes, which the model names by their values.
    const NAMES: [&str; 7] = ["PK", "SK", "BY_DATE", "TABLE", "BY_LIKES", "LIKED", "LIKES"];
    let source = read("shared/src/db/keys.rs");
    let source = source.split("#[cfg(test)]").next().unwrap();
    let names = source
        .lines()
        .filter_map(|line| {
            line.strip_prefix("pub fn ")
                .or_else(|| line.strip_prefix("pub const "))
        })
        .map(|rest| rest.split(['(', ':']).next().unwrap().to_owned())
        .filter(|name| !GENERAL.contains(&name.as_str()) && !NAMES.contains(&name.as_str()))
        .collect();
    let prefixes = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .map(|text| text.split('{').next().unwrap().to_owned())
        .filter(|text| text.len() > 2 && text.chars().all(|c| c.is_ascii_uppercase() || c == '#'))
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
    use shared::db::keys::{BY_DATE, BY_LIKES, LIKED, LIKES, LIKES_SHARDS, PK, SK};
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
