//! A daemon that is started with its group: it opens the group's volume, serves it until it is told
//! to stop, and hands it over.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tsugi_door::{Deployed, Door, Open, Order};
use tsugi_host::listen::Address;
use tsugi_messages::{self as messages, Language, Message};
use tsugi_package::manifest::Order as Asks;
use tsugi_service_engine::worker::pipe::Ward;

use crate::args::Whole;
use crate::around::{Around, Hold};
use crate::control::{self, Desk};
use crate::group::{Claimed, Group, NotOpened, Staff};
use crate::log::{self, Beginning, Log};
use crate::reserve::Reserve;
use crate::{block_on, epoch, services, start};

/// The line by which it says on its standard output that calls are answered.
pub const READY: &str = "ready";
/// How long a door that is closed sends what was answered.
pub(crate) const LAST_ANSWERS: Duration = Duration::from_millis(200);

/// The signals that end a daemon in order.
pub(crate) struct Signals(Signal, Signal);

impl Signals {
    pub(crate) fn watch() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    }

    pub(crate) async fn told(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

/// Serves until SIGTERM or SIGINT.
#[must_use]
pub fn serve(whole: &Whole, language: Language) -> ExitCode {
    block_on(run(whole, language), language)
}

async fn run(whole: &Whole, language: Language) -> Result<(), Box<Message>> {
    let system = |why: std::io::Error| Box::new(messages::internal_failure("tsugi serve", why));
    let mut signals = Signals::watch().map_err(system)?;
    let around = start::around(&whole.daemon)?;
    let of_door = start::door(&whole.daemon, &around.node)?;
    let epoch = epoch::read(&whole.epoch)
        .map_err(|why| Box::new(messages::serve_option_unusable("--epoch", why)))?;
    let hold = Hold { volume: whole.volume.clone(), epoch };
    // First of all: until here another process may answer at this address.
    let listener = listener(whole, &around)?;
    let not_opened = |why: NotOpened| Box::new(why.message(&around, &hold));
    let claimed = Claimed::claim(&around, &hold).map_err(not_opened)?;
    // Before anything is answered, and before the former log goes.
    let control = whole.control.clone().unwrap_or_else(|| control::on_volume(&hold.volume));
    let control = control::listen(&control)
        .map_err(|why| Box::new(messages::serve_option_unusable("--control", why)))?;
    let log = begin_log(&around, &hold, (whole.daemon.log.as_deref(), language))?;
    let ward = ward(&around)?;
    // It is started with its group: nothing could be started earlier.
    let staff = Staff { ward: &ward, log: &log, reserve: &Reserve::none() };
    let opened = Group::open(claimed, (&around, &hold), staff);
    let group = opened.map_err(not_opened)?;
    log.take_its_name().map_err(|why| not_opened(NotOpened::System(why)))?;
    let door = Door::open(listener, &of_door)
        .map_err(|why| cannot_listen(&around, &whole.daemon.listen, &why))?;
    door.sign().open(open(&group));
    let behind = (door.address(), &of_door);
    let desk = Desk::new(&around, &hold, (&group, &log, behind));
    let asked = tokio::spawn(control::serve(control, desk.clone()));
    let (name, node, at) = (&around.group, &around.node, door.address());
    log.tell(&messages::serve_opened(name, node, hold.epoch, at));
    ready();
    signals.told().await;
    asked.abort();
    end(group, door, &around).await;
    log.tell(&messages::serve_ended(&around.group, &around.node));
    drop(ward);
    Ok(())
}

/// Whoever supervises the daemon waits for this line; nobody has to.
pub(crate) fn ready() {
    drop(writeln!(std::io::stdout(), "{READY}"));
}

fn listener(whole: &Whole, around: &Around) -> Result<std::net::TcpListener, Box<Message>> {
    let address = if whole.freebind { Address::Anywhere } else { Address::Here };
    let patience = Duration::try_from_secs_f64(whole.patience).unwrap_or_default();
    let at = whole.daemon.listen;
    start::listen(at, address, patience).map_err(|why| cannot_listen(around, &at, &why))
}

pub(crate) fn cannot_listen(
    around: &Around,
    at: &std::net::SocketAddr,
    why: &dyn std::fmt::Display,
) -> Box<Message> {
    Box::new(messages::serve_cannot_listen(&around.group, at, why))
}

/// Begins the log of a life.
pub(crate) fn begin_log(
    around: &Around,
    hold: &Hold,
    (said, language): (Option<&Path>, Language),
) -> Result<Log, Box<Message>> {
    let folder = log::folder(&hold.volume, said);
    let beginning = Beginning { folder: &folder, most: log::MOST, language };
    let no_log = |why| messages::serve_not_opened(&around.group, folder.display(), why);
    Log::begin(&beginning).map_err(|why| Box::new(no_log(why)))
}

/// The place of the workers of this group on this machine.
pub(crate) fn ward(around: &Around) -> Result<Ward, Box<Message>> {
    let (group, folder) = (&around.group, around.workers.clone());
    let not_made = |why| Box::new(messages::serve_not_opened(group, around.workers.display(), why));
    // Several nodes of a trial are on one machine: the folder is one daemon's alone.
    let own = tsugi_package::Digest::of(folder.as_os_str().as_encoded_bytes()).to_string();
    let name = format!("serve-{group}-{}", &own[..8]);
    Ward::claim(&name, folder).map_err(not_made)
}

/// What a door is told of a group that is open.
pub(crate) fn open(group: &Group) -> Open {
    let any = serde_json::json!(true);
    let deployed = |found: &crate::services::Found| Deployed {
        name: found.name.to_string(),
        summary: found.of.clone(),
        body: any.clone(),
        reply: any.clone(),
        effects: services::effects(found.acts.0),
        order: match found.acts.1 {
            Asks::None => Order::None,
            Asks::Told => Order::Told,
        },
    };
    let all = group.found.iter().map(deployed).collect();
    Open::new(group.calls(), &group.settings, all)
}

/// Hands the store over; who waits is told what became of his call as long as the door stands.
async fn end(group: Group, door: Door, around: &Around) {
    let around = around.clone();
    let ended = tokio::task::spawn_blocking(move || {
        group.hand_over(&around);
        door.sign().close();
        door.close(LAST_ANSWERS);
    });
    // A panic there was said on its own thread; the process ends in any case.
    drop(ended.await);
}
