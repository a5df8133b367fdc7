//! Build script: bundles the npm packages that scripts may require, builds the chat widget, and lists the built-in files
//! that are embedded.
//!
//! It writes three Rust expressions into `OUT_DIR`:
//! `npm.rs`, a `&[BundledModule { name, source }]` (one CommonJS text for each row of [`BUNDLED`]),
//! `builtins.rs`, a `&[BuiltinFile { path, source }]` (every `.js` and `.json` file below [`BUILTIN_FOLDERS`], by path), and
//! `webchat.rs`, a `Widget { … }` with every file that `webchat/build.mjs` makes.

use std::error::Error;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// Packages that scripts may `require`, at their real implementations, and which of their builds is taken: one for Node
/// may use Node's own modules, one for browsers only what browsers have. To add one: `npm install --package-lock-only
/// --save-exact <name>`, and its name here.
const BUNDLED: &[(&str, &str)] =
    &[("axios", "browser"), ("buffer", "browser"), ("lodash", "node"), ("mustache", "node")];

/// What of the language a package gets something of ours for, and the file that exports it under that name.
const REPLACED: &[(&str, &str, &str)] =
    &[("buffer", "Object.setPrototypeOf=setPrototypeLater", "src/script/js/bundle/buffer.js")];

/// Folders of the repository that are embedded as built-ins.
const BUILTIN_FOLDERS: &[&str] = &["actions", "bots/welcome-bot", "content-types", "hooks"];

/// What npm needs to install the same packages each time.
const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];

/// What the widget is built from, in `webchat/`, besides the manifests.
const WIDGET_SOURCES: [&str; 3] = ["build.mjs", "tsconfig.json", "src"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() {
    if let Err(error) = run() {
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
        std::process::exit(1);
    }
}

fn run() -> Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    for manifest in MANIFESTS {
        println!("cargo::rerun-if-changed={manifest}");
    }
    for (_, _, file) in REPLACED {
        println!("cargo::rerun-if-changed={file}");
    }
    for folder in BUILTIN_FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
    }
    for name in MANIFESTS.iter().chain(&WIDGET_SOURCES) {
        println!("cargo::rerun-if-changed=webchat/{name}");
    }
    let work = out.join("npm-work");
    install(&root, &work, "--include=dev")?;
    write_if_new(&out.join("npm.rs"), &bundle_all(&root, &work, &out.join("npm"))?)?;
    write_if_new(&out.join("builtins.rs"), &list_builtins(&root)?)?;
    let work = out.join("webchat-work");
    install(&root.join("webchat"), &work, "--omit=dev")?;
    write_if_new(&out.join("webchat.rs"), &build_widget(&root.join("webchat"), &work)?)?;
    Ok(())
}

/// Builds the widget from a copy, so that nothing is written into the checkout; returns the text of `webchat.rs`.
fn build_widget(from: &Path, work: &Path) -> Result<String> {
    for name in WIDGET_SOURCES {
        let to = work.join(name);
        if to.is_dir() {
            fs::remove_dir_all(&to)?;
        }
        copy(&from.join(name), &to)?;
    }
    let dist = work.join("dist");
    let mut node = Command::new("node");
    node.arg("build.mjs").arg(&dist).current_dir(work);
    finish(node, "building the chat widget (webchat/build.mjs)")?;
    let mut names = Vec::new();
    names_below(&dist, "", &mut names)?;
    names.sort();
    let mut table = String::from("Widget {\n    files: &[\n");
    let packed = |name: &str| name.ends_with(".br") || name.ends_with(".gz");
    for name in names.iter().filter(|name| !packed(name) && *name != "manifest.json") {
        let file = dist.join(name);
        let path = utf8(&file)?;
        let mut hasher = DefaultHasher::new();
        fs::read(&file)?.hash(&mut hasher);
        let tag = format!("{:016x}", hasher.finish());
        writeln!(
            table,
            "        WidgetFile {{ name: {name:?}, tag: {tag:?}, plain: include_bytes!({path:?}), brotli: include_bytes!({:?}), \
             gzip: include_bytes!({:?}) }},",
            format!("{path}.br"),
            format!("{path}.gz"),
        )?;
    }
    writeln!(table, "    ],\n    manifest: include_str!({:?}),\n}}", utf8(&dist.join("manifest.json"))?)?;
    Ok(table)
}

/// Collects the names of the files below a folder, with `/`.
fn names_below(folder: &Path, path: &str, names: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{path}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            names_below(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// Copies a file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        fs::copy(from, to).map_err(|error| format!("cannot read {}: {error}", from.display()))?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Installs what the lock file of `root` names into `work`, with or without what only tests need. Does nothing, and needs no network, while the lock file stays as it is.
fn install(root: &Path, work: &Path, dev: &str) -> Result<()> {
    fs::create_dir_all(work)?;
    let stamp = work.join("installed");
    let mut wanted = String::new();
    for manifest in MANIFESTS {
        let text = fs::read_to_string(root.join(manifest))
            .map_err(|error| format!("cannot read {}: {error}", root.join(manifest).display()))?;
        write_if_new(&work.join(manifest), &text)?;
        wanted.push_str(&text);
    }
    if fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
        return Ok(());
    }
    let _ = fs::remove_file(&stamp);
    // esbuild ships its program inside a package of its own, so no package needs to run an install script.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--prefer-offline", dev, "--include=optional"])
        .args(["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"])
        .current_dir(work);
    finish(npm, "npm ci")?;
    fs::write(stamp, wanted)?;
    Ok(())
}

/// Bundles each package into one file of `to`; returns the text of `npm.rs`.
fn bundle_all(root: &Path, work: &Path, to: &Path) -> Result<String> {
    fs::create_dir_all(to)?;
    let mut table = String::from("&[\n");
    for (name, platform) in BUNDLED {
        // An entry that requires the package gives scripts what `require(name)` gives in Node.
        let entry = work.join(format!("{}.entry.js", file_stem(name)));
        write_if_new(&entry, &format!("module.exports = require({name:?})\n"))?;
        let file = to.join(format!("{}.js", file_stem(name)));
        let mut esbuild = Command::new("node");
        esbuild
            .arg(work.join("node_modules/esbuild/bin/esbuild"))
            .arg(&entry)
            // For Node, its own modules stay `require`s: the realm has them.
            .arg(format!("--platform={platform}"))
            .args(["--bundle", "--format=cjs", "--target=es2020", "--charset=utf8"])
            // The engine keeps the text of each function, also within another one: less of it loads faster and takes less
            // of a realm's memory. Names stay as they are.
            .args(["--legal-comments=inline", "--minify-whitespace", "--log-level=warning"])
            .arg(format!("--outfile={}", file.display()))
            .current_dir(work);
        for (_, what, by) in REPLACED.iter().filter(|(package, ..)| package == name) {
            esbuild.arg(format!("--define:{what}")).arg(format!("--inject:{}", root.join(by).display()));
        }
        finish(esbuild, &format!("esbuild ({name})"))?;
        writeln!(table, "    BundledModule {{ name: {name:?}, source: include_str!({:?}) }},", utf8(&file)?)?;
    }
    table.push_str("]\n");
    Ok(table)
}

/// The name of a bundle's file: a scope's `/` would make a folder.
fn file_stem(name: &str) -> String {
    name.replace('/', "__")
}

/// The text of `builtins.rs`.
fn list_builtins(root: &Path) -> Result<String> {
    let mut files = Vec::new();
    for folder in BUILTIN_FOLDERS {
        walk(&root.join(folder), folder, &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for (path, absolute) in files {
        writeln!(table, "    BuiltinFile {{ path: {path:?}, source: include_str!({:?}) }},", utf8(&absolute)?)?;
    }
    table.push_str("]\n");
    Ok(table)
}

/// Collects the `.js` and `.json` files below a folder, less those that are hidden (a leading dot disables).
fn walk(folder: &Path, path: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| format!("{}: the name is not UTF-8", entry.path().display()))?;
        if name.starts_with('.') || name == "node_modules" {
            continue;
        }
        let path = format!("{path}/{name}");
        if entry.path().is_dir() {
            walk(&entry.path(), &path, files)?;
        } else if name.ends_with(".js") || name.ends_with(".json") {
            files.push((path, entry.path()));
        }
    }
    Ok(())
}

/// Runs a command; what it printed is the error when it fails.
fn finish(mut command: Command, what: &str) -> Result<()> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!(
            "cannot run {what}: {:?} was not found. Building nudge needs Node.js 20.19 or newer with npm: install it from \
             https://nodejs.org or with your system's package manager, then build again",
            command.get_program()
        ),
        _ => format!("cannot run {what}: {error}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(format!("{what} failed ({}):\n{}", output.status, String::from_utf8_lossy(&printed).trim()).into())
}

/// Writes a file unless it holds that text already, so that nothing is compiled again for nothing.
fn write_if_new(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| format!("{}: the path is not UTF-8", path.display()).into())
}
