//! How much may be on its way to and from each bot's processes: a part of what all may have, so that one bot whose scripts send
//! much, or take in nothing, makes no other wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use super::credit::Credit;
use crate::config::DispatchSettings;

/// Of what all bots may have, one has at most that part.
const PART: u64 = 4;
/// What each bot may always have.
const ASSURED: u64 = 1 << 20;

/// Bytes on their way from all processes, and to all of them.
#[derive(Debug)]
pub(super) struct Buffers {
    /// Of one process.
    each: u64,
    inward: Parts,
    outward: Parts,
}

/// What one process has of it.
#[derive(Debug)]
pub(super) struct Buffer {
    /// What it has said and nobody is done with yet.
    pub(super) inward: Arc<Credit>,
    /// What it was sent and has not taken in yet.
    pub(super) outward: Arc<Credit>,
}

/// One direction: what all have, and each bot's part as long as anybody counts there.
#[derive(Debug)]
struct Parts {
    all: Arc<Credit>,
    part: u64,
    bots: BTreeMap<Arc<str>, Weak<Credit>>,
}

impl Buffers {
    pub(super) fn new(settings: &DispatchSettings) -> Self {
        let all = settings.all_buffered;
        Self { each: settings.buffered, inward: Parts::new(all), outward: Parts::new(all) }
    }

    /// For a process of that bot; those that are no bot's are one's together.
    pub(super) fn of(&mut self, bot: &Arc<str>) -> Buffer {
        let Self { each, inward, outward } = self;
        Buffer { inward: Credit::within(*each, 0, inward.of(bot)), outward: Credit::within(*each, 0, outward.of(bot)) }
    }
}

impl Parts {
    fn new(all: u64) -> Self {
        Self { all: Credit::new(all), part: all / PART, bots: BTreeMap::new() }
    }

    fn of(&mut self, bot: &Arc<str>) -> Arc<Credit> {
        if let Some(known) = self.bots.get(bot).and_then(Weak::upgrade) {
            return known;
        }
        self.bots.retain(|_, part| part.strong_count() > 0);
        let part = Credit::within(self.part, ASSURED, Arc::clone(&self.all));
        self.bots.insert(Arc::clone(bot), Arc::downgrade(&part));
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_whose_processes_fill_what_they_may_makes_no_other_bot_wait() {
        let mut buffers =
            Buffers::new(&DispatchSettings { buffered: 6 << 20, all_buffered: 16 << 20, ..Default::default() });
        let (hostile, calm) = (Arc::from("hostile"), Arc::from("calm"));
        let (one, other, beside) = (buffers.of(&hostile), buffers.of(&hostile), buffers.of(&calm));
        one.inward.take(3 << 20);
        assert!(one.inward.has_room() && other.inward.has_room());
        other.inward.take(1 << 20);
        assert!(!one.inward.has_room() && !other.inward.has_room(), "a quarter of all");
        assert!(one.outward.has_room() && beside.inward.has_room());
        // However many do so.
        let many: Vec<_> = (0..5).map(|number| buffers.of(&Arc::from(format!("bot-{number}")))).collect();
        many.iter().for_each(|buffer| buffer.outward.take(4 << 20));
        assert!(beside.outward.has_room() && one.outward.has_room());
        beside.outward.take(1 << 20);
        assert!(!beside.outward.has_room());
        drop(many);
        assert!(beside.outward.has_room());
        drop((one, other));
        assert!(buffers.of(&hostile).inward.has_room());
    }
}
