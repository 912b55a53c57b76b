//! Request and response bodies.

use marquee_shared::{
    Error, Result,
    auth::PublicKey,
    domain::{Email, Password, Username, password::Secret},
    error::FieldErrors,
    http::{
        body::{Field, Fields, FromFields},
        wire::UserBody,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

/// A user to register.
#[derive(Debug, ToSchema)]
#[schema(as = NewUser, example = json!({
    "username": "ripley", "email": "ripley@example.com", "password": "in space no one can hear",
}))]
pub(crate) struct RegisterBody {
    /// The username: 3 to 150 letters, digits and `@ . + - _`. Must be unique, compared without case.
    pub(crate) username: Username,
    /// The email address. Must be unique, compared without case.
    pub(crate) email: Email,
    /// The password: 8 to 128 characters of any kind, counted in composed form (Unicode NFC). White space and case are kept.
    /// Must not be a common password, the username or the email.
    pub(crate) password: Password,
}

impl FromFields for RegisterBody {
    const FIELDS: &'static [&'static str] = &["username", "email", "password"];

    fn from_fields(mut fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let username = fields
            .required("username", &mut errors)
            .and_then(|text| errors.take("username", Username::parse(&text)));
        let email = fields
            .required("email", &mut errors)
            .and_then(|text| errors.take("email", Email::parse(&text)));
        let password = fields
            .required("password", &mut errors)
            .and_then(|text| errors.take("password", Password::parse(text)))
            .and_then(|password| {
                let unlike = password.unlike(
                    username.as_ref().map(Username::as_str),
                    email.as_ref().map(Email::as_str),
                );
                errors.take("password", unlike)
            });
        let (Some(username), Some(email), Some(password)) = (username, email, password) else {
            return Err(Error::Invalid(errors));
        };
        Ok(Self {
            username,
            email,
            password,
        })
    }
}

/// What a user signs in with.
#[derive(Debug, ToSchema)]
#[schema(as = Credentials, example = json!({"username": "ripley", "password": "in space no one can hear"}))]
pub(crate) struct LoginBody {
    /// The username or the email, in any case. White space at its ends is removed.
    #[schema(min_length = 1, pattern = r"\S")]
    pub(crate) username: String,
    /// The password as it was registered, its letters composed or not (Unicode NFC or NFD).
    #[schema(value_type = String, format = Password, min_length = 1)]
    pub(crate) password: Secret,
    /// Any refresh token that this user has received, even if it was used, has expired or belongs to a session that has
    /// ended. Attempts with it are counted apart from all others. Its session is not affected. Text that is not such a token
    /// is ignored.
    #[schema(value_type = Option<String>, required = false)]
    pub(crate) refresh: Option<Secret>,
}

impl FromFields for LoginBody {
    const FIELDS: &'static [&'static str] = &["username", "password", "refresh"];

    fn from_fields(mut fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let username = fields
            .required("username", &mut errors)
            .map(|text| text.trim().to_owned())
            .and_then(|text| filled("username", text, &mut errors));
        let password = not_empty(&mut fields, "password", &mut errors);
        let refresh = match fields.string("refresh") {
            Field::Value(text) => Some(Secret::new(text)),
            Field::Missing | Field::Null => None,
            Field::Wrong(message) => {
                errors.add("refresh", message);
                None
            }
        };
        errors.check()?;
        let (Some(username), Some(password)) = (username, password) else {
            return Err(Error::Internal("a login without a field or an error".into()));
        };
        Ok(Self {
            username,
            password: Secret::new(password),
            refresh,
        })
    }
}

/// A refresh token.
#[derive(Debug, ToSchema)]
#[schema(as = RefreshToken)]
pub(crate) struct RefreshBody {
    /// The session's newest refresh token.
    #[schema(value_type = String, min_length = 1, example = "pUv1cJzqfLQx0G2d…")]
    pub(crate) refresh: Secret,
}

impl FromFields for RefreshBody {
    const FIELDS: &'static [&'static str] = &["refresh"];

    fn from_fields(mut fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        match not_empty(&mut fields, "refresh", &mut errors) {
            Some(refresh) => Ok(Self {
                refresh: Secret::new(refresh),
            }),
            None => Err(Error::Invalid(errors)),
        }
    }
}

/// The account whose password is forgotten.
#[derive(Debug, ToSchema)]
#[schema(as = PasswordResetRequest, example = json!({"email": "ripley@example.com"}))]
pub(crate) struct ResetRequestBody {
    /// The account's email, in any case.
    pub(crate) email: Email,
}

impl FromFields for ResetRequestBody {
    const FIELDS: &'static [&'static str] = &["email"];

    fn from_fields(mut fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let email = fields
            .required("email", &mut errors)
            .and_then(|text| errors.take("email", Email::parse(&text)));
        email.map(|email| Self { email }).ok_or(Error::Invalid(errors))
    }
}

/// The answer to every request for a password reset.
#[derive(Serialize, ToSchema)]
#[schema(as = PasswordResetAsked)]
pub(crate) struct ResetAskedBody {
    /// What happens next, in words.
    #[schema(example = "If an account has this email, a mail with a token is sent to it.")]
    pub(crate) message: &'static str,
}

impl Default for ResetAskedBody {
    fn default() -> Self {
        Self {
            message: "If an account has this email, a mail with a token is sent to it.",
        }
    }
}

/// A new password, and the token that allows to set it.
#[derive(Debug, ToSchema)]
#[schema(as = PasswordResetConfirmation, example = json!({
    "token": "AAAAAAAAAAc2_pUv1cJzqfLQx0G2dkPrKqmxVWaYVA9", "password": "in space no one can hear",
}))]
pub(crate) struct ResetBody {
    /// The token of the newest mail, or of the operator's command. White space at its ends is removed.
    #[schema(value_type = String, min_length = 1)]
    pub(crate) token: Secret,
    /// The new password: 8 to 128 characters of any kind, as in a registration.
    pub(crate) password: Password,
}

impl FromFields for ResetBody {
    const FIELDS: &'static [&'static str] = &["token", "password"];

    fn from_fields(mut fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let token = not_empty(&mut fields, "token", &mut errors);
        let password = fields
            .required("password", &mut errors)
            .and_then(|text| errors.take("password", Password::parse(text)));
        let (Some(token), Some(password)) = (token, password) else {
            return Err(Error::Invalid(errors));
        };
        Ok(Self {
            token: Secret::new(token),
            password,
        })
    }
}

fn not_empty(fields: &mut Fields, name: &'static str, errors: &mut FieldErrors) -> Option<String> {
    let text = fields.required(name, errors)?;
    filled(name, text, errors)
}

fn filled(name: &'static str, text: String, errors: &mut FieldErrors) -> Option<String> {
    if text.is_empty() {
        errors.add(name, "This field may not be blank.");
        return None;
    }
    Some(text)
}

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub(crate) struct TokensBody {
    /// The access token. Send it as `Authorization: Bearer …`.
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9…")]
    pub(crate) access: String,
    /// The refresh token. It works for one refresh, which returns the next one.
    #[schema(example = "pUv1cJzqfLQx0G2d…")]
    pub(crate) refresh: String,
    /// The scheme of `Authorization` by which the access token is sent.
    #[schema(example = "Bearer")]
    pub(crate) token_type: &'static str,
    /// How long the access token is valid, in seconds.
    #[schema(example = 900)]
    pub(crate) expires_in: i64,
}

/// A user, and the tokens of their new session.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedIn)]
pub(crate) struct SignedInBody {
    /// The user, with their email.
    pub(crate) user: UserBody,
    /// The session's tokens.
    #[serde(flatten)]
    pub(crate) tokens: TokensBody,
}

/// A JWK Set (RFC 7517 §5).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JwkSet)]
pub(crate) struct JwksBody {
    /// The keys.
    pub keys: Vec<JwkBody>,
}

/// An Ed25519 public key as a JWK (RFC 8037 §2).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Jwk)]
pub(crate) struct JwkBody {
    /// The key type.
    #[schema(example = "OKP")]
    pub kty: &'static str,
    /// The curve.
    #[schema(example = "Ed25519")]
    pub crv: &'static str,
    /// The signature algorithm.
    #[schema(example = "EdDSA")]
    pub alg: &'static str,
    /// The use of the key: signatures.
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    pub purpose: &'static str,
    /// The id of the key: its thumbprint (RFC 7638).
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub kid: String,
    /// The public key in base64url.
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    pub x: String,
}

impl From<PublicKey> for JwkBody {
    fn from(key: PublicKey) -> Self {
        Self {
            kty: "OKP",
            crv: "Ed25519",
            alg: "EdDSA",
            purpose: "sig",
            kid: key.kid,
            x: key.x,
        }
    }
}
