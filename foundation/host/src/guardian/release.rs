//! Taking a group's machine away from it: its processes, its addresses, its volumes.
//!
//! The same few steps whoever takes them: the guardian at a deadline, or the hands when the
//! guardian is dead. First everything that ends effects at once is done for every group. Then what
//! may never come back is done beside them, for each group with volumes by itself: whatever enters
//! their file systems or disks, and the wait for processes that such a disk may keep. Who waits for
//! it goes on with other groups meanwhile, and asks until it is over or has had its time. What has
//! not come to an end by then is never left half owned: it counts as [`Release::Incomplete`], which
//! ends the machine.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tsugi_vocabulary::{Moment, Span};

use super::guarded::{Arm, Release, VolumeKind};
use super::table::{Slot, Soundness, State, Table};
use crate::address;
use crate::cgroup::Tree;
use crate::clock;
use crate::failure::Failure;
use crate::fence::Reset;
use crate::netlink::Netlink;
use crate::process::{self, ProgramId};
use crate::{sys, volume};

/// How long to sleep between two looks at a group that is being released.
pub const LOOK_AGAIN: Span = Span::micros(500);
/// Processes that end at all have ended after this time. Then the file systems of those that have
/// not are shut down under them.
const PROMPTLY: Span = Span::millis(10);
/// So often it is looked once more when the time is over, which takes half a second: a machine that
/// stood still until then has not let the release do anything either, nor one that is just slow.
const LATE_LOOKS_MOST: u32 = 1000;

/// What may never come back.
pub type Steps = Box<dyn FnOnce() -> Release + Send>;
/// Steps that are being taken elsewhere: asked again and again what came of them. Once they have
/// said it they are not asked again.
pub type Beside = Box<dyn FnMut() -> Option<Release>>;

/// Groups that the machine is being taken away from: one with volumes, or some without.
pub struct Ending {
    /// Their places in the table.
    pub slots: Vec<&'static Slot>,
    /// When it began.
    pub began: Moment,
    /// When all of them have had their time.
    pub end: Moment,
    late_looks: u32,
    addresses: Release,
    beside: Option<Beside>,
}

/// The ways of this node to kill a group and to free its addresses.
pub struct Means {
    /// The cgroups, where there are any.
    pub tree: Option<Tree>,
    /// An open netlink socket: at a deadline is no time to fail to open one.
    pub netlink: Option<Netlink>,
    /// The table with the programs.
    pub table: Table,
    /// Marks the programs of this node in their environment.
    pub node_mark: String,
    /// Has steps taken where nobody waits for them: by a child of the guardian, by a thread of the
    /// hands. A thread of the guardian that hangs would keep it from being seen as dead.
    pub beside: fn(Steps) -> io::Result<Beside>,
    /// What the end of this machine writes.
    pub reset: Reset,
    /// In the hands the guardian that they have lost. Its children are theirs since then, in the
    /// process group that it led.
    pub lost: Option<u32>,
}

/// How the marks of a group's programs begin.
#[must_use]
pub fn mark(node_mark: &str, group: &str) -> String {
    format!("{node_mark}.{group}.")
}

impl Means {
    /// Every process of a group that runs.
    #[must_use]
    pub fn processes(&self, group: &str) -> Vec<u32> {
        match &self.tree {
            Some(tree) => tree.processes(group),
            None => {
                let roots: Vec<ProgramId> = self.table.programs_of(group);
                process::members(&roots, &mark(&self.node_mark, group))
            }
        }
    }

    /// Sends SIGKILL to every process of a group.
    pub fn kill(&self, group: &str) {
        if let Some(tree) = &self.tree {
            // Whether it worked is seen by whether anything is left.
            drop(tree.kill(group));
            return;
        }
        for pid in self.processes(group) {
            drop(sys::kill(pid.cast_signed(), libc::SIGKILL));
        }
    }

    /// Kills a group until nothing of it is left or the moment `end` has come; what is left.
    #[must_use]
    pub fn kill_all(&self, group: &str, end: Moment) -> Vec<u32> {
        loop {
            let left = self.processes(group);
            if left.is_empty() || clock::now() >= end {
                return left;
            }
            self.kill(group);
            std::thread::sleep(LOOK_AGAIN.to_std());
        }
    }

    /// Begins to take the machine away from the groups in `slots`: nothing in here waits for a
    /// volume, nor for a process.
    pub fn begin(&mut self, slots: &[&'static Slot], began: Moment) -> Vec<Ending> {
        let (mut sets, mut rest, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        for slot in slots {
            slot.set_state(State::Releasing);
            let arm = slot.read();
            // Without cgroups its processes have to be found first, which is done beside.
            if let Some(tree) = &self.tree {
                drop(tree.kill(name(arm.as_ref())));
            }
            addresses.extend(arm.iter().flat_map(|arm| &arm.addresses));
            match arm {
                Some(arm) if !arm.volumes.is_empty() => sets.push(vec![*slot]),
                Some(_) | None => rest.push(*slot),
            }
        }
        let addresses = self.remove(&addresses);
        let sets = sets.into_iter().chain((!rest.is_empty()).then_some(rest));
        let ending = |slots: Vec<&'static Slot>| {
            let end = slots.iter().map(|slot| end_of(slot.read().as_ref(), began)).max();
            let (end, beside): (_, Option<Beside>) =
                if slots.iter().any(|slot| self.is_anothers(slot, began)) {
                    (None, Some(Box::new(|| Some(Release::Incomplete))))
                } else {
                    (end, self.start(slots.clone(), began).ok())
                };
            let end = end.unwrap_or(began);
            Ending { slots, began, end, late_looks: 0, addresses, beside }
        };
        let mut endings: Vec<Ending> = sets.map(ending).collect();
        // Where they are waited for one by one, the end of the machine waits for none.
        endings.sort_by_key(|ending| ending.end);
        endings
    }

    /// Goes on with a release; what came of it, once it is over.
    pub fn go_on(&self, ending: &mut Ending, now: Moment) -> Option<Release> {
        ending.late_looks += u32::from(now >= ending.end);
        if ending.beside.is_none() {
            // Where there is no room for it now: those that use it up are being killed.
            if ending.slots.iter().all(|slot| self.is_bare(slot)) {
                return Some(ending.addresses);
            }
            ending.beside = self.start(ending.slots.clone(), ending.began).ok();
        }
        let said = ending.beside.as_mut().and_then(|beside| beside());
        outcome(said, ending.late_looks).map(|release| worse(ending.addresses, release))
    }

    /// Whether a look that waits for nothing shows that there is nothing of a group to wait for.
    fn is_bare(&self, slot: &Slot) -> bool {
        let (Some(tree), Some(arm)) = (&self.tree, slot.read()) else { return false };
        // Kernels before 5.14 kill one by one, and may have missed one that was just born.
        self.kill(arm.group.as_str());
        let whole = slot.soundness() == Soundness::Sound && arm.volumes.is_empty();
        whole && tree.is_empty(arm.group.as_str())
    }

    fn start(&self, slots: Vec<&'static Slot>, began: Moment) -> io::Result<Beside> {
        let (tree, node_mark) = (self.tree.clone(), self.node_mark.clone());
        let means = Self { tree, netlink: None, node_mark, ..*self };
        (self.beside)(Box::new(move || {
            // Without cgroups nobody has killed them: all, before one of them is waited for.
            slots.iter().for_each(|slot| means.kill(name(slot.read().as_ref())));
            slots.iter().map(|slot| means.take_away(slot, began)).fold(Release::Complete, worse)
        }))
    }

    /// Whatever may hang: until nothing of the group runs and its volumes are gone.
    fn take_away(&self, slot: &Slot, began: Moment) -> Release {
        let arm = slot.read();
        let (group, end) = (name(arm.as_ref()), end_of(arm.as_ref(), began));
        let volumes = || arm.iter().flat_map(|arm| &arm.volumes);
        let late = || self.is_anothers(slot, clock::now());
        if !self.kill_all(group, end.min(clock::now() + PROMPTLY)).is_empty() && !late() {
            let own = |kind| matches!(kind, VolumeKind::FileSystem | VolumeKind::Open);
            for volume in volumes().filter(|volume| own(volume.kind)) {
                // A second try follows; here it only has to come before the wait.
                drop(volume::shut_down(&volume.dir));
            }
        }
        let left = self.kill_all(group, end);
        let alone = || !volumes().any(|v| self.table.is_called(&v.dir) || self.is_outlived());
        let torn = loop {
            // What the hands are mounting is not there yet, and what is being unmounted is written
            // out when it is not there any more. So whether anybody else is at it is asked twice.
            let before = alone();
            if late() {
                break Release::Incomplete;
            }
            let torn = volumes().map(|v| tear_off(&v.dir, v.kind)).fold(Release::Complete, worse);
            if !left.is_empty() || (before && alone()) {
                break torn;
            }
            std::thread::sleep(LOOK_AGAIN.to_std());
        };
        // What a damaged place does not name any more is still there.
        let named = slot.soundness() == Soundness::Sound;
        if left.is_empty() && named { torn } else { Release::Incomplete }
    }

    /// Whether another node may have a disk of the group by now that nothing keeps from this one,
    /// since its machine stood still, and the end of this machine writes nothing. Then whatever a
    /// release writes, were it the superblock of a journal, it would write into what is theirs.
    fn is_anothers(&self, slot: &Slot, now: Moment) -> bool {
        let Some(arm) = slot.read().filter(|_| self.reset == Reset::Abrupt) else { return false };
        let open = arm.volumes.iter().any(|volume| volume.kind == VolumeKind::Open);
        open && slot.deadline() + arm.allowed <= now
    }

    /// Whether a child of a guardian that is lost is left: one that hangs may still write.
    fn is_outlived(&self) -> bool {
        let group = |lost: u32| Pid::from_raw(-lost.cast_signed());
        let end = self.lost.map(|lost| waitpid(group(lost), Some(WaitPidFlag::WNOHANG)));
        end.is_some_and(|end| end != Err(Errno::ECHILD))
    }

    fn remove(&mut self, addresses: &[IpAddr]) -> Release {
        if addresses.is_empty() {
            return Release::Complete;
        }
        let removed = match &mut self.netlink {
            Some(netlink) => address::remove_with(netlink, addresses),
            None => addresses.iter().try_for_each(|address| address::remove(*address)),
        };
        match removed {
            Ok(()) => Release::Complete,
            Err(_) => Release::Incomplete,
        }
    }
}

/// A place whose name is damaged has the empty name, and that is the whole node: rather too much
/// than too little.
fn name(arm: Option<&Arm>) -> &str {
    arm.map_or("", |arm| arm.group.as_str())
}

/// When a release that began then has had its time.
fn end_of(arm: Option<&Arm>, began: Moment) -> Moment {
    began + arm.map_or(Span::ZERO, |arm| arm.allowed)
}

/// What comes of a release that has `said` this by itself, if it has, and was looked at so often
/// after its time was over; none while it may go on.
fn outcome(said: Option<Release>, late_looks: u32) -> Option<Release> {
    said.or((late_looks > LATE_LOOKS_MOST).then_some(Release::Incomplete))
}

fn tear_off(dir: &Path, kind: VolumeKind) -> Release {
    let dead = match kind {
        VolumeKind::FileSystem | VolumeKind::Open => volume::shut_down(dir),
        VolumeKind::Directory => Ok(()),
        VolumeKind::BeyondReach => return Release::Incomplete,
    };
    match (dead, volume::detach(dir)) {
        (Ok(()), Ok(())) => Release::Complete,
        // Without the right to mount nothing was mounted by us.
        (Ok(()), Err(Failure::System { errno, .. })) if errno == Errno::EPERM as i32 => {
            Release::Complete
        }
        (Ok(()) | Err(_), Ok(()) | Err(_)) => Release::Incomplete,
    }
}

const fn worse(a: Release, b: Release) -> Release {
    if matches!(a, Release::Complete) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_that_hangs_ends_the_machine_and_one_that_came_to_an_end_is_believed() {
        use Release::{Complete, Incomplete};
        for looks in [0, 1, LATE_LOOKS_MOST] {
            assert_eq!(outcome(None, looks), None, "it may go on");
        }
        assert_eq!(outcome(None, LATE_LOOKS_MOST + 1), Some(Incomplete));
        for looks in [0, LATE_LOOKS_MOST + 1] {
            assert_eq!(outcome(Some(Complete), looks), Some(Complete), "also at the last look");
            assert_eq!(outcome(Some(Incomplete), looks), Some(Incomplete));
        }
    }

    fn no_room(_steps: Steps) -> io::Result<Beside> {
        Err(io::ErrorKind::OutOfMemory.into())
    }

    #[test]
    fn what_has_no_volumes_and_no_processes_left_needs_no_room() {
        let base = tempfile::TempDir::new().unwrap();
        let events = base.path().join("pay/cgroup.events");
        std::fs::create_dir(base.path().join("pay")).unwrap();
        let memory = crate::sys::memory_file(c"table", crate::guardian::table::LENGTH).unwrap();
        let table = Table::map(&memory).unwrap();
        let tree = Some(Tree::at(base.path().to_owned()));
        let (netlink, node_mark) = (None, "mark".to_owned());
        let (beside, lost, reset) = (no_room, None, Reset::WritesOut);
        let mut means = Means { tree, netlink, table, node_mark, beside, reset, lost };
        let mut arm = Arm {
            group: tsugi_vocabulary::GroupName::new("pay").unwrap(),
            epoch: tsugi_vocabulary::Epoch { incarnation: 1, counter: 1 },
            deadline: Moment(4),
            allowed: Span::secs(1),
            addresses: Vec::new(),
            volumes: Vec::new(),
        };
        let slot = &table.slots()[0];
        let mut look = |arm: &Arm| {
            slot.arm(arm);
            let mut ending = means.begin(&[slot], Moment(5));
            means.go_on(&mut ending[0], Moment(5))
        };
        assert_eq!(look(&arm), Some(Release::Complete), "it never had any");
        for (events_say, said) in [("1", None), ("0", Some(Release::Complete))] {
            std::fs::write(&events, format!("populated {events_say}\nfrozen 0\n")).unwrap();
            assert_eq!(look(&arm), said, "{events_say}");
        }
        let (dir, kind) = ("/srv/pay".into(), VolumeKind::Directory);
        arm.volumes = vec![super::super::guarded::Volume { dir, kind }];
        assert_eq!(look(&arm), None, "what is mounted is not looked at here");
        arm.volumes.clear();
        std::fs::remove_file(&events).unwrap();
        std::fs::create_dir(&events).unwrap();
        assert_eq!(look(&arm), None, "nobody knows");
    }

    #[test]
    fn who_slept_until_a_disk_may_be_anothers_writes_nothing_more_on_it() {
        let memory = crate::sys::memory_file(c"table", crate::guardian::table::LENGTH).unwrap();
        let table = Table::map(&memory).unwrap();
        let slot = &table.slots()[0];
        let arm = |kind| {
            let volumes = vec![super::super::guarded::Volume { dir: "/srv/pay".into(), kind }];
            slot.arm(&Arm {
                group: tsugi_vocabulary::GroupName::new("pay").unwrap(),
                epoch: tsugi_vocabulary::Epoch { incarnation: 1, counter: 1 },
                deadline: Moment(100),
                allowed: Span(50),
                addresses: Vec::new(),
                volumes,
            });
        };
        let look = |reset, now| {
            let (tree, netlink, node_mark, lost) = (None, None, "mark".to_owned(), None);
            // Steps of which nothing comes: none is taken where it says something at once.
            let beside = |_steps: Steps| -> io::Result<Beside> { Ok(Box::new(|| None)) };
            let mut means = Means { tree, netlink, table, node_mark, beside, reset, lost };
            let mut ending = means.begin(&[slot], Moment(now));
            means.go_on(&mut ending[0], Moment(now))
        };
        arm(VolumeKind::Open);
        slot.extend(Moment(1_000));
        assert_eq!(look(Reset::Abrupt, 1_049), None, "its lease was renewed since it was armed");
        arm(VolumeKind::Open);
        assert_eq!(look(Reset::Abrupt, 150), Some(Release::Incomplete), "the machine ends at once");
        assert_eq!(look(Reset::Abrupt, 149), None, "it is this node's until then");
        assert_eq!(look(Reset::WritesOut, 150), None, "its kernel would write out all of it");
        arm(VolumeKind::FileSystem);
        assert_eq!(look(Reset::Abrupt, 150), None, "whose disk takes nothing from it any more");
    }

    #[test]
    fn steps_that_find_no_room_are_begun_later_and_never_counted_as_done() {
        let memory = crate::sys::memory_file(c"table", crate::guardian::table::LENGTH).unwrap();
        let table = Table::map(&memory).unwrap();
        let (tree, netlink, node_mark, lost) = (None, None, "mark".to_owned(), None);
        let (beside, reset) = (no_room, Reset::Abrupt);
        let mut means = Means { tree, netlink, table, node_mark, beside, reset, lost };
        let slot = &table.slots()[0];
        let mut endings = means.begin(&[slot], Moment(5));
        assert_eq!((endings.len(), slot.state()), (1, State::Releasing));
        let mut looks = 0..=LATE_LOOKS_MOST;
        assert!(looks.all(|_| means.go_on(&mut endings[0], Moment(4)).is_none()), "before its end");
        let late = std::iter::repeat_with(|| means.go_on(&mut endings[0], Moment(5)));
        let late: Vec<_> = late.take(LATE_LOOKS_MOST as usize + 1).collect();
        assert_eq!(late.iter().flatten().collect::<Vec<_>>(), [&Release::Incomplete]);
        means.beside = |_steps| Ok(Box::new(|| Some(Release::Complete)));
        let again = &mut means.begin(&[slot], Moment(5))[0];
        assert_eq!(means.go_on(again, Moment(4)), Some(Release::Complete));
    }
}
