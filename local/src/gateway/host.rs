//! The host that a request is addressed to.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
};

use http::{Uri, Version, header::HOST, request::Parts, uri::Authority};
use url::Url;

use super::answer::Refusal;

/// The server's own address on a connection, for requests that name no host. An extension of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalAddr(pub(super) SocketAddr);

/// A host with an optional port, checked so that a function can build a URL of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    authority: String,
    name: String,
    port: Option<u16>,
}

/// A text that isn't a host with an optional port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHost;

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a host with an optional port")
    }
}

impl std::error::Error for InvalidHost {}

impl Host {
    /// Checks the value of a `Host` header: `example.com`, `127.0.0.1:3000`, `[::1]:3000`.
    ///
    /// `lambda_http` builds the URL of each request from this header and panics when that fails. On AWS the gateway
    /// accepts only requests to its own domains; this check replaces that.
    ///
    /// # Errors
    /// [`InvalidHost`] if no URL can be built with this host, or when the URL would have another path.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        let authority: Authority = text.parse().map_err(|_| InvalidHost)?;
        if authority.as_str().contains('@') {
            return Err(InvalidHost);
        }
        if !is_this_machine(&authority) {
            // The same steps as in lambda_http.
            let url = Url::parse(&format!("http://{authority}/")).map_err(|_| InvalidHost)?;
            if url.path() != "/" || url.as_str().parse::<Uri>().is_err() {
                return Err(InvalidHost);
            }
        }
        Ok(Self {
            name: authority.host().to_owned(),
            port: authority.port_u16(),
            authority: text.to_owned(),
        })
    }

    /// The host and port as the client sent them.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host without the port.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The port, if the client sent one.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }
}

/// Whether this is `localhost` or an IPv4 address with an optional port, as in most requests to this machine. A URL can be built
/// of each of them.
fn is_this_machine(authority: &Authority) -> bool {
    let host = authority.host();
    let has_valid_port = authority.as_str().len() == host.len() || authority.port_u16().is_some();
    has_valid_port && (host == "localhost" || host.parse::<Ipv4Addr>().is_ok())
}

/// Returns the host that a request is addressed to: the one in its target, else the one in its `Host` header. HTTP/1.1
/// requires the header even when the target has a host (RFC 9112 §3.2). An HTTP/1.0 request may have neither; its
/// host is then the address that the client connected to.
pub(super) fn host_of(parts: &Parts) -> Result<Host, Refusal> {
    const BAD_HOST: Refusal =
        Refusal::Malformed("The Host header must be one host name or address with an optional port.");
    let mut given = parts.headers.get_all(HOST).iter();
    let first = given.next();
    if given.next().is_some() || (first.is_none() && parts.version >= Version::HTTP_11) {
        return Err(BAD_HOST);
    }
    let first = match first {
        Some(value) => Some(value.to_str().map_err(|_| BAD_HOST)?.trim()),
        None => None,
    };
    if let Some(text) = parts.uri.authority().map(Authority::as_str).or(first) {
        return Host::parse(text).map_err(|_| BAD_HOST);
    }
    let own = parts
        .extensions
        .get()
        .map_or_else(|| "localhost".to_owned(), |LocalAddr(addr)| addr.to_string());
    Host::parse(&own).map_err(|_| BAD_HOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_a_url_can_be_built_from() {
        for good in [
            "localhost",
            "localhost:3000",
            "127.0.0.1",
            "127.0.0.1:3000",
            "[::1]:3000",
            "movies.example.",
            "a_b",
            "xn--bcher-kva.example:80",
        ] {
            assert_eq!(Host::parse(good).unwrap().authority(), good);
        }
        for bad in [
            "",
            " ",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "user@host",
            "host:port",
            "host:99999",
            "localhost:99999",
            "127.0.0.1:x",
            "::1",
            "[::1",
            "[]",
            "256.1.1.1",
            "1.2.3.4.5",
            "xn--a.example",
            "%00",
            "ex%2fample",
            ":3000",
            "<script>",
        ] {
            assert_eq!(Host::parse(bad), Err(InvalidHost), "{bad:?}");
        }
    }
}
