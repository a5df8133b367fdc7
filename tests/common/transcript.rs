//! What an event did, as lines in the order in which it happened: its steps, its replies and what was logged.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::golden;
use crate::hearing::Heard;

/// Of what an event did, so many lines are shown.
const MOST_LINES: usize = 60;

/// A message of a bot.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) bot: String,
    pub(crate) user: String,
    pub(crate) payload: Value,
}

/// Reads what is stored, beside the server.
pub(crate) struct Stored {
    connection: Connection,
    /// The last message that was shown: event and sequence.
    shown: (i64, i64),
}

impl Stored {
    pub(crate) fn open(folder: &Path) -> Self {
        let connection =
            Connection::open_with_flags(folder.join("data.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        connection.busy_timeout(Duration::from_secs(30)).unwrap();
        connection.pragma_update(None, "query_only", true).unwrap();
        Self { connection, shown: (0, 0) }
    }

    /// The bots' messages that were not shown yet, by event, in the order in which they were sent. Whether typing holds
    /// them back is of no account.
    pub(crate) fn replies(&mut self) -> BTreeMap<i64, VecDeque<Reply>> {
        let sql = "SELECT m.event, m.sequence, c.bot, c.user_id, m.payload FROM messages m \
                   JOIN conversations c ON c.id = m.conversation \
                   WHERE m.user_id IS NULL AND (m.event, m.sequence) > (?, ?) ORDER BY m.event, m.sequence";
        let mut statement = self.connection.prepare(sql).unwrap();
        let mut rows = statement.query(self.shown).unwrap();
        let mut replies: BTreeMap<i64, VecDeque<Reply>> = BTreeMap::new();
        while let Some(row) = rows.next().unwrap() {
            let payload: String = row.get(4).unwrap();
            self.shown = (row.get(0).unwrap(), row.get(1).unwrap());
            replies.entry(self.shown.0).or_default().push_back(Reply {
                bot: row.get(2).unwrap(),
                user: row.get(3).unwrap(),
                payload: serde_json::from_str(&payload).unwrap(),
            });
        }
        replies
    }

    /// The user's newest conversation with the bot.
    pub(crate) fn conversation(&self, bot: &str, user: &str) -> Option<i64> {
        let sql = "SELECT max(id) FROM conversations WHERE bot = ? AND user_id = ?";
        self.connection.query_row(sql, [bot, user], |row| row.get(0)).unwrap()
    }
}

/// What an event did. `replies` and `logs` are its own; what no step speaks of comes at the end.
pub(crate) fn event(
    trace: &Value,
    replies: VecDeque<Reply>,
    logs: Vec<Heard>,
    mut reply: impl FnMut(&Reply) -> String,
) -> Vec<String> {
    let (mut replies, mut logs) = (replies, VecDeque::from(logs));
    let mut lines = Vec::new();
    for (late, steps) in [(false, &trace["steps"]), (true, &trace["late"])] {
        for step in steps.as_array().into_iter().flatten() {
            let text = |key: &str| step[key].as_str().unwrap_or_default();
            let line = match text("s") {
                "reply" if text("t") == "typing" => Some("  typing".to_owned()),
                "reply" => replies.pop_front().map(|message| reply(&message)),
                "log" => {
                    let script = |heard: &Heard| heard.target == "script" && heard.level != "error";
                    take(&mut logs, script).map(|heard| golden::entry(&heard))
                }
                "error" => {
                    let told = take(&mut logs, |heard| heard.level == "error" && heard.message.contains(text("err")));
                    Some(told.map_or_else(|| format!("  error: {}", text("err")), |heard| golden::entry(&heard)))
                }
                _ => self::step(step),
            };
            lines.extend(line.map(|line| if late { format!("  late{line}") } else { line }));
        }
    }
    lines.extend(trace["ended"].as_str().map(|why| format!("  ended: {why}")));
    lines.extend(replies.iter().map(&mut reply));
    lines.extend(logs.iter().map(golden::entry));
    if lines.len() > MOST_LINES {
        // What goes on and on does not get better in the middle.
        let cut = lines.len() - MOST_LINES;
        lines.splice(MOST_LINES / 2..MOST_LINES / 2 + cut, [format!("  … {cut} lines …")]);
    }
    lines
}

/// The first entry that fits.
fn take(logs: &mut VecDeque<Heard>, fits: impl Fn(&Heard) -> bool) -> Option<Heard> {
    let at = logs.iter().position(fits)?;
    logs.remove(at)
}

/// A step that is neither a reply nor said in the log.
fn step(step: &Value) -> Option<String> {
    let text = |key: &str| step[key].as_str().unwrap_or_default();
    let place = || format!("{}#{}", text("flow"), text("node"));
    let mut line = match text("s") {
        "hook" => format!("  hook {}", golden::hook(step)?),
        "decision" if text("r").starts_with("no suggestion") => return None,
        "node" | "jump" | "return" => format!("  {} {}", text("s"), place()),
        "say" => format!("  say {}", text("i").trim_start_matches("say ")),
        "action" => format!("  action {} ({})", text("n"), text("f")),
        "transition" => format!("  if {} → {}", text("if"), text("to")),
        "wait" => "  wait".to_owned(),
        "end" => format!("  end: {}", text("why")),
        "event" => format!("  sends {}", text("t")),
        other => format!("  {other} {}", ["r", "n", "t"].map(text).concat()),
    };
    if text("s") == "action" && !step["err"].is_null() {
        line.push_str(" ✗");
    }
    Some(line)
}

/// A payload: a plain text as it is, anything else as JSON.
pub(crate) fn payload(payload: &Value) -> String {
    let plain = |key: &str| match key {
        "type" => payload["type"] == "text",
        "markdown" => payload["markdown"] == true,
        "text" => true,
        _ => false,
    };
    match (payload.as_object(), payload["text"].as_str()) {
        (Some(members), Some(text)) if members.len() == 3 && members.keys().all(|key| plain(key)) => {
            text.replace('\n', "\n    ")
        }
        _ => payload.to_string(),
    }
}

/// The turns that a session remembers now (a JSON array) and did not before, on one line.
pub(crate) fn new_turns(before: &str, now: &str) -> String {
    let turns = |json: &str| serde_json::from_str::<Vec<Value>>(json).unwrap_or_default();
    let before = turns(before);
    let new = turns(now).into_iter().filter(|turn| !before.contains(turn));
    let line = new.map(|turn| {
        let text = |key: &str| turn[key].as_str().unwrap_or_default().to_owned();
        format!("{:?} → {}: {}", text("incomingPreview"), text("replySource"), text("replyPreview"))
    });
    line.collect::<Vec<_>>().join(" | ")
}
