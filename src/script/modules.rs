//! Where `require(name)` finds a file: among the workspace's files that came with the program, by path alone.

use std::collections::HashMap;
use std::sync::Arc;

use crate::program::resolve::{Files, Nowhere, resolve};
use crate::program::{Program, packages};

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
    /// A package that is part of the server, or one function of it: `require('lodash/get')`.
    Bundled {
        /// Its name.
        package: &'static str,
        /// The function.
        member: Option<String>,
    },
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

impl BundledModule {
    /// What is done with it once it is loaded, so that it fits into a realm: an expression whose value is a function.
    pub fn fit(&self) -> Option<&'static str> {
        FIT.iter().find(|(name, _)| *name == self.name).map(|(_, source)| *source)
    }
}

/// Packages that need something from us.
const FIT: &[(&str, &str)] = &[
    ("axios", include_str!("js/fit/axios.js")),
    ("buffer", include_str!("js/fit/buffer.js")),
    ("lodash", include_str!("js/fit/lodash.js")),
];

/// All of them.
pub const BUNDLED: &[BundledModule] = include!(concat!(env!("OUT_DIR"), "/npm.rs"));

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

    /// The file at a path.
    pub fn index_of(&self, path: &str) -> Option<u32> {
        self.by_path.get(path).copied()
    }

    /// Resolves `name` as the file `from` requires it.
    pub fn resolve(&self, program: &Program, from: &str, name: &str) -> Resolution {
        let script = |path: &str| program.scripts.get(*self.by_path.get(path)? as usize);
        let files = Files {
            is_file: &|path| self.by_path.contains_key(path),
            read: &|path| script(path).map(|script| script.source.to_string()),
        };
        let nowhere = match resolve(from, name, &files) {
            Ok(lead) => match self.by_path.get(lead.file.as_str()) {
                Some(index) => return Resolution::Script(*index),
                None => Nowhere::default(),
            },
            Err(nowhere) => nowhere,
        };
        if let Some((package, member)) = packages::bundled(name) {
            return Resolution::Bundled { package, member: member.map(ToOwned::to_owned) };
        }
        // What the server was led to and did not send could not be read.
        let requires = script(from).map_or(&[][..], |script| &script.shape.requires);
        let refused = requires.iter().filter(|one| one.name == name).find_map(|one| one.file.as_deref());
        if let Some(file) = refused.filter(|file| script(file).is_none()) {
            let why = packages::own_copy(file).unwrap_or_else(|| "the log and `nudge check` say why".into());
            return Resolution::Missing(format!(
                "Cannot find module '{name}' (required by {from}); {file} cannot be used: {why}"
            ));
        }
        let advice = packages::advice(name, &nowhere, &files);
        Resolution::Missing(match (advice.is_empty(), nowhere.outside) {
            (_, true) => format!("Cannot find module '{name}': {advice} (required by {from})"),
            (true, _) => format!("Cannot find module '{name}' (required by {from})"),
            _ => format!("Cannot find module '{name}' (required by {from}); {advice}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Role, Script, Shape};

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
    fn the_server_knows_which_packages_are_bundled() {
        assert!(BUNDLED.iter().map(|module| module.name).eq(packages::BUNDLED));
    }

    #[test]
    fn a_package_that_has_only_es_modules_is_said_to_be_one() {
        let program = program(&[
            ("hooks/a/x.js", ""),
            ("node_modules/nanoid/package.json", r#"{ "type": "module", "main": "index.js" }"#),
            ("node_modules/nanoid/index.mjs", ""),
        ]);
        let Resolution::Missing(said) = ModuleIndex::new(&program).resolve(&program, "hooks/a/x.js", "nanoid") else {
            panic!()
        };
        assert!(said.contains("node_modules/nanoid has only ES modules"), "{said}");
        assert!(said.contains("nanoid/non-secure") && !said.contains("esbuild"), "{said}");
        assert!(packages::es_module("node_modules/ms").contains("npx esbuild ./node_modules/ms --bundle"));
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
    fn a_bundled_package_gives_way_to_the_workspaces_own_and_is_there_whole_or_by_function() {
        let program =
            program(&[("hooks/a/x.js", ""), ("bots/b/x.js", ""), ("bots/b/node_modules/lodash/index.js", "")]);
        let index = ModuleIndex::new(&program);
        let resolve = |from, name| index.resolve(&program, from, name);
        let whole = Resolution::Bundled { package: "lodash", member: None };
        let get = Resolution::Bundled { package: "lodash", member: Some("get".into()) };
        assert_eq!(resolve("hooks/a/x.js", "lodash"), whole);
        assert_eq!(resolve("hooks/a/x.js", "lodash/get"), get);
        assert_eq!(resolve("hooks/a/x.js", "lodash/get.js"), get);
        assert_eq!(resolve("bots/b/x.js", "lodash"), Resolution::Script(2));
        assert!(matches!(resolve("hooks/a/x.js", "mustache/render"), Resolution::Missing(_)));
        assert!(matches!(resolve("hooks/a/x.js", "./lodash"), Resolution::Missing(_)));
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
        assert!(message("/etc/passwd").contains("outside the workspace"));
        assert!(message("../../botpress.config.json").contains("configuration is kept from scripts"));
        assert!(message("child_process").contains("not offered"));
        assert!(message("node:crypto").contains("it is a module of Node, and this version does not offer it"));
        assert!(message("moment").contains("npm install moment"));
        assert!(message("./nope").contains("hooks/a/nope.js"));
    }
}
