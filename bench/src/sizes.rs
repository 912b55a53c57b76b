//! The sizes of the functions.

use std::{error::Error, fmt::Write as _};

use crate::programs::{self, Programs, precise};

/// The benchmark's limit for the zipped size of a function, in bytes. `covers` has the decoders of images.
const fn bar(name: &str) -> u64 {
    match name.as_bytes() {
        b"covers" => 6_000_000,
        _ => 4_000_000,
    }
}

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    programs: programs::Choice,
}

/// Measures the sizes of every function.
///
/// # Errors
/// Returns an error if a function is too large, or can't be built or read.
pub async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let programs = Programs::of(&options.programs, &[], false).await?;
    let mut text = "| function | MB | zipped, MB |\n|---|---|---|\n".to_owned();
    let mut broken = Vec::new();
    for name in programs.names() {
        let sizes = programs.sizes(name)?;
        let mb = |bytes| precise(bytes) / 1e6;
        writeln!(
            text,
            "| `{name}` | {:.2} | {:.2} |",
            mb(sizes.plain),
            mb(sizes.zipped)
        )?;
        if sizes.zipped > bar(name) {
            broken.push(format!("{name} is {} bytes, zipped", sizes.zipped));
        }
    }
    if broken.is_empty() {
        return Ok(text);
    }
    println!("{text}");
    Err(broken.join("\n").into())
}
