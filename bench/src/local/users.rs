//! The users of the servers and their access tokens.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::{
    connection::{Connection, Request},
    server::Server,
};
use crate::{
    prepared::{PASSWORD, username},
    runtime::Failure,
};

/// How many users there are. The users of a new server have the ids from 1 to this.
pub(crate) const USERS: u64 = 100;

/// The seed of the key that signs the peer's tokens (RFC 8032 §5.1.5). The key protects nothing: only this benchmark uses a
/// peer, on loopback.
const SEED: [u8; 32] = [7; 32];

/// The second from which the peer's tokens are valid and that in which they expire: in the years 2001 and 2286.
const VALID: [u64; 2] = [1_000_000_000, 9_999_999_999];

/// The file of the tokens of a prepared catalog.
const FILE: &str = "tokens.json";

/// Returns the public key of the peer's tokens, in base64url.
///
/// # Errors
/// Returns an error if ring refuses the seed.
pub(crate) fn peer_key() -> Result<String, Failure> {
    Ok(URL_SAFE_NO_PAD.encode(pair()?.public_key().as_ref()))
}

fn pair() -> Result<Ed25519KeyPair, Failure> {
    Ed25519KeyPair::from_seed_unchecked(&SEED).map_err(|_| "the seed is no key".into())
}

/// Returns a token of the peer for each user, with the claims of Marquee's tokens.
///
/// # Errors
/// Returns an error if ring refuses the seed.
pub(crate) fn signed() -> Result<Vec<String>, Failure> {
    let pair = pair()?;
    let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": URL_SAFE_NO_PAD.encode(SEED)});
    let tokens = (1..=USERS).map(|user| {
        let claims = json!({
            "iss": "marquee", "aud": "marquee-api", "sub": user.to_string(), "jti": format!("{user:032x}"),
            "iat": VALID[0], "nbf": VALID[0], "exp": VALID[1], "token_type": "access",
        });
        let [header, claims] = [&header, &claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    });
    Ok(tokens.collect())
}

/// Registers every user of a new Marquee server, and returns their tokens.
///
/// # Errors
/// Returns an error if a registration is refused, or if a user has another id than expected.
pub(crate) async fn register(server: &Server) -> Result<Vec<String>, Failure> {
    let mut connection = Connection::open(server.address).await?;
    let mut tokens = Vec::new();
    for user in 1..=USERS {
        let name = username(user);
        let email = format!("{name}@example.com");
        let body = json!({"username": name, "email": email, "password": PASSWORD});
        let request = Request::post("/api/auth/register/", None, Some(&body), 201);
        let answer = connection.json(&request).await?;
        if answer["user"]["id"] != user {
            return Err(format!("user {user} has the id {}", answer["user"]["id"]).into());
        }
        tokens.push(answer["access"].as_str().ok_or("no access token")?.to_owned());
    }
    Ok(tokens)
}

/// Writes the tokens to the directory of a prepared catalog.
///
/// # Errors
/// Returns an error if they can't be written.
pub(crate) fn write(directory: &Path, tokens: &[String]) -> Result<(), Failure> {
    Ok(fs::write(directory.join(FILE), serde_json::to_vec(tokens)?)?)
}

/// Reads the tokens from the directory of a prepared catalog.
///
/// # Errors
/// Returns an error if they can't be read.
pub(crate) fn read(directory: &Path) -> Result<Vec<String>, Failure> {
    Ok(serde_json::from_slice(&fs::read(directory.join(FILE))?)?)
}
