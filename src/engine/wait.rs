//! What reaches a realm while it works, and how it says that it computes no more for the moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// A message to a realm's thread about the dispatch it works on.
#[derive(Debug)]
pub enum ToRealm {
    /// The answer to a request; whether it resolves; JSON, or nothing for `undefined`.
    Result {
        /// The dispatch.
        dispatch: u64,
        /// The request.
        number: u32,
        /// Resolve or reject.
        fine: bool,
        /// JSON.
        body: Bytes,
    },
    /// What another server answered: see [`crate::protocol::FrameKind::Fetched`].
    Fetched {
        /// The dispatch.
        dispatch: u64,
        /// The request.
        number: u32,
        /// JSON, and bytes.
        body: Bytes,
    },
    /// Stop.
    Cancel {
        /// The dispatch.
        dispatch: u64,
    },
}

/// How many threads of this process compute. A realm that waits for an answer gives its place up until it goes on.
#[derive(Debug, Default)]
pub struct Occupancy {
    computing: AtomicUsize,
    freed: Option<crossbeam_channel::Sender<()>>,
}

impl Occupancy {
    /// Tells `freed` whenever a place becomes free.
    pub fn new(freed: crossbeam_channel::Sender<()>) -> Arc<Self> {
        Arc::new(Self { computing: AtomicUsize::new(0), freed: Some(freed) })
    }

    /// How many compute now.
    pub fn computing(&self) -> usize {
        self.computing.load(Ordering::Relaxed)
    }

    /// One more computes.
    pub fn take(&self) {
        self.computing.fetch_add(1, Ordering::Relaxed);
    }

    /// One less computes; whoever hands out work is told.
    pub fn give(&self) {
        self.give_quietly();
        self.nudge();
    }

    /// One less computes, and nobody needs to be told.
    pub fn give_quietly(&self) {
        self.computing.fetch_sub(1, Ordering::Relaxed);
    }

    /// Tells whoever hands out work to look again.
    pub fn nudge(&self) {
        if let Some(freed) = &self.freed {
            let _ = freed.try_send(());
        }
    }
}
