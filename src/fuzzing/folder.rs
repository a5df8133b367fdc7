//! A folder of a target, of this process and thread alone.

use std::fs;
use std::path::{Path, PathBuf};

/// It is removed with all that is in it when this is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(of: &str) -> Self {
        let name = format!("nudge-fuzzing-{of}-{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = std::env::temp_dir().join(name);
        assert!(fs::create_dir_all(&folder).is_ok(), "{} cannot be made", folder.display());
        Self(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Whoever clears temporary files does it else.
        let _ = fs::remove_dir_all(&self.0);
    }
}
