//! What is given to anybody who asks: never what configures the server, its environment or its database, by whatever name or link.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::beneath::{Beneath, Links, NotOpened, Opened};
use crate::config::layout::find_global;
use crate::program::resolve::is_configuration;
use crate::telemetry::once::Once;

/// The database and what lies beside it begin so.
const DATABASE: &str = "data.db";
/// Files that may be linked to by another name and must not be given, besides those of [`find_global`].
const KEPT: [&str; 4] = [".env", DATABASE, "data.db-wal", "data.db-shm"];
/// Global files that configure the server.
const GLOBAL_KEPT: [&str; 2] = ["botpress.config.json", "workspaces.json"];

/// What was said not to be given.
static SAID: Once = Once::new();

/// Opens a file of the workspace that anybody may be given: `path` of the folder `folder`. `fits` says of where it really lies,
/// below its folder or anywhere, whether such a file may be given. Blocks.
///
/// # Errors
/// It must not be given, or there is none. The author of the workspace is told once why, callers never are.
pub fn open(
    (root, outside): (&Path, bool),
    (folder, path): (&str, &str),
    links: Links,
    fits: impl FnOnce(&Path) -> bool,
) -> Result<Opened, NotOpened> {
    let opened = Beneath::new(root, outside).open(folder, path, links).inspect_err(|error| {
        let help = match error {
            NotOpened::Missing => return,
            NotOpened::LeadsOut if links == Links::Follow => {
                "; copy what it leads to, or set \"scripts\": { \"linksOutside\": true } in botpress.config.json"
            }
            _ => "",
        };
        say(folder, path, &format!("{error}{help}"));
    })?;
    let place = opened.below.as_deref().unwrap_or(&opened.real);
    if is_kept(root, &opened) || !fits(place) {
        let real = opened.real.display();
        say(folder, path, &format!("what it leads to ({real}) is not for everybody"));
        return Err(NotOpened::Missing);
    }
    Ok(opened)
}

/// Says once why a file that is there is not given.
pub fn say(folder: &str, path: &str, why: &str) {
    let name = format!("{folder}/{path}");
    if let Some(last) = SAID.says(&name) {
        tracing::warn!("{name} is not served: {why}{last}");
    }
}

/// Whether a file configures the server or is its database.
fn is_kept(root: &Path, opened: &Opened) -> bool {
    let real = opened.real.to_string_lossy();
    let name = real.rsplit('/').next().unwrap_or_default().to_lowercase();
    // Other names, and letters that some file systems take for others: then it is known by itself.
    let odd = opened.metadata.nlink() > 1 || !real.is_ascii();
    name.starts_with(DATABASE) || is_configuration(&real) || (odd && is_known(root, &opened.metadata))
}

/// Whether it is one of those files themselves.
fn is_known(root: &Path, metadata: &Metadata) -> bool {
    let identity = |metadata: &Metadata| (metadata.dev(), metadata.ino());
    let global = GLOBAL_KEPT.into_iter().flat_map(|name| find_global(root, name));
    let mut kept = KEPT.into_iter().map(str::to_owned).chain(global);
    kept.any(|path| fs::metadata(root.join(path)).is_ok_and(|known| identity(&known) == identity(metadata)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(root: &Path, path: &str) -> bool {
        open((root, true), ("assets", path), Links::Follow, |_| true).is_ok()
    }

    #[test]
    fn configuration_environment_and_database_are_given_by_no_name_and_no_link() {
        let root = tempfile::tempdir().unwrap();
        let place = |path: &str| root.path().join(path);
        for folder in ["assets", "bots/a/config", "config"] {
            fs::create_dir_all(place(folder)).unwrap();
        }
        let kept = [
            "botpress.config.json",
            ".env",
            ".env.local",
            "data.db",
            "data.db-wal",
            "bots/a/bot.config.json",
            "bots/a/config/nlu.json",
            "config/channel-web.json",
            "assets/Botpress.Config.JSON",
            "assets/DATA.db",
        ];
        for (number, path) in kept.iter().enumerate() {
            fs::write(place(path), "secret").unwrap();
            std::os::unix::fs::symlink(place(path), place(&format!("assets/{number}.json"))).unwrap();
        }
        fs::write(place("assets/fine.json"), "fine").unwrap();
        for (hard, of) in [("h1.json", "botpress.config.json"), ("h2.json", ".env"), ("h3.json", "data.db")] {
            fs::hard_link(place(of), place("assets").join(hard)).unwrap();
            assert!(!given(root.path(), hard), "{hard}");
        }
        for (number, path) in kept.iter().enumerate() {
            assert!(!given(root.path(), &format!("{number}.json")), "{path}");
        }
        assert!(!given(root.path(), "Botpress.Config.JSON") && !given(root.path(), "DATA.db"));
        assert!(given(root.path(), "fine.json"));
    }
}
