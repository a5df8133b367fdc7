//! How many bytes may be on their way between the server and one process: who sends too fast waits, nobody is refused and
//! nothing grows without bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// Bytes on their way in one direction.
#[derive(Debug)]
pub struct Credit {
    used: AtomicU64,
    limit: u64,
    /// What is taken here is taken there as well.
    whole: Option<Arc<Credit>>,
    /// Nobody counts any more: whoever waits goes on.
    closed: AtomicBool,
    freed: Notify,
}

/// Bytes that were taken; they are given back when this is dropped.
#[derive(Debug)]
pub struct Loan {
    credit: Arc<Credit>,
    bytes: usize,
}

impl Credit {
    /// So many bytes may be on their way.
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self::made(limit, None))
    }

    /// The same, of bytes that count to a whole too.
    pub fn within(limit: u64, whole: Arc<Self>) -> Arc<Self> {
        Arc::new(Self::made(limit, Some(whole)))
    }

    fn made(limit: u64, whole: Option<Arc<Self>>) -> Self {
        Self { used: AtomicU64::new(0), limit, whole, closed: AtomicBool::new(false), freed: Notify::new() }
    }

    /// Whether anybody may send; what is sent then may go past the limit.
    pub fn has_room(&self) -> bool {
        let closed = self.closed.load(Ordering::Acquire);
        closed || (self.has_own_room() && self.whole.as_ref().is_none_or(|whole| whole.has_own_room()))
    }

    fn has_own_room(&self) -> bool {
        self.used.load(Ordering::Acquire) < self.limit || self.closed.load(Ordering::Acquire)
    }

    /// Waits until there is room.
    pub async fn room(&self) {
        while !self.has_room() {
            self.own_room().await;
            if let Some(whole) = &self.whole {
                whole.own_room().await;
            }
        }
    }

    async fn own_room(&self) {
        while !self.has_own_room() {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            // It may have been given back just before.
            if !self.has_own_room() {
                freed.await;
            }
        }
    }

    /// Takes so many bytes, whether or not there is room.
    pub fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes as u64, Ordering::AcqRel);
        if let Some(whole) = &self.whole {
            whole.take(bytes);
        }
    }

    /// The same, until the loan is dropped.
    pub fn lend(self: &Arc<Self>, bytes: usize) -> Loan {
        self.take(bytes);
        Loan { credit: Arc::clone(self), bytes }
    }

    /// Gives so many bytes back.
    pub fn give(&self, bytes: usize) {
        if let Some(whole) = &self.whole {
            whole.give(bytes);
        }
        let before = self.used.fetch_sub(bytes as u64, Ordering::AcqRel);
        if before >= self.limit && before.saturating_sub(bytes as u64) < self.limit {
            self.freed.notify_waiters();
        }
    }

    /// The other end is gone: nothing is given back any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.freed.notify_waiters();
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.credit.give(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_all_hold_together_makes_each_wait() {
        let whole = Credit::new(10);
        let (one, other) = (Credit::within(100, Arc::clone(&whole)), Credit::within(100, whole));
        let held = one.lend(10);
        assert!(!other.has_room());
        let waiting = tokio::spawn({
            let other = Arc::clone(&other);
            async move { other.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        waiting.await.unwrap();
        assert!(one.has_room());
    }

    #[tokio::test]
    async fn who_finds_no_room_waits_until_enough_is_given_back() {
        let credit = Credit::new(10);
        let (first, second) = (credit.lend(8), credit.lend(8));
        assert!(!credit.has_room());
        let waiting = tokio::spawn({
            let credit = Arc::clone(&credit);
            async move { credit.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        drop(second);
        credit.take(100);
        credit.close();
        credit.room().await;
    }
}
