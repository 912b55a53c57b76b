//! The scan: reads every item once, writes down what it says, and counts.

use std::collections::BTreeMap;

use marquee_shared::{
    db::{Key, Store, counter::Counter, item::Attributes as _, keys},
    domain::CoverImage,
};

use super::{AuditError, Candidate, Kind, Report, classify::Classifier, facts::Facts, pace::Pace};

/// Step 1: reads every item and writes down what it says.
pub(super) async fn scan(
    store: &Store,
    pace: &Pace,
    facts: &Facts,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Report, AuditError> {
    let mut report = Report::default();
    let mut classifier = Classifier::default();
    let mut counts = Counts::default();
    let mut after = None;
    loop {
        let page = store.scan_page(after.as_ref(), pace.page()).await?;
        let (mut said, mut wrong) = (Vec::new(), Vec::new());
        for item in &page.items {
            let Some(key) = Key::of(item) else {
                continue;
            };
            let classified = classifier.classify(&key, item);
            counts.add(&key);
            counts.values.extend(classified.counter);
            if classified.is_unfinished_import {
                report.unfinished_imports.push(key.clone());
            }
            said.extend(classified.facts);
            let own = classified.wrong.into_iter();
            wrong.extend(own.map(|(kind, text)| Candidate::of_item(kind, &key, text)));
        }
        facts.add(&said)?;
        facts.suspect(&wrong)?;
        report.items += page.items.len() as u64;
        report.units += page.units;
        progress(report.items);
        pace.spend(page.units).await;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    facts.suspect(&counts.candidates())?;
    Ok(report)
}

/// Scans the table once more and drops the images from the candidates that a movie has now.
///
/// The images were in the store and not doubtful when they were looked at again, after the first scan. An upload under way makes its
/// image doubtful before it stores it, until a movie has it. So an image that no movie has in this scan has none, whatever the clocks
/// of this machine and the store say.
pub(super) async fn acquit_covers(
    store: &Store,
    pace: &Pace,
    facts: &Facts,
    report: &mut Report,
) -> Result<(), AuditError> {
    let mut after = None;
    loop {
        let page = store.scan_page(after.as_ref(), pace.page()).await?;
        for item in &page.items {
            if let Some(cover) = item.text("cover_image").and_then(CoverImage::key_of) {
                facts.acquit_cover(&cover.digits())?;
            }
        }
        report.units += page.units;
        pace.spend(page.units).await;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// How many items of each class a scan has read, and the counters.
#[derive(Default)]
struct Counts {
    movies: u64,
    users: u64,
    genres: u64,
    last_movie: u64,
    last_user: u64,
    values: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, key: &Key) {
        let id = || keys::id_at_end(&key.sk).unwrap_or_default();
        match key.pk.split('#').next() {
            Some("MOVIES") => {
                self.movies += 1;
                self.last_movie = self.last_movie.max(id());
            }
            Some("USERS") => {
                self.users += 1;
                self.last_user = self.last_user.max(id());
            }
            Some("GENRES") => self.genres += 1,
            _ => {}
        }
    }

    fn candidates(&self) -> Vec<Candidate> {
        let value = |name: &str| self.values.get(name).copied().unwrap_or_default();
        let mut found = Vec::new();
        for (name, counter, there, last) in [
            ("MOVIES", Counter::Movies, self.movies, self.last_movie),
            ("USERS", Counter::Users, self.users, self.last_user),
            ("GENRES", Counter::Genres, self.genres, 0),
        ] {
            if value(name) != there {
                let text = String::new();
                let candidate = Candidate::of_counter(Kind::CounterWrong, name, &counter.key(), text, None);
                found.push(Candidate {
                    subject: last.to_string(),
                    ..candidate
                });
            }
        }
        for (name, counter, last) in [
            ("MOVIE_IDS", Counter::MovieIds, self.last_movie),
            ("USER_IDS", Counter::UserIds, self.last_user),
        ] {
            if value(name) < last {
                let text = String::new();
                let candidate = Candidate::of_counter(Kind::LastIdWrong, name, &counter.key(), text, None);
                found.push(Candidate {
                    subject: last.to_string(),
                    ..candidate
                });
            }
        }
        found
    }
}
