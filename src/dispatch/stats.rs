//! Counters for `/status` and `/metrics`. They only ever rise but for the gauges at the end.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::Unfit;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The counters as they are counted.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// The counters at one moment.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Stats {
                Stats { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl Stats {
            /// Every counter with its name, for `/metrics`.
            pub fn rows(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

counters! {
    /// Events stored in the queue: those of users, and time-outs of their dialogs.
    accepted,
    /// Of those, time-outs.
    timeouts,
    /// Events refused because a queue was full.
    refused,
    /// Events given to a realm; one that was run again counts twice.
    dispatched,
    /// Events that are over, which is committed: done, ended by a kill, or set aside. Those that an earlier run of the
    /// server left count here and were `accepted` there.
    processed,
    /// Dispatches of which nothing is left.
    settled,
    /// Replies committed: messages, and replies on other channels.
    replies_committed,
    /// Events that scripts sent, committed.
    follow_ups_committed,
    /// Requests of scripts that were answered.
    requests,
    /// Events that were ended by a kill.
    ended_by_kill,
    /// Events run again because their realm was gone.
    run_again,
    /// Events set aside because two realms died on them.
    set_aside,
    /// Realms killed by the server, with work.
    realms_killed,
    /// Realms that died by themselves, with work.
    realms_crashed,
    /// Root zygotes that died.
    zygotes_died,
    /// Realms not used again: a script ran into a limit of time.
    unfit_limit,
    /// Realms not used again: they ran out of memory.
    unfit_memory,
    /// Realms not used again: what an event left could not be removed.
    unfit_unclean,
    /// Realms not used again: they had run very many events.
    unfit_worn,
    /// Realms not used again: their priority was lowered because a script computed for long.
    unfit_slowed,
    /// Realms made for one piece of work alone.
    unfit_single,
    /// Now: events that wait for their turn.
    waiting,
    /// Now: dispatches with their realms.
    in_flight,
    /// Now: realms.
    realms,
    /// Now: zygotes.
    zygotes,
    /// Now: bytes that all processes of scripts hold.
    resident_bytes,
    /// Now: events processed in the last second.
    rate,
    /// Now: the version of the program that events are dispatched on.
    program,
    /// Now: when the janitor last began a look after which nothing was left to be timed out, in milliseconds since the
    /// epoch; 0 before the first.
    janitor,
}

impl Counters {
    /// A realm is not used again.
    pub(super) fn retired(&self, unfit: Unfit) {
        count(match unfit {
            Unfit::Limit => &self.unfit_limit,
            Unfit::Memory => &self.unfit_memory,
            Unfit::Unclean => &self.unfit_unclean,
            Unfit::Worn => &self.unfit_worn,
            Unfit::Slowed => &self.unfit_slowed,
            Unfit::Single => &self.unfit_single,
        });
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(super) fn gauge(counter: &AtomicU64, value: usize) {
    counter.store(value as u64, Ordering::Relaxed);
}
