//! Mail on one machine. A mail is written to a file instead of being sent, and the mail function is invoked with the events
//! that the table's stream would send.
//!
//! A request that asks for a mail wakes the delivery. It also looks at the start and every minute, so that no mail is lost when
//! the process is killed. After a failure it tries again, at first soon and then less often.

use std::{
    collections::VecDeque,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::extract::Request;
use marquee_mail::{Mail, MailFunction, Mailer, Settings, StreamEvent};
use marquee_shared::{
    AppState, Error, Result,
    aws::client::is_loopback,
    clock::{Clock, Instant},
    config::Config,
    db::{Store, outbox::LANES},
    domain::Email,
    telemetry,
};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::private::{self, MAIL};

/// The path of requests that ask for a mail.
const ASKING: &str = "/api/auth/password-reset";

/// The sender, if `MAIL_FROM` isn't set. No server can have a name in `invalid` (RFC 2606 §2), so nobody can answer.
const SENDER: &str = "no-reply@marquee.invalid";

/// The most mails that are kept in memory.
const KEPT: usize = 1000;

/// The most mails of a lane that one event has.
const BATCH: usize = 10;

/// How often the outbox is looked at without a reason.
const EVERY: Duration = Duration::from_secs(60);

/// The pause after the first failure. It doubles with each further failure, up to [`EVERY`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What becomes of mails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mails {
    /// They are written to files, or kept in memory.
    #[default]
    Sent,
    /// They stay in the outbox, for the mail function of a deployment. Also for measurements, which the function here would
    /// disturb.
    LeftInOutbox,
    /// None can be asked for.
    Off,
}

impl Mails {
    /// Returns what becomes of mails by default, with the table at this DynamoDB endpoint.
    ///
    /// On another machine it may be a deployed table, whose mails are not for this machine. With `MAIL_FROM`, its mail function
    /// sends them.
    #[must_use]
    pub fn with_table_at(endpoint: Option<&str>, config: &Config) -> Self {
        match endpoint {
            Some(endpoint) if !is_loopback(endpoint) && config.mail_from.is_some() => Self::LeftInOutbox,
            Some(endpoint) if !is_loopback(endpoint) => Self::Off,
            _ => Self::Sent,
        }
    }

    /// Returns the configuration with the sender that this needs.
    pub(crate) fn configured(self, mut config: Config) -> Config {
        config.mail_from = match self {
            Self::Sent | Self::LeftInOutbox => config.mail_from.or_else(|| Email::parse(SENDER).ok()),
            Self::Off => None,
        };
        config
    }
}

/// Where mails are.
#[derive(Clone, Debug)]
pub enum Mailbox {
    /// In memory: the last thousand.
    Memory(Arc<Mutex<VecDeque<Mail>>>),
    /// In this directory, a file each.
    Directory(PathBuf),
}

impl Mailbox {
    /// Returns an empty mailbox in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// Returns the mailbox of a data directory. It is created with the first mail.
    #[must_use]
    pub fn directory(data: &Path) -> Self {
        Self::Directory(data.join(MAIL))
    }

    /// Returns the messages of all mails, the oldest first.
    ///
    /// # Errors
    /// Returns an error if the directory can't be read.
    pub fn messages(&self) -> std::io::Result<Vec<Vec<u8>>> {
        match self {
            Self::Memory(mails) => {
                let mails = mails.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(mails.iter().map(|mail| mail.message.clone()).collect())
            }
            Self::Directory(directory) => {
                let mut files = Vec::new();
                match fs::read_dir(directory) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    entries => {
                        for entry in entries? {
                            files.push(entry?.path());
                        }
                    }
                }
                files.retain(|file| file.extension().is_some_and(|extension| extension == EXTENSION));
                files.sort_unstable();
                files.into_iter().map(fs::read).collect()
            }
        }
    }
}

/// The extension of a mail's file.
const EXTENSION: &str = "eml";

/// Puts mails into a mailbox.
#[derive(Clone, Debug)]
pub struct Postman {
    mailbox: Mailbox,
    clock: Clock,
}

impl Mailer for Postman {
    async fn send(&self, mail: Mail) -> Result<()> {
        let directory = match &self.mailbox {
            Mailbox::Memory(mails) => {
                let mut mails = mails.lock().unwrap_or_else(PoisonError::into_inner);
                mails.push_back(mail);
                if mails.len() > KEPT {
                    mails.pop_front();
                }
                return Ok(());
            }
            Mailbox::Directory(directory) => directory.clone(),
        };
        let now = self.clock.now();
        let written = tokio::task::spawn_blocking(move || write(&directory, now, &mail));
        let written = written.await.map_err(|_| Error::internal("a panic"))?;
        written.map_err(|reason| Error::internal(format!("the mail can't be written: {reason}")))
    }
}

/// Writes a mail to a file whose name is its time. The file has its name once it is complete, so a program that watches the
/// directory never reads half a mail.
fn write(directory: &Path, now: Instant, mail: &Mail) -> std::result::Result<(), String> {
    private::directory(directory).map_err(|error| error.to_string())?;
    // Some file systems allow no colon in a name.
    let time = now.to_string().replace(':', "-");
    let name = format!("{time}-{}", Uuid::new_v4().simple());
    let unfinished = directory.join(format!("{name}.unfinished"));
    private::write_new(&unfinished, &mail.message).map_err(|error| error.to_string())?;
    let complete = directory.join(format!("{name}.{EXTENSION}"));
    fs::rename(&unfinished, complete).map_err(|error| {
        // Only an unreadable rest would be left.
        let _ = fs::remove_file(&unfinished);
        error.to_string()
    })
}

/// Whether a request may ask for a mail.
pub(crate) fn is_asked_for_by(request: &Request) -> bool {
    request.uri().path().trim_end_matches('/') == ASKING
}

/// Returns the mail function with this mailbox. Mails link to the server's own address, unless `PUBLIC_URL` is set. `None` if
/// no sender is configured.
#[must_use]
pub fn function(state: &AppState, address: SocketAddr, mailbox: Mailbox) -> Option<MailFunction<Postman>> {
    let config = &state.config;
    let own = || format!("http://{address}");
    let settings = Settings {
        from: config.mail_from.as_ref()?.as_str().to_owned(),
        public_url: config.http.public_url.clone().unwrap_or_else(own),
        reset_seconds: config.tokens.reset_seconds,
    };
    let postman = Postman {
        mailbox,
        clock: state.clock.clone(),
    };
    Some(MailFunction::new(state.store.clone(), settings, postman))
}

/// Sends the mails of the outbox, for ever. `operator` may read the outbox; the function may not, because on AWS the stream does
/// that.
pub(crate) async fn deliver(function: MailFunction<Postman>, operator: Store, asked: Arc<Notify>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let wait = match deliver_once(&function, &operator).await {
            Ok(true) => {
                pause = FIRST_PAUSE;
                EVERY
            }
            result => {
                if let Err(error) = result {
                    telemetry::warn(&error, "the outbox can't be read");
                }
                let wait = pause;
                pause = EVERY.min(pause * 2);
                wait
            }
        };
        tokio::select! {
            () = asked.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Sends the mails that are in the outbox now. Returns whether none is left.
async fn deliver_once(function: &MailFunction<Postman>, operator: &Store) -> Result<bool> {
    let mut is_done = true;
    for lane in 0..LANES {
        let mut handled = Vec::new();
        loop {
            let keys = operator.asked_mails(lane, BATCH).await?;
            if keys.is_empty() {
                break;
            }
            // The same mails again: their items couldn't be removed.
            let failed =
                keys == handled || !function.deliver(&StreamEvent::of(keys.clone())).await.is_empty();
            if failed {
                is_done = false;
                break;
            }
            handled = keys;
        }
    }
    Ok(is_done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(text: &str) -> Mail {
        Mail {
            from: String::new(),
            to: String::new(),
            message: text.into(),
        }
    }

    fn postman(mailbox: &Mailbox) -> Postman {
        Postman {
            mailbox: mailbox.clone(),
            clock: Clock::default(),
        }
    }

    #[test]
    fn mails_of_a_deployed_table_are_left_to_its_function() {
        let without = Config::default();
        let with = Config {
            mail_from: Email::parse("movies@example.com").ok(),
            ..Config::default()
        };
        let deployed = Some("https://dynamodb.eu-west-1.amazonaws.com");
        assert_eq!(Mails::with_table_at(deployed, &without), Mails::Off);
        assert_eq!(Mails::with_table_at(deployed, &with), Mails::LeftInOutbox);
        for here in [None, Some("http://127.0.0.1:8000"), Some("http://[::1]:8000")] {
            assert_eq!(Mails::with_table_at(here, &without), Mails::Sent);
            assert_eq!(Mails::with_table_at(here, &with), Mails::Sent);
        }
    }

    #[tokio::test]
    async fn a_mailbox_has_its_mails_in_order_and_memory_holds_no_more_than_a_thousand() {
        let data = tempfile::tempdir().unwrap();
        for mailbox in [Mailbox::memory(), Mailbox::directory(data.path())] {
            assert_eq!(mailbox.messages().unwrap(), [[0; 0]; 0]);
            let postman = postman(&mailbox);
            for text in ["one", "two"] {
                postman.send(mail(text)).await.unwrap();
                postman.clock.advance(1);
            }
            assert_eq!(mailbox.messages().unwrap(), [b"one", b"two"]);
        }
        let mailbox = Mailbox::memory();
        for n in 0..=KEPT {
            postman(&mailbox).send(mail(&n.to_string())).await.unwrap();
        }
        let messages = mailbox.messages().unwrap();
        assert_eq!((messages.len(), &*messages[0]), (KEPT, &b"1"[..]));
    }

    /// What a program that watches the directory sees.
    #[tokio::test]
    async fn a_mail_that_cant_be_written_is_an_error_and_leaves_no_file() {
        let data = tempfile::tempdir().unwrap();
        // A file where the directory should be.
        fs::write(data.path().join(MAIL), "").unwrap();
        let mailbox = Mailbox::directory(data.path());
        let error = postman(&mailbox).send(mail("canary")).await.unwrap_err();
        assert!(!error.log_message().contains("canary"));
        fs::remove_file(data.path().join(MAIL)).unwrap();
        postman(&mailbox).send(mail("one")).await.unwrap();
        let files: Vec<_> = fs::read_dir(data.path().join(MAIL)).unwrap().collect();
        assert_eq!(files.len(), 1);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn mails_can_be_read_by_their_owner_only() {
        use std::os::unix::fs::MetadataExt as _;

        let data = tempfile::tempdir().unwrap();
        let mailbox = Mailbox::directory(data.path());
        postman(&mailbox).send(mail("one")).await.unwrap();
        let directory = data.path().join(MAIL);
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o7777, 0o700);
        for file in fs::read_dir(&directory).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().mode() & 0o7777, 0o600);
        }
    }
}
