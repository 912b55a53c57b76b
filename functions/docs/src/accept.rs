//! What a client wants to see: the header `Accept` (RFC 9110 §12.5.1).

use axum::http::{HeaderMap, header};
use marquee_shared::http::weight::weight;

/// How much a client wants a media type.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
struct Wish {
    /// The weight, from 0 (not at all) to 1.
    weight: f32,
    /// How exactly the client named the type: 0 by `*/*`, 1 by `text/*`, 2 by its name.
    exactness: u8,
}

impl Wish {
    /// Returns the wish for the type `kind`, such as `text/html`. The most exact range of the header counts. Without the
    /// header every type is acceptable.
    fn of(headers: &HeaderMap, kind: &str) -> Self {
        let mut wish: Option<Self> = None;
        let values = headers.get_all(header::ACCEPT).iter();
        let ranges = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
        let mut is_empty = true;
        for range in ranges {
            let mut parts = range.split(';').map(str::trim);
            let named = parts.next().unwrap_or_default().to_ascii_lowercase();
            is_empty &= named.is_empty();
            let exactness = match named.strip_suffix('*') {
                Some("*/") => 0,
                Some(group) if group.len() > 1 && group.ends_with('/') && kind.starts_with(group) => 1,
                None if named == kind => 2,
                _ => continue,
            };
            let found = Self {
                // A weight that is none, such as 2, counts as 0.
                weight: Some(parts.find_map(weight).unwrap_or(1.0))
                    .filter(|weight| (0.0..=1.0).contains(weight))
                    .unwrap_or(0.0),
                exactness,
            };
            if wish.is_none_or(|known| known.exactness < found.exactness) {
                wish = Some(found);
            }
        }
        let anything = Self {
            weight: 1.0,
            exactness: 0,
        };
        wish.unwrap_or(if is_empty { anything } else { Self::default() })
    }
}

/// Returns whether the client wants HTML more than JSON, as browsers do. A client that wants both alike must name HTML more
/// exactly, so `*/*` means JSON.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let html = Wish::of(headers, "text/html");
    html.weight > 0.0 && html > Wish::of(headers, "application/json")
}

/// Returns whether the client accepts HTML at all.
pub(crate) fn accepts_html(headers: &HeaderMap) -> bool {
    Wish::of(headers, "text/html").weight > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_client_that_wants_html_more_than_json_is_a_browser() {
        for values in [
            &["text/html"][..],
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            &["TEXT/HTML; charset=utf-8"],
            &["text/html, */*"],
            &["text/*"],
            &["application/json;q=0.5, text/html;q=0.9"],
            &["application/json;q=0.5", "text/html"],
            &["*/*;q=0.1, text/html;q=0.1"],
            &["text/html;level=1;q=0.7, application/json;q=0.6"],
            &["application/json;q=0, */*"],
        ] {
            assert!(prefers_html(&headers(values)), "{values:?}");
        }
        for values in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/json"],
            &["application/json, text/html"],
            &["application/json, text/html;q=0.9"],
            &["application/json, text/plain, */*"],
            &["text/html;q=0"],
            &["text/html;q=0, */*"],
            &["text/html;q=x"],
            &["text/html;q=2"],
            &["text/htmlx"],
            &["text/plain"],
            &["image/avif,image/webp,*/*;q=0.8"],
            &["*"],
            &["/*"],
        ] {
            assert!(!prefers_html(&headers(values)), "{values:?}");
        }
    }

    #[test]
    fn a_client_accepts_html_unless_its_list_leaves_it_out() {
        for values in [
            &[][..],
            &[""],
            &["*/*"],
            &["text/*;q=0.1"],
            &["application/json, text/html;q=0.1"],
        ] {
            assert!(accepts_html(&headers(values)), "{values:?}");
        }
        for values in [
            &["application/json"][..],
            &["text/html;q=0, */*"],
            &["text/plain"],
        ] {
            assert!(!accepts_html(&headers(values)), "{values:?}");
        }
    }
}
