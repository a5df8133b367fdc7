//! The fleet as a state machine: what came and when goes in, orders come out. No I/O, no clock, no map whose order matters.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::broken::{Rule, is_broken};
use super::compiling::Compiler;
use super::lanes::{Lane, Published};
use super::memory::Memory;
use super::zygotes::{Role, Zygote};
use crate::config::Settings;
use crate::config::settings::Realms;
use crate::program::ImageKey;
use crate::protocol::{ForkAs, PLACES, Unfit};

/// A process of scripts, by a number that is never used again.
pub type ProcessId = u32;

/// What the fleet goes by.
#[derive(Debug, Clone)]
pub struct FleetLimits {
    /// Realms in all.
    pub realms: usize,
    /// Realms of one bot.
    pub realms_of_bot: usize,
    /// Realms that compute at once.
    pub running: usize,
    /// Processors: while fewer realms compute, another one is made without waiting.
    pub cores: usize,
    /// How long an event waits for a realm to become free before another one is made.
    pub patience: Duration,
    /// Every event has a realm of its own.
    pub fresh: bool,
    /// How long an idle realm is kept.
    pub idle: Duration,
    /// How long one slice may compute, and an action.
    pub slice: Duration,
    /// The longest that any slice may compute.
    pub longest_slice: Duration,
    /// Processor time of one event in all.
    pub event_running: Duration,
    /// How long past its budget a realm is killed.
    pub grace: Duration,
    /// How long an event may live.
    pub event_waiting: Duration,
    /// Bytes of one process.
    pub resident: u64,
    /// Bytes of all together.
    pub all_resident: u64,
    /// Zygotes of bots that are made before anybody asks.
    pub eager: usize,
}

impl FleetLimits {
    /// As the settings have them.
    pub fn of(settings: &Settings) -> Self {
        let (scripts, dispatch) = (&settings.scripts, &settings.dispatch);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let longest_slice = scripts.slice.max(scripts.action_running);
        Self {
            realms: dispatch.most_realms.min(usize::from(PLACES) - SPARE_PLACES),
            realms_of_bot: dispatch.most_realms_of_bot,
            running: dispatch.running.unwrap_or(cores * 2).max(1),
            cores,
            patience: PATIENCE,
            fresh: dispatch.realms == Realms::Fresh,
            idle: Duration::from_millis(dispatch.idle_realms),
            slice: Duration::from_millis(scripts.slice),
            longest_slice: Duration::from_millis(longest_slice),
            event_running: Duration::from_millis(scripts.event_running),
            grace: Duration::from_millis(dispatch.grace),
            event_waiting: Duration::from_millis(scripts.event_waiting),
            resident: dispatch.realm_resident,
            all_resident: dispatch.all_resident,
            eager: EAGER,
        }
    }
}

/// Places on the board that are kept for compilers.
const SPARE_PLACES: usize = 48;
/// How long an event waits for a realm to become free before another one is made.
const PATIENCE: Duration = Duration::from_millis(3);
/// Bots whose zygotes are made before anybody asks.
const EAGER: usize = 32;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Start the root zygote.
    StartRoot {
        /// Its number.
        root: ProcessId,
    },
    /// Have a zygote make a copy of itself; the copy's socket is there at once.
    Fork {
        /// The zygote.
        zygote: ProcessId,
        /// The copy's number.
        child: ProcessId,
        /// What it becomes.
        become_: ForkAs,
    },
    /// Have a zygote evaluate the packages that all bots share.
    LoadPackages {
        /// The zygote.
        zygote: ProcessId,
    },
    /// Have a zygote load what a bot runs.
    Load {
        /// The zygote.
        zygote: ProcessId,
        /// The bot; empty is what there is without one.
        bot: Arc<str>,
        /// Whether packages and content types are evaluated now; if not, each realm does it for itself.
        warm: bool,
    },
    /// Send SIGKILL.
    Kill {
        /// Whom.
        process: ProcessId,
    },
    /// Close the socket: the process ends when it has nothing to do.
    Close {
        /// Whose.
        process: ProcessId,
    },
    /// Have a zygote bury a child of its.
    Bury {
        /// The zygote.
        zygote: ProcessId,
        /// The child.
        child: ProcessId,
        /// The system's number of it.
        pid: u32,
    },
    /// Read processor time and place on the board of a realm.
    LookAtClock {
        /// Whose.
        process: ProcessId,
        /// Its place.
        slot: u16,
    },
    /// Read how much memory a process has to itself.
    LookAtMemory {
        /// Whose.
        process: ProcessId,
    },
}

/// What others should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Work that a realm had is without one now.
    Died(Death),
    /// All that runs from now on runs on that program.
    InService {
        /// Its version.
        version: u64,
    },
    /// The root zygote is gone.
    RootGone {
        /// Whether it had stood ready.
        was_ready: bool,
        /// How it ended.
        how: String,
    },
    /// For the log: a realm cannot be had, or can again.
    Scarce {
        /// What, in words.
        what: String,
        /// It is over.
        over: bool,
    },
    /// For the log: a zygote could not load a bot.
    NotWarm {
        /// The bot.
        bot: Arc<str>,
        /// Why.
        why: String,
    },
    /// A realm is of no more use.
    Retired(Unfit),
    /// A compiler is gone that had not answered.
    CompilerGone {
        /// Which.
        process: ProcessId,
        /// Why; nothing where it was not at fault and may be tried again.
        why: Option<String>,
    },
}

/// A realm is gone that had work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The realm.
    pub realm: ProcessId,
    /// Why.
    pub cause: Cause,
}

/// Why a process is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It was killed for what its work did: that is over.
    Overran {
        /// For the log, such as `killed after 1250 ms`.
        what: String,
        /// Index of the script that it was in, if it said so.
        script: Option<u32>,
    },
    /// It died by itself: its work is a suspect.
    Crashed {
        /// For the log.
        what: String,
        /// Index of the script that it was in, if it said so.
        script: Option<u32>,
    },
    /// Somebody else killed it, such as the system when memory was short, or nobody can tell how it ended.
    Killed {
        /// For the log.
        what: String,
        /// Index of the script that it was in, if it said so.
        script: Option<u32>,
    },
    /// Not the fault of its work: its zygote died before it was made, or the server wanted it gone.
    Innocent,
}

/// A realm.
#[derive(Debug)]
pub(super) struct Realm {
    pub(super) bot: Arc<str>,
    /// What it has loaded.
    pub(super) image: ImageKey,
    pub(super) zygote: ProcessId,
    pub(super) slot: u16,
    /// The system's number of it, once its zygote has made it.
    pub(super) made: Option<u32>,
    pub(super) state: State,
    /// Index of the script that it was in at its end.
    pub(super) script: Option<u32>,
    /// Processor time when it was last looked at.
    pub(super) clock: Duration,
    pub(super) resident: u64,
}

/// What a realm is at.
#[derive(Debug)]
pub(super) enum State {
    Idle {
        since: Instant,
    },
    Busy(Box<Busy>),
    /// It is to be gone, and is not buried yet.
    Ending {
        since: Instant,
        /// What is said of its work, if it has some; otherwise it was idle.
        cause: Option<Cause>,
        /// Its socket is at its end.
        closed: bool,
        /// It was sent SIGKILL.
        killed: bool,
    },
}

/// A realm at work.
#[derive(Debug)]
pub(super) struct Busy {
    /// Since when it has this work, and how long it may have it; nothing is without end.
    pub(super) since: Instant,
    pub(super) until: Option<Instant>,
    /// It computes, as far as is known, since then.
    pub(super) computing: Option<Instant>,
    /// It has computed for long in one go, and counts no more among those that run.
    pub(super) long: bool,
    /// Its clock when it was given this work and when it began to compute, once it was looked at since.
    pub(super) base: Option<Duration>,
    pub(super) go: Option<Duration>,
    /// The slice that was seen last, and its clock then.
    pub(super) slice: Option<(u32, Duration)>,
    pub(super) looked: Instant,
    /// Its clock when it was last looked at since it waits.
    pub(super) asleep: Option<Duration>,
}

/// All processes of scripts.
#[derive(Debug)]
pub struct Fleet {
    pub(super) limits: FleetLimits,
    pub(super) orders: Vec<Order>,
    pub(super) notes: Vec<Note>,
    next: ProcessId,
    pub(super) slots: VecDeque<u16>,
    pub(super) zygotes: BTreeMap<ProcessId, Zygote>,
    pub(super) realms: BTreeMap<ProcessId, Realm>,
    pub(super) lanes: BTreeMap<Arc<str>, Lane>,
    pub(super) compilers: BTreeMap<ProcessId, Compiler>,
    /// Realms that compute, as far as is known; the long ones too.
    pub(super) computing: BTreeSet<ProcessId>,
    /// How many of them count.
    pub(super) running: usize,
    pub(super) published: Option<Published>,
    /// The version that is not in service everywhere yet.
    pub(super) pending: Option<u64>,
    pub(super) memory: Memory,
    pub(super) scarce: Option<Instant>,
    pub(super) root_failures: u32,
    pub(super) root_not_before: Option<Instant>,
    pub(super) stopping: bool,
    pub(super) trimmed: Option<Instant>,
    /// When realms that wait were last looked at.
    pub(super) swept: Option<Instant>,
}

/// Looks at realms that compute are this far apart.
pub(super) const TICK: Duration = Duration::from_millis(5);

impl Fleet {
    /// A fleet without any process.
    pub fn new(limits: FleetLimits) -> Self {
        Self {
            limits,
            orders: Vec::new(),
            notes: Vec::new(),
            next: 1,
            slots: (0..PLACES).collect(),
            zygotes: BTreeMap::new(),
            realms: BTreeMap::new(),
            lanes: BTreeMap::new(),
            compilers: BTreeMap::new(),
            computing: BTreeSet::new(),
            running: 0,
            published: None,
            pending: None,
            memory: Memory::default(),
            scarce: None,
            root_failures: 0,
            root_not_before: None,
            stopping: false,
            trimmed: None,
            swept: None,
        }
    }

    /// What is to be done, since the last call.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// What others should know, since the last call.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Whether there is anything to be done or known.
    pub fn is_quiet(&self) -> bool {
        self.orders.is_empty() && self.notes.is_empty()
    }

    /// Realms that live.
    pub fn realms(&self) -> usize {
        self.realms.len()
    }

    /// Zygotes that live.
    pub fn zygotes(&self) -> usize {
        self.zygotes.len()
    }

    /// Bytes that all hold together, as they were last looked at.
    pub fn resident(&self) -> u64 {
        self.memory.sum
    }

    pub(super) fn new_process(&mut self) -> ProcessId {
        self.next += 1;
        self.next - 1
    }

    /// No copy could be made: nothing is tried again for a while. Its socket ends by itself.
    pub fn not_forked(&mut self, now: Instant, why: &str) {
        if self.scarce.is_none() {
            let what = format!(
                "no process can be made for a script: {why}; events wait. Raise the limits on processes (ulimit -u, the \
                 container's pids limit), on open files (ulimit -n) or on memory, or lower `scripts.mostRealms`"
            );
            self.notes.push(Note::Scarce { what, over: false });
        }
        self.scarce = Some(now + SCARCE);
    }

    /// The realm computes no more until it is answered or a timer of its is due.
    pub fn waiting(&mut self, realm: ProcessId) {
        if is_broken(Rule::WaitingRealmsDoNotRun) {
            return;
        }
        self.stop_computing(realm);
    }

    /// The realm was answered.
    pub fn woken(&mut self, now: Instant, realm: ProcessId) {
        if let Some(Realm { state: State::Busy(busy), bot, .. }) = self.realms.get_mut(&realm)
            && busy.computing.is_none()
        {
            (busy.computing, busy.long, busy.go) = (Some(now), false, None);
            self.computing.insert(realm);
            self.running += 1;
            if let Some(lane) = self.lanes.get_mut(bot) {
                lane.running += 1;
            }
        }
    }

    pub(super) fn stop_computing(&mut self, realm: ProcessId) {
        if self.computing.remove(&realm)
            && let Some(Realm { state: State::Busy(busy), bot, .. }) = self.realms.get_mut(&realm)
        {
            (busy.computing, busy.asleep) = (None, None);
            if !busy.long {
                self.running = self.running.saturating_sub(1);
                if let Some(lane) = self.lanes.get_mut(bot) {
                    lane.running = lane.running.saturating_sub(1);
                }
            }
        }
    }

    /// What a realm that has work is at does not end with the event's waiting time: it belongs to a hook that lives on.
    pub fn lives_on(&mut self, realm: ProcessId) {
        if let Some(Realm { state: State::Busy(busy), .. }) = self.realms.get_mut(&realm) {
            busy.until = None;
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        self.look_at_clocks(now);
        self.look_after_zygotes(now);
        self.look_after_compilers(now);
        self.end_the_stubborn(now);
        self.bury_the_forgotten(now);
        self.trim(now);
        self.catch_up(now);
    }

    /// When [`Self::tick`] has something to do; nothing while all is idle.
    pub fn next_tick(&self, now: Instant) -> Option<Instant> {
        if !self.computing.is_empty() {
            return Some(now + TICK);
        }
        let loading = self.zygotes.values().any(|zygote| !zygote.loaded);
        let ending = self.realms.values().any(|realm| matches!(realm.state, State::Ending { .. }));
        if loading
            || ending
            || self.pending.is_some()
            || !self.compilers.is_empty()
            || self.scarce.is_some()
            || self.root_not_before.is_some()
        {
            return Some(now + TICK * 4);
        }
        (!self.realms.is_empty()).then(|| now + TRIM)
    }

    /// Everything ends. Nothing is started any more.
    pub fn stop(&mut self) {
        self.stopping = true;
        let all: Vec<ProcessId> =
            self.realms.keys().chain(self.zygotes.keys()).chain(self.compilers.keys()).copied().collect();
        self.orders.extend(all.into_iter().map(|process| Order::Close { process }));
    }

    /// Whether no process is left.
    pub fn is_empty(&self) -> bool {
        self.realms.is_empty() && self.zygotes.is_empty()
    }

    /// The root zygote, if one is there.
    pub(super) fn root(&self) -> Option<ProcessId> {
        self.zygotes.iter().find(|(_, zygote)| zygote.role == Role::Root && !zygote.ending).map(|(id, _)| *id)
    }
}

/// How long nothing is tried after the system has refused a process.
const SCARCE: Duration = Duration::from_millis(50);
/// How often idle realms are looked at.
pub(super) const TRIM: Duration = Duration::from_secs(1);
