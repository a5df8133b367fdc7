//! `bp.security`: signatures with the application's secret, which itself stays here.

use super::call::{Call, Outcome, json};
use super::error::ServiceError;
use super::signature::sign;
use super::tokens::is_head_of_token;

/// `getMessageSignature(message)`.
pub(super) fn signature(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let message = call.args.text(0, "message")?;
    // Tokens are signed with the same secret: nobody but `Tokens` decides who gets one, and for how long.
    if is_head_of_token(&message) {
        return Err(call.refused("the head and the claims of a token are not signed".to_owned()));
    }
    json(&sign(call.services.secret.as_bytes(), &message)).map(Outcome::Now)
}
