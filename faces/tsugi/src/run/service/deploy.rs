//! `service deploy`: a package becomes what the services of a group run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;
use tsugi_messages::{self as messages, Message, Phrase, phrase};
use tsugi_package::deploy::{Deployment, Ended, Go, Next, Told, Unended};
use tsugi_package::manifest::Manifest;
use tsugi_package::shelf::Shelf;
use tsugi_package::{Digest, Refused, archive, deployed, fit};
use tsugi_serve::services::number;
use tsugi_serve::shelf::{self, InStore};
use tsugi_service_rules::package::{self, Data, Event, Order, State};
use tsugi_store::{Known, Looked, OpenRefused, Opening, Package, Packages, Stands};
use tsugi_vocabulary::GroupName;

use super::refused::No;
use super::rows;
use super::volume;
use crate::args::Deploy;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Observed, Out, Schema};

const SCHEMA: Schema = Schema::first("tsugi.deployment");

/// A package that is to be deployed, and where to.
struct Asked<'a> {
    file: &'a Path,
    id: Digest,
    manifest: Manifest,
    volume: PathBuf,
    group: GroupName,
    looked: Option<Looked>,
    /// The server that keeps the store, with its password, where the volume does not.
    server: Option<String>,
}

/// What a deployment has come to.
struct Done {
    state: State,
    message: Message,
    /// What will be done, where it is only to be shown.
    steps: Vec<Phrase>,
}

/// Carries it out; what is told of it is given back as well.
pub(super) fn deploy(agents: &Agents, out: &Out, asked: &Deploy) -> (Exit, Vec<Message>) {
    let done = look(agents, asked).and_then(|found| {
        let done = if asked.dry_run { would(&found) } else { does(&found) }?;
        Ok((found, done))
    });
    match done {
        Ok((found, done)) => {
            (show(out, &found, (&done, asked.dry_run)), vec![done.message.clone()])
        }
        Err(no) => {
            let told = no.problems.iter().map(|(_, message)| message.clone()).collect();
            (no.tell(out, &asked.package), told)
        }
    }
}

/// Looks at the package, all of it, and at the store, before anything is touched.
fn look<'a>(agents: &Agents, asked: &'a Deploy) -> Result<Asked<'a>, No> {
    let file = asked.package.as_path();
    let server = asked.postgres.as_deref();
    let server =
        server.map(|server| tsugi_serve::server_of(server, asked.password_file.as_deref()));
    let server = server.transpose().map_err(|message| No::whole(*message))?;
    let unfit = |trouble| No::package(file, &trouble);
    let (id, _) = archive::identify(file).map_err(unfit)?;
    let manifest = fit::examine(file).map_err(unfit)?.manifest;
    let (volume, group, looked) = volume::find(agents, (&asked.volume, &asked.group))?;
    let Some(group) = group else {
        return Err(No::whole(messages::volume_without_group(volume.display())));
    };
    let known = looked.iter().flat_map(|looked| &looked.packages);
    if let Some(message) = taken(&manifest, known) {
        return Err(No::whole(message));
    }
    let all = looked.iter().flat_map(|looked| &looked.packages);
    let ran: Vec<_> =
        all.filter(|known| known.stands != Stands::Kept && known.id != id.0).collect();
    if let Some(refused) = now_reads(&manifest, &rows::shelf(&volume), &ran) {
        return Err(unfit(refused.into()));
    }
    Ok(Asked { file, id, manifest, volume, group, looked, server })
}

/// Why a service may not only read from now on: a package that has run acted under its name. What
/// cannot be read of one says nothing; the daemon that has the volume looks again.
fn now_reads(manifest: &Manifest, folder: &Path, ran: &[&Known]) -> Option<Refused> {
    let shelf = folder.is_dir().then(|| Shelf::open(folder).ok()).flatten()?;
    let before = ran.iter().filter_map(|known| deployed::manifest(&shelf, Digest(known.id)).ok());
    before.into_iter().find_map(|before| manifest.now_reads(&before))
}

/// Whose service one of the package is already, by its name or by what the store knows it by. Were
/// both current, neither of them would run.
fn taken<'a>(manifest: &Manifest, mut known: impl Iterator<Item = &'a Known>) -> Option<Message> {
    let numbered = |name: &String| (number(name), name.clone());
    let own: BTreeMap<_, _> =
        manifest.services.iter().map(|service| numbered(&service.name)).collect();
    known.find_map(|known| {
        let stays = known.stands == Stands::Current && known.name != manifest.name;
        let theirs = known.services.iter().filter(|_| stays);
        let (service, same) =
            theirs.filter_map(|same| Some((own.get(&number(same))?, same))).next()?;
        Some(messages::service_of_another_package(service, same, &known.name, Digest(known.id)))
    })
}

/// What a deployment would do, by the rules that it is done by.
fn would(asked: &Asked<'_>) -> Result<Done, No> {
    let folder = rows::shelf(&asked.volume);
    let file = match folder.is_dir() {
        true => Shelf::open(&folder).and_then(|shelf| shelf.found(asked.id)),
        false => Ok(package::File::None),
    };
    let file = file.map_err(|failed| No::failed(&failed))?;
    let known = asked.looked.iter().flat_map(|looked| &looked.packages);
    let stands = known.clone().find(|known| known.id == asked.id.0).map(|known| known.stands);
    let current = known
        .filter(|known| known.stands == Stands::Current)
        .find(|known| known.name == asked.manifest.name && known.id != asked.id.0);
    let (mut state, mut orders) = package::at_open(file, rows::row(stands));
    let mut event = Some(Event::Deploy);
    while let Some(now) = event.take() {
        let (after, more) = package::step(state, now);
        state = after;
        // Each order is taken to be carried out: this is what follows where nothing fails.
        event = more.iter().find_map(|order| follows(*order));
        orders.extend(more);
    }
    let replaced = current.map(|known| Digest(known.id));
    let steps = orders.iter().filter_map(|order| step(asked, *order, replaced)).collect();
    let message = match state {
        State::Current if stands == Some(Stands::Current) => {
            messages::package_is_current(&asked.manifest.name, asked.id)
        }
        _ => messages::package_would_be_deployed(&asked.manifest.name, asked.id),
    };
    Ok(Done { state, message, steps })
}

/// What happens when an order was carried out.
fn follows(order: Order) -> Option<Event> {
    match order {
        Order::Copy => Some(Event::Copied),
        Order::Examine => Some(Event::Examined(package::Examined::Fits)),
        Order::Name => Some(Event::Named),
        Order::Keep => Some(Event::Kept),
        Order::Make(_) => Some(Event::Made),
        Order::DeleteRow
        | Order::DeleteFile
        | Order::Replace
        | Order::TellCurrent
        | Order::TellUnderWay
        | Order::TellUnfit
        | Order::TellMissing
        | Order::TellFailed => None,
    }
}

/// What an order comes to, in words.
fn step(asked: &Asked<'_>, order: Order, replaced: Option<Digest>) -> Option<Phrase> {
    let shelf = rows::shelf(&asked.volume);
    match order {
        Order::Copy => Some(phrase::deploy_copies(shelf.display())),
        Order::Examine => Some(phrase::deploy_examines()),
        Order::Make(Data::OfNewFiles | Data::Never) => {
            let name = &asked.manifest.name;
            Some(match replaced {
                Some(former) => phrase::deploy_makes_current_for(name, former),
                None => phrase::deploy_makes_current(name),
            })
        }
        Order::Replace => Some(phrase::deploy_replaces(&asked.group)),
        Order::DeleteFile => Some(phrase::deploy_clears(shelf.display())),
        Order::TellMissing => Some(phrase::deploy_puts_back(shelf.display())),
        Order::Name
        | Order::Keep
        | Order::DeleteRow
        | Order::TellCurrent
        | Order::TellUnderWay
        | Order::TellUnfit
        | Order::TellFailed => None,
    }
}

/// Deploys it. A death at any point leaves all of it or nothing: the next one goes on from there.
fn does(asked: &Asked<'_>) -> Result<Done, No> {
    if let Some(server) = &asked.server {
        return does_beside(asked, server);
    }
    let opened = rows::open(&asked.volume, (asked.looked.as_ref(), &asked.group));
    carry_out(asked, &mut opened.map_err(|why| not_opened(asked, &why))?)
}

/// Deploys it on a member's folder, and for the group once: no member runs then. What is current is
/// put into a further member's folder whoever runs: no row is changed by that.
fn does_beside(asked: &Asked<'_>, server: &str) -> Result<Done, No> {
    let in_use = || not_opened(asked, &OpenRefused::InUse(asked.volume.display().to_string()));
    let unknown = |why: &dyn std::fmt::Display| {
        No::whole(messages::store_not_opened(asked.volume.display(), why))
    };
    let taken_here = shelf::take(&asked.volume).map_err(|why| unknown(&why))?;
    let _volume = taken_here.ok_or_else(in_use)?;
    let mut store = rows::join(server, &asked.group).map_err(|why| not_opened(asked, &why))?;
    let all = store.packages().map_err(|why| unknown(&why))?;
    let current = |package: &Package| package.stands == Stands::Current;
    let again = all.iter().any(|package| package.id == asked.id.0 && current(package));
    if store.opening() == Opening::Joined && !again {
        return Err(in_use());
    }
    let known: Vec<Known> = all.into_iter().map(known).collect();
    if let Some(message) = taken(&asked.manifest, known.iter()) {
        return Err(No::whole(message));
    }
    carry_out(asked, &mut store)
}

fn known(package: Package) -> Known {
    let Package { id, name, services, stands, at } = package;
    Known { id, name, services, stands, at }
}

fn carry_out(asked: &Asked<'_>, store: &mut impl Packages) -> Result<Done, No> {
    let shelf = Shelf::open(&rows::shelf(&asked.volume)).map_err(|failed| No::failed(&failed))?;
    let ended = deployed((&shelf, store), asked.file, &mut |_| Go::On);
    let ended = match ended {
        Ok((_, ended)) => ended,
        Err(Unended::NoPackage(trouble)) => return Err(No::package(asked.file, &trouble)),
        Err(other) => return Err(No::whole(messages::deploy_failed(asked.file.display(), other))),
    };
    done(asked, ended)
}

/// Deploys a package and takes those away that are too old, asked before every step.
fn deployed(
    (shelf, store): (&Shelf, &mut impl Packages),
    file: &Path,
    go: &mut dyn FnMut(Next<'_>) -> Go,
) -> Result<(Digest, Ended), Unended> {
    let mut rows = InStore(store);
    let (id, ended) = Deployment { shelf, rows: &mut rows, go: &mut *go }.deploy(file)?;
    for old in too_old(rows.0) {
        let mut deployment = Deployment { shelf, rows: &mut rows, go: &mut *go };
        deployment.on(old, State::Former, Event::Old)?;
    }
    Ok((id, ended))
}

/// Former packages that have too many newer ones of their name. One that cannot be told is kept.
fn too_old(store: &mut impl Packages) -> Vec<Digest> {
    let mut all = store.packages().unwrap_or_default();
    all.retain(|known| known.stands == Stands::Former);
    all.sort_by_key(|known| std::cmp::Reverse(known.at));
    let newer = |at: usize| all[..at].iter().filter(|other| other.name == all[at].name).count();
    let none = tsugi_vocabulary::Span::ZERO;
    let old = (0..all.len()).filter(|at| package::is_old(State::Former, newer(*at), none));
    old.map(|at| Digest(all[at].id)).collect()
}

fn done(asked: &Asked<'_>, ended: Ended) -> Result<Done, No> {
    let (name, id) = (&asked.manifest.name, asked.id);
    let mut message = messages::package_deployed(name, id, &asked.group);
    for told in ended.told {
        match told {
            Told::Current => message = messages::package_is_current(name, id),
            Told::Replace => {}
            Told::Unfit(refused) => return Err(No::refused(asked.file, &refused)),
            Told::UnderWay | Told::Missing => {
                let why = format!("{:?}", ended.state);
                return Err(No::whole(messages::deploy_failed(asked.file.display(), why)));
            }
            Told::Failed(problem) => {
                return Err(No::whole(messages::deploy_failed(asked.file.display(), problem)));
            }
        }
    }
    Ok(Done { state: ended.state, message, steps: Vec::new() })
}

fn not_opened(asked: &Asked<'_>, why: &OpenRefused) -> No {
    match why {
        OpenRefused::InUse(_) => {
            No::whole(messages::volume_in_use(asked.volume.display(), &asked.group))
        }
        other => No::whole(messages::store_not_opened(asked.volume.display(), other)),
    }
}

fn show(out: &Out, asked: &Asked<'_>, (done, dry): (&Done, bool)) -> Exit {
    let steps: Vec<String> = done.steps.iter().map(|step| step.text(out.language)).collect();
    let services: Vec<_> = asked.manifest.services.iter().map(|one| one.name.clone()).collect();
    let content = json!({
        "name": asked.manifest.name,
        "id": asked.id.to_string(),
        "volume": asked.volume.display().to_string(),
        "group": asked.group.as_str(),
        "dry_run": dry,
        "current": done.state == State::Current,
        "services": services,
        "steps": steps,
        "message": done.message.to_json(out.language),
    });
    out.show(SCHEMA, &Observed::here(), &content, || {
        steps.iter().cloned().chain([done.message.line(out.language)]).collect()
    });
    Exit::Done
}

#[cfg(test)]
mod tests;
