//! What a realm's JavaScript can call: the functions of [`Host`] as JavaScript sees them.

use std::borrow::Cow;
use std::rc::Rc;

use rquickjs::function::Opt;
use rquickjs::{Array, Ctx, Exception, Function, IntoJs, Object, Value};
use serde::Deserialize;

use super::replies::reply_functions;
use crate::engine::Host;
use crate::engine::loaded::compile_script;
use crate::program::{BotProgram, Role, Script};
use crate::script::modules::{BUNDLED, Resolution};
use crate::script::realm::{Realm, evaluate};
use crate::script::{Random, web};

/// What `script/js/base.js` needs.
pub(super) fn script_functions<'js>(
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
pub(super) fn engine_functions<'js>(realm: &Realm<'js>, object: &Object<'js>, host: &Rc<Host>) -> rquickjs::Result<()> {
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
    let send = move |ctx: Ctx<'js>, json: String, kind: String| {
        h.send_event(&json, &kind).map_err(|message| Exception::throw_range(&ctx, &message))
    };
    object.set("sendEvent", realm.function("sendEvent", send)?)?;
    reply_functions(realm, object, host)?;
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
        program.as_ref().and_then(|loaded| loaded.bot(&host.bot.borrow())).map(read)
    }
    fn ids<'a>(ids: impl Iterator<Item = &'a String>) -> String {
        serde_json::to_string(&ids.collect::<Vec<_>>()).unwrap_or_default()
    }
    let h = Rc::clone(host);
    object.set("botId", realm.function("botId", move || h.bot.borrow().clone())?)?;
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
    object.set("elementIds", realm.function("elementIds", elements)?)?;
    let h = Rc::clone(host);
    let rows = move || with_bot(&h, rows_of).unwrap_or_else(|| "[]".into());
    object.set("elementRows", realm.function("elementRows", rows)?)
}

/// `[id, contentType, createdOn]` of each element, in the order of the ids; the time is `null` where it is no text.
fn rows_of(bot: &BotProgram) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Created<'a> {
        #[serde(borrow)]
        created_on: Option<Cow<'a, str>>,
    }
    let rows = bot.elements.iter().map(|(id, element)| {
        let created = serde_json::from_str::<Created<'_>>(element.json.get()).ok();
        (id, &*element.content_type, created.and_then(|created| created.created_on))
    });
    serde_json::to_string(&rows.collect::<Vec<_>>()).unwrap_or_default()
}
