//! What an engine makes of a store that is another one's meanwhile, or has no room: by itself, for
//! what the store says to it.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tsugi_service_engine::{Answer, Fatal, Refused};
use tsugi_store::suite;
use tsugi_vocabulary::Span;

use crate::outside::{kinds, outside};
use crate::support::{Stand, ask, call, id, reached, text};

/// So long a test waits for what has to come.
const SOON: Duration = Duration::from_secs(20);

on_both! {
    i15_a_call_under_an_epoch_that_is_over_ends_the_engine_and_leaves_nothing,
    i15_a_confirm_under_an_epoch_that_is_over_ends_the_engine_and_changes_nothing,
}

/// Writes another epoch into the store, past the engine.
fn taken_over(stand: &Stand) -> Fatal {
    let counter = stand.epoch + 1;
    let text = format!("UPDATE tsugi_epoch SET counter = {counter}");
    match &stand.database {
        Some(database) => drop(database.ask(&text)),
        None => {
            let path = stand.folder.path().join("store.db");
            let other = rusqlite::Connection::open(path).expect("it opens");
            assert_eq!(other.execute(&text, []), Ok(1));
        }
    }
    Fatal::Superseded(suite::claim(counter, 1).epoch)
}

async fn i15_a_call_under_an_epoch_that_is_over_ends_the_engine_and_leaves_nothing(
    mut stand: Stand,
) {
    let (engine, last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    let over = taken_over(&stand);
    let told = ask(&calls, 2);
    let word = spawn_blocking(move || last.recv_timeout(SOON)).await.unwrap();
    assert_eq!(word, Ok(over));
    let again = ask(&calls, 2);
    tokio::time::sleep(Duration::from_millis(30)).await;
    for one in [told, again] {
        if one.is_finished() {
            let told = one.await.unwrap();
            assert!(matches!(told, Answer::Refused(Refused::StoreAway { .. })), "{told:?}");
        }
    }
    assert_eq!((stand.value(), kinds(&stand)), (1, vec![2]));
    drop(engine);
}

async fn i15_a_confirm_under_an_epoch_that_is_over_ends_the_engine_and_changes_nothing(
    mut stand: Stand,
) {
    let (engine, last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    let over = taken_over(&stand);
    let told = tokio::spawn(async move { calls.confirm(id(1)).await });
    let word = spawn_blocking(move || last.recv_timeout(SOON)).await.unwrap();
    assert_eq!(word, Ok(over));
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!told.is_finished(), "{told:?}");
    assert_eq!(kinds(&stand), [2], "its reply is there");
    drop(engine);
}

/// What a server says to whoever writes replies. The trigger stands before there are calls: to
/// make one waits for whoever is writing, and a function is replaced beside them.
fn room(stand: &Stand, says: &str) {
    stand.database.as_ref().unwrap().ask(&format!(
        "CREATE OR REPLACE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN {says} RETURN NULL; END $$"
    ));
}

/// A server whose room for replies is looked at.
fn watched(stand: &Stand) {
    make_room(stand);
    stand.database.as_ref().unwrap().ask(
        "CREATE TRIGGER full_up BEFORE INSERT OR UPDATE OR DELETE ON tsugi_reply \
        FOR EACH STATEMENT EXECUTE FUNCTION full_up()",
    );
}

/// It has none any more; nobody else's statement is refused.
fn fill(stand: &Stand) {
    room(stand, "RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full';");
}

fn make_room(stand: &Stand) {
    room(stand, "");
}

fn is_full(told: &Answer) -> bool {
    matches!(told, Answer::Refused(Refused::StoreAway { .. }))
}

#[tokio::test]
async fn i29_a_server_without_room_refuses_calls_and_confirms_and_the_engine_goes_on() {
    let mut stand = Stand::on_postgres();
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    watched(&stand);
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    fill(&stand);
    for _ in 0..2 {
        let told = call(&calls, 2, "a").await;
        assert!(is_full(&told), "{told:?}");
    }
    let told = calls.confirm(id(1)).await;
    assert!(is_full(&told), "{told:?}");
    assert_eq!(text(&calls.fetch(id(1)).await), "1", "what is stored is told");
    assert_eq!(stand.value(), 1, "nothing of it is kept");
    make_room(&stand);
    assert_eq!(text(&call(&calls, 2, "a").await), "2", "there is room again");
    // The program has run when there is no room for what it leaves.
    stand.gates.shut("begin");
    let late = ask(&calls, 3);
    reached(&stand, "begin", 1).await;
    fill(&stand);
    stand.gates.open("begin");
    let told = late.await.unwrap();
    assert!(is_full(&told), "{told:?}");
    assert_eq!((stand.value(), kinds(&stand)), (2, vec![2, 2]));
    make_room(&stand);
    assert_eq!(text(&call(&calls, 3, "a").await), "3");
    assert_eq!(calls.confirm(id(1)).await, Answer::Changed);
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn i29_what_acts_outside_is_not_begun_on_a_server_without_room() {
    let mut stand = Stand::on_postgres();
    let engine = outside(&mut stand);
    let calls = engine.calls();
    watched(&stand);
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    fill(&stand);
    let told = call(&calls, 2, "a").await;
    assert!(is_full(&told), "{told:?}");
    assert_eq!(stand.runs(), 1, "it was not begun");
    make_room(&stand);
    assert_eq!(text(&call(&calls, 2, "a").await), "2");
    assert_eq!(stand.runs(), 2);
    engine.hand_over(Span::secs(1));
}
