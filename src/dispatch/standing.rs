//! Start and mount hooks stand for as long as the server does: what they leave behind (timers, listeners, routes) is made
//! anew when their realm died, when a limit ended it, and when their source, or that of a file they require, has changed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::model::BotId;
use crate::program::closure::Closures;
use crate::program::{HookKind, Program};

/// The kinds that stand.
pub(super) const KINDS: [HookKind; 2] = [HookKind::AfterServerStart, HookKind::AfterBotMount];
/// How long it takes at first until hooks that fell run again; twice as long each time.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Hooks that stood that long before they fell are not in a loop.
pub(super) const STOOD: Duration = Duration::from_secs(60);

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

impl Standing {
    /// Hooks with these arguments that have not run yet.
    pub(super) fn new(args: serde_json::Map<String, serde_json::Value>) -> Self {
        Self { args, ran: None, falls: 0 }
    }

    pub(super) fn args(&self) -> serde_json::Map<String, serde_json::Value> {
        self.args.clone()
    }

    /// They run now, and come to that.
    pub(super) fn ran(&mut self, sources: u64) {
        self.ran = Some(sources);
    }

    /// Whether they have run, and would be others now.
    pub(super) fn differs(&self, sources: u64) -> bool {
        self.ran.is_some_and(|ran| ran != sources)
    }

    /// They are to run anew, as if for the first time.
    pub(super) fn renew(&mut self) {
        (self.ran, self.falls) = (None, 0);
    }

    /// They fell; gives how often they had before, in a row.
    pub(super) fn fell(&mut self, stood_long: bool) -> u32 {
        if stood_long {
            self.falls = 0;
        }
        self.falls += 1;
        self.falls - 1
    }
}

/// How long hooks that fell wait until they run again.
pub(super) fn pause_after(falls: u32) -> Duration {
    PAUSE.saturating_mul(1 << falls.min(20)).min(LONGEST_PAUSE)
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
