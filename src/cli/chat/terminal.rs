//! Where the talk happens: a terminal with a prompt and a history, or a pipe.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};
use tokio::sync::mpsc;

use crate::cli::output;

/// What stands before the line that is typed.
const PROMPT: &str = "> ";
/// How long words may take to appear.
const APPEARING: Duration = Duration::from_secs(1);

/// Both ends of the talk.
#[derive(Debug)]
pub(super) struct Terminal {
    /// Whether somebody sits before it.
    pub(super) interactive: bool,
    ask: Sender<()>,
    lines: mpsc::UnboundedReceiver<String>,
    printer: Printer,
}

/// Writes above the line that is being typed; nowhere without a terminal. Clones write to the same place.
#[derive(Debug, Clone)]
struct Printer(Option<Sender<Shown>>);

#[derive(Debug)]
enum Shown {
    Text(String),
    /// Everything before it is shown: dropping the other end says so.
    End(#[expect(dead_code, reason = "its drop is the message")] Sender<()>),
}

impl Terminal {
    /// Uses the terminal if there is one on both ends, else plain lines.
    pub(super) fn open() -> anyhow::Result<Self> {
        let interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
        let (ask, asked) = unbounded();
        let (tell, lines) = mpsc::unbounded_channel();
        // Threads of their own: they wait for a person, and the process must end without one.
        let printer = if interactive {
            let mut editor = DefaultEditor::new()?;
            let above = editor.create_external_printer()?;
            let (print, texts) = unbounded();
            std::thread::Builder::new().name("print".into()).spawn(move || print_above(above, &texts))?;
            std::thread::Builder::new().name("read".into()).spawn(move || edit_lines(editor, &asked, &tell))?;
            Printer(Some(print))
        } else {
            std::thread::Builder::new().name("read".into()).spawn(move || read_lines(&asked, &tell))?;
            Printer(None)
        };
        Ok(Self { interactive, ask, lines, printer })
    }

    /// The next line; `None` is the end.
    pub(super) async fn read(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// Shows the prompt, so that a line can be read.
    pub(super) fn prompt(&self) {
        self.printer.flush_within(APPEARING);
        // Nobody reads any more: the end is told by `read`.
        let _ = self.ask.send(());
    }

    /// Shows a text of one or more lines.
    pub(super) fn show(&self, text: &str) {
        match &self.printer.0 {
            None => output::line(format_args!("{text}")),
            Some(_) => self.printer.print(format!("{text}\n")),
        }
    }

    /// Shows that the bot types, or no longer; on a terminal only, between two prompts.
    pub(super) fn typing(&self, types: bool) {
        self.printer.print(if types { "…" } else { "\r\x1b[K" }.to_owned());
    }

    /// Where log entries go: to stderr, or above the prompt.
    pub(super) fn log(&self) -> Box<dyn Write + Send> {
        if self.interactive { Box::new(self.printer.clone()) } else { Box::new(io::stderr()) }
    }
}

impl Printer {
    fn print(&self, text: String) {
        if let Some(sender) = &self.0 {
            // The thread is gone only when the terminal is.
            let _ = sender.send(Shown::Text(text));
        }
    }

    /// Waits until everything is shown, unless the terminal takes nothing any more.
    fn flush_within(&self, limit: Duration) {
        if let Some(sender) = &self.0 {
            let (end, ended) = bounded(0);
            let _ = sender.send(Shown::End(end));
            let _ = ended.recv_timeout(limit);
        }
    }
}

impl Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.print(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn print_above(mut above: impl ExternalPrinter, shown: &Receiver<Shown>) {
    for shown in shown {
        if let Shown::Text(text) = shown
            && above.print(text).is_err()
        {
            return;
        }
    }
}

/// A line for each question, with a history.
fn edit_lines(mut editor: DefaultEditor, asked: &Receiver<()>, tell: &mpsc::UnboundedSender<String>) {
    for () in asked {
        let line = match editor.readline(PROMPT) {
            Ok(line) => line,
            // A Ctrl-C that there is nothing to take back for is an end, as Ctrl-D is.
            Err(ReadlineError::Interrupted | ReadlineError::Eof) => return,
            Err(error) => {
                output::complaint(format_args!("error: the terminal cannot be read: {error}"));
                return;
            }
        };
        // A history that is full forgets; that is all that can go wrong.
        let _ = editor.add_history_entry(&line);
        if tell.send(line).is_err() {
            return;
        }
    }
}

fn read_lines(asked: &Receiver<()>, tell: &mpsc::UnboundedSender<String>) {
    let mut stdin = io::stdin().lock();
    for () in asked {
        let mut line = Vec::new();
        match stdin.read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                output::complaint(format_args!("error: stdin cannot be read: {error}"));
                return;
            }
        }
        if tell.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
            return;
        }
    }
}

/// Gives the terminal back as it was: a signal may end the talk while a line is being typed.
#[derive(Debug)]
pub(super) struct Restore(Option<Termios>);

impl Restore {
    /// Remembers how the terminal is.
    pub(super) fn later() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.printer.flush_within(APPEARING);
    }
}
