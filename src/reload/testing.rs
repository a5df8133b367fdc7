//! What the tests of this module share.

use std::path::Path;

use super::bot_file::BotFile;
use super::builtin::{BUILTINS, BuiltinFile};
use super::candidate::Candidate;
use super::load::Loaded;
use super::reader::Reader;
use super::sandbox::Readers;
use crate::config::{ReadLimits, Settings};
use crate::model::BotId;
use crate::reading::{FileRole, Reading};

/// A folder with these files.
pub(super) fn workspace(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder for the test");
    for (path, text) in files {
        write(root.path(), path, text);
    }
    root
}

/// Writes a file, its folders first.
pub(super) fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).expect("folders can be made");
    }
    std::fs::write(path, text).expect("files can be written");
}

/// A reader with these built-in files that reads in the process of the test.
pub(super) fn reader(root: &Path, builtins: &'static [BuiltinFile]) -> Reader {
    Reader::with(root, builtins, Readers::Here(read_here))
}

/// A workspace that is read once.
pub(super) fn read(root: &Path) -> Candidate {
    reader(root, BUILTINS).read(&Settings::default())
}

/// What was read off a file, on a stack like that of the process which does so otherwise.
pub(super) fn read_here(path: &str, role: &FileRole, text: &str, limits: &ReadLimits) -> Reading {
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(limits.stack());
        let reader = reader.spawn_scoped(scope, || crate::parsing::read(path, role, text, limits));
        reader.expect("a thread can be started").join().expect("it can be read")
    })
}

/// A bot's configuration.
pub(super) fn bot_file(bot: &str, text: &str) -> BotFile {
    let path = format!("bots/{bot}/bot.config.json");
    let bot = BotId::parse(bot).expect("a bot's id");
    let reading = read_here(&path, &FileRole::Bot { bot: bot.clone() }, text, &ReadLimits::default());
    match Loaded::of(&path, &FileRole::Bot { bot }, text, reading) {
        Ok(Loaded::Bot(file)) => std::sync::Arc::into_inner(file).expect("it is nobody else's"),
        other => panic!("{other:?}"),
    }
}
