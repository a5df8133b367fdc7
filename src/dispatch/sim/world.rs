//! The simulated world: time, what happens when, the machine, and who carries out what it wants done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::oneshot;

use super::super::action::{Action, After, Control};
use super::super::admission::Admission;
use super::super::machine::{Machine, Now};
use super::super::stats::Counters;
use super::super::tally::Tally;
use super::super::timeouts::Timeouts;
use super::super::{ConverseError, Conversed, DispatchError};
use super::fleet::{Input, Process};
use super::plan::{Plan, Temper};
use super::store::{Op, Outcome, Store};
use crate::config::Settings;
use crate::fleet::{self, Credit, FleetLimits, Loan, Order, ProcessId};
use crate::model::{BotId, ConversationKey, EventId};
use crate::protocol::Compiled;

/// What may be wrong with the world besides its scripts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// Zygotes die, forks are refused, realms are killed by others.
    pub(super) faults: f64,
    /// What the store is given fails.
    pub(super) refusals: f64,
    pub(super) temper: Temper,
    /// The slowest that anything is, in microseconds.
    pub(super) lag: u64,
    /// How often it happens that programs are published, the server stops, falls, clocks jump.
    pub(super) upheavals: f64,
}

/// Something that happens at its time.
#[allow(clippy::large_enum_variant, reason = "most of them are the large one")]
pub(super) enum Happening {
    /// Somebody outside does something.
    Outside,
    /// A process takes in what it was sent.
    Inbox(ProcessId),
    /// A script goes on, unless its realm is at something else by then.
    Go(ProcessId, u64),
    /// What a process has said arrives.
    Deliver(ProcessId),
    /// The store does some of what it was given.
    Commit,
    Tell(Control),
    /// A request or a call is answered.
    Answer(u64, u32, bool),
    /// What an event begins with was read.
    Begun(u64, EventId),
    /// There is room on the disk again.
    Room,
    /// The store tries whether it can write.
    Look,
}

/// What is known of an event, whatever the machine believes.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) key: ConversationKey,
    pub(super) plan: Arc<Plan>,
    /// How often it was sent to a realm, and the realm that runs it.
    pub(super) runs: u32,
    pub(super) realm: Option<ProcessId>,
    /// What the last realm left when it ran into a limit.
    pub(super) left: Option<bytes::Bytes>,
    /// What the realm before that had left, with which this one was sent it.
    pub(super) sent_with: Option<bytes::Bytes>,
    /// How often its realm died by itself while it ran, and how many of those were counted.
    pub(super) deaths: u32,
    pub(super) counted: u32,
    /// It held too much memory, and the server is told.
    pub(super) too_large: bool,
    /// It did what a kill is for.
    pub(super) guilty: bool,
    /// It is to run again: its realm is gone, or something of it could not be stored.
    pub(super) again: bool,
    /// How often it has run and something of it found the disk full, or its end did.
    pub(super) unstored: u32,
    pub(super) ends_refused: u32,
    pub(super) outcome: Option<Outcome>,
    /// The last number of its effects in this run.
    pub(super) last: Option<u32>,
    pub(super) caller: Option<oneshot::Receiver<Result<Conversed, ConverseError>>>,
    /// When it was accepted, or somebody else killed or stopped its realm: it may live for a while from then on at least.
    pub(super) since: Duration,
    pub(super) timeout: bool,
    /// How many events in a row have led to it.
    pub(super) depth: u32,
    /// Others that were sent since it could have been.
    pub(super) passed: u32,
}

/// The world.
pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) weather: Weather,
    pub(super) flood: bool,
    base: Instant,
    pub(super) time: Duration,
    /// The wall's clock is ahead of it by that, in milliseconds.
    pub(super) wall: u64,
    queue: BTreeMap<(Duration, u64), Happening>,
    order: u64,
    pub(super) machine: Machine,
    pub(super) tally: Arc<Tally>,
    pub(super) limits: FleetLimits,
    pub(super) store: Store,
    pub(super) committing: bool,
    pub(super) processes: BTreeMap<ProcessId, Process>,
    pub(super) truths: BTreeMap<EventId, Truth>,
    pub(super) plans: Vec<Arc<Plan>>,
    pub(super) bots: Vec<&'static str>,
    pub(super) version: u64,
    /// Calls of other servers that are under way.
    pub(super) fetches: BTreeSet<(u64, u32)>,
    /// Events that are to run again after a pause.
    pub(super) retries: usize,
    pub(super) compiles: Vec<oneshot::Receiver<Result<Compiled, DispatchError>>>,
    pub(super) hooks: Vec<oneshot::Receiver<Result<Box<serde_json::value::RawValue>, DispatchError>>>,
    stopped: Option<oneshot::Receiver<()>>,
    /// Nothing new comes, nothing fails any more.
    pub(super) calm: bool,
    pub(super) steps: u64,
    pub(super) log: Option<VecDeque<String>>,
    pub(super) credit: Arc<Credit>,
    /// How many events are not over.
    pub(super) open: usize,
    /// Events of which somebody may wait for the replies.
    pub(super) waiting: BTreeSet<EventId>,
    /// The first thing that must not be.
    pub(super) wrong: Option<String>,
}

/// Bots that there may be. The first one's scripts do nothing wrong.
pub(super) const BOTS: [&str; 3] = ["calm", "other", "wild"];

impl World {
    pub(super) fn new(seed: u64, traced: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let weather = Weather {
            faults: [0.0, 0.01, 0.05][rng.random_range(0..3)],
            refusals: [0.0, 0.0, 0.05][rng.random_range(0..3)],
            temper: Temper {
                trouble: [0.0, 0.2, 0.5][rng.random_range(0..3)],
                slow: [2, 20, 200][rng.random_range(0..3)],
            },
            lag: [50, 500, 5_000][rng.random_range(0..3)],
            upheavals: [0.0, 0.1, 0.3][rng.random_range(0..3)],
        };
        // A bot that floods, in otherwise fair weather.
        let flood = rng.random_bool(0.1);
        let weather = if flood { Weather { faults: 0.0, refusals: 0.0, upheavals: 0.0, ..weather } } else { weather };
        let (settings, limits) = limits(&mut rng);
        let tally = tally(settings);
        let machine = Machine::new(Arc::clone(&tally), fleet::Machine::new(limits.clone()));
        let mut world = Self {
            rng,
            weather,
            flood,
            base: Instant::now(),
            time: Duration::ZERO,
            wall: 1_700_000_000_000,
            queue: BTreeMap::new(),
            order: 0,
            machine,
            tally,
            limits,
            store: Store::default(),
            committing: false,
            processes: BTreeMap::new(),
            truths: BTreeMap::new(),
            plans: Vec::new(),
            bots: Vec::new(),
            version: 0,
            fetches: BTreeSet::new(),
            retries: 0,
            compiles: Vec::new(),
            hooks: Vec::new(),
            stopped: None,
            calm: false,
            steps: 0,
            log: traced.then(VecDeque::new),
            credit: Credit::new(1 << 40),
            open: 0,
            waiting: BTreeSet::new(),
            wrong: None,
        };
        world.begin_server();
        world.later(Duration::ZERO, Happening::Outside);
        world
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let line = format!("{:>12.3} ms  {}", self.time.as_secs_f64() * 1_000.0, what());
            log.push_back(line);
            if log.len() > 120 {
                log.pop_front();
            }
        }
    }

    /// Something is that must not be.
    pub(super) fn wrong(&mut self, what: String) {
        self.note(|| format!("WRONG: {what}"));
        self.wrong.get_or_insert(what);
    }

    pub(super) fn now(&self) -> Now {
        let millis = self.wall + u64::try_from(self.time.as_millis()).unwrap();
        Now { at: self.base + self.time, millis }
    }

    pub(super) fn later(&mut self, pause: Duration, happening: Happening) {
        self.order += 1;
        self.queue.insert((self.time + pause, self.order), happening);
    }

    /// A little while.
    pub(super) fn lag(&mut self) -> Duration {
        Duration::from_micros(self.rng.random_range(5..self.weather.lag))
    }

    pub(super) fn chance(&mut self, of: f64) -> bool {
        !self.calm && of > 0.0 && self.rng.random_bool(of)
    }

    pub(super) fn loan(&self) -> Loan {
        self.credit.lend(1)
    }

    /// The next thing happens.
    pub(super) fn step(&mut self) {
        self.steps += 1;
        let tick = self.machine.next_tick(self.base + self.time).saturating_duration_since(self.base);
        match self.queue.first_entry() {
            Some(next) if next.key().0 < tick => {
                self.time = next.key().0.max(self.time);
                let happening = next.remove();
                self.happen(happening);
            }
            _ => {
                self.time = tick.max(self.time);
                let now = self.now();
                self.machine.tick(now);
            }
        }
        self.pump();
        self.carry_out();
        self.check();
        if self.machine.has_stopped() {
            self.restart();
        }
    }

    fn pump(&mut self) {
        let (before, now) = (self.machine.fleet.running(), self.now());
        self.machine.stores = !self.store.trouble;
        self.machine.pump(now);
        let running = self.machine.fleet.running();
        if running > before.max(self.limits.running) {
            self.wrong(format!("{running} realms run, {} may", self.limits.running));
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Outside => self.outside(),
            Happening::Inbox(process) => self.take_in(process),
            Happening::Go(process, epoch) => self.go_on(process, epoch),
            Happening::Deliver(process) => self.deliver(process),
            Happening::Commit => self.commit(),
            Happening::Tell(control) => {
                if matches!(control, Control::Retry(_)) {
                    self.retries -= 1;
                }
                let now = self.now();
                self.machine.control(now, control);
            }
            Happening::Answer(dispatch, number, fetch) => self.answer(dispatch, number, fetch),
            Happening::Begun(dispatch, event) => self.begun(dispatch, event),
            Happening::Room => self.store.full = false,
            Happening::Look => self.look(),
        }
    }

    /// What the driver does.
    fn carry_out(&mut self) {
        loop {
            let (actions, orders) = (self.machine.take_actions(), self.machine.fleet.take_orders());
            if actions.is_empty() && orders.is_empty() {
                return;
            }
            let first = |action: &Action| matches!(action, Action::Publish(_) | Action::Forked(..));
            let (publishing, rest): (Vec<Action>, Vec<Action>) = actions.into_iter().partition(first);
            publishing.into_iter().for_each(|action| self.act(action));
            orders.into_iter().for_each(|order| self.obey(order));
            rest.into_iter().for_each(|action| self.act(action));
            self.pump();
        }
    }

    fn obey(&mut self, order: Order) {
        if !matches!(order, Order::LookAtClock { .. } | Order::LookAtMemory { .. }) {
            self.note(|| format!("order {order:?}"));
        }
        let now = self.now();
        match order {
            Order::StartRoot { root } => self.start_root(root),
            Order::Fork { zygote, child, become_ } => self.ask_fork(zygote, child, become_),
            Order::LoadPackages { zygote } | Order::Load { zygote, .. } => self.ask_load(zygote),
            Order::Kill { process } => self.kill(process),
            Order::Close { process } => self.close(process),
            Order::Bury { zygote, child, .. } => self.input(zygote, Input::Bury(child)),
            Order::LookAtClock { process, .. } => {
                if let Some((used, seen)) = self.clock(process) {
                    self.machine.fleet.clock(now.at, process, used, seen);
                }
            }
            Order::GiveWay { .. } => {}
            Order::LookIfStopped { process } => self.look_if_stopped(process),
            Order::LookAtMemory { process } => {
                let bytes = self.processes.get(&process).map_or(0, |process| process.memory);
                self.machine.fleet.memory(now.at, process, bytes);
                self.look_if_stopped(process);
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Begin { dispatch, event } => {
                self.check_room(event.id);
                let pause = if self.rng.random_bool(0.5) { Duration::ZERO } else { self.lag() };
                self.later(pause, Happening::Begun(dispatch, event.id));
            }
            Action::Settle(batch) => self.settle(batch),
            Action::End(finishing) => self.end(finishing),
            Action::CountDeath(event) => self.count_death(event),
            Action::AfterCommits(_, after) => self.give(Op::Barrier(after)),
            Action::Send(process, frame) => self.send(process, frame),
            Action::TakeBack { realm, below, .. } => {
                if self.machine.fleet.is_busy(realm) {
                    self.take_back(realm, below);
                }
            }
            Action::Ask { dispatch, ask, .. } => {
                let pause = self.lag();
                self.later(pause, Happening::Answer(dispatch, ask.number, false));
            }
            Action::Fetch { fetch, .. } => {
                let pause = self.lag() * 20;
                self.fetches.insert((fetch.dispatch, fetch.number));
                self.later(pause, Happening::Answer(fetch.dispatch, fetch.number, true));
            }
            Action::Abandon { dispatch, number } => {
                if self.fetches.remove(&(dispatch, number)) {
                    self.machine.abandoned(dispatch);
                }
            }
            Action::EndCalls { dispatch, .. } => self.fetches.retain(|(of, _)| *of != dispatch),
            Action::Later(pause, control) => {
                if matches!(control, Control::Retry(_)) {
                    self.retries += 1;
                }
                self.later(pause, Happening::Tell(control));
            }
            Action::Log(..) | Action::Trace(_) | Action::TraceLate(..) | Action::Publish(_) => {}
            Action::Compile(process, request) => self.ask_compile(process, &request),
            Action::Forked(process, _) => self.known(process),
            Action::Forget(process) => self.forget(process),
        }
    }

    /// A server begins on what the store has.
    pub(super) fn begin_server(&mut self) {
        let (now, pending) = (self.now(), self.store.pending());
        self.note(|| format!("a server begins with {} events", pending.len()));
        for event in &pending {
            if let Some(truth) = self.truths.get_mut(&event.id) {
                (truth.realm, truth.again, truth.left, truth.caller) = (None, true, None, None);
                (truth.passed, truth.unstored, truth.ends_refused, truth.too_large) = (0, 0, 0, false);
            }
        }
        self.machine.take_up(now, std::iter::empty(), pending);
        self.publish();
        self.machine.tick(now);
        self.mount_hooks();
    }

    /// The server is told to stop.
    pub(super) fn stop(&mut self) {
        if self.stopped.is_none() {
            let (answer, receiver) = oneshot::channel();
            self.stopped = Some(receiver);
            let (now, limit) = (self.now(), Duration::from_millis(self.rng.random_range(0..3_000)));
            self.note(|| "the server is told to stop".into());
            self.machine.control(now, Control::Stop { limit, answer });
        }
    }

    /// The server is gone, orderly or not, and another one begins. What is committed is all that is left.
    pub(super) fn restart(&mut self) {
        self.note(|| "the server is gone".into());
        if self.machine.has_stopped() {
            // It waits until all is committed that it was given.
            while !self.store.ops.is_empty() {
                self.commit();
            }
        }
        self.store.ops.clear();
        (self.committing, self.retries) = (false, 0);
        self.store.unstored.clear();
        (self.store.full, self.store.trouble) = (false, false);
        self.queue.clear();
        self.processes.clear();
        self.fetches.clear();
        self.stopped = None;
        self.compiles.clear();
        self.hooks.clear();
        for truth in self.truths.values_mut() {
            truth.caller = None;
        }
        self.tally = tally((*self.tally.settings).clone());
        self.machine = Machine::new(Arc::clone(&self.tally), fleet::Machine::new(self.limits.clone()));
        self.begin_server();
        self.later(Duration::ZERO, Happening::Outside);
    }

    /// Whether all is done that there was to do.
    pub(super) fn is_quiet(&self) -> bool {
        self.open == 0 && self.store.ops.is_empty()
    }

    pub(super) fn barrier(&mut self, after: After) {
        match after {
            After::Answer(event) => self.tell(Control::Answer(event)),
            After::Notify(..) | After::NotifyKnown(..) => {}
            After::Stopped(answer) => {
                let _ = answer.send(());
            }
        }
    }

    pub(super) fn serves(&self, bot: &BotId) -> bool {
        self.bots.contains(&bot.as_str())
    }
}

fn tally(settings: Settings) -> Arc<Tally> {
    Arc::new(Tally {
        admission: Admission::new(&settings.dispatch),
        timeouts: Timeouts::new(&settings),
        counters: Counters::default(),
        build: "sim".into(),
        settings: Arc::new(settings),
    })
}

fn limits(rng: &mut StdRng) -> (Settings, FleetLimits) {
    let mut settings = Settings::default();
    settings.dispatch.lock_in = crate::config::LockIn::Off;
    settings.scripts.event_waiting = 5_000;
    settings.dispatch.in_flight = rng.random_range(4..30);
    settings.dispatch.in_flight_per_bot = rng.random_range(2..20);
    settings.production = rng.random_bool(0.5);
    settings.dispatch.follow_up_depth = rng.random_range(1..3);
    settings.dispatch.follow_ups = u32::MAX;
    let mut limits = FleetLimits::of(&settings);
    limits.realms = rng.random_range(4..20);
    limits.realms_of_bot = rng.random_range(1..10);
    limits.running = rng.random_range(1..5);
    limits.cores = rng.random_range(1..3);
    limits.fresh = rng.random_bool(0.2);
    limits.idle = Duration::from_secs(rng.random_range(1..20));
    limits.zygotes = rng.random_range(1..4);
    limits.idle_zygote = Duration::from_secs(rng.random_range(1..100));
    limits.eager = rng.random_range(0..3);
    limits.resident = 64 << 20;
    limits.all_resident = if rng.random_bool(0.2) { 8 << 20 } else { 1 << 40 };
    (settings, limits)
}
