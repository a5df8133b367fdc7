//! What a script of the simulator does, made up at random.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::model::ConversationKey;
use crate::protocol::Unfit;

/// One thing that a script does.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// It says something in its own conversation.
    Reply,
    /// It sends an event there, whose script is that one.
    Send(ConversationKey, usize),
    Compute(Duration),
    /// It waits for a timer, and says so.
    Sleep(Duration),
    /// It asks the server and waits for the answer.
    Ask,
    /// It calls another server and waits; or gives it up.
    Fetch {
        abandons: bool,
    },
    Acting(bool),
    Log,
}

/// What goes wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Its realm dies by itself.
    Crash,
    /// Somebody else kills its realm.
    Killed,
    /// It computes for ever.
    Hang,
    /// It waits for ever.
    Dawdle,
    /// It says what nobody may.
    Breach(u32),
    /// It runs into a limit, and is to go on in another realm.
    Limit,
    /// Its realm closes its socket, and lives on.
    Close,
    /// It holds too much memory; perhaps somebody else kills its realm for it before the server does.
    Fat(bool),
}

/// A script.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// What it does after it is processed.
    pub(super) floating: Vec<Step>,
    /// Where something goes wrong, what, and in how many runs.
    pub(super) trouble: Option<(usize, Trouble, u32)>,
    /// Why its realm may not go on.
    pub(super) unfit: Option<Unfit>,
    /// The realm that may not go on, or is told to end, does not.
    pub(super) lingers: bool,
    /// Its realm dies as soon as it is free.
    pub(super) dies_idle: bool,
}

/// How wild scripts are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Temper {
    pub(super) trouble: f64,
    pub(super) slow: u64,
}

impl Plan {
    /// A script that may send events to one of these.
    pub(super) fn random(rng: &mut StdRng, temper: Temper, sends: &mut dyn FnMut(&mut StdRng) -> Option<Step>) -> Self {
        let mut steps = Vec::new();
        for _ in 0..rng.random_range(0..5) {
            if let Some(step) = Self::step(rng, temper, sends) {
                steps.push(step);
            }
        }
        let mut plan = Self { steps, ..Self::default() };
        if rng.random_bool(0.2) {
            for _ in 0..rng.random_range(1..3) {
                plan.floating.extend(Self::step(rng, temper, &mut |_| None));
            }
        }
        if rng.random_bool(temper.trouble) {
            let at = rng.random_range(0..=plan.steps.len() + plan.floating.len());
            let what = match rng.random_range(0..12) {
                0 | 1 => Trouble::Crash,
                2 => Trouble::Killed,
                3 => Trouble::Hang,
                4 => Trouble::Dawdle,
                5 | 6 => Trouble::Breach(rng.random_range(0..9)),
                7..10 => Trouble::Limit,
                10 => Trouble::Close,
                _ => Trouble::Fat(rng.random_bool(0.5)),
            };
            // Whoever kills from outside may do it over and over.
            let runs = if what == Trouble::Killed { rng.random_range(1..12) } else { rng.random_range(1..4) };
            plan.trouble = Some((at, what, runs));
        }
        if rng.random_bool(0.1) {
            plan.unfit = Unfit::from_number(rng.random_range(1..=6));
            plan.lingers = rng.random_bool(temper.trouble / 2.0);
        }
        plan.dies_idle = rng.random_bool(temper.trouble / 20.0);
        plan
    }

    fn step(rng: &mut StdRng, temper: Temper, sends: &mut dyn FnMut(&mut StdRng) -> Option<Step>) -> Option<Step> {
        let slow = |rng: &mut StdRng| Duration::from_micros(rng.random_range(10..temper.slow * 1_000));
        Some(match rng.random_range(0..14) {
            0..5 => Step::Reply,
            5 | 6 => return sends(rng),
            7 | 8 => Step::Compute(slow(rng)),
            9 => Step::Sleep(slow(rng) * 10),
            10 => Step::Ask,
            11 => Step::Fetch { abandons: rng.random_bool(0.2) },
            12 => Step::Acting(rng.random_bool(0.5)),
            _ => Step::Log,
        })
    }

    /// The numbers of its effects, in order, as far as they are made before it is processed.
    pub(super) fn effects(&self) -> impl Iterator<Item = (u32, &Step)> {
        (0..).zip(self.steps.iter().filter(|step| matches!(step, Step::Reply | Step::Send(..))))
    }
}
