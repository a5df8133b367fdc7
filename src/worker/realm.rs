//! A realm: a copy of a bot's zygote that runs one event after the other, and ends when it is of no more use.

use std::os::unix::net::UnixStream;

use super::control::WorkerError;
use crate::engine::run::Run;
use crate::engine::{BotRealm, Inbox, Outcome, RealmJob};
use crate::protocol::FrameKind;

/// Runs what comes, until it must not go on or nobody is there any more.
pub(super) fn serve(realm: &BotRealm<'_>, socket: UnixStream) -> Result<(), WorkerError> {
    let inbox = Inbox::new(socket);
    while let Some(frame) = inbox.wait() {
        match frame.kind {
            // What was taken back meanwhile runs elsewhere.
            FrameKind::Dispatch if !realm.host.meter.place().claim(frame.number as u16) => {}
            FrameKind::Dispatch => {
                let job = RealmJob::read(frame.dispatch, frame.body)
                    .ok_or_else(|| WorkerError::Message("a dispatch that cannot be read".into()))?;
                match Run::new(realm, &inbox, job).run() {
                    Outcome::Done { unfit: None } => {}
                    Outcome::Done { unfit: Some(_) } | Outcome::Again(_) => break,
                }
            }
            FrameKind::Bots => realm.host.set_bots(&frame.body),
            // An answer or a cancellation that comes late for a dispatch that is over.
            FrameKind::Result | FrameKind::Fetched | FrameKind::Cancel => {}
            kind => return Err(WorkerError::Message(format!("{kind:?} is not for realms"))),
        }
    }
    // What is left needs no tidying: the process ends.
    std::process::exit(0)
}
