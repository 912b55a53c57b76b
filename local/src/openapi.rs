//! The OpenAPI document of the whole API, merged from the documents of the functions.

use std::fmt;

use marquee_shared::http::openapi;
use serde_json::Value;
use utoipa::openapi::{
    Info, License, OpenApi, RefOr, Schema, Server,
    path::{Operation, Parameter},
    schema::ArrayItems,
    tag::TagBuilder,
};

/// The error for two functions that define one name differently. A merge would silently keep the first definition.
#[derive(Debug, PartialEq, Eq)]
pub struct Clash {
    /// Where the name is defined: `schemas`, `responses` or `paths`.
    pub section: &'static str,
    /// The name.
    pub name: String,
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "two functions define {} in {} differently",
            self.name, self.section
        )
    }
}

impl std::error::Error for Clash {}

/// Returns the OpenAPI document of the whole API.
///
/// # Errors
/// [`Clash`] if two functions define one name differently.
pub fn document() -> Result<OpenApi, Clash> {
    merge([
        marquee_auth::openapi(),
        marquee_movies::openapi(),
        marquee_covers::openapi(),
        marquee_users::openapi(),
        marquee_docs::openapi(),
    ])
}

/// The introduction of the document.
const DESCRIPTION: &str = "\
A movie catalog. Anyone can list and search movies. Registered users can also add movies, and keep favorites. Counts are \
exact.

- Every path is answered with and without its trailing slash. `HEAD` is answered wherever `GET` is.
- Send an access token as `Authorization: Bearer …`. An invalid or expired token is `401`, even where no token is required.
- An error is a problem document (RFC 9457): `code` is for programs, `detail` for people. `errors` has a list of messages for \
each invalid field.
- A long list is returned in pages. Follow `next` until it is null.
- An answer to a `GET` has an `ETag`. Send it in `If-None-Match` to be told with `304` that nothing has changed, and in `If-Match` to \
edit a movie only if nobody else has edited it.
- Bodies of 1 KiB and more are compressed with gzip for clients that accept it.
- A query parameter that an operation does not list is `400`, and so is a parameter that is given twice.";

fn merge(parts: impl IntoIterator<Item = OpenApi>) -> Result<OpenApi, Clash> {
    let mut info = Info::new("Marquee", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.into());
    let mut license = License::new("Apache-2.0 OR MIT");
    license.identifier = Some("Apache-2.0 OR MIT".into());
    info.license = Some(license);
    let mut whole = OpenApi::new(info, utoipa::openapi::Paths::new());
    whole.servers = Some(vec![Server::new("/")]);
    for part in parts {
        check(&whole, &part)?;
        whole.merge(part);
    }
    whole.tags = Some(
        [
            ("auth", "Register, sign in and out, refresh a session."),
            ("movies", "The movies of the catalog, the search and the lists."),
            (
                "favorites",
                "The movies that the current user has added to their favorites.",
            ),
            ("users", "All users, and the current user."),
            ("docs", "This document, and the health of the API."),
        ]
        .map(|(name, description)| {
            TagBuilder::new()
                .name(name)
                .description(Some(description))
                .build()
        })
        .into(),
    );
    join_lines(&mut whole);
    spell_out_white_space(&mut whole);
    Ok(whole)
}

/// Joins the lines of each paragraph in the descriptions that come from doc comments of several lines.
fn join_lines(api: &mut OpenApi) {
    for item in api.paths.paths.values_mut() {
        for operation in openapi::operations(item) {
            join_lines_of(operation.description.as_mut());
            for parameter in parameters(operation) {
                join_lines_of(parameter.description.as_mut());
            }
        }
    }
    for_each_schema(api, &|schema| match schema {
        RefOr::Ref(reference) => join_lines_of(Some(&mut reference.description)),
        RefOr::T(Schema::Object(object)) => join_lines_of(object.description.as_mut()),
        RefOr::T(Schema::Array(array)) => join_lines_of(array.description.as_mut()),
        RefOr::T(Schema::OneOf(one)) => join_lines_of(one.description.as_mut()),
        RefOr::T(Schema::AllOf(all)) => join_lines_of(all.description.as_mut()),
        RefOr::T(_) => {}
    });
}

fn join_lines_of(text: Option<&mut String>) {
    let Some(text) = text else {
        return;
    };
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect();
    *text = paragraphs.join("\n\n");
}

/// The characters with Unicode's property `White_Space`, for a class of a regular expression: those that
/// [`char::is_whitespace`] knows.
const WHITE_SPACE: &str = r"\u0009-\u000d \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// Replaces `\s` and `\S` in patterns by what the service takes for white space. Dialects differ: ECMA 262 counts U+FEFF and
/// not U+0085, Python counts U+001C to U+001F too.
fn spell_out_white_space(api: &mut OpenApi) {
    for_each_schema(api, &|schema| {
        if let RefOr::T(Schema::Object(object)) = schema
            && let Some(pattern) = &mut object.pattern
        {
            *pattern = with_white_space(pattern);
        }
    });
}

fn with_white_space(pattern: &str) -> String {
    let (mut spelled, mut is_in_class) = (String::new(), false);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            is_in_class = c == '[' || (is_in_class && c != ']');
            spelled.push(c);
            continue;
        }
        match chars.next() {
            Some('s') if is_in_class => spelled += WHITE_SPACE,
            Some('s') => spelled += &format!("[{WHITE_SPACE}]"),
            Some('S') if !is_in_class => spelled += &format!("[^{WHITE_SPACE}]"),
            escaped => spelled.extend([c].into_iter().chain(escaped)),
        }
    }
    spelled
}

/// Calls `change` with each schema of the components and parameters, and with the schemas in it.
fn for_each_schema(api: &mut OpenApi, change: &impl Fn(&mut RefOr<Schema>)) {
    let components = api.components.iter_mut().flat_map(|all| all.schemas.values_mut());
    components.for_each(|schema| for_each_schema_in(schema, change));
    for operation in api.paths.paths.values_mut().flat_map(openapi::operations) {
        for schema in parameters(operation).filter_map(|parameter| parameter.schema.as_mut()) {
            for_each_schema_in(schema, change);
        }
    }
}

fn for_each_schema_in(schema: &mut RefOr<Schema>, change: &impl Fn(&mut RefOr<Schema>)) {
    change(schema);
    match schema {
        RefOr::T(Schema::Object(object)) => {
            for property in object.properties.values_mut() {
                for_each_schema_in(property, change);
            }
        }
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                for_each_schema_in(items, change);
            }
        }
        RefOr::T(Schema::OneOf(one)) => one
            .items
            .iter_mut()
            .for_each(|item| for_each_schema_in(item, change)),
        RefOr::T(Schema::AllOf(all)) => all
            .items
            .iter_mut()
            .for_each(|item| for_each_schema_in(item, change)),
        RefOr::Ref(_) | RefOr::T(_) => {}
    }
}

/// Returns the parameters of an operation that aren't references.
fn parameters(operation: &mut Operation) -> impl Iterator<Item = &mut Parameter> {
    let all = operation.parameters.iter_mut().flatten();
    all.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    })
}

/// Checks that `part` defines no name differently than `whole`.
fn check(whole: &OpenApi, part: &OpenApi) -> Result<(), Clash> {
    let json = |api: &OpenApi| serde_json::to_value(api).unwrap_or_default();
    let (whole, part) = (json(whole), json(part));
    for (section, pointer) in [
        ("schemas", "/components/schemas"),
        ("responses", "/components/responses"),
        ("paths", "/paths"),
    ] {
        let entries = |api: &Value| api.pointer(pointer).and_then(Value::as_object).cloned();
        let theirs = entries(&whole).unwrap_or_default();
        for (name, own) in entries(&part).unwrap_or_default() {
            if theirs.get(&name).is_some_and(|other| *other != own) {
                return Err(Clash { section, name });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use regex_lite::Regex;
    use utoipa::openapi::{ComponentsBuilder, ObjectBuilder, OpenApiBuilder};

    use super::*;

    #[test]
    fn one_name_for_two_things_is_refused() {
        let part = |description: &str| {
            let schema = ObjectBuilder::new().description(Some(description)).build();
            let components = ComponentsBuilder::new().schema("Thing", schema).build();
            OpenApiBuilder::new().components(Some(components)).build()
        };
        assert!(merge([part("one"), part("one")]).is_ok());
        let clash = merge([part("one"), part("another")]).err().unwrap();
        assert_eq!((clash.section, clash.name.as_str()), ("schemas", "Thing"));
    }

    #[test]
    fn white_space_in_patterns_is_what_the_service_trims() {
        let class = Regex::new(&with_white_space(r"^\s$")).unwrap();
        for c in '\0'..=char::MAX {
            assert_eq!(
                class.is_match(c.encode_utf8(&mut [0; 4])),
                c.is_whitespace(),
                "{c:?}"
            );
        }
        assert_eq!(
            with_white_space(r"^\S[^,\s\]]\s\d$"),
            format!(r"^[^{WHITE_SPACE}][^,{WHITE_SPACE}\]][{WHITE_SPACE}]\d$")
        );
        let whole = document().unwrap().to_json().unwrap();
        assert!(whole.contains(r"\\u3000") && !whole.contains(r"\\s") && !whole.contains(r"\\S"));
    }
}
