//! The second look: reads the items of one subject again, strongly consistent, and checks them.
//!
//! A scan is no snapshot, so a change that is made meanwhile can look like a disagreement. The second look reads the item on which
//! the others depend before and after them. If it has changed in between, nothing is said.

use std::collections::{BTreeSet, HashMap};

use marquee_shared::{
    db::{
        Key, Store, counter,
        counter::Counter,
        index,
        item::{Attributes as _, Item, from_item, number},
        keys::{self, TABLE},
        movie::MovieItem,
        newest::Entry,
        range::{Direction, KeyRange},
        unfinished::left_postings,
        user::UserItem,
    },
    domain::{CoverKey, MovieId, UserId, username::fold_name},
};

use super::{
    AuditError, Candidate,
    check::Check,
    classify::{Classifier, word_facts},
    covers::{self, Images},
    facts::{Class, Fact, Placed},
    kind::Kind,
    mend::{Mend, Read},
    pace::Pace,
};

/// How many items one Query reads.
const PAGE: usize = 1_000;

/// What a second look has found, and the items that it has read.
#[derive(Default)]
pub(super) struct Look {
    pub(super) candidates: Vec<Candidate>,
    pub(super) read: Read,
}

/// Looks again at the subjects of candidates.
pub(super) struct Looking<'a> {
    pub(super) store: &'a Store,
    pub(super) pace: &'a Pace,
    /// The store of covers, if it is known.
    pub(super) images: Option<&'a Images>,
}

impl Looking<'_> {
    /// Looks again at the group of these candidates, which are of one group. Returns `None` if it was changed meanwhile.
    pub(super) async fn look(&self, candidates: &[Candidate]) -> Result<Option<Look>, AuditError> {
        let Some(first) = candidates.first() else {
            return Ok(Some(Look::default()));
        };
        match first.class {
            Class::Movie => self.movie(&first.group, candidates).await,
            Class::User => self.user(&first.group, candidates).await,
            Class::Word => self.word(&first.group, candidates).await.map(Some),
            Class::Genre => self.genre(&first.group).await,
            Class::Item => self.items(candidates).await.map(Some),
            Class::Counter => self.counter(first).await,
            Class::Cover => self.cover(&first.group, candidates).await,
        }
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, AuditError> {
        self.pace.spend(1.0).await;
        Ok(self.store.get(key).await?.map(Item::from))
    }

    async fn read(&self, keys: impl IntoIterator<Item = Key>) -> Result<Read, AuditError> {
        let mut read: Read = keys.into_iter().map(|key| (key, None)).collect();
        self.pace.spend(read.len() as f64).await;
        for (key, item) in self.store.batch_get(read.keys().cloned().collect()).await? {
            read.insert(key, Some(item.into()));
        }
        Ok(read)
    }

    /// Calls `page` with each page of a range of the table.
    async fn pages(&self, mut range: KeyRange, mut page: impl FnMut(Vec<Item>)) -> Result<(), AuditError> {
        loop {
            let read = self.store.query(&range, Direction::Ascending, PAGE).await?;
            self.pace.spend(read.items.len() as f64 / 4.0).await;
            let last = read.items.last().and_then(Key::of);
            let more = read.more;
            page(read.items.into_iter().map(Item::from).collect());
            match last.filter(|_| more) {
                Some(last) => range = range.beyond(&last.sk, Direction::Ascending),
                None => return Ok(()),
            }
        }
    }

    /// What these facts of one group show to be wrong.
    fn check(&self, class: Class, group: &str, mut facts: Vec<Placed>) -> Result<Vec<Candidate>, AuditError> {
        facts.retain(|fact| fact.class == class && fact.group == group);
        facts.sort_by_key(|placed| placed.fact.place());
        let mut check = Check::of(class, group, self.store.likes_shards);
        let mut found = Vec::new();
        for Placed { key, fact, .. } in facts {
            found.extend(check.add(key, fact)?);
        }
        found.extend(check.finish()?);
        Ok(found)
    }

    async fn movie(&self, group: &str, candidates: &[Candidate]) -> Result<Option<Look>, AuditError> {
        let Some(id) = movie_id(group) else {
            return Ok(None);
        };
        let own = keys::movie(id);
        let before = self.get(&own).await?;
        let mut wanted = BTreeSet::from([keys::sweep(id)]);
        wanted.extend(candidates.iter().map(|candidate| candidate.key.clone()));
        if let Some(Ok(movie)) = before.clone().map(from_item::<MovieItem>) {
            wanted.extend(index::postings(&movie.fields, id).into_keys());
            wanted.extend(left_postings(&movie));
            wanted.extend(movie.user.map(|user| keys::owned_movie(user, id)));
            wanted.extend(movie.fields.imdb_id.as_ref().map(keys::imdb_id));
            // They are counted below.
            wanted.retain(|key| key.pk != keys::favorites(id));
        }
        wanted.remove(&own);
        let mut read = self.read(wanted).await?;
        let mut facts = facts_of(read.iter());
        if let Some(movie) = &before {
            let mut favorites = 0;
            let range = KeyRange::partition(TABLE, keys::favorites(id));
            self.pages(range, |page| favorites += page.len() as u64).await?;
            facts.extend(facts_of([(&own, &Some(movie.clone()))]));
            facts.push(Placed {
                class: Class::Movie,
                group: group.to_owned(),
                key: own.clone(),
                fact: Fact::Favorites(favorites),
            });
        }
        if self.get(&own).await? != before {
            return Ok(None);
        }
        read.insert(own, before);
        let candidates = self.check(Class::Movie, group, facts)?;
        Ok(Some(Look { candidates, read }))
    }

    async fn user(&self, group: &str, candidates: &[Candidate]) -> Result<Option<Look>, AuditError> {
        let Some(id) = group.parse::<u64>().ok().and_then(|id| UserId::try_from(id).ok()) else {
            return Ok(None);
        };
        let own = keys::user(id);
        let before = self.get(&own).await?;
        let mut wanted = BTreeSet::from([keys::leaving(id)]);
        wanted.extend(candidates.iter().map(|candidate| candidate.key.clone()));
        if let Some(Ok(user)) = before.clone().map(from_item::<UserItem>) {
            wanted.extend([&user.username, &user.email].map(|name| keys::login(&fold_name(name))));
        }
        wanted.remove(&own);
        let mut read = self.read(wanted).await?;
        if self.get(&own).await? != before {
            return Ok(None);
        }
        read.insert(own, before);
        let candidates = self.check(Class::User, group, facts_of(read.iter()))?;
        Ok(Some(Look { candidates, read }))
    }

    async fn word(&self, group: &str, candidates: &[Candidate]) -> Result<Look, AuditError> {
        let read = self
            .read(candidates.iter().map(|candidate| candidate.key.clone()))
            .await?;
        let mut facts = facts_of(read.iter());
        // Those of the item's own words are there already.
        let own: BTreeSet<String> = facts.iter().filter_map(word_of).collect();
        let words: BTreeSet<&String> = candidates.iter().map(|candidate| &candidate.subject).collect();
        for word in words.into_iter().filter(|word| !own.contains(*word)) {
            facts.extend(word_facts(word));
        }
        let candidates = self.check(Class::Word, group, facts)?;
        Ok(Look { candidates, read })
    }

    async fn genre(&self, group: &str) -> Result<Option<Look>, AuditError> {
        let own = keys::genre(group);
        let before = self.get(&own).await?;
        let mut check = Check::of(Class::Genre, group, self.store.likes_shards);
        let mut found = Vec::new();
        for placed in facts_of([(&own, &before)])
            .into_iter()
            .filter(|fact| fact.class == Class::Genre)
        {
            found.extend(check.add(placed.key, placed.fact)?);
        }
        let mut failed = None;
        let members = |page: Vec<Item>| {
            for item in &page {
                let id = Key::of(item).and_then(|key| keys::id_at_end(&key.sk));
                let id = id.and_then(|id| MovieId::try_from(id).ok());
                let date = item.text("date").and_then(|date| date.split('#').next());
                if let Some((id, date)) = id.zip(date) {
                    match check.add(own.clone(), Fact::Member(Entry::of_date(date, id))) {
                        Ok(more) => found.extend(more),
                        Err(error) => failed = Some(error),
                    }
                }
            }
        };
        self.pages(index::members(group), members).await?;
        if let Some(error) = failed {
            return Err(error);
        }
        if self.get(&own).await? != before {
            return Ok(None);
        }
        found.extend(check.finish()?);
        let read = HashMap::from([(own, before)]);
        Ok(Some(Look {
            candidates: found,
            read,
        }))
    }

    async fn cover(&self, group: &str, candidates: &[Candidate]) -> Result<Option<Look>, AuditError> {
        let Some(images) = self.images else {
            return Ok(Some(Look::default()));
        };
        let mut wanted = BTreeSet::from([Key::new(keys::COVERS, group)]);
        let mut names: BTreeSet<String> = BTreeSet::new();
        for candidate in candidates {
            wanted.insert(candidate.key.clone());
            match candidate.kind {
                // The subject is the other movie.
                Kind::CoverShared => wanted.extend(movie_id(&candidate.subject).map(keys::movie)),
                _ => names.extend([candidate.subject.clone()]),
            }
            names.extend(
                CoverKey::of_object(&candidate.subject)
                    .iter()
                    .flat_map(covers::names),
            );
        }
        let before = self.read(wanted.iter().cloned()).await?;
        let mut facts = facts_of(before.iter());
        for placed in &facts {
            if let Fact::Shown(cover) = &placed.fact {
                names.extend(covers::names(cover));
            }
        }
        // After the item of a doubtful image: the sweep deletes the item last.
        for name in &names {
            facts.extend(images.find(name).await?);
        }
        // Of several movies, the first is the same in every look.
        facts.sort_by(|one, other| one.key.cmp(&other.key));
        if self.read(wanted).await? != before {
            return Ok(None);
        }
        let candidates = self.check(Class::Cover, group, facts)?;
        Ok(Some(Look {
            candidates,
            read: before,
        }))
    }

    async fn items(&self, candidates: &[Candidate]) -> Result<Look, AuditError> {
        let read = self
            .read(candidates.iter().map(|candidate| candidate.key.clone()))
            .await?;
        let mut found = Vec::new();
        for (key, item) in &read {
            if let Some(item) = item {
                let wrong = Classifier::default().classify(key, item).wrong;
                found.extend(
                    wrong
                        .into_iter()
                        .map(|(kind, text)| Candidate::of_item(kind, key, text)),
                );
            }
        }
        Ok(Look {
            candidates: found,
            read,
        })
    }

    async fn counter(&self, candidate: &Candidate) -> Result<Option<Look>, AuditError> {
        let (counted, ids) = match candidate.group.as_str() {
            "MOVIES" | "MOVIE_IDS" => (Counter::Movies, Counter::MovieIds),
            "USERS" | "USER_IDS" => (Counter::Users, Counter::UserIds),
            _ => (Counter::Genres, Counter::Genres),
        };
        let (counted, ids) = (counted.key(), ids.key());
        let before = self.read([counted.clone(), ids.clone()]).await?;
        let value = |key: &Key| counter::value(before.get(key).and_then(Option::as_ref));
        let mut there = 0;
        let mut last = 0;
        let mut count = |page: Vec<Item>| {
            there += page.len() as u64;
            let ids = page.iter().filter_map(|item| keys::id_at_end(&Key::of(item)?.sk));
            last = ids.fold(last, u64::max);
        };
        // Items above the last id are looked for as far as the scan has seen some.
        let seen: u64 = candidate.subject.parse().unwrap_or_default();
        let buckets = value(&ids).unwrap_or_default().max(seen) / keys::BUCKET;
        match candidate.group.as_str() {
            "MOVIES" | "MOVIE_IDS" => {
                for bucket in 0..=buckets {
                    let range = KeyRange::partition(TABLE, keys::movie_bucket(bucket));
                    self.pages(range, &mut count).await?;
                }
            }
            "USERS" | "USER_IDS" => {
                for bucket in 0..=buckets {
                    let range = KeyRange::partition(TABLE, keys::user_bucket(bucket));
                    self.pages(range, &mut count).await?;
                }
            }
            _ => {
                let range = KeyRange::partition(TABLE, keys::GENRES);
                self.pages(range, &mut count).await?;
            }
        }
        if self.read([counted.clone(), ids.clone()]).await? != before {
            return Ok(None);
        }
        let mut found = Vec::new();
        let name = &candidate.group;
        let is_ids = name.ends_with("_IDS");
        if is_ids {
            // A broken number is below every id.
            let is = value(&ids).unwrap_or_default();
            if is < last {
                let text = format!("META {name} is {is}, the last id is {last}");
                let mend = Mend::set(ids.clone(), "n", number(last));
                found.push(Candidate::of_counter(
                    Kind::LastIdWrong,
                    name,
                    &ids,
                    text,
                    Some(mend),
                ));
            }
        } else {
            let is = value(&counted).ok();
            if is != Some(there) {
                let is = is.map_or_else(|| "no number".to_owned(), |is| is.to_string());
                let text = format!("META {name} is {is}, there are {there}");
                let mend = Mend::set(counted.clone(), "n", number(there)).guarded(ids);
                found.push(Candidate::of_counter(
                    Kind::CounterWrong,
                    name,
                    &counted,
                    text,
                    Some(mend),
                ));
            }
        }
        Ok(Some(Look {
            candidates: found,
            read: before,
        }))
    }
}

fn facts_of<'a>(read: impl IntoIterator<Item = (&'a Key, &'a Option<Item>)>) -> Vec<Placed> {
    let mut classifier = Classifier::default();
    let mut facts = Vec::new();
    for (key, item) in read {
        if let Some(item) = item {
            facts.extend(classifier.classify(key, item).facts);
        }
    }
    facts
}

fn movie_id(text: &str) -> Option<MovieId> {
    MovieId::try_from(text.parse::<u64>().ok()?).ok()
}

fn word_of(placed: &Placed) -> Option<String> {
    match &placed.fact {
        Fact::Word(_, word) => Some(word.clone()),
        _ => None,
    }
}
