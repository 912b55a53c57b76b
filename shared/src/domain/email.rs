//! Email addresses.

use email_address::{EmailAddress, Options};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use url::Host;
use utoipa::ToSchema;

use crate::domain::{text, username::fold_name};

/// The most bytes of an address: a path of 256 bytes less its two angle brackets (RFC 5321 §4.5.3.1.3).
pub const MAX_BYTES: usize = 254;

/// An email address: a mailbox at a domain name (RFC 5321, RFC 6531). White space at its ends is removed; the rest is kept
/// as it was typed.
// Only the form is checked. Whether the address exists shows when a mail is sent to it.
#[derive(Clone, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = "email", max_length = 254, example = "ripley@example.com")]
pub struct Email(String);

impl std::fmt::Debug for Email {
    /// Hides the address, which must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Email(..)")
    }
}

impl Email {
    /// Parses an email address.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(given: &str) -> Result<Self, String> {
        let address = given.trim();
        let options = Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_required_tld();
        if address.len() > MAX_BYTES {
            return Err(format!("Must be at most {MAX_BYTES} bytes."));
        }
        let is_shown = |c: char| !c.is_control() && !c.is_whitespace() && !text::is_ignorable(c);
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        if !address.chars().all(is_shown)
            || EmailAddress::parse_with_options(address, options).is_err()
            || !is_domain_name(domain)
        {
            return Err("Must be an email address.".into());
        }
        // Some ligatures fold to more bytes than a key holds.
        if fold_name(address).is_empty() {
            return Err(format!(
                "Must be at most {MAX_BYTES} bytes with ligatures spelled out."
            ));
        }
        Ok(Self(address.to_owned()))
    }

    /// Returns the address as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form by which two addresses are compared.
    #[must_use]
    pub fn folded(&self) -> String {
        fold_name(&self.0)
    }
}

/// Whether a text is a domain name (RFC 1035 §2.3.1) or has one in ASCII (UTS #46). No top-level domain is a number (RFC 3696
/// §2), so an IP address is none.
fn is_domain_name(text: &str) -> bool {
    let ascii = Uts46::new().to_ascii(
        text.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
        DnsLength::Verify,
    );
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    let last = ascii.ok().and_then(|name| last(&name)).unwrap_or_default();
    last.bytes().any(|byte| !byte.is_ascii_digit())
}

/// Returns an address with its domain name in ASCII (IDNA), which is the form that mail servers accept. An address whose domain
/// name has no such form is returned as it is.
#[must_use]
pub fn with_ascii_domain(address: &str) -> String {
    let ascii = address.rsplit_once('@').and_then(|(mailbox, domain)| {
        let domain = Host::parse(domain).ok()?;
        Some(format!("{mailbox}@{domain}"))
    });
    ascii.unwrap_or_else(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_folds_past_a_key_is_refused() {
        let long = "\u{fdfa}".repeat(21);
        assert!(Email::parse(&format!("{long}@{long}.{long}.co")).is_err());
    }

    #[test]
    fn an_address_is_a_mailbox_at_a_domain_name() {
        for good in [
            "a@b.co",
            "Ripley+x@Example.COM",
            "o'neil@a-b.example.org",
            "δοκιμή@παράδειγμα.ελ",
            "a@bücher.example",
            "a@xn--bcher-kva.example",
            "a@3com.com",
            "a@1.2.co",
            "a@例え.テスト",
            "a@a--b.co",
        ] {
            assert_eq!(Email::parse(good).map(|e| e.0), Ok(good.into()));
        }
        for bad in [
            "",
            "bob",
            "@b.co",
            "a@",
            "a@b",
            "a@b..co",
            "a@[127.0.0.1]",
            "Bob <a@b.co>",
            "<a@b.co>",
            "a b@c.de",
            "a\u{202e}@b.co",
            "a\u{200b}@b.co",
            "a\u{3164}@b.co",
            "a\u{2028}b@c.co",
            "a@b\u{ad}.co",
            "a@b.co\nc@d.co",
            "\"\t\"@b.co",
            "a@-b.co",
            "a@b-.co",
            "a@x/y.org",
            "a@x.org?cc=b",
            "a@x%0a.org",
            "a@x#y.org",
            "a@x&y.org",
            "a@x*y.org",
            "a@x|y.org",
            "a@x.o_g",
            "a@x_y.org",
            "a@127.0.0.1",
            "a@x.123",
            "a@x.org.",
            "a@xn--a.co",
            "a@b\u{338}.co\u{3d}",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn white_space_at_the_ends_is_no_part_of_an_address() {
        for text in [" a@b.co", "a@b.co ", "a@b.co\n", "\u{3000}a@b.co\t"] {
            assert_eq!(Email::parse(text).map(|e| e.0), Ok("a@b.co".into()));
        }
    }

    #[test]
    fn an_address_has_254_bytes_at_most() {
        let address = |labels: usize| format!("{}@{}co", "x".repeat(60), "y.".repeat(labels));
        assert!(Email::parse(&address(95)).is_ok());
        assert_eq!(address(96).len(), 255);
        assert!(Email::parse(&address(96)).is_err());
    }

    #[test]
    fn addresses_are_the_same_whatever_their_case() {
        let folded = |text| Email::parse(text).unwrap().folded();
        assert_eq!(folded("Ripley@Example.com"), folded("ripley@EXAMPLE.COM"));
        assert_ne!(folded("ripley@example.com"), folded("ripléy@example.com"));
    }

    #[test]
    fn a_domain_name_has_a_form_in_ascii() {
        for (address, ascii) in [
            ("Ripley+x@Example.COM", "Ripley+x@example.com"),
            ("ripley@bücher.example", "ripley@xn--bcher-kva.example"),
            ("δοκιμή@παράδειγμα.ελ", "δοκιμή@xn--hxajbheg2az3al.xn--qxam"),
            ("\"a@b\"@c.de", "\"a@b\"@c.de"),
            ("nobody", "nobody"),
        ] {
            assert_eq!(with_ascii_domain(address), ascii);
        }
    }
}
