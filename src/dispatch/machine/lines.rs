//! What each realm has been given: what it is at, and the events that were sent ahead. Those are nobody's yet: until its realm
//! has begun with it, an event can be taken back and run elsewhere, as if it had never been sent.

use std::time::Duration;

use super::super::action::Action;
use super::super::line::Line;
use super::super::stats::count;
use super::super::work::{Flight, HookRun, Work};
use super::{Machine, Now};
use crate::fleet::ProcessId;
use crate::fleet::broken::{Rule, is_broken};

impl Machine {
    /// What the realm is at, if it has been sent it.
    pub(super) fn begins(&mut self, now: Now, realm: ProcessId) {
        let Some(line) = self.lines.get(&realm).filter(|line| line.is_sent()) else { return };
        let Some(flight) = line.head().and_then(|head| self.flights.get_mut(&head)) else { return };
        if flight.sent.is_none() {
            flight.sent = Some(now.at);
            if let Work::Event(run) = &mut flight.work {
                count(&self.tally.counters.dispatched);
                run.runs += 1;
                let begun = *run.begun.get_or_insert(now.at);
                let waiting = Duration::from_millis(self.tally.settings.scripts.event_waiting);
                self.fleet.begins(now.at, realm, begun + waiting);
            }
        }
    }

    /// The realm is done with a dispatch, or is not to have it: it goes on with the next, if there is one.
    pub(super) fn leaves_line(&mut self, now: Now, realm: ProcessId, dispatch: u64) {
        let Some(line) = self.lines.get_mut(&realm) else { return };
        let was_head = line.head() == Some(dispatch);
        line.remove(dispatch);
        let next = line.head();
        match next {
            None => self.fleet.free(now.at, realm, None),
            Some(_) if !was_head => self.fleet.set_ahead(realm, line.len() - 1),
            Some(_) => {
                let until = now.at + Duration::from_millis(self.tally.settings.scripts.event_waiting);
                if self.fleet.goes_on(now.at, realm, Some(until)) {
                    self.begins(now, realm);
                } else {
                    self.give_up_line(realm);
                }
            }
        }
    }

    /// Everything that the realm was given goes elsewhere: it does not go on.
    pub(super) fn give_up_line(&mut self, realm: ProcessId) {
        if let Some(line) = self.lines.remove(&realm) {
            self.give_all_back(line);
        }
    }

    /// The realm is gone, and has begun with nothing after that: what it has not begun with is not to blame for its end.
    pub(in crate::dispatch) fn has_begun(&mut self, realm: ProcessId, begun: u16) {
        let Some(line) = self.lines.get_mut(&realm) else { return };
        for dispatch in line.take_after(begun, None) {
            self.give_back(dispatch);
        }
    }

    /// The realm is gone. What it has is told of when it is buried: nothing runs in two realms.
    pub(super) fn forget_line(&mut self, realm: ProcessId) {
        if self.lines.get(&realm).is_some_and(|line| line.head().is_none()) {
            self.lines.remove(&realm);
        }
    }

    pub(super) fn give_all_back(&mut self, mut line: Line) {
        for dispatch in line.take(|_, _| true) {
            self.give_back(dispatch);
        }
    }

    /// What the realm is at takes long: what was given to it besides is taken back, as far as it was not begun with.
    pub(super) fn take_back(&mut self, realm: ProcessId) {
        let Some(line) = self.lines.get_mut(&realm) else { return };
        let unsent = line.take(|at, given| at > 0 && given.number.is_none());
        let (left, below) = (line.len(), line.next_number());
        self.fleet.set_ahead(realm, left.saturating_sub(1));
        if left > 1
            && let Some(slot) = self.fleet.place(realm)
        {
            self.actions.push(Action::TakeBack { realm, slot, below });
        }
        for dispatch in unsent {
            self.give_back(dispatch);
        }
    }

    /// What was sent before `below` and has not been begun with is the realm's no more.
    pub(in crate::dispatch) fn taken_back(&mut self, now: Now, realm: ProcessId, begun: u16, below: u16) {
        let Some(line) = self.lines.get_mut(&realm) else { return };
        let head = line.head();
        let taken = line.take_after(begun, Some(below));
        if is_broken(Rule::TakenBackRunElsewhere) || taken.is_empty() {
            return;
        }
        let (left, next) = (line.len(), line.head());
        for dispatch in taken {
            self.give_back(dispatch);
        }
        self.fleet.set_ahead(realm, left.saturating_sub(1));
        match next {
            None => self.fleet.free(now.at, realm, None),
            // What it was believed to be at is what it has not begun with.
            Some(_) if next != head => self.begins(now, realm),
            Some(_) => {}
        }
    }

    /// What its realm has not begun with is to run elsewhere, soon.
    fn give_back(&mut self, dispatch: u64) {
        let Some(Flight { work, sent, resume, .. }) = self.flights.remove(&dispatch) else { return };
        match work {
            Work::Hooks(run) => self.hooks.push_front(HookRun { resume, ..run }),
            Work::Event(mut run) => {
                if sent.is_some() {
                    // It was believed to have begun.
                    run.runs = run.runs.saturating_sub(1);
                    run.begun = run.begun.filter(|_| run.runs > 0);
                }
                if !resume.is_empty() {
                    run.resume = resume;
                }
                self.again.push_back(run);
            }
        }
    }
}
