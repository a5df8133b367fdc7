//! `bp.security`: signatures with the application's secret, which itself stays here.

use sha2::{Digest, Sha256};

use super::call::{Call, Outcome, json};
use super::error::ServiceError;
use super::signature::sign;
use super::tokens::is_head_of_token;
use crate::model::BotId;

/// `getMessageSignature(message)`.
pub(super) fn signature(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let message = call.args.text(0, "message")?;
    // Tokens are signed with the same secret: nobody but `Tokens` decides who gets one, and for how long.
    if is_head_of_token(&message) {
        return Err(call.refused("the head and the claims of a token are not signed".to_owned()));
    }
    let secret = &call.services.secret;
    let signature = match call.services.within(call.caller) {
        Some(own) => sign(&key_of(secret, own), &message),
        None => sign(secret.as_bytes(), &message),
    };
    json(&signature).map(Outcome::Now)
}

/// The key by which scripts of a bot sign where bots are kept apart: what one signs is good on no other one's routes. As that
/// of visitors it is none of the signatures that scripts may ask for.
pub(super) fn key_of(secret: &str, bot: &BotId) -> [u8; 32] {
    let digest = Sha256::new().chain_update(b"nudge signatures of a bot 1\0").chain_update(bot.as_str());
    digest.chain_update([0]).chain_update(secret).finalize().into()
}
