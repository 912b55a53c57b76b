//! The rules for the values of settings, and the sentence that names a value that can't work.

use std::{
    fmt::{self, Display},
    ops::RangeInclusive,
    str::FromStr,
};

use url::Url;

use crate::domain::{Email, password::Secret};

/// Returns the value of a variable, or `None` if it isn't set.
pub(super) type Lookup<'a> = &'a dyn Fn(&'static str) -> Option<String>;

/// A setting whose value can't work. Its text is one sentence that names the setting and says what the value must be. It
/// quotes the value, unless that may be a secret.
///
/// A function that can't start prints its error with `Debug`, so that is the same sentence.
pub struct ConfigError {
    setting: &'static str,
    expected: String,
    /// The value, or the part of it that can't work. `None` if it may be a secret.
    value: Option<String>,
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            setting,
            expected,
            value,
        } = self;
        write!(f, "{setting} must be {expected}")?;
        match value {
            Some(value) => write!(f, ", not {value:?}"),
            None => f.write_str(" (its value isn't shown here, because it may be a secret)"),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    pub(crate) fn new(setting: &'static str, expected: impl Into<String>, value: &str) -> Self {
        Self {
            setting,
            expected: expected.into(),
            value: Some(value.to_owned()),
        }
    }

    fn secret(setting: &'static str, expected: &str) -> Self {
        Self {
            setting,
            expected: expected.to_owned(),
            value: None,
        }
    }

    /// The error for a setting that must have a value and has none.
    #[must_use]
    pub fn missing(setting: &'static str, expected: &str) -> Self {
        Self::new(setting, expected, "")
    }

    /// The error for a value that isn't Unicode.
    pub(crate) fn not_unicode(setting: &'static str) -> Self {
        Self::secret(setting, "valid Unicode")
    }
}

/// Parses a whole number in `range` into `value`, if the variable is set.
pub(super) fn number<T: FromStr + PartialOrd + Display>(
    lookup: Lookup<'_>,
    variable: &'static str,
    range: RangeInclusive<T>,
    value: &mut T,
) -> Result<(), ConfigError> {
    if let Some(text) = lookup(variable) {
        let parsed = text.parse().ok().filter(|number| range.contains(number));
        *value = parsed.ok_or_else(|| {
            let expected = format!("a whole number from {} to {}", range.start(), range.end());
            ConfigError::new(variable, expected, &text)
        })?;
    }
    Ok(())
}

/// Copies a text of visible characters into `value`, if the variable is set.
pub(super) fn text(
    lookup: Lookup<'_>,
    variable: &'static str,
    value: &mut String,
) -> Result<(), ConfigError> {
    if let Some(text) = lookup(variable) {
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let expected = "one or more characters without white space and control characters";
            return Err(ConfigError::new(variable, expected, &text));
        }
        *value = text;
    }
    Ok(())
}

/// Checks the name of a table (AWS: "Naming rules").
///
/// # Errors
/// [`ConfigError`], with the setting's name, if DynamoDB doesn't accept the name.
pub fn table_name(setting: &'static str, name: &str) -> Result<String, ConfigError> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if (3..=255).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(name.to_owned());
    }
    let expected =
        "the name of a table: 3 to 255 characters, each a letter a-z or A-Z, a digit, or one of _ - .";
    Err(ConfigError::new(setting, expected, name))
}

/// Checks the URL of a DynamoDB endpoint.
///
/// # Errors
/// [`ConfigError`], with the setting's name, if requests can't be sent to this URL. It doesn't quote a URL with
/// credentials.
pub fn endpoint(setting: &'static str, text: &str) -> Result<String, ConfigError> {
    const EXPECTED: &str = "an http or https URL without a query, such as http://127.0.0.1:8000";
    if text.contains('@') {
        return Err(ConfigError::secret(setting, EXPECTED));
    }
    let refused = || ConfigError::new(setting, EXPECTED, text);
    // The parser would ignore white space around a URL and line breaks in it.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(refused());
    }
    let url = Url::parse(text).map_err(|_| refused())?;
    // The parser accepts `http:host` and `http:/host`, which an HTTP client doesn't.
    let has_slashes = text
        .get(url.scheme().len()..)
        .is_some_and(|rest| rest.starts_with("://"));
    let has_query = url.query().is_some() || url.fragment().is_some();
    if ["http", "https"].contains(&url.scheme()) && has_slashes && !has_query && url.port() != Some(0) {
        Ok(text.to_owned())
    } else {
        Err(refused())
    }
}

/// Parses origins that are separated by commas. White space around an origin is ignored.
pub(super) fn origins(variable: &'static str, text: &str) -> Result<Vec<String>, ConfigError> {
    let text = text.trim();
    let origins: Vec<&str> = match text {
        "" => Vec::new(),
        text => text.split(',').map(str::trim).collect(),
    };
    if origins != ["*"] {
        for origin in &origins {
            if *origin == "*" {
                let expected = "* alone, or a list of origins without *";
                return Err(ConfigError::new(variable, expected, text));
            }
            check_origin(variable, origin)?;
        }
    }
    Ok(origins.into_iter().map(str::to_owned).collect())
}

/// Checks that a text is an origin as a browser sends it (RFC 6454 §6.2). Another spelling of it would never match.
fn check_origin(variable: &'static str, text: &str) -> Result<(), ConfigError> {
    const EXPECTED: &str = "* or a list of origins separated by commas, each with scheme and host, without a path or a \
                            slash at its end, such as https://example.com";
    if text.contains('@') {
        return Err(ConfigError::secret(variable, EXPECTED));
    }
    let refused = || ConfigError::new(variable, EXPECTED, text);
    let url = Url::parse(text).map_err(|_| refused())?;
    let host = url
        .host_str()
        .filter(|host| !host.is_empty() && !host.contains('*'));
    let sent = match (host, url.port()) {
        (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
        (Some(host), None) => format!("{}://{host}", url.scheme()),
        (None, _) => return Err(refused()),
    };
    if sent == text {
        return Ok(());
    }
    // What is left are a path, query or fragment, and other spellings of the same origin: capitals, a port that is the
    // scheme's own, a domain name that isn't in ASCII.
    let is_bare = ["", "/"].contains(&url.path()) && url.query().is_none() && url.fragment().is_none();
    if is_bare && !text.ends_with('/') {
        let expected = format!("a list of origins as browsers send them ({sent})");
        return Err(ConfigError::new(variable, expected, text));
    }
    Err(refused())
}

/// Returns a public URL in its normal form: without a slash at its end, and with the host in lower case.
pub(super) fn public_url(variable: &'static str, text: &str) -> Result<String, ConfigError> {
    const EXPECTED: &str =
        "an http or https URL of a scheme, a host and at most a port, such as https://api.example.com";
    if text.contains('@') {
        return Err(ConfigError::secret(variable, EXPECTED));
    }
    let refused = || ConfigError::new(variable, EXPECTED, text);
    let url = Url::parse(text).map_err(|_| refused())?;
    let host = url.host_str().ok_or_else(refused)?;
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let origin = format!("{}://{host}{port}", url.scheme());
    // Anything else in the text, such as a path, is an error. The scheme's own port may be written.
    let bare = text.strip_suffix('/').unwrap_or(text).to_lowercase();
    let own_port = if url.scheme() == "https" { ":443" } else { ":80" };
    let is_bare = bare == origin || (url.port().is_none() && bare == format!("{origin}{own_port}"));
    if ["http", "https"].contains(&url.scheme()) && is_bare && url.port() != Some(0) {
        Ok(origin)
    } else {
        Err(refused())
    }
}

/// Checks the namespace of metrics (AWS: CloudWatch, PutMetricData; namespaces that begin with `AWS/` are those of AWS).
pub(super) fn namespace(variable: &'static str, text: &str) -> Result<String, ConfigError> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_/#:".contains(&b);
    let is_good = (1..=255).contains(&text.len())
        && text.bytes().all(is_allowed)
        && !text.starts_with([':', '/'])
        && !text.starts_with("AWS/");
    let expected =
        "1 to 255 letters, digits and characters of .-_/#:, which begin with neither : nor / nor AWS/";
    is_good
        .then(|| text.to_owned())
        .ok_or_else(|| ConfigError::new(variable, expected, text))
}

/// Parses the email address of a sender.
pub(super) fn email(variable: &'static str, text: &str) -> Result<Email, ConfigError> {
    // A sender is written into headers and policies, so nothing is trimmed and every character is plain.
    let parsed = Email::parse(text)
        .ok()
        .filter(|email| email.as_str() == text && text.is_ascii());
    let expected = "an email address in ASCII without a name, such as movies@example.com";
    parsed.ok_or_else(|| ConfigError::new(variable, expected, text))
}

/// Checks the key that CloudFront sends in a header. The error doesn't quote it.
pub(super) fn edge_key(variable: &'static str, key: String) -> Result<Secret, ConfigError> {
    let is_trimmed = key.trim() == key;
    if is_trimmed && key.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return Ok(Secret::new(key));
    }
    let expected = "ASCII characters without control characters and without white space at its ends";
    Err(ConfigError::secret(variable, expected))
}
