//! A `replay --exec` that is killed leaves its command running: what the command gets, and what its successor may do.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{DeadMount, Live, Receiver, Sandbox, is_gone, random, readings, tally, until};

/// How many kills a test tries.
fn kills() -> usize {
    std::env::var("EDGESYNC_TEST_KILLS").map_or(12, |text| text.parse().expect("a number of kills"))
}

/// A command that reads its batch, says so, and delivers it only when the file `go` is there.
const HESITATES: &str = r#"
cat > /dev/null
echo $$ > id.new && mv id.new "started-$EDGESYNC_FIRST_SEQ"
until [ -e go ]; do sleep 0.01; done
echo "$EDGESYNC_FIRST_SEQ" >> delivered
"#;

/// Leaves an orphan: kills a replay once its command says that it has the first batch. Returns the command's process.
fn leave_orphan(sandbox: &Sandbox, timeout: &str) -> String {
    let command = sandbox.fake_command(HESITATES);
    let replay = sandbox.replay_exec(&command).args(["--batch-size", "1", "--timeout", timeout]).spawn();
    until("the command to start", || sandbox.path("started-1").exists().then_some(()));
    replay.kill_alone();
    fs::read_to_string(sandbox.path("started-1")).unwrap().trim().to_owned()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn however_often_a_replay_is_killed_its_command_gets_whole_bodies_in_order() {
    let sandbox = Sandbox::new();
    let mut random = random();
    let received = sandbox.path("received.ndjson");
    let batch = 200;
    let mut entries = Vec::new();
    for number in 0..kills() {
        // Whole batches, so that boundaries are known; each larger than a pipe.
        let new = readings(5 * batch, 700);
        let new: Vec<_> =
            new.iter().map(|line| line.replacen('{', &format!("{{\"kill\":{number},"), 1)).collect();
        sandbox.append(&new);
        entries.extend(new);
        let words = ["replay", "--exec", "cat >> received.ndjson", "--batch-size", "200"];
        let mut replay = sandbox.edgesync(words).spawn();
        let size = || fs::metadata(&received).map_or(0, |file| file.len());
        let enough = size() + random.u64(1..500_000);
        while size() < enough && !replay.has_ended() {
            std::hint::spin_loop();
        }
        replay.kill_alone();
    }
    until("the rest to be delivered", || {
        let code = sandbox.replay_exec("cat >> received.ndjson").args(["--batch-size", "200"]).run().code();
        assert!(matches!(code, Some(0 | 7)), "exit code {code:?}");
        (code == Some(0)).then_some(())
    });

    let text = fs::read_to_string(&received).unwrap();
    assert!(text.ends_with('\n'), "the last line is cut");
    let place = |line: &str| entries.iter().position(|entry| entry == line);
    let (mut next, mut repeated) = (0, 0);
    for (number, line) in text.lines().enumerate() {
        if entries.get(next).is_none_or(|entry| entry != line) {
            let place = place(line).unwrap_or_else(|| panic!("line {number} is no entry: {line:.60}…"));
            let whole = next % batch == 0 && place % batch == 0 && place < next;
            assert!(
                whole,
                "line {number}: entry {place} instead of {next} is no repetition of a whole batch"
            );
            repeated += 1;
            next = place;
        }
        next += 1;
    }
    assert_eq!(next, entries.len(), "all arrived");
    tally("kills of a replay to `cat >>`", format_args!("{}, {repeated} repetitions", kills()));
}

#[test]
fn an_orphan_keeps_every_deliverer_away_until_it_ends() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2"]);
    leave_orphan(&sandbox, "600s");
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).run().exits(7).says("command").says("exec.lock");
    sandbox.replay_exec("echo overtook >> delivered").run().exits(7);
    sandbox.edgesync(["verify", "--repair"]).run().exits(7);
    assert_eq!(receiver.request_count(), 0);
    sandbox.edgesync(["append"]).stdin("3\n").run().exits(0);
    sandbox.stats().shows([("pending", 3)]);
    fs::write(sandbox.path("go"), "").unwrap();
    until("the orphan's end", || {
        let code = sandbox.replay_to(&receiver).run().code();
        assert!(matches!(code, Some(0 | 7)), "exit code {code:?}");
        (code == Some(0)).then_some(())
    });
    assert_eq!(text(&sandbox.path("delivered")), "1\n");
    receiver.assert_in_order_once(&["1", "2", "3"]);
}

#[test]
fn an_orphan_whose_time_is_over_delivers_nothing_after_its_successor() {
    for to_url in [false, true] {
        let sandbox = Sandbox::new();
        sandbox.append(["1", "2"]);
        let orphan = leave_orphan(&sandbox, "1s");
        let receiver = Receiver::accepting();
        until("the successor's turn", || {
            let successor = if to_url {
                sandbox.replay_to(&receiver)
            } else {
                sandbox.replay_exec("echo successor >> delivered").args(["--batch-size", "1"])
            };
            let code = successor.run().code();
            assert!(matches!(code, Some(0 | 7)), "exit code {code:?}");
            (code == Some(0)).then_some(())
        });
        assert!(is_gone(&orphan), "the orphan outlives its successor");
        fs::write(sandbox.path("go"), "").unwrap();
        let delivered = text(&sandbox.path("delivered"));
        assert_eq!(delivered, if to_url { "" } else { "successor\nsuccessor\n" });
        sandbox.stats().shows([("delivered", 2), ("pending", 0)]);
    }
}

#[test]
fn a_process_that_holds_a_dead_mount_open_hangs_no_successor_of_an_orphan() {
    let sandbox = Sandbox::new();
    let mount = DeadMount::new(&sandbox);
    let mut holder = Command::new("sleep").arg("600").stdin(mount.open()).spawn().unwrap();
    sandbox.append(["1"]);
    let orphan = leave_orphan(&sandbox, "1s");
    until("the successor's turn", || {
        let code = sandbox.replay_exec("cat >> delivered").run().code();
        assert!(matches!(code, Some(0 | 7)), "exit code {code:?}");
        (code == Some(0)).then_some(())
    });
    assert!(is_gone(&orphan), "the orphan outlives its successor");
    assert!(holder.try_wait().unwrap().is_none());
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn nothing_that_a_killed_command_has_started_delivers_after_its_repetition() {
    // The shell is killed, or what it runs.
    for dies in ["kill -9 $$", "sh -c 'kill -9 $$'"] {
        let sandbox = Sandbox::new();
        sandbox.append(["1", "2", "3"]);
        let hesitates = format!(
            "if [ -e started ]; then cat >> delivered; exit; fi
            exec 3<&0
            (until [ -e go ]; do sleep 0.01; done; cat <&3 >> delivered) > /dev/null 2>&1 &
            echo $! > started; {dies}"
        );
        sandbox.replay_exec(&hesitates).args(["--batch-size", "1"]).run().exits(0);
        fs::write(sandbox.path("go"), "").unwrap();
        let started = text(&sandbox.path("started"));
        until("the orphan's end", || is_gone(started.trim()).then_some(()));
        assert_eq!(text(&sandbox.path("delivered")), "1\n2\n3\n", "{dies}");
    }
}

#[test]
fn an_orphan_that_has_closed_every_descriptor_is_seen_by_its_shell() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    // As ssh does: one command, which its shell could become.
    let closes = r#"bash -c 'for fd in {3..200}; do eval "exec $fd>&-"; done; echo $$ > id.new; mv id.new id
        until [ -e go ]; do sleep 0.01; done; echo orphan >> delivered'"#;
    for (timeout, codes) in [("600s", &[7][..]), ("1s", &[0, 7])] {
        let _ = fs::remove_file(sandbox.path("id"));
        let replay = sandbox.replay_exec(closes).args(["--timeout", timeout]).spawn();
        until("the command to start", || sandbox.path("id").exists().then_some(()));
        replay.kill_alone();
        let id = text(&sandbox.path("id")).trim().to_owned();
        until("the successor's answer", || {
            let code =
                sandbox.replay_exec("echo successor >> delivered").run().exits_with_one_of(codes).code();
            (code == Some(codes[0])).then_some(())
        });
        if codes[0] == 7 {
            kill_process_group(&id);
        } else {
            assert!(is_gone(&id), "the orphan outlives its successor");
        }
    }
    assert_eq!(text(&sandbox.path("delivered")), "successor\n");
}

/// Ends a process of a command, and all others of that command.
fn kill_process_group(id: &str) {
    let id = Pid::from_raw(id.parse().unwrap()).unwrap();
    let group = rustix::process::getpgid(Some(id)).unwrap();
    rustix::process::kill_process_group(group, Signal::KILL).unwrap();
    until("the process to be gone", || is_gone(&id.as_raw_nonzero().to_string()).then_some(()));
}

#[test]
fn an_orphan_that_heeds_no_sigterm_is_killed() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let command = sandbox
        .fake_command("trap '' TERM; echo $$ > id.new; mv id.new id; until [ -e go ]; do sleep 0.01; done");
    let replay = sandbox.replay_exec(&command).args(["--timeout", "1s"]).spawn();
    until("the command to start", || sandbox.path("id").exists().then_some(()));
    replay.kill_alone();
    until("the successor's turn", || {
        let code = sandbox.replay_exec("true").run().code();
        assert!(matches!(code, Some(0 | 7)), "exit code {code:?}");
        (code == Some(0)).then_some(())
    });
    assert!(is_gone(text(&sandbox.path("id")).trim()));
}

#[test]
fn a_grandchild_that_became_a_daemon_keeps_nobody_away_and_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let daemon =
        "setsid sh -c 'echo $$ > id.new; mv id.new id; exec sleep 600' < /dev/null > /dev/null 2>&1 &
        until [ -e id ]; do sleep 0.01; done";
    let command = sandbox.fake_command(daemon);
    sandbox.replay_exec(&command).run().exits(0);
    let id = text(&sandbox.path("id")).trim().to_owned();
    for payload in ["2", "3"] {
        sandbox.append([payload]);
        sandbox.replay_exec("cat >> delivered").run().exits(0);
    }
    // Also not when a later run is killed, and its orphan ended.
    sandbox.append(["4"]);
    let command = sandbox
        .fake_command("echo $$ > orphan.new; mv orphan.new orphan; until [ -e go ]; do sleep 0.01; done");
    let replay = sandbox.replay_exec(&command).args(["--timeout", "500ms"]).spawn();
    until("the command to start", || sandbox.path("orphan").exists().then_some(()));
    replay.kill_alone();
    until("the successor's turn", || {
        let code = sandbox.replay_exec("cat >> delivered").run().code();
        assert!(matches!(code, Some(0 | 7)), "exit code {code:?}");
        (code == Some(0)).then_some(())
    });
    assert!(!is_gone(&id), "the daemon is not ours to end");
    assert!(is_gone(text(&sandbox.path("orphan")).trim()));
    kill_process(Pid::from_raw(id.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    assert_eq!(text(&sandbox.path("delivered")), "2\n3\n4\n");
}

#[test]
fn no_child_but_the_command_holds_its_lock() {
    let sandbox = Sandbox::new();
    let alert = "ls -l /proc/self/fd > alert.new; mv alert.new alert";
    let limits = ["init", "--dead-letter-threshold", "1", "--alert-exec", alert];
    sandbox.edgesync(limits).run().exits(0);
    sandbox.append(["1"]);
    sandbox.replay_exec("ls -l /proc/self/fd > command; exit 65").run().exits(5);
    let seen = until("the alert", || fs::read_to_string(sandbox.path("alert")).ok());
    assert!(text(&sandbox.path("command")).contains("exec.lock"));
    assert!(!seen.contains("exec.lock"), "{seen}");
}

#[test]
fn our_secrets_reach_neither_the_command_nor_the_alert() {
    let sandbox = Sandbox::new();
    let alert = "env > alert.new; mv alert.new alert";
    let limits = ["init", "--dead-letter-threshold", "1", "--alert-exec", alert];
    sandbox.edgesync(limits).run().exits(0);
    sandbox.append(["1"]);
    let mut replay = sandbox.replay_exec("env > command; exit 65");
    for name in
        ["EDGESYNC_TOKEN", "EDGESYNC_HEADER", "EDGESYNC_TO", "EDGESYNC_TOKEN_FILE", "EDGESYNC_OF_LATER"]
    {
        replay = replay.env(name, "https://canary/");
    }
    replay.env("THEIRS", "kept").run().exits(5);
    let alert = until("the alert", || fs::read_to_string(sandbox.path("alert")).ok());
    for seen in [text(&sandbox.path("command")), alert] {
        assert!(seen.contains("THEIRS=kept\n") && seen.contains("EDGESYNC_JOURNAL="), "{seen}");
        assert!(!seen.contains("canary"), "{seen}");
    }
}

#[test]
fn a_command_and_an_alert_see_the_journal_that_they_are_about_and_not_the_callers() {
    let sandbox = Sandbox::new();
    let alert = "env > alert.new; mv alert.new alert";
    let limits = ["init", "--dead-letter-threshold", "1", "--alert-exec", alert];
    sandbox.edgesync(limits).run().exits(0);
    sandbox.append(["1"]);
    let replay = sandbox.replay_exec("env > command; exit 65").args(["-j", "cam.journal"]);
    replay.env("EDGESYNC_JOURNAL", "/nonexistent").run().exits(5);
    let alert = until("the alert", || fs::read_to_string(sandbox.path("alert")).ok());
    let journal = format!("EDGESYNC_JOURNAL={}", fs::canonicalize(sandbox.journal()).unwrap().display());
    for seen in [text(&sandbox.path("command")), alert] {
        assert!(seen.lines().any(|line| line == journal), "{journal} is not in\n{seen}");
    }
}

#[test]
fn a_command_that_is_told_to_end_lets_its_lock_go() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let command = sandbox.fake_command(HESITATES);
    let replay: Live = sandbox.replay_exec(&command).spawn();
    until("the command to start", || sandbox.path("started-1").exists().then_some(()));
    replay.signal(Signal::TERM);
    replay.wait().exits(4);
    sandbox.replay_exec("cat >> delivered").run().exits(0);
    assert_eq!(text(&sandbox.path("delivered")), "1\n");
}
