//! The numbers that the requests, reports, orders and notices have on the local sockets.

use crate::codec::{coded_enum, coded_struct};
use crate::fence::Capability;
use crate::guardian::message::{Arm, Extension, Notice, Order, Refused, Volume, VolumeKind};
use crate::request::{
    Answer, Ended, Event, Failure, HowEnded, KillBy, Limits, Listing, Output, Powers, Program,
    ProgramId, Purpose, Rank, Release, Report, Request, Right, Running, Source, Target, TimeLimit,
    Unmounting,
};

coded_enum!(Right { 1 = Lease { group, epoch }, 2 = Free { group, epoch } });
coded_enum!(Request {
    1 = AddAddress { right, link, address, prefix },
    2 = RemoveAddress { address },
    3 = Probe { link, address, wait },
    4 = Announce { link, address },
    5 = Mount { right, source, dir },
    6 = Unmount { dir, how },
    7 = Spawn(program),
    8 = Signal { target, signal },
    9 = KillGroup { group },
    10 = List,
    11 = Reset { reason },
    12 = Watch,
});
coded_enum!(Source { 1 = Directory(path), 2 = Image(path), 3 = Device(path) });
coded_enum!(Unmounting { 1 = Orderly, 2 = Emergency });
coded_enum!(Target { 1 = Group(group), 2 = Program(id) });
coded_struct!(ProgramId { pid, started });
coded_enum!(Purpose { 1 = Service, 2 = Start, 3 = Stop, 4 = Monitor });
coded_struct!(Program { right, name, purpose, argv, env, dir, user, limits, output, time_limit });
coded_struct!(Limits { open_files, memory_bytes, processes, core_bytes });
coded_enum!(Output { 1 = Discard, 2 = Tail { keep }, 3 = File { path, limit } });
coded_enum!(Report { 1 = Answer { id, outcome }, 2 = Event(event) });
coded_enum!(Answer {
    1 = Done,
    2 = Probed { conflict },
    3 = Spawned(id),
    4 = Mounted { device },
    5 = Unmounted { killed },
    6 = Killed { count },
    7 = Listing(listing),
});
coded_struct!(Listing { programs, processes, mounts, addresses, powers });
coded_struct!(Powers { rank, kill, fence });
coded_enum!(Rank { 1 = Privileged, 2 = Ordinary });
coded_enum!(KillBy { 1 = Cgroup, 2 = Descent });
coded_enum!(Capability { 1 = Watchdog, 2 = Reboot, 3 = None, 4 = BrokenWatchdog });
coded_struct!(Running { id, group, epoch, name, purpose });
coded_enum!(Event {
    1 = Ended(ended),
    2 = GuardianLost { released },
    3 = GuardianReady,
    4 = Stopping,
    5 = LogLost(failure),
});
coded_enum!(Release { 1 = Complete, 2 = Incomplete });
coded_struct!(Ended { program, how, limit, tail, dropped });
coded_enum!(HowEnded { 1 = Exited(code), 2 = Signalled(signal) });
coded_enum!(TimeLimit { 1 = Kept, 2 = Exceeded });
coded_enum!(Failure {
    1 = NotArmed { group, epoch },
    2 = NoLink { link },
    3 = LinkDown { link },
    4 = OnOtherLink { link },
    5 = Source { why },
    6 = MountedElsewhere { dir },
    7 = PlaceTaken { dir },
    8 = StillThere { pids },
    9 = NoProgram,
    10 = NotStarted { step, errno },
    11 = NeedsRoot,
    12 = Malformed { why },
    13 = Busy,
    14 = NoEffect { what },
    15 = System { step, errno },
    16 = DiskFull { at },
    17 = DiskFails { at, errno },
});

coded_enum!(Order {
    1 = Arm(arm),
    2 = Extend(extensions),
    3 = Disarm { group, epoch },
    4 = Recall,
});
coded_struct!(Arm { group, epoch, deadline, allowed, addresses, volumes });
coded_struct!(Volume { dir, kind });
coded_enum!(VolumeKind { 1 = FileSystem, 2 = Directory });
coded_struct!(Extension { group, epoch, deadline });
coded_enum!(Notice {
    1 = Armed { group, epoch, deadline },
    2 = Disarmed { group, epoch },
    3 = Released { group, epoch, release, late, took },
    4 = Refused { group, epoch, why },
    5 = ThatIsAll,
});
coded_enum!(Refused {
    1 = OldEpoch,
    2 = AlreadyReleased,
    3 = NotArmed,
    4 = TooLate,
    5 = Full,
    6 = TooMuch,
});

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tsugi_vocabulary::{Epoch, GroupName, ResourceName, Span};

    use super::*;
    use crate::codec::{Unreadable, message, read};

    fn program() -> Request {
        let group = GroupName::new("pay").unwrap();
        Request::Spawn(Program {
            right: Right::Lease { group, epoch: Epoch { incarnation: 2, counter: 7 } },
            name: ResourceName::new("counter").unwrap(),
            purpose: Purpose::Monitor,
            argv: vec!["/bin/x".into(), "$(a) 'b'\n".into()],
            env: vec![("A".into(), "給与".into())],
            dir: Some(PathBuf::from("/tmp")),
            user: Some((1, 2)),
            limits: Limits { open_files: Some(3), ..Limits::default() },
            output: Output::Tail { keep: 9 },
            time_limit: Some(Span::secs(1)),
        })
    }

    #[test]
    fn a_request_arrives_as_it_was_sent() {
        let request = program();
        assert_eq!(read::<Request>(&message(&request)), Ok(request));
    }

    #[test]
    fn a_damaged_message_is_refused_and_never_a_panic() {
        let whole = message(&program());
        for length in 0..whole.len() {
            assert!(read::<Request>(&whole[..length]).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                let read = read::<Request>(&damaged);
                assert_ne!(read, Ok(program()), "bit {bit} of byte {at} is not read");
            }
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(read::<Request>(&longer), Err(Unreadable::Long(1)));
    }

    #[test]
    fn sec9_the_hands_take_twelve_requests_and_no_other() {
        for number in 0..=u8::MAX {
            let read = read::<Request>(&[crate::codec::VERSION, number]);
            let unknown = read == Err(Unreadable::Unknown("Request"));
            assert_eq!(unknown, !(1..=12).contains(&number), "{number}: {read:?}");
        }
    }

    #[test]
    fn a_message_of_another_version_is_refused_by_name() {
        let mut other = message(&Request::List);
        other[0] = 2;
        assert_eq!(read::<Request>(&other), Err(Unreadable::Version(2)));
    }

    #[test]
    fn a_count_that_the_message_cannot_hold_allocates_nothing() {
        // Spawn, a lease, and a group name that claims 4 GiB.
        let bytes = [1, 7, 1, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(read::<Request>(&bytes), Err(Unreadable::Short));
    }

    #[test]
    fn random_bytes_are_refused_without_harm() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes = [0_u8; 64];
        for _ in 0..20_000 {
            for byte in &mut bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (state >> 56) as u8;
            }
            bytes[0] = 1;
            bytes[1] %= 14;
            drop(read::<Request>(&bytes));
            drop(read::<Order>(&bytes));
        }
    }
}
