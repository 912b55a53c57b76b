//! Movies in other scripts than the demonstration catalog's, and how people type parts of their titles.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, fs::File};

use rand::{
    RngExt as _, SeedableRng as _,
    rngs::StdRng,
    seq::{IndexedRandom as _, SliceRandom as _},
};
use unicode_normalization::char::is_combining_mark;

use super::{
    known_items::{answer, too_dear},
    meter::Service,
};

/// Titles with their directors and years.
const MOVIES: [[&str; 3]; 48] = [
    ["千と千尋の神隠し", "宮崎 駿", "2001"],
    ["もののけ姫", "宮崎 駿", "1997"],
    ["となりのトトロ", "宮崎 駿", "1988"],
    ["風の谷のナウシカ", "宮崎 駿", "1984"],
    ["魔女の宅急便", "宮崎 駿", "1989"],
    ["七人の侍", "黒澤 明", "1954"],
    ["羅生門", "黒澤 明", "1950"],
    ["隠し砦の三悪人", "黒澤 明", "1958"],
    ["東京物語", "小津 安二郎", "1953"],
    ["雨月物語", "溝口 健二", "1953"],
    ["君の名は。", "新海 誠", "2016"],
    ["火垂るの墓", "高畑 勲", "1988"],
    ["ドライブ・マイ・カー", "濱口 竜介", "2021"],
    ["万引き家族", "是枝 裕和", "2018"],
    ["臥虎藏龍", "李安", "2000"],
    ["飲食男女", "李安", "1994"],
    ["花樣年華", "王家衛", "2000"],
    ["重慶森林", "王家衛", "1994"],
    ["霸王別姬", "陳凱歌", "1993"],
    ["無間道", "劉偉強", "2002"],
    ["悲情城市", "侯孝賢", "1989"],
    ["大红灯笼高高挂", "张艺谋", "1991"],
    ["活着", "张艺谋", "1994"],
    ["流浪地球", "郭帆", "2019"],
    ["기생충", "봉준호", "2019"],
    ["살인의 추억", "봉준호", "2003"],
    ["괴물", "봉준호", "2006"],
    ["올드보이", "박찬욱", "2003"],
    ["아가씨", "박찬욱", "2016"],
    ["헤어질 결심", "박찬욱", "2022"],
    ["부산행", "연상호", "2016"],
    ["태극기 휘날리며", "강제규", "2004"],
    ["องค์บาก", "ปรัชญา ปิ่นแก้ว", "2003"],
    ["ลุงบุญมีระลึกชาติ", "อภิชาติพงศ์ วีระเศรษฐกุล", "2010"],
    ["พี่มากพระโขนง", "บรรจง ปิสัญธนะกูล", "2013"],
    ["ฉลาดเกมส์โกง", "นัฐวุฒิ พูนพิริยะ", "2017"],
    ["ແມ່ນາກ", "ສົມພອນ", "2012"],
    ["រូបភាពដែលបាត់", "ប៉ាន់ រិទ្ធី", "2013"],
    ["မြန်မာ့ရုပ်ရှင်", "မောင်", "1990"],
    ["Андрей Рублёв", "Андрей Тарковский", "1966"],
    ["Солярис", "Андрей Тарковский", "1972"],
    ["Летят журавли", "Михаил Калатозов", "1957"],
    ["Иван Васильевич меняет профессию", "Леонид Гайдай", "1973"],
    ["Бриллиантовая рука", "Леонид Гайдай", "1969"],
    ["Ёлки", "Тимур Бекмамбетов", "2010"],
    ["Мой ласковый и нежный зверь", "Эмиль Лотяну", "1978"],
    ["Броненосец Потёмкин", "Сергей Эйзенштейн", "1925"],
    ["Живой", "Александр Велединский", "2006"],
];

/// How many runs are taken from each title.
const RUNS_OF_TITLE: usize = 4;

/// Queries of one kind, each with the title that it looks for.
type Queries = Vec<(String, &'static str)>;

/// Adds these movies, searches for them, and writes a table. Returns what is wrong.
///
/// # Errors
/// Returns an error if a search fails.
pub(super) async fn measure(
    service: &Service,
    seed: u64,
    text: &mut String,
) -> Result<Vec<String>, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("movies.csv");
    let mut writer = csv::Writer::from_writer(File::create(&file)?);
    writer.write_record(["title", "description", "release_date", "director", "genre"])?;
    for [title, director, year] in MOVIES {
        writer.write_record([title, "A movie.", &format!("{year}-01-01"), director, "Drama"])?;
    }
    writer.flush()?;
    service.import(file).await?;
    let _ = writeln!(
        text,
        "## Other scripts\n\n{} movies in other scripts are added to the catalog. A movie is *found* if it is among the first \
         five.\n\n| how it is typed | queries | found | corrected | round trips, most | read units, most |\n|---|---|---|---|---|---|",
        MOVIES.len()
    );
    let mut wrong = Vec::new();
    for (kind, queries) in queries(seed) {
        let mut failures = Vec::new();
        let (mut found, mut corrected, mut trips, mut units) = (0_u32, 0_u32, 0, 0.0_f64);
        for (q, title) in &queries {
            let page = service.search(q).await?;
            let mut results = page.results().iter().take(5);
            let is_found = results.any(|movie| movie["title"] == *title);
            found += u32::from(is_found);
            corrected += u32::from(page.corrected().is_some());
            trips = trips.max(page.trips());
            units = units.max(page.units());
            wrong.extend(too_dear(q, &page));
            if !is_found {
                failures.push(format!("{q} doesn't find {title}: {}", answer(&page)));
            }
        }
        if let Some(example) = failures.first() {
            wrong.push(format!(
                "{kind}: {} of {} find nothing; {example}",
                failures.len(),
                queries.len()
            ));
        }
        let _ = writeln!(
            text,
            "| {kind} | {} | {found} | {corrected} | {trips} | {units} |",
            queries.len()
        );
    }
    let _ = writeln!(text);
    Ok(wrong)
}

/// Returns the queries of each kind.
fn queries(seed: u64) -> BTreeMap<&'static str, Queries> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut kinds: BTreeMap<&str, Queries> = BTreeMap::new();
    for [title, ..] in MOVIES {
        let words: Vec<Vec<char>> = title
            .split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c))
            .map(|word| word.chars().collect::<Vec<char>>())
            .filter(|word| word.len() > 1)
            .collect();
        let mut add = |kind, query: String| kinds.entry(kind).or_default().push((query, title));
        if title.starts_with(|c| c < '\u{e00}') {
            add("Cyrillic in capitals", title.to_uppercase());
            let plain = title.to_lowercase().replace('й', "и").replace('ё', "е");
            add("Cyrillic without marks on letters", plain);
            let long = words.iter().filter(|word| word.len() > 4).collect::<Vec<_>>();
            if let Some(word) = long.choose(&mut random) {
                let at = random.random_range(1..word.len() - 1);
                let mut typed = (*word).clone();
                typed.remove(at);
                // The removal of a letter from a pair of equal ones may be no error that search sees, but it is one.
                add("one letter missing in Cyrillic", typed.into_iter().collect());
            }
            continue;
        }
        add(
            "the title, in scripts without spaces and in Hangul",
            title.to_owned(),
        );
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for (number, word) in words.iter().enumerate() {
            // A mark is part of the letter before it.
            let starts = (0..word.len()).filter(|at| !is_combining_mark(word[*at]));
            let ends = |end: &usize| word.get(*end).is_none_or(|next| !is_combining_mark(*next));
            runs.extend(starts.flat_map(|start| {
                (start + 2..=word.len())
                    .filter(ends)
                    .map(move |end| (number, start, end))
            }));
        }
        runs.shuffle(&mut random);
        for (number, start, end) in runs.into_iter().take(RUNS_OF_TITLE) {
            add(
                "a run of two characters or more, in scripts without spaces and in Hangul",
                words[number][start..end].iter().collect(),
            );
        }
    }
    kinds
}
