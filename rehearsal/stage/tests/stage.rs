//! A few seeds, every kept list of decisions, and what shows that the stage itself can fail.

use std::path::Path;

use tsugi_cluster_rules::mutant::plant;
use tsugi_stage::decisions::{self, Decisions};
use tsugi_stage::mutants::{ELSEWHERE, VISIBLE, find};
use tsugi_stage::run::{Ledgers, Run, Verdict, Voters};
use tsugi_stage::{series, shrink};

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let (first, again) = (
        Run::of_seed(3, (Voters::Change, Ledgers::Drawn)).play(),
        Run::of_seed(3, (Voters::Change, Ledgers::Drawn)).play(),
    );
    assert_eq!(first, again);
    assert_ne!(first.1.trace, Run::of_seed(4, (Voters::Change, Ledgers::Drawn)).play().1.trace);
}

#[test]
fn a_series_is_the_same_whichever_core_is_faster() {
    let (first, again) = (
        series::series((Voters::Change, Ledgers::Drawn), (1, 30)),
        series::series((Voters::Change, Ledgers::Drawn), (1, 30)),
    );
    assert_eq!(first.broken, Vec::new());
    assert_eq!((first.takeovers, first.trace), (again.takeovers, again.trace));
}

#[test]
fn every_kept_list_of_decisions_comes_out_as_it_should() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut played = 0;
    for entry in std::fs::read_dir(kept).expect("the folder of the kept lists") {
        let file = entry.expect("a file of it").path();
        let text = std::fs::read_to_string(&file).expect("a readable list");
        let list = decisions::read(&text).expect("a list of decisions");
        plant(list.mutant.unwrap_or_default());
        let (verdict, _) = list.run.play();
        plant("");
        let breaks = matches!(verdict, Verdict::Broken(_));
        assert_eq!(breaks, list.mutant.is_some(), "{}: {verdict:?}", file.display());
        played += 1;
    }
    assert!(played > 0, "nothing was kept");
}

#[test]
fn what_breaks_shrinks_to_few_decisions_that_can_be_written_and_read() {
    let planted = VISIBLE.iter().find(|p| p.name == "release-without-stop").expect("it is listed");
    let (seed, invariant) = find(planted).by.expect("it is found");
    plant(planted.name);
    let run = shrink::shrink(&Run::of(seed, planted.setting, planted.kinds));
    let (verdict, _) = run.play();
    plant("");
    assert!(matches!(verdict, Verdict::Broken(v) if v.invariant == invariant));
    assert!(run.faults.len() <= 4, "{} decisions are left", run.faults.len());
    let list = Decisions { mutant: Some(planted.name), run };
    assert_eq!(decisions::read(&decisions::write(&list)), Ok(list));
}

#[test]
fn every_planted_lease_fault_is_looked_for_here_or_named_with_its_place() {
    let mut names: Vec<&str> = VISIBLE.iter().map(|p| p.name).collect();
    names.extend(ELSEWHERE.iter().map(|(name, _)| *name));
    for (name, _) in tsugi_cluster_rules::planner::MUTANTS {
        assert!(names.contains(name), "{name} is in neither table");
    }
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a planted fault is named twice");
}
