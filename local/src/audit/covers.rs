//! The images of uploaded covers: the store that has them, and the check of one image.
//!
//! The store takes part in no transaction, and its objects say nothing of their movies. An image that no movie has is judged only if
//! it was stored long before the audit began: a movie gets only an image that was just uploaded, so an old one that no movie has
//! never gets a movie again (`marquee_shared::db::covers`). A second scan shows that no movie has it, without relying on clocks.
//!
//! The image isn't deleted here. The mend makes it doubtful, and the sweep of the table to which the store belongs deletes it. So an
//! audit with another table's store deletes nothing.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _};
use marquee_covers::{Object, Objects};
use marquee_shared::{
    db::{Key, Store, covers::DOUBTFUL_SECONDS, keys},
    domain::CoverKey,
};

use super::{
    AuditError, Candidate,
    facts::{Class, Fact, Facts, Placed},
    kind::Kind,
    mend::Mend,
};

/// How many objects are written down at once.
const PAGE: usize = 1_000;

/// The store of covers, as an audit looks at it.
pub(super) struct Images {
    objects: Objects,
    /// Objects that were stored later are left out, in milliseconds since 1970.
    before: i64,
}

impl Images {
    /// This store, for an audit that begins now.
    pub(super) fn of(objects: Objects, store: &Store) -> Self {
        Self {
            objects,
            before: store.clock.now().plus_seconds(-DOUBTFUL_SECONDS).0,
        }
    }

    /// Writes down every object. Returns how many there are.
    pub(super) async fn list(&self, facts: &Facts) -> Result<u64, AuditError> {
        let objects = self.objects.list().map_err(AuditError::Covers)?;
        let mut pages = objects.map_ok(|object| self.placed(object)).chunks(PAGE);
        let mut count = 0;
        while let Some(page) = pages.next().await {
            let page: Vec<Placed> = page
                .into_iter()
                .collect::<Result<_, _>>()
                .map_err(AuditError::Covers)?;
            count += page.len() as u64;
            facts.add(&page)?;
        }
        Ok(count)
    }

    /// What the store says of the object with this name. `None` if there is none.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Placed>, AuditError> {
        let found = self.objects.find(name).await.map_err(AuditError::Covers)?;
        Ok(found.map(|object| self.placed(object)))
    }

    fn placed(&self, object: Object) -> Placed {
        let Object { name, stored } = object;
        Placed {
            class: Class::Cover,
            group: CoverKey::of_object(&name).map_or_else(|| name.clone(), |cover| cover.digits()),
            key: Key::new(keys::COVERS, name.clone()),
            fact: Fact::Stored {
                name,
                is_old: stored < self.before,
            },
        }
    }
}

/// Returns the names of an image and its thumbnail.
pub(super) fn names(cover: &CoverKey) -> BTreeSet<String> {
    BTreeSet::from([cover.to_string(), cover.thumbnail()])
}

/// The check of an image: a movie that has it, what the store has of it, and whether it is doubtful.
pub(super) struct CoverCheck {
    group: String,
    /// The key of the first movie that has the image.
    movie: Option<Key>,
    /// The objects of that movie's cover that weren't there yet.
    expected: BTreeSet<String>,
    is_doubtful: bool,
    /// The objects that no movie has.
    others: Vec<String>,
}

impl CoverCheck {
    pub(super) fn of(group: String) -> Self {
        Self {
            group,
            movie: None,
            expected: BTreeSet::new(),
            is_doubtful: false,
            others: Vec::new(),
        }
    }

    fn candidate(&self, kind: Kind, key: Key, subject: String, text: String) -> Candidate {
        Candidate {
            kind,
            class: Class::Cover,
            group: self.group.clone(),
            key,
            subject,
            text,
            mend: None,
        }
    }

    pub(super) fn add(&mut self, key: Key, fact: Fact) -> Vec<Candidate> {
        match fact {
            Fact::Shown(cover) => {
                let Some(first) = &self.movie else {
                    self.expected = names(&cover);
                    self.movie = Some(key);
                    return Vec::new();
                };
                let text = format!(
                    "movies {} and {} have the same uploaded cover {cover}",
                    number(first),
                    number(&key)
                );
                let subject = first.sk.clone();
                return vec![self.candidate(Kind::CoverShared, key, subject, text)];
            }
            Fact::Doubtful => self.is_doubtful = true,
            Fact::Stored { name, is_old } if !self.expected.remove(&name) && is_old => {
                if CoverKey::of_object(&name).is_none() {
                    let text = format!("the store of covers has {name}, which is no image of a cover");
                    return vec![self.candidate(Kind::CoverUnknown, key, name, text)];
                }
                // The thumbnail of a movie's image has the same digits, and would be deleted too.
                if !self.is_doubtful && self.movie.is_none() {
                    self.others.push(name);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    pub(super) fn finish(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        if let Some(movie) = &self.movie {
            for name in &self.expected {
                let text = format!(
                    "movie {} has the uploaded cover {name}, which is not in the store",
                    number(movie)
                );
                found.push(self.candidate(Kind::CoverMissing, movie.clone(), name.clone(), text));
            }
        }
        // The cover, or a thumbnail without one. Both are deleted together.
        let cover = self.others.iter().find_map(|name| CoverKey::parse(name));
        let cover = cover.or_else(|| CoverKey::of_object(self.others.first()?));
        if let Some(cover) = cover {
            let text = format!("no movie has the image {cover}");
            let key = keys::doubtful_cover(&cover);
            let candidate = self.candidate(Kind::CoverOrphan, key, cover.to_string(), text);
            found.push(Candidate {
                mend: Some(Mend::doubt(&cover)),
                ..candidate
            });
        }
        found
    }
}

/// The number of a movie, by its key.
fn number(movie: &Key) -> u64 {
    keys::id_at_end(&movie.sk).unwrap_or_default()
}
