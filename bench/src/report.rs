//! Puts results into docs/performance.md, each between the marks of its benchmark.

use std::{error::Error, fs, path::Path};

/// The page, from the root of the repository.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");

/// Replaces what stands between `<!-- name -->` and `<!-- /name -->`.
///
/// # Errors
/// When the page can't be read or written, or lacks the marks.
pub fn write(name: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let page = Path::new(PAGE);
    let old = fs::read_to_string(page)?;
    let new = replaced(&old, name, text).ok_or_else(|| format!("{PAGE} has no marks of {name}"))?;
    fs::write(page, new)?;
    Ok(())
}

fn replaced(page: &str, name: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(&format!("<!-- {name} -->\n"))?;
    let (_, after) = rest.split_once(&format!("<!-- /{name} -->\n"))?;
    let text = text.trim();
    Some(format!(
        "{before}<!-- {name} -->\n\n{text}\n\n<!-- /{name} -->\n{after}"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n";
        let new = replaced(page, "x", "new\n").unwrap();
        assert_eq!(
            new,
            "a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n"
        );
        assert_eq!(replaced(&new, "x", "new\n").unwrap(), new);
        assert_eq!(replaced(page, "z", "new"), None);
    }
}
