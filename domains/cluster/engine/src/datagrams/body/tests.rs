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
        .map(|(sequence, group)| known.write(beat(sequence, group), Form::Split).1)
        .collect();
    assert_eq!(bodies[0][REST..], bodies[1][REST..]);
    assert_ne!(bodies[0][..REST], bodies[1][..REST]);
    assert_ne!(bodies[1][REST..], bodies[2][REST..]);
}

#[test]
fn a_body_that_was_cut_is_not_read() {
    let (_, body, _) = Known::default().write(beat(1, "PAY"), Form::Split);
    for length in 0..body.len() {
        assert_eq!(Known::<Heartbeat>::default().read(&body[..length]), None, "{length} bytes");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_either_form(
        messages in proptest::collection::vec((any::<u64>(), "[A-C]", any::<bool>()), 1..40),
    ) {
        let (mut writer, mut reader) = (Known::default(), Known::default());
        for (sequence, group, whole) in messages {
            let beat = beat(sequence % (1 << 40), &group);
            let form = if whole { Form::Whole } else { Form::Split };
            let (given_back, body, _) = writer.write(beat.clone(), form);
            prop_assert_eq!(&given_back, &beat);
            prop_assert_eq!(reader.read(&body), Some((beat, form)));
        }
    }
}
