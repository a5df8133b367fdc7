//! What may happen very often and is said once a minute, with how often it was.

use parking_lot::Mutex;

/// So long it is not said again, in milliseconds.
const SILENCE: u64 = 60_000;

/// Counts what is not said.
#[derive(Debug)]
pub struct Seldom(Mutex<Said>);

#[derive(Debug)]
struct Said {
    /// When it was said last, in milliseconds since the epoch.
    at: Option<u64>,
    since: u64,
}

impl Default for Seldom {
    fn default() -> Self {
        Self::new()
    }
}

impl Seldom {
    /// Nothing was said yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Said { at: None, since: 0 }))
    }

    /// It happens now: how often it has since it was said last, this time included, if it is to be said again.
    pub fn happens(&self, now: u64) -> Option<u64> {
        let mut said = self.0.lock();
        said.since += 1;
        if said.at.is_some_and(|at| now.saturating_sub(at) < SILENCE) {
            return None;
        }
        said.at = Some(now);
        Some(std::mem::take(&mut said.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_said_once_a_minute_with_how_often_it_was() {
        let seldom = Seldom::new();
        let said: Vec<u64> = (0..200).filter_map(|second| seldom.happens(1_700_000_000_000 + second * 1_000)).collect();
        assert_eq!(said, [1, 60, 60, 60]);
    }
}
