//! From the files of a workspace to a program in service, and again whenever a file changes.
//!
//! [`read`] finds and parses the files of both layouts, a worker compiles the [`Candidate`], [`finish`] makes a [`Workspace`]
//! of the two, falling back per file to the last good version; [`watch()`] does this on every change and publishes the result.
//! The server never runs a script: it only parses, here.

mod assemble;
mod bot_file;
mod bounds;
mod builtin;
mod candidate;
mod compile_cache;
mod dead_requires;
mod flow_check;
#[cfg(test)]
mod image_tests;
mod load;
#[cfg(test)]
mod measure;
mod notifications;
mod pass;
mod pending_changes;
mod places;
mod reader;
mod report;
mod resolve;
mod sandbox;
mod scan;
mod stable_read;
#[cfg(test)]
mod testing;
mod watch;
mod watched_folders;
mod watched_names;
mod workspace;

pub use crate::config::Problem;
pub use builtin::{BUILTINS, BuiltinFile, PREFIX as BUILTIN_PREFIX, is_built_in};
pub use candidate::{Candidate, finish};
pub use compile_cache::CompileCache;
pub use reader::{Reader, read};
pub use report::report;
pub use watch::{Compiling, Watch, watch};
pub use workspace::{Action, BotInfo, Workspace};
