//! Zygotes: the root, one with the packages that all bots share, one with what there is without a bot, and of that one copy a
//! bot. Each is told what to load and what to copy without waiting: it does so in that order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::orders::{Note, Order, ProcessId};
use super::state::{Fleet, Role, State, Zygote};
use crate::program::{ImageKey, LayerKey};
use crate::protocol::ForkAs;

/// How long a zygote may take to load.
const LOADING: Duration = Duration::from_secs(10);
/// How long a zygote that has loaded may take to make a copy.
const COPYING: Duration = Duration::from_secs(20);
/// As many times that at most, where others load as well.
const MOST_SHARED: u32 = 6;
/// How long no zygote is made after one died, at first; twice as long each time.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest pause, as a power of two of the first.
const LONGEST: u32 = 7;

impl Fleet {
    /// The zygote that makes a bot's realms. It is made if need be.
    pub(super) fn ensure_zygote(&mut self, now: Instant, bot: &Arc<str>) -> Option<ProcessId> {
        let lane = self.lanes.get(bot)?;
        if let Some(zygote) = lane.zygote {
            return Some(zygote);
        }
        let image = lane.image;
        let zygote = self.zygote_of(now, bot, image)?;
        self.lanes.get_mut(bot)?.zygote = Some(zygote);
        Some(zygote)
    }

    /// Has a zygote load a bot's new image beside the one that serves.
    pub(super) fn warm(&mut self, now: Instant, bot: &Arc<str>, image: ImageKey) {
        let earlier = self.lanes.get_mut(bot).and_then(|lane| lane.next.take());
        if let Some((earlier, _)) = earlier {
            self.end_zygote(earlier);
        }
        if let Some(zygote) = self.zygote_of(now, bot, image)
            && let Some(lane) = self.lanes.get_mut(bot)
        {
            lane.next = Some((zygote, image));
        }
    }

    fn zygote_of(&mut self, now: Instant, bot: &Arc<str>, image: ImageKey) -> Option<ProcessId> {
        if self.is_refused(now) {
            return None;
        }
        let parent = if bot.is_empty() { self.packages(now)? } else { self.global(now)? };
        let warm = !self.is_layer_cold() && self.lanes.get(bot).is_none_or(|lane| lane.cold != Some(image));
        let zygote = self.copy(now, parent, Role::Bot { bot: Arc::clone(bot), image });
        self.orders.push(Order::Load { zygote, bot: Arc::clone(bot), warm });
        Some(zygote)
    }

    /// The newest zygote with what there is without a bot.
    fn global(&mut self, now: Instant) -> Option<ProcessId> {
        let none: Arc<str> = Arc::from("");
        match self.lanes.get(&none)?.next {
            Some((next, _)) => Some(next),
            None => self.ensure_zygote(now, &none),
        }
    }

    /// The zygote with the packages that all bots share, or the root where there are none.
    fn packages(&mut self, now: Instant) -> Option<ProcessId> {
        let root = self.ensure_root(now)?;
        let Some(layer) = self.published.as_ref()?.layer.filter(|_| !self.is_layer_cold()) else { return Some(root) };
        let role = Role::Packages(layer);
        if let Some((id, _)) = self.zygotes.iter().find(|(_, zygote)| zygote.role == role && !zygote.ending) {
            return Some(*id);
        }
        let zygote = self.copy(now, root, role);
        self.orders.push(Order::LoadPackages { zygote });
        Some(zygote)
    }

    /// Whether the packages that all bots share are left to the realms.
    fn is_layer_cold(&self) -> bool {
        self.cold_layer.is_some() && self.cold_layer == self.published.as_ref().and_then(|published| published.layer)
    }

    /// The zygote with the packages that all bots share died while it loaded them. The first time it may have been its parent.
    fn packages_gone(&mut self, layer: LayerKey, killed: bool, why: &str) {
        self.layer_failures += 1;
        if (killed || self.layer_failures > 1) && self.cold_layer.replace(layer) != Some(layer) {
            self.layer_failures = 0;
            self.notes.push(Note::NotWarm { bot: Arc::from(""), why: why.to_owned() });
        }
    }

    /// Zygotes with packages of an earlier program go.
    pub(super) fn drop_old_layers(&mut self) {
        let layer = self.published.as_ref().and_then(|published| published.layer);
        let old = |zygote: &Zygote| matches!(zygote.role, Role::Packages(key) if Some(key) != layer && !zygote.ending);
        let old: Vec<ProcessId> = self.zygotes.iter().filter(|(_, one)| old(one)).map(|(id, _)| *id).collect();
        for zygote in old {
            self.end_zygote(zygote);
        }
    }

    /// Starts the root zygote, unless it is there.
    pub fn ensure_root(&mut self, now: Instant) -> Option<ProcessId> {
        if let Some(root) = self.root() {
            return Some(root);
        }
        if self.stopping || self.root_not_before.is_some_and(|until| now < until) {
            return None;
        }
        let root = self.new_process();
        self.zygotes.insert(root, Zygote::new(now, Role::Root, None));
        self.orders.push(Order::StartRoot { root });
        Some(root)
    }

    fn copy(&mut self, now: Instant, parent: ProcessId, role: Role) -> ProcessId {
        let child = self.new_process();
        self.orders.push(Order::Fork { zygote: parent, child, become_: ForkAs::Zygote });
        self.zygotes.insert(child, Zygote::new(now, role, Some(parent)));
        if let Some(parent) = self.zygotes.get_mut(&parent) {
            parent.used = now;
        }
        child
    }

    /// The root stands ready, or a zygote has loaded.
    pub fn loaded(&mut self, now: Instant, zygote: ProcessId) {
        let Some(entry) = self.zygotes.get_mut(&zygote) else { return };
        entry.loaded = true;
        if entry.role == Role::Root {
            (self.root_failures, self.root_not_before) = (0, None);
        }
        if let Some(bot) = self.bot_of(zygote) {
            if let Some(lane) = self.lanes.get_mut(&bot) {
                (lane.failures, lane.not_before) = (0, None);
            }
            self.take_over(now, &bot, zygote);
        }
    }

    /// Whether that is a root zygote.
    pub fn is_root(&self, process: ProcessId) -> bool {
        self.zygotes.get(&process).is_some_and(|zygote| zygote.role == Role::Root)
    }

    /// Whether that is a zygote.
    pub fn is_zygote(&self, process: ProcessId) -> bool {
        self.zygotes.contains_key(&process)
    }

    /// Whether one process may speak of another one, as its zygote: of its copies, and of those that are gone for good.
    pub fn may_speak_of(&self, zygote: ProcessId, child: ProcessId) -> bool {
        let parent = match (self.realms.get(&child), self.zygotes.get(&child)) {
            (Some(realm), _) => Some(realm.zygote),
            (_, Some(zygote)) => zygote.parent,
            _ => self.compiler_parent(child),
        };
        self.is_zygote(zygote) && parent.is_none_or(|parent| parent == zygote)
    }

    /// A zygote is told to end. Its realms go on.
    pub(super) fn end_zygote(&mut self, zygote: ProcessId) {
        if let Some(entry) = self.zygotes.get_mut(&zygote)
            && !entry.ending
        {
            entry.ending = true;
            self.orders.push(Order::Close { process: zygote });
        }
    }

    /// The socket of a zygote is at its end. Its realms go on; what it was told and has not done is not done any more.
    pub(super) fn zygote_gone(&mut self, now: Instant, process: ProcessId) {
        let Some(zygote) = self.zygotes.remove(&process) else { return };
        self.memory.gone(zygote.resident);
        // It may have closed its socket and live on.
        self.orders.push(Order::Kill { process });
        self.bury(zygote.parent, process, zygote.made);
        self.bury_orphans(process);
        if zygote.ending || self.stopping {
            return;
        }
        // One that the system refused is not to blame.
        let tried = zygote.made.is_some() || zygote.killed.is_some();
        let (killed, why) = (zygote.killed.is_some(), zygote.killed.unwrap_or("it died while it loaded"));
        match zygote.role {
            Role::Root => {
                self.root_failures += 1;
                self.root_not_before = Some(now + PAUSE * (1 << self.root_failures.min(LONGEST)));
                let how = zygote.killed.unwrap_or("it died");
                self.notes.push(Note::RootGone { was_ready: zygote.loaded, how: how.to_owned() });
                if zygote.loaded {
                    self.root_not_before = None;
                }
            }
            Role::Packages(layer) if !zygote.loaded && tried => self.packages_gone(layer, killed, why),
            Role::Packages(_) => {}
            Role::Bot { bot, image } => {
                self.bot_zygote_gone(now, process, &bot, image, (!zygote.loaded && tried, killed, why))
            }
        }
    }

    fn bot_zygote_gone(
        &mut self,
        now: Instant,
        process: ProcessId,
        bot: &Arc<str>,
        image: ImageKey,
        (failed, killed, why): (bool, bool, &str),
    ) {
        let Some(lane) = self.lanes.get_mut(bot) else { return };
        let next = lane.next.is_some_and(|(next, _)| next == process);
        if lane.zygote == Some(process) {
            lane.zygote = None;
        }
        if failed {
            lane.failures += 1;
            // The first time it may have been its parent that died.
            if lane.failures > 1 || killed {
                lane.not_before = Some(now + PAUSE * (1 << lane.failures.min(LONGEST)));
                if lane.cold.replace(image) != Some(image) {
                    self.notes.push(Note::NotWarm { bot: Arc::clone(bot), why: why.to_owned() });
                }
            }
        }
        if next {
            if let Some(lane) = self.lanes.get_mut(bot) {
                lane.next = None;
            }
            self.warm(now, bot, image);
            self.tell_if_in_service();
        }
    }

    /// Zygotes that take too long to load are killed.
    pub(super) fn look_after_zygotes(&mut self, now: Instant) {
        // Those that load at once share the processors. One that is not made yet waits for its parent, which is looked after.
        let parent = |zygote: &Zygote| zygote.parent.is_some_and(|parent| self.zygotes.contains_key(&parent));
        let begun = |zygote: &Zygote| !zygote.loaded && (zygote.made.is_some() || !parent(zygote));
        let loading = self.zygotes.values().filter(|zygote| begun(zygote)).count();
        let share = u32::try_from(loading.div_ceil(self.limits.cores.max(1))).unwrap_or(u32::MAX).min(MOST_SHARED);
        let late = |zygote: &Zygote| {
            let allowed = if begun(zygote) { LOADING * share } else { LOADING * MOST_SHARED };
            !zygote.loaded && zygote.killed.is_none() && now.saturating_duration_since(zygote.since) > allowed
        };
        // One that has loaded makes copies within moments: it hangs, and what waits for it is made by another one.
        let waits = |since: Instant| now.saturating_duration_since(since) > COPYING;
        let realms = self.realms.values().filter_map(|realm| match &realm.state {
            State::Busy(busy) if realm.made.is_none() && waits(busy.since) => Some(realm.zygote),
            _ => None,
        });
        let copies = self.zygotes.values().filter(|zygote| zygote.made.is_none() && waits(zygote.since));
        let parents = realms.chain(copies.filter_map(|zygote| zygote.parent));
        let hung: Vec<ProcessId> = parents
            .filter(|id| self.zygotes.get(id).is_some_and(|zygote| zygote.loaded && zygote.killed.is_none()))
            .collect();
        let late: Vec<ProcessId> = self.zygotes.iter().filter(|(_, one)| late(one)).map(|(id, _)| *id).collect();
        for process in late.into_iter().chain(hung) {
            if let Some(zygote) = self.zygotes.get_mut(&process) {
                zygote.killed = Some("it took too long to load");
            }
            self.orders.push(Order::Kill { process });
        }
    }

    /// A realm of that zygote is gone.
    pub(super) fn forget_idle_zygote(&mut self, zygote: ProcessId) {
        if let Some(zygote) = self.zygotes.get_mut(&zygote) {
            zygote.children = zygote.children.saturating_sub(1);
        }
    }
}
