//! A realm with `bp` in it and, once it is loaded, one bot's hooks, actions and content types.

mod warm;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rquickjs::function::{Args, Opt};
use rquickjs::object::Filter;
use rquickjs::{Array, Ctx, Exception, Function, IntoJs, Object, Value};

use super::host::Host;
use crate::program::{BotProgram, HookKind, Program, Role, Script};
use crate::script::modules::{BUNDLED, ModuleIndex, Resolution};
use crate::script::realm::{Realm, evaluate};
use crate::script::{Random, web, wrap};

pub use warm::NotPreloaded;

/// A program as a worker keeps it: shared by all its realms.
#[derive(Debug, Default)]
pub struct LoadedProgram {
    /// The program.
    pub program: Program,
    modules: ModuleIndex,
}

impl LoadedProgram {
    /// Indexes a program.
    pub fn new(program: Program) -> Self {
        let modules = ModuleIndex::new(&program);
        Self { program, modules }
    }

    /// The file at a path.
    pub fn script(&self, path: &str) -> Option<&Script> {
        self.modules.index_of(path).map(|index| &*self.program.scripts[index as usize])
    }

    /// What a bot runs; the empty name is no bot.
    pub fn bot(&self, id: &str) -> Option<&BotProgram> {
        if id.is_empty() { Some(&self.program.global) } else { self.program.bots.get(id) }
    }
}

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
    describe = "describe", is_paused = "isPaused", skips_dialog = "skipsDialog", rank = "rank", elect = "elect",
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
        let env: Object<'js> = realm.part("env", ENV)?.call((functions.clone(), base.clone()))?;
        let cms: Object<'js> = realm.part("cms", CMS)?.call((env.clone(),))?;
        let payloads: Object<'js> = realm.part("payloads", PAYLOADS)?.call((env.clone(), cms.clone()))?;
        let elements: Object<'js> = realm.part("elements", ELEMENTS)?.call((env, cms.clone()))?;
        let decision: Object<'js> = realm.part("decision", DECISION)?.call(())?;
        let at = Object::new(ctx.clone())?;
        let event: Object<'js> = realm.part("event", EVENT)?.call((functions.clone(),))?;
        let requests: Object<'js> = realm.part("requests", REQUESTS)?.call((functions.clone(), event.clone()))?;
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
        let mut parts = Args::new(ctx.clone(), 11);
        parts.push_args([
            functions,
            base.clone(),
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
        Ok(Self { realm, host, core, dialog, base, random, files, outgoing, globals })
    }

    /// Removes what an event left in the realm; false where something cannot be removed.
    pub fn scrub(&self) -> bool {
        // What is built in cannot be removed or replaced, so that the number tells whether anything was added.
        let added = count_globals(&self.realm) != self.globals.get();
        self.core.scrub.call::<_, bool>((added,)).unwrap_or(false)
    }

    /// Makes it a bot's. May be done once.
    pub fn load(&self, program: Arc<LoadedProgram>, bot: &str) {
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

/// Compiles a wrapped script to a function.
pub fn compile_script<'js>(ctx: &Ctx<'js>, script: &Script) -> rquickjs::Result<Function<'js>> {
    let wrapped = wrap::wrap(script);
    evaluate(ctx, &script.path, &wrapped.text)
}

/// What `script/js/base.js` needs.
fn script_functions<'js>(
    realm: &Realm<'js>,
    object: &Object<'js>,
    host: &Rc<Host>,
    random: &Rc<Random>,
) -> rquickjs::Result<()> {
    let r = Rc::clone(random);
    object.set("random", realm.function("random", move || r.draw())?)?;
    let h = Rc::clone(host);
    let log = move |level: String, text: String, stack: String, bot: Opt<Option<String>>| {
        h.script_log(&level, text, &stack, bot.0.flatten());
    };
    object.set("log", realm.function("log", log)?)?;
    let begun = std::time::Instant::now();
    object.set("now", realm.function("now", move || begun.elapsed().as_secs_f64() * 1e3)?)?;
    let h = Rc::clone(host);
    let timer = move |ctx: Ctx<'js>, delay: f64, id: i32| {
        h.add_timer(delay, id).ok_or_else(|| {
            let most = h.hello.limits.timers;
            Exception::throw_range(&ctx, &format!("at most {most} timers may be pending (scripts.timers)"))
        })
    };
    object.set("timer", realm.function("timer", timer)?)?;
    let h = Rc::clone(host);
    let clear = move |id: f64| {
        if id >= 0.0 && id <= f64::from(u32::MAX) {
            h.timers.borrow_mut().remove(id as u32);
        }
    };
    object.set("clearTimer", realm.function("clearTimer", clear)?)?;
    let h = Rc::clone(host);
    let process = move |ctx: Ctx<'js>| {
        let process = serde_json::json!({ "env": h.hello.env });
        let mut process = process.as_object().cloned().unwrap_or_default();
        process.extend(h.hello.process.clone());
        ctx.json_parse(serde_json::to_string(&process).unwrap_or_default())
    };
    object.set("process", realm.function("process", process)?)?;
    let h = Rc::clone(host);
    web::install(realm, object, move || h.loaded.set(h.loaded.get() + 1))?;
    module_functions(realm, object, host)
}

/// What `require` needs.
fn module_functions<'js>(realm: &Realm<'js>, object: &Object<'js>, host: &Rc<Host>) -> rquickjs::Result<()> {
    let h = Rc::clone(host);
    let module = move |ctx: Ctx<'js>, index: u32| -> rquickjs::Result<Object<'js>> {
        let program = h.program.borrow().clone();
        let Some(script) = program.as_ref().and_then(|loaded| loaded.program.scripts.get(index as usize)) else {
            return Err(Exception::throw_message(&ctx, "no such module"));
        };
        h.loaded.set(h.loaded.get() + 1);
        let module = Object::new(ctx.clone())?;
        module.set("path", &*script.path)?;
        if script.role == Role::Json {
            module.set("json", &*script.source)?;
        } else {
            // A hook or an action that is required runs as a module does: without the arguments of its kind.
            let as_module = Script { role: Role::Module, ..script.as_ref().clone() };
            module.set("run", compile_script(&ctx, &as_module)?)?;
        }
        Ok(module)
    };
    object.set("module", realm.function("module", module)?)?;
    let h = Rc::clone(host);
    let resolve = move |ctx: Ctx<'js>, from: u32, name: String| -> rquickjs::Result<Value<'js>> {
        let program = h.program.borrow().clone().unwrap_or_default();
        let path = program.program.scripts.get(from as usize).map_or("", |script| &script.path);
        match program.modules.resolve(&program.program, path, &name) {
            Resolution::Script(index) => index.into_js(&ctx),
            Resolution::Bundled { package, member } => {
                let found = Object::new(ctx.clone())?;
                found.set("bundled", package)?;
                found.set("member", member)?;
                Ok(found.into_value())
            }
            Resolution::Missing(message) => {
                let found = Object::new(ctx.clone())?;
                found.set("message", message)?;
                Ok(found.into_value())
            }
        }
    };
    object.set("resolve", realm.function("resolve", resolve)?)?;
    let h = Rc::clone(host);
    let path = move |index: u32| {
        let program = h.program.borrow().clone().unwrap_or_default();
        program.program.scripts.get(index as usize).map_or(String::new(), |script| script.path.to_string())
    };
    object.set("modulePath", realm.function("modulePath", path)?)?;
    let h = Rc::clone(host);
    let bundled = move |ctx: Ctx<'js>, name: String| -> rquickjs::Result<Array<'js>> {
        h.loaded.set(h.loaded.get() + 1);
        let Some(module) = BUNDLED.iter().find(|module| module.name == name) else {
            return Err(Exception::throw_message(&ctx, &format!("Cannot find module '{name}'")));
        };
        let text = format!("(function(module,exports,require){{{}\n}})", module.source);
        let parts = Array::new(ctx.clone())?;
        parts.set(0, evaluate::<Function<'js>>(&ctx, &format!("nudge:npm/{name}"), &text)?)?;
        if let Some(fit) = module.fit() {
            parts.set(1, evaluate::<Function<'js>>(&ctx, &format!("nudge:fit/{name}"), fit.trim_end())?)?;
        }
        Ok(parts)
    };
    object.set("bundled", realm.function("bundled", bundled)?)
}

/// What `js/core.js` and `js/env.js` need.
fn engine_functions<'js>(realm: &Realm<'js>, object: &Object<'js>, host: &Rc<Host>) -> rquickjs::Result<()> {
    let hello = &host.hello;
    object.set("trace", hello.trace)?;
    object.set("version", hello.version.as_str())?;
    object.set("hookWaiting", hello.limits.hook_waiting as f64)?;
    object.set("minimumConfidence", hello.minimum_confidence)?;
    object.set("repeatWindow", hello.repeat_window_ms as f64)?;
    object.set("botUrl", hello.external_url.as_str())?;
    let members = Array::new(realm.ctx.clone())?;
    for (index, member) in crate::sdk::MEMBERS.iter().enumerate() {
        let place = if member.runs == crate::sdk::Runs::Request { "request" } else { "realm" };
        let row = Array::new(realm.ctx.clone())?;
        row.set(0, member.namespace)?;
        row.set(1, member.name)?;
        row.set(2, place)?;
        members.set(index, row)?;
    }
    object.set("members", members)?;

    let h = Rc::clone(host);
    object.set("eventId", realm.function("eventId", move || h.ids.next().to_string())?)?;
    let h = Rc::clone(host);
    object.set("flag", realm.function("flag", move |name: String| h.trace.borrow_mut().flag(h.script.get(), name))?)?;
    let h = Rc::clone(host);
    object.set("enter", realm.function("enter", move |script: u32| h.enter(script).cast_signed())?)?;
    let h = Rc::clone(host);
    object.set(
        "leave",
        realm.function("leave", move |script: u32, before: i32| h.leave(script, before.cast_unsigned()))?,
    )?;
    let h = Rc::clone(host);
    let failed = move |script: u32, described: String| {
        let thrown = crate::script::realm::Thrown::read(&described);
        if let Some(thrown) = thrown {
            h.report(script, &thrown);
        }
    };
    object.set("hookFailed", realm.function("hookFailed", failed)?)?;
    let h = Rc::clone(host);
    let effect = move |ctx: Ctx<'js>, json: String, kind: String, incoming: Opt<bool>| {
        h.effect(&json, &kind, incoming.0 == Some(true)).map_err(|message| Exception::throw_range(&ctx, &message))
    };
    object.set("effect", realm.function("effect", effect)?)?;
    let h = Rc::clone(host);
    let request = move |ctx: Ctx<'js>, method: String, arguments: String| {
        h.send_request(&method, &arguments).map_err(|message| Exception::throw_range(&ctx, &message))
    };
    object.set("request", realm.function("request", request)?)?;
    let h = Rc::clone(host);
    let fetch = move |ctx: Ctx<'js>, head: String, body: Opt<String>, binary: Opt<bool>| {
        let body = body.0.unwrap_or_default();
        let body = if binary.0 == Some(true) { web::from_base64(&body) } else { body.into_bytes() };
        h.send_fetch(&head, &body).map_err(|message| Exception::throw_range(&ctx, &message))
    };
    object.set("fetch", realm.function("fetch", fetch)?)?;
    let h = Rc::clone(host);
    object.set("abandon", realm.function("abandon", move |number: u32| h.abandon(number))?)?;
    let h = Rc::clone(host);
    object.set("askForDialog", realm.function("askForDialog", move || h.asked.set(h.asked.get() + 1))?)?;
    content_functions(realm, object, host)
}

/// What `js/env.js` knows of the bot.
fn content_functions<'js>(realm: &Realm<'js>, object: &Object<'js>, host: &Rc<Host>) -> rquickjs::Result<()> {
    fn with_bot<R>(host: &Host, read: impl FnOnce(&BotProgram) -> R) -> Option<R> {
        let program = host.program.borrow();
        program.as_ref().and_then(|loaded| loaded.bot(&host.content_of())).map(read)
    }
    fn ids<'a>(ids: impl Iterator<Item = &'a String>) -> String {
        serde_json::to_string(&ids.collect::<Vec<_>>()).unwrap_or_default()
    }
    let h = Rc::clone(host);
    let refuses =
        move |channel: String, target: String, bot: String, thread: String| h.refuses(&channel, &target, &bot, &thread);
    object.set("refuses", realm.function("refuses", refuses)?)?;
    let h = Rc::clone(host);
    object.set("botId", realm.function("botId", move || h.bot.borrow().clone())?)?;
    let h = Rc::clone(host);
    object.set("readContentOf", realm.function("readContentOf", move |bot: String| h.read_content_of(&bot))?)?;
    let h = Rc::clone(host);
    let config = move |ctx: Ctx<'js>| match with_bot(&h, |bot| bot.config.as_ref().map(|json| json.get().to_owned()))
        .flatten()
    {
        Some(json) => json.into_js(&ctx),
        None => Ok(Value::new_undefined(ctx)),
    };
    object.set("botConfig", realm.function("botConfig", config)?)?;
    let h = Rc::clone(host);
    let language = move || with_bot(&h, |bot| bot.default_language.clone()).unwrap_or_default();
    object.set("defaultLanguage", realm.function("defaultLanguage", language)?)?;
    let h = Rc::clone(host);
    let content_type =
        move |id: String| with_bot(&h, |bot| bot.content_types.get(&id).copied()).flatten().map_or(-1.0, f64::from);
    object.set("contentType", realm.function("contentType", content_type)?)?;
    let h = Rc::clone(host);
    let types = move || with_bot(&h, |bot| ids(bot.content_types.keys())).unwrap_or_else(|| "[]".into());
    object.set("contentTypeIds", realm.function("contentTypeIds", types)?)?;
    let h = Rc::clone(host);
    let element = move |ctx: Ctx<'js>, id: String| match with_bot(&h, |bot| {
        bot.elements.get(&id).map(|element| element.json.get().to_owned())
    })
    .flatten()
    {
        Some(json) => json.into_js(&ctx),
        None => Ok(Value::new_undefined(ctx)),
    };
    object.set("element", realm.function("element", element)?)?;
    let h = Rc::clone(host);
    let elements = move || with_bot(&h, |bot| ids(bot.elements.keys())).unwrap_or_else(|| "[]".into());
    object.set("elementIds", realm.function("elementIds", elements)?)
}
