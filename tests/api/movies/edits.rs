//! Edits of movies: permissions, PUT, PATCH and If-Match.

use serde_json::json;

use super::{COVER, create, path, solaris};
use crate::api::with_changes;
use crate::support::{TestApp, movie};

#[tokio::test]
async fn only_an_admin_may_set_another_owner() {
    let app = TestApp::new().await;
    let (member, other, admin) = (app.member().await, app.member().await, app.admin().await);
    let naming = |user: u64| json!({"user": user});
    assert_eq!(
        create(&member, naming(member.id)).await.is(201).body["user"],
        member.id
    );
    create(&member, naming(other.id))
        .await
        .is_problem(403, "forbidden");
    // The answer does not reveal to a member which users exist.
    create(&member, naming(999)).await.is_problem(403, "forbidden");
    assert_eq!(create(&admin, json!({})).await.is(201).body["user"], admin.id);
    let given = create(&admin, naming(other.id)).await.is(201).body;
    assert_eq!(given["user"], other.id);
    create(&admin, naming(999))
        .await
        .is_problem(400, "invalid_input")
        .names(&["user"]);

    let path = path(&given);
    let put = |user: u64| with_changes(&solaris(), &naming(user));
    assert_eq!(
        other.put(&path).json(&put(other.id)).send().await.is(200).body["user"],
        other.id
    );
    assert_eq!(
        other.put(&path).json(&solaris()).send().await.is(200).body["user"],
        other.id
    );
    other
        .put(&path)
        .json(&put(member.id))
        .send()
        .await
        .is_problem(403, "forbidden");
    other
        .patch(&path)
        .json(&naming(member.id))
        .send()
        .await
        .is_problem(403, "forbidden");
    // An edit by an admin does not change the owner.
    assert_eq!(
        admin.put(&path).json(&solaris()).send().await.is(200).body["user"],
        other.id
    );
    for call in [
        admin.put(&path).json(&put(999)),
        admin.patch(&path).json(&naming(999)),
    ] {
        call.send()
            .await
            .is_problem(400, "invalid_input")
            .names(&["user"]);
    }
    assert_eq!(
        admin
            .patch(&path)
            .json(&naming(member.id))
            .send()
            .await
            .is(200)
            .body["user"],
        member.id
    );
    // The other member is the owner from now on.
    other
        .patch(&path)
        .json(&json!({"title": "Mine"}))
        .send()
        .await
        .is_problem(403, "forbidden");
    member
        .patch(&path)
        .json(&json!({"title": "Mine"}))
        .send()
        .await
        .is(200);
    let null = member
        .patch(&path)
        .json(&json!({"user": null}))
        .send()
        .await
        .is(200);
    assert_eq!(null.body["user"], member.id);
}

#[tokio::test]
async fn only_the_owner_and_admins_may_change_a_movie() {
    let app = TestApp::new().await;
    let (owner, other, admin) = (app.member().await, app.member().await, app.admin().await);
    let nobody = app.anonymous();
    nobody
        .post("/api/movies/")
        .json(&solaris())
        .send()
        .await
        .is_problem(401, "unauthenticated");
    let made = create(&owner, json!({})).await.is(201).body;
    let path = path(&made);
    for (caller, status, code) in [(&nobody, 401, "unauthenticated"), (&other, 403, "forbidden")] {
        caller
            .put(&path)
            .json(&solaris())
            .send()
            .await
            .is_problem(status, code);
        caller
            .patch(&path)
            .json(&json!({"title": "x"}))
            .send()
            .await
            .is_problem(status, code);
        caller
            .patch(&path)
            .json(&json!({"favorite": true}))
            .send()
            .await
            .is_problem(status, code);
        caller.delete(&path).send().await.is_problem(status, code);
    }
    assert_eq!(
        owner.get(&path).send().await.body,
        made,
        "a refused edit changes nothing"
    );
    for caller in [&owner, &admin] {
        caller.put(&path).json(&solaris()).send().await.is(200);
        let answer = caller
            .patch(&path)
            .json(&json!({"title": caller.username}))
            .send()
            .await
            .is(200);
        assert_eq!(answer.body["title"], caller.username);
    }
    admin.delete(&path).send().await.is(204);
    let again = create(&owner, json!({})).await.is(201).body;
    let gone = owner
        .delete(&format!("/api/movies/{}/", again["id"]))
        .send()
        .await
        .is(204);
    assert_eq!((gone.text.as_str(), gone.header("content-type")), ("", ""));
}

#[tokio::test]
async fn put_needs_every_required_field_and_keeps_the_others() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let made = create(&member, json!({"cover_image": COVER, "favorite": true}))
        .await
        .is(201)
        .body;
    let path = path(&made);
    for name in ["title", "description", "release_date", "director", "genre"] {
        let answer = member
            .put(&path)
            .json(&with_changes(&solaris(), &json!({name: null})))
            .send()
            .await;
        answer.is_problem(400, "invalid_input").names(&[name]);
    }
    app.clock.advance(60);
    let mirror = movie("The Mirror", "Tarkovsky", "Biography", "1975-03-07");
    let put = member.put(&path).json(&mirror).send().await.is(200).body;
    for (name, value) in mirror.as_object().unwrap() {
        assert_eq!(&put[name], value);
    }
    for name in [
        "id",
        "cover_image",
        "favorite",
        "favorite_count",
        "user",
        "created_at",
    ] {
        assert_eq!(put[name], made[name], "{name}");
    }
    assert!(put["updated_at"].as_str() > made["updated_at"].as_str());
    assert_eq!(member.get(&path).send().await.body, put);
}

#[tokio::test]
async fn patch_changes_only_the_given_fields() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let mut expected = create(&member, json!({"cover_image": COVER, "favorite": true}))
        .await
        .is(201)
        .body;
    let path = path(&expected);
    for (field, value) in [
        ("title", json!("The Mirror")),
        ("description", json!("Memories.")),
        ("director", json!("Tarkovsky")),
        ("genre", json!("Biography, drama")),
        ("release_date", json!("1975-03-07")),
        ("cover_image", json!(null)),
        ("favorite", json!(false)),
    ] {
        app.clock.advance(60);
        let answer = member
            .patch(&path)
            .json(&json!({field: value}))
            .send()
            .await
            .is(200)
            .body;
        expected[field] = value;
        if field == "favorite" {
            expected["favorite_count"] = json!(0);
        } else {
            expected["version"] = json!(expected["version"].as_u64().unwrap() + 1);
        }
        assert!(answer["updated_at"].as_str() >= expected["updated_at"].as_str());
        expected["updated_at"] = answer["updated_at"].clone();
        assert_eq!(answer, expected);
        assert_eq!(member.get(&path).send().await.body, expected);
    }
    for field in ["title", "description", "director", "genre", "release_date"] {
        let answer = member
            .patch(&path)
            .body("application/json", format!("{{\"{field}\": null}}"))
            .send()
            .await;
        answer.is_problem(400, "invalid_input").names(&[field]);
    }
}

/// Guarantee 73.
#[tokio::test]
async fn an_edit_of_an_outdated_version_is_412_and_changes_nothing() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    let made = create(&member, json!({})).await.is(201);
    let (path, first) = (path(&made.body), made.header("etag").to_owned());
    let change = json!({"title": "Solaris 2"});
    let changed = member
        .patch(&path)
        .header("if-match", &first)
        .json(&change)
        .send()
        .await
        .is(200);
    let second = changed.header("etag").to_owned();
    assert_ne!(first, second);
    for (tag, status, code) in [
        (first.as_str(), 412, "stale_precondition"),
        ("\"1\"", 412, "stale_precondition"),
        ("\"x\"", 412, "stale_precondition"),
        ("\"02\"", 412, "stale_precondition"),
        ("W/\"1-x\", \"3-x\"", 412, "stale_precondition"),
        ("2", 400, "malformed_request"),
        ("", 400, "malformed_request"),
        ("\"2\", *", 400, "malformed_request"),
        // The crate `headers` would panic here where debug assertions are on.
        ("\"2 \"", 400, "malformed_request"),
    ] {
        for call in [
            member.put(&path).json(&solaris()),
            member.patch(&path).json(&change),
            member.delete(&path),
        ] {
            let answer = call.header("if-match", tag).send().await;
            answer.is_problem(status, code);
        }
    }
    assert_eq!(member.get(&path).send().await.is(200).body, changed.body);

    // Favorites change the tag of the movie, and are no edits: every earlier tag of the version holds.
    other.put(&format!("{path}favorite/")).send().await.is(200);
    let read = member.get(&path).send().await.is(200);
    assert_eq!(read.body["version"], 2);
    assert_ne!(read.header("etag"), second);
    let edit = async |tag: &str| {
        let call = member.patch(&path).header("if-match", tag).json(&change);
        call.send().await.is(200).header("etag").to_owned()
    };
    let third = edit(&second).await;
    let fourth = edit(&format!("{first}, {third}")).await;
    let fifth = edit(&format!("W/{fourth}")).await;
    let sixth = edit(&format!("{}-gzip\"", fifth.trim_end_matches('"'))).await;
    edit("*").await;
    member
        .delete(&path)
        .header("if-match", &sixth)
        .send()
        .await
        .is_problem(412, "stale_precondition");
    // The answer does not reveal the version to users who may not change the movie.
    other
        .delete(&path)
        .header("if-match", &first)
        .send()
        .await
        .is_problem(403, "forbidden");
    member
        .delete("/api/movies/99/")
        .header("if-match", "*")
        .send()
        .await
        .is_problem(404, "not_found");
    member.delete(&path).header("if-match", "*").send().await.is(204);
}

/// A version counts edits of the fields and of the owner.
#[tokio::test]
async fn a_change_of_a_favorite_alone_is_no_edit() {
    let app = TestApp::new().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let made = create(&member, json!({})).await.is(201);
    let (path, first) = (path(&made.body), made.header("etag").to_owned());
    for (favorite, count) in [(true, 1), (true, 1), (false, 0), (false, 0), (true, 1)] {
        app.clock.advance(60);
        let mut expected = made.body.clone();
        expected["favorite"] = json!(favorite);
        expected["favorite_count"] = json!(count);
        let body = with_changes(&solaris(), &json!({"favorite": favorite}));
        for call in [
            member.patch(&path).json(&json!({"favorite": favorite})),
            member.put(&path).json(&body),
        ] {
            let answer = call.header("if-match", &first).send().await.is(200);
            assert_eq!(answer.body, expected);
            let read = member.get(&path).send().await;
            assert_eq!(
                (&read.body, read.header("etag")),
                (&expected, answer.header("etag"))
            );
        }
        let stale = member
            .patch(&path)
            .header("if-match", "\"2\"")
            .json(&json!({"favorite": !favorite}));
        stale.send().await.is(412);
    }
    // With a field or an owner it is one.
    for (changes, version) in [
        (json!({"favorite": false, "title": "Solaris 2"}), 2),
        (json!({"favorite": true, "user": admin.id}), 3),
    ] {
        let answer = admin.patch(&path).json(&changes).send().await.is(200);
        assert_eq!(answer.body["version"], version);
    }
}

/// `If-None-Match` of a change holds unless it names what the caller would read now (RFC 9110 §13.1.2).
#[tokio::test]
async fn a_change_that_excludes_the_current_tag_is_412() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let made = create(&member, json!({})).await.is(201);
    let (path, first) = (path(&made.body), made.header("etag").to_owned());
    let change = json!({"title": "Solaris 2"});
    for (tags, status) in [
        ("*", 412),
        (&first, 412),
        ("\"x\"", 200),
        (&first, 200),
        ("x", 400),
    ] {
        let call = member.patch(&path).header("if-none-match", tags).json(&change);
        call.send().await.is(status);
    }
    for call in [member.put(&path).json(&solaris()), member.delete(&path)] {
        let answer = call.header("if-none-match", "*").send().await;
        answer.is_problem(412, "precondition_failed");
    }
    // `If-Match` comes first.
    let call = member.delete(&path).header("if-none-match", "*");
    let answer = call.header("if-match", &first).send().await;
    answer.is_problem(412, "stale_precondition");
}

#[tokio::test]
async fn an_invalid_id_is_404() {
    let app = TestApp::new().await;
    let member = app.member().await;
    create(&member, json!({})).await.is(201);
    for id in [
        "0",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e0",
        "abc",
        "2",
        "9007199254740991",
        "9007199254740992",
        "18446744073709551616",
        "123456789012345678901234567890",
        "%31%20",
        "%00",
        "1%00",
        "%FF",
        "\u{661}",
        "null",
    ] {
        let path = format!("/api/movies/{id}/");
        let favorite = format!("{path}favorite/");
        for call in [
            member.get(&path),
            member.put(&path).json(&solaris()),
            member.patch(&path).json(&json!({})),
            member.delete(&path),
            member.post(&favorite),
            member.put(&favorite),
            member.delete(&favorite),
            app.anonymous().get(&path),
        ] {
            call.send().await.is_problem(404, "not_found");
        }
    }
    // An invalid id is 404, whatever the body is.
    for id in ["0", "abc", "%FF"] {
        let call = member.put(&format!("/api/movies/{id}/")).json(&json!({}));
        call.send().await.is_problem(404, "not_found");
    }
    // A percent-encoded `1` is the id 1.
    app.anonymous().get("/api/movies/%31/").send().await.is(200);
}
