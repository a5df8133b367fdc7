//! Faults that the simulator of `dispatch` has found in the fleet, each in its smallest form.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::orders::{Cause, Death, FleetLimits, Note, Order, ProcessId, Published};
use super::state::Fleet;
use crate::config::Settings;
use crate::program::{BotProgram, Images, LayerKey, Program};
use crate::protocol::{Glimpse, Unfit};

mod deaths;
mod memory;
mod surplus;

/// The processes that there are from the first on.
const ROOT: ProcessId = 1;
const GLOBAL: ProcessId = 2;
const ZYGOTE: ProcessId = 3;
const SECOND: Duration = Duration::from_secs(1);

fn published(version: u64) -> Published {
    published_of(version, &["bot"])
}

/// A program with these bots.
fn published_of(version: u64, bots: &[&str]) -> Published {
    let bot = BotProgram { default_language: version.to_string(), ..BotProgram::default() };
    let programs = bots.iter().map(|id| ((*id).to_owned(), bot.clone())).collect();
    let images = Images::of(&Arc::new(Program { version, bots: programs, ..Program::default() }));
    let key = |bot| images.key(bot).unwrap();
    let keys = bots.iter().map(|id| (Arc::from(*id), key(id))).collect();
    Published { version, layer: None, global: key(""), bots: keys }
}

/// A fleet with one bot whose zygotes stand ready.
fn fleet(change: impl FnOnce(&mut FleetLimits)) -> (Fleet, Instant) {
    let mut limits = FleetLimits::of(&Settings::default());
    change(&mut limits);
    let (mut fleet, now) = (Fleet::new(limits), Instant::now());
    fleet.publish(now, published(1));
    fleet.forked(now, ROOT, GLOBAL, 102);
    fleet.forked(now, GLOBAL, ZYGOTE, 103);
    for zygote in [ROOT, GLOBAL, ZYGOTE] {
        fleet.loaded(now, zygote);
    }
    fleet.take_orders();
    (fleet, now)
}

/// A realm at work on an event.
fn busy(fleet: &mut Fleet, now: Instant) -> ProcessId {
    assert!(fleet.may_run(now, "bot", false));
    fleet.run(now, &Arc::from("bot"), Some(now + SECOND * 60)).unwrap()
}

/// Another one of the same bot.
fn busy_alone(fleet: &mut Fleet, now: Instant) -> ProcessId {
    assert!(fleet.may_run(now, "bot", true));
    fleet.run(now, &Arc::from("bot"), Some(now + SECOND * 60)).unwrap()
}

/// A realm at work on an event, which its zygote has made.
fn made(fleet: &mut Fleet, now: Instant) -> ProcessId {
    let realm = busy(fleet, now);
    fleet.forked(now, ZYGOTE, realm, 200);
    fleet.take_orders();
    realm
}

#[test]
fn a_realm_that_does_not_end_although_it_is_to_is_killed() {
    let (mut fleet, now) = fleet(|_| {});
    let realm = made(&mut fleet, now);
    fleet.free(now, realm, Some(Unfit::Worn));
    fleet.tick(now + SECOND);
    assert!(!fleet.take_orders().contains(&Order::Kill { process: realm }));
    fleet.tick(now + SECOND * 3);
    assert!(fleet.take_orders().contains(&Order::Kill { process: realm }));
}

#[test]
fn a_zygote_that_is_gone_is_buried_by_the_one_that_made_it() {
    let (mut fleet, now) = fleet(|_| {});
    fleet.closed(now, ZYGOTE);
    assert!(fleet.take_orders().contains(&Order::Bury { zygote: GLOBAL, child: ZYGOTE, pid: 103 }));
}

#[test]
fn a_realm_whose_end_is_known_before_its_beginning_is_buried_and_its_event_has_a_death() {
    let (mut fleet, now) = fleet(|_| {});
    let realm = busy(&mut fleet, now);
    fleet.closed(now, realm);
    assert_eq!(fleet.realms(), 1, "its zygote has not said yet whether it made it");
    fleet.take_orders();
    fleet.forked(now, ZYGOTE, realm, 200);
    assert_eq!(fleet.take_orders(), [Order::Bury { zygote: ZYGOTE, child: realm, pid: 200 }]);
    fleet.take_notes();
    fleet.buried(realm, Some("signal: 6"));
    let notes = fleet.take_notes();
    assert!(matches!(&notes[..], [Note::Died(Death { cause: Cause::Crashed { .. }, .. })]), "{notes:?}");
}

#[test]
fn a_copy_that_is_gone_when_its_zygote_speaks_of_it_is_buried_all_the_same() {
    let (mut fleet, now) = fleet(|_| {});
    let compiler = fleet.start_compiler(now, 1).unwrap();
    fleet.closed(now, compiler);
    fleet.take_orders();
    fleet.forked(now, ROOT, compiler, 300);
    assert_eq!(fleet.take_orders(), [Order::Bury { zygote: ROOT, child: compiler, pid: 300 }]);
}

#[test]
fn an_event_whose_realm_was_never_made_is_innocent() {
    let (mut fleet, now) = fleet(|_| {});
    let realm = busy(&mut fleet, now);
    fleet.never_made(now, realm);
    let died = Note::Died(Death { realm, cause: Cause::Innocent });
    assert!(fleet.take_notes().contains(&died));
    assert_eq!(fleet.realms(), 0);
}

#[test]
fn free_realms_of_a_bot_that_changes_while_it_has_no_zygote_end() {
    let (mut fleet, now) = fleet(|_| {});
    let realm = made(&mut fleet, now);
    fleet.free(now, realm, None);
    fleet.closed(now, ZYGOTE);
    fleet.take_orders();
    fleet.publish(now, published(2));
    assert!(fleet.take_orders().contains(&Order::Close { process: realm }));
    assert!(fleet.audit().is_ok());
}

#[test]
fn nobody_is_woken_for_a_moment_that_is_past() {
    let (mut fleet, now) = fleet(|limits| limits.realms_of_bot = 1);
    made(&mut fleet, now);
    assert!(!fleet.may_run(now, "bot", false));
    assert!(fleet.end_of_patience(now).is_some_and(|end| end > now));
    assert_eq!(fleet.end_of_patience(now + SECOND), None, "only a realm that becomes free changes anything");
}

#[test]
fn realms_that_live_on_keep_no_event_from_being_run() {
    let (mut fleet, now) = fleet(|limits| {
        (limits.realms, limits.realms_of_bot, limits.all_resident, limits.cores) = (1, 1, 1, 8);
    });
    let realm = made(&mut fleet, now);
    fleet.waiting(now, realm);
    assert!(!fleet.may_run(now, "bot", false));
    fleet.lives_on(realm);
    fleet.memory(now, realm, 1 << 20);
    assert!(fleet.may_run(now, "bot", false), "they are neither counted nor waited for");
}

#[test]
fn the_last_place_is_for_a_bot_that_has_none_and_waits() {
    let (mut fleet, now) = fleet(|limits| (limits.realms, limits.cores, limits.running) = (2, 8, 8));
    let realms = [made(&mut fleet, now), busy_alone(&mut fleet, now)];
    assert!(!fleet.may_run(now, "", false), "there is no place at all");
    fleet.closed(now, realms[0]);
    fleet.buried(realms[0], Some("exit status: 0"));
    let later = now + SECOND;
    assert!(!fleet.may_run(later, "bot", true) && fleet.may_run(later, "", false));
}

#[test]
fn a_realm_that_computed_before_it_waited_is_not_taken_for_awake() {
    let (mut fleet, now) = fleet(|_| {});
    let realm = made(&mut fleet, now);
    fleet.waiting(now, realm);
    let glimpse = Glimpse::default();
    fleet.clock(now + SECOND, realm, Duration::from_millis(100), glimpse);
    assert_eq!(fleet.running(), 0, "that was before it waited");
    fleet.clock(now + SECOND * 2, realm, Duration::from_millis(200), glimpse);
    assert_eq!(fleet.running(), 1, "a timer has woken it");
}

#[test]
fn packages_that_hang_while_they_load_are_left_to_the_realms_and_other_bots_go_on() {
    let with_packages = |version| Published { layer: Some(LayerKey::from_bytes([7; 16])), ..published(version) };
    let (mut fleet, now) = (Fleet::new(FleetLimits::of(&Settings::default())), Instant::now());
    fleet.publish(now, with_packages(1));
    let packages = |orders: &[Order]| {
        orders.iter().find_map(|order| match order {
            Order::LoadPackages { zygote } => Some(*zygote),
            _ => None,
        })
    };
    let zygote = packages(&fleet.take_orders()).unwrap();
    fleet.loaded(now, ROOT);
    fleet.forked(now, ROOT, zygote, 102);
    let late = now + SECOND * 100;
    fleet.tick(late);
    assert!(fleet.take_orders().contains(&Order::Kill { process: zygote }));
    fleet.closed(late, zygote);
    assert!(fleet.take_notes().iter().any(|note| matches!(note, Note::NotWarm { .. })), "it is said");
    assert!(fleet.ensure_zygote(late, &Arc::from("bot")).is_some());
    let orders = fleet.take_orders();
    assert_eq!(packages(&orders), None, "they are not loaded once more");
    assert!(!orders.iter().any(|order| matches!(order, Order::Load { warm: true, .. })), "{orders:?}");
}

#[test]
fn a_zygote_that_makes_no_copies_any_more_is_killed_and_what_waits_for_it_is_not_ended() {
    let (mut fleet, now) = fleet(|_| ());
    busy(&mut fleet, now);
    fleet.take_orders();
    fleet.tick(now + SECOND * 62);
    let orders = fleet.take_orders();
    assert!(orders.contains(&Order::Kill { process: ZYGOTE }), "{orders:?}");
    assert!(!fleet.take_notes().iter().any(|note| matches!(note, Note::Died(_))));
}

#[test]
fn of_one_bot_few_compute_who_have_not_for_long_and_some_who_have() {
    let (mut fleet, now) = fleet(|limits| (limits.computing_of_bot, limits.running, limits.cores) = (8, 100, 100));
    let late = now + SECOND;
    let two = |fleet: &mut Fleet, pid: u32| {
        let realms = [0, 1].map(|more: u32| {
            let realm = busy_alone(fleet, now);
            fleet.forked(now, ZYGOTE, realm, pid + more);
            realm
        });
        assert!(!fleet.may_run(late, "bot", true), "a quarter of eight");
        realms
    };
    let give_way = |fleet: &mut Fleet, realm: ProcessId| {
        for (now, used) in [(now, 0), (late, 150)] {
            fleet.clock(now, realm, Duration::from_millis(used), Glimpse::default());
        }
        assert!(fleet.take_orders().contains(&Order::GiveWay { process: realm }));
        assert_eq!(fleet.audit(), Ok(()));
    };
    let mut pid = 200;
    let mut last = None;
    for _ in 0..4 {
        pid += 2;
        let realms = two(&mut fleet, pid);
        realms.iter().for_each(|realm| give_way(&mut fleet, *realm));
        last = Some(realms[0]);
    }
    assert!(!fleet.may_run(late, "bot", true), "eight compute");
    fleet.waiting(late, last.unwrap());
    assert_eq!(fleet.audit(), Ok(()));
    assert!(fleet.may_run(late, "bot", true), "one of them waits");
    fleet.woken(late, last.unwrap());
    assert_eq!(fleet.audit(), Ok(()));
}

#[test]
fn while_memory_is_short_a_bot_without_a_realm_gets_one() {
    let (mut fleet, now) = fleet(|limits| limits.all_resident = 10);
    let realm = made(&mut fleet, now);
    fleet.memory(now, realm, 100);
    assert!(!fleet.may_run(now, "bot", true), "it has one");
    assert!(!fleet.is_full(), "others are asked");
    assert!(fleet.may_run(now, "", true), "who has none gets one");
}

#[test]
fn no_event_begins_for_a_bot_that_is_gone() {
    let (mut fleet, now) = fleet(|_| ());
    made(&mut fleet, now);
    fleet.publish(now, Published { bots: [].into(), ..published(2) });
    assert!(!fleet.may_run(now, "bot", true), "its lane is there, since an event runs");
}

#[test]
fn an_event_goes_ahead_to_a_realm_whose_events_are_short_and_to_no_other() {
    let (mut fleet, now) = fleet(|_| {});
    let realm = made(&mut fleet, now);
    assert_eq!(fleet.ahead(now, "bot", true), None, "what it has is no event");
    fleet.opens(realm);
    assert_eq!(fleet.ahead(now, "bot", true), Some(realm));
    assert_eq!(fleet.ahead(now, "", true), None, "it is another bot's");
    fleet.set_ahead(realm, 8);
    assert_eq!(fleet.ahead(now, "bot", false), None, "it has enough");
    fleet.set_ahead(realm, 1);
    fleet.waiting(now, realm);
    assert!(fleet.take_notes().contains(&Note::TakeBack { realm }));
    fleet.woken(now, realm);
    assert_eq!(fleet.ahead(now + SECOND / 2, "bot", false), None, "others most likely wait as well");
    assert_eq!(fleet.ahead(now + SECOND, "bot", false), Some(realm));
    fleet.set_ahead(realm, 1);
    let program = Published { bots: [("bot".into(), published(3).bots["bot"])].into(), ..published(2) };
    fleet.publish(now + SECOND, program);
    fleet.forked(now + SECOND, GLOBAL, ZYGOTE + 2, 105);
    fleet.loaded(now + SECOND, ZYGOTE + 2);
    assert_eq!(fleet.ahead(now + SECOND, "bot", false), None, "it has an older program");
    assert!(fleet.take_notes().contains(&Note::TakeBack { realm }), "what it has not begun with runs on the newer one");
}

#[test]
fn what_an_event_takes_is_what_most_take_at_least_however_busy_the_machine_is() {
    let (mut fleet, mut now) = fleet(|_| {});
    let realm = made(&mut fleet, now);
    fleet.opens(realm);
    let mut go_on = |fleet: &mut super::state::Fleet, micros| {
        now += Duration::from_micros(micros);
        fleet.took(now, realm);
        assert!(fleet.goes_on(now, realm, None));
        fleet.set_ahead(realm, 3);
        fleet.ahead(now, "bot", true)
    };
    for micros in [100, 4_000, 4_000, 100, 4_000] {
        assert_eq!(go_on(&mut fleet, micros), Some(realm));
    }
    let last = (0..200).map(|_| go_on(&mut fleet, 4_000)).last().unwrap();
    assert_eq!(last, None, "none of them is short any more: another realm is better");
}
