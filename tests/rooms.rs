//! The order of the files in `shared/src`: none is too long, and none depends on itself through others.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::docs::{files, read, root};

/// The most lines of a file.
const MAX_LINES: usize = 500;

/// The files of `shared/src` by module path, such as `db::movie`; `db` for `db/mod.rs`, and the empty path for `lib.rs`. Of
/// each its code: without comments, strings and the tests within it.
fn modules() -> BTreeMap<String, String> {
    let source = root().join("shared/src");
    let name = |path: &Path| {
        let path = path.strip_prefix(&source).unwrap().with_extension("");
        let mut parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
        if matches!(parts.last(), Some(&"mod" | &"lib")) {
            parts.pop();
        }
        parts.join("::")
    };
    files(&["shared/src"], "rs")
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs"))
        .map(|path| (name(&path), code(&read(&path))))
        .collect()
}

/// The code of a source text, without comments, strings, and everything from its tests on.
fn code(source: &str) -> String {
    let source = source.split("\n#[cfg(test)]\n").next().unwrap();
    let mut code = String::new();
    for line in source.lines() {
        let mut in_string = false;
        let mut rest = line.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\\' if in_string => {
                    rest.next();
                }
                '"' => in_string = !in_string,
                '/' if !in_string && rest.peek() == Some(&'/') => break,
                _ if in_string => {}
                c => code.push(c),
            }
        }
        code.push('\n');
    }
    code
}

/// Every path in a text that begins with `start` and `::`, with the braces of a `use` written out: `db::{a, b::{c, d}}` is
/// `db::a`, `db::b::c` and `db::b::d`.
fn paths(code: &str, start: &str) -> Vec<String> {
    let mut found = Vec::new();
    let start = format!("{start}::");
    for (at, _) in code.match_indices(&start) {
        let before = code[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':')) {
            write_out("", &code[at + start.len()..], &mut found);
        }
    }
    found
}

/// Reads one path, or one list of paths in braces, at the start of `text`. Returns what follows it.
fn write_out<'a>(prefix: &str, text: &'a str, found: &mut Vec<String>) -> &'a str {
    let mut text = text.trim_start();
    if let Some(list) = text.strip_prefix('{') {
        text = list.trim_start();
        while !text.starts_with('}') {
            text = write_out(prefix, text, found).trim_start();
            // A name may be given another one.
            if let Some(renamed) = text.strip_prefix("as ") {
                let end = renamed.find([',', '}']).unwrap();
                text = &renamed[end..];
            }
            text = text.strip_prefix(',').unwrap_or(text).trim_start();
        }
        return &text[1..];
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '*'));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let path = if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}::{name}")
    };
    match rest.strip_prefix("::") {
        Some(rest) if rest.starts_with('{') || rest.starts_with(|c: char| c.is_alphabetic() || c == '*') => {
            write_out(&path, rest, found)
        }
        _ => {
            found.push(path);
            rest
        }
    }
}

/// The module that holds what a path names. A module file may export names of its children with `pub use`, which is no
/// dependency: whoever uses such a name depends on the child.
fn resolve(path: &str, modules: &BTreeMap<String, String>) -> String {
    let mut module = path;
    let holder = loop {
        if modules.contains_key(module) {
            break module;
        }
        module = module.rsplit_once("::").map_or("", |(parent, _)| parent);
    };
    let name = path[holder.len()..].trim_start_matches("::").split("::").next();
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return holder.to_owned();
    };
    for line in modules[holder].split(';') {
        let Some(exported) = line.trim_start().strip_prefix("pub use ") else {
            continue;
        };
        let mut exports = Vec::new();
        write_out("", exported, &mut exports);
        for export in exports {
            let is_child = export.rsplit_once("::").is_some_and(|(_, last)| last == name);
            if is_child && !export.starts_with("crate") {
                let parent = if holder.is_empty() {
                    export
                } else {
                    format!("{holder}::{export}")
                };
                return resolve(&parent, modules);
            }
        }
    }
    holder.to_owned()
}

/// The modules that each module uses.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let modules = modules();
    modules
        .iter()
        .map(|(module, code)| {
            let used = paths(code, "crate")
                .iter()
                .map(|path| resolve(path, &modules))
                .filter(|used| used != module)
                .collect();
            (module.clone(), used)
        })
        .collect()
}

/// The modules that are on circles: what is left after the modules are taken away that use none of those left.
fn on_circles(mut left: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let modules: BTreeSet<String> = left.keys().cloned().collect();
        let used: BTreeSet<String> = left.values().flatten().cloned().collect();
        // One that is used by none is on no circle either.
        left.retain(|module, uses| used.contains(module) && !uses.is_disjoint(&modules));
        for uses in left.values_mut() {
            uses.retain(|used| modules.contains(used));
        }
        if left.len() == modules.len() {
            return left;
        }
    }
}

#[test]
fn no_file_of_the_library_is_longer_than_500_lines() {
    for path in files(&["shared/src"], "rs") {
        let lines = read(&path).lines().count();
        assert!(lines <= MAX_LINES, "{}: {lines} lines", path.display());
    }
}

#[test]
fn no_file_of_the_library_depends_on_itself_through_others() {
    let dependencies = dependencies();
    let edges: usize = dependencies.values().map(BTreeSet::len).sum();
    assert!(dependencies.len() > 50 && edges > 150, "{edges} edges");
    let circles = on_circles(dependencies);
    assert!(circles.is_empty(), "circles between these files: {circles:#?}");
}

/// The head of `db/mod.rs` lists the files of its folder, from the bottom up.
#[test]
fn the_map_of_the_database_names_every_file_after_those_it_uses() {
    let source = read("shared/src/db/mod.rs");
    let map: Vec<String> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .filter_map(|row| row.split('`').nth(1))
        .map(|file| format!("db::{file}"))
        .collect();
    let mut room: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, uses) in dependencies() {
        if module.starts_with("db::") {
            let used = uses.into_iter().filter(|used| used.starts_with("db::"));
            room.entry(module).or_default().extend(used);
        }
    }
    let places: BTreeSet<&String> = room.keys().collect();
    assert_eq!(map.iter().collect::<BTreeSet<_>>(), places);
    for (place, module) in map.iter().enumerate() {
        for used in room[module].iter().filter(|used| *used != module) {
            assert!(
                map[..place].contains(used),
                "{module} uses {used}, which comes later"
            );
        }
    }
}

#[test]
fn the_table_is_called_in_three_files_only() {
    let callers: Vec<String> = modules()
        .into_iter()
        .filter(|(_, code)| code.contains(".send()"))
        .map(|(module, _)| module)
        .collect();
    assert_eq!(callers, ["db::batch", "db::store", "db::transaction"]);
}

#[test]
fn the_braces_of_a_use_are_written_out() {
    let code = code(
        "use crate::{\n    db::{Key, keys::{self, PK}, store::Store as Table}, // crate::no\n    error::Result,\n};\n\
         use other_crate::x;\nfn f() { crate::http::problem::new(\"crate::neither\") }\n\
         #[cfg(test)]\nmod tests { use crate::tests; }",
    );
    assert_eq!(
        paths(&code, "crate"),
        [
            "db::Key",
            "db::keys::self",
            "db::keys::PK",
            "db::store::Store",
            "error::Result",
            "http::problem::new"
        ]
    );
}

#[test]
fn a_circle_is_found_and_what_only_leads_to_it_or_from_it_is_not() {
    let graph = |edges: &[(&str, &[&str])]| -> BTreeMap<String, BTreeSet<String>> {
        edges
            .iter()
            .map(|(from, to)| ((*from).to_owned(), to.iter().map(|to| (*to).to_owned()).collect()))
            .collect()
    };
    let found = on_circles(graph(&[
        ("to", &["a"]),
        ("a", &["b"]),
        ("b", &["a", "from"]),
        ("from", &[]),
    ]));
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(on_circles(graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])).is_empty());
}
