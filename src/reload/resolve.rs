//! Where a literal `require` leads: the files that the server sends along with a script. Worker realms go by the same rules
//! when the script runs; what is not found here is either built in or reported there.

use std::collections::HashSet;
use std::path::Path;

use crate::config::layout::{GLOBAL, join};

/// The files that `require(name)` in the script `from` needs: what it leads to, and the `package.json` that leads there.
/// Empty if nothing in the workspace answers to the name. `bot` is the folder of the script's bot.
pub(super) fn resolve(root: &Path, from: &str, bot: Option<&str>, name: &str) -> Vec<String> {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    if name.is_empty() || name.starts_with('/') || name.contains('\0') || name.contains('\\') {
        return Vec::new();
    }
    // A sibling comes before everything, whether or not the name says `./`.
    let relative = name == "." || name == ".." || name.starts_with("./") || name.starts_with("../");
    if let Some(found) = normalize(folder, name).and_then(|base| look_at(root, &base, 0)) {
        return found;
    }
    if relative {
        return Vec::new();
    }
    let mut places = Vec::new();
    let mut above = Some(folder);
    while let Some(folder) = above {
        places.push(join(folder, "node_modules"));
        above = if folder.is_empty() { None } else { Some(folder.rsplit_once('/').map_or("", |(above, _)| above)) };
    }
    places.extend(bot.map(|bot| join(bot, "libraries")));
    places.extend(GLOBAL.iter().map(|folder| join(folder, "libraries")));
    places.push("shared_libs".into());
    let mut seen = HashSet::new();
    places
        .into_iter()
        .filter(|place| seen.insert(place.clone()))
        .find_map(|place| normalize(&place, name).and_then(|base| look_at(root, &base, 0)))
        .unwrap_or_default()
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

/// A file, a file with its extension left off, or a folder with `package.json` or `index.js`.
fn look_at(root: &Path, base: &str, depth: usize) -> Option<Vec<String>> {
    if let Some(file) = file(root, base) {
        return Some(vec![file]);
    }
    let manifest = join(base, "package.json");
    if depth == 0 && is_file(root, &manifest) {
        let main = main_of(root, &manifest).and_then(|main| normalize(base, &main));
        let found = main.filter(|main| main != base).and_then(|main| look_at(root, &main, 1));
        let found = found.or_else(|| index(root, base).map(|index| vec![index]))?;
        return Some([vec![manifest], found].concat());
    }
    index(root, base).map(|index| vec![index])
}

fn file(root: &Path, base: &str) -> Option<String> {
    ["", ".js", ".json"].iter().map(|ending| format!("{base}{ending}")).find(|path| is_file(root, path))
}

fn index(root: &Path, base: &str) -> Option<String> {
    ["index.js", "index.json"].iter().map(|name| join(base, name)).find(|path| is_file(root, path))
}

fn is_file(root: &Path, path: &str) -> bool {
    !path.is_empty() && root.join(path).is_file()
}

fn main_of(root: &Path, manifest: &str) -> Option<String> {
    let text = std::fs::read_to_string(root.join(manifest)).ok()?;
    let manifest: serde_json::Value = serde_json::from_str(&text).ok()?;
    manifest.get("main")?.as_str().filter(|main| !main.is_empty()).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reload::testing::workspace;

    #[test]
    fn names_lead_where_the_reference_says() {
        let root = workspace(&[
            ("hooks/k/lib.js", ""),
            ("hooks/k/data.json", ""),
            ("hooks/k/util/index.js", ""),
            ("hooks/k/pack/package.json", r#"{ "main": "./dist/main" }"#),
            ("hooks/k/pack/dist/main.js", ""),
            ("hooks/k/broken/package.json", "{"),
            ("hooks/k/broken/index.js", ""),
            ("hooks/k/lodash.js", ""),
            ("shared/util.js", ""),
            ("node_modules/dep/package.json", "{}"),
            ("node_modules/dep/index.js", ""),
            ("node_modules/@a/b/x.js", ""),
            ("hooks/node_modules/near/index.js", ""),
            ("node_modules/near/index.js", ""),
            ("bots/b/libraries/own.js", ""),
            ("libraries/own.js", ""),
            ("libraries/all.js", ""),
            ("shared_libs/all.js", ""),
            ("shared_libs/last.js", ""),
        ]);
        let find = |name: &str| resolve(root.path(), "hooks/k/x.js", Some("bots/b"), name);
        for (name, expected) in [
            ("./lib", vec!["hooks/k/lib.js"]),
            ("./lib.js", vec!["hooks/k/lib.js"]),
            ("lib", vec!["hooks/k/lib.js"]),
            ("./data", vec!["hooks/k/data.json"]),
            ("./util", vec!["hooks/k/util/index.js"]),
            ("./util/", vec!["hooks/k/util/index.js"]),
            ("./pack", vec!["hooks/k/pack/package.json", "hooks/k/pack/dist/main.js"]),
            ("./broken", vec!["hooks/k/broken/package.json", "hooks/k/broken/index.js"]),
            ("lodash", vec!["hooks/k/lodash.js"]),
            ("../../shared/util.js", vec!["shared/util.js"]),
            ("dep", vec!["node_modules/dep/package.json", "node_modules/dep/index.js"]),
            ("@a/b/x", vec!["node_modules/@a/b/x.js"]),
            ("near", vec!["hooks/node_modules/near/index.js"]),
            ("own", vec!["bots/b/libraries/own.js"]),
            ("all", vec!["libraries/all.js"]),
            ("last", vec!["shared_libs/last.js"]),
            ("moment", vec![]),
            ("./none", vec![]),
        ] {
            assert_eq!(find(name), expected, "{name}");
        }
        assert_eq!(resolve(root.path(), "hooks/k/x.js", None, "own"), ["libraries/own.js"]);
    }

    #[test]
    fn nothing_outside_the_workspace_is_found() {
        let outer = workspace(&[("secret.js", ""), ("inner/hooks/k/x.js", "")]);
        let root = outer.path().join("inner");
        let absolute = outer.path().join("secret.js");
        for name in
            ["../../../secret", "../../../../../../etc/passwd", absolute.to_str().unwrap(), "a/../../../../secret"]
        {
            assert!(resolve(&root, "hooks/k/x.js", None, name).is_empty(), "{name}");
        }
    }
}
