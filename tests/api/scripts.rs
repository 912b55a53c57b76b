//! Letters of every script: which marks are part of a letter, in search and in genres.

use serde_json::{Value, json};

use crate::support::{Caller, TestApp, audit::audit, encode, movie};

/// Words of one script that differ only in their marks, and what else finds the first of them.
struct Row {
    /// Each is a word of its own.
    different: &'static [&'static str],
    /// The same word as the first.
    same: &'static [&'static str],
}

const SCRIPTS: &[Row] = &[
    Row {
        different: &["パパス", "ババス", "ハハス"],
        same: &["ﾊﾟﾊﾟｽ", "ハ\u{309a}ハ\u{309a}ス", "ハ゜ハ゜ス"],
    },
    Row {
        different: &["बिल", "बाल", "बल्ला", "बैल"],
        same: &["बिल"],
    },
    Row {
        different: &["क़लम", "कलम"],
        same: &["क\u{93c}लम", "\u{958}लम"],
    },
    Row {
        different: &["কোলা", "কলা", "কালা"],
        same: &["ক\u{9c7}\u{9be}লা"],
    },
    Row {
        different: &["கல்வி", "கல்வீ"],
        same: &["கல்வி"],
    },
    Row {
        different: &["ไม้เก่า", "ไม่เก่า", "ไมเก่า"],
        same: &["ไม้เก\u{200b}่า"],
    },
    Row {
        different: &["ກ້າວໄປ", "ກ່າວໄປ", "ກາວໄປ"],
        same: &["ກ້າວໄປ"],
    },
    Row {
        different: &["ខ្មែរ", "ខមែរ"],
        same: &["ខ្មែ\u{200b}រ"],
    },
    Row {
        different: &["မြန်မာ", "မရနမာ", "မြန်မား"],
        same: &["မြန်မာ"],
    },
    Row {
        different: &["ශ්‍රීලක", "ශරලක"],
        same: &["ශ්රීලක"],
    },
    Row {
        different: &["ދިވެހި", "ދަވަހަ"],
        same: &["ދިވެހި"],
    },
    Row {
        different: &["ཀིསཔ", "ཀུསཔ", "ཀསཔ"],
        same: &["ཀིསཔ"],
    },
    Row {
        different: &["أمل", "امل", "آمل"],
        same: &["أَمَل", "ا\u{654}مل", "أمـــل"],
    },
    Row {
        different: &["мои", "моя"],
        same: &["Мой", "МОИ\u{306}"],
    },
    Row {
        different: &["елка", "елки"],
        same: &["Ёлка", "е\u{308}лка"],
    },
    Row {
        different: &["שלום", "שלומ"],
        same: &["שָׁלוֹם", "\u{fb2a}לום"],
    },
    Row {
        different: &["duong", "duon"],
        same: &["Đường", "đu\u{31b}o\u{31b}\u{300}ng"],
    },
];

async fn found(caller: &Caller, q: &str) -> Vec<u64> {
    let path = format!("/api/movies/search/?limit=100&q={}", encode(q));
    caller.get(&path).send().await.is(200).ids()
}

async fn of_genre(caller: &Caller, genre: &str) -> Vec<u64> {
    let path = format!("/api/movies/?limit=100&genre={}", encode(genre));
    caller.get(&path).send().await.is(200).ids()
}

/// Returns the names and the counts of all categories, in order.
async fn categories(caller: &Caller) -> Vec<(String, u64)> {
    let answer = caller.get("/api/movies/categories/").send().await.is(200);
    let pair = |category: &Value| {
        let name = category["genre"].as_str().unwrap().to_owned();
        (name, category["count"].as_u64().unwrap())
    };
    answer.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(pair)
        .collect()
}

#[tokio::test]
async fn a_mark_that_is_part_of_a_letter_decides_in_search_and_in_genres() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for row in SCRIPTS {
        let mut ids = Vec::new();
        for word in row.different {
            let of_word = movie(word, "x", word, "2000-01-01");
            ids.push(member.add(&of_word).await["id"].as_u64().unwrap());
        }
        for (word, id) in row.different.iter().zip(&ids) {
            assert_eq!(of_genre(&member, word).await, [*id], "genre {word}");
            // A longer word may begin with this one.
            let first = found(&member, word).await.first().copied();
            assert_eq!(first, Some(*id), "{word}");
            let others = row
                .different
                .iter()
                .zip(&ids)
                .filter(|(other, _)| !other.starts_with(word));
            let all = found(&member, word).await;
            for (other, id) in others {
                assert!(!all.contains(id), "{word} finds {other}");
            }
        }
        for word in row.same {
            assert_eq!(found(&member, word).await.first(), ids.first(), "{word}");
            assert_eq!(of_genre(&member, word).await, ids[..1], "genre {word}");
        }
    }
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn genres_that_differ_in_their_signs_are_different() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let add = async |title: &str, genre: &str| {
        let body = member.add(&movie(title, "x", genre, "2000-01-01")).await;
        (body["id"].as_u64().unwrap(), body["genre"].clone())
    };
    assert_eq!(add("One", "C++, C, C#").await, (1, json!("C++, C, C#")));
    assert_eq!(add("Two", "c＋＋, C++").await, (2, json!("c＋＋")));
    assert_eq!(add("Three", "C♯").await, (3, json!("C♯")));
    assert_eq!(add("Four", "sci fi, SCI-FI, Sci-Fi").await, (4, json!("sci fi")));
    assert_eq!(of_genre(&member, "C++").await, [1, 2]);
    assert_eq!(of_genre(&member, "C#").await, [1, 3]);
    assert_eq!(of_genre(&member, "c").await, [1]);
    assert_eq!(of_genre(&member, "C Plus Plus").await, [0_u64; 0]);
    assert_eq!(of_genre(&member, "Sci-Fi").await, [4]);
    let dated = "/api/movies/?ordering=-release_date&genre=C%2B%2B";
    assert_eq!(member.get(dated).send().await.is(200).ids(), [2, 1]);
    let pair = |name: &str, count| (name.to_owned(), count);
    assert_eq!(
        categories(&member).await,
        [pair("C", 1), pair("C++", 2), pair("C#", 2), pair("sci fi", 1)]
    );
    // Signs are no words: a search finds the word before them.
    assert_eq!(found(&member, "C++").await, [1, 2, 3]);
    assert_eq!(found(&member, "two c").await, [2]);

    let edited = member.patch("/api/movies/1/").json(&json!({"genre": "C#, C"}));
    assert_eq!(edited.send().await.is(200).body["genre"], "C#, C");
    member.delete("/api/movies/3/").send().await.is(204);
    assert_eq!(
        categories(&member).await,
        [pair("C", 1), pair("C++", 1), pair("C#", 1), pair("sci fi", 1)]
    );
    audit(&app.running.state.store).await;
}

/// Nine genres that share one word, the most signs that a genre can have, and texts whose normalized form is longest.
#[tokio::test]
async fn signs_and_marks_without_number_are_stored_and_found() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let signs = ["", "+", "#", "++", "+#", "#+", "##", "+++", "###"];
    let genres = signs.map(|signs| format!("x{signs}"));
    let mut last = 0;
    for genre in [genres.join(","), format!("x{}", "+#".repeat(19))] {
        let title = format!("क{}", "\u{93f}".repeat(199));
        let director = format!("ཀ{}", "\u{f77}".repeat(199));
        let body = member.add(&movie(&title, &director, &genre, "2000-01-01")).await;
        last = body["id"].as_u64().unwrap();
        for q in [&title, &director] {
            assert!(found(&member, q).await.contains(&last));
        }
        for name in genre.split(',') {
            assert!(of_genre(&member, name).await.contains(&last), "{name}");
        }
    }
    let change = json!({"genre": genres.map(|genre| format!("y{genre}")).join(",")});
    member.patch("/api/movies/1/").json(&change).send().await.is(200);
    audit(&app.running.state.store).await;
    for id in 1..=last {
        member.delete(&format!("/api/movies/{id}/")).send().await.is(204);
    }
    assert_eq!(categories(&member).await, []);
    audit(&app.running.state.store).await;
}
