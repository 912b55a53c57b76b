//! Registration: the fields, their limits, and what a new user gets.

use marquee_shared::domain::Role;
use serde_json::json;

use super::{LOGIN, LOGOUT, REFRESH, REGISTER, caller_with, decode_jwt, keys, login, post, register, text};
use crate::api::with_changes;
use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn registration_returns_the_user_and_their_tokens() {
    let app = TestApp::new().await;
    let answer = register(&app, json!({})).await.is(201);
    let body = &answer.body;
    assert_eq!(
        keys(body),
        ["access", "expires_in", "refresh", "token_type", "user"]
    );
    assert_eq!(
        keys(&body["user"]),
        ["date_joined", "email", "id", "role", "username"]
    );
    assert_eq!(body["user"]["username"], "Ripley");
    assert_eq!(body["user"]["email"], "Ellen@Example.com");
    assert_eq!(body["user"]["role"], "member");
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("Bearer"), &json!(900))
    );
    assert!(!answer.text.contains(PASSWORD) && !answer.text.contains("argon2"));
    assert_eq!(answer.header("cache-control"), "no-store");

    let (header, claims) = decode_jwt(&text(&body["access"]));
    assert!(header["kid"].is_string());
    assert_eq!(
        keys(&claims),
        [
            "aud",
            "exp",
            "iat",
            "iss",
            "jti",
            "nbf",
            "sid",
            "sub",
            "token_type"
        ]
    );
    assert_eq!(claims["sub"], body["user"]["id"].to_string());
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!("marquee"), &json!("marquee-api"))
    );
    assert_eq!(claims["token_type"], "access");
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        900
    );
    assert_eq!(claims["nbf"], claims["iat"]);
    let me = caller_with(&app, &text(&body["access"]))
        .get("/api/users/me/")
        .send()
        .await
        .is(200);
    assert_eq!(me.body, body["user"]);
}

#[tokio::test]
async fn every_invalid_field_is_named_in_one_answer() {
    let app = TestApp::new().await;
    let all = ["email", "password", "username"];
    for body in [
        json!({}),
        json!({"username": "", "email": "", "password": ""}),
        json!({"username": "a b", "email": "nobody", "password": "short"}),
        json!({"username": "x".repeat(151), "email": "a@b", "password": "x".repeat(129)}),
        json!({"username": "xy", "email": null, "password": "password"}),
    ] {
        post(&app, REGISTER, body)
            .await
            .is_problem(400, "invalid_input")
            .names(&all);
    }
    // The password is compared with the valid one of the two names only.
    let body = json!({"username": "a b", "email": "ripley@example.com", "password": "Ripley@Example.com"});
    post(&app, REGISTER, body)
        .await
        .is_problem(400, "invalid_input")
        .names(&["password", "username"]);
    for body in [
        json!({}),
        json!({"username": "", "password": ""}),
        json!({"username": " \t\n", "password": ""}),
        json!({"username": null}),
    ] {
        post(&app, LOGIN, body)
            .await
            .is_problem(400, "invalid_input")
            .names(&["password", "username"]);
    }
    for path in [REFRESH, LOGOUT] {
        for body in [json!({}), json!({"refresh": ""}), json!({"refresh": null})] {
            post(&app, path, body)
                .await
                .is_problem(400, "invalid_input")
                .names(&["refresh"]);
        }
    }
}

#[tokio::test]
async fn a_username_has_3_to_150_letters_digits_and_five_signs() {
    let app = TestApp::new().await;
    for (n, username) in ["abc", "a.b+c-d_e@f", "Zoë42", "日本語", &"x".repeat(150)]
        .into_iter()
        .enumerate()
    {
        let change = json!({"username": username, "email": format!("u{n}@example.com")});
        assert_eq!(
            register(&app, change).await.is(201).body["user"]["username"],
            *username
        );
    }
    for username in [
        "ab",
        " ab ",
        &"x".repeat(151),
        "a b",
        "a/b",
        "a#b",
        "a\0b",
        "a\u{301}\n",
        "<script>",
        "a,b",
        "🎬🎬🎬",
    ] {
        let answer = register(&app, json!({"username": username})).await;
        answer.is_problem(400, "invalid_input").names(&["username"]);
    }
}

#[tokio::test]
async fn an_email_is_a_mailbox_at_a_domain() {
    let app = TestApp::new().await;
    for (n, email) in ["a@b.co", "x+tag@mail.example.org", "o'neil@example.com"]
        .into_iter()
        .enumerate()
    {
        let change = json!({"username": format!("user{n}"), "email": email});
        assert_eq!(register(&app, change).await.is(201).body["user"]["email"], email);
    }
    let long = format!("{}@{}.com", "x".repeat(60), "y".repeat(250));
    for email in [
        "x",
        "@b.co",
        "a@",
        "a b@c.de",
        "a@b..co",
        "Bob <a@b.co>",
        "a@b.co\nc@d.co",
        "a@b.co, c@d.co",
        &long,
    ] {
        register(&app, json!({"email": email}))
            .await
            .is_problem(400, "invalid_input")
            .names(&["email"]);
    }
}

/// Guarantees 14 and 15.
#[tokio::test]
async fn a_password_is_any_8_to_128_characters_with_case_and_white_space_kept() {
    let app = TestApp::new().await;
    let longest = "🦀".repeat(128);
    for (n, password) in [
        "  spaced  ",
        "пароль со словами",
        &longest,
        "tab\tand\u{0}nul",
        "x1!x1!x1",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{n}");
        let change = json!({"username": name, "email": format!("{name}@example.com"), "password": password});
        register(&app, change).await.is(201);
        login(&app, &name, password).await.is(200);
        for other in [
            password.trim(),
            &password.to_uppercase(),
            &format!("{password}x"),
            &password[..password.len() - 4],
        ] {
            if other != password {
                login(&app, &name, other).await.is(401);
            }
        }
    }
    for password in ["seven 7", "", &"x".repeat(129), &"🦀".repeat(7)] {
        register(&app, json!({"password": password}))
            .await
            .is_problem(400, "invalid_input")
            .names(&["password"]);
    }
}

/// Guarantee 16.
#[tokio::test]
async fn a_common_password_or_one_of_the_users_names_is_refused() {
    let app = TestApp::new().await;
    for password in [
        "password",
        "PASSWORD",
        "12345678",
        "qwertyuiop",
        "iloveyou1",
        "baseball",
        "trustno1",
    ] {
        register(&app, json!({"password": password}))
            .await
            .is_problem(400, "invalid_input")
            .names(&["password"]);
    }
    let long = json!({"username": "EllenRipley", "email": "ellen.ripley@example.com"});
    for password in [
        "EllenRipley",
        "ellenripley",
        "ellen.ripley@example.com",
        "Ellen.Ripley@Example.COM",
    ] {
        let answer = register(&app, with_changes(&long, &json!({"password": password}))).await;
        answer.is_problem(400, "invalid_input").names(&["password"]);
    }
    // This holds even if another field is invalid.
    let change = json!({"email": "nobody", "password": "ellenripley"});
    register(&app, with_changes(&long, &change))
        .await
        .is_problem(400, "invalid_input")
        .names(&["email", "password"]);
    register(&app, with_changes(&long, &json!({"password": "ellenripley2"})))
        .await
        .is(201);
}

/// Guarantee 19.
#[tokio::test]
async fn a_taken_username_or_email_is_409_in_any_case() {
    let app = TestApp::new().await;
    register(&app, json!({})).await.is(201);
    for (username, email, taken) in [
        ("ripley", "new@example.com", &["username"][..]),
        ("RIPLEY", "new@example.com", &["username"]),
        ("\u{ff32}ipley", "new@example.com", &["username"]),
        ("newt", "ellen@example.com", &["email"]),
        ("newt", "ELLEN@EXAMPLE.COM", &["email"]),
        ("riPley", "eLLen@example.com", &["email", "username"]),
        // A username cannot be another user's email, because both can be used to sign in.
        ("ellen@example.com", "new@example.com", &["username"]),
    ] {
        let answer = register(&app, json!({"username": username, "email": email})).await;
        answer.is_problem(409, "conflict").names(taken);
    }
    // The refused registrations reserved no name.
    register(&app, json!({"username": "newt", "email": "new@example.com"}))
        .await
        .is(201);
    assert_eq!(
        register(&app, json!({"username": "bishop", "email": "b@example.com"}))
            .await
            .is(201)
            .body["user"]["role"],
        "member"
    );
}

/// White space around a name is ignored in every request. White space in a password is significant.
#[tokio::test]
async fn names_are_trimmed_and_passwords_are_not() {
    let app = TestApp::new().await;
    let spaced =
        json!({"username": " Ripley\t", "email": "\n Ellen@Example.com ", "password": "  a b c d e  "});
    let body = register(&app, spaced).await.is(201).body;
    assert_eq!(
        (&body["user"]["username"], &body["user"]["email"]),
        (&json!("Ripley"), &json!("Ellen@Example.com"))
    );
    for name in ["ripley", " ripley ", "ellen@example.com\r\n"] {
        login(&app, name, "  a b c d e  ").await.is(200);
        login(&app, name, "a b c d e").await.is(401);
    }
    let again = json!({"username": "ripley ", "email": " ellen@example.com"});
    register(&app, again)
        .await
        .is_problem(409, "conflict")
        .names(&["email", "username"]);
    let same = json!({"username": " newt12345 ", "email": "newt@example.com", "password": "newt12345"});
    register(&app, same)
        .await
        .is_problem(400, "invalid_input")
        .names(&["password"]);
    let store = &app.running.state.store;
    assert!(store.promote(" RIPLEY ", Role::Admin).await.unwrap().is_some());
}

/// Keyboards differ in whether they compose letters.
#[tokio::test]
async fn a_password_typed_with_letters_composed_or_not_signs_in() {
    let app = TestApp::new().await;
    let spellings = ["pässwörd für zoë", "pa\u{308}sswo\u{308}rd fu\u{308}r zoe\u{308}"];
    for (n, registered) in spellings.into_iter().enumerate() {
        let name = format!("ripley{n}");
        let user = json!({"username": name, "email": format!("{name}@example.com"), "password": registered});
        register(&app, user).await.is(201);
        for typed in spellings {
            login(&app, &name, typed).await.is(200);
        }
        login(&app, &name, "password fur zoe").await.is(401);
        login(&app, &name, &format!("{registered} ")).await.is(401);
    }
    // Seven characters, whatever the number of code points.
    let short = json!({"username": "newt", "email": "newt@example.com", "password": "e\u{301}".repeat(7)});
    register(&app, short)
        .await
        .is_problem(400, "invalid_input")
        .names(&["password"]);
}

/// Guarantee 25.
#[tokio::test]
async fn a_new_user_cannot_set_server_owned_fields() {
    let app = TestApp::new().await;
    app.member().await;
    let forged = json!({
        "id": 1, "role": "admin", "date_joined": "2000-01-01T00:00:00.000Z", "is_admin": true, "is_staff": true,
        "password_hash": "x", "account": "x",
    });
    let body = register(&app, forged).await.is(201).body;
    assert_eq!(
        (&body["user"]["id"], &body["user"]["role"]),
        (&json!(2), &json!("member"))
    );
    assert!(body["user"]["date_joined"].as_str() > Some("2001"));
}
