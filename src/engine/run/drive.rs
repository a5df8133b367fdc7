//! Calling scripts and waiting for what they started: slices, jobs, answers, timers, deadlines.

use std::time::{Duration, Instant};

use rquickjs::promise::PromiseState;
use rquickjs::{ArrayBuffer, IntoJs, Promise, Value};

use super::Run;
use super::state::{Driven, Stop};
use crate::engine::wait::Received;
use crate::program::HookKind;
use crate::protocol::frame::split_head;
use crate::protocol::{Frame, FrameKind};
use crate::script::Overrun;
use crate::script::realm::Thrown;

/// What is called: how it is spoken of, and whose budget it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    /// As errors name it.
    name: &'static str,
    /// What becomes of the event where it fails to end.
    without: &'static str,
    /// It has an action's budget.
    action: bool,
}

impl Task {
    pub(super) const HOOK: Self = Self { name: "the hook", without: "the event goes on without it", action: false };
    pub(super) const ACTION: Self = Self { name: "the action", without: "the instruction has failed", action: true };
    pub(super) const CONTENT: Self = Self { name: "the content", without: "the instruction has failed", action: false };
}

impl<'js> Run<'_, 'js> {
    /// Calls into our own JavaScript; whatever goes wrong there is the realm's end for this event.
    pub(super) fn engine<R>(&self, call: impl FnOnce(&Self) -> rquickjs::Result<R>) -> Result<R, Stop> {
        match self.realm.realm.meter.slice(|| call(self)) {
            Ok(value) => Ok(value),
            Err(_) => Err(self.stop_of_exception(self.realm.host.script.get())),
        }
    }

    /// After an exception that ends the event's scripts: reports it and says why they end.
    fn stop_of_exception(&self, script: u32) -> Stop {
        let overrun = self.realm.realm.meter.overrun();
        let thrown = self.realm.realm.caught(&self.realm.core.describe);
        if let Some(overrun) = overrun {
            let stop = Stop::Ended(overrun);
            self.report_stop(stop);
            return stop;
        }
        let thrown = thrown.unwrap_or_else(Thrown::out_of_memory);
        if thrown.is_out_of_memory() {
            return self.out_of_memory(&thrown);
        }
        self.realm.host.report(script, &thrown);
        Stop::Ended(Overrun::Cancelled)
    }

    fn out_of_memory(&self, thrown: &Thrown) -> Stop {
        self.realm.realm.stopped_at(&thrown.stack);
        let stop = Stop::Ended(Overrun::Memory(self.realm.host.hello.limits.heap >> 20));
        self.report_stop(stop);
        stop
    }

    /// What an overrun means for the event: its own time over ends it, a hook's time over only that hook.
    fn interrupted(&self) -> Option<Stop> {
        self.realm.realm.meter.overrun().map(|overrun| match overrun {
            Overrun::Hook(_) | Overrun::Action(_) | Overrun::Actions(_) => Stop::Interrupted(overrun),
            _ => Stop::Ended(overrun),
        })
    }

    /// Runs one hook to the end of its promise. `Ok` also where it threw: that is reported, and the event goes on.
    pub(super) fn hook(
        &self,
        kind: HookKind,
        script: u32,
        named: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Result<(), Stop> {
        let host = &self.realm.host;
        let before = host.enter(script);
        self.realm.realm.meter.begin_hook();
        let begun = Instant::now();
        let called = self.call(Task::HOOK, |run| {
            let file = run.realm.file(script)?;
            let named = match named {
                Some(named) => run.named_arguments(kind, named)?,
                None => Value::new_undefined(run.realm.realm.ctx.clone()),
            };
            run.realm.core.run_hook.call((file, kind == HookKind::BeforeSuggestionsElection, named))
        });
        let error = match &called {
            Ok(None) => None,
            Ok(Some(thrown)) => Some(host.report(script, thrown)),
            Err(stop) => {
                self.report_unless_said(*stop);
                Some(stop.overrun().to_string())
            }
        };
        if host.hello.trace
            && let Some(path) = host.path_of(script)
        {
            host.trace.borrow_mut().hook(script, kind.folder(), &path, begun.elapsed(), error.as_deref());
        }
        // A stopped script stays named: what it left floating may be stopped next.
        called?;
        host.script.set(before);
        Ok(())
    }

    /// Calls a script and waits for its promise; gives what it threw, if it did. Nothing is reported but the end of memory.
    pub(super) fn call(
        &self,
        task: Task,
        call: impl FnOnce(&Self) -> rquickjs::Result<Value<'js>>,
    ) -> Result<Option<Thrown>, Stop> {
        let begun = Instant::now();
        let called = self.realm.realm.meter.slice(|| {
            let value = call(self)?;
            self.realm.realm.drain_jobs();
            Ok::<_, rquickjs::Error>(value)
        });
        if let Some(stop) = self.interrupted() {
            if called.is_err() {
                self.realm.realm.drop_exception();
            }
            return Err(stop);
        }
        let thrown = match called {
            Ok(_) => None,
            Err(_) => self.realm.realm.caught(&self.realm.core.describe),
        };
        // What it has asked for without waiting for it belongs to it all the same.
        self.asked_for()?;
        match called {
            Ok(value) => match value.into_promise() {
                Some(promise) => self.await_promise(task, &promise, begun),
                None => Ok(None),
            },
            Err(_) => match thrown {
                Some(thrown) => self.thrown(thrown),
                None => self.interrupted().map_or(Ok(None), Err),
            },
        }
    }

    fn named_arguments(
        &self,
        kind: HookKind,
        named: &serde_json::Map<String, serde_json::Value>,
    ) -> rquickjs::Result<Value<'js>> {
        let values: Vec<&serde_json::Value> =
            kind.row().args.iter().skip(1).map(|name| named.get(*name).unwrap_or(&serde_json::Value::Null)).collect();
        self.realm.realm.ctx.json_parse(serde_json::to_string(&values).unwrap_or_default())
    }

    fn thrown(&self, thrown: Thrown) -> Result<Option<Thrown>, Stop> {
        if thrown.is_out_of_memory() {
            return Err(self.out_of_memory(&thrown));
        }
        Ok(Some(thrown))
    }

    fn await_promise(&self, task: Task, promise: &Promise<'js>, begun: Instant) -> Result<Option<Thrown>, Stop> {
        let limits = &self.realm.host.hello.limits;
        let waiting = if task.action { limits.action_waiting } else { limits.hook_waiting };
        let until = (begun + Duration::from_millis(waiting)).min(self.deadline);
        let Task { name, without, .. } = task;
        match self.drive(Some(promise), until)? {
            Driven::Settled => {
                if promise.state() == PromiseState::Rejected {
                    self.realm.realm.handled(promise);
                    // The rejection's reason becomes the pending exception.
                    let _ = promise.result::<Value<'js>>();
                    if let Some(thrown) = self.realm.realm.caught(&self.realm.core.describe) {
                        return self.thrown(thrown);
                    }
                }
                Ok(None)
            }
            Driven::Idle => Ok(Some(Thrown {
                name: "Error".into(),
                message: format!(
                    "{name} waits for a promise that can never settle: no call and no timer is under way; {without}"
                ),
                stack: String::new(),
            })),
            Driven::TimedOut if until == self.deadline => Err(Stop::Ended(Overrun::EventWaiting(limits.event_waiting))),
            Driven::TimedOut => {
                let overrun = if task.action { Overrun::ActionWaiting(waiting) } else { Overrun::HookWaiting(waiting) };
                Ok(Some(Thrown {
                    name: "TimeoutError".into(),
                    message: format!("{name} {overrun}; {without}"),
                    stack: String::new(),
                }))
            }
        }
    }

    /// Runs jobs, timers and answers until the promise settles, nothing is outstanding, or time is over.
    pub(super) fn drive(&self, promise: Option<&Promise<'js>>, until: Instant) -> Result<Driven, Stop> {
        let host = &self.realm.host;
        let meter = &self.realm.realm.meter;
        loop {
            if self.long_lived {
                meter.begin_event(crate::script::Used::default());
                host.begin_turn(Instant::now());
            } else if promise.is_none() {
                // Nobody's hook: each turn has a hook's time.
                meter.begin_hook();
            }
            self.asked_for()?;
            if promise.is_some_and(|promise| promise.state() != PromiseState::Pending) {
                return Ok(Driven::Settled);
            }
            let now = Instant::now();
            let due = host.timers.borrow_mut().take_due(now);
            if let Some((id, script)) = due {
                self.turn(script, || self.realm.core.fire.call::<_, ()>((id,)))?;
                if now >= until {
                    return Ok(Driven::TimedOut);
                }
                // A timer that is always due must not keep answers out.
                host.flush();
                if let Received::Frame(frame) = self.inbox.at_once() {
                    self.take(frame)?;
                }
                continue;
            }
            if !host.awaits_something() {
                return Ok(Driven::Idle);
            }
            if now >= until {
                return Ok(Driven::TimedOut);
            }
            host.frame(FrameKind::Waiting, self.answers.get(), &[]);
            host.flush();
            let wake = host.timers.borrow().next().map_or(until, |next| next.min(until));
            match self.inbox.until(wake) {
                Received::Frame(frame) => self.take(frame)?,
                Received::Nothing => {}
                // Nobody is there to hear of anything.
                Received::Closed => std::process::exit(0),
            }
        }
    }

    /// Takes a frame of the server; late words for an earlier dispatch are passed over.
    fn take(&self, frame: Frame) -> Result<(), Stop> {
        if frame.kind == FrameKind::Dispatch {
            self.inbox.keep(frame);
            return Ok(());
        }
        let Frame { kind, dispatch, number, body } = frame;
        if kind == FrameKind::Bots {
            self.realm.host.set_bots(&body);
        }
        if dispatch != self.job.dispatch {
            return Ok(());
        }
        if matches!(kind, FrameKind::Result | FrameKind::Fetched) {
            self.answers.set(self.answers.get().wrapping_add(1));
        }
        match kind {
            FrameKind::Result => {
                let asked = self.realm.host.outstanding.borrow_mut().remove(&number);
                if let (Some(script), Some((fine, body))) = (asked, body.split_first()) {
                    let text = String::from_utf8_lossy(body).into_owned();
                    self.turn(script, || self.realm.core.answered.call::<_, ()>((number, *fine == 1, text)))?;
                }
                Ok(())
            }
            FrameKind::Fetched => {
                let asked = self.realm.host.outstanding.borrow_mut().remove(&number);
                if let (Some(script), Some((head, body))) = (asked, split_head(body)) {
                    let head = String::from_utf8_lossy(&head).into_owned();
                    self.turn(script, || {
                        let ctx = &self.realm.realm.ctx;
                        // Most answers are text, and are asked for as text.
                        let body = match std::str::from_utf8(&body) {
                            Ok(text) => text.into_js(ctx)?,
                            Err(_) => ArrayBuffer::new_copy(ctx.clone(), &*body)?.into_value(),
                        };
                        self.realm.core.fetched.call::<_, ()>((number, head, body))
                    })?;
                }
                Ok(())
            }
            FrameKind::Cancel => Err(Stop::Ended(Overrun::Cancelled)),
            _ => Ok(()),
        }
    }

    /// One turn of the event loop: a callback of a script and the jobs that follow from it.
    pub(super) fn turn(&self, script: u32, call: impl FnOnce() -> rquickjs::Result<()>) -> Result<(), Stop> {
        let before = self.realm.host.turn_of(script);
        let result = self.realm.realm.meter.slice(|| {
            let result = call();
            self.realm.realm.drain_jobs();
            result
        });
        if let Some(stop) = self.interrupted() {
            if result.is_err() {
                self.realm.realm.drop_exception();
            }
            // A stopped script stays named for the report.
            return Err(stop);
        }
        if result.is_err()
            && let Some(thrown) = self.realm.realm.caught(&self.realm.core.describe)
        {
            if thrown.is_out_of_memory() {
                return Err(self.out_of_memory(&thrown));
            }
            self.realm.host.report(script, &thrown);
        }
        self.realm.host.script.set(before);
        Ok(())
    }
}
