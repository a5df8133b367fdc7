//! Literal `require`s of a workspace's scripts that cannot work: nothing answers to the name, or a package that it leads to needs
//! what is not there.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use super::assemble::Item;
use super::load::{Loaded, LoadedScript};
use crate::config::{MOST_PROBLEMS, Problem, at_most};
use crate::program::packages::{advice, bundled, own_copy};
use crate::program::resolve::{Files, is_of_package, resolve};
use crate::reading::When;

/// The scripts in service, by path, and what is known of files of packages that scripts require.
struct Scripts<'a> {
    by_path: HashMap<&'a str, &'a LoadedScript>,
    ends: RefCell<HashMap<&'a str, Option<String>>>,
    /// Files of packages that may still be looked at.
    left: Cell<usize>,
}

/// How many files of packages are looked at in all: what is not found out shows when it runs.
const MOST: usize = 1_000_000;

/// A problem for each of them. What a script is prepared for (it stands in a `try`) is none; neither is what a package may never
/// come to.
pub(super) fn dead_requires(items: &[Item<'_>]) -> Vec<Problem> {
    let by_path = items.iter().filter_map(|item| match item.loaded {
        Loaded::Script(script) => Some((item.path, &**script)),
        _ => None,
    });
    let scripts = Scripts { by_path: by_path.collect(), ends: RefCell::default(), left: Cell::new(MOST) };
    let mut problems = Vec::new();
    for item in items {
        if let Loaded::Script(script) = item.loaded
            && !is_of_package(item.path)
        {
            scripts.look_at(item.path, script, &mut problems);
        }
    }
    problems
}

impl<'a> Scripts<'a> {
    fn look_at(&self, path: &str, script: &'a LoadedScript, problems: &mut Vec<Problem>) {
        let requires = script.script.shape.requires.iter().zip(&script.sites);
        let mut found = Vec::new();
        for (require, site) in requires.filter(|(_, site)| site.when != When::Tried) {
            let name = require.name.as_str();
            let counted = found.len() >= MOST_PROBLEMS;
            let (message, help) = match require.file.as_deref() {
                None if bundled(name).is_some() => continue,
                None if counted => (String::new(), String::new()),
                None => (format!("Cannot find module '{name}'"), self.advice(path, name)),
                // A file of the workspace's own that cannot be used has a problem of its own.
                Some(file) if !is_of_package(file) => continue,
                Some(file) => match self.end_of(file) {
                    Some(why) => (format!("Cannot use module '{name}'"), own_copy(file).unwrap_or(why)),
                    None => continue,
                },
            };
            let problem =
                if site.when == When::Always { Problem::error(path, message) } else { Problem::warning(path, message) };
            let problem = if counted { problem } else { problem.at(&script.script.source, site.offset) };
            found.push(if help.is_empty() { problem } else { problem.help(help) });
        }
        problems.extend(at_most(path, found, "this file"));
    }

    /// As [`Scripts::dead_end`], found once for all who require the file.
    fn end_of(&self, file: &'a str) -> Option<String> {
        if let Some(known) = self.ends.borrow().get(file) {
            return known.clone();
        }
        let mut seen = HashSet::new();
        let end = self.dead_end(file, &mut seen);
        let mut ends = self.ends.borrow_mut();
        if end.is_none() {
            // Then there is none in all that it requires.
            ends.extend(seen.into_iter().map(|path| (path, None)));
        }
        ends.insert(file, end.clone());
        end
    }

    /// What a file of a package requires whenever it is loaded, and does not get; what it requires first is looked at first.
    fn dead_end(&self, path: &'a str, seen: &mut HashSet<&'a str>) -> Option<String> {
        let always = |path: &'a str| {
            let script = self.by_path.get(path)?;
            let requires = script.script.shape.requires.iter().zip(&script.sites);
            Some(requires.filter(|(_, site)| site.when == When::Always).map(move |(require, _)| (path, require)))
        };
        let unusable = |path: &str| Some(format!("{path} cannot be used: it has a problem of its own"));
        seen.insert(path);
        let Some(first) = always(path) else { return unusable(path) };
        // Not by recursion: chains of files may be long.
        let mut open = vec![first];
        while let Some(requires) = open.last_mut() {
            let Some((path, require)) = requires.next() else {
                open.pop();
                continue;
            };
            match (require.file.as_deref(), bundled(&require.name)) {
                (Some(file), _) => {
                    if self.left.get() == 0 {
                        return None;
                    }
                    if seen.insert(file) && !matches!(self.ends.borrow().get(file), Some(None)) {
                        self.left.set(self.left.get() - 1);
                        match always(file) {
                            Some(next) => open.push(next),
                            None => return unusable(file),
                        }
                    }
                }
                (None, Some(_)) => {}
                (None, None) => {
                    let why = self.advice(path, &require.name);
                    let colon = if why.is_empty() { "" } else { ": " };
                    return Some(format!("{path} requires '{}'{colon}{why}", require.name));
                }
            }
        }
        None
    }

    fn advice(&self, from: &str, name: &str) -> String {
        let files = Files {
            is_file: &|path| self.by_path.contains_key(path),
            read: &|path| self.by_path.get(path).map(|script| script.script.source.to_string()),
        };
        resolve(from, name, &files).map_or_else(|nowhere| advice(name, &nowhere, &files), |_| String::new())
    }
}

#[cfg(test)]
mod tests {
    use crate::reload::testing::{read, workspace};

    const HOOK: &str = "hooks/before_incoming_middleware/x.js";

    fn said(files: &[(&str, &str)]) -> Vec<String> {
        let root = workspace(files);
        read(root.path()).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_literal_require_that_cannot_work_is_an_error_with_its_place_and_what_to_do() {
        let said = said(&[(HOOK, "const url = 1\nconst u = require('url')\nconst m = require('moment')\n")]);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with(&format!("{HOOK}:2:11: error: Cannot find module 'url'\n")), "{}", said[0]);
        assert!(said[0].contains("> 2 | const u = require('url')"), "{}", said[0]);
        assert!(said[0].contains("help: it is a module of Node"), "{}", said[0]);
        assert!(said[1].contains("npm install moment"), "{}", said[1]);
    }

    #[test]
    fn what_may_not_run_is_a_warning_and_what_is_tried_is_none() {
        let said = said(&[(
            HOOK,
            "const f = () => require('gone')\ntry { require('other') } catch {}\nconst a = require('axios'), l = require('lodash/get')\n",
        )]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(":1:17: warning: Cannot find module 'gone'"), "{}", said[0]);
    }

    #[test]
    fn a_package_that_needs_a_module_of_node_is_said_where_it_is_required() {
        let said = said(&[
            (HOOK, "const p = require('pack'), fine = require('fine')\n"),
            ("node_modules/pack/index.js", "module.exports = require('./lib/inner')"),
            ("node_modules/pack/lib/inner.js", "require('..')\nconst fs = require('fs')"),
            ("node_modules/fine/index.js", "if (process.versions) require('fs')\ntry { require('zlib') } catch (e) {}"),
        ]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with(&format!("{HOOK}:1:11: error: Cannot use module 'pack'\n")), "{}", said[0]);
        assert!(
            said[0].contains("help: node_modules/pack/lib/inner.js requires 'fs': scripts have no access"),
            "{}",
            said[0]
        );
    }

    #[test]
    fn a_copy_of_a_package_of_the_server_that_does_not_work_is_said_to_be_removed() {
        let said = said(&[
            (HOOK, "require('lodash')\nrequire('mustache')\n"),
            ("node_modules/lodash/index.js", "require('fs')"),
            ("node_modules/mustache/package.json", r#"{ "type": "module", "exports": { "import": "./index.js" } }"#),
        ]);
        assert_eq!(said.len(), 1, "{said:?}");
        let help = "help: lodash is part of the server: remove it from node_modules (`npm uninstall lodash`)";
        assert!(said[0].ends_with(help), "{}", said[0]);
    }

    #[test]
    fn a_package_that_has_only_es_modules_is_said_where_it_is_required_with_what_works() {
        let said = said(&[
            (HOOK, "const { nanoid } = require('nanoid')\n"),
            ("node_modules/nanoid/package.json", r#"{ "type": "module", "main": "index.js" }"#),
            ("node_modules/nanoid/index.js", "export const nanoid = 1"),
        ]);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("node_modules/nanoid/index.js:1:1: warning: this is an ES module"), "{}", said[0]);
        assert!(said[0].contains("help: node_modules/nanoid has only ES modules"), "{}", said[0]);
        assert!(said[0].contains("require('nanoid/non-secure')") && !said[0].contains("esbuild"), "{}", said[0]);
        assert!(said[1].starts_with(&format!("{HOOK}:1:20: error: Cannot use module 'nanoid'\n")), "{}", said[1]);
        assert!(said[1].contains("help: node_modules/nanoid/index.js cannot be used"), "{}", said[1]);
    }

    #[test]
    fn what_a_package_calls_an_es_module_and_is_none_is_required() {
        let package = r#"{ "type": "module", "main": "./dist/cjs/index.js", "exports": { "import": "./index.js" } }"#;
        let said = said(&[
            (HOOK, "require('nested')\nrequire('umd')\nrequire('bare')\n"),
            ("node_modules/nested/package.json", package),
            ("node_modules/nested/dist/cjs/package.json", r#"{ "type": "commonjs" }"#),
            ("node_modules/nested/dist/cjs/index.js", "exports.x = 1"),
            ("node_modules/nested/index.js", "export const x = 1"),
            ("node_modules/umd/package.json", r#"{ "type": "module", "main": "umd.js" }"#),
            ("node_modules/umd/umd.js", "typeof module === 'object' ? module.exports = {} : globalThis.umd = {}"),
            ("node_modules/bare/package.json", r#"{ "type": "module" }"#),
            ("node_modules/bare/index.js", "module.exports = {}"),
        ]);
        assert!(said.is_empty(), "{said:?}");
    }

    #[test]
    fn a_package_of_es_modules_is_no_error_where_its_failing_is_tried() {
        let said = said(&[
            (HOOK, "try { require('esm') } catch {}\n"),
            ("node_modules/esm/package.json", r#"{ "type": "module", "main": "index.js" }"#),
            ("node_modules/esm/index.js", "export default 1"),
        ]);
        assert!(said.len() == 1 && said[0].contains("warning: this is an ES module"), "{said:?}");
    }
}
