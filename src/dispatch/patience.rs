//! How long a caller of `/converse` waits: time in which an action runs does not count, up to a bound that nothing moves.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// What is left of a caller's time.
#[derive(Debug)]
pub(super) struct Patience {
    /// What is left of the time that counts, as of `since`.
    left: Duration,
    since: Instant,
    /// An action runs: nothing counts.
    acting: bool,
    /// Whatever a worker says, not longer than until then.
    bound: Instant,
}

impl Patience {
    /// `limit` of time that counts, and `acting` of time that does not.
    pub(super) fn new(now: Instant, limit: Duration, acting: Duration) -> Self {
        Self { left: limit, since: now, acting: false, bound: now + limit + acting }
    }

    /// An action begins or has ended.
    fn turn(&mut self, acting: bool, now: Instant) {
        if !self.acting {
            self.left = self.left.saturating_sub(now.saturating_duration_since(self.since));
        }
        (self.acting, self.since) = (acting, now);
    }

    /// When the caller goes, if nothing changes until then.
    fn until(&self) -> Instant {
        if self.acting { self.bound } else { (self.since + self.left).min(self.bound) }
    }

    /// Waits for the answer; `None` is that the time is over.
    pub(super) async fn wait<T>(
        mut self,
        answer: impl Future<Output = T>,
        mut acting: watch::Receiver<bool>,
    ) -> Option<T> {
        let mut answer = std::pin::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return Some(answer),
                // Nobody says more where the sender is gone: the answer is about to come.
                Ok(()) = acting.changed() => self.turn(*acting.borrow_and_update(), Instant::now()),
                () = tokio::time::sleep_until(self.until().into()) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn the_time_of_actions_does_not_count() {
        let start = Instant::now();
        let mut patience = Patience::new(start, seconds(5), seconds(60));
        assert_eq!(patience.until(), start + seconds(5));
        patience.turn(true, start + seconds(2));
        assert_eq!(patience.until(), start + seconds(65), "as long as the bound allows");
        patience.turn(false, start + seconds(30));
        assert_eq!(patience.until(), start + seconds(33));
        patience.turn(true, start + seconds(32));
        patience.turn(false, start + seconds(40));
        assert_eq!(patience.until(), start + seconds(41));
    }

    #[test]
    fn saying_the_same_twice_gives_no_time_and_nothing_moves_the_bound() {
        let start = Instant::now();
        let mut patience = Patience::new(start, seconds(5), seconds(10));
        patience.turn(false, start + seconds(3));
        patience.turn(false, start + seconds(4));
        assert_eq!(patience.until(), start + seconds(5));
        patience.turn(true, start + seconds(4));
        patience.turn(true, start + seconds(14));
        assert_eq!(patience.until(), start + seconds(15));
        patience.turn(false, start + seconds(14));
        assert_eq!(patience.until(), start + seconds(15));
        patience.turn(false, start + seconds(20));
        assert_eq!(patience.until(), start + seconds(15).min(seconds(20)));
    }

    #[tokio::test]
    async fn who_is_answered_does_not_wait_and_who_is_not_goes_in_time() {
        let patience = |limit| Patience::new(Instant::now(), limit, Duration::ZERO);
        let (sender, acting) = watch::channel(false);
        assert_eq!(patience(Duration::ZERO).wait(std::future::ready(7), acting.clone()).await, Some(7));
        assert_eq!(patience(Duration::ZERO).wait(std::future::pending::<()>(), acting.clone()).await, None);
        drop(sender);
        let gone = patience(Duration::from_millis(1)).wait(std::future::pending::<()>(), acting).await;
        assert_eq!(gone, None, "a sender that is gone is not asked again and again");
    }
}
