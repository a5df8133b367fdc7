//! What `Math.random` draws from. The engine seeds its own generator once, when the context is made: processes forked after
//! that would all draw the same numbers.

use std::cell::{Cell, RefCell};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::{SysRng, Xoshiro256PlusPlus};
use rand::{RngExt as _, SeedableRng as _};

/// A realm's random numbers: fast, and no secret.
#[derive(Debug)]
pub struct Random {
    generator: RefCell<Xoshiro256PlusPlus>,
    drawn: Cell<u64>,
}

impl Random {
    /// Seeded by the system.
    pub fn new() -> Self {
        Self { generator: RefCell::new(seeded()), drawn: Cell::new(0) }
    }

    /// Begins anew with a seed of the system: in a process that was forked from another.
    pub fn reseed(&self) {
        *self.generator.borrow_mut() = seeded();
    }

    /// Begins anew with a given seed, so that the numbers can be foretold.
    pub fn seed(&self, seed: u64) {
        *self.generator.borrow_mut() = Xoshiro256PlusPlus::seed_from_u64(seed);
    }

    /// A number from 0 up to and without 1.
    pub fn draw(&self) -> f64 {
        self.drawn.set(self.drawn.get().wrapping_add(1));
        self.generator.borrow_mut().random()
    }

    /// How many were drawn so far.
    pub fn drawn(&self) -> u64 {
        self.drawn.get()
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}

fn seeded() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::try_from_rng(&mut SysRng).unwrap_or_else(|_| {
        // Two processes are not forked at the same time by two others of the same number.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        Xoshiro256PlusPlus::seed_from_u64(now ^ (u64::from(std::process::id()) << 40))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three(random: &Random) -> [f64; 3] {
        [random.draw(), random.draw(), random.draw()]
    }

    #[test]
    fn of_two_that_go_on_alike_the_one_that_is_reseeded_differs_and_the_other_goes_on() {
        let [parent, child, other] = [(); 3].map(|()| {
            let random = Random::new();
            random.seed(7);
            random
        });
        assert_eq!(three(&parent), three(&child));
        assert_eq!(
            three(&other),
            three(&{
                let random = Random::new();
                random.seed(7);
                random
            })
        );
        child.reseed();
        let expected = three(&other);
        assert_eq!(three(&parent), expected);
        assert_ne!(three(&child), expected);
        assert_eq!(child.drawn(), 6);
    }

    #[test]
    fn numbers_are_from_0_to_1_and_no_two_generators_begin_alike() {
        let (one, two) = (Random::new(), Random::new());
        assert!((0..10_000).all(|_| (0.0..1.0).contains(&one.draw())));
        assert_ne!(three(&Random::new()), three(&two));
    }
}
