//! How much one bot may hold of what all share.
//!
//! A share is not a number that somebody sets: a bot may hold as much as it leaves free for others. So one bot alone has half of
//! all there is, two that want all they can get have a third each, and whoever comes next finds as much free as each of them
//! has: no bot can take what another needs to begin with. (In switches this is known as a dynamic threshold.)

/// Whether a bot may hold `own` where all together, it among them, would hold `all` of `limit`.
pub fn may_hold(own: u64, all: u64, limit: u64) -> bool {
    own <= limit.saturating_sub(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much each of so many bots gets that all take what they can, in turn.
    fn greedy(bots: usize, limit: u64) -> Vec<u64> {
        let mut held = vec![0; bots];
        for _ in 0..limit {
            for bot in 0..bots {
                let all: u64 = held.iter().sum();
                if may_hold(held[bot] + 1, all + 1, limit) {
                    held[bot] += 1;
                }
            }
        }
        held
    }

    #[test]
    fn however_many_bots_are_greedy_as_much_is_left_for_the_next_as_each_of_them_has() {
        for bots in 1..10 {
            let held = greedy(bots, 1_000);
            let free = 1_000 - held.iter().sum::<u64>();
            let share = 1_000 / (bots as u64 + 1);
            assert!(held.iter().all(|held| (share - 1..=share + 1).contains(held)), "{held:?}");
            assert!((share - 1..=share + bots as u64).contains(&free), "{free} are free beside {held:?}");
        }
    }

    #[test]
    fn more_than_there_is_may_nobody_hold() {
        assert!(may_hold(50, 50, 100));
        assert!(!may_hold(51, 51, 100));
        assert!(!may_hold(1, 100, 100));
        assert!(!may_hold(1, 200, 100));
    }
}
