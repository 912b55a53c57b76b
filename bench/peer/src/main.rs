//! A plain server of the same API, which `cargo measure local` compares Marquee with: axum and SQLite, as a good engineer
//! would write it in a day. It answers the requests of that benchmark with the same JSON, verifies the same kind of access
//! token, logs each request, and waits for the disk at each commit, as Marquee does.
//!
//! It leaves out everything else: registration and login, edits and deletions, filters, entity tags, CORS, problem details,
//! limits on requests and time, encrypted cursors, and idempotency keys.
#![expect(unreachable_pub, reason = "a program: no item is visible outside of it")]

mod api;
mod auth;
mod catalog;
mod database;
mod movies;

use std::{io, net::Ipv4Addr, path::PathBuf};

use axum::serve::ListenerExt as _;
use clap::Parser;
use mimalloc::MiMalloc;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// The allocator that Marquee's server has too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Debug, Parser)]
struct Cli {
    /// Directory of the database.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Port on 127.0.0.1; 0 picks a free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// CSV file to load into a new database.
    #[arg(long, value_name = "FILE.csv")]
    catalog: Option<PathBuf>,
    /// Public key (Ed25519, base64url) of the access tokens.
    #[arg(long)]
    key: String,
}

#[tokio::main]
async fn main() -> Result<(), database::Error> {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_target(false)
        .init();
    let database = database::Database::open(&cli.data, cli.catalog.as_deref())?;
    let app = api::router(database, auth::Verifier::new(&cli.key)?);
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, cli.port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|connection| {
        // Only the latency of an answer would suffer if this failed.
        let _ = connection.set_nodelay(true);
    });
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await?;
    Ok(())
}
