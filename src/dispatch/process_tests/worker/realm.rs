//! What a realm of these tests does with an event: `payload.do`.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Link, Out};
use crate::protocol::board::Place;
use crate::protocol::{DispatchKind, Frame, FrameKind, Unfit, WorkHead};

/// Longer than anything here is let live; what nobody ends, ends by itself.
const LONG: Duration = Duration::from_secs(20);

struct Realm<'b> {
    out: Out,
    place: &'b Place,
    /// Events that asked for something.
    asked: HashMap<u64, Value>,
    /// It is at something, and what came meanwhile.
    busy: Cell<bool>,
    ahead: VecDeque<Frame>,
    /// Memory that goes only with the process.
    hoard: Vec<u8>,
}

pub(super) fn serve(mut link: Link, place: &Place) {
    let (asked, busy, ahead) = (HashMap::new(), Cell::new(false), VecDeque::new());
    let mut realm = Realm { out: link.out.clone(), place, asked, busy, ahead, hoard: Vec::new() };
    while let Some(frame) = link.next() {
        let dispatch = frame.dispatch;
        match frame.kind {
            FrameKind::Dispatch => realm.ahead.push_back(frame),
            FrameKind::Result if frame.number == 1 => realm.result(&frame),
            FrameKind::Cancel => {
                realm.out.send(FrameKind::Settled, dispatch, 0, &json!({}));
                realm.free(dispatch, Some(Unfit::Single));
            }
            _ => {}
        }
        while !realm.busy.get()
            && let Some(frame) = realm.ahead.pop_front()
        {
            if place.claim(frame.number as u16) {
                realm.busy.set(true);
                realm.work(frame);
            }
        }
    }
}

/// One event that runs.
struct Event<'e> {
    dispatch: u64,
    event: &'e Value,
    state: &'e Value,
    want_event: bool,
}

impl Realm<'_> {
    fn free(&self, dispatch: u64, unfit: Option<Unfit>) {
        self.out.raw(FrameKind::Free, dispatch, unfit.map_or(0, |unfit| unfit as u32), "");
        if unfit.is_some() {
            std::process::exit(0);
        }
        self.busy.set(false);
    }

    fn work(&mut self, frame: Frame) {
        let (head, body) = WorkHead::read(frame.body).unwrap();
        let mut work: Value = serde_json::from_slice(&body).unwrap();
        if head.kind == DispatchKind::Hooks {
            return self.hooks(frame.dispatch, &work);
        }
        if head.kind == DispatchKind::Timeout {
            // The dialog says what is to be done.
            work["event"]["payload"] = work["state"]["context"]["then"].take();
        }
        let want_event = work["wantEvent"] == true;
        let event = Event { dispatch: frame.dispatch, event: &work["event"], state: &work["state"], want_event };
        self.event(&event, &head.resume);
    }

    fn hooks(&self, dispatch: u64, work: &Value) {
        if let Some(id) = work["args"]["sayAs"].as_str() {
            let effect = json!({
                "id": id, "direction": "outgoing", "type": "text", "channel": "web",
                "target": "u", "botId": "bot", "payload": { "text": "from a hook" }
            });
            self.out.send(FrameKind::Effect, dispatch, 0, &effect);
        }
        let does = work["args"]["do"].as_str();
        if does == Some("crash") {
            std::process::abort();
        }
        for number in 1..=20 {
            if does == Some("say much") {
                let effect = json!({
                    "id": "7", "direction": "outgoing", "type": "text", "channel": "web",
                    "target": "u", "botId": "bot", "payload": { "text": number.to_string() }
                });
                self.out.send(FrameKind::Effect, dispatch, number, &effect);
            }
        }
        let settled = does.is_none();
        self.out.send(FrameKind::Processed, dispatch, 0, &json!({ "trace": [work["hook"]], "settled": settled }));
        match does {
            None => self.free(dispatch, Some(Unfit::Single)),
            Some("fall") => {
                self.out.send(FrameKind::Settled, dispatch, 0, &json!({ "ended": true }));
                self.free(dispatch, Some(Unfit::Limit));
            }
            Some(_) => self.out.raw(FrameKind::Waiting, dispatch, 0, ""),
        }
    }

    fn event(&mut self, event: &Event<'_>, resume: &Bytes) {
        let (out, dispatch) = (self.out.clone(), event.dispatch);
        match event.event["payload"]["do"].as_str().unwrap() {
            "reply" => {
                event.reply(&out, 0, "typing", json!({ "type": "typing", "value": 2000 }));
                event.reply(&out, 1, "text", json!({ "type": "text", "text": event.event["payload"]["text"] }));
                self.processed(event);
            }
            "bye" => {
                let text = format!("{} after {}", event.event["type"], event.state["session"]["last"]);
                event.say(&out, 0, &text);
                let state = json!({ "temp": {}, "context": {} });
                out.send(FrameKind::Processed, dispatch, 0, &json!({ "settled": true, "state": state }));
                self.free(dispatch, None);
            }
            "late" => {
                event.say(&out, 0, "early");
                event.processed(&out, false);
                event.say(&out, 1, "late");
                out.send(FrameKind::Settled, dispatch, 0, &json!({}));
                self.free(dispatch, None);
            }
            "ask" => {
                self.asked.insert(dispatch, event.event.clone());
                out.raw(FrameKind::Request, dispatch, 0, request("kvs.set", &json!(["b", "k", 7])));
                out.raw(FrameKind::Request, dispatch, 1, request("kvs.get", &json!(["b", "k"])));
                out.raw(FrameKind::Waiting, dispatch, 0, "");
            }
            "ask as told" => {
                self.asked.insert(dispatch, event.event.clone());
                let told = &event.event["payload"];
                out.raw(FrameKind::Request, dispatch, 1, request(told["method"].as_str().unwrap(), &told["args"]));
            }
            "stream" => self.stream(event),
            "send" => {
                let mut sent = event.effect("text", json!({ "do": "reply", "text": "followed" }));
                (sent["id"], sent["direction"]) = (json!("2"), json!("incoming"));
                out.send(FrameKind::Effect, dispatch, 0, &sent);
                self.processed(event);
            }
            "spin" => {
                event.say(&out, 0, "before the loop");
                self.spin();
            }
            "crash" => {
                event.say(&out, 0, "before the crash");
                std::process::abort();
            }
            "hang" => out.raw(FrameKind::Waiting, dispatch, 0, ""),
            "resume" if resume.is_empty() => {
                event.say(&out, 0, "before the limit");
                out.raw(FrameKind::Resume, dispatch, 0, "what is left");
                self.free(dispatch, Some(Unfit::Limit));
            }
            "resume" => {
                event.say(&out, 1, &format!("after it, with {}", String::from_utf8_lossy(resume)));
                self.processed(event);
            }
            "orphan" => {
                let parent = rustix::process::getppid().unwrap();
                rustix::process::kill_process(parent, rustix::process::Signal::KILL).unwrap();
                event.say(&out, 0, &std::process::id().to_string());
                self.processed(event);
            }
            "hoard" => {
                // In one go: what is filled byte by byte in a debug build runs into the limit of time where the machine is busy.
                self.hoard = vec![1; 120 << 20];
                event.say(&out, 0, &std::process::id().to_string());
                self.processed(event);
            }
            _ => self.lie(event),
        }
    }

    /// What is hostile or senseless.
    fn lie(&mut self, event: &Event<'_>) {
        let (out, dispatch) = (&self.out, event.dispatch);
        match event.event["payload"]["do"].as_str().unwrap() {
            "bad effects" => {
                let wrong = [
                    ("botId", json!("../x")),
                    ("target", json!("")),
                    ("channel", json!("")),
                    ("id", json!("x")),
                    ("type", json!(7)),
                ];
                for (number, (key, value)) in (0..).zip(wrong) {
                    let mut effect = event.effect("text", json!({}));
                    effect[key] = value;
                    out.send(FrameKind::Effect, dispatch, number, &effect);
                }
                event.say(out, 9, "after");
                self.processed(event);
            }
            "speak for another" => {
                for (number, direction) in (0..).zip(["outgoing", "incoming", "outgoing", "incoming"]) {
                    let mut effect = event.effect("text", json!({ "do": "reply", "text": "x" }));
                    effect["botId"] = json!(if number < 2 { "other" } else { "Other" });
                    effect["direction"] = json!(direction);
                    out.send(FrameKind::Effect, dispatch, number, &effect);
                }
                event.say(out, 9, "after");
                self.processed(event);
            }
            "no json" => out.raw(FrameKind::Effect, dispatch, 0, "{"),
            "lie" => out.send(FrameKind::Processed, dispatch + 1_000, 0, &json!({})),
            "be a zygote" => out.raw(FrameKind::Forked, 0, 1, "no"),
            "free at once" => out.raw(FrameKind::Free, dispatch, 0, ""),
            "flood" => {
                for number in 0..2_000 {
                    event.say(out, number, "flood");
                }
            }
            "say it twice" => {
                event.processed(out, true);
                event.processed(out, true);
            }
            "free twice" => {
                event.processed(out, true);
                self.free(dispatch, None);
                self.free(dispatch, None);
            }
            other => panic!("{other}"),
        }
    }

    fn processed(&self, event: &Event<'_>) {
        event.processed(&self.out, true);
        self.free(event.dispatch, None);
    }

    /// A slice that never ends, in the first script.
    fn spin(&self) {
        self.place.set_script(0);
        self.place.begin_slice(1);
        let begun = Instant::now();
        while begun.elapsed() < LONG {
            std::hint::spin_loop();
        }
        std::process::exit(0);
    }

    /// Large requests from another thread, so that this one goes on reading their answers.
    fn stream(&mut self, event: &Event<'_>) {
        self.asked.insert(event.dispatch, event.event.clone());
        let (out, dispatch) = (self.out.clone(), event.dispatch);
        std::thread::spawn(move || {
            for number in 0..200 {
                let body = match number {
                    199 => request("kvs.get", &json!(["b", "long"])),
                    number if number % 2 == 0 => request("kvs.set", &json!(["b", "long", "x".repeat(20_000)])),
                    _ => request("kvs.get", &json!(["b", "long"])),
                };
                out.raw(FrameKind::Request, dispatch, if number == 199 { 1 } else { number + 2 }, body);
            }
        });
    }

    /// The last answer came: it is told, and that is all.
    fn result(&mut self, frame: &Frame) {
        let asked = self.asked.remove(&frame.dispatch).unwrap();
        let state = Value::Null;
        let event = Event { dispatch: frame.dispatch, event: &asked, state: &state, want_event: false };
        let text = std::str::from_utf8(&frame.body[1..]).unwrap();
        event.say(&self.out, 0, &format!("{} {text}", frame.body[0]));
        self.out.send(FrameKind::Processed, frame.dispatch, 0, &json!({ "settled": true }));
        self.free(frame.dispatch, None);
    }
}

impl Event<'_> {
    fn effect(&self, kind: &str, payload: Value) -> Value {
        let Self { event, .. } = self;
        json!({
            "id": "1", "direction": "outgoing", "type": kind, "channel": event["channel"],
            "target": event["target"], "botId": event["botId"], "threadId": event["threadId"], "payload": payload
        })
    }

    fn reply(&self, out: &Out, number: u32, kind: &str, payload: Value) {
        out.send(FrameKind::Effect, self.dispatch, number, &self.effect(kind, payload));
    }

    fn say(&self, out: &Out, number: u32, text: &str) {
        self.reply(out, number, "text", json!({ "type": "text", "text": text }));
    }

    fn processed(&self, out: &Out, settled: bool) {
        let payload = &self.event["payload"];
        let mut body = json!({ "settled": settled, "state": { "session": { "last": payload["text"] } } });
        if payload["state"].is_object() {
            body["state"] = payload["state"].clone();
        }
        if self.want_event {
            body["event"] = json!({ "state": self.state });
        }
        out.send(FrameKind::Processed, self.dispatch, 0, &body);
    }
}

fn request(method: &str, args: &Value) -> Vec<u8> {
    let mut body = vec![u8::try_from(method.len()).unwrap()];
    body.extend_from_slice(method.as_bytes());
    body.extend_from_slice(args.to_string().as_bytes());
    body
}
