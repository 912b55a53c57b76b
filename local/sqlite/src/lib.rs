//! The current `libsqlite3-sys`, under the version that rusqlite 0.36 asks for.
//!
//! The engine, dynoxide 3.2, asks for rusqlite 0.36, which brings SQLite 3.49.2. Versions before 3.51.3 can lose commits if two
//! handles make a checkpoint while a third one begins the log anew (SQLite: "The WAL-Reset Bug"). A server and an import are
//! two processes that write to one file, so this can happen here. This crate can be removed when the engine asks for a later
//! rusqlite.
#![no_std]

pub use current::*;
