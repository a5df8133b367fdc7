//! What a `package.json` says of which file `require` gives.

use serde_json::Value;

use crate::config::jsonc;

/// A `package.json`, as far as it is looked at.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    main: Option<String>,
    /// Files of `exports` that are there for `require`, those for browsers first: others may need modules of Node.
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
            for_require(exports, (false, module), &mut exported);
        }
        exported.sort_by_key(|(browser, _)| !browser);
        let imported = || exports.is_some() && exported.is_empty() || json.get("module").is_some();
        let for_import = main.map_or_else(imported, |main| main.ends_with(".mjs"));
        Self {
            main: main.map(ToOwned::to_owned),
            exported: exported.into_iter().map(|(_, file)| file).collect(),
            module,
            for_import,
        }
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

/// Collects the files that `exports` has for `require`, with whether they are for browsers. In an ES module a file is one unless its
/// name or its condition says otherwise.
fn for_require(exports: &Value, (browser, module): (bool, bool), into: &mut Vec<(bool, String)>) {
    match exports {
        Value::String(file)
            if file.ends_with(".cjs") || file.ends_with(".json") || !module && file.ends_with(".js") =>
        {
            into.push((browser, file.clone()));
        }
        Value::Array(several) => several.iter().for_each(|one| for_require(one, (browser, module), into)),
        Value::Object(conditions) => {
            for (condition, one) in conditions {
                match condition.as_str() {
                    // Another entry of the package.
                    condition if condition.starts_with('.') => {}
                    "import" | "module" | "types" | "deno" | "worker" | "react-native" => {}
                    "require" => for_require(one, (browser, false), into),
                    "browser" => for_require(one, (true, module), into),
                    _ => for_require(one, (browser, module), into),
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
