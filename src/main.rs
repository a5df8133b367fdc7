//! nudge
fn main() {}
