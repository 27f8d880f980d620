//! `edgesync replay`.

use std::fmt::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::parser::ValueSource;
use clap::{ArgMatches, ValueEnum, ValueHint};
use edgesync::{
    BodyFormat, Error, ExecOptions, ExecSink, HttpOptions, HttpSink, OnRefused, Progress, ReplayOptions,
    ReplayReport, Replayer, RequireAck, RunEnd, Sink, Stop,
};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::args::GlobalArgs;
use super::exit_code::{ExitCode, help_section};
use super::journal_path::JournalPath;
use super::report::{Usage, Voice};
use super::{headers, journal_path, man_text, signals, values};

/// After a signal the sinks cut short what is under way within 2 s (a command that does not heed SIGTERM: 4 s). Should one
/// of them hang nevertheless, the process does not.
const GRACE: Duration = Duration::from_secs(5);

/// Delivers what is pending, in order, to a URL or a command
///
/// Made for cron: delivers what was pending when it began, then ends. A batch that may have arrived is sent again with the same
/// boundaries, bytes and idempotency key. Where nothing was pending it ends without touching the network.
#[derive(Debug, clap::Args)]
#[command(override_usage = "edgesync replay [OPTIONS] <--to URL|--exec COMMAND>")]
#[command(after_help = help_section(man_text::REPLAY.exit))]
pub struct ReplayArgs {
    /// Deliver to this URL, with POST
    #[arg(long, value_name = "URL", env = "EDGESYNC_TO", value_hint = ValueHint::Url)]
    to: Option<String>,
    /// Deliver to this command: `sh -c COMMAND` once a batch, the body on its standard input
    #[arg(long, value_name = "COMMAND", env = "EDGESYNC_EXEC", value_hint = ValueHint::CommandString)]
    exec: Option<String>,
    /// Send at most this many entries in a batch
    #[arg(long, value_name = "COUNT", env = "EDGESYNC_BATCH_SIZE", value_parser = values::count_above_zero)]
    #[arg(default_value = "500")]
    batch_size: u64,
    /// Send at most this much in a batch; a larger entry goes alone
    #[arg(long, value_name = "SIZE", env = "EDGESYNC_BATCH_BYTES", value_parser = values::memory_size)]
    #[arg(default_value = "1MiB")]
    batch_bytes: usize,
    /// How the body of a batch is laid out
    #[arg(long, value_name = "FORMAT", env = "EDGESYNC_BODY", value_enum, default_value = "ndjson")]
    body: BodyArg,
    /// Try a batch again this often before the run ends
    #[arg(long, value_name = "COUNT", env = "EDGESYNC_RETRIES", value_parser = values::small_count)]
    #[arg(default_value = "3")]
    retries: u32,
    /// Wait up to this long before the first retry, and up to twice as long before each further one
    #[arg(long, value_name = "DURATION", env = "EDGESYNC_BACKOFF", value_parser = values::duration)]
    #[arg(default_value = "1s")]
    backoff: Duration,
    /// Never wait longer than this between retries
    #[arg(long, value_name = "DURATION", env = "EDGESYNC_BACKOFF_MAX", value_parser = values::duration)]
    #[arg(default_value = "60s")]
    backoff_max: Duration,
    /// Give one request, or one run of the command, this long
    #[arg(long, value_name = "DURATION", env = "EDGESYNC_TIMEOUT", value_parser = values::duration_above_zero)]
    #[arg(default_value = "30s")]
    timeout: Duration,
    /// What to do with an entry that is refused for good
    #[arg(
        long,
        value_name = "ACTION",
        env = "EDGESYNC_ON_REFUSED",
        value_enum,
        default_value = "dead-letter"
    )]
    on_refused: OnRefusedArg,
    /// Stop after this many refusals in a row; 0: never stop
    ///
    /// The last refused entry is not dead-lettered. The count goes on over all runs until the receiver accepts an entry; at the
    /// limit each run asks about one entry.
    #[arg(long, value_name = "COUNT", env = "EDGESYNC_REFUSALS_MAX", value_parser = values::count)]
    #[arg(default_value = "10")]
    refusals_max: u64,
    /// Whether a success counts for which the receiver does not send Edgesync-Acked-Seq
    #[arg(long, value_name = "WHEN", env = "EDGESYNC_REQUIRE_ACK", value_enum, default_value = "auto")]
    require_ack: RequireAckArg,
    /// Send this header field, written 'Name: value'; may be repeated
    ///
    /// Other users can see the command line: a secret belongs in --header-file, --token-file or the environment.
    #[arg(long, value_name = "FIELD", env = "EDGESYNC_HEADER")]
    header: Vec<String>,
    /// Send the header fields of this file: one 'Name: value' a line, # begins a comment
    #[arg(long, value_name = "FILE", env = "EDGESYNC_HEADER_FILE", value_hint = ValueHint::FilePath)]
    header_file: Option<PathBuf>,
    /// Send the bearer token of this file [or of the environment: EDGESYNC_TOKEN]
    #[arg(long, value_name = "FILE", env = "EDGESYNC_TOKEN_FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Trust the certificate authorities of this PEM file, and no others
    #[arg(long, value_name = "FILE", env = "EDGESYNC_CA_CERT", value_hint = ValueHint::FilePath)]
    ca_cert: Option<PathBuf>,
    /// An option on the command line that says something about HTTP.
    #[arg(skip)]
    http_option: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BodyArg {
    /// One payload a line
    Ndjson,
    /// One whole record a line: seq, time, payload and checksum
    Records,
    /// A JSON array of payloads
    Array,
    /// One payload a request
    Single,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnRefusedArg {
    /// Keep it in dead-letter.jsonl with the reason, and go on
    DeadLetter,
    /// End the run; nothing overtakes it
    Stop,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RequireAckArg {
    /// It counts until this receiver has sent one for this journal
    Auto,
    /// It never counts
    Always,
    /// It always counts; edgesync forgets that this receiver has sent one
    Never,
}

impl ReplayArgs {
    /// A sink on the command line is meant instead of one in the environment, not beside it.
    pub fn let_command_line_win(&mut self, matches: &ArgMatches) {
        let source = |id: &str| matches.value_source(id);
        match (source("to"), source("exec")) {
            (Some(ValueSource::CommandLine), Some(ValueSource::EnvVariable)) => self.exec = None,
            (Some(ValueSource::EnvVariable), Some(ValueSource::CommandLine)) => self.to = None,
            _ => {}
        }
        let http = [
            ("header", "--header"),
            ("header_file", "--header-file"),
            ("token_file", "--token-file"),
            ("ca_cert", "--ca-cert"),
            ("require_ack", "--require-ack"),
        ];
        let given = http.iter().find(|(id, _)| source(id) == Some(ValueSource::CommandLine));
        self.http_option = given.map(|(_, option)| *option);
    }

    /// The sink. All that it needs is read and checked here.
    fn sink(&self, stop: &Stop) -> Result<Box<dyn Sink>, Usage> {
        match (&self.to, &self.exec) {
            (Some(url), None) => self.http_sink(url, stop),
            (None, Some(command)) => self.exec_sink(command, stop),
            (None, None) => {
                Err(Usage::new("replay needs to know where to deliver: --to URL or --exec COMMAND"))
            }
            (Some(_), Some(_)) => {
                Err(Usage::new("--to and --exec are both given; replay delivers to one of them"))
            }
        }
    }

    fn http_sink(&self, url: &str, stop: &Stop) -> Result<Box<dyn Sink>, Usage> {
        let mut options = HttpOptions::new(url);
        options.headers = headers::headers(&self.header, self.header_file.as_deref())?;
        options.token = headers::token(self.token_file.as_deref(), std::env::var_os("EDGESYNC_TOKEN"))?;
        options.timeout = self.timeout;
        options.ca_cert.clone_from(&self.ca_cert);
        options.stop = stop.clone();
        match HttpSink::new(options) {
            Ok(sink) => Ok(Box::new(sink)),
            Err(error) => {
                let usage = Usage::new(format!("replay --to: {error}"));
                Err(error.hint().into_iter().fold(usage, Usage::hint))
            }
        }
    }

    fn exec_sink(&self, command: &str, stop: &Stop) -> Result<Box<dyn Sink>, Usage> {
        if let Some(option) = self.http_option {
            return Err(Usage::new(format!("{option} goes with --to, not with --exec")));
        }
        let mut options = ExecOptions::new(command);
        options.timeout = self.timeout;
        options.stop = stop.clone();
        match ExecSink::new(options) {
            Ok(sink) => Ok(Box::new(sink)),
            Err(error) => Err(Usage::new(format!("replay --exec: {error}"))
                .hint("write it like --exec 'cat >> out.ndjson'")),
        }
    }

    fn options(&self) -> ReplayOptions {
        ReplayOptions {
            batch_size: self.batch_size,
            batch_bytes: self.batch_bytes,
            body: match self.body {
                BodyArg::Ndjson => BodyFormat::Ndjson,
                BodyArg::Records => BodyFormat::Records,
                BodyArg::Array => BodyFormat::Array,
                BodyArg::Single => BodyFormat::Single,
            },
            retries: self.retries,
            backoff: self.backoff,
            backoff_max: self.backoff_max,
            on_refused: match self.on_refused {
                OnRefusedArg::DeadLetter => OnRefused::DeadLetter,
                OnRefusedArg::Stop => OnRefused::Stop,
            },
            refusals_max: self.refusals_max,
            // A command names no entry: from it a success is one.
            require_ack: match self.require_ack {
                _ if self.exec.is_some() => RequireAck::Auto,
                RequireAckArg::Auto => RequireAck::Auto,
                RequireAckArg::Always => RequireAck::Always,
                RequireAckArg::Never => RequireAck::Never,
            },
        }
    }
}

pub fn run(args: ReplayArgs, global: &GlobalArgs, voice: Voice) -> anyhow::Result<ExitCode> {
    let path = JournalPath::of(global)?;
    let (stopper, stop) = Stop::pair().context("cannot prepare for signals")?;
    let sink = args.sink(&stop)?;
    let journal = journal_path::open(&path, voice)?;
    let replayer = Replayer::new(&journal.heeding(&stop), sink, &args.options())?;

    let done = Arc::new(AtomicU64::new(0));
    let done_so_far = Arc::clone(&done);
    signals::watch(move |count| {
        if count > 1 {
            leave(&done_so_far, voice);
        }
        stopper.stop();
        let done_so_far = Arc::clone(&done_so_far);
        thread::spawn(move || {
            thread::sleep(GRACE);
            leave(&done_so_far, voice);
        });
    })?;

    let mut bar = None;
    let report = replayer.run(&stop, &mut |progress| {
        done.store(progress.done, Ordering::Relaxed);
        if voice.shows_progress() {
            draw(&mut bar, &progress);
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    journal_path::finish_alerts(&journal, &stop);
    if let Err(error @ Error::Stopped { .. }) = &report {
        voice.problem(format_args!("{error}; what was delivered last is sent again next time"));
        return Ok(code_when_cut_short(&done));
    }
    let tally = Tally::of(report?);
    let code = tally.code();
    match code {
        ExitCode::Done => voice.remark(tally),
        _ if tally.needs_a_person() => voice.act(tally),
        _ => voice.problem(tally),
    }
    Ok(code)
}

/// Ends the process in the middle of a request. What is on the disk is as after a crash: the batch is sent again next time.
fn leave(done: &AtomicU64, voice: Voice) -> ! {
    let entries = done.load(Ordering::Relaxed);
    voice.problem(format_args!(
        "stopped while a request was under way; {entries} entries done before it; the next run goes on from there"
    ));
    std::process::exit(code_when_cut_short(done).number().into())
}

fn code_when_cut_short(done: &AtomicU64) -> ExitCode {
    if done.load(Ordering::Relaxed) > 0 { ExitCode::Partial } else { ExitCode::NothingDelivered }
}

fn draw(bar: &mut Option<ProgressBar>, progress: &Progress) {
    let bar = bar.get_or_insert_with(|| {
        let bar = ProgressBar::with_draw_target(Some(progress.total), ProgressDrawTarget::stderr());
        match ProgressStyle::with_template("{wide_bar} {pos}/{len} entries{speed}") {
            Ok(style) => {
                bar.with_style(style.with_key("speed", |state: &ProgressState, out: &mut dyn Write| {
                    // There is nothing to be done about a bar that cannot be drawn.
                    let _ = out.write_str(&speed(state.pos(), state.per_sec(), state.eta()));
                }))
            }
            Err(_) => bar,
        }
    });
    bar.set_length(progress.total);
    bar.set_position(progress.done);
}

/// How fast entries are settled, and how long the rest will take: `, 16072/s, 3s left`. Nothing before the first batch is done.
fn speed(done: u64, per_second: f64, left: Duration) -> String {
    if done == 0 || per_second <= 0.0 {
        return String::new();
    }
    let left = HumanDuration(left);
    match per_second.round() as u64 {
        0 => format!(", less than 1/s, {left:#} left"),
        rate => format!(", {rate}/s, {left:#} left"),
    }
}

/// What a run came to.
struct Tally {
    delivered: u64,
    dead_lettered: u64,
    /// How the dead letters were refused.
    statuses: Vec<u16>,
    damaged: u64,
    evicted: u64,
    remaining: u64,
    /// Why it ended before everything was settled.
    reason: Option<String>,
    /// Another run will not get further by itself.
    stuck: bool,
}

impl Tally {
    fn of(report: ReplayReport) -> Self {
        let ReplayReport { delivered, dead_lettered, damaged, evicted, remaining, end, .. } = report;
        let statuses = report.dead_letter_statuses;
        let reason = match &end {
            RunEnd::Drained => None,
            RunEnd::RefusesAll { refusals, seq, status, reason } => Some(format!(
                "{} in a row refused, seq {seq} last, with status {status} ({reason}); the ways out: mend the receiver; \
                 --refusals-max 0, for one run; or `edgesync skip --through {seq}`",
                values::counted(*refusals, "entry"),
            )),
            RunEnd::Unacknowledged { reason } => {
                Some(format!("{reason}; if the receiver no longer sends it: --require-ack never"))
            }
            RunEnd::Stopped => Some("stopped by a signal".into()),
            end => Some(end.reason().unwrap_or("the run ended early").to_owned()),
        };
        let stuck = end.needs_a_person();
        Self { delivered, dead_lettered, statuses, damaged, evicted, remaining, reason, stuck }
    }

    fn is_empty(&self) -> bool {
        self.reason.is_none()
            && self.delivered + self.dead_lettered + self.damaged + self.evicted + self.remaining == 0
    }

    /// Whether it is worth a mail from cron.
    fn needs_a_person(&self) -> bool {
        self.stuck || self.dead_lettered > 0 || self.damaged > 0
    }

    fn code(&self) -> ExitCode {
        let drained = self.reason.is_none() || self.remaining == 0;
        let settled = self.delivered + self.dead_lettered + self.damaged + self.evicted;
        let end = match (drained, settled) {
            (true, _) => ExitCode::Done,
            (false, 0) => ExitCode::NothingDelivered,
            (false, _) => ExitCode::Partial,
        };
        let set_aside = (self.dead_lettered > 0 || self.damaged > 0).then_some(ExitCode::SetAside);
        ExitCode::of_all([end].into_iter().chain(set_aside))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return out.write_str("nothing was pending");
        }
        write!(out, "delivered {}", self.delivered)?;
        if self.dead_lettered > 0 {
            write!(out, ", dead-lettered {}", self.dead_lettered)?;
            let statuses: Vec<_> = self.statuses.iter().map(u16::to_string).collect();
            match statuses.is_empty() {
                true => out.write_str(" (see `edgesync dead list`)")?,
                false => write!(out, " (status {}; see `edgesync dead list`)", statuses.join(", "))?,
            }
        }
        let terms = [("damaged", self.damaged), ("evicted meanwhile", self.evicted)];
        for (name, number) in terms.into_iter().filter(|(_, number)| *number > 0) {
            write!(out, ", {name} {number}")?;
        }
        match (self.remaining, &self.reason) {
            (0, None) => Ok(()),
            (0, Some(reason)) => write!(out, ", {reason}"),
            (remaining, None) => write!(out, ", {remaining} still wait"),
            (1, Some(reason)) => write!(out, ", 1 still waits: {reason}"),
            (remaining, Some(reason)) => write!(out, ", {remaining} still wait: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn tally(
        delivered: u64,
        dead_lettered: u64,
        damaged: u64,
        remaining: u64,
        reason: Option<&str>,
    ) -> Tally {
        Tally {
            delivered,
            dead_lettered,
            statuses: if dead_lettered > 0 { vec![413, 422] } else { Vec::new() },
            damaged,
            evicted: 0,
            remaining,
            reason: reason.map(str::to_owned),
            stuck: false,
        }
    }

    #[test]
    fn the_code_says_what_was_delivered_and_what_still_waits() {
        let ended = Some("404");
        let table = [
            (tally(0, 0, 0, 0, None), ExitCode::Done),
            (tally(7, 0, 0, 0, None), ExitCode::Done),
            (tally(7, 1, 0, 0, None), ExitCode::SetAside),
            (tally(7, 0, 3, 0, None), ExitCode::SetAside),
            (tally(0, 0, 0, 9, ended), ExitCode::NothingDelivered),
            (tally(0, 9, 0, 1, ended), ExitCode::Partial),
            (tally(0, 0, 2, 1, ended), ExitCode::Partial),
            (tally(5, 0, 0, 4, ended), ExitCode::Partial),
            (tally(5, 1, 0, 4, ended), ExitCode::Partial),
            (tally(9, 0, 0, 0, ended), ExitCode::Done),
        ];
        for (tally, code) in table {
            assert_eq!(tally.code(), code, "{tally}");
        }
    }

    #[test]
    fn the_summary_is_one_line_with_the_reason() {
        assert_eq!(
            tally(1200, 1, 0, 300, Some("connection refused")).to_string(),
            "delivered 1200, dead-lettered 1 (status 413, 422; see `edgesync dead list`), 300 still wait: connection refused"
        );
        assert_eq!(tally(0, 0, 0, 1, Some("HTTP 503")).to_string(), "delivered 0, 1 still waits: HTTP 503");
        assert_eq!(tally(0, 0, 0, 0, None).to_string(), "nothing was pending");
    }

    #[test]
    fn the_progress_bar_has_whole_numbers_and_none_before_the_first_batch() {
        let seconds = Duration::from_secs;
        assert_eq!(speed(0, 0.0, seconds(0)), "");
        assert_eq!(speed(0, 12.5, seconds(0)), "");
        assert_eq!(speed(500, 16_072.09, seconds(3)), ", 16072/s, 3s left");
        assert_eq!(speed(1, 0.2, seconds(120)), ", less than 1/s, 2m left");
    }

    fn parse(words: &[&str]) -> ReplayArgs {
        let command = ReplayArgs::augment_args(clap::Command::new("replay"));
        let matches = command.get_matches_from(["replay"].iter().chain(words));
        let mut args = ReplayArgs::from_arg_matches(&matches).unwrap();
        args.let_command_line_win(&matches);
        args
    }

    #[test]
    fn a_wrong_choice_of_sink_names_both_options() {
        let stop = Stop::pair().unwrap().1;
        for words in [&[][..], &["--to", "http://localhost/", "--exec", "cat"]] {
            let message = parse(words).sink(&stop).err().unwrap().to_string();
            assert!(message.contains("--to") && message.contains("--exec"), "{message}");
        }
    }

    #[test]
    fn http_options_are_not_silently_ignored_by_a_command() {
        let stop = Stop::pair().unwrap().1;
        let message = parse(&["--exec", "cat", "--header", "A: b"]).sink(&stop).err().unwrap().to_string();
        assert!(message.contains("--header goes with --to"), "{message}");
        assert!(parse(&["--exec", " "]).sink(&stop).is_err());
    }
}
