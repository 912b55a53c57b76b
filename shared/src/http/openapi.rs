//! What the OpenAPI documents of all functions have in common.
//!
//! An operation declares its JSON body once, `request_body = NewMovie`, and names the problems that it can answer with,
//! `responses(…, BadRequest, Unauthenticated)`. [`complete`] adds the rest, among it the components that these names refer
//! to.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses, PartialSchema as _, ToSchema as _,
    openapi::{
        Components, Content, ContentBuilder, Object, OpenApi, PathItem, Ref, RefOr, Required, Response,
        ResponseBuilder, Schema, Type,
        header::{Header, HeaderBuilder},
        path::{Operation, ParameterBuilder, ParameterIn},
        request_body::RequestBody,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    error::{Error, FieldErrors},
    http::{
        problem::{MEDIA_TYPE, Problem},
        wire::MovieBody,
    },
};

/// The name of the security scheme: an access token in `Authorization`.
pub const BEARER: &str = "bearer";

/// The request id in the examples.
const EXAMPLE_REQUEST_ID: &str = "5f1c0f5e-6f2b-4f0e-9d0c-3a1f2b4c5d6e";

/// Declares the responses that are problem documents. The example of each is the document of its error.
macro_rules! problems {
    ($($(#[doc = $doc:literal])+ $name:ident => $error:expr;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let status = $error.status().as_str().to_owned();
                    BTreeMap::from([(status, Ref::from_response_name(stringify!($name)).into())])
                }
            }
        )+

        /// Returns every problem response with its name.
        fn problem_responses() -> impl Iterator<Item = (&'static str, Response)> {
            [$((stringify!($name), problem_response(&[$($doc),+], &$error))),+].into_iter()
        }
    };
}

problems! {
    /// The request is malformed, some of its values are missing or invalid, or it has a query parameter that the operation does
    /// not list.
    BadRequest => Error::invalid("password", "This field is required.");
    /// The request has no valid credentials.
    Unauthenticated => Error::TokenExpired;
    /// The caller is signed in, but is not allowed to do this.
    Forbidden => Error::forbidden("Only an admin may name another user.");
    /// The resource does not exist.
    NotFound => Error::not_found("There is no movie with this id.");
    /// This server sends no mail.
    NoMail => Error::NO_MAIL;
    /// A value that must be unique is already in use.
    Conflict => Error::Conflict(FieldErrors::one("username", "This is taken."));
    /// The movie has been edited since the version named in `If-Match`.
    Stale => Error::Stale;
    /// The `Idempotency-Key` was used for another request within 24 hours.
    KeyReused => Error::KeyReused;
    /// The body without its file is larger than 256 KiB, or the file is larger than 4 MB (4,000,000 bytes).
    TooLarge => Error::TooLarge;
    /// The image is larger than 4 MB (4,000,000 bytes).
    ImageTooLarge => Error::ImageTooLarge;
    /// The file is not an image of a supported type, or its content encoding is not `identity`.
    UnsupportedImage => Error::UnsupportedImage;
    /// The media type of the body is not supported, or its content encoding is not `identity`.
    UnsupportedMediaType => Error::UnsupportedMediaType;
    /// There were too many attempts. `Retry-After` says when the next one is allowed.
    TooManyRequests => Error::TooManyRequests { retry_after: 30 };
    /// The database did not answer in time. `Retry-After` says when to try again. A requested change may still have been made:
    /// read the resource before repeating a request that must not be repeated, or repeat it with its `Idempotency-Key`.
    Unavailable => Error::unavailable("");
}

fn problem_response(doc: &[&str], error: &Error) -> Response {
    let mut example = error.problem();
    example.request_id = EXAMPLE_REQUEST_ID.into();
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Problem::name())))
        .example(serde_json::to_value(example).ok())
        .build();
    let mut response = ResponseBuilder::new()
        .description(doc.concat().trim())
        .content(MEDIA_TYPE, body);
    match error.status().as_u16() {
        401 => {
            let challenge = header(
                Type::String,
                "The challenge: the resource requires an access token.",
            );
            response = response.header("www-authenticate", challenge);
        }
        429 | 503 => {
            let seconds = header(Type::Integer, "The seconds to wait before trying again.");
            response = response.header("retry-after", seconds);
        }
        _ => {}
    }
    response.build()
}

/// Completes a function's document with what every function's has in common:
///
/// - the problem responses with their schema, and the [`BEARER`] scheme
/// - the response to an invalid request, which every operation has: none accepts query parameters that it doesn't list
/// - `security` for operations that read no credentials
/// - the forms that a request body may also be sent as
/// - `x-request-id` on every response, `etag` on every movie and on what a `GET` answers, `link` on every page
/// - `If-None-Match` and `304` for every `GET`
/// - the items of collections, by reference
#[must_use]
pub fn complete(mut api: OpenApi) -> OpenApi {
    let components = api.components.get_or_insert_with(Components::new);
    components
        .schemas
        .insert(Problem::name().into_owned(), Problem::schema());
    for (name, response) in problem_responses() {
        components.responses.insert(name.into(), response.into());
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The access token that register, login and refresh return."))
        .build();
    components
        .security_schemes
        .insert(BEARER.into(), SecurityScheme::Http(bearer).into());
    for (name, schema) in &mut components.schemas {
        if let Some(item) = name.strip_prefix("Collection_") {
            refer_to_items(schema, item);
        }
    }

    let pages = pages(components);
    for response in components.responses.values_mut() {
        describe_headers(response, &pages);
    }
    components
        .responses
        .insert(NOT_MODIFIED.into(), not_modified().into());
    for read in api.paths.paths.values_mut().filter_map(|item| item.get.as_mut()) {
        describe_read(read);
    }
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        // An empty list says that no credentials are read. Without the list a reader could not tell.
        operation.security.get_or_insert_default();
        operation.responses.responses.extend(BadRequest::responses());
        if let Some(RefOr::T(body)) = &mut operation.request_body
            && body.content.contains_key("application/json")
        {
            describe_forms(body);
        }
        for response in operation.responses.responses.values_mut() {
            describe_headers(response, &pages);
        }
    }
    api
}

/// Describes what every `GET` has: `If-None-Match`, the tag of its answer, and `304`.
fn describe_read(operation: &mut Operation) {
    let text = Object::with_type(Type::String);
    let parameter = ParameterBuilder::new()
        .name("if-none-match")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .schema(Some(text))
        .description(Some(
            "The `ETag` of an earlier answer, a list of several, or `*`. If the answer has one of them, it is `304` without a \
             body (RFC 9110 §13.1.2).",
        ))
        .build();
    operation
        .parameters
        .get_or_insert_default()
        .push(RefOr::T(parameter));
    let not_modified = Ref::from_response_name(NOT_MODIFIED);
    let responses = &mut operation.responses.responses;
    responses.insert("304".into(), not_modified.into());
    if let Some(RefOr::T(answer)) = responses.get_mut("200") {
        answer.headers.insert(
            "etag".into(),
            header(Type::String, "The tag of this answer, for `If-None-Match`.").into(),
        );
    }
}

/// The name of the `304` response.
const NOT_MODIFIED: &str = "NotModified";

fn not_modified() -> Response {
    let mut response: RefOr<Response> = ResponseBuilder::new()
        .description("The answer has not changed since the one that `If-None-Match` names.")
        .header("etag", header(Type::String, "The tag of the answer."))
        .build()
        .into();
    describe_headers(&mut response, &[]);
    match response {
        RefOr::T(response) => response,
        RefOr::Ref(_) => Response::default(),
    }
}

/// Returns references to the schemas of pages, which have the URL of a next one.
fn pages(components: &Components) -> Vec<RefOr<Schema>> {
    let is_page = |schema: &RefOr<Schema>| matches!(schema, RefOr::T(Schema::Object(object)) if object.properties.contains_key("next"));
    let schemas = components.schemas.iter();
    schemas
        .filter(|(_, schema)| is_page(schema))
        .map(|(name, _)| RefOr::Ref(Ref::from_schema_name(name)))
        .collect()
}

/// Describes the forms as which a JSON body may also be sent. They are not declared as media types: generators of clients
/// do not expect one schema in several of them.
fn describe_forms(body: &mut RequestBody) {
    let forms = "Also accepted as `application/x-www-form-urlencoded` or `multipart/form-data`, with the same fields.";
    body.description = Some(match body.description.take() {
        Some(description) => format!("{description} {forms}"),
        None => forms.to_owned(),
    });
}

/// Describes the headers of a response: `x-request-id`, `etag` if its body is a movie, and `link` if it is one of `pages`.
fn describe_headers(response: &mut RefOr<Response>, pages: &[RefOr<Schema>]) {
    let RefOr::T(response) = response else {
        return;
    };
    let id = header(Type::String, "The id of the request, by which the log names it.");
    response.headers.insert("x-request-id".into(), id.into());
    let movie = RefOr::Ref(Ref::from_schema_name(MovieBody::name()));
    let has_schema = |wanted: &RefOr<Schema>| {
        let is_wanted = |content: &RefOr<Content>| matches!(content, RefOr::T(body) if body.schema.as_ref() == Some(wanted));
        response.content.values().any(is_wanted)
    };
    let (is_movie, is_page) = (has_schema(&movie), pages.iter().any(has_schema));
    if is_movie {
        let etag = header(
            Type::String,
            "The tag of the movie as the caller sees it. For `If-Match` only the id and the version in it count, which do not change \
             with favorites.",
        );
        response.headers.insert("etag".into(), etag.into());
    }
    if is_page {
        let link = header(
            Type::String,
            "The URLs of the next and the previous page (RFC 8288), with `rel=\"next\"` and `rel=\"prev\"`. A URL with which the \
             header would be longer than 3 KiB is left out.",
        );
        response.headers.insert("link".into(), link.into());
    }
}

/// Replaces the item's schema in a collection by a reference. The derive macro writes the whole schema there, because the
/// item is a type parameter, and a generated client would have two types of one thing.
fn refer_to_items(collection: &mut RefOr<Schema>, item: &str) {
    if let RefOr::T(Schema::Object(object)) = collection
        && let Some(RefOr::T(Schema::Array(results))) = object.properties.get_mut("results")
    {
        results.items = Ref::from_schema_name(item).into();
    }
}

/// Returns the operations of a path.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .flatten()
}

fn header(kind: Type, description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(Object::with_type(kind)))
        .description(Some(description))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operation_refers_to_is_in_the_components() {
        let api = serde_json::to_value(complete(OpenApi::default())).unwrap();
        let reference = serde_json::to_value(&BadRequest::responses()["400"]).unwrap();
        let pointer = reference["$ref"].as_str().unwrap().trim_start_matches('#');
        let response = api.pointer(pointer).unwrap();
        assert!(response["headers"]["x-request-id"].is_object());
        let schema = &response["content"][MEDIA_TYPE]["schema"]["$ref"];
        let pointer = schema.as_str().unwrap().trim_start_matches('#');
        assert_eq!(api.pointer(pointer).unwrap()["type"], "object");
    }
}
