//! Uploaded covers whose images an import copies.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use marquee::import::{ImportError, Importer, Options, Source};
use marquee_covers::{CoversFunction, Objects};
use marquee_shared::{
    covers::{Checked, Covers, NewCover, ReceiveCover, Received},
    db::{Store, keys},
    domain::{CoverKey, ImageFormat},
};

use crate::support::{audit::audit_with_covers, operations::IMAGE, proxy::ProxiedApp};

/// The covers function, whose first image is swept before its movie is added.
#[derive(Debug)]
struct Sweeping {
    function: CoversFunction,
    store: Store,
    objects: Objects,
    has_swept: AtomicBool,
}

impl ReceiveCover for Sweeping {
    fn receive(&self, cover: NewCover) -> Received<'_> {
        Box::pin(async move {
            let key = self.function.receive(cover).await?;
            if !self.has_swept.swap(true, Ordering::SeqCst) {
                self.objects.delete(&key).await?;
                self.store.delete(&keys::doubtful_cover(&key)).await?;
            }
            Ok(key)
        })
    }

    fn check(&self, image: Bytes) -> Checked<'_> {
        self.function.check(image)
    }
}

/// Guarantee 85.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_was_swept_before_its_movie_is_added_stops_the_import() {
    // Straight into the engine, and through DynamoDB's API.
    for is_direct in [true, false] {
        let proxied = ProxiedApp::new().await;
        let app = &proxied.app;
        let (store, objects) = (&app.running.state.store, &app.running.functions.objects);
        let files = tempfile::tempdir().unwrap();
        let image = CoverKey::random(ImageFormat::Png).unwrap();
        fs::write(files.path().join(image.to_string()), IMAGE).unwrap();
        let file = files.path().join("movies.csv");
        let url = format!("http://127.0.0.1:3000/api/covers/{image}");
        let rows = format!(
            "title,description,release_date,director,genre,cover_image\nAlien,x,1979-05-25,y,Horror,{url}\n"
        );
        fs::write(&file, rows).unwrap();
        let database = proxied.proxy.table.database().filter(|_| is_direct);
        let importer = Importer::new(store.clone(), database)
            .with(Options {
                images: Some(files.path().to_owned()),
                ..Options::default()
            })
            .with_covers(Covers::new(Sweeping {
                function: app.running.functions.images.clone(),
                store: store.clone(),
                objects: objects.clone(),
                has_swept: AtomicBool::new(false),
            }));
        let source = Source::File(file);
        let stopped = importer.run(&source).await;
        assert!(matches!(stopped, Err(ImportError::Stopped(_))), "{stopped:?}");
        let list = app.anonymous().get("/api/movies/").send().await.is(200);
        assert_eq!(list.ids(), [0; 0]);
        assert_eq!(importer.run(&source).await.unwrap().movies, 1);
        let list = app.anonymous().get("/api/movies/").send().await.is(200);
        let cover = list.body["results"][0]["cover_image"].as_str().unwrap();
        let name = cover.rsplit('/').next().unwrap();
        assert_ne!(name, image.to_string());
        assert!(app.images().await.contains(&name.to_owned()));
        audit_with_covers(app).await;
    }
}
