//! `pro.externalAuth`: tokens of another system that say who a user is, and the key by which they are verified.

use std::str::FromStr as _;

use jsonwebtoken::{Algorithm, DecodingKey};

/// What is configured of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExternalAuth {
    /// `pro.externalAuth.enabled`.
    pub enabled: bool,
    /// `pro.externalAuth.audience`: who the tokens must be for.
    pub audience: Option<String>,
    /// `pro.externalAuth.issuer`: who may have made them; empty is anybody with the key.
    pub issuers: Vec<String>,
    /// `pro.externalAuth.algorithms`; empty is the usual one of the key.
    pub algorithms: Vec<String>,
    /// `pro.externalAuth.allowWithoutExpiry`: tokens that do not say until when they are good are taken as well.
    pub allow_without_expiry: bool,
    /// `pro.externalAuth.publicKey`, or the text of the file [`KEY_FILE`].
    pub public_key: Option<String>,
}

/// The file that may hold the key.
pub const KEY_FILE: &str = "end_users_auth.pub";

/// The algorithms by their names, in the order in which they are listed to people.
const NAMES: &str = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512";

impl ExternalAuth {
    /// The key, and the algorithms that tokens may be signed with: never those of another kind of key, so that a public key
    /// cannot be used as a secret that everybody knows.
    ///
    /// # Errors
    /// What is wrong with the key or the algorithms, for people.
    pub fn verification(&self) -> Result<(DecodingKey, Vec<Algorithm>), String> {
        let algorithms = self.algorithms.iter().map(|name| algorithm(name)).collect::<Result<Vec<_>, _>>()?;
        let key = self.public_key.as_deref().map(str::trim).filter(|key| !key.is_empty()).ok_or_else(|| {
            format!("\"pro.externalAuth\" needs a key: put it into \"pro.externalAuth.publicKey\", or into the file {KEY_FILE}")
        })?;
        if !key.contains("-----BEGIN") {
            return shared_secret(key, algorithms);
        }
        if key.contains("PRIVATE KEY") {
            return Err(
                "the key of \"pro.externalAuth\" is a private one, which nobody but the signing system should \
                        have: make a new pair there, and give this server the public half"
                    .into(),
            );
        }
        // One line with `\n` written out is how such a key gets into an environment variable.
        let (key, usual) = public_key(key.replace("\\n", "\n").as_bytes())?;
        if algorithms.is_empty() {
            return Ok((key, usual[..1].to_vec()));
        }
        if let Some(other) = algorithms.iter().find(|algorithm| !usual.contains(algorithm)) {
            let fine: Vec<String> = usual.iter().map(|algorithm| format!("{algorithm:?}")).collect();
            return Err(format!(
                "\"pro.externalAuth.algorithms\" has {other:?}, which the public key is not for; it can verify {}",
                fine.join(", ")
            ));
        }
        Ok((key, algorithms))
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_str(name)
        .map_err(|_| format!("\"pro.externalAuth.algorithms\" has {name:?}, which is none of {NAMES}"))
}

/// A key that both sides know. It must be asked for in so many words.
fn shared_secret(secret: &str, algorithms: Vec<Algorithm>) -> Result<(DecodingKey, Vec<Algorithm>), String> {
    let shared = |algorithm: &Algorithm| matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
    if algorithms.is_empty() || !algorithms.iter().all(shared) {
        return Err(
            "the key of \"pro.externalAuth\" is no public key in PEM form (\"-----BEGIN PUBLIC KEY-----\"); if it \
                    is a secret that both sides know, say so with \"algorithms\": [\"HS256\"]"
                .into(),
        );
    }
    Ok((DecodingKey::from_secret(secret.as_bytes()), algorithms))
}

/// A public key, and what it can verify, the usual algorithm first.
fn public_key(pem: &[u8]) -> Result<(DecodingKey, Vec<Algorithm>), String> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
        return Ok((key, vec![RS256, RS384, RS512, PS256, PS384, PS512]));
    }
    if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        // The library does not tell which curve it is.
        return Ok((key, vec![ES256, ES384]));
    }
    if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        return Ok((key, vec![EdDSA]));
    }
    Err("the key of \"pro.externalAuth\" cannot be read: it must be a public key in PEM form, RSA, P-256, P-384 or \
         Ed25519"
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA: &str = include_str!("../../tests/keys/rsa.pub");
    const P256: &str = include_str!("../../tests/keys/p256.pub");

    fn verification(key: &str, algorithms: &[&str]) -> Result<Vec<Algorithm>, String> {
        let algorithms = algorithms.iter().map(|name| (*name).to_owned()).collect();
        let auth = ExternalAuth { public_key: Some(key.into()), algorithms, ..ExternalAuth::default() };
        auth.verification().map(|(_, algorithms)| algorithms)
    }

    #[test]
    fn a_public_key_verifies_by_its_own_algorithms_and_by_no_other() {
        use Algorithm::{ES256, RS256, RS512};
        assert_eq!(verification(RSA, &[]), Ok(vec![RS256]));
        assert_eq!(verification(RSA, &["RS512", "RS256"]), Ok(vec![RS512, RS256]));
        assert_eq!(verification(P256, &[]), Ok(vec![ES256]));
        assert_eq!(verification(&P256.replace('\n', "\\n"), &["ES256"]), Ok(vec![ES256]));
        for (key, algorithms) in
            [(RSA, vec!["HS256"]), (RSA, vec!["RS256", "HS256"]), (RSA, vec!["ES256"]), (P256, vec!["RS256"])]
        {
            let error = verification(key, &algorithms).unwrap_err();
            assert!(error.contains("which the public key is not for"), "{error}");
        }
        assert!(verification(RSA, &["none"]).unwrap_err().contains("\"none\", which is none of RS256"));
    }

    #[test]
    fn a_secret_is_one_only_where_that_is_said() {
        assert_eq!(verification("between us", &["HS256"]), Ok(vec![Algorithm::HS256]));
        for algorithms in [vec![], vec!["RS256"], vec!["HS256", "RS256"]] {
            assert!(verification("between us", &algorithms).unwrap_err().contains("no public key in PEM form"));
        }
    }

    #[test]
    fn a_key_that_is_missing_private_or_broken_is_said_in_words() {
        assert!(verification(" ", &[]).unwrap_err().contains("needs a key"));
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
        assert!(verification(private, &[]).unwrap_err().contains("is a private one"));
        let broken = RSA.replace('M', "N");
        assert!(verification(&broken, &[]).unwrap_err().contains("cannot be read"), "{broken}");
    }
}
