//! A file system of a test's own: in memory, or in a file by way of a loop device.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Sandbox, demand, demand_root};

/// A mounted file system; unmounted when it is dropped.
pub struct Volume(PathBuf);

impl Volume {
    /// In memory, with these mount options.
    pub fn in_memory(sandbox: &Sandbox, options: &str) -> Self {
        let volume = Self::at(sandbox);
        volume.mount(&["-t", "tmpfs", "-o", options, "tmpfs"]);
        volume
    }

    /// On a disk of this many bytes, made by `mkfs.<kind>` with these options.
    pub fn on_disk(sandbox: &Sandbox, kind: &str, bytes: u64, options: &[&str]) -> Self {
        let volume = Self::at(sandbox);
        let image = sandbox.path("image");
        fs::File::create(&image).unwrap().set_len(bytes).unwrap();
        let mkfs = format!("mkfs.{kind}");
        demand(&mkfs, if kind == "btrfs" { "btrfs-progs" } else { "e2fsprogs" });
        run(Command::new(mkfs).arg("-q").args(options).arg(&image));
        volume.mount(&["-o", "loop", image.to_str().expect("a scratch path is text")]);
        volume
    }

    fn at(sandbox: &Sandbox) -> Self {
        demand_root("mounting a file system");
        let place = sandbox.path("volume");
        fs::create_dir(&place).unwrap();
        Self(place)
    }

    #[track_caller]
    fn mount(&self, words: &[&str]) {
        run(Command::new("mount").args(words).arg(&self.0));
    }

    pub fn remount(&self, options: &str) {
        self.mount(&["-o", &format!("remount,{options}")]);
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn journal(&self) -> PathBuf {
        self.0.join("cam.journal")
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) {
        let mut filler = fs::File::create(self.filler()).unwrap();
        for size in [1 << 20, 4096, 1] {
            while std::io::Write::write_all(&mut filler, &vec![b'x'; size]).is_ok() {}
        }
        let _ = filler.sync_all();
    }

    /// Takes the filling away. It is cut first: a child that another test is just starting may still hold it open, and
    /// with it what it takes up.
    pub fn make_room(&self) {
        fs::File::options().write(true).open(self.filler()).unwrap().set_len(0).unwrap();
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: a test that has failed may still have a child in it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[track_caller]
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
