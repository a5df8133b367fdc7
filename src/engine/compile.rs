//! Compiling a candidate program in a process that serves nobody: scripts, and content types evaluated.

use std::rc::Rc;
use std::sync::Arc;

use rquickjs::{Object, Value};
use serde_json::value::RawValue;

use super::bot_realm::BotRealm;
use super::loaded::{LoadedProgram, compile_script};
use crate::program::Role;
use crate::protocol::{CompileFailure, Compiled, ContentTypeInfo, LogLine};

/// Compiles scripts of a program, those with the indices in `only`. Of each one `begin` is told before the engine sees it:
/// it may be the end of the process.
pub fn compile(realm: &BotRealm<'_>, loaded: &Arc<LoadedProgram>, only: &[u32], begin: impl Fn(u32)) -> Compiled {
    let mut compiled = Compiled::default();
    realm.load(Arc::clone(loaded), "");
    for index in only.iter().copied() {
        let Some(script) = loaded.program.scripts.get(index as usize) else { continue };
        if script.role == Role::Json {
            continue;
        }
        begin(index);
        realm.realm.meter.begin_event(crate::script::Used::default());
        realm.host.enter(index);
        let outcome = realm.realm.meter.slice(|| compile_script(&realm.realm.ctx, script).map(drop));
        let outcome = outcome.and_then(|()| match script.role {
            Role::ContentType => {
                let info = realm.realm.meter.slice(|| {
                    let exports = realm.load_module(index);
                    realm.realm.drain_jobs();
                    exports.and_then(|exports| describe_type(realm, index, exports))
                })?;
                if let Some(info) = info {
                    compiled.content_types.push(info);
                    Ok(None)
                } else {
                    Ok(Some(no_id(&script.path)))
                }
            }
            _ => Ok(None),
        });
        match outcome {
            Ok(None) => {}
            Ok(Some(error)) => compiled.failures.push(CompileFailure { script: index, error }),
            Err(_) => {
                let error = match (realm.realm.meter.overrun(), realm.realm.caught(&realm.core.describe)) {
                    (Some(overrun), _) => LogLine {
                        level: "error".into(),
                        message: format!("loading this file {overrun}"),
                        file: Some(script.path.to_string()),
                        ..LogLine::default()
                    },
                    (None, thrown) => {
                        let thrown = thrown.unwrap_or_else(crate::script::realm::Thrown::out_of_memory);
                        realm.host.error_line(index, &thrown)
                    }
                };
                compiled.failures.push(CompileFailure { script: index, error });
            }
        }
    }
    Rc::clone(&realm.host).clear();
    compiled
}

fn no_id(path: &str) -> LogLine {
    LogLine {
        level: "error".into(),
        message: "this content type exports no `id`; write `module.exports = { id: 'my_type', title: '…', \
                  jsonSchema: {…}, renderElement: (data, channel) => […] }`, or begin the file's name with `_` if it \
                  is a helper"
            .into(),
        file: Some(path.to_owned()),
        ..LogLine::default()
    }
}

/// What a content type says of itself; `None` where it has no id.
fn describe_type<'js>(
    realm: &BotRealm<'js>,
    script: u32,
    exports: Value<'js>,
) -> rquickjs::Result<Option<ContentTypeInfo>> {
    let Some(exports) = exports.as_object() else { return Ok(None) };
    let id: Value<'js> = exports.get("id")?;
    let Some(id) = id.as_string() else { return Ok(None) };
    let id = id.to_string()?;
    if id.is_empty() {
        return Ok(None);
    }
    let meta = Object::new(realm.realm.ctx.clone())?;
    for key in ["id", "title", "group", "description", "jsonSchema", "uiSchema", "hidden"] {
        let value: Value<'js> = exports.get(key)?;
        meta.set(key, value)?;
    }
    let text = match realm.realm.ctx.json_stringify(meta)? {
        Some(text) => text.to_string()?,
        None => "{}".into(),
    };
    Ok(RawValue::from_string(text).ok().map(|meta| ContentTypeInfo { script, id, meta }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ScriptLimits;
    use crate::engine::Host;
    use crate::engine::tests::{Sink, hello};
    use crate::program::{Program, Script, Shape};
    use crate::protocol::{FrameKind, FrameReader, Outbox};
    use crate::script::{Meter, with_realm};

    #[test]
    fn each_file_is_announced_before_the_engine_sees_it() {
        let script = |path: &str, role, source: &str| {
            Arc::new(Script { path: path.into(), source: source.into(), role, shape: Shape::default() })
        };
        let source = "console.log('evaluated'); module.exports = { id: 'x' }";
        let scripts = vec![
            script("content-types/a.js", Role::ContentType, source),
            script("x.json", Role::Json, "{}"),
            script("content-types/b.js", Role::ContentType, source),
        ];
        let sink = Sink::default();
        let limits = ScriptLimits::default();
        let meter = Rc::new(Meter::new(limits.clone()));
        let host = Rc::new(Host::new(Rc::clone(&meter), Arc::new(hello(limits)), Outbox::new(sink.clone())));
        let loaded = Arc::new(LoadedProgram::new(Program { scripts, ..Program::default() }));
        let begin = |script| host.tell(FrameKind::Compiling, script, &[]);
        let compiled = with_realm(&meter, |realm| {
            let realm = BotRealm::new(realm, Rc::clone(&host)).unwrap();
            compile(&realm, &loaded, &[0, 1, 2], begin)
        });
        assert_eq!(compiled.unwrap().content_types.len(), 2);
        let mut reader = FrameReader::new(1 << 20);
        reader.buffer.extend_from_slice(&sink.0.lock());
        let frames = std::iter::from_fn(|| reader.next_frame().unwrap()).map(|frame| (frame.kind, frame.number));
        let frames: Vec<_> = frames.collect();
        let expected = [(FrameKind::Compiling, 0), (FrameKind::Log, 0), (FrameKind::Compiling, 2), (FrameKind::Log, 0)];
        assert_eq!(frames, expected);
    }
}
