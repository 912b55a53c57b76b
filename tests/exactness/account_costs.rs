//! What the operations on an account cost a user with many favorites: as much as a user with few, and each favorite that the
//! deletion removes costs the same.

use std::{fmt::Write as _, time::Duration};

use marquee_shared::{
    db::{
        Store,
        expression::{Condition, Update},
        favorite::FavoriteItem,
        item::{number, text},
        keys,
        leaving::LEAVING_FOR,
        likes::ONE_FAVORITE,
        transaction::{Outcome, Transaction},
    },
    domain::{MovieId, UserId},
};
use serde_json::json;

use crate::support::{
    Call, Caller, PASSWORD,
    accounts::all_gone,
    audit::audit,
    proxy::{Cost, ProxiedApp},
};

/// The favorites of the two users. The variable `FAVORITES` names another number for the second one.
const FAVORITES: [u64; 2] = [30, 600];

/// Longer than the time between two calls of one round trip, even on a busy machine.
const HOLD: Duration = Duration::from_millis(30);

/// How much a favorite costs that a deletion removes: the movie and the favorite in a transaction, 2 units each, and the index
/// entries of both.
const WRITES_OF_FAVORITE: f64 = 7.0;

/// Makes the first movies favorites of this user, directly in the table.
async fn add_favorites(store: &Store, user: UserId, movies: u64) {
    let ids: Vec<u64> = (1..=movies).collect();
    for some in ids.chunks(50) {
        let mut transaction = Transaction::default();
        for id in some {
            let movie = MovieId::try_from(*id).unwrap();
            let favorite = FavoriteItem::new(movie, user, store.clock.now());
            let put = store.on(keys::favorite(movie, user));
            transaction.add(put.put(&favorite, Condition::not_exists()).unwrap());
            let update = Update::new("SET #liked = if_not_exists(#liked, :liked) ADD #likes :one")
                .value(":liked", text(store.likes_shards.of(movie)))
                .value(":one", number(ONE_FAVORITE));
            transaction.add(store.on(keys::movie(movie)).update(update).unwrap());
        }
        let outcome = store.transact(&transaction).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed));
    }
}

/// The operations on an account that change nothing which the next one needs.
fn operations(user: &Caller) -> [(&'static str, Call); 7] {
    let same = json!({"current_password": PASSWORD, "new_password": PASSWORD});
    let email = json!({"current_password": PASSWORD, "email": format!("{}@example.net", user.username)});
    let me = "/api/users/me/";
    [
        ("me", user.get(me)),
        ("my favorites, 20", user.get(&format!("{me}favorites/?limit=20"))),
        ("my movies, 20", user.get(&format!("{me}movies/?limit=20"))),
        ("my sessions", user.get(&format!("{me}sessions/"))),
        ("end the other sessions", user.delete(&format!("{me}sessions/"))),
        ("change the email", user.patch(me).json(&email)),
        (
            "change the password",
            user.put(&format!("{me}password/")).json(&same),
        ),
    ]
}

/// Guarantee 36. The command at the end of "Deleted accounts" in docs/data-model.md runs this with ten thousand favorites.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_operation_on_an_account_costs_more_with_many_favorites() {
    let named = std::env::var("FAVORITES").ok();
    let most = named.map_or(FAVORITES[1], |n| n.parse().unwrap());
    let proxied = ProxiedApp::new().await;
    let mut csv = String::from("title,description,release_date,director,genre\n");
    for n in 0..most {
        writeln!(csv, "Movie {n},One of many.,2000-01-01,Somebody,Drama").unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("movies.csv");
    std::fs::write(&file, csv).unwrap();
    assert_eq!(proxied.proxy.import(file).await, most);
    let store = proxied.proxy.store().await;
    println!("| request | favorites | trips | read units | write units |");
    println!("|---|---|---|---|---|");
    let mut costs: Vec<Vec<Cost>> = Vec::new();
    let mut users = Vec::new();
    proxied.proxy.gather_calls(HOLD);
    for favorites in [FAVORITES[0], most] {
        let user = proxied.app.member().await;
        add_favorites(&store, UserId::try_from(user.id).unwrap(), favorites).await;
        // A warm function has read the keys.
        user.get("/api/users/me/favorites/?limit=1").send().await.is(200);
        let mut own = Vec::new();
        for (name, call) in operations(&user) {
            proxied.proxy.take();
            let answer = call.send().await;
            assert!(answer.status.is_success(), "{name}: {}", answer.text);
            let cost = Cost::of(proxied.proxy.take());
            println!(
                "| {name} | {favorites} | {} | {} | {} |",
                cost.trips, cost.reads, cost.writes
            );
            own.push(cost);
        }
        costs.push(own);
        users.push((favorites, user));
    }
    // The deletions take as long as they do on one machine. They are the last, since the server looks after each a while later.
    proxied.proxy.gather_calls(Duration::ZERO);
    for (favorites, user) in users {
        let body = json!({"current_password": PASSWORD});
        proxied.proxy.take();
        let began = std::time::Instant::now();
        user.delete("/api/users/me/").json(&body).send().await.is(204);
        let answered = began.elapsed();
        proxied.app.clock.advance(LEAVING_FOR + 1);
        let sweep = &proxied.app.running.functions.sweep.state.store;
        let ample = Duration::from_secs(600);
        let swept = marquee_sweep::sweep_accounts(sweep, ample).await.unwrap();
        assert_eq!((swept.accounts, swept.is_done), (0, true));
        let all = began.elapsed();
        all_gone(&store, user.id).await;
        let cost = Cost::of(proxied.proxy.take());
        let writes = cost.writes / favorites as f64;
        println!(
            "| delete the account, with all passes | {favorites} | | {} | {} |",
            cost.reads, cost.writes
        );
        println!(
            "\nanswered after {answered:.1?}, done after {all:.1?}: {writes:.2} units for each favorite\n"
        );
        // The account itself, once, and transactions that another pass made first.
        assert!(
            cost.writes <= 1.1 * WRITES_OF_FAVORITE * favorites as f64 + 40.0,
            "{cost:?}"
        );
    }
    let [few, many] = &costs[..] else { unreachable!() };
    for (few, many) in few.iter().zip(many) {
        assert!(
            many.reads <= few.reads && many.writes <= few.writes,
            "{few:?} with few favorites, {many:?} with many"
        );
    }
    if most <= FAVORITES[1] {
        audit(&store).await;
    }
}
