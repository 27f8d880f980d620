
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'edgesync' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'edgesync'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'edgesync' {
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('append', 'append', [CompletionResultType]::ParameterValue, 'Reads JSON lines from standard input and writes them durably')
            [CompletionResult]::new('replay', 'replay', [CompletionResultType]::ParameterValue, 'Delivers what is pending, in order, to a URL or a command')
            [CompletionResult]::new('stats', 'stats', [CompletionResultType]::ParameterValue, 'Shows the counters and the backlog')
            [CompletionResult]::new('cat', 'cat', [CompletionResultType]::ParameterValue, 'Prints entries in order')
            [CompletionResult]::new('dead', 'dead', [CompletionResultType]::ParameterValue, 'Shows the entries that the sink refused for good')
            [CompletionResult]::new('skip', 'skip', [CompletionResultType]::ParameterValue, 'Gives up entries that wait: moves the cursor past them, on the record')
            [CompletionResult]::new('compact', 'compact', [CompletionResultType]::ParameterValue, 'Gives back the disk space of settled entries')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Reads every entry and every line of the side files; says what is damaged, and where')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Creates a journal, or changes the limits of one')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Prints a manual page')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Prints the completion script for a shell')
            break
        }
        'edgesync;append' {
            [CompletionResult]::new('--sync', '--sync', [CompletionResultType]::ParameterName, 'When to sync: always, interval=DURATION or never')
            [CompletionResult]::new('--max-line', '--max-line', [CompletionResultType]::ParameterName, 'Reject lines that are longer; 64MiB is the most')
            [CompletionResult]::new('--max-entries', '--max-entries', [CompletionResultType]::ParameterName, 'Keep at most this many entries that wait; 0 for no limit')
            [CompletionResult]::new('--max-bytes', '--max-bytes', [CompletionResultType]::ParameterName, 'Take at most this much disk; a new journal takes 1GiB')
            [CompletionResult]::new('--max-age', '--max-age', [CompletionResultType]::ParameterName, 'Drop entries that have waited longer than this, counted while the machine is up; 0 for no limit')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'What to do at the limit; a new journal has drop-oldest')
            [CompletionResult]::new('--segment-bytes', '--segment-bytes', [CompletionResultType]::ParameterName, 'Begin a new segment file at this size; a new journal has 16MiB')
            [CompletionResult]::new('--dead-letter-threshold', '--dead-letter-threshold', [CompletionResultType]::ParameterName, 'Raise an alert each time this many more entries were evicted or dead-lettered; a new journal has 1000; 0 for never')
            [CompletionResult]::new('--alert-exec', '--alert-exec', [CompletionResultType]::ParameterName, 'What an alert runs, with the stats as JSON on its standard input; '''' for nothing')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--tee', '--tee', [CompletionResultType]::ParameterName, 'Pass each line on to standard output once it is durable')
            [CompletionResult]::new('--text', '--text', [CompletionResultType]::ParameterName, 'Take lines that are not JSON, and store each line as a JSON string')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'edgesync;replay' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Deliver to this URL, with POST')
            [CompletionResult]::new('--exec', '--exec', [CompletionResultType]::ParameterName, 'Deliver to this command: `sh -c COMMAND` once a batch, the body on its standard input')
            [CompletionResult]::new('--batch-size', '--batch-size', [CompletionResultType]::ParameterName, 'Send at most this many entries in a batch')
            [CompletionResult]::new('--batch-bytes', '--batch-bytes', [CompletionResultType]::ParameterName, 'Send at most this much in a batch; a larger entry goes alone')
            [CompletionResult]::new('--body', '--body', [CompletionResultType]::ParameterName, 'How the body of a batch is laid out')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'Try a batch again this often before the run ends')
            [CompletionResult]::new('--backoff', '--backoff', [CompletionResultType]::ParameterName, 'Wait up to this long before the first retry, and up to twice as long before each further one')
            [CompletionResult]::new('--backoff-max', '--backoff-max', [CompletionResultType]::ParameterName, 'Never wait longer than this between retries')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give one request, or one run of the command, this long')
            [CompletionResult]::new('--on-refused', '--on-refused', [CompletionResultType]::ParameterName, 'What to do with an entry that is refused for good')
            [CompletionResult]::new('--refusals-max', '--refusals-max', [CompletionResultType]::ParameterName, 'Stop after this many refusals in a row; 0: never stop')
            [CompletionResult]::new('--require-ack', '--require-ack', [CompletionResultType]::ParameterName, 'Whether a success counts for which the receiver does not send Edgesync-Acked-Seq')
            [CompletionResult]::new('--header', '--header', [CompletionResultType]::ParameterName, 'Send this header field, written ''Name: value''; may be repeated')
            [CompletionResult]::new('--header-file', '--header-file', [CompletionResultType]::ParameterName, 'Send the header fields of this file: one ''Name: value'' a line, # begins a comment')
            [CompletionResult]::new('--token-file', '--token-file', [CompletionResultType]::ParameterName, 'Send the bearer token of this file [or of the environment: EDGESYNC_TOKEN]')
            [CompletionResult]::new('--ca-cert', '--ca-cert', [CompletionResultType]::ParameterName, 'Trust the certificate authorities of this PEM file, and no others')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'edgesync;stats' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How to print')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'edgesync;cat' {
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Begin with this seq')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'End with this seq')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Print at most this many entries')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'Print at most this many entries')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--pending', '--pending', [CompletionResultType]::ParameterName, 'Only entries that still wait for delivery')
            [CompletionResult]::new('--records', '--records', [CompletionResultType]::ParameterName, 'Print whole records: seq, time, payload and checksum')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'At the end wait for more, until interrupted')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'At the end wait for more, until interrupted')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'edgesync;dead' {
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'Lists dead letters, oldest first, each with the reason')
            break
        }
        'edgesync;dead;list' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How to print')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'edgesync;skip' {
            [CompletionResult]::new('--through', '--through', [CompletionResultType]::ParameterName, 'Skip every entry up to and including this seq')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'edgesync;compact' {
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be given back, and change nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'edgesync;verify' {
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--repair', '--repair', [CompletionResultType]::ParameterName, 'Make a damaged journal usable again, and say what was done')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'edgesync;init' {
            [CompletionResult]::new('--max-entries', '--max-entries', [CompletionResultType]::ParameterName, 'Keep at most this many entries that wait; 0 for no limit')
            [CompletionResult]::new('--max-bytes', '--max-bytes', [CompletionResultType]::ParameterName, 'Take at most this much disk; a new journal takes 1GiB')
            [CompletionResult]::new('--max-age', '--max-age', [CompletionResultType]::ParameterName, 'Drop entries that have waited longer than this, counted while the machine is up; 0 for no limit')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'What to do at the limit; a new journal has drop-oldest')
            [CompletionResult]::new('--segment-bytes', '--segment-bytes', [CompletionResultType]::ParameterName, 'Begin a new segment file at this size; a new journal has 16MiB')
            [CompletionResult]::new('--dead-letter-threshold', '--dead-letter-threshold', [CompletionResultType]::ParameterName, 'Raise an alert each time this many more entries were evicted or dead-lettered; a new journal has 1000; 0 for never')
            [CompletionResult]::new('--alert-exec', '--alert-exec', [CompletionResultType]::ParameterName, 'What an alert runs, with the stats as JSON on its standard input; '''' for nothing')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--new-id', '--new-id', [CompletionResultType]::ParameterName, 'Give the journal a new id, as a copy or a restored backup needs that has not got one by itself')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'edgesync;man' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Write all pages into this directory instead')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'edgesync;completions' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Write the scripts for all shells into this directory instead')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('--journal', '--journal', [CompletionResultType]::ParameterName, 'The journal''s directory [default: $XDG_STATE_HOME/edgesync/journal]')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing where the next run may succeed by itself, and one line where a person has to act')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say how the run went, also where standard error is not a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
