//! How an event ends: processed, settled, its end stored, its conversation's turn free again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Shared;
use super::core::{Control, Core};
use super::credit::Loan;
use super::stats::count;
use super::traces::Trace;
use super::work::{Flight, Job, Work};
use crate::model::{BotId, EventId, QueuedEvent, SessionKey, StateChange};
use crate::protocol::{Frame, FrameKind, Processed, Settled};
use crate::store::{Lifetimes, StoreError};

/// How often the end of an event is tried to be stored before its conversation goes on without it.
const FINISH_TRIES: u32 = 8;

/// How often an event runs of which something cannot be stored, before its end is stored without that.
const MOST_RUNS: u32 = 6;
/// How long it waits at first.
const STORE_PAUSE: Duration = Duration::from_millis(100);

/// The end of an event on its way to the store.
#[derive(Debug)]
pub(super) struct Finishing {
    pub(super) event: EventId,
    pub(super) session: SessionKey,
    /// Why it is set aside, if it is.
    pub(super) aside: Option<String>,
    /// It is a time-out of that session.
    pub(super) timeout: bool,
    /// How long the session lives from now on.
    pub(super) lifetimes: Lifetimes,
    /// The `Processed` frame, to take the state from again if the first try fails; none for an event that was ended.
    pub(super) body: Option<Bytes>,
    /// The bytes of that frame, until its end is stored.
    pub(super) _loan: Option<Loan>,
    /// Nothing follows: who waits for the replies is answered.
    pub(super) settles: bool,
    pub(super) tries: u32,
    /// How often the event was dispatched.
    pub(super) runs: u32,
}

impl Finishing {
    /// The end of an event that leaves nothing to store.
    pub(super) fn of(job: &Job, lifetimes: Lifetimes) -> Self {
        Self {
            event: job.event.id,
            session: job.event.session(),
            aside: None,
            timeout: job.event.timeout,
            lifetimes,
            body: None,
            _loan: None,
            settles: true,
            tries: 0,
            runs: job.runs,
        }
    }
}

impl Core {
    pub(super) fn processed(
        &mut self,
        dispatch: u64,
        body: Bytes,
        processed: Processed,
        loan: Loan,
    ) -> Result<(), String> {
        let Some(flight) = self.flights.get_mut(&dispatch) else { return Ok(()) };
        if std::mem::replace(&mut flight.processed, true) {
            return Err("it said twice that an event is processed".to_owned());
        }
        let settles = processed.settled;
        match &mut flight.work {
            Work::Hooks(run) => {
                let result = processed.event.or(processed.trace);
                run.answer(Ok(result.unwrap_or_else(|| RawValue::NULL.to_owned())));
                let gone = |bot: &BotId| self.program.as_ref().is_some_and(|program| !program.bots.contains(bot));
                // The bot went while its hooks ran: what they leave behind goes as well.
                if !settles
                    && run.bot.as_ref().is_some_and(gone)
                    && let Some(out) = self.pool.out(flight.worker)
                {
                    out.send(Frame { kind: FrameKind::Cancel, dispatch, number: 0, body: Bytes::new() });
                }
            }
            Work::Event(job) => {
                let traced = !self.shared.settings.production;
                let trace = traced.then(|| trace_of(job, flight.sent, processed.errors, None, processed.trace));
                if processed.event.is_some() {
                    self.collectors.ended(job.event.id, processed.event);
                }
                let finishing = Finishing {
                    body: Some(body),
                    _loan: Some(loan),
                    settles,
                    ..Finishing::of(job, self.shared.timeouts.lifetimes(&job.event.key.bot))
                };
                self.shared.finish(finishing, processed.state);
                // Whoever sees the trace finds the state among what the store was given before.
                trace.into_iter().for_each(|trace| self.shared.traces.push(trace));
            }
        }
        if settles {
            self.leave(dispatch);
        }
        Ok(())
    }

    pub(super) fn settled(&mut self, dispatch: u64, settled: Settled) -> Result<(), String> {
        let Some(flight) = self.flights.get(&dispatch) else { return Ok(()) };
        if !flight.processed {
            return Err("it said that an event has settled before it was processed".to_owned());
        }
        if let Work::Event(job) = &flight.work {
            let event = job.event.id;
            if let Some(steps) = settled.trace.filter(|_| !self.shared.settings.production) {
                self.shared.traces.late(event, steps);
            }
            self.answer_when_committed(event);
        }
        if let Some(Flight { work: Work::Hooks(run), sent, .. }) = self.leave(dispatch)
            && settled.ended
            && !run.renew
            && let Some(pause) = self.standing_fell(&run, sent)
        {
            let (bot, kind) = (run.bot.as_ref().map(tracing::field::display), run.kind.folder());
            tracing::warn!(bot, "{kind} hooks were ended by a limit; they run again in {} s", pause.as_secs());
        }
        Ok(())
    }

    /// Who waits for the event's replies is answered once all that was submitted so far is committed.
    pub(super) fn answer_when_committed(&mut self, event: EventId) {
        if self.collectors.waits(event) {
            let shared = Arc::clone(&self.shared);
            self.shared.store.barrier(move || shared.tell(Control::Answer(event)));
        }
    }

    pub(super) fn finished(&mut self, mut finishing: Finishing, result: Result<(), StoreError>) {
        match result {
            Ok(()) => {
                count(&self.shared.counters.processed);
                self.watch.processed += 1;
            }
            Err(StoreError::Unstored(event)) if finishing.body.is_some() && finishing.runs < MOST_RUNS => {
                match self.shared.store.queued(event) {
                    Ok(Some(queued)) => return self.run_again(queued, finishing.runs),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!("event {event} cannot be read; it runs again after the next start: {error}");
                    }
                }
            }
            Err(error) if finishing.tries < FINISH_TRIES && !matches!(error, StoreError::Closed) => {
                tracing::error!("the end of event {} could not be stored, it is tried again: {error}", finishing.event);
                finishing.tries += 1;
                let shared = Arc::clone(&self.shared);
                let pause = Duration::from_millis(50 << finishing.tries);
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    // It was parsed once already.
                    let parse = |body: &Bytes| serde_json::from_slice::<Processed>(body).ok();
                    let state = finishing.body.as_ref().and_then(parse).and_then(|processed| processed.state);
                    shared.finish(finishing, state);
                });
                return;
            }
            Err(error) => tracing::error!(
                "the end of event {} could not be stored; it runs again after the next start: {error}",
                finishing.event
            ),
        }
        self.over(&finishing);
    }

    /// Some of what the event did could not be stored: it keeps its turn and runs again soon, like one whose worker died.
    fn run_again(&mut self, event: QueuedEvent, runs: u32) {
        let pause = STORE_PAUSE * (1 << runs.min(10));
        tracing::error!(
            "some of what event {} did could not be stored: it runs again in {} ms",
            event.id,
            pause.as_millis()
        );
        count(&self.shared.counters.run_again);
        self.turns.back(&event.key.bot);
        let job = Job { event, bytes: 0, queued: Instant::now(), runs, tries: 0 };
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            shared.tell(Control::Retry(job));
        });
    }

    /// The turn of the event's conversation is free.
    pub(super) fn over(&mut self, finishing: &Finishing) {
        self.turns.release(&finishing.session.conversation);
        if finishing.timeout {
            self.shared.timeouts.over(&finishing.session.conversation.bot);
        }
        if finishing.settles {
            self.collectors.settle(finishing.event);
        }
    }
}

impl Shared {
    /// Submits the end of an event: its row goes, or is set aside for a reason.
    pub(super) fn finish(self: &Arc<Self>, finishing: Finishing, state: Option<StateChange>) {
        let shared = Arc::clone(self);
        let (event, session, lifetimes) = (finishing.event, finishing.session.clone(), finishing.lifetimes);
        let aside = finishing.aside.clone();
        let then = move |result| shared.tell(Control::Finished(finishing, result));
        match aside {
            None => self.store.finish(event, session, state, lifetimes, then),
            Some(reason) => self.store.set_aside(event, reason, then),
        }
    }
}

/// The trace of an event that was dispatched at `sent`.
pub(super) fn trace_of(
    job: &Job,
    sent: Instant,
    errors: u32,
    ended: Option<String>,
    steps: Option<Box<RawValue>>,
) -> Trace {
    Trace {
        event: job.event.id,
        bot: job.event.key.bot.clone(),
        kind: Arc::clone(&job.event.kind),
        channel: Arc::clone(&job.event.key.channel),
        target: job.event.key.target.clone(),
        waited_ms: sent.saturating_duration_since(job.queued).as_secs_f64() * 1_000.0,
        took_ms: sent.elapsed().as_secs_f64() * 1_000.0,
        errors,
        ended,
        steps,
        late: None,
    }
}
