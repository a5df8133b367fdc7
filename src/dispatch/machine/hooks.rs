//! Hooks that have no event: asked for once, or standing for as long as the server does.

use std::time::Duration;

use bytes::{BufMut, BytesMut};

use super::super::action::{Action, Control};
use super::super::errors::DispatchError;
use super::super::standing::{KINDS, Post, STOOD, Standing, pause_after};
use super::super::work::{Flight, HookRun, Work};
use super::{Machine, Now};
use crate::fleet::broken::{Rule, is_broken};
use crate::model::BotId;
use crate::protocol::{DispatchKind, HookWork, Processed, WorkHead};

impl Machine {
    /// Hooks are asked for: those of a kind that stands are remembered.
    pub(super) fn ask_hooks(&mut self, run: HookRun) {
        if KINDS.contains(&run.kind) {
            self.standing.insert(run.post(), Standing::new(run.args.clone()));
        }
        self.hooks.push_back(run);
    }

    /// Gives them realms.
    pub(super) fn pump_hooks(&mut self, now: Now) {
        for _ in 0..self.hooks.len() {
            let Some(mut run) = self.hooks.pop_front() else { break };
            if let Some(bot) = run.bot.as_ref().filter(|bot| self.is_gone(bot)) {
                let why = format!("the bot {bot} is not in service any more");
                // Should the bot come back, they are asked for anew.
                self.standing.remove(&run.post());
                run.answer(Err(DispatchError::Ended(why)));
                continue;
            }
            let bot = run.bot.as_ref().map_or("", BotId::as_str).to_owned();
            if self.fleet.may_run(now.at, &bot, false) {
                self.launch_hooks(now, run, &bot);
            } else {
                self.hooks.push_back(run);
            }
        }
    }

    fn launch_hooks(&mut self, now: Now, mut run: HookRun, bot: &str) {
        let until = now.at + Duration::from_millis(self.tally.settings.scripts.event_waiting);
        let Some(realm) = self.fleet.run(now.at, &bot.into(), Some(until)) else {
            self.hooks.push_front(run);
            return;
        };
        let mut body = BytesMut::new();
        let resume = std::mem::take(&mut run.resume);
        WorkHead::write(DispatchKind::Hooks, &resume, &mut body);
        let work = HookWork { hook: run.kind.folder().to_owned(), args: run.args.clone() };
        // Plain JSON into memory: it cannot fail.
        body.put_slice(&serde_json::to_vec(&work).unwrap_or_default());
        let post = run.post();
        if let (Some(served), Some(standing)) = (&self.served, self.standing.get_mut(&post)) {
            standing.ran(served.sources.get(&post).copied().unwrap_or(0));
        }
        let dispatch = self.give(now, realm, Work::Hooks(run));
        if let Some(flight) = self.flights.get_mut(&dispatch) {
            flight.resume = resume;
        }
        self.send_work(now, realm, dispatch, body.freeze());
    }

    /// Whether a bot was in service and is not any more.
    fn is_gone(&self, bot: &BotId) -> bool {
        self.served.as_ref().is_some_and(|served| !served.bots.contains(bot))
    }

    /// They are done; what they leave behind lives on.
    pub(super) fn hooks_processed(&mut self, dispatch: u64, processed: Processed) {
        let settles = processed.settled;
        let served = self.served.as_ref();
        let Some(Flight { work: Work::Hooks(run), realm, .. }) = self.flights.get_mut(&dispatch) else { return };
        run.answer(Ok(Self::result_of(processed)));
        if !settles {
            self.fleet.lives_on(*realm);
            // The bot went while its hooks ran: what they leave behind goes as well. Should the bot be back by then, they run
            // again.
            if run.bot.as_ref().is_some_and(|bot| served.is_some_and(|served| !served.bots.contains(bot))) {
                run.renew = true;
                self.actions.push(Action::cancel(*realm, dispatch));
            }
        }
    }

    /// A new program is in service: standing hooks whose sources have changed run again, those of bots that are gone end.
    pub(super) fn renew_standing(&mut self) {
        let Some(served) = &self.served else { return };
        let gone = |bot: &Option<BotId>| bot.as_ref().is_some_and(|bot| !served.bots.contains(bot));
        for (dispatch, flight) in &self.flights {
            // What hooks of a bot that is gone have left behind ends with it.
            if let Work::Hooks(HookRun { bot, answer: None, .. }) = &flight.work
                && gone(bot)
            {
                self.actions.push(Action::cancel(flight.realm, *dispatch));
            }
        }
        self.standing.retain(|(_, bot), _| !gone(bot));
        let sources = &served.sources;
        let changed = |(post, standing): (&Post, &Standing)| {
            standing.differs(sources.get(post).copied().unwrap_or(0)).then(|| post.clone())
        };
        let changed: Vec<Post> = self.standing.iter().filter_map(changed).collect();
        for post in changed {
            if let Some(standing) = self.standing.get_mut(&post) {
                standing.renew();
            }
            let mut stands = false;
            for (dispatch, flight) in &mut self.flights {
                if let Work::Hooks(run) = &mut flight.work
                    && run.post() == post
                {
                    (run.renew, stands) = (true, true);
                    self.actions.push(Action::cancel(flight.realm, *dispatch));
                }
            }
            if !stands {
                self.run_standing(&post);
            }
        }
    }

    /// Runs standing hooks again, unless they run or wait already.
    pub(super) fn run_standing(&mut self, post: &Post) {
        let waits = self.hooks.iter().any(|run| run.post() == *post);
        let runs = |flight: &Flight| matches!(&flight.work, Work::Hooks(run) if run.post() == *post);
        let Some(standing) = self.standing.get(post).filter(|_| !is_broken(Rule::HooksStandAgain)) else { return };
        if !waits && !self.flights.values().any(runs) {
            self.hooks.push_back(HookRun::of(post, standing.args()));
        }
    }

    /// Standing hooks were ended, by a limit or with their realm: they run again after a pause, which is returned. Nothing for
    /// hooks that do not stand.
    pub(super) fn standing_fell(&mut self, run: &HookRun, stood: Duration) -> Option<Duration> {
        let post = run.post();
        let standing = self.standing.get_mut(&post)?;
        let falls = standing.fell(stood > STOOD);
        let pause = pause_after(falls);
        self.actions.push(Action::Later(pause, Control::RunStanding(post)));
        Some(pause)
    }
}
