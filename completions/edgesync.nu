module completions {

  # Keeps JSON lines safe in a local journal, and delivers them in order when the network is back
  export extern edgesync [
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
  ]

  def "nu-complete edgesync append overflow" [] {
    [ "drop-oldest" "reject" "block" ]
  }

  # Reads JSON lines from standard input and writes them durably
  export extern "edgesync append" [
    --tee                     # Pass each line on to standard output once it is durable
    --text                    # Take lines that are not JSON, and store each line as a JSON string
    --sync: string            # When to sync: always, interval=DURATION or never
    --max-line: string        # Reject lines that are longer; 64MiB is the most
    --max-entries: string     # Keep at most this many entries that wait; 0 for no limit
    --max-bytes: string       # Take at most this much disk; a new journal takes 1GiB
    --max-age: string         # Drop entries that have waited longer than this, counted while the machine is up; 0 for no limit
    --overflow: string@"nu-complete edgesync append overflow" # What to do at the limit; a new journal has drop-oldest
    --segment-bytes: string   # Begin a new segment file at this size; a new journal has 16MiB
    --dead-letter-threshold: string # Raise an alert each time this many more entries were evicted or dead-lettered; a new journal has 1000; 0 for never
    --alert-exec: string      # What an alert runs, with the stats as JSON on its standard input; '' for nothing
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete edgesync replay body" [] {
    [ "ndjson" "records" "array" "single" ]
  }

  def "nu-complete edgesync replay on_refused" [] {
    [ "dead-letter" "stop" ]
  }

  def "nu-complete edgesync replay require_ack" [] {
    [ "auto" "always" "never" ]
  }

  # Delivers what is pending, in order, to a URL or a command
  export extern "edgesync replay" [
    --to: string              # Deliver to this URL, with POST
    --exec: string            # Deliver to this command: `sh -c COMMAND` once a batch, the body on its standard input
    --batch-size: string      # Send at most this many entries in a batch
    --batch-bytes: string     # Send at most this much in a batch; a larger entry goes alone
    --body: string@"nu-complete edgesync replay body" # How the body of a batch is laid out
    --retries: string         # Try a batch again this often before the run ends
    --backoff: string         # Wait up to this long before the first retry, and up to twice as long before each further one
    --backoff-max: string     # Never wait longer than this between retries
    --timeout: string         # Give one request, or one run of the command, this long
    --on-refused: string@"nu-complete edgesync replay on_refused" # What to do with an entry that is refused for good
    --refusals-max: string    # Stop after this many refusals in a row; 0: never stop
    --require-ack: string@"nu-complete edgesync replay require_ack" # Whether a success counts for which the receiver does not send Edgesync-Acked-Seq
    --header: string          # Send this header field, written 'Name: value'; may be repeated
    --header-file: path       # Send the header fields of this file: one 'Name: value' a line, # begins a comment
    --token-file: path        # Send the bearer token of this file [or of the environment: EDGESYNC_TOKEN]
    --ca-cert: path           # Trust the certificate authorities of this PEM file, and no others
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete edgesync stats format" [] {
    [ "text" "json" "prometheus" ]
  }

  # Shows the counters and the backlog
  export extern "edgesync stats" [
    --format: string@"nu-complete edgesync stats format" # How to print
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
  ]

  # Prints entries in order
  export extern "edgesync cat" [
    --pending                 # Only entries that still wait for delivery
    --from: string            # Begin with this seq
    --to: string              # End with this seq
    --limit(-n): string       # Print at most this many entries
    --records                 # Print whole records: seq, time, payload and checksum
    --follow(-f)              # At the end wait for more, until interrupted
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
  ]

  # Shows the entries that the sink refused for good
  export extern "edgesync dead" [
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete edgesync dead list format" [] {
    [ "text" "json" ]
  }

  # Lists dead letters, oldest first, each with the reason
  export extern "edgesync dead list" [
    --format: string@"nu-complete edgesync dead list format" # How to print
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
  ]

  # Gives up entries that wait: moves the cursor past them, on the record
  export extern "edgesync skip" [
    --through: string         # Skip every entry up to and including this seq
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
  ]

  # Gives back the disk space of settled entries
  export extern "edgesync compact" [
    --dry-run                 # Say what would be given back, and change nothing
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
  ]

  # Reads every entry and every line of the side files; says what is damaged, and where
  export extern "edgesync verify" [
    --repair                  # Make a damaged journal usable again, and say what was done
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete edgesync init overflow" [] {
    [ "drop-oldest" "reject" "block" ]
  }

  # Creates a journal, or changes the limits of one
  export extern "edgesync init" [
    --new-id                  # Give the journal a new id, as a copy or a restored backup needs that has not got one by itself
    --max-entries: string     # Keep at most this many entries that wait; 0 for no limit
    --max-bytes: string       # Take at most this much disk; a new journal takes 1GiB
    --max-age: string         # Drop entries that have waited longer than this, counted while the machine is up; 0 for no limit
    --overflow: string@"nu-complete edgesync init overflow" # What to do at the limit; a new journal has drop-oldest
    --segment-bytes: string   # Begin a new segment file at this size; a new journal has 16MiB
    --dead-letter-threshold: string # Raise an alert each time this many more entries were evicted or dead-lettered; a new journal has 1000; 0 for never
    --alert-exec: string      # What an alert runs, with the stats as JSON on its standard input; '' for nothing
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
  ]

  # Prints a manual page
  export extern "edgesync man" [
    --dir: directory          # Write all pages into this directory instead
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
    ...page: string           # A command, like replay or dead list; without it the page of edgesync itself
  ]

  def "nu-complete edgesync completions shell" [] {
    [ "bash" "elvish" "fish" "nushell" "powershell" "zsh" ]
  }

  # Prints the completion script for a shell
  export extern "edgesync completions" [
    --dir: directory          # Write the scripts for all shells into this directory instead
    --journal(-j): directory  # The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    --quiet(-q)               # Print nothing where the next run may succeed by itself, and one line where a person has to act
    --verbose(-v)             # Say how the run went, also where standard error is not a terminal
    --help(-h)                # Print help (see more with '--help')
    shell?: string@"nu-complete edgesync completions shell" # The shell
  ]

}

export use completions *
