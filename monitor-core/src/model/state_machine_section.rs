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
