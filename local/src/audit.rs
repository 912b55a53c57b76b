//! The audit: reads the whole table and reports every item that disagrees with another. docs/audit.md lists the kinds of
//! disagreement, and which of them are mended.
//!
//! An audit has four steps. Its memory doesn't depend on the size of the table.
//!
//! 1. It scans the table. What each item says about its movie, its user, its genre or its word is written to a private temporary file
//!    (`facts`). So is what the store of covers has (`covers`).
//! 2. It reads these facts back, sorted by their subjects, and checks each subject (`check`). What disagrees is a *candidate*: the
//!    scan takes time, and requests change the table meanwhile.
//! 3. It reads the items of each candidate's subject again, strongly consistent, twice (`gather`). What disagrees both times is a
//!    finding.
//! 4. If it may, it mends the findings that have one right answer (`mend`): each by one transaction with the conditions that
//!    everything is as it was read.

mod catalog;
mod check;
mod classify;
mod covers;
mod facts;
mod gather;
pub mod kind;
mod mend;
mod pace;
mod report;
mod scan;
mod users;

use std::{collections::BTreeMap, io, time::Duration};

use marquee_covers::Objects;
use marquee_shared::{
    db::{Key, Store},
    telemetry,
};

use self::{
    check::Check,
    covers::Images,
    facts::{Class, Facts},
    gather::Looking,
    mend::Mend,
    pace::Pace,
};
pub use self::{kind::Kind, report::Report};

/// How many candidates of one subject are looked at together.
const TOGETHER: usize = 50;

/// How often a candidate is looked at again before it is a finding.
const ROUNDS: u32 = 2;

/// How often a look is repeated whose subject was changed meanwhile. Then it is left out: what changes so often is looked at by the
/// next audit.
const LOOKS: usize = 10;

/// How many audits mend, one after another, before one only looks.
const AUDITS: usize = 5;

/// How often the mends of a finding are tried.
const PASSES: usize = 2;

/// How an audit is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether to mend what has one right answer.
    pub repair: bool,
    /// Whether to end imports that are not finished before that. Otherwise nothing is mended while there is one: what it hasn't
    /// written yet looks like a disagreement.
    pub end_imports: bool,
    /// How many read units to use each second. `None` for as many as the table takes.
    pub units_per_second: Option<u32>,
    /// How long to wait before each of the second looks, so that changes that were under way are over.
    pub pause: Duration,
    /// The store of covers. `None` if it isn't known: then covers are not compared.
    pub covers: Option<Objects>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            repair: false,
            end_imports: false,
            units_per_second: None,
            pause: Duration::from_secs(1),
            covers: None,
        }
    }
}

/// A disagreement, or one that may be.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    kind: Kind,
    class: Class,
    /// The subject.
    group: String,
    /// The item that is wrong or missing.
    key: Key,
    /// What else identifies it, such as a word.
    subject: String,
    text: String,
    mend: Option<Mend>,
}

impl Candidate {
    fn of_item(kind: Kind, key: &Key, text: String) -> Self {
        Self {
            kind,
            class: Class::Item,
            group: format!("{}\n{}", key.pk, key.sk),
            key: key.clone(),
            subject: String::new(),
            text,
            mend: None,
        }
    }

    fn of_counter(kind: Kind, name: &str, key: &Key, text: String, mend: Option<Mend>) -> Self {
        Self {
            kind,
            class: Class::Counter,
            group: name.to_owned(),
            key: key.clone(),
            subject: String::new(),
            text,
            mend,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.key == other.key && self.subject == other.subject
    }
}

/// A disagreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// The item that is wrong or missing.
    pub key: Key,
    /// What disagrees, as a sentence.
    pub text: String,
    /// The step that mended it. `None` if it is left.
    pub mended: Option<String>,
}

/// Why an audit could not look.
#[derive(Debug)]
pub enum AuditError {
    /// The table can't be read or written.
    Table(marquee_shared::Error),
    /// The store of covers can't be read.
    Covers(marquee_shared::Error),
    /// The temporary file can't be written.
    Scratch(io::Error),
}

impl From<marquee_shared::Error> for AuditError {
    fn from(error: marquee_shared::Error) -> Self {
        Self::Table(error)
    }
}

impl From<io::Error> for AuditError {
    fn from(error: io::Error) -> Self {
        Self::Scratch(error)
    }
}

impl From<rusqlite::Error> for AuditError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Scratch(io::Error::other(error))
    }
}

impl From<serde_json::Error> for AuditError {
    fn from(error: serde_json::Error) -> Self {
        Self::Scratch(error.into())
    }
}

/// Audits the table. Calls `progress` with the number of items read so far, and `found` with each disagreement.
///
/// What is mended can show something else: a genre has no movie any more once the last posting of a lost movie is deleted. So an
/// audit that mends is made again until it mends nothing, and what is left then is what the last one finds.
///
/// # Errors
/// [`AuditError`]. What was found by then is not complete.
pub async fn run(
    store: &Store,
    options: Options,
    progress: &(dyn Fn(u64) + Sync),
    found: &mut (dyn FnMut(Finding) -> io::Result<()> + Send),
) -> Result<Report, AuditError> {
    if !options.repair {
        return audit(store, &options, progress, found).await;
    }
    let mut mended = BTreeMap::new();
    let mut ended_imports = 0;
    let mut units = 0.0;
    for _ in 0..AUDITS {
        // What is left is reported by the last audit.
        let mut if_mended = |finding: Finding| match finding.mended {
            Some(_) => found(finding),
            None => Ok(()),
        };
        let report = audit(store, &options, progress, &mut if_mended).await?;
        units += report.units;
        ended_imports += report.ended_imports;
        for (kind, count) in &report.mended {
            *mended.entry(*kind).or_default() += count;
        }
        if report.mended.is_empty() {
            if report.is_clean() {
                return Ok(Report {
                    mended,
                    ended_imports,
                    units,
                    ..report
                });
            }
            break;
        }
    }
    let only_looks = Options {
        repair: false,
        ..options
    };
    let report = audit(store, &only_looks, progress, found).await?;
    Ok(Report {
        mended,
        ended_imports,
        units: units + report.units,
        ..report
    })
}

/// One audit of the table.
async fn audit(
    store: &Store,
    options: &Options,
    progress: &(dyn Fn(u64) + Sync),
    found: &mut (dyn FnMut(Finding) -> io::Result<()> + Send),
) -> Result<Report, AuditError> {
    let pace = Pace::new(options.units_per_second);
    let facts = Facts::new()?;
    let images = options.covers.clone().map(|objects| Images::of(objects, store));
    let mut report = scan::scan(store, &pace, &facts, progress).await?;
    // After the scan: an image is stored before a movie has it.
    if let Some(images) = &images {
        report.objects = Some(images.list(&facts).await?);
    }
    suspects(store, &facts, images.is_some())?;
    let looking = Looking {
        store,
        pace: &pace,
        images: images.as_ref(),
    };
    for round in 0..ROUNDS {
        if facts.count_seen(round)? > 0 {
            tokio::time::sleep(options.pause).await;
            report.busy += look_again(&looking, &facts, round).await?;
        }
    }
    if facts.count_orphaned_covers(ROUNDS)? > 0 {
        scan::acquit_covers(store, &pace, &facts, &mut report).await?;
    }
    if options.repair && options.end_imports {
        for job in std::mem::take(&mut report.unfinished_imports) {
            store.end_import(&job).await?;
            report.ended_imports += 1;
        }
    }
    let may_mend = options.repair && report.unfinished_imports.is_empty();
    let mut looks_after = false;
    for class in Class::ALL {
        // If a genre's item is lost, its counter may be the one that is right.
        let may_mend =
            may_mend && (class != Class::Counter || !report.left.contains_key(&Kind::GenreMissing));
        let mut after = 0;
        loop {
            let candidates = facts.candidates(class, after, ROUNDS, TOGETHER)?;
            let Some((last, _)) = candidates.last() else {
                break;
            };
            after = *last;
            let candidates: Vec<Candidate> = candidates.into_iter().map(|(_, own)| own).collect();
            for finding in mended(&looking, candidates, may_mend).await? {
                let counts = match finding.mended {
                    Some(_) => &mut report.mended,
                    None => &mut report.left,
                };
                *counts.entry(finding.kind).or_default() += 1;
                looks_after |= finding.mended.is_some() && finding.kind == Kind::UserGone;
                found(finding)?;
            }
        }
    }
    if looks_after && let Err(error) = store.sweep_deleted_users().await {
        telemetry::warn(&error, "what is left of deleted users is left to the sweep");
    }
    Ok(report)
}

/// Step 2: checks the facts of each subject. Without a store of covers, nothing is said of them.
fn suspects(store: &Store, facts: &Facts, has_images: bool) -> Result<(), AuditError> {
    let classes = Class::GROUPED.into_iter();
    for class in classes.filter(|class| *class != Class::Cover || has_images) {
        let mut group: Option<(String, Check)> = None;
        facts.for_each(class, |name, key, fact| {
            let mut found = Vec::new();
            let is_same = group.as_ref().is_some_and(|(own, _)| own == name);
            if !is_same {
                let next = (name.to_owned(), Check::of(class, name, store.likes_shards));
                if let Some((_, check)) = group.replace(next) {
                    found.extend(check.finish()?);
                }
            }
            if let Some((_, check)) = &mut group {
                found.extend(check.add(key, fact)?);
            }
            Ok(found)
        })?;
        if let Some((_, check)) = group {
            facts.suspect(&check.finish()?)?;
        }
    }
    Ok(())
}

/// Step 3: looks at the candidates again that were seen in `round` rounds before this one. Returns how many were changed too often.
async fn look_again(looking: &Looking<'_>, facts: &Facts, round: u32) -> Result<u64, AuditError> {
    let mut busy = 0;
    for class in Class::ALL {
        let mut after = 0;
        loop {
            let candidates = facts.candidates(class, after, round, TOGETHER)?;
            let Some((last, _)) = candidates.last() else {
                break;
            };
            after = *last;
            let (ids, own): (Vec<i64>, Vec<Candidate>) = candidates.into_iter().unzip();
            let Some(look) = look_while_changed(looking, &own).await? else {
                busy += 1;
                continue;
            };
            for (id, candidate) in ids.iter().zip(&own) {
                if look.candidates.iter().any(|seen| is_seen(seen, candidate)) {
                    facts.seen(*id)?;
                }
            }
        }
    }
    Ok(busy)
}

/// Whether what was seen is this candidate. Counters have another subject: the last id that the scan has read.
fn is_seen(seen: &Candidate, candidate: &Candidate) -> bool {
    match candidate.class {
        Class::Counter => seen.kind == candidate.kind && seen.key == candidate.key,
        _ => seen.is_same(candidate),
    }
}

async fn look_while_changed(
    looking: &Looking<'_>,
    candidates: &[Candidate],
) -> Result<Option<gather::Look>, AuditError> {
    for _ in 0..LOOKS {
        if let Some(look) = looking.look(candidates).await? {
            return Ok(Some(look));
        }
    }
    Ok(None)
}

/// Step 4: mends the findings of one subject, one after another, each after another look. Returns them all; one that has gone
/// meanwhile is left out.
async fn mended(
    looking: &Looking<'_>,
    candidates: Vec<Candidate>,
    may_mend: bool,
) -> Result<Vec<Finding>, AuditError> {
    let mut findings: Vec<Finding> = Vec::new();
    let Some(look) = look_while_changed(looking, &candidates).await? else {
        return Ok(findings);
    };
    let mut wanted: Vec<&Candidate> = candidates.iter().collect();
    // A kind can be there twice under one key, with two sentences.
    let mut seen: Vec<Candidate> = Vec::new();
    for candidate in look.candidates {
        let is_wanted = wanted.iter().any(|wanted| is_seen(&candidate, wanted));
        if is_wanted
            && !seen
                .iter()
                .any(|own| own.is_same(&candidate) && own.text == candidate.text)
        {
            seen.push(candidate);
        }
    }
    wanted.clear();
    for candidate in seen {
        let mut finding = Finding {
            kind: candidate.kind,
            key: candidate.key.clone(),
            text: candidate.text.clone(),
            mended: None,
        };
        if may_mend {
            finding.mended = mend_one(looking, &candidates, &candidate).await?;
        }
        findings.push(finding);
    }
    Ok(findings)
}

/// Mends one finding. Returns the step, or `None` if it has no right answer or is changing.
async fn mend_one(
    looking: &Looking<'_>,
    candidates: &[Candidate],
    wanted: &Candidate,
) -> Result<Option<String>, AuditError> {
    if wanted.mend.is_none() {
        return Ok(None);
    }
    for _ in 0..PASSES {
        let Some(look) = look_while_changed(looking, candidates).await? else {
            return Ok(None);
        };
        let again = look.candidates.into_iter().find(|seen| seen.is_same(wanted));
        let Some(candidate) = again else {
            // Another mend has included it.
            return Ok(Some("mended with another one".to_owned()));
        };
        let Some(mend) = candidate.mend else {
            return Ok(None);
        };
        let step = mend.step();
        if mend.make(looking.store, &look.read).await? {
            return Ok(Some(step));
        }
    }
    Ok(None)
}
