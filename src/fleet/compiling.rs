//! Compilers: a candidate is compiled in a copy of a zygote, which is killed like anything else when a file hangs it.

use std::time::{Duration, Instant};

use super::orders::{Note, Order, ProcessId};
use super::state::{Compiler, Fleet};
use crate::protocol::ForkAs;

/// How long one file may take.
pub const COMPILE_FILE: Duration = Duration::from_secs(2);
/// How long all files of a candidate may take.
pub const COMPILE_ALL: Duration = Duration::from_secs(30);

impl Fleet {
    /// Makes a compiler for so many files; nothing where there can be none now.
    pub fn start_compiler(&mut self, now: Instant, files: usize) -> Option<ProcessId> {
        if self.is_refused(now) {
            return None;
        }
        let zygote = self.ensure_root(now)?;
        let slot = self.slots.pop_front()?;
        let process = self.new_process();
        let allowed = COMPILE_FILE.saturating_mul(u32::try_from(files).unwrap_or(u32::MAX));
        let allowed = allowed.clamp(COMPILE_FILE, COMPILE_ALL);
        let compiler = Compiler {
            zygote,
            slot,
            made: None,
            at: None,
            allowed,
            deadline: now + COMPILE_ALL,
            killed: false,
            done: false,
        };
        self.compilers.insert(process, compiler);
        self.orders.push(Order::Fork { zygote, child: process, become_: ForkAs::Compiler { slot } });
        Some(process)
    }

    /// It begins with another file.
    pub fn compiles(&mut self, now: Instant, process: ProcessId) {
        if let Some(compiler) = self.compilers.get_mut(&process) {
            compiler.at = Some(now);
        }
    }

    /// It has answered, and is of no more use.
    pub fn compiled(&mut self, process: ProcessId) {
        if let Some(compiler) = self.compilers.get_mut(&process) {
            compiler.done = true;
            self.orders.push(Order::Close { process });
        }
    }

    pub(super) fn compiler_parent(&self, process: ProcessId) -> Option<ProcessId> {
        self.compilers.get(&process).map(|compiler| compiler.zygote)
    }

    /// Whether it was one of these.
    pub(super) fn compiler_forked(&mut self, now: Instant, process: ProcessId, pid: u32) -> bool {
        let Some(compiler) = self.compilers.get_mut(&process) else { return false };
        compiler.deadline = now + compiler.allowed;
        compiler.made = Some(pid);
        true
    }

    /// Its socket is at its end; whether it was one of these.
    pub(super) fn compiler_gone(&mut self, process: ProcessId) -> bool {
        let Some(compiler) = self.compilers.remove(&process) else { return false };
        self.slots.push_back(compiler.slot);
        self.orders.push(Order::Kill { process });
        self.bury(Some(compiler.zygote), process, compiler.made);
        if !compiler.done {
            let why = match (compiler.killed, compiler.made.is_some()) {
                (true, _) => Some("killed: compiling took too long"),
                (false, true) => Some("the compiler died"),
                (false, false) => None,
            };
            self.notes.push(Note::CompilerGone { process, why: why.map(ToOwned::to_owned) });
        }
        true
    }

    pub(super) fn look_after_compilers(&mut self, now: Instant) {
        let late = |compiler: &Compiler| {
            let spent = |at: Instant| now.saturating_duration_since(at);
            let file = compiler.at.is_some_and(|at| spent(at) > COMPILE_FILE + self.limits.grace);
            !compiler.killed && (now > compiler.deadline || (file && !compiler.done))
        };
        let late: Vec<ProcessId> = self.compilers.iter().filter(|(_, one)| late(one)).map(|(id, _)| *id).collect();
        for process in late {
            if let Some(compiler) = self.compilers.get_mut(&process) {
                compiler.killed = true;
            }
            self.orders.push(Order::Kill { process });
        }
    }
}
