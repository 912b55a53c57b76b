//! How keys are written. Every partition key, sort key and index key of the table is made here, or, for postings, in
//! [`posting_keys`](crate::db::posting_keys); and nowhere else.
//!
//! Every sort key that a walk may stop at ends in one of: an id of [`ID_DIGITS`] digits, or [`END`]. So no sort key is
//! a prefix of another, and the keys just after and just before one are its id plus or minus one.

use std::{collections::HashMap, fmt};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    db::attributes::Attributes,
    domain::{CoverKey, IdempotencyKey, ImdbId, MovieId, SessionId, UserId, text::begins_with_run},
};

/// The digits of the largest id, 2⁵³ − 1.
pub const ID_DIGITS: usize = 16;

/// Separates the parts of a key, and ends a key that has no id at its end. No normalized text contains it. It sorts before
/// [`WORD_SEPARATOR`] and before every letter and digit, so a text sorts before every longer text that begins with it.
pub const END: char = '#';

/// Joins the words of a normalized text within a key.
pub const WORD_SEPARATOR: char = '-';

/// The number of ids in a bucket. Each bucket of movies or users is a partition, so that no partition grows with the table.
pub const BUCKET: u64 = 256;

/// The partition-key attribute.
pub const PK: &str = "pk";
/// The sort-key attribute.
pub const SK: &str = "sk";

/// The index by date: movies by release date, a genre's movies by release date, a user's favorites by time.
pub const BY_DATE: Index = Index {
    name: Some("by-date"),
    pk: "dated",
    sk: "date",
};

/// The table itself.
pub const TABLE: Index = Index {
    name: None,
    pk: PK,
    sk: SK,
};

/// The index of movies by likes. Its sort key is a number.
pub const LIKES_INDEX: Index = Index {
    name: Some(BY_LIKES),
    pk: LIKED,
    sk: LIKES,
};
/// The name of the index of movies by likes.
pub const BY_LIKES: &str = "by-likes";
/// The partition-key attribute of the index by likes.
pub const LIKED: &str = "liked";
/// The sort-key attribute of the index by likes, which also counts a movie's favorites ([`likes`](crate::db::likes)).
pub const LIKES: &str = "likes";

/// The table or one of its indexes, with the names of its key attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// `None` for the table itself.
    pub name: Option<&'static str>,
    /// The partition-key attribute.
    pub pk: &'static str,
    /// The sort-key attribute.
    pub sk: &'static str,
}

/// A primary key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the item {}, {}", self.pk, self.sk)
    }
}

impl Key {
    /// The key with this partition key and this sort key.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self {
            pk: pk.into(),
            sk: sk.into(),
        }
    }

    /// The key as the attributes of an item.
    #[must_use]
    pub fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([
            (PK.into(), AttributeValue::S(self.pk.clone())),
            (SK.into(), AttributeValue::S(self.sk.clone())),
        ])
    }

    /// The key of an item. `None` if the item lacks one.
    #[must_use]
    pub fn of(item: &impl Attributes) -> Option<Self> {
        Some(Self::new(item.text(PK)?, item.text(SK)?))
    }
}

/// The class of an item's key: the start of its partition key, such as `LOGIN`. The rest may be an email, so only the class may
/// be logged.
#[must_use]
pub fn class_of(item: &impl Attributes) -> String {
    let class = item.text(PK).and_then(|pk| pk.split(END).next());
    class.unwrap_or("no class").to_owned()
}

/// An id as a sort key contains it: padded with zeros, so that the order of texts is the order of numbers.
#[must_use]
pub fn id_text(id: u64) -> String {
    format!("{id:0ID_DIGITS$}")
}

/// The id at the end of a sort key. `None` if the key doesn't end in an id.
#[must_use]
pub fn id_at_end(sk: &str) -> Option<u64> {
    let digits = sk.get(sk.len().checked_sub(ID_DIGITS)?..)?;
    // The parser alone would accept a sign.
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// The sort key just after `sk`.
#[must_use]
pub fn after(sk: &str) -> String {
    step(sk, 1)
}

/// The sort key just before `sk`.
#[must_use]
pub fn before(sk: &str) -> String {
    step(sk, -1)
}

fn step(sk: &str, by: i8) -> String {
    if let Some(id) = id_at_end(sk) {
        let start = &sk[..sk.len() - ID_DIGITS];
        return format!("{start}{}", id_text(id.saturating_add_signed(by.into())));
    }
    let mut stepped = sk.to_owned();
    // A key without an id ends in END, whose neighbors are ASCII as well.
    if let Some(last) = stepped.pop().and_then(|c| u8::try_from(c).ok()) {
        stepped.push(char::from(last.saturating_add_signed(by)));
    }
    stepped
}

/// A movie: `MOVIES#⌊id/256⌋`, id.
#[must_use]
pub fn movie(id: MovieId) -> Key {
    Key::new(movie_bucket(id.get() / BUCKET), id_text(id.get()))
}

/// The id of the movie that this is the key of an item about: of a favorite, in its partition key; of any other, at the end of
/// its sort key.
#[must_use]
pub fn movie_of(key: &Key) -> Option<MovieId> {
    let id = match key.pk.strip_prefix(FAVORITES) {
        Some(id) => id.parse().ok()?,
        None => id_at_end(&key.sk)?,
    };
    MovieId::try_from(id).ok()
}

/// The partition of movies whose ids are in `bucket`.
#[must_use]
pub fn movie_bucket(bucket: u64) -> String {
    format!("MOVIES#{bucket}")
}

/// The `dated` of every movie.
pub const MOVIES_DATED: &str = "MOVIES";

/// The `date` of a movie or a favorite, and the start of that of a genre membership: `<date>#<movie>`.
#[must_use]
pub fn dated(date: &str, id: MovieId) -> String {
    format!("{date}{END}{}", id_text(id.get()))
}

/// The `liked` of a movie that gets its first favorite: one of so many shards of the likes index, by the movie's id.
#[must_use]
pub fn liked(id: MovieId, shards: u64) -> String {
    likes_shard(id.get() % shards.max(1))
}

/// A shard of the likes index. Its number is below that of [`LikesShards::read`](crate::db::likes::LikesShards::read).
#[must_use]
pub fn likes_shard(shard: u64) -> String {
    format!("LIKES#{shard}")
}

/// The `date` of an item that a walk stops at: a genre membership's without what follows the id there.
#[must_use]
pub fn date_position(date: &str) -> &str {
    let ends = date.match_indices(END).nth(1);
    ends.map_or(date, |(end, _)| &date[..end])
}

/// A user: `USERS#⌊id/256⌋`, id.
#[must_use]
pub fn user(id: UserId) -> Key {
    Key::new(user_bucket(id.get() / BUCKET), id_text(id.get()))
}

/// The partition of users whose ids are in `bucket`.
#[must_use]
pub fn user_bucket(bucket: u64) -> String {
    format!("USERS#{bucket}")
}

/// A name to sign in with, a username or an email, folded: `LOGIN#<folded>`.
#[must_use]
pub fn login(folded: &str) -> Key {
    Key::new(format!("LOGIN#{folded}"), "LOGIN")
}

/// A favorite: `FAVORITES#<movie>`, user.
#[must_use]
pub fn favorite(movie: MovieId, user: UserId) -> Key {
    Key::new(favorites(movie), id_text(user.get()))
}

/// The partition of a movie's favorites.
#[must_use]
pub fn favorites(movie: MovieId) -> String {
    format!("{FAVORITES}{movie}")
}

/// What the partition of every movie's favorites begins with.
const FAVORITES: &str = "FAVORITES#";

/// The `dated` of a user's favorites.
#[must_use]
pub fn user_favorites(user: UserId) -> String {
    format!("USER_FAVORITES#{user}")
}

/// A session: `SESSIONS#<user>`, id.
#[must_use]
pub fn session(user: UserId, id: SessionId) -> Key {
    Key::new(sessions(user), id.to_string())
}

/// The partition of a user's sessions.
#[must_use]
pub fn sessions(user: UserId) -> String {
    format!("SESSIONS#{user}")
}

/// A session that an earlier version began: `SESSION#<id>`.
#[must_use]
pub fn earlier_session(id: SessionId) -> Key {
    Key::new(format!("SESSION#{id}"), "SESSION")
}

/// A user's password reset token: `RESET#<user>`. A user has at most one.
#[must_use]
pub fn reset(user: UserId) -> Key {
    Key::new(format!("RESET#{user}"), "RESET")
}

/// A mail that was asked for and not sent yet: `OUTBOX#<lane>`, time and a random text. So a lane's mails are in the order in
/// which they were asked for.
#[must_use]
pub fn mail(lane: u64, time: u64, random: &str) -> Key {
    Key::new(outbox(lane), format!("{}{END}{random}", id_text(time)))
}

/// The partition of the mails of a lane.
#[must_use]
pub fn outbox(lane: u64) -> String {
    format!("{OUTBOX}{lane}")
}

/// What the partition of every mail begins with.
pub const OUTBOX: &str = "OUTBOX#";

/// A counter of attempts to sign in: `ATTEMPTS#<hash of what they are counted by>`, counter.
#[must_use]
pub fn attempts(subject: &str, counter: AttemptCounter) -> Key {
    let counter = match counter {
        AttemptCounter::Here => "HERE".to_owned(),
        AttemptCounter::Window(window) => format!("WINDOW#{window}"),
        AttemptCounter::Session => "SESSION".to_owned(),
        AttemptCounter::Own => "OWN".to_owned(),
        AttemptCounter::Minute(minute) => format!("MINUTE#{minute}"),
    };
    Key::new(format!("ATTEMPTS#{subject}"), counter)
}

/// A kind of counter of attempts to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptCounter {
    /// Attempts at a name from one address.
    Here,
    /// Attempts at a name from all addresses, in a window of 15 minutes since 1970.
    Window(i64),
    /// Attempts at a name with a refresh token of one session.
    Session,
    /// A signed-in user's attempts at their own password.
    Own,
    /// Attempts from one address at any name, in a minute since 1970.
    Minute(i64),
}

/// The partition of the public keys. A sort key is a key id.
pub const KEYS: &str = "KEYS";

/// The key that encrypts cursors: `CURSOR`.
#[must_use]
pub fn cursor_key() -> Key {
    Key::new("CURSOR", "CURSOR")
}

/// A counter: `META`, its name.
#[must_use]
pub fn counter(name: &str) -> Key {
    Key::new("META", name)
}

/// The version of the table's layout: `META`, `LAYOUT`.
#[must_use]
pub fn layout() -> Key {
    counter("LAYOUT")
}

/// A genre: `GENRES`, `<genre>#`.
#[must_use]
pub fn genre(identity: &str) -> Key {
    Key::new(GENRES, format!("{identity}{END}"))
}

/// The partition of all genres.
pub const GENRES: &str = "GENRES";

/// The `dated` of a genre's movies.
#[must_use]
pub fn genre_dated(identity: &str) -> String {
    format!("GENRE#{identity}")
}

/// The partition of genre memberships, by the first characters of the genre.
#[must_use]
pub fn genre_partition(word: &str) -> String {
    format!("GENRE#{}", first_chars(word))
}

/// The partition of postings, by the first characters of the word.
#[must_use]
pub fn word_partition(word: &str) -> String {
    format!("WORD#{}", first_chars(word))
}

/// The partition of the movies of a year.
#[must_use]
pub fn year_partition(year: u16) -> String {
    format!("YEAR#{year}")
}

/// The first three characters of a word. Two, if they are of a script without spaces: there two characters of a search match
/// all words that begin with them, so these must be in one partition.
fn first_chars(word: &str) -> &str {
    let chars = if begins_with_run(word) { 2 } else { 3 };
    word.char_indices()
        .nth(chars)
        .map_or(word, |(end, _)| &word[..end])
}

/// An item of the [vocabulary](crate::db::vocabulary): `NEAR#<letters>#<place>#<piece>`. It has words of this many letters
/// that have this piece at this place.
#[must_use]
pub fn near(letters: usize, place: usize, piece: &str) -> Key {
    Key::new(format!("{NEAR}{letters}#{place}#{piece}"), "NEAR")
}

/// The number of letters, the place and the piece in the key of an item of the vocabulary. `None` for any other key.
#[must_use]
pub fn near_parts(key: &Key) -> Option<(usize, usize, &str)> {
    let mut parts = key.pk.strip_prefix(NEAR)?.splitn(3, END);
    Some((
        parts.next()?.parse().ok()?,
        parts.next()?.parse().ok()?,
        parts.next()?,
    ))
}

/// What the partition of every item of the vocabulary begins with.
const NEAR: &str = "NEAR#";

/// An IMDb id that a movie has: `IMDB#<imdb_id>`.
#[must_use]
pub fn imdb_id(id: &ImdbId) -> Key {
    Key::new(format!("IMDB#{id}"), "IMDB")
}

/// A deleted movie whose favorites are still to be removed: `SWEEP`, id.
#[must_use]
pub fn sweep(movie: MovieId) -> Key {
    Key::new(SWEEP, id_text(movie.get()))
}

/// The partition of movies whose favorites are still to be removed.
pub const SWEEP: &str = "SWEEP";

/// An uploaded cover that a movie may not have: `COVERS`, digits of its key.
#[must_use]
pub fn doubtful_cover(cover: &CoverKey) -> Key {
    Key::new(COVERS, cover.digits())
}

/// The partition of these covers.
pub const COVERS: &str = "COVERS";

/// The answer that is kept under an idempotency key of a user: `IDEMPOTENCY#<user>#<digest of the key>`.
#[must_use]
pub fn kept_answer(user: UserId, key: &IdempotencyKey) -> Key {
    Key::new(format!("IDEMPOTENCY#{user}#{}", key.digest()), "IDEMPOTENCY")
}

/// A movie that belongs to a user: `OWNED#<user>`, movie's id.
#[must_use]
pub fn owned_movie(user: UserId, movie: MovieId) -> Key {
    Key::new(owned_movies(user), id_text(movie.get()))
}

/// The partition of the movies that belong to a user.
#[must_use]
pub fn owned_movies(user: UserId) -> String {
    format!("OWNED#{user}")
}

/// A deleted account that is still looked after: `LEAVING`, user's id.
#[must_use]
pub fn leaving(user: UserId) -> Key {
    Key::new(LEAVING, id_text(user.get()))
}

/// The partition of deleted accounts.
pub const LEAVING: &str = "LEAVING";

/// A bulk import: `IMPORT#<hash of the file>`.
#[must_use]
pub fn import(hash: &str) -> Key {
    Key::new(format!("IMPORT#{hash}"), "IMPORT")
}

#[cfg(test)]
mod tests;
