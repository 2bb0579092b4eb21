//! `doctor`: what was found, then the settings that rest on something nobody has seen.

use tsugi_messages::{Column, Table, phrase};
use tsugi_wire::control::report::Doctor;

use super::status::{Source, age, block};
use super::{columns, moment};
use crate::out::{Observed, Out};

/// The lines of what was found.
pub fn doctor(out: &Out, doctor: &Doctor, observed: &Observed, source: Source) -> Vec<String> {
    let cells = columns();
    let text = |phrase: tsugi_messages::Phrase| phrase.text(out.language);
    let mut lines = vec![match (source, doctor.findings.len()) {
        (Source::LastRecord(seconds), _) => {
            text(phrase::status_agent_down(age(seconds).text(out.language)))
        }
        (Source::Agent, 0) => text(phrase::doctor_well()),
        (Source::Agent, count) => text(phrase::doctor_found(count)),
    }];
    for finding in &doctor.findings {
        lines.extend(block(out, finding, cells));
    }
    if !doctor.settings.is_empty() {
        let mut table = Table::new([Column::Left; 4]);
        for setting in &doctor.settings {
            let proven = if setting.proven { phrase::proven() } else { phrase::unproven() };
            let because = out.words(&setting.because);
            table.row([setting.about.clone(), setting.setting.clone(), text(proven), because]);
        }
        lines.push(String::new());
        lines.extend(table.lines(cells));
    }
    lines.push(text(phrase::status_observed(&observed.by, moment(observed.at))));
    lines
}
