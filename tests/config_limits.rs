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
use std::time::Duration;

use app::written;
use client::Client;
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
const answer = await fetch(event.payload.text)
event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
await bp.events.replyToEvent(event, [{ type: 'text', text: (await answer.json()).path }])
";

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
async fn tried(settings: &[Setting], far: &Far) -> Result<(), String> {
    let [main, web] = ["botpress.config.json", "config/channel-web.json"];
    let files = [(main, written_file(settings, main)), (web, written_file(settings, web))];
    let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    files.extend([("bots/bot/bot.config.json", "{}"), ("hooks/before_incoming_middleware/x.js", HOOK)]);
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
    let said = said(&client, far).await;
    shutdown.send(()).unwrap();
    running.await.unwrap().map_err(|error| format!("{error:#}"))?;
    said
}

async fn said(client: &Client, far: &Far) -> Result<(), String> {
    let body = json!({ "type": "text", "text": format!("{}/x", far.url()) }).to_string();
    let asked = client.post("/api/v1/bots/bot/converse/ann", body);
    let answer = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| "no answer".to_owned())?;
    if answer.status == 200 && answer.body.contains(r#""text":"/x""#) {
        Ok(())
    } else {
        Err(format!("{} {}", answer.status, answer.body))
    }
}

/// Tries the values of each section together.
async fn all_at(highest: bool) {
    let far = Far::start().await;
    let mut sections: BTreeMap<String, Vec<Setting>> = BTreeMap::new();
    let settings = bounds("botpress.config.json", MAIN, highest).into_iter();
    for setting in settings.chain(bounds("config/channel-web.json", CHANNEL_WEB, highest)) {
        let section = if std::env::var("EACH").is_ok() { setting.1 } else { setting.1.split('.').next().unwrap() };
        sections.entry(section.to_owned()).or_default().push(setting);
    }
    let mut wrong = Vec::new();
    for (section, settings) in sections {
        if let Err(error) = tried(&settings, &far).await {
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
