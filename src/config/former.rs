//! Keys of `botpress.config.json` that there were, or that meant something else, and what is to be used instead; and values that
//! keys took once.

use std::ops::RangeInclusive;

/// Each with what to do.
const FORMER: &[(&str, &str)] = &[
    (
        "scripts.workers",
        "each event has a process of its own now: \"scripts.running\" says how many compute at once, \"scripts.mostRealms\" \
         how many there are",
    ),
    (
        "scripts.workerResident",
        "use \"scripts.realmResident\" for the memory of one event's process, and \"scripts.allResident\" for all of them",
    ),
    ("scripts.silence", "remove it: the clock of each process is read now, \"scripts.grace\" says what is killed when"),
    (
        "scripts.realms",
        "how many realms there may be is \"scripts.mostRealms\" now, for one bot \"scripts.mostRealmsPerBot\"",
    ),
];

/// Keys that took more once, in milliseconds or bytes: a value within these bounds that is refused now is brought to the nearest
/// that is not, with a warning, so that a server still starts.
const BOUNDS: &[(&str, RangeInclusive<u64>)] = &[
    ("httpServer.bodyLimit", 1..=1 << 30),
    ("converse.bodyLimit", 1..=1 << 30),
    ("converse.timeout", 1..=u64::MAX),
    ("fetch.timeout", 1..=u64::MAX),
    ("fetch.buffered", 1 << 20..=u32::MAX as u64),
    ("scripts.hookRunning", 1..=u64::MAX),
    ("scripts.eventRunning", 1..=u64::MAX),
    ("scripts.slice", 1..=u64::MAX),
    ("scripts.hookWaiting", 1..=u64::MAX),
    ("scripts.actionRunning", 1..=u64::MAX),
    ("scripts.actionWaiting", 1..=u64::MAX),
    ("scripts.eventWaiting", 1..=u64::MAX),
];

/// Whether a key took that number once.
pub(super) fn was_allowed(path: &str, number: u64) -> bool {
    BOUNDS.iter().any(|(key, bounds)| *key == path && bounds.contains(&number))
}

/// What to do about a key that cannot be used, if there was one of that name.
pub(super) fn advice(path: &str) -> Option<&'static str> {
    FORMER.iter().find(|(former, _)| *former == path).map(|(_, advice)| *advice)
}

/// The same for the tail of a variable's name: `SCRIPTS_WORKERS`.
pub(super) fn advice_of_variable(name: &str) -> Option<&'static str> {
    let same = |path: &str| path.replace('.', "_").eq_ignore_ascii_case(name);
    FORMER.iter().find(|(former, _)| same(former)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::MAIN;

    #[test]
    fn what_is_to_be_used_instead_is_a_key() {
        for (former, advice) in FORMER {
            for named in advice.split('"').skip(1).step_by(2) {
                assert!(MAIN.iter().any(|key| key.path == named), "{former}: {named}");
            }
        }
    }

    #[test]
    fn what_took_more_once_is_a_key() {
        for (path, _) in BOUNDS {
            assert!(MAIN.iter().any(|key| key.path == *path), "{path}");
        }
    }
}
