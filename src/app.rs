//! The composition root: settings, store, workers, workspace and HTTP, put together in the order in which they need each
//! other, and taken down in the opposite one.

mod edited_settings;
mod give_back;
mod storage;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use edited_settings::EditedSettings;

use crate::clock::Clock;
use crate::config::settings::DialogSettings;
use crate::config::{self, Overrides, Problem, Settings};
use crate::dispatch::{Dispatcher, LockedIn, WorkerCommand};
use crate::model::BotId;
use crate::program::{CompileRequest, HookKind};
use crate::reload::{self, CompileCache, Compiling, Reader, Watch, Workspace};
use crate::services::{BotDirectory, BotEntry, Services};
use crate::store::{Lifetimes, Store};
use crate::telemetry::LogRules;
use crate::web::{self, Realtime, Web};

/// The port when none is asked for; then the next free one.
const PORT: u16 = 3_000;
/// As many ports are tried after it.
const PORTS: u16 = 100;
/// How long the hooks of mounting may hold up the start; after that they go on beside it.
const MOUNTING: Duration = Duration::from_secs(2);
/// Most problems of the files that are said at once: a bot that was moved here may have hundreds.
const PROBLEMS: usize = 30;
/// How long events that run may take to finish when the server stops.
const FINISHING: Duration = Duration::from_secs(5);

/// What to serve, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The workspace's folder.
    pub root: PathBuf,
    /// Where to listen, over what the configuration says.
    pub host: Option<String>,
    /// On which port, over what the configuration says; 0 is any free one.
    pub port: Option<u16>,
    /// For the public: no traces, no stacks.
    pub production: bool,
    /// Whether to pick up changes of files.
    pub watch: bool,
    /// How to start a script worker.
    pub worker: WorkerCommand,
    /// How long typing may hold back replies at most, in milliseconds, over what the configuration says.
    pub typing: Option<u64>,
    /// The time.
    pub clock: Clock,
    /// The log that is to keep to the configuration.
    pub log: Option<LogRules>,
}

impl Options {
    /// Serves `root` as its configuration says, and picks up changes. Workers are this executable.
    pub fn new(root: impl AsRef<Path>) -> Self {
        Self {
            root: root.as_ref().to_owned(),
            host: None,
            port: None,
            production: false,
            watch: true,
            worker: WorkerCommand::current().unwrap_or_else(|_| WorkerCommand::of("nudge")),
            typing: None,
            clock: Clock::system(),
            log: None,
        }
    }
}

/// A server that stands ready: its port is open and its scripts are compiled.
pub struct App {
    settings: Arc<Settings>,
    /// Where files are watched, those that are read once as well.
    edited: Option<EditedSettings>,
    listener: TcpListener,
    address: SocketAddr,
    taken_port: Option<u16>,
    locked_in: LockedIn,
    web: Web,
    mounted: Mounted,
    /// The hooks of the bots that are mounted first.
    mounting: JoinHandle<()>,
    workspace: watch::Receiver<Arc<Workspace>>,
    /// Files are watched as long as this lives.
    watch: Option<Watch>,
}

impl App {
    /// Reads the configuration, opens the port and the store, starts the workers, compiles the workspace and puts it
    /// into service.
    ///
    /// # Errors
    /// The configuration is wrong, the port is taken, the store cannot be opened, or workers do not start.
    pub async fn build(options: Options) -> anyhow::Result<Self> {
        let root = options.root.canonicalize();
        let root = root.with_context(|| format!("cannot open the workspace {}", options.root.display()))?;
        let edited = options.watch.then(|| EditedSettings::of(root.clone(), environment()));
        let (mut settings, warnings) = load(&root, &options)?;
        if let Some(log) = &options.log {
            log.set(settings.log, settings.secrets.clone());
        }
        report(&warnings);
        let (listener, taken_port) = listen(&settings).await?;
        let address = listener.local_addr().context("the port that was opened has no address")?;
        settings.http.port = Some(address.port());
        settings.dispatch.typing = options.typing.unwrap_or(settings.dispatch.typing);
        let store = storage::open(&root, &options.clock, options.log.as_ref(), &mut settings)?;
        let settings = Arc::new(settings);
        let (directory, bots) = watch::channel(Arc::default());
        let services = Services::new(store.clone(), bots, Arc::clone(&settings))?;
        services.serve_workspace(&root);
        let (clock, command) = (options.clock, options.worker);
        let dispatcher =
            Dispatcher::start(Arc::clone(&settings), clock.clone(), store.clone(), services.clone(), command.clone())?;
        // Before the first event runs.
        let realtime = Realtime::start(&dispatcher, &store, &services, &settings, &clock)?;
        let locked_in = dispatcher.ready().await?;
        let (reader, cache, workspace) = first_workspace(&root, command, &settings, &dispatcher).await?;
        let mounted = Mounted {
            dispatcher: dispatcher.clone(),
            dialog: settings.dialog.clone(),
            directory,
            bots: BTreeSet::new(),
            said: BTreeSet::new(),
            last: None,
        };
        let (mounted, mounting) = mounted.first(Arc::clone(&workspace)).await?;
        let (watch, workspace) = if options.watch {
            let watch = reload::watch(reader, Arc::clone(&settings), workspace, cache, compiling(&dispatcher));
            let workspace = watch.subscribe();
            (Some(watch), workspace)
        } else {
            (None, watch::channel(workspace).1)
        };
        let started = clock.now();
        let web = Web {
            dispatcher,
            store,
            services,
            workspace: workspace.clone(),
            settings: Arc::clone(&settings),
            bodies: web::MemoryBudget::new(web::MemoryBudget::least(&settings), settings.http.stalled, clock.clone()),
            realtime,
            clock,
            started,
        };
        Ok(Self {
            settings,
            edited,
            listener,
            address,
            taken_port,
            locked_in,
            web,
            mounted,
            mounting,
            workspace,
            watch,
        })
    }

    /// The port that is open.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where the server is reached from outside, such as `http://localhost:3000`.
    pub fn url(&self) -> String {
        config::public_address(&self.settings)
    }

    /// The usual port, if it was taken and another was opened.
    pub fn taken_port(&self) -> Option<u16> {
        self.taken_port
    }

    /// How many workers run events, and how they are locked in.
    pub fn locked_in(&self) -> &LockedIn {
        &self.locked_in
    }

    /// The settings in force; the port is the one that is open.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is stored, for those who look from beside: nobody else may open the file while this server has it.
    pub fn store(&self) -> Store {
        self.web.store.clone()
    }

    /// A token for all bots, good for so many milliseconds, with a name for people.
    ///
    /// # Errors
    /// None that is known: see `services::Tokens::make`.
    pub fn token(&self, user: &str, lifetime: u64) -> anyhow::Result<String> {
        Ok(self.web.services.tokens().make(Some(user), None, lifetime)?)
    }

    /// The workspace in service.
    pub fn workspace(&self) -> Arc<Workspace> {
        self.workspace.borrow().clone()
    }

    /// Serves until `stopped` is done, then lets what runs finish.
    ///
    /// # Errors
    /// None so far: what goes wrong while serving is logged.
    pub async fn run_until_stopped(self, stopped: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
        let Self { settings, edited, listener, web, mounted, mounting, workspace, watch, .. } = self;
        let (dispatcher, store) = (web.dispatcher.clone(), web.store.clone());
        let following = tokio::spawn(mounted.follow(workspace));
        let starting = tokio::spawn(started(dispatcher.clone(), mounting));
        let clock = web.clock.clone();
        let edited = tokio::spawn(async move {
            if let Some(edited) = edited {
                edited.follow(clock).await;
            }
        });
        let janitors = janitors(&settings, &web.store, &dispatcher);
        let realtime = web.realtime.clone();
        let stopped = async move {
            stopped.await;
            realtime.stop();
        };
        let bodies = web.bodies.clone();
        web::serve(listener, web::router(web), bodies, &settings, stopped).await;
        drop(watch);
        following.abort();
        starting.abort();
        edited.abort();
        for janitor in janitors {
            janitor.abort();
        }
        dispatcher.stop(FINISHING).await;
        store.leave_whole().await;
        Ok(())
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("address", &self.address).finish_non_exhaustive()
    }
}

fn load(root: &Path, options: &Options) -> anyhow::Result<(Settings, Vec<Problem>)> {
    let overrides = Overrides { host: options.host.clone(), port: options.port, production: options.production };
    Ok(config::load(root, &overrides, &environment())?)
}

/// The variables that the process was started with.
fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// Opens the port that is asked for; if none is, the usual one or the next that is free. Also says whether the usual one
/// was taken.
async fn listen(settings: &Settings) -> anyhow::Result<(TcpListener, Option<u16>)> {
    let host = match settings.http.host.as_str() {
        "" => "localhost",
        host => host.trim_start_matches('[').trim_end_matches(']'),
    };
    let (first, last) = settings.http.port.map_or((PORT, PORT + PORTS), |port| (port, port));
    for port in first..=last {
        let addresses = tokio::net::lookup_host((host, port)).await;
        let addresses = addresses.with_context(|| format!("the host {host:?} (`httpServer.host`) has no address"))?;
        let mut addresses: Vec<SocketAddr> = addresses.collect();
        // Where a name has addresses of both kinds, that is the one everybody tries.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        match TcpListener::bind(&addresses[..]).await {
            Ok(listener) => return Ok((listener, (port != first).then_some(first))),
            Err(error) if error.kind() == ErrorKind::AddrInUse && port < last => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                bail!("port {port} is taken; choose another with --port")
            }
            Err(error) => {
                let hint = match error.kind() {
                    ErrorKind::PermissionDenied => {
                        "; ports below 1024 are for the superuser, choose another with --port"
                    }
                    ErrorKind::AddrNotAvailable => "; this machine has no such address, choose another with --host",
                    _ => "",
                };
                bail!("cannot listen on {host}:{port}: {error}{hint}")
            }
        }
    }
    bail!("the ports from {first} to {last} are all taken; choose another with --port")
}

/// What is done on the clock for as long as the server runs.
fn janitors(settings: &Settings, store: &Store, dispatcher: &Dispatcher) -> [JoinHandle<()>; 4] {
    let every = Duration::from_millis(settings.dialog.janitor_interval);
    let of_attributes = Duration::from_millis(settings.retention.janitor_interval);
    let (sessions, attributes, dispatcher) = (store.clone(), store.clone(), dispatcher.clone());
    [
        tokio::spawn(async move { sessions.keep_forgetting(every).await }),
        tokio::spawn(async move { attributes.keep_forgetting_attributes(of_attributes).await }),
        tokio::spawn(async move { dispatcher.keep_timing_out(every).await }),
        tokio::spawn(give_back::keep()),
    ]
}

/// Reads and compiles the workspace; the reader can look at it again.
async fn first_workspace(
    root: &Path,
    command: WorkerCommand,
    settings: &Arc<Settings>,
    dispatcher: &Dispatcher,
) -> anyhow::Result<(Reader, CompileCache, Arc<Workspace>)> {
    let (reader, candidate) = {
        let (root, settings) = (root.to_owned(), Arc::clone(settings));
        let read = move || {
            let mut reader = Reader::new(&root, command);
            let candidate = reader.read(&settings);
            (reader, candidate)
        };
        tokio::task::spawn_blocking(read).await?
    };
    let mut cache = CompileCache::default();
    let compiled = dispatcher.compile(&cache.request(&candidate.program)).await?;
    let compiled = cache.complete(&candidate.program, compiled);
    Ok((reader, cache, Arc::new(reload::finish(candidate, &compiled, None))))
}

/// How a changed workspace is compiled.
fn compiling(dispatcher: &Dispatcher) -> impl Fn(CompileRequest) -> Compiling + Send + 'static + use<> {
    let dispatcher = dispatcher.clone();
    move |request| {
        let dispatcher = dispatcher.clone();
        Box::pin(async move { dispatcher.compile(&request).await.map_err(|error| error.to_string()) })
    }
}

/// The hooks that run once, when the server is up and its bots are mounted.
async fn started(dispatcher: Dispatcher, mounting: JoinHandle<()>) {
    // Bots that could not be mounted do not hold up the rest.
    let _ = mounting.await;
    run_hooks(&dispatcher, HookKind::AfterServerStart, None).await;
}

async fn run_hooks(dispatcher: &Dispatcher, kind: HookKind, bot: Option<&BotId>) {
    let mut args = serde_json::Map::new();
    if let Some(bot) = bot {
        args.insert("botId".to_owned(), bot.as_str().into());
    }
    if let Err(error) = dispatcher.run_hooks(kind, bot, args).await {
        let bot = bot.map(tracing::field::display);
        tracing::error!(bot, "{} hooks: {error}", kind.folder());
    }
}

/// Runs the hooks of mounting, of one bot after the other.
async fn mount(dispatcher: Dispatcher, bots: Vec<BotId>) {
    for bot in bots {
        run_hooks(&dispatcher, HookKind::AfterBotMount, Some(&bot)).await;
    }
}

fn report<'p>(problems: impl IntoIterator<Item = &'p Problem>) {
    for problem in problems {
        if problem.fatal {
            tracing::error!("{problem}");
        } else {
            tracing::warn!("{problem}");
        }
    }
}

/// Which bots are in service, and who must know when that changes.
#[derive(Debug)]
struct Mounted {
    dispatcher: Dispatcher,
    /// For bots that say nothing of their own.
    dialog: DialogSettings,
    /// What services tell scripts of bots.
    directory: watch::Sender<Arc<BotDirectory>>,
    bots: BTreeSet<BotId>,
    /// Problems and notices of the workspace in service.
    said: BTreeSet<String>,
    /// The workspace that was put into service last.
    last: Option<Arc<Workspace>>,
}

impl Mounted {
    /// Puts the first workspace into service. Hooks that take long go on beside the start.
    async fn first(mut self, workspace: Arc<Workspace>) -> anyhow::Result<(Self, JoinHandle<()>)> {
        self.serve(&workspace)?;
        let mut mounting = tokio::spawn(mount(self.dispatcher.clone(), self.bots.iter().cloned().collect()));
        if tokio::time::timeout(MOUNTING, &mut mounting).await.is_ok() {
            // A handle can be awaited only once.
            mounting = tokio::spawn(async {});
        } else {
            tracing::warn!(
                "after_bot_mount hooks take longer than {} s; the server starts meanwhile",
                MOUNTING.as_secs()
            );
        }
        Ok((self, mounting))
    }

    /// Puts each new workspace into service, until the sender is gone.
    async fn follow(mut self, mut workspaces: watch::Receiver<Arc<Workspace>>) {
        while workspaces.changed().await.is_ok() {
            let workspace = workspaces.borrow_and_update().clone();
            let bots = bots_of(&workspace);
            for bot in self.bots.difference(&bots) {
                // On the program that still has the bot.
                let unmounting = run_hooks(&self.dispatcher, HookKind::AfterBotUnmount, Some(bot));
                if tokio::time::timeout(MOUNTING, unmounting).await.is_err() {
                    tracing::warn!(bot = %bot, "after_bot_unmount hooks take longer than {} s", MOUNTING.as_secs());
                }
            }
            let new: Vec<BotId> = bots.difference(&self.bots).cloned().collect();
            if let Err(error) = self.serve(&workspace) {
                tracing::error!("the changed workspace cannot be put into service: {error:#}");
                continue;
            }
            tokio::spawn(mount(self.dispatcher.clone(), new));
        }
    }

    fn serve(&mut self, workspace: &Arc<Workspace>) -> anyhow::Result<()> {
        // What is wrong is said once, when it is new.
        let new = |problem: &&Problem| !self.said.contains(&problem.to_string());
        let (errors, warnings): (Vec<&Problem>, Vec<&Problem>) =
            workspace.problems.iter().filter(new).partition(|problem| problem.fatal);
        let more = (errors.len() + warnings.len()).saturating_sub(PROBLEMS);
        report(errors.into_iter().chain(warnings).take(PROBLEMS));
        if more > 0 {
            tracing::warn!("{more} more problems in the workspace's files; `nudge check` names them all");
        }
        for notice in workspace.notices.iter().filter(|notice| !self.said.contains(*notice)) {
            tracing::info!("{notice}");
        }
        let problems = workspace.problems.iter().map(ToString::to_string);
        self.said = problems.chain(workspace.notices.iter().cloned()).collect();
        let lifetimes = |bot: &reload::BotInfo| Lifetimes {
            context: bot.timeout_interval.unwrap_or(self.dialog.timeout_interval),
            session: bot.session_timeout_interval.unwrap_or(self.dialog.session_timeout_interval),
        };
        let lifetimes: HashMap<BotId, Lifetimes> =
            workspace.bots.iter().map(|(id, bot)| (id.clone(), lifetimes(bot))).collect();
        let entry = |bot: &reload::BotInfo| BotEntry { config: Arc::clone(&bot.config) };
        let entries = workspace.bots.iter().map(|(id, bot)| (id.clone(), entry(bot)));
        self.directory.send_replace(Arc::new(BotDirectory(entries.collect())));
        let in_service = self.dispatcher.publish(&workspace.program, &lifetimes);
        let last = self.last.replace(Arc::clone(workspace));
        if let Some(last) = last {
            tokio::spawn(reload::report(last, Arc::clone(workspace), in_service));
        }
        self.bots = bots_of(workspace);
        Ok(())
    }
}

fn bots_of(workspace: &Workspace) -> BTreeSet<BotId> {
    workspace.program.bots.keys().filter_map(|id| BotId::parse(id).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_usual_port_gives_way_to_the_next_free_one_and_a_chosen_one_does_not() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = Settings::default();
        settings.http.host = "127.0.0.1".into();
        settings.http.port = Some(taken.local_addr().unwrap().port());
        let error = listen(&settings).await.unwrap_err().to_string();
        assert!(error.contains("is taken; choose another with --port"), "{error}");
        settings.http.port = None;
        let first = listen(&settings).await.unwrap();
        let (second, passed) = listen(&settings).await.unwrap();
        assert_ne!(first.0.local_addr().unwrap().port(), second.local_addr().unwrap().port());
        assert_eq!(passed, Some(PORT));
        settings.http.host = "no.such.host.invalid".into();
        assert!(listen(&settings).await.unwrap_err().to_string().contains("`httpServer.host`"));
    }
}
