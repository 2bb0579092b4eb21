//! `lab unsafe`: the same rehearsal with a fault planted in the system. It must be caught, or the
//! lab would also miss a real one.

use std::process::ExitCode;

use crate::Trouble;
use crate::pattern::Pattern;
use crate::product::{GROUP, Plan, Planted, Profile};
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
        let caught = (0..CHANCES).find_map(|number| match planted {
            Planted::SampleWithoutSync => lose_numbers(&mut stage, number),
            Planted::LedgerWithoutSync => lose_epochs(&mut stage),
        });
        match &caught {
            Some(how) => println!("{planted:?}: caught, {how}"),
            None => println!("{planted:?}: NOT CAUGHT in {CHANCES} chances"),
        }
        good &= caught.is_some();
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lose_numbers(stage: &mut Stage, number: usize) -> Option<String> {
    match repetition::run(stage, Pattern::Power, number) {
        Ok(run) if run.outage.lost + run.outage.doubled > 0 => {
            Some(format!("lost {} doubled {}", run.outage.lost, run.outage.doubled))
        }
        Ok(_) => None,
        Err(trouble) => Some(trouble.to_string()),
    }
}

/// Moves the group, takes the power from all nodes as soon as the move was confirmed, and looks
/// whether the confirmed epoch is still known.
fn lose_epochs(stage: &mut Stage) -> Option<String> {
    match try_lose_epochs(stage) {
        Ok(caught) => caught,
        Err(trouble) => Some(trouble.to_string()),
    }
}

fn try_lose_epochs(stage: &mut Stage) -> Result<Option<String>, Trouble> {
    let status = stage.wait_whole()?;
    let owner = stage.owner(&status)?;
    stage.product.move_group(&stage.site.hosts[owner], None)?;
    let confirmed = stage.product.status(&mut stage.site)?;
    for host in &stage.site.hosts {
        stage.site.wire.isolate(host.index);
    }
    for host in &mut stage.site.hosts {
        host.power_off()?;
    }
    stage.boot_and_start()?;
    let found = stage.wait_whole()?;
    let epoch = |status: &crate::product::Status| {
        let text = status.group(GROUP).map(|group| group.epoch.clone()).unwrap_or_default();
        tsugi_counter::epoch_file::parse(&text).map_err(|error| Trouble::Failed(error.to_string()))
    };
    let (confirmed, found) = (epoch(&confirmed)?, epoch(&found)?);
    Ok((found < confirmed).then(|| format!("epoch {confirmed} was confirmed, now it is {found}")))
}
