//! The journal of systemd: a line that goes there keeps its id, its group and every other value as
//! a field of its own, by which it can be found (`journalctl TSUGI_GROUP=PAY`), and its explanation
//! (`journalctl -x`). The form is that of systemd's *Native Journal Protocol*.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::sys::socket::{UnixAddr, getpeername};
use sha2::{Digest as _, Sha256};
use tsugi_messages::{Entry, Language, Message, Severity};

use crate::config::hex;

/// Where every journal has its sockets: that of a namespace in a folder that begins so.
const FOLDER: &str = "/run/systemd/journal";

/// A journal that takes entries.
#[derive(Debug)]
pub(super) struct Journal {
    from: UnixDatagram,
    to: PathBuf,
}

impl Journal {
    /// The journal at whose end of a stream this descriptor is; none if it leads elsewhere.
    pub(super) fn behind(stream: impl AsFd) -> Option<Self> {
        use std::os::fd::AsRawFd as _;
        let peer = getpeername::<UnixAddr>(stream.as_fd().as_raw_fd()).ok()?;
        let folder = peer.path()?.parent()?.to_path_buf();
        folder.to_str()?.starts_with(FOLDER).then(|| Self::in_folder(&folder))?
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        let from = UnixDatagram::unbound().ok()?;
        // A journal that has stopped must not stop an agent.
        from.set_nonblocking(true).ok()?;
        Some(Self { from, to: folder.join("socket") })
    }

    /// Gives it one message.
    ///
    /// # Errors
    /// It is not there, or takes nothing now.
    pub(super) fn tell(&self, message: &Message, language: Language) -> io::Result<()> {
        self.from.send_to(fields(message, language).as_bytes(), &self.to).map(drop)
    }
}

/// A message as an entry of the journal: values are of one line each.
fn fields(message: &Message, language: Language) -> String {
    let entry = message.entry();
    let mut text = format!(
        "MESSAGE={}\nMESSAGE_ID={}\nPRIORITY={}\nSYSLOG_IDENTIFIER=tsugi\nTSUGI_ID={}\n",
        message.line(language),
        message_id(entry.id),
        priority(entry.severity),
        entry.id,
    );
    // What is called as the id of the message would stand twice.
    for variable in entry.variables.iter().filter(|variable| variable.name != "id") {
        let value = message.value(variable.name).unwrap_or_default();
        text += &format!("{}={value}\n", field(variable.name));
    }
    text
}

fn field(variable: &str) -> String {
    format!("TSUGI_{}", variable.to_ascii_uppercase())
}

/// As syslog counts: error, warning, information.
const fn priority(severity: Severity) -> u8 {
    match severity {
        Severity::Error => 3,
        Severity::Warning => 4,
        Severity::Information => 6,
    }
}

/// The number under which the journal keeps every message of this id, the same in every version: a
/// UUID of the fourth form, as systemd wants it.
fn message_id(id: &str) -> String {
    let hash = Sha256::digest(format!("tsugi message {id}"));
    let mut bytes: Vec<u8> = hash.iter().copied().take(16).collect();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    hex(bytes)
}

/// What `journalctl -x` is to explain, as a file of systemd's catalogue: every message with what
/// the system did, what the operator does and the next command.
#[must_use]
pub fn catalogue(language: Language) -> String {
    tsugi_messages::all().iter().map(|entry| explained(entry, language)).collect()
}

fn explained(entry: &Entry, language: Language) -> String {
    let filled = |text: &str| {
        entry.variables.iter().fold(text.to_owned(), |text, variable| {
            text.replace(&format!("{{{}}}", variable.name), &format!("@{}@", field(variable.name)))
        })
    };
    let mut text = format!(
        "-- {}\nSubject: {} {}\nDefined-By: tsugi\n\n{}\n{}\n",
        message_id(entry.id),
        entry.id,
        filled(entry.text.of(language)),
        filled(entry.system.of(language)),
        filled(entry.operator.of(language)),
    );
    if let Some(next) = entry.next {
        text += &format!("\n    {}\n", filled(next));
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn lost() -> Message {
        tsugi_messages::node_lost("n2", 720_u64)
    }

    #[test]
    fn a_line_that_goes_to_a_journal_keeps_its_values_as_fields() {
        let folder = tempfile::tempdir().unwrap();
        let journal = UnixDatagram::bind(folder.path().join("socket")).unwrap();
        Journal::in_folder(folder.path()).unwrap().tell(&lost(), Language::En).unwrap();
        let mut entry = [0; 4_096];
        let length = journal.recv(&mut entry).unwrap();
        let entry = std::str::from_utf8(&entry[..length]).unwrap();
        let id = format!("MESSAGE_ID={}", message_id("TSUG10006-W"));
        for line in ["PRIORITY=4", "TSUGI_ID=TSUG10006-W", "TSUGI_NODE=n2", id.as_str()] {
            assert!(entry.lines().any(|l| l == line), "{line} is not in\n{entry}");
        }
        assert!(entry.starts_with("MESSAGE=TSUG10006-W "), "{entry}");
    }

    #[test]
    fn what_does_not_lead_to_a_journal_is_written_as_it_is() {
        let (here, _there) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Journal::behind(&here).is_none());
        assert!(Journal::behind(std::fs::File::open("/dev/null").unwrap()).is_none());
    }

    #[test]
    fn a_journal_that_is_gone_is_an_error_and_no_wait() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::in_folder(folder.path()).unwrap();
        assert!(journal.tell(&lost(), Language::En).is_err());
    }

    #[test]
    fn every_message_has_a_number_of_its_own_that_never_changes() {
        let all: BTreeSet<String> =
            tsugi_messages::all().iter().map(|entry| message_id(entry.id)).collect();
        assert_eq!(all.len(), tsugi_messages::all().len());
        assert_eq!(message_id("TSUG10006-W"), "062303353e964fab99cf71d169f540ed");
    }

    #[test]
    fn the_catalogue_explains_every_message_in_the_words_of_its_entry() {
        for language in [Language::Ja, Language::En] {
            let text = catalogue(language);
            assert_eq!(text.matches("\n-- ").count() + 1, tsugi_messages::all().len());
            let entry = lost().entry();
            assert!(text.contains(entry.operator.of(language)), "{language:?}");
            assert!(text.contains("@TSUGI_NODE@") && !text.contains("{node}"), "{language:?}");
        }
    }
}
