//! The command line.

use std::{
    error::Error,
    fmt,
    io::{self, Write as _},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};
use marquee_shared::{
    clock::Clock,
    config::Config,
    db::{Store, client},
    domain::Role,
};
use tracing::level_filters::LevelFilter;

use crate::{
    engine::Engine,
    import::{Importer, Source},
    server::{self, Catalog, Options, Place},
    template::Template,
};

/// Marquee on one machine.
#[derive(Debug, Parser)]
#[command(name = "marquee", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

/// Serves the API. What `marquee` does without a command.
#[derive(Debug, Args)]
struct Serve {
    /// The port of the API; 0 picks a free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    #[command(flatten)]
    table: Table,
    /// Write nothing to disk.
    #[arg(long, conflicts_with_all = ["data", "dynamodb"])]
    memory: bool,
    /// What to import into an empty table: a CSV file, or `none`. The demonstration catalog, unless given.
    #[arg(long, value_name = "FILE.csv|none")]
    catalog: Option<String>,
}

/// Where the table is.
#[derive(Debug, Args)]
struct Table {
    /// Where the embedded engine and the signing key persist.
    #[arg(long, value_name = "DIR", default_value = ".marquee")]
    data: PathBuf,
    /// Use this DynamoDB endpoint instead of the embedded engine.
    #[arg(long, value_name = "URL")]
    dynamodb: Option<String>,
    /// The table's name.
    #[arg(long, value_name = "NAME", default_value = "marquee")]
    table: String,
}

/// Where an operator's command finds the table.
#[derive(Debug, Args)]
struct OperatorTable {
    #[command(flatten)]
    table: Table,
    /// Use the AWS environment's own region and credentials.
    #[arg(long, conflicts_with_all = ["dynamodb", "data"])]
    aws: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a user an admin.
    Promote {
        /// The user's name.
        username: String,
        #[command(flatten)]
        table: OperatorTable,
    },
    /// Imports movies from a CSV file with the columns title, description, release_date, director, genre, and cover_image
    /// if it has it. Goes on where it was cut off when it is run again.
    Import {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        table: OperatorTable,
    },
}

impl Cli {
    /// The level to log at when `RUST_LOG` doesn't say.
    #[must_use]
    pub fn log_level(&self) -> LevelFilter {
        match self.command {
            Some(_) => LevelFilter::WARN,
            None => LevelFilter::INFO,
        }
    }

    /// Does what the command line says.
    ///
    /// # Errors
    /// Whatever stops it, in words for a person.
    pub async fn run(self) -> Result<(), Box<dyn Error>> {
        match self.command {
            None => self.serve.run().await,
            Some(Command::Promote { username, table }) => {
                let opened = table.open().await?;
                let promoted = promote(&opened.store, &username).await;
                opened.close().await?;
                promoted?;
                say(format_args!("{username} is an admin"))?;
                Ok(())
            }
            Some(Command::Import { file, table }) => {
                let opened = table.open().await?;
                let source = Source::File(file);
                let database = opened.engine.as_ref().map(Engine::database).cloned();
                let report = Importer::new(opened.store.clone(), database).run(&source).await;
                opened.close().await?;
                say(format_args!("{}", report?))?;
                Ok(())
            }
        }
    }
}

impl Serve {
    async fn run(self) -> Result<(), Box<dyn Error>> {
        let place = match (self.memory, self.table.dynamodb) {
            (true, _) => Place::Memory,
            (false, Some(url)) => Place::Endpoint {
                url,
                data: self.table.data,
            },
            (false, None) => Place::Data(self.table.data),
        };
        let catalog = match self.catalog.as_deref() {
            None => Catalog::Demonstration,
            Some("none") => Catalog::None,
            Some(file) => Catalog::File(file.into()),
        };
        let config = Config {
            table: self.table.table,
            ..Config::from_env()?
        };
        let shutdown = server::stop_signal()?;
        let mut shutdown = std::pin::pin!(shutdown);
        let starting = server::start(Options {
            port: self.port,
            place,
            catalog,
            config,
            clock: Clock::default(),
        });
        let running = tokio::select! {
            started = starting => started?,
            // Whatever of the catalog is imported by now stays, and the next start goes on from there.
            () = &mut shutdown => return Ok(()),
        };
        say(format_args!("listening on http://{}", running.address))?;
        say(format_args!("dynamodb on {}", running.dynamodb))?;
        shutdown.await;
        running.stop().await?;
        Ok(())
    }
}

/// Writes a line to standard output. That nobody reads it any more is no failure.
fn say(line: fmt::Arguments<'_>) -> io::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A table opened for an operator's command.
struct Opened {
    store: Store,
    engine: Option<Engine>,
}

impl OperatorTable {
    async fn open(self) -> Result<Opened, Box<dyn Error>> {
        let (client, engine) = match self.table.dynamodb {
            _ if self.aws => (client::of_operator(None).await?, None),
            Some(url) => (client::of_operator(Some(&url)).await?, None),
            None => {
                let template = Template::parse(server::TEMPLATE)?;
                let opened = server::open(&self.table.data, &template, &self.table.table).await?;
                (opened.client, Some(opened.engine))
            }
        };
        Ok(Opened {
            store: Store::new(client, self.table.table, Clock::default()),
            engine,
        })
    }
}

impl Opened {
    async fn close(self) -> Result<(), Box<dyn Error>> {
        if let Some(engine) = self.engine {
            engine.shutdown().await?;
        }
        Ok(())
    }
}

async fn promote(store: &Store, username: &str) -> Result<(), Box<dyn Error>> {
    match store
        .promote(username, Role::Admin)
        .await
        .map_err(|e| e.log_message())?
    {
        Some(_) => Ok(()),
        None => Err(format!("there is no user {username}").into()),
    }
}
