//! With a loopback `--dynamodb`, the program contacts no other address.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use marquee::engine::{Engine, Storage};
use tokio::process::Command;

use super::{marquee, movies_csv, ready, run_to_end, start, stderr_of, stop};

/// A listener to which every setting in the environment points. It counts connections.
struct Trap {
    url: String,
    seen: Arc<AtomicUsize>,
    home: tempfile::TempDir,
}

impl Trap {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&seen);
        std::thread::spawn(move || {
            // Each connection is closed immediately.
            for _ in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        let home = tempfile::tempdir().unwrap();
        let config = format!("[default]\nendpoint_url = {url}\n");
        std::fs::write(home.path().join("config"), config).unwrap();
        Self { url, seen, home }
    }

    /// Points a command to the trap in every place where the AWS SDK looks for a region, credentials, an endpoint or a
    /// proxy.
    fn apply_to(&self, mut command: Command) -> Command {
        for name in [
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_PROFILE",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "NO_PROXY",
            "no_proxy",
        ] {
            command.env_remove(name);
        }
        for name in [
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_DYNAMODB",
            "AWS_ENDPOINT_URL_STS",
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
        ] {
            command.env(name, &self.url);
        }
        command
            .env("HOME", self.home.path())
            .env("AWS_CONFIG_FILE", self.home.path().join("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.home.path().join("config"));
        command
    }

    fn connections(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

/// Guarantee 54.
#[tokio::test]
async fn with_a_loopback_endpoint_no_other_address_is_contacted() {
    let engine = Engine::start(&Storage::Memory).unwrap();
    let url = engine.endpoint().unwrap();
    let by_name = url.replace("127.0.0.1", "localhost");
    let trap = Trap::new();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let csv = movies_csv(directory.path());

    // The first run creates the table.
    for url in [&url, &by_name] {
        let mut command = marquee(["--port", "0", "--catalog", "none", "--dynamodb", url, "--data"]);
        command.arg(&data);
        let (child, [_, dynamodb]) = start(trap.apply_to(command)).await.unwrap();
        assert_eq!(dynamodb, *url);
        stop(child).await;
        assert_eq!(trap.connections(), 0, "marquee --dynamodb {url}");
    }

    let mut import = marquee(["import"]);
    import.arg(&csv).args(["--dynamodb", &url]);
    let output = run_to_end(trap.apply_to(import)).await;
    assert!(output.status.success(), "{}", stderr_of(&output));
    assert_eq!(trap.connections(), 0, "marquee import");

    let promote = marquee(["promote", "nobody", "--dynamodb", &by_name]);
    let output = run_to_end(trap.apply_to(promote)).await;
    assert!(
        stderr_of(&output).contains("there is no user nobody"),
        "{}",
        stderr_of(&output)
    );
    assert_eq!(trap.connections(), 0, "marquee promote");

    // Without a loopback endpoint, a command connects to the trap.
    let aws = marquee(["promote", "nobody", "--aws"]);
    let output = run_to_end(trap.apply_to(aws)).await;
    assert!(!output.status.success());
    assert!(
        trap.connections() > 0,
        "the trap catches nothing: {}",
        stderr_of(&output)
    );
}

/// Returns how many sockets of this process listen for TCP connections.
#[cfg(target_os = "linux")]
fn listening(process: u32) -> usize {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|link| {
            Some(
                link.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/{process}/net/{table}")));
    let tables: Vec<String> = tables.into_iter().flatten().collect();
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    // The fourth column is the state, and the tenth is the socket (proc_pid_net(5)).
    rows.map(|row| row.split_ascii_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns[3] == "0A" && sockets.iter().any(|socket| socket == columns[9]))
        .count()
}

/// Guarantee 66.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_an_endpoint_the_engine_opens_no_port() {
    let options = ["--memory", "--catalog", "none", "--port", "0"];
    let (child, _) = start(marquee(options)).await.unwrap();
    assert_eq!(listening(child.id().unwrap()), 2);
    stop(child).await;

    let (child, lines) = ready(marquee(options.into_iter().chain(["--no-dynamodb-endpoint"])))
        .await
        .unwrap();
    assert_eq!(lines[1], "dynamodb off");
    assert_eq!(listening(child.id().unwrap()), 1);
    let url = lines[0].strip_prefix("listening on ").unwrap();
    let health = reqwest::get(format!("{url}/api/health/")).await.unwrap();
    assert_eq!(health.status(), 200);
    stop(child).await;

    let conflict = ["--no-dynamodb-endpoint", "--dynamodb", "http://127.0.0.1:1"];
    assert_eq!(run_to_end(marquee(conflict)).await.status.code(), Some(2));
}
