//! Keeps the house in order: layers, first lines, lengths, and who may use which library.
//!
//! The rules are those of `ARCHITECTURE.md`; each failure says which file breaks which one.

#[path = "tidy/structure.rs"]
mod structure;
#[path = "tidy/syntax.rs"]
mod syntax;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a top module stands. A module uses modules of its own side, or of the wall, in its own row or a lower one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Server,
    Worker,
    Wall,
}

/// Top modules with their side and row, from the table in `ARCHITECTURE.md`. Row 0 is the lowest.
const LAYERS: [(&str, Side, u32); 27] = [
    ("main", Side::Server, 16),
    ("fuzzing", Side::Server, 16),
    ("cli", Side::Server, 16),
    ("app", Side::Server, 15),
    ("web", Side::Server, 14),
    ("reload", Side::Server, 13),
    ("dispatch", Side::Server, 12),
    ("services", Side::Server, 11),
    ("fleet", Side::Server, 10),
    ("store", Side::Server, 10),
    ("worker", Side::Worker, 12),
    ("engine", Side::Worker, 11),
    ("script", Side::Worker, 10),
    ("parsing", Side::Worker, 9),
    ("sdk", Side::Wall, 1),
    ("protocol", Side::Wall, 0),
    ("program", Side::Wall, 0),
    ("reading", Side::Wall, 0),
    ("model", Side::Wall, 0),
    ("config", Side::Wall, 0),
    ("telemetry", Side::Wall, 0),
    ("clock", Side::Wall, 0),
    ("shares", Side::Wall, 0),
    ("code_frame", Side::Wall, 0),
    ("shutdown", Side::Wall, 0),
    ("os", Side::Wall, 0),
    ("beneath", Side::Wall, 0),
];

/// Imports against the table, each with its reason.
const EXCEPTIONS: [(&str, &str, &str); 4] = [
    ("cli/worker.rs", "worker", "the hidden command that turns this process into a worker"),
    ("reload/testing.rs", "parsing", "unit tests, of which none starts a process, read files in their own"),
    ("fuzzing/workspace.rs", "parsing", "fuzz targets are no part of the server, and look at both sides of the wall"),
    ("fuzzing/texts.rs", "engine", "the same"),
];

/// Where the parser of scripts may be named; what the server's command `types` declares is parsed by its test alone.
const PARSING: &[&str] = &["parsing.rs", "parsing/", "cli/types.rs"];
const NO_PARSER: &str = "a text may end the process that parses it: the server has that done by one which may die";

/// Libraries and where they may be named: `(word, places, why)`. A place is a file or a folder of `src/`.
const CONFINED: [(&str, &[&str], &str); 11] = [
    ("rquickjs", &["script.rs", "script/", "engine.rs", "engine/"], "the JavaScript engine lives in the worker alone"),
    ("axum", &["web.rs", "web/"], "only the web layer knows HTTP"),
    ("engineioxide", &["web.rs", "web/"], "only the web layer knows HTTP"),
    ("rusqlite", &["store.rs", "store/"], "only the store knows SQL"),
    ("oxc_allocator", PARSING, NO_PARSER),
    ("oxc_ast", PARSING, NO_PARSER),
    ("oxc_ast_visit", PARSING, NO_PARSER),
    ("oxc_parser", PARSING, NO_PARSER),
    ("oxc_semantic", PARSING, NO_PARSER),
    ("oxc_span", PARSING, NO_PARSER),
    ("anyhow", &["main.rs", "app.rs", "app/", "cli.rs", "cli/"], "everything below has typed errors"),
];

/// Files that may hold `unsafe`, each with its reason.
const UNSAFE: [(&str, &str); 2] = [
    ("os.rs", "forking, memory that processes share and clocks of others have no safe wrapper"),
    ("script/heap.rs", "the engine asks for its memory through a trait of pointers"),
];

/// The longest file, in lines.
const LONGEST: usize = 500;

struct File {
    /// Relative to `src/`, with `/`.
    path: String,
    text: String,
    /// The text without comments and string contents.
    code: String,
    /// The contents of its string literals.
    strings: Vec<String>,
}

impl File {
    /// The top module it belongs to: `store` for `store.rs` and `store/users.rs`.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    fn lies_in(&self, place: &str) -> bool {
        self.path == place || (place.ends_with('/') && self.path.starts_with(place))
    }
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    assert!(paths.len() > 20, "the sources were not found");
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let (code, strings) = strip(&text);
            let path = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            File { path, text, code, strings }
        })
        .collect()
}

#[test]
fn no_javascript_of_ours_is_too_long() {
    let folders =
        ["src/engine/js", "src/script/js", "actions", "hooks", "content-types", "webchat/src", "webchat/tests"];
    for path in files_below(&folders, &["js", "json", "ts", "tsx", "css"]) {
        // Texts and payloads of the widget are lists, as long as there are rows.
        if path.components().any(|part| part.as_os_str() == "webchat")
            && path.extension().is_some_and(|is| is == "json")
        {
            continue;
        }
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LONGEST, "{}: {lines} lines, at most {LONGEST}", path.display());
    }
}

#[test]
fn every_file_of_the_widget_says_first_what_it_is() {
    for path in files_below(&["webchat/src", "webchat/tests"], &["ts", "tsx"]) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("/**"), "{}: begins with `/** What it is. */`", path.display());
    }
}

/// The files below folders of the repository that have one of these extensions.
fn files_below(folders: &[&str], extensions: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|is| extensions.iter().any(|one| is == *one)) {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "there is nothing in these folders");
    files
}

fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// Parts code from comments (dropped) and from the contents of strings (returned apart).
fn strip(text: &str) -> (String, Vec<String>) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut strings) = (String::new(), Vec::new());
    let mut at = 0;
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    while at < chars.len() {
        let word_before = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
        if starts(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "/*") {
            let mut depth = 0;
            loop {
                if starts(at, "/*") {
                    depth += 1;
                    at += 2;
                } else if starts(at, "*/") {
                    depth -= 1;
                    at += 2;
                } else {
                    at += 1;
                }
                if depth == 0 || at >= chars.len() {
                    break;
                }
            }
        } else if let Some((hashes, from)) = (!word_before).then(|| raw_string(&chars, at)).flatten() {
            let end = format!("\"{}", "#".repeat(hashes));
            let mut to = from;
            while to < chars.len() && !starts(to, &end) {
                to += 1;
            }
            strings.push(chars[from..to.min(chars.len())].iter().collect());
            code.push_str("\"\"");
            at = to + end.len();
        } else if chars[at] == '"' {
            let from = at + 1;
            at = from;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            strings.push(chars[from..at.min(chars.len())].iter().collect());
            code.push_str("\"\"");
            at += 1;
        } else if chars[at] == '\'' && (chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'')) {
            // A character, not a lifetime.
            at += if chars.get(at + 1) == Some(&'\\') { 3 } else { 2 };
            while at < chars.len() && chars[at] != '\'' {
                at += 1;
            }
            code.push_str("' '");
            at += 1;
        } else {
            code.push(chars[at]);
            at += 1;
        }
    }
    (code, strings)
}

/// Whether a raw string (`r"`, `br#"`, `cr##"`) begins there: its number of `#` and where its content begins.
fn raw_string(chars: &[char], mut at: usize) -> Option<(usize, usize)> {
    if matches!(chars.get(at), Some('b' | 'c')) {
        at += 1;
    }
    if chars.get(at) != Some(&'r') {
        return None;
    }
    at += 1;
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + hashes) == Some(&'"')).then_some((hashes, at + hashes + 1))
}

/// Words of code in order, `::`, `{`, `}`, `,` and `;` among them.
fn words(code: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            out.push(std::mem::take(&mut word));
        }
        if c == ':' && chars.peek() == Some(&':') {
            chars.next();
            out.push("::".into());
        } else if matches!(c, '{' | '}' | ',' | ';') {
            out.push(c.into());
        }
    }
    out
}

/// Top modules that the code names through `crate::`, also in groups (`use crate::{a::B, c}`).
fn imports(code: &str) -> Vec<String> {
    let words = words(code);
    let mut found = Vec::new();
    for at in 0..words.len() {
        if words[at] != "crate" || words.get(at + 1).is_none_or(|next| next != "::") {
            continue;
        }
        match words.get(at + 2).map(String::as_str) {
            Some("{") => {
                let (mut depth, mut first) = (1, true);
                for word in &words[at + 3..] {
                    match word.as_str() {
                        "{" => depth += 1,
                        "}" => depth -= 1,
                        "," if depth == 1 => first = true,
                        name if depth == 1 && first => {
                            found.push(name.to_owned());
                            first = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            Some(name) => found.push(name.to_owned()),
            None => {}
        }
    }
    found
}

/// Fails with all that was found at once.
fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_module_imports_only_its_own_row_and_lower_ones_of_its_side() {
    let rows: BTreeMap<&str, (Side, u32)> = LAYERS.iter().map(|(name, side, row)| (*name, (*side, *row))).collect();
    let mut faults = Vec::new();
    for file in sources().iter().filter(|file| file.path != "lib.rs") {
        let Some((side, row)) = rows.get(file.module()) else {
            faults.push(format!("src/{}: its module is not in the table of layers (tests/tidy.rs)", file.path));
            continue;
        };
        for target in imports(&file.code) {
            let Some((target_side, target_row)) = rows.get(target.as_str()) else { continue };
            let fine =
                target == file.module() || ((target_side == side || *target_side == Side::Wall) && target_row <= row);
            let known = EXCEPTIONS.iter().any(|(path, module, _)| *path == file.path && *module == target);
            if !fine && !known {
                faults.push(format!(
                    "src/{}: uses crate::{target} ({target_side:?}, row {target_row}), but stands at {side:?}, row {row}",
                    file.path
                ));
            }
        }
    }
    faults.dedup();
    report(&faults);
}

#[test]
fn libraries_stay_where_they_belong() {
    let mut faults = Vec::new();
    for file in &sources() {
        let words = words(&file.code);
        for (library, places, why) in CONFINED {
            if words.iter().any(|word| word == library) && !places.iter().any(|place| file.lies_in(place)) {
                faults.push(format!("src/{}: names {library}; {why}", file.path));
            }
        }
        let verbs =
            ["SELECT ", "INSERT INTO ", "INSERT OR ", "DELETE FROM ", "CREATE TABLE ", "CREATE INDEX ", "PRAGMA "];
        let sql = file.strings.iter().find(|text| verbs.iter().any(|verb| text.trim_start().starts_with(verb)));
        if let Some(sql) = sql.filter(|_| file.module() != "store") {
            faults.push(format!("src/{}: holds SQL outside of the store: {sql:?}", file.path));
        }
    }
    report(&faults);
}

#[test]
fn every_library_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("build.rs")];
    for folder in ["src", "tests", "benches"] {
        collect(&root.join(folder), &mut paths);
    }
    let used: BTreeSet<String> =
        paths.iter().flat_map(|path| words(&strip(&fs::read_to_string(path).unwrap()).0)).collect();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let mut faults = Vec::new();
    let mut libraries = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            libraries = line.ends_with("dependencies]");
        } else if libraries
            && let Some((name, _)) = line.split_once(" = ")
            && !used.contains(&name.replace('-', "_"))
        {
            faults.push(format!("Cargo.toml: {name} is used nowhere"));
        }
    }
    report(&faults);
}

#[test]
fn unsafe_code_is_only_in_the_listed_files() {
    let mut faults = Vec::new();
    for file in &sources() {
        let used = words(&file.code).iter().any(|word| word == "unsafe");
        let listed = UNSAFE.iter().any(|(path, _)| *path == file.path);
        if used && !listed {
            faults.push(format!("src/{}: holds `unsafe` and is not in the list (tests/tidy.rs)", file.path));
        }
        if listed && !used {
            faults.push(format!("src/{}: is listed for `unsafe` and holds none: take it off the list", file.path));
        }
    }
    for (path, reason) in UNSAFE {
        assert!(!reason.is_empty(), "{path} has no reason");
    }
    report(&faults);
}

#[test]
fn every_file_says_first_what_it_is_and_is_not_too_long() {
    let mut faults = Vec::new();
    for file in &sources() {
        if !file.text.starts_with("//! ") {
            faults.push(format!("src/{}: the first line must be a `//!` that says what the file is", file.path));
        }
        let lines = file.text.lines().count();
        if lines > LONGEST {
            faults.push(format!("src/{}: {lines} lines; split it, {LONGEST} is the most", file.path));
        }
        if file.path.ends_with("/mod.rs") {
            faults.push(format!("src/{}: write foo.rs and foo/ instead of foo/mod.rs", file.path));
        }
        if ["utils", "util", "helpers", "common", "misc"].iter().any(|name| file.path.ends_with(&format!("{name}.rs")))
        {
            faults.push(format!("src/{}: a file is named after what it holds", file.path));
        }
    }
    report(&faults);
}

#[test]
fn every_allowed_lint_has_its_reason() {
    let mut faults = Vec::new();
    for file in &sources() {
        for attribute in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
            for (at, _) in file.code.match_indices(attribute) {
                let text = &file.code[at..];
                if !text[..text.find(")]").unwrap_or(text.len())].contains("reason") {
                    faults.push(format!("src/{}: an {attribute}…)] without `reason = \"…\"`", file.path));
                }
            }
        }
    }
    report(&faults);
}

#[test]
fn the_reader_of_this_test_tells_code_from_comments_and_strings() {
    let (code, strings) = strip(
        "use crate::{store::Store, web}; // crate::worker\n/* crate::app /* x */ */ let a = \"crate::b \\\" c\"; \
         let r = r#\"SELECT \"x\"\"#; let c = '\"'; let l: &'static str = crate::model::X;",
    );
    assert_eq!(imports(&code), ["store", "web", "model"]);
    assert_eq!(strings, ["crate::b \\\" c", "SELECT \"x\""]);
}
