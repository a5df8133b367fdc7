//! Where `require(name)` leads, by names alone: no file is opened here. The server goes by these rules to find what must
//! be sent along with a script, and a worker when the script runs, so that both find the same.
//!
//! Also here: which files scripts cannot require although they are there. What scripts read they may print or send.

use std::borrow::Cow;

use super::manifest::Manifest;
use crate::config::layout::{BOTS, GLOBAL, join};

/// Paths of files that are part of the server begin with this.
pub const BUILTIN: &str = "builtin:";

/// Endings of files that can be required. What has none of them is text to nobody but its owner.
const ENDINGS: [&str; 3] = [".js", ".cjs", ".json"];

/// Files of the workspace that configure the server or a bot: they may hold secrets.
const CONFIGURATION: [&str; 3] = ["botpress.config.json", "workspaces.json", "bot.config.json"];

/// What files there are.
pub struct Files<'a> {
    /// Whether there is a file of that path.
    pub is_file: &'a dyn Fn(&str) -> bool,
    /// The text of a `package.json`.
    pub read: &'a dyn Fn(&str) -> Option<String>,
}

impl std::fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// The file.
    pub file: String,
    /// The `package.json` that led there, if one did.
    pub manifest: Option<String>,
}

/// Why a name leads nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nowhere {
    /// Files that were looked for, in order.
    pub tried: Vec<String>,
    /// The first place that scripts may not look at, and why not.
    pub barred: Option<(String, Barred)>,
    /// The first `package.json` that was found on the way.
    pub manifest: Option<String>,
    /// The name leads out of the workspace.
    pub outside: bool,
}

/// Why scripts cannot require a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// Configuration of the server or of a bot, or an environment file.
    #[error("configuration is kept from scripts")]
    Configuration,
    /// A file or folder with a leading dot.
    #[error("files and folders with a leading dot are kept from scripts")]
    Hidden,
    /// Below another bot's folder.
    #[error("it belongs to another bot")]
    OtherBot,
}

/// Finds what `require(name)` in the file `from` means: a sibling first, whether or not the name says `./`; then
/// `node_modules` of every folder above; then the libraries of the bot that `from` belongs to, and those of all bots.
///
/// # Errors
/// Nothing in the workspace answers to the name, or nothing that scripts may read.
pub fn resolve(from: &str, name: &str, files: &Files<'_>) -> Result<Lead, Nowhere> {
    let (prefix, from) = match from.strip_prefix(BUILTIN) {
        Some(rest) => (BUILTIN, rest),
        None => ("", from),
    };
    let mut search = Search { prefix, from, files, nowhere: Nowhere::default() };
    if name.is_empty() || name.contains(['\0', '\\']) {
        return Err(search.nowhere);
    }
    let folder = parent(from).unwrap_or_default();
    let sibling = if name.starts_with('/') { None } else { normalize(folder, name) };
    search.nowhere.outside = sibling.is_none();
    if let Some(lead) = sibling.and_then(|base| search.look_at(&base, true)) {
        return Ok(lead);
    }
    if is_path(name) {
        return Err(search.nowhere);
    }
    search.nowhere.outside = false;
    let places = packages(folder).into_iter().chain(if prefix.is_empty() { libraries(from) } else { Vec::new() });
    for place in places {
        if let Some(lead) = normalize(&place, name).and_then(|base| search.look_at(&base, true)) {
            return Ok(lead);
        }
    }
    Err(search.nowhere)
}

/// Whether a name says where its file lies, and not just what it is called.
pub fn is_path(name: &str) -> bool {
    name == "." || name == ".." || ["/", "./", "../"].iter().any(|start| name.starts_with(start))
}

/// Why a script `from` cannot require the file `path`, if it cannot. Both are relative to the workspace.
pub fn barred(from: &str, path: &str) -> Option<Barred> {
    let (from, path) = (from.to_lowercase(), path.to_lowercase());
    if is_configuration(&path) {
        return Some(Barred::Configuration);
    }
    if own_part(&path).split('/').any(|part| part.starts_with('.')) {
        return Some(Barred::Hidden);
    }
    match bot_folder(&path) {
        Some(bot) if bot_folder(&from) != Some(bot) => Some(Barred::OtherBot),
        _ => None,
    }
}

/// Whether a file configures the server or a bot. Case does not matter: to some file systems it does not either.
pub fn is_configuration(path: &str) -> bool {
    let path = path.to_lowercase();
    let own = own_part(&path);
    let name = own.rsplit('/').next().unwrap_or(own);
    let bot = bot_folder(&path).map(|bot| join(bot, "config"));
    let mut folders = GLOBAL.iter().map(|folder| join(folder, "config")).chain(bot);
    name.starts_with(".env")
        || CONFIGURATION.contains(&name)
        || path.starts_with("data/storage/")
        || folders.any(|folder| path.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('/')))
}

/// A path as far as the workspace's author named it: packages call their files what they like.
fn own_part(path: &str) -> &str {
    let within = path.find("/node_modules/");
    if path.starts_with("node_modules/") { "" } else { within.map_or(path, |end| &path[..end]) }
}

/// The id of the bot that a script belongs to, by its path; nothing if it belongs to none.
pub fn bot_of(path: &str) -> Option<Cow<'_, str>> {
    let path = path.strip_prefix(BUILTIN).unwrap_or(path);
    let below = BOTS.iter().find_map(|bots| {
        let (start, rest) = path.split_at_checked(bots.len())?;
        if start.eq_ignore_ascii_case(bots) { rest.strip_prefix('/') } else { None }
    });
    let (id, _) = below?.split_once('/')?;
    let upper = id.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if upper { Cow::Owned(id.to_ascii_lowercase()) } else { Cow::Borrowed(id) })
}

/// Whether a file is part of a package.
pub fn is_of_package(path: &str) -> bool {
    path.starts_with("node_modules/") || path.contains("/node_modules/")
}

/// `bots/<id>` of a path below such a folder.
fn bot_folder(path: &str) -> Option<&str> {
    BOTS.iter().find_map(|bots| {
        let below = path.strip_prefix(bots)?.strip_prefix('/')?;
        let id = below.find('/')?;
        Some(&path[..path.len() - below.len() + id])
    })
}

/// `node_modules` of a folder and of every folder above it.
fn packages(folder: &str) -> Vec<String> {
    let mut places = Vec::new();
    let mut above = Some(folder);
    while let Some(folder) = above {
        if folder.rsplit('/').next() != Some("node_modules") {
            places.push(join(folder, "node_modules"));
        }
        above = if folder.is_empty() { None } else { Some(parent(folder).unwrap_or_default()) };
    }
    places
}

/// Folders of libraries: that of the bot the file belongs to, then those of all.
fn libraries(from: &str) -> Vec<String> {
    let own = bot_folder(from).map(|bot| join(bot, "libraries"));
    let all = GLOBAL.iter().map(|folder| join(folder, "libraries"));
    own.into_iter().chain(all).chain(["shared_libs".to_owned()]).collect()
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(folder, _)| folder)
}

/// A path without `.` and `..`; `None` if it leaves the workspace.
fn normalize(folder: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

struct Search<'a> {
    prefix: &'static str,
    from: &'a str,
    files: &'a Files<'a>,
    nowhere: Nowhere,
}

impl Search<'_> {
    /// A file, a file with its ending left off, or a folder with `package.json` or `index.js`.
    fn look_at(&mut self, base: &str, packages: bool) -> Option<Lead> {
        let alone = |file| Lead { file, manifest: None };
        let named = ["", ".js", ".json"].map(|ending| format!("{base}{ending}"));
        if !base.is_empty()
            && let Some(file) = self.first(&named)
        {
            return Some(alone(file));
        }
        let manifest = join(base, "package.json");
        if packages && let Some(manifest) = self.is_there(&manifest, false).then(|| self.full(&manifest)) {
            let said = (self.files.read)(&manifest).map(|text| Manifest::read(&text)).unwrap_or_default();
            let mains: Vec<String> = said.files().filter_map(|main| normalize(base, main)).collect();
            let main = mains.iter().filter(|main| *main != base).find_map(|main| self.look_at(main, false));
            let file = main.map(|lead| lead.file).or_else(|| self.index(base));
            let Some(file) = file else {
                self.nowhere.manifest.get_or_insert(manifest);
                return None;
            };
            return Some(Lead { file, manifest: Some(manifest) });
        }
        self.index(base).map(alone)
    }

    fn index(&mut self, base: &str) -> Option<String> {
        self.first(&["index.js", "index.json"].map(|name| join(base, name)))
    }

    fn first(&mut self, paths: &[String]) -> Option<String> {
        paths.iter().find(|path| self.is_there(path, true)).map(|path| self.full(path))
    }

    fn is_there(&mut self, path: &str, note: bool) -> bool {
        if self.prefix.is_empty()
            && let Some(why) = barred(self.from, path)
        {
            self.nowhere.barred.get_or_insert_with(|| (path.to_owned(), why));
            return false;
        }
        if !ENDINGS.iter().any(|ending| path.ends_with(ending)) {
            return false;
        }
        let path = self.full(path);
        let there = (self.files.is_file)(&path);
        if !there && note {
            self.nowhere.tried.push(path);
        }
        there
    }

    fn full(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &str)] = &[
        ("hooks/k/lib.js", ""),
        ("hooks/k/data.json", ""),
        ("hooks/k/old.cjs", ""),
        ("hooks/k/notes.txt", ""),
        ("hooks/k/util/index.js", ""),
        ("hooks/k/table/index.json", ""),
        ("hooks/k/pack/package.json", "{ \"main\": \"./dist/main\", /* c */ }"),
        ("hooks/k/pack/dist/main.js", ""),
        ("hooks/k/broken/package.json", "{"),
        ("hooks/k/broken/index.js", ""),
        ("hooks/k/lodash.js", ""),
        ("hooks/k/config/own.js", ""),
        ("shared/util.js", ""),
        ("node_modules/dep/package.json", r#"{ "main": "lib" }"#),
        ("node_modules/dep/lib/index.js", ""),
        ("node_modules/dep/.internal/x.js", ""),
        ("node_modules/config/index.js", ""),
        ("node_modules/config/workspaces.json", ""),
        ("node_modules/@a/b/x.js", ""),
        ("hooks/node_modules/near/index.js", ""),
        ("node_modules/near/index.js", ""),
        ("bots/b/libraries/own.js", ""),
        ("bots/b/hooks/k/of_b.js", ""),
        ("bots/c/libraries/own.js", ""),
        ("bots/b/config/x.json", ""),
        ("bots/b/bot.config.json", ""),
        ("data/global/libraries/global.js", ""),
        ("libraries/own.js", ""),
        ("libraries/all.js", ""),
        ("shared_libs/all.js", ""),
        ("shared_libs/last.js", ""),
        ("config/channel-web.json", ""),
        ("config/index.js", ""),
        ("botpress.config.json", ""),
        ("data/global/botpress.config.json", ""),
        ("workspaces.json", ""),
        (".env", ""),
        (".env.js", ""),
        (".secrets/key.json", ""),
        ("builtin:content-types/_base.js", ""),
        ("builtin:content-types/text.js", ""),
        ("package.json", "{}"),
    ];

    fn find(from: &str, name: &str) -> Result<Lead, Nowhere> {
        let text = |path: &str| FILES.iter().find(|(known, _)| *known == path).map(|(_, text)| (*text).to_owned());
        resolve(from, name, &Files { is_file: &|path| text(path).is_some(), read: &text })
    }

    #[test]
    fn names_lead_where_the_reference_says() {
        for (name, expected) in [
            ("./lib", "hooks/k/lib.js"),
            ("./lib.js", "hooks/k/lib.js"),
            ("lib", "hooks/k/lib.js"),
            ("./data", "hooks/k/data.json"),
            ("./old.cjs", "hooks/k/old.cjs"),
            ("./util", "hooks/k/util/index.js"),
            ("./util/", "hooks/k/util/index.js"),
            ("./table", "hooks/k/table/index.json"),
            ("./pack", "hooks/k/pack/dist/main.js"),
            ("./broken", "hooks/k/broken/index.js"),
            ("lodash", "hooks/k/lodash.js"),
            ("./config/own", "hooks/k/config/own.js"),
            ("../../shared/util.js", "shared/util.js"),
            ("dep", "node_modules/dep/lib/index.js"),
            ("dep/.internal/x", "node_modules/dep/.internal/x.js"),
            ("config", "node_modules/config/index.js"),
            ("config/workspaces", "node_modules/config/workspaces.json"),
            ("@a/b/x", "node_modules/@a/b/x.js"),
            ("near", "hooks/node_modules/near/index.js"),
            ("own", "libraries/own.js"),
            ("all", "libraries/all.js"),
            ("global", "data/global/libraries/global.js"),
            ("last", "shared_libs/last.js"),
            ("../../package.json", "package.json"),
        ] {
            assert_eq!(find("hooks/k/x.js", name).map(|lead| lead.file), Ok(expected.to_owned()), "{name}");
        }
        for (from, expected) in [
            ("bots/b/hooks/k/x.js", "bots/b/libraries/own.js"),
            // What a bot's helper requires is the bot's too.
            ("bots/b/libraries/deep/x.js", "bots/b/libraries/own.js"),
            ("bots/d/hooks/k/x.js", "libraries/own.js"),
        ] {
            assert_eq!(find(from, "own").unwrap().file, expected, "{from}");
        }
        let manifest = find("hooks/k/x.js", "./pack").unwrap().manifest;
        assert_eq!(manifest.as_deref(), Some("hooks/k/pack/package.json"));
        let builtin = find("builtin:content-types/text.js", "./_base").unwrap();
        assert_eq!(builtin.file, "builtin:content-types/_base.js");
        for name in ["moment", "./none", "./notes.txt", "", "a\\b"] {
            assert!(find("hooks/k/x.js", name).is_err(), "{name}");
        }
    }

    #[test]
    fn names_that_leave_the_workspace_lead_nowhere() {
        for name in ["../../../lib", "../../../../../../etc/passwd", "/etc/passwd", "/shared/util.js"] {
            assert!(find("hooks/k/x.js", name).unwrap_err().outside, "{name}");
        }
        assert!(find("hooks/k/x.js", "a/../../../../../../shared/util").is_err());
        assert!(!find("hooks/k/x.js", "./none").unwrap_err().outside);
    }

    #[test]
    fn configuration_and_other_bots_files_are_kept_from_scripts() {
        for (from, name, why) in [
            ("hooks/k/x.js", "../../botpress.config.json", Barred::Configuration),
            ("hooks/k/x.js", "../../botpress.config", Barred::Configuration),
            ("hooks/k/x.js", "../../data/global/botpress.config.json", Barred::Configuration),
            ("hooks/k/x.js", "../../workspaces.json", Barred::Configuration),
            ("hooks/k/x.js", "../../config/channel-web.json", Barred::Configuration),
            ("hooks/k/x.js", "../../CONFIG/channel-web.json", Barred::Configuration),
            ("hooks/k/x.js", "../../config", Barred::Configuration),
            ("hooks/k/x.js", "../../.env.js", Barred::Configuration),
            ("hooks/k/x.js", "../../.secrets/key.json", Barred::Hidden),
            ("hooks/k/x.js", "../../bots/b/bot.config.json", Barred::Configuration),
            ("bots/b/hooks/k/x.js", "../../config/x.json", Barred::Configuration),
            ("bots/b/hooks/k/x.js", "../../../c/libraries/own", Barred::OtherBot),
            ("hooks/k/x.js", "../../bots/b/hooks/k/of_b.js", Barred::OtherBot),
            ("libraries/x.js", "../bots/b/libraries/own", Barred::OtherBot),
        ] {
            assert_eq!(find(from, name).unwrap_err().barred.map(|(_, why)| why), Some(why), "{from}: {name}");
        }
        assert!(find("hooks/k/x.js", "../../.env").is_err());
        assert!(find("bots/b/hooks/k/x.js", "./of_b").is_ok());
    }

    #[test]
    fn what_was_looked_for_is_told() {
        let tried = find("hooks/k/x.js", "./none").unwrap_err().tried;
        let names = ["none.js", "none.json", "none/index.js", "none/index.json"];
        assert_eq!(tried, names.map(|name| format!("hooks/k/{name}")));
    }
}
