//! What each order does to the table, and how it is answered.

use std::os::unix::ffi::OsStrExt;

use tsugi_vocabulary::{Epoch, GroupName, Moment, Span};

use super::message::{
    ADDRESSES_MOST, Arm, Extension, Notice, Order, PATH_LONGEST, Refused, Release, VOLUMES_MOST,
};
use super::sheet::Sheet;
use super::table::arming::spare;
use super::table::{Slot, State, Table};

/// The answers to one order.
pub struct Answers(pub Vec<Notice>);

/// Carries an order out at `now`.
#[must_use]
pub fn carry_out(table: &Table, order: &Order, now: Moment) -> Answers {
    Answers(match order {
        Order::Arm(order) => vec![arm(table, order, now)],
        Order::Extend(extensions) => {
            extensions.iter().filter_map(|extension| extend(table, extension, now)).collect()
        }
        Order::Disarm { group, epoch } => vec![disarm(table, group, *epoch)],
        Order::Recall => recall(table),
        // What there is to read does not concern the table.
        Order::Sheet => vec![Notice::SheetTaken],
    })
}

fn refused(group: &GroupName, epoch: Epoch, why: Refused) -> Notice {
    Notice::Refused { group: group.clone(), epoch, why }
}

fn arm(table: &Table, order: &Arm, now: Moment) -> Notice {
    let refuse = |why| refused(&order.group, order.epoch, why);
    let there = table.slot_of(order.group.as_str());
    if let Some(slot) = there {
        if order.epoch < slot.epoch() {
            return refuse(Refused::OldEpoch);
        }
        match slot.state() {
            State::Releasing | State::Released if order.epoch == slot.epoch() => {
                return refuse(Refused::AlreadyReleased);
            }
            // What is killed by its name must not be the next life of the group.
            State::Releasing => return refuse(Refused::TooLate),
            State::Free | State::Armed | State::Released | State::Disarmed => {}
        }
    }
    if order.deadline <= now {
        return refuse(Refused::TooLate);
    }
    let paths = order.volumes.iter().map(|volume| volume.dir.as_os_str().as_bytes().len());
    if order.addresses.len() > ADDRESSES_MOST
        || order.volumes.len() > VOLUMES_MOST
        || paths.max().is_some_and(|longest| longest > PATH_LONGEST)
    {
        return refuse(Refused::TooMuch);
    }
    let deadline = match there {
        // It stays guarded by its old place until the new one is complete.
        Some(old) if old.state() == State::Armed => {
            let Some(place) = spare(table) else { return refuse(Refused::Full) };
            let deadline = order.deadline.max(old.deadline());
            place.arm(&Arm { deadline, ..order.clone() });
            old.set_state(State::Free);
            deadline
        }
        Some(old) => {
            old.arm(order);
            order.deadline
        }
        None => {
            let Some(place) = spare(table) else { return refuse(Refused::Full) };
            place.arm(order);
            order.deadline
        }
    };
    Notice::Armed { group: order.group.clone(), epoch: order.epoch, deadline }
}

fn guarded(table: &Table, group: &GroupName, epoch: Epoch) -> Result<&'static Slot, Refused> {
    let slot = table.slot_of(group.as_str()).ok_or(Refused::NotArmed)?;
    if epoch < slot.epoch() {
        return Err(Refused::OldEpoch);
    }
    match slot.state() {
        State::Releasing | State::Released if epoch == slot.epoch() => {
            Err(Refused::AlreadyReleased)
        }
        State::Armed if epoch == slot.epoch() => Ok(slot),
        State::Free | State::Armed | State::Releasing | State::Released | State::Disarmed => {
            Err(Refused::NotArmed)
        }
    }
}

fn extend(table: &Table, extension: &Extension, now: Moment) -> Option<Notice> {
    let Extension { group, epoch, deadline } = extension;
    match guarded(table, group, *epoch) {
        Err(why) => Some(refused(group, *epoch, why)),
        Ok(_) if *deadline <= now => Some(refused(group, *epoch, Refused::TooLate)),
        Ok(slot) => {
            slot.extend(*deadline);
            None
        }
    }
}

/// Moves on what is guarded to where a sheet says that it stands. What is not guarded any more may
/// still stand there.
pub fn follow(table: &Table, sheet: &Sheet, now: Moment) {
    for Extension { group, epoch, deadline } in sheet.extensions() {
        if let (Ok(slot), true) = (guarded(table, &group, epoch), deadline > now) {
            slot.extend(deadline);
        }
    }
}

fn disarm(table: &Table, group: &GroupName, epoch: Epoch) -> Notice {
    let done = || Notice::Disarmed { group: group.clone(), epoch };
    match guarded(table, group, epoch) {
        Ok(slot) => {
            slot.set_state(State::Disarmed);
            done()
        }
        Err(why) => {
            let already = table
                .slot_of(group.as_str())
                .is_some_and(|slot| slot.state() == State::Disarmed && slot.epoch() == epoch);
            if already { done() } else { refused(group, epoch, why) }
        }
    }
}

fn recall(table: &Table) -> Vec<Notice> {
    let known = table.slots().iter().filter_map(|slot| {
        let (group, epoch) = (slot.read()?.group, slot.epoch());
        match slot.state() {
            State::Free | State::Disarmed => None,
            // How it ended is told once it has.
            State::Armed | State::Releasing => {
                Some(Notice::Armed { group, epoch, deadline: slot.deadline() })
            }
            State::Released => Some(Notice::Released {
                group,
                epoch,
                release: Release::Complete,
                late: Span::ZERO,
                took: Span::ZERO,
            }),
        }
    });
    known.chain([Notice::ThatIsAll]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guardian::message::GROUPS_MOST;
    use crate::guardian::table::LENGTH;

    fn table() -> Table {
        Table::map(&crate::sys::memory_file(c"table", LENGTH).unwrap()).unwrap()
    }

    fn group() -> GroupName {
        GroupName::new("pay").unwrap()
    }

    fn epoch(counter: u64) -> Epoch {
        Epoch { incarnation: 1, counter }
    }

    fn order(counter: u64, deadline: u64) -> Order {
        Order::Arm(Arm {
            group: group(),
            epoch: epoch(counter),
            deadline: Moment(deadline),
            allowed: Span::millis(60),
            addresses: Vec::new(),
            volumes: Vec::new(),
        })
    }

    fn answer(table: &Table, order: &Order, now: u64) -> Vec<Notice> {
        carry_out(table, order, Moment(now)).0
    }

    fn why(notices: &[Notice]) -> Option<Refused> {
        match notices {
            [Notice::Refused { why, .. }] => Some(*why),
            _ => None,
        }
    }

    fn extension(counter: u64, deadline: u64) -> Order {
        let deadline = Moment(deadline);
        Order::Extend(vec![Extension { group: group(), epoch: epoch(counter), deadline }])
    }

    #[test]
    fn a_release_is_final_for_its_epoch() {
        let table = table();
        answer(&table, &order(5, 100), 0);
        table.slot_of("pay").unwrap().set_state(State::Released);
        assert_eq!(why(&answer(&table, &order(5, 200), 0)), Some(Refused::AlreadyReleased));
        assert_eq!(why(&answer(&table, &order(4, 200), 0)), Some(Refused::OldEpoch));
        let late = answer(&table, &extension(5, 200), 0);
        assert_eq!(why(&late), Some(Refused::AlreadyReleased));
        assert!(matches!(answer(&table, &order(6, 200), 0)[..], [Notice::Armed { .. }]));
    }

    #[test]
    fn what_is_being_released_is_given_back_by_no_order() {
        let table = table();
        answer(&table, &order(5, 100), 0);
        table.slot_of("pay").unwrap().set_state(State::Releasing);
        let off = Order::Disarm { group: group(), epoch: epoch(5) };
        for order in [order(5, 200), extension(5, 200), off] {
            assert_eq!(why(&answer(&table, &order, 0)), Some(Refused::AlreadyReleased));
        }
        assert_eq!(why(&answer(&table, &order(6, 200), 0)), Some(Refused::TooLate), "not yet");
        let told = answer(&table, &Order::Recall, 0);
        assert!(matches!(told[..], [Notice::Armed { .. }, Notice::ThatIsAll]), "and not released");
        assert_eq!(table.slot_of("pay").unwrap().state(), State::Releasing);
    }

    #[test]
    fn a_deadline_in_the_past_is_neither_armed_nor_extended() {
        let table = table();
        assert_eq!(why(&answer(&table, &order(5, 100), 100)), Some(Refused::TooLate));
        answer(&table, &order(5, 100), 0);
        assert_eq!(why(&answer(&table, &extension(5, 150), 150)), Some(Refused::TooLate));
        assert_eq!(answer(&table, &extension(5, 151), 150), []);
        assert_eq!(table.slot_of("pay").unwrap().deadline(), Moment(151));
    }

    #[test]
    fn arming_anew_keeps_the_group_guarded_and_never_shortens_its_time() {
        let table = table();
        answer(&table, &order(5, 900), 0);
        let again = answer(&table, &order(5, 400), 0);
        assert!(matches!(again[..], [Notice::Armed { deadline: Moment(900), .. }]));
        let armed = table.slots().iter().filter(|slot| slot.state() == State::Armed);
        assert_eq!(armed.count(), 1);
    }

    #[test]
    fn taking_the_guard_off_twice_is_the_same_as_once_and_of_an_old_epoch_is_refused() {
        let table = table();
        answer(&table, &order(5, 900), 0);
        let off = |counter| Order::Disarm { group: group(), epoch: epoch(counter) };
        assert_eq!(why(&answer(&table, &off(4), 0)), Some(Refused::OldEpoch));
        for _ in 0..2 {
            assert!(matches!(answer(&table, &off(5), 0)[..], [Notice::Disarmed { .. }]));
        }
        assert_eq!(why(&answer(&table, &extension(5, 950), 0)), Some(Refused::NotArmed));
        assert!(matches!(answer(&table, &order(5, 950), 0)[..], [Notice::Armed { .. }]));
    }

    #[test]
    fn one_group_too_many_is_refused_and_the_others_stay_guarded() {
        let table = table();
        let Order::Arm(arm) = order(1, 900) else { unreachable!() };
        for number in 0..=GROUPS_MOST {
            let group = GroupName::new(&format!("g{number}")).unwrap();
            let answers = answer(&table, &Order::Arm(Arm { group, ..arm.clone() }), 0);
            let full = (number == GROUPS_MOST).then_some(Refused::Full);
            assert_eq!(why(&answers), full, "group {number}");
        }
    }

    #[test]
    fn an_agent_that_comes_back_is_told_what_is_armed_and_what_was_released() {
        let table = table();
        answer(&table, &order(5, 900), 0);
        let told = answer(&table, &Order::Recall, 0);
        assert!(matches!(told[..], [Notice::Armed { .. }, Notice::ThatIsAll]));
        table.slot_of("pay").unwrap().set_state(State::Released);
        let told = answer(&table, &Order::Recall, 0);
        assert!(matches!(told[..], [Notice::Released { .. }, Notice::ThatIsAll]));
    }
}
