//! Says that a file of the configuration was edited while the server runs: such files are read once, at the start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::clock::Clock;
use crate::config::{self, ConfigFiles, Overrides};

/// How often the files are looked at, in milliseconds.
const LOOK: u64 = 1_000;

/// What is not as it was: files, and keys of them.
type Changes = Vec<(&'static str, Vec<String>)>;

/// The files as they were read at the start.
#[derive(Debug)]
pub(super) struct EditedSettings {
    root: PathBuf,
    at_start: ConfigFiles,
    /// What `.env` does not change, whatever it says.
    environment: BTreeMap<String, String>,
}

impl EditedSettings {
    /// To be called before the configuration is read.
    pub(super) fn of(root: PathBuf, environment: BTreeMap<String, String>) -> Self {
        let at_start = ConfigFiles::read(&root);
        Self { root, at_start, environment }
    }

    /// Says each edit once, for as long as this is polled.
    pub(super) async fn follow(self, clock: Clock) {
        let this = Arc::new(self);
        let mut last = this.at_start.clone();
        let mut said = Vec::new();
        loop {
            clock.sleep_until(clock.now().saturating_add(LOOK)).await;
            let reading = Arc::clone(&this);
            // It only fails where the server is ending.
            let Ok(now) = spawn_blocking(move || ConfigFiles::read(&reading.root)).await else { return };
            // A file that is being written says nothing yet.
            if now == last {
                let changes = this.that_count(now.changes(&this.at_start));
                if changes != said {
                    said.clone_from(&changes);
                    let saying = Arc::clone(&this);
                    if spawn_blocking(move || saying.say(&changes)).await.is_err() {
                        return;
                    }
                }
            }
            last = now;
        }
    }

    /// Without variables that the process has of its own: those come before the ones of `.env`, after a restart too.
    fn that_count(&self, changes: Changes) -> Changes {
        let changes = changes.into_iter().map(|(file, mut keys)| {
            let some = !keys.is_empty();
            if file == ".env" {
                keys.retain(|name| !self.environment.contains_key(name));
            }
            (some && keys.is_empty(), (file, keys))
        });
        changes.filter(|(nothing, _)| !nothing).map(|(_, change)| change).collect()
    }

    fn say(&self, changes: &[(&'static str, Vec<String>)]) {
        if changes.is_empty() {
            return tracing::info!("the configuration is again as the server has read it; nothing is to be done");
        }
        for (file, keys) in changes {
            let what = if keys.is_empty() { String::new() } else { format!(": {}", keys.join(", ")) };
            tracing::warn!("{file} was edited{what}; restart the server to apply it, it is read once, at the start");
        }
        if let Err(error) = config::load(&self.root, &Overrides::default(), &self.environment) {
            for problem in error.problems.iter().filter(|problem| problem.fatal) {
                tracing::error!("the server would not start again: {problem}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_the_process_has_of_its_own_is_not_said_to_wait_for_a_restart() {
        let environment = BTreeMap::from([("PORT".to_owned(), "1".to_owned())]);
        let settings = EditedSettings { root: PathBuf::new(), at_start: ConfigFiles::default(), environment };
        let change = |keys: &[&str]| vec![(".env", keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>())];
        assert_eq!(settings.that_count(change(&["PORT", "TOKEN"])), change(&["TOKEN"]));
        assert!(settings.that_count(change(&["PORT"])).is_empty());
        // That it cannot be read is said all the same.
        assert_eq!(settings.that_count(change(&[])), change(&[]));
    }
}
