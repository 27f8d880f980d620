//! Something else in the place of one of the journal's files: refused, the target untouched, and nobody waits for ever.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::{Sandbox, demand_root, snapshot, tally};

const SEGMENT: &str = "00000000000000000001.jsonl";
const FILES: [&str; 6] = [SEGMENT, "cursor", "append.lock", "replay.lock", "exec.lock", "journal.json"];
const SIDE_FILES: [&str; 3] = ["rejected.jsonl", "dead-letter.jsonl", "damaged.jsonl"];

/// What stands in a file's place.
#[derive(Debug, Clone, Copy)]
enum Stand {
    Symlink,
    DanglingSymlink,
    HardLink,
    Fifo,
    Directory,
}

const STANDS: [Stand; 5] =
    [Stand::Symlink, Stand::DanglingSymlink, Stand::HardLink, Stand::Fifo, Stand::Directory];

/// A journal of three entries, one of which is a dead letter, so that it has every file that a sound journal has.
fn journal() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["append"]).stdin("1\nnot JSON\n2\n3\n").run().exits(5);
    fs::write(sandbox.path("theirs"), "somebody else's\n").unwrap();
    sandbox
}

fn put(stand: Stand, path: &Path, sandbox: &Sandbox) {
    let aside = sandbox.path("aside");
    if path.exists() {
        fs::rename(path, &aside).unwrap();
    } else {
        fs::write(&aside, "").unwrap();
    }
    match stand {
        Stand::Symlink => symlink(&aside, path).unwrap(),
        Stand::DanglingSymlink => symlink(sandbox.path("nowhere"), path).unwrap(),
        Stand::HardLink => fs::hard_link(&aside, path).unwrap(),
        Stand::Fifo => {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
        }
        Stand::Directory => fs::create_dir(path).unwrap(),
    }
}

/// All that lies outside of the journal: the stand-ins' targets.
fn outside(sandbox: &Sandbox) -> impl PartialEq + std::fmt::Debug {
    let mut all = snapshot(&sandbox.path(""));
    all.retain(|path, _| path.is_file() && !path.starts_with(sandbox.journal()));
    all
}

fn run(sandbox: &Sandbox, words: &[&str]) -> crate::harness::Output {
    sandbox.edgesync(words).stdin("4\nbad\n").within(Duration::from_secs(15)).run()
}

#[test]
fn whatever_stands_in_a_files_place_is_refused_and_its_target_is_untouched() {
    let mut cases = 0;
    for file in FILES {
        for stand in STANDS {
            let sandbox = journal();
            put(stand, &sandbox.journal().join(file), &sandbox);
            let before = outside(&sandbox);
            for words in [
                &["append"][..],
                &["replay", "--exec", "cat"],
                &["compact"],
                &["stats"],
                &["cat"],
                &["verify"],
                &["init", "--max-entries", "9"],
            ] {
                let output = run(&sandbox, words);
                // Not each command opens each file.
                output.exits_with_one_of(&[0, 5, 6]);
                if output.code() == Some(6) {
                    output.says(file);
                }
                assert!(
                    outside(&sandbox) == before,
                    "{stand:?} for {file}: {words:?} changed what it points to"
                );
                assert!(!sandbox.path("nowhere").exists(), "{words:?} followed a dangling link");
                cases += 1;
            }
            let writes = match file {
                "replay.lock" | "exec.lock" | "cursor" => &["replay", "--exec", "cat"][..],
                _ => &["append"],
            };
            run(&sandbox, writes).exits(6).says(file);
        }
    }
    tally("stand-ins for files, commands", cases);
}

/// Moved away, the cursor would be missing: the way out leaves it where it is.
#[test]
fn the_way_out_of_a_link_keeps_the_journals_own_file() {
    let sandbox = journal();
    let cursor = sandbox.journal().join("cursor");
    put(Stand::HardLink, &cursor, &sandbox);
    let find = format!("find / -samefile '{}'", cursor.display());
    run(&sandbox, &["stats"]).exits(6).says("remove the other name").says(&find).does_not_say("move it away");
    fs::remove_file(sandbox.path("aside")).unwrap();
    run(&sandbox, &["stats"]).exits(0);

    let sandbox = journal();
    let cursor = sandbox.journal().join("cursor");
    put(Stand::Symlink, &cursor, &sandbox);
    run(&sandbox, &["stats"]).exits(6).says("replace the link by the file").does_not_say("move it away");
    fs::rename(sandbox.path("aside"), cursor).unwrap();
    run(&sandbox, &["stats"]).exits(0);
}

#[test]
fn whatever_stands_in_a_side_files_place_is_refused_and_its_target_is_untouched() {
    for file in SIDE_FILES {
        for stand in STANDS {
            let sandbox = journal();
            sandbox.append(["\"refused\""]);
            if file == "damaged.jsonl" {
                let segment = sandbox.journal().join(SEGMENT);
                let text = fs::read_to_string(&segment).unwrap();
                fs::write(&segment, text.replace("\"data\":2,", "\"data\":7,")).unwrap();
            }
            put(stand, &sandbox.journal().join(file), &sandbox);
            let before = outside(&sandbox);
            let output = match file {
                "rejected.jsonl" => run(&sandbox, &["append"]),
                _ => run(&sandbox, &["replay", "--exec", "grep -q refused && exit 65; exit 0"]),
            };
            output.exits(6).says(file);
            assert!(outside(&sandbox) == before, "{stand:?} for {file} was followed");
            assert!(!sandbox.path("nowhere").exists());
            run(&sandbox, &["stats"]).exits_with_one_of(&[0, 6]);
            run(&sandbox, &["dead", "list"]).exits_with_one_of(&[0, 6]);
        }
    }
}

#[test]
fn a_journal_that_is_a_fifo_a_file_or_a_dangling_link_is_refused() {
    for make in [
        |path: PathBuf| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap(),
        |path: PathBuf| fs::write(path, "theirs").unwrap(),
        |path: PathBuf| symlink("nowhere", path).unwrap(),
    ] {
        let sandbox = Sandbox::new();
        make(sandbox.journal());
        let before = snapshot(&sandbox.path(""));
        for words in [&["append"][..], &["replay", "--exec", "cat"], &["stats"], &["cat"], &["init"]] {
            run(&sandbox, words).exits_with_one_of(&[2, 6]);
            assert!(snapshot(&sandbox.path("")) == before);
        }
    }
}

#[test]
fn no_umask_opens_the_journal_to_others() {
    for umask in ["000", "077", "777"] {
        let sandbox = Sandbox::new();
        let script = format!(
            "umask {umask}; printf '1\\nbad\\n2\\n' | \"$EDGESYNC\" append; \
             \"$EDGESYNC\" replay --exec 'exit 65'; \"$EDGESYNC\" init --max-entries 5"
        );
        sandbox.shell(&script).run().exits(0);
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
        // Root may use what has no mode at all; others may not, and there the files must still be their owner's.
        let most = |allowed: u32, mode: u32| mode & !allowed == 0;
        assert!(most(0o700, mode(&sandbox.journal())), "umask {umask}");
        let names: Vec<_> = fs::read_dir(sandbox.journal()).unwrap().map(|it| it.unwrap().path()).collect();
        assert!(names.iter().any(|path| path.ends_with("dead-letter.jsonl")));
        for path in names {
            assert!(most(0o600, mode(&path)), "umask {umask}: {} has {:o}", path.display(), mode(&path));
        }
    }
}

#[test]
fn another_users_journal_or_file_is_refused_and_left_as_it_is() {
    demand_root("giving a file to another user");
    let sandbox = journal();
    let before = snapshot(&sandbox.journal());
    chown(sandbox.journal(), Some(65_534), Some(65_534)).unwrap();
    for words in
        [&["append"][..], &["replay", "--exec", "cat"], &["compact"], &["init", "--max-entries", "3"]]
    {
        run(&sandbox, words).exits_with_one_of(&[2, 6]).says("another user");
        assert!(snapshot(&sandbox.journal()) == before, "{words:?}");
    }
    for file in FILES {
        let sandbox = journal();
        let before = snapshot(&sandbox.journal());
        let path = sandbox.journal().join(file);
        chown(&path, Some(65_534), Some(65_534)).unwrap();
        // A writer that does not need the file goes on; whoever would write to it does not.
        let words = match file {
            "replay.lock" | "exec.lock" | "cursor" => &["replay", "--exec", "cat"][..],
            "journal.json" => &["stats"],
            _ => &["append"],
        };
        let output = run(&sandbox, words);
        if file != "journal.json" {
            output.exits(6).says(file).says("another user");
        }
        assert!(snapshot(&sandbox.journal()) == before, "{file}");
    }
}

/// What decides where entries go and what is run as an alert is not taken from whoever else may write it; a look is free.
#[test]
fn a_journal_that_others_may_write_to_is_refused_by_writers_and_shown_to_those_who_look() {
    for (name, mode) in [("", 0o770), ("", 0o702), ("journal.json", 0o620), ("journal.json", 0o606)] {
        let sandbox = journal();
        let path = sandbox.journal().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let before = snapshot(&sandbox.journal());
        for words in [
            &["append"][..],
            &["replay", "--exec", "cat"],
            &["compact"],
            &["init", "--max-entries", "3"],
            &["verify", "--repair"],
        ] {
            run(&sandbox, words).exits(6).says("others than its owner").says("chmod go-w");
            assert!(snapshot(&sandbox.journal()) == before, "{mode:o} {name}: {words:?}");
        }
        for words in [&["stats"][..], &["cat"], &["verify"]] {
            run(&sandbox, words).exits(0);
        }
    }
}

#[test]
fn a_config_of_another_user_is_refused_by_writers_and_shown_to_those_who_look() {
    demand_root("giving a file to another user");
    let sandbox = journal();
    chown(sandbox.journal().join("journal.json"), Some(65_534), Some(65_534)).unwrap();
    for words in
        [&["append"][..], &["replay", "--exec", "cat"], &["compact"], &["init", "--max-entries", "3"]]
    {
        run(&sandbox, words).exits(6).says("journal.json").says("another user");
    }
    for words in [&["stats"][..], &["cat"], &["verify"]] {
        run(&sandbox, words).exits(0);
    }
}

/// An alert command comes with the journal of whoever made it: a copy must not bring it along.
#[test]
fn a_copied_or_renewed_journal_drops_its_alert_command_and_says_so() {
    for renew in
        [r#"cp -r "$J" "$J.copy"; rm -r "$J"; mv "$J.copy" "$J""#, "\"$EDGESYNC\" init -q --new-id >&2"]
    {
        let sandbox = Sandbox::new();
        let witness = sandbox.path("witness");
        let alert = format!("touch {}; # \u{202e}", witness.display());
        let limits = ["--max-entries", "1", "--dead-letter-threshold", "1", "--alert-exec", &alert];
        sandbox.edgesync(["init"]).args(limits).run().exits(0);
        let script = format!("{renew}; seq 9 | \"$EDGESYNC\" append -q");
        let output = sandbox.shell(&script).env("J", sandbox.journal()).run();
        output.exits(0).says("alert command").says("dropped").says("touch ").does_not_say("\u{202e}");
        sandbox.stats().shows([("evicted", 8)]);
        let config = fs::read_to_string(sandbox.journal().join("journal.json")).unwrap();
        assert!(!config.contains("alert_exec"), "{config}");
        assert!(!witness.exists(), "a foreign command ran");
        sandbox.edgesync(["init", "--alert-exec", "true"]).run().exits(0).prints("true");
    }
}

#[test]
fn a_journal_that_others_may_enter_is_not_read_by_them() {
    demand_root("running as another user");
    let sandbox = journal();
    for name in ["", "home"] {
        fs::set_permissions(sandbox.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let program = sandbox.reachable_program();
    let script = "\"$PROGRAM\" cat; echo \"cat $?\"; \"$PROGRAM\" stats; echo \"stats $?\"; echo 1 | \"$PROGRAM\" append; echo \"append $?\"";
    let output = sandbox.shell(script).env("PROGRAM", AsRef::<OsStr>::as_ref(&program)).user(65_534).run();
    for word in ["cat 2", "stats 2", "append 2"] {
        output.prints(word);
    }
    output.says("permission");
}
