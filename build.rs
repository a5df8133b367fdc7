//! Build script: lists the built-in hooks, actions, content types and the welcome bot for embedding.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    for folder in ["hooks", "actions", "content-types", "bots/welcome-bot"] {
        // A folder that is not there would make every build run this again.
        if root.join(folder).exists() {
            println!("cargo::rerun-if-changed={folder}");
        }
        list(&root, folder, &mut files);
    }
    files.sort();
    let mut out = String::from("&[\n");
    for path in files {
        let source = root.join(&path);
        writeln!(out, "    BuiltinFile {{ path: {path:?}, source: include_str!({source:?}) }},").expect("memory");
    }
    out.push(']');
    let target = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("builtins.rs");
    std::fs::write(target, out).expect("the target folder is writable");
}

fn list(root: &Path, folder: &str, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            list(root, &path, files);
        } else if path.ends_with(".js") || path.ends_with(".json") {
            files.push(path);
        }
    }
}
