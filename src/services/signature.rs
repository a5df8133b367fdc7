//! Signatures: hexadecimal HMAC-SHA256.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Hexadecimal HMAC-SHA256 of a message by a key.
pub(super) fn sign(key: &[u8], message: &str) -> String {
    let Some(mac) = mac(key, message) else { return String::new() };
    hexadecimal(&mac.finalize().into_bytes())
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether the signature is that of the message. The comparison takes as long whatever is wrong with it.
pub(super) fn is_signed(key: &[u8], message: &str, signature: &str) -> bool {
    let digits: Option<Vec<u8>> = signature.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() == 64) else { return false };
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    mac(key, message).is_some_and(|mac| mac.verify_slice(&bytes).is_ok())
}

fn mac(key: &[u8], message: &str) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(message.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_known_again_and_nothing_else_is() {
        let signature = sign(b"secret", "hello-ref");
        assert!(is_signed(b"secret", "hello-ref", &signature));
        assert!(is_signed(b"secret", "hello-ref", &signature.to_uppercase()));
        for wrong in ["", "bad", &signature[1..], &signature.replace(|digit| digit != 'x', "0"), &"é".repeat(64)] {
            assert!(!is_signed(b"secret", "hello-ref", wrong), "{wrong}");
        }
        assert!(!is_signed(b"other", "hello-ref", &signature) && !is_signed(b"secret", "hello", &signature));
    }
}
