//! Every refusal, as callers are told.

use std::fmt::Write as _;

use tsugi_service_rules::id::{Incarnation, Serial, Watermark};
use tsugi_service_rules::refusal::{Busy, Expired, Full, Malformed, Refusal};
use tsugi_service_rules::stored::{Ending, floor};
use tsugi_vocabulary::{Moment, Span};

use crate::told::compare;
use crate::world::life;

fn all() -> Vec<Refusal> {
    let why = || "why".to_owned();
    vec![
        Refusal::Malformed(Malformed::LowestAboveOwn),
        Refusal::NotOpenHere,
        Refusal::NoSuchService { service: "pay".to_owned() },
        Refusal::NotFound,
        Refusal::TooLarge { size: 2, most: 1 },
        Refusal::DoesNotFit { field: "amount".to_owned(), why: why() },
        Refusal::Expired(Expired::Watermark(Watermark(3))),
        Refusal::OtherBody,
        Refusal::Unknown,
        Refusal::Forgotten,
        Refusal::Busy(Busy::Elsewhere),
        Refusal::Moving,
        Refusal::Blocked { by: "yamada".to_owned(), reason: why() },
        Refusal::NotDeployed { why: why().into() },
        Refusal::StoreAway { why: why() },
        Refusal::NoWorker { why: why().into() },
        Refusal::WindowFull { lowest: Serial::FIRST, most: 1_024 },
        Refusal::TooManyClients { most: 100_000 },
        Refusal::Full(Full::Queue),
        Refusal::TooLate { deadline: Moment(0) },
        Refusal::Cycle { service: "pay".to_owned() },
        Refusal::TooDeep { most: 8 },
        Refusal::HoldsWriter,
        Refusal::Decided,
        Refusal::OnlyReads { service: "pay".to_owned() },
        Refusal::ActsOutside { service: "pay".to_owned() },
    ]
}

#[test]
fn every_refusal_is_told_as_the_table_says() {
    let mut text = String::new();
    for refusal in all() {
        let http = refusal.http().map_or("-".to_owned(), |status| status.to_string());
        let (number, word) = (refusal.number(), refusal.word());
        let grpc = refusal.grpc().map_or("-".to_owned(), |code| format!("{code:?}"));
        let retry = refusal.retry();
        writeln!(text, "{number:>2} {word:<16} {http:<3} {grpc:<18} {retry:?}").unwrap();
    }
    for ending in [Ending::Done, Ending::Refused, Ending::Abnormal, Ending::TimeLimit] {
        writeln!(text, "answered {ending:?}: {}", ending.http()).unwrap();
    }
    compare("refusals.txt", include_str!("refusals.txt"), &text);
}

#[test]
fn numbers_follow_each_other_in_the_order_of_precedence() {
    let numbers: Vec<u16> = all().iter().map(Refusal::number).collect();
    let expected: Vec<u16> = (1..=26).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn a_life_of_a_client_that_is_over_is_expired_too() {
    let over = Refusal::Expired(Expired::Floor(Incarnation(3)));
    assert_eq!(over.http(), Some(410));
}

#[test]
fn a_life_of_a_client_is_over_once_nothing_of_it_is_stored_and_it_is_long_silent() {
    let (life, week) = (life(1, 5), Span::secs(7 * 24 * 3600));
    assert_eq!(floor(life, 0, week, week), Some(Incarnation(5)));
    assert_eq!(floor(life, 1, week, week), None, "an answer is kept");
    assert_eq!(floor(life, 0, Span(week.0 - 1), week), None, "it may still ask");
}
