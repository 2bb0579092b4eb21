//! Whatever order answers come in, lost, late or twice: the deadline is what the rule says.

use std::collections::BTreeMap;

use tsugi_vocabulary::{Moment, Span};

use super::scene::{beat, group, ms, owned, wanting, yes};
use crate::lease::heartbeat::Heartbeat;
use crate::timing::{Profile, Timing};

/// A row of numbers that looks random and is the same every time.
struct Row(u64);

impl Row {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % n
    }
}

/// The second newest of the send times that the voters have answered, told anew.
fn second_newest(answered: &BTreeMap<&str, Moment>) -> Option<Moment> {
    let mut times: Vec<Moment> = answered.values().copied().collect();
    times.sort_unstable();
    times.iter().rev().nth(1).copied()
}

#[test]
pub fn l3_in_any_order_the_deadline_follows_the_second_newest_answer_of_three() {
    let usable = Timing::of(Profile::Default).usable();
    let record = owned("a", 1, 5);
    for seed in 0..300 {
        let mut row = Row(seed);
        let mut a = wanting("a", &record);
        let mut sent: Vec<Heartbeat> = Vec::new();
        let mut answered = BTreeMap::new();
        let mut now = ms(0);
        let mut last = None;
        for _ in 0..60 {
            now += Span::millis(row.below(20));
            if a.deadline(&group()).is_some_and(|d| d <= now) {
                break;
            }
            if sent.is_empty() || row.below(3) == 0 {
                sent.push(beat(&mut a, now, &record));
                continue;
            }
            let which = row.below(sent.len() as u64) as usize;
            let voter = ["a", "b", "c"][row.below(3) as usize];
            let newest = answered.entry(voter).or_insert(sent[which].sent);
            *newest = sent[which].sent.max(*newest);
            a.on_ack(now, &yes(voter, &sent[which], 5), &record);
            let due = second_newest(&answered).map(|t| t + usable).filter(|d| *d > now);
            assert_eq!(a.deadline(&group()), due.or(last), "seed {seed}");
            assert!(a.deadline(&group()) >= last, "seed {seed}: it went back");
            last = a.deadline(&group());
        }
    }
}
