//! Bearer tokens: JSON web tokens signed by HS256 with the application's secret. No other algorithm is taken.
//!
//! Times are compared here, with the clock of the server, and not by the library, which asks the machine's and takes a claim
//! of the wrong type for one that is not there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::clock::Clock;
use crate::model::BotId;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whose it is: a name for people, nothing hangs on it.
    #[serde(default, rename = "sub", skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The only bot that it is good for; all bots where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<BotId>,
    /// When it was made, in seconds since the epoch.
    #[serde(default, rename = "iat", skip_serializing_if = "Option::is_none")]
    pub made: Option<u64>,
    /// Until when it is good, in seconds since the epoch.
    #[serde(rename = "exp")]
    pub until: u64,
}

/// Why a token is not good. No text of the token is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no JSON web token, or its claims are not what they must be.
    #[error("it is no JSON web token with the claims that are needed")]
    Malformed,
    /// It is signed by an algorithm that is not allowed here.
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// It was signed with another key, or changed since.
    #[error("its signature is wrong: it was signed with another secret or key")]
    Signature,
    /// It says that it is for somebody else, or of somebody else; or does not say it where it must.
    #[error("it is not for this bot, or not of the issuer or for the audience that is expected")]
    Audience,
    /// Its head demands what nobody here understands.
    #[error("its head has `crit`: it demands extensions that this server does not know")]
    Critical,
    /// It is longer than a header can be.
    #[error("it has more than {0} bytes (`httpServer.headLimit`)")]
    TooLong(usize),
    /// It would be good for ever.
    #[error("it has no `exp`: tokens must say until when they are good (`pro.externalAuth.allowWithoutExpiry`)")]
    NoExpiry,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not begun.
    #[error("it is not valid yet; compare the clocks")]
    TooEarly,
    /// It is of another system, and those are not verified here.
    #[error("this server verifies no tokens of other systems (`pro.externalAuth.enabled`)")]
    Disabled,
}

impl From<jsonwebtoken::errors::Error> for TokenError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidAlgorithm => Self::Algorithm,
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAudience | ErrorKind::InvalidIssuer | ErrorKind::MissingRequiredClaim(_) => {
                Self::Audience
            }
            _ => Self::Malformed,
        }
    }
}

/// Makes and checks tokens.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    clock: Clock,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Tokens of that secret.
    pub fn new(secret: &str, clock: Clock) -> Self {
        Self {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            validation: without_times(vec![Algorithm::HS256]),
            clock,
        }
    }

    /// Makes a token that is good for `lifetime` milliseconds, at least for one second.
    ///
    /// # Errors
    /// None that is known: signing fails only where the machine does.
    pub fn make(&self, user: Option<&str>, bot: Option<&BotId>, lifetime: u64) -> Result<String, TokenError> {
        let now = seconds(self.clock.wall());
        let until = now.saturating_add((lifetime / 1_000).max(1));
        let claims = Claims { user: user.map(ToOwned::to_owned), bot: bot.cloned(), made: Some(now), until };
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)?)
    }

    /// Checks signature, algorithm and time. The comparison of signatures takes the same time whatever they are.
    pub fn check(&self, token: &str) -> Result<Claims, TokenError> {
        check_head(token)?;
        let claims: Box<RawValue> = jsonwebtoken::decode(token, &self.decoding, &self.validation)?.claims;
        check_times(&claims, self.clock.wall())?;
        serde_json::from_str(claims.get()).map_err(|_| TokenError::Malformed)
    }
}

/// Whether a signature of the message would make a token of it.
pub(super) fn is_head_of_token(message: &str) -> bool {
    jsonwebtoken::decode_header(&format!("{message}.")).is_ok()
}

/// A token that begins to be good this much later than now, in seconds, is taken: the clocks of two machines differ.
const SKEW: f64 = 60.0;

/// When a token is good and was made, in seconds since the epoch. Whole numbers, or not: some write fractions.
#[derive(Deserialize)]
pub(super) struct Times {
    pub(super) exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

/// Refuses a token whose head has `crit`: none of the extensions that it may name is known here. The library passes over it.
pub(super) fn check_head(token: &str) -> Result<(), TokenError> {
    let head =
        token.split('.').next().and_then(|head| URL_SAFE_NO_PAD.decode(head).ok()).ok_or(TokenError::Malformed)?;
    let head: Map<String, Value> = serde_json::from_slice(&head).map_err(|_| TokenError::Malformed)?;
    if head.contains_key("crit") { Err(TokenError::Critical) } else { Ok(()) }
}

/// Compares `exp`, `nbf` and `iat`, where they are, with the time in milliseconds since the epoch.
pub(super) fn check_times(claims: &RawValue, now: u64) -> Result<Times, TokenError> {
    // A struct can be read from an array as well.
    if !claims.get().starts_with('{') {
        return Err(TokenError::Malformed);
    }
    let times: Times = serde_json::from_str(claims.get()).map_err(|_| TokenError::Malformed)?;
    let now = seconds(now) as f64;
    if times.exp.is_some_and(|exp| exp <= now) {
        return Err(TokenError::Expired);
    }
    // What was made in the future was made by a clock that cannot be trusted with the rest either.
    if [times.nbf, times.iat].into_iter().flatten().any(|begins| begins > now + SKEW) {
        return Err(TokenError::TooEarly);
    }
    Ok(times)
}

/// A validation that leaves times to [`check_times`].
pub(super) fn without_times(algorithms: Vec<Algorithm>) -> Validation {
    // None of what the library demands by default: each `Tokens` and `External` adds what it goes by.
    let mut validation = Validation::default();
    validation.algorithms = algorithms;
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

fn seconds(milliseconds: u64) -> u64 {
    milliseconds / 1_000
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: u64 = 1_795_330_091_304;

    fn tokens() -> Tokens {
        Tokens::new("secret", Clock::manual(NOW))
    }

    /// A token with these claims, as somebody else would make it.
    fn foreign(algorithm: Algorithm, secret: &str, claims: &serde_json::Value) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    #[test]
    fn a_token_says_whose_it_is_for_which_bot_and_until_when() {
        let tokens = tokens();
        let bot = BotId::parse("My-Bot").unwrap();
        let claims = tokens.check(&tokens.make(Some("ada"), Some(&bot), 300_000).unwrap()).unwrap();
        let made = NOW / 1_000;
        assert_eq!(claims, Claims { user: Some("ada".into()), bot: Some(bot), made: Some(made), until: made + 300 });
    }

    #[test]
    fn a_token_is_good_until_its_time_is_over_by_the_clock_of_the_server() {
        let tokens = tokens();
        let token = tokens.make(None, None, 60_000).unwrap();
        tokens.clock.advance(Duration::from_secs(59));
        assert!(tokens.check(&token).is_ok());
        tokens.clock.advance(Duration::from_secs(1));
        assert_eq!(tokens.check(&token), Err(TokenError::Expired));
    }

    #[test]
    fn a_clock_that_was_a_year_ahead_for_a_moment_makes_no_token_late() {
        let tokens = tokens();
        tokens.clock.set(2 * NOW);
        assert_eq!(tokens.clock.now(), 2 * NOW);
        tokens.clock.set(NOW);
        let of_others = serde_json::json!({ "exp": NOW / 1_000 + 60 });
        assert!(tokens.check(&foreign(Algorithm::HS256, "secret", &of_others)).is_ok());
        assert!(tokens.check(&tokens.make(None, None, 60_000).unwrap()).is_ok());
        tokens.clock.advance(Duration::from_secs(60));
        assert_eq!(tokens.check(&foreign(Algorithm::HS256, "secret", &of_others)), Err(TokenError::Expired));
    }

    #[test]
    fn another_secret_a_changed_token_and_another_algorithm_are_refused() {
        let tokens = tokens();
        let later = NOW / 1_000 + 60;
        let claims = serde_json::json!({ "sub": "x", "exp": later });
        let good = foreign(Algorithm::HS256, "secret", &claims);
        assert_eq!(tokens.check(&good).unwrap().user.as_deref(), Some("x"));
        assert_eq!(tokens.check(&foreign(Algorithm::HS256, "other", &claims)), Err(TokenError::Signature));
        let (head, signature) = good.rsplit_once('.').unwrap();
        assert_eq!(tokens.check(&format!("{head}x.{signature}")), Err(TokenError::Signature));
        assert_eq!(tokens.check(&format!("{head}.")), Err(TokenError::Signature));
        for other in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(tokens.check(&foreign(other, "secret", &claims)), Err(TokenError::Algorithm));
        }
        // {"alg":"none"} and {"alg":"RS256"}, each before the same claims.
        let claims = good.split('.').nth(1).unwrap();
        assert_eq!(tokens.check(&format!("eyJhbGciOiJub25lIn0.{claims}.")), Err(TokenError::Malformed));
        assert_eq!(tokens.check(&format!("eyJhbGciOiJSUzI1NiJ9.{claims}.{signature}")), Err(TokenError::Algorithm));
        for nonsense in ["", "abc", "a.b", "a.b.c", "...", "日.本.語"] {
            assert_eq!(tokens.check(nonsense), Err(TokenError::Malformed), "{nonsense}");
        }
    }

    #[test]
    fn claims_of_the_wrong_kind_are_never_taken_for_missing_ones() {
        let tokens = tokens();
        let later = NOW / 1_000 + 60;
        let check = |claims: serde_json::Value| tokens.check(&foreign(Algorithm::HS256, "secret", &claims));
        for claims in [
            serde_json::json!({ "sub": "x" }),
            serde_json::json!({ "exp": "never" }),
            serde_json::json!({ "exp": null }),
            serde_json::json!({ "exp": later.to_string() }),
            serde_json::json!({ "exp": later, "nbf": "x" }),
            serde_json::json!({ "exp": later, "bot": 7 }),
            serde_json::json!({ "exp": later, "bot": "../x" }),
            serde_json::json!([null, null, null, later]),
        ] {
            assert_eq!(check(claims.clone()), Err(TokenError::Malformed), "{claims}");
        }
        assert_eq!(check(serde_json::json!({ "exp": later, "nbf": later + 60 })), Err(TokenError::TooEarly));
        assert!(check(serde_json::json!({ "exp": later, "nbf": later - 30, "aud": "collaborators" })).is_ok());
    }
}
