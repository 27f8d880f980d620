//! The program: turns the result of a command into an exit code, and nothing else.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run(std::env::args_os()).into()
}
