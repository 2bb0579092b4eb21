//! The private folders of a group's runs, told to scripts as `TSUGI_RUN`: one for each run and
//! each user that programs of it run as.
//!
//! They are made before the first program of a run starts, outlive the agent, and go with the
//! stop of the group; what an emergency release has left goes once the group has started here
//! again, or is certain to be elsewhere.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tsugi_cluster_rules::desk::Act;
use tsugi_cluster_rules::spec::{GroupSpec, ResourceKind, ResourceSpec};
use tsugi_host::hands::AGENT_DIR;
use tsugi_host::request::{Limits, Program, Purpose, Request, Right};
use tsugi_vocabulary::{Epoch, GroupName, ResourceName, Span};

use super::recipe::{lease, tail, user_ids};
use super::{Job, Step, Surroundings};

/// How long making one or removing some may take.
const LIMIT: Span = Span::secs(2);

/// Where they are, a directory for each group.
const RUNS: &str = "runs";

const RM: [&str; 4] = ["/bin/rm", "-rf", "--one-file-system", "--"];

/// A user and group id; none is those of the hands.
pub(super) type User = Option<(u32, u32)>;

/// The folder of a run for programs of this user.
pub(super) fn path(job: &Job, around: &Surroundings, user: User) -> PathBuf {
    let uid = user.map_or(around.hands_uid, |(uid, _)| uid);
    of_group(around, &job.group).join(format!("{}-{uid}", job.epoch))
}

fn of_group(around: &Surroundings, group: &GroupName) -> PathBuf {
    // Of the directory of the sockets only this part is the agent's to write in.
    around.run_dir.join(AGENT_DIR).join(RUNS).join(group.as_str())
}

/// Makes the folder, and says by which steps the rest is done: a folder of another user's is made
/// by the hands' own.
pub(super) fn make(
    (job, around): (&Job, &Surroundings),
    (resource, right, user): (&ResourceName, &Right, User),
) -> Result<Vec<Step>, String> {
    let made = missing((job, around), (resource, right, user))?;
    Ok(made.map(Step::Script).into_iter().collect())
}

/// What ends the folders of earlier runs, to be asked once the last resource of a group has
/// started: nobody waits for it.
pub(super) fn of_earlier_runs(job: &Job, around: &Surroundings) -> Option<Request> {
    let Act::Start { resource, .. } = &job.what else { return None };
    if job.spec.start_order().last().is_none_or(|last| last.name != *resource) {
        return None;
    }
    let now = format!("{}-", job.epoch);
    let argv = remove(&of_group(around, &job.group), |name| !name.starts_with(&now))?;
    Some(program(around, (resource, lease(job), Purpose::Monitor), argv))
}

/// What may be asked as soon as a group begins to start, so that its programs need not wait for
/// their folders: the start of each makes what is not there by then.
pub(super) fn ahead(job: &Job, around: &Surroundings, right: &Right) -> Vec<Request> {
    let Act::Start { resource: begun, .. } = &job.what else { return Vec::new() };
    let order = job.spec.start_order();
    if order.first().is_none_or(|first| first.name != *begun) {
        return Vec::new();
    }
    let later = order.into_iter().filter(|r| !r.after.is_empty() && r.name != *begun);
    let folder = |resource: &ResourceSpec| {
        let ResourceKind::Process { user, .. } = &resource.kind else { return None };
        let user = user.as_deref().map(user_ids).transpose().ok()?;
        missing((job, around), (&resource.name, right, user)).ok()?
    };
    later.filter_map(folder).collect()
}

/// Makes the folder if it is the agent's own user's; what makes it if not.
fn missing(
    (job, around): (&Job, &Surroundings),
    (resource, right, user): (&ResourceName, &Right, User),
) -> Result<Option<Request>, String> {
    let folder = path(job, around, user);
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let uid = user.map_or(around.hands_uid, |(uid, _)| uid);
    if is_private(&folder, uid) {
        return Ok(None);
    }
    let group = of_group(around, &job.group);
    for parent in group.ancestors().take(2).collect::<Vec<_>>().into_iter().rev() {
        open_to_pass(parent).map_err(failed)?;
    }
    if uid == around.agent_uid {
        DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
        return Ok(None);
    }
    let mut argv = words(&["/usr/bin/install", "-d", "-m", "0700"]);
    if let Some((uid, gid)) = user {
        argv.extend(["-o".to_owned(), uid.to_string(), "-g".to_owned(), gid.to_string()]);
    }
    argv.extend(["--".to_owned(), folder.display().to_string()]);
    Ok(Some(program(around, (resource, right.clone(), Purpose::Start), argv)))
}

/// The groups that have folders here.
pub(super) fn groups(around: &Surroundings) -> Vec<GroupName> {
    let runs = std::fs::read_dir(around.run_dir.join(AGENT_DIR).join(RUNS));
    let names = runs.into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| GroupName::new(name.to_str()?).ok()).collect()
}

/// Removes the folders of a group of which nothing is here; what has to be asked for those that
/// are not empty, each once (`asked`): one that does not go is not asked for again and again.
pub(super) fn left_behind(
    around: &Surroundings,
    (group, spec): (&GroupName, &GroupSpec),
    asked: &mut BTreeSet<String>,
) -> Option<Request> {
    let mut argv = remove(&of_group(around, group), |_| true)?;
    let known = RM.len();
    argv.retain(|word| !asked.contains(word));
    asked.extend(argv.iter().skip(known).cloned());
    let first = spec.start_order().into_iter().next()?;
    let right = Right::Free { group: group.clone(), epoch: Epoch::NONE };
    let how = (&first.name, right, Purpose::Monitor);
    (argv.len() > known).then(|| program(around, how, argv))
}

/// Removes the folders of all runs of a group.
pub(super) fn remove_all(
    (job, around): (&Job, &Surroundings),
    (resource, right): (&ResourceName, Right),
) -> Option<Step> {
    let argv = remove(&of_group(around, &job.group), |_| true)?;
    Some(Step::Try(program(around, (resource, right, Purpose::Stop), argv)))
}

/// Removes this run's folder of a user: there may be none.
pub(super) fn remove_own(
    (job, around): (&Job, &Surroundings),
    right: &Right,
    (resource, user): (&ResourceName, User),
) -> Step {
    let folder = path(job, around, user).display().to_string();
    let argv = [words(&RM), vec![folder]].concat();
    Step::Try(program(around, (resource, right.clone(), Purpose::Monitor), argv))
}

/// Removes those of the group's folders that are empty and says what ends the others: what is in
/// them may be much, and another user's.
fn remove(group: &Path, over: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let folders = std::fs::read_dir(group).into_iter().flatten().flatten();
    let over = folders.filter(|folder| folder.file_name().to_str().is_some_and(&over));
    let full = over.map(|folder| folder.path()).filter(|path| std::fs::remove_dir(path).is_err());
    let full: Vec<String> = full.map(|path| path.display().to_string()).collect();
    (!full.is_empty()).then(|| [words(&RM), full].concat())
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|word| (*word).to_owned()).collect()
}

/// Whether it is a folder of this user that nobody else can look into.
fn is_private(folder: &Path, uid: u32) -> bool {
    let found = std::fs::symlink_metadata(folder);
    found.is_ok_and(|m| m.is_dir() && m.uid() == uid && m.mode() & 0o777 == 0o700)
}

/// A folder of the agent's through which every user finds its own, and none the others'.
fn open_to_pass(folder: &Path) -> io::Result<()> {
    match std::fs::create_dir(folder) {
        Ok(()) => std::fs::set_permissions(folder, Permissions::from_mode(0o711)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn program(
    around: &Surroundings,
    (resource, right, purpose): (&ResourceName, Right, Purpose),
    argv: Vec<String>,
) -> Request {
    Request::Spawn(Program {
        right,
        name: resource.clone(),
        purpose,
        argv,
        env: vec![("PATH".to_owned(), around.path.clone())],
        dir: None,
        user: None,
        limits: Limits::default(),
        output: tail(),
        time_limit: Some(LIMIT),
    })
}
