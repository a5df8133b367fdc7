//! Zygotes of bots that nobody uses: those that are too many go, and those that were not used for long.
//!
//! A zygote with realms is used, as their events come back to it, and so is one for which an event waits or that made a realm within
//! 10 s, whatever the limits say: there may be more for that long, and a bot that has work never loses its own.

use std::time::{Duration, Instant};

use super::orders::ProcessId;
use super::state::{Fleet, Role, Zygote};

/// A zygote that was used within that time stays, however many there are: making it again costs more than it holds.
const UNUSED: Duration = Duration::from_secs(10);

impl Fleet {
    /// Zygotes of bots that nobody needs now and has for a while, those first that were not used for longest.
    pub(super) fn unused_zygotes(&self, now: Instant) -> impl Iterator<Item = ProcessId> + use<> {
        self.unused_for(now, UNUSED)
    }

    fn unused_for(&self, now: Instant, time: Duration) -> impl Iterator<Item = ProcessId> + use<> {
        let waits = |zygote: &Zygote| match &zygote.role {
            Role::Bot { bot, .. } => self.lanes.get(bot).is_some_and(|lane| lane.blocked.is_some()),
            _ => true,
        };
        let unused = |zygote: &Zygote| {
            is_of_bot(zygote)
                && zygote.loaded
                && zygote.children == 0
                && !waits(zygote)
                && now.saturating_duration_since(zygote.used) > time
        };
        let unused = self.zygotes.iter().filter(|(_, zygote)| unused(zygote)).map(|(id, zygote)| (zygote.used, *id));
        let mut unused: Vec<(Instant, ProcessId)> = unused.collect();
        unused.sort_unstable();
        unused.into_iter().map(|(_, id)| id)
    }

    /// A zygote ends that nobody needs; its bot gets another one with its next event.
    pub(super) fn end_unused(&mut self, zygote: ProcessId) {
        if let Some(bot) = self.bot_of(zygote)
            && let Some(lane) = self.lanes.get_mut(&bot)
            && lane.zygote == Some(zygote)
        {
            lane.zygote = None;
        }
        self.end_zygote(zygote);
    }

    /// Zygotes go that were not used for long, and those beyond as many as may be.
    pub(super) fn end_old_zygotes(&mut self, now: Instant) {
        for zygote in self.zygotes.values_mut().filter(|zygote| zygote.children > 0) {
            zygote.used = now;
        }
        let all = self.zygotes.values().filter(|zygote| is_of_bot(zygote)).count();
        let surplus = all.saturating_sub(self.limits.zygotes);
        let unused =
            self.unused_zygotes(now).take(surplus).chain(self.unused_for(now, self.limits.idle_zygote.max(UNUSED)));
        for zygote in unused.collect::<Vec<_>>() {
            self.end_unused(zygote);
        }
    }
}

/// Whether it is a bot's and serves; what there is without a bot makes those of bots.
fn is_of_bot(zygote: &Zygote) -> bool {
    matches!(&zygote.role, Role::Bot { bot, .. } if !bot.is_empty()) && !zygote.ending && zygote.killed.is_none()
}
