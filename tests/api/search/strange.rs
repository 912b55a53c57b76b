//! Texts and queries of every strange kind: they are answered, whatever they are, and what is stored is found.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{Movies, search};
use crate::support::{audit::audit, encode, movie};

/// Texts that are hard to cut into words, to compare or to store.
fn strange_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "'",
        "''''",
        "-",
        "- - -",
        "--a--",
        "a-",
        "-a",
        "a-'-*/·b",
        "a.b.c.d.e.f.g.h.i.j.k.l.m",
        "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o",
        "a. b. c. d. e.",
        "...a...b...",
        "I.I.",
        "x.x.",
        "V-I",
        "ii-iii/iv",
        "&",
        "&&&",
        "a&",
        "&b",
        "a&-b",
        "a-&-b",
        "＆",
        "and & and",
        "and and and and",
        "II II II",
        "MMXXIV",
        "1999",
        "1999 1999",
        "0000 9999",
        "１９９９ ٢٠٢٤",
        "2024-01-01",
        "千",
        "千と",
        "千a千",
        "a千b",
        "・・・",
        "・千・",
        "ー",
        "ーー",
        "パ゜パ",
        "ﾊﾟﾊﾟ",
        "ㄱㄴㄷ",
        "ᄀ",
        "가\u{11a8}",
        "\u{1100}\u{1161}\u{11a8}",
        "한글 한 글",
        "ไม้เก่า",
        "เเเเ",
        "\u{e48}\u{e48}",
        "ខ្មែរ\u{200b}ខ្មែរ",
        "مَـــد",
        "שָׁלוֹם־עולם",
        "क्\u{200d}ष",
        "क्\u{200c}ष",
        "ﷺ",
        "ﷺ-ﷺ",
        "ﬃ-ﬃ",
        "ß-ẞ",
        "İ-I-ı-i",
        "Ǆ'ǆ",
        "𝔛-𝕏-𝐗",
        "Ⅻ",
        "ⅻ ⅻ",
        "№ ①②③",
        "½-¼",
        "😀",
        "😀-😀",
        "a😀b",
        "👩\u{200d}🚀-x",
        "🇩🇪 x",
        "a\u{ad}b",
        "a\u{2060}b",
        "a\u{feff}b",
        "\u{301}a",
        "a\u{301}\u{302}\u{303}\u{304}",
        "%",
        "%25%00",
        "\\",
        "\\u0000",
        "\"",
        "a|b,c~d#e^f+g",
        "~3 1999 0 x",
        "1#word#0000000000000001",
        "WORD#spi",
        "NEAR#9#0#god",
        "YEAR#1999",
        "2#ann#1",
        "$ne",
        "{\"$gt\": \"\"}",
        "' OR '1'='1",
        "<script>alert(1)</script>",
        "null",
        "true",
        "NaN",
        "C:\\path\\file",
        "http://example.org/?q=a&b=c",
    ]
    .map(str::to_owned)
    .into();
    // The longest texts, in characters of one to four bytes, with and without signs between them.
    for letter in ["x", "é", "ж", "한", "ก", "字", "\u{10400}", "ﷺ", "ﬃ", "İ", "के"] {
        for between in ["", " ", "-", "'", ".", "・"] {
            let unit = format!("{letter}{between}");
            let text: String = unit.chars().cycle().take(200).collect();
            texts.push(text.trim().to_owned());
            let unit = format!("{letter}{letter}{letter}{letter}{letter}{letter}{letter}{between}");
            let text: String = unit.chars().cycle().take(200).collect();
            texts.push(text.trim().to_owned());
        }
    }
    // Words at the borders of the vocabulary's lengths, in letters of all sizes.
    for length in [1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 23, 24, 25, 26, 63, 64, 65] {
        for letters in ["abcdefghij", "абвгдежзик", "가나다라마바", "aбc"] {
            texts.push(letters.chars().cycle().take(length).collect());
        }
    }
    texts
}

/// Every text is a title, a director and a genre, if it is accepted as one, and a query.
#[tokio::test]
async fn strange_texts_are_stored_or_refused_and_found_by_themselves() {
    let movies = Movies::of(&[("Ordinary Movie", "Somebody", "Drama", "1999-05-05")]).await;
    let nobody = movies.app.anonymous();
    let mut accepted: Vec<(u64, String)> = Vec::new();
    for text in strange_texts() {
        for fields in [
            movie(&text, "Somebody", "Drama", "1999-05-05"),
            movie("Ordinary", &text, "Drama", "1999-05-05"),
            movie("Ordinary", "Somebody", &text, "1999-05-05"),
            movie(&text, &text, "Drama", "2001-05-05"),
        ] {
            let answer = movies.member.post("/api/movies/").json(&fields).send().await;
            match answer.status.as_u16() {
                201 => accepted.push((answer.body["id"].as_u64().unwrap(), text.clone())),
                400 => {
                    answer.is_problem(400, "invalid_input");
                }
                status => panic!("{status} for {text:?}: {}", answer.text),
            }
        }
    }
    assert!(accepted.len() > 500, "{}", accepted.len());
    audit(&movies.app.running.state.store).await;
    for (id, text) in &accepted {
        let found = search(&nobody, text).await;
        assert_eq!(found.corrected, None, "{text:?}");
        // A text without letters and digits finds nothing, nor does one of more words than a movie may have.
        assert!(
            found.ids.is_empty() || found.ids.contains(id),
            "{text:?} finds {found:?}"
        );
        let has_words = text.chars().any(|c| c.is_ascii_alphanumeric());
        assert!(!has_words || found.ids.contains(id), "{text:?} finds {found:?}");
    }
}

/// Queries of strange texts, and of random ones, are answered in a catalog that has none of them.
#[tokio::test]
async fn strange_queries_and_filters_are_answered() {
    let movies = Movies::of(&[
        (
            "Spider-Man & Friends II",
            "Jean-Luc O'Hara, J. J. Doe",
            "Sci-Fi, Drama",
            "1999-05-05",
        ),
        ("千と千尋の神隠し", "宮崎駿", "アニメ", "2001-07-20"),
        ("기생충", "봉준호", "Drama", "2019-05-21"),
        ("Philadelphia", "Jonathan Demme", "Drama", "1993-12-22"),
    ])
    .await;
    let nobody = movies.app.anonymous();
    let dice = &mut StdRng::seed_from_u64(14);
    let mut texts = strange_texts();
    let letters: Vec<char> = "aeiouspdrmn ' -./*·&12 9千と神기생ไม́ß😀\u{200b}|#,~^"
        .chars()
        .collect();
    for _ in 0..300 {
        let length = dice.random_range(1..60);
        texts.push(
            (0..length)
                .map(|_| letters[dice.random_range(0..letters.len())])
                .collect(),
        );
    }
    texts.push("a ".repeat(100));
    texts.push("ab".repeat(100));
    texts.push((0..200).map(|n| format!("w{n} ")).collect());
    texts.push((0..60).map(|n| format!("spiderman{n}xx ")).collect());
    texts.push("philadelphya ".repeat(15));
    for text in texts {
        for limit in [1, 100] {
            for path in [
                "search/?q",
                "?director",
                "?genre",
                "?year",
                "?released_from",
                "?released_to",
                "?imdb_id",
            ] {
                let path = format!("/api/movies/{path}={}&limit={limit}", encode(&text));
                let answer = nobody.get(&path).send().await;
                let status = answer.status.as_u16();
                assert!(
                    [200, 400].contains(&status),
                    "{status} for {text:?}: {}",
                    answer.text
                );
                if status == 400 {
                    answer.is_problem(400, "invalid_input");
                }
            }
        }
        // All pages of it, too.
        if !text.trim().is_empty() && nobody.get(&super::path(&text)).send().await.status == 200 {
            search(&nobody, &text).await;
        }
    }
}
