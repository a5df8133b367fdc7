//! Configuration of modules, `config/<module>.json`: what scripts read with `bp.config.getModuleConfig`. Each call looks
//! whether the files have changed, so that a change needs no restart.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::beneath::{self, NotOpened};

use super::environment::override_raw;
use super::jsonc::parse_object;
use super::layout::{BOTS, GLOBAL, join};
use super::problem::Problem;

/// What holds without a file, by module.
const DEFAULTS: &[(&str, &str)] = &[("basic-skills", r#"{ "matchNumbers": true, "defaultMaxAttempts": 3 }"#)];

/// Variables of the environment that set an option of a module begin so: `BP_MODULE_BASIC_SKILLS_MATCHNUMBERS`.
pub const PREFIX: &str = "BP_MODULE_";

/// Largest file, in bytes.
const LARGEST: u64 = 1 << 20;

/// A module's configuration: the defaults, over them the workspace's file, the environment, and the bot's own file. Only whole
/// keys are replaced. Empty for a module that nobody configures. Without a `root` there are no files.
///
/// # Errors
/// A file that cannot be read or holds no object.
pub fn module_config(
    root: Option<&Path>,
    environment: &BTreeMap<String, String>,
    module: &str,
    bot: Option<&str>,
) -> Result<Map<String, Value>, Box<Problem>> {
    let mut config = Map::new();
    if let Some((name, text)) = DEFAULTS.iter().find(|(name, _)| *name == module) {
        config = parse_object(name, text)?;
    }
    let file = format!("config/{module}.json");
    for folder in GLOBAL {
        if let Some(found) = root.map_or(Ok(None), |root| read(root, &join(folder, &file)))? {
            config.extend(found);
            break;
        }
    }
    let prefix = format!("{PREFIX}{}_", module.replace('-', "_"));
    for (name, value) in environment {
        let option = name.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(&prefix));
        if option.is_some() {
            override_raw(&mut config, &name[prefix.len()..], value);
        }
    }
    if let (Some(root), Some(bot)) = (root, bot) {
        for folder in BOTS {
            let Some(own) = folder_of(root, folder, bot) else { continue };
            if let Some(found) = read(root, &join(&own, &file))? {
                config.extend(found);
                break;
            }
        }
    }
    Ok(config)
}

/// What shows whether a module's files have changed: which there are, and of each its number, its length and when it was changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature(Vec<(String, u64, u64, SystemTime)>);

impl Signature {
    /// Of the files that [`module_config`] reads for the same arguments.
    pub fn of(root: Option<&Path>, module: &str, bot: Option<&str>) -> Self {
        let Some(root) = root else { return Self::default() };
        let file = format!("config/{module}.json");
        let own = bot.map(|bot| BOTS.iter().filter_map(move |folder| folder_of(root, folder, bot)));
        let folders = GLOBAL.iter().map(|folder| (*folder).to_owned()).chain(own.into_iter().flatten());
        let found = folders.filter_map(|folder| {
            let path = join(&folder, &file);
            let metadata = fs::metadata(root.join(&path)).ok()?;
            let changed = metadata.modified().ok()?;
            Some((path, metadata.ino(), metadata.len(), changed))
        });
        Self(found.collect())
    }

    /// How large they are together.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|(.., bytes, _)| bytes).sum()
    }

    /// Whether all of them were changed longer ago than that.
    pub fn is_older_than(&self, age: Duration, now: SystemTime) -> bool {
        self.0.iter().all(|(.., changed)| now.duration_since(*changed).is_ok_and(|since| since > age))
    }
}

/// A bot's folder: ids do not differ by case, folders may.
pub(crate) fn folder_of(root: &Path, bots: &str, bot: &str) -> Option<String> {
    let exact = join(bots, bot);
    if root.join(&exact).is_dir() {
        return Some(exact);
    }
    let names = fs::read_dir(root.join(bots)).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let name = names.filter(|name| name.eq_ignore_ascii_case(bot)).min()?;
    Some(join(bots, &name))
}

fn read(root: &Path, path: &str) -> Result<Option<Map<String, Value>>, Box<Problem>> {
    let unread = |error: &dyn std::fmt::Display| Box::new(Problem::error(path, format!("cannot be read: {error}")));
    // A script asks for it, and everybody's events wait for the answer: a pipe is not waited for.
    let (file, metadata) = match beneath::regular(&root.join(path)) {
        Err(NotOpened::Missing) => return Ok(None),
        opened => opened.map_err(|error| unread(&error))?,
    };
    if metadata.len() > LARGEST {
        return Err(Box::new(Problem::error(path, format!("not read: it is larger than {} MB", LARGEST >> 20))));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(|error| unread(&error))?;
    parse_object(path, text.strip_prefix('\u{feff}').unwrap_or(&text)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_bots_file_wins_over_the_environment_over_the_workspaces_file_over_the_defaults() {
        let root = workspace(&[
            ("data/global/config/basic-skills.json", r#"{ "defaultMaxAttempts": 5, "own": { "a": 1 }, /* x */ }"#),
            ("data/bots/My-Bot/config/basic-skills.json", r#"{ "own": { "b": 2 } }"#),
        ]);
        let config = |bot: Option<&str>, environment: &[(&str, &str)]| {
            let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            let config = module_config(Some(root.path()), &environment, "basic-skills", bot).unwrap();
            Value::Object(config).to_string()
        };
        assert_eq!(config(None, &[]), r#"{"matchNumbers":true,"defaultMaxAttempts":5,"own":{"a":1}}"#);
        assert_eq!(
            config(Some("my-bot"), &[("BP_MODULE_BASIC_SKILLS_MATCHNUMBERS", "false"), ("BP_MODULE_NLU_OWN", "1")]),
            r#"{"matchNumbers":false,"defaultMaxAttempts":5,"own":{"b":2}}"#
        );
        let none = module_config(Some(root.path()), &BTreeMap::new(), "nlu", Some("other")).unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn a_pipe_or_a_folder_in_the_place_of_a_file_is_named_and_not_waited_for() {
        let root = workspace(&[("config/folder.json/x", "")]);
        let made = std::process::Command::new("mkfifo").arg(root.path().join("config/pipe.json")).status().unwrap();
        assert!(made.success());
        for module in ["folder", "pipe"] {
            let error = module_config(Some(root.path()), &BTreeMap::new(), module, None).unwrap_err().to_string();
            assert!(error.contains(&format!("config/{module}.json: error: cannot be read: it is no file")), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_no_object_is_named() {
        let root = workspace(&[("config/nlu.json", "[]"), ("config/long.json", &" ".repeat((LARGEST + 1) as usize))]);
        let error = |module| module_config(Some(root.path()), &BTreeMap::new(), module, None).unwrap_err().to_string();
        assert!(error("nlu").starts_with("config/nlu.json:1:1: error: expected an object, got an array"));
        assert_eq!(error("long"), "config/long.json: error: not read: it is larger than 1 MB");
    }
}
