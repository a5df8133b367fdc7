//! Paths of files that anybody may be given, in a workspace with links that lead where nobody may be led.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::folder::Folder;
use crate::beneath::Links;
use crate::services::served;

/// What stands in files that nobody may be given.
const KEPT: &str = "secret";

/// A path, as it stands in an address once that is decoded.
pub(super) fn served(bytes: &[u8]) {
    thread_local! {
        static WORKSPACE: Folder = workspace();
    }
    let path = String::from_utf8_lossy(bytes);
    WORKSPACE.with(|workspace| {
        let root = workspace.path().join("root");
        for (links, outside) in [(Links::Follow, false), (Links::Refuse, false), (Links::Follow, true)] {
            let Ok(mut opened) = served::open((&root, outside), ("assets", &path), links, |_| true) else { continue };
            let mut text = String::new();
            assert!(opened.file.read_to_string(&mut text).is_ok_and(|_| text != KEPT), "{path:?} leads to {opened:?}");
            let beneath = opened.below.as_deref().is_some_and(|below| root.join("assets").join(below).is_file());
            assert!(outside || beneath, "{path:?} leads to {opened:?}");
        }
    });
}

fn workspace() -> Folder {
    let folder = Folder::new("served");
    let root = folder.path().join("root");
    let write = |path: PathBuf, text: &str| {
        path.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok()) && fs::write(&path, text).is_ok()
    };
    let mut fine = true;
    for path in ["assets/a.png", "assets/sub/b.css", "assets/sub/deep/c.js"] {
        fine &= write(root.join(path), "given");
    }
    for path in
        ["botpress.config.json", ".env", "data.db", "bots/b/bot.config.json", "assets/.env", "assets/data.db-wal"]
    {
        fine &= write(root.join(path), KEPT);
    }
    fine &= write(folder.path().join("outside/.env"), KEPT);
    let links = [
        ("assets/up", ".."),
        ("assets/conf.json", "../botpress.config.json"),
        ("assets/sub/bots", "../../bots"),
        ("assets/out", "../../outside"),
        ("assets/round", "round"),
        ("assets/here", "sub/../sub"),
    ];
    for (link, target) in links {
        fine &= symlink(Path::new(target), root.join(link)).is_ok();
    }
    assert!(fine, "the workspace cannot be made");
    folder
}
