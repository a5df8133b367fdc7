//! Visitors of the web channel and their secrets: nobody reads or writes as somebody else.
//!
//! Nothing is stored of a secret: it is a signature of the id. An id that was issued together with one can be told by its
//! form, so it stays protected whatever else is forgotten of it.

use rand::RngExt as _;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};

use crate::config::settings::VisitorSecret;
use crate::model::UserId;

use super::signature::{is_signed, sign};

/// How ids begin that are issued here.
const PREFIX: &str = "nv1-";
/// Random letters and digits behind it: 131 bits.
const LENGTH: usize = 22;

/// Why somebody is not taken for the visitor he says he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VisitorError {
    /// The id has a secret and none came with it.
    #[error("this visitor id needs its secret")]
    Missing,
    /// Another one came with it.
    #[error("this is not the secret of this visitor id")]
    Wrong,
}

impl VisitorError {
    /// What clients tell it by.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "visitor_secret_required",
            Self::Wrong => "visitor_secret_invalid",
        }
    }
}

/// Makes visitors, and tells whether somebody is one.
pub struct Visitors {
    key: [u8; 32],
    rule: VisitorSecret,
}

impl std::fmt::Debug for Visitors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visitors").field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl Visitors {
    /// Visitors of an application's secret.
    pub(super) fn new(secret: &str, rule: VisitorSecret) -> Self {
        // Scripts may have anything signed by HMAC with the application's secret (`bp.security.getMessageSignature`). A plain
        // hash of it is none of those signatures, so that no script can make this key.
        let key = Sha256::new().chain_update(b"nudge visitor secrets 1\0").chain_update(secret).finalize();
        Self { key: key.into(), rule }
    }

    /// An id that nobody has, with its secret.
    pub fn issue(&self) -> (String, String) {
        let random = rand::rng().sample_iter(Alphanumeric).take(LENGTH).map(char::from);
        let id: String = PREFIX.chars().chain(random).collect();
        let secret = self.secret_of(&id);
        (id, secret)
    }

    /// The secret of an id, in hexadecimal.
    pub fn secret_of(&self, id: &str) -> String {
        sign(&self.key, &signed(id))
    }

    /// Whether a caller may act as that visitor. Takes the same time whichever secret was given.
    pub fn check(&self, id: &UserId, given: Option<&str>) -> Result<(), VisitorError> {
        let needed = match self.rule {
            VisitorSecret::Off => false,
            VisitorSecret::Always => true,
            VisitorSecret::Issued => is_issued(id.as_str()),
        };
        if !needed {
            return Ok(());
        }
        let given = given.filter(|given| !given.is_empty()).ok_or(VisitorError::Missing)?;
        if is_signed(&self.key, &signed(id.as_str()), given) { Ok(()) } else { Err(VisitorError::Wrong) }
    }
}

/// What a secret is the signature of.
fn signed(id: &str) -> String {
    format!("visitor:{id}")
}

/// Whether an id was issued together with a secret.
fn is_issued(id: &str) -> bool {
    let random = id.strip_prefix(PREFIX);
    random.is_some_and(|random| random.len() == LENGTH && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::super::signature::hexadecimal;
    use super::*;

    fn id(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    #[test]
    fn an_issued_id_is_good_with_its_own_secret_only() {
        let visitors = Visitors::new("s", VisitorSecret::Issued);
        let (name, secret) = visitors.issue();
        assert!(is_issued(&name) && secret.len() == 64, "{name} {secret}");
        let (other, others) = visitors.issue();
        assert_ne!(name, other);
        assert_eq!(visitors.check(&id(&name), Some(&secret)), Ok(()));
        assert_eq!(visitors.check(&id(&name), None), Err(VisitorError::Missing));
        assert_eq!(visitors.check(&id(&name), Some("")), Err(VisitorError::Missing));
        let cut = &secret[..63];
        for wrong in [others.as_str(), "x", cut, "é".repeat(32).as_str(), &secret.replace(|_: char| true, "g")] {
            assert_eq!(visitors.check(&id(&name), Some(wrong)), Err(VisitorError::Wrong), "{wrong}");
        }
        let elsewhere = Visitors::new("another", VisitorSecret::Issued);
        assert_eq!(elsewhere.check(&id(&name), Some(&secret)), Err(VisitorError::Wrong));
    }

    #[test]
    fn ids_of_old_clients_need_no_secret_unless_told() {
        let issued = Visitors::new("s", VisitorSecret::Issued);
        for old in ["vmwrh9ce26em", "nv1-", "nv1-short", "ann@example.com", "nv1-aaaaaaaaaaaaaaaaaaaaa_"] {
            assert_eq!(issued.check(&id(old), None), Ok(()), "{old}");
        }
        let always = Visitors::new("s", VisitorSecret::Always);
        assert_eq!(always.check(&id("ann"), None), Err(VisitorError::Missing));
        assert_eq!(always.check(&id("ann"), Some(&always.secret_of("ann"))), Ok(()));
        let off = Visitors::new("s", VisitorSecret::Off);
        assert_eq!(off.check(&id(&off.issue().0), None), Ok(()));
    }

    #[test]
    fn no_signature_that_scripts_can_ask_for_is_a_visitors_secret_or_its_key() {
        let visitors = Visitors::new("s", VisitorSecret::Issued);
        let (name, secret) = visitors.issue();
        let key = hexadecimal(&visitors.key);
        for message in [name.as_str(), &format!("visitor:{name}"), "nudge visitor secrets 1\0", ""] {
            let signature = sign(b"s", message);
            assert!(signature != secret && signature != key, "{message:?}");
        }
    }
}
