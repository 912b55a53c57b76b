//! What is left of deleted accounts, and what requests that were accepted before the deletion may still write.

use std::time::{Duration, Instant};

use marquee_shared::{
    auth::refresh::RefreshToken,
    clock::Clock,
    db::{
        Store,
        expression::{Condition, Update},
        favorite::FavoriteItem,
        item::number,
        keys,
        likes::ONE_FAVORITE,
        session::SessionItem,
        transaction::{Outcome, Transaction},
        user::PasswordVersion,
    },
    domain::{MovieId, UserId},
};
use serde_json::json;

use super::audit::scan;

/// How long everything of a deleted account may be there on one machine.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// Makes a movie a favorite of this user, and the user its owner, and begins a session: as requests of the user do that are
/// slower than the deletion.
pub async fn leave_behind(store: &Store, user: UserId, movie: MovieId) {
    let mut transaction = Transaction::default();
    let favorite = FavoriteItem::new(movie, user, Clock::default().now());
    let put = store.on(keys::favorite(movie, user));
    transaction.add(put.put(&favorite, Condition::not_exists()).unwrap());
    let update = Update::new("SET #user = :user, #liked = if_not_exists(#liked, :liked) ADD #likes :one")
        .value(":user", number(user))
        .value(
            ":liked",
            marquee_shared::db::item::text(store.likes_shards.of(movie)),
        )
        .value(":one", number(ONE_FAVORITE));
    transaction.add(store.on(keys::movie(movie)).update(update).unwrap());
    let owned = store.on(keys::owned_movie(user, movie));
    transaction.add(owned.put(&json!({}), Condition::none()).unwrap());
    assert!(matches!(
        store.transact(&transaction).await.unwrap(),
        Outcome::Committed
    ));
    let token = RefreshToken::first(user).unwrap();
    let version = PasswordVersion::default();
    let session = SessionItem::of_password(user, version, &token, store.clock.now(), 3600);
    store.put_session(&token, &session).await.unwrap();
}

/// Waits until no item names this user but the one that looks after the account.
pub async fn all_gone(store: &Store, user: u64) {
    let begun = Instant::now();
    let mine = [
        keys::user_favorites(UserId::try_from(user).unwrap()),
        keys::owned_movies(UserId::try_from(user).unwrap()),
        keys::sessions(UserId::try_from(user).unwrap()),
        keys::reset(UserId::try_from(user).unwrap()).pk,
    ];
    loop {
        let items = scan(store).await;
        let left = items.iter().filter(|item| {
            ["pk", "dated"].iter().any(|name| {
                let text = item.get(*name).and_then(|value| value.as_s().ok());
                text.is_some_and(|text| mine.contains(text))
            })
        });
        if left.count() == 0 {
            return;
        }
        assert!(begun.elapsed() < GONE_WITHIN, "something of user {user} is left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
