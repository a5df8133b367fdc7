//! The JavaScript of the engine, of the content types and of the built-in hooks: its own tests under Node, and the same
//! texts under QuickJS with frozen intrinsics, which is where they run.

use std::path::{Path, PathBuf};
use std::process::Command;

use rquickjs::{CatchResultExt, Context, Runtime};

const BUNDLES: &str = concat!(env!("OUT_DIR"), "/npm");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect();
    files.sort();
    files
}

#[test]
fn the_javascript_tests_pass_under_node() {
    let output = Command::new("node")
        .arg("--test")
        .args(files("tests/js", ".test.js"))
        .env("NUDGE_BUNDLES", BUNDLES)
        .output()
        .expect("node is a build requirement");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Content types and cms.js in a realm whose intrinsics are frozen, with a `require` for helper files.
const REALM: &str = r"
for (const name of Object.getOwnPropertyNames(globalThis)) {
  const value = globalThis[name]
  if (typeof value === 'function' || (typeof value === 'object' && value !== null && value !== globalThis)) {
    Object.freeze(value)
    if (value.prototype) Object.freeze(value.prototype)
  }
}
const evaluate = (text, require) => {
  const module = { exports: {} }
  new Function('module', 'exports', 'require', text + '\n')(module, module.exports, require)
  return module.exports
}
const sources = JSON.parse(SOURCES)
const loaded = {}
const load = name => (loaded[name] = loaded[name] || evaluate(sources[name], other => load(other.replace(/^\.\//, ''))))
const types = {}
for (const name in sources) if (name[0] !== '_' && name !== 'mustache') types[load(name).id] = load(name)
const elements = { e: { id: 'e', contentType: 'builtin_text', formData: { text$en: 'Hi {{{typed}}}' } } }
let mustacheLoads = 0
const env = {
  mustache: () => (mustacheLoads++, load('mustache')),
  contentType: id => types[id], contentTypeIds: () => Object.keys(types),
  element: id => elements[id], elementIds: () => Object.keys(elements), isOwn: true,
  elementRows: () => Object.keys(elements).map(id => [id, elements[id].contentType, null]),
  botUrl: 'http://localhost:3000', botId: 'b', defaultLanguage: 'en', random: () => 0
}
const cms = (0, eval)(CMS)(env)
const check = (value, expected) => {
  if (JSON.stringify(value) !== expected) throw new Error(JSON.stringify(value) + ' is not ' + expected)
}
";

fn in_realm(script: &str) {
    let mut sources = serde_json::Map::new();
    for path in files("content-types", ".js").into_iter().chain([Path::new(BUNDLES).join("mustache.js")]) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        sources.insert(name, std::fs::read_to_string(&path).unwrap().into());
    }
    let cms = std::fs::read_to_string(root().join("src/engine/js/cms.js")).unwrap();
    let elements = std::fs::read_to_string(root().join("src/engine/js/elements.js")).unwrap();
    let payloads = std::fs::read_to_string(root().join("src/engine/js/payloads.js")).unwrap();
    let decision = std::fs::read_to_string(root().join("src/engine/js/decision.js")).unwrap();
    Context::full(&Runtime::new().unwrap()).unwrap().with(|ctx| {
        ctx.globals().set("SOURCES", serde_json::to_string(&sources).unwrap()).unwrap();
        ctx.globals().set("CMS", cms).unwrap();
        ctx.globals().set("ELEMENTS", elements).unwrap();
        ctx.globals().set("PAYLOADS", payloads).unwrap();
        ctx.globals().set("DECISION", decision).unwrap();
        let result = ctx.eval::<(), _>(format!("{REALM}\n{script}")).catch(&ctx);
        assert!(result.is_ok(), "{}", result.unwrap_err());
    });
}

#[test]
fn content_renders_in_a_frozen_quickjs_and_a_plain_text_loads_no_mustache() {
    in_realm(
        r#"
        const plain = cms.renderElement('builtin_text', { text: 'x', typing: true }, 'web')
        check(plain, '[{"type":"typing","value":true},{"type":"text","markdown":true,"text":"x"}]')
        check(mustacheLoads, '0')
        const rendered = cms.renderElement('#!e', { typed: '{{secret}}', secret: 's' }, { channel: 'api' })
        check(rendered, '[{"type":"text","markdown":true,"text":"Hi {{secret}}"}]')
        check(cms.renderTemplate({ toString: '{{a}}', ['__proto__']: '{{#l}}{{.}}{{/l}}' }, { a: '<', l: [1, 2] }), '{"toString":"&lt;","__proto__":"12"}')
        check((0, eval)(PAYLOADS)(env, cms).absolutePayload({ hasOwnProperty: 'BOT_URL/x' }), '{"hasOwnProperty":"http://localhost:3000/x"}')
        check((0, eval)(ELEMENTS)(env, cms).listContentElements('b').length, '1')
        "#,
    );
}

#[test]
fn suggestions_are_ranked_and_elected_in_a_frozen_quickjs() {
    in_realm(
        r#"
        const decision = (0, eval)(DECISION)()
        const suggestions = [{ confidence: 0.1, payloads: [], source: 'a' }, { confidence: 0.8, payloads: [{ text: 'b' }], source: 'b' }, null]
        const event = { id: '1', preview: 'p', suggestions, state: { session: {}, context: {} } }
        decision.rank(event, { minimumConfidence: 0.3, repeatWindow: 20000 })
        check(event.suggestions.map(each => each.decision.status), '["elected","dropped","dropped"]')
        check(decision.elect(event).payloads, '[{"text":"b"}]')
        decision.sent(event)
        check(event.state.session.lastMessages[0].replyPreview, '"b"')
        "#,
    );
}
