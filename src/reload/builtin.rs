//! The built-in files: embedded when the program is built, and part of every workspace that has no file in their place.

use std::collections::HashSet;
use std::sync::Arc;

use super::load::Loaded;
use super::places::Stamp;
use super::sandbox::{Outcome, ReadJob, Sandbox};
use crate::config::Problem;
use crate::model::BotId;
use crate::program::HookKind;
use crate::program::flow::SUFFIX as FLOW;
use crate::program::resolve::{Files, resolve};
use crate::reading::FileRole;

pub use crate::program::resolve::BUILTIN as PREFIX;

/// Whether a script comes with the server. In a checkout of it the built-ins lie in the workspace, word for word.
pub fn is_built_in(path: &str, source: &str) -> bool {
    path.starts_with(PREFIX) || BUILTINS.iter().any(|file| file.path == path && file.source == source)
}

/// An embedded file.
#[derive(Debug, Clone, Copy)]
pub struct BuiltinFile {
    /// Its path in the repository, `hooks/after_incoming_middleware/01_skip.js`.
    pub path: &'static str,
    /// Its text.
    pub source: &'static str,
}

/// All embedded files: `hooks/`, `actions/`, `content-types/` and `bots/welcome-bot/` of the repository.
pub const BUILTINS: &[BuiltinFile] = include!(concat!(env!("OUT_DIR"), "/builtins.rs"));

/// An embedded file, read.
#[derive(Debug, Clone)]
pub(super) struct Builtin {
    /// With [`PREFIX`].
    pub(super) path: String,
    pub(super) role: FileRole,
    pub(super) loaded: Loaded,
}

/// Reads the embedded files. Problems in them are ours, and tests find them.
pub(super) fn read_builtins(files: &[BuiltinFile], sandbox: &mut Sandbox) -> (Vec<Builtin>, Vec<Problem>) {
    let (mut builtins, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        let Some(role) = role(file.path) else { continue };
        let (path, text) = (format!("{PREFIX}{}", file.path), file.source.to_owned());
        sandbox.submit(ReadJob { path, role, text, stamp: Stamp::NONE, hash: 0 });
    }
    while let Some((ReadJob { path, role, text, .. }, outcome)) = sandbox.next() {
        // They come before all others, so none is postponed.
        let (Outcome::Read(reading) | Outcome::Hurried(reading)) = outcome else { continue };
        match Loaded::of(&path, &role, &text, reading) {
            Ok(loaded) => builtins.push(Builtin { path, role, loaded }),
            Err(found) => problems.extend(found.problems),
        }
    }
    lead_requires(&mut builtins);
    (builtins, problems)
}

/// Embedded files require one another.
fn lead_requires(builtins: &mut [Builtin]) {
    let paths: HashSet<String> = builtins.iter().map(|builtin| builtin.path.clone()).collect();
    let files = Files { is_file: &|path| paths.contains(path), read: &|_| None };
    for Builtin { path, loaded, .. } in builtins {
        if let Loaded::Script(script) = loaded
            && let Some(led) = script.led(|name| resolve(path, name, &files).map_err(|nowhere| nowhere.manifest))
        {
            *loaded = Loaded::Script(Arc::new(led));
        }
    }
}

/// The bots among the embedded files.
pub(super) fn bots(builtins: &[Builtin]) -> HashSet<&BotId> {
    builtins.iter().filter_map(|file| file.role.bot()).collect()
}

/// What an embedded file is for, by its path; the rules are those of a workspace.
fn role(path: &str) -> Option<FileRole> {
    let (bot, path) = match path.strip_prefix("bots/") {
        Some(rest) => {
            let (bot, rest) = rest.split_once('/')?;
            (Some(BotId::parse(bot).ok()?), rest)
        }
        None => (None, path),
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.starts_with('.') || path.contains("node_modules/") {
        return None;
    }
    let (folder, rest) = path.split_once('/').unwrap_or(("", path));
    match (folder, bot) {
        ("hooks", bot) if name.ends_with(".js") => {
            Some(FileRole::Hook { kind: HookKind::from_folder(rest.split_once('/')?.0)?, bot })
        }
        ("actions", bot) => Some(FileRole::Action { name: rest.strip_suffix(".js")?.to_owned(), bot }),
        ("content-types", None) if name.ends_with(".json") || name.starts_with('_') => Some(FileRole::Module),
        ("content-types", None) => Some(FileRole::ContentType),
        ("content-elements", Some(bot)) => {
            Some(FileRole::Elements { bot, content_type: rest.strip_suffix(".json")?.to_owned() })
        }
        ("flows", Some(bot)) if name.ends_with(FLOW) => Some(FileRole::Flow { bot, name: rest.to_owned() }),
        ("", Some(bot)) if name == "bot.config.json" => Some(FileRole::Bot { bot }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reload::sandbox::Readers;
    use crate::reload::testing::read_here;

    #[test]
    fn every_embedded_file_can_be_read() {
        let (_, problems) = read_builtins(BUILTINS, &mut Sandbox::new(Readers::Here(read_here)));
        assert!(problems.is_empty(), "{}", problems[0]);
    }

    #[test]
    fn embedded_files_follow_the_rules_of_a_workspace() {
        let bot = || BotId::parse("welcome-bot").unwrap();
        let kind = HookKind::AfterBotMount;
        for (path, expected) in [
            ("hooks/after_bot_mount/sub/x.js", Some(FileRole::Hook { kind, bot: None })),
            ("hooks/nothing/x.js", None),
            ("hooks/after_bot_mount/.x.js", None),
            ("actions/builtin/a.js", Some(FileRole::Action { name: "builtin/a".into(), bot: None })),
            ("content-types/text.js", Some(FileRole::ContentType)),
            ("content-types/_shared.js", Some(FileRole::Module)),
            ("bots/welcome-bot/bot.config.json", Some(FileRole::Bot { bot: bot() })),
            ("bots/welcome-bot/hooks/after_bot_mount/x.js", Some(FileRole::Hook { kind, bot: Some(bot()) })),
            (
                "bots/welcome-bot/content-elements/builtin_text.json",
                Some(FileRole::Elements { bot: bot(), content_type: "builtin_text".into() }),
            ),
            (
                "bots/welcome-bot/flows/skills/choice-1.flow.json",
                Some(FileRole::Flow { bot: bot(), name: "skills/choice-1.flow.json".into() }),
            ),
            ("bots/welcome-bot/flows/main.ui.json", None),
        ] {
            assert_eq!(role(path), expected, "{path}");
        }
    }
}
