//! Password hashing: Argon2id, on blocking threads.

use std::{num::NonZeroUsize, sync::LazyLock};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version, password_hash::phc,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::{
    domain::{Password, password::Secret},
    error::{Error, Result},
    random::random,
};

// OWASP, Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The hash against which a password for an unknown name is checked, so that the check takes as long as for a known name.
/// It was made with the parameters above from random bytes that nobody kept. A match would not sign anyone in.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$8EO3XblJQTffsC6IfODEAw$UxS5CurD126AYR7atdbgFakxyYoS7hDsuBPTIM6tFug";

/// One permit for each processor: more hashes at once would take as long and 19 MiB each.
static PERMITS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, NonZeroUsize::get)));

/// A password's hash with its parameters and salt, as a PHC string.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Returns the PHC string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// The result of checking a password.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is wrong.
    Wrong,
    /// The password is right.
    Right,
    /// The password is right, but its hash is outdated: it is weaker than current ones, or it was made from the password as
    /// typed, before passwords were composed. This is a new hash.
    RightButOutdated(PasswordHash),
}

/// Hashes a password with a new salt.
///
/// # Errors
/// [`Error::Internal`] if hashing fails.
pub async fn hash(password: Password) -> Result<PasswordHash> {
    blocking(move || make(&password.into_secret())).await
}

/// Checks a password against a hash: in [composed form](Secret::composed), then, where that is wrong and differs, as typed.
/// Without a hash, the check takes as long as for a wrong password, and returns [`Verdict::Wrong`].
///
/// # Errors
/// [`Error::Internal`] if the hash can't be parsed.
pub async fn verify(hash: Option<PasswordHash>, typed: Secret) -> Result<Verdict> {
    blocking(move || match hash {
        Some(hash) => check(&hash.0, &typed),
        None => check(DUMMY_HASH, &typed).map(|_| Verdict::Wrong),
    })
    .await
}

/// Runs `work` on a blocking thread, because it would block an async thread for about 50 ms.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let permit = PERMITS
        .acquire()
        .await
        .map_err(|_| Error::internal("the semaphore of password hashing is closed"))?;
    tokio::task::spawn_blocking(move || {
        // The permit is released when the work is done, even if the request has been dropped.
        let _permit = permit;
        work()
    })
    .await
    .map_err(|_| Error::internal("the thread of password hashing stopped"))?
}

fn check(hash: &str, typed: &Secret) -> Result<Verdict> {
    let parsed = phc::PasswordHash::new(hash).map_err(unusable)?;
    let params = Params::try_from(&parsed).map_err(unusable)?;
    let composed = typed.composed();
    let is_outdated = if equals(&parsed, &composed)? {
        is_weak(&parsed, &params)
    } else if composed != *typed && equals(&parsed, typed)? {
        true
    } else {
        return Ok(Verdict::Wrong);
    };
    match is_outdated {
        true => make(&composed).map(Verdict::RightButOutdated),
        false => Ok(Verdict::Right),
    }
}

/// Whether the hash was made from exactly these bytes.
fn equals(hash: &phc::PasswordHash, password: &Secret) -> Result<bool> {
    match argon2()?.verify_password(password.expose().as_bytes(), hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(e) => Err(unusable(e)),
    }
}

fn is_weak(hash: &phc::PasswordHash, params: &Params) -> bool {
    hash.algorithm.as_str() != Algorithm::Argon2id.as_str()
        || hash.version != Some(Version::V0x13.into())
        || params.m_cost() < MEMORY_KIB
        || params.t_cost() < PASSES
}

fn make(composed: &Secret) -> Result<PasswordHash> {
    let salt: [u8; 16] = random()?;
    argon2()?
        .hash_password_with_salt(composed.expose().as_bytes(), &salt)
        .map(|hash| PasswordHash(hash.to_string()))
        .map_err(unusable)
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(unusable)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Returns the error for an error of Argon2, whose text may name parameters but never quotes the password.
fn unusable(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("Argon2: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.into())
    }

    /// Guarantee 17.
    #[tokio::test]
    async fn a_hash_is_argon2id_at_owasps_parameters() {
        let hash = hash(Password::parse("correct horse".into()).unwrap())
            .await
            .unwrap();
        assert!(
            hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            hash.0
        );
        let right = verify(Some(hash.clone()), secret("correct horse")).await.unwrap();
        assert_eq!(right, Verdict::Right);
        let wrong = verify(Some(hash), secret("Correct horse")).await.unwrap();
        assert_eq!(wrong, Verdict::Wrong);
    }

    /// Guarantee 17.
    #[tokio::test]
    async fn a_weaker_hash_is_replaced_when_the_password_is_right() {
        let params = Params::new(1024, 1, 1, None).unwrap();
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_with_salt(b"correct horse", b"salt salt salt")
            .unwrap();
        let weak = PasswordHash(weak.to_string());
        let wrong = verify(Some(weak.clone()), secret("wrong")).await.unwrap();
        assert_eq!(wrong, Verdict::Wrong);
        let Verdict::RightButOutdated(new) = verify(Some(weak), secret("correct horse")).await.unwrap()
        else {
            unreachable!("the hash is weak and the password right");
        };
        assert_eq!(
            verify(Some(new), secret("correct horse")).await.unwrap(),
            Verdict::Right
        );
    }

    /// Guarantee 18: equal parameters, so equal time.
    #[test]
    fn nobody_has_a_hash_of_the_current_parameters() {
        let hash = phc::PasswordHash::new(DUMMY_HASH).unwrap();
        let params = Params::try_from(&hash).unwrap();
        assert_eq!(
            (params.m_cost(), params.t_cost(), params.p_cost()),
            (MEMORY_KIB, PASSES, LANES)
        );
        assert!(!is_weak(&hash, &params));
        assert_eq!(hash.salt.unwrap().len(), 16);
        assert_eq!(hash.hash.unwrap().len(), 32);
    }

    /// Guarantee 15.
    #[tokio::test]
    async fn every_byte_of_a_password_counts() {
        let hash = hash(Password::parse("x".repeat(128)).unwrap()).await.unwrap();
        let shorter = verify(Some(hash), secret(&"x".repeat(127))).await.unwrap();
        assert_eq!(shorter, Verdict::Wrong);
    }

    /// Guarantee 15.
    #[tokio::test]
    async fn a_password_is_the_same_whether_its_letters_are_composed_or_not() {
        let (composed, decomposed) = ("pässwörd für zoë", "pa\u{308}sswo\u{308}rd fu\u{308}r zoe\u{308}");
        for (registered, typed) in [(composed, decomposed), (decomposed, composed)] {
            let hash = hash(Password::parse(registered.into()).unwrap()).await.unwrap();
            for typed in [registered, typed] {
                let verdict = verify(Some(hash.clone()), secret(typed)).await.unwrap();
                assert_eq!(verdict, Verdict::Right, "{registered:?} {typed:?}");
            }
            let bare = verify(Some(hash), secret("password fur zoe")).await.unwrap();
            assert_eq!(bare, Verdict::Wrong);
        }
    }

    /// Guarantee 17.
    #[tokio::test]
    async fn a_hash_of_a_password_as_typed_is_replaced_when_the_same_is_typed() {
        let decomposed = "pa\u{308}sswo\u{308}rd";
        // Earlier versions hashed what was typed.
        let old = make(&secret(decomposed)).unwrap();
        let wrong = verify(Some(old.clone()), secret("pa\u{308}sswo\u{308}re"))
            .await
            .unwrap();
        assert_eq!(wrong, Verdict::Wrong);
        let Verdict::RightButOutdated(new) = verify(Some(old), secret(decomposed)).await.unwrap() else {
            unreachable!("the password is right and its hash outdated");
        };
        for typed in ["pässwörd", decomposed] {
            let verdict = verify(Some(new.clone()), secret(typed)).await.unwrap();
            assert_eq!(verdict, Verdict::Right, "{typed:?}");
        }
        let nobody = verify(None, secret(decomposed)).await.unwrap();
        assert_eq!(nobody, Verdict::Wrong);
    }

    /// Guarantee 39.
    #[test]
    fn debug_does_not_show_a_hash() {
        assert!(!format!("{:?}", PasswordHash(DUMMY_HASH.into())).contains("argon2"));
    }
}
