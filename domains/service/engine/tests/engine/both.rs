//! What means the same on both back ends is shown on both.

/// Makes tests of functions that are given a stand: on SQLite, and on PostgreSQL.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Stand::new()).await;
            })+
        }

        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Stand::on_postgres()).await;
            })+
        }
    };
}
