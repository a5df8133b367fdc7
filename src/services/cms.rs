//! `bp.cms`, as far as it needs the server: the files of a bot. Bytes come and go as base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::call::{Call, LONG, Outcome, json};
use super::error::ServiceError;
use super::media::{Media, MediaError};
use crate::model::BotId;

/// `saveFile(botId, name, content)`: the name under which it is kept.
pub(super) fn save_file(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let bot = bot(call)?;
    let name = call.args.text(1, "fileName")?;
    let wrong = || call.args.wrong(2, "content", "a Buffer");
    let bytes = STANDARD.decode(call.args.string(2, "content")?).map_err(|_| wrong())?;
    call.services.media.fits(bytes.len() as u64).map_err(|error| call.refused(error.to_string()))?;
    Ok(beside(call, bytes.len() as u64, move |media| media.save(&bot, &name, &bytes)))
}

/// `readFile(botId, name)`.
pub(super) fn read_file(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let bot = bot(call)?;
    let name = call.args.text(1, "fileName")?;
    Ok(beside(call, LONG, move |media| media.read(&bot, &name).map(|bytes| STANDARD.encode(bytes))))
}

/// A bot that there is. It may be another one than the script's: as with `kvs`, the bots of a workspace trust each other.
fn bot(call: &Call<'_>) -> Result<BotId, ServiceError> {
    let given = call.args.text(0, "botId")?;
    let known = BotId::parse(&given).ok().filter(|bot| call.services.bots.borrow().0.contains_key(bot));
    known.ok_or_else(|| call.refused(format!("there is no bot \"{given}\"")))
}

/// Does what may block on a thread made for that.
fn beside(
    call: &Call<'_>,
    bytes: u64,
    work: impl FnOnce(&Media) -> Result<String, MediaError> + Send + 'static,
) -> Outcome {
    let method = call.method;
    call.beside(bytes, move |services| match work(&services.media) {
        Ok(text) => json(&text),
        Err(error) => Err(ServiceError::Refused { method, message: error.to_string() }),
    })
}
