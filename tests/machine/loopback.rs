//! With a loopback `--dynamodb`, nothing but that endpoint is contacted.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use marquee::engine::{Engine, Storage};
use tokio::process::Command;

use super::{ended, marquee, movies_csv, said, serving, stop};

/// A listener that everything in the environment leads to, and how many connections it has seen.
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
            // Each connection is closed at once.
            for _ in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        let home = tempfile::tempdir().unwrap();
        let config = format!("[default]\nendpoint_url = {url}\n");
        std::fs::write(home.path().join("config"), config).unwrap();
        Self { url, seen, home }
    }

    /// Sets the trap for a program: wherever the AWS command line would look for a region, for credentials, for an endpoint
    /// or for a proxy.
    fn around(&self, mut command: Command) -> Command {
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

    fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

/// Guarantee 54.
#[tokio::test]
async fn with_a_loopback_endpoint_no_other_address_is_contacted() {
    let engine = Engine::start(Storage::Memory).unwrap();
    let url = engine.endpoint();
    let by_name = url.replace("127.0.0.1", "localhost");
    let trap = Trap::new();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let csv = movies_csv(directory.path());

    // This makes the table, and needs the catalog for nothing.
    for url in [&url, &by_name] {
        let mut command = marquee(["--port", "0", "--catalog", "none", "--dynamodb", url, "--data"]);
        command.arg(&data);
        let (child, [_, dynamodb]) = serving(trap.around(command)).await.unwrap();
        assert_eq!(dynamodb, *url);
        stop(child).await;
        assert_eq!(trap.seen(), 0, "marquee --dynamodb {url}");
    }

    let mut import = marquee(["import"]);
    import.arg(&csv).args(["--dynamodb", &url]);
    let output = ended(trap.around(import)).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(trap.seen(), 0, "marquee import");

    let promote = marquee(["promote", "nobody", "--dynamodb", &by_name]);
    let output = ended(trap.around(promote)).await;
    assert!(
        said(&output).contains("there is no user nobody"),
        "{}",
        said(&output)
    );
    assert_eq!(trap.seen(), 0, "marquee promote");

    // The trap is where an operator's command would have gone.
    let aws = marquee(["promote", "nobody", "--aws"]);
    let output = ended(trap.around(aws)).await;
    assert!(!output.status.success());
    assert!(trap.seen() > 0, "the trap catches nothing: {}", said(&output));
}
