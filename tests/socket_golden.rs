//! What was recorded of the original's realtime protocol, packet by packet against a real server of ours: the same packets
//! in the same order, but for ids, times and what `golden/socket_differences.txt` lists.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;
#[path = "common/socket.rs"]
mod socket;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;

use app::{TestApp, copy, fixture};
use client::Answer;
use serde_json::Value;
use socket::{Socket, Transport, packets};
use tokio::task::JoinHandle;

/// What the recorded bots do, beside those of `golden/workspace`.
const HOOK: &str = "
if (event.type === 'send-data') {
  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  bp.events.replyToEvent(event, [
    { type: 'data', hello: 'world', n: 1 },
    { type: 'typing', value: 700 },
    { type: 'custom', module: 'x', component: 'Y' }
  ])
}
if (event.botId === 'multi-bot') {
  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  const said = ['one', 'two', 'three', 'You said: ' + event.preview + ' / ' + event.payload.text]
  for (const text of said) {
    bp.events.replyToEvent(event, [{ type: 'text', markdown: true, text }])
  }
}";

/// A line of `socket_differences.txt`.
struct Difference {
    name: String,
    recorded: String,
    ours: String,
}

struct Differences {
    lines: Vec<Difference>,
    shown: RefCell<BTreeSet<usize>>,
}

impl Differences {
    fn read() -> Self {
        let text = fs::read_to_string(fixture("golden/socket_differences.txt")).unwrap();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines = lines.map(|line| {
            let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
            let [name, recorded, ours, why] = parts[..] else { panic!("{line:?} does not have four parts") };
            assert!(!why.is_empty(), "{line:?} has no reason");
            Difference { name: name.into(), recorded: recorded.into(), ours: ours.into() }
        });
        Self { lines: lines.collect(), shown: RefCell::default() }
    }

    /// Whether something was recorded that is expected to be otherwise here; what we say instead.
    fn instead(&self, name: &str, recorded: &str) -> Option<&str> {
        let fits = |line: &Difference| (line.name == name || line.name == "*") && recorded.contains(&line.recorded);
        let at = self.lines.iter().position(fits)?;
        self.shown.borrow_mut().insert(at);
        Some(&self.lines[at].ours)
    }

    /// What was recorded, as we are to say it.
    fn applied(&self, name: &str, recorded: &str) -> String {
        let mut text = recorded.to_owned();
        for (at, line) in self.lines.iter().enumerate() {
            if (line.name == name || line.name == "*") && text.contains(&line.recorded) {
                self.shown.borrow_mut().insert(at);
                text = text.replace(&line.recorded, &line.ours);
            }
        }
        text
    }

    /// What we add to all packets comes off before they are compared.
    fn without_ours(&self, packet: &str) -> String {
        let mut text = packet.to_owned();
        for (at, line) in
            self.lines.iter().enumerate().filter(|(_, line)| line.name == "*" && line.recorded == "nothing")
        {
            let Some(start) = text.find(&format!(",{}", line.ours)) else { continue };
            self.shown.borrow_mut().insert(at);
            let end = text[start + 1..].find([',', '}']).unwrap() + start + 1;
            text.replace_range(start..end, "");
        }
        text
    }

    /// How much we say that was not recorded.
    fn more(&self, name: &str) -> usize {
        self.lines.iter().filter(|line| line.name == name && line.recorded == "nothing").count()
    }

    /// Whether we say something that was not recorded, and may.
    fn may_be_more(&self, name: &str, packet: &str) -> bool {
        let fits = |line: &Difference| line.name == name && line.recorded == "nothing" && packet.contains(&line.ours);
        let at = self.lines.iter().position(fits);
        at.is_some_and(|at| self.shown.borrow_mut().insert(at))
    }

    fn unused(&self) -> Vec<String> {
        let shown = self.shown.borrow();
        let unused = self.lines.iter().enumerate().filter(|(at, _)| !shown.contains(at));
        unused.map(|(_, line)| format!("{} | {}", line.name, line.recorded)).collect()
    }
}

/// Takes out of packets what varies. Conversations keep their identity: the first one is 0, the next one 1.
#[derive(Default)]
struct Mask {
    conversations: Vec<String>,
}

impl Mask {
    fn plain(&mut self, packet: &str) -> String {
        let Some(start) = packet.find(['[', '{']) else { return packet.to_owned() };
        let (head, json) = packet.split_at(start);
        let Ok(mut json) = serde_json::from_str::<Value>(json) else { return packet.to_owned() };
        self.mask(&mut json);
        format!("{head}{json}")
    }

    fn mask(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask(item)),
            Value::Object(members) => {
                for (name, value) in members {
                    match name.as_str() {
                        "sid" | "id" | "sent_on" => *value = "…".into(),
                        "conversationId" => {
                            let id = value.to_string().replace('"', "");
                            let known = self.conversations.iter().position(|known| *known == id);
                            let number = known.unwrap_or_else(|| {
                                self.conversations.push(id);
                                self.conversations.len() - 1
                            });
                            *value = if value.is_number() { number.into() } else { number.to_string().into() };
                        }
                        _ => self.mask(value),
                    }
                }
            }
            _ => {}
        }
    }
}

fn plain(packet: &str) -> String {
    Mask::default().plain(packet)
}

async fn server() -> TestApp {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("golden/workspace"), folder.path());
    let hooks = folder.path().join("hooks/before_incoming_middleware");
    fs::create_dir_all(&hooks).unwrap();
    fs::write(hooks.join("50_recorded.js"), HOOK).unwrap();
    let bot = folder.path().join("bots/multi-bot");
    fs::create_dir_all(&bot).unwrap();
    fs::write(bot.join("bot.config.json"), "{ \"id\": \"multi-bot\", \"name\": \"Multi\" }").unwrap();
    TestApp::serve(folder, |options| options.production = true).await
}

fn recorded() -> Vec<Value> {
    let text = fs::read_to_string(fixture("golden/socket.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_packet_is_sent_as_recorded_or_listed_as_different() {
    let app = server().await;
    let differences = Differences::read();
    for line in recorded() {
        let name = line["name"].as_str().unwrap();
        if let Some(log) = line["log"].as_array() {
            polled(&app, &differences, name, log).await;
        } else {
            over_websocket(&app, &differences, name, &line).await;
        }
    }
    let unused = differences.unused();
    assert!(unused.is_empty(), "these differences do not show: {unused:#?}");
    app.stop().await;
}

/// The conversations that were recorded over websockets, over long polls.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_packets_come_by_polling() {
    let app = server().await;
    let differences = Differences::read();
    for line in recorded().iter().filter(|line| line["frames"].is_array()) {
        let name = line["name"].as_str().unwrap();
        let frames = &line["frames"].as_array().unwrap()[2..];
        let mut socket = Socket::open(app.client.address, Transport::Polling, "").await;
        assert!(socket.next().await.contains("\"upgrades\":[\"websocket\"]"));
        assert_eq!(socket.next().await, "40");
        frames_of(&app, &differences, name, &mut socket, frames).await;
    }
    app.stop().await;
}

async fn over_websocket(app: &TestApp, differences: &Differences, name: &str, line: &Value) {
    let path = line["url"].as_str().unwrap().strip_prefix("ws://HOST:PORT").unwrap();
    let mut socket = Socket::websocket(app.client.address, path).await;
    compare_headers(differences, name, &line["upgrade"]["rawHeaders"], &socket.headers);
    frames_of(app, differences, name, &mut socket, line["frames"].as_array().unwrap()).await;
}

async fn frames_of(app: &TestApp, differences: &Differences, name: &str, socket: &mut Socket, frames: &[Value]) {
    // A request was sent before its answer was noted.
    let time = |frame: &Value| match frame["note"].as_str() {
        Some(note) => note.rsplit_once("posted at ").unwrap().1.trim_end_matches(')').parse().unwrap(),
        None => frame["at"].as_u64().unwrap(),
    };
    let mut frames: Vec<&Value> = frames.iter().collect();
    frames.sort_by_key(|frame| time(frame));
    let (mut expected, mut came) = (Vec::new(), Vec::new());
    let (mut theirs, mut ours) = (Mask::default(), Mask::default());
    let mut refused = 0;
    for frame in frames {
        let data = frame["data"].as_str().unwrap_or_default();
        match frame["dir"].as_str().unwrap() {
            "recv" if data == "3" && refused > 0 => refused -= 1,
            "recv" => {
                expected.push(theirs.plain(&differences.applied(name, data)));
                came.push(ours.plain(&differences.without_ours(&socket.next().await)));
            }
            "send" if differences.instead(name, data) == Some("closed") => {
                let mut other = Socket::open(app.client.address, Transport::Websocket, "").await;
                other.send(data).await;
                while other.recv().await.is_some() {}
                refused += 1;
            }
            "send" => socket.send(data).await,
            "http" => {
                let note = frame["note"].as_str().unwrap();
                let (request, _) = note.rsplit_once(" -> 200").unwrap();
                let (path, body) = request.strip_prefix("POST ").unwrap().split_once(' ').unwrap();
                let answer = app.client.post(path, body).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            _ => {}
        }
    }
    if name == "ws-three-messages-burst" {
        // The bot may answer before the next message is stored.
        for packets in [&mut expected, &mut came] {
            packets.sort_by_key(|packet| !packet.contains("\"userId\""));
        }
    }
    assert_eq!(expected, came, "{name}");
    // Nothing else is said but what is listed.
    for _ in 0..differences.more(name) {
        let packet = socket.next().await;
        assert!(differences.may_be_more(name, &packet), "{name}: {packet}");
    }
    app.processed().await;
    socket.quiet().await;
}

async fn polled(app: &TestApp, differences: &Differences, name: &str, log: &[Value]) {
    let (mut sids, mut came) = (Vec::<(String, String)>::new(), Vec::new());
    let mut pending: Option<JoinHandle<Answer>> = None;
    for step in log {
        let Some(request) = step.get("request") else {
            // A poll that was open for three seconds when the next one came.
            let path = path_of(&log[log.len() - 1]["request"], &sids);
            let client = app.client;
            let mut other = Some(tokio::spawn(async move { client.get(&path).await }));
            pending = other.take();
            continue;
        };
        let (path, method) = (path_of(request, &sids), request["method"].as_str().unwrap());
        let headers: Vec<(String, String)> = request["headers"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| !["host", "content-length"].contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let response = &step["response"];
        let recorded = response["body"].as_str().unwrap();
        let polls = method == "GET" && path.contains("&sid=") && response["status"] == 200;
        if polls {
            // Packets may come together that came apart.
            let expected = packets(recorded);
            while came.len() < expected.len() {
                let answer = app.client.send(method, &path, &headers, Vec::new()).await;
                assert_eq!(answer.status, 200, "{name} {path}: {}", answer.body);
                compare_headers(differences, name, &response["rawHeaders"], &answer.headers);
                came.extend(packets(&answer.body));
            }
            for expected in expected {
                let packet: String = came.remove(0);
                assert_eq!(
                    plain(&differences.without_ours(&packet)),
                    plain(&differences.applied(name, &expected)),
                    "{name}"
                );
            }
            continue;
        }
        let body = request["body"].as_str().unwrap_or_default();
        let answer = app.client.send(method, &path, &headers, body.as_bytes().to_vec()).await;
        if path.contains("EIO=4") {
            let ours = differences.instead(name, "2:40").unwrap();
            assert!(answer.body.starts_with(ours) && answer.body.ends_with('}'), "{}", answer.body);
            continue;
        }
        let status = response["status"].to_string();
        let expected = differences.instead(name, &status).unwrap_or(&status);
        if status == "500" {
            // One of the two is told so, whichever came second; the session is over for both.
            let other = pending.take().unwrap().await.unwrap();
            let told = [answer.status.to_string(), other.status.to_string()];
            assert!(told.iter().any(|status| status == expected), "{name} {path}: {told:?}");
            continue;
        }
        assert_eq!(answer.status.to_string(), expected, "{name} {path}");
        if path.starts_with("/socket.io") {
            compare_headers(differences, name, &response["rawHeaders"], &answer.headers);
        }
        if recorded.starts_with("96:0{") {
            let (ours, theirs) = (packets(&answer.body), packets(recorded));
            let shown = |packet: &String| plain(&differences.without_ours(packet));
            assert_eq!(ours.iter().map(shown).collect::<Vec<_>>(), theirs.iter().map(|p| plain(p)).collect::<Vec<_>>());
            let sid = |packets: &[String]| packets[0].split('"').nth(3).unwrap().to_owned();
            sids.push((sid(&theirs), sid(&ours)));
        } else {
            assert_eq!(answer.body, recorded, "{name} {path}");
        }
    }
}

fn path_of(request: &Value, sids: &[(String, String)]) -> String {
    let path = request["path"].as_str().unwrap().to_owned();
    sids.iter().fold(path, |path, (theirs, ours)| path.replace(theirs, ours))
}

/// The headers that clients look at.
fn compare_headers(differences: &Differences, name: &str, recorded: &Value, ours: &hyper::HeaderMap) {
    let recorded: Vec<&str> = recorded.as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
    for pair in recorded.chunks(2) {
        let [header, value] = pair else { panic!("{pair:?}") };
        let given = ours.get(*header).map(|value| value.to_str().unwrap());
        match differences.instead(name, header) {
            Some("nothing") => assert_eq!(given, None, "{name}: {header}"),
            Some(other) => panic!("{other}"),
            None if ["Date", "Connection", "Content-Length", "Transfer-Encoding", "Sec-WebSocket-Accept"]
                .contains(header) => {}
            None => assert_eq!(given.map(str::to_lowercase), Some(value.to_lowercase()), "{name}: {header}"),
        }
    }
}
