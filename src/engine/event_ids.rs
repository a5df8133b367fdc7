//! Ids for events that scripts make: `bp.IO.Event` is synchronous, so they are made here and not by the server.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Ids of one millisecond.
const PER_MS: u64 = 100_000;
/// From here on they belong to realms; those below are the server's.
const OURS: u64 = 50_000;
/// Ids of one realm in one millisecond.
const SHARE: u64 = (PER_MS - OURS) / crate::protocol::PLACES as u64;

/// Ids for events made in this process: the time, and a low part that no other living process has.
#[derive(Debug)]
pub struct IdSource {
    last: Cell<u64>,
    low: Cell<u64>,
}

impl IdSource {
    /// Ids of a process at that place.
    pub fn new(slot: u16) -> Self {
        let source = Self { last: Cell::new(0), low: Cell::new(0) };
        source.renew(slot);
        source
    }

    /// This process is another one now, at that place.
    pub fn renew(&self, slot: u16) {
        self.last.set(0);
        self.low.set(OURS + u64::from(slot % crate::protocol::PLACES) * SHARE);
    }

    /// The next id, larger than the last.
    pub fn next(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let low = self.low.get();
        let following = self.last.get() + 1;
        // Past the own part of this millisecond: on to the next one.
        let following =
            if following % PER_MS >= low + SHARE { (following / PER_MS + 1) * PER_MS + low } else { following };
        let id = (now * PER_MS + low).max(following);
        self.last.set(id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_stay_in_the_places_own_part() {
        for slot in [0, 3, crate::protocol::PLACES - 1] {
            let ids = IdSource::new(slot);
            let from = OURS + u64::from(slot) * SHARE;
            let mut last = 0;
            for _ in 0..2_000 {
                let id = ids.next();
                assert!(id > last);
                assert!((from..from + SHARE).contains(&(id % PER_MS)), "{id}");
                last = id;
            }
        }
    }
}
