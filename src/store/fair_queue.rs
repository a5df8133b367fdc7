//! What waits for the writer. Operations run in the order of their arrival; where more wait than one transaction takes, the bots
//! have their turns, so that none waits for all that another does. Those of one bot always keep their order.

use std::collections::VecDeque;

use crossbeam_channel::Receiver;

use super::operations::Submitted;
use crate::model::BotId;
use crate::shares::{ShareLimits, Shares};

/// Most operations in one transaction: bounds how long the first one waits for the last.
const OPERATIONS: usize = 256;
/// What they may cost together, the last one aside.
const COST: u64 = 1 << 20;
/// Nothing here is under way: all that is asked is who is next.
const LIMITS: ShareLimits = ShareLimits { all: usize::MAX, assured: 0, each: usize::MAX, cost: u64::MAX };

/// An operation on its way to the writer.
pub(super) struct Job {
    /// Whose it is, if it is a bot's.
    pub(super) bot: Option<BotId>,
    /// It runs after all that was submitted before, whosever that is.
    pub(super) fence: bool,
    pub(super) op: Box<dyn Submitted>,
}

/// What was taken from the channel and did not fit.
pub(super) struct FairQueue {
    shares: Shares<Option<BotId>, (u64, Box<dyn Submitted>)>,
    /// Those that wait for others, with the number of the first that came after them, and how many came before and still wait.
    fences: VecDeque<(u64, usize, Box<dyn Submitted>)>,
    next: u64,
}

impl Default for FairQueue {
    fn default() -> Self {
        Self { shares: Shares::new(LIMITS), fences: VecDeque::new(), next: 0 }
    }
}

/// Operations of one transaction.
struct Group<'b> {
    batch: &'b mut Vec<Box<dyn Submitted>>,
    cost: u64,
}

impl Group<'_> {
    fn is_full(&self) -> bool {
        self.batch.len() >= OPERATIONS || self.cost >= COST
    }

    fn take(&mut self, op: Box<dyn Submitted>) {
        self.cost = self.cost.saturating_add(op.cost());
        self.batch.push(op);
    }
}

impl FairQueue {
    /// Whether nothing waits here.
    pub(super) fn is_empty(&self) -> bool {
        self.shares.waiting() == 0 && self.fences.is_empty()
    }

    /// Gathers what one transaction takes of what waits and of what has come: `first` before the rest of the channel.
    pub(super) fn gather(&mut self, first: Option<Job>, jobs: &Receiver<Job>, batch: &mut Vec<Box<dyn Submitted>>) {
        let mut come = first.into_iter().chain(jobs.try_iter());
        let mut group = Group { batch, cost: 0 };
        if self.is_empty() {
            // All that has come fits, as a rule.
            while !group.is_full() {
                let Some(job) = come.next() else { return };
                group.take(job.op);
            }
        }
        come.for_each(|job| self.push(job));
        while !group.is_full()
            && let Some(op) = self.pop()
        {
            group.take(op);
        }
    }

    fn push(&mut self, job: Job) {
        let Job { bot, fence, op } = job;
        self.next += 1;
        match fence {
            true => self.fences.push_back((self.next, self.shares.waiting(), op)),
            false => self.shares.wait(&bot, op.cost(), (self.next, op)),
        }
    }

    fn pop(&mut self) -> Option<Box<dyn Submitted>> {
        if self.fences.front().is_some_and(|(_, before, _)| *before == 0) {
            return self.fences.pop_front().map(|(.., op)| op);
        }
        let (bot, cost, (number, op)) = self.shares.take()?;
        self.shares.over(&bot, cost, cost);
        for (fence, before, _) in &mut self.fences {
            *before -= usize::from(number < *fence);
        }
        Some(op)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crossbeam_channel::{Sender, unbounded};
    use parking_lot::Mutex;

    use super::super::error::StoreError;
    use super::super::operations::Once;
    use super::super::tx::Tx;
    use super::*;

    type Told = Arc<Mutex<Vec<String>>>;

    struct Bench {
        told: Told,
        jobs: Sender<Job>,
        receiver: Receiver<Job>,
        queue: FairQueue,
    }

    impl Bench {
        fn new() -> Self {
            let (jobs, receiver) = unbounded();
            Self { told: Told::default(), jobs, receiver, queue: FairQueue::default() }
        }

        fn submit(&self, bot: &str, name: &str) {
            let (told, name) = (Arc::clone(&self.told), name.to_owned());
            let then = move |_: Result<(), StoreError>| told.lock().push(name);
            let op = Box::new(Once::new(|_: &Tx<'_>| Ok(()), then));
            self.jobs.send(Job { bot: BotId::parse(bot).ok(), fence: bot.is_empty(), op }).ok().unwrap();
        }

        /// What the next transaction takes.
        fn group(&mut self) -> Vec<String> {
            let mut batch = Vec::new();
            self.queue.gather(None, &self.receiver, &mut batch);
            batch.into_iter().for_each(|op| op.tell());
            std::mem::take(&mut *self.told.lock())
        }
    }

    #[test]
    fn what_fits_runs_in_the_order_in_which_it_came() {
        let mut bench = Bench::new();
        let names: Vec<String> = (0..OPERATIONS).map(|number| number.to_string()).collect();
        for (number, name) in names.iter().enumerate() {
            bench.submit(["a", "b", ""][number % 3], name);
        }
        assert_eq!(bench.group(), names);
        assert!(bench.group().is_empty());
    }

    #[test]
    fn a_calm_bots_operation_waits_for_one_transaction_and_not_for_ten_thousand_operations_of_another() {
        let mut bench = Bench::new();
        for number in 0..10_000 {
            bench.submit("hostile", &number.to_string());
        }
        bench.submit("calm", "first");
        bench.submit("calm", "second");
        assert_eq!(bench.group().len(), OPERATIONS);
        let group = bench.group();
        let at = |name: &str| group.iter().position(|other| other == name).unwrap();
        assert!(at("first") < at("second") && at("second") < 4, "{:?}", &group[..5]);
        assert_eq!(bench.group().len(), OPERATIONS);
    }

    #[test]
    fn operations_of_one_bot_keep_their_order_whatever_others_do() {
        let mut bench = Bench::new();
        let mut seen = Vec::new();
        for number in 0..2_000 {
            bench.submit(["a", "b", "c"][number % 3], &number.to_string());
            if number % 700 == 0 {
                seen.extend(bench.group());
            }
        }
        while !bench.queue.is_empty() || !bench.receiver.is_empty() {
            seen.extend(bench.group());
        }
        assert_eq!(seen.len(), 2_000);
        for bot in 0..3 {
            let own = seen.iter().map(|name| name.parse::<usize>().unwrap()).filter(|number| number % 3 == bot);
            assert!(own.is_sorted());
        }
    }

    #[test]
    fn a_fence_runs_after_all_that_came_before_it() {
        let mut bench = Bench::new();
        for number in 0..1_000 {
            bench.submit(["a", "b"][number % 2], &number.to_string());
        }
        bench.submit("", "fence");
        for number in 0..100 {
            bench.submit("c", &format!("later {number}"));
        }
        let mut seen = Vec::new();
        for _ in 0..10 {
            seen.extend(bench.group());
        }
        assert_eq!(seen.len(), 1_101);
        let fence = seen.iter().position(|name| name == "fence").unwrap();
        let before = seen[..fence].iter().filter(|name| !name.starts_with("later")).count();
        assert_eq!(before, 1_000);
        assert!(bench.queue.is_empty());
    }
}
