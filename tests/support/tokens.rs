//! Refresh tokens in the format of older versions, which had no user in them.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{hkdf, hmac};
use serde_json::Value;

/// The lengths of the part of a token before its user, and of the tag at its end.
const CORE: usize = 16 + 4 + 32;
const TAG: usize = 32;

/// This token in that format, made with the secrets of the server that has them in this directory.
pub fn without_user(token: &str, data: &Path) -> String {
    let secrets = std::fs::read_to_string(data.join("secrets.json")).unwrap();
    let secrets: Value = serde_json::from_str(&secrets).unwrap();
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"marquee")
        .extract(secrets["refresh"].as_str().unwrap().as_bytes())
        .expand(&[b"refresh tokens: HMAC key"], hkdf::HKDF_SHA256)
        .unwrap()
        .fill(&mut key)
        .unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    let core = &bytes[..CORE];
    assert!(bytes.len() > CORE + TAG, "the token has no user");
    let tag = hmac::sign(&key, &[b"tag", core].concat());
    URL_SAFE_NO_PAD.encode([core, tag.as_ref()].concat())
}
