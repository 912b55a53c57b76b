//! The pages and the files that they load: the explorer at `/`, and the reference at `/api/docs/`. All are part of the
//! binary; `build.rs` makes the table of them.

use std::io::Read as _;

use axum::{
    Extension, Router,
    extract::{Path, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use flate2::read::GzDecoder;
use marquee_shared::{Error, domain::MovieId, http::caching::ForEveryone};

use crate::accept::accepts_html;

/// A file that is served.
#[derive(Clone, Copy, Debug)]
struct File {
    /// Its path, without the folder whose name is a digest.
    path: &'static str,
    /// Its media type.
    kind: &'static str,
    /// Its strong tag, a digest of the content.
    tag: &'static str,
    /// Whether `content` is compressed with gzip.
    is_compressed: bool,
    content: &'static [u8],
}

/// Every file, sorted by path within each folder.
const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The folders of files as they are served, and the digest of the files in each.
const FOLDERS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/folders.rs"));

/// Where the reference is.
pub(crate) const REFERENCE_AT: &str = "/api/docs/";

const EXPLORER: &str = "/explorer/index.html";
const REFERENCE: &str = "/api/docs/index.html";

/// The addresses of the explorer, besides `/` and those of a movie.
const VIEWS: [&str; 13] = [
    "/movies/",
    "/movies/new/",
    "/search/",
    "/genres/",
    "/most-liked/",
    "/newest/",
    "/sign-in/",
    "/sign-up/",
    "/forgot-password/",
    "/reset-password/",
    "/me/",
    "/me/favorites/",
    "/me/movies/",
];

/// What the explorer may load and do.
const EXPLORER_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; \
     connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

/// What the reference may load and do. The images of Swagger UI's styles are data URLs.
const REFERENCE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// What a file that isn't a page may do when it is opened by itself.
const FILE_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The headers of every page and file. A page's address may hold a token, which must not leave the page.
const SECURITY: [(HeaderName, HeaderValue); 5] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Returns the routes of the pages, except `/`, which not only browsers ask for. None is an operation of the API.
pub(crate) fn router() -> Router {
    let view = || get(get_view);
    let one_movie = || get(get_movie_view);
    let known = |path: &'static str| -> MethodRouter { get(move |headers| get_file(path, headers)) };
    let router = Router::new()
        .route(REFERENCE_AT, get(get_reference))
        .route("/api/docs/{*file}", get(get_any_file))
        .route("/explorer/{*file}", get(get_any_file))
        .route("/favicon.ico/", known("/explorer/favicon.ico"))
        .route("/favicon.svg/", known("/explorer/favicon.svg"))
        .route("/movies/{id}/", one_movie())
        .route("/movies/{id}/edit/", one_movie());
    VIEWS
        .iter()
        .fold(router, |router, path| router.route(path, view()))
}

/// The explorer's page, for a client that accepts HTML. Every address of it has the same page, which shows what the address
/// says.
pub(crate) fn explorer(headers: &HeaderMap) -> Response {
    page(EXPLORER, EXPLORER_POLICY, headers)
}

async fn get_view(headers: HeaderMap) -> Response {
    let response = if accepts_html(&headers) {
        explorer(&headers)
    } else {
        NO_HTML.into_response()
    };
    varying(response)
}

/// Answers a view with the page only if the id can be one of a movie's. Whether the movie exists is for the page to find out.
async fn get_movie_view(Path(id): Path<String>, headers: HeaderMap) -> Response {
    match MovieId::from_path(&id) {
        Some(_) => get_view(headers).await,
        None => NO_FILE.into_response(),
    }
}

async fn get_reference(headers: HeaderMap) -> Response {
    page(REFERENCE, REFERENCE_POLICY, &headers)
}

async fn get_file(path: &'static str, headers: HeaderMap) -> Response {
    find(path).map_or_else(
        || NO_FILE.into_response(),
        |file| serve(file, &headers, Keep::AfterAsking),
    )
}

/// Answers with the file of this path, with or without the digest of its folder.
async fn get_any_file(headers: HeaderMap, request: Request) -> Response {
    // The layers around the router have appended a slash.
    let path = request.uri().path().trim_end_matches('/');
    let Some((file, keep)) = named(path) else {
        return NO_FILE.into_response();
    };
    serve(file, &headers, keep)
}

/// The error for a path that isn't a page's or a file's.
const NO_FILE: Error = Error::not_found("There is nothing at this path.");

/// The error for a client that doesn't accept a page.
const NO_HTML: Error =
    Error::not_found("This is a page for browsers. The paths of the API begin with /api/.");

/// How long a cache may use a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// As long as it wants. The path has the digest of the files, so it is another one after a change.
    Forever,
    /// After it has asked whether the file is still the same.
    AfterAsking,
}

/// Returns the file of a path below one of the folders.
///
/// During an upgrade a page may ask a newer or an older function for its files. So another digest than this binary's leads to
/// this binary's file too, which caches must not keep under that name.
fn named(path: &str) -> Option<(&'static File, Keep)> {
    let (folder, digest) = FOLDERS.iter().find(|(folder, _)| path.starts_with(folder))?;
    let rest = path.strip_prefix(folder)?;
    let is_digest =
        |name: &str| name.len() == digest.len() && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (rest, keep) = match rest.split_once('/') {
        Some((name, rest)) if name == *digest => (rest, Keep::Forever),
        Some((name, rest)) if is_digest(name) => (rest, Keep::AfterAsking),
        _ => (rest, Keep::AfterAsking),
    };
    // A page is at its own address only, where it has its policy.
    let file = find(&format!("{folder}{rest}")).filter(|file| !file.is_page())?;
    Some((file, keep))
}

fn find(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

impl File {
    fn is_page(&self) -> bool {
        self.kind.starts_with("text/html")
    }

    /// Returns the content as it is when it isn't compressed.
    fn plain(&self) -> std::io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        GzDecoder::new(self.content).read_to_end(&mut plain)?;
        Ok(plain)
    }
}

fn page(path: &str, policy: HeaderValue, headers: &HeaderMap) -> Response {
    let Some(file) = find(path) else {
        return Error::internal("a page is missing in the binary").into_response();
    };
    let mut response = serve(file, headers, Keep::AfterAsking);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// Adds that the answer depends on what the client accepts.
pub(crate) fn varying(mut response: Response) -> Response {
    response.headers_mut().append(header::VARY, header::ACCEPT.into());
    response
}

/// Answers with a file: compressed if the client accepts that, as the layers around the router have found out.
fn serve(file: &File, headers: &HeaderMap, keep: Keep) -> Response {
    let accepts_gzip = headers
        .get(header::ACCEPT_ENCODING)
        .is_some_and(|coding| coding.as_bytes() == b"gzip");
    let body = if file.is_compressed && !accepts_gzip {
        match file.plain() {
            Ok(plain) => plain.into_response(),
            Err(error) => return Error::internal(format!("a file of the binary: {error}")).into_response(),
        }
    } else {
        file.content.into_response()
    };
    let control = match keep {
        Keep::Forever => "public, max-age=31536000, immutable",
        Keep::AfterAsking => "public, no-cache",
    };
    let mut response = (Extension(ForEveryone), SECURITY, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(header::ETAG, HeaderValue::from_static(file.tag));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    headers.insert(header::CONTENT_SECURITY_POLICY, FILE_POLICY);
    if file.is_compressed && accepts_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
