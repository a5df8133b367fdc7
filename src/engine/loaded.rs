//! A program as a realm keeps it, and its files as functions.

use rquickjs::{Ctx, Function};

use crate::program::{BotProgram, Program, Script};
use crate::script::modules::ModuleIndex;
use crate::script::realm::evaluate;
use crate::script::wrap;

/// A program as a worker keeps it: shared by all its realms.
#[derive(Debug, Default)]
pub struct LoadedProgram {
    /// The program.
    pub program: Program,
    pub(super) modules: ModuleIndex,
}

impl LoadedProgram {
    /// Indexes a program.
    pub fn new(program: Program) -> Self {
        let modules = ModuleIndex::new(&program);
        Self { program, modules }
    }

    /// The file at a path.
    pub fn script(&self, path: &str) -> Option<&Script> {
        self.modules.index_of(path).map(|index| &*self.program.scripts[index as usize])
    }

    /// What a bot runs; the empty name is no bot.
    pub fn bot(&self, id: &str) -> Option<&BotProgram> {
        if id.is_empty() { Some(&self.program.global) } else { self.program.bots.get(id) }
    }
}

/// Compiles a wrapped script to a function.
pub fn compile_script<'js>(ctx: &Ctx<'js>, script: &Script) -> rquickjs::Result<Function<'js>> {
    let wrapped = wrap::wrap(script);
    evaluate(ctx, &script.path, &wrapped.text)
}
