//! `edgesync cat`.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use clap::builder::FalseyValueParser;
use edgesync::{Item, Journal, Reader, Record, Seq};

use super::args::GlobalArgs;
use super::exit_code::ExitCode;
use super::journal_path::JournalPath;
use super::output::Output;
use super::report::Voice;
use super::{signals, values};

/// How often `--follow` looks for new entries.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// Prints entries in order
///
/// Prints the payloads, byte for byte as they came in, one a line. What is damaged is named on standard error and
/// makes the exit code 6. Changes nothing, and works while others write.
#[derive(Debug, clap::Args)]
pub struct CatArgs {
    /// Only entries that still wait for delivery
    #[arg(long, env = "EDGESYNC_CAT_PENDING", value_parser = FalseyValueParser::new(), conflicts_with = "from")]
    pending: bool,
    /// Begin with this seq
    #[arg(long, value_name = "SEQ", env = "EDGESYNC_CAT_FROM", value_parser = values::count_above_zero)]
    from: Option<u64>,
    /// End with this seq
    #[arg(long, value_name = "SEQ", env = "EDGESYNC_CAT_TO", value_parser = values::count_above_zero)]
    to: Option<u64>,
    /// Print at most this many entries
    #[arg(short = 'n', long, value_name = "COUNT", env = "EDGESYNC_CAT_LIMIT", value_parser = values::count)]
    limit: Option<u64>,
    /// Print whole records: seq, time, payload and checksum
    #[arg(long, env = "EDGESYNC_CAT_RECORDS", value_parser = FalseyValueParser::new())]
    records: bool,
    /// At the end wait for more, until interrupted
    #[arg(short, long, env = "EDGESYNC_CAT_FOLLOW", value_parser = FalseyValueParser::new())]
    follow: bool,
}

pub fn run(args: CatArgs, global: &GlobalArgs, voice: Voice) -> anyhow::Result<ExitCode> {
    let path = JournalPath::of(global)?;
    let journal = Journal::open_read_only(path.as_path())?;
    let reader = journal.reader(first(&args, &journal)?)?;
    let mut printer = Printer {
        output: Output::open()?,
        voice,
        records: args.records,
        last: args.to.unwrap_or(u64::MAX),
        left: args.limit.unwrap_or(u64::MAX),
        damaged: false,
    };
    let interrupted = if args.follow { Some(interrupted()?) } else { None };
    printer.print(reader, interrupted.as_ref())?;
    Ok(if printer.damaged { ExitCode::Unsound } else { ExitCode::Done })
}

fn first(args: &CatArgs, journal: &Journal) -> edgesync::Result<Seq> {
    if args.pending {
        return journal.cursor();
    }
    Ok(args.from.and_then(Seq::new).unwrap_or(Seq::FIRST))
}

/// Something arrives here when the person has seen enough.
fn interrupted() -> anyhow::Result<Receiver<()>> {
    let (sender, receiver) = channel();
    signals::watch(move |_| {
        // The receiver lives as long as there is anything to interrupt.
        let _ = sender.send(());
    })?;
    Ok(receiver)
}

struct Printer {
    output: Output,
    voice: Voice,
    records: bool,
    last: u64,
    left: u64,
    damaged: bool,
}

impl Printer {
    fn print(&mut self, mut reader: Reader, interrupted: Option<&Receiver<()>>) -> anyhow::Result<()> {
        while self.left > 0 {
            match reader.read()? {
                Some(Item::Entry(record)) if record.seq.get() > self.last => break,
                Some(Item::Entry(record)) => self.entry(&record)?,
                Some(Item::Damaged(damage)) if damage.first.get() > self.last => break,
                Some(Item::Damaged(damage)) => {
                    self.damaged = true;
                    self.voice.act(damage);
                }
                Some(_) => {}
                None => {
                    self.output.flush()?;
                    let Some(interrupted) = interrupted else { break };
                    // A message and a closed channel both mean the end.
                    if interrupted.recv_timeout(FOLLOW_EVERY) != Err(RecvTimeoutError::Timeout) {
                        break;
                    }
                }
            }
            if interrupted.is_some_and(|interrupted| interrupted.try_recv().is_ok()) {
                break;
            }
        }
        Ok(self.output.flush()?)
    }

    fn entry(&mut self, record: &Record<'_>) -> anyhow::Result<()> {
        self.left -= 1;
        if self.records {
            self.output.write(record.line)?;
        } else {
            self.output.line(record.payload)?;
        }
        Ok(())
    }
}
