//! Where `require(name)` finds a file: among the workspace's files that came with the program, by path alone.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::layout::{self, BOTS, GLOBAL};
use crate::program::{Program, Role};

/// The files of a program by path.
#[derive(Debug, Default)]
pub struct ModuleIndex {
    by_path: HashMap<Arc<str>, u32>,
}

/// What `require` found.
#[derive(Debug, PartialEq, Eq)]
pub enum Resolution {
    /// A file of the workspace.
    Script(u32),
    /// A package that is part of the server.
    Bundled(&'static str),
    /// Nothing; the message says where it was looked for.
    Missing(String),
}

/// A package that is part of the server: built through npm (see `build.rs`).
#[derive(Debug)]
pub struct BundledModule {
    /// Its name on npm.
    pub name: &'static str,
    /// One CommonJS file.
    pub source: &'static str,
}

/// All of them.
pub const BUNDLED: &[BundledModule] = include!(concat!(env!("OUT_DIR"), "/npm.rs"));

/// Packages that people know from npm: their absence is worth a hint.
const KNOWN: &[&str] = &[
    "lodash",
    "axios",
    "moment",
    "nanoid",
    "uuid",
    "ms",
    "bluebird",
    "joi",
    "request",
    "request-promise",
    "node-fetch",
    "dayjs",
    "date-fns",
    "luxon",
    "ramda",
    "underscore",
    "validator",
    "cheerio",
    "crypto-js",
    "jsonwebtoken",
    "qs",
];

/// Modules of Node that cannot be offered: no file system, no processes, no sockets.
const REFUSED: &[&str] = &[
    "fs",
    "fs/promises",
    "child_process",
    "net",
    "http",
    "https",
    "tls",
    "dgram",
    "cluster",
    "worker_threads",
    "vm",
    "v8",
];

impl ModuleIndex {
    /// Indexes a program's files.
    pub fn new(program: &Program) -> Self {
        let by_path = program
            .scripts
            .iter()
            .enumerate()
            .map(|(index, script)| (Arc::clone(&script.path), index as u32))
            .collect();
        Self { by_path }
    }

    /// Resolves `name` as the file `from` requires it.
    pub fn resolve(&self, program: &Program, from: &str, name: &str) -> Resolution {
        let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
        let relative = name.starts_with("./") || name.starts_with("../") || name == "." || name == "..";
        let mut tried = Vec::new();
        if relative || name.starts_with('/') {
            match join(directory, name) {
                Some(path) => {
                    if let Some(index) = self.file_or_folder(program, &path, &mut tried) {
                        return Resolution::Script(index);
                    }
                }
                None => {
                    return Resolution::Missing(format!(
                        "Cannot find module '{name}': it lies outside the workspace (required by {from})"
                    ));
                }
            }
            return missing(name, from, &tried);
        }
        // Siblings first: the original's hooks count on it.
        if let Some(path) = join(directory, name)
            && let Some(index) = self.file_or_folder(program, &path, &mut tried)
        {
            return Resolution::Script(index);
        }
        let mut folder = Some(directory);
        while let Some(current) = folder {
            let base = if current.is_empty() { "node_modules".to_owned() } else { format!("{current}/node_modules") };
            if let Some(path) = join(&base, name)
                && let Some(index) = self.file_or_folder(program, &path, &mut tried)
            {
                return Resolution::Script(index);
            }
            folder = match current.rsplit_once('/') {
                Some((parent, _)) => Some(parent),
                None if current.is_empty() => None,
                None => Some(""),
            };
        }
        for base in libraries(from) {
            if let Some(path) = join(&base, name)
                && let Some(index) = self.file_or_folder(program, &path, &mut tried)
            {
                return Resolution::Script(index);
            }
        }
        let plain = name.strip_prefix("node:").unwrap_or(name);
        if let Some(module) = BUNDLED.iter().find(|module| module.name == plain) {
            return Resolution::Bundled(module.name);
        }
        missing(name, from, &tried)
    }

    fn file_or_folder(&self, program: &Program, path: &str, tried: &mut Vec<String>) -> Option<u32> {
        for candidate in [path.to_owned(), format!("{path}.js"), format!("{path}.json")] {
            if let Some(index) = self.file(program, &candidate) {
                return Some(index);
            }
            tried.push(candidate);
        }
        if let Some(index) = self.file(program, &format!("{path}/package.json")) {
            let text = &program.scripts[index as usize].source;
            let main = serde_json::from_str::<serde_json::Value>(text)
                .ok()
                .and_then(|package| package.get("main").and_then(|main| main.as_str().map(str::to_owned)));
            if let Some(main) = main.and_then(|main| join(path, &main)) {
                for candidate in [main.clone(), format!("{main}.js"), format!("{main}/index.js")] {
                    if let Some(index) = self.file(program, &candidate) {
                        return Some(index);
                    }
                }
            }
        }
        let index = format!("{path}/index.js");
        let found = self.file(program, &index);
        if found.is_none() {
            tried.push(index);
        }
        found
    }

    fn file(&self, program: &Program, path: &str) -> Option<u32> {
        let index = *self.by_path.get(path)?;
        // A folder has no entry of its own, so any entry is a file; content types, hooks and actions can be required too.
        debug_assert!(matches!(
            program.scripts[index as usize].role,
            Role::Hook(_) | Role::Action | Role::ContentType | Role::Module | Role::Json
        ));
        Some(index)
    }
}

/// Folders of libraries, in the order in which they are looked through: that of the folder of bots the file lies in, then
/// those of all.
fn libraries(from: &str) -> Vec<String> {
    let own = BOTS.iter().find_map(|bots| {
        let bot = from.strip_prefix(bots)?.strip_prefix('/')?.split_once('/')?.0;
        Some(format!("{bots}/{bot}/libraries"))
    });
    let all = GLOBAL.iter().map(|folder| layout::join(folder, "libraries"));
    own.into_iter().chain(all).chain(["shared_libs".to_owned()]).collect()
}

fn missing(name: &str, from: &str, tried: &[String]) -> Resolution {
    let mut message = format!("Cannot find module '{name}' (required by {from})");
    let plain = name.strip_prefix("node:").unwrap_or(name);
    if REFUSED.contains(&plain) {
        message.push_str("; scripts have no access to files, processes or sockets, so this module is not offered");
        return Resolution::Missing(message);
    }
    if !tried.is_empty() {
        message.push_str("; looked for ");
        message.push_str(&tried.iter().take(8).cloned().collect::<Vec<_>>().join(", "));
        if tried.len() > 8 {
            message.push_str(&format!(" and {} more", tried.len() - 8));
        }
    }
    if KNOWN.contains(&plain) {
        message.push_str(&format!("; it is a package on npm: run `npm install {plain}` in the workspace's folder"));
    }
    Resolution::Missing(message)
}

/// Joins and normalises; `None` where the result would leave the workspace. A prefix such as `builtin:` is part of the first segment.
fn join(directory: &str, name: &str) -> Option<String> {
    let (prefix, directory) = match directory.split_once(':') {
        Some((prefix, rest)) => (Some(prefix), rest),
        None => (None, directory),
    };
    let mut parts: Vec<&str> =
        if name.starts_with('/') { Vec::new() } else { directory.split('/').filter(|part| !part.is_empty()).collect() };
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    Some(match prefix {
        Some(prefix) => format!("{prefix}:{path}"),
        None => path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Script, Shape};

    fn program(paths: &[(&str, &str)]) -> Program {
        let scripts = paths
            .iter()
            .map(|(path, source)| {
                Arc::new(Script {
                    path: (*path).into(),
                    source: (*source).into(),
                    role: Role::Module,
                    shape: Shape::default(),
                })
            })
            .collect();
        Program { scripts, ..Program::default() }
    }

    #[test]
    fn require_finds_relative_files_siblings_and_packages() {
        let program = program(&[
            ("hooks/a/x.js", ""),
            ("hooks/a/lib.js", ""),
            ("hooks/shared/index.js", ""),
            ("node_modules/ms/package.json", r#"{"main":"./lib/ms"}"#),
            ("node_modules/ms/lib/ms.js", ""),
            ("bots/b/libraries/own.js", ""),
            ("libraries/own.js", ""),
            ("shared_libs/last/index.js", ""),
        ]);
        let index = ModuleIndex::new(&program);
        let resolve = |name| index.resolve(&program, "hooks/a/x.js", name);
        assert_eq!(resolve("./lib"), Resolution::Script(1));
        assert_eq!(resolve("lib"), Resolution::Script(1));
        assert_eq!(resolve("./lib.js"), Resolution::Script(1));
        assert_eq!(resolve("../shared"), Resolution::Script(2));
        assert_eq!(resolve("ms"), Resolution::Script(4));
        assert_eq!(resolve("own"), Resolution::Script(6));
        assert_eq!(resolve("last"), Resolution::Script(7));
        let of_bot = index.resolve(&program, "bots/b/hooks/after_bot_mount/x.js", "own");
        assert_eq!(of_bot, Resolution::Script(5));
    }

    #[test]
    fn require_never_leaves_the_workspace_and_says_where_it_looked() {
        let program = program(&[("hooks/a/x.js", "")]);
        let index = ModuleIndex::new(&program);
        let message = |name| match index.resolve(&program, "hooks/a/x.js", name) {
            Resolution::Missing(message) => message,
            found => panic!("{found:?}"),
        };
        assert!(message("../../../etc/passwd").contains("outside the workspace"));
        assert!(message("/etc/passwd").contains("looked for etc/passwd"));
        assert!(message("child_process").contains("not offered"));
        assert!(message("axios").contains("npm install axios"));
        assert!(message("./nope").contains("hooks/a/nope.js"));
    }
}
