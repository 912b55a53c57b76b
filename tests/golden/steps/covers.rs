//! Uploaded covers.

use marquee_shared::db::covers::DOUBTFUL_SECONDS;
use reqwest::multipart::{Form, Part};

use super::Recorder;
use crate::support::{Call, movie, operations::IMAGE};

/// Uploaded covers, and what the sweep does once no request can be changing their movie.
pub(super) async fn record(recorder: &mut Recorder) {
    let user = recorder.proxied.app.register("parker").await;
    let mirror = movie("Mirror", "Andrei Tarkovsky", "Drama", "1975-03-07");
    let request = "POST /api/movies/ with a file in the form";
    let patterns = ["AP-10", "AP-23", "AP-37", "AP-40", "AP-41", "AP-55"];
    let fields = mirror.as_object().unwrap().clone().into_iter();
    let form = fields.fold(Form::new(), |form, (name, value)| {
        form.text(name, value.as_str().unwrap().to_owned())
    });
    let form = form.part("cover_image", Part::bytes(IMAGE).file_name("cover.png"));
    let call = Call(user.post("/api/movies/").0.multipart(form));
    let added = recorder
        .send("create_movie_with_cover", &patterns, request, call, 201)
        .await;
    let path = format!("/api/movies/{}/cover/", added["id"]);
    let call = user.put(&path).body("image/png", IMAGE);
    let request = "PUT /api/movies/6/cover/ of a movie that has an uploaded cover";
    recorder
        .send("set_cover", &["AP-11", "AP-55", "AP-56"], request, call, 200)
        .await;
    let request = "DELETE /api/movies/6/cover/";
    let call = user.delete(&path);
    recorder
        .send("delete_cover", &["AP-11", "AP-56"], request, call, 204)
        .await;
    let call = user.put(&path).body("image/png", IMAGE);
    call.send().await.is(200);
    let app = &recorder.proxied.app;
    app.clock.advance(DOUBTFUL_SECONDS + 1);
    recorder.proxied.proxy.take();
    app.running.functions.images.sweep().await.unwrap();
    let request = "a run of the sweep, with three doubtful covers, of which one is its movie's";
    recorder.store_calls("sweep_covers", &["AP-57"], request);
}
