//! Clients that do not take their answers: known by how slowly they do, so that the slowest can be dropped where memory runs out.
//!
//! A connection has one large answer under way at most: the next request on it is not begun before. Small ones are not counted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::telemetry::seldom::Seldom;

/// Clients that were dropped.
static DROPPED: Seldom = Seldom::new();

/// All of them.
#[derive(Debug)]
pub(super) struct SlowClients {
    /// By a number of their own.
    taking: Mutex<BTreeMap<u64, Taking>>,
    next: AtomicU64,
    dropped: AtomicU64,
    clock: Clock,
    /// `httpServer.stalled`: milliseconds.
    stalled: u64,
}

/// A client, and the answer that it is to take.
#[derive(Debug)]
struct Taking {
    client: Arc<Client>,
    bytes: u64,
    since: u64,
}

/// The other end of a connection.
#[derive(Debug)]
pub(super) struct Client {
    id: u64,
    address: IpAddr,
    /// Bytes of a large answer that it has not taken.
    left: AtomicU64,
    dropped: Notify,
    all: Arc<SlowClients>,
}

impl SlowClients {
    pub(super) fn new(clock: Clock, stalled: u64) -> Self {
        Self { taking: Mutex::default(), next: AtomicU64::new(0), dropped: AtomicU64::new(0), clock, stalled }
    }

    /// A client that has connected.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Arc<Client> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        Arc::new(Client { id, address, left: AtomicU64::new(0), dropped: Notify::new(), all: Arc::clone(self) })
    }

    /// How many were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Drops the client that takes the fewest bytes a second, among those that have had `httpServer.stalled` for it: how many bytes it has
    /// left. `None` where there is none.
    pub(super) fn drop_slowest(&self) -> Option<u64> {
        let now = self.clock.now();
        let mut taking = self.taking.lock();
        let old = taking.iter().filter(|(_, taking)| now.saturating_sub(taking.since) >= self.stalled.max(1));
        let slowest = old.min_by_key(|(_, taking)| taking.rate(now)).map(|(id, _)| *id)?;
        let slowest = taking.remove(&slowest)?;
        drop(taking);
        let left = slowest.client.left.swap(0, Ordering::Relaxed);
        slowest.client.dropped.notify_one();
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if let Some(times) = DROPPED.happens(now) {
            let (address, bytes) = (slowest.client.address, slowest.bytes);
            tracing::warn!(
                "a client is dropped that left {left} of {bytes} bytes of its answer untaken, the slowest while `httpServer.bodies` is used \
                 up: {address} ({times} were dropped; said once a minute)"
            );
        }
        Some(left)
    }
}

impl Taking {
    /// Bytes that it has taken a second.
    fn rate(&self, now: u64) -> u64 {
        let taken = self.bytes.saturating_sub(self.client.left.load(Ordering::Relaxed));
        taken.saturating_mul(1_000) / now.saturating_sub(self.since).max(1)
    }
}

impl Client {
    /// It is sent an answer with so many bytes.
    pub(super) fn is_sent(self: &Arc<Self>, bytes: u64) {
        self.left.store(bytes, Ordering::Relaxed);
        let taking = Taking { client: Arc::clone(self), bytes, since: self.all.clock.now() };
        self.all.taking.lock().insert(self.id, taking);
    }

    /// It has taken so many bytes, of whatever answer.
    pub(super) fn takes(&self, bytes: usize) {
        let left = self.left.load(Ordering::Relaxed);
        if left > 0 {
            let left = left.saturating_sub(bytes as u64);
            self.left.store(left, Ordering::Relaxed);
            if left == 0 {
                self.leave();
            }
        }
    }

    /// Waits until it is to be dropped.
    pub(super) async fn is_dropped(&self) {
        self.dropped.notified().await;
    }

    /// Its connection has ended.
    pub(super) fn leave(&self) {
        self.all.taking.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    fn clients(clock: &Clock) -> [Arc<Client>; 3] {
        let all = Arc::new(SlowClients::new(clock.clone(), 2_000));
        [1, 2, 3].map(|last| all.enter([8, 8, 8, last].into()))
    }

    fn is_dropped(client: &Client) -> bool {
        client.is_dropped().now_or_never().is_some()
    }

    #[test]
    fn who_takes_least_is_dropped_first_and_nobody_before_he_had_time() {
        let clock = Clock::manual(1_000);
        let [stuck, slow, quick] = clients(&clock);
        let all = Arc::clone(&stuck.all);
        for client in [&slow, &quick, &stuck] {
            client.is_sent(1_000_000);
        }
        slow.takes(10_000);
        clock.advance(Duration::from_millis(1_999));
        assert_eq!(all.drop_slowest(), None, "one millisecond before `httpServer.stalled`");
        clock.advance(Duration::from_millis(1));
        quick.takes(1_000_000);
        assert_eq!(all.drop_slowest(), Some(1_000_000));
        assert!(is_dropped(&stuck) && !is_dropped(&slow));
        assert_eq!(all.drop_slowest(), Some(990_000));
        assert!(is_dropped(&slow));
        assert_eq!((all.drop_slowest(), is_dropped(&quick), all.dropped()), (None, false, 2));
    }

    #[test]
    fn who_has_taken_all_or_is_gone_is_nobodys_burden() {
        let clock = Clock::manual(1_000);
        let [taken, gone, again] = clients(&clock);
        for client in [&taken, &gone, &again] {
            client.is_sent(50_000);
        }
        taken.takes(20_000);
        taken.takes(40_000);
        gone.leave();
        clock.advance(Duration::from_secs(5));
        again.takes(50_000);
        again.is_sent(60_000);
        assert_eq!(taken.all.drop_slowest(), None, "the second answer has its own time");
        clock.advance(Duration::from_secs(2));
        assert_eq!(taken.all.drop_slowest(), Some(60_000));
    }
}
