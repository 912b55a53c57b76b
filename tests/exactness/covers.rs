//! Guarantee 78: no image of a movie is ever deleted, and no other one is left behind, whatever happens in between.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::future::join_all;
use marquee_shared::{
    Error,
    config::Config,
    covers::{Checked, Covers, NewCover, Receipt, ReceiveCover, Received, SentCover},
    db::{covers::DOUBTFUL_SECONDS, keys},
    domain::{CoverKey, ImageFormat, MovieId},
};
use serde_json::{Value, json};

use super::{faults::FOR_EVER, races::app_with_long_deadline};
use crate::support::{
    Caller, TestApp,
    audit::audit_with_covers,
    movie,
    operations::IMAGE,
    proxy::{Fault, ProxiedApp},
};

async fn movie_of(owner: &Caller) -> Value {
    owner
        .add(&movie("Solaris", "Andrei Tarkovsky", "Sci-Fi", "1972-03-20"))
        .await
}

fn cover_path(movie: &Value) -> String {
    format!("/api/movies/{}/cover/", movie["id"])
}

/// The names of the images that this movie shows.
async fn shown(owner: &Caller, movie: &Value) -> Vec<String> {
    let path = format!("/api/movies/{}/", movie["id"]);
    let movie = owner.signed_out().get(&path).send().await.is(200).body;
    let fields = ["cover_image", "cover_thumbnail"].into_iter();
    let urls = fields.filter_map(|field| movie[field].as_str());
    let mut names: Vec<String> = urls
        .map(|url| url.rsplit('/').next().unwrap().to_owned())
        .collect();
    names.sort_unstable();
    names
}

/// Deletes what no movie has any more, after the time in which it is doubtful. An access token doesn't outlive two of these.
async fn swept(app: &TestApp) -> Vec<String> {
    app.clock.advance(DOUBTFUL_SECONDS + 1);
    app.running.functions.images.sweep().await.unwrap();
    app.images().await
}

/// The covers function of a deployment that doesn't answer.
#[derive(Debug)]
struct Silent;

impl ReceiveCover for Silent {
    fn receive(&self, _: NewCover) -> Received<'_> {
        Box::pin(std::future::pending())
    }

    fn check(&self, _: Bytes) -> Checked<'_> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_of_an_image_that_nobody_checks_in_time() {
    let image = Bytes::from_static(b"no image");
    let begun = tokio::time::Instant::now();
    let checked = Covers::new(Silent).check(image.clone()).await;
    assert!(matches!(checked, Err(Error::Unavailable(_))));
    // The request still has time to be answered.
    assert!(begun.elapsed() < Config::default().http.deadline);
    // Nor where no images are stored.
    let nowhere = Covers::default();
    assert!(nowhere.check(image.clone()).await.is_ok());
    let received = nowhere.receive(NewCover { image, movie: None }).await;
    assert!(matches!(received, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn an_invocation_that_only_checks_an_image_stores_nothing() {
    let app = TestApp::new().await;
    let images = &app.running.functions.images;
    for (image, is_only_checked, stored) in [(IMAGE, true, 0), (b"no image", true, 0), (IMAGE, false, 2)] {
        let sent = SentCover {
            image: STANDARD.encode(image),
            movie: None,
            is_only_checked,
        };
        let receipt = images.answer(sent).await.unwrap();
        match (image == IMAGE, is_only_checked) {
            (true, true) => assert_eq!(receipt, Receipt::Accepted),
            (true, false) => assert!(matches!(receipt, Receipt::Stored(_))),
            _ => assert_eq!(receipt, Receipt::Unsupported),
        }
        assert_eq!(app.images().await.len(), stored);
    }
    // A movies function of an earlier version doesn't say whether.
    let earlier = json!({"image": STANDARD.encode(IMAGE), "movie": 7});
    let earlier: SentCover = serde_json::from_value(earlier).unwrap();
    assert!(!earlier.is_only_checked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twelve_covers_that_are_set_at_once_one_is_left() {
    let app = app_with_long_deadline().await;
    let owner = app.member().await;
    let movie = movie_of(&owner).await;
    let path = cover_path(&movie);
    let set = |_| owner.put(&path).body("image/png", IMAGE).send();
    for answer in join_all((0..12).map(set)).await {
        answer.is(200);
    }
    let shown = shown(&owner, &movie).await;
    assert_eq!(shown.len(), 2);
    assert_eq!(swept(&app).await, shown);
    audit_with_covers(&app).await;
}

#[tokio::test]
async fn an_image_whose_movie_was_never_written_is_deleted_and_a_fresh_one_is_not() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let movie = movie_of(&owner).await;
    let id = MovieId::try_from(movie["id"].as_u64().unwrap()).unwrap();
    let images = &app.running.functions.images;
    // The process was killed after the image was stored: for a movie, for a new one, for one that doesn't exist.
    for movie in [Some(id), None, MovieId::try_from(999).ok()] {
        let image = IMAGE.into();
        images.receive(NewCover { image, movie }).await.unwrap();
    }
    // Killed before it was stored: only the item is there.
    let lost = CoverKey::random(ImageFormat::Png).unwrap();
    app.running.state.store.doubt_cover(&lost, None).await.unwrap();
    app.clock.advance(DOUBTFUL_SECONDS - 60);
    images.sweep().await.unwrap();
    let names = app.images().await;
    assert_eq!(names.len(), 6);
    owner
        .put(&cover_path(&movie))
        .body("image/png", IMAGE)
        .send()
        .await
        .is(200);
    app.clock.advance(61);
    images.sweep().await.unwrap();
    let left = app.images().await;
    assert_eq!(left, shown(&owner, &movie).await);
    // The clock is set back: what was doubtful for long stays so, and nothing of a movie is deleted.
    app.clock.advance(-3 * DOUBTFUL_SECONDS);
    let owner = owner.signed_out().in_new_session().await;
    owner
        .put(&cover_path(&movie))
        .body("image/png", IMAGE)
        .send()
        .await
        .is(200);
    app.clock.advance(3 * DOUBTFUL_SECONDS);
    assert_eq!(swept(&app).await, shown(&owner, &movie).await);
    let store = &app.running.state.store;
    let covers = marquee_shared::db::range::KeyRange::partition(keys::TABLE, keys::COVERS);
    let items = store
        .query(&covers, marquee_shared::db::range::Direction::Ascending, 10)
        .await
        .unwrap();
    assert_eq!(items.items.len(), 0);
    audit_with_covers(&app).await;
}

#[tokio::test]
async fn a_cover_whose_edit_failed_leaves_the_one_before() {
    let proxied = ProxiedApp::new().await;
    let owner = proxied.app.member().await;
    let movie = movie_of(&owner).await;
    let path = cover_path(&movie);
    owner.put(&path).body("image/png", IMAGE).send().await.is(200);
    let before = shown(&owner, &movie).await;
    // The transaction doesn't reach the table.
    proxied
        .proxy
        .inject("TransactWriteItems", FOR_EVER, Fault::CallLost);
    owner
        .put(&path)
        .body("image/png", IMAGE)
        .send()
        .await
        .is_problem(503, "unavailable");
    owner.delete(&path).send().await.is_problem(503, "unavailable");
    proxied.proxy.clear_faults();
    assert_eq!(shown(&owner, &movie).await, before);
    assert_eq!(swept(&proxied.app).await, before);
    // The item that says that the image is doubtful can't be written, so the image isn't stored.
    proxied.proxy.inject("PutItem", FOR_EVER, Fault::CallLost);
    owner
        .put(&path)
        .body("image/png", IMAGE)
        .send()
        .await
        .is_problem(503, "unavailable");
    proxied.proxy.clear_faults();
    assert_eq!(proxied.app.images().await, before);
    // The answer of the transaction is lost: the client repeats the request, and one of the two images is left.
    proxied
        .proxy
        .inject("TransactWriteItems", 0..1, Fault::AnswerLost);
    owner.put(&path).body("image/png", IMAGE).send().await.is(200);
    assert_eq!(swept(&proxied.app).await, shown(&owner, &movie).await);
    assert_eq!(
        owner
            .signed_out()
            .get(&format!("/api/movies/{}/", movie["id"]))
            .send()
            .await
            .body["version"],
        json!(3)
    );
    audit_with_covers(&proxied.app).await;
}
