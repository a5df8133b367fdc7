//! `nudge chat`: talk to a bot in the terminal, as on a page, while its files are being edited.

mod input;
mod memory;
mod render;
mod session;
mod terminal;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use input::Input;
use render::Click;
use session::Session;
use terminal::{Restore, Terminal};

use crate::app::{App, Options};
use crate::cli::http::Target;
use crate::cli::{output, workspace};
use crate::model::channel::WEB;
use crate::model::{BotId, ConversationKey, SessionKey, UserId};
use crate::shutdown::{self, StopSignals};
use crate::store::{Store, StoreError};
use crate::telemetry::{self, LogFormat, LogRules};

/// How often it is looked for an answer.
const POLL: Duration = Duration::from_millis(20);
/// How often it is looked, before an idle prompt, whether the bot has spoken by itself.
const IDLE: Duration = Duration::from_millis(300);
/// How long an answer is waited for; it is shown all the same when it comes later.
const PATIENCE: Duration = Duration::from_secs(65);
/// How long the token of a talk is good, in milliseconds: a year.
const LONGEST_TALK: u64 = 365 * 86_400_000;
/// What is logged if `NUDGE_LOG` says nothing else: what is wrong, what was reloaded, and what scripts say.
const USUAL_LOG: &str = "warn,nudge=warn,nudge::reload=info,script=debug,trace=off";

/// Talk to a bot in the terminal. Serves the workspace meanwhile, or talks to a server that runs.
#[derive(Debug, Args)]
pub(super) struct ChatArgs {
    /// The bot to talk to [default: the first one].
    #[arg(long, value_parser = |text: &str| BotId::parse(text))]
    bot: Option<BotId>,
    /// The workspace.
    #[arg(long, default_value = ".", conflicts_with = "url")]
    dir: PathBuf,
    /// Who you are: users are remembered by their ids.
    #[arg(long, default_value = "terminal", value_parser = |text: &str| UserId::parse(text))]
    user: UserId,
    /// A server that runs, such as http://localhost:3000, instead of one of its own.
    #[arg(long)]
    url: Option<String>,
    /// With --url: a token for a private bot of that server, or for the secret of the user; `nudge token` makes one.
    #[arg(long, env = "NUDGE_TOKEN", hide_env_values = true, value_parser = token)]
    token: Option<String>,
}

/// A token goes into a header as it is.
fn token(text: &str) -> Result<String, String> {
    let fine = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if fine { Ok(text.to_owned()) } else { Err("it holds characters that no token has".to_owned()) }
}

/// Talks until the end of the input.
pub(super) fn run(args: &ChatArgs) -> anyhow::Result<()> {
    let _restore = Restore::later();
    let terminal = Terminal::open()?;
    let environment = workspace::environment();
    let format = LogFormat::Pretty { colour: output::colour_on_stderr() };
    let log = telemetry::init_to(terminal.log(), format, environment.get("NUDGE_LOG").map(String::as_str), USUAL_LOG)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(talk(args, terminal, log.rules()));
    shutdown::end(runtime);
    // The last entries are written before the error is printed.
    drop(log);
    outcome
}

async fn talk(args: &ChatArgs, terminal: Terminal, log: LogRules) -> anyhow::Result<()> {
    let mut signals = StopSignals::listen().context("cannot listen for signals")?;
    let (target, own) = match &args.url {
        Some(url) => (Target { token: args.token.clone(), ..Target::parse(url)? }, None),
        None => {
            let own = tokio::select! {
                own = Own::start(&args.dir, terminal.interactive, log) => own?,
                _ = signals.next() => return Ok(()),
            };
            (own.target.clone(), Some(own))
        }
    };
    let outcome = {
        let talking = async {
            let bot = choose_bot(&target, args.bot.as_ref()).await?;
            let session = Session::begin(target.clone(), bot, args.user.clone()).await?;
            let store = own.as_ref().map(|own| own.store.clone());
            Talk { terminal, target, session, store, choices: Vec::new() }.run().await
        };
        tokio::select! {
            outcome = talking => outcome,
            _ = signals.next() => Ok(()),
        }
    };
    if let Some(own) = own {
        own.stop().await?;
    }
    outcome
}

/// A server in this process, on a port of its own.
struct Own {
    target: Target,
    store: Store,
    stop: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Own {
    /// Serves the workspace as `run-server` does. Typing holds back nothing where nobody watches it.
    async fn start(dir: &Path, interactive: bool, log: LogRules) -> anyhow::Result<Self> {
        let mut options = Options::new(workspace::root(dir)?);
        options.host = Some("127.0.0.1".to_owned());
        options.port = Some(0);
        options.log = Some(log);
        options.typing = (!interactive).then_some(0);
        let app = match App::build(options).await {
            Err(error) if matches!(error.downcast_ref(), Some(StoreError::InUse { .. })) => {
                return Err(error.context(
                    "a server has this workspace already; talk to it with --url, as in `nudge chat --url http://localhost:3000`",
                ));
            }
            built => built?,
        };
        let token = Some(app.token("chat", LONGEST_TALK)?);
        let target = Target { token, ..Target::parse(&format!("http://127.0.0.1:{}", app.port()))? };
        let store = app.store();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(app.run_until_stopped(async move {
            // Either way it is the end.
            let _ = stopped.await;
        }));
        Ok(Self { target, store, stop, running })
    }

    async fn stop(self) -> anyhow::Result<()> {
        drop(self.stop);
        self.running.await?
    }
}

/// The bot that is asked for, or the first one in service.
pub(super) async fn choose_bot(target: &Target, asked: Option<&BotId>) -> anyhow::Result<BotId> {
    let bots = session::bots(target).await?;
    let in_service: Vec<&str> = bots.iter().filter(|bot| !bot.disabled).map(|bot| bot.id.as_str()).collect();
    match (asked, in_service.first()) {
        (Some(asked), _) if in_service.contains(&asked.as_str()) => Ok(asked.clone()),
        (Some(asked), _) => bail!("there is no bot {asked} in service (there are: {})", in_service.join(", ")),
        (None, Some(first)) => Ok(BotId::parse(first)?),
        (None, None) => bail!("the workspace has no bot in service"),
    }
}

struct Talk {
    terminal: Terminal,
    target: Target,
    session: Session,
    /// What is stored, if the server is ours.
    store: Option<Store>,
    /// What the last answer offers.
    choices: Vec<Click>,
}

impl Talk {
    async fn run(mut self) -> anyhow::Result<()> {
        if self.terminal.interactive {
            let Session { bot, user, .. } = &self.session;
            self.terminal.show(&format!("talking to {bot} as {user}; /help lists the commands, Ctrl-D ends"));
        }
        while let Some(line) = self.next_line().await? {
            match self.line(&line).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // The next line may be fine.
                Err(error) => self.terminal.show(&format!("✗ {error:#}")),
            }
        }
        self.finish().await
    }

    /// The next line. What the bot says until it comes is shown.
    async fn next_line(&mut self) -> anyhow::Result<Option<String>> {
        self.terminal.prompt();
        loop {
            tokio::select! {
                biased;
                line = self.terminal.read() => return Ok(line),
                () = tokio::time::sleep(IDLE) => {
                    let news = self.session.news().await?;
                    self.show(news);
                }
            }
        }
    }

    /// Does what a line asks for; false is the end.
    async fn line(&mut self, line: &str) -> anyhow::Result<bool> {
        match input::parse(line) {
            Input::Nothing => {}
            Input::Quit => return Ok(false),
            Input::Say(text) => self.say(&text).await?,
            Input::Event(body) => {
                self.choices.clear();
                self.session.event(&body).await?;
                self.answer().await?;
            }
            Input::State => {
                let state = self.state()?;
                self.terminal.show(&state);
            }
            Input::Trace => {
                let trace = self.session.trace().await?;
                let text = trace.map_or("nothing has happened yet".to_owned(), |trace| memory::trace(&trace));
                self.terminal.show(&text);
            }
            Input::Reset => self.reset().await?,
            Input::Bots => self.bots().await?,
            Input::Bot(bot) => {
                let bot = choose_bot(&self.target, Some(&bot)).await?;
                self.turn_to(bot, self.session.user.clone()).await?;
            }
            Input::User(user) => self.turn_to(self.session.bot.clone(), user).await?,
            Input::Help => self.terminal.show(&input::help()),
            Input::Wrong(why) => self.terminal.show(&why),
        }
        Ok(true)
    }

    /// Says a text, or takes the choice of that number.
    async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let number = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match number.and_then(|index| self.choices.get(index)).cloned() {
            Some(click) => {
                if let Some(url) = self.session.click(&click).await? {
                    self.terminal.show(&url);
                    return Ok(());
                }
            }
            None => self.session.say(text).await?,
        }
        self.choices.clear();
        self.answer().await
    }

    /// Shows the answer to what was sent, until it is complete.
    async fn answer(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let (mut answered, mut types) = (false, false);
        loop {
            let news = self.session.news().await?;
            answered |= news.answered;
            let typing = news.typing > 0;
            if types && (!news.payloads.is_empty() || !typing) {
                self.terminal.typing(false);
                types = false;
            }
            self.show(news);
            if answered && !typing {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                self.terminal.show("(no more for now; what comes later is shown when it comes)");
                return Ok(());
            }
            if typing && !std::mem::replace(&mut types, typing) {
                self.terminal.typing(true);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn show(&mut self, news: session::News) {
        if news.more {
            self.terminal.show("(more was said than the server lists)");
        }
        for payload in &news.payloads {
            let text = render::render(payload, &mut self.choices);
            self.terminal.show(&text);
        }
    }

    /// Waits at the end of the input for what is still to be said.
    async fn finish(&mut self) -> anyhow::Result<()> {
        if self.terminal.interactive {
            return Ok(());
        }
        let begun = Instant::now();
        // A server of others may never be quiet.
        let patience = if self.store.is_some() { PATIENCE } else { PATIENCE / 10 };
        while !session::quiet(&self.target).await? && begun.elapsed() < patience {
            tokio::time::sleep(POLL).await;
        }
        let news = self.session.news().await?;
        self.show(news);
        Ok(())
    }

    async fn bots(&self) -> anyhow::Result<()> {
        for bot in session::bots(&self.target).await? {
            let mark = if bot.id == self.session.bot.as_str() { '*' } else { ' ' };
            let disabled = if bot.disabled { "   disabled" } else { "" };
            let name = if bot.name == bot.id { String::new() } else { telemetry::escape::one_line(&bot.name) };
            self.terminal.show(format!("{mark} {}   {name}{disabled}", bot.id).trim_end());
        }
        Ok(())
    }

    async fn turn_to(&mut self, bot: BotId, user: UserId) -> anyhow::Result<()> {
        self.session = Session::begin(self.target.clone(), bot, user).await?;
        self.choices.clear();
        Ok(())
    }

    /// Where the talk's memory is kept.
    fn key(&self, store: &Store) -> anyhow::Result<SessionKey> {
        let Session { bot, user, .. } = &self.session;
        let conversation = ConversationKey { bot: bot.clone(), channel: WEB.into(), target: user.clone() };
        let newest = store.list_conversations(&conversation, 1)?;
        Ok(SessionKey { conversation, thread: newest.first().map(|newest| newest.id.to_string().into()) })
    }

    fn state(&self) -> anyhow::Result<String> {
        let store = self.own_store("/state")?;
        Ok(memory::state(&store.restore(&self.key(store)?)?))
    }

    async fn reset(&mut self) -> anyhow::Result<()> {
        let store = self.own_store("/reset")?;
        let SessionKey { conversation: key, thread } = self.key(store)?;
        let (done, reset) = oneshot::channel();
        store.delete_session(Some(key.bot), key.channel.to_string(), key.target.to_string(), thread, |outcome| {
            // The receiver waits below.
            let _ = done.send(outcome);
        });
        reset.await??;
        self.choices.clear();
        self.terminal.show("the session is forgotten; what is known of the user stays");
        Ok(())
    }

    fn own_store(&self, command: &str) -> anyhow::Result<&Store> {
        self.store.as_ref().with_context(|| {
            format!("{command} needs the memory at hand: stop the server, and let `nudge chat` serve the workspace")
        })
    }
}
