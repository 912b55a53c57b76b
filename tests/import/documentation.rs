//! The examples of docs/import.md: each file in it can be imported as the page says, and prints what the page says.

use std::fs;

use super::{import, movies, printed};
use crate::docs;

/// A block of code in the page.
struct Block {
    /// What follows its opening fence, such as `csv netflix.csv`.
    info: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let page = docs::read("docs/import.md");
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else {
            continue;
        };
        let text = lines.by_ref().take_while(|line| *line != "```");
        blocks.push(Block {
            info: info.to_owned(),
            text: text.map(|line| format!("{line}\n")).collect(),
        });
    }
    blocks
}

/// A file of the page.
pub(super) fn file(name: &str) -> String {
    let block = blocks()
        .into_iter()
        .find(|block| block.info.ends_with(&format!(" {name}")));
    block
        .unwrap_or_else(|| panic!("docs/import.md has no file {name}"))
        .text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_example_of_the_page_can_be_imported_and_prints_what_the_page_says() {
    let blocks = blocks();
    let mut examples = 0;
    for command in blocks.iter().enumerate().filter(|(_, block)| block.info == "sh") {
        let (at, Block { text: command, .. }) = command;
        let directory = tempfile::tempdir().unwrap();
        let (Block { info, text: file }, output) = (&blocks[at - 1], &blocks[at + 1]);
        let name = info
            .split(' ')
            .nth(1)
            .unwrap_or_else(|| panic!("no file precedes {command}"));
        assert_eq!(output.info, "text", "no output follows {command}");
        fs::write(directory.path().join(name), file).unwrap();
        let arguments = command.trim().strip_prefix("marquee import ").unwrap();
        let arguments: Vec<String> = arguments.split(' ').map(|word| word.replace('"', "")).collect();
        assert_eq!(arguments[0], name);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = import(directory.path(), &arguments).await;
        assert_eq!(printed(&ran), output.text, "{name}");
        let is_refused = output.text.starts_with("marquee: ");
        assert_eq!(movies(directory.path()).await.is_empty(), is_refused, "{name}");
        assert_eq!(ran.status.code() == Some(2), is_refused, "{name}");
        examples += 1;
    }
    assert!(examples >= 6, "{examples}");
}

/// The names of the columns are also in the help.
#[tokio::test]
async fn the_help_has_each_name_of_a_column_and_each_option_that_the_page_has() {
    let directory = tempfile::tempdir().unwrap();
    let help = import(directory.path(), &["--help"]).await;
    let help = String::from_utf8(help.stdout).unwrap();
    let page = docs::read("docs/import.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let fields = rows
        .iter()
        .filter(|row| row.contains("| yes |") || row.contains("| no |"));
    let names: Vec<&str> = fields.flat_map(|row| docs::quoted(row)).collect();
    assert!(names.len() > 20, "{names:?}");
    let words = help.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    for name in names.into_iter().filter(|name| *name != "tt0133093") {
        assert!(words.clone().any(|word| word == name), "{name}: {help}");
    }
    for option in ["column", "dates", "mdy", "dmy"] {
        assert!(words.clone().any(|word| word == option), "{option}: {help}");
    }
}
