//! The journal's alert command, where a program has the journal open.

use std::fs;
use std::sync::mpsc::channel;

use super::support::*;
use crate::{Journal, Settings};

/// A journal that keeps one entry, and runs this with each further one.
fn alerting(command: &str) -> Place {
    let place = Place::new();
    let settings = Settings {
        max_entries: Some(1),
        dead_letter_threshold: Some(1),
        alert_exec: Some(command.into()),
        ..Settings::default()
    };
    Journal::open_or_create(&place.path(), &settings).unwrap();
    place
}

#[test]
fn closing_waits_for_the_alert_command() {
    let place = alerting("sleep 0.3; echo done > \"$EDGESYNC_JOURNAL.done\"");
    let buffer = Endpoint::accepting().buffer(place.options());
    write(&buffer, 1..=2);
    buffer.close().wait().unwrap();
    assert!(fs::exists(place.path().with_extension("done")).unwrap());
}

#[test]
fn a_program_hears_of_an_alert_command_that_fails_and_may_panic_over_it() {
    let place = alerting("exit 3");
    let (report, reports) = channel();
    let options = place.options().on_alert_failure(move |failure| {
        report.send(failure.to_owned()).unwrap();
        panic!("on purpose");
    });
    let buffer = Endpoint::accepting().buffer(options);
    for number in 1..=3 {
        write(&buffer, [number]);
    }
    let failure = reports.recv_timeout(PATIENCE).unwrap();
    assert!(failure.contains("exit code 3"), "{failure}");
    buffer.close().wait().unwrap();
    assert!(reports.try_iter().all(|failure| failure.contains("exit code 3")));
}
