//! The steps by which a volume comes up: made primary or taken from whoever its storage keeps it
//! for, checked, mounted, and watched.

use std::path::PathBuf;

use tsugi_cluster_rules::desk::Told;
use tsugi_cluster_rules::reservation::{Key, Reservation};
use tsugi_cluster_rules::spec::{ResourceKind, ResourceSpec, VolumeCheck, VolumeSource};
use tsugi_host::request::{Limits, Program, Purpose, Request, Right, Source};
use tsugi_vocabulary::{Epoch, GroupName, Span};

use crate::mirror::{self, step::Action};
use crate::reservation::{self, Action as Reserving};

use super::recipe::{free, lease, tail};
use super::{Job, Step, Surroundings, source};

/// All of them, in their order.
pub(super) fn start(
    (job, around, resource): (&Job, &Surroundings, &ResourceSpec),
    told: Told,
) -> Result<Vec<Step>, String> {
    let place = (job, around, resource);
    let primary = mirrored(place, Action::promote(&told)).map(Step::Mirror);
    let taken = reserved(place, Reserving::Take)?.map(Step::Reserve);
    let always = matches!(resource.kind, ResourceKind::Volume { check: VolumeCheck::Always, .. });
    let mounted = match always {
        true => checked_mount(job, around, resource),
        false => mount(job, around, resource),
    };
    Ok(primary.into_iter().chain(taken).chain(mounted).chain(watched(place)?).collect())
}

fn mount(job: &Job, around: &Surroundings, resource: &ResourceSpec) -> Vec<Step> {
    let ResourceKind::Volume { source: from, mount, .. } = &resource.kind else {
        return Vec::new();
    };
    let dir = PathBuf::from(mount);
    let source = match from {
        VolumeSource::Directory => Source::Directory(dir.clone()),
        VolumeSource::Block(text) => source(around, text),
    };
    vec![Step::Ask(Request::Mount { right: lease(job), source, dir })]
}

/// Has DRBD make a volume primary or secondary, if it is DRBD's.
pub(super) fn mirrored(
    (job, around, resource): (&Job, &Surroundings, &ResourceSpec),
    action: Action,
) -> Option<Request> {
    let (name, device) = mirror::drbd(resource)?;
    let (right, purpose, limit) = match action {
        Action::Promote(..) => (lease(job), Purpose::Start, resource.start_limit),
        // Nobody who ends the group ends it.
        Action::Thaw | Action::Sever => (aside()?, Purpose::Stop, THAWED_IN),
        Action::Demote | Action::GiveUp { .. } | Action::Connect | Action::Resume => {
            (free(job), Purpose::Stop, resource.stop_limit)
        }
    };
    let device = around.data_dir.join(device);
    let mut argv = vec![around.tsugi.clone(), mirror::step::WORD.to_owned()];
    argv.extend(mirror::step::words(action, (name, &device), limit));
    let mut program = by_root((around, resource), (right, purpose), argv, limit);
    program.env.push(("TSUGI_RUN_DIR".to_owned(), around.run_dir.display().to_string()));
    Some(Request::Spawn(program))
}

/// How long it may take until nothing waits for DRBD any more.
const THAWED_IN: Span = Span::secs(20);

fn aside() -> Option<Right> {
    let group = GroupName::new("tsugi-frozen").ok()?;
    Some(Right::Free { group, epoch: Epoch::NONE })
}

/// Takes a volume from whoever its storage keeps it for, or watches it, if its storage does.
fn reserved(
    (job, around, resource): (&Job, &Surroundings, &ResourceSpec),
    action: Reserving,
) -> Result<Option<Request>, String> {
    let ResourceKind::Volume {
        source: VolumeSource::Block(device),
        reservation: Some(Reservation::Scsi),
        ..
    } = &resource.kind
    else {
        return Ok(None);
    };
    let Some(key) = Key::of(around.cluster, &job.group, job.epoch) else {
        return Err(format!("epoch {} is too large for a key", job.epoch));
    };
    let device = around.data_dir.join(device);
    let mut argv = vec![around.tsugi.clone(), reservation::WORD.to_owned()];
    argv.extend(reservation::words(action, (&device, key), resource.start_limit));
    let purpose = match action {
        Reserving::Take => Purpose::Start,
        Reserving::Watch => Purpose::Service,
    };
    let how = (lease(job), purpose);
    let mut program = by_root((around, resource), how, argv, resource.start_limit);
    program.time_limit = program.time_limit.filter(|_| action == Reserving::Take);
    Ok(Some(Request::Spawn(program)))
}

/// Has a program look whether a volume is kept for this node still, once it is mounted: the end of
/// that program is a failure of the volume.
pub(super) fn watched(place: (&Job, &Surroundings, &ResourceSpec)) -> Result<Option<Step>, String> {
    Ok(reserved(place, Reserving::Watch)?.map(Step::Start))
}

/// Mounts a volume after its file system was checked.
pub(super) fn checked_mount(
    job: &Job,
    around: &Surroundings,
    resource: &ResourceSpec,
) -> Vec<Step> {
    let mut steps = mount(job, around, resource);
    let path = match steps.first() {
        Some(Step::Ask(Request::Mount {
            source: Source::Image(p) | Source::Device(p), ..
        })) => p,
        _ => return steps,
    };
    let argv =
        vec!["/sbin/e2fsck".to_owned(), "-p".to_owned(), path.to_string_lossy().into_owned()];
    let how = (lease(job), Purpose::Start);
    let check = by_root((around, resource), how, argv, resource.start_limit);
    steps.insert(0, Step::Check(Request::Spawn(check)));
    steps
}

/// A program that a volume needs, with the rights of root and nothing of its group's.
fn by_root(
    (around, resource): (&Surroundings, &ResourceSpec),
    (right, purpose): (Right, Purpose),
    argv: Vec<String>,
    limit: Span,
) -> Program {
    Program {
        right,
        name: resource.name.clone(),
        purpose,
        argv,
        env: vec![
            ("PATH".to_owned(), around.path.clone()),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ],
        dir: None,
        user: Some((0, 0)),
        limits: Limits::default(),
        output: tail(),
        time_limit: Some(limit),
    }
}
