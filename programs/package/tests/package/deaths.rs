//! A process that dies after each step of a deployment, within it, and when the power is lost.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tsugi_package::deploy::{Go, Next, Unended};
use tsugi_package::deployed::Deployed;
use tsugi_package::shelf::{Shelf, Step};
use tsugi_package::{Refused, Trouble};
use tsugi_service_rules::package::{Event, Order, Row, State};

use super::volume::{Volume, half};

/// Where in a step the process dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    Before,
    Within,
}

/// Lets so many steps and calls be done, then dies.
fn dies(mut left: usize, death: Death) -> impl FnMut(Next<'_>) -> Go {
    move |next| {
        if left == 0 {
            if let (Death::Within, Next::Step(step)) = (death, next) {
                half(step);
            }
            return Go::Stop;
        }
        left -= 1;
        Go::On
    }
}

#[test]
fn a_deployment_that_dies_after_any_step_left_all_or_nothing_and_is_repeated() {
    for death in [Death::Before, Death::Within] {
        let mut seen = BTreeSet::new();
        for steps in 0.. {
            let mut volume = Volume::new();
            let source = volume.source("one");
            match volume.deploy_while(&source, &mut dies(steps, death)) {
                Ok((_, ended)) => {
                    assert_eq!(ended.state, State::Current);
                    assert!(steps > 15, "{steps} steps are all of a deployment");
                    break;
                }
                Err(Unended::Stopped) => {}
                Err(other) => panic!("{steps}: {other}"),
            }
            let states = volume.reopen();
            assert!(states.len() <= 1);
            seen.extend(states.values().map(|state| format!("{state:?}")));
            let (id, ended) = volume.deploy(&source).unwrap();
            assert_eq!(ended.state, State::Current, "{death:?} {steps}");
            assert_eq!(volume.table.loaded[&id], 1, "{death:?} {steps}");
            assert_eq!(volume.reopen()[&id], State::Current);
        }
        let all: Vec<_> = seen.iter().map(String::as_str).collect();
        assert_eq!(all, ["Absent", "Kept"]);
    }
}

#[test]
fn a_second_package_that_dies_on_its_way_leaves_the_first_current() {
    for death in [Death::Before, Death::Within] {
        for steps in 0.. {
            let mut volume = Volume::new();
            let (one, two) = (volume.source("one"), volume.source("two"));
            let (first, _) = volume.deploy(&one).unwrap();
            let done = volume.deploy_while(&two, &mut dies(steps, death));
            let states = volume.reopen();
            if done.is_ok() {
                assert_eq!(states[&first], State::Former);
                break;
            }
            assert_eq!(states[&first], State::Current, "{death:?} {steps}");
            let (second, ended) = volume.deploy(&two).unwrap();
            assert_eq!(ended.state, State::Current);
            assert_eq!(volume.table.rows[&first], Row::Former);
            // Back to the first: its data are not loaded again.
            volume.deploy(&one).unwrap();
            assert_eq!((volume.table.loaded[&first], volume.table.loaded[&second]), (1, 1));
        }
    }
}

#[test]
fn an_old_package_that_is_taken_away_is_never_half_there() {
    for death in [Death::Before, Death::Within] {
        for steps in 0.. {
            let mut volume = Volume::new();
            let (one, two) = (volume.source("one"), volume.source("two"));
            let (first, _) = volume.deploy(&one).unwrap();
            volume.deploy(&two).unwrap();
            let (mut death, place) = (dies(steps, death), volume.shelf.place(first));
            let mut go = |next: Next<'_>| {
                let emptied = matches!(next, Next::Step(Step::Clear(path)) if *path == place);
                assert!(!emptied, "it is emptied under its final name");
                death(next)
            };
            let done = volume.deployment(&mut go).on(first, State::Former, Event::Old);
            let states = volume.reopen();
            let state = states.get(&first).copied().unwrap_or_default();
            if done.is_ok() {
                assert_eq!(state, State::Absent);
                assert!(steps >= 4);
                break;
            }
            let expected = if steps == 0 { State::Former } else { State::Absent };
            assert_eq!(state, expected, "{steps}");
        }
    }
}

#[test]
fn cleaning_up_may_die_as_well() {
    for broken_off in [3, 8, 12] {
        for steps in 0.. {
            let mut volume = Volume::new();
            let source = volume.source("one");
            let done = volume.deploy_while(&source, &mut dies(broken_off, Death::Within));
            assert!(matches!(done, Err(Unended::Stopped)));
            let id = volume.shelf.ids().unwrap()[0];
            let mut go = dies(steps, Death::Within);
            let done = volume.deployment(&mut go).open(id);
            volume.reopen();
            assert_eq!(volume.deploy(&source).unwrap().1.state, State::Current);
            if done.is_ok() {
                break;
            }
        }
    }
}

/// When the power goes, a name is there only if its folder was synced since it was made.
#[test]
fn a_package_has_its_final_name_and_its_row_only_when_all_of_it_is_durable() {
    let mut volume = Volume::new();
    let source = volume.source("one");
    let mut pending: BTreeSet<PathBuf> = BTreeSet::new();
    let mut named = false;
    volume
        .deploy_while(&source, &mut |next| {
            match next {
                Next::Rows(order) => {
                    assert!(named && pending.is_empty(), "{order:?} before {pending:?}");
                }
                Next::Step(Step::Rename { from, to }) => {
                    let open: Vec<_> = pending.iter().filter(|p| p.starts_with(from)).collect();
                    assert!(open.is_empty(), "renamed before {open:?}");
                    pending.insert(to.clone());
                    named = true;
                }
                Next::Step(Step::Sync(folder)) => {
                    pending.retain(|path| path.parent() != Some(folder));
                }
                Next::Step(Step::Clear(path) | Step::MakeFolder(path) | Step::Remove(path)) => {
                    pending.insert(path.clone());
                }
                Next::Step(
                    Step::Copy { to, .. } | Step::Unpack { to, .. } | Step::Write { to, .. },
                ) => {
                    pending.insert(to.clone());
                }
            }
            Go::On
        })
        .unwrap();
    assert!(named && pending.is_empty());
}

#[test]
fn what_the_store_does_not_take_is_told_and_done_again() {
    use tsugi_service_rules::package::Data;
    for (fails, left) in
        [(Order::Keep, State::Absent), (Order::Make(Data::OfNewFiles), State::Kept)]
    {
        let mut volume = Volume::new();
        let source = volume.source("one");
        volume.table.fails = Some(fails);
        let (id, ended) = volume.deploy(&source).unwrap();
        let told = format!("{:?}", ended.told);
        assert!(told.starts_with("[Failed(Rows"), "{told}");
        assert_eq!((ended.state, ended.told.len()), (left, 1));
        assert_eq!(volume.reopen().get(&id).copied().unwrap_or_default(), left);
        volume.table.fails = None;
        assert_eq!(volume.deploy(&source).unwrap().1.state, State::Current);
    }
}

#[test]
fn a_copy_on_another_shelf_that_dies_after_any_step_is_none_or_whole_and_is_repeated() {
    let mut volume = Volume::new();
    let source = volume.source("one");
    let (id, _) = volume.deploy(&source).unwrap();
    let deployed = Deployed::load(&volume.shelf, id).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let copies = Shelf::open(&folder.path().join("copies")).unwrap();
    let steps = copies.taking(&deployed).len();
    for (done, death) in (0..=steps).flat_map(|done| [(done, Death::Before), (done, Death::Within)])
    {
        let all = copies.taking(&deployed);
        all[..done].iter().for_each(|step| step.take().unwrap());
        if let (Death::Within, Some(next)) = (death, all.get(done)) {
            half(next);
        }
        let whole = copies.place(id).exists();
        assert_eq!(whole, done + 1 >= steps, "its name is given last: {done} of {steps}");
        if whole {
            let copy = Deployed::load(&copies, id).unwrap();
            assert_eq!(copy.manifest, deployed.manifest);
            let data = copy.manifest.data.iter().any(|data| copy.data(data).is_ok());
            assert!(!data, "data are their volume's");
        }
        copies.deleting(id).unwrap().iter().for_each(|step| step.take().unwrap());
        assert!(copies.ids().unwrap().is_empty(), "{done} {death:?}");
    }
}

#[test]
fn what_was_changed_on_its_volume_is_not_copied() {
    let mut volume = Volume::new();
    let source = volume.source("one");
    let (id, _) = volume.deploy(&source).unwrap();
    let deployed = Deployed::load(&volume.shelf, id).unwrap();
    std::fs::write(volume.shelf.place(id).join("commands/echo"), "#!/bin/sh\necho two\n").unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let copies = Shelf::open(&folder.path().join("copies")).unwrap();
    let done: Result<(), _> = copies.taking(&deployed).iter().try_for_each(Step::take);
    assert!(matches!(done, Err(Trouble::Refused(Refused::Hash { .. }))), "{done:?}");
    assert!(!copies.place(id).exists());
}
