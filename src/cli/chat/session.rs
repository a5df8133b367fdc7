//! The talk with a server over HTTP: what is said goes out as a page sends it, what the bot says comes back as a page hears it.

use std::collections::HashSet;

use anyhow::{Context as _, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::render::Click;
use crate::cli::http::{Connection, Target};
use crate::model::{BotId, UserId};
use crate::services::VisitorError;

/// A server lists that many of a conversation's messages, unless it is configured otherwise.
const LISTED: usize = 20;

/// One user's talk with one bot.
#[derive(Debug)]
pub(super) struct Session {
    target: Target,
    pub(super) bot: BotId,
    pub(super) user: UserId,
    /// The user's last event that is through.
    last: String,
    /// Messages that were shown, or stood there before.
    known: HashSet<String>,
}

/// What has come since the last look.
#[derive(Debug, Default)]
pub(super) struct News {
    /// What the bot said: payloads.
    pub(super) payloads: Vec<Value>,
    /// More was said than the server lists.
    pub(super) more: bool,
    /// Whether an event of the user is through.
    pub(super) answered: bool,
    /// For how many milliseconds the bot still types.
    pub(super) typing: u64,
}

/// A bot that a server has.
#[derive(Debug)]
pub(super) struct BotLine {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) disabled: bool,
}

/// The bots that a server has.
pub(super) async fn bots(target: &Target) -> anyhow::Result<Vec<BotLine>> {
    let status = get(target, "/status").await?;
    let text = |bot: &Value, key: &str| bot[key].as_str().unwrap_or_default().to_owned();
    let line =
        |bot: &Value| BotLine { id: text(bot, "id"), name: text(bot, "name"), disabled: bot["disabled"] == true };
    Ok(status["bots"]
        .as_array()
        .context("this is no server of ours: its /status lists no bots")?
        .iter()
        .map(line)
        .collect())
}

/// Whether a server has nothing left to do.
pub(super) async fn quiet(target: &Target) -> anyhow::Result<bool> {
    let queue = get(target, "/status").await?["queue"].take();
    let number = |name: &str| queue[name].as_u64().unwrap_or(0);
    Ok(number("inFlight") == 0
        && number("waiting") == 0
        && number("processed") >= number("accepted") + number("followUpsCommitted"))
}

impl Session {
    /// Begins a talk. What was said before is not shown again.
    pub(super) async fn begin(target: Target, bot: BotId, user: UserId) -> anyhow::Result<Self> {
        let mut session = Self { target, bot, user, last: "0".to_owned(), known: HashSet::new() };
        session.prove().await?;
        session.news().await?;
        Ok(session)
    }

    /// Gets the user's secret where the server asks for one.
    async fn prove(&mut self) -> anyhow::Result<()> {
        let conversations = format!("{}/conversations/{}", self.web(), self.user());
        let Err(refused) = get(&self.target, &conversations).await else { return Ok(()) };
        if !refused.to_string().contains(&VisitorError::Missing.to_string()) {
            // What is asked next says it better, or fails in the same way.
            return Ok(());
        }
        if self.target.token.is_none() {
            bail!(
                "on this server user {} needs its secret, which chat gets with a token: make one with `nudge token` in \
                 the server's workspace and give it with --token or in NUDGE_TOKEN",
                self.user
            );
        }
        let path = format!("{}/visitors/{}/secret", self.web(), self.user());
        let answer = get(&self.target, &path).await.context("the secret of the user is not to be had")?;
        let secret = answer["secret"].as_str().filter(|secret| secret.bytes().all(|byte| byte.is_ascii_hexdigit()));
        self.target.secret = Some(secret.context("the server gives no secret of the user")?.to_owned());
        Ok(())
    }

    /// Says a text.
    pub(super) async fn say(&self, text: &str) -> anyhow::Result<()> {
        self.send("messages", &json!({ "type": "text", "text": text })).await
    }

    /// Sends an event as a page does: `{ type, channel, payload }`.
    pub(super) async fn event(&self, body: &Value) -> anyhow::Result<()> {
        self.send("events", body).await
    }

    /// Clicks; a link gives what is to be shown.
    pub(super) async fn click(&self, click: &Click) -> anyhow::Result<Option<String>> {
        match click {
            Click::Message(body) => self.send("messages", body).await?,
            Click::Event(body) => self.send("events", body).await?,
            Click::Link(url) => return Ok(Some(url.clone())),
        }
        Ok(None)
    }

    async fn send(&self, route: &str, body: &Value) -> anyhow::Result<()> {
        let path = format!("{}/{route}/{}", self.web(), self.user());
        request(&self.target, &path, Some(body)).await.map(drop)
    }

    /// Looks for what is new.
    pub(super) async fn news(&mut self) -> anyhow::Result<News> {
        // First whether all is through: what is said is stored before.
        let path = format!("/api/v1/bots/{}/traces/{}?after={}", self.bot, self.user(), self.last);
        let mut done = match request(&self.target, &path, None).await {
            Ok(done) => done,
            Err(error) if error.to_string().starts_with("404") => {
                bail!("the server has no bot {} or runs with --production; chat needs one in development", self.bot)
            }
            Err(error) => return Err(error),
        };
        let traces = done["traces"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let last = traces.iter().filter_map(|trace| trace["eventId"].as_str()).next_back().map(str::to_owned);
        let mut news =
            News { answered: last.is_some(), typing: done["typing"].as_u64().unwrap_or(0), ..News::default() };
        self.last = last.unwrap_or_else(|| std::mem::take(&mut self.last));
        let conversations = format!("{}/conversations/{}", self.web(), self.user());
        let list = get(&self.target, &conversations).await?;
        let Some(newest) = list["conversations"].as_array().and_then(|list| list.first()) else { return Ok(news) };
        let mut conversation = get(&self.target, &format!("{conversations}/{}", newest["id"])).await?;
        let messages = conversation["messages"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let listed = messages.len();
        let is_new = |message: &Value| self.known.insert(message["id"].as_str().unwrap_or_default().to_owned());
        let new: Vec<Value> = messages.into_iter().filter(is_new).collect();
        news.more = new.len() == listed && listed >= LISTED;
        let of_bot = new.into_iter().filter(|message| message["userId"].is_null());
        news.payloads = of_bot.map(|mut message| message["payload"].take()).collect();
        Ok(news)
    }

    /// The steps of the user's last event.
    pub(super) async fn trace(&self) -> anyhow::Result<Option<Value>> {
        if self.last == "0" {
            return Ok(None);
        }
        get(&self.target, &format!("/api/v1/traces/{}", self.last)).await.map(Some)
    }

    fn web(&self) -> String {
        format!("/api/v1/bots/{}/mod/channel-web", self.bot)
    }

    fn user(&self) -> impl std::fmt::Display + '_ {
        utf8_percent_encode(self.user.as_str(), NON_ALPHANUMERIC)
    }
}

async fn get(target: &Target, path: &str) -> anyhow::Result<Value> {
    request(target, path, None).await
}

/// One request on a connection of its own: a kept one may just be closing, and nothing must be sent twice. An answer other
/// than 2xx is an error that begins with the status.
async fn request(target: &Target, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
    let body = body.map(Value::to_string);
    let mut connection = Connection::open(target).await?;
    let answer = connection.send(target, path, body.as_deref().map(str::as_bytes)).await?;
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if (200..300).contains(&answer.status) {
        return Ok(json);
    }
    let text = String::from_utf8_lossy(&answer.body);
    bail!("{}: {}", answer.status, json["message"].as_str().unwrap_or_else(|| text.trim()))
}
