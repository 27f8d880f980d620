
use builtin;
use str;

set edit:completion:arg-completer[edgesync] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'edgesync'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'edgesync'= {
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand append 'Reads JSON lines from standard input and writes them durably'
            cand replay 'Delivers what is pending, in order, to a URL or a command'
            cand stats 'Shows the counters and the backlog'
            cand cat 'Prints entries in order'
            cand dead 'Shows the entries that the sink refused for good'
            cand skip 'Gives up entries that wait: moves the cursor past them, on the record'
            cand compact 'Gives back the disk space of settled entries'
            cand verify 'Reads every entry and every line of the side files; says what is damaged, and where'
            cand init 'Creates a journal, or changes the limits of one'
            cand man 'Prints a manual page'
            cand completions 'Prints the completion script for a shell'
        }
        &'edgesync;append'= {
            cand --sync 'When to sync: always, interval=DURATION or never'
            cand --max-line 'Reject lines that are longer; 64MiB is the most'
            cand --max-entries 'Keep at most this many entries that wait; 0 for no limit'
            cand --max-bytes 'Take at most this much disk; a new journal takes 1GiB'
            cand --max-age 'Drop entries that have waited longer than this, counted while the machine is up; 0 for no limit'
            cand --overflow 'What to do at the limit; a new journal has drop-oldest'
            cand --segment-bytes 'Begin a new segment file at this size; a new journal has 16MiB'
            cand --dead-letter-threshold 'Raise an alert each time this many more entries were evicted or dead-lettered; a new journal has 1000; 0 for never'
            cand --alert-exec 'What an alert runs, with the stats as JSON on its standard input; '''' for nothing'
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --tee 'Pass each line on to standard output once it is durable'
            cand --text 'Take lines that are not JSON, and store each line as a JSON string'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'edgesync;replay'= {
            cand --to 'Deliver to this URL, with POST'
            cand --exec 'Deliver to this command: `sh -c COMMAND` once a batch, the body on its standard input'
            cand --batch-size 'Send at most this many entries in a batch'
            cand --batch-bytes 'Send at most this much in a batch; a larger entry goes alone'
            cand --body 'How the body of a batch is laid out'
            cand --retries 'Try a batch again this often before the run ends'
            cand --backoff 'Wait up to this long before the first retry, and up to twice as long before each further one'
            cand --backoff-max 'Never wait longer than this between retries'
            cand --timeout 'Give one request, or one run of the command, this long'
            cand --on-refused 'What to do with an entry that is refused for good'
            cand --refusals-max 'Stop after this many refusals in a row; 0: never stop'
            cand --require-ack 'Whether a success counts for which the receiver does not send Edgesync-Acked-Seq'
            cand --header 'Send this header field, written ''Name: value''; may be repeated'
            cand --header-file 'Send the header fields of this file: one ''Name: value'' a line, # begins a comment'
            cand --token-file 'Send the bearer token of this file [or of the environment: EDGESYNC_TOKEN]'
            cand --ca-cert 'Trust the certificate authorities of this PEM file, and no others'
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'edgesync;stats'= {
            cand --format 'How to print'
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'edgesync;cat'= {
            cand --from 'Begin with this seq'
            cand --to 'End with this seq'
            cand -n 'Print at most this many entries'
            cand --limit 'Print at most this many entries'
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --pending 'Only entries that still wait for delivery'
            cand --records 'Print whole records: seq, time, payload and checksum'
            cand -f 'At the end wait for more, until interrupted'
            cand --follow 'At the end wait for more, until interrupted'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'edgesync;dead'= {
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand list 'Lists dead letters, oldest first, each with the reason'
        }
        &'edgesync;dead;list'= {
            cand --format 'How to print'
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'edgesync;skip'= {
            cand --through 'Skip every entry up to and including this seq'
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'edgesync;compact'= {
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --dry-run 'Say what would be given back, and change nothing'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'edgesync;verify'= {
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --repair 'Make a damaged journal usable again, and say what was done'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'edgesync;init'= {
            cand --max-entries 'Keep at most this many entries that wait; 0 for no limit'
            cand --max-bytes 'Take at most this much disk; a new journal takes 1GiB'
            cand --max-age 'Drop entries that have waited longer than this, counted while the machine is up; 0 for no limit'
            cand --overflow 'What to do at the limit; a new journal has drop-oldest'
            cand --segment-bytes 'Begin a new segment file at this size; a new journal has 16MiB'
            cand --dead-letter-threshold 'Raise an alert each time this many more entries were evicted or dead-lettered; a new journal has 1000; 0 for never'
            cand --alert-exec 'What an alert runs, with the stats as JSON on its standard input; '''' for nothing'
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --new-id 'Give the journal a new id, as a copy or a restored backup needs that has not got one by itself'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'edgesync;man'= {
            cand --dir 'Write all pages into this directory instead'
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'edgesync;completions'= {
            cand --dir 'Write the scripts for all shells into this directory instead'
            cand -j 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand --journal 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]'
            cand -q 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand --quiet 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
            cand -v 'Say how the run went, also where standard error is not a terminal'
            cand --verbose 'Say how the run went, also where standard error is not a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
    ]
    $completions[$command]
}
