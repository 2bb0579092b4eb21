//! What every back end must do, as tests. A back end fulfils [`Stand`] and calls [`all`].

mod calls;
mod epochs;
mod files;
mod model;
mod outside;
mod units;

use std::path::Path;

use tsugi_vocabulary::{Epoch, GroupName, NodeName};

use crate::store::{Begun, Call, Cursor, Finished, Portion, Store, Work};
use crate::{
    Block, Claim, Client, Content, Ending, Id, Key, Op, OpenRefused, Reply, Request, Serial,
    Sqlite, Stored, Trouble, Value,
};

pub use files::{filled, look_ups};
pub use model::schedules;

/// A back end on its test stand: one store, which has no tables yet.
pub trait Stand {
    /// Opens it as an engine would. A former one of this stand has ended.
    ///
    /// # Errors
    /// As the back end's own.
    fn open(&mut self, claim: &Claim) -> Result<Box<dyn Store>, OpenRefused>;

    /// How a definition calls the type of bytes.
    fn bytes(&self) -> &'static str;

    /// Writes the epoch of another engine, while the one that is open knows nothing of it.
    fn taken_over(&mut self, claim: &Claim);
}

/// Everything, each on a new stand.
pub fn all<S: Stand>(stand: impl Fn() -> S) {
    calls::a_call_is_carried_out_once_and_answered_the_same(&mut stand());
    calls::an_id_has_one_content(&mut stand());
    calls::what_a_client_has_confirmed_is_expired(&mut stand());
    calls::a_key_leaves_a_tombstone_until_it_is_forgotten(&mut stand());
    calls::what_is_too_old_goes_and_the_watermark_is_over_it(&mut stand());
    calls::a_clients_life_that_is_over_stays_over(&mut stand());
    calls::a_client_that_was_heard_lives_on(&mut stand());
    calls::bodies_of_every_length_come_back_and_go_with_their_replies(&mut stand());
    calls::a_service_is_blocked_until_it_is_opened_whoever_opens_the_store(&mut stand());
    units::effects_and_reply_are_there_together_or_not_at_all(&mut stand());
    units::a_sitting_is_given_up_as_a_whole(&mut stand());
    units::nested_units_end_by_themselves(&mut stand());
    units::what_only_reads_changes_nothing_in_a_unit_that_writes(&mut stand());
    units::a_refused_operation_leaves_the_unit_without_it(&mut stand());
    units::what_is_taken_back_is_all_of_the_unit(&mut stand());
    units::an_operation_gives_back_so_much_and_no_more(&mut stand());
    units::an_abnormal_end_is_stored_without_effects(&mut stand());
    units::a_program_writes_neither_the_record_nor_the_transaction(&mut stand());
    units::values_come_back_as_they_were(&mut stand());
    outside::what_was_started_is_carried_out_once(&mut stand());
    outside::what_was_interrupted_is_unknown_until_somebody_decides(&mut stand());
    files::a_file_is_made_once_and_goes_with_its_records(&mut stand());
    files::records_come_and_go_with_their_unit_of_work(&mut stand());
    files::a_program_reads_files_by_no_statement_that_changes_them(&mut stand());
    files::the_longest_keys_and_records_come_back(&mut stand());
    files::a_file_has_no_more_records_than_it_may(&mut stand());
    files::an_entry_has_one_place_and_a_record_one_entry(&mut stand());
    files::look_ups_find_what_a_model_finds(&mut stand());
    epochs::i15_an_older_epoch_is_refused_and_a_newer_one_goes_on(&mut stand());
    epochs::i15_a_unit_of_work_of_an_older_epoch_is_refused(&mut stand());
    epochs::i15_an_older_run_of_the_same_epoch_is_refused(&mut stand());
    model::schedules(&mut stand(), 1, 30);
}

/// A store on a volume, whose files are in a folder.
struct InFolder<'a>(&'a Path);

impl Stand for InFolder<'_> {
    fn open(&mut self, claim: &Claim) -> Result<Box<dyn Store>, OpenRefused> {
        Ok(Box::new(Sqlite::open(self.0, claim)?))
    }

    fn bytes(&self) -> &'static str {
        "BLOB"
    }

    fn taken_over(&mut self, _: &Claim) {}
}

/// Founds a store in a folder, as [`founded`] does, and closes it.
pub fn founded_in(folder: &Path) {
    drop(founded(&mut InFolder(folder)));
}

/// An engine of the suite's group.
#[must_use]
pub fn claim(counter: u64, run: i64) -> Claim {
    Claim {
        group: GroupName::new("orders").expect("a name"),
        member: String::new(),
        epoch: Epoch { incarnation: 1, counter },
        run,
        node: NodeName::new("a").expect("a name"),
        at: 1_000,
    }
}

/// The suite's client in one of its lives.
#[must_use]
pub fn client(incarnation: i64) -> Client {
    Client { digest: [7; 16], incarnation }
}

/// A call that its client counts.
#[must_use]
pub fn serial(serial: i64, lowest: i64) -> Id {
    serial_of(1, serial, lowest)
}

/// A call of one life of the client.
#[must_use]
pub fn serial_of(incarnation: i64, serial: i64, lowest: i64) -> Id {
    Id::Serial(Serial::new(client(incarnation), serial, lowest).expect("as a client counts"))
}

/// A call with a key.
#[must_use]
pub fn key(key: u8) -> Id {
    Id::Key(Key([key; 16]))
}

/// What a call asks.
#[must_use]
pub fn call(id: Id, content: u8) -> Call {
    Call { id, content: Content([content; 16]) }
}

/// What a call asks that is about to act outside the store.
pub fn request(at: i64) -> Request {
    Request { service: 4, interface: 1, epoch: 5, attempt: 1, at, body: b"request".to_vec() }
}

/// An answer.
#[must_use]
pub fn reply(body: impl Into<Vec<u8>>, at: i64) -> Reply {
    Reply {
        ending: Ending::Done,
        service: 3,
        interface: 1,
        attempt: 1,
        at,
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.into(),
    }
}

/// What adds to the suite's number and gives it back.
#[must_use]
pub fn add(number: i64) -> Op {
    let text = "UPDATE counter SET value = value + ?1 WHERE name = 'n' RETURNING value";
    Op::sql(text, vec![Value::Integer(number)])
}

/// Opens the store with the suite's number at 0.
pub fn founded(stand: &mut dyn Stand) -> Box<dyn Store> {
    let mut store = stand.open(&claim(5, 50)).expect("it opens");
    let made = [
        Op::Define {
            text: "CREATE TABLE counter (name TEXT PRIMARY KEY, value BIGINT NOT NULL)".to_owned(),
        },
        Op::sql("INSERT INTO counter (name, value) VALUES ('n', 0)", vec![]),
    ];
    let mut work = begun(&mut *store, &call(key(255), 0));
    work.run(&made).expect("it is made");
    work.finish(&reply("made", 1)).expect("it ends");
    store.commit().expect("it commits");
    store
}

/// The unit of work of a call that was never carried out.
pub fn begun<'a>(store: &'a mut dyn Store, call: &Call) -> Box<dyn Work + 'a> {
    match store.begin(call).expect("it begins") {
        Begun::New(work) => work,
        other => panic!("{call:?}: {other:?}"),
    }
}

/// What the number is after `work` has added to it.
pub fn added(work: &mut dyn Work, number: i64) -> i64 {
    let outcome = work.run(&[add(number)]).expect("it adds").remove(0);
    match outcome.rows[0][0] {
        Value::Integer(value) => value,
        ref other => panic!("{other:?}"),
    }
}

/// Carries a call out that adds one, and commits it. What it is answered.
pub fn counted(store: &mut dyn Store, call: &Call, at: i64) -> Stored {
    let mut work = begun(store, call);
    let value = added(&mut *work, 1);
    let reply = reply(value.to_string(), at);
    work.finish(&reply).expect("it ends");
    store.commit().expect("it commits");
    Stored { content: call.content, reply }
}

/// What the number is now. Asked by a unit that is dropped.
pub fn value(store: &mut dyn Store) -> i64 {
    let value = added(&mut *begun(store, &call(key(254), 0)), 0);
    store.abandon().expect("nothing was finished");
    value
}

/// How many rows a table of the record has.
pub fn rows_of(store: &mut dyn Store, table: &str) -> i64 {
    let count = Op::sql(format!("SELECT count(*) FROM tsugi_{table}"), vec![]);
    let rows = begun(store, &call(key(254), 0)).run(&[count]).expect("it counts").remove(0).rows;
    store.abandon().expect("nothing was finished");
    match rows[0][0] {
        Value::Integer(count) => count,
        ref other => panic!("{other:?}"),
    }
}

/// Takes away everything from before a moment, a few rows at a time. How many rows went.
pub fn purged(store: &mut dyn Store, before: i64) -> usize {
    let (mut from, mut gone) = (Cursor::Start, 0);
    while from != Cursor::End {
        let purged = store.purge(&Portion { from, before, rows: 3 }).expect("it purges");
        (from, gone) = (purged.next, gone + purged.rows);
    }
    gone
}

/// The words of what a store says to a call.
pub fn said(store: &mut dyn Store, call: &Call) -> String {
    format!("{:?}", store.begin(call).expect("it is judged"))
}

/// Whether it is not durable before the commit.
pub fn sits(finished: Finished) -> bool {
    matches!(finished, Finished::InSitting(_))
}

/// The trouble of what was to fail.
pub fn trouble<T>(result: Result<T, Trouble>) -> Trouble {
    match result {
        Ok(_) => panic!("it did not fail"),
        Err(trouble) => trouble,
    }
}
