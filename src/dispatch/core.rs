//! The dispatcher's one task. It owns every turn, dispatch and worker, so nothing here is locked and nothing races.
//!
//! Messages come on two channels: from callers and the store's completions, who never wait, and from the workers, who
//! wait when the task is behind, so that a flood stays in the socket of the worker that makes it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::collect::{Collector, Collectors};
use super::hold::Holds;
use super::outcome::Finishing;
use super::pool::{Pool, Role};
use super::process::{FromWorker, Message, Out};
use super::standing::{Post, Sources, Standing};
use super::stats::{count, gauge};
use super::turns::{Limits, Turns};
use super::watch::Watch;
use super::work::{Flight, Job, Work};
use super::{AcceptError, ConverseError, DispatchError, LockedIn, Shared};
use crate::model::{BotId, ConversationKey, EventId, QueuedEvent, StateSnapshot};
use crate::protocol::{Compiled, DispatchHead, DispatchKind, Frame, FrameKind, HEADER_BYTES, HookWork, event_work};
use crate::store::StoreError;

pub(super) use super::work::HookRun;

/// How often workers are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Batches of frames that wait for the task; more wait in the sockets.
const BATCHES: usize = 64;
/// How long an event waits when its state cannot be read.
const RESTORE_PAUSE: Duration = Duration::from_millis(500);

/// A larger event is kept in the store alone and read from there when its turn has come.
const KEPT_BODY: usize = 64 << 10;

/// What callers and completions tell the task.
pub(super) enum Control {
    /// An event is committed.
    Queued {
        event: QueuedEvent,
        bytes: usize,
        at: Instant,
        collector: Option<Collector>,
    },
    /// A reply is committed that somebody may wait for.
    Replied {
        event: EventId,
        payload: Box<RawValue>,
    },
    /// An event's end is committed, or could not be.
    Finished(Finishing, Result<(), StoreError>),
    /// Everything that a settled event did is committed.
    Answer(EventId),
    /// An event whose state could not be read is tried again.
    Retry(Job),
    Publish {
        version: u64,
        frame: Bytes,
        bots: Vec<BotId>,
        sources: Sources,
    },
    Compile {
        frame: Bytes,
        files: Vec<Arc<str>>,
        answer: oneshot::Sender<Result<Compiled, DispatchError>>,
    },
    RunHooks(HookRun),
    /// Hooks that fell are to stand again.
    RunStanding(Post),
    WhenReady(oneshot::Sender<Result<LockedIn, DispatchError>>),
    /// A worker's process is gone.
    Reaped {
        worker: u32,
        status: String,
    },
    Stop {
        limit: Duration,
        answer: oneshot::Sender<()>,
    },
}

/// The program that new dispatches run on.
pub(super) struct Published {
    pub(super) version: u64,
    pub(super) frame: Bytes,
    pub(super) bots: HashSet<BotId>,
    pub(super) sources: Sources,
}

/// The task's state.
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) turns: Turns<Job>,
    /// Events that hold their turn already and run again at once.
    pub(super) again: VecDeque<Job>,
    /// Events that run next alone in a worker of their own.
    pub(super) alone: VecDeque<Job>,
    pub(super) flights: HashMap<u64, Flight>,
    next_dispatch: u64,
    pub(super) pool: Pool,
    pub(super) program: Option<Published>,
    /// Hook runs that wait for the resident worker.
    pub(super) hooks: VecDeque<HookRun>,
    /// Start and mount hooks, whose leftovers are kept alive.
    pub(super) standing: HashMap<Post, Standing>,
    pub(super) collectors: Collectors,
    pub(super) holds: Holds,
    /// The last number given to an effect of hooks without an event.
    pub(super) last_hook_effect: u64,
    pub(super) watch: Watch,
    pub(super) when_ready: Vec<oneshot::Sender<Result<LockedIn, DispatchError>>>,
    pub(super) stop: Option<Stop>,
}

/// What an event begins with.
enum Found {
    /// The event as JSON, and its state.
    Ready(Arc<str>, StateSnapshot),
    /// It is a time-out, and the user wrote meanwhile.
    Overtaken,
    /// It is no longer queued.
    Gone,
}

/// The server is stopping.
pub(super) struct Stop {
    pub(super) until: Instant,
    pub(super) drained: bool,
    pub(super) answer: Option<oneshot::Sender<()>>,
}

/// Reads what is left in the queue and starts the task.
pub(super) fn start(shared: Arc<Shared>, mut control: mpsc::UnboundedReceiver<Control>) -> Result<(), DispatchError> {
    let (sink, mut frames) = mpsc::channel(BATCHES);
    let settings = &shared.settings.dispatch;
    let limits = Limits { in_flight: settings.in_flight.max(1), per_bot: settings.in_flight_per_bot.max(1) };
    let mut core = Core {
        turns: Turns::new(limits),
        again: VecDeque::new(),
        alone: VecDeque::new(),
        flights: HashMap::new(),
        next_dispatch: 1,
        pool: Pool::new(settings.workers, sink),
        program: None,
        hooks: VecDeque::new(),
        standing: HashMap::new(),
        collectors: Collectors::default(),
        holds: Holds::new(settings.typing),
        last_hook_effect: 0,
        watch: Watch::default(),
        when_ready: Vec::new(),
        stop: None,
        shared,
    };
    core.take_up().map_err(|error| DispatchError::Store(error.to_string()))?;
    core.replenish();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut controls, mut batches) = (Vec::new(), Vec::new());
        loop {
            tokio::select! {
                _ = tick.tick() => core.tick(),
                _ = control.recv_many(&mut controls, 256) => {}
                _ = frames.recv_many(&mut batches, 16) => {}
            }
            for message in controls.drain(..) {
                core.control(message);
            }
            for batch in batches.drain(..) {
                core.worker_says(batch);
            }
            core.pump();
            if core.stop.as_ref().is_some_and(|stop| stop.answer.is_none()) {
                return;
            }
        }
    });
    Ok(())
}

impl Core {
    /// What an earlier run of the server left: unfinished events, and messages that are still ahead.
    fn take_up(&mut self) -> Result<(), StoreError> {
        let now = self.shared.clock.now();
        for ahead in self.shared.store.undelivered(now)? {
            let parsed = (BotId::parse(&ahead.bot), crate::model::UserId::parse(&ahead.user));
            if let (Ok(bot), Ok(target)) = parsed {
                self.holds.remember(&ConversationKey { bot, channel: "web".into(), target }, ahead.deliver_at);
            }
        }
        for event in self.shared.store.pending()? {
            let bytes = event.bytes;
            self.shared.admission.enter_anyway(&event.key, bytes);
            if event.timeout {
                self.shared.timeouts.queued(&event.key.bot);
            }
            self.queue(event.without_body(), bytes, Instant::now());
        }
        Ok(())
    }

    fn queue(&mut self, mut event: QueuedEvent, bytes: usize, queued: Instant) {
        if event.body.len() > KEPT_BODY {
            event.body = "".into();
        }
        self.turns.push(event.key.clone(), Job { event, bytes, queued, runs: 0, tries: 0 });
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Queued { event, bytes, at, collector } => {
                if let Some(collector) = collector {
                    self.collectors.insert(event.id, collector);
                }
                self.queue(event, bytes, at);
            }
            Control::Replied { event, payload } => self.collectors.reply(event, payload),
            Control::Finished(finishing, result) => self.finished(finishing, result),
            Control::Answer(event) => self.collectors.settle(event),
            Control::Retry(job) => self.again.push_back(job),
            Control::Publish { version, frame, bots, sources } => self.publish(version, frame, bots, sources),
            Control::Compile { frame, files, answer } => self.pool.compiles.push_back((frame, files, answer)),
            Control::RunHooks(run) => self.ask_hooks(run),
            Control::RunStanding(post) => self.run_standing(&post),
            Control::WhenReady(answer) => {
                self.when_ready.push(answer);
                self.tell_ready();
            }
            Control::Reaped { worker, status } => self.bury(worker, &status),
            Control::Stop { limit, answer } => {
                let until = Instant::now() + limit;
                self.stop = Some(Stop { until, drained: false, answer: Some(answer) });
            }
        }
    }

    fn worker_says(&mut self, batch: FromWorker) {
        match batch {
            FromWorker::Messages(worker, messages) => {
                for message in messages {
                    if self.pool.distrusted(worker) {
                        return;
                    }
                    if let Err((dispatch, why)) = self.message(worker, message) {
                        self.distrust(worker, dispatch, why);
                    }
                }
            }
            FromWorker::End(worker, None) => self.reap(worker),
            FromWorker::End(worker, Some(broken)) => {
                self.distrust(worker, broken.dispatch, broken.why);
                self.reap(worker);
            }
        }
    }

    /// One message of a worker. An error is a breach of the protocol, with the dispatch it was made in, if it is one of
    /// this worker's.
    fn message(&mut self, worker: u32, message: Message) -> Result<(), (Option<u64>, String)> {
        match message {
            Message::Ready(ready) => self.worker_ready(worker, ready).map_err(|why| (None, why)),
            Message::Compiling(script) => self.compiling(worker, script).map_err(|why| (None, why)),
            Message::Compiled(compiled) => self.compiled(worker, compiled).map_err(|why| (None, why)),
            Message::Beat(beat) => self.beat(worker, beat).map_err(|why| (None, why)),
            Message::Request { dispatch, number, method, args, loan } => {
                let Some(out) = self.pool.out(worker) else { return Ok(()) };
                let shared = Arc::clone(&self.shared);
                let frame = shared.settings.scripts.frame;
                let flight = self.flight(worker, dispatch)?;
                flight.count_bytes(args.get().len(), frame).map_err(|why| (Some(dispatch), why))?;
                let ask = super::work::Ask { number, method, args, loan };
                super::requests::ask(&shared, dispatch, flight, &out, ask).map_err(|why| (Some(dispatch), why))
            }
            Message::Fetch(asked) => self.fetch(worker, asked),
            Message::Abandon { dispatch, number } => self.abandon(worker, dispatch, number),
            Message::Effect { dispatch, number, effect, loan } => {
                let frame = self.shared.settings.scripts.frame;
                let bytes = effect.as_ref().map_or(0, |effect| effect.payload.get().len());
                self.flight(worker, dispatch)?.count_bytes(bytes, frame).map_err(|why| (Some(dispatch), why))?;
                self.effect(dispatch, number, effect, loan).map_err(|why| (Some(dispatch), why))
            }
            Message::Acting { dispatch, begins } => {
                let frame = self.shared.settings.scripts.frame;
                let flight = self.flight(worker, dispatch)?;
                flight.count_bytes(HEADER_BYTES, frame).map_err(|why| (Some(dispatch), why))?;
                if let Work::Event(Job { event, .. }) = &flight.work {
                    let event = event.id;
                    self.collectors.acts(event, begins);
                }
                Ok(())
            }
            Message::Log { dispatch: 0, line } => self.log_of_worker(worker, *line).map_err(|why| (None, why)),
            Message::Log { dispatch, line } => {
                let limit = self.shared.settings.scripts.log_lines.saturating_add(100);
                let flight = self.flight(worker, dispatch)?;
                flight.log_lines += 1;
                if flight.log_lines > limit {
                    return Err((Some(dispatch), format!("more than {limit} log lines")));
                }
                let (line, event) = super::effects::of_dispatch(flight, *line);
                self.shared.log(line, event);
                Ok(())
            }
            Message::Processed { dispatch, body, processed, loan } => {
                self.flight(worker, dispatch)?;
                self.processed(dispatch, body, *processed, loan).map_err(|why| (Some(dispatch), why))
            }
            Message::Settled { dispatch, settled } => {
                self.flight(worker, dispatch)?;
                self.settled(dispatch, settled).map_err(|why| (Some(dispatch), why))
            }
        }
    }

    pub(super) fn flight(&mut self, worker: u32, dispatch: u64) -> Result<&mut Flight, (Option<u64>, String)> {
        match self.flights.get_mut(&dispatch) {
            Some(flight) if flight.worker == worker => Ok(flight),
            _ => Err((None, format!("it spoke for dispatch {dispatch}, which it does not run"))),
        }
    }

    /// Nothing of the dispatch is left: its number and its place in the worker are free.
    pub(super) fn leave(&mut self, dispatch: u64) -> Option<Flight> {
        let flight = self.flights.remove(&dispatch)?;
        self.pool.landed(flight.worker);
        count(&self.shared.counters.settled);
        if let Work::Event(job) = &flight.work {
            self.turns.left(&job.event.key.bot);
        }
        if let Work::Hooks(run) = &flight.work
            && run.renew
        {
            self.run_standing(&run.post());
        }
        Some(flight)
    }

    /// Gives workers what may run.
    fn pump(&mut self) {
        if self.stop.is_none() {
            self.pump_compiler();
            if self.program.is_some() {
                self.pump_hooks();
                self.pump_alone();
                while !self.watch.memory.paused() {
                    let Some(worker) = self.pool.pick(self.shared.settings.scripts.realms) else { break };
                    let Some(job) = self.next_job() else { break };
                    self.dispatch_event(job, worker);
                }
            }
        }
        gauge(&self.shared.counters.waiting, self.turns.waiting() + self.again.len() + self.alone.len());
        gauge(&self.shared.counters.in_flight, self.flights.len());
    }

    fn next_job(&mut self) -> Option<Job> {
        if let Some(job) = self.again.pop_front() {
            return Some(job);
        }
        loop {
            let job = self.turns.take()?;
            self.shared.admission.leave(&job.event.key, job.bytes);
            if job.event.deaths == 0 {
                return Some(job);
            }
            // A worker died on it before the server did: it does not share one again.
            self.alone.push_back(job);
            self.pump_alone();
        }
    }

    pub(super) fn dispatch_event(&mut self, mut job: Job, worker: u32) {
        let (Some(program), Some(out)) = (&self.program, self.pool.out(worker)) else {
            self.again.push_front(job);
            return;
        };
        let (body, state) = match self.read(&job.event) {
            Ok(Found::Ready(body, state)) => (body, state),
            Ok(Found::Overtaken) => {
                tracing::debug!("time-out {} has nothing to do: the user wrote meanwhile", job.event.id);
                self.turns.left(&job.event.key.bot);
                let lifetimes = self.shared.timeouts.lifetimes(&job.event.key.bot);
                return self.shared.finish(Finishing::of(&job, lifetimes), None);
            }
            Ok(Found::Gone) => {
                tracing::error!("event {} is no longer in the queue; it does not run", job.event.id);
                self.turns.left(&job.event.key.bot);
                self.turns.release(&job.event.key);
                self.collectors.settle(job.event.id);
                return;
            }
            Err(error) => {
                tracing::error!("event {} and its state cannot be read, it is tried again: {error}", job.event.id);
                job.tries += 1;
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move {
                    tokio::time::sleep(RESTORE_PAUSE * job.tries.min(10)).await;
                    shared.tell(Control::Retry(job));
                });
                return;
            }
        };
        let text = body;
        let mut body = BytesMut::with_capacity(512 + text.len() + state.session.len() + state.user.len());
        let kind = if job.event.timeout { DispatchKind::Timeout } else { DispatchKind::Event };
        DispatchHead::write(program.version, kind, job.event.key.bot.as_str(), &mut body);
        event_work(&text, &state, &mut body);
        if let Some(members) = self.collectors.begins(job.event.id) {
            // Into the object that `event_work` has closed.
            body.truncate(body.len() - 1);
            body.put_slice(members);
        }
        job.runs += 1;
        count(&self.shared.counters.dispatched);
        self.launch(Work::Event(job), worker, &out, body.freeze());
    }

    /// The event as JSON and the state in which it begins.
    fn read(&self, event: &QueuedEvent) -> Result<Found, StoreError> {
        let body = match event.body.is_empty() {
            false => Arc::clone(&event.body),
            true => match self.shared.store.queued(event.id)? {
                Some(stored) => stored.body,
                None => return Ok(Found::Gone),
            },
        };
        let (store, session) = (&self.shared.store, event.session());
        if !event.timeout {
            let state = store.restore(&session)?;
            return Ok(Found::Ready(body, if event.reset { state.anew() } else { state }));
        }
        let state = store.restore_timeout(event.id, &session)?;
        Ok(state.map_or(Found::Overtaken, |state| Found::Ready(body, state)))
    }

    pub(super) fn dispatch_hooks(&mut self, run: HookRun, worker: u32) {
        let (Some(program), Some(out)) = (&self.program, self.pool.out(worker)) else {
            self.hooks.push_front(run);
            return;
        };
        let mut body = BytesMut::new();
        let bot = run.bot.as_ref().map_or("", BotId::as_str);
        DispatchHead::write(program.version, DispatchKind::Hooks, bot, &mut body);
        let work = HookWork { hook: run.kind.folder().to_owned(), args: run.args.clone() };
        // Plain JSON into memory: it cannot fail.
        body.put_slice(&serde_json::to_vec(&work).unwrap_or_default());
        self.hooks_launched(&run.post());
        self.launch(Work::Hooks(run), worker, &out, body.freeze());
    }

    fn launch(&mut self, work: Work, worker: u32, out: &Out, body: Bytes) {
        let dispatch = self.next_dispatch;
        self.next_dispatch += 1;
        self.pool.launched(worker);
        self.flights.insert(dispatch, Flight::new(work, worker, self.shared.started));
        out.send(Frame { kind: FrameKind::Dispatch, dispatch, number: 0, body });
    }

    fn pump_hooks(&mut self) {
        while !self.hooks.is_empty()
            && let Some(worker) = self.pool.ready_as(Role::Resident)
            && let Some(run) = self.hooks.pop_front()
        {
            self.dispatch_hooks(run, worker);
        }
    }

    fn publish(&mut self, version: u64, frame: Bytes, bots: Vec<BotId>, sources: Sources) {
        self.turns.mount(bots.iter().cloned());
        let published = Published { version, frame, bots: bots.into_iter().collect(), sources };
        self.pool.send_program(&published);
        for (dispatch, flight) in &self.flights {
            // What hooks of a bot that is gone have left behind ends with it.
            if let (Work::Hooks(HookRun { bot: Some(bot), answer: None, .. }), Some(out)) =
                (&flight.work, self.pool.out(flight.worker))
                && !published.bots.contains(bot)
            {
                out.send(Frame { kind: FrameKind::Cancel, dispatch: *dispatch, number: 0, body: Bytes::new() });
            }
        }
        self.program = Some(published);
        gauge(&self.shared.counters.program, usize::try_from(version).unwrap_or(usize::MAX));
        self.renew_standing();
    }

    /// Everybody who waits for replies is told that the server stops.
    pub(super) fn give_up_collectors(&mut self) {
        self.collectors.fail_all(|| ConverseError::Accept(AcceptError::Stopping));
    }
}
