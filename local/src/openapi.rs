//! The API's description as a whole, merged from the functions' own.

use std::fmt;

use serde_json::Value;
use utoipa::openapi::{Info, License, OpenApi, Server, tag::TagBuilder};

/// Two functions that mean different things by one name. Merging would keep the first in silence.
#[derive(Debug, PartialEq, Eq)]
pub struct Clash {
    /// Where the name stands: `schemas`, `responses` or `paths`.
    pub section: &'static str,
    /// The name.
    pub name: String,
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "two functions mean different things by {} in {}",
            self.name, self.section
        )
    }
}

impl std::error::Error for Clash {}

/// The API's description.
///
/// # Errors
/// [`Clash`] when two functions mean different things by one name.
pub fn document() -> Result<OpenApi, Clash> {
    merge([
        marquee_auth::openapi(),
        marquee_movies::openapi(),
        marquee_users::openapi(),
        marquee_docs::openapi(),
    ])
}

fn merge(parts: impl IntoIterator<Item = OpenApi>) -> Result<OpenApi, Clash> {
    let mut info = Info::new("Marquee", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "A movie catalog: accounts, movies anyone can browse and search, and favorites that are counted exactly. \
         Every path answers with and without its trailing slash."
            .into(),
    );
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
            ("auth", "Registering, signing in and staying signed in."),
            (
                "movies",
                "The catalog: movies, search, and the lists people open first.",
            ),
            ("favorites", "A caller's favorites."),
            ("users", "Users."),
            ("docs", "This description."),
        ]
        .map(|(name, description)| {
            TagBuilder::new()
                .name(name)
                .description(Some(description))
                .build()
        })
        .into(),
    );
    Ok(whole)
}

/// Whether nothing in `part` has a name that `whole` uses for something else.
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
#[allow(clippy::unwrap_used)]
mod tests {
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
}
