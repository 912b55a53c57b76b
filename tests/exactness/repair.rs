//! `marquee audit --repair`: each kind of disagreement is found under its name, and mended if it has one right answer.

use std::collections::BTreeSet;

use marquee::audit::Kind;
use marquee_shared::{
    db::{
        Key, Store,
        counter::Counter,
        item::{Item, number, text},
        keys,
    },
    domain::{IdempotencyKey, ImdbId, MovieId, SessionId, UserId},
};
use serde_json::json;

use super::{
    auditor::{Mutation, entries, inserted, plus, removed, replace, set, with, without, words},
    stored_covers,
};
use crate::{
    docs::{self, quoted, read},
    support::{
        Caller, TestApp,
        audit::{audit, findings},
        movie,
    },
};

/// A raw write: the kind that an audit then finds and nothing else, whether it is mended, and the write.
type Break = (Kind, bool, Key, Mutation);

/// A movie with everything that an audit looks at.
struct Table {
    app: TestApp,
    owner: Caller,
    fan: Caller,
    movie: MovieId,
}

impl Table {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let (owner, fan) = (app.register("ripley").await, app.register("dallas").await);
        let mut alien = movie("Alien Nation", "Ridley Scott", "Sci-Fi, Horror", "1979-05-25");
        alien["imdb_id"] = json!("tt0078748");
        let alien = owner.add(&alien).await["id"].as_u64().unwrap();
        owner
            .add(&movie("Heat", "Michael Mann", "Crime", "1995-12-15"))
            .await;
        let toggle = fan.post(&format!("/api/movies/{alien}/favorite/"));
        toggle.header("idempotency-key", "key").send().await.is(200);
        Self {
            app,
            owner,
            fan,
            movie: MovieId::try_from(alien).unwrap(),
        }
    }

    fn store(&self) -> &Store {
        &self.app.running.state.store
    }

    fn breaks(&self) -> Vec<Break> {
        let (id, movie) = (self.movie, keys::movie(self.movie));
        let user = |caller: &Caller| UserId::try_from(caller.id).unwrap();
        let (owner, fan, nobody) = (user(&self.owner), user(&self.fan), UserId::try_from(99).unwrap());
        let nothing = MovieId::try_from(99).unwrap();
        let session = SessionId::new([7; 16]);
        let kept = keys::kept_answer(fan, &IdempotencyKey::parse(b"key").unwrap());
        let imdb_id = keys::imdb_id(&ImdbId::parse("tt0078748").unwrap());
        let posting = |pk: &str, sk: &str| Key::new(pk, format!("{sk}#{}", keys::id_text(id.get())));
        let nation = posting("WORD#nat", "1#nation");
        let favorite = |movie: MovieId, user: UserId| {
            let date = format!("2026-01-01T00:00:00.000Z#{}", keys::id_text(movie.get()));
            inserted(&[
                ("movie", number(movie)),
                ("user", number(user)),
                ("dated", text(keys::user_favorites(user))),
                ("date", text(date)),
            ])
        };
        // A transaction that was interrupted: the movie's texts before are those that it has.
        let unfinished = [
            ("title", "Alien Nation"),
            ("director", "Ridley Scott"),
            ("genre", "Sci-Fi, Horror"),
            ("release_date", "1979-05-25"),
        ];
        let unfinished = unfinished.map(|(name, value)| (name.to_owned(), text(value)));
        let unfinished = aws_sdk_dynamodb::types::AttributeValue::M(unfinished.into());
        let list = entries(&["197905250000000001", "197905260000000001"]);
        let (genre, near) = (keys::genre("sci-fi"), keys::near(6, 0, "nat"));
        let token = inserted(&[
            ("hash", text("x")),
            ("email", text("x")),
            ("expires", number(1)),
            ("ttl", number(1)),
        ]);
        let war = Key::new("GENRE#war", format!("war#{}", keys::id_text(id.get())));
        vec![
            (Kind::UnknownItem, false, Key::new("ELSE", "x"), inserted(&[])),
            (Kind::InvalidItem, false, Key::new("SWEEP", "x"), inserted(&[])),
            (
                Kind::InvalidItem,
                false,
                keys::session(fan, session),
                inserted(&[("user", number(fan))]),
            ),
            (
                Kind::InvalidItem,
                false,
                movie.clone(),
                set("created_at", text("yesterday")),
            ),
            (
                Kind::InvalidItem,
                false,
                keys::user(fan),
                set("joined", text("yesterday")),
            ),
            (
                Kind::PasswordHashMisplaced,
                false,
                keys::user(fan),
                with("password_hash", text("x")),
            ),
            (
                Kind::LayoutWrong,
                false,
                keys::layout(),
                set("version", number(99)),
            ),
            (Kind::PostingMissing, true, nation.clone(), removed()),
            (
                Kind::PostingMissing,
                true,
                posting("GENRE#sci", "sci-fi"),
                removed(),
            ),
            (Kind::PostingWrong, true, nation.clone(), with("other", number(1))),
            (
                Kind::PostingWrong,
                true,
                posting("GENRE#sci", "sci-fi"),
                set("dated", text("GENRE#horror")),
            ),
            (
                Kind::PostingOrphan,
                true,
                war,
                inserted(&[("text", text("||war"))]),
            ),
            (
                Kind::FavoriteCountWrong,
                true,
                movie.clone(),
                set("likes", number(id)),
            ),
            (
                Kind::LikesShardWrong,
                true,
                movie.clone(),
                set("liked", text("LIKES#x")),
            ),
            (Kind::LikesShardWrong, true, movie.clone(), without("liked")),
            (
                Kind::DateKeysWrong,
                true,
                movie.clone(),
                set("date", text("1979-05-26#0000000000000001")),
            ),
            (
                Kind::DateKeysWrong,
                true,
                movie.clone(),
                set("dated", text("OTHERS")),
            ),
            (
                Kind::EditUnfinished,
                true,
                movie.clone(),
                with("unfinished", unfinished),
            ),
            (Kind::ImdbIdMissing, true, imdb_id, removed()),
            (
                Kind::ImdbIdOrphan,
                true,
                Key::new("IMDB#tt0090605", "IMDB"),
                inserted(&[("movie", number(id))]),
            ),
            (
                Kind::ImdbIdOrphan,
                true,
                Key::new("IMDB#tt0090605", "IMDB"),
                inserted(&[("movie", number(99))]),
            ),
            (Kind::OwnedMissing, true, keys::owned_movie(owner, id), removed()),
            (
                Kind::OwnedOrphan,
                true,
                keys::owned_movie(nobody, id),
                inserted(&[]),
            ),
            (
                Kind::FavoriteOrphan,
                true,
                keys::favorite(nothing, fan),
                favorite(nothing, fan),
            ),
            (
                Kind::FavoriteWrong,
                false,
                keys::favorite(id, fan),
                set("dated", text("USER_FAVORITES#9")),
            ),
            (Kind::SweepWrong, true, keys::sweep(id), inserted(&[])),
            (Kind::UserGone, true, keys::reset(nobody), token),
            (Kind::LoginWrong, false, keys::login("ripley"), removed()),
            (
                Kind::LoginWrong,
                false,
                keys::login("nobody"),
                inserted(&[
                    ("kind", text("username")),
                    ("user", number(99)),
                    ("account", text("nobody")),
                    ("email", text("nobody@example.com")),
                    ("password_hash", text("x")),
                ]),
            ),
            (
                Kind::PasswordDiffers,
                false,
                keys::login("ripley"),
                set("password_hash", text("x")),
            ),
            (
                Kind::LeavingWrong,
                false,
                keys::leaving(fan),
                inserted(&[("left", number(1))]),
            ),
            (Kind::GenreMissing, false, genre.clone(), removed()),
            (
                Kind::GenreOrphan,
                true,
                keys::genre("war"),
                inserted(&[("identity", text("war")), ("name", text("War")), ("n", number(1))]),
            ),
            (Kind::GenreCountWrong, true, genre.clone(), set("n", number(2))),
            (
                Kind::GenreNameWrong,
                false,
                genre.clone(),
                set("name", text("Drama")),
            ),
            (Kind::GenreListMissing, true, genre.clone(), without("newest")),
            (
                Kind::GenreListWrong,
                true,
                genre.clone(),
                set("newest", entries(&[])),
            ),
            (Kind::GenreListWrong, true, genre.clone(), set("newest", list)),
            (
                Kind::GenreTooLarge,
                true,
                genre,
                set("floor", text("0".repeat(948))),
            ),
            (Kind::WordMissing, true, near.clone(), removed()),
            (
                Kind::WordMissing,
                true,
                keys::near(6, 0, "xen"),
                inserted(&[("w", words(&["oms"]))]),
            ),
            (Kind::WordWrong, false, near, plus("n", number(1))),
            (Kind::KeptAnswerWrong, false, kept, set("ttl", number(1))),
            (
                Kind::CounterWrong,
                true,
                Counter::Movies.key(),
                set("n", number(3)),
            ),
            (
                Kind::CounterWrong,
                true,
                Counter::Users.key(),
                set("n", number(1)),
            ),
            (
                Kind::CounterWrong,
                true,
                Counter::Movies.key(),
                set("n", text("two")),
            ),
            (Kind::LastIdWrong, true, Counter::MovieIds.key(), removed()),
            (
                Kind::LastIdWrong,
                true,
                Counter::MovieIds.key(),
                set("n", text("two")),
            ),
            (
                Kind::LastIdWrong,
                true,
                Counter::UserIds.key(),
                set("n", number(1)),
            ),
        ]
    }
}

/// Guarantee 80.
#[tokio::test]
async fn each_kind_of_disagreement_is_found_under_its_name_and_mended_if_it_has_one_right_answer() {
    let table = Table::new().await;
    let store = table.store();
    audit(store).await;
    // Several wrong things at once are found in the other test of the audit; these two can't be alone.
    let mut seen = BTreeSet::from([Kind::KeyTooLong, Kind::PostingTooLarge]);
    let page = read("docs/audit.md");
    let rows = docs::table(&page, "## Kinds");
    let documented: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row[2] != "left")
        .flat_map(|row| quoted(row[0]))
        .collect();
    // The store of covers is no part of the table: those of its kinds that are mended are tested with it.
    for kind in stored_covers::KINDS {
        seen.insert(kind);
        assert_eq!(documented.contains(kind.name()), kind == Kind::CoverOrphan);
    }
    for (kind, is_mended, key, change) in table.breaks() {
        seen.insert(kind);
        assert_eq!(
            documented.contains(kind.name()),
            is_mended,
            "docs/audit.md on {kind}"
        );
        let item = store.get(&key).await.unwrap().map(Item::from);
        replace(store, &key, change(item.clone())).await;
        let (report, found) = findings(store, false).await;
        let kinds: BTreeSet<Kind> = found.iter().map(|finding| finding.kind).collect();
        // The number of genres changes too.
        let allowed = match kind {
            Kind::GenreOrphan | Kind::GenreMissing => BTreeSet::from([kind, Kind::CounterWrong]),
            _ => BTreeSet::from([kind]),
        };
        assert_eq!(kinds, allowed, "{kind} at {key:?}: {found:?}");
        assert!(found.iter().all(|finding| finding.mended.is_none()));
        assert!(!report.is_clean());

        let (report, found) = findings(store, true).await;
        assert_eq!(
            found.iter().any(|finding| finding.mended.is_some()),
            is_mended,
            "{kind} at {key:?}: {found:?}"
        );
        assert_eq!(report.is_clean(), is_mended, "{kind} at {key:?}: {found:?}");
        if is_mended {
            audit(store).await;
        } else {
            replace(store, &key, item).await;
        }
    }
    audit(store).await;
    let all: BTreeSet<Kind> = Kind::ALL.iter().copied().collect();
    assert_eq!(
        all.difference(&seen).collect::<Vec<_>>(),
        Vec::<&Kind>::new(),
        "no break of these kinds"
    );
}

/// Guarantee 80. What belonged to a lost movie is deleted, and then the genres that have no movie any more are.
#[tokio::test]
async fn a_repair_mends_what_its_own_mends_show() {
    let table = Table::new().await;
    let store = &table.app.running.state.store;
    assert!(store.delete_existing(&keys::movie(table.movie)).await.unwrap());
    let (report, found) = findings(store, true).await;
    assert!(report.is_clean(), "{found:?}");
    assert!(found.iter().all(|finding| finding.mended.is_some()), "{found:?}");
    let kinds: BTreeSet<Kind> = found.iter().map(|finding| finding.kind).collect();
    assert!(kinds.contains(&Kind::GenreOrphan), "{kinds:?}");
    assert_eq!(report.mended.values().sum::<u64>(), found.len() as u64);
    audit(store).await;
}
