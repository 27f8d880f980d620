//! The program from outside: every promise and every exit code, shown on the real binary.
//!
//! One file a topic; the tools that they share are in `harness`. A test's name is the promise that it keeps.
#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; clippy lets only #[test] functions say so"
)]

mod harness;

mod alerts;
mod append;
mod append_streams;
mod bad_input;
mod buffer;
mod completions;
mod copy_on_write;
mod crash;
mod damage;
mod damage_every_bit;
mod early_answers;
mod examples;
mod exec;
mod exit_codes;
mod faults_errno;
mod faults_kill;
mod faults_power;
mod faults_space;
mod file_security;
mod help;
mod hostile;
mod inspect;
mod limits;
mod live_kills;
mod man;
mod many_at_once;
mod old_format;
mod orphans;
mod printable;
mod quiet;
mod readme;
mod recovery;
mod refusals;
mod replay;
mod replay_outcomes;
mod replay_requests;
mod restore;
mod small_disks;
mod stops;
mod tools;
