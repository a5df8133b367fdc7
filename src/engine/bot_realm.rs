//! A realm with `bp` in it and, once it is loaded, one bot's hooks, actions and content types.

mod functions;
mod replies;
pub mod warm;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rquickjs::function::Args;
use rquickjs::object::Filter;
use rquickjs::{Array, Exception, Function, Object, Value};

use super::host::Host;
use super::loaded::{LoadedProgram, compile_script};
use crate::program::{HookKind, Role};
use crate::script::Random;
use crate::script::realm::Realm;
use functions::{engine_functions, script_functions};

macro_rules! functions_of {
    ($file:literal, $type:ident, $($field:ident = $name:literal),+ $(,)?) => {
        #[doc = concat!("The functions of `", $file, "`.")]
        #[derive(Debug)]
        #[allow(missing_docs, reason = "each is documented in its file under its name")]
        pub struct $type<'js> { $(pub $field: Function<'js>),+ }
        impl<'js> $type<'js> {
            fn new(object: &Object<'js>) -> rquickjs::Result<Self> {
                Ok(Self { $($field: object.get($name)?),+ })
            }
        }
    };
}
functions_of! {
    "js/core.js", Core,
    begin = "begin", begin_bare = "beginBare", run_hook = "runHook", answered = "answered", fetched = "fetched", fire = "fire",
    describe = "describe", pass = "pass", loaded = "loaded", is_paused = "isPaused", skips_dialog = "skipsDialog", rank = "rank", elect = "elect",
    decision_reason = "decisionReason", forces_persist = "forcesPersist", state_change = "stateChange",
    wants_event = "wantsEvent", event_view = "eventView", snapshot = "snapshot", invoke_view = "invokeView",
    scrub = "scrub", warm = "warm", serve = "serve", processed = "processed",
}
functions_of! {
    "js/dialog.js", DialogPart,
    place = "place", set_place = "setPlace", test = "test", tested = "tested", run = "run", say = "say",
    speak = "speak", apologise = "apologise", error_target = "errorTarget", clear = "clear",
}

/// A realm that can run a bot's events.
#[derive(Debug)]
pub struct BotRealm<'js> {
    /// The realm.
    pub realm: Realm<'js>,
    /// What its JavaScript can ask for.
    pub host: Rc<Host>,
    /// `js/core.js`.
    pub core: Core<'js>,
    /// `js/dialog.js`.
    pub dialog: DialogPart<'js>,
    base: Object<'js>,
    random: Rc<Random>,
    files: RefCell<HashMap<u32, Object<'js>>>,
    outgoing: RefCell<Option<Array<'js>>>,
    /// How many properties the global object has when nobody has added one.
    globals: Cell<usize>,
    /// Scripts may have added to them: not all are known to leave them alone.
    may_add: Cell<bool>,
    /// Bytes that it held when this process was forked.
    inherited: Cell<u64>,
}

const CORE: &str = include_str!("js/core.js");
const ENV: &str = include_str!("js/env.js");
const CMS: &str = include_str!("js/cms.js");
const DIALOG: &str = include_str!("js/dialog.js");
const DECISION: &str = include_str!("js/decision.js");
const ELEMENTS: &str = include_str!("js/elements.js");
const EVENT: &str = include_str!("js/event.js");
const OUTGOING: &str = include_str!("js/outgoing.js");
const PAYLOADS: &str = include_str!("js/payloads.js");
const REALTIME: &str = include_str!("js/realtime.js");
const REQUESTS: &str = include_str!("js/requests.js");

impl<'js> BotRealm<'js> {
    /// Makes a blank realm ready: everything of ours is loaded, everything built in is frozen.
    pub fn new(realm: Realm<'js>, host: Rc<Host>) -> rquickjs::Result<Self> {
        let ctx = realm.ctx.clone();
        let functions = Object::new(ctx.clone())?;
        let random = Rc::new(Random::new());
        script_functions(&realm, &functions, &host, &random)?;
        let base = realm.base(functions.clone())?;
        engine_functions(&realm, &functions, &host)?;
        let event: Object<'js> = realm.part("event", EVENT)?.call((functions.clone(),))?;
        let requests: Object<'js> = realm.part("requests", REQUESTS)?.call((functions.clone(), event.clone()))?;
        let env: Object<'js> = realm.part("env", ENV)?.call((functions.clone(), base.clone(), requests.clone()))?;
        let cms: Object<'js> = realm.part("cms", CMS)?.call((env.clone(),))?;
        let payloads: Object<'js> = realm.part("payloads", PAYLOADS)?.call((env.clone(), cms.clone()))?;
        let elements: Object<'js> = realm.part("elements", ELEMENTS)?.call((env.clone(), cms.clone()))?;
        let decision: Object<'js> = realm.part("decision", DECISION)?.call(())?;
        let at = Object::new(ctx.clone())?;
        let outgoing: Object<'js> = realm.part("outgoing", OUTGOING)?.call((
            functions.clone(),
            base.clone(),
            payloads,
            at.clone(),
            event.clone(),
            requests.clone(),
        ))?;
        let dialog: Object<'js> = realm.part("dialog", DIALOG)?.call((at.clone(), cms.clone(), outgoing.clone()))?;
        let realtime: Object<'js> =
            realm.part("realtime", REALTIME)?.call((base.clone(), event.clone(), requests.clone()))?;
        let mut parts = Args::new(ctx.clone(), 12);
        parts.push_args([
            functions,
            base.clone(),
            env,
            cms,
            elements,
            decision,
            at,
            event,
            requests,
            outgoing,
            dialog.clone(),
            realtime,
        ])?;
        let dialog = DialogPart::new(&dialog)?;
        let core: Object<'js> = parts.apply(&realm.part("core", CORE)?)?;
        base.get::<_, Function<'js>>("seal")?.call::<_, ()>(())?;
        let core = Core::new(&core)?;
        let globals = Cell::new(count_globals(&realm));
        let (files, outgoing) = (RefCell::default(), RefCell::default());
        let (may_add, inherited) = (Cell::new(true), Cell::new(0));
        Ok(Self { realm, host, core, dialog, base, random, files, outgoing, globals, may_add, inherited })
    }

    /// Removes what an event left in the realm; false where something cannot be removed.
    pub fn scrub(&self) -> bool {
        // `None` where something cannot be removed, else whether something of a flow may have added to the global object.
        let doubtful = self.core.scrub.call::<_, Option<bool>>(()).ok().flatten();
        doubtful.is_some_and(|doubtful| !(doubtful || self.may_add.get()) || self.remove_added())
    }

    fn remove_added(&self) -> bool {
        // What is built in cannot be removed or replaced, so that the number tells whether anything was added.
        count_globals(&self.realm) == self.globals.get()
            || self.base.get::<_, Function<'js>>("deleteAdded").and_then(|delete| delete.call(())).unwrap_or(false)
    }

    /// Makes it a bot's. A zygote of a bot is a copy of the one without a bot, which is a copy of the one with packages only:
    /// nothing that was kept for those may outlive this.
    pub fn load(&self, program: Arc<LoadedProgram>, bot: &str) {
        let mut scripts = program.program.scripts.iter().filter(|script| script.role != Role::Json);
        self.may_add.set(!scripts.clone().all(|script| script.shape.no_globals));
        let takes_bp = |role| matches!(role, Role::Hook(_) | Role::Action);
        let shared = scripts.all(|script| script.shape.reads_bp || !takes_bp(script.role));
        // What goes wrong here would go wrong with the first event, too, and be said.
        let _ = self.core.loaded.call::<_, ()>((shared,));
        // The process may be a copy of one that has loaded what there is without a bot.
        self.outgoing.replace(None);
        *self.host.program.borrow_mut() = Some(program);
        bot.clone_into(&mut self.host.bot.borrow_mut());
    }

    /// The index of the script at a path; `u32::MAX` where there is none.
    pub fn index_of(&self, path: &str) -> u32 {
        let program = self.host.program.borrow();
        program.as_ref().and_then(|loaded| loaded.modules.index_of(path)).unwrap_or(u32::MAX)
    }

    /// The indices of the hooks of a kind, in running order.
    pub fn hooks(&self, kind: HookKind) -> Vec<u32> {
        let program = self.host.program.borrow();
        let bot = program.as_ref().and_then(|loaded| loaded.bot(&self.host.bot.borrow()));
        bot.and_then(|bot| bot.hooks.get(&kind)).cloned().unwrap_or_default()
    }

    /// Whether there are hooks of a kind.
    pub fn has_hooks(&self, kind: HookKind) -> bool {
        let program = self.host.program.borrow();
        let bot = program.as_ref().and_then(|loaded| loaded.bot(&self.host.bot.borrow()));
        bot.is_some_and(|bot| bot.hooks.get(&kind).is_some_and(|hooks| !hooks.is_empty()))
    }

    /// A compiled file: `{ run, index, path, dirname, require }`. Compiled once.
    pub fn file(&self, index: u32) -> rquickjs::Result<Object<'js>> {
        if let Some(file) = self.files.borrow().get(&index) {
            return Ok(file.clone());
        }
        let ctx = &self.realm.ctx;
        let program = self.host.program.borrow().clone();
        let Some(script) = program.as_ref().and_then(|loaded| loaded.program.scripts.get(index as usize)) else {
            return Err(Exception::throw_message(ctx, "no such script"));
        };
        self.host.loaded.set(self.host.loaded.get() + 1);
        let file = Object::new(ctx.clone())?;
        let run = compile_script(ctx, script)?;
        file.set("run", self.base.get::<_, Function<'js>>("shared")?.call::<_, Value<'js>>((run,))?)?;
        file.set("index", index)?;
        file.set("path", &*script.path)?;
        file.set("dirname", script.path.rsplit_once('/').map_or(".", |(directory, _)| directory))?;
        file.set("require", self.base.get::<_, Function<'js>>("requireFrom")?.call::<_, Value<'js>>((index,))?)?;
        self.files.borrow_mut().insert(index, file.clone());
        Ok(file)
    }

    /// Evaluates a CommonJS file and gives what it exports.
    pub fn load_module(&self, index: u32) -> rquickjs::Result<Value<'js>> {
        self.base.get::<_, Function<'js>>("load")?.call((index,))
    }

    /// The compiled outgoing hooks. A file that does not compile is reported and left out.
    pub fn outgoing_hooks(&self) -> rquickjs::Result<Array<'js>> {
        if let Some(array) = &*self.outgoing.borrow() {
            return Ok(array.clone());
        }
        let array = Array::new(self.realm.ctx.clone())?;
        let mut length = 0;
        for index in self.hooks(HookKind::BeforeOutgoingMiddleware) {
            match self.realm.meter.slice(|| self.file(index)) {
                Ok(file) => {
                    array.set(length, file)?;
                    length += 1;
                }
                Err(_) => {
                    if let Some(thrown) = self.realm.caught(&self.core.describe) {
                        self.host.report(index, &thrown);
                    }
                }
            }
        }
        *self.outgoing.borrow_mut() = Some(array.clone());
        Ok(array)
    }
}

fn count_globals(realm: &Realm<'_>) -> usize {
    realm.ctx.globals().own_keys::<rquickjs::Atom<'_>>(Filter::new().string().symbol()).len()
}
