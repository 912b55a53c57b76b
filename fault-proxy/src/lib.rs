//! A fault proxy between the product and the table: an HTTP proxy that counts every call, and breaks those it is told to. Each
//! call is signed anew for the far end, since what the product signed is a request to the proxy.
//!
//! It is test equipment: what the product never sends, and whatever the far end must not do, is a panic.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::missing_panics_doc
)]

use std::{
    collections::HashSet,
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_dynamodb::config::ProvideCredentials as _;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    identity::Identity,
    orchestrator::HttpRequest,
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use marquee_shared::{
    aws::client,
    db::keys::{PK, SK},
};
use serde_json::{Map, Value, json};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::watch,
};

/// One call to the table, as the proxy saw it.
#[derive(Clone, Debug)]
pub struct Record {
    /// The DynamoDB operation, such as `GetItem`.
    pub operation: String,
    /// When the call had come to the proxy.
    pub start: Instant,
    /// When its answer left the proxy.
    pub end: Instant,
    /// Read units as the table reports them; of calls that it refused or never saw, none.
    pub reads: f64,
    /// Write units likewise.
    pub writes: f64,
    /// What was asked and answered, on a fault proxy that [keeps](FaultProxy::keep) it.
    pub exchange: Option<Exchange>,
}

/// The bodies of a call and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What was asked.
    pub call: Value,
    /// What was answered.
    pub answer: Value,
}

/// What a run of calls came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Calls in the longest chain in which each began after the one before it had ended.
    pub trips: usize,
    /// Read units.
    pub reads: f64,
    /// Write units.
    pub writes: f64,
    /// The calls' names in the order they began.
    pub calls: Vec<String>,
}

impl Cost {
    /// The cost of these calls.
    #[must_use]
    pub fn of(mut records: Vec<Record>) -> Self {
        records.sort_by_key(|record| record.start);
        let mut chains: Vec<usize> = Vec::with_capacity(records.len());
        for (at, record) in records.iter().enumerate() {
            let before = records[..at].iter().zip(&chains);
            let ended = before.filter(|(earlier, _)| earlier.end <= record.start);
            chains.push(1 + ended.map(|(_, chain)| *chain).max().unwrap_or_default());
        }
        Self {
            trips: chains.into_iter().max().unwrap_or_default(),
            reads: records.iter().map(|record| record.reads).sum(),
            writes: records.iter().map(|record| record.writes).sum(),
            calls: records.into_iter().map(|record| record.operation).collect(),
        }
    }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// A transaction is canceled for this reason, which its first action gives.
    Canceled(&'static str),
    /// The call is answered with this error, and isn't done.
    Refused(u16, &'static str),
    /// The call is done, and the connection closed instead of an answer.
    AnswerLost,
    /// The call is done, and the connection closed in the middle of the answer.
    AnswerCut,
    /// The connection is closed and nothing is done.
    CallLost,
    /// Of a batch, only the first half is done (one at least), and the rest named as unprocessed.
    HalfDone,
    /// Of a batch, nothing is done, and all of it named as unprocessed.
    NothingDone,
    /// There is never an answer, and nothing is done.
    NoAnswer,
}

struct Rule {
    operation: &'static str,
    /// Which of the calls from now on, counted from 0.
    which: Range<usize>,
    met: usize,
    /// When it ends, whichever calls it is for.
    until: Option<Instant>,
    fault: Fault,
}

#[derive(Default)]
struct State {
    records: Vec<Record>,
    rules: Vec<Rule>,
    hold: Duration,
    latest: Option<Instant>,
    keep: bool,
    window: Option<Duration>,
    /// The items that transactions under way touch.
    touched: HashSet<String>,
}

/// The proxy. It is there for as long as the runtime that it was made on.
pub struct FaultProxy {
    /// Where the product is to find its table.
    pub url: String,
    state: Arc<Mutex<State>>,
    is_down: Arc<watch::Sender<bool>>,
}

/// A socket at this address, where more than one may be: so the port stays ours while none of them listens.
fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

impl FaultProxy {
    /// A fault proxy to this endpoint.
    pub async fn to(endpoint: &str) -> Self {
        let first = bind((Ipv4Addr::LOCALHOST, 0).into());
        let address = first.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let far_end = FarEnd::new(endpoint.to_owned(), Arc::clone(&state)).await;
        let is_down = Arc::new(watch::Sender::new(false));
        tokio::spawn(listen(first, address, far_end, Arc::clone(&is_down)));
        Self {
            url: format!("http://{address}"),
            state,
            is_down,
        }
    }

    /// Takes the proxy down, or up again: connections are cut, and new ones refused.
    pub fn take_down(&self, is_down: bool) {
        self.is_down.send_replace(is_down);
    }

    /// Lets `fault` happen to these of the calls of `operation` from now on, counted from 0; `*` is any operation.
    pub fn inject(&self, operation: &'static str, which: Range<usize>, fault: Fault) {
        self.add(operation, which, None, fault);
    }

    /// Lets `fault` happen to every call of `operation`, or of any for `*`, for this long from now on.
    pub fn inject_for(&self, time: Duration, operation: &'static str, fault: Fault) {
        self.add(operation, 0..usize::MAX, Some(Instant::now() + time), fault);
    }

    fn add(&self, operation: &'static str, which: Range<usize>, until: Option<Instant>, fault: Fault) {
        self.state.lock().unwrap().rules.push(Rule {
            operation,
            which,
            met: 0,
            until,
            fault,
        });
    }

    /// No more faults.
    pub fn clear_faults(&self) {
        self.state.lock().unwrap().rules.clear();
    }

    /// Holds every answer until no call has come for this long, so that calls which the product sends off together are
    /// seen together, however quick the engine is.
    pub fn gather_calls(&self, time: Duration) {
        self.state.lock().unwrap().hold = time;
    }

    /// Keeps the bodies of calls and answers, with the capacity that each index took.
    pub fn record_bodies(&self) {
        self.state.lock().unwrap().keep = true;
    }

    /// Makes transactions conflict as they do in DynamoDB, where the embedded engine would run them one after another;
    /// `None` ends it.
    ///
    /// A transaction is under way for `window`: its conditions are checked and its writes seen after half of that, when
    /// it ends if a condition failed. Another one that touches one of its items is canceled meanwhile, with
    /// `TransactionConflict` for just the actions on those, and a PutItem, UpdateItem or DeleteItem of one of them is
    /// refused with `TransactionConflictException` (AWS: "Transaction conflict handling"). Reads and batches go through.
    pub fn conflict(&self, window: Option<Duration>) {
        self.state.lock().unwrap().window = window;
    }

    /// How many items are touched by transactions under way, where those conflict.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.state.lock().unwrap().touched.len()
    }

    /// Everything since the last time this was asked.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.state.lock().unwrap().records)
    }
}

/// Takes connections, except while the proxy is down.
async fn listen(
    mut next: TcpSocket,
    address: SocketAddr,
    far_end: FarEnd,
    is_down: Arc<watch::Sender<bool>>,
) {
    let mut watched = is_down.subscribe();
    loop {
        let listener = next.listen(1024).unwrap();
        next = bind(address);
        loop {
            tokio::select! {
                taken = listener.accept() => {
                    let Ok((stream, _)) = taken else { return };
                    tokio::spawn(connection(stream, far_end.clone(), is_down.subscribe()));
                }
                _ = watched.wait_for(|is_down| *is_down) => break,
            }
        }
        drop(listener);
        watched.wait_for(|is_down| !*is_down).await.unwrap();
    }
}

/// Serves a connection until it ends, or the proxy is taken down.
async fn connection(stream: TcpStream, far_end: FarEnd, mut watched: watch::Receiver<bool>) {
    stream.set_nodelay(true).unwrap();
    let service = service_fn(move |request| {
        let far_end = far_end.clone();
        async move { far_end.carry(request).await }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A connection that a fault cuts ends with an error, which is what was wanted.
        _ = serving => {}
        Ok(_) = watched.wait_for(|is_down| *is_down) => {}
    }
}

/// An answer's body; of one that is cut, the beginning, and then the end of the connection.
struct AnswerBody {
    left: Option<Bytes>,
    /// How many bytes it says it has.
    length: u64,
    is_cut: bool,
    is_sent: bool,
}

impl AnswerBody {
    fn new(answer: &Value, is_cut: bool) -> Self {
        let mut bytes = serde_json::to_vec(answer).unwrap();
        let length = bytes.len();
        if is_cut {
            bytes.truncate(length / 2);
        }
        Self {
            left: Some(bytes.into()),
            length: length as u64,
            is_cut,
            is_sent: false,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(bytes) = self.left.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.is_cut {
            return Poll::Ready(None);
        }
        if !std::mem::replace(&mut self.is_sent, true) {
            // The beginning goes out first.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Cut)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// The proxy's far end: what it takes to carry a call.
#[derive(Clone)]
struct FarEnd {
    endpoint: String,
    region: String,
    identity: Identity,
    connector: SharedHttpConnector,
    state: Arc<Mutex<State>>,
}

/// A connection that is to be closed.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the proxy was cut")
    }
}

impl std::error::Error for Cut {}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl FarEnd {
    async fn new(endpoint: String, state: Arc<Mutex<State>>) -> Self {
        let settings = client::settings_of_operator(Some(&endpoint)).await.unwrap();
        let credentials = settings.credentials_provider().expect("no credentials");
        let connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build();
        Self {
            region: settings.region().expect("no region").to_string(),
            identity: credentials.provide_credentials().await.unwrap().into(),
            connector: SharedHttpConnector::new(connector),
            endpoint,
            state,
        }
    }

    async fn carry(&self, request: Request<Incoming>) -> Result<Response<AnswerBody>, Cut> {
        let start = Instant::now();
        let (parts, body) = request.into_parts();
        let target = parts.headers["x-amz-target"].to_str().unwrap();
        let operation = target.rsplit('.').next().unwrap().to_owned();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let mut call: Value = serde_json::from_slice(&body).unwrap();
        let fault = self.meet(&operation, start);

        let mut left = None;
        let mut asked = None;
        let (status, answer) = match fault {
            Some(Fault::NoAnswer) => std::future::pending().await,
            Some(Fault::CallLost) => return Err(Cut),
            Some(Fault::Refused(status, code)) => (status, error(code)),
            Some(Fault::Canceled(code)) => (400, canceled(&call, code)),
            Some(Fault::NothingDone) => {
                let name = left_name(&operation);
                (200, json!({"Responses": {}, name: call["RequestItems"]}))
            }
            _ => {
                if let Some(Fault::HalfDone) = fault {
                    left = halve(&mut call);
                }
                asked = self.keeps().then(|| call.clone());
                self.contend(&parts.headers, &operation, call).await
            }
        };
        let mut answer = answer;
        if let Some(left) = left {
            answer[left_name(&operation)] = left;
        }
        let units = units(&answer);
        while let Some(wait) = self.quiet_in() {
            tokio::time::sleep(wait).await;
        }
        let is_read = matches!(
            operation.as_str(),
            "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems"
        );
        self.state.lock().unwrap().records.push(Record {
            operation,
            start,
            end: Instant::now(),
            reads: if is_read { units } else { 0.0 },
            writes: if is_read { 0.0 } else { units },
            exchange: asked.map(|call| Exchange {
                call,
                answer: answer.clone(),
            }),
        });
        if let Some(Fault::AnswerLost) = fault {
            return Err(Cut);
        }
        let is_cut = matches!(fault, Some(Fault::AnswerCut));
        // Without x-amz-crc32: the body may be another by now, and the SDK checks only what it is given.
        let response = Response::builder()
            .status(status)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amzn-requestid", "WIRE");
        Ok(response.body(AnswerBody::new(&answer, is_cut)).unwrap())
    }

    /// How long an answer is still to be held.
    fn quiet_in(&self) -> Option<Duration> {
        let state = self.state.lock().unwrap();
        let quiet = state.latest? + state.hold;
        quiet
            .checked_duration_since(Instant::now())
            .filter(|wait| !wait.is_zero())
    }

    /// The fault that this call meets.
    fn meet(&self, operation: &str, start: Instant) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        state.latest = Some(start);
        let mut fault = None;
        for rule in &mut state.rules {
            if rule.operation == operation || rule.operation == "*" {
                let is_over = rule.until.is_some_and(|until| until <= start);
                if rule.which.contains(&rule.met) && !is_over && fault.is_none() {
                    fault = Some(rule.fault);
                }
                rule.met += 1;
            }
        }
        fault
    }

    fn keeps(&self) -> bool {
        self.state.lock().unwrap().keep
    }

    /// Forwards a call, unless a transaction under way is in its way.
    async fn contend(&self, headers: &http::HeaderMap, operation: &str, call: Value) -> (u16, Value) {
        let window = self.state.lock().unwrap().window;
        let items = items(operation, &call);
        let (Some(window), false) = (window, items.is_empty()) else {
            return self.forward(headers, operation, call).await;
        };
        let is_transaction = operation == "TransactWriteItems";
        let under_way = match self.set_out(items, is_transaction) {
            Ok(under_way) => under_way,
            Err(met) if is_transaction => return (400, conflicting(&met)),
            Err(_) => return (400, error("TransactionConflictException")),
        };
        if under_way.items.is_empty() {
            return self.forward(headers, operation, call).await;
        }
        tokio::time::sleep(window / 2).await;
        let (status, answer) = self.forward(headers, operation, call).await;
        if status == 200 {
            tokio::time::sleep(window / 2).await;
        }
        (status, answer)
    }

    /// Sees which of these items transactions under way touch. If there is none, and this is a transaction, it is under
    /// way from now on until what is returned is dropped.
    fn set_out(&self, items: Vec<String>, is_transaction: bool) -> Result<UnderWay, Vec<bool>> {
        let mut state = self.state.lock().unwrap();
        let met: Vec<bool> = items.iter().map(|item| state.touched.contains(item)).collect();
        if met.contains(&true) {
            return Err(met);
        }
        let items = if is_transaction { items } else { Vec::new() };
        state.touched.extend(items.iter().cloned());
        Ok(UnderWay {
            items,
            state: Arc::clone(&self.state),
        })
    }

    async fn forward(&self, headers: &http::HeaderMap, operation: &str, mut call: Value) -> (u16, Value) {
        if !matches!(
            operation,
            "CreateTable" | "DescribeTable" | "UpdateTimeToLive" | "DescribeTimeToLive" | "ListTables"
        ) {
            let detail = if self.keeps() { "INDEXES" } else { "TOTAL" };
            call["ReturnConsumedCapacity"] = json!(detail);
        }
        let body = Bytes::from(serde_json::to_vec(&call).unwrap());
        let mut request = Request::post(&self.endpoint);
        for name in ["x-amz-target", "content-type"] {
            request = request.header(name, &headers[name]);
        }
        let mut request = request.body(body).unwrap();
        self.sign(&mut request);
        let request = HttpRequest::try_from(request.map(Into::into)).unwrap();
        let response = self.connector.call(request).await.unwrap();
        let status = response.status().as_u16();
        let answer = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&answer);
        let answer = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}"));
        (status, answer)
    }

    fn sign(&self, request: &mut Request<Bytes>) {
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name("dynamodb")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let signable = SignableRequest::new(
            "POST",
            &self.endpoint,
            headers,
            SignableBody::Bytes(request.body()),
        );
        let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(request);
    }
}

/// A transaction under way. It is over when this is dropped, be it because whoever sent it has gone.
struct UnderWay {
    items: Vec<String>,
    state: Arc<Mutex<State>>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap();
        for item in &self.items {
            state.touched.remove(item);
        }
    }
}

/// The items that a call writes or checks on its own or in a transaction, each with its table; for a transaction, in the
/// order of its actions.
fn items(operation: &str, call: &Value) -> Vec<String> {
    let item = |action: &Value| {
        let key = action.get("Key").unwrap_or(&action["Item"]);
        format!("{} {} {}", action["TableName"], key[PK], key[SK])
    };
    match operation {
        "PutItem" | "UpdateItem" | "DeleteItem" => vec![item(call)],
        "TransactWriteItems" => {
            let actions = call["TransactItems"].as_array().unwrap().iter();
            let of_any_kind = actions.flat_map(|action| action.as_object().unwrap().values());
            of_any_kind.map(item).collect()
        }
        _ => Vec::new(),
    }
}

/// The consumed units of an answer, whether for one table or for each of several.
fn units(answer: &Value) -> f64 {
    let of = |capacity: &Value| capacity["CapacityUnits"].as_f64().unwrap_or_default();
    match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().map(of).sum(),
        capacity => of(capacity),
    }
}

fn error(code: &str) -> Value {
    json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "message": "The proxy says so.",
    })
}

fn canceled(call: &Value, code: &str) -> Value {
    let actions = call["TransactItems"].as_array().unwrap().len();
    cancellation((0..actions).map(|action| if action == 0 { code } else { "None" }))
}

/// The answer to a transaction some of whose actions met others.
fn conflicting(met: &[bool]) -> Value {
    let codes = met
        .iter()
        .map(|met| if *met { "TransactionConflict" } else { "None" });
    cancellation(codes)
}

/// The answer to a transaction that is canceled, with a reason for each of its actions.
fn cancellation<'a>(codes: impl Iterator<Item = &'a str>) -> Value {
    let reasons: Vec<Value> = codes
        .map(|code| match code {
            "None" => json!({"Code": code}),
            code => json!({"Code": code, "Message": "The proxy says so."}),
        })
        .collect();
    let mut answer = error("TransactionCanceledException");
    answer["CancellationReasons"] = json!(reasons);
    answer
}

fn left_name(operation: &str) -> &'static str {
    match operation {
        "BatchGetItem" => "UnprocessedKeys",
        "BatchWriteItem" => "UnprocessedItems",
        other => panic!("{other} is no batch"),
    }
}

/// Leaves a batch its first half and gives the rest, which is `None` for a batch of one.
fn halve(call: &mut Value) -> Option<Value> {
    let mut left = Map::new();
    for (table, items) in call["RequestItems"].as_object_mut().unwrap() {
        let mut rest = items.clone();
        let list = if items.is_array() {
            items
        } else {
            &mut items["Keys"]
        };
        let list = list.as_array_mut().unwrap();
        let cut = list.len().div_ceil(2);
        let cut_off = Value::from(list.split_off(cut));
        if cut_off.as_array().unwrap().is_empty() {
            continue;
        }
        if rest.is_array() {
            rest = cut_off;
        } else {
            rest["Keys"] = cut_off;
        }
        left.insert(table.clone(), rest);
    }
    (!left.is_empty()).then_some(Value::Object(left))
}
