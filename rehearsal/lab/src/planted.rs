//! `lab unsafe`: the same rehearsal with a fault planted in the system. It must be caught, or the
//! lab would also miss a real one.

use std::process::ExitCode;

use tsugi_counter::epoch_file;
use tsugi_vocabulary::Epoch;

use crate::Trouble;
use crate::outage::Outage;
use crate::pattern::Pattern;
use crate::product::{GROUP, Plan, Planted, Profile, Status};
use crate::repetition;
use crate::stage::Stage;

/// So many chances a planted fault has to show itself.
const CHANCES: usize = 3;

/// Systems with a planted fault, which must be caught.
#[derive(Clone, Debug, clap::Args)]
pub struct UnsafeArgs {
    /// Only this fault.
    #[arg(value_enum)]
    pub only: Option<Planted>,
    /// The timing profile of the cluster.
    #[arg(long, value_enum, default_value_t)]
    pub timing: Profile,
}

/// Runs both and says whether each was caught.
///
/// # Errors
/// A lab that cannot run.
pub fn run(args: &UnsafeArgs) -> Result<ExitCode, Trouble> {
    let mut good = true;
    for planted in [Planted::SampleWithoutSync, Planted::LedgerWithoutSync] {
        if args.only.is_some_and(|only| only != planted) {
            continue;
        }
        let plan = Plan { profile: args.timing, planted: Some(planted), ..Plan::default() };
        let mut stage = Stage::set(plan, 1)?;
        let mut caught = None;
        for number in 0..CHANCES {
            caught = match planted {
                Planted::SampleWithoutSync => lose_numbers(&mut stage, number)?,
                Planted::LedgerWithoutSync => lose_epochs(&mut stage)?,
            };
            if caught.is_some() {
                break;
            }
        }
        match &caught {
            Some(how) => println!("{planted:?}: caught, {how}"),
            None => println!("{planted:?}: NOT CAUGHT in {CHANCES} chances"),
        }
        good &= caught.is_some();
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lose_numbers(stage: &mut Stage, number: usize) -> Result<Option<String>, Trouble> {
    let run = repetition::run(stage, Pattern::Power, number)?;
    let Outage { lost, doubled, .. } = run.outage;
    Ok((lost + doubled > 0).then(|| format!("lost {lost} doubled {doubled}")))
}

/// Moves the group, takes the power from all nodes as soon as the move was confirmed, and looks
/// whether the confirmed epoch is still known.
fn lose_epochs(stage: &mut Stage) -> Result<Option<String>, Trouble> {
    let status = stage.wait_whole()?;
    let owner = stage.owner(&status)?;
    let other = stage.site.hosts[(owner + 1) % stage.site.hosts.len()].name.clone();
    stage.product.move_group(&stage.site.hosts[owner], (GROUP, &other))?;
    let confirmed = epoch(&stage.product.status(&mut stage.site)?)?;
    stage.all_power()?;
    // Only from here on is it the planted fault that shows itself.
    let found = match stage.wait_whole() {
        Ok(status) => epoch(&status)?,
        Err(trouble) => return Ok(Some(trouble.to_string())),
    };
    Ok((found < confirmed).then(|| format!("epoch {confirmed} was confirmed, now it is {found}")))
}

fn epoch(status: &Status) -> Result<Epoch, Trouble> {
    let text = status.group(GROUP).map(|group| group.epoch.clone()).unwrap_or_default();
    epoch_file::parse(&text).map_err(|error| Trouble::Failed(error.to_string()))
}
