//! Amazon SES: sends mails.

use aws_config::SdkConfig;
use aws_sdk_sesv2::{
    Client,
    error::ProvideErrorMetadata as _,
    primitives::Blob,
    types::{Destination, EmailContent, RawMessage},
};
use marquee_shared::{Error, Result, error::LogText};

use crate::{Mailer, text::Mail};

/// The call that sends a mail.
const SEND_EMAIL: &str = "SendEmail";

/// A client of Amazon SES.
#[derive(Clone, Debug)]
pub struct Ses(Client);

impl Ses {
    /// Returns a client with these settings.
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        Self(Client::new(aws))
    }
}

impl From<Client> for Ses {
    fn from(client: Client) -> Self {
        Self(client)
    }
}

impl Mailer for Ses {
    async fn send(&self, mail: Mail) -> Result<()> {
        let raw = RawMessage::builder().data(Blob::new(mail.message)).build();
        let raw = raw.map_err(|_| Error::internal("a mail without a message"))?;
        let sending = self
            .0
            .send_email()
            .from_email_address(mail.from)
            .destination(Destination::builder().to_addresses(mail.to).build())
            .content(EmailContent::builder().raw(raw).build());
        // The text of an error quotes addresses, so only its code is logged.
        sending.send().await.map(drop).map_err(|error| {
            let cause = error
                .code()
                .map_or_else(|| LogText::from("no answer"), LogText::aws_error);
            Error::Unavailable(cause.during(SEND_EMAIL))
        })
    }
}
