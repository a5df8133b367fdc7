//! What goes wrong for a while: it is said once when it begins, again now and then while it lasts, and when it is over. Each
//! line is worded by whoever is concerned; this says when it is due.

use std::time::{Duration, Instant};

/// A time of some clock.
pub trait Moment: Copy {
    /// How long after an earlier one it is; nothing if it is not.
    fn since(self, earlier: Self) -> Duration;
}

impl Moment for Instant {
    fn since(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

/// Milliseconds since the epoch.
impl Moment for u64 {
    fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.saturating_sub(earlier))
    }
}

/// Whether it lasts, and since when.
#[derive(Debug)]
pub struct Spell<T>(Option<Bad<T>>);

#[derive(Debug)]
struct Bad<T> {
    since: T,
    /// When it was met last.
    last: T,
    /// When it was said last.
    said: T,
    times: u64,
    /// It went well since it was met last.
    mended: bool,
}

/// What there is to be said of a spell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpellSoFar {
    /// How often it was met since it began.
    pub times: u64,
    /// How long it lasts by now.
    pub lasted: Duration,
}

impl<T> Default for Spell<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Moment> Spell<T> {
    /// It is met; whether it begins with that, which is to be said.
    pub fn met(&mut self, now: T) -> bool {
        let begins = self.0.is_none();
        let bad = self.0.get_or_insert(Bad { since: now, last: now, said: now, times: 0, mended: false });
        (bad.last, bad.times, bad.mended) = (now, bad.times + 1, false);
        begins
    }

    /// What is to be said again of one that lasts, where that is so long ago.
    pub fn again(&mut self, now: T, every: Duration) -> Option<SpellSoFar> {
        let bad = self.0.as_mut().filter(|bad| now.since(bad.said) >= every)?;
        bad.said = now;
        Some(bad.so_far(now))
    }

    /// It went well.
    pub fn went_well(&mut self) {
        if let Some(bad) = &mut self.0 {
            bad.mended = true;
        }
    }

    /// Whether it was said and is not over.
    pub fn lasts(&self) -> bool {
        self.0.is_some()
    }

    /// What is to be said of one that is over with that: it went well, and was not met for so long.
    pub fn ends(&mut self, now: T, calm: Duration) -> Option<SpellSoFar> {
        let over = self.0.take_if(|bad| bad.mended && now.since(bad.last) >= calm)?;
        Some(over.so_far(now))
    }
}

impl<T: Moment> Bad<T> {
    fn so_far(&self, now: T) -> SpellSoFar {
        SpellSoFar { times: self.times, lasted: now.since(self.since) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Duration = Duration::from_secs(5);

    #[test]
    fn it_is_said_once_and_over_when_it_went_well_and_was_not_met_for_a_while() {
        let mut spell = Spell::default();
        assert!(!spell.lasts() && spell.ends(1_000_u64, CALM).is_none());
        assert!(spell.met(1_000) && !spell.met(2_000) && spell.lasts());
        assert_eq!(spell.ends(60_000, CALM), None, "nothing went well");
        spell.went_well();
        assert!(!spell.met(61_000));
        assert_eq!(spell.ends(70_000, CALM), None, "it was met since");
        spell.went_well();
        assert_eq!(spell.ends(65_999, CALM), None);
        assert_eq!(spell.ends(66_000, CALM), Some(SpellSoFar { times: 3, lasted: Duration::from_secs(65) }));
        assert!(!spell.lasts() && spell.met(67_000), "another one");
    }

    #[test]
    fn while_it_lasts_it_is_said_again_now_and_then() {
        let (mut spell, begun) = (Spell::default(), Instant::now());
        let said = |spell: &mut Spell<Instant>, second: u64| {
            let now = begun + Duration::from_secs(second);
            spell.met(now);
            spell.again(now, Duration::from_secs(60)).map(|so_far| (so_far.times, so_far.lasted.as_secs()))
        };
        let said: Vec<_> = (0..150).filter_map(|second| said(&mut spell, second)).collect();
        assert_eq!(said, [(61, 60), (121, 120)]);
    }
}
