//! The memory of a realm: counted, limited, and remembered when it ran out.
//!
//! The engine's own limit can be set only while nobody is in the context, and a realm that is forked from a warm zygote is
//! never left; and a script may catch what the engine throws when memory is short, after which nothing in the realm can be
//! relied upon, and nobody would know. So the limit lives here, in the allocator.

#![allow(unsafe_code, reason = "an allocator is made of raw pointers; it hands on to the C library and counts")]

use std::cell::Cell;
use std::rc::Rc;

use rquickjs::allocator::Allocator;

/// What a realm holds, and how much it may.
#[derive(Debug, Clone)]
pub struct Heap(Rc<Counts>);

#[derive(Debug)]
struct Counts {
    used: Cell<usize>,
    limit: Cell<usize>,
    refused: Cell<bool>,
    /// For tests: how often memory was asked for, and which of these times it is refused.
    #[cfg(test)]
    asked: Cell<u64>,
    #[cfg(test)]
    fails: Cell<Option<Fails>>,
}

/// Memory that is refused although there is some.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fails {
    /// The time at which it is, counted from 0.
    pub(crate) at: u64,
    /// And at each one after it.
    pub(crate) from_there_on: bool,
}

impl Heap {
    /// A heap of at most that many bytes.
    pub fn new(limit: u64) -> Self {
        let limit = Cell::new(usize::try_from(limit).unwrap_or(usize::MAX));
        Self(Rc::new(Counts {
            used: Cell::new(0),
            limit,
            refused: Cell::new(false),
            #[cfg(test)]
            asked: Cell::new(0),
            #[cfg(test)]
            fails: Cell::new(None),
        }))
    }

    /// Bytes that are held now.
    pub fn used(&self) -> u64 {
        self.0.used.get() as u64
    }

    /// From now on that many bytes may be held.
    pub fn set_limit(&self, limit: u64) {
        self.0.limit.set(usize::try_from(limit).unwrap_or(usize::MAX));
    }

    /// Whether memory was refused since the last call.
    pub fn take_refused(&self) -> bool {
        self.0.refused.take()
    }

    /// Whether memory was refused.
    pub fn refused(&self) -> bool {
        self.0.refused.get()
    }

    /// Has memory refused from here on as that says. Gives how often it was asked for since the last call.
    #[cfg(test)]
    pub(crate) fn refuse(&self, fails: Option<Fails>) -> u64 {
        self.0.fails.set(fails);
        self.0.asked.take()
    }

    /// What the engine allocates with.
    pub(super) fn allocator(&self) -> impl Allocator + 'static {
        Counting(Rc::clone(&self.0))
    }
}

struct Counting(Rc<Counts>);

impl Counting {
    /// Counts what an allocation came to, or that there was none.
    fn took(&self, place: *mut u8) -> *mut u8 {
        if place.is_null() {
            self.0.refused.set(true);
        } else {
            self.0.used.set(self.0.used.get() + size(place));
        }
        place
    }

    /// Whether so many more bytes may be taken.
    fn may(&self, bytes: usize) -> bool {
        let may = self.0.used.get().checked_add(bytes).is_some_and(|sum| sum <= self.0.limit.get());
        #[cfg(test)]
        let may = may && !self.is_to_fail();
        if !may {
            self.0.refused.set(true);
        }
        may
    }
}

#[cfg(test)]
impl Counting {
    fn is_to_fail(&self) -> bool {
        let asked = self.0.asked.get();
        self.0.asked.set(asked + 1);
        self.0.fails.get().is_some_and(|fails| asked == fails.at || (fails.from_there_on && asked > fails.at))
    }
}

/// Bytes that the C library keeps for an allocation; of none, none.
fn size(place: *mut u8) -> usize {
    // SAFETY: every place that is handed in here came from `malloc`, `calloc` or `realloc` of the C library and was not given
    // back yet, or is null, which it takes as well.
    #[cfg(target_os = "macos")]
    unsafe {
        if place.is_null() { 0 } else { libc::malloc_size(place.cast()) }
    }
    #[cfg(not(target_os = "macos"))]
    // SAFETY: as above.
    unsafe {
        libc::malloc_usable_size(place.cast())
    }
}

// SAFETY: all memory comes from the C library, which aligns it for every type and knows its size; nothing is handed out twice
// or given back in between, as only the C library decides that.
unsafe impl Allocator for Counting {
    fn alloc(&mut self, bytes: usize) -> *mut u8 {
        if !self.may(bytes) {
            return std::ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        self.took(unsafe { libc::malloc(bytes) }.cast())
    }

    fn calloc(&mut self, count: usize, bytes: usize) -> *mut u8 {
        if !count.checked_mul(bytes).is_some_and(|all| self.may(all)) {
            return std::ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        self.took(unsafe { libc::calloc(count, bytes) }.cast())
    }

    unsafe fn dealloc(&mut self, place: *mut u8) {
        self.0.used.set(self.0.used.get().saturating_sub(size(place)));
        // SAFETY: the caller hands in what this allocator handed out.
        unsafe { libc::free(place.cast()) };
    }

    unsafe fn realloc(&mut self, place: *mut u8, bytes: usize) -> *mut u8 {
        let before = size(place);
        if !self.may(bytes.saturating_sub(before)) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller hands in what this allocator handed out; null is taken as well.
        let moved: *mut u8 = unsafe { libc::realloc(place.cast(), bytes) }.cast();
        if moved.is_null() {
            self.0.refused.set(bytes > 0 || self.0.refused.get());
        } else {
            self.0.used.set(self.0.used.get().saturating_sub(before) + size(moved));
        }
        moved
    }

    unsafe fn usable_size(place: *mut u8) -> usize {
        size(place)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use crate::config::ScriptLimits;
    use crate::script::{Meter, with_realm};

    #[test]
    fn a_script_that_catches_the_end_of_memory_is_found_out_and_the_limit_moves_in_use() {
        let meter = Rc::new(Meter::new(ScriptLimits { heap: 8 << 20, ..ScriptLimits::default() }));
        with_realm(&meter, |realm| {
            let fill = realm.part("fill", "(function (n) { try { return 'x'.repeat(n).length } catch { return -1 } })");
            let fill = fill.unwrap();
            assert_eq!(fill.call::<_, i32>((1 << 20,)).unwrap(), 1 << 20);
            assert!(!realm.heap.refused());
            assert_eq!(fill.call::<_, i32>((16 << 20,)).unwrap(), -1);
            assert!(realm.heap.take_refused() && !realm.heap.refused());
            realm.heap.set_limit(realm.heap.used() + (64 << 20));
            assert_eq!(fill.call::<_, i32>((16 << 20,)).unwrap(), 16 << 20);
            assert!(!realm.heap.refused());
            assert!(realm.heap.used() > 0);
        })
        .unwrap();
    }
}
