//! The programs of a group, started on a writable copy where no network leads out, asked whether
//! they are well, and stopped by their own stop.

use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tsugi_cluster_rules::drill::rehearsal::{FaultKind, Part};
use tsugi_cluster_rules::spec::ProcessHow;
use tsugi_vocabulary::Span;

use super::bounded::{self, Running, Wrong};
use super::brief::{Asked, Brief, Program};
use super::log::{Log, Stopped, kind, refused};

/// Between two questions of a monitor, at most: nobody waits for its whole rhythm here.
const BETWEEN: Duration = Duration::from_secs(1);
/// For so long a program has to stay that no line and no monitor says to be well.
const STAYS: Duration = Duration::from_secs(3);
/// So much of the memory must be free: what is started must not drive out what runs.
const MEMORY_FREE: u64 = 8;
const MEMORY: &str = "/proc/meminfo";

/// What was started.
struct Up<'b> {
    program: &'b Program,
    /// The program itself; scripts leave theirs behind.
    service: Option<Running>,
}

/// Starts all of them, asks their monitors, and stops them.
pub(super) fn run(brief: &Brief, until: Instant, log: &mut Log) -> Result<(), Stopped> {
    log.part((Part::Start, "/"), room)?;
    let mut up = Vec::new();
    for program in &brief.programs {
        let service = log.part((Part::Start, &program.name), || start(program, until))?;
        up.push(Up { program, service });
    }
    for one in &mut up {
        for monitor in &one.program.monitors {
            let of = (one.program, monitor);
            log.part((Part::Monitor, &one.program.name), || ask(of, until))?;
        }
    }
    for mut one in up.into_iter().rev() {
        let name = one.program.name.clone();
        log.part((Part::Stop, &name), || stop(&mut one, until))?;
    }
    Ok(())
}

/// Whether there is memory for a second of what runs elsewhere.
fn room() -> Result<(), (FaultKind, String)> {
    let text = std::fs::read_to_string(MEMORY).map_err(refused(MEMORY))?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    match (of("MemAvailable"), of("MemTotal")) {
        (Some(free), Some(all)) if free < all / MEMORY_FREE => {
            Err((FaultKind::Room, format!("{} < {} MiB", free >> 10, (all / MEMORY_FREE) >> 10)))
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// A program of the group with its rights and environment.
pub(super) fn command(program: &Program, argv: &[String]) -> Command {
    let mut command = Command::new(argv.first().map_or("", String::as_str));
    command.args(argv.iter().skip(1)).env_clear().current_dir("/");
    command.envs(program.environment.iter().map(|(name, value)| (name, value)));
    if let Some((uid, gid)) = program.user {
        // The other groups of the hands go with it.
        command.uid(uid).gid(gid);
    }
    command
}

/// Its private folder, where no agent made one.
pub(super) fn own_folder(program: &Program) -> Result<(), (FaultKind, String)> {
    let folder = program.environment.iter().find(|(name, _)| name == "TSUGI_RUN");
    let Some((_, folder)) = folder else { return Ok(()) };
    let folder = Path::new(folder);
    if folder.exists() {
        return Ok(());
    }
    let failed = refused("mkdir");
    let mut dir = std::fs::DirBuilder::new();
    let parents =
        folder.parent().map_or(Ok(()), |above| dir.recursive(true).mode(0o755).create(above));
    parents.map_err(&failed)?;
    dir.recursive(false).mode(0o700).create(folder).map_err(&failed)?;
    let (uid, gid) = program.user.unzip();
    chown(folder, uid, gid).map_err(&failed)
}

fn start(program: &Program, until: Instant) -> Result<Option<Running>, (FaultKind, String)> {
    own_folder(program)?;
    let until = until.min(within(program.start_limit));
    match &program.how {
        ProcessHow::Program { run, ready } => {
            let mut running = Running::start(command(program, run)).map_err(kind)?;
            match ready {
                Some(line) => running.until_line(line, until).map_err(kind)?,
                // Nothing else will tell whether it runs.
                None if program.monitors.is_empty() => {
                    running.stay(until.min(Instant::now() + STAYS));
                }
                None => {}
            }
            match running.has_ended() {
                Some(how) => Err((FaultKind::Failed, how)),
                None => Ok(Some(running)),
            }
        }
        ProcessHow::Scripts { start, .. } => {
            let mut script = Running::start(command(program, start)).map_err(kind)?;
            // What it leaves running belongs to the group, and is not killed with it.
            script.until_end(until).map_err(kind)?;
            Ok(None)
        }
    }
}

fn within(span: Span) -> Instant {
    Instant::now() + span.to_std()
}

/// It is well as soon as one answer says so; as many failures in a row as at any time are one.
fn ask((program, monitor): (&Program, &Asked), until: Instant) -> Result<(), (FaultKind, String)> {
    let mut last = None;
    for asked in 0..monitor.failures.max(1) {
        if asked > 0 {
            sleep(BETWEEN.min(monitor.every.to_std()));
        }
        let end = until.min(within(monitor.limit));
        match bounded::run(command(program, &monitor.argv), end) {
            Ok(_) => return Ok(()),
            Err(wrong) => last = Some(wrong),
        }
    }
    Err(kind(last.unwrap_or(Wrong::Slow)))
}

fn stop(up: &mut Up<'_>, until: Instant) -> Result<(), (FaultKind, String)> {
    let until = until.min(within(up.program.stop_limit));
    match (&up.program.how, &mut up.service) {
        (ProcessHow::Program { .. }, Some(service)) => match service.has_ended() {
            Some(how) => Err((FaultKind::Failed, how)),
            None => {
                service.end(until);
                Ok(())
            }
        },
        (ProcessHow::Program { .. }, None) => Ok(()),
        (ProcessHow::Scripts { stop, .. }, _) => {
            bounded::run(command(up.program, stop), until).map(drop).map_err(kind)
        }
    }
}
