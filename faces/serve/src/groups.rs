//! The way to services of other groups: their doors, asked as any client asks them. Each call has
//! a key that is made of this group's name and of the call's id, so that it is the same whoever of
//! this group runs the caller again; whom the doors know as the caller must be the same, too.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tsugi_client::{
    Address, CallId, Client, ClientName, Failure, Identity, Key, Life, Problem, Request,
    Settings as Way, SoFar, Tls,
};
use tsugi_messages::{self as messages, Message};
use tsugi_service_engine::{CallOut, CameBack, OtherGroups, TellCaller};
use tsugi_service_rules::id;
use tsugi_vocabulary::GroupName;

/// For how long a door is asked to keep a reply no longer. It would do so by itself, later.
const CONFIRMS: Duration = Duration::from_secs(10);

/// The doors of other groups.
#[derive(Debug)]
pub struct Groups {
    own: GroupName,
    doors: BTreeMap<String, Client>,
    errands: UnboundedSender<Errand>,
}

/// What is to be asked of a door.
enum Errand {
    Call(Client, Key, CallOut, TellCaller),
    Confirm(Client, Key),
}

/// Who this group says it is, and whom it believes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shows<'a> {
    /// A file of the token that it shows.
    pub token: Option<&'a Path>,
    /// A file of the authorities whose certificates it believes; plain HTTP where none is said.
    pub authorities: Option<&'a Path>,
}

impl Groups {
    /// The way to these groups: each `NAME=HOST:PORT[,HOST:PORT…]`. None where none is said.
    ///
    /// # Errors
    /// One cannot be read, or the system gives no thread.
    pub fn of(
        own: &GroupName,
        others: &[String],
        shows: Shows<'_>,
    ) -> Result<Option<Self>, Box<Message>> {
        if others.is_empty() {
            return Ok(None);
        }
        let unusable = |why: String| Box::new(messages::serve_option_unusable("--other", why));
        let tls = shows.authorities.map(|file| Tls::of(file, None, None)).transpose();
        let tls = tls.map_err(|why| unusable(why.to_string()))?;
        let mut doors = BTreeMap::new();
        for other in others {
            let (name, addresses) = other.split_once('=').unwrap_or((other, ""));
            let name = GroupName::new(name).map_err(|why| unusable(why.to_string()))?;
            let all: Result<Vec<Address>, _> = addresses.split(',').map(Address::read).collect();
            let all = all.map_err(|why| unusable(format!("{other}: {why}")))?;
            let identity =
                shows.token.map_or(Identity::Unnamed, |file| Identity::TokenFile(file.to_owned()));
            let way = Way { tls: tls.clone(), identity, ..Way::of(all) };
            let client =
                ClientName::new(own.to_string()).map_err(|why| unusable(why.to_string()))?;
            // No call of it is counted.
            let life = Life::given(1, 1).map_err(|why| unusable(why.to_string()))?;
            let door = Client::new(client, life, way).map_err(|why| unusable(why.to_string()))?;
            doors.insert(name.to_string(), door);
        }
        let (errands, told) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| unusable(why.to_string()))?;
        let thread = std::thread::Builder::new().name("other-groups".to_owned());
        let started = thread.spawn(move || runtime.block_on(carry_out(told)));
        started.map_err(|why| unusable(why.to_string()))?;
        Ok(Some(Self { own: own.clone(), doors, errands }))
    }

    /// The key of a call. Calls of two groups may have one id, where their clients are the same.
    fn key(&self, id: id::CallId) -> Option<Key> {
        Key::new(format!("{}/{}", self.own, id.whole())).ok()
    }
}

impl OtherGroups for Groups {
    fn knows(&self, group: &str) -> bool {
        self.doors.contains_key(group)
    }

    fn call(&self, call: CallOut, tell: TellCaller) {
        match (self.doors.get(&call.group).cloned(), self.key(call.id)) {
            (Some(door), Some(key)) => {
                // Its thread ends only with this.
                drop(self.errands.send(Errand::Call(door, key, call, tell)));
            }
            _ => tell(CameBack::Refused("store-away".to_owned())),
        }
    }

    fn confirm(&self, group: &str, id: id::CallId) {
        if let (Some(door), Some(key)) = (self.doors.get(group).cloned(), self.key(id)) {
            drop(self.errands.send(Errand::Confirm(door, key)));
        }
    }
}

/// All that is asked of doors, until nobody asks any more.
async fn carry_out(mut told: UnboundedReceiver<Errand>) {
    while let Some(errand) = told.recv().await {
        match errand {
            Errand::Call(door, key, call, tell) => {
                drop(tokio::spawn(async move { tell(ask(&door, key, call).await) }));
            }
            Errand::Confirm(door, key) => {
                drop(tokio::spawn(async move {
                    let until = Instant::now() + CONFIRMS;
                    // What is not confirmed is kept for the time that the other group keeps it.
                    drop(door.confirm(&CallId::Keyed(key), until).await);
                }));
            }
        }
    }
}

async fn ask(door: &Client, key: Key, call: CallOut) -> CameBack {
    let request = Request::json(call.service, call.body);
    let deadline = Instant::now() + call.patience;
    match door.call_keyed((key, SoFar::NotDone), &request, deadline).await {
        Ok(reply) => CameBack::Reply(reply.body.to_vec()),
        // An earlier run of the caller asked for something else, and that was carried out.
        Err(Failure::Refused(problem, _))
            if problem.id == messages::call_of_other_content().id() =>
        {
            CameBack::NotKnown(words(&problem))
        }
        Err(Failure::Refused(problem, _)) => CameBack::Refused(words(&problem)),
        Err(Failure::Ended(reply)) => {
            let how = reply.ending.as_deref().unwrap_or("abnormal-end");
            CameBack::Ended(how.to_owned())
        }
        Err(Failure::NotKnown(left)) => {
            let met = left.course.waited_for.as_ref().and_then(|met| met.problem.as_ref());
            let met = met.map(words).unwrap_or_default();
            CameBack::NotKnown(format!(
                "not known of {}/{}: {met}",
                call.group, left.request.service
            ))
        }
        Err(Failure::NoRoom | Failure::NotWritten) => {
            CameBack::Refused("the request cannot be written".to_owned())
        }
    }
}

/// A refusal in words of programs.
fn words(problem: &Problem) -> String {
    format!("{} {}", problem.id, problem.title).trim().to_owned()
}
