//! What a workspace's files come to.

use super::*;
use crate::program::{HookKind, Program, Role};
use crate::reload::testing::{self, workspace, write};
use expect_test::{Expect, expect};

const BEFORE: HookKind = HookKind::BeforeIncomingMiddleware;

const TEST_BUILTINS: &[BuiltinFile] = &[
    BuiltinFile { path: "hooks/before_incoming_middleware/05_ours.js", source: "// built in" },
    BuiltinFile { path: "actions/builtin/say.js", source: "return 1" },
    BuiltinFile { path: "content-types/text.js", source: "module.exports = { id: 'builtin_text' }" },
    BuiltinFile { path: "bots/welcome-bot/bot.config.json", source: r#"{ "name": "Welcome" }"# },
    BuiltinFile {
        path: "bots/welcome-bot/flows/main.flow.json",
        source: r#"{ "startNode": "a", "nodes": [{ "name": "a" }] }"#,
    },
    BuiltinFile {
        path: "bots/welcome-bot/content-elements/builtin_text.json",
        source: r#"[{ "id": "builtin_text-1", "formData": {} }]"#,
    },
];

pub(super) fn reader(root: &tempfile::TempDir) -> Reader {
    testing::reader(root.path(), TEST_BUILTINS)
}

fn read_of(files: &[(&str, &str)]) -> Candidate {
    reader(&workspace(files)).read(&Settings::default())
}

fn hooks(program: &Program, bot: Option<&str>, kind: HookKind) -> Vec<String> {
    let bot = bot.map_or(&program.global, |bot| &program.bots[bot]);
    let list = bot.hooks.get(&kind).cloned().unwrap_or_default();
    list.iter().map(|index| program.scripts[*index as usize].path.to_string()).collect()
}

fn check_problems(candidate: &Candidate, expected: Expect) {
    expected.assert_eq(&candidate.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

#[test]
fn an_empty_folder_has_the_built_in_files_and_the_welcome_bot() {
    let candidate = read_of(&[]);
    let program = &candidate.program;
    assert_eq!(hooks(program, None, BEFORE), ["builtin:hooks/before_incoming_middleware/05_ours.js"]);
    assert_eq!(program.bots.keys().collect::<Vec<_>>(), ["welcome-bot"]);
    assert!(program.bots["welcome-bot"].elements.contains_key("builtin_text-1"));
    assert_eq!(program.bots["welcome-bot"].flows["main.flow.json"].start_node, "a");
    assert_eq!(candidate.bots["welcome-bot"].name, "Welcome");
    assert_eq!(candidate.notices, ["there is no bot in bots/: the built-in welcome-bot is served"]);
    assert!(candidate.problems.is_empty());
}

#[test]
fn a_workspace_with_a_bot_is_served_without_ours() {
    for config in [r#"{ "disabled": true }"#, "{}", "{"] {
        let candidate = read_of(&[("bots/mine/bot.config.json", config)]);
        assert!(!candidate.program.bots.contains_key("welcome-bot"), "{config}");
    }
}

#[test]
fn a_bots_hooks_and_the_global_ones_are_one_list_by_file_name_then_path() {
    let candidate = read_of(&[
        ("hooks/before_incoming_middleware/02_a.js", ""),
        ("hooks/before_incoming_middleware/03/01_b.js", ""),
        ("hooks/before_incoming_middleware/z/02_a.js", ""),
        ("hooks/after_incoming_middleware/00.js", ""),
        ("bots/One/bot.config.json", "{}"),
        ("bots/One/hooks/before_incoming_middleware/01_c.js", ""),
        ("bots/One/hooks/before_incoming_middleware/02_a.js", ""),
        ("bots/two/bot.config.json", "{}"),
        ("bots/two/hooks/before_incoming_middleware/99.js", ""),
    ]);
    let program = &candidate.program;
    assert_eq!(
        hooks(program, Some("one"), BEFORE),
        [
            "hooks/before_incoming_middleware/03/01_b.js",
            "bots/One/hooks/before_incoming_middleware/01_c.js",
            "bots/One/hooks/before_incoming_middleware/02_a.js",
            "hooks/before_incoming_middleware/02_a.js",
            "hooks/before_incoming_middleware/z/02_a.js",
            "builtin:hooks/before_incoming_middleware/05_ours.js",
        ]
    );
    assert_eq!(hooks(program, Some("two"), BEFORE).last().unwrap(), "bots/two/hooks/before_incoming_middleware/99.js");
    assert_eq!(hooks(program, None, BEFORE).len(), 4);
    assert_eq!(hooks(program, None, HookKind::AfterIncomingMiddleware), ["hooks/after_incoming_middleware/00.js"]);
}

#[test]
fn a_file_of_the_same_kind_and_name_replaces_a_built_in_one_and_that_is_said() {
    let candidate = read_of(&[
        ("hooks/before_incoming_middleware/sub/05_ours.js", "// mine"),
        ("hooks/after_incoming_middleware/05_ours.js", "// another kind"),
        ("actions/builtin/say.js", "return 2"),
        ("bots/b/bot.config.json", "{}"),
        ("bots/b/actions/builtin/say.js", "return 3"),
        ("bots/c/bot.config.json", "{}"),
    ]);
    let program = &candidate.program;
    assert_eq!(hooks(program, None, BEFORE), ["hooks/before_incoming_middleware/sub/05_ours.js"]);
    let action = |bot: &str| program.scripts[program.bots[bot].actions["builtin/say"] as usize].path.to_string();
    assert_eq!(action("b"), "bots/b/actions/builtin/say.js");
    assert_eq!(action("c"), "actions/builtin/say.js");
    assert_eq!(
        candidate.notices,
        [
            "hooks/before_incoming_middleware/sub/05_ours.js replaces the built-in hook of that name",
            "actions/builtin/say.js replaces the built-in action of that name",
        ]
    );
}

#[test]
fn in_a_checkout_of_the_server_built_in_hooks_run_once_and_are_known_as_built_in() {
    let files: Vec<(&str, &str)> = TEST_BUILTINS.iter().map(|file| (file.path, file.source)).collect();
    let candidate = read_of(&files);
    assert_eq!(hooks(&candidate.program, None, BEFORE), ["builtin:hooks/before_incoming_middleware/05_ours.js"]);
    let others = candidate.program.scripts.iter().filter(|script| !matches!(script.role, Role::Hook(_)));
    assert!(others.into_iter().all(|script| !script.path.starts_with("builtin:")));
    assert!(candidate.notices.is_empty(), "{:?}", candidate.notices);
}

#[test]
fn a_leading_dot_switches_a_built_in_hook_off() {
    let candidate = read_of(&[("hooks/before_incoming_middleware/.05_ours.js", "")]);
    assert!(hooks(&candidate.program, None, BEFORE).is_empty());
    let candidate = read_of(&[
        ("bots/a/bot.config.json", "{}"),
        ("bots/a/hooks/before_incoming_middleware/.05_ours.js", ""),
        ("bots/b/bot.config.json", "{}"),
        ("bots/c/bot.config.json", "{}"),
        ("bots/c/hooks/before_incoming_middleware/05_ours.js", "// for c only"),
    ]);
    let program = &candidate.program;
    assert!(hooks(program, Some("a"), BEFORE).is_empty());
    assert_eq!(hooks(program, Some("b"), BEFORE), ["builtin:hooks/before_incoming_middleware/05_ours.js"]);
    assert_eq!(hooks(program, Some("c"), BEFORE), ["bots/c/hooks/before_incoming_middleware/05_ours.js"]);
}

#[test]
fn disabled_bots_are_known_but_not_mounted_and_secrets_stay_here() {
    let candidate = read_of(&[
        (
            "bots/On/bot.config.json",
            r#"{ "name": "On", "smtp": { "password": "x", "host": "h" }, "defaultLanguage": "fr" }"#,
        ),
        ("bots/off/bot.config.json", r#"{ "disabled": true }"#),
    ]);
    assert_eq!(candidate.program.bots.keys().collect::<Vec<_>>(), ["on"]);
    let ids: Vec<(&str, bool)> = candidate.bots.values().map(|bot| (bot.id.as_str(), bot.disabled)).collect();
    assert_eq!(ids, [("off", true), ("on", false)]);
    let on = &candidate.program.bots["on"];
    assert_eq!(
        on.config.as_ref().unwrap().get(),
        r#"{"name":"On","smtp":{"host":"h"},"defaultLanguage":"fr","id":"on"}"#
    );
    assert_eq!(on.default_language, "fr");
    assert_eq!(candidate.bots["on"].config["smtp"]["password"], "x");
}

#[test]
fn what_scripts_require_comes_along() {
    let candidate = read_of(&[
        ("hooks/before_incoming_middleware/a.js", "require('../../shared/lib'); require('./b'); require('lodash')"),
        ("hooks/before_incoming_middleware/b.js", "module.exports = 1"),
        ("shared/lib.js", "module.exports = require('./data.json'); require('dep')"),
        ("shared/data.json", "{ /* c */ }"),
        ("shared/unused.js", ""),
        ("node_modules/dep/package.json", r#"{ "main": "lib/m.js" }"#),
        ("node_modules/dep/lib/m.js", "#!/usr/bin/env node\nmodule.exports = 2"),
        ("bots/b/bot.config.json", "{}"),
        ("bots/b/hooks/before_incoming_middleware/own.js", "require('mine')"),
        ("bots/b/libraries/mine.js", ""),
    ]);
    let mut modules: Vec<(String, Role)> = candidate
        .program
        .scripts
        .iter()
        .filter(|script| !script.path.starts_with("builtin:") && !matches!(script.role, Role::Hook(_)))
        .map(|script| (script.path.to_string(), script.role))
        .collect();
    modules.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        modules,
        [
            ("bots/b/libraries/mine.js".to_owned(), Role::Module),
            ("node_modules/dep/lib/m.js".to_owned(), Role::Module),
            ("node_modules/dep/package.json".to_owned(), Role::Json),
            ("shared/data.json".to_owned(), Role::Json),
            ("shared/lib.js".to_owned(), Role::Module),
        ]
    );
    check_problems(&candidate, expect![[""]]);
}

#[test]
fn all_problems_are_collected() {
    let candidate = read_of(&[
        ("hooks/before_incoming_middleware/a.js", "if ("),
        ("hooks/before_incoming_middleware/b.js", "let x = }"),
        ("hooks/nowhere/c.js", ""),
        ("actions/d.js", "function action(bp, event) { }"),
        ("bots/e/bot.config.json", "{ \"disabled\": 1 }"),
        ("bots/e/content-elements/t.json", "[{ \"id\": 1 }]"),
        ("bots/f/bot.config.json", "{ }"),
        ("bots/f/content-elements/t.json", "[ , ]"),
    ]);
    check_problems(
        &candidate,
        expect![[r#"
            hooks/nowhere: warning: not run: there is no kind of hook "nowhere"
            help: the kinds are after_server_start, after_bot_mount, after_bot_unmount, before_incoming_middleware, after_incoming_middleware, before_suggestions_election, before_outgoing_middleware, after_event_processed, before_session_timeout, before_conversation_end, on_incident_status_changed, before_bot_import, on_bot_error, on_stage_request, after_stage_changed
            hooks/before_incoming_middleware/a.js:1:5: error: unexpected token
            > 1 | if (
                |     ^
            hooks/before_incoming_middleware/b.js:1:9: error: unexpected token
            > 1 | let x = }
                |         ^
            actions/d.js:1:1: warning: the function "action" is never called: this file does nothing
            > 1 | function action(bp, event) { }
                | ^
            help: keep only the body of the function; the file is the body of a function already
            bots/e/bot.config.json:1:15: error: "disabled" must be true or false, got the number 1
            > 1 | { "disabled": 1 }
                |               ^
            bots/e/content-elements/t.json:1:10: error: "[0].id" must be a text that is not empty, got the number 1
            > 1 | [{ "id": 1 }]
                |          ^
            bots/f/content-elements/t.json:1:3: error: not valid JSON: unexpected comma
            > 1 | [ , ]
                |   ^"#]],
    );
    assert_eq!(candidate.program.bots.keys().collect::<Vec<_>>(), ["f"]);
}

#[test]
fn files_that_are_no_text_or_too_large_are_refused_and_a_mark_at_the_start_is_not_part_of_the_text() {
    let root = workspace(&[("hooks/before_incoming_middleware/bom.js", "\u{feff}'use strict'")]);
    let folder = root.path().join("hooks/before_incoming_middleware");
    std::fs::write(folder.join("latin1.js"), b"// \n'caf\xe9'").unwrap();
    let mut settings = Settings::default();
    settings.scripts.frame = 400;
    std::fs::write(folder.join("large.js"), "//".repeat(60)).unwrap();
    let candidate = reader(&root).read(&settings);
    check_problems(
        &candidate,
        expect![[r#"
        hooks/before_incoming_middleware/large.js: error: too large: 120 bytes, at most 100 (a quarter of `scripts.frame`)
        hooks/before_incoming_middleware/latin1.js: error: not UTF-8: line 2 holds a byte that is no character; save the file as UTF-8"#]],
    );
    assert!(candidate.program.scripts[0].shape.strict);
    assert_eq!(&*candidate.program.scripts[0].source, "'use strict'");
}

#[test]
fn of_a_file_that_cannot_be_used_the_last_good_version_stays() {
    let hook = "hooks/before_incoming_middleware/a.js";
    let elements = "bots/b/content-elements/t.json";
    let root = workspace(&[
        (hook, "return 1"),
        ("bots/b/bot.config.json", r#"{ "name": "One" }"#),
        (elements, r#"[{ "id": "t-1", "formData": {} }]"#),
    ]);
    let mut reader = reader(&root);
    let settings = Settings::default();
    assert!(reader.read(&settings).problems.is_empty());
    write(root.path(), hook, "return (");
    write(root.path(), "bots/b/bot.config.json", "{ \"name\": 7 }");
    write(root.path(), elements, r#"[{ "id": "t-2", "formData": {} }, { "id": 3 }]"#);
    let candidate = reader.read(&settings);
    check_problems(
        &candidate,
        expect![[r#"
            hooks/before_incoming_middleware/a.js:1:9: error: expected `)` but found the end of the file
            > 1 | return (
                |         ^
            help: the last good version stays in service until this is fixed
            bots/b/bot.config.json:1:11: error: "name" must be a text, got the number 7
            > 1 | { "name": 7 }
                |           ^
            help: the last good version stays in service until this is fixed
            bots/b/content-elements/t.json:1:43: error: "[1].id" must be a text that is not empty, got the number 3
            > 1 | [{ "id": "t-2", "formData": {} }, { "id": 3 }]
                |                                           ^
            help: the last good version stays in service until this is fixed"#]],
    );
    let source = |candidate: &Candidate| {
        let script = candidate.program.scripts.iter().find(|script| &*script.path == hook).unwrap();
        script.source.to_string()
    };
    assert_eq!(source(&candidate), "return 1");
    assert_eq!(candidate.bots["b"].name, "One");
    assert_eq!(candidate.program.bots["b"].elements.keys().collect::<Vec<_>>(), ["t-1"]);
    write(root.path(), hook, "return 22");
    write(root.path(), "bots/b/bot.config.json", r#"{ "name": "Two" }"#);
    write(root.path(), elements, r#"[{ "id": "t-2", "formData": {} }]"#);
    let candidate = reader.read(&settings);
    check_problems(&candidate, expect![[""]]);
    assert_eq!((source(&candidate).as_str(), candidate.bots["b"].name.as_str()), ("return 22", "Two"));
    assert_eq!(candidate.program.bots["b"].elements.keys().collect::<Vec<_>>(), ["t-2"]);
    // A deleted file is gone, whatever its last good version.
    std::fs::remove_file(root.path().join(hook)).unwrap();
    assert!(reader.read(&settings).program.scripts.iter().all(|script| &*script.path != hook));
}

#[test]
fn unchanged_files_are_neither_read_nor_parsed_again() {
    let names: Vec<String> = (0..50).map(|n| format!("hooks/before_incoming_middleware/{n}.js")).collect();
    let root = workspace(&names.iter().map(|name| (name.as_str(), "return 1")).collect::<Vec<_>>());
    let mut reader = reader(&root);
    let settings = Settings::default();
    let first = reader.read(&settings);
    write(root.path(), &names[7], "return 2 + 2");
    // Saved without a change: the text is compared, not the time.
    write(root.path(), &names[8], "return 1");
    let second = reader.read(&settings);
    assert!(second.program.version > first.program.version);
    for (index, (old, new)) in first.program.scripts.iter().zip(&second.program.scripts).enumerate() {
        assert_eq!(Arc::ptr_eq(old, new), &*old.path != names[7].as_str(), "{index}");
    }
    assert!(reader.look(&settings, None, false).candidate.is_none(), "nothing changed");
}

#[test]
fn of_a_flow_that_cannot_be_used_the_last_good_version_stays_and_the_other_flows_are_as_they_are_written() {
    let (main, other) = ("bots/b/flows/main.flow.json", "bots/b/flows/sub/other.flow.json");
    let of = |node: &str| format!(r#"{{ "startNode": "{node}", "nodes": [{{ "name": "{node}" }}] }}"#);
    let root = workspace(&[("bots/b/bot.config.json", "{}"), (main, &of("one")), (other, &of("one"))]);
    let mut reader = reader(&root);
    let settings = Settings::default();
    let starts = |candidate: &Candidate| -> Vec<(String, String)> {
        let flows = &candidate.program.bots["b"].flows;
        flows.iter().map(|(name, flow)| (name.clone(), flow.start_node.clone())).collect()
    };
    let expect = |main: &str, other: &str| {
        [("main.flow.json", main), ("sub/other.flow.json", other)]
            .map(|(name, node)| (name.to_owned(), node.to_owned()))
    };
    assert_eq!(starts(&reader.read(&settings)), expect("one", "one"));
    write(root.path(), main, "{ \"startNode\": ");
    write(root.path(), other, &of("two"));
    let candidate = reader.read(&settings);
    assert_eq!(starts(&candidate), expect("one", "two"));
    check_problems(
        &candidate,
        expect![[r#"
        bots/b/flows/main.flow.json:1:16: error: not valid JSON: expected value after colon in object property
        > 1 | { "startNode":
            |                ^
        help: the last good version stays in service until this is fixed"#]],
    );
    write(root.path(), main, &of("two"));
    let candidate = reader.read(&settings);
    assert_eq!(starts(&candidate), expect("two", "two"));
    assert!(candidate.problems.is_empty());
    std::fs::remove_file(root.path().join(other)).unwrap();
    assert_eq!(starts(&reader.read(&settings)).len(), 1);
}

#[test]
fn what_is_said_when_a_flow_is_missing_is_the_bots_own_or_that_of_all_bots() {
    let said = |files: &[(&str, &str)], settings: &Settings| {
        let candidate = reader(&workspace(files)).read(settings);
        let element = candidate.program.bots["b"].error_element.clone();
        element.map(|element| (element.content_type, element.args.get().to_owned()))
    };
    let bot = |error: &str| format!("{{ \"dialog\": {{ \"error\": {error} }} }}");
    let own = bot(r##"{ "contentType": "#builtin_text", "args": { "text": "Oh!" } }"##);
    let settings = Settings::default();
    assert_eq!(said(&[("bots/b/bot.config.json", "{}")], &settings), None);
    let expected = Some(("#builtin_text".to_owned(), "{\"text\":\"Oh!\"}".to_owned()));
    assert_eq!(said(&[("bots/b/bot.config.json", &own)], &settings), expected);
    let mut settings = Settings::default();
    settings.dialog.error_content_type = Some("!sorry".into());
    settings.dialog.error_args = serde_json::json!({ "a": 1 }).as_object().cloned();
    assert_eq!(said(&[("bots/b/bot.config.json", &own)], &settings), expected);
    let of = |error: &str| said(&[("bots/b/bot.config.json", &bot(error))], &settings);
    assert_eq!(of("null"), Some(("!sorry".to_owned(), "{\"a\":1}".to_owned())));
    assert_eq!(of(r#"{ "args": { "b": 2 } }"#), Some(("!sorry".to_owned(), "{\"b\":2}".to_owned())));
    assert_eq!(of(r#"{ "contentType": "!own" }"#), Some(("!own".to_owned(), "{}".to_owned())));
}

#[test]
fn what_was_made_of_a_bot_is_used_again_while_its_files_are_the_same() {
    let (hook, elements) = ("bots/a/hooks/before_incoming_middleware/x.js", "bots/b/content-elements/t.json");
    let root = workspace(&[
        ("bots/a/bot.config.json", "{}"),
        (hook, "1"),
        ("bots/a/flows/main.flow.json", r#"{ "startNode": "a", "nodes": [{ "name": "a" }] }"#),
        ("bots/b/bot.config.json", "{}"),
        ("bots/b/hooks/before_incoming_middleware/x.js", "1"),
        (elements, r#"[{ "id": "t-1", "formData": {} }]"#),
    ]);
    let mut reader = reader(&root);
    let mut read = || reader.read(&Settings::default()).program;
    let first = read();
    write(root.path(), hook, "2");
    let second = read();
    let (a, b) = ([&first, &second].map(|one| &one.bots["a"]), [&first, &second].map(|one| &one.bots["b"]));
    assert!(a[0].flows.is(&a[1].flows), "the flows of the bot whose hook changed");
    assert!(b[0].hooks.is(&b[1].hooks) && b[0].elements.is(&b[1].elements) && b[0].flows.is(&b[1].flows));
    assert!(a[0].actions.is(&b[0].actions), "bots without actions of their own share those of all");
    write(root.path(), elements, r#"[{ "id": "t-22", "formData": {} }]"#);
    let third = read();
    assert!(!b[0].elements.is(&third.bots["b"].elements));
    assert_eq!(third.bots["b"].elements.keys().collect::<Vec<_>>(), ["t-22"]);
    assert_ne!(third.bots["b"].elements.part(), b[0].elements.part());
    // A hook of all bots changes the hooks of each.
    write(root.path(), "hooks/before_incoming_middleware/all.js", "1");
    assert_eq!(hooks(&read(), Some("b"), BEFORE).len(), hooks(&third, Some("b"), BEFORE).len() + 1);
}
