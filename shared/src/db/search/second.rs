//! The second try of a search: AP-42. If no movie matches a query as it stands, the query is corrected. At most two more round
//! trips find the corrected query, and one more reads its movies.
//!
//! # How a query is corrected
//!
//! The [first try](crate::db::search) has read postings of up to three words of the query, and shows which of these words no
//! movie has. The [vocabulary](crate::db::vocabulary) has every word of the catalog, so that those near a mistyped word are
//! found with a few keys.
//!
//! For example, `q=kurosowa starwars` matches nothing, and neither word is a word of any movie.
//!
//! **Trip A.** One BatchGetItem reads the vocabulary's items that can have a word near `kurosowa` or `starwars`, a part of
//! either, or `kurosowastarwars`. It has at most [`MAX_ITEMS`](lookup::MAX_ITEMS) keys. If the query has more words than the
//! first try reads, Queries at the same time show whether any movie has them. If only one word were missing, Queries would
//! also read the titles that it may be without spaces ([`runs`]).
//!
//! **Alternatives.** The items have `kurosawa`, one error from `kurosowa`, and `star`, the longer part of `star wars`. No word
//! is near `starwars`. A word that no movie has may also be left out. So the alternatives are, each with its errors:
//!
//! ```text
//! kurosawa star wars   2
//! kurosawa             6
//! star wars            6
//! ```
//!
//! Movies that were read are evidence for others: `kurosowa seven` has read *Seven Samurai* by Akira Kurosawa.
//!
//! **Trip B.** The alternatives are searched at the same time, the best ones first, as far as the units allow. Those that the
//! postings of the first try decide need no read. The best one is searched by a second word too, if it has one. The answer is
//! the alternative with the fewest errors that finds something.
//!
//! **Trip C.** The movies of the answer are read as in the first try.
//!
//! # The ceiling
//!
//! Trips A and B cost at most [`UNITS`] less the price of a movie. Trip C has the rest. An item of the vocabulary has at most
//! 4 KB, and a Query of trip B reads at most as many postings as one unit holds at their largest size. So no text that
//! somebody stores makes a search dearer.
//!
//! # Files
//!
//! - [`typed`]: the words of the query, and what is known of each;
//! - [`lookup`]: the keys of trip A;
//! - [`changes`](mod@changes): the changes that the vocabulary allows, and their costs;
//! - [`alternatives`]: the corrected queries that these changes make;
//! - [`runs`]: titles that were typed without spaces;
//! - [`evidence`]: those for which a movie speaks;
//! - [`choice`]: which of them are searched, and which is the answer;
//! - [`first_try`]: what the first try shows.

use std::collections::{BTreeSet, HashSet};

use futures_util::future::try_join_all;

use crate::{
    db::{
        carried::Carried,
        encoded_words::EncodedWords,
        keys::Key,
        page::PageLimit,
        posting::RangeRead,
        range::Direction,
        search::{
            plan::{Budget, MOVIE_UNITS},
            query::{SearchQuery, TITLE_RANGE},
            ranges::PostingRange,
            reads::Reads,
            second::{
                alternatives::Alternatives,
                changes::{LEFT_OUT, changes},
                choice::{Found, Plan, first_decided},
                runs::Titles,
                typed::{Known, Typed},
            },
            walk::Walk,
        },
        store::{Consistency, Store},
        verdict::Verdict,
        vocabulary::words_of,
        words::Term,
    },
    domain::{MovieId, movie::MAX_WORDS},
    error::Result,
};

pub mod alternatives;
pub mod changes;
pub mod choice;
pub mod evidence;
pub mod first_try;
pub mod lookup;
pub mod runs;
pub mod typed;

/// The read units of a second try for a page of up to 20 movies. A larger page may cost two units for each movie, as in the
/// first try.
pub const UNITS: usize = 40;
/// The most words that are looked for because the first try didn't read them.
const MAX_UNREAD_WORDS: usize = 4;
/// The page whose budget is [`UNITS`]. What is found doesn't depend on the size of the page.
const SMALLEST_BUDGET: PageLimit = PageLimit::of::<20>();

/// A corrected query that finds something, or may find something: the movies of its hits decide.
pub struct Correction {
    /// The query.
    pub query: SearchQuery,
    /// Its walk, along what was read.
    pub walk: Walk,
}

impl Store {
    /// AP-42: corrects a query that no movie matches, for a page of `limit` movies. `reads` is what the first try has read: the
    /// titles, and the ranges of the candidates. `None` if nothing is to be corrected, or if no correction finds anything.
    pub(super) async fn second_try(
        &self,
        query: &SearchQuery,
        mut reads: Reads,
        limit: PageLimit,
    ) -> Result<Option<Correction>> {
        let mut typed = first_try::typed(query, &reads);
        if typed.words.len() > MAX_WORDS || first_try::may_be_unfinished(&typed, query, &reads) {
            return Ok(None);
        }
        let mut budget = Budget::of_page(SMALLEST_BUDGET.max(limit));

        // Trip A.
        let unread = unread_terms(query, &typed, &reads);
        let keys = lookup::keys(&typed);
        let ranges: Vec<PostingRange> = unread.iter().flat_map(PostingRange::of_term).collect();
        let titles = match unread.is_empty() {
            true => runs::titles(&typed),
            false => Vec::new(),
        };
        // All are read eventually consistent, at half a unit for each key and each term's range.
        let half_units: usize = titles.iter().map(|titles| titles.half_units).sum();
        budget.spend_units((keys.len() + ranges.len() + half_units).div_ceil(2));
        let (vocabulary, found, titles) = tokio::try_join!(
            self.read_vocabulary(keys),
            self.terms_found(&unread),
            self.read_titles(&titles)
        )?;
        typed.set_known(&unread, &found);
        titles
            .into_iter()
            .for_each(|(range, read)| reads.add(range, read));

        let mut alternatives = Alternatives::of_changes(&typed, &changes(&typed, &vocabulary));
        evidence::propose(&typed, movies(&reads, &HashSet::new()), &mut alternatives);

        // Trip B.
        let units = UNITS.saturating_sub(budget.spent_units() + MOVIE_UNITS);
        let plan = Plan::new(&alternatives.sorted(), query, &reads, units);
        let seen: HashSet<MovieId> = reads.postings().map(|posting| posting.id).collect();
        let further = plan.ranges.iter().map(async |(range, postings)| {
            self.read_postings(TITLE_RANGE, &range.keys, Direction::Ascending, *postings)
                .await
        });
        let further = try_join_all(further).await?;
        budget.spend(&further);
        for ((range, _), read) in plan.ranges.iter().zip(further) {
            reads.add(range.clone(), read);
        }
        let mut answer = plan.best(&reads, budget);
        if answer.as_ref().is_none_or(|found| found.errors >= LEFT_OUT) {
            // Several mistyped words, some of which are other words of the catalog: trip B has read movies for the others.
            let mut late = Alternatives::default();
            evidence::propose(&typed, movies(&reads, &seen), &mut late);
            let late = first_decided(&late.sorted(), &reads, budget);
            let is_better = |late: &Found| answer.as_ref().is_none_or(|found| late.errors < found.errors);
            answer = late.filter(is_better).or(answer);
        }
        Ok(answer.map(|Found { query, walk, .. }| Correction { query, walk }))
    }

    /// The words of these items of the vocabulary.
    async fn read_vocabulary(&self, keys: Vec<Key>) -> Result<BTreeSet<String>> {
        if keys.is_empty() {
            return Ok(BTreeSet::new());
        }
        let items = self.batch_get_eventually(keys).await?;
        Ok(items.iter().flat_map(|(key, item)| words_of(key, item)).collect())
    }

    /// The first of these titles, eventually consistent: they only suggest what to search.
    async fn read_titles(&self, titles: &[Titles]) -> Result<Vec<(PostingRange, RangeRead)>> {
        let read = titles.iter().map(async |titles| {
            let (keys, limit) = (&titles.range.keys, titles.limit());
            let output = self.query_with(keys, Direction::Ascending, limit, Consistency::Eventual);
            Ok::<_, crate::Error>((titles.range.clone(), RangeRead::of(TITLE_RANGE, output.await?)?))
        });
        try_join_all(read).await
    }

    /// Whether any movie has each of these terms.
    async fn terms_found(&self, terms: &[Term]) -> Result<Vec<bool>> {
        let found = terms.iter().map(async |term| {
            let ranges = PostingRange::of_term(term);
            let items = ranges
                .iter()
                .map(|range| self.query_with(&range.keys, Direction::Ascending, 1, Consistency::Eventual));
            let items = try_join_all(items).await?;
            Ok::<_, crate::Error>(items.iter().any(|output| !output.items.is_empty()))
        });
        try_join_all(found).await
    }
}

/// The terms that were not read and are looked for: first those that no movie has that was read for the others, and of these the
/// longest, because they are the rarest.
fn unread_terms(query: &SearchQuery, typed: &Typed, reads: &Reads) -> Vec<Term> {
    let is_unread = |term: &&Term| {
        let mut unread = typed
            .numbers(Known::Unread)
            .map(|number| &typed.words[number].term);
        unread.any(|other| other == *term)
    };
    let mut unread: Vec<Term> = query.terms().iter().filter(is_unread).cloned().collect();
    // The sort is stable.
    unread.sort_by_cached_key(|term| first_try::may_have(reads, term) != Verdict::No);
    unread.truncate(MAX_UNREAD_WORDS);
    unread
}

/// The movies whose postings were read and carry all words, without those in `seen`.
fn movies<'a>(
    reads: &'a Reads,
    seen: &'a HashSet<MovieId>,
) -> impl Iterator<Item = (MovieId, &'a EncodedWords)> {
    let unseen = reads.postings().filter(|posting| !seen.contains(&posting.id));
    unseen.filter_map(|posting| match &posting.words {
        Carried::All(words) => Some((posting.id, words)),
        Carried::Part(_) => None,
    })
}
