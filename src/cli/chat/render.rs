//! Replies as text: what a bot sends, as a terminal can show it, and what can be chosen.

use serde_json::{Value, json};

use crate::telemetry::escape;

/// What choosing does: the same as a click on a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Click {
    /// A body for `/messages`: a quick reply or a postback.
    Message(Value),
    /// A body for `/events`.
    Event(Value),
    /// A link: a terminal can only show it.
    Link(String),
}

/// A reply as lines, while it is being made.
struct Page<'c> {
    lines: Vec<String>,
    /// All choices on offer; the new ones are appended.
    choices: &'c mut Vec<Click>,
}

/// The text of a payload, which may have several lines. What can be chosen is numbered on from `choices` and added to them.
pub(super) fn render(payload: &Value, choices: &mut Vec<Click>) -> String {
    let mut page = Page { lines: Vec::new(), choices };
    page.payload(payload);
    page.lines.join("\n")
}

/// The text of the first of these members that has one.
fn text(of: &Value, names: &[&str]) -> String {
    names.iter().find_map(|name| of[*name].as_str()).map(escape::lines).unwrap_or_default()
}

fn list<'v>(of: &'v Value, name: &str) -> &'v [Value] {
    of[name].as_array().map_or(&[], Vec::as_slice)
}

impl Page<'_> {
    fn payload(&mut self, payload: &Value) {
        let custom = (payload["module"].as_str(), payload["component"].as_str());
        match payload["type"].as_str().unwrap_or("text") {
            "text" => self.say(&text(payload, &["text"])),
            "file" | "image" | "audio" | "video" => self.file(payload),
            "location" => self.location(payload),
            "card" => self.card(payload),
            "carousel" => {
                self.say(text(payload, &["text"]).trim());
                for card in list(payload, "elements").iter().chain(list(payload, "items")) {
                    self.card(card);
                }
            }
            "single-choice" => {
                self.say(&text(payload, &["text"]));
                self.options(list(payload, "choices"), &["title", "label"], &["value", "payload"]);
            }
            "dropdown" => self.dropdown(payload),
            "custom" if custom == (Some("channel-web"), Some("QuickReplies")) => {
                if payload["wrapped"].is_object() {
                    self.payload(&payload["wrapped"]);
                }
                self.options(list(payload, "quick_replies"), &["title", "label"], &["payload"]);
            }
            "custom" if custom == (Some("extensions"), Some("Dropdown")) => self.dropdown(payload),
            // Hooks may have taken the built-in conversion away.
            _ if payload["quick_replies"].is_array() => {
                self.say(&text(payload, &["text"]));
                self.options(list(payload, "quick_replies"), &["title", "label"], &["payload"]);
            }
            other => self.lines.push(format!("[{}] {}", escape::one_line(other), escape::json(&payload.to_string()))),
        }
    }

    fn say(&mut self, text: &str) {
        if !text.is_empty() {
            self.lines.extend(text.trim_end().lines().map(str::to_owned));
        }
    }

    fn file(&mut self, payload: &Value) {
        let kind = text(payload, &["type"]);
        let address = text(payload, &["url", "image", "audio", "video", "file"]);
        let title = text(payload, &["title", "name"]);
        self.lines.push(format!("[{kind}] {title} {address}").split_whitespace().collect::<Vec<_>>().join(" "));
    }

    fn location(&mut self, payload: &Value) {
        let place = [text(payload, &["title"]), text(payload, &["address"])].join(" ");
        let position = format!("({}, {})", payload["latitude"], payload["longitude"]);
        self.lines.push(["[location]", place.trim(), &position].join(" "));
    }

    fn dropdown(&mut self, payload: &Value) {
        self.say(&text(payload, &["message"]));
        self.options(list(payload, "options"), &["label", "title"], &["value"]);
    }

    fn card(&mut self, card: &Value) {
        self.lines.push(format!("[card] {}", text(card, &["title"])).trim_end().to_owned());
        for part in [text(card, &["subtitle"]), text(card, &["picture", "image"])] {
            self.lines.extend(part.lines().map(|line| format!("  {line}")));
        }
        for button in list(card, "buttons").iter().chain(list(card, "actions")) {
            self.button(button);
        }
    }

    /// A card's button, by its type (`say_something`) or action (`Say something`).
    fn button(&mut self, button: &Value) {
        let title = text(button, &["title"]);
        let kind = text(button, &["type", "action"]).to_lowercase().replace(' ', "_");
        match kind.as_str() {
            "open_url" => {
                let url = text(button, &["url"]);
                self.offer(&format!("{title} → {url}"), Click::Link(url));
            }
            "postback" => {
                self.offer(&title, Click::Message(json!({ "type": "postback", "payload": button["payload"] })));
            }
            "say_something" => {
                let said = if button["text"].is_string() { &button["text"] } else { &button["title"] };
                self.offer(&title, Click::Event(json!({ "type": "say_something", "text": said })));
            }
            _ => self.lines.push(format!("  [{}] {title}", escape::one_line(&kind))),
        }
    }

    /// Quick replies, which may lie in rows.
    fn options(&mut self, options: &[Value], labels: &[&str], values: &[&str]) {
        for option in options {
            if let Some(row) = option.as_array() {
                self.options(row, labels, values);
                continue;
            }
            let label = labels.iter().map(|name| &option[*name]).find(|label| label.is_string());
            let label = label.and_then(Value::as_str).unwrap_or_default();
            let value = values.iter().map(|name| &option[*name]).find(|value| !value.is_null());
            let body = json!({ "type": "quick_reply", "text": label, "payload": value.unwrap_or(&Value::Null) });
            self.offer(&escape::one_line(label), Click::Message(body));
        }
    }

    fn offer(&mut self, label: &str, click: Click) {
        self.choices.push(click);
        self.lines.push(format!("  {}) {label}", self.choices.len()));
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(payloads: &[Value], expected: Expect) -> Vec<Click> {
        let mut choices = Vec::new();
        let text: Vec<String> = payloads.iter().map(|payload| render(payload, &mut choices)).collect();
        expected.assert_eq(&text.join("\n---\n"));
        choices
    }

    #[test]
    fn texts_are_said_as_they_are_and_cannot_move_the_cursor() {
        check(
            &[
                json!({ "type": "text", "markdown": true, "text": "**Hello**\nthere\u{1b}[2J" }),
                json!({ "text": "no type" }),
            ],
            expect![[r"
                **Hello**
                there\x1b[2J
                ---
                no type"]],
        );
    }

    #[test]
    fn quick_replies_are_numbered_on_and_click_as_on_a_page() {
        let choices = check(
            &[
                json!({
                    "type": "custom", "module": "channel-web", "component": "QuickReplies",
                    "wrapped": { "type": "text", "text": "Shall we?" },
                    "quick_replies": [{ "title": "Yes", "payload": "YES" }, [{ "label": "No", "payload": "NO" }]]
                }),
                json!({ "type": "single-choice", "text": "Which?", "choices": [{ "title": "A", "value": "a" }] }),
                json!({
                    "type": "custom", "module": "extensions", "component": "Dropdown", "message": "Pick",
                    "options": [{ "label": "One", "value": 1 }]
                }),
            ],
            expect![[r"
                Shall we?
                  1) Yes
                  2) No
                ---
                Which?
                  3) A
                ---
                Pick
                  4) One"]],
        );
        let reply = |text: &str, payload: Value| {
            Click::Message(json!({ "type": "quick_reply", "text": text, "payload": payload }))
        };
        let expected =
            [reply("Yes", json!("YES")), reply("No", json!("NO")), reply("A", json!("a")), reply("One", json!(1))];
        assert_eq!(choices, expected);
    }

    #[test]
    fn cards_are_blocks_whose_buttons_say_open_and_post() {
        let choices = check(
            &[
                json!({ "type": "carousel", "text": " ", "elements": [{
                    "title": "Socks", "subtitle": "Warm", "picture": "http://x/s.png",
                    "buttons": [
                        { "type": "say_something", "title": "Buy", "text": "I buy socks" },
                        { "type": "open_url", "title": "Look", "url": "http://x/socks" },
                        { "type": "postback", "title": "Later", "payload": "LATER" }
                    ]
                }] }),
                json!({ "type": "card", "title": "Hat", "actions": [
                    { "action": "Say something", "title": "Buy", "text": "I buy a hat" },
                    { "action": "Dance", "title": "?" }
                ] }),
            ],
            expect![[r"
                [card] Socks
                  Warm
                  http://x/s.png
                  1) Buy
                  2) Look → http://x/socks
                  3) Later
                ---
                [card] Hat
                  4) Buy
                  [dance] ?"]],
        );
        let says = |text: &str| Click::Event(json!({ "type": "say_something", "text": text }));
        let expected = [
            says("I buy socks"),
            Click::Link("http://x/socks".into()),
            Click::Message(json!({ "type": "postback", "payload": "LATER" })),
            says("I buy a hat"),
        ];
        assert_eq!(choices, expected);
    }

    #[test]
    fn files_and_places_are_shown_by_address_and_the_rest_as_json() {
        check(
            &[
                json!({ "type": "file", "url": "http://x/a.png" }),
                json!({ "type": "image", "image": "http://x/b.png", "title": "B" }),
                json!({ "type": "location", "latitude": 1.5, "longitude": 2, "address": "Street 1" }),
                json!({ "type": "custom", "module": "m", "component": "C", "n": 1 }),
            ],
            expect![[r#"
                [file] http://x/a.png
                ---
                [image] B http://x/b.png
                ---
                [location] Street 1 (1.5, 2)
                ---
                [custom] {"type":"custom","module":"m","component":"C","n":1}"#]],
        );
    }
}
