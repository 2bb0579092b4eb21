//! `service packages`: what a volume has of packages.

use serde_json::{Value, json};
use tsugi_messages::{Phrase, phrase};
use tsugi_package::Digest;
use tsugi_package::deployed::{Deployed, Ready};
use tsugi_package::manifest::Effects;
use tsugi_package::shelf::Shelf;
use tsugi_store::{Known, Stands};

use super::rows;
use super::status::effects;
use super::volume;
use crate::args::Packages;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Observed, Out, Schema};

/// Shows them. Each is hashed again: what somebody has changed since is told.
pub(super) fn packages(agents: &Agents, out: &Out, asked: &Packages) -> Exit {
    let (volume, group, looked) = match volume::find(agents, (&asked.volume, &asked.group)) {
        Ok(found) => found,
        Err(no) => return no.tell(out, &asked.volume.clone().unwrap_or_default()),
    };
    let folder = rows::shelf(&volume);
    let shelf = folder.is_dir().then(|| Shelf::open(&folder).ok()).flatten();
    let loaded = |known: &Known| -> Result<Deployed, String> {
        let shelf = shelf.as_ref().ok_or_else(|| folder.display().to_string())?;
        Deployed::load(shelf, Digest(known.id)).map_err(|why| why.to_string())
    };
    let known = looked.map(|looked| looked.packages).unwrap_or_default();
    let all: Vec<_> = known.into_iter().map(|known| (loaded(&known), known)).collect();
    let changed = all.iter().any(|(loaded, _)| loaded.is_err());
    let one = |(loaded, known): &(Result<Deployed, String>, Known)| {
        let services = loaded.as_ref().map(names).unwrap_or_default();
        json!({
            "name": known.name,
            "id": Digest(known.id).to_string(),
            "stands": word(known.stands),
            "services": services,
            "acts": loaded.as_ref().map(acts).unwrap_or_default(),
            "problem": loaded.as_ref().err(),
        })
    };
    let content = json!({
        "volume": volume.display().to_string(),
        "group": group.as_ref().map(|group| group.as_str()),
        "packages": all.iter().map(one).collect::<Vec<_>>(),
    });
    out.show(Schema::first("tsugi.packages"), &Observed::here(), &content, || {
        let mut lines = Vec::new();
        for (loaded, known) in &all {
            let (name, id) = (&known.name, Digest(known.id));
            let stands = of(known.stands).text(out.language);
            lines.push(match loaded {
                Ok(deployed) => {
                    phrase::packages_line(name, id, stands, shown(out, deployed).join(", "))
                }
                Err(why) => phrase::packages_line_wrong(name, id, stands, why),
            });
        }
        if lines.is_empty() {
            lines.push(phrase::packages_none(volume.display()));
        }
        lines.iter().map(|line| line.text(out.language)).collect()
    });
    if changed { Exit::PartFailed } else { Exit::Done }
}

fn names(deployed: &Deployed) -> Vec<String> {
    deployed.services.iter().map(|service| service.name.clone()).collect()
}

/// Where each of its services acts, and whether their calls are kept in order.
fn acts(deployed: &Deployed) -> Vec<Value> {
    let one = |of: &Ready| json!({"name": of.name, "effects": of.effects, "order": of.order});
    deployed.services.iter().map(one).collect()
}

/// Its services, each that does not act as most do with where it does.
fn shown(out: &Out, deployed: &Deployed) -> Vec<String> {
    let one = |of: &Ready| match of.effects {
        Effects::Store => of.name.clone(),
        Effects::Outside | Effects::Reads => {
            format!("{} ({})", of.name, effects(of.effects.word()).text(out.language))
        }
    };
    deployed.services.iter().map(one).collect()
}

const fn word(stands: Stands) -> &'static str {
    match stands {
        Stands::Kept => "kept",
        Stands::Current => "current",
        Stands::Former => "former",
    }
}

fn of(stands: Stands) -> Phrase {
    match stands {
        Stands::Kept => phrase::stands_kept(),
        Stands::Current => phrase::stands_current(),
        Stands::Former => phrase::stands_former(),
    }
}
