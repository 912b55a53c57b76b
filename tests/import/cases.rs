//! The cases of `tests/import/cases`, one in each file.
//!
//! A case is text with these parts, each below a line that begins with `== `:
//!
//! - `== import NAME OPTIONS`: the file NAME, and the options with which it is imported; `~` is a space in an option. Among
//!   the options are words that say how the text becomes bytes: `{crlf}` and `{cr}` are the line ends, `{utf-16le}`, `{utf-16be}` and `{latin-1}` the
//!   encodings, `{bom}` adds a byte order mark, `{cut}` leaves out the last line end, `{docs}` takes the file from
//!   docs/import.md. `␀` is the character NUL, `␛` the escape character, and `␍` a CR.
//! - `== status N`: the exit status, and what was printed: standard error, then standard output.
//! - `== rejected`: the file of rejected rows, if there is one.
//! - `== movies`: the table, after all imports of the case.
//!
//! `cargo test --test api import::cases::refresh -- --ignored` writes what follows from the imports anew.

use std::{fmt::Write as _, fs, path::Path};

use marquee_shared::{
    db::movie::MovieItem,
    domain::{CoverImage, ImdbId},
};

use super::{documentation, import, movies, printed};
use crate::docs;

const FOLDER: &str = "tests/import/cases";

/// The text of a case as it is after its imports were run.
async fn run(case: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let (comment, rest) = case.split_once("== ").unwrap();
    let mut text = comment.to_owned();
    for part in rest.split("\n== ") {
        let Some(part) = part.strip_prefix("import ") else {
            continue;
        };
        let (options, content) = part.split_once('\n').unwrap_or((part, ""));
        let mut words = options.split_whitespace().map(|word| word.replace('~', " "));
        let name = words.next().unwrap();
        let (encodings, options): (Vec<_>, Vec<_>) = words.partition(|word| word.starts_with('{'));
        fs::write(directory.path().join(&name), bytes(&name, content, &encodings)).unwrap();
        let mut arguments = vec![name.as_str()];
        arguments.extend(options.iter().map(String::as_str));
        let output = import(directory.path(), &arguments).await;
        let status = output.status.code().unwrap();
        let printed = printed(&output);
        write!(text, "== import {part}\n== status {status}\n{printed}").unwrap();
        let rejected = directory.path().join(format!("{name}.rejected.csv"));
        if let Ok(rejected) = fs::read_to_string(rejected) {
            let rejected = rejected
                .replace('\0', "␀")
                .replace('\u{1b}', "␛")
                .replace('\r', "␍");
            write!(text, "== rejected\n{rejected}").unwrap();
        }
    }
    text.push_str("== movies\n");
    for movie in movies(directory.path()).await {
        writeln!(text, "{}", line(&movie)).unwrap();
    }
    text
}

/// The bytes of a file.
fn bytes(name: &str, content: &str, encodings: &[String]) -> Vec<u8> {
    let has = |word: &str| encodings.iter().any(|own| own == word);
    let mut text = match has("{docs}") {
        true => documentation::file(name),
        false => format!("{content}\n"),
    };
    text = text.replace('␀', "\0").replace('␛', "\u{1b}").replace('␍', "\r");
    if has("{cut}") {
        text.pop();
    }
    if has("{crlf}") {
        text = text.replace('\n', "\r\n");
    }
    if has("{cr}") {
        text = text.replace('\n', "\r");
    }
    if has("{bom}") {
        text.insert(0, '\u{feff}');
    }
    if has("{utf-16le}") {
        return text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    }
    if has("{utf-16be}") {
        return text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    }
    if has("{latin-1}") {
        return text
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect();
    }
    text.into_bytes()
}

fn line(movie: &MovieItem) -> String {
    let fields = &movie.fields;
    let mut line = format!(
        "{} | {} | {} | {} | {} | {}",
        movie.id,
        fields.title.as_str(),
        fields.description.as_str(),
        fields.release_date,
        fields.director.as_str(),
        fields.genres
    );
    let imdb_id = fields.imdb_id.as_ref().map(ImdbId::as_str);
    for optional in [imdb_id, fields.cover_image.as_ref().map(CoverImage::as_text)]
        .into_iter()
        .flatten()
    {
        write!(line, " | {optional}").unwrap();
    }
    line.escape_debug()
        .to_string()
        .replace("\\\"", "\"")
        .replace("\\'", "'")
        .trim_end()
        .to_owned()
}

fn all() -> Vec<std::path::PathBuf> {
    docs::files(&[FOLDER], "txt")
}

async fn ran(path: &Path) -> (String, String) {
    let case = docs::read(path);
    let ran = run(&case).await;
    (case, ran)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_file_leaves_in_the_table_and_prints_what_its_case_says() {
    let mut differ = Vec::new();
    for path in all() {
        let (case, ran) = ran(&path).await;
        if case != ran {
            differ.push(format!("{}:\n{ran}", path.display()));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes tests/import/cases/"]
async fn refresh() {
    for path in all() {
        let (_, ran) = ran(&path).await;
        fs::write(path, ran).unwrap();
    }
}
