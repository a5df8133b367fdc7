//! How much is written: of one place, of one bot and in all so many entries in ten seconds. What is more is counted, and the count
//! is written when the ten seconds are over: nothing is left out in silence.
//!
//! What bots do and what the server says of itself is counted apart: no script keeps the server from being heard.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use tracing::Level;

use super::escape;
use crate::config::secrets::Secrets;

/// The time for which is counted, in milliseconds.
pub(super) const SPAN: u64 = 10_000;
/// Places that are told apart in one span; further ones of a bot count as one.
const PLACES: usize = 2_048;
/// Counts that are written after one span; what further ones count is written as one.
const SAID: usize = 50;
/// Characters of a left-out entry that are quoted.
const QUOTED: usize = 160;

/// How much of the log is written. Entries are those of ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// `log.perPlace`: of one place: of a bot a line of a script, of the server a line of it.
    pub per_place: u64,
    /// `log.perBot`: of one bot.
    pub per_bot: u64,
    /// `log.all`: of all bots together, and as many of the server.
    pub all: u64,
    /// `log.bytes`: bytes of all bots together, and as many of the server.
    pub bytes: u64,
    /// `log.text`: longest text of an entry, in bytes.
    pub text: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { per_place: 200, per_bot: 500, all: 2_000, bytes: 1 << 20, text: 16 << 10 }
    }
}

/// Where an entry comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) bot: Option<String>,
    pub(super) hook: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u64>,
    /// The line of the server that says it.
    pub(super) source: (&'static str, u32),
}

/// What left something out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Place,
    Bot,
    All,
    Bytes,
}

impl Limit {
    fn key(self) -> &'static str {
        match self {
            Self::Place => "log.perPlace",
            Self::Bot => "log.perBot",
            Self::All => "log.all",
            Self::Bytes => "log.bytes",
        }
    }
}

/// Whether an entry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Written,
    /// It is the first in its place that is not: [`Folding::quote`] what it says.
    Quoted(u64),
    LeftOut,
}

/// What was left out of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) origin: Origin,
    pub(super) times: u64,
    /// What it said first.
    quote: String,
    limit: (Limit, u64),
    /// Other places, if it stands for several.
    others: usize,
}

impl LeftOut {
    /// `… 1,234 more like this in 10 s are left out (log.perPlace: 200): what it said`
    pub(super) fn message(&self) -> String {
        let (limit, number) = self.limit;
        let (times, seconds) = (thousands(self.times), SPAN / 1_000);
        let what = match (self.others, &*self.quote) {
            (0, "") => String::new(),
            (0, quote) => format!(": {quote}"),
            (places, _) => format!(", from {places} other places"),
        };
        format!("… {times} more like this in {seconds} s are left out ({}: {}){what}", limit.key(), thousands(number))
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// One place in one span.
#[derive(Debug)]
struct LoggedPlace {
    written: u64,
    left_out: LeftOut,
}

/// What both bots and the server have.
#[derive(Debug, Default)]
struct Total {
    written: u64,
    bytes: u64,
}

/// Counts what is written.
#[derive(Debug, Default)]
pub(super) struct Folding {
    limits: LogLimits,
    /// What must not be read in it.
    pub(super) secrets: Secrets,
    /// When the span began, in milliseconds since the epoch.
    began: Option<u64>,
    places: HashMap<u64, LoggedPlace>,
    bots: HashMap<u64, u64>,
    of_bots: Total,
    of_server: Total,
    /// There is something to be said.
    left_out: bool,
}

impl Folding {
    pub(super) fn limit(&mut self, limits: LogLimits) {
        self.limits = limits;
    }

    pub(super) fn limits(&self) -> LogLimits {
        self.limits
    }

    /// Whether an entry is written that comes at `now`. Ask [`Folding::over`] first.
    pub(super) fn admit(&mut self, level: Level, target: &'static str, origin: &Origin) -> Verdict {
        let bot = origin.bot.as_ref().map(hash);
        let mut key = hash(&(bot, &origin.hook, &origin.file, origin.line, origin.source, level.as_str()));
        let mut from = origin;
        let wider;
        if self.places.len() >= PLACES && !self.places.contains_key(&key) {
            let of_bot = hash(&bot);
            let known = self.places.len() < 2 * PLACES || self.places.contains_key(&of_bot);
            wider = Origin { bot: origin.bot.clone().filter(|_| known), ..Origin::default() };
            (key, from) = (if known { of_bot } else { 0 }, &wider);
        }
        let of_bot = bot.and_then(|bot| self.bots.get(&bot)).copied().unwrap_or(0);
        let total = if bot.is_some() { &mut self.of_bots } else { &mut self.of_server };
        let limits = self.limits;
        let place = self.places.entry(key).or_insert_with(|| LoggedPlace::new(level, target, from));
        let limit = match () {
            () if place.written >= limits.per_place => (Limit::Place, limits.per_place),
            () if of_bot >= limits.per_bot => (Limit::Bot, limits.per_bot),
            () if total.written >= limits.all => (Limit::All, limits.all),
            () if total.bytes >= limits.bytes => (Limit::Bytes, limits.bytes),
            () => {
                place.written += 1;
                total.written += 1;
                if let Some(bot) = bot
                    && (self.bots.len() < 2 * PLACES || self.bots.contains_key(&bot))
                {
                    *self.bots.entry(bot).or_default() += 1;
                }
                return Verdict::Written;
            }
        };
        self.left_out = true;
        let first = place.left_out.times == 0;
        place.left_out.times += 1;
        place.left_out.limit = limit;
        if first { Verdict::Quoted(key) } else { Verdict::LeftOut }
    }

    /// What the first entry says that was left out in a place.
    pub(super) fn quote(&mut self, place: u64, message: &str) {
        if let Some(place) = self.places.get_mut(&place) {
            place.left_out.quote = escape::shortened(message.lines().next().unwrap_or_default(), QUOTED);
        }
    }

    /// An entry is written that takes so many bytes.
    pub(super) fn wrote(&mut self, of_bot: bool, bytes: usize) {
        let total = if of_bot { &mut self.of_bots } else { &mut self.of_server };
        total.bytes += bytes as u64;
    }

    /// What is to be written of a span that is over at `now`, milliseconds since the epoch; then the next one begins.
    pub(super) fn over(&mut self, now: u64) -> Vec<LeftOut> {
        match self.began {
            Some(began) if (began..began + SPAN).contains(&now) => Vec::new(),
            began => {
                self.began = Some(now);
                if began.is_some() { self.end() } else { Vec::new() }
            }
        }
    }

    /// How long until what was left out can be written, in milliseconds; nothing if nothing was.
    pub(super) fn due(&self, now: u64) -> Option<u64> {
        self.left_out.then(|| self.began.map_or(0, |began| (began + SPAN).saturating_sub(now).min(SPAN)))
    }

    /// Ends the span: what was left out in it, most first.
    pub(super) fn end(&mut self) -> Vec<LeftOut> {
        let places = std::mem::take(&mut self.places);
        (self.bots, self.of_bots, self.of_server) = <_>::default();
        if !std::mem::take(&mut self.left_out) {
            return Vec::new();
        }
        let mut said: Vec<LeftOut> =
            places.into_values().map(|place| place.left_out).filter(|left_out| left_out.times > 0).collect();
        said.sort_by(|a, b| {
            (b.times, &a.origin.bot, &a.origin.file, a.origin.line, a.origin.source).cmp(&(
                a.times,
                &b.origin.bot,
                &b.origin.file,
                b.origin.line,
                b.origin.source,
            ))
        });
        let rest = said.split_off(said.len().min(SAID));
        if let Some(first) = rest.first() {
            let (times, others) = (rest.iter().map(|left_out| left_out.times).sum(), rest.len());
            said.push(LeftOut { origin: Origin::default(), times, others, quote: String::new(), ..first.clone() });
        }
        said
    }
}

impl LoggedPlace {
    fn new(level: Level, target: &'static str, origin: &Origin) -> Self {
        let limit = (Limit::Place, 0);
        let (origin, quote) = (origin.clone(), String::new());
        Self { written: 0, left_out: LeftOut { level, target, origin, times: 0, quote, limit, others: 0 } }
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: LogLimits = LogLimits { per_place: 3, per_bot: 5, all: 8, bytes: 1_000, text: 256 };

    fn folding() -> Folding {
        let mut folding = Folding { limits: LIMITS, ..Folding::default() };
        assert_eq!(folding.over(0), []);
        folding
    }

    fn origin(bot: &str, line: u64) -> Origin {
        let bot = Some(bot.to_owned()).filter(|bot| !bot.is_empty());
        Origin { bot, file: Some("hooks/a.js".into()), line: Some(line), ..Origin::default() }
    }

    fn say(folding: &mut Folding, bot: &str, line: u64, times: usize) -> usize {
        let admit = |_| folding.admit(Level::INFO, "script", &origin(bot, line)) == Verdict::Written;
        (0..times).map(admit).filter(|written| *written).count()
    }

    fn messages(left_out: &[LeftOut]) -> Vec<String> {
        left_out.iter().map(LeftOut::message).collect()
    }

    #[test]
    fn a_place_is_heard_so_often_and_the_rest_is_counted() {
        let mut folding = folding();
        assert_eq!(say(&mut folding, "b", 1, 3), 3);
        let Verdict::Quoted(place) = folding.admit(Level::INFO, "script", &origin("b", 1)) else {
            panic!("one past it")
        };
        folding.quote(place, "again\nand again");
        assert_eq!(say(&mut folding, "b", 1, 1_233), 0);
        assert_eq!(folding.over(SPAN - 1), []);
        let said = folding.over(SPAN);
        assert_eq!(messages(&said), ["… 1,234 more like this in 10 s are left out (log.perPlace: 3): again"]);
        assert_eq!(said[0].origin, origin("b", 1));
        assert_eq!((say(&mut folding, "b", 1, 4), folding.over(SPAN * 2).len()), (3, 1), "a new span begins");
        assert_eq!(folding.over(SPAN * 3), []);
    }

    #[test]
    fn a_bot_is_heard_so_often_whatever_its_places_are_and_others_are_still_heard() {
        let mut folding = folding();
        assert_eq!((0..10).map(|line| say(&mut folding, "b", line, 1)).sum::<usize>(), 5);
        assert_eq!(say(&mut folding, "c", 1, 1), 1);
        assert!(messages(&folding.end()).iter().all(|message| message.contains("(log.perBot: 5)")));
    }

    #[test]
    fn all_bots_are_heard_so_often_and_the_server_is_still_heard() {
        let mut folding = folding();
        assert_eq!((0..20).map(|bot| say(&mut folding, &bot.to_string(), 1, 1)).sum::<usize>(), 8);
        assert_eq!((0..20).map(|line| say(&mut folding, "", line, 1)).sum::<usize>(), 8);
        assert!(messages(&folding.end()).iter().all(|message| message.contains("(log.all: 8)")));
    }

    #[test]
    fn so_many_bytes_are_written() {
        let mut folding = folding();
        folding.wrote(true, 999);
        assert_eq!(say(&mut folding, "b", 1, 1), 1);
        folding.wrote(true, 1);
        assert_eq!((say(&mut folding, "b", 1, 1), say(&mut folding, "", 1, 1)), (0, 1));
        assert_eq!(messages(&folding.end()), ["… 1 more like this in 10 s are left out (log.bytes: 1,000)"]);
    }

    #[test]
    fn who_names_ever_new_places_and_bots_takes_no_more_memory_and_is_counted() {
        let mut folding = folding();
        let most = 50_000;
        let written: usize = (0..most).map(|n| say(&mut folding, &format!("b{}", n % 20_000), n, 1)).sum();
        assert!(folding.places.len() <= 2 * PLACES + 1 && folding.bots.len() <= 2 * PLACES, "{}", folding.places.len());
        let said = folding.end();
        assert_eq!(said.len(), SAID + 1);
        assert_eq!(written as u64 + said.iter().map(|left_out| left_out.times).sum::<u64>(), most);
        assert!(said[SAID].message().contains(" other places"), "{}", said[SAID].message());
        assert!(folding.places.is_empty() && folding.bots.is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_begins_a_new_span() {
        let mut folding = Folding { limits: LIMITS, ..Folding::default() };
        folding.over(1_000_000);
        say(&mut folding, "b", 1, 4);
        assert_eq!((folding.due(1_000_000), folding.due(5)), (Some(SPAN), Some(SPAN)));
        assert_eq!(folding.over(5).len(), 1);
        assert_eq!(say(&mut folding, "b", 1, 1), 1);
        assert_eq!(folding.due(5), None);
    }
}
