//! Whole conversations: `golden/conversations/<case>/` holds the files of a workspace and `chat.txt`, what a user does
//! (`common/chat.rs` says how it is written); `out.txt` is the transcript: what was said, every step in between, and the
//! state as it is stored after each turn. `UPDATE=1` writes `out.txt`, `CASE=<part of a name>` runs some cases only.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "common/blank.rs"]
mod blank;
#[path = "common/chat.rs"]
mod chat;
#[path = "common/client.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod client;
#[path = "common/golden.rs"]
mod golden;
#[path = "common/hearing.rs"]
mod hearing;
#[path = "common/transcript.rs"]
mod transcript;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use app::TestApp;
use blank::blank;
use chat::Line;
use client::Answer;
use golden::{GLANCE, PATIENCE};
use hearing::{Heard, Hearing};
use nudge::clock::Clock;
use nudge::model::{BotId, ConversationKey, SessionKey, UserId};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use transcript::{Reply, Stored};

/// Cases are shared out, each part is a test of its own: they run side by side.
const PARTS: usize = 4;

/// What is logged in this process. Parts in one process come one after the other.
static HEARING: OnceLock<Mutex<Hearing>> = OnceLock::new();

macro_rules! parts {
    ($($name:ident: $number:literal),*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            part($number).await;
        })*
    };
}
parts! {
    conversations_go_as_their_transcripts_say_first_part: 0,
    conversations_go_as_their_transcripts_say_second_part: 1,
    conversations_go_as_their_transcripts_say_third_part: 2,
    conversations_go_as_their_transcripts_say_fourth_part: 3
}

async fn part(number: usize) {
    let hearing = HEARING.get_or_init(|| Mutex::new(Hearing::start())).lock().await;
    let mut differences = Vec::new();
    for case in golden::cases("golden/conversations").iter().skip(number).step_by(PARTS) {
        hearing.take();
        let said = Case::run(case, &hearing).await;
        differences.extend(golden::compare(case, &said));
    }
    golden::assert_same(&differences);
}

/// One case while it runs.
struct Case<'h> {
    app: TestApp,
    hearing: &'h Hearing,
    clock: Clock,
    stored: Stored,
    /// Who speaks to whom.
    bot: String,
    user: String,
    /// The state of each bot's users as it was shown last: its parts by their names.
    states: BTreeMap<(String, String), BTreeMap<&'static str, String>>,
    out: String,
}

impl<'h> Case<'h> {
    async fn run(folder: &Path, hearing: &'h Hearing) -> String {
        let script = fs::read_to_string(folder.join("chat.txt")).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        let lines = chat::parse(&script);
        let watch = lines.iter().any(|(_, line)| matches!(line, Line::Write { .. } | Line::Delete(_)));
        let clock = golden::clock();
        let workspace = golden::workspace(folder, &["chat.txt"]);
        let app = TestApp::serve(workspace, |options| {
            options.clock = clock.clone();
            options.watch = watch;
        });
        let app = app.await;
        let mut case = Self {
            bot: golden::first_bot(&app.client).await,
            stored: Stored::open(app.folder.path()),
            app,
            hearing,
            clock,
            user: "ann".to_owned(),
            states: BTreeMap::new(),
            out: String::new(),
        };
        case.settle(0).await;
        for (said, line) in lines {
            case.line(&said, line).await;
        }
        case.app.stop().await;
        case.out
    }

    async fn line(&mut self, said: &str, line: Line) {
        self.say(said);
        match line {
            Line::Comment => {}
            Line::Message(body) => self.post("messages", &body).await,
            Line::Event(body) => self.post("events", &body).await,
            Line::User(user) => self.user = user,
            Line::Bot(bot) => self.bot = bot,
            Line::Language(language) => {
                // As a page says it when it is opened.
                let body = json!({ "type": "visit", "text": "visit", "language": language });
                self.post("messages", &body).await;
            }
            Line::Wait(time) => {
                golden::later(&self.app, &self.clock, time, self.hearing).await;
                self.settle(0).await;
            }
            Line::Write { path, text } => {
                let before = self.program().await;
                let path = self.app.folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
                self.changed(before).await;
            }
            Line::Delete(path) => {
                let before = self.program().await;
                fs::remove_file(self.app.folder.path().join(path)).unwrap();
                self.changed(before).await;
            }
        }
    }

    /// Sends something to the web channel, and notes what comes of it.
    async fn post(&mut self, route: &str, body: &Value) {
        let path = format!("/api/v1/bots/{}/mod/channel-web/{route}/{}", self.bot, self.user);
        self.states.entry((self.bot.clone(), self.user.clone())).or_default();
        let before = golden::accepted(&self.app.client).await;
        let Answer { status, body, .. } = self.app.client.post(&path, body.to_string()).await;
        if status != 200 {
            self.say(&format!("  {status} {}", body.trim_end()));
        }
        let accepted = golden::accepted(&self.app.client).await - before;
        self.settle(usize::try_from(accepted).unwrap()).await;
    }

    /// Waits until all is over, `events` of them at least, and notes what came of it.
    async fn settle(&mut self, events: usize) {
        golden::settled(&self.app, self.hearing, events).await;
        let mut traces = Vec::new();
        let mut logs: BTreeMap<String, Vec<Heard>> = BTreeMap::new();
        for heard in self.hearing.take() {
            match &heard.trace {
                Some(trace) => traces.push(serde_json::from_str::<Value>(trace).unwrap()),
                None => logs.entry(heard.event.clone().unwrap_or_default()).or_default().push(heard),
            }
        }
        let mut replies = self.stored.replies();
        for trace in traces {
            let id = trace["eventId"].as_str().unwrap();
            // What came late was not logged yet.
            let whole = self.app.client.get(&format!("/api/v1/traces/{id}")).await.json();
            self.head(&whole);
            let (replies, logs) = (replies.remove(&id.parse().unwrap()), logs.remove(id));
            let lines = transcript::event(&whole, replies.unwrap_or_default(), logs.unwrap_or_default(), |reply| {
                self.reply(reply)
            });
            for line in lines {
                self.say(&line);
            }
        }
        for reply in replies.into_values().flatten() {
            let line = self.reply(&reply);
            self.say(&line);
        }
        for heard in logs.into_values().flatten() {
            self.say(&golden::entry(&heard));
        }
        self.show_states();
    }

    /// Names an event that is not the one that was just sent.
    fn head(&mut self, trace: &Value) {
        let text = |key: &str| trace[key].as_str().unwrap();
        let own = text("botId") == self.bot && text("target") == self.user && text("channel") == "web";
        let key = (text("botId").to_owned(), text("target").to_owned());
        self.states.entry(key).or_default();
        let awaited = self.out.lines().last().is_some_and(|line| !line.starts_with(' '));
        if !own || !awaited || text("type") == "timeout" {
            let line =
                format!("  event {} of {}/{} to {}", text("type"), text("channel"), text("target"), text("botId"));
            self.say(&line);
        }
    }

    fn reply(&self, reply: &Reply) -> String {
        let whose = self.whose(&reply.bot, &reply.user);
        format!("{whose}< {}", transcript::payload(&reply.payload))
    }

    /// Whose something is, if not of those who speak.
    fn whose(&self, bot: &str, user: &str) -> String {
        match (bot == self.bot, user == self.user) {
            (true, true) => String::new(),
            (true, false) => format!("{user} "),
            (false, _) => format!("{user}@{bot} "),
        }
    }

    /// Shows the parts of each state that are stored otherwise than before.
    fn show_states(&mut self) {
        let mut states = std::mem::take(&mut self.states);
        for ((bot, user), before) in &mut states {
            let now = self.state(bot, user);
            let whose = self.whose(bot, user);
            for (name, value) in &now {
                let before = before.get(name).map_or("", String::as_str);
                if before == value || (before.is_empty() && ["{}", "[]"].contains(&value.as_str())) {
                    continue;
                }
                let value = if *name == "said" { transcript::new_turns(before, value) } else { value.clone() };
                self.say(&format!("  {whose}{name} {value}"));
            }
            *before = now;
        }
        self.states = states;
    }

    /// The state as it is stored.
    fn state(&self, bot: &str, user: &str) -> BTreeMap<&'static str, String> {
        let thread = self.stored.conversation(bot, user).map(|id| id.to_string().into());
        let conversation = ConversationKey {
            bot: BotId::parse(bot).unwrap(),
            channel: "web".into(),
            target: UserId::parse(user).unwrap(),
        };
        let state = self.app.store.restore(&SessionKey { conversation, thread }).unwrap();
        let mut session: Value = serde_json::from_str(&state.session).unwrap();
        let members = session.as_object_mut().unwrap();
        let said = members.shift_remove("lastMessages").map_or_else(|| "[]".to_owned(), |turns| turns.to_string());
        if members.get("extractedSlots").and_then(Value::as_object).is_some_and(Map::is_empty) {
            members.shift_remove("extractedSlots");
        }
        let parts = [
            ("user", state.user),
            ("session", session.to_string()),
            ("temp", state.temp),
            ("context", state.context),
            ("said", said),
        ];
        parts.into()
    }

    /// The version of the files that were read last, and of those that events run on.
    async fn program(&self) -> (u64, u64) {
        let status = self.app.client.get("/status").await.json();
        (status["program"].as_u64().unwrap(), status["queue"]["program"].as_u64().unwrap())
    }

    /// Waits until the files that changed are in service.
    async fn changed(&mut self, (before, _): (u64, u64)) {
        let started = Instant::now();
        loop {
            let (read, runs) = self.program().await;
            if read > before && runs == read {
                return self.settle(0).await;
            }
            assert!(started.elapsed() < PATIENCE, "the change does not come into service\n{}", self.out);
            tokio::time::sleep(GLANCE).await;
        }
    }

    fn say(&mut self, text: &str) {
        let text = blank(text, self.app.client.address.port());
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }
}
