//! Lanes: each bot has one, with its zygote and its realms. A realm that is free takes the bot's next event; it is never given
//! up for another bot's.

use std::sync::Arc;
use std::time::Instant;

use super::broken::{Rule, is_broken};
use super::machine::TRIM;
use super::orders::{Note, Order, ProcessId, Published};
use super::state::{Busy, Fleet, Lane, Realm, Role, State};
use crate::program::ImageKey;
use crate::protocol::{ForkAs, Unfit};

impl Fleet {
    /// Puts a program into service. Bots whose image is the same do not notice; of the others that have a zygote, a new one is
    /// made beside it, which takes over when it has loaded.
    pub fn publish(&mut self, now: Instant, published: Published) {
        self.pending = Some(published.version);
        for (bot, lane) in &mut self.lanes {
            lane.gone = !bot.is_empty() && !published.bots.contains_key(bot);
        }
        let images: Vec<(Arc<str>, ImageKey)> = [(Arc::from(""), published.global)]
            .into_iter()
            .chain(published.bots.iter().map(|(bot, image)| (Arc::clone(bot), *image)))
            .collect();
        self.published = Some(published);
        let mut eager = self.limits.eager;
        for (bot, image) in images {
            let lane = self.lanes.entry(Arc::clone(&bot)).or_insert_with(|| Lane::new(image));
            let served = lane.zygote.is_some();
            let is = lane.next.map_or(lane.image, |(_, next)| next);
            if is == image && served {
                continue;
            }
            if served {
                self.warm(now, &bot, image);
                continue;
            }
            // What it had is of an older program, or is still loading that.
            let (idle, next) = (std::mem::take(&mut lane.idle), lane.next.take());
            if std::mem::replace(&mut lane.image, image) == image {
                lane.idle = idle;
            } else {
                idle.into_iter().for_each(|realm| self.close_realm(now, realm));
            }
            if let Some((next, _)) = next {
                self.end_zygote(next);
            }
            self.take_all_back(&bot);
            // What there is without a bot is loaded with the first bot.
            if eager > 0 && !bot.is_empty() {
                eager -= 1;
                self.ensure_zygote(now, &bot);
            }
        }
        let gone: Vec<Arc<str>> =
            self.lanes.iter().filter(|(_, lane)| lane.gone).map(|(bot, _)| Arc::clone(bot)).collect();
        for bot in gone {
            self.retire_lane(now, &bot);
        }
        self.drop_old_layers();
        self.tell_if_in_service();
    }

    /// Whether nothing of any bot may begin now.
    pub fn is_full(&self) -> bool {
        (self.running >= self.limits.running && !is_broken(Rule::RunningIsLimited)) || self.stopping
    }

    /// Whether an event of that bot may begin now. If not, when it would: as soon as something changes, or after patience.
    /// `alone` says that no other bot has anything to do.
    pub fn may_run(&mut self, now: Instant, bot: &str, alone: bool) -> bool {
        if self.is_full() {
            return false;
        }
        let Some(lane) = self.lanes.get(bot).filter(|lane| !lane.gone) else { return false };
        if !lane.idle.is_empty() && !self.limits.fresh {
            return true;
        }
        // Whoever holds much waits, and nobody else: each bot may have one realm.
        if lane.realms > 0 && self.must_wait_for_memory(bot) {
            return false;
        }
        // More realms than that of one bot help only where a processor is free, or those that there are wait or take long.
        let patience = |since: Instant| now.saturating_duration_since(since) >= self.limits.patience;
        let free = self.running < self.limits.cores;
        let wanted = self.limits.fresh || lane.running == 0 || (free && (alone || lane.blocked.is_some_and(patience)));
        let fork = wanted && lane.may_compute(self.limits.computing_of_bot) && self.may_fork(now, bot);
        if !fork && let Some(lane) = self.lanes.get_mut(bot) {
            lane.blocked.get_or_insert(now);
        }
        fork
    }

    /// When somebody who may not run now will have waited long enough. Who had by `last` and still may not waits for
    /// something else.
    pub fn end_of_patience(&self, last: Instant) -> Option<Instant> {
        if self.running >= self.limits.running {
            return None;
        }
        let ends = self.lanes.values().filter_map(|lane| lane.blocked).map(|since| since + self.limits.patience);
        ends.filter(|end| *end > last).min()
    }

    fn may_fork(&mut self, now: Instant, bot: &str) -> bool {
        if self.is_refused(now) || self.root_not_before.is_some_and(|until| now < until) {
            return false;
        }
        let Some(lane) = self.lanes.get(bot) else { return false };
        if lane.not_before.is_some_and(|until| now < until) {
            return false;
        }
        // Realms that live on for start and mount hooks do not count: however many there are, events run.
        let ends = |realm: &&Realm| !realm.lives_on();
        let (all, own) = (self.realms.len(), lane.realms);
        if own >= self.limits.realms_of_bot
            && self.realms.values().filter(|realm| *realm.bot == *bot).filter(ends).count() >= self.limits.realms_of_bot
        {
            return false;
        }
        // The last places are for bots that have none and wait: who has one would take each that becomes free before them.
        let waits = |other: &&Lane| {
            other.realms == 0
                && other.blocked.is_some()
                && !other.gone
                && other.not_before.is_none_or(|until| now >= until)
        };
        let kept = || if own == 0 { 0 } else { self.lanes.values().filter(waits).count() };
        let near = all + self.lanes.len() >= self.limits.realms;
        let full = near && self.realms.values().filter(ends).count() + kept() >= self.limits.realms;
        if !full && !self.slots.is_empty() {
            return true;
        }
        // Only where there is no room at all an idle realm of another bot goes: the one that was idle for longest.
        let ending = self.realms.values().any(Realm::is_ending);
        if let Some(oldest) = self.oldest_idle().filter(|_| !ending) {
            self.close_realm(now, oldest);
        }
        false
    }

    pub(super) fn oldest_idle(&self) -> Option<ProcessId> {
        let idle = self.realms.iter().filter_map(|(id, realm)| match realm.state {
            State::Idle { since } => Some((since, *id)),
            _ => None,
        });
        idle.min().map(|(_, id)| id)
    }

    /// Gives the realm that runs the bot's next event: to be called when [`Self::may_run`] says so.
    pub fn run(&mut self, now: Instant, bot: &Arc<str>, until: Option<Instant>) -> Option<ProcessId> {
        let lane = self.lanes.get_mut(bot)?;
        lane.blocked = None;
        let idle = if self.limits.fresh { None } else { lane.idle.pop() };
        let realm = match idle {
            Some(realm) => realm,
            None => self.fork_realm(now, bot)?,
        };
        self.realms.get_mut(&realm)?.state = State::Busy(Box::new(Busy::new(now, until)));
        self.computes(realm);
        Some(realm)
    }

    fn fork_realm(&mut self, now: Instant, bot: &Arc<str>) -> Option<ProcessId> {
        let zygote = self.ensure_zygote(now, bot)?;
        let slot = self.slots.pop_front()?;
        let realm = self.new_process();
        self.orders.push(Order::Fork { zygote, child: realm, become_: ForkAs::Realm { slot } });
        let state = State::Idle { since: now };
        let made = Realm {
            bot: Arc::clone(bot),
            image: self.lanes.get(bot)?.image,
            zygote,
            slot,
            made: None,
            state,
            script: None,
            clock: std::time::Duration::ZERO,
            resident: 0,
            gives_way: false,
            grew: 0,
            stopped: None,
        };
        self.realms.insert(realm, made);
        if let Some(zygote) = self.zygotes.get_mut(&zygote) {
            (zygote.children, zygote.used) = (zygote.children + 1, now);
        }
        self.lanes.get_mut(bot)?.realms += 1;
        Some(realm)
    }

    /// The realm is done with its work: it may have the next one, or is of no more use.
    pub fn free(&mut self, now: Instant, realm: ProcessId, unfit: Option<Unfit>) {
        self.stop_computing(realm);
        let Some(entry) = self.realms.get_mut(&realm) else { return };
        if !matches!(entry.state, State::Busy(_)) {
            return;
        }
        entry.state = State::Idle { since: now };
        let (bot, image, slow) = (Arc::clone(&entry.bot), entry.image, entry.gives_way);
        let current = self.lanes.get(&bot).is_some_and(|lane| lane.image == image && !lane.gone);
        match unfit {
            Some(_) => {
                // It ends by itself.
                if let Some(entry) = self.realms.get_mut(&realm) {
                    entry.state = State::Ending { since: now, cause: None, closed: false, killed: false };
                }
            }
            None if self.limits.fresh || !current || slow => self.close_realm(now, realm),
            None => {
                if let Some(lane) = self.lanes.get_mut(&bot) {
                    lane.idle.push(realm);
                    lane.blocked = None;
                }
            }
        }
    }

    /// An idle realm ends.
    pub(super) fn close_realm(&mut self, now: Instant, realm: ProcessId) {
        let Some(entry) = self.realms.get_mut(&realm) else { return };
        if matches!(entry.state, State::Idle { .. }) {
            entry.state = State::Ending { since: now, cause: None, closed: false, killed: false };
            if let Some(lane) = self.lanes.get_mut(&entry.bot) {
                lane.forget(realm);
            }
            self.orders.push(Order::Close { process: realm });
        }
    }

    /// The bot's zygote has loaded: it makes the bot's realms from now on.
    pub(super) fn take_over(&mut self, now: Instant, bot: &Arc<str>, zygote: ProcessId) {
        let Some(lane) = self.lanes.get_mut(bot) else { return };
        let Some((next, image)) = lane.next else { return };
        if next != zygote {
            return;
        }
        lane.next = None;
        lane.image = image;
        let before = lane.zygote.replace(zygote);
        let idle = std::mem::take(&mut lane.idle);
        if is_broken(Rule::OldRealmsGo)
            && let Some(lane) = self.lanes.get_mut(bot)
        {
            lane.idle.clone_from(&idle);
        } else {
            idle.into_iter().for_each(|realm| self.close_realm(now, realm));
        }
        if let Some(before) = before {
            self.end_zygote(before);
        }
        self.take_all_back(bot);
        self.tell_if_in_service();
    }

    /// The bot is gone: its realms end when they have nothing to do.
    fn retire_lane(&mut self, now: Instant, bot: &Arc<str>) {
        let Some(lane) = self.lanes.get_mut(bot) else { return };
        let zygotes = [lane.zygote.take(), lane.next.take().map(|(next, _)| next)];
        let idle = std::mem::take(&mut lane.idle);
        for realm in idle {
            self.close_realm(now, realm);
        }
        for zygote in zygotes.into_iter().flatten() {
            self.end_zygote(zygote);
        }
        self.take_all_back(bot);
        if self.lanes.get(bot).is_some_and(|lane| lane.realms == 0) {
            self.lanes.remove(bot);
        }
    }

    /// Whether all that serve have what was published last.
    pub fn is_in_service(&self) -> bool {
        self.pending.is_none()
    }

    /// Bots that serve something older and have nothing newer on its way: their zygote could not be made.
    fn behind(&self) -> impl Iterator<Item = (&Arc<str>, ImageKey)> {
        let published = self.published.as_ref();
        self.lanes.iter().filter(|(_, lane)| lane.zygote.is_some() && lane.next.is_none() && !lane.gone).filter_map(
            move |(bot, lane)| {
                let image = if bot.is_empty() { published?.global } else { *published?.bots.get(bot)? };
                (image != lane.image).then_some((bot, image))
            },
        )
    }

    /// Has those made anew that could not be made before.
    pub(super) fn catch_up(&mut self, now: Instant) {
        if self.pending.is_none() {
            return;
        }
        let behind: Vec<(Arc<str>, ImageKey)> = self.behind().map(|(bot, image)| (Arc::clone(bot), image)).collect();
        for (bot, image) in behind {
            self.warm(now, &bot, image);
        }
        self.tell_if_in_service();
    }

    pub(super) fn tell_if_in_service(&mut self) {
        if let Some(version) = self.pending
            && !self.lanes.values().any(|lane| lane.next.is_some())
            && self.behind().next().is_none()
        {
            self.pending = None;
            self.notes.push(Note::InService { version });
        }
    }

    /// Realms that were idle for long go.
    pub(super) fn trim(&mut self, now: Instant) {
        if self.trimmed.is_some_and(|last| now.saturating_duration_since(last) < TRIM) {
            return;
        }
        self.trimmed = Some(now);
        self.look_at_memory(now);
        self.end_old_zygotes(now);
        self.say_what_is_over(now);
        let old = |realm: &Realm| matches!(realm.state, State::Idle { since } if now.saturating_duration_since(since) > self.limits.idle);
        let old: Vec<ProcessId> = self.realms.iter().filter(|(_, realm)| old(realm)).map(|(id, _)| *id).collect();
        for realm in old {
            self.close_realm(now, realm);
        }
        self.lanes.retain(|_, lane| !lane.gone || lane.realms > 0);
    }

    /// Whose zygote that is.
    pub(super) fn bot_of(&self, zygote: ProcessId) -> Option<Arc<str>> {
        match &self.zygotes.get(&zygote)?.role {
            Role::Bot { bot, .. } => Some(Arc::clone(bot)),
            _ => None,
        }
    }
}
