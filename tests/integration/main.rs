//! The program from outside: what it prints about itself, and what is committed beside it.

#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; clippy lets only #[test] functions say so"
)]

mod completions;
mod help;
mod man;
mod readme;
mod tools;
