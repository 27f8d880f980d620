# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_edgesync_global_optspecs
    string join \n j/journal= q/quiet v/verbose h/help V/version
end

function __fish_edgesync_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_edgesync_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_edgesync_using_subcommand
    set -l cmd (__fish_edgesync_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c edgesync -n "__fish_edgesync_needs_command" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_needs_command" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_needs_command" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_needs_command" -s V -l version -d 'Print version'
complete -c edgesync -n "__fish_edgesync_needs_command" -f -a "append" -d 'Reads JSON lines from standard input and writes them durably'
complete -c edgesync -n "__fish_edgesync_needs_command" -f -a "replay" -d 'Delivers what is pending, in order, to a URL or a command'
complete -c edgesync -n "__fish_edgesync_needs_command" -f -a "stats" -d 'Shows the counters and the backlog'
complete -c edgesync -n "__fish_edgesync_needs_command" -f -a "cat" -d 'Prints entries in order'
complete -c edgesync -n "__fish_edgesync_needs_command" -f -a "dead" -d 'Shows the entries that the sink refused for good'
complete -c edgesync -n "__fish_edgesync_needs_command" -f -a "skip" -d 'Gives up entries that wait: moves the cursor past them, on the record'
complete -c edgesync -n "__fish_edgesync_needs_command" -f -a "compact" -d 'Gives back the disk space of settled entries'
complete -c edgesync -n "__fish_edgesync_needs_command" -f -a "verify" -d 'Reads every entry and every line of the side files; says what is damaged, and where'
complete -c edgesync -n "__fish_edgesync_needs_command" -f -a "init" -d 'Creates a journal, or changes the limits of one'
complete -c edgesync -n "__fish_edgesync_needs_command" -f -a "man" -d 'Prints a manual page'
complete -c edgesync -n "__fish_edgesync_needs_command" -f -a "completions" -d 'Prints the completion script for a shell'
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -l sync -d 'When to sync: always, interval=DURATION or never' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -l max-line -d 'Reject lines that are longer; 64MiB is the most' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -l max-entries -d 'Keep at most this many entries that wait; 0 for no limit' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -l max-bytes -d 'Take at most this much disk; a new journal takes 1GiB' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -l max-age -d 'Drop entries that have waited longer than this, counted while the machine is up; 0 for no limit' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -l overflow -d 'What to do at the limit; a new journal has drop-oldest' -r -f -a "drop-oldest\t'Make room by dropping the oldest entries, and count them'
reject\t'Take no more entries, and exit with 8'
block\t'Wait until there is room'"
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -l segment-bytes -d 'Begin a new segment file at this size; a new journal has 16MiB' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -l dead-letter-threshold -d 'Raise an alert each time this many more entries were evicted or dead-lettered; a new journal has 1000; 0 for never' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -l alert-exec -d 'What an alert runs, with the stats as JSON on its standard input; \'\' for nothing' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -l tee -d 'Pass each line on to standard output once it is durable'
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -l text -d 'Take lines that are not JSON, and store each line as a JSON string'
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand append" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l to -d 'Deliver to this URL, with POST' -r -f
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l exec -d 'Deliver to this command: `sh -c COMMAND` once a batch, the body on its standard input' -r -f -a "(__fish_complete_command)"
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l batch-size -d 'Send at most this many entries in a batch' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l batch-bytes -d 'Send at most this much in a batch; a larger entry goes alone' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l body -d 'How the body of a batch is laid out' -r -f -a "ndjson\t'One payload a line'
records\t'One whole record a line: seq, time, payload and checksum'
array\t'A JSON array of payloads'
single\t'One payload a request'"
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l retries -d 'Try a batch again this often before the run ends' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l backoff -d 'Wait up to this long before the first retry, and up to twice as long before each further one' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l backoff-max -d 'Never wait longer than this between retries' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l timeout -d 'Give one request, or one run of the command, this long' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l on-refused -d 'What to do with an entry that is refused for good' -r -f -a "dead-letter\t'Keep it in dead-letter.jsonl with the reason, and go on'
stop\t'End the run; nothing overtakes it'"
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l refusals-max -d 'Stop after this many refusals in a row; 0: never stop' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l require-ack -d 'Whether a success counts for which the receiver does not send Edgesync-Acked-Seq' -r -f -a "auto\t'It counts until this receiver has sent one for this journal'
always\t'It never counts'
never\t'It always counts; edgesync forgets that this receiver has sent one'"
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l header -d 'Send this header field, written \'Name: value\'; may be repeated' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l header-file -d 'Send the header fields of this file: one \'Name: value\' a line, # begins a comment' -r -F
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l token-file -d 'Send the bearer token of this file [or of the environment: EDGESYNC_TOKEN]' -r -F
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -l ca-cert -d 'Trust the certificate authorities of this PEM file, and no others' -r -F
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_using_subcommand stats" -l format -d 'How to print' -r -f -a "text\t'For people'
json\t'One JSON object on one line'
prometheus\t'The Prometheus text format, for a textfile collector'"
complete -c edgesync -n "__fish_edgesync_using_subcommand stats" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand stats" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand stats" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_using_subcommand cat" -l from -d 'Begin with this seq' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand cat" -l to -d 'End with this seq' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand cat" -s n -l limit -d 'Print at most this many entries' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand cat" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand cat" -l pending -d 'Only entries that still wait for delivery'
complete -c edgesync -n "__fish_edgesync_using_subcommand cat" -l records -d 'Print whole records: seq, time, payload and checksum'
complete -c edgesync -n "__fish_edgesync_using_subcommand cat" -s f -l follow -d 'At the end wait for more, until interrupted'
complete -c edgesync -n "__fish_edgesync_using_subcommand cat" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand cat" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand cat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_using_subcommand dead; and not __fish_seen_subcommand_from list" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand dead; and not __fish_seen_subcommand_from list" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand dead; and not __fish_seen_subcommand_from list" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand dead; and not __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_using_subcommand dead; and not __fish_seen_subcommand_from list" -f -a "list" -d 'Lists dead letters, oldest first, each with the reason'
complete -c edgesync -n "__fish_edgesync_using_subcommand dead; and __fish_seen_subcommand_from list" -l format -d 'How to print' -r -f -a "text\t'For people'
json\t'The stored lines, one JSON object each'"
complete -c edgesync -n "__fish_edgesync_using_subcommand dead; and __fish_seen_subcommand_from list" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand dead; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand dead; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand dead; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_using_subcommand skip" -l through -d 'Skip every entry up to and including this seq' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand skip" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand skip" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand skip" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand skip" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_using_subcommand compact" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand compact" -l dry-run -d 'Say what would be given back, and change nothing'
complete -c edgesync -n "__fish_edgesync_using_subcommand compact" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand compact" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand compact" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_using_subcommand verify" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand verify" -l repair -d 'Make a damaged journal usable again, and say what was done'
complete -c edgesync -n "__fish_edgesync_using_subcommand verify" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand verify" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -l max-entries -d 'Keep at most this many entries that wait; 0 for no limit' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -l max-bytes -d 'Take at most this much disk; a new journal takes 1GiB' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -l max-age -d 'Drop entries that have waited longer than this, counted while the machine is up; 0 for no limit' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -l overflow -d 'What to do at the limit; a new journal has drop-oldest' -r -f -a "drop-oldest\t'Make room by dropping the oldest entries, and count them'
reject\t'Take no more entries, and exit with 8'
block\t'Wait until there is room'"
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -l segment-bytes -d 'Begin a new segment file at this size; a new journal has 16MiB' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -l dead-letter-threshold -d 'Raise an alert each time this many more entries were evicted or dead-lettered; a new journal has 1000; 0 for never' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -l alert-exec -d 'What an alert runs, with the stats as JSON on its standard input; \'\' for nothing' -r
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -l new-id -d 'Give the journal a new id, as a copy or a restored backup needs that has not got one by itself'
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_using_subcommand man" -l dir -d 'Write all pages into this directory instead' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand man" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand man" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand man" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c edgesync -n "__fish_edgesync_using_subcommand completions" -l dir -d 'Write the scripts for all shells into this directory instead' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand completions" -s j -l journal -d 'The journal\'s directory [default: $XDG_STATE_HOME/edgesync/journal]' -r -f -a "(__fish_complete_directories)"
complete -c edgesync -n "__fish_edgesync_using_subcommand completions" -s q -l quiet -d 'Print nothing where the next run may succeed by itself, and one line where a person has to act'
complete -c edgesync -n "__fish_edgesync_using_subcommand completions" -s v -l verbose -d 'Say how the run went, also where standard error is not a terminal'
complete -c edgesync -n "__fish_edgesync_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
