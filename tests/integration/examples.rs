//! The example that the README begins with: what it shows a reader must be true.

use std::path::Path;
use std::process::Command;

/// The directory that holds the program and `examples/receiver`.
fn built() -> &'static Path {
    let built = Path::new(env!("CARGO_BIN_EXE_edgesync")).parent().unwrap();
    if !built.join("examples/receiver").exists() {
        // `cargo test` has built it; `cargo test --test integration` has not.
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--locked", "--example", "receiver"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if built.ends_with("release") {
            cargo.arg("--release");
        }
        // What cargo tells tests would make it build the dependencies anew.
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"CARGO_"))
        {
            cargo.env_remove(name);
        }
        let status = cargo.env("CARGO_TARGET_DIR", built.parent().unwrap()).status().unwrap();
        assert!(status.success(), "the example receiver does not build");
    }
    built
}

#[test]
fn the_outage_example_keeps_its_word() {
    let output = Command::new("sh")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/outage.sh"))
        .env("OUTAGE_BIN", built())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("each once, in order, byte for byte"), "{stdout}");
}
