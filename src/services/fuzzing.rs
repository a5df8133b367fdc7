//! For `crate::fuzzing`: paths into values, names of files, tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Map, Value};

use super::external::External;
use super::media::fuzzing as media;
use super::path;
use super::tokens::{Tokens, is_head_of_token};
use crate::clock::Clock;
use crate::config::ExternalAuth;
use crate::model::BotId;

/// The secret of these runs, and its time.
const SECRET: &str = "between us";
const NOW: u64 = 1_795_330_099_736;

/// The first line is the way into a value, as text or as JSON; the rest is the value.
pub fn paths(line: &str, json: &[u8]) {
    media::name(line);
    for given in [Value::from(line), serde_json::from_str(line).unwrap_or_default()] {
        let Some(way) = path::parse(&given) else { continue };
        assert!(way.len() <= 100, "{} keys", way.len());
        let keys = Value::from(way.clone());
        assert_eq!(path::parse(&keys).as_ref(), Some(&way), "not the same as an array");
        let Ok(mut value) = serde_json::from_slice::<Value>(json) else { continue };
        let before = path::get(&value, &way).cloned();
        path::set(&mut value, &way, Value::from("new"));
        // What is no index of an array, or too large a one, is not begun.
        let there = path::get(&value, &way).is_some_and(|after| *after == "new");
        assert!(there || before.is_none(), "{way:?}: {before:?}");
        if !way.is_empty() {
            assert_eq!(path::remove(&mut value, &way), there, "{way:?}");
            assert!(path::get(&value, &way).is_none_or(Value::is_null), "{way:?} is still there");
        }
    }
}

/// A call of another server.
pub fn fetch(line: &str, rest: &[u8]) {
    super::fetch::fuzzing::fetch(line, rest);
}

/// A token; or, in two lines, the head and the claims of one that is signed here.
pub fn tokens(line: &str, claims: &[u8]) {
    let tokens = Tokens::new(SECRET, Clock::manual(NOW));
    assert!(tokens.check(line).is_err(), "a token that nobody signed is taken: {line:?}");
    let _ = is_head_of_token(line);
    let Ok(claims) = serde_json::from_slice::<Value>(claims) else { return };
    let signed = |algorithm| {
        let text = [line, &claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &key, algorithm).ok()?;
        Some(format!("{text}.{signature}"))
    };
    let head = serde_json::from_str::<Map<String, Value>>(line).unwrap_or_default();
    let fine = head.get("alg").is_some_and(|alg| *alg == "HS256") && !head.contains_key("crit");
    let number = |name: &str| claims.get(name).and_then(Value::as_f64);
    let now = NOW as f64 / 1_000.0;
    let in_time = |name: &str| number(name).is_none_or(|begins| begins <= now + 60.0);
    for algorithm in [Algorithm::HS256, Algorithm::HS512] {
        let Some(token) = signed(algorithm) else { continue };
        if let Ok(found) = tokens.check(&token) {
            assert!(fine && algorithm == Algorithm::HS256, "another algorithm is taken: {head:?}");
            assert!(number("exp").is_some_and(|exp| exp > now - 1.0) && in_time("nbf") && in_time("iat"), "{claims}");
            let bot = claims.get("bot").and_then(Value::as_str).map(BotId::parse).and_then(Result::ok);
            assert!(
                found.bot == bot && claims.get("bot").is_none_or(|bot| bot.is_string() || bot.is_null()),
                "{claims}"
            );
        }
        let algorithms = vec!["HS256".to_owned()];
        let auth = ExternalAuth {
            enabled: true,
            public_key: Some(SECRET.into()),
            audience: Some("us".into()),
            algorithms,
            ..ExternalAuth::default()
        };
        let Some(external) = External::new(&auth, 32 << 10, Clock::manual(NOW)) else { continue };
        if let Ok(found) = external.check(&token) {
            assert!(fine && algorithm == Algorithm::HS256, "another algorithm is taken: {head:?}");
            let aud = &claims["aud"];
            assert!(*aud == "us" || aud.as_array().is_some_and(|all| all.contains(&"us".into())), "{claims}");
            assert!(number("exp").is_some_and(|exp| exp > now - 1.0), "{claims}");
            assert!(serde_json::from_str::<Map<String, Value>>(found.get()).is_ok(), "{found}");
        }
    }
}
