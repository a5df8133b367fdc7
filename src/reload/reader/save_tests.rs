//! Which files are looked at after a save.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::tests::reader;
use super::{Look, Reader};
use crate::config::Settings;
use crate::program::Program;
use crate::reload::pass::Watching;
use crate::reload::pending_changes::Hints;
use crate::reload::testing::{workspace, write};

/// A reader at work beside a watcher that is told of files.
struct Watched {
    root: tempfile::TempDir,
    reader: Reader,
    folders: BTreeMap<PathBuf, (u64, u64)>,
}

impl Watched {
    fn new(files: &[(&str, &str)]) -> Self {
        let root = workspace(files);
        let mut watched = Self { reader: reader(&root), root, folders: BTreeMap::new() };
        watched.age(&files.iter().map(|(path, _)| *path).collect::<Vec<_>>());
        watched.reader.read(&Settings::default());
        watched.look(&[], true);
        watched
    }

    /// Makes files old enough to be read.
    fn age(&self, paths: &[&str]) {
        let past = SystemTime::now() - Duration::from_secs(60);
        for path in paths.iter().map(|path| self.root.path().join(path)).filter(|path| path.is_file()) {
            std::fs::File::options().write(true).open(path).unwrap().set_modified(past).unwrap();
        }
    }

    /// Looks at what the watcher was told of.
    fn look(&mut self, touched: &[&str], folders: bool) -> Look {
        self.age(touched);
        let touched = touched.iter().map(|path| self.root.path().join(path)).collect();
        let hints = Hints { touched, folders, ..Hints::default() };
        let mut confirm = |_: &Path| true;
        let watching = Watching { hints: &hints, folders: &self.folders, polled: &BTreeMap::new(), confirm: &mut confirm };
        let look = self.reader.look(&Settings::default(), Some(watching), false);
        if let Some(places) = &look.places {
            self.folders.clone_from(&places.folders);
        }
        look
    }

    fn write(&self, path: &str, text: &str) {
        write(self.root.path(), path, text);
    }
}

/// A path that is told of, and what is done to the files.
type Change<'a> = (&'a str, &'a dyn Fn(&Watched));

const SAVED: &str = "hooks/before_incoming_middleware/a.js";

fn saved() -> Watched {
    Watched::new(&[
        (SAVED, "require('lib')"),
        ("hooks/before_incoming_middleware/.05_ours.js", ""),
        ("libraries/lib.js", ""),
        ("libraries/pack/package.json", r#"{ "main": "one.js" }"#),
        ("libraries/pack/one.js", ""),
        ("libraries/pack/two.js", ""),
        ("actions/x.js", "require('pack')"),
        ("bots/b/bot.config.json", "{}"),
    ])
}

#[test]
fn a_save_that_changes_a_text_looks_at_that_file_alone() {
    let mut watched = saved();
    let before = watched.look(&[], true);
    assert!(before.candidate.is_none() && before.places.is_some());
    watched.write(SAVED, "require('lib'); 2");
    watched.write("libraries/lib.js", "nobody told of it");
    let look = watched.look(&[SAVED], false);
    assert!(look.places.is_none(), "everything was looked at");
    let program = look.candidate.unwrap().program;
    let source = |path: &str| program.scripts.iter().find(|one| &*one.path == path).unwrap().source.to_string();
    assert_eq!(source(SAVED), "require('lib'); 2");
    assert_eq!(source("libraries/lib.js"), "");
    let script = program.scripts.iter().find(|one| &*one.path == SAVED).unwrap();
    assert_eq!(script.shape.requires[0].file.as_deref(), Some("libraries/lib.js"));
    // The temporary file of an editor has come and gone.
    watched.write(SAVED, "require('lib'); 3");
    let look = watched.look(&[SAVED, "hooks/before_incoming_middleware/a.js.tmp"], false);
    assert!(look.places.is_none() && look.candidate.is_some());
    // A text that cannot be used, and one that can.
    watched.write(SAVED, "require('lib'); (");
    let look = watched.look(&[SAVED], false);
    assert!(look.places.is_none() && look.candidate.unwrap().problems.iter().any(|problem| problem.fatal));
    watched.write(SAVED, "require('lib')");
    assert!(watched.look(&[SAVED], false).candidate.unwrap().problems.iter().all(|problem| !problem.fatal));
}

#[test]
fn what_may_change_more_than_a_text_is_looked_for_everywhere() {
    let changes: &[Change<'_>] = &[
        ("hooks/before_incoming_middleware/new.js", &|watched| {
            watched.write("hooks/before_incoming_middleware/new.js", "")
        }),
        ("hooks/before_incoming_middleware/.05_ours.js", &|watched| {
            std::fs::remove_file(watched.root.path().join("hooks/before_incoming_middleware/.05_ours.js")).unwrap();
        }),
        (SAVED, &|watched| watched.write(SAVED, "require('lib'); require('pack/two')")),
        (SAVED, &|watched| watched.write(SAVED, "1")),
        (SAVED, &|watched| std::fs::remove_file(watched.root.path().join(SAVED)).unwrap()),
        ("libraries/pack/package.json", &|watched| {
            watched.write("libraries/pack/package.json", r#"{ "main": "two.js" }"#);
        }),
        ("actions", &|watched| {
            std::fs::rename(watched.root.path().join("actions"), watched.root.path().join("gone")).unwrap();
        }),
    ];
    for (path, change) in changes {
        let mut watched = saved();
        change(&watched);
        let look = watched.look(&[path], false);
        assert!(look.places.is_some(), "{path}");
        let fresh = reader(&watched.root).read(&Settings::default());
        let paths = |program: &Program| {
            let mut paths: Vec<String> = program.scripts.iter().map(|script| script.path.to_string()).collect();
            paths.sort();
            paths
        };
        // What is gone stays for a moment: an editor may put it back.
        let candidate = look.candidate.or_else(|| Some(watched.reader.read(&Settings::default()))).unwrap();
        if watched.root.path().join(path).exists() {
            assert_eq!(paths(&candidate.program), paths(&fresh.program), "{path}");
        }
    }
}

#[test]
fn a_file_with_two_names_is_looked_at_under_both() {
    let mut watched = saved();
    let link = "hooks/before_incoming_middleware/link.js";
    std::os::unix::fs::symlink("a.js", watched.root.path().join(link)).unwrap();
    watched.look(&[link], true);
    watched.write(SAVED, "require('lib'); 2");
    let look = watched.look(&[SAVED], false);
    assert!(look.places.is_some());
    let sources: Vec<String> = look
        .candidate
        .map(|candidate| candidate.program.scripts.iter().map(|script| script.source.to_string()).collect())
        .unwrap_or_default();
    assert_eq!(sources.iter().filter(|source| *source == "require('lib'); 2").count(), 2);
}
