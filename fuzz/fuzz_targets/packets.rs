//! `nudge::fuzzing` says what it reads and what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nudge::fuzzing::run("packets", bytes));
