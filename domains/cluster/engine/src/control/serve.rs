//! The socket: who may connect, one request and one answer a connection.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tsugi_host::service::{self, Word};
use tsugi_messages as messages;
use tsugi_wire::control::report::No;
use tsugi_wire::control::{Answer, Ask, Reply, Request, Utc, VERSION, talk};

use super::person::Person;
use super::refusal::no;
use super::{Services, answer, change, remember};

/// How many may ask at the same time, and how many of them as root besides.
const PEOPLE: usize = 48;
const ROOT: usize = 16;
/// How long to wait when no connection can be taken.
const REST: Duration = Duration::from_millis(50);
/// How long a client may take to say what it wants, and to hear the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens at `socket` and answers until the task is dropped; keeps the last status beside it.
/// Whoever may write to the socket may ask: it belongs to the agent's user and group.
///
/// # Errors
/// The socket cannot be made.
pub async fn serve(socket: &Path, services: Services) -> io::Result<()> {
    let listener = bind(socket)?;
    service::say(Word::Ready);
    let kept = remember::keep(socket, services.clone());
    let kept = async {
        kept.await;
        // Without a core there are no new pictures; what was asked for last is still answered.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = kept => Ok(()),
        () = answer_all(&listener, &services) => Ok(()),
    }
}

/// Puts a socket at `path`, in the place of one that a dead agent left. Nobody can connect before
/// its mode is right, whatever the umask is: it is made in a folder of its own and then moved.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    let nursery = path.with_extension("new");
    let clear = || match std::fs::remove_dir_all(&nursery) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    };
    clear()?;
    std::fs::DirBuilder::new().mode(0o700).create(&nursery)?;
    let made = nursery.join("s");
    let listener = UnixListener::bind(&made)?;
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o660))?;
    std::fs::rename(&made, path)?;
    clear()?;
    Ok(listener)
}

async fn answer_all(listener: &UnixListener, services: &Services) {
    let (people, root) = (Semaphore::new(PEOPLE), Semaphore::new(ROOT));
    let (people, root) = (Arc::new(people), Arc::new(root));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptor is left: those that are open will close.
            tokio::time::sleep(REST).await;
            continue;
        };
        let Ok(peer) = stream.peer_cred() else { continue };
        let places = if peer.uid() == 0 { &root } else { &people };
        // Whoever comes when all places are taken is hung up on, and may ask again.
        let Ok(place) = Arc::clone(places).try_acquire_owned() else { continue };
        let services = services.clone();
        // A task of its own: a change is not left half way because a terminal closed.
        tokio::spawn(async move {
            // A client that hangs up is no trouble of the agent.
            let _heard = one(stream, peer, &services).await;
            drop(place);
        });
    }
}

async fn one(mut stream: UnixStream, peer: UCred, services: &Services) -> io::Result<()> {
    let ask = timeout(PATIENCE, read(&mut stream)).await??;
    let reply = match ask {
        Ok(ask) => {
            let person = Person::behind_in_time(peer.uid(), peer.pid()).await;
            dispatch(services, &ask.request, &person).await
        }
        Err(why) => Reply::No(no(No::Failed, &why)),
    };
    let observed_by = services.view.standing.borrow().me.to_string();
    let observed_at = Utc(change::wall());
    let answer = Answer { version: VERSION, observed_at, observed_by, reply };
    let bytes = talk::encode(&answer)?;
    timeout(PATIENCE, stream.write_all(&bytes)).await??;
    stream.shutdown().await
}

/// Reads one request, or says what is wrong with it.
async fn read(stream: &mut UnixStream) -> io::Result<Result<Ask, messages::Message>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let expected = talk::length(head)?;
    if expected > talk::LONGEST_REQUEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = Vec::new();
    stream.take(expected as u64).read_to_end(&mut body).await?;
    if let Err(other) = talk::neighbour(&body) {
        return Ok(Err(messages::control_version_refused(VERSION, other.theirs)));
    }
    Ok(talk::decode(&body).map_err(messages::request_not_understood))
}

async fn dispatch(services: &Services, request: &Request, person: &Person) -> Reply {
    match request {
        Request::Change(change) => change::change(services, change, person).await,
        _ => answer::answer(services, request).await,
    }
}
