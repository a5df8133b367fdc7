//! What goes into the fleet and what comes out: limits, programs, orders, notes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Settings;
use crate::config::settings::Realms;
use crate::program::{ImageKey, LayerKey};
use crate::protocol::{ForkAs, PLACES};

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
    /// Realms of one bot that compute at once, of which a quarter may be such as do not give way.
    pub computing_of_bot: usize,
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
    /// Zygotes of bots.
    pub zygotes: usize,
    /// How long one is kept that nobody uses.
    pub idle_zygote: Duration,
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
            computing_of_bot: dispatch.running_of_bot,
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
            zygotes: dispatch.zygotes,
            idle_zygote: Duration::from_millis(dispatch.idle_zygotes),
            eager: EAGER.min(dispatch.zygotes),
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
    /// Look whether a realm is stopped by a signal. To be answered by [`super::Machine::looked`].
    LookIfStopped {
        /// Whose.
        process: ProcessId,
    },
    /// Read how much memory a process has to itself, and look whether it is stopped.
    LookAtMemory {
        /// Whose.
        process: ProcessId,
    },
    /// It gives way to others, for good.
    GiveWay {
        /// Which.
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
    /// What a realm was sent ahead is to be taken back: what it is at takes long, or its program is not the newest.
    TakeBack {
        /// Which.
        realm: ProcessId,
    },
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
    /// Somebody else killed or stopped it, such as the system when memory was short, or nobody can tell how it ended: it is
    /// nobody's doing, however often it happens.
    Killed {
        /// For the log.
        what: String,
        /// Index of the script that it was in, if it said so.
        script: Option<u32>,
    },
    /// Not the fault of its work: its zygote died before it was made, or the server wanted it gone.
    Innocent,
}

/// What is to be served, as far as the fleet must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The program's version.
    pub version: u64,
    /// The packages that all bots share; nothing where there are none.
    pub layer: Option<LayerKey>,
    /// What there is without a bot.
    pub global: ImageKey,
    /// What each bot runs.
    pub bots: BTreeMap<Arc<str>, ImageKey>,
}
