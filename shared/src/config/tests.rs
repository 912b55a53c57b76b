use super::*;

/// Reads the configuration with one variable set.
fn with(variable: &'static str, value: &str) -> Result<Config, ConfigError> {
    Config::from_lookup(|name| (name == variable).then(|| value.to_owned()))
}

/// Every variable with values that work and values that can't.
#[rustfmt::skip]
const VALUES: [(&str, &[&str], &[&str]); VARIABLES.len()] = [
    ("TABLE_NAME", &["marquee", "a.b", "Marquee-2_x"], &["", "ab", "my table", " marquee", "marquee\n", "a/b", "tëst", "*"]),
    (
        "DYNAMODB_ENDPOINT",
        &["", "http://127.0.0.1:8000", "http://localhost:8000/", "https://dynamodb.eu-west-1.amazonaws.com", "http://[::1]:8000", "http://localhost/path"],
        &[
            " ", "localhost:8000", "127.0.0.1:8000", "//localhost", "http://", "http:localhost", "ftp://localhost", "8000",
            "http://localhost:99999", "http://localhost:0", "http://localhost:port", " http://localhost", "http://localhost ",
            "http://local host", "http://localhost?a=b", "http://localhost#a", "http://loc\nalhost",
        ],
    ),
    ("TOKEN_ISSUER", &["marquee", "https://m.example/"], &["", " ", "a b", " a", "a\n", "a\u{7}", "\u{a0}"]),
    ("TOKEN_AUDIENCE", &["marquee-api"], &["", " ", "a b", "a\t", "a\u{0}"]),
    ("ACCESS_TOKEN_SECONDS", &["1", "900", "3153600000"], NO_LIFETIMES),
    ("SESSION_SECONDS", &["1", "2592000", "3153600000"], NO_LIFETIMES),
    (
        "REFRESH_GRACE_SECONDS",
        &["0", "10", "60"],
        &["61", "-1", "", " ", "10s", "1e1", "9223372036854775808"],
    ),
    ("RESET_TOKEN_SECONDS", &["1", "1800", "86400"], &["0", "-1", "86401", "", " ", "30m", "1.5", "9223372036854775808"]),
    (
        "ADDRESS_LIMIT_PER_MINUTE",
        &["0", "60", "4294967295"],
        &["-1", "", " ", " 60", "60 ", "none", "1.5", "4294967296", "99999999999999999999999"],
    ),
    ("LIKES_SHARDS", &["1", "2", "4", "16"], &["0", "17", "-1", "", " ", "2 ", "two", "2.0", "18446744073709551616"]),
    ("LIKES_SHARDS_READ", &["", "2", "4", "16"], &["0", "1", "17", "-1", " ", "4 ", "four", "4.0", "18446744073709551616"]),
    (
        "MAIL_FROM",
        &["", "movies@example.com", "no-reply+x@mail.example.com"],
        &[
            " ", "movies", "movies@example", "@example.com", "Movies <movies@example.com>", " movies@example.com",
            "movies@example.com\n", "a@b.co,c@d.co", "movies@bücher.example",
        ],
    ),
    ("COVERS_BUCKET", &["", "marquee-covers"], &[]),
    ("COVERS_FUNCTION", &["", "marquee-covers"], &[]),
    (
        "METRICS_NAMESPACE",
        &["", "marquee", "marquee/operations", "a.b-c_d#e:f0"],
        &[" ", "a b", "AWS/Lambda", ":a", "/a", "a\n", "a\"b", "é"],
    ),
    (
        "CORS_ORIGINS",
        &[
            "", "*", " * ", "https://b.example", "http://localhost:5173,https://b.example", "https://a.example , https://b.example",
            "https://127.0.0.1:8443", "http://[::1]:3000", "capacitor://localhost", "chrome-extension://abcdef",
            "https://xn--bcher-kva.example",
        ],
        &[
            "https://b.example/", "https://b.example/app", "https://b.example?", "https://b.example#", "b.example",
            "localhost:3000", "//b.example", "https://", "https:b.example", "*,https://b.example", "https://b.example,*", "*,*",
            "**", "https://*", "https://*.example", "https://a.example https://b.example", "https://a.example;https://b.example",
            "https://a.example,", ",https://a.example", ",", "https://a.example,,https://b.example", "HTTPS://b.example",
            "https://B.example", "https://b.example:443", "http://b.example:80", "https://b.example:99999", "https://b.example:",
            "https://bücher.example", "null", "\"https://b.example\"", "https://b .example", "https://b.ex\nample",
            "data:text", "capacitor://localhost/",
        ],
    ),
    (
        "REQUEST_DEADLINE_SECONDS",
        &["1", "10", "29"],
        &["0", "-1", "30", "", " ", "10 ", "0.5", "ten", "18446744073709551616"],
    ),
    ("EDGE_KEY", &["", "the key", "k3y~!"], &[" ", " key", "key\n", "ke\ny", "kéy", "\u{7f}"]),
    (
        "PUBLIC_URL",
        &["", "https://api.example.com", "https://api.example.com/", "http://localhost:8080", "HTTPS://API.example.com:8443", "http://[::1]:3000/", "http://192.0.2.7", "https://api.example.com:443"],
        &[
            "api.example.com", "//api.example.com", "/", "https://", "https:///", "https://:443", "https:api.example.com",
            "ftp://api.example.com", "https://api.example.com/api", "https://api.example.com//", "https://api.example.com?",
            "https://api.example.com/?a=b", "https://api.example.com#", "https://api.example.com:0", "https://api.example.com:port",
            " https://api.example.com", "https://api .example.com", "https://api.ex\nample.com",
        ],
    ),
    ("PUBLIC_MAX_AGE_SECONDS", &["0", "1", "60", "86400"], &["-1", "", " ", "60s", "1.5", "86401", "4294967296"]),
];

const NO_LIFETIMES: &[&str] = &[
    "0",
    "-1",
    "-900",
    "",
    " ",
    " 900",
    "900 ",
    "15m",
    "soon",
    "1.5",
    "1e3",
    "3153600001",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
];

#[test]
fn what_is_not_set_has_its_default() {
    let config = Config::from_lookup(|_| None).unwrap();
    assert_eq!(config.tokens.access_seconds, 900);
    assert_eq!(config.tokens.grace_seconds, 10);
    assert_eq!(config.tokens.reset_seconds, 1800);
    assert_eq!(config.mail_from, None);
    assert_eq!(config.http.cors_origins, ["*"]);
}

#[test]
fn every_value_that_cannot_work_is_refused_in_a_sentence_that_names_the_variable_and_quotes_it() {
    assert_eq!(VALUES.map(|(variable, ..)| variable), VARIABLES);
    for (variable, good, bad) in VALUES {
        for value in good {
            let refused = with(variable, value).err();
            assert!(refused.is_none(), "{variable}={value:?} is refused: {refused:?}");
        }
        for value in bad {
            let refused = with(variable, value).err();
            assert!(refused.is_some(), "{variable}={value:?} is accepted");
            let error = refused.unwrap();
            let text = error.to_string();
            assert!(text.starts_with(&format!("{variable} must be ")), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
            if variable == "EDGE_KEY" {
                assert!(!text.contains(&format!("{value:?}")), "the key is shown: {text}");
            } else if variable != "CORS_ORIGINS" {
                assert!(text.ends_with(&format!(", not {value:?}")), "{text}");
            }
            // What a Lambda function that can't start prints.
            assert_eq!(format!("{:?}", Box::<dyn std::error::Error>::from(error)), text);
        }
    }
}

#[test]
fn a_refusal_says_what_the_value_must_be() {
    let text = |variable, value| with(variable, value).unwrap_err().to_string();
    assert_eq!(
        text("SESSION_SECONDS", "soon"),
        "SESSION_SECONDS must be a whole number from 1 to 3153600000, not \"soon\""
    );
    assert_eq!(
        text("REFRESH_GRACE_SECONDS", "61"),
        "REFRESH_GRACE_SECONDS must be a whole number from 0 to 60, not \"61\""
    );
    let origins = "CORS_ORIGINS must be * or a list of origins separated by commas, each with scheme and host, without a path \
                   or a slash at its end, such as https://example.com, not ";
    // Of several, the one that can't work is quoted.
    for value in ["https://a.example,https://b.example/", "https://b.example/"] {
        assert_eq!(
            text("CORS_ORIGINS", value),
            format!("{origins}\"https://b.example/\"")
        );
    }
    assert_eq!(
        text("CORS_ORIGINS", "b.example"),
        format!("{origins}\"b.example\"")
    );
    assert_eq!(
        text("CORS_ORIGINS", "https://B.example:443"),
        "CORS_ORIGINS must be a list of origins as browsers send them (https://b.example), not \"https://B.example:443\""
    );
    assert_eq!(
        text("CORS_ORIGINS", "*,https://b.example"),
        "CORS_ORIGINS must be * alone, or a list of origins without *, not \"*,https://b.example\""
    );
}

/// Guarantee 58.
#[test]
fn as_many_shards_are_read_as_are_written_unless_more_are_asked_for_and_never_fewer() {
    let shards = |written: &'static str, read: Option<&'static str>| {
        let config = Config::from_lookup(|name| match name {
            "LIKES_SHARDS" => Some(written.to_owned()),
            "LIKES_SHARDS_READ" => read.map(str::to_owned),
            _ => None,
        });
        config.map(|config| (config.likes_shards.written(), config.likes_shards.read()))
    };
    assert_eq!(shards("4", None).unwrap(), (4, 4));
    assert_eq!(shards("4", Some("")).unwrap(), (4, 4));
    assert_eq!(shards("2", Some("4")).unwrap(), (2, 4));
    assert_eq!(
        shards("4", Some("2")).unwrap_err().to_string(),
        "LIKES_SHARDS_READ must be a whole number from 4 to 16, not \"2\""
    );
}

#[test]
fn credentials_in_a_url_are_not_quoted() {
    for (variable, value) in [
        ("DYNAMODB_ENDPOINT", "http://user:hunter2@localhost:8000"),
        ("CORS_ORIGINS", "https://user:hunter2@b.example"),
    ] {
        let text = with(variable, value).unwrap_err().to_string();
        assert!(text.starts_with(variable) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn origins_are_read_without_the_white_space_around_them() {
    let origins = |value| with("CORS_ORIGINS", value).unwrap().http.cors_origins;
    assert_eq!(
        origins(" https://a.example , https://b.example"),
        ["https://a.example", "https://b.example"]
    );
    assert_eq!(origins(" * "), ["*"]);
    assert_eq!(origins(""), [""; 0]);
}

#[test]
fn a_public_url_has_no_slash_at_its_end() {
    let url = |text| with("PUBLIC_URL", text).unwrap().http.public_url;
    assert_eq!(url(""), None);
    for text in [
        "https://api.example.com",
        "https://api.example.com/",
        "HTTPS://API.example.com:443/",
    ] {
        assert_eq!(url(text).as_deref(), Some("https://api.example.com"), "{text}");
    }
    assert_eq!(url("http://[::1]:3000/").as_deref(), Some("http://[::1]:3000"));
}
