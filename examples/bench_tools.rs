//! What `benches/compare.sh` needs and a shell has not.
//!
//! ```text
//! bench_tools lines COUNT [BYTES]      COUNT lines of JSON of BYTES bytes each (190), always the same, to stdout
//! bench_tools tcp-receive              reads one connection to its end, prints the address first, then the lines
//! bench_tools tcp-send ADDRESS FILE    writes FILE's lines over one connection, 500 lines a write
//! bench_tools sync-pages FILE COUNT    COUNT pages written over two in turn, each with an fdatasync, as a cursor is moved
//! bench_tools peak FILE COMMAND...     runs COMMAND, writes the most memory that it held, in KiB, to FILE
//! ```

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn lines(count: u64, bytes: usize) -> Result<()> {
    let mut output = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut line = Vec::new();
    for number in 0..count {
        // xorshift64: not random, but different in each line.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        line.clear();
        write!(
            line,
            "{{\"device\":\"pump-{:03}\",\"reading\":{number},\"pressure_kpa\":{}.{:02},\"temperature_c\":{}.{},\
             \"flow\":[{},{},{}],\"ok\":{},\"note\":\"",
            random % 500,
            90 + random % 40,
            random % 100,
            random % 60,
            random % 10,
            random >> 48,
            (random >> 32) & 0xffff,
            (random >> 16) & 0xffff,
            random & 7 != 0,
        )?;
        let pad = bytes.saturating_sub(line.len() + 2);
        line.extend((0..pad).map(|place| b'a' + ((random >> (place % 56)) % 26) as u8));
        line.extend_from_slice(b"\"}\n");
        output.write_all(&line)?;
    }
    output.flush()?;
    Ok(())
}

fn tcp_receive() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; 256 * 1024];
    let mut count = 0;
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        count += memchr::memchr_iter(b'\n', &buffer[..read]).count();
    }
    // The sender waits for this: only now has everything arrived.
    stream.write_all(b"\n")?;
    writeln!(io::stdout(), "{count}")?;
    Ok(())
}

fn tcp_send(address: &str, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut input = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut body = Vec::new();
    loop {
        body.clear();
        let mut count = 0;
        while count < 500 && input.read_until(b'\n', &mut body)? > 0 {
            count += 1;
        }
        if body.is_empty() {
            break;
        }
        stream.write_all(&body)?;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_exact(&mut [0])?;
    Ok(())
}

fn sync_pages(path: &str, count: u64) -> Result<()> {
    let file = File::create(path)?;
    let mut page = [b' '; 4096];
    file.write_all_at(&page, 0)?;
    file.write_all_at(&page, 4096)?;
    file.sync_all()?;
    for number in 0..count {
        page[..8].copy_from_slice(&number.to_be_bytes());
        file.write_all_at(&page, number % 2 * 4096)?;
        file.sync_data()?;
    }
    Ok(())
}

/// The kernel keeps the high-water mark itself, so looking now and then misses only what comes in the last millisecond.
fn peak(path: &str, command: &[String]) -> Result<i32> {
    let (program, arguments) = command.split_first().ok_or("peak needs a command")?;
    let mut child = Command::new(program).args(arguments).spawn()?;
    let status_path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status = loop {
        let text = fs::read_to_string(&status_path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
        peak = peak.max(now);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(1));
    };
    fs::write(path, format!("{peak}\n"))?;
    Ok(status.code().unwrap_or(128))
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lines", count] => lines(count.parse()?, 190),
        ["lines", count, bytes] => lines(count.parse()?, bytes.parse()?),
        ["tcp-receive"] => tcp_receive(),
        ["tcp-send", address, path] => tcp_send(address, path),
        ["sync-pages", path, count] => sync_pages(path, count.parse()?),
        ["peak", path, command @ ..] => {
            let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
            std::process::exit(peak(path, &command)?)
        }
        _ => Err("bench_tools lines|tcp-receive|tcp-send|sync-pages|peak; see the source".into()),
    }
}
