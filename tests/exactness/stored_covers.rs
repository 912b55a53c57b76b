//! An audit finds each disagreement between the movies and the stored images, and no change that is under way.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use marquee::audit::{Finding, Kind, Options, run};
use marquee_covers::Objects;
use marquee_shared::{
    db::{
        Store,
        covers::DOUBTFUL_SECONDS,
        item::{Attributes as _, Item, from_item, text},
        keys,
        movie::MovieItem,
    },
    domain::{CoverKey, ImageFormat, MovieId},
};
use tokio::{runtime::Handle, task::block_in_place};

use super::auditor::replace;
use crate::support::{
    Caller, TestApp,
    audit::{audit_with_covers, findings_with_covers},
    movie,
    operations::IMAGE,
};

/// The kinds that are provoked here.
pub(super) const KINDS: [Kind; 4] = [
    Kind::CoverMissing,
    Kind::CoverShared,
    Kind::CoverOrphan,
    Kind::CoverUnknown,
];

/// A server with two movies, each with an uploaded cover.
struct Table {
    app: TestApp,
    owner: Caller,
    movies: [MovieId; 2],
}

impl Table {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let owner = app.member().await;
        let mut movies = Vec::new();
        for title in ["Solaris", "Stalker"] {
            let added = owner
                .add(&movie(title, "Andrei Tarkovsky", "Sci-Fi", "1972-03-20"))
                .await;
            let id = added["id"].as_u64().unwrap();
            let put = owner.put(&format!("/api/movies/{id}/cover/"));
            put.body("image/png", IMAGE).send().await.is(200);
            movies.push(MovieId::try_from(id).unwrap());
        }
        Self {
            app,
            owner,
            movies: movies.try_into().unwrap(),
        }
    }

    fn store(&self) -> &Store {
        &self.app.running.state.store
    }

    fn objects(&self) -> &Objects {
        &self.app.running.functions.objects
    }

    async fn item(&self, movie: usize) -> Item {
        self.store()
            .get(&keys::movie(self.movies[movie]))
            .await
            .unwrap()
            .unwrap()
            .into()
    }

    async fn cover(&self, movie: usize) -> CoverKey {
        let movie: MovieItem = from_item(self.item(movie).await).unwrap();
        movie.fields.cover_image.unwrap().key().unwrap()
    }

    async fn put(&self, name: &str) {
        self.objects().put(name, Bytes::from_static(IMAGE)).await.unwrap();
    }

    /// Every image that is stored now is old from here on.
    fn later(&self) {
        self.app.clock.advance(DOUBTFUL_SECONDS + 1);
    }

    async fn found(&self, repair: bool) -> Vec<Finding> {
        findings_with_covers(self.store(), self.objects(), repair).await.1
    }

    /// Checks that an audit finds this and leaves it, whether it may mend or not.
    async fn is_left(&self, kind: Kind, says: &str) {
        for repair in [false, true] {
            let found = self.found(repair).await;
            assert_eq!(found.len(), 1, "{kind}: {found:?}");
            assert_eq!((found[0].kind, &found[0].mended), (kind, &None), "{found:?}");
            assert!(found[0].text.contains(says), "{found:?}");
        }
    }
}

/// Guarantee 84.
#[tokio::test]
async fn what_a_movie_lacks_in_the_store_or_shares_there_is_found_and_left() {
    let table = Table::new().await;
    audit_with_covers(&table.app).await;
    let cover = table.cover(0).await;
    let (name, thumbnail) = (cover.to_string(), cover.thumbnail());
    // The thumbnail alone, the image alone, both.
    for (lost, left) in [
        (&[&thumbnail][..], Some(&name)),
        (&[&name], Some(&thumbnail)),
        (&[&name, &thumbnail], None),
    ] {
        table.objects().delete(&cover).await.unwrap();
        if let Some(left) = left {
            table.put(left).await;
        }
        let found = table.found(true).await;
        let texts: BTreeSet<&str> = found.iter().map(|finding| finding.text.as_str()).collect();
        let wanted: BTreeSet<String> = lost
            .iter()
            .map(|name| format!("movie 1 has the uploaded cover {name}, which is not in the store"))
            .collect();
        assert_eq!(texts, wanted.iter().map(String::as_str).collect());
        assert!(found.iter().all(|finding| finding.kind == Kind::CoverMissing));
        assert!(found.iter().all(|finding| finding.mended.is_none()));
    }
    table.put(&name).await;
    table.put(&thumbnail).await;
    audit_with_covers(&table.app).await;

    let other = table.item(1).await;
    let mut shares = other.clone();
    shares.insert("cover_image".into(), text(format!("cover:{name}")));
    let key = keys::movie(table.movies[1]);
    replace(table.store(), &key, Some(shares)).await;
    table
        .is_left(Kind::CoverShared, "movies 1 and 2 have the same uploaded cover")
        .await;
    replace(table.store(), &key, Some(other)).await;

    table.put("notes.txt").await;
    table.later();
    table.is_left(Kind::CoverUnknown, "notes.txt").await;
}

/// Guarantee 84.
#[tokio::test]
async fn an_image_that_no_movie_has_is_swept_after_a_repair_and_a_new_one_is_not_touched() {
    let table = Table::new().await;
    let kept = table.app.images().await;
    let new = |format| CoverKey::random(format).unwrap();
    let (whole, avif, alone) = (
        new(ImageFormat::Jpeg),
        new(ImageFormat::Avif),
        new(ImageFormat::Webp),
    );
    let doubtful = new(ImageFormat::Png);
    table.store().doubt_cover(&doubtful, None).await.unwrap();
    for name in [
        whole.to_string(),
        whole.thumbnail(),
        avif.to_string(),
        // Its cover is gone already.
        alone.thumbnail(),
        doubtful.to_string(),
    ] {
        table.put(&name).await;
    }
    let all = table.app.images().await;
    // An upload of this minute may be about to get its movie.
    assert_eq!(table.found(true).await, []);
    table.later();
    let found = table.found(false).await;
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|finding| finding.kind == Kind::CoverOrphan));
    assert!(found.iter().all(|finding| finding.mended.is_none()));
    let found = table.found(true).await;
    assert!(found.iter().all(|finding| finding.mended.is_some()), "{found:?}");
    assert_eq!(table.app.images().await, all, "the audit deletes nothing");
    assert_eq!(table.found(false).await, []);
    // The sweep looks at what was doubtful for long, and later at the others.
    table.app.running.functions.images.sweep().await.unwrap();
    assert_eq!(table.app.images().await.len(), all.len() - 1);
    table.later();
    table.app.running.functions.images.sweep().await.unwrap();
    assert_eq!(table.app.images().await, kept);
    audit_with_covers(&table.app).await;

    // A movie that can't be read keeps its image.
    let item = table.item(0).await;
    let mut unreadable = item.clone();
    unreadable.remove("title");
    let key = keys::movie(table.movies[0]);
    replace(table.store(), &key, Some(unreadable)).await;
    let kinds: Vec<Kind> = table.found(false).await.iter().map(|found| found.kind).collect();
    assert!(!kinds.contains(&Kind::CoverOrphan), "{kinds:?}");
    replace(table.store(), &key, Some(item)).await;
}

/// Guarantee 84.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cover_that_is_changed_during_an_audit_is_not_reported() {
    let table = Table::new().await;
    let old = table.cover(0).await;
    let other = CoverKey::random(ImageFormat::Png).unwrap();
    table.put(&other.to_string()).await;
    table.later();
    let is_changed = AtomicBool::new(false);
    let change = async || {
        // The scan has read the cover before, and that the other image isn't doubtful. The new image isn't doubtful any more when the
        // audit looks, and by a clock that was moved it is old.
        let put = table
            .owner
            .put(&format!("/api/movies/{}/cover/", table.movies[0]));
        put.body("image/png", IMAGE).send().await.is(200);
        table.later();
        table.app.running.functions.images.sweep().await.unwrap();
        let store = table.store();
        store.doubt_cover(&other, None).await.unwrap();
    };
    let options = Options {
        repair: true,
        pause: Duration::ZERO,
        covers: Some(table.objects().clone()),
        ..Options::default()
    };
    let mut found = Vec::new();
    let progress = |_| {
        if !is_changed.swap(true, Ordering::SeqCst) {
            block_in_place(|| Handle::current().block_on(change()));
        }
    };
    let mut add = |finding| {
        found.push(finding);
        Ok(())
    };
    run(table.store(), options, &progress, &mut add).await.unwrap();
    assert!(is_changed.into_inner());
    assert_ne!(table.cover(0).await, old);
    assert_eq!(found, []);
    let item = table.store().get(&keys::doubtful_cover(&other)).await.unwrap();
    assert_eq!(Item::from(item.unwrap()).text("cover"), Some(&*other.to_string()));
}
