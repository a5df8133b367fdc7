//! Tokens of another system that say who a user is: verified with its public key, never made here.

use jsonwebtoken::{DecodingKey, Validation};
use serde_json::value::RawValue;

use super::tokens::{TokenError, check_times, without_times};
use crate::clock::Clock;
use crate::config::ExternalAuth;

/// Checks the tokens of another system.
pub(super) struct External {
    key: DecodingKey,
    validation: Validation,
    clock: Clock,
}

impl External {
    /// `None` where it is not switched on. A key that cannot verify has kept the server from starting; without one, no
    /// token is good.
    pub(super) fn new(auth: &ExternalAuth, clock: Clock) -> Option<Self> {
        let (key, algorithms) = auth.verification().ok().filter(|_| auth.enabled)?;
        let mut validation = without_times(algorithms);
        // What is configured must be there: the library compares only what it finds.
        if let Some(audience) = &auth.audience {
            validation.set_audience(&[audience]);
            validation.validate_aud = true;
            validation.required_spec_claims.insert("aud".to_owned());
        }
        if !auth.issuers.is_empty() {
            validation.set_issuer(&auth.issuers);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        Some(Self { key, validation, clock })
    }

    /// What a good token says: an object.
    pub(super) fn check(&self, token: &str) -> Result<Box<RawValue>, TokenError> {
        let claims = jsonwebtoken::decode::<Box<RawValue>>(token, &self.key, &self.validation)?.claims;
        check_times(&claims, self.clock.wall())?;
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RSA: &str = include_str!("../../tests/keys/rsa.pub");
    const OTHER: &str = include_str!("../../tests/keys/other.pub");
    const P256: &str = include_str!("../../tests/keys/p256.pub");
    const RSA_TOKEN: &str = include_str!("../../tests/keys/rsa.jwt").trim_ascii_end();
    const P256_TOKEN: &str = include_str!("../../tests/keys/p256.jwt").trim_ascii_end();
    /// Within the hour in which the tokens are good.
    const NOW: u64 = 1_795_330_099_736;

    fn auth(key: &str) -> ExternalAuth {
        ExternalAuth { enabled: true, public_key: Some(key.into()), ..ExternalAuth::default() }
    }

    fn check(auth: &ExternalAuth, token: &str) -> Result<String, TokenError> {
        let external = External::new(auth, Clock::manual(NOW)).unwrap();
        external.check(token).map(|claims| claims.get().to_owned())
    }

    #[test]
    fn a_token_of_the_pair_gives_its_claims_as_they_were_written() {
        let claims = r#"{"sub":"ada","role":"admin","iss":"https://login.example","aud":"nudge-tests","iat":1795330000,"nbf":1795330000,"exp":1795333600}"#;
        assert_eq!(check(&auth(RSA), RSA_TOKEN).as_deref(), Ok(claims));
        assert_eq!(check(&auth(P256), P256_TOKEN).as_deref(), Ok(claims));
    }

    #[test]
    fn another_key_another_algorithm_and_a_changed_token_are_refused() {
        assert_eq!(check(&auth(OTHER), RSA_TOKEN), Err(TokenError::Signature));
        assert_eq!(check(&auth(P256), RSA_TOKEN), Err(TokenError::Algorithm));
        let (head, signature) = RSA_TOKEN.rsplit_once('.').unwrap();
        let forged = format!("{}.{signature}", &head[..head.len() - 2]);
        assert_eq!(check(&auth(RSA), &forged), Err(TokenError::Signature));
        // Signed with the text of the public key, which everybody knows.
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        let secret = jsonwebtoken::EncodingKey::from_secret(RSA.as_bytes());
        let confused = jsonwebtoken::encode(&header, &serde_json::json!({ "sub": "eve" }), &secret).unwrap();
        assert_eq!(check(&auth(RSA), &confused), Err(TokenError::Algorithm));
        assert_eq!(check(&auth(RSA), "abc"), Err(TokenError::Malformed));
    }

    #[test]
    fn audience_and_issuer_must_be_there_and_be_those_that_are_configured() {
        let with = |audience: &str, issuers: &[&str]| ExternalAuth {
            audience: Some(audience.into()),
            issuers: issuers.iter().map(|issuer| (*issuer).into()).collect(),
            ..auth(RSA)
        };
        assert!(check(&with("nudge-tests", &["x", "https://login.example"]), RSA_TOKEN).is_ok());
        assert_eq!(check(&with("others", &[]), RSA_TOKEN), Err(TokenError::Audience));
        assert_eq!(check(&with("nudge-tests", &["x"]), RSA_TOKEN), Err(TokenError::Audience));
        let secret = ExternalAuth { algorithms: vec!["HS256".into()], ..auth("between us") };
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        let key = jsonwebtoken::EncodingKey::from_secret(b"between us");
        let token = jsonwebtoken::encode(&header, &serde_json::json!({ "sub": "ada" }), &key).unwrap();
        assert_eq!(check(&secret, &token).as_deref(), Ok(r#"{"sub":"ada"}"#), "no time and nobody in particular");
        let strict = ExternalAuth { audience: Some("nudge-tests".into()), ..secret.clone() };
        assert_eq!(check(&strict, &token), Err(TokenError::Audience));
        let strict = ExternalAuth { issuers: vec!["me".into()], ..secret };
        assert_eq!(check(&strict, &token), Err(TokenError::Audience));
    }

    #[test]
    fn a_token_is_good_in_its_time_by_the_clock_of_the_server() {
        let clock = Clock::manual(1_795_330_000_000 - 61_000);
        let external = External::new(&auth(RSA), clock.clone()).unwrap();
        assert_eq!(external.check(RSA_TOKEN).unwrap_err(), TokenError::TooEarly);
        clock.advance(Duration::from_secs(1));
        assert!(external.check(RSA_TOKEN).is_ok(), "a minute is granted to clocks that differ");
        clock.advance(Duration::from_secs(3_600 + 60));
        assert_eq!(external.check(RSA_TOKEN).unwrap_err(), TokenError::Expired);
    }

    #[test]
    fn what_is_not_switched_on_verifies_nothing() {
        assert!(External::new(&ExternalAuth { enabled: false, ..auth(RSA) }, Clock::manual(NOW)).is_none());
    }
}
