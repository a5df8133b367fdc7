//! The worker process of these tests: it speaks the protocol and does what an event's payload tells it to.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::Program;
use crate::protocol::{DispatchHead, Frame, FrameKind, FrameReader};

/// What the worker does with an event: `payload.do`.
#[test]
#[ignore = "it is no test but the worker process that the others start"]
fn a_worker_process() {
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let out = Mutex::new(socket.try_clone().unwrap());
    let running: Mutex<HashMap<u64, (Instant, String)>> = Mutex::default();
    // Memory that goes only with the process.
    let hoard: Mutex<Vec<u8>> = Mutex::default();
    // Requests that another thread sends, so that this one goes on reading.
    let later: Mutex<Vec<(u64, u32, Vec<u8>)>> = Mutex::default();
    let raw = |kind: FrameKind, dispatch: u64, number: u32, body: Vec<u8>| {
        let mut wire = bytes::BytesMut::new();
        Frame { kind, dispatch, number, body: body.into() }.write(&mut wire);
        // The server may have gone.
        let _ = out.lock().unwrap().write_all(&wire);
    };
    let send = |kind: FrameKind, dispatch: u64, number: u32, body: Value| {
        raw(kind, dispatch, number, body.to_string().into_bytes());
    };
    // Of the event that asked: dispatch, channel, target.
    let asked: Mutex<HashMap<u64, Value>> = Mutex::default();
    let event = |dispatch: u64, event: &Value, state: &Value, want_event: bool| {
        let reply = |number: u32, kind: &str, payload: Value| {
            let effect = json!({
                "id": "1", "direction": "outgoing", "type": kind, "channel": event["channel"],
                "target": event["target"], "botId": event["botId"], "threadId": event["threadId"], "payload": payload
            });
            send(FrameKind::Effect, dispatch, number, effect);
        };
        let processed = |settled: bool| {
            let mut body = json!({ "settled": settled, "state": { "session": { "last": event["payload"]["text"] } } });
            if event["payload"]["state"].is_object() {
                body["state"] = event["payload"]["state"].clone();
            }
            if want_event {
                body["event"] = json!({ "state": state });
            }
            send(FrameKind::Processed, dispatch, 0, body);
        };
        match event["payload"]["do"].as_str().unwrap() {
            "reply" => {
                reply(0, "typing", json!({ "type": "typing", "value": 2000 }));
                reply(1, "text", json!({ "type": "text", "text": event["payload"]["text"] }));
                processed(true);
            }
            "bye" => {
                let text = format!("{} after {}", event["type"], state["session"]["last"]);
                reply(0, "text", json!({ "type": "text", "text": text }));
                send(
                    FrameKind::Processed,
                    dispatch,
                    0,
                    json!({ "settled": true, "state": { "temp": {}, "context": {} } }),
                );
            }
            "late" => {
                reply(0, "text", json!({ "type": "text", "text": "early" }));
                processed(false);
                reply(1, "text", json!({ "type": "text", "text": "late" }));
                send(FrameKind::Settled, dispatch, 0, json!({}));
            }
            "ask" => {
                asked.lock().unwrap().insert(dispatch, event.clone());
                for (number, call) in
                    [("kvs.set", json!(["b", "k", 7])), ("kvs.get", json!(["b", "k"]))].into_iter().enumerate()
                {
                    let mut body = vec![u8::try_from(call.0.len()).unwrap()];
                    body.extend_from_slice(call.0.as_bytes());
                    body.extend_from_slice(call.1.to_string().as_bytes());
                    raw(FrameKind::Request, dispatch, u32::try_from(number).unwrap(), body);
                }
            }
            "stream" => {
                asked.lock().unwrap().insert(dispatch, event.clone());
                for number in 0..200 {
                    let (method, args) = match number {
                        199 => ("kvs.get", json!(["b", "long"])),
                        number if number % 2 == 0 => ("kvs.set", json!(["b", "long", "x".repeat(20_000)])),
                        _ => ("kvs.get", json!(["b", "long"])),
                    };
                    let mut body = vec![u8::try_from(method.len()).unwrap()];
                    body.extend_from_slice(method.as_bytes());
                    body.extend_from_slice(args.to_string().as_bytes());
                    let number = if number == 199 { 1 } else { number + 2 };
                    later.lock().unwrap().push((dispatch, number, body));
                }
            }
            "send" => {
                let sent = json!({
                    "id": "2", "direction": "incoming", "type": "text", "channel": event["channel"],
                    "target": event["target"], "botId": event["botId"],
                    "payload": { "do": "reply", "text": "followed" }
                });
                send(FrameKind::Effect, dispatch, 0, sent);
                processed(true);
            }
            "spin" => {
                reply(0, "text", json!({ "type": "text", "text": "before the loop" }));
                let file = "hooks/before_incoming_middleware/spin.js".to_owned();
                running.lock().unwrap().insert(dispatch, (Instant::now(), file));
            }
            "crash" => {
                reply(0, "text", json!({ "type": "text", "text": "before the crash" }));
                std::process::abort();
            }
            "hang" => {}
            "bad effects" => {
                let address = json!({
                    "id": "1", "direction": "outgoing", "type": "text", "channel": event["channel"],
                    "target": event["target"], "botId": event["botId"], "payload": {}
                });
                let wrong = [
                    ("botId", json!("../x")),
                    ("target", json!("")),
                    ("channel", json!("")),
                    ("id", json!("x")),
                    ("type", json!(7)),
                ];
                for (number, (key, value)) in wrong.into_iter().enumerate() {
                    let mut effect = address.clone();
                    effect[key] = value;
                    send(FrameKind::Effect, dispatch, u32::try_from(number).unwrap(), effect);
                }
                reply(9, "text", json!({ "text": "after" }));
                processed(true);
            }
            "hoard" => {
                hoard.lock().unwrap().resize(120 << 20, 1);
                reply(0, "text", json!({ "text": std::process::id().to_string() }));
                processed(true);
            }
            "no json" => raw(FrameKind::Effect, dispatch, 0, b"{".to_vec()),
            "blame" => {
                let file = String::new();
                running.lock().unwrap().insert(dispatch + 1_000, (Instant::now(), file));
            }
            "lie" => send(FrameKind::Processed, dispatch + 1_000, 0, json!({})),
            other => panic!("{other}"),
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(20));
                let requests = std::mem::take(&mut *later.lock().unwrap());
                for (dispatch, number, body) in requests {
                    raw(FrameKind::Request, dispatch, number, body);
                }
                let rows: Vec<Value> = running
                    .lock()
                    .unwrap()
                    .iter()
                    .map(|(dispatch, (since, file))| {
                        json!({
                            "dispatch": dispatch, "slice_ms": since.elapsed().as_millis() as u64, "allowed_ms": 1000,
                            "file": file, "hook": "before_incoming_middleware"
                        })
                    })
                    .collect();
                send(FrameKind::Beat, 0, 0, json!({ "running": rows }));
            }
        });
        let mut reader = FrameReader::new(16 << 20);
        let mut chunk = [0; 65536];
        loop {
            let read = socket.read(&mut chunk).unwrap_or(0);
            if read == 0 {
                std::process::exit(0);
            }
            reader.buffer.extend_from_slice(&chunk[..read]);
            while let Some(frame) = reader.next_frame().unwrap() {
                match frame.kind {
                    FrameKind::Hello => {
                        let hello: Value = serde_json::from_slice(&frame.body).unwrap();
                        send(FrameKind::Ready, 0, 0, json!({ "build": hello["build"], "lock_in": "off" }));
                    }
                    FrameKind::Compile => {
                        let program: Program = serde_json::from_slice(&frame.body).unwrap();
                        if let Some(index) = program.scripts.iter().position(|script| &*script.source == "crash") {
                            // At once: no beat has named it.
                            send(FrameKind::Compiling, 0, u32::try_from(index).unwrap(), json!(null));
                            std::process::abort();
                        }
                        if let Some(hangs) = program.scripts.iter().find(|script| &*script.source == "hang") {
                            let long_ago = Instant::now() - Duration::from_secs(3);
                            running.lock().unwrap().insert(0, (long_ago, hangs.path.to_string()));
                            continue;
                        }
                        let compiled = json!({ "version": program.version, "failures": [], "content_types": [] });
                        send(FrameKind::Compiled, 0, 0, compiled);
                    }
                    FrameKind::Dispatch => {
                        let (head, body) = DispatchHead::read(frame.body).unwrap();
                        let mut work: Value = serde_json::from_slice(&body).unwrap();
                        if head.kind == crate::protocol::DispatchKind::Timeout {
                            // The dialog says what is to be done.
                            work["event"]["payload"] = work["state"]["context"]["then"].take();
                        }
                        if head.kind == crate::protocol::DispatchKind::Hooks {
                            if let Some(id) = work["args"]["sayAs"].as_str() {
                                let effect = json!({
                                    "id": id, "direction": "outgoing", "type": "text", "channel": "web",
                                    "target": "u", "botId": "bot", "payload": { "text": "from a hook" }
                                });
                                send(FrameKind::Effect, frame.dispatch, 0, effect);
                            }
                            let does = work["args"]["do"].as_str();
                            if does == Some("crash") {
                                std::process::abort();
                            }
                            let settled = does.is_none();
                            let body = json!({ "trace": [work["hook"]], "settled": settled });
                            send(FrameKind::Processed, frame.dispatch, 0, body);
                            if does == Some("fall") {
                                send(FrameKind::Settled, frame.dispatch, 0, json!({ "ended": true }));
                            }
                        } else {
                            event(frame.dispatch, &work["event"], &work["state"], work["wantEvent"] == true);
                        }
                    }
                    FrameKind::Result if frame.number == 1 => {
                        let event = asked.lock().unwrap().remove(&frame.dispatch).unwrap();
                        let text = std::str::from_utf8(&frame.body[1..]).unwrap();
                        let effect = json!({
                            "id": "1", "direction": "outgoing", "type": "text", "channel": event["channel"],
                            "target": event["target"], "botId": event["botId"],
                            "payload": { "text": format!("{} {text}", frame.body[0]) }
                        });
                        send(FrameKind::Effect, frame.dispatch, 0, effect);
                        send(FrameKind::Processed, frame.dispatch, 0, json!({ "settled": true }));
                    }
                    FrameKind::Cancel => send(FrameKind::Settled, frame.dispatch, 0, json!({})),
                    FrameKind::Drain => std::process::exit(0),
                    _ => {}
                }
            }
        }
    });
}
