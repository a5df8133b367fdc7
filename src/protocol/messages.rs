//! The JSON bodies of frames, and the head of a dispatch that stands outside the JSON.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::config::ScriptLimits;
use crate::model::StateChange;
use crate::program::{Role, Script};

/// The running executable, as a path. On Linux it stays the same file when another is put in its place.
pub fn own_executable() -> std::io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

/// Identity of the running build, from its version and its file: server and worker must have the same, or a binary was
/// exchanged under a running server.
pub fn build_id() -> String {
    own_executable().map_or_else(|_| String::new(), |path| build_id_of(&path))
}

/// Identity that a worker of this executable says it has.
pub fn build_id_of(executable: impl AsRef<std::path::Path>) -> String {
    let file = std::fs::metadata(executable).map(|file| {
        let changed = file.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        (file.len(), changed.unwrap_or_default().as_nanos())
    });
    let (length, changed) = file.unwrap_or_default();
    format!("{}+{length:x}.{changed:x}", env!("CARGO_PKG_VERSION"))
}

/// All effects and requests of one event together may have as many bytes as this many of the largest frames: copies made
/// for the wall are not counted as memory of the script, and all others wait while much is written to the disk.
pub const EVENT_FRAMES: u64 = 1;

/// First frame to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// Identity of the build; a worker of another build exits.
    pub build: String,
    /// Limits of scripts.
    pub limits: ScriptLimits,
    /// Whether to lock itself in (`scripts.lockIn`).
    pub lock_in: bool,
    /// What scripts see as `process.env`: only what may be seen.
    pub env: BTreeMap<String, String>,
    /// `process.HOST`, `PORT`, `EXTERNAL_URL`, `PROXY`, `ROOT_PATH`.
    pub process: BTreeMap<String, serde_json::Value>,
    /// The server's public address, `BOT_URL` in content.
    pub external_url: String,
    /// `bp.version`.
    pub version: String,
    /// Which of the server's worker slots this is: part of the ids of events that scripts make.
    pub slot: u8,
    /// Whether to write full step traces.
    pub trace: bool,
    /// Whether it runs what another worker died on: it says which script begins before that does.
    pub suspect: bool,
    /// Lowest confidence of a suggestion that may be elected.
    pub minimum_confidence: f64,
    /// Within how many milliseconds the same source may not repeat itself; 0 is never checked.
    pub repeat_window_ms: u64,
    /// Nodes that one event may lead through before that counts as a loop.
    pub max_transitions: u32,
}

/// The worker stands ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// Identity of the build.
    pub build: String,
    /// How it is locked in: `seccomp+landlock`, `seccomp`, `limits`, `off`.
    pub lock_in: String,
}

/// What kind of work a dispatch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum DispatchKind {
    /// An incoming event goes its whole way. JSON: [`EventWork`].
    Event = 0,
    /// Hooks of one kind run with given arguments (start, mount, unmount). JSON: [`HookWork`].
    Hooks = 1,
    /// One hook file runs on one event (`nudge invoke`). JSON: [`InvokeWork`].
    Invoke = 2,
    /// The dialog of a session timed out. JSON: [`EventWork`] with an event of type `timeout`.
    Timeout = 3,
}

/// The head of a dispatch body: `version u64 | kind u8 | length of bot u8 | bot`, then JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchHead {
    /// The program's version that it runs on.
    pub version: u64,
    /// What kind of work.
    pub kind: DispatchKind,
    /// The bot; empty for work of no bot.
    pub bot: String,
}

impl DispatchHead {
    /// Writes the head; the JSON goes behind it.
    pub fn write(version: u64, kind: DispatchKind, bot: &str, out: &mut BytesMut) {
        out.put_u64_le(version);
        out.put_u8(kind as u8);
        out.put_u8(u8::try_from(bot.len()).unwrap_or(0));
        out.put_slice(bot.as_bytes());
    }

    /// Reads the head and leaves the JSON.
    pub fn read(mut body: bytes::Bytes) -> Option<(Self, bytes::Bytes)> {
        if body.len() < 10 {
            return None;
        }
        let version = body.get_u64_le();
        let kind = match body.get_u8() {
            0 => DispatchKind::Event,
            1 => DispatchKind::Hooks,
            2 => DispatchKind::Invoke,
            3 => DispatchKind::Timeout,
            _ => return None,
        };
        let length = body.get_u8() as usize;
        if body.len() < length {
            return None;
        }
        let bot = String::from_utf8(body.split_to(length).to_vec()).ok()?;
        Some((Self { version, kind, bot }, body))
    }
}

/// An incoming event and the state it finds. The server writes this text by hand (see [`event_work`]), the realm parses it.
#[derive(Debug, Serialize, Deserialize)]
pub struct EventWork {
    /// The event as JSON.
    pub event: Box<RawValue>,
    /// `{ user, session, temp, context, bot }`.
    pub state: Box<RawValue>,
}

/// The JSON of [`EventWork`] from its parts, without parsing any of them.
pub fn event_work(event: &str, state: &crate::model::StateSnapshot, out: &mut BytesMut) {
    for part in [
        "{\"event\":",
        event,
        ",\"state\":{\"user\":",
        &state.user,
        ",\"session\":",
        &state.session,
        ",\"temp\":",
        &state.temp,
        ",\"context\":",
        &state.context,
        ",\"bot\":",
        &state.bot,
        "}}",
    ] {
        out.put_slice(part.as_bytes());
    }
}

/// Hooks of one kind, without an event.
#[derive(Debug, Serialize, Deserialize)]
pub struct HookWork {
    /// The folder name of the kind.
    pub hook: String,
    /// The kind's arguments besides `bp`, by name.
    pub args: serde_json::Map<String, serde_json::Value>,
}

/// One hook file on one event.
#[derive(Debug, Serialize, Deserialize)]
pub struct InvokeWork {
    /// Index into the program's scripts.
    pub script: u32,
    /// The folder name of the kind it runs as.
    pub hook: String,
    /// The event as JSON.
    pub event: Box<RawValue>,
    /// `{ user, session, temp, context, bot }`.
    pub state: Box<RawValue>,
}

/// A script's effect: stored by the server under (event, sequence).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Id of the event made.
    pub id: crate::model::EventId,
    /// `incoming` (by `sendEvent`) or `outgoing`.
    pub direction: String,
    /// `event.type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its channel.
    pub channel: String,
    /// Its user.
    pub target: String,
    /// Its bot.
    pub bot_id: String,
    /// Its conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    /// The payload as the outgoing hooks left it.
    pub payload: Box<RawValue>,
    /// `event.preview` of an incoming one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// `event.nlu` of an incoming one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nlu: Option<Box<RawValue>>,
    /// `event.suggestions` of an incoming one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestions: Option<Box<RawValue>>,
    /// The incoming event that an outgoing one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incoming_event_id: Option<String>,
}

/// A line that a script or the engine wrote.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LogLine {
    /// `error`, `warn`, `info`, `debug`.
    pub level: String,
    /// What it says, one or more lines.
    pub message: String,
    /// Where it comes from, relative to the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The source around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
    /// Kind of hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// The bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<String>,
}

/// Hooks and dialog are done, and floating work has settled or had its 2 s.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Processed {
    /// What is to be stored; absent where the rules drop the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateChange>,
    /// `{ nlu, suggestions, decision, state, credentials }` as the event ended, for `/converse/…/secured`; only when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Box<RawValue>>,
    /// The steps so far: a JSON array, see `engine::trace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<RawValue>>,
    /// Whether nothing is left either: then no `Settled` follows.
    #[serde(default)]
    pub settled: bool,
    /// Errors that were reported while it ran.
    #[serde(default)]
    pub errors: u32,
}

/// Nothing of the dispatch is left.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Settled {
    /// Steps since `Processed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<RawValue>>,
    /// The result of `Hooks` and `Invoke` work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Box<RawValue>>,
    /// A limit ended it: what start and mount hooks had left behind is gone, and they are to run again.
    #[serde(default)]
    pub ended: bool,
}

/// A sign of life, each 50 ms.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Beat {
    /// Threads that run JavaScript right now.
    pub running: Vec<Running>,
}

/// One thread that runs JavaScript.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Running {
    /// What it works on.
    pub dispatch: u64,
    /// How long its present slice has been running, in milliseconds.
    pub slice_ms: u64,
    /// How long that slice may run, in milliseconds.
    pub allowed_ms: u64,
    /// The file it is in, relative to the workspace.
    pub file: String,
    /// The kind of hook.
    pub hook: String,
}

impl Running {
    /// A thread in a script of that file.
    pub fn new(dispatch: u64, slice_ms: u64, allowed_ms: u64, file: &Script) -> Self {
        let hook = match file.role {
            Role::Hook(kind) => kind.folder(),
            Role::Action => "action",
            Role::ContentType => "content type",
            Role::Module | Role::Json => "",
        };
        Self { dispatch, slice_ms, allowed_ms, file: file.path.to_string(), hook: hook.to_owned() }
    }
}

/// What came of compiling a candidate program.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Compiled {
    /// The candidate's version.
    pub version: u64,
    /// Scripts that do not compile or, for content types, do not evaluate.
    pub failures: Vec<CompileFailure>,
    /// What the content types say of themselves.
    pub content_types: Vec<ContentTypeInfo>,
}

/// A script that cannot be used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CompileFailure {
    /// Index into the program's scripts.
    pub script: u32,
    /// Why, where and what to do.
    pub error: LogLine,
}

/// A content type's description, from evaluating its file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContentTypeInfo {
    /// Index into the program's scripts.
    pub script: u32,
    /// Its id.
    pub id: String,
    /// `{ id, title, group, description, jsonSchema, uiSchema, hidden }` as JSON.
    pub meta: Box<RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dispatch_head_reads_back_as_written() {
        let mut out = BytesMut::new();
        DispatchHead::write(42, DispatchKind::Event, "welcome-bot", &mut out);
        out.put_slice(b"{}");
        let (head, rest) = DispatchHead::read(out.freeze()).unwrap();
        assert_eq!(head, DispatchHead { version: 42, kind: DispatchKind::Event, bot: "welcome-bot".into() });
        assert_eq!(&rest[..], b"{}");
    }
}
