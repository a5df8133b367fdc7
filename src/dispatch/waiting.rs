//! What waits for a realm of its bot, in order, and how much of each bot that is: before each event that is to begin it is asked
//! whether something of its bot waits.

use std::collections::{BTreeMap, VecDeque};

use super::work::{HookRun, QueuedRun};
use crate::model::BotId;

/// Whose something is.
pub(super) trait OfBot {
    /// Nothing for what there is without a bot.
    fn bot(&self) -> Option<&BotId>;
}

impl OfBot for QueuedRun {
    fn bot(&self) -> Option<&BotId> {
        Some(&self.event.key.bot)
    }
}

impl OfBot for HookRun {
    fn bot(&self) -> Option<&BotId> {
        self.bot.as_ref()
    }
}

/// What waits, in order.
pub(super) struct Waiting<T> {
    line: VecDeque<T>,
    bots: BTreeMap<BotId, usize>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { line: VecDeque::new(), bots: BTreeMap::new() }
    }
}

impl<T: OfBot> Waiting<T> {
    pub(super) fn push_back(&mut self, item: T) {
        self.count(&item);
        self.line.push_back(item);
    }

    pub(super) fn push_front(&mut self, item: T) {
        self.count(&item);
        self.line.push_front(item);
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        let item = self.line.pop_front()?;
        if let Some(bot) = item.bot()
            && let Some(count) = self.bots.get_mut(bot)
        {
            *count -= 1;
            if *count == 0 {
                self.bots.remove(bot);
            }
        }
        Some(item)
    }

    /// Whether something of that bot waits.
    pub(super) fn has_of(&self, bot: &BotId) -> bool {
        self.bots.contains_key(bot)
    }

    pub(super) fn len(&self) -> usize {
        self.line.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.line.iter()
    }

    fn count(&mut self, item: &T) {
        if let Some(bot) = item.bot() {
            match self.bots.get_mut(bot) {
                Some(count) => *count += 1,
                None => drop(self.bots.insert(bot.clone(), 1)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl OfBot for Option<BotId> {
        fn bot(&self) -> Option<&BotId> {
            self.as_ref()
        }
    }

    #[test]
    fn it_is_known_of_which_bots_something_waits_whatever_comes_and_goes() {
        let bot = |name: &str| BotId::parse(name).unwrap();
        let (a, b) = (bot("a"), bot("b"));
        let mut waiting = Waiting::default();
        assert!(!waiting.has_of(&a));
        waiting.push_back(Some(a.clone()));
        waiting.push_back(None);
        waiting.push_front(Some(b.clone()));
        waiting.push_back(Some(a.clone()));
        assert!(waiting.has_of(&a) && waiting.has_of(&b) && waiting.len() == 4);
        assert_eq!([waiting.pop_front(), waiting.pop_front()], [Some(Some(b.clone())), Some(Some(a.clone()))]);
        assert!(waiting.has_of(&a) && !waiting.has_of(&b));
        assert_eq!(
            [waiting.pop_front(), waiting.pop_front(), waiting.pop_front()],
            [Some(None), Some(Some(a.clone())), None]
        );
        assert!(!waiting.has_of(&a) && waiting.iter().next().is_none());
    }
}
