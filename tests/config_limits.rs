//! The lowest and the highest value of every key that has bounds: the server starts, a script calls another server and answers.
//! `EACH=1` tries every value by itself instead of all of a section at once, which says which one it is.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "common/client.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod client;
#[path = "common/far.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod far;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Duration;

use app::written;
use client::{Answer, Client};
use far::Far;
use nudge::app::{App, Options};
use nudge::config::Settings;
use nudge::config::keys::{CHANNEL_WEB, MAIN};
use nudge::config::schema::{Key, ValueKind};
use nudge::dispatch::WorkerCommand;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

/// How long anything may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

const HOOK: &str = "if (event.type !== 'text') return
const answer = await fetch('BASE/big/1')
event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
await bp.events.replyToEvent(event, [{ type: 'text', text: `${answer.status} ${(await answer.text()).length}` }])
";

/// What takes longer than so short a time is ended, which is what these are for: with them the server must start and answer, or say
/// which of them ended it. On a busy machine everything takes longer.
const TIMES: [&str; 9] = [
    "converse.timeout",
    "fetch.timeout",
    "scripts.actionRunning",
    "scripts.actionWaiting",
    "scripts.eventRunning",
    "scripts.eventWaiting",
    "scripts.hookRunning",
    "scripts.hookWaiting",
    "scripts.slice",
];

/// What servers of this process have logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value of a key, and in which file it stands.
type Setting = (&'static str, &'static str, Value);

fn bounds(file: &'static str, keys: &'static [Key<Settings>], highest: bool) -> Vec<Setting> {
    let value = |key: &Key<Settings>| match key.kind {
        ValueKind::Whole(min, max) | ValueKind::Size(min, max) => Some(if highest { max.into() } else { min.into() }),
        ValueKind::Fraction(min, max) => Some(json!(if highest { max } else { min })),
        // A hundred years, where there is no highest one.
        ValueKind::Duration(min) => Some(if highest { "36500d".into() } else { min.into() }),
        _ => None,
    };
    keys.iter().filter_map(|key| Some((file, key.path, value(key)?))).collect()
}

/// A file of the configuration with these values.
fn written_file(settings: &[Setting], file: &str) -> String {
    let mut object = Map::new();
    for (_, path, value) in settings.iter().filter(|(of, ..)| *of == file) {
        let mut at = &mut object;
        let (above, name) = path.rsplit_once('.').unwrap_or(("", path));
        for part in above.split('.').filter(|part| !part.is_empty()) {
            at = at.entry(part).or_insert_with(|| json!({})).as_object_mut().unwrap();
        }
        at.insert(name.to_owned(), value.clone());
    }
    Value::Object(object).to_string()
}

/// What goes wrong with these settings, if anything does.
async fn tried(settings: &[Setting], far: &Far) -> Result<Answer, String> {
    let [main, web] = ["botpress.config.json", "config/channel-web.json"];
    let files = [(main, written_file(settings, main)), (web, written_file(settings, web))];
    let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let hook = HOOK.replace("BASE", &far.url());
    files.extend([("bots/bot/bot.config.json", "{}"), ("hooks/before_incoming_middleware/x.js", hook.as_str())]);
    let folder = written(&files);
    let mut options = Options::new(folder.path());
    options.port = Some(0);
    options.watch = false;
    options.worker = WorkerCommand::of(env!("CARGO_BIN_EXE_nudge"));
    let app = App::build(options).await.map_err(|error| format!("{error:#}"))?;
    let client = Client { address: ([127, 0, 0, 1], app.port()).into() };
    let (shutdown, asked) = oneshot::channel::<()>();
    let running = tokio::spawn(app.run_until_stopped(async move {
        let _ = asked.await;
    }));
    let said = said(&client).await;
    shutdown.send(()).unwrap();
    running.await.unwrap().map_err(|error| format!("{error:#}"))?;
    said
}

async fn said(client: &Client) -> Result<Answer, String> {
    let body = json!({ "type": "text", "text": "x" }).to_string();
    let asked = client.post("/api/v1/bots/bot/converse/ann", body);
    tokio::time::timeout(PATIENCE, asked).await.map_err(|_| "no answer".to_owned())
}

/// Whether the hook has called the other server and answered.
fn well(answer: &Answer) -> Result<(), String> {
    let well = answer.status == 200 && answer.body.contains(r#""text":"200 1""#);
    if well { Ok(()) } else { Err(format!("{} {}", answer.status, answer.body)) }
}

/// Whether it did, or the answer or the log names the one of these limits that kept it from that.
fn ended_by(answer: &Answer, settings: &[Setting]) -> Result<(), String> {
    let log = String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned();
    let named = settings.iter().any(|(_, path, _)| log.contains(path) || answer.body.contains(path));
    well(answer).or_else(|error| if named { Ok(()) } else { Err(format!("{error}, and nothing says why:\n{log}")) })
}

/// Tries the values of each section together.
async fn all_at(highest: bool) {
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log);
    // The other test of this process may have done so.
    let _ = log.try_init();
    let far = Far::start().await;
    let mut sections: BTreeMap<(bool, String), Vec<Setting>> = BTreeMap::new();
    let settings = bounds("botpress.config.json", MAIN, highest).into_iter();
    for setting in settings.chain(bounds("config/channel-web.json", CHANNEL_WEB, highest)) {
        let short = !highest && TIMES.contains(&setting.1);
        let section = match setting.1 {
            path if std::env::var("EACH").is_ok() => path,
            _ if short => "short times",
            path => path.split('.').next().unwrap(),
        };
        sections.entry((short, section.to_owned())).or_default().push(setting);
    }
    let mut wrong = Vec::new();
    for ((short, section), settings) in sections {
        let outcome = tried(&settings, &far).await;
        if let Err(error) = outcome.and_then(|answer| if short { ended_by(&answer, &settings) } else { well(&answer) })
        {
            let values: Vec<String> = settings.iter().map(|(_, path, value)| format!("{path}: {value}")).collect();
            wrong.push(format!("{section} ({}): {error}", values.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_works_at_its_lowest() {
    all_at(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_works_at_its_highest() {
    all_at(true).await;
}
