//! What realms count for that were not looked at yet.

use super::*;

const MB: u64 = 1 << 20;

/// A fleet with 100 MB for all, and places for many that compute.
fn roomy() -> (Fleet, Instant) {
    fleet(|limits| {
        (limits.all_resident, limits.cores, limits.running, limits.computing_of_bot) = (100 * MB, 50, 50, 50);
    })
}

/// Another realm of the bot, where it gets one.
fn another(fleet: &mut Fleet, now: Instant) -> Option<ProcessId> {
    if !fleet.may_run(now, "bot", true) {
        return None;
    }
    let realm = busy_alone(fleet, now);
    fleet.forked(now, ZYGOTE, realm, realm + 1_000);
    Some(realm)
}

#[test]
fn realms_that_were_never_looked_at_count_as_those_of_their_bot_do_that_were() {
    let (mut fleet, now) = roomy();
    let first = another(&mut fleet, now).unwrap();
    fleet.memory(now, first, 20 * MB);
    fleet.tick(now + SECOND);
    let others: Vec<ProcessId> = std::iter::from_fn(|| another(&mut fleet, now + SECOND)).take(40).collect();
    assert_eq!(others.len(), 4, "all five may hold as much as there is");
    assert_eq!(fleet.audit(), Ok(()));
    others.iter().for_each(|realm| fleet.memory(now + SECOND, *realm, MB));
    assert!(another(&mut fleet, now + SECOND).is_some(), "they do not");
}

#[test]
fn where_none_was_looked_at_realms_count_as_the_zygote_of_which_they_are_copies() {
    let (mut fleet, now) = roomy();
    fleet.memory(now, ZYGOTE, 10 * MB);
    another(&mut fleet, now).unwrap();
    fleet.tick(now + SECOND);
    let others = std::iter::from_fn(|| another(&mut fleet, now + SECOND)).take(40).count();
    assert_eq!(others, 7, "of eight it gets none: they and the zygote leave 10 MB free");
    fleet.tick(now + SECOND * 2);
    let said = |note| if let Note::Scarce { what, over: false } = note { Some(what) } else { None };
    let said: Vec<String> = fleet.take_notes().into_iter().filter_map(said).collect();
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("the realms of bot bot hold 80 MB, those of all bots 90 MB of 100 MB"), "{said:?}");
}
