//! Making a realm ready for processes to be forked from it: what every event would otherwise do first is done once.

use rquickjs::Function;

use super::{BotRealm, count_globals};
use crate::program::HookKind;
use crate::script::modules::BUNDLED;
use crate::script::realm::Thrown;
use crate::script::{Overrun, web};

/// How many bytes a forked process may make before the engine looks for garbage among all objects, most of which it still
/// shares with the process that it was forked from.
const SPARE: u32 = 4 << 20;
/// The same, of kinds of objects, and of names of properties.
const ROOM: u32 = 1_000;

/// Why a module was not evaluated before the processes are forked that share it: each evaluates it by itself then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPreloaded {
    /// It threw.
    #[error("it failed: {0}")]
    Failed(String),
    /// It ran into a limit.
    #[error("it {0}")]
    Overran(Overrun),
    /// It left a timer, or a call of the server: nobody would see to them.
    #[error("it waits for a timer or an answer while it loads")]
    Waits,
    /// It drew random numbers: they would be the same everywhere.
    #[error("it draws random numbers while it loads")]
    Random,
    /// It wrote to the log: that is to be said of the event that needs it.
    #[error("it writes to the log while it loads")]
    Logs,
}

impl NotPreloaded {
    /// Whether nothing in this process can be relied upon any more.
    pub fn unfit(&self) -> bool {
        matches!(self, Self::Overran(Overrun::Memory(_)))
    }
}

impl<'js> BotRealm<'js> {
    /// Evaluates all that is ours and every package that is part of the server, before any program is known. In a realm that
    /// is forked from here they need only be looked up. What they keep at their tops is for all of them to begin with.
    pub fn warm(&self) -> rquickjs::Result<()> {
        self.shut(|| {
            let bundled: Function<'js> = self.base.get("bundled")?;
            for module in BUNDLED {
                self.realm.meter.own(|| bundled.call::<_, rquickjs::Value<'js>>((module.name,)))?;
            }
            let part: Function<'js> = self.base.get("part")?;
            for name in web::names() {
                self.realm.meter.own(|| part.call::<_, rquickjs::Value<'js>>((name,)))?;
            }
            self.realm.meter.own(|| self.core.warm.call::<_, ()>(()))?;
            self.settle()
        })
    }

    /// Compiles the hooks and actions of the bot whose realm this is, and evaluates its content types; gives those that are
    /// left to the realms. A file that does not compile is reported by the realm that is to run it.
    pub fn warm_bot(&self) -> Vec<(u32, NotPreloaded)> {
        let (files, types) = self.files_of_bot();
        for index in files {
            if self.realm.meter.own(|| self.file(index)).is_err() {
                self.realm.drop_exception();
            }
        }
        let left = types.into_iter().filter_map(|index| self.preload(index).err().map(|why| (index, why))).collect();
        self.shut(|| {
            // A hook that does not compile is left out of the array, and said each time: none is kept.
            if self
                .hooks(HookKind::BeforeOutgoingMiddleware)
                .iter()
                .all(|index| self.files.borrow().contains_key(index))
            {
                let _ = self.outgoing_hooks();
            }
        });
        left
    }

    /// Collects the garbage that loading has left, where that is worth it: looking for it touches every object, and what the
    /// process shares with the one that it was forked from it would have to itself.
    pub fn collect_loaded(&self) {
        let inherited = self.inherited.get();
        if self.realm.heap.used().saturating_sub(inherited) > inherited
            && self.realm.meter.own(|| self.settle()).is_err()
        {
            self.realm.drop_exception();
        }
    }

    /// Evaluates a module. Where it cannot be shared, none of the modules that were loaded for it stays.
    pub fn preload(&self, index: u32) -> Result<(), NotPreloaded> {
        self.shut(|| {
            let call = |name: &str| {
                let function: rquickjs::Result<Function<'js>> = self.base.get(name);
                function.and_then(|function| self.realm.meter.own(|| function.call::<_, ()>(())))
            };
            call("mark").map_err(|_| NotPreloaded::Failed("no memory is left".into()))?;
            let (drawn, lines) = (self.random.drawn(), self.host.counts().log_lines);
            let loaded = self.realm.meter.own(|| {
                let loaded = self.load_module(index).map(drop);
                self.realm.drain_jobs();
                loaded
            });
            let overrun = self.realm.meter.overrun();
            let refused = match loaded {
                _ if overrun.is_some() => {
                    self.realm.drop_exception();
                    overrun.map(NotPreloaded::Overran)
                }
                Err(_) => Some(self.refused()),
                Ok(()) if self.host.awaits_something() => Some(NotPreloaded::Waits),
                Ok(()) if self.random.drawn() != drawn => Some(NotPreloaded::Random),
                Ok(()) if self.realm.has_rejections() => Some(NotPreloaded::Failed("it rejects a promise".into())),
                Ok(()) if self.host.counts().log_lines != lines => Some(NotPreloaded::Logs),
                Ok(()) => None,
            };
            let kept = call(if refused.is_none() { "keep" } else { "back" });
            if kept.is_err() {
                self.realm.drop_exception();
            }
            self.globals.set(count_globals(&self.realm));
            self.realm.forget_rejections();
            refused.map_or(Ok(()), Err)
        })
    }

    /// Makes anew what a process shares with the one that it was forked from, and must not.
    pub fn renew(&self) {
        self.random.reseed();
        self.inherited.set(self.realm.heap.used());
    }

    fn refused(&self) -> NotPreloaded {
        let thrown = self.realm.caught(&self.core.describe).unwrap_or_else(Thrown::out_of_memory);
        if thrown.is_out_of_memory() {
            return NotPreloaded::Overran(Overrun::Memory(self.host.hello.limits.heap >> 20));
        }
        NotPreloaded::Failed(format!("{}: {}", thrown.name, thrown.message))
    }

    /// Does something that no event is concerned with: nothing of it leaves the realm, or stays.
    fn shut<R>(&self, work: impl FnOnce() -> R) -> R {
        let closed = self.host.closed.replace(true);
        let result = work();
        self.host.clear();
        // What was added to the global object is seen to where that is wanted.
        let _ = self.core.scrub.call::<_, Option<bool>>(());
        self.host.closed.set(closed);
        result
    }

    /// The garbage is collected here, once, and not in each process.
    fn settle(&self) -> rquickjs::Result<()> {
        self.base.get::<_, Function<'js>>("room")?.call::<_, i32>((ROOM,))?;
        self.base.get::<_, Function<'js>>("spare")?.call::<_, i32>((SPARE,))?;
        self.realm.ctx.run_gc();
        Ok(())
    }

    /// Hooks and actions, and content types.
    fn files_of_bot(&self) -> (Vec<u32>, Vec<u32>) {
        let program = self.host.program.borrow();
        let Some(bot) = program.as_ref().and_then(|loaded| loaded.bot(&self.host.bot.borrow())) else {
            return Default::default();
        };
        let hooks = bot.hooks.values().flatten().copied();
        (hooks.chain(bot.actions.values().copied()).collect(), bot.content_types.values().copied().collect())
    }
}

#[cfg(test)]
mod tests;
