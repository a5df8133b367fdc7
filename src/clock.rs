//! Time that tests can move, and that never goes back. Everything that compares, stores or waits for time asks a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::watch;

/// Of so many milliseconds the clock leaves one out while it is ahead of the machine's, so that the two meet again.
const SLOWER: u64 = 16;
/// The year 4821: a clock that is set to a later time counts as set to that, or the ids of events would find no room in the database.
const LATEST: u64 = 90_000_000_000_000;
/// So often, in milliseconds, the machine's clock is compared with the time that really passes.
const NOTED: u64 = 1_000;
/// Nobody sleeps for longer than that, in milliseconds, without a look at the machine's clock: it may have been set ahead.
const PIECE: u64 = 60_000;

/// Time in milliseconds since the epoch. Clones share the same time.
///
/// It is the machine's, but for this: it never goes back. Where the machine's clock is set back, it goes on from where it was, by
/// what has really passed and a little slower, until the machine's has caught up.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    source: Source,
    /// The latest time that was given.
    last: AtomicU64,
    /// What the machine's clock was ahead of the source's steady time when that was looked at last, in milliseconds.
    offset: AtomicU64,
    /// While the machine's clock is behind: what this one showed when that was seen, and when that was.
    behind: Mutex<Option<Behind>>,
}

#[derive(Debug, Clone, Copy)]
struct Behind {
    showed: u64,
    /// Milliseconds by the source's steady time.
    seen: u64,
}

#[derive(Debug)]
enum Source {
    /// The machine's; its steady time counts from here.
    System(Instant),
    Manual(Manual),
}

#[derive(Debug)]
struct Manual {
    wall: AtomicU64,
    steady: AtomicU64,
    moved: watch::Sender<()>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::of(Source::System(Instant::now()))
    }

    /// A clock that stands still at `now` (milliseconds since the epoch) until it is moved.
    pub fn manual(now: u64) -> Self {
        let (wall, steady) = (AtomicU64::new(now.min(LATEST)), AtomicU64::new(0));
        Self::of(Source::Manual(Manual { wall, steady, moved: watch::channel(()).0 }))
    }

    fn of(source: Source) -> Self {
        let (last, offset) = (AtomicU64::new(0), AtomicU64::new(0));
        let clock = Self(Arc::new(Parts { source, last, offset, behind: Mutex::new(None) }));
        clock.compare(clock.wall());
        clock
    }

    /// Notes where the machine's clock stands, so that nothing is lost of the time between now and when it is seen to be set back.
    fn compare(&self, wall: u64) {
        self.0.offset.store(wall.saturating_sub(self.steady()), Ordering::Relaxed);
    }

    /// Milliseconds since the epoch, never less than before.
    pub fn now(&self) -> u64 {
        let (wall, last) = (self.wall(), self.0.last.load(Ordering::Relaxed));
        if wall == last {
            return wall;
        }
        if wall > last {
            self.0.last.fetch_max(wall, Ordering::Relaxed);
            if wall / NOTED != last / NOTED {
                self.compare(wall);
            }
            return wall;
        }
        self.beyond_the_wall()
    }

    /// What the machine's clock shows, in milliseconds since the epoch, where that may go back: for times that others gave.
    pub fn wall(&self) -> u64 {
        match &self.0.source {
            Source::System(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| milliseconds(since.as_millis()))
                .min(LATEST),
            Source::Manual(manual) => manual.wall.load(Ordering::SeqCst).min(LATEST),
        }
    }

    /// From now on it shows at least that: a time that was given before this process was there.
    pub fn not_before(&self, time: u64) {
        self.0.last.fetch_max(time, Ordering::Relaxed);
        // From this moment on it goes on from there.
        self.now();
    }

    /// The time while the machine's clock is behind.
    fn beyond_the_wall(&self) -> u64 {
        let mut behind = self.0.behind.lock();
        let (seen, last) = (self.steady(), self.0.last.load(Ordering::Relaxed));
        let shows = behind.map(|Behind { showed, seen: since }| {
            let passed = seen.saturating_sub(since);
            showed.saturating_add(passed - passed / SLOWER)
        });
        let now = match shows.filter(|shows| *shows >= last) {
            Some(shows) => shows,
            None => {
                let showed = last.max(seen.saturating_add(self.0.offset.load(Ordering::Relaxed)));
                *behind = Some(Behind { showed, seen });
                showed
            }
        };
        let now = now.max(self.wall());
        self.0.last.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// Milliseconds that have really passed since some moment.
    fn steady(&self) -> u64 {
        match &self.0.source {
            Source::System(begun) => milliseconds(begun.elapsed().as_millis()),
            Source::Manual(manual) => manual.steady.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock forward and wakes who waits for it; the machine's clock goes on as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0.source {
            let by = milliseconds(by.as_millis());
            manual.steady.fetch_add(by, Ordering::SeqCst);
            manual.wall.fetch_add(by, Ordering::SeqCst);
            manual.moved.send_replace(());
        }
    }

    /// Sets a manual clock, ahead or back, as somebody sets that of a machine: no time passes.
    pub fn set(&self, wall: u64) {
        if let Source::Manual(manual) = &self.0.source {
            manual.wall.store(wall.min(LATEST), Ordering::SeqCst);
            manual.moved.send_replace(());
        }
    }

    /// Waits until the clock shows `at` (milliseconds since the epoch).
    pub async fn sleep_until(&self, at: u64) {
        self.sleep(at, Self::now).await;
    }

    /// Waits until the machine's clock shows `at` (milliseconds since the epoch): for times that others gave.
    pub async fn sleep_until_wall(&self, at: u64) {
        self.sleep(at, Self::wall).await;
    }

    async fn sleep(&self, at: u64, shows: fn(&Self) -> u64) {
        match &self.0.source {
            Source::System(_) => loop {
                let (now, shown) = (self.now(), shows(self));
                if shown >= at {
                    return;
                }
                let piece = (at - shown).min(PIECE);
                tokio::time::sleep(Duration::from_millis(piece)).await;
                // That much has passed, whatever was done to the machine's clock meanwhile.
                self.not_before(now.saturating_add(piece - piece / SLOWER));
            },
            Source::Manual(manual) => {
                let mut moved = manual.moved.subscribe();
                while shows(self) < at {
                    if moved.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn milliseconds(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const YEAR: u64 = 365 * 24 * 3_600_000;
    const NOW: u64 = 1_795_330_099_736;

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

    #[test]
    fn the_time_goes_on_when_the_machines_clock_is_set_back_and_meets_it_again() {
        for back in [1, 3_600_000, 5 * 24 * 3_600_000, NOW] {
            let clock = Clock::manual(NOW);
            assert_eq!(clock.now(), NOW);
            clock.set(NOW - back);
            assert_eq!(clock.now(), NOW);
            clock.advance(Duration::from_millis(1_600));
            let expected = (NOW + 1_500).max(clock.wall());
            assert_eq!(clock.now(), expected, "by what has passed, a little slower");
            clock.advance(Duration::from_millis(16 * back));
            assert!(clock.now() >= NOW + 15 * back, "and never stands still");
            clock.advance(Duration::from_millis(1_600));
            assert_eq!(clock.now(), clock.wall(), "set back by {back} ms");
        }
    }

    #[test]
    fn a_clock_that_is_set_ahead_and_back_again_and_again_never_shows_less_than_before() {
        let clock = Clock::manual(NOW);
        let mut last = clock.now();
        for (wall, least) in
            [(NOW + YEAR, YEAR), (NOW, 0), (NOW + 2 * YEAR, YEAR - 1_000), (NOW + 7, 0), (0, 0), (NOW - 1, 0)]
        {
            clock.set(wall);
            assert!(clock.now() >= last + least, "{wall}");
            last = clock.now();
            for _ in 0..40 {
                clock.advance(Duration::from_millis(3));
                assert!(clock.now() > last, "it goes on");
                last = clock.now();
            }
        }
    }

    #[test]
    fn nothing_is_lost_of_the_time_before_it_is_seen_that_the_machines_clock_was_set_back() {
        let clock = Clock::manual(NOW);
        clock.now();
        clock.set(NOW - YEAR);
        clock.advance(HOUR);
        assert_eq!(clock.now(), NOW + 3_600_000);
        clock.advance(Duration::from_millis(1_600));
        assert_eq!(clock.now(), NOW + 3_600_000 + 1_500);
    }

    #[test]
    fn a_time_that_was_given_before_is_where_it_begins() {
        let clock = Clock::manual(NOW);
        clock.not_before(NOW + 3_600_000);
        assert_eq!(clock.now(), NOW + 3_600_000);
        clock.not_before(NOW);
        clock.advance(HOUR * 16);
        assert_eq!(clock.now(), clock.wall());
    }

    #[tokio::test]
    async fn whoever_sleeps_wakes_when_the_time_has_passed_though_the_machines_clock_is_behind() {
        let clock = Clock::system();
        // As if the machine's clock had been set back by an hour just now.
        clock.not_before(clock.wall() + 3_600_000);
        let at = clock.now() + 20;
        clock.sleep_until(at).await;
        assert!(clock.now() >= at);
    }
}
