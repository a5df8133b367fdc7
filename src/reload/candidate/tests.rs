//! How a worker's answer makes a candidate a workspace.

use super::*;
use crate::config::Settings;
use crate::program::HookKind;
use crate::protocol::messages::{ContentTypeInfo, LogLine};
use crate::reload::builtin::BuiltinFile;
use crate::reload::reader::Reader;
use crate::reload::testing::{reader, workspace, write};
use expect_test::{Expect, expect};

const HOOK: &str = "hooks/before_incoming_middleware/a.js";

/// Answers as a worker would: the id of a content type is what stands behind `id:` in it, `fail` makes a script fail.
pub(in crate::reload) fn compile(program: &Program) -> Compiled {
    let mut compiled = Compiled::default();
    for (index, script) in program.scripts.iter().enumerate() {
        let index = u32::try_from(index).unwrap();
        if script.source.contains("fail") {
            let error = LogLine {
                level: "error".into(),
                message: "it fails".into(),
                file: Some(script.path.to_string()),
                line: Some(1),
                column: Some(1),
                frame: None,
                hook: None,
                bot: None,
            };
            compiled.failures.push(CompileFailure { script: index, error });
        } else if is_content_type(script) {
            let id = script.source.split("id: '").nth(1).map_or("", |rest| rest.split('\'').next().unwrap());
            let meta = RawValue::from_string(format!("{{\"id\":\"{id}\"}}")).unwrap();
            compiled.content_types.push(ContentTypeInfo { script: index, id: id.into(), meta });
        }
    }
    compiled
}

struct Bench {
    root: tempfile::TempDir,
    reader: Reader,
    last: Option<Workspace>,
}

impl Bench {
    fn new(files: &[(&str, &str)], builtins: &'static [BuiltinFile]) -> Self {
        let root = workspace(files);
        let reader = reader(root.path(), builtins);
        Self { root, reader, last: None }
    }

    fn read(&mut self) -> Workspace {
        let candidate = self.reader.read(&Settings::default());
        let compiled = compile(&candidate.program);
        let workspace = finish(candidate, &compiled, self.last.as_ref());
        self.last = Some(workspace.clone());
        workspace
    }

    fn write(&self, path: &str, text: &str) {
        write(self.root.path(), path, text);
    }
}

fn hook_sources(workspace: &Workspace, bot: &str) -> Vec<String> {
    let program = &workspace.program;
    let hooks = program.bots[bot].hooks.get(&HookKind::BeforeIncomingMiddleware).cloned().unwrap_or_default();
    hooks.iter().map(|index| program.scripts[*index as usize].source.to_string()).collect()
}

fn content_types(workspace: &Workspace) -> Vec<(String, String)> {
    let program = &workspace.program;
    let types = &program.global.content_types;
    types.iter().map(|(id, index)| (id.clone(), program.scripts[*index as usize].path.to_string())).collect()
}

fn check_problems(workspace: &Workspace, expected: Expect) {
    expected.assert_eq(&workspace.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_script_that_does_not_compile_is_left_out_and_what_points_at_others_still_does() {
    let mut bench = Bench::new(
        &[
            ("bots/b/bot.config.json", "{}"),
            (HOOK, "fail"),
            ("hooks/before_incoming_middleware/b.js", "b()"),
            ("actions/x.js", "fail"),
            ("actions/y.js", "y()"),
        ],
        &[],
    );
    let workspace = bench.read();
    assert_eq!(hook_sources(&workspace, "b"), ["b()"]);
    let bot = &workspace.program.bots["b"];
    assert_eq!(bot.actions.keys().collect::<Vec<_>>(), ["y"]);
    assert_eq!(&*workspace.program.scripts[bot.actions["y"] as usize].source, "y()");
    check_problems(
        &workspace,
        expect![[r#"
            actions/x.js:1:1: error: it fails
            > 1 | fail
                | ^
            hooks/before_incoming_middleware/a.js:1:1: error: it fails
            > 1 | fail
                | ^"#]],
    );
}

#[test]
fn the_last_good_version_of_a_script_stays_until_it_is_fixed() {
    let mut bench = Bench::new(&[("bots/b/bot.config.json", "{}"), (HOOK, "one()")], &[]);
    bench.read();
    // Whether a worker or the parser refuses it, and however often.
    for bad in ["fail", "fail(again)", "syntax error", "fail(more)"] {
        bench.write(HOOK, bad);
        let workspace = bench.read();
        assert_eq!(hook_sources(&workspace, "b"), ["one()"], "{bad}");
        assert_eq!(workspace.problems.len(), 1);
        assert!(workspace.problems[0].to_string().contains("the last good version stays in service"));
    }
    bench.write(HOOK, "two()");
    let workspace = bench.read();
    assert_eq!(hook_sources(&workspace, "b"), ["two()"]);
    assert!(workspace.problems.is_empty());
}

#[test]
fn a_built_in_hook_of_a_checkout_stays_until_its_file_is_good_again() {
    const OURS: &[BuiltinFile] = &[BuiltinFile { path: HOOK, source: "ours()" }];
    let mut bench = Bench::new(&[("bots/b/bot.config.json", "{}"), (HOOK, "ours()")], OURS);
    bench.read();
    for bad in ["fail", "syntax error"] {
        bench.write(HOOK, bad);
        let workspace = bench.read();
        assert_eq!(hook_sources(&workspace, "b"), ["ours()"], "{bad}");
        assert_eq!(workspace.problems.len(), 1, "{bad}");
    }
    bench.write(HOOK, "mine()");
    assert_eq!(hook_sources(&bench.read(), "b"), ["mine()"]);
}

#[test]
fn problems_of_a_file_are_told_in_the_order_of_its_lines() {
    let flow = r#"{ "startNode": "a", "timeoutNode": "late", "nodes": [
        { "name": "a", "onEnter": ["say #!no-element"], "onReceive": null,
          "next": [{ "condition": "true", "node": "nowhere" }] }
    ] }"#;
    let files = [("bots/b/bot.config.json", "{}"), ("bots/b/flows/main.flow.json", flow)];
    let workspace = Bench::new(&files, &[]).read();
    assert_eq!(workspace.problems.iter().map(|one| one.line.unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_script_that_was_never_good_has_no_last_good_version() {
    let mut bench = Bench::new(&[("bots/b/bot.config.json", "{}"), (HOOK, "fail")], &[]);
    bench.read();
    bench.write(HOOK, "fail(again)");
    assert!(hook_sources(&bench.read(), "b").is_empty());
}

#[test]
fn an_earlier_version_brings_what_it_requires() {
    let mut bench = Bench::new(
        &[("bots/b/bot.config.json", "{}"), (HOOK, "require('../../lib/x')"), ("lib/x.js", "exports.a = 1")],
        &[],
    );
    bench.read();
    bench.write(HOOK, "fail");
    std::fs::remove_dir_all(bench.root.path().join("lib")).unwrap();
    for _ in 0..2 {
        let workspace = bench.read();
        assert!(workspace.program.scripts.iter().any(|script| &*script.path == "lib/x.js"));
    }
    bench.write(HOOK, "fine()");
    assert!(bench.read().program.scripts.iter().all(|script| &*script.path != "lib/x.js"));
}

#[test]
fn content_types_are_known_by_id_and_those_of_the_workspace_win() {
    const OURS: &[BuiltinFile] = &[
        BuiltinFile { path: "content-types/text.js", source: "// ours\nmodule.exports = { id: 'builtin_text' }" },
        BuiltinFile { path: "content-types/image.js", source: "module.exports = { id: 'builtin_image' }" },
        BuiltinFile { path: "content-types/same.js", source: "module.exports = { id: 'same' }" },
    ];
    let mut bench = Bench::new(
        &[
            ("bots/b/bot.config.json", "{}"),
            ("content-types/deep/mine.js", "module.exports = { id: 'builtin_text' }"),
            ("content-types/text.js", "module.exports = { id: 'another' }"),
            ("content-types/twice.js", "module.exports = { id: 'another' }"),
            ("content-types/nameless.js", "module.exports = {}"),
            ("content-types/same.js", "module.exports = { id: 'same' }"),
            ("content-types/_helper.js", "module.exports = { id: 'none' }"),
        ],
        OURS,
    );
    let workspace = bench.read();
    let expected = [
        ("another", "content-types/text.js"),
        ("builtin_image", "builtin:content-types/image.js"),
        ("builtin_text", "content-types/deep/mine.js"),
        ("same", "content-types/same.js"),
    ];
    assert_eq!(content_types(&workspace), expected.map(|(id, path)| (id.to_owned(), path.to_owned())));
    assert_eq!(workspace.program.bots["b"].content_types, workspace.program.global.content_types);
    assert_eq!(workspace.content_types["another"].get(), r#"{"id":"another"}"#);
    assert_eq!(workspace.notices, ["content-types/deep/mine.js replaces the built-in content type builtin_text"]);
    check_problems(
        &workspace,
        expect![[r#"
        content-types/nameless.js: error: the content type has no id
        help: export an id: { id: 'my_type', … }
        content-types/twice.js: error: the content type "another" is there already, from content-types/text.js
        help: give one of the two another id"#]],
    );
}

#[test]
fn a_content_type_that_fails_keeps_its_id() {
    let path = "content-types/mine.js";
    let mut bench = Bench::new(&[(path, "module.exports = { id: 'mine' }")], &[]);
    bench.read();
    for bad in ["throw fail", "throw 'fail again'"] {
        bench.write(path, bad);
        let workspace = bench.read();
        assert_eq!(content_types(&workspace), [("mine".to_owned(), path.to_owned())]);
        assert_eq!(workspace.content_types["mine"].get(), r#"{"id":"mine"}"#);
    }
    // A deleted one is gone.
    std::fs::remove_file(bench.root.path().join(path)).unwrap();
    assert!(content_types(&bench.read()).is_empty());
}
