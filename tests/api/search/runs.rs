//! Scripts without spaces, and Hangul: any two neighboring characters of a word or more are found.

use serde_json::json;

use super::Movies;
use crate::support::audit::audit;

#[tokio::test]
async fn any_run_of_two_characters_or_more_inside_a_word_is_found() {
    for (title, director, found) in [
        (
            "千と千尋の神隠し",
            "宮崎駿",
            &[
                "神隠し",
                "千尋",
                "と千",
                "千と",
                "神隠",
                "隠し",
                "の神隠し",
                "千と千尋の神隠し",
                "千と千尋",
                "尋の",
                "宮崎",
                "崎駿",
                "宮崎駿",
                "神隠し 宮崎",
                "崎駿 千尋",
                "隠し 千と 尋の",
            ][..],
        ),
        (
            "기생충",
            "봉준호",
            &[
                "기생",
                "생충",
                "기생충",
                "준호",
                "봉준",
                "생충 준호",
                "기생 봉준호",
            ],
        ),
        (
            "살인의 추억",
            "봉준호",
            &["살인", "인의", "살인의", "추억", "살인 추억", "인의 추억"],
        ),
        (
            "カメラを止めるな！",
            "上田慎一郎",
            &[
                "カメラ",
                "止める",
                "めるな",
                "メラ",
                "ｶﾒﾗ",
                "ﾒﾗを",
                "慎一郎",
                "上田",
                "田慎一",
            ],
        ),
        (
            "となりのトトロ",
            "宮崎 駿",
            &["トトロ", "となり", "りのト", "なりの", "宮崎", "トト"],
        ),
        ("卧虎藏龙", "李安", &["卧虎", "藏龙", "虎藏", "虎藏龙", "李安"]),
        ("霸王别姬", "陈凯歌", &["别姬", "霸王", "凯歌", "王别姬"]),
        (
            "ฉลาดเกมส์โกง",
            "นัฐวุฒิ พูนพิริยะ",
            &["เกมส์", "โกง", "ฉลาด", "เกมส์โกง", "พูน", "พิริยะ"],
        ),
        ("ສະບາຍດີຫລວງພະບາງ", "Somebody", &["ສະບາຍ", "ຫລວງ", "ພະບາງ", "ບາຍດີ"]),
        ("ព្រះអង្គដង្កើ", "Somebody", &["អង្គ", "ដង្កើ"]),
        ("ရွှေမန္တလေးမြို့", "Somebody", &["မန္တလေး", "မြို့"]),
        ("ドラゴンボールＺ", "Somebody", &["ドラゴン", "ボール", "ゴンボ"]),
        (
            "シン・ゴジラ",
            "庵野秀明",
            &["ゴジラ", "シンゴジラ", "シン ゴジラ", "ジラ", "庵野", "野秀明"],
        ),
        ("映画A館", "Somebody", &["映画"]),
    ] {
        let movies = Movies::of(&[
            (title, director, "Drama", "2001-07-20"),
            // Another of each script, which none of these queries finds.
            ("椿三十郎", "黒澤明", "Drama", "1962-01-01"),
            ("올드보이", "박찬욱", "Drama", "2003-11-21"),
            ("ยักษ์เขียว", "ประภาส", "Drama", "2012-01-01"),
        ])
        .await;
        for q in found {
            movies.finds(q, &[title]).await;
        }
        audit(&movies.app.running.state.store).await;
    }
}

#[tokio::test]
async fn characters_in_another_order_and_single_ones_find_nothing() {
    let movies = Movies::titled(&["千と千尋の神隠し", "기생충", "ฉลาดเกมส์โกง", "パパラッチ"]).await;
    for q in [
        "隠神",
        "神し",
        "千神",
        "尋千",
        "千の",
        "생기",
        "충생",
        "기충",
        "神",
        "충",
        "생",
        "し",
        "โกง์",
        "ババ",
        "ハハ",
        "ラパ",
    ] {
        movies.finds_nothing(q).await;
    }
}

#[tokio::test]
async fn words_of_other_scripts_are_not_found_by_their_inner_letters() {
    let movies = Movies::titled(&["The Godfather", "Москва слезам не верит", "Οδύσσεια", "बिल्ला"]).await;
    for q in ["father", "odfa", "сква", "зам", "δυσσ", "ल्ला"] {
        let found = movies.search(q).await;
        assert!(
            found.titles.is_empty() || found.corrected.is_some(),
            "{q} finds {found:?}"
        );
    }
}

#[tokio::test]
async fn the_title_as_it_stands_is_first_and_titles_that_begin_with_it_are_next() {
    let movies = Movies::of(&[
        ("千と千尋の神隠し", "宮崎駿", "Drama", "2001-07-20"),
        ("One", "神隠し子", "Drama", "2001-07-20"),
        ("神隠しの村", "Somebody", "Drama", "2001-07-20"),
        ("神隠し", "Somebody", "Drama", "2001-07-20"),
        ("Two", "天神隠し", "Drama", "2001-07-20"),
        ("新 神隠し", "Somebody", "Drama", "2001-07-20"),
    ])
    .await;
    let found = movies.search("神隠し").await;
    assert_eq!(found.corrected, None);
    assert_eq!(found.titles[..2], ["神隠し", "神隠しの村"]);
    let set = |titles: &[String]| {
        let mut titles = titles.to_vec();
        titles.sort_unstable();
        titles
    };
    // A title that has it comes before a director who has it.
    assert_eq!(
        set(&found.titles[2..4]),
        set(&["千と千尋の神隠し".into(), "新 神隠し".into()])
    );
    assert_eq!(set(&found.titles[4..]), ["One", "Two"]);
}

/// A word of the query must be in a word of the title, the director or the genre.
#[tokio::test]
async fn runs_of_genres_are_found_too() {
    let movies = Movies::of(&[
        ("One", "Somebody", "한국영화", "2001-01-01"),
        ("Two", "Somebody", "時代劇", "2001-01-01"),
    ])
    .await;
    movies.finds("한국", &["One"]).await;
    movies.finds("국영", &["One"]).await;
    movies.finds("영화 one", &["One"]).await;
    movies.finds("代劇", &["Two"]).await;
    movies.finds("two 代劇", &["Two"]).await;
}

/// The limit of characters of a title, and more runs than a movie can have postings.
#[tokio::test]
async fn the_longest_titles_without_spaces_are_accepted_and_found_by_their_beginnings() {
    // No two neighbors are the same pair twice.
    let han: String = (0..200_u32)
        .filter_map(|n| char::from_u32(0x4e00 + n * 7))
        .collect();
    let hangul: String = (0..200_u32)
        .filter_map(|n| char::from_u32(0xac00 + n * 29))
        .collect();
    let spaced: String = hangul
        .chars()
        .collect::<Vec<_>>()
        .chunks(7)
        .take(20)
        .map(|word| word.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join(" ");
    let thai: String = "กขคงจฉชซ".chars().cycle().take(200).collect();
    let titles = [han, hangul, spaced, thai];
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let movies = Movies::titled(&titles).await;
    for title in &titles {
        let letters: Vec<char> = title.chars().collect();
        for start in 0..6 {
            for length in [2, 3, 7] {
                let q: String = letters[start..start + length].iter().collect();
                if q.contains(' ') {
                    continue;
                }
                let found = movies.search(&q).await;
                assert_eq!(found.corrected, None, "{q}");
                assert!(found.titles.iter().any(|found| found == title), "{q} of {title}");
            }
        }
        movies.finds_first(title, title).await;
        let most: String = letters[..150].iter().collect();
        movies.finds_first(&most, title).await;
    }
    audit(&movies.app.running.state.store).await;
    audit(&movies.app.running.state.store).await;
}

#[tokio::test]
async fn runs_change_and_go_with_their_movie() {
    let movies = Movies::titled(&["千と千尋の神隠し"]).await;
    movies.finds("神隠し", &["千と千尋の神隠し"]).await;
    let change = json!({"title": "天空の城ラピュタ", "director": "高畑勲"});
    movies
        .member
        .patch("/api/movies/1/")
        .json(&change)
        .send()
        .await
        .is(200);
    movies.finds_nothing("神隠し").await;
    for q in ["ラピュタ", "空の", "畑勲"] {
        movies.finds(q, &["天空の城ラピュタ"]).await;
    }
    movies.member.delete("/api/movies/1/").send().await.is(204);
    for q in ["ラピュタ", "空の", "畑勲"] {
        movies.finds_nothing(q).await;
    }
    audit(&movies.app.running.state.store).await;
}

/// More movies have the run than a page shows.
#[tokio::test]
async fn all_movies_with_a_run_are_found_over_pages() {
    let titles: Vec<String> = (0..45).map(|n| format!("第{n}回の花火大会")).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let movies = Movies::titled(&titles).await;
    let path = super::path("花火").replace("limit=100", "limit=6");
    let found = crate::api::pages(&movies.app.anonymous(), &path, "next")
        .await
        .concat();
    let distinct: std::collections::BTreeSet<u64> = found.iter().copied().collect();
    assert_eq!((found.len(), distinct.len()), (45, 45));
    assert_eq!(movies.search("花火 大会").await.ids.len(), 45);
    assert_eq!(movies.search("花火 wuxuj").await.ids.len(), 45);
}
