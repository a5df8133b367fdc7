//! A realm is gone that had work: what becomes of that. It concerns the one event that the realm had begun with.

use std::sync::Arc;
use std::time::Duration;

use super::super::DispatchError;
use super::super::action::{Action, Control};
use super::super::outcome::{Finishing, trace_of};
use super::super::stats::count;
use super::super::work::{Flight, HookRun, QueuedRun, Work};
use super::{Machine, Now};
use crate::fleet::broken::{Rule, is_broken};
use crate::fleet::{Cause, Death};
use crate::program::Role;
use crate::protocol::LogLine;
use crate::telemetry::escape::one_line;

/// How often an event runs again at once whose realm was killed by somebody else. After that it waits before each run, twice as
/// long as the time before: what kills it, a lack of memory for instance, may be over then.
const AT_ONCE: u32 = 2;
/// How long it waits at first, and at most.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// What ended an event, and where it was.
struct End {
    what: String,
    file: Option<String>,
    hook: Option<String>,
}

impl Machine {
    /// The realm is gone, and all it sent was handled.
    pub(super) fn died(&mut self, now: Now, death: Death) {
        let Death { realm, cause } = death;
        let Some(mut line) = self.lines.remove(&realm) else { return };
        let Some(dispatch) = line.head() else { return };
        line.pop();
        // It cannot begin with the others any more.
        self.give_all_back(line);
        match &cause {
            Cause::Overran { .. } => count(&self.tally.counters.realms_killed),
            Cause::Crashed { .. } | Cause::Killed { .. } => count(&self.tally.counters.realms_crashed),
            Cause::Innocent => {}
        }
        let Some(flight) = self.flights.remove(&dispatch) else { return };
        let asked = !(flight.processed && matches!(flight.work, Work::Event(_)));
        self.actions.push(Action::EndCalls { dispatch, asked });
        let Flight { mut work, processed, sent, since, resume, .. } = flight;
        if cause == Cause::Innocent && !resume.is_empty() {
            // It was never made: what an earlier realm left is not lost with it.
            match &mut work {
                Work::Event(run) => run.resume = resume,
                Work::Hooks(run) => run.resume = resume,
            }
        }
        match work {
            Work::Hooks(run) => {
                let stood = now.at.saturating_duration_since(since);
                self.hooks_died(run, stood, processed, &cause);
            }
            Work::Event(run) if processed => {
                self.turns.left(&run.event.key.bot);
                self.answer_when_committed(run.event.key.bot, run.event.id);
            }
            // It was not even sent.
            Work::Event(run) if sent.is_none() => self.again.push_back(run),
            Work::Event(run) => self.event_died(now, run, sent.unwrap_or(since), cause),
        }
    }

    fn event_died(&mut self, now: Now, mut run: QueuedRun, sent: std::time::Instant, cause: Cause) {
        let end = self.end_of(run.event.key.bot.as_str(), &cause);
        match cause {
            Cause::Innocent => {
                if is_broken(Rule::InnocentsAreNotCounted) {
                    self.actions.push(Action::CountDeath(run.event.id));
                }
                count(&self.tally.counters.run_again);
                // It has not begun.
                run.begun = None;
                self.again.push_back(run);
            }
            Cause::Killed { .. } => self.killed_by_others(run, &end),
            Cause::Overran { .. } => {
                count(&self.tally.counters.ended_by_kill);
                if is_broken(Rule::KillsEndOneEvent)
                    && let Some(neighbour) =
                        self.lines.iter().find(|(_, line)| line.head().is_some()).map(|(id, _)| *id)
                {
                    self.fleet.kill(now.at, neighbour, Cause::Overran { what: "killed".into(), script: None });
                }
                self.report(&run, &end, "the event is over");
                self.end(now, run, sent, end, false);
            }
            Cause::Crashed { .. } if run.event.deaths == 0 && !is_broken(Rule::TwoDeaths) => {
                count(&self.tally.counters.run_again);
                tracing::warn!("event {} runs once more: {}", run.event.id, end.what);
                self.actions.push(Action::CountDeath(run.event.id));
                run.event.deaths += 1;
                if is_broken(Rule::RunAgainOnce) {
                    self.again.push_back(QueuedRun::new(run.event.clone(), run.bytes, run.queued));
                    self.turns.back(&run.event.key.bot);
                }
                if is_broken(Rule::TurnIsKept) {
                    let key = run.event.key.clone();
                    self.turns.left(&key.bot);
                    self.turns.push(key.clone(), run);
                    return self.turns.release(&key);
                }
                self.again.push_back(run);
            }
            Cause::Crashed { .. } => {
                count(&self.tally.counters.set_aside);
                self.report(&run, &end, "the event took two realms with it and is set aside");
                self.end(now, run, sent, end, true);
            }
        }
    }

    /// Whatever has killed its realm, it was not this event: it runs again, however often that happens.
    fn killed_by_others(&mut self, mut run: QueuedRun, end: &End) {
        count(&self.tally.counters.run_again);
        if is_broken(Rule::OthersKillsAreNotCounted) {
            self.actions.push(Action::CountDeath(run.event.id));
        }
        run.kills += 1;
        if !is_broken(Rule::WhoIsKilledHasItsTimeAgain) {
            run.begun = None;
        }
        let event = run.event.id;
        let Some(waits) = run.kills.checked_sub(AT_ONCE + 1) else {
            tracing::warn!("event {event} runs again: {end}");
            return self.again.push_back(run);
        };
        let pause = PAUSE.saturating_mul(1 << waits.min(6)).min(LONGEST);
        tracing::warn!("event {event} runs again in {} s: {end}, for the {}th time", pause.as_secs(), run.kills);
        self.actions.push(Action::Later(pause, Control::Retry(run)));
    }

    /// The event is over: its row goes, or is set aside; then its turn is free and who waits is answered.
    fn end(&mut self, now: Now, run: QueuedRun, sent: std::time::Instant, end: End, aside: bool) {
        self.turns.left(&run.event.key.bot);
        if !self.tally.settings.production {
            let trace = trace_of(&run, sent, now.at, 1, Some(end.to_string()), None);
            self.actions.push(Action::Trace(trace));
        }
        let finishing = Finishing::of(&run, self.tally.timeouts.lifetimes(&run.event.key.bot));
        self.actions.push(Action::End(Finishing { aside: aside.then(|| end.to_string()), ..finishing }));
    }

    fn hooks_died(&mut self, mut run: HookRun, stood: Duration, processed: bool, cause: &Cause) {
        if *cause == Cause::Innocent {
            // What had been done leaves nobody waiting; what had not goes on waiting.
            self.hooks.push_back(if processed { run.again() } else { run });
            return;
        }
        let end = self.end_of(run.bot.as_ref().map_or("", |bot| bot.as_str()), cause);
        let pause = self.standing_fell(&run, stood);
        let then = pause.map_or_else(
            || "the hook is over".to_owned(),
            |pause| format!("the hook runs again in {} s", pause.as_secs()),
        );
        let kind = run.kind.folder().to_owned();
        let line = end.line(run.bot.as_ref().map(ToString::to_string), Some(kind), &then);
        self.actions.push(Action::Log(line, None));
        run.answer(Err(DispatchError::Ended(end.to_string())));
    }

    fn report(&mut self, run: &QueuedRun, end: &End, then: &str) {
        let line = end.line(Some(run.event.key.bot.to_string()), end.hook.clone(), then);
        self.actions.push(Action::Log(line, Some(run.event.id)));
    }

    fn end_of(&self, bot: &str, cause: &Cause) -> End {
        let (what, script) = match cause {
            Cause::Overran { what, script } => (one_line(what), *script),
            Cause::Crashed { what, script } => (one_line(what), *script),
            Cause::Killed { what, script } => (one_line(what), *script),
            Cause::Innocent => ("its realm was told to stop".to_owned(), None),
        };
        let script = script.and_then(|script| self.served.as_ref()?.images.script(bot, script));
        let hook = script.as_ref().and_then(|(_, role)| match role {
            Role::Hook(kind) => Some(kind.folder().to_owned()),
            Role::Action => Some("action".to_owned()),
            Role::ContentType => Some("content type".to_owned()),
            Role::Module | Role::Json => None,
        });
        let file = script.map(|(path, _): (Arc<str>, Role)| path.to_string());
        End { what, file, hook }
    }
}

impl End {
    fn line(&self, bot: Option<String>, hook: Option<String>, then: &str) -> LogLine {
        LogLine {
            level: "error".into(),
            message: format!("{}; {then}", self.what),
            file: self.file.clone(),
            hook,
            bot,
            ..LogLine::default()
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        match self.file.as_deref() {
            Some(file) => write!(f, ", in {file}"),
            None => Ok(()),
        }
    }
}
