//! The pages: `/metrics`, `/health` of this node, `/health/GROUP` for load balancers.

use hyper::StatusCode;

use super::Exporter;
use crate::pages::Page;

/// The page of a path.
pub(super) fn at(exporter: &Exporter, path: &str) -> Page {
    if path == "/metrics" {
        return page(StatusCode::OK, exporter.page());
    }
    let Some(group) = path.strip_prefix("/health") else {
        return page(StatusCode::NOT_FOUND, String::new());
    };
    let Ok(Some(seen)) = exporter.look() else {
        return page(StatusCode::SERVICE_UNAVAILABLE, "no answer from the agent\n".to_owned());
    };
    let well = |well: bool| match well {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    match group.strip_prefix('/') {
        None | Some("") => {
            let votes = &seen.status.votes;
            page(well(votes.heard >= votes.needed), String::new())
        }
        Some(name) => match seen.status.groups.iter().find(|g| g.name == name) {
            None => page(StatusCode::NOT_FOUND, String::new()),
            // Only the owner, and only while it serves: a standby must get no call.
            Some(group) => {
                let here = group.owner.as_deref() == Some(seen.node.as_str());
                page(well(here && group.state == "running"), format!("{}\n", group.state))
            }
        },
    }
}

fn page(status: StatusCode, text: String) -> Page {
    Page { status, kind: "text/plain; version=0.0.4; charset=utf-8", text }
}
