//! The JSON bodies of frames, and the head of a dispatch that stands outside the JSON.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::config::ScriptLimits;
use crate::model::StateChange;

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
    /// Whether a bot's scripts may speak for that bot alone (`scripts.isolation`).
    pub per_bot: bool,
    /// What scripts see as `process.env`: only what may be seen.
    pub env: BTreeMap<String, String>,
    /// `process.HOST`, `PORT`, `EXTERNAL_URL`, `PROXY`, `ROOT_PATH`.
    pub process: BTreeMap<String, serde_json::Value>,
    /// The server's public address, `BOT_URL` in content.
    pub external_url: String,
    /// `bp.version`.
    pub version: String,
    /// Whether to write full step traces.
    pub trace: bool,
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

/// The head of a dispatch body: `kind u8 | length of resume u32 | resume`, then JSON. `resume` is what another realm left of the
/// event (a `Resume` frame), empty where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkHead {
    /// What kind of work.
    pub kind: DispatchKind,
    /// Opaque to the server.
    pub resume: bytes::Bytes,
}

impl WorkHead {
    /// Writes the head; the JSON goes behind it.
    pub fn write(kind: DispatchKind, resume: &[u8], out: &mut BytesMut) {
        out.put_u8(kind as u8);
        // It came in a frame, and those are capped far below 4 GiB.
        out.put_u32_le(u32::try_from(resume.len()).unwrap_or(u32::MAX));
        out.put_slice(resume);
    }

    /// Reads the head and leaves the JSON.
    pub fn read(mut body: bytes::Bytes) -> Option<(Self, bytes::Bytes)> {
        if body.len() < 5 {
            return None;
        }
        let kind = match body.get_u8() {
            0 => DispatchKind::Event,
            1 => DispatchKind::Hooks,
            2 => DispatchKind::Invoke,
            3 => DispatchKind::Timeout,
            _ => return None,
        };
        let length = body.get_u32_le() as usize;
        if body.len() < length {
            return None;
        }
        let resume = body.split_to(length);
        Some((Self { kind, resume }, body))
    }
}

/// What a copy of a zygote becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkAs {
    /// A zygote of its own.
    Zygote,
    /// A realm with that place on the board and among the makers of event ids.
    Realm {
        /// The place.
        slot: u16,
    },
    /// A process that compiles one candidate.
    Compiler {
        /// Its place on the board.
        slot: u16,
    },
}

impl ForkAs {
    /// Three bytes.
    pub fn to_bytes(self) -> [u8; 3] {
        let (kind, slot) = match self {
            Self::Zygote => (0, 0),
            Self::Realm { slot } => (1, slot),
            Self::Compiler { slot } => (2, slot),
        };
        let [low, high] = slot.to_le_bytes();
        [kind, low, high]
    }

    /// Reads them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [kind, low, high] = *bytes else { return None };
        let slot = u16::from_le_bytes([low, high]);
        match kind {
            0 => Some(Self::Zygote),
            1 => Some(Self::Realm { slot }),
            2 => Some(Self::Compiler { slot }),
            _ => None,
        }
    }
}

/// Why a realm must not have another event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Unfit {
    /// A script ran into a limit of time: what it was in the middle of is half done.
    Limit = 1,
    /// It ran out of memory, after which nothing in it can be relied upon.
    Memory = 2,
    /// What the event left behind cannot be removed.
    Unclean = 3,
    /// It has run so many events that what modules keep in their own variables may have grown.
    Worn = 4,
    /// It computed for so long that its priority was lowered for good.
    Slowed = 5,
    /// Every event has a realm of its own (`scripts.realms`), or it ran hooks without an event.
    Single = 6,
}

impl Unfit {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Limit, Self::Memory, Self::Unclean, Self::Worn, Self::Slowed, Self::Single];

    /// As it stands in a `Free` frame.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|one| *one as u32 == number)
    }

    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Memory => "memory",
            Self::Unclean => "unclean",
            Self::Worn => "worn",
            Self::Slowed => "slowed",
            Self::Single => "single",
        }
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
    /// The script's path.
    pub script: String,
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
    /// Number of the request that is answered when an incoming one is stored, or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<u32>,
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

/// What came of compiling a candidate program.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Compiled {
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
    fn the_head_of_a_dispatch_reads_back_as_written() {
        let mut out = BytesMut::new();
        WorkHead::write(DispatchKind::Timeout, b"left", &mut out);
        out.put_slice(b"{}");
        let (head, rest) = WorkHead::read(out.freeze()).unwrap();
        assert_eq!(head, WorkHead { kind: DispatchKind::Timeout, resume: bytes::Bytes::from_static(b"left") });
        assert_eq!(&rest[..], b"{}");
        assert!(WorkHead::read(bytes::Bytes::from_static(b"\0\x05\0\0\0left")).is_none());
    }

    #[test]
    fn what_a_copy_becomes_reads_back_as_written() {
        for become_ in [ForkAs::Zygote, ForkAs::Realm { slot: 1_999 }, ForkAs::Compiler { slot: 7 }] {
            assert_eq!(ForkAs::from_bytes(&become_.to_bytes()), Some(become_));
        }
        assert_eq!(ForkAs::from_bytes(&[9, 0, 0]), None);
    }
}
