//! Real files, a real watcher; nothing here waits for time, only for what is published.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use super::*;
use crate::program::{HookKind, Program};
pub(super) use crate::reload::candidate::tests::compile as answer;
use crate::reload::report::{changes, mended};
use crate::reload::testing::{reader, workspace, write};

pub(super) const HOOK: &str = "hooks/before_incoming_middleware/a.js";

/// Long enough for a busy machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Bench {
    root: tempfile::TempDir,
    /// The workspace, within that.
    folder: &'static str,
    workspaces: watch::Receiver<Arc<Workspace>>,
    /// Sources of the hook [`HOOK`] in every program that was compiled.
    compiled: Arc<Mutex<Vec<String>>>,
    _watch: Watch,
}

pub(super) fn source(program: &Program, path: &str) -> Option<String> {
    program.scripts.iter().find(|script| &*script.path == path).map(|script| script.source.to_string())
}

impl Bench {
    pub(super) async fn new(files: &[(&str, &str)]) -> Self {
        Self::with(files, |program| Ok(answer(&program))).await
    }

    async fn with(
        files: &[(&str, &str)],
        compile: impl Fn(Arc<Program>) -> Result<Compiled, String> + Send + Sync + 'static,
    ) -> Self {
        Self::by(notify::recommended_watcher, "", files, compile).await
    }

    /// The workspace lies in a folder of that name.
    pub(super) async fn in_folder(folder: &'static str, files: &[(&str, &str)]) -> Self {
        Self::by(notify::recommended_watcher, folder, files, |program| Ok(answer(&program))).await
    }

    pub(super) async fn by(
        watcher: impl FnOnce(Notify) -> notify::Result<RecommendedWatcher>,
        folder: &'static str,
        files: &[(&str, &str)],
        compile: impl Fn(Arc<Program>) -> Result<Compiled, String> + Send + Sync + 'static,
    ) -> Self {
        let root = workspace(&[]);
        for (path, text) in files {
            write(&root.path().join(folder), path, text);
        }
        let settings = Arc::new(Settings::default());
        let mut reader = reader(&root.path().join(folder), &[]);
        let candidate = reader.read(&settings);
        let first = finish(candidate.clone(), &answer(&candidate.program), None);
        let compiled = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&compiled);
        let watch = watch_by(watcher, reader, settings, Arc::new(first), CompileCache::default(), move |request| {
            seen.lock().unwrap().extend(source(&request.program, HOOK));
            let answered = compile(request.program);
            Box::pin(async move { answered })
        });
        // The first look, which may find what changed since the reading, is over when a change is seen.
        let mut bench = Self { root, folder, workspaces: watch.subscribe(), compiled, _watch: watch };
        bench.write("hooks/after_server_start/ready.js", "ready()");
        bench.until(|workspace| source(&workspace.program, "hooks/after_server_start/ready.js").is_some()).await;
        bench
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(self.folder).join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        write(&self.path(""), path, text);
    }

    /// Sources of the hook [`HOOK`] in every program that was compiled.
    pub(super) fn compiled(&self) -> Vec<String> {
        self.compiled.lock().unwrap().clone()
    }

    pub(super) async fn until(&mut self, done: impl Fn(&Workspace) -> bool) -> Arc<Workspace> {
        let found = tokio::time::timeout(PATIENCE, self.workspaces.wait_for(|workspace| done(workspace))).await;
        Arc::clone(&found.expect("published in time").expect("the watch goes on"))
    }

    /// Waits until the hook has this source.
    pub(super) async fn until_source(&mut self, wanted: &str) -> Arc<Workspace> {
        self.until(|workspace| source(&workspace.program, HOOK).as_deref() == Some(wanted)).await
    }

    pub(super) async fn until_gone(&mut self) -> Arc<Workspace> {
        self.until(|workspace| source(&workspace.program, HOOK).is_none()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_come_change_and_go_are_seen() {
    let mut bench = Bench::new(&[(HOOK, "one()")]).await;
    bench.write(HOOK, "two()");
    let first = bench.until_source("two()").await;
    bench.write("hooks/before_incoming_middleware/sub/deep/b.js", "b()");
    let second = bench.until(|w| source(&w.program, "hooks/before_incoming_middleware/sub/deep/b.js").is_some()).await;
    assert!(second.program.version > first.program.version);
    bench.write("hooks/before_incoming_middleware/sub/deep/b.js", "c()");
    let deep = "hooks/before_incoming_middleware/sub/deep/b.js";
    bench.until(|w| source(&w.program, deep).as_deref() == Some("c()")).await;
    fs::remove_file(bench.path(HOOK)).unwrap();
    bench.until_gone().await;
    fs::remove_dir_all(bench.path("hooks/before_incoming_middleware")).unwrap();
    bench.until(|w| source(&w.program, deep).is_none()).await;
    // The folder is another one now.
    bench.write(HOOK, "again()");
    bench.until_source("again()").await;
    bench.write(HOOK, "once_more()");
    bench.until_source("once_more()").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_were_not_there_are_seen() {
    let mut bench = Bench::new(&[]).await;
    bench.write(HOOK, "first()");
    bench.until_source("first()").await;
    bench.write("data/bots/Shop/bot.config.json", "{ \"name\": \"Shop\" }");
    bench.until(|w| w.bots.contains_key("shop")).await;
    bench.write("data/bots/Shop/bot.config.json", "{ \"name\": \"Store\" }");
    bench.until(|w| w.bots["shop"].name == "Store").await;
    bench.write("data/bots/Shop/content-elements/t.json", "[{ \"id\": \"t-1\", \"formData\": {} }]");
    bench.until(|w| w.program.bots["shop"].elements.contains_key("t-1")).await;
    bench.write("data/bots/Shop/flows/skills/x.flow.json", "{ \"startNode\": \"a\" }");
    bench.until(|w| w.program.bots["shop"].flows.contains_key("skills/x.flow.json")).await;
    bench.write("data/bots/Shop/flows/skills/x.flow.json", "{ \"startNode\": \"b\" }");
    bench.until(|w| w.program.bots["shop"].flows["skills/x.flow.json"].start_node == "b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leading_dot_and_a_rename_take_effect() {
    let mut bench = Bench::new(&[(HOOK, "one()")]).await;
    let off = bench.path("hooks/before_incoming_middleware/.a.js");
    fs::rename(bench.path(HOOK), &off).unwrap();
    bench.until_gone().await;
    fs::rename(&off, bench.path(HOOK)).unwrap();
    bench.until_source("one()").await;
    // Renamed, it is never there under both names: it would run twice.
    let other = "hooks/before_incoming_middleware/b.js";
    fs::rename(bench.path(HOOK), bench.path(other)).unwrap();
    let workspace = bench.until(|w| source(&w.program, other).is_some()).await;
    assert_eq!(source(&workspace.program, HOOK), None);
    // A folder above it is renamed.
    fs::rename(bench.path("hooks/before_incoming_middleware"), bench.path("hooks/after_bot_mount")).unwrap();
    let moved = "hooks/after_bot_mount/b.js";
    let workspace = bench.until(|w| source(&w.program, moved).is_some()).await;
    assert!(!workspace.program.global.hooks.contains_key(&HookKind::BeforeIncomingMiddleware));
    bench.write(moved, "changed()");
    bench.until(|w| source(&w.program, moved).as_deref() == Some("changed()")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_written_file_is_never_compiled() {
    let mut bench = Bench::new(&[(HOOK, "whole(0)")]).await;
    for round in 1..=60 {
        let text = format!("whole({round})");
        if round % 3 == 0 {
            let temporary = bench.path("hooks/before_incoming_middleware/a.js.tmp");
            fs::write(&temporary, &text).unwrap();
            fs::rename(&temporary, bench.path(HOOK)).unwrap();
        } else {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(bench.path(HOOK)).unwrap();
            file.write_all(b"half(").unwrap();
            // Other files go on while this one is being written.
            let other = format!("hooks/before_incoming_middleware/other_{}.js", round % 5);
            bench.write(&other, &text);
            if round % 2 == 0 {
                bench.until(|w| source(&w.program, &other).as_deref() == Some(&text)).await;
            }
            file.set_len(0).unwrap();
            file.write_all(b"").unwrap();
            use std::io::Seek as _;
            file.rewind().unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
        // Some edits follow each other at once.
        if round % 4 != 0 {
            bench.until_source(&text).await;
        }
    }
    bench.until_source("whole(60)").await;
    for source in bench.compiled.lock().unwrap().iter() {
        assert!(source.starts_with("whole(") && source.ends_with(')'), "{source:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_without_a_pause_are_never_seen_half() {
    let mut bench = Bench::new(&[(HOOK, "whole(0)")]).await;
    let path = bench.path(HOOK);
    let writer = std::thread::spawn(move || {
        for round in 1..=2_000 {
            let mut file = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
            file.write_all(b"whole").unwrap();
            std::thread::yield_now();
            file.write_all(format!("({round})").as_bytes()).unwrap();
        }
    });
    bench.until_source("whole(2000)").await;
    writer.join().unwrap();
    for source in bench.compiled.lock().unwrap().iter() {
        assert!(source.starts_with("whole(") && source.ends_with(')'), "{source:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_editors_put_aside_for_a_moment_is_never_gone() {
    let mut bench = Bench::new(&[(HOOK, "one()")]).await;
    let (path, aside) = (bench.path(HOOK), bench.path("hooks/before_incoming_middleware/a.js~"));
    let seen = Arc::new(Mutex::new(false));
    for round in 0..10 {
        // As vim does: a probe, the old file aside, the new one in its place, the old one deleted.
        let probe = bench.path("hooks/before_incoming_middleware/4913");
        fs::write(&probe, "").unwrap();
        fs::remove_file(&probe).unwrap();
        fs::rename(&path, &aside).unwrap();
        // Another file is published meanwhile: the hook must be in it.
        let other = format!("hooks/before_incoming_middleware/other_{round}.js");
        bench.write(&other, "x()");
        let text = format!("vim({round})");
        fs::write(&path, &text).unwrap();
        fs::remove_file(&aside).unwrap();
        let gone = Arc::clone(&seen);
        bench
            .until(|w| {
                *gone.lock().unwrap() |= source(&w.program, HOOK).is_none();
                source(&w.program, HOOK).as_deref() == Some(&text)
            })
            .await;
    }
    assert!(!*seen.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_file_stays_in_service_for_a_moment_and_then_counts_as_empty() {
    let mut bench = Bench::new(&[(HOOK, "one()")]).await;
    let emptied = Instant::now();
    fs::write(bench.path(HOOK), "").unwrap();
    bench.until_source("").await;
    assert!(emptied.elapsed() >= Duration::from_millis(500));
    bench.write(HOOK, "two()");
    bench.until_source("two()").await;
    // Emptied and written again within that time, it was never empty.
    let compiled = bench.compiled.lock().unwrap().len();
    fs::write(bench.path(HOOK), "").unwrap();
    bench.write("hooks/before_incoming_middleware/b.js", "b()");
    bench.until(|w| source(&w.program, "hooks/before_incoming_middleware/b.js").is_some()).await;
    bench.write(HOOK, "three()");
    bench.until_source("three()").await;
    assert!(bench.compiled.lock().unwrap()[compiled..].iter().all(|source| !source.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_is_named_whatever_kind_of_file_it_is() {
    let bot = "bots/b/bot.config.json";
    let elements = "bots/b/content-elements/t.json";
    let mut bench = Bench::new(&[(HOOK, "one()"), (bot, "{}"), (elements, "[]")]).await;
    let first = bench.until(|_| true).await;
    bench.write(HOOK, "two()");
    bench.write(bot, r#"{ "name": "B" }"#);
    bench.write(elements, r#"[{ "id": "t-1", "formData": {} }]"#);
    let named = |w: &Workspace| changes(&first.program, &w.program);
    let all = bench.until(|w| named(w).len() == 3).await;
    assert_eq!(named(&all), [HOOK, "configuration of b", "content elements of b"]);
    bench.write(HOOK, "two(");
    let broken = bench.until(|w| !w.problems.is_empty()).await;
    assert!(changes(&all.program, &broken.program).is_empty());
    bench.write(HOOK, "two()");
    let fixed = bench.until(|w| w.problems.is_empty()).await;
    assert_eq!(mended(&broken, &fixed), [HOOK]);
    let flow = "bots/b/flows/main.flow.json";
    bench.write(flow, r#"{ "startNode": "a", "nodes": [{ "name": "a", "onEnter": ["act"] }] }"#);
    let wrong = bench.until(|w| !w.problems.is_empty()).await;
    assert_eq!(changes(&fixed.program, &wrong.program), [format!("{flow} (new)")]);
    // What another file mends.
    bench.write("actions/act.js", "act()");
    let mends = bench.until(|w| w.problems.is_empty()).await;
    assert_eq!(mended(&wrong, &mends), [flow]);
    bench.write(flow, r#"{ "startNode": "b", "nodes": [{ "name": "a" }] }"#);
    let wrong = bench.until(|w| !w.problems.is_empty()).await;
    bench.write(flow, r#"{ "startNode": "a", "nodes": [{ "name": "a" }] }"#);
    let right = bench.until(|w| w.problems.is_empty()).await;
    assert_eq!(changes(&wrong.program, &right.program), [flow]);
    assert_eq!(mended(&wrong, &right).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_compile_is_reported_and_its_last_good_version_stays() {
    let mut bench = Bench::new(&[(HOOK, "one()")]).await;
    bench.write(HOOK, "one(");
    let workspace = bench.until(|w| !w.problems.is_empty()).await;
    assert_eq!(source(&workspace.program, HOOK).as_deref(), Some("one()"));
    assert_eq!(workspace.problems[0].place(), format!("{HOOK}:1:5"));
    bench.write(HOOK, "fail()");
    let workspace = bench.until(|w| w.problems.iter().any(|problem| problem.message == "it fails")).await;
    assert_eq!(source(&workspace.program, HOOK).as_deref(), Some("one()"));
    bench.write(HOOK, "two()");
    assert!(bench.until_source("two()").await.problems.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn touching_a_file_publishes_nothing_and_a_file_that_may_not_be_read_stays() {
    let mut bench = Bench::new(&[(HOOK, "one()")]).await;
    let before = bench.workspaces.borrow().program.version;
    fs::set_permissions(bench.path(HOOK), fs::Permissions::from_mode(0o755)).unwrap();
    bench.write(HOOK, "one()");
    bench.write("hooks/before_incoming_middleware/b.js", "b()");
    let workspace = bench.until(|w| source(&w.program, "hooks/before_incoming_middleware/b.js").is_some()).await;
    assert_eq!(workspace.program.version, before + 1);
    fs::set_permissions(bench.path(HOOK), fs::Permissions::from_mode(0o0)).unwrap();
    // The superuser reads it all the same.
    if fs::read(bench.path(HOOK)).is_err() {
        let workspace = bench.until(|w| !w.problems.is_empty()).await;
        assert_eq!(source(&workspace.program, HOOK).as_deref(), Some("one()"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_file_is_watched_wherever_it_lies() {
    let mut bench = Bench::new(&[(HOOK, "require('../../lib/deep/x')"), ("lib/deep/x.js", "one()")]).await;
    bench.write("lib/deep/x.js", "two()");
    bench.until(|w| source(&w.program, "lib/deep/x.js").as_deref() == Some("two()")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_saves_costs_few_looks() {
    let mut bench = Bench::new(&[(HOOK, "one()")]).await;
    let before = bench.compiled.lock().unwrap().len();
    let names: Vec<String> = (0..200).map(|n| format!("hooks/before_incoming_middleware/{n}.js")).collect();
    for name in &names {
        bench.write(name, "x()");
    }
    bench.until(|w| names.iter().all(|name| source(&w.program, name).is_some())).await;
    let looks = bench.compiled.lock().unwrap().len() - before;
    assert!(looks <= 50, "{looks}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_no_worker_answers_for_is_tried_again_soon() {
    let failures = Arc::new(Mutex::new(0));
    let count = Arc::clone(&failures);
    let mut bench = Bench::with(&[(HOOK, "one()")], move |program| {
        if source(&program, HOOK).as_deref() == Some("two()") && *count.lock().unwrap() < 2 {
            *count.lock().unwrap() += 1;
            return Err("no worker is there".into());
        }
        Ok(answer(&program))
    })
    .await;
    bench.write(HOOK, "two()");
    bench.until_source("two()").await;
    assert_eq!(*failures.lock().unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_left_of_its_watch_is_taken_over_and_goes_with_the_next_one() {
    let mut bench = Bench::new(&[(HOOK, "one()"), ("data.db-watch/1", ""), ("data.db-watch/7", "")]).await;
    bench.write(HOOK, "two()");
    bench.until_source("two()").await;
    let Bench { root, workspaces, _watch: watch, .. } = bench;
    assert!(root.path().join("data.db-watch").is_dir());
    drop((watch, workspaces));
    while root.path().join("data.db-watch").exists() {
        tokio::task::yield_now().await;
    }
}
