//! The server: the table, the functions and the gateway together.

use std::{
    fs::File,
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_sdk_dynamodb::Client;
use axum::{extract::Request, http::Method};
use marquee_covers::{CoversFunction, Objects};
use marquee_shared::{
    AppState,
    auth::{AuthSecrets, SecretTexts},
    aws::client,
    clock::Clock,
    config::Config,
    db::{Store, leaving::LEAVING_FOR},
    http::layers::cors,
    telemetry,
};
use tokio::{
    net::TcpListener,
    sync::{Notify, oneshot},
    task::JoinHandle,
};

use crate::{
    ceilings::raise_descriptor_limit,
    data::Data,
    engine::{self, Engine, EngineError, Storage},
    functions::Functions,
    gateway::Gateway,
    import::{ImportError, Importer, Source, check_kind},
    mail::{self, Mailbox, Mails},
    notices::noticing,
    origin,
    private::{COVERS, TABLE},
    start_error::{StartError, TablePlace},
    stderr,
    template::Template,
    upgrade,
};

/// The deployment template, which declares this server's routes and table.
pub const TEMPLATE: &str = include_str!("../../template.yaml");

/// The interval between two sweeps, and how long a sweep may take.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// How long after the deletion of an account what is left of it is removed.
const AFTER_DELETION: Duration = Duration::from_secs(3);

/// How long a deleted account is looked after.
const LOOKED_AFTER: Duration = Duration::from_secs(LEAVING_FOR.unsigned_abs());

/// Where the table is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In memory. Nothing is written to disk.
    Memory,
    /// In this directory.
    Data(PathBuf),
    /// At a DynamoDB endpoint. The secrets are in a directory.
    Endpoint {
        /// The endpoint's URL.
        url: String,
        /// The directory of the secrets.
        data: PathBuf,
    },
}

/// What to import into an empty table.
#[derive(Clone, Debug)]
pub enum Catalog {
    /// The 16,975 real movies that are compiled into the program.
    Demonstration,
    /// A CSV file.
    File(PathBuf),
    /// Nothing.
    None,
}

/// How to start the server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address that the API listens on. The embedded engine listens on loopback, whatever this is.
    pub host: IpAddr,
    /// The API's port. 0 picks a free one.
    pub port: u16,
    /// Where the table is.
    pub place: Place,
    /// Whether other programs can reach the embedded engine, at an endpoint of its own.
    pub dynamodb_endpoint: bool,
    /// What to import into an empty table.
    pub catalog: Catalog,
    /// What becomes of mails.
    pub mails: Mails,
    /// The configuration.
    pub config: Config,
    /// The clock that all times are read from.
    pub clock: Clock,
    /// The timeout of every function that answers requests. `None` is the template's. A test whose requests have a longer
    /// deadline needs one.
    pub function_timeout: Option<Duration>,
}

/// A running server.
pub struct Running {
    /// The address at which this machine reaches the API.
    pub address: SocketAddr,
    /// The table's endpoint. `None` if the embedded engine has none.
    pub dynamodb: Option<String>,
    /// The operator's state, which no role limits.
    pub state: AppState,
    /// The functions.
    pub functions: Functions,
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// Where mails are.
    pub mailbox: Mailbox,
    engine: Option<Engine>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    mailing: Option<JoinHandle<()>>,
}

/// Returns the file of the embedded engine's table in a data directory.
#[must_use]
pub fn table_file(data: &Path) -> PathBuf {
    data.join(TABLE)
}

/// The opened table of a data directory.
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) client: Client,
    secrets: AuthSecrets,
}

/// What to do about a table that isn't there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Create it, with its directory and secrets.
    Create,
    /// Refuse to open it, and create nothing.
    Refuse,
}

/// Opens the table of a data directory, with or without an endpoint for other programs.
pub(crate) async fn open(
    directory: &Path,
    template: &Template,
    table: &str,
    has_endpoint: bool,
    missing: Missing,
) -> Result<Opened, StartError> {
    // If the directory can't be read, opening it says why.
    if missing == Missing::Refuse && matches!(table_file(directory).try_exists(), Ok(false)) {
        return Err(StartError::NoTable(directory.to_owned()));
    }
    let data = Data::with_table(directory)?;
    let _turn = data.turn().await?;
    let failed = |error| StartError::Table(TablePlace::Data(directory.to_owned()), error);
    if let Some(new) = data.new_table()? {
        let of_table = |error: EngineError| error.of_file(data.table());
        let engine = Engine::without_endpoint(&Storage::File(new.clone())).map_err(of_table)?;
        let created = template.table.create_in(&engine, table).await;
        engine.shutdown().await?;
        created.map_err(failed)?;
        engine::complete(&new).map_err(of_table)?;
        data.adopt_table(&new)?;
    }
    let engine = Engine::new(&Storage::File(data.table()), has_endpoint)?;
    let client = engine.client();
    // Compares the definition, which another version may have made.
    if missing == Missing::Create {
        template.table.create_in(&engine, table).await.map_err(failed)?;
    }
    let secrets = data.secrets()?;
    Ok(Opened {
        engine,
        client,
        secrets,
    })
}

/// Starts the engine, creates the table and its secrets, imports the catalog, and starts the functions and the gateway.
///
/// # Errors
/// [`StartError`].
pub async fn start(options: Options) -> Result<Running, StartError> {
    raise_descriptor_limit();
    // Both before anything is created, so that a port in use or a wrong file name changes nothing.
    let bound = SocketAddr::new(options.host, options.port);
    let not_bound = |error| StartError::Listen(bound, error);
    let listener = TcpListener::bind(bound).await.map_err(not_bound)?;
    if let Catalog::File(path) = &options.catalog {
        check_readable(path).map_err(|error| StartError::Catalog(path.clone(), error))?;
    }
    let template = template()?;
    let table = &options.config.table;
    let (engine, dynamodb, client, secrets) = match &options.place {
        Place::Memory => {
            let engine = Engine::new(&Storage::Memory, options.dynamodb_endpoint)?;
            let client = engine.client();
            let created = template.table.create_in(&engine, table).await;
            created.map_err(|error| StartError::Table(TablePlace::Memory, error))?;
            let texts = SecretTexts::generate().map_err(internal)?;
            let secrets = AuthSecrets::derive(&texts).map_err(internal)?;
            (Some(engine), None, client, secrets)
        }
        Place::Data(data) => {
            let opened = open(data, &template, table, options.dynamodb_endpoint, Missing::Create).await?;
            (Some(opened.engine), None, opened.client, opened.secrets)
        }
        Place::Endpoint { url, data } => {
            let data = Data::secrets_only(data)?;
            let client = client::of_operator(Some(url)).await;
            let client = client.map_err(|error| StartError::Aws(error.to_string()))?;
            let created = template.table.create(&client, table).await;
            created.map_err(|error| StartError::Table(TablePlace::Endpoint(url.clone()), error))?;
            let _turn = data.turn().await?;
            (None, Some(url.clone()), client, data.secrets()?)
        }
    };
    let dynamodb = dynamodb.or_else(|| engine.as_ref().and_then(Engine::endpoint));

    let mailbox = match &options.place {
        Place::Memory => Mailbox::memory(),
        Place::Data(data) | Place::Endpoint { data, .. } => Mailbox::directory(data),
    };
    let objects = match &options.place {
        Place::Memory => Objects::memory(),
        Place::Data(data) | Place::Endpoint { data, .. } => Objects::directory(data.join(COVERS)),
    };
    let state = AppState::new(options.mails.configured(options.config), client, options.clock);
    prepare(&state.store, &options.place).await?;
    let file = match &options.catalog {
        Catalog::File(path) => Some(path.clone()),
        Catalog::Demonstration | Catalog::None => None,
    };
    let imported = import_into_empty(&state.store, engine.as_ref(), options.catalog).await;
    imported.map_err(|error| StartError::Import {
        file,
        data: match &options.place {
            Place::Data(directory) => Some(directory.clone()),
            Place::Memory | Place::Endpoint { .. } => None,
        },
        reason: error.to_string(),
    })?;

    let functions = Functions::new(&template, &state, objects);
    let mut routers = functions.routers(secrets.into()).map_err(internal)?;
    let asked = noticing(&mut routers, "auth", mail::is_asked_for_by);
    let deleted = noticing(&mut routers, "users", may_delete_account);
    let mut gateway =
        Gateway::new(&template, routers, cors(&state.config.http).map_err(internal)?).map_err(internal)?;
    if let Some(timeout) = options.function_timeout {
        gateway = gateway.with_function_timeout(timeout);
    }
    let gateway = Arc::new(gateway);
    let address = reachable(listener.local_addr().map_err(not_bound)?);
    if let Place::Data(data) = &options.place {
        let own = || format!("http://{address}");
        let noting = origin::note(data, &state.config.http.public_url.clone().unwrap_or_else(own));
        if let Err(error) = noting {
            tracing::warn!(%error, "the origin isn't noted, so an export may write another one");
        }
    }
    let (stop, stopping) = oneshot::channel::<()>();
    let serving = tokio::spawn(Arc::clone(&gateway).serve(listener, async {
        // Fails when the sender was dropped, which stops the server as well.
        let _ = stopping.await;
    }));
    let sweep = functions.sweep.state.store.clone();
    let images = functions.images.clone();
    let sweeping = tokio::spawn(async move {
        tokio::join!(
            sweep_periodically(&sweep, &deleted),
            sweep_covers_periodically(&images),
            look_after_deleted_accounts(&sweep, &deleted)
        );
    });
    let mailing = (options.mails == Mails::Sent)
        .then(|| mail::function(&functions.mail.state, address, mailbox.clone()))
        .flatten()
        .map(|function| tokio::spawn(mail::deliver(function, state.store.clone(), asked)));
    Ok(Running {
        address,
        dynamodb,
        state,
        functions,
        gateway,
        mailbox,
        engine,
        stop,
        serving,
        sweeping,
        mailing,
    })
}

/// Makes the table usable by this version of the program, and says so if that has changed something.
async fn prepare(store: &Store, place: &Place) -> Result<(), StartError> {
    let changed = upgrade::prepare(store).await.map_err(|error| {
        let place = match place {
            Place::Memory => TablePlace::Memory,
            Place::Data(directory) => TablePlace::Data(directory.clone()),
            Place::Endpoint { url, .. } => TablePlace::Endpoint(url.clone()),
        };
        StartError::Layout(place, error)
    })?;
    if changed.moved > 0 {
        tracing::info!(
            changed.moved,
            "moved movies to the shards of the most liked that are read"
        );
    }
    if changed.rewritten > 0 {
        tracing::info!(changed.rewritten, "rewrote the postings of movies");
    }
    Ok(())
}

/// Parses the template that is compiled into the program.
pub(crate) fn template() -> Result<Template, StartError> {
    Template::parse(TEMPLATE).map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> StartError {
    StartError::Internal(error.to_string())
}

/// Fails if a file can't be read.
fn check_readable(path: &Path) -> io::Result<()> {
    check_kind(path)?;
    if File::open(path)?.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(())
}

/// Returns the address at which this machine reaches a listener on `bound`. A listener on all addresses is reached at
/// loopback.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let host = match bound.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, bound.port())
}

impl Running {
    /// Stops accepting requests, waits for the ones being processed, and closes the table.
    ///
    /// # Errors
    /// Returns an error if the engine didn't stop cleanly. Even then no acknowledged write is lost.
    pub async fn stop(self) -> Result<(), StartError> {
        self.sweeping.abort();
        // A running sweep ends where it next waits, and must not call a table that is closed. The error says that the task was
        // aborted.
        let _ = self.sweeping.await;
        if let Some(mailing) = self.mailing {
            mailing.abort();
            let _ = mailing.await;
        }
        // Fails when the server has ended by itself.
        let _ = self.stop.send(());
        self.serving.await.map_err(internal)?;
        if let Some(engine) = self.engine {
            engine.shutdown().await?;
        }
        Ok(())
    }
}

/// Imports a catalog if the table has no movies, or continues an interrupted import of it.
async fn import_into_empty(
    store: &Store,
    engine: Option<&Engine>,
    catalog: Catalog,
) -> Result<(), ImportError> {
    let source = match catalog {
        Catalog::None => return Ok(()),
        Catalog::Demonstration => Source::Demonstration,
        Catalog::File(path) => Source::File(path),
    };
    let importer = Importer::new(store.clone(), engine.map(Engine::database).cloned());
    if let Some(report) = importer.run_if_empty(&source).await? {
        stderr::print(format_args!("{report}"));
    }
    Ok(())
}

/// Completes deletions of movies that were interrupted before all favorites were deleted, and refills the lists of newest
/// movies of genres that ran out, at intervals. Notifies `deleted` if accounts were deleted a short while ago.
async fn sweep_periodically(store: &Store, deleted: &Notify) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        every.tick().await;
        match marquee_sweep::sweep(store, SWEEP_EVERY).await {
            Ok(swept) if swept.accounts > 0 => deleted.notify_one(),
            Ok(_) => {}
            Err(error) => telemetry::warn(&error, "the sweep of deleted movies and of genres failed"),
        }
    }
}

/// Deletes the covers that no movie has, at intervals.
async fn sweep_covers_periodically(images: &CoversFunction) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        every.tick().await;
        if let Err(error) = images.sweep().await {
            telemetry::warn(&error, "the sweep of covers that no movie has failed");
        }
    }
}

/// Whether a request may delete its caller's account.
fn may_delete_account(request: &Request) -> bool {
    *request.method() == Method::DELETE && request.uri().path().trim_end_matches('/') == "/api/users/me"
}

/// Removes what is left of accounts a moment after one is deleted, when requests that were being answered have ended, and again
/// when no request can write anything more of it.
async fn look_after_deleted_accounts(store: &Store, deleted: &Notify) {
    let mut next = None;
    loop {
        match next {
            None => deleted.notified().await,
            Some(wait) => tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = deleted.notified() => {}
            },
        }
        tokio::time::sleep(AFTER_DELETION).await;
        next = match marquee_sweep::sweep_accounts(store, SWEEP_EVERY).await {
            Ok(swept) if swept.accounts == 0 => None,
            Ok(_) => Some(LOOKED_AFTER),
            Err(error) => {
                telemetry::warn(&error, "what is left of deleted accounts wasn't removed");
                Some(AFTER_DELETION)
            }
        };
    }
}

/// Lets a write fail that makes a file larger than the process may write (`ulimit -f`), as one to a full disk fails. By default the
/// system ends the program then (POSIX: SIGXFSZ).
pub fn survive_the_largest_file() {
    #[cfg(unix)]
    {
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};
        // The handler stays when the stream of signals is dropped. Without it the program is as safe, but ends.
        let _stream = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
    }
}

/// Returns a future that resolves at Ctrl-C or SIGTERM. The handlers are installed once this has returned, so neither signal
/// ends the program in the middle of its start.
///
/// # Errors
/// Returns an error if a signal handler can't be installed.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        // Without a handler this never resolves, and the console ends the program itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
