//! What a unit of work leaves.

use super::*;

pub(super) fn effects_and_reply_are_there_together_or_not_at_all(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let id = call(serial(1, 1), 1);
    added(&mut *begun(&mut *store, &id), 1);
    store.commit().expect("it works");
    assert_eq!(
        (value(&mut *store), store.find(&id.id).expect("it works")),
        (0, None),
        "it was dropped"
    );
    let mut work = begun(&mut *store, &id);
    added(&mut *work, 1);
    let finished = work.finish(&reply("1", 1)).expect("it works");
    if sits(finished) {
        assert_eq!(
            store.find(&id.id).expect("it works"),
            None,
            "nothing is told before the commit"
        );
    }
    store.commit().expect("it works");
    assert_eq!(store.find(&id.id).expect("it works").expect("it is told").reply.body, b"1");
    assert_eq!(value(&mut *store), 1);
}

pub(super) fn a_sitting_is_given_up_as_a_whole(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let (mut last, mut seats) = (Finished::Committed, Vec::new());
    for n in 1..=3 {
        let mut work = begun(&mut *store, &call(serial(n, 1), 1));
        added(&mut *work, 1);
        last = work.finish(&reply(n.to_string(), 1)).expect("it works");
        seats.push(last);
    }
    let kept = if sits(last) { 0 } else { 3 };
    store.abandon().expect("it works");
    assert_eq!(value(&mut *store), kept);
    for n in 1..=3 {
        assert_eq!(store.find(&serial(n, 1)).expect("it works").is_some(), kept == 3);
    }
    assert!(seats.windows(2).all(|pair| !sits(pair[0]) || pair[0] != pair[1]));
}

pub(super) fn nested_units_end_by_themselves(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let mut work = begun(&mut *store, &call(serial(1, 1), 1));
    work.run(&[add(1)]).expect("it works");
    work.nested().expect("it works").run(&[add(10)]).expect("it works");
    {
        let mut inner = work.nested().expect("it works");
        inner.run(&[add(100)]).expect("it works");
        inner.nested().expect("it works").run(&[add(1_000)]).expect("it works");
        let mut third = inner.nested().expect("it works");
        third.run(&[add(10_000)]).expect("it works");
        third.keep().expect("it works");
        inner.keep().expect("it works");
    }
    assert_eq!(added(&mut *work, 0), 10_101);
    work.finish(&reply("", 1)).expect("it works");
    store.commit().expect("it works");
    assert_eq!(value(&mut *store), 10_101);
    // What an inner one kept goes with the outer one.
    let mut work = begun(&mut *store, &call(serial(2, 1), 1));
    let mut inner = work.nested().expect("it works");
    inner.run(&[add(1)]).expect("it works");
    inner.keep().expect("it works");
    drop(work);
    store.commit().expect("it works");
    assert_eq!(value(&mut *store), 10_101);
}

pub(super) fn what_only_reads_changes_nothing_in_a_unit_that_writes(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let mut work = begun(&mut *store, &call(serial(1, 1), 1));
    work.run(&[add(1)]).expect("it works");
    let mut inner = work.nested().expect("it works");
    let read = |text: &str| Op::Read { text: text.to_owned(), rows: vec![Vec::new()] };
    let seen = inner.run(&[read("SELECT value FROM counter WHERE name = 'n'")]);
    let seen = seen.expect("it works");
    assert_eq!(seen[0].rows, [[Value::Integer(1)]], "what is not committed, too");
    for text in ["UPDATE counter SET value = 9", "DELETE FROM counter"] {
        let told = trouble(inner.run(&[read(text)]));
        assert!(matches!(told, Trouble::Refused(_)), "{text}: {told:?}");
    }
    inner.keep().expect("it works");
    assert_eq!(added(&mut *work, 1), 2, "and the unit around it writes on");
    work.finish(&reply("", 1)).expect("it works");
    store.commit().expect("it works");
    assert_eq!(value(&mut *store), 2);
}

pub(super) fn a_refused_operation_leaves_the_unit_without_it(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let mut work = begun(&mut *store, &call(serial(1, 1), 1));
    let twice = Op::Sql {
        text: "INSERT INTO counter (name, value) VALUES (?1, 1)".to_owned(),
        rows: vec![vec!["m".into()], vec!["n".into()]],
    };
    let nonsense = Op::sql("SELECT nothing FROM nowhere", vec![]);
    let two = Op::sql("SELECT 1; SELECT 2", vec![]);
    for bad in [twice, nonsense, two] {
        let told = trouble(work.run(&[add(1), bad, add(100)]));
        assert!(matches!(told, Trouble::Refused(_)), "{told:?}");
    }
    assert_eq!(added(&mut *work, 0), 3);
    work.finish(&reply("", 1)).expect("it works");
    store.commit().expect("it works");
    assert_eq!(value(&mut *store), 3);
    let mut work = begun(&mut *store, &call(serial(2, 1), 1));
    let there = Op::sql("SELECT count(*) FROM counter WHERE name = 'm'", vec![]);
    assert_eq!(work.run(&[there]).expect("it works")[0].rows, [[Value::Integer(0)]]);
}

pub(super) fn what_is_taken_back_is_all_of_the_unit(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let mut work = begun(&mut *store, &call(serial(1, 1), 1));
    added(&mut *work, 1);
    // What ended by itself inside of it leaves nothing that would be taken back in its place.
    let nonsense = work.run(&[Op::sql("SELECT nothing FROM nowhere", vec![])]);
    assert!(matches!(nonsense, Err(Trouble::Refused(_))), "{nonsense:?}");
    drop(work.nested().expect("it works"));
    work.nested().expect("it works").keep().expect("it works");
    work.undo().expect("it works");
    assert_eq!(added(&mut *work, 0), 0);
    drop(work);
    store.abandon().expect("it works");
}

pub(super) fn an_operation_gives_back_so_much_and_no_more(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let mut work = begun(&mut *store, &call(serial(1, 1), 1));
    let large = Op::Define { text: "CREATE TABLE large (t TEXT)".to_owned() };
    let row = vec![Value::Text("x".repeat(1 << 20))];
    work.run(&[large, Op::sql("INSERT INTO large (t) VALUES (?1)", row)]).expect("it works");
    let times = |times: i64| {
        let text = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
            SELECT t FROM large, n";
        Op::sql(text, vec![Value::Integer(times)])
    };
    assert_eq!(work.run(&[times(15)]).expect("it works")[0].rows.len(), 15);
    let told = trouble(work.run(&[times(17)]));
    assert!(matches!(told, Trouble::Refused(_)), "{told:?}");
    assert_eq!(added(&mut *work, 1), 1, "it goes on");
}

pub(super) fn an_abnormal_end_is_stored_without_effects(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let id = call(serial(1, 1), 1);
    for ending in [Ending::Refused, Ending::Abnormal, Ending::TimeLimit] {
        let id = call(key(ending as u8), 1);
        let mut work = begun(&mut *store, &id);
        added(&mut *work, 1);
        work.undo().expect("it works");
        work.finish(&Reply { ending, status: 500, ..reply("{}", 1) }).expect("it works");
        store.commit().expect("it works");
        assert_eq!(store.find(&id.id).expect("it works").expect("stored").reply.ending, ending);
    }
    let mut work = begun(&mut *store, &id);
    added(&mut *work, 1);
    work.undo().expect("it works");
    added(&mut *work, 5);
    work.finish(&reply("", 1)).expect("it works");
    store.commit().expect("it works");
    assert_eq!(value(&mut *store), 5);
}

pub(super) fn a_program_writes_neither_the_record_nor_the_transaction(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    counted(&mut *store, &call(serial(1, 1), 1), 1);
    let mut work = begun(&mut *store, &call(serial(2, 1), 1));
    for text in [
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "SAVEPOINT u",
        "RELEASE u",
        "ROLLBACK TO u",
        "/* a program */ COMMIT",
        "/*tsugi*/ COMMIT",
        "DELETE FROM tsugi_reply",
        "UPDATE tsugi_epoch SET counter = 0",
        "INSERT INTO tsugi_body (content_type, data) VALUES ('', '')",
        "CREATE TABLE other (a BIGINT)",
        "DROP TABLE counter",
        "",
        "-- nothing",
        ";",
    ] {
        let told = work.run(&[Op::sql(text, vec![])]);
        assert!(matches!(told, Err(Trouble::Refused(_))), "{text}: {told:?}");
    }
    for text in [
        "DROP TABLE tsugi_reply",
        "ALTER TABLE tsugi_reply ADD COLUMN a BIGINT",
        "CREATE VIEW replies AS SELECT * FROM tsugi_reply",
        "CREATE TABLE part (client BIGINT REFERENCES tsugi_client (no))",
        "COMMIT",
    ] {
        let told = work.run(&[Op::Define { text: text.to_owned() }]);
        assert!(matches!(told, Err(Trouble::Refused(_))), "{text}: {told:?}");
    }
    added(&mut *work, 1);
    work.finish(&reply("", 1)).expect("it works");
    store.commit().expect("it works");
    assert_eq!((rows_of(&mut *store, "reply"), value(&mut *store)), (2, 2));
}

pub(super) fn values_come_back_as_they_were(stand: &mut dyn Stand) {
    let mut store = founded(stand);
    let bytes = stand.bytes();
    let types = format!("CREATE TABLE kinds (i BIGINT, r DOUBLE PRECISION, t TEXT, b {bytes})");
    let types = Op::Define { text: types };
    let rows = vec![
        vec![
            Value::Integer(i64::MAX),
            Value::Real(0.5),
            Value::Text("\u{7d99}\u{304e} '?1'".to_owned()),
            Value::Blob(vec![0, 255]),
        ],
        vec![Value::Null, Value::Null, Value::Null, Value::Null],
        vec![
            Value::Integer(i64::MIN),
            Value::Real(-1.0e300),
            Value::Text(String::new()),
            Value::Blob(Vec::new()),
        ],
    ];
    let text = "INSERT INTO kinds (i, r, t, b) VALUES (?1, ?2, ?3, ?4) RETURNING i, r, t, b, '?1'";
    let insert = Op::Sql { text: text.to_owned(), rows: rows.clone() };
    let mut work = begun(&mut *store, &call(serial(1, 1), 1));
    let outcomes = work.run(&[types, insert]).expect("it works");
    let expected: Vec<_> =
        rows.into_iter().map(|row| [row, vec![Value::Text("?1".to_owned())]].concat()).collect();
    assert_eq!((outcomes[1].changed, &outcomes[1].rows), (3, &expected));
}
