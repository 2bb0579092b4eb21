//! The agent's end of the guardian's socket.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tsugi_vocabulary::{Epoch, GroupName, Moment};

use super::environment::{KNOWS, OPEN};
use super::message::{Arm, Extension, Notice, Order, SOCKET, Volume, VolumeKind};
use super::sheet::Writable;
use crate::socket::{Connection, Outbox, Received};
use crate::{Gone, Guard, clock, codec};

const NOTICE_LONGEST: usize = 1024;
/// So many orders may wait for a guardian that does not take them; it is about to be killed then.
const ORDERS_MOST: usize = 2048;

/// The agent's end of the guardian's socket.
#[derive(Debug)]
pub struct Guardian {
    connection: Connection,
    outbox: Outbox,
    /// Where deadlines are written that only move on: a renewal a beat need not wake the guardian.
    sheet: Option<Shared>,
    /// The last deadline that was told for each group: before it the guardian looks.
    told: BTreeMap<GroupName, Moment>,
    known: Known,
}

/// What hands and guardian know of volumes; they may be of an earlier version than their agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Every kind.
    All,
    /// Those before volumes were told as open.
    First,
}

impl Known {
    /// By what the hands have said to their agent.
    fn by(said: Option<&str>) -> Self {
        let open = said.is_some_and(|words| words.split(' ').any(|word| word == OPEN));
        if open { Self::All } else { Self::First }
    }

    /// An order as they understand it: without knowing of open volumes they shut them down.
    fn put(self, order: &Order) -> Cow<'_, Order> {
        let Order::Arm(arm) = order else { return Cow::Borrowed(order) };
        if self == Self::All || arm.volumes.iter().all(|v| v.kind != VolumeKind::Open) {
            return Cow::Borrowed(order);
        }
        let first = |volume: &Volume| match volume.kind {
            VolumeKind::Open => Volume { kind: VolumeKind::FileSystem, ..volume.clone() },
            VolumeKind::FileSystem | VolumeKind::Directory | VolumeKind::BeyondReach => {
                volume.clone()
            }
        };
        let volumes = arm.volumes.iter().map(first).collect();
        Cow::Owned(Order::Arm(Arm { volumes, ..arm.clone() }))
    }
}

/// A sheet that the guardian was given.
#[derive(Debug)]
struct Shared {
    sheet: Writable,
    /// The guardian reads the sheet as long as this stands.
    connection: Connection,
    taken: Taken,
    /// Which place each group has, and for which epoch.
    places: BTreeMap<GroupName, (usize, Epoch)>,
}

/// Whether the guardian has said that it reads the sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Yes,
    NotYet,
}

impl Shared {
    fn offer(place: &Path) -> io::Result<Self> {
        let connection = Connection::to(place)?;
        let (sheet, memory) = Writable::create()?;
        send_with_file(&connection, &codec::message(&Order::Sheet)?, memory.as_fd())?;
        Ok(Self { sheet, connection, taken: Taken::NotYet, places: BTreeMap::new() })
    }

    /// Hears whether the guardian reads it. One of a version that does not know of sheets ends the
    /// connection, or never says so.
    ///
    /// # Errors
    /// The guardian does not read this sheet and will not.
    fn hear(&mut self) -> Result<Taken, Gone> {
        if self.taken == Taken::NotYet
            && let Some(Notice::SheetTaken) = receive(&self.connection)?
        {
            self.taken = Taken::Yes;
        }
        Ok(self.taken)
    }

    /// None if there is no place for the group.
    fn write(&mut self, extension: &Extension) -> Option<()> {
        let Extension { group, epoch, deadline } = extension;
        let next = self.places.len();
        match self.places.get(group) {
            Some((at, of)) if of == epoch => self.sheet.move_on(*at, *deadline),
            known => {
                let at = known.map_or(next, |(at, _)| *at);
                self.sheet.write(at, extension)?;
                self.places.insert(group.clone(), (at, *epoch));
            }
        }
        Some(())
    }
}

impl Guardian {
    /// Connects to the guardian of the node whose run directory this is.
    ///
    /// # Errors
    /// The socket is not there or refuses us.
    pub fn connect(run_dir: &Path) -> io::Result<Self> {
        let place = run_dir.join(SOCKET);
        let connection = Connection::to(&place)?;
        let (outbox, sheet) = (Outbox::new(ORDERS_MOST), Shared::offer(&place).ok());
        let known = Known::by(env::var(KNOWS).ok().as_deref());
        Ok(Self { connection, outbox, sheet, told: BTreeMap::new(), known })
    }

    /// Notes the deadlines that an order tells; whether the guardian looks by itself before each
    /// of those that were told before.
    fn looks_in_time(&mut self, order: &Order) -> bool {
        let now = clock::now();
        match order {
            Order::Arm(arm) => {
                self.told.insert(arm.group.clone(), arm.deadline);
                false
            }
            Order::Extend(extensions) => extensions.iter().fold(true, |all, extension| {
                let before = self.told.insert(extension.group.clone(), extension.deadline);
                all && before.is_some_and(|deadline| now < deadline)
            }),
            Order::Disarm { group, .. } => {
                self.told.remove(group);
                false
            }
            Order::Recall | Order::Sheet => false,
        }
    }

    /// Writes extensions where the guardian finds them in time; none if they have to be told.
    fn write_down(&mut self, order: &Order) -> Option<()> {
        let Order::Extend(extensions) = order else { return None };
        let shared = self.sheet.as_mut()?;
        match shared.hear() {
            Ok(Taken::Yes) => extensions.iter().try_for_each(|each| shared.write(each)),
            Ok(Taken::NotYet) => None,
            Err(_unread) => {
                self.sheet = None;
                None
            }
        }
    }
}

/// Sends a whole message and with it a file, of which the other end gets a descriptor.
fn send_with_file(to: &Connection, message: &[u8], file: BorrowedFd<'_>) -> io::Result<()> {
    let (parts, files) = ([IoSlice::new(message)], [file.as_raw_fd()]);
    let with = [ControlMessage::ScmRights(&files)];
    let to = to.as_fd().as_raw_fd();
    sendmsg::<()>(to, &parts, &with, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// The next notice over a connection, if there is one.
fn receive(connection: &Connection) -> Result<Option<Notice>, Gone> {
    let mut buffer = [0; NOTICE_LONGEST];
    match connection.receive(&mut buffer) {
        Ok(Received::Message(length)) => match codec::read(&buffer[..length]) {
            Ok(notice) => Ok(Some(notice)),
            Err(unreadable) => Err(Gone { why: unreadable.to_string() }),
        },
        Ok(Received::Nothing) => Ok(None),
        Ok(Received::End) => Err(Gone { why: "the guardian ended".to_owned() }),
        Err(error) => Err(Gone { why: error.to_string() }),
    }
}

impl AsFd for Guardian {
    /// Readable when a notice has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl Guard for Guardian {
    fn tell(&mut self, order: &Order) -> Result<(), Gone> {
        if self.looks_in_time(order) && self.write_down(order).is_some() {
            return Ok(());
        }
        let sent = self.outbox.post(&self.connection, &*self.known.put(order));
        sent.map_err(|error| Gone { why: error.to_string() })
    }

    fn next_notice(&mut self) -> Result<Option<Notice>, Gone> {
        let flushed = self.outbox.flush(&self.connection);
        flushed.map_err(|error| Gone { why: error.to_string() })?;
        receive(&self.connection)
    }
}

#[cfg(test)]
mod tests {
    use tsugi_vocabulary::Span;

    use super::*;

    #[test]
    fn hands_that_do_not_know_of_open_volumes_are_told_file_systems() {
        let volume = |kind| Volume { dir: "/srv/pay".into(), kind };
        let told = |said: Option<&str>, kind| {
            let order = Order::Arm(Arm {
                group: GroupName::new("pay").expect("a name"),
                epoch: Epoch { incarnation: 1, counter: 1 },
                deadline: Moment(1),
                allowed: Span(1),
                addresses: Vec::new(),
                volumes: vec![volume(VolumeKind::Directory), volume(kind)],
            });
            let Order::Arm(arm) = Known::by(said).put(&order).into_owned() else { panic!() };
            arm.volumes.into_iter().map(|volume| volume.kind).collect::<Vec<_>>()
        };
        use VolumeKind::{Directory, FileSystem, Open};
        assert_eq!(told(None, Open), [Directory, FileSystem]);
        assert_eq!(told(Some("shut"), Open), [Directory, FileSystem]);
        assert_eq!(told(Some("open"), Open), [Directory, Open]);
        assert_eq!(told(Some("more open"), Open), [Directory, Open], "and what comes later");
        assert_eq!(told(None, FileSystem), [Directory, FileSystem]);
    }
}
