//! Numbers of a load: latencies, counters of the server, and how they are printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use crate::telemetry::escape::{one_line, shortened};

/// What one connection, or all of them together, saw.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    /// Time from sending to the whole answer, of 2xx answers, in microseconds.
    pub(super) latencies: Vec<u32>,
    /// Answers other than 2xx by status.
    pub(super) refused: BTreeMap<u16, u64>,
    /// What the first of them said, by status.
    pub(super) said: BTreeMap<u16, String>,
    /// Connections and answers that broke, by reason.
    pub(super) broken: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds another's numbers.
    pub(super) fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
        for (status, said) in other.said {
            self.said.entry(status).or_insert(said);
        }
        for (reason, count) in other.broken {
            *self.broken.entry(reason).or_default() += count;
        }
    }

    /// Notes an answer, with its body.
    pub(super) fn answer(&mut self, status: u16, body: &[u8], took: Duration) {
        if (200..300).contains(&status) {
            self.latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        } else {
            *self.refused.entry(status).or_default() += 1;
            self.said.entry(status).or_insert_with(|| said(body));
        }
    }
}

/// What an answer says, in one line: the message of an error as JSON, or else its text.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let message = json.as_ref().and_then(|json| json["full"].as_str().or_else(|| json["message"].as_str()));
    one_line(&shortened(message.unwrap_or(&text), 200))
}

/// What to do about answers of that status.
fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "the bot is private: measure one that is not",
        404 => "nothing of these is there: see --bot and --url",
        413 => "a limit of the server's configuration is below what is sent",
        429 | 503 => {
            "the server has more than it can do and stored nothing of these: fewer --connections, more --users, or a --rate below what it processes"
        }
        500.. => "the server's log says why",
        _ => "see what it says",
    }
}

/// The latency below which `share` (0 to 1) of the sorted ones lie (nearest rank).
pub(super) fn percentile(sorted: &[u32], share: f64) -> u32 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are far below 2^52"
    )]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).or(sorted.last()).copied().unwrap_or(0)
}

/// What the server says of itself at `/metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Events that came in over HTTP and were stored.
    pub(super) accepted: u64,
    /// Events that scripts sent, stored.
    pub(super) follow_ups: u64,
    /// Events whose state and end are stored.
    pub(super) processed: u64,
    /// Replies that are stored.
    pub(super) replies: u64,
    /// Events that wait for their turn.
    pub(super) waiting: u64,
}

impl Counters {
    /// Reads the counters out of the text; `None` if one is missing. A counter with labels is the sum of its series.
    pub(super) fn parse(metrics: &str) -> Option<Self> {
        Some(Self {
            accepted: read(metrics, "nudge_accepted_total")?,
            follow_ups: read(metrics, "nudge_follow_ups_committed_total")?,
            processed: read(metrics, "nudge_processed_total")?,
            replies: read(metrics, "nudge_replies_committed_total")?,
            waiting: read(metrics, "nudge_waiting")?,
        })
    }

    /// What was counted since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            accepted: self.accepted.saturating_sub(before.accepted),
            follow_ups: self.follow_ups.saturating_sub(before.follow_ups),
            processed: self.processed.saturating_sub(before.processed),
            replies: self.replies.saturating_sub(before.replies),
            waiting: self.waiting,
        }
    }

    /// Events that were taken in and are not processed.
    pub(super) fn left(self) -> u64 {
        (self.accepted + self.follow_ups).saturating_sub(self.processed).max(self.waiting)
    }
}

/// A counter out of the text of `/metrics`.
pub(super) fn read(metrics: &str, name: &str) -> Option<u64> {
    let mut found = None;
    for line in metrics.lines() {
        let Some(rest) = line.strip_prefix(name) else { continue };
        if rest.starts_with('{') || rest.starts_with(' ') {
            let value = rest.rsplit_once('}').map_or(rest, |(_, value)| value).split_whitespace().next()?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a counter is a whole number ≥ 0"
            )]
            let value = value.parse::<f64>().ok()? as u64;
            found = Some(found.unwrap_or(0) + value);
        }
    }
    found
}

/// The finished load.
#[derive(Debug, Clone)]
pub(super) struct Report {
    /// What was sent: `events` or `converse`.
    pub(super) kind: &'static str,
    /// How many connections.
    pub(super) connections: usize,
    /// How many users.
    pub(super) users: usize,
    /// How long requests were sent.
    pub(super) sending: Duration,
    /// From the first request until the server had processed all it had accepted.
    pub(super) draining: Duration,
    /// What was seen.
    pub(super) tally: Tally,
    /// What the server counted meanwhile; `None` if it shows no counters.
    pub(super) counters: Option<Counters>,
}

impl Report {
    /// For programs: times in seconds, latencies in microseconds.
    pub(super) fn json(mut self) -> serde_json::Value {
        self.tally.latencies.sort_unstable();
        let sorted = &self.tally.latencies;
        // Nothing is measured where nothing was answered.
        let measured = |share| if sorted.is_empty() { None } else { Some(percentile(sorted, share)) };
        let counters = self.counters.filter(|_| !sorted.is_empty());
        json!({
            "kind": self.kind,
            "sending": self.sending.as_secs_f64(),
            "draining": self.draining.as_secs_f64(),
            "answered": sorted.len(),
            "p50": measured(0.5),
            "p99": measured(0.99),
            "worst": measured(1.0),
            "processed": counters.map(|counters| counters.processed),
            "replies": counters.map(|counters| counters.replies),
            "left": counters.map(Counters::left),
            "refused": self.tally.refused.values().sum::<u64>(),
            "broken": self.tally.broken.values().sum::<u64>(),
        })
    }

    /// As printed.
    pub(super) fn render(mut self) -> String {
        self.tally.latencies.sort_unstable();
        let sorted = &self.tally.latencies;
        let rate = |count: u64, over: Duration| {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let rate = count as f64 / over.as_secs_f64().max(1e-9);
            format!("{rate:.0}/s")
        };
        let ms = |us: u32| format!("{:.2} ms", f64::from(us) / 1_000.0);
        let mut out = format!(
            "{} over {} connections, {} users, {:.1} s\n",
            self.kind,
            self.connections,
            self.users,
            self.sending.as_secs_f64()
        );
        let _ = writeln!(out, "  answered 2xx   {:>8}   {}", sorted.len(), rate(sorted.len() as u64, self.sending));
        if sorted.is_empty() {
            self.failures(&mut out);
            return out;
        }
        let _ = writeln!(
            out,
            "  latency        p50 {}   p90 {}   p99 {}   max {}",
            ms(percentile(sorted, 0.5)),
            ms(percentile(sorted, 0.9)),
            ms(percentile(sorted, 0.99)),
            ms(percentile(sorted, 1.0))
        );
        match self.counters {
            Some(counters) => {
                let Counters { processed, replies, .. } = counters;
                let _ = writeln!(
                    out,
                    "  processed      {processed:>8}   {}   (everything accepted, until {:.2} s)",
                    rate(processed, self.draining),
                    self.draining.as_secs_f64()
                );
                let _ = writeln!(
                    out,
                    "  replies        {replies:>8}   {}   (counted when committed)",
                    rate(replies, self.draining)
                );
                if counters.left() > 0 {
                    let left = counters.left();
                    let _ = writeln!(out, "  NOT processed  {left:>8}   the server gave up or is still at it");
                }
            }
            None => out.push_str("  the server shows no counters at /metrics: processed events were not counted\n"),
        }
        self.failures(&mut out);
        out
    }

    /// What was not answered with 2xx.
    fn failures(&self, out: &mut String) {
        for (status, count) in &self.tally.refused {
            let said = self.tally.said.get(status).map(String::as_str).unwrap_or_default();
            let _ = writeln!(
                out,
                "  status {status}     {count:>8}   {said}\n                             {}",
                advice(*status)
            );
        }
        for (reason, count) in &self.tally.broken {
            let _ = writeln!(out, "  broken         {count:>8}   {reason}");
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let sorted: Vec<u32> = (1..=100).collect();
        assert_eq!([0.5, 0.9, 0.99, 1.0].map(|share| percentile(&sorted, share)), [50, 90, 99, 100]);
        assert_eq!(percentile(&[7], 0.5), 7);
        assert_eq!(percentile(&[], 0.5), 0);
    }

    #[test]
    fn counters_are_read_with_and_without_labels() {
        let text = "# TYPE nudge_accepted_total counter\nnudge_accepted_total 12\n\
                    nudge_processed_total{bot=\"a}b\"} 3\nnudge_processed_total{bot=\"c\"} 4\n\
                    nudge_replies_committed_total_by_bot 99\nnudge_replies_committed_total 1.0e1\n\
                    nudge_follow_ups_committed_total 1\nnudge_waiting 2\n";
        let counters = Counters { accepted: 12, follow_ups: 1, processed: 7, replies: 10, waiting: 2 };
        assert_eq!(Counters::parse(text), Some(counters));
        assert_eq!(counters.left(), 6);
        assert_eq!(Counters::parse(""), None);
    }

    #[test]
    fn a_report_names_rates_and_failures() {
        let mut tally = Tally::default();
        for us in [1_000, 2_000, 3_000, 90_000] {
            tally.answer(200, b"OK", Duration::from_micros(us));
        }
        let full = br#"{"message":"Service Unavailable: 100 already wait for this user; try again in 1 s"}"#;
        tally.answer(503, full, Duration::ZERO);
        tally.answer(503, b"", Duration::ZERO);
        tally.answer(404, b"Cannot POST /", Duration::ZERO);
        tally.broken.insert("the server closed the connection".into(), 1);
        let report = Report {
            kind: "events",
            connections: 2,
            users: 10,
            sending: Duration::from_secs(2),
            draining: Duration::from_secs(4),
            tally,
            counters: Some(Counters { accepted: 5, processed: 4, replies: 8, ..Counters::default() }),
        };
        expect![[r#"
            events over 2 connections, 10 users, 2.0 s
              answered 2xx          4   2/s
              latency        p50 2.00 ms   p90 90.00 ms   p99 90.00 ms   max 90.00 ms
              processed             4   1/s   (everything accepted, until 4.00 s)
              replies               8   2/s   (counted when committed)
              NOT processed         1   the server gave up or is still at it
              status 404            1   Cannot POST /
                                         nothing of these is there: see --bot and --url
              status 503            2   Service Unavailable: 100 already wait for this user; try again in 1 s
                                         the server has more than it can do and stored nothing of these: fewer --connections, more --users, or a --rate below what it processes
              broken                1   the server closed the connection
        "#]]
        .assert_eq(&report.clone().render());
        let json = report.json();
        assert_eq!((&json["p50"], &json["worst"], &json["left"]), (&json!(2_000), &json!(90_000), &json!(1)));
    }

    #[test]
    fn where_nothing_was_answered_nothing_is_said_to_be_measured() {
        let mut tally = Tally::default();
        tally.answer(404, b"Bot not found", Duration::ZERO);
        let report = Report {
            kind: "events",
            connections: 1,
            users: 1,
            sending: Duration::from_secs(1),
            draining: Duration::from_secs(1),
            tally,
            counters: Some(Counters::default()),
        };
        expect![[r#"
            events over 1 connections, 1 users, 1.0 s
              answered 2xx          0   0/s
              status 404            1   Bot not found
                                         nothing of these is there: see --bot and --url
        "#]]
        .assert_eq(&report.clone().render());
        let json = report.json();
        assert!(["p50", "p99", "worst", "processed", "replies"].iter().all(|key| json[key].is_null()), "{json}");
    }
}
