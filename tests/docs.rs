//! The documents agree with the code: access patterns, keys, costs, and all names of tests, files, constants and settings.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const DATA_MODEL: &str = "docs/data-model.md";

/// Returns the root directory of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads a file of the repository. A relative path is relative to the root.
pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Returns every file with this extension in these directories and below them.
pub fn files(directories: &[&str], extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = directories.iter().map(|d| root().join(d)).collect();
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns every id of an access pattern (`AP-…`) in a text.
fn patterns(text: &str) -> BTreeSet<String> {
    text.match_indices("AP-")
        .map(|(at, _)| {
            let digits = text[at + 3..].chars().take_while(char::is_ascii_digit);
            format!("AP-{}", digits.collect::<String>())
        })
        .filter(|id| id.len() > 3)
        .collect()
}

/// Guarantee 57.
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
        "left: named by the code; right: listed in the table of access patterns"
    );
    assert_eq!(
        patterns(&model),
        defined,
        "left: named anywhere in the data model; right: listed in its table"
    );
}

/// The public functions and constants of `keys.rs` and `posting_keys.rs` in `shared/src/db` that make keys, and the prefixes
/// of the keys.
fn key_makers() -> (Vec<String>, BTreeSet<String>) {
    // These apply to keys of any kind.
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
    // These apply to parts and ranges of postings' keys.
    const PARTS: [&str; 9] = [
        "MAX_TITLE_BYTES",
        "date_position",
        "whole_title_bounds",
        "joined",
        "word_fits",
        "title_prefix",
        "word_prefix",
        "whole_word_bounds",
        "prefix_bounds",
    ];
    // Attributes and indexes. The data model names them by their values.
    const NAMES: [&str; 8] = [
        "PK",
        "SK",
        "BY_DATE",
        "TABLE",
        "LIKES_INDEX",
        "BY_LIKES",
        "LIKED",
        "LIKES",
    ];
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

/// Guarantee 57.
#[test]
fn every_key_is_in_the_data_model() {
    let model = read(DATA_MODEL);
    let (names, prefixes) = key_makers();
    assert!(names.len() > 15 && prefixes.len() > 12, "{names:?} {prefixes:?}");
    for name in names {
        assert!(
            model.contains(&format!("`{name}`")),
            "{DATA_MODEL} does not name keys::{name}"
        );
    }
    for prefix in prefixes {
        assert!(
            model.contains(&format!("`{prefix}")),
            "{DATA_MODEL} does not name the key prefix {prefix}"
        );
    }
}

/// Guarantee 57.
#[test]
fn every_attribute_of_keys_and_indexes_is_in_the_data_model() {
    use marquee_shared::db::{
        keys::{BY_DATE, BY_LIKES, LIKED, LIKES, PK, SK},
        likes::{LIKES_SHARDS, MAX_LIKES_SHARDS},
    };
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
    assert!(model.contains(&format!(
        "`LIKES_SHARDS` is {LIKES_SHARDS} by default and at most {MAX_LIKES_SHARDS}"
    )));
}

/// Returns the fragment of a link to a heading.
pub fn fragment(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Returns every Markdown document of the project.
fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<PathBuf> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    documents.extend(files(&["docs", "data", "events"], "md"));
    documents
}

/// Returns every Rust file of the project with its text.
fn sources() -> Vec<(PathBuf, String)> {
    const DIRECTORIES: [&str; 6] = [
        "shared/src",
        "functions",
        "local/src",
        "tests",
        "bench",
        "fault-proxy",
    ];
    let files = files(&DIRECTORIES, "rs").into_iter();
    files.map(|path| (path.clone(), read(path))).collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut links = 0;
    for document in documents() {
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
            assert!(path.exists(), "{shown} links to {target}, which does not exist");
            let found = part.is_empty()
                || read(&path)
                    .lines()
                    .any(|line| line.starts_with('#') && fragment(line.trim_start_matches('#')) == part);
            assert!(found, "{shown} links to {target}, which has no such heading");
        }
    }
    assert!(links > 10, "{links}");
}

/// A path is a name in backticks that begins with an entry of the root directory, such as `docs/deploy.md` or `tests/api`.
/// A pattern such as `functions/<group>/src` is not a path.
#[test]
fn every_path_that_the_documents_name_exists() {
    let mut named = 0;
    for document in documents() {
        for name in quoted(&read(&document)) {
            let first = name.split('/').next().unwrap();
            let is_path = name.contains('/')
                && !name.contains(['<', '*', '{', ' ', '…'])
                && !["", "..", "target"].contains(&first)
                && root().join(first).exists();
            if is_path || name.ends_with(".md") {
                named += 1;
                assert!(
                    root().join(name).exists() || document.parent().unwrap().join(name).exists(),
                    "{} names {name}, which does not exist",
                    document.display()
                );
            }
        }
    }
    assert!(named > 40, "{named}");
}

/// A reader of the code can look up every document that it names.
#[test]
fn the_code_refers_only_to_documents_of_the_repository() {
    let mut texts = sources();
    for path in [
        "template.yaml",
        "samconfig.toml",
        "Cargo.toml",
        "deny.toml",
        ".ci/run",
    ] {
        texts.push((root().join(path), read(path)));
    }
    let is_part_of_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_');
    let mut named = 0;
    for (path, text) in texts {
        let shown = path.display();
        for name in text.split(|c| !is_part_of_path(c)) {
            let name = name.trim_matches(['.', '/']);
            if !name.ends_with(".md") {
                continue;
            }
            named += 1;
            let beside = path.parent().unwrap().join(name);
            let exists = [root().join(name), root().join("docs").join(name), beside]
                .iter()
                .any(|path| path.exists());
            // `common_passwords.md` is beside the list that it describes, not beside the code that names it.
            let is_beside_list = root().join("shared/src/auth").join(name).exists();
            assert!(
                exists || is_beside_list,
                "{shown} names {name}, which does not exist"
            );
        }
        for (at, phrase) in text.match_indices("Promise ") {
            let next = text[at + phrase.len()..].chars().next();
            assert!(
                !next.is_some_and(|c| c.is_ascii_digit()),
                "{shown} cites a promise by number, but docs/guarantees.md numbers guarantees"
            );
        }
        for phrase in ["the contract", "The contract", "contract's"] {
            let is_here = path.ends_with("tests/docs.rs");
            assert!(
                is_here || !text.contains(phrase),
                "{shown} cites a contract, which is not in the repository"
            );
        }
    }
    assert!(named > 20, "{named}");
}

/// A test is a name in backticks, in lower case, with at least three underscores.
#[test]
fn every_test_that_the_documents_name_exists() {
    let sources: String = sources().into_iter().map(|(_, text)| text).collect();
    let mut named = 0;
    for document in documents() {
        for name in quoted(&read(&document)) {
            let is_test = name.matches('_').count() >= 3
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if is_test {
                named += 1;
                assert!(
                    sources.contains(&format!("fn {name}(")),
                    "{} names the test {name}, which does not exist",
                    document.display()
                );
            }
        }
    }
    assert!(named > 100, "{named}");
}

/// A constant or a setting is a name in backticks, in upper case, with an underscore: `LIKES_SHARDS`, `EDGE_KEY`.
#[test]
fn every_constant_and_setting_that_the_documents_name_exists() {
    // Settings of other programs, and placeholders.
    const FOREIGN: [&str; 8] = [
        "AWS_REGION",
        "AWS_ROLE_ARN",
        "LD_PRELOAD",
        "PROPTEST_CASES",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "ACCESS_TOKEN",
        "REFRESH_TOKEN",
    ];
    let sources: String = sources().into_iter().map(|(_, text)| text).collect();
    let mut named = 0;
    for document in documents() {
        for name in quoted(&read(&document)) {
            let is_constant = name.contains('_')
                && name
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            if is_constant && !FOREIGN.contains(&name) {
                named += 1;
                assert!(
                    sources.contains(name),
                    "{} names {name}, which does not exist",
                    document.display()
                );
            }
        }
    }
    assert!(named > 20, "{named}");
}

const DEPLOY: &str = "docs/deploy.md";

/// Returns the rows of the first table below a heading, without the table's head. Each cell is trimmed.
pub fn table<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
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

/// Returns the texts in backticks.
pub fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Guarantee 57.
/// The page lists the template's parameters with their defaults, its outputs and its alarms.
#[test]
fn the_page_on_deploying_names_every_parameter_output_and_alarm_and_no_other() {
    let template = marquee::template::resolve(
        marquee::server::TEMPLATE,
        &[("DomainName", "a.example"), ("MailFrom", "a@b.co")],
    )
    .unwrap();
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
                "the default of {name} in {DEPLOY}"
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
    let alarms: BTreeSet<&str> = alarms.filter(|name| name.ends_with("Alarm")).collect();
    assert_eq!(named("## Alarms"), alarms);
    let runbook = read("docs/operate.md");
    let rows = table(&runbook, "## Alarms").into_iter();
    let first: BTreeSet<&str> = rows.filter_map(|row| quoted(row[0]).next()).collect();
    assert_eq!(first, alarms, "docs/operate.md");
}

/// Returns the data model's table of costs: trips, read units and write units of each request, by the request's name. A row
/// for two requests, `a · b`, has a value for each. The name `signed in` is the first request by a signed-in user.
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

/// Guarantee 57.
/// The sums in `docs/deploy.md` follow from the measured units, and from the prices and durations that the page states.
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
