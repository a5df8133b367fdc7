//! Time that tests can move. Everything that compares, stores or waits for wall time asks a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// A source of wall time in milliseconds since the epoch. Clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    now: AtomicU64,
    moved: watch::Sender<()>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `now` (milliseconds since the epoch) until it is moved.
    pub fn manual(now: u64) -> Self {
        Self(Source::Manual(Arc::new(Manual { now: AtomicU64::new(now), moved: watch::channel(()).0 })))
    }

    /// Milliseconds since the epoch.
    pub fn now(&self) -> u64 {
        match &self.0 {
            Source::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            Source::Manual(manual) => manual.now.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock forward and wakes who waits for it; the machine's clock goes on as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0 {
            manual.now.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
            manual.moved.send_replace(());
        }
    }

    /// Waits until the clock shows `at` (milliseconds since the epoch).
    pub async fn sleep_until(&self, at: u64) {
        match &self.0 {
            Source::System => {
                let now = self.now();
                if at > now {
                    tokio::time::sleep(Duration::from_millis(at - now)).await;
                }
            }
            Source::Manual(manual) => {
                let mut moved = manual.moved.subscribe();
                while self.now() < at {
                    if moved.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_its_sleepers_when_it_is_moved() {
        let clock = Clock::manual(1_000);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(2_000).await }
        });
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        assert_eq!(clock.now(), 2_000);
    }
}
