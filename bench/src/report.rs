//! Writes results into docs/performance/, one page for each benchmark.

use std::{error::Error, fs, path::PathBuf};

/// The directory of the pages.
const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance");

/// Replaces the page of a benchmark.
///
/// # Errors
/// Returns an error if the page can't be written.
pub(crate) fn write(benchmark: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let file = file_of(benchmark);
    fs::write(&file, page(benchmark, text)).map_err(|e| format!("{}: {e}", file.display()).into())
}

fn file_of(benchmark: &str) -> PathBuf {
    PathBuf::from(PAGES).join(benchmark).with_extension("md")
}

/// Returns a page: a title, the command that writes it, and what the benchmark prints.
fn page(benchmark: &str, text: &str) -> String {
    let title = title_of(benchmark);
    let anchor = title.to_lowercase().replace(' ', "-");
    let text = text.trim();
    format!(
        "# {title}\n\n\
         `cargo measure {benchmark} --write` writes this page. [Performance](../performance.md#{anchor}) says what it \
         shows.\n\n\
         {text}\n"
    )
}

/// Returns the title of a benchmark: `Cold start` for `cold-start`. The documents call `local` one machine.
fn title_of(benchmark: &str) -> String {
    let benchmark = match benchmark {
        "local" => "one-machine",
        other => other,
    };
    let mut letters = benchmark.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first
        .into_iter()
        .chain(letters)
        .collect::<String>()
        .replace('-', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ALL;

    #[test]
    fn a_page_has_a_title_its_command_and_what_was_printed() {
        assert_eq!(
            page("cold-start", "\n| a |\n|---|\n\n"),
            "# Cold start\n\n\
             `cargo measure cold-start --write` writes this page. [Performance](../performance.md#cold-start) says what it \
             shows.\n\n\
             | a |\n|---|\n"
        );
    }

    #[test]
    fn the_page_of_local_is_about_one_machine() {
        assert_eq!(
            page("local", "| a |"),
            "# One machine\n\n\
             `cargo measure local --write` writes this page. [Performance](../performance.md#one-machine) says what it \
             shows.\n\n\
             | a |\n"
        );
    }

    /// The overview must link to every page, so that a reader finds the page of a new benchmark.
    #[test]
    fn every_benchmark_has_a_page_that_performance_md_links_to() {
        let performance = fs::read_to_string(format!("{PAGES}/../performance.md")).unwrap();
        for benchmark in ALL {
            let written = fs::read_to_string(file_of(benchmark)).unwrap();
            assert!(written.starts_with(page(benchmark, "").trim_end()), "{benchmark}");
            assert!(
                performance.contains(&format!("](performance/{benchmark}.md)")),
                "{benchmark}"
            );
            let heading = format!("\n## {}\n", title_of(benchmark));
            assert!(performance.contains(&heading), "{benchmark}");
        }
    }
}
