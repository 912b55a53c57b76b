//! The settings in `Cargo.toml` for cargo-lambda, which builds the functions and replaces the gateway in `cargo lambda
//! watch`.

use std::collections::BTreeMap;

use marquee::{server::TEMPLATE, template::Template};

const MANIFEST: &str = include_str!("../Cargo.toml");

/// Returns the keys and values of a table of the manifest.
fn table(name: &str) -> BTreeMap<&'static str, &'static str> {
    let (_, rest) = MANIFEST.split_once(&format!("\n[{name}]\n")).unwrap();
    let lines = rest.lines().take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split_once(" = ")).collect()
}

/// cargo-lambda silently adds settings that the profile lacks. One is `panic = "abort"`, with which a panic would end the
/// process instead of answering one request with `500`.
#[test]
fn the_release_profile_leaves_nothing_for_cargo_lambda_to_add() {
    let profile = table("profile.release");
    assert_eq!(
        profile.keys().copied().collect::<Vec<_>>(),
        ["codegen-units", "lto", "opt-level", "panic", "strip"]
    );
    assert_eq!(profile["panic"], r#""unwind""#);
}

#[test]
fn cargo_lambda_watch_has_exactly_the_templates_routes() {
    let mut expected = BTreeMap::new();
    for route in Template::parse(TEMPLATE).unwrap().routes.iter() {
        assert_eq!(
            route.method, None,
            "{}: the router of cargo-lambda does not distinguish methods",
            route.key
        );
        // The router of cargo-lambda matches a trailing slash literally, and `{*proxy}` is never empty.
        let paths = match (route.path.as_str(), route.path.strip_suffix("{proxy+}")) {
            ("$default", _) => vec!["/".to_owned(), "/{*proxy}".to_owned()],
            (_, Some(prefix)) => vec![format!("{prefix}{{*proxy}}")],
            (path, None) => vec![path.to_owned(), format!("{path}/")],
        };
        let function = format!("{:?}", route.function);
        expected.extend(
            paths
                .into_iter()
                .map(|path| (format!("{path:?}"), function.clone())),
        );
    }
    let router = table("workspace.metadata.lambda.watch.router");
    let router = router
        .iter()
        .map(|(path, function)| ((*path).to_owned(), (*function).to_owned()));
    assert_eq!(router.collect::<BTreeMap<_, _>>(), expected);
}

/// In a parallel build, SAM moves every built binary that it finds, including those of other functions.
#[test]
fn sam_does_not_build_functions_in_parallel() {
    let settings = include_str!("../samconfig.toml");
    assert!(!settings.contains("parallel = true"), "{settings}");
}
