//! The mail function: sends the mails that requests have asked for. The table's stream invokes it, and no client calls it. No
//! other function may send mail.
//!
//! A request to reset a password only writes an item to the outbox ([`marquee_shared::db::outbox`]). This function finds out
//! whether an account has the address, makes the token, and sends it. So the request's answer and its time are the same for
//! every address, and a mail server that is slow or down delays no request.
//!
//! A mail is sent at least once. If the function is interrupted between sending a mail and removing its item, it sends
//! another one, whose token replaces the first.

mod event;
mod ses;
mod text;

use std::{future::Future, time::Duration};

use lambda_runtime::LambdaEvent;
use marquee_shared::{
    Result,
    config::{Config, ConfigError},
    db::{Key, Store, outbox::MailItem, retry::within, user::UserItem},
    domain::username::fold_name,
    telemetry,
};

pub use self::{
    event::{Failures, StreamEvent},
    ses::Ses,
    text::Mail,
};

/// How long the calls for one mail are retried.
const TIME_FOR_ONE: Duration = Duration::from_secs(10);

/// Sends mails.
pub trait Mailer: Send + Sync {
    /// Sends a mail, or leaves it to a server that does.
    ///
    /// # Errors
    /// An error if the mail was not sent, or if that is unknown. The mail is then sent again.
    fn send(&self, mail: Mail) -> impl Future<Output = Result<()>> + Send;
}

/// What a mail says besides its token.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address that mails are sent from.
    pub from: String,
    /// The scheme, host and port of the page to which a mail links. It is configured, and never taken from a request: whoever
    /// asks for a mail could otherwise choose where its token is sent.
    pub public_url: String,
    /// How long a token is good, in seconds.
    pub reset_seconds: i64,
}

impl Settings {
    /// Returns the settings of a deployed function.
    ///
    /// # Errors
    /// [`ConfigError`] if the sender or the page isn't configured.
    pub fn of(config: &Config) -> Result<Self, ConfigError> {
        let from = config.mail_from.as_ref().ok_or_else(|| {
            ConfigError::missing("MAIL_FROM", "an email address, such as movies@example.com")
        })?;
        let public_url = config.http.public_url.clone().ok_or_else(|| {
            ConfigError::missing(
                "PUBLIC_URL",
                "the scheme and host of the page to which mails link",
            )
        })?;
        Ok(Self {
            from: from.as_str().to_owned(),
            public_url,
            reset_seconds: config.tokens.reset_seconds,
        })
    }
}

/// The function: the table, what mails say, and how they are sent.
pub struct MailFunction<M> {
    store: Store,
    settings: Settings,
    mailer: M,
}

/// What became of a mail that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Sent,
    /// It was sent before: the stream repeats records.
    Gone,
    /// No account has the address.
    Nobodys,
    /// It was asked for too long ago.
    Late,
    /// The account has had many mails, and the token of the last one stays good for some minutes.
    Spaced,
}

impl<M: Mailer> MailFunction<M> {
    /// Returns the function for this table.
    #[must_use]
    pub fn new(store: Store, settings: Settings, mailer: M) -> Self {
        Self {
            store,
            settings,
            mailer,
        }
    }

    /// AP-53: sends one mail that was asked for, if it still is to be sent.
    async fn send(&self, key: &Key) -> Result<Fate> {
        let Some(mail) = self.store.asked_mail(key).await? else {
            return Ok(Fate::Gone);
        };
        let now = self.store.clock.now();
        if mail.is_late(now) {
            self.store.drop_mail(key).await?;
            return Ok(Fate::Late);
        }
        let Some(user) = self.addressee(&mail).await? else {
            self.store.drop_mail(key).await?;
            return Ok(Fate::Nobodys);
        };
        let seconds = self.settings.reset_seconds;
        let Some((token, reset)) = self.store.make_token_to_mail(&user, seconds).await? else {
            self.store.drop_mail(key).await?;
            tracing::info!(event = "mail_spaced", user = user.id.get());
            return Ok(Fate::Spaced);
        };
        let written = Mail::with_reset_token(&self.settings, &user.email, &token, now)?;
        self.mailer.send(written).await?;
        tracing::info!(event = "mail_sent", user = user.id.get());
        if let Err(error) = self.store.note_mailed_token(user.id, reset).await {
            // The next mail then ends this token, however soon it follows.
            telemetry::warn(&error, "a mail that was sent is not noted");
        }
        if let Err(error) = self.store.drop_mail(key).await {
            // The mail is sent. The item is deleted by its time to live.
            telemetry::warn(&error, "the item of a mail that was sent is left");
        }
        Ok(Fate::Sent)
    }

    /// Returns the user who has the address of a mail as their email. A mail is sent to the address that the user registered and
    /// never to the one that was typed: the two are compared without case and by NFKC, and may be different mailboxes.
    async fn addressee(&self, mail: &MailItem) -> Result<Option<UserItem>> {
        let login = self.store.find_login(&mail.email).await?;
        // A username may look like an email. It isn't an address.
        let Some(login) = login.filter(|login| login.email == mail.email) else {
            return Ok(None);
        };
        let user = self.store.get_user(login.user).await?;
        Ok(user.filter(|user| fold_name(&user.email) == mail.email))
    }

    /// Sends the mails of an event's records, one after another. After a failure it stops and reports that record, so that the
    /// stream repeats it and those behind it, and the mails of a lane stay in order.
    pub async fn deliver(&self, event: &StreamEvent) -> Failures {
        for record in &event.records {
            let key = record.key();
            match within(TIME_FOR_ONE, self.send(&key)).await {
                Ok(Fate::Sent | Fate::Gone | Fate::Spaced) => {}
                Ok(Fate::Nobodys) => tracing::info!(event = "mail_for_nobody"),
                Ok(Fate::Late) => tracing::warn!(event = "mail_too_late"),
                Err(error) => {
                    telemetry::warn(&error, "a mail was not sent");
                    return Failures::from(record);
                }
            }
        }
        Failures::default()
    }
}

/// Handles one invocation.
///
/// # Errors
/// None. The type is the runtime's.
pub async fn handle<M: Mailer>(
    function: &MailFunction<M>,
    event: LambdaEvent<StreamEvent>,
) -> Result<Failures, lambda_runtime::Error> {
    Ok(function.deliver(&event.payload).await)
}
