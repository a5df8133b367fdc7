//! Whose doing the end of a realm was.

use super::*;

/// What is said of events whose realms are gone.
fn causes(fleet: &mut Fleet) -> Vec<Cause> {
    let cause = |note| match note {
        Note::Died(Death { cause, .. }) => Some(cause),
        _ => None,
    };
    fleet.take_notes().into_iter().filter_map(cause).collect()
}

/// What is said of the event of a realm that ended so.
fn cause(how: Option<&str>, grew: u64) -> Cause {
    let (mut fleet, now) = fleet(|_| {});
    let realm = made(&mut fleet, now);
    fleet.closed(now, realm);
    fleet.had_grown(realm, grew);
    fleet.buried(realm, how);
    causes(&mut fleet).remove(0)
}

#[test]
fn a_realm_dies_by_its_own_doing_or_by_somebody_elses() {
    let limit = FleetLimits::of(&Settings::default()).resident;
    for own in [libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV, libc::SIGSYS] {
        let how = format!("signal: {own}");
        let what = format!("its realm died ({how})");
        for grew in [0, limit + 1] {
            assert_eq!(cause(Some(&how), grew), Cause::Crashed { what: what.clone(), script: None });
        }
    }
    for code in [0, 1, 101] {
        assert!(matches!(cause(Some(&format!("exit status: {code}")), 0), Cause::Crashed { .. }));
    }
    let others =
        [libc::SIGKILL, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGXCPU];
    for other in others {
        let what = format!("its realm was killed by somebody else (signal: {other})");
        assert_eq!(cause(Some(&format!("signal: {other}")), limit), Cause::Killed { what, script: None });
    }
    for nobody_knows in [None, Some("it is gone")] {
        assert!(matches!(cause(nobody_knows, 0), Cause::Killed { .. }), "{nobody_knows:?}");
    }
}

#[test]
fn a_realm_that_had_grown_by_more_than_it_may_is_over_where_somebody_else_was_faster_to_kill_it() {
    let limit = FleetLimits::of(&Settings::default()).resident;
    let Cause::Overran { what, .. } = cause(Some("signal: 9"), limit + 1) else { panic!("it is not over") };
    assert!(what.contains("512 MB are allowed (scripts.realmResident)"), "{what}");
    assert!(matches!(cause(Some("signal: 9"), limit), Cause::Killed { .. }), "as much as it may");
}

#[test]
fn a_zygote_that_takes_a_while_to_say_how_a_realm_ended_is_waited_for() {
    let (mut fleet, now) = fleet(|_| {});
    let realm = made(&mut fleet, now);
    fleet.closed(now, realm);
    fleet.tick(now + SECOND * 19);
    assert_eq!(causes(&mut fleet), []);
    fleet.tick(now + SECOND * 21);
    assert!(matches!(&causes(&mut fleet)[..], [Cause::Killed { .. }]));
    assert!(fleet.take_orders().contains(&Order::Kill { process: ZYGOTE }), "it hangs");
}

#[test]
fn a_realm_that_somebody_has_stopped_is_killed_and_its_event_is_not_to_blame() {
    let (mut fleet, now) = fleet(|_| {});
    let realm = made(&mut fleet, now);
    // Whoever goes on before long may.
    for (second, stopped) in [(1, true), (2, false), (3, true), (4, true)] {
        fleet.looked(now + SECOND * second, realm, stopped);
    }
    assert_eq!(fleet.take_orders(), []);
    fleet.looked(now + SECOND * 5, realm, true);
    assert_eq!(fleet.take_orders(), [Order::Kill { process: realm }]);
    fleet.closed(now + SECOND * 5, realm);
    fleet.buried(realm, Some("signal: 9"));
    assert!(matches!(&causes(&mut fleet)[..], [Cause::Killed { .. }]));
}

#[test]
fn a_zygote_that_somebody_has_stopped_is_killed_whoever_it_is() {
    for zygote in [ROOT, GLOBAL, ZYGOTE] {
        let (mut fleet, now) = fleet(|_| {});
        fleet.tick(now + SECOND);
        assert!(fleet.take_orders().contains(&Order::LookAtMemory { process: zygote }));
        // Also one that was told to end.
        fleet.end_zygote(zygote);
        fleet.tick(now + SECOND * 2);
        assert!(fleet.take_orders().contains(&Order::LookAtMemory { process: zygote }));
        fleet.looked(now + SECOND * 2, zygote, true);
        fleet.looked(now + SECOND * 4, zygote, true);
        assert_eq!(fleet.take_orders(), [Order::Kill { process: zygote }]);
    }
}

#[test]
fn an_event_that_lives_too_long_is_over_unless_its_realm_was_stopped() {
    for stopped in [false, true] {
        let (mut fleet, now) = fleet(|_| {});
        let realm = made(&mut fleet, now);
        fleet.waiting(now, realm);
        let late = now + SECOND * 63;
        fleet.tick(late);
        assert!(fleet.take_orders().contains(&Order::LookIfStopped { process: realm }));
        fleet.looked(late, realm, stopped);
        fleet.closed(late, realm);
        fleet.buried(realm, Some("signal: 9"));
        let causes = causes(&mut fleet);
        assert_eq!(matches!(&causes[..], [Cause::Killed { .. }]), stopped, "{causes:?}");
    }
}
