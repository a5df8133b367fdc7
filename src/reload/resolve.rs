//! Where a literal `require` leads: the files that the server sends along with a script. The rules are those of
//! [`program::resolve`](crate::program::resolve); what is not found here is either built in or reported by the worker.
//!
//! Folders are listed once in a look instead of asking the system for each name that a file might have.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::rc::Rc;

use super::bounds::{Bounds, Real};
use super::scan::{Kind, Listing};
use crate::config::layout::join;
use crate::program::packages::bundled;
use crate::program::resolve::{Files, Lead, is_configuration, resolve};

/// Whether a name that is not among those of its folder is no file's: elsewhere files answer to names in other letters.
const EXACT: bool = cfg!(target_os = "linux");

/// The largest `package.json` that is looked into, in bytes.
const LARGEST_MANIFEST: u64 = 1 << 20;

/// Where a name leads, or the `package.json` that could have led somewhere.
type Led = Result<Lead, Option<String>>;

/// The files of a workspace at the time of one look.
pub(super) struct Disk<'b> {
    bounds: &'b Bounds,
    folders: RefCell<HashMap<String, Option<Rc<Listing>>>>,
    /// What names lead to, by the folder of the script that requires them.
    leads: RefCell<HashMap<String, HashMap<String, Led>>>,
    /// Files that would have been found, were they there.
    missed: RefCell<HashSet<String>>,
}

impl<'b> Disk<'b> {
    /// `listed` is what is known already.
    pub(super) fn new(bounds: &'b Bounds, listed: HashMap<String, Listing>) -> Self {
        let folders = listed.into_iter().map(|(path, listing)| (path, Some(Rc::new(listing)))).collect();
        Self { bounds, folders: RefCell::new(folders), leads: RefCell::default(), missed: RefCell::default() }
    }

    /// What `require(name)` in the script `from` leads to; an error if nothing in the workspace answers to the name.
    pub(super) fn required(&self, from: &str, name: &str) -> Led {
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        // Scripts of one folder find the same under the same name.
        if let Some(known) = self.leads.borrow().get(folder).and_then(|leads| leads.get(name)) {
            return known.clone();
        }
        let files =
            Files { is_file: &|path| self.is_file(path), read: &|path| read_manifest(&self.bounds.root().join(path)) };
        let lead = resolve(from, name, &files).map_err(|nowhere| {
            // What the server brings along is seldom brought by somebody else as well.
            if bundled(name).is_none() {
                self.missed.borrow_mut().extend(nowhere.tried);
            }
            nowhere.manifest
        });
        self.leads.borrow_mut().entry(folder.to_owned()).or_default().insert(name.to_owned(), lead.clone());
        lead
    }

    /// What must come before a name that led nowhere can lead somewhere: files, or the first folder on the way to them that is
    /// not there.
    pub(super) fn missed(&self) -> HashSet<String> {
        let mut missed = HashSet::new();
        for file in self.missed.borrow().iter() {
            missed.extend(self.first_missing(file));
            if let Some(folder) = file.strip_suffix("/index.js") {
                missed.extend(self.first_missing(&join(folder, "package.json")));
            }
        }
        missed
    }

    fn first_missing(&self, path: &str) -> Option<String> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        ends.map(|end| &path[..end])
            .find(|path| {
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
                self.folder(folder).is_some_and(|folder| !folder.entries.contains_key(name))
            })
            .map(str::to_owned)
    }

    fn is_file(&self, path: &str) -> bool {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(folder) = self.folder(folder) else { return !EXACT && self.is_file_by_itself(path) };
        match (folder.entries.get(name), &folder.real) {
            (Some(Kind::File), Real::Inside(real)) => !is_configuration(&join(real, name)),
            (Some(Kind::File), Real::Allowed) => true,
            (Some(Kind::Link), _) => self.is_file_by_itself(path),
            (None, _) => !EXACT && self.is_file_by_itself(path),
            _ => false,
        }
    }

    /// Links are followed within the workspace, but not to what is kept from scripts.
    fn is_file_by_itself(&self, path: &str) -> bool {
        self.bounds.root().join(path).is_file()
            && match self.bounds.real(path) {
                Real::Inside(real) => !is_configuration(&real),
                Real::Allowed => true,
                Real::Outside | Real::Nowhere => false,
            }
    }

    fn folder(&self, path: &str) -> Option<Rc<Listing>> {
        if let Some(known) = self.folders.borrow().get(path) {
            return known.clone();
        }
        let found = self.list(path).map(Rc::new);
        self.folders.borrow_mut().insert(path.to_owned(), found.clone());
        found
    }

    fn list(&self, path: &str) -> Option<Listing> {
        // Most folders that packages could lie in are not there, which the folders above tell.
        if EXACT && !path.is_empty() {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let above = self.folder(above)?;
            above.entries.get(name).filter(|kind| **kind != Kind::File)?;
        }
        let entries = fs::read_dir(self.bounds.root().join(path)).ok()?;
        let entry = |entry: fs::DirEntry| {
            let kind = Kind::of(entry.file_type().ok()?)?;
            Some((entry.file_name().into_string().ok()?, kind))
        };
        Some(Listing { real: self.bounds.real(path), entries: entries.flatten().filter_map(entry).collect() })
    }
}

/// The text of a `package.json`; nothing of one that is larger than any that people write.
fn read_manifest(path: &Path) -> Option<String> {
    let mut text = String::new();
    let read = fs::File::open(path).ok()?.take(LARGEST_MANIFEST + 1).read_to_string(&mut text).ok()?;
    (read as u64 <= LARGEST_MANIFEST).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LinkSettings;
    use crate::reload::testing::workspace;
    use std::os::unix::fs::symlink;

    fn required(root: &Path, name: &str) -> Vec<String> {
        files(Disk::new(&Bounds::new(root, LinkSettings::default()), HashMap::new()).required("hooks/k/x.js", name))
    }

    fn files(lead: Led) -> Vec<String> {
        lead.into_iter().flat_map(|lead| lead.manifest.into_iter().chain([lead.file])).collect()
    }

    #[test]
    fn a_package_comes_with_its_manifest() {
        let root = workspace(&[
            ("hooks/k/pack/package.json", r#"{ "main": "./dist/main" }"#),
            ("hooks/k/pack/dist/main.js", ""),
            ("libraries/own.js", ""),
        ]);
        let expected = ["hooks/k/pack/package.json", "hooks/k/pack/dist/main.js"];
        assert_eq!(required(root.path(), "./pack"), expected);
        assert_eq!(required(root.path(), "own"), ["libraries/own.js"]);
        assert!(required(root.path(), "./none").is_empty());
    }

    #[test]
    fn scripts_cannot_require_the_app_secret() {
        let secret = r#"{ "appSecret": "s3cret" }"#;
        let root = workspace(&[
            ("botpress.config.json", secret),
            ("config/module.json", secret),
            ("workspaces.json", secret),
            (".env", "APP_SECRET=s3cret"),
            ("bots/b/bot.config.json", secret),
            ("hooks/k/x.js", ""),
        ]);
        symlink("../../botpress.config.json", root.path().join("hooks/k/link.json")).unwrap();
        for name in [
            "../../botpress.config.json",
            "../../config/module.json",
            "../../workspaces.json",
            "../../.env",
            "../../bots/b/bot.config.json",
            "./link.json",
        ] {
            assert!(required(root.path(), name).is_empty(), "{name}");
        }
    }

    #[test]
    fn links_are_followed_within_the_workspace_and_not_out_of_it() {
        let outer = workspace(&[("secret.js", ""), ("inner/shared/lib.js", ""), ("inner/hooks/k/x.js", "")]);
        let root = outer.path().join("inner");
        symlink("../../shared/lib.js", root.join("hooks/k/lib.js")).unwrap();
        symlink("../../shared", root.join("hooks/k/folder")).unwrap();
        symlink(outer.path().join("secret.js"), root.join("hooks/k/secret.js")).unwrap();
        symlink(outer.path(), root.join("hooks/k/out")).unwrap();
        assert_eq!(required(&root, "./lib"), ["hooks/k/lib.js"]);
        assert_eq!(required(&root, "./folder/lib"), ["hooks/k/folder/lib.js"]);
        let absolute = outer.path().join("secret.js");
        for name in ["./secret", "./out/secret", "../../../secret", absolute.to_str().unwrap()] {
            assert!(required(&root, name).is_empty(), "{name}");
        }
        let open = Bounds::new(&root, LinkSettings { outside: true, ..LinkSettings::default() });
        assert_eq!(files(Disk::new(&open, HashMap::new()).required("hooks/k/x.js", "./secret")), ["hooks/k/secret.js"]);
        // The workspace's own folder may be a link.
        let link = outer.path().join("link");
        symlink(&root, &link).unwrap();
        assert_eq!(required(&link, "./lib"), ["hooks/k/lib.js"]);
    }
}
