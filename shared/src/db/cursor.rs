//! Cursors: a page's position in its collection, encrypted and authenticated, so that a client can neither read nor forge
//! one.
//!
//! Cursors belong to the table and not to HTTP. A cursor contains a [`Window`] with a sort key of the table, encrypted with
//! a key that is an item of the table (`cursor_key.rs`). HTTP only transports the text.
//!
//! The same position in the same collection always has the same cursor. Otherwise a page would differ each time that it is read,
//! and a client could never be told that it has not changed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    aead::{self, Aad, LessSafeKey, Nonce, UnboundKey},
    hmac,
};

use crate::{
    db::page::{Position, Window},
    error::{Error, Result},
};

/// The length of a ChaCha20-Poly1305 key in bytes (RFC 8439).
pub const KEY_BYTES: usize = 32;

/// The bit of a cursor's first byte that says that the page ends before the position.
const BEFORE: u8 = 1;
/// The bit of a cursor's first byte that says that the cursor has a corrected query.
const CORRECTED: u8 = 2;
/// Separates the sort key from the corrected query. Neither contains it.
const SEPARATOR: char = '\0';

/// The key that encrypts cursors. All functions use the same one.
pub struct CursorKey {
    sealing: LessSafeKey,
    /// The key of which nonces are made.
    nonces: hmac::Key,
}

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey(..)")
    }
}

impl CursorKey {
    /// Returns these bytes as a key.
    ///
    /// # Errors
    /// [`Error::Internal`] if there aren't [`KEY_BYTES`] of them.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let sealing = UnboundKey::new(&aead::CHACHA20_POLY1305, bytes)
            .map_err(|_| Error::internal("the cursor key has the wrong length"))?;
        // Another key, because no key should have two uses.
        let root = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let nonces = hmac::sign(&root, b"the nonces of cursors");
        Ok(Self {
            sealing: LessSafeKey::new(sealing),
            nonces: hmac::Key::new(hmac::HMAC_SHA256, nonces.as_ref()),
        })
    }

    /// Returns the nonce for a text of this scope. Another text or scope has another nonce, except with the probability with
    /// which two random nonces are equal.
    fn nonce(&self, scope: &str, plain: &[u8]) -> Result<[u8; aead::NONCE_LEN]> {
        let mut context = hmac::Context::with_key(&self.nonces);
        // The length tells where the scope ends.
        context.update(&scope.len().to_be_bytes());
        context.update(scope.as_bytes());
        context.update(plain);
        let digest = context.sign();
        let nonce = digest.as_ref().first_chunk().copied();
        nonce.ok_or(Error::internal("a digest is shorter than a nonce"))
    }

    /// Returns the cursor for `window` in `scope`. The cursor is valid only in the same scope. A scope names the collection
    /// and its filters, and the caller if the collection is the caller's own.
    ///
    /// # Errors
    /// [`Error::Internal`] for the first page, which has no cursor.
    pub fn seal(&self, scope: &str, window: &Window) -> Result<String> {
        let (mut flags, position) = match window {
            Window::First => return Err(Error::internal("the first page has no cursor")),
            Window::After(position) => (0, position),
            Window::Before(position) => (BEFORE, position),
        };
        let mut text = position.key.clone();
        if let Some(corrected_query) = &position.corrected_query {
            flags |= CORRECTED;
            text.push(SEPARATOR);
            text.push_str(corrected_query);
        }
        let mut sealed = vec![flags, position.driver, position.range];
        sealed.extend_from_slice(text.as_bytes());
        let nonce = self.nonce(scope, &sealed)?;
        self.sealing
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(scope), &mut sealed)
            .map_err(|_| Error::internal("a cursor can't be encrypted"))?;
        let mut bytes = nonce.to_vec();
        bytes.append(&mut sealed);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Decrypts a cursor of `scope`.
    ///
    /// # Errors
    /// [`Error::Invalid`] about the parameter `cursor` for any other text.
    pub fn open(&self, scope: &str, cursor: &str) -> Result<Window> {
        self.try_open(scope, cursor).ok_or_else(|| {
            Error::invalid(
                "cursor",
                "Must be the cursor of a `next` or `previous` URL of this collection.",
            )
        })
    }

    fn try_open(&self, scope: &str, cursor: &str) -> Option<Window> {
        // The decoder refuses unused bits at the end, so changing any bit of the text invalidates it.
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(aead::NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.sealing.open_in_place(nonce, Aad::from(scope), sealed).ok()?;
        let (&[flags, driver, range], text) = plain.split_first_chunk()?;
        let text = std::str::from_utf8(text).ok()?;
        let (key, corrected_query) = if flags & CORRECTED == 0 {
            (text, None)
        } else {
            let (key, corrected_query) = text.split_once(SEPARATOR)?;
            (key, Some(corrected_query.to_owned()))
        };
        let position = Position {
            driver,
            range,
            key: key.to_owned(),
            corrected_query,
        };
        match flags & !CORRECTED {
            0 => Some(Window::After(position)),
            BEFORE => Some(Window::Before(position)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        Window::After(Position {
            driver: 1,
            range: 3,
            key: "drama#0000000000000007".into(),
            corrected_query: None,
        })
    }

    #[test]
    fn a_cursor_opens_in_its_own_scope_alone() {
        let key = CursorKey::new(&[7; KEY_BYTES]).unwrap();
        let cursor = key.seal("favorites:1", &window()).unwrap();
        assert_eq!(key.open("favorites:1", &cursor).unwrap(), window());
        assert!(key.open("favorites:2", &cursor).is_err());
    }

    #[test]
    fn the_same_position_has_the_same_cursor_and_another_one_has_another_nonce() {
        let key = CursorKey::new(&[7; KEY_BYTES]).unwrap();
        let sealed = |key: &CursorKey, scope: &str, window: &Window| {
            URL_SAFE_NO_PAD.decode(key.seal(scope, window).unwrap()).unwrap()
        };
        let first = sealed(&key, "s", &window());
        assert_eq!(first, sealed(&key, "s", &window()));
        let Window::After(position) = window() else {
            panic!("the window has another direction");
        };
        let other_key = CursorKey::new(&[8; KEY_BYTES]).unwrap();
        let moved = Position {
            key: "drama#0000000000000008".into(),
            ..position.clone()
        };
        for other in [
            sealed(&other_key, "s", &window()),
            sealed(&key, "t", &window()),
            sealed(&key, "s", &Window::Before(position)),
            sealed(&key, "s", &Window::After(moved)),
        ] {
            assert_ne!(first[..aead::NONCE_LEN], other[..aead::NONCE_LEN]);
        }
    }

    #[test]
    fn a_cursor_of_a_corrected_query_holds_it_in_both_directions() {
        let key = CursorKey::new(&[7; KEY_BYTES]).unwrap();
        let Window::After(position) = window().of_corrected_query("star wars") else {
            panic!("the window has another direction");
        };
        for window in [Window::After(position.clone()), Window::Before(position)] {
            let cursor = key.seal("search starwars", &window).unwrap();
            let opened = key.open("search starwars", &cursor).unwrap();
            assert_eq!(opened, window);
            let corrected_query = &opened.position().unwrap().corrected_query;
            assert_eq!(corrected_query.as_deref(), Some("star wars"));
        }
    }

    /// Guarantee 26.
    #[test]
    fn a_cursor_with_any_bit_flipped_is_refused() {
        let key = CursorKey::new(&[7; KEY_BYTES]).unwrap();
        let cursor = key.seal("s", &window()).unwrap().into_bytes();
        for at in 0..cursor.len() {
            for bit in 0..8 {
                let mut flipped = cursor.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(text) = String::from_utf8(flipped) {
                    assert!(key.open("s", &text).is_err(), "byte {at}, bit {bit}");
                }
            }
        }
    }
}
