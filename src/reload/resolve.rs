//! Where a literal `require` leads: the files that the server sends along with a script. The rules are those of
//! [`program::resolve`](crate::program::resolve); what is not found here is either built in or reported by the worker.

use super::bounds::{Bounds, Real};
use crate::program::resolve::{Files, Lead, is_configuration, resolve};

/// What `require(name)` in the script `from` leads to; nothing if nothing in the workspace answers to the name.
pub(super) fn required(bounds: &Bounds, from: &str, name: &str) -> Option<Lead> {
    let files = Files {
        is_file: &|path| is_file(bounds, path),
        read: &|path| std::fs::read_to_string(bounds.root().join(path)).ok(),
    };
    resolve(from, name, &files).ok()
}

/// Links are followed within the workspace, but not to what is kept from scripts.
fn is_file(bounds: &Bounds, path: &str) -> bool {
    bounds.root().join(path).is_file()
        && match bounds.real(path) {
            Real::Inside(real) => !is_configuration(&real),
            Real::Allowed => true,
            Real::Outside | Real::Nowhere => false,
        }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;
    use crate::reload::testing::workspace;

    fn required(root: &Path, name: &str) -> Vec<String> {
        files(super::required(&Bounds::new(root, false), "hooks/k/x.js", name))
    }

    fn files(lead: Option<Lead>) -> Vec<String> {
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
        let open = Bounds::new(&root, true);
        assert_eq!(files(super::required(&open, "hooks/k/x.js", "./secret")), ["hooks/k/secret.js"]);
        // The workspace's own folder may be a link.
        let link = outer.path().join("link");
        symlink(&root, &link).unwrap();
        assert_eq!(required(&link, "./lib"), ["hooks/k/lib.js"]);
    }
}
