//! A compiler: a copy of a zygote that compiles one candidate and ends. A file that hangs it takes nothing else with it.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::control::{Texts, WorkerError, add_texts, read_json};
use crate::engine::{BotRealm, Inbox, LoadedProgram};
use crate::program::image::ScriptRef;
use crate::program::{Program, Script, Source};
use crate::protocol::{Candidate, FrameKind};

/// Compiles what comes and answers.
pub(super) fn serve(realm: &BotRealm<'_>, texts: &mut Texts, socket: UnixStream) -> Result<(), WorkerError> {
    let inbox = Inbox::new(socket);
    while let Some(frame) = inbox.wait() {
        match frame.kind {
            FrameKind::Blobs => add_texts(texts, frame)?,
            FrameKind::Compile => {
                let Candidate { scripts, only } = read_json(&frame)?;
                let script = |script: ScriptRef| {
                    let text = texts.get(&script.blob).cloned();
                    let text = text.ok_or_else(|| WorkerError::Message(format!("{} has no text", script.path)))?;
                    let ScriptRef { path, blob, role, shape } = script;
                    Ok::<_, WorkerError>(Arc::new(Script { path, source: Source::known(text, blob), role, shape }))
                };
                let scripts = scripts.into_iter().map(script).collect::<Result<_, _>>()?;
                let loaded = Arc::new(LoadedProgram::new(Program { scripts, ..Program::default() }));
                let begin = |script| realm.host.tell(FrameKind::Compiling, script, &[]);
                let compiled = crate::engine::compile(realm, &loaded, &only, begin);
                realm.host.tell(FrameKind::Compiled, 0, &serde_json::to_vec(&compiled).unwrap_or_default());
            }
            FrameKind::Bots => {}
            kind => return Err(WorkerError::Message(format!("{kind:?} is not for compilers"))),
        }
    }
    std::process::exit(0)
}
