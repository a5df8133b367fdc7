//! The order of an incoming event: hooks, middleware, decision, dialog.

use std::time::Instant;

use rquickjs::{Array, Promise, Value};

use super::Run;
use super::state::{Ended, Persist, Stage, Stop};
use crate::program::HookKind;

impl<'js> Run<'_, 'js> {
    /// Runs all stages from `stage` on; an error names the stage it happened in.
    pub(super) fn stages(&mut self, mut stage: Stage) -> Result<Persist, (Stop, Stage)> {
        loop {
            let at = stage;
            let next = self.stage(stage).map_err(|stop| (stop, self.resume_at.take().unwrap_or(at)))?;
            self.resume_at.set(None);
            self.next_hook.set(0);
            match next {
                Next::Stage(next) => stage = next,
                Next::Over(persist) => return Ok(persist),
            }
        }
    }

    fn stage(&mut self, stage: Stage) -> Result<Next, Stop> {
        Ok(Next::Stage(match stage {
            Stage::BeforeIncoming => {
                self.hooks(HookKind::BeforeIncomingMiddleware)?;
                Stage::Middleware
            }
            // Handlers registered by scripts live in the resident worker; there are none of our own on the way in.
            Stage::Middleware => {
                if !self.realm.has_hooks(HookKind::AfterIncomingMiddleware)
                    && let Some(next) = self.pass(true)?
                {
                    return Ok(next);
                }
                if self.ask(|run| run.realm.core.is_paused.call(()))? {
                    return Ok(Next::Over(Persist::Nothing));
                }
                Stage::AfterIncoming
            }
            Stage::AfterIncoming => {
                self.hooks(HookKind::AfterIncomingMiddleware)?;
                Stage::Decision
            }
            Stage::Decision => {
                if let Some(next) = self.pass(false)? {
                    return Ok(next);
                }
                self.ask(|run| run.realm.core.rank.call(()))?;
                Stage::BeforeElection
            }
            Stage::BeforeElection => {
                self.hooks(HookKind::BeforeSuggestionsElection)?;
                Stage::Election
            }
            Stage::Election => self.election()?,
            Stage::Dialog => match self.dialog()? {
                Ended::Waits | Ended::Over => Stage::AfterProcessed(Persist::All),
                Ended::Failed => return Ok(Next::Over(Persist::All)),
            },
            Stage::BeforeTimeout => {
                if !self.in_dialog()? {
                    return Ok(Next::Over(Persist::Nothing));
                }
                self.hooks(HookKind::BeforeSessionTimeout)?;
                Stage::Timeout
            }
            Stage::Timeout => {
                self.time_out()?;
                return Ok(Next::Over(Persist::All));
            }
            Stage::Skipped(persist) => return Ok(Next::Over(persist)),
            Stage::AfterProcessed(persist) => {
                self.hooks(HookKind::AfterEventProcessed)?;
                return Ok(Next::Over(persist));
            }
        }))
    }

    /// All stages up to the dialog at once, where no hooks lie between them; otherwise, and where a suggestion is to be sent,
    /// they are taken one by one. Calls into the realm cost more than what is done in these.
    fn pass(&mut self, may_be_paused: bool) -> Result<Option<Next>, Stop> {
        if self.realm.has_hooks(HookKind::BeforeSuggestionsElection) {
            return Ok(None);
        }
        let passed: u32 = self.engine(|run| run.realm.core.pass.call((may_be_paused,)))?;
        // As `js/core.js` numbers them.
        let next = match passed {
            0 => return Ok(Some(Next::Over(Persist::Nothing))),
            2 => Stage::Skipped(Persist::Nothing),
            3 => Stage::Skipped(Persist::All),
            4 => Stage::Dialog,
            5 if self.has_no_dialog() => Stage::AfterProcessed(Persist::All),
            5 => Stage::Dialog,
            _ => return Ok(None),
        };
        self.note("decision", "no suggestion matched");
        if matches!(next, Stage::AfterProcessed(_)) {
            self.note("dialog", "no flows");
        }
        Ok(Some(Next::Stage(next)))
    }

    /// Whether there is nothing for the dialog engine to do where nothing has led the conversation elsewhere.
    fn has_no_dialog(&self) -> bool {
        let host = &self.realm.host;
        let program = host.program.borrow();
        let bot = program.as_ref().and_then(|loaded| loaded.bot(&self.realm.host.bot.borrow()));
        self.dialogs.processed.get().is_none() && bot.is_some_and(|bot| bot.flows.is_empty())
    }

    /// The elected suggestion is sent and awaited; then either its redirect or nothing follows.
    fn election(&mut self) -> Result<Stage, Stop> {
        let elected: Value<'js> = self.engine(|run| {
            let elected = run.realm.core.elect.call(())?;
            run.realm.realm.drain_jobs();
            Ok(elected)
        })?;
        if self.realm.host.hello.trace {
            let reason: String = self.engine(|run| run.realm.core.decision_reason.call(()))?;
            if !reason.is_empty() {
                self.note("decision", &reason);
            }
        }
        let Some(elected) = elected.as_array().cloned() else {
            return self.unless_skipping();
        };
        let sending: Promise<'js> = self.engine(|_| Array::get(&elected, 0))?;
        let redirect: Value<'js> = self.engine(|_| Array::get(&elected, 1))?;
        let redirects = redirect.is_string();
        // It is on its way: what is stopped from here on must not send it again.
        let next = self.after_election(redirects)?;
        self.resume_at.set(Some(next));
        let until = Instant::now() + std::time::Duration::from_millis(self.realm.host.hello.limits.hook_waiting);
        self.drive(Some(&sending), until.min(self.deadline))?;
        if sending.state() == rquickjs::promise::PromiseState::Rejected {
            self.realm.realm.handled(&sending);
            let _ = sending.result::<Value<'js>>();
            if let Some(thrown) = self.realm.realm.caught(&self.realm.core.describe) {
                self.realm.host.report(self.realm.host.script.get(), &thrown);
            }
        }
        self.after_election(redirects)
    }

    /// What follows a sent suggestion.
    fn after_election(&mut self, redirects: bool) -> Result<Stage, Stop> {
        let skips = self.ask(|run| run.realm.core.skips_dialog.call(()))?;
        if redirects && !skips {
            return Ok(Stage::Dialog);
        }
        let forced = skips && self.ask(|run| run.realm.core.forces_persist.call(()))?;
        Ok(Stage::AfterProcessed(if forced { Persist::All } else { Persist::Session }))
    }

    fn unless_skipping(&mut self) -> Result<Stage, Stop> {
        if !self.ask(|run| run.realm.core.skips_dialog.call(()))? {
            return Ok(Stage::Dialog);
        }
        let persist =
            if self.ask(|run| run.realm.core.forces_persist.call(()))? { Persist::All } else { Persist::Nothing };
        Ok(Stage::Skipped(persist))
    }

    fn note(&self, step: &str, value: &str) {
        if self.realm.host.hello.trace {
            self.realm.host.trace.borrow_mut().note(step, "r", value);
        }
    }

    /// The hooks of a kind, one after the other, from where an earlier realm left off.
    pub(super) fn hooks(&self, kind: HookKind) -> Result<(), Stop> {
        let hooks = self.realm.hooks(kind);
        while let Some(&script) = hooks.get(self.next_hook.get()) {
            self.next_hook.set(self.next_hook.get() + 1);
            self.hook(kind, script, None)?;
        }
        Ok(())
    }

    fn ask(&mut self, call: impl FnOnce(&Self) -> rquickjs::Result<bool>) -> Result<bool, Stop> {
        self.engine(call)
    }
}

enum Next {
    Stage(Stage),
    Over(Persist),
}
