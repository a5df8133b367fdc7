//! Events that a realm is sent while it is at another one, so that it goes on with the next without anybody waking anybody.
//! For short events alone: as soon as one waits, or computes for long, those behind it are taken back, and for a while its bot's
//! realms get one at a time.

use std::time::{Duration, Instant};

use super::orders::{Note, ProcessId};
use super::state::{Busy, Fleet, Realm, State};

/// So many events a realm may have besides the one that it is at.
const AHEAD: usize = 8;
/// A bot's realms get one event at a time for so long after one that waited: others most likely will.
const AFTER_A_WAIT: Duration = Duration::from_secs(1);
/// The same after one that seemed to compute for long: on a busy machine it may just not have had a processor.
const AFTER_LONG: Duration = Duration::from_millis(50);
/// Behind an event that is not over by then nothing waits while a processor is free.
const BRIEF: Duration = Duration::from_millis(5);
/// An event rather waits for so long than to have another realm woken or made.
const RATHER: Duration = Duration::from_millis(2);

/// Where an event may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// To a realm of its own, idle or to be made.
    Own,
    /// Behind the event that this realm is at.
    Behind(ProcessId),
}

impl Fleet {
    /// Where the bot's next event may go, if anywhere. `first` says that it is its turn: only then may it be sent ahead, since
    /// the realm would never become free for others. `alone` says that no other bot has anything to do.
    pub fn place_for(&mut self, now: Instant, bot: &str, first: bool, alone: bool) -> Option<Placement> {
        if first && let Some(realm) = self.ahead(now, bot, true) {
            return Some(Placement::Behind(realm));
        }
        if self.may_run(now, bot, alone) {
            return Some(Placement::Own);
        }
        if first { self.ahead(now, bot, false).map(Placement::Behind) } else { None }
    }

    /// The realm that may be sent another event of that bot while it is at one. With `rather`, only where that is better than
    /// another realm.
    pub fn ahead(&self, now: Instant, bot: &str, rather: bool) -> Option<ProcessId> {
        if self.limits.fresh || self.stopping {
            return None;
        }
        let lane = self.lanes.get(bot).filter(|lane| !lane.gone && lane.running > 0)?;
        if lane.uneven.is_some_and(|until| now < until) {
            return None;
        }
        let room = |id: &ProcessId| {
            // One that is not made yet may take as long as its zygote loads.
            let serves = |realm: &&Realm| {
                *realm.bot == *bot && realm.image == lane.image && realm.made.is_some() && !realm.gives_way
            };
            let realm = self.realms.get(id).filter(serves)?;
            let State::Busy(busy) = &realm.state else { return None };
            let brief = |ahead: u32| !rather || lane.usual * (ahead + 1) < RATHER;
            let room = busy.open && !busy.long && busy.ahead < AHEAD && brief(u32::try_from(busy.ahead).ok()?);
            room.then_some((busy.ahead, *id))
        };
        self.computing.iter().filter_map(room).min().map(|(_, realm)| realm)
    }

    /// What the realm has is an event: others may be sent ahead.
    pub fn opens(&mut self, realm: ProcessId) {
        if let Some(Realm { state: State::Busy(busy), .. }) = self.realms.get_mut(&realm) {
            busy.open = true;
        }
    }

    /// It begins with an event, which is not always the one that it was meant for at first.
    pub fn begins(&mut self, now: Instant, realm: ProcessId, until: Instant) {
        if let Some(Realm { state: State::Busy(busy), .. }) = self.realms.get_mut(&realm) {
            (busy.since, busy.until) = (now, Some(until));
        }
    }

    /// So many are ahead of the realm now.
    pub fn set_ahead(&mut self, realm: ProcessId, ahead: usize) {
        if let Some(Realm { state: State::Busy(busy), bot, .. }) = self.realms.get_mut(&realm) {
            // Its bot's next event has found a place.
            if ahead > busy.ahead
                && let Some(lane) = self.lanes.get_mut(bot)
            {
                lane.blocked = None;
            }
            busy.ahead = ahead;
        }
    }

    /// Whether the realm has work and is not to be gone.
    pub fn is_busy(&self, realm: ProcessId) -> bool {
        self.realms.get(&realm).is_some_and(|realm| matches!(realm.state, State::Busy(_)))
    }

    /// The realm is done with an event and goes on with the next; `false` where it is to be gone.
    pub fn goes_on(&mut self, now: Instant, realm: ProcessId, until: Option<Instant>) -> bool {
        self.stop_computing(realm);
        let Some(Realm { state: State::Busy(busy), .. }) = self.realms.get_mut(&realm) else { return false };
        let ahead = busy.ahead.saturating_sub(1);
        **busy = Busy { open: true, ahead, ..Busy::new(now, until) };
        self.computes(realm);
        true
    }

    /// What the bot's realms have not begun with is to run on what is in service now, or to wait until the bot comes back.
    pub(super) fn take_all_back(&mut self, bot: &str) {
        let has = |realm: &Realm| *realm.bot == *bot && matches!(&realm.state, State::Busy(busy) if busy.ahead > 0);
        let realms = self.realms.iter().filter(|(_, realm)| has(realm));
        self.notes.extend(realms.map(|(id, _)| Note::TakeBack { realm: *id }));
    }

    /// Notes how long an event took that is over, most of its bot's taking no less.
    pub fn took(&mut self, now: Instant, realm: ProcessId) {
        let Some(Realm { state: State::Busy(busy), bot, .. }) = self.realms.get(&realm) else { return };
        let took = now.saturating_duration_since(busy.since);
        if let Some(lane) = self.lanes.get_mut(bot) {
            // Seen from here an event takes longer the more the machine has to do: what counts is how fast they can be.
            lane.usual = took.min(lane.usual + lane.usual / 16);
        }
    }

    /// Takes back what is behind an event that is where it was for long, whatever it does there.
    pub(super) fn look_at_lines(&mut self, now: Instant) {
        let patience = if self.running < self.limits.cores { BRIEF } else { BRIEF * 10 };
        let stuck = |realm: &Realm| match &realm.state {
            State::Busy(busy) => busy.ahead > 0 && now.saturating_duration_since(busy.since) >= patience,
            _ => false,
        };
        let stuck = self.computing.iter().filter(|id| self.realms.get(id).is_some_and(stuck));
        self.notes.extend(stuck.map(|id| Note::TakeBack { realm: *id }));
    }

    /// What the realm is at waits, or computes for long: what is ahead of it had better be elsewhere.
    pub(super) fn note_uneven(&mut self, now: Instant, realm: ProcessId) {
        let Some(Realm { state: State::Busy(busy), bot, .. }) = self.realms.get(&realm) else { return };
        if !busy.open {
            return;
        }
        if busy.ahead > 0 {
            self.notes.push(Note::TakeBack { realm });
        }
        let pause = if busy.computing.is_none() { AFTER_A_WAIT } else { AFTER_LONG };
        if let Some(lane) = self.lanes.get_mut(bot) {
            lane.uneven = lane.uneven.max(Some(now + pause));
        }
    }
}
