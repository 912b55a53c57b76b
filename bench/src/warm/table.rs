//! An endpoint that replays the engine's responses from memory, so that a call to the table takes almost no time.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::runtime::Failure;

/// The header that names the operation.
const TARGET: &str = "x-amz-target";

/// The headers of a response that a client may read.
const ANSWERED: [&str; 3] = ["content-type", "x-amz-crc32", "x-amzn-requestid"];

/// A call and the engine's response.
#[derive(Clone)]
struct Call {
    target: String,
    /// Parsed JSON, because the order of maps differs between processes.
    body: Value,
    status: StatusCode,
    headers: HeaderMap,
    answer: Bytes,
}

/// The calls of one request of an operation, and the engine's responses.
#[derive(Clone, Default)]
pub struct Recording(Vec<Call>);

impl Recording {
    /// Returns the recorded call with this body. A body with a time or a random id differs in every request. For such a
    /// call, it returns the recorded calls of the same DynamoDB operation, one after another.
    fn answer(&self, target: &str, body: &Value, turn: &mut usize) -> Option<&Call> {
        let same = |call: &&Call| call.target == target;
        let of_operation = self.0.iter().filter(same);
        let exact = of_operation.clone().find(|call| call.body == *body);
        exact.or_else(|| {
            let all: Vec<_> = of_operation.collect();
            let found = all.get(*turn % all.len().max(1)).copied();
            *turn += 1;
            found
        })
    }

    /// Returns only the last calls, without those that a process makes once, such as the read of the public keys. `None` if
    /// there are fewer.
    pub fn last(&self, calls: usize) -> Option<Self> {
        let once = self.0.len().checked_sub(calls)?;
        Some(Self(self.0[once..].to_vec()))
    }

    /// Returns the DynamoDB operations of the calls in order, such as `Query` and `BatchGetItem`.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .map(|call| call.target.rsplit('.').next().unwrap_or_default())
    }
}

/// The source of the responses.
enum Source {
    /// The engine at this address. Its responses are recorded.
    Engine(String, reqwest::Client),
    /// The recording.
    Recording,
}

#[derive(Default)]
struct State {
    recording: Recording,
    /// For each DynamoDB operation, the number of calls whose body wasn't in the recording.
    turns: HashMap<String, usize>,
    busy: Vec<(Instant, Instant)>,
    unknown: Option<String>,
}

/// The calls of a period.
pub struct Busy {
    /// The number of calls.
    pub calls: usize,
    /// The time in which at least one call was in progress, from its arrival to its response.
    pub time: Duration,
}

/// The endpoint. It stops when this is dropped.
pub struct Table {
    /// The URL.
    pub url: String,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

impl Drop for Table {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Table {
    /// Starts an endpoint that forwards each call to the engine and records the response.
    ///
    /// # Errors
    /// Returns an error if it can't listen.
    pub async fn recording(engine: &str) -> Result<Self, Failure> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        Self::start(Source::Engine(engine.to_owned(), client)).await
    }

    /// Starts an endpoint that answers from a [recording](Self::replay).
    ///
    /// # Errors
    /// Returns an error if it can't listen.
    pub async fn replaying() -> Result<Self, Failure> {
        Self::start(Source::Recording).await
    }

    async fn start(source: Source) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::<Mutex<State>>::default();
        let serving = tokio::spawn(serve(listener, Arc::new(source), Arc::clone(&state)));
        Ok(Self { url, state, serving })
    }

    /// Sets the recording from which the next calls are answered.
    pub fn replay(&self, recording: &Recording) {
        let mut state = lock(&self.state);
        state.recording = recording.clone();
        state.turns.clear();
    }

    /// Returns the recording.
    ///
    /// # Errors
    /// Returns an error if a call couldn't be answered.
    pub fn recorded(&self) -> Result<Recording, Failure> {
        self.check()?;
        Ok(lock(&self.state).recording.clone())
    }

    /// Returns the calls since the last call of this function.
    pub fn busy(&self) -> Busy {
        let intervals = std::mem::take(&mut lock(&self.state).busy);
        Busy {
            calls: intervals.len(),
            time: union(intervals),
        }
    }

    /// Checks that every call could be answered.
    ///
    /// # Errors
    /// Returns an error if a call couldn't be answered.
    pub fn check(&self) -> Result<(), Failure> {
        lock(&self.state)
            .unknown
            .take()
            .map_or(Ok(()), |call| Err(call.into()))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the total length of these intervals. Time in which they overlap counts once.
fn union(mut intervals: Vec<(Instant, Instant)>) -> Duration {
    intervals.sort_unstable();
    let mut all = Duration::ZERO;
    let mut until = None;
    for (start, end) in intervals {
        let from = until.map_or(start, |until: Instant| until.max(start));
        all += end.saturating_duration_since(from);
        until = Some(until.map_or(end, |until| until.max(end)));
    }
    all
}

async fn serve(listener: TcpListener, source: Arc<Source>, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Otherwise a response may wait for the acknowledgment of the one before it.
        let _ = stream.set_nodelay(true);
        let (source, state) = (Arc::clone(&source), Arc::clone(&state));
        let service = service_fn(move |request| {
            let (source, state) = (Arc::clone(&source), Arc::clone(&state));
            async move {
                let start = Instant::now();
                let answer = answer(request, &source, &state).await;
                let mut state = lock(&state);
                state.busy.push((start, Instant::now()));
                answer.inspect_err(|error| state.unknown = Some(error.to_string()))
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    source: &Source,
    state: &Mutex<State>,
) -> Result<Response<Full<Bytes>>, Failure> {
    let (parts, body) = request.into_parts();
    let target = parts.headers.get(TARGET).ok_or("a call names no operation")?;
    let target = target.to_str()?.to_owned();
    let body = body.collect().await?.to_bytes();
    let json = serde_json::from_slice(&body)?;
    let call = match source {
        Source::Recording => {
            let State { recording, turns, .. } = &mut *lock(state);
            let turn = turns.entry(target.clone()).or_default();
            recording.answer(&target, &json, turn).cloned()
        }
        Source::Engine(url, client) => {
            let call = forward(client, url, target.clone(), json, body, &parts.headers).await?;
            lock(state).recording.0.push(call.clone());
            Some(call)
        }
    };
    let call = call.ok_or_else(|| format!("the {target} wasn't recorded"))?;
    let mut response = Response::new(Full::new(call.answer));
    *response.status_mut() = call.status;
    *response.headers_mut() = call.headers;
    Ok(response)
}

/// Forwards a call to the engine, which doesn't verify signatures.
async fn forward(
    client: &reqwest::Client,
    url: &str,
    target: String,
    json: Value,
    body: Bytes,
    headers: &HeaderMap,
) -> Result<Call, Failure> {
    let mut request = client.post(url).body(body);
    for name in [TARGET, "content-type", "authorization", "x-amz-date"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let response = request.send().await?;
    let mut headers = HeaderMap::new();
    for name in ANSWERED {
        if let Some(value) = response.headers().get(name) {
            headers.insert(name, value.clone());
        }
    }
    Ok(Call {
        target,
        body: json,
        status: response.status(),
        headers,
        answer: response.bytes().await?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(target: &str, body: Value, answer: &'static str) -> Call {
        Call {
            target: target.into(),
            body,
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            answer: Bytes::from_static(answer.as_bytes()),
        }
    }

    #[test]
    fn a_recorded_call_gets_its_answer_and_others_get_those_of_their_operation_in_turn() {
        let recording = Recording(vec![
            call("GetItem", json!({"Key": 1}), "first"),
            call("GetItem", json!({"Key": 2}), "second"),
        ]);
        let mut turn = 0;
        let mut answer = |target, key| {
            let found = recording.answer(target, &json!({"Key": key}), &mut turn);
            found.map(|call| call.answer.clone())
        };
        assert_eq!(answer("GetItem", 2), Some(Bytes::from("second")));
        assert_eq!(answer("GetItem", 3), Some(Bytes::from("first")));
        assert_eq!(answer("GetItem", 4), Some(Bytes::from("second")));
        assert_eq!(answer("GetItem", 1), Some(Bytes::from("first")));
        assert_eq!(answer("GetItem", 5), Some(Bytes::from("first")));
        assert_eq!(answer("Query", 1), None);
    }

    #[test]
    fn the_last_calls_are_without_those_that_a_process_makes_once() {
        let recording = Recording(vec![
            call("DynamoDB_20120810.Query", json!({}), "keys"),
            call("DynamoDB_20120810.GetItem", json!({}), "movie"),
        ]);
        let operations = |calls| {
            let last = recording.last(calls)?;
            Some(last.operations().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(operations(1).as_deref(), Some("GetItem"));
        assert_eq!(operations(2).as_deref(), Some("Query GetItem"));
        assert_eq!(operations(3), None);
    }

    #[test]
    fn time_in_which_several_calls_are_in_progress_counts_once() {
        let start = Instant::now();
        let interval = |from, to| (start + Duration::from_secs(from), start + Duration::from_secs(to));
        for (intervals, seconds) in [
            (vec![], 0),
            (vec![interval(0, 2), interval(5, 6)], 3),
            (vec![interval(5, 6), interval(0, 2)], 3),
            (vec![interval(0, 4), interval(1, 2), interval(3, 6)], 6),
        ] {
            assert_eq!(union(intervals), Duration::from_secs(seconds));
        }
    }
}
