//! Whether anything can be stored: it is said when that ends, then how much is refused, and when it can again. What asked for it
//! is told each time and says nothing of it to the log.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::advice::advice;
use super::error::StoreError;
use crate::telemetry::spell::{Spell, SpellSoFar};

/// So often it is said how much was refused.
const AGAIN: Duration = Duration::from_secs(60);
/// Nothing may have been refused for so long before it is said that all is well: of a disk that is nearly full
/// some takes what is small and refuses what is not.
pub(super) const CALM: Duration = Duration::from_secs(5);

/// Why nothing can be stored at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What SQLite says, and what to do.
    pub why: String,
    /// When that began, in milliseconds since the epoch.
    pub since: u64,
    /// Operations that were refused since then.
    pub refused: u64,
}

/// What the writer tells everybody else of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Health(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    database: PathBuf,
    trouble: Mutex<Option<Trouble>>,
    /// What is damaged. It stays so for as long as this process has the file: nobody writes into one that may be broken.
    damage: OnceLock<String>,
}

impl Health {
    pub(super) fn of(database: &Path) -> Self {
        Self(Arc::new(Known { database: database.to_owned(), ..Known::default() }))
    }

    /// Why the last thing that was to be stored was not.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.0.trouble.lock().clone()
    }

    /// The error of whatever is to be stored in a database that is damaged.
    pub(super) fn damage(&self) -> Option<StoreError> {
        let why = self.0.damage.get()?.clone();
        Some(StoreError::Damaged { path: self.0.database.clone(), why })
    }

    /// Something could not be done, at that time: a damaged database is said once and used no further.
    pub(super) fn saw(&self, error: &StoreError, now: u64) {
        if error.is_damage() {
            self.damaged(error.to_string(), now);
        }
    }

    /// The database is damaged.
    pub(super) fn damaged(&self, why: String, now: u64) {
        if self.0.damage.set(why).is_ok()
            && let Some(error) = self.damage()
        {
            let mut trouble = self.0.trouble.lock();
            let trouble = trouble.get_or_insert_with(|| Trouble { why: String::new(), since: now, refused: 0 });
            trouble.why = error.to_string();
            tracing::error!("nothing can be stored: {error}; until then requests are refused with 503");
        }
    }
}

/// The writer's side of it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    health: Health,
    /// What is said of it to the log.
    spell: Spell<u64>,
}

impl Watch {
    pub(super) fn new(health: Health) -> Self {
        Self { health, spell: Spell::default() }
    }

    /// An operation came to that; what is to be said of it.
    pub(super) fn failed(&mut self, now: u64, error: &StoreError) -> Option<String> {
        let why = advice(error, &self.health.0.database)?;
        self.health.saw(error, now);
        // Which says it itself.
        let silent = self.health.0.damage.get().is_some();
        let mut trouble = self.health.0.trouble.lock();
        let trouble = trouble.get_or_insert_with(|| Trouble { why: String::new(), since: now, refused: 0 });
        trouble.refused += 1;
        trouble.why = why;
        let why = &trouble.why;
        if self.spell.met(now) {
            return (!silent)
                .then(|| format!("nothing can be stored: {why}; until then requests are refused with 503"));
        }
        let SpellSoFar { times, lasted } = self.spell.again(now, AGAIN)?;
        Some(format!("{times} operations of the last {} s were not stored: {why}", lasted.as_secs()))
    }

    /// See [`Health::damage`].
    pub(super) fn damage(&self) -> Option<StoreError> {
        self.health.damage()
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.health.0.trouble.lock().is_some()
    }

    /// It was tried again, for nobody: nothing of anybody's was refused by that.
    pub(super) fn still(&self, error: &StoreError) {
        let why = advice(error, &self.health.0.database);
        if let (Some(trouble), Some(why)) = (self.health.0.trouble.lock().as_mut(), why) {
            trouble.why = why;
        }
    }

    /// Something was stored; what is to be said of it.
    pub(super) fn stored(&mut self, now: u64) -> Option<String> {
        if self.spell.lasts() {
            *self.health.0.trouble.lock() = None;
            self.spell.went_well();
        }
        self.over(now)
    }

    /// Whether it is still to be said that all is well.
    pub(super) fn waits(&self) -> bool {
        self.spell.lasts()
    }

    /// Says that all is well if nothing was refused for a while, and something was stored.
    pub(super) fn over(&mut self, now: u64) -> Option<String> {
        if self.is_in_trouble() {
            return None;
        }
        let SpellSoFar { times, lasted } = self.spell.ends(now, CALM)?;
        let seconds = lasted.as_secs();
        Some(format!("the database stores again; {times} operations within {seconds} s were not stored"))
    }
}

/// The error of a start at which the database cannot be used, with what to do.
pub(super) fn at_start(path: &Path, error: StoreError) -> StoreError {
    if error.is_damage() {
        return StoreError::Damaged { path: path.to_owned(), why: error.to_string() };
    }
    match &error {
        StoreError::Sqlite(_) | StoreError::Commit(_) => {
            advice(&error, path).map_or(error, |why| StoreError::Unusable { path: path.to_owned(), why })
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ConversationTarget;
    use super::super::testing::*;
    use super::*;

    /// The database may not become larger, as if its disk were full; or may again.
    fn full(fixture: &Fixture, full: bool) {
        let most = if full { 1 } else { 1 << 30 };
        wait(|then| {
            // SQLite sets it to the present size at least.
            let limit = move |tx: &super::super::tx::Tx<'_>| {
                Ok(tx.connection.pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))?)
            };
            fixture.store.write_then(limit, then);
        })
        .unwrap();
    }

    /// Large messages, until one is not stored.
    fn fill(fixture: &Fixture) -> StoreError {
        let text = "x".repeat(100_000);
        let one =
            || wait(|then| fixture.store.accept(draft("ann"), ConversationTarget::Recent, Some(message(&text)), then));
        (0..50).find_map(|_| one().err()).unwrap()
    }

    #[test]
    fn a_full_disk_is_known_until_something_is_stored_again() {
        let fixture = Fixture::new();
        assert_eq!(fixture.store.trouble(), None);
        full(&fixture, true);
        let error = fill(&fixture);
        assert!(error.is_trouble(), "{error}");
        let trouble = fixture.store.trouble().unwrap();
        assert_eq!((trouble.since, trouble.refused), (NOW, 1));
        assert!(trouble.why.contains("; make room on its disk"), "{trouble:?}");
        // What writes nothing proves nothing.
        wait(|then: Then<()>| fixture.store.barrier(move || then(())));
        fixture.clock.advance(Duration::from_secs(1));
        fill(&fixture);
        assert_eq!(fixture.store.trouble().map(|trouble| trouble.refused), Some(2));
        full(&fixture, false);
        fixture.accept("bob", ConversationTarget::Recent);
        assert_eq!(fixture.store.trouble(), None);
    }

    #[test]
    fn what_is_tried_where_nobody_writes_really_writes() {
        let fixture = Fixture::new();
        full(&fixture, true);
        fill(&fixture);
        assert!(fixture.store.trouble().is_some());
        wait(|then| fixture.store.write_then(|tx| Ok(super::super::writer::touch(tx.connection)?), then)).unwrap();
        assert_eq!(fixture.store.trouble(), None);
    }

    #[test]
    fn a_full_disk_is_said_once_then_counted_and_said_to_be_over_when_it_is_calm() {
        let full = || StoreError::Sqlite(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(13), None));
        let mut watch = Watch::default();
        let mut lines = Vec::new();
        for second in 0..100 {
            lines.extend(watch.failed(second * 1_000, &full()));
            lines.extend(watch.stored(second * 1_000));
        }
        lines.extend(watch.stored(106_000));
        lines.extend(watch.stored(107_000));
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(
            lines[0].contains("nothing can be stored: ") && lines[0].contains("make room on its disk"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("61 operations of the last 60 s were not stored"), "{lines:?}");
        assert_eq!(lines[2], "the database stores again; 100 operations within 106 s were not stored");
    }

    #[test]
    fn what_an_operation_is_given_is_no_trouble_of_the_disk() {
        let mut watch = Watch::default();
        assert_eq!(watch.failed(1, &StoreError::Invalid("no".into())), None);
        assert_eq!(watch.failed(1, &StoreError::ConversationNotFound(1)), None);
        assert_eq!(watch.health.trouble(), None);
    }
}
