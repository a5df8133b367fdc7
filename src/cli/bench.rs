//! `nudge bench`: closed-loop load on a running server, each connection sending its next request when the last was answered.

mod report;
mod visitors;

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use report::{Counters, Report, Tally};

use crate::cli::chat::choose_bot;
use crate::cli::http::{Connection, Target};
use crate::cli::output;
use crate::model::BotId;

/// Events a second for visitors, where `--rate` does not say.
const VISITORS_RATE: u32 = 100;
/// How often the server is asked meanwhile.
const POLL: Duration = Duration::from_millis(10);

/// Measure a running server: requests per second, latencies, and events processed with their replies committed.
#[derive(Debug, Clone, Args)]
pub(super) struct BenchArgs {
    /// Where the server listens.
    #[arg(long, default_value = "http://localhost:3000")]
    url: String,
    /// The bot that is spoken to [default: the first one]. Given several times, each connection speaks to all of them in turn.
    #[arg(long = "bot", value_name = "ID", value_parser = |text: &str| BotId::parse(text))]
    bots: Vec<BotId>,
    /// Connections that stay open, one request at a time on each.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// How long requests are sent.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// How many users speak, spread over the connections and bots.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// What is sent.
    #[arg(long, value_enum, default_value = "events")]
    kind: Workload,
    /// With `--kind converse`: what each user says, one text after the other and then from the beginning again.
    #[arg(long = "text", value_name = "TEXT", default_value = "Hey!")]
    texts: Vec<String>,
    /// Requests per second over all connections. A request that is due while its connection still waits counts from when
    /// it was due. Without it each connection sends as fast as it is answered.
    #[arg(long, value_name = "PER SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Each user speaks once, as soon as a connection is free: how long until the last of them is processed.
    #[arg(long, conflicts_with_all = ["seconds", "rate"])]
    once: bool,
    /// How long to wait, after the last request, for the server to process what it accepted. In seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    drain: u32,
    /// Print one JSON object, for programs.
    #[arg(long)]
    json: bool,
    /// With `--kind visitors`: every other one sends 2 MB of junk meanwhile.
    #[arg(long)]
    junk: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// The proactive trigger: `POST …/mod/channel-web/events/<user>`.
    Events,
    /// A text and its answer: `POST …/converse/<user>`.
    Converse,
    /// Visitors who listen on websockets, and events for some of them: from the request to the message on the page.
    Visitors,
}

impl Workload {
    /// The path before the user.
    fn path(self, bot: &BotId) -> String {
        match self {
            Self::Events | Self::Visitors => format!("/api/v1/bots/{bot}/mod/channel-web/events/"),
            Self::Converse => format!("/api/v1/bots/{bot}/converse/"),
        }
    }

    /// What a user sends, in turn.
    fn bodies(self, texts: &[String]) -> Vec<Vec<u8>> {
        match self {
            Self::Events | Self::Visitors => {
                vec![br#"{"type":"proactive-trigger","channel":"web","payload":{"text":"fake message"}}"#.to_vec()]
            }
            Self::Converse => {
                texts.iter().map(|text| json!({ "type": "text", "text": text }).to_string().into_bytes()).collect()
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Converse => "converse",
            Self::Visitors => "visitors",
        }
    }
}

/// Runs the load and prints the report. Fails when nothing was answered with 2xx.
pub(super) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(load(args)))
}

async fn load(args: &BenchArgs) -> anyhow::Result<()> {
    let target = Target::parse(&args.url)?;
    let mut args = args.clone();
    if args.bots.is_empty() {
        args.bots.push(choose_bot(&target, None).await?);
    }
    let args = &args;
    if args.kind == Workload::Visitors {
        let plan = visitors::Plan {
            target: &target,
            bot: args.bots.first().context("no bot is named")?,
            visitors: args.connections,
            rate: args.rate.unwrap_or(VISITORS_RATE),
            lasting: Duration::from_secs(args.seconds.into()),
            junk: args.junk,
            json: args.json,
        };
        return visitors::load(&plan).await;
    }
    let before = counters(&target).await?;
    // Each run has users of its own: a second one must not find the sessions of the first.
    let run = format!("bench-{:x}", std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis());
    let started = Instant::now();
    let until = (!args.once).then(|| started + Duration::from_secs(args.seconds.into()));
    let bodies: Rc<[Vec<u8>]> = args.kind.bodies(&args.texts).into();
    let between = args.rate.map(|rate| Duration::from_secs_f64(f64::from(args.connections) / f64::from(rate)));
    let connections: Vec<_> = (0..args.connections)
        .map(|number| {
            let (target, bodies) = (target.clone(), Rc::clone(&bodies));
            let paths = paths(args, number, &run);
            // Their first requests are spread over the time between two.
            let pace = between.map(|between| Pace {
                next: started + between.mul_f64(f64::from(number) / f64::from(args.connections)),
                between,
            });
            tokio::task::spawn_local(async move { speak(&target, &paths, &bodies, pace, until).await })
        })
        .collect();
    let mut tally = Tally::default();
    for connection in connections {
        tally.merge(connection.await?);
    }
    let sending = started.elapsed();
    let counters = match before {
        Some(before) => Some(drained(&target, before, Duration::from_secs(args.drain.into())).await?),
        None => None,
    };
    let answered = tally.latencies.len();
    let report = Report {
        kind: args.kind.name(),
        connections: args.connections as usize,
        users: args.users as usize,
        sending,
        draining: started.elapsed(),
        tally,
        counters,
    };
    if args.json {
        output::line(format_args!("{}", report.json()));
    } else {
        output::line(format_args!("{}", report.render().trim_end()));
    }
    ensure!(answered > 0, "not one request was answered with 2xx");
    Ok(())
}

/// What connection `number` sends its requests to. Connection c of n speaks for the users c, c + n, c + 2n, …, so that no two
/// wait for the same one; each user speaks to one bot, and each connection to one bot after the other.
fn paths(args: &BenchArgs, number: u32, run: &str) -> Vec<String> {
    let rows = args.users.div_ceil(args.connections);
    let mut bots = args.bots.iter().cycle().skip(number as usize * (rows as usize + 1) % args.bots.len());
    let mine = (number..args.users).step_by(args.connections as usize);
    // Where there are more connections than users, some speak for the same one.
    let mine = mine.chain((number >= args.users && !args.once).then_some(number % args.users));
    let user = |user| bots.next().map(|bot| format!("{}{run}-{user}", args.kind.path(bot)));
    mine.filter_map(user).collect()
}

/// When a connection sends.
struct Pace {
    next: Instant,
    between: Duration,
}

/// One connection's loop: its users speak in turn, each saying one text after the other, `until` then or each of them once.
async fn speak(
    target: &Target,
    paths: &[String],
    bodies: &[Vec<u8>],
    mut pace: Option<Pace>,
    until: Option<Instant>,
) -> Tally {
    let mut tally = Tally::default();
    let mut connection: Option<Connection> = None;
    let mut next = 0;
    while until.map_or(next < paths.len(), |until| Instant::now() < until) {
        let due = match &mut pace {
            Some(pace) if until.is_some_and(|until| pace.next >= until) => break,
            Some(pace) => {
                let due = pace.next;
                pace.next += pace.between;
                tokio::time::sleep_until(due.into()).await;
                Some(due)
            }
            None => None,
        };
        let outcome = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::open(target).await?,
            };
            let begun = due.unwrap_or_else(Instant::now);
            let body = &bodies[next / paths.len() % bodies.len()];
            let response = open.send(target, &paths[next % paths.len()], Some(body)).await?;
            tally.answer(response.status, &response.body, begun.elapsed());
            if !open.closed {
                connection = Some(open);
            }
            anyhow::Ok(response.status)
        };
        match outcome.await {
            Ok(503 | 429) => {
                tokio::time::sleep(POLL).await;
                if until.is_none() {
                    continue;
                }
            }
            Ok(_) => {}
            Err(error) => {
                *tally.broken.entry(format!("{error:#}")).or_default() += 1;
                tokio::time::sleep(POLL).await;
            }
        }
        next += 1;
    }
    tally
}

/// The server's counters, or `None` if it shows none.
async fn counters(target: &Target) -> anyhow::Result<Option<Counters>> {
    let mut connection = Connection::open(target).await?;
    let response = connection.send(target, "/metrics", None).await.context("cannot read /metrics")?;
    Ok((response.status == 200).then(|| Counters::parse(&String::from_utf8_lossy(&response.body))).flatten())
}

/// Waits until the server has processed all it accepted, at most `patience`; gives what it counted since `before`.
async fn drained(target: &Target, before: Counters, patience: Duration) -> anyhow::Result<Counters> {
    let begun = Instant::now();
    loop {
        let now = counters(target).await?.context("the server no longer shows its counters at /metrics")?;
        let counted = now.since(before);
        if counted.left() == 0 || begun.elapsed() > patience {
            return Ok(counted);
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> BenchArgs {
        #[derive(clap::Parser)]
        struct Parser {
            #[command(flatten)]
            args: BenchArgs,
        }
        <Parser as clap::Parser>::parse_from(std::iter::once("bench").chain(text.split_whitespace())).args
    }

    #[test]
    fn each_user_speaks_to_one_bot_and_each_connection_to_one_bot_after_the_other() {
        let args = args("--bot a --bot b --bot c --users 30 --connections 4");
        let all: Vec<Vec<String>> = (0..4).map(|number| paths(&args, number, "run")).collect();
        let mut users: Vec<&str> = all.iter().flatten().map(|path| path.rsplit('/').next().unwrap()).collect();
        users.sort_unstable();
        users.dedup();
        assert_eq!(users.len(), 30);
        for bot in ["a", "b", "c"] {
            let count = all.iter().flatten().filter(|path| path.contains(&format!("/bots/{bot}/"))).count();
            assert!((8..=12).contains(&count), "{bot}: {count} of 30");
        }
        let turns: Vec<&str> = all[1].iter().map(|path| &path[13..14]).collect();
        assert!(turns.windows(2).all(|pair| pair[0] != pair[1]), "{turns:?}");
    }

    #[test]
    fn connections_beyond_the_users_speak_for_one_of_them_and_when_each_speaks_once_for_none() {
        let often = args("--bot a --users 2 --connections 3");
        assert!((0..3).all(|number| paths(&often, number, "run").len() == 1));
        let once = args("--bot a --users 2 --connections 3 --once");
        assert_eq!((0..3).map(|number| paths(&once, number, "run").len()).sum::<usize>(), 2);
    }

    #[test]
    fn every_kind_is_a_request_with_a_json_body() {
        let bot = BotId::parse("b").unwrap();
        for kind in [Workload::Events, Workload::Converse, Workload::Visitors] {
            let path = kind.path(&bot);
            assert!(path.starts_with("/api/v1/bots/b/") && path.ends_with('/'));
            for body in kind.bodies(&["Hey!".to_owned(), "\"1\"".to_owned()]) {
                serde_json::from_slice::<serde_json::Value>(&body).unwrap();
            }
        }
    }
}
