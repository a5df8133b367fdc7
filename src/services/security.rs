//! `bp.security`: signatures with the application's secret, which itself stays here.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::ServiceError;
use super::call::{Call, Outcome, json};
use super::tokens::is_head_of_token;

/// `getMessageSignature(message)`.
pub(super) fn signature(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let message = call.args.text(0, "message")?;
    // Tokens are signed with the same secret: nobody but `Tokens` decides who gets one, and for how long.
    if is_head_of_token(&message) {
        return Err(call.refused("the head and the claims of a token are not signed".to_owned()));
    }
    json(&sign(&call.services.secret, &message)).map(Outcome::Now)
}

/// Hexadecimal HMAC-SHA256.
pub(super) fn sign(secret: &str, message: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(message.as_bytes());
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
