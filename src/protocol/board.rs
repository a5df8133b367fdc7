//! The board: memory that processes of scripts share with the server, in which each says what it is at. So the server
//! knows which script hangs, although a process that hangs says nothing any more.
//!
//! A process has one place, of four words: the script it is in, how long its present slice may compute, a number that rises
//! with each slice, and which of the work that it was sent it has begun with. Each place has a page of its own, and a realm has
//! only that page: it cannot write what others say. What a hostile process writes there names a wrong file in the log, and has
//! events of its own bot wait; the budgets of an event hold whatever it says.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

/// Places on the board: as many processes of scripts may live at once.
pub const PLACES: u16 = 2_048;
/// Words of a place.
const WORDS: usize = 4;

/// The last word of a place: the number of the work that was begun with last, and of the first that may still be.
fn split(word: u32) -> (u16, u16) {
    let [a, b, c, d] = word.to_le_bytes();
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}

fn join(begun: u16, floor: u16) -> u32 {
    u32::from(begun) | u32::from(floor) << 16
}

/// Whether a number was given before the other one. They are few apart, so they may begin anew at 0.
pub fn is_before(number: u16, other: u16) -> bool {
    number != other && other.wrapping_sub(number) < 1 << 15
}

/// What a process says of itself: which script, and how long it may.
#[derive(Debug)]
pub struct Place(&'static [AtomicU32]);

/// What the server sees on a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// Index of the script; `u32::MAX` is none.
    pub script: u32,
    /// How long the present slice may compute, in milliseconds; 0 while no JavaScript runs.
    pub allowed_ms: u32,
    /// Rises with each slice.
    pub slice: u32,
}

impl Place {
    /// Begins with the work of that number, unless the server has taken it back.
    pub fn claim(&self, number: u16) -> bool {
        let claim = |word| {
            let (_, floor) = split(word);
            // Nothing before it may be begun with either: the two numbers stay few apart.
            (!is_before(number, floor)).then(|| join(number, number))
        };
        self.0[3].fetch_update(Ordering::AcqRel, Ordering::Acquire, claim).is_ok()
    }

    /// A place that nobody else sees.
    pub fn private() -> Self {
        Self(Box::leak((0..WORDS).map(|_| AtomicU32::new(0)).collect()))
    }

    /// The script that runs.
    pub fn script(&self) -> u32 {
        self.0[0].load(Ordering::Relaxed)
    }

    /// Another script runs.
    pub fn set_script(&self, script: u32) {
        self.0[0].store(script, Ordering::Relaxed);
    }

    /// A slice begins, of so many milliseconds.
    pub fn begin_slice(&self, allowed_ms: u32) {
        self.0[2].store(self.0[2].load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.0[1].store(allowed_ms.max(1), Ordering::Relaxed);
    }

    /// No JavaScript runs.
    pub fn end_slice(&self) {
        self.0[1].store(0, Ordering::Relaxed);
    }

    /// How long the present slice may compute; `None` while no JavaScript runs.
    pub fn allowed_ms(&self) -> Option<u32> {
        Some(self.0[1].load(Ordering::Relaxed)).filter(|allowed| *allowed > 0)
    }
}

/// The whole board, as each side has it.
#[derive(Debug)]
pub struct Board {
    file: File,
    /// As the server has it: all places.
    words: &'static [AtomicU32],
    /// Bytes from one place to the next.
    page: u64,
}

impl Board {
    /// A new board, for the server.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> io::Result<Self> {
        let (file, page) = (memory()?, crate::os::page_size());
        let bytes = u64::from(PLACES) * page;
        file.set_len(bytes).map_err(|error| {
            // A limit of the size of files counts for this memory as well.
            let why = format!("no {bytes} bytes of memory that processes share: {error}; raise `ulimit -f`");
            io::Error::new(error.kind(), why)
        })?;
        #[cfg(target_os = "linux")]
        rustix::fs::fcntl_add_seals(&file, rustix::fs::SealFlags::GROW | rustix::fs::SealFlags::SHRINK)?;
        let all = usize::try_from(u64::from(PLACES) * page).unwrap_or(usize::MAX) / size_of::<AtomicU32>();
        let words = crate::os::share(&file, 0, all)?;
        Ok(Self { file, words, page })
    }

    /// One of the places of a board that was received.
    ///
    /// # Errors
    /// The system refuses.
    pub fn place(file: impl AsFd, slot: u16) -> io::Result<Place> {
        crate::os::share(file, u64::from(slot % PLACES) * crate::os::page_size(), WORDS).map(Place)
    }

    /// Which of the work that it is sent a process has begun with.
    fn begun(&self, slot: u16) -> &AtomicU32 {
        let page = usize::try_from(self.page).unwrap_or(usize::MAX) / size_of::<AtomicU32>();
        &self.words[usize::from(slot % PLACES) * page + 3]
    }

    /// The place is another process's from now on, which has begun with nothing.
    pub fn renew(&self, slot: u16) {
        self.begun(slot).store(0, Ordering::Release);
    }

    /// Takes back the work that a process was sent and has not begun with: all before that number. Gives the number of the
    /// last that it has begun with.
    pub fn take_back(&self, slot: u16, below: u16) -> u16 {
        let word = self.begun(slot);
        // A process that writes there without end keeps its work.
        for _ in 0..1_000 {
            let before = word.load(Ordering::Acquire);
            let (begun, _) = split(before);
            if word.compare_exchange(before, join(begun, below), Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return begun;
            }
        }
        below.wrapping_sub(1)
    }

    /// The process of a place is gone: whatever it was sent, it begins with nothing any more. Gives the number of the last that
    /// it has begun with.
    pub fn close(&self, slot: u16) -> u16 {
        let (begun, _) = split(self.begun(slot).load(Ordering::Acquire));
        self.take_back(slot, begun.wrapping_add(i16::MAX.unsigned_abs()))
    }

    /// What stands on a place. Reading a file of memory cannot fail; if it did, nothing would be known.
    pub fn look(&self, slot: u16) -> Glimpse {
        let mut bytes = [0; 12];
        let at = u64::from(slot % PLACES) * self.page;
        if self.file.read_exact_at(&mut bytes, at).is_err() {
            return Glimpse { script: u32::MAX, ..Glimpse::default() };
        }
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Glimpse { script: word(0), allowed_ms: word(4), slice: word(8) }
    }

    /// Nobody needs a place any more: its page is given back until somebody writes there again.
    #[cfg(target_os = "linux")]
    pub fn clear(&self, slot: u16) {
        let (how, at) = (rustix::fs::FallocateFlags::PUNCH_HOLE, u64::from(slot % PLACES) * self.page);
        // Where that cannot be, the page is kept.
        let _ = rustix::fs::fallocate(&self.file, how | rustix::fs::FallocateFlags::KEEP_SIZE, at, self.page);
    }

    /// Elsewhere pages are kept.
    #[cfg(not(target_os = "linux"))]
    pub fn clear(&self, _slot: u16) {}

    /// The descriptor, to be handed to a process.
    pub fn descriptor(&self) -> &File {
        &self.file
    }
}

#[cfg(target_os = "linux")]
fn memory() -> io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
    let file: OwnedFd = rustix::fs::memfd_create("nudge-board", flags)?;
    Ok(File::from(file))
}

/// Elsewhere a file without a name does.
#[cfg(not(target_os = "linux"))]
fn memory() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("nudge-board-{}-{:x}", std::process::id(), rand::random::<u64>()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(File::from(OwnedFd::from(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_sees_what_a_process_says_on_its_place_and_nothing_of_others() {
        let board = Board::new().unwrap();
        let place = |slot| Board::place(board.descriptor(), slot).unwrap();
        let (first, last) = (place(0), place(PLACES - 1));
        first.set_script(7);
        first.begin_slice(1_000);
        last.set_script(8);
        assert_eq!(board.look(0), Glimpse { script: 7, allowed_ms: 1_000, slice: 1 });
        first.end_slice();
        first.begin_slice(20);
        assert_eq!(board.look(0), Glimpse { script: 7, allowed_ms: 20, slice: 2 });
        assert_eq!(board.look(PLACES - 1), Glimpse { script: 8, allowed_ms: 0, slice: 0 });
        assert_eq!(board.look(1), Glimpse::default());
        board.clear(0);
        if cfg!(target_os = "linux") {
            assert_eq!(board.look(0), Glimpse::default(), "who gets the place begins anew");
        }
        first.set_script(9);
        assert_eq!((board.look(0).script, board.look(PLACES - 1).script), (9, 8));
    }

    #[test]
    fn work_is_begun_with_or_taken_back_and_never_both() {
        let board = Board::new().unwrap();
        let place = Board::place(board.descriptor(), 5).unwrap();
        for first in [1_u16, u16::MAX - 1] {
            board.renew(5);
            board.take_back(5, first);
            assert!(place.claim(first));
            assert_eq!(board.take_back(5, first.wrapping_add(3)), first);
            assert!(!place.claim(first.wrapping_add(1)) && !place.claim(first.wrapping_add(2)));
            assert!(place.claim(first.wrapping_add(3)), "what is sent later may be begun with");
            assert_eq!(board.take_back(5, first.wrapping_add(4)), first.wrapping_add(3));
        }
        board.renew(5);
        assert!((1..100_000_u32).all(|number| place.claim(number as u16)), "numbers begin anew");
        board.renew(5);
        let mut taken = Vec::new();
        let claimed: Vec<u16> = std::thread::scope(|scope| {
            let realm = scope.spawn(|| (1..1_000).filter(|number| place.claim(*number)).collect());
            for below in [300, 600, 1_000] {
                taken.push((below, board.take_back(5, below)));
            }
            realm.join().unwrap()
        });
        let taken_back = |number: &u16| taken.iter().any(|(below, begun)| begun < number && number < below);
        let expected: Vec<u16> = (1..1_000).filter(|number| !taken_back(number)).collect();
        assert_eq!(claimed, expected, "{taken:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nobody_makes_the_board_longer() {
        let board = Board::new().unwrap();
        assert!(board.descriptor().set_len(1 << 40).is_err());
    }
}
