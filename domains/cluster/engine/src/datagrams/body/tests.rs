//! What is written is read again, whatever changed from one message to the next.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tsugi_cluster_rules::lease::heartbeat::Health;
use tsugi_vocabulary::{BootId, Epoch, Generation, GroupName, NodeName, Span};

use super::*;

fn beat(sequence: u64, group: &str) -> Heartbeat {
    let epoch = Epoch { incarnation: 1, counter: 2 };
    Heartbeat {
        sender: NodeName::new("a").unwrap(),
        boot: BootId(7),
        sequence,
        membership: Generation(1),
        applied: Index(sequence / 3),
        sent: Moment(sequence * 1_000),
        ttl: Span::millis(560),
        asked: vec![(GroupName::new(group).unwrap(), epoch)],
        released: Vec::new(),
        health: Health { links: BTreeMap::new(), ..Health::default() },
    }
}

#[test]
fn a_rest_that_stays_the_same_is_written_as_the_same_bytes_behind_its_numbers() {
    let mut known = Known::default();
    let bodies: Vec<Vec<u8>> = [(1, "PAY"), (2, "PAY"), (3, "SHIP")]
        .into_iter()
        .map(|(sequence, group)| known.write(beat(sequence, group), (Form::Split, Haste::Waits)).1)
        .collect();
    let rest = 1 + WIDTH;
    assert_eq!(bodies[0][rest..], bodies[1][rest..]);
    assert_ne!(bodies[0][..rest], bodies[1][..rest]);
    assert_ne!(bodies[1][rest..], bodies[2][rest..]);
}

#[test]
fn a_body_that_was_cut_is_not_read() {
    for form in [Form::Split, Form::Hasty, Form::Laden] {
        let (_, body, _) = Known::default().write(beat(1, "PAY"), (form, Haste::Now));
        for length in 0..body.len() {
            assert_eq!(Known::<Heartbeat>::default().read(&body[..length]), None, "{length} bytes");
        }
    }
}

#[test]
fn what_goes_with_a_beat_is_found_behind_it() {
    let (_, mut body, _) = Known::default().write(beat(1, "PAY"), (Form::Laden, Haste::Now));
    body.extend_from_slice(b"the answer");
    let read = Known::<Heartbeat>::default().read(&body).unwrap();
    assert_eq!((read.message, read.behind), (beat(1, "PAY"), &b"the answer"[..]));
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_every_form(
        messages in proptest::collection::vec((any::<u64>(), "[A-C]", 0..4_usize), 1..40),
    ) {
        let (mut writer, mut reader) = (Known::default(), Known::default());
        for (sequence, group, form) in messages {
            let beat = beat(sequence % (1 << 40), &group);
            let form = [Form::Whole, Form::Split, Form::Hasty, Form::Laden][form];
            let (given_back, body, rest) = writer.write(beat.clone(), (form, Haste::Waits));
            prop_assert_eq!(&given_back, &beat);
            let waits = form >= Form::Hasty && rest == Rest::Same;
            let haste = if waits { Haste::Waits } else { Haste::Now };
            prop_assert_eq!(body.starts_with(&WAITING), waits && form == Form::Laden);
            let read = Read { message: beat, form, haste, behind: &[] };
            prop_assert_eq!(reader.read(&body), Some(read));
        }
    }
}
