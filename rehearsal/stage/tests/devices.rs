//! Clusters whose nodes have fence devices: quick, slow, absent, lying, and such as switch off the
//! one who asks.

use std::collections::BTreeMap;

use tsugi_stage::run::{Run, Setting, Verdict};

/// What takes a node away, so that it is to be switched off.
const LOSS: &[&str] = &["power", "freeze", "isolate", "one-way", "agent", "bad-wire"];

#[test]
fn with_devices_good_and_bad_nothing_runs_twice_and_everything_serves_in_the_end() {
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 1..=24 {
        let (verdict, counts) = Run::of(seed, Setting::Devices, LOSS).play();
        assert_eq!(verdict, Verdict::Held, "seed {seed}");
        for (what, times) in counts.met {
            *met.entry(what).or_insert(0) += times;
        }
    }
    for what in ["state fenced", "state found off", "state asker shot"] {
        assert!(met.contains_key(what), "{what}: never met, {met:?}");
    }
}
