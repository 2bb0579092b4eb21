//! Calls of services of other groups, from where no writer is held. They stand in no unit of work
//! of this store: what was done there is done, and the id of such a call says which one it is
//! whenever its caller runs again.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tsugi_service_rules::id::CallId;
use tsugi_service_rules::nested::{self, Callee, Came, Writer};
use tsugi_service_rules::refusal::Refusal;
use tsugi_service_rules::stored::Ending;

use super::told::not_called;
use super::{Chain, OF_ANOTHER};
use crate::clock;
use crate::core::Letter;
use crate::core::hall::Hall;
use crate::groups::{CallOut, CameBack};
use crate::worker::{Answered, Calling, Waits};

/// One that is waited for.
pub(super) struct Out {
    pub(super) came: Arc<OnceLock<CameBack>>,
    pub(super) waits: Waits,
}

/// A call whose reply may be forgotten there, once its caller is durable.
pub(super) type Owed = (String, CallId);

/// What the caller's program is told, or why it cannot go on.
pub(super) enum Heard {
    Answer(Answered),
    Cannot(String),
}

/// What came back, where its caller can be told no longer records than this.
pub(super) fn heard(came: CameBack, most: usize) -> Heard {
    Heard::Answer(match came {
        CameBack::Reply(body) if body.len() > most => {
            let text = format!("a reply of more than {most} bytes, which stays done");
            not_called(&Came::TooLarge, text)
        }
        CameBack::Reply(body) => Answered::Reply(vec![body].into()),
        CameBack::Refused(why) => {
            let refused = Came::NotBegun(Refusal::StoreAway { why: String::new() });
            not_called(&refused, why)
        }
        CameBack::Ended(why) => not_called(&Came::Ended(Ending::Abnormal), why),
        // Whatever the program did next, it would do not knowing.
        CameBack::NotKnown(why) => return Heard::Cannot(why),
    })
}

impl Hall {
    /// Has a service of another group called; or why not.
    pub(super) fn call_out(
        &mut self,
        chain: &Chain,
        (id, calling): (CallId, Calling),
        waits: Waits,
    ) -> Result<Out, Refusal> {
        let Calling { service: name, records } = calling;
        nested::may_call(&chain.names(), &name, Callee::OtherStore, Writer::Free)?;
        let (group, service) = name.split_once(OF_ANOTHER).unwrap_or_default();
        let groups = self.settings.groups.clone();
        let Some(groups) = groups.filter(|groups| groups.knows(group)) else {
            let why = "no way to another group's store".to_owned();
            return Err(Refusal::StoreAway { why });
        };
        let Ok([body]) = <[Vec<u8>; 1]>::try_from(records) else {
            let why = "another group's service has one parameter".to_owned();
            return Err(Refusal::DoesNotFit { field: String::new(), why });
        };
        let root = chain.root().run;
        self.nested.owed.entry(root).or_default().push((group.to_owned(), id));
        let left = self.until(chain).map(|until| until.since(clock::now()));
        let patience = Duration::from_nanos(left.map_or(0, |left| left.0));
        let (group, service) = (group.to_owned(), service.to_owned());
        let came = Arc::new(OnceLock::new());
        let (tells, inbox) = (came.clone(), self.inbox.clone());
        let tell = Box::new(move |back| {
            drop(tells.set(back));
            // An engine that has ended hears nothing, and needs nothing.
            drop(inbox.put(Letter::CameBack(root)));
        });
        groups.call(CallOut { group, service, id, body, patience }, tell);
        Ok(Out { came, waits })
    }
}
