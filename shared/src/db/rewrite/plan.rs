//! The transactions that rewrite a movie and delete its old memberships.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    db::{
        expression::Condition,
        genre::{GenreChanges, MembershipChange},
        index::PostingItem,
        item::number,
        keys::Key,
        movie::MovieItem,
        newest::Entry,
        optimistic::{Plan, Revision},
        posting_keys::{self, PostingKind},
        rewrite::stored::StoredPosting,
        store::Store,
        transaction::{Outcome, Transaction},
    },
    error::Result,
};

/// The action on the movie in a transaction for it alone. Those on its postings follow, in their order.
const MOVIE: usize = 0;

/// The rewriting of one movie.
pub(super) struct Rewrite {
    pub(super) movie: MovieItem,
    postings: BTreeMap<Key, PostingItem>,
    /// The genre memberships that the movie doesn't have yet. At first it is assumed that it has all.
    absent: BTreeSet<Key>,
    genres: GenreChanges,
}

impl Rewrite {
    pub(super) fn new(movie: MovieItem, postings: BTreeMap<Key, PostingItem>) -> Self {
        Self {
            movie,
            postings,
            absent: BTreeSet::new(),
            genres: GenreChanges::of_memberships(None),
        }
    }

    /// How many actions it has in a transaction, as long as no membership is known to be absent.
    pub(super) fn actions(&self) -> usize {
        1 + self.postings.len()
    }

    /// The key of the movie's membership in its year.
    pub(super) fn year(&self) -> Option<&Key> {
        self.postings
            .keys()
            .find(|key| PostingKind::of(key) == PostingKind::Year)
    }

    /// Whether the movie has a posting with the key of a stored one.
    pub(super) fn has(&self, stored: &StoredPosting) -> bool {
        self.postings.contains_key(&stored.key)
    }

    /// Whether the movie has another posting with the key of a stored one.
    pub(super) fn replaces(&self, stored: &StoredPosting) -> bool {
        let own = self.postings.get(&stored.key);
        own.is_some_and(|own| own.text != stored.text)
    }

    /// Adds the check of the movie and its postings to a transaction.
    pub(super) fn add_to(&self, store: &Store, transaction: &mut Transaction) -> Result<()> {
        let same = Condition::new("#version = :version").value(":version", number(self.movie.version));
        transaction.add(store.on(self.movie.key()).check(same)?);
        for (key, posting) in &self.postings {
            // Whether the movie has a membership decides whether the genre counts it.
            let condition = match posting.dated {
                Some(_) if self.absent.contains(key) => Condition::not_exists(),
                Some(_) => Condition::exists(),
                None => Condition::none(),
            };
            transaction.add(store.on(key.clone()).put(posting, condition)?);
        }
        Ok(())
    }

    /// The changes by which the movie joins the genres whose memberships are absent.
    fn joins(&self) -> GenreChanges {
        let changes = self.movie.fields.genres.iter().filter_map(|genre| {
            let identity = genre.identity();
            let key = posting_keys::genre_membership(&identity, self.movie.id);
            self.absent.contains(&key).then(|| MembershipChange {
                identity,
                name: genre.name().to_owned(),
                old: None,
                new: Some(Entry::of(self.movie.fields.release_date, self.movie.id)),
            })
        });
        GenreChanges::of_memberships(changes)
    }
}

impl Plan for Rewrite {
    fn transaction(&mut self, store: &Store) -> Result<Transaction> {
        let mut transaction = Transaction::default();
        self.add_to(store, &mut transaction)?;
        self.genres.add_to(store, &mut transaction)?;
        Ok(transaction)
    }

    fn revise(&mut self, outcome: &Outcome) -> Result<Revision> {
        if outcome.failed(MOVIE) {
            return Ok(Revision::Reread);
        }
        let actions = (MOVIE + 1..).zip(self.postings.keys());
        let wrong: BTreeSet<Key> = actions
            .filter(|(action, _)| outcome.failed(*action))
            .map(|(_, key)| key.clone())
            .collect();
        if wrong.is_empty() {
            return Ok(match self.genres.revise(outcome)? {
                true => Revision::Retry,
                false => Revision::Reread,
            });
        }
        self.absent = &self.absent ^ &wrong;
        self.genres = self.joins();
        Ok(Revision::Retry)
    }
}

/// The deletion of an old membership, by which its movie leaves the genre.
pub(super) struct Leaving<'a> {
    posting: &'a StoredPosting,
    genres: GenreChanges,
    /// Whether the membership isn't as it was read any more: another process has deleted or rewritten it.
    pub(super) is_changed: bool,
}

/// The action on the membership.
const MEMBERSHIP: usize = 0;

impl<'a> Leaving<'a> {
    pub(super) fn new(posting: &'a StoredPosting) -> Self {
        Self {
            posting,
            genres: GenreChanges::of_memberships(posting.leaves()),
            is_changed: false,
        }
    }
}

impl Plan for Leaving<'_> {
    fn transaction(&mut self, store: &Store) -> Result<Transaction> {
        let mut transaction = Transaction::default();
        transaction.add(
            store
                .on(self.posting.key.clone())
                .delete(self.posting.unchanged())?,
        );
        self.genres.add_to(store, &mut transaction)?;
        Ok(transaction)
    }

    fn revise(&mut self, outcome: &Outcome) -> Result<Revision> {
        self.is_changed = outcome.failed(MEMBERSHIP);
        Ok(match !self.is_changed && self.genres.revise(outcome)? {
            true => Revision::Retry,
            false => Revision::Reread,
        })
    }
}
