//! Whether what the fleet counts is what it has: for the simulator of `dispatch`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::orders::ProcessId;
use super::state::{Fleet, Realm, State};
use crate::protocol::PLACES;

/// What there is of a lane.
#[derive(Default)]
struct OfLane {
    realms: usize,
    running: usize,
    giving_way: usize,
    idle: Vec<ProcessId>,
    held: u64,
    known: usize,
}

/// Fails with what is counted wrong.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, counted: T, is: T) -> Result<(), String> {
    if counted == is { Ok(()) } else { Err(format!("{what}: {counted:?} are counted, there are {is:?}")) }
}

impl Fleet {
    /// Counts everything again.
    pub(crate) fn audit(&self) -> Result<(), String> {
        let mut lanes: BTreeMap<&Arc<str>, OfLane> = BTreeMap::new();
        let (mut running, mut computing, mut resident) = (0, Vec::new(), 0);
        for (id, realm) in &self.realms {
            let lane = lanes.entry(&realm.bot).or_default();
            lane.realms += 1;
            lane.held += realm.resident;
            lane.known += usize::from(realm.resident > 0);
            resident += realm.resident;
            match &realm.state {
                State::Busy(busy) if busy.computing.is_some() => {
                    computing.push(*id);
                    lane.giving_way += usize::from(realm.gives_way);
                    if !busy.long {
                        running += 1;
                        lane.running += 1;
                    }
                }
                State::Idle { .. } => lane.idle.push(*id),
                _ => {}
            }
        }
        same("realms that compute", self.computing.iter().copied().collect(), computing)?;
        same("realms that run", self.running, running)?;
        resident += self.zygotes.values().map(|zygote| zygote.resident).sum::<u64>();
        same("bytes", self.memory.sum, resident)?;
        same("free places", self.slots.len(), usize::from(PLACES) - self.realms.len() - self.compilers.len())?;
        // Those of hooks that live on do not count, also while they end.
        let ends = |realm: &&Realm| !realm.lives_on() && !realm.is_ending();
        for (bot, lane) in &self.lanes {
            let OfLane { realms, running, giving_way, idle, held, known } = lanes.remove(bot).unwrap_or_default();
            let mut listed = lane.idle.clone();
            listed.sort_unstable();
            same(&format!("bytes of {bot:?}"), lane.resident, held)?;
            same(&format!("realms of {bot:?} that were looked at"), lane.known, known)?;
            same(&format!("realms of {bot:?}"), lane.realms, realms)?;
            same(&format!("realms of {bot:?} that run"), lane.running, running)?;
            same(&format!("realms of {bot:?} that give way"), lane.giving_way, giving_way)?;
            same(&format!("idle realms of {bot:?}"), listed, idle)?;
            let own = self.realms.values().filter(|realm| realm.bot == *bot).filter(ends).count();
            if own > self.limits.realms_of_bot {
                return Err(format!("{bot:?} has {own} realms"));
            }
            // An image is replaced realm by realm, as they become free; none that is free is of an older one.
            let old = |id: &&ProcessId| self.realms.get(id).is_some_and(|realm| realm.image != lane.image);
            if let Some(old) = lane.idle.iter().find(old) {
                return Err(format!("realm {old} of {bot:?} has an older program and is kept"));
            }
            if lane.gone && !lane.idle.is_empty() {
                return Err(format!("{bot:?} is gone and keeps realms"));
            }
        }
        same("lanes that are missing", lanes.len(), 0)?;
        for (id, zygote) in &self.zygotes {
            let children = self.realms.values().filter(|realm| realm.zygote == *id).count();
            same(&format!("children of zygote {id}"), zygote.children, children)?;
        }
        if self.realms.values().filter(ends).count() > self.limits.realms {
            return Err(format!("there are {} realms", self.realms.len()));
        }
        Ok(())
    }

    /// Realms that compute and count.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// Whether a realm has work and counts among those that wait.
    pub(crate) fn is_asleep(&self, realm: ProcessId) -> bool {
        let state = self.realms.get(&realm).map(|realm| &realm.state);
        matches!(state, Some(State::Busy(busy)) if busy.computing.is_none())
    }

    /// Everything that it has, one way or another.
    pub(crate) fn processes(&self) -> Vec<ProcessId> {
        self.realms.keys().chain(self.zygotes.keys()).chain(self.compilers.keys()).copied().collect()
    }

    /// Realms by what they are at, for a report.
    pub(crate) fn busy(&self) -> Vec<ProcessId> {
        let busy = self.realms.iter().filter(|(_, realm)| matches!(realm.state, State::Busy(_)));
        busy.map(|(id, _)| *id).collect()
    }
}
