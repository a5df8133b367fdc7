//! What becomes of the events of a worker that is gone. Pure decisions; `deaths` carries them out.

use std::time::Instant;

/// Runs of one event after which it is no longer trusted to share a worker, whatever killed those.
const TRUSTED_RUNS: u32 = 3;

/// Why a worker is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// We killed it because one dispatch overran: that one is guilty, nobody else is.
    Guilty {
        /// The dispatch.
        dispatch: u64,
        /// For the log: what it did, such as `killed after 1250 ms`.
        what: String,
        /// The kind of hook it was in, if known.
        hook: Option<String>,
        /// The file it was in, if known.
        file: Option<String>,
    },
    /// It died by itself, went silent, grew too large or broke the protocol: whoever ran JavaScript may have done it.
    Crashed {
        /// For the log.
        what: String,
    },
    /// Nobody's fault: it was told to stop.
    Told,
}

/// What is known of one event when its worker is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doing {
    /// Its dispatch number.
    pub dispatch: u64,
    /// It said `Processed`: its state is on its way to the store.
    pub processed: bool,
    /// It stood among those running in the last beat.
    pub running: bool,
    /// It was past what it may as well: it would have been killed with the next beats.
    pub overdue: bool,
    /// When it last was given something to do: its dispatch or the answer to a request.
    pub woken: Instant,
    /// How often it has been dispatched, this time included.
    pub runs: u32,
    /// Workers that died on it before this one.
    pub deaths: u32,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Processed before: what was left of it is dropped.
    Done,
    /// It is over, with an error, and not run again.
    Over,
    /// Run again at once, among others.
    Again,
    /// Its death is counted and it is run once more, alone in a worker.
    Alone,
    /// It took two workers with it: kept, listed, never run again.
    Poison,
}

/// Decides over all events of one worker. `beat` is when its last sign of life with the list of running threads came.
pub(super) fn decide(cause: &Cause, beat: Option<Instant>, events: &[Doing]) -> Vec<Verdict> {
    // Between two beats a script may start and crash at once, so what was given work since the last beat is suspect too.
    let active = |event: &Doing| event.running || beat.is_none_or(|beat| event.woken >= beat);
    let unfinished = || events.iter().filter(|event| !event.processed);
    let nobody_active = !unfinished().any(active);
    events
        .iter()
        .map(|event| {
            if event.processed {
                return Verdict::Done;
            }
            match cause {
                Cause::Guilty { dispatch, .. } if *dispatch == event.dispatch || event.overdue => Verdict::Over,
                // Whoever is at fault, it does not take a third worker with it.
                Cause::Guilty { .. } if event.deaths >= 1 => Verdict::Poison,
                Cause::Guilty { .. } | Cause::Told if event.runs < TRUSTED_RUNS => Verdict::Again,
                Cause::Told => Verdict::Again,
                Cause::Crashed { .. } if !nobody_active && !active(event) && event.runs < TRUSTED_RUNS => {
                    Verdict::Again
                }
                Cause::Crashed { .. } if event.deaths >= 1 => Verdict::Poison,
                Cause::Guilty { .. } | Cause::Crashed { .. } => Verdict::Alone,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn doing(dispatch: u64, woken: Instant) -> Doing {
        Doing { dispatch, processed: false, running: false, overdue: false, woken, runs: 1, deaths: 0 }
    }

    fn guilty(dispatch: u64) -> Cause {
        Cause::Guilty { dispatch, what: "killed after 1200 ms".into(), hook: None, file: None }
    }

    fn crashed() -> Cause {
        Cause::Crashed { what: "signal 11".into() }
    }

    #[test]
    fn the_guilty_event_is_over_and_all_others_run_again_at_once() {
        let now = Instant::now();
        let events = [
            doing(1, now),
            Doing { running: true, ..doing(2, now) },
            doing(3, now),
            Doing { processed: true, ..doing(4, now) },
        ];
        assert_eq!(
            decide(&guilty(2), Some(now), &events),
            [Verdict::Again, Verdict::Over, Verdict::Again, Verdict::Done]
        );
    }

    #[test]
    fn who_overran_as_well_is_over_too_and_not_given_the_same_time_again() {
        let now = Instant::now();
        let events = [doing(1, now), Doing { running: true, overdue: true, ..doing(2, now) }];
        assert_eq!(decide(&guilty(1), Some(now), &events), [Verdict::Over, Verdict::Over]);
        let beat = now + Duration::from_millis(1);
        assert_eq!(decide(&crashed(), Some(beat), &events), [Verdict::Again, Verdict::Alone]);
    }

    #[test]
    fn after_a_crash_those_that_ran_are_suspects_and_those_that_waited_are_not() {
        let start = Instant::now();
        let beat = start + Duration::from_millis(100);
        let later = start + Duration::from_millis(120);
        let events = [Doing { running: true, ..doing(1, start) }, doing(2, start), doing(3, later)];
        assert_eq!(decide(&crashed(), Some(beat), &events), [Verdict::Alone, Verdict::Again, Verdict::Alone]);
    }

    #[test]
    fn a_crash_that_nobody_seems_to_have_caused_makes_everybody_a_suspect() {
        let start = Instant::now();
        let beat = start + Duration::from_millis(100);
        let events = [doing(1, start), doing(2, start), Doing { processed: true, ..doing(3, start) }];
        assert_eq!(decide(&crashed(), Some(beat), &events), [Verdict::Alone, Verdict::Alone, Verdict::Done]);
        assert_eq!(decide(&crashed(), None, &events[..1]), [Verdict::Alone]);
    }

    #[test]
    fn a_second_death_is_poison() {
        let now = Instant::now();
        let events = [Doing { deaths: 1, running: true, ..doing(1, now) }];
        assert_eq!(decide(&crashed(), Some(now), &events), [Verdict::Poison]);
    }

    #[test]
    fn a_worker_that_blames_somebody_else_again_and_again_poisons_its_event_like_any_other() {
        let now = Instant::now();
        let events = [Doing { deaths: 1, runs: 4, ..doing(1, now) }];
        assert_eq!(decide(&guilty(999), Some(now), &events), [Verdict::Poison]);
    }

    #[test]
    fn an_event_whose_workers_keep_being_killed_no_longer_shares_one() {
        let now = Instant::now();
        let events = [Doing { runs: 3, ..doing(1, now) }, doing(2, now)];
        assert_eq!(decide(&guilty(9), Some(now), &events), [Verdict::Alone, Verdict::Again]);
        assert_eq!(decide(&Cause::Told, Some(now), &events), [Verdict::Again, Verdict::Again]);
    }
}
