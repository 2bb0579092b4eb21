//! The last status on disk, for when nobody answers.

use std::io::{self, Write as _};
use std::mem::{Discriminant, discriminant};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tsugi_cluster_rules::plan::{Life, Sight};
use tsugi_vocabulary::{Index, NodeName, Span};
use tsugi_wire::control::{Answer, Reply, Utc, VERSION};

use super::{Services, answer, view};
use crate::standing::Standing;

/// How often it is written when nothing of weight has changed.
const CALM: Span = Span::secs(10);
/// How often it is written at most.
const BUSY: Span = Span::millis(500);

/// Writes the last status beside the socket, not more often than needed.
#[derive(Debug)]
pub struct Memo {
    path: PathBuf,
    written: Option<(u64, Glance)>,
}

/// How often what the doctor found is written: it is read from all that happened.
const EXAMINED: Span = Span::secs(900);
/// The name of that.
const DOCTOR: &str = "last-doctor.json";

/// Its name, beside the socket, where the agent's user may write.
const NAME: &str = "last-status.json";

impl Memo {
    /// For the agent that listens at this socket.
    #[must_use]
    pub fn beside(socket: &Path) -> Self {
        Self { path: socket.with_file_name(NAME), written: None }
    }

    /// Keeps `standing` if it is time: soon when something changed, else now and then.
    ///
    /// # Errors
    /// The file cannot be written; the former one is left as it was.
    pub fn remember(&mut self, standing: &Standing) -> io::Result<()> {
        let now = standing.at.0;
        let seen = Glance::at(standing);
        if let Some((at, last)) = &self.written {
            let since = Span::millis(now.saturating_sub(*at));
            let due = if *last == seen { CALM } else { BUSY };
            if since < due {
                return Ok(());
            }
        }
        let answer = answer_of(standing, Reply::Status(view::status(standing)));
        write(&self.path, &answer)?;
        self.written = Some((now, seen));
        Ok(())
    }
}

fn answer_of(standing: &Standing, reply: Reply) -> Answer {
    let (observed_at, observed_by) = (Utc(standing.at), standing.me.to_string());
    Answer { version: VERSION, observed_at, observed_by, reply }
}

/// What tells cheaply whether a status can have changed: a status itself asks the planner.
#[derive(Debug, PartialEq, Eq)]
struct Glance {
    applied: Index,
    lives: Vec<(NodeName, Discriminant<Life>)>,
    leader: Option<NodeName>,
    other_file: Option<crate::standing::OtherFile>,
}

impl Glance {
    fn at(standing: &Standing) -> Self {
        let life = |(name, sight): (&NodeName, &Sight)| (name.clone(), discriminant(&sight.life));
        Self {
            applied: standing.record.applied,
            lives: standing.sights.iter().map(life).collect(),
            leader: standing.leader.clone(),
            other_file: standing.other_file.clone(),
        }
    }
}

/// Keeps every picture of weight until the agent ends.
pub(super) async fn keep(socket: &Path, services: Services) {
    let mut standing = services.view.standing.clone();
    let mut memo = Memo::beside(socket);
    let mut examined: Option<u64> = None;
    loop {
        let picture = Arc::clone(&standing.borrow_and_update());
        // A status that cannot be kept is still there to be asked for.
        let _kept = memo.remember(&picture);
        let since = examined.map(|at| Span::millis(picture.at.0.saturating_sub(at)));
        if since.is_none_or(|since| since >= EXAMINED) && picture.record.spec().is_some() {
            examined = Some(picture.at.0);
            let doctor = Reply::Doctor(answer::examined(&services, &picture));
            let _kept = write(&socket.with_file_name(DOCTOR), &answer_of(&picture, doctor));
        }
        if standing.changed().await.is_err() {
            return;
        }
    }
}

/// A reader sees the old file or the new one, never a half.
fn write(path: &Path, answer: &Answer) -> io::Result<()> {
    let new = path.with_extension("json.new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(&serde_json::to_vec(answer)?)?;
    std::fs::rename(new, path)
}

/// The last status that the agent of `run_dir` has written.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn recall(run_dir: &Path) -> io::Result<Answer> {
    read(run_dir, NAME)
}

/// What the doctor of the agent of `run_dir` has found last.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn recall_doctor(run_dir: &Path) -> io::Result<Answer> {
    read(run_dir, DOCTOR)
}

fn read(run_dir: &Path, name: &str) -> io::Result<Answer> {
    let bytes = std::fs::read(super::socket(run_dir).with_file_name(name))?;
    serde_json::from_slice(&bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}
