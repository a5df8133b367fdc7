//! Keys of `botpress.config.json` that there were, or that meant something else, and what is to be used instead.

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
}
