//! Ids for events that scripts make: `bp.IO.Event` is synchronous, so they are made here and not by the server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Ids for events made in this process: the time and a low part that belongs to this worker's slot.
#[derive(Debug)]
pub struct IdSource {
    last: AtomicU64,
    low: u64,
}

impl IdSource {
    /// Ids of a slot. The server itself uses low parts below 50,000.
    pub fn new(slot: u8) -> Self {
        Self { last: AtomicU64::new(0), low: 50_000 + u64::from(slot % 16) * 3_125 }
    }

    /// The next id, larger than the last.
    pub fn next(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let fresh = now * 100_000 + self.low;
        let next = |last: u64| {
            let following = last + 1;
            // Past the slot's own part of this millisecond: on to the next one.
            let following = if following % 100_000 >= self.low + 3_125 {
                (following / 100_000 + 1) * 100_000 + self.low
            } else {
                following
            };
            fresh.max(following)
        };
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let id = next(last);
            match self.last.compare_exchange_weak(last, id, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return id,
                Err(changed) => last = changed,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_stay_in_the_slots_own_part() {
        let ids = IdSource::new(3);
        let mut last = 0;
        for _ in 0..20_000 {
            let id = ids.next();
            assert!(id > last);
            let low = id % 100_000;
            assert!((59_375..62_500).contains(&low), "{low}");
            last = id;
        }
    }
}
