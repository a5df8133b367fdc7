//! Who runs an event: zygotes, lanes, realms, their budgets and their memory.
//!
//! [`Machine`] decides: a state machine that does no I/O and reads no clock. [`Processes`] carries its orders out: it starts
//! the root zygote, hands sockets to copies, reads clocks and memory, kills. Who drives both is `dispatch`.

mod ahead;
#[cfg(test)]
mod audit;
pub(crate) mod broken;
mod budget;
mod buffers;
mod compiling;
mod credit;
mod ending;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod hello;
mod lanes;
mod machine;
mod memory;
mod messages;
mod orders;
mod process;
mod processes;
mod state;
mod stderr;
mod surplus;
#[cfg(test)]
mod tests;
mod zygotes;

pub use ahead::Placement;
pub use compiling::{COMPILE_ALL, COMPILE_FILE};
pub use credit::{Credit, Loan};
pub use messages::{Broken, Fetch, Message};
pub use orders::{Cause, Death, FleetLimits, Note, Order, ProcessId, Published};
pub use process::Out;
pub use processes::{FleetError, FromProcess, LockedIn, Processes, WorkerCommand};
pub use state::Fleet as Machine;
