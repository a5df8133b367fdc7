//! What is done with links in a workspace.

/// Symbolic links of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSettings {
    /// `scripts.linksOutside`: they may lead out of it.
    pub outside: bool,
    /// `scripts.pathsToFolder`: by how many paths of links one folder is looked into, below one folder of scripts.
    pub paths: usize,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self { outside: false, paths: 16 }
    }
}
