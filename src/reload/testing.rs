//! What the tests of this module share.

use std::path::Path;

/// A folder with these files.
pub(super) fn workspace(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder for the test");
    for (path, text) in files {
        write(root.path(), path, text);
    }
    root
}

/// Writes a file, its folders first.
pub(super) fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).expect("folders can be made");
    }
    std::fs::write(path, text).expect("files can be written");
}
