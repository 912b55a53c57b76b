//! Which postings a movie has, and their keys.
//!
//! A movie has these postings. Their order is that of a search's results:
//!
//! | kind | one for |
//! |---|---|
//! | title | the title, which is also the posting of its first word; and the closed-up title, if that differs |
//! | title word | each other word of the title, each closed-up form, each [run](crate::domain::text::runs) |
//! | director | each director: the membership, which is also the posting of the name's first word |
//! | director | each other word, closed-up form and run of a director that isn't in the title |
//! | genre | each genre: the membership, which is also the posting of its first word |
//! | genre | each other word of a genre, unless the word is in the title or the director or begins a genre; each run |
//! | year | the year of the release: the membership |
//!
//! The *closed-up* form of a word with signs inside is the word without them. In the closed-up title every such word is closed
//! up. A part of such a word needs no posting of its own if the closed-up form begins with it, because a search for the part
//! finds the form. A part of one or two characters is only found whole, so it keeps its posting.
//!
//! A posting is stored under the first characters of its word ([`posting_keys`] has the keys). So one Query per kind finds
//! every movie that has a word with a given prefix. For example, *Spider-Man II* by Sam Raimi, of the genres Sci-Fi and Film
//! Noir, released in 2004, with id 1:
//!
//! ```text
//! WORD#spi   0#spider-man-2#0000000000000001
//! WORD#spi   0#spiderman-2#0000000000000001
//! WORD#man   1#man#0000000000000001
//! WORD#2     1#2#0000000000000001
//! WORD#sam   2#sam-raimi#0000000000000001
//! WORD#rai   2#raimi+#0000000000000001
//! GENRE#sci  sci-fi#0000000000000001
//! GENRE#fi   fi+#0000000000000001
//! GENRE#fil  film-noir#0000000000000001
//! GENRE#noi  noir+#0000000000000001
//! YEAR#2004  0000000000000001
//! ```
//!
//! A movie has at most [`MAX_POSTINGS`]. If it would have more, the least important ones are left out, and what only they would
//! find isn't searchable. Titles and memberships are the most important ones, then words, closed-up forms that are no part's
//! only posting, and runs, each from the first on.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    db::{
        keys::{self, Key},
        posting_keys,
        transaction::MAX_ACTIONS,
        words::{Words, director_name, is_short},
    },
    domain::{
        MovieId,
        genre::is_signs,
        text::{Compound, canonical, runs},
    },
};

/// The most postings of a movie. An edit writes up to so many in one transaction, beside the changes of 18 genres, the deletions
/// of 19 memberships, and five other actions: on the movie, the number of genres, a favorite and two IMDb ids.
pub const MAX_POSTINGS: usize = 58;
const _: () = assert!(MAX_POSTINGS + 18 + 19 + 5 <= MAX_ACTIONS);

/// The most directors of a movie that have memberships.
pub const MAX_DIRECTORS: usize = 9;

/// A posting that a movie has, without what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadePosting {
    /// The word that it is for. For a membership, the first word of the genre or the name, or the year.
    pub word: String,
    /// What it is a membership in.
    pub membership: Option<Membership>,
}

/// What a posting is a membership in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// The genre of this identity.
    Genre(String),
    /// A director or a year.
    ByDate,
}

impl MadePosting {
    /// The posting of a word.
    pub(crate) fn of_word(word: &str) -> Self {
        Self {
            word: word.to_owned(),
            membership: None,
        }
    }
}

/// The keys of all postings of the movie with these words.
#[must_use]
pub fn keys_with_words(words: &Words, id: MovieId) -> BTreeMap<Key, MadePosting> {
    Maker::new(words, id).make()
}

/// Makes the keys of a movie's postings.
struct Maker<'a> {
    words: &'a Words,
    id: MovieId,
    made: BTreeMap<Key, MadePosting>,
    /// The title's words and closed-up forms.
    in_title: BTreeSet<String>,
    /// The title's first word, as written and closed up, which the title postings find.
    begin_title: BTreeSet<String>,
    /// The words and closed-up forms of directors.
    in_directors: BTreeSet<String>,
    /// The first words of names, which memberships find.
    begin_names: BTreeSet<String>,
}

impl<'a> Maker<'a> {
    fn new(words: &'a Words, id: MovieId) -> Self {
        Self {
            words,
            id,
            made: BTreeMap::new(),
            in_title: compared(&words.title),
            begin_title: BTreeSet::new(),
            in_directors: words.directors.iter().flat_map(|name| compared(name)).collect(),
            begin_names: BTreeSet::new(),
        }
    }

    /// Makes all postings, the most important ones first.
    fn make(mut self) -> BTreeMap<Key, MadePosting> {
        self.titles();
        self.memberships();
        let words = self.words;
        let directors = || words.directors.iter().flatten();
        for compound in &words.title {
            for word in needed(compound) {
                self.title_word(&word);
            }
        }
        for compound in directors() {
            for word in needed(compound) {
                self.director_word(&word);
            }
        }
        self.genre_words();
        for compound in &words.title {
            self.title_word(&compound.whole());
        }
        for compound in directors() {
            self.director_word(&compound.whole());
        }
        self.runs();
        self.made
    }

    fn add(&mut self, key: Key, posting: MadePosting) {
        if self.made.len() < MAX_POSTINGS {
            self.made.entry(key).or_insert(posting);
        }
    }

    fn titles(&mut self) {
        let written: Vec<String> = self
            .words
            .title_words()
            .map(|word| canonical(word).to_owned())
            .collect();
        let closed: Vec<String> = self.words.title.iter().map(Compound::whole).collect();
        for title in [written, closed] {
            if let Some((first, key)) = title.first().zip(posting_keys::title_posting(&title, self.id)) {
                self.add(key, MadePosting::of_word(first));
                self.begin_title.insert(first.clone());
            }
        }
    }

    fn memberships(&mut self) {
        for genre in &self.words.genres {
            if let Some(first) = genre.first() {
                let identity = posting_keys::joined(genre);
                let key = posting_keys::genre_membership(&identity, self.id);
                let membership = Some(Membership::Genre(identity));
                self.add(
                    key,
                    MadePosting {
                        word: first.clone(),
                        membership,
                    },
                );
            }
        }
        let names = self.words.directors.iter().filter_map(|name| director_name(name));
        for name in names.take(MAX_DIRECTORS) {
            let first = name
                .split(keys::WORD_SEPARATOR)
                .next()
                .unwrap_or_default()
                .to_owned();
            self.begin_names.insert(first.clone());
            self.add_dated(posting_keys::director_membership(&name, self.id), first);
        }
        if let Some(year) = self.words.year {
            self.add_dated(posting_keys::year_membership(year, self.id), year.to_string());
        }
    }

    fn add_dated(&mut self, key: Key, word: String) {
        let membership = Some(Membership::ByDate);
        self.add(key, MadePosting { word, membership });
    }

    fn title_word(&mut self, word: &str) {
        if !self.begin_title.contains(word) {
            self.add(
                posting_keys::title_word_posting(word, self.id),
                MadePosting::of_word(word),
            );
        }
    }

    fn director_word(&mut self, word: &str) {
        if !self.in_title.contains(word) && !self.begin_names.contains(word) {
            self.add(
                posting_keys::director_word_posting(word, self.id),
                MadePosting::of_word(word),
            );
        }
    }

    fn genre_words(&mut self) {
        for word in self.words.genres.iter().flat_map(|genre| genre.iter().skip(1)) {
            if !is_signs(word) && self.words.genres.iter().all(|genre| genre.first() != Some(word)) {
                self.genre_word(word);
            }
        }
    }

    fn genre_word(&mut self, word: &str) {
        if !self.in_title.contains(word) && !self.in_directors.contains(word) {
            self.add(
                posting_keys::genre_word_posting(word, self.id),
                MadePosting::of_word(word),
            );
        }
    }

    /// Makes the postings of runs. The runs of a closed-up form begin with those of its parts.
    fn runs(&mut self) {
        let words = self.words;
        for compound in &words.title {
            for run in runs(&compound.whole()) {
                self.title_word(run);
                self.in_title.insert(run.to_owned());
            }
        }
        for compound in words.directors.iter().flatten() {
            for run in runs(&compound.whole()) {
                self.director_word(run);
                self.in_directors.insert(run.to_owned());
            }
        }
        for word in words.genres.iter().flatten() {
            for run in runs(word) {
                self.genre_word(run);
            }
        }
    }
}

/// The words of these compounds and their closed-up forms.
fn compared(compounds: &[Compound]) -> BTreeSet<String> {
    let words = compounds.iter().flat_map(|compound| {
        let parts = compound.parts.iter().map(|part| canonical(part).to_owned());
        parts.chain([compound.whole()])
    });
    words.collect()
}

/// The words whose postings find all parts of a compound: the parts, or instead of a part the closed-up form that begins with
/// it.
fn needed(compound: &Compound) -> impl Iterator<Item = String> {
    let whole = compound.whole();
    compound.parts.iter().map(move |part| {
        let part = canonical(part);
        if !is_short(part) && whole.starts_with(part) {
            whole.clone()
        } else {
            part.to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{db::posting_keys::PostingKind, domain::MovieFields};

    fn fields(title: &str, director: &str, genre: &str) -> MovieFields {
        MovieFields::of_words(title, director, genre)
    }

    fn id() -> MovieId {
        MovieId::try_from(7).unwrap()
    }

    fn postings(fields: &MovieFields, id: MovieId) -> BTreeMap<Key, MadePosting> {
        keys_with_words(&Words::of(fields), id)
    }

    /// The keys of a movie's postings, each as its partition key and its sort key without the movie's id.
    fn short_keys(fields: &MovieFields) -> Vec<String> {
        postings(fields, id())
            .into_keys()
            .map(|k| format!("{} {}", k.pk, k.sk.replace("#0000000000000007", "")))
            .collect()
    }

    #[test]
    fn a_movie_has_one_posting_for_each_word_and_genre() {
        let fields = fields("The Sci of the Kid", "Kid Ory", "Sci-Fi, Drama");
        assert_eq!(
            short_keys(&fields).join(", "),
            "GENRE#dra drama, GENRE#fi fi+, GENRE#sci sci-fi, WORD#kid 1#kid, WORD#kid 2#kid-ory, WORD#of 1#of, WORD#ory 2#ory+, WORD#sci 1#sci, WORD#the 0#the-sci-of-the-kid, YEAR#1972 0000000000000007"
        );
    }

    /// The keys of titles and directors, without partitions and ids.
    fn word_keys(title: &str, director: &str) -> Vec<String> {
        let keys = keys_with_words(&Words::of(&fields(title, director, "x")), id()).into_keys();
        let keys = keys.filter(|key| key.pk.starts_with("WORD"));
        let mut keys: Vec<String> = keys.map(|key| key.sk.replace("#0000000000000007", "")).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn the_example_in_the_head_of_this_file_is_so() {
        let mut fields = fields("Spider-Man II", "Sam Raimi", "Sci-Fi, Film Noir");
        fields.release_date = crate::domain::ReleaseDate::parse("2004-06-30").unwrap();
        assert_eq!(
            short_keys(&fields).join(", "),
            "GENRE#fi fi+, GENRE#fil film-noir, GENRE#noi noir+, GENRE#sci sci-fi, WORD#2 1#2, WORD#man 1#man, WORD#rai 2#raimi+, WORD#sam 2#sam-raimi, WORD#spi 0#spider-man-2, WORD#spi 0#spiderman-2, YEAR#2004 0000000000000007"
        );
    }

    #[test]
    fn words_with_signs_are_found_by_their_parts_and_closed_up() {
        for (title, expected) in [
            ("M*A*S*H", &["0#m-a-s-h", "0#mash", "1#a", "1#h", "1#s"][..]),
            // `spiderman` also finds `spider`.
            (
                "Amazing Spider-Man",
                &[
                    "0#amazing-spider-man",
                    "0#amazing-spiderman",
                    "1#man",
                    "1#spiderman",
                ],
            ),
            // `et` doesn't find `e`.
            ("Mr E.T.", &["0#mr-e-t", "0#mr-et", "1#e", "1#et", "1#t"]),
            (
                "The Face/Off",
                &["0#the-face-off", "0#the-faceoff", "1#faceoff", "1#off"],
            ),
            ("A Iii-Q", &["0#a-3-q", "0#a-iiiq", "1#3", "1#iiiq", "1#q"]),
            ("Plain Title", &["0#plain-title", "1#title"]),
            ("…", &[]),
        ] {
            let keys = word_keys(title, "y");
            assert_eq!(keys[..keys.len() - 1], *expected, "{title}");
            assert_eq!(keys.last().unwrap(), "2#y");
        }
    }

    #[test]
    fn each_director_has_a_membership() {
        for (director, expected) in [
            (
                "Joel Coen, Ethan Coen",
                &["2#coen+", "2#ethan-coen", "2#joel-coen"][..],
            ),
            ("Joel Coen,Joel  COEN", &["2#coen+", "2#joel-coen"]),
            (
                "Jean-Pierre O'Connor",
                &[
                    "2#connor+",
                    "2#jean-pierre-o-connor",
                    "2#jeanpierre+",
                    "2#o+",
                    "2#oconnor+",
                    "2#pierre+",
                ],
            ),
            ("J. J. Abrams", &["2#abrams+", "2#j-j-abrams", "2#jj+"]),
            // A word of the title.
            ("Sam Title", &["2#sam-title"]),
            ("Title Sam", &["2#sam+", "2#title-sam"]),
            ("Malcolm X", &["2#10+", "2#malcolm-10"]),
            ("…", &[]),
        ] {
            let keys = word_keys("The Title", director);
            assert_eq!(keys[2..], *expected, "{director}");
        }
        let many: Vec<String> = (0..11).map(|n| format!("a{n} b")).collect();
        let keys = word_keys("x", &many.join(","));
        let memberships = keys.iter().filter(|key| key.ends_with("-b")).count();
        assert_eq!(memberships, MAX_DIRECTORS);
        assert!(keys.contains(&"2#a9+".to_owned()) && keys.contains(&"2#a10+".to_owned()));
    }

    #[test]
    fn runs_are_found_from_each_of_their_characters_on() {
        let keys = word_keys("千と千尋の神隠し", "봉준호, 千尋の a");
        assert_eq!(
            keys.join(", "),
            "0#千と千尋の神隠し, 1#と千尋の神隠し, 1#の神隠し, 1#千尋の神隠し, 1#尋の神隠し, 1#神隠し, 1#隠し, 2#a+, 2#千尋の-a, 2#尋の+, 2#봉준호, 2#준호+"
        );
        // The runs across a sign are runs of the closed-up form.
        let keys = word_keys("A 君・名は", "x");
        assert_eq!(
            keys[..keys.len() - 1],
            ["0#a-君-名は", "0#a-君名は", "1#名は", "1#君", "1#君名は"]
        );
        let genre = fields("x", "y", "한국드라마");
        let keys = short_keys(&genre);
        assert_eq!(
            keys[..4],
            [
                "GENRE#국드 국드라마+",
                "GENRE#드라 드라마+",
                "GENRE#라마 라마+",
                "GENRE#한국 한국드라마"
            ]
        );
    }

    #[test]
    fn a_movie_of_many_words_keeps_the_most_important_postings() {
        let long: String = ('\u{4e00}'..).take(100).collect();
        let fields = fields(&format!("映画を見る {long}"), "王 李", "Drama");
        let keys: Vec<Key> = postings(&fields, id()).into_keys().collect();
        assert_eq!(keys.len(), MAX_POSTINGS);
        let has = |sk: &str| keys.iter().any(|key| key.sk.starts_with(sk));
        assert!(has("0#映画") && has("2#王-李") && has("2#李+") && has("drama") && has("1#画を見る"));
        // The words of thirty and the memberships of nine names and genres all fit.
        let title: Vec<String> = (0..9).map(|n| format!("t{n}-a.b-")).collect();
        let names: Vec<String> = (0..9).map(|n| format!("d{n}")).collect();
        let genres: Vec<String> = (0..9).map(|n| format!("g{n}")).collect();
        let fields = self::fields(&title.join(" "), &names.join(","), &genres.join(","));
        let keys: Vec<Key> = postings(&fields.check().unwrap(), id()).into_keys().collect();
        assert!(keys.len() <= MAX_POSTINGS, "{}", keys.len());
        for word in title.iter().map(|word| &word[..word.find('-').unwrap()]).skip(1) {
            assert!(
                keys.iter().any(|key| key.sk.starts_with(&format!("1#{word}"))),
                "{word}"
            );
        }
    }

    #[test]
    fn the_signs_of_a_genre_have_no_posting_of_their_own() {
        let fields = fields("…", "?", "C, C++, F# Code+");
        assert_eq!(
            short_keys(&fields).join(", "),
            "GENRE#c c, GENRE#c c-^^, GENRE#cod code+, GENRE#f f-_-code-^, YEAR#1972 0000000000000007"
        );
    }

    #[test]
    fn a_posting_is_of_the_kind_that_its_key_says() {
        let fields = fields("0 1 2", "3", "Sci-Fi, 1 x");
        let kinds = postings(&fields, id());
        let kinds: Vec<usize> = kinds.keys().map(|key| PostingKind::of(key).index()).collect();
        assert_eq!(kinds, [3, 3, 3, 3, 0, 1, 1, 2, 4]);
    }
}
