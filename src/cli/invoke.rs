//! `nudge invoke`.
mod difference;
mod report;
