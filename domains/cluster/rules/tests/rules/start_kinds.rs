//! The start table, all 48 cells.

use tsugi_cluster_rules::start_kind::{
    Ending, Occasion, StartKind, StartOption, StartRefused, decide, first,
};

/// One row an ending and an occasion; the columns are the options none, fresh, inherit.
/// N normal, R restart, F forced normal, - nothing to inherit, x not for anybody but an operator.
const TABLE: &str = "
    orderly operator           N N -
    orderly takeover           R x x
    orderly same-node-restart  R x x
    orderly cluster-start      R x x
    forced  operator           R F R
    forced  takeover           R x x
    forced  same-node-restart  R x x
    forced  cluster-start      R x x
    failure operator           R F R
    failure takeover           R x x
    failure same-node-restart  R x x
    failure cluster-start      R x x
    unknown operator           R F R
    unknown takeover           R x x
    unknown same-node-restart  R x x
    unknown cluster-start      R x x
";

fn ending(word: &str) -> Ending {
    match word {
        "orderly" => Ending::Orderly,
        "forced" => Ending::Forced,
        "failure" => Ending::Failure,
        "unknown" => Ending::Unknown,
        other => panic!("no ending {other}"),
    }
}

fn occasion(word: &str) -> Occasion {
    match word {
        "operator" => Occasion::Operator,
        "takeover" => Occasion::Takeover,
        "same-node-restart" => Occasion::SameNodeRestart,
        "cluster-start" => Occasion::ClusterStart,
        other => panic!("no occasion {other}"),
    }
}

fn letter(answer: Result<StartKind, StartRefused>) -> &'static str {
    match answer {
        Ok(StartKind::Normal) => "N",
        Ok(StartKind::Restart) => "R",
        Ok(StartKind::ForcedNormal) => "F",
        Err(StartRefused::NothingToInherit) => "-",
        Err(StartRefused::OptionWithoutOperator) => "x",
    }
}

#[test]
fn every_cell_of_the_start_table_is_as_written() {
    let mut cells = 0;
    for row in TABLE.trim().lines() {
        let words: Vec<&str> = row.split_whitespace().collect();
        let options = [StartOption::None, StartOption::Fresh, StartOption::Inherit];
        for (option, wanted) in options.into_iter().zip(&words[2..]) {
            let answer = decide(ending(words[0]), occasion(words[1]), option);
            assert_eq!(letter(answer), *wanted, "{row} {option:?}");
            cells += 1;
        }
    }
    assert_eq!(cells, 48);
}

#[test]
fn only_an_orderly_stop_before_an_operators_start_inherits_nothing_by_itself() {
    for row in TABLE.trim().lines() {
        let words: Vec<&str> = row.split_whitespace().collect();
        let (e, o) = (ending(words[0]), occasion(words[1]));
        let normal = decide(e, o, StartOption::None) == Ok(StartKind::Normal);
        assert_eq!(normal, e == Ending::Orderly && o == Occasion::Operator, "{row}");
    }
}

#[test]
fn a_group_that_never_ran_has_nothing_to_inherit() {
    assert_eq!(first(StartOption::None), Ok(StartKind::Normal));
    assert_eq!(first(StartOption::Inherit), Err(StartRefused::NothingToInherit));
}
