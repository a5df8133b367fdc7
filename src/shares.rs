//! How bots share what is everybody's, without a number that has to be set for each bot: one rule for what is [held], one for
//! what is done [in turn].
//!
//! Plain state and arithmetic, for whoever has something that two bots want; ARCHITECTURE.md, 'Fair shares', says where each
//! of them holds.
//!
//! [held]: may_hold
//! [in turn]: Shares

mod held;
mod in_turn;

pub use held::may_hold;
pub use in_turn::{ShareLimits, Shares};
