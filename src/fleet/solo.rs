//! One worker alone, for commands that run a script without a server: no queue, nothing durable, the same limits.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::fetches::{Fetches, answer};
use super::process::{Broken, Fetch, FromWorker, Message, Process, WorkerCommand, millis, spawn};
use super::requests::result_body;
use super::{Attempt, DispatchError, hello, to_frame};
use crate::config::Settings;
use crate::model::BotId;
use crate::program::Program;
use crate::protocol::{
    Beat, Compiled, DispatchHead, DispatchKind, Effect, Frame, FrameKind, InvokeWork, LogLine, Ready, Settled,
};
use crate::services::{Caller, Line, Services};
use crate::telemetry;
use crate::telemetry::escape::one_line;

/// How long a worker may take to stand ready.
const READY: Duration = Duration::from_secs(10);
/// The one dispatch that a worker alone is given.
const DISPATCH: u64 = 1;

/// How long all files of a candidate may take to compile.
const COMPILE: Duration = Duration::from_secs(30);
/// How often a worker is looked at.
const TICK: Duration = Duration::from_millis(50);

/// Compiles a candidate without a server. A file that hangs or breaks the compiler is a failure like any other.
///
/// # Errors
/// No worker starts, or compiling breaks without a file to blame.
pub async fn compile(
    settings: &Settings,
    command: &WorkerCommand,
    candidate: &Program,
) -> Result<Compiled, DispatchError> {
    let mut attempt = Attempt::new(candidate);
    loop {
        let result = Solo::start(settings, command).await?.compile_once(attempt.program()).await;
        if let Some(outcome) = attempt.outcome(result) {
            return outcome;
        }
    }
}

/// A worker alone. It is killed when this is dropped.
#[derive(Debug)]
pub struct Solo {
    settings: Settings,
    process: Process,
    messages: mpsc::Receiver<FromWorker>,
    started: Instant,
    lock_in: String,
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
    /// Starts a worker and waits until it is locked in.
    ///
    /// # Errors
    /// It does not start, is of another build, or does not stand ready within 10 s.
    pub async fn start(settings: &Settings, command: &WorkerCommand) -> Result<Self, DispatchError> {
        let (sink, messages) = mpsc::channel(64);
        let started = Instant::now();
        let frame_limit = usize::try_from(settings.scripts.frame).unwrap_or(usize::MAX);
        let process = spawn(0, command, frame_limit, settings.dispatch.buffered, started, sink)
            .map_err(|error| DispatchError::Worker(error.to_string()))?;
        let mut solo = Self { settings: settings.clone(), process, messages, started, lock_in: String::new() };
        let hello = serde_json::to_vec(&hello::hello(settings, 0, &command.build(), false))
            .map_err(|error| DispatchError::Worker(error.to_string()))?;
        solo.send(Frame::new(FrameKind::Hello, hello));
        let ready = tokio::time::timeout(READY, solo.ready()).await;
        let ready = ready.unwrap_or_else(|_| Err(DispatchError::Worker("it does not answer".into())))?;
        if ready.build != command.build() {
            return Err(DispatchError::Worker("it is of another build; was the program replaced meanwhile?".into()));
        }
        solo.lock_in = ready.lock_in;
        Ok(solo)
    }

    /// How it is locked in, such as `seccomp+landlock`.
    pub fn lock_in(&self) -> &str {
        &self.lock_in
    }

    /// Compiles a candidate and evaluates its content types, as the server's spare worker does.
    async fn compile_once(mut self, candidate: &Program) -> Result<Compiled, DispatchError> {
        self.send(Frame::new(FrameKind::Compile, to_frame(candidate, self.settings.scripts.frame)?));
        let over = Instant::now() + COMPILE;
        let mut tick = tokio::time::interval(TICK);
        let mut last = None;
        let broken = |why: String, file: Option<String>| DispatchError::Compiler { why, file };
        loop {
            let batch = tokio::select! {
                batch = self.messages.recv() => batch,
                _ = tick.tick() => {
                    self.look_after(over).map_err(|error| broken(error.to_string(), last.clone()))?;
                    continue;
                }
            };
            let messages = match batch {
                Some(FromWorker::Messages(_, messages)) => messages,
                Some(FromWorker::End(_, why)) => return Err(broken(self.death(why).await, last)),
                None => return Err(broken("the worker is gone".into(), last)),
            };
            for message in messages {
                match message {
                    Message::Compiled(compiled) => return Ok(compiled),
                    Message::Compiling(script) => {
                        last = candidate.scripts.get(script as usize).map(|script| script.path.to_string());
                    }
                    Message::Log { line, .. } => telemetry::script_line(&line, None),
                    Message::Beat(beat) => {
                        overrun(&beat, self.settings.dispatch.grace)
                            .map_err(|error| broken(error.to_string(), last.clone()))?;
                    }
                    _ => {}
                }
            }
        }
    }

    /// Runs one hook file on one event and hands over what it does as it does it. The result is
    /// `{ ms, view: { flags, state, event } }`.
    ///
    /// # Errors
    /// The worker had to be killed, or died.
    pub async fn invoke(
        mut self,
        program: &Program,
        bot: &BotId,
        work: &InvokeWork,
        services: &Services,
        mut see: impl FnMut(Seen),
    ) -> Result<Box<RawValue>, DispatchError> {
        self.send(Frame::new(FrameKind::Program, to_frame(program, self.settings.scripts.frame)?));
        let mut body = BytesMut::new();
        DispatchHead::write(program.version, DispatchKind::Invoke, bot.as_str(), &mut body);
        body.extend_from_slice(&serde_json::to_vec(work).map_err(|error| DispatchError::Program(error.to_string()))?);
        self.send(dispatch_frame(FrameKind::Dispatch, 0, body.freeze()));
        let caller = Caller { bot: Some(bot.clone()), line: Some(Line::Hooks(DISPATCH)) };
        let asks = self.answer_in_order(caller, services.clone());
        let outcome = self.watch(&asks, &mut see).await;
        drop(asks);
        outcome
    }

    fn send(&self, frame: Frame) {
        // A worker that is gone is noticed by its reader.
        self.process.out.send(frame);
    }

    async fn ready(&mut self) -> Result<Ready, DispatchError> {
        loop {
            match self.messages.recv().await {
                Some(FromWorker::Messages(_, messages)) => {
                    for message in messages {
                        match message {
                            Message::Ready(ready) => return Ok(ready),
                            Message::Log { line, .. } => telemetry::script_line(&line, None),
                            _ => {}
                        }
                    }
                }
                Some(FromWorker::End(_, why)) => return Err(DispatchError::Worker(self.death(why).await)),
                None => return Err(DispatchError::Worker("it is gone".into())),
            }
        }
    }

    /// Answers requests one after the other, in the order of the calls, as the server does.
    fn answer_in_order(&self, caller: Caller, services: Services) -> Asks {
        let (kept, with) = (caller.clone(), services.clone());
        let (sender, mut asked) = mpsc::unbounded_channel::<(u32, String, Box<RawValue>)>();
        let (end, mut ended) = oneshot::channel::<()>();
        let (out, limit) = (self.process.out.clone(), self.settings.scripts.frame);
        tokio::spawn(async move {
            loop {
                let (number, method, args) = tokio::select! {
                    Some(ask) = asked.recv() => ask,
                    _ = &mut ended => return,
                };
                let result = services.call(&caller, &method, &args).await.map_err(|error| error.to_string());
                let body = result_body(&method, result, limit);
                out.send(dispatch_frame(FrameKind::Result, number, body));
            }
        });
        Asks { sender, _end: end, caller: kept, services: with, fetches: Fetches::default() }
    }

    /// Calls another server for the script, beside whatever else it asks for.
    fn fetch(&self, asks: &Asks, number: u32, head: &RawValue, body: Bytes) {
        let call = asks.services.fetch(&asks.caller, head, body);
        let out = self.process.out.clone();
        asks.fetches.begin(number, async move {
            let (kind, body) = answer(call.await);
            out.send(dispatch_frame(kind, number, body));
        });
    }

    /// Follows the worker until the work has settled, and kills it when it overruns.
    async fn watch(&mut self, asks: &Asks, see: &mut impl FnMut(Seen)) -> Result<Box<RawValue>, DispatchError> {
        let grace = self.settings.dispatch.grace;
        let over = Instant::now() + Duration::from_millis(self.settings.scripts.event_waiting + grace);
        let mut tick = tokio::time::interval(TICK);
        loop {
            let batch = tokio::select! {
                batch = self.messages.recv() => batch,
                _ = tick.tick() => {
                    self.look_after(over)?;
                    continue;
                }
            };
            let messages = match batch {
                Some(FromWorker::Messages(_, messages)) => messages,
                Some(FromWorker::End(_, why)) => return Err(DispatchError::Ended(self.death(why).await)),
                None => return Err(DispatchError::Ended("the worker is gone".into())),
            };
            for message in messages {
                match message {
                    Message::Effect { dispatch: DISPATCH, effect: Ok(effect), .. } => see(Seen::Effect(effect)),
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
                    Message::Beat(beat) => overrun(&beat, grace)?,
                    Message::Settled { dispatch: DISPATCH, settled: Settled { result, .. } } => {
                        return result.ok_or_else(|| DispatchError::Ended("the worker gave no result".into()));
                    }
                    Message::Processed { dispatch: DISPATCH, processed, .. } if processed.settled => {
                        return processed.event.ok_or_else(|| DispatchError::Ended("the worker gave no result".into()));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Ends a worker that is silent, or that is past the end of an event. Dropping it kills it.
    fn look_after(&self, over: Instant) -> Result<(), DispatchError> {
        let heard = self.process.heard.load(std::sync::atomic::Ordering::Relaxed);
        let silent = millis(self.started).saturating_sub(heard);
        if silent > self.settings.dispatch.silence {
            return Err(DispatchError::Ended(format!("its worker was killed: no sign of life for {silent} ms")));
        }
        if Instant::now() > over {
            let limit = self.settings.scripts.event_waiting;
            return Err(DispatchError::Ended(format!("it did not end within {limit} ms (`scripts.eventWaiting`)")));
        }
        Ok(())
    }

    /// Why the worker is gone.
    async fn death(&mut self, broken: Option<Broken>) -> String {
        match broken {
            Some(broken) => broken.why,
            None => match self.process.child.wait().await {
                Ok(status) => format!("its worker died ({status})"),
                Err(error) => format!("its worker died ({error})"),
            },
        }
    }
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

/// Whether a thread is past what it may, in which case the whole worker must go.
fn overrun(beat: &Beat, grace: u64) -> Result<(), DispatchError> {
    match beat.running.iter().find(|running| running.slice_ms > running.allowed_ms.saturating_add(grace)) {
        None => Ok(()),
        Some(running) => Err(DispatchError::Ended(format!(
            "killed after {} ms of computing in {}, {} are allowed",
            running.slice_ms, running.file, running.allowed_ms
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Running;

    #[test]
    fn a_thread_past_its_budget_and_the_grace_ends_the_run_with_the_file_named() {
        let beat = |slice_ms| Beat {
            running: vec![Running {
                dispatch: DISPATCH,
                slice_ms,
                allowed_ms: 1_000,
                file: "hooks/x.js".into(),
                hook: "before_incoming_middleware".into(),
            }],
        };
        assert!(overrun(&beat(1_200), 200).is_ok());
        let error = overrun(&beat(1_250), 200).unwrap_err().to_string();
        assert_eq!(error, "the hook was ended: killed after 1250 ms of computing in hooks/x.js, 1000 are allowed");
    }
}
