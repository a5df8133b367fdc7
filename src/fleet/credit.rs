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
    /// Below it there is room whatever the whole holds.
    assured: u64,
    /// What is taken here is taken there as well.
    whole: Option<Arc<Credit>>,
    /// Nobody counts any more: whoever waits goes on.
    closed: AtomicBool,
    /// Shared by the whole and its parts.
    freed: Arc<Notify>,
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
        Arc::new(Self::made(limit, 0, None))
    }

    /// The same, of bytes that count to a whole too. Who holds less than what is assured may send whatever others hold.
    pub fn within(limit: u64, assured: u64, whole: Arc<Self>) -> Arc<Self> {
        Arc::new(Self::made(limit, assured, Some(whole)))
    }

    fn made(limit: u64, assured: u64, whole: Option<Arc<Self>>) -> Self {
        let freed = whole.as_ref().map_or_else(Arc::default, |whole| Arc::clone(&whole.freed));
        Self { used: AtomicU64::new(0), limit, assured, whole, closed: AtomicBool::new(false), freed }
    }

    /// Whether anybody may send; what is sent then may go past the limit.
    pub fn has_room(&self) -> bool {
        let used = self.used.load(Ordering::Acquire);
        let whole = || self.whole.as_ref().is_none_or(|whole| whole.has_room());
        self.closed.load(Ordering::Acquire) || (used < self.limit && (used < self.assured || whole()))
    }

    /// Waits until there is room.
    pub async fn room(&self) {
        while !self.has_room() {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            // It may have been given back just before.
            if !self.has_room() {
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
        let after = before.saturating_sub(bytes as u64);
        if [self.limit, self.assured].iter().any(|mark| before >= *mark && after < *mark) {
            self.freed.notify_waiters();
        }
    }

    /// The other end is gone: nothing is given back any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.freed.notify_waiters();
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        // What was never given back goes with the process that it was for.
        if let Some(whole) = &self.whole {
            whole.give(usize::try_from(*self.used.get_mut()).unwrap_or(usize::MAX));
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.credit.give(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    /// Somebody who waits for room, of which there is none yet.
    async fn waits(credit: &Arc<Credit>) -> JoinHandle<()> {
        let credit = Arc::clone(credit);
        let waiting = tokio::spawn(async move { credit.room().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        waiting
    }

    #[tokio::test]
    async fn what_all_hold_together_makes_each_wait() {
        let whole = Credit::new(10);
        let (one, other) = (Credit::within(100, 0, Arc::clone(&whole)), Credit::within(100, 0, whole));
        let held = one.lend(10);
        assert!(!other.has_room());
        let waiting = waits(&other).await;
        drop(held);
        waiting.await.unwrap();
        assert!(one.has_room());
    }

    #[tokio::test]
    async fn who_holds_little_does_not_wait_for_what_others_hold() {
        let whole = Credit::new(10);
        let (hostile, calm) = (Credit::within(8, 3, Arc::clone(&whole)), Credit::within(8, 3, Arc::clone(&whole)));
        let held = hostile.lend(20);
        assert!(!hostile.has_room() && calm.has_room());
        let own = calm.lend(3);
        assert!(!calm.has_room());
        let waiting = waits(&calm).await;
        drop(own);
        waiting.await.unwrap();
        // What is never given back goes with whom it was for.
        drop(held);
        calm.take(7);
        drop(calm);
        assert_eq!(whole.used.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn who_finds_no_room_waits_until_enough_is_given_back() {
        let credit = Credit::new(10);
        let (first, second) = (credit.lend(8), credit.lend(8));
        assert!(!credit.has_room());
        let waiting = waits(&credit).await;
        drop(first);
        waiting.await.unwrap();
        drop(second);
        credit.take(100);
        credit.close();
        credit.room().await;
    }
}
