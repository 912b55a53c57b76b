//! The template's routes lead every documented operation to its function. The tests select routes by API Gateway's rules
//! ("Create routes for HTTP APIs" in its developer guide), in an implementation separate from the local gateway's.

use http::Method;
use marquee::{server::TEMPLATE, template::Template};
use serde_json::Value;

use crate::support::operations::{NO_SESSION, Operation, operations, with_ids};

const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// The path of each group and its function. Every path below a group belongs to its function, even without an
/// operation, so that the function answers `404` and `405`.
const GROUPS: [(&str, &str); 3] = [
    ("/api/auth", "auth"),
    ("/api/movies", "movies"),
    ("/api/users", "users"),
];

/// Paths without a route of their own.
const UNKNOWN: [&str; 9] = [
    "/",
    "/api",
    "/api/",
    "/api/nothing",
    "/api/nothing/",
    "/api/moviesx",
    "/api/moviesx/1/",
    "/movies/",
    "/favicon.ico",
];

/// The operations that reach their own route only under the lenient reading. Under the strict reading, `$default` still
/// leads the last two to their function.
const LENIENT_ONLY: [&str; 5] = [
    "GET /api/movies/",
    "POST /api/movies/",
    "GET /api/users/",
    "GET /api/health/",
    "GET /api/openapi.json/",
];

/// A reading of API Gateway's rules. Reports differ on whether `/x/` is a full match for the route `/x`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reading {
    /// A trailing slash is ignored.
    Lenient,
    /// A trailing slash is significant.
    Strict,
}

/// Returns the key of the route that API Gateway selects: a full match, otherwise a greedy match, otherwise `$default`.
/// Among several, more fixed segments win; among these, a route for the request's method wins over one for any method.
fn selected_route<'a>(keys: &[&'a str], reading: Reading, method: &str, path: &str) -> Option<&'a str> {
    let rank = |key: &str| {
        if key == "$default" {
            return Some((0, 0, false));
        }
        let (own_method, route) = key.split_once(' ')?;
        if own_method != "ANY" && own_method != method {
            return None;
        }
        let route: Vec<&str> = route.split('/').skip(1).collect();
        let mut asked: Vec<&str> = path.split('/').skip(1).collect();
        let is_greedy = route.last()?.ends_with("+}");
        if !is_greedy && reading == Reading::Lenient && asked.len() > 1 && asked.last()?.is_empty() {
            asked.pop();
        }
        // A greedy variable matches one or more segments.
        let fixed = if is_greedy {
            &route[..route.len() - 1]
        } else {
            &route
        };
        let lengths_fit = match is_greedy {
            true => asked.len() > fixed.len() && asked[fixed.len()..].iter().any(|part| !part.is_empty()),
            false => asked.len() == fixed.len(),
        };
        let is_variable = |part: &str| part.starts_with('{');
        let parts_fit = fixed.iter().zip(&asked).all(|(own, part)| {
            if is_variable(own) {
                !part.is_empty()
            } else {
                own == part
            }
        });
        let literals = fixed.iter().filter(|part| !is_variable(part)).count();
        (lengths_fit && parts_fit).then_some((if is_greedy { 1 } else { 2 }, literals, own_method == method))
    };
    let ranked = keys.iter().filter_map(|key| Some((rank(key)?, *key)));
    ranked.max().map(|(_, key)| key)
}

#[test]
fn a_full_match_precedes_a_greedy_match_and_that_precedes_the_default() {
    let guide = [
        "GET /pets/dog/1",
        "GET /pets/dog/{id}",
        "GET /pets/{proxy+}",
        "ANY /{proxy+}",
        "$default",
    ];
    let group = ["ANY /a", "GET /a", "ANY /a/{proxy+}", "$default"];
    for (keys, request, lenient, strict) in [
        // The example in the guide.
        (
            &guide[..],
            "GET /pets/dog/1",
            "GET /pets/dog/1",
            "GET /pets/dog/1",
        ),
        (
            &guide,
            "GET /pets/dog/2",
            "GET /pets/dog/{id}",
            "GET /pets/dog/{id}",
        ),
        (
            &guide,
            "GET /pets/cat/1",
            "GET /pets/{proxy+}",
            "GET /pets/{proxy+}",
        ),
        (&guide, "POST /test/5", "ANY /{proxy+}", "ANY /{proxy+}"),
        (&guide, "GET /", "$default", "$default"),
        // The readings differ only in a trailing slash.
        (&group, "GET /a", "GET /a", "GET /a"),
        (&group, "GET /a/", "GET /a", "$default"),
        (&group, "POST /a/", "ANY /a", "$default"),
        (&group, "POST /a/b", "ANY /a/{proxy+}", "ANY /a/{proxy+}"),
        (&group, "POST /a/b/", "ANY /a/{proxy+}", "ANY /a/{proxy+}"),
        (&group, "GET /A", "$default", "$default"),
        (&group, "GET /ab", "$default", "$default"),
        (&group[1..2], "POST /a", "nothing", "nothing"),
    ] {
        let (method, path) = request.split_once(' ').unwrap();
        for (reading, expected) in [(Reading::Lenient, lenient), (Reading::Strict, strict)] {
            let taken = selected_route(keys, reading, method, path).unwrap_or("nothing");
            assert_eq!(taken, expected, "{request}, {reading:?}");
        }
    }
}

/// Returns the key and the function of every route.
fn routes() -> Vec<(String, String)> {
    let template = Template::parse(TEMPLATE).unwrap();
    let routes = template.routes.iter();
    routes
        .map(|route| (route.key.clone(), route.function.clone()))
        .collect()
}

/// Returns every operation, and the function whose router has it.
fn operations_by_function() -> Vec<(Operation, &'static str)> {
    let documents = [
        ("auth", marquee_auth::openapi()),
        ("movies", marquee_movies::openapi()),
        ("covers", marquee_covers::openapi()),
        ("users", marquee_users::openapi()),
        ("docs", marquee_docs::openapi()),
    ]
    .map(|(name, document)| (name, serde_json::to_value(document).unwrap()));
    let owner = |operation: &Operation| {
        let has_it = |document: &Value| {
            let item = &document["paths"][&operation.path];
            item.get(operation.method.to_lowercase()).is_some()
        };
        let owners = documents.iter().filter(|(_, document)| has_it(document));
        let owners: Vec<&str> = owners.map(|(name, _)| *name).collect();
        assert_eq!(
            owners.len(),
            1,
            "{} is in the routers of {owners:?}",
            operation.id
        );
        owners[0]
    };
    operations()
        .into_iter()
        .map(|operation| {
            let owner = owner(&operation);
            (operation, owner)
        })
        .collect()
}

/// Returns the requests that do not reach the right function or route.
fn misrouted(
    operations_by_function: &[(Operation, &str)],
    routes: &[(String, String)],
    reading: Reading,
) -> Vec<String> {
    let keys: Vec<&str> = routes.iter().map(|(key, _)| key.as_str()).collect();
    let mut misrouted = Vec::new();
    let mut check = |method: &str, path: &str, is_fallback: bool, function: &str| {
        let taken = selected_route(&keys, reading, method, path).unwrap_or("nothing");
        let reached = routes.iter().find(|(key, _)| key == taken);
        let reached = reached.map_or("nothing", |(_, function)| function.as_str());
        if (taken == "$default") != is_fallback || reached != function {
            misrouted.push(format!("{method} {path} reaches {reached} by {taken}"));
        }
    };
    for (operation, owner) in operations_by_function {
        for spelling in operation.spellings() {
            let path = with_ids(&spelling, "1", NO_SESSION);
            let is_lenient_alone = reading == Reading::Strict
                && LENIENT_ONLY.contains(&format!("{} {path}", operation.method).as_str());
            let function = if is_lenient_alone { "docs" } else { owner };
            check(&operation.method, &path, is_lenient_alone, function);
        }
    }
    for method in METHODS {
        for (group, function) in GROUPS {
            check(method, group, false, function);
            check(method, &format!("{group}/nothing"), false, function);
            check(method, &format!("{group}/1/nothing/"), false, function);
        }
        for path in UNKNOWN {
            check(method, path, true, "docs");
        }
    }
    misrouted
}

/// Guarantee 55.
#[test]
fn every_operation_reaches_its_function_with_and_without_a_trailing_slash() {
    for reading in [Reading::Lenient, Reading::Strict] {
        assert_eq!(
            misrouted(&operations_by_function(), &routes(), reading),
            [""; 0],
            "{reading:?}"
        );
    }
    let documented: Vec<String> = operations()
        .iter()
        .flat_map(|operation| {
            operation
                .spellings()
                .map(|path| format!("{} {path}", operation.method))
        })
        .collect();
    for listed in LENIENT_ONLY {
        assert!(
            documented.iter().any(|known| known == listed),
            "{listed} is not documented"
        );
    }
}

/// Guarantee 55.
#[test]
fn a_missing_route_is_noticed() {
    let (operations_by_function, routes) = (operations_by_function(), routes());
    for at in 0..routes.len() {
        let mut routes = routes.clone();
        let (key, _) = routes.remove(at);
        for reading in [Reading::Lenient, Reading::Strict] {
            assert_ne!(
                misrouted(&operations_by_function, &routes, reading),
                [""; 0],
                "without {key}, {reading:?}"
            );
        }
    }
}

/// The local gateway follows the lenient reading.
#[test]
fn the_local_gateway_selects_the_same_routes() {
    let template = Template::parse(TEMPLATE).unwrap();
    let routes = routes();
    let keys: Vec<&str> = routes.iter().map(|(key, _)| key.as_str()).collect();
    let mut paths: Vec<String> = UNKNOWN.map(str::to_owned).to_vec();
    for operation in operations() {
        paths.extend(operation.spellings().map(|path| with_ids(&path, "1", NO_SESSION)));
    }
    for (group, _) in GROUPS {
        paths.extend(["", "/", "/nothing", "/1/nothing/"].map(|rest| format!("{group}{rest}")));
    }
    for path in &paths {
        for method in METHODS {
            let found = template
                .routes
                .resolve(&method.parse::<Method>().unwrap(), path)
                .unwrap();
            assert_eq!(
                Some(found.route.key.as_str()),
                selected_route(&keys, Reading::Lenient, method, path),
                "{method} {path}"
            );
        }
    }
}
