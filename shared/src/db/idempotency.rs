//! The answers that are kept under idempotency keys: AP-46.
//!
//! The answer to a request with an `Idempotency-Key` is put in the transaction that makes the change, under the condition that
//! no answer is kept under the key. So whatever is sent twice, at once or later, is done once, and every other attempt finds
//! the answer. A request that changes nothing keeps nothing.
//!
//! The item has only what the request doesn't determine, and the answer is made again from both. It costs 2 write units.

use aws_sdk_dynamodb::types::ReturnValue;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Instant,
    db::{
        expression::{Condition, Update},
        item::{Item, StoredItem, corrupt, from_item, number, text, to_item},
        keys::{self, Key},
        store::Store,
        transaction::{CommitCheck, Outcome, Transaction},
    },
    digest::sha256_hex,
    domain::{CoverKey, IdempotencyKey, MovieFields, MovieId, UserId},
    error::{Error, Result},
};

/// How long an answer is kept, in seconds.
pub const KEPT_SECONDS: i64 = 24 * 60 * 60;

/// An answer, as stored under `IDEMPOTENCY#<user>#<digest of the key>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// The digest of the request.
    pub request: String,
    /// The movie that was added, or whose favorite was toggled.
    pub movie: MovieId,
    /// Whether the movie was a favorite of the caller afterward.
    pub favorite: bool,
    /// When the movie was added (RFC 3339). `None` for a toggle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The movie's favorite count after a toggle. `None` for a movie that was added, and as long as the count isn't known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The key of the cover that was uploaded for the movie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover: Option<CoverKey>,
    /// The token of the transaction that wrote the item, by which a request without a response knows whether it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// Until when the answer is kept, in milliseconds since 1970.
    pub expires: i64,
    /// When DynamoDB may delete the item, in seconds since 1970. Only for cleanup: `expires` decides.
    pub ttl: i64,
}

/// The part of a [`KeptAnswer`] that isn't the same for every request.
#[derive(Clone, Debug)]
pub(crate) struct NewAnswer {
    pub(crate) movie: MovieId,
    pub(crate) favorite: bool,
    pub(crate) created_at: Option<String>,
    pub(crate) count: Option<u64>,
    pub(crate) cover: Option<CoverKey>,
}

/// An answer, and whether it is that of an earlier request.
#[derive(Clone, Debug)]
pub struct Answered<T> {
    /// The answer.
    pub answer: T,
    /// Whether an earlier request with the same key made the change.
    pub is_replayed: bool,
}

impl<T> Answered<T> {
    /// The answer to a request that made its change itself.
    pub fn first(answer: T) -> Self {
        Self {
            answer,
            is_replayed: false,
        }
    }

    /// The answer of an earlier request.
    pub fn replayed(answer: T) -> Self {
        Self {
            answer,
            is_replayed: true,
        }
    }
}

/// What a request asks for, in the form whose digest is stored. Two requests are the same if this is: a form and JSON with the
/// same fields are.
#[derive(Serialize)]
struct Asked<'a> {
    operation: &'static str,
    movie: Option<MovieId>,
    #[serde(flatten)]
    fields: Option<&'a MovieFields>,
    /// The digest of the uploaded image, which has no key before it is stored.
    image: Option<String>,
    user: Option<UserId>,
    favorite: Option<bool>,
}

/// A request with an idempotency key.
#[derive(Clone, Debug)]
pub struct KeyedRequest {
    key: Key,
    /// The digest of what it asks for.
    request: String,
    /// Whether the kept answer has been looked up, so that it isn't read again.
    is_looked_up: bool,
}

impl KeyedRequest {
    /// The addition of a movie by `caller`. `owner` and `favorite` are what the request means, whether it says so or not. `image` is
    /// the file that it uploads.
    ///
    /// # Errors
    /// [`Error::Internal`] if the fields can't be encoded, which is a bug.
    pub fn of_addition(
        caller: UserId,
        key: &IdempotencyKey,
        fields: &MovieFields,
        owner: UserId,
        favorite: bool,
        image: Option<&[u8]>,
    ) -> Result<Self> {
        let asked = Asked {
            operation: "create_movie",
            movie: None,
            fields: Some(fields),
            image: image.map(sha256_hex),
            user: Some(owner),
            favorite: Some(favorite),
        };
        Self::new(caller, key, &asked)
    }

    /// A toggle of `caller`'s favorite.
    ///
    /// # Errors
    /// [`Error::Internal`] if the request can't be encoded, which is a bug.
    pub fn of_toggle(caller: UserId, key: &IdempotencyKey, movie: MovieId) -> Result<Self> {
        let asked = Asked {
            operation: "toggle_favorite",
            movie: Some(movie),
            fields: None,
            image: None,
            user: None,
            favorite: None,
        };
        Self::new(caller, key, &asked)
    }

    fn new(caller: UserId, key: &IdempotencyKey, asked: &Asked<'_>) -> Result<Self> {
        let encoded = || {
            let mut asked = serde_json::to_value(asked)?;
            // A field that a later version adds is null in the requests of this one, and changes no digest.
            if let Some(fields) = asked.as_object_mut() {
                fields.retain(|_, value| !value.is_null());
            }
            serde_json::to_vec(&asked)
        };
        let encoded = encoded().map_err(|_| Error::internal("a request can't be encoded"))?;
        Ok(Self {
            key: keys::kept_answer(caller, key),
            request: sha256_hex(&encoded),
            is_looked_up: false,
        })
    }

    /// The same request, whose kept answer has been looked up and wasn't there.
    #[must_use]
    pub fn looked_up(self) -> Self {
        Self {
            is_looked_up: true,
            ..self
        }
    }

    /// The key of the item with its answer.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// The answer to this request in the item under its key. `None` if there is none, or if it is no longer kept.
    ///
    /// # Errors
    /// [`Error::KeyReused`] if it is the answer to another request.
    pub(crate) fn answer_in(
        &self,
        item: Option<impl Into<StoredItem>>,
        now: Instant,
    ) -> Result<Option<KeptAnswer>> {
        let kept = item.map(from_item::<KeptAnswer>).transpose()?;
        match kept.filter(|kept| kept.expires > now.0) {
            Some(kept) if kept.request != self.request => Err(Error::KeyReused),
            kept => Ok(kept),
        }
    }
}

/// The keeping of an answer in the transaction of its change. Does nothing for a request without a key.
pub(crate) struct Keeping<'a> {
    request: Option<&'a KeyedRequest>,
    now: Instant,
    /// The index of the action that puts the answer.
    action: Option<usize>,
    /// The answer of another request with the key, which made the change first.
    kept: Option<KeptAnswer>,
}

impl<'a> Keeping<'a> {
    /// The keeping of the answer to this request at `now`.
    pub(crate) fn new(request: Option<&'a KeyedRequest>, now: Instant) -> Self {
        Self {
            request,
            now,
            action: None,
            kept: None,
        }
    }

    /// Adds the action to the transaction of the change. Its condition fails if an answer is kept already.
    pub(crate) fn add_to(
        &mut self,
        store: &Store,
        transaction: &mut Transaction,
        new: &NewAnswer,
    ) -> Result<()> {
        let Some(request) = self.request else {
            return Ok(());
        };
        let end = self.now.plus_seconds(KEPT_SECONDS);
        let answer = KeptAnswer {
            request: request.request.clone(),
            movie: new.movie,
            favorite: new.favorite,
            created_at: new.created_at.clone(),
            count: new.count,
            cover: new.cover,
            transaction: Some(transaction.token().to_owned()),
            expires: end.0,
            ttl: end.seconds().saturating_add(1),
        };
        let free = Condition::new("attribute_not_exists(#pk) OR #expires <= :now");
        let free = free.value(":now", number(self.now.0));
        let put = store.on(request.key.clone()).put(&answer, free)?;
        self.action = Some(transaction.add(put));
        transaction.check_commit(CommitCheck::Has(request.key.clone(), to_item(&answer)?));
        Ok(())
    }

    /// Whether another request with the key has made the change. Then [`Keeping::into_kept`] returns its answer.
    ///
    /// # Errors
    /// [`Error::KeyReused`] if it asked for something else.
    pub(crate) fn is_made(&mut self, outcome: &Outcome) -> Result<bool> {
        let (Some(request), Some(action)) = (self.request, self.action) else {
            return Ok(false);
        };
        if !outcome.failed(action) {
            return Ok(false);
        }
        self.kept = request.answer_in(outcome.item(action).cloned(), self.now)?;
        if self.kept.is_none() {
            return Err(corrupt("no answer under a key that is in use"));
        }
        Ok(true)
    }

    /// The answer of another request that made the change.
    ///
    /// # Errors
    /// [`Error::Internal`] if no other request did.
    pub(crate) fn into_kept(self) -> Result<KeptAnswer> {
        self.kept
            .ok_or_else(|| corrupt("no answer of a change that is made"))
    }
}

impl Store {
    /// AP-46: the answer to this request, if one is kept. One call, 1 unit; none without a key, or if it has been looked up.
    ///
    /// # Errors
    /// [`Error::KeyReused`] if the key was used for another request.
    pub(crate) async fn kept_answer(&self, request: Option<&KeyedRequest>) -> Result<Option<KeptAnswer>> {
        let Some(request) = request.filter(|request| !request.is_looked_up) else {
            return Ok(None);
        };
        // A batch of one, because the functions' roles allow batches on these keys.
        let mut found = self.batch_get(vec![request.key.clone()]).await?;
        request.answer_in(found.remove(&request.key), self.clock.now())
    }

    /// AP-46: adds the count to the kept answer of a toggle, unless it has one. Returns the one that it has then.
    ///
    /// # Errors
    /// [`Error::Unavailable`] also if it is unknown which count it has.
    pub(crate) async fn keep_count(&self, request: &KeyedRequest, count: u64) -> Result<u64> {
        let update = Update::new("SET #count = :count")
            .when("#request = :request AND attribute_not_exists(#count)")
            .value(":count", number(count))
            .value(":request", text(&request.request));
        let updated = self.update(&request.key, &update, ReturnValue::None).await?;
        let item: Option<Item> = updated.err().and_then(|failed| failed.item);
        let kept = item.map(from_item::<KeptAnswer>).transpose()?;
        Ok(kept.and_then(|kept| kept.count).unwrap_or(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ImdbId, Title};

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::parse(text.as_bytes()).unwrap()
    }

    fn id<T: TryFrom<u64>>(id: u64) -> T {
        T::try_from(id).ok().unwrap()
    }

    fn addition(fields: &MovieFields, owner: u64, favorite: bool) -> KeyedRequest {
        KeyedRequest::of_addition(id(1), &key("k"), fields, id(owner), favorite, None).unwrap()
    }

    #[test]
    fn a_request_is_another_one_if_any_field_differs() {
        let fields = MovieFields::of_words("Alien", "Ridley Scott", "Horror");
        let first = addition(&fields, 1, false);
        assert_eq!(addition(&fields.clone(), 1, false).request, first.request);
        let mut others = vec![
            addition(&fields, 2, false),
            addition(&fields, 1, true),
            KeyedRequest::of_toggle(id(1), &key("k"), id(1)).unwrap(),
            KeyedRequest::of_toggle(id(1), &key("k"), id(2)).unwrap(),
        ];
        for change in [
            (|movie| movie.title = Title::parse("alien").unwrap()) as fn(&mut MovieFields),
            |movie| movie.imdb_id = ImdbId::parse("tt0078748").ok(),
        ] {
            let mut changed = fields.clone();
            change(&mut changed);
            others.push(addition(&changed, 1, false));
        }
        let mut digests: Vec<&str> = others.iter().map(|other| other.request.as_str()).collect();
        digests.push(&first.request);
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), others.len() + 1);
    }

    /// The digest is stored for 24 hours, so a new version must compute the same one.
    #[test]
    fn the_digest_of_a_request_stays_what_it_is() {
        let fields = MovieFields::of_words("Alien", "Ridley Scott", "Horror");
        let asked = Asked {
            operation: "create_movie",
            movie: None,
            fields: Some(&fields),
            image: None,
            user: Some(id(1)),
            favorite: Some(false),
        };
        let encoded = serde_json::to_value(asked).unwrap();
        assert_eq!(encoded["imdb_id"], serde_json::Value::Null);
        assert_eq!(
            addition(&fields, 1, false).request,
            sha256_hex(
                format!(
                    r#"{{"description":{},"director":"Ridley Scott","favorite":false,"genre":"Horror","operation":"create_movie","release_date":"{}","title":"Alien","user":1}}"#,
                    encoded["description"], fields.release_date
                )
                .as_bytes()
            )
        );
    }

    #[test]
    fn keys_are_each_callers_own_and_only_their_digest_is_stored() {
        let one = KeyedRequest::of_toggle(id(1), &key("secret"), id(7)).unwrap();
        let other = KeyedRequest::of_toggle(id(2), &key("secret"), id(7)).unwrap();
        assert_ne!(one.key, other.key);
        assert_eq!(one.request, other.request);
        assert!(!format!("{one:?}").contains("secret"));
    }

    #[test]
    fn an_answer_is_kept_for_24_hours_and_is_another_requests_error() {
        let request = KeyedRequest::of_toggle(id(1), &key("k"), id(7)).unwrap();
        let other = KeyedRequest::of_toggle(id(1), &key("k"), id(8)).unwrap();
        let begun = Instant(1_800_000_000_000);
        let kept = KeptAnswer {
            request: request.request.clone(),
            movie: id(7),
            favorite: true,
            created_at: None,
            count: None,
            cover: None,
            transaction: None,
            expires: begun.plus_seconds(KEPT_SECONDS).0,
            ttl: 0,
        };
        let item = to_item(&kept).unwrap();
        assert!(!item.contains_key("count") && !item.contains_key("created_at"));
        let last = Instant(begun.0 + 86_399_999);
        let found = request.answer_in(Some(item.clone()), last).unwrap();
        assert_eq!(found, Some(kept));
        let found = other.answer_in(Some(item.clone()), last);
        assert!(matches!(found, Err(Error::KeyReused)));
        let after = Instant(begun.0 + 86_400_000);
        for request in [&request, &other] {
            let found = request.answer_in(Some(item.clone()), after).unwrap();
            assert_eq!(found, None);
        }
        assert_eq!(request.answer_in(None::<Item>, begun).unwrap(), None);
    }
}
