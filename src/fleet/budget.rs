//! Budgets of time, as they are seen from outside: by the clock that the kernel keeps of each process. The realm itself ends a
//! script that it can interrupt; this is for what it cannot, and for a realm that nothing stops any more.

use std::time::{Duration, Instant};

use super::broken::{Rule, is_broken};
use super::machine::TICK;
use super::orders::{Cause, Order, ProcessId};
use super::state::{Busy, Fleet, Realm, State};
use crate::protocol::Glimpse;

/// From here on in one go a realm no longer counts among those that run: short events do not stand behind it.
const LONG: Duration = Duration::from_millis(5);
/// From here on it is made to give way to others, should it not have done so itself: native loops are not interrupted.
const VERY_LONG: Duration = Duration::from_millis(50);
/// How often a realm is looked at that has computed for long.
const LONG_TICK: Duration = Duration::from_millis(50);
/// How often realms that wait are looked at, and from which processor time in between on they do not.
const SLEEPERS: Duration = Duration::from_secs(1);
const AWAKE: Duration = Duration::from_millis(50);
/// How long a process may be stopped by somebody else.
const STOPPED: Duration = Duration::from_secs(2);
/// What an event may take past its time until it is killed.
const PAST_WAITING: Duration = Duration::from_secs(2);

impl Fleet {
    /// Has the clocks read of realms that compute for some time already.
    pub(super) fn look_at_clocks(&mut self, now: Instant) {
        let due = |realm: &Realm| match &realm.state {
            State::Busy(busy) => {
                let every = if busy.long { LONG_TICK } else { TICK };
                busy.computing.is_some_and(|since| now.saturating_duration_since(since) >= LONG)
                    && now.saturating_duration_since(busy.looked) >= every
                    && realm.made.is_some()
            }
            _ => false,
        };
        let due: Vec<(ProcessId, u16)> = self
            .computing
            .iter()
            .filter_map(|id| self.realms.get(id).filter(|realm| due(realm)).map(|realm| (*id, realm.slot)))
            .collect();
        for (process, slot) in due {
            if let Some(Realm { state: State::Busy(busy), .. }) = self.realms.get_mut(&process) {
                busy.looked = now;
            }
            self.orders.push(Order::LookAtClock { process, slot });
        }
        self.look_at_lines(now);
        self.look_at_sleepers(now);
        self.end_overdue(now);
    }

    /// Has the clocks read of realms that wait: a timer may have woken one, of which nobody is told.
    fn look_at_sleepers(&mut self, now: Instant) {
        if self.swept.is_some_and(|last| now.saturating_duration_since(last) < SLEEPERS) {
            return;
        }
        self.swept = Some(now);
        for (process, realm) in &self.realms {
            if let State::Busy(busy) = &realm.state
                && busy.computing.is_none()
                && realm.made.is_some()
            {
                self.orders.push(Order::LookAtClock { process: *process, slot: realm.slot });
            }
        }
    }

    /// Events that live longer than they may are over, unless somebody has stopped them.
    fn end_overdue(&mut self, now: Instant) {
        let late = |realm: &Realm| self.is_overdue(now, realm);
        let late: Vec<ProcessId> = self.realms.iter().filter(|(_, one)| late(one)).map(|(id, _)| *id).collect();
        self.orders.extend(late.into_iter().map(|process| Order::LookIfStopped { process }));
    }

    fn is_overdue(&self, now: Instant, realm: &Realm) -> bool {
        match &realm.state {
            // Whose realm its zygote has not made yet has not begun: the zygote is looked after.
            State::Busy(busy) if realm.made.is_some() || !self.zygotes.contains_key(&realm.zygote) => {
                busy.until.is_some_and(|until| now > until + PAST_WAITING)
            }
            _ => false,
        }
    }

    /// It was looked at whether a process is stopped. It may never go on: one that stays so is killed, and what it was at is not
    /// to blame.
    pub fn looked(&mut self, now: Instant, process: ProcessId, stopped: bool) {
        if let Some(zygote) = self.zygotes.get_mut(&process) {
            if stays_stopped(now, &mut zygote.stopped, stopped) && zygote.killed.is_none() {
                zygote.killed = Some("somebody else had stopped it");
                self.orders.push(Order::Kill { process });
            }
            return;
        }
        let Some(realm) = self.realms.get_mut(&process) else { return };
        let stays = stays_stopped(now, &mut realm.stopped, stopped);
        let late = self.realms.get(&process).is_some_and(|realm| self.is_overdue(now, realm));
        if (stays || (stopped && late)) && !is_broken(Rule::WhoIsStoppedIsNotToBlame) {
            let what = "its realm was stopped by somebody else, and killed".to_owned();
            self.kill(now, process, Cause::Killed { what, script: None });
        } else if stays || late {
            let allowed = (self.limits.event_waiting + PAST_WAITING).as_millis();
            let what = format!("killed after {allowed} ms: it was not given up in time");
            self.kill(now, process, Cause::Overran { what, script: None });
        }
    }

    /// A realm's clock was read, and its place on the board.
    pub fn clock(&mut self, now: Instant, process: ProcessId, used: Duration, seen: Glimpse) {
        let Some(realm) = self.realms.get_mut(&process) else { return };
        let before = std::mem::replace(&mut realm.clock, used);
        let State::Busy(busy) = &mut realm.state else { return };
        let Some(since) = busy.computing else {
            // What it used before it waited says nothing.
            if busy.asleep.replace(used).is_some_and(|asleep| used.saturating_sub(asleep) >= AWAKE) {
                self.woken(now, process);
            }
            return;
        };
        // What was used between the last look and the beginning is not known; more than the wall's clock has seen it cannot be.
        let at_most = |from: Instant| used.saturating_sub(now.saturating_duration_since(from)).max(before);
        let base = *busy.base.get_or_insert_with(|| at_most(busy.since));
        let go = *busy.go.get_or_insert_with(|| at_most(since));
        let long = !busy.long && used.saturating_sub(go) >= LONG;
        if !realm.gives_way && used.saturating_sub(go) >= VERY_LONG {
            realm.gives_way = true;
            self.orders.push(Order::GiveWay { process });
            if let Some(lane) = self.lanes.get_mut(&realm.bot) {
                lane.giving_way += 1;
            }
        }
        let overrun = overrun(&self.limits, busy, used, base, seen);
        if long {
            busy.long = true;
            self.running = self.running.saturating_sub(1);
            if let Some(lane) = self.lanes.get_mut(&realm.bot) {
                lane.running = lane.running.saturating_sub(1);
            }
            self.note_uneven(now, process);
        }
        if let Some(after) = overrun.filter(|_| !is_broken(Rule::BudgetsAreKept)) {
            let what = format!("killed after {} ms", after.as_millis());
            let script = Some(seen.script).filter(|script| *script != u32::MAX);
            self.kill(now, process, Cause::Overran { what, script });
        }
    }
}

/// Whether a process that is or is not stopped now has been for too long.
fn stays_stopped(now: Instant, since: &mut Option<Instant>, stopped: bool) -> bool {
    let first = stopped.then(|| since.unwrap_or(now));
    *since = first;
    first.is_some_and(|first| now.saturating_duration_since(first) >= STOPPED)
}

/// How long a realm has computed where that is too long.
fn overrun(
    limits: &super::FleetLimits,
    busy: &mut Busy,
    used: Duration,
    base: Duration,
    seen: Glimpse,
) -> Option<Duration> {
    let in_slice = match busy.slice {
        Some((slice, from)) if slice == seen.slice => used.saturating_sub(from),
        _ => {
            // The slice that is seen first began with this go at the earliest.
            let from = if busy.slice.is_none() { busy.go.unwrap_or(base) } else { used };
            busy.slice = Some((seen.slice, from));
            used.saturating_sub(from)
        }
    };
    let allowed = match seen.allowed_ms {
        0 => limits.slice,
        // What the board says is the realm's word: no place can be made to look as if less were allowed than there is.
        allowed => Duration::from_millis(allowed.into()).clamp(limits.slice, limits.longest_slice),
    };
    let in_event = used.saturating_sub(base);
    // Hooks and actions have as much each.
    let whole = limits.event_running * 2 + limits.grace * 4;
    if in_slice > allowed + limits.grace {
        Some(in_slice)
    } else {
        (in_event > whole && busy.until.is_some()).then_some(in_event)
    }
}
