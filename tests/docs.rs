//! The reference pages say what the code does: tables of keys, variables and hooks, and the members of `bp`.
//!
//! `UPDATE=1 cargo test --test docs` writes anew what is generated, between marks of the pages.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use nudge::config::environment::SEEN_BY_SCRIPTS;
use nudge::config::keys::{BOT, CHANNEL_WEB, MAIN};
use nudge::config::load::{UNUSED, VARIABLES};
use nudge::config::schema::{Key, ValueKind, check};
use nudge::config::secrets::Secrets;

use nudge::config::{Overrides, Settings};
use nudge::program::HOOK_KINDS;
use nudge::sdk::{Concerns, MEMBERS, Runs};
use serde_json::{Value, json};

fn page(name: &str) -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (path, text)
}

/// The text below a heading, up to the next one of its rank.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let from = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("there is no {heading:?}"));
    let body = &text[from + heading.len() + 2..];
    let rank = format!("\n{} ", heading.split(' ').next().unwrap());
    body.find(&rank).map_or(body, |end| &body[..end])
}

/// Rows of the tables in a text whose first cell is code: the cells, trimmed.
fn rows(text: &str) -> Vec<Vec<String>> {
    let table = text.lines().filter(|line| line.starts_with("| `"));
    table.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn code(cell: &str) -> &str {
    cell.trim_matches('`')
}

fn size(bytes: u64) -> String {
    let units = [(1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"), (1, "bytes")];
    let exact = |unit: &u64| bytes >= *unit && bytes.is_multiple_of(*unit);
    let (unit, name) = units.into_iter().find(|(unit, _)| exact(unit)).unwrap_or((1, "bytes"));
    if bytes == 1 { "1 byte".into() } else { format!("{} {name}", bytes / unit) }
}

/// What the column "type" says.
fn type_of(kind: ValueKind) -> String {
    match kind {
        ValueKind::Text => "text".into(),
        ValueKind::Address => "address".into(),
        ValueKind::Flag => "true or false".into(),
        ValueKind::Whole(min, max) => format!("whole number, {min} to {max}"),
        ValueKind::Fraction(min, max) => format!("number, {min} to {max}"),
        ValueKind::Duration(0) => "duration".into(),
        ValueKind::Duration(min) => format!("duration, at least {min} ms"),
        ValueKind::Size(min, max) => format!("size, {} to {}", size(min), size(max)),
        ValueKind::Choice(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(" or "),
        ValueKind::Texts => "array of texts".into(),
        ValueKind::Hosts => "array of hosts".into(),
        ValueKind::Origins => "array of origins".into(),
        ValueKind::TextOrTexts => "text or array of texts".into(),
        ValueKind::Durations(_) => "object of durations".into(),
        ValueKind::Object => "object".into(),
        ValueKind::Any => "anything".into(),
    }
}

/// A value that a key may hold and that is no default.
fn other_value(kind: ValueKind) -> Value {
    match kind {
        ValueKind::Text => "something else".into(),
        ValueKind::Address => "https://else.example".into(),
        ValueKind::Flag => Value::Null,
        ValueKind::Whole(min, _) | ValueKind::Size(min, _) => (min + 1).into(),
        ValueKind::Fraction(min, max) => json!((min + max) / 1.7),
        ValueKind::Duration(min) => (min + 7).into(),
        ValueKind::Choice(words) => words[words.len() - 1].into(),
        ValueKind::Texts | ValueKind::TextOrTexts => json!(["x"]),
        ValueKind::Durations(min) => json!({ "x": min + 7 }),
        ValueKind::Hosts => json!(["x.example"]),
        ValueKind::Origins => json!(["https://x.example"]),
        ValueKind::Object => json!({}),
        ValueKind::Any => json!(1),
    }
}

fn set(key: &Key<Settings>, settings: &mut Settings, value: &Value) {
    let checked = check(key.kind, value).unwrap_or_else(|expected| panic!("{} is {value}, not {expected}", key.path));
    (key.set)(settings, checked, value);
}

fn check_keys<T>(heading: &str, keys: &[Key<T>]) -> BTreeMap<String, String> {
    let (_, text) = page("configuration.md");
    let mut documented = BTreeMap::new();
    let mut missing: Vec<&str> = keys.iter().map(|key| key.path).collect();
    for cells in rows(section(&text, heading)) {
        assert_eq!(cells.len(), 4, "{cells:?}");
        let path = code(&cells[0]);
        let key = keys.iter().find(|key| key.path == path);
        let key = key.unwrap_or_else(|| panic!("docs/configuration.md has {path:?}, which is no key"));
        assert_eq!(cells[1], type_of(key.kind), "the type of {path}");
        missing.retain(|name| *name != path);
        documented.insert(path.to_owned(), cells[2].clone());
    }
    assert!(missing.is_empty(), "docs/configuration.md, {heading}: {missing:?} are missing");
    documented
}

#[test]
fn every_key_of_the_configuration_is_documented_with_its_type_and_default() {
    let default = Settings::default();
    let none: BTreeMap<&str, bool> = [
        ("appSecret", default.app_secret.is_none()),
        ("jwtSecret", default.app_secret.is_none()),
        ("fetch.allow", default.fetch.allow.is_none()),
        ("pro.externalAuth.publicKey", default.external_auth.public_key.is_none()),
        ("pro.externalAuth.audience", default.external_auth.audience.is_none()),
        ("httpServer.port", default.http.port.is_none()),
        ("httpServer.externalUrl", default.http.external_url.is_none()),
        ("dialog.error.contentType", default.dialog.error_content_type.is_none()),
        ("dialog.error.args", default.dialog.error_args.is_none()),
        ("scripts.running", default.dispatch.running.is_none()),
    ]
    .into();
    for (heading, keys) in [("## botpress.config.json", MAIN), ("## config/channel-web.json", CHANNEL_WEB)] {
        let documented = check_keys(heading, keys);
        for key in keys {
            let text = &documented[key.path];
            if text == "none" {
                assert_eq!(none.get(key.path), Some(&true), "{} has a default", key.path);
                continue;
            }
            let value: Value = serde_json::from_str(code(text)).unwrap_or_else(|_| panic!("{}: {text}", key.path));
            let mut settings = Settings::default();
            set(key, &mut settings, &value);
            assert_eq!(settings, default, "the default of {} is not {text}", key.path);
        }
    }
}

#[test]
fn every_key_of_a_bots_configuration_is_documented_with_its_type() {
    check_keys("## bots/&lt;id&gt;/bot.config.json", BOT);
}

#[test]
fn every_key_changes_a_setting() {
    for key in MAIN.iter().chain(CHANNEL_WEB) {
        let default = Settings::default();
        let values = match key.kind {
            ValueKind::Flag => vec![json!(true), json!(false)],
            kind => vec![other_value(kind)],
        };
        let changes = |value: &Value| {
            let mut settings = Settings::default();
            set(key, &mut settings, value);
            settings != default
        };
        assert!(values.iter().any(changes), "{} changes nothing", key.path);
    }
}

#[test]
fn every_variable_of_the_environment_is_documented_and_taken() {
    let (_, text) = page("configuration.md");
    let table: Vec<Vec<String>> = rows(section(&text, "## Environment"));
    let row_of = |name: &str| {
        let found = table.iter().find(|cells| cells[0].contains(&format!("`{name}`")));
        found.unwrap_or_else(|| panic!("docs/configuration.md has no row for {name}"))
    };
    for (name, path) in VARIABLES {
        let says = row_of(name)[1].clone();
        assert!(says.contains(path) || *name == "PORT", "{name}: {says}");
        let folder = tempfile::tempdir().unwrap();
        let value = if path.ends_with("port") { "4001" } else { "https://else.example" };
        let environment = BTreeMap::from([((*name).to_owned(), value.to_owned())]);
        let (mut settings, _) = nudge::config::load(folder.path(), &Overrides::default(), &environment).unwrap();
        // The value of a secret is also one that is not logged.
        settings.secrets = Secrets::default();
        let mut expected = Settings::default();
        let key = MAIN.iter().find(|key| key.path == *path).unwrap();
        let json = if path.ends_with("port") { json!(4001) } else { json!(value) };
        set(key, &mut expected, &json);
        assert_eq!(settings, expected, "{name}");
    }
    for name in SEEN_BY_SCRIPTS.into_iter().chain(UNUSED.iter().map(|(name, _)| *name)) {
        row_of(name);
    }
}

#[test]
fn the_kinds_of_hooks_are_documented_as_the_table_has_them() {
    let (_, text) = page("hooks.md");
    let documented = rows(section(&text, "## Kinds"));
    let expected: Vec<Vec<String>> = HOOK_KINDS
        .iter()
        .map(|row| {
            let args: Vec<String> = row.args.iter().map(|name| format!("`{name}`")).collect();
            let called = if row.called { "yes" } else { "not yet" };
            vec![format!("`{}`", row.folder), args.join(", "), row.when.to_owned(), called.to_owned()]
        })
        .collect();
    let lines = |rows: &[Vec<String>]| -> Vec<String> {
        rows.iter().map(|cells| format!("| {} |", cells.join(" | "))).collect()
    };
    assert_eq!(lines(&documented).join("\n"), lines(&expected).join("\n"));
}

/// The reference of `bp`, made from its table.
fn members() -> String {
    let mut out = String::new();
    let mut namespace = "";
    for member in MEMBERS {
        if member.namespace != namespace {
            namespace = member.namespace;
            out.push_str(&format!("\n### bp.{namespace}\n\n| member | what it does |\n|---|---|\n"));
        }
        let at = if member.runs == Runs::Request { " *Asks the server.*" } else { "" };
        let signature = member.signature.replace('|', "\\|");
        out.push_str(&format!("| `{}{signature}` | {}{at} |\n", member.name, member.doc));
    }
    out
}

/// What `scripts.isolation` makes of each member of `bp`, in the order of the table.
fn kept_apart() -> String {
    let mut out = "\n| member | with `\"per-bot\"` |\n|---|---|\n".to_owned();
    let mut rows: Vec<(String, &str)> = Vec::new();
    for member in MEMBERS.iter().filter(|member| member.concerns != Concerns::Nobody) {
        let name = format!("`bp.{}`", member.full_name());
        match rows.last_mut().filter(|(_, rule)| *rule == member.concerns.rule()) {
            Some((names, _)) => *names += &format!(", {name}"),
            None => rows.push((name, member.concerns.rule())),
        }
    }
    for (names, rule) in rows {
        out.push_str(&format!("| {names} | {rule} |\n"));
    }
    out
}

const BEGIN: &str = "<!-- made from src/sdk.rs by `UPDATE=1 cargo test --test docs`; do not edit -->\n";
const END: &str = "\n<!-- end of what is made -->";

#[test]
fn the_reference_of_bp_is_made_from_the_table_of_members() {
    is_made("sdk.md", &members());
}

#[test]
fn what_is_said_of_bots_that_are_kept_apart_is_made_from_the_table_of_members() {
    is_made("isolation.md", &kept_apart());
}

/// What is made stands on that page, between the marks.
fn is_made(name: &str, made: &str) {
    let (path, text) = page(name);
    let from = text.find(BEGIN).unwrap_or_else(|| panic!("{name} has no mark")) + BEGIN.len();
    let to = text.find(END).unwrap_or_else(|| panic!("{name} has no end mark"));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, format!("{}{made}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    assert_eq!(&text[from..to], made, "run UPDATE=1 cargo test --test docs");
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("ARCHITECTURE.md"), root.join("CONTRIBUTING.md")];
    let entries = |folder: &str| fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(entries("docs").chain(entries("examples")));
    pages.extend(entries("examples").map(|example| example.join("README.md")).filter(|page| page.exists()));
    for page in pages.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let target = page.parent().unwrap().join(file);
            assert!(target.exists(), "{} links to {file}, which is not there", page.display());
        }
    }
}

#[test]
fn every_key_of_the_chats_configuration_is_documented() {
    let types = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("webchat/src/types.ts");
    let types = fs::read_to_string(types).unwrap();
    let (_, config) = types.split_once("export interface Config {").unwrap();
    let (config, _) = config.split_once("\n}").unwrap();
    let keys: Vec<&str> = config.lines().filter_map(|line| line.trim().split_once("?: ")).map(|(key, _)| key).collect();
    assert!(keys.len() > 30, "{keys:?}");
    let (_, text) = page("webchat.md");
    let documented = rows(section(&text, "## Configuration"));
    let documented: Vec<&str> = documented.iter().map(|cells| code(&cells[0])).collect();
    assert_eq!(documented, keys, "docs/webchat.md and webchat/src/types.ts, in the same order");
}
