//! Beats and answers over two real networks of the loopback.

use std::net::UdpSocket;

use tsugi_cluster_rules::lease::heartbeat::Health;
use tsugi_vocabulary::{BootId, Epoch, Generation, GroupName, Index, Moment, Span};
use tsugi_wire::boot::Boot;
use tsugi_wire::datagram::Origin;
use tsugi_wire::identity::ClusterId;
use tsugi_wire::secret::{KeyId, Keyring, Secret};

use super::*;
use crate::records::encode;

const CLUSTER: ClusterId = ClusterId(7);

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn boot(node: &str) -> BootId {
    BootId(u128::from(node.as_bytes()[0]))
}

fn ring() -> Keyring {
    Keyring::new(KeyId(1), Secret::new([0x11; 32]))
}

fn sealer(node: &str, ring: &Keyring) -> Sealer {
    let boot = Boot { started: 1, id: boot(node) };
    Sealer::new(Origin { cluster: CLUSTER, node: name(node), boot }, ring)
}

/// A node on two networks, at ports that the system chose.
fn node(node: &str) -> Networks {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let opener = Opener::new(CLUSTER, name(node), &ring());
    let networks = Networks::bind(&[any, any], sealer(node, &ring()), opener).unwrap();
    // However slow the machine is: only what comes decides here.
    networks.expect_beats_every(Span::secs(900));
    networks
}

fn addresses(node: &Networks) -> Vec<SocketAddr> {
    node.lanes.iter().map(|lanes| lanes.now.local_addr().unwrap()).collect()
}

fn beat(sender: &str) -> Heartbeat {
    Heartbeat {
        sender: name(sender),
        boot: boot(sender),
        sequence: 1,
        membership: Generation(1),
        applied: Index(1),
        sent: Moment(1),
        ttl: Span::millis(560),
        asked: Vec::new(),
        released: Vec::new(),
        health: Health::default(),
    }
}

fn ack(voter: &str) -> Ack {
    Ack {
        voter: name(voter),
        voter_boot: boot(voter),
        boot: boot("b"),
        sequence: 1,
        ttl: Span::millis(560),
        applied: Index(1),
        membership: Generation(1),
        refused: Vec::new(),
    }
}

/// What `node` takes: loopback delivers before the sender's call returns.
fn taken(node: &mut Networks) -> Vec<Event> {
    let mut out = Vec::new();
    for network in 0..node.lanes.len() {
        node.take(network, &mut out);
    }
    node.take_waiting(&mut out);
    out
}

/// What `node` makes of a datagram.
fn open(node: &mut Networks, bytes: &[u8], via: Via) -> Option<Event> {
    let mut out = Vec::new();
    read(&mut node.stranger, &node.opener.open(bytes).ok()?, via, &mut out)?;
    out.pop()
}

#[test]
fn a_beat_goes_over_every_network_and_says_by_which_it_came() {
    let (mut a, mut b) = (node("a"), node("b"));
    a.meet([(name("b"), addresses(&b))].into());
    a.beat(beat("a"), Haste::Now);
    let came = |e: &Event| match e {
        Event::Heard { via, beat } => Some((via.network, beat.sender.to_string())),
        _ => None,
    };
    let heard: Vec<_> = taken(&mut b).iter().filter_map(came).collect();
    assert!(heard.contains(&(0, "a".to_owned())), "{heard:?}");
}

#[test]
fn a_network_that_is_gone_does_not_keep_the_other_from_carrying() {
    let (mut a, mut b) = (node("a"), node("b"));
    let nobody: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let second = addresses(&b)[1];
    a.meet([(name("b"), vec![nobody, second])].into());
    a.beat(beat("a"), Haste::Now);
    a.answer(&name("b"), ack("a"));
    let heard = taken(&mut b);
    assert!(matches!(&heard[0], Event::Heard { via, .. } if via.network == 1), "{heard:?}");
    assert!(matches!(&heard[1], Event::Acked(ack) if ack.voter == name("a")));
}

/// Over how many networks each of five answers of `b` comes to `a`.
fn ways(a: &Networks, b: &mut Networks, (membership, applied): (u64, u64)) -> [usize; 5] {
    [1, 2, 3, 4, 5].map(|sequence| {
        let (membership, applied) = (Generation(membership), Index(applied));
        b.answer(&name("a"), Ack { sequence, membership, applied, ..ack("b") });
        b.flush();
        let comes = |socket: &UdpSocket| socket.recv_from(&mut [0; 2048]).is_ok();
        let come = |l: &&Lanes| comes(&l.now) || l.waits.as_ref().is_some_and(comes);
        a.lanes.iter().filter(come).count()
    })
}

#[test]
fn an_answer_without_news_goes_over_one_network_and_any_other_over_all() {
    let (mut a, mut b) = (node("a"), node("b"));
    a.meet([(name("b"), addresses(&b))].into());
    b.meet([(name("a"), addresses(&a))].into());
    a.beat(beat("a"), Haste::Now);
    assert_eq!(taken(&mut b).len(), 1);
    assert_eq!(ways(&a, &mut b, (1, 1)), [2, 1, 1, 1, 1]);
    assert_eq!(ways(&a, &mut b, (2, 1)), [2, 1, 1, 1, 1], "another list of voters");
    assert_eq!(ways(&a, &mut b, (2, 7)), [2, 1, 1, 1, 1], "another entry");
    b.lost(0);
    assert_eq!(ways(&a, &mut b, (2, 7)), [2; 5], "one network is lost");
}

#[test]
fn a_beat_that_waits_goes_over_one_network_in_turn_and_any_other_over_all() {
    let (mut a, mut b) = (node("a"), node("b"));
    a.meet([(name("b"), addresses(&b))].into());
    b.meet([(name("a"), addresses(&a))].into());
    let mut sequence = 0;
    let mut ways = |a: &mut Networks, b: &Networks, haste| {
        sequence += 1;
        a.beat(Heartbeat { sequence, ..beat("a") }, haste);
        let comes = |socket: &UdpSocket| socket.recv_from(&mut [0; 2048]).is_ok();
        let come = |l: &Lanes| comes(&l.now) || l.waits.as_ref().is_some_and(comes);
        [0, 1].map(|network| come(&b.lanes[network]))
    };
    assert_eq!(ways(&mut a, &b, Haste::Waits), [true, true], "b was not heard yet");
    assert_eq!(ways(&mut a, &b, Haste::Waits), [true, true]);
    b.beat(beat("b"), Haste::Now);
    assert_eq!(taken(&mut a).len(), 1);
    carefree(&mut a);
    let (one, other) = (ways(&mut a, &b, Haste::Waits), ways(&mut a, &b, Haste::Waits));
    assert_eq!([one, other].map(|w| w.iter().filter(|came| **came).count()), [1, 1]);
    assert_ne!(one, other, "each in turn");
    assert_eq!(ways(&mut a, &b, Haste::Now), [true, true]);
    for _ in 0..CAREFUL_BEATS {
        assert_eq!(ways(&mut a, &b, Haste::Waits), [true, true], "something may be lost");
    }
    assert_ne!(ways(&mut a, &b, Haste::Waits), [true, true]);
    a.lost(1);
    assert_eq!(ways(&mut a, &b, Haste::Waits), [true, true], "one network is lost");
}

/// Two nodes that have heard each other over all networks, and said all that is new.
fn acquainted() -> (Networks, Networks) {
    let (mut a, mut b) = (node("a"), node("b"));
    a.meet([(name("b"), addresses(&b))].into());
    b.meet([(name("a"), addresses(&a))].into());
    a.beat(beat("a"), Haste::Now);
    b.beat(beat("b"), Haste::Now);
    b.answer(&name("a"), ack("b"));
    assert_eq!((taken(&mut a).len(), taken(&mut b).len()), (2, 1));
    carefree(&mut a);
    carefree(&mut b);
    (a, b)
}

#[test]
fn nothing_is_feared_lost_when_the_last_beat_over_one_network_is_answered() {
    let (mut a, mut b) = acquainted();
    let beats = |sequence| Heartbeat { sequence, ..beat("a") };
    let says = |boot, sequence| Ack { boot, sequence, ..ack("b") };
    // The copies that came: two over both networks, one over one.
    let send = |a: &mut Networks, b: &mut Networks, (sequence, haste)| {
        a.beat(beats(sequence), haste);
        sent(b).0 + 1
    };
    let answer = |a: &mut Networks, b: &mut Networks, ack| {
        b.answer(&name("a"), ack);
        b.flush();
        taken(a);
    };
    assert_eq!(send(&mut a, &mut b, (2, Haste::Waits)), 1);
    assert_eq!(send(&mut a, &mut b, (3, Haste::Now)), 2);
    answer(&mut a, &mut b, says(boot("a"), 3));
    assert_eq!(send(&mut a, &mut b, (4, Haste::Waits)), 2, "2 may be lost");
    answer(&mut a, &mut b, says(boot("b"), 2));
    assert_eq!(send(&mut a, &mut b, (5, Haste::Waits)), 2, "that was of another boot");
    answer(&mut a, &mut b, says(boot("a"), 2));
    assert_eq!(send(&mut a, &mut b, (6, Haste::Waits)), 1, "it was only late");
    answer(&mut a, &mut b, says(boot("a"), 6));
    assert_eq!(send(&mut a, &mut b, (7, Haste::Now)), 2);
    assert_eq!(send(&mut a, &mut b, (8, Haste::Waits)), 1, "nothing was missing");
}

/// The beats after one that was to be read at once are over.
fn carefree(node: &mut Networks) {
    node.peers.values_mut().for_each(|peer| peer.careful = 0);
}

/// What `node` is sent, as the first byte of each body and what is made of it.
fn sent(node: &mut Networks) -> (usize, Vec<String>) {
    let before: u64 = node.drops().iter().map(|(_, count)| count).sum();
    let word = |event: &Event| match event {
        Event::Heard { beat, .. } => format!("beat {}", beat.sequence),
        Event::Acked(ack) => format!("answer {}", ack.sequence),
        other => panic!("{other:?}"),
    };
    let words: Vec<String> = taken(node).iter().map(word).collect();
    let copies: u64 = node.drops().iter().map(|(_, count)| count).sum::<u64>() - before;
    (copies as usize, words)
}

#[test]
fn an_answer_that_waits_goes_with_the_beat_that_follows_it() {
    let (mut a, mut b) = acquainted();
    let says = |sequence| Ack { sequence, ..ack("b") };
    let beats = |sequence| Heartbeat { sequence, ..beat("b") };
    b.answer(&name("a"), says(2));
    b.beat(beats(2), Haste::Waits);
    b.flush();
    assert_eq!(sent(&mut a), (0, vec!["answer 2".to_owned(), "beat 2".to_owned()]));
    b.beat(beats(3), Haste::Waits);
    b.flush();
    assert_eq!(sent(&mut a), (0, vec!["beat 3".to_owned()]), "it went once");
    b.answer(&name("a"), says(4));
    b.flush();
    assert_eq!(sent(&mut a), (0, vec!["answer 4".to_owned()]), "no beat followed");
    b.answer(&name("a"), says(5));
    b.beat(beats(5), Haste::Now);
    b.flush();
    let (copies, mut words) = sent(&mut a);
    words.sort();
    assert_eq!((copies, words), (1, vec!["answer 5".to_owned(), "beat 5".to_owned()]), "apart");
    carefree(&mut b);
    b.answer(&name("a"), says(6));
    b.answer(&name("a"), says(7));
    b.beat(beats(7), Haste::Waits);
    b.flush();
    assert_eq!(sent(&mut a), (0, vec!["answer 7".to_owned(), "beat 7".to_owned()]), "the newer");
}

#[test]
fn an_answer_that_would_break_a_datagram_in_pieces_goes_apart() {
    let (mut a, mut b) = acquainted();
    let groups = (0..12).map(|n| GroupName::new(&format!("GROUP-WITH-A-NAME-{n:02}")).unwrap());
    let epoch = Epoch { incarnation: 1, counter: 2 };
    let asked: Vec<_> = groups.map(|group| (group, epoch)).collect();
    let long = |sequence| Heartbeat { sequence, asked: asked.clone(), ..beat("b") };
    b.beat(long(2), Haste::Now);
    assert_eq!(sent(&mut a), (1, vec!["beat 2".to_owned()]));
    carefree(&mut b);
    b.answer(&name("a"), Ack { sequence: 3, ..ack("b") });
    b.beat(long(3), Haste::Waits);
    let length = |lanes: &Lanes| lanes.waits.as_ref()?.peek_from(&mut [0; 4096]).ok();
    let longest = a.lanes.iter().filter_map(length).map(|(length, _)| length).max().unwrap();
    assert!((TOGETHER - 400..TOGETHER).contains(&longest), "{longest}: it tests something else");
    assert_eq!(sent(&mut a), (0, vec!["beat 3".to_owned()]));
    b.flush();
    assert_eq!(sent(&mut a), (0, vec!["answer 3".to_owned()]));
}

#[test]
fn a_beat_that_waited_is_old_news_after_one_that_was_read_at_once() {
    let (mut a, mut b) = acquainted();
    b.beat(Heartbeat { sequence: 2, ..beat("b") }, Haste::Waits);
    b.beat(Heartbeat { sequence: 3, ..beat("b") }, Haste::Now);
    let (_, words) = sent(&mut a);
    assert_eq!(words, ["beat 3"]);
}

#[test]
fn who_does_not_know_of_it_is_sent_an_answer_apart() {
    let (mut a, mut b) = acquainted();
    b.peers.get_mut(&name("a")).unwrap().form = Some((boot("a"), Form::Hasty));
    b.beat(Heartbeat { sequence: 2, ..beat("b") }, Haste::Now);
    assert_eq!(sent(&mut a), (1, vec!["beat 2".to_owned()]));
    carefree(&mut b);
    b.answer(&name("a"), Ack { sequence: 3, ..ack("b") });
    b.beat(Heartbeat { sequence: 3, ..beat("b") }, Haste::Waits);
    b.flush();
    let mut buffer = [0; 2048];
    let sockets = a.lanes.iter().flat_map(|lanes| [Some(&lanes.now), lanes.waits.as_ref()]);
    let (mut forms, mut copies) = (Vec::new(), 0);
    for socket in sockets.flatten() {
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            match a.opener.open(&buffer[..length]) {
                Ok(opened) => forms.push((opened.kind, opened.body[0])),
                Err(_) => copies += 1,
            }
        }
    }
    forms.sort_unstable_by_key(|(kind, _)| kind.0);
    assert_eq!(forms, [(Kind::HEARTBEAT, 3), (Kind::ACK, 3)]);
    assert_eq!(copies, 1, "it expects every beat over every network");
}

#[test]
fn nothing_is_sent_to_a_node_that_is_not_a_peer() {
    let (mut a, mut b) = (node("a"), node("b"));
    a.answer(&name("b"), ack("a"));
    a.beat(beat("a"), Haste::Now);
    assert!(taken(&mut b).is_empty());
}

#[test]
fn a_body_that_names_another_than_its_sealed_sender_is_not_taken() {
    let mut b = node("b");
    let mut seal = sealer("a", &ring());
    let via = Via { network: 0, from: "127.0.0.1:9".parse().unwrap() };
    let bodies = [
        (Kind::HEARTBEAT, encode(&beat("c"))),
        (Kind::HEARTBEAT, encode(&Heartbeat { boot: boot("c"), ..beat("a") })),
        (Kind::ACK, encode(&ack("c"))),
        (Kind::ACK, encode(&Ack { voter_boot: boot("c"), ..ack("a") })),
        (Kind::HEARTBEAT, encode(&ack("a"))),
        (Kind::HEARTBEAT, vec![2, b'{', b'}']),
        (Kind(200), encode(&beat("a"))),
    ];
    for (kind, body) in bodies {
        let bytes = seal.seal(kind, &body).unwrap();
        assert!(open(&mut b, &bytes, via).is_none(), "{kind:?}");
    }
    let bytes = seal.seal(Kind::HEARTBEAT, &encode(&beat("a"))).unwrap();
    assert!(open(&mut b, &bytes, via).is_some(), "the true one is taken");
    assert!(open(&mut b, &bytes, via).is_none(), "once");
}

#[test]
fn a_beat_under_another_key_is_dropped_and_counted() {
    let mut b = node("b");
    let other = Keyring::new(KeyId(1), Secret::new([0x22; 32]));
    let bytes = sealer("a", &other).seal(Kind::HEARTBEAT, &encode(&beat("a"))).unwrap();
    let via = Via { network: 0, from: "127.0.0.1:9".parse().unwrap() };
    assert!(open(&mut b, &bytes, via).is_none());
    assert_eq!(b.drops().iter().map(|(_, count)| count).sum::<u64>(), 1);
}

#[test]
fn a_peer_is_whole_until_what_went_everywhere_does_not_come_over_a_network() {
    let (mut a, mut b) = (node("a"), node("b"));
    a.meet([(name("b"), addresses(&b))].into());
    b.meet([(name("a"), addresses(&a))].into());
    assert!(!b.whole(&name("a")), "not heard yet");
    a.beat(beat("a"), Haste::Now);
    assert_eq!(taken(&mut b).len(), 1);
    assert!(b.whole(&name("a")), "copies are dropped, and count");
    b.beat(beat("b"), Haste::Now);
    assert_eq!(taken(&mut a).len(), 1);
    carefree(&mut a);
    for sequence in 2..5 {
        a.beat(Heartbeat { sequence, ..beat("a") }, Haste::Waits);
        assert_eq!(taken(&mut b).len(), 1);
        assert!(b.whole(&name("a")), "what goes over one network says nothing of the other");
    }
    let nobody: SocketAddr = "127.0.0.1:9".parse().unwrap();
    a.meet([(name("b"), vec![nobody, addresses(&b)[1]])].into());
    a.beat(Heartbeat { sequence: 5, ..beat("a") }, Haste::Now);
    assert_eq!(taken(&mut b).len(), 1);
    assert!(!b.whole(&name("a")), "the first network did not bring it");
    assert_eq!(b.heard().alive(&name("a"), 2), [1]);
}

#[test]
fn a_peer_that_speaks_only_the_old_form_is_answered_in_it_until_it_speaks_the_new_one() {
    let (mut a, mut b) = (node("a"), node("b"));
    a.meet([(name("b"), addresses(&b))].into());
    b.meet([(name("a"), addresses(&a))].into());
    let form = |b: &Networks| b.peers[&name("a")].form();
    assert_eq!(form(&b), Form::Laden, "as long as nothing was heard");
    let mut old = sealer("a", &ring());
    let bytes = old.seal(Kind::HEARTBEAT, &encode(&beat("a"))).unwrap();
    send(&a.lanes, &bytes, &addresses(&b));
    assert_eq!(taken(&mut b).len(), 1);
    assert_eq!(form(&b), Form::Whole);
    b.answer(&name("a"), ack("b"));
    let answered = |a: &mut Networks| {
        let mut buffer = [0; 2048];
        let (length, _) = a.lanes[0].now.recv_from(&mut buffer).unwrap();
        a.opener.open(&buffer[..length]).unwrap().body[0]
    };
    assert_eq!(answered(&mut a), 1);
    let _seen_copy = taken(&mut a);
    // The same numbers as the old one used: of them only those not seen yet count.
    a.beat(beat("a"), Haste::Now);
    a.beat(Heartbeat { sequence: 2, ..beat("a") }, Haste::Now);
    assert_eq!(taken(&mut b).len(), 1);
    assert_eq!(form(&b), Form::Laden);
    b.answer(&name("a"), ack("b"));
    assert_eq!(answered(&mut a), 4);
}

#[test]
fn what_renews_waits_for_the_readers_beat_and_what_is_new_or_waited_for_does_not() {
    let (mut a, mut b) = (node("a"), node("b"));
    a.meet([(name("b"), addresses(&b))].into());
    b.meet([(name("a"), addresses(&a))].into());
    let at_once = |node: &mut Networks| {
        let mut out = Vec::new();
        (0..2).for_each(|network| node.take(network, &mut out));
        let came = out.len();
        node.take_waiting(&mut out);
        (came, out.len() - came)
    };
    let told = |sequence, applied| Heartbeat { sequence, applied: Index(applied), ..beat("a") };
    a.beat(told(1, 1), Haste::Waits);
    assert_eq!(at_once(&mut b), (1, 0), "what it says is new");
    a.beat(told(2, 2), Haste::Waits);
    assert_eq!(at_once(&mut b), (0, 1));
    a.beat(told(3, 2), Haste::Now);
    assert_eq!(at_once(&mut b), (1, 0));
    let says = |sequence, applied| Ack { sequence, applied: Index(applied), ..ack("b") };
    b.answer(&name("a"), says(3, 1));
    b.flush();
    assert_eq!(at_once(&mut a), (1, 0), "the beat was to be read at once");
    b.answer(&name("a"), says(4, 1));
    b.flush();
    assert_eq!(at_once(&mut a), (0, 1));
    b.answer(&name("a"), says(5, 2));
    b.flush();
    assert_eq!(at_once(&mut a), (1, 0), "it has applied more");
}
