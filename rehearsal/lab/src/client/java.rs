//! The caller in Java: the sample as a user starts it, in the network of a client. It is killed in
//! the middle of a call and started again, and goes on with that call under its id.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use super::{Call, CallEnd, Noted};
use crate::Trouble;
use crate::badlink::in_namespace;
use crate::host::disk::output;
use crate::kernel::now;
use crate::product::TOKEN;
use crate::site;

const SOURCE: &str = include_str!("../../../../samples/caller/Caller.java");
/// More than it makes before it is killed.
const CALLS: &str = "100000000";
/// Its serials begin above those of other clients' calls.
pub(super) const SERIALS: u64 = 1 << 48;
/// How long it may take to be answered for the first time, and to end at last.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// How long after a fault it may take to be answered by another.
pub(super) const FINDS: Duration = Duration::from_secs(5);

/// Where and what it calls, in which network, and where its answers are noted.
pub(super) struct Task {
    pub(super) to: SocketAddr,
    pub(super) service: &'static str,
    pub(super) namespace: PathBuf,
    pub(super) noted: Noted,
}

/// The running caller.
#[derive(Debug)]
pub(super) struct JavaCaller {
    child: Child,
    reads: JoinHandle<()>,
    again: Vec<String>,
    namespace: PathBuf,
    noted: Noted,
    /// What its life is known by among those of this run.
    life: u64,
}

impl JavaCaller {
    /// Starts it; its first call may come a while later.
    ///
    /// # Errors
    /// No JDK.
    pub(super) fn start(task: Task) -> Result<Self, Trouble> {
        let dir = Path::new(site::DIR).join("java");
        compile(&dir)?;
        let life = now().as_nanos() as u64 % (1 << 14);
        let state = dir.join(format!("state-{}", now().as_nanos()));
        let Task { to, service, namespace, noted } = task;
        // One that keeps to itself on a machine that is also the cluster.
        let words = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx64m", "-cp"];
        let mut argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        argv.push(dir.display().to_string());
        argv.extend(["Caller", "--at"].map(str::to_owned));
        argv.push(to.to_string());
        argv.extend(["--service", service, "--client"].map(str::to_owned));
        argv.push(format!("java{}", now().as_nanos()));
        argv.push("--state".to_owned());
        argv.push(state.display().to_string());
        let token = dir.join("token");
        std::fs::write(&token, format!("{TOKEN}\n"))?;
        argv.push("--token-file".to_owned());
        argv.push(token.display().to_string());
        argv.push("--calls".to_owned());
        let again = argv.clone();
        argv.push(CALLS.to_owned());
        let (child, reads) = begin(&namespace, argv, (life, Arc::clone(&noted)))?;
        Ok(Self { child, reads, again, namespace, noted, life })
    }

    /// Kills it, whatever becomes of its call.
    pub(super) fn kill(mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }

    /// Kills it and has it make one more call: that which it was killed in, if it was.
    ///
    /// # Errors
    /// That was not answered.
    pub(super) fn end(mut self) -> Result<(), Trouble> {
        self.child.kill()?;
        self.child.wait()?;
        let died = || Trouble::Failed("what reads the Java caller died".into());
        self.reads.join().map_err(|_| died())?;
        self.again.push("1".to_owned());
        let noted = (self.life, Arc::clone(&self.noted));
        let (mut child, reads) = begin(&self.namespace, self.again, noted)?;
        let end = now() + LIMIT;
        let status = loop {
            match child.try_wait()? {
                Some(status) => break status,
                None if now() < end => thread::sleep(Duration::from_millis(10)),
                None => {
                    child.kill()?;
                    break child.wait()?;
                }
            }
        };
        reads.join().map_err(|_| died())?;
        let failed = || Trouble::Failed(format!("the Java caller ended with {status}"));
        status.success().then_some(()).ok_or_else(failed)
    }
}

/// Compiles it once.
fn compile(dir: &Path) -> Result<(), Trouble> {
    std::fs::create_dir_all(dir)?;
    let (source, class) = (dir.join("Caller.java"), dir.join("Caller.class"));
    if class.exists() && std::fs::read_to_string(&source).is_ok_and(|text| text == SOURCE) {
        return Ok(());
    }
    std::fs::write(&source, SOURCE)?;
    let mut javac = Command::new("javac");
    javac.arg("-d").arg(dir).arg(&source);
    output(javac).map(drop)
}

/// Starts it in a network and notes what it is answered.
fn begin(
    namespace: &Path,
    argv: Vec<String>,
    (life, noted): (u64, Noted),
) -> Result<(Child, JoinHandle<()>), Trouble> {
    let start = move || {
        let mut java = Command::new("java");
        java.args(argv).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    };
    let mut child = in_namespace(namespace, start)?;
    let answers = BufReader::new(child.stdout.take().expect("was asked for"));
    let reads = thread::spawn(move || {
        let mut from = now();
        for line in answers.lines().map_while(Result::ok) {
            let until = now();
            let Some((serial, tries, end)) = read(&line) else { continue };
            let serial = SERIALS + (life << 32) + serial;
            let mut noted = noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if tries > 1 {
                let end = CallEnd::Failed(RETRIED.to_owned());
                noted.push(Call { serial, from, until, end, again: true });
            }
            // It is no answer of the even pace by which outages are measured.
            noted.push(Call { serial, from, until, end, again: true });
            from = until;
        }
    });
    Ok((child, reads))
}

/// What is noted of a call of its that needed more than one try.
const RETRIED: &str = "asked again by the Java caller";

/// A line of it: the serial, how often it tried, and the answer.
fn read(line: &str) -> Option<(u64, u64, CallEnd)> {
    let said: Value = serde_json::from_str(line).ok()?;
    let serial = said["id"].as_str()?.rsplit('.').next()?.parse().ok()?;
    let (number, node) = (said["reply"]["lk_counter"].as_u64(), &said["reply"]["lk_hostname"]);
    let end = match (number, node.as_str()) {
        (Some(number), Some(node)) if said["ending"] == "done" => {
            CallEnd::Answered { number, node: node.to_owned(), told_by: None }
        }
        _ => CallEnd::Failed(format!("the Java caller was answered {line}")),
    };
    Some((serial, said["tries"].as_u64()?, end))
}

/// What the Java caller's calls do not show that they have to: some answered before the fault by
/// its old owner and some after it by another, and one at least that was asked again meanwhile.
#[must_use]
pub fn unlike(calls: &[Call], (old, fault): (&str, Duration)) -> Option<String> {
    let own = || calls.iter().filter(|call| call.serial >= SERIALS);
    let by = |call: &&Call, of_old: bool| match &call.end {
        CallEnd::Answered { node, .. } => (node == old) == of_old,
        CallEnd::Failed(_) => false,
    };
    let before = own().filter(|call| call.until <= fault).filter(|call| by(call, true)).count();
    let after = own().filter(|call| call.until > fault).filter(|call| by(call, false)).count();
    let retried = |call: &&Call| call.end == CallEnd::Failed(RETRIED.to_owned());
    let again = own().filter(|call| call.until > fault).filter(retried).count();
    let refused = own().find(|call| matches!(&call.end, CallEnd::Failed(why) if why != RETRIED));
    (before == 0 || after == 0 || again == 0 || refused.is_some()).then(|| {
        format!(
            "the Java caller: {before} answered before, {after} after, {again} asked again, \
             {refused:?}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"id":"java7:1764.12","tries":2,"ending":"done","reply":{"lk_pgmname":
        "CBLAPP01","lk_hostname":"n1","lk_counter":339}}"#;

    #[test]
    fn a_line_of_the_caller_is_read() {
        let end = CallEnd::Answered { number: 339, node: "n1".into(), told_by: None };
        assert_eq!(read(LINE), Some((12, 2, end)));
        assert_eq!(read("goes on with java7:1764.12"), None);
        let ended = LINE.replace("\"done\"", "\"abnormal-end\"");
        assert!(matches!(read(&ended), Some((12, 2, CallEnd::Failed(_)))));
    }

    #[test]
    fn a_caller_that_saw_nothing_of_the_fault_rehearsed_nothing() {
        let ms = Duration::from_millis;
        let call = |until, node: &str| {
            let end = CallEnd::Answered { number: until, node: node.into(), told_by: None };
            Call { serial: SERIALS + until, from: ms(0), until: ms(until), end, again: true }
        };
        let end = CallEnd::Failed(RETRIED.into());
        let again = Call { end, ..call(20, "n2") };
        let all = [call(1, "n1"), again, call(20, "n2")];
        assert_eq!(unlike(&all, ("n1", ms(5))), None);
        assert!(unlike(&all[1..], ("n1", ms(5))).is_some());
        assert!(unlike(&all[..2], ("n1", ms(5))).is_some());
        assert!(unlike(&[all[0].clone(), all[2].clone()], ("n1", ms(5))).is_some());
    }
}
