//! The postings that a scan examines.

use crate::{
    db::{
        expression::Condition,
        genre::MembershipChange,
        item::{Attributes as _, StoredItem, text},
        keys::{self, END, Key},
        newest::Entry,
    },
    domain::MovieId,
};

/// Whether the first two layouts had a posting with this text: it has no year.
fn is_old(text: &str) -> bool {
    let Some(cut) = text.strip_prefix('~') else {
        return text.split('|').count() == 3;
    };
    let head = cut.split(' ').next();
    head.is_some_and(|head| !head.contains(','))
}

/// A posting that is compared with its movie.
pub(super) struct StoredPosting {
    pub(super) key: Key,
    pub(super) text: String,
    /// Whether it is of one of the first two layouts.
    pub(super) is_old: bool,
    pub(super) movie: MovieId,
    /// The release date in the index by date. Only genre memberships have it.
    pub(super) date: Option<String>,
}

impl StoredPosting {
    /// Returns the posting that is this item, if it is one.
    pub(super) fn of(item: &StoredItem) -> Option<Self> {
        let key = Key::of(item)?;
        let is_posting = ["WORD", "GENRE", "YEAR"].contains(&keys::class_of(item).as_str());
        let text = item.text("text").filter(|_| is_posting)?;
        let dated = item.text(keys::BY_DATE.pk).zip(item.text(keys::BY_DATE.sk));
        let date = dated.and_then(|(_, date)| date.split(END).next());
        Some(Self {
            movie: keys::id_at_end(&key.sk).and_then(|id| MovieId::try_from(id).ok())?,
            text: text.to_owned(),
            is_old: is_old(text),
            date: date.map(str::to_owned),
            key,
        })
    }

    /// The condition that it is still as it was read.
    pub(super) fn unchanged(&self) -> Condition {
        Condition::new("#text = :text").value(":text", text(&*self.text))
    }

    /// For a membership, the change by which its movie leaves the genre.
    pub(super) fn leaves(&self) -> Option<MembershipChange> {
        let date = self.date.as_ref()?;
        let (identity, _) = self.key.sk.split_once(END)?;
        Some(MembershipChange {
            identity: identity.to_owned(),
            name: String::new(),
            old: Some(Entry::of_date(date, self.movie)),
            new: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_text_has_no_year() {
        for old in [
            "blade runner|ridley scott|sci fi,film noir",
            "|?|c",
            "~3 the chap~ char~",
            "~0 1917 sam mend~",
            "~0 -",
            "~4",
        ] {
            assert!(is_old(old), "{old}");
        }
        for present in [
            "blade runner|ridley scott|sci fi,film noir|1982",
            "~3,1921 the chap~ char~",
            "~0,2019 -",
            "~4,2019",
        ] {
            assert!(!is_old(present), "{present}");
        }
    }
}
