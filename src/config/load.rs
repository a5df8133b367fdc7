//! Reads the settings: defaults, then the files, then the environment, then the command line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::{Map, Value};

use crate::beneath::{self, NotOpened};

use super::environment::{any_value, for_scripts, override_raw, parse_env_file};
use super::external_auth::KEY_FILE;
use super::former::advice_of_variable;
use super::jsonc::{name_of, parse_object};
use super::keys::{CHANNEL_WEB, MAIN};
use super::layout::find_global;
use super::modules::PREFIX;
use super::nearest::nearest;
use super::problem::{MOST_PROBLEMS, Problem};
use super::schema::{Key, ValueKind, apply, check, nearest_allowed};
use super::secrets::Secrets;
use super::settings::Settings;

/// What the command line says; it wins over everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--host`.
    pub host: Option<String>,
    /// `--port`.
    pub port: Option<u16>,
    /// `--production`.
    pub production: bool,
}

/// The configuration cannot be used: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Errors first, warnings behind.
    pub problems: Vec<Problem>,
}

/// All problems, one below the other.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// Variables that stand for one key each, in the order they are applied.
pub const VARIABLES: &[(&str, &str)] = &[
    ("BP_HOST", "httpServer.host"),
    ("PORT", "httpServer.port"),
    ("BP_PORT", "httpServer.port"),
    ("EXTERNAL_URL", "httpServer.externalUrl"),
    ("APP_SECRET", "appSecret"),
];

/// Variables of the original whose meaning we do not have.
pub const UNUSED: &[(&str, &str)] =
    &[("DATABASE_URL", "the data lies in data.db in the workspace"), ("REDIS_URL", "one server serves a workspace")];

/// Reads the settings of a workspace. `environment` is the process's; what `.env` says is added where the process says nothing.
/// The problems are warnings: keys and variables that nothing uses.
///
/// # Errors
/// Anything of the wrong type, a file that cannot be read or is not JSON: all of it at once.
pub fn load(
    root: &Path,
    overrides: &Overrides,
    environment: &BTreeMap<String, String>,
) -> Result<(Settings, Vec<Problem>), ConfigError> {
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    if let Some((path, text)) = read_first(root, "botpress.config.json", &mut problems) {
        match parse_object(&path, &text) {
            Ok(object) => {
                problems.extend(apply(&path, &text, &object, MAIN, true, &mut settings));
                if let Some(Value::String(secret)) = object.get("appSecret") {
                    settings.app_secret = Some(secret.clone());
                }
                settings.raw = object;
            }
            Err(problem) => problems.push(*problem),
        }
    }
    if let Some((path, text)) = read_first(root, "config/channel-web.json", &mut problems) {
        match parse_object(&path, &text) {
            Ok(object) => problems.extend(apply(&path, &text, &object, CHANNEL_WEB, true, &mut settings)),
            Err(problem) => problems.push(*problem),
        }
    }
    let mut variables = BTreeMap::new();
    if let Some(text) = read(root, ".env", &mut problems) {
        let (found, warnings) = parse_env_file(".env", &text);
        variables = found;
        problems.extend(warnings);
    }
    variables.extend(environment.iter().map(|(name, value)| (name.clone(), value.clone())));
    apply_environment(&variables, &mut settings, &mut problems);
    if let Some(host) = &overrides.host {
        settings.http.host.clone_from(host);
    }
    if let Some(port) = overrides.port {
        settings.http.port = Some(port);
    }
    settings.production |= overrides.production;
    settings.script_env = for_scripts(&variables);
    let modules = variables.iter().filter(|(name, _)| name.starts_with(PREFIX));
    settings.module_env = modules.map(|(name, value)| (name.clone(), value.clone())).collect();
    // An empty secret signs nothing: the store's own is better.
    settings.app_secret = settings.app_secret.take().filter(|secret| !secret.is_empty());
    settings.secrets = Secrets::of(&settings.raw, &variables).with(settings.app_secret.as_deref());
    external_auth(root, &mut settings, &mut problems);
    if problems.iter().any(|problem| problem.fatal) {
        problems.sort_by_key(|problem| !problem.fatal);
        return Err(ConfigError { problems });
    }
    Ok((settings, problems))
}

/// Finds the key of external tokens and tries it. What is not switched on may be as unfinished as it likes.
fn external_auth(root: &Path, settings: &mut Settings, problems: &mut Vec<Problem>) {
    // It may be a secret that both sides know, and scripts have no use for it either way.
    if let Some(Value::Object(external)) = settings.raw.get_mut("pro").and_then(|pro| pro.get_mut("externalAuth")) {
        external.remove("publicKey");
    }
    if !settings.external_auth.enabled {
        return;
    }
    let mut place = "botpress.config.json".to_owned();
    if settings.external_auth.public_key.is_none()
        && let Some((path, text)) = read_first(root, KEY_FILE, problems)
    {
        settings.external_auth.public_key = Some(text);
        place = path;
    }
    if let Err(message) = settings.external_auth.verification() {
        problems.push(Problem::error(place, message));
    }
}

/// The first of a global file's places that has it; others are warned of.
fn read_first(root: &Path, name: &str, problems: &mut Vec<Problem>) -> Option<(String, String)> {
    let mut found = find_global(root, name).into_iter();
    let path = found.next()?;
    for other in found {
        problems.push(Problem::warning(other, format!("not read: {path} is there too, and comes first")));
    }
    read(root, &path, problems).map(|text| (path, text))
}

fn read(root: &Path, path: &str, problems: &mut Vec<Problem>) -> Option<String> {
    match beneath::text(&root.join(path)) {
        Ok(text) => Some(text.strip_prefix('\u{feff}').map(ToOwned::to_owned).unwrap_or(text)),
        Err(NotOpened::Missing) => None,
        Err(error) => {
            problems.push(Problem::error(path, format!("cannot be read: {error}")));
            None
        }
    }
}

fn apply_environment(variables: &BTreeMap<String, String>, settings: &mut Settings, problems: &mut Vec<Problem>) {
    let mut unknown = Vec::new();
    for (name, text) in variables {
        if let Some(key) = name.strip_prefix("BP_CONFIG_") {
            match find_key(key, MAIN) {
                Some(key) => {
                    if let Some(value) = set(name, text, key, settings, problems) {
                        insert(&mut settings.raw, key.path, value);
                    }
                }
                // A key of the file that only scripts use can be overridden as well.
                None if override_raw(&mut settings.raw, key, text) => {}
                None => unknown.push((name, key, MAIN)),
            }
        } else if let Some(key) = name.strip_prefix("BP_MODULE_CHANNEL_WEB_") {
            match find_key(key, CHANNEL_WEB) {
                Some(key) => drop(set(name, text, key, settings, problems)),
                None => unknown.push((name, key, CHANNEL_WEB)),
            }
        }
    }
    // Each is compared with all keys.
    let named = unknown.iter().take(MOST_PROBLEMS).map(|(name, key, keys)| unknown_variable(name, key, keys));
    problems.extend(named);
    if let Some(more) = unknown.len().checked_sub(MOST_PROBLEMS).filter(|more| *more > 0) {
        problems.push(Problem::warning(
            "environment",
            format!("{more} more variables are not used: there are no such keys"),
        ));
    }
    for (name, path) in VARIABLES {
        let given = variables.get(*name).filter(|text| !text.is_empty());
        if let (Some(text), Some(key)) = (given, MAIN.iter().find(|key| key.path == *path)) {
            set(name, text, key, settings, problems);
        }
    }
    if let Some(text) = variables.get("BP_PRODUCTION") {
        match flag(text) {
            Some(flag) => settings.production = flag,
            None => problems.push(wrong("BP_PRODUCTION", "true or false", text)),
        }
    }
    for (name, why) in UNUSED {
        if variables.get(*name).is_some_and(|text| !text.is_empty()) {
            problems.push(Problem::warning(format!("environment variable {name}"), format!("not used: {why}")));
        }
    }
}

/// Finds a key by the tail of a variable's name: `HTTPSERVER_PORT`.
fn find_key<'a>(name: &str, keys: &'a [Key<Settings>]) -> Option<&'a Key<Settings>> {
    keys.iter().find(|key| key.path.replace('.', "_").eq_ignore_ascii_case(name))
}

/// Sets a key from a text; the value, if it was fine.
fn set(
    name: &str,
    text: &str,
    key: &Key<Settings>,
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    let value = value_of(key.kind, text);
    match check(key.kind, &value) {
        Ok(checked) => {
            (key.set)(settings, checked, &value);
            Some(value)
        }
        Err(expected) => {
            let problem = wrong(name, &expected, text);
            let Some((checked, taken)) = nearest_allowed(key.path, key.kind, &value) else {
                problems.push(problem);
                return None;
            };
            (key.set)(settings, checked, &value);
            problems.push(Problem { fatal: false, ..problem }.help(taken));
            Some(value)
        }
    }
}

/// A variable's text as the JSON value a key of that kind wants.
fn value_of(kind: ValueKind, text: &str) -> Value {
    match kind {
        ValueKind::Flag => flag(text).map_or_else(|| Value::String(text.to_owned()), Value::Bool),
        ValueKind::Whole(..)
        | ValueKind::Fraction(..)
        | ValueKind::Texts
        | ValueKind::Hosts
        | ValueKind::Origins
        | ValueKind::Durations(_)
        | ValueKind::Object
        | ValueKind::Any => any_value(text),
        _ => Value::String(text.to_owned()),
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" | "" => Some(false),
        _ => None,
    }
}

fn wrong(name: &str, expected: &str, text: &str) -> Problem {
    let got = if super::redact::is_secret(name) { String::new() } else { format!(", got {}", name_of(&text.into())) };
    Problem::error(format!("environment variable {name}"), format!("must be {expected}{got}"))
}

fn unknown_variable(name: &str, key: &str, keys: &[Key<Settings>]) -> Problem {
    let problem = Problem::warning(format!("environment variable {name}"), "not used: there is no such key");
    if let Some(advice) = advice_of_variable(key) {
        return problem.help(advice);
    }
    let names: Vec<String> = keys.iter().map(|key| key.path.replace('.', "_").to_ascii_uppercase()).collect();
    match nearest(key, names.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean {}{near}?", name.strip_suffix(key).unwrap_or(""))),
        None => problem,
    }
}

/// Puts a value at a dotted path, making objects on the way.
fn insert(object: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(object.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
