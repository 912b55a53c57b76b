//! The command line.

mod audit;
mod backup;
mod export;
mod import;

use std::{
    error::Error,
    fmt, fs,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use marquee_shared::{
    aws::client,
    clock::Clock,
    config::{Config, endpoint, table_name},
    db::{Store, likes::LikesShards},
    domain::Role,
};
use tracing::level_filters::LevelFilter;

use crate::{
    engine::Engine,
    mail::Mails,
    private::COVERS,
    server::{self, Catalog, Missing, Options, Place},
    start_error::{StartError, TablePlace, reason, warning_of},
    stderr,
    upgrade::{self, LayoutError, Older},
};

/// Serve a movie catalog API on this machine.
///
/// Without a command, marquee serves the API.
///
/// The first start creates the table and imports the demonstration catalog of 16,975 movies.
///
/// Behind a proxy that ends TLS, set the environment variable PUBLIC_URL to the proxy's address, such as
/// `https://movies.example`: the links to the next and previous pages then begin with it.
#[derive(Debug, Parser)]
#[command(name = "marquee", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

/// The options of `marquee` without a command, which serves the API.
#[derive(Debug, Args)]
struct Serve {
    /// Address to listen on; 0.0.0.0 or :: for every address of this machine.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1", value_parser = parse_host)]
    host: IpAddr,
    /// Port of the API; 0 picks a free port.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    #[command(flatten)]
    table: Table,
    /// Keep the table in memory and write nothing to disk.
    #[arg(long, conflicts_with_all = ["data", "dynamodb"])]
    memory: bool,
    /// Open no port for DynamoDB's tools, such as the aws command.
    #[arg(long, conflicts_with = "dynamodb")]
    no_dynamodb_endpoint: bool,
    /// File to import into an empty table, or `none` [default: the demonstration catalog]
    #[arg(long, value_name = "FILE.csv|none")]
    catalog: Option<String>,
}

/// The options that say where the table is.
#[derive(Debug, Args)]
struct Table {
    /// Directory of the table and the secrets.
    #[arg(long, value_name = "DIR", default_value = ".marquee")]
    data: PathBuf,
    /// URL of a DynamoDB endpoint to use instead of the embedded engine.
    #[arg(long, value_name = "URL")]
    dynamodb: Option<String>,
    /// Name of the table.
    #[arg(long, value_name = "NAME", default_value = "marquee")]
    table: String,
}

/// The options that say where the table of an operator's command is.
#[derive(Debug, Args)]
struct OperatorTable {
    #[command(flatten)]
    table: Table,
    /// Use the table on AWS, with the region and credentials of the AWS environment.
    #[arg(long, conflicts_with_all = ["dynamodb", "data"])]
    aws: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a user an admin.
    Promote {
        /// Name of the user.
        username: String,
        #[command(flatten)]
        table: OperatorTable,
    },
    /// Make an admin a member again.
    ///
    /// The last admin can be demoted too.
    Demote {
        /// Name of the user.
        username: String,
        #[command(flatten)]
        table: OperatorTable,
    },
    /// Print a one-time token with which a user can choose a new password.
    ///
    /// The token is good for 30 minutes, or for RESET_TOKEN_SECONDS. The user enters it on the page /reset-password, or sends
    /// it to POST /api/auth/password-reset/confirm/. It ends earlier tokens of the user. Nothing else changes until it is
    /// used.
    ResetPassword {
        /// Name or email of the user.
        username: String,
        #[command(flatten)]
        table: OperatorTable,
    },
    /// Delete a user's account.
    ///
    /// The user's sessions end, both names are free again, and the favorites go. The movies stay, without an owner.
    DeleteUser {
        /// Name of the user.
        username: String,
        #[command(flatten)]
        table: OperatorTable,
    },
    /// Import movies from a CSV or JSON Lines file.
    ///
    /// CSV has a header and is separated by commas, semicolons or tabs, in UTF-8, or in UTF-16 with a byte order mark. It has
    /// columns for title, description, release_date, director and genre; imdb_id and cover_image are optional. Names are
    /// read without case, and these names too: overview, plot (description); genres, listed_in (genre); directors
    /// (director); released (release_date); primarytitle, name (title); const, tconst, imdb_title_id, id (imdb_id);
    /// poster, poster_url, cover (cover_image). JSON Lines has one object on each line, with these fields.
    ///
    /// A row that is in the table already is skipped. A bad row is reported with its line, and written to
    /// FILE.rejected.csv; corrected, that file can be imported. An import that was interrupted continues when it is run
    /// again. A cover is an https URL, or the URL of an uploaded cover whose image is in the directory that --covers names: the
    /// movie gets a copy of it.
    ///
    /// The exit status is 0 if every row is in the table, 1 if rows were left out, and 2 if nothing could be read.
    /// docs/import.md describes the format, with examples.
    Import(import::Import),
    /// Write every movie to a CSV or JSON Lines file.
    ///
    /// `marquee import` reads the file back with equal texts, dates, genres, IMDb ids and covers. Ids, owners, favorites and
    /// times are not part of it. An uploaded cover is written as its URL, which begins with PUBLIC_URL, or else with the address
    /// of the directory's last server; import --covers copies the images. The server may run meanwhile. A file that exists is
    /// replaced when the new one is complete.
    ///
    /// The exit status is 0 if every movie is in the file, 1 if some were left out or the export was stopped, and 2 if nothing
    /// could be written. docs/import.md describes the format.
    Export(export::Export),
    /// Read the whole table and report every disagreement between its items, and with the images of uploaded covers.
    ///
    /// The server may run meanwhile: what looks wrong is read again before it is reported. With --repair, what has one right
    /// answer is mended, and each step is printed. docs/audit.md lists the kinds of disagreement.
    ///
    /// The exit status is 0 if nothing was found or everything was mended, 1 if something was found and left, and 2 if the
    /// table could not be looked at.
    Audit(audit::Audit),
    /// Copy a data directory, also while the server runs.
    ///
    /// The copy has the table as it was at one moment, with its secrets, the images of covers and the mails. To restore it, name the
    /// copy with --data. A copy that was interrupted has a file named unfinished-backup; no command opens it. On AWS, DynamoDB keeps
    /// the table of every second of the last 35 days (docs/deploy.md).
    ///
    /// The exit status is 0 if the copy is complete, 1 if it is unfinished, and 2 if nothing could be copied.
    Backup(backup::Backup),
    /// Bring a table to the layout of this version, and spread the movies with favorites over shards.
    ///
    /// The server and the other commands upgrade a table themselves, except one on AWS, whose functions must be deployed
    /// first. docs/deploy.md describes the order. Run the command also if an earlier version has written a table after this one
    /// has: it makes the categories' lists of newest movies anew. The command can be interrupted and run again, while requests
    /// are served.
    Upgrade {
        /// Number of shards of the list of the most liked movies: that of the setting LIKES_SHARDS [default: 2 for a table
        /// of an earlier version; otherwise no movie is moved].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(LikesShards::allowed()))]
        likes_shards: Option<u64>,
        #[command(flatten)]
        table: OperatorTable,
    },
}

impl Cli {
    /// The exit status if this can't begin: 2 of a command for which 1 means that a part was done.
    #[must_use]
    pub fn not_begun(&self) -> ExitCode {
        match self.command {
            Some(Command::Import(_) | Command::Export(_) | Command::Backup(_) | Command::Audit(_)) => {
                ExitCode::from(2)
            }
            _ => ExitCode::FAILURE,
        }
    }

    /// The log level if `RUST_LOG` isn't set.
    #[must_use]
    pub fn log_level(&self) -> LevelFilter {
        match self.command {
            Some(_) => LevelFilter::WARN,
            None => LevelFilter::INFO,
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    /// A message for the operator that says why the command failed.
    pub async fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        match self.command {
            None => self.serve.run().await?,
            Some(Command::Promote { username, table }) => table.set_role(&username, Role::Admin).await?,
            Some(Command::Demote { username, table }) => table.set_role(&username, Role::Member).await?,
            Some(Command::ResetPassword { username, table }) => table.reset_password(&username).await?,
            Some(Command::DeleteUser { username, table }) => table.delete_user(&username).await?,
            Some(Command::Import(import)) => return import.run().await,
            Some(Command::Export(export)) => return export.run().await,
            Some(Command::Audit(audit)) => return audit.run().await,
            Some(Command::Backup(backup)) => return backup.run().await,
            Some(Command::Upgrade { likes_shards, table }) => table.upgrade(likes_shards).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints an error as the program does, and returns its exit status.
fn failed(error: &dyn fmt::Display, status: u8) -> ExitCode {
    stderr::print(format_args!("marquee: {error}"));
    ExitCode::from(status)
}

impl Serve {
    async fn run(self) -> Result<(), Box<dyn Error>> {
        self.table.check()?;
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
        let endpoint = match &place {
            Place::Endpoint { url, .. } => Some(url.as_str()),
            Place::Memory | Place::Data(_) => None,
        };
        let mails = Mails::with_table_at(endpoint, &config);
        let shutdown = server::stop_signal().map_err(StartError::Signals)?;
        let mut shutdown = std::pin::pin!(shutdown);
        if let Some(warning) = warning_of(self.host) {
            stderr::print(format_args!("marquee: {warning}"));
        }
        let starting = server::start(Options {
            host: self.host,
            port: self.port,
            place,
            dynamodb_endpoint: !self.no_dynamodb_endpoint,
            catalog,
            mails,
            config,
            clock: Clock::default(),
            function_timeout: None,
        });
        // Pinned here, so that a stop doesn't drop it: the import runs on threads of its own, which would miss the engine and then
        // the runtime.
        let mut starting = std::pin::pin!(starting);
        let running = tokio::select! {
            started = &mut starting => started?,
            // The movies imported so far stay, and the next start continues the import.
            () = &mut shutdown => std::process::exit(0),
        };
        print_line(format_args!("listening on http://{}", running.address))?;
        match &running.dynamodb {
            Some(url) => print_line(format_args!("dynamodb on {url}"))?,
            None => print_line(format_args!("dynamodb off"))?,
        }
        shutdown.await;
        running.stop().await?;
        Ok(())
    }
}

/// Prints a line to standard output. A closed pipe is not an error.
fn print_line(line: fmt::Arguments<'_>) -> io::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("standard output can't be written: {}", reason(&error)),
        )),
        Ok(()) => Ok(()),
    }
}

/// A table opened for an operator's command.
struct Opened {
    store: Store,
    engine: Option<Engine>,
}

impl Table {
    /// Checks the options whose values are texts.
    fn check(&self) -> Result<(), StartError> {
        table_name("--table", &self.table)?;
        if let Some(url) = &self.dynamodb {
            endpoint("--dynamodb", url)?;
        }
        Ok(())
    }
}

impl OperatorTable {
    /// Opens the table, and checks that this version can use it.
    async fn open(self, missing: Missing) -> Result<Opened, StartError> {
        let (place, older) = match self.aws {
            true => (self.place(), Older::Refuse),
            false => (self.place(), Older::Upgrade),
        };
        let opened = self.open_unchecked(missing).await?;
        match upgrade::check(&opened.store, older).await {
            Ok(_) => Ok(opened),
            Err(LayoutError::Use(error)) => Err(StartError::Use(place, opened.reason(&error))),
            Err(error) => Err(StartError::Layout(place, error)),
        }
    }

    /// Opens the table, of whichever version it is.
    async fn open_unchecked(self, missing: Missing) -> Result<Opened, StartError> {
        self.table.check()?;
        let of_operator = async |endpoint: Option<&str>| {
            let client = client::of_operator(endpoint).await;
            client.map_err(|error| StartError::Aws(error.to_string()))
        };
        let (client, engine) = match self.table.dynamodb {
            _ if self.aws => (of_operator(None).await?, None),
            Some(url) => (of_operator(Some(&url)).await?, None),
            None => {
                let template = server::template()?;
                let opened =
                    server::open(&self.table.data, &template, &self.table.table, false, missing).await?;
                (opened.client, Some(opened.engine))
            }
        };
        Ok(Opened {
            store: Store::new(client, self.table.table, Clock::default()),
            engine,
        })
    }
}

impl OperatorTable {
    /// Gives a user this role.
    async fn set_role(self, username: &str, role: Role) -> Result<(), Box<dyn Error>> {
        self.with_user(username, async |store| store.promote(username, role).await)
            .await?;
        let role = match role {
            Role::Admin => "an admin",
            Role::Member => "a member",
        };
        print_line(format_args!("{username} is {role}"))?;
        Ok(())
    }

    /// Makes a password reset token and prints it.
    async fn reset_password(self, username: &str) -> Result<(), Box<dyn Error>> {
        let seconds = Config::from_env()?.tokens.reset_seconds;
        let token = self
            .with_user(username, async |store| {
                store.make_reset_token_of(username, seconds).await
            })
            .await?;
        print_line(format_args!("{}", token.to_text().expose()))?;
        Ok(())
    }

    /// Deletes a user's account.
    async fn delete_user(self, username: &str) -> Result<(), Box<dyn Error>> {
        self.with_user(username, async |store| {
            let is_deleted = store.delete_user_named(username).await?;
            Ok(is_deleted.then_some(()))
        })
        .await?;
        print_line(format_args!("{username} is deleted"))?;
        Ok(())
    }

    /// Opens the table, does something to a user, and closes the table. Without such a user it fails.
    async fn with_user<T>(
        self,
        username: &str,
        work: impl AsyncFnOnce(&Store) -> marquee_shared::Result<Option<T>>,
    ) -> Result<T, Box<dyn Error>> {
        let place = self.place();
        let opened = self.open(Missing::Create).await?;
        let done = work(&opened.store).await;
        let done = done.map_err(|error| StartError::Use(place, opened.reason(&error)));
        opened.close().await?;
        match done {
            Err(error) => Err(error.into()),
            Ok(None) => Err(format!("there is no user {username}").into()),
            Ok(Some(done)) => Ok(done),
        }
    }

    /// Upgrades the table.
    async fn upgrade(self, likes_shards: Option<u64>) -> Result<(), Box<dyn Error>> {
        let place = self.place();
        let opened = self.open_unchecked(Missing::Refuse).await?;
        let upgraded = upgrade::run(&opened.store, likes_shards).await;
        opened.close().await?;
        let report = upgraded.map_err(|error| StartError::Layout(place, error))?;
        print_line(format_args!("{report}"))?;
        Ok(())
    }

    /// The data directory, if the table is in one.
    fn data(&self) -> Option<&Path> {
        let is_elsewhere = self.aws || self.table.dynamodb.is_some();
        (!is_elsewhere).then_some(&self.table.data)
    }

    /// The images of covers: those of the data directory, unless the operator names others.
    ///
    /// # Errors
    /// The message for the operator if what is named isn't a directory.
    fn covers(&self, named: Option<&Path>) -> Result<Option<PathBuf>, String> {
        match named {
            None => Ok(self.data().map(|data| data.join(COVERS))),
            Some(covers) => match fs::read_dir(covers) {
                Ok(_) => Ok(Some(covers.to_owned())),
                Err(error) => Err(format!(
                    "{} can't be read: {}. Name another directory with --covers.",
                    covers.display(),
                    reason(&error)
                )),
            },
        }
    }

    /// Where the table is.
    fn place(&self) -> TablePlace {
        match &self.table.dynamodb {
            _ if self.aws => TablePlace::Aws(self.table.table.clone()),
            Some(url) => TablePlace::Endpoint(url.clone()),
            None => TablePlace::Data(self.table.data.clone()),
        }
    }
}

impl Opened {
    /// Why a call failed: the engine's fault if it has met one, which the answer to the call doesn't say; otherwise the log's text.
    fn reason(&self, error: &marquee_shared::Error) -> String {
        let fault = self.engine.as_ref().and_then(Engine::fault);
        fault.map_or_else(|| error.log_message(), |fault| fault.text().to_owned())
    }

    async fn close(self) -> Result<(), Box<dyn Error>> {
        if let Some(engine) = self.engine {
            engine.shutdown().await?;
        }
        Ok(())
    }
}

/// Parses an IP address, also one in brackets, or `localhost`.
fn parse_host(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let parsed = bare.unwrap_or(text).parse();
    parsed
        .map_err(|_| "it must be an IP address of this machine, such as 127.0.0.1, ::1 or 0.0.0.0".to_owned())
}
