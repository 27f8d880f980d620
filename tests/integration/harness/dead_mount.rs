//! A mount whose server never answers: whoever asks about what is in it waits, as with a server of NFS that is gone.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::OFlags;

use super::{Sandbox, demand_root, run};

/// Unmounted when it is dropped; whoever waits then gets an error.
pub struct DeadMount {
    place: PathBuf,
    /// The server's end (FUSE). It reads no request. All requests fail once it is closed.
    server: Option<File>,
}

impl DeadMount {
    pub fn new(sandbox: &Sandbox) -> Self {
        demand_root("mounting a file system");
        let place = sandbox.path("dead");
        fs::create_dir(&place).unwrap();
        let server = File::options().read(true).write(true).open("/dev/fuse").expect("a kernel with FUSE");
        let options = "fd=0,rootmode=40000,user_id=0,group_id=0";
        let mut mount = Command::new("mount");
        mount.args(["-i", "-t", "fuse", "-o", options, "dead"]).arg(&place);
        run(mount.stdin(server.try_clone().unwrap()));
        drop(mount);
        Self { place, server: Some(server) }
    }

    /// The mount's root, without a question to its server.
    pub fn open(&self) -> File {
        let flags = OFlags::PATH.bits().try_into().unwrap();
        File::options().read(true).custom_flags(flags).open(&self.place).unwrap()
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        self.server = None;
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).status();
    }
}
