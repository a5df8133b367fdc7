//! How many events scripts of each bot have sent of late.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::model::BotId;

/// So many seconds' worth may be sent at once.
const AT_ONCE: u32 = 10;

/// What each bot has sent, kept as the moment until when it has used up what it may send for ever (a generic cell rate).
#[derive(Debug)]
pub(super) struct SendRate {
    per_second: u32,
    bots: BTreeMap<Option<BotId>, Instant>,
}

impl SendRate {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), bots: BTreeMap::new() }
    }

    /// Counts one more, sent by a script of that bot, or of none; an error says why it may not be.
    pub(super) fn take(&mut self, now: Instant, bot: Option<&BotId>) -> Result<(), String> {
        let used = self.bots.entry(bot.cloned()).or_insert(now);
        let ahead = used.saturating_duration_since(now);
        let most = Duration::from_secs(AT_ONCE.into());
        let one = Duration::from_secs(1) / self.per_second;
        if ahead + one > most {
            let whose = bot.map_or_else(|| "without a bot".to_owned(), |bot| format!("of bot {bot}"));
            return Err(format!(
                "scripts {whose} have sent more than {} events a second, and more than {} at once; the next may be sent in \
                 {} ms (scripts.followUps)",
                self.per_second,
                u64::from(self.per_second) * u64::from(AT_ONCE),
                (ahead + one - most).as_millis().max(1)
            ));
        }
        *used = now + ahead + one;
        Ok(())
    }

    /// Forgets who has sent nothing for a while.
    pub(super) fn prune(&mut self, now: Instant) {
        self.bots.retain(|_, used| *used > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_worth_goes_at_once_and_then_each_second_so_many() {
        let (mut rate, mut now) = (SendRate::new(5), Instant::now());
        let [own, other] = ["a", "b"].map(|name| Some(BotId::parse(name).unwrap()));
        let taken = |rate: &mut SendRate, now| (0..).find(|_| rate.take(now, own.as_ref()).is_err()).unwrap();
        assert_eq!(taken(&mut rate, now), 50);
        let error = rate.take(now, own.as_ref()).unwrap_err();
        let said = "scripts of bot a have sent more than 5 events a second, and more than 50 at once; \
                    the next may be sent in 200 ms (scripts.followUps)";
        assert_eq!(error, said);
        rate.take(now, other.as_ref()).unwrap();
        rate.take(now, None).unwrap();
        for _ in 0..3 {
            now += Duration::from_secs(1);
            assert_eq!(taken(&mut rate, now), 5);
        }
        rate.prune(now);
        assert_eq!(rate.bots.len(), 1, "nothing is kept of who has sent little");
    }
}
