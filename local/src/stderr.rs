//! Lines on standard error for the person who has called the program.

use std::{
    fmt,
    io::{self, Write as _},
};

/// Prints a line. Does nothing if standard error is closed, or its disk full: what the program does doesn't depend on a reader.
/// `eprintln!` would panic.
pub fn print(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
