//! The checks of the answers that are kept under idempotency keys.

use marquee_shared::{
    db::{
        Key,
        idempotency::KeptAnswer,
        item::{Item, from_item},
    },
    domain::UserId,
};

use super::Items;

impl Items {
    /// Checks that a kept answer can be answered again. The movie and the user may have been deleted since.
    pub(super) fn kept_answer(&mut self, key: &Key, item: Item) {
        let parts: Vec<&str> = key.pk.split('#').collect();
        let is_key = match parts[..] {
            [_, user, digest] => {
                let user = user.parse().ok().and_then(|id: u64| UserId::try_from(id).ok());
                user.is_some() && is_digest(digest) && key.sk == "IDEMPOTENCY"
            }
            _ => false,
        };
        if !is_key {
            self.report(format!("{key:?} is not a kept answer's key"));
        }
        let answer = match from_item::<KeptAnswer>(item) {
            Ok(answer) => answer,
            Err(e) => return self.report(format!("{key:?} is not a valid kept answer: {e:?}")),
        };
        // An added movie has a time and no count, and a toggle may have a count.
        if answer.created_at.is_some() && answer.count.is_some() {
            self.report(format!("the kept answer {key:?} is of two operations"));
        }
        if !is_digest(&answer.request) {
            self.report(format!(
                "the kept answer {key:?} is to the request {}",
                answer.request
            ));
        }
        if answer.ttl != answer.expires.div_euclid(1000) + 1 {
            self.report(format!("the kept answer {key:?} is deleted too soon or too late"));
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
