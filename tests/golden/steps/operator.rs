//! What no request does.

use std::io::Write as _;

use aws_sdk_dynamodb::types::ReturnValue;
use marquee::{
    import::{Importer, Source},
    upgrade::{self, Older},
};
use marquee_shared::{
    db::{
        expression::Update,
        item::text,
        keys,
        likes::{LIKES_SHARDS, LikesShards, MAX_LIKES_SHARDS},
        posting_keys,
    },
    domain::{MovieId, Role},
};

use super::Recorder;
use crate::support::{Caller, audit::findings};

/// The sweep, which a schedule runs, and the commands of an operator.
pub(super) async fn record(recorder: &mut Recorder, owner: &Caller) {
    let store = recorder.proxied.app.running.state.store.clone();
    store.sweep_favorites().await.unwrap();
    recorder.store_calls("sweep", &["AP-16"], "a run of the sweep, with nothing to remove");
    store.forget_newest().await.unwrap();
    let forget = "what marquee upgrade does with the lists of newest movies";
    recorder.store_calls("forget_newest", &["AP-28", "AP-36"], forget);
    store.refill_genres().await.unwrap();
    let refill = "a run of the sweep, with genres of an earlier version";
    recorder.store_calls("refill", &["AP-38"], refill);
    store.promote(&owner.username, Role::Admin).await.unwrap();
    recorder.store_calls("promote", &["AP-18", "AP-26"], "marquee promote ripley");
    for bucket in 0..store.movie_buckets().await.unwrap() {
        store.movie_items(bucket).await.unwrap();
    }
    recorder.store_calls("export", &["AP-60"], "marquee export");
    let (_, wrong) = findings(&store, false).await;
    assert_eq!(wrong, []);
    recorder.store_calls("audit", &["AP-61"], "marquee audit, with nothing to find");
    store.make_reset_token_of(&owner.username, 1800).await.unwrap();
    let request = "marquee reset-password ripley";
    recorder.store_calls("reset_password", &["AP-18", "AP-23", "AP-53"], request);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "imdb_id,title,description,release_date,director,genre\n\
         tt0088846,Brazil,A clerk.,1985-02-20,Terry Gilliam,Sci-Fi\n"
    )
    .unwrap();
    let source = Source::File(file.path().to_owned());
    Importer::new(store.clone(), None).run(&source).await.unwrap();
    let patterns = ["AP-10", "AP-27", "AP-28", "AP-29", "AP-31", "AP-33"];
    recorder.store_calls("import", &patterns, "marquee import of one movie");
    // Without the proxy in between: movie 1 is in the last shard, in a table of the first version.
    let table = recorder.proxied.proxy.store().await;
    let movie_id = MovieId::try_from(1).unwrap();
    let movie = keys::movie(movie_id);
    let last =
        Update::new("SET #liked = :last").value(":last", text(keys::likes_shard(MAX_LIKES_SHARDS - 1)));
    let moved = table.update(&movie, &last, ReturnValue::None).await;
    assert!(moved.unwrap().is_ok());
    table.delete(&keys::layout()).await.unwrap();
    // One of its postings is of that time, and one that it doesn't have any more is there.
    let of_then = [
        (
            posting_keys::genre_membership("sci-fi", movie_id),
            "without a year||sci fi",
        ),
        (posting_keys::title_word_posting("gone", movie_id), "gone||sci fi"),
    ];
    for (key, carried) in of_then {
        let of_then = Update::new("SET #text = :text").value(":text", text(carried));
        let written = table.update(&key, &of_then, ReturnValue::None).await;
        assert!(written.unwrap().is_ok());
    }
    let but_the_last = LikesShards::new(LIKES_SHARDS, MAX_LIKES_SHARDS - 1).unwrap();
    let store = store.with_likes_shards(but_the_last);
    let changed = upgrade::check(&store, Older::Upgrade).await.unwrap();
    assert_eq!((changed.moved, changed.rewritten), (1, 1));
    let request = "the upgrade of a table of the first version with one movie in the only shard that isn't read, of which two postings are of \
         that version";
    let patterns = ["AP-28", "AP-29", "AP-34", "AP-35", "AP-40", "AP-45"];
    recorder.store_calls("upgrade", &patterns, request);
}
