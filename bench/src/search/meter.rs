//! The movies function in this process, over an engine in this process, and a meter of its calls.
//!
//! The meter is between the SDK and the engine. It asks each call for its units. It counts round trips without a clock: it
//! lets every task continue many times before it passes a call on, so calls that are sent together have all begun before the
//! first of them ends, however busy the machine is.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        RuntimeComponents, SharedHttpClient,
        http::{HttpRequest, HttpResponse},
    },
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    result::ConnectorError,
};
use axum::{Router, body::Body, extract::Request};
use fault_proxy::{Cost, Exchange, Record};
use http_body_util::BodyExt as _;
use marquee::{
    engine::Engine,
    import::{Importer, Report, Source},
};
use marquee_shared::{AppState, clock::Clock, config::Config, db::Store};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// How often the other tasks continue before a call is passed on. A search sends at most some dozens of calls together.
const YIELDS: usize = 64;

/// The beginning of the partition keys that only a second try reads.
const SECOND_TRY: &str = "NEAR#";

/// A search service in this process.
pub(super) struct Service {
    engine: Engine,
    store: Store,
    router: Router,
    calls: Calls,
}

/// A page of a search.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) body: Value,
    /// What the first try cost, or the whole page if there was no second try.
    pub(super) first: Cost,
    /// What the second try cost beyond that.
    pub(super) second: Option<Cost>,
}

impl Page {
    /// Returns the movies of the page.
    pub(super) fn results(&self) -> &[Value] {
        self.body["results"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Returns the title of the movie at the top, or an empty text.
    pub(super) fn top(&self) -> &str {
        let first = self.results().first();
        first
            .and_then(|movie| movie["title"].as_str())
            .unwrap_or_default()
    }

    /// Returns the query that was answered instead, if there is one.
    pub(super) fn corrected(&self) -> Option<&str> {
        self.body["corrected_query"].as_str()
    }

    /// Returns the URL of the next page.
    pub(super) fn next(&self) -> Option<&str> {
        self.body["next"].as_str()
    }

    /// Returns the round trips of both tries.
    pub(super) fn trips(&self) -> usize {
        self.first.trips + self.second.as_ref().map_or(0, |second| second.trips)
    }

    /// Returns the read units of both tries.
    pub(super) fn units(&self) -> f64 {
        self.first.reads + self.second.as_ref().map_or(0.0, |second| second.reads)
    }
}

impl Service {
    /// Returns a service over the table of an engine, which has the table already.
    ///
    /// # Errors
    /// Returns an error if the function has no router.
    pub(super) async fn new(engine: Engine) -> Result<Self, Box<dyn Error>> {
        let (config, clock) = (Config::default(), Clock::default());
        let store = Store::new(engine.client(), config.table.clone(), clock.clone());
        let (client, calls) = metered(&engine.client())?;
        let router = marquee_movies::router(AppState::new(config, client, clock))?;
        let service = Self {
            engine,
            store,
            router,
            calls,
        };
        // A warm function has read the key of cursors.
        service.send("/api/movies/?limit=1").await?;
        Ok(service)
    }

    /// Imports the movies of a file.
    ///
    /// # Errors
    /// Returns an error unless every row is a new movie.
    pub(super) async fn import(&self, file: std::path::PathBuf) -> Result<u64, Box<dyn Error>> {
        let importer = Importer::new(self.store.clone(), Some(self.engine.database().clone()));
        let report = importer.run(&Source::File(file)).await?;
        if report != Report::of_all(report.movies) {
            return Err(format!("not every row is a new movie: {report}").into());
        }
        Ok(report.movies)
    }

    /// Returns the first page of a search.
    ///
    /// # Errors
    /// Returns an error if the search fails.
    pub(super) async fn search(&self, q: &str) -> Result<Page, Box<dyn Error>> {
        let query = reqwest::Url::parse_with_params("http://localhost/api/movies/search/", [("q", q)])?;
        self.page(query.as_str())
            .await
            .map_err(|e| format!("{q:?}: {e}").into())
    }

    /// Returns the page at a URL.
    ///
    /// # Errors
    /// Returns an error if the search fails.
    pub(super) async fn page(&self, url: &str) -> Result<Page, Box<dyn Error>> {
        let url = reqwest::Url::parse(url)?;
        let query = url.query().unwrap_or_default();
        let (body, calls) = self.send(&format!("{}?{query}", url.path())).await?;
        let begun = calls
            .iter()
            .filter(|call| is_of_second_try(call))
            .map(|call| call.start)
            .min();
        let (first, second) = calls
            .into_iter()
            .partition(|call| begun.is_none_or(|begun| call.end <= begun));
        Ok(Page {
            body,
            first: Cost::of(first),
            second: begun.map(|_| Cost::of(second)),
        })
    }

    /// Sends a request, and returns the body of the response and the calls.
    async fn send(&self, path: &str) -> Result<(Value, Vec<Record>), Box<dyn Error>> {
        self.calls.take();
        let request = Request::get(path)
            .header("host", "localhost")
            .body(Body::empty())?;
        let response = self.router.clone().oneshot(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok((serde_json::from_slice(&body)?, self.calls.take()))
    }

    /// Stops the engine.
    ///
    /// # Errors
    /// Returns an error if it doesn't stop.
    pub(super) async fn close(self) -> Result<(), Box<dyn Error>> {
        let Self {
            engine,
            store,
            router,
            ..
        } = self;
        drop((store, router));
        Ok(engine.shutdown().await?)
    }
}

fn is_of_second_try(call: &Record) -> bool {
    let exchange = call.exchange.as_ref();
    exchange.is_some_and(|exchange| exchange.call.to_string().contains(SECOND_TRY))
}

/// The calls since they were last taken.
#[derive(Clone, Debug, Default)]
struct Calls(Arc<Mutex<Vec<Record>>>);

impl Calls {
    fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, record: Record) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

/// Returns a client whose calls are recorded and passed on as `client` would send them.
fn metered(client: &Client) -> Result<(Client, Calls), Box<dyn Error>> {
    let inner = client
        .config()
        .http_client()
        .ok_or("the engine's client has no connector")?;
    let calls = Calls::default();
    let meter = Meter {
        inner,
        calls: calls.clone(),
    };
    let config = client.config().to_builder().http_client(meter).build();
    Ok((Client::from_conf(config), calls))
}

#[derive(Debug)]
struct Meter {
    inner: SharedHttpClient,
    calls: Calls,
}

impl HttpClient for Meter {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        parts: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(MeteredConnector {
            inner: self.inner.http_connector(settings, parts),
            calls: self.calls.clone(),
        })
    }
}

#[derive(Clone)]
struct MeteredConnector {
    inner: SharedHttpConnector,
    calls: Calls,
}

impl fmt::Debug for MeteredConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeteredConnector")
    }
}

impl HttpConnector for MeteredConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move { this.record(request).await })
    }
}

impl MeteredConnector {
    async fn record(&self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let start = Instant::now();
        let invalid = |error: serde_json::Error| ConnectorError::other(error.into(), None);
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default();
        let mut call: Value = serde_json::from_slice(body).map_err(invalid)?;
        call["ReturnConsumedCapacity"] = json!("TOTAL");
        *request.body_mut() = serde_json::to_vec(&call).map_err(invalid)?.into();
        for _ in 0..YIELDS {
            tokio::task::yield_now().await;
        }
        let response = self.inner.call(request).await?;
        let answer = response.body().bytes().unwrap_or_default();
        let answer: Value = serde_json::from_slice(answer).map_err(invalid)?;
        self.calls.add(Record {
            operation,
            start,
            end: Instant::now(),
            reads: units(&answer["ConsumedCapacity"]),
            writes: 0.0,
            exchange: Some(Exchange {
                call,
                answer: Value::Null,
            }),
        });
        Ok(response)
    }
}

/// Returns the units of one table, or of several.
fn units(capacity: &Value) -> f64 {
    match capacity.as_array() {
        Some(tables) => tables.iter().map(units).sum(),
        None => capacity["CapacityUnits"].as_f64().unwrap_or_default(),
    }
}
