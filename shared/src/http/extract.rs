//! Query parameters and path ids.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use http::{Uri, request::Parts};

use crate::error::{Error, Result};

/// A request's query parameters, decoded; of a repeated one, the last. Parameters nobody reads are ignored.
#[derive(Clone, Debug, Default)]
pub struct Params {
    values: BTreeMap<String, String>,
    uri: Uri,
}

impl Params {
    /// The parameter's text, when it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// This request's URL with `cursor` in place of its own, every other parameter kept.
    #[must_use]
    pub fn url_with_cursor(&self, cursor: &str) -> String {
        let mut pairs: Vec<(&str, &str)> = self
            .values
            .iter()
            .filter(|(name, _)| *name != "cursor")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        pairs.push(("cursor", cursor));
        // Text pairs always encode.
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        let origin = match (self.uri.scheme_str(), self.uri.authority()) {
            (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
            _ => String::new(),
        };
        format!("{origin}{}?{query}", self.uri.path())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let raw = parts.uri.query().unwrap_or_default();
        if !decodes_to_utf8(raw) {
            return Err(Error::Malformed("The query is not valid UTF-8.".into()));
        }
        let values = serde_urlencoded::from_str(raw)
            .map_err(|_| Error::Malformed("The query can't be read.".into()))?;
        Ok(Self {
            values,
            uri: parts.uri.clone(),
        })
    }
}

/// Whether percent-decoded `text` is UTF-8. The form decoder would replace what isn't, and so search for something
/// nobody asked for.
#[must_use]
pub fn decodes_to_utf8(text: &str) -> bool {
    percent_encoding::percent_decode_str(text).decode_utf8().is_ok()
}
