//! Assertions on state machines.

use std::fmt;

use super::report::nearest;
use crate::model::text::{format_count, format_duration, one_line, plural};
use crate::model::{Refusal, Snapshot, StateMachineStats};

/// Begins assertions on the state machine of that name.
///
/// ```
/// use monitor_core::{Monitor, testing};
///
/// let local = Monitor::builder().build()?;
/// let machine = local.state_machine("order").state("new").state("paid").terminal("shipped")
///     .transition("new", "paid").transition("paid", "shipped").build()?;
/// let order = machine.entity("A-17")?;
/// order.to("paid").unwrap();
/// assert!(order.to("new").is_err());
///
/// testing::assert_state_machine(&local.snapshot(), "order")
///     .entities(1)
///     .in_state("paid", 1)
///     .transitions("new", "paid", 1)
///     .refused(1)
///     .stuck(0)
///     .ended(0);
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// # Panics
///
/// When there is no such machine, with the names there are.
#[track_caller]
pub fn assert_state_machine<'a>(snapshot: &'a Snapshot, name: &str) -> StateMachineAssert<'a> {
    let names = || snapshot.state_machines().iter().map(|machine| machine.name.as_str());
    match snapshot.state_machine(name) {
        Some(stats) => StateMachineAssert { stats },
        None => panic!("no state machine `{}` was defined; {}", one_line(name), nearest(names(), name)),
    }
}

/// Assertions on one state machine, from [`assert_state_machine`]. Each gives itself back, to be followed by another.
///
/// All of them panic, with the figures of the machine, when they do not hold. One that names a state which the machine
/// does not have panics with the names it has.
#[derive(Debug, Clone, Copy)]
pub struct StateMachineAssert<'a> {
    stats: &'a StateMachineStats,
}

impl<'a> StateMachineAssert<'a> {
    /// Exactly `n` entities are alive.
    #[track_caller]
    pub fn entities(self, n: u64) -> Self {
        self.equal("living entities", self.stats.entities, n)
    }

    /// Exactly `n` entities are in that state; for a terminal one, have ended in it.
    #[track_caller]
    pub fn in_state(self, state: &str, n: u64) -> Self {
        let found = self.state(state);
        let there = if found.terminal { found.entered } else { found.entities };
        self.equal(&format!("entities in `{}`", one_line(state)), there, n)
    }

    /// Exactly `n` times that state was entered, beginnings included.
    #[track_caller]
    pub fn entered(self, state: &str, n: u64) -> Self {
        self.equal(&format!("entries into `{}`", one_line(state)), self.state(state).entered, n)
    }

    /// Exactly `n` transitions were made from one state to another, on whatever trigger.
    #[track_caller]
    pub fn transitions(self, from: &str, to: &str, n: u64) -> Self {
        let _both_known = (self.state(from), self.state(to));
        let what = format!("transitions from `{}` to `{}`", one_line(from), one_line(to));
        self.equal(&what, self.stats.transitions_between(from, to), n)
    }

    /// Exactly `n` transitions were refused, for whatever reason.
    #[track_caller]
    pub fn refused(self, n: u64) -> Self {
        self.equal("refused transitions", self.stats.refused_count(), n)
    }

    /// Exactly `n` transitions were refused for that reason.
    #[track_caller]
    pub fn refused_as(self, reason: Refusal, n: u64) -> Self {
        self.equal(&format!("transitions refused as {reason}"), self.stats.refused_as(reason), n)
    }

    /// Exactly `n` entities have been in their state for longer than allowed.
    #[track_caller]
    pub fn stuck(self, n: u64) -> Self {
        self.equal("stuck entities", self.stats.stuck_entities, n)
    }

    /// Exactly `n` entities reached a terminal state.
    #[track_caller]
    pub fn ended(self, n: u64) -> Self {
        self.equal("ended entities", self.stats.ended, n)
    }

    /// The figures themselves, for what is not covered here.
    pub fn stats(self) -> &'a StateMachineStats {
        self.stats
    }

    #[track_caller]
    fn state(self, name: &str) -> &'a crate::model::StateStats {
        let names = || self.stats.states.iter().map(|state| state.name.as_str());
        match self.stats.state(name) {
            Some(state) => state,
            None => panic!(
                "state machine `{}` has no state `{}`; {}",
                one_line(&self.stats.name),
                one_line(name),
                nearest(names(), name)
            ),
        }
    }

    #[track_caller]
    fn equal(self, what: &str, found: u64, expected: u64) -> Self {
        assert!(
            found == expected,
            "state machine `{}`: expected {} {what}, found {}\n{}",
            one_line(&self.stats.name),
            format_count(expected),
            format_count(found),
            Report(self.stats)
        );
        self
    }
}

/// The figures of a machine, a line a subject.
struct Report<'a>(&'a StateMachineStats);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.0;
        let StateMachineStats { entities, begun, ended, removed, .. } = *stats;
        write!(f, "  entities   {entities} alive: {begun} begun, {ended} ended, {removed} removed")?;
        for state in &stats.states {
            write!(
                f,
                "\n  {}: {} now, {} entered, {} left",
                one_line(&state.name),
                state.entities,
                state.entered,
                state.left
            )?;
        }
        for made in stats.transitions.iter().filter(|made| made.count > 0) {
            write!(f, "\n  {} → {}: {}", one_line(&made.from), one_line(&made.to), plural(made.count, "time"))?;
        }
        for (reason, count) in &stats.refused {
            write!(f, "\n  refused as {}: {count}", one_line(reason))?;
        }
        for entity in &stats.stuck {
            let (id, state) = (one_line(&entity.id), one_line(&entity.state));
            write!(f, "\n  stuck: {id} in {state} for {}", format_duration(entity.time_in_state))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;
    use crate::model::{SnapshotParts, StateStats, TransitionStats};

    fn snapshot() -> Snapshot {
        let state = |name: &str, entities, entered, left| StateStats {
            name: name.into(),
            entities,
            entered,
            left,
            terminal: name == "shipped",
            ..StateStats::default()
        };
        let machine = StateMachineStats {
            name: "order".into(),
            entities: 3,
            begun: 4,
            ended: 1,
            states: vec![state("new", 2, 4, 2), state("paid", 1, 2, 1), state("shipped", 0, 1, 0)],
            transitions: vec![TransitionStats {
                from: "new".into(),
                to: "paid".into(),
                trigger: Some("payment".into()),
                count: 2,
            }],
            refused: [("guard".to_owned(), 5), ("undeclared".to_owned(), 1)].into(),
            stuck_entities: 1,
            ..StateMachineStats::default()
        };
        Snapshot::new(SnapshotParts { state_machines: vec![machine], ..SnapshotParts::empty() })
    }

    #[test]
    fn what_holds_passes() {
        let snapshot = snapshot();
        let machine = assert_state_machine(&snapshot, "order")
            .entities(3)
            .in_state("new", 2)
            .in_state("shipped", 1)
            .entered("paid", 2)
            .transitions("new", "paid", 2)
            .transitions("paid", "new", 0)
            .refused(6)
            .refused_as(Refusal::Guard, 5)
            .refused_as(Refusal::Ended, 0)
            .stuck(1)
            .ended(1);
        assert_eq!(machine.stats().begun, 4);
    }

    #[test]
    fn each_assertion_fails_when_it_does_not_hold() {
        let snapshot = snapshot();
        let machine = assert_state_machine(&snapshot, "order");
        let messages = [
            message(|| _ = machine.entities(2)),
            message(|| _ = machine.in_state("new", 1)),
            message(|| _ = machine.in_state("shipped", 0)),
            message(|| _ = machine.entered("paid", 1)),
            message(|| _ = machine.transitions("new", "paid", 1)),
            message(|| _ = machine.refused(5)),
            message(|| _ = machine.refused_as(Refusal::Guard, 6)),
            message(|| _ = machine.stuck(0)),
            message(|| _ = machine.ended(0)),
        ];
        for message in &messages {
            assert!(message.starts_with("state machine `order`: expected "), "{message}");
            assert!(message.contains("\n  entities   3 alive: 4 begun, 1 ended, 0 removed\n"), "{message}");
            assert!(message.contains("\n  new → paid: 2 times\n  refused as guard: 5\n"), "{message}");
        }
        assert!(messages[1].contains("expected 1 entities in `new`, found 2\n"), "{}", messages[1]);
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest_ones() {
        let snapshot = snapshot();
        let failed = message(|| _ = assert_state_machine(&snapshot, "ordr"));
        assert_eq!(failed, "no state machine `ordr` was defined; there are:\n  order");
        let failed = message(|| _ = assert_state_machine(&snapshot, "order").in_state("payd", 0));
        assert!(failed.starts_with("state machine `order` has no state `payd`; there are:\n  paid\n"), "{failed}");
        let failed = message(|| _ = assert_state_machine(&snapshot, "order").transitions("new", "payd", 0));
        assert!(failed.contains("no state `payd`"), "{failed}");
        let none = Snapshot::new(SnapshotParts::empty());
        let failed = message(|| _ = assert_state_machine(&none, "order"));
        assert!(failed.ends_with("there is none"), "{failed}");
    }
}
