//! Users who send numbered events one after the other, and what must have become of these: of use where the server is
//! killed meanwhile.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::server::{Caller, Gone, replies};

/// Users with the numbers of their events, in the order in which they were answered with 2xx.
pub(crate) type Acknowledged = BTreeMap<String, Vec<u64>>;

pub(crate) async fn send(caller: &mut Caller, user: &str, body: String) -> Result<u16, Gone> {
    let path = format!("/api/v1/bots/welcome-bot/mod/channel-web/events/{user}");
    caller.post(&path, body).await.map(|(status, _)| status)
}

pub(crate) fn numbered(number: u64) -> String {
    format!(r#"{{"type":"numbered","number":{number}}}"#)
}

/// Users who each send one event after the other until there are no more, or the server is gone.
pub(crate) struct Load {
    users: Vec<tokio::task::JoinHandle<(String, Vec<u64>)>>,
    acknowledged: watch::Receiver<u64>,
}

impl Load {
    /// `users` users send `each` events. Numbers are never given twice.
    pub(crate) fn start(address: SocketAddr, users: usize, each: u64, numbers: &Arc<AtomicU64>) -> Self {
        let (tell, acknowledged) = watch::channel(0);
        let tell = Arc::new(tell);
        let users = (0..users).map(|user| {
            let (numbers, tell, user) = (Arc::clone(numbers), Arc::clone(&tell), format!("user-{user}"));
            tokio::spawn(async move {
                let mut caller = Caller::to(address);
                let mut acknowledged = Vec::new();
                for _ in 0..each {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    match send(&mut caller, &user, numbered(number)).await {
                        Ok(200) => {
                            acknowledged.push(number);
                            tell.send_modify(|count| *count += 1);
                        }
                        Ok(503) => {}
                        Ok(status) => panic!("status {status}"),
                        Err(Gone) => break,
                    }
                }
                (user, acknowledged)
            })
        });
        Self { users: users.collect(), acknowledged }
    }

    /// Waits until so many events of this load are answered; false if it ended before.
    pub(crate) async fn reaches(&mut self, count: u64) -> bool {
        self.acknowledged.wait_for(|answered| *answered >= count).await.is_ok()
    }

    /// Waits until all have sent what they have.
    pub(crate) async fn end(self, all: &mut Acknowledged) {
        for user in self.users {
            let (user, numbers) = user.await.unwrap();
            all.entry(user).or_default().extend(numbers);
        }
    }
}

/// Everything acknowledged has exactly one reply, nothing has two, replies are in the order in which the user sent, and
/// the state has counted each event once. An event whose answer was never seen may be there or not.
pub(crate) fn check(folder: &Path, acknowledged: &Acknowledged) {
    let mut seen: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for (user, text) in replies(folder) {
        let (number, count) = text.split_once(' ').unwrap();
        seen.entry(user).or_default().push((number.parse().unwrap(), count.parse().unwrap()));
    }
    for (user, numbers) in acknowledged {
        let replies = seen.remove(user).unwrap_or_default();
        assert!(replies.windows(2).all(|pair| pair[0].0 < pair[1].0), "{user}: out of order, or twice: {replies:?}");
        let counts: Vec<u64> = replies.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, (1..=replies.len() as u64).collect::<Vec<_>>(), "{user}: the state has counted otherwise");
        for number in numbers {
            assert!(replies.iter().any(|(found, _)| found == number), "{user}: {number} is lost");
        }
    }
    assert!(seen.is_empty(), "replies to users who sent nothing: {seen:?}");
}
