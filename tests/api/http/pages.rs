//! The pages for people, and the files that they load.

use crate::support::TestApp;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Guarantee 79.
#[tokio::test]
async fn a_browser_gets_the_explorer_at_each_of_its_addresses() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    let root = caller.get("/").header("accept", BROWSER).send().await.is(200);
    assert_eq!(root.header("content-type"), "text/html; charset=utf-8");
    assert!(root.header("vary").contains("accept"), "{root:?}");
    for path in [
        "/movies/7",
        "/movies/7/edit/",
        "/movies/new",
        "/search/?q=x",
        "/sign-in",
        "/me/favorites",
    ] {
        let page = caller.get(path).header("accept", BROWSER).send().await.is(200);
        assert_eq!(page.text, root.text, "{path}");
    }
    for path in [
        "/movies/07",
        "/movies/x",
        "/movies/7/x",
        "/nothing",
        "/explorer/index.html",
        "/explorer/x.js",
    ] {
        let answer = caller.get(path).header("accept", BROWSER).send().await;
        answer.is_problem(404, "not_found");
    }
    let program = caller
        .get("/movies/7")
        .header("accept", "application/json")
        .send()
        .await;
    program.is_problem(404, "not_found");
}

/// Guarantee 79.
#[tokio::test]
async fn every_page_has_a_strict_policy_and_loads_files_of_its_own_origin() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    for path in ["/", "/api/docs/", "/api/docs"] {
        let page = caller.get(path).header("accept", BROWSER).send().await.is(200);
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("cache-control"), "public, no-cache");
        let again = caller.get(path).header("accept", BROWSER);
        again
            .header("if-none-match", page.header("etag"))
            .send()
            .await
            .is(304);
        let links = page.text.split(['"']).filter(|text| {
            text.starts_with("/explorer/") || text.starts_with("/api/docs/") || text.starts_with("/favicon")
        });
        for link in links.filter(|link| *link != "/api/docs/") {
            let file = caller.get(link).send().await.is(200);
            let is_stable = link.starts_with("/favicon");
            let kept = if is_stable {
                "public, no-cache"
            } else {
                "public, max-age=31536000, immutable"
            };
            assert_eq!(file.header("cache-control"), kept, "{link}");
        }
    }
}
