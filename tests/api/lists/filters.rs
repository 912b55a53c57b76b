//! The filters of the list of movies: what each parameter means, and what is refused.

use serde_json::{Value, json};

use crate::{
    api::{pages, texts},
    support::{Caller, TestApp, audit::audit, encode, movie},
};

/// Titles, directors, genres and dates. The ids are 1, 2 and so on.
const MOVIES: &[(&str, &str, &str, &str)] = &[
    (
        "The Matrix",
        "Lana Wachowski, Lilly Wachowski",
        "Sci-Fi, Action",
        "1999-03-31",
    ),
    ("Fargo", "Joel Coen, Ethan Coen", "Crime, Drama", "1996-03-08"),
    ("Amélie", "Jean-Pierre Jeunet", "Comédie, Romance", "2001-04-25"),
    ("Star Trek", "J. J. Abrams", "Sci-Fi, Action", "2009-05-06"),
    ("Blood Simple", "joel coen", "Crime", "1984-01-18"),
    (
        "Trois couleurs : Bleu",
        "Krzysztof Kieślowski",
        "Drama",
        "1993-09-08",
    ),
    ("Joel", "Coen", "Drama", "1999-12-31"),
    ("Seven Samurai", "黒澤明", "Drama, Action", "1954-04-26"),
    ("Parasite", "봉준호", "Drama, Thriller", "2019-05-21"),
    ("Joel Coen", "Somebody Joel Coen", "Documentary", "2000-01-01"),
    ("Roundhay Garden Scene", "Louis Le Prince", "Short", "1888-10-14"),
    (
        "Sinéad",
        "Sinéad O'Connor & Son",
        "Action & Adventure, Drama",
        "1999-01-01",
    ),
    ("Sport", "Joel Coen Junior", "Sport", "1998-12-31"),
];

async fn member_with_movies(app: &TestApp) -> Caller {
    let member = app.member().await;
    for (title, director, genre, date) in MOVIES {
        member.add(&movie(title, director, genre, date)).await;
    }
    member
}

/// Asserts which movies a filter lists, by id and by date, forward and backward, and their exact count.
async fn lists(caller: &Caller, query: &str, expected: &[u64]) {
    let date = |id: &u64| (MOVIES[usize::try_from(*id).unwrap() - 1].3, *id);
    let mut by_date = expected.to_vec();
    by_date.sort_by_key(|id| date(id));
    for (order, ids) in [
        ("id", expected.to_vec()),
        ("release_date", by_date.clone()),
        ("-id", expected.iter().rev().copied().collect()),
        ("-release_date", by_date.into_iter().rev().collect()),
    ] {
        let path = format!("/api/movies/?{query}&ordering={order}");
        let whole = caller.get(&format!("{path}&limit=100")).send().await.is(200);
        assert_eq!(whole.ids(), ids, "{query}, {order}");
        assert_eq!(whole.body["count"], ids.len(), "{query}, {order}");
        assert_eq!(whole.body["next"], Value::Null, "{query}, {order}");
        let small = pages(caller, &format!("{path}&limit=1"), "next").await.concat();
        assert_eq!(small, ids, "{query}, {order}, one a page");
    }
    let default = caller.get(&format!("/api/movies/?{query}")).send().await.is(200);
    assert_eq!(default.ids(), expected, "{query}");
}

#[tokio::test]
async fn a_director_is_one_of_the_movies_directors_by_the_whole_name() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    for (director, expected) in [
        ("Joel Coen", &[2, 5][..]),
        ("joel coen", &[2, 5]),
        ("JOEL COEN", &[2, 5]),
        (" Joel  Coen ", &[2, 5]),
        ("Jöél Côen", &[2, 5]),
        ("Ethan Coen", &[2]),
        ("Joel Coen, Ethan Coen", &[2]),
        ("J J Abrams", &[4]),
        ("Lana Wachowski", &[1]),
        ("lilly wachowski", &[1]),
        ("Jean-Pierre Jeunet", &[3]),
        ("jean-pierre jeunet", &[3]),
        ("J. J. Abrams", &[4]),
        ("Krzysztof Kieslowski", &[6]),
        ("KRZYSZTOF KIEŚLOWSKI", &[6]),
        ("Coen", &[7]),
        ("黒澤明", &[8]),
        ("봉준호", &[9]),
        ("Louis Le Prince", &[11]),
        ("Sinead O'Connor & Son", &[12]),
        ("Joel Coen Junior", &[13]),
        // Parts of a name, and names in another order, are no names.
        ("Joel", &[]),
        ("Wachowski", &[]),
        ("Joel Coe", &[]),
        ("Coen Joel", &[]),
        ("Ethan", &[]),
        ("黒澤", &[]),
        ("Louis Le", &[]),
        ("Junior", &[]),
        ("Nobody", &[]),
        ("?", &[]),
        ("…", &[]),
        // Words of a title or a genre are no names.
        ("Fargo", &[]),
        ("Drama", &[]),
    ] {
        lists(&member, &format!("director={}", encode(director)), expected).await;
        lists(
            &app.anonymous(),
            &format!("director={}", encode(director)),
            expected,
        )
        .await;
    }
}

#[tokio::test]
async fn a_year_and_a_range_include_their_first_and_last_days() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    let all: Vec<u64> = (1..=13).collect();
    for (query, expected) in [
        ("year=1999", &[1, 7, 12][..]),
        ("year=1888", &[11]),
        ("year=2000", &[10]),
        ("year=1997", &[]),
        ("year=9999", &[]),
        ("released_from=1999-01-01&released_to=1999-12-31", &[1, 7, 12]),
        ("released_from=1999-01-02&released_to=1999-12-30", &[1]),
        ("released_from=1999-03-31&released_to=1999-03-31", &[1]),
        ("released_from=1999-12-31", &[3, 4, 7, 9, 10]),
        ("released_from=2000-01-01", &[3, 4, 9, 10]),
        ("released_from=2019-05-21", &[9]),
        ("released_from=2019-05-22", &[]),
        ("released_to=1888-10-14", &[11]),
        ("released_to=1888-10-13", &[]),
        ("released_to=1984-01-18", &[5, 8, 11]),
        ("released_from=1870-01-01", &all),
        ("released_to=9999-12-31", &all),
        ("released_from=1870-01-01&released_to=9999-12-31", &all),
        ("year=1999&released_from=1999-03-31", &[1, 7]),
        ("year=1999&released_to=1999-03-31", &[1, 12]),
        ("year=1999&released_from=2000-01-01", &[]),
        (
            "year=1999&released_from=1980-01-01&released_to=2010-01-01",
            &[1, 7, 12],
        ),
        // The end comes before the beginning.
        ("released_from=2000-01-01&released_to=1999-01-01", &[]),
        ("released_from=2000-01-02&released_to=2000-01-01", &[]),
    ] {
        lists(&member, query, expected).await;
    }
}

#[tokio::test]
async fn genres_may_be_repeated_or_have_commas_and_a_movie_must_be_of_all() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    for (query, expected) in [
        ("genre=drama", &[2, 6, 7, 8, 9, 12][..]),
        ("genre=Drama&genre=Action", &[8]),
        ("genre=action&genre=DRAMA", &[8]),
        ("genre=Drama,Action", &[8]),
        ("genre=Drama,%20Action", &[8]),
        ("genre=Action%20%2C%20drama", &[8]),
        ("genre=Drama&genre=Drama", &[2, 6, 7, 8, 9, 12]),
        ("genre=Drama,drama,DRAMA", &[2, 6, 7, 8, 9, 12]),
        ("genre=sci-fi,action", &[1, 4]),
        ("genre=Sci-Fi&genre=Action,Action", &[1, 4]),
        ("genre=comedie&genre=romance", &[3]),
        ("genre=Com%C3%A9die,Romance", &[3]),
        ("genre=drama&genre=crime", &[2]),
        ("genre=Action+%26+Adventure", &[12]),
        ("genre=action+and+adventure&genre=drama", &[12]),
        ("genre=drama,crime,action", &[]),
        ("genre=drama&genre=nothing", &[]),
        ("genre=nothing,nothing", &[]),
        ("genre=act", &[]),
    ] {
        lists(&member, query, expected).await;
    }
}

#[tokio::test]
async fn filters_may_be_combined() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    let patch = member
        .patch("/api/movies/2/")
        .json(&json!({"imdb_id": "tt0116282"}));
    patch.send().await.is(200);
    for (query, expected) in [
        ("director=joel+coen&genre=crime", &[2, 5][..]),
        ("director=joel+coen&genre=drama", &[2]),
        ("director=joel+coen&genre=drama&genre=crime", &[2]),
        ("director=joel+coen&year=1984", &[5]),
        ("director=joel+coen&year=1999", &[]),
        ("director=joel+coen&released_from=1990-01-01", &[2]),
        (
            "director=ethan+coen&genre=crime,drama&year=1996&released_to=1996-03-08",
            &[2],
        ),
        ("director=ethan+coen&genre=sport", &[]),
        ("genre=drama&year=1999", &[7, 12]),
        (
            "genre=drama&released_from=1990-01-01&released_to=1999-12-31",
            &[2, 6, 7, 12],
        ),
        ("genre=action,sci-fi&released_from=2000-01-01", &[4]),
        ("genre=drama,action&year=1954", &[8]),
        ("genre=drama,action&year=1955", &[]),
        ("imdb_id=tt0116282", &[2]),
        ("imdb_id=tt0116282&director=joel+coen", &[2]),
        (
            "imdb_id=tt0116282&director=ethan+coen&genre=crime&year=1996&released_from=1996-01-01&released_to=1996-12-31",
            &[2],
        ),
        ("imdb_id=tt0116282&director=joel", &[]),
        ("imdb_id=tt0116282&year=1997", &[]),
        ("imdb_id=tt0116282&genre=drama,sport", &[]),
        ("imdb_id=tt0116282&released_from=1996-03-09", &[]),
        ("imdb_id=tt0000001&genre=drama", &[]),
    ] {
        lists(&member, query, expected).await;
    }
}

#[tokio::test]
async fn values_that_cannot_be_are_400_and_all_are_named_at_once() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    for (name, values) in [
        (
            "year",
            &[
                "",
                "abc",
                "99",
                "-1999",
                "1999.0",
                "1999a",
                "+1999",
                "0x7cf",
                "1999-01",
                "99999",
                "1e3",
                "1999,2000",
            ][..],
        ),
        (
            "released_from",
            &[
                "",
                "1999",
                "1999-02-30",
                "1999-13-01",
                "2001-02-29",
                "1999-1-1",
                "31.12.1999",
                "yesterday",
                "1999-12-31T00:00:00Z",
            ],
        ),
        (
            "released_to",
            &[
                "",
                "1999",
                "1999-02-30",
                "1999-00-01",
                "2001-02-29",
                "1999/12/31",
                "now",
                "19991231",
            ],
        ),
        ("director", &["", "%20", "%09", "%C2%A0"]),
        ("genre", &["", "%20", ",", "%20,%20"]),
        ("imdb_id", &["", "0116282", "nm0000001", "tt123", "tt12345678901"]),
    ] {
        for value in values {
            let value = value.replace('+', "%2B");
            let answer = member.get(&format!("/api/movies/?{name}={value}")).send().await;
            answer.is_problem(400, "invalid_input").names(&[name]);
        }
    }
    let all = "/api/movies/?year=x&released_from=y&released_to=z&director=&genre=&imdb_id=q&limit=0&ordering=up&page=1";
    let names = [
        "director",
        "genre",
        "imdb_id",
        "limit",
        "ordering",
        "page",
        "released_from",
        "released_to",
        "year",
    ];
    member
        .get(all)
        .send()
        .await
        .is_problem(400, "invalid_input")
        .names(&names);
    // Each may be given once, except for genres.
    for (name, value) in [
        ("director", "joel"),
        ("year", "1999"),
        ("released_from", "1999-01-01"),
        ("released_to", "1999-01-01"),
        ("imdb_id", "tt0116282"),
    ] {
        let path = format!("/api/movies/?{name}={value}&{name}={value}");
        member
            .get(&path)
            .send()
            .await
            .is_problem(400, "invalid_input")
            .names(&[name]);
    }
    member
        .get("/api/movies/?genre=drama&genre=crime")
        .send()
        .await
        .is(200);
    // They filter this list only.
    for path in ["search/?q=joel&", "categories/?", "newest/?", "most-liked/?"] {
        for filter in ["director=joel", "year=1999", "released_from=1999-01-01"] {
            let name = filter.split('=').next().unwrap();
            let answer = member.get(&format!("/api/movies/{path}{filter}")).send().await;
            answer.is_problem(400, "invalid_input").names(&[name]);
        }
    }
}

#[tokio::test]
async fn a_page_of_a_filtered_list_links_to_its_neighbors() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    let first = member
        .get("/api/movies?genre=dr%41ma&released_from=1990-01-01&limit=1&ordering=-release_date")
        .send()
        .await
        .is(200);
    assert_eq!(first.ids(), [9]);
    assert_eq!(first.body["previous"], Value::Null);
    let next = first.body["next"].as_str().unwrap();
    assert!(next.starts_with(&format!("{}/api/movies/?", app.base)), "{next}");
    for part in [
        "limit=1",
        "genre=drAma",
        "ordering=-release_date",
        "released_from=1990-01-01",
        "cursor=",
    ] {
        assert_eq!(next.matches(part).count(), 1, "{next}");
    }
    let second = member.get(next).send().await.is(200);
    assert_eq!(second.ids(), [7]);
    let back = member
        .get(second.body["previous"].as_str().unwrap())
        .send()
        .await
        .is(200);
    assert_eq!(back.ids(), [9]);
    assert_eq!(back.body["previous"], Value::Null);
    assert_eq!(second.body["count"], first.body["count"]);
    // A broken cursor is refused with every filter.
    for query in [
        "director=joel+coen",
        "year=1999",
        "genre=drama,action",
        "released_to=2000-01-01",
        "genre=drama&year=1999",
    ] {
        let answer = member
            .get(&format!("/api/movies/?{query}&cursor=AAAA"))
            .send()
            .await;
        answer.is_problem(400, "invalid_input").names(&["cursor"]);
    }
}

#[tokio::test]
async fn a_filtered_list_follows_every_change_as_soon_as_it_is_answered() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    let ids = async |query: &str| {
        let answer = member
            .get(&format!("/api/movies/?{query}&limit=100"))
            .send()
            .await
            .is(200);
        assert_eq!(answer.body["count"], answer.ids().len(), "{query}");
        answer.ids()
    };
    let change = json!({"director": "Ethan Coen, Lana Wachowski", "release_date": "1999-06-01", "genre": "Sport, Drama"});
    member.patch("/api/movies/5/").json(&change).send().await.is(200);
    assert_eq!(ids("director=joel+coen").await, [2]);
    assert_eq!(ids("director=ethan+coen").await, [2, 5]);
    assert_eq!(ids("director=lana+wachowski").await, [1, 5]);
    assert_eq!(ids("year=1984").await, [0_u64; 0]);
    assert_eq!(ids("year=1999").await, [1, 5, 7, 12]);
    assert_eq!(ids("genre=sport,drama").await, [5]);
    assert_eq!(ids("genre=crime&director=joel+coen").await, [2]);
    // Only the date of a movie, only its director, only its genres.
    member
        .patch("/api/movies/1/")
        .json(&json!({"release_date": "2003-05-15"}))
        .send()
        .await
        .is(200);
    assert_eq!(ids("genre=sci-fi,action&year=2003").await, [1]);
    assert_eq!(ids("genre=sci-fi,action&year=1999").await, [0_u64; 0]);
    assert_eq!(ids("director=lilly+wachowski&year=2003").await, [1]);
    member
        .patch("/api/movies/1/")
        .json(&json!({"director": "LANA WACHOWSKI"}))
        .send()
        .await
        .is(200);
    assert_eq!(ids("director=lilly+wachowski").await, [0_u64; 0]);
    assert_eq!(ids("director=lana+wachowski&genre=action").await, [1]);
    member
        .patch("/api/movies/1/")
        .json(&json!({"genre": "Sci-Fi"}))
        .send()
        .await
        .is(200);
    assert_eq!(ids("genre=sci-fi,action").await, [4]);
    assert_eq!(ids("genre=sci-fi&director=lana+wachowski").await, [1]);
    member.delete("/api/movies/5/").send().await.is(204);
    assert_eq!(ids("director=ethan+coen").await, [2]);
    assert_eq!(ids("year=1999").await, [7, 12]);
    // The movies show what the caller sees of them.
    member.put("/api/movies/7/favorite/").send().await.is(200);
    for query in [
        "year=1999",
        "director=coen",
        "genre=drama&year=1999",
        "released_from=1999-12-31&released_to=1999-12-31",
    ] {
        let answer = member.get(&format!("/api/movies/?{query}")).send().await.is(200);
        let shown = answer.body["results"].as_array().unwrap();
        let shown = shown.iter().find(|movie| movie["id"] == 7).unwrap();
        assert_eq!(
            (&shown["favorite"], &shown["favorite_count"]),
            (&json!(true), &json!(1))
        );
        assert_eq!(*shown, member.get("/api/movies/7/").send().await.is(200).body);
        assert!(texts(&answer, "title").contains(&"Joel"), "{query}");
    }
    audit(&app.running.state.store).await;
}

/// A director's names have commas between them, and a movie may have as many as fit its text.
#[tokio::test]
async fn each_of_many_directors_finds_the_movie() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let names: Vec<String> = (0..9).map(|n| format!("Ann N{n}")).collect();
    member
        .add(&movie("Omnibus", &names.join(","), "Drama", "2000-01-01"))
        .await;
    member
        .add(&movie(
            "Twice",
            "Ann N1, ann n1,, Ann N2 ,",
            "Drama",
            "2000-01-01",
        ))
        .await;
    for (n, name) in names.iter().enumerate() {
        let path = format!("/api/movies/?director={}", encode(name));
        let answer = member.get(&path).send().await.is(200);
        let expected: &[u64] = if [1, 2].contains(&n) { &[1, 2] } else { &[1] };
        assert_eq!(answer.ids(), expected, "{name}");
    }
    let long = "Xo".repeat(99);
    let wide = "字".repeat(199);
    member.add(&movie("Long", &long, "Drama", "2000-01-01")).await;
    member.add(&movie("Wide", &wide, "Drama", "2000-01-01")).await;
    let spaced = "ab cd ".repeat(33);
    member
        .add(&movie("Spaced", spaced.trim(), "Drama", "2000-01-01"))
        .await;
    for (name, id) in [(long.as_str(), 3), (&wide, 4), (spaced.trim(), 5)] {
        for (name, expected) in [
            (name.to_owned(), vec![id]),
            (format!("{name}x"), vec![]),
            (name.chars().take(150).collect(), vec![]),
        ] {
            let path = format!("/api/movies/?director={}", encode(&name));
            assert_eq!(member.get(&path).send().await.is(200).ids(), expected, "{name}");
        }
    }
    audit(&app.running.state.store).await;
}
