//! The buffer's promises: each row of what its ancestor offers, each place where the ancestor breaks, and what is new.

mod alerts;
mod ancestor_breaks;
mod cancelling;
mod failing_disk;
mod logs;
mod offers;
mod others;
mod scenarios;
mod stopping;
mod support;
mod values;
