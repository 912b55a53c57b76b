//! Validators: the entity tags of answers (RFC 9110 §8.8.3), and the preconditions that name them (§13.1).
//!
//! * A movie's tag is strong: `"<id>.<version>-<digest of the body>"`. The digest changes with everything that the answer shows,
//!   such as the number of favorites. The version changes only with edits, so [`Preconditions`] compares only the id and the version.
//! * The tag of every other JSON answer is weak, and is a digest of the body.
//! * A compressed answer has another strong tag than the plain one: `compressed_tag`. Both are known wherever a client sends
//!   one.
//!
//! The crate `headers` parses entity tags. Lists of them are split here, because its typed `If-Match` and `If-None-Match` show no
//! tag of their lists, and take a malformed list for one that names other tags (docs/adr/0014-validators-and-compression.md).

use axum::extract::{FromRef, FromRequestParts};
use axum_extra::headers::{ETag, Header as _};
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};

use crate::{
    db::movie::MovieView,
    digest::short_sha256_hex,
    domain::MovieId,
    error::{Error, Result},
    http::{origin::Origin, wire::MovieBody},
    state::AppState,
};

/// The number of digits of the digest in a tag.
const DIGEST_LENGTH: usize = 32;

/// What the tag of a compressed answer ends with.
const COMPRESSED: &str = "-gzip";

/// Returns the strong tag of a movie of this version, of which this is the body.
#[must_use]
pub fn movie_tag(id: MovieId, version: u64, body: &[u8]) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("\"{}-{}\"", edition(id, version), short_sha256_hex(body))).ok()
}

/// What all tags of a version of a movie begin with.
fn edition(id: MovieId, version: u64) -> String {
    format!("{id}.{version}")
}

/// Returns whether a text can be the digest of a body, as it was or compressed.
fn is_digest(text: &[u8]) -> bool {
    let digest = text.strip_suffix(COMPRESSED.as_bytes()).unwrap_or(text);
    digest.len() == DIGEST_LENGTH
        && digest
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns the weak tag of any other body.
#[must_use]
pub fn body_tag(body: &[u8]) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("W/\"{}\"", short_sha256_hex(body))).ok()
}

/// Returns the tag of an answer with this strong tag after it is compressed. `None` for a weak tag, which both answers share.
pub(crate) fn compressed_tag(tag: &HeaderValue) -> Option<HeaderValue> {
    let text = tag.to_str().ok()?.strip_prefix('"')?.strip_suffix('"')?;
    HeaderValue::try_from(format!("\"{text}{COMPRESSED}\"")).ok()
}

/// Returns the text of a tag between its quotes, without the mark of a weak tag.
fn opaque(tag: &HeaderValue) -> &[u8] {
    let tag = tag.as_bytes();
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    let tag = tag.strip_prefix(b"\"").unwrap_or(tag);
    tag.strip_suffix(b"\"").unwrap_or(tag)
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagList {
    /// `*`: any tag.
    Any,
    /// At least one tag, each as the text between its quotes. A weak tag is taken as its strong twin, because proxies that
    /// compress weaken tags.
    Tags(Vec<Vec<u8>>),
}

impl TagList {
    /// Reads a header. `None` if the request doesn't have it.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the header isn't `*` or a list of entity tags (RFC 9110 §13.1.1).
    pub fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>> {
        let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes).peekable();
        if values.peek().is_none() {
            return Ok(None);
        }
        let values: Vec<&[u8]> = values.collect();
        if let [only] = *values
            && only.trim_ascii() == b"*"
        {
            return Ok(Some(Self::Any));
        }
        let mut tags = Vec::new();
        let all_read = values
            .into_iter()
            .all(|value| read_tags(value, &mut tags).is_some());
        if all_read && !tags.is_empty() {
            Ok(Some(Self::Tags(tags)))
        } else {
            Err(Error::malformed(format!(
                "The header {name} must be * or a list of entity tags, each in double quotes and as an ETag header had it."
            )))
        }
    }

    /// Returns whether the list has this tag, by weak comparison (RFC 9110 §8.8.3.2).
    #[must_use]
    pub fn names(&self, tag: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|own| own == opaque(tag)),
        }
    }

    /// Returns whether the list has a tag of this version of this movie.
    fn names_version(&self, id: MovieId, version: u64) -> bool {
        let edition = edition(id, version);
        let is_of_version = |tag: &Vec<u8>| {
            let rest = tag.strip_prefix(edition.as_bytes());
            rest.and_then(|rest| rest.strip_prefix(b"-"))
                .is_some_and(is_digest)
        };
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(is_of_version),
        }
    }
}

/// Reads a list of entity tags (RFC 9110 §8.8.3) into `tags`. A tag may contain commas. Empty elements of the list are ignored
/// (§5.6.1). `None` if the text is anything else.
fn read_tags(text: &[u8], tags: &mut Vec<Vec<u8>>) -> Option<()> {
    let mut is_in_quotes = false;
    let elements = text.split(|byte| {
        is_in_quotes ^= *byte == b'"';
        *byte == b',' && !is_in_quotes
    });
    for element in elements.map(<[u8]>::trim_ascii) {
        if element.is_empty() {
            continue;
        }
        // `headers` takes a tag with white space, and panics at one where debug assertions are on.
        if element.iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        let tag = HeaderValue::from_bytes(element).ok()?;
        ETag::decode(&mut std::iter::once(&tag)).ok()?;
        tags.push(opaque(&tag).to_owned());
    }
    Some(())
}

/// The preconditions of a request that changes or deletes a movie: `If-Match` and `If-None-Match` (RFC 9110 §13.2.2).
///
/// Rejects with `400` if one of them is malformed.
#[derive(Clone, Debug)]
pub struct Preconditions {
    if_match: Option<TagList>,
    if_none_match: Option<TagList>,
    /// What the URLs in the tagged body begin with.
    origin: Origin,
}

impl Preconditions {
    /// Checks the preconditions for the movie as the caller sees it. `If-Match` holds if it names a tag of this version of the
    /// movie. `If-None-Match` holds if it doesn't name the tag that the caller would get now.
    ///
    /// # Errors
    /// [`Error::Stale`] or [`Error::PreconditionFailed`] if one doesn't hold.
    pub fn check(&self, seen: &MovieView) -> Result<()> {
        let (id, version) = (seen.movie.id, seen.movie.version);
        if self
            .if_match
            .as_ref()
            .is_some_and(|tags| !tags.names_version(id, version))
        {
            return Err(Error::Stale);
        }
        let Some(excluded) = &self.if_none_match else {
            return Ok(());
        };
        let body = serde_json::to_vec(&MovieBody::new(seen.clone(), &self.origin))
            .map_err(|e| Error::internal(format!("a movie can't be serialized: {e}")))?;
        let plain = movie_tag(id, version, &body);
        let compressed = plain.as_ref().and_then(compressed_tag);
        if plain
            .into_iter()
            .chain(compressed)
            .any(|tag| excluded.names(&tag))
        {
            return Err(Error::PreconditionFailed);
        }
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Ok(origin) = Origin::from_request_parts(parts, state).await;
        Ok(Self {
            if_match: TagList::read(&parts.headers, &header::IF_MATCH)?,
            if_none_match: TagList::read(&parts.headers, &header::IF_NONE_MATCH)?,
            origin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Option<TagList> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_MATCH, HeaderValue::from_bytes(value).unwrap());
        }
        TagList::read(&headers, &header::IF_MATCH).unwrap()
    }

    fn is_malformed(values: &[&[u8]]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_MATCH, HeaderValue::from_bytes(value).unwrap());
        }
        matches!(
            TagList::read(&headers, &header::IF_MATCH),
            Err(Error::Malformed(_))
        )
    }

    #[test]
    fn every_list_of_tags_is_read() {
        let tags = |tags: &[&str]| {
            Some(TagList::Tags(
                tags.iter().map(|tag| tag.as_bytes().to_vec()).collect(),
            ))
        };
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[b"*"]), Some(TagList::Any));
        assert_eq!(read(&[b" * "]), Some(TagList::Any));
        assert_eq!(read(&[b"\"\""]), tags(&[""]));
        assert_eq!(read(&[b"\"*\""]), tags(&["*"]));
        assert_eq!(read(&[b"W/\"a\""]), tags(&["a"]));
        assert_eq!(read(&[b"\"a,b\",W/\"c\" ,\t\"d\\\""]), tags(&["a,b", "c", "d\\"]));
        assert_eq!(read(&[b",, \"a\" , ,\"W/\","]), tags(&["a", "W/"]));
        assert_eq!(read(&[b"\"a\"", b"\"b\""]), tags(&["a", "b"]));
        assert_eq!(read(&["\"é\"".as_bytes()]), tags(&["é"]));
    }

    #[test]
    fn everything_else_is_malformed() {
        for text in [
            "",
            " ",
            ",",
            "1",
            "a",
            "\"",
            "\"a",
            "a\"",
            "'a'",
            "w/\"a\"",
            "W\"a\"",
            "W/a",
            "W/ \"a\"",
            "W/",
            "\"a b\"",
            "\"a\tb\"",
            "\"a\"\"b\"",
            "\"a\" \"b\"",
            "\"a\";q=1",
            "*, \"a\"",
            "\"a\", *",
            "**",
            "\"a\", b",
            "\"a\"b",
        ] {
            assert!(is_malformed(&[text.as_bytes()]), "{text:?}");
        }
        assert!(is_malformed(&[b"*", b"*"]));
        assert!(is_malformed(&[b"\"a\"", b"b"]));
    }

    fn id(id: u64) -> MovieId {
        MovieId::try_from(id).unwrap()
    }

    #[test]
    fn every_tag_of_a_version_of_a_movie_holds_and_no_other() {
        let names = |list: &str| read(&[list.as_bytes()]).unwrap().names_version(id(7), 12);
        let tag = |id_and_version: &str| format!("\"{id_and_version}-{}\"", "0a".repeat(16));
        let own = tag("7.12");
        let compressed = format!("{}-gzip\"", own.trim_end_matches('"'));
        for list in [
            "*",
            &own,
            &format!("W/{own}"),
            &compressed,
            &format!("\"x\", {own}"),
        ] {
            assert!(names(list), "{list}");
        }
        for other in [
            "8.12", "7.1", "7.2", "7.120", "7.012", "07.12", "+7.12", "12", "77.12", "",
        ] {
            assert!(!names(&tag(other)), "{other}");
        }
        for list in [
            "\"7.12\"",
            "\"7.12-\"",
            "\"7.12-ab\"",
            "\"12\"",
            "\"\"",
            &own.to_uppercase(),
            &own.replace("a\"", "\""),
            &own.replace("a\"", "a-br\""),
            &compressed.replace("gzip", "gzip-gzip"),
        ] {
            assert!(!names(list), "{list}");
        }
    }

    #[test]
    fn a_tag_is_named_by_its_strong_and_its_weak_form() {
        let strong = movie_tag(id(3), 7, b"{}").unwrap();
        let weak = body_tag(b"{}").unwrap();
        assert!(strong.to_str().unwrap().starts_with("\"3.7-"));
        assert!(weak.to_str().unwrap().starts_with("W/\""));
        for tag in [&strong, &weak] {
            let text = tag.to_str().unwrap().trim_start_matches("W/");
            for list in [
                text.to_owned(),
                format!("W/{text}"),
                format!("\"x\", {text}"),
                "*".to_owned(),
            ] {
                assert!(read(&[list.as_bytes()]).unwrap().names(tag), "{list}");
            }
            assert!(!read(&[b"\"7\""]).unwrap().names(tag));
        }
        let compressed = compressed_tag(&strong).unwrap();
        let plain = strong.to_str().unwrap().trim_end_matches('"');
        assert_eq!(compressed, format!("{plain}-gzip\""));
        assert_eq!(compressed_tag(&weak), None);
        let others = [(id(3), 7, &b"{ }"[..]), (id(3), 8, b"{}"), (id(4), 7, b"{}")];
        for (id, version, body) in others {
            assert_ne!(movie_tag(id, version, body).unwrap(), strong);
        }
    }
}
