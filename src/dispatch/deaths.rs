//! A worker is gone: what becomes of its events. [`verdict`](super::verdict) decides, this carries it out.

use std::time::{Duration, Instant};

use super::core::Core;
use super::outcome::{Finishing, trace_of};
use super::pool::Worker;
use super::stats::count;
use super::verdict::{Cause, Doing, Verdict, decide};
use super::watch::overruns;
use super::work::{Flight, HookRun, Job, Work};
use super::{DispatchError, Shared};
use crate::protocol::LogLine;

/// A worker that dies sooner than this with nothing to do is not replaced at once.
const SETTLED_IN: Duration = Duration::from_secs(1);

impl Core {
    /// The process is gone and all it sent was handled.
    pub(super) fn bury(&mut self, id: u32, status: &str) {
        let Some(mut worker) = self.pool.workers.remove(&id) else { return };
        let cause = match worker.dying.take() {
            Some(cause) => {
                count(&self.shared.counters.workers_killed);
                cause
            }
            None if self.stop.is_some() || worker.retiring.is_some() => Cause::Told,
            None => {
                count(&self.shared.counters.workers_crashed);
                Cause::Crashed { what: format!("its worker died ({status})") }
            }
        };
        let mut dispatches: Vec<u64> =
            self.flights.iter().filter(|(_, flight)| flight.worker == id).map(|(dispatch, _)| *dispatch).collect();
        // In the order in which they were sent, so that they are sent in that order again.
        dispatches.sort_unstable();
        self.note_death(id, &worker, &cause, dispatches.len());
        self.end_compilation(&mut worker, &cause);
        let doing: Vec<Doing> = dispatches.iter().filter_map(|dispatch| self.doing(*dispatch, &worker)).collect();
        let verdicts = decide(&cause, worker.beat_at, &doing);
        for (dispatch, verdict) in dispatches.into_iter().zip(verdicts) {
            let Some(mut flight) = self.flights.remove(&dispatch) else { continue };
            if verdict != Verdict::Done {
                flight.stop_asking();
            }
            let row = worker.running.iter().find(|row| row.dispatch == dispatch);
            let place = Place {
                what: what(&cause),
                file: row.map(|row| row.file.clone()).or_else(|| file(&cause)),
                hook: row.map(|row| row.hook.clone()).or_else(|| hook(&cause)),
            };
            self.carry_out(flight, verdict, place);
        }
        self.promote_spare();
        self.tell_ready();
    }

    fn note_death(&mut self, id: u32, worker: &Worker, cause: &Cause, flights: usize) {
        match cause {
            Cause::Told => return,
            Cause::Guilty { .. } => tracing::debug!("worker {id} is gone: {}", what(cause)),
            Cause::Crashed { what } => tracing::warn!("worker {id} is gone: {what}"),
        }
        let hasty = worker.spawned.elapsed() < SETTLED_IN && flights == 0 && worker.compiling.is_none();
        if !worker.ready || hasty {
            self.pool.start_failed(DispatchError::Worker(what(cause)));
        }
    }

    fn end_compilation(&mut self, worker: &mut Worker, cause: &Cause) {
        if let Some(compiling) = worker.compiling.take() {
            // What a beat said is older than what the worker said it begins with.
            let row = || worker.running.iter().find(|row| row.dispatch == 0).map(|row| row.file.clone());
            let file = compiling.file().or_else(row).or_else(|| file(cause)).filter(|file| !file.is_empty());
            // Who asked may have gone.
            let _ = compiling.answer.send(Err(DispatchError::Compiler { why: what(cause), file }));
        }
    }

    fn doing(&self, dispatch: u64, worker: &Worker) -> Option<Doing> {
        let flight = self.flights.get(&dispatch)?;
        let (runs, deaths, processed) = match &flight.work {
            Work::Event(job) => (job.runs, job.event.deaths, flight.processed),
            // What a start hook left behind is not done as long as it is there.
            Work::Hooks(_) => (1, 0, false),
        };
        let settings = &self.shared.settings;
        let (slice, grace) = (settings.scripts.slice, settings.dispatch.grace);
        let row = worker.running.iter().find(|row| row.dispatch == dispatch);
        // The script would have ended by itself if it could: what is this far past its time hangs in native code.
        let overdue = row.is_some_and(|row| overruns(row, slice, grace / 2));
        let woken = flight.live.woken(self.shared.started);
        Some(Doing { dispatch, processed, running: row.is_some(), overdue, woken, runs, deaths })
    }

    fn carry_out(&mut self, flight: Flight, verdict: Verdict, place: Place) {
        let (sent, processed, bot) = (flight.sent, flight.processed, flight.bot().map(ToString::to_string));
        match flight.work {
            Work::Hooks(run) => self.hooks_after_death(run, sent, processed, verdict, place),
            Work::Event(mut job) => match verdict {
                Verdict::Done => {
                    self.turns.left(&job.event.key.bot);
                    self.answer_when_committed(job.event.id);
                }
                Verdict::Again => {
                    count(&self.shared.counters.run_again);
                    self.again.push_back(job);
                }
                Verdict::Alone => {
                    count(&self.shared.counters.run_again);
                    self.shared.store.count_death(job.event.id);
                    job.event.deaths += 1;
                    // Who computed for some time is likely to do so again: the others go first.
                    if place.file.is_some() {
                        self.alone.push_back(job);
                    } else {
                        self.alone.push_front(job);
                    }
                }
                Verdict::Over => {
                    count(&self.shared.counters.ended_by_kill);
                    place.report(&self.shared, bot, &job, "the event is over");
                    self.end(job, sent, place, None);
                }
                Verdict::Poison => {
                    count(&self.shared.counters.set_aside);
                    place.report(&self.shared, bot, &job, "the event took two workers with it and is set aside");
                    let reason = place.to_string();
                    self.end(job, sent, place, Some(reason));
                }
            },
        }
    }

    /// The event is over: its row goes, or is set aside for a reason; then its turn is free and who waits is answered.
    fn end(&mut self, job: Job, sent: Instant, place: Place, aside: Option<String>) {
        self.turns.left(&job.event.key.bot);
        if !self.shared.settings.production {
            self.shared.traces.push(trace_of(&job, sent, 1, Some(place.to_string()), None));
        }
        let finishing = Finishing::of(&job, self.shared.timeouts.lifetimes(&job.event.key.bot));
        self.shared.finish(Finishing { aside, ..finishing }, None);
    }

    fn hooks_after_death(&mut self, mut run: HookRun, sent: Instant, processed: bool, verdict: Verdict, place: Place) {
        match verdict {
            // What had been done leaves nobody waiting; what had not goes on waiting.
            Verdict::Again if processed => self.hooks.push_back(run.again()),
            Verdict::Again => self.hooks.push_back(run),
            Verdict::Done | Verdict::Over | Verdict::Alone | Verdict::Poison => {
                let pause = self.standing_fell(&run, sent);
                let then = pause.map_or_else(
                    || "the hook is over".to_owned(),
                    |pause| format!("the hook runs again in {} s", pause.as_secs()),
                );
                let kind = run.kind.folder().to_owned();
                let line = place.line(run.bot.as_ref().map(ToString::to_string), Some(kind), &then);
                self.shared.log(line, None);
                run.answer(Err(DispatchError::Ended(place.to_string())));
            }
        }
    }
}

/// What ended an event, and where it was.
struct Place {
    what: String,
    file: Option<String>,
    hook: Option<String>,
}

impl Place {
    fn report(&self, shared: &Shared, bot: Option<String>, job: &Job, then: &str) {
        shared.log(self.line(bot, self.hook.clone(), then), Some(job.event.id));
    }

    fn line(&self, bot: Option<String>, hook: Option<String>, then: &str) -> LogLine {
        LogLine {
            level: "error".into(),
            message: format!("{}; {then}", self.what),
            file: self.file.clone().filter(|file| !file.is_empty()),
            line: None,
            column: None,
            frame: None,
            hook: hook.filter(|hook| !hook.is_empty()),
            bot,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        match self.file.as_deref().filter(|file| !file.is_empty()) {
            Some(file) => write!(f, ", in {file}"),
            None => Ok(()),
        }
    }
}

fn what(cause: &Cause) -> String {
    match cause {
        Cause::Guilty { what, .. } | Cause::Crashed { what } => what.clone(),
        Cause::Told => "its worker was told to stop".to_owned(),
    }
}

fn file(cause: &Cause) -> Option<String> {
    if let Cause::Guilty { file, .. } = cause { file.clone() } else { None }
}

fn hook(cause: &Cause) -> Option<String> {
    if let Cause::Guilty { hook, .. } = cause { hook.clone() } else { None }
}
