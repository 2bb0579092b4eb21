//! Which steps an act takes, by kind of resource.

use std::path::PathBuf;
use std::sync::Arc;

use tsugi_cluster_rules::desk::{Act, Before, Disk, Probe, ScriptEvent, Told};
use tsugi_cluster_rules::monitors::{Notice, OnFailure};
use tsugi_cluster_rules::spec::{
    Check, FencePolicy, GroupSpec, Monitor, OnRecover, ProcessHow, ResourceKind, ResourceSpec,
    VolumeSource,
};
use tsugi_cluster_rules::start_kind::StartKind;
use tsugi_cluster_rules::watch::Load;
use tsugi_host::request::{
    Limits, Output, PROBE_LONGEST, Program, Purpose, Request, Right, TAIL_LONGEST, Unmounting,
};
use tsugi_vocabulary::{Epoch, GroupName, ResourceName, Span};

use crate::mirror::step::Action;

use super::{Job, LOG_LIMIT, Step, Surroundings, folder, ocf, volume};

/// How long `tsugi monitor …` waits for an answer if nobody says so.
const PATIENCE: Span = Span::secs(5);
/// How long the network is listened to for a conflict before an address is taken. A neighbour on
/// the same link answers in well under a millisecond.
const PROBE: Span = Span::millis(5);
/// How often, and each time how long, where somebody had it: their machine may be a busy one. What
/// answers one question late is heard by the next.
const INSIST: [Span; 30] = [PROBE_LONGEST; 30];

/// The steps of a job, or why it cannot be done here at all.
pub(super) fn steps(job: &Job, around: &Surroundings) -> Result<Vec<Step>, String> {
    let find = |name: &ResourceName| {
        let found = job.spec.resources.iter().find(|r| r.name == *name);
        found.ok_or_else(|| format!("no resource {name}"))
    };
    match &job.what {
        Act::Start { resource, told, probe } => {
            start(job, around, find(resource)?, (*told, *probe))
        }
        Act::Stop { resource, told } => stop(job, around, find(resource)?, *told),
        Act::LetGo => Ok(let_go(job, around)),
        Act::Restart { resource, told } => restart(job, around, find(resource)?, *told),
        Act::Notify { notice, told } => {
            notify(job, around, (find(&notice.id.resource)?, notice), *told)
        }
        Act::Ask { id, told } => {
            ask(job, around, (find(&id.resource)?, id.monitor.as_ref()), *told)
        }
        Act::MoveAddress { resource, link } => move_address(job, find(resource)?, link),
        Act::Load { slot, load, told } => watched(job, around, (slot, load), *told),
        Act::End { slot, within } => {
            Ok(vec![Step::End { resource: slot.clone(), within: *within }])
        }
        Act::Recover { told } => recover(job, around, *told),
        Act::Adopt => Ok([ocf::find(job, around), vec![Step::Look]].concat()),
    }
}

pub(super) fn lease(job: &Job) -> Right {
    Right::Lease { group: job.group.clone(), epoch: job.epoch }
}

pub(super) fn free(job: &Job) -> Right {
    Right::Free { group: job.group.clone(), epoch: job.epoch }
}

fn start(
    job: &Job,
    around: &Surroundings,
    resource: &ResourceSpec,
    (told, probe): (Told, Probe),
) -> Result<Vec<Step>, String> {
    match &resource.kind {
        ResourceKind::Address { links, .. } => {
            let Some(link) = links.first() else { return Ok(Vec::new()) };
            Ok(add(job, resource, (link, probe)))
        }
        ResourceKind::Volume { .. } => volume::start((job, around, resource), told),
        ResourceKind::Ocf { .. } | ResourceKind::Unit { .. } => {
            Ok(ocf::start((job, around, resource)))
        }
        ResourceKind::Process { how, user, .. } => {
            let user = user.as_deref().map(user_ids).transpose()?;
            let whose = (&resource.name, &lease(job), user);
            let mut steps = folder::make((job, around), whose)?;
            if told.before == Before::Unclean {
                let how = (lease(job), Purpose::Start);
                steps.extend(cleanup((job, around, resource), how, told)?.map(Step::Script));
            }
            match how {
                ProcessHow::Program { run, ready } => {
                    let file = log_of(job, around, resource);
                    let from = std::fs::metadata(&file).map_or(0, |m| m.len());
                    let output = Output::File { path: file.clone(), limit: LOG_LIMIT };
                    let program = program(
                        (job, around, resource),
                        (lease(job), Purpose::Service),
                        run,
                        told,
                        (output, None),
                    )?;
                    steps.push(Step::Start(Request::Spawn(program)));
                    if let Some(line) = ready.clone() {
                        let within = resource.start_limit;
                        let resource = resource.name.clone();
                        steps.push(Step::Ready { resource, file, line, from, within });
                    }
                    Ok(steps)
                }
                ProcessHow::Scripts { start, running, .. } => {
                    let limit = Some(resource.start_limit);
                    let place = (job, around, resource);
                    let right = (lease(job), Purpose::Start);
                    let script = program(place, right, start, told, (kept(place), limit))?;
                    if let Some(running) = running {
                        // Under the lease as well: it may find out by touching what it guards.
                        let right = (lease(job), Purpose::Monitor);
                        let check = program(place, right, running, told, (tail(), limit))?;
                        steps.push(Step::Unless(Request::Spawn(check)));
                    }
                    steps.push(Step::Script(Request::Spawn(script)));
                    Ok(steps)
                }
            }
        }
    }
}

/// The start scripts that are told of a node's return, one after the other, also if one fails.
/// The group runs elsewhere: they have neither its lease nor its epoch, and nothing that they
/// start stays; what a former agent has told first is ended, and their folders go with them.
fn recover(job: &Job, around: &Surroundings, told: Told) -> Result<Vec<Step>, String> {
    let right = Right::Free { group: job.group.clone(), epoch: Epoch::NONE };
    let mut steps = vec![Step::Ask(Request::KillGroup { group: job.group.clone() })];
    let mut folders = Vec::new();
    // What runs have left that were here before the loss goes as well: nothing of them is here.
    let first = job.spec.start_order().into_iter().next();
    let left =
        first.and_then(|first| folder::remove_all((job, around), (&first.name, right.clone())));
    for resource in job.spec.start_order() {
        let ResourceKind::Process { how: ProcessHow::Scripts { start, .. }, user, .. } =
            &resource.kind
        else {
            continue;
        };
        if resource.kind.on_recover() == OnRecover::Skip {
            continue;
        }
        let user = user.as_deref().map(user_ids).transpose()?;
        steps.extend(folder::make((job, around), (&resource.name, &right, user))?);
        let how = (right.clone(), Purpose::Monitor);
        let place = (job, around, resource);
        let limit = (kept(place), Some(resource.start_limit));
        let script = program(place, how, start, told, limit)?;
        steps.push(Step::Script(Request::Spawn(script)));
        folders.push((&resource.name, user));
    }
    let over = folders.into_iter();
    steps.extend(over.map(|whose| folder::remove_own((job, around), &right, whose)));
    steps.extend(left);
    Ok(steps)
}

/// A watched program is a service of the group beside its resources, under the same lease.
fn watched(
    job: &Job,
    around: &Surroundings,
    (slot, load): (&ResourceName, &Load),
    told: Told,
) -> Result<Vec<Step>, String> {
    let path = around.log_dir.join(format!("{}.{slot}.log", job.group));
    let user = load.user.as_deref().map(user_ids).transpose()?;
    let mut steps = folder::make((job, around), (slot, &lease(job), user))?;
    let program = Program {
        right: lease(job),
        name: slot.clone(),
        purpose: Purpose::Service,
        argv: load.run.clone(),
        env: script_environment(job, around, (told, user)),
        dir: load.dir.as_ref().map(PathBuf::from),
        user,
        limits: Limits::default(),
        output: Output::File { path, limit: LOG_LIMIT },
        time_limit: None,
    };
    steps.push(Step::Start(Request::Spawn(program)));
    Ok(steps)
}

fn stop(
    job: &Job,
    around: &Surroundings,
    resource: &ResourceSpec,
    told: Told,
) -> Result<Vec<Step>, String> {
    let mut steps = match &resource.kind {
        ResourceKind::Address { links, .. } if links.is_empty() => Vec::new(),
        ResourceKind::Address { address, .. } => {
            vec![Step::Ask(Request::RemoveAddress { address: *address })]
        }
        ResourceKind::Volume { source: VolumeSource::Directory, .. } => Vec::new(),
        ResourceKind::Volume { mount, retries, .. } => {
            let how = if retries.release == 0 { Unmounting::Orderly } else { around.unmounting };
            let dir = PathBuf::from(mount);
            let release = Step::Ask(Request::Unmount { dir, how });
            let secondary = volume::mirrored((job, around, resource), Action::Demote);
            [release].into_iter().chain(secondary.map(Step::Mirror)).collect()
        }
        ResourceKind::Process { how: ProcessHow::Program { .. }, .. } => {
            vec![Step::End { resource: resource.name.clone(), within: resource.stop_limit }]
        }
        ResourceKind::Process { how: ProcessHow::Scripts { stop, .. }, .. } => {
            let script = program(
                (job, around, resource),
                (free(job), Purpose::Stop),
                stop,
                told,
                (kept((job, around, resource)), Some(resource.stop_limit)),
            )?;
            vec![Step::Script(Request::Spawn(script))]
        }
        ResourceKind::Ocf { .. } | ResourceKind::Unit { .. } => ocf::stop((job, around, resource)),
    };
    if told.before == Before::Unclean {
        // The stop has done its part whatever comes of this; its own output says why.
        let how = (free(job), Purpose::Stop);
        steps.extend(cleanup((job, around, resource), how, told)?.map(Step::Try));
    }
    // What looks after a volume ends before it is looked for what is left.
    let end_of_watch = resource.kind.reservation().map(|_| {
        let (resource, within) = (resource.name.clone(), resource.stop_limit);
        Step::End { resource, within }
    });
    // The last stop of a group is the proof that nothing of it is left (I25).
    if job.spec.start_order().first().is_some_and(|first| first.name == resource.name) {
        let group = job.group.clone();
        let proof = Step::Ask(Request::KillGroup { group });
        // What scripts have loaded and not ended themselves is asked to end before.
        let rest = Step::EndRest { within: resource.stop_limit };
        let folders = folder::remove_all((job, around), (&resource.name, free(job)));
        let last = [Some(rest), folders, Some(proof)].into_iter().flatten();
        match resource.kind {
            ResourceKind::Process { .. } | ResourceKind::Ocf { .. } | ResourceKind::Unit { .. } => {
                steps.extend(last);
            }
            ResourceKind::Address { .. } | ResourceKind::Volume { .. } => {
                steps.splice(0..0, last);
            }
        }
    }
    steps.splice(0..0, end_of_watch);
    Ok(steps)
}

fn let_go(job: &Job, around: &Surroundings) -> Vec<Step> {
    let kill = || Request::KillGroup { group: job.group.clone() };
    let mut steps = vec![Step::Ask(kill())];
    for resource in &job.spec.resources {
        if let ResourceKind::Address { address, links, .. } = &resource.kind
            && !links.is_empty()
        {
            steps.push(Step::Ask(Request::RemoveAddress { address: *address }));
        }
    }
    let action = match job.spec.fence {
        // DRBD freezes it, and may notice only while it is unmounted that the other side is gone.
        FencePolicy::Mirror => Action::Sever,
        FencePolicy::Lease | FencePolicy::SelfFence | FencePolicy::Confirmed => Action::Thaw,
    };
    let frozen = |resource| volume::mirrored((job, around, resource), action);
    let thaws: Vec<Step> = job.spec.resources.iter().filter_map(frozen).map(Step::Try).collect();
    if !thaws.is_empty() {
        // What writes to a mirror that is frozen is killed and does not end: it does not run any
        // more either, nor answers anybody, and ends once what it waits for has failed.
        steps[0] = Step::Try(kill());
        steps.extend(thaws);
        steps.push(Step::Ask(kill()));
    }
    for resource in job.spec.start_order().into_iter().rev() {
        if let ResourceKind::Volume { source: VolumeSource::Block(_), mount, .. } = &resource.kind {
            let (dir, how) = (PathBuf::from(mount), Unmounting::Emergency);
            steps.push(Step::Ask(Request::Unmount { dir, how }));
            // Nothing of the group is here whatever comes of it; DRBD keeps a second primary off.
            let secondary = volume::mirrored((job, around, resource), Action::Demote);
            steps.extend(secondary.map(Step::Try));
        }
        steps.extend(ocf::let_go((job, around, resource)));
    }
    steps
}

fn ask(
    job: &Job,
    around: &Surroundings,
    (resource, name): (&ResourceSpec, Option<&ResourceName>),
    told: Told,
) -> Result<Vec<Step>, String> {
    if let ResourceKind::Ocf { .. } | ResourceKind::Unit { .. } = &resource.kind {
        return Ok(ocf::ask((job, around, resource)));
    }
    let Some(Monitor { check, limit, .. }) = resource.monitor(name) else { return Ok(Vec::new()) };
    let script = program(
        (job, around, resource),
        (free(job), Purpose::Monitor),
        &asking(check, around, *limit),
        told,
        (tail(), Some(*limit)),
    )?;
    Ok(vec![Step::Script(Request::Spawn(script))])
}

/// The method that starts a resource again where it is; what it leaves running is the group's.
fn restart(
    job: &Job,
    around: &Surroundings,
    resource: &ResourceSpec,
    told: Told,
) -> Result<Vec<Step>, String> {
    let Some(command) = resource.restart() else {
        return Err(format!("{} has no restart method", resource.name));
    };
    let place = (job, around, resource);
    let mut steps = cleanup(place, (lease(job), Purpose::Start), told)?.map(Step::Script);
    let limit = Some(resource.start_limit);
    let script = program(place, (lease(job), Purpose::Start), command, told, (kept(place), limit))?;
    let script = Step::Script(Request::Spawn(script));
    Ok(steps.take().into_iter().chain([script]).collect())
}

/// The name that the hands know notify methods by: what they do is not ended with the group that
/// they speak of. No group of a configuration is called so.
const NOTIFY: &str = "tsugi-notify";

/// The notify method of a monitor. It belongs to no group, and ends at its own limit.
fn notify(
    job: &Job,
    around: &Surroundings,
    (resource, notice): (&ResourceSpec, &Notice),
    told: Told,
) -> Result<Vec<Step>, String> {
    let monitor = resource.monitor(notice.id.monitor.as_ref());
    let Some(method) = monitor.and_then(|m| m.notify.as_ref()) else { return Ok(Vec::new()) };
    let group = GroupName::new(NOTIFY).map_err(|refused| refused.to_string())?;
    let right = Right::Free { group, epoch: job.epoch };
    let place = (job, around, resource);
    let limit = (tail(), Some(method.limit));
    let mut script = program(place, (right, Purpose::Monitor), &method.run, told, limit)?;
    let action = match notice.action {
        OnFailure::Notify => "notify",
        OnFailure::Fallover => "fallover",
    };
    let name = notice.id.monitor.as_ref().map_or("", ResourceName::as_str);
    let times = notice.times.to_string();
    let pairs = [
        ("TSUGI_FAILED_GROUP", job.group.as_str()),
        ("TSUGI_FAILED_RESOURCE", resource.name.as_str()),
        ("TSUGI_FAILED_MONITOR", name),
        ("TSUGI_FAILED_HOW", notice.how.as_str()),
        ("TSUGI_FAILED_TIMES", times.as_str()),
        ("TSUGI_FAILED_ACTION", action),
    ];
    script.env.extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    Ok(vec![Step::Script(Request::Spawn(script))])
}

/// What takes away what a failure of a resource has left.
fn cleanup(
    place: (&Job, &Surroundings, &ResourceSpec),
    how: (Right, Purpose),
    told: Told,
) -> Result<Option<Request>, String> {
    let ResourceKind::Process { cleanup: Some(command), .. } = &place.2.kind else {
        return Ok(None);
    };
    let limit = Some(place.2.stop_limit);
    program(place, how, command, told, (kept(place), limit)).map(|it| Some(Request::Spawn(it)))
}

/// The command that asks what a monitor asks.
pub(crate) fn asking(check: &Check, around: &Surroundings, limit: Span) -> Vec<String> {
    let (kind, of) = match check {
        Check::Run(command) => return command.clone(),
        Check::Tcp(to) => ("tcp", to.clone()),
        Check::Http(url) => ("http", url.clone()),
        Check::Ping(host) => ("ping", host.to_string()),
        Check::Link(name) => ("link", name.clone()),
        Check::Disk(path) => ("disk", path.clone()),
    };
    let mut words = vec![around.tsugi.clone(), "monitor".to_owned(), kind.to_owned(), of];
    // What it waits for by itself must not be shorter than what it may take.
    let waits = matches!(check, Check::Tcp(_) | Check::Http(_) | Check::Ping(_));
    if waits && limit > PATIENCE {
        words.extend(["--within".to_owned(), format!("{}ms", limit.as_millis())]);
    }
    words
}

fn move_address(job: &Job, resource: &ResourceSpec, link: &str) -> Result<Vec<Step>, String> {
    match &resource.kind {
        // Where it is already nothing happens to it; off another link it is taken first.
        ResourceKind::Address { .. } => Ok(add(job, resource, (link, Probe::NotNeeded))),
        ResourceKind::Volume { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. }
        | ResourceKind::Unit { .. } => Err(format!("{} is no address", resource.name)),
    }
}

/// Puts an address on a link and tells the network.
pub(super) fn add(job: &Job, resource: &ResourceSpec, (link, probe): (&str, Probe)) -> Vec<Step> {
    let ResourceKind::Address { address, prefix, .. } = &resource.kind else { return Vec::new() };
    let (link, address, prefix) = (link.to_owned(), *address, *prefix);
    let waits: &[Span] = match probe {
        Probe::NotNeeded => &[],
        Probe::Once => &[PROBE],
        Probe::Insistent => &INSIST,
    };
    let ask = |wait: &Span| Request::Probe { link: link.clone(), address, wait: *wait };
    let mut steps: Vec<Step> = waits.iter().map(ask).map(Step::Probe).collect();
    let (right, on) = (lease(job), link.clone());
    steps.push(Step::Ask(Request::AddAddress { right, link: on, address, prefix }));
    steps.push(Step::Ask(Request::Announce { link, address }));
    steps
}

/// The output of a script: in the log of its resource, and the end of it with its own end.
fn kept((job, around, resource): (&Job, &Surroundings, &ResourceSpec)) -> Output {
    let file = Output::File { path: log_of(job, around, resource), limit: LOG_LIMIT };
    Output::Both(Box::new(file), Box::new(tail()))
}

pub(super) fn tail() -> Output {
    Output::Tail { keep: TAIL_LONGEST }
}

fn log_of(job: &Job, around: &Surroundings, resource: &ResourceSpec) -> PathBuf {
    around.log_dir.join(format!("{}.{}.log", job.group, resource.name))
}

fn program(
    (job, around, resource): (&Job, &Surroundings, &ResourceSpec),
    (right, purpose): (Right, Purpose),
    argv: &[String],
    told: Told,
    (output, time_limit): (Output, Option<Span>),
) -> Result<Program, String> {
    let ResourceKind::Process { environment, user, .. } = &resource.kind else {
        return Err(format!("{} is no process", resource.name));
    };
    let user = match user {
        None => None,
        Some(name) => Some(user_ids(name)?),
    };
    let mut env = script_environment(job, around, (told, user));
    env.extend(environment.iter().map(|(k, v)| (k.clone(), v.clone())));
    Ok(Program {
        right,
        name: resource.name.clone(),
        purpose,
        argv: argv.to_vec(),
        env,
        dir: None,
        user,
        limits: Limits::default(),
        output,
        time_limit,
    })
}

pub(super) fn user_ids(name: &str) -> Result<(u32, u32), String> {
    match nix::unistd::User::from_name(name) {
        Ok(Some(user)) => Ok((user.uid.as_raw(), user.gid.as_raw())),
        Ok(None) => Err(format!("no user {name} on this node")),
        Err(errno) => Err(format!("user {name}: {errno}")),
    }
}

/// Whose rights a program of a group has in a drill beside the running group, and what it is told.
pub(crate) fn of_a_rehearsal(
    (around, group, epoch, spec): (&Surroundings, &GroupName, Epoch, &GroupSpec),
    user: Option<&str>,
    told: Told,
) -> Result<(folder::User, Vec<(String, String)>), String> {
    let user = user.map(user_ids).transpose()?;
    let (group, spec) = (group.clone(), Arc::new(spec.clone()));
    let job = Job { group, epoch, act: 0, what: Act::LetGo, spec };
    Ok((user, script_environment(&job, around, (told, user))))
}

/// The variables of the script contract: old and new names (CL-03, CL-04, CL-05).
fn script_environment(
    job: &Job,
    around: &Surroundings,
    (told, user): (Told, folder::User),
) -> Vec<(String, String)> {
    let event = match told.event {
        ScriptEvent::Start => "START",
        ScriptEvent::Failover => "FAILOVER",
        ScriptEvent::Recover => "RECOVER",
    };
    let home = job.spec.prefer.first().is_some_and(|n| n.as_str() == around.node);
    let server = if home { "HOME" } else { "OTHER" };
    let kind = match told.kind {
        StartKind::Normal => "normal",
        StartKind::Restart => "restart",
        StartKind::ForcedNormal => "forced-normal",
    };
    let disk = match told.disk {
        Disk::Success => "SUCCESS",
        Disk::Failure => "FAILURE",
    };
    // A program of the group asks the agent that started it, also where there are several.
    let run_dir = around.run_dir.display().to_string();
    let folder = folder::path(job, around, user).display().to_string();
    let pairs = [
        ("TSUGI_RUN_DIR", run_dir.as_str()),
        ("TSUGI_RUN", folder.as_str()),
        ("PATH", around.path.as_str()),
        ("LANG", "C.UTF-8"),
        ("TSUGI_NODE", around.node.as_str()),
        ("TSUGI_START", kind),
        ("ARMS_EVENT", event),
        ("CLP_EVENT", event),
        ("ARMS_SERVER", server),
        ("CLP_SERVER", server),
        ("ARMS_DISK", disk),
        ("CLP_DISK", disk),
        ("TSUGI_REASON", told.reason),
    ];
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}
