//! Tokens of another system that say who a user is: verified with its public key, never made here.

use jsonwebtoken::{DecodingKey, Validation};
use serde_json::value::RawValue;

use super::tokens::{TokenError, check_head, check_times, without_times};
use crate::clock::Clock;
use crate::config::ExternalAuth;

/// Checks the tokens of another system.
pub(super) struct External {
    key: DecodingKey,
    validation: Validation,
    /// Tokens without `exp` are taken as well.
    without_expiry: bool,
    /// Bytes of the longest token: no longer one comes by HTTP.
    longest: usize,
    clock: Clock,
}

impl External {
    /// `None` where it is not switched on. A key that cannot verify has kept the server from starting; without one, no
    /// token is good.
    pub(super) fn new(auth: &ExternalAuth, longest: usize, clock: Clock) -> Option<Self> {
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
        let without_expiry = auth.allow_without_expiry;
        Some(Self { key, validation, without_expiry, longest, clock })
    }

    /// What a good token says: an object.
    pub(super) fn check(&self, token: &str) -> Result<Box<RawValue>, TokenError> {
        if token.len() > self.longest {
            return Err(TokenError::TooLong(self.longest));
        }
        check_head(token)?;
        let claims = jsonwebtoken::decode::<Box<RawValue>>(token, &self.key, &self.validation)?.claims;
        let times = check_times(&claims, self.clock.wall())?;
        if times.exp.is_none() && !self.without_expiry {
            return Err(TokenError::NoExpiry);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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
        let external = External::new(auth, 32 << 10, Clock::manual(NOW)).unwrap();
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
        let algorithms = vec!["HS256".into()];
        let secret = ExternalAuth { algorithms, allow_without_expiry: true, ..auth("between us") };
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
        let external = External::new(&auth(RSA), 32 << 10, clock.clone()).unwrap();
        assert_eq!(external.check(RSA_TOKEN).unwrap_err(), TokenError::TooEarly);
        clock.advance(Duration::from_secs(1));
        assert!(external.check(RSA_TOKEN).is_ok(), "a minute is granted to clocks that differ");
        clock.advance(Duration::from_secs(3_600 + 60));
        assert_eq!(external.check(RSA_TOKEN).unwrap_err(), TokenError::Expired);
    }

    /// A token with this head and these claims, both as text, signed with the shared secret.
    fn signed(head: &str, claims: &str) -> String {
        let text = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let key = jsonwebtoken::EncodingKey::from_secret(b"between us");
        let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
        format!("{text}.{signature}")
    }

    fn shared() -> ExternalAuth {
        ExternalAuth { algorithms: vec!["HS256".into()], ..auth("between us") }
    }

    #[test]
    fn a_token_that_does_not_say_until_when_it_is_good_is_refused_unless_that_is_allowed() {
        let head = r#"{"alg":"HS256"}"#;
        let endless = signed(head, r#"{"sub":"ada"}"#);
        assert_eq!(check(&shared(), &endless), Err(TokenError::NoExpiry));
        let allowed = ExternalAuth { allow_without_expiry: true, ..shared() };
        assert!(check(&allowed, &endless).is_ok());
        let later = NOW / 1_000 + 10;
        assert!(check(&shared(), &signed(head, &format!(r#"{{"exp":{later}}}"#))).is_ok());
        for exp in ["null", "\"2030\"", "true", "[9e9]", "{}", "1e999", "-1", "0"] {
            for auth in [shared(), allowed.clone()] {
                let refused = check(&auth, &signed(head, &format!(r#"{{"exp":{exp}}}"#)));
                assert!(refused.is_err() || (exp == "null" && auth.allow_without_expiry), "{exp} {refused:?}");
            }
        }
        let twice = signed(head, &format!(r#"{{"exp":1,"exp":{later}}}"#));
        assert_eq!(check(&shared(), &twice), Err(TokenError::Malformed));
    }

    #[test]
    fn what_a_token_demands_and_nobody_here_knows_is_refused() {
        let claims = format!(r#"{{"sub":"ada","exp":{}}}"#, NOW / 1_000 + 10);
        for head in [
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","crit":null}"#,
        ] {
            assert_eq!(check(&shared(), &signed(head, &claims)), Err(TokenError::Critical), "{head}");
        }
        for head in
            [r#"{"alg":"none"}"#, r#"{"alg":"None"}"#, r#"{"alg":"HS256 "}"#, r#"{"kid":"x"}"#, "[]", "{", "\"HS256\""]
        {
            assert_eq!(check(&shared(), &signed(head, &claims)), Err(TokenError::Malformed), "{head}");
        }
        // No key is looked for by its name.
        for head in [
            r#"{"alg":"HS256","kid":""}"#,
            r#"{"alg":"HS256","kid":"../../dev/null"}"#,
            r#"{"alg":"HS256","jku":"http://x"}"#,
        ] {
            assert!(check(&shared(), &signed(head, &claims)).is_ok(), "{head}");
            let forged = signed(head, &claims).replace(['A', 'a'], "b");
            assert!(check(&shared(), &forged).is_err(), "{head}");
        }
    }

    #[test]
    fn a_token_that_begins_or_was_made_in_the_future_is_not_good_yet() {
        let (now, exp) = (NOW / 1_000, NOW / 1_000 + 100_000);
        for (claim, ahead, expected) in
            [("nbf", 60, true), ("nbf", 61, false), ("iat", 60, true), ("iat", 61, false), ("iat", 10_000_000, false)]
        {
            let token = signed(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{exp},"{claim}":{}}}"#, now + ahead));
            let outcome = check(&shared(), &token).map(|_| ());
            assert_eq!(outcome, if expected { Ok(()) } else { Err(TokenError::TooEarly) }, "{claim} {ahead}");
        }
    }

    #[test]
    fn one_of_several_audiences_is_enough_and_a_token_has_so_many_bytes_at_most() {
        let exp = NOW / 1_000 + 10;
        let of = |aud: &str| signed(r#"{"alg":"HS256"}"#, &format!(r#"{{"exp":{exp},"aud":{aud}}}"#));
        let auth = ExternalAuth { audience: Some("nudge".into()), ..shared() };
        assert!(check(&auth, &of(r#"["other","nudge"]"#)).is_ok());
        for aud in [r#"["other"]"#, "[]", r#"[["nudge"]]"#, r#""nudge,other""#, "null", "7", r#"{"0":"nudge"}"#] {
            assert!(check(&auth, &of(aud)).is_err(), "{aud}");
        }
        let external = External::new(&shared(), of("\"x\"").len(), Clock::manual(NOW)).unwrap();
        assert!(external.check(&of("\"x\"")).is_ok());
        let long = of("\"xx\"");
        assert_eq!(external.check(&long).unwrap_err(), TokenError::TooLong(of("\"x\"").len()));
    }

    #[test]
    fn what_is_not_switched_on_verifies_nothing() {
        assert!(External::new(&ExternalAuth { enabled: false, ..auth(RSA) }, 32 << 10, Clock::manual(NOW)).is_none());
    }
}
