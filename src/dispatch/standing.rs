//! Start and mount hooks stand for as long as the server does: what they leave behind (timers, listeners, routes) is made
//! anew when their worker died, when a limit ended it, and when their source, or that of a file they require, has changed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::core::{Control, Core};
use super::work::{Flight, HookRun, Work};
use crate::model::BotId;
use crate::program::closure::Closures;
use crate::program::{HookKind, Program};
use crate::protocol::{Frame, FrameKind};

/// The kinds that stand.
const KINDS: [HookKind; 2] = [HookKind::AfterServerStart, HookKind::AfterBotMount];
/// How long it takes at first until hooks that fell run again; twice as long each time.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Hooks that stood that long before they fell are not in a loop.
const STOOD: Duration = Duration::from_secs(60);

/// A kind of hooks, of one bot where the kind is of bots.
pub(super) type Post = (HookKind, Option<BotId>);
/// What the sources of the hooks of each post come to; hooks that are not there count as no source.
pub(super) type Sources = HashMap<Post, u64>;

/// Hooks that run once and stand.
#[derive(Debug)]
pub(super) struct Standing {
    args: serde_json::Map<String, serde_json::Value>,
    /// What their sources came to when they ran last; nothing before they ran.
    ran: Option<u64>,
    /// How often in a row they fell.
    falls: u32,
}

/// What the sources of standing hooks come to, with all that they may require.
pub(super) fn sources(program: &Program) -> Sources {
    let mut sources = Sources::new();
    let mut closures = Closures::of(program);
    let mut add = |post: Post, hooks: Option<&Vec<u32>>| {
        if let Some(hooks) = hooks {
            let mut hasher = DefaultHasher::new();
            for hook in hooks {
                closures.part(*hook).hash(&mut hasher);
            }
            sources.insert(post, hasher.finish());
        }
    };
    for kind in KINDS {
        add((kind, None), program.global.hooks.get(&kind));
        for (id, bot) in &program.bots {
            if let Ok(id) = BotId::parse(id) {
                add((kind, Some(id)), bot.hooks.get(&kind));
            }
        }
    }
    sources
}

impl Core {
    /// Hooks are asked for: those of a kind that stands are remembered.
    pub(super) fn ask_hooks(&mut self, run: HookRun) {
        if KINDS.contains(&run.kind) {
            let standing = Standing { args: run.args.clone(), ran: None, falls: 0 };
            self.standing.insert(run.post(), standing);
        }
        self.hooks.push_back(run);
    }

    /// They run now, on the program in service.
    pub(super) fn hooks_launched(&mut self, post: &Post) {
        let Some(program) = &self.program else { return };
        if let Some(standing) = self.standing.get_mut(post) {
            standing.ran = Some(program.sources.get(post).copied().unwrap_or(0));
        }
    }

    /// A new program is in service: standing hooks whose sources have changed run again, those of bots that are gone end.
    pub(super) fn renew_standing(&mut self) {
        let Some(program) = &self.program else { return };
        let gone = |bot: &Option<BotId>| bot.as_ref().is_some_and(|bot| !program.bots.contains(bot));
        self.standing.retain(|(_, bot), _| !gone(bot));
        let changed = |(post, standing): (&Post, &Standing)| {
            let now = program.sources.get(post).copied().unwrap_or(0);
            standing.ran.is_some_and(|ran| ran != now).then(|| post.clone())
        };
        let changed: Vec<Post> = self.standing.iter().filter_map(changed).collect();
        for post in changed {
            if let Some(standing) = self.standing.get_mut(&post) {
                standing.falls = 0;
                standing.ran = None;
            }
            let mut stands = false;
            for (dispatch, flight) in &mut self.flights {
                if let Work::Hooks(run) = &mut flight.work
                    && run.post() == post
                {
                    (run.renew, stands) = (true, true);
                    if let Some(out) = self.pool.out(flight.worker) {
                        out.send(Frame { kind: FrameKind::Cancel, dispatch: *dispatch, number: 0, body: Bytes::new() });
                    }
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
        let Some(standing) = self.standing.get(post) else { return };
        if !waits && !self.flights.values().any(runs) {
            let (kind, bot) = post.clone();
            let args = standing.args.clone();
            self.hooks.push_back(HookRun { kind, bot, args, answer: None, renew: false });
        }
    }

    /// Standing hooks were ended, by a limit or with their worker: they run again after a pause, which is returned.
    /// Nothing for hooks that do not stand.
    pub(super) fn standing_fell(&mut self, run: &HookRun, sent: Instant) -> Option<Duration> {
        let post = run.post();
        let standing = self.standing.get_mut(&post)?;
        if sent.elapsed() > STOOD {
            standing.falls = 0;
        }
        let pause = PAUSE.saturating_mul(1 << standing.falls.min(20)).min(LONGEST_PAUSE);
        standing.falls += 1;
        let shared = std::sync::Arc::clone(&self.shared);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            shared.tell(Control::RunStanding(post));
        });
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::program::{BotProgram, Require, Role, Script, Shape};

    /// Files, each of which requires the next.
    fn program(files: &[(&str, &str)], alone: (&str, &str)) -> Program {
        let next = files.iter().skip(1).map(|(path, _)| Some(*path)).chain([None]);
        let script = |((path, source), next): (&(&str, &str), Option<&str>)| {
            let role = if path.contains("hooks/") { Role::Hook(HookKind::AfterServerStart) } else { Role::Module };
            let require = |file: &str| Require { name: "x".into(), file: Some(file.into()), manifest: None };
            let shape = Shape { requires: next.map(require).into_iter().collect(), ..Shape::default() };
            Arc::new(Script { path: (*path).into(), source: (*source).into(), role, shape })
        };
        let hooks = BTreeMap::from([(HookKind::AfterServerStart, vec![0])]).into();
        let global = BotProgram { hooks, ..BotProgram::default() };
        let scripts = files.iter().zip(next).chain([(&alone, None)]).map(script).collect();
        Program { scripts, global, ..Program::default() }
    }

    #[test]
    fn a_start_hook_changes_with_what_it_requires_and_with_nothing_else() {
        let hook = ("hooks/after_server_start/a.js", "const b = require('../../lib/b')");
        let of = |b: &str, deep: &str, other: &str| {
            let files = [hook, ("lib/b.js", b), ("lib/deep/index.js", deep)];
            sources(&program(&files, ("lib/other.js", other)))[&(HookKind::AfterServerStart, None)]
        };
        let first = of("require('./deep')", "1", "1");
        assert_eq!(first, of("require('./deep')", "1", "2"));
        assert_ne!(first, of("require('./deep') ", "1", "1"));
        assert_ne!(first, of("require('./deep')", "2", "1"));
    }
}
