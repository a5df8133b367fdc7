//! What comes from outside: events, programs, hooks, candidates, kills, clocks that jump, servers that stop and fall.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::oneshot;

use super::super::action::Control;
use super::super::work::HookRun;
use super::plan::{Plan, Step, Temper};
use super::store::{Op, caller};
use super::world::{BOTS, Happening, World};
use crate::fleet::ProcessId;
use crate::model::{BotId, ConversationKey, EventDraft, UserId};
use crate::program::{BotProgram, CompileRequest, HookKind, Images, Program, Role, Script, Shape};

fn key(bot: &str, user: u32) -> ConversationKey {
    ConversationKey {
        bot: BotId::parse(bot).unwrap(),
        channel: "api".into(),
        target: UserId::parse(&format!("u{user}")).unwrap(),
    }
}

impl World {
    pub(super) fn outside(&mut self) {
        if self.calm {
            return;
        }
        let pause = self.lag() * 4;
        self.later(pause, Happening::Outside);
        match self.rng.random_range(0..100) {
            0..70 => {
                for _ in 0..self.rng.random_range(1..4) {
                    self.post();
                }
            }
            70..75 => self.ask_for_hooks(),
            75..78 => self.ask_for_compiling(),
            78..84 if self.chance(self.weather.faults * 5.0) => {
                let at = self.rng.random_range(0..self.processes.len().max(1));
                if let Some(process) = self.processes.keys().copied().nth(at) {
                    if self.chance(0.3) { self.stop_process(process) } else { self.die_by_others(process) }
                }
            }
            84..90 if self.chance(self.weather.upheavals) => self.publish(),
            90..92 if self.chance(self.weather.upheavals / 2.0) => {
                self.wall = self.wall + self.rng.random_range(0..120_000) - 60_000;
            }
            92 if self.chance(self.weather.upheavals / 2.0) => self.stop(),
            94..100 if self.chance(self.weather.refusals * 10.0) => self.fill_disk(),
            93 if self.chance(self.weather.upheavals / 2.0) => self.restart(),
            _ => {}
        }
    }

    /// The disk is full for a while.
    fn fill_disk(&mut self) {
        self.note(|| "the disk is full".into());
        self.store.full = true;
        let pause = Duration::from_millis(self.rng.random_range(100..30_000));
        self.later(pause, Happening::Room);
    }

    fn die_by_others(&mut self, process: ProcessId) {
        let event = self.processes.get(&process).and_then(|process| process.work.as_ref()?.event);
        if let Some(truth) = event.and_then(|event| self.truths.get_mut(&event)) {
            truth.since = self.time;
        }
        self.die(process, "signal: 9");
    }

    /// Somebody stops a process: it does nothing until it is killed.
    pub(super) fn stop_process(&mut self, id: ProcessId) {
        let time = self.time;
        let Some(process) = self.processes.get_mut(&id).filter(|process| process.lives() && !process.stuck) else {
            return;
        };
        (process.stuck, process.stopped) = (true, true);
        if let Some(since) = process.computing.take() {
            process.used += time - since;
        }
        let event = process.work.as_ref().and_then(|work| work.event);
        self.note(|| format!("somebody stops process {id}"));
        if let Some(truth) = event.and_then(|event| self.truths.get_mut(&event)) {
            truth.since = time;
        }
    }

    /// The server looks whether a process is stopped.
    pub(super) fn look_if_stopped(&mut self, id: ProcessId) {
        let now = self.now();
        let stopped = self.processes.get(&id).is_some_and(|process| process.known && process.stopped);
        self.machine.fleet.looked(now.at, id, stopped);
    }

    /// Somebody writes to a bot.
    fn post(&mut self) {
        let floods = self.flood && self.rng.random_bool(0.9);
        let bot = if floods { BOTS[2] } else { BOTS[self.rng.random_range(0..BOTS.len())] };
        let users = if floods { 40 } else { 4 };
        let key = key(bot, self.rng.random_range(0..users));
        let plan = self.new_plan(&key, 2);
        let draft = EventDraft {
            key,
            thread: None,
            kind: "text".into(),
            payload: serde_json::value::RawValue::from_string(format!("{{\"plan\":{plan}}}")).unwrap(),
            preview: None,
            nlu: None,
            credentials: None,
            suggestions: None,
            depth: 0,
        };
        let timeout = self.rng.random_bool(0.05);
        let bytes = draft.bytes();
        if !timeout && self.tally.enter(&draft.key, bytes).is_err() {
            return;
        }
        let collector = (!timeout && self.rng.random_bool(0.3)).then(caller);
        self.give(Op::Accept { draft, bytes, collector, timeout });
    }

    /// A script, and those of the events that it sends, so many generations deep.
    fn new_plan(&mut self, own: &ConversationKey, depth: u32) -> usize {
        let calm = own.bot.as_str() == BOTS[0];
        let temper = Temper { trouble: if calm { 0.0 } else { self.weather.temper.trouble }, ..self.weather.temper };
        let mut rng: StdRng = rand::SeedableRng::seed_from_u64(self.rng.random());
        let mut sends = |rng: &mut StdRng| {
            if depth == 0 {
                return None;
            }
            let to = if rng.random_bool(0.7) {
                own.clone()
            } else {
                key(BOTS[rng.random_range(0..BOTS.len())], rng.random_range(0..4))
            };
            let plan = self.new_plan(&to, depth - 1);
            Some(Step::Send(to, plan))
        };
        let plan = Plan::random(&mut rng, temper, &mut sends);
        self.plans.push(Arc::new(plan));
        self.plans.len() - 1
    }

    /// Another program: some of the bots have changed, come or gone.
    pub(super) fn publish(&mut self) {
        self.version += 1;
        let all = self.calm || self.version == 1;
        let rng = &mut self.rng;
        self.bots = BOTS.into_iter().filter(|bot| all || *bot == BOTS[0] || rng.random_bool(0.8)).collect();
        let mut program = Program { version: self.version, ..Program::default() };
        // Packages that all bots share, sometimes.
        if self.rng.random_bool(0.3) {
            program.scripts.push(Arc::new(Script {
                path: "node_modules/p/index.js".into(),
                source: format!("{}", self.rng.random_range(0..3)).as_str().into(),
                role: Role::Module,
                shape: Shape::default(),
            }));
        }
        for bot in &self.bots {
            let default_language = format!("{}", self.rng.random_range(0..3));
            program.bots.insert((*bot).to_owned(), BotProgram { default_language, ..BotProgram::default() });
        }
        let sources = self.bots.iter().map(|bot| {
            let post = (HookKind::AfterBotMount, Some(BotId::parse(bot).unwrap()));
            (post, self.rng.random_range(0..3))
        });
        let sources = sources.collect();
        let images = Arc::new(Images::of(&Arc::new(program)));
        self.note(|| format!("a program is published, with {} bots", images.keys().len() - 1));
        let now = self.now();
        self.machine.control(now, Control::Publish { images, sources });
    }

    /// Start and mount hooks.
    pub(super) fn mount_hooks(&mut self) {
        let now = self.now();
        let posts = self.bots.iter().map(|bot| (HookKind::AfterBotMount, Some(BotId::parse(bot).unwrap())));
        let posts: Vec<_> = [(HookKind::AfterServerStart, None)].into_iter().chain(posts).collect();
        for post in posts {
            if self.rng.random_bool(0.3) {
                let (answer, receiver) = oneshot::channel();
                self.hooks.push(receiver);
                let run = HookRun { answer: Some(answer), ..HookRun::of(&post, serde_json::Map::new()) };
                self.machine.control(now, Control::RunHooks(run));
            }
        }
    }

    fn ask_for_hooks(&mut self) {
        let now = self.now();
        let bot = BotId::parse(BOTS[self.rng.random_range(0..BOTS.len())]).unwrap();
        if self.serves(&bot) {
            let (answer, receiver) = oneshot::channel();
            self.hooks.push(receiver);
            let post = (HookKind::AfterBotUnmount, Some(bot));
            let run = HookRun { answer: Some(answer), ..HookRun::of(&post, serde_json::Map::new()) };
            self.machine.control(now, Control::RunHooks(run));
        }
    }

    fn ask_for_compiling(&mut self) {
        let (answer, receiver) = oneshot::channel();
        self.compiles.push(receiver);
        let script = |index: u32| {
            Arc::new(Script {
                path: format!("{index}.js").into(),
                source: "".into(),
                role: Role::Module,
                shape: Shape::default(),
            })
        };
        let program = Arc::new(Program { scripts: (0..3).map(script).collect(), ..Program::default() });
        let now = self.now();
        self.machine
            .control(now, Control::Compile { request: CompileRequest { program, only: vec![0, 1, 2] }, answer });
    }

    /// Nothing new comes and nothing fails any more; all bots are there.
    pub(super) fn calm_down(&mut self) {
        self.note(|| "from here on it is calm".into());
        self.calm = true;
        self.publish();
        self.later(Duration::ZERO, Happening::Outside);
    }
}
