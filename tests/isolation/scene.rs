//! A server with both bots, a visitor of `b` whose page listens, and all that can be seen of `b` from outside.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nudge::clock::Clock;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::app::TestApp;
use super::socket::{Socket, Transport};
use super::workspace::{self, SECRET};

/// How long anything may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than typing holds anything back.
const AFTER_TYPING: Duration = Duration::from_secs(2);
/// What is stored of `b`: all but what it takes to look at it.
const STORED: [&str; 5] = [
    "SELECT 'session', channel, target, thread, session || context FROM sessions WHERE bot = 'b' AND target <> 'probe'",
    "SELECT 'value', bot, key, value, expires_on IS NULL FROM kvs WHERE bot <> 'a' AND bot NOT LIKE 'a' || char(31) || '%'",
    "SELECT 'user', channel, user_id, attributes, '' FROM users \
     WHERE user_id <> 'probe' AND channel NOT LIKE 'a' || char(31) || '%'",
    "SELECT 'message', c.channel, c.user_id, m.payload, m.message_type FROM messages m JOIN conversations c ON c.id = m.conversation \
     WHERE c.bot = 'b' AND c.user_id <> 'probe'",
    "SELECT 'conversation', channel, user_id, '', '' FROM conversations WHERE bot = 'b' AND user_id <> 'probe'",
];

/// What came of an attempt.
pub(crate) struct Came {
    /// `gave …` or `threw …`.
    pub(crate) said: String,
    /// What the visitor's page heard.
    heard: Vec<String>,
    /// What was there of `b` before or after, and not both.
    changed: Vec<String>,
}

impl Came {
    /// Whether anything of `b` was learned or changed, or its visitor told anything.
    pub(crate) fn reached(&self) -> bool {
        self.said.contains(SECRET) || !self.heard.is_empty() || !self.changed.is_empty()
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  it {}\n  heard: {:?}\n  changed: {:#?}", self.said, self.heard, self.changed)
    }
}

/// The server and the visitor.
pub(crate) struct Scene {
    app: TestApp,
    clock: Clock,
    page: Socket,
    /// The conversation of the visitor whose page listens.
    thread: String,
    known: Value,
}

impl Scene {
    pub(crate) async fn start(isolation: &str) -> Self {
        Self::start_with(isolation, &[]).await
    }

    /// With more files.
    pub(crate) async fn start_with(isolation: &str, more: &[(&str, &str)]) -> Self {
        let files = workspace::files(isolation);
        let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        files.extend(more);
        let clock = Clock::manual(1_790_000_000_000);
        let app = TestApp::serve(super::app::written(&files), |options| {
            options.production = true;
            options.clock = clock.clone();
        })
        .await;
        for visitor in ["eve", "frank"] {
            let path = format!("/api/v1/bots/b/mod/channel-web/messages/{visitor}");
            let answer = app.client.post(&path, r#"{"type":"text","text":"remember"}"#).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let file = converse(&app, "b", "mallory", "remember").await;
        converse(&app, "b", "probe", "nothing").await;
        app.processed().await;
        let [thread, franks] = [thread(&app, "eve").await, thread(&app, "frank").await];
        let mut page = Socket::open(app.client.address, Transport::Websocket, "").await;
        let opened = page.next().await;
        let socket = opened.split('"').nth(3).unwrap().to_owned();
        assert_eq!(page.next().await, "40");
        page.send("40/guest?visitorId=eve,").await;
        assert_eq!(page.next().await, "40/guest,");
        let base = format!("http://{}", app.client.address);
        let known = json!({ "file": file, "thread": thread, "franks": franks, "socket": socket, "base": base });
        Self { app, clock, page, thread, known }
    }

    pub(crate) async fn stop(self) {
        self.app.stop().await;
    }

    /// Has bot `a` make an attempt, and looks at all that is `b`'s before and after.
    pub(crate) async fn attempt(&mut self, number: usize) -> Came {
        let before = self.all_of_b().await;
        let said = converse(&self.app, "a", "mallory", &format!("{number} {}", self.known)).await;
        self.app.processed().await;
        let heard = self.heard().await;
        let after = self.all_of_b().await;
        let only = |here: &[String], there: &[String], mark: &str| -> Vec<String> {
            here.iter().filter(|line| !there.contains(line)).map(|line| format!("{mark} {line}")).collect()
        };
        let changed = [only(&before, &after, "-"), only(&after, &before, "+")].concat();
        Came { said, heard, changed }
    }

    /// Runs one of the scripts that both bots have.
    pub(crate) async fn run_as(&self, bot: &str, name: &str) -> Value {
        let said = converse(&self.app, bot, "owner", &format!("own {name}")).await;
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{bot}, {name}: {error}: {said}"))
    }

    /// What a bot has said to a visitor.
    pub(crate) fn messages_of(&self, bot: &str, visitor: &str) -> Vec<String> {
        let sql = "SELECT m.message_text FROM messages m JOIN conversations c ON c.id = m.conversation \
                   WHERE c.bot = ? AND c.user_id = ? AND m.user_id IS NULL ORDER BY m.event, m.sequence";
        let connection = database(self.app.folder.path());
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([bot, visitor], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, so: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while !so().await {
            assert!(begun.elapsed() < PATIENCE, "it never came to this");
        }
    }

    /// Refers a visitor to a bot; gives the status.
    pub(crate) async fn refer(&self, bot: &str, text: &str, signature: &str) -> u16 {
        let text = text.replace(' ', "%20");
        let path = format!("/api/v1/bots/{bot}/mod/channel-web/conversations/ref/null/reference/{text}={signature}");
        self.app.client.post(&path, "{}").await.status
    }

    /// Where a short link leads, as soon as there is one.
    pub(crate) async fn link(&self, name: &str) -> String {
        let path = format!("/s/{name}");
        self.until(async || self.app.client.get(&path).await.status == 302).await;
        self.app.client.get(&path).await.header("location").to_owned()
    }

    /// What was told to the visitor's page since the last time.
    async fn heard(&mut self) -> Vec<String> {
        self.clock.advance(AFTER_TYPING);
        // A page that says nothing for long is taken for gone.
        self.page.send("2").await;
        converse(&self.app, "b", "probe", &format!("after {}", self.thread)).await;
        let mut heard = Vec::new();
        loop {
            let packet = self.page.next().await;
            if packet.contains("\"after\":\"everything\"") {
                return heard;
            }
            if packet != "3" {
                heard.push(packet);
            }
        }
    }

    /// All that is `b`'s, as it is seen from outside.
    async fn all_of_b(&self) -> Vec<String> {
        let folder = self.app.folder.path();
        let mut all = stored(folder);
        for place in ["bots/b/media", "hooks/after_bot_mount"] {
            all.extend(
                fs::read_dir(folder.join(place)).into_iter().flatten().map(|entry| format!("{:?}", entry.unwrap())),
            );
        }
        for link in ["b", "of-b", "of-all"] {
            let answer = self.app.client.get(&format!("/s/{link}")).await;
            all.push(format!("link {link} {} {}", answer.status, answer.header("location")));
        }
        all.push(format!("realm {}", converse(&self.app, "b", "probe", "nothing").await));
        all
    }
}

fn database(folder: &Path) -> Connection {
    let connection = Connection::open_with_flags(folder.join("data.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    connection.busy_timeout(PATIENCE).unwrap();
    connection.pragma_update(None, "query_only", true).unwrap();
    connection
}

fn stored(folder: &Path) -> Vec<String> {
    let connection = database(folder);
    let mut all = Vec::new();
    for sql in STORED {
        let mut statement = connection.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            all.push((0..5).map(|column| format!("{:?} ", row.get_ref(column).unwrap())).collect());
        }
    }
    all
}

/// What a bot says to a text.
async fn converse(app: &TestApp, bot: &str, user: &str, text: &str) -> String {
    let path = format!("/api/v1/bots/{bot}/converse/{user}");
    let answer = app.client.post(&path, json!({ "type": "text", "text": text }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["responses"][0]["text"].as_str().unwrap_or_else(|| panic!("{text}: {}", answer.body)).to_owned()
}

/// The conversation of a visitor of `b`.
async fn thread(app: &TestApp, visitor: &str) -> String {
    let path = format!("/api/v1/bots/b/mod/channel-web/conversations/{visitor}");
    app.client.get(&path).await.json()["conversations"][0]["id"].to_string()
}
