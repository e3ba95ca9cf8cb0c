//! What the table of a snapshot says of state machines: how many things are in which state and for how long, which are
//! stuck, what was refused.

use super::grid::{Column, Grid, WIDTH};
use super::sections::note;
use super::state_machine::{StateMachineStats, StateStats};
use super::text::{cut_middle, format_count, format_duration, one_line, plural};

/// Rows shown unless all are wanted.
const MACHINES_SHOWN: usize = 10;
const STUCK_SHOWN: usize = 10;
const REFUSALS_SHOWN: usize = 10;

const COLUMNS: [Column; 8] = [
    Column::new("now"),
    Column::new("stuck"),
    Column::new("entered"),
    Column::new("left"),
    Column::new("removed").given_up(1),
    Column::new("p50"),
    Column::new("p99"),
    Column::new("total").given_up(2),
];

pub(super) fn state_machines(text: &mut String, machines: &[StateMachineStats], all: bool) {
    if machines.is_empty() {
        return;
    }
    let shown = if all { machines.len() } else { machines.len().min(MACHINES_SHOWN) };
    let mut grid = Grid::new(&COLUMNS);
    grid.group("state machine");
    for machine in &machines[..shown] {
        grid.row(one_line(&machine.name), of_machine(machine));
        // A state that nothing has come to says nothing yet.
        for state in machine.states.iter().filter(|state| all || state.entered > 0 || state.entities > 0) {
            grid.row(format!("  {}", one_line(&state.name)), of_state(state));
        }
    }
    grid.write(text, WIDTH);
    if machines.len() > shown {
        note(text, &format!("{} not shown", plural((machines.len() - shown) as u64, "more state machine")));
    }
    stuck(text, machines, all);
    refusals(text, machines, all);
}

fn of_machine(machine: &StateMachineStats) -> Vec<String> {
    let count = count_or_blank;
    let StateMachineStats { entities, stuck_entities, begun, ended, removed, .. } = *machine;
    vec![format_count(entities), count(stuck_entities), count(begun), count(ended), count(removed)]
}

fn of_state(state: &StateStats) -> Vec<String> {
    let count = count_or_blank;
    let StateStats { entities, entered, left, removed, .. } = *state;
    let time = |time| if state.durations.is_empty() { String::new() } else { format_duration(time) };
    let (p50, p99) = (time(state.percentile(0.5)), time(state.percentile(0.99)));
    vec![count(entities), String::new(), count(entered), count(left), count(removed), p50, p99, time(state.total_time)]
}

fn count_or_blank(count: u64) -> String {
    if count == 0 { String::new() } else { format_count(count) }
}

fn stuck(text: &mut String, machines: &[StateMachineStats], all: bool) {
    let total = machines.iter().fold(0_u64, |sum, machine| sum.saturating_add(machine.stuck_entities));
    let mut stuck: Vec<_> =
        machines.iter().flat_map(|machine| machine.stuck.iter().map(move |e| (machine, e))).collect();
    if stuck.is_empty() {
        return;
    }
    // Stable, so those of one age stay in the order of their machines.
    stuck.sort_by_key(|(_, entity)| std::cmp::Reverse(entity.time_in_state));
    let shown = if all { stuck.len() } else { stuck.len().min(STUCK_SHOWN) };
    let columns = [Column::left("machine"), Column::left("state"), Column::new("for"), Column::new("allowed")];
    let mut grid = Grid::new(&columns);
    grid.group("stuck");
    for (machine, entity) in &stuck[..shown] {
        grid.row(
            one_line(&entity.id),
            vec![
                cut_middle(&one_line(&machine.name), 24),
                cut_middle(&one_line(&entity.state), 24),
                format_duration(entity.time_in_state),
                entity.stuck_after.map_or_else(String::new, format_duration),
            ],
        );
    }
    grid.write(text, WIDTH);
    if total > shown as u64 {
        note(text, &format!("{} shown of {}: the longest", format_count(shown as u64), format_count(total)));
    }
}

fn refusals(text: &mut String, machines: &[StateMachineStats], all: bool) {
    let mut notes = Vec::new();
    for machine in machines {
        let name = cut_middle(&one_line(&machine.name), 32);
        if machine.refused_count() > 0 {
            let reasons = machine.refused.iter().map(|(why, &n)| format!("{} {}", one_line(why), format_count(n)));
            let reasons = reasons.collect::<Vec<_>>().join(", ");
            notes.push(format!("{name}: {} refused ({reasons})", plural(machine.refused_count(), "transition")));
        }
        if machine.entities_refused > 0 {
            let refused = plural(machine.entities_refused, "time");
            notes.push(format!("{name}: an entity was refused {refused}, as many were alive as are allowed"));
        }
    }
    if notes.is_empty() {
        return;
    }
    text.push('\n');
    let shown = if all { notes.len() } else { notes.len().min(REFUSALS_SHOWN) };
    notes[..shown].iter().for_each(|line| note(text, line));
    if notes.len() > shown {
        note(text, &format!("{} like these", plural((notes.len() - shown) as u64, "more line")));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::state_machine::tests::machine;
    use super::super::{EntityStats, Snapshot, SnapshotParts};
    use super::*;

    fn table(machines: Vec<StateMachineStats>) -> Snapshot {
        Snapshot::new(SnapshotParts { state_machines: machines, ..SnapshotParts::empty() })
    }

    fn assert_fits(table: &str) {
        for line in table.lines() {
            assert!(line.chars().count() <= WIDTH, "{} characters: {line}", line.chars().count());
        }
    }

    #[test]
    fn the_table_says_how_many_are_where_which_are_stuck_and_what_was_refused() {
        let shown = table(vec![StateMachineStats { entities_refused: 4, ..machine("backup", &[1, 2, 700], 3) }]);
        let text = shown.to_string();
        assert_fits(&text);
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        for expected in [
            "state machine  now  stuck  entered  left     p50     p99   total",
            "backup           2      1        5     3",
            "  copying        2               5     3",
            "stuck  machine  state      for  allowed",
            "db2    backup   copying 16m 00s  15m 00s",
        ] {
            let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(lines.iter().any(|line| squeezed(line).starts_with(&squeezed(expected))), "{expected}:\n{text}");
        }
        assert!(text.contains("  backup: 4 transitions refused (guard 3, undeclared 1)"), "{text}");
        assert!(text.contains("  backup: an entity was refused 4 times, "), "{text}");
    }

    #[test]
    fn nothing_is_said_without_a_machine_and_of_states_without_an_entry() {
        assert!(!table(Vec::new()).to_string().contains("state machine"));
        let idle = machine("backup", &[], 0);
        assert!(!table(vec![idle.clone()]).to_string().contains("  done"));
        assert!(format!("{:#}", table(vec![idle])).contains("  done"));
    }

    #[test]
    fn many_machines_and_stuck_entities_are_cut_short() {
        let stuck: Vec<_> = (0..30).map(|at| entity(&format!("e{at}"), at)).collect();
        let mut machines: Vec<_> = (0..15).map(|at| machine(&format!("m{at}"), &[1], 1)).collect();
        machines[0] = StateMachineStats { stuck, stuck_entities: 5_000, ..machine("m0", &[1], 1) };
        let text = table(machines.clone()).to_string();
        assert_fits(&text);
        assert!(text.contains("  5 more state machines not shown") && text.contains("  10 shown of 5,014: "), "{text}");
        assert!(text.contains("\ne29 ") && !text.contains("\ne19 "), "{text}");
        let all = format!("{:#}", table(machines));
        assert!(all.contains("\nm14") && all.contains("\ne0 "), "{all}");
    }

    #[test]
    fn the_widest_names_and_figures_stay_within_the_lines_and_steer_no_terminal() {
        let name = "a\u{1b}[31m very long name ".repeat(20);
        let mut wide = machine(&name, &[u64::MAX / 1_000_000], u64::MAX / 2);
        wide.stuck = vec![EntityStats { state: name.clone(), ..entity(&name, 1 << 40) }];
        (wide.entities, wide.removed, wide.stuck_entities) = (u64::MAX, u64::MAX, u64::MAX);
        for state in &mut wide.states {
            (state.name, state.entered, state.removed) = (name.clone(), u64::MAX, u64::MAX);
        }
        let text = table(vec![wide]).to_string();
        assert_fits(&text);
        assert!(!text.contains('\u{1b}'));
    }

    fn entity(id: &str, minutes: u64) -> EntityStats {
        EntityStats {
            id: id.into(),
            state: "copying".into(),
            begun_at: SystemTime::UNIX_EPOCH,
            since: SystemTime::UNIX_EPOCH,
            time_in_state: Duration::from_mins(15 + minutes),
            stuck_after: Some(Duration::from_mins(15)),
            transitions: 0,
        }
    }
}
