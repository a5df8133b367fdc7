//! Computing time: who runs, since when, how long it may, and the interrupt that ends it.
//!
//! The engine polls the interrupt handler in bytecode, not in its native loops; those are ended from outside, by the
//! server, which reads the clock of the process and its place on the board.

use std::cell::{Cell, Ref, RefCell};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::config::ScriptLimits;
use crate::protocol::board::Place;

/// Which limit a script ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Overrun {
    /// `scripts.slice`, or what was left of the others when the slice began.
    #[error("computed for more than {0} ms without a pause (scripts.hookRunning, scripts.slice)")]
    Hook(u64),
    /// `scripts.actionRunning`.
    #[error("computed for more than {0} ms (scripts.actionRunning)")]
    Action(u64),
    /// `scripts.eventRunning`, for actions.
    #[error("all actions of this event together computed for more than {0} ms (scripts.eventRunning)")]
    Actions(u64),
    /// `scripts.eventRunning`.
    #[error("all scripts of this event together computed for more than {0} ms (scripts.eventRunning)")]
    Event(u64),
    /// `scripts.hookWaiting`.
    #[error("was still waiting for its promise after {0} ms (scripts.hookWaiting)")]
    HookWaiting(u64),
    /// `scripts.actionWaiting`.
    #[error("was still waiting for its promise after {0} ms (scripts.actionWaiting)")]
    ActionWaiting(u64),
    /// `scripts.eventWaiting`.
    #[error("the event was not over after {0} ms (scripts.eventWaiting)")]
    EventWaiting(u64),
    /// `scripts.heap`.
    #[error("used more than {0} MB of memory (scripts.heap)")]
    Memory(u64),
    /// Cancelled by the server.
    #[error("was cancelled by the server")]
    Cancelled,
}

/// Computing time of an event. Its actions, which may compute for long, do not use up what its hooks have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Of actions.
    pub actions: Duration,
    /// Of everything else.
    pub others: Duration,
}

/// How much a hook or an action has used of its time.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    used: Duration,
    action: bool,
}

/// Counts computing time and decides when the interrupt handler fires.
#[derive(Debug)]
pub struct Meter {
    limits: ScriptLimits,
    place: RefCell<Place>,
    /// It has computed for so long that its priority was lowered, for as long as the process lives.
    slow: Cell<bool>,
    deadline: Cell<Option<Instant>>,
    /// Sticky: an interrupt cannot be caught, but two leaks turn it into something else (see shared facts); this cannot.
    fired: Cell<bool>,
    hook_used: Cell<Duration>,
    /// It is an action that runs, not a hook.
    action: Cell<bool>,
    event_used: Cell<Used>,
    /// The present slice is bounded by what is left to the event, not by what is left to the hook.
    bounded_by_event: Cell<bool>,
    /// When the present slice began, and how long it may run.
    slice: Cell<Option<(Instant, Duration)>>,
    /// Processor time of this process when the event began here.
    processor: Cell<Duration>,
    /// What was counted since then.
    counted: Cell<Duration>,
    /// For tests: whether the engine has asked if it may go on, and is told to stop when it does.
    #[cfg(test)]
    asked: Cell<bool>,
    #[cfg(test)]
    stops: Cell<bool>,
}

/// From here on a slice's wall time is checked against the processor's time.
const WORTH_CHECKING: Duration = Duration::from_millis(20);

/// How much longer a slice may last than it may compute, where it has had a fair part of its time on a busy machine: the
/// user behind it waits by the clock on the wall.
const MOST_DEFERRED: Duration = Duration::from_millis(250);
/// How often a slice's wall time is compared with what it has computed.
const LOOK: Duration = Duration::from_millis(100);
/// A slice that has computed less than this part of what it may is starved; it gets its time however long that takes.
const FAIR_PART: u32 = 4;

/// What must be done for a realm may take so long, however short the slices of scripts are.
const OWN: Duration = Duration::from_secs(1);

impl Meter {
    /// A meter of a process, at a place that nobody sees yet.
    pub fn new(limits: ScriptLimits) -> Self {
        Self {
            limits,
            place: RefCell::new(Place::private()),
            slow: Cell::new(false),
            deadline: Cell::new(None),
            fired: Cell::new(false),
            hook_used: Cell::new(Duration::ZERO),
            action: Cell::new(false),
            event_used: Cell::default(),
            bounded_by_event: Cell::new(false),
            slice: Cell::new(None),
            processor: Cell::new(processor_time()),
            counted: Cell::new(Duration::ZERO),
            #[cfg(test)]
            asked: Cell::new(false),
            #[cfg(test)]
            stops: Cell::new(false),
        }
    }

    /// What others see of this process.
    pub fn place(&self) -> Ref<'_, Place> {
        self.place.borrow()
    }

    /// This process is another one now, and seen at that place.
    pub fn renew(&self, place: Place) {
        place.set_script(u32::MAX);
        place.end_slice();
        self.place.replace(place);
        self.slow.set(false);
        self.processor.set(processor_time());
        self.counted.set(Duration::ZERO);
    }

    /// Whether the priority of this process was lowered because a script computed for long.
    pub fn is_slowed(&self) -> bool {
        self.slow.get()
    }

    /// The limits it goes by.
    pub fn limits(&self) -> &ScriptLimits {
        &self.limits
    }

    /// A new event begins, having used that much already in an earlier realm.
    pub fn begin_event(&self, used: Used) {
        self.fired.set(false);
        self.event_used.set(used);
        self.begin_hook();
        self.counted.set(Duration::ZERO);
        self.processor.set(processor_time());
    }

    /// A new hook begins.
    pub fn begin_hook(&self) {
        self.hook_used.set(Duration::ZERO);
        self.action.set(false);
    }

    /// A new action begins.
    pub fn begin_action(&self) {
        self.hook_used.set(Duration::ZERO);
        self.action.set(true);
    }

    /// The budget of what runs.
    pub fn budget(&self) -> Budget {
        Budget { used: self.hook_used.get(), action: self.action.get() }
    }

    /// Goes on with a budget, after something else had its own.
    pub fn set_budget(&self, budget: Budget) {
        self.hook_used.set(budget.used);
        self.action.set(budget.action);
    }

    /// Whether the present slice has run for so long that others should not wait for what it has said so far.
    pub fn is_slow(&self) -> bool {
        self.slice.get().is_some_and(|(begun, _)| begun.elapsed() > WORTH_CHECKING / 10)
    }

    /// Runs something of the host's that may have to wait for the server, within a slice: that time is not the script's.
    pub fn outside<R>(&self, run: impl FnOnce() -> R) -> R {
        let Some((begun, allowed)) = self.slice.get() else { return run() };
        let running = self.place().allowed_ms();
        self.place().end_slice();
        let left = Instant::now();
        let result = run();
        let waited = left.elapsed();
        if let (Some(allowed_ms), Some(deadline)) = (running, self.deadline.get()) {
            self.slice.set(Some((begun + waited, allowed)));
            self.deadline.set(Some(deadline + waited));
            self.place().begin_slice(allowed_ms);
        }
        result
    }

    /// Computing time of the event so far.
    pub fn event_used(&self) -> Used {
        self.event_used.get()
    }

    /// Computing time in this realm since the event began here.
    pub fn counted(&self) -> Duration {
        self.counted.get()
    }

    /// The interrupt handler's answer: whether to end what runs.
    pub fn poll(&self) -> bool {
        #[cfg(test)]
        if self.is_to_stop() {
            self.fired.set(true);
        }
        if self.fired.get() {
            return true;
        }
        let Some(deadline) = self.deadline.get() else { return false };
        let now = Instant::now();
        if now < deadline {
            return false;
        }
        let Some((begun, allowed)) = self.slice.get() else { return false };
        let wall = now - begun;
        let computed = self.computed(wall);
        let starved = computed < allowed / FAIR_PART;
        if computed >= allowed || (!starved && wall >= allowed + MOST_DEFERRED) {
            self.fired.set(true);
            return true;
        }
        // Few scripts compute for so long, and those rarely end soon: they give way to all others.
        if computed >= LOOK / 2 && !self.slow.replace(true) {
            lower_priority(crate::os::GIVES_WAY);
        }
        // The machine may be busy with others: this process has not had the time it is entitled to.
        self.deadline.set(Some(now + (allowed - computed).min(LOOK)));
        false
    }

    /// Has the engine told to stop, or not, when it asks next while somebody's time is counted. Gives whether it was asked since
    /// the last call.
    #[cfg(test)]
    pub(crate) fn stop_next(&self, stops: bool) -> bool {
        self.stops.set(stops);
        self.asked.take()
    }

    #[cfg(test)]
    fn is_to_stop(&self) -> bool {
        let counts = self.slice.get().is_some();
        self.asked.set(self.asked.get() || counts);
        counts && self.stops.take()
    }

    /// How much of a slice's wall time this process really computed: at most what the processor's clock has counted since
    /// the event began, less the slices before.
    fn computed(&self, wall: Duration) -> Duration {
        let since = processor_time().saturating_sub(self.processor.get());
        wall.min(since.saturating_sub(self.counted.get()))
    }

    /// Which limit was hit since [`Self::begin_event`] or [`Self::pardon`], if one was.
    pub fn overrun(&self) -> Option<Overrun> {
        if !self.fired.get() {
            return None;
        }
        let event = Duration::from_millis(self.limits.event_running);
        // On a busy machine a slice may be over before it has used up what it was given: what counts is what it was given.
        Some(if self.action.get() {
            if self.bounded_by_event.get() {
                Overrun::Actions(self.limits.event_running)
            } else {
                Overrun::Action(self.limits.action_running)
            }
        } else if self.bounded_by_event.get() || self.event_used.get().others >= event {
            Overrun::Event(self.limits.event_running)
        } else {
            Overrun::Hook(self.limits.hook_running.min(self.limits.slice))
        })
    }

    /// Runs a little more of a script for the engine's own ends, such as reading an error or taking a copy of the event: at
    /// most `allowance`, also after an overrun. What is stopped in here is no overrun of the script that comes next.
    pub fn pardon<R>(&self, allowance: Duration, run: impl FnOnce() -> R) -> R {
        let fired = self.fired.replace(false);
        let result = self.measured(allowance, run);
        self.fired.set(fired);
        result
    }

    /// Runs one slice of JavaScript under what is left of the budgets.
    pub fn slice<R>(&self, run: impl FnOnce() -> R) -> R {
        let left = |limit: u64, used: Duration| Duration::from_millis(limit).saturating_sub(used);
        // An action may use all of its time in one go.
        let of_hook = if self.action.get() {
            left(self.limits.action_running, self.hook_used.get())
        } else {
            Duration::from_millis(self.limits.slice).min(left(self.limits.hook_running, self.hook_used.get()))
        };
        let used = self.event_used.get();
        let of_event = left(self.limits.event_running, if self.action.get() { used.actions } else { used.others });
        self.bounded_by_event.set(of_event < of_hook);
        self.measured(of_hook.min(of_event), run)
    }

    /// Runs the engine's own code for a realm (making it, compiling for it) under [`Meter::allowance`], on nobody's budget.
    pub fn own<R>(&self, run: impl FnOnce() -> R) -> R {
        self.fired.set(false);
        self.bounded_by_event.set(false);
        self.measured(self.allowance(), run)
    }

    /// How long what must be done for a realm may take: `scripts.slice`, unless that is too short for anything but a script.
    pub fn allowance(&self) -> Duration {
        Duration::from_millis(self.limits.slice).max(OWN)
    }

    fn measured<R>(&self, allowed: Duration, run: impl FnOnce() -> R) -> R {
        let begun = Instant::now();
        self.slice.set(Some((begun, allowed)));
        self.deadline.set(Some(begun + allowed.min(LOOK)));
        self.place().begin_slice(u32::try_from(allowed.as_millis()).unwrap_or(u32::MAX));
        let result = run();
        // Waiting for the server has moved the beginning.
        let begun = self.slice.get().map_or(begun, |(begun, _)| begun);
        let mut used = begun.elapsed();
        if used > WORTH_CHECKING {
            used = self.computed(used);
        }
        self.deadline.set(None);
        self.place().end_slice();
        self.hook_used.set(self.hook_used.get() + used);
        self.counted.set(self.counted.get() + used);
        let mut all = self.event_used.get();
        *(if self.action.get() { &mut all.actions } else { &mut all.others }) += used;
        self.event_used.set(all);
        // A native loop may run past the deadline and end before the handler is polled again.
        if used >= allowed {
            self.fired.set(true);
        }
        result
    }
}

/// This process gives way to others, by that much, for good. Zygotes and the server never do.
pub fn lower_priority(by: i32) {
    // Nothing keeps a process from lowering itself.
    let _ = rustix::process::nice(by);
}

/// Processor time of the calling thread, which is the only one of a process of scripts.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overrun_stays_until_the_next_event_and_names_its_limit() {
        let limits = ScriptLimits { hook_running: 0, ..ScriptLimits::default() };
        let meter = Meter::new(limits);
        meter.begin_event(Used::default());
        assert_eq!(meter.overrun(), None);
        meter.slice(|| assert!(meter.poll()));
        assert_eq!(meter.overrun(), Some(Overrun::Hook(0)));
        assert!(meter.poll());
        meter.begin_event(Used { others: Duration::from_secs(6), ..Used::default() });
        meter.slice(|| assert!(meter.poll()));
        assert_eq!(meter.overrun(), Some(Overrun::Event(5_000)));
    }

    #[test]
    fn an_action_has_its_own_time_and_leaves_the_hooks_theirs() {
        let limits = ScriptLimits { action_running: 0, ..ScriptLimits::default() };
        let meter = Meter::new(limits);
        meter.begin_event(Used::default());
        meter.begin_action();
        meter.slice(|| assert!(meter.poll()));
        assert_eq!(meter.overrun(), Some(Overrun::Action(0)));
        let all = Duration::from_secs(5);
        meter.begin_event(Used { actions: all, ..Used::default() });
        meter.slice(|| assert!(!meter.poll(), "hooks have all of their time"));
        let meter = Meter::new(ScriptLimits::default());
        meter.begin_event(Used { actions: all, ..Used::default() });
        meter.begin_action();
        meter.slice(|| assert!(meter.poll()));
        assert_eq!(meter.overrun(), Some(Overrun::Actions(5_000)));
    }

    #[test]
    fn waiting_for_the_server_is_not_the_scripts_time() {
        let limits = ScriptLimits { hook_running: 20, ..ScriptLimits::default() };
        let meter = Meter::new(limits);
        meter.begin_event(Used::default());
        meter.slice(|| {
            meter.outside(|| {
                assert_eq!(meter.place().allowed_ms(), None);
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(50) {}
            });
            assert_eq!(meter.place().allowed_ms(), Some(20));
        });
        assert_eq!(meter.overrun(), None, "it waited for longer than it may run");
    }

    #[test]
    fn an_overrun_is_the_events_where_the_slice_had_only_what_was_left_to_the_event() {
        let limits = ScriptLimits { event_running: 500, ..ScriptLimits::default() };
        let meter = Meter::new(limits);
        meter.begin_event(Used::default());
        // As on a busy machine: stopped by the clock, with processor time left.
        meter.slice(|| meter.fired.set(true));
        assert_eq!(meter.overrun(), Some(Overrun::Event(500)));
    }

    #[test]
    fn a_slice_is_visible_while_it_runs() {
        let meter = Meter::new(ScriptLimits::default());
        meter.begin_event(Used::default());
        assert_eq!(meter.place().allowed_ms(), None);
        meter.slice(|| assert_eq!(meter.place().allowed_ms(), Some(1_000)));
        assert_eq!(meter.place().allowed_ms(), None);
    }
}
