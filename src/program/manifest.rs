//! What a `package.json` says of which file `require` gives.

use serde_json::Value;

use crate::config::jsonc;

/// A `package.json`, as far as it is looked at.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    main: Option<String>,
    /// What comes before `main` alone. Files of `exports` that are there for `require`, those for browsers first: others may need
    /// modules of Node. Then the file that `browser` names; and if there is one of these, `main` behind them.
    exported: Vec<String>,
    /// `"type": "module"`.
    module: bool,
    /// There is an entry, and it is none for `require`.
    for_import: bool,
}

impl Manifest {
    /// Reads one. Comments are as welcome as in any other JSON file of a workspace.
    pub(super) fn read(text: &str) -> Self {
        let parsed = serde_json::from_str(text).ok().or_else(|| jsonc::parse("package.json", text).ok());
        let Some(json): Option<Value> = parsed else { return Self::default() };
        let main = json.get("main").and_then(Value::as_str).filter(|main| !main.is_empty());
        let module = json.get("type").and_then(Value::as_str) == Some("module");
        let exports = json.get("exports").map(|exports| exports.get(".").unwrap_or(exports));
        let mut exported = Vec::new();
        if let Some(exports) = exports {
            for_require(exports, Conditions { module, ..Conditions::default() }, &mut exported);
        }
        exported.sort_by_key(|(conditions, _)| conditions.rank());
        let mut exported: Vec<String> = exported.into_iter().map(|(_, file)| file).collect();
        let imported = || exports.is_some() && exported.is_empty() || json.get("module").is_some();
        let for_import = main.map_or_else(imported, |main| main.ends_with(".mjs"));
        let browser = json.get("browser").and_then(Value::as_str);
        let is_script = |file: &&str| file.ends_with(".cjs") || !module && !file.ends_with(".mjs");
        exported.extend(browser.filter(is_script).map(ToOwned::to_owned));
        let mut main = main.map(ToOwned::to_owned);
        if !exported.is_empty() {
            exported.extend(main.take());
        }
        Self { main, exported, module, for_import }
    }

    /// The files that may be meant, the likeliest first. A `main` that the package calls an ES module comes last: a
    /// `package.json` beside it may say otherwise, or it may be made for both, and the parser finds out.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let is_script = |main: &str| !self.module || main.ends_with(".cjs") || main.ends_with(".json");
        let (sure, doubtful) = match self.main.as_deref() {
            Some(main) if is_script(main) => (Some(main), None),
            main => (None, main),
        };
        sure.into_iter().chain(self.exported.iter().map(String::as_str)).chain(doubtful)
    }

    /// Whether the package has nothing but ES modules, given that neither its [`Manifest::files`] nor its `index.js` is there.
    pub(super) fn is_module(&self) -> bool {
        self.module || self.for_import
    }
}

/// Under which conditions a file is exported.
#[derive(Debug, Default, Clone, Copy)]
struct Conditions {
    /// `browser`.
    browser: bool,
    /// `require`.
    require: bool,
    /// It is an ES module unless its name says otherwise.
    module: bool,
}

impl Conditions {
    /// The place among those that may be meant. What is for browsers and not for `require` may be an ES module.
    fn rank(self) -> u8 {
        match (self.require, self.browser) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }
    }
}

/// Collects the files that `exports` has for `require`. In an ES module a file is one unless its name or its condition says otherwise.
fn for_require(exports: &Value, under: Conditions, into: &mut Vec<(Conditions, String)>) {
    match exports {
        Value::String(file)
            if file.ends_with(".cjs") || file.ends_with(".json") || !under.module && file.ends_with(".js") =>
        {
            into.push((under, file.clone()));
        }
        Value::Array(several) => several.iter().for_each(|one| for_require(one, under, into)),
        Value::Object(conditions) => {
            for (condition, one) in conditions {
                match condition.as_str() {
                    // Another entry of the package.
                    condition if condition.starts_with('.') => {}
                    "import" | "module" | "types" | "deno" | "worker" | "react-native" => {}
                    "require" => for_require(one, Conditions { require: true, module: false, ..under }, into),
                    "browser" => for_require(one, Conditions { browser: true, ..under }, into),
                    _ => for_require(one, under, into),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Vec<String> {
        Manifest::read(text).files().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_package_gives_its_main_else_what_it_exports_for_require() {
        assert_eq!(files(r#"{ "main": "./dist/main" }"#), ["./dist/main"]);
        assert_eq!(files(r#"{ "exports": "./index.js" }"#), ["./index.js"]);
        assert_eq!(
            files(r#"{ "exports": { ".": { "import": "./a.js", "default": "./b.js" }, "./c": "./c.js" } }"#),
            ["./b.js"]
        );
        let axios = r#"{ "main": "index.js", "type": "module", "exports": { ".": { "types": { "require": "./index.d.cts" },
            "browser": { "require": "./browser.cjs", "default": "./index.js" },
            "default": { "require": "./node.cjs", "default": "./index.js" } } } }"#;
        assert_eq!(files(axios), ["./browser.cjs", "./node.cjs", "index.js"]);
        let below = r#"{ "type": "module", "exports": { "node": { "require": "./cjs/n.js" }, "browser": { "require": "./cjs/b.js" } } }"#;
        assert_eq!(files(below), ["./cjs/b.js", "./cjs/n.js"]);
    }

    #[test]
    fn what_a_package_exports_comes_before_its_browser_file_and_that_before_its_main() {
        let uuid = r#"{ "main": "./dist/index.js", "exports": { ".": {
            "node": { "require": "./dist/index.js", "import": "./wrapper.mjs" },
            "browser": { "import": "./dist/esm-browser/index.js", "require": "./dist/commonjs-browser/index.js" } } } }"#;
        assert_eq!(files(uuid), ["./dist/commonjs-browser/index.js", "./dist/index.js", "./dist/index.js"]);
        let preact = r#"{ "main": "./dist/preact.js", "exports": { ".": {
            "browser": "./dist/preact.module.js", "import": "./dist/preact.mjs", "require": "./dist/preact.js" } } }"#;
        assert_eq!(files(preact)[0], "./dist/preact.js");
        assert_eq!(files(r#"{ "main": "node.js", "browser": "umd.js" }"#), ["umd.js", "node.js"]);
        assert_eq!(files(r#"{ "main": "node.js", "browser": { "fs": false } }"#), ["node.js"]);
        assert_eq!(files(r#"{ "main": "node.js", "browser": "es.mjs" }"#), ["node.js"]);
    }

    #[test]
    fn a_package_of_es_modules_only_is_known() {
        for text in [
            r#"{ "type": "module", "main": "index.js" }"#,
            r#"{ "type": "module" }"#,
            r#"{ "main": "index.mjs" }"#,
            r#"{ "exports": { "import": "./index.js" } }"#,
            r#"{ "module": "./index.js" }"#,
        ] {
            let manifest = Manifest::read(text);
            assert!(manifest.is_module(), "{text}");
        }
        assert!(files(r#"{ "type": "module", "exports": { "import": "./index.js" } }"#).is_empty());
        for text in ["{}", "{", r#"{ "main": "gone.js" }"#, r#"{ "exports": { "require": "./gone.js" } }"#] {
            assert!(!Manifest::read(text).is_module(), "{text}");
        }
    }
}
