//! One life of a client: its incarnation, durable before the first call of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::id::HIGHEST;

/// The first line of the file.
const HEAD: &str = "tsugi-client 1";
/// The most bytes that such a file has.
const FILE_MOST: u64 = 256;

/// One life of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub(crate) incarnation: u64,
    pub(crate) first: u64,
}

/// Why there is no new life.
#[derive(Debug, thiserror::Error)]
pub enum LifeFailure {
    /// The file is not what this crate writes. Whoever makes it anew by hand gives ids out twice
    /// unless the number in it is higher than any before.
    #[error("{} is no file of an incarnation", .0.display())]
    Damaged(PathBuf),
    /// The disk.
    #[error("{}", .0.display())]
    Disk(PathBuf, #[source] io::Error),
    /// There is no higher number.
    #[error("incarnations and serials are whole numbers from 1 to 2^63-1")]
    OutOfRange,
}

impl Life {
    /// A life that the caller keeps count of: this incarnation, and serials from `first` on. All
    /// serials before are answered and confirmed by the next call.
    ///
    /// # Errors
    /// [`LifeFailure::OutOfRange`] where one is 0 or above 2^63-1.
    pub fn given(incarnation: u64, first: u64) -> Result<Self, LifeFailure> {
        let fits = |number| (1..=HIGHEST).contains(&number);
        match fits(incarnation) && fits(first) {
            true => Ok(Self { incarnation, first }),
            false => Err(LifeFailure::OutOfRange),
        }
    }

    /// A new life after the one in this file, which is made if it is missing. It is on the disk
    /// when this returns; whoever dies in between only leaves a number out. Two processes that use
    /// one file get two lives.
    ///
    /// The number is also at least the milliseconds since 1970, so that a file that was lost, with
    /// the disk it was on, does not begin again at numbers that were used.
    ///
    /// # Errors
    /// [`LifeFailure::Disk`], and [`LifeFailure::Damaged`] where the file is another's.
    pub fn kept_in(file: &Path) -> Result<Self, LifeFailure> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.map_or(0, |past| u64::try_from(past.as_millis()).unwrap_or(0));
        Self::kept_in_at(file, millis)
    }

    fn kept_in_at(file: &Path, millis: u64) -> Result<Self, LifeFailure> {
        let failed = |error| LifeFailure::Disk(file.to_owned(), error);
        let lock = file.with_extension("lock");
        let held = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
        let held = held.map_err(failed)?;
        held.lock().map_err(failed)?;
        let before = match read(file).map_err(failed)? {
            None => 0,
            Some(text) => number(&text).ok_or_else(|| LifeFailure::Damaged(file.to_owned()))?,
        };
        let incarnation = before.saturating_add(1).max(millis);
        if incarnation > HIGHEST {
            return Err(LifeFailure::OutOfRange);
        }
        write(file, incarnation).map_err(failed)?;
        Ok(Self { incarnation, first: 1 })
    }

    /// Which life it is.
    #[must_use]
    pub const fn incarnation(self) -> u64 {
        self.incarnation
    }
}

/// The text of the file; none if there is no file. One that is too long is no text of ours.
fn read(file: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    match File::open(file) {
        Ok(open) => match open.take(FILE_MOST).read_to_string(&mut text) {
            Ok(_) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(String::new())),
            Err(error) => Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn number(text: &str) -> Option<u64> {
    let rest = text.strip_prefix(HEAD)?.strip_prefix("\nincarnation ")?.strip_suffix('\n')?;
    let plain = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    rest.parse().ok().filter(|number| plain && (1..=HIGHEST).contains(number))
}

/// The new number is whole beside the old one, then in its place, then the place is durable.
fn write(file: &Path, incarnation: u64) -> io::Result<()> {
    let beside = file.with_extension("new");
    let mut open = File::create(&beside)?;
    open.write_all(format!("{HEAD}\nincarnation {incarnation}\n").as_bytes())?;
    open.sync_all()?;
    fs::rename(&beside, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incarnation_rises_by_one_and_never_under_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("life");
        let at = |millis| Life::kept_in_at(&file, millis).unwrap().incarnation();
        assert_eq!((at(5), at(5), at(5)), (5, 6, 7));
        assert_eq!((at(100), at(3)), (100, 101), "a clock that goes back changes nothing");
        fs::remove_file(&file).unwrap();
        assert_eq!(at(200), 200, "a file that was lost begins above all it ever had");
    }

    #[test]
    fn a_file_that_is_not_ours_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("life");
        let long = format!("{HEAD}\nincarnation 1\n{}", "x".repeat(1000));
        for text in ["", "7\n", "tsugi-client 1\nincarnation \n", "tsugi-client 2\n", &long] {
            fs::write(&file, text).unwrap();
            assert!(matches!(Life::kept_in(&file), Err(LifeFailure::Damaged(_))), "{text:?}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        let highest = format!("{HEAD}\nincarnation {HIGHEST}\n");
        fs::write(&file, highest).unwrap();
        assert!(matches!(Life::kept_in(&file), Err(LifeFailure::OutOfRange)));
    }

    #[test]
    fn many_that_open_one_file_get_a_life_each() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("life");
        let lives: std::collections::BTreeSet<_> = std::thread::scope(|scope| {
            let open = || scope.spawn(|| Life::kept_in_at(&file, 1).unwrap().incarnation());
            let all: Vec<_> = (0..8).map(|_| open()).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(lives, (1..=8).collect());
    }

    #[test]
    fn a_given_life_is_in_range() {
        assert!(Life::given(1, 1).is_ok() && Life::given(HIGHEST, HIGHEST).is_ok());
        for (incarnation, first) in [(0, 1), (1, 0), (HIGHEST + 1, 1), (1, HIGHEST + 1)] {
            assert!(Life::given(incarnation, first).is_err());
        }
    }
}
