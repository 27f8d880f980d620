//! Hostile input and hostile receivers: taken byte for byte or rejected by the rule, in bounded memory and time.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Output, Receiver, Sandbox, sealed_objects, tally};

/// The most that the program may ever hold.
const PEAK_KIB_MAX: u64 = 64 * 1024;

/// Runs a program under a shell that tells its peak memory at the end.
#[track_caller]
fn peak_of(sandbox: &Sandbox, script: &str) -> (u64, Output) {
    // `wait4` knows a dead child's peak; dash does not tell it, so the program is asked just before its end.
    let output = sandbox.shell(script).within(Duration::from_secs(120)).run();
    let text = fs::read_to_string(sandbox.path("peak")).unwrap_or_default();
    let peak = text.lines().filter_map(|line| line.trim().parse().ok()).max();
    (peak.unwrap_or_else(|| panic!("no peak was seen\n{}", output.stderr())), output)
}

/// Has a child's memory looked at until it ends.
const WATCH: &str = "watch() { while test -d /proc/$1; do sed -n 's/^VmHWM:[ \t]*\\([0-9]*\\) kB/\\1/p' /proc/$1/status >> peak 2> /dev/null; sleep 0.02; done; }";

#[test]
fn a_line_of_a_gibibyte_is_rejected_in_little_memory_and_its_neighbours_are_kept() {
    let sandbox = Sandbox::new();
    let script = format!(
        "{WATCH}\n{{ echo 1; head -c 1073741824 /dev/zero | tr '\\0' 'a'; echo; echo 2; }} > pipe & \
         \"$EDGESYNC\" append < pipe & program=$!; watch $program & wait $program"
    );
    rustix::fs::mkfifoat(rustix::fs::CWD, sandbox.path("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let (peak, output) = peak_of(&sandbox, &script);
    output.exits(5).says("line 2");
    assert_eq!(sandbox.cat(), ["1", "2"]);
    assert!(peak <= PEAK_KIB_MAX, "{peak} KiB");
    let kept = sealed_objects(&sandbox.journal().join("rejected.jsonl"));
    assert_eq!((kept.len(), kept[0]["line"].as_u64()), (1, Some(2)));
    tally("peak KiB over a line of 1 GiB", peak);
}

#[test]
fn a_line_of_a_gibibyte_in_the_place_of_a_segment_is_damage_and_read_in_little_memory() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2"]);
    let segment = &crate::harness::segments(&sandbox.journal())[0];
    // A sparse file: zeros without a line feed.
    fs::OpenOptions::new().append(true).open(segment).unwrap().set_len(1 << 30).unwrap();
    fs::remove_file(sandbox.journal().join("append.lock")).unwrap();
    let script = format!("{WATCH}\n\"$EDGESYNC\" verify & program=$!; watch $program & wait $program");
    let (peak, output) = peak_of(&sandbox, &script);
    output.exits_with_one_of(&[0, 6]).says_or_prints("unfinished");
    assert!(peak <= PEAK_KIB_MAX, "{peak} KiB");
    let script =
        format!("{WATCH}\necho 3 | \"$EDGESYNC\" append & program=$!; watch $program & wait $program");
    let (peak, output) = peak_of(&sandbox, &script);
    output.exits(0);
    assert!(peak <= PEAK_KIB_MAX, "{peak} KiB");
    assert_eq!(sandbox.cat(), ["1", "2", "3"]);
    tally("peak KiB over a torn tail of 1 GiB", peak);
}

#[test]
fn odd_but_valid_json_arrives_byte_for_byte() {
    let deep = "[".repeat(100) + &"]".repeat(100);
    let digits = "123456789012345678901234567890";
    let payloads = [
        r#"{"a":1,"a":2,"a":{"a":3,"a":3}}"#,
        digits,
        "-0",
        "-0.0e-0",
        "1e400",
        "1E+400",
        "0.1000000000000000055511151231257827021181583404541015625",
        "\"\\u0000\"",
        r#""\ud83d\ude00 \/ \u00e9 é""#,
        "\"\u{2028}\u{feff}\u{10ffff}\"",
        "[1 ,\t2  , { \"b\" :\r 3 } ]",
        "\"\"",
        "{}",
        "null",
        &deep,
        r#"{"seq":99,"at":"x","data":1,"crc":"00000000"}"#,
        r#""\",\"crc\":\"00000000\"}""#,
    ];
    let sandbox = Sandbox::new();
    sandbox.append(payloads);
    assert_eq!(sandbox.cat(), payloads);
    sandbox.edgesync(["verify"]).run().exits(0);
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    receiver.assert_in_order_once(&payloads);
}

#[test]
fn what_is_not_json_is_rejected_with_its_line_number_and_bytes_and_nothing_else_is_lost() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let bad: Vec<Vec<u8>> = vec![
        b"\"\xff\xfe\"".to_vec(),
        b"\"\xed\xa0\x80\"".to_vec(),
        b"\"\xc0\xaf\"".to_vec(),
        b"\"a\0b\"".to_vec(),
        b"\0\0\0\0".to_vec(),
        br#""\x41""#.to_vec(),
        b"01".to_vec(),
        b"1.".to_vec(),
        b"+1".to_vec(),
        b"NaN".to_vec(),
        b"Infinity".to_vec(),
        b"{\"a\":1} {\"b\":2}".to_vec(),
        b"[1,]".to_vec(),
        b"{\"a\"}".to_vec(),
        b"'single'".to_vec(),
        b"\"tab\tin it\"".to_vec(),
        b"\"open".to_vec(),
        b"tru".to_vec(),
    ];
    let sandbox = Sandbox::new();
    let mut input = Vec::new();
    for (index, line) in bad.iter().enumerate() {
        input.extend_from_slice(line);
        input.extend_from_slice(format!("\n{index}\n").as_bytes());
    }
    sandbox.edgesync(["append"]).stdin(input).run().exits(5);
    let kept = sealed_objects(&sandbox.journal().join("rejected.jsonl"));
    let numbers: Vec<_> = kept.iter().map(|object| object["line"].as_u64().unwrap() as usize).collect();
    assert_eq!(numbers, (0..bad.len()).map(|index| 2 * index + 1).collect::<Vec<_>>());
    assert_eq!(sandbox.cat(), (0..bad.len()).map(|index| index.to_string()).collect::<Vec<_>>());
    // Escapes of lone surrogates and 100,000 levels are within the grammar: kept byte for byte or rejected, nothing between.
    for odd in [r#""\ud800""#, r#""\udc00\ud800""#, &deep] {
        let sandbox = Sandbox::new();
        let output = sandbox.edgesync(["append"]).stdin(format!("{odd}\n7\n")).run();
        output.exits_with_one_of(&[0, 5]);
        let mut expected = vec!["7"];
        if output.code() == Some(0) {
            expected.insert(0, odd);
        }
        let (receiver, output) = sandbox.drain();
        output.exits(0);
        receiver.assert_in_order_once(&expected);
    }
}

/// What a hostile receiver does to a connection.
type Hand = fn(&mut std::net::TcpStream);

/// Answers every connection by this hand, which gets the stream after the request's head was read.
fn hostile_receiver(hand: Hand) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ingest", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let mut head = [0; 64 * 1024];
                let _ = stream.read(&mut head);
                hand(&mut stream);
            });
        }
    });
    url
}

#[test]
fn a_hostile_receiver_costs_neither_much_memory_nor_much_time() {
    let hands: [(&str, Hand); 6] = [
        ("an answer without end", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 503 No\r\nContent-Length: 99999999999\r\n\r\n");
            while stream.write_all(&[b'x'; 65_536]).is_ok() {}
        }),
        ("an answer in chunks without end", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n");
            while stream.write_all(format!("10000\r\n{}\r\n", "x".repeat(65_536)).as_bytes()).is_ok() {}
        }),
        ("headers without end", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 500 No\r\n");
            while stream.write_all(format!("X-Header: {}\r\n", "y".repeat(4_000)).as_bytes()).is_ok() {}
        }),
        ("one header without end", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 500 No\r\nX-Header: ");
            while stream.write_all(&[b'z'; 65_536]).is_ok() {}
        }),
        ("a status line without end", |stream| while stream.write_all(&[b'H'; 65_536]).is_ok() {}),
        ("an answer that drips", |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
            while stream.write_all(b".").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        }),
    ];
    for (name, hand) in hands {
        let sandbox = Sandbox::new();
        sandbox.append(["1", "2"]);
        let url = hostile_receiver(hand);
        let began = Instant::now();
        let script = format!(
            "{WATCH}\n\"$EDGESYNC\" replay --to {url} --timeout 1s --retries 1 --backoff 1ms & program=$!; watch $program & wait $program"
        );
        let (peak, output) = peak_of(&sandbox, &script);
        // A 2xx whose body does not matter is a delivery; everything else waits.
        output.exits_with_one_of(&[0, 4]);
        assert!(began.elapsed() < Duration::from_secs(30), "{name}");
        assert!(peak <= PEAK_KIB_MAX, "{name}: {peak} KiB");
        if output.code() == Some(4) {
            sandbox.stats().shows([("pending", 2), ("dead_lettered", 0)]);
            let receiver = Receiver::accepting();
            sandbox.replay_to(&receiver).run().exits(0);
            receiver.assert_in_order_once(&["1", "2"]);
        }
        tally(&format!("peak KiB over {name}"), peak);
    }
}

#[test]
fn a_command_that_prints_without_end_or_never_ends_is_bounded() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let script = format!(
        "{WATCH}\n\"$EDGESYNC\" replay --exec 'head -c 200000000 /dev/zero' --timeout 20s > /dev/null & program=$!; watch $program & wait $program"
    );
    let (peak, output) = peak_of(&sandbox, &script);
    output.exits(0);
    assert!(peak <= PEAK_KIB_MAX, "{peak} KiB");
    sandbox.append(["2"]);
    sandbox
        .replay_exec("trap '' TERM; while :; do sleep 1; done")
        .args(["--timeout", "300ms", "--retries", "0"])
        .run()
        .exits(4);
    sandbox.stats().shows([("pending", 1)]);
}
