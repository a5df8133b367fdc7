//! What the fleet knows: realms, lanes, zygotes, compilers. Nothing here decides anything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::orders::{Cause, FleetLimits, Note, Order, ProcessId, Published};
use crate::program::{ImageKey, LayerKey};
use crate::telemetry::spell::Spell;

/// What part of the realms of one bot that compute may be such as do not give way.
const BRIEF_PART: usize = 4;

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
    /// It gives way to all others, which nothing takes back.
    pub(super) gives_way: bool,
    /// The most that it had grown by beyond its zygote, as is known at its end.
    pub(super) grew: u64,
    /// Since when it is known to be stopped by somebody else.
    pub(super) stopped: Option<Instant>,
}

impl Realm {
    /// It belongs to a hook that lives on: nothing ends it by itself, and nobody waits for that.
    pub(super) fn lives_on(&self) -> bool {
        matches!(&self.state, State::Busy(busy) if busy.until.is_none())
    }

    /// Nothing is done in it.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    /// It is to be gone.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending { .. })
    }
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
    /// It has an event, and may be sent others ahead; how many it was.
    pub(super) open: bool,
    pub(super) ahead: usize,
}

impl Busy {
    /// Work that a realm is given now.
    pub(super) fn new(now: Instant, until: Option<Instant>) -> Self {
        Self {
            since: now,
            until,
            computing: Some(now),
            long: false,
            base: None,
            go: None,
            slice: None,
            looked: now,
            asleep: None,
            open: false,
            ahead: 0,
        }
    }
}

/// All processes of scripts.
#[derive(Debug)]
pub struct Fleet {
    pub(super) limits: FleetLimits,
    pub(super) orders: Vec<Order>,
    pub(super) notes: Vec<Note>,
    pub(super) next: ProcessId,
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
    /// Until when no copy is tried, since the system has refused one.
    pub(super) scarce: Option<Instant>,
    /// That it refuses them, as it was said.
    pub(super) refusals: Spell<Instant>,
    /// Packages that all share whose zygote died while it loaded: they are left to the realms.
    pub(super) cold_layer: Option<LayerKey>,
    pub(super) layer_failures: u32,
    pub(super) root_failures: u32,
    pub(super) root_not_before: Option<Instant>,
    pub(super) stopping: bool,
    pub(super) trimmed: Option<Instant>,
    /// When realms that wait were last looked at.
    pub(super) swept: Option<Instant>,
}

/// The lane of one bot.
#[derive(Debug)]
pub(super) struct Lane {
    /// What the zygote that makes its realms has loaded, or is to.
    pub(super) image: ImageKey,
    /// Which zygote makes its realms.
    pub(super) zygote: Option<ProcessId>,
    /// The next one, until it has loaded.
    pub(super) next: Option<(ProcessId, ImageKey)>,
    /// Free realms; the last one used is at the end.
    pub(super) idle: Vec<ProcessId>,
    /// All realms, those too that are about to end.
    pub(super) realms: usize,
    /// Realms that compute and count.
    pub(super) running: usize,
    /// All that compute, those too that have for long.
    pub(super) computing: usize,
    /// Of those, how many give way to all others.
    pub(super) giving_way: usize,
    /// Bytes that its realms hold, as they were last looked at, and how many ever were.
    pub(super) resident: u64,
    pub(super) known: usize,
    /// That it gets no other realm for what it holds, as it was said.
    pub(super) shortage: Spell<Instant>,
    /// Since when an event has found no realm.
    pub(super) blocked: Option<Instant>,
    /// Until when its realms get one event at a time, since one waited or computed for long.
    pub(super) uneven: Option<Instant>,
    /// How long its events take at least, as a rule.
    pub(super) usual: Duration,
    /// Its zygote died while it loaded that: it is to be loaded without evaluating anything.
    pub(super) cold: Option<ImageKey>,
    /// How often in a row its zygote died, and until when none is made.
    pub(super) failures: u32,
    pub(super) not_before: Option<Instant>,
    /// The bot is gone: what runs ends as it began.
    pub(super) gone: bool,
}

impl Lane {
    pub(super) fn new(image: ImageKey) -> Self {
        Self {
            image,
            zygote: None,
            next: None,
            idle: Vec::new(),
            realms: 0,
            running: 0,
            computing: 0,
            giving_way: 0,
            resident: 0,
            known: 0,
            shortage: Spell::default(),
            blocked: None,
            uneven: None,
            usual: UNKNOWN,
            cold: None,
            failures: 0,
            not_before: None,
            gone: false,
        }
    }

    /// Whether one more of its realms may compute, of which so many may. Those that give way leave room for most of them: whoever
    /// says little and often takes the processors from other bots, and loops of some users do not keep others of the same bot out.
    pub(super) fn may_compute(&self, most: usize) -> bool {
        let brief = self.computing.saturating_sub(self.giving_way);
        self.computing < most && brief < (most / BRIEF_PART).max(1)
    }

    /// A realm holds so much instead of what was known before: nothing before it was looked at, and when it is gone.
    pub(super) fn looked_at(&mut self, before: u64, bytes: u64) {
        self.resident = self.resident.saturating_sub(before) + bytes;
        self.known = self.known.saturating_sub(usize::from(before > 0)) + usize::from(bytes > 0);
    }

    /// A realm is not to be had any more.
    pub(super) fn forget(&mut self, realm: ProcessId) {
        self.idle.retain(|idle| *idle != realm);
    }
}

/// What an event of a bot is believed to take before one has run.
const UNKNOWN: Duration = Duration::from_millis(1);

/// What a zygote is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// All others come from it.
    Root,
    /// It has the packages that all bots share.
    Packages(LayerKey),
    /// It has what a bot runs; with the empty name, what there is without one.
    Bot { bot: Arc<str>, image: ImageKey },
}

/// A zygote.
#[derive(Debug)]
pub(super) struct Zygote {
    pub(super) role: Role,
    /// Of which it is a copy; nothing of the root.
    pub(super) parent: Option<ProcessId>,
    /// The system's number of it, once its parent has made it.
    pub(super) made: Option<u32>,
    /// It has loaded, or stands ready.
    pub(super) loaded: bool,
    pub(super) since: Instant,
    /// Realms of its that live.
    pub(super) children: usize,
    pub(super) used: Instant,
    /// It is told to end.
    pub(super) ending: bool,
    /// Why it was killed, if it was.
    pub(super) killed: Option<&'static str>,
    pub(super) resident: u64,
    /// Since when it is known to be stopped by somebody else.
    pub(super) stopped: Option<Instant>,
}

impl Zygote {
    pub(super) fn new(now: Instant, role: Role, parent: Option<ProcessId>) -> Self {
        Self {
            role,
            parent,
            made: None,
            loaded: false,
            since: now,
            children: 0,
            used: now,
            ending: false,
            killed: None,
            resident: 0,
            stopped: None,
        }
    }
}

/// What is known of the memory that processes of scripts hold.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Of all together, as they were last looked at.
    pub(super) sum: u64,
    /// How many bots have realms, as was last counted.
    pub(super) holders: u64,
    pub(super) short: bool,
    /// That it is short, as it was said.
    pub(super) shortage: Spell<Instant>,
    /// The last process that was looked at.
    pub(super) last: ProcessId,
    /// Zygotes that hold more than a realm may, by whose they are, as it was said.
    pub(super) fat: BTreeMap<String, Role>,
}

impl Memory {
    /// A process is gone that held so much.
    pub(super) fn gone(&mut self, bytes: u64) {
        self.sum = self.sum.saturating_sub(bytes);
    }
}

/// A process that compiles.
#[derive(Debug)]
pub(super) struct Compiler {
    pub(super) zygote: ProcessId,
    pub(super) slot: u16,
    /// The system's number of it, once its zygote has made it.
    pub(super) made: Option<u32>,
    /// When it began with the file it is at; nothing before it has begun.
    pub(super) at: Option<Instant>,
    /// How long all files may take.
    pub(super) allowed: Duration,
    /// When it is over: until it was made, when that takes too long.
    pub(super) deadline: Instant,
    /// It was killed, since it took too long.
    pub(super) killed: bool,
    /// It has answered.
    pub(super) done: bool,
}
