//! Restored, copied and moved journals, with the real tools, against a receiver that does what README's table says and no more:
//! nothing is lost, and what is stored twice is what README says.
//!
//! Each drill: 49 entries are delivered and 11 wait; a backup is made; the original delivers the 11 and 20 more; the backup comes
//! back in its place, gets 30 other entries under the same seqs, and delivers.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::faults_power::{Volume, run};
use crate::harness::{Answer, Output, Receiver, Request, Sandbox, demand, lines};

/// What the receiver keeps: all that README's table asks for.
#[derive(Default)]
struct Desk {
    /// The last seq stored, for each journal.
    last: HashMap<String, u64>,
    stored: Vec<String>,
    alarms: Vec<String>,
}

impl Desk {
    fn take(&mut self, request: &Request) -> Answer {
        let journal = request.header("Edgesync-Journal").unwrap().to_owned();
        let (first, end, previous) = (request.first(), request.last(), request.previous());
        if !self.last.contains_key(&journal)
            && let Some(former) = request.header("Edgesync-Former-Journal")
            && let Some(last_of_former) = self.last.get(former).copied()
        {
            let given: u64 = request.header("Edgesync-Former-Last-Seq").unwrap().parse().unwrap();
            self.last.insert(journal.clone(), last_of_former.min(given));
        }
        let last = self.last.entry(journal).or_default();
        if previous > *last {
            self.alarms
                .push(format!("{} follows {previous}, and {last} is the last one here", request.key()));
        }
        for (seq, payload) in request.entries() {
            if seq > *last {
                self.stored.push(String::from_utf8(payload).unwrap());
            }
        }
        *last = end.max(*last);
        assert!(first <= end);
        Answer::new(204)
    }
}

/// A journal, its receiver, and what must have arrived.
struct Drill {
    sandbox: Sandbox,
    desk: Arc<Mutex<Desk>>,
    receiver: Receiver,
    journal: PathBuf,
    backup: PathBuf,
    written: Vec<String>,
}

/// Entries that waited when the backup was made.
const WAITING: usize = 11;

impl Drill {
    fn new(sandbox: Sandbox) -> Self {
        let journal = sandbox.journal();
        Self::at(sandbox, journal)
    }

    fn at(sandbox: Sandbox, journal: PathBuf) -> Self {
        let desk = Arc::new(Mutex::new(Desk::default()));
        let theirs = Arc::clone(&desk);
        let receiver = Receiver::with(move |request| theirs.lock().unwrap().take(request));
        let backup = sandbox.path("backup");
        let mut drill = Self { sandbox, desk, receiver, journal, backup, written: Vec::new() };
        drill.append("early", 49).exits(0);
        drill.replay().exits(0);
        drill.append("waiting", WAITING).exits(0);
        drill
    }

    fn append(&mut self, what: &str, count: usize) -> Output {
        let journal = self.journal.clone();
        self.append_to(&journal, what, count)
    }

    fn append_to(&mut self, journal: &Path, what: &str, count: usize) -> Output {
        let new: Vec<_> = (0..count).map(|number| format!("\"{what} {number}\"")).collect();
        let output = self.sandbox.edgesync(["append"]).arg_path("-j", journal).stdin(lines(&new)).run();
        self.written.extend(new);
        output
    }

    fn replay(&self) -> Output {
        self.replay_from(&self.journal)
    }

    fn replay_from(&self, journal: &Path) -> Output {
        self.sandbox.replay_to(&self.receiver).args(["--batch-size", "7"]).arg_path("-j", journal).run()
    }

    fn id(&self) -> String {
        self.id_of(&self.journal)
    }

    /// By a look that changes nothing.
    fn id_of(&self, journal: &Path) -> String {
        let text = std::fs::read_to_string(journal.join("journal.json")).unwrap();
        text.split("\"id\":\"").nth(1).unwrap()[..36].to_owned()
    }

    /// The original goes on after the backup was made.
    fn go_on(&mut self) {
        self.replay().exits(0);
        self.append("later", 20).exits(0);
        self.replay().exits(0);
    }

    fn shell(&self, script: &str) {
        run(Command::new("sh")
            .args(["-ec", script])
            .env("J", &self.journal)
            .env("B", &self.backup)
            .env("D", self.sandbox.path("")));
    }

    /// Other entries under the seqs that the original has used, then everything is delivered.
    fn use_restored(&mut self) -> Output {
        let output = self.append("restored", 30);
        output.exits(0);
        self.replay().exits(0);
        output
    }

    /// Nothing is lost; no alarm; and so many entries are stored twice.
    #[track_caller]
    fn check(&self, twice: usize) {
        let desk = self.desk.lock().unwrap();
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        desk.stored.iter().for_each(|payload| *times.entry(payload).or_default() += 1);
        let lost: Vec<_> =
            self.written.iter().filter(|payload| !times.contains_key(payload.as_str())).collect();
        assert!(lost.is_empty(), "{} entries are lost: {lost:?}", lost.len());
        let doubled: Vec<_> = times.iter().filter(|(_, count)| **count > 1).collect();
        assert_eq!(doubled.len(), twice, "stored more than once: {doubled:?}");
        assert!(desk.alarms.is_empty(), "false alarms: {:?}", desk.alarms);
    }
}

/// A backup is made with one script and comes back with another: the journal is renewed, nothing is lost, nothing doubled.
#[track_caller]
fn a_restore(backup: &str, restore: &str) {
    let mut drill = Drill::new(Sandbox::new());
    let id = drill.id();
    drill.shell(backup);
    drill.go_on();
    drill.shell(restore);
    assert_eq!(drill.id(), id, "the restored file itself has the old id");
    drill.use_restored().says("was restored").says(&id);
    assert_ne!(drill.id(), id);
    drill.check(0);
    // Nothing changes any more.
    let renewed = drill.id();
    drill.append("more", 1).exits(0).says_nothing();
    drill.replay().exits(0);
    assert_eq!(drill.id(), renewed);
    drill.check(0);
}

const COPY: &str = r#"cp -a "$J" "$B""#;

#[test]
fn a_backup_that_cp_puts_back_in_place_is_renewed_and_nothing_is_lost_or_doubled() {
    a_restore(COPY, r#"cp -a "$B/." "$J/""#);
    a_restore(COPY, r#"cp -r "$B/." "$J/""#);
    a_restore(r#"cp -r "$J" "$B""#, r#"cp -r "$B/." "$J/""#);
    a_restore(COPY, r#"rm -r "$J"; cp -a "$B" "$J""#);
}

#[test]
fn a_backup_that_rsync_puts_back_is_renewed_and_nothing_is_lost_or_doubled() {
    demand("rsync", "rsync");
    a_restore(r#"rsync -a --modify-window=-1 "$J/" "$B/""#, r#"rsync -a --modify-window=-1 "$B/" "$J/""#);
    a_restore(
        r#"rsync -a --modify-window=-1 "$J/" "$B/""#,
        r#"rsync -a --modify-window=-1 --delete --checksum "$B/" "$J/""#,
    );
    a_restore(
        r#"rsync -a --modify-window=-1 "$J/" "$B/""#,
        r#"rsync -a --modify-window=-1 --inplace "$B/" "$J/""#,
    );
    a_restore(r#"rsync -r "$J/" "$B/""#, r#"rsync -r --modify-window=-1 "$B/" "$J/""#);
}

/// README says to stop the writers first. Where a person does not, what is acknowledged after the restore is kept.
#[test]
fn a_restore_under_a_live_writer_renews_the_journal_and_loses_nothing_that_is_acknowledged_after_it() {
    demand("rsync", "rsync");
    for restore in [
        r#"rsync -a --modify-window=-1 "$B/" "$J/""#,
        r#"rsync -a --modify-window=-1 --inplace "$B/" "$J/""#,
        r#"cp -a "$B/." "$J/""#,
    ] {
        let mut drill = Drill::new(Sandbox::new());
        let id = drill.id();
        drill.shell(COPY);
        let mut sensor = drill.sandbox.edgesync(["append", "--tee"]).arg_path("-j", &drill.journal).spawn();
        sensor.feed("\"live\"");
        sensor.next_line();
        drill.go_on();
        drill.written.push("\"live\"".into());
        drill.shell(restore);
        for number in 0..3 {
            let line = format!("\"restored {number}\"");
            sensor.feed(&line);
            assert_eq!(sensor.next_line(), line);
            drill.written.push(line);
        }
        sensor.close_stdin();
        sensor.wait().exits(0).says("the journal was restored while lines were read").says(&id);
        assert_ne!(drill.id(), id, "{restore}");
        drill.replay().exits(0);
        drill.check(0);
    }
}

#[test]
fn a_backup_of_a_copy_that_only_init_has_opened_is_renewed_when_it_comes_back() {
    let mut drill = Drill::new(Sandbox::new());
    drill.shell(r#"cp -r "$J" "$D/k"; rm -r "$J"; mv "$D/k" "$J""#);
    drill.sandbox.edgesync(["init"]).run().exits(0);
    drill.shell(r#"cp -r "$J" "$B""#);
    drill.go_on();
    drill.shell(r#"cp -r "$B/." "$J/""#);
    drill.use_restored().says("was restored");
    // The backup was made before the receiver had met its id, so it names the one before.
    drill.check(WAITING);
}

#[test]
fn where_files_have_no_time_of_birth_a_restore_is_renewed_too() {
    for restore in [r#"cp -r "$B/." "$J/""#, r#"rm -r "$J"; cp -r "$B" "$J""#] {
        let sandbox = Sandbox::new();
        let volume = Volume::made_with(&sandbox, "ext4", &["-I", "128"]);
        let mut drill = Drill::at(sandbox, volume.journal());
        drill.shell(r#"cp -r "$J" "$B""#);
        drill.go_on();
        // Times are kept in whole seconds there.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        drill.shell(restore);
        drill.use_restored().says("was restored");
        drill.check(0);
    }
}

/// The segments that the backup does not replace are those of the journal that was there in between.
#[test]
fn a_restore_over_a_restored_journal_gives_out_what_that_one_left_as_new() {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["init", "--segment-bytes", "1KiB", "--max-bytes", "1MiB"]).run().exits(0);
    let mut drill = Drill::new(sandbox);
    drill.shell(COPY);
    drill.go_on();
    drill.shell(r#"rm -r "$J"; cp -a "$B" "$J""#);
    drill.append("between", 200).exits(0);
    drill.shell(r#"cp -a "$B/." "$J/""#);
    // The segment that was the newest one in the backup has lost what came after it.
    drill.sandbox.edgesync(["verify", "--repair"]).arg_path("-j", &drill.journal).run();
    drill.replay();
    let desk = drill.desk.lock().unwrap();
    let left = std::fs::read_dir(&drill.journal).unwrap().flatten().filter_map(|entry| {
        entry
            .file_name()
            .to_str()?
            .ends_with(".jsonl")
            .then(|| std::fs::read_to_string(entry.path()).unwrap())
    });
    let left: String = left.collect();
    for payload in drill.written.iter().filter(|payload| payload.starts_with("\"between")) {
        assert!(!left.contains(payload.as_str()) || desk.stored.contains(payload), "{payload} is lost");
    }
}

#[test]
fn a_dead_letter_from_before_a_restore_is_not_taken_for_another_entry_of_its_seq() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2"]);
    sandbox.replay_exec("true").run().exits(0);
    let (journal, backup) = (sandbox.journal(), sandbox.path("backup"));
    run(Command::new("cp").arg("-a").arg(&journal).arg(&backup));
    sandbox.append(["\"old\""]);
    sandbox.replay_exec("exit 65").run().exits(5);
    run(Command::new("cp").arg("-a").arg(backup.join(".")).arg(&journal));
    sandbox.edgesync(["append"]).stdin("\"new\"\n").run().exits(0);
    sandbox.replay_exec("exit 65").run().exits(5);
    sandbox.edgesync(["dead", "list"]).run().exits(0).prints("\"old\"").prints("\"new\"");
}

#[test]
fn a_backup_that_tar_puts_back_is_renewed_and_nothing_is_lost_or_doubled() {
    let pack = r#"tar -C "$J" -cf "$B" ."#;
    a_restore(pack, r#"tar -C "$J" -xf "$B""#);
    a_restore(pack, r#"tar -C "$J" --overwrite -xf "$B""#);
    a_restore(pack, r#"tar -C "$J" --touch -xf "$B""#);
}

#[test]
fn a_backup_restored_twice_names_the_id_that_the_receiver_knows() {
    let mut drill = Drill::new(Sandbox::new());
    let id = drill.id();
    drill.shell(COPY);
    drill.go_on();
    for time in 0..3 {
        drill.shell(r#"cp -a "$J/." "$D/again"; cp -a "$D/again/." "$J/""#);
        drill.append(&format!("after copy {time}"), 2).exits(0).says("was restored");
    }
    drill.shell(r#"cp -a "$B/." "$J/""#);
    for time in 0..2 {
        drill.append(&format!("after restore {time}"), 2).exits(0).says("was restored");
        drill.shell(r#"cp -a "$J/." "$D/again"; cp -a "$D/again/." "$J/""#);
    }
    // What was appended to the copies and not delivered went with them.
    drill.written.retain(|payload| !payload.contains("after copy"));
    drill.use_restored().says("was restored");
    let former = drill
        .receiver
        .requests()
        .iter()
        .rev()
        .find_map(|request| request.header("Edgesync-Former-Journal").map(str::to_owned));
    assert_eq!(former, Some(id));
    drill.check(0);
}

#[test]
fn a_copy_that_is_used_beside_its_original_loses_nothing_and_doubles_at_most_what_waited() {
    for copy_first in [false, true] {
        let mut drill = Drill::new(Sandbox::new());
        let copy = drill.sandbox.path("copy");
        drill.shell(r#"cp -a "$J" "$D/copy""#);
        drill.append_to(&copy, "copied", 5).exits(0).says("is a copy");
        drill.append("original", 5).exits(0).says_nothing();
        let original = drill.journal.clone();
        let (first, second) = if copy_first { (&copy, &original) } else { (&original, &copy) };
        drill.replay_from(first).exits(0);
        drill.replay_from(second).exits(0);
        drill.check(if copy_first { WAITING } else { 0 });
    }
}

#[test]
fn a_journal_that_is_moved_keeps_its_id_and_across_file_systems_is_renewed_without_loss() {
    let mut drill = Drill::new(Sandbox::new());
    let id = drill.id();
    drill.shell(r#"mv "$J" "$D/elsewhere""#);
    drill.journal = drill.sandbox.path("elsewhere");
    drill.append("moved", 3).exits(0).says_nothing();
    assert_eq!(drill.id(), id);
    drill.replay().exits(0);
    drill.append("waiting again", 3).exits(0);

    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let target = memory.path().join("j");
    run(Command::new("mv").arg(&drill.journal).arg(&target));
    drill.journal = target;
    drill.use_restored().says("is a copy").says(&id);
    drill.check(0);
}

#[test]
fn a_btrfs_snapshot_in_the_place_of_its_original_is_renewed_and_nothing_is_lost_or_doubled() {
    let sandbox = Sandbox::new();
    let mut volume = Volume::new(&sandbox, "btrfs");
    let place = sandbox.path("volume");
    run(Command::new("btrfs").args(["-q", "subvolume", "create"]).arg(place.join("data")));
    let mut drill = Drill::at(sandbox, place.join("data/cam.journal"));
    let id = drill.id();
    let btrfs =
        |words: &[&str]| run(Command::new("btrfs").args(["-q", "subvolume"]).args(words).current_dir(&place));
    btrfs(&["snapshot", "data", "snapshot"]);
    drill.go_on();
    std::fs::rename(place.join("data"), place.join("broken")).unwrap();
    std::fs::rename(place.join("snapshot"), place.join("data")).unwrap();
    drill.use_restored().says("was restored").says(&id);
    drill.check(0);
    // The next mount and the next look at it change nothing.
    let renewed = drill.id();
    volume.unmount();
    volume.mount();
    drill.append("more", 1).exits(0).says_nothing();
    assert_eq!(drill.id(), renewed);
    volume.unmount();
}

#[test]
fn an_image_cannot_be_told_and_with_a_new_id_by_hand_nothing_is_lost_and_what_waited_is_doubled() {
    for kind in ["ext4", "xfs"] {
        let sandbox = Sandbox::new();
        let mut volume = Volume::new(&sandbox, kind);
        let mut drill = Drill::at(sandbox, volume.journal());
        let id = drill.id();
        volume.unmount();
        drill.shell(r#"cp --sparse=always "$D/image" "$B""#);
        volume.mount();
        drill.append("before", 0).exits(0).says_nothing();
        drill.go_on();
        volume.unmount();
        drill.shell(r#"dd if="$B" of="$D/image" bs=1M conv=sparse,notrunc status=none; cmp "$B" "$D/image" || cp "$B" "$D/image""#);
        volume.mount();
        drill.sandbox.edgesync(["init", "--new-id"]).arg_path("-j", &drill.journal).run().exits(0);
        assert_ne!(drill.id(), id);
        drill.use_restored();
        drill.check(WAITING);
        volume.unmount();
    }
}

#[test]
fn a_journal_that_is_mounted_again_and_again_keeps_its_id() {
    for kind in ["ext4", "xfs", "btrfs"] {
        let sandbox = Sandbox::new();
        let mut volume = Volume::new(&sandbox, kind);
        let mut drill = Drill::at(sandbox, volume.journal());
        let id = drill.id();
        for time in 0..3 {
            volume.unmount();
            volume.mount();
            drill.append(&format!("mount {time}"), 2).exits(0).says_nothing();
            drill
                .sandbox
                .edgesync(["init", "--max-entries", &(1000 + time).to_string()])
                .arg_path("-j", &drill.journal)
                .run()
                .exits(0);
            drill.replay().exits(0).says_nothing();
        }
        assert_eq!(drill.id(), id, "{kind}");
        drill.check(0);
        volume.unmount();
    }
}

#[test]
fn whoever_touches_journal_json_renews_the_id_and_nothing_is_lost_or_doubled() {
    for change in [r#"chmod 400 "$J/journal.json""#, r#"touch "$J/journal.json""#, r#"chown -R 0:0 "$J""#] {
        let mut drill = Drill::new(Sandbox::new());
        let id = drill.id();
        drill.shell(change);
        drill.sandbox.edgesync(["stats"]).run().exits(0).says_nothing();
        assert_eq!(drill.id(), id, "looking changes nothing");
        drill.use_restored().says("was restored");
        assert_ne!(drill.id(), id, "{change}");
        drill.check(0);
    }
}

#[test]
fn a_part_of_a_backup_that_is_put_back_loses_nothing() {
    for part in ["append.lock", "0*.jsonl", "cursor", "journal.json"] {
        let mut drill = Drill::new(Sandbox::new());
        drill.shell(COPY);
        drill.replay().exits(0);
        drill.shell(&format!(r#"cp -a "$B"/{part} "$J/""#));
        drill.use_restored();
        drill.check(0);
    }
}
