//! Processes of scripts for commands that run one without a server: no queue, nothing durable, the same limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::action::Asked;
use super::attempt::Attempt;
use super::content;
use super::errors::DispatchError;
use super::fetches::{Fetches, answer};
use super::machine::follow_ups::sent;
use super::requests::result_body;
use crate::config::Settings;
use crate::fleet::{Broken, COMPILE_ALL, Fetch, FromProcess, Message, ProcessId, Processes, WorkerCommand};
use crate::model::BotId;
use crate::program::{CompileRequest, Images, Program};
use crate::protocol::{
    Compiled, DispatchKind, Effect, ForkAs, Frame, FrameKind, InvokeWork, LogLine, Ready, Settled, WorkHead,
};
use crate::services::{Caller, Line, Services};
use crate::telemetry;
use crate::telemetry::escape::one_line;

/// How long the root zygote may take to stand ready.
const READY: Duration = Duration::from_secs(10);
/// How often a process is looked at.
const TICK: Duration = Duration::from_millis(50);
/// The one dispatch.
const DISPATCH: u64 = 1;
/// The processes, and the place of the last one on the board.
const ROOT: ProcessId = 1;
const ZYGOTE: ProcessId = 2;
const LAST: ProcessId = 3;
const SLOT: u16 = 0;

/// Compiles a candidate without a server. A file that hangs or breaks the compiler is a failure like any other.
///
/// # Errors
/// No process starts, or compiling breaks without a file to blame.
pub async fn compile(
    settings: &Settings,
    command: &WorkerCommand,
    candidate: &Arc<Program>,
) -> Result<Compiled, DispatchError> {
    let all = (0..candidate.scripts.len()).filter_map(|index| u32::try_from(index).ok()).collect();
    let mut attempt = Attempt::new(&CompileRequest { program: Arc::clone(candidate), only: all });
    loop {
        let result = Solo::start(settings, command).await?.compile_once(attempt.request()).await;
        if let Some(outcome) = attempt.outcome(result) {
            return outcome;
        }
    }
}

/// A root zygote of its own. All that comes from it ends when this is dropped.
#[derive(Debug)]
pub struct Solo {
    settings: Arc<Settings>,
    processes: Processes,
    messages: mpsc::Receiver<FromProcess>,
    lock_in: String,
    /// The slice that was seen last, and the processor time then.
    slice: Option<(u32, Duration)>,
    /// The file that a compiler is at, and since when.
    at: Option<(u32, Instant)>,
}

/// What a script did while it ran.
#[derive(Debug)]
pub enum Seen {
    /// It replied, or sent an event.
    Effect(Box<Effect>),
    /// It, or its engine about it, said something.
    Log(Box<LogLine>),
}

impl Solo {
    /// Starts the root zygote and waits until it is locked in.
    ///
    /// # Errors
    /// It does not start, is of another build, or does not stand ready within 10 s.
    pub async fn start(settings: &Settings, command: &WorkerCommand) -> Result<Self, DispatchError> {
        let (sink, messages) = mpsc::channel(64);
        let worker = |error: &dyn std::fmt::Display| DispatchError::Worker(error.to_string());
        let settings = Arc::new(settings.clone());
        let mut processes =
            Processes::new(Arc::clone(&settings), command.clone(), sink).map_err(|error| worker(&error))?;
        processes.start_root(ROOT).map_err(|error| worker(&error))?;
        let mut solo = Self { settings, processes, messages, lock_in: String::new(), slice: None, at: None };
        let ready = tokio::time::timeout(READY, solo.ready()).await;
        let ready = ready.unwrap_or_else(|_| Err(DispatchError::Worker("it does not answer".into())))?;
        if ready.build != command.build() {
            return Err(DispatchError::Worker("it is of another build; was the program replaced meanwhile?".into()));
        }
        solo.lock_in = ready.lock_in;
        Ok(solo)
    }

    /// How its processes are locked in, such as `seccomp+landlock`.
    pub fn lock_in(&self) -> &str {
        &self.lock_in
    }

    async fn ready(&mut self) -> Result<Ready, DispatchError> {
        loop {
            let (process, messages) = match self.messages.recv().await {
                Some(FromProcess::Messages(process, messages)) => (process, messages),
                Some(FromProcess::End(_, why)) => return Err(DispatchError::Worker(death(why))),
                None => return Err(DispatchError::Worker("it is gone".into())),
            };
            for message in messages {
                match message {
                    Message::Ready(ready) if process == ROOT => return Ok(ready),
                    Message::Log { line, .. } => telemetry::script_line(&line, None),
                    _ => {}
                }
            }
        }
    }

    fn fork(&mut self, zygote: ProcessId, child: ProcessId, become_: ForkAs) -> Result<(), DispatchError> {
        self.processes.fork(zygote, child, become_).map_err(|error| DispatchError::Worker(error.to_string()))
    }

    /// The next messages; nothing where it was time to look after the last process.
    async fn next(&mut self, over: Instant) -> Result<Option<(ProcessId, Vec<Message>)>, String> {
        let batch = match tokio::time::timeout(TICK, self.messages.recv()).await {
            Ok(batch) => batch,
            Err(_) => return self.look_after(over).map(|()| None),
        };
        match batch {
            Some(FromProcess::Messages(process, messages)) => {
                for message in &messages {
                    match message {
                        Message::Forked { child, result: Ok(pid) } => self.processes.forked(*child, *pid),
                        Message::Forked { result: Err(why), .. } => return Err(one_line(why)),
                        _ => {}
                    }
                }
                Ok(Some((process, messages)))
            }
            Some(FromProcess::End(_, why)) => Err(death(why)),
            None => Err("its process is gone".into()),
        }
    }

    /// Ends what computes for too long, and what is past its end. Dropping it kills it.
    fn look_after(&mut self, over: Instant) -> Result<(), String> {
        let now = Instant::now();
        if let Some((_, since)) = self.at
            && now.duration_since(since) > crate::fleet::COMPILE_FILE
        {
            return Err("killed: compiling took too long".into());
        }
        if now > over {
            return Err("it did not end in time".into());
        }
        let Some((used, seen)) = self.processes.clock(LAST, SLOT) else { return Ok(()) };
        let from = match self.slice {
            Some((slice, from)) if slice == seen.slice => from,
            _ => used,
        };
        self.slice = Some((seen.slice, from));
        let computed = u64::try_from((used.saturating_sub(from)).as_millis()).unwrap_or(u64::MAX);
        let allowed = u64::from(seen.allowed_ms).min(self.settings.scripts.slice);
        if self.at.is_none() && seen.allowed_ms > 0 && computed > allowed + self.settings.dispatch.grace {
            return Err(format!("killed after {computed} ms of computing, {allowed} are allowed"));
        }
        Ok(())
    }

    /// Compiles a candidate and evaluates its content types, as the server does.
    async fn compile_once(mut self, request: CompileRequest) -> Result<Compiled, DispatchError> {
        self.fork(ROOT, LAST, ForkAs::Compiler { slot: SLOT })?;
        self.processes.compile(LAST, &request);
        let program = request.program;
        let over = Instant::now() + COMPILE_ALL;
        let path = |at: Option<(u32, Instant)>| {
            at.and_then(|(at, _)| program.scripts.get(at as usize)).map(|script| script.path.to_string())
        };
        loop {
            let messages = match self.next(over).await {
                Ok(Some((_, messages))) => messages,
                Ok(None) => continue,
                Err(why) => return Err(DispatchError::Compiler { why, file: path(self.at) }),
            };
            for message in messages {
                match message {
                    Message::Compiled(compiled) => return Ok(compiled),
                    Message::Compiling(script) => self.at = Some((script, Instant::now())),
                    Message::Log { line, .. } => telemetry::script_line(&line, None),
                    _ => {}
                }
            }
        }
    }

    /// Runs one hook file on one event and hands over what it does as it does it. The result is
    /// `{ ms, view: { flags, state, event } }`.
    ///
    /// # Errors
    /// Its process had to be killed, or died.
    pub async fn invoke(
        mut self,
        program: &Arc<Program>,
        bot: &BotId,
        work: &InvokeWork,
        services: &Services,
        mut see: impl FnMut(Seen),
    ) -> Result<Box<RawValue>, DispatchError> {
        self.processes.publish(Arc::new(Images::of(program)));
        self.fork(ROOT, ZYGOTE, ForkAs::Zygote)?;
        self.processes.load(ZYGOTE, bot.as_str(), true);
        self.fork(ZYGOTE, LAST, ForkAs::Realm { slot: SLOT })?;
        let mut body = BytesMut::new();
        WorkHead::write(DispatchKind::Invoke, &[], &mut body);
        body.extend_from_slice(&serde_json::to_vec(work).map_err(|error| DispatchError::Program(error.to_string()))?);
        self.send(dispatch_frame(FrameKind::Dispatch, 0, body.freeze()));
        let caller = Caller { bot: Some(bot.clone()), line: Some(Line::Hooks(DISPATCH)) };
        let asks = self.answer_in_order(caller, services.clone(), program);
        let outcome = self.watch(&asks, &mut see).await;
        drop(asks);
        outcome
    }

    fn send(&self, frame: Frame) {
        // A process that is gone is noticed by its reader.
        if let Some(out) = self.processes.out(LAST) {
            out.send(&frame);
        }
    }

    /// Answers requests one after the other, in the order of the calls, as the server does.
    fn answer_in_order(&self, caller: Caller, services: Services, program: &Arc<Program>) -> Asks {
        let (kept, with) = (caller.clone(), services.clone());
        let (sender, mut asked) = mpsc::unbounded_channel::<(u32, String, Box<RawValue>)>();
        let (end, mut ended) = oneshot::channel::<()>();
        let (out, limit) = (self.processes.out(LAST).cloned(), self.settings.scripts.frame);
        let program = Arc::clone(program);
        tokio::spawn(async move {
            loop {
                let (number, method, args) = tokio::select! {
                    Some(ask) = asked.recv() => ask,
                    _ = &mut ended => return,
                };
                let result = match method.as_str() {
                    content::METHOD => Ok(content::content_of(&program, &args)),
                    _ => {
                        let begun = services.begin(&caller, &method, &args).await;
                        begun.answer().await.map_err(|error| error.to_string())
                    }
                };
                let body = result_body(&method, result, limit);
                if let Some(out) = &out {
                    out.send(&dispatch_frame(FrameKind::Result, number, body));
                }
            }
        });
        Asks { sender, _end: end, caller: kept, services: with, fetches: Fetches::default() }
    }

    /// Calls another server for the script, beside whatever else it asks for.
    fn fetch(&self, asks: &Asks, number: u32, head: &RawValue, body: Bytes) {
        let call = asks.services.fetch(&asks.caller, head, body);
        let Some(out) = self.processes.out(LAST).cloned() else { return };
        asks.fetches.begin(&tokio::runtime::Handle::current(), number, async move {
            let (kind, body) = answer(call.await);
            out.send(&dispatch_frame(kind, number, body));
        });
    }

    /// Follows the realm until the work has settled, and ends it when it overruns.
    async fn watch(&mut self, asks: &Asks, see: &mut impl FnMut(Seen)) -> Result<Box<RawValue>, DispatchError> {
        let over = self.settings.scripts.event_waiting + self.settings.dispatch.grace;
        let over = Instant::now() + Duration::from_millis(over);
        loop {
            let messages = match self.next(over).await {
                Ok(Some((_, messages))) => messages,
                Ok(None) => continue,
                Err(why) => return Err(DispatchError::Ended(why)),
            };
            for message in messages {
                match message {
                    Message::Effect { dispatch: DISPATCH, effect: Ok(effect), .. } => {
                        if let Some(number) = effect.ask {
                            self.send(sent(Asked { dispatch: DISPATCH, number }, Ok(())));
                        }
                        see(Seen::Effect(effect));
                    }
                    Message::Effect { dispatch: DISPATCH, effect: Err(why), .. } => {
                        tracing::error!("an event that the script made is refused: {}", one_line(&why));
                    }
                    Message::Log { line, .. } => see(Seen::Log(line)),
                    Message::Request { dispatch: DISPATCH, number, method, args, .. } => {
                        // The task lives as long as `asks`.
                        let _ = asks.sender.send((number, method, args));
                    }
                    Message::Fetch(Fetch { dispatch: DISPATCH, number, head, body, .. }) => {
                        self.fetch(asks, number, &head, body);
                    }
                    Message::Abandon { dispatch: DISPATCH, number } => {
                        asks.fetches.end(number);
                    }
                    Message::Settled { dispatch: DISPATCH, settled: Settled { result, .. } } => {
                        return result.ok_or_else(|| DispatchError::Ended("the realm gave no result".into()));
                    }
                    Message::Processed { dispatch: DISPATCH, processed, .. } if processed.settled => {
                        return processed.event.ok_or_else(|| DispatchError::Ended("the realm gave no result".into()));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Why a process is gone.
fn death(broken: Option<Broken>) -> String {
    broken.map_or_else(|| "its process died".to_owned(), |broken| broken.why)
}

/// The way to the task that answers requests, and the calls of other servers; all end when this is dropped.
struct Asks {
    sender: mpsc::UnboundedSender<(u32, String, Box<RawValue>)>,
    _end: oneshot::Sender<()>,
    caller: Caller,
    services: Services,
    fetches: Fetches,
}

fn dispatch_frame(kind: FrameKind, number: u32, body: Bytes) -> Frame {
    Frame { kind, dispatch: DISPATCH, number, body }
}
