//! `TestApp::start`: the whole server on a free port, over a copy of a workspace, with real processes of scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nudge::app::{App, Options};
use nudge::dispatch::WorkerCommand;
use nudge::store::Store;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;

/// How long anything may take that is waited for. Only a broken server takes that long.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
pub(crate) struct TestApp {
    pub(crate) client: Client,
    /// The workspace, removed at the end.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) folder: TempDir,
    /// What is stored.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) store: Store,
    shutdown: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
}

/// A file or folder below `tests/`.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

impl TestApp {
    /// Starts a server, as in production, on a copy of `workspace`.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) async fn start(workspace: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(workspace, folder.path());
        Self::serve(folder, |options| options.production = true).await
    }

    /// Starts a server on a workspace of these files: path and text.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) async fn start_with(files: &[(&str, &str)]) -> Self {
        Self::serve(written(files), |options| options.production = true).await
    }

    /// The same, as while scripts are being written.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) async fn start_in_development(files: &[(&str, &str)]) -> Self {
        Self::serve(written(files), |_| {}).await
    }

    /// Starts a server in that folder: in development, without a look at changes, but for what `change` says.
    pub(crate) async fn serve(folder: TempDir, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(folder.path());
        options.port = Some(0);
        options.watch = false;
        options.worker = WorkerCommand::of(env!("CARGO_BIN_EXE_nudge"));
        change(&mut options);
        let app = App::build(options).await.unwrap_or_else(|error| panic!("{error:#}"));
        let client = Client { address: ([127, 0, 0, 1], app.port()).into() };
        let store = app.store();
        let (shutdown, asked) = oneshot::channel::<()>();
        let running = tokio::spawn(app.run_until_stopped(async move {
            // A test that panics drops the sender: that is a stop, too.
            let _ = asked.await;
        }));
        Self { client, folder, store, shutdown, running }
    }

    /// Waits until every event that was accepted is processed.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) async fn processed(&self) {
        let started = Instant::now();
        loop {
            let queue = self.client.get("/status").await.json()["queue"].take();
            let done = queue["accepted"].as_u64().unwrap() + queue["followUpsCommitted"].as_u64().unwrap();
            if queue["processed"].as_u64().unwrap() >= done {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "events are not processed: {queue}");
        }
    }

    /// What `nudge token` prints for this workspace.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) fn token(&self, args: &[&str]) -> String {
        token_of(self.folder.path(), args)
    }

    /// Stops the server, waits until nobody has its database open any more, and gives its workspace.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) async fn stop_and_keep(self) -> TempDir {
        let Self { folder, store, shutdown, running, .. } = self;
        shutdown.send(()).unwrap();
        running.await.unwrap().unwrap();
        let clock = store.clock().clone();
        drop(store);
        let started = Instant::now();
        // Tasks of connections end by themselves.
        while Store::open(&folder.path().join("data.db"), clock.clone()).is_err() {
            assert!(started.elapsed() < PATIENCE, "the database stays open");
            tokio::task::yield_now().await;
        }
        folder
    }

    /// Stops the server and waits until it has.
    pub(crate) async fn stop(self) {
        self.shutdown.send(()).unwrap();
        self.running.await.unwrap().unwrap();
    }
}

/// What `nudge token` prints for the workspace in that folder.
pub(crate) fn token_of(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nudge"));
    let output = command.args(["token", "--dir"]).arg(folder).args(args).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A folder of its own with these files: path and text.
pub(crate) fn written(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
