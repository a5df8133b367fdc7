//! How long a look, a candidate and its way into service take in large workspaces. Not run by itself:
//! `cargo test --lib reload::measure -- --ignored --nocapture`.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::builtin::BUILTINS;
use super::candidate::{Candidate, finish};
use super::pass::Watching;
use super::pending_changes::Hints;
use super::report::changes;
use super::testing::{reader, write};
use super::workspace::Workspace;
use crate::config::Settings;
use crate::program::{Images, Role};
use crate::protocol::{Compiled, ContentTypeInfo};

/// A large workspace.
struct Size {
    name: &'static str,
    bots: usize,
    packages: usize,
    files: usize,
    libraries: usize,
}

const SIZES: [Size; 3] = [
    Size { name: "300 bots", bots: 300, packages: 0, files: 0, libraries: 0 },
    Size { name: "30 bots, 24 packages of 25 files", bots: 30, packages: 24, files: 25, libraries: 0 },
    Size { name: "400 bots, 600 modules", bots: 400, packages: 0, files: 0, libraries: 600 },
];

fn fill(root: &Path, size: &Size) {
    for package in 0..size.packages {
        let folder = format!("node_modules/p{package}");
        write(root, &format!("{folder}/package.json"), r#"{ "main": "lib/f0.js" }"#);
        for file in 0..size.files {
            let mut text = format!("exports.n = {file};\n");
            for next in [file * 2 + 1, file * 2 + 2].into_iter().filter(|next| *next < size.files) {
                let _ = writeln!(text, "exports.f{next} = require('./f{next}');");
            }
            let _ = writeln!(text, "function add(a, b) {{ return a + b }}\n{}", "// filler of a package\n".repeat(40));
            write(root, &format!("{folder}/lib/f{file}.js"), &text);
        }
    }
    for library in 0..size.libraries {
        write(root, &format!("libraries/l{library}.js"), &format!("exports.a = {library}"));
    }
    for bot in 0..size.bots {
        let folder = format!("bots/b{bot}");
        write(root, &format!("{folder}/bot.config.json"), &format!(r#"{{ "name": "Bot {bot}", "description": "x" }}"#));
        let mut hook = String::from("event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)\n");
        for package in 0..size.packages {
            let _ = writeln!(hook, "const p{package} = require('p{package}')");
        }
        for library in (0..size.libraries).filter(|library| library % size.bots == bot % size.libraries.max(1)) {
            let _ = writeln!(hook, "const l{library} = require('l{library}')");
        }
        write(root, &format!("{folder}/hooks/before_incoming_middleware/h.js"), &hook);
        write(root, &format!("{folder}/actions/act.js"), "return { ...event.state, a: 1 }");
        let elements: Vec<String> = (0..20)
            .map(|n| format!(r#"{{ "id": "builtin_text-{n}", "formData": {{ "text$en": "Hello {n}" }} }}"#))
            .collect();
        write(root, &format!("{folder}/content-elements/builtin_text.json"), &format!("[{}]", elements.join(",\n")));
        for flow in ["main", "other"] {
            let node = |n: usize| {
                format!(
                    r##"{{ "name": "n{n}", "onEnter": ["say #!builtin_text-{n}", "act {{}}"], "onReceive": [],
                        "next": [{{ "condition": "true", "node": "n{}" }}] }}"##,
                    (n + 1) % 10
                )
            };
            let nodes: Vec<String> = (0..10).map(node).collect();
            let text = format!(r#"{{ "startNode": "n0", "nodes": [{}] }}"#, nodes.join(","));
            write(root, &format!("{folder}/flows/{flow}.flow.json"), &text);
        }
    }
}

/// What a worker would say.
fn compiled(candidate: &Candidate) -> Compiled {
    let types = candidate.program.scripts.iter().zip(0..).filter(|(script, _)| script.role == Role::ContentType);
    let info = |(script, index): (&Arc<crate::program::Script>, u32)| {
        let name = script.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".js");
        let meta = serde_json::value::to_raw_value(&serde_json::json!({ "id": format!("builtin_{name}") })).unwrap();
        ContentTypeInfo { script: index, id: format!("builtin_{name}"), meta }
    };
    Compiled { failures: Vec::new(), content_types: types.map(info).collect() }
}

/// Processor time of the process: others may be busy on the machine.
struct Clock(Duration);

impl Clock {
    fn start() -> Self {
        Self(Self::now())
    }

    fn now() -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap())
    }

    fn lap(&mut self, what: &str) {
        let now = Self::now();
        let took = now.saturating_sub(std::mem::replace(&mut self.0, now));
        let _ = writeln!(std::io::stderr(), "    {what:<28} {:>9.2} ms", took.as_secs_f64() * 1_000.0);
    }
}

fn into_service(candidate: Candidate, last: Option<&Workspace>, clock: &mut Clock) -> Workspace {
    let answer = compiled(&candidate);
    clock.lap("(what a worker says)");
    let workspace = finish(candidate, &answer, last);
    clock.lap("finish");
    if let Some(last) = last {
        assert_eq!(changes(&last.program, &workspace.program).len(), 1);
        clock.lap("what changed, in words");
    }
    let images = Images::of(&workspace.program);
    clock.lap("keys of all images");
    drop(images);
    workspace
}

#[test]
#[ignore = "measures, checks nothing"]
fn saves_in_large_workspaces() {
    for size in &SIZES {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), size);
        let settings = Settings::default();
        let _ = writeln!(std::io::stderr(), "{}:\n  start", size.name);
        let mut clock = Clock::start();
        let mut reader = reader(root.path(), BUILTINS);
        let candidate = reader.read(&settings);
        clock.lap("first reading");
        let mut workspace = into_service(candidate, None, &mut clock);
        let nobody = Hints::default();
        let mut confirm = |_: &Path| true;
        let mut folders: BTreeMap<PathBuf, (u64, u64)> = BTreeMap::new();
        for round in 0..3 {
            let watching =
                Watching { hints: &nobody, folders: &folders, polled: &BTreeMap::new(), confirm: &mut confirm };
            let mut clock = Clock::start();
            let look = reader.look(&settings, Some(watching), false);
            if round > 0 {
                let _ = writeln!(std::io::stderr(), "  nothing changed");
                clock.lap("look at everything");
            }
            folders = look.places.unwrap_or_default().folders;
        }
        let path = "bots/b1/hooks/before_incoming_middleware/h.js";
        let text = std::fs::read_to_string(root.path().join(path)).unwrap();
        for round in 0..3 {
            write(root.path(), path, &format!("{text}\n// {round}"));
            // What is younger is looked at later.
            std::thread::sleep(Duration::from_millis(20));
            let hints = Hints { touched: HashSet::from([root.path().join(path)]), ..Hints::default() };
            let watching =
                Watching { hints: &hints, folders: &folders, polled: &BTreeMap::new(), confirm: &mut confirm };
            let _ = writeln!(std::io::stderr(), "  save of one hook, {round}");
            let mut clock = Clock::start();
            let look = reader.look(&settings, Some(watching), false);
            clock.lap("look and candidate");
            workspace = into_service(look.candidate.unwrap(), Some(&workspace), &mut clock);
        }
    }
}
