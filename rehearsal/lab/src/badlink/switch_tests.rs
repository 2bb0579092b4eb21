//! A network held in the hand.

use super::*;

const A: PortId = PortId { host: 1, link: 0 };
const B: PortId = PortId { host: 2, link: 0 };
const C: PortId = PortId { host: 3, link: 0 };
const MANAGEMENT: PortId = PortId { host: 3, link: 2 };

fn switch() -> Switch {
    let mut switch = Switch::new();
    for id in [A, B, C] {
        switch.plug(id, Segment::Data);
    }
    switch.plug(MANAGEMENT, Segment::Management);
    switch
}

fn mac(port: PortId) -> Mac {
    [2, 0, 0, 0, port.link as u8, port.host as u8]
}

fn frame(to: Mac, from: PortId, mark: u8) -> Vec<u8> {
    [&to[..], &mac(from)[..], &[8, 0, mark]].concat()
}

fn sent(switch: &mut Switch, at: u64, from: PortId, bytes: &[u8]) -> Vec<PortId> {
    let mut heard = Vec::new();
    switch.take(Duration::from_millis(at), from, bytes, &mut |to, _| heard.push(to));
    heard
}

#[test]
fn a_frame_goes_to_all_of_its_segment_until_its_receiver_is_known() {
    let mut switch = switch();
    assert_eq!(sent(&mut switch, 0, A, &frame(mac(B), A, 1)), [B, C]);
    assert_eq!(sent(&mut switch, 0, B, &frame(mac(A), B, 1)), [A]);
    assert_eq!(sent(&mut switch, 0, A, &frame(mac(B), A, 1)), [B]);
    assert_eq!(sent(&mut switch, 0, A, &frame([0xff; 6], A, 1)), [B, C]);
}

#[test]
fn a_way_can_be_cut_in_one_direction_only() {
    let mut switch = switch();
    switch.cut(A, true, false);
    assert_eq!(sent(&mut switch, 0, A, &frame([0xff; 6], A, 1)), []);
    assert_eq!(sent(&mut switch, 0, B, &frame([0xff; 6], B, 1)), [A, C]);
    switch.cut(A, false, true);
    assert_eq!(sent(&mut switch, 0, A, &frame([0xff; 6], A, 1)), [B, C]);
    assert_eq!(sent(&mut switch, 0, B, &frame([0xff; 6], B, 1)), [C]);
}

#[test]
fn a_tape_has_the_datagrams_of_its_port_and_nothing_else() {
    let mut switch = switch();
    let datagram = |from: PortId, mark| {
        let mut bytes = frame([0xff; 6], from, mark);
        bytes.resize(40, 0);
        (bytes[12], bytes[13], bytes[23]) = (8, 0, 17);
        bytes
    };
    sent(&mut switch, 0, A, &datagram(A, 1));
    switch.tape(A);
    sent(&mut switch, 1, A, &datagram(A, 2));
    sent(&mut switch, 1, B, &datagram(B, 3));
    sent(&mut switch, 1, A, &frame([0xff; 6], A, 4));
    assert_eq!(switch.take_tape(), [datagram(A, 2)]);
    assert!(switch.take_tape().is_empty());
}

#[test]
fn a_delayed_frame_leaves_when_it_is_due() {
    let mut switch = switch();
    switch.spoil(A, 5, Faults { delay: Duration::from_millis(4), ..Faults::default() });
    assert_eq!(sent(&mut switch, 10, A, &frame(mac(B), A, 1)), []);
    assert_eq!(switch.next_due(), Some(Duration::from_millis(14)));
    let mut heard = Vec::new();
    switch.release(Duration::from_millis(13), &mut |to, _| heard.push(to));
    assert_eq!(heard, []);
    switch.release(Duration::from_millis(14), &mut |to, _| heard.push(to));
    assert_eq!(heard, [B, C]);
}

#[test]
fn the_same_seed_delivers_the_same_frames_in_the_same_order() {
    let run = |seed| {
        let mut switch = Switch::new();
        switch.plug(A, Segment::Data);
        switch.plug(B, Segment::Data);
        let jitter = Duration::from_millis(9);
        let faults = Faults { loss_ppm: 200_000, copy_ppm: 100_000, jitter, ..Faults::default() };
        switch.spoil(A, seed, faults);
        let mut heard = Vec::new();
        for mark in 0..200 {
            let at = Duration::from_millis(u64::from(mark));
            let bytes = frame([0xff; 6], A, mark);
            switch.take(at, A, &bytes, &mut |_, bytes| heard.push(bytes[14]));
            switch.release(at, &mut |_, bytes| heard.push(bytes[14]));
        }
        heard
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
