//! Query parameters.
//!
//! An operation takes the query parameters that its part of the OpenAPI document lists, and no others. The list is read from
//! the document itself, so the two can't differ. [`operations!`](crate::operations) accepts only handlers whose last argument
//! checks the query: [`Params`], [`CheckedQuery`] or [`Form`](crate::http::Form).

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::FromRequestParts, handler::Handler};
use http::{Uri, request::Parts};

use crate::{
    error::{Error, FieldErrors, Result},
    http::origin::Origin,
};

/// The most parameters that one query may have, including unknown ones.
const MAX_PARAMS: usize = 100;

/// A query parameter of an operation, as the document describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownParam {
    /// The parameter's name.
    pub(crate) name: String,
    /// Whether the parameter may be given more than once.
    pub(crate) repeats: bool,
}

/// The query parameters of the operation that a request is for. The router adds them to each request with a query.
#[derive(Clone, Debug)]
pub(crate) struct KnownParams(pub(crate) Arc<[KnownParam]>);

/// A request's query parameters, decoded. Parameters that the operation doesn't document, and those that are given twice,
/// are errors. They are reported together with the errors of the values, so [`open`](Self::open) returns them.
///
/// Rejects with `400` if the query can't be read.
#[derive(Debug)]
pub struct Params {
    values: ParamValues,
    errors: FieldErrors,
}

impl Params {
    /// Returns the values, and the errors so far. The caller adds those of the values and calls [`FieldErrors::check`].
    #[must_use]
    pub fn open(self) -> (ParamValues, FieldErrors) {
        (self.values, self.errors)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let raw = parts.uri.query().unwrap_or_default();
        // Counted before anything is decoded. Two `&` in a row have no parameter between them.
        if raw.split('&').filter(|pair| !pair.is_empty()).count() > MAX_PARAMS {
            let detail = format!("A query must have at most {MAX_PARAMS} parameters.");
            return Err(Error::malformed(detail));
        }
        if !decodes_to_utf8(raw) {
            return Err(Error::malformed("The query is not valid UTF-8."));
        }
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(raw).map_err(|_| Error::malformed("The query can't be read."))?;
        let known = parts.extensions.get::<KnownParams>();
        let errors = check(&pairs, known.map(|known| &*known.0).unwrap_or_default());
        Ok(Self {
            values: ParamValues {
                pairs,
                uri: parts.uri.clone(),
            },
            errors,
        })
    }
}

/// Returns the errors of parameters that aren't `known`, and of those that are given twice.
fn check(pairs: &[(String, String)], known: &[KnownParam]) -> FieldErrors {
    let mut errors = FieldErrors::default();
    let mut seen = BTreeSet::new();
    let mut reported = BTreeSet::new();
    for (name, _) in pairs {
        let repeated = !seen.insert(name);
        let message = match known.iter().find(|known| known.name == *name) {
            None => unknown(known),
            Some(known) if repeated && !known.repeats => "This parameter may be given only once.".to_owned(),
            Some(_) => continue,
        };
        if reported.insert(name) {
            errors.add(name.clone(), message);
        }
    }
    errors
}

/// Returns the message for an unknown parameter.
fn unknown(known: &[KnownParam]) -> String {
    if known.is_empty() {
        return "Unknown parameter. This operation has no query parameters.".into();
    }
    let mut names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
    names.sort_unstable();
    format!("Unknown parameter. Must be one of {}.", names.join(", "))
}

/// The values of a request's query parameters.
#[derive(Clone, Debug, Default)]
pub struct ParamValues {
    pairs: Vec<(String, String)>,
    uri: Uri,
}

impl ParamValues {
    /// Returns the value of a parameter. If it is given more than once, this is the first value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let pair = self.pairs.iter().find(|(own, _)| own == name);
        pair.map(|(_, value)| value.as_str())
    }

    /// Returns the values of a parameter that may be given more than once.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let pairs = self.pairs.iter().filter(move |(own, _)| own == name);
        pairs.map(|(_, value)| value.as_str())
    }

    /// Returns this request's URL with this `cursor` and all its other parameters. It begins with `public_url`, or else with
    /// the scheme and host of the request.
    #[must_use]
    pub fn url_with_cursor(&self, public_url: Option<&str>, cursor: &str) -> String {
        let mut pairs: Vec<(&str, &str)> = self
            .pairs
            .iter()
            .filter(|(name, _)| *name != "cursor")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        pairs.push(("cursor", cursor));
        // Encoding pairs of strings never fails.
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        let Origin(origin) = Origin::of(public_url, &self.uri);
        format!("{origin}{}?{query}", self.uri.path())
    }
}

/// Rejects a request with `400` if it has a query parameter that the operation doesn't document. Handlers that read neither
/// parameters nor a body have it as their last argument.
#[derive(Clone, Copy, Debug)]
pub struct CheckedQuery;

impl<S: Send + Sync> FromRequestParts<S> for CheckedQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let (_, errors) = Params::from_request_parts(parts, state).await?.open();
        errors.check().map(|()| Self)
    }
}

/// Returns whether `text`, percent-decoded, is UTF-8. The form decoder would replace invalid bytes, and a search would
/// then be for another text than the client sent.
#[must_use]
pub fn decodes_to_utf8(text: &str) -> bool {
    percent_encoding::percent_decode_str(text).decode_utf8().is_ok()
}

/// An extractor that rejects a query with unknown parameters, or reports them to the handler.
pub trait ChecksQuery {}

impl ChecksQuery for Params {}
impl ChecksQuery for CheckedQuery {}

/// The arguments of a handler, as axum writes them. The last one checks the query, after the others have rejected a request
/// with invalid credentials (`401`) or without a resource (`404`).
pub trait LastChecksQuery {}

macro_rules! last_checks_query {
    ($($first:ident)*) => {
        impl<Via, $($first,)* Last: ChecksQuery> LastChecksQuery for (Via, $($first,)* Last) {}
    };
}

last_checks_query! {}
last_checks_query! { A }
last_checks_query! { A B }
last_checks_query! { A B C }
last_checks_query! { A B C D }
last_checks_query! { A B C D E }
last_checks_query! { A B C D E F }

/// Returns `handler`. It compiles only if the handler's last argument checks the query.
pub fn checked<H, T, S>(handler: H) -> H
where
    H: Handler<T, S>,
    T: LastChecksQuery,
{
    handler
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(query: &str) -> serde_json::Value {
        let known = [("genre", true), ("limit", false)].map(|(name, repeats)| KnownParam {
            name: name.into(),
            repeats,
        });
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
        json!(check(&pairs, &known).0)
    }

    #[test]
    fn every_unknown_parameter_is_named_once_with_the_known_ones() {
        let message = json!(["Unknown parameter. Must be one of genre, limit."]);
        for query in [
            "",
            "&&",
            "limit=5",
            "li%6dit=5&genre=a",
            "genre=a&genre=b&g%65nre=c",
        ] {
            assert_eq!(names(query), json!({}), "{query}");
        }
        for (query, name) in [
            ("page=2", "page"),
            ("limit=5&page=2&page=3&pag%65=4", "page"),
            ("page", "page"),
            ("=2", ""),
            ("=", ""),
            ("Limit=5", "Limit"),
            ("limit+=5", "limit "),
            ("limit%5B%5D=5", "limit[]"),
            ("limit%00=5", "limit\0"),
            ("l\u{0131}mit=5", "l\u{0131}mit"),
            ("?limit=5", "?limit"),
            ("limit%3D5", "limit=5"),
        ] {
            assert_eq!(names(query), json!({name: message}), "{query}");
        }
        let all = names("a=1&b=2&A=3&limit=5");
        assert_eq!(all, json!({"a": message, "b": message, "A": message}));
    }

    #[test]
    fn a_parameter_is_given_once_however_its_name_is_encoded() {
        let message = json!({"limit": ["This parameter may be given only once."]});
        for query in [
            "limit=5&limit=5",
            "limit=5&genre=a&li%6Dit=6",
            "limit&limit&limit",
            "%6cimit=&limit=",
        ] {
            assert_eq!(names(query), message, "{query}");
        }
    }

    #[test]
    fn a_link_begins_with_the_public_url_or_with_the_url_of_the_request() {
        let values = |uri: &str| ParamValues {
            pairs: vec![("q".into(), "a&b".into()), ("cursor".into(), "old".into())],
            uri: uri.parse().unwrap(),
        };
        let own = values("http://127.0.0.1:3000/api/movies/?q=a%26b&cursor=old");
        assert_eq!(
            own.url_with_cursor(None, "new"),
            "http://127.0.0.1:3000/api/movies/?q=a%26b&cursor=new"
        );
        let public = Some("https://movies.example:8443");
        for values in [own, values("/api/movies/?q=a%26b&cursor=old")] {
            assert_eq!(
                values.url_with_cursor(public, "new"),
                "https://movies.example:8443/api/movies/?q=a%26b&cursor=new"
            );
        }
    }
}
