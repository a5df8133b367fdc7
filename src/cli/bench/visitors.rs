//! `nudge bench --kind visitors`: many visitors who listen, a few messages at a time, and how long each takes to its page.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::report::{percentile, read};
use crate::cli::http::{Connection, Target};
use crate::cli::output;
use crate::model::BotId;

/// Sockets that are opened at once.
const OPENING: usize = 64;
/// How often a socket says that it is there.
const PING: Duration = Duration::from_secs(20);
/// How long to wait for messages that are on their way when nothing is sent any more.
const LAST: Duration = Duration::from_secs(5);
/// How often it is looked whether they have come.
const POLL: Duration = Duration::from_millis(10);
/// How much junk a visitor sends.
const JUNK: usize = 2 << 20;
/// In packets of this size.
const JUNK_PACKET: usize = 40 << 10;

/// What to do.
pub(super) struct Plan<'p> {
    pub(super) target: &'p Target,
    pub(super) bot: &'p BotId,
    pub(super) visitors: u32,
    /// Events a second.
    pub(super) rate: u32,
    pub(super) lasting: Duration,
    /// Every other visitor sends junk.
    pub(super) junk: bool,
    /// Print one JSON object.
    pub(super) json: bool,
}

type Socket = WebSocketStream<TcpStream>;

/// What the visitors have seen.
#[derive(Default)]
struct Seen {
    /// From sending to the message on the page, in microseconds.
    latencies: RefCell<Vec<u32>>,
    /// Requests that were refused or broke.
    refused: Cell<u64>,
    /// Sockets that ended before they should.
    ended: Cell<u64>,
    /// Visitors that sent junk until they were dropped, and those that could send all of it.
    dropped: Cell<u64>,
    junk_sent: Cell<u64>,
    over: Notify,
}

/// A visitor: its id, and when something was sent for it that has not come.
struct Visitor {
    id: String,
    sent: Cell<Option<Instant>>,
}

/// Opens the sockets, sends, and prints what came of it. Fails when not one message came.
pub(super) async fn load(plan: &Plan<'_>) -> anyhow::Result<()> {
    let before = resident(plan.target).await;
    let opening = Instant::now();
    let seen = Rc::new(Seen::default());
    let visitors = open_all(plan, &seen).await?;
    let opened = opening.elapsed();
    let after = resident(plan.target).await;
    let begun = Instant::now();
    let sent = send(plan, &visitors, &seen).await;
    let sending = begun.elapsed();
    let waiting = Instant::now();
    while visitors.iter().any(|visitor| visitor.sent.get().is_some()) && waiting.elapsed() < LAST {
        tokio::time::sleep(POLL).await;
    }
    seen.over.notify_waiters();
    let mut latencies = seen.latencies.take();
    latencies.sort_unstable();
    let (refused, ended) = (seen.refused.get(), seen.ended.get());
    if plan.json {
        let [p50, p99, worst] = [0.5, 0.99, 1.0].map(|share| percentile(&latencies, share));
        let counts = json!({ "sent": sent, "came": latencies.len(), "refused": refused, "ended": ended });
        output::line(format_args!("{}", json!({ "p50": p50, "p99": p99, "worst": worst, "counts": counts })));
        return Ok(());
    }
    let ms = |share: f64| format!("{:.2} ms", f64::from(percentile(&latencies, share)) / 1_000.0);
    let mut out = format!("{} visitors connected in {:.1} s", plan.visitors, opened.as_secs_f64());
    if let Some((before, after)) = before.zip(after) {
        let each = after.saturating_sub(before) / u64::from(plan.visitors);
        // Writing to a string cannot fail.
        let _ = write!(out, "; the server has {} MB, {} MB before: {each} bytes for each", after >> 20, before >> 20);
    }
    let _ = write!(
        out,
        "\n{sent} events sent in {:.1} s, {} messages came\nto the page  p50 {}  p99 {}  max {}",
        sending.as_secs_f64(),
        latencies.len(),
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
    if refused > 0 || ended > 0 {
        let _ = write!(out, "\n{refused} requests were refused, {ended} sockets ended");
    }
    if plan.junk {
        let (dropped, all) = (seen.dropped.get(), seen.junk_sent.get());
        let _ = write!(out, "\njunk: {dropped} visitors were dropped, {all} could send {} MB", JUNK >> 20);
    }
    output::line(format_args!("{out}"));
    ensure!(!latencies.is_empty(), "not one message came; does bot {} answer a proactive-trigger?", plan.bot);
    Ok(())
}

/// The server's memory in bytes, where it says so.
async fn resident(target: &Target) -> Option<u64> {
    let mut connection = Connection::open(target).await.ok()?;
    let answer = connection.send(target, "/metrics", None).await.ok()?;
    read(&String::from_utf8_lossy(&answer.body), "nudge_server_bytes")
}

/// Opens all sockets and has them listen. Gives the visitors whose messages are measured: those that send no junk.
async fn open_all(plan: &Plan<'_>, seen: &Rc<Seen>) -> anyhow::Result<Vec<Rc<Visitor>>> {
    raise_descriptors();
    let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
    let places = Rc::new(Semaphore::new(OPENING));
    let opening: Vec<_> = (0..plan.visitors)
        .map(|number| {
            let (target, places) = (plan.target.clone(), Rc::clone(&places));
            let visitor = Visitor { id: format!("bench-{run:x}-{number}"), sent: Cell::new(None) };
            tokio::task::spawn_local(async move {
                let _place = places.acquire().await?;
                let socket = open(&target, &visitor.id).await?;
                anyhow::Ok((Rc::new(visitor), socket))
            })
        })
        .collect();
    let mut measured = Vec::new();
    for (number, opening) in opening.into_iter().enumerate() {
        let (visitor, socket) = opening.await?.context("a visitor cannot connect")?;
        if plan.junk && number % 2 == 1 {
            // Spread over the time in which events are sent.
            let at = plan.lasting.mul_f64(number as f64 / f64::from(plan.visitors) * 0.8);
            tokio::task::spawn_local(send_junk(socket, at, Rc::clone(seen)));
        } else {
            measured.push(Rc::clone(&visitor));
            tokio::task::spawn_local(listen(socket, visitor, Rc::clone(seen)));
        }
    }
    Ok(measured)
}

/// Connects as a visitor's page does.
async fn open(target: &Target, visitor: &str) -> anyhow::Result<Socket> {
    let stream = TcpStream::connect(&target.address).await?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{}{}/socket.io/?EIO=3&transport=websocket", target.host, target.base);
    let config = WebSocketConfig::default().read_buffer_size(1 << 10);
    let (mut socket, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
    socket.send(Message::text(format!("40/guest?visitorId={visitor},"))).await?;
    loop {
        let packet = socket.next().await.context("the server closed the connection")??;
        let text = packet.to_text().unwrap_or_default();
        ensure!(!text.starts_with("44"), "the visitor was refused: {text}");
        if text == "40/guest," {
            return Ok(socket);
        }
    }
}

/// Reads what comes to a page until the load is over.
async fn listen(mut socket: Socket, visitor: Rc<Visitor>, seen: Rc<Seen>) {
    let mut ping = tokio::time::interval(PING);
    ping.tick().await;
    loop {
        let packet = tokio::select! {
            packet = socket.next() => packet,
            _ = ping.tick() => match socket.send(Message::text("2")).await {
                Ok(()) => continue,
                Err(_) => None,
            },
            () = seen.over.notified() => return,
        };
        let Some(Ok(packet)) = packet else {
            seen.ended.set(seen.ended.get() + 1);
            return;
        };
        if packet.to_text().is_ok_and(|text| text.contains("\"guest.webchat.message\""))
            && let Some(sent) = visitor.sent.take()
        {
            seen.latencies.borrow_mut().push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }
}

/// Sends junk as fast as the server takes it.
async fn send_junk(mut socket: Socket, at: Duration, seen: Rc<Seen>) {
    tokio::time::sleep(at).await;
    let packet = format!("42/guest,[\"event\",{{\"name\":\"guest.junk\",\"data\":\"{}\"}}]", "x".repeat(JUNK_PACKET));
    let mut all = true;
    for _ in 0..JUNK / JUNK_PACKET {
        all &= socket.send(Message::text(packet.as_str())).await.is_ok();
    }
    // What was sent may still be on its way: only the end of the connection tells.
    let ended = async { while let Some(Ok(_)) = socket.next().await {} };
    let dropped = !all
        || tokio::select! {
            () = ended => true,
            () = seen.over.notified() => false,
        };
    let counter = if dropped { &seen.dropped } else { &seen.junk_sent };
    counter.set(counter.get() + 1);
}

/// Sends events for visitors at random, and says how many.
async fn send(plan: &Plan<'_>, visitors: &[Rc<Visitor>], seen: &Rc<Seen>) -> u64 {
    let idle: Rc<RefCell<Vec<Connection>>> = Rc::default();
    let begun = Instant::now();
    let (mut due, mut sent) = (begun, 0);
    let between = Duration::from_secs(1) / plan.rate;
    while due < begun + plan.lasting {
        tokio::time::sleep_until(due.into()).await;
        due += between;
        // One that waits for a message is passed over: which one came could not be told.
        let first = rand::random_range(0..visitors.len());
        let free = |at: &usize| visitors[*at].sent.get().is_none();
        let Some(at) = (first..visitors.len()).chain(0..first).find(free) else { continue };
        let visitor = Rc::clone(&visitors[at]);
        visitor.sent.set(Some(Instant::now()));
        sent += 1;
        let path = format!("/api/v1/bots/{}/mod/channel-web/events/{}", plan.bot, visitor.id);
        let (target, idle, seen) = (plan.target.clone(), Rc::clone(&idle), Rc::clone(seen));
        tokio::task::spawn_local(async move {
            if post(&target, &idle, &path).await.is_none() {
                visitor.sent.set(None);
                seen.refused.set(seen.refused.get() + 1);
            }
        });
    }
    sent
}

async fn post(target: &Target, idle: &RefCell<Vec<Connection>>, path: &str) -> Option<()> {
    let open = idle.borrow_mut().pop();
    let mut connection = match open {
        Some(connection) => connection,
        None => Connection::open(target).await.ok()?,
    };
    let body = br#"{"type":"proactive-trigger","channel":"web","payload":{"text":"fake message"}}"#;
    let status = connection.send(target, path, Some(body)).await.ok()?.status;
    if !connection.closed {
        idle.borrow_mut().push(connection);
    }
    (status == 200).then_some(())
}

/// Each visitor is an open file.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where that is refused, the first socket too many says what is wrong.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
