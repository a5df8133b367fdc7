//! Who is next where several ask for the same, of whom one may ask for very much: who has had least of it. (Deficit round robin.)
//!
//! A state machine without I/O. Each one's asks begin in their order. What one has had is counted in costs (bytes, say): what
//! an ask is said to cost when it begins, and what it took beyond that when it is over, so that who took more than was known
//! beforehand waits longer afterwards. Who was away brings no credit along: from now on it has as much as whoever is served.

use std::collections::{BTreeMap, VecDeque};

/// How many may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareLimits {
    /// Of all together.
    pub all: usize,
    /// Of each one also where all places are taken.
    pub assured: usize,
    /// Of each one.
    pub each: usize,
    /// Costs of each one's together. One alone may cost more.
    pub cost: u64,
}

/// Who asks, what is under way, and what waits.
#[derive(Debug)]
pub struct Shares<K, T> {
    limits: ShareLimits,
    parts: BTreeMap<K, Part<T>>,
    under_way: usize,
    waiting: usize,
    /// What the one had that was served last, before that.
    level: u64,
}

#[derive(Debug)]
struct Part<T> {
    /// What waits with its cost, in order.
    waiting: VecDeque<(u64, T)>,
    under_way: usize,
    cost: u64,
    had: u64,
}

impl<T> Part<T> {
    /// Whether one more may begin beside so many of all.
    fn has_room(&self, limits: &ShareLimits, all: usize, cost: u64) -> bool {
        let place = all < limits.all || self.under_way < limits.assured;
        let own = self.under_way < limits.each && self.cost.saturating_add(cost) <= limits.cost;
        place && (self.under_way == 0 || own)
    }

    fn is_idle(&self) -> bool {
        self.under_way == 0 && self.waiting.is_empty()
    }
}

impl<K: Ord + Clone, T> Shares<K, T> {
    /// Nobody asks yet.
    pub fn new(limits: ShareLimits) -> Self {
        Self { limits, parts: BTreeMap::new(), under_way: 0, waiting: 0, level: 0 }
    }

    /// Begins an ask at once, if there is room and nothing of the same one waits; whether it has begun. Whoever waits while
    /// there is room for all does so for room of its own.
    pub fn begin(&mut self, key: &K, cost: u64) -> bool {
        let (limits, all) = (self.limits, self.under_way);
        let part = self.part(key);
        if !part.waiting.is_empty() || !part.has_room(&limits, all, cost) {
            return false;
        }
        self.begun(key, cost);
        true
    }

    /// Lets an ask wait that could not begin.
    pub fn wait(&mut self, key: &K, cost: u64, ask: T) {
        self.part(key).waiting.push_back((cost, ask));
        self.waiting += 1;
    }

    /// What begins next of what waits, with whose it is and its cost. To be asked until it gives nothing, whenever something
    /// is over.
    pub fn take(&mut self) -> Option<(K, u64, T)> {
        if self.waiting == 0 {
            return None;
        }
        let ready = self.parts.iter().filter(|(_, part)| {
            part.waiting.front().is_some_and(|(cost, _)| part.has_room(&self.limits, self.under_way, *cost))
        });
        let key = ready.min_by_key(|(_, part)| (part.had, part.under_way))?.0.clone();
        let (cost, ask) = self.parts.get_mut(&key)?.waiting.pop_front()?;
        self.waiting -= 1;
        self.begun(&key, cost);
        Some((key, cost, ask))
    }

    /// An ask is over that began with that cost, and took so much.
    pub fn over(&mut self, key: &K, cost: u64, took: u64) {
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(part) = self.parts.get_mut(key) {
            part.under_way = part.under_way.saturating_sub(1);
            part.cost = part.cost.saturating_sub(cost);
            part.had = part.had.saturating_add(took.saturating_sub(cost));
            if part.is_idle() && part.had <= self.level {
                self.parts.remove(key);
            }
        }
        // With nobody there it does not matter any more who had how much.
        if self.under_way == 0 && self.waiting == 0 {
            self.parts.clear();
            self.level = 0;
        }
    }

    /// How many are under way.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    fn part(&mut self, key: &K) -> &mut Part<T> {
        let level = self.level;
        let new = || Part { waiting: VecDeque::new(), under_way: 0, cost: 0, had: level };
        let part = self.parts.entry(key.clone()).or_insert_with(new);
        if part.is_idle() {
            part.had = part.had.max(level);
        }
        part
    }

    fn begun(&mut self, key: &K, cost: u64) {
        self.under_way += 1;
        let part = self.part(key);
        let had = part.had;
        part.under_way += 1;
        part.cost = part.cost.saturating_add(cost);
        part.had = had.saturating_add(cost);
        self.level = self.level.max(had);
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    const LIMITS: ShareLimits = ShareLimits { all: 4, assured: 0, each: 2, cost: 100 };

    type Names = Shares<&'static str, u32>;

    fn asks(shares: &mut Names, who: &'static str, cost: u64, count: u32) {
        for number in 0..count {
            if !shares.begin(&who, cost) {
                shares.wait(&who, cost, number);
            }
        }
    }

    /// What begins now.
    fn begun(shares: &mut Names) -> Vec<&'static str> {
        std::iter::from_fn(|| shares.take().map(|(who, ..)| who)).collect()
    }

    #[test]
    fn a_calm_one_begins_at_once_beside_another_who_asks_for_very_much() {
        let mut shares = Shares::new(LIMITS);
        asks(&mut shares, "hostile", 10, 900);
        assert_eq!(shares.waiting(), 898, "two of each may be under way");
        assert!(shares.begin(&"calm", 10));
    }

    #[test]
    fn where_all_places_are_taken_a_calm_one_waits_for_one_of_them_and_not_for_who_was_there_before() {
        let mut shares = Shares::new(LIMITS);
        asks(&mut shares, "a", 10, 900);
        asks(&mut shares, "b", 10, 900);
        assert!(!shares.begin(&"calm", 10));
        shares.wait(&"calm", 10, 0);
        assert_eq!(begun(&mut shares), [""; 0]);
        shares.over(&"a", 10, 10);
        assert_eq!(begun(&mut shares), ["calm"]);
    }

    #[test]
    fn what_each_is_assured_begins_also_where_all_places_are_taken() {
        let mut shares = Shares::new(ShareLimits { all: 2, assured: 1, ..LIMITS });
        asks(&mut shares, "a", 10, 900);
        assert!(shares.begin(&"calm", 10) && !shares.begin(&"calm", 10));
        shares.wait(&"calm", 10, 0);
        assert_eq!(begun(&mut shares), [""; 0]);
        shares.over(&"calm", 10, 10);
        assert_eq!(begun(&mut shares), ["calm"]);
    }

    #[test]
    fn asks_of_one_begin_in_their_order() {
        let mut shares = Shares::new(ShareLimits { all: 1, ..LIMITS });
        asks(&mut shares, "a", 1, 5);
        let mut order = Vec::new();
        for _ in 0..4 {
            shares.over(&"a", 1, 1);
            assert!(!shares.begin(&"a", 1), "nobody goes past what waits");
            order.push(shares.take().unwrap().2);
        }
        assert_eq!(order, [1, 2, 3, 4]);
    }

    #[test]
    fn each_has_so_many_under_way_and_so_much_and_one_alone_may_cost_more() {
        let mut shares = Names::new(LIMITS);
        assert!(shares.begin(&"a", 1) && shares.begin(&"a", 1) && !shares.begin(&"a", 1), "number");
        assert!(shares.begin(&"b", 60) && !shares.begin(&"b", 41) && shares.begin(&"b", 40), "cost");
        let mut shares = Names::new(LIMITS);
        assert!(shares.begin(&"a", 1_000) && !shares.begin(&"a", 1));
        shares.over(&"a", 1_000, 1_000);
        assert!(shares.begin(&"a", 1));
    }

    #[test]
    fn who_took_more_than_was_known_waits_until_the_others_have_had_as_much() {
        let mut shares = Shares::new(ShareLimits { all: 1, ..LIMITS });
        asks(&mut shares, "a", 1, 10);
        asks(&mut shares, "b", 1, 10);
        shares.over(&"a", 1, 4);
        let mut order = Vec::new();
        for _ in 0..8 {
            let (who, cost, _) = shares.take().unwrap();
            order.push(who);
            shares.over(&who, cost, cost);
        }
        assert_eq!(order, ["b", "b", "b", "b", "a", "b", "a", "b"]);
    }

    #[test]
    fn who_was_away_has_no_credit_for_it() {
        let mut shares = Shares::new(ShareLimits { all: 1, ..LIMITS });
        asks(&mut shares, "a", 10, 20);
        for _ in 0..10 {
            shares.over(&"a", 10, 10);
            assert_eq!(shares.take().unwrap().0, "a");
        }
        asks(&mut shares, "b", 10, 10);
        let mut order = Vec::new();
        let mut last = "a";
        for _ in 0..6 {
            shares.over(&last, 10, 10);
            last = shares.take().unwrap().0;
            order.push(last);
        }
        assert_eq!(order, ["b", "a", "b", "a", "b", "a"]);
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone() {
        let mut shares = Names::new(LIMITS);
        for who in ["a", "b", "c"] {
            assert!(shares.begin(&who, 5));
        }
        for who in ["a", "b", "c"] {
            shares.over(&who, 5, 500);
        }
        assert!(shares.parts.is_empty());
    }

    #[test]
    fn who_always_waits_gets_as_much_as_any_other_who_does_whatever_the_costs() {
        let mut random = StdRng::seed_from_u64(11);
        let mut shares = Shares::<usize, ()>::new(ShareLimits { all: 3, assured: 0, each: 2, cost: 1 << 30 });
        let (mut had, mut running) = ([0; 4], VecDeque::new());
        let sizes: [u64; 4] = [500, 1_000, 5_000, 20_000];
        for _ in 0..200_000 {
            for (who, size) in sizes.iter().enumerate() {
                while shares.parts.get(&who).is_none_or(|part| part.waiting.len() < 3) {
                    shares.wait(&who, random.random_range(1..=*size), ());
                }
            }
            while let Some((who, cost, ())) = shares.take() {
                running.push_back((who, cost));
            }
            let (who, cost) = running.pop_front().unwrap();
            let took = cost * random.random_range(1..4);
            had[who] += took;
            shares.over(&who, cost, took);
        }
        let (least, most) = (had.iter().min().unwrap(), had.iter().max().unwrap());
        assert!(most - least <= 20_000 * 4 * 3, "{had:?}");
    }
}
