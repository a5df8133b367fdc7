//! Timers of one event, by due time.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Pending timers. Ids are numbers that scripts hold.
#[derive(Debug, Default)]
pub struct Timers {
    due: BTreeSet<(Instant, u32)>,
    /// When, and for which script.
    by_id: HashMap<u32, (Instant, u32)>,
    last: u32,
}

impl Timers {
    /// Adds a timer of a script; `id` is kept where an interval renews itself.
    pub fn add(&mut self, delay: Duration, id: Option<u32>, script: u32) -> u32 {
        let id = id.unwrap_or_else(|| {
            self.last = self.last.wrapping_add(1);
            self.last
        });
        let at = Instant::now() + delay;
        if let Some((before, _)) = self.by_id.insert(id, (at, script)) {
            self.due.remove(&(before, id));
        }
        self.due.insert((at, id));
        id
    }

    /// Removes a timer, if it is there.
    pub fn remove(&mut self, id: u32) {
        if let Some((at, _)) = self.by_id.remove(&id) {
            self.due.remove(&(at, id));
        }
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes one that is due, and says whose it is.
    pub fn take_due(&mut self, now: Instant) -> Option<(u32, u32)> {
        let (at, id) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        let (_, script) = self.by_id.remove(&id)?;
        Some((id, script))
    }

    /// How many are pending.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is pending.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.due.clear();
        self.by_id.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_order_of_time_and_a_renewed_one_moves() {
        let mut timers = Timers::default();
        let late = timers.add(Duration::from_secs(20), None, 7);
        let soon = timers.add(Duration::from_secs(10), None, 8);
        let far = Instant::now() + Duration::from_secs(60);
        timers.add(Duration::from_secs(30), Some(soon), 8);
        assert_eq!(timers.len(), 2);
        assert_eq!(timers.take_due(far), Some((late, 7)));
        assert_eq!(timers.take_due(far), Some((soon, 8)));
        assert_eq!(timers.take_due(far), None);
    }
}
