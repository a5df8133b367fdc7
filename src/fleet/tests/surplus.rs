//! Zygotes that are too many, memory of all processes, and a system that refuses them.

use super::*;

const NOBODY: [ProcessId; 0] = [];

/// Bots with zygotes that stand ready, and the zygotes.
fn fleet_of(bots: &[&str], change: impl FnOnce(&mut FleetLimits)) -> (Fleet, Instant, Vec<ProcessId>) {
    let mut limits = FleetLimits::of(&Settings::default());
    change(&mut limits);
    let (mut fleet, now) = (Fleet::new(limits), Instant::now());
    fleet.publish(now, published_of(1, bots));
    let zygotes: Vec<ProcessId> = (ZYGOTE..).take(bots.len()).collect();
    fleet.forked(now, ROOT, GLOBAL, 102);
    for zygote in &zygotes {
        fleet.forked(now, GLOBAL, *zygote, 100 + zygote);
    }
    for zygote in [ROOT, GLOBAL].iter().chain(&zygotes) {
        fleet.loaded(now, *zygote);
    }
    fleet.take_orders();
    (fleet, now, zygotes)
}

/// The next event of a bot, until it is over.
fn one_event(fleet: &mut Fleet, now: Instant, bot: &str) {
    assert!(fleet.may_run(now, bot, true));
    let realm = fleet.run(now, &Arc::from(bot), Some(now + SECOND * 60)).unwrap();
    for order in fleet.take_orders() {
        match order {
            Order::Fork { zygote, child, .. } => fleet.forked(now, zygote, child, 1_000 + child),
            Order::Load { zygote, .. } => fleet.loaded(now, zygote),
            _ => {}
        }
    }
    fleet.free(now, realm, Some(Unfit::Single));
    fleet.closed(now, realm);
    fleet.buried(realm, Some("exit status: 0"));
    fleet.take_orders();
}

/// The processes that are told to end.
fn closed(fleet: &mut Fleet) -> Vec<ProcessId> {
    let orders = fleet.take_orders().into_iter();
    orders.filter_map(|order| if let Order::Close { process } = order { Some(process) } else { None }).collect()
}

#[test]
fn a_zygote_that_nobody_uses_ends_after_a_while_and_its_bot_gets_another_one_with_its_next_event() {
    let (mut fleet, now, zygotes) = fleet_of(&["a", "b"], |limits| limits.idle_zygote = SECOND * 60);
    let realm = fleet.run(now, &Arc::from("b"), None).unwrap();
    fleet.forked(now, zygotes[1], realm, 200);
    for second in 1..=60 {
        fleet.tick(now + SECOND * second);
    }
    assert_eq!(closed(&mut fleet), NOBODY, "not before its time");
    fleet.tick(now + SECOND * 62);
    assert_eq!(closed(&mut fleet), [zygotes[0]], "the other one has a realm");
    fleet.closed(now + SECOND * 62, zygotes[0]);
    assert!(fleet.audit().is_ok());
    one_event(&mut fleet, now + SECOND * 63, "a");
    assert_eq!(fleet.zygotes(), 4);
}

#[test]
fn of_more_zygotes_than_may_be_those_end_that_were_not_used_for_longest_and_none_that_just_was() {
    let (mut fleet, now, zygotes) = fleet_of(&["a", "b", "c", "d"], |limits| limits.zygotes = 2);
    one_event(&mut fleet, now + SECOND, "a");
    one_event(&mut fleet, now + SECOND * 2, "d");
    fleet.tick(now + SECOND * 9);
    assert_eq!(closed(&mut fleet), NOBODY, "bots that take turns keep what they have");
    fleet.tick(now + SECOND * 20);
    assert_eq!(closed(&mut fleet), zygotes[1..3]);
    fleet.tick(now + SECOND * 40);
    assert_eq!(closed(&mut fleet), NOBODY, "as many as may be stay");
}

#[test]
fn a_zygote_for_which_an_event_waits_stays() {
    let (mut fleet, now, _) = fleet_of(&["a", "b"], |limits| (limits.zygotes, limits.realms, limits.cores) = (1, 1, 8));
    fleet.run(now, &Arc::from("b"), Some(now + SECOND * 60)).unwrap();
    assert!(!fleet.may_run(now + SECOND, "a", false), "there is no place");
    fleet.take_orders();
    fleet.tick(now + SECOND * 30);
    assert_eq!(closed(&mut fleet), NOBODY);
}

#[test]
fn what_there_is_without_a_bot_makes_the_others_and_stays() {
    let (mut fleet, now, zygotes) = fleet_of(&["a"], |limits| (limits.zygotes, limits.idle_zygote) = (0, SECOND));
    for second in [20, 40, 60] {
        fleet.tick(now + SECOND * second);
    }
    assert_eq!(closed(&mut fleet), zygotes);
}

#[test]
fn what_zygotes_hold_is_looked_at_and_counts() {
    let (mut fleet, now, zygotes) = fleet_of(&["a", "b"], |limits| limits.all_resident = 10 << 20);
    fleet.tick(now + SECOND * 20);
    let looked = fleet.take_orders();
    for zygote in [GLOBAL, zygotes[0], zygotes[1]] {
        assert!(looked.contains(&Order::LookAtMemory { process: zygote }), "{looked:?}");
        fleet.memory(now + SECOND * 20, zygote, 4 << 20);
    }
    assert_eq!(fleet.resident(), 12 << 20);
    assert_eq!(closed(&mut fleet), [zygotes[0]], "one is enough");
    fleet.closed(now + SECOND * 20, zygotes[0]);
    assert_eq!(fleet.resident(), 8 << 20);
    assert!(fleet.audit().is_ok());
}

#[test]
fn realms_that_compute_are_looked_at_each_time_however_many_others_there_are() {
    let bots: Vec<String> = (0..100).map(|bot| format!("bot{bot:02}")).collect();
    let bots: Vec<&str> = bots.iter().map(String::as_str).collect();
    let (mut fleet, now, zygotes) = fleet_of(&bots, |limits| limits.eager = 100);
    let realm = fleet.run(now, &Arc::from("bot50"), Some(now + SECOND * 60)).unwrap();
    fleet.forked(now, zygotes[50], realm, 900);
    let mut seen = std::collections::BTreeSet::new();
    for second in 1..=5 {
        fleet.take_orders();
        fleet.tick(now + SECOND * second);
        let looked = fleet.take_orders();
        assert!(looked.contains(&Order::LookAtMemory { process: realm }));
        seen.extend(looked.into_iter().filter_map(|order| match order {
            Order::LookAtMemory { process } => Some(process),
            _ => None,
        }));
    }
    assert_eq!(seen.len(), 103, "the others have their turn");
}

#[test]
fn a_zygote_that_has_loaded_more_than_a_realm_may_hold_goes_on_and_that_is_said_once() {
    let (mut fleet, now, zygotes) = fleet_of(&["a"], |limits| limits.resident = 10 << 20);
    for second in 0..3 {
        fleet.memory(now + SECOND * second, zygotes[0], 11 << 20);
    }
    let orders = fleet.take_orders();
    assert!(!orders.contains(&Order::Kill { process: zygotes[0] }), "{orders:?}");
    let notes = fleet.take_notes();
    let told = notes.iter().filter_map(|note| if let Note::Scarce { what, .. } = note { Some(what) } else { None });
    let [what] = told.collect::<Vec<_>>()[..] else { panic!("{notes:?}") };
    for part in ["what the bot a loads", "11 MB", "10 MB", "scripts.realmResident", "raise the limit"] {
        assert!(what.contains(part), "{part} is missing in {what}");
    }
    assert_eq!(fleet.resident(), 11 << 20, "it counts for all together");
    one_event(&mut fleet, now + SECOND * 4, "a");
    assert_eq!(fleet.zygotes(), 3);
}

#[test]
fn a_zygote_that_holds_too_much_while_it_loads_is_killed_and_what_it_loads_is_left_to_the_realms() {
    let (mut fleet, now, _) = fleet_of(&["a"], |limits| limits.resident = 10);
    fleet.publish(now, published_of(2, &["a"]));
    let orders = fleet.take_orders();
    let child = |order: &Order| if let Order::Fork { child, .. } = order { Some(*child) } else { None };
    let next = orders.iter().filter_map(child).next_back().unwrap();
    fleet.forked(now, GLOBAL, next, 300);
    fleet.memory(now, next, 11);
    assert!(fleet.take_orders().contains(&Order::Kill { process: next }));
    fleet.closed(now, next);
    let notes = fleet.take_notes();
    let told = |note: &Note| matches!(note, Note::NotWarm { why, .. } if why.contains("memory"));
    assert!(notes.iter().any(told), "{notes:?}");
}

#[test]
fn a_zygote_stays_for_ten_seconds_however_short_the_limit() {
    let (mut fleet, now, zygotes) = fleet_of(&["a"], |limits| limits.idle_zygote = Duration::ZERO);
    fleet.tick(now + SECOND * 9);
    assert_eq!(closed(&mut fleet), NOBODY);
    fleet.tick(now + SECOND * 11);
    assert_eq!(closed(&mut fleet), zygotes);
}

/// What was said of processes that the system refuses.
fn said(fleet: &mut Fleet) -> Vec<bool> {
    let notes = fleet.take_notes().into_iter();
    notes.filter_map(|note| if let Note::Scarce { over, .. } = note { Some(over) } else { None }).collect()
}

#[test]
fn that_no_process_can_be_made_is_said_once_and_that_it_is_over_when_it_has_been_for_a_while() {
    let (mut fleet, now, _) = fleet_of(&["a"], |_| {});
    let mut time = now;
    for round in 0..5 {
        fleet.not_forked(time, "EMFILE");
        time += SECOND;
        fleet.tick(time);
        one_event(&mut fleet, time, "a");
        assert_eq!(said(&mut fleet), if round == 0 { vec![false] } else { vec![] }, "round {round}");
    }
    fleet.tick(time + SECOND * 11);
    assert_eq!(said(&mut fleet), [true]);
    fleet.not_forked(time + SECOND * 12, "EMFILE");
    assert_eq!(said(&mut fleet), [false]);
}

#[test]
fn while_the_system_refuses_processes_idle_ones_make_room() {
    let (mut fleet, now, zygotes) = fleet_of(&["a", "b"], |_| {});
    let realm = fleet.run(now + SECOND, &Arc::from("a"), Some(now + SECOND * 60)).unwrap();
    fleet.forked(now, zygotes[0], realm, 200);
    fleet.free(now, realm, None);
    fleet.take_orders();
    fleet.not_forked(now, "EMFILE");
    assert_eq!(closed(&mut fleet), [realm]);
    fleet.closed(now, realm);
    fleet.buried(realm, Some("exit status: 0"));
    fleet.not_forked(now + SECOND * 20, "EMFILE");
    assert_eq!(closed(&mut fleet), [zygotes[1]], "the one that was not used for longest");
}

#[test]
fn a_zygote_that_the_system_refuses_is_neither_to_blame_nor_asked_for_at_once_again() {
    let (mut fleet, now, _) = fleet_of(&["a"], |_| {});
    for version in 2..6 {
        fleet.publish(now + SECOND, published_of(version, &["a"]));
        let forks = |orders: &[Order]| -> Vec<ProcessId> {
            let child = |order: &Order| if let Order::Fork { child, .. } = order { Some(*child) } else { None };
            orders.iter().filter_map(child).collect()
        };
        for child in forks(&fleet.take_orders()) {
            fleet.not_forked(now + SECOND, "EMFILE");
            fleet.never_made(now + SECOND, child);
        }
        assert_eq!(forks(&fleet.take_orders()), NOBODY, "there would be no end to it");
    }
    let notes = fleet.take_notes();
    assert!(!notes.iter().any(|note| matches!(note, Note::NotWarm { .. })), "{notes:?}");
    fleet.tick(now + SECOND * 2);
    let orders = fleet.take_orders();
    assert!(orders.iter().any(|order| matches!(order, Order::Load { warm: true, .. })), "{orders:?}");
}
