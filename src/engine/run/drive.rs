//! Calling scripts and waiting for what they started: slices, jobs, answers, timers, deadlines.

use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use rquickjs::promise::PromiseState;
use rquickjs::{ArrayBuffer, IntoJs, Promise, Value};

use super::{Run, Stop};
use crate::engine::wait::ToRealm;
use crate::program::HookKind;
use crate::protocol::frame::split_head;
use crate::script::Overrun;
use crate::script::realm::Thrown;

/// How driving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driven {
    /// The promise is settled.
    Settled,
    /// Nothing is outstanding any more.
    Idle,
    /// Time is over.
    TimedOut,
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
            Overrun::Hook(_) => Stop::Interrupted(overrun),
            _ => Stop::Ended(overrun),
        })
    }

    /// Runs one hook to the end of its promise. `Ok` also where it threw: that is reported, and the event goes on.
    pub(super) fn hook(
        &mut self,
        kind: HookKind,
        script: u32,
        named: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Result<(), Stop> {
        let host = &self.realm.host;
        let meter = &self.realm.realm.meter;
        let before = host.enter(script);
        meter.begin_hook();
        let begun = Instant::now();
        let mut error = None;
        let called = meter.slice(|| -> rquickjs::Result<Value<'js>> {
            let file = self.realm.file(script)?;
            let named = match named {
                Some(named) => self.named_arguments(kind, named)?,
                None => Value::new_undefined(self.realm.realm.ctx.clone()),
            };
            let value = self.realm.core.run_hook.call((file, kind.folder(), named))?;
            self.realm.realm.drain_jobs();
            Ok(value)
        });
        let stop = match called {
            _ if self.interrupted().is_some() => {
                if called.is_err() {
                    self.realm.realm.drop_exception();
                }
                self.interrupted()
            }
            Ok(value) => match value.into_promise() {
                Some(promise) => self.await_hook(script, &promise, begun, &mut error).err(),
                None => None,
            },
            Err(_) => match self.realm.realm.caught(&self.realm.core.describe) {
                Some(thrown) => self.threw(script, &thrown, &mut error).err(),
                None => self.interrupted(),
            },
        };
        if let Some(stop) = stop {
            let message = match stop {
                Stop::Interrupted(overrun) | Stop::Ended(overrun) => overrun.to_string(),
            };
            if !matches!(stop, Stop::Ended(Overrun::Memory(_))) {
                self.report_stop(stop);
            }
            error = Some(message);
        }
        if self.realm.host.hello.trace {
            let program = self.realm.host.program.borrow();
            let path = program.as_ref().and_then(|loaded| loaded.program.scripts.get(script as usize));
            if let Some(file) = path {
                self.realm.host.trace.borrow_mut().hook(
                    script,
                    kind.folder(),
                    &file.path,
                    begun.elapsed(),
                    error.as_deref(),
                );
            }
        }
        match stop {
            // A stopped script stays named: what it left floating may be stopped next.
            Some(stop) => Err(stop),
            None => {
                self.realm.host.script.set(before);
                Ok(())
            }
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

    fn threw(&self, script: u32, thrown: &Thrown, error: &mut Option<String>) -> Result<(), Stop> {
        if thrown.is_out_of_memory() {
            return Err(self.out_of_memory(thrown));
        }
        *error = Some(self.realm.host.report(script, thrown));
        Ok(())
    }

    fn await_hook(
        &self,
        script: u32,
        promise: &Promise<'js>,
        begun: Instant,
        error: &mut Option<String>,
    ) -> Result<(), Stop> {
        let waiting = self.realm.host.hello.limits.hook_waiting;
        let until = (begun + Duration::from_millis(waiting)).min(self.deadline);
        match self.drive(Some(promise), until)? {
            Driven::Settled => {
                if promise.state() == PromiseState::Rejected {
                    self.realm.realm.handled(promise);
                    // The rejection's reason becomes the pending exception.
                    let _ = promise.result::<Value<'js>>();
                    if let Some(thrown) = self.realm.realm.caught(&self.realm.core.describe) {
                        return self.threw(script, &thrown, error);
                    }
                }
                Ok(())
            }
            Driven::Idle => {
                let thrown = Thrown {
                    name: "Error".into(),
                    message: "the hook returned a promise that can never settle: it waits for no call and no timer; \
                              the event goes on without it"
                        .into(),
                    stack: String::new(),
                };
                *error = Some(self.realm.host.report(script, &thrown));
                Ok(())
            }
            Driven::TimedOut => {
                let overrun = if until == self.deadline {
                    Overrun::EventWaiting(self.realm.host.hello.limits.event_waiting)
                } else {
                    Overrun::HookWaiting(waiting)
                };
                let thrown = Thrown {
                    name: "TimeoutError".into(),
                    message: format!("the hook {overrun}; the event goes on without it"),
                    stack: String::new(),
                };
                *error = Some(self.realm.host.report(script, &thrown));
                if until == self.deadline { Err(Stop::Ended(overrun)) } else { Ok(()) }
            }
        }
    }

    /// Runs jobs, timers and answers until the promise settles, nothing is outstanding, or time is over.
    pub(super) fn drive(&self, promise: Option<&Promise<'js>>, until: Instant) -> Result<Driven, Stop> {
        let host = &self.realm.host;
        let meter = &self.realm.realm.meter;
        loop {
            if self.long_lived {
                meter.begin_event(Duration::ZERO);
                host.begin_turn();
            } else if promise.is_none() {
                // Nobody's hook: each turn has a hook's time.
                meter.begin_hook();
            }
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
                if let Ok(message) = self.inbox.try_recv() {
                    self.take(message)?;
                }
                continue;
            }
            if !host.awaits_something() {
                return Ok(Driven::Idle);
            }
            if now >= until {
                return Ok(Driven::TimedOut);
            }
            host.flush();
            let wake = host.timers.borrow().next().map_or(until, |next| next.min(until));
            self.occupancy.give();
            let message = self.inbox.recv_deadline(wake);
            self.occupancy.take();
            match message {
                Ok(message) => self.take(message)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Stop::Ended(Overrun::Cancelled)),
            }
        }
    }

    /// Takes a message of the server; late words for an earlier dispatch are passed over.
    fn take(&self, message: ToRealm) -> Result<(), Stop> {
        match message {
            ToRealm::Result { dispatch, number, fine, body } if dispatch == self.job.dispatch => {
                let asked = self.realm.host.outstanding.borrow_mut().remove(&number);
                if let Some(script) = asked {
                    let text = String::from_utf8_lossy(&body).into_owned();
                    self.turn(script, || self.realm.core.answered.call::<_, ()>((number, fine, text)))?;
                }
                Ok(())
            }
            ToRealm::Fetched { dispatch, number, body } if dispatch == self.job.dispatch => {
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
            ToRealm::Cancel { dispatch } if dispatch == self.job.dispatch => Err(Stop::Ended(Overrun::Cancelled)),
            ToRealm::Result { .. } | ToRealm::Fetched { .. } | ToRealm::Cancel { .. } => Ok(()),
        }
    }

    /// One turn of the event loop: a callback of a script and the jobs that follow from it.
    fn turn(&self, script: u32, call: impl FnOnce() -> rquickjs::Result<()>) -> Result<(), Stop> {
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
