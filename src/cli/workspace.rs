//! Reading and compiling a workspace once, for commands that run without a server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::config::{self, Overrides, Problem, Settings};
use crate::dispatch::{WorkerCommand, solo};
use crate::reload::{self, Workspace};
use crate::services::{BotDirectory, BotEntry};

/// A workspace as a server would serve it.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) settings: Settings,
    pub(super) workspace: Workspace,
    /// What is wrong with the configuration; the workspace has its own list.
    pub(super) problems: Vec<Problem>,
}

/// The workspace's folder as an absolute path.
pub(super) fn root(folder: &Path) -> anyhow::Result<PathBuf> {
    let refused = || format!("cannot open the workspace {}", folder.display());
    let root = folder.canonicalize().with_context(refused)?;
    ensure!(root.is_dir(), "the workspace {} is not a folder", folder.display());
    // Else the first file that is looked for in it would be named, which need not even be there.
    std::fs::read_dir(&root).with_context(refused)?;
    Ok(root)
}

/// The process's environment, as far as it is text.
pub(super) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads a workspace and compiles it in a worker. Errors in the configuration are kept as problems, and the rest is read
/// with the defaults.
pub(super) async fn compile(root: &Path) -> anyhow::Result<Compiled> {
    let (settings, problems) = match config::load(root, &Overrides::default(), &environment()) {
        Ok(loaded) => loaded,
        Err(error) => (Settings::default(), error.problems),
    };
    let command = WorkerCommand::current()?;
    let candidate = reload::read(root, command.clone(), &settings);
    let compiled = solo::compile(&settings, &command, &candidate.program).await?;
    let workspace = reload::finish(candidate, &compiled, None);
    Ok(Compiled { settings, workspace, problems })
}

/// The bots as the services know them.
pub(super) fn directory(workspace: &Workspace) -> BotDirectory {
    let bots = workspace.bots.iter();
    BotDirectory(bots.map(|(id, bot)| (id.clone(), BotEntry { config: std::sync::Arc::clone(&bot.config) })).collect())
}
