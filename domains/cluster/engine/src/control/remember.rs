//! The last status on disk, for when nobody answers.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tsugi_vocabulary::Span;
use tsugi_wire::control::{Answer, Reply, Utc, VERSION};

use super::view;
use crate::standing::Standing;

/// How often it is written when nothing of weight has changed.
const CALM: Span = Span::secs(10);
/// How often it is written at most.
const BUSY: Span = Span::millis(500);

/// Writes the last status beside the socket, not more often than needed.
#[derive(Debug)]
pub struct Memo {
    path: PathBuf,
    written: Option<(u64, Answer)>,
}

/// Beside the socket, where the agent's user may write.
fn path(run_dir: &Path) -> PathBuf {
    super::socket(run_dir).with_file_name("last-status.json")
}

impl Memo {
    /// For the agent of this run directory.
    #[must_use]
    pub fn new(run_dir: &Path) -> Self {
        Self { path: path(run_dir), written: None }
    }

    /// Keeps `standing` if it is time: at once when states changed, else now and then.
    ///
    /// # Errors
    /// The file cannot be written; the former one is left as it was.
    pub fn remember(&mut self, standing: &Standing) -> io::Result<()> {
        let now = standing.at.0;
        let due = self
            .written
            .as_ref()
            .map_or(Span::ZERO, |(at, _)| Span::millis(now.saturating_sub(*at)));
        if self.written.is_some() && due < BUSY {
            return Ok(());
        }
        let answer = Answer {
            version: VERSION,
            observed_at: Utc(standing.at),
            observed_by: standing.me.to_string(),
            reply: Reply::Status(view::status(standing)),
        };
        let changed = self.written.as_ref().is_none_or(|(_, old)| weight(old) != weight(&answer));
        if !changed && due < CALM {
            return Ok(());
        }
        write(&self.path, &answer)?;
        self.written = Some((now, answer));
        Ok(())
    }
}

/// What of an answer is worth writing at once: not how long a lease still runs.
fn weight(answer: &Answer) -> Vec<String> {
    let Reply::Status(status) = &answer.reply else { return Vec::new() };
    let groups = status.groups.iter().map(|g| format!("{} {} {:?}", g.name, g.state, g.owner));
    let nodes = status.nodes.iter().map(|n| format!("{} {} {}", n.name, n.state, n.intent));
    let needs = status.needs.iter().map(|n| format!("{} {}", n.what.id, n.about));
    groups.chain(nodes).chain(needs).collect()
}

/// A reader sees the old file or the new one, never a half.
fn write(path: &Path, answer: &Answer) -> io::Result<()> {
    let new = path.with_extension("json.new");
    let mut file = std::fs::File::create(&new)?;
    serde_json::to_writer(&mut file, answer)?;
    file.flush()?;
    std::fs::rename(new, path)
}

/// The last status that the agent of `run_dir` has written.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn recall(run_dir: &Path) -> io::Result<Answer> {
    let bytes = std::fs::read(path(run_dir))?;
    serde_json::from_slice(&bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}
