//! Says that a file of the configuration was edited while the server runs: such files are read once, at the start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{self, ConfigFiles, Overrides};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The files as they were read at the start.
#[derive(Debug)]
pub(super) struct EditedSettings {
    root: PathBuf,
    at_start: ConfigFiles,
}

impl EditedSettings {
    /// To be called before the configuration is read.
    pub(super) fn of(root: PathBuf) -> Self {
        let at_start = ConfigFiles::read(&root);
        Self { root, at_start }
    }

    /// Says each edit once, for as long as this is polled.
    pub(super) async fn follow(self) {
        let mut last = self.at_start.clone();
        let mut said = Vec::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = ConfigFiles::read(&self.root);
            // A file that is being written says nothing yet.
            if now == last {
                let changes = now.changes(&self.at_start);
                if changes != said {
                    self.say(&changes);
                    said = changes;
                }
            }
            last = now;
        }
    }

    fn say(&self, changes: &[(&'static str, Vec<String>)]) {
        if changes.is_empty() {
            return tracing::info!("the configuration is again as the server has read it; nothing is to be done");
        }
        for (file, keys) in changes {
            let what = if keys.is_empty() { String::new() } else { format!(": {}", keys.join(", ")) };
            tracing::warn!("{file} was edited{what}; restart the server to apply it, it is read once, at the start");
        }
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        if let Err(error) = config::load(&self.root, &Overrides::default(), &environment) {
            for problem in error.problems.iter().filter(|problem| problem.fatal) {
                tracing::error!("the server would not start again: {problem}");
            }
        }
    }
}
