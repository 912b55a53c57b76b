//! Tables as earlier versions wrote them.

use std::collections::{BTreeMap, BTreeSet};

use marquee_shared::{
    db::{
        Key, Store,
        counter::Counter,
        expression::Condition,
        genre::GenreItem,
        item::{Attributes as _, Item, from_item, number, text, to_item},
        keys,
        layout::Layout,
        movie::MovieItem,
        newest::{Entries, Entry, Floor, KEPT, Newest},
    },
    domain::{MovieId, SessionId, UserId, genre, text::words},
};

use super::audit::scan;

/// Rewrites a table as the first version wrote it: as the second one, but without `LAYOUT`, and with eight shards.
pub async fn make_first_version(store: &Store) {
    make_second_version(store).await;
    for mut item in scan(store).await {
        if item.contains_key("liked") {
            let key = Key::of(&item).unwrap();
            let id = keys::id_at_end(&key.sk).unwrap();
            item.insert("liked".into(), text(format!("LIKES#{}", id % 8)));
            assert!(store.put(item, Condition::exists()).await.unwrap().is_ok());
        }
    }
    store.delete(&keys::layout()).await.unwrap();
    assert_eq!(store.layout().await.unwrap(), Layout::Version(1));
}

/// Rewrites a table as the second version wrote it: with its postings and genres, and without a vocabulary. The movies stay as
/// they are.
pub async fn make_second_version(store: &Store) {
    let mut genres: BTreeMap<String, (String, BTreeSet<Entry>)> = BTreeMap::new();
    let mut postings = Vec::new();
    let (mut movies, mut others) = (Vec::new(), Vec::new());
    for item in scan(store).await {
        let key = Key::of(&item).unwrap();
        match key.pk.split('#').next().unwrap() {
            "WORD" | "GENRE" | "YEAR" | "NEAR" | "GENRES" | "OWNED" => others.push(key),
            "MOVIES" => movies.push((from_item::<MovieItem>(item.clone()).unwrap(), item)),
            _ => {}
        }
    }
    movies.sort_by_key(|(movie, _)| movie.id);
    for (movie, item) in movies {
        // As it is stored, because two genres of that time may be one now.
        let names = item.text("genre").unwrap();
        for name in names.split(", ") {
            let (_, entries) = genres
                .entry(identity(name))
                .or_insert_with(|| (name.to_owned(), BTreeSet::new()));
            entries.insert(Entry::of(movie.fields.release_date, movie.id));
        }
        postings.extend(postings_of(&movie, names));
    }
    store.batch_delete(&others).await.unwrap();
    let count = genres.len();
    for (identity, (name, mut entries)) in genres {
        let n = entries.len() as u64;
        let mut floor = Floor::lowest();
        while entries.len() > KEPT {
            entries.pop_first();
            floor = Floor::at(entries.first().unwrap());
        }
        let newest = Newest {
            listed: Some((Entries(entries), floor)),
            fill: 0,
        };
        let mut item = keys::genre(&identity).attributes();
        let genre = GenreItem {
            identity,
            name,
            n,
            newest,
        };
        item.extend(to_item(&genre).unwrap());
        postings.push(item);
    }
    let mut counter = Counter::Genres.key().attributes();
    counter.insert("n".into(), number(count));
    postings.push(counter);
    let mut layout = keys::layout().attributes();
    layout.insert("version".into(), number(2));
    postings.push(layout);
    for item in postings {
        assert!(store.put(item, Condition::none()).await.unwrap().is_ok());
    }
}

/// Writes a user's sessions as an earlier version did.
pub async fn make_sessions_earlier(store: &Store, user: UserId) {
    for item in scan(store).await {
        let key = Key::of(&item).unwrap();
        let Some(id) = SessionId::parse(&key.sk).filter(|_| key.pk == keys::sessions(user)) else {
            continue;
        };
        let mut earlier = item;
        earlier.extend(keys::earlier_session(id).attributes());
        assert!(store.put(earlier, Condition::none()).await.unwrap().is_ok());
        store.delete(&key).await.unwrap();
    }
    let key = keys::user(user);
    let mut owner = Item::from(store.get(&key).await.unwrap().unwrap());
    owner.remove("lists_all_sessions");
    owner.extend(key.attributes());
    assert!(store.put(owner, Condition::exists()).await.unwrap().is_ok());
}

/// The identity of a genre of that time: `&` was no word.
fn identity(name: &str) -> String {
    genre::identity(&name.replace('&', " ")).unwrap()
}

/// A posting of that time. The texts of these tests have no other letters.
fn posting(class: &str, word: &str, sk: &str, id: MovieId, carried: &str) -> Item {
    let start: String = word.chars().take(3).collect();
    let mut item = Key::new(
        format!("{class}#{start}"),
        format!("{sk}#{}", keys::id_text(id.get())),
    )
    .attributes();
    item.insert("text".into(), text(carried));
    item
}

/// The postings that the second version made of a movie, whose genres are stored as `genres`.
fn postings_of(movie: &MovieItem, genres: &str) -> Vec<Item> {
    let id = movie.id;
    let of = |text: &str| words(&text.replace('&', " "));
    let (title, director) = (
        of(movie.fields.title.as_str()),
        of(movie.fields.director.as_str()),
    );
    let genres: Vec<String> = genres.split(", ").map(identity).collect();
    let genre_texts: Vec<String> = genres.iter().map(|genre| genre.replace('-', " ")).collect();
    let mut carried = format!(
        "{}|{}|{}",
        title.join(" "),
        director.join(" "),
        genre_texts.join(",")
    );
    if carried.len() > 150 {
        carried = format!("~0 {} {}~", title[0], director[0]);
    }
    let posting = |class, word: &str, sk: &str| posting(class, word, sk, id, &carried);
    let mut postings = Vec::new();
    if let Some(first) = title.first() {
        postings.push(posting("WORD", first, &format!("0#{}", title.join("-"))));
        let others = title.iter().filter(|word| *word != first);
        postings.extend(others.map(|word| posting("WORD", word, &format!("1#{word}"))));
    }
    let others = director.iter().filter(|word| !title.contains(word));
    postings.extend(others.map(|word| posting("WORD", word, &format!("2#{word}"))));
    let first_words: Vec<&str> = genres
        .iter()
        .map(|genre| genre.split('-').next().unwrap())
        .collect();
    for genre in &genres {
        let mut parts = genre.split('-');
        let mut membership = posting("GENRE", parts.next().unwrap(), genre);
        membership.insert("dated".into(), text(format!("GENRE#{genre}")));
        let date = movie.fields.release_date;
        membership.insert("date".into(), text(format!("{date}#{}", keys::id_text(id.get()))));
        postings.push(membership);
        for word in parts.filter(|part| !genre::is_signs(part)) {
            let own = word.to_owned();
            if !title.contains(&own) && !director.contains(&own) && !first_words.contains(&word) {
                postings.push(posting("GENRE", word, &format!("{word}+")));
            }
        }
    }
    postings
}
