//! Other writers and other deliverers on the same journal.

use std::sync::atomic::Ordering;

use super::support::*;

#[test]
fn entries_of_another_buffer_are_delivered_while_this_one_is_online_and_idle() {
    let place = Place::new();
    let endpoint = Endpoint::accepting();
    let online = endpoint.buffer(place.options());
    drain(&online);
    let offline = Endpoint::accepting().buffer(place.options());
    for round in 0..3 {
        write(&offline, round * 2..round * 2 + 2);
        assert_eq!(endpoint.wait_for(2), [round * 2, round * 2 + 1]);
    }
    drop(offline);
}

#[test]
fn to_look_for_what_others_wrote_writes_and_lists_nothing() {
    let (faults, journal) = Faulty::journal();
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer_over(journal.clone(), as_on_disk());
    write(&buffer, 1..=3);
    assert!(journal.may_have_pending().unwrap());
    drain(&buffer);
    let counts = || [&faults.writes, &faults.syncs, &faults.lists].map(|count| count.load(Ordering::SeqCst));
    let before = counts();
    for _ in 0..10 {
        assert!(!journal.may_have_pending().unwrap());
    }
    assert_eq!(counts(), before);
}

#[test]
fn while_another_delivers_the_buffer_waits_and_finds_what_it_leaves() {
    let place = Place::new();
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(place.options().batch_size(2));
    let journal = crate::Journal::open(&place.path()).unwrap();
    let delivering = journal.lock_for_delivery().unwrap();
    write(&buffer, 1..=3);
    assert!(matches!(buffer.connectivity_restored().wait(), Err(crate::Error::Busy { .. })));
    assert!(buffer.is_online());
    drop(delivering);
    assert_eq!(endpoint.wait_for(3), [1, 2, 3]);
}
