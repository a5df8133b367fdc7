//! Looking through a database for damage (`PRAGMA quick_check`): at the start for as long as nobody minds, the rest beside it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::connections::connect_reader;
use super::error::StoreError;
use super::trouble::Health;
use crate::clock::Clock;

/// How much is looked through: so many thousand of SQLite's steps, for so long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    steps: u32,
    time: Duration,
}

/// So much the start waits for, about a quarter of a second. Tables of some hundred megabytes that lie in the system's cache are
/// looked through by then. What is counted is steps, so that a busy machine looks no less closely.
pub(super) const AT_START: Extent = Extent { steps: 2_500, time: Duration::from_secs(2) };
/// So long it goes on beside the server: while it reads, the log cannot begin anew.
pub(super) const BESIDE: Extent = Extent { steps: u32::MAX, time: Duration::from_secs(60) };
/// SQLite asks after so many of its steps whether to go on.
const STEPS: i32 = 1_000;

/// The thread that looks through the rest. Dropping it ends the thread.
pub(super) struct Inspection {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Looks through the database for so long; whether that was enough for all of it.
pub(super) fn inspect(
    connection: &mut Connection,
    path: &Path,
    most: Extent,
    ending: &Arc<AtomicBool>,
) -> Result<bool, StoreError> {
    let (until, ends, mut left) = (Instant::now() + most.time, Arc::clone(ending), most.steps);
    let stops = move || {
        left = left.saturating_sub(1);
        left == 0 || ends.load(Ordering::Relaxed) || Instant::now() >= until
    };
    connection.progress_handler(STEPS, Some(stops))?;
    let said = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match said {
        Ok(said) if said == "ok" => Ok(true),
        // Several lines, where each but the last says which table it is.
        Ok(said) => Err(StoreError::Damaged { path: path.to_owned(), why: said.replace('\n', " ") }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl Inspection {
    /// Goes on where the start did not wait for the end.
    pub(super) fn start(path: &Path, health: Health, clock: Clock) -> Result<Self, StoreError> {
        let ending = Arc::new(AtomicBool::new(false));
        let (path, ends) = (path.to_owned(), Arc::clone(&ending));
        let looked = move || inspect(&mut connect_reader(&path)?, &path, BESIDE, &ends);
        let work = move || match looked() {
            Ok(true) => tracing::debug!("the database was looked through, and nothing of it is damaged"),
            Ok(false) => {
                tracing::debug!("the database is too large to be looked through within {} s", BESIDE.time.as_secs())
            }
            Err(StoreError::Damaged { why, .. }) => health.damaged(why, clock.now()),
            Err(error) => {
                health.saw(&error, clock.now());
                tracing::warn!("the database could not be looked through for damage: {error}");
            }
        };
        let thread = std::thread::Builder::new().name("store-inspection".into()).spawn(work);
        let thread = thread.map_err(|error| StoreError::Unusable {
            path: "".into(),
            why: format!("no thread can be started: {error}"),
        })?;
        Ok(Self { ending, thread: Some(thread) })
    }
}

impl Inspection {
    /// It ends soon: within some thousand steps of SQLite.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }
}

impl Drop for Inspection {
    fn drop(&mut self) {
        self.end();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::*;
    use super::super::{ConversationTarget, Store};
    use super::*;

    const PAGE: usize = 4_096;

    /// A database with some hundred rows, and where it lies.
    fn filled() -> Fixture {
        let fixture = Fixture::new();
        for number in 0..150 {
            let user = format!("user {number}");
            let event = wait(|then| {
                fixture.store.accept(draft(&user), ConversationTarget::Recent, Some(message("hello")), then)
            });
            replied(&fixture, &event.unwrap().event, 0, &"so it is ".repeat(20));
        }
        fixture.reopen()
    }

    #[test]
    fn a_page_of_zeros_is_found_at_the_start_whichever_page_it_is() {
        let fixture = filled();
        let path = fixture.path();
        drop(fixture.store);
        let whole = fs::read(path).unwrap();
        let (folder, mut unseen) = (tempfile::tempdir().unwrap(), Vec::new());
        for page in 0..whole.len() / PAGE {
            let mut bytes = whole.clone();
            bytes[page * PAGE..][..PAGE].fill(0);
            let path = folder.path().join(format!("{page}.db"));
            fs::write(&path, &bytes).unwrap();
            match Store::open(&path, Clock::manual(NOW)) {
                Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "page {page}: {error}"),
                Ok(_) => unseen.push(page),
            }
            fs::remove_file(&path).unwrap();
        }
        assert!(whole.len() > 20 * PAGE && unseen.is_empty(), "not seen of {} bytes: {unseen:?}", whole.len());
    }

    #[test]
    fn a_file_that_is_torn_is_found_at_the_start_and_left_as_it_is() {
        let fixture = filled();
        let path = fixture.path();
        drop(fixture.store);
        let whole = fs::read(&path).unwrap();
        for left in [2, 50, 99, PAGE - 1, PAGE, 3 * PAGE, whole.len() - PAGE] {
            fs::write(&path, &whole[..left]).unwrap();
            // Whole pages that stand in the log would make up for those that are gone.
            for beside in ["-wal", "-shm"] {
                let _ = fs::remove_file(format!("{}{beside}", path.display()));
            }
            let error = Store::open(&path, Clock::manual(NOW)).err().unwrap();
            assert!(matches!(error, StoreError::Damaged { .. }), "{left}: {error}");
            assert_eq!(fs::read(&path).unwrap(), whole[..left]);
        }
        fs::write(&path, "").unwrap();
        assert!(Store::open(&path, Clock::manual(NOW)).unwrap().pending().unwrap().is_empty(), "an empty one is new");
    }

    fn zero_all_but_the_first_page(path: &Path) {
        let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![0; length - PAGE], PAGE as u64).unwrap();
    }

    #[test]
    fn after_the_first_read_of_a_damaged_page_nothing_is_stored_any_more_and_it_is_said_why() {
        let fixture = filled();
        zero_all_but_the_first_page(&fixture.path());
        let error = fixture.store.list_conversations(&whose("user 7"), 10).unwrap_err();
        assert!(error.is_trouble() && error.is_damage(), "{error}");
        let trouble = fixture.store.trouble().unwrap();
        assert!(trouble.why.contains("data.db cannot be read: ") && trouble.why.contains(".recover"), "{trouble:?}");
        for _ in 0..3 {
            let refused = wait(|then| fixture.store.accept(draft("ann"), ConversationTarget::Recent, None, then));
            assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{refused:?}");
        }
        assert_eq!(fixture.store.trouble().unwrap().refused, 3);
    }

    #[test]
    fn what_the_start_did_not_wait_for_is_looked_through_beside_it() {
        let fixture = filled();
        let (path, health) = (fixture.path(), Health::of(&fixture.path()));
        let mut connection = connect_reader(&path).unwrap();
        let ended = Arc::new(AtomicBool::new(true));
        assert!(!inspect(&mut connection, &path, BESIDE, &ended).unwrap(), "it is cut short");
        assert!(inspect(&mut connection, &path, BESIDE, &Arc::default()).unwrap());
        zero_all_but_the_first_page(&path);
        let inspection = Inspection::start(&path, health.clone(), fixture.clock.clone()).unwrap();
        while health.trouble().is_none() {
            std::thread::yield_now();
        }
        drop(inspection);
        assert!(matches!(health.damage(), Some(StoreError::Damaged { .. })));
    }
}
