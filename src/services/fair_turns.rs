//! Turns of bots at something that they share: whose bot has had least is next (`shares`).

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::model::BotId;
use crate::shares::{ShareLimits, Shares};

/// The turns. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct FairTurns(Arc<Mutex<Shares<Option<BotId>, oneshot::Sender<FairTurn>>>>);

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct FairTurn {
    turns: FairTurns,
    bot: Option<BotId>,
    cost: u64,
    took: u64,
}

impl FairTurns {
    pub(super) fn new(limits: ShareLimits) -> Self {
        Self(Arc::new(Mutex::new(Shares::new(limits))))
    }

    /// Waits for a turn of that bot, or of what belongs to none. Turns of a bot come in the order in which they are waited
    /// for; who does not wait any more has none. `None` only where the turns are gone.
    pub(super) async fn turn(&self, bot: Option<&BotId>, cost: u64) -> Option<FairTurn> {
        let bot = bot.cloned();
        let receiver = {
            let mut shares = self.0.lock();
            if shares.begin(&bot, cost) {
                return Some(self.given(bot, cost));
            }
            let (sender, receiver) = oneshot::channel();
            shares.wait(&bot, cost, sender);
            receiver
        };
        receiver.await.ok()
    }

    /// How many have their turn.
    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.0.lock().under_way()
    }

    fn given(&self, bot: Option<BotId>, cost: u64) -> FairTurn {
        FairTurn { turns: self.clone(), bot, cost, took: cost }
    }

    /// Gives turns to those who are next.
    fn give(&self) {
        loop {
            let mut shares = self.0.lock();
            let Some((bot, cost, sender)) = shares.take() else { return };
            if sender.is_closed() {
                shares.over(&bot, cost, 0);
                continue;
            }
            drop(shares);
            // Who went just now gives it back.
            drop(sender.send(self.given(bot, cost)));
        }
    }
}

impl FairTurn {
    /// What it really took, where that is more than was known before.
    pub(super) fn took(&mut self, cost: u64) {
        self.took = self.took.max(cost);
    }
}

impl Drop for FairTurn {
    fn drop(&mut self) {
        self.turns.0.lock().over(&self.bot, self.cost, self.took);
        self.turns.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(all: usize) -> FairTurns {
        FairTurns::new(ShareLimits { all, assured: 0, each: 1, cost: 1_000 })
    }

    fn bot(id: &str) -> Option<BotId> {
        BotId::parse(id).ok()
    }

    #[tokio::test]
    async fn a_calm_bots_turn_comes_after_one_of_another_bot_which_waits_for_nine_hundred() {
        let turns = turns(1);
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        let first = turns.turn(bot("hostile").as_ref(), 1).await.unwrap();
        for (name, count, all) in [("hostile", 900, 900), ("calm", 1, 901)] {
            for _ in 0..count {
                let (turns, sender) = (turns.clone(), sender.clone());
                tokio::spawn(async move {
                    let _turn = turns.turn(bot(name).as_ref(), 1).await.unwrap();
                    sender.send(name).unwrap();
                });
            }
            // All of them wait.
            while turns.0.lock().waiting() < all {
                tokio::task::yield_now().await;
            }
        }
        drop((first, sender));
        let mut served = Vec::new();
        while let Some(name) = order.recv().await {
            served.push(name);
        }
        assert_eq!(served.len(), 901);
        assert!(served[..2].contains(&"calm"), "{:?}", &served[..5]);
    }

    #[tokio::test]
    async fn who_does_not_wait_any_more_takes_no_turn() {
        let turns = turns(1);
        let first = turns.turn(bot("a").as_ref(), 1).await.unwrap();
        let waiting: Vec<_> = (0..10_000)
            .map(|_| {
                let turns = turns.clone();
                tokio::spawn(async move { turns.turn(bot("a").as_ref(), 1).await.is_some() })
            })
            .collect();
        while turns.0.lock().waiting() < 10_000 {
            tokio::task::yield_now().await;
        }
        for task in waiting {
            task.abort();
            assert!(task.await.is_err());
        }
        drop(first);
        assert!(turns.turn(bot("a").as_ref(), 1).await.is_some());
        assert_eq!(turns.0.lock().waiting(), 0);
    }
}
