//! What mends a disagreement that has one right answer, and how it is written.
//!
//! A mend is written by one transaction, under the conditions that the item which it changes, and the movie on which it depends,
//! are as they were read. So it changes nothing if a request has changed one of them meanwhile.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use marquee_shared::{
    db::{
        Key, Store,
        counter::Counter,
        expression::{Condition, Update},
        item::{Attributes as _, Item, from_item, number, text},
        keys,
        new_words::addition,
        transaction::{Outcome, Transaction},
    },
    domain::{CoverKey, MovieId, UserId},
};

/// The items that a check has read, by their keys. `None` stands for no item.
pub(super) type Read = HashMap<Key, Option<Item>>;

/// A change that mends a disagreement.
#[derive(Clone, Debug)]
pub(super) struct Mend {
    what: What,
    /// Items that must be as they were read.
    guards: Vec<Key>,
    only_if_absent: bool,
    count: Option<(Counter, i64)>,
}

#[derive(Clone, Debug)]
enum What {
    /// The item gets exactly these attributes beside its keys.
    Put(Key, Item),
    /// The item gets these attributes, and keeps the others.
    Set(Key, Vec<(&'static str, AttributeValue)>),
    Delete(Key),
    /// The second transaction of the movie's last edit is made.
    FinishEdit(MovieId),
    /// The list of a genre is made anew.
    Refill(Key),
    /// The item of the vocabulary gets one rest more.
    AddRest(Key, String),
}

impl Mend {
    fn of(what: What) -> Self {
        Self {
            what,
            guards: Vec::new(),
            only_if_absent: false,
            count: None,
        }
    }

    pub(super) fn put(key: Key, item: Item) -> Self {
        Self::of(What::Put(key, item))
    }

    pub(super) fn set(key: Key, name: &'static str, value: AttributeValue) -> Self {
        Self::of(What::Set(key, vec![(name, value)]))
    }

    pub(super) fn and_set(mut self, name: &'static str, value: AttributeValue) -> Self {
        if let What::Set(_, values) = &mut self.what {
            values.push((name, value));
        }
        self
    }

    pub(super) fn delete(key: Key) -> Self {
        Self::of(What::Delete(key))
    }

    pub(super) fn finish_edit(id: MovieId) -> Self {
        Self::of(What::FinishEdit(id))
    }

    pub(super) fn refill(genre: Key) -> Self {
        Self::of(What::Refill(genre))
    }

    pub(super) fn add_rest(key: Key, rest: String) -> Self {
        Self::of(What::AddRest(key, rest))
    }

    /// What is left of a user who doesn't exist is removed by the passes that look after deleted accounts. The clock's time is
    /// set when the mend is made.
    pub(super) fn look_after(user: UserId) -> Self {
        Self::put(keys::leaving(user), Item::new()).guarded(keys::user(user))
    }

    /// The sweep deletes an image that no movie has. The clock's time is set when the mend is made.
    pub(super) fn doubt(cover: &CoverKey) -> Self {
        let item = Item::from([("cover".to_owned(), text(cover.to_string()))]);
        Self::put(keys::doubtful_cover(cover), item).only_if_absent()
    }

    /// The same, if the item with this key is as it was read too.
    pub(super) fn guarded(mut self, key: Key) -> Self {
        self.guards.push(key);
        self
    }

    pub(super) fn only_if_absent(mut self) -> Self {
        self.only_if_absent = true;
        self
    }

    /// The same, and a counter is changed.
    pub(super) fn and_count(mut self, counter: Counter, step: i64) -> Self {
        self.count = Some((counter, step));
        self
    }

    /// What the mend does, for the operator.
    pub(super) fn step(&self) -> String {
        match &self.what {
            What::Put(key, _) if key.pk == keys::COVERS => {
                format!("put {}, {}, so the sweep deletes the image", key.pk, key.sk)
            }
            What::Put(key, _) => format!("put {}, {}", key.pk, key.sk),
            What::Set(key, values) => {
                let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
                format!("set {} of {}, {}", names.join(" and "), key.pk, key.sk)
            }
            What::Delete(key) => format!("deleted {}, {}", key.pk, key.sk),
            What::FinishEdit(id) => format!("finished the last edit of movie {id}"),
            What::Refill(key) => format!("made the list of {}, {} anew", key.pk, key.sk),
            What::AddRest(key, rest) => format!("added {rest} to {}", key.pk),
        }
    }

    /// Makes the change. Returns whether it was made: not if an item is no longer as it was read.
    pub(super) async fn make(self, store: &Store, read: &Read) -> marquee_shared::Result<bool> {
        let as_read = |key: &Key| match read.get(key) {
            Some(Some(item)) => equal(item),
            _ => Condition::not_exists(),
        };
        let mut transaction = Transaction::default();
        let changed;
        match self.what {
            What::FinishEdit(id) => return store.finish_edit(id).await,
            What::AddRest(key, rest) => {
                let update = addition(&key, &BTreeSet::from([rest]));
                return Ok(store.update(&key, &update, ReturnValue::None).await?.is_ok());
            }
            What::Refill(key) => {
                // A list that isn't there isn't relied on, and neither is one that is being refilled.
                let forget = Update::new("REMOVE #newest, #floor, #fill").only_if(as_read(&key));
                if store.update(&key, &forget, ReturnValue::None).await?.is_err() {
                    return Ok(false);
                }
                return match store.get(&key).await? {
                    Some(genre) => store.refill(&from_item(genre)?).await,
                    None => Ok(false),
                };
            }
            What::Put(key, mut item) => {
                let there = read.get(&key).and_then(Option::as_ref);
                if self.only_if_absent && there.is_some() {
                    return Ok(false);
                }
                if key.pk == keys::LEAVING {
                    item.insert("left".to_owned(), number(store.clock.now().0));
                }
                if key.pk == keys::COVERS {
                    item.insert("since".to_owned(), number(store.clock.now().0));
                }
                let condition = as_read(&key);
                transaction.add(match (there, item.is_empty()) {
                    (_, true) => store
                        .on(key.clone())
                        .put(&HashMap::<String, String>::new(), condition)?,
                    (there, false) => store
                        .on(key.clone())
                        .update(replacing(there, item).only_if(condition))?,
                });
                changed = key;
            }
            What::Set(key, values) => {
                let set: Vec<String> = values
                    .iter()
                    .map(|(name, _)| format!("#{name} = :new_{name}"))
                    .collect();
                let mut update = Update::new(format!("SET {}", set.join(", ")));
                for (name, value) in values {
                    update = update.value(&format!(":new_{name}"), value);
                }
                transaction.add(store.on(key.clone()).update(update.only_if(as_read(&key)))?);
                changed = key;
            }
            What::Delete(key) => {
                transaction.add(store.on(key.clone()).delete(as_read(&key))?);
                changed = key;
            }
        }
        for guard in self.guards.into_iter().filter(|guard| *guard != changed) {
            let condition = as_read(&guard);
            transaction.add(store.on(guard).check(condition)?);
        }
        if let Some((counter, step)) = self.count {
            transaction.add(store.count(counter, step)?);
        }
        Ok(matches!(store.transact(&transaction).await?, Outcome::Committed))
    }
}

/// The update that gives an item exactly these attributes.
fn replacing(there: Option<&Item>, item: Item) -> Update {
    let is_key = |name: &str| matches!(name, keys::PK | keys::SK);
    let old = there.into_iter().flatten().map(|(name, _)| name);
    let removed: Vec<String> = old
        .filter(|name| !is_key(name) && !item.contains_key(*name))
        .map(|name| format!("#{name}"))
        .collect();
    let set: Vec<String> = item.keys().map(|name| format!("#{name} = :new_{name}")).collect();
    let mut text = format!("SET {}", set.join(", "));
    if !removed.is_empty() {
        text.push_str(" REMOVE ");
        text.push_str(&removed.join(", "));
    }
    let mut update = Update::new(text);
    for (name, value) in item {
        update = update.value(&format!(":new_{name}"), value);
    }
    update
}

/// The condition that an item is as it was read: every attribute has its value. An attribute that was added since changes
/// another one too, such as the version.
fn equal(item: &Item) -> Condition {
    let mut names: Vec<&String> = item
        .keys()
        .filter(|name| !matches!(name.as_str(), keys::PK | keys::SK))
        .collect();
    names.sort();
    let mut condition = Condition::exists();
    for name in names {
        if let Some(value) = item.attribute(name) {
            let equal = Condition::new(format!("#{name} = :was_{name}"));
            condition = condition.and(equal.value(&format!(":was_{name}"), value.clone()));
        }
    }
    condition
}
