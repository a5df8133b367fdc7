//! What is read off scripts, as golden cases.

use super::*;
use crate::parsing::testing::parse;
use crate::program::HookKind;
use expect_test::{Expect, expect};

const HOOK: Role = Role::Hook(HookKind::BeforeIncomingMiddleware);

fn shape(source: &str) -> Shape {
    parse("hooks/k/x.js", source, HOOK).unwrap_or_else(|problems| panic!("{source}: {}", problems[0])).shape
}

fn check_errors(source: &str, expected: Expect) {
    let problems = parse("hooks/k/x.js", source, HOOK).unwrap_err();
    expected.assert_eq(&problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

fn check_warnings(role: Role, source: &str, expected: Expect) {
    let warnings = parse("hooks/k/x.js", source, role).unwrap().warnings;
    expected.assert_eq(&warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_file_is_the_body_of_a_function() {
    for source in [
        "",
        "return",
        "if (event.type === 'x') { return }\nconst a = 1",
        "return await1",
        "foo() // the last line is a comment",
        "var await = 1",
        "with (event) { type = 1 }",
        "var n = 010; delete n",
        "const f = async () => { await x }\nreturn f()",
        "arguments.length; this.x; new.target",
        "/* c */ let a = { b() { return super.b } }",
        "<!-- old html comment",
    ] {
        assert!(!shape(source).is_async, "{source}");
    }
}

#[test]
fn a_top_level_await_makes_it_async() {
    assert!(shape("const x = await bp.kvs.get('a', 'b')\nreturn x").is_async);
    assert!(shape("for await (const x of y) {}").is_async);
    assert!(shape("if (a) { await b }").is_async);
    assert!(!shape("function f() { var await = 1; return await }").is_async);
}

#[test]
fn strict_mode_is_seen() {
    assert!(shape("// c\n'use strict'\nlet a").strict);
    assert!(!shape("let a\n'use strict'").strict);
}

#[test]
fn names_assigned_without_declaration_are_found() {
    let names = |source: &str| shape(source).implicit;
    assert_eq!(
        names("foo = 1; bar += 2; baz++; ({ a, b: [c] } = x); for (i = 0; i < 1; i++); for (k in x);"),
        ["a", "b", "bar", "baz", "c", "foo", "i", "k"].iter().filter(|name| **name != "b").copied().collect::<Vec<_>>()
    );
    assert_eq!(names("function f() { inner = 1 } (() => { arrow = 2 })()"), ["arrow", "inner"]);
    assert!(names("var a = 1; let b; a = 2; b = 3; function f(c) { c = 1 }").is_empty());
    assert!(names("event = {}; bp = 1; module = 2; exports = 3; require = 4; arguments = 5; undefined = 6").is_empty());
    assert_eq!(
        names("Promise = require('bluebird'); console = 1"),
        ["Promise", "console"],
        "globals cannot be changed"
    );
    assert!(names("'use strict'; foo = 1").is_empty(), "strict code throws");
    assert_eq!(names("function f() { 'use strict'; foo = 1 } bar = 1"), ["bar"]);
    assert!(names("foo.bar = 1; x[0] = 2; read").is_empty());
    assert_eq!(names("temp = event.state.temp = {}"), ["temp"], "only actions are given temp");
    assert!(parse("actions/x.js", "temp = event.state.temp = {}", Role::Action).unwrap().shape.implicit.is_empty());
}

#[test]
fn parameters_declared_again_are_found() {
    let names = |source: &str| shape(source).redeclared;
    assert_eq!(names("const console = {}; let process, require; class module {}"), ["module", "require"]);
    assert_eq!(names("const { event, bp: [exports] } = x"), ["event", "exports"]);
    assert!(names("var console = 1; function require() {} { let process }").is_empty());
}

#[test]
fn literal_requires_are_listed_once() {
    let parsed = parse(
        "hooks/k/x.js",
        "const a = require('./a'); require('lodash'); require(`../b.json`); require('./a'); require(name); require(`${x}`);
         function f(require) { require('./own') } obj.require('./not')",
        HOOK,
    )
    .unwrap();
    let names: Vec<&str> = parsed.shape.requires.iter().map(|require| require.name.as_str()).collect();
    assert_eq!(names, ["./a", "lodash", "../b.json"]);
    assert!(parsed.shape.computed);
    assert!(!shape("require('./a')").computed && shape("require('./' + event.type)").computed);
}

#[test]
fn syntax_errors_have_their_place() {
    check_errors(
        "let a\nlet b = (1\nfoo()\n",
        expect![[r#"
        hooks/k/x.js:3:1: error: expected `,` or `)` but found `Identifier`
          1 | let a
          2 | let b = (1
        > 3 | foo()
            | ^
          4 |"#]],
    );
    check_errors(
        "if (x) {\n  foo(\n",
        expect![[r#"
            hooks/k/x.js:2:7: error: expected `)` but found the end of the file
              1 | if (x) {
            > 2 |   foo(
                |       ^
              3 |"#]],
    );
    check_errors(
        "const a = 1\nconst a = 2",
        expect![[r#"
        hooks/k/x.js:1:7: error: identifier `a` has already been declared
        > 1 | const a = 1
            |       ^
          2 | const a = 2"#]],
    );
    check_errors(
        "let s = 'open\n",
        expect![[r#"
        hooks/k/x.js:1:9: error: unterminated string
        > 1 | let s = 'open
            |         ^
          2 |"#]],
    );
    check_errors(
        "const x = await y\nlet z = )",
        expect![[r#"
        hooks/k/x.js:2:9: error: unexpected token
          1 | const x = await y
        > 2 | let z = )
            |         ^"#]],
    );
}

#[test]
fn a_body_cannot_close_its_wrapper() {
    for source in [
        "}); (() => {",
        "} function x() {",
        "}; {",
        "} + function () {",
        "}\n}",
        "}, function () {",
        "})(); (function () {",
    ] {
        let problems = parse("x.js", source, HOOK).unwrap_err();
        assert!(problems[0].line.is_some(), "{source}");
    }
    check_errors(
        "foo()\n}\nfunction bar() {",
        expect![[r#"
        hooks/k/x.js:2:1: error: unexpected token
          1 | foo()
        > 2 | }
            | ^
          3 | function bar() {"#]],
    );
}

#[test]
fn other_languages_are_named() {
    check_errors(
        "const a = 1\nexport default a",
        expect![[r#"
        hooks/k/x.js:2:1: error: this is an ES module; scripts are CommonJS
          1 | const a = 1
        > 2 | export default a
            | ^
        help: use require('…') and module.exports instead of import and export"#]],
    );
    check_errors(
        "function hook(bp: typeof sdk, event: sdk.IO.IncomingEvent) {\n  return 1\n}",
        expect![[r#"
        hooks/k/x.js:1:1: error: this is TypeScript; scripts are JavaScript
        > 1 | function hook(bp: typeof sdk, event: sdk.IO.IncomingEvent) {
            | ^
          2 |   return 1
          3 | }
        help: keep only the body of the function; the file is the body of a function already"#]],
    );
    check_errors(
        "const a: string = 'x'",
        expect![[r#"
        hooks/k/x.js: error: this is TypeScript; scripts are JavaScript
        help: leave the types away, or compile the file first"#]],
    );
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for source in ["(".repeat(200_000), "!".repeat(200_000), "[".repeat(1_900), "(".repeat(1_900), "{".repeat(1_900)] {
        assert!(parse("x.js", &source, HOOK).is_err());
    }
}

#[test]
fn a_file_that_is_one_function_nobody_calls_is_warned_of() {
    check_warnings(
        HOOK,
        "// from the editor\nfunction hook(bp, event) {\n  event.setFlag(x, true)\n}",
        expect![[r#"
        hooks/k/x.js:2:1: warning: the function "hook" is never called: this file does nothing
          1 | // from the editor
        > 2 | function hook(bp, event) {
            | ^
          3 |   event.setFlag(x, true)
          4 | }
        help: keep only the body of the function; the file is the body of a function already"#]],
    );
    check_warnings(
        HOOK,
        "const hook = async (bp, event) => { await x };",
        expect![[r#"
        hooks/k/x.js:1:1: warning: the function "hook" is never called: this file does nothing
        > 1 | const hook = async (bp, event) => { await x };
            | ^
        help: keep only the body of the function; the file is the body of a function already"#]],
    );
    check_warnings(
        HOOK,
        "async (bp, event) => {}",
        expect![[r#"
        hooks/k/x.js:1:1: warning: the function is never called: this file does nothing
        > 1 | async (bp, event) => {}
            | ^
        help: keep only the body of the function; the file is the body of a function already"#]],
    );
    for fine in [
        "function hook(bp, event) {}\nreturn hook(bp, event)",
        "function add(a, b) { return a + b }",
        "class Helper { constructor(bp) {} }",
        "module.exports = function (bp) {}",
        "const hook = async event => {}; hook(event)",
        "(async (bp, event) => {})(bp, event)",
    ] {
        check_warnings(HOOK, fine, expect![[""]]);
    }
    check_warnings(Role::Module, "function hook(bp, event) {}", expect![[""]]);
}

#[test]
fn writes_to_bp_point_at_kvs() {
    check_warnings(
        HOOK,
        "bp.cache = bp.cache || {}\nbp.cache.list[0] = 1\nbp.count++\nbp['x' + 1] = 2",
        expect![[r#"
        hooks/k/x.js:1:1: warning: bp.cache lives only as long as this event
        > 1 | bp.cache = bp.cache || {}
            | ^
          2 | bp.cache.list[0] = 1
          3 | bp.count++
        help: keep values with bp.kvs.set and bp.kvs.get
        hooks/k/x.js:2:1: warning: bp.cache lives only as long as this event
          1 | bp.cache = bp.cache || {}
        > 2 | bp.cache.list[0] = 1
            | ^
          3 | bp.count++
          4 | bp['x' + 1] = 2
        help: keep values with bp.kvs.set and bp.kvs.get
        hooks/k/x.js:3:1: warning: bp.count lives only as long as this event
          1 | bp.cache = bp.cache || {}
          2 | bp.cache.list[0] = 1
        > 3 | bp.count++
            | ^
          4 | bp['x' + 1] = 2
        help: keep values with bp.kvs.set and bp.kvs.get
        hooks/k/x.js:4:1: warning: a property of bp lives only as long as this event
          2 | bp.cache.list[0] = 1
          3 | bp.count++
        > 4 | bp['x' + 1] = 2
            | ^
        help: keep values with bp.kvs.set and bp.kvs.get"#]],
    );
    check_warnings(HOOK, "const x = {}; x.bp = 1; (function (bp) { bp.a = 1 })({}); event.bp.x = 1", expect![[""]]);
}
