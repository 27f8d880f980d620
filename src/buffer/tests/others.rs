//! Other writers and other deliverers on the same journal.

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
