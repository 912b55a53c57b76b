//! What mails say.

use std::io;

use mail_builder::{
    MessageBuilder,
    headers::{address::Address, content_type::ContentType, date::Date, message_id::MessageId, raw::Raw},
    mime::{BodyPart, MimePart},
};
use marquee_shared::{
    Error, Result, auth::reset::ResetToken, clock::Instant, domain::email::with_ascii_domain,
};

use uuid::Uuid;

use crate::Settings;

/// The name beside the sender's address.
const SENDER: &str = "Marquee";

/// The page of the explorer on which a new password is chosen.
const PAGE: &str = "/reset-password";

/// A mail that is ready to be sent.
#[derive(Clone)]
pub struct Mail {
    /// The sender's address.
    pub from: String,
    /// The receiver's address, with its domain name in ASCII.
    pub to: String,
    /// The message (RFC 5322), with a text part and an HTML part.
    pub message: Vec<u8>,
}

impl std::fmt::Debug for Mail {
    /// Hides the message and the address, which must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mail(..)")
    }
}

impl Mail {
    /// Writes the mail with a password reset token.
    ///
    /// The token is in the fragment of the link. A browser sends a fragment neither to a server nor in a `Referer`.
    pub(crate) fn with_reset_token(
        settings: &Settings,
        to: &str,
        token: &ResetToken,
        now: Instant,
    ) -> Result<Self> {
        let token = token.to_text();
        let page = format!("{}{PAGE}", settings.public_url);
        let link = format!("{page}#token={}", token.expose());
        let lifetime = lifetime(settings.reset_seconds);
        let text = format!(
            "\
Hello,

somebody, probably you, asked for a new password for the Marquee account with
this email address. To choose the new password, open this link:

{link}

Or enter this token at {page} :

{token}

The token works once, and for {lifetime}. If you ask for another one, this one
stops working.

If you did not ask for it, ignore this mail. Your password stays as it is.
",
            token = token.expose(),
        );
        let html = format!(
            "\
<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"referrer\" content=\"no-referrer\">
<title>{SUBJECT}</title>
</head>
<body>
<p>Hello,</p>
<p>somebody, probably you, asked for a new password for the Marquee account with this email address. To choose the new
password, open this link:</p>
<p><a href=\"{link}\" rel=\"noreferrer\">{page}</a></p>
<p>Or enter this token on that page:</p>
<p><code>{token}</code></p>
<p>The token works once, and for {lifetime}. If you ask for another one, this one stops working.</p>
<p>If you did not ask for it, ignore this mail. Your password stays as it is.</p>
</body>
</html>
",
            link = escaped(&link),
            page = escaped(&page),
            token = token.expose(),
        );
        Self::new(settings, to, &text, &html, now)
    }

    fn new(settings: &Settings, to: &str, text: &str, html: &str, now: Instant) -> Result<Self> {
        let to = with_ascii_domain(to);
        let domain = settings.from.rsplit_once('@').map_or("", |(_, domain)| domain);
        let id = format!("{}@{domain}", Uuid::new_v4().simple());
        let body = vec![part("text/plain", text), part("text/html", html)];
        let message = MessageBuilder::new()
            .from((SENDER, settings.from.as_str()))
            .to(Address::from(to.as_str()))
            .subject(SUBJECT)
            .date(Date::new(now.seconds()))
            .header("Message-ID", MessageId::new(id))
            // So that no vacation notice is sent back (RFC 3834 §5).
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .body(MimePart::new("multipart/alternative", body));
        let message = message
            .write_to_vec()
            .map_err(|_: io::Error| Error::internal("a mail can't be written"))?;
        Ok(Self {
            from: settings.from.clone(),
            to,
            message,
        })
    }
}

const SUBJECT: &str = "A new password for your Marquee account";

/// A part with a text in ASCII. It isn't encoded, so that a link is whole also where the message is read as it is.
fn part(media: &'static str, text: &str) -> MimePart<'static> {
    debug_assert!(text.is_ascii(), "only ASCII has 7 bits");
    let kind = ContentType::new(media).attribute("charset", "utf-8");
    // The lines of a message end in CRLF (RFC 5322 §2.1).
    let body = BodyPart::Text(text.replace('\n', "\r\n").into());
    MimePart::new(kind, body).transfer_encoding("7bit")
}

/// A time in words.
fn lifetime(seconds: i64) -> String {
    let (number, unit) = match seconds {
        _ if seconds % 3600 == 0 => (seconds / 3600, "hour"),
        _ if seconds % 60 == 0 => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// A text as it is written in HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use marquee_shared::domain::UserId;

    use super::*;

    fn settings() -> Settings {
        Settings {
            from: "movies@example.com".into(),
            public_url: "https://movies.example".into(),
            reset_seconds: 1800,
        }
    }

    fn mail(to: &str) -> (Mail, String) {
        let token = ResetToken::new(UserId::try_from(7).unwrap()).unwrap();
        let mail = Mail::with_reset_token(&settings(), to, &token, Instant(1_795_383_241_250));
        (mail.unwrap(), token.to_text().expose().to_owned())
    }

    #[test]
    fn a_mail_has_a_text_and_an_html_part_and_both_have_the_link() {
        let (mail, token) = mail("ripley@example.com");
        let message = String::from_utf8(mail.message).unwrap();
        let (head, body) = message.split_once("\r\n\r\n").unwrap();
        for line in [
            "From: \"Marquee\" <movies@example.com>",
            "To: <ripley@example.com>",
            "Subject: A new password for your Marquee account",
            "Date: Sun, 22 Nov 2026 21:34:01 +0000",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
        ] {
            assert!(head.lines().any(|own| own == line), "{line}: {head}");
        }
        assert!(head.contains("Content-Type: multipart/alternative;"), "{head}");
        let link = format!("https://movies.example/reset-password#token={token}");
        let parts: Vec<&str> = body.split("Content-Type: text/").skip(1).collect();
        assert_eq!(parts.len(), 2);
        for (part, media) in parts.iter().zip(["plain", "html"]) {
            assert!(part.starts_with(media) && part.contains("Content-Transfer-Encoding: 7bit"));
            assert!(part.contains(&link), "{part}");
            assert!(part.contains("30 minutes"), "{part}");
        }
        assert!(
            parts[0].lines().any(|line| line == link),
            "the link has its own line"
        );
        assert!(parts[0].lines().any(|line| line == token), "so has the token");
    }

    /// Guarantee 77.
    #[test]
    fn no_header_has_the_token_or_names_the_program_or_the_machine() {
        let (mail, token) = mail("ripley@example.com");
        let message = String::from_utf8(mail.message).unwrap();
        let (head, _) = message.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains(&token[..20]));
        let names: Vec<&str> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, _)| name)
            .collect();
        for name in ["X-Mailer", "User-Agent", "Received", "Sender"] {
            assert!(!names.contains(&name), "{head}");
        }
        let id = head.lines().find(|line| line.starts_with("Message-ID:")).unwrap();
        assert!(id.ends_with("@example.com>"), "{id}");
    }

    /// Every line is short enough (RFC 5322 §2.1.1) and ends in CRLF, and every character is of 7 bits.
    #[test]
    fn a_message_has_the_form_that_every_server_accepts() {
        let (mail, _) = mail("ripley@bücher.example");
        assert_eq!(mail.to, "ripley@xn--bcher-kva.example");
        let message = String::from_utf8(mail.message).unwrap();
        assert!(message.is_ascii());
        assert!(!message.replace("\r\n", "").contains(['\r', '\n']));
        assert!(message.lines().all(|line| line.len() <= 998));
    }

    #[test]
    fn no_two_messages_have_one_id() {
        let id = || {
            let message = String::from_utf8(mail("ripley@example.com").0.message).unwrap();
            message
                .lines()
                .find(|line| line.starts_with("Message-ID:"))
                .unwrap()
                .to_owned()
        };
        assert_ne!(id(), id());
    }

    #[test]
    fn a_lifetime_is_in_words() {
        let words = [1, 60, 90, 1800, 3600, 5400, 86_400].map(lifetime);
        let expected = [
            "1 second",
            "1 minute",
            "90 seconds",
            "30 minutes",
            "1 hour",
            "90 minutes",
            "24 hours",
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn what_means_something_in_html_is_escaped() {
        assert_eq!(escaped("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
    }

    /// Guarantee 39.
    #[test]
    fn debug_shows_nothing_of_a_mail() {
        assert_eq!(format!("{:?}", mail("ripley@example.com").0), "Mail(..)");
    }
}
