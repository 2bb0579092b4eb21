//! The socket: who may connect, one request and one answer a connection.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, timeout};
use tsugi_messages as messages;
use tsugi_vocabulary::Span;
use tsugi_wire::control::report::No;
use tsugi_wire::control::{
    Answer, Ask, Change, How, Operation, Reply, Request, Utc, VERSION, talk,
};

use super::person::Person;
use super::refusal::no;
use super::{Services, answer, change, remember};

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an apply that is not confirmed is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Listens at `socket` and answers until the task is dropped; keeps the last status beside it.
/// Whoever may write to the socket may ask: it belongs to the agent's user and group.
///
/// # Errors
/// The socket cannot be made.
pub async fn serve(socket: &Path, services: Services) -> io::Result<()> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o660))?;
    let kept = remember::keep(socket, services.view.standing.clone());
    tokio::select! {
        // Without a core there are no new pictures; what was asked for last is still answered.
        () = kept => answer_all(&listener, &services).await,
        ended = answer_all(&listener, &services) => ended,
    }
}

async fn answer_all(listener: &UnixListener, services: &Services) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let services = services.clone();
        tokio::spawn(async move {
            // A client that hangs up is no trouble of the agent.
            let _heard = one(stream, &services).await;
        });
    }
}

async fn one(mut stream: UnixStream, services: &Services) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let person = Person::behind(peer.uid(), peer.pid());
    let ask = timeout(PATIENCE, read(&mut stream)).await??;
    let reply = match ask {
        Ok(ask) if ask.version == VERSION => dispatch(services, &ask.request, &person).await,
        Ok(ask) => {
            let detail = format!("{} / {VERSION}", ask.version);
            Reply::No(no(No::Failed, &messages::internal_failure("tsugi", detail)))
        }
        Err(error) => Reply::No(no(No::Failed, &messages::internal_failure("tsugi", error))),
    };
    let observed_by = services.view.standing.borrow().me.to_string();
    let observed_at = Utc(change::wall());
    let answer = Answer { version: VERSION, observed_at, observed_by, reply };
    stream.write_all(&talk::encode(&answer)?).await?;
    stream.shutdown().await
}

async fn read(stream: &mut UnixStream) -> io::Result<io::Result<Ask>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let expected = talk::length(head)?;
    let mut body = Vec::new();
    stream.take(expected as u64).read_to_end(&mut body).await?;
    Ok(talk::decode(&body))
}

async fn dispatch(services: &Services, request: &Request, person: &Person) -> Reply {
    match request {
        Request::Change(change) => change::change(services, change, person).await,
        _ => answer::answer(services, request).await,
    }
}

/// Undoes an apply that nobody confirmed in time; runs beside [`serve`] on every node and acts
/// only on the one that leads the ledger.
pub async fn keep_or_undo(services: Services) {
    let mut seen: Option<(u64, Instant)> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let standing = services.view.standing.borrow().clone();
        let config = standing.record.config.clone();
        let open = config.as_ref().and_then(|c| c.unconfirmed.as_ref().map(|u| (c.version, u)));
        let leads = standing.leader.as_ref() == Some(&standing.me);
        let Some((version, unconfirmed)) = open.filter(|_| leads) else {
            seen = None;
            continue;
        };
        let since = match seen {
            Some((known, since)) if known == version => since,
            Some(_) | None => {
                seen = Some((version, Instant::now()));
                continue;
            }
        };
        if Span::from(since.elapsed()) >= unconfirmed.within {
            let undo = undo(version, &unconfirmed.back_to);
            let person = Person("tsugi".to_owned());
            let _told = change::change(&services, &undo, &person).await;
        }
    }
}

fn undo(version: u64, text: &str) -> Change {
    Change {
        command: format!("undo-of-configuration-{version}"),
        words: format!("tsugi undo {version}"),
        reason: "not confirmed".to_owned(),
        origin: "tsugi".to_owned(),
        decided_on: None,
        how: How::ForReal,
        what: Operation::Undo { text: text.to_owned() },
    }
}
