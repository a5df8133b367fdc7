//! The dispatcher as a state machine: which event may run, what its realm says, how it ends. No I/O and no clock: what came
//! and when goes in, [`Action`]s and the fleet's orders come out.

mod dying;
mod effects;
mod events;
pub(super) mod follow_ups;
mod hooks;
mod lines;
mod processes;
mod stopping;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::action::{Action, Batch, Control};
use super::collect::Collectors;
use super::errors::DispatchError;
use super::line::Line;
use super::rate::SendRate;
use super::standing::{Post, Sources, Standing};
use super::stats::gauge;
use super::tally::Tally;
use super::turns::{Limits, Turns};
use super::typing::Holds;
use super::waiting::Waiting;
use super::work::{Flight, HookRun, QueuedRun};
use crate::fleet::LockedIn;
use crate::fleet::broken::{Rule, is_broken};
use crate::fleet::{Broken, Machine as Fleet, Message, Placement, ProcessId};
use crate::model::{BotId, ConversationKey, QueuedEvent};
use crate::program::{CompileRequest, Images};
use crate::protocol::Compiled;
use crate::store::Pending;

/// A larger event is kept in the store alone and read from there when its turn has come.
const KEPT_BODY: usize = 64 << 10;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) at: Instant,
    /// Milliseconds since the epoch.
    pub(super) millis: u64,
}

/// What is in service.
pub(super) struct Served {
    pub(super) bots: BTreeSet<BotId>,
    pub(super) sources: Sources,
    /// To name scripts by their indices.
    pub(super) images: Arc<Images>,
}

/// A candidate that a process compiles.
pub(super) struct Compiling {
    request: CompileRequest,
    answer: oneshot::Sender<Result<Compiled, DispatchError>>,
    /// The file it is at.
    at: Option<u32>,
}

/// The server is stopping.
pub(super) struct Stop {
    pub(super) until: Instant,
    pub(super) drained: bool,
    pub(super) answer: Option<oneshot::Sender<()>>,
}

/// Everything that has been accepted and is not over.
pub(super) struct Machine {
    pub(super) tally: Arc<Tally>,
    pub(super) fleet: Fleet,
    pub(super) turns: Turns<QueuedRun>,
    /// Events that hold their turn already and run again at once.
    pub(super) again: Waiting<QueuedRun>,
    /// Whether anything can be stored, as the store says.
    pub(super) stores: bool,
    /// What is tried again when something can be stored: events of which something could not be, which hold their turn, and ends.
    pub(super) stuck: Vec<Control>,
    pub(super) flights: BTreeMap<u64, Flight>,
    /// What each realm has been given.
    pub(super) lines: BTreeMap<ProcessId, Line>,
    next_dispatch: u64,
    pub(super) served: Option<Served>,
    /// Hook runs that wait for a realm.
    pub(super) hooks: Waiting<HookRun>,
    /// Start and mount hooks, whose leftovers are kept alive.
    pub(super) standing: BTreeMap<Post, Standing>,
    pub(super) collectors: Collectors,
    pub(super) holds: Holds,
    /// Events that scripts have sent.
    pub(super) send_rate: SendRate,
    /// The last number given to an effect of hooks without an event.
    pub(super) last_hook_effect: u64,
    /// What the realm that speaks has done, until it has said all there is to be read.
    pub(super) batch: Option<Batch>,
    /// Processes whose word counts no more.
    distrusted: BTreeSet<ProcessId>,
    candidates: VecDeque<(CompileRequest, oneshot::Sender<Result<Compiled, DispatchError>>)>,
    compiling: BTreeMap<ProcessId, Compiling>,
    when_ready: Vec<oneshot::Sender<Result<LockedIn, DispatchError>>>,
    /// Who wants to know when what was published is in service.
    when_in_service: Vec<oneshot::Sender<()>>,
    locked_in: Option<LockedIn>,
    /// Why no process can be started, if that is known for good.
    broken: Option<DispatchError>,
    /// Why the last start failed, and how many have.
    last_refusal: Option<String>,
    starts_failed: u32,
    /// When time passed last.
    ticked: Option<Instant>,
    second: Option<Instant>,
    /// Events processed since then.
    pub(super) processed: usize,
    pub(super) stop: Option<Stop>,
    pub(super) actions: Vec<Action>,
}

impl Machine {
    pub(super) fn new(tally: Arc<Tally>, fleet: Fleet) -> Self {
        let settings = &tally.settings.dispatch;
        let limits = Limits { in_flight: settings.in_flight.max(1), per_bot: settings.in_flight_per_bot.max(1) };
        Self {
            turns: Turns::new(limits),
            holds: Holds::new(settings.typing, settings.typing_users),
            send_rate: SendRate::new(settings.follow_ups),
            tally,
            fleet,
            again: Waiting::default(),
            stores: true,
            stuck: Vec::new(),
            flights: BTreeMap::new(),
            lines: BTreeMap::new(),
            next_dispatch: 1,
            served: None,
            hooks: Waiting::default(),
            standing: BTreeMap::new(),
            collectors: Collectors::default(),
            last_hook_effect: 0,
            batch: None,
            distrusted: BTreeSet::new(),
            candidates: VecDeque::new(),
            compiling: BTreeMap::new(),
            when_ready: Vec::new(),
            when_in_service: Vec::new(),
            locked_in: None,
            broken: None,
            last_refusal: None,
            starts_failed: 0,
            ticked: None,
            second: None,
            processed: 0,
            stop: None,
            actions: Vec::new(),
        }
    }

    /// What is to be done since the last call, before the fleet's orders.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// What an earlier run of the server left: messages that are still ahead, and unfinished events.
    pub(super) fn take_up(
        &mut self,
        now: Now,
        held: impl Iterator<Item = (ConversationKey, u64)>,
        pending: Vec<Pending>,
    ) {
        for (key, deliver_at) in held {
            self.holds.remember(&key, deliver_at);
        }
        for event in pending {
            let bytes = event.bytes;
            self.tally.admission.enter_anyway(&event.key, bytes);
            if event.timeout {
                self.tally.timeouts.queued(&event.key.bot);
            }
            self.queue(event.without_body(), bytes, now.at);
        }
    }

    fn queue(&mut self, mut event: QueuedEvent, bytes: usize, queued: Instant) {
        if event.body.len() > KEPT_BODY {
            event.body = "".into();
        }
        self.turns.push(event.key.clone(), QueuedRun::new(event, bytes, queued));
    }

    /// Takes what a caller or a completion says.
    pub(super) fn control(&mut self, now: Now, control: Control) {
        match control {
            Control::Queued { event, bytes, at, collector } => {
                if let Some(collector) = collector {
                    self.collectors.insert(event.id, collector);
                }
                self.queue(event, bytes, at);
            }
            Control::Begun { dispatch, begun } => self.begun(now, dispatch, begun),
            Control::Replied { event, payload } => self.collectors.reply(event, payload),
            Control::Finished(finishing, result) => self.finished(finishing, result),
            Control::Answer(event) => self.collectors.settled(event),
            Control::Answered(frame) => self.answered(now, frame),
            Control::Retry(run) => self.again.push_back(run),
            again @ Control::FinishAgain(..) if !self.stores => self.stuck.push(again),
            Control::FinishAgain(finishing, state) => {
                let event = finishing.event;
                let bot = Some(finishing.queued.key.bot.clone());
                self.actions.push(match finishing.aside {
                    None => {
                        let end = Some((finishing, state));
                        Action::Settle(Batch { event, bot, hook: None, effects: Vec::new(), end })
                    }
                    Some(_) => Action::End(finishing),
                });
            }
            Control::WhenInService(answer) => {
                self.when_in_service.push(answer);
                self.tell_in_service();
            }
            Control::Publish { images, sources } => self.publish(now, &images, sources),
            Control::Compile { request, answer } => self.candidates.push_back((request, answer)),
            Control::RunHooks(run) => self.ask_hooks(run),
            Control::RunStanding(post) => self.run_standing(&post),
            Control::WhenReady(answer) => {
                self.when_ready.push(answer);
                self.tell_ready();
            }
            Control::Refused { process, why } => self.refused(now, process, &why),
            Control::Stop { limit, answer } => {
                self.stop = Some(Stop { until: now.at + limit, drained: false, answer: Some(answer) });
            }
        }
    }

    /// Takes what a process said in one go.
    pub(super) fn said(&mut self, now: Now, process: ProcessId, messages: Vec<Message>) {
        for message in messages {
            if self.distrusted.contains(&process) {
                break;
            }
            if let Err(why) = self.message(now, process, message) {
                self.distrust(now, process, &why);
            }
        }
        self.submit();
        self.heed(now);
    }

    /// The socket of a process is at its end.
    pub(super) fn ended(&mut self, now: Now, process: ProcessId, broken: Option<Broken>) {
        if let Some(broken) = broken {
            self.distrust(now, process, &broken.why);
        }
        self.fleet.closed(now.at, process);
        self.forget_line(process);
        self.distrusted.remove(&process);
        self.heed(now);
        self.actions.push(Action::Forget(process));
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Now) {
        self.ticked = Some(now.at);
        self.fleet.tick(now.at);
        self.heed(now);
        if self.second.is_none_or(|second| now.at.saturating_duration_since(second) >= Duration::from_secs(1)) {
            self.second = Some(now.at);
            gauge(&self.tally.counters.rate, std::mem::take(&mut self.processed));
            self.holds.prune(now.millis);
            self.send_rate.prune(now.at);
            self.collectors.prune();
            for flight in self.flights.values_mut() {
                flight.begin_second();
            }
            self.fleet.ensure_root(now.at);
        }
        self.go_on_stopping(now);
    }

    /// When [`Self::tick`] has something to do. It counts from the last time, whatever came since: a realm that hangs is
    /// looked at however busy the others are.
    pub(super) fn next_tick(&self, now: Instant) -> Instant {
        let last = self.ticked.unwrap_or(now);
        let calm = last + if self.flights.is_empty() { Duration::from_secs(1) } else { Duration::from_millis(250) };
        let fleet = self.fleet.next_tick(last);
        let patience = self.fleet.end_of_patience(last);
        let stopping = self.stop.is_some().then(|| last + Duration::from_millis(20));
        [Some(calm), fleet, patience, stopping].into_iter().flatten().min().unwrap_or(calm)
    }

    /// Gives realms what may run.
    pub(super) fn pump(&mut self, now: Now) {
        if self.ticked.is_some() && now.at >= self.next_tick(now.at) {
            self.tick(now);
        }
        if self.stores {
            std::mem::take(&mut self.stuck).into_iter().for_each(|control| self.control(now, control));
        }
        if self.stop.is_none() {
            self.pump_compiler(now);
            if self.served.is_some() {
                self.pump_hooks(now);
                self.pump_again(now);
                self.pump_turns(now);
            }
        }
        self.heed(now);
        let counters = &self.tally.counters;
        gauge(&counters.waiting, self.turns.waiting() + self.again.len() + self.stuck.len());
        gauge(&counters.in_flight, self.flights.len());
        gauge(&counters.realms, self.fleet.realms());
        gauge(&counters.zygotes, self.fleet.zygotes());
        counters.resident_bytes.store(self.fleet.resident(), std::sync::atomic::Ordering::Relaxed);
    }

    fn pump_again(&mut self, now: Now) {
        for _ in 0..self.again.len() {
            if self.fleet.is_full() {
                return;
            }
            let Some(run) = self.again.pop_front() else { break };
            // Its bot is gone: it waits for it like all others.
            if !self.turns.is_mounted(&run.event.key.bot) {
                let key = run.event.key.clone();
                self.turns.give_back(&key, run);
            } else if self.fleet.may_run(now.at, run.event.key.bot.as_str(), false) {
                self.reserve(now, run, Placement::Own);
            } else {
                self.again.push_back(run);
            }
        }
    }

    fn pump_turns(&mut self, now: Now) {
        while let Some(front) = self.turns.front().cloned() {
            // What waits for a realm of the bot comes before: none would become free for it.
            let first = !self.again.has_of(&front) && !self.hooks.has_of(&front);
            let Self { turns, fleet, .. } = self;
            // While no realm may begin anything, only what goes ahead of the front's may: nobody else is asked.
            let full = fleet.is_full();
            let behind = if full && first { fleet.ahead(now.at, front.as_str(), false) } else { None };
            if full && behind.is_none() {
                break;
            }
            let (alone, mut place) = (turns.ready_bots() <= 1, None);
            let run = turns.take(now.at, |bot| {
                let first = first && *bot == front;
                place = match behind {
                    Some(realm) => first.then_some(Placement::Behind(realm)),
                    None => fleet.place_for(now.at, bot.as_str(), first, alone),
                };
                place.is_some()
            });
            let (Some(run), Some(place)) = (run, place) else { break };
            if !is_broken(Rule::AdmissionIsLeft) {
                self.tally.admission.leave(&run.event.key, run.bytes);
            }
            self.reserve(now, run, place);
        }
    }

    pub(super) fn new_dispatch(&mut self) -> u64 {
        self.next_dispatch += 1;
        self.next_dispatch - 1
    }
}
