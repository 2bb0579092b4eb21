//! The way into a host: a process that makes its namespaces, and one that enters them later.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

use crate::Trouble;

/// Makes the namespaces of a host and waits until its first process has ended.
///
/// # Errors
/// What the kernel refused.
pub fn enter(cgroup: &Path) -> Result<ExitCode, Trouble> {
    join(cgroup)?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWCGROUP,
    )
    .map_err(io::Error::from)?;
    let mut init = Command::new(crate::own_program()?).arg("host-init").spawn()?;
    init.wait()?;
    Ok(ExitCode::SUCCESS)
}

/// Enters the host whose first process is `pid` and runs a program there.
///
/// # Errors
/// What the kernel refused.
pub fn exec(pid: i32, cgroup: &Path, argv: &[String]) -> Result<ExitCode, Trouble> {
    let own_cgroups = File::open(format!("/proc/{pid}/ns/cgroup"))?;
    let opened: Vec<File> = ["uts", "ipc", "net", "pid", "mnt"]
        .iter()
        .map(|kind| File::open(format!("/proc/{pid}/ns/{kind}")))
        .collect::<io::Result<_>>()?;
    join(cgroup)?;
    setns(own_cgroups, CloneFlags::CLONE_NEWCGROUP).map_err(io::Error::from)?;
    for namespace in opened {
        setns(namespace, CloneFlags::empty()).map_err(io::Error::from)?;
    }
    let (program, arguments) =
        argv.split_first().ok_or_else(|| Trouble::Failed("nothing to run".into()))?;
    let status = Command::new(program).args(arguments).env("PATH", super::init::PATH).status()?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255)))
}

fn join(cgroup: &Path) -> io::Result<()> {
    fs::write(cgroup.join("cgroup.procs"), std::process::id().to_string())
}

/// Runs a program in a host from the lab.
pub(super) fn run(
    pid: i32,
    cgroup: &Path,
    argv: &[&str],
    limit: Duration,
) -> Result<String, Trouble> {
    let mut child = Command::new(crate::own_program()?)
        .args(["host-exec", "--pid", &pid.to_string(), "--cgroup"])
        .arg(cgroup)
        .arg("--")
        .args(argv)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let out = collect(child.stdout.take().expect("was asked for"));
    let err = collect(child.stderr.take().expect("was asked for"));
    let status = wait(&mut child, limit)?;
    let join = |text: std::thread::JoinHandle<String>| text.join().unwrap_or_default();
    let (out, err) = (join(out), join(err));
    match status {
        Some(0) => Ok(out),
        Some(code) => Err(Trouble::Answered { code, said: format!("{out}{err}") }),
        None => Err(Trouble::Failed(format!("took longer than {limit:?}"))),
    }
}

fn collect(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        // What is no text says nothing to us.
        let _partial = from.read_to_string(&mut text);
        text
    })
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<i32>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.code().unwrap_or(255)));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
