//! The `imdb_id` of a movie: what it accepts, that no two movies have the same one, and the list's filter by it.

use std::io::Write as _;

use marquee::import::{Importer, Source};
use marquee_shared::db::{expression::Condition, item::number, keys::class_of};
use serde_json::{Value, json};

use super::{create, path, solaris};
use crate::api::{MEDIA_TYPES, body_of, with_changes};
use crate::support::{
    Caller, TestApp,
    audit::{audit, scan},
    proxy::ProxiedApp,
};

const SOLARIS: &str = "tt0069293";
const STALKER: &str = "tt0079944";
const MIRROR: &str = "tt0072443";

async fn found(caller: &Caller, query: &str) -> Vec<u64> {
    let answer = caller.get(&format!("/api/movies/?{query}")).send().await.is(200);
    let ids = answer.ids();
    let expected =
        json!({"count": ids.len(), "next": null, "previous": null, "results": answer.body["results"]});
    assert_eq!(answer.body, expected, "{query}");
    ids
}

async fn set(caller: &Caller, movie: &Value, imdb_id: Value) -> Value {
    let call = caller.patch(&path(movie)).json(&json!({"imdb_id": imdb_id}));
    call.send().await.is(200).body
}

#[tokio::test]
async fn an_imdb_id_is_tt_and_7_to_10_digits_in_every_media_type() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for (n, good) in ["tt0069293", "tt12345678", "tt1234567890", " tt0000001 "]
        .into_iter()
        .enumerate()
    {
        let movie = create(&member, json!({"imdb_id": good})).await.is(201).body;
        assert_eq!(movie["imdb_id"], good.trim());
        let read = member.get(&path(&movie)).send().await.is(200);
        assert_eq!(read.body["imdb_id"], good.trim(), "{n}");
    }
    let stored = create(&member, json!({})).await.is(201).body;
    for bad in [
        json!(""),
        json!(" "),
        json!("tt006929"),
        json!("tt12345678901"),
        json!("0069293"),
        json!("TT0069293"),
        json!("nm0000001"),
        json!("tt００69293"),
        json!("https://www.imdb.com/title/tt0069293/"),
        json!(69293),
        json!(true),
        json!(["tt0069293"]),
    ] {
        create(&member, json!({"imdb_id": bad}))
            .await
            .is_problem(400, "invalid_input")
            .names(&["imdb_id"]);
        for call in [
            member
                .put(&path(&stored))
                .json(&with_changes(&solaris(), &json!({"imdb_id": bad}))),
            member.patch(&path(&stored)).json(&json!({"imdb_id": bad})),
        ] {
            call.send()
                .await
                .is_problem(400, "invalid_input")
                .names(&["imdb_id"]);
        }
    }
    for (n, media) in MEDIA_TYPES.into_iter().enumerate() {
        let imdb_id = format!("tt000001{n}");
        let (kind, body) = body_of(media, &with_changes(&solaris(), &json!({"imdb_id": imdb_id})));
        let movie = member
            .post("/api/movies/")
            .body(&kind, body)
            .send()
            .await
            .is(201)
            .body;
        assert_eq!(movie["imdb_id"], imdb_id, "{media}");
    }
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn an_imdb_id_stays_until_it_is_cleared_or_replaced() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let movie = create(&member, json!({"imdb_id": SOLARIS})).await.is(201).body;
    let path = path(&movie);
    let put = |changes: Value| member.put(&path).json(&with_changes(&solaris(), &changes)).send();
    let patch = |changes: Value| member.patch(&path).json(&changes).send();
    let now = async |answer: crate::support::Answer, imdb_id: Value| {
        assert_eq!(answer.is(200).body["imdb_id"], imdb_id);
        let found = found(&member, &format!("imdb_id={SOLARIS}")).await;
        assert_eq!(found.is_empty(), imdb_id != json!(SOLARIS));
        audit(&app.running.state.store).await;
    };
    now(put(json!({"title": "Solyaris"})).await, json!(SOLARIS)).await;
    now(patch(json!({"title": "Solaris"})).await, json!(SOLARIS)).await;
    now(patch(json!({"imdb_id": SOLARIS})).await, json!(SOLARIS)).await;
    now(patch(json!({"imdb_id": null})).await, json!(null)).await;
    now(patch(json!({"imdb_id": null})).await, json!(null)).await;
    now(put(json!({"imdb_id": SOLARIS})).await, json!(SOLARIS)).await;
    let mut cleared = solaris();
    cleared["imdb_id"] = json!(null);
    now(member.put(&path).json(&cleared).send().await, json!(null)).await;
    now(patch(json!({"imdb_id": STALKER})).await, json!(STALKER)).await;
    now(
        patch(json!({"imdb_id": SOLARIS, "favorite": true})).await,
        json!(SOLARIS),
    )
    .await;
    // A form has no null.
    for empty in ["", " ", "null"] {
        let form = json!({"imdb_id": empty});
        let (kind, body) = body_of(MEDIA_TYPES[1], &form);
        now(member.patch(&path).body(&kind, body).send().await, json!(null)).await;
        let (kind, body) = body_of(MEDIA_TYPES[1], &with_changes(&solaris(), &form));
        let other = member.post("/api/movies/").body(&kind, body).send().await.is(201);
        assert_eq!(other.body["imdb_id"], json!(null));
        now(patch(json!({"imdb_id": SOLARIS})).await, json!(SOLARIS)).await;
    }
}

/// Guarantee 31.
#[tokio::test]
async fn no_two_movies_have_the_same_imdb_id() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    let solaris = create(&member, json!({"imdb_id": SOLARIS})).await.is(201).body;
    let stalker = create(&other, json!({"title": "Stalker", "imdb_id": STALKER}))
        .await
        .is(201)
        .body;
    let before = member.get("/api/movies/").send().await.is(200).body;

    // With a genre of its own and a favorite, so that more than one condition can fail.
    let taken = json!({"imdb_id": SOLARIS, "genre": "Mystery, Drama", "favorite": true});
    let all = with_changes(&super::solaris(), &taken);
    for call in [
        member.post("/api/movies/").json(&all),
        other.post("/api/movies/").json(&all),
        other.put(&path(&stalker)).json(&all),
        other.patch(&path(&stalker)).json(&taken),
        other.patch(&path(&stalker)).json(&json!({"imdb_id": SOLARIS})),
    ] {
        call.send().await.is_problem(409, "conflict").names(&["imdb_id"]);
    }
    // What is wrong with the request, the movie or the caller comes first.
    let stale = other
        .patch(&path(&stalker))
        .json(&taken)
        .header("if-match", "\"9\"");
    stale.send().await.is(412);
    member.patch(&path(&stalker)).json(&taken).send().await.is(403);
    other.patch("/api/movies/99/").json(&taken).send().await.is(404);
    create(&member, json!({"imdb_id": SOLARIS, "title": " "}))
        .await
        .is(400)
        .names(&["title"]);
    assert_eq!(member.get("/api/movies/").send().await.is(200).body, before);
    audit(&app.running.state.store).await;

    // An id that no movie has any more is free.
    set(&member, &solaris, json!(MIRROR)).await;
    set(&other, &stalker, json!(SOLARIS)).await;
    set(&member, &solaris, json!(null)).await;
    set(&other, &stalker, json!(MIRROR)).await;
    member.delete(&path(&solaris)).send().await.is(204);
    other.delete(&path(&stalker)).send().await.is(204);
    for imdb_id in [SOLARIS, STALKER, MIRROR] {
        assert_eq!(found(&member, &format!("imdb_id={imdb_id}")).await, [0_u64; 0]);
        create(&member, json!({"imdb_id": imdb_id})).await.is(201);
    }
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn the_list_is_filtered_by_imdb_id() {
    let app = TestApp::new().await;
    let (member, nobody) = (app.member().await, app.anonymous());
    let movie = create(&member, json!({"imdb_id": SOLARIS, "favorite": true}))
        .await
        .is(201)
        .body;
    create(&member, json!({"imdb_id": STALKER})).await.is(201);
    create(&member, json!({})).await.is(201);
    let id = movie["id"].as_u64().unwrap();
    for (query, expected) in [
        ("imdb_id=tt0069293", vec![id]),
        ("imdb_id=%20tt0069293", vec![id]),
        ("imdb_id=tt0069293&limit=1", vec![id]),
        ("imdb_id=tt0069293&ordering=-release_date", vec![id]),
        ("imdb_id=tt0069293&genre=drama", vec![id]),
        ("ordering=id&genre=Sci+Fi&imdb_id=tt0069293", vec![id]),
        ("imdb_id=tt0069293&genre=crime", vec![]),
        ("imdb_id=tt0069293&genre=sci", vec![]),
        ("imdb_id=tt0069293&genre=…", vec![]),
        ("imdb_id=tt0072443", vec![]),
        ("imdb_id=tt00069293", vec![]),
    ] {
        for caller in [&member, &nobody] {
            assert_eq!(found(caller, query).await, expected, "{query}");
        }
    }
    for (caller, favorite) in [(&member, true), (&nobody, false)] {
        let answer = caller
            .get(&format!("/api/movies/?imdb_id={SOLARIS}"))
            .send()
            .await
            .is(200);
        assert_eq!(
            answer.body["results"][0],
            with_changes(&movie, &json!({"favorite": favorite}))
        );
    }
    for bad in ["", "%20", "tt", "tt006929", "69293", "TT0069293", "tt12345678901"] {
        let answer = nobody.get(&format!("/api/movies/?imdb_id={bad}")).send().await;
        answer.is_problem(400, "invalid_input").names(&["imdb_id"]);
    }
    let answer = nobody
        .get("/api/movies/?imdb_id=x&ordering=y&genre=&limit=0")
        .send()
        .await;
    answer
        .is_problem(400, "invalid_input")
        .names(&["genre", "imdb_id", "limit", "ordering"]);
    // A cursor belongs to one list.
    let all = nobody.get("/api/movies/?limit=1").send().await.is(200);
    let next = all.body["next"].as_str().unwrap();
    let answer = nobody.get(&format!("{next}&imdb_id={SOLARIS}")).send().await;
    answer.is_problem(400, "invalid_input").names(&["cursor"]);
}

/// Some rows have an id that an earlier row has, that a movie has, or none.
const ROWS: &str = "\
imdb_id,title,description,release_date,director,genre
tt0069293,Solaris,x,1972-03-20,Andrei Tarkovsky,Only here
tt0079944,Stalker,x,1979-05-25,Andrei Tarkovsky,Sci-Fi
tt0079944,Stalker again,x,1979-05-25,Andrei Tarkovsky,Mystery
,Nostalghia,x,1983-05-17,Andrei Tarkovsky,Drama
tt0079944,And again,x,1979-05-25,Andrei Tarkovsky,Drama
tt0072443,Mirror,x,1975-03-07,Andrei Tarkovsky,Drama
";

/// Over both ways to the table: by direct calls of the embedded engine, and by DynamoDB's API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_leaves_out_a_row_whose_imdb_id_a_movie_has_and_no_other() {
    for is_direct in [true, false] {
        let proxied = ProxiedApp::new().await;
        let member = proxied.app.member().await;
        create(&member, json!({"imdb_id": SOLARIS})).await.is(201);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(ROWS.as_bytes()).unwrap();
        let database = proxied.proxy.table.database().filter(|_| is_direct);
        let store = proxied.proxy.store().await;
        let importer = Importer::new(store.clone(), database);
        let report = importer.run(&Source::File(file.path().to_owned())).await;
        let report = report.unwrap();
        assert_eq!((report.movies, report.counts.there), (3, 3));
        let list = member.get("/api/movies/").send().await.is(200);
        let titles = crate::api::texts(&list, "title");
        assert_eq!(titles, ["Solaris", "Stalker", "Nostalghia", "Mirror"]);
        audit(&store).await;
    }
}

/// The slower of two imports of one file finds its movies added, with the same `imdb_id`s, and must leave them alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_does_not_undo_what_another_import_of_the_same_file_added() {
    for is_direct in [true, false] {
        let proxied = ProxiedApp::new().await;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        // No row is left out, whose postings the slower import would write again.
        let rows = ROWS.lines().filter(|row| !row.contains("again"));
        file.write_all(rows.collect::<Vec<_>>().join("\n").as_bytes())
            .unwrap();
        let source = Source::File(file.path().to_owned());
        let database = proxied.proxy.table.database().filter(|_| is_direct);
        let store = proxied.proxy.store().await;
        let importer = Importer::new(store.clone(), database);
        importer.run(&source).await.unwrap();
        // As the job was when the slower one read it.
        let mut items = scan(&store).await.into_iter();
        let mut job = items.rfind(|item| class_of(item) == "IMPORT").unwrap();
        job.insert("done".to_owned(), number(0));
        assert!(store.put(job, Condition::none()).await.unwrap().is_ok());
        let report = importer.run(&source).await.unwrap();
        assert_eq!((report.movies, report.counts.there), (0, 4));
        audit(&store).await;
    }
}

/// Guarantee 42. The edit replaces every word, every genre and the `imdb_id`, and adds the favorite. One of its genres exists
/// already, so the number of genres changes too. That is more than a transaction holds.
#[tokio::test]
async fn an_edit_that_does_not_fit_one_transaction_is_made_whole() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let fields = |tag: &str, imdb_id: &str| {
        let words: Vec<String> = (0..30).map(|n| format!("{tag}{n}")).collect();
        json!({
            "title": words[..20].join(" "),
            "director": words[20..].join(" "),
            "genre": words[11..20].join(","),
            "imdb_id": imdb_id,
        })
    };
    create(&member, json!({"genre": "b11"})).await.is(201);
    let movie = create(&member, fields("a", SOLARIS)).await.is(201).body;
    let changes = with_changes(&fields("b", STALKER), &json!({"favorite": true}));
    let edited = member.patch(&path(&movie)).json(&changes).send().await.is(200);
    let read = member.get(&path(&movie)).send().await.is(200);
    assert_eq!(read.body, edited.body);
    for (name, value) in changes.as_object().unwrap() {
        let is = read.body[name].to_string().replace(", ", ",");
        assert_eq!(is, value.to_string(), "{name}");
    }
    assert_eq!(
        found(&member, &format!("imdb_id={STALKER}")).await,
        [movie["id"].as_u64().unwrap()]
    );
    assert_eq!(found(&member, &format!("imdb_id={SOLARIS}")).await, [0_u64; 0]);
    audit(&app.running.state.store).await;
}
