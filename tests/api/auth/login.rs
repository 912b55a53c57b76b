//! Login by username or email.

use serde_json::json;

use super::{caller_with, keys, login, refresh, register, text};
use crate::api::without_request_id;
use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn login_accepts_the_username_or_the_email_in_any_case() {
    let app = TestApp::new().await;
    let registered = register(&app, json!({})).await.is(201).body;
    for name in [
        "Ripley",
        "ripley",
        "RIPLEY",
        "Ellen@Example.com",
        "ellen@EXAMPLE.com",
        " Ripley\n",
        "\t ellen@example.com\u{a0}",
    ] {
        let answer = login(&app, name, PASSWORD).await.is(200);
        assert_eq!(keys(&answer.body), keys(&registered));
        assert_eq!(answer.body["user"], registered["user"]);
        for token in ["access", "refresh"] {
            assert_ne!(
                answer.body[token], registered[token],
                "each session has its own tokens"
            );
        }
        assert_eq!(answer.header("cache-control"), "no-store");
        refresh(&app, &text(&answer.body["refresh"])).await.is(200);
        caller_with(&app, &text(&answer.body["access"]))
            .get("/api/users/me/")
            .send()
            .await
            .is(200);
    }
    refresh(&app, &text(&registered["refresh"])).await.is(200);
}

/// Guarantee 18.
#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_get_the_same_answer() {
    let app = TestApp::new().await;
    register(&app, json!({})).await.is(201);
    let mut answers = Vec::new();
    for (name, password) in [
        ("Ripley", "another long passphrase"),
        ("Ellen@example.com", "another long passphrase"),
        ("nobody", "another long passphrase"),
        ("nobody@example.com", PASSWORD),
        ("Ripley", &PASSWORD.to_uppercase()),
        ("Ripley", &format!(" {PASSWORD}")),
        ("Ripley", "x"),
        ("Ri pley", PASSWORD),
        ("\0", PASSWORD),
        (&"x".repeat(5000), PASSWORD),
        ("Ripley", &"x".repeat(5000)),
    ] {
        let answer = login(&app, name, password)
            .await
            .is_problem(401, "unauthenticated");
        let challenge = answer.header("www-authenticate").to_owned();
        answers.push((challenge, without_request_id(answer)));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}
