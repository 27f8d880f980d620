//! The crate as a program sees it, with any set of features.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed; clippy lets only #[test] functions say so"
)]

mod examples;
mod public_api;
