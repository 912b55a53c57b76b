//! Mails that were asked for and not sent yet.
//!
//! A request writes an item here, whether or not an account has the address, and the mail function does the rest. So a request
//! takes the same time for every address, and doesn't wait for a mail server.
//!
//! The items are in a few partitions, the *lanes*, by their address. The mail function sends the mails of a lane in order. A
//! mail that can't be sent at the moment delays those behind it in its lane, and none in the other lanes.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Instant,
    db::{
        item::from_item,
        keys::{self, Key},
        range::{Direction, KeyRange},
        store::Store,
    },
    digest::{hex, sha256},
    domain::Email,
    error::Result,
    random::random,
};

/// The number of lanes.
pub const LANES: u64 = 4;

/// For how long a mail is sent after it was asked for, in seconds. Whoever still waits then has asked again.
pub const LATEST_SECONDS: i64 = 60 * 60;

/// How many random bytes are in a key. Two mails of one lane can be asked for in the same millisecond.
const RANDOM_BYTES: usize = 8;

/// A mail with a password reset token, as stored under `OUTBOX#<lane>`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailItem {
    /// The folded email that was typed. It need not be anybody's.
    pub email: String,
    /// When it was asked for, in milliseconds since 1970.
    pub asked: i64,
    /// When DynamoDB may delete the item, in seconds since 1970. `asked` decides whether it is still sent.
    pub ttl: i64,
}

impl std::fmt::Debug for MailItem {
    /// Hides the address, which must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailItem")
            .field("asked", &self.asked)
            .finish_non_exhaustive()
    }
}

impl MailItem {
    /// Whether it is too late to send it.
    #[must_use]
    pub fn is_late(&self, now: Instant) -> bool {
        now >= Instant(self.asked).plus_seconds(LATEST_SECONDS)
    }
}

/// The lane of a folded email.
fn lane(folded: &str) -> u64 {
    u64::from(sha256(folded.as_bytes())[0]) % LANES
}

impl Store {
    /// AP-52: asks for a mail with a password reset token. It makes the same call for every address. 1 call, 1 unit.
    pub async fn ask_for_reset(&self, email: &Email) -> Result<()> {
        let now = self.clock.now();
        let mail = MailItem {
            email: email.folded(),
            asked: now.0,
            ttl: now.plus_seconds(LATEST_SECONDS).seconds(),
        };
        let random = hex(&random::<RANDOM_BYTES>()?);
        let key = keys::mail(lane(&mail.email), now.0.unsigned_abs(), &random);
        self.write(&key, &mail).await
    }

    /// AP-53: a mail by its key. `None` if it has been sent. 1 call, 1 unit.
    pub async fn asked_mail(&self, key: &Key) -> Result<Option<MailItem>> {
        let item = self.get(key).await?;
        item.map(from_item).transpose()
    }

    /// AP-53: the keys of the first `limit` mails of a lane, in the order in which they were asked for. On AWS the table's stream
    /// has them. 1 call.
    pub async fn asked_mails(&self, lane: u64, limit: usize) -> Result<Vec<Key>> {
        let range = KeyRange::ids(keys::outbox(lane));
        let read = self.query(&range, Direction::Ascending, limit).await?;
        Ok(read.items.iter().filter_map(Key::of).collect())
    }

    /// AP-53: removes a mail that was sent, or that nobody gets. 1 call, 1 unit.
    pub async fn drop_mail(&self, key: &Key) -> Result<()> {
        self.delete(key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_always_has_the_same_lane_and_every_lane_has_addresses() {
        let mut lanes = [0; LANES as usize];
        for n in 0..100 {
            let address = format!("ripley{n}@example.com");
            let own = lane(&address);
            assert_eq!(own, lane(&address));
            lanes[usize::try_from(own).unwrap()] += 1;
        }
        assert!(lanes.iter().all(|addresses| *addresses > 5), "{lanes:?}");
    }

    #[test]
    fn mails_of_a_lane_are_in_the_order_in_which_they_were_asked_for() {
        let keys = [
            keys::mail(0, 999, "ff"),
            keys::mail(0, 1000, "00"),
            keys::mail(0, 1_800_000_000_000, "ab"),
        ];
        assert!(keys.is_sorted());
        let range = KeyRange::ids(keys::outbox(0));
        assert!(keys.iter().all(|key| range.contains(key)));
    }

    #[test]
    fn a_mail_is_late_after_an_hour() {
        let mail = MailItem {
            email: "ripley@example.com".into(),
            asked: 1_800_000_000_000,
            ttl: 0,
        };
        assert!(!mail.is_late(Instant(mail.asked + 3_599_999)));
        assert!(mail.is_late(Instant(mail.asked + 3_600_000)));
    }

    /// Guarantee 39.
    #[test]
    fn debug_does_not_show_an_address() {
        let mail = MailItem {
            email: "canary@example.com".into(),
            asked: 0,
            ttl: 0,
        };
        assert!(!format!("{mail:?}").contains("canary"));
    }
}
