//! What the OpenAPI documents of all functions share: the problem responses, the `bearer` scheme, the headers.
//!
//! An operation names the problems it can answer with, `responses(…, BadRequest, Unauthenticated)`, and refers to each
//! in the document's components; [`complete`] puts those there.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses, PartialSchema as _, ToSchema as _,
    openapi::{
        Components, ContentBuilder, Object, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder, Type,
        header::{Header, HeaderBuilder},
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    error::{Error, FieldErrors},
    http::problem::{MEDIA_TYPE, Problem},
};

/// The name of the security scheme: an access token in `Authorization`.
pub const BEARER: &str = "bearer";

/// A request's id in the examples.
const EXAMPLE_REQUEST_ID: &str = "5f1c0f5e-6f2b-4f0e-9d0c-3a1f2b4c5d6e";

/// Declares the responses that are problem documents. The example of each is the document that its error comes to.
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

        /// Every problem response under its name.
        fn problem_responses() -> impl Iterator<Item = (&'static str, Response)> {
            [$((stringify!($name), problem_response(&[$($doc),+], &$error))),+].into_iter()
        }
    };
}

problems! {
    /// The request can't be read, or some of its values are missing or not valid.
    BadRequest => Error::invalid("name", "This field is required.");
    /// No credentials, or none that are valid.
    Unauthenticated => Error::TokenExpired;
    /// The caller is known, but may not do this.
    Forbidden => Error::forbidden("This is for admins.");
    /// There is nothing here.
    NotFound => Error::not_found("There is nothing here.");
    /// A value that must be unique is taken.
    Conflict => Error::Conflict(FieldErrors::one("name", "This is taken."));
    /// The movie has changed since the version named in `If-Match`.
    Stale => Error::Stale;
    /// The body is over 256 KiB.
    TooLarge => Error::TooLarge;
    /// The body is of another media type than the three that are taken.
    UnsupportedMediaType => Error::UnsupportedMediaType;
    /// Too many attempts; `Retry-After` says when the next is taken.
    TooManyRequests => Error::TooManyRequests { retry_after: 30 };
    /// The table can't serve in time; `Retry-After` says when to try again. A change may have been made
    /// all the same, where the table's answer was lost: read before you repeat one that can't be repeated.
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
        .description(doc.join("\n").trim())
        .content(MEDIA_TYPE, body);
    match error.status().as_u16() {
        401 => {
            let challenge = header(Type::String, "Says that an access token is asked for.");
            response = response.header("www-authenticate", challenge);
        }
        429 | 503 => {
            let seconds = header(Type::Integer, "Seconds until it is worth trying again.");
            response = response.header("retry-after", seconds);
        }
        _ => {}
    }
    response.build()
}

/// Completes a function's document with what every one has: the problem responses with their schema, the
/// [`BEARER`] scheme, and `x-request-id` on every response.
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
        .description(Some("The access token of register, login or refresh."))
        .build();
    components
        .security_schemes
        .insert(BEARER.into(), SecurityScheme::Http(bearer).into());

    let shared = components.responses.values_mut();
    let own = api
        .paths
        .paths
        .values_mut()
        .flat_map(operations)
        .flat_map(|operation| operation.responses.responses.values_mut());
    for response in shared.chain(own) {
        if let RefOr::T(response) = response {
            let id = header(Type::String, "The request's id, which finds it in the logs.");
            response.headers.insert("x-request-id".into(), id.into());
        }
    }
    api
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
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
#[allow(clippy::unwrap_used)]
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
