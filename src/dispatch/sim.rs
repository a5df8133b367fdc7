//! A simulator of the dispatcher: the real state machine, and a world made up at random by a seed: processes that die at any
//! point, scripts that do all that scripts do, a store that is slow and refuses, programs that are published, servers that
//! stop and fall. Time is made up as well, so that a seed always leads to the same.
//!
//! `SIM_SEED=7 cargo test --lib dispatch::sim::one` runs one seed again and prints its last steps; `cargo test --release --lib
//! -- --ignored dispatch::sim` runs for long (`SIM_STEPS`).

mod checks;
mod commits;
mod fleet;
mod outside;
mod plan;
mod realm;
mod store;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::fleet::broken::{Rule, break_rule};
use world::World;

/// Seeds of an ordinary run, and how long each is wild.
const SEEDS: u64 = 2_000;
const STEPS: u64 = 250;
/// How many steps, and how much time, it may take until all that was accepted is over.
const MOST_STEPS: u64 = 60_000;
const MOST_TIME: Duration = Duration::from_secs(600);
/// As long nothing happens until all that is idle is gone.
const IDLE: Duration = Duration::from_secs(340);

/// Runs a seed. An error is what must not be.
fn run(steps: u64, world: &mut World) -> Result<(), String> {
    let wrong = |world: &World| world.wrong.clone().map_or(Ok(()), Err);
    for _ in 0..steps {
        world.step();
        wrong(world)?;
    }
    world.calm_down();
    let (from, began) = (world.steps, world.time);
    while !world.is_quiet() {
        world.step();
        wrong(world)?;
        if world.steps > from + MOST_STEPS || world.time > began + MOST_TIME {
            let open = world.truths.iter().filter(|(_, truth)| truth.outcome.is_none());
            let open: Vec<String> = open.take(3).map(|(id, truth)| format!("{id}: {truth:?}")).collect();
            let open = open.join(", ").chars().take(600).collect::<String>();
            return Err(format!("it never comes to an end: {open}, {:?}", world.limits));
        }
    }
    let quiet = world.time;
    while world.time < quiet + IDLE {
        world.step();
        wrong(world)?;
    }
    world.check_end();
    wrong(world)
}

/// The same; a panic is an error as well.
fn attempt(seed: u64, steps: u64, traced: bool) -> Result<u64, (String, String)> {
    let mut world = World::new(seed, traced);
    let ran = catch_unwind(AssertUnwindSafe(|| run(steps, &mut world)));
    let log = || world.log.iter().flatten().cloned().collect::<Vec<_>>().join("\n");
    match ran {
        Ok(Ok(())) => Ok(world.steps),
        Ok(Err(why)) => Err((why, log())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            Err((text.unwrap_or_else(|| "it panicked".into()), log()))
        }
    }
}

/// Runs seeds until one fails, on some threads. Gives how many steps there were, or the first seed that fails and why.
fn seeds(first: u64, count: u64, steps: u64, rule: Option<Rule>) -> Result<u64, (u64, String)> {
    let (next, total) = (AtomicU64::new(first), AtomicU64::new(0));
    let failed = parking_lot::Mutex::new(None::<(u64, String)>);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                break_rule(rule);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failed.lock().is_some() {
                        return;
                    }
                    match attempt(seed, steps, false) {
                        Ok(steps) => drop(total.fetch_add(steps, Ordering::Relaxed)),
                        Err((why, _)) => {
                            failed.lock().get_or_insert((seed, why));
                        }
                    }
                }
            });
        }
    });
    failed.into_inner().map_or(Ok(total.into_inner()), Err)
}

/// Fails with how to see a seed's steps, and its last ones.
fn fail(seed: u64, steps: u64) -> ! {
    let (why, log) = attempt(seed, steps, true).unwrap_err();
    panic!(
        "seed {seed}: {why}\nSIM_SEED={seed} SIM_STEPS={steps} runs it again. The last steps:\n{log}\nseed {seed}: {why}"
    );
}

#[test]
#[allow(clippy::print_stderr, reason = "which seed finds what is worth knowing, and nothing else tells it")]
fn every_rule_that_is_broken_on_purpose_is_found() {
    let mut missed = Vec::new();
    for rule in Rule::ALL {
        match seeds(0, SEEDS, STEPS, Some(rule)) {
            Err((seed, why)) => {
                eprintln!("{rule:?} is found by seed {seed}: {}", why.chars().take(100).collect::<String>())
            }
            Ok(_) => missed.push(rule),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// A million steps or more, of other seeds than the ordinary run's.
#[test]
#[ignore = "it takes minutes: `cargo test --release --lib -- --ignored dispatch::sim`"]
fn it_holds_for_long() {
    let most = variable("SIM_STEPS").unwrap_or(1_000_000);
    let (mut seed, mut steps) = (variable("SIM_SEED").unwrap_or(1_000_000), 0);
    while steps < most {
        match seeds(seed, 200, 2_000, None) {
            Ok(more) => (seed, steps) = (seed + 200, steps + more),
            Err((seed, _)) => fail(seed, 2_000),
        }
    }
}

/// Why seeds fail, for who mends something.
#[test]
#[ignore = "it is to look at what fails"]
fn survey() {
    let Some(count) = variable("SIM_SEEDS") else { return };
    let mut all: Vec<String> = Vec::new();
    for seed in 0..count {
        if let Err((why, _)) = attempt(seed, STEPS, false) {
            all.push(format!("{seed}: {}", why.chars().take(300).collect::<String>()));
        }
    }
    assert!(all.is_empty(), "{} of {count} fail:\n{}", all.len(), all[..all.len().min(60)].join("\n"));
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_events_run_once_and_in_order_and_nothing_is_lost() {
    if let Err((seed, _)) = seeds(0, SEEDS, STEPS, None) {
        fail(seed, STEPS);
    }
}

#[test]
fn the_next_tick_comes_no_later_however_much_happens_until_then() {
    let world = World::new(0, false);
    let now = world.now().at;
    assert_eq!(world.machine.next_tick(now + Duration::from_millis(4)), world.machine.next_tick(now));
}

#[test]
fn one_seed_runs_again_when_it_is_named() {
    if let Some(seed) = variable("SIM_SEED") {
        let steps = variable("SIM_STEPS").unwrap_or(STEPS);
        if attempt(seed, steps, false).is_err() {
            fail(seed, steps);
        }
    }
}
