//! The fleet as a state machine: what came and when goes in, orders come out. No I/O, no clock, no map whose order matters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::broken::{Rule, is_broken};
use super::orders::{FleetLimits, Note, Order, ProcessId};
use super::state::{Fleet, Memory, Realm, Role, State};
use crate::protocol::PLACES;
use crate::telemetry::spell::Spell;

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
            refusals: Spell::default(),
            cold_layer: None,
            layer_failures: 0,
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
        if self.refusals.met(now) {
            let what = format!(
                "no process can be made for a script: {why}; events wait. Raise the limits on processes (ulimit -u, the \
                 container's pids limit), on open files (ulimit -n) or on memory, or lower `scripts.mostRealms`"
            );
            self.notes.push(Note::Scarce { what, over: false });
        }
        self.scarce = Some(now + SCARCE);
        self.make_room(now);
    }

    /// Whether the system has refused a process just now.
    pub(super) fn is_refused(&self, now: Instant) -> bool {
        self.scarce.is_some_and(|until| now < until)
    }

    /// The system has no room for another process: what nobody uses makes some.
    fn make_room(&mut self, now: Instant) {
        if self.realms.values().any(Realm::is_ending) {
            return;
        }
        match (self.oldest_idle(), self.unused_zygotes(now).next()) {
            (Some(realm), _) => self.close_realm(now, realm),
            (None, Some(zygote)) => self.end_unused(zygote),
            (None, None) => {}
        }
    }

    /// Shortages that were said and have been gone for a while.
    pub(super) fn say_what_is_over(&mut self, now: Instant) {
        if self.refusals.ends(now, CALM).is_some() {
            self.notes.push(Note::Scarce { what: "processes can be made again".into(), over: true });
        }
        if self.memory.shortage.ends(now, CALM).is_some() {
            let what = format!("processes of scripts hold {} MB: all events go on", self.memory.sum >> 20);
            self.notes.push(Note::Scarce { what, over: true });
        }
    }

    /// The realm computes no more until it is answered or a timer of its is due.
    pub fn waiting(&mut self, now: Instant, realm: ProcessId) {
        if is_broken(Rule::WaitingRealmsDoNotRun) {
            return;
        }
        self.stop_computing(realm);
        self.note_uneven(now, realm);
    }

    /// The realm was answered.
    pub fn woken(&mut self, now: Instant, realm: ProcessId) {
        if let Some(Realm { state: State::Busy(busy), .. }) = self.realms.get_mut(&realm)
            && busy.computing.is_none()
        {
            (busy.computing, busy.long, busy.go) = (Some(now), false, None);
            self.computes(realm);
        }
    }

    /// It counts among those that compute.
    pub(super) fn computes(&mut self, realm: ProcessId) {
        self.computing.insert(realm);
        self.running += 1;
        let Some(entry) = self.realms.get(&realm) else { return };
        if let Some(lane) = self.lanes.get_mut(&entry.bot) {
            (lane.running, lane.computing) = (lane.running + 1, lane.computing + 1);
            lane.giving_way += usize::from(entry.gives_way);
        }
    }

    pub(super) fn stop_computing(&mut self, realm: ProcessId) {
        if self.computing.remove(&realm)
            && let Some(Realm { state: State::Busy(busy), bot, gives_way, .. }) = self.realms.get_mut(&realm)
        {
            (busy.computing, busy.asleep) = (None, None);
            let counted = usize::from(!busy.long);
            self.running = self.running.saturating_sub(counted);
            if let Some(lane) = self.lanes.get_mut(bot) {
                lane.running = lane.running.saturating_sub(counted);
                lane.computing = lane.computing.saturating_sub(1);
                lane.giving_way = lane.giving_way.saturating_sub(usize::from(*gives_way));
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
        if !self.is_refused(now) {
            self.scarce = None;
        }
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
        let ending = self.realms.values().any(Realm::is_ending);
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
/// How long a shortage is not met until it is said to be over.
pub(super) const CALM: Duration = Duration::from_secs(10);
/// How often idle realms are looked at.
pub(super) const TRIM: Duration = Duration::from_secs(1);
