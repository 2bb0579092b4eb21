//! Two nodes whose ledger is on a disk that they share: what becomes of a group when one of the
//! three is lost, and when two are. Every promise is watched meanwhile.

use tsugi_cluster_rules::spec::{Failback, FencePolicy};
use tsugi_cluster_rules::timing::Profile;
use tsugi_invariants::Watch;
use tsugi_stage::run::{Run, Setting, Verdict};
use tsugi_vocabulary::Span;
use tsugi_world::{
    Accepted, Devices, Fault, FaultKind, LedgerOn, Neighbours, Scene, SceneGroup, Seen, Witness,
    World,
};

/// When the fault of a scene begins.
const AT_MS: u64 = 10_000;
const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;
/// A node that lost its power is taken over from within this time: its silence, or that of the
/// ledger's leader on the disk, then the entry, the rest of its time, and a start.
const TAKEN_OVER: Span = Span::millis(2_500);

/// Watches every promise, and keeps who served the only group when.
struct Log {
    watch: Watch,
    served: Vec<(u64, usize)>,
}

impl Witness for Log {
    fn see(&mut self, seen: &Seen<'_>) {
        self.watch.see(seen);
        if let Seen::Effect { at, node, accepted: Accepted::Yes, .. } = seen {
            self.served.push((*at, *node));
        }
    }
}

impl Log {
    /// The nodes that served, in order, each once a turn.
    fn owners(&self) -> Vec<usize> {
        let mut owners: Vec<usize> = self.served.iter().map(|(_, node)| *node).collect();
        owners.dedup();
        owners
    }

    /// The longest time in which nobody served from the fault on, and when it began.
    fn longest_gap(&self) -> (Span, u64) {
        let later = self.served.windows(2).filter(|pair| pair[1].0 > AT_MS * 1_000_000);
        let gaps = later.map(|pair| (Span(pair[1].0 - pair[0].0), pair[0].0));
        gaps.max().unwrap_or((Span(u64::MAX), 0))
    }
}

/// A group whose home is the first node, and `kinds` at one moment.
fn played(seed: u64, kinds: &[FaultKind]) -> Log {
    let profile = if seed.is_multiple_of(2) { Profile::Fast } else { Profile::Default };
    let fence = FencePolicy::SelfFence;
    let groups = vec![SceneGroup { home: 0, failback: Failback::Never, restarts: 0, fence }];
    let (neighbours, devices, ledger) = (Neighbours::Any, Devices::None, LedgerOn::Disk);
    let scene = Scene { profile, members: 2, groups, neighbours, devices, ledger };
    let faults = kinds.iter().map(|kind| Fault { at_ms: AT_MS, kind: kind.clone() }).collect();
    let mut log = Log { watch: Watch::new(50_000_000), served: Vec::new() };
    World::new(seed, scene, faults, &mut log).run(40_000);
    assert_eq!(log.watch.broken, None, "seed {seed}");
    log
}

#[test]
fn an_owner_that_loses_its_power_is_taken_over_from() {
    for seed in SEEDS {
        let log = played(seed, &[FaultKind::Power { node: 0, for_ms: 8_000 }]);
        assert_eq!(log.owners(), [0, 1], "seed {seed}");
        let gap = log.longest_gap();
        assert!(gap.0 <= TAKEN_OVER, "seed {seed}: {gap:?}");
    }
}

#[test]
fn with_every_network_between_them_cut_and_the_disk_alive_nobody_takes_over() {
    for seed in SEEDS {
        let log = played(seed, &[FaultKind::Split { for_ms: 20_000 }]);
        assert_eq!(log.owners(), [0], "seed {seed}");
        assert!(log.longest_gap().0 < Span::millis(100), "seed {seed}: {:?}", log.longest_gap());
    }
}

#[test]
fn an_owner_that_stands_still_is_taken_over_from_and_wakes_to_nothing() {
    for kind in [
        FaultKind::Freeze { node: 0, for_ms: 6_000 },
        FaultKind::FreezeAtWrite { node: 0, for_ms: 6_000 },
    ] {
        for seed in SEEDS {
            let log = played(seed, std::slice::from_ref(&kind));
            assert_eq!(log.owners(), [0, 1], "seed {seed}, {kind:?}");
        }
    }
}

#[test]
fn a_group_stays_where_it_is_while_the_disk_hangs_or_is_lost_by_the_other_node() {
    for kind in [
        FaultKind::DiskStandsStill { for_ms: 12_000 },
        FaultKind::DiskHangs { node: 0, for_ms: 12_000 },
        FaultKind::DiskLost { node: 1, for_ms: 12_000 },
        FaultKind::DiskUnread { node: 0, for_ms: 12_000 },
    ] {
        for seed in SEEDS {
            let log = played(seed, std::slice::from_ref(&kind));
            assert_eq!(log.owners(), [0], "seed {seed}, {kind:?}");
            let gap = log.longest_gap();
            assert!(gap.0 < Span::millis(100), "seed {seed}, {kind:?}: {gap:?}");
        }
    }
}

#[test]
fn a_group_stays_where_it_is_while_nobody_sees_the_disk_and_when_it_is_back() {
    for seed in SEEDS {
        let log = played(seed, &[FaultKind::DiskGone { for_ms: 12_000 }]);
        assert_eq!(log.owners(), [0], "seed {seed}");
        assert!(log.longest_gap().0 < Span::millis(100), "seed {seed}: {:?}", log.longest_gap());
    }
}

#[test]
fn an_owner_that_loses_the_disk_and_every_network_lets_go_and_is_taken_over_from() {
    for seed in SEEDS {
        let log = played(seed, &[FaultKind::CutOff { node: 0, for_ms: 8_000 }]);
        assert_eq!(log.owners(), [0, 1], "seed {seed}");
    }
}

#[test]
fn an_owner_that_writes_on_the_disk_and_gets_nothing_from_it_nor_from_anybody_is_taken_over_from() {
    for seed in SEEDS {
        let lost = [
            FaultKind::Split { for_ms: 20_000 },
            FaultKind::DiskUnread { node: 0, for_ms: 20_000 },
        ];
        let log = played(seed, &lost);
        assert_eq!(log.owners(), [0, 1], "seed {seed}");
        let gap = log.longest_gap();
        assert!(gap.0 <= Span::secs(6), "seed {seed}: {gap:?}");
    }
}

#[test]
fn without_two_of_the_three_nothing_runs_until_they_are_back() {
    for seed in SEEDS {
        let lost = [FaultKind::DiskGone { for_ms: 8_000 }, FaultKind::Split { for_ms: 8_000 }];
        let log = played(seed, &lost);
        let until = (AT_MS + 8_000) * 1_000_000;
        let meanwhile = until - 7_000_000_000..until;
        assert!(!log.served.iter().any(|(at, _)| meanwhile.contains(at)), "seed {seed}");
        assert!(log.served.iter().any(|(at, _)| *at > until), "seed {seed}: it came back");
    }
}

/// With every network cut and the disk alive the owner runs on; a person has it ended.
#[test]
fn an_owner_whose_end_is_demanded_over_the_disk_lets_go_and_is_taken_over_from() {
    for seed in SEEDS {
        let kinds = [FaultKind::Split { for_ms: 20_000 }, FaultKind::Demand { node: 0 }];
        let log = played(seed, &kinds);
        assert_eq!(log.owners(), [0, 1], "seed {seed}");
        // It says itself that it has let go: nobody waits for its silence.
        let gap = log.longest_gap();
        assert!(gap.0 <= TAKEN_OVER, "seed {seed}: {gap:?}");
    }
}

#[test]
fn an_owner_that_stands_still_while_its_end_is_demanded_is_waited_for() {
    for kind in [
        FaultKind::Freeze { node: 0, for_ms: 6_000 },
        FaultKind::DiskHangs { node: 0, for_ms: 6_000 },
    ] {
        for seed in SEEDS {
            let split = FaultKind::Split { for_ms: 20_000 };
            let kinds = [split, kind.clone(), FaultKind::Demand { node: 0 }];
            let log = played(seed, &kinds);
            assert_eq!(log.owners(), [0, 1], "seed {seed}, {kind:?}");
        }
    }
}

#[test]
fn both_that_lose_their_power_come_back_with_everything() {
    for seed in SEEDS {
        let log = played(seed, &[FaultKind::AllPower { for_ms: 3_000 }]);
        let back = log.served.iter().any(|(at, _)| *at > (AT_MS + 3_000) * 1_000_000);
        assert!(back, "seed {seed}: {:?}", log.owners());
    }
}

#[test]
fn with_faults_of_the_disk_nothing_runs_twice_and_everything_serves_in_the_end() {
    for seed in 1..=24 {
        let (verdict, _) = Run::of(seed, Setting::SharedDisk, &FaultKind::OF_DISK).play();
        assert_eq!(verdict, Verdict::Held, "seed {seed}");
    }
}
