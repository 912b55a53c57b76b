//! Release binaries of the functions under the Lambda Runtime Interface Emulator.

use std::{
    collections::HashMap,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Stdio,
    time::Duration,
};

use marquee::{
    engine::{Engine, Storage},
    server::TEMPLATE,
    template::Template,
};
use marquee_shared::{auth::SecretTexts, aws::client, config::Config};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::sleep,
};

use super::{
    Answer,
    event::{DOMAIN, Event},
    replay::{Target, answer},
};

/// How many pairs of ports are tried when the emulator ends at once.
const PORTS_TRIED: usize = 5;

/// The functions, each under an emulator of its own, with one empty table.
pub struct Functions {
    /// The function of each route key.
    routes: HashMap<String, String>,
    emulated: HashMap<String, Emulated>,
    http: reqwest::Client,
    _engine: Engine,
}

/// A function and its emulator.
struct Emulated {
    url: String,
    log: NamedTempFile,
    /// Killed when this is dropped. The function then ends too, since it can no longer poll.
    _process: Child,
}

impl Functions {
    /// Starts the binaries in `bootstraps`, where `sam build` writes each to `<logical id>/bootstrap`.
    pub async fn start(emulator: &Path, bootstraps: &Path) -> Self {
        let template = Template::parse(TEMPLATE).unwrap();
        let engine = Engine::start(&Storage::Memory).unwrap();
        let dynamodb = client::local(&engine.endpoint().unwrap());
        let table = Config::default().table;
        template.table.create(&dynamodb, &table).await.unwrap();
        let secrets = SecretTexts::generate().unwrap().to_json();

        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        let mut emulated = HashMap::new();
        for function in &template.functions {
            let bootstrap = bootstraps.join(&function.resource).join("bootstrap");
            let bootstrap = bootstrap
                .canonicalize()
                .unwrap_or_else(|e| panic!("{}: {e}", bootstrap.display()));
            let mut environment = vec![
                ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
                ("TABLE_NAME", table.clone()),
                ("DYNAMODB_ENDPOINT", engine.endpoint().unwrap()),
            ];
            if function.name == "auth" {
                environment.push(("AUTH_SECRETS", secrets.clone()));
                // No mail is sent. The function accepts requests for one.
                environment.push(("MAIL_FROM", "movies@example.com".to_owned()));
            }
            let started = Emulated::start(emulator, &bootstrap, environment).await;
            emulated.insert(function.name.clone(), started);
        }
        let routes = template.routes.iter();
        Self {
            routes: routes
                .map(|route| (route.key.clone(), route.function.clone()))
                .collect(),
            emulated,
            http,
            _engine: engine,
        }
    }
}

impl Emulated {
    /// Starts the emulator on free ports. Another process can take a port before the emulator uses it. Then the emulator ends,
    /// and other ports are tried.
    async fn start(emulator: &Path, bootstrap: &Path, environment: Vec<(&str, String)>) -> Self {
        for _ in 0..PORTS_TRIED {
            if let Some(started) = Self::start_on(free_ports(), emulator, bootstrap, &environment).await {
                return started;
            }
        }
        panic!("the emulator ended on each of {PORTS_TRIED} pairs of ports");
    }

    /// Starts the emulator on these ports. `None` when it ends before it listens.
    async fn start_on(
        ports: [u16; 2],
        emulator: &Path,
        bootstrap: &Path,
        environment: &[(&str, String)],
    ) -> Option<Self> {
        let log = NamedTempFile::new().unwrap();
        let [address, runtime_api] = ports.map(|port| format!("127.0.0.1:{port}"));
        let mut process = Command::new(emulator)
            // By default it listens on every interface.
            .args(["--runtime-interface-emulator-address", &address])
            .args(["--runtime-api-address", &runtime_api])
            .arg(bootstrap)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.as_file().try_clone().unwrap())
            .stderr(log.as_file().try_clone().unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", emulator.display()));
        let url = format!("http://{address}/2015-03-31/functions/function/invocations");
        // 10 seconds in all.
        for _ in 0..200 {
            sleep(Duration::from_millis(50)).await;
            // Checked before the port, on which another process may listen.
            if process.try_wait().unwrap().is_some() {
                eprintln!("the emulator has ended: {}", logged(&log));
                return None;
            }
            if TcpStream::connect(&address).await.is_ok() {
                return Some(Self {
                    url,
                    log,
                    _process: process,
                });
            }
        }
        panic!("the emulator doesn't listen: {}", logged(&log));
    }
}

fn logged(log: &NamedTempFile) -> String {
    fs::read_to_string(log.path()).unwrap()
}

/// Two ports that were free just now.
fn free_ports() -> [u16; 2] {
    // Both at the same time, so that they differ.
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

impl Target for Functions {
    async fn answer(&self, event: &Event) -> Answer {
        let Emulated { url, log, .. } = &self.emulated[&self.routes[&event.route_key]];
        let request = self.http.post(url).json(event);
        let response = request
            .send()
            .await
            .unwrap_or_else(|e| panic!("{e}: {}", logged(log)));
        let text = response.text().await.unwrap();
        let response: Value = serde_json::from_str(&text).unwrap_or_default();
        assert!(
            response["statusCode"].is_u64(),
            "no answer but {text}: {}",
            logged(log)
        );
        answer(&response)
    }

    fn origins(&self) -> Vec<String> {
        vec![format!("https://{DOMAIN}")]
    }

    fn request_id(&self, event: &Event) -> Option<String> {
        Some(event.request_context.request_id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_another_process_has_taken_meanwhile_is_not_the_emulators() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let ends = Path::new("false");
        let started = Emulated::start_on([port, port], ends, Path::new("bootstrap"), &[]).await;
        assert!(started.is_none());
    }
}
