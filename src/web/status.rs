//! How the server is doing: `/status` for people and probes, `/metrics` for Prometheus, traces for authors of scripts.

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::ORIGIN;
use axum::http::{HeaderValue, Response, StatusCode, Uri};
use serde_json::json;
use tokio::sync::oneshot;

use crate::dispatch::Stats;
use crate::model::EventId;
use crate::os;
use crate::services::BOT_HEADER;

use super::error::{HttpError, JSON, answer, stored};
use super::extractors::Named;
use super::own_host;
use super::state::Web;

/// The content type that Prometheus asks for.
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Counters that may fall: everything else only rises.
const GAUGES: [&str; 8] = ["waiting", "in_flight", "realms", "zygotes", "resident_bytes", "rate", "program", "janitor"];

/// `GET /status`: version, uptime in seconds, the bots, what is wrong in the workspace, the counters. 503 while nothing can be
/// stored.
pub(crate) async fn status(State(web): State<Web>, request: Request) -> Response<Body> {
    let (asked, _) = request.into_parts();
    let workspace = web.workspace.borrow().clone();
    // A script, where bots are kept apart: it hears of no bot but its own.
    let only = asked.headers.get(BOT_HEADER).map(|id| id.to_str().unwrap_or_default());
    let bots: Vec<_> = workspace
        .bots
        .iter()
        .filter(|(id, _)| only.is_none_or(|only| only == id.as_str()))
        .map(|(id, bot)| json!({ "id": id, "name": bot.name, "disabled": bot.disabled, "private": bot.private }))
        .collect();
    let (connections, visitors) = web.realtime.count();
    let mut body = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": web.clock.now().saturating_sub(web.started) / 1_000,
        "program": workspace.program.version,
        "bots": bots,
        "problems": workspace.problems.len(),
        "queue": web.dispatcher.stats(),
        "realtime": { "connections": connections, "visitors": visitors },
    });
    // Paths, sources and what the system says are for the author of the scripts, not for the public, nor for pages of other
    // origins that the author visits: browsers say `Origin` for those, and not for the server's own; but a name that was made to
    // lead here is the server's own to them.
    let shown = !web.settings.production
        && !asked.headers.contains_key(ORIGIN)
        && only.is_none()
        && own_host::is_own(&web.settings.http, &asked);
    if shown {
        body["problems"] =
            workspace.problems.iter().map(|problem| problem.without(&web.settings.secrets).to_string()).collect();
    }
    let Some(trouble) = web.store.trouble() else { return answer(StatusCode::OK, JSON, body.to_string()) };
    body["status"] = "cannot store".into();
    body["store"] = json!({
        "seconds": web.clock.now().saturating_sub(trouble.since) / 1_000,
        "refused": trouble.refused,
    });
    if shown {
        body["store"]["why"] = trouble.why.into();
    }
    answer(StatusCode::SERVICE_UNAVAILABLE, JSON, body.to_string())
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(web): State<Web>) -> Response<Body> {
    let mut text = exposition(&web.dispatcher.stats());
    let (connections, visitors) = web.realtime.count();
    let gauges = [
        ("sockets", Some(connections as u64)),
        ("visitors", Some(visitors as u64)),
        ("server_bytes", os::resident()),
        ("slow_clients_dropped", Some(web.bodies.dropped())),
        ("slow_sockets_dropped", Some(web.realtime.dropped())),
        ("cannot_store", Some(u64::from(web.store.trouble().is_some()))),
    ];
    for (name, value) in gauges.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# TYPE nudge_{name} gauge\nnudge_{name} {value}");
    }
    answer(StatusCode::OK, PROMETHEUS, text)
}

fn exposition(stats: &Stats) -> String {
    let mut out = String::new();
    for (name, value) in stats.rows() {
        let (kind, suffix) = if GAUGES.contains(&name) { ("gauge", "") } else { ("counter", "_total") };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# TYPE nudge_{name}{suffix} {kind}\nnudge_{name}{suffix} {value}");
    }
    out
}

/// `GET /api/v1/traces/:eventId`, in development: the steps of one of the last events.
pub(crate) async fn trace(State(web): State<Web>, Path(event): Path<String>) -> Result<Response<Body>, HttpError> {
    let id: EventId = event.parse().map_err(|error| HttpError::BadRequest(format!("{error}")))?;
    let found = web.dispatcher.traces().get(id);
    let text = found.ok_or_else(|| HttpError::NotFound(format!("Event \"{id}\" has no trace, or no longer")))?;
    Ok(answer(StatusCode::OK, JSON, text))
}

/// `GET /api/v1/bots/:botId/traces/:userId?after=`, in development: the steps of a user's events after that one, oldest
/// first, and for how many milliseconds typing holds back messages to the user. With both it is known when an answer is
/// complete.
pub(crate) async fn traces_of_user(
    State(web): State<Web>,
    Named(visitor): Named,
    uri: Uri,
) -> Result<Response<Body>, HttpError> {
    let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let after = match query.find(|(name, _)| name == "after") {
        Some((_, id)) => id.parse().map_err(|error| HttpError::BadRequest(format!("{error}")))?,
        None => EventId(0),
    };
    let traces = web.dispatcher.traces().of_user(&visitor.bot, &visitor.user, after);
    // What an event with a trace has done was given to the store before.
    let (committed, commit) = oneshot::channel::<()>();
    web.store.barrier(|| drop(committed));
    let _ = commit.await;
    let now = web.clock.now();
    let held = web.store.beside(move |store| store.undelivered(now)).await.map_err(stored)?;
    let theirs = held.iter().filter(|held| held.bot == visitor.bot.as_str() && held.user == visitor.user.as_str());
    let typing = theirs.map(|held| held.deliver_at.saturating_sub(now)).max().unwrap_or(0);
    let text = format!("{{\"traces\":[{}],\"typing\":{typing}}}", traces.join(","));
    Ok(answer(StatusCode::OK, JSON, web.bodies.answer(text.into_bytes()).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_gauges_are_told_apart() {
        let text = exposition(&Stats { accepted: 7, waiting: 2, ..Stats::default() });
        assert!(text.contains("# TYPE nudge_accepted_total counter\nnudge_accepted_total 7\n"), "{text}");
        assert!(text.contains("# TYPE nudge_waiting gauge\nnudge_waiting 2\n"), "{text}");
    }

    #[test]
    fn every_gauge_is_a_counter_that_exists() {
        let rows = Stats::default().rows();
        for gauge in GAUGES {
            assert!(rows.iter().any(|(name, _)| *name == gauge), "{gauge}");
        }
    }
}
