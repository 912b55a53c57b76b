//! To be written.

use std::error::Error;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub struct Options {}

/// Measures.
///
/// # Errors
/// Whatever stops it, in words for a person.
pub async fn run(_options: &Options) -> Result<String, Box<dyn Error>> {
    Err("not written".into())
}
