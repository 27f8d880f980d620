//! The manual pages: committed, true, and sound.

use std::process::Command;

use crate::tools::{assert_committed, edgesync, files, repository, run, stdout_of};

#[test]
fn the_committed_pages_are_what_the_program_prints() {
    let directory = tempfile::tempdir().unwrap();
    let status = edgesync().args(["man", "--dir"]).arg(directory.path()).status().unwrap();
    assert!(status.success());
    assert_committed(&repository("man"), directory.path());
}

#[test]
fn a_page_alone_is_the_same_as_among_all() {
    let pages = files(&repository("man"));
    for (words, name) in [
        (&[][..], "edgesync.1"),
        (&["replay"], "edgesync-replay.1"),
        (&["dead", "list"], "edgesync-dead-list.1"),
        (&["dead list"], "edgesync-dead-list.1"),
        (&["dead-list"], "edgesync-dead-list.1"),
        (&["edgesync-cat"], "edgesync-cat.1"),
    ] {
        let page = stdout_of(&edgesync().arg("man").args(words).output().unwrap());
        assert!(page == pages[std::ffi::OsStr::new(name)], "{words:?}");
    }
}

#[test]
fn pages_do_not_depend_on_the_terminal_or_the_environment() {
    let plain = edgesync().arg("man").output().unwrap();
    let odd = edgesync()
        .arg("man")
        .envs([
            ("COLUMNS", "30"),
            ("LANG", "de_DE.UTF-8"),
            ("EDGESYNC_JOURNAL", "/elsewhere"),
            ("TERM", "xterm"),
        ])
        .output()
        .unwrap();
    assert_eq!(stdout_of(&plain), stdout_of(&odd));
}

#[test]
fn every_page_has_the_sections_that_people_look_for() {
    for (name, page) in files(&repository("man")) {
        let sections = [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "EXIT STATUS",
            "ENVIRONMENT",
            "FILES",
            "EXAMPLES",
            "SEE ALSO",
        ];
        for section in sections {
            let heading = [format!(".SH {section}\n"), format!(".SH \"{section}\"\n")];
            assert!(heading.iter().any(|heading| page.contains(heading)), "{name:?} has no {section}");
        }
    }
}

#[test]
fn mandoc_finds_nothing_to_warn_of() {
    let pages = files(&repository("man"));
    assert!(!pages.is_empty());
    for name in pages.keys() {
        let page = repository("man").join(name);
        let output = run(Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&page), "mandoc");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
}

#[test]
fn a_page_that_is_not_there_is_a_usage_error_that_lists_those_that_are() {
    let output = edgesync().args(["man", "nonsense"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nonsense") && said.contains("dead-list"), "{said}");
}
