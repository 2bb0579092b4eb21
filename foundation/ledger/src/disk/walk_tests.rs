//! Nodes at one disk in any order, with crashes at every write: nothing that was told as done is
//! lost, nobody differs, and every rule is needed.

use super::platter::Reach;
use super::walk::{Act, Walk, Wrong};
use crate::mutant::plant;

/// Numbers from a seed: xorshift.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

const REACHES: [Reach; 3] = [Reach::Lost, Reach::Torn, Reach::Whole];

/// Walks `steps` steps of `seed`; how much was told as done, and what went wrong.
fn walk(seed: u64, nodes: usize, steps: usize) -> (usize, usize, Option<Wrong>) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut walk = Walk::new(nodes);
    let (mut next, mut crashes) = (0_u8, 0);
    for _ in 0..steps {
        let seat = chance.below(nodes);
        if walk.is_busy(seat) {
            let writes = walk.writes(seat);
            match chance.below(60) {
                0 => {
                    walk.crash(seat, REACHES[chance.below(3)]);
                    crashes += 1;
                }
                1 if writes && !walk.has_late(seat) => {
                    walk.crash_with_late_write(seat);
                    crashes += 1;
                }
                2 if !writes => walk.fail(seat),
                3..=6 => walk.show(seat, REACHES[chance.below(3)]),
                _ => walk.step(seat),
            }
        } else if walk.has_late(seat) && chance.below(12) == 0 {
            walk.late_write(seat);
        } else if chance.below(90) == 0 {
            walk.lose_disk();
            crashes += 1;
        } else {
            begin(&mut walk, seat, &mut chance, &mut next);
        }
        if walk.wrong().is_some() || next == u8::MAX {
            break;
        }
    }
    (walk.done().len(), crashes, walk.wrong().cloned())
}

fn begin(walk: &mut Walk, seat: usize, chance: &mut Chance, next: &mut u8) {
    let act = if !walk.is_seated(seat) {
        Act::Open
    } else if walk.leads(seat) {
        match chance.below(12) {
            0 => Act::Follow,
            1 => Act::Campaign,
            _ => {
                *next += 1;
                Act::Append(*next)
            }
        }
    } else {
        if chance.below(6) == 0 { Act::Campaign } else { Act::Follow }
    };
    walk.begin(seat, act);
}

#[test]
fn nothing_that_was_told_as_done_is_lost_in_any_walk() {
    plant("");
    let (mut done, mut crashes) = (0, 0);
    for seed in 1..=150 {
        let (told, crashed, wrong) = walk(seed, 2 + (seed % 2) as usize, 1500);
        assert_eq!(wrong, None, "seed {seed}");
        done += told;
        crashes += crashed;
    }
    println!("{done} entries told as done, {crashes} crashes");
    assert!(done > 3_000 && crashes > 1_500, "{done} entries, {crashes} crashes");
}

/// Every rule, and how it is broken.
const FAULTS: [&str; 12] = [
    "one-copy",
    "opened-once",
    "read-before-promise",
    "leads-unasked",
    "written-is-done",
    "read-is-done",
    "vow-before-region",
    "seen-is-durable",
    "promise-in-memory",
    "own-region",
    "older-frames",
    "area-in-use",
];

#[test]
fn every_rule_taken_away_is_missed_by_some_walk() {
    for fault in FAULTS {
        plant(fault);
        let found = (1..=3_000).find(|seed| walk(*seed, 2 + (seed % 2) as usize, 1500).2.is_some());
        plant("");
        println!("{fault}: {found:?}");
        assert!(found.is_some(), "{fault} is not missed");
    }
}

/// Appends three entries and more than one area takes, with a crash of the leader at its `n`-th
/// write; then the other node takes over, and then the first one again. None when there are fewer
/// writes.
fn crash_at(n: usize, reach: Reach) -> Option<()> {
    let mut walk = Walk::new(2);
    let mut writes = 0;
    let mut crashed = false;
    let acts = [Act::Open, Act::Campaign].into_iter().chain((1..=5).map(Act::Append));
    'acts: for act in acts {
        walk.begin(0, act);
        while walk.is_busy(0) {
            if walk.writes(0) {
                writes += 1;
                if writes == n {
                    walk.crash(0, reach);
                    crashed = true;
                    break 'acts;
                }
            }
            walk.step(0);
        }
    }
    let through = |walk: &mut Walk, seat: usize, act: Act| {
        walk.begin(seat, act);
        while walk.is_busy(seat) {
            walk.step(seat);
        }
        assert_eq!(walk.wrong(), None, "write {n}, {reach:?}, then {act:?} of {seat}");
    };
    let told = walk.done().len();
    for (seat, number) in [(1, 20), (0, 21), (1, 22)] {
        for act in [Act::Open, Act::Campaign, Act::Append(number), Act::Follow] {
            through(&mut walk, seat, act);
        }
        assert!(walk.holds(seat) > told, "write {n}, {reach:?}");
    }
    assert_eq!(walk.done().len(), told + 3);
    crashed.then_some(())
}

#[test]
fn a_crash_at_any_write_loses_nothing_and_the_next_leader_goes_on() {
    plant("");
    let mut crashes = 0;
    for reach in REACHES {
        let mut n = 1;
        while crash_at(n, reach).is_some() {
            n += 1;
            crashes += 1;
        }
    }
    assert!(crashes > 40, "{crashes}");
}
