//! One dispatch from its first hook to its last promise, on one realm.
//!
//! After an overrun of computing time the realm is given up and the event goes on with the next hook in a fresh one, as a
//! JSON copy ([`Outcome::Again`]). Running out of memory or of the event's whole time ends its scripts.

pub mod alone;
pub mod dialog;
pub mod drive;
mod instruct;
pub mod stages;
mod state;

use std::cell::Cell;
use std::time::{Duration, Instant};

use rquickjs::Value;
use serde_json::value::RawValue;

use super::bot_realm::BotRealm;
use super::host::Counts;
use super::wait::Inbox;
use crate::model::StateChange;
use crate::protocol::{DispatchKind, EVENT_FRAMES, FrameKind, LogLine, Processed, Settled, Unfit};
use crate::script::Overrun;
use crate::script::realm::Thrown;
use state::{Dialogs, Driven, Persist, Stage};

pub use state::{Outcome, RealmJob, Resume, Stop};

/// A realm that has run this many events is replaced: what modules keep in their own variables would grow for ever.
const MOST_EVENTS: u32 = 50_000;

/// A realm at work on one job.
pub struct Run<'a, 'js> {
    /// The realm.
    pub realm: &'a BotRealm<'js>,
    /// Answers of the server.
    pub inbox: &'a Inbox,
    /// The job.
    pub job: RealmJob,
    deadline: Instant,
    /// The hook to run next in the present stage, after a resume.
    next_hook: Cell<usize>,
    /// Where an interrupted stage goes on, where that is not at its own beginning.
    resume_at: Cell<Option<Stage>>,
    /// Turns of this realm count by themselves: it belongs to a start or mount hook and lives on.
    long_lived: bool,
    /// A caller waits for the event's replies, and is to know when an action runs.
    waited: bool,
    /// An action runs.
    acting: Cell<bool>,
    /// Answers of the server that were taken in.
    answers: Cell<u32>,
    kept_steps: Option<Box<RawValue>>,
    dialogs: Dialogs,
    /// The state has gone to the server: what is done to it from here on is dropped.
    handed_over: bool,
}

impl std::fmt::Debug for Run<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("job", &self.job).finish_non_exhaustive()
    }
}

impl<'a, 'js> Run<'a, 'js> {
    /// Prepares a realm for a job.
    pub fn new(realm: &'a BotRealm<'js>, inbox: &'a Inbox, mut job: RealmJob) -> Self {
        let host = &realm.host;
        host.dispatch.set(job.dispatch);
        let deadline = job.begun + Duration::from_millis(host.hello.limits.event_waiting);
        let resume = job.resume.as_deref_mut();
        host.meter.begin_event(resume.as_ref().map(|resume| resume.used).unwrap_or_default());
        let mut kept_steps = None;
        let mut counts = Counts::default();
        let dialogs = Dialogs::default();
        if let Some(resume) = resume {
            dialogs.left.replace(resume.conversation.take());
            dialogs.processed.set(resume.processed);
            counts = resume.counts;
            kept_steps = resume.steps.take();
        }
        // Work that is no event lives as long as it likes, and makes little at a time.
        let event = matches!(job.kind, DispatchKind::Event | DispatchKind::Timeout);
        host.begin(counts, if event { host.hello.limits.frame.saturating_mul(EVENT_FRAMES) } else { u64::MAX });
        Self {
            realm,
            inbox,
            job,
            deadline,
            next_hook: Cell::new(0),
            resume_at: Cell::new(None),
            long_lived: false,
            waited: false,
            acting: Cell::new(false),
            answers: Cell::new(0),
            kept_steps,
            dialogs,
            handed_over: false,
        }
    }

    /// Runs the job to its end, or to where it needs a fresh realm.
    pub fn run(mut self) -> Outcome {
        let outcome = match self.job.kind {
            DispatchKind::Event | DispatchKind::Timeout => self.event(),
            DispatchKind::Hooks => self.lifecycle(),
            DispatchKind::Invoke => self.invoke(),
        };
        let (outcome, unfit) = match outcome {
            Outcome::Done { unfit } => {
                let unfit = unfit.or_else(|| self.unclean());
                (Outcome::Done { unfit }, unfit)
            }
            Outcome::Again(resume) => {
                let host = &self.realm.host;
                host.frame(FrameKind::Resume, 0, &serde_json::to_vec(&resume).unwrap_or_default());
                (Outcome::Again(resume), Some(Unfit::Limit))
            }
        };
        let host = &self.realm.host;
        host.clear();
        self.realm.realm.forget_rejections();
        host.closed.set(false);
        host.frame(FrameKind::Free, unfit.map_or(0, |unfit| unfit as u32), &[]);
        host.flush();
        outcome
    }

    /// Cleans up, so that nothing of this event is there for the next one; says why that cannot be done.
    fn unclean(&self) -> Option<Unfit> {
        let (host, realm) = (&self.realm.host, &self.realm.realm);
        if realm.heap.refused() {
            return Some(Unfit::Memory);
        }
        if host.meter.is_slowed() {
            return Some(Unfit::Slowed);
        }
        if host.events.get() >= MOST_EVENTS {
            return Some(Unfit::Worn);
        }
        // A job that is left, queued by a getter while the state was written out, would run in the next event. What it
        // says goes nowhere.
        host.closed.set(true);
        host.timers.borrow_mut().clear();
        let clean = host.meter.own(|| !realm.has_job() && self.realm.scrub());
        if realm.heap.refused() { Some(Unfit::Memory) } else { (!clean).then_some(Unfit::Unclean) }
    }

    fn event(&mut self) -> Outcome {
        let stage = match self.begin() {
            Ok(stage) => stage,
            Err(stop) => return self.give_up(stop, None),
        };
        match self.stages(stage) {
            Ok(persist) => {
                // What a dialog has changed is to last, however the event went on.
                let processed = self.dialogs.processed.get().is_some();
                self.finish_event(if processed { Persist::All } else { persist })
            }
            Err((Stop::Interrupted(_), stage)) => self.again(stage),
            Err((Stop::Ended(overrun), _)) => self.give_up(Stop::Ended(overrun), None),
        }
    }

    /// Parses the work and makes the event.
    fn begin(&mut self) -> Result<Stage, Stop> {
        let outgoing = self.engine(|run| run.realm.outgoing_hooks())?;
        let json = self.job.json.clone();
        match self.job.resume.take() {
            Some(resume) => {
                self.next_hook.set(resume.next_hook);
                let stage = resume.stage;
                self.waited = self.engine(|run| {
                    let work = crate::script::json::read(&run.realm.realm.ctx, &json)?;
                    run.realm.core.begin.call((work, resume.copy, outgoing))
                })?;
                Ok(stage)
            }
            None => {
                let undefined = Value::new_undefined(self.realm.realm.ctx.clone());
                self.waited = self.engine(|run| {
                    let work = crate::script::json::read(&run.realm.realm.ctx, &json)?;
                    run.realm.core.begin.call((work, undefined, outgoing))
                })?;
                Ok(if self.job.kind == DispatchKind::Timeout { Stage::BeforeTimeout } else { Stage::BeforeIncoming })
            }
        }
    }

    /// Everything is done but the floating work: waits for that, then hands the state over.
    fn finish_event(&mut self, persist: Persist) -> Outcome {
        let limits = &self.realm.host.hello.limits;
        let floating = Instant::now() + Duration::from_millis(limits.floating);
        let driven = self.drive(None, floating.min(self.deadline));
        self.report_unhandled();
        let stopped = driven.as_ref().err().copied();
        if let Some(stop) = stopped {
            self.report_unless_said(stop);
        }
        let state = self.state_change(persist);
        let idle = stopped.is_some() || matches!(driven, Ok(Driven::Idle | Driven::Settled));
        self.send_processed(state, idle);
        if idle {
            return Outcome::Done { unfit: stopped.map(Stop::unfit) };
        }
        self.float()
    }

    /// What still goes on after the event was processed: best effort, until nothing is left or the event's time is over.
    fn float(&mut self) -> Outcome {
        let driven = self.drive(None, self.deadline);
        self.report_unhandled();
        match driven {
            Ok(Driven::TimedOut) => {
                let left = self.realm.host.timers.borrow().len();
                let waiting = self.realm.host.outstanding.borrow().len();
                self.realm.host.log(LogLine {
                    level: "warn".into(),
                    message: format!(
                        "the event was not over after {} ms (scripts.eventWaiting): {left} timers and {waiting} calls were cancelled",
                        self.realm.host.hello.limits.event_waiting
                    ),
                    ..LogLine::default()
                });
            }
            Ok(_) => {}
            Err(stop) => self.report_unless_said(stop),
        }
        let settled = Settled { trace: self.realm.host.trace.borrow_mut().take(), ..Settled::default() };
        self.realm.host.frame(FrameKind::Settled, 0, &serde_json::to_vec(&settled).unwrap_or_default());
        Outcome::Done {
            unfit: match driven {
                Ok(Driven::Idle | Driven::Settled) => None,
                Ok(Driven::TimedOut) => Some(Unfit::Unclean),
                Err(stop) => Some(stop.unfit()),
            },
        }
    }

    /// Gives the realm up and goes on in a fresh one with a copy of the event.
    fn again(&mut self, stage: Stage) -> Outcome {
        let host = &self.realm.host;
        let copy = host.meter.pardon(Duration::from_millis(200), || self.realm.core.snapshot.call::<_, String>(()));
        let copy = match copy {
            Ok(copy) if (copy.len() as u64) <= host.hello.limits.frame => copy,
            _ => {
                self.realm.realm.ctx.catch();
                host.log(LogLine {
                    level: "error".into(),
                    message: "the event could not be copied to go on without the script that was stopped; its scripts end here".into(),
                    ..LogLine::default()
                });
                return self.give_up(Stop::Ended(Overrun::Cancelled), None);
            }
        };
        Outcome::Again(Box::new(Resume {
            spent_ms: self.spent_ms(),
            stage,
            next_hook: self.next_hook.get(),
            copy,
            counts: host.counts(),
            used: host.meter.event_used(),
            steps: self.steps(),
            conversation: self.dialogs.left.take(),
            processed: self.dialogs.processed.get(),
        }))
    }

    fn spent_ms(&self) -> u64 {
        u64::try_from(self.job.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Ends the event's scripts: it is processed without a state.
    fn give_up(&mut self, stop: Stop, result: Option<Box<RawValue>>) -> Outcome {
        let state = self.dialogs.kept.take().and_then(|persist| self.state_change(persist));
        self.send_processed(state, result.is_none());
        if result.is_some() {
            let settled = Settled { trace: None, result, ended: false };
            self.realm.host.frame(FrameKind::Settled, 0, &serde_json::to_vec(&settled).unwrap_or_default());
        }
        Outcome::Done { unfit: Some(stop.unfit()) }
    }

    fn send_processed(&mut self, state: Option<StateChange>, settled: bool) {
        let event = if self.wants_event() { self.text_of(|run| run.realm.core.event_view.call(())) } else { None };
        let processed = Processed {
            state,
            event: event.and_then(|text| RawValue::from_string(text).ok()),
            trace: self.steps(),
            settled,
            errors: self.realm.host.errors.get(),
        };
        let body = serde_json::to_vec(&processed).unwrap_or_default();
        self.realm.host.frame(FrameKind::Processed, 0, &body);
        self.handed_over = true;
        if !settled {
            self.realm.host.flush();
        }
    }

    fn wants_event(&self) -> bool {
        self.job.kind == DispatchKind::Event
            && self
                .realm
                .realm
                .meter
                .pardon(Duration::from_millis(20), || self.realm.core.wants_event.call::<_, bool>(()).unwrap_or(false))
    }

    fn state_change(&mut self, persist: Persist) -> Option<StateChange> {
        let with_context = match persist {
            Persist::Nothing => return None,
            Persist::Session => false,
            Persist::All => true,
        };
        let text = self.text_of(|run| run.realm.core.state_change.call((with_context,)))?;
        let change = serde_json::from_str(&text);
        if let Err(error) = &change {
            let thrown = Thrown {
                name: "Error".into(),
                message: format!("the event's state cannot be stored: {error}"),
                stack: String::new(),
            };
            self.realm.host.report(self.realm.host.script.get(), &thrown);
        }
        change.ok()
    }

    /// Calls into the realm for a text that leaves it; an error is reported and gives `None`.
    fn text_of(&mut self, call: impl FnOnce(&Self) -> rquickjs::Result<String>) -> Option<String> {
        let meter = &self.realm.realm.meter;
        match meter.pardon(meter.allowance(), || call(self)) {
            Ok(text) if text.len() as u64 <= meter.limits().frame / 2 => Some(text),
            Ok(text) => {
                let message = format!(
                    "the event's state cannot be stored: it has {} bytes, at most {} are allowed (half of scripts.frame)",
                    text.len(),
                    meter.limits().frame / 2
                );
                let thrown = Thrown { name: "RangeError".into(), message, stack: String::new() };
                self.realm.host.report(self.realm.host.script.get(), &thrown);
                None
            }
            Err(_) => {
                let mut thrown = self.realm.realm.caught(&self.realm.core.describe).unwrap_or_else(|| Thrown {
                    name: "TimeoutError".into(),
                    message: "its getters and toJSON compute for too long (scripts.slice)".into(),
                    stack: self.realm.realm.take_stopped_at(),
                });
                thrown.message = format!("the event's state cannot be stored: {}", thrown.message);
                self.realm.host.report(self.realm.host.script.get(), &thrown);
                None
            }
        }
    }

    /// The steps of this and earlier realms.
    fn steps(&mut self) -> Option<Box<RawValue>> {
        let now = self.realm.host.trace.borrow_mut().take();
        match (self.kept_steps.take(), now) {
            (Some(kept), Some(now)) => {
                let kept = kept.get().trim_end_matches(']');
                let now = now.get().trim_start_matches('[');
                RawValue::from_string(format!("{kept},{now}")).ok()
            }
            (kept, now) => kept.or(now),
        }
    }

    /// Reports that scripts were stopped, naming the file that ran.
    pub(super) fn report_stop(&self, stop: Stop) {
        let overrun = stop.overrun();
        let name = if matches!(overrun, Overrun::Memory(_)) { "MemoryError" } else { "TimeoutError" };
        let thrown = Thrown {
            name: name.into(),
            message: match overrun {
                Overrun::Cancelled => format!("the script {overrun}"),
                Overrun::Memory(_) => format!("the script {overrun}; the event's scripts end here"),
                Overrun::Event(_) | Overrun::EventWaiting(_) => overrun.to_string(),
                _ => format!("the script {overrun}; it was stopped and the event goes on without it"),
            },
            stack: self.realm.realm.take_stopped_at(),
        };
        self.realm.host.report(self.realm.host.blamed(), &thrown);
    }

    /// The same, but running out of memory was reported when it happened.
    pub(super) fn report_unless_said(&self, stop: Stop) {
        if self.dialogs.said.take() {
            return;
        }
        if !matches!(stop, Stop::Ended(Overrun::Memory(_))) {
            self.report_stop(stop);
        }
    }

    /// Reports promises that were rejected without anybody asking.
    pub(super) fn report_unhandled(&self) {
        for (script, mut thrown) in self.realm.realm.unhandled(&self.realm.core.describe) {
            thrown.message = format!("{} (in a promise that nobody awaits)", thrown.message);
            self.realm.host.report(script, &thrown);
        }
    }
}
