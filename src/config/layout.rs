//! Where things lie in a workspace: our layout and the original's data folder, both always looked at.

use std::path::Path;

/// Folders that hold `hooks/`, `actions/`, `content-types/`, `config/` and `botpress.config.json`: ours, the original's, and
/// the original's when the workspace is the data folder itself.
pub const GLOBAL: [&str; 3] = ["", "data/global", "global"];

/// Folders that hold a folder for each bot.
pub const BOTS: [&str; 2] = ["bots", "data/bots"];

/// Where hooks of all bots lie, by the layout of the workspace: for hints.
pub fn hook_folder(root: &Path) -> &'static str {
    if root.join("data/global").is_dir() { "data/global/hooks" } else { "hooks" }
}

/// `folder/name`, with `/`; just the name if the folder is the workspace itself.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// All paths of a global file or folder that exist, relative to the workspace.
pub fn find_global(root: &Path, name: &str) -> Vec<String> {
    GLOBAL.iter().map(|folder| join(folder, name)).filter(|path| root.join(path).exists()).collect()
}
