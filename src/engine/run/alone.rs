//! Work that is no event on its way: hooks of one kind, and one hook for `nudge invoke`.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::Run;
use super::state::{Driven, Outcome, Resume, Stage, Stop};
use crate::program::HookKind;
use crate::protocol::{FrameKind, HookWork, InvokeWork, Unfit};
use crate::script::Overrun;

impl Run<'_, '_> {
    /// Hooks of one kind without an event.
    pub(super) fn lifecycle(&mut self) -> Outcome {
        let Ok(work) = serde_json::from_slice::<HookWork>(&self.job.json) else {
            return self.give_up(Stop::Ended(Overrun::Cancelled), None);
        };
        let Some(kind) = HookKind::from_folder(&work.hook) else {
            return self.give_up(Stop::Ended(Overrun::Cancelled), None);
        };
        let begun = self.engine(|run| {
            let outgoing = run.realm.outgoing_hooks()?;
            run.realm.core.begin_bare.call::<_, ()>((outgoing,))
        });
        if let Err(stop) = begun {
            return self.give_up(stop, None);
        }
        let mut from = self.job.resume.take().map_or(0, |resume| resume.next_hook);
        let hooks = self.realm.hooks(kind);
        while let Some(&script) = hooks.get(from) {
            from += 1;
            if let Err(stop) = self.hook(kind, script, Some(&work.args)) {
                return match stop {
                    Stop::Interrupted(_) => Outcome::Again(Box::new(Resume {
                        spent_ms: self.spent_ms(),
                        stage: Stage::BeforeIncoming,
                        next_hook: from,
                        copy: String::new(),
                        counts: self.realm.host.counts(),
                        used: crate::script::Used::default(),
                        steps: self.steps(),
                        conversation: None,
                        processed: None,
                    })),
                    Stop::Ended(_) => self.give_up(stop, None),
                };
            }
        }
        let driven = self.drive(None, Instant::now() + Duration::from_millis(self.realm.host.hello.limits.floating));
        self.report_unhandled();
        match driven {
            Ok(Driven::Idle | Driven::Settled) => {
                self.send_processed(None, true);
                Outcome::Done { unfit: Some(Unfit::Single) }
            }
            Ok(Driven::TimedOut) => {
                // Timers and calls of a start or mount hook live on; its realm is its own.
                self.send_processed(None, false);
                self.long_lived = true;
                loop {
                    match self.drive(None, Instant::now() + Duration::from_secs(3_600)) {
                        Ok(Driven::TimedOut) => {}
                        Ok(_) => break,
                        Err(stop) => {
                            self.report_stop(stop);
                            break;
                        }
                    }
                    self.report_unhandled();
                }
                self.realm.host.frame(FrameKind::Settled, 0, b"{}");
                Outcome::Done { unfit: Some(Unfit::Single) }
            }
            Err(stop) => {
                self.report_stop(stop);
                self.give_up(stop, None)
            }
        }
    }

    /// One hook on one event, for `nudge invoke`.
    pub(super) fn invoke(&mut self) -> Outcome {
        let Ok(work) = serde_json::from_slice::<InvokeWork>(&self.job.json) else {
            return self.give_up(Stop::Ended(Overrun::Cancelled), None);
        };
        let Some(kind) = HookKind::from_folder(&work.hook) else {
            return self.give_up(Stop::Ended(Overrun::Cancelled), None);
        };
        let begun = Instant::now();
        let script = self.realm.index_of(&work.script);
        let run = self.begin().and_then(|_| self.hook(kind, script, None));
        let run = run.and_then(|()| self.drive(None, self.deadline).map(drop));
        self.report_unhandled();
        if let Err(stop @ Stop::Ended(_)) = run {
            self.report_stop(stop);
        }
        let took = begun.elapsed();
        let view = self.text_of(|run| run.realm.core.invoke_view.call(()));
        let view = view.unwrap_or_else(|| "null".into());
        let result = format!("{{\"ms\":{:.3},\"view\":{view}}}", took.as_secs_f64() * 1e3);
        self.give_up(Stop::Ended(Overrun::Cancelled), RawValue::from_string(result).ok())
    }
}
