//! The objects whose histories are checked: a movie with its favorites, an idempotency key, a session.

use super::history::Object;

/// A user of the test, from 0 to 63.
pub(super) type User = u32;

/// A movie with its favorites.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Movie {
    exists: bool,
    version: u64,
    /// The text of the last edit.
    text: String,
    /// Whose favorite it is, a bit for each user.
    fans: u64,
}

impl Movie {
    /// A movie as it was added with this text.
    pub(super) fn added(text: &str) -> Self {
        Self {
            exists: true,
            version: 1,
            text: text.to_owned(),
            fans: 0,
        }
    }
}

/// What happens to a favorite.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Add,
    Remove,
    Toggle,
}

/// A request about a movie. What a client saw is `None` where it got no answer that says.
#[derive(Debug)]
pub(super) enum MovieEvent {
    /// A favorite was changed, after which the user had it or not.
    Favorite(User, Change, Option<bool>),
    /// An edit, under the condition that the movie has this version, which gave it the text and another version.
    Edit(Option<u64>, String, Option<u64>),
    /// An edit was refused because the movie has another version than this one.
    Outdated(u64),
    /// The movie was deleted.
    Delete,
    /// There was no movie.
    Missing,
    /// The movie was shown with this version, text and count.
    Shown(u64, String, u64),
    /// The movie was shown as a favorite of this user, or not.
    ShownTo(User, bool),
    /// The count was shown beside the answer to a change.
    Count(u64),
}

impl Object for Movie {
    type Event = MovieEvent;

    fn after(&self, event: &MovieEvent) -> Option<Self> {
        let same = |is_right: bool| is_right.then(|| self.clone());
        if let MovieEvent::Missing = event {
            return same(!self.exists);
        }
        // Two deletions at once can both be answered as made: docs/adr/0022-histories.md.
        if let MovieEvent::Delete = event
            && !self.exists
        {
            return Some(self.clone());
        }
        if !self.exists {
            return None;
        }
        match event {
            MovieEvent::Favorite(user, change, seen) => {
                let is_on = match change {
                    Change::Add => true,
                    Change::Remove => false,
                    Change::Toggle => !self.has(*user),
                };
                let fans = self.fans & !(1 << user) | u64::from(is_on) << user;
                seen.is_none_or(|seen| seen == is_on)
                    .then(|| Self { fans, ..self.clone() })
            }
            MovieEvent::Edit(condition, text, seen) => {
                let version = self.version + 1;
                let is_right = condition.is_none_or(|condition| condition == self.version)
                    && seen.is_none_or(|seen| seen == version);
                is_right.then(|| Self {
                    version,
                    text: text.clone(),
                    ..self.clone()
                })
            }
            MovieEvent::Outdated(version) => same(*version != self.version),
            MovieEvent::Delete => Some(Self {
                exists: false,
                // Nothing of it can be seen any more.
                version: 0,
                text: String::new(),
                fans: 0,
            }),
            MovieEvent::Shown(version, text, count) => {
                same(*version == self.version && *text == self.text && *count == self.count())
            }
            MovieEvent::ShownTo(user, is_favorite) => same(self.has(*user) == *is_favorite),
            MovieEvent::Count(count) => same(*count == self.count()),
            MovieEvent::Missing => None,
        }
    }

    fn is_read(event: &MovieEvent) -> bool {
        !matches!(
            event,
            MovieEvent::Favorite(..) | MovieEvent::Edit(..) | MovieEvent::Delete
        )
    }
}

impl Movie {
    fn has(&self, user: User) -> bool {
        self.fans >> user & 1 == 1
    }

    fn count(&self) -> u64 {
        u64::from(self.fans.count_ones())
    }
}

/// What is kept under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kept {
    /// Nothing: the request hasn't been made.
    Nothing,
    /// The answer, where a client has seen it.
    Answer(Option<String>),
}

/// A request with the key. What its client saw: the answer, and whether it was marked as replayed.
#[derive(Debug)]
pub(super) struct Sent(pub(super) Option<(String, bool)>);

impl Object for Kept {
    type Event = Sent;

    fn after(&self, Sent(seen): &Sent) -> Option<Self> {
        match (self, seen) {
            (Self::Nothing, None) => Some(Self::Answer(None)),
            (Self::Answer(_), None) => Some(self.clone()),
            (Self::Nothing, Some((text, false))) | (Self::Answer(None), Some((text, true))) => {
                Some(Self::Answer(Some(text.clone())))
            }
            (Self::Answer(Some(kept)), Some((text, true))) => (kept == text).then(|| self.clone()),
            (Self::Nothing, Some((_, true))) | (Self::Answer(_), Some((_, false))) => None,
        }
    }

    fn is_read(_: &Sent) -> bool {
        false
    }
}

/// A session, within the grace period of every refresh.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Session {
    /// The current refresh token, where a client has seen it, and the one before it.
    Lives(Option<String>, Option<String>),
    Ended,
}

/// A request with a refresh token.
#[derive(Debug)]
pub(super) enum SessionEvent {
    /// A refresh with this token, which returned another one.
    Refreshed(String, String),
    /// A refresh with this token, which was refused.
    Refused(String),
    /// A refresh with this token, without an answer that says what became of it.
    Unknown(String),
    /// The session was ended.
    End,
}

impl Session {
    /// A session that begins with this token.
    pub(super) fn begun(token: &str) -> Self {
        Self::Lives(Some(token.to_owned()), None)
    }
}

impl Object for Session {
    type Event = SessionEvent;

    fn after(&self, event: &SessionEvent) -> Option<Self> {
        let Self::Lives(current, previous) = self else {
            // Nothing revives a session.
            return (!matches!(event, SessionEvent::Refreshed(..))).then_some(Self::Ended);
        };
        let is = |known: &Option<String>, token: &str| known.as_deref() == Some(token);
        match event {
            SessionEvent::Refreshed(token, next) if is(current, token) => {
                Some(Self::Lives(Some(next.clone()), Some(token.clone())))
            }
            // A retry gets the token that the first one got.
            SessionEvent::Refreshed(token, next) if is(previous, token) => {
                let is_right = current.as_ref().is_none_or(|current| current == next);
                is_right.then(|| Self::Lives(Some(next.clone()), previous.clone()))
            }
            SessionEvent::Refreshed(..) => None,
            // An older token ends the session.
            SessionEvent::Refused(token) => {
                (!is(current, token) && !is(previous, token)).then_some(Self::Ended)
            }
            SessionEvent::Unknown(token) if is(current, token) => {
                Some(Self::Lives(None, Some(token.clone())))
            }
            SessionEvent::Unknown(token) if is(previous, token) => Some(self.clone()),
            SessionEvent::Unknown(_) | SessionEvent::End => Some(Self::Ended),
        }
    }

    fn is_read(_: &SessionEvent) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{
        MovieEvent::{Count, Delete, Edit, Favorite, Missing, Outdated, Shown, ShownTo},
        SessionEvent::{End, Refreshed, Refused, Unknown},
        *,
    };

    /// Whether one client that does these things, one after another, can see this.
    fn is_seen<O: Object>(begin: O, events: &[O::Event]) -> bool {
        let seen = events.iter().try_fold(begin, |object, event| object.after(event));
        seen.is_some()
    }

    #[test]
    fn a_movie_shows_what_was_done_to_it() {
        let text = || "edited".to_owned();
        let movie = || Movie::added("new");
        assert!(is_seen(
            movie(),
            &[
                Favorite(3, Change::Toggle, Some(true)),
                Favorite(4, Change::Add, None),
                Count(2),
                ShownTo(4, true),
                Edit(Some(1), text(), Some(2)),
                Outdated(1),
                Shown(2, text(), 2),
                Favorite(3, Change::Remove, Some(false)),
                Count(1),
                Delete,
                Missing,
            ]
        ));
        for wrong in [
            Favorite(3, Change::Toggle, Some(false)),
            Edit(Some(2), text(), Some(2)),
            Edit(None, text(), Some(3)),
            Outdated(1),
            Missing,
            Shown(2, "new".to_owned(), 0),
            Shown(1, text(), 0),
            Count(1),
            ShownTo(0, true),
        ] {
            let context = format!("{wrong:?}");
            assert!(!is_seen(movie(), &[wrong]), "{context}");
        }
        assert!(!is_seen(movie(), &[Delete, Count(0)]));
    }

    #[test]
    fn a_key_has_one_answer() {
        let sent = |text: &str, is_replayed| Sent(Some((text.to_owned(), is_replayed)));
        assert!(is_seen(
            Kept::Nothing,
            &[sent("a", false), sent("a", true), Sent(None)]
        ));
        assert!(is_seen(
            Kept::Nothing,
            &[Sent(None), sent("a", true), sent("a", true)]
        ));
        for wrong in [
            [sent("a", false), sent("a", false)],
            [sent("a", false), sent("b", true)],
            [sent("a", true), sent("a", true)],
        ] {
            assert!(!is_seen(Kept::Nothing, &wrong));
        }
    }

    #[test]
    fn a_session_has_one_successor_of_each_token_and_ends_for_ever() {
        let refreshed = |token: &str, next: &str| Refreshed(token.to_owned(), next.to_owned());
        let refused = |token: &str| Refused(token.to_owned());
        let unknown = |token: &str| Unknown(token.to_owned());
        for right in [
            vec![
                refreshed("a", "b"),
                refreshed("a", "b"),
                refreshed("b", "c"),
                refused("a"),
                refused("c"),
            ],
            // The refresh with b lost the table's answer. When it is tried again, the refresh with a has ended the session.
            vec![refreshed("a", "b"), unknown("b"), refused("a"), refused("b")],
            vec![
                unknown("a"),
                refreshed("a", "b"),
                refreshed("a", "b"),
                End,
                refused("b"),
            ],
        ] {
            assert!(is_seen(Session::begun("a"), &right), "{right:?}");
        }
        for wrong in [
            vec![refreshed("a", "b"), refreshed("a", "c")],
            vec![refreshed("a", "b"), refused("a")],
            vec![refused("a")],
            vec![refreshed("a", "b"), refreshed("b", "c"), refreshed("a", "b")],
            vec![
                refreshed("a", "b"),
                refreshed("b", "c"),
                refused("a"),
                refreshed("c", "d"),
            ],
            vec![End, refreshed("a", "b")],
        ] {
            assert!(!is_seen(Session::begun("a"), &wrong), "{wrong:?}");
        }
    }
}
