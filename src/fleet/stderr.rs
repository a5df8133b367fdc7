//! What processes of scripts write to standard error: complaints of libraries and panics of ours. It goes to the log, so much
//! of it and no more.

use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;

use crate::telemetry::escape::one_line;

/// Lines that are logged; the rest is read and dropped.
const STDERR_LINES: u32 = 500;
/// Longest line.
const STDERR_LINE: usize = 4 << 10;

pub(super) async fn log_stderr(mut stderr: ChildStderr) {
    let mut line: Vec<u8> = Vec::new();
    let mut lines = 0;
    let mut chunk = [0; 4096];
    loop {
        let read = match stderr.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        for &byte in &chunk[..read] {
            if byte == b'\n' {
                log_line(&mut line, &mut lines);
            } else if line.len() < STDERR_LINE {
                line.push(byte);
            }
        }
    }
    log_line(&mut line, &mut lines);
}

fn log_line(line: &mut Vec<u8>, lines: &mut u32) {
    if !line.is_empty() && *lines <= STDERR_LINES {
        *lines += 1;
        if *lines > STDERR_LINES {
            tracing::warn!("a process of scripts: more output on standard error is dropped");
        } else {
            tracing::warn!("a process of scripts: {}", one_line(&String::from_utf8_lossy(line)));
        }
    }
    line.clear();
}
