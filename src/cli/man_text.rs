//! What the manual pages say beyond the options: exit codes, files, examples.

use super::exit_code::ExitCode::{
    self, Busy, Done, Failed, Full, NothingDelivered, Partial, SetAside, Unsound, Usage,
};
use super::exit_code::ExitText;

/// A piece of a section.
pub enum Part {
    Text(&'static str),
    /// Something and what it means.
    Term(&'static str, &'static str),
    /// Lines that stay as they are.
    Code(&'static str),
}

use Part::{Code, Term, Text};

/// What one page says.
pub struct PageText {
    pub name: &'static str,
    pub exit: &'static [ExitText],
    /// Sections of its own, after the options.
    pub sections: &'static [(&'static str, &'static [Part])],
    /// Variables that no option has.
    pub environment: &'static [(&'static str, &'static str)],
    pub files: &'static [Part],
    pub examples: &'static [Part],
    pub see_also: &'static [&'static str],
}

/// A page about nothing but a journal that is looked at or changed.
const PLAIN: PageText = PageText {
    name: "",
    exit: &exit("done"),
    sections: &[],
    environment: &[DEFAULT_JOURNAL, COLOUR],
    files: &[Text("The journal is described in edgesync(1).")],
    examples: &[],
    see_also: &["edgesync"],
};

/// The codes of a command that looks at a journal or changes it.
const fn exit(done: &'static str) -> [ExitText; 4] {
    [Done.means(done), Failed.text(), Usage.text(), Unsound.text()]
}

const DEAD_EXIT: &[ExitText] = &[
    Done.means("done: the dead letters were printed"),
    Failed.text(),
    Usage.text(),
    SetAside.means("done, but lines of dead-letter.jsonl cannot be read"),
    Unsound.text(),
];
const DEFAULT_JOURNAL: (&str, &str) = (
    "XDG_STATE_HOME",
    "Where the journal is if none is named: in edgesync/journal below it. ~/.local/state if unset.",
);
const PROXY: (&str, &str) = (
    "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
    "The proxy to go through, and the hosts that need none, as other programs have them. An https receiver is reached by a tunnel (CONNECT), an http one by requests that the proxy passes on.",
);
const COLOUR: (&str, &str) =
    ("NO_COLOR", "If set, messages have no colour. They have none outside a terminal either.");

pub const ALL: &[&PageText] = &[
    &EDGESYNC,
    &APPEND,
    &REPLAY,
    &STATS,
    &CAT,
    &DEAD,
    &DEAD_LIST,
    &SKIP,
    &COMPACT,
    &VERIFY,
    &INIT,
    &MAN,
    &COMPLETIONS,
];

const EDGESYNC: PageText = PageText {
    name: "edgesync",
    exit: &ExitCode::TEXTS,
    sections: &[(
        "WHAT IS PROMISED",
        &[
            Term(
                "Durable",
                "An entry that append has acknowledged survives kill -9 and power loss, on a disk that honours a flush.",
            ),
            Term(
                "Ordered",
                "An entry is sent only after every earlier one was delivered, or was set aside on the record: dead-lettered, evicted, damaged or skipped, and counted as such by edgesync stats.",
            ),
            Term(
                "At least once",
                "A batch that may have arrived is sent again with the same boundaries, bytes and idempotency key.",
            ),
            Term(
                "Nothing vanishes",
                "written = delivered + pending + dead-lettered + evicted + damaged + skipped, at any moment.",
            ),
            Term(
                "Bytes are kept",
                "A payload is delivered byte for byte as it came, without the white space around it.",
            ),
            Text(
                "Any number of processes may append to one journal at once; one may deliver. The journal must be on a local file system; NFS is not supported for writing.",
            ),
        ],
    )],
    environment: &[
        ("EDGESYNC_TOKEN", "The bearer token for replay --to; see edgesync-replay(1)."),
        DEFAULT_JOURNAL,
        COLOUR,
    ],
    files: &[
        Text("In the journal's directory, which has mode 0700:"),
        Term("journal.json", "The journal's id, its creation time and its limits."),
        Term(
            "00000000000000000001.jsonl",
            "A segment, named by the seq of its first entry. One record a line: {\"seq\":1,\"at\":\"…\",\"data\":…,\"crc\":\"…\"}.",
        ),
        Term("cursor", "The first seq that is not settled, and the counters."),
        Term("rejected.jsonl", "Input lines that were not entries, with the reason."),
        Term("dead-letter.jsonl", "Entries that the sink refused for good, with the reason."),
        Term("damaged.jsonl", "Bytes that failed their checksum."),
        Term(
            "append.lock, replay.lock, exec.lock, alert.lock",
            "Locks of writers, of the deliverer, of its command, and of an alert command. They may stay behind; an old one locks nothing.",
        ),
    ],
    examples: &[
        Text("Keep readings while the network is away, and deliver them when it is back:"),
        Code(
            "sensor | edgesync append -j /var/lib/edgesync/cam\nedgesync replay -j /var/lib/edgesync/cam --to https://example.com/ingest",
        ),
        Text("See how it stands:"),
        Code("edgesync stats -j /var/lib/edgesync/cam"),
    ],
    see_also: &[
        "edgesync-append",
        "edgesync-replay",
        "edgesync-stats",
        "edgesync-cat",
        "edgesync-dead",
        "edgesync-skip",
        "edgesync-compact",
        "edgesync-verify",
        "edgesync-init",
    ],
};

pub const APPEND: PageText = PageText {
    name: "edgesync-append",
    exit: &[
        Done.means("done: all lines are durable (with --sync never: written)"),
        Failed.text(),
        Usage.text(),
        SetAside.means("done, but lines were rejected: they are in rejected.jsonl"),
        Unsound.text(),
        Full.text(),
    ],
    sections: &[
        (
            "INPUT",
            &[
                Text(
                    "One JSON value a line. Blank lines are passed over; CRLF line ends, a byte order mark at the start and a last line without a line end are fine. A line that is not one JSON value is set aside in rejected.jsonl with its number and the reason; the good lines around it are kept.",
                ),
                Text(
                    "A line that is longer than --max-line is rejected, and so is one that is longer than an eighth of --max-bytes (less 512 bytes): an entry that is refused has to fit among the dead letters. If the limit was lowered meanwhile, a line that would not fit into the empty journal is rejected too; no entry is dropped for it. Rejected lines have a small part of the limit of their own and never cost an entry; a long one is cut, and its length is kept with it.",
                ),
            ],
        ),
        (
            "LIMITS",
            &[
                Text(
                    "Limits given here are kept in a new journal and hold for all its writers. On an existing journal append can raise limits, not lower them: a lower one, or another --overflow, is ignored with one line, and the lines are taken. edgesync init changes every limit. Another --segment-bytes (also a smaller one), --dead-letter-threshold or --alert-exec is taken over.",
                ),
                Text(
                    "Age is the time that the machine was up, asleep included, since the entry was written. A wrong or jumping clock never makes an entry expire, and time without power does not count. Where the age is not known (the limit was set later, a crash, a restored journal), it counts from the next append on. Entries stay up to a fiftieth of the limit longer. Only an append that adds an entry drops old ones, under every --overflow; replay still delivers older entries that no append has dropped.",
                ),
                Text(
                    "When entries were dropped, append says at its end how many and because of which limit; a run that lasts says so after a minute and then every hour. The exit code stays 0, and with --quiet append drops them without a word; edgesync stats counts them as evicted. --max-entries and --max-age drop single entries, --max-bytes drops whole segments.",
                ),
            ],
        ),
        (
            "RESTORES",
            &[Text(
                "If a backup is restored over the journal while append runs, append opens the restored files, gives the journal a new id and says so on standard error. Stop writers before a restore all the same: lines that they make durable while files are replaced may be lost. With --quiet append does not announce the new id, only an alert command that was dropped.",
            )],
        ),
        (
            "SIGNALS",
            &[Text(
                "On SIGINT, SIGTERM or SIGHUP every whole line that was read is made durable, then append ends. Another process that holds the journal's lock, or a reader of --tee that does not read, delays that by 2 seconds at most; lines that could not be made durable are named. A second signal ends it at once; what was acknowledged is safe. When the reader of --tee goes away, journaling goes on.",
            )],
        ),
    ],
    files: &[
        Term(
            "rejected.jsonl",
            "In the journal: input lines that were not entries, with line number, reason and bytes.",
        ),
        Text("The rest of the journal is described in edgesync(1)."),
    ],
    examples: &[
        Text("Keep at most 100 MiB and at most a week, oldest first out:"),
        Code("sensor | edgesync append --max-bytes 100MiB --max-age 7d"),
        Text("Hand each reading on once it is safe:"),
        Code("sensor | edgesync append --tee | display"),
        Text("Take a log that is not JSON:"),
        Code("journalctl -f -o cat | edgesync append --text"),
    ],
    see_also: &["edgesync", "edgesync-replay", "edgesync-init", "edgesync-stats"],
    ..PLAIN
};

pub const REPLAY: PageText = PageText {
    name: "edgesync-replay",
    exit: &[
        Done.means("done: nothing that was pending at the start is left"),
        Failed.text(),
        Usage.text(),
        Partial.text(),
        NothingDelivered.text(),
        SetAside.means("done, but entries were set aside: dead-lettered or damaged"),
        Unsound.text(),
        Busy.text(),
    ],
    sections: &[
        (
            "OUTPUT",
            &[Text(
                "When everything was delivered replay prints nothing, because cron mails whatever is printed; on a terminal or with --verbose it says how much. Otherwise one line on standard error says what was delivered, what still waits, and why. With --quiet it says so only where a person has to act: a URL that cannot be right, answers that mean wrong set-up (401, 404 and the like), TLS that fails, refused entries, damage, errors. It is silent where the next run may succeed by itself: no connection, answers like 429 and 503, another process delivering. A misspelt host or port looks like a network that is down: the run is silent, with exit code 4. edgesync-stats(1) shows the last attempt, success and error. A progress bar is drawn on a terminal.",
            )],
        ),
        (
            "REQUESTS",
            &[
                Text("Each batch is one POST with these header fields:"),
                Term(
                    "Idempotency-Key",
                    "\"JOURNAL-ID:FIRST-LAST\". The same key always comes with the same bytes.",
                ),
                Term("Edgesync-Journal", "The journal's id."),
                Term(
                    "Edgesync-First-Seq, Edgesync-Last-Seq",
                    "The seqs of the batch. They have no gap: line i is entry FIRST + i.",
                ),
                Term(
                    "Edgesync-Prev-Seq",
                    "The last seq delivered before this batch; 0 if none was. Entries between it and FIRST will not come.",
                ),
                Term(
                    "Edgesync-Former-Journal, Edgesync-Former-Last-Seq",
                    "The id that a copied or restored journal had, and the last seq whose entry is the one that the former \
                     journal had; only until a batch was accepted under the new id.",
                ),
                Text("Redirects are never followed. At most 64 KiB of an answer are read."),
            ],
        ),
        (
            "ANSWERS",
            &[
                Term(
                    "2xx",
                    "Delivered, if the whole request had been sent and the receiver's system had acknowledged it when the answer came; an earlier 2xx is ignored and the batch is sent again. With Edgesync-Acked-Seq: N only up to N. A receiver that has sent that once for this journal has to send it always: a 2xx without it may come from something else, such as a captive portal, and means try later. See --require-ack.",
                ),
                Term(
                    "no connection, time-out, 408, 409, 425, 429, 5xx",
                    "Try later: the same bytes again, with growing pauses; Retry-After is honoured. After --retries the run ends.",
                ),
                Term(
                    "401, 403, 404, 405, 407, 410, 415, 3xx",
                    "Wrong set-up: the run ends and says what to fix. Nothing is dead-lettered.",
                ),
                Term("413", "Too large: the batch is halved, in order, until it fits."),
                Term(
                    "400, 422, other 4xx",
                    "Refused: the batch is bisected, in order, to the entry at fault, which is dead-lettered. After 10 refusals in a row (--refusals-max) with nothing accepted in between the run ends instead, and so do later runs, after one request each, until an entry is accepted. Ways out: mend the receiver; --refusals-max 0 for one run; edgesync-skip(1).",
                ),
            ],
        ),
        (
            "COMMANDS",
            &[
                Text(
                    "--exec runs sh -c COMMAND once a batch, with the body on standard input. Entries never reach a command line. Exit 0 means delivered; 65 (EX_DATAERR) refused; 126 and 127 wrong set-up; anything else, like 75 (EX_TEMPFAIL), try later. In its environment:",
                ),
                Term("EDGESYNC_JOURNAL_ID", "The journal's id."),
                Term(
                    "EDGESYNC_FIRST_SEQ, EDGESYNC_LAST_SEQ, EDGESYNC_COUNT",
                    "The seqs of the batch, and how many they are.",
                ),
                Term("EDGESYNC_PREV_SEQ", "The last seq delivered before this batch; 0 if none was."),
                Term(
                    "EDGESYNC_FORMER_JOURNAL",
                    "The id that a copied or restored journal had; only until a batch was accepted under its new one.",
                ),
                Term(
                    "EDGESYNC_FORMER_LAST_SEQ",
                    "With it: the last seq whose entry is the one that the former journal had; 0 if there is none.",
                ),
                Term("EDGESYNC_ATTEMPT", "1 for the first attempt, 2 for the second, and so on."),
                Term("EDGESYNC_IDEMPOTENCY_KEY", "The same key, without the quotes."),
                Text(
                    "EDGESYNC_JOURNAL is the absolute path of the journal that is delivered, whatever the caller's names. Of the environment of edgesync the command has the rest, without the other variables that begin with EDGESYNC_ (several hold secrets).",
                ),
                Text(
                    "Standard input is a file that is complete before the command starts: the command sees the whole body or nothing. Put cat | before a command that insists on a pipe (Python's asyncio connect_read_pipe does).",
                ),
                Text(
                    "If edgesync is killed with SIGKILL its command goes on, and holds exec.lock: a descriptor above 99 that it and its children inherit. Every replay, also one with --to, then exits with 7 until the command has ended. When --timeout has passed since the command was started, the next replay ends the processes that still hold the lock (SIGTERM, 2 seconds later SIGKILL), and goes on. A process that has become another user cannot be found so: replay stays busy until it ends. Once the command has exited, what it has left running in the background is left alone. If a signal kills the command, or what the command runs last (exit code 129 to 192), what it has started is ended as after --timeout: it could otherwise deliver after the next attempt.",
                ),
            ],
        ),
        (
            "SIGNALS",
            &[Text(
                "On SIGINT, SIGTERM or SIGHUP the batch that is under way has about 2 seconds to end, and so has a wait for another process's lock; an attempt to connect ends at once; a second signal ends replay at once. Either way the journal is sound, and the next run goes on from there.",
            )],
        ),
    ],
    environment: &[
        (
            "EDGESYNC_TOKEN",
            "The bearer token itself, if --token-file names none. There is no option for it: other users can see a command line.",
        ),
        PROXY,
        DEFAULT_JOURNAL,
        COLOUR,
    ],
    files: &[
        Term("dead-letter.jsonl", "In the journal: entries that the sink refused for good, with the reason."),
        Term("damaged.jsonl", "In the journal: bytes that failed their checksum."),
        Text("The rest of the journal is described in edgesync(1)."),
    ],
    examples: &[
        Text(
            "Every five minutes, from the crontab of the journal's owner. The token file has to be readable for that user, and cron's PATH seldom has the directory in which edgesync is:",
        ),
        Code(
            "PATH=/usr/local/bin:/usr/bin:/bin\n*/5 * * * * edgesync replay -q -j /var/lib/edgesync/cam --to https://example.com/ingest --token-file /etc/edgesync/token",
        ),
        Text("Through a command:"),
        Code("edgesync replay --exec 'ssh archive \"cat >> readings.ndjson\"'"),
    ],
    see_also: &["edgesync", "edgesync-append", "edgesync-stats", "edgesync-dead-list", "edgesync-skip"],
};

const STATS: PageText = PageText {
    name: "edgesync-stats",
    exit: &exit("done: the statistics were printed"),
    sections: &[(
        "FIELDS",
        &[
            Text(
                "--format json prints one object with these keys, in this order. Keys are never taken away or renamed. --format prometheus has the same, named edgesync_KEY; counters end in _total, and the age in _seconds.",
            ),
            Term("written", "Entries written: the sum of the next six."),
            Term("delivered, pending, dead_lettered, evicted, damaged, skipped", "What became of them."),
            Term("rejected_lines", "Input lines that were not entries."),
            Term(
                "sync_rate, eviction_rate",
                "The share of the written entries that was delivered, and that was evicted, 0 to 1.",
            ),
            Term(
                "oldest_pending_age_s",
                "The age of the oldest entry that waits, by the wall clock, in seconds; null if none does, or if the clock was plainly wrong then or is now.",
            ),
            Term("next_seq, cursor", "The seq that the next entry gets; the first seq that is not settled."),
            Term("segments, bytes", "Segment files and bytes on disk."),
            Term(
                "syncs, bytes_written",
                "Flushes and bytes written in the journal's life: how much the flash has worn.",
            ),
            Term(
                "last_attempt, last_success",
                "When a run last began, and when one last ended in which the sink took something or nothing was left; RFC 3339, null if none is known. For Prometheus edgesync_last_attempt_timestamp_seconds and edgesync_last_success_timestamp_seconds, 0 if none is known.",
            ),
            Term(
                "last_error, last_error_at",
                "Why a run last ended early or what it dead-lettered last, and when it ended; null if none is known. They stay when later runs succeed.",
            ),
            Term(
                "dead_letters_dropped, rejected_lines_dropped, damaged_pieces_dropped",
                "How many of what was set aside are no longer kept, because newer ones needed their space.",
            ),
        ],
    )],
    examples: &[
        Text("How many entries wait?"),
        Code("edgesync stats --format json | jq .pending"),
        Text("For the textfile collector of the Prometheus node exporter:"),
        Code("edgesync stats --format prometheus > edgesync.prom.new && mv edgesync.prom.new edgesync.prom"),
    ],
    see_also: &["edgesync", "edgesync-cat"],
    ..PLAIN
};

const CAT: PageText = PageText {
    name: "edgesync-cat",
    exit: &[
        Done.means("done: the entries were printed, and no damage was found among them"),
        Failed.text(),
        Usage.text(),
        Unsound.means(
            "the journal is damaged or not a journal; the sound entries around the damage were printed",
        ),
    ],
    examples: &[
        Text("The oldest three entries that wait:"),
        Code("edgesync cat --pending -n 3"),
        Text("With seq and time, as they come in:"),
        Code("edgesync cat --records --follow | jq -r '[.seq, .at, .data.temp] | @tsv'"),
    ],
    see_also: &["edgesync", "edgesync-stats", "edgesync-verify"],
    ..PLAIN
};

const DEAD: PageText = PageText {
    name: "edgesync-dead",
    exit: DEAD_EXIT,
    files: DEAD_FILES,
    examples: DEAD_EXAMPLES,
    see_also: &["edgesync", "edgesync-dead-list", "edgesync-replay"],
    ..PLAIN
};

const DEAD_LIST: PageText = PageText {
    name: "edgesync-dead-list",
    exit: DEAD_EXIT,
    sections: &[(
        "OUTPUT",
        &[Text(
            "As text, characters that could steer a terminal or mislead a reader are spelled out, like \\u{202e}; as JSON, lines come as they are stored. If older dead letters were dropped for space, standard error says how many.",
        )],
    )],
    files: DEAD_FILES,
    examples: DEAD_EXAMPLES,
    see_also: &["edgesync", "edgesync-dead", "edgesync-replay"],
    ..PLAIN
};

const DEAD_FILES: &[Part] = &[
    Term("dead-letter.jsonl", "In the journal: entries that the sink refused for good, with the reason."),
    Text("The rest of the journal is described in edgesync(1)."),
];

const DEAD_EXAMPLES: &[Part] = &[
    Text("What was refused, and why?"),
    Code("edgesync dead list --format json | jq -c '[.seq, .status, .reason]'"),
];

const SKIP: PageText = PageText {
    name: "edgesync-skip",
    exit: &[
        Done.means("done: the entries are skipped, or were settled before"),
        Failed.text(),
        Usage.text(),
        Unsound.text(),
        Busy.text(),
    ],
    sections: &[(
        "OUTPUT",
        &[
            Text(
                "One line says how many entries were skipped, and how many still wait. It is no error if there was nothing to skip. A seq that was never written is one (exit code 2), and nothing is skipped then.",
            ),
            Text(
                "The next batch tells the receiver, with Edgesync-Prev-Seq, that the entries between will not come. A batch that was in flight when its run ended, and lies behind the skipped entries, is sent again as it was.",
            ),
        ],
    )],
    examples: &[
        Text("Give up everything up to seq 1200, which the receiver refuses:"),
        Code("edgesync skip -j /var/lib/edgesync/cam --through 1200"),
        Text("Look at what would be skipped, first:"),
        Code("edgesync cat -j /var/lib/edgesync/cam --pending --to 1200"),
    ],
    see_also: &["edgesync", "edgesync-replay", "edgesync-cat", "edgesync-compact"],
    ..PLAIN
};

const COMPACT: PageText = PageText {
    name: "edgesync-compact",
    exit: &exit("done: the space was given back, or, with --dry-run, its size was printed"),
    sections: &[(
        "OUTPUT",
        &[Text(
            "compact prints nothing, because cron mails whatever is printed; on a terminal or with --verbose it says what was given back. --dry-run always says what would be.",
        )],
    )],
    examples: &[Text("What would it give back?"), Code("edgesync compact --dry-run")],
    see_also: &["edgesync", "edgesync-stats"],
    ..PLAIN
};

const VERIFY: PageText = PageText {
    name: "edgesync-verify",
    exit: &[
        Done.means("done: the journal is sound, or its damage was set aside before"),
        Failed.text(),
        Usage.text(),
        Unsound.text().so("run edgesync verify --repair"),
        Busy.means("busy: another process is delivering; only with --repair"),
    ],
    sections: &[(
        "OUTPUT",
        &[Text(
            "One line for each finding, with file, offset and seq, and then one line on standard error with the totals. Damage that was set aside before is named too, and does not change the exit code. If all is sound nothing is printed, unless on a terminal or with --verbose.",
        )],
    )],
    examples: &[Text("Check every night:"), Code("0 3 * * * edgesync verify -j /var/lib/edgesync/cam")],
    see_also: &["edgesync", "edgesync-cat"],
    ..PLAIN
};

const INIT: PageText = PageText {
    name: "edgesync-init",
    exit: &[
        Done.means("done: the journal is there and has these limits"),
        Failed.text(),
        Usage.text(),
        Unsound.text(),
        Busy.means("busy: another process is delivering; only with --new-id"),
    ],
    sections: &[(
        "ALERTS",
        &[
            Text(
                "Each time the number of evicted and dead-lettered entries passes a multiple of --dead-letter-threshold, the process that caused it runs sh -c COMMAND. On its standard input is one JSON object: the keys of edgesync stats --format json, and",
            ),
            Term("journal, journal_id", "The journal's absolute path, and its id."),
            Term("lost, threshold", "Entries evicted and dead-lettered so far; the threshold."),
            Term("limits", "An object with max_bytes, max_entries, max_age_s and overflow."),
            Text(
                "Its environment names the journal in EDGESYNC_JOURNAL (the absolute path) and EDGESYNC_JOURNAL_ID; no other variable that begins with EDGESYNC_ is in it. Its standard output goes to standard error. One command runs at a time for a journal; losses during a run cause one more run after it. A command is ended after 60 seconds, and when append, replay or skip is done, after 10 more or on a signal. A command that fails is named on standard error, also with --quiet.",
            ),
        ],
    )],
    examples: &[
        Text("A journal that takes at most 200 MiB and takes nothing more when it is full:"),
        Code("edgesync init -j /var/lib/edgesync/cam --max-bytes 200MiB --overflow reject"),
        Text("No limit on age any more:"),
        Code("edgesync init -j /var/lib/edgesync/cam --max-age 0"),
    ],
    see_also: &["edgesync", "edgesync-append", "edgesync-stats"],
    ..PLAIN
};

const MAN: PageText = PageText {
    name: "edgesync-man",
    exit: &[
        Done.means("done: the page was printed, or the pages were written"),
        Failed.means("failed: I/O or internal error"),
        Usage.text(),
    ],
    files: &[Text("None.")],
    examples: &[
        Text("Install the pages:"),
        Code("edgesync man --dir ~/.local/share/man/man1"),
        Text("Read one without installing it:"),
        Code("edgesync man replay | man -l -"),
    ],
    see_also: &["edgesync", "edgesync-completions"],
    ..PLAIN
};

const COMPLETIONS: PageText = PageText {
    name: "edgesync-completions",
    exit: &[
        Done.means("done: the script was printed, or the scripts were written"),
        Failed.means("failed: I/O or internal error"),
        Usage.text(),
    ],
    files: &[Text("None.")],
    examples: &[
        Text("bash:"),
        Code(
            "mkdir -p ~/.local/share/bash-completion/completions\nedgesync completions bash > ~/.local/share/bash-completion/completions/edgesync",
        ),
        Text("zsh, with a directory that is in fpath:"),
        Code("mkdir -p ~/.zfunc\nedgesync completions zsh > ~/.zfunc/_edgesync"),
        Text("fish:"),
        Code(
            "mkdir -p ~/.config/fish/completions\nedgesync completions fish > ~/.config/fish/completions/edgesync.fish",
        ),
    ],
    see_also: &["edgesync", "edgesync-man"],
    ..PLAIN
};
