//! Transactions that are over before anybody has waited long for the lock.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::sinks::sqlite::error::StoreError;

/// How long a transaction goes on taking pieces. With the last piece and its commit it holds the lock somewhat longer.
const WORK: Duration = Duration::from_millis(6);

/// How long a piece should take.
const PIECE: Duration = Duration::from_millis(2);

const FEWEST: i64 = 4;
const MOST: i64 = 4_096;

/// How many rows fit into a piece, found by trying: that depends on the machine and on what is in its memory.
#[derive(Debug)]
pub(super) struct Pace {
    rows: i64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { rows: 32 }
    }
}

impl Pace {
    /// Has `piece` done again and again, with how many rows it may change at most, until it changes none or it is time
    /// to let go of the lock. If anything was changed, the transaction ends with `finish`. Returns whether there may be
    /// more.
    pub(super) fn transaction(
        &mut self,
        connection: &mut Connection,
        mut piece: impl FnMut(&Transaction<'_>, i64) -> Result<usize, StoreError>,
        finish: impl FnOnce(&Transaction<'_>) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let began = Instant::now();
        let mut changed = 0;
        let more = loop {
            let before = began.elapsed();
            let rows = piece(&transaction, self.rows)?;
            let now = began.elapsed();
            self.learn(rows, now.saturating_sub(before));
            changed += rows;
            if rows == 0 || now >= WORK {
                break rows > 0;
            }
        };
        if changed > 0 {
            finish(&transaction)?;
        }
        transaction.commit()?;
        Ok(more)
    }

    fn learn(&mut self, rows: usize, took: Duration) {
        let was_full = i64::try_from(rows).is_ok_and(|rows| rows >= self.rows);
        if took > PIECE {
            self.rows = (self.rows / 2).max(FEWEST);
        } else if was_full && took < PIECE / 2 {
            self.rows = (self.rows * 2).min(MOST);
        }
    }
}
