//! A conversation as plain text, for people to keep.

use std::fmt::Write as _;

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::handle::Store;
use super::memory::UserName;
use super::messages::READS;
use super::timestamp::Timestamp;
use super::users;
use crate::model::ConversationKey;

/// What ends a line: these files are opened with whatever a visitor has.
const END: &str = "\r\n";

/// Types of messages that are shown by their name alone, whatever text came with them: what was filled in or pressed is not said.
const EVENTS: [&str; 4] = ["form", "login_prompt", "postback", "request_start_conversation"];

/// A transcript.
#[derive(Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The conversation's title.
    pub title: String,
    /// The text.
    pub text: String,
}

/// A message as the transcript has it.
struct Said {
    by: Option<String>,
    name: String,
    kind: String,
    text: Option<String>,
    sent_on: u64,
}

impl Store {
    /// The messages of a conversation that can be seen now as text of about `size` bytes at most: where that is not enough, the
    /// last ones, and a line says so. `None` if there is no such conversation of that bot and user.
    pub fn transcript(&self, key: &ConversationKey, id: i64, size: usize) -> Result<Option<Transcript>, StoreError> {
        let now = self.now();
        self.read(|connection| transcript(connection, key, id, (now, size), self.0.rules.per_bot))
    }
}

fn transcript(
    connection: &Connection,
    key: &ConversationKey,
    id: i64,
    (now, size): (u64, usize),
    per_bot: bool,
) -> Result<Option<Transcript>, StoreError> {
    let sql = "SELECT c.title, c.created_on, ifnull(u.attributes, '{}') FROM conversations c \
               LEFT JOIN users u ON u.channel = ?5 AND u.user_id = c.user_id \
               WHERE c.id = ?1 AND c.bot = ?2 AND c.channel = ?3 AND c.user_id = ?4";
    let user = UserName::of(key, per_bot);
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![id, key.bot.as_str(), key.channel, key.target.as_str(), user.channel], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?, row.get::<_, String>(2)?))
        })
        .optional()?;
    let Some((title, created_on, attributes)) = found else { return Ok(None) };
    let [first, last] = users::names(&attributes);
    let mut text = format!(
        "Title: {title}{END}Created on: {}{END}User: {} {}{END}-----------------{END}",
        date(created_on),
        one_line(&first),
        one_line(&last)
    );
    let (lines, cut) = lines(connection, id, now, size)?;
    if cut {
        let _ = write!(text, "(earlier messages are left out){END}");
    }
    text.extend(lines.into_iter().rev());
    Ok(Some(Transcript { title, text }))
}

/// A line for each message, the last one first, and whether there are more. No more is read than is kept.
fn lines(connection: &Connection, id: i64, now: u64, size: usize) -> Result<(Vec<String>, bool), StoreError> {
    // The texts alone: payloads may be many times as long.
    let sql = format!(
        "SELECT user_id, full_name, message_type, {READS}, sent_on FROM messages m \
         WHERE conversation = ? AND deliver_at <= ? AND message_type <> 'visit' \
         ORDER BY deliver_at DESC, event DESC, sequence DESC"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![id, now], |row| {
        Ok(Said { by: row.get(0)?, name: row.get(1)?, kind: row.get(2)?, text: row.get(3)?, sent_on: row.get(4)? })
    })?;
    let (mut lines, mut bytes) = (Vec::new(), 0);
    for said in rows {
        let line = said?.line();
        bytes += line.len();
        if bytes > size {
            return Ok((lines, true));
        }
        lines.push(line);
    }
    Ok((lines, false))
}

impl Said {
    fn line(&self) -> String {
        let author = if self.by.is_some() { &self.name } else { "Bot" };
        let shown = match self.text.as_deref().filter(|_| !EVENTS.contains(&self.kind.as_str())) {
            Some(text) => text.replace("\r\n", "\n").replace('\n', END),
            None => format!("Event ({})", self.kind),
        };
        format!("[{}] {}: {shown}{END}", date(self.sent_on), one_line(author))
    }
}

/// A name: it must not look like a line of somebody else.
fn one_line(name: &str) -> String {
    name.replace(char::is_control, " ")
}

/// `11/22/26 06:48`, in UTC.
fn date(milliseconds: u64) -> String {
    // 2026-11-22T06:48:19.736Z
    let text = Timestamp(milliseconds).to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!("{}/{}/{} {}", part(5, 7), part(8, 10), part(2, 4), part(11, 16))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Attributes, ConversationTarget};

    fn say(fixture: &Fixture, user: &str, place: ConversationTarget, text: &str) -> i64 {
        let accepted = wait(|then| fixture.store.accept(draft(user), place, Some(message(text)), then)).unwrap();
        accepted.conversation.unwrap()
    }

    fn of(fixture: &Fixture, user: &str, id: i64, size: usize) -> Option<String> {
        let found = fixture.store.transcript(&whose(user), id, size).unwrap();
        found.map(|found| found.text.replace(&found.title, "TITLE"))
    }

    #[test]
    fn a_transcript_is_as_recorded() {
        let fixture = Fixture::new();
        let id = say(&fixture, "ann", ConversationTarget::Recent, "hi");
        let event = fixture.accept("ann", ConversationTarget::Conversation(id)).event;
        wait(|then| fixture.store.reply(event.id, 0, outgoing(&event, "Hello there!", NOW), then)).unwrap();
        wait(|then| fixture.store.reply(event.id, 1, outgoing(&event, "not yet", NOW + 1), then)).unwrap();
        let mut form = message("Name: x");
        form.message_type = "form".into();
        wait(|then| fixture.store.accept(draft("ann"), ConversationTarget::Conversation(id), Some(form), then))
            .unwrap();
        assert_eq!(
            of(&fixture, "ann", id, 1_000).unwrap(),
            "Title: TITLE\r\nCreated on: 11/22/26 06:48\r\nUser:  \r\n-----------------\r\n\
             [11/22/26 06:48] User: hi\r\n[11/22/26 06:48] Bot: Hello there!\r\n[11/22/26 06:48] User: Event (form)\r\n"
        );
        assert_eq!(of(&fixture, "bob", id, 1_000), None);
        assert_eq!(of(&fixture, "ann", id + 1, 1_000), None);
    }

    #[test]
    fn a_question_with_quick_replies_is_told_by_its_text_and_no_other_payload_breaks_a_transcript() {
        let fixture = Fixture::new();
        let id = say(&fixture, "ann", ConversationTarget::Recent, "hi");
        let event = fixture.accept("ann", ConversationTarget::Conversation(id)).event;
        let deep = format!("{}1{}", "[".repeat(1_200), "]".repeat(1_200));
        let payloads = [
            r#"{"type":"custom","wrapped":{"type":"text","text":"Sure?"}}"#,
            r#"{"type":"custom","wrapped":{"type":"text","text":7}}"#,
            r#"{"type":"custom","wrapped":null}"#,
            &format!(r#"{{"type":"custom","deep":{deep}}}"#),
        ];
        for (sequence, payload) in (0..).zip(payloads) {
            let mut out = outgoing(&event, "", NOW);
            (out.payload, out.message_type, out.message_text) = (raw(payload), "custom".into(), None);
            wait(|then| fixture.store.reply(event.id, sequence, out, then)).unwrap();
        }
        let text = of(&fixture, "ann", id, 1_000).unwrap();
        let said: Vec<&str> = text.lines().filter_map(|line| line.split_once("] ").map(|(_, said)| said)).collect();
        let event = "Bot: Event (custom)";
        assert_eq!(said, ["User: hi", "Bot: Sure?", event, event, event]);
    }

    #[test]
    fn a_long_conversation_is_cut_at_its_beginning_and_names_stay_on_their_line() {
        let fixture = Fixture::new();
        let name = [("first_name", "\"Ann\\nBot: gotcha\""), ("last_name", "\"Lee\"")];
        let attributes: Attributes = name.into_iter().map(|(key, value)| (key.to_owned(), raw(value))).collect();
        wait(|then| fixture.store.set_attributes("web".into(), "ann".into(), attributes, then)).unwrap();
        let id = say(&fixture, "ann", ConversationTarget::Recent, "one");
        for text in ["two", "three"] {
            say(&fixture, "ann", ConversationTarget::Conversation(id), text);
        }
        let cut = of(&fixture, "ann", id, 90).unwrap();
        let lines: Vec<&str> = cut.split("\r\n").collect();
        assert_eq!(lines[2], "User: Ann Bot: gotcha Lee");
        assert_eq!(lines[4], "(earlier messages are left out)");
        assert_eq!(lines[5], "[11/22/26 06:48] Ann Bot: gotcha Lee: two");
        assert_eq!(lines.len(), 8);
        let all = of(&fixture, "ann", id, 1_000).unwrap();
        assert!(all.contains("one") && !all.contains("left out"), "{all}");
    }
}
