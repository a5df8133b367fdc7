//! Where a workspace ends: a link within it may lead out, and what lies there is not the workspace's.

use std::path::{Path, PathBuf};

use crate::config::LinkSettings;

/// A workspace's folder, by the name it goes by and as it really is.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    root: PathBuf,
    /// Without links; `None` if there is no such folder.
    real: Option<PathBuf>,
    links: LinkSettings,
}

/// Where a path of the workspace really leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Real {
    /// To this path of the workspace.
    Inside(String),
    /// Out of it, as the settings allow.
    Allowed,
    /// Out of it.
    Outside,
    /// To nothing.
    Nowhere,
}

impl Bounds {
    pub(super) fn new(root: &Path, links: LinkSettings) -> Self {
        Self { root: root.to_owned(), real: root.canonicalize().ok(), links }
    }

    /// By how many paths one folder is looked into, below one folder of scripts.
    pub(super) fn most_paths(&self) -> usize {
        self.links.paths
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Follows every link of a path. Something new may stand there by the time it is read; but scripts can make no links.
    pub(super) fn real(&self, path: &str) -> Real {
        let Ok(real) = self.root.join(path).canonicalize() else { return Real::Nowhere };
        match self.real.as_ref().and_then(|root| real.strip_prefix(root).ok()) {
            Some(inside) => Real::Inside(inside.to_string_lossy().into_owned()),
            None if self.links.outside => Real::Allowed,
            None => Real::Outside,
        }
    }

    /// Where `path` really is, if it leads to what may be read: by the name that the workspace goes by, if it is in there.
    pub(super) fn full(&self, path: &Path, real: &Real) -> Option<PathBuf> {
        match real {
            Real::Inside(inside) => Some(self.root.join(inside)),
            Real::Allowed => path.canonicalize().ok(),
            Real::Outside | Real::Nowhere => None,
        }
    }
}
