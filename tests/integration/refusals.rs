//! A receiver that refuses everything: how much it can cost, over how many runs, and how a person gets past it.

use crate::harness::{Answer, Receiver, Sandbox, UNREACHABLE, readings, until};

/// A journal with this many entries.
fn sandbox_with(count: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.append(readings(count, 60));
    sandbox
}

#[test]
fn ten_runs_against_a_receiver_that_refuses_everything_cost_no_more_than_one() {
    let sandbox = sandbox_with(200);
    let receiver = Receiver::always(Answer::new(422).body("unknown field"));
    sandbox
        .replay_to(&receiver)
        .run()
        .exits(3)
        .says("dead-lettered 9 (status 422; see `edgesync dead list`)");
    for _ in 0..9 {
        let before = receiver.request_count();
        let output = sandbox.replay_to(&receiver).run();
        output.exits(4).says("seq 10 ").says("422").says("--refusals-max 0").says("skip --through 10");
        assert_eq!(receiver.request_count() - before, 1, "at the limit a run asks once");
    }
    sandbox.stats().shows([("dead_lettered", 9), ("pending", 191), ("delivered", 0)]);
}

#[test]
fn a_conflict_means_that_the_first_request_is_still_being_processed() {
    let sandbox = sandbox_with(3);
    let receiver = Receiver::answering([409, 409]);
    sandbox.replay_to(&receiver).run().exits(0);
    assert_eq!(receiver.request_count(), 3);
    sandbox.stats().shows([("delivered", 3), ("dead_lettered", 0)]);
}

#[test]
fn both_ways_out_lead_past_a_receiver_that_refuses_everything() {
    let refusing = Receiver::always(422);
    for way_out in ["--refusals-max", "skip"] {
        let sandbox = sandbox_with(40);
        sandbox.replay_to(&refusing).run().exits(3);
        match way_out {
            "skip" => {
                sandbox
                    .edgesync(["skip", "--through", "30"])
                    .run()
                    .exits(0)
                    .prints("skipped 21 entries through seq 30; 10 still wait, from seq 31 on\n");
                let accepting = Receiver::accepting();
                sandbox.replay_to(&accepting).run().exits(0);
                let seqs: Vec<_> =
                    accepting.requests().iter().map(|it| (it.first(), it.last(), it.previous())).collect();
                assert_eq!(seqs, [(31, 40, 0)]);
                sandbox.stats().shows([("dead_lettered", 9), ("skipped", 21), ("delivered", 10)]);
            }
            _ => {
                sandbox
                    .replay_to(&refusing)
                    .args(["--refusals-max", "0"])
                    .run()
                    .exits(5)
                    .says("(status 422; see `edgesync dead list`)");
                sandbox.stats().shows([("dead_lettered", 40), ("pending", 0)]);
            }
        }
    }
}

#[test]
fn skip_says_what_there_is_to_skip_and_refuses_what_was_never_written() {
    let sandbox = sandbox_with(5);
    let skip = |seq: &str| sandbox.edgesync(["skip", "--through", seq]).run();
    for never_written in ["6", "7", "18446744073709551615", "0", "-1", "x"] {
        skip(never_written).exits(2);
    }
    sandbox.stats().shows([("skipped", 0), ("pending", 5)]);
    skip("2").exits(0).prints("skipped 2 entries through seq 2; 3 still wait, from seq 3 on\n");
    skip("2").exits(0).prints("nothing to skip: seq 2 was settled before; 3 still wait, from seq 3 on\n");
    skip("5").exits(0).prints("skipped 3 entries through seq 5; nothing waits now\n");
    // Nothing waits: the network is not touched.
    sandbox.replay_to_url(UNREACHABLE).run().exits(0);
    sandbox.edgesync(["verify"]).run().exits(0);
    sandbox.edgesync(["skip"]).run().exits(2).says("--through");
}

#[test]
fn skip_is_busy_while_another_process_delivers() {
    let sandbox = sandbox_with(5);
    let deliverer = sandbox.replay_exec("touch started; while [ ! -e go-on ]; do sleep 0.02; done").spawn();
    until("the deliverer", || sandbox.path("started").exists().then_some(()));
    sandbox.edgesync(["skip", "--through", "2"]).run().exits(7);
    std::fs::write(sandbox.path("go-on"), "").unwrap();
    deliverer.wait().exits(0);
    sandbox.stats().shows([("skipped", 0), ("delivered", 5)]);
}
