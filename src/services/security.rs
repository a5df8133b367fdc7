//! `bp.security`: signatures with the application's secret, which itself stays here.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::ServiceError;
use super::call::{Call, Outcome, json};

/// `getMessageSignature(message)`.
pub(super) fn signature(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let message = call.args.text(0, "message")?;
    json(&sign(&call.services.secret, &message)).map(Outcome::Now)
}

/// Hexadecimal HMAC-SHA256.
pub(super) fn sign(secret: &str, message: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(message.as_bytes());
    let mut text = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
