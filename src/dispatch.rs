//! From "accepted" to "done": the durable queue's turns, the worker processes, and what scripts send back.
//!
//! One task, the `core`, owns every turn, every dispatch and every worker; whoever wants something sends it a message.
//! What must be durable goes to the store first, and its completion is what sends the message: so the order in memory is
//! the order of the commits, and nobody is told of anything that a crash could still take back.

mod accept;
mod admission;
mod collect;
mod core;
mod credit;
mod deaths;
mod effects;
mod faults;
mod fetches;
mod hello;
mod hold;
mod memory;
mod outcome;
mod patience;
mod pool;
mod process;
#[cfg(test)]
mod process_tests;
mod requests;
pub mod solo;
mod standing;
mod stats;
mod timeouts;
mod traces;
mod turns;
mod verdict;
mod watch;
mod work;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::clock::Clock;
use crate::config::Settings;
use crate::model::{BotId, ConversationKey};
use crate::program::{CompileRequest, HookKind, Program};
use crate::protocol::{CompileFailure, Compiled, LogLine};
use crate::services::Services;
use crate::store::{Lifetimes, Store, StoreError, StoredMessage};

pub use admission::FullQueue;
pub use faults::Fault;
pub use process::WorkerCommand;
pub use stats::Stats;
pub use traces::Traces;

use admission::Admission;
use core::{Control, HookRun};
use faults::Faults;
use stats::Counters;
use timeouts::Timeouts;

/// Notices that a slow subscriber may lag behind.
const NOTICES: usize = 4_096;
/// As many files that hang the compiler are left out of a candidate before it is given up.
const HANGING_FILES: usize = 5;

/// Takes events and has them run. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher(Arc<Shared>);

/// What the dispatcher's task and its callers share.
struct Shared {
    settings: Arc<Settings>,
    clock: Clock,
    store: Store,
    services: Services,
    command: WorkerCommand,
    /// What workers of that command say they are.
    build: String,
    /// The zero of times that are kept as milliseconds.
    started: Instant,
    control: mpsc::UnboundedSender<Control>,
    admission: Admission,
    counters: Counters,
    timeouts: Timeouts,
    traces: Traces,
    faults: Faults,
    notices: broadcast::Sender<Notice>,
    stopping: AtomicBool,
}

/// Why an event was not accepted: nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Too many wait already: 503 with Retry-After.
    #[error("{waiting} {}; try again in {retry_after} s", match queue { FullQueue::Conversation => "already wait for this user", FullQueue::Bot => "already wait for this bot", FullQueue::Bytes => "MB of events wait already" })]
    Full {
        /// Which queue is full.
        queue: FullQueue,
        /// How many wait in it; of [`FullQueue::Bytes`], how many megabytes.
        waiting: usize,
        /// Seconds until there may be room.
        retry_after: u32,
    },
    /// The store refused it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is stopping: 503.
    #[error("the server is stopping; try again in a few seconds")]
    Stopping,
}

/// Why a caller of `/converse` got no replies.
#[derive(Debug, thiserror::Error)]
pub enum ConverseError {
    /// The event did not settle within `converse.timeout`. It goes on; its replies are stored and answer nobody.
    #[error("the bot did not answer within {0} ms (`converse.timeout`)")]
    TimedOut(u64),
    /// The event was not accepted.
    #[error(transparent)]
    Accept(#[from] AcceptError),
}

/// The replies of one event.
#[derive(Debug, Default)]
pub struct Conversed {
    /// The payloads in order, typing included.
    pub responses: Vec<Box<RawValue>>,
    /// `{ nlu, suggestions, decision, state, credentials }` as the event ended, if it was asked for.
    pub event: Option<Box<RawValue>>,
}

/// Why the workers could not do something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DispatchError {
    /// A worker does not start, or does not lock itself in.
    #[error("script workers do not start: {0}")]
    Worker(String),
    /// The store could not be read at the start.
    #[error("the event queue cannot be read: {0}")]
    Store(String),
    /// The compiler overran or died, and no single file is to blame.
    #[error("the scripts could not be compiled: {why}{}", .file.as_ref().map(|file| format!(", in {file}")).unwrap_or_default())]
    Compiler {
        /// What happened.
        why: String,
        /// The file it was at, if known.
        file: Option<String>,
    },
    /// A hook without an event was ended: its worker was killed or died.
    #[error("the hook was ended: {0}")]
    Ended(String),
    /// The program cannot be sent.
    #[error("the workspace cannot be sent to the workers: {0}")]
    Program(String),
    /// The dispatcher has stopped.
    #[error("the server is stopping")]
    Stopping,
}

/// How the workers stand ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedIn {
    /// Processes that run events; one spare and one resident are beside them.
    pub workers: usize,
    /// `seccomp+landlock`, `seccomp`, `limits`, `off`.
    pub how: String,
}

/// What subscribers are told, after it is committed and in the order of the commits.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A message is stored, of the user or of the bot.
    Stored {
        /// Bot, channel and user.
        key: ConversationKey,
        /// The message.
        message: Arc<StoredMessage>,
        /// From when on it may be seen, in milliseconds since the epoch; it may lie ahead.
        deliver_at: u64,
    },
    /// The bot shows that it types.
    Typing {
        /// Bot, channel and user.
        key: ConversationKey,
        /// The conversation, as text.
        thread: Option<Arc<str>>,
        /// How long, in milliseconds.
        length: u64,
        /// When it begins, in milliseconds since the epoch: after what is held already.
        at: u64,
    },
    /// A reply of type `data`: it is for the page that the chat is in, and is stored nowhere.
    Data {
        /// Bot, channel and user.
        key: ConversationKey,
        /// The whole payload.
        payload: Arc<RawValue>,
        /// When it is told, in milliseconds since the epoch: after what is held already.
        at: u64,
    },
}

impl Dispatcher {
    /// Starts the workers and takes up what an earlier run left in the queue. Must be called within a tokio runtime.
    /// Events wait until a program is published.
    pub fn start(
        settings: Arc<Settings>,
        clock: Clock,
        store: Store,
        services: Services,
        command: WorkerCommand,
    ) -> Result<Self, DispatchError> {
        let (control, messages) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            admission: Admission::new(&settings.dispatch),
            timeouts: Timeouts::new(&settings),
            traces: Traces::new(settings.dispatch.trace_bytes),
            faults: Faults::default(),
            settings,
            clock,
            store,
            services,
            build: command.build(),
            command,
            started: Instant::now(),
            control,
            counters: Counters::default(),
            notices: broadcast::channel(NOTICES).0,
            stopping: AtomicBool::new(false),
        });
        core::start(Arc::clone(&shared), messages)?;
        Ok(Self(shared))
    }

    /// Waits until the first workers stand ready, or says why they do not.
    pub async fn ready(&self) -> Result<LockedIn, DispatchError> {
        let (answer, receiver) = oneshot::channel();
        self.0.tell(Control::WhenReady(answer));
        receiver.await.unwrap_or(Err(DispatchError::Stopping))
    }

    /// Puts a program into service: events dispatched from now on run on it, those of its bots that waited begin. What is
    /// stored from now on lives as long as `lifetimes` say; of a bot that is not named there, as long as the settings do.
    pub fn publish(&self, program: &Program, lifetimes: &HashMap<BotId, Lifetimes>) -> Result<(), DispatchError> {
        let frame = to_frame(program, self.0.settings.scripts.frame)?;
        let bots: Vec<BotId> = program.bots.keys().filter_map(|id| BotId::parse(id).ok()).collect();
        self.0.timeouts.serve(&bots, lifetimes);
        let sources = standing::sources(program);
        self.0.tell(Control::Publish { version: program.version, frame, bots, sources });
        Ok(())
    }

    /// Has the spare worker compile a candidate: 2 s a file, at most 30 s, then it is killed. A file that hangs the
    /// compiler becomes a failure like any other, and the rest is compiled without it.
    pub async fn compile(&self, request: &CompileRequest) -> Result<Compiled, DispatchError> {
        let mut attempt = Attempt::new(&request.program);
        loop {
            let (answer, receiver) = oneshot::channel();
            let program = attempt.program();
            let frame = to_frame(program, self.0.settings.scripts.frame)?;
            self.0.tell(Control::Compile { frame, files: paths(program), answer });
            if let Some(outcome) = attempt.outcome(receiver.await.unwrap_or(Err(DispatchError::Stopping))) {
                return outcome;
            }
        }
    }

    /// Runs the hooks of one kind that have no event, in the resident worker, and waits until they are done. What they
    /// leave behind (timers, listeners) lives on there. `args` are the kind's arguments besides `bp`.
    pub async fn run_hooks(
        &self,
        kind: HookKind,
        bot: Option<&BotId>,
        args: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Box<RawValue>, DispatchError> {
        let (answer, receiver) = oneshot::channel();
        self.0.tell(Control::RunHooks(HookRun { kind, bot: bot.cloned(), args, answer: Some(answer), renew: false }));
        receiver.await.unwrap_or(Err(DispatchError::Stopping))
    }

    /// What is told after each commit, for realtime. A receiver that lags finds what it missed in the store.
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// The last errors of scripts, newest first; empty in production.
    pub fn faults(&self) -> Vec<Fault> {
        self.0.faults.recent()
    }

    /// The last events' traces; empty in production.
    pub fn traces(&self) -> Traces {
        self.0.traces.clone()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.0.counters.read()
    }

    /// Refuses new events, lets what runs finish for at most `limit`, and ends the workers. What still waits is in the
    /// store and runs after the next start.
    pub async fn stop(&self, limit: Duration) {
        self.0.stopping.store(true, Ordering::SeqCst);
        let (answer, receiver) = oneshot::channel();
        self.0.tell(Control::Stop { limit, answer });
        // The task is gone already if nobody answers.
        let _ = receiver.await;
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Sends the task a message. It ends only when the server does; then nobody waits for an answer.
    fn tell(&self, control: Control) {
        let _ = self.control.send(control);
    }

    fn notify(&self, notice: Notice) {
        // An error says that nobody listens.
        let _ = self.notices.send(notice);
    }
}

/// Compiling a candidate, again and again until no file hangs or breaks the compiler: such a file becomes a failure like
/// any other, and the rest is compiled without it.
struct Attempt<'p> {
    program: Cow<'p, Program>,
    hanging: Vec<CompileFailure>,
}

impl<'p> Attempt<'p> {
    fn new(candidate: &'p Program) -> Self {
        Self { program: Cow::Borrowed(candidate), hanging: Vec::new() }
    }

    /// What to compile next.
    fn program(&self) -> &Program {
        &self.program
    }

    /// What came of it; `None` is to try again.
    fn outcome(&mut self, result: Result<Compiled, DispatchError>) -> Option<Result<Compiled, DispatchError>> {
        let (why, file) = match result {
            Ok(mut compiled) => {
                compiled.failures.append(&mut self.hanging);
                return Some(Ok(compiled));
            }
            Err(DispatchError::Compiler { why, file: Some(file) }) if self.hanging.len() < HANGING_FILES => (why, file),
            Err(error) => return Some(Err(error)),
        };
        let at = self.program.scripts.iter().position(|script| *script.path == *file);
        let known = |at: &usize| self.hanging.iter().any(|failure| failure.script as usize == *at);
        let Some(at) = at.filter(|at| !known(at)) else {
            return Some(Err(DispatchError::Compiler { why, file: Some(file) }));
        };
        self.hanging.push(hanging_file(at, &file, &why));
        Arc::make_mut(&mut self.program.to_mut().scripts[at]).source = "".into();
        None
    }
}

/// A program as it is sent to workers, of `limit` bytes at most: each worker holds it as a whole.
fn paths(program: &Program) -> Vec<Arc<str>> {
    program.scripts.iter().map(|script| Arc::clone(&script.path)).collect()
}

fn to_frame(program: &Program, limit: u64) -> Result<Bytes, DispatchError> {
    let text = serde_json::to_vec(program).map_err(|error| DispatchError::Program(error.to_string()))?;
    if text.len() as u64 > limit {
        return Err(DispatchError::Program(format!(
            "its scripts, elements and flows have {} bytes together, at most {limit} are allowed (`scripts.frame`); remove \
             what is not used, or raise the limit",
            text.len()
        )));
    }
    Ok(text.into())
}

fn hanging_file(script: usize, file: &str, why: &str) -> CompileFailure {
    CompileFailure {
        script: u32::try_from(script).unwrap_or(u32::MAX),
        error: LogLine {
            level: "error".into(),
            message: format!("{why}: its top level runs too long or breaks the compiler"),
            file: Some(file.to_owned()),
            line: None,
            column: None,
            frame: None,
            hook: None,
            bot: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Role, Script, Shape};

    #[test]
    fn a_program_too_large_for_the_wall_is_refused_in_words() {
        let script = Script {
            path: "a.js".into(),
            source: "x".repeat(1_000).into(),
            role: Role::Module,
            shape: Shape::default(),
        };
        let program = Program { scripts: vec![Arc::new(script)], ..Program::default() };
        assert!(to_frame(&program, 10_000).is_ok());
        let error = to_frame(&program, 1_000).unwrap_err().to_string();
        assert!(error.contains("at most 1000 are allowed (`scripts.frame`)"), "{error}");
    }

    #[test]
    fn a_file_that_hangs_the_compiler_is_left_out_and_named_and_the_rest_is_compiled() {
        let script = |path: &str| {
            Arc::new(Script { path: path.into(), source: "x".into(), role: Role::Module, shape: Shape::default() })
        };
        let program = Program { scripts: vec![script("a.js"), script("b.js")], ..Program::default() };
        let hang = |file: &str| Err(DispatchError::Compiler { why: "killed".into(), file: Some(file.into()) });
        let mut attempt = Attempt::new(&program);
        assert!(attempt.outcome(hang("b.js")).is_none());
        assert_eq!([&*attempt.program().scripts[0].source, &*attempt.program().scripts[1].source], ["x", ""]);
        let compiled = attempt.outcome(Ok(Compiled::default())).unwrap().unwrap();
        assert_eq!(compiled.failures.iter().map(|failure| failure.script).collect::<Vec<_>>(), [1]);
        // The same file again, or an unknown one, is not its fault.
        let mut attempt = Attempt::new(&program);
        assert!(attempt.outcome(hang("b.js")).is_none());
        assert!(attempt.outcome(hang("b.js")).unwrap().is_err());
        assert!(Attempt::new(&program).outcome(hang("c.js")).unwrap().is_err());
    }
}
