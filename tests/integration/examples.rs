//! The example that the README begins with: what it shows a reader must be true.

use std::path::Path;
use std::process::Command;

#[test]
fn the_outage_example_keeps_its_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = Path::new(env!("CARGO_BIN_EXE_edgesync")).parent().unwrap();
    let output = Command::new("sh")
        .arg(root.join("examples/outage.sh"))
        .env("OUTAGE_PROFILE", "dev")
        .env("CARGO_TARGET_DIR", built.parent().unwrap())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("each once, in order, byte for byte"), "{stdout}");
}
