//! What of npm and Node a script can require, and what is said where a name leads nowhere: the same when the workspace is read and
//! when the script runs.

use super::resolve::{Barred, Files, Nowhere, is_path};

/// Packages that are part of the server.
pub const BUNDLED: [&str; 4] = ["axios", "buffer", "lodash", "mustache"];

/// Those whose functions can be required one by one, each by its own name: what the package exports and its files are the
/// same functions.
pub const BY_FUNCTION: [&str; 1] = ["lodash"];

/// Packages that people know from npm, and what to do where they are missing.
const KNOWN: &[(&str, Advice)] = &[
    ("moment", Advice::Install("moment")),
    ("ms", Advice::Install("ms")),
    ("crypto-js", Advice::Install("crypto-js")),
    ("dayjs", Advice::Install("dayjs")),
    ("date-fns", Advice::Install("date-fns")),
    ("luxon", Advice::Install("luxon")),
    ("ramda", Advice::Install("ramda")),
    ("underscore", Advice::Install("underscore")),
    ("validator", Advice::Install("validator")),
    ("bluebird", Advice::Use("`Promise`, `async` and `await`")),
    ("qs", Advice::Use("`URLSearchParams`")),
    ("nanoid", Advice::Use("`npm install nanoid@3` and require('nanoid/non-secure')")),
    ("uuid", Advice::Use("`npm install nanoid@3` and require('nanoid/non-secure')")),
    ("request", Advice::Use("`fetch`, or require('axios')")),
    ("request-promise", Advice::Use("`fetch`, or require('axios')")),
    ("node-fetch", Advice::Use("`fetch`, or require('axios')")),
];

/// What to do instead.
enum Advice {
    /// It works from `node_modules`.
    Install(&'static str),
    /// It needs modules of Node, or is an ES module only; this is there.
    Use(&'static str),
}

/// Modules of Node that cannot be offered: no file system, no processes, no sockets.
const REFUSED: &[&str] = &[
    "fs",
    "fs/promises",
    "child_process",
    "net",
    "http",
    "http2",
    "https",
    "tls",
    "dgram",
    "cluster",
    "inspector",
    "worker_threads",
    "vm",
    "v8",
];

/// Other modules of Node, and what is there instead.
const NODE: &[(&str, &str)] = &[
    ("assert", ""),
    ("async_hooks", ""),
    ("constants", ""),
    (
        "crypto",
        "for ids `npm install nanoid@3` and require('nanoid/non-secure'), for digests `npm install crypto-js` and require('crypto-js/sha256')",
    ),
    ("dns", ""),
    ("events", "`npm install events` in the workspace's folder, and it is there"),
    ("module", ""),
    ("os", ""),
    ("path", "`npm install path-browserify` and require('path-browserify') are like it"),
    ("path/posix", "`npm install path-browserify` and require('path-browserify') are like it"),
    ("perf_hooks", ""),
    ("process", ""),
    ("punycode", ""),
    ("querystring", "`URLSearchParams` is there without it"),
    ("readline", ""),
    ("stream", ""),
    ("stream/promises", ""),
    ("string_decoder", "`TextDecoder` is there without it"),
    ("timers", "`setTimeout` and its kin are there without it"),
    ("timers/promises", "`setTimeout` and its kin are there without it"),
    ("tty", ""),
    ("url", "`URL` and `URLSearchParams` are there without it"),
    ("util", "`npm install util` in the workspace's folder, and it is there"),
    ("util/types", ""),
    ("zlib", ""),
];

/// Most files named that were looked for.
const TRIED: usize = 5;

/// The package of the server that a name means, and one function of it.
pub fn bundled(name: &str) -> Option<(&'static str, Option<&str>)> {
    if is_path(name) {
        return None;
    }
    let plain = name.strip_prefix("node:").unwrap_or(name);
    if let Some(package) = BUNDLED.iter().find(|package| **package == plain) {
        return Some((package, None));
    }
    let (package, member) = plain.split_once('/')?;
    let package = BY_FUNCTION.iter().find(|known| **known == package)?;
    Some((package, Some(member.strip_suffix(".js").unwrap_or(member))))
}

/// Why `require(name)` finds nothing, and what to do.
pub fn advice(name: &str, nowhere: &Nowhere, files: &Files<'_>) -> String {
    if nowhere.outside {
        return "it lies outside the workspace".into();
    }
    let plain = name.strip_prefix("node:").unwrap_or(name);
    if REFUSED.contains(&plain) {
        return "scripts have no access to files, processes or sockets, so this module is not offered".into();
    }
    if plain == "botpress" || plain.starts_with("botpress/") {
        return "it is no package of npm: what it gives scripts is `bp`, which is there without require".into();
    }
    if let Some((_, instead)) = NODE.iter().find(|(module, _)| *module == plain) {
        let said = "it is a module of Node, and this version does not offer it";
        return if instead.is_empty() { said.into() } else { format!("{said}; {instead}") };
    }
    if let Some((path, why)) = &nowhere.barred {
        let why: &Barred = why;
        return format!("{path} is not looked at: {why}");
    }
    if let Some(manifest) = &nowhere.manifest
        && (files.read)(manifest).is_some_and(|text| super::manifest::Manifest::read(&text).is_module())
    {
        let folder = manifest.trim_end_matches("/package.json");
        return es_module(folder);
    }
    let mut said: Vec<String> = known(plain).into_iter().collect();
    // Of a package that nobody here knows the name says enough, if it is one.
    if said.is_empty() && !is_path(name) && !plain.contains(|c: char| c.is_whitespace() || c == '.') {
        let parts = if plain.starts_with('@') { 2 } else { 1 };
        let package: Vec<&str> = plain.split('/').take(parts).collect();
        let package = package.join("/");
        said.push(format!("if it is a package on npm, run `npm install {package}` in the workspace's folder"));
    }
    let tried = &nowhere.tried;
    if !tried.is_empty() {
        let mut looked = format!("looked for {}", tried.iter().take(TRIED).cloned().collect::<Vec<_>>().join(", "));
        if tried.len() > TRIED {
            looked.push_str(&format!(" and {} more", tried.len() - TRIED));
        }
        said.push(looked);
    }
    said.join("; ")
}

fn known(package: &str) -> Option<String> {
    KNOWN.iter().find(|(name, _)| *name == package).map(|(_, advice)| match advice {
        Advice::Install(package) => {
            format!("it is a package on npm: run `npm install {package}` in the workspace's folder")
        }
        Advice::Use(what) => format!("it is a package on npm that does not work here; use {what} instead"),
    })
}

/// What to use instead of a package that is known not to work, or is part of the server.
fn instead_of(package: &str) -> Option<String> {
    if BUNDLED.contains(&package) {
        return Some(in_the_server(package));
    }
    KNOWN.iter().any(|(name, advice)| *name == package && matches!(advice, Advice::Use(_))).then(|| known(package))?
}

/// What is said of a copy of a package of the server that cannot be used.
fn in_the_server(package: &str) -> String {
    format!("{package} is part of the server: remove it from node_modules (`npm uninstall {package}`)")
}

/// What to do where a file of the workspace's own copy of a package of the server cannot be used.
pub fn own_copy(file: &str) -> Option<String> {
    let (_, within) = file.rsplit_once("node_modules/")?;
    let package = within.split('/').next()?;
    BUNDLED.contains(&package).then(|| in_the_server(package))
}

/// What is said of a package in that folder that has ES modules only.
pub fn es_module(folder: &str) -> String {
    let package = folder.rsplit_once("node_modules/").map_or(folder, |(_, package)| package);
    if let Some(instead) = instead_of(package) {
        return format!("{folder} has only ES modules, and scripts are CommonJS: {instead}");
    }
    let file = package.trim_start_matches('@').replace('/', "-");
    format!(
        "{folder} has only ES modules, and scripts are CommonJS: install an older version of it that has CommonJS \
         (`npm install {package}@<version>`), or make one file of it, `npx esbuild ./{folder} --bundle --format=cjs \
         --outfile=libraries/{file}-bundle.js`, and write require('{file}-bundle'), with `.default` for what it exports by default"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_of_node_is_said_to_be_none_of_ours_with_what_is_there_instead() {
        let nothing = Files { is_file: &|_| false, read: &|_| None };
        let said = |name| advice(name, &Nowhere::default(), &nothing);
        assert!(said("node:fs").contains("is not offered"));
        assert!(said("url").ends_with("does not offer it; `URL` and `URLSearchParams` are there without it"));
        assert!(
            said("node:path").ends_with(
                "does not offer it; `npm install path-browserify` and require('path-browserify') are like it"
            )
        );
        for (module, instead) in
            [("crypto", "crypto-js/sha256"), ("util", "npm install util"), ("events", "npm install events")]
        {
            assert!(said(module).contains(instead), "{module}");
        }
        assert!(said("botpress/sdk").contains("`bp`") && !said("botpress/sdk").contains("npm install"));
        assert!(said("zlib").ends_with("does not offer it"));
        assert!(said("request").ends_with("use `fetch`, or require('axios') instead"));
        assert!(said("@own/pack/lib/x").contains("`npm install @own/pack`"));
        assert!(said("mustache/render").contains("`npm install mustache`"));
        assert!(said("moment").ends_with("run `npm install moment` in the workspace's folder"));
    }
}
