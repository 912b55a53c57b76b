//! The program's ceilings on connections and memory, under clients that exhaust its descriptors or its memory.
#![cfg(target_os = "linux")]

use std::{process::Stdio, time::Duration};

use marquee::ceilings::raise_descriptor_limit;
use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};

use crate::support::PASSWORD;

/// Every well-behaved client gets its answer within this time, whatever other clients do.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The running program, with a table in memory.
struct Program {
    child: Child,
    /// Kept open while the program runs, so that it can print.
    _stdout: Lines<BufReader<ChildStdout>>,
    address: String,
    /// The address of the engine's endpoint.
    engine: String,
}

impl Program {
    /// Starts the program with this soft and hard limit on descriptors.
    async fn start(descriptors: u64) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!(r#"ulimit -n {descriptors} && exec "$0" "$@""#)])
            .arg(env!("CARGO_BIN_EXE_marquee"))
            .args(["--memory", "--catalog", "none", "--port", "0"])
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = stdout.next_line().await.unwrap().unwrap();
        let address = line.strip_prefix("listening on http://").unwrap().to_owned();
        let line = stdout.next_line().await.unwrap().unwrap();
        let engine = line.strip_prefix("dynamodb on http://").unwrap().to_owned();
        Self {
            child,
            _stdout: stdout,
            address,
            engine,
        }
    }

    async fn send(&self, bytes: &[u8]) -> TcpStream {
        Self::send_to(&self.address, bytes).await
    }

    async fn send_to(address: &str, bytes: &[u8]) -> TcpStream {
        let mut stream = timeout(RESPONSE_TIMEOUT, TcpStream::connect(address))
            .await
            .unwrap()
            .unwrap();
        // The server may close the connection before all is sent.
        let _ = timeout(RESPONSE_TIMEOUT, stream.write_all(bytes)).await;
        stream
    }

    /// Sends a list request and a registration over separate connections, and returns the longer duration.
    async fn time_to_serve(&self, name: &str) -> Duration {
        let client = || {
            reqwest::Client::builder()
                .no_proxy()
                .timeout(RESPONSE_TIMEOUT)
                .build()
                .unwrap()
        };
        let base = format!("http://{}", self.address);
        let begun = Instant::now();
        let list = client().get(format!("{base}/api/movies/")).send().await.unwrap();
        assert_eq!(list.status(), StatusCode::OK);
        let listed = begun.elapsed();
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        let register = client().post(format!("{base}/api/auth/register/")).json(&body);
        assert_eq!(register.send().await.unwrap().status(), StatusCode::CREATED);
        listed.max(begun.elapsed() - listed)
    }

    /// Asserts that other clients are served while the connections of case `what` are held, and that descriptors are
    /// left.
    async fn assert_serves_others(&self, what: &str) {
        for round in 0..3 {
            let took = self.time_to_serve(&format!("{what}-{round}")).await;
            eprintln!("{what}: {took:?}, {} descriptors", self.descriptors());
            assert!(took < RESPONSE_TIMEOUT, "{what}: {took:?}");
        }
        assert!(self.descriptors() < 512, "{what}: {}", self.descriptors());
    }

    /// Returns a value of `/proc/<id>/status`, in bytes.
    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let kilobytes = line.trim_matches(|c: char| !c.is_ascii_digit());
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id().unwrap()))
            .unwrap()
            .count()
    }
}

/// Raises this process's limit on descriptors and returns it. Panics unless it is above `least`.
fn require_descriptors(least: u64) -> u64 {
    let limit = raise_descriptor_limit();
    assert!(
        limit > least,
        "this test needs more descriptors; raise `ulimit -Hn`"
    );
    limit
}

/// Guarantee 53.
#[tokio::test]
async fn with_1024_descriptors_1200_idle_or_stalled_clients_do_not_stop_the_server() {
    require_descriptors(1_500);
    for (what, bytes) in [
        ("idle", &b""[..]),
        ("idle-after-a-request", b"GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("half-a-head", b"GET /api/movies/ HTTP/1.1\r\nhost: x\r\nx-half:"),
        (
            "half-a-body",
            b"POST /api/auth/login/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60\r\n\r\n{",
        ),
    ] {
        let program = Program::start(1024).await;
        let mut held = Vec::new();
        for index in 0..1_200 {
            let mut stream = program.send(bytes).await;
            if bytes.ends_with(b"\r\n\r\n") {
                let mut some = [0; 64];
                timeout(RESPONSE_TIMEOUT, stream.read(&mut some)).await.unwrap().unwrap();
            }
            held.push(stream);
            if what == "half-a-body" && index % 200 == 199 {
                // The server closes connections that have stalled for a second when it needs them for others.
                sleep(Duration::from_millis(1_100)).await;
            }
        }
        program.assert_serves_others(what).await;
    }
}

/// Guarantee 53.
/// The API calls its table through the engine's endpoint, to which any program of the machine can connect.
#[tokio::test]
async fn with_1024_descriptors_1200_clients_of_the_engine_do_not_stop_the_api() {
    require_descriptors(1_500);
    for (what, bytes) in [
        ("idle", &b""[..]),
        ("half-a-head", b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-half:"),
        (
            "half-a-body",
            b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\n\
              x-amz-target: DynamoDB_20120810.ListTables\r\nx-amz-date: 20200101T000000Z\r\n\
              authorization: AWS4-HMAC-SHA256 Credential=a/20200101/local/dynamodb/aws4_request, \
              SignedHeaders=host, Signature=a\r\ncontent-length: 60\r\n\r\n{",
        ),
    ] {
        let program = Program::start(1024).await;
        let mut held = Vec::new();
        for index in 0..1_200 {
            held.push(Program::send_to(&program.engine, bytes).await);
            if what == "half-a-body" && index % 100 == 99 {
                // The server closes connections that have stalled for a second when it needs them for others.
                sleep(Duration::from_millis(1_100)).await;
            }
        }
        program.assert_serves_others(what).await;
    }
}

/// Guarantee 53.
#[tokio::test]
async fn unfinished_bodies_use_less_than_100_mb_and_delay_nobody() {
    let limit = require_descriptors(3_000);
    // The largest number of connections that the server accepts.
    let program = Program::start(limit.min(8192)).await;
    program.time_to_serve("before").await;
    let before = program.memory("VmRSS:");
    let megabyte = vec![b'x'; 1 << 20];
    let mut held = Vec::new();
    for (count, length, kind) in [
        // Refused because of the length in the head.
        (60, 9_900_000, "content-length: 9900001"),
        // Refused once the body exceeds the limit.
        (60, 9_900_000, "transfer-encoding: chunked"),
        (60, 5_900_000, "content-length: 5900001"),
        (60, 5_900_000, "transfer-encoding: chunked"),
        (1_200, 260_000, "content-length: 260001"),
        (1_200, 16_000, "content-length: 16001"),
    ] {
        let head =
            format!("POST /api/movies/ HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n{kind}\r\n\r\n");
        let sending = (0..count).map(|_| async {
            let mut stream = program.send(head.as_bytes()).await;
            let all = async {
                if kind.ends_with("chunked") {
                    stream
                        .write_all(format!("{:x}\r\n", length + 1).as_bytes())
                        .await?;
                }
                let mut left: usize = length;
                while left > 0 {
                    let part = left.min(megabyte.len());
                    stream.write_all(&megabyte[..part]).await?;
                    left -= part;
                }
                std::io::Result::Ok(())
            };
            // The server cuts some of them off.
            let _ = timeout(Duration::from_secs(1), all).await;
            stream
        });
        held.extend(futures_util::future::join_all(sending).await);
        let took = program.time_to_serve(&format!("after-{}", held.len())).await;
        // The kernel counts both approximately, so the peak may be the smaller one.
        let peak = program.memory("VmHWM:").saturating_sub(before);
        eprintln!(
            "{count} of {length}, {kind}: {took:?}, {} MB at most",
            peak / 1_000_000
        );
        assert!(took < RESPONSE_TIMEOUT, "{took:?}");
        assert!(peak < 100_000_000, "{peak} bytes more at the peak");
    }
}
