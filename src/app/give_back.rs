//! Gives memory back to the system that the C library keeps after a flood.

use std::time::Duration;

use crate::os;

/// How often it is looked whether there is something to give back.
const EVERY: Duration = Duration::from_secs(10);
/// So much more than after the last time must be held before it is done again, in bytes: looking through all that is free takes time.
const MORE: u64 = 32 << 20;

/// Looks for it as long as the server runs.
pub(super) async fn keep() {
    let mut least = os::resident().unwrap_or(u64::MAX);
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(now) = os::resident() else { return };
        least = least.min(now);
        if now.saturating_sub(least) < MORE {
            continue;
        }
        // It holds up who allocates meanwhile, thread by thread.
        let _ = tokio::task::spawn_blocking(os::give_back_memory).await;
        // What is held now is in use, as far as can be known.
        least = os::resident().unwrap_or(now);
    }
}
